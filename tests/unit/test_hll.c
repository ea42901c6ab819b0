/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Against an array of registers, sparse and dense side by side. */
struct hll_model {
    uint8_t a[HLL_ROOM], b[HLL_ROOM];
    struct hll sparse, dense;
    uint8_t reg[HLL_REGISTERS];
};

static void hll_model_new(struct hll_model *m) {
    memset(m, 0, sizeof *m);
    m->sparse.p = m->a;
    m->dense.p = m->b;
    hll_init(&m->sparse);
    hll_init(&m->dense);
    CHECK(hll_to_dense(&m->dense));
    CHECK_INT(m->dense.n, HLL_DENSE_SIZE);
}

static struct str hll_model_str(const struct hll *h) {
    return str_of(h->p, h->n);
}

static void hll_model_check(const struct hll_model *m) {
    struct str s = hll_model_str(&m->sparse), d = hll_model_str(&m->dense);
    uint8_t max[HLL_REGISTERS] = { 0 }, packed[HLL_ROOM];
    struct hll h = { .p = packed };
    uint64_t one, two;

    CHECK(hll_is(s) && hll_is(d));
    for (uint32_t i = 0; i < HLL_REGISTERS; i++) {
        CHECK_INT(hll_get(d, i), m->reg[i]);
        if (unit_rand() % 16 == 0) CHECK_INT(hll_get(s, i), m->reg[i]);
    }
    CHECK(hll_merge(max, s));
    CHECK(memcmp(max, m->reg, sizeof max) == 0);
    CHECK(hll_merge(max, d));
    CHECK(memcmp(max, m->reg, sizeof max) == 0);
    memcpy(packed, m->b, HLL_HEAD);
    hll_pack(&h, m->reg);
    CHECK(str_eq(hll_model_str(&h), d));
    CHECK(hll_count(s, &one) && hll_count(d, &two));
    CHECK_INT(one, two);
    CHECK_INT(hll_count_registers(m->reg), one);
}

static void test_hll_model(void) {
    static struct hll_model m;

    for (int round = 0; round < 6; round++) {
        hll_model_new(&m);
        for (int i = 0; i < 4000; i++) {
            uint32_t reg = (uint32_t)(unit_rand() % HLL_REGISTERS);
            unsigned value = 1 + (unsigned)(unit_rand() % (round < 3 ? 5 : 33));
            int want = m.reg[reg] < value;

            /* close together, so that runs of values come about */
            if (round % 2 == 0) reg %= 300;
            want = m.reg[reg] < value;
            CHECK_INT(hll_raise(&m.sparse, reg, value, SIZE_MAX), want);
            CHECK_INT(hll_raise(&m.dense, reg, value, 0), want);
            if (want) m.reg[reg] = (uint8_t)value;
            if (i % 1000 == 0) hll_model_check(&m);
        }
        hll_model_check(&m);
        CHECK(round < 3 ? m.sparse.n <= HLL_SPARSE_MOST :
                          m.sparse.n == HLL_DENSE_SIZE);
        CHECK(hll_to_dense(&m.sparse));
        CHECK(memcmp(m.a + HLL_HEAD, m.b + HLL_HEAD,
                     HLL_DENSE_SIZE - HLL_HEAD) == 0);
    }
}

/* In order of register, which is looked for from the last one on, and in any
 * order: the same bytes as when each is looked for from the beginning. */
static void test_hll_in_order(void) {
    static uint8_t a[HLL_ROOM], b[HLL_ROOM];

    for (int round = 0; round < 20; round++) {
        struct hll h = { .p = a }, slow = { .p = b };
        uint32_t reg = 0;

        hll_init(&h);
        hll_init(&slow);
        for (int i = 0; i < 3000; i++) {
            unsigned value = 1 + (unsigned)(unit_rand() % (1 + round % 5));

            reg += (uint32_t)(unit_rand() % (round < 10 ? 3 : 9));
            if (unit_rand() % 200 == 0) reg = (uint32_t)(unit_rand() % 9000);
            if (reg >= HLL_REGISTERS) reg = 0;
            slow.near = 0;
            CHECK_INT(hll_raise(&h, reg, value, SIZE_MAX),
                      hll_raise(&slow, reg, value, SIZE_MAX));
            CHECK_INT(h.n, slow.n);
            CHECK(memcmp(a, b, h.n) == 0);
        }
    }
}

