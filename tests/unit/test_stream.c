/* SPDX-License-Identifier: MIT */
#include "unit.h"

enum { TEST_STREAM_MOST = 600, TEST_STREAM_READERS = 3 };

/* An entry of the model. */
struct test_stream_entry {
    struct stream_id id;
    unsigned fields, salt;
    /* pending in the group: with whom (0: not), how often */
    int who;
    uint64_t times;
};

/* A stream with one group beside an array.  What is pending of entries that
 * are gone stays in `lost`. */
struct test_stream {
    struct stream s;
    struct mem m;
    struct test_stream_entry v[TEST_STREAM_MOST], lost[TEST_STREAM_MOST * 40];
    size_t n, nlost;
    struct readers_group *g;
    struct readers_consumer *c[TEST_STREAM_READERS];
};

/* Field or value i of an entry: some repeat, some are integers, some long. */
static struct str test_stream_word(const struct test_stream_entry *e,
                                   unsigned i, char room[80]) {
    int n;

    if (i % 2 == 0) n = snprintf(room, 80, "field%u", i + e->salt % 2);
    else if (e->salt % 3 == 0) n = snprintf(room, 80, "%u", e->salt * i);
    else n = snprintf(room, 80, "%0*u", 1 + (int)(e->salt % 70), e->salt + i);
    return str_of(room, (size_t)n);
}

static void test_stream_compare(struct stream_walk *w,
                                const struct test_stream_entry *e) {
    struct pack_item f, v;
    char tmp[24], room[80];

    CHECK(stream_id_cmp(w->id, e->id) == 0);
    CHECK_INT(w->pairs, e->fields);
    for (unsigned i = 0; i < e->fields; i++) {
        stream_field(w, &f, &v);
        CHECK(str_eq(pack_item_str(&f, tmp),
                     test_stream_word(e, 2 * i, room)));
        CHECK(str_eq(pack_item_str(&v, tmp),
                     test_stream_word(e, 2 * i + 1, room)));
    }
}

/* Everything, both ways. */
static void test_stream_same(const struct test_stream *t) {
    struct stream_id zero = { 0, 0 };
    struct stream_walk w;

    CHECK_INT(t->s.len, t->n);
    stream_walk(&t->s, zero, stream_id_max, false, &w);
    for (size_t i = 0; i < t->n; i++) {
        CHECK(stream_next(&w));
        test_stream_compare(&w, &t->v[i]);
    }
    CHECK(!stream_next(&w));
    stream_walk(&t->s, zero, stream_id_max, true, &w);
    for (size_t i = t->n; i-- > 0;) {
        CHECK(stream_next(&w));
        test_stream_compare(&w, &t->v[i]);
    }
    CHECK(!stream_next(&w));
    CHECK(stream_id_cmp(t->s.first, t->n == 0 ? zero : t->v[0].id) == 0);
    stream_verify(&t->s);
    CHECK_INT(t->m.used, t->s.held + t->m.kept);
}

/* A range between two IDs that need not be there. */
static void test_stream_range(const struct test_stream *t, bool back) {
    uint64_t most = t->s.last.ms + 2;
    struct stream_id from = { unit_rand() % most, unit_rand() % 4 };
    struct stream_id to = { unit_rand() % most, unit_rand() % 4 };
    struct stream_walk w;
    size_t n = 0;

    stream_walk(&t->s, from, to, back, &w);
    for (size_t i = 0; i < t->n; i++) {
        const struct test_stream_entry *e = &t->v[back ? t->n - 1 - i : i];

        if (stream_id_cmp(e->id, from) < 0 || stream_id_cmp(e->id, to) > 0)
            continue;
        CHECK(stream_next(&w));
        test_stream_compare(&w, e);
        n++;
    }
    CHECK(!stream_next(&w));
}

static void test_stream_pending(const struct test_stream *t) {
    size_t n = 0, of[TEST_STREAM_READERS] = { 0 };

    for (size_t i = 0; i < t->n + t->nlost; i++) {
        const struct test_stream_entry *e =
            i < t->n ? &t->v[i] : &t->lost[i - t->n];
        const struct readers_pending *p = readers_pending(t->g, e->id);

        CHECK((p != NULL) == (e->who != 0));
        if (p == NULL) continue;
        CHECK(p->who == t->c[e->who - 1] && p->times == e->times);
        of[e->who - 1]++;
        n++;
    }
    CHECK_INT(t->g->pending.count, n);
    for (int i = 0; i < TEST_STREAM_READERS; i++)
        CHECK_INT(t->c[i]->pending.count, of[i]);
}

/* The model's entry i is gone. */
static void test_stream_gone(struct test_stream *t, size_t i) {
    if (t->v[i].who != 0) t->lost[t->nlost++] = t->v[i];
    t->n--;
    memmove(t->v + i, t->v + i + 1, (t->n - i) * sizeof *t->v);
}

