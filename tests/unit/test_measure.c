/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Classes of durations, percentiles. */

static void test_measure_classes(void) {
    uint32_t before = 0;

    CHECK_INT(measure_class(0), 0);
    CHECK_INT(measure_class(63), 0);
    for (uint64_t ns = 1; ns < UINT64_C(1) << 36; ns += ns / 16 + 1) {
        uint32_t c = measure_class(ns);

        CHECK(c < HIST_CLASSES && c >= before);
        if (c < HIST_CLASSES - 1) {
            CHECK(ns <= measure_class_end(c));
            if (c > 0) CHECK(ns > measure_class_end(c - 1));
            if (c > 0) CHECK(measure_class_end(c) - ns <= ns / 8);
        }
        before = c;
    }
    CHECK_INT(measure_class(UINT64_MAX), HIST_CLASSES - 1);
}

static void test_measure_bounds(void) {
    for (uint32_t i = 0; i < HIST_BOUNDS; i++) {
        uint64_t ns = measure_bounds[i];
        uint32_t c = measure_class(ns);

        /* each bound is the end of a class: buckets are exact */
        CHECK_INT(measure_class_end(c), (long long)ns);
        CHECK_INT(measure_class(ns + 1), (long long)c + 1);
        CHECK(measure_class(ns - 1) <= c);
    }
    CHECK_INT(measure_class_end(HIST_CLASSES - 1), (UINT64_C(1) << 35) - 1);
}

static void test_measure_percentiles(void) {
    uint64_t hist[HIST_CLASSES] = { 0 };

    CHECK_INT(measure_percentile(hist, 50), 0);
    for (uint64_t us = 1; us <= 1000; us++) hist[measure_class(us * 1000)]++;
    for (int p = 1; p <= 100; p++) {
        uint64_t got = measure_percentile(hist, p), want = (uint64_t)p * 10000;

        CHECK(got >= want && got <= want + want / 8 + 1);
    }
    CHECK(measure_percentile(hist, 0) < 2000);
}

#define TESTS_MEASURE T(test_measure_classes) T(test_measure_bounds) \
    T(test_measure_percentiles)
