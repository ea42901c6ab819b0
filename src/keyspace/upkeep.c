/* SPDX-License-Identifier: MIT */
/* ==== upkeep - what goes on behind the commands ============================
 *
 * Everything that takes long is done in slices, between commands: keys and
 * fields whose time has come, namespaces and collections on their way out,
 * keys read in ear namespaces, the snapshot's walk, memory that goes back to
 * the system.  shard_step does a bounded piece and says whether there is more.
 *
 * Eviction happens before a write that needs room, in the namespace that is
 * written to and nowhere else; and only if it can make enough room.  When a
 * limit is lowered nothing is written: then it begins by itself, in the
 * namespace that the limit is of.  If that is the server's, the largest of
 * those that may be evicted from gives first, so that the small ones keep what
 * they have, however much the others are over an equal share.
 *
 * floor 3 - uses: base arena mem rand buf table entry shard big due walk
 *    wheel door fields compact
 */
enum {
    UPKEEP_BATCH = 16,          /* keys looked up together */
    UPKEEP_SPACES = 64          /* namespaces of which the largest is taken */
};

/* Remove an entry at a known place; its event says why. */
static void upkeep__remove(struct work *w, struct shard *s, struct space *sp,
                           struct table_at *at, struct entry *e, uint64_t hash,
                           int class, const char *name) {
    struct edit ed;

    edit_open_at(w, sp, s, at, e, hash, &ed);
    edit_drop(&ed);
    edit_commit(&ed, class, name);
}

/* When something of a key expires next, for which its record is to be filed. */
static int64_t upkeep__next(const struct entry *e) {
    int64_t next = entry_has(e, ENTRY_TTL) ? entry_deadline(e) : INT64_MAX;

    if (entry_has(e, ENTRY_FIELDS)) {
        struct big_due *d = ((struct big_hash *)entry_object(e))->due;

        if (d->soonest < next) next = d->soonest;
        d->filed = next;
    }
    return next;
}

/* Remove a hash whose fields are all dead. */
static COLD void upkeep__bury(struct work *w, struct shard *s,
                              struct space *sp, struct table_at *at,
                              struct entry *e, uint64_t hash) {
    struct edit ed;

    edit_open_at(w, sp, s, at, e, hash, &ed);
    door_bury(&ed);
}

/* Remove some dead fields of a hash that has others; returns how many. */
static COLD size_t upkeep__fields(struct work *w, struct shard *s,
                                  struct space *sp, struct table_at *at,
                                  struct entry *e, uint64_t hash) {
    struct edit ed;
    size_t n;

    edit_open_at(w, sp, s, at, e, hash, &ed);
    n = fields_purge(&ed);
    if (n > 0) edit_commit(&ed, EVENT_HASH, "hexpired");
    else edit_cancel(&ed);
    return n;
}

/* Look at one record of the wheel: expire a key it may mean, or fields of
 * one, or file it again.  Returns how many elements that concerned, a field for
 * two, since it leaves a table and an order; *more: the record is to be looked
 * at once more. */
static size_t upkeep__fire(struct work *w, struct shard *s, uint32_t id,
                           uint64_t hash, bool *more) {
    struct space *sp = id < s->ids ? s->by_id[id] : NULL;
    int64_t soonest, next = INT64_MAX;
    struct table_at at;
    struct entry *e;
    size_t n = 1;

    if (sp == NULL) return n;
    for (e = table_first(&sp->keys, hash, &at); e != NULL;
         e = table_next(&at)) {
        struct str key = entry_key(e);
        uint64_t fast;

        if (!entry_has(e, ENTRY_TTL | ENTRY_FIELDS)) continue;
        fast = key_hash(w->ks, key);
        if ((space_hash(w->ks, sp, key, fast) & TABLE_HASH) != hash) continue;
        if (entry_has(e, ENTRY_TTL) && entry_deadline(e) <= w->now) {
            s->expired++;
            sp->tally.expired++;
            upkeep__remove(w, s, sp, &at, e, fast, EVENT_EXPIRED, "expired");
            return n;
        }
        if (entry_has(e, ENTRY_FIELDS)) {
            struct big_hash *h = entry_object(e);

            if (due_is_all(h, w->now)) {
                upkeep__bury(w, s, sp, &at, e, fast);
                return n;
            }
            if (h->due->soonest <= w->now)
                n += 2 * upkeep__fields(w, s, sp, &at, e, fast);
            *more = due_dead(h, w->now) > 0;
            if (*more) return n;
        }
        soonest = upkeep__next(e);
        if (soonest < next) next = soonest;
        if (n > 1) break;       /* the table may have changed */
    }
    if (next < INT64_MAX) wheel_add(s, id, hash, next, w->now);
    return n;
}

