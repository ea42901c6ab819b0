/* SPDX-License-Identifier: MIT */
/* The request parser: whole, in pieces, against an unreadable page, and with
 * what has broken others.  A stream of requests is turned into a transcript,
 * so that ways of feeding it can be compared.
 */
#include "unit.h"

static const struct resp_limits resp_wide = { 1024, 16 << 20, 65536, false };

/* A block that ends where an unreadable page begins. */
struct resp_fence {
    char *base, *end;
    size_t n;
};

static struct resp_fence resp_fence_new(size_t n) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int zeros = open("/dev/zero", O_RDWR);  /* plain builds have no others */
    struct resp_fence f;

    f.n = (n + page - 1) / page * page + page;
    f.base = mmap(NULL, f.n, PROT_READ | PROT_WRITE, MAP_PRIVATE, zeros, 0);
    CHECK(f.base != MAP_FAILED);
    close(zeros);
    f.end = f.base + f.n - page;
    CHECK(mprotect(f.end, page, PROT_NONE) == 0);
    return f;
}

static void resp_fence_free(struct resp_fence *f) { munmap(f->base, f->n); }

/* Bytes that grow; for transcripts and inputs. */
struct resp_text {
    char *p;
    size_t n, cap;
};

static void resp_say(struct resp_text *t, const void *p, size_t n) {
    if (t->cap - t->n < n) {
        t->cap = (t->n + n) * 2;
        t->p = realloc(t->p, t->cap);
        CHECK(t->p != NULL);
    }
    if (n > 0) memcpy(t->p + t->n, p, n);
    t->n += n;
}

static void resp_say_c(struct resp_text *t, const char *s) {
    resp_say(t, s, strlen(s));
}

static struct str resp_said(const struct resp_text *t) {
    return str_of(t->p, t->n);
}

/* One request as "(word)(word)", HTTP with a mark. */
static void resp_say_args(struct resp_text *t, const struct resp_args *a) {
    if (a->cross_protocol) resp_say_c(t, "HTTP");
    for (uint32_t i = 0; i < a->argc; i++) {
        resp_say_c(t, "(");
        resp_say(t, a->argv[i].p, a->argv[i].n);
        resp_say_c(t, ")");
    }
    resp_say_c(t, "\n");
}

/* Feed p[0..n) in pieces of step bytes (0: of random length), each time with
 * the last byte that has arrived before an unreadable page.  Returns the
 * transcript, which ends in the error or the number of bytes left over. */
static struct resp_text resp_feed(struct str in, size_t step, uint32_t cap,
                                  const struct resp_limits *lim) {
    struct resp_fence f = resp_fence_new(in.n);
    struct resp_text t = { 0 };
    struct resp r = { 0 };
    struct str room[64];
    struct resp_args a = { .room = room, .cap = cap };
    const char *why = NULL;
    size_t at = 0, have = 0, big;
    ptrdiff_t took = 0;
    char line[32];

    while (took >= 0 && have < in.n) {
        big = step != 0 ? step : 1 + unit_rand() % 40;
        have = size_min(in.n, have + big);
        for (took = 1; took > 0;) {
            char *p = f.end - (have - at);

            memcpy(p, in.p + at, have - at);
            took = resp_parse(&r, p, have - at, lim, &a, &why);
            if (took == 0) CHECK((resp_want(&r) != 0) == (have != at));
            if (took <= 0) break;
            CHECK((size_t)took <= have - at);
            CHECK(a.held || a.argv == room);
            CHECK_INT(resp_want(&r), 0);
            resp_say_args(&t, &a);
            at += (size_t)took;
        }
    }
    snprintf(line, sizeof line, "%zu left", in.n - at);
    resp_say_c(&t, took < 0 ? why : line);
    resp_reset(&r);
    CHECK(r.held == NULL);
    resp_fence_free(&f);
    return t;
}

/* The same, with the last argument of each piece read apart wherever that is
 * possible, be it as short as it may. */
