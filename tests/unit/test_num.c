/* SPDX-License-Identifier: MIT */
#include "unit.h"

static void test_num_parse_int(void) {
    static const struct { const char *text; int64_t v; } good[] = {
        { "0", 0 }, { "1", 1 }, { "-1", -1 }, { "10", 10 }, { "-90", -90 },
        { "1234567890123456789", INT64_C(1234567890123456789) },
        { "9223372036854775807", INT64_MAX },
        { "-9223372036854775807", -INT64_MAX },
        { "-9223372036854775808", INT64_MIN }
    };
    static const char *const bad[] = {
        "", "-", "-0", "+1", "01", "-01", "00", " 1", "1 ", "1.0", "1e3",
        "a", "1a", "/", ":", "--1", "9223372036854775808",
        "-9223372036854775809", "18446744073709551615",
        "99999999999999999999", "100000000000000000000", "0x10", "1\n"
    };
    int64_t v;

    for (size_t i = 0; i < ROWS(good); i++) {
        v = 77;
        CHECK(num_parse_int(str_c(good[i].text), &v));
        CHECK_INT(v, good[i].v);
    }
    for (size_t i = 0; i < ROWS(bad); i++) {
        v = 77;
        CHECK(!num_parse_int(str_c(bad[i]), &v));
        CHECK_INT(v, 77);
    }
    CHECK(!num_parse_int(str_of("1\0", 2), &v));
    CHECK(!num_parse_int(str_of(NULL, 0), &v));
    CHECK(num_parse_int(str_of("123", 2), &v));
    CHECK_INT(v, 12);
}

static void test_num_parse_uint(void) {
    uint64_t v = 77;

    CHECK(num_parse_uint(STR("18446744073709551615"), &v));
    CHECK(v == UINT64_MAX);
    CHECK(num_parse_uint(STR("18446744073709551609"), &v));
    CHECK(v == UINT64_MAX - 6);
    CHECK(num_parse_uint(STR("9999999999999999999"), &v));
    CHECK(v == UINT64_C(9999999999999999999));
    CHECK(num_parse_uint(STR("0"), &v));
    CHECK(v == 0);
    CHECK(!num_parse_uint(STR("18446744073709551616"), &v));
    CHECK(!num_parse_uint(STR("28446744073709551615"), &v));
    CHECK(!num_parse_uint(STR("1844674407370955161x"), &v));
    CHECK(!num_parse_uint(STR("-1"), &v));
    CHECK(!num_parse_uint(STR("+1"), &v));
    CHECK(!num_parse_uint(STR("00"), &v));
    CHECK(!num_parse_uint(STR(""), &v));
    CHECK(v == 0);
}

static void test_num_put_int(void) {
    char got[32], want[32];
    uint64_t v = 1;

    for (int i = 0; i < 200000; i++) {
        int64_t back;
        size_t n;

        v = i < 70 ? (i < 40 ? v * 3 : UINT64_MAX - (uint64_t)i + 40)
                   : unit_rand() >> unit_rand() % 64;
        snprintf(want, sizeof want, "%" PRIu64, v);
        memset(got, '#', sizeof got);
        n = num_put_uint(got, v);
        CHECK_INT(n, strlen(want));
        CHECK_INT(num_digits(v), n);
        CHECK(memcmp(got, want, n) == 0 && got[n] == '#');
        snprintf(want, sizeof want, "%" PRId64, (int64_t)v);
        memset(got, '#', sizeof got);
        n = num_put_int(got, (int64_t)v);
        CHECK_INT(n, strlen(want));
        CHECK(memcmp(got, want, n) == 0 && got[n] == '#');
        CHECK(n <= NUM_INT_ROOM);
        CHECK(num_parse_int(str_of(got, n), &back));
        CHECK_INT(back, (int64_t)v);
    }
    CHECK_STR(str_of(got, num_put_int(got, INT64_MIN)),
              "-9223372036854775808");
    CHECK_STR(str_of(got, num_put_int(got, 0)), "0");
    CHECK_STR(str_of(got, num_put_uint(got, UINT64_MAX)),
              "18446744073709551615");
    for (int i = 0; i < 20; i++) {
        v = i == 0 ? 1 : v * 10;
        CHECK_INT(num_digits(v), i + 1);
        if (v > 1) CHECK_INT(num_digits(v - 1), i);
    }
}

