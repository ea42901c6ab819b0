/* SPDX-License-Identifier: MIT */
/* Each way to write a collection, made by hand and told as text; what real
 * servers wrote is in test_rdb_real.c. */
#include "unit.h"

/* Tell the value as one line: items divided by blanks, "key" or
 * "key=value" or "key@score", and "!deadline" behind. */
static void test_rdb_items_tell(struct rdb_items *it, struct buf *to) {
    struct rdb_item x;

    to->n = 0;
    buf_put(to, "", 0);
    while (rdb_items_next(it, &x)) {
        if (to->n > 0) buf_put(to, " ", 1);
        buf_put_str(to, x.key);
        if (it->kind == RDB_KIND_HASH)
            buf_printf(to, "=%.*s", (int)x.value.n, x.value.p);
        if (it->kind == RDB_KIND_ZSET) buf_printf(to, "@%.17g", x.score);
        if (x.deadline != -1)
            buf_printf(to, "!%lld", (long long)x.deadline);
    }
}

/* Open in memory of exactly the size and tell; false with what was told up
 * to the error. */
static bool test_rdb_items_of(uint8_t type, bool valkey, struct str bytes,
                              struct buf *told) {
    char *p = malloc(bytes.n > 0 ? bytes.n : 1);
    struct rdb_items it;
    struct rdb_in in;
    bool ok;

    CHECK(p != NULL);
    if (bytes.n > 0) memcpy(p, bytes.p, bytes.n);
    rdb_in_mem(&in, p, bytes.n);
    in.valkey = valkey;
    told->n = 0;
    if (rdb_items_open(&it, &in, type)) test_rdb_items_tell(&it, told);
    ok = in.why == NULL;
    if (ok) CHECK(rdb_at(&in) == bytes.n);
    rdb_items_close(&it);
    rdb_in_free(&in);
    free(p);
    return ok;
}

/* The same from a pipe, where the window moves. */
static bool test_rdb_items_piped(uint8_t type, bool valkey, struct str bytes,
                                 struct buf *told) {
    struct rdb_items it;
    struct rdb_in in;
    int fds[2];
    bool ok;

    CHECK(pipe(fds) == 0);
    CHECK(write(fds[1], bytes.p, bytes.n) == (ssize_t)bytes.n);
    close(fds[1]);
    rdb_in_fd(&in, fds[0], RDB_UNKNOWN);
    in.valkey = valkey;
    told->n = 0;
    if (rdb_items_open(&it, &in, type)) test_rdb_items_tell(&it, told);
    ok = in.why == NULL;
    rdb_items_close(&it);
    rdb_in_free(&in);
    close(fds[0]);
    return ok;
}

/* Expect what is told, and an error for each shorter input. */
static void test_rdb_items_say(uint8_t type, bool valkey, struct buf *b,
                               const char *want, int line) {
    struct buf told = { 0 };

    CHECK(!b->failed);
    if (!test_rdb_items_of(type, valkey, buf_str(b), &told) ||
        !str_eq(buf_str(&told), str_c(want))) {
        fprintf(stderr, "line %d: ", line);
        unit_check_str(buf_str(&told), str_c(want), "items", __FILE__,
                       __LINE__);
        CHECK(!"an error where none should be");
    }
    CHECK(test_rdb_items_piped(type, valkey, buf_str(b), &told));
    CHECK(str_eq(buf_str(&told), str_c(want)));
    for (size_t n = 0; n < b->n; n++) {
        CHECK(!test_rdb_items_of(type, valkey, str_of(b->p, n), &told));
        CHECK(!test_rdb_items_piped(type, valkey, str_of(b->p, n), &told));
    }
    buf_free(&told);
    b->n = 0;
}

#define SAY(type, b, want) \
    test_rdb_items_say((type), false, (b), (want), __LINE__)
#define SAY_VALKEY(type, b, want) \
    test_rdb_items_say((type), true, (b), (want), __LINE__)

/* Expect an error, and nothing told before it. */
static void test_rdb_items_refuse(uint8_t type, struct buf *b) {
    struct buf told = { 0 };

    CHECK(!test_rdb_items_of(type, false, buf_str(b), &told));
    CHECK_INT(told.n, 0);
    buf_free(&told);
    b->n = 0;
}

