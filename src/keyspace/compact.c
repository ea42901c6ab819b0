/* SPDX-License-Identifier: MIT */
/* ==== compact - pages of a few blocks are emptied ===========================
 *
 * Keys come and go, and leave pages of slabs with a few blocks each.  When an
 * arena holds clearly more than is used, and trim_survey sees that packing the
 * blocks of some size would give pages back, all tables are gone through in
 * slices, and what lies in a page to be emptied is copied into a fuller one:
 *
 *   pages before   [#..#....] [..#.....] [#####.##]
 *   after          given back  given back [########]
 *
 * Every item has one owner, a slot of a table; members of a sorted set have a
 * second place in its skip list.  Nothing holds on to one between commands.
 * While a snapshot is taken nothing is moved.
 *
 * Guests, blocks of another shard's pages that came with a collection, cannot
 * be moved by the shard whose pages they are in.  When it has pages that it
 * cannot empty, and guests elsewhere, it says so (keyspace.strays), and shards
 * that have guests make copies of theirs at home.
 *
 * Large collections are gone through a segment at a time before it is the turn
 * of the next key.
 * Lists and streams go node by node, as far as COMPACT_NODES, and skip lists
 * block by block.  Not moved are groups of readers and namespaces.
 *
 * floor 3 - uses: base arena mem trim table item quick skip stream entry
 *    shard big
 */
enum {
    COMPACT_SLACK = 512 << 10,  /* bytes an arena may keep beyond a 16th */
    COMPACT_ALL = 4 << 20,      /* and all of them together */
    COMPACT_ROW = 32,           /* nodes of a list or a stream a visit */
    COMPACT_NODES = 4096        /* of them at most */
};

struct compact {
    struct shard *s;
    struct skip *order;         /* of the sorted set at hand, or NULL */
    bool more;                  /* a collection has further segments */
    size_t seen;
};

static size_t compact__apart(size_t a, size_t b) {
    return a > b ? a - b : b - a;
}

/* Bytes in use of a shard's own pages. */
static size_t compact__own(const struct shard *s) {
    size_t own = mem_own(&s->mem);

    return own > SIZE_MAX / 2 ? 0 : own;    /* of libc's less than none */
}

/* Would a pass give enough back?  What was found is remembered. */
static bool compact__pays(struct shard *s) {
    size_t slack = size_min(COMPACT_SLACK, COMPACT_ALL / s->ks->nshards);
    struct mem *m = &s->mem;
    size_t gain, used = compact__own(s), active = mem_active(m);
    size_t waste = active - mem_own(m);

    if (waste > SIZE_MAX / 2 || waste < used / 16 + slack) {
        s->compact_rest = 0;
        return false;
    }
    /* as when it was last found not to be */
    if (compact__apart(used, s->compact_saw_used) +
        compact__apart(active, s->compact_saw_active) < slack / 4)
        return false;
    s->compact_saw_used = used;
    s->compact_saw_active = active;
    gain = trim_survey(m);
    /* much has gone since then */
    if (used < s->compact_used - s->compact_used / 16) s->compact_rest = 0;
    if (gain < used / 32 + slack / 2) return false;
    /* what the last pass could not give back, another will not */
    return gain >= s->compact_rest + s->compact_rest / 4;
}

/* Begin a pass, if it is worth it; called once a second. */
static void compact_look(struct shard *s) {
    unsigned strays = atomic_load_explicit(&s->ks->strays,
                                           memory_order_relaxed);

    if (s->compacting || s->walk != NULL) return;
    if (s->lazy != NULL || s->gone != NULL) return;     /* more is to go */
    if (!(s->mem.guests && s->compact_strays != strays) && !compact__pays(s))
        return;
    s->compact_strays = strays;
    s->compact_from = compact__own(s);
    s->compacting = true;
    s->compact_kind = 0;
    s->compact_space = s->compact_seg = s->compact_line = 0;
    s->compact_slot = s->compact_deep = 0;
}

static void *compact__item(void *ctx, void *p) {
    struct compact *c = ctx;
    struct mem *m = &c->s->mem;
    struct item *it = p, *to;
    size_t n = item_bytes(it);

    c->seen++;
    if (!trim_sparse(m, it, n)) return it;
    to = mem_try(m, n);
    if (to == NULL) return it;
    memcpy(to, it, n);
    if (c->order != NULL) skip_replace(c->order, item_score(it), to);
    trim_leave(m, it, n);
    return to;
}

/* A part of a list or a stream of so many nodes, which begins with the i'th. */
static void compact__row(struct compact *c, struct big *b, size_t nodes) {
    size_t i = (size_t)c->s->compact_deep * COMPACT_ROW;
    struct mem *m = &c->s->mem;

    if (nodes > COMPACT_NODES) return;
    if (b->shape == SHAPE_LIST_QUICK)
        quick_compact(&((struct big_list *)b)->q, m, i, COMPACT_ROW);
    else
        stream_compact(&((struct big_stream *)b)->s, m, i, COMPACT_ROW);
    if (i + COMPACT_ROW < nodes) c->more = true;
    c->seen += COMPACT_ROW;
}

