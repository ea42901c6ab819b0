/* SPDX-License-Identifier: MIT */
/* ==== pack - a small collection in one run of bytes ========================
 *
 * The elements of a Redis listpack (7.0's layout), without the header of six
 * bytes before them and the 0xFF behind: a pack lives in something that knows
 * its length.  So RDB and DUMP copy bytes, on every machine.  An element is
 *
 *   [ encoding, 1 to 5 bytes ][ data ][ back: length of the two, 1 to 5 ]
 *
 *   0xxxxxxx                    integer 0 to 127, no data
 *   10xxxxxx                    string of x bytes
 *   110xxxxx x                  integer of 13 bits, signed, high bits first
 *   1110xxxx x                  string of x bytes (12 bits, high bits first)
 *   0xF0 n n n n                string of n bytes, little-endian
 *   0xF1 F2 F3 F4               integer of 2, 3, 4, 8 bytes, little-endian
 *
 * `back` is read from its end: groups of 7 bits, the last byte lowest; a set
 * high bit says that one more stands before it.  A string that an integer
 * would print as is stored as that integer.
 *
 * All functions are pure over p[0..n) and allocate nothing.  An element is
 * named by the offset where it starts.  What comes from outside goes through
 * pack_valid first; everything else trusts the bytes.
 *
 * floor 1 - uses: base num
 */
#define PACK_NONE ((size_t)-1)

enum {
    PACK_HEADER = 6,            /* of a listpack: its bytes, its elements */
    PACK_EXTRA = 7,             /* what a listpack is longer than its pack */
    PACK_END = 0xFF,            /* the last byte of a listpack */
    PACK_SHORT = 63             /* bytes of a short text, at most */
};

/* One element, as read or about to be written. */
struct pack_item {
    struct str s;               /* borrowed; unset for an integer */
    int64_t i;
    bool is_int;
};

static inline uint64_t pack__le(const uint8_t *q, int n) {
    uint64_t v = 0;

    switch (n) {
    case 8:
        v = (uint64_t)q[7] << 56 | (uint64_t)q[6] << 48 |
            (uint64_t)q[5] << 40 | (uint64_t)q[4] << 32;
        /* fall through */
    case 4: v |= (uint32_t)q[3] << 24; /* fall through */
    case 3: v |= (uint32_t)q[2] << 16; /* fall through */
    default: return v | (uint32_t)q[1] << 8 | q[0];
    }
}

/* How many bytes the data of an integer of encoding 0xF1 to 0xF4 takes. */
static inline int pack__int_bytes(uint8_t b) {
    return b == 0xF4 ? 8 : b - 0xF1 + 2;
}

/* Bytes of encoding and data of the element at q. */
static inline size_t pack__body(const uint8_t *q) {
    if (q[0] < 0x80) return 1;
    if (q[0] < 0xC0) return 1 + (size_t)(q[0] & 0x3F);
    if (q[0] < 0xE0) return 2;
    if (q[0] < 0xF0) return 2 + ((size_t)(q[0] & 0x0F) << 8 | q[1]);
    if (q[0] == 0xF0) return 5 + (size_t)pack__le(q + 1, 4);
    return 1 + (size_t)pack__int_bytes(q[0]);
}

/* Bytes of `back` for a body of n bytes.  The limits are Redis', which uses
 * one more byte than it must for 16383 and its like. */
static inline size_t pack__back(size_t n) {
    return n < 128 ? 1 : n < 16383 ? 2 : n < 2097151 ? 3
         : n < 268435455 ? 4 : 5;
}

/* Write `back` for a body of n bytes; returns how many bytes it took. */
static inline size_t pack__put_back(uint8_t *q, size_t n) {
    size_t k = pack__back(n);

    q[0] = (uint8_t)n;
    if (k == 1) return 1;
    for (size_t i = k; i-- > 0; n >>= 7)
        q[i] = (uint8_t)((n & 127) | (i > 0 ? 128 : 0));
    return k;
}

/* All bytes of the element at q. */
static inline size_t pack__whole(const uint8_t *q) {
    size_t n;

    if (q[0] < 0x80) return 2;
    if (q[0] < 0xC0) return 2 + (size_t)(q[0] & 0x3F);
    n = pack__body(q);
    return n + pack__back(n);
}

