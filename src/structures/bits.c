/* SPDX-License-Identifier: MIT */
/* ==== bits - runs of bytes as numbered bits ================================
 *
 * Bit 0 is the highest one of the first byte, as SETBIT counts them.  Counting
 * adds whole words up bit by bit in carry-save adders (Harley and Seal), so
 * that of sixteen words only one is taken apart; combining goes by words, in
 * stretches that stay in the cache however many sources there are.
 *
 * floor 1 - uses: base
 */
enum bits_op { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT };

enum { BITS_STRETCH = 8192 };   /* bytes combined before the next source */

/* How many bits of a word are set. */
static inline uint32_t bits__of_word(uint64_t v) {
    v -= v >> 1 & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) +
        (v >> 2 & UINT64_C(0x3333333333333333));
    v = (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(v * UINT64_C(0x0101010101010101) >> 56);
}

/* Add b and c to *sum, bit by bit; returns the carries. */
static inline uint64_t bits__add(uint64_t *sum, uint64_t b, uint64_t c) {
    uint64_t u = *sum ^ b, carry = (*sum & b) | (u & c);

    *sum = u ^ c;
    return carry;
}

/* Add the four words at p to the ones and the twos; returns the fours. */
static inline uint64_t bits__add4(const uint8_t *p, uint64_t *ones,
                                  uint64_t *twos) {
    uint64_t a = bits__add(ones, load64(p), load64(p + 8));
    uint64_t b = bits__add(ones, load64(p + 16), load64(p + 24));

    return bits__add(twos, a, b);
}

/* How many bits are set in n bytes. */
static uint64_t bits_count(const uint8_t *p, size_t n) {
    uint64_t ones = 0, twos = 0, fours = 0, eights = 0, count = 0, last = 0;

    for (; n >= 128; n -= 128, p += 128) {
        uint64_t a = bits__add4(p, &ones, &twos);
        uint64_t b = bits__add4(p + 32, &ones, &twos);
        uint64_t c = bits__add4(p + 64, &ones, &twos);
        uint64_t d = bits__add4(p + 96, &ones, &twos);
        uint64_t e = bits__add(&fours, a, b);
        uint64_t f = bits__add(&fours, c, d);

        count += bits__of_word(bits__add(&eights, e, f));
    }
    count = 16 * count + 8 * bits__of_word(eights) +
            4 * bits__of_word(fours) + 2 * bits__of_word(twos) +
            bits__of_word(ones);
    for (; n >= 8; n -= 8, p += 8) count += bits__of_word(load64(p));
    if (n > 0) memcpy(&last, p, n);
    return count + bits__of_word(last);
}

/* How many of the bits from..to, both included, are set. */
static uint64_t bits_count_range(const uint8_t *p, uint64_t from,
                                 uint64_t to) {
    size_t a = (size_t)(from >> 3), b = (size_t)(to >> 3);
    uint64_t before = p[a] & (uint64_t)(0xff00 >> (from & 7) & 0xff);
    uint64_t after = p[b] & (uint64_t)(0x7f >> (to & 7));

    return bits_count(p + a, b - a + 1) - bits__of_word(before) -
           bits__of_word(after);
}

/* The first of the bits from..to, both included, that is `bit`; UINT64_MAX:
 * there is none. */
static uint64_t bits_find(const uint8_t *p, uint64_t from, uint64_t to,
                          bool bit) {
    size_t a = (size_t)(from >> 3), b = (size_t)(to >> 3);
    unsigned flip = bit ? 0 : 0xff, byte;
    uint64_t skip = bit ? 0 : UINT64_MAX, at;

    byte = (p[a] ^ flip) & 0xffU >> (from & 7);
    while (byte == 0 && a < b) {
        a++;
        while (b - a >= 32 &&
               ((load64(p + a) ^ skip) | (load64(p + a + 8) ^ skip) |
                (load64(p + a + 16) ^ skip) | (load64(p + a + 24) ^ skip)) ==
                   0)
            a += 32;
        while (b - a >= 8 && load64(p + a) == skip) a += 8;
        byte = p[a] ^ flip;
    }
    if (byte == 0) return UINT64_MAX;
    at = (uint64_t)a << 3;
    for (; (byte & 0x80) == 0; byte <<= 1) at++;
    return at <= to ? at : UINT64_MAX;
}

/* The `bits` bits (1 to 64) at bit offset `at` as a number, the highest first.
 * What lies beyond the n bytes reads as zero. */
