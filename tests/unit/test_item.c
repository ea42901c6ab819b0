/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* What an item should say. */
struct test_item {
    struct str key, value;
    double score;
    int64_t deadline;
    bool has_value, has_score, has_deadline, mark;
};

static void test_item_same(const struct item *it, const struct test_item *t) {
    CHECK(str_eq(item_key(it), t->key));
    CHECK(str_eq(item_value(it), t->has_value ? t->value : STR("")));
    if (t->has_score) CHECK(item_score(it) == t->score);
    CHECK(item_has_deadline(it) == t->has_deadline);
    CHECK_INT(item_deadline(it), t->has_deadline ? t->deadline : INT64_MAX);
    CHECK(item_mark(it) == t->mark);
}

static struct item *test_item_make(struct mem *m, const struct test_item *t) {
    return item_try(m, t->key, t->has_value ? &t->value : NULL,
                    t->has_score ? &t->score : NULL,
                    t->has_deadline ? &t->deadline : NULL);
}

/* The sizes that the design promises. */
static void test_item_sizes(void) {
    struct str v = STR("0123456789abcdef");
    double score = 1.5;
    int64_t at = 7;
    struct item *it;
    struct mem m;

    mem_init(&m);
    it = item_try(&m, STR("member:0000001"), NULL, NULL, NULL);
    CHECK_INT(item_bytes(it), 16);
    CHECK_INT(m.used, 16);
    item_drop(&m, it);
    it = item_try(&m, STR("member:0000001"), NULL, &score, NULL);
    CHECK_INT(item_bytes(it), 24);
    item_drop(&m, it);
    it = item_try(&m, STR("f01"), &v, NULL, NULL);
    CHECK_INT(item_bytes(it), 22);
    item_drop(&m, it);
    it = item_try(&m, STR("f01"), &v, NULL, &at);
    CHECK_INT(item_bytes(it), 30);
    item_drop(&m, it);
    item_drop(&m, NULL);
    CHECK_INT(m.used, 0);
    mem_fini(&m);
}

/* Every combination of parts and lengths, then values and deadlines put in,
 * changed and taken away. */
static void test_item_model(void) {
    static const size_t lens[] = { 0, 1, 2, 14, 15, 100, 254, 255, 256, 300,
                                   4095, 8120, 9000 };
    static char key[9000], value[9000];
    struct mem m;

    mem_init(&m);
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (char)unit_rand();
        value[i] = (char)unit_rand();
    }
    for (int round = 0; round < 5000; round++) {
        unsigned bits = (unsigned)unit_rand();
        struct test_item t = {
            str_of(key, lens[unit_rand() % ROWS(lens)]),
            str_of(value, lens[unit_rand() % ROWS(lens)]),
            (double)(int64_t)unit_rand(), (int64_t)unit_rand(),
            bits & 1, bits & 2, bits & 4, false
        };
        struct item *it = test_item_make(&m, &t), *next;

        CHECK(it != NULL);
        for (int step = 0; step < 12; step++) {
            test_item_same(it, &t);
            CHECK_INT(m.used, mem_size(item_bytes(it)));
            switch (unit_rand() % 5) {
            case 0:
                t.mark = !t.mark;
                item_set_mark(it, t.mark);
                break;
            case 1:
                if (!t.has_score) break;
                t.score = -t.score / 3;
                item_set_score(it, t.score);
                break;
            case 2:
            case 3:
                t.has_value = true;
                t.value.n = unit_rand() % 2 == 0
                                ? lens[unit_rand() % ROWS(lens)]
                                : size_min(t.value.n + unit_rand() % 3, 9000);
                t.value.p = value + unit_rand() % (9001 - t.value.n);
                next = item_with_value(&m, it, t.value);
                CHECK(next != NULL);
                it = next;
                break;
            default:
                t.has_deadline = unit_rand() % 3 != 0;
                t.deadline = (int64_t)unit_rand();
                next = item_with_deadline(&m, it, t.has_deadline ? &t.deadline
                                                                 : NULL);
                CHECK(next != NULL);
                it = next;
            }
        }
        test_item_same(it, &t);
        item_drop(&m, it);
        CHECK_INT(m.used, 0);
    }
    mem_fini(&m);
}

/* A value of the same class stays where it is. */
static void test_item_in_place(void) {
    struct str a = STR("aaaaaaaa"), b = STR("bbbbbb");
    struct item *it;
    struct mem m;

    mem_init(&m);
    it = item_try(&m, STR("field"), &a, NULL, NULL);
    CHECK(item_with_value(&m, it, b) == it);
    CHECK_STR(item_value(it), "bbbbbb");
    CHECK_STR(item_key(it), "field");
    item_drop(&m, it);
    CHECK_INT(m.used, 0);
    mem_fini(&m);
}

#if defined(KVNS_FAULTS)
static void test_item_refused(void) {
    struct str a = STR("a"), b = STR("a much longer value than before");
    struct test_item t = { STR("k"), a, 2.5, 9, true, true, false, true };
    static char big[9000];
    struct item *it;
    struct mem m;

    mem_init(&m);
    t.key = str_of(big, 9000);
    mem_countdown = 0;
    CHECK(test_item_make(&m, &t) == NULL);
    mem_countdown = -1;
    it = test_item_make(&m, &t);
    item_set_mark(it, true);
    mem_countdown = 0;
    CHECK(item_with_value(&m, it, b) == NULL);
    test_item_same(it, &t);
    mem_countdown = 0;
    CHECK(item_with_deadline(&m, it, &t.deadline) == NULL);
    test_item_same(it, &t);
    mem_countdown = -1;
    item_drop(&m, it);
    CHECK_INT(m.used, 0);
    mem_fini(&m);
}
#define TEST_ITEM_REFUSED T(test_item_refused)
#else
#define TEST_ITEM_REFUSED
#endif

/* Strings that are alike in the beginning, against a loop over bytes. */
static void test_item_order(void) {
    for (int i = 0; i < 20000; i++) {
        char a[40], b[40];
        size_t m = (size_t)(unit_rand() % 40), n = (size_t)(unit_rand() % 40);
        size_t at = 0;
        int want;

        for (size_t j = 0; j < sizeof a; j++) a[j] = b[j] = (char)unit_rand();
        if (unit_rand() % 4 != 0) b[unit_rand() % 40] = (char)unit_rand();
        while (at < m && at < n && a[at] == b[at]) at++;
        want = at < m && at < n ?
                   ((unsigned char)a[at] < (unsigned char)b[at] ? -1 : 1) :
                   (m > n) - (m < n);
        n = (size_t)str_cmp(str_of(a, m), str_of(b, n));
        CHECK_INT(((int)n > 0) - ((int)n < 0), want);
    }
}

#define TESTS_ITEM                                                           \
    T(test_item_order)                                                       \
    T(test_item_sizes)                                                       \
    T(test_item_model)                                                       \
    T(test_item_in_place)                                                    \
    TEST_ITEM_REFUSED
