/* SPDX-License-Identifier: MIT */
/* What a unit test has at hand.
 *
 * tests/unit/unit.c includes the spine and then every test file, so a test
 * sees the private side of each part.  A test file includes this header and
 * nothing else; it holds functions `static void test_<part>_<what>(void)` and
 * at its end their list, `#define TESTS_<PART> T(test_a) T(test_b)`.
 */
#ifndef UNIT_H
#define UNIT_H

/* The seed of unit_rand, from KVNS_TEST_SEED or the clock. */
static uint64_t unit_seed;
static uint64_t unit_state;

/* The next of a sequence that KVNS_TEST_SEED repeats (splitmix64). */
static inline uint64_t unit_rand(void) {
    uint64_t z = unit_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Begin a complaint: where it went wrong, and how to see it again. */
static inline void unit_fail_at(const char *file, int line) {
    fprintf(stderr, "%s:%d: (KVNS_TEST_SEED=%" PRIu64 ") ", file, line,
            unit_seed);
}

static inline void unit_check(bool ok, const char *what, const char *file,
                              int line) {
    if (ok) return;
    unit_fail_at(file, line);
    fprintf(stderr, "not so: %s\n", what);
    exit(1);
}

static inline void unit_check_int(int64_t got, int64_t want, const char *what,
                                  const char *file, int line) {
    if (got == want) return;
    unit_fail_at(file, line);
    fprintf(stderr, "%s is %" PRId64 ", not %" PRId64 "\n", what, got, want);
    exit(1);
}

/* Bytes as a C programmer would write them, cut after the first 200. */
static inline void unit_show(struct str s) {
    size_t i;

    fputc('"', stderr);
    for (i = 0; i < s.n && i < 200; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '\r') fputs("\\r", stderr);
        else if (c == '\n') fputs("\\n", stderr);
        else if (c == '"' || c == '\\') fprintf(stderr, "\\%c", c);
        else if (c < 32 || c > 126) fprintf(stderr, "\\x%02x", c);
        else fputc(c, stderr);
    }
    fputc('"', stderr);
    if (i < s.n) fprintf(stderr, "... (%zu bytes)", s.n);
}

static inline void unit_check_str(struct str got, struct str want,
                                  const char *what, const char *file,
                                  int line) {
    if (str_eq(got, want)) return;
    unit_fail_at(file, line);
    fprintf(stderr, "%s is ", what);
    unit_show(got);
    fputs(", not ", stderr);
    unit_show(want);
    fputc('\n', stderr);
    exit(1);
}

/* Each of these ends the test with file and line when it does not hold. */
#define CHECK(cond) unit_check((cond), #cond, __FILE__, __LINE__)
#define CHECK_INT(got, want)                                                 \
    unit_check_int((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
#define CHECK_STR(got, literal)                                              \
    unit_check_str((got), STR(literal), #got, __FILE__, __LINE__)

#endif
