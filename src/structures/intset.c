/* SPDX-License-Identifier: MIT */
/* ==== intset - a small set of integers, sorted =============================
 *
 * The elements of Redis' intset: an array in ascending order, each element of
 * 2, 4 or 8 bytes, little-endian on every machine, all as wide as the widest
 * one ever put in.  An intset lives in a keyspace entry which knows its
 * length, so of Redis' header only the width is kept:
 *
 *   here    [width 1: 2, 4 or 8][element]...      of no bytes: the empty set
 *   Redis   [width 4][count 4][element]...        little-endian
 *
 * Finding is a binary search; inserting and removing move what is above.  The
 * functions are pure over bytes and allocate nothing.  What comes from outside
 * goes through intset_blob_valid first; everything else trusts the bytes.
 *
 * floor 1 - uses: base
 */
enum { INTSET_BLOB_HEADER = 8 };

/* An intset as seen: n bytes of elements at p, each of `width` bytes. */
struct intset_view {
    const uint8_t *p;
    size_t n;
    int width;                  /* 2 for the empty set */
};

/* Spelled out: compilers make one load of each of these. */
static inline uint32_t intset__le32(const uint8_t *q) {
    return (uint32_t)q[3] << 24 | (uint32_t)q[2] << 16 |
           (uint32_t)q[1] << 8 | q[0];
}

static inline int64_t intset__load(const uint8_t *q, int width) {
    uint32_t low;

    if (width == 2) return (int16_t)(uint16_t)(q[1] << 8 | q[0]);
    low = intset__le32(q);
    if (width == 4) return (int32_t)low;
    return (int64_t)((uint64_t)intset__le32(q + 4) << 32 | low);
}

/* See n bytes of an entry as an intset; borrowed. */
static inline struct intset_view intset_of(const uint8_t *body, size_t n) {
    if (n == 0) return (struct intset_view){ body, 0, 2 };
    return (struct intset_view){ body + 1, n - 1, body[0] };
}

/* The width that an integer needs. */
static inline int intset_width(int64_t x) {
    if (x >= INT16_MIN && x <= INT16_MAX) return 2;
    return x >= INT32_MIN && x <= INT32_MAX ? 4 : 8;
}

static inline size_t intset_count(struct intset_view v) {
    return v.width == 2 ? v.n / 2 : v.width == 4 ? v.n / 4 : v.n / 8;
}

/* Element i, the smallest being 0; i must be below the count. */
static inline int64_t intset_get(struct intset_view v, size_t i) {
    VERIFY(i < intset_count(v));
    return intset__load(v.p + i * (size_t)v.width, v.width);
}

/* How many of count elements are below x; a loop without branches on data. */
static inline size_t intset__below(const uint8_t *p, size_t count, int width,
                                   int64_t x) {
    size_t base = 0;

    while (count > 1) {
        size_t half = count / 2;
        int64_t y = intset__load(p + (base + half - 1) * (size_t)width, width);

        base += y < x ? half : 0;
        count -= half;
    }
    if (count == 0) return 0;
    return base + (intset__load(p + base * (size_t)width, width) < x);
}

/* Is x there?  *pos is where it is, or where it would go. */
static inline bool intset_find(struct intset_view v, int64_t x, size_t *pos) {
    size_t count = intset_count(v), i;

    if (intset_width(x) > v.width) {
        *pos = x < 0 ? 0 : count;
        return false;
    }
    i = v.width == 2 ? intset__below(v.p, count, 2, x)
      : v.width == 4 ? intset__below(v.p, count, 4, x)
                     : intset__below(v.p, count, 8, x);
    *pos = i;
    return i < count && intset_get(v, i) == x;
}

static inline bool intset_has(struct intset_view v, int64_t x) {
    size_t pos;

    return intset_find(v, x, &pos);
}

/* The smallest and the largest; not of an empty set. */
static inline int64_t intset_min(struct intset_view v) {
    return intset_get(v, 0);
}