static uint64_t bits_get(const uint8_t *p, size_t n, uint64_t at, int bits) {
    uint8_t b[9] = { 0 };
    uint64_t first = at >> 3, v;
    int shift = (int)(at & 7);

    if (first < n) memcpy(b, p + first, size_min(sizeof b, n - (size_t)first));
    v = load_be(b, 8) << shift;
    if (shift > 0) v |= (uint64_t)b[8] >> (8 - shift);
    return v >> (64 - bits);
}

/* Make the low `bits` bits of v (1 to 64) those at bit offset `at`; all of
 * them are there. */
static void bits_set(uint8_t *p, uint64_t at, int bits, uint64_t v) {
    while (bits > 0) {
        uint8_t *b = p + (at >> 3);
        int room = 8 - (int)(at & 7), n = bits < room ? bits : room;
        unsigned mask = (0xffU >> (8 - n)) << (room - n);
        unsigned part = (unsigned)(v >> (bits - n)) << (room - n);

        *b = (uint8_t)((*b & ~mask) | (part & mask));
        at += (uint64_t)n;
        bits -= n;
    }
}

/* Fill n bytes at dst with those at a combined with those at b, which are other
 * places, except that a may be dst itself. */
static inline void bits__combine(uint8_t *dst, const uint8_t *a,
                                 const uint8_t *b, size_t n,
                                 enum bits_op op) {
    size_t i = 0;

#define BITS_WORD(how, k) (load64(a + i + k) how load64(b + i + k))
#define BITS_LOOP(how)                                                       \
    for (; i + 32 <= n; i += 32) {                                           \
        uint64_t v0 = BITS_WORD(how, 0), v1 = BITS_WORD(how, 8);             \
        uint64_t v2 = BITS_WORD(how, 16), v3 = BITS_WORD(how, 24);           \
                                                                             \
        store64(dst + i, v0);                                                \
        store64(dst + i + 8, v1);                                            \
        store64(dst + i + 16, v2);                                           \
        store64(dst + i + 24, v3);                                           \
    }                                                                        \
    for (; i < n; i++) dst[i] = (uint8_t)(a[i] how b[i])
    switch (op) {
    case BITS_AND: BITS_LOOP(&); break;
    case BITS_OR: BITS_LOOP(|); break;
    case BITS_XOR: BITS_LOOP(^); break;
    case BITS_NOT: break;
    }
#undef BITS_LOOP
#undef BITS_WORD
}

/* Turn n bytes over into dst, another place. */
static void bits__not(uint8_t *restrict dst, const uint8_t *restrict src,
                      size_t n) {
    size_t i = 0;

    for (; i + 8 <= n; i += 8) store64(dst + i, ~load64(src + i));
    for (; i < n; i++) dst[i] = (uint8_t)~src[i];
}

/* How many of n bytes from `at` on are there in s, and in *p where. */
static inline size_t bits__part(struct str s, size_t at, size_t n,
                                const uint8_t **p) {
    size_t have = s.n <= at ? 0 : size_min(n, s.n - at);

    *p = have == 0 ? NULL : (const uint8_t *)s.p + at;
    return have;
}

/* Combine n bytes at dst, of which `had` are there and zeros follow, with
 * `have` bytes at p.  Returns how many are there then. */
static size_t bits__with(uint8_t *dst, size_t had, const uint8_t *p,
                         size_t have, size_t n, enum bits_op op) {
    size_t both = size_min(had, have);

    bits__combine(dst, dst, p, both, op);
    if (op == BITS_AND) {
        memset(dst + both, 0, n - both);
        return both;
    }
    if (have > had) memcpy(dst + had, p + had, have - had);
    return size_max(had, have);
}

/* Fill n bytes at dst with the combination of `count` sources, each of them
 * as if zeros followed it.  BITS_NOT has one source.  dst is none of them. */
static void bits_combine(uint8_t *dst, size_t n, enum bits_op op,
                         const struct str *src, size_t count) {
    for (size_t at = 0; at < n; at += BITS_STRETCH) {
        size_t all = size_min(BITS_STRETCH, n - at), next = 1, had, have;
        uint8_t *to = dst + at;
        const uint8_t *p, *q = NULL;

        had = bits__part(src[0], at, all, &p);
        have = count < 2 ? 0 : bits__part(src[1], at, all, &q);
        if (had == all && have == all) {
            bits__combine(to, p, q, all, op);
            next = 2;
        } else {
            if (op == BITS_NOT) bits__not(to, p, had);
            else if (had > 0) memcpy(to, p, had);
            memset(to + had, 0, all - had);
        }
        for (; next < count; next++) {
            have = bits__part(src[next], at, all, &p);
            had = bits__with(to, had, p, have, all, op);
        }
    }
}
