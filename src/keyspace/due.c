/* SPDX-License-Identifier: MIT */
/* ==== due - fields that expire =============================================
 *
 * A field of a hash may have a deadline.  It stands in the field's item, so a
 * hash with such fields is a table, however small.  Beside the table the hash
 * knows how many fields have one, and a time before which none expires; a hash
 * of more than DUE_INDEX fields has them in a skip list by deadline as well.
 * A hash without deadlines has none of that.
 *
 * A field whose time has come is dead: nobody sees it, whether it has been
 * removed or not.  How many are dead is a rank in the skip list, or a count
 * over DUE_INDEX fields; so the length of a hash is exact at any time, and a
 * hash whose last field has died is found dead without looking at the others.
 *
 * Where there is no memory for the skip list, counting takes longer.
 *
 * floor 3 - uses: base arena mem table item skip order entry big
 */
enum { DUE_INDEX = 128 };       /* fields of a hash without a skip list */

/* Has the field's time come? */
static inline bool due_is_dead(const struct item *it, int64_t now) {
    return UNLIKELY(item_has_deadline(it)) && item_deadline(it) <= now;
}

struct due__count {
    int64_t now;
    size_t n;
};

static void due__see_dead(void *ctx, void *item) {
    struct due__count *c = ctx;

    c->n += due_is_dead(item, c->now);
}

/* How many fields of a hash are dead. */
static size_t due_dead(const struct big_hash *h, int64_t now) {
    struct due__count c = { now, 0 };
    uint32_t cursor = 0;

    if (LIKELY(h->due == NULL || h->due->soonest > now)) return 0;
    if (h->due->order != NULL) {
        skip_find(h->due->order,
                  (struct skip_bound){ (double)now, SKIP_AFTER, { NULL, 0 } },
                  &c.n);
        return c.n;
    }
    do {
        cursor = table_scan(&h->fields, cursor, due__see_dead, &c);
    } while (cursor != 0);
    return c.n;
}

/* Is there no field left that lives? */
static COLD bool due_is_all(const struct big_hash *h, int64_t now) {
    return h->due != NULL && h->due->soonest <= now &&
           h->due->n == h->fields.count && due_dead(h, now) == h->due->n;
}

/* Where those that live begin in the order of a hash that has nothing but
 * fields with deadlines, some of them dead.  False: there is no such order. */
static bool due_living(const struct big_hash *h, int64_t now,
                       struct skip_at *at) {
    size_t rank;

    if (LIKELY(h->due == NULL || h->due->soonest > now)) return false;
    if (h->due->order == NULL || h->due->n < h->fields.count) return false;
    *at = skip_find(h->due->order,
                    (struct skip_bound){ (double)now, SKIP_AFTER,
                                         { NULL, 0 } }, &rank);
    return true;
}

/* Has a key's time come, or that of all its fields? */
static INLINE bool entry_is_dead(const struct entry *e, int64_t now) {
    if (LIKELY(!entry_has(e, ENTRY_TTL | ENTRY_FIELDS))) return false;
    if (entry_has(e, ENTRY_TTL) && entry_deadline(e) <= now) return true;
    return entry_has(e, ENTRY_FIELDS) && due_is_all(entry_object(e), now);
}

static void due__free_order(struct big_due *d, struct mem *m) {
    if (d->order == NULL) return;
    skip_free_step(d->order, m, SIZE_MAX);
    mem_drop(m, d->order, sizeof *d->order);
    d->order = NULL;
}

static void due__free(struct big_hash *h, struct mem *m) {
    due__free_order(h->due, m);
    mem_drop(m, h->due, sizeof *h->due);
    h->due = NULL;
}

struct due__order {
    struct mem *m;
    struct skip *order;
    bool ok;
};

static void due__see_order(void *ctx, void *item) {
    struct due__order *x = ctx;

    if (x->ok && item_has_deadline(item))
        x->ok = skip_append(x->order, x->m, (double)item_deadline(item), item);
}

static COLD void due__begin_order(struct big_hash *h, struct mem *m) {
    struct due__order x = { m, NULL, true };
    uint32_t cursor = 0;

    if (h->due->order != NULL || h->fields.count <= DUE_INDEX) return;
    x.order = h->due->order = mem_try(m, sizeof *x.order);
    if (x.order == NULL) return;
    skip_init(x.order, (uint64_t)(uintptr_t)h);
    do {
        cursor = table_scan(&h->fields, cursor, due__see_order, &x);
    } while (cursor != 0);
    if (!x.ok || !order_all(x.order)) due__free_order(h->due, m);
}

/* Put the fields of a hash that has outgrown DUE_INDEX into order; the table
 * is complete. */
static inline void due_settle(struct big_hash *h, struct mem *m) {
    if (UNLIKELY(h->due != NULL)) due__begin_order(h, m);
}