static struct resp_text resp_feed_apart(struct str in, size_t step,
                                        uint32_t cap,
                                        const struct resp_limits *lim) {
    struct resp_fence f = resp_fence_new(in.n);
    struct resp_text t = { 0 }, kept = { 0 };
    struct resp r = { 0 };
    struct str room[64];
    struct resp_args a = { .room = room, .cap = cap };
    const char *why = NULL;
    size_t have = 0, left = 0, some, apart;
    ptrdiff_t took = 0;
    char line[32], *p;

    while (took >= 0 && have < in.n) {
        some = size_min(step, in.n - have);
        if (resp_reads_apart(&r)) {
            p = resp_room(&r, &apart);
            CHECK(p != NULL && apart > 0);
            some = size_min(some, apart);
            memcpy(p, in.p + have, some);
            apart = resp_want(&r) - some;
            CHECK(resp_came(&r, some) == (apart == 0));
        } else {
            resp_say(&kept, in.p + have, some);
        }
        have += some;
        for (took = 1; took > 0;) {
            p = f.end - kept.n;
            if (kept.n > 0) memcpy(p, kept.p, kept.n);
            took = resp_parse(&r, p, kept.n, lim, &a, &why);
            if (took < 0) break;
            if (took == 0) {
                kept.n = resp_apart(&r, p, kept.n, unit_rand() % 4);
                break;
            }
            CHECK(a.held || (a.argv == room && r.apart == NULL));
            resp_say_args(&t, &a);
            kept.n -= (size_t)took;
            memmove(kept.p, kept.p + took, kept.n);
        }
    }
    left = kept.n + (r.apart == NULL ? 0 : r.apart->n) +
           (r.apart == NULL || resp_reads_apart(&r) ? 0 : 2);
    snprintf(line, sizeof line, "%zu left", left);
    resp_say_c(&t, took < 0 ? why : line);
    resp_reset(&r);
    CHECK(r.apart == NULL);
    resp_fence_free(&f);
    free(kept.p);
    return t;
}

/* Check the transcript of an input fed whole, and that every other way of
 * feeding it says the same. */
static void resp_expect_with(struct str in, struct str want,
                             const struct resp_limits *lim) {
    struct resp_text whole = resp_feed(in, SIZE_MAX / 2, 64, lim), other;
    static const uint32_t caps[] = { 64, 0, 2 };

    unit_check_str(resp_said(&whole), want, "transcript", in.p, 0);
    for (size_t i = 0; i < ROWS(caps); i++)
        for (size_t step = 1; step <= in.n && step < 40; step++) {
            other = resp_feed(in, step, caps[i], lim);
            unit_check_str(resp_said(&other), want, "transcript", in.p,
                           (int)step);
            free(other.p);
            other = resp_feed_apart(in, step, caps[i], lim);
            unit_check_str(resp_said(&other), want, "transcript, apart", in.p,
                           (int)step);
            free(other.p);
        }
    free(whole.p);
}

/* EXPECT for the usual limits, EXPECT_IN for others. */
#define EXPECT_IN(lim, in, want) resp_expect_with(STR(in), STR(want), lim)
#define EXPECT(in, want) EXPECT_IN(&resp_wide, in, want)
#define EXPECT_EACH(list, want)                                              \
    for (size_t i_ = 0; i_ < ROWS(list); i_++)                               \
        resp_expect_with(str_c((list)[i_]), STR(want), &resp_wide)

static void test_resp_state_is_small(void) {
    CHECK(sizeof(struct resp) <= 64);     /* a cache line a client */
}

static void test_resp_arrays(void) {
    EXPECT("*1\r\n$4\r\nPING\r\n", "(PING)\n0 left");
    EXPECT("*2\r\n$3\r\nGET\r\n$16\r\nkey:000000012345\r\n",
           "(GET)(key:000000012345)\n0 left");
    EXPECT("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*1\r\n$1\r\nx\r\n",
           "(SET)(k)()\n(x)\n0 left");
    EXPECT("*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n", "(ECHO)(\r\n)\n0 left");
    EXPECT("*1\r\n$0\r\n\r\n", "()\n0 left");
    EXPECT("*2\r\n$1\r\nx\r\n$5\r\nabc", "18 left");
    EXPECT("*10\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"
           "$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\nPING\r\n",
           "(0)(1)(2)(3)(4)(5)(6)(7)(8)(9)\n(PING)\n0 left");
}