static void test_num_add(void) {
    int64_t v = 77;

    CHECK(num_add(INT64_MAX - 1, 1, &v));
    CHECK_INT(v, INT64_MAX);
    CHECK(num_add(INT64_MIN + 1, -1, &v));
    CHECK_INT(v, INT64_MIN);
    CHECK(num_add(INT64_MAX, INT64_MIN, &v));
    CHECK_INT(v, -1);
    CHECK(!num_add(INT64_MAX, 1, &v));
    CHECK(!num_add(1, INT64_MAX, &v));
    CHECK(!num_add(INT64_MIN, -1, &v));
    CHECK(!num_add(-1, INT64_MIN, &v));
    CHECK(!num_add(INT64_MIN, INT64_MIN, &v));
    CHECK_INT(v, -1);
}

/* What ZADD of redis-server 7.0.15 makes of each. */
static void test_num_parse_double(void) {
    static const struct { const char *text; double v; } good[] = {
        { "0", 0 }, { "-0", -0.0 }, { "1", 1 }, { "+1", 1 }, { ".5", 0.5 },
        { "5.", 5 }, { "-.5", -0.5 }, { "1e5", 1e5 }, { "1E+5", 1e5 },
        { "1e-5", 1e-5 }, { "000001", 1 }, { "0.1", 0.1 },
        { "1e0000000000000000001", 10 }, { "0e999999", 0 },
        { "-0e-999999999999999999999", -0.0 }, { "0.000", 0 },
        { "inf", HUGE_VAL }, { "-INF", -HUGE_VAL }, { "+Inf", HUGE_VAL },
        { "InFiNiTy", HUGE_VAL }, { "-infinity", -HUGE_VAL },
        { "0x1", 1 }, { "0X1P3", 8 }, { "0x1.8p1", 3 }, { "0x.8", 0.5 },
        { "-0x1e5", -485 }, { "0x0p5", 0 }, { "0x1.p-1", 0.5 },
        { "5e-324", 0x1p-1074 }, { "3e-324", 0x1p-1074 },
        { "0x1p-1074", 0x1p-1074 }, { "0x1.8p-1075", 0x1p-1074 },
        { "1.7976931348623157e308", DBL_MAX }, { "1e-310", 1e-310 },
        { "9007199254740993", 9007199254740992.0 },
        { "9007199254740993.00000000000000000001", 9007199254740994.0 },
        { "123456789012345678901234567890", 123456789012345678901234567890. },
        { "0.30000000000000004", 0.30000000000000004 },
        { "1000000000000000000000e-21", 1 },
        { "0.000000000000000000000000000000000000000000001e45", 1 }
    };
    static const char *const bad[] = {
        "", "nan", "-nan", "NaN", "nan(12)", "infinit", "infinityx", "in",
        " 1", "1 ", "\t1", "-", "+", ".", "-.", "e5", ".e5", "1e", "1e+",
        "1e-", "1e5.", "1.5e3.2", "1..2", "1.2.3", "++1", "+-1", "--1",
        "1d5", "1f", "1_0", "1,5", "0x", "0x.", "0xp1", "0x1p", "0x1p+",
        "0xg", "x1", "1p5", "1e400", "-1e400", "1e-400", "2e-324",
        "0x1p-1075", "0x1p1024", "1e99999999999999999999",
        "0x1p99999999999999999999", "0x1p-99999999999999999999", "- 1"
    };
    double v;

    for (size_t i = 0; i < ROWS(good); i++) {
        v = 77;
        CHECK(num_parse_double(str_c(good[i].text), &v));
        CHECK(v == good[i].v && !signbit(v) == !signbit(good[i].v));
    }
    for (size_t i = 0; i < ROWS(bad); i++) {
        v = 77;
        CHECK(!num_parse_double(str_c(bad[i]), &v));
        CHECK(v == 77);
    }
    CHECK(!num_parse_double(str_of("1\0", 2), &v));
    CHECK(!num_parse_double(str_of(NULL, 0), &v));
    CHECK(num_parse_double(str_of("1e55", 3), &v) && v == 1e5);
}

