/* SPDX-License-Identifier: MIT */
/* The reply writer: the bytes Redis 7.0 sends for the same, RESP2 and RESP3,
 * in buffers of every size, with lengths said later and values lent.
 */
#include "unit.h"

/* A reply over a buffer of its own. */
struct reply_box {
    struct buf out;
    struct reply r;
};

static void reply_box_open(struct reply_box *b, uint8_t proto) {
    *b = (struct reply_box){ 0 };
    reply_open(&b->r, &b->out, proto, SIZE_MAX);
}

static void reply_box_close(struct reply_box *b) {
    reply_close(&b->r);
    buf_free(&b->out);
}

static struct str reply_box_said(struct reply_box *b) {
    reply_sync(&b->r);
    return str_of(b->out.p, b->out.n);
}

/* How many of n elements to come does a header announce? */
static int64_t reply_children(struct str line) {
    int64_t n = 0;

    if (strchr("*%~>", line.p[0]) == NULL) return 0;
    CHECK(num_parse_int(str_of(line.p + 1, line.n - 1), &n));
    if (n < 0) return 0;
    return line.p[0] == '%' ? 2 * n : n;
}

/* Count the replies written since the mark, pushes apart, and check on the
 * way that they are RESP. */
static size_t reply_count(const struct reply *r, size_t mark) {
    const char *p = r->out->p + mark, *end = r->p;
    const struct reply_ref *ref = r->ref, *last = r->ref + r->refs;
    size_t count = 0;
    int64_t n, open = 0;        /* elements the outer reply still lacks */
    bool push = false;

    if (r->failed) return 1;
    while (ref < last && ref->at <= mark) ref++;
    while (p < end) {
        const char *cr = memchr(p, '\r', (size_t)(end - p));
        struct str line = str_of(p, cr == NULL ? 0 : (size_t)(cr - p));

        CHECK(cr != NULL && cr[1] == '\n' && line.n > 0);
        if (open == 0) push = *p == '>';
        else open--;
        open += reply_children(line);
        p = cr + 2;
        if (*line.p == '$' || *line.p == '=') {
            CHECK(num_parse_int(str_of(line.p + 1, line.n - 1), &n));
            if (ref < last && ref->at == (size_t)(p - r->out->p)) {
                CHECK_INT(n, ref->n);
                ref++;
                n = 0;
            }
            if (n >= 0) {
                CHECK(end - p >= n + 2 && p[n] == '\r');
                p += n + 2;
            }
        }
        if (open == 0 && !push) count++;
    }
    CHECK_INT(open, 0);
    return count;
}

/* What does the statement write?  Checked for one reply, too. */
#define CHECK_REPLY(proto_, statement, want)                                 \
    do {                                                                     \
        struct reply_box b_;                                                 \
        struct reply *r = &b_.r;                                             \
        reply_box_open(&b_, proto_);                                         \
        statement;                                                           \
        unit_check_str(reply_box_said(&b_), STR(want), #statement, __FILE__, \
                       __LINE__);                                            \
        CHECK(reply_count(r, 0) == (b_.out.p[0] != '>'));                   \
        reply_box_close(&b_);                                                \
    } while (0)

#define CHECK_BOTH(statement, two, three)                                    \
    do {                                                                     \
        CHECK_REPLY(2, statement, two);                                      \
        CHECK_REPLY(3, statement, three);                                    \
    } while (0)

#define CHECK_SAME(statement, want) CHECK_BOTH(statement, want, want)

static void test_reply_lines(void) {
    CHECK_SAME(reply_ok(r), "+OK\r\n");
    CHECK_SAME(reply_pong(r), "+PONG\r\n");
    CHECK_SAME(reply_queued(r), "+QUEUED\r\n");
    CHECK_SAME(reply_simple(r, STR("string")), "+string\r\n");
    CHECK_SAME(reply_error(r, "ERR syntax error"), "-ERR syntax error\r\n");
    CHECK_SAME(reply_raw(r, STR(":1\r\n")), ":1\r\n");
}

