/* SPDX-License-Identifier: MIT */
#include "unit.h"

static double test_geohash__draw(double max) {
    return ((double)(unit_rand() >> 11) / 9007199254740992.0 * 2 - 1) * max;
}

/* A number leads back to its place, within half of a part. */
static void test_geohash_there_and_back(void) {
    for (int i = 0; i < 20000; i++) {
        double lon = test_geohash__draw(GEOHASH_LON_MAX), x;
        double lat = test_geohash__draw(GEOHASH_LAT_MAX), y;
        uint64_t bits = geohash_encode(lon, lat);

        CHECK(bits < UINT64_C(1) << 52);
        geohash_decode((double)bits, &x, &y);
        CHECK(fabs(x - lon) <= 180.0 / (1 << 26) + 1e-12);
        CHECK(fabs(y - lat) <= 85.06 / (1 << 26) + 1e-12);
        CHECK(geohash_encode(x, y) == bits);
    }
}

/* What Redis 7.0.15 answers for Palermo and Catania. */
static void test_geohash_known(void) {
    uint64_t a = geohash_encode(13.361389, 38.115556);
    uint64_t b = geohash_encode(15.087269, 37.502669);
    char text[GEOHASH_TEXT];
    double x, y, x2, y2;

    CHECK_INT(a, INT64_C(3479099956230698));
    CHECK_INT(b, INT64_C(3479447370796909));
    geohash_text((double)a, text);
    CHECK_STR(str_of(text, sizeof text), "sqc8b49rny0");
    geohash_decode((double)a, &x, &y);
    geohash_decode((double)b, &x2, &y2);
    CHECK(fabs(geohash_distance(x, y, x2, y2) - 166274.1516) < 1e-4);
    CHECK(geohash_distance(x, y, x, y) == 0);
}

/* Any score at all is a place on the map. */
static void test_geohash_any_score(void) {
    static const double odd[] = { -1, 0, 1e300, -1e300, INFINITY, -INFINITY,
                                  9.3e18, 18446744073709551615.0, 0.5, -0.0 };
    char text[GEOHASH_TEXT];
    double lon, lat;

    for (size_t i = 0; i < 4000; i++) {
        double score = i < ROWS(odd) ? odd[i] : test_geohash__draw(1e20);

        geohash_decode(score, &lon, &lat);
        CHECK(fabs(lon) <= GEOHASH_LON_MAX && fabs(lat) <= GEOHASH_LAT_MAX);
        geohash_text(score, text);
        for (size_t k = 0; k < sizeof text; k++) CHECK(isalnum(text[k]));
    }
}

/* Whatever lies in a shape lies in one of its squares, and in one only. */
static void test_geohash_cells_cover(void) {
    for (int round = 0; round < 400; round++) {
        struct geohash_shape s = { .unit = 1 };
        struct geohash_cell cells[GEOHASH_CELLS];
        double size = pow(10, 1 + (double)(unit_rand() % 500) / 100);
        int inside = 0;

        s.box = round % 2 != 0;
        s.lon = test_geohash__draw(170);
        s.lat = test_geohash__draw(60);
        s.radius = size;
        s.width = 2 * size;
        s.height = size;
        geohash_cells(&s, cells);
        for (int i = 0; i < 200; i++) {
            double reach = size / GEOHASH_EARTH / GEOHASH_DEGREE, min, max;
            double lat = s.lat + test_geohash__draw(reach * 1.1);
            double lon = s.lon + test_geohash__draw(reach * 2.2);
            struct geohash_point p;
            double score;
            int n = 0;

            if (fabs(lon) > GEOHASH_LON_MAX || fabs(lat) > 85) continue;
            score = (double)geohash_encode(lon, lat);
            if (!geohash_within(&s, score, &p)) continue;
            inside++;
            for (int k = 0; k < GEOHASH_CELLS; k++) {
                if (cells[k].step == 0) continue;
                geohash_cell_range(cells[k], &min, &max);
                n += score >= min && score < max;
            }
            CHECK_INT(n, 1);
        }
        CHECK(inside > 0 || size < 1000);
    }
}

#define TESTS_GEOHASH \
    T(test_geohash_there_and_back) T(test_geohash_known) \
    T(test_geohash_any_score) T(test_geohash_cells_cover)
