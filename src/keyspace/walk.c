/* SPDX-License-Identifier: MIT */
/* ==== walk - a point in time, saved while the world goes on ================
 *
 * A snapshot without fork.  Each shard has a mark bit, each entry carries one.
 * At rest they are equal.  A snapshot begins by flipping the shards' bits, all
 * locks held: now every entry is known to be old, and unsaved.  Then
 *
 *   - the walk goes through the tables in slices, writes each old entry and
 *     gives it the new mark;
 *   - before an old entry is changed or removed, the door calls walk_keep,
 *     which writes it at once and gives it the new mark;
 *   - new entries are born with the new mark.
 *
 * So each key of that moment is written exactly once, as it was.  At the end
 * all marks are equal again, also when a snapshot fails: then the walk goes on
 * to its end without writing, which takes no disk and little time.
 *
 * A large collection cannot be written at once.  It gets an aside: its record
 * (key, deadline, count as of now) and, for its elements, the same game with
 * a mark bit of its own.  An element about to change is put into the aside
 * first (big_keep).  Lists and streams are frozen instead: their nodes play the
 * same game, and are copied when written to.  Asides are streamed one after the
 * other; while one is, the file belongs to it, and records of other keys wait
 * in `side`.
 *
 *   walk ------> out ----> snapshot queue ----> writer
 *   walk_keep -> out, or side while an aside streams
 *   big_keep --> aside of that collection
 *
 * A long string is not copied but held (unless shared-values is off), and goes
 * out by reference: also an aside, of one piece.
 *
 * Namespaces are walked by their number in the shard, which stays when
 * databases are swapped.  One that is detached (DROP, FLUSHALL) while its
 * entries are due is freed, and thereby kept, as fast as the writer takes
 * them; one that was detached before is none of the snapshot's business.
 *
 * A collection that goes to another shard as it is takes its aside along, and
 * the file with it, if that is streamed just then (walk_hand).
 *
 * All of that is bounded: the walk stops while WALK_QUEUE bytes wait for the
 * disk, and past `most` bytes of what had to be kept meanwhile the snapshot
 * fails, and the world does not wait.
 *
 * floor 3 - uses: base buf table item quick rdb entry shard big stream_rdb
 *    save
 */
enum {
    WALK_WHOLE = 16384,         /* larger collections are streamed */
    WALK_GIVE = 65536,          /* bytes of records worth handing over */
    WALK_BLOB = 65536,          /* longer strings are held, not copied */
    WALK_DUES = 32768,          /* bytes of deadlines worth an aux field */
    WALK_QUEUE = 4 << 20        /* bytes for the writer: the walk waits */
};

/* A finished piece of the file. */
struct walk_chunk {
    struct walk_chunk *next;
    struct buf b;
    struct blob *blob;          /* instead of b, or NULL */
};

/* A large collection on its way to the file. */
struct walk_aside {
    struct walk_aside *next;
    struct big *big;            /* all but a list, or NULL */
    const struct big *list;     /* the list that it was, which may be gone: its
                                   nodes do without it; or NULL */
    struct blob *blob;          /* held string, or NULL */
    struct buf head;            /* record up to and including the count */
    struct buf kept;            /* elements that changed before their turn */
    struct buf key, dues;       /* of a hash with deadlines, see save */
    struct walk_chunk *told, *told_last;    /* finished aux fields of these */
    struct quick_frozen frozen;
    struct stream_flow flow;
    size_t count, saved;        /* elements due, elements written */
    uint32_t cursor;
    uint8_t shape, db;
    bool begun;
    bool orphan;                /* its key is gone: free it when done */
    bool lent;                  /* the blob counts as kept */
};

/* One shard's part of a snapshot. */
struct walk {
    struct buf out, side;
    int out_db, side_db;        /* database last selected there, or -1 */
    struct walk_aside *first, *last;
    bool discard;               /* bring the marks up to date, write nothing */
    bool done;
    bool blocked;               /* what it has to give, it could not */
    uint32_t space, keys_at;    /* where the walk is */
    size_t due;                 /* detached namespaces with unsaved entries */
    size_t keys;                /* written so far */
    size_t lists;               /* of what lists keep, counted as held */
};

