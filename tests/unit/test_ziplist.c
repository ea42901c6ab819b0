/* SPDX-License-Identifier: MIT */
/* Ziplists and zipmaps written here by hand, from their layout alone. */
#include "unit.h"

/* A ziplist in the making; lives on the stack of a test. */
struct test_ziplist {
    uint8_t p[70000];
    size_t n, last, before, count;
};

static void test_ziplist_begin(struct test_ziplist *z) {
    z->n = ZIPLIST_FIRST;
    z->last = ZIPLIST_FIRST;
    z->before = z->count = 0;
}

/* Append an element from its encoding and data; wide takes the long form of
 * `prev` where the short one would do, as Redis does after some deletions. */
static void test_ziplist_raw(struct test_ziplist *z, struct str head,
                             struct str data, bool wide) {
    size_t start = z->n;

    if (z->before < 254 && !wide) {
        z->p[z->n++] = (uint8_t)z->before;
    } else {
        z->p[z->n] = 0xfe;
        store_le(z->p + z->n + 1, z->before, 4);
        z->n += 5;
    }
    memcpy(z->p + z->n, head.p, head.n);
    if (data.n > 0) memcpy(z->p + z->n + head.n, data.p, data.n);
    z->n += head.n + data.n;
    z->last = start;
    z->before = z->n - start;
    z->count++;
}

static void test_ziplist_str(struct test_ziplist *z, struct str s) {
    uint8_t head[5] = { 0x80 };
    size_t n = s.n < 64 ? 1 : s.n < 16384 ? 2 : 5;

    if (n == 1) head[0] = (uint8_t)s.n;
    else if (n == 2) store_be(head, s.n | 0x4000, 2);
    else store_be(head + 1, s.n, 4);
    test_ziplist_raw(z, str_of(head, n), s, false);
}

/* An integer in `bytes` bytes; none for 0 to 12 in the encoding itself. */
static void test_ziplist_int(struct test_ziplist *z, int64_t v, int bytes) {
    static const uint8_t heads[] = { 0, 0xfe, 0xc0, 0xf0, 0xd0, 0, 0, 0, 0xe0 };
    uint8_t head = bytes == 0 ? (uint8_t)(0xf1 + v) : heads[bytes], data[8];

    store_le(data, (uint64_t)v, bytes);
    test_ziplist_raw(z, str_of(&head, 1), str_of(data, (size_t)bytes), false);
}

static struct str test_ziplist_end(struct test_ziplist *z) {
    z->p[z->n++] = 0xff;
    store_le(z->p, z->n, 4);
    store_le(z->p + 4, z->last, 4);
    store_le(z->p + 8, size_min(z->count, 65535), 2);
    return str_of(z->p, z->n);
}

/* Is it valid, seen in a block of exactly its size?  Walks it if so. */
static bool test_ziplist_ok(struct str s, size_t *count) {
    uint8_t *p = calloc(s.n > 0 ? s.n : 1, 1);
    struct pack_item e;
    size_t at = ZIPLIST_FIRST, seen = 0;
    bool ok;

    CHECK(p != NULL);
    if (s.n > 0) memcpy(p, s.p, s.n);
    ok = ziplist_valid(p, s.n, count);
    while (ok && at < s.n - 1) {
        at = ziplist_read(p, s.n, at, &e);
        if (!e.is_int) CHECK(crc16(e.s.p, e.s.n) < 65536);
        seen++;
    }
    if (ok) CHECK(at == s.n - 1 && seen == *count);
    free(p);
    return ok;
}

