/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* From the authors' xoshiro256** seeded by splitmix64 from 0 and 42, computed
 * by a transcription into Python. */
static void test_rand_repeats(void) {
    struct rand r;

    rand_seed_with(&r, 0);
    CHECK(rand_next(&r) == UINT64_C(0x99ec5f36cb75f2b4));
    CHECK(rand_next(&r) == UINT64_C(0xbf6e1f784956452a));
    CHECK(rand_next(&r) == UINT64_C(0x1a5f849d4933e6e0));
    rand_seed_with(&r, 42);
    CHECK(rand_next(&r) == UINT64_C(0x15780b2e0c2ec716));
    CHECK(rand_next(&r) == UINT64_C(0x6104d9866d113a7e));
    CHECK(rand_next(&r) == UINT64_C(0xae17533239e499a1));
}

static void test_rand_entropy(void) {
    unsigned char a[700], b[700];
    struct rand r, s;

    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    rand_entropy(a, 0);
    CHECK(a[0] == 0);
    rand_entropy(a, sizeof a);
    rand_entropy(b, sizeof b);
    for (size_t i = 0; i + 16 <= sizeof a; i += 16)
        CHECK(memcmp(a + i, b + i, 16) != 0);
    rand__meagre(a, sizeof a);
    rand__meagre(b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
    CHECK(memcmp(a, a + 8, 8) != 0);
    CHECK_INT(rand__device(a, 10), 10);
    rand_seed(&r);
    rand_seed(&s);
    CHECK(rand_next(&r) != rand_next(&s));
}

/* Each of few outcomes as often as the others, within 5 sigma and more. */
static void test_rand_below_even(void) {
    struct rand r;

    rand_seed_with(&r, unit_rand());
    for (uint64_t n = 1; n <= 20; n++) {
        int64_t seen[20] = { 0 }, each = 4000;

        for (int64_t i = 0; i < each * (int64_t)n; i++)
            seen[rand_below(&r, n)]++;
        for (uint64_t i = 0; i < n; i++)
            CHECK(seen[i] > each - 450 && seen[i] < each + 450);
    }
}

static void test_rand_below_limits(void) {
    struct rand r;
    int64_t high = 0;

    rand_seed_with(&r, unit_rand());
    CHECK_INT(rand_below(&r, 0), 0);
    CHECK_INT(rand_below(&r, 1), 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t n = unit_rand() >> unit_rand() % 64;

        if (n != 0) CHECK(rand_below(&r, n) < n);
        CHECK(rand_below(&r, UINT32_MAX) < UINT32_MAX);
        CHECK(rand_below(&r, UINT64_C(1) << 32) >> 32 == 0);
        high += rand_below(&r, UINT64_C(3) << 62) >> 63;
    }
    CHECK(high > 32000 && high < 34700);            /* a third */
}

static void test_rand_unit(void) {
    struct rand r;
    double sum = 0;

    rand_seed_with(&r, unit_rand());
    for (int i = 0; i < 100000; i++) {
        double x = rand_unit(&r);

        CHECK(x >= 0 && x < 1);
        sum += x;
    }
    CHECK(sum > 49500 && sum < 50500);
}

#define TESTS_RAND                                                           \
    T(test_rand_repeats)                                                     \
    T(test_rand_entropy)                                                     \
    T(test_rand_below_even)                                                  \
    T(test_rand_below_limits)                                                \
    T(test_rand_unit)
