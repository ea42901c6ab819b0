/* SPDX-License-Identifier: MIT */
/* ==== item - one member, field or element in one block =====================
 *
 * What the tables of big collections point to: a member of a set, a field of
 * a hash with its value and perhaps its deadline, a member of a sorted set
 * with its score.  Everything stands in one block, without padding:
 *
 *   [flags 1][key length][value length][score 8][deadline 8][key][value]
 *
 *   flags     a bit for each part that is there, ITEM_LONG and ITEM_MARK
 *   lengths   1 byte each, 4 bytes each with ITEM_LONG; the value's only
 *             with ITEM_VALUE
 *   score     only with ITEM_SCORE, a double
 *   deadline  only with ITEM_DEADLINE, Unix time in ms
 *
 * Numbers are in this machine's order and not aligned.  So a member of 14
 * bytes takes 16 in a set and 24 in a sorted set.  The mark is the snapshot's:
 * its parity says whether the item belongs to the present epoch.
 *
 * A table owns its items; whatever else points to them borrows.
 *
 * floor 1 - uses: base arena mem
 */
enum {
    ITEM_MARK = 1,
    ITEM_LONG = 2,
    ITEM_SCORE = 4,
    ITEM_VALUE = 8,
    ITEM_DEADLINE = 16
};

struct item {
    uint8_t flags;
    uint8_t rest[];
};

static inline size_t item__score_at(uint8_t flags) {
    size_t one = flags & ITEM_LONG ? 4 : 1;

    return flags & ITEM_VALUE ? one + one : one;
}

static inline size_t item__deadline_at(uint8_t flags) {
    return item__score_at(flags) + (flags & ITEM_SCORE ? 8 : 0);
}

/* Bytes of `rest` before the key; from a table, as each search asks. */
static INLINE size_t item__head(uint8_t flags) {
    static const uint8_t heads[16] = {
        1, 4, 9, 12, 2, 8, 10, 16, 9, 12, 17, 20, 10, 16, 18, 24
    };

    VERIFY(heads[flags / 2] ==
           item__deadline_at(flags) + (flags & ITEM_DEADLINE ? 8 : 0));
    return heads[flags / 2];
}

static INLINE size_t item__key_n(const struct item *it) {
    return it->flags & ITEM_LONG ? load32(it->rest) : it->rest[0];
}

static inline size_t item__value_n(const struct item *it) {
    if (!(it->flags & ITEM_VALUE)) return 0;
    return it->flags & ITEM_LONG ? load32(it->rest + 4) : it->rest[1];
}

/* The member or field, borrowed. */
static INLINE struct str item_key(const struct item *it) {
    return str_of(it->rest + item__head(it->flags), item__key_n(it));
}

/* Is this its member or field? */
static INLINE bool item_is(const struct item *it, struct str key) {
    struct str own = item_key(it);

    return own.n == key.n && bytes_same(own.p, key.p, key.n);
}

/* The value of a field, borrowed; empty without one. */
static inline struct str item_value(const struct item *it) {
    size_t at = item__head(it->flags) + item__key_n(it);

    return str_of(it->rest + at, item__value_n(it));
}

/* The score; only for an item made with one. */
static inline double item_score(const struct item *it) {
    double score;

    VERIFY(it->flags & ITEM_SCORE);
    memcpy(&score, it->rest + item__score_at(it->flags), sizeof score);
    return score;
}

/* Change the score of an item that has one. */
static inline void item_set_score(struct item *it, double score) {
    VERIFY(it->flags & ITEM_SCORE);
    memcpy(it->rest + item__score_at(it->flags), &score, sizeof score);
}

static inline bool item_has_deadline(const struct item *it) {
    return (it->flags & ITEM_DEADLINE) != 0;
}

/* The deadline in ms, INT64_MAX without one. */
static inline int64_t item_deadline(const struct item *it) {
    if (!(it->flags & ITEM_DEADLINE)) return INT64_MAX;
    return (int64_t)load64(it->rest + item__deadline_at(it->flags));
}

/* The bytes asked of mem for this item. */
static inline size_t item_bytes(const struct item *it) {
    return 1 + item__head(it->flags) + item__key_n(it) + item__value_n(it);
}

static inline bool item_mark(const struct item *it) {
    return (it->flags & ITEM_MARK) != 0;
}

static inline void item_set_mark(struct item *it, bool mark) {
    it->flags = (uint8_t)((it->flags & ~ITEM_MARK) | (mark ? ITEM_MARK : 0));
}

/* Free an item; NULL is fine. */
static inline void item_drop(struct mem *m, struct item *it) {
    if (it != NULL) mem_drop(m, it, item_bytes(it));
}

/* The flags for lengths k and v and the parts that `parts` names, or -1 when
 * the item would be too long. */
