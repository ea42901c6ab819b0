/* SPDX-License-Identifier: MIT */
/* ==== clock - what time it is ==============================================
 *
 * Two clocks.  The wall clock, in milliseconds since 1970, decides when keys
 * expire; it can be set, jump and go back.  The monotonic clock measures how
 * long things take.  A loop reads both once a turn into a struct clock and
 * everything in that turn sees the same time.  Tests set the wall clock.
 *
 * Dates are computed here, after Hinnant ("chrono-compatible low-level date
 * algorithms"): eras of 400 years that begin on the first of March, so that
 * the leap day is the last of its year.  gmtime would share a static buffer.
 *
 * floor 0 - uses: -
 */
struct clock {
    int64_t wall_ms;            /* Unix time in milliseconds */
    int64_t mono_us;            /* microseconds since some fixed moment */
    int64_t set_ms;             /* 0, or the wall time a test has set */
};

enum { CLOCK_UTC_LEN = 24 };    /* 2026-01-31T23:59:59.999Z */

/* Nanoseconds since some fixed moment; never goes back. */
static inline int64_t clock_mono_ns(void) {
    struct timespec t = { 0, 0 };

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Microseconds since 1970, as the system's clock has it. */
static inline int64_t clock_wall_us(void) {
    struct timespec t = { 0, 0 };

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Bring both times of c up to date; a wall time that was set stays. */
static inline void clock_read(struct clock *c) {
    c->wall_ms = c->set_ms != 0 ? c->set_ms : clock_wall_us() / 1000;
    c->mono_us = clock_mono_ns() / 1000;
}

/* Write v as n decimal digits. */
static void clock__digits(char *p, int v, int n) {
    while (n-- > 0) {
        p[n] = (char)('0' + v % 10);
        v /= 10;
    }
}

/* Write a wall time as ISO 8601 in UTC with milliseconds, terminated.
 * Returns false, with an empty string, outside the years 0 to 9999. */
static bool clock_utc(int64_t wall_ms, char out[32]) {
    static const char shape[] = "0000-00-00T00:00:00.000Z";
    int64_t day = wall_ms / 86400000;
    int ms = (int)(wall_ms % 86400000);
    int era, of_era, years, of_year, month;

    if (ms < 0) {
        ms += 86400000;
        day--;
    }
    day += 719468;              /* from 1970-01-01 to 0000-03-01 */
    if (day < -60 || day >= 3652365) {
        out[0] = '\0';
        return false;
    }
    era = (int)(day < 0 ? -1 : day / 146097);
    of_era = (int)day - era * 146097;
    years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year = of_era - (365 * years + years / 4 - years / 100);
    month = (5 * of_year + 2) / 153;    /* 0 is March */

    memcpy(out, shape, sizeof shape);
    clock__digits(out, years + era * 400 + (month >= 10), 4);
    clock__digits(out + 5, month < 10 ? month + 3 : month - 9, 2);
    clock__digits(out + 8, of_year - (153 * month + 2) / 5 + 1, 2);
    clock__digits(out + 11, ms / 3600000, 2);
    clock__digits(out + 14, ms / 60000 % 60, 2);
    clock__digits(out + 17, ms / 1000 % 60, 2);
    clock__digits(out + 20, ms % 1000, 3);
    return true;
}
