/* SPDX-License-Identifier: MIT */
/* ==== copy - a value under another key =====================================
 *
 * A value moves to another key of its shard by its pointer: the new entry
 * adopts what hangs on the old one, which is left then.  What a snapshot has
 * still to save of it belongs to the object and moves along.
 *
 * COPY makes the value anew: small ones are bytes, long strings are shared by
 * count, lists and streams are copied node by node, the tables of other
 * collections item by item, and a sorted set's skip list is built again.  So
 * does a move into another shard, so that what is a shard's lies in its memory;
 * but a collection above COPY_SMALL bytes goes there by its pointer as well,
 * and its blocks are guests there (see mem).
 *
 * Two keys are never open at a time: the destination is settled first, since
 * it may be refused, then the source.
 *
 * floor 3 - uses: base arena mem rand table item quick skip stream entry
 *    shard big due walk door
 */
enum { COPY_SMALL = 32768 };    /* bytes of it, its entry aside */

struct copy__to {
    struct mem *m;
    struct table *t;
    const uint64_t *seed;
    int64_t now;                /* dead fields of hashes are left behind */
    bool failed;
};

/* Put a copy of an item, its mark clear, into a table.  NULL: no memory. */
static struct item *copy__item(const struct copy__to *to,
                               const struct item *it) {
    size_t n = item_bytes(it);
    struct item *dup = mem_try(to->m, n);

    if (dup == NULL) return NULL;
    memcpy(dup, it, n);
    item_set_mark(dup, false);
    if (table_put(to->t, to->m, item_hash(*to->seed, item_key(dup)), dup,
                  item_hash_of, to->seed))
        return dup;
    item_drop(to->m, dup);
    return NULL;
}

static void copy__see(void *ctx, void *item) {
    struct copy__to *to = ctx;

    if (to->failed || due_is_dead(item, to->now)) return;
    if (copy__item(to, item) == NULL) to->failed = true;
}

static bool copy__table(struct copy__to *to, struct table *from, size_t n) {
    uint32_t cursor = 0;

    table_expect(to->t, to->m, n);
    do {
        cursor = table_scan(from, cursor, copy__see, to);
    } while (cursor != 0 && !to->failed);
    return !to->failed;
}

/* In order of score, so that nothing has to be ordered again. */
static bool copy__zset(struct copy__to *to, struct skip *order,
                       const struct big_zset *from) {
    struct skip_at at = skip_first(&from->order);

    table_expect(to->t, to->m, from->members.count);
    for (; !skip_is_end(at); skip_next(&at)) {
        struct item *it = copy__item(to, skip_item(at));

        if (it == NULL || !skip_append(order, to->m, skip_score(at), it))
            return false;
    }
    skip_settle(order);
    return true;
}

static bool copy__list(struct mem *m, struct quick *to,
                       const struct quick *from) {
    to->most_bytes = from->most_bytes;
    to->most_count = from->most_count;
    for (const struct quick_node *x = from->head; x != NULL; x = x->next)
        if (!quick_append_node(to, m, x->room + x->start, x->bytes, x->count))
            return false;
    return true;
}

/* A copy of a large collection in the memory of a shard, or NULL. */
static struct big *copy__big(struct shard *s, struct big *from, int64_t now) {
    enum shape shape = (enum shape)from->shape;
    struct big *b = big_try(&s->mem, shape, -2, rand_next(&s->rand));
    struct copy__to to = { &s->mem, NULL, &s->ks->seed, now, false };
    size_t budget = SIZE_MAX;
    bool ok;

