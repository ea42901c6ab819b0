/* SPDX-License-Identifier: MIT */
/* The words of RDB: written, read back, cut off, and lied about. */
#include "unit.h"

/* Read from a copy that a sanitizer knows the ends of. */
struct test_rdb_tight {
    struct rdb_in in;
    char *p;
};

static struct rdb_in *test_rdb_tight(struct test_rdb_tight *t, const void *p,
                                     size_t n) {
    t->p = malloc(n > 0 ? n : 1);
    CHECK(t->p != NULL);
    if (n > 0) memcpy(t->p, p, n);
    rdb_in_mem(&t->in, t->p, n);
    return &t->in;
}

static void test_rdb_done(struct test_rdb_tight *t) {
    rdb_in_free(&t->in);
    free(t->p);
}

static void test_rdb_lengths(void) {
    static const struct {
        uint64_t n;
        struct str bytes;
    } rows[] = {
        { 0, { "\x00", 1 } },
        { 63, { "\x3f", 1 } },
        { 64, { "\x40\x40", 2 } },
        { 16383, { "\x7f\xff", 2 } },
        { 16384, { "\x80\x00\x00\x40\x00", 5 } },
        { UINT32_MAX, { "\x80\xff\xff\xff\xff", 5 } },
        { (uint64_t)UINT32_MAX + 1,
          { "\x81\x00\x00\x00\x01\x00\x00\x00\x00", 9 } },
        { UINT64_MAX, { "\x81\xff\xff\xff\xff\xff\xff\xff\xff", 9 } },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf b = { 0 };
        struct test_rdb_tight t;
        uint64_t n;

        rdb_put_len(&b, rows[i].n);
        CHECK(str_eq(str_of(b.p, b.n), rows[i].bytes));
        CHECK_INT(rdb_len_size(rows[i].n), b.n);
        CHECK(rdb_get_len(test_rdb_tight(&t, b.p, b.n), &n));
        CHECK(n == rows[i].n && rdb_at(&t.in) == b.n);
        test_rdb_done(&t);
        for (size_t cut = 0; cut < b.n; cut++) {
            CHECK(!rdb_get_len(test_rdb_tight(&t, b.p, cut), &n));
            CHECK(t.in.why != NULL);
            test_rdb_done(&t);
        }
        buf_free(&b);
    }
}

static void test_rdb_no_lengths(void) {
    struct test_rdb_tight t;
    uint64_t n;

    for (int first = 0x82; first < 0x100; first++) {
        char p[12] = { (char)first, 1, 1, 1 };

        CHECK(!rdb_get_len(test_rdb_tight(&t, p, sizeof p), &n));
        CHECK(t.in.why != NULL);
        test_rdb_done(&t);
    }
}

/* Expectations taken from DUMPs of redis-server 7.0.15. */
static void test_rdb_strings(void) {
    static const struct {
        struct str s, bytes;
    } rows[] = {
        { { "", 0 }, { "\x00", 1 } },
        { { "abc", 3 }, { "\x03" "abc", 4 } },
        { { "0", 1 }, { "\xc0\x00", 2 } },
        { { "-1", 2 }, { "\xc0\xff", 2 } },
        { { "127", 3 }, { "\xc0\x7f", 2 } },
        { { "128", 3 }, { "\xc1\x80\x00", 3 } },
        { { "-129", 4 }, { "\xc1\x7f\xff", 3 } },
        { { "32768", 5 }, { "\xc2\x00\x80\x00\x00", 5 } },
        { { "2147483647", 10 }, { "\xc2\xff\xff\xff\x7f", 5 } },
        { { "-2147483648", 11 }, { "\xc2\x00\x00\x00\x80", 5 } },
        { { "2147483648", 10 }, { "\x0a" "2147483648", 11 } },
        { { "01", 2 }, { "\x02" "01", 3 } },
        { { "+1", 2 }, { "\x02" "+1", 3 } },
        { { "-0", 2 }, { "\x02" "-0", 3 } },
        { { " 1", 2 }, { "\x02 1", 3 } },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf b = { 0 };
        struct test_rdb_tight t;
        struct str s;
        int64_t v;

        rdb_put_str(&b, rows[i].s);
        CHECK(str_eq(str_of(b.p, b.n), rows[i].bytes));
        CHECK_INT(rdb_str_size(rows[i].s), b.n);
        CHECK(rdb_get_str(test_rdb_tight(&t, b.p, b.n), &s));
        CHECK(str_eq(s, rows[i].s));
        test_rdb_done(&t);
        CHECK(rdb_skip_str(test_rdb_tight(&t, b.p, b.n)));
        CHECK(rdb_at(&t.in) == b.n);
        test_rdb_done(&t);
        for (size_t cut = 0; cut < b.n; cut++) {
            CHECK(!rdb_get_str(test_rdb_tight(&t, b.p, cut), &s));
            test_rdb_done(&t);
            CHECK(!rdb_skip_str(test_rdb_tight(&t, b.p, cut)));
            test_rdb_done(&t);
        }
        if (num_parse_int(rows[i].s, &v)) {
            b.n = 0;
            rdb_put_int(&b, v);
            CHECK(str_eq(str_of(b.p, b.n), rows[i].bytes));
            CHECK_INT(rdb_int_size(v), b.n);
        }
        buf_free(&b);
    }
}