static void test_stream_add(struct test_stream *t, size_t most_bytes,
                            size_t most_entries) {
    struct test_stream_entry e = { t->s.last, 0, 0, 0, 0 };
    static char room[24][80];
    struct str argv[24];

    if (t->n == TEST_STREAM_MOST) return;
    if (unit_rand() % 3 != 0) e.id.ms++, e.id.seq = unit_rand() % 4;
    else e.id.seq++;
    e.fields = unit_rand() % 20 == 0 ? 12 : 1 + (unsigned)(unit_rand() % 3);
    e.salt = (unsigned)(unit_rand() % 500);
    for (unsigned i = 0; i < 2 * e.fields; i++)
        argv[i] = test_stream_word(&e, i, room[i]);
    if (stream_add(&t->s, &t->m, e.id, argv, e.fields, most_bytes,
                   most_entries))
        t->v[t->n++] = e;
}

static void test_stream_drop(struct test_stream *t) {
    size_t i = t->n == 0 ? 0 : unit_rand() % t->n;
    struct stream_id id = { unit_rand() % 50, 0 };
    bool found, there = false;

    if (t->n > 0 && unit_rand() % 8 != 0) id = t->v[i].id;
    for (i = 0; i < t->n && !there; i++)
        there = stream_id_cmp(t->v[i].id, id) == 0;
    if (!stream_drop(&t->s, &t->m, id, &found)) return;
    CHECK(found == there);
    if (!found) return;
    test_stream_gone(t, i - 1);
    stream_settle_first(&t->s);
}

static void test_stream_trim(struct test_stream *t) {
    struct stream_trim trim = { .by_id = unit_rand() % 2 == 0,
                                .roughly = unit_rand() % 3 == 0 };
    size_t keep = t->n - (t->n == 0 ? 0 : unit_rand() % (t->n / 8 + 1)), was;
    uint64_t gone;
    bool ok;

    trim.most = keep;
    if (keep < t->n) trim.min = t->v[t->n - keep].id;
    if (trim.roughly) trim.limit = unit_rand() % 300;
    ok = stream_trim(&t->s, &t->m, &trim, &gone);
    was = t->n;
    CHECK(was - gone >= keep);
    if (ok && !trim.roughly) CHECK_INT(was - gone, keep);
    if (trim.limit != 0) CHECK(gone <= trim.limit);
    for (; gone > 0; gone--) test_stream_gone(t, 0);
}

static void test_stream_give(struct test_stream *t) {
    size_t i = unit_rand() % (t->n + 1);
    int who = 1 + (int)(unit_rand() % TEST_STREAM_READERS);
    bool found, there;

    if (i == t->n) return;
    if (unit_rand() % 3 > 0) {
        if (!readers_give(&t->s.groups, t->g, &t->m, &t->s.held,
                          t->v[i].id, t->c[who - 1], 5, t->v[i].times + 1))
            return;
        t->v[i].who = who;
        t->v[i].times++;
        return;
    }
    there = t->v[i].who != 0;
    if (!readers_settle(&t->s.groups, t->g, &t->m, &t->s.held,
                        t->v[i].id, &found)) return;
    CHECK(found == there);
    t->v[i].who = 0;
}

static void test_stream_begin(struct test_stream *t) {
    static const char *const names[] = { "b", "c", "a" };

    mem_init(&t->m);
    stream_init(&t->s);
    t->g = readers_group_make(&t->s.groups, &t->m, &t->s.held, STR("g"),
                              t->s.last, 0);
    for (int i = 0; i < TEST_STREAM_READERS; i++)
        t->c[i] = readers_consumer_make(&t->s.groups, t->g, &t->m, &t->s.held,
                                        str_c(names[i]), 1);
}

static void test_stream_end(struct test_stream *t) {
    size_t budget = SIZE_MAX;

    CHECK(stream_free_step(&t->s, &t->m, &budget));
    CHECK_INT(t->m.used, 0);
    mem_fini(&t->m);
}

/* A stream frozen beside what was saved at once then; what has been read. */
struct test_stream_flow {
    struct stream_flow f;
    struct buf then, now;
    size_t whole;               /* times that nothing was lost */
};

static void test_stream_freeze(struct test_stream *t,
                               struct test_stream_flow *f) {
    stream_rdb_save(&f->then, &t->s);
    stream_rdb_freeze(&t->s, &f->f);
}

