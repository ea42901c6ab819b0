/* SPDX-License-Identifier: MIT */
/* ==== door - the one way to change a key ===================================
 *
 * Every change of every key goes through an edit:
 *
 *   edit_open      finds the key, drops it if its time has come, and lets a
 *                  snapshot in progress save what it was
 *   ... change ... in place, or edit_put, edit_grow, edit_deadline, edit_drop
 *   edit_commit    settles what follows from any change
 *
 *              +--------------------- door ---------------------+
 *   handler -->| open: expired? snapshot's pre-image            |--> entry
 *              | commit: bytes, dirty, WATCH, waiters, events   |
 *              +------------------------------------------------+
 *
 * so that no handler has to remember accounting, snapshots, WATCH, keyspace
 * events, blocked clients, ear marks or the change counter.
 *
 * Accounting: the arena counts every byte; what it shows at commit less what
 * it showed at open is what the key and its place in the index grew by.  One
 * edit is open at a time in a shard; a command that changes two keys opens
 * them one after the other.  Growth of the index belongs to the namespace, the
 * rest to the key.
 *
 * floor 3 - uses: base mem buf table pack entry shard big due walk wheel
 */
struct edit {
    struct work *w;
    struct keyref ref;
    struct table_at at;         /* where e is, if it is there */
    struct entry *e;            /* NULL: no such key (any more) */
    size_t before;              /* the arena's bytes when opened */
    size_t size;                /* the key's own bytes then */
    size_t index;               /* growth of the index, modulo SIZE_MAX + 1 */
    size_t detached;            /* bytes left to lazy freeing */
    bool lends_key;             /* ref.local lies in the entry itself */
    struct entry *corpse;       /* so it is freed when all has been told */
    bool existed;
};

/* All of a key's memory, its share of the index aside. */
static INLINE size_t entry_cost(const struct entry *e) {
    size_t n = mem_size(entry_size(e));

    if (LIKELY(!shape_is_big(entry_shape(e)))) return n;
    if (entry_shape(e) == SHAPE_BLOB) return n + blob_cost(entry_object(e));
    if (shape_counts_itself(entry_shape(e)))
        return n + mem_size(big_size(entry_shape(e))) +
               big_held(entry_object(e));
    return ((struct big *)entry_object(e))->bytes;
}

/* Find a key of database db, dead or alive, and where it lives: in *ref, which
 * is the hint's or `room`.  What a hint knows is not worked out again. */
static INLINE struct entry *door__find(struct work *w, struct str key, int db,
                                       struct keyref *room,
                                       const struct keyref **ref,
                                       struct table_at *at) {
    const struct key_hint *h = w->hint;
    struct entry *e;

    if (LIKELY(h != NULL && h->p == key.p) && LIKELY(hint_holds(h, db))) {
        space_count(w, h->ref.shard, h->ref.space);
        *ref = &h->ref;
        *at = h->at;
        e = table_get(at);
        VERIFY(e != NULL);
        if (LIKELY(entry_is(e, h->ref.local))) return e;
    } else {
        key_ref_in(w, key, db, room);
        *ref = room;
        if (room->space == NULL) return NULL;
    }
    return space_entry(w->ks, (*ref)->space, (*ref)->local, (*ref)->hash, at);
}

/* Leave an object to be freed in slices, or free a small one now. */
static void door__detach(struct edit *ed, struct entry *e) {
    struct shard *s = ed->ref.shard;
    size_t budget = 64, own, was = s->mem.used;
    struct big *b;

    if (!shape_is_big(entry_shape(e))) return;
    if (entry_shape(e) == SHAPE_BLOB) {
        struct blob *blob = entry_object(e);

        s->mem.used -= blob_cost(blob);
        blob_drop(blob);
        return;
    }
    b = entry_object(e);
    own = entry_cost(e) - mem_size(entry_size(e));
    if (b->aside == NULL && big_work(b) <= budget) {
        bool counts = shape_counts_itself(entry_shape(e));

        while (!big_free_step(&s->mem, b, &budget)) budget = 64;
        /* nodes that a snapshot still holds are not the key's any more */
        if (counts) ed->detached += own - (was - s->mem.used);
        return;
    }
    ed->detached += own;
    b->bytes = own;
    s->lazy_bytes += own;
    if (b->aside != NULL) {
        b->aside->orphan = true;
        return;
    }
    b->next = s->lazy;
    s->lazy = b;
}