static void test_reply_integers(void) {
    CHECK_SAME(reply_int(r, 0), ":0\r\n");
    CHECK_SAME(reply_int(r, 9), ":9\r\n");
    CHECK_SAME(reply_int(r, 10), ":10\r\n");
    CHECK_SAME(reply_int(r, -1), ":-1\r\n");
    CHECK_SAME(reply_int(r, INT64_MAX), ":9223372036854775807\r\n");
    CHECK_SAME(reply_int(r, INT64_MIN), ":-9223372036854775808\r\n");
    CHECK_SAME(reply_bulk_int(r, 7), "$1\r\n7\r\n");
    CHECK_SAME(reply_bulk_int(r, -12), "$3\r\n-12\r\n");
    CHECK_SAME(reply_bulk_int(r, 123456789), "$9\r\n123456789\r\n");
    CHECK_SAME(reply_bulk_int(r, 1234567890), "$10\r\n1234567890\r\n");
    CHECK_SAME(reply_bulk_int(r, INT64_MIN),
               "$20\r\n-9223372036854775808\r\n");
}

/* Every length where the header or the way of copying changes, read from
 * bytes that end where they end. */
static void test_reply_bulks(void) {
    static const size_t lengths[] = {
        0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 63, 64, 99,
        100, 101, 999, 1000, 9999, 10000, 100000, 1234567
    };

    for (size_t i = 0; i < ROWS(lengths); i++) {
        size_t n = lengths[i];
        char head[32], *bytes = malloc(n + 1);
        struct reply_box b;
        struct str said;
        size_t h = (size_t)snprintf(head, sizeof head, "$%zu\r\n", n);

        for (size_t k = 0; k < n; k++) bytes[k] = (char)unit_rand();
        reply_box_open(&b, 2);
        bytes = realloc(bytes, n == 0 ? 1 : n);
        reply_bulk(&b.r, str_of(bytes, n));
        said = reply_box_said(&b);
        CHECK_INT(said.n, h + n + 2);
        CHECK(memcmp(said.p, head, h) == 0);
        CHECK(n == 0 || memcmp(said.p + h, bytes, n) == 0);
        CHECK_STR(str_of(said.p + h + n, 2), "\r\n");
        reply_box_close(&b);
        free(bytes);
    }
    CHECK_SAME(reply_bulk(r, str_of(NULL, 0)), "$0\r\n\r\n");
}

static void test_reply_by_protocol(void) {
    CHECK_BOTH(reply_null(r), "$-1\r\n", "_\r\n");
    CHECK_BOTH(reply_null_array(r), "*-1\r\n", "_\r\n");
    CHECK_BOTH(reply_bool(r, true), ":1\r\n", "#t\r\n");
    CHECK_BOTH(reply_bool(r, false), ":0\r\n", "#f\r\n");
    CHECK_BOTH(reply_bignum(r, STR("1234567999999999999999999999999999999")),
               "$37\r\n1234567999999999999999999999999999999\r\n",
               "(1234567999999999999999999999999999999\r\n");
    CHECK_BOTH(reply_verbatim(r, STR("This is a verbatim\nstring"), "txt"),
               "$25\r\nThis is a verbatim\nstring\r\n",
               "=29\r\ntxt:This is a verbatim\nstring\r\n");
    CHECK_BOTH(reply_verbatim(r, STR("Some string"), "txt"),
               "$11\r\nSome string\r\n", "=15\r\ntxt:Some string\r\n");
    CHECK_SAME(reply_array(r, 0), "*0\r\n");
    CHECK_BOTH(reply_set(r, 0), "*0\r\n", "~0\r\n");
    CHECK_BOTH(reply_map(r, 0), "*0\r\n", "%0\r\n");
    CHECK_BOTH((reply_map(r, 1), reply_int(r, 1), reply_null(r)),
               "*2\r\n:1\r\n$-1\r\n", "%1\r\n:1\r\n_\r\n");
    CHECK_BOTH((reply_set(r, 1), reply_int(r, 1)),
               "*1\r\n:1\r\n", "~1\r\n:1\r\n");
    CHECK_BOTH((reply_push(r, 1), reply_int(r, 42)),
               "*1\r\n:42\r\n", ">1\r\n:42\r\n");
}

