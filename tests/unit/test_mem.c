/* SPDX-License-Identifier: MIT */
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
    CHECK_INT(trim_survey(&m), 0);
    for (size_t i = 0; i < MEM_TEST_BLOCKS; i++) {
        if (unit_rand() % 10 < 3) {
            n++;
            continue;
        }
        mem_drop(&m, block[i], 96);
        block[i] = NULL;
    }
    before = mem_active(&m);
    gain = trim_survey(&m);
#if !defined(KVNS_MALLOC)
    CHECK(gain > before / 2);
#endif
    for (size_t i = 0; i < MEM_TEST_BLOCKS; i++) {
        char *to;

        if (block[i] == NULL || !trim_sparse(&m, block[i], 96)) continue;
        to = mem_try(&m, 96);
        CHECK(to != NULL);
        memcpy(to, block[i], 96);
        mem_drop(&m, block[i], 96);
        block[i] = to;
    }
    CHECK_INT(m.used, n * 96);
#if !defined(KVNS_MALLOC)
    CHECK(mem_active(&m) < n * 96 + n * 96 / 8 + 2 * MEM_PAGE);
    CHECK(trim_survey(&m) < 3 * (size_t)MEM_PAGE);
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
    while (arena_has_work(&m)) {
        size_t n = arena_step(&m);

        CHECK(n > 0 && n <= MEM_STEP_PAGES && ++steps < N);
    }
    CHECK_INT(arena_step(&m), 0);
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
        if (!trim_lines_sparse(&t->m, t->p[i], t->n[i])) return;
        to = mem_lines_try(&t->m, t->n[i]);
        memcpy(to, t->p[i], t->n[i]);
        trim_lines_leave(&t->m, t->p[i], t->n[i]);
    } else {
        if (!trim_sparse(&t->m, t->p[i], t->n[i])) return;
        to = mem_try(&t->m, t->n[i]);
        memcpy(to, t->p[i], t->n[i]);
        trim_leave(&t->m, t->p[i], t->n[i]);
    }
    t->p[i] = to;
}

#if !defined(KVNS_MALLOC) && !defined(KVNS_PLAIN)
/* Bytes of pages in use that are in memory, each looked at; full ones are as
 * large as they are. */
static size_t mem_test_resident(const struct mem *m) {
    size_t n = m->held - (size_t)m->idle_pages * MEM_PAGE;

    for (unsigned c = 0; c < MEM_CLASSES; c++) {
        if (m->current[c] != NULL)
            n -= MEM_PAGE - trim__resident(m->current[c]);
        for (unsigned b = 0; b < MEM_BINS; b++)
            for (struct mem_page *p = m->bins[c][b]; p != NULL; p = p->next)
                n -= MEM_PAGE - trim__resident(p);
    }
    for (unsigned i = 0; i < MEM_RUNS; i++)
        for (struct mem_page *p = m->runs[i]; p != NULL; p = p->next)
            n -= MEM_PAGE - trim__resident(p);
    for (struct mem_page *p = m->mixed; p != NULL; p = p->next)
        n -= MEM_PAGE - trim__resident(p);
    return n;
}
#endif

/* A pass over all, with other work in between. */
static void mem_test_pass(struct mem_test *t, bool busy) {
    trim_survey(&t->m);
    for (unsigned c = 0; c < MEM_KINDS; c++) trim_begin(&t->m, c);
    for (size_t i = 0; i < MEM_TEST_MIXED; i++) {
        size_t other = unit_rand() % MEM_TEST_MIXED;

        mem_test_move(t, i);
        if (!busy || unit_rand() % 4 != 0) continue;
        if (t->p[other] != NULL) mem_test_take(t, other);
        else if (unit_rand() % 4 == 0) mem_test_put(t, other);
    }
    for (unsigned c = 0; c < MEM_KINDS; c++) trim_end(&t->m, c);
    while (arena_step(&t->m) > 0) {}
}

/* A few blocks of many sizes are in memory with little beside them, whatever
 * else was there before; and all of them are what they were. */
static void mem_test_few_blocks(bool frugal) {
    struct mem_test *t = calloc(1, sizeof *t);

    CHECK(t != NULL);
    mem_init(&t->m);
    t->m.frugal = frugal;
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < MEM_TEST_MIXED; i++)
            if (t->p[i] == NULL) mem_test_put(t, i);
        for (size_t i = 0; i < MEM_TEST_MIXED; i++)
            if (unit_rand() % 16 != 0) mem_test_take(t, i);
        mem_test_pass(t, round % 2 == 1);
        for (int i = 0; i < 4; i++) mem_test_pass(t, false);
#if !defined(KVNS_MALLOC) && !defined(KVNS_PLAIN)
        /* of each size a piece of the system's, hardly used; a page for each
         * would be sixteen */
        CHECK(mem_test_resident(&t->m) < t->m.used + t->m.used / 6 +
                                      MEM_KINDS * (size_t)MEM_SYSTEM);
        CHECK(mem_active(&t->m) < t->m.used + t->m.used / 6 +
                                      MEM_KINDS * (size_t)MEM_SYSTEM);
#endif
    }
    for (size_t i = 0; i < MEM_TEST_MIXED; i++) mem_test_take(t, i);
    CHECK_INT(t->m.used, 0);
    mem_test_pass(t, false);
