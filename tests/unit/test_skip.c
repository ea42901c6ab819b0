/* SPDX-License-Identifier: MIT */
#include "unit.h"

enum { TEST_SKIP_MOST = 2000 };

/* A list beside a sorted array of the same items. */
struct test_skip {
    struct skip s;
    struct mem m;
    double score[TEST_SKIP_MOST];
    struct item *it[TEST_SKIP_MOST];
    size_t n;
    uint64_t next;              /* for names that do not repeat */
};

static int test_skip_cmp(double a, struct str ka, double b, struct str kb) {
    return a != b ? (a < b ? -1 : 1) : str_cmp(ka, kb);
}

static size_t test_skip_below(const struct test_skip *t, double score,
                              struct str key) {
    size_t i = 0;

    while (i < t->n && test_skip_cmp(t->score[i], item_key(t->it[i]), score,
                                     key) < 0)
        i++;
    return i;
}

static void test_skip_model_put(struct test_skip *t, double score,
                                struct item *it) {
    size_t i = test_skip_below(t, score, item_key(it));

    memmove(t->score + i + 1, t->score + i, (t->n - i) * sizeof *t->score);
    memmove(t->it + i + 1, t->it + i, (t->n++ - i) * sizeof *t->it);
    t->score[i] = score;
    t->it[i] = it;
}

static void test_skip_model_drop(struct test_skip *t, size_t i, size_t n) {
    t->n -= n;
    memmove(t->score + i, t->score + i + n, (t->n - i) * sizeof *t->score);
    memmove(t->it + i, t->it + i + n, (t->n - i) * sizeof *t->it);
}

static void test_skip_same(struct test_skip *t) {
    struct skip_at at = skip_first(&t->s);

    CHECK_INT(t->s.len, t->n);
    for (size_t i = 0; i < t->n; i++, skip_next(&at)) {
        CHECK(skip_item(at) == t->it[i] && skip_score(at) == t->score[i]);
        if (i % 7 == 0) {
            CHECK(skip_item(skip_at(&t->s, i)) == t->it[i]);
            CHECK_INT(skip_rank(&t->s, t->score[i], t->it[i]), i);
        }
    }
    CHECK(skip_is_end(at));
    for (size_t i = t->n; i-- > 0;) {
        skip_prev(&t->s, &at);
        CHECK(skip_item(at) == t->it[i]);
    }
    skip_prev(&t->s, &at);
    CHECK(skip_is_end(at));
    CHECK(skip_is_end(skip_at(&t->s, t->n)));
}

/* A score out of `kinds`, now and then infinite or a negative zero. */
static double test_skip_score(uint64_t kinds) {
    uint64_t r = unit_rand();

    if (r % 50 == 0) return INFINITY;
    if (r % 50 == 1) return -INFINITY;
    if (r % 50 == 2) return -0.0;
    return (double)(r / 64 % kinds) - (double)kinds / 2;
}

static struct item *test_skip_item(struct test_skip *t, double score) {
    char b[32];
    size_t n = (size_t)snprintf(b, sizeof b, "%02x:%" PRIu64,
                                (unsigned)(unit_rand() & 255), t->next++);

    return item_try(&t->m, str_of(b, n), NULL, &score, NULL);
}

/* Ranges of scores against a walk of the model. */
static void test_skip_ranges(struct test_skip *t, uint64_t kinds) {
    struct skip_range r = { test_skip_score(kinds), test_skip_score(kinds),
                            unit_rand() % 2, unit_rand() % 2 };
    size_t first = t->n, last = t->n, count = 0, rank;
    struct skip_at at;

    for (size_t i = 0; i < t->n; i++) {
        double x = t->score[i];

        if (r.exmin ? x <= r.min : x < r.min) continue;
        if (r.exmax ? x >= r.max : x > r.max) continue;
        if (count++ == 0) first = i;
        last = i;
    }
    CHECK_INT(skip_count(&t->s, skip_range_min(&r), skip_range_max(&r)),
              count);
    at = skip_first_in(&t->s, &r, &rank);
    CHECK(skip_is_end(at) == (count == 0));
    if (count > 0) CHECK(skip_item(at) == t->it[first] && rank == first);
    at = skip_last_in(&t->s, &r, &rank);
    CHECK(skip_is_end(at) == (count == 0));
    if (count > 0) CHECK(skip_item(at) == t->it[last] && rank == last);
}

