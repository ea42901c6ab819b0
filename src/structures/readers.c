/* SPDX-License-Identifier: MIT */
/* ==== readers - groups that read a stream together =========================
 *
 * A group remembers how far it has read and which entries were handed to which
 * of its consumers and not acknowledged yet, the pending ones.  Group and
 * consumer each have an index of them by ID; what is known of one stands in
 * the group's, once.
 *
 *   group     pending [ id, when, how often, whose ] [ ... ] ...
 *   consumer  pending [ id ] [ ... ]       a part of the group's
 *
 * Groups of a stream and consumers of a group are arrays in order of names,
 * as they are listed.  Everything belongs to the stream, whose `held` counts
 * the bytes; names are copied.
 *
 * Freezing, for snapshots, takes no time.  Before a group changes for the first
 * time, or a consumer, what it is goes into a record (struct readers_was), and
 * its index of pending entries is frozen (see ids); who reads what was makes
 * the records of those that have not changed, one after the other.  A leaf that
 * is frozen is copied when it changes: so even a drop may be refused, and
 * nothing has changed then.  Without memory for a record, what was is lost.
 *
 * floor 1 - uses: base arena mem ids
 */
#if !defined(KVNS_NO_STREAMS)
struct readers_consumer {
    int64_t seen;               /* when it last did anything; wall clock, ms */
    struct ids pending;         /* of IDs alone */
    uint32_t epoch;             /* when frozen: another than that, if old */
    uint32_t nlen;
    char name[];
};

/* An entry handed to a consumer. */
struct readers_pending {
    struct stream_id id;
    int64_t at;                 /* last delivery; wall clock, ms */
    uint64_t times;             /* deliveries */
    struct readers_consumer *who;
};

struct readers_group {
    struct stream_id last;      /* read so far */
    int64_t read;               /* entries read, READERS_UNKNOWN if unknown */
    struct ids pending;         /* of struct readers_pending */
    struct readers_consumer **who;  /* in order of names */
    struct readers_was *was;    /* what it was, if somebody reads that */
    uint32_t n, cap;
    uint32_t epoch;             /* when frozen: another than that, if old */
    uint32_t nlen;
    char name[];
};

/* The groups of a stream, in order of names. */
struct readers {
    struct readers_group **v;
    uint32_t n, cap;
    struct readers_frozen *frozen;  /* what they were, if somebody reads that */
};

/* A group or a consumer as it was. */
struct readers_was {
    struct readers_was *next;
    struct ids_frozen pending;
    size_t count;               /* of these */
    struct stream_id last;      /* of a group, as what follows */
    int64_t read;
    struct readers_group *group;    /* NULL: it has gone */
    struct readers_was *who;    /* records of consumers to be read */
    uint32_t n, walked;         /* consumers it had; in g->who those that stand
                                   before this are records or new */
    int64_t seen;               /* of a consumer */
    uint32_t nlen;
    char name[];
};

/* The groups of a stream as they were. */
struct readers_frozen {
    struct readers *of;
    struct readers_was *first;  /* records of groups to be read */
    uint32_t n, walked;         /* as in a record */
    uint32_t epoch;             /* not 0 */
    bool failed;                /* there was no memory for a record */
};

enum { READERS_UNKNOWN = -1 };

static inline struct str readers_group_name(const struct readers_group *g) {
    return str_of(g->name, g->nlen);
}

static inline struct str readers_name(const struct readers_consumer *c) {
    return str_of(c->name, c->nlen);
}

/* Room for one more pointer in an array of n.  False: no memory. */
static bool readers__room(struct mem *m, size_t *held, void ***v, uint32_t n,
                          uint32_t *cap) {
    uint32_t more;
    void **to;

    if (n < *cap) return true;
    if (n > UINT32_MAX / 16) return false;
    more = n + n / 2 + 1;
    to = mem_resize(m, *v, *cap * sizeof *to, more * sizeof *to);
    if (to == NULL) return false;
    *held += mem_size(more * sizeof *to);
    if (*cap > 0) *held -= mem_size(*cap * sizeof *to);
    *v = to;
    *cap = more;
    return true;
}

/* ---- what was ------------------------------------------------------------ */

/* A record with a name for an index as it is.  NULL: no memory, so the whole
 * is lost. */
