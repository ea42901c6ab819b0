/* ==== lists - the value of a list ==========================================
 *
 * A small list is one pack in its entry; one that outgrows the limit of
 * list-max-listpack-size becomes a quick list of packs, and stays one.
 *
 * floor 3 - uses: base mem pack quick entry shard big walk door
 */

/* The most bytes a pack in the entry may have: a node's limit. */
static inline bool lists__fits(const struct edit *ed, size_t n, size_t count) {
    int fill = ed->w->ks->opt.list_size;

    if (fill < 0) return n <= (size_t)4096 << size_min(4, (size_t)(-fill - 1));
    return n <= 8192 && count <= (size_t)fill;
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

/* Put s at an end of an open list, or make the list with it.  False: no
 * memory, nothing changed. */
static bool lists_push(struct edit *ed, enum quick_end end, struct str s) {
    size_t size = pack_size_of(s), n;
    struct str v;

    if (ed->e == NULL && !edit_make(ed, SHAPE_LIST_PACK, 0, 0)) return false;
    if (entry_shape(ed->e) == SHAPE_LIST_PACK) {
        v = entry_value(ed->e);
        n = v.n;
        if (lists__fits(ed, n + size, ed->w->ks->opt.list_size < 0 ? 0 :
                            pack_count((const uint8_t *)v.p, n) + 1)) {
            if (!edit_pack_gap(ed, end == QUICK_HEAD ? 0 : n, size))
                goto refused;
            pack_write(entry_bytes(ed->e) + (end == QUICK_HEAD ? 0 : n), s);
            return true;
        }
        if (!lists_to_quick(ed)) goto refused;
    }
    return quick_push(lists_quick(ed->e), &ed->ref.shard->mem, end, s);
refused:
    if (!ed->existed) edit_drop(ed);
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

/* Drop the element at an end of an open list; an emptied list is removed. */
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
}