/* The bytes of Redis 7.0.15 for PFADD k a b c, by its GET. */
static void test_hll_bytes(void) {
    static const char want[] = "HYLL\1\0\0\0\0\0\0\0\0\0\0\x80"
                               "\x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a";
    uint8_t room[HLL_ROOM];
    struct hll h = { .p = room };

    hll_init(&h);
    for (int i = 0; i < 3; i++) {
        char c = (char)('a' + i);
        unsigned value;
        uint32_t reg = hll_register(str_of(&c, 1), &value);

        CHECK_INT(hll_raise(&h, reg, value, 3000), 1);
    }
    hll_outdate(h.p);
    CHECK_INT(h.n, sizeof want - 1);
    CHECK(memcmp(h.p, want, h.n) == 0);
}

static void test_hll_size_decides(void) {
    uint8_t room[HLL_ROOM];
    struct hll h = { .p = room };

    hll_init(&h);
    CHECK_INT(hll_raise(&h, 5, 3, 20), 1);
    CHECK_INT(h.n, 20);
    CHECK(hll_is_sparse(hll_model_str(&h)));
    CHECK_INT(hll_raise(&h, 9, 3, 21), 1);
    CHECK_INT(h.n, HLL_DENSE_SIZE);
    CHECK_INT(hll_get(hll_model_str(&h), 5), 3);
    hll_init(&h);
    CHECK_INT(hll_raise(&h, 5, 33, SIZE_MAX), 1);
    CHECK_INT(h.n, HLL_DENSE_SIZE);
}

/* Runs that are too few, too many, or cut off. */
static void test_hll_corrupt(void) {
    static const struct { const char *p; size_t n; } bad[] = {
        { "", 0 }, { "\x7f\xfe", 2 }, { "\x7f\xff\x00", 3 }, { "\x7f", 1 },
        { "\x7f\xff\x80", 3 }, { "\x7f\xff\x7f\xff", 4 }, { "\x83", 1 },
        { "\x7f\xfe\x81", 3 },
    };
    uint8_t room[HLL_ROOM], max[HLL_REGISTERS] = { 0 };
    uint64_t count;

    for (size_t i = 0; i < ROWS(bad); i++) {
        struct hll h = { .p = room };

        hll_init(&h);
        memcpy(h.p + HLL_HEAD, bad[i].p, bad[i].n);
        h.n = HLL_HEAD + bad[i].n;
        CHECK(hll_is(hll_model_str(&h)));
        CHECK(!hll_count(hll_model_str(&h), &count));
        CHECK(!hll_merge(max, hll_model_str(&h)));
        CHECK(!hll_to_dense(&h));
        CHECK_INT(h.n, HLL_HEAD + bad[i].n);
        CHECK_INT(hll_raise(&h, HLL_REGISTERS - 1, 40, 3000), -1);
    }
    CHECK(!hll_is(STR("HYLL\1\0\0\0\0\0\0\0\0\0\0")));
    CHECK(!hll_is(STR("HYLL\2\0\0\0\0\0\0\0\0\0\0\0")));
    CHECK(!hll_is(STR("HYLL\0\0\0\0\0\0\0\0\0\0\0\0")));
    CHECK(!hll_is(STR("hyll\1\0\0\0\0\0\0\0\0\0\0\0")));
}

static void test_hll_registers_beyond_the_hash(void) {
    uint8_t room[HLL_ROOM], max[HLL_REGISTERS] = { 0 };
    struct hll h = { .p = room };
    uint64_t count;

    hll_init(&h);
    CHECK(hll_to_dense(&h));
    memset(h.p + HLL_HEAD, 0xff, HLL_DENSE_SIZE - HLL_HEAD);
    CHECK(!hll_count(hll_model_str(&h), &count));
    CHECK(!hll_merge(max, hll_model_str(&h)));
    memset(max, HLL_MOST, sizeof max);
    CHECK(hll_count_registers(max) == INT64_MAX);
}

#define TESTS_HLL \
    T(test_hll_model) T(test_hll_in_order) T(test_hll_bytes) \
    T(test_hll_size_decides) \
    T(test_hll_corrupt) T(test_hll_registers_beyond_the_hash)