/* Put or clear what other records say of a key's deadline. */
static inline void door__expiring(struct edit *ed, int by) {
    ed->ref.space->expiring += (size_t)(ptrdiff_t)by;
    ed->ref.db->expiring += (size_t)(ptrdiff_t)by;
}

/* The same of an entry that goes, and of its fields' deadlines. */
static inline void door__forget(struct edit *ed, const struct entry *e) {
    if (LIKELY(!entry_has(e, ENTRY_TTL | ENTRY_FIELDS))) return;
    if (entry_has(e, ENTRY_TTL)) door__expiring(ed, -1);
    if (!entry_has(e, ENTRY_FIELDS)) return;
    ed->ref.space->fielded--;
    ed->ref.shard->fielded--;
}

static COLD void door__note_fields(struct edit *ed, struct big_due *d) {
    struct shard *s = ed->ref.shard;
    struct space *sp = ed->ref.space;
    bool had = entry_has(ed->e, ENTRY_FIELDS);

    if (had != (d != NULL)) {
        entry_flag(ed->e, ENTRY_FIELDS, !had);
        sp->fielded += had ? UINT32_MAX : 1;
        s->fielded += had ? SIZE_MAX : 1;
    }
    if (d == NULL) return;
    if (!had) d->filed = 0;     /* under this key it is new */
    if (d->filed != 0 && d->filed <= d->soonest) return;
    d->filed = d->soonest;
    wheel_add(s, sp->id,
              space_hash(ed->w->ks, sp, ed->ref.local, ed->ref.hash),
              d->filed, ed->w->now);
}

/* Note whether fields of an open hash have deadlines, and have the wheel look
 * at it in time. */
static inline void door__fields(struct edit *ed) {
    struct big_hash *h = entry_object(ed->e);

    due_verify(h);
    if (UNLIKELY(h->due != NULL || entry_has(ed->e, ENTRY_FIELDS)))
        door__note_fields(ed, h->due);
}

/* Take the key out of the index, and say whose entry it was. */
static struct entry *door__unlink(struct edit *ed) {
    struct shard *s = ed->ref.shard;
    struct entry *e = ed->e;
    size_t was = s->mem.used;

    KVNS_ASSERT(e != NULL);
    table_drop(&ed->ref.space->keys, &s->mem, &ed->at);
    ed->index += s->mem.used - was;
    door__forget(ed, e);
    ed->ref.db->keys--;
    ed->e = NULL;
    return e;
}

/* Remove the key; its value is freed, later if it is large. */
static void edit_drop(struct edit *ed) {
    struct entry *e = door__unlink(ed);

    door__detach(ed, e);
    if (ed->lends_key) ed->corpse = e;
    else entry_drop(&ed->ref.shard->mem, e);
}

/* Remove the key, whose value another key of the shard has got by edit_adopt.
 * cost: what the key cost before that. */
static void edit_leave(struct edit *ed, size_t cost) {
    struct entry *e = door__unlink(ed);

    ed->size = cost;
    entry_drop(&ed->ref.shard->mem, e);
}

/* Tell those who wait for data in the key, or that it is gone. */
static COLD void door__wake(struct edit *ed) {
    struct shard *s = ed->ref.shard;
    struct table_at at;
    struct side_key *k;

    if (s->waited.count == 0) return;
    k = side_find(s, &s->waited, ed->ref.db->index, ed->ref.ns,
                  ed->ref.local, &at);
    if (k == NULL) return;
    k->turn++;
    side_ready(s, k);
    ed->w->news = true;
}

/* Tell those who keep or watch the key, and who wait for data in it. */
static COLD void door__touch(struct edit *ed, int class) {
    struct shard *s = ed->ref.shard;
    struct table_at at;
    struct side_key *k;

    if (atomic_load_explicit(&s->tracked, memory_order_relaxed) != 0) {
        shard_touched(s, ed->w->who,
                      (class & (EVENT_EXPIRED | EVENT_EVICTED)) == 0,
                      ed->ref.ns, ed->ref.local);
        ed->w->news = true;
    }
    k = side_find(s, &s->watched, ed->ref.db->index, ed->ref.ns,
                  ed->ref.local, &at);
    if (k != NULL)
        for (struct side_link *l = k->first; l != NULL; l = l->next)
            atomic_store_explicit((atomic_bool *)l->who, true,
                                  memory_order_relaxed);
    door__wake(ed);
}