/* A snapshot being taken.  The lock guards all but what is said. */
struct snapshot {
    pthread_mutex_t lock;
    pthread_cond_t more;        /* for the writer: a chunk, or the end */
    struct walk_chunk *first, *last;
    struct shard *streaming;    /* only its records may come now */
    uint32_t shards_left;
    size_t keys;
    size_t most;                /* for `held` and for `lent`; constant */
    /* not under the lock: */
    atomic_size_t queued;       /* bytes waiting for the writer */
    atomic_size_t held;         /* bytes of the shards' buffers, and of pieces
                                   until they are written */
    atomic_size_t peak;         /* most of `held`, nearly */
    atomic_size_t lent;         /* bytes of strings held for their old value */
    atomic_bool busy;           /* some shard is streaming */
    atomic_bool failed;
    const char *why;            /* it failed */
};

/* Give the snapshot up: from now on marks are only brought up to date. */
static COLD void snapshot_fail(struct snapshot *sn, const char *why) {
    pthread_mutex_lock(&sn->lock);
    if (!atomic_exchange(&sn->failed, true)) sn->why = why;
    pthread_cond_broadcast(&sn->more);
    pthread_mutex_unlock(&sn->lock);
}

/* Count bytes that a buffer took or gave; too many end the snapshot, but one
 * element may be of any size. */
static void walk__count(struct shard *s, size_t was, const struct buf *b) {
    struct snapshot *sn = s->ks->snapshot;
    size_t held;

    if (b->failed) snapshot_fail(sn, "out of memory");
    if (b->n <= was) {
        atomic_fetch_sub(&sn->held, was - b->n);
        return;
    }
    held = atomic_fetch_add(&sn->held, b->n - was);
    if (held > atomic_load(&sn->peak)) atomic_store(&sn->peak, held);
    if (held > sn->most)
        snapshot_fail(sn, "the disk is slower than the writes");
}

/* Count what lists and streams keep for the snapshot alone. */
static void walk__count_lists(struct shard *s) {
    struct snapshot *sn = s->ks->snapshot;
    size_t more = s->mem.kept - s->walk->lists;

    if (more == 0) return;
    s->walk->lists += more;
    if (atomic_fetch_add(&sn->held, more) > sn->most && more <= SIZE_MAX / 2)
        snapshot_fail(sn, "the disk is slower than the writes");
}

static void walk__empty(struct shard *s, struct buf *b) {
    atomic_fetch_sub(&s->ks->snapshot->held, b->n);
    buf_free(b);
}

/* Append one buffer to the records, and empty it. */
static void walk__move(struct shard *s, struct buf *from) {
    struct buf *to = &s->walk->out;
    size_t was = to->n;

    if (!s->walk->discard) buf_put(to, from->p, from->n);
    walk__count(s, was, to);
    walk__empty(s, from);
}

/* Select the database in a buffer unless that has been done. */
static void walk__select(struct buf *b, int *selected, int db) {
    if (*selected == db) return;
    *selected = db;
    rdb_put_byte(b, RDB_OP_SELECT);
    rdb_put_len(b, (uint64_t)db);
}

static inline size_t walk__chunk_bytes(const struct walk_chunk *c) {
    return c->blob != NULL ? c->blob->n : c->b.n;
}

static void walk__chunk_free(struct walk_chunk *c) {
    if (c->blob != NULL) blob_drop(c->blob);
    buf_free(&c->b);
    free(c);
}

/* Hand what is finished, and then the blob if there is one, to the writer;
 * `streams`: what follows belongs together, so that no other shard's records
 * may come between.  False: another shard is streaming, or no memory. */
static bool walk__give(struct shard *s, bool streams, struct blob *blob) {
    struct snapshot *sn = s->ks->snapshot;
    struct walk *w = s->walk;
    struct walk_chunk *c[2] = { NULL, NULL };
    size_t n = 0;
    bool mine;

    if (w->out.n > 0) c[n++] = calloc(1, sizeof **c);
    if (blob != NULL) c[n++] = calloc(1, sizeof **c);
    if ((n > 0 && c[0] == NULL) || (n > 1 && c[1] == NULL)) {
        free(c[0]);
        free(c[1]);
        snapshot_fail(sn, "out of memory");
        return false;
    }
    pthread_mutex_lock(&sn->lock);
    mine = sn->streaming == NULL || sn->streaming == s;
    if (mine) {
        sn->streaming = streams ? s : NULL;
        atomic_store(&sn->busy, streams);
        if (blob != NULL) c[n - 1]->blob = blob_hold(blob);
        if (w->out.n > 0) c[0]->b = w->out;
        else buf_free(&w->out);
        memset(&w->out, 0, sizeof w->out);
        w->out_db = -1;
        for (size_t i = 0; i < n; i++) {
            if (sn->last != NULL) sn->last->next = c[i];
            else sn->first = c[i];
            sn->last = c[i];
            atomic_fetch_add(&sn->queued, walk__chunk_bytes(c[i]));
        }
        if (n > 0) pthread_cond_signal(&sn->more);
    }
    pthread_mutex_unlock(&sn->lock);
    if (!mine) {
        free(c[0]);
        free(c[1]);
    }
    return mine;
}

