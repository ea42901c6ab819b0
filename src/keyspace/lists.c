/* SPDX-License-Identifier: MIT */
/* ==== lists - the value of a list ==========================================
 *
 * A small list is one pack in its entry; one that outgrows the limit of
 * list-max-listpack-size becomes a quick list of packs, and one pack again
 * when it has shrunk to half of that, as in Redis 7.2.
 *
 * Functions that take an edit change an open list that is there; an emptied
 * list is removed.  What is read is lent until the next change.
 *
 * floor 3 - uses: base arena pack quick entry shard big door
 */

/* Is a pack of n bytes and count elements small enough for the entry, or for
 * 1/part of its limit?  The limit is a node's. */
static inline bool lists__fits(const struct edit *ed, size_t n, size_t count,
                               unsigned part) {
    int fill = ed->w->ks->opt.list_size;

    if (fill < 0)
        return n <= ((size_t)4096 << size_min(4, (size_t)(-fill - 1))) / part;
    return n <= 8192 / part && count <= (size_t)fill / part;
}

/* Elements of a list. */
static size_t lists_count(const struct entry *e) {
    struct str v = entry_value(e);

    if (entry_shape(e) == SHAPE_LIST_QUICK) return big_count(entry_object(e));
    return pack_count((const uint8_t *)v.p, v.n);
}

/* The quick list of a big one. */
static inline struct quick *lists_quick(const struct entry *e) {
    return &((struct big_list *)entry_object(e))->q;
}

/* Turn the pack of an open list into a quick list.  False: no memory, nothing
 * changed. */
static bool lists_to_quick(struct edit *ed) {
    struct mem *m = &ed->ref.shard->mem;
    struct str v = entry_value(ed->e);
    struct big *b = big_try(m, SHAPE_LIST_QUICK, ed->w->ks->opt.list_size, 0);
    struct quick *q;
    size_t budget = SIZE_MAX;

    if (b == NULL) return false;
    q = &((struct big_list *)b)->q;
    if (!quick_append_pack(q, m, (const uint8_t *)v.p, v.n) ||
        !edit_resize(ed, ENTRY_PTR)) {
        while (!big_free_step(m, b, &budget)) {}
        return false;
    }
    entry_set_shape(ed->e, SHAPE_LIST_QUICK);
    entry_set_object(ed->e, b);
    return true;
}

/* Elements were taken from an open list, which may be gone now: make a pack
 * of a quick list that has become small enough, if there is memory. */
static void lists_shrink(struct edit *ed) {
    struct shard *s = ed->ref.shard;
    size_t budget = SIZE_MAX, is;
    struct quick *q;
    struct big *b;

    if (ed->e == NULL || entry_shape(ed->e) != SHAPE_LIST_QUICK) return;
    b = entry_object(ed->e);
    q = lists_quick(ed->e);
    if (q->nodes != 1 || quick_is_old(q, q->head)) return;
    if (!lists__fits(ed, q->bytes, q->len, 2)) return;
    if (!edit_resize(ed, q->bytes)) return;
    quick_to_pack(q, entry_bytes(ed->e));
    entry_set_shape(ed->e, SHAPE_LIST_PACK);
    while (!big_free_step(&s->mem, b, &budget)) {}
    /* nodes that a snapshot still holds are not the key's any more */
    is = ed->size + s->mem.used - ed->before - ed->index - ed->detached;
    ed->detached += is - entry_cost(ed->e);
}

/* Put s at an end of an open list, or make the list with it.  False: no
 * memory, nothing changed. */
static bool lists_push(struct edit *ed, enum quick_end end, struct str s) {
    struct pack_item it = pack_item_of(s);
    size_t size = pack_item_size(&it), n;
    bool made = ed->e == NULL;
    struct str v;

    if (made && !edit_make(ed, SHAPE_LIST_PACK, 0, 0)) return false;
    if (entry_shape(ed->e) == SHAPE_LIST_PACK) {
        v = entry_value(ed->e);
        n = v.n;
        if (lists__fits(ed, n + size, ed->w->ks->opt.list_size < 0 ? 0 :
                            pack_count((const uint8_t *)v.p, n) + 1, 1)) {
            if (!edit_pack_gap(ed, end == QUICK_HEAD ? 0 : n, size))
                goto refused;
            pack_item_write(entry_bytes(ed->e) + (end == QUICK_HEAD ? 0 : n),
                            &it);
            return true;
        }
        if (!lists_to_quick(ed)) goto refused;
    }
    if (quick_push(lists_quick(ed->e), &ed->ref.shard->mem, end, s))
        return true;
refused:
    if (made) edit_drop(ed);
    return false;
}