/* The integer at q, which is one. */
static inline int64_t pack__int(const uint8_t *q) {
    int n;
    uint64_t v;

    if (q[0] < 0x80) return q[0];
    if (q[0] < 0xE0) {
        v = (uint64_t)(q[0] & 0x1F) << 8 | q[1];
        return (int64_t)(v ^ 0x1000) - 0x1000;
    }
    n = pack__int_bytes(q[0]);
    v = pack__le(q + 1, n);
    if (n == 8) return (int64_t)v;
    return (int64_t)(v ^ UINT64_C(1) << (n * 8 - 1)) -
           ((int64_t)1 << (n * 8 - 1));
}

static inline bool pack__is_int(const uint8_t *q) {
    return q[0] < 0x80 || (q[0] >= 0xC0 && q[0] < 0xE0) || q[0] > 0xF0;
}

/* The bytes of the string at q, which is one. */
static inline struct str pack__str(const uint8_t *q) {
    if (q[0] < 0xC0) return str_of(q + 1, q[0] & 0x3F);
    if (q[0] < 0xF0)
        return str_of(q + 2, (size_t)(q[0] & 0x0F) << 8 | q[1]);
    return str_of(q + 5, (size_t)pack__le(q + 1, 4));
}

/* s as an element: an integer if it is written exactly like one.  To learn
 * the size and then write, this saves parsing twice. */
static inline struct pack_item pack_item_of(struct str s) {
    struct pack_item it = { s, 0, false };

    if (s.n - 1 < 20 && (s.p[0] == '-' || (s.p[0] >= '0' && s.p[0] <= '9')))
        it.is_int = num_parse_int(s, &it.i);
    return it;
}

/* An integer as an element. */
static inline struct pack_item pack_item_of_int(int64_t i) {
    return (struct pack_item){ { NULL, 0 }, i, true };
}

/* A score as an element: whole ones are integers, up to the 2^62 that Redis
 * draws the line at, others text, which stands in tmp. */
static struct pack_item pack_item_of_score(double score,
                                           char tmp[NUM_DOUBLE_ROOM]) {
    const double most = 4611686018427387904.0;
    struct pack_item it = { { tmp, 0 }, 0, false };

    if (score >= -most && score <= most && score == (double)(int64_t)score)
        return pack_item_of_int((int64_t)score);
    it.s.n = num_put_double(tmp, score);
    KVNS_ASSERT(it.s.n <= NUM_DOUBLE_ROOM);
    return it;
}

static inline size_t pack__int_size(int64_t i) {
    if (i >= 0 && i <= 127) return 2;
    if (i >= -4096 && i <= 4095) return 3;
    if (i >= INT16_MIN && i <= INT16_MAX) return 4;
    if (i >= -8388608 && i <= 8388607) return 5;
    if (i >= INT32_MIN && i <= INT32_MAX) return 6;
    return 10;
}

/* How many bytes the element takes in a pack. */
static inline size_t pack_item_size(const struct pack_item *it) {
    size_t n = it->s.n;

    if (it->is_int) return pack__int_size(it->i);
    n += n < 64 ? 1 : n < 4096 ? 2 : 5;
    return n + pack__back(n);
}

/* Write an integer at dst; returns how many bytes it took (10 at most). */
static inline size_t pack_write_int(uint8_t *dst, int64_t i) {
    size_t n = pack__int_size(i) - 1;

    if (n == 1) {
        dst[0] = (uint8_t)i;
    } else if (n == 2) {
        dst[0] = (uint8_t)(0xC0 | ((uint64_t)i >> 8 & 0x1F));
        dst[1] = (uint8_t)i;
    } else {
        dst[0] = (uint8_t)(n == 9 ? 0xF4 : 0xF1 + n - 3);
        store_le(dst + 1, (uint64_t)i, (int)n - 1);
    }
    dst[n] = (uint8_t)n;
    return n + 1;
}

/* Write an element at dst; returns how many bytes it took.  The string must
 * be shorter than 4 GiB. */