/* Whether strtod takes all of a terminated text as Redis wants it.  Of what
 * is too large not every libc says so (ERANGE), but the result does. */
static bool test_num__strtod(const char *text, double *v) {
    char *end;

    errno = 0;
    *v = strtod(text, &end);
    if (end == text || *end != '\0' || isspace((unsigned char)*text))
        return false;
    if (isnan(*v)) return false;
    if (isinf(*v)) return strpbrk(text, "nN") != NULL;
    return errno != ERANGE || *v != 0;
}

/* Random text of the right letters: as libc in everything. */
static void test_num_parse_double_random(void) {
    static const char letters[] = "0123456789012345678900..+-eExXpPaf";
    char text[64];

    for (int i = 0; i < 400000; i++) {
        size_t n = 1 + unit_rand() % 14;
        double got = 77, want;
        bool ok;

        for (size_t j = 0; j < n; j++)
            text[j] = letters[unit_rand() % (sizeof letters - 1)];
        text[n] = '\0';
        if (unit_rand() % 8 == 0 && n > 3) memcpy(text, "0x", 2);
        ok = test_num__strtod(text, &want);
        CHECK(num_parse_double(str_of(text, n), &got) == ok);
        if (ok) CHECK(memcmp(&got, &want, sizeof got) == 0);
    }
}