/* Nothing of an empty request may be left to the next one. */
static void test_resp_empty_requests(void) {
    EXPECT("*0\r\nPING\r\n", "\n(PING)\n0 left");
    EXPECT("*-1\r\n*1\r\n$4\r\nPING\r\n", "\n(PING)\n0 left");
    EXPECT("*-9223372036854775809\r\nPING\r\n",
           "Protocol error: invalid multibulk length");
    EXPECT("*-9223372036854775808\r\nPING\r\n", "\n(PING)\n0 left");
    EXPECT("\r\n*1\r\n$4\r\nPING\r\n", "\n(PING)\n0 left");
    EXPECT("\n*0\r\n\r\n*0\r\n  \t \r\n", "\n\n\n\n\n0 left");
}

static void test_resp_bad_counts(void) {
    static const char *const counts[] = {
        "*a\r\n", "*\r\n", "*00\r\n", "*01\r\n", "*+1\r\n", "*-0\r\n",
        "*- 1\r\n", "* 1\r\n", "*1 \r\n", "*1\n$4\r\n", "*-\r\n", "*1a\r\n",
        "*9223372036854775808\r\n", "*99999999999999999999999\r\n",
        "*18446744073709551617\r\n"
    };

    EXPECT_EACH(counts, "Protocol error: invalid multibulk length");
}

static void test_resp_bad_lengths(void) {
    static const char *const lengths[] = {
        "*1\r\n$a\r\n", "*1\r\n$\r\n", "*1\r\n$-1\r\n", "*1\r\n$+1\r\nx\r\n",
        "*1\r\n$01\r\nx\r\n", "*1\r\n$00\r\n\r\n", "*1\r\n$-0\r\n\r\n",
        "*1\r\n$ 1\r\nx\r\n", "*1\r\n$1 \r\nx\r\n", "*1\r\n$1x\r\nx\r\n",
        "*1\r\n$9223372036854775808\r\n", "*1\r\n$18446744073709551617\r\n"
    };

    EXPECT_EACH(lengths, "Protocol error: invalid bulk length");
}

static void test_resp_expected_dollar(void) {
    EXPECT("*1\r\nfoo\r\n", "Protocol error: expected '$', got 'f'");
    EXPECT("*1\r\n\r\n\r\n", "Protocol error: expected '$', got ' '");
    EXPECT("*1\r\n\n\r\n", "Protocol error: expected '$', got ' '");
    EXPECT("*1\r\n\0\r\n", "Protocol error: expected '$', got ' '");
    EXPECT("*1\r\n\001a\r\n", "Protocol error: expected '$', got '\001'");
    EXPECT("*1\r\n\377a\r\n", "Protocol error: expected '$', got '\377'");
    EXPECT("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n",
           "Protocol error: expected '$', got 'f'");
    EXPECT("*1\r\n:1\r\n", "Protocol error: expected '$', got ':'");
}

/* Elsewhere the two bytes after a bulk were skipped unseen, so that a client's
 * miscounting turned into a different request. */
static void test_resp_terminators(void) {
    static const char *const broken[] = {
        "*1\r\n$4\r\nPINGxy", "*1\r\n$4\r\nPING\rx", "*1\r\n$4\r\nPINGx\n",
        "*1\r\n$4\r\nPING12\r\n", "*1\r\n$0\r\nxx", "*1\rx$4\r\nPING\r\n",
        "*1\r\n$4\rxPING\r\n", "*1\r\n$12\rxPINGPINGPING\r\n",
        "*1\r\r$4\r\nPING\r\n"
    };

    EXPECT_EACH(broken, "Protocol error: invalid CRLF in request");
}

static void test_resp_our_limits(void) {
    static const struct resp_limits tight = { 4, 100, 20, false };

    EXPECT_IN(&tight, "*5\r\n$1\r\na\r\n",
              "Protocol error: invalid multibulk length "
              "(4, KVNS_MAX_RESP_ARGS)");
    EXPECT_IN(&tight, "a b c d e\r\n",
              "Protocol error: invalid multibulk length "
              "(4, KVNS_MAX_RESP_ARGS)");
    EXPECT_IN(&tight, "*1\r\n$101\r\n",
              "Protocol error: invalid bulk length "
              "(100, KVNS_MAX_RESP_BULK_LEN)");
    EXPECT_IN(&tight, "*1\r\n$4294967297\r\n",
              "Protocol error: invalid bulk length "
              "(100, KVNS_MAX_RESP_BULK_LEN)");
    EXPECT_IN(&tight, "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n",
              "(a)(b)(c)(d)\n0 left");
}