/* Expire what is due, about *budget keys. */
static void upkeep__expire(struct work *w, struct shard *s, size_t *budget) {
    struct wheel_chunk *c;

    while (*budget > 0 && (c = wheel_turn(s->wheel, w->now)) != NULL) {
        struct space *sp = c->space < s->ids ? s->by_id[c->space] : NULL;
        size_t n = size_min(c->n, UPKEEP_BATCH), first = c->n - n;

        for (size_t i = 0; sp != NULL && i < n; i++)
            table_prefetch(&sp->keys, wheel_hash(c, first + i));
        for (size_t i = 0; sp != NULL && i < n; i++) {
            struct table_at at;

            PREFETCH(table_first(&sp->keys, wheel_hash(c, first + i), &at));
        }
        for (size_t i = 0; i < n && *budget > 0; i++) {
            uint64_t hash = wheel_hash(c, --c->n);
            bool more = false;
            size_t did;

            s->wheel->records--;
            did = upkeep__fire(w, s, c->space, hash, &more);
            *budget -= size_min(*budget, did);
            if (more) wheel_put(s->wheel, c, hash);
        }
        if (c->n > 0) {
            wheel_back(s->wheel, c);
        } else {
            wheel__free(s->wheel, c);
        }
    }
}

struct upkeep__gone {
    struct shard *s;
    struct space *sp;
    size_t items;               /* bytes that came back with the entries */
};

/* Free one entry of a namespace that was detached. */
static void upkeep__drop_entry(void *ctx, void *item) {
    struct upkeep__gone *g = ctx;
    struct edit ed = { .ref = { .shard = g->s, .space = g->sp }, .e = item };
    size_t cost = entry_cost(item), was = g->s->mem.used;

    if (g->sp->due && entry_has(ed.e, ENTRY_MARK) != g->s->mark)
        walk_keep(g->s, g->sp, ed.e);
    door__detach(&ed, ed.e);
    g->s->lazy_bytes -= cost;
    g->sp->bytes -= cost;
    g->sp->expiring -= entry_has(ed.e, ENTRY_TTL);
    g->sp->fielded -= entry_has(ed.e, ENTRY_FIELDS);
    entry_drop(&g->s->mem, ed.e);
    g->items += was - g->s->mem.used;
    g->s->lazily_freed++;
}

/* Free what was left to be freed. */
static void upkeep__free(struct shard *s, size_t *budget) {
    while (*budget > 0 && s->lazy != NULL) {
        struct big *b = s->lazy, *next = b->next;
        size_t own = b->bytes;

        if (!big_free_step(&s->mem, b, budget)) return;
        s->lazy_bytes -= own;
        s->lazily_freed++;
        s->lazy = next;
    }
    while (*budget > 0 && s->gone != NULL) {
        struct space *sp = s->gone;
        struct upkeep__gone g = { s, sp, 0 };
        size_t was = s->mem.used, index;
        bool done;

        if (sp->due && walk_waits(s)) return;
        done = table_free_step(&sp->keys, &s->mem, budget, upkeep__drop_entry,
                               &g);
        index = was - s->mem.used - g.items;
        s->lazy_bytes -= index;
        sp->bytes -= index;
        if (!done) return;
        /* what each change was counted as has come to what there was */
        VERIFY(sp->bytes == space_own(sp));
        VERIFY(sp->expiring == 0 && sp->fielded == 0);
        s->gone = sp->next;
        if (sp->due) walk_freed(s);
        s->lazy_bytes -= sp->bytes;
        mem_drop(&s->mem, sp, sizeof *sp + sp->nlen);
    }
}

enum { UPKEEP_NOTE = sizeof(uint32_t) + sizeof(uint64_t) };

/* Sweep the key of a note, if it was read in an ear namespace and has not been
 * written since. */
