/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Products computed with Python's integers. */
static void test_hash_mul(void) {
    uint64_t high, low;

    low = hash_mul(UINT64_MAX, UINT64_MAX, &high);
    CHECK(low == 1 && high == UINT64_MAX - 1);
    low = hash_mul(UINT64_C(0x123456789abcdef0),
                   UINT64_C(0xfedcba9876543210), &high);
    CHECK(low == UINT64_C(0x236d88fe5618cf00));
    CHECK(high == UINT64_C(0x121fa00ad77d7422));
    low = hash_mul(0, 5, &high);
    CHECK(low == 0 && high == 0);
}

/* Both code paths give what a transcription into Python gives, on machines
 * of little-endian order. */
static void test_hash_fast_known(void) {
    static const uint64_t want[] = {
        UINT64_C(0x8c5528fb48af0090), UINT64_C(0x1486edbd34faa089),
        UINT64_C(0x4f996d67ba85d345), UINT64_C(0x8d6af62b8d1ecf9f),
        UINT64_C(0x1bd6b20a9ca1598f), UINT64_C(0xc70d2d856c42b773),
        UINT64_C(0xf174b462a42416f2), UINT64_C(0xc606aea889f6fe59),
        UINT64_C(0xe29b509c667e6ead), UINT64_C(0xcebf029ec07ba5cb),
        UINT64_C(0x43da2e1094dc2a51), UINT64_C(0xe45d619582e1dd63),
        UINT64_C(0xa6cee641d26ff6c7),
    };
    unsigned char text[64];
    const uint16_t one = 1;

    for (size_t i = 0; i < sizeof text; i++) text[i] = (unsigned char)(i * 7);
    if (*(const unsigned char *)&one == 0) return;
    for (size_t i = 0; i < ROWS(want); i++)
        CHECK(hash_fast(text, i * 5, 12345 + i) == want[i]);
}

/* Each flipped bit of the input, and of the seed, turns each bit of the
 * result in about half of the cases. */
static void test_hash_fast_avalanche(void) {
    enum { ROUNDS = 1024 };
    static const size_t sizes[] = { 1, 3, 4, 7, 8, 12, 16, 17, 32, 33, 41 };

    for (size_t k = 0; k < ROWS(sizes); k++) {
        size_t n = sizes[k];

        for (size_t bit = 0; bit < n * 8 + 64; bit += 1 + n / 8) {
            int turned[64] = { 0 };

            for (int round = 0; round < ROUNDS; round++) {
                unsigned char text[48];
                uint64_t seed = unit_rand(), d;

                for (size_t i = 0; i < n; i++)
                    text[i] = (unsigned char)unit_rand();
                d = hash_fast(text, n, seed);
                if (bit < n * 8) text[bit / 8] ^= (unsigned char)(1 << bit % 8);
                else seed ^= UINT64_C(1) << (bit - n * 8);
                d ^= hash_fast(text, n, seed);
                for (int i = 0; i < 64; i++) turned[i] += (int)(d >> i & 1);
            }
            for (int i = 0; i < 64; i++)            /* 6.5 sigma */
                CHECK(turned[i] > ROUNDS / 2 - 104 &&
                      turned[i] < ROUNDS / 2 + 104);
        }
    }
}

/* How far 65536 buckets are from what chance would fill: about 0, in
 * deviations. */
static double test_hash__chi(const uint32_t *buckets, double keys) {
    double want = keys / 65536, sum = 0;

    for (int i = 0; i < 65536; i++)
        sum += (buckets[i] - want) * (buckets[i] - want) / want;
    return (sum - 65535) / sqrt(2 * 65535.0);
}

/* Keys as people make them fill buckets evenly, whether these are chosen by
 * the high, the middle or the low bits. */
static void test_hash_fast_spread(void) {
    static const char *const shapes[] = {
        "%d", "key:%d", "user:%012d:profile", "%08x",
        "session:1234567890abcdef:%d:of a longer kind of key:%d",
    };
    static uint32_t high[65536], middle[65536], low[65536];
    enum { KEYS = 400000 };

    for (size_t k = 0; k < ROWS(shapes); k++) {
        uint64_t seed = unit_rand();

        memset(high, 0, sizeof high);
        memset(middle, 0, sizeof middle);
        memset(low, 0, sizeof low);
        for (int i = 0; i < KEYS; i++) {
            char key[100];
            int n = snprintf(key, sizeof key, shapes[k], i, i);
            uint64_t h = hash_fast(key, (size_t)n, seed);

            high[h >> 48]++;
            middle[h >> 24 & 0xffff]++;
            low[h & 0xffff]++;
        }
        CHECK(fabs(test_hash__chi(high, KEYS)) < 7);
        CHECK(fabs(test_hash__chi(middle, KEYS)) < 7);
        CHECK(fabs(test_hash__chi(low, KEYS)) < 7);
    }
}

