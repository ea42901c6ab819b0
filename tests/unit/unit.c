/* SPDX-License-Identifier: MIT */
/* The unit tests: the whole program, then every test file, as one program.
 *
 *     unit --list         print the names, one a line
 *     unit NAME...        run these; exit status 0 when all of them passed
 *     unit                run all of them
 *
 * The first check that fails ends the program.  KVNS_TEST_SEED=N repeats the
 * random choices of an earlier run, whose seed a failing check prints.
 */
#define KVNS_NO_MAIN
#include "../../src/kvns.c"

#include "test_mem.c"
#include "test_clock.c"
#include "test_rand.c"
#include "test_hash.c"
#include "test_num.c"
#include "test_glob.c"
#include "test_buf.c"
#include "test_log.c"
#include "test_sha256.c"
#include "test_host.c"
#include "test_table.c"
#include "test_pack.c"
#include "test_item.c"
#include "test_intset.c"
#include "test_quick.c"
#include "test_skip.c"
#include "test_bits.c"
#include "test_hll.c"
#include "test_geohash.c"
#include "test_ids.c"
#include "test_stream.c"
#include "test_crc.c"
#include "test_lzf.c"
#include "test_rdb.c"
#include "test_ziplist.c"
#include "test_rdb_items.c"
#include "test_rdb_real.c"      /* files of real servers, as bytes */
#include "test_rdb_file.c"
#include "lone.c"
#include "test_ranks.c"
#include "test_resp.c"
#include "test_reply.c"
#include "test_http.c"
#include "test_options.c"
#include "test_config.c"
#include "test_measure.c"
#include "test_labels.c"
#include "test_upkeep.c"
#include "test_usage.c"
#include "test_refusals.c"
#include "test_embed.c"

#define T(test) { #test, test },
static const struct unit_test {
    const char *name;
    void (*run)(void);
} unit_tests[] = {
    TESTS_MEM
    TESTS_CLOCK
    TESTS_RAND
    TESTS_HASH
    TESTS_NUM
    TESTS_GLOB
    TESTS_BUF
    TESTS_LOG
    TESTS_SHA256
    TESTS_HOST
    TESTS_TABLE
    TESTS_PACK
    TESTS_ITEM
    TESTS_INTSET
    TESTS_QUICK
    TESTS_SKIP
    TESTS_BITS
    TESTS_HLL
    TESTS_GEOHASH
    TESTS_IDS
    TESTS_STREAM
    TESTS_CRC
    TESTS_LZF
    TESTS_RDB
    TESTS_ZIPLIST
    TESTS_RDB_ITEMS
    TESTS_RDB_FILE
    TESTS_RANKS
    TESTS_RESP
    TESTS_REPLY
    TESTS_HTTP
    TESTS_OPTIONS
    TESTS_CONFIG
    TESTS_MEASURE
    TESTS_LABELS
    TESTS_UPKEEP
    TESTS_USAGE
    TESTS_REFUSALS
    TESTS_EMBED
};
#undef T

static const struct unit_test *unit_find(const char *name) {
    for (size_t i = 0; i < ROWS(unit_tests); i++)
        if (strcmp(unit_tests[i].name, name) == 0) return &unit_tests[i];
    return NULL;
}

/* Each test starts from the same state, so that it fails the same way alone
 * and in company. */
static void unit_run(const struct unit_test *t) {
    unit_state = unit_seed;
    fprintf(stderr, "%s\n", t->name);
    t->run();
}

static int unit_list(void) {
    for (size_t i = 0; i < ROWS(unit_tests); i++) puts(unit_tests[i].name);
    return 0;
}

int main(int argc, char **argv) {
    const char *seed = getenv("KVNS_TEST_SEED");

    if (argc == 2 && strcmp(argv[1], "--list") == 0) return unit_list();
    unit_seed = seed != NULL ? strtoull(seed, NULL, 10)
                             : (uint64_t)time(NULL) << 20 | (uint64_t)getpid();
    for (size_t i = 0; argc == 1 && i < ROWS(unit_tests); i++)
        unit_run(&unit_tests[i]);
    for (int i = 1; i < argc; i++) {
        const struct unit_test *t = unit_find(argv[i]);

        if (t == NULL) {
            fprintf(stderr, "unit: no test is called %s\n", argv[i]);
            return 2;
        }
        unit_run(t);
    }
    return 0;
}
