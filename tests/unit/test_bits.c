/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* One bit at a time: what everything else is compared with. */
static bool test_bits__one(const uint8_t *p, uint64_t at) {
    return (p[at >> 3] >> (7 - (at & 7)) & 1) != 0;
}

static void test_bits__fill(uint8_t *p, size_t n, int how) {
    for (size_t i = 0; i < n; i++)
        p[i] = how == 0 ? 0 : how == 1 ? 0xff : (uint8_t)unit_rand();
}

static void test_bits_count(void) {
    uint8_t b[700];

    for (int round = 0; round < 600; round++) {
        size_t n = unit_rand() % 600, at = unit_rand() % 16;
        uint64_t want = 0;

        test_bits__fill(b, sizeof b, round % 3);
        for (uint64_t i = 0; i < n * 8; i++)
            want += test_bits__one(b + at, i);
        CHECK_INT(bits_count(b + at, n), want);
    }
}

static void test_bits_ranges(void) {
    uint8_t b[64];

    for (int round = 0; round < 3000; round++) {
        size_t n = 1 + unit_rand() % sizeof b;
        uint64_t from = unit_rand() % (n * 8), to = unit_rand() % (n * 8);
        uint64_t ones = 0, first[2] = { UINT64_MAX, UINT64_MAX };

        if (from > to) continue;
        test_bits__fill(b, n, round % 3);
        if (round % 2 == 0) b[unit_rand() % n] ^= (uint8_t)(1 << round / 2 % 8);
        for (uint64_t i = from; i <= to; i++) {
            bool bit = test_bits__one(b, i);

            ones += bit;
            if (first[bit] == UINT64_MAX) first[bit] = i;
        }
        CHECK_INT(bits_count_range(b, from, to), ones);
        CHECK(bits_find(b, from, to, true) == first[1]);
        CHECK(bits_find(b, from, to, false) == first[0]);
    }
}

static void test_bits_fields(void) {
    uint8_t b[32], was[32];

    for (int round = 0; round < 3000; round++) {
        int bits = 1 + (int)(unit_rand() % 64);
        uint64_t at = unit_rand() % (sizeof b * 8 - 63), v = unit_rand();
        uint64_t mask = UINT64_MAX >> (64 - bits), want = 0;

        test_bits__fill(b, sizeof b, 2);
        memcpy(was, b, sizeof b);
        for (int i = 0; i < bits; i++)
            want = want << 1 | test_bits__one(b, at + (uint64_t)i);
        CHECK(bits_get(b, sizeof b, at, bits) == want);
        bits_set(b, at, bits, v);
        CHECK(bits_get(b, sizeof b, at, bits) == (v & mask));
        for (uint64_t i = 0; i < sizeof b * 8; i++)
            CHECK((i >= at && i < at + (uint64_t)bits) ||
                  test_bits__one(b, i) == test_bits__one(was, i));
    }
}

static void test_bits_beyond_the_end(void) {
    static const uint8_t b[] = { 0xff, 0xff };

    CHECK_INT(bits_get(b, 2, 12, 8), 0xf0);
    CHECK_INT(bits_get(b, 2, 16, 8), 0);
    CHECK_INT(bits_get(b, 2, 1, 64) >> 49, 0x7fff);
    CHECK_INT(bits_get(b, 2, UINT64_MAX - 63, 64), 0);
    CHECK_INT(bits_get(NULL, 0, 0, 1), 0);
}

static void test_bits_combine(void) {
    static uint8_t src[3][BITS_STRETCH * 2], dst[BITS_STRETCH * 2];

    for (int round = 0; round < 60; round++) {
        enum bits_op op = (enum bits_op)(round % 4);
        size_t count = op == BITS_NOT ? 1 : 1 + unit_rand() % 3, n = 0;
        struct str s[3];

        for (size_t i = 0; i < count; i++) {
            size_t len = unit_rand() % (round < 30 ? 100 : sizeof src[i] + 1);

            test_bits__fill(src[i], sizeof src[i], 2);
            s[i] = str_of(src[i], len);
            n = size_max(n, len);
        }
        test_bits__fill(dst, sizeof dst, 2);
        bits_combine(dst, n, op, s, count);
        for (size_t at = 0; at < n; at++) {
            unsigned want = at < s[0].n ? src[0][at] : 0;

            if (op == BITS_NOT) want ^= 0xff;
            for (size_t i = 1; i < count; i++) {
                unsigned one = at < s[i].n ? src[i][at] : 0;

                if (op == BITS_AND) want &= one;
                else if (op == BITS_OR) want |= one;
                else want ^= one;
            }
            CHECK_INT(dst[at], want);
        }
    }
}

#define TESTS_BITS \
    T(test_bits_count) T(test_bits_ranges) T(test_bits_fields) \
    T(test_bits_beyond_the_end) T(test_bits_combine)
