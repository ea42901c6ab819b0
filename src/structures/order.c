/* SPDX-License-Identifier: MIT */
/* ==== order - a skip list of members that came in any order ================
 *
 * Members of a file come as its table had them.  To look for the place of each
 * in a list of millions costs a cache miss at every step of the way.  So they
 * are appended first (skip_append), into blocks that are full but in no order,
 * and then ordered in place across the blocks, which needs no memory beyond an
 * array of the blocks: a quicksort that runs through memory from both ends.
 *
 * It can be left and gone on with.  No two members are equal, and what pivots
 * it draws nobody can foresee, so that nothing degenerates.
 *
 * floor 1 - uses: base arena item skip
 */
enum {
    ORDER_FEW = 16,             /* members ordered one by one */
    ORDER_DEPTH = 64            /* ranges that wait, at most */
};

struct order {
    struct skip *s;             /* NULL: nothing is being ordered */
    struct skip_block **v;      /* all blocks, on libc's heap */
    struct { size_t lo, hi; } todo[ORDER_DEPTH];
    int depth;
    /* of the range at hand, the last of these: */
    size_t i, j;                /* how far it is; i 0: it is not begun */
    bool parts;                 /* it is not in order: being parted */
    bool rises;                 /* it is i that moves, until it meets one that
                                   is to change places with j */
    double score;               /* the pivot */
    const struct item *it;
};

static inline bool order__less(double a, const struct item *x, double b,
                               const struct item *y) {
    if (a != b) return a < b;
    return str_cmp(item_key(x), item_key(y)) < 0;
}

static inline double *order__score(const struct order *o, size_t i) {
    return &o->v[i / SKIP_BLOCK]->score[i % SKIP_BLOCK];
}

static inline struct item **order__item(const struct order *o, size_t i) {
    return &o->v[i / SKIP_BLOCK]->item[i % SKIP_BLOCK];
}

static inline void order__swap(const struct order *o, size_t i, size_t j) {
    double *a = order__score(o, i), *b = order__score(o, j), score = *a;
    struct item **x = order__item(o, i), **y = order__item(o, j);
    struct item *it = *x;

    *a = *b;
    *b = score;
    *x = *y;
    *y = it;
}

static inline bool order__less_at(const struct order *o, size_t i,
                                  size_t j) {
    return order__less(*order__score(o, i), *order__item(o, i),
                       *order__score(o, j), *order__item(o, j));
}

/* Go on from member i to the first before hi that is out of order. */
static void order__run(struct order *o, size_t hi, size_t *budget) {
    while (o->i < hi && *budget > 0 && order__less_at(o, o->i - 1, o->i)) {
        o->i++;
        --*budget;
    }
}

static void order__few(const struct order *o, size_t lo, size_t hi) {
    for (size_t i = lo + 1; i < hi; i++) {
        double score = *order__score(o, i);
        struct item *it = *order__item(o, i);
        size_t j = i;

        for (; j > lo && order__less(score, it, *order__score(o, j - 1),
                                     *order__item(o, j - 1)); j--) {
            *order__score(o, j) = *order__score(o, j - 1);
            *order__item(o, j) = *order__item(o, j - 1);
        }
        *order__score(o, j) = score;
        *order__item(o, j) = it;
    }
}

/* Draw three members from lo to hi; the middle one, at lo, is the pivot. */
static void order__pivot(struct order *o, size_t lo, size_t hi) {
    size_t at[3], t;

    for (int i = 0; i < 3; i++) {
        o->s->chance = o->s->chance * UINT64_C(6364136223846793005) +
                       UINT64_C(1442695040888963407);
        at[i] = lo + (size_t)((o->s->chance >> 16) % (hi - lo));
    }
    if (at[0] != at[1] && order__less_at(o, at[1], at[0])) {
        t = at[0];
        at[0] = at[1];
        at[1] = t;
    }
    t = at[1];
    if (at[2] != at[1] && order__less_at(o, at[2], at[1]))
        t = at[2] != at[0] && order__less_at(o, at[2], at[0]) ? at[0] : at[2];
    order__swap(o, lo, t);
    o->score = *order__score(o, lo);
    o->it = *order__item(o, lo);
    o->i = lo;
    o->j = hi;
    o->parts = true;
    o->rises = false;
}

