/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* One line made at a fixed time, without the number of the process. */
static struct str test_log__line(char *dst, int format, const char *message,
                                 size_t n) {
    char pid[32];
    size_t size, digits;
    char *at;

    size = log__build(dst, format, KLOG_WARNING, INT64_C(1234567890123),
                      str_of(message, n));
    dst[size] = '\0';
    digits = (size_t)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    at = strstr(dst + 25, pid);
    CHECK(at != NULL);
    memmove(at + 1, at + digits, size + 1 - (size_t)(at - dst) - digits);
    *at = 'P';
    return str_of(dst, size + 1 - digits);
}

#define ESCAPE(text, quoted)                                                 \
    log__escape(dst, "" text, sizeof(text) - 1, (quoted))

#define LINE(format, text)                                                   \
    test_log__line(dst, (format), (text), sizeof(text) - 1)

static void test_log_formats(void) {
    static char dst[LOG__LINE + 1];

    CHECK_STR(LINE(KLOG_TEXT, "a \"b\" c:\\d"),
              "2009-02-13T23:31:30.123Z P warning: a \"b\" c:\\d\n");
    CHECK_STR(LINE(KLOG_LOGFMT, "a \"b\" c:\\d"),
              "ts=2009-02-13T23:31:30.123Z level=warning pid=P "
              "msg=\"a \\\"b\\\" c:\\\\d\"\n");
    CHECK_STR(LINE(KLOG_JSON, "a \"b\" c:\\d"),
              "{\"ts\":\"2009-02-13T23:31:30.123Z\",\"level\":\"warning\","
              "\"pid\":P,\"msg\":\"a \\\"b\\\" c:\\\\d\"}\n");
    CHECK_STR(LINE(KLOG_TEXT, ""), "2009-02-13T23:31:30.123Z P warning: \n");
}

/* No message ends a line, steers a terminal or breaks the JSON. */
static void test_log_hostile(void) {
    static char dst[LOG__LINE + 1];
    char bad[LOG_MESSAGE];
    size_t n;

    n = ESCAPE("a\r\nb\x1b[2J\x7f" "c\xc2\x9b" "d", false);
    CHECK_STR(str_of(dst, n), "a  b [2J c d");
    n = ESCAPE("a\r\nb\0c\x7f\xc2\x9b", true);
    CHECK_STR(str_of(dst, n), "a\\u000d\\u000ab\\u0000c\\u007f\\u009b");
    n = ESCAPE("\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80", true);
    CHECK_STR(str_of(dst, n), "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80");
    n = ESCAPE("\xff\x80\xc0\xaf\xe2\x82", false);
    CHECK_STR(str_of(dst, n), "\\xff\\x80\\xc0\\xaf\\xe2\\x82");
    n = ESCAPE("\xed\xa0\x80\xf4\x90\xc3", true);
    CHECK_STR(str_of(dst, n), "\\\\xed\\\\xa0\\\\x80\\\\xf4\\\\x90\\\\xc3");
    for (int byte = 0; byte < 256; byte++) {
        memset(bad, byte, sizeof bad);
        n = log__build(dst, KLOG_JSON, KLOG_DEBUG, INT64_MAX,
                       str_of(bad, sizeof bad));
        CHECK(n <= LOG__LINE);
        CHECK(memchr(dst, '\n', n) == dst + n - 1);
        CHECK(memcmp(dst + n - 3, "\"}\n", 3) == 0);
    }
}

static size_t test_log__read(const char *path, char *dst, size_t n) {
    int fd = open(path, O_RDONLY);
    ssize_t got;

    CHECK(fd != -1);
    got = read(fd, dst, n - 1);
    CHECK(got >= 0);
    close(fd);
    dst[got] = '\0';
    return (size_t)got;
}

