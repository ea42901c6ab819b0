/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Which namespaces are measured apart. */

static struct kvns *labels_server(const char *busiest, const char *named) {
    struct options o;
    char err[OPTION_ERR];
    struct kvns *k;

    options_init(&o, false);
    CHECK(option_set(&o, STR("metrics-busiest"), str_c(busiest), ORIGIN_FLAG,
                     err));
    if (*named != '\0')
        CHECK(option_set(&o, STR("metrics-namespaces"), str_c(named),
                         ORIGIN_FLAG, err));
    k = instances_new(&o);
    CHECK(k != NULL);
    /* two whose votes meet take them away from each other */
    if (*named == '\0') k->ks.seed = 1;
    return k;
}

/* So many commands for a namespace, of the first row. */
static void labels_use(struct kvns *k, const char *ns, int n) {
    for (int i = 0; i < n; i++)
        labels_stats(k->lanes, str_c(ns))->calls++;
}

static size_t labels_place(const struct kvns *k, const char *ns) {
    return labels__find(k, str_c(ns), hash_fast(ns, strlen(ns), k->ks.seed));
}

static bool labels_has(const struct kvns *k, const char *ns) {
    return labels_place(k, ns) != LABEL_MOST;
}

static void test_labels_go_to_the_busiest(void) {
    struct kvns *k = labels_server("2", "");

    CHECK(labels_stats(k->lanes, (struct str){ NULL, 0 }) == k->lanes->stats);
    for (int i = 0; i < 10; i++) {
        labels_use(k, "loud", 50);
        labels_use(k, "louder", 90);
        labels_use(k, "low", 20);
        labels_use(k, "rare", 1);
    }
    CHECK(labels_are_due(k, 1000));
    labels_settle(k, 1000);
    CHECK(labels_has(k, "loud") && labels_has(k, "louder"));
    CHECK(!labels_has(k, "low") && !labels_has(k, "rare"));
    CHECK_INT(k->lanes->sets[STATS_REST]->calls, 1610);
    labels_use(k, "loud", 7);
    labels_use(k, "loud", 3);
    CHECK_INT(k->lanes->sets[STATS_LABELS + labels_place(k, "loud")]->calls,
              10);
    CHECK_INT(measure_row(k, 0, NULL).calls, 1620);
    instances_free(k);
}

/* A label whose namespace is idle goes to a busier one, the sums stay. */
static void test_labels_are_given_up(void) {
    struct kvns *k = labels_server("1", "");
    int64_t now = clock_wall_us() / 1000;

    labels_use(k, "first", 100);
    labels_settle(k, now);
    labels_use(k, "first", 30);
    labels_use(k, "second", 100);
    labels_settle(k, now + 1000);
    CHECK(labels_has(k, "first") && !labels_has(k, "second"));
    CHECK(!labels_are_due(k, now + 2000));
    labels_use(k, "second", 100);
    CHECK(labels_are_due(k, now + 1000 + LABEL_LATE_MS));
    labels_settle(k, now + 2000 + LABEL_IDLE_MS);
    CHECK(!labels_has(k, "first") && labels_has(k, "second"));
    CHECK_INT(k->lanes->sets[STATS_PAST]->calls, 30);
    labels_use(k, "second", 5);
    labels_use(k, "first", 5);
    CHECK_INT(measure_row(k, 0, NULL).calls, 340);
    instances_free(k);
}

static void test_labels_that_options_name(void) {
    char longest[LABEL_NAME + 2];
    struct kvns *k = labels_server("0", "shop,,auth,overflow,default,b\xff");

    CHECK(labels_has(k, "shop") && labels_has(k, "auth"));
    CHECK(!labels_has(k, "overflow") && !labels_has(k, "default"));
    CHECK(!labels_has(k, "b\xff"));
    labels_use(k, "other", 1000);
    labels_settle(k, 1000);
    CHECK(!labels_has(k, "other"));
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    labels_use(k, longest, 100);
    labels_settle(k, 100000);
    CHECK(!labels_has(k, longest));
    instances_free(k);
}

/* However many names there are, the labels stay few and nothing is lost. */
static void test_labels_are_few(void) {
    struct kvns *k = labels_server("5", "");
    size_t n = 0;

    for (int i = 0; i < 20000; i++) {
        char name[32];

        snprintf(name, sizeof name, "n%d", (int)(unit_rand() % 3000));
        labels_use(k, name, 1 + (int)(unit_rand() % 3));
        if (i % 500 == 0) labels_settle(k, i * 1000);
    }
    for (size_t at = 0; at < LABEL_MOST; at++) n += k->labels[at] != NULL;
    CHECK(n <= 5);
    instances_free(k);
}

#define TESTS_LABELS T(test_labels_go_to_the_busiest) \
    T(test_labels_are_given_up) T(test_labels_that_options_name) \
    T(test_labels_are_few)
