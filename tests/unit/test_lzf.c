/* SPDX-License-Identifier: MIT */
/* LZF there and back, against known bytes and against damaged ones. */
#include "unit.h"

/* A copy in a block of exactly its size, so that a sanitizer sees each byte
 * read outside. */
static unsigned char *test_lzf_tight(const void *p, size_t n) {
    unsigned char *q = malloc(n > 0 ? n : 1);

    CHECK(q != NULL);
    if (n > 0) memcpy(q, p, n);
    return q;
}

static size_t test_lzf_try(const void *p, size_t n, char *out, size_t cap) {
    unsigned char *q = test_lzf_tight(p, n);
    unsigned char *d = test_lzf_tight(out, cap);
    size_t got = lzf_unpack(q, n, d, cap);

    CHECK(got <= cap);
    memcpy(out, d, got);
    free(q);
    free(d);
    return got;
}

static void test_lzf_known_bytes(void) {
    char out[400];

    CHECK_INT(test_lzf_try("\x02" "abc", 4, out, 3), 3);
    CHECK_STR(str_of(out, 3), "abc");
    /* What redis-server 7.0.15 makes of a hundred times 'a'. */
    CHECK_INT(test_lzf_try("\x01" "aa\xe0\x57\x00\x01" "aa", 9, out, 400),
              100);
    for (int i = 0; i < 100; i++) CHECK(out[i] == 'a');
    CHECK_INT(test_lzf_try("\x02" "xyz\x40\x02", 6, out, 400), 7);
    CHECK_STR(str_of(out, 7), "xyzxyzx");
    CHECK_INT(test_lzf_try("\x00" "q\xe0\xff\x00", 5, out, 400), 265);
}

static void test_lzf_malformed(void) {
    char out[64];

    CHECK_INT(test_lzf_try("", 0, out, 64), 0);
    CHECK_INT(test_lzf_try("\x02" "ab", 3, out, 64), 0);   /* literal cut */
    CHECK_INT(test_lzf_try("\x02" "abc", 4, out, 2), 0);   /* no room */
    CHECK_INT(test_lzf_try("\x20\x00", 2, out, 64), 0);    /* before start */
    CHECK_INT(test_lzf_try("\x00" "a\x20\x01", 4, out, 64), 0);
    CHECK_INT(test_lzf_try("\x00" "a\x20", 3, out, 64), 0);
    CHECK_INT(test_lzf_try("\x00" "a\xe0", 3, out, 64), 0);
    CHECK_INT(test_lzf_try("\x00" "a\xe0\x01", 4, out, 64), 0);
    CHECK_INT(test_lzf_try("\x00" "a\xe0\xff\x00", 5, out, 64), 0);
}

/* Text of few words, of one letter, or of chance. */
static void test_lzf_fill(char *p, size_t n, int kind) {
    for (size_t i = 0; i < n; i++) {
        uint64_t r = unit_rand();

        if (kind == 0) p[i] = (char)r;
        else if (kind == 1) p[i] = "abc"[r % 3];
        else if (kind == 2) p[i] = r % 50 == 0 ? (char)r : 'z';
        else p[i] = i < 40 || r % 64 == 0 ? (char)r : p[i - 37];
    }
}

static void test_lzf_there_and_back(void) {
    for (int round = 0; round < 600; round++) {
        size_t n = unit_rand() % (round % 20 == 0 ? 60000 : 700) + 1;
        size_t cap = n + n / 32 + 4, m, got;
        char *in = malloc(n), *out = malloc(cap), *back = malloc(n);

        CHECK(in != NULL && out != NULL && back != NULL);
        test_lzf_fill(in, n, round % 4);
        m = lzf_pack(in, n, out, cap);
        CHECK(m > 0 && m <= cap && n <= m * LZF_RATIO);
        got = lzf_unpack(out, m, back, n);
        CHECK_INT(got, n);
        CHECK(memcmp(in, back, n) == 0);
        CHECK_INT(lzf_pack(in, n, out, m), m);      /* it just fits */
        CHECK_INT(lzf_pack(in, n, out, m - 1), 0);
        CHECK(lzf_unpack(out, m, back, n - 1) == 0);
        free(in);
        free(out);
        free(back);
    }
}

static void test_lzf_damaged(void) {
    char in[500], out[600], back[500];

    for (int round = 0; round < 20000; round++) {
        size_t n = unit_rand() % sizeof in + 1, m;

        test_lzf_fill(in, n, round % 4);
        m = lzf_pack(in, n, out, sizeof out);
        for (int i = 0; i < 3; i++)
            out[unit_rand() % m] = (char)unit_rand();
        test_lzf_try(out, m - unit_rand() % m, back, n);
    }
}

#define TESTS_LZF \
    T(test_lzf_known_bytes) T(test_lzf_malformed) \
    T(test_lzf_there_and_back) T(test_lzf_damaged)
