/* SPDX-License-Identifier: MIT */
#include "unit.h"

static size_t test_intset_add(uint8_t *body, size_t n, int64_t x) {
    struct intset_view v = intset_of(body, n);
    size_t pos, want = intset_size_with(v, x);

    if (intset_find(v, x, &pos)) return n;
    n = intset_insert(body, n, pos, x);
    CHECK_INT(n, want);
    return n;
}

static void test_intset_widens(void) {
    static const int64_t x[] = { 5, -3, 40000, -40000, INT64_MIN, INT64_MAX,
                                 0, 32767, -32768, 2147483647 };
    static const int64_t sorted[] = { INT64_MIN, -40000, -32768, -3, 0, 5,
                                      32767, 40000, 2147483647, INT64_MAX };
    static const size_t size[] = { 3, 5, 13, 17, 41, 49, 57, 65, 73, 81 };
    uint8_t b[128] = { 0 };
    size_t n = 0, pos;
    struct intset_view v;

    CHECK_INT(intset_count(intset_of(b, 0)), 0);
    CHECK(!intset_has(intset_of(b, 0), 0));
    for (size_t i = 0; i < ROWS(x); i++) {
        n = test_intset_add(b, n, x[i]);
        CHECK_INT(n, size[i]);
        n = test_intset_add(b, n, x[i]);
        CHECK_INT(n, size[i]);
    }
    v = intset_of(b, n);
    for (size_t i = 0; i < ROWS(x); i++) {
        CHECK_INT(intset_get(v, i), sorted[i]);
        CHECK(intset_find(v, sorted[i], &pos));
        CHECK_INT(pos, i);
    }
    CHECK_INT(intset_min(v), INT64_MIN);
    CHECK_INT(intset_max(v), INT64_MAX);
    for (size_t i = ROWS(x); i-- > 0;) n = intset_remove(b, n, i / 2);
    CHECK_INT(n, 0);
}

/* The bytes of Redis 7.0.15 for SADD s 1 2 300, compared with its DUMP. */
static void test_intset_blob(void) {
    static const char blob[] = "\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x2c\x01";
    uint8_t b[32], out[32];
    size_t n = 0;

    n = test_intset_add(b, n, 300);
    n = test_intset_add(b, n, 1);
    n = test_intset_add(b, n, 2);
    CHECK_INT(intset_blob_size(intset_of(b, n)), 14);
    CHECK_INT(intset_to_blob(out, intset_of(b, n)), 14);
    CHECK(memcmp(out, blob, 14) == 0);
    CHECK(intset_blob_valid(out, 14));
    CHECK_INT(intset_blob_body(14), n);
    memset(b, 0xAA, sizeof b);
    CHECK_INT(intset_from_blob(b, out, 14), n);
    CHECK_INT(intset_get(intset_of(b, n), 2), 300);
    CHECK(!intset_blob_valid(out, 13));
    CHECK(!intset_blob_valid(out, 7));
    out[8] = 2;
    CHECK(!intset_blob_valid(out, 14));
    out[8] = 3;
    CHECK(!intset_blob_valid(out, 14));
    out[8] = 1;
    out[0] = 3;
    CHECK(!intset_blob_valid(out, 14));
    CHECK(!intset_blob_valid((const uint8_t *)"\2\0\0\0\0\0\0\0", 8));
    CHECK(!intset_blob_valid((const uint8_t *)"\2\0\0\0\0\0\0\x80", 8));
    CHECK(!intset_blob_valid((const uint8_t *)"\4\0\0\0\0\0\0\x40", 8));
}

/* Random sets beside a sorted array. */
static void test_intset_model(void) {
    enum { MOST = 300 };
    static int64_t model[MOST];
    static uint8_t b[1 + MOST * 8], blob[8 + MOST * 8], again[1 + MOST * 8];

    for (int round = 0; round < 60; round++) {
        size_t n = 0, count = 0, most = unit_rand() % MOST;
        int shift = (int)(unit_rand() % 64);

        for (int step = 0; step < 600; step++) {
            int64_t x = (int64_t)unit_rand() >> shift;
            size_t i = 0, pos;
            bool has;

            if (unit_rand() % 3 == 0) x >>= (64 - shift) / 2;
            while (i < count && model[i] < x) i++;
            has = intset_find(intset_of(b, n), x, &pos);
            CHECK(has == (i < count && model[i] == x));
            CHECK_INT(pos, i);
            if (!has && count < most) {
                n = test_intset_add(b, n, x);
                memmove(model + i + 1, model + i, (count++ - i) * 8);
                model[i] = x;
            } else if (count > 0) {
                i = has ? i : unit_rand() % count;
                n = intset_remove(b, n, i);
                memmove(model + i, model + i + 1, (--count - i) * 8);
            }
            CHECK_INT(intset_count(intset_of(b, n)), count);
            for (i = 0; i < count; i++)
                CHECK_INT(intset_get(intset_of(b, n), i), model[i]);
            if (count == 0) continue;
            CHECK_INT(intset_min(intset_of(b, n)), model[0]);
            CHECK_INT(intset_max(intset_of(b, n)), model[count - 1]);
            i = intset_to_blob(blob, intset_of(b, n));
            CHECK(intset_blob_valid(blob, i));
            CHECK_INT(intset_from_blob(again, blob, i), n);
            CHECK(memcmp(again, b, n) == 0);
        }
    }
}

#define TESTS_INTSET                                                         \
    T(test_intset_widens)                                                    \
    T(test_intset_blob)                                                      \
    T(test_intset_model)