static void test_resp_line_length(void) {
    static const struct resp_limits tight = { 4, 100, 20, false };

    EXPECT_IN(&tight, "a2345678901234567890\n",
              "(a2345678901234567890)\n0 left");
    EXPECT_IN(&tight, "a234567890123456789\r\n",
              "(a234567890123456789)\n0 left");
    EXPECT_IN(&tight, "a23456789012345678901\r\n",
              "Protocol error: too big inline request "
              "(20, KVNS_MAX_RESP_INLINE_LEN)");
    EXPECT_IN(&tight, "*11111111111111111111111",
              "Protocol error: too big mbulk count string "
              "(20, KVNS_MAX_RESP_INLINE_LEN)");
    EXPECT_IN(&tight, "*1\r\n$1111111111111111111111",
              "Protocol error: too big bulk count string "
              "(20, KVNS_MAX_RESP_INLINE_LEN)");
    EXPECT_IN(&tight, "*1\r\n11111111111111111111111",
              "Protocol error: too big bulk count string "
              "(20, KVNS_MAX_RESP_INLINE_LEN)");
}

static void test_resp_unauthenticated(void) {
    static const struct resp_limits lim = { 1024, 1 << 20, 65536, true };

    EXPECT_IN(&lim, "*10\r\n$1\r\n", "9 left");
    EXPECT_IN(&lim, "*11\r\n$1\r\n",
              "Protocol error: unauthenticated multibulk length");
    EXPECT_IN(&lim, "*1\r\n$16384\r\n", "12 left");
    EXPECT_IN(&lim, "*1\r\n$16385\r\n",
              "Protocol error: unauthenticated bulk length");
    EXPECT_IN(&lim, "*1\r\n$4\r\nPING\r\n", "(PING)\n0 left");
}

static void test_resp_inline(void) {
    EXPECT("PING\r\n", "(PING)\n0 left");
    EXPECT("PING\nPING\r\n", "(PING)\n(PING)\n0 left");
    EXPECT(" \v SET  k\tv \r\n", "(SET)(k)(v)\n0 left");
    EXPECT("ECHO a\vb\r\n", "(ECHO)(a\vb)\n0 left");
    EXPECT("ECHO a\rb\r\n", "(ECHO)(a)(b)\n0 left");
    EXPECT("ECHO a b", "8 left");
    EXPECT("PING\r", "5 left");
}

static void test_resp_inline_quotes(void) {
    EXPECT("ECHO \"a b\"\r\n", "(ECHO)(a b)\n0 left");
    EXPECT("ECHO a\"b c\"\r\n", "(ECHO)(ab c)\n0 left");
    EXPECT("ECHO 'a\\'b\\n'\r\n", "(ECHO)(a'b\\n)\n0 left");
    EXPECT("E \"\\x41\\n\\r\\t\\b\\a\\q\\x4\\\"\\\\\" b\r\n",
           "(E)(A\n\r\t\b\aqx4\"\\)(b)\n0 left");
    EXPECT("\"\" '' x\r\n", "()()(x)\n0 left");
    EXPECT("\"\"\r\nPING\r\n", "()\n(PING)\n0 left");
    EXPECT("a \"b\"\vc\r\n", "(a)(b)(c)\n0 left");
    EXPECT("x \"\\x00\"\r\n", "(x)(\0)\n0 left");
    EXPECT("x \"\0\" \0\r\n", "(x)(\0)(\0)\n0 left");
}

static void test_resp_inline_unbalanced(void) {
    static const char *const lines[] = {
        "ECHO \"abc\r\n", "ECHO 'abc\r\n", "ECHO \"a\"b\r\n",
        "ECHO 'a'b\r\n", "ECHO \"a\\\"\r\n", "ECHO 'a\\'\r\n", "\"\r\n",
        "ECHO \"a\"\"b\"\r\n", "ECHO \"a\\\r\n", "ECHO \"\\x4\r\n"
    };

    EXPECT_EACH(lines, "Protocol error: unbalanced quotes in request");
}

