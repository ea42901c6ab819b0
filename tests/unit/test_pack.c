/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Room for a pack that tests build element by element. */
struct test_pack {
    uint8_t p[1 << 17];
    size_t n;
};

static struct test_pack *test_pack_new(void) {
    struct test_pack *t = malloc(sizeof *t);

    CHECK(t != NULL);
    t->n = 0;
    return t;
}

static void test_pack_add(struct test_pack *t, struct str s) {
    size_t size = pack_size_of(s);

    CHECK(t->n + size <= sizeof t->p);
    CHECK_INT(pack_write(t->p + t->n, s), size);
    t->n += size;
}

/* The bytes that Redis 7.0.15 writes, compared with its DUMP of a hash. */
static void test_pack_bytes(void) {
    static const struct {
        const char *text, *bytes;
        size_t n;
    } rows[] = {
        { "0", "\x00\x01", 2 },
        { "127", "\x7f\x01", 2 },
        { "128", "\xc0\x80\x02", 3 },
        { "-1", "\xdf\xff\x02", 3 },
        { "4095", "\xcf\xff\x02", 3 },
        { "-4096", "\xd0\x00\x02", 3 },
        { "4096", "\xf1\x00\x10\x03", 4 },
        { "-4097", "\xf1\xff\xef\x03", 4 },
        { "32767", "\xf1\xff\x7f\x03", 4 },
        { "32768", "\xf2\x00\x80\x00\x04", 5 },
        { "-8388608", "\xf2\x00\x00\x80\x04", 5 },
        { "8388608", "\xf3\x00\x00\x80\x00\x05", 6 },
        { "-2147483648", "\xf3\x00\x00\x00\x80\x05", 6 },
        { "2147483648", "\xf4\x00\x00\x00\x80\x00\x00\x00\x00\x09", 10 },
        { "-9223372036854775808",
          "\xf4\x00\x00\x00\x00\x00\x00\x00\x80\x09", 10 },
        { "9223372036854775807",
          "\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09", 10 },
        { "9223372036854775808",
          "\x93" "9223372036854775808" "\x14", 21 },
        { "", "\x80\x01", 2 },
        { "a", "\x81" "a" "\x02", 3 },
        { "-", "\x81" "-" "\x02", 3 },
        { "-0", "\x82" "-0" "\x03", 4 },
        { "01", "\x82" "01" "\x03", 4 },
        { "+1", "\x82" "+1" "\x03", 4 },
        { "1 ", "\x82" "1 " "\x03", 4 },
    };
    uint8_t b[64];

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct str s = str_c(rows[i].text);
        size_t n = pack_write(b, s), count;
        struct pack_item it;
        char tmp[24];

        unit_check_str(str_of(b, n), str_of(rows[i].bytes, rows[i].n),
                       rows[i].text, __FILE__, __LINE__);
        CHECK_INT(pack_size_of(s), n);
        CHECK(pack_valid(b, n, &count));
        CHECK_INT(count, 1);
        CHECK_INT(pack_read(b, n, 0, &it), n);
        CHECK(str_eq(pack_item_str(&it, tmp), s));
        CHECK(pack_item_eq(&it, s));
        CHECK(!pack_item_eq(&it, STR("other")));
        CHECK(!pack_item_eq(&it, STR("17")));
        CHECK_INT(pack_find(b, n, 0, s, 0), 0);
        CHECK(pack_find(b, n, 0, STR("17"), 0) == PACK_NONE);
    }
}

/* Strings on both sides of each limit of length and of `back`. */
static void test_pack_lengths(void) {
    static const size_t lens[] = { 0, 1, 62, 63, 64, 65, 124, 125, 126, 127,
        128, 4094, 4095, 4096, 16375, 16377, 16378, 16379, 16380, 16384,
        2097140, 2097145, 2097146, 2097147, 2097152 };
    char *s = malloc(2097152);
    uint8_t *p = malloc(2097152 + 32);

    CHECK(s != NULL && p != NULL);
    memset(s, 'x', 2097152);
    for (size_t i = 0; i < ROWS(lens); i++) {
        struct str want = str_of(s, lens[i]);
        size_t n = pack_write(p, STR("7")), count, end, at;
        struct pack_item it;

        at = n;
        n += pack_write(p + n, want);
        CHECK_INT(n - at, pack_size_of(want));
        end = n;
        n += pack_write(p + n, STR("end"));
        CHECK(pack_valid(p, n, &count));
        CHECK_INT(count, 3);
        CHECK_INT(pack_read(p, n, at, &it), end);
        CHECK(!it.is_int && str_eq(it.s, want));
        CHECK_INT(pack_prev(p, n, n), end);
        CHECK_INT(pack_prev(p, n, end), at);
        CHECK_INT(pack_prev(p, n, at), 0);
        CHECK(pack_prev(p, n, 0) == PACK_NONE);
        CHECK_INT(pack_find(p, n, 0, want, 0), at);
        CHECK_INT(pack_nth(p, n, 2), end);
        CHECK(pack_nth(p, n, 3) == PACK_NONE);
        CHECK_INT(pack_nth_back(p, n, 2), 0);
        CHECK(pack_nth_back(p, n, 3) == PACK_NONE);
        CHECK_INT(pack_count(p, n), 3);
    }
    free(s);
    free(p);
}