static void test_log_file(void) {
    char dir[48], path[64], moved[64];
    static char text[8000], big[3000];
    struct log l;
    size_t n;

    snprintf(dir, sizeof dir, "/tmp/kvns-log-%ld-%08" PRIx32, (long)getpid(),
             (uint32_t)unit_rand());
    CHECK(mkdir(dir, 0700) == 0);
    snprintf(path, sizeof path, "%s/a", dir);
    snprintf(moved, sizeof moved, "%s/b", dir);
    log_init(&l);
    CHECK(log_open(&l, path));
    errno = 1234;
    log_line(&l, KLOG_NOTICE, "one %d", 1);
    log_line(&l, KLOG_VERBOSE, "too quiet");
    CHECK_INT(errno, 1234);
    CHECK(rename(path, moved) == 0);
    log_line(&l, KLOG_ERROR, "two");
    CHECK(log_reopen(&l));
    log_line(&l, KLOG_ERROR, "three");
    l.level = KLOG_OFF;
    log_line(&l, KLOG_ERROR, "never");
    l.level = KLOG_DEBUG;
    l.format = KLOG_JSON;
    log_line(&l, KLOG_DEBUG, "four");

    n = test_log__read(moved, text, sizeof text);
    CHECK(strstr(text, " info: one 1\n") != NULL);
    CHECK(strstr(text, " error: two\n") == text + n - 12);
    CHECK(strstr(text, "quiet") == NULL);
    n = test_log__read(path, text, sizeof text);
    CHECK(strstr(text, " error: three\n") != NULL);
    CHECK(strstr(text, "never") == NULL);
    CHECK(strstr(text, "\"msg\":\"four\"}\n") == text + n - 14);

    memset(big, 'x', sizeof big - 1);
    l.format = KLOG_TEXT;
    log_line(&l, KLOG_DEBUG, "%s", big);
    CHECK(test_log__read(path, text, sizeof text) < n + LOG_MESSAGE + 100);
    CHECK(strstr(text, "xxx...\n") != NULL);

    CHECK(!log_open(&l, "/nonexistent/dir/file"));
    CHECK_INT(errno, ENOENT);
    log_line(&l, KLOG_DEBUG, "still there");
    test_log__read(path, text, sizeof text);
    CHECK(strstr(text, "still there") != NULL);
    CHECK(log_open(&l, ""));
    CHECK_INT(l.fd, 2);
    CHECK(log_reopen(&l));
    log_fini(&l);
    unlink(path);
    unlink(moved);
    CHECK(rmdir(dir) == 0);
}

/* A write that fails is forgotten, and the file can be gone for good. */
static void test_log_broken(void) {
    struct log l;

    log_init(&l);
    l.fd = -1;
    errno = 7;
    log_line(&l, KLOG_ERROR, "nowhere");
    CHECK_INT(errno, 7);
    log_fini(&l);
}

static void test_log_parse_level(void) {
    static const struct { const char *text; int level; } good[] = {
        { "debug", KLOG_DEBUG }, { "TRACE", KLOG_DEBUG },
        { "verbose", KLOG_VERBOSE }, { "info", KLOG_NOTICE },
        { "Notice", KLOG_NOTICE }, { "warn", KLOG_WARNING },
        { "warning", KLOG_WARNING }, { "error", KLOG_ERROR },
        { "off", KLOG_OFF }, { "none", KLOG_OFF },
        { "kvns=debug", KLOG_DEBUG }, { "info,kvns=debug", KLOG_DEBUG },
        { "kvns=debug,error", KLOG_DEBUG }, { "error,hyper=debug", KLOG_ERROR },
        { "debug,error", KLOG_ERROR }
    };
    static const char *const bad[] = {
        "", "loud", "kvns=", "kvns=loud", "=", "info,", ",info", "info,loud",
        "other=loud", "info debug", "debugs"
    };
    int level;

    for (size_t i = 0; i < ROWS(good); i++) {
        level = 77;
        CHECK(log_parse_level(str_c(good[i].text), &level));
        CHECK_INT(level, good[i].level);
    }
    for (size_t i = 0; i < ROWS(bad); i++) {
        level = 77;
        CHECK(!log_parse_level(str_c(bad[i]), &level));
        CHECK_INT(level, 77);
    }
    CHECK(log_parse_level(STR("hyper=debug"), &level));
    CHECK_INT(level, 77);
}

#undef LINE
#undef ESCAPE
#define TESTS_LOG                                                            \
    T(test_log_formats)                                                      \
    T(test_log_hostile)                                                      \
    T(test_log_file)                                                         \
    T(test_log_broken)                                                       \
    T(test_log_parse_level)