static inline size_t pack_item_write(uint8_t *dst,
                                     const struct pack_item *it) {
    size_t n = it->s.n, h = 1;

    if (it->is_int) return pack_write_int(dst, it->i);
    if (n < 64) {
        dst[0] = (uint8_t)(0x80 | n);
    } else if (n < 4096) {
        dst[0] = (uint8_t)(0xE0 | n >> 8);
        dst[1] = (uint8_t)n;
        h = 2;
    } else {
        dst[0] = 0xF0;
        store_le(dst + 1, n, 4);
        h = 5;
    }
    if (n > 0) memcpy(dst + h, it->s.p, n);
    return h + n + pack__put_back(dst + h + n, h + n);
}

/* How many bytes s takes as an element. */
static inline size_t pack_size_of(struct str s) {
    struct pack_item it = pack_item_of(s);

    return pack_item_size(&it);
}

/* Write s as an element at dst; returns how many bytes it took. */
static inline size_t pack_write(uint8_t *dst, struct str s) {
    struct pack_item it = pack_item_of(s);

    return pack_item_write(dst, &it);
}

/* Is the element at p a text of less than 64 bytes?  They follow, *n of them,
 * and one byte behind them. */
static inline bool pack_is_short(const char *p, size_t *n) {
    uint8_t head = (uint8_t)*p;

    *n = head & 0x3F;
    return head >= 0x80 && head < 0xC0;
}

/* Read the element at `at`, which must be one; returns where the next starts
 * (n behind the last).  A string is borrowed from the pack. */
static inline size_t pack_read(const uint8_t *p, size_t n, size_t at,
                               struct pack_item *it) {
    const uint8_t *q = p + at;

    VERIFY(at < n);
    (void)n;
    if (LIKELY(q[0] >= 0x80 && q[0] < 0xC0)) {
        it->is_int = false;
        it->s = str_of(q + 1, q[0] & 0x3F);
        return at + it->s.n + 2;
    }
    it->is_int = pack__is_int(q);
    if (it->is_int) it->i = pack__int(q);
    else it->s = pack__str(q);
    return at + pack__whole(q);
}

/* Where the element behind the one at `at` starts; n behind the last. */
static inline size_t pack_next(const uint8_t *p, size_t n, size_t at) {
    VERIFY(at < n);
    (void)n;
    return at + pack__whole(p + at);
}

/* Where the element before `at` starts, PACK_NONE before the first.  From n
 * it is the last one. */
static inline size_t pack_prev(const uint8_t *p, size_t n, size_t at) {
    size_t len = 0, q = at;
    int shift = 0;
    uint8_t b;

    VERIFY(at <= n);
    (void)n;
    if (at == 0) return PACK_NONE;
    do {
        b = p[--q];
        len |= (size_t)(b & 127) << shift;
        shift += 7;
    } while (b & 128);
    VERIFY(len <= q);
    return q - len;
}

/* How many elements there are; walks them all. */
static inline size_t pack_count(const uint8_t *p, size_t n) {
    size_t at = 0, count = 0;

    for (; at < n; count++) at += pack__whole(p + at);
    return count;
}

/* Where element i (the first is 0) starts, or PACK_NONE. */
static inline size_t pack_nth(const uint8_t *p, size_t n, size_t i) {
    size_t at = 0;

    for (; at < n; i--) {
        if (i == 0) return at;
        at += pack__whole(p + at);
    }
    return PACK_NONE;
}

/* Where element i from the end (the last is 0) starts, or PACK_NONE. */
static inline size_t pack_nth_back(const uint8_t *p, size_t n, size_t i) {
    size_t at = pack_prev(p, n, n);

    while (i-- > 0 && at != PACK_NONE) at = pack_prev(p, n, at);
    return at;
}

/* Does the element at q equal the key?  Both were classified. */
static inline bool pack__eq(const uint8_t *q, const struct pack_item *key) {
    if (pack__is_int(q)) return key->is_int && pack__int(q) == key->i;
    return str_eq(pack__str(q), key->s);
}

/* Find the element equal to key, looking from `at` at one of each skip + 1;
 * PACK_NONE if there is none. */
