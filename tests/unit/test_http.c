/* SPDX-License-Identifier: MIT */
/* The metrics port's HTTP: heads whole, cut at every byte, against an
 * unreadable page, and such as other servers were fooled with.
 */
#include "unit.h"

/* Parse in[0..n) with its last byte before an unreadable page. */
static ptrdiff_t http_fenced(struct resp_fence *f, struct str in,
                             struct http_request *q, int *status) {
    char *p = f->end - in.n;

    if (in.n > 0) memcpy(p, in.p, in.n);
    return http_parse(p, in.n, q, status);
}

/* Parse a head cut at every byte: the shorter ones are incomplete, or wrong
 * in the same way.  Returns what all of it gives, in *q of the whole input. */
static ptrdiff_t http_each_cut(struct str in, struct http_request *q,
                               int *status) {
    struct resp_fence f = resp_fence_new(in.n);
    ptrdiff_t took = http_fenced(&f, in, q, status), cut;
    struct http_request part;
    int why;

    for (size_t n = 0; n < in.n; n++) {
        cut = http_fenced(&f, str_of(in.p, n), &part, &why);
        if (cut == 0) continue;
        CHECK_INT(cut, took);
        CHECK_INT(why, *status);
        CHECK(took < 0 || n >= (size_t)took);
    }
    resp_fence_free(&f);
    return http_parse(in.p, in.n, q, status);
}

#define CHECK_WRONG(in, want)                                                \
    do {                                                                     \
        struct http_request q_;                                              \
        int status_;                                                         \
        CHECK_INT(http_each_cut(STR(in), &q_, &status_), -1);                \
        CHECK_INT(status_, want);                                            \
    } while (0)

/* Parse what must be right. */
static struct http_request http_good(const char *in) {
    struct http_request q;
    int status;

    CHECK_INT(http_each_cut(str_c(in), &q, &status), strlen(in));
    CHECK_INT(status, 0);
    return q;
}