/* Settle the bytes; see the banner. */
static INLINE void door__account(struct edit *ed) {
    struct shard *s = ed->ref.shard;
    struct space *sp = ed->ref.space;
    size_t key = s->mem.used - ed->before - ed->index, size;

    if (sp == NULL) return;
    if (LIKELY((key | ed->index | ed->detached) == 0 && ed->e != NULL &&
               !shape_is_big(entry_shape(ed->e)))) {
        VERIFY(ed->size == entry_cost(ed->e));
        return;                 /* changed in place */
    }
    size = ed->size + key - ed->detached;
    if (ed->e != NULL && UNLIKELY(shape_is_big(entry_shape(ed->e)))) {
        if (shape_counts_itself(entry_shape(ed->e))) size = entry_cost(ed->e);
        if (entry_shape(ed->e) == SHAPE_HASH_TABLE) door__fields(ed);
        if (entry_shape(ed->e) != SHAPE_BLOB)
            ((struct big *)entry_object(ed->e))->bytes = size;
    }
    /* nodes that a snapshot holds outlive the key, not its cost */
    if (ed->e == NULL) size = 0;
    VERIFY(ed->e == NULL || size == entry_cost(ed->e));
    space_charge(s, sp, size - ed->size + ed->index);
    ed->size = size;
    ed->before = s->mem.used;
    ed->index = ed->detached = 0;
}

static COLD void door__tell(struct edit *ed, int class, const char *name) {
    if ((ed->w->ks->opt.notify & class) == 0) return;
    shard_tell(ed->ref.shard, class, name, ed->ref.db->index,
               ed->ref.ns.p == NULL, ed->ref.ns, ed->ref.local);
    ed->w->news = true;
}

/* Tell of an event in this key's life besides the one of the commit; name NULL
 * for none.  What was not there before is new in the first place. */
static inline void edit_tell(struct edit *ed, int class, const char *name) {
    if (LIKELY(ed->w->ks->opt.notify == 0)) return;
    if (!ed->existed && ed->e != NULL) {
        ed->existed = true;
        door__tell(ed, EVENT_NEW, "new");
    }
    if (name != NULL) door__tell(ed, class, name);
}

/* The end of every change: events, bytes, ear mark. */
static INLINE void door__settle(struct edit *ed, int class,
                                const char *name) {
    struct shard *s = ed->ref.shard;
    struct space *sp = ed->ref.space;

    shard_changed(s);
    edit_tell(ed, class, name);
    if (UNLIKELY(ed->corpse != NULL)) entry_drop(&s->mem, ed->corpse);
    door__account(ed);
    if (ed->e != NULL) entry_flag(ed->e, ENTRY_READ, false);
    else if (sp != NULL && UNLIKELY(sp->keys.count == 0))
        space_forget(s, ed->ref.db, sp);
}

/* The change at hand counts as n, as Redis counts elements of a collection
 * where it does, for the rules by which snapshots are taken; else as one. */
static inline void edit_counts(const struct edit *ed, uint64_t n) {
    if (UNLIKELY(n != 1)) ed->ref.shard->dirty += n - 1;
}

/* The change is done: settle what follows and tell of the event, if any (name
 * NULL: none).  The edit is over. */
static INLINE void edit_commit_here(struct edit *ed, int class,
                                    const char *name) {
    const struct shard *s = ed->ref.shard;

    if (UNLIKELY(s->watched.count + s->waited.count +
                 atomic_load_explicit(&s->tracked, memory_order_relaxed) != 0))
        door__touch(ed, class);
    door__settle(ed, class, name);
}

static inline void edit_commit(struct edit *ed, int class, const char *name) {
    edit_commit_here(ed, class, name);
}

/* The same for a change that WATCH does not count, as Redis does not count
 * what the readers of a stream do, nor what PFDEBUG does; `wake`: those who
 * wait should look. */
static void edit_commit_aside(struct edit *ed, int class, const char *name,
                              bool wake) {
    if (wake) door__wake(ed);
    door__settle(ed, class, name);
}