/* Put the words of a line, divided by blanks, as strings. */
static void test_rdb_items_words(struct buf *b, const char *line) {
    while (*line != '\0') {
        size_t n = strcspn(line, " ");

        rdb_put_str(b, str_of(line, n));
        line += n + (line[n] == ' ');
    }
}

/* Put a listpack of the words; returns how many there are. */
static size_t test_rdb_items_pack(struct buf *b, const char *line) {
    uint8_t p[600];
    size_t at = 0, count = 0;

    for (; *line != '\0'; count++) {
        size_t n = strcspn(line, " ");

        at += pack_write(p + at, str_of(line, n));
        CHECK(at < sizeof p - 100);
        line += n + (line[n] == ' ');
    }
    rdb_put_pack(b, str_of(p, at), count);
    return count;
}

/* Put a ziplist of the words; those that are integers as such. */
static void test_rdb_items_ziplist(struct buf *b, const char *line) {
    struct test_ziplist z;

    test_ziplist_begin(&z);
    while (*line != '\0') {
        size_t n = strcspn(line, " ");
        int64_t v;

        if (num_parse_int(str_of(line, n), &v))
            test_ziplist_int(&z, v, v >= 0 && v <= 12 ? 0 : 8);
        else
            test_ziplist_str(&z, str_of(line, n));
        line += n + (line[n] == ' ');
    }
    rdb_put_str(b, test_ziplist_end(&z));
}

static void test_rdb_items_lists(void) {
    struct buf b = { 0 };

    rdb_put_len(&b, 3);
    test_rdb_items_words(&b, "a 12 b");
    SAY(RDB_LIST, &b, "a 12 b");
    test_rdb_items_ziplist(&b, "a 12 -777 b");
    SAY(RDB_LIST_ZIPLIST, &b, "a 12 -777 b");
    rdb_put_len(&b, 3);
    test_rdb_items_ziplist(&b, "a 12");
    test_rdb_items_ziplist(&b, "");
    test_rdb_items_ziplist(&b, "b");
    SAY(RDB_LIST_ZIPLISTS, &b, "a 12 b");
    rdb_put_len(&b, 5);
    rdb_put_len(&b, RDB_NODE_PACK);
    test_rdb_items_pack(&b, "a 12");
    rdb_put_len(&b, RDB_NODE_PLAIN);
    rdb_put_str(&b, STR("plain"));
    rdb_put_len(&b, RDB_NODE_PLAIN);
    rdb_put_str(&b, STR("1234"));
    rdb_put_len(&b, RDB_NODE_PACK);
    test_rdb_items_pack(&b, "");
    rdb_put_len(&b, RDB_NODE_PACK);
    test_rdb_items_pack(&b, "b -5000");
    SAY(RDB_LIST_PACKS, &b, "a 12 plain 1234 b -5000");
    rdb_put_len(&b, 0);
    SAY(RDB_LIST, &b, "");
    rdb_put_len(&b, 1);
    rdb_put_len(&b, 3);
    test_rdb_items_pack(&b, "a");
    test_rdb_items_refuse(RDB_LIST_PACKS, &b);
    buf_free(&b);
}

/* An intset of the given width from n integers. */
static void test_rdb_items_intset(struct buf *b, int width, const int64_t *v,
                                  size_t n) {
    uint8_t p[200];

    store_le(p, (uint64_t)width, 4);
    store_le(p + 4, n, 4);
    for (size_t i = 0; i < n; i++)
        store_le(p + 8 + i * (size_t)width, (uint64_t)v[i], width);
    rdb_put_str(b, str_of(p, 8 + n * (size_t)width));
}