static void upkeep__sweep_one(struct work *w, struct shard *s,
                              const char *note) {
    struct table_at at;
    struct space *sp;
    struct entry *e;
    uint64_t hash;
    uint32_t id;

    memcpy(&id, note, sizeof id);
    memcpy(&hash, note + sizeof id, sizeof hash);
    sp = id < s->ids ? s->by_id[id] : NULL;
    if (sp == NULL) return;
    for (e = table_first(&sp->keys, hash, &at); e != NULL;
         e = table_next(&at)) {
        if (!entry_has(e, ENTRY_READ)) continue;
        s->ear_evicted++;
        sp->tally.ear_evicted++;
        upkeep__remove(w, s, sp, &at, e, key_hash(w->ks, entry_key(e)),
                       EVENT_EVICTED, "evicted");
        return;
    }
}

/* Go on with a sweep, so many notes at most. */
static void upkeep__sweep(struct work *w, struct shard *s, size_t budget) {
    for (; budget > 0 && s->swept < s->sweep_to; budget--) {
        upkeep__sweep_one(w, s, s->reads.p + s->swept);
        s->swept += UPKEEP_NOTE;
    }
    if (s->swept < s->sweep_to) return;
    /* what was read meanwhile is for the next one */
    buf_drop_front(&s->reads, s->swept);
    s->reads.failed = false;
    s->swept = s->sweep_to = 0;
}

/* Begin a sweep of all that was read in ear namespaces so far, if none is
 * going on; called some times a second.  True: there is one, done in steps. */
static inline bool shard_sweep_reads(struct shard *s) {
    if (s->sweep_to == 0) s->sweep_to = s->reads.n;
    return s->sweep_to > 0;
}

/* Is there anything left to do for a shard now? */
static inline bool shard_has_work(const struct shard *s) {
    bool waits = s->walk != NULL && walk_waits(s);

    return s->lazy != NULL || (s->gone != NULL && !(s->gone->due && waits)) ||
           (s->walk != NULL && !s->walk->done && !waits) ||
           (s->wheel != NULL && wheel_due(s->wheel) != NULL) || s->compacting ||
           s->sweep_to > 0 ||
           arena_has_work(&s->mem);
}

/* A bounded piece of background work, `budget` about in entries.  w->now is
 * the time by which keys expire.  True when more is waiting. */
static bool shard_step(struct work *w, struct shard *s, size_t budget) {
    size_t left = budget;

    if (s->wheel != NULL && w->ks->active_expire) {
        size_t expiring = s->fielded;

        upkeep__expire(w, s, &left);
        for (uint32_t d = 0; d < w->ks->opt.databases; d++)
            expiring += s->dbs[d]->expiring;
        wheel_sweep(s->wheel, expiring, rand_next(&s->rand));
    }
    if (s->lazy != NULL || s->gone != NULL) {
        left = budget;
        upkeep__free(s, &left);
    }
    if (s->sweep_to > 0) upkeep__sweep(w, s, budget);
    if (s->walk != NULL && !s->walk->done) walk_step(s, budget);
    if (s->compacting) compact_step(s, budget);
    mem_take_back(&s->mem, budget);
    arena_step(&s->mem);
    return shard_has_work(s);
}

/* Detach a namespace with all it holds: constant time; memory comes back in
 * slices.  The default one is replaced by an empty one when written again. */
static void space_detach(struct shard *s, struct db *db, struct space *sp) {
    struct table_at at;
    size_t bytes = sp->bytes;

    past_note(s, sp);
    db->keys -= sp->keys.count;
    db->expiring -= sp->expiring;
    s->fielded -= sp->fielded;
    s->dirty += sp->keys.count;
    s->lazy_bytes += bytes;
    space_charge(s, sp, 0 - bytes);
    sp->bytes = bytes;          /* what is still to be freed */
    s->mem.moves++;             /* its keys are found no more */
    if (db->plain == sp) {
        db->plain = NULL;
    } else if (space_find(s, db, space_name(sp), &at) == sp) {
        table_drop(&db->spaces, &s->mem, &at);
    }
    space_unlist(s, sp);
    if (s->waited.count > 0) shard_wake_all(s, db->index);
    s->by_id[sp->id] = NULL;
    if (sp->id + 1 == s->ids) s->ids--;
    sp->due = walk_detaches(s);
    sp->next = s->gone;
    s->gone = sp;
}