static void test_reply_doubles(void) {
    CHECK_BOTH(reply_double(r, 3.141), "$5\r\n3.141\r\n", ",3.141\r\n");
    CHECK_BOTH(reply_double(r, 3.14), "$18\r\n3.1400000000000001\r\n",
               ",3.1400000000000001\r\n");
    CHECK_BOTH(reply_double(r, 17), "$2\r\n17\r\n", ",17\r\n");
    CHECK_BOTH(reply_double(r, 1e300), "$23\r\n1.0000000000000001e+300\r\n",
               ",1.0000000000000001e+300\r\n");
    CHECK_BOTH(reply_double(r, (double)INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
    CHECK_BOTH(reply_double(r, -(double)INFINITY), "$4\r\n-inf\r\n",
               ",-inf\r\n");
}

/* A client's line ends in an error would let it write replies of its own. */
static void test_reply_errors_are_one_line(void) {
    struct reply_box b;
    char big[3000];

    CHECK_SAME(reply_errorf(r, "ERR unknown command '%.128s'", "a\r\n+OK\r\n"),
               "-ERR unknown command 'a  +OK  '\r\n");
    CHECK_SAME(reply_errorf(r, "ERR %s", "a\r\n\r\n"), "-ERR a\r\n");
    CHECK_SAME(reply_errorf(r, "ERR '%s'", "a\tb\x01\x7f\xff"),
               "-ERR 'a\tb\x01\x7f\xff'\r\n");
    CHECK_SAME(reply_errorf(r, "%s", ""), "-\r\n");
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    reply_box_open(&b, 2);
    reply_errorf(&b.r, "ERR %s", big);
    CHECK_INT(reply_box_said(&b).n, 1 + REPLY_ERROR - 1 + 2);
    reply_box_close(&b);
}

/* Lengths said later, of every number of digits, one inside another. */
static void test_reply_later(void) {
    static const size_t counts[] = { 0, 1, 9, 10, 99, 100, 999, 1000, 12345 };

    for (size_t i = 0; i < ROWS(counts) * 2; i++) {
        size_t n = counts[i / 2], outer, inner;
        uint8_t proto = i % 2 == 0 ? 2 : 3;
        struct reply_box a, b;

        reply_box_open(&a, proto);
        reply_box_open(&b, proto);
        reply_ok(&a.r);
        reply_ok(&b.r);
        reply_array(&a.r, 3);
        outer = reply_array_later(&b.r);
        reply_map(&a.r, n);
        inner = reply_map_later(&b.r);
        for (size_t k = 0; k < n * 2; k++) {
            reply_bulk_int(&a.r, (int64_t)(k * k));
            reply_bulk_int(&b.r, (int64_t)(k * k));
        }
        reply_map_set(&b.r, inner, n);
        reply_set(&a.r, n);
        inner = reply_set_later(&b.r);
        for (size_t k = 0; k < n; k++) {
            reply_int(&a.r, (int64_t)k);
            reply_int(&b.r, (int64_t)k);
        }
        reply_array_set(&b.r, inner, n);
        reply_null(&a.r);
        reply_null(&b.r);
        reply_array_set(&b.r, outer, 3);
        CHECK(str_eq(reply_box_said(&a), reply_box_said(&b)));
        CHECK(reply_count(&b.r, 0) == 2);
        reply_box_close(&a);
        reply_box_close(&b);
    }
}

/* A blob of these bytes, and a reply that lends all that it can. */
static struct blob *reply_blob_of(struct str s) {
    struct blob *b = blob_try(s.n, s.n);

    CHECK(b != NULL);
    memcpy(b->bytes, s.p, s.n);
    return b;
}

static void reply_lend_all(struct reply *r, struct str s) {
    struct blob *b = reply_blob_of(s);

    r->lend_from = 0;
    reply_blob(r, str_of(b->bytes, b->n), b);
    blob_drop(b);
}

static void test_reply_cut(void) {
    struct blob *first = reply_blob_of(STR("one"));
    struct blob *second = reply_blob_of(STR("two"));
    struct reply_box b;
    size_t mark;

    reply_box_open(&b, 2);
    CHECK_INT(reply_mark(&b.r), 0);
    reply_cut(&b.r, 0);
    b.r.lend_from = 3;
    reply_blob(&b.r, str_of(first->bytes, 3), first);
    mark = reply_mark(&b.r);
    reply_blob(&b.r, str_of(second->bytes, 3), second);
    reply_blob(&b.r, str_of(second->bytes, 3), second);
    reply_blob(&b.r, str_of(second->bytes, 2), second);
    CHECK_INT(atomic_load(&first->refs), 2);
    CHECK_INT(atomic_load(&second->refs), 3);
    reply_int(&b.r, 12);
    reply_cut(&b.r, mark);
    CHECK_INT(atomic_load(&first->refs), 2);
    CHECK_INT(atomic_load(&second->refs), 1);
    CHECK_INT(b.r.refs, 1);
    CHECK_STR(reply_box_said(&b), "$3\r\n\r\n");
    reply_ok(&b.r);
    CHECK_STR(reply_box_said(&b), "$3\r\n\r\n+OK\r\n");
    reply_box_close(&b);
    CHECK_INT(atomic_load(&first->refs), 1);
    blob_drop(first);
    blob_drop(second);
}

/* The buffer and what was lent, as the socket would see it. */
static struct buf reply_merged(struct reply_box *b) {
    struct str said = reply_box_said(b);
    struct buf all = { 0 };
    size_t at = 0;

    for (uint32_t i = 0; i <= b->r.refs; i++) {
        const struct reply_ref *ref = i < b->r.refs ? &b->r.ref[i] : NULL;
        size_t end = ref != NULL ? ref->at : said.n;

        CHECK(at <= end && end <= said.n);
        memcpy(buf_room(&all, end - at + 1), said.p + at, end - at);
        all.n += end - at;
        at = end;
        if (ref == NULL) break;
        memcpy(buf_room(&all, ref->n + 1), ref->p, ref->n);
        all.n += ref->n;
    }
    return all;
}

/* Values lent and values copied make the same bytes, also when a length that
 * is said later moves them. */
static void test_reply_lent(void) {
    for (int round = 0; round < 200; round++) {
        struct reply_box lent, copied;
        size_t n = 0, most = unit_rand() % 300, a, b, c, d;
        struct buf all;

        reply_box_open(&lent, 3);
        reply_box_open(&copied, 3);
        a = reply_array_later(&lent.r);
        b = reply_array_later(&copied.r);
        c = reply_map_later(&lent.r);
        d = reply_map_later(&copied.r);
        for (; n < most; n++) {
            struct str s = str_of("0123456789abcdefghij", unit_rand() % 20);

            reply_int(&lent.r, (int64_t)n);
            reply_int(&copied.r, (int64_t)n);
            if (unit_rand() % 3 == 0) reply_lend_all(&lent.r, s);
            else reply_bulk(&lent.r, s);
            reply_bulk(&copied.r, s);
        }
        reply_map_set(&lent.r, c, n);
        reply_map_set(&copied.r, d, n);
        reply_array_set(&lent.r, a, 1);
        reply_array_set(&copied.r, b, 1);
        CHECK(reply_count(&lent.r, 0) == 1);
        all = reply_merged(&lent);
        CHECK(str_eq(str_of(all.p, all.n), reply_box_said(&copied)));
        buf_free(&all);
        reply_box_close(&lent);
        reply_box_close(&copied);
    }
}

/* At the limit nothing more is written, and nothing outside the buffer. */
static void test_reply_limit(void) {
    struct buf out = { 0 };
    struct reply r;
    size_t later;

    reply_open(&r, &out, 2, 200);
    later = reply_array_later(&r);
    for (int i = 0; i < 1000; i++) {
        reply_bulk(&r, STR("0123456789"));
        reply_int(&r, i);
    }
    CHECK(r.failed);
    reply_array_set(&r, later, 2000);
    reply_lend_all(&r, STR("x"));
    CHECK_INT(r.refs, 0);
    reply_sync(&r);
    CHECK(out.n <= out.cap);
    reply_close(&r);
    buf_free(&out);
    reply_open(&r, &out, 2, 10);
    reply_bulk(&r, str_of("x", PTRDIFF_MAX / 2));
    CHECK(r.failed);
    CHECK_INT(reply_mark(&r), 0);
    reply_close(&r);
    buf_free(&out);
}

/* The buffer may be emptied between replies, and replies may go on where an
 * earlier user of the buffer stopped. */
static void test_reply_shares_a_buffer(void) {
    struct buf out = { 0 };
    struct reply r;

    reply_open(&r, &out, 2, SIZE_MAX);
    reply_ok(&r);
    reply_close(&r);
    reply_open(&r, &out, 3, SIZE_MAX);
    reply_null(&r);
    reply_sync(&r);
    CHECK_STR(str_of(out.p, out.n), "+OK\r\n_\r\n");
    out.n = 0;
    reply_resync(&r);
    reply_pong(&r);
    reply_close(&r);
    CHECK_STR(str_of(out.p, out.n), "+PONG\r\n");
    buf_free(&out);
}

#undef CHECK_REPLY
#undef CHECK_BOTH
#undef CHECK_SAME

#define TESTS_REPLY                                                          \
    T(test_reply_lines) T(test_reply_integers) T(test_reply_bulks)           \
    T(test_reply_by_protocol) T(test_reply_doubles)                          \
    T(test_reply_errors_are_one_line) T(test_reply_later)                    \
    T(test_reply_cut) T(test_reply_lent) T(test_reply_limit)                 \
    T(test_reply_shares_a_buffer)