static void test_rdb_items_sets(void) {
    static const int64_t v[] = { -32768, -1, 0, 7, 32767 };
    static const int64_t wide[] = { INT64_MIN, -1, INT64_MAX };
    static const int64_t falling[] = { 1, 3, 2 };
    static const int64_t twice[] = { 1, 2, 2 };
    struct buf b = { 0 };

    rdb_put_len(&b, 2);
    test_rdb_items_words(&b, "a 12");
    SAY(RDB_SET, &b, "a 12");
    test_rdb_items_pack(&b, "x 1 y");
    SAY(RDB_SET_PACK, &b, "x 1 y");
    for (int width = 2; width <= 8; width *= 2) {
        test_rdb_items_intset(&b, width, v, ROWS(v));
        SAY(RDB_SET_INTSET, &b, "-32768 -1 0 7 32767");
    }
    test_rdb_items_intset(&b, 8, wide, ROWS(wide));
    SAY(RDB_SET_INTSET, &b, "-9223372036854775808 -1 9223372036854775807");
    test_rdb_items_intset(&b, 4, falling, 3);
    test_rdb_items_refuse(RDB_SET_INTSET, &b);
    test_rdb_items_intset(&b, 4, twice, 3);
    test_rdb_items_refuse(RDB_SET_INTSET, &b);
    test_rdb_items_intset(&b, 2, v, 3);
    b.p[1] = 4;                         /* the width only */
    test_rdb_items_refuse(RDB_SET_INTSET, &b);
    test_rdb_items_intset(&b, 2, v, 3);
    b.p[5] = 4;                         /* the count only */
    test_rdb_items_refuse(RDB_SET_INTSET, &b);
    buf_free(&b);
}

static void test_rdb_items_zsets(void) {
    struct buf b = { 0 };

    rdb_put_len(&b, 3);
    rdb_put_str(&b, STR("a"));
    buf_put(&b, "\x03" "1.5", 4);
    rdb_put_str(&b, STR("17"));
    buf_put(&b, "\xff", 1);
    rdb_put_str(&b, STR("c"));
    buf_put(&b, "\xfe", 1);
    SAY(RDB_ZSET_TEXT, &b, "a@1.5 17@-inf c@inf");
    rdb_put_len(&b, 2);
    rdb_put_str(&b, STR("a"));
    rdb_put_double_bin(&b, -2.25);
    rdb_put_str(&b, STR("-3"));
    rdb_put_double_bin(&b, HUGE_VAL);
    SAY(RDB_ZSET, &b, "a@-2.25 -3@inf");
    test_rdb_items_ziplist(&b, "a 1 b 2.5 c inf 4 -1e3");
    SAY(RDB_ZSET_ZIPLIST, &b, "a@1 b@2.5 c@inf 4@-1000");
    test_rdb_items_pack(&b, "a 1 b 0.10000000000000001 c -inf 4 70000");
    SAY(RDB_ZSET_PACK, &b, "a@1 b@0.10000000000000001 c@-inf 4@70000");
    buf_free(&b);
}

static void test_rdb_items_no_scores(void) {
    struct buf b = { 0 };

    rdb_put_len(&b, 1);
    rdb_put_str(&b, STR("a"));
    rdb_put_double_bin(&b, NAN);
    test_rdb_items_refuse(RDB_ZSET, &b);
    rdb_put_len(&b, 1);
    rdb_put_str(&b, STR("a"));
    buf_put(&b, "\xfd", 1);
    test_rdb_items_refuse(RDB_ZSET_TEXT, &b);
    rdb_put_len(&b, 1);
    rdb_put_str(&b, STR("a"));
    buf_put(&b, "\x03nan", 4);
    test_rdb_items_refuse(RDB_ZSET_TEXT, &b);
    test_rdb_items_pack(&b, "a 1 b nan");
    test_rdb_items_refuse(RDB_ZSET_PACK, &b);
    test_rdb_items_pack(&b, "a 1 b 2x");
    test_rdb_items_refuse(RDB_ZSET_PACK, &b);
    test_rdb_items_pack(&b, "a 1 b");
    test_rdb_items_refuse(RDB_ZSET_PACK, &b);
    test_rdb_items_ziplist(&b, "a 1 b nan");
    test_rdb_items_refuse(RDB_ZSET_ZIPLIST, &b);
    test_rdb_items_ziplist(&b, "a 1 b");
    test_rdb_items_refuse(RDB_ZSET_ZIPLIST, &b);
    buf_free(&b);
}