/* Make an aux field of the deadlines gathered. */
static COLD void walk__tell_dues(struct shard *s, struct walk_aside *a) {
    struct walk_chunk *c = calloc(1, sizeof *c);

    if (c == NULL) {
        snapshot_fail(s->ks->snapshot, "out of memory");
    } else {
        save_dues(&c->b, buf_str(&a->key), buf_str(&a->dues));
        walk__count(s, 0, &c->b);
        if (a->told_last != NULL) a->told_last->next = c;
        else a->told = c;
        a->told_last = c;
    }
    walk__empty(s, &a->dues);
}

/* An element goes into the file: keep its deadline, if it has one. */
static inline void walk__due(struct shard *s, struct walk_aside *a,
                             const struct item *it) {
    size_t was = a->dues.n;

    if (LIKELY(!item_has_deadline(it))) return;
    save_due(&a->dues, it);
    walk__count(s, was, &a->dues);
    if (a->dues.n >= WALK_DUES) walk__tell_dues(s, a);
}

/* Hand the deadlines of the collection that streams to the writer. */
static COLD void walk__give_dues(struct shard *s, struct walk_aside *a) {
    struct snapshot *sn = s->ks->snapshot;

    if (a->dues.n > 0) walk__tell_dues(s, a);
    if (!walk__give(s, true, NULL)) return;
    pthread_mutex_lock(&sn->lock);
    for (struct walk_chunk *c = a->told; c != NULL; c = c->next) {
        atomic_fetch_add(&sn->queued, c->b.n);
        if (sn->last != NULL) sn->last->next = c;
        else sn->first = c;
        sn->last = c;
    }
    a->told = a->told_last = NULL;
    pthread_cond_signal(&sn->more);
    pthread_mutex_unlock(&sn->lock);
}

static void walk__drop_dues(struct shard *s, struct walk_aside *a) {
    walk__empty(s, &a->key);
    walk__empty(s, &a->dues);
    while (a->told != NULL) {
        struct walk_chunk *c = a->told;

        a->told = c->next;
        atomic_fetch_sub(&s->ks->snapshot->held, c->b.n);
        walk__chunk_free(c);
    }
    a->told_last = NULL;
}

/* Must the walk wait, for the writer or for another shard that streams?  Then
 * there is nothing to be done for it now. */
static bool walk_waits(const struct shard *s) {
    const struct walk *w = s->walk;
    struct snapshot *sn = s->ks->snapshot;

    if (w->discard || atomic_load(&sn->failed)) return false;
    if (atomic_load(&sn->queued) >= WALK_QUEUE) return true;
    return w->blocked && atomic_load(&sn->busy);
}

/* Count a string that is held because its key gets another.  The first may be
 * of any size. */
static bool walk__lend(struct shard *s, size_t n) {
    struct snapshot *sn = s->ks->snapshot;

    if (atomic_load(&sn->lent) > sn->most) {
        snapshot_fail(sn, "the disk is slower than the writes");
        return false;
    }
    atomic_fetch_add(&sn->lent, n);
    return true;
}

/* Hold a string until it is written; or a copy, if values are not shared. */
static struct blob *walk__hold(const struct shard *s, struct blob *b) {
    struct blob *copy;

    if (s->ks->opt.shared_values) return blob_hold(b);
    copy = blob_try(b->n, b->n);
    if (copy != NULL) memcpy(copy->bytes, b->bytes, b->n);
    return copy;
}

