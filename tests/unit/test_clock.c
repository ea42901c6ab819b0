/* SPDX-License-Identifier: MIT */
#include "unit.h"

static void test_clock_utc(void) {
    char out[32];

    CHECK(clock_utc(0, out));
    CHECK_STR(str_c(out), "1970-01-01T00:00:00.000Z");
    CHECK_INT(strlen(out), CLOCK_UTC_LEN);
    CHECK(clock_utc(-1, out));
    CHECK_STR(str_c(out), "1969-12-31T23:59:59.999Z");
    CHECK(clock_utc(INT64_C(951782399999), out));
    CHECK_STR(str_c(out), "2000-02-28T23:59:59.999Z");
    CHECK(clock_utc(INT64_C(951782400000), out));
    CHECK_STR(str_c(out), "2000-02-29T00:00:00.000Z");
    CHECK(clock_utc(INT64_C(4107542400000), out));
    CHECK_STR(str_c(out), "2100-03-01T00:00:00.000Z");
    CHECK(clock_utc(INT64_C(1234567890123), out));
    CHECK_STR(str_c(out), "2009-02-13T23:31:30.123Z");
    CHECK(clock_utc(INT64_C(253402300799999), out));
    CHECK_STR(str_c(out), "9999-12-31T23:59:59.999Z");
    CHECK(clock_utc(-INT64_C(62167219200000), out));
    CHECK_STR(str_c(out), "0000-01-01T00:00:00.000Z");

    CHECK(!clock_utc(INT64_C(253402300800000), out));
    CHECK_STR(str_c(out), "");
    CHECK(!clock_utc(-INT64_C(62167219200001), out));
    CHECK(!clock_utc(INT64_MAX, out));
    CHECK(!clock_utc(INT64_MIN, out));
}

/* The system's own calendar, day by day over 500 years. */
static void test_clock_utc_days(void) {
    char got[32], want[64];

    for (int64_t day = -50000; day < 140000; day++) {
        time_t t = (time_t)(day * 86400);
        struct tm tm;

        if ((int64_t)t != day * 86400) continue;    /* 32-bit time_t */
        CHECK(gmtime_r(&t, &tm) != NULL);
        snprintf(want, sizeof want, "%04d-%02d-%02dT00:00:00.007Z",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
        CHECK(clock_utc(day * 86400000 + 7, got));
        CHECK(strcmp(got, want) == 0);
    }
}

static void test_clock_read(void) {
    struct clock c = { 0, 0, 0 };
    int64_t before = clock_mono_ns(), wall;

    clock_read(&c);
    CHECK(c.mono_us >= before / 1000);
    CHECK(c.mono_us <= clock_mono_ns() / 1000);
    wall = clock_wall_us() / 1000;
    CHECK(c.wall_ms > wall - 60000 && c.wall_ms < wall + 60000);
    CHECK(c.wall_ms / 1000 >= (int64_t)time(NULL) - 60);
    c.set_ms = 1234;
    clock_read(&c);
    CHECK_INT(c.wall_ms, 1234);
}

#define TESTS_CLOCK                                                          \
    T(test_clock_utc)                                                        \
    T(test_clock_utc_days)                                                   \
    T(test_clock_read)
