/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Sorted sets, through the door of a keyspace of one shard, against an array
 * that is searched from end to end. */

enum { RANKS_MODEL = 400 };

struct ranks_model {
    struct lone *in;
    size_t n;                   /* members below, in order */
    struct { char key[16]; size_t len; double score; } v[RANKS_MODEL];
};

static struct ranks_model *ranks_model_new(uint32_t entries) {
    struct ranks_model *t = calloc(1, sizeof *t);

    CHECK(t != NULL);
    t->in = lone_new(1);
    t->in->ks.opt.zset_entries = entries;
    t->in->ks.opt.zset_value = 12;
    return t;
}

static void ranks_model_free(struct ranks_model *t) {
    lone_free(t->in);
    free(t);
}

static struct str ranks_model_key(const struct ranks_model *t, size_t i) {
    return str_of(t->v[i].key, t->v[i].len);
}

static size_t ranks_model_find(const struct ranks_model *t, struct str key) {
    size_t i = 0;

    while (i < t->n && !str_eq(ranks_model_key(t, i), key)) i++;
    return i;
}

static void ranks_model_cut(struct ranks_model *t, size_t i, size_t n) {
    memmove(t->v + i, t->v + i + n, (t->n - i - n) * sizeof *t->v);
    t->n -= n;
}

static void ranks_model_put(struct ranks_model *t, struct str key,
                            double score) {
    size_t i = ranks_model_find(t, key);

    if (i < t->n) ranks_model_cut(t, i, 1);
    for (i = t->n; i > 0; i--) {
        if (t->v[i - 1].score < score ||
            (t->v[i - 1].score == score &&
             str_cmp(ranks_model_key(t, i - 1), key) < 0))
            break;
        t->v[i] = t->v[i - 1];
    }
    memcpy(t->v[i].key, key.p, key.n);
    t->v[i].len = key.n;
    t->v[i].score = score;
    t->n++;
}

/* A member: a number as often as not, and seldom a long one. */
static struct str ranks_model_draw(char tmp[16]) {
    uint64_t r = unit_rand();
    int n = (int)(r >> 8 & 127);

    if (r % 64 == 0) n = snprintf(tmp, 16, "long-%08d", n);
    else n = snprintf(tmp, 16, r & 1 ? "%d" : "m%d", n - 60);
    return str_of(tmp, (size_t)n);
}

static double ranks_model_score(void) {
    static const double odd[] = { INFINITY, -INFINITY, 1e300, 4e18, 5e18,
                                  -4611686018427387904.0, 1e17, 0.1 };
    uint64_t r = unit_rand();

    if (r % 8 == 0) return odd[r >> 8 & 7];
    if (r % 8 < 5) return (double)(int64_t)(r >> 8 & 15) - 8;
    return (double)(int64_t)(r >> 8 & 0xffff) / 7 - 4000;
}

/* Is the key what the model says? */
static void ranks_model_check(struct ranks_model *t) {
    const struct entry *e = key_peek(&t->in->w, STR("z"));
    struct ranks_at at, back;
    struct pack_item it;
    double score;
    char tmp[24];
    size_t rank;

    CHECK((e == NULL) == (t->n == 0));
    if (e == NULL) return;
    CHECK_INT(ranks_count(e), t->n);
    ranks_seek(e, t->n, 0, &at);
    ranks_seek(e, t->n, t->n - 1, &back);
    for (size_t i = 0; i < t->n; i++) {
        ranks_read(&at, &it, &score);
        CHECK(str_eq(pack_item_str(&it, tmp), ranks_model_key(t, i)));
        CHECK(score == t->v[i].score);
        ranks_member(&back, &it);
        CHECK(str_eq(pack_item_str(&it, tmp),
                     ranks_model_key(t, t->n - 1 - i)));
        if (i + 1 == t->n) break;
        ranks_step(&at, false);
        ranks_step(&back, true);
    }
    rank = (size_t)(unit_rand() % t->n);
    ranks_seek(e, t->n, rank, &at);
    ranks_read(&at, &it, &score);
    CHECK(str_eq(pack_item_str(&it, tmp), ranks_model_key(t, rank)));
    CHECK(ranks_rank(&t->in->w, e, ranks_model_key(t, rank), &rank, &score));
    CHECK(str_eq(pack_item_str(&it, tmp), ranks_model_key(t, rank)));
    CHECK(score == t->v[rank].score);
}