/* Read the element at an end of a list that is not empty, lent. */
static void lists_peek(const struct entry *e, enum quick_end end,
                       struct pack_item *it) {
    struct str v = entry_value(e);
    const uint8_t *p = (const uint8_t *)v.p;

    if (entry_shape(e) == SHAPE_LIST_QUICK)
        quick_peek(lists_quick(e), end, it);
    else
        pack_read(p, v.n, end == QUICK_HEAD ? 0 : pack_prev(p, v.n, v.n), it);
}

/* Drop the element at an end of an open list. */
static void lists_pop(struct edit *ed, enum quick_end end) {
    struct str v = entry_value(ed->e);
    const uint8_t *p = (const uint8_t *)v.p;
    struct quick *q;
    size_t at;

    if (entry_shape(ed->e) == SHAPE_LIST_PACK) {
        at = end == QUICK_HEAD ? 0 : pack_prev(p, v.n, v.n);
        edit_pack_cut(ed, at, pack_next(p, v.n, at) - at);
        return;
    }
    q = lists_quick(ed->e);
    quick_pop(q, &ed->ref.shard->mem, end);
    if (q->len == 0) edit_drop(ed);
    else lists_shrink(ed);
}

/* Keep `count` elements, which there are, from index `first` on; none drops
 * the list.  What goes lies at the ends, so memory is not needed. */
static void lists_keep(struct edit *ed, size_t first, size_t count) {
    struct mem *m = &ed->ref.shard->mem;
    size_t n, from, to;
    struct quick *q;
    uint8_t *p;

    if (count == 0) {
        edit_drop(ed);
        return;
    }
    if (entry_shape(ed->e) == SHAPE_LIST_QUICK) {
        q = lists_quick(ed->e);
        if (first + count < q->len)
            quick_drop_range(q, m, first + count, q->len - first - count);
        if (first > 0) quick_drop_range(q, m, 0, first);
        lists_shrink(ed);
        return;
    }
    n = entry_value(ed->e).n;
    p = entry_bytes(ed->e);
    from = pack_nth(p, n, first);
    to = pack_nth(p + from, n - from, count);
    to = to == PACK_NONE ? n : from + to;
    if (from > 0) memmove(p, p + from, to - from);
    edit_shrink(ed, to - from);
}

/* A place in a list of either shape, or past an end. */
struct lists_at {
    struct quick *q;            /* NULL: the list is a pack */
    struct quick_at at;         /* in q */
    const uint8_t *p;           /* the pack */
    size_t n, off;              /* off PACK_NONE: past an end */
};

/* The place of the element of an index; past the end if there is none. */
static struct lists_at lists_index(const struct entry *e, size_t i) {
    struct str v = entry_value(e);
    struct lists_at x = { .p = (const uint8_t *)v.p, .n = v.n };

    if (entry_shape(e) == SHAPE_LIST_QUICK) {
        x.q = lists_quick(e);
        x.at = quick_index(x.q, i);
    } else {
        x.off = pack_nth(x.p, x.n, i);
    }
    return x;
}

/* The place of the first or the last element. */
static struct lists_at lists_end(const struct entry *e, enum quick_end end) {
    struct str v = entry_value(e);
    struct lists_at x = { .p = (const uint8_t *)v.p, .n = v.n };

    if (entry_shape(e) == SHAPE_LIST_QUICK) {
        x.q = lists_quick(e);
        x.at = end == QUICK_HEAD ? quick_first(x.q) : quick_last(x.q);
    } else {
        x.off = end == QUICK_HEAD ? 0 : pack_prev(x.p, x.n, x.n);
    }
    return x;
}

/* Read the element at a place and go on, away from `from`, the end where the
 * walk began.  False: past the end. */
static inline bool lists_read(struct lists_at *x, enum quick_end from,
                              struct pack_item *it) {
    size_t next;

    if (x->q != NULL)
        return from == QUICK_HEAD ? quick_read(&x->at, it) :
                                    quick_read_back(x->q, &x->at, it);
    if (x->off == PACK_NONE) return false;
    next = pack_read(x->p, x->n, x->off, it);
    if (from == QUICK_TAIL) x->off = pack_prev(x->p, x->n, x->off);
    else x->off = next == x->n ? PACK_NONE : next;
    return true;
}

/* The pack in which a place lies, and where; the place moves to the next
 * pack.  False: past the end. */