static void upkeep__collect(void *ctx, void *item) {
    buf_put(ctx, &item, sizeof item);
}

/* Empty a database of a shard.  False: no memory; then some namespaces may
 * be left. */
static bool db_flush(struct shard *s, struct db *db) {
    struct buf all = { 0 };
    uint32_t cursor = 0;
    struct space *sp;
    bool ok;

    do {
        cursor = table_scan(&db->spaces, cursor, upkeep__collect, &all);
    } while (cursor != 0);
    ok = !all.failed;
    if (db->plain != NULL) space_detach(s, db, db->plain);
    for (size_t i = 0; i < all.n; i += sizeof sp) {
        memcpy(&sp, all.p + i, sizeof sp);
        if (s->by_id[sp->id] == sp) space_detach(s, db, sp);
    }
    buf_free(&all);
    return ok;
}

/* Drop all keys of a shard and free what they hold, at the end of a keyspace;
 * of all shards before the memory of any of them goes. */
static void shard_empty(struct shard *s) {
    for (uint32_t d = 0; d < s->ks->opt.databases; d++) {
        db_flush(s, s->dbs[d]);
        KVNS_ASSERT(s->dbs[d]->keys == 0);
    }
    for (size_t budget = SIZE_MAX; s->lazy != NULL || s->gone != NULL;
         budget = SIZE_MAX)
        upkeep__free(s, &budget);
    KVNS_ASSERT(s->space_bytes == 0 && s->lazy_bytes == 0);
}

/* Free an empty shard. */
static void shard_fini(struct shard *s) {
    uint32_t n = s->ks->opt.databases;

    wheel_free(s->wheel);
    mem_drop(&s->mem, s->by_id, s->ids_cap * sizeof *s->by_id);
    for (uint32_t d = 0; d < n; d++) free(s->dbs[d]);
    free(s->dbs);
    free(s->events);
    buf_free(&s->event_keys);
    buf_free(&s->touched);
    buf_free(&s->reads);
    for (struct past *p; (p = past_take(s)) != NULL;) free(p);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->telling);
    mem_fini(&s->mem);
}

/* How willingly a key goes: higher goes first.  The parts of the score are
 * lexicographic: hits then time, or what the policy looks at. */
static uint64_t upkeep__rank(const struct work *w, const struct entry *e,
                             enum policy policy, struct rand *r) {
    uint32_t idle = work_tick(w) - e->used;
    uint64_t hits = entry_aged(e->hits, idle, w->ks->opt.half_life);

    switch (policy) {
    case POLICY_MRU:
        return hits << 32 | (UINT32_MAX - idle);
    case POLICY_ALLKEYS_LRU: case POLICY_VOLATILE_LRU:
        return idle;
    case POLICY_ALLKEYS_RANDOM: case POLICY_VOLATILE_RANDOM:
        return rand_next(r);
    case POLICY_VOLATILE_TTL:
        return (uint64_t)(INT64_MAX - entry_deadline(e));
    default:
        return (255 - hits) << 32 | idle;
    }
}

static inline bool policy_evicts(enum policy p) {
    return p != POLICY_NONE && p != POLICY_EAR;
}

static inline bool policy_is_volatile(enum policy p) {
    return p >= POLICY_VOLATILE_LRU && p <= POLICY_VOLATILE_TTL;
}

/* Draw keys of a namespace until `tries` of them might go, or there is little
 * hope; *best is where the one is that goes most willingly.  NULL: none may. */
static struct entry *upkeep__choose(struct work *w, struct shard *s,
                                    const struct space *sp, size_t tries,
                                    struct str spare, struct table_at *best) {
    enum policy policy = (enum policy)sp->policy;
    bool all = sp->keys.nsegs == 1 && sp->keys.count <= TABLE_ALL;
    struct table_at at[TABLE_ALL];
    struct entry *found = NULL;
    uint64_t rank, most = 0;

    for (size_t n = 0, drawn = 0;
         n < tries && drawn < (found == NULL ? 4096 : 64) * tries;) {
        unsigned got = table_sample(&sp->keys, &s->rand, at);

        drawn += TABLE_SAMPLE;
        for (unsigned i = 0; i < got && (all || n < tries); i++) {
            struct entry *e = table_get(at + i);

            if (policy_is_volatile(policy) && !entry_has(e, ENTRY_TTL))
                continue;
            if (spare.p != NULL && str_eq(entry_key(e), spare)) continue;
            n++;
            rank = upkeep__rank(w, e, policy, &s->rand);
            if (found != NULL && rank <= most) continue;
            found = e;
            most = rank;
            *best = at[i];
        }
        if (all) break;
    }
    return found;
}

