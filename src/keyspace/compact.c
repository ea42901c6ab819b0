/* ==== compact - pages of a few blocks are emptied ===========================
 *
 * Keys come and go, and leave pages of slabs with a few blocks each.  When an
 * arena holds clearly more than is used, and mem_survey sees that packing the
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
 * Of large collections a few segments are done each time one is met; the
 * segment of keys that they are in is gone through again for the next few.
 * Not moved are lists, streams, skip lists and namespaces.
 *
 * floor 3 - uses: base mem table item skip entry shard big
 */
enum {
    COMPACT_SLACK = 512 << 10,  /* bytes an arena may keep beyond a 16th */
    COMPACT_DEEP = 4            /* segments of a large collection a visit */
};

struct compact {
    struct shard *s;
    struct skip *order;         /* of the sorted set at hand, or NULL */
    bool more;                  /* a collection has further segments */
    size_t seen;
};

/* Begin a pass, if it is worth it; called a few times a second. */
static void compact_look(struct shard *s) {
    struct mem *m = &s->mem;
    size_t gain;

    if (s->compacting || s->walk != NULL) return;
    if (mem_active(m) < m->used + m->used / 16 + COMPACT_SLACK) {
        s->compact_rest = 0;
        return;
    }
    gain = mem_survey(m);
    if (gain < m->used / 32 + COMPACT_SLACK / 2) return;
    /* what the last pass could not give back, another will not */
    if (gain < s->compact_rest + s->compact_rest / 4) return;
    s->compacting = true;
    s->compact_space = s->compact_seg = s->compact_deep = 0;
}

static void *compact__item(void *ctx, void *p) {
    struct compact *c = ctx;
    struct mem *m = &c->s->mem;
    struct item *it = p, *to;
    size_t n = item_bytes(it);

    c->seen++;
    if (!mem_sparse(m, it, n)) return it;
    to = mem_try(m, n);
    if (to == NULL) return it;
    memcpy(to, it, n);
    if (c->order != NULL) skip_replace(c->order, item_score(it), to);
    mem_drop(m, it, n);
    return to;
}

/* A part of a large collection. */
static void compact__big(struct compact *c, struct big *b) {
    struct table *t;
    uint32_t first = c->s->compact_deep * COMPACT_DEEP, end;

    if (b->shape != SHAPE_SET_TABLE && b->shape != SHAPE_HASH_TABLE &&
        b->shape != SHAPE_ZSET_SKIP)
        return;
    t = big_table(b);
    if (t->nsegs == 0 || b->aside != NULL) return;
    if (b->shape == SHAPE_HASH_TABLE && ((struct big_hash *)b)->due != NULL)
        return;
    c->order = b->shape == SHAPE_ZSET_SKIP ? &((struct big_zset *)b)->order :
                                             NULL;
    end = (uint32_t)size_min(first + COMPACT_DEEP, t->nsegs);
    for (uint32_t i = first; i < end; i++)
        table_move(t, &c->s->mem, i, compact__item, c);
    if (end < t->nsegs && first < t->nsegs) c->more = true;
}

static void *compact__entry(void *ctx, void *p) {
    struct compact *c = ctx;
    struct mem *m = &c->s->mem;
    struct entry *e = p, *to;
    size_t n = entry_size(e);

    if (shape_is_big(entry_shape(e)) && entry_shape(e) != SHAPE_BLOB)
        compact__big(c, entry_object(e));
    if (!mem_sparse(m, e, n)) return e;
    to = mem_try(m, n);
    if (to == NULL) return e;
    memcpy(to, e, n);
    mem_drop(m, e, n);
    return to;
}

/* The pass is over: is another one worth it? */
static void compact__end(struct shard *s) {
    s->compacting = false;
    s->compact_rest = mem_survey(&s->mem);
}

/* A slice of a pass: about `budget` items, in whole segments. */
static void compact_step(struct shard *s, size_t budget) {
    struct compact c = { .s = s };

    if (s->walk != NULL) {
        s->compacting = false;
        return;
    }
    while (c.seen < budget && s->compact_space < s->ids) {
        struct space *sp = s->by_id[s->compact_space];

        if (sp == NULL || s->compact_seg >= sp->keys.nsegs) {
            s->compact_space++;
            s->compact_seg = s->compact_deep = 0;
            c.seen++;
            continue;
        }
        c.more = false;
        c.seen += table_move(&sp->keys, &s->mem, s->compact_seg,
                             compact__entry, &c);
        if (c.more) {
            s->compact_deep++;
        } else {
            s->compact_deep = 0;
            s->compact_seg++;
        }
    }
    if (s->compact_space >= s->ids) compact__end(s);
}