static void test_pack_find_skips(void) {
    struct test_pack *t = test_pack_new();

    test_pack_add(t, STR("field"));
    test_pack_add(t, STR("value"));
    test_pack_add(t, STR("value"));
    test_pack_add(t, STR("field"));
    test_pack_add(t, STR("12"));
    test_pack_add(t, STR("13"));
    CHECK_INT(pack_find(t->p, t->n, 0, STR("value"), 0), 7);
    CHECK_INT(pack_find(t->p, t->n, 0, STR("value"), 1), 14);
    CHECK_INT(pack_find(t->p, t->n, 7, STR("field"), 0), 21);
    CHECK_INT(pack_find(t->p, t->n, 0, STR("12"), 1), 28);
    CHECK(pack_find(t->p, t->n, 0, STR("13"), 1) == PACK_NONE);
    CHECK(pack_find(t->p, t->n, 0, STR("012"), 0) == PACK_NONE);
    CHECK(pack_find(t->p, 0, 0, STR("12"), 0) == PACK_NONE);
    free(t);
}

/* What Redis reads although it would not write it so. */
static void test_pack_wider_than_needed(void) {
    static const uint8_t p[] = { 0xF4, 5, 0, 0, 0, 0, 0, 0, 0, 9,
                                 0x81, '5', 2, 0xE0, 1, 'x', 3,
                                 0xF0, 1, 0, 0, 0, 'y', 6 };
    size_t count;

    CHECK(pack_valid(p, sizeof p, &count));
    CHECK_INT(count, 4);
    CHECK_INT(pack_find(p, sizeof p, 0, STR("5"), 0), 0);
    CHECK_INT(pack_find(p, sizeof p, 10, STR("5"), 0), 10);
    CHECK_INT(pack_find(p, sizeof p, 0, STR("x"), 0), 13);
    CHECK_INT(pack_find(p, sizeof p, 0, STR("y"), 0), 17);
    CHECK_INT(pack_prev(p, sizeof p, sizeof p), 17);
}

static void test_pack_listpack(void) {
    uint8_t b[64];
    struct str body;
    size_t n = 0, count;

    n += pack_write(b + 6, STR("a"));
    n += pack_write(b + 6 + n, STR("1"));
    CHECK_INT(pack_to_listpack_header(b, n, 2), n + 7);
    b[6 + n] = PACK_END;
    unit_check_str(str_of(b, n + 7),
                   STR("\x0c\0\0\0\x02\0\x81" "a\x02\x01\x01\xff"),
                   "listpack", __FILE__, __LINE__);
    CHECK(pack_from_listpack(b, n + 7, &body, &count));
    CHECK_INT(count, 2);
    CHECK_INT(body.n, n);
    b[4] = 3;
    CHECK(!pack_from_listpack(b, n + 7, &body, &count));
    b[4] = b[5] = 0xFF;
    CHECK(pack_from_listpack(b, n + 7, &body, &count));
    CHECK(!pack_from_listpack(b, n + 6, &body, &count));
    b[6 + n] = 0;
    CHECK(!pack_from_listpack(b, n + 7, &body, &count));
    CHECK(!pack_from_listpack(b, 0, &body, &count));
    CHECK_INT(pack_to_listpack_header(b, 0, 0), 7);
    b[6] = PACK_END;
    CHECK(pack_from_listpack(b, 7, &body, &count));
    CHECK_INT(count, 0);
    pack_to_listpack_header(b, 1 << 20, 70000);
    CHECK_INT(load_le(b + 4, 2), 65535);
}

/* A random string: short, numeric or long. */
static struct str test_pack_random(char *b) {
    size_t n;

    switch (unit_rand() % 4) {
    case 0:
        n = (size_t)snprintf(b, 32, "%" PRId64,
                             (int64_t)unit_rand() >> unit_rand() % 64);
        return str_of(b, n);
    case 1:
        n = (size_t)snprintf(b, 32, "%d", (int)(unit_rand() % 9) - 4);
        return str_of(b, n);
    default:
        n = (size_t)(unit_rand() % (unit_rand() % 8 == 0 ? 300 : 12));
        for (size_t i = 0; i < n; i++) b[i] = (char)('0' + unit_rand() % 4);
        return str_of(b, n);
    }
}