static void test_ziplist_all_encodings(void) {
    static const struct {
        int64_t v;
        int bytes;
    } ints[] = {
        { 0, 0 }, { 12, 0 }, { 13, 1 }, { -1, 1 }, { INT8_MIN, 1 },
        { 128, 2 }, { INT16_MIN, 2 }, { INT16_MAX, 2 }, { 32768, 3 },
        { -8388608, 3 }, { 8388607, 3 }, { 8388608, 4 }, { INT32_MIN, 4 },
        { INT32_MAX, 4 }, { INT64_MAX, 8 }, { INT64_MIN, 8 },
    };
    static const size_t lens[] = { 0, 1, 63, 64, 250, 16383, 16384, 20000 };
    struct test_ziplist z;
    struct pack_item e;
    struct str s;
    size_t count, at = ZIPLIST_FIRST;
    char text[20000];

    memset(text, 'x', sizeof text);
    test_ziplist_begin(&z);
    for (size_t i = 0; i < ROWS(ints); i++)
        test_ziplist_int(&z, ints[i].v, ints[i].bytes);
    for (size_t i = 0; i < ROWS(lens); i++)
        test_ziplist_str(&z, str_of(text, lens[i]));
    test_ziplist_raw(&z, STR("\x03"), STR("abc"), true);
    s = test_ziplist_end(&z);
    CHECK(test_ziplist_ok(s, &count));
    CHECK_INT(count, ROWS(ints) + ROWS(lens) + 1);
    for (size_t i = 0; i < ROWS(ints); i++) {
        at = ziplist_read(z.p, z.n, at, &e);
        CHECK(e.is_int);
        CHECK_INT(e.i, ints[i].v);
    }
    for (size_t i = 0; i < ROWS(lens); i++) {
        at = ziplist_read(z.p, z.n, at, &e);
        CHECK(!e.is_int && str_eq(e.s, str_of(text, lens[i])));
    }
    at = ziplist_read(z.p, z.n, at, &e);
    CHECK(!e.is_int && at == z.n - 1);
    CHECK_STR(e.s, "abc");
}

static void test_ziplist_empty(void) {
    struct test_ziplist z;
    size_t count;

    test_ziplist_begin(&z);
    CHECK(test_ziplist_ok(test_ziplist_end(&z), &count));
    CHECK_INT(count, 0);
    CHECK(!test_ziplist_ok(STR(""), &count));
    CHECK(!test_ziplist_ok(STR("\x0a\0\0\0\x0a\0\0\0\0\0"), &count));
}

/* One thing wrong at a time. */
static void test_ziplist_damage(void) {
    static const struct {
        size_t at;
        uint8_t byte;
    } rows[] = {
        { 0, 12 }, { 0, 200 }, { 3, 1 },        /* bytes in all */
        { 4, 10 }, { 4, 16 }, { 7, 1 },         /* the last */
        { 8, 1 }, { 8, 3 }, { 9, 1 },           /* how many */
        { 10, 1 }, { 10, 0xff }, { 10, 0xfe },  /* the first's prev */
        { 11, 4 }, { 11, 0x43 }, { 11, 0x83 }, { 11, 0xff }, { 11, 0xe1 },
        { 15, 4 }, { 15, 6 }, { 15, 0 },        /* the second's prev */
        { 16, 0xc0 }, { 16, 0xd0 }, { 16, 0xf1 }, { 16, 0x3f },
        { 18, 0xfe },                           /* the end */
    };
    struct test_ziplist z;
    struct str s;
    size_t count;

    for (size_t i = 0; i < ROWS(rows); i++) {
        test_ziplist_begin(&z);
        test_ziplist_str(&z, STR("abc"));       /* at 10 */
        test_ziplist_int(&z, 77, 1);            /* at 15 */
        s = test_ziplist_end(&z);
        CHECK_INT(s.n, 19);
        CHECK(test_ziplist_ok(s, &count));
        z.p[rows[i].at] = rows[i].byte;
        CHECK(!test_ziplist_ok(s, &count));
    }
    z.p[18] = 0xff;
    for (size_t n = 0; n < 19; n++) {
        store_le(z.p, n, 4);
        CHECK(!test_ziplist_ok(str_of(z.p, n), &count));
    }
}

/* Nothing said about the count: it is counted. */
static void test_ziplist_uncounted(void) {
    struct test_ziplist z;
    size_t count;

    test_ziplist_begin(&z);
    test_ziplist_int(&z, 1, 0);
    test_ziplist_end(&z);
    store_le(z.p + 8, 65535, 2);
    CHECK(test_ziplist_ok(str_of(z.p, z.n), &count));
    CHECK_INT(count, 1);
}