static void test_rdb_items_hashes(void) {
    struct buf b = { 0 };

    rdb_put_len(&b, 2);
    test_rdb_items_words(&b, "f v 1 2");
    SAY(RDB_HASH, &b, "f=v 1=2");
    rdb_put_str(&b, STR("\x02\x01" "f\x01\x00" "v\x01" "1\x02\x01"
                        "22.\xff"));
    SAY(RDB_HASH_ZIPMAP, &b, "f=v 1=22");
    test_rdb_items_ziplist(&b, "f v 1 2");
    SAY(RDB_HASH_ZIPLIST, &b, "f=v 1=2");
    test_rdb_items_pack(&b, "f v 1 2");
    SAY(RDB_HASH_PACK, &b, "f=v 1=2");
    test_rdb_items_pack(&b, "f v 1");
    test_rdb_items_refuse(RDB_HASH_PACK, &b);
    test_rdb_items_ziplist(&b, "f");
    test_rdb_items_refuse(RDB_HASH_ZIPLIST, &b);
    rdb_put_str(&b, STR("\x02\x01" "f\x01\x00" "v\xff"));
    test_rdb_items_refuse(RDB_HASH_ZIPMAP, &b);
    buf_free(&b);
}

static void test_rdb_items_field_deadlines(void) {
    struct buf b = { 0 };

    rdb_put_len(&b, 3);                 /* Redis 7.4's release candidate */
    rdb_put_len(&b, 0);
    test_rdb_items_words(&b, "f v");
    rdb_put_len(&b, 1700000000123);
    test_rdb_items_words(&b, "1 2");
    rdb_put_len(&b, 5);
    test_rdb_items_words(&b, "g w");
    SAY(RDB_HASH_TTL_RC, &b, "f=v 1=2!1700000000123 g=w!5");
    rdb_put_len(&b, 3);                 /* Valkey 9 */
    test_rdb_items_words(&b, "f v");
    rdb_put_ms(&b, -1);
    test_rdb_items_words(&b, "1 2");
    rdb_put_ms(&b, 1700000000123);
    test_rdb_items_words(&b, "g w");
    rdb_put_ms(&b, 0);
    SAY_VALKEY(RDB_HASH_TTL_RC, &b, "f=v 1=2!1700000000123 g=w!0");
    rdb_put_ms(&b, 1000);               /* Redis 7.4 and 8 */
    rdb_put_len(&b, 3);
    rdb_put_len(&b, 0);
    test_rdb_items_words(&b, "f v");
    rdb_put_len(&b, 1);
    test_rdb_items_words(&b, "1 2");
    rdb_put_len(&b, 24);
    test_rdb_items_words(&b, "g w");
    SAY(RDB_HASH_TTL, &b, "f=v 1=2!1000 g=w!1023");
    test_rdb_items_pack(&b, "g w 17 f v 1700000000123 1 2 0");
    SAY(RDB_HASH_PACK_TTL_RC, &b, "g=w!17 f=v!1700000000123 1=2");
    rdb_put_ms(&b, 17);
    test_rdb_items_pack(&b, "g w 17 f v 1700000000123 1 2 0");
    SAY(RDB_HASH_PACK_TTL, &b, "g=w!17 f=v!1700000000123 1=2");
    buf_free(&b);
}

static void test_rdb_items_no_deadlines(void) {
    struct buf b = { 0 }, told = { 0 };

    test_rdb_items_pack(&b, "g w -1");
    test_rdb_items_refuse(RDB_HASH_PACK_TTL_RC, &b);
    test_rdb_items_pack(&b, "g w x");
    test_rdb_items_refuse(RDB_HASH_PACK_TTL_RC, &b);
    test_rdb_items_pack(&b, "g w 1 f");
    test_rdb_items_refuse(RDB_HASH_PACK_TTL_RC, &b);
    rdb_put_ms(&b, -1);
    rdb_put_len(&b, 0);
    test_rdb_items_refuse(RDB_HASH_TTL, &b);
    rdb_put_ms(&b, INT64_MAX);
    rdb_put_len(&b, 1);
    rdb_put_len(&b, 2);
    test_rdb_items_words(&b, "g w");
    test_rdb_items_refuse(RDB_HASH_TTL, &b);
    rdb_put_len(&b, 1);
    rdb_put_len(&b, UINT64_MAX);
    test_rdb_items_words(&b, "g w");
    test_rdb_items_refuse(RDB_HASH_TTL_RC, &b);
    rdb_put_len(&b, 1);
    test_rdb_items_words(&b, "g w");
    rdb_put_ms(&b, -2);
    CHECK(!test_rdb_items_of(RDB_HASH_TTL_RC, true, buf_str(&b), &told));
    buf_free(&b);
    buf_free(&told);
}

