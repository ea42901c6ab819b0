/* SPDX-License-Identifier: MIT */
#include "unit.h"

enum { TEST_IDS_MOST = 3000 };

/* A tree beside a sorted array; and one frozen moment of both. */
struct test_ids {
    struct ids t;
    struct mem m;
    size_t held;
    struct { struct stream_id id; uint64_t value; } v[TEST_IDS_MOST];
    size_t n;
    struct ids_frozen was;
    bool freezing;
    uint32_t epoch;
    size_t then;
    struct { struct stream_id id; uint64_t value; bool seen; }
        frozen[TEST_IDS_MOST];
};

struct test_ids_item {
    struct stream_id id;
    uint64_t value;
};

static struct stream_id test_ids_any(unsigned span) {
    return (struct stream_id){ unit_rand() % span, unit_rand() % 3 };
}

/* Where an ID is in the array, or would be. */
static size_t test_ids_at(const struct test_ids *t, struct stream_id id) {
    size_t i = 0;

    while (i < t->n && stream_id_cmp(t->v[i].id, id) < 0) i++;
    return i;
}

static void test_ids_same(struct test_ids *t) {
    struct ids_at at = ids_first(&t->t);
    struct test_ids_item it;

    CHECK_INT(t->t.count, t->n);
    for (size_t i = 0; i < t->n; i++, ids_next(&at)) {
        CHECK(at.leaf != NULL);
        memcpy(&it, ids_item(at), sizeof it);
        CHECK(stream_id_cmp(it.id, t->v[i].id) == 0);
        CHECK(it.value == t->v[i].value);
    }
    CHECK(at.leaf == NULL);
    at = ids_last(&t->t);
    for (size_t i = t->n; i-- > 0; ids_prev(&at)) {
        CHECK(at.leaf != NULL);
        memcpy(&it, ids_item(at), sizeof it);
        CHECK(stream_id_cmp(it.id, t->v[i].id) == 0);
    }
    CHECK(at.leaf == NULL);
#ifdef KVNS_VERIFY
    CHECK_INT(ids__verify(&t->t), t->held);
#endif
}

static void test_ids_seek(struct test_ids *t, struct stream_id id) {
    size_t i = test_ids_at(t, id);
    bool there = i < t->n && stream_id_cmp(t->v[i].id, id) == 0;
    struct ids_at at = ids_seek(&t->t, id);
    struct test_ids_item it;

    CHECK((at.leaf != NULL) == (i < t->n));
    if (at.leaf != NULL) {
        memcpy(&it, ids_item(at), sizeof it);
        CHECK(stream_id_cmp(it.id, t->v[i].id) == 0);
    }
    CHECK((ids_find(&t->t, id) != NULL) == there);
    at = ids_seek_back(&t->t, id);
    if (!there && i == 0) {
        CHECK(at.leaf == NULL);
        return;
    }
    memcpy(&it, ids_item(at), sizeof it);
    CHECK(stream_id_cmp(it.id, t->v[there ? i : i - 1].id) == 0);
}

static void test_ids_freeze(struct test_ids *t) {
    ids_freeze(&t->t, &t->was, ++t->epoch);
    t->freezing = true;
    t->then = t->n;
    for (size_t i = 0; i < t->n; i++) {
        t->frozen[i].id = t->v[i].id;
        t->frozen[i].value = t->v[i].value;
        t->frozen[i].seen = false;
    }
}

/* Read some leaves of what was frozen: each item once, as it was. */
static void test_ids_read(struct test_ids *t, size_t most) {
    struct ids_leaf *leaf;

    for (; t->freezing && most > 0; most--) {
        t->freezing = ids_frozen_next(&t->was, &leaf);
        if (!t->freezing || leaf == NULL) continue;
        for (size_t j = 0; j < leaf->n; j++) {
            struct test_ids_item it;
            size_t lo = 0, hi = t->then;

            memcpy(&it, ids__at(leaf, j), sizeof it);
            while (lo < hi) {
                size_t mid = (lo + hi) / 2;

                if (stream_id_cmp(t->frozen[mid].id, it.id) < 0) lo = mid + 1;
                else hi = mid;
            }
            CHECK(lo < t->then && stream_id_cmp(t->frozen[lo].id, it.id) == 0);
            CHECK(!t->frozen[lo].seen && t->frozen[lo].value == it.value);
            t->frozen[lo].seen = true;
        }
        ids_frozen_read(&t->was, &t->m, leaf);
    }
}

static void test_ids_thaw(struct test_ids *t) {
    test_ids_read(t, SIZE_MAX);
    for (size_t i = 0; i < t->then; i++) CHECK(t->frozen[i].seen);
    CHECK_INT(t->was.count, 0);
    CHECK(t->t.frozen == NULL && t->was.kept == NULL);
    CHECK_INT(t->m.kept, 0);
    CHECK_INT(t->m.used, t->held);
}

static void test_ids_put(struct test_ids *t, struct stream_id id) {
    size_t i = test_ids_at(t, id);
    bool there = i < t->n && stream_id_cmp(t->v[i].id, id) == 0, made;
    struct test_ids_item *it;

    if (t->n == TEST_IDS_MOST) return;
    it = ids_put(&t->t, &t->m, &t->held, id, &made);
    if (it == NULL) return;
    CHECK(made == !there);
    CHECK(stream_id_cmp(it->id, id) == 0);
    if (!there) {
        CHECK(it->value == 0);
        memmove(t->v + i + 1, t->v + i, (t->n - i) * sizeof *t->v);
        t->v[i].id = id;
        t->n++;
    }
    it->value = t->v[i].value = unit_rand();
}

