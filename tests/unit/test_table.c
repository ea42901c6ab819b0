/* SPDX-License-Identifier: MIT */
/* table against a naive model, its scan under growth, its draws. */
#include "unit.h"

enum { TABLE_TEST_KEYS = 30000 };

struct table_test_item {
    uint64_t key;
    int present, stayed, seen;
};

struct table_test {
    struct mem m;
    struct table t;
    struct table_test_item *items;
    uint64_t mask;              /* bits of the hash left alive */
};

static uint64_t table_test_mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static uint64_t table_test_hash(const void *ctx, const void *item) {
    const struct table_test *tt = ctx;
    const struct table_test_item *it = item;

    return table_test_mix(it->key) & tt->mask;
}

static void *table_test_find(struct table_test *tt, size_t k,
                             struct table_at *at) {
    uint64_t h = table_test_mix(tt->items[k].key) & tt->mask;

    for (void *p = table_first(&tt->t, h, at); p != NULL; p = table_next(at))
        if (((struct table_test_item *)p)->key == tt->items[k].key) return p;
    return NULL;
}

static void table_test_toggle(struct table_test *tt, size_t k) {
    struct table_test_item *it = &tt->items[k];
    struct table_at at;
    void *p = table_test_find(tt, k, &at);

    CHECK((p != NULL) == (it->present != 0));
    if (p != NULL) {
        table_drop(&tt->t, &tt->m, &at);
    } else {
        CHECK(table_put(&tt->t, &tt->m, table_test_hash(tt, it), it,
                        table_test_hash, tt));
    }
    it->present = !it->present;
}

static void table_test_new(struct table_test *tt, uint64_t mask) {
    memset(tt, 0, sizeof *tt);
    mem_init(&tt->m);
    table_init(&tt->t);
    tt->mask = mask;
    tt->items = calloc(TABLE_TEST_KEYS, sizeof *tt->items);
    for (size_t i = 0; i < TABLE_TEST_KEYS; i++) tt->items[i].key = i;
}

static void table_test_forget(void *ctx, void *item) {
    (void)ctx;
    ((struct table_test_item *)item)->present = 0;
}

static void table_test_free(struct table_test *tt) {
    size_t budget = 100;

    while (!table_free_step(&tt->t, &tt->m, &budget, table_test_forget, NULL))
        budget = 100;
    CHECK_INT(tt->m.used, 0);
    mem_fini(&tt->m);
    free(tt->items);
}

static void table_test_churn(uint64_t mask, size_t rounds, size_t limit) {
    struct table_test tt;

    table_test_new(&tt, mask);
    for (size_t i = 0; i < rounds; i++) {
        size_t span = limit * ((i * 8 / rounds) % 4 + 1) / 4;
        size_t k = (size_t)(unit_rand() % span);

        table_test_toggle(&tt, k);
        if (i % 997 == 0) table__verify(&tt.t);
    }
    for (size_t k = 0; k < limit; k++)
        if (tt.items[k].present) table_test_toggle(&tt, k);
    CHECK_INT(tt.t.count, 0);
    CHECK_INT(tt.m.used, 0);
    table_test_free(&tt);
}

static void test_table_model(void) {
    table_test_churn(UINT64_MAX, 200000, TABLE_TEST_KEYS);
    table_test_churn(UINT64_MAX, 20000, 60);
}

static void test_table_bad_hashes(void) {
    table_test_churn(0xffff000000000000, 4000, 900);  /* one segment picked */
    table_test_churn(0x00000000ffffffff, 4000, 900);  /* one tag */
    table_test_churn(0, 3000, 300);                   /* all alike */
}

static void table_test_see(void *ctx, void *item) {
    (void)ctx;
    ((struct table_test_item *)item)->seen++;
}

/* Whatever stays during the scan is seen, however the table changes. */
static void test_table_scan(void) {
    for (int round = 0; round < 40; round++) {
        struct table_test tt;
        size_t n = 1 + (size_t)(unit_rand() % TABLE_TEST_KEYS);
        size_t at_start = round % 3 == 0 ? n : (size_t)(unit_rand() % n);
        uint32_t cursor = 0;
        size_t steps = 0, next = at_start;
        int grow = (int)(unit_rand() % 3);

        table_test_new(&tt, UINT64_MAX);
        for (size_t k = 0; k < at_start; k++) table_test_toggle(&tt, k);
        for (size_t k = 0; k < at_start; k++)
            tt.items[k].stayed = grow == 2 ? k % 16 == 0 : k % 2 == 0;
        do {
            cursor = table_scan(&tt.t, cursor, table_test_see, &tt);
            if (grow == 1)
                for (int j = 0; j < 20 && next < n; j++)
                    table_test_toggle(&tt, next++);
            if (grow == 2)
                for (int j = 0; j < 20 && at_start > 0; j++) {
                    size_t k = (size_t)(unit_rand() % at_start);

                    if (!tt.items[k].stayed && tt.items[k].present)
                        table_test_toggle(&tt, k);
                }
            CHECK(++steps < 400000);
        } while (cursor != 0);
        for (size_t k = 0; k < at_start; k++) {
            if (tt.items[k].stayed) CHECK(tt.items[k].seen > 0);
            if (grow == 0) CHECK_INT(tt.items[k].seen, 1);
        }
        table_test_free(&tt);
    }
}

static void test_table_draws_are_uniform(void) {
    struct table_test tt;
    struct table_at at;
    struct rand r;
    double chi = 0;
    enum { N = 2000, DRAWS = 400000 };

    table_test_new(&tt, UINT64_MAX);
    rand_seed_with(&r, unit_rand());
    for (size_t k = 0; k < N; k++) table_test_toggle(&tt, k);
    for (int i = 0; i < DRAWS; i++)
        table_test_see(NULL, table_random(&tt.t, &r, &at));
    for (size_t k = 0; k < N; k++) {
        double d = tt.items[k].seen - (double)DRAWS / N;

        chi += d * d / ((double)DRAWS / N);
    }
    CHECK(chi > N - 6 * 64 && chi < N + 6 * 64);  /* six deviations */
    table_test_free(&tt);
}

static void test_table_expect_and_rehash(void) {
    struct table_test tt;
    struct table_at at;

    table_test_new(&tt, 0xffff0000ffffffff);
    table_expect(&tt.t, &tt.m, 5000);
    for (size_t k = 0; k < 5000; k++) table_test_toggle(&tt, k);
    table__verify(&tt.t);
    tt.mask = UINT64_MAX;
    CHECK(table_rehash(&tt.t, &tt.m, table_test_hash, &tt));
    table__verify(&tt.t);
    for (size_t k = 0; k < 5000; k++) CHECK(table_test_find(&tt, k, &at));
    CHECK(table_bytes(&tt.t) == tt.m.used);
    table_test_free(&tt);
}

static void test_table_notices_attack(void) {
    struct table_test tt;

    table_test_new(&tt, 0xffff000000000000);
    for (size_t k = 0; k < 8000; k++) table_test_toggle(&tt, k);
    CHECK(tt.t.suspect);
    table_test_free(&tt);
}

#define TESTS_TABLE                                                          \
    T(test_table_model) T(test_table_bad_hashes) T(test_table_scan)          \
    T(test_table_draws_are_uniform) T(test_table_expect_and_rehash)          \
    T(test_table_notices_attack)