static bool due__begin(struct big_hash *h, struct mem *m) {
    if (h->due != NULL) return true;
    h->due = mem_try(m, sizeof *h->due);
    if (h->due == NULL) return false;
    memset(h->due, 0, sizeof *h->due);
    h->due->soonest = INT64_MAX;
    return true;
}

/* Note an item that has a deadline and is, or will be, in the table.  False:
 * no memory, nothing changed. */
static bool due_add(struct big_hash *h, struct mem *m, struct item *it) {
    int64_t ms = item_deadline(it);

    if (!due__begin(h, m)) return false;
    if (h->due->order != NULL &&
        !skip_put(h->due->order, m, (double)ms, it)) {
        if (h->due->n == 0) due__free(h, m);
        return false;
    }
    h->due->n++;
    if (ms < h->due->soonest) h->due->soonest = ms;
    return true;
}

/* With an order, the soonest deadline is known. */
static void due__look(struct big_due *d) {
    if (d->order != NULL && d->order->len > 0)
        d->soonest = (int64_t)skip_score(skip_first(d->order));
}

/* Forget an item that has a deadline. */
static COLD void due_drop(struct big_hash *h, struct mem *m,
                          const struct item *it) {
    struct big_due *d = h->due;

    if (d->order != NULL)
        skip_drop(d->order, m, (double)item_deadline(it), item_key(it));
    if (--d->n == 0) due__free(h, m);
    else due__look(d);
}

/* Note `it` instead of `old`, both with a deadline and of one field.  False:
 * no memory, nothing changed. */
static bool due_replace(struct big_hash *h, struct mem *m, struct item *old,
                        struct item *it) {
    struct big_due *d = h->due;
    double was = (double)item_deadline(old), is = (double)item_deadline(it);

    if (d->order != NULL) {
        if (was != is && !skip_move(d->order, m, was, is, old)) return false;
        skip_replace_item(d->order, is, old, it);
    }
    if (item_deadline(it) < d->soonest) d->soonest = item_deadline(it);
    due__look(d);
    return true;
}

static void due__see_first(void *ctx, void *item) {
    struct big_due *d = ctx;

    if (!item_has_deadline(item)) return;
    d->n++;
    if (item_deadline(item) < d->soonest) d->soonest = item_deadline(item);
}

/* Look through a table that was filled without noting deadlines.  False: no
 * memory. */
static bool due_build(struct big_hash *h, struct mem *m) {
    struct big_due all = { .soonest = INT64_MAX };
    uint32_t cursor = 0;

    do {
        cursor = table_scan(&h->fields, cursor, due__see_first, &all);
    } while (cursor != 0);
    if (all.n == 0) return true;
    if (!due__begin(h, m)) return false;
    *h->due = all;
    due_settle(h, m);
    return true;
}

#ifdef KVNS_VERIFY
/* Does what is known of deadlines agree with the table?  Small ones only. */
static void due_verify(const struct big_hash *h) {
    struct big_due all = { .soonest = INT64_MAX };
    uint32_t cursor = 0;

    if (h->fields.count > 4 * DUE_INDEX) return;
    if (h->fields.count > 0) do {
        cursor = table_scan(&h->fields, cursor, due__see_first, &all);
    } while (cursor != 0);
    KVNS_ASSERT((h->due != NULL) == (all.n > 0));
    if (h->due == NULL) return;
    KVNS_ASSERT(h->due->n == all.n && h->due->soonest <= all.soonest);
    KVNS_ASSERT(h->due->order == NULL || h->due->order->len == all.n);
}
#else
#define due_verify(h) ((void)(h))
#endif

enum { DUE_SOME = 64 };         /* fields found in one look */

struct due__some {
    int64_t now, soonest;       /* soonest: of those that live */
    size_t n;
    struct item **found;
};

static void due__see_some(void *ctx, void *item) {
    struct due__some *x = ctx;

    if (!item_has_deadline(item)) return;
    if (item_deadline(item) > x->now) {
        if (item_deadline(item) < x->soonest) x->soonest = item_deadline(item);
    } else if (x->n < DUE_SOME) {
        x->found[x->n++] = item;
    }
}

/* Find dead fields of a hash: as many as there are, at most DUE_SOME. */
static size_t due_find(struct big_hash *h, int64_t now,
                       struct item *found[DUE_SOME]) {
    struct due__some x = { now, INT64_MAX, 0, found };
    uint32_t cursor = 0;

    if (h->due == NULL || h->due->soonest > now) return 0;
    if (h->due->order != NULL) {
        struct skip_at at = skip_first(h->due->order);

        due__look(h->due);
        while (x.n < DUE_SOME && !skip_is_end(at) &&
               item_deadline(skip_item(at)) <= now) {
            found[x.n++] = skip_item(at);
            skip_next(&at);
        }
        return x.n;
    }
    do {
        cursor = table_scan(&h->fields, cursor, due__see_some, &x);
    } while (cursor != 0);
    if (x.n < DUE_SOME) h->due->soonest = x.soonest;
    return x.n;
}