static inline int64_t intset_max(struct intset_view v) {
    return intset_get(v, intset_count(v) - 1);
}

/* The bytes that the set would take in an entry with x, which it has not. */
static inline size_t intset_size_with(struct intset_view v, int64_t x) {
    int need = intset_width(x), width = need > v.width ? need : v.width;

    return 1 + (intset_count(v) + 1) * (size_t)width;
}

/* Put x, which is not there, into the set of n bytes at dst, where there is
 * room for intset_size_with.  pos is from intset_find.  Returns the new n. */
static size_t intset_insert(uint8_t *dst, size_t n, size_t pos, int64_t x) {
    struct intset_view v = intset_of(dst, n);
    size_t count = intset_count(v), w, i;
    int need = intset_width(x);

    VERIFY(pos <= count);
    if (need > v.width) {
        /* Wider than all: first or last.  From above, as they overlap. */
        VERIFY(pos == (x < 0 ? 0 : count));
        for (i = count; i-- > 0;)
            store_le(dst + 1 + (i + (pos == 0)) * (size_t)need,
                     (uint64_t)intset_get(v, i), need);
        v.width = need;
    } else if (pos < count) {
        w = (size_t)v.width;
        memmove(dst + 1 + (pos + 1) * w, dst + 1 + pos * w, (count - pos) * w);
    }
    dst[0] = (uint8_t)v.width;
    store_le(dst + 1 + pos * (size_t)v.width, (uint64_t)x, v.width);
    return 1 + (count + 1) * (size_t)v.width;
}

/* Take out the element at pos.  Returns the new n, 0 when none is left; the
 * width stays, as in Redis. */
static inline size_t intset_remove(uint8_t *body, size_t n, size_t pos) {
    size_t w = body[0], at = 1 + pos * w;

    VERIFY(at + w <= n);
    memmove(body + at, body + at + w, n - at - w);
    return n - w > 1 ? n - w : 0;
}

/* The bytes of the set as Redis' intset, as in RDB and DUMP. */
TESTED_ONLY static inline size_t intset_blob_size(struct intset_view v) {
    return INTSET_BLOB_HEADER + v.n;
}

/* Write Redis' intset at dst; returns its length. */
TESTED_ONLY
static inline size_t intset_to_blob(uint8_t *dst, struct intset_view v) {
    store_le(dst, (uint64_t)v.width, 4);
    store_le(dst + 4, intset_count(v), 4);
    if (v.n > 0) memcpy(dst + INTSET_BLOB_HEADER, v.p, v.n);
    return INTSET_BLOB_HEADER + v.n;
}

/* Are the n bytes Redis' intset: not empty, ascending, nothing twice? */
static bool intset_blob_valid(const uint8_t *blob, size_t n) {
    const uint8_t *p = blob + INTSET_BLOB_HEADER;
    uint64_t width, count;

    if (n < INTSET_BLOB_HEADER) return false;
    width = intset__le32(blob);
    count = intset__le32(blob + 4);
    if (width != 2 && width != 4 && width != 8) return false;
    if (count == 0 || count * width != n - INTSET_BLOB_HEADER) return false;
    for (size_t i = 1; i < count; i++)
        if (intset__load(p + (i - 1) * width, (int)width) >=
            intset__load(p + i * width, (int)width))
            return false;
    return true;
}

/* The bytes that a valid blob of n takes in an entry. */
static inline size_t intset_blob_body(size_t n) {
    return n - INTSET_BLOB_HEADER + 1;
}

/* Write the set of a valid blob at dst; returns its length. */
static inline size_t intset_from_blob(uint8_t *dst, const uint8_t *blob,
                                      size_t n) {
    dst[0] = blob[0];
    memcpy(dst + 1, blob + INTSET_BLOB_HEADER, n - INTSET_BLOB_HEADER);
    return intset_blob_body(n);
}
