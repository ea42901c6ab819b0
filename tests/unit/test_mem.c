#include "unit.h"

enum { MEM_TEST_BLOCKS = 20000 };

/* What lies in sparse pages is put elsewhere, and the pages go back. */
static void test_mem_sparse_pages(void) {
    static char *block[MEM_TEST_BLOCKS];
    struct mem m;
    size_t n = 0, before, gain;

    mem_init(&m);
    for (size_t i = 0; i < MEM_TEST_BLOCKS; i++) {
        block[i] = mem_try(&m, 96);
        CHECK(block[i] != NULL);
        memset(block[i], (int)(i % 251), 96);
    }
    CHECK_INT(mem_survey(&m), 0);
    for (size_t i = 0; i < MEM_TEST_BLOCKS; i++) {
        if (unit_rand() % 10 < 3) {
            n++;
            continue;
        }
        mem_drop(&m, block[i], 96);
        block[i] = NULL;
    }
    before = mem_active(&m);
    gain = mem_survey(&m);
#if !defined(KVNS_MALLOC)
    CHECK(gain > before / 2);
#endif
    for (size_t i = 0; i < MEM_TEST_BLOCKS; i++) {
        char *to;

        if (block[i] == NULL || !mem_sparse(&m, block[i], 96)) continue;
        to = mem_try(&m, 96);
        CHECK(to != NULL);
        memcpy(to, block[i], 96);
        mem_drop(&m, block[i], 96);
        block[i] = to;
    }
    CHECK_INT(m.used, n * 96);
#if !defined(KVNS_MALLOC)
    CHECK(mem_active(&m) < n * 96 + n * 96 / 8 + 2 * MEM_PAGE);
    CHECK_INT(mem_survey(&m), 0);
#endif
    (void)before, (void)gain;
    for (size_t i = 0; i < MEM_TEST_BLOCKS; i++) {
        if (block[i] == NULL) continue;
        for (int j = 0; j < 96; j++)
            CHECK_INT((unsigned char)block[i][j], i % 251);
        mem_drop(&m, block[i], 96);
    }
    CHECK_INT(m.used, 0);
    mem_fini(&m);
}

#define TESTS_MEM T(test_mem_sparse_pages)