/* Nothing was changed after all. */
static inline void edit_cancel(struct edit *ed) {
    VERIFY(ed->ref.shard->mem.used == ed->before);
    (void)ed;
}

/* Remove an open hash whose fields are all dead.  The edit is over. */
static COLD void door_bury(struct edit *ed) {
    struct big_hash *h = entry_object(ed->e);

    ed->ref.shard->fields_expired += h->fields.count;
    edit_tell(ed, EVENT_HASH, "hexpired");
    edit_drop(ed);
    edit_commit(ed, EVENT_GENERIC, "del");
}

/* Remove a key whose time has come, or that of all its fields. */
static COLD void door__expire(struct work *w, const struct keyref *ref,
                              struct table_at at, struct entry *e) {
    struct edit ed = { .w = w, .ref = *ref, .at = at, .e = e };

    if (entry_has(e, ENTRY_MARK) != ref->shard->mark)
        walk_keep(ref->shard, ref->space, e);
    ed.before = ref->shard->mem.used;
    ed.size = entry_cost(e);
    ed.existed = true;
    if (!entry_has(e, ENTRY_TTL) || entry_deadline(e) > w->now) {
        door_bury(&ed);
        return;
    }
    ref->shard->expired++;
    ref->space->tally.expired++;
    edit_drop(&ed);
    edit_commit(&ed, EVENT_EXPIRED, "expired");
}

/* The entry of a watched or waited-for key as it is now, or NULL. */
static struct entry *side_entry(struct shard *s, const struct side_key *k,
                                int64_t now) {
    bool plain = k->nslen == UINT32_MAX;
    struct str ns = { plain ? NULL : k->name, plain ? 0 : k->nslen };
    struct str local = { k->name + ns.n, k->n };
    struct db *db = s->dbs[k->db];
    struct table_at at;
    struct space *sp = plain ? db->plain : space_find(s, db, ns, &at);
    struct entry *e;

    if (sp == NULL) return NULL;
    e = space_entry(s->ks, sp, local, key_hash(s->ks, local), &at);
    return e == NULL || entry_is_dead(e, now) ? NULL : e;
}

/* Open a key of database db for change.  ed->e is NULL when there is none. */
static INLINE void edit_open_here(struct work *w, struct str key, int db,
                                  struct edit *ed) {
    const struct keyref *ref;
    struct shard *s;

    ed->w = w;
    ed->e = door__find(w, key, db, &ed->ref, &ref, &ed->at);
    if (ref != &ed->ref) ed->ref = *ref;
    s = ed->ref.shard;
    if (ed->e != NULL && entry_is_dead(ed->e, w->now)) {
        door__expire(w, &ed->ref, ed->at, ed->e);
        key_ref_in(w, key, db, &ed->ref);
        ed->e = NULL;
    }
    if (ed->e != NULL && UNLIKELY(entry_has(ed->e, ENTRY_MARK) != s->mark))
        walk_keep(s, ed->ref.space, ed->e);
    ed->before = s->mem.used;
    ed->size = ed->e == NULL ? 0 : entry_cost(ed->e);
    ed->index = ed->detached = 0;
    ed->existed = ed->e != NULL;
    ed->lends_key = false;
    ed->corpse = NULL;
}

static inline void edit_open_in(struct work *w, struct str key, int db,
                                struct edit *ed) {
    edit_open_here(w, key, db, ed);
}

static inline void edit_open(struct work *w, struct str key,
                             struct edit *ed) {
    edit_open_in(w, key, w->db, ed);
}

/* Open the entry at a place that is known, for expiry and eviction. */
static void edit_open_at(struct work *w, struct space *sp, struct shard *s,
                         const struct table_at *at, struct entry *e,
                         uint64_t hash, struct edit *ed) {
    memset(ed, 0, sizeof *ed);
    ed->w = w;
    ed->ref.shard = s;
    ed->ref.space = sp;
    ed->ref.db = sp->db;
    ed->ref.ns = sp->is_default ? (struct str){ NULL, 0 } : space_name(sp);
    ed->ref.local = entry_key(e);
    ed->ref.hash = hash;
    ed->at = *at;
    ed->e = e;
    if (entry_has(e, ENTRY_MARK) != s->mark) walk_keep(s, sp, e);
    ed->before = s->mem.used;
    ed->size = entry_cost(e);
    ed->existed = true;
    ed->lends_key = true;
}

