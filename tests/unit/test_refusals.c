/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Commands through a whole server whose allocations are refused one after the
 * other: each answers -OOM and has changed nothing, or has done all of it. */

struct refusals {
    struct kvns *k;
    struct kvns_reply reply;
    char seen[2][70000];        /* replies of what looks at the keys */
};

static struct refusals *refusals_new(void) {
    struct kvns_options options = { 0 };
    struct refusals *t = calloc(1, sizeof *t);

    CHECK(t != NULL);
    t->k = kvns_new(&options);
    CHECK(t->k != NULL);
    return t;
}

static void refusals_free(struct refusals *t) {
    kvns_reply_free(&t->reply);
    kvns_free(t->k);
    free(t);
}

/* Carry out words with blanks between them; the reply is lent. */
static struct str refusals_run(struct refusals *t, const char *text) {
    const char *argv[64];
    char words[256];
    int argc = 0;

    snprintf(words, sizeof words, "%s", text);
    for (char *w = strtok(words, " "); w != NULL; w = strtok(NULL, " "))
        argv[argc++] = w;
    CHECK(kvns_exec(t->k, argc, argv, NULL, &t->reply) == 0);
    return str_of(t->reply.bytes, t->reply.length);
}

/* What the keys hold, as all of the replies in one. */
static void refusals_look(struct refusals *t, const char *look, char *to) {
    const char *p = look, *end;
    size_t n = 0;

    for (; *p != '\0'; p = *end == '\0' ? end : end + 1) {
        char one[256];
        struct str s;

        end = strchr(p, ';');
        if (end == NULL) end = p + strlen(p);
        snprintf(one, sizeof one, "%.*s", (int)(end - p), p);
        s = refusals_run(t, one);
        CHECK(n + s.n < sizeof t->seen[0]);
        memcpy(to + n, s.p, s.n);
        n += s.n;
    }
    to[n] = '\0';
}

/* Begin with `setup`, then have `command` refused its n-th allocation for
 * n = 0, 1, ... until it needs no more.  All are lists with ';'. */
static void refusals_try(struct refusals *t, const char *setup,
                         const char *command, const char *look) {
    bool done = false;
    int refused = 0;

    for (long n = 0; !done; n++) {
        char none[8];
        struct str s;

        CHECK(n < 40);
        refusals_run(t, "FLUSHALL");
        refusals_look(t, setup, t->seen[0]);
        refusals_look(t, look, t->seen[0]);
        mem_countdown = n;
        s = refusals_run(t, command);
        done = mem_countdown >= 0;
        mem_countdown = -1;
        snprintf(none, sizeof none, "%.4s", s.n < 4 ? "" : s.p);
        refusals_look(t, look, t->seen[1]);
        if (strcmp(none, "-OOM") == 0) {
            CHECK(strcmp(t->seen[0], t->seen[1]) == 0);
            refused++;
        } else {
            CHECK(none[0] != '-');
        }
    }
#if defined(KVNS_MALLOC)       /* slabs have small blocks at hand */
    /* a dense HyperLogLog is changed where it stands */
    CHECK(refused > 0 || strstr(setup, "TODENSE k") != NULL ||
          strncmp(command, "PFCOUNT", 7) == 0);
#else
    (void)refused;
#endif
}

static void test_refusals_of_bits(void) {
    struct refusals *t = refusals_new();

    refusals_try(t, "", "SETBIT k 100 1", "EXISTS k");
    refusals_try(t, "SET k 123", "SETBIT k 7 0", "GET k");
    refusals_try(t, "SET k a EX 100", "SETBIT k 50000 1", "GET k");
    refusals_try(t, "SETBIT k 40000 1", "SETBIT k 80000 1", "STRLEN k");
    refusals_try(t, "SET k 77", "BITFIELD k GET u8 0 SET u8 0 1 INCRBY u4 "
                                "9 3", "GET k");
    refusals_try(t, "", "BITFIELD k SET u8 90000 255", "EXISTS k");
    refusals_try(t, "SET a foobar;SET b abcdef;SET d 1", "BITOP AND d a b",
                 "GET d");
    refusals_try(t, "SETBIT a 80000 1;SETBIT b 9 1;SET d v", "BITOP OR d a b",
                 "GET d");
    refusals_try(t, "SETBIT a 80000 1;SETBIT b 9 1", "BITOP NOT a a",
                 "GET a");
    refusals_free(t);
}

static void test_refusals_of_hyperloglogs(void) {
    struct refusals *t = refusals_new();

    refusals_try(t, "", "PFADD k a b c", "EXISTS k");
    refusals_try(t, "PFADD k a b", "PFADD k c d e f g h i j", "GET k");
    refusals_try(t, "PFADD k a;PFDEBUG TODENSE k", "PFADD k b c", "PFDEBUG "
                 "GETREG k");
    refusals_try(t, "PFADD k a", "PFDEBUG TODENSE k", "PFDEBUG ENCODING k");
    refusals_try(t, "PFADD k a;PFADD m b c d", "PFMERGE k m", "GET k");
    refusals_try(t, "PFADD k a;PFADD m b;PFDEBUG TODENSE m", "PFMERGE k m",
                 "GET k");
    refusals_try(t, "PFADD k a b", "PFCOUNT k", "STRLEN k");
    refusals_free(t);
}

static void test_refusals_of_places(void) {
    struct refusals *t = refusals_new();

    refusals_try(t, "", "GEOADD k 1 1 a", "EXISTS k");
    refusals_try(t, "GEOADD k 1 1 a 2 2 b;SET d v",
                 "GEOSEARCHSTORE d k FROMLONLAT 1 1 BYRADIUS 900 km",
                 "TYPE d;GEOPOS k a b");
    refusals_try(t, "GEOADD k 1 1 a 2 2 b",
                 "GEORADIUS k 1 1 900 km STOREDIST k",
                 "ZRANGE k 0 -1 WITHSCORES");
    refusals_free(t);
}

/* A new key for whose place in the index there is no memory leaves its
 * namespace's account as it was, whoever settles it. */
static void test_refusals_of_an_index(void) {
    struct lone *t = lone_new(1000);
    int refused = 0;

    for (int i = 0; i < 3000; i++) {
        size_t was = t->shard.space_bytes;
        char name[24];
        struct entry *e;
        struct edit ed;

        snprintf(name, sizeof name, "key%d", i);
        edit_open(&t->w, str_c(name), &ed);
        e = entry_try(&t->shard.mem, ed.ref.local, SHAPE_BYTES, 3, 0);
        CHECK(e != NULL);
        memset(entry_bytes(e), 'v', 3);
        if (i > 0) mem_countdown = 0;
        if (!edit_put(&ed, e)) {
            mem_countdown = -1;
            edit_commit(&ed, EVENT_GENERIC, NULL);
            CHECK_INT(t->shard.space_bytes, was);
            refused++;
            continue;
        }
        mem_countdown = -1;
        edit_commit(&ed, EVENT_GENERIC, NULL);
    }
    CHECK(refused > 0);
    lone_free(t);
}

#define TESTS_REFUSALS \
    T(test_refusals_of_an_index) \
    T(test_refusals_of_bits) T(test_refusals_of_hyperloglogs) \
    T(test_refusals_of_places)