static inline bool lists_pack(struct lists_at *x, struct str *pack,
                              size_t *off) {
    if (x->q != NULL) {
        const struct quick_node *node = x->at.node;

        if (node == NULL) return false;
        *pack = str_of(node->room + node->start, node->bytes);
        *off = x->at.off;
        x->at = (struct quick_at){ node->next, 0 };
        return true;
    }
    if (x->off == PACK_NONE) return false;
    *pack = str_of(x->p, x->n);
    *off = x->off;
    x->off = PACK_NONE;
    return true;
}

/* Put s in place of the element of an index that there is.  False: no memory,
 * the elements are as they were. */
static bool lists_set(struct edit *ed, size_t i, struct str s) {
    struct str v = entry_value(ed->e);
    const uint8_t *p = (const uint8_t *)v.p;
    struct quick_at at;
    size_t off;

    if (entry_shape(ed->e) == SHAPE_LIST_PACK) {
        off = pack_nth(p, v.n, i);
        if (lists__fits(ed, v.n - (pack_next(p, v.n, off) - off) +
                            pack_size_of(s), 0, 1))
            return edit_pack_replace(ed, off, s);
        if (!lists_to_quick(ed)) return false;
    }
    at = quick_index(lists_quick(ed->e), i);
    if (!quick_replace(lists_quick(ed->e), &ed->ref.shard->mem, &at, s))
        return false;
    lists_shrink(ed);
    return true;
}

/* Put s before or behind the element of an index that there is.  False: no
 * memory, the elements are as they were. */
static bool lists_insert(struct edit *ed, size_t i, struct str s,
                         bool behind) {
    struct str v = entry_value(ed->e);
    const uint8_t *p = (const uint8_t *)v.p;
    struct quick_at at;
    size_t off;

    if (entry_shape(ed->e) == SHAPE_LIST_PACK) {
        if (lists__fits(ed, v.n + pack_size_of(s), pack_count(p, v.n) + 1,
                        1)) {
            off = pack_nth(p, v.n, i);
            if (behind) off = pack_next(p, v.n, off);
            if (!edit_pack_gap(ed, off, pack_size_of(s))) return false;
            pack_write(entry_bytes(ed->e) + off, s);
            return true;
        }
        if (!lists_to_quick(ed)) return false;
    }
    at = quick_index(lists_quick(ed->e), i);
    return quick_insert(lists_quick(ed->e), &ed->ref.shard->mem, &at, s,
                        behind);
}

/* Drop the elements of a pack that equal key, the first `most` of them from
 * one end; returns how many. */
static size_t lists__remove_packed(struct edit *ed,
                                   const struct pack_item *key, size_t most,
                                   enum quick_end from) {
    size_t n = entry_value(ed->e).n, at = 0, to, next, count = 0;
    uint8_t *p = entry_bytes(ed->e);
    struct pack_item it;

    if (from == QUICK_TAIL) {
        /* all from where the last `most` begin */
        for (at = n; at != 0 && count < most;) {
            at = pack_prev(p, n, at);
            pack_read(p, n, at, &it);
            count += pack_item_same(&it, key);
        }
        count = 0;
    }
    for (to = at; at < n; at = next) {
        next = pack_read(p, n, at, &it);
        if (count < most && pack_item_same(&it, key)) {
            count++;
        } else {
            if (to != at) memmove(p + to, p + at, next - at);
            to += next - at;
        }
    }
    if (to == 0) edit_drop(ed);
    else if (to < n) edit_shrink(ed, to);
    return count;
}

/* Drop the elements that equal s, at most `most` of them, from one end on;
 * *count is how many went.  False: no memory to go on. */
static bool lists_remove(struct edit *ed, struct str s, size_t most,
                         enum quick_end from, size_t *count) {
    struct pack_item key = pack_item_of(s), it;
    struct mem *m = &ed->ref.shard->mem;
    struct quick_at at;
    struct quick *q;
    bool ok = true;

    *count = 0;
    if (entry_shape(ed->e) == SHAPE_LIST_PACK) {
        *count = lists__remove_packed(ed, &key, most, from);
        return true;
    }
    q = lists_quick(ed->e);
    at = from == QUICK_HEAD ? quick_first(q) : quick_last(q);
    while (at.node != NULL && *count < most) {
        quick_item(at, &it);
        if (pack_item_same(&it, &key)) {
            ok = quick_drop(q, m, &at);
            if (!ok) break;
            ++*count;
            if (from == QUICK_TAIL) quick_back(q, &at);
        } else if (from == QUICK_HEAD) {
            quick_read(&at, &it);
        } else {
            quick_back(q, &at);
        }
    }
    if (q->len == 0) edit_drop(ed);
    else if (*count > 0) lists_shrink(ed);
    return ok;
}