/* Part the members from lo on in two, none of them empty: those up to j go
 * before the others.  False: the budget is used up before that. */
static bool order__part(struct order *o, size_t lo, size_t *budget) {
    for (;;) {
        if (!o->rises) {
            do {
                if (*budget == 0) return false;
                --*budget;
                o->j--;
            } while (o->j > lo && order__less(o->score, o->it,
                                              *order__score(o, o->j),
                                              *order__item(o, o->j)));
            o->rises = true;
        }
        while (o->i < o->j && order__less(*order__score(o, o->i),
                                          *order__item(o, o->i),
                                          o->score, o->it)) {
            if (*budget == 0) return false;
            --*budget;
            o->i++;
        }
        if (o->i >= o->j) return true;
        order__swap(o, o->i++, o->j);
        o->rises = false;
    }
}

/* Begin to order a list whose members were all appended.  False when memory
 * is refused: nothing has changed. */
static bool order_begin(struct order *o, struct skip *s) {
    size_t n = (s->len + SKIP_BLOCK - 1) / SKIP_BLOCK, i = 0;

    o->v = MEM_REFUSED() ? NULL : malloc((n + 1) * sizeof *o->v);
    if (o->v == NULL) return false;
    for (struct skip_block *x = s->link[0].to; x != NULL; x = x->link[0].to)
        o->v[i++] = x;
    o->s = s;
    o->todo[0].lo = 0;
    o->todo[0].hi = s->len;
    o->depth = 1;
    o->i = 0;
    o->parts = false;
    return true;
}

/* Give up. */
static void order_end(struct order *o) {
    free(o->v);
    o->v = NULL;
    o->s = NULL;
}

/* The range at hand is parted: its parts are to be ordered, the smaller one
 * next, so that few wait. */
static void order__parted(struct order *o) {
    size_t lo = o->todo[o->depth - 1].lo, hi = o->todo[o->depth - 1].hi;
    size_t cut = o->j + 1;
    bool near = cut - lo < hi - cut;

    o->i = 0;
    o->parts = false;
    o->todo[o->depth - 1].lo = near ? cut : lo;
    o->todo[o->depth - 1].hi = near ? hi : cut;
    o->todo[o->depth].lo = near ? lo : cut;
    o->todo[o->depth++].hi = near ? cut : hi;
}

/* Go on until some `budget` members have been looked at.  True: all is in
 * order, and the list is as any other. */
static bool order_step(struct order *o, size_t budget) {
    while (o->depth > 0) {
        size_t lo = o->todo[o->depth - 1].lo, hi = o->todo[o->depth - 1].hi;

        if (budget == 0) return false;
        if (hi - lo <= ORDER_FEW) {
            budget -= size_min(budget, hi - lo);
            order__few(o, lo, hi);
            o->depth--;
            continue;
        }
        if (!o->parts) {
            if (o->i == 0) o->i = lo + 1;
            order__run(o, hi, &budget);
            if (budget == 0) return false;
            if (o->i < hi) {
                order__pivot(o, lo, hi);
            } else {
                o->i = 0;
                o->depth--;
                continue;
            }
        }
        if (!order__part(o, lo, &budget)) return false;
        order__parted(o);
    }
    skip_settle(o->s);
    order_end(o);
    return true;
}

/* The same at once.  False when memory is refused. */
static bool order_all(struct skip *s) {
    struct order o;

    if (!order_begin(&o, s)) return false;
    while (!order_step(&o, SIZE_MAX)) {}
    return true;
}