/* The index under suspicion is hashed anew with SipHash. */
static COLD void door__strengthen(struct edit *ed) {
    struct space *sp = ed->ref.space;
    struct space_hasher x = { ed->w->ks, sp };

    if (sp->strong) {
        sp->keys.suspect = false;
        return;
    }
    sp->strong = true;
    if (!table_rehash(&sp->keys, &ed->ref.shard->mem, space_hash_of, &x))
        sp->strong = false;
    walk_rehashed(ed->ref.shard, sp);
}

/* Make e, which the caller made with this key, the key's entry: in place of
 * the old one, whose value is freed, or new.  The deadline is e's own.  False:
 * no memory; then e is dropped (not what it points to) and nothing changed. */
static bool edit_put(struct edit *ed, struct entry *e) {
    struct shard *s = ed->ref.shard;
    struct keyspace *ks = ed->w->ks;
    struct space *sp = ed->ref.space;
    struct space_hasher x;
    uint64_t h;
    size_t was;

    entry_flag(e, ENTRY_MARK, s->mark);
    e->used = work_tick(ed->w);
    if (ed->e != NULL) {
        door__forget(ed, ed->e);
        e->hits = ed->e->hits;
        table_set(&ed->at, e);
        door__detach(ed, ed->e);
        entry_drop(&s->mem, ed->e);
    } else {
        was = s->mem.used;
        if (sp == NULL) {
            sp = space_new(&ed->ref);
            space_count(ed->w, s, sp);
            ed->before += s->mem.used - was;    /* charged already */
            was = s->mem.used;
        }
        x = (struct space_hasher){ ks, sp };
        h = sp == NULL ? 0 :
                space_hash(ks, sp, ed->ref.local, ed->ref.hash);
        if (sp == NULL ||
            !table_put(&sp->keys, &s->mem, h, e, space_hash_of, &x)) {
            ed->index += s->mem.used - was;
            entry_drop(&s->mem, e);
            return false;
        }
        if (UNLIKELY(sp->keys.suspect)) door__strengthen(ed);
        ed->index += s->mem.used - was;
        ed->ref.db->keys++;
        space_entry(ks, sp, ed->ref.local, ed->ref.hash, &ed->at);
    }
    ed->e = e;
    if (entry_has(e, ENTRY_TTL)) {
        door__expiring(ed, 1);
        wheel_add(s, sp->id, space_hash(ks, sp, ed->ref.local, ed->ref.hash),
                  entry_deadline(e), ed->w->now);
    }
    return true;
}

/* Make an entry for the key with room for a value of vlen bytes, and put it:
 * ed->e is it then.  Pointers and bytes are the caller's to fill at once. */
static bool edit_make(struct edit *ed, enum shape shape, size_t vlen,
                      int64_t deadline) {
    struct entry *e = entry_try(&ed->ref.shard->mem, ed->ref.local, shape,
                                vlen, deadline);

    return e != NULL && edit_put(ed, e);
}

/* Make the value and the deadline of e the open key's, in place of what it
 * had.  e is another entry of this shard, open no more and to be left at once
 * (edit_leave): until then what hangs on it hangs on both.  cost: what e's key
 * costs.  False: no memory, nothing changed. */
static bool edit_adopt(struct edit *ed, const struct entry *e, size_t cost) {
    struct str v = entry_value(e);

    if (!edit_make(ed, entry_shape(e), v.n, entry_deadline(e))) return false;
    memcpy(entry_bytes(ed->e), v.p, v.n);
    ed->e->used = e->used;
    ed->e->hits = e->hits;
    ed->detached -= cost - mem_size(entry_size(e));
    return true;
}

/* Change the length of the value in the block, keeping the shorter length's
 * bytes, the shape and the deadline.  False: no memory, nothing changed. */