/* Binary counters, zeros of all lengths and single bits do not collide. */
static int test_hash__order(const void *a, const void *b) {
    uint64_t x = load64(a), y = load64(b);

    return (x > y) - (x < y);
}

static void test_hash_fast_collisions(void) {
    enum { MOST = 200000 };
    static uint64_t seen[MOST];
    static const unsigned char zeros[4096];
    uint64_t seed = unit_rand();
    size_t n = 0;

    for (size_t i = 0; i <= sizeof zeros; i++)
        seen[n++] = hash_fast(zeros, i, seed);
    for (size_t size = 5; size <= 64; size++)
        for (size_t bit = 0; bit < size * 8; bit++) {
            unsigned char text[64] = { 0 };

            text[bit / 8] = (unsigned char)(1 << bit % 8);
            seen[n++] = hash_fast(text, size, seed);
        }
    for (uint32_t i = 1; i < 60000; i++) {
        uint64_t pair[2] = { i, i };

        seen[n++] = hash_fast(&i, 4, seed);
        if (i < 40000) seen[n++] = hash_fast(pair, 16, seed);
    }
    CHECK(n <= MOST);
    qsort(seen, n, sizeof *seen, test_hash__order);
    for (size_t i = 1; i < n; i++) CHECK(seen[i] != seen[i - 1]);
}

/* Reads nothing outside of the key, at any length (for the sanitizer). */
static void test_hash_fast_bounds(void) {
    for (size_t n = 0; n < 100; n++) {
        unsigned char *p = malloc(n + (n == 0));
        const uint64_t key[2] = { 1, 2 };

        CHECK(p != NULL);
        memset(p, 'x', n);
        CHECK(hash_fast(p, n, 1) != hash_fast(p, n, 2));
        CHECK(hash_sip13(p, n, key) == hash_sip13(p, n, key));
        free(p);
    }
    CHECK(hash_fast(NULL, 0, 1) != hash_fast(NULL, 0, 2));
}

/* Python 3.11 hashes bytes by SipHash-1-3.  The left column is
 *     PYTHONHASHSEED=0 python3 -c 'print(hex(hash(bytes(range(N))) % 2**64))'
 * where the key is zero, the right one the same with PYTHONHASHSEED=7. */
static void test_hash_sip13(void) {
    static const struct { size_t n; uint64_t zero, seven; } rows[] = {
        { 1, UINT64_C(0x68a914128e01e473), UINT64_C(0x7e255bf0210f9775) },
        { 7, UINT64_C(0x2f098ab0c751325a), UINT64_C(0x987cfd95990dd34b) },
        { 8, UINT64_C(0xead411e67ebe2eea), UINT64_C(0x8450991e34fe08de) },
        { 9, UINT64_C(0x75927f9d95124362), UINT64_C(0xa0a0a12bd6c44f35) },
        { 15, UINT64_C(0xf30eb725bb91c9ea), UINT64_C(0x1517e7dc54a43f5b) },
        { 16, UINT64_C(0x8972188433a5c5b7), UINT64_C(0x642bba6a6c24ebf5) },
        { 17, UINT64_C(0x4883c49a2c009c1d), UINT64_C(0xcc54010f13010f0d) },
        { 31, UINT64_C(0x169739443111d49b), UINT64_C(0xadf091e03303fd2d) },
        { 63, UINT64_C(0x385d3e39e5f37359), UINT64_C(0xb1eaa0579bb21aa3) },
        { 64, UINT64_C(0x75e05fd5bbc870c6), UINT64_C(0x2128138620d8ef33) },
    };
    const uint64_t zero[2] = { 0, 0 };
    const uint64_t seven[2] = { UINT64_C(0x12c874a1806f0e3d),
                                UINT64_C(0x470a89d2f9d2784f) };
    unsigned char text[64];

    for (size_t i = 0; i < sizeof text; i++) text[i] = (unsigned char)i;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CHECK(hash_sip13(text, rows[i].n, zero) == rows[i].zero);
        CHECK(hash_sip13(text, rows[i].n, seven) == rows[i].seven);
    }
}

#define TESTS_HASH                                                           \
    T(test_hash_mul)                                                         \
    T(test_hash_fast_known)                                                  \
    T(test_hash_fast_avalanche)                                              \
    T(test_hash_fast_spread)                                                 \
    T(test_hash_fast_collisions)                                             \
    T(test_hash_fast_bounds)                                                 \
    T(test_hash_sip13)