/* Begin the aside of an old collection that is too large to write at once. */
static COLD void walk__begin_aside(struct shard *s, struct space *sp,
                                   struct entry *e, bool walking) {
    struct walk *w = s->walk;
    struct walk_aside *a = calloc(1, sizeof *a);
    struct big *b = entry_object(e);

    if (a == NULL) goto refused;
    a->shape = (uint8_t)entry_shape(e);
    a->db = sp->db->saved;
    save_head(&a->head, e, sp->is_default, space_name(sp));
    if (a->shape == SHAPE_BLOB) {
        a->count = ((struct blob *)entry_object(e))->n;
        if (!walking && !walk__lend(s, a->count)) goto dropped;
        a->lent = !walking;
        a->blob = walk__hold(s, entry_object(e));
        if (a->blob == NULL) goto refused;
    } else if (a->shape == SHAPE_LIST_QUICK) {
        struct quick *q = &((struct big_list *)b)->q;

        quick_freeze(q, &a->frozen);
        a->count = q->nodes;
        a->list = b;
    } else if (a->shape == SHAPE_STREAM) {
        stream_rdb_freeze(&((struct big_stream *)b)->s, &a->flow);
        a->big = b;
        b->aside = a;
    } else {
        a->big = b;
        a->count = big_count(b);
        b->mark = !b->mark;
        b->aside = a;
        if (entry_has(e, ENTRY_FIELDS)) {
            save_dues_begin(&a->key, e, sp->is_default, space_name(sp));
            walk__count(s, 0, &a->key);
        }
    }
    if (a->shape != SHAPE_STREAM) rdb_put_len(&a->head, a->count);
    walk__count(s, 0, &a->head);
    if (w->last != NULL) w->last->next = a;
    else w->first = a;
    w->last = a;
    return;
refused:
    snapshot_fail(s->ks->snapshot, "out of memory");
dropped:
    if (a != NULL) buf_free(&a->head);
    free(a);
}

/* Is a value too large to be written at once? */
static inline bool walk__is_large(const struct entry *e) {
    if (!shape_is_big(entry_shape(e))) return false;
    if (entry_shape(e) == SHAPE_BLOB)
        return ((const struct blob *)entry_object(e))->n >= WALK_BLOB;
    return ((const struct big *)entry_object(e))->bytes > WALK_WHOLE;
}

static void walk__keep(struct shard *s, struct space *sp, struct entry *e,
                       bool walking) {
    struct walk *w = s->walk;
    struct buf *to;
    size_t was;
    bool streaming;

    KVNS_ASSERT(w != NULL);
    entry_flag(e, ENTRY_MARK, s->mark);
    if (w->discard || atomic_load(&s->ks->snapshot->failed)) return;
    if (walk__is_large(e)) {
        walk__begin_aside(s, sp, e, walking);
        return;
    }
    streaming = w->first != NULL && w->first->begun;
    to = streaming ? &w->side : &w->out;
    was = to->n;
    walk__select(to, streaming ? &w->side_db : &w->out_db, sp->db->saved);
    save_head(to, e, sp->is_default, space_name(sp));
    save_value(to, e);
    if (UNLIKELY(entry_has(e, ENTRY_FIELDS)))
        save_dues_of(to, e, sp->is_default, space_name(sp));
    w->keys++;
    walk__count(s, was, to);
}

/* Write an old entry before it is changed or dropped, and call it new. */
static COLD void walk_keep(struct shard *s, struct space *sp,
                           struct entry *e) {
    walk__keep(s, sp, e, false);
}

/* Put an old element of a collection aside before it is changed or dropped.
 * Cheap where no snapshot concerns the collection. */
static inline void big_keep(struct shard *s, struct big *b, struct item *it) {
    struct walk_aside *a = b->aside;
    size_t was;

    if (LIKELY(a == NULL) || item_mark(it) == b->mark) return;
    item_set_mark(it, b->mark);
    if (s->walk->discard) return;
    was = a->kept.n;
    save_item(&a->kept, (enum shape)a->shape, it);
    walk__due(s, a, it);
    a->saved++;
    walk__count(s, was, &a->kept);
}

struct walk__to {
    struct shard *s;
    struct walk_aside *a;
    bool write;
};

static void walk__see_item(void *ctx, void *item) {
    const struct walk__to *to = ctx;
    struct item *it = item;

    if (item_mark(it) == to->a->big->mark) return;
    item_set_mark(it, to->a->big->mark);
    to->a->saved++;
    if (!to->write) return;
    save_item(&to->s->walk->out, (enum shape)to->a->shape, it);
    walk__due(to->s, to->a, it);
}