/* Counts that cannot be are refused where they stand. */
static void test_rdb_items_counts(void) {
    static const uint8_t types[] = { RDB_LIST, RDB_SET, RDB_HASH, RDB_ZSET,
                                     RDB_ZSET_TEXT, RDB_LIST_PACKS,
                                     RDB_LIST_ZIPLISTS, RDB_HASH_TTL_RC };
    static const uint64_t counts[] = { 9, UINT32_MAX, UINT64_C(1) << 60,
                                       UINT64_MAX };
    struct buf b = { 0 };

    for (size_t i = 0; i < ROWS(types); i++)
        for (size_t k = 0; k < ROWS(counts); k++) {
            struct rdb_items it;
            struct rdb_in in;

            rdb_put_len(&b, counts[k]);
            buf_put(&b, "\0\0\0\0\0\0\0\0", 8);
            rdb_in_mem(&in, b.p, b.n);
            CHECK(!rdb_items_open(&it, &in, types[i]));
            CHECK_STR(str_c(in.why), "has fewer elements than it says");
            rdb_items_close(&it);
            rdb_in_free(&in);
            b.n = 0;
        }
    buf_free(&b);
}

static void test_rdb_items_other_types(void) {
    struct rdb_in in;
    struct rdb_items it;

    for (int type = 0; type < 256; type++) {
        bool known = type <= RDB_HASH_PACK_TTL && type != 8;

        rdb_in_mem(&in, "", 0);
        CHECK(!rdb_items_open(&it, &in, (uint8_t)type));
        CHECK((rdb_kind_of(&in, (uint8_t)type) != RDB_KIND_NONE) == known);
        rdb_items_close(&it);
        in.valkey = true;
        CHECK((rdb_kind_of(&in, (uint8_t)type) != RDB_KIND_NONE) ==
              (known && type <= RDB_HASH_TTL_RC));
        rdb_in_free(&in);
    }
}

/* Copying packs and reading items one by one may alternate. */
static void test_rdb_items_lend_packs(void) {
    struct buf b = { 0 };
    struct rdb_items it;
    struct rdb_item x;
    struct rdb_in in;
    struct str body;
    size_t n;

    rdb_put_len(&b, 4);
    rdb_put_len(&b, RDB_NODE_PACK);
    test_rdb_items_pack(&b, "a 12");
    rdb_put_len(&b, RDB_NODE_PLAIN);
    rdb_put_str(&b, STR("plain"));
    rdb_put_len(&b, RDB_NODE_PACK);
    test_rdb_items_pack(&b, "b c");
    rdb_put_len(&b, RDB_NODE_PACK);
    test_rdb_items_pack(&b, "d");
    rdb_in_mem(&in, b.p, b.n);
    CHECK(rdb_items_open(&it, &in, RDB_LIST_PACKS));
    CHECK_INT(rdb_items_hint(&it), 0);
    CHECK(rdb_items_pack(&it, &body, &n) && n == 2);
    CHECK_STR(body, "\x81" "a\x02\x0c\x01");
    CHECK(!rdb_items_pack(&it, &body, &n));
    CHECK(rdb_items_next(&it, &x));
    CHECK_STR(x.key, "plain");
    CHECK(rdb_items_next(&it, &x));
    CHECK_STR(x.key, "b");
    CHECK(!rdb_items_pack(&it, &body, &n));
    CHECK(rdb_items_next(&it, &x));
    CHECK_STR(x.key, "c");
    CHECK(rdb_items_pack(&it, &body, &n) && n == 1);
    CHECK(!rdb_items_pack(&it, &body, &n));
    CHECK(!rdb_items_next(&it, &x) && in.why == NULL);
    rdb_items_close(&it);
    rdb_in_free(&in);
    buf_free(&b);
}

/* A pack that spells its elements in another way than ours is handed out
 * item by item only. */
