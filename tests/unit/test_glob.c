/* SPDX-License-Identifier: MIT */
#include "unit.h"

static bool test_glob__is(const char *pattern, const char *text) {
    return glob_match(str_c(pattern), str_c(text), false);
}

static bool test_glob__nocase(const char *pattern, const char *text) {
    return glob_match(str_c(pattern), str_c(text), true);
}

static void test_glob_match(void) {
    CHECK(test_glob__is("abc", "abc"));
    CHECK(!test_glob__is("abc", "abcd"));
    CHECK(!test_glob__is("abcd", "abc"));
    CHECK(test_glob__is("a?c", "abc"));
    CHECK(!test_glob__is("a?c", "ac"));
    CHECK(test_glob__is("*", "abc"));
    CHECK(test_glob__is("a*", "a"));
    CHECK(test_glob__is("a**", "a"));
    CHECK(test_glob__is("*c", "abc"));
    CHECK(test_glob__is("a*b*c", "a-b-b-c"));
    CHECK(!test_glob__is("a*b*c", "a-b-b-cd"));
    CHECK(test_glob__is("*ab?", "aaababx"));
    CHECK(test_glob__is("user:*:name", "user:17:name"));
    CHECK(!test_glob__is("?*", ""));
    CHECK(!test_glob__is("ABC", "abc"));
    CHECK(test_glob__nocase("aBc*", "AbCd"));
    CHECK(test_glob__nocase("*Z*", "xyz"));
}

static void test_glob_class(void) {
    CHECK(test_glob__is("h[ae]llo", "hallo"));
    CHECK(!test_glob__is("h[ae]llo", "hillo"));
    CHECK(test_glob__is("h[^e]llo", "hallo"));
    CHECK(!test_glob__is("h[^e]llo", "hello"));
    CHECK(test_glob__is("h[!e]llo", "hallo"));
    CHECK(!test_glob__is("h[!e]llo", "hello"));
    CHECK(!test_glob__is("h[!e]llo", "hllo"));
    CHECK(test_glob__is("[e!]", "!"));
    CHECK(test_glob__is("[a-c]x", "bx"));
    CHECK(test_glob__is("[c-a]x", "bx"));
    CHECK(!test_glob__is("[a-c]x", "dx"));
    CHECK(test_glob__is("[a-]", "-") == false);
    CHECK(test_glob__is("[-a]", "-"));
    CHECK(!test_glob__is("[]", "a"));
    CHECK(!test_glob__is("[]a]", "]"));
    CHECK(test_glob__is("[^]a", "xa"));
    CHECK(test_glob__is("[\\]]", "]"));
    CHECK(test_glob__nocase("[a-c]", "B"));
    CHECK(test_glob__nocase("[abc]", "B"));
    CHECK(!test_glob__nocase("[\\b]", "B"));
    CHECK(!test_glob__nocase("[Z-a]", "b"));
    CHECK(test_glob__is("[a-\xff]", "A"));      /* as signed bytes */
    CHECK(!test_glob__is("[a-\xff]", "b"));
}

/* As redis-server 7.0.15 has it. */
static void test_glob_odd(void) {
    CHECK(test_glob__is("", ""));
    CHECK(!test_glob__is("*", ""));
    CHECK(!test_glob__is("**", ""));
    CHECK(!test_glob__is("", "a"));
    CHECK(!test_glob__is("[", "["));
    CHECK(test_glob__is("[^", "x"));
    CHECK(test_glob__is("[abc", "b"));
    CHECK(!test_glob__is("[abc", "bb"));
    CHECK(test_glob__is("[a-", "-"));
    CHECK(test_glob__is("[\\", "\\"));
    CHECK(test_glob__is("\\", "\\"));
    CHECK(test_glob__is("a\\*c", "a*c"));
    CHECK(!test_glob__is("a\\*c", "abc"));
    CHECK(test_glob__is("*[", "x") == false);
    CHECK(glob_match(str_of("a\0*", 3), str_of("a\0b", 3), false));
    CHECK(!glob_match(str_of("a\0b", 3), str_of("a\0c", 3), false));
}

/* What a pattern means, without thought of speed: piece by piece, every end
 * of every star. */
