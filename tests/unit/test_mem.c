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

/* Blocks freed in random order leave nearly all pages empty at the very end;
 * they go back to the system a few at a time, however many there are. */
static void test_mem_goes_back_in_steps(void) {
    enum { N = 200000, SIZE = 96 };
    char **block = malloc(N * sizeof *block);
    struct mem m;
    size_t held, steps = 0;

    CHECK(block != NULL);
    mem_init(&m);
    for (size_t i = 0; i < N; i++) {
        size_t j = (size_t)(unit_rand() % (i + 1));

        block[i] = block[j];
        block[j] = mem_try(&m, SIZE);
        CHECK(block[j] != NULL);
    }
    held = m.held;
    for (size_t i = 0; i < N; i++) mem_drop(&m, block[i], SIZE);
    CHECK_INT(m.used, 0);
    CHECK_INT(m.held, held);
    while (mem_has_work(&m)) {
        size_t n = mem_step(&m);

        CHECK(n > 0 && n <= MEM_STEP_PAGES && ++steps < N);
    }
    CHECK_INT(mem_step(&m), 0);
#if !defined(KVNS_MALLOC)
    CHECK(steps > N * SIZE / MEM_PAGE / MEM_STEP_PAGES / 2);
    CHECK(m.held <= (MEM_KEEP_PAGES + MEM_CHUNK_PAGES) * MEM_PAGE);
    CHECK(m.dirty_pages <= MEM_KEEP_PAGES);
#endif
    (void)held, (void)steps;
    /* what is kept is used first */
    for (size_t i = 0; i < N; i++) {
        block[i] = mem_try(&m, SIZE);
        CHECK(block[i] != NULL);
        memset(block[i], (int)i, SIZE);
    }
    for (size_t i = 0; i < N; i++) {
        CHECK(block[i][0] == (char)i && block[i][SIZE - 1] == (char)i);
        mem_drop(&m, block[i], SIZE);
    }
    free(block);
    mem_fini(&m);
}

#define TESTS_MEM T(test_mem_sparse_pages) T(test_mem_goes_back_in_steps)
