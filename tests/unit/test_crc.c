/* SPDX-License-Identifier: MIT */
/* Checksums against published values and a bit-by-bit model. */
#include "unit.h"

static void test_crc_known_values(void) {
    struct crc_tables t;

    crc_init(&t);
    CHECK(crc64(&t, 0, "123456789", 9) == UINT64_C(0xe9c6d914c4b8d9ca));
    CHECK(crc64(&t, 0, "", 0) == 0);
    CHECK_INT(crc16("123456789", 9), 0x31c3);
    CHECK_INT(crc16("", 0), 0);
}

static uint64_t test_crc_by_bits(uint64_t crc, const unsigned char *p,
                                 size_t n) {
    for (; n > 0; n--, p++) {
        crc ^= *p;
        for (int i = 0; i < 8; i++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ CRC_JONES : crc >> 1;
    }
    return crc;
}

static void test_crc_any_cut_and_alignment(void) {
    struct crc_tables t;
    unsigned char b[7 * CRC_LANE];

    crc_init(&t);
    for (int round = 0; round < 1000; round++) {
        size_t most = round % 10 == 0 ? sizeof b : 80;
        size_t from = unit_rand() % 16, n = unit_rand() % (most - from);
        size_t cut = unit_rand() % (n + 1);
        uint64_t want;

        for (size_t i = 0; i < most; i++) b[i] = (unsigned char)unit_rand();
        want = test_crc_by_bits(0, b + from, n);
        CHECK(crc64(&t, 0, b + from, n) == want);
        CHECK(crc64(&t, crc64(&t, 0, b + from, cut), b + from + cut,
                    n - cut) == want);
    }
}

/* What redis-server 7.0.15 answers to CLUSTER KEYSLOT. */
static void test_crc_slots(void) {
    CHECK_INT(crc_slot(STR("foo")), 12182);
    CHECK_INT(crc_slot(STR("somekey")), 11058);
    CHECK_INT(crc_slot(STR("foo{hash_tag}")), 2515);
    CHECK_INT(crc_slot(STR("{user1000}.following")),
              crc_slot(STR("user1000")));
    CHECK_INT(crc_slot(STR("foo{}{bar}")), crc16("foo{}{bar}", 10) & 16383);
    CHECK_INT(crc_slot(STR("foo{{bar}}zap")), crc_slot(STR("{bar")));
    CHECK_INT(crc_slot(STR("foo{bar")), crc16("foo{bar", 7) & 16383);
    CHECK_INT(crc_slot(STR("")), 0);
    CHECK_INT(crc_slot(STR("{")), crc16("{", 1) & 16383);
}

#define TESTS_CRC \
    T(test_crc_known_values) T(test_crc_any_cut_and_alignment) \
    T(test_crc_slots)
