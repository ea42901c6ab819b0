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
    CHECK(mem_survey(&m) < 3 * (size_t)MEM_PAGE);
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

/* Blocks of all sizes that a test holds. */
enum { MEM_TEST_MIXED = 12000 };

struct mem_test {
    struct mem m;
    char *p[MEM_TEST_MIXED];
    size_t n[MEM_TEST_MIXED];
};

static size_t mem_test_size(void) {
    return 1 + unit_rand() % (unit_rand() % 4 == 0 ? MEM_SMALL : 600);
}

static void mem_test_put(struct mem_test *t, size_t i) {
    bool lines = i % 3 == 0;

    t->n[i] = lines ? (mem_test_size() * 2 + 63) / 64 * 64 : mem_test_size();
    t->p[i] = lines ? mem_lines_try(&t->m, t->n[i]) : mem_try(&t->m, t->n[i]);
    CHECK(t->p[i] != NULL);
    memset(t->p[i], (int)(i % 251), t->n[i]);
}

static void mem_test_take(struct mem_test *t, size_t i) {
    if (t->p[i] == NULL) return;
    for (size_t j = 0; j < t->n[i]; j++)
        if ((unsigned char)t->p[i][j] != i % 251) CHECK_INT(j, SIZE_MAX);
    if (i % 3 == 0) mem_lines_drop(&t->m, t->p[i], t->n[i]);
    else mem_drop(&t->m, t->p[i], t->n[i]);
    t->p[i] = NULL;
}

/* What owners of blocks do while they are moved. */
static void mem_test_move(struct mem_test *t, size_t i) {
    char *to;

    if (t->p[i] == NULL) return;
    if (i % 3 == 0) {
        if (!mem_lines_sparse(&t->m, t->p[i], t->n[i])) return;
        to = mem_lines_try(&t->m, t->n[i]);
        memcpy(to, t->p[i], t->n[i]);
        mem_lines_leave(&t->m, t->p[i], t->n[i]);
    } else {
        if (!mem_sparse(&t->m, t->p[i], t->n[i])) return;
        to = mem_try(&t->m, t->n[i]);
        memcpy(to, t->p[i], t->n[i]);
        mem_leave(&t->m, t->p[i], t->n[i]);
    }
    t->p[i] = to;
}

/* A pass over all, with other work in between. */
static void mem_test_pass(struct mem_test *t, bool busy) {
    mem_survey(&t->m);
    for (unsigned c = 0; c < MEM_KINDS; c++) mem_trim_begin(&t->m, c);
    for (size_t i = 0; i < MEM_TEST_MIXED; i++) {
        size_t other = unit_rand() % MEM_TEST_MIXED;

        mem_test_move(t, i);
        if (!busy || unit_rand() % 4 != 0) continue;
        if (t->p[other] != NULL) mem_test_take(t, other);
        else if (unit_rand() % 4 == 0) mem_test_put(t, other);
    }
    for (unsigned c = 0; c < MEM_KINDS; c++) mem_trim_end(&t->m, c);
    while (mem_step(&t->m) > 0) {}
}

/* A few blocks of many sizes are in memory with little beside them, whatever
 * else was there before; and all of them are what they were. */
static void test_mem_trims_pages_of_few_blocks(void) {
    struct mem_test *t = calloc(1, sizeof *t);

    CHECK(t != NULL);
    mem_init(&t->m);
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < MEM_TEST_MIXED; i++)
            if (t->p[i] == NULL) mem_test_put(t, i);
        for (size_t i = 0; i < MEM_TEST_MIXED; i++)
            if (unit_rand() % 16 != 0) mem_test_take(t, i);
        mem_test_pass(t, round % 2 == 1);
        for (int i = 0; i < 4; i++) mem_test_pass(t, false);
#if !defined(KVNS_MALLOC) && !defined(KVNS_PLAIN)
        /* of each size a piece of the system's or two, hardly used; a page
         * for each would be sixteen */
        CHECK(mem_active(&t->m) < t->m.used + t->m.used / 6 +
                                      2 * MEM_KINDS * (size_t)MEM_SYSTEM);
