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
 * first (big_keep).  Lists are frozen instead: an array of their nodes, copied
 * when written to.  Asides are streamed one after the other; while one is, the
 * file belongs to it, and records of other keys wait in `side`.
 *
 *   walk ------> out ----> snapshot queue ----> writer
 *   walk_keep -> out, or side while an aside streams
 *   big_keep --> aside of that collection
 *
 * All of that is bounded: past `most` bytes the snapshot fails, and the world
 * does not wait.
 *
 * floor 3 - uses: base mem buf table item quick rdb entry shard big save
 */
enum {
    WALK_WHOLE = 16384,         /* larger collections are streamed */
    WALK_GIVE = 65536           /* bytes of records worth handing over */
};

/* A large collection on its way to the file. */
struct walk_aside {
    struct walk_aside *next;
    struct big *big;            /* NULL: a list, whose nodes are frozen */
    struct buf head;            /* record up to and including the count */
    struct buf kept;            /* elements that changed before their turn */
    struct quick_frozen frozen;
    size_t count, saved;        /* elements due, elements written */
    uint32_t cursor;
    uint8_t shape, db;
    bool begun;
    bool orphan;                /* its key is gone: free it when done */
};

/* One shard's part of a snapshot. */
struct walk {
    struct buf out, side;
    int out_db, side_db;        /* database last selected there, or -1 */
    struct walk_aside *first, *last;
    bool discard;               /* bring the marks up to date, write nothing */
    bool done;
    uint32_t db;                /* where the walk is */
    bool in_spaces;             /* past the default namespace */
    uint32_t spaces_at, keys_at;
    struct buf todo;            /* ids of spaces to be walked */
    size_t keys;                /* written so far */
};

/* A finished piece of the file. */
struct walk_chunk {
    struct walk_chunk *next;
    struct buf b;
};

/* A snapshot being taken.  The lock guards all but what is said. */
struct snapshot {
    pthread_mutex_t lock;
    pthread_cond_t more;        /* for the writer: a chunk, or the end */
    struct walk_chunk *first, *last;
    size_t queued;              /* bytes waiting for the writer */
    struct shard *streaming;    /* only its records may come now */
    uint32_t shards_left;
    size_t keys;
    size_t most;                /* bytes all buffers may hold; constant */
    atomic_size_t held;         /* bytes they hold; not under the lock */
    atomic_bool failed;         /* not under the lock */
    const char *why;            /* it failed */
};

/* Give the snapshot up: from now on marks are only brought up to date. */
static COLD void snapshot_fail(struct snapshot *sn, const char *why) {
    pthread_mutex_lock(&sn->lock);
    if (!atomic_exchange(&sn->failed, true)) sn->why = why;
    pthread_cond_broadcast(&sn->more);
    pthread_mutex_unlock(&sn->lock);
}

