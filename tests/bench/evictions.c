/* SPDX-License-Identifier: MIT */
/* evictions - what an eviction costs the write that it is for.
 *
 *     evictions POLICY [MEGABYTES [WRITES]]
 *
 * SETs of new keys of 16 bytes with values of 180, each timed by itself: first
 * into a server that has room, then, as many, into one that is full of such
 * keys.  Prints a line for each: the median, the 99th percentile, and how many
 * keys were evicted.
 */
#define KVNS_NO_MAIN
#include "../../src/kvns.c"

static void set(struct kvns *k, unsigned i, struct kvns_reply *r) {
    static const char value[180] = "v";
    size_t lengths[] = { 3, 16, sizeof value };
    const char *argv[3];
    char key[32];

    snprintf(key, sizeof key, "key:%012u", i);
    argv[0] = "SET";
    argv[1] = key;
    argv[2] = value;
    kvns_exec(k, 3, argv, lengths, r);
    if (r->length == 0 || r->bytes[0] != '+') abort();
}

static int later(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void measure(const char *what, struct kvns *k, unsigned from,
                    unsigned n) {
    int64_t *ns = malloc(n * sizeof *ns);
    uint64_t evicted = k->ks.shards[0].evicted;
    struct kvns_reply r = { 0 };

    if (ns == NULL) abort();
    for (unsigned i = 0; i < n; i++) {
        int64_t begun = clock_mono_ns();

        set(k, from + i, &r);
        ns[i] = clock_mono_ns() - begun;
        if (i % 64 == 0) kvns_turn(k, 0);
    }
    qsort(ns, n, sizeof *ns, later);
    printf("%s %lld %lld %llu\n", what, (long long)ns[n / 2],
           (long long)ns[n / 100 * 99],
           (unsigned long long)(k->ks.shards[0].evicted - evicted));
    free(ns);
    kvns_reply_free(&r);
}

int main(int argc, char **argv) {
    unsigned mb = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 100;
    unsigned n = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 100000;
    struct kvns_options o = { .memory_limit = (size_t)4 << 30 };
    struct kvns *k = kvns_new(&o);
    const char *config[4] = { "CONFIG", "SET", "maxmemory-policy" };
    struct kvns_reply r = { 0 };
    unsigned at = 0, keys = mb * 4800;
    char limit[32];

    if (argc < 2 || k == NULL || n < 100) return 2;
    config[3] = argv[1];
    kvns_exec(k, 4, config, NULL, &r);
    if (r.length == 0 || r.bytes[0] != '+') return 2;
    while (at < keys) set(k, at++, &r);
    measure("room", k, at, n);
    at += n;
    snprintf(limit, sizeof limit, "%zu",
             (size_t)((double)keyspace_bytes(&k->ks) / k->ks.opt.threshold));
    config[2] = "maxmemory";
    config[3] = limit;
    kvns_exec(k, 4, config, NULL, &r);
    for (unsigned i = 0; i < 1000; i++) set(k, at++, &r);
    measure("full", k, at, n);
    kvns_reply_free(&r);
    kvns_free(k);
    return 0;
}
