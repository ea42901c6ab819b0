/* SPDX-License-Identifier: MIT */
/* ==== pairs - members with scores, gathered aside ==========================
 *
 * What a union or a range that is to be stored or sorted is gathered in: an
 * array of pairs on libc's heap, so that nothing is charged to a key before
 * the result is known.  Members are lent by the keys they come from; digits
 * of those kept as numbers stand in blocks of text of our own.
 *
 * To find a member, an index of 32 bits each (open addressing, never more
 * than half full) is built with the first pairs_find.
 *
 * floor 3 - uses: base hash num pack ranks
 */
enum { PAIRS_TEXT = 4000 };     /* bytes of a block of text */

struct pairs_text {
    struct pairs_text *next;
    size_t used;
    char bytes[PAIRS_TEXT];
};

struct pairs {
    struct ranks_pair *v;
    size_t n, cap;
    uint32_t *index;            /* of `slots`: 0, or 1 + number of a pair */
    size_t slots;               /* a power of 2, or 0 */
    uint64_t seed;
    struct pairs_text *text;
    bool failed;                /* memory was refused: something is missing */
};

/* No pairs yet. */
static void pairs_init(struct pairs *ps, uint64_t seed) {
    memset(ps, 0, sizeof *ps);
    ps->seed = seed;
}

static void pairs_free(struct pairs *ps) {
    for (struct pairs_text *t = ps->text, *next; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
    free(ps->v);
    free(ps->index);
}

/* The bytes of a member that last as long as its key or these pairs. */
static bool pairs__str(struct pairs *ps, const struct pack_item *it,
                       struct str *s) {
    struct pairs_text *t = ps->text;

    if (LIKELY(!it->is_int)) {
        *s = it->s;
        return true;
    }
    if (t == NULL || t->used + NUM_INT_ROOM > PAIRS_TEXT) {
        t = malloc(sizeof *t);
        if (t == NULL) return false;
        t->next = ps->text;
        t->used = 0;
        ps->text = t;
    }
    *s = str_of(t->bytes + t->used, num_put_int(t->bytes + t->used, it->i));
    t->used += s->n;
    return true;
}

/* Append a pair, without a look at those there are. */
static bool pairs_add(struct pairs *ps, const struct pack_item *member,
                      double score) {
    if (ps->n == ps->cap) {
        size_t cap = ps->cap == 0 ? 64 : ps->cap * 2;
        struct ranks_pair *v = NULL;

        if (cap <= UINT32_MAX / 4 && cap <= SIZE_MAX / sizeof *v)
            v = realloc(ps->v, cap * sizeof *v);
        if (v == NULL) goto refused;
        ps->v = v;
        ps->cap = cap;
    }
    if (!pairs__str(ps, member, &ps->v[ps->n].member)) goto refused;
    ps->v[ps->n++].score = score;
    return true;
refused:
    ps->failed = true;
    return false;
}

static inline uint64_t pairs__hash(const struct pairs *ps, struct str s) {
    return hash_fast(s.p, s.n, ps->seed);
}

/* Make the index anew, for twice the pairs. */
static bool pairs__reindex(struct pairs *ps) {
    size_t slots = ps->slots == 0 ? 256 : ps->slots * 2;
    uint32_t *index;

    while (slots < 4 * ps->n) slots *= 2;
    index = calloc(slots, sizeof *index);
    if (index == NULL) {
        ps->failed = true;
        return false;
    }
    free(ps->index);
    ps->index = index;
    ps->slots = slots;
    for (size_t i = 0; i < ps->n; i++) {
        uint64_t h = pairs__hash(ps, ps->v[i].member);

        while (index[h & (slots - 1)] != 0) h++;
        index[h & (slots - 1)] = (uint32_t)(i + 1);
    }
    return true;
}

/* Find the pair of a member, or append one with this score (*added says so).
 * All pairs must have come in this way.  NULL: no memory. */
static struct ranks_pair *pairs_find(struct pairs *ps,
                                     const struct pack_item *member,
                                     double score, bool *added) {
    char tmp[24];
    struct str s = pack_item_str(member, tmp);
    uint64_t h = pairs__hash(ps, s);

    if (2 * ps->n >= ps->slots && !pairs__reindex(ps)) return NULL;
    for (;; h++) {
        uint32_t i = ps->index[h & (ps->slots - 1)];

        if (i == 0) break;
        if (!str_eq(ps->v[i - 1].member, s)) continue;
        *added = false;
        return &ps->v[i - 1];
    }
    if (!pairs_add(ps, member, score)) return NULL;
    ps->index[h & (ps->slots - 1)] = (uint32_t)ps->n;
    *added = true;
    return &ps->v[ps->n - 1];
}

static int pairs__order(const void *a, const void *b) {
    const struct ranks_pair *x = a, *y = b;

    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return str_cmp(x->member, y->member);
}

/* Put the pairs in the order of sorted sets. */
static void pairs_sort(struct pairs *ps) {
    if (ps->n > 1) qsort(ps->v, ps->n, sizeof *ps->v, pairs__order);
}