/* How many members a limit has before it, counted one by one. */
static void ranks_model_limit(struct ranks_model *t) {
    const struct entry *e = key_peek(&t->in->w, STR("z"));
    struct ranks_limit limit = { 0, { ranks_model_score(), SKIP_BEFORE,
                                      { NULL, 0 } } };
    size_t before = 0, upto = 0;

    if (e == NULL) return;
    for (size_t i = 0; i < t->n; i++) {
        before += t->v[i].score < limit.b.score;
        upto += t->v[i].score <= limit.b.score;
    }
    CHECK_INT(ranks_before(e, &limit), before);
    limit.b.side = SKIP_AFTER;
    CHECK_INT(ranks_before(e, &limit), upto);
    limit.end = 1;
    CHECK_INT(ranks_before(e, &limit), t->n);
    limit.end = -1;
    CHECK_INT(ranks_before(e, &limit), 0);
}

static void ranks_model_add(struct ranks_model *t, struct edit *ed) {
    unsigned how = unit_rand() % 3 == 0 ? (unsigned)(unit_rand() % 16) : 0;
    double score = ranks_model_score(), given = score;
    char tmp[16];
    struct str key = ranks_model_draw(tmp);
    size_t i = ranks_model_find(t, key);
    enum ranks_did did, want = RANKS_ADDED;

    if (i < t->n) {
        want = score == t->v[i].score ? RANKS_SAME : RANKS_MOVED;
        if (((how & RANKS_LT) && score >= t->v[i].score) ||
            ((how & RANKS_GT) && score <= t->v[i].score) || (how & RANKS_NX))
            want = RANKS_NOTHING;
    } else if (how & RANKS_XX) {
        want = RANKS_NOTHING;
    }
    did = ranks_add(ed, key, &score, how);
    CHECK(did == want || did == RANKS_REFUSED);
    if (did != RANKS_ADDED && did != RANKS_MOVED) return;
    CHECK(score == given);
    ranks_model_put(t, key, score);
}

static void ranks_model_store(struct ranks_model *t, struct edit *ed) {
    struct ranks_pair v[RANKS_MODEL];
    size_t n = 0;

    /* what is stored may be lent from the key itself: every other one */
    for (size_t i = 0; i < t->n; i += 2)
        v[n++] = (struct ranks_pair){ ranks_model_key(t, i), t->v[i].score };
    if (n == 0 || !ranks_store(ed, v, n)) return;
    for (size_t i = 0; i < n; i++) t->v[i] = t->v[2 * i];
    t->n = n;
}

static void ranks_model_step(struct ranks_model *t) {
    uint64_t what = unit_rand() % 40;
    struct edit ed;
    char tmp[16];
    struct str key;
    size_t first, n;

    edit_open(&t->in->w, STR("z"), &ed);
    if (unit_rand() % 8 == 0) mem_countdown = (long)(unit_rand() % 4);
    if (what < 28 || ed.e == NULL) {
        ranks_model_add(t, &ed);
    } else if (what < 37) {
        key = ranks_model_draw(tmp);
        n = ranks_model_find(t, key);
        CHECK(ranks_drop(&ed, key) == (n < t->n));
        if (n < t->n) ranks_model_cut(t, n, 1);
    } else if (what < 39) {
        first = (size_t)(unit_rand() % t->n);
        n = size_min((size_t)(unit_rand() % 6), t->n - first);
        if (unit_rand() % 50 == 0) first = 0, n = t->n;
        ranks_drop_range(&ed, t->n, first, n);
        ranks_model_cut(t, first, n);
    } else {
        ranks_model_store(t, &ed);
    }
    mem_countdown = -1;
    edit_commit(&ed, EVENT_ZSET, NULL);
    ranks_model_check(t);
    ranks_model_limit(t);
}

