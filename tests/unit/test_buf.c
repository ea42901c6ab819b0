/* SPDX-License-Identifier: MIT */
#include "unit.h"

static void test_buf_put(void) {
    struct buf b = { 0 };

    CHECK(buf_put(&b, NULL, 0));
    CHECK_INT(b.n, 0);
    CHECK(buf_put(&b, "ab", 2));
    CHECK(buf_put_char(&b, 'c'));
    CHECK(buf_put_str(&b, STR("def")));
    CHECK(buf_put_str(&b, str_of(NULL, 0)));
    CHECK_STR(buf_str(&b), "abcdef");
    buf_drop_front(&b, 0);
    buf_drop_front(&b, 2);
    CHECK_STR(buf_str(&b), "cdef");
    buf_drop_front(&b, 4);
    CHECK_STR(buf_str(&b), "");
    CHECK(buf_put(&b, "x", 1));
    buf_reset(&b);
    CHECK(b.n == 0 && b.cap >= 6);
    buf_free(&b);
    CHECK(b.p == NULL && b.cap == 0);
    buf_drop_front(&b, 0);
    buf_free(&b);
}

static void test_buf_printf(void) {
    struct buf b = { 0 };
    char want[3000] = "";

    CHECK(buf_printf(&b, "%s", ""));
    CHECK_INT(b.n, 0);
    for (int i = 0; i < 200; i++) {
        CHECK(buf_printf(&b, "%d-%s,", i, "word"));
        snprintf(want + strlen(want), 100, "%d-%s,", i, "word");
    }
    CHECK(str_eq(buf_str(&b), str_c(want)));
    buf_reset(&b);
    CHECK(buf_printf(&b, "%2000d", 1));
    CHECK_INT(b.n, 2000);
    buf_free(&b);
}

/* Growth costs little and keeps what was there. */
static void test_buf_growth(void) {
    struct buf b = { 0 };
    size_t moves = 0, cap = 0;

    for (size_t i = 0; i < (8 << 20); i++) {
        CHECK(buf_put_char(&b, (char)(i * 7 >> 3)));
        moves += b.cap != cap;
        CHECK(b.cap == cap || cap == 0 || b.cap - cap >= cap / 2);
        cap = b.cap;
    }
    CHECK(moves < 25);
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] != (char)(i * 7 >> 3)) CHECK(b.p[i] == 0 && "kept");
    buf_trim(&b, 1 << 24);
    CHECK(b.cap == cap);
    buf_trim(&b, 100);
    CHECK(b.cap == 8 << 20 && b.n == 8 << 20);
    buf_drop_front(&b, (8 << 20) - 3);
    CHECK_INT(b.p[2], (char)(((8 << 20) - 1) * 7 >> 3));
    buf_trim(&b, 100);
    CHECK_INT(b.cap, 100);
    CHECK_INT(b.p[2], (char)(((8 << 20) - 1) * 7 >> 3));
    buf_reset(&b);
    buf_trim(&b, 0);
    CHECK(b.p == NULL && b.cap == 0);
    CHECK(buf_put_char(&b, 'x'));
    buf_free(&b);
}

static void test_buf_room(void) {
    struct buf b = { 0 };
    char *p = buf_room(&b, 0);

    CHECK(p != NULL && b.cap > 0 && b.n == 0);
    p = buf_room(&b, 1000);
    CHECK(p != NULL && b.cap - b.n >= 1000);
    memset(p, 'x', 1000);
    b.n += 1000;
    p = buf_room(&b, 1000);
    CHECK(p == b.p + 1000);
    buf_free(&b);
}

/* What is refused leaves the contents, and says so until the reset. */
static void test_buf_refused(void) {
    struct buf b = { 0 };

    CHECK(buf_room(&b, SIZE_MAX) == NULL);
    CHECK(b.failed && b.p == NULL && b.cap == 0);
    buf_reset(&b);
    CHECK(buf_put_str(&b, STR("kept")));
    CHECK(!b.failed);
    CHECK(buf_room(&b, SIZE_MAX) == NULL);
    CHECK(buf_room(&b, (size_t)PTRDIFF_MAX - 3) == NULL);
    CHECK(b.failed);
    CHECK_STR(buf_str(&b), "kept");
    CHECK(buf_put_str(&b, STR("!")) && b.failed);
    CHECK_STR(buf_str(&b), "kept!");
    buf_reset(&b);
    CHECK(!b.failed);
    buf_free(&b);
}

/* Against plain bytes. */
static void test_buf_model(void) {
    enum { MOST = 20000 };
    static char model[MOST], noise[500];
    struct buf b = { 0 };
    size_t n = 0;

    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)unit_rand();
    for (int i = 0; i < 20000; i++) {
        size_t some = unit_rand() % sizeof noise;

        switch (unit_rand() % 5) {
        case 0:
        case 1:
            if (n + some > MOST) break;
            CHECK(buf_put(&b, noise, some));
            memcpy(model + n, noise, some);
            n += some;
            break;
        case 2:
            if (n == MOST) break;
            CHECK(buf_put_char(&b, noise[some]));
            model[n++] = noise[some];
            break;
        case 3:
            some = size_min(some, n);
            buf_drop_front(&b, some);
            memmove(model, model + some, n - some);
            n -= some;
            break;
        case 4:
            if (some % 9 == 0) buf_trim(&b, some * 10);
            if (some % 90 == 0) buf_reset(&b);
            if (some % 90 == 0) n = 0;
        }
        CHECK(b.n <= b.cap && !b.failed);
        CHECK(str_eq(buf_str(&b), str_of(model, n)));
    }
    buf_free(&b);
}

#define TESTS_BUF                                                            \
    T(test_buf_put)                                                          \
    T(test_buf_printf)                                                       \
    T(test_buf_growth)                                                       \
    T(test_buf_room)                                                         \
    T(test_buf_refused)                                                      \
    T(test_buf_model)