/* What was read makes a stream that is the same. */
static void test_stream_thaw(struct test_stream *t,
                             struct test_stream_flow *f) {
    struct buf again = { 0 };
    struct stream other;
    size_t budget = SIZE_MAX;
    struct rdb_in in;
    bool refused;

    while (stream_rdb_next(&f->f, &t->m, &f->now)) {}
    CHECK_INT(t->m.kept, 0);
    CHECK(t->s.frozen == NULL || t->s.frozen == &f->f.was);
    if (stream_rdb_end(&f->f)) {
        f->whole++;
        rdb_in_mem(&in, f->now.p, f->now.n);
        stream_init(&other);
        CHECK(stream_rdb_load(&other, &t->m, &in, RDB_STREAM_2, &refused));
        CHECK_INT(in.at, f->now.n);
        stream_verify(&other);
        stream_rdb_save(&again, &other);
        CHECK(str_eq(buf_str(&again), buf_str(&f->then)));
        CHECK(stream_free_step(&other, &t->m, &budget));
        rdb_in_free(&in);
        buf_free(&again);
    }
    CHECK(t->s.frozen == NULL && t->s.groups.frozen == NULL);
    buf_free(&f->then);
    buf_free(&f->now);
}

/* A group beside the one of the model, and what becomes of it. */
static void test_stream_others(struct test_stream *t) {
    struct readers *r = &t->s.groups;
    struct readers_group *g;
    struct readers_consumer *c;
    char group[] = { (char)('a' + unit_rand() % 12), 'x' };
    char who[] = { (char)('a' + unit_rand() % 12), 'x' };
    struct stream_id id = { unit_rand() % 200, 0 };
    bool found;

    g = readers_group(r, str_of(group, 2));
    if (g == NULL) {
        readers_group_make(r, &t->m, &t->s.held, str_of(group, 2), id, 3);
        return;
    }
    c = readers_consumer(g, str_of(who, 2));
    switch (unit_rand() % 24) {
    case 0: readers_group_drop(r, &t->m, &t->s.held, g); return;
    case 1: case 2:
        if (c != NULL) readers_consumer_drop(r, g, &t->m, &t->s.held, c);
        return;
    case 3: case 4: case 5: case 6: case 7:
        readers_settle(r, g, &t->m, &t->s.held, id, &found);
        return;
    case 8:
        readers_group_keep(r, &t->m, g);
        g->last = id;
        g->read++;
        return;
    case 9:
        if (readers_pending(g, id) != NULL)
            readers_again(r, g, &t->m, &t->s.held, id, 77);
        return;
    case 10:
        if (c == NULL) return;
        readers_keep(r, &t->m, g, c);
        c->seen++;
        return;
    default: break;
    }
    if (c == NULL)
        c = readers_consumer_make(r, g, &t->m, &t->s.held, str_of(who, 2), 9);
    if (c != NULL) readers_give(r, g, &t->m, &t->s.held, id, c, 6, 1);
}

/* Save, load in steps, copy: all the same. */
static void test_stream_around(struct test_stream *t, uint8_t type) {
    struct buf once = { 0 }, twice = { 0 };
    struct stream other, third;
    size_t budget = SIZE_MAX;
    struct rdb_in in;
    struct stream_rdb_in x;
    bool more = true;

    stream_rdb_save(&once, &t->s);
    rdb_in_mem(&in, once.p, once.n);
    stream_init(&other);
    stream_rdb_open(&x, &other, &t->m, &in, type);
    while (more) {
        size_t left = 1 + unit_rand() % 50;

        CHECK(stream_rdb_read(&x, &left, &more));
        CHECK(!more || left == 0);
    }
    CHECK_INT(in.at, once.n);
    stream_verify(&other);
    stream_rdb_save(&twice, &other);
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
    stream_init(&third);
    CHECK(stream_copy(&third, &t->m, &other));
    CHECK(stream_free_step(&other, &t->m, &budget));
    stream_verify(&third);
    buf_reset(&twice);
    stream_rdb_save(&twice, &third);
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
    budget = SIZE_MAX;
    CHECK(stream_free_step(&third, &t->m, &budget));
    rdb_in_free(&in);
    buf_free(&once);
    buf_free(&twice);
}

static void test_stream_change(struct test_stream *t, size_t most_bytes,
                               size_t most_entries, bool faults) {
#if defined(KVNS_FAULTS) && defined(KVNS_MALLOC)
    if (faults && unit_rand() % 16 == 0)
        mem_countdown = (long)(unit_rand() % 4);
#endif
    switch (unit_rand() % 48) {
    case 0: test_stream_trim(t); break;
    case 1: case 2: case 3: test_stream_drop(t); break;
    case 4: case 5: case 6: case 7: case 8: case 9: test_stream_give(t); break;
    default:
        if (unit_rand() % 2 == 0) test_stream_others(t);
        else test_stream_add(t, most_bytes, most_entries);
        break;
    }
#if defined(KVNS_FAULTS) && defined(KVNS_MALLOC)
    mem_countdown = -1;
#endif
    (void)faults;
}

