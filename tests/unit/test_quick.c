/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Where every change is followed by a walk, fewer of them must do. */
#ifdef KVNS_VERIFY
#define TEST_QUICK_MANY 1
#else
#define TEST_QUICK_MANY 10
#endif

/* A list beside a plain array of strings. */
struct test_quick {
    struct quick q;
    struct mem m;
    struct str s[1200];         /* each from malloc */
    size_t n;
};

/* A frozen list and what it must say. */
struct test_quick_frozen {
    struct quick_frozen f;
    struct str s[1200];
    size_t n, at;
    bool on;
};

static struct str test_quick_copy(struct str s) {
    char *p = malloc(s.n + 1);

    CHECK(p != NULL);
    memcpy(p, s.p, s.n);
    return str_of(p, s.n);
}

static void test_quick_same(struct test_quick *t) {
    struct quick_at at = quick_first(&t->q);
    struct pack_item it;
    char tmp[24];

    CHECK_INT(t->q.len, t->n);
    for (size_t i = 0; i < t->n; i++) {
        CHECK(quick_read(&at, &it));
        CHECK(str_eq(pack_item_str(&it, tmp), t->s[i]));
    }
    CHECK(at.node == NULL && !quick_read(&at, &it));
    at = quick_last(&t->q);
    for (size_t i = t->n; i-- > 0;) {
        CHECK(quick_read_back(&t->q, &at, &it));
        CHECK(str_eq(pack_item_str(&it, tmp), t->s[i]));
    }
    CHECK(at.node == NULL && !quick_read_back(&t->q, &at, &it));
}

/* Does a position name element i of the model? */
static void test_quick_at(struct test_quick *t, struct quick_at at, size_t i) {
    struct quick_at want = quick_index(&t->q, i);

    CHECK(at.node == want.node);
    CHECK_INT(at.off, want.off);
}

static void test_quick_model_put(struct test_quick *t, size_t i,
                                 struct str s) {
    memmove(t->s + i + 1, t->s + i, (t->n++ - i) * sizeof *t->s);
    t->s[i] = test_quick_copy(s);
}

static void test_quick_model_drop(struct test_quick *t, size_t i, size_t n) {
    for (size_t k = i; k < i + n; k++) free((char *)t->s[k].p);
    t->n -= n;
    memmove(t->s + i, t->s + i + n, (t->n - i) * sizeof *t->s);
}

static struct str test_quick_random(char *b, size_t most) {
    size_t n;

    if (unit_rand() % 4 == 0) {
        n = (size_t)snprintf(b, 32, "%" PRId64,
                             (int64_t)unit_rand() >> unit_rand() % 64);
        return str_of(b, n);
    }
    n = unit_rand() % (unit_rand() % 16 == 0 ? most : 20);
    memset(b, (int)('a' + unit_rand() % 26), n);
    return str_of(b, n);
}

static void test_quick_thaw(struct test_quick_frozen *f) {
    for (size_t i = 0; i < f->n; i++) free((char *)f->s[i].p);
    f->on = false;
}

static void test_quick_take_down(struct test_quick *t,
                                 struct test_quick_frozen *f) {
    quick_freeze(&t->q, &f->f);
    f->on = true;
    f->n = t->n;
    f->at = 0;
    for (size_t i = 0; i < t->n; i++) f->s[i] = test_quick_copy(t->s[i]);
}

/* Read the next pack of a frozen list. */
static void test_quick_frozen_step(struct test_quick *t,
                                   struct test_quick_frozen *f) {
    struct str pack;
    size_t count;
    char tmp[24];

    if (!quick_frozen_next(&f->f, &t->m, &pack, &count)) {
        CHECK_INT(f->at, f->n);
        test_quick_thaw(f);
    } else {
        const uint8_t *p = (const uint8_t *)pack.p;

        for (size_t at = 0; at < pack.n; count--) {
            struct pack_item it;

            at = pack_read(p, pack.n, at, &it);
            CHECK(f->at < f->n);
            CHECK(str_eq(pack_item_str(&it, tmp), f->s[f->at++]));
        }
        CHECK_INT(count, 0);
    }
}

/* One random change of list and model.  Where memory was refused the list
 * must be as it was, and the model stays. */