static bool edit_resize(struct edit *ed, size_t vlen) {
    struct shard *s = ed->ref.shard;
    struct entry *old = ed->e, *e;
    struct str v = entry_value(old), key = entry_key(old);
    bool ttl = entry_has(old, ENTRY_TTL);
    size_t size = (size_t)(v.p + v.n - (const char *)old);
    size_t need = entry_need(key.n, vlen, ttl);

    if (v.n == vlen) return true;
    if ((v.n < ENTRY_LONG) == (vlen < ENTRY_LONG)) {
        e = mem_resize(&s->mem, old, size, need);
        if (e == NULL) return false;
        if (vlen < ENTRY_LONG) e->vlen = (uint8_t)vlen;
        else store32(entry__lengths(e) + (e->klen == ENTRY_LONG ? 4 : 0),
                     (uint32_t)vlen);
    } else {
        e = entry_try(&s->mem, key, entry_shape(old), vlen,
                      entry_deadline(old));
        if (e == NULL) return false;
        e->used = old->used;
        e->hits = old->hits;
        e->shape_flags = old->shape_flags;
        memcpy(entry_bytes(e), v.p, size_min(v.n, vlen));
        entry_drop(&s->mem, old);
    }
    if (e != old) table_set(&ed->at, e);
    ed->e = e;
    return true;
}

/* Make the value in the block shorter; cannot fail: the spare page helps. */
static void edit_shrink(struct edit *ed, size_t vlen) {
    struct shard *s = ed->ref.shard;
    struct entry *old = ed->e, *e;
    struct str v = entry_value(old), key = entry_key(old);

    if (edit_resize(ed, vlen)) return;
    e = mem_new(&s->mem, entry_need(key.n, vlen, entry_has(old, ENTRY_TTL)));
    entry__write(e, key, entry_shape(old), vlen, entry_deadline(old));
    e->used = old->used;
    e->hits = old->hits;
    e->shape_flags = old->shape_flags;
    memcpy(entry_bytes(e), v.p, vlen);
    table_set(&ed->at, e);
    entry_drop(&s->mem, old);
    ed->e = e;
}

/* Open a gap of `bytes` at offset `at` of the value, a pack, for the caller to
 * fill at once.  False: no memory, nothing changed. */
static bool edit_pack_gap(struct edit *ed, size_t at, size_t bytes) {
    size_t n = entry_value(ed->e).n;

    if (!edit_resize(ed, n + bytes)) return false;
    pack_splice(entry_bytes(ed->e), n, at, 0, bytes);
    return true;
}

/* Cut `bytes` at offset `at` out of the value, a pack; a key whose pack is
 * empty then is removed.  Cannot fail. */
static void edit_pack_cut(struct edit *ed, size_t at, size_t bytes) {
    size_t n = entry_value(ed->e).n;

    if (n == bytes) {
        edit_drop(ed);
        return;
    }
    pack_splice(entry_bytes(ed->e), n, at, bytes, 0);
    edit_shrink(ed, n - bytes);
}

/* Replace the element at offset `at` of the value, a pack, by s.  False: no
 * memory, nothing changed. */
static bool edit_pack_replace(struct edit *ed, size_t at, struct str s) {
    struct str v = entry_value(ed->e);
    size_t old = pack_next((const uint8_t *)v.p, v.n, at) - at;
    size_t size = pack_size_of(s);

    if (size > old && !edit_resize(ed, v.n - old + size)) return false;
    pack_splice(entry_bytes(ed->e), v.n, at, old, size);
    pack_write(entry_bytes(ed->e) + at, s);
    if (size < old) edit_shrink(ed, v.n - old + size);
    return true;
}

/* Set the deadline (wall clock in ms), or take it away with 0.  False: no
 * memory, nothing changed. */
static bool edit_deadline(struct edit *ed, int64_t deadline) {
    struct shard *s = ed->ref.shard;
    struct space *sp = ed->ref.space;
    struct entry *old = ed->e, *e;
    struct str v = entry_value(old);
    int64_t was = entry_deadline(old);

    if (was != 0 && deadline != 0) {
        store64((char *)old + ENTRY_HEAD, (uint64_t)deadline);
        if (deadline >= was) return true;   /* its record will move on */
    } else if (was != deadline) {
        e = entry_try(&s->mem, entry_key(old), entry_shape(old), v.n,
                      deadline);
        if (e == NULL) return false;
        e->used = old->used;
        e->hits = old->hits;
        entry_flag(e, ENTRY_MARK, entry_has(old, ENTRY_MARK));
        entry_flag(e, ENTRY_FIELDS, entry_has(old, ENTRY_FIELDS));
        memcpy(entry_bytes(e), v.p, v.n);
        table_set(&ed->at, e);
        entry_drop(&s->mem, old);
        ed->e = e;
        door__expiring(ed, deadline != 0 ? 1 : -1);
    }
    if (deadline != 0)
        wheel_add(s, sp->id,
                  space_hash(ed->w->ks, sp, ed->ref.local, ed->ref.hash),
                  deadline, ed->w->now);
    return true;
}