/* A part of a large collection that is a table. */
static void compact__table(struct compact *c, struct big *b) {
    struct table *t = big_table(b);
    uint32_t i = c->s->compact_deep;

    if (i >= t->nsegs) return;
    if (b->shape == SHAPE_HASH_TABLE && ((struct big_hash *)b)->due != NULL)
        return;
    c->order = NULL;
    if (b->shape == SHAPE_ZSET_SKIP) {
        c->order = &((struct big_zset *)b)->order;
        skip_compact(c->order, &c->s->mem,
                     (size_t)((double)c->order->len * i / t->nsegs),
                     i + 1 == t->nsegs ? c->order->len :
                         (size_t)((double)c->order->len * (i + 1) / t->nsegs));
    }
    table_move_all(t, &c->s->mem, i, compact__item, c);
    if (i + 1 < t->nsegs) c->more = true;
}

/* A part of a large collection; its head, if that has moved. */
static struct big *compact__big(struct compact *c, struct big *b) {
    size_t n = big_size((enum shape)b->shape);
    struct mem *m = &c->s->mem;
    struct big *to;

    if (b->aside != NULL) return b;
    if (c->s->compact_deep == 0 && trim_sparse(m, b, n) &&
        (to = mem_try(m, n)) != NULL) {
        memcpy(to, b, n);
        trim_leave(m, b, n);
        b = to;
    }
    if (b->shape == SHAPE_LIST_QUICK)
        compact__row(c, b, ((struct big_list *)b)->q.nodes);
    else if (b->shape == SHAPE_STREAM)
        compact__row(c, b, stream_nodes(&((struct big_stream *)b)->s));
    else
        compact__table(c, b);
    return b;
}

static void *compact__entry(void *ctx, void *p) {
    struct compact *c = ctx;
    struct mem *m = &c->s->mem;
    struct entry *e = p, *to;
    size_t n = entry_size(e);

    if (shape_is_big(entry_shape(e)) && entry_shape(e) != SHAPE_BLOB)
        entry_set_object(e, compact__big(c, entry_object(e)));
    if (!trim_sparse(m, e, n)) return e;
    to = mem_try(m, n);
    if (to == NULL) return e;
    memcpy(to, e, n);
    trim_leave(m, e, n);
    return to;
}

/* The pass is over: is another one worth it?  One that much went away under
 * had chosen its pages before, and says little of what cannot be moved. */
static void compact__end(struct shard *s) {
    size_t own = mem_own(&s->mem), away = own - s->mem.used;

    s->compacting = false;
    s->compact_rest = trim_survey(&s->mem);
    s->compact_used = compact__own(s);
    if (s->compact_used < s->compact_from - s->compact_from / 16)
        s->compact_rest = 0;
    if (away <= SIZE_MAX / 2 &&
        s->compact_rest > COMPACT_SLACK / 2 + s->compact_used / 16)
        atomic_fetch_add_explicit(&s->ks->strays, 1, memory_order_relaxed);
}

/* Go on through the keys.  Where they change meanwhile, one may be met twice,
 * or not at all: the next pass is for that. */
static void compact__move(struct shard *s, struct compact *c, size_t budget) {
    for (; c->seen < budget && s->compact_space < s->ids; c->seen++) {
        struct space *sp = s->by_id[s->compact_space];

        if (sp == NULL || s->compact_seg >= sp->keys.nsegs) {
            s->compact_space++;
            s->compact_seg = s->compact_line = 0;
            s->compact_slot = s->compact_deep = 0;
            continue;
        }
        if (s->compact_line == 0 && s->compact_slot == 0)
            table_move_lines(&sp->keys, &s->mem, s->compact_seg);
        c->more = false;
        if (table_move(&sp->keys, &s->mem, s->compact_seg, s->compact_line,
                       s->compact_slot, compact__entry, c)) {
            s->compact_deep = c->more ? s->compact_deep + 1 : 0;
            s->compact_slot += !c->more;
            continue;
        }
        s->compact_slot = s->compact_deep = 0;
        if (++s->compact_line < table_lines(&sp->keys, s->compact_seg))
            continue;
        s->compact_line = 0;
        s->compact_seg++;
    }
}

/* A slice of a pass: about `budget` items.  First it is
 * said of each kind of block what is to move, at last what that made free is
 * given back; that alone when a snapshot has begun. */
static void compact_step(struct shard *s, size_t budget) {
    struct compact c = { .s = s };

    while (c.seen < budget && s->compact_kind < MEM_KINDS && s->walk == NULL)
        c.seen += trim_begin(&s->mem, s->compact_kind++);
    if (s->walk == NULL && s->compact_kind >= MEM_KINDS)
        compact__move(s, &c, budget);
    if (s->walk == NULL &&
        (s->compact_kind < MEM_KINDS || s->compact_space < s->ids))
        return;
    if (s->compact_kind < MEM_KINDS) s->compact_kind = MEM_KINDS;
    while (c.seen < budget && s->compact_kind < 2 * MEM_KINDS)
        c.seen += trim_end(&s->mem, s->compact_kind++ - MEM_KINDS);
    if (s->compact_kind == 2 * MEM_KINDS) compact__end(s);
}