static void test_ziplist_noise(void) {
    static const char text[100];
    struct test_ziplist z;
    size_t count;

    for (int round = 0; round < 20000; round++) {
        struct str s;

        test_ziplist_begin(&z);
        for (uint64_t i = unit_rand() % 6; i > 0; i--) {
            if (unit_rand() % 2 == 0) test_ziplist_int(&z, -7, 8);
            else test_ziplist_str(&z, str_of(text, unit_rand() % 100));
        }
        s = test_ziplist_end(&z);
        for (int i = 0; i < 2; i++)
            z.p[unit_rand() % s.n] = (uint8_t)unit_rand();
        (void)test_ziplist_ok(s, &count);
        (void)test_ziplist_ok(str_of(s.p, unit_rand() % s.n), &count);
    }
}

/* ---- zipmaps ---- */

static bool test_ziplist_map_ok(struct str s, size_t *count) {
    uint8_t *p = calloc(s.n > 0 ? s.n : 1, 1);
    size_t at = ZIPLIST_MAP_FIRST, seen = 0;
    struct str field, value;
    bool ok;

    CHECK(p != NULL);
    if (s.n > 0) memcpy(p, s.p, s.n);
    ok = ziplist_map_valid(p, s.n, count);
    for (; ok && at < s.n - 1; seen++) {
        at = ziplist_map_read(p, s.n, at, &field, &value);
        CHECK(crc16(field.p, field.n) + crc16(value.p, value.n) < 131072);
    }
    if (ok) CHECK(at == s.n - 1 && seen == *count);
    free(p);
    return ok;
}

/* As the comment in Redis' zipmap.c draws it: foo is bar, hello is world;
 * then the same with bytes to spare and a long length. */
static void test_ziplist_map_read_all(void) {
    static const struct str maps[] = {
        { "\x02\x03" "foo\x03\x00" "bar\x05hello\x05\x00world\xff", 24 },
        { "\x02\x03" "foo\x03\x02" "bar..\x05hello\x05\x01world.\xff", 27 },
        { "\xfe\xfe\x03\0\0\0" "foo\xfe\x03\0\0\0\x00" "bar"
          "\x05hello\x05\x00world\xff", 32 },
    };
    struct str field, value;
    size_t count, at;

    for (size_t i = 0; i < ROWS(maps); i++) {
        const uint8_t *p = (const uint8_t *)maps[i].p;

        CHECK(test_ziplist_map_ok(maps[i], &count));
        CHECK_INT(count, 2);
        at = ziplist_map_read(p, maps[i].n, ZIPLIST_MAP_FIRST, &field,
                              &value);
        CHECK_STR(field, "foo");
        CHECK_STR(value, "bar");
        at = ziplist_map_read(p, maps[i].n, at, &field, &value);
        CHECK_STR(field, "hello");
        CHECK_STR(value, "world");
        CHECK(at == maps[i].n - 1);
    }
    CHECK(test_ziplist_map_ok(STR("\x00\xff"), &count));
    CHECK_INT(count, 0);
}

static void test_ziplist_map_damage(void) {
    static const char good[] =
        "\x02\x03" "foo\x03\x02" "bar..\x05hello\x05\x01world.\xff";
    size_t n = sizeof good - 1, count;
    char bad[sizeof good];

    for (size_t i = 0; i < n; i++)
        CHECK(!test_ziplist_map_ok(str_of(good, i), &count));
    for (int round = 0; round < 20000; round++) {
        memcpy(bad, good, n);
        bad[unit_rand() % n] = (char)unit_rand();
        (void)test_ziplist_map_ok(str_of(bad, n), &count);
    }
    CHECK(!test_ziplist_map_ok(STR("\x01\x01" "a\x01\x00" "b\xfe"), &count));
    CHECK(!test_ziplist_map_ok(STR("\x02\x01" "a\x01\x00" "b\xff"), &count));
    CHECK(!test_ziplist_map_ok(STR("\x01\x01" "a\xff\x00" "b\xff"), &count));
    CHECK(!test_ziplist_map_ok(STR("\x01\x01" "a\x01\xff"), &count));
    CHECK(!test_ziplist_map_ok(STR("\x01\x01" "a\x01\x01" "b\xff"), &count));
    CHECK(!test_ziplist_map_ok(STR("\xfe\xfe\xff\xff\xff\xff" "a\xff"),
                               &count));
}

#define TESTS_ZIPLIST \
    T(test_ziplist_all_encodings) T(test_ziplist_empty) \
    T(test_ziplist_damage) T(test_ziplist_uncounted) T(test_ziplist_noise) \
    T(test_ziplist_map_read_all) T(test_ziplist_map_damage)