/* A page in a browser can make it send us a form. */
static void test_resp_http_is_told(void) {
    EXPECT("POST / HTTP/1.1\r\n", "HTTP(POST)(/)(HTTP/1.1)\n0 left");
    EXPECT("  post x\r\n", "HTTP(post)(x)\n0 left");
    EXPECT("Host: a\r\n", "HTTP(Host:)(a)\n0 left");
    EXPECT("hOST:a\r\n", "HTTP(hOST:a)\n0 left");
    EXPECT("POSTS x\r\nHost a\r\n", "(POSTS)(x)\n(Host)(a)\n0 left");
    EXPECT("POST x\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
           "HTTP(POST)(x)\n(PING)\n(PING)\n0 left");
}

/* Headers may promise what they like: memory follows what has arrived. */
static void test_resp_promises_cost_nothing(void) {
    static const struct resp_limits lim = { 1 << 30, 1 << 30, 65536, false };
    struct resp_text in = { 0 };
    struct resp r = { 0 };
    struct str room[4];
    struct resp_args a = { .room = room, .cap = 4 };
    const char *why;

    resp_say_c(&in, "*1048576\r\n");
    CHECK(resp_parse(&r, in.p, in.n, &lim, &a, &why) == 0);
    CHECK(r.held == NULL);
    for (int i = 0; i < 1000; i++) {
        resp_say_c(&in, "$1\r\nx\r\n");
        CHECK(resp_parse(&r, in.p, in.n, &lim, &a, &why) == 0);
        CHECK(r.held->room <= in.n / 3 + 4);
    }
    resp_say_c(&in, "$536870912\r\n");
    CHECK(resp_parse(&r, in.p, in.n, &lim, &a, &why) == 0);
    CHECK(r.held->room < 4000);
    CHECK_INT(resp_want(&r), 536870914);
    resp_say_c(&in, "$536870912\r\n$536870912\r\n");
    CHECK(resp_parse(&r, in.p, in.n, &lim, &a, &why) == 0);
    CHECK(r.held->room < 4000);
    CHECK_INT(resp_want(&r), 536870914 - 24);
    resp_reset(&r);
    free(in.p);
}

/* An argument read apart is where a value can hold it; memory for it follows
 * what arrives of it. */