/* Done with the first aside. */
static void walk__end_aside(struct shard *s) {
    struct walk *w = s->walk;
    struct walk_aside *a = w->first;
    struct snapshot *sn = s->ks->snapshot;

    if (!w->discard && a->saved != a->count)
        snapshot_fail(sn, "elements of a collection were lost");
    if (a->shape == SHAPE_STREAM && !stream_rdb_end(&a->flow))
        snapshot_fail(sn, "out of memory");
    if (a->big != NULL) {
        a->big->aside = NULL;
        if (a->orphan) {
            a->big->next = s->lazy;
            s->lazy = a->big;
        }
    }
    if (a->blob != NULL) blob_drop(a->blob);
    if (a->lent) atomic_fetch_sub(&sn->lent, a->count);
    if (a->key.n > 0 && !w->discard) walk__give_dues(s, a);
    walk__empty(s, &a->head);
    walk__empty(s, &a->kept);
    walk__drop_dues(s, a);
    w->first = a->next;
    if (w->first == NULL) w->last = NULL;
    free(a);
    w->keys++;
    /* what waited meanwhile may follow */
    walk__move(s, &w->side);
    w->out_db = w->side_db;
    w->side_db = -1;
}

/* Write the next part of the first aside; about `budget` elements. */
static void walk__stream(struct shard *s, size_t *budget) {
    struct walk *w = s->walk;
    struct walk_aside *a = w->first;
    struct walk__to to = { s, a, !w->discard };
    size_t was, count;
    struct str pack;
    bool more = true;

    if (!a->begun && !w->discard) {
        if (!walk__give(s, true, NULL)) {
            w->blocked = true;
            *budget = 0;
            return;
        }
        was = w->out.n;
        walk__select(&w->out, &w->out_db, a->db);
        walk__count(s, was, &w->out);
        walk__move(s, &a->head);
    }
    a->begun = true;
    walk__move(s, &a->kept);
    was = w->out.n;
    while (more && *budget > 0 && w->out.n < WALK_GIVE) {
        size_t before = a->saved;

        if (a->blob != NULL) {
            more = false;
            a->saved = a->count;
            if (!w->discard && !walk__give(s, true, a->blob)) a->saved = 0;
            was = w->out.n;
            *budget = 0;
        } else if (a->shape == SHAPE_STREAM) {
            size_t at = w->out.n;

            more = stream_rdb_next(&a->flow, &s->mem, &w->out);
            *budget -= size_min(*budget, (w->out.n - at) / 64);
            /* to read it is the way to let go of it */
            if (w->discard) buf_reset(&w->out);
        } else if (a->big != NULL) {
            a->cursor = table_scan(big_table(a->big), a->cursor,
                                   walk__see_item, &to);
            more = a->cursor != 0;
        } else {
            more = quick_frozen_next(&a->frozen, &s->mem, &pack, &count);
            if (more && !w->discard) save_node(&w->out, pack, count);
            a->saved += more;
            *budget -= size_min(*budget, more ? pack.n / 64 : 0);
        }
        *budget -= size_min(*budget, a->saved - before + 1);
    }
    walk__count(s, was, &w->out);
    if (!more) walk__end_aside(s);
}

struct walk__keys {
    struct shard *s;
    struct space *sp;
    size_t n;
};

static void walk__see_entry(void *ctx, void *item) {
    struct walk__keys *k = ctx;

    k->n++;
    if (entry_has(item, ENTRY_MARK) != k->s->mark)
        walk__keep(k->s, k->sp, item, true);
}

/* The namespace to walk now, or NULL when there is none left. */
static struct space *walk__space(struct shard *s) {
    struct walk *w = s->walk;

    for (; w->space < s->ids; w->space++, w->keys_at = 0)
        if (s->by_id[w->space] != NULL) return s->by_id[w->space];
    return NULL;
}

/* Begin to bring the marks up to date without writing. */
static COLD void walk__discard(struct shard *s) {
    struct walk *w = s->walk;

    w->discard = true;
    walk__empty(s, &w->out);
    walk__empty(s, &w->side);
    for (struct walk_aside *a = w->first; a != NULL; a = a->next) {
        walk__empty(s, &a->head);
        walk__empty(s, &a->kept);
        walk__drop_dues(s, a);
    }
    walk__give(s, false, NULL);
}