    if (b == NULL) return NULL;
    if (shape == SHAPE_LIST_QUICK) {
        ok = copy__list(&s->mem, &((struct big_list *)b)->q,
                        &((struct big_list *)from)->q);
    } else if (shape == SHAPE_STREAM) {
        ok = stream_copy(&((struct big_stream *)b)->s, &s->mem,
                         &((struct big_stream *)from)->s);
    } else if (shape == SHAPE_ZSET_SKIP) {
        to.t = big_table(b);
        ok = copy__zset(&to, &((struct big_zset *)b)->order,
                        (struct big_zset *)from);
    } else {
        size_t n = big_count(from);

        if (shape == SHAPE_HASH_TABLE)
            n -= due_dead((struct big_hash *)from, now);
        to.t = big_table(b);
        ok = copy__table(&to, big_table(from), n);
    }
    if (ok && shape == SHAPE_HASH_TABLE &&
        ((struct big_hash *)from)->due != NULL)
        ok = due_build((struct big_hash *)b, &s->mem);
    if (ok) return b;
    while (!big_free_step(&s->mem, b, &budget)) budget = SIZE_MAX;
    return NULL;
}

/* Make a copy of the value and deadline of e, of any shard, those of the open
 * key, in place of what it had: as if that had been removed before.  False: no
 * memory, nothing changed. */
static bool copy_put(struct edit *ed, const struct entry *e) {
    struct shard *s = ed->ref.shard;
    enum shape shape = entry_shape(e);
    struct str v = entry_value(e);
    struct big *b = NULL;
    size_t budget = SIZE_MAX;

    if (shape_is_big(shape) && shape != SHAPE_BLOB) {
        b = copy__big(s, entry_object(e), ed->w->now);
        if (b == NULL) return false;
    }
    if (edit_make(ed, shape, v.n, entry_deadline(e))) {
        memcpy(entry_bytes(ed->e), v.p, v.n);
        if (b != NULL) entry_set_object(ed->e, b);
        else if (shape == SHAPE_BLOB)
            s->mem.used += blob_cost(blob_hold(entry_object(e)));
        ed->existed = false;
        return true;
    }
    if (b != NULL)
        while (!big_free_step(&s->mem, b, &budget)) budget = SIZE_MAX;
    return false;
}

/* Give the value and the deadline of e, of another shard, whose key costs
 * `cost`, to the open key in place of what it had: by pointer where that is a
 * large collection (*whole; e is to be left at once, as when it is adopted),
 * else as a copy.  False: no memory, nothing changed. */
static bool copy__hand(struct edit *ed, struct shard *from,
                       const struct entry *e, size_t cost, bool *whole) {
    size_t own = cost - mem_size(entry_size(e));
    struct shard *s = ed->ref.shard;
    enum shape shape = entry_shape(e);

    *whole = shape_is_big(shape) && shape != SHAPE_BLOB && own > COPY_SMALL;
    if (!*whole) {
        if (!copy_put(ed, e)) return false;
        ed->e->used = e->used;
        ed->e->hits = e->hits;
        return true;
    }
    if (!edit_adopt(ed, e, cost - own)) return false;
    ed->existed = false;
    mem_hand(&from->mem, &s->mem, own);
    walk_hand(from, s, entry_object(e));
    return true;
}

/* Move the value of a key that is there to another key, with its deadline, in
 * place of what that one had.  The events are told in this order: `left` of
 * the one, `came` of the other.  False: no memory, nothing changed. */
static bool copy_move(struct work *w, struct str from, int from_db,
                      struct str to, int to_db, const char *left,
                      const char *came) {
    struct edit src, dst;
    struct entry *e;
    size_t cost;
    bool ok, whole = true;

    edit_open_in(w, from, from_db, &src);
    e = src.e;
    cost = src.size;
    edit_cancel(&src);
    KVNS_ASSERT(e != NULL);
    edit_open_in(w, to, to_db, &dst);
    if (dst.ref.shard == src.ref.shard) {
        ok = edit_adopt(&dst, e, cost);
        dst.existed = false;
    } else {
        ok = copy__hand(&dst, src.ref.shard, e, cost, &whole);
    }
    if (!ok) {
        edit_cancel(&dst);
        return false;
    }
    edit_commit(&dst, EVENT_GENERIC, NULL);
    edit_open_in(w, from, from_db, &src);
    KVNS_ASSERT(src.e == e);
    if (whole) edit_leave(&src, cost);
    else edit_drop(&src);
    edit_counts(&src, 0);       /* both are one change */
    edit_commit(&src, EVENT_GENERIC, left);
    edit_tell(&dst, EVENT_GENERIC, came);
    return true;
}