/* Insert, replace and remove at random beside an array of strings. */
static void test_pack_model(void) {
    enum { MOST = 200 };
    struct test_pack *t = test_pack_new();
    static char text[MOST][320];
    static size_t len[MOST];
    size_t count = 0;
    char b[320], tmp[24];

    for (int round = 0; round < 20000; round++) {
        struct str s = test_pack_random(b);
        size_t i = unit_rand() % (count + 1), old = 0, at, n, back;
        unsigned what = (unsigned)(unit_rand() % 3);
        bool add = what == 0 && count < MOST;
        struct pack_item it;

        if (!add && i == count) continue;
        at = i == count ? t->n : pack_nth(t->p, t->n, i);
        CHECK(at == (i == count ? t->n
                                : pack_nth_back(t->p, t->n, count - 1 - i)));
        if (!add) old = pack_next(t->p, t->n, at) - at;
        n = what == 1 ? 0 : pack_size_of(s);
        if (!add && what == 0) continue;
        pack_splice(t->p, t->n, at, old, n);
        t->n = t->n - old + n;
        if (n > 0) CHECK_INT(pack_write(t->p + at, s), n);
        if (add) {
            memmove(text[i + 1 == MOST ? i : i + 1], text[i],
                    (count - i) * sizeof *text);
            memmove(len + i + 1, len + i, (count - i) * sizeof *len);
            count++;
        } else if (n == 0) {
            count--;
            memmove(text[i], text[i + 1], (count - i) * sizeof *text);
            memmove(len + i, len + i + 1, (count - i) * sizeof *len);
        }
        if (n > 0) {
            memcpy(text[i], s.p, s.n);
            len[i] = s.n;
        }
        CHECK_INT(pack_count(t->p, t->n), count);
        CHECK(pack_valid(t->p, t->n, &back));
        CHECK_INT(back, count);
        at = 0;
        for (i = 0; i < count; i++) {
            size_t next = pack_read(t->p, t->n, at, &it);

            CHECK(str_eq(pack_item_str(&it, tmp), str_of(text[i], len[i])));
            CHECK_INT(pack_prev(t->p, t->n, next), at);
            if (i % 16 == 0) {
                size_t k = 0;

                while (!str_eq(str_of(text[k], len[k]),
                               str_of(text[i], len[i])))
                    k++;
                CHECK_INT(pack_find(t->p, t->n, 0,
                                    str_of(text[i], len[i]), 0),
                          pack_nth(t->p, t->n, k));
            }
            at = next;
        }
        CHECK_INT(at, t->n);
    }
    free(t);
}

/* Damaged bytes, each time in a block of exactly their length, so that a read
 * outside is seen; what is found valid must be fit for use. */
static void test_pack_hostile(void) {
    struct test_pack *t = test_pack_new();
    char b[320];

    for (int round = 0; round < 30000; round++) {
        size_t n, count, walked = 0;
        uint8_t *p;

        t->n = 0;
        for (int k = (int)(unit_rand() % 6); k >= 0; k--)
            test_pack_add(t, test_pack_random(b));
        for (int k = (int)(unit_rand() % 3); k > 0; k--)
            t->p[unit_rand() % t->n] = (uint8_t)unit_rand();
        n = t->n - (unit_rand() % 4 == 0 ? unit_rand() % t->n : 0);
        p = malloc(n);
        CHECK(p != NULL);
        memcpy(p, t->p, n);
        if (pack_valid(p, n, &count)) {
            struct pack_item it;

            for (size_t at = 0; at < n; walked++) {
                at = pack_read(p, n, at, &it);
                CHECK(at <= n);
            }
            CHECK_INT(walked, count);
            for (size_t at = n; (at = pack_prev(p, n, at)) != PACK_NONE;)
                walked--;
            CHECK_INT(walked, 0);
        }
        free(p);
    }
    for (unsigned c = 0xF5; c <= 0xFF; c++) {
        uint8_t bad[2] = { (uint8_t)c, 1 };
        size_t count;

        CHECK(!pack_valid(bad, 2, &count));
    }
    free(t);
}

#define TESTS_PACK                                                           \
    T(test_pack_bytes)                                                       \
    T(test_pack_lengths)                                                     \
    T(test_pack_find_skips)                                                  \
    T(test_pack_wider_than_needed)                                           \
    T(test_pack_listpack)                                                    \
    T(test_pack_model)                                                       \
    T(test_pack_hostile)