/* Random changes, some of them refused, beside an array. */
static void test_stream_model(void) {
    static const size_t limits[][2] = {
        { 4096, 100 }, { 200, 0 }, { 0, 7 }, { 4096, 1 }, { 600, 30 }
    };
    struct test_stream *t = calloc(1, sizeof *t);

    CHECK(t != NULL);
    for (size_t round = 0; round < ROWS(limits); round++) {
        struct test_stream_flow f = { .whole = 0 };

        t->n = t->nlost = 0;
        test_stream_begin(t);
        for (int i = 0; i < 4000; i++) {
            test_stream_change(t, limits[round][0], limits[round][1],
                               i % 1600 < 800);
            if (i % 97 == 0) {
                test_stream_same(t);
                test_stream_pending(t);
            }
            test_stream_range(t, i % 2 == 0);
            if (i % 800 == 0) test_stream_freeze(t, &f);
            if (i % 800 < 600 && i % 7 == 0)
                stream_rdb_next(&f.f, &t->m, &f.now);
            if (i % 800 == 600) {
                test_stream_thaw(t, &f);
                test_stream_around(t, RDB_STREAM_2);
            }
        }
        CHECK(f.whole > 1);
        for (size_t budget = 7; !stream_free_step(&t->s, &t->m, &budget);)
            budget = 7;
        CHECK_INT(t->m.used, 0);
        mem_fini(&t->m);
    }
    free(t);
}

/* A consumer that goes takes what is pending with it along. */
static void test_stream_consumers(void) {
    struct test_stream *t = calloc(1, sizeof *t);

    CHECK(t != NULL);
    test_stream_begin(t);
    CHECK(str_eq(readers_name(t->g->who[0]), STR("a")));
    CHECK(str_eq(readers_name(t->g->who[2]), STR("c")));
    for (uint64_t i = 1; i < 1000; i++)
        CHECK(readers_give(&t->s.groups, t->g, &t->m, &t->s.held,
                           (struct stream_id){ i, 0 }, t->c[i % 3], 7, i));
    CHECK_INT(t->g->pending.count, 999);
    CHECK(readers_consumer_drop(&t->s.groups, t->g, &t->m, &t->s.held,
                                t->c[1]));
    CHECK_INT(t->g->pending.count, 666);
    CHECK(readers_consumer(t->g, STR("c")) == NULL);
    CHECK(readers_group_make(&t->s.groups, &t->m, &t->s.held, STR("f"),
                             t->s.last, 0) != NULL);
    CHECK(t->s.groups.v[0] == readers_group(&t->s.groups, STR("f")));
    stream_verify(&t->s);
    readers_group_drop(&t->s.groups, &t->m, &t->s.held, t->g);
    CHECK_INT(t->s.groups.n, 1);
    stream_verify(&t->s);
    test_stream_end(t);
    free(t);
}

/* Memory per entry of what comes in order: little more than its bytes. */
static void test_stream_is_small(void) {
    struct test_stream *t = calloc(1, sizeof *t);
    struct str argv[2] = { STR("field"), STR("a value of 20 bytes.") };
    size_t n = 10000;

    CHECK(t != NULL);
    test_stream_begin(t);
    for (uint64_t i = 1; i <= n; i++)
        CHECK(stream_add(&t->s, &t->m, (struct stream_id){ i, 0 }, argv, 1,
                         4096, 100));
    /* flags, ms, seq 2 or 3 each, the value 22, how many 2 */
    CHECK(t->s.held < n * 33);
    test_stream_end(t);
    free(t);
}

/* How many nodes Redis' radix tree has: of some sets of keys, counted by
 * hand. */
static void test_stream_radix(void) {
    struct test_stream *t = calloc(1, sizeof *t);
    struct str argv[2] = { STR("f"), STR("v") };
    static const struct { uint64_t ms; size_t nodes; } rows[] = {
        { 1, 2 },               /* 16 bytes, end */
        { 2, 6 },               /* 7 bytes; 1 2; 8 bytes, end; the same */
        { 3, 8 },
        { 0x100, 11 }           /* 6 bytes; 0 1; under 1: 9 bytes, end */
    };

    CHECK(t != NULL);
    test_stream_begin(t);
    CHECK_INT(stream_radix_nodes(&t->s), 1);
    for (size_t i = 0; i < ROWS(rows); i++) {
        CHECK(stream_add(&t->s, &t->m, (struct stream_id){ rows[i].ms, 0 },
                         argv, 1, 4096, 1));
        CHECK_INT(stream_radix_nodes(&t->s), rows[i].nodes);
    }
    test_stream_end(t);
    free(t);
}

#define TESTS_STREAM                                                         \
    T(test_stream_model)                                                     \
    T(test_stream_consumers)                                                 \
    T(test_stream_is_small)                                                  \
    T(test_stream_radix)