/* Count a miss. */
static void door__miss(struct work *w, const struct keyref *ref) {
    shard_counts(ref->shard, ref->space, &ref->shard->lately.misses);
    if (LIKELY((w->ks->opt.notify & EVENT_MISS) == 0)) return;
    shard_tell(ref->shard, EVENT_MISS, "keymiss", ref->db->index,
               ref->ns.p == NULL, ref->ns, ref->local);
    w->news = true;
}

/* Note that a key in an ear namespace was read.  Without memory for the note
 * it stays unmarked: read again, swept then. */
static COLD void door__ear(struct work *w, const struct keyref *ref,
                           struct entry *e) {
    uint64_t h = space_hash(w->ks, ref->space, ref->local, ref->hash);
    struct buf *reads = &ref->shard->reads;

    if (!buf_put(reads, &ref->space->id, sizeof(uint32_t))) return;
    if (buf_put(reads, &h, sizeof h)) entry_flag(e, ENTRY_READ, true);
    else reads->n -= sizeof(uint32_t);
}

/* Find a key to be read: counts the use, the hit or the miss.  NULL: there is
 * none.  Lent until the next change in the shard. */
static INLINE struct entry *key_read_here(struct work *w, struct str key) {
    const struct keyref *ref;
    struct keyref room;
    struct table_at at;
    struct entry *e = door__find(w, key, w->db, &room, &ref, &at);

    if (e != NULL && entry_is_dead(e, w->now)) {
        door__expire(w, ref, at, e);
        key_ref(w, key, &room);
        ref = &room;
        e = NULL;
    }
    if (UNLIKELY(e == NULL)) {
        door__miss(w, ref);
        return NULL;
    }
    shard_counts(ref->shard, ref->space, &ref->shard->lately.hits);
    if (UNLIKELY(w->no_touch)) return e;
    entry_hit(e, work_tick(w), w->ks->opt.half_life, w->rand);
    if (UNLIKELY(ref->space->policy == POLICY_EAR) &&
        !entry_has(e, ENTRY_READ))
        door__ear(w, ref, e);
    return e;
}

static inline struct entry *key_read(struct work *w, struct str key) {
    return key_read_here(w, key);
}

/* Find a key without leaving a trace; NULL if it is not there (or dead). */
static inline struct entry *key_peek_in(struct work *w, struct str key,
                                        int db) {
    const struct keyref *ref;
    struct keyref room;
    struct table_at at;
    struct entry *e = door__find(w, key, db, &room, &ref, &at);

    return e == NULL || entry_is_dead(e, w->now) ? NULL : e;
}

static inline struct entry *key_peek(struct work *w, struct str key) {
    return key_peek_in(w, key, w->db);
}

/* Count a look at a key as a hit or a miss, not as a use of it; `tells`: those
 * who want to hear of misses do. */
static COLD void door__look(struct work *w, const struct keyref *ref,
                            bool found, bool tells) {
    if (found) {
        shard_counts(ref->shard, ref->space, &ref->shard->lately.hits);
    } else if (tells) {
        door__miss(w, ref);
    } else {
        shard_counts(ref->shard, ref->space, &ref->shard->lately.misses);
    }
}

/* Find a key without using it, but counted as looked at. */
static inline struct entry *key_noted(struct work *w, struct str key,
                                      bool tells) {
    const struct keyref *ref;
    struct keyref room;
    struct table_at at;
    struct entry *e = door__find(w, key, w->db, &room, &ref, &at);

    if (e != NULL && entry_is_dead(e, w->now)) e = NULL;
    door__look(w, ref, e != NULL, tells);
    return e;
}

/* To open a key, which has just been done, counts as looking at it. */
static inline void edit_noted(const struct edit *ed) {
    door__look(ed->w, &ed->ref, ed->e != NULL, true);
}
