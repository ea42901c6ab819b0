/* SPDX-License-Identifier: MIT */
/* ==== crc - checksums of snapshots, dumps and hash slots ===================
 *
 * CRC-64 with Jones' polynomial, bits reflected, as it closes an RDB file and
 * a DUMP payload; eight bytes at a time by eight tables ("slicing-by-8",
 * Kounavis and Berry, ISCC 2005).  Each step needs the result of the one
 * before, so long inputs are cut into lanes that are worked on side by side:
 * as a CRC is linear, that of a row of lanes is the sum of theirs, each moved
 * on by the zeros that stand for what follows it.  CRC-16/XMODEM, which Redis
 * Cluster takes modulo 16384 to find the slot of a key.
 *
 *   CRC-64   polynomial ad93d23594c935a9, starts at 0, nothing inverted;
 *            of "123456789": e9c6d914c4b8d9ca
 *   CRC-16   polynomial 1021, not reflected, starts at 0;
 *            of "123456789": 31c3
 *
 * The tables are 32 KiB that the owner of the instance keeps and fills once;
 * from then on they are only read, by any thread.
 *
 * floor 2 - uses: base
 */

/* Jones' polynomial with its bits in reverse order. */
#define CRC_JONES UINT64_C(0x95ac9329ac4bc9b5)

enum { CRC_LANE = 1024 };       /* bytes of a lane, a multiple of 8 */

struct crc_tables {
    /* [0]: the remainder of one byte; [k]: of the byte and k zeros after. */
    uint64_t of[8][256];
    /* [k]: byte k of a remainder, moved on by a lane of zeros. */
    uint64_t far[8][256];
};

/* Eight bytes, the first lowest.  Spelt out, because compilers turn this
 * into one load where the machine's order allows it. */
static inline uint64_t crc__load(const unsigned char *p) {
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
           (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

/* The remainder of a word: eight bytes, with the CRC before them added. */
static inline uint64_t crc__word(const struct crc_tables *t, uint64_t w) {
    return t->of[7][w & 0xff] ^ t->of[6][w >> 8 & 0xff] ^
           t->of[5][w >> 16 & 0xff] ^ t->of[4][w >> 24 & 0xff] ^
           t->of[3][w >> 32 & 0xff] ^ t->of[2][w >> 40 & 0xff] ^
           t->of[1][w >> 48 & 0xff] ^ t->of[0][w >> 56];
}

/* Fill the tables; all other functions only read them. */
static void crc_init(struct crc_tables *t) {
    for (unsigned i = 0; i < 256; i++) {
        uint64_t r = i;

        for (int bit = 0; bit < 8; bit++)
            r = (r & 1) != 0 ? r >> 1 ^ CRC_JONES : r >> 1;
        t->of[0][i] = r;
    }
    for (unsigned k = 1; k < 8; k++)
        for (unsigned i = 0; i < 256; i++) {
            uint64_t r = t->of[k - 1][i];

            t->of[k][i] = r >> 8 ^ t->of[0][r & 0xff];
        }
    for (unsigned k = 0; k < 8; k++) {
        t->far[k][0] = 0;
        for (unsigned i = 1; i < 256; i++) {
            uint64_t r = (uint64_t)i << 8 * k;

            /* One bit is moved on; others are sums of those. */
            if ((i & (i - 1)) != 0) {
                t->far[k][i] = t->far[k][i & (i - 1)] ^
                               t->far[k][i & (~i + 1)];
                continue;
            }
            for (int step = 0; step < CRC_LANE / 8; step++)
                r = crc__word(t, r);
            t->far[k][i] = r;
        }
    }
}

/* A CRC moved on by a lane of zeros. */
static uint64_t crc__far(const struct crc_tables *t, uint64_t crc) {
    uint64_t r = 0;

    for (int k = 0; k < 8; k++) r ^= t->far[k][crc >> 8 * k & 0xff];
    return r;
}

/* The CRC of three lanes after what has crc. */
static uint64_t crc__lanes(const struct crc_tables *t, uint64_t crc,
                           const unsigned char *b) {
    uint64_t first = crc, second = 0, third = 0;

    for (int i = 0; i < CRC_LANE; i += 8, b += 8) {
        first = crc__word(t, first ^ crc__load(b));
        second = crc__word(t, second ^ crc__load(b + CRC_LANE));
        third = crc__word(t, third ^ crc__load(b + 2 * CRC_LANE));
    }
    return crc__far(t, crc__far(t, first) ^ second) ^ third;
}

/* The CRC-64 of bytes with checksum crc followed by the n bytes at p: begin
 * with 0, and feed as many pieces as there are. */
static uint64_t crc64(const struct crc_tables *t, uint64_t crc, const void *p,
                      size_t n) {
    const unsigned char *b = p;

    for (; n >= 3 * CRC_LANE; n -= 3 * CRC_LANE, b += 3 * CRC_LANE)
        crc = crc__lanes(t, crc, b);
    for (; n >= 8; n -= 8, b += 8) crc = crc__word(t, crc ^ crc__load(b));
    for (; n > 0; n--, b++) crc = crc >> 8 ^ t->of[0][(crc ^ *b) & 0xff];
    return crc;
}

/* The CRC-16 of n bytes, four bits at a time: keys are short, and CLUSTER
 * KEYSLOT is rare. */
static unsigned crc16(const void *p, size_t n) {
    static const uint16_t of[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    const unsigned char *b = p;
    unsigned crc = 0;

    for (; n > 0; n--, b++) {
        crc = (crc << 4 ^ of[(crc >> 12 ^ *b >> 4) & 15]) & 0xffff;
        crc = (crc << 4 ^ of[(crc >> 12 ^ *b) & 15]) & 0xffff;
    }
    return crc;
}

/* The cluster slot of a key, 0 to 16383: of the part between the first '{'
 * and the next '}' if there is one and it is not empty, else of all of it. */
TESTED_ONLY static unsigned crc_slot(struct str key) {
    const char *end = NULL;
    const char *open = key.n == 0 ? NULL : memchr(key.p, '{', key.n);

    if (open != NULL) {
        open++;
        end = memchr(open, '}', (size_t)(key.p + key.n - open));
    }
    if (end != NULL && end != open)
        key = str_of(open, (size_t)(end - open));
    return crc16(key.p, key.n) & 16383;
}