static void test_rdb_packed_strings(void) {
    struct buf b = { 0 };
    char text[3000];

    for (int round = 0; round < 300; round++) {
        size_t n = unit_rand() % sizeof text;
        struct test_rdb_tight t;
        struct str s;

        for (size_t i = 0; i < n; i++)
            text[i] = round % 3 == 0 ? (char)unit_rand()
                                     : "ab"[unit_rand() % 8 == 0];
        b.n = 0;
        rdb_put_byte(&b, 'x');
        rdb_put_str_lzf(&b, str_of(text, n));
        rdb_put_byte(&b, 'y');
        CHECK(!b.failed && b.n <= n + 7);
        if (round % 3 != 0 && n > 300) CHECK(b.n < n);
        CHECK(rdb_skip_bytes(test_rdb_tight(&t, b.p, b.n), 1));
        CHECK(rdb_get_str(&t.in, &s));
        CHECK(str_eq(s, str_of(text, n)));
        CHECK_INT(rdb_at(&t.in), b.n - 1);
        test_rdb_done(&t);
        CHECK(rdb_skip_bytes(test_rdb_tight(&t, b.p, b.n), 1));
        CHECK(rdb_skip_str(&t.in));
        CHECK_INT(rdb_at(&t.in), b.n - 1);
        test_rdb_done(&t);
    }
    buf_free(&b);
}

/* The byte string is a value whose length lies. */
static void test_rdb_lie(const char *p, size_t n) {
    struct test_rdb_tight t;
    struct str s;

    CHECK(!rdb_get_str(test_rdb_tight(&t, p, n), &s));
    CHECK(t.in.why != NULL && t.in.spare_cap == 0);
    CHECK(!rdb_get_str(&t.in, &s));             /* it stays that way */
    test_rdb_done(&t);
    CHECK(!rdb_skip_str(test_rdb_tight(&t, p, n)));
    test_rdb_done(&t);
}

static void test_rdb_lying_lengths(void) {
    struct test_rdb_tight t;
    struct str s;

    test_rdb_lie("\x05" "abcd", 5);
    test_rdb_lie("\x81\xff\xff\xff\xff\xff\xff\xff\xff" "a", 10);
    test_rdb_lie("\x81\x7f\xff\xff\xff\xff\xff\xff\xff" "a", 10);
    test_rdb_lie("\x80\xff\xff\xff\xff" "a", 6);
    /* Five packed bytes cannot become a gigabyte, nor 441 bytes. */
    test_rdb_lie("\xc3\x05\x80\x40\x00\x00\x00\x01" "aa\xe0\xff", 12);
    test_rdb_lie("\xc3\x05\x41\xb9\x01" "aa\xe0\xff\x00", 10);
    test_rdb_lie("\xc3\x05\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01" "aaaa",
                 17);
    test_rdb_lie("\xc3\x06\x0a\x01" "aaaa", 8);  /* fewer than said */
    test_rdb_lie("\xc3\x00\x0a\x01" "aaaa", 8);
    test_rdb_lie("\xc3\x05\x00\x01" "aaaa", 8);
    test_rdb_lie("\xc3\x81\xff\xff\xff\xff\xff\xff\xff\xff\x0a\x01" "aaaa",
                 16);
    /* The packed bytes are there, and give something shorter or longer. */
    CHECK(!rdb_get_str(test_rdb_tight(&t, "\xc3\x04\x04\x02" "abc", 7), &s));
    test_rdb_done(&t);
    CHECK(!rdb_get_str(test_rdb_tight(&t, "\xc3\x04\x02\x02" "abc", 7), &s));
    test_rdb_done(&t);
    CHECK(rdb_get_str(test_rdb_tight(&t, "\xc3\x04\x03\x02" "abc", 7), &s));
    CHECK_STR(s, "abc");
    test_rdb_done(&t);
    test_rdb_tight(&t, "\x05" "abcde", 6)->str_max = 4;
    CHECK(!rdb_get_str(&t.in, &s));
    test_rdb_done(&t);
}

