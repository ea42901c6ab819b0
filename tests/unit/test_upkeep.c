/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* How much a piece of background work does at most, counted in fields. */

enum {
    UPKEEP_MODEL_SLICE = 400,   /* what a loop asks for */
    UPKEEP_MODEL_FIELDS = UPKEEP_MODEL_SLICE / 2 + DUE_SOME,    /* at most */
    UPKEEP_MODEL_N = 3000
};

/* Where small hashes stay small. */
static struct lone *upkeep_model_new(void) {
    struct lone *t = lone_new(1000);

    t->ks.opt.hash_entries = 512;
    t->ks.opt.hash_value = 64;
    t->ks.active_expire = true;
    return t;
}

/* A hash with a field that stays and n that expire `apart` ms after one
 * another, the first at 2000. */
static void upkeep_model_hash(struct lone *t, struct str key, size_t n,
                              int64_t apart) {
    struct edit ed;
    bool added;

    edit_open(&t->w, key, &ed);
    CHECK(fields_put(&ed, STR("stays"), STR("v"), false, &added));
    for (size_t i = 0; i < n; i++) {
        char name[24];
        int len = snprintf(name, sizeof name, "field%zu", i);
        struct str field = str_of(name, (size_t)len);

        CHECK(fields_put(&ed, field, STR("v"), false, &added));
        CHECK(fields_expire(&ed, field, 2000 + (int64_t)i * apart));
    }
    edit_commit(&ed, EVENT_HASH, NULL);
}

/* Work until there is nothing left; no piece may do more than it was asked
 * for, where a field counts twice, and one look at a hash.  Returns the
 * pieces. */
static size_t upkeep_model_work(struct lone *t) {
    size_t pieces = 0;
    bool more = true;

    while (more) {
        size_t was = (size_t)t->shard.fields_expired, did;

        more = shard_step(&t->w, &t->shard, UPKEEP_MODEL_SLICE);
        did = (size_t)t->shard.fields_expired - was;
        CHECK(did <= UPKEEP_MODEL_FIELDS);
        pieces++;
        CHECK(pieces < 100000);
    }
    return pieces;
}

static size_t upkeep_model_count(struct lone *t, struct str key) {
    struct edit ed;
    size_t n;

    edit_open(&t->w, key, &ed);
    n = ((struct big_hash *)entry_object(ed.e))->fields.count;
    edit_cancel(&ed);
    return n;
}

/* All at one moment, or one after the other and then all late. */
static void test_upkeep_fields(void) {
    for (int apart = 0; apart < 2; apart++) {
        struct lone *t = upkeep_model_new();

        upkeep_model_hash(t, STR("h"), UPKEEP_MODEL_N, apart);
        upkeep_model_work(t);
        CHECK_INT(t->shard.fields_expired, 0);
        t->w.now = 2000 + 20000;
        CHECK(upkeep_model_work(t) >= UPKEEP_MODEL_N / UPKEEP_MODEL_FIELDS);
        CHECK_INT(t->shard.fields_expired, UPKEEP_MODEL_N);
        CHECK_INT(upkeep_model_count(t, STR("h")), 1);
        lone_free(t);
    }
}

/* Of many hashes: a look at one counts as well. */
static void test_upkeep_hashes(void) {
    struct lone *t = upkeep_model_new();

    for (int i = 0; i < 1000; i++) {
        char name[24];
        int len = snprintf(name, sizeof name, "h%d", i);

        upkeep_model_hash(t, str_of(name, (size_t)len), 9, 0);
    }
    t->w.now = 2000 + 20000;
    CHECK(upkeep_model_work(t) >= 9000 / UPKEEP_MODEL_FIELDS);
    CHECK_INT(t->shard.fields_expired, 9000);
    CHECK_INT(upkeep_model_count(t, STR("h7")), 1);
    lone_free(t);
}

/* What was read in an ear namespace goes in pieces; what is read while they
 * go on, with the next sweep; what is written after it was read, never. */
static void test_upkeep_reads(void) {
    struct lone *t = upkeep_model_new();
    struct shard *s = &t->shard;
    size_t pieces = 0;
    char name[24];
    struct str key;

    for (int i = 0; i < UPKEEP_MODEL_N + 2; i++) {
        struct edit ed;

        key = str_of(name, (size_t)snprintf(name, sizeof name, "key%d", i));
        edit_open(&t->w, key, &ed);
        CHECK(bytes_put_text(&ed, STR("value"), 0));
        edit_commit(&ed, EVENT_STRING, NULL);
        s->dbs[0]->plain->policy = POLICY_EAR;
        if (i > 0) CHECK(key_read(&t->w, key) != NULL);
        if (i != 1) continue;
        edit_open(&t->w, key, &ed);
        CHECK(bytes_put_text(&ed, STR("new"), 0));
        edit_commit(&ed, EVENT_STRING, NULL);
    }
    CHECK(shard_sweep_reads(s));
    for (bool more = true; more; pieces++) {
        uint64_t was = s->ear_evicted;

        more = shard_step(&t->w, s, UPKEEP_MODEL_SLICE);
        CHECK(s->ear_evicted - was <= UPKEEP_MODEL_SLICE);
        if (pieces == 0) CHECK(key_read(&t->w, STR("key0")) != NULL);
    }
    CHECK(pieces >= UPKEEP_MODEL_N / UPKEEP_MODEL_SLICE);
    CHECK_INT(s->ear_evicted, UPKEEP_MODEL_N);
    CHECK_INT(s->dbs[0]->keys, 2);
    CHECK(shard_sweep_reads(s));
    while (shard_step(&t->w, s, UPKEEP_MODEL_SLICE)) {}
    CHECK(!shard_sweep_reads(s));
    CHECK_INT(s->dbs[0]->keys, 1);
    CHECK(key_read(&t->w, STR("key1")) != NULL);
    lone_free(t);
}