static inline int item__flags(unsigned parts, size_t k, size_t v) {
    if (LIKELY(k < 256 && v < 256)) return (int)parts;
    if (k > UINT32_MAX || v > UINT32_MAX || k + v + 25 < k) return -1;
    return (int)(parts | ITEM_LONG);
}

/* Write the lengths, for flags that are set. */
static inline void item__put_lengths(struct item *it, size_t k, size_t v) {
    if (it->flags & ITEM_LONG) {
        store32(it->rest, (uint32_t)k);
        if (it->flags & ITEM_VALUE) store32(it->rest + 4, (uint32_t)v);
    } else {
        it->rest[0] = (uint8_t)k;
        if (it->flags & ITEM_VALUE) it->rest[1] = (uint8_t)v;
    }
}

/* A block with flags and lengths set and the rest to be filled, or NULL. */
static inline struct item *item__block(struct mem *m, unsigned parts,
                                       size_t k, size_t v) {
    int flags = item__flags(parts, k, v);
    struct item *it;

    if (flags < 0) return NULL;
    it = mem_try(m, 1 + item__head((uint8_t)flags) + k + v);
    if (it == NULL) return NULL;
    it->flags = (uint8_t)flags;
    item__put_lengths(it, k, v);
    return it;
}

static inline void item__copy(uint8_t *dst, struct str s) {
    bytes_copy((char *)dst, s.p, s.n);
}

/* A new item of key and whatever else is not NULL, its mark clear.  NULL when
 * memory is refused. */
static struct item *item_try(struct mem *m, struct str key,
                             const struct str *value, const double *score,
                             const int64_t *deadline_ms) {
    struct str v = value != NULL ? *value : str_of(NULL, 0);
    unsigned parts = (value != NULL ? ITEM_VALUE : 0) |
                     (score != NULL ? ITEM_SCORE : 0) |
                     (deadline_ms != NULL ? ITEM_DEADLINE : 0);
    struct item *it = item__block(m, parts, key.n, v.n);
    uint8_t *p;

    if (it == NULL) return NULL;
    if (score != NULL) item_set_score(it, *score);
    if (deadline_ms != NULL)
        store64(it->rest + item__deadline_at(it->flags),
                (uint64_t)*deadline_ms);
    p = it->rest + item__head(it->flags);
    item__copy(p, key);
    item__copy(p + key.n, v);
    return it;
}

/* Can a block that was asked for with `had` bytes serve for n? */
static inline bool item__fits(size_t had, size_t n) {
#if defined(KVNS_MALLOC)
    if (n > had) return false;
#endif
    if (had > MEM_SMALL || n > MEM_SMALL) return had == n;
    return mem_size(had) == mem_size(n);
}

/* Like old, but with this value: old itself, changed, where its block fits,
 * or a new block; then old is gone.  NULL when memory is refused: old is as
 * it was.  The value must not lie in old. */
static struct item *item_with_value(struct mem *m, struct item *old,
                                    struct str value) {
    unsigned parts = (old->flags & ~(unsigned)ITEM_LONG) | ITEM_VALUE;
    struct str key = item_key(old);
    int flags = item__flags(parts, key.n, value.n);
    struct item *it;
    size_t head, fixed;

    if (flags < 0) return NULL;
    head = item__head((uint8_t)flags);
    if (flags == old->flags &&
        item__fits(item_bytes(old), 1 + head + key.n + value.n)) {
        item__put_lengths(old, key.n, value.n);
        item__copy(old->rest + head + key.n, value);
        return old;
    }
    it = item__block(m, parts, key.n, value.n);
    if (it == NULL) return NULL;
    fixed = head - item__score_at((uint8_t)flags);
    memcpy(it->rest + head - fixed,
           old->rest + item__score_at(old->flags), fixed);
    item__copy(it->rest + head, key);
    item__copy(it->rest + head + key.n, value);
    item_drop(m, old);
    return it;
}

/* Like old, but with this deadline, or without any for NULL: old itself,
 * changed, where its block fits, or a new block; then old is gone.  NULL when
 * memory is refused: old is as it was. */
TESTED_ONLY
static struct item *item_with_deadline(struct mem *m, struct item *old,
                                       const int64_t *deadline_ms) {
    size_t at = item__deadline_at(old->flags), body, had, n;
    bool has = item_has_deadline(old), want = deadline_ms != NULL;
    struct item *it = old;

    if (has != want) {
        had = item_bytes(old);
        n = want ? had + 8 : had - 8;
        body = item__key_n(old) + item__value_n(old);
        if (!item__fits(had, n)) {
            it = mem_try(m, n);
            if (it == NULL) return NULL;
            memcpy(it, old, 1 + at);
        }
        memmove(it->rest + at + (want ? 8 : 0), old->rest + at + (has ? 8 : 0),
                body);
        if (it != old) mem_drop(m, old, had);
        it->flags ^= ITEM_DEADLINE;
    }
    if (want) store64(it->rest + at, (uint64_t)*deadline_ms);
    return it;
}