static void test_rdb_numbers(void) {
    static const double reals[] = { 0, -0.0, 1.5, -1e300, 5e-324, HUGE_VAL };
    struct buf b = { 0 };
    struct test_rdb_tight t;
    double d;
    int64_t ms;

    for (size_t i = 0; i < ROWS(reals); i++) rdb_put_double_bin(&b, reals[i]);
    rdb_put_ms(&b, INT64_C(1700000000123));
    rdb_put_ms(&b, -1);
    rdb_put_ms(&b, INT64_MIN);
    CHECK(memcmp(b.p + 16, "\0\0\0\0\0\0\xf8\x3f", 8) == 0);
    test_rdb_tight(&t, b.p, b.n);
    for (size_t i = 0; i < ROWS(reals); i++)
        CHECK(rdb_get_double(&t.in, &d) &&
              memcmp(&d, &reals[i], sizeof d) == 0);
    CHECK(rdb_get_ms(&t.in, &ms) && ms == INT64_C(1700000000123));
    CHECK(rdb_get_ms(&t.in, &ms) && ms == -1);
    CHECK(rdb_get_ms(&t.in, &ms) && ms == INT64_MIN);
    CHECK(!rdb_get_ms(&t.in, &ms));
    test_rdb_done(&t);
    buf_free(&b);
    test_rdb_tight(&t, "\xff\xff\xff\xff\x00\xe1\xf5\x05", 8);
    CHECK(rdb_get_seconds(&t.in, &ms) && ms == -1000);
    CHECK(rdb_get_seconds(&t.in, &ms) && ms == INT64_C(100000000000));
    test_rdb_done(&t);
    test_rdb_tight(&t, "\x03" "1.5\xfd\xfe\xff\x04" "1..5", 12);
    CHECK(rdb_get_double_text(&t.in, &d) && d == 1.5);
    CHECK(rdb_get_double_text(&t.in, &d) && isnan(d));
    CHECK(rdb_get_double_text(&t.in, &d) && d == HUGE_VAL);
    CHECK(rdb_get_double_text(&t.in, &d) && d == -HUGE_VAL);
    CHECK(!rdb_get_double_text(&t.in, &d));
    test_rdb_done(&t);
}

static void test_rdb_headers(void) {
    static const struct {
        const char *bytes;
        int version;
        bool valkey;
    } rows[] = {
        { "REDIS0001", 1, false },   { "REDIS0006", 6, false },
        { "REDIS0010", 10, false },  { "REDIS0012", 12, false },
        { "VALKEY080", 80, true },   { "REDIS0000", 0, false },
        { "REDIS0013", 0, false },   { "REDIS0080", 0, false },
        { "VALKEY011", 0, false },   { "VALKEY081", 0, false },
        { "REDIS00a1", 0, false },   { "REDIX0010", 0, false },
        { "REDIS 010", 0, false },   { "REDIS001", 0, false },
    };
    struct buf b = { 0 };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct test_rdb_tight t;

        test_rdb_tight(&t, rows[i].bytes, strlen(rows[i].bytes));
        CHECK(rdb_get_header(&t.in) == (rows[i].version > 0));
        if (rows[i].version > 0) {
            CHECK_INT(t.in.version, rows[i].version);
            CHECK(t.in.valkey == rows[i].valkey);
        }
        test_rdb_done(&t);
    }
    rdb_put_header(&b, RDB_VERSION);
    CHECK_STR(str_of(b.p, b.n), "REDIS0010");
    buf_free(&b);
}

static void test_rdb_payloads(void) {
    /* DUMP of a key set to "hello" by redis-server 7.0.15. */
    static const char hello[] = "\x00\x05hello\x0a\x00"
                                "\x63\x72\xdf\x76\x65\x34\x20\x0a";
    size_t n = sizeof hello - 1;
    struct crc_tables crc;
    struct buf b = { 0 };
    struct rdb_in in;
    struct str s;
    uint8_t type;

    crc_init(&crc);
    buf_put(&b, "before", 6);
    rdb_put_byte(&b, RDB_STRING);
    rdb_put_str(&b, STR("hello"));
    rdb_put_footer(&b, 6, RDB_VERSION, &crc);
    CHECK(str_eq(str_of(b.p + 6, b.n - 6), str_of(hello, n)));
    CHECK(rdb_in_payload(&in, hello, n, &crc));
    CHECK(rdb_get_byte(&in, &type) && type == RDB_STRING);
    CHECK(rdb_get_str(&in, &s));
    CHECK_STR(s, "hello");
    CHECK(!rdb_get_byte(&in, &type));
    rdb_in_free(&in);
    for (size_t i = 0; i < n; i++) {
        char bad[sizeof hello];

        memcpy(bad, hello, n);
        bad[i] ^= 0x10;
        CHECK(!rdb_in_payload(&in, bad, n, &crc));
        CHECK(!rdb_in_payload(&in, hello, i, &crc));
    }
    b.n = 0;
    rdb_put_byte(&b, RDB_STRING);
    rdb_put_str(&b, STR("hello"));
    rdb_put_footer(&b, 0, 13, &crc);
    CHECK(!rdb_in_payload(&in, b.p, b.n, &crc));
    b.n -= RDB_FOOTER;
    rdb_put_footer(&b, 0, RDB_VERSION_VALKEY, &crc);
    CHECK(rdb_in_payload(&in, b.p, b.n, &crc) && in.valkey);
    buf_free(&b);
}