/* One piece of the walk.  False: there is nothing more to be done now. */
static bool walk__piece(struct shard *s, size_t *budget) {
    struct walk *w = s->walk;
    struct walk__keys k = { s, NULL, 0 };

    if (w->first != NULL) {
        walk__stream(s, budget);
    } else if ((k.sp = walk__space(s)) != NULL) {
        w->keys_at = table_scan(&k.sp->keys, w->keys_at, walk__see_entry, &k);
        if (w->keys_at == 0) w->space++;
        *budget -= size_min(*budget, k.n + 1);
    } else if (w->due > 0) {
        /* its entries are kept as they are freed, and given as they come */
        if (w->out.n >= WALK_GIVE && !w->discard)
            w->blocked = !walk__give(s, false, NULL);
        return false;
    } else {
        w->done = walk__give(s, false, NULL);
        w->blocked = !w->done;
        return false;
    }
    if (w->out.n >= WALK_GIVE && !w->discard)
        w->blocked = !walk__give(s, w->first != NULL && w->first->begun, NULL);
    return !w->blocked;
}

/* Do about `budget` entries' worth of the walk.  True when this shard is
 * through. */
static bool walk_step(struct shard *s, size_t budget) {
    struct walk *w = s->walk;
    struct snapshot *sn = s->ks->snapshot;

    if (w->done) return true;
    walk__count_lists(s);
    if (!w->discard && atomic_load(&sn->failed)) walk__discard(s);
    if (walk_waits(s)) return false;
    w->blocked = false;
    while (budget > 0 && !walk_waits(s) && walk__piece(s, &budget)) {}
    if (!w->done) return false;
    pthread_mutex_lock(&sn->lock);
    sn->keys += w->keys;
    sn->shards_left--;
    pthread_cond_signal(&sn->more);
    pthread_mutex_unlock(&sn->lock);
    return true;
}

/* The first aside streams: the file belongs to another shard from now on, for
 * the rest of it.  What has been written goes there first; and the other's own
 * records wait. */
static COLD void walk__hand_file(struct shard *from, struct shard *to) {
    struct walk *f = from->walk, *t = to->walk;
    struct snapshot *sn = from->ks->snapshot;

    walk__give(from, true, NULL);
    pthread_mutex_lock(&sn->lock);
    sn->streaming = to;
    pthread_mutex_unlock(&sn->lock);
    KVNS_ASSERT(t->side.n == 0);
    t->side = t->out;
    t->side_db = t->out_db;
    memset(&t->out, 0, sizeof t->out);
    t->out_db = -1;
    t->blocked = false;
    walk__move(from, &f->side);
    f->out_db = f->side_db;
    f->side_db = -1;
}

/* Put an aside that was another shard's into the row: one that has begun is
 * the first. */
static COLD void walk__take_aside(struct shard *s, struct walk_aside *a) {
    struct walk *w = s->walk;

    if (w->done) {
        struct snapshot *sn = s->ks->snapshot;

        pthread_mutex_lock(&sn->lock);
        sn->shards_left++;      /* and the other's is one of them */
        pthread_mutex_unlock(&sn->lock);
        w->done = false;
        w->keys = 0;
    }
    if (a->begun || w->first == NULL) {
        a->next = w->first;
        w->first = a;
        if (a->next == NULL) w->last = a;
    } else {
        a->next = NULL;
        w->last->next = a;
        w->last = a;
    }
}

/* A large collection goes from one shard to another as it is; both are locked.
 * What a snapshot has still to save of it goes along. */
static COLD void walk_hand(struct shard *from, struct shard *to,
                           const struct big *b) {
    struct walk_aside *a, *next, *last = NULL;
    struct snapshot *sn = from->ks->snapshot;
    struct walk *w = from->walk;

    if (w == NULL || w->first == NULL) return;
    walk__count_lists(from);    /* it is the other that takes it off again */
    if (atomic_load(&sn->failed)) {
        if (!w->discard) walk__discard(from);
        if (!to->walk->discard) walk__discard(to);
    }
    for (a = w->first; a != NULL; a = next) {
        next = a->next;
        if (a->big != b && a->list != b) {
            last = a;
            continue;
        }
        if (last == NULL) w->first = next;
        else last->next = next;
        if (a->begun && !w->discard) walk__hand_file(from, to);
        walk__take_aside(to, a);
    }
    w->last = last;
}

/* A namespace's index was hashed anew: its walk begins again.  What is saved
 * already carries the mark. */
static void walk_rehashed(struct shard *s, const struct space *sp) {
    if (s->walk != NULL && s->walk->space == sp->id) s->walk->keys_at = 0;
}