static void test_http_request(void) {
    struct http_request q = http_good(
        "GET /metrics?name=a&b=?c HTTP/1.1\r\nHost: localhost:9090\r\n"
        "User-Agent: x\r\nAccept:*/*\r\n\r\n");

    CHECK_INT(q.method, HTTP_GET);
    CHECK_STR(q.path, "/metrics");
    CHECK_STR(q.query, "name=a&b=?c");
    CHECK_STR(q.host, "localhost:9090");
    CHECK_INT(q.minor, 1);
    CHECK(q.keep_alive);
    q = http_good("HEAD / HTTP/1.0\r\n\r\n");
    CHECK_INT(q.method, HTTP_HEAD_ONLY);
    CHECK_STR(q.path, "/");
    CHECK_INT(q.query.n, 0);
    CHECK_INT(q.host.n, 0);
    CHECK(!q.keep_alive);
    q = http_good("\r\nGET /a HTTP/1.0\n\n");
    CHECK_STR(q.path, "/a");
    q = http_good("get / HTTP/1.0\r\n\r\n");
    CHECK_INT(q.method, HTTP_OTHER);
    q = http_good("OPTIONS * HTTP/1.1\r\nhost:\t x \t\r\n\r\n");
    CHECK_INT(q.method, HTTP_OTHER);
    CHECK_STR(q.path, "*");
    CHECK_STR(q.host, "x");
    q = http_good("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(q.method, HTTP_OTHER);
}

static void test_http_absolute_target(void) {
    struct http_request q = http_good(
        "GET http://a:1/metrics HTTP/1.1\r\nHost: a\r\n\r\n");

    CHECK_STR(q.path, "/metrics");
    q = http_good("GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_STR(q.path, "/");
    q = http_good("GET http://a?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_STR(q.path, "/");
    CHECK_STR(q.query, "x=1");
}

static void test_http_keep_alive(void) {
#define KEEPS(version, fields)                                               \
    http_good("GET / HTTP/" version "\r\nHost: a\r\n" fields "\r\n").keep_alive
    CHECK(KEEPS("1.1", ""));
    CHECK(!KEEPS("1.1", "Connection: close\r\n"));
    CHECK(!KEEPS("1.1", "CONNECTION: x , CLOSE,y\r\n"));
    CHECK(KEEPS("1.1", "Connection: closed\r\n"));
    CHECK(!KEEPS("1.0", ""));
    CHECK(KEEPS("1.0", "Connection: Keep-Alive\r\n"));
    CHECK(!KEEPS("1.1", "Connection: keep-alive, close\r\n"));
    CHECK(KEEPS("1.1", "Content-Length: 0\r\n"));
    CHECK(!KEEPS("1.1", "Content-Length: 5\r\n"));
    CHECK(!KEEPS("1.1", "Content-Length: 5\r\nContent-Length: 5\r\n"));
    CHECK(!KEEPS("1.1", "Transfer-Encoding: chunked\r\n"));
#undef KEEPS
}

static void test_http_wrong(void) {
    CHECK_WRONG("GET /\r\n\r\n", 400);
    CHECK_WRONG("GET / \r\n\r\n", 400);
    CHECK_WRONG("GET  / HTTP/1.1\r\n\r\n", 400);
    CHECK_WRONG("GET / HTTP/1.1 \r\n\r\n", 400);
    CHECK_WRONG("GET / HTTP/11\r\n\r\n", 400);
    CHECK_WRONG("GET / http/1.1\r\n\r\n", 400);
    CHECK_WRONG("GET / HTTP/1.x\r\n\r\n", 400);
    CHECK_WRONG("GET / HTTP/2.0\r\n\r\n", 505);
    CHECK_WRONG("GET metrics HTTP/1.0\r\n\r\n", 400);
    CHECK_WRONG("GET /\001 HTTP/1.0\r\n\r\n", 400);
    CHECK_WRONG("GET /\377 HTTP/1.0\r\n\r\n", 400);
    CHECK_WRONG("G(T / HTTP/1.0\r\n\r\n", 400);
    CHECK_WRONG(" GET / HTTP/1.0\r\n\r\n", 400);
    CHECK_WRONG("\r\n\r\nGET / HTTP/1.0\r\n\r\n", 400);
    CHECK_WRONG("PING\r\n", 400);
    CHECK_WRONG("*1\r\n$4\r\nPING\r\n", 400);
    CHECK_WRONG("\026\003\001\002\n", 400);
}

static void test_http_wrong_fields(void) {
#define HEAD_OF "GET / HTTP/1.1\r\nHost: a\r\n"
    CHECK_WRONG("GET / HTTP/1.1\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "Host: a\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "X : a\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF " folded\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF ": a\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "X\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "X: a\rb\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "X: a\0b\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "X\0: a\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "X: a\r\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "Content-Length: -1\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "Content-Length: +1\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "Content-Length: 1, 1\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "Content-Length: 99999999999999999999\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400);
    CHECK_WRONG(HEAD_OF "Content-Length: 1\r\nTransfer-Encoding: x\r\n\r\n",
                400);
#undef HEAD_OF
}

/* A head of HTTP_HEAD bytes is taken, one of a byte more is not. */
static void test_http_head_size(void) {
    for (size_t n = HTTP_HEAD - 1; n <= HTTP_HEAD + 1; n++) {
        struct resp_text in = { 0 };
        struct http_request q;
        int status;
        ptrdiff_t took;

        resp_say_c(&in, "GET / HTTP/1.0\r\nX: ");
        while (in.n < n - 4) resp_say_c(&in, "x");
        resp_say_c(&in, "\r\n\r\n");
        took = http_parse(in.p, in.n, &q, &status);
        CHECK_INT(took, n <= HTTP_HEAD ? (ptrdiff_t)n : -1);
        CHECK_INT(status, n <= HTTP_HEAD ? 0 : 431);
        CHECK_INT(http_parse(in.p, HTTP_HEAD - 10, &q, &status), 0);
        free(in.p);
    }
}

/* Pieces of requests in any order give one answer however they are cut. */
static void test_http_random(void) {
    static const char *const parts[] = {
        "GET ", "HEAD ", "POST ", "/", "/metrics", "?", "a=b", " ", "HTTP/1.1",
        "HTTP/1.0", "\r\n", "\r\n", "\r\n", "\n", "\r", "Host: a\r\n",
        "Connection: close\r\n", "Content-Length: 3\r\n", ":", "\t", "x",
        "http://a", " HTTP/1.1\r\nHost: b\r\n", "GET / HTTP/1.1\r\n"
    };
    struct resp_text in = { 0 };

    for (int i = 0; i < 20000; i++) {
        struct http_request q;
        int status;
        ptrdiff_t took;

        in.n = 0;
        for (uint64_t n = 1 + unit_rand() % 12; n > 0; n--)
            resp_say_c(&in, parts[unit_rand() % ROWS(parts)]);
        if (unit_rand() % 2 == 0)
            in.p[unit_rand() % in.n] = (char)unit_rand();
        took = http_each_cut(resp_said(&in), &q, &status);
        CHECK(took <= (ptrdiff_t)in.n);
        CHECK((took < 0) == (status != 0));
    }
    free(in.p);
}

static void test_http_responses(void) {
    struct http_request q = { .method = HTTP_GET, .keep_alive = true };
    struct buf b = { 0 };

    CHECK(http_answer(&b, &q, 200, "text/plain", STR("hello")));
    CHECK_STR(buf_str(&b),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
              "X-Content-Type-Options: nosniff\r\n"
              "Cross-Origin-Resource-Policy: same-origin\r\n"
              "Content-Length: 5\r\n"
              "Cache-Control: no-store\r\nConnection: keep-alive\r\n\r\nhello");
    buf_reset(&b);
    q.method = HTTP_HEAD_ONLY;
    q.keep_alive = false;
    CHECK(http_refuse(&b, &q, 404));
    CHECK_STR(buf_str(&b),
              "HTTP/1.1 404 Not Found\r\n"
              "Content-Type: text/plain; charset=utf-8\r\n"
              "X-Content-Type-Options: nosniff\r\n"
              "Cross-Origin-Resource-Policy: same-origin\r\n"
              "Content-Length: 14\r\n"
              "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
    buf_reset(&b);
    CHECK(http_head(&b, 200, "text/html; charset=utf-8", 0, false));
    CHECK(strstr(b.p, "Content-Security-Policy: default-src 'none';") != NULL);
    buf_reset(&b);
    CHECK(http_head(&b, 405, NULL, 0, false));
    CHECK_STR(buf_str(&b),
              "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n"
              "Content-Length: 0\r\nCache-Control: no-store\r\n"
              "Connection: close\r\n\r\n");
    buf_free(&b);
}

#undef CHECK_WRONG

#define TESTS_HTTP                                                           \
    T(test_http_request) T(test_http_absolute_target)                        \
    T(test_http_keep_alive) T(test_http_wrong) T(test_http_wrong_fields)     \
    T(test_http_head_size) T(test_http_random) T(test_http_responses)