/* A listpack is written as redis-server 7.0.15 has it: here RPUSH k a 1. */
static void test_rdb_listpack(void) {
    struct buf b = { 0 };

    rdb_put_pack(&b, STR("\x81" "a\x02\x01\x01"), 2);
    CHECK_INT(b.n, rdb_pack_size(5));
    CHECK_STR(str_of(b.p, b.n),
              "\x0c\x0c\0\0\0\x02\0\x81" "a\x02\x01\x01\xff");
    buf_free(&b);
}

/* ---- from descriptors ---- */

/* Strings of all sizes and a few large ones, `mark` making each different. */
static void test_rdb_big_file(struct buf *b, struct buf *model) {
    for (uint32_t mark = 0; b->n < 5 * (size_t)RDB_READ; mark++) {
        size_t n = unit_rand() % (mark % 10 == 9 ? 300000 : 90);
        char *p;

        if (mark == 40) n = 2500000;
        p = buf_room(model, n + 8);
        CHECK(p != NULL);
        store64(p, n);
        for (size_t i = 0; i < n; i++)
            p[8 + i] = (char)(n > 1000 ? 'a' + (int)(mark % 26)
                                       : (int)unit_rand());
        model->n += n + 8;
        if (mark % 5 == 0) rdb_put_str_lzf(b, str_of(p + 8, n));
        else rdb_put_str(b, str_of(p + 8, n));
        rdb_put_ms(b, mark);
    }
    CHECK(!b->failed && !model->failed);
}

/* Read it all back, some of it by passing over it. */
static void test_rdb_read_back(struct rdb_in *in, const struct buf *model,
                               bool skips) {
    size_t at = 0;

    for (int64_t mark = 0; at < model->n; mark++) {
        struct str want = str_of(model->p + at + 8,
                                 (size_t)load64(model->p + at)), got;
        int64_t ms;

        if (skips && unit_rand() % 3 == 0) {
            CHECK(rdb_skip_str(in));
        } else {
            CHECK(rdb_get_str(in, &got));
            CHECK(str_eq(got, want));
        }
        CHECK(rdb_get_ms(in, &ms) && ms == mark);
        at += want.n + 8;
    }
}

static int test_rdb_file_of(struct str s) {
    char path[] = "/tmp/kvns-rdb-XXXXXX";
    int fd = mkstemp(path);

    CHECK(fd != -1);
    CHECK(unlink(path) == 0);
    CHECK(write(fd, s.p, s.n) == (ssize_t)s.n);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void test_rdb_from_file(void) {
    struct buf b = { 0 }, model = { 0 };
    struct crc_tables crc;
    uint64_t want;
    int fd;

    crc_init(&crc);
    test_rdb_big_file(&b, &model);
    fd = test_rdb_file_of(str_of(b.p, b.n));
    want = crc64(&crc, 0, b.p, b.n);
    for (int skips = 0; skips < 2; skips++) {
        struct rdb_in in;
        uint8_t byte;

        CHECK(lseek(fd, 0, SEEK_SET) == 0);
        rdb_in_fd(&in, fd, RDB_UNKNOWN);
        in.crc = &crc;
        CHECK(in.left == b.n);
        test_rdb_read_back(&in, &model, skips);
        CHECK(rdb_at(&in) == b.n && rdb_sum(&in) == want);
        CHECK(in.cap <= 4 * (size_t)RDB_READ);
        CHECK(!rdb_get_byte(&in, &byte) && in.why_at == b.n);
        rdb_in_free(&in);
    }
    close(fd);
    buf_free(&b);
    buf_free(&model);
}

struct test_rdb_pipe {
    const struct buf *b;
    int fd;
};

/* Feeds a pipe in pieces of any size. */
static void *test_rdb_feed(void *arg) {
    struct test_rdb_pipe *t = arg;
    uint64_t x = 88172645463325252;
    size_t at = 0, n;

    while (at < t->b->n) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        n = size_min(t->b->n - at, x % 7 == 0 ? x % 9 + 1 : x % 70000 + 1);
        CHECK(write(t->fd, t->b->p + at, n) == (ssize_t)n);
        at += n;
    }
    close(t->fd);
    return NULL;
}