#if !defined(KVNS_MALLOC)
    CHECK_INT(mem_active(&t->m), 0);
    CHECK_INT(t->m.untouched, 0);
    CHECK_INT(t->m.stale_pages, 0);
    CHECK_INT(t->m.partly_pages, 0);
    CHECK(t->m.mixed == NULL);
    for (unsigned c = 0; c < MEM_CLASSES; c++) CHECK_INT(t->m.mixes[c], 0);
#endif
    mem_fini(&t->m);
    free(t);
}

static void test_mem_trims_pages_of_few_blocks(void) {
    mem_test_few_blocks(false);
    mem_test_few_blocks(true);
}

/* Where there are a few blocks of each size, a pass puts them together. */
static void test_mem_few_blocks_are_put_together(void) {
    struct mem_test *t = calloc(1, sizeof *t);

    CHECK(t != NULL);
    mem_init(&t->m);
    for (size_t i = 0; i < 3 * MEM_CLASSES; i++) {
        if (i % 3 == 0) continue;
        t->n[i] = 8 + i / 3 * 10;
        t->p[i] = mem_try(&t->m, t->n[i]);
        CHECK(t->p[i] != NULL);
        memset(t->p[i], (int)(i % 251), t->n[i]);
    }
#if !defined(KVNS_MALLOC) && !defined(KVNS_PLAIN)
    CHECK(mem_test_resident(&t->m) > 2 * t->m.used);
    mem_test_pass(t, false);
    CHECK(mem_test_resident(&t->m) < t->m.used + t->m.used / 8 +
                                         4 * MEM_SYSTEM);
    /* and again when most of them have gone */
    for (size_t i = 0; i < 3 * MEM_CLASSES; i++)
        if (i % 8 != 1) mem_test_take(t, i);
    mem_test_pass(t, false);
    CHECK(mem_test_resident(&t->m) < t->m.used + t->m.used / 8 +
                                         4 * MEM_SYSTEM);
#endif
    for (size_t i = 0; i < 3 * MEM_CLASSES; i++) mem_test_take(t, i);
    CHECK_INT(t->m.used, 0);
    mem_fini(&t->m);
    free(t);
}

/* An arena that is to be frugal never has a page for each size, and those of
 * which there are many have pages of their own. */
static void test_mem_few_blocks_share_pages(void) {
    enum { EACH = 3, MANY = 3000 };
    static char *p[MEM_CLASSES][EACH], *q[MANY];
    struct mem m;

    mem_init(&m);
    m.frugal = true;
    for (size_t c = 0; c < MEM_CLASSES; c++)
        for (size_t i = 0; i < EACH; i++) {
            p[c][i] = mem_try(&m, 8 + 10 * c);
            CHECK(p[c][i] != NULL && ((uintptr_t)p[c][i] & 7) == 0);
            memset(p[c][i], (int)c, 8 + 10 * c);
        }
#if !defined(KVNS_MALLOC) && !defined(KVNS_PLAIN)
    CHECK(mem_test_resident(&m) < m.used + m.used / 8 + 2 * MEM_SYSTEM);
#endif
    for (size_t i = 0; i < MANY; i++) q[i] = mem_try(&m, 64);
#if !defined(KVNS_MALLOC) && !defined(KVNS_PLAIN)
    CHECK(mem_test_resident(&m) < m.used + m.used / 8 + 2 * MEM_SYSTEM);
    CHECK(m.mixes[7] * 64 < MEM_SYSTEM);
#endif
    for (size_t i = 0; i < MANY; i++) {
        CHECK(q[i] != NULL);
#if !defined(KVNS_MALLOC)
        CHECK(((uintptr_t)q[i] & 63) == 0);
#endif
        mem_drop(&m, q[i], 64);
    }
    for (size_t c = 0; c < MEM_CLASSES; c++)
        for (size_t i = 0; i < EACH; i++) {
            for (size_t j = 0; j < 8 + 10 * c; j++)
                CHECK_INT((unsigned char)p[c][i][j], c);
            mem_drop(&m, p[c][i], 8 + 10 * c);
        }
    CHECK_INT(m.used, 0);
    mem_fini(&m);
}

/* Blocks that go from arena to arena, are given back wherever they are, and
 * copied home: each is what it was, and all accounts are right. */
static void mem_test_guests(bool frugal) {
    enum { N = 6000, ARENAS = 3, ROUNDS = 40 };
    struct mem_test *t = calloc(1, sizeof *t);  /* blocks; its arena is not */
    struct mem m[ARENAS];
    unsigned char *where = calloc(N, 1);
    size_t sum = 0;

    CHECK(t != NULL && where != NULL);
    for (int a = 0; a < ARENAS; a++) {
        mem_init(m + a);
        m[a].frugal = frugal;
    }
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
        for (unsigned c = 0; c < MEM_KINDS; c++) trim_begin(m + a, c);
        for (unsigned c = 0; c < MEM_KINDS; c++) trim_end(m + a, c);
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

static void test_mem_guests(void) {
    mem_test_guests(false);
    mem_test_guests(true);
}

#define TESTS_MEM                                                              \
    T(test_mem_sparse_pages) T(test_mem_goes_back_in_steps)                    \
    T(test_mem_trims_pages_of_few_blocks)                                      \
    T(test_mem_few_blocks_share_pages)                                         \
    T(test_mem_few_blocks_are_put_together) T(test_mem_guests)