/* A random double: any bits, a decimal fraction, or close to a limit. */
static double test_num__random(void) {
    uint64_t bits = unit_rand();
    double v;

    switch (unit_rand() % 6) {
    case 0: return (double)(int64_t)(bits >> bits % 64);
    case 1: return (double)(bits % 1000000) / num__tens[bits >> 60];
    case 2: return (double)(bits >> 11) / num__tens[bits % 23];
    case 3: return ldexp((double)(bits >> 11), -(int)(bits % 110));
    case 4: return num__tens[bits % 23] * (1 + 0x1p-52 * (double)(bits >> 61));
    }
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void test_num_double_random(void) {
    char got[NUM_DOUBLE_ROOM], want[64];

    for (int i = 0; i < 200000; i++) {
        double v = test_num__random(), back;
        size_t n;

        if (isnan(v)) continue;
        snprintf(want, sizeof want, "%.17g", v);
        n = num_put_double(got, v);
        if (n != strlen(want) || memcmp(got, want, n) != 0)
            fprintf(stderr, "%.*s instead of %s\n", (int)n, got, want);
        CHECK(n == strlen(want) && memcmp(got, want, n) == 0);
        CHECK(num_parse_double(str_of(got, n), &back));
        CHECK(memcmp(&back, &v, sizeof v) == 0);
        n = (size_t)snprintf(want, sizeof want, "%.*g",
                             (int)(unit_rand() % 18), v);
        if (test_num__strtod(want, &v)) {
            CHECK(num_parse_double(str_of(want, n), &back));
            CHECK(memcmp(&back, &v, sizeof v) == 0);
        }
    }
}

/* Halves between two doubles, to the last of 770 digits and beyond. */
static void test_num_parse_double_long(void) {
    enum { MOST = 5000 };
    static char text[MOST + 1];
    static const double micro = 1e-6;   /* no wider than a double */
    double v, want;
    size_t n;

    for (int power = -1074; power < 1000; power += 13) {
        n = (size_t)snprintf(text, MOST, "%.*f", power < 0 ? 1080 : 0,
                             ldexp(1, power));
        for (; n < MOST - 1; n += 1 + n / 2) {
            CHECK(num_parse_double(str_of(text, n), &v) ==
                  test_num__strtod(text, &want));
            CHECK(memcmp(&v, &want, sizeof v) == 0);
            if (power >= 0) break;
            memset(text + strlen(text), '0', MOST - strlen(text));
            text[n + n / 2 < MOST ? n + n / 2 : MOST - 1] = '1';
            text[(n + n / 2 < MOST ? n + n / 2 : MOST - 1) + 1] = '\0';
        }
    }
    /* 2^53 + 1 lies half way; a one far behind decides. */
    memset(text, '0', MOST);
    memcpy(text, "9007199254740993.", 17);
    CHECK(num_parse_double(str_of(text, MOST), &v));
    CHECK(v == 9007199254740992.0);
    text[MOST - 1] = '1';
    CHECK(num_parse_double(str_of(text, MOST), &v));
    CHECK(v == 9007199254740994.0);
    memset(text, '9', MOST);
    CHECK(!num_parse_double(str_of(text, MOST), &v));
    memcpy(text + MOST - 6, "e-5000", 6);
    CHECK(num_parse_double(str_of(text, MOST), &v));
    CHECK(v == micro);
}

static void test_num_put_double(void) {
    static const struct { double v; const char *text; } rows[] = {
        { 0, "0" }, { -0.0, "-0" }, { 3, "3" }, { -3, "-3" },
        { 0.1, "0.10000000000000001" }, { 0.5, "0.5" }, { -1.5, "-1.5" },
        { 1e15, "1000000000000000" }, { 1e16, "10000000000000000" },
        { 1e17, "1e+17" }, { 1e21, "1e+21" }, { 1e100, "1e+100" },
        { 1e300, "1.0000000000000001e+300" },
        { 5e-324, "4.9406564584124654e-324" },
        { 1e-4, "0.0001" }, { 1e-5, "1.0000000000000001e-05" },
        { 123456.789, "123456.789" }, { 1e-10, "1e-10" },
        { 1700000000.123, "1700000000.1229999" },
        { 0.99999999999999989, "0.99999999999999989" },
        { 4503599627370495.5, "4503599627370495.5" },
        { 9007199254740993.0, "9007199254740992" },
        { 99999999999999984.0, "99999999999999984" },
        { DBL_MAX, "1.7976931348623157e+308" },
        { HUGE_VAL, "inf" }, { -HUGE_VAL, "-inf" }
    };
    char dst[NUM_DOUBLE_ROOM];

    for (size_t i = 0; i < ROWS(rows); i++)
        unit_check_str(str_of(dst, num_put_double(dst, rows[i].v)),
                       str_c(rows[i].text), "score", __FILE__, __LINE__);
    CHECK_STR(str_of(dst, num_put_double(dst, HUGE_VAL - HUGE_VAL)), "nan");
}

/* What INCRBYFLOAT of redis-server 7.0.15 (x86-64) answers. */
static void test_num_ld(void) {
    static const struct { const char *text, *put; } rows[] = {
        { "0", "0" }, { "-0", "0" }, { "3", "3" }, { "3.0", "3" },
        { "-3.50", "-3.5" }, { "0.1", "0.1" }, { "1e5", "100000" },
        { "1e-5", "0.00001" }, { "5.0e3", "5000" }, { "200", "200" },
        { "1e-17", "0.00000000000000001" }, { "1e-18", "0" },
        { "-1e-18", "0" }, { "10.6", "10.6" }, { "0x10", "16" },
        { "inf", "inf" }, { "-inf", "-inf" }
    };
    static char dst[NUM_LD_ROOM], text[NUM_LD_ROOM + 1];
    long double v;
    size_t n;

    for (size_t i = 0; i < ROWS(rows); i++) {
        CHECK(num_parse_ld(str_c(rows[i].text), &v));
        n = num_put_ld(dst, v);
        if (LDBL_MANT_DIG >= 64 || v == (double)(int)v)
            unit_check_str(str_of(dst, n), str_c(rows[i].put), rows[i].text,
                           __FILE__, __LINE__);
    }
    CHECK(!num_parse_ld(STR(""), &v));
    CHECK(!num_parse_ld(STR("nan"), &v));
    CHECK(!num_parse_ld(STR(" 1"), &v));
    CHECK(!num_parse_ld(STR("1e5000"), &v));
    CHECK(!num_parse_ld(STR("1e-5000"), &v));
    memset(text, '0', sizeof text);
    CHECK(!num_parse_ld(str_of(text, NUM_LD_ROOM), &v));
    CHECK(num_parse_ld(str_of(text, NUM_LD_ROOM - 1), &v));
    n = num_put_ld(dst, LDBL_MAX);
    CHECK_INT(n, LDBL_MAX_10_EXP + 1);
    n = num_put_ld(dst, -LDBL_MAX);
    CHECK(num_parse_ld(str_of(dst, n), &v));
    CHECK(v == -LDBL_MAX);
    CHECK_STR(str_of(dst, num_put_ld(dst, HUGE_VAL - HUGE_VAL)), "nan");
}

/* As strtold and printf would, for what has up to 17 digits. */
static void test_num_ld_random(void) {
    static char dst[NUM_LD_ROOM];
    char text[64], want[128];

    for (int i = 0; i < 100000; i++) {
        int n = snprintf(text, sizeof text, "%s%" PRIu64 ".%0*" PRIu64,
                         i % 2 ? "-" : "", unit_rand() >> unit_rand() % 64,
                         1 + (int)(unit_rand() % 9), unit_rand() % 1000000);
        long double v, w = strtold(text, NULL);

        if (i % 3 == 0)
            n += snprintf(text + n, 10, "e%d", (int)(unit_rand() % 9) - 5);
        if (i % 3 == 0) w = strtold(text, NULL);
        CHECK(num_parse_ld(str_of(text, (size_t)n), &v));
        CHECK(v == w);
        n = snprintf(want, sizeof want, "%.17Lf", w);
        while (want[n - 1] == '0') n--;
        if (want[n - 1] == '.') n--;
        if (n == 2 && memcmp(want, "-0", 2) == 0) continue;
        CHECK_INT(num_put_ld(dst, v), n);
        CHECK(memcmp(dst, want, (size_t)n) == 0);
    }
}

static void test_num_parse_size(void) {
    static const struct { const char *text; uint64_t v; } good[] = {
        { "0", 0 }, { "1", 1 }, { "010", 10 }, { "7b", 7 }, { "1k", 1000 },
        { "1kb", 1024 }, { "2M", 2000000 }, { "2mB", 2097152 },
        { "3g", UINT64_C(3000000000) }, { "3GB", UINT64_C(3221225472) },
        { "18446744073709551615", UINT64_MAX },
        { "17179869183gb", UINT64_C(17179869183) << 30 }
    };
    static const char *const bad[] = {
        "", "b", "kb", "-1", "+1", " 1", "1 ", "1 kb", "1.5g", "1t", "1kbb",
        "1kib", "18446744073709551616", "17179869184gb",
        "18446744073709551615k", "99999999999999999999999"
    };
    uint64_t v;

    for (size_t i = 0; i < ROWS(good); i++) {
        CHECK(num_parse_size(str_c(good[i].text), &v));
        CHECK(v == good[i].v);
    }
    for (size_t i = 0; i < ROWS(bad); i++) {
        v = 77;
        CHECK(!num_parse_size(str_c(bad[i]), &v));
        CHECK(v == 77);
    }
}

#define TESTS_NUM                                                            \
    T(test_num_parse_int)                                                    \
    T(test_num_parse_uint)                                                   \
    T(test_num_put_int)                                                      \
    T(test_num_add)                                                          \
    T(test_num_parse_double)                                                 \
    T(test_num_parse_double_random)                                          \
    T(test_num_parse_double_long)                                            \
    T(test_num_double_random)                                                \
    T(test_num_put_double)                                                   \
    T(test_num_ld)                                                           \
    T(test_num_ld_random)                                                    \
    T(test_num_parse_size)