static void ranks_model_run(uint32_t entries, int steps) {
    struct ranks_model *t = ranks_model_new(entries);

    while (steps-- > 0) ranks_model_step(t);
    ranks_model_free(t);
}

static void test_ranks_pack(void) { ranks_model_run(400, 4000); }

static void test_ranks_both(void) {
    for (int i = 0; i < 20; i++) ranks_model_run(8, 200);
}

static void test_ranks_skip(void) { ranks_model_run(0, 4000); }

/* What was found ahead of a command is found there, or somewhere else, or
 * nowhere, whatever has happened to the set meanwhile. */
static void test_ranks_ahead(void) {
    struct ranks_model *t = ranks_model_new(0);
    int held = 0;

    for (int i = 0; i < 3000; i++) {
        struct key_hint hint;
        struct str key = STR("z"), member;
        struct table_at at;
        const struct entry *e;
        char tmp[16];

        ranks_model_step(t);
        member = ranks_model_draw(tmp);
        hint_take(&t->in->w, key, &hint);
        hint_seek(&t->in->w, &hint);
        hint_find(&hint);
        hint_member(&t->in->ks, &hint, member);
        hint_item(&hint, member);
        for (uint64_t n = unit_rand() % 3; n > 0; n--) ranks_model_step(t);
        e = key_peek(&t->in->w, key);
        if (e == NULL || entry_shape(e) != SHAPE_ZSET_SKIP) continue;
        held += hint.member_p == member.p &&
                hint.moves == t->in->shard.mem.moves;
        t->in->w.hint = &hint;
        CHECK(item_of(&t->in->w, &ranks__big(e)->members, member, &at) ==
              item_find(&ranks__big(e)->members, t->in->ks.seed, member, &at));
        t->in->w.hint = NULL;
    }
    CHECK(held > 100);
    ranks_model_free(t);
}

/* The encoding changes behind the limits, never at them. */
static void test_ranks_limits(void) {
    struct ranks_model *t = ranks_model_new(3);
    const char *keys[] = { "a", "b", "123456789012", "d" };
    struct edit ed;
    double score = 1;

    edit_open(&t->in->w, STR("z"), &ed);
    for (int i = 0; i < 4; i++) {
        CHECK(ranks_add(&ed, str_c(keys[i]), &score, 0) == RANKS_ADDED);
        CHECK_INT(entry_shape(ed.e),
                  i < 3 ? SHAPE_ZSET_PACK : SHAPE_ZSET_SKIP);
    }
    edit_drop(&ed);
    CHECK(ranks_add(&ed, STR("1234567890123"), &score, 0) == RANKS_ADDED);
    CHECK_INT(entry_shape(ed.e), SHAPE_ZSET_SKIP);
    edit_drop(&ed);
    edit_commit(&ed, EVENT_ZSET, NULL);
    ranks_model_free(t);
}

/* The bytes that redis-server 7.0 writes for ZADD z 1 a -0 b 2.5 c. */
static void test_ranks_bytes(void) {
    struct ranks_model *t = ranks_model_new(128);
    double one = 1, zero = -0.0, half = 2.5;
    struct edit ed;

    edit_open(&t->in->w, STR("z"), &ed);
    ranks_add(&ed, STR("a"), &one, 0);
    ranks_add(&ed, STR("b"), &zero, 0);
    ranks_add(&ed, STR("c"), &half, 0);
    CHECK_STR(entry_value(ed.e), "\x81" "b\x02" "\x00\x01" "\x81" "a\x02"
              "\x01\x01" "\x81" "c\x02" "\x83" "2.5\x04");
    edit_commit(&ed, EVENT_ZSET, NULL);
    ranks_model_free(t);
}

#define TESTS_RANKS T(test_ranks_pack) T(test_ranks_both) T(test_ranks_skip) \
                    T(test_ranks_ahead) T(test_ranks_limits) \
                    T(test_ranks_bytes)