static COLD struct readers_was *readers__record(struct readers *r,
                                                struct mem *m, struct ids *t,
                                                struct str name) {
    struct readers_was *w = mem_try(m, sizeof *w + name.n);

    if (w == NULL) {
        r->frozen->failed = true;
        return NULL;
    }
    m->kept += mem_size(sizeof *w + name.n);
    memset(w, 0, sizeof *w);
    ids_freeze(t, &w->pending, r->frozen->epoch);
    w->count = t->count;
    w->nlen = (uint32_t)name.n;
    if (name.n > 0) memcpy(w->name, name.p, name.n);
    return w;
}

static COLD void readers__keep_group(struct readers *r, struct mem *m,
                                     struct readers_group *g) {
    struct readers_was *w = readers__record(r, m, &g->pending,
                                            readers_group_name(g));

    g->epoch = r->frozen->epoch;
    g->was = w;
    if (w == NULL) return;
    w->last = g->last;
    w->read = g->read;
    w->n = g->n;
    w->group = g;
    w->next = r->frozen->first;
    r->frozen->first = w;
}

static COLD void readers__keep_consumer(struct readers *r, struct mem *m,
                                        struct readers_group *g,
                                        struct readers_consumer *c) {
    struct readers_was *w = readers__record(r, m, &c->pending,
                                            readers_name(c));

    c->epoch = r->frozen->epoch;
    if (w == NULL) return;
    w->seen = c->seen;
    w->next = g->was->who;
    g->was->who = w;
}

/* A group is about to change: what belongs to it, not its consumers. */
static inline void readers_group_keep(struct readers *r, struct mem *m,
                                      struct readers_group *g) {
    if (LIKELY(r->frozen == NULL) || g->epoch == r->frozen->epoch) return;
    readers__keep_group(r, m, g);
}

/* A consumer is about to change, and its group with it. */
static inline void readers_keep(struct readers *r, struct mem *m,
                                struct readers_group *g,
                                struct readers_consumer *c) {
    if (LIKELY(r->frozen == NULL)) return;
    readers_group_keep(r, m, g);
    if (g->was != NULL && c->epoch != r->frozen->epoch)
        readers__keep_consumer(r, m, g, c);
}

/* Freeze all groups as they are, in no time; f must stay where it is until
 * readers_frozen_end.  The epoch is not 0 and new to the stream. */
static void readers_freeze(struct readers *r, struct readers_frozen *f,
                           uint32_t epoch) {
    KVNS_ASSERT(r->frozen == NULL && epoch != 0);
    memset(f, 0, sizeof *f);
    f->of = r;
    f->n = r->n;
    f->epoch = epoch;
    r->frozen = f;
}

/* Take the record of the next group, in no order, for readers_was_read; NULL:
 * none this time.  False: there is none any more. */
static bool readers_frozen_next(struct readers_frozen *f, struct mem *m,
                                struct readers_was **w) {
    if (f->first == NULL && f->walked < f->of->n)
        readers_group_keep(f->of, m, f->of->v[f->walked++]);
    *w = f->first;
    if (*w != NULL) f->first = (*w)->next;
    return *w != NULL || f->walked < f->of->n;
}

/* The same of the consumers of a record's group. */
static bool readers_was_next(struct readers_frozen *f, struct mem *m,
                             struct readers_was *group,
                             struct readers_was **w) {
    struct readers_group *g = group->group;

    if (group->who == NULL && g != NULL && group->walked < g->n)
        readers_keep(f->of, m, g, g->who[group->walked++]);
    *w = group->who;
    if (*w != NULL) group->who = (*w)->next;
    return *w != NULL || (g != NULL && group->walked < g->n);
}

/* A record was read, with all that it held. */
static void readers_was_read(struct mem *m, struct readers_was *w) {
    size_t n = sizeof *w + w->nlen;

    KVNS_ASSERT(w->who == NULL && w->pending.of == NULL);
    KVNS_ASSERT(w->pending.kept == NULL);
    if (w->group != NULL) w->group->was = NULL;
    m->kept -= mem_size(n);
    mem_drop(m, w, n);
}

/* All records were read. */
static void readers_frozen_end(struct readers_frozen *f) {
    KVNS_ASSERT(f->first == NULL);
    f->of->frozen = NULL;
    f->of = NULL;
}

/* ---- groups -------------------------------------------------------------- */

