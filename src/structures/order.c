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
 * floor 1 - uses: base mem item skip
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

/* How many members from lo on are in order. */
static size_t order__run(const struct order *o, size_t lo, size_t hi) {
    size_t i = lo + 1;

    while (i < hi && order__less_at(o, i - 1, i)) i++;
    return i - lo;
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

/* Put the middle one of three members, drawn from lo to hi, at lo. */
static void order__pivot(const struct order *o, size_t lo, size_t hi) {
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
}

/* Part members from lo to hi in two, none of them empty: those up to the
 * place returned, lo < it < hi, go before the others. */
static size_t order__part(const struct order *o, size_t lo, size_t hi) {
    double score = *order__score(o, lo);
    const struct item *it = *order__item(o, lo);
    size_t i = lo, j = hi;

    for (;;) {
        do j--;
        while (j > lo && order__less(score, it, *order__score(o, j),
                                     *order__item(o, j)));
        while (i < j && order__less(*order__score(o, i), *order__item(o, i),
                                    score, it))
            i++;
        if (i >= j) return j + 1;
        order__swap(o, i++, j);
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
    return true;
}

/* Give up. */
static void order_end(struct order *o) {
    free(o->v);
    o->v = NULL;
    o->s = NULL;
}

/* Go on until some `budget` members have been looked at, or one range that is
 * larger.  True: all is in order, and the list is as any other. */
static bool order_step(struct order *o, size_t budget) {
    while (o->depth > 0) {
        size_t lo = o->todo[o->depth - 1].lo, hi = o->todo[o->depth - 1].hi;
        size_t cut, n = hi - lo;
        bool near;

        if (budget == 0) return false;
        budget -= size_min(budget, n);
        o->depth--;
        if (n <= ORDER_FEW) {
            order__few(o, lo, hi);
            continue;
        }
        if (order__run(o, lo, hi) == n) continue;
        order__pivot(o, lo, hi);
        cut = order__part(o, lo, hi);
        /* the smaller one next, so that few wait */
        near = cut - lo < hi - cut;
        o->todo[o->depth].lo = near ? cut : lo;
        o->todo[o->depth++].hi = near ? hi : cut;
        o->todo[o->depth].lo = near ? lo : cut;
        o->todo[o->depth++].hi = near ? cut : hi;
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
