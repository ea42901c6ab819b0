/* SPDX-License-Identifier: MIT */
/* ==== sample - elements drawn at random ====================================
 *
 * Uniformly and without repetition: from a row of elements by one pass over
 * it (Knuth 3.4.2 S: each is taken with the probability that is still
 * wanted), from a table by draws, where those drawn already are remembered,
 * or, when a good part of it is wanted, by a pass as well.
 *
 * With repetition: packs have no index, so many draws from one begin with a
 * list of its offsets.
 *
 * floor 1 - uses: base rand table pack
 */
struct sample {
    struct rand *rand;
    uint64_t left;              /* of the row */
    uint64_t want;              /* of these; not more than left */
};

/* Is the next element of the row drawn? */
static inline bool sample_next(struct sample *s) {
    VERIFY(s->want <= s->left && s->left > 0);
    if (rand_below(s->rand, s->left--) >= s->want) return false;
    s->want--;
    return true;
}

struct sample__pass {
    struct sample s;
    void (*see)(void *ctx, void *item);
    void *ctx;
};

static void sample__pass(void *ctx, void *item) {
    struct sample__pass *p = ctx;

    if (p->s.left > 0 && sample_next(&p->s)) p->see(p->ctx, item);
}

/* Places less one of a set for n pointers. */
static inline size_t sample_mask(size_t n) {
    size_t mask = 7;

    while (mask < 2 * n) mask = mask * 2 + 1;
    return mask;
}

/* Note a pointer in an open-addressed set of mask + 1 places, of which at
 * most half are used.  False: it was there. */
static bool sample_note(void **set, size_t mask, void *p) {
    uint64_t h = (uint64_t)(uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(h >> 32) & mask;

    for (; set[i] != NULL; i = (i + 1) & mask)
        if (set[i] == p) return false;
    set[i] = p;
    return true;
}

/* Hand n different items of a table, any n equally likely, to see, which must
 * not change the table.  n is not more than there are. */
static void sample_table(const struct table *t, struct rand *r, size_t n,
                         void (*see)(void *ctx, void *item), void *ctx) {
    struct sample__pass pass = { { r, t->count, n }, see, ctx };
    struct table_at at;
    uint32_t cursor = 0;
    void **set = NULL, *item;
    size_t mask = sample_mask(n);

    KVNS_ASSERT(n <= t->count);
    if (n == 0) return;
    if (n <= t->count / 8) set = calloc(mask + 1, sizeof *set);
    if (set == NULL) {
        do {
            cursor = table_scan(t, cursor, sample__pass, &pass);
        } while (cursor != 0 && pass.s.want > 0);
        return;
    }
    while (n > 0) {
        item = table_random(t, r, &at);
        if (!sample_note(set, mask, item)) continue;
        see(ctx, item);
        n--;
    }
    free(set);
}

/* Where the elements of a pack of n bytes start, of each skip + 1 the first;
 * *count is how many.  The caller frees it; NULL without memory. */
static uint32_t *sample_offsets(const uint8_t *p, size_t n, unsigned skip,
                                size_t *count) {
    uint32_t *v = malloc(n / (2 * (skip + 1)) * sizeof *v + sizeof *v);
    size_t at = 0, i = 0;

    if (v == NULL) return NULL;
    while (at < n) {
        v[i++] = (uint32_t)at;
        for (unsigned k = 0; k <= skip; k++) at = pack_next(p, n, at);
    }
    *count = i;
    return v;
}
