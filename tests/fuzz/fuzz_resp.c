/* SPDX-License-Identifier: MIT */
/* Any bytes through the request parser, whole, in pieces, and in pieces with
 * arguments read apart: the requests and the error at the end must be the
 * same, and nothing else be read.
 *
 * The first two bytes of an input choose limits, room and the size of the
 * pieces; the others are what a client sends.
 */
#if defined(KVNS_FUZZ_SPINE)
#define KVNS_NO_MAIN
#include "../../src/kvns.c"
#else
#include "../../src/ground/base.c"
#include "../../src/ground/arena.c"
#include "../../src/ground/mem.c"
#include "../../src/ground/clock.c"
#include "../../src/ground/rand.c"
#include "../../src/ground/hash.c"
#include "../../src/ground/num.c"
#include "../../src/keyspace/entry.c"
#include "../../src/wire/resp.c"
#endif

#include "replay.h"

/* What was understood of a stream. */
struct heard {
    uint64_t sum;               /* of all arguments, in their order */
    size_t requests, taken;
    char why[128];              /* the error, if there was one */
};

static void hear_bytes(struct heard *h, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        h->sum = (h->sum ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
    h->sum = (h->sum ^ n) * UINT64_C(0x9e3779b97f4a7c15);
}

static void hear_request(struct heard *h, const struct resp_args *a) {
    for (uint32_t i = 0; i < a->argc; i++)
        hear_bytes(h, a->argv[i].p, a->argv[i].n);
    h->sum += a->argc + (a->cross_protocol ? 1000 : 0);
    h->requests++;
}

/* Feed the stream in pieces of step bytes. */
static struct heard hear(struct str in, const struct resp_limits *lim,
                         size_t step, uint32_t cap) {
    struct heard h = { 0 };
    struct resp r = { 0 };
    struct str room[64];
    struct resp_args a = { .room = room, .cap = cap };
    const char *why = NULL;
    size_t have = 0;
    ptrdiff_t took = 0;

    while (took >= 0 && have < in.n) {
        have = size_min(in.n, have + step);
        do {
            char *p = replay_copy(in.p + h.taken, have - h.taken);

            took = resp_parse(&r, p, have - h.taken, lim, &a, &why);
            if (took > 0) {
                KVNS_ASSERT((size_t)took <= have - h.taken);
                KVNS_ASSERT(a.argc <= lim->max_args);
                KVNS_ASSERT(a.held || a.argc <= cap);
                hear_request(&h, &a);
                h.taken += (size_t)took;
            }
            if (took == 0) KVNS_ASSERT(h.taken == have || resp_want(&r) > 0);
            if (r.held != NULL && took == 0)
                KVNS_ASSERT(r.held->room <=
                            size_max(RESP_KEPT, (have - h.taken) / 3 + 4));
            free(p);
        } while (took > 0);
    }
    if (took < 0) snprintf(h.why, sizeof h.why, "%s", why);
    resp_reset(&r);
    return h;
}

/* The same, with an argument that is not whole read apart. */
static struct heard hear_apart(struct str in, const struct resp_limits *lim,
                               size_t step, uint32_t cap) {
    struct heard h = { 0 };
    struct resp r = { 0 };
    struct str room[64];
    struct resp_args a = { .room = room, .cap = cap };
    const char *why = NULL;
    char *kept = replay_copy(in.p, in.n);
    size_t have = 0, n = 0, some, most;
    ptrdiff_t took = 0;

    while (took >= 0 && have < in.n) {
        some = size_min(step, in.n - have);
        if (resp_reads_apart(&r)) {
            char *to = resp_room(&r, &most);

            some = size_min(some, most);
            memcpy(to, in.p + have, some);
            resp_came(&r, some);
        } else {
            memcpy(kept + n, in.p + have, some);
            n += some;
        }
        have += some;
        do {
            char *p = replay_copy(kept, n);

            took = resp_parse(&r, p, n, lim, &a, &why);
            if (took == 0) n = resp_apart(&r, p, n, 2);
            if (took > 0) {
                hear_request(&h, &a);
                h.taken += (size_t)took;
                if (r.apart != NULL) h.taken += r.apart->n + (size_t)2;
                n -= (size_t)took;
                memmove(kept, kept + took, n);
            }
            free(p);
        } while (took > 0);
    }
    if (took < 0) snprintf(h.why, sizeof h.why, "%s", why);
    resp_reset(&r);
    free(kept);
    return h;
}

static void same(const struct heard *a, const struct heard *b) {
    KVNS_ASSERT(a->sum == b->sum && a->taken == b->taken);
    KVNS_ASSERT(a->requests == b->requests);
    KVNS_ASSERT(strcmp(a->why, b->why) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct resp_limits lim = { 1024, 1 << 20, 65536, false };
    struct heard whole, pieces, apart;
    struct str in;

    if (n < 2) return 0;
    if (data[0] & 1) lim = (struct resp_limits){ 6, 40, 32, false };
    if (data[0] & 2) lim.unauthenticated = true;
    in = str_of(data + 2, n - 2);
    whole = hear(in, &lim, SIZE_MAX / 2, 64);
    pieces = hear(in, &lim, 1 + data[1] % 32, data[0] / 4);
    apart = hear_apart(in, &lim, 1 + data[1] % 32, data[0] / 4);
    same(&whole, &pieces);
    same(&whole, &apart);
    return 0;
}