/* Where a name is, or would be, among the groups. */
static uint32_t readers__group_at(const struct readers *r, struct str name,
                                  bool *there) {
    uint32_t lo = 0, hi = r->n;

    *there = false;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        int c = str_cmp(readers_group_name(r->v[mid]), name);

        if (c == 0) {
            *there = true;
            return mid;
        }
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

/* The group of a name, or NULL. */
static struct readers_group *readers_group(const struct readers *r,
                                           struct str name) {
    bool there;
    uint32_t i = readers__group_at(r, name, &there);

    return there ? r->v[i] : NULL;
}

/* Make a group that has read up to an ID; the name is not taken.  NULL: no
 * memory. */
static struct readers_group *readers_group_make(struct readers *r,
                                                struct mem *m, size_t *held,
                                                struct str name,
                                                struct stream_id last,
                                                int64_t read) {
    bool there;
    uint32_t i = readers__group_at(r, name, &there);
    struct readers_group *g;
    void **v = (void **)(void *)r->v;
    bool room = readers__room(m, held, &v, r->n, &r->cap);

    r->v = (struct readers_group **)(void *)v;
    KVNS_ASSERT(!there);
    if (!room || name.n > UINT32_MAX / 2) return NULL;
    g = mem_try(m, sizeof *g + name.n);
    if (g == NULL) return NULL;
    *held += mem_size(sizeof *g + name.n);
    memset(g, 0, sizeof *g);
    g->last = last;
    g->read = read;
    ids_init(&g->pending, sizeof(struct readers_pending));
    g->nlen = (uint32_t)name.n;
    if (name.n > 0) memcpy(g->name, name.p, name.n);
    memmove(r->v + i + 1, r->v + i, (r->n - i) * sizeof *r->v);
    r->v[i] = g;
    r->n++;
    if (UNLIKELY(r->frozen != NULL)) {
        g->epoch = r->frozen->epoch;
        r->frozen->walked += i < r->frozen->walked;
    }
    return g;
}

static void readers__consumer_free(struct mem *m, size_t *held,
                                   struct readers_consumer *c) {
    size_t n = sizeof *c + c->nlen;

    while (c->pending.count > 0) ids_drop_leaf(&c->pending, m, held);
    ids_frozen_orphan(&c->pending);
    *held -= mem_size(n);
    mem_drop(m, c, n);
}

/* Free leaves of pending entries and consumers of a group, budget of them at
 * most, counted down.  True when nothing is left. */
static bool readers__group_empty(struct mem *m, size_t *held,
                                 struct readers_group *g, size_t *budget) {
    while (g->pending.count > 0) {
        if (*budget == 0) return false;
        ids_drop_leaf(&g->pending, m, held);
        --*budget;
    }
    ids_frozen_orphan(&g->pending);
    while (g->n > 0) {
        struct readers_consumer *c = g->who[g->n - 1];

        if (*budget == 0) return false;
        --*budget;
        if (c->pending.count > 0) {
            ids_drop_leaf(&c->pending, m, held);
            continue;
        }
        g->n--;
        readers__consumer_free(m, held, c);
    }
    return true;
}

static void readers__group_free(struct mem *m, size_t *held,
                                struct readers_group *g) {
    size_t n = sizeof *g + g->nlen;

    if (g->cap > 0) *held -= mem_size(g->cap * sizeof *g->who);
    mem_drop(m, g->who, g->cap * sizeof *g->who);
    *held -= mem_size(n);
    mem_drop(m, g, n);
}

/* Drop a group with all that it has. */
static void readers_group_drop(struct readers *r, struct mem *m, size_t *held,
                               struct readers_group *g) {
    size_t budget = SIZE_MAX;
    bool there;
    uint32_t i = readers__group_at(r, readers_group_name(g), &there);

    KVNS_ASSERT(there);
    if (UNLIKELY(r->frozen != NULL)) {
        for (uint32_t j = 0; j < g->n; j++) readers_keep(r, m, g, g->who[j]);
        readers_group_keep(r, m, g);
        if (g->was != NULL) g->was->group = NULL;
        r->frozen->walked -= i < r->frozen->walked;
    }
    readers__group_empty(m, held, g, &budget);
    readers__group_free(m, held, g);
    r->n--;
    memmove(r->v + i, r->v + i + 1, (r->n - i) * sizeof *r->v);
}

/* Free up to *budget pieces of all groups, which are not frozen, counted down.
 * True when nothing is left. */
static bool readers_free_step(struct readers *r, struct mem *m, size_t *held,
                              size_t *budget) {
    while (r->n > 0) {
        if (!readers__group_empty(m, held, r->v[r->n - 1], budget))
            return false;
        readers__group_free(m, held, r->v[--r->n]);
    }
    if (r->cap > 0) *held -= mem_size(r->cap * sizeof *r->v);
    mem_drop(m, r->v, r->cap * sizeof *r->v);
    r->v = NULL;
    r->cap = 0;
    return true;
}

/* ---- consumers ----------------------------------------------------------- */

static uint32_t readers__at(const struct readers_group *g, struct str name,
                            bool *there) {
    uint32_t lo = 0, hi = g->n;

    *there = false;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        int c = str_cmp(readers_name(g->who[mid]), name);

        if (c == 0) {
            *there = true;
            return mid;
        }
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

/* The consumer of a name, or NULL. */
static struct readers_consumer *readers_consumer(const struct readers_group *g,
                                                 struct str name) {
    bool there;
    uint32_t i = readers__at(g, name, &there);

    return there ? g->who[i] : NULL;
}

/* Make a consumer, seen at `now`; the name is not taken.  NULL: no memory. */
static struct readers_consumer *readers_consumer_make(struct readers *r,
                                                      struct readers_group *g,
                                                      struct mem *m,
                                                      size_t *held,
                                                      struct str name,
                                                      int64_t now) {
    bool there;
    uint32_t i = readers__at(g, name, &there);
    struct readers_consumer *c;
    void **v = (void **)(void *)g->who;
    bool room = readers__room(m, held, &v, g->n, &g->cap);

    readers_group_keep(r, m, g);
    g->who = (struct readers_consumer **)(void *)v;
    KVNS_ASSERT(!there);
    if (!room || name.n > UINT32_MAX / 2) return NULL;
    c = mem_try(m, sizeof *c + name.n);
    if (c == NULL) return NULL;
    *held += mem_size(sizeof *c + name.n);
    memset(c, 0, sizeof *c);
    c->seen = now;
    ids_init(&c->pending, sizeof(struct stream_id));
    c->nlen = (uint32_t)name.n;
    if (name.n > 0) memcpy(c->name, name.p, name.n);
    memmove(g->who + i + 1, g->who + i, (g->n - i) * sizeof *g->who);
    g->who[i] = c;
    g->n++;
    if (UNLIKELY(r->frozen != NULL)) {
        c->epoch = r->frozen->epoch;
        if (g->was != NULL) g->was->walked += i < g->was->walked;
    }
    return c;
}

/* ---- pending entries ----------------------------------------------------- */

/* What a group knows of a pending entry, lent, or NULL. */
static const struct readers_pending *readers_pending(
    const struct readers_group *g, struct stream_id id) {
    return ids_find(&g->pending, id);
}

/* Take an entry off the pending ones of a group and its consumer.  False: no
 * memory, nothing changed; *found: it was one. */
static bool readers_settle(struct readers *r, struct readers_group *g,
                           struct mem *m, size_t *held, struct stream_id id,
                           bool *found) {
    struct readers_pending *p;
    bool refused, there;

    *found = false;
    if (UNLIKELY(r->frozen != NULL)) {
        const struct readers_pending *was = readers_pending(g, id);

        if (was == NULL) return true;
        readers_keep(r, m, g, was->who);
    }
    /* with the leaf our own by this, the last step cannot be refused */
    p = ids_edit(&g->pending, m, held, id, &refused);
    if (p == NULL) return !refused;
    if (!ids_drop(&p->who->pending, m, held, id, &there)) return false;
    KVNS_ASSERT(there);
    if (!ids_drop(&g->pending, m, held, id, found))
        KVNS_ASSERT(!"a leaf of our own");
    return true;
}

/* Give a pending entry to a consumer, or make it pending there: delivered at
 * `at` for the `times`th time.  False: no memory, nothing changed. */
static bool readers_give(struct readers *r, struct readers_group *g,
                         struct mem *m, size_t *held, struct stream_id id,
                         struct readers_consumer *c, int64_t at,
                         uint64_t times) {
    struct readers_consumer *was;
    struct readers_pending *p;
    bool made, mine = false, there;

    readers_keep(r, m, g, c);
    p = ids_put(&g->pending, m, held, id, &made);
    if (p == NULL) return false;
    was = p->who;
    if (was != c) {
        if (was != NULL) readers_keep(r, m, g, was);
        if (ids_put(&c->pending, m, held, id, &mine) == NULL) goto refused;
        if (was != NULL && !ids_drop(&was->pending, m, held, id, &there))
            goto refused;
    }
    p->who = c;
    p->at = at;
    p->times = times;
    return true;
refused:
    /* the leaves are ours by now: this needs no memory */
    if (mine) ids_drop(&c->pending, m, held, id, &there);
    if (made) ids_drop(&g->pending, m, held, id, &there);
    return false;
}

/* Deliver a pending entry to its consumer once more.  False: no memory. */
static bool readers_again(struct readers *r, struct readers_group *g,
                          struct mem *m, size_t *held, struct stream_id id,
                          int64_t at) {
    struct readers_pending *p;
    bool refused;

    readers_group_keep(r, m, g);
    p = ids_edit(&g->pending, m, held, id, &refused);
    if (p == NULL) return false;
    p->at = at;
    p->times++;
    return true;
}

/* Drop a consumer; what is pending with it is pending no more.  False: no
 * memory, some may have gone. */
static bool readers_consumer_drop(struct readers *r, struct readers_group *g,
                                  struct mem *m, size_t *held,
                                  struct readers_consumer *c) {
    bool there, found;
    uint32_t i = readers__at(g, readers_name(c), &there);

    KVNS_ASSERT(there);
    readers_keep(r, m, g, c);
    while (c->pending.count > 0) {
        struct stream_id id;

        memcpy(&id, ids_item(ids_last(&c->pending)), sizeof id);
        if (!readers_settle(r, g, m, held, id, &found)) return false;
    }
    if (UNLIKELY(g->was != NULL)) g->was->walked -= i < g->was->walked;
    g->n--;
    memmove(g->who + i, g->who + i + 1, (g->n - i) * sizeof *g->who);
    readers__consumer_free(m, held, c);
    return true;
}

/* ---- copies -------------------------------------------------------------- */

static bool readers__copy_group(struct readers *r, struct readers_group *to,
                                struct mem *m, size_t *held,
                                const struct readers_group *from) {
    struct ids_at at = ids_first(&from->pending);

    for (uint32_t i = 0; i < from->n; i++)
        if (readers_consumer_make(r, to, m, held,
                                  readers_name(from->who[i]),
                                  from->who[i]->seen) == NULL)
            return false;
    for (; at.leaf != NULL; ids_next(&at)) {
        const struct readers_pending *p = ids_item(at);
        struct readers_consumer *c =
            readers_consumer(to, readers_name(p->who));

        if (!readers_give(r, to, m, held, p->id, c, p->at, p->times))
            return false;
    }
    return true;
}

/* Make copies of all groups.  False: no memory, some may have been made. */
static bool readers_copy(struct readers *to, struct mem *m, size_t *held,
                         const struct readers *from) {
    for (uint32_t i = 0; i < from->n; i++) {
        const struct readers_group *g = from->v[i];
        struct readers_group *dup =
            readers_group_make(to, m, held, readers_group_name(g), g->last,
                               g->read);

        if (dup == NULL || !readers__copy_group(to, dup, m, held, g))
            return false;
    }
    return true;
}

#ifdef KVNS_VERIFY
/* Walk all of it; returns the bytes it holds. */
static size_t readers__verify(const struct readers *r) {
    size_t held = r->cap > 0 ? mem_size(r->cap * sizeof *r->v) : 0;

    for (uint32_t i = 0; i < r->n; i++) {
        const struct readers_group *g = r->v[i];
        size_t mine = 0;

        held += mem_size(sizeof *g + g->nlen) + ids__verify(&g->pending);
        if (g->cap > 0) held += mem_size(g->cap * sizeof *g->who);
        for (uint32_t j = 0; j < g->n; j++) {
            const struct readers_consumer *c = g->who[j];

            held += mem_size(sizeof *c + c->nlen) + ids__verify(&c->pending);
            mine += c->pending.count;
            for (struct ids_at at = ids_first(&c->pending); at.leaf != NULL;
                 ids_next(&at)) {
                struct stream_id id;

                memcpy(&id, ids_item(at), sizeof id);
                KVNS_ASSERT(readers_pending(g, id) != NULL);
                KVNS_ASSERT(readers_pending(g, id)->who == c);
            }
        }
        KVNS_ASSERT(mine == g->pending.count);
    }
    return held;
}
#endif
#endif