static size_t pack_find(const uint8_t *p, size_t n, size_t at, struct str key,
                        unsigned skip) {
    struct pack_item it = pack_item_of(key);
    char last = key.n > 0 ? key.p[key.n - 1] : 0;

    while (at < n) {
        const uint8_t *q = p + at;

        if (LIKELY(q[0] >= 0x80 && q[0] < 0xC0)) {
            size_t len = q[0] & 0x3F;

            /* Names often begin alike and end differently. */
            if (len == key.n && (len == 0 || ((char)q[len] == last &&
                                              memcmp(q + 1, key.p, len) == 0)))
                return at;
            at += len + 2;
        } else {
            if (pack__eq(q, &it)) return at;
            at += pack__whole(q);
        }
        for (unsigned k = skip; k > 0 && at < n; k--) at += pack__whole(p + at);
    }
    return PACK_NONE;
}

/* Would the element print as these bytes? */
TESTED_ONLY
static inline bool pack_item_eq(const struct pack_item *it, struct str s) {
    struct pack_item other;

    if (!it->is_int) return str_eq(it->s, s);
    other = pack_item_of(s);
    return other.is_int && other.i == it->i;
}

/* Are two elements equal?  For one key against many: classify it once. */
static inline bool pack_item_same(const struct pack_item *a,
                                  const struct pack_item *b) {
    if (a->is_int || b->is_int)
        return a->is_int && b->is_int && a->i == b->i;
    return str_eq(a->s, b->s);
}

/* The bytes of an element; an integer is printed into tmp. */
static inline struct str pack_item_str(const struct pack_item *it,
                                       char tmp[24]) {
    if (!it->is_int) return it->s;
    return str_of(tmp, num_put_int(tmp, it->i));
}

/* Make old_bytes at `at` new_bytes wide by moving what follows.  There must
 * be room for n - old_bytes + new_bytes; the gap is left for the caller. */
static inline void pack_splice(uint8_t *p, size_t n, size_t at,
                               size_t old_bytes, size_t new_bytes) {
    size_t rest = n - at - old_bytes;

    VERIFY(at <= n && old_bytes <= n - at);
    if (old_bytes != new_bytes && rest > 0)
        memmove(p + at + new_bytes, p + at + old_bytes, rest);
}

/* Bytes of encoding and data of the element at q, or 0 if fewer than that
 * are left or no such encoding exists. */
static size_t pack__checked_body(const uint8_t *q, size_t left) {
    size_t h, n;

    if (q[0] > 0xF4) return 0;
    if (pack__is_int(q)) {
        n = pack__body(q);
        return n <= left ? n : 0;
    }
    h = q[0] < 0xC0 ? 1 : q[0] < 0xF0 ? 2 : 5;
    if (left < h) return 0;
    n = pack__str(q).n;
    return n <= left - h ? h + n : 0;
}

/* Are p[0..n) the elements of a pack and nothing else?  For bytes of any
 * origin; reads nothing outside.  *count is how many there are. */
static bool pack_valid(const uint8_t *p, size_t n, size_t *count) {
    size_t at = 0, body, back;
    uint8_t want[5];

    for (*count = 0; at < n; ++*count) {
        body = pack__checked_body(p + at, n - at);
        if (body == 0) return false;
        at += body;
        back = pack__put_back(want, body);
        if (back > n - at || memcmp(p + at, want, back) != 0) return false;
        at += back;
    }
    return true;
}

/* The header that makes a listpack of a pack of n bytes and count elements;
 * a byte PACK_END must follow the pack.  Returns the listpack's length. */
static inline size_t pack_to_listpack_header(uint8_t hdr[PACK_HEADER],
                                             size_t n, size_t count) {
    KVNS_ASSERT(n <= UINT32_MAX - PACK_EXTRA);
    store_le(hdr, n + PACK_EXTRA, 4);
    store_le(hdr + 4, size_min(count, 65535), 2); /* 65535: count yourself */
    return n + PACK_EXTRA;
}

/* Find the pack in a listpack of any origin, *body borrowed from it.  False
 * when it is not a valid one. */
static bool pack_from_listpack(const uint8_t *blob, size_t n,
                               struct str *body, size_t *count) {
    size_t says;

    if (n < PACK_EXTRA || load_le(blob, 4) != n) return false;
    if (blob[n - 1] != PACK_END) return false;
    says = (size_t)load_le(blob + 4, 2);
    *body = str_of(blob + PACK_HEADER, n - PACK_EXTRA);
    if (!pack_valid(blob + PACK_HEADER, body->n, count)) return false;
    return says == 65535 || says == *count;
}