/* A namespace is being detached.  True: its entries are due, and must be kept
 * as they are freed; say walk_freed then. */
static bool walk_detaches(struct shard *s) {
    if (s->walk == NULL || s->walk->done) return false;
    s->walk->due++;
    return true;
}

/* A namespace whose entries were due is gone. */
static void walk_freed(struct shard *s) {
    s->walk->due--;
}

/* Begin a snapshot; all shards are locked.  NULL: no memory. */
static struct snapshot *snapshot_begin(struct keyspace *ks, size_t most) {
    struct snapshot *sn = calloc(1, sizeof *sn);

    KVNS_ASSERT(ks->snapshot == NULL);
    if (sn == NULL) return NULL;
    for (uint32_t i = 0; i < ks->nshards; i++) {
        struct walk *w = calloc(1, sizeof *w);

        if (w == NULL) {
            while (i-- > 0) {
                free(ks->shards[i].walk);
                ks->shards[i].walk = NULL;
            }
            free(sn);
            return NULL;
        }
        w->out_db = w->side_db = -1;
        w->lists = ks->shards[i].mem.kept;
        ks->shards[i].walk = w;
    }
    pthread_mutex_init(&sn->lock, NULL);
    pthread_cond_init(&sn->more, NULL);
    atomic_init(&sn->queued, 0);
    atomic_init(&sn->held, 0);
    atomic_init(&sn->peak, 0);
    atomic_init(&sn->lent, 0);
    atomic_init(&sn->busy, false);
    atomic_init(&sn->failed, false);
    sn->shards_left = ks->nshards;
    sn->most = most;
    for (uint32_t i = 0; i < ks->nshards; i++) {
        struct shard *s = ks->shards + i;

        s->mark = !s->mark;
        for (uint32_t d = 0; d < ks->opt.databases; d++)
            s->dbs[d]->saved = (uint8_t)d;
    }
    return ks->snapshot = sn;
}

/* The next piece for the file, the caller's from now on; waits for one if
 * `wait`.  NULL: none now, or none any more (*end is set then).  *room: the
 * walk, which waited, may go on. */
static struct walk_chunk *snapshot_take(struct snapshot *sn, bool wait,
                                        bool *end, bool *room) {
    struct walk_chunk *c = NULL;
    size_t n, was;

    *room = false;
    pthread_mutex_lock(&sn->lock);
    while (wait && sn->first == NULL && sn->shards_left > 0 &&
           !atomic_load(&sn->failed))
        pthread_cond_wait(&sn->more, &sn->lock);
    *end = atomic_load(&sn->failed);
    if (!*end && (c = sn->first) != NULL) {
        sn->first = c->next;
        if (sn->first == NULL) sn->last = NULL;
        n = walk__chunk_bytes(c);
        was = atomic_fetch_sub(&sn->queued, n);
        *room = was >= WALK_QUEUE / 2 && was - n < WALK_QUEUE / 2;
    }
    *end = *end || (c == NULL && sn->shards_left == 0);
    pthread_mutex_unlock(&sn->lock);
    return c;
}

/* The bytes of a piece. */
static inline struct str snapshot_bytes(const struct walk_chunk *c) {
    if (c->blob != NULL) return str_of(c->blob->bytes, c->blob->n);
    return buf_str(&c->b);
}

/* A piece is written. */
static inline void snapshot_written(struct snapshot *sn,
                                    struct walk_chunk *c) {
    atomic_fetch_sub(&sn->held, c->b.n);
    walk__chunk_free(c);
}

/* Forget a snapshot that all shards are through with and whose writer has
 * ended; all shards are locked. */
static void snapshot_end(struct keyspace *ks) {
    struct snapshot *sn = ks->snapshot;

    for (uint32_t i = 0; i < ks->nshards; i++) {
        struct walk *w = ks->shards[i].walk;

        KVNS_ASSERT(w->done && w->first == NULL && w->due == 0);
        buf_free(&w->out);
        buf_free(&w->side);
        free(w);
        ks->shards[i].walk = NULL;
    }
    for (struct walk_chunk *c = sn->first, *next; c != NULL; c = next) {
        next = c->next;
        walk__chunk_free(c);
    }
    pthread_cond_destroy(&sn->more);
    pthread_mutex_destroy(&sn->lock);
    free(sn);
    ks->snapshot = NULL;
}