static void test_rdb_from_pipe(void) {
    struct buf b = { 0 }, model = { 0 };
    struct crc_tables crc;
    struct rdb_in in;
    pthread_t feeder;
    struct test_rdb_pipe t = { &b, -1 };
    int fds[2];
    uint8_t byte;

    crc_init(&crc);
    test_rdb_big_file(&b, &model);
    CHECK(pipe(fds) == 0);
    t.fd = fds[1];
    CHECK(pthread_create(&feeder, NULL, test_rdb_feed, &t) == 0);
    rdb_in_fd(&in, fds[0], RDB_UNKNOWN);
    in.crc = &crc;
    CHECK(in.left == RDB_UNKNOWN);
    test_rdb_read_back(&in, &model, true);
    CHECK(rdb_sum(&in) == crc64(&crc, 0, b.p, b.n));
    CHECK(!rdb_get_byte(&in, &byte));
    CHECK_STR(str_c(in.why), "ends too early");
    CHECK(pthread_join(feeder, NULL) == 0);
    rdb_in_free(&in);
    close(fds[0]);
    buf_free(&b);
    buf_free(&model);
}

/* A length may be as large as it likes: room comes with bytes. */
static void test_rdb_pipe_that_lies(void) {
    static const struct str lies[] = {
        { "\x81\x00\x00\x00\x10\x00\x00\x00\x00" "abc", 12 },
        { "\x81\x7f\xff\xff\xff\xff\xff\xff\xff" "abc", 12 },
        { "\x81\xff\xff\xff\xff\xff\xff\xff\xff" "abc", 12 },
        { "\xc3\x81\x00\x00\x00\x10\x00\x00\x00\x00"
          "\x81\x00\x00\x00\x20\x00\x00\x00\x00", 19 },
    };

    for (size_t i = 0; i < 2 * ROWS(lies); i++) {
        const struct str lie = lies[i / 2];
        struct rdb_in in;
        struct str s;
        int fds[2];

        CHECK(pipe(fds) == 0);
        CHECK(write(fds[1], lie.p, lie.n) == (ssize_t)lie.n);
        close(fds[1]);
        rdb_in_fd(&in, fds[0], RDB_UNKNOWN);
        CHECK(i % 2 == 0 ? !rdb_get_str(&in, &s) : !rdb_skip_str(&in));
        CHECK(in.why != NULL && in.cap <= 2 * (size_t)RDB_READ);
        CHECK(in.spare_cap == 0);
        rdb_in_free(&in);
        close(fds[0]);
    }
}

/* What comes behind the given length is left in the descriptor. */
static void test_rdb_bounded_stream(void) {
    int fds[2];
    struct rdb_in in;
    struct str s;
    char rest[8];

    CHECK(pipe(fds) == 0);
    CHECK(write(fds[1], "\x03" "abc+OK", 7) == 7);
    rdb_in_fd(&in, fds[0], 4);
    CHECK(rdb_get_str(&in, &s));
    CHECK_STR(s, "abc");
    CHECK(!rdb_get_str(&in, &s));
    CHECK_INT(read(fds[0], rest, sizeof rest), 3);
    CHECK_STR(str_of(rest, 3), "+OK");
    rdb_in_free(&in);
    close(fds[0]);
    close(fds[1]);
}

static void test_rdb_unreadable(void) {
    struct rdb_in in;
    uint8_t byte;

    rdb_in_fd(&in, -1, 100);
    in.fd = 1 << 20;
    CHECK(!rdb_get_byte(&in, &byte));
    CHECK_STR(str_c(in.why), "cannot be read");
    rdb_in_free(&in);
}

#define TESTS_RDB \
    T(test_rdb_lengths) T(test_rdb_no_lengths) T(test_rdb_strings) \
    T(test_rdb_packed_strings) T(test_rdb_lying_lengths) \
    T(test_rdb_numbers) T(test_rdb_headers) T(test_rdb_payloads) \
    T(test_rdb_listpack) T(test_rdb_from_file) T(test_rdb_from_pipe) \
    T(test_rdb_pipe_that_lies) T(test_rdb_bounded_stream) \
    T(test_rdb_unreadable)