/* Count bytes that a buffer took or gave; too many end the snapshot. */
static void walk__count(struct shard *s, size_t was, const struct buf *b) {
    struct snapshot *sn = s->ks->snapshot;
    size_t now;

    if (b->failed) snapshot_fail(sn, "out of memory");
    if (b->n <= was) {
        atomic_fetch_sub(&sn->held, was - b->n);
        return;
    }
    now = atomic_fetch_add(&sn->held, b->n - was) + b->n - was;
    if (now > sn->most)
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

/* Hand finished records to the writer, unless another shard is streaming. */
static bool walk__give(struct shard *s, bool streams) {
    struct snapshot *sn = s->ks->snapshot;
    struct walk *w = s->walk;
    struct walk_chunk *c = NULL;
    bool mine;

    if (w->out.n > 0) {
        c = malloc(sizeof *c);
        if (c == NULL) {
            snapshot_fail(sn, "out of memory");
            return false;
        }
    }
    pthread_mutex_lock(&sn->lock);
    mine = sn->streaming == NULL || sn->streaming == s;
    if (mine) {
        sn->streaming = streams ? s : NULL;
        if (c != NULL) {
            c->next = NULL;
            c->b = w->out;
            if (sn->last != NULL) sn->last->next = c;
            else sn->first = c;
            sn->last = c;
            sn->queued += c->b.n;
            memset(&w->out, 0, sizeof w->out);
            pthread_cond_signal(&sn->more);
            c = NULL;
        }
        w->out_db = -1;
    }
    pthread_mutex_unlock(&sn->lock);
    free(c);
    return mine;
}

/* Begin the aside of an old collection that is too large to write at once. */
static COLD void walk__begin_aside(struct shard *s, struct space *sp,
                                   struct entry *e) {
    struct walk *w = s->walk;
    struct walk_aside *a = calloc(1, sizeof *a);
    struct big *b = entry_object(e);

    if (a == NULL) goto refused;
    a->shape = (uint8_t)entry_shape(e);
    a->db = sp->db->saved;
    save_head(&a->head, e, sp->is_default, space_name(sp));
    if (a->shape == SHAPE_LIST_QUICK) {
        struct quick *q = &((struct big_list *)b)->q;

        if (!quick_freeze(q, &s->mem, &a->frozen)) goto refused;
        a->count = q->nodes;
    } else {
        a->big = b;
        a->count = big_count(b);
        b->mark = !b->mark;
        b->aside = a;
    }
    rdb_put_len(&a->head, a->count);
    walk__count(s, 0, &a->head);
    if (w->last != NULL) w->last->next = a;
    else w->first = a;
    w->last = a;
    return;
refused:
    if (a != NULL) buf_free(&a->head);
    free(a);
    snapshot_fail(s->ks->snapshot, "out of memory");
}

/* Write an old entry, and call it new.  Called by the walk and, before a
 * change, by the door. */
static COLD void walk_keep(struct shard *s, struct space *sp,
                           struct entry *e) {
    struct walk *w = s->walk;
    struct buf *to;
    size_t was;
    bool streaming;

    KVNS_ASSERT(w != NULL);
    entry_flag(e, ENTRY_MARK, s->mark);
    if (w->discard || atomic_load(&s->ks->snapshot->failed)) return;
    if (shape_is_big(entry_shape(e)) && entry_shape(e) != SHAPE_BLOB &&
        ((struct big *)entry_object(e))->bytes > WALK_WHOLE) {
        walk__begin_aside(s, sp, e);
        return;
    }
    streaming = w->first != NULL && w->first->begun;
    to = streaming ? &w->side : &w->out;
    was = to->n;
    walk__select(to, streaming ? &w->side_db : &w->out_db, sp->db->saved);
    save_head(to, e, sp->is_default, space_name(sp));
    save_value(to, e);
    w->keys++;
    walk__count(s, was, to);
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
    if (to->write) save_item(&to->s->walk->out, (enum shape)to->a->shape, it);
}

/* Done with the first aside. */
static void walk__end_aside(struct shard *s) {
    struct walk *w = s->walk;
    struct walk_aside *a = w->first;
    struct snapshot *sn = s->ks->snapshot;

    if (!w->discard && a->saved != a->count)
        snapshot_fail(sn, "elements of a collection were lost");
    if (a->big != NULL) {
        a->big->aside = NULL;
        if (a->orphan) {
            a->big->next = s->lazy;
            s->lazy = a->big;
        }
    }
    quick_frozen_drop(&a->frozen, &s->mem);
    walk__empty(s, &a->head);
    walk__empty(s, &a->kept);
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
        if (!walk__give(s, true)) {
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
    while (more && *budget > 0) {
        size_t before = a->saved;

        if (a->big != NULL) {
            a->cursor = table_scan(big_table(a->big), a->cursor,
                                   walk__see_item, &to);
            more = a->cursor != 0;
        } else if (w->discard) {
            more = false;
        } else {
            more = quick_frozen_next(&a->frozen, &s->mem, &pack, &count);
            if (more) save_node(&w->out, pack, count);
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
        walk_keep(k->s, k->sp, item);
}

static void walk__see_space(void *ctx, void *item) {
    const struct space *sp = item;

    buf_put(ctx, &sp->id, sizeof sp->id);
}

/* The namespace to walk now, or NULL when there is none left. */
static struct space *walk__space(struct shard *s) {
    struct walk *w = s->walk;

    for (;;) {
        struct db *db;
        uint32_t id;

        if (w->todo.n > 0) {
            memcpy(&id, w->todo.p + w->todo.n - sizeof id, sizeof id);
            if (id < s->ids && s->by_id[id] != NULL) return s->by_id[id];
            w->todo.n -= sizeof id;
            w->keys_at = 0;
            continue;
        }
        if (w->db == s->ks->opt.databases) return NULL;
        db = s->dbs[w->db];
        if (!w->in_spaces) {
            w->in_spaces = true;
            w->spaces_at = 0;
            if (db->plain != NULL) walk__see_space(&w->todo, db->plain);
            continue;
        }
        w->spaces_at = table_scan(&db->spaces, w->spaces_at, walk__see_space,
                                  &w->todo);
        if (w->spaces_at != 0) continue;
        w->db++;
        w->in_spaces = false;
    }
}

/* Do about `budget` entries' worth of the walk.  The databases are walked by
 * their present numbers; SWAPDB may make the walk see one twice, which marks
 * make harmless, and it begins again so that none is missed.  True when this
 * shard is through. */
static bool walk_step(struct shard *s, size_t budget) {
    struct walk *w = s->walk;
    struct snapshot *sn = s->ks->snapshot;

    if (w->done) return true;
    if (!w->discard && atomic_load(&sn->failed)) {
        w->discard = true;
        walk__empty(s, &w->out);
        walk__empty(s, &w->side);
        walk__give(s, false);
    }
    while (budget > 0 && (w->discard || sn->queued < sn->most / 2)) {
        struct walk__keys k = { s, NULL, 0 };

        if (w->first != NULL) {
            walk__stream(s, &budget);
        } else if ((k.sp = walk__space(s)) != NULL) {
            w->keys_at = table_scan(&k.sp->keys, w->keys_at, walk__see_entry,
                                    &k);
            if (w->keys_at == 0) w->todo.n -= sizeof(uint32_t);
            budget -= size_min(budget, k.n + 1);
        } else if (s->gone != NULL) {
            break;              /* its entries are kept as they are freed */
        } else {
            w->done = walk__give(s, false);
            break;
        }
        if (w->out.n >= WALK_GIVE && !w->discard)
            walk__give(s, w->first != NULL && w->first->begun);
    }
    if (!w->done) return false;
    pthread_mutex_lock(&sn->lock);
    sn->keys += w->keys;
    sn->shards_left--;
    pthread_cond_signal(&sn->more);
    pthread_mutex_unlock(&sn->lock);
    return true;
}

/* After SWAPDB: the walk begins with the first database again. */
static void walk_again(struct shard *s) {
    if (s->walk == NULL || s->walk->done) return;
    s->walk->db = 0;
    s->walk->in_spaces = false;
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
        ks->shards[i].walk = w;
    }
    pthread_mutex_init(&sn->lock, NULL);
    pthread_cond_init(&sn->more, NULL);
    atomic_init(&sn->held, 0);
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
 * `wait`.  NULL: none now, or none any more (*end is set then). */
static struct walk_chunk *snapshot_take(struct snapshot *sn, bool wait,
                                        bool *end) {
    struct walk_chunk *c;

    pthread_mutex_lock(&sn->lock);
    while (wait && sn->first == NULL && sn->shards_left > 0 &&
           !atomic_load(&sn->failed))
        pthread_cond_wait(&sn->more, &sn->lock);
    c = sn->first;
    if (c != NULL) {
        sn->first = c->next;
        if (sn->first == NULL) sn->last = NULL;
        sn->queued -= c->b.n;
    }
    *end = c == NULL && (sn->shards_left == 0 || atomic_load(&sn->failed));
    pthread_mutex_unlock(&sn->lock);
    if (c != NULL) atomic_fetch_sub(&sn->held, c->b.n);
    return c;
}

/* Forget a snapshot that all shards are through with and whose writer has
 * ended; all shards are locked. */
static void snapshot_end(struct keyspace *ks) {
    struct snapshot *sn = ks->snapshot;

    for (uint32_t i = 0; i < ks->nshards; i++) {
        struct walk *w = ks->shards[i].walk;

        KVNS_ASSERT(w->done && w->first == NULL);
        buf_free(&w->out);
        buf_free(&w->side);
        buf_free(&w->todo);
        free(w);
        ks->shards[i].walk = NULL;
    }
    for (struct walk_chunk *c = sn->first, *next; c != NULL; c = next) {
        next = c->next;
        buf_free(&c->b);
        free(c);
    }
    pthread_cond_destroy(&sn->more);
    pthread_mutex_destroy(&sn->lock);
    free(sn);
    ks->snapshot = NULL;
}