static void test_ids_drop(struct test_ids *t, struct stream_id id) {
    size_t i = test_ids_at(t, id);
    bool there = i < t->n && stream_id_cmp(t->v[i].id, id) == 0, found;

    if (!ids_drop(&t->t, &t->m, &t->held, id, &found)) {
        CHECK(there && !found);
        return;
    }
    CHECK(found == there);
    if (!there) return;
    t->n--;
    memmove(t->v + i, t->v + i + 1, (t->n - i) * sizeof *t->v);
}

static void test_ids_change(struct test_ids *t, unsigned span) {
    struct stream_id id = test_ids_any(span);
    struct test_ids_item *it;
    bool refused;
    size_t i;

    switch (unit_rand() % 10) {
    case 0: case 1: case 2: test_ids_put(t, id); break;
    case 3: case 4:                 /* at the end, as IDs mostly come */
        if (t->n > 0) id = t->v[t->n - 1].id;
        id.seq++;
        test_ids_put(t, id);
        break;
    case 5: case 6: test_ids_drop(t, id); break;
    case 7:                         /* one that is there */
        if (t->n > 0) test_ids_drop(t, t->v[unit_rand() % t->n].id);
        break;
    case 8:
        it = ids_edit(&t->t, &t->m, &t->held, id, &refused);
        i = test_ids_at(t, id);
        if (it == NULL) break;
        CHECK(i < t->n && stream_id_cmp(t->v[i].id, id) == 0);
        it->value = t->v[i].value = unit_rand();
        break;
    default: test_ids_seek(t, id);
    }
}

static void test_ids_empty(struct test_ids *t) {
    while (t->t.count > 0) ids_drop_leaf(&t->t, &t->m, &t->held);
    CHECK(t->t.root == NULL && t->t.first == NULL && t->t.last == NULL);
    CHECK_INT(t->held, 0);
    t->n = 0;
}

/* Random changes, some of them refused, beside an array. */
static void test_ids_model(void) {
    struct test_ids *t = calloc(1, sizeof *t);

    CHECK(t != NULL);
    mem_init(&t->m);
    ids_init(&t->t, sizeof(struct test_ids_item));
    for (int round = 0; round < 12; round++) {
        unsigned span = round % 3 == 0 ? 20 : round % 3 == 1 ? 300 : 5000;

        for (int i = 0; i < 4000; i++) {
#if defined(KVNS_FAULTS) && defined(KVNS_MALLOC)
            if (unit_rand() % 16 == 0) mem_countdown = (long)(unit_rand() % 3);
#endif
            test_ids_change(t, span);
#if defined(KVNS_FAULTS) && defined(KVNS_MALLOC)
            mem_countdown = -1;
#endif
            if (i % 100 == 0) test_ids_same(t);
            if (i % 500 == 0) test_ids_freeze(t);
            if (i % 20 == 0) test_ids_read(t, unit_rand() % 3);
            if (i % 500 == 499) test_ids_thaw(t);
        }
        if (round % 2 == 0) test_ids_freeze(t);
        if (round % 4 < 2) test_ids_empty(t);
        if (round % 8 == 0) ids_frozen_orphan(&t->t);
        if (round % 2 == 0) test_ids_thaw(t);
    }
    test_ids_empty(t);
    CHECK_INT(t->m.used, 0);
    mem_fini(&t->m);
    free(t);
}

/* What comes in order fills its leaves; and goes from the front. */
static void test_ids_in_order(void) {
    struct test_ids *t = calloc(1, sizeof *t);
    bool made, found;
    size_t n = 100000;

    CHECK(t != NULL);
    mem_init(&t->m);
    ids_init(&t->t, sizeof(struct stream_id));
    for (size_t i = 0; i < n; i++)
        CHECK(ids_put(&t->t, &t->m, &t->held, (struct stream_id){ i, 1 },
                      &made) != NULL && made);
    CHECK(t->held < n * 18);
    for (size_t i = 0; i < n; i++) {
        CHECK(ids_drop(&t->t, &t->m, &t->held, (struct stream_id){ i, 1 },
                       &found) && found);
        CHECK_INT(t->t.count, n - i - 1);
    }
    CHECK_INT(t->m.used, 0);
    mem_fini(&t->m);
    free(t);
}

/* One more and one less, at the ends of the two halves of an ID. */
static void test_ids_steps(void) {
    struct stream_id id = { 1, UINT64_MAX };

    CHECK(stream_id_next(&id) && id.ms == 2 && id.seq == 0);
    CHECK(stream_id_prev(&id) && id.ms == 1 && id.seq == UINT64_MAX);
    id = (struct stream_id){ UINT64_MAX, UINT64_MAX };
    CHECK(!stream_id_next(&id));
    id = (struct stream_id){ 0, 0 };
    CHECK(!stream_id_prev(&id));
}

#define TESTS_IDS                                                            \
    T(test_ids_model)                                                        \
    T(test_ids_in_order)                                                     \
    T(test_ids_steps)