#endif
    }
    for (size_t i = 0; i < MEM_TEST_MIXED; i++) mem_test_take(t, i);
    CHECK_INT(t->m.used, 0);
    mem_test_pass(t, false);
#if !defined(KVNS_MALLOC)
    CHECK_INT(mem_active(&t->m), 0);
    CHECK_INT(t->m.untouched, 0);
    CHECK_INT(t->m.stale_pages, 0);
#endif
    mem_fini(&t->m);
    free(t);
}

/* Blocks that go from arena to arena, are given back wherever they are, and
 * copied home: each is what it was, and all accounts are right. */
static void test_mem_guests(void) {
    enum { N = 6000, ARENAS = 3, ROUNDS = 40 };
    struct mem_test *t = calloc(1, sizeof *t);  /* blocks; its arena is not */
    struct mem m[ARENAS];
    unsigned char *where = calloc(N, 1);
    size_t sum = 0;

    CHECK(t != NULL && where != NULL);
    for (int a = 0; a < ARENAS; a++) mem_init(m + a);
    for (int round = 0; round < ROUNDS; round++) {
        int from = round % ARENAS, to = (from + 1 + round % 2) % ARENAS;
        size_t n = 0;

        for (size_t i = 0; i < N; i++) {
            struct mem *at = m + where[i];
            bool lines = i % 3 == 0;

            if (t->p[i] == NULL && unit_rand() % 2 == 0) {
                where[i] = (unsigned char)(unit_rand() % ARENAS);
                at = m + where[i];
                t->n[i] = lines ? (mem_test_size() * 2 + 63) / 64 * 64 :
                                  mem_test_size();
                t->p[i] = lines ? mem_lines_try(at, t->n[i]) :
                                  mem_try(at, t->n[i]);
                CHECK(t->p[i] != NULL);
                memset(t->p[i], (int)(i % 251), t->n[i]);
            } else if (t->p[i] != NULL && unit_rand() % 4 == 0) {
                for (size_t j = 0; j < t->n[i]; j++)
                    CHECK_INT((unsigned char)t->p[i][j], i % 251);
                if (lines) mem_lines_drop(at, t->p[i], t->n[i]);
                else mem_drop(at, t->p[i], t->n[i]);
                t->p[i] = NULL;
            }
            if (t->p[i] != NULL && where[i] == from) {
                n += lines ? mem_lines_size(t->n[i]) : mem_size(t->n[i]);
                where[i] = (unsigned char)to;
            }
        }
        mem_hand(m + from, m + to, n);
        CHECK_INT(m[from].used, 0);
        for (int a = 0; a < ARENAS; a++) mem_take_back(m + a, unit_rand() % N);
    }
    for (size_t i = 0; i < N; i++) {
        struct mem *at = m + where[i];

        if (t->p[i] == NULL) continue;
        if (i % 3 == 0) mem_lines_drop(at, t->p[i], t->n[i]);
        else mem_drop(at, t->p[i], t->n[i]);
    }
    for (int a = 0; a < ARENAS; a++) {
        CHECK_INT(m[a].used, 0);
        while (mem_take_back(m + a, 100) > 0) {}
        for (unsigned c = 0; c < MEM_KINDS; c++) mem_trim_begin(m + a, c);
        for (unsigned c = 0; c < MEM_KINDS; c++) mem_trim_end(m + a, c);
#if !defined(KVNS_MALLOC)
        CHECK_INT(mem_active(m + a) - mem_own(m + a), 0);
#endif
        sum += mem_own(m + a);
    }
    CHECK_INT(sum, 0);
    for (int a = 0; a < ARENAS; a++) mem_fini(m + a);
    free(where);
    free(t);
}

#define TESTS_MEM                                                              \
    T(test_mem_sparse_pages) T(test_mem_goes_back_in_steps)                    \
    T(test_mem_trims_pages_of_few_blocks) T(test_mem_guests)