/* Evict one key of a namespace by its policy: the best candidate of a sample,
 * or of all keys where there are few.  `spare` is a key not to be taken, the
 * one being written.  Returns the bytes it held, 0: nothing to evict.
 *
 * Of a Zipf-distributed cache (tests/bench/hitratio.py) 5 samples have 1.3
 * points less hits than an oracle that sees all keys, 10 have 0.2, 32 none,
 * at three times the cost. */
static size_t space_evict(struct work *w, struct shard *s, struct space *sp,
                          struct str spare) {
    size_t n = sp->keys.count, was = sp->bytes;
    struct table_at at;
    struct entry *e;

    if (n == 0 || (policy_is_volatile((enum policy)sp->policy) &&
                   sp->expiring == 0))
        return 0;
    e = upkeep__choose(w, s, sp, size_max(w->ks->opt.samples, 5), spare, &at);
    if (e == NULL) return 0;
    s->evicted++;
    sp->tally.evicted++;
    upkeep__remove(w, s, sp, &at, e, key_hash(w->ks, entry_key(e)),
                   EVENT_EVICTED, "evicted");
    /* a namespace ends with its last key */
    return n == 1 ? was : was - size_min(was, sp->bytes);
}

/* What may be held under a limit before eviction begins. */
static inline size_t upkeep__start(const struct keyspace *ks, size_t limit) {
    return (size_t)((double)limit * ks->opt.threshold);
}

static inline bool upkeep__may_give(const struct space *sp) {
    return sp != NULL && sp->keys.count > 0 &&
           policy_evicts((enum policy)sp->policy) &&
           (!policy_is_volatile((enum policy)sp->policy) || sp->expiring > 0);
}

/* The namespace of a shard that holds most of those that may be evicted from,
 * or of some of them where there are many; NULL: none may. */
static struct space *upkeep__largest(struct shard *s) {
    struct space *best = NULL;
    uint32_t n = s->ids, from = 0;

    if (n > UPKEEP_SPACES) {
        from = (uint32_t)rand_below(&s->rand, n);
        n = UPKEEP_SPACES;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct space *sp = s->by_id[(from + i) % s->ids];

        if (upkeep__may_give(sp) && (best == NULL || sp->bytes > best->bytes))
            best = sp;
    }
    return best;
}

/* A namespace of a shard that has a limit and is beyond it; NULL: none. */
static struct space *upkeep__beyond(struct shard *s) {
    const struct keyspace *ks = s->ks;

    for (struct tenant *t = ks->tenants; t != NULL; t = t->next) {
        struct str ns = str_of(t->name, t->nlen);
        struct table_at at;

        if (!t->has_limit ||
            atomic_load(&t->bytes) <= upkeep__start(ks, t->limit))
            continue;
        for (uint32_t d = 0; d < ks->opt.databases; d++) {
            struct space *sp = s->dbs[d]->keys == 0 ? NULL :
                               str_eq(ns, STR("default")) ? s->dbs[d]->plain :
                                   space_find(s, s->dbs[d], ns, &at);

            if (upkeep__may_give(sp)) return sp;
        }
    }
    return NULL;
}

/* A limit was lowered: evict at most so many keys of a shard that are beyond
 * it.  True when there may be more to do. */
static COLD bool shard_shed(struct work *w, struct shard *s, size_t most) {
    const struct keyspace *ks = s->ks;
    size_t start = upkeep__start(ks, ks->opt.memory_limit);

    for (size_t n = 0; n < most; n++) {
        struct space *sp = upkeep__beyond(s);

        if (sp == NULL && keyspace_bytes(ks) > start) sp = upkeep__largest(s);
        if (sp == NULL) return false;
        if (space_evict(w, s, sp, (struct str){ NULL, 0 }) == 0) return false;
    }
    return true;
}