static void test_quick_change(struct test_quick *t, size_t most) {
    enum quick_end end = unit_rand() % 2 ? QUICK_HEAD : QUICK_TAIL;
    size_t i = t->n > 0 ? unit_rand() % t->n : 0, k;
    struct quick_at at = quick_index(&t->q, i);
    char b[2048];
    struct str s = test_quick_random(b, most);
    bool after = unit_rand() % 2;

    switch (unit_rand() % 9) {
    case 0: case 1: case 2:
        if (t->n < ROWS(t->s) && quick_push(&t->q, &t->m, end, s))
            test_quick_model_put(t, end == QUICK_HEAD ? 0 : t->n, s);
        break;
    case 3:
        if (t->n == 0) break;
        quick_pop(&t->q, &t->m, end);
        test_quick_model_drop(t, end == QUICK_HEAD ? 0 : t->n - 1, 1);
        break;
    case 4: case 5:
        if (t->n == 0 || t->n == ROWS(t->s)) break;
        if (!quick_insert(&t->q, &t->m, &at, s, after)) break;
        test_quick_model_put(t, i + after, s);
        test_quick_at(t, at, i + after);
        break;
    case 6:
        if (t->n == 0 || !quick_replace(&t->q, &t->m, &at, s)) break;
        free((char *)t->s[i].p);
        t->s[i] = test_quick_copy(s);
        test_quick_at(t, at, i);
        break;
    case 7:
        if (t->n == 0 || !quick_drop(&t->q, &t->m, &at)) break;
        test_quick_model_drop(t, i, 1);
        test_quick_at(t, at, i);
        break;
    default:
        k = unit_rand() % (unit_rand() % 10 == 0 ? 100 : 5);
        if (!quick_drop_range(&t->q, &t->m, i, k)) break;
        test_quick_model_drop(t, i, size_min(k, t->n - i));
    }
}

static void test_quick_run(int rounds, size_t most, uint32_t count) {
    static struct test_quick t;
    static struct test_quick_frozen f;

    mem_init(&t.m);
    quick_init(&t.q, -1);
    t.q.most_bytes = (uint32_t)most;
    t.q.most_count = count;
    t.n = 0;
    f.on = false;
    for (int round = 0; round < rounds; round++) {
#if defined(KVNS_FAULTS)
        mem_countdown = unit_rand() % 4 == 0 ? (long)(unit_rand() % 3) : -1;
#endif
        if (unit_rand() % 8 != 0) test_quick_change(&t, most * 2);
        else if (f.on) test_quick_frozen_step(&t, &f);
        else if (unit_rand() % 4 == 0) test_quick_take_down(&t, &f);
#if defined(KVNS_FAULTS)
        mem_countdown = -1;
#endif
        quick__verify(&t.q);
        if (round % 16 == 0 || most < 100) test_quick_same(&t);
        if (!f.on) CHECK_INT(t.m.used, t.q.held);
        if (!f.on) CHECK_INT(t.m.kept, 0);
    }
    while (t.q.nodes > 0) quick_free_step(&t.q, &t.m, 2);
    CHECK_INT(t.q.len + t.q.bytes + t.q.held, 0);
    while (f.on) test_quick_frozen_step(&t, &f);
    CHECK_INT(t.m.used, 0);
    test_quick_model_drop(&t, 0, t.n);
    mem_fini(&t.m);
}

static void test_quick_model(void) {
    for (int i = 0; i < 4; i++) {
        test_quick_run(3000, 60, UINT32_MAX);
        test_quick_run(6000, 250, UINT32_MAX);
        test_quick_run(6000, 800, 8);
        test_quick_run(3000, 800, 1);
        test_quick_run(3000, 1000, UINT32_MAX);
    }
}

/* Pushing and taking at every combination of ends, far longer than a node. */
static void test_quick_ends(void) {
    struct quick q;
    struct mem m;
    struct pack_item it;
    char b[24], tmp[24];

    mem_init(&m);
    for (int mode = 0; mode < 4; mode++) {
        enum quick_end in = mode & 1 ? QUICK_HEAD : QUICK_TAIL;
        enum quick_end out = mode & 2 ? QUICK_HEAD : QUICK_TAIL;
        size_t wave, first = 0, next = 0;

        quick_init(&q, -1);
        for (wave = 0; wave < 30; wave++) {
            size_t put = unit_rand() % (200 * TEST_QUICK_MANY);
            size_t take = unit_rand() % (200 * TEST_QUICK_MANY);

            for (; put > 0; put--, next++) {
                struct str s = str_of(b, num_put_int(b, (int64_t)next));

                CHECK(quick_push(&q, &m, in, s));
            }
            for (; take > 0 && q.len > 0; take--) {
                struct str s;

                CHECK(quick_peek(&q, out, &it));
                s = pack_item_str(&it, tmp);
                if (in == out) first = --next;
                CHECK(str_eq(s, str_of(b, num_put_int(b, (int64_t)first))));
                if (in != out) first++;
                quick_pop(&q, &m, out);
                if (in == out) first = 0;
            }
            CHECK_INT(q.len, next - first);
            CHECK_INT(q.held, m.used);
            CHECK(q.held <= q.bytes * 5 / 4 + 20000);
        }
        quick_free(&q, &m);
        CHECK_INT(m.used, 0);
    }
    CHECK(!quick_peek(&q, QUICK_HEAD, &it));
    mem_fini(&m);
}