static void test_resp_apart(void) {
    static const struct resp_limits lim = { 16, 1 << 30, 65536, false };
    static const char head[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000000\r\nabc";
    size_t n = sizeof head - 1, len = 3000000, came = 3, room;
    struct str argv[4];
    struct resp_args a = { .room = argv, .cap = 4 };
    struct resp r = { 0 };
    const char *why;
    char *to;

    CHECK(resp_parse(&r, head, n, &lim, &a, &why) == 0);
    CHECK_INT(resp_apart(&r, head, n, len + 1), n);
    CHECK(!resp_reads_apart(&r));
    mem_countdown = 0;
    CHECK_INT(resp_apart(&r, head, n, len), n);
    mem_countdown = -1;
    CHECK_INT(resp_apart(&r, head, n, len), n - 3);
    n -= 3;
    while (came < len + 2) {
        CHECK(resp_reads_apart(&r));
        to = resp_room(&r, &room);
        CHECK(to != NULL && came + room <= len + 2);
        CHECK(resp_apart_cap(&r) <= size_max(2 * came, RESP_PROMISED));
        CHECK_INT(resp_apart_n(&r), came);
        room = size_min(room, 50000);
        memset(to, 'x', room);
        if (came + room == len + 2) memcpy(to + room - 2, "\r\n", 2);
        came += room;
        CHECK(resp_came(&r, room) == (came == len + 2));
        if (came < len + 2) {
            CHECK(resp_parse(&r, head, n, &lim, &a, &why) == 0);
            CHECK_INT(resp_want(&r), len + 2 - came);
        }
    }
    CHECK_INT(resp_parse(&r, head, n, &lim, &a, &why), n);
    CHECK_INT(a.argc, 3);
    CHECK_STR(a.argv[1], "k");
    CHECK(a.held && a.argv[2].p == r.apart->bytes);
    CHECK_INT(a.argv[2].n, len);
    CHECK_INT(r.apart->n, len);
    CHECK(memcmp(a.argv[2].p, "abcx", 4) == 0 && a.argv[2].p[len - 1] == 'x');
    resp_reset(&r);
}

/* What is whole already is not read again with each piece that arrives. */
static void test_resp_many_pieces(void) {
    static const struct resp_limits lim = { 1 << 20, 1 << 30, 65536, false };
    struct resp_text in = { 0 };
    struct resp r = { 0 };
    struct resp_args a = { 0 };
    const char *why;
    ptrdiff_t took = 0;
    size_t at = 0, total = 200000;

    resp_say_c(&in, "*200001\r\n");
    for (size_t i = 0; i < total; i++) resp_say_c(&in, "$3\r\nabc\r\n");
    resp_say_c(&in, "$100000\r\n");
    for (int i = 0; i < 10000; i++) resp_say_c(&in, "0123456789");
    resp_say_c(&in, "\r\n");
    while (took == 0) {
        CHECK(at < in.n);
        at += size_max(1, size_min(size_min(resp_want(&r), 100), in.n - at));
        took = resp_parse(&r, in.p, at, &lim, &a, &why);
    }
    CHECK_INT(took, in.n);
    CHECK_INT(a.argc, total + 1);
    CHECK(a.held);
    for (size_t i = 0; i < total; i++) CHECK_STR(a.argv[i], "abc");
    CHECK_INT(a.argv[total].n, 100000);
    CHECK(a.argv[total].p == in.p + in.n - 100002);
    took = resp_parse(&r, "PING\r\n", 6, &lim, &a, &why);
    CHECK_INT(took, 6);
    resp_reset(&r);
    free(in.p);
}

/* A line without an end is looked through once. */
static void test_resp_long_lines_in_pieces(void) {
    static const struct resp_limits lim = { 10, 10, 1 << 20, false };
    static const char *const begin[] = { "*", "*1\r\n$", "a" };

    for (size_t i = 0; i < ROWS(begin); i++) {
        struct resp_text in = { 0 };
        struct resp r = { 0 };
        struct resp_args a = { 0 };
        const char *why = "";
        size_t at = strlen(begin[i]);

        resp_say_c(&in, begin[i]);
        while (in.n < (1 << 20) + 20) resp_say_c(&in, "0123456789");
        while (resp_parse(&r, in.p, at, &lim, &a, &why) == 0) at += 5;
        CHECK(strstr(why, "Protocol error: too big ") == why);
        resp_reset(&r);
        free(in.p);
    }
}

/* The batch's room is used before the client's own memory. */
static void test_resp_room(void) {
    struct str in = STR("*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    struct resp r = { 0 };
    struct str room[3];
    struct resp_args a = { .room = room, .cap = 3 };
    const char *why;

    CHECK_INT(resp_parse(&r, in.p, in.n, &resp_wide, &a, &why), in.n);
    CHECK(a.argv == room && !a.held && r.held == NULL);
    a.cap = 2;
    CHECK_INT(resp_parse(&r, in.p, in.n, &resp_wide, &a, &why), in.n);
    CHECK(a.argv != room && a.held && r.held != NULL);
    CHECK_STR(a.argv[2], "c");
    a.cap = 3;
    CHECK_INT(resp_parse(&r, in.p, in.n - 1, &resp_wide, &a, &why), 0);
    CHECK_INT(resp_parse(&r, in.p, in.n, &resp_wide, &a, &why), in.n);
    CHECK(a.argv == room && !a.held && r.held != NULL);
    CHECK(resp_is_fresh(&r, &resp_wide));   /* though something was kept */
    CHECK_INT(resp_parse(&r, "a b\n", 4, &resp_wide, &a, &why), 4);
    CHECK(a.argv == room && !a.held && r.held != NULL);
    CHECK_INT(resp_parse(&r, "a 'b\\'c'\n", 9, &resp_wide, &a, &why), 9);
    CHECK(a.held && a.argc == 2 && !resp_is_fresh(&r, &resp_wide));
    CHECK_INT(resp_parse(&r, in.p, in.n - 1, &resp_wide, &a, &why), 0);
    resp_rest(&r);
    CHECK(r.held != NULL);
    CHECK_INT(resp_parse(&r, in.p, in.n, &resp_wide, &a, &why), in.n);
    CHECK_STR(a.argv[2], "c");
    resp_rest(&r);
    CHECK(r.held == NULL && !a.held);
}

/* What was kept is what a small request needed. */
static void test_resp_keeps_little(void) {
    struct resp r = { 0 };
    struct str room[1024];
    struct resp_args a = { .room = room, .cap = ROWS(room) };
    struct buf in = { 0 };
    const char *why;

    for (unsigned argc = 1; argc <= ROWS(room); argc *= 2) {
        buf_reset(&in);
        buf_printf(&in, "*%u\r\n", argc);
        for (unsigned i = 0; i < argc; i++) buf_printf(&in, "$1\r\nx\r\n");
        CHECK_INT(resp_parse(&r, in.p, in.n - 1, &resp_wide, &a, &why), 0);
        CHECK_INT(resp_parse(&r, in.p, in.n, &resp_wide, &a, &why), in.n);
        CHECK(a.argc == argc && !a.held);
        CHECK(r.held == NULL || r.held->room <= RESP_KEPT);
        CHECK((r.held == NULL) == (argc > RESP_KEPT));
    }
    resp_reset(&r);
    buf_free(&in);
}

/* Something like requests: pieces of the grammar in any order. */
static void resp_random_input(struct resp_text *in) {
    static const char *const parts[] = {
        "*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$10\r\n0123456789\r\n",
        "PING\r\n", "*3\r\n", "*2\r\n", "*1\r\n", "*0\r\n", "*-1\r\n",
        "$0\r\n\r\n", "$1\r\nx\r\n", "$11\r\nhello world\r\n", "\r\n", "\r",
        "\n", "\"a b\\n\" ", "'c\\'d' ", "SET k v\r\n", "$", "*", "1", "0",
        "-", " ", "\"", "'", "\\x41", "POST ", "Host:", "*11\r\n"
    };

    in->n = 0;
    for (uint64_t n = unit_rand() % 12; n > 0; n--)
        resp_say_c(in, parts[unit_rand() % ROWS(parts)]);
    if (in->n > 0 && unit_rand() % 2 == 0)
        in->p[unit_rand() % in->n] = (char)unit_rand();
}

static void test_resp_random(void) {
    static const struct resp_limits tight = { 8, 20, 40, false };
    struct resp_text in = { 0 };

    for (int i = 0; i < 5000; i++) {
        const struct resp_limits *lim = i % 3 == 0 ? &tight : &resp_wide;
        struct resp_text a, b, c;

        resp_random_input(&in);
        a = resp_feed(resp_said(&in), SIZE_MAX / 2, 64, lim);
        b = resp_feed(resp_said(&in), 1, (uint32_t)(unit_rand() % 5), lim);
        c = resp_feed(resp_said(&in), 0, (uint32_t)(unit_rand() % 5), lim);
        unit_check_str(resp_said(&b), resp_said(&a), "bytewise", __FILE__, 0);
        unit_check_str(resp_said(&c), resp_said(&a), "in pieces", __FILE__, 0);
        free(a.p);
        free(b.p);
        free(c.p);
    }
    free(in.p);
}

#undef EXPECT
#undef EXPECT_IN
#undef EXPECT_EACH

#define TESTS_RESP                                                           \
    T(test_resp_state_is_small) T(test_resp_arrays)                          \
    T(test_resp_empty_requests) T(test_resp_bad_counts)                      \
    T(test_resp_bad_lengths) T(test_resp_expected_dollar)                    \
    T(test_resp_terminators) T(test_resp_our_limits)                         \
    T(test_resp_line_length) T(test_resp_unauthenticated)                    \
    T(test_resp_inline) T(test_resp_inline_quotes)                           \
    T(test_resp_inline_unbalanced) T(test_resp_http_is_told)                 \
    T(test_resp_promises_cost_nothing) T(test_resp_many_pieces)              \
    T(test_resp_apart)                                                       \
    T(test_resp_long_lines_in_pieces) T(test_resp_room)                      \
    T(test_resp_keeps_little) T(test_resp_random)