static bool test_glob__slow(struct str p, struct str t) {
    size_t at = 0;

    if (p.n == 0) return t.n == 0;
    if (p.p[0] == '*') {
        struct str rest = str_of(p.p + 1, p.n - 1);

        for (size_t i = 0; i <= t.n; i++)
            if (test_glob__slow(rest, str_of(t.p + i, t.n - i))) return true;
        return false;
    }
    if (t.n == 0) return false;
    if (!glob__piece(p, &at, t.p[0], false)) return false;
    return test_glob__slow(str_of(p.p + at, p.n - at),
                           str_of(t.p + 1, t.n - 1));
}

static void test_glob_model(void) {
    static const char letters[] = "aab**?[]^-\\!";
    char p[12], t[12];

    for (int i = 0; i < 300000; i++) {
        size_t pn = unit_rand() % 10, tn = 1 + unit_rand() % 9;

        for (size_t j = 0; j < pn; j++) p[j] = letters[unit_rand() % 12];
        for (size_t j = 0; j < tn; j++) t[j] = letters[unit_rand() % 3];
        if (unit_rand() % 4 == 0) t[0] = letters[unit_rand() % 12];
        CHECK(glob_match(str_of(p, pn), str_of(t, tn), false) ==
              test_glob__slow(str_of(p, pn), str_of(t, tn)));
    }
}

/* Patterns that others took for ever over, or too much of the stack. */
static void test_glob_hostile(void) {
    enum { PATTERN = 60000, TEXT = 20000 };
    char *p = malloc(PATTERN * 2), *t = malloc(TEXT);
    int64_t began = clock_mono_ns();

    CHECK(p != NULL && t != NULL);
    memset(t, 'a', TEXT);
    for (size_t i = 0; i < PATTERN; i++) memcpy(p + 2 * i, "*a", 2);
    CHECK(!glob_match(str_of(p, 2 * PATTERN), str_of(t, TEXT), false));
    p[2 * 1000] = 'b';
    CHECK(!glob_match(str_of(p, 2 * 1000 + 1), str_of(t, TEXT), false));
    CHECK(!glob_match(str_of(p, 2 * 1000 + 1), str_of(t, TEXT), true));
    for (size_t i = 0; i < PATTERN; i++) memcpy(p + 2 * i, "*?", 2);
    CHECK(!glob_match(str_of(p, 2 * PATTERN), str_of(t, TEXT), false));
    CHECK(glob_match(str_of(p, 2 * TEXT), str_of(t, TEXT), false));
    memset(p, '*', PATTERN);
    CHECK(glob_match(str_of(p, PATTERN), str_of(t, TEXT), false));
    memset(p, 'a', 500);
    p[0] = '*';
    p[499] = 'b';
    CHECK(!glob_match(str_of(p, 500), str_of(t, TEXT), false));
    CHECK(clock_mono_ns() - began < INT64_C(5000000000));
    free(p);
    free(t);
}

static void test_glob_literal_prefix(void) {
    struct str prefix;

    CHECK(glob_literal_prefix(STR("user:1"), &prefix));
    CHECK_STR(prefix, "user:1");
    CHECK(glob_literal_prefix(STR("a]^-"), &prefix));
    CHECK_STR(prefix, "a]^-");
    CHECK(!glob_literal_prefix(STR("user:*"), &prefix));
    CHECK_STR(prefix, "user:");
    CHECK(!glob_literal_prefix(STR("a\\*"), &prefix));
    CHECK_STR(prefix, "a");
    CHECK(!glob_literal_prefix(STR("ab?"), &prefix));
    CHECK_STR(prefix, "ab");
    CHECK(!glob_literal_prefix(STR("[a]"), &prefix));
    CHECK_STR(prefix, "");
    CHECK(glob_literal_prefix(STR(""), &prefix));
    CHECK_STR(prefix, "");
}

#define TESTS_GLOB                                                           \
    T(test_glob_match)                                                       \
    T(test_glob_class)                                                       \
    T(test_glob_odd)                                                         \
    T(test_glob_model)                                                       \
    T(test_glob_hostile)                                                     \
    T(test_glob_literal_prefix)