/* Bounds of score and key, and of the key alone where all scores are one. */
static void test_skip_bounds(struct test_skip *t, uint64_t kinds) {
    struct skip_bound b = { test_skip_score(kinds), SKIP_KEY, { NULL, 0 } };
    char text[4];
    size_t rank, want, i;
    struct skip_at at;
    bool one = true;

    b.key = str_of(text, (size_t)snprintf(text, sizeof text, "%02x",
                                          (unsigned)(unit_rand() & 255)));
    if (t->n > 0 && unit_rand() % 2 == 0) {
        i = unit_rand() % t->n;
        b.key = item_key(t->it[i]);
        b.score = t->score[i];
    }
    for (i = 1; i < t->n; i++) one = one && t->score[i] == t->score[0];
    for (int side = SKIP_KEY; side <= (one ? SKIP_LEX_AFTER : SKIP_KEY_AFTER);
         side++) {
        b.side = (enum skip_side)side;
        for (want = 0; want < t->n; want++) {
            double x = side >= SKIP_LEX ? b.score : t->score[want];
            int d = test_skip_cmp(x, item_key(t->it[want]), b.score, b.key);

            if (d > 0 || (d == 0 && !(side & 1))) break;
        }
        at = skip_find(&t->s, b, &rank);
        CHECK_INT(rank, want);
        CHECK(skip_is_end(at) == (want == t->n));
        if (want < t->n) CHECK(skip_item(at) == t->it[want]);
    }
}

struct test_skip_dropped {
    struct test_skip *t;
    size_t i;
};

static void test_skip_each(void *arg, struct item *it) {
    struct test_skip_dropped *d = arg;

    CHECK(d->t->it[d->i++] == it);
    item_drop(&d->t->m, it);
}

static void test_skip_drop_some(struct test_skip *t, size_t most) {
    size_t i = unit_rand() % (t->n + 1), k = unit_rand() % most;
    struct test_skip_dropped d = { t, i };
    size_t want = size_min(k, t->n - i);

    CHECK_INT(skip_drop_range(&t->s, &t->m, i, k, test_skip_each, &d), want);
    CHECK_INT(d.i, i + want);
    test_skip_model_drop(t, i, want);
}

/* A scout ends in the block where the score is sought, or the first. */
static void test_skip_scouting(const struct test_skip *t, double score) {
    struct skip_scout w;
    size_t rank, steps = 0;
    const struct skip_block *x;

    if (t->s.len == 0) return;
    w = skip_scout(&t->s, score);
    x = skip__seek_bound(&t->s, &(struct skip_bound){ .score = score,
                         .side = SKIP_BEFORE }, &rank);
    while (skip_scout_step(&w)) CHECK(++steps < 10000);
    CHECK(w.block == (x == NULL ? t->s.link[0].to : x));
}

/* Give member i another score, near its old one or anywhere. */
static void test_skip_change(struct test_skip *t, size_t i, uint64_t kinds) {
    struct item *it = t->it[i];
    double old = t->score[i], score = test_skip_score(kinds);

    if (unit_rand() % 2) score = old + (double)(unit_rand() % 5) - 2;
    test_skip_scouting(t, score);
    if (!skip_move(&t->s, &t->m, old, score, it)) return;
    item_set_score(it, score);
    test_skip_model_drop(t, i, 1);
    test_skip_model_put(t, score, it);
}

static void test_skip_step(struct test_skip *t, uint64_t kinds, bool growing) {
    size_t i = t->n > 0 ? unit_rand() % t->n : 0;
    double score = test_skip_score(kinds);
    struct item *it;

    switch (unit_rand() % 16) {
    case 0: case 1: case 2: case 3: case 4: case 5: case 6:
        if (!growing && unit_rand() % 4 != 0) goto drop;
        if (t->n == TEST_SKIP_MOST) break;
        it = test_skip_item(t, score);
        if (it == NULL) break;
        if (skip_put(&t->s, &t->m, score, it)) {
            test_skip_model_put(t, score, it);
        } else {
            item_drop(&t->m, it);
        }
        break;
    case 7: case 8:
    drop:
        CHECK(!skip_drop(&t->s, &t->m, score, STR("no such member")));
        if (t->n == 0) break;
        it = t->it[i];
        CHECK(skip_drop(&t->s, &t->m, t->score[i], item_key(it)));
        item_drop(&t->m, it);
        test_skip_model_drop(t, i, 1);
        break;
    case 9: case 10: case 11:
        if (t->n > 0) test_skip_change(t, i, kinds);
        break;
    case 12:
        if (t->n == 0) break;
        score = t->score[i];
        it = item_try(&t->m, item_key(t->it[i]), NULL, &score, NULL);
        if (it == NULL) break;
        CHECK(skip_replace_item(&t->s, score, t->it[i], it));
        item_drop(&t->m, t->it[i]);
        t->it[i] = it;
        break;
    case 13:
        if (unit_rand() % 8 == 0) test_skip_drop_some(t, growing ? 20 : 300);
        break;
    case 14:
        test_skip_ranges(t, kinds);
        break;
    default:
        test_skip_bounds(t, kinds);
    }
}