/* Who knows the seed can make all keys alike that begin with a certain word:
 * it makes a factor zero (see hash_fast). */
static void upkeep_model_twins(struct lone *t, char name[2][16],
                               struct str key[2]) {
    uint64_t word;

    do {
        t->ks.seed = unit_rand();
        word = t->ks.seed * HASH_K1 + HASH_K2;
    } while (memchr(&word, '/', sizeof word) != NULL);
    for (int i = 0; i < 2; i++) {
        memcpy(name[i], &word, sizeof word);
        memcpy(name[i] + sizeof word, i == 0 ? "Castor__" : "Pollux__", 8);
        key[i] = str_of(name[i], 16);
    }
    CHECK(key_hash(&t->ks, key[0]) == key_hash(&t->ks, key[1]));
}

static void upkeep_model_put(struct lone *t, struct str key,
                             int64_t deadline) {
    struct edit ed;

    edit_open(&t->w, key, &ed);
    CHECK(bytes_put_text(&ed, STR("value"), deadline));
    edit_commit(&ed, EVENT_STRING, NULL);
}

/* Keys that the wheel cannot tell apart expire each in its time. */
static void test_upkeep_twins(void) {
    struct lone *t = upkeep_model_new();
    struct shard *s = &t->shard;
    char name[2][16];
    struct str key[2];

    upkeep_model_twins(t, name, key);
    for (int way = 0; way < 4; way++) {
        struct str a = key[way & 1], b = key[1 - (way & 1)];
        int64_t now = t->w.now;

        upkeep_model_put(t, key[0], now + (way & 1 ? 80000 : 2000));
        upkeep_model_put(t, key[1], now + (way & 1 ? 2000 : 80000));
        /* its record goes on to the other's time */
        if (way >= 2) upkeep_model_put(t, a, now + 90000);
        if (way >= 2) upkeep_model_put(t, b, now + 40000);
        t->w.now = now + 10000;
        upkeep_model_work(t);
        CHECK_INT(s->dbs[0]->keys, way >= 2 ? 2 : 1);
        t->w.now = now + 60000;
        upkeep_model_work(t);
        CHECK_INT(s->dbs[0]->keys, 1);
        CHECK(key_read(&t->w, way >= 2 ? a : b) != NULL);
        t->w.now = now + 200000;
        upkeep_model_work(t);
        CHECK_INT(s->dbs[0]->keys, 0);
        CHECK_INT(s->expired, 2 * (way + 1));
        CHECK(s->wheel->records == 0);
    }
    lone_free(t);
}

#if !defined(KVNS_MALLOC)
static void upkeep_model_key(struct lone *t, int i, bool there) {
    char name[24], value[600];
    struct edit ed;

    snprintf(name, sizeof name, "key%d", i);
    memset(value, 'v', sizeof value);
    edit_open(&t->w, str_c(name), &ed);
    if (there) {
        CHECK(bytes_put(&ed, str_of(value, 100 + (size_t)i % 500), 0));
    } else {
        edit_drop(&ed);
    }
    edit_commit(&ed, EVENT_STRING, NULL);
}

/* Most goes while a pass is under way, which has chosen its pages before:
 * there is a next pass, though it did not give much back. */
static void test_upkeep_compact(void) {
    struct lone *t = upkeep_model_new();
    struct mem *m = &t->shard.mem;
    enum { ALL = 60000, EARLY = ALL / 4, LATE = ALL / 20 * 19 };

    for (int i = 0; i < ALL; i++) upkeep_model_key(t, i, true);
    for (int i = 0; i < EARLY; i++)
        upkeep_model_key(t, (int)((unsigned)i * 7919u % ALL), false);
    compact_look(&t->shard);
    CHECK(t->shard.compacting);
    while (t->shard.compact_kind < MEM_KINDS)
        compact_step(&t->shard, UPKEEP_MODEL_SLICE);
    for (int i = EARLY; i < LATE; i++)
        upkeep_model_key(t, (int)((unsigned)i * 7919u % ALL), false);
    upkeep_model_work(t);
    CHECK(!t->shard.compacting);
    for (int i = 0; i < 4; i++) {
        compact_look(&t->shard);
        upkeep_model_work(t);
    }
    CHECK(mem_active(m) < 2 * mem_own(m) + (2 * 104 << 14));
    lone_free(t);
}
#define TESTS_UPKEEP_COMPACT T(test_upkeep_compact)
#else
#define TESTS_UPKEEP_COMPACT
#endif

#define TESTS_UPKEEP                                                         \
    T(test_upkeep_fields) T(test_upkeep_hashes) T(test_upkeep_reads)          \
    T(test_upkeep_twins)                                                     \
    TESTS_UPKEEP_COMPACT