/* Both ends in turn must not slide the pack each time, nor waste room. */
static void test_quick_both_ends(void) {
    struct quick q;
    struct mem m;
    struct quick_at at;
    struct pack_item it = { { NULL, 0 }, 0, false };

    mem_init(&m);
    quick_init(&q, -2);
    for (int i = 0; i < 2000 * TEST_QUICK_MANY; i++) {
        char b[24];

        CHECK(quick_push(&q, &m, i % 2 ? QUICK_HEAD : QUICK_TAIL,
                         str_of(b, num_put_int(b, i % 2 ? -i : i))));
    }
    CHECK(q.held <= q.bytes * 5 / 4 + 20000);
    at = quick_first(&q);
    for (int i = 2000 * TEST_QUICK_MANY - 1; quick_read(&at, &it); i -= 2)
        CHECK_INT(it.i, i > 0 ? -i : -i - 1);
    quick_free(&q, &m);
    mem_fini(&m);
}

static void test_quick_packs(void) {
    struct quick q;
    struct mem m;
    uint8_t *p = malloc(1 << 17), *back = malloc(1 << 17);
    size_t n = 0;
    char b[400];

    CHECK(p != NULL && back != NULL);
    mem_init(&m);
    while (n < 100000) n += pack_write(p + n, test_quick_random(b, 400));
    for (int fill = -5; fill < 100; fill += 15) {
        quick_init(&q, fill);
        CHECK(quick_append_pack(&q, &m, p, n));
        CHECK_INT(q.len, pack_count(p, n));
        CHECK_INT(q.bytes, n);
        CHECK_INT(quick_to_pack(&q, back), n);
        CHECK(memcmp(p, back, n) == 0);
        for (struct quick_node *x = q.head; x != NULL; x = x->next)
            CHECK(x->bytes <= q.most_bytes && x->count <= q.most_count);
#if defined(KVNS_FAULTS) && defined(KVNS_MALLOC)
        mem_countdown = (long)(unit_rand() % 2);
        CHECK(!quick_append_pack(&q, &m, p, n));
        mem_countdown = -1;
        quick__verify(&q);
        CHECK_INT(q.bytes, n);
#endif
        CHECK(quick_append_node(&q, &m, p, n, pack_count(p, n)));
        quick__verify(&q);
        quick_free(&q, &m);
        CHECK_INT(m.used, 0);
    }
    CHECK_INT(quick_to_pack(&q, back), 0);
    mem_fini(&m);
    free(p);
    free(back);
}

/* Elements larger than a node, between small ones. */
static void test_quick_large(void) {
    static char big[100000];
    struct quick q;
    struct quick_at at, want;
    struct mem m;

    mem_init(&m);
    quick_init(&q, -2);
    memset(big, 'x', sizeof big);
    for (int i = 0; i < 10; i++) {
        CHECK(quick_push(&q, &m, QUICK_TAIL, STR("small")));
        CHECK(quick_push(&q, &m, QUICK_TAIL, str_of(big, sizeof big)));
    }
    at = quick_index(&q, 1);
    CHECK(quick_replace(&q, &m, &at, STR("tiny")));
    CHECK(quick_replace(&q, &m, &at, str_of(big, 50000)));
    CHECK(quick_replace(&q, &m, &at, str_of(big, 49000)));
    at = quick_index(&q, 0);
    CHECK(quick_insert(&q, &m, &at, str_of(big, 20000), true));
    want = quick_index(&q, 1);
    CHECK(at.node == want.node && at.off == want.off);
    CHECK_INT(q.len, 21);
    CHECK(q.held < q.bytes + 21 * 1200);
    quick_free(&q, &m);
    CHECK_INT(m.used, 0);
    mem_fini(&m);
}

#define TESTS_QUICK                                                          \
    T(test_quick_model)                                                      \
    T(test_quick_ends)                                                       \
    T(test_quick_both_ends)                                                  \
    T(test_quick_packs)                                                      \
    T(test_quick_large)