static void test_skip_run(int rounds, uint64_t kinds) {
    static struct test_skip t;
    size_t blocks = 0;

    mem_init(&t.m);
    skip_init(&t.s, unit_rand());
    t.n = 0;
    for (int round = 0; round < rounds; round++) {
#if defined(KVNS_FAULTS)
        if (unit_rand() % 4 == 0) mem_countdown = (long)(unit_rand() % 3);
#endif
        test_skip_step(&t, kinds, round < rounds / 2);
#if defined(KVNS_FAULTS)
        mem_countdown = -1;
#endif
        if (round % 8 == 0) {
            /* as if all pages but those in use were sparse */
            size_t a = unit_rand() % 200;

            memset(t.m.sparse, MEM_BINS, sizeof t.m.sparse);
            skip_compact(&t.s, &t.m, a, a + unit_rand() % 300);
            memset(t.m.sparse, 0, sizeof t.m.sparse);
        }
        skip__verify(&t.s);
        if (round % 64 == 0) test_skip_same(&t);
    }
    test_skip_same(&t);
    while (t.s.len > 0) blocks += skip_free_step(&t.s, &t.m, 3);
    CHECK_INT(skip_free_step(&t.s, &t.m, 3), 0);
    CHECK(blocks > 0 || t.n == 0);
    CHECK_INT(t.s.held, 0);
    for (size_t i = 0; i < t.n; i++) item_drop(&t.m, t.it[i]);
    CHECK_INT(t.m.used, 0);
    mem_fini(&t.m);
}

static void test_skip_model(void) {
    test_skip_run(8000, 1);
    test_skip_run(8000, 3);
    test_skip_run(12000, 40);
    test_skip_run(12000, 5000);
    test_skip_run(12000, UINT64_C(1) << 50);
}

/* Members that come in order, at either end, fill their blocks. */
static void test_skip_in_order(void) {
    static struct test_skip t;

    for (int down = 0; down < 2; down++) {
        mem_init(&t.m);
        skip_init(&t.s, 1);
        for (t.n = 0; t.n < TEST_SKIP_MOST; t.n++) {
            double score = down ? -(double)t.n : (double)t.n;

            t.it[t.n] = test_skip_item(&t, score);
            CHECK(skip_put(&t.s, &t.m, score, t.it[t.n]));
        }
        CHECK(t.s.held < t.n * 21);
        CHECK_INT(skip_score(skip_at(&t.s, 1000)), down ? -999 : 1000);
        CHECK_INT(skip_score(skip_last(&t.s)), down ? 0 : 1999);
        skip_free(&t.s, &t.m);
        for (size_t i = 0; i < t.n; i++) item_drop(&t.m, t.it[i]);
        CHECK_INT(t.m.used, 0);
        mem_fini(&t.m);
    }
}

/* Appended in any order and then put into order, a list is as if each member
 * had been put: at once, or in steps. */
static void test_skip_order_run(size_t n, uint64_t kinds, size_t budget) {
    static struct test_skip t;
    struct order o;

    mem_init(&t.m);
    skip_init(&t.s, unit_rand());
    for (t.n = 0; t.n < n;) {
        double score = kinds > 1 ? test_skip_score(kinds) :
                           kinds == 0 ? -(double)t.n : 0;
        struct item *it = test_skip_item(&t, score);

        CHECK(skip_append(&t.s, &t.m, score, it));
        test_skip_model_put(&t, score, it);
    }
    if (budget == 0) {
        CHECK(order_all(&t.s));
    } else {
        size_t steps = 1;

        CHECK(order_begin(&o, &t.s));
        while (!order_step(&o, budget)) steps++;
        CHECK(o.s == NULL);
        CHECK(kinds == 0 || n < 200 || steps > 2 * n / budget);
    }
    skip__verify(&t.s);
    test_skip_same(&t);
    CHECK(t.s.held < 1700 + t.n * 22);
    for (int i = 0; i < 200; i++) test_skip_step(&t, 1000, i % 2 == 0);
    test_skip_same(&t);
    skip_free(&t.s, &t.m);
    for (size_t i = 0; i < t.n; i++) item_drop(&t.m, t.it[i]);
    CHECK_INT(t.m.used, 0);
    mem_fini(&t.m);
}

static void test_skip_order(void) {
    static const size_t sizes[] = { 0, 1, 2, 3, 16, 17, 63, 64, 65, 200,
                                    1500 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint64_t kinds = 0; kinds < 5; kinds++)
            for (size_t budget = 0; budget < 3; budget++)
                test_skip_order_run(sizes[i], kinds == 4 ? 5000 : kinds,
                                    budget * 200);
}

static void test_skip_empty(void) {
    struct skip_range all = { -INFINITY, INFINITY, false, false };
    struct skip s;
    struct mem m;
    size_t rank;

    mem_init(&m);
    skip_init(&s, 7);
    CHECK(skip_is_end(skip_first(&s)) && skip_is_end(skip_last(&s)));
    CHECK(skip_is_end(skip_at(&s, 0)));
    CHECK(skip_is_end(skip_first_in(&s, &all, &rank)));
    CHECK(skip_is_end(skip_last_in(&s, &all, &rank)));
    CHECK(!skip_drop(&s, &m, 1, STR("a")));
    CHECK_INT(skip_drop_range(&s, &m, 0, 9, test_skip_each, NULL), 0);
    skip_free(&s, &m);
    mem_fini(&m);
}

#define TESTS_SKIP                                                           \
    T(test_skip_model)                                                       \
    T(test_skip_in_order)                                                    \
    T(test_skip_order)                                                       \
    T(test_skip_empty)