static void test_rdb_items_foreign_packs(void) {
    static const struct {
        struct str body;
        bool ours;
    } rows[] = {
        { { "\x81" "1\x02", 3 }, false },               /* "1" as a string */
        { { "\xc0\x01\x02", 3 }, false },               /* 1 of 13 bits */
        { { "\xf1\x01\x00\x03", 4 }, false },           /* 1 of 16 bits */
        { { "\xe0\x01" "a\x03", 4 }, false },           /* a long length */
        { { "\x82" "01\x03", 4 }, true },
        { { "\x01\x01", 2 }, true },
        { { "\xf1\x00\x40\x03", 4 }, true },
        { { "\x81" "a\x02", 3 }, true },
    };
    struct buf b = { 0 };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rdb_items it;
        struct rdb_item x;
        struct rdb_in in;
        struct str body;
        size_t n;

        b.n = 0;
        rdb_put_pack(&b, rows[i].body, 1);
        rdb_in_mem(&in, b.p, b.n);
        CHECK(rdb_items_open(&it, &in, RDB_SET_PACK));
        CHECK_INT(rdb_items_hint(&it), 1);
        CHECK(rdb_items_pack(&it, &body, &n) == rows[i].ours);
        CHECK(rdb_items_next(&it, &x) == !rows[i].ours);
        CHECK(in.why == NULL);
        rdb_items_close(&it);
        rdb_in_free(&in);
    }
    buf_free(&b);
}

static void test_rdb_items_lend_intset(void) {
    static const int64_t v[] = { 1, 2, 300 };
    struct buf b = { 0 };
    struct rdb_items it;
    struct rdb_item x;
    struct rdb_in in;
    struct str blob;

    test_rdb_items_intset(&b, 2, v, 3);
    rdb_in_mem(&in, b.p, b.n);
    CHECK(rdb_items_open(&it, &in, RDB_SET_INTSET));
    CHECK_INT(rdb_items_hint(&it), 3);
    CHECK(rdb_items_intset(&it, &blob));
    CHECK(str_eq(blob, str_of(b.p + 1, b.n - 1)));
    CHECK(!rdb_items_next(&it, &x) && !rdb_items_intset(&it, &blob));
    rdb_items_close(&it);
    rdb_in_free(&in);
    buf_free(&b);
}

/* Keys and values that need unpacking live beside each other. */
static void test_rdb_items_packed_strings(void) {
    struct buf b = { 0 };
    char k[600], v[700];
    struct rdb_items it;
    struct rdb_item x;
    struct rdb_in in;

    memset(k, 'k', sizeof k);
    memset(v, 'v', sizeof v);
    for (int valkey = 0; valkey < 2; valkey++) {
        b.n = 0;
        rdb_put_len(&b, 2);
        for (int i = 0; i < 2; i++) {
            if (!valkey) rdb_put_len(&b, 7);
            rdb_put_str_lzf(&b, str_of(k, sizeof k - (size_t)i));
            rdb_put_str_lzf(&b, str_of(v, sizeof v));
            if (valkey) rdb_put_ms(&b, 7);
        }
        rdb_in_mem(&in, b.p, b.n);
        in.valkey = valkey;
        CHECK(rdb_items_open(&it, &in, RDB_HASH_TTL_RC));
        for (size_t i = 0; i < 2; i++) {
            CHECK(rdb_items_next(&it, &x) && x.deadline == 7);
            CHECK(str_eq(x.key, str_of(k, sizeof k - i)));
            CHECK(str_eq(x.value, str_of(v, sizeof v)));
        }
        CHECK(!rdb_items_next(&it, &x) && in.why == NULL);
        rdb_items_close(&it);
        rdb_in_free(&in);
    }
    buf_free(&b);
}

#undef SAY
#undef SAY_VALKEY

#define TESTS_RDB_ITEMS \
    T(test_rdb_items_lists) T(test_rdb_items_sets) T(test_rdb_items_zsets) \
    T(test_rdb_items_no_scores) T(test_rdb_items_hashes) \
    T(test_rdb_items_field_deadlines) T(test_rdb_items_no_deadlines) \
    T(test_rdb_items_counts) T(test_rdb_items_other_types) \
    T(test_rdb_items_lend_packs) T(test_rdb_items_foreign_packs) \
    T(test_rdb_items_lend_intset) T(test_rdb_items_packed_strings)
