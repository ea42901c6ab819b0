/* Any bytes through the request parser, whole and in pieces: the requests and
 * the error at the end must be the same, and nothing else be read.
 *
 * The first two bytes of an input choose limits, room and the size of the
 * pieces; the others are what a client sends.
 */
#if defined(KVNS_FUZZ_SPINE)
#define KVNS_NO_MAIN
#include "../../src/kvns.c"
#else
#include "../../src/ground/base.c"
#include "../../src/ground/hash.c"
#include "../../src/ground/num.c"
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
                KVNS_ASSERT(r.held->room <= (have - h.taken) / 3 + 4);
            free(p);
        } while (took > 0);
    }
    if (took < 0) snprintf(h.why, sizeof h.why, "%s", why);
    resp_reset(&r);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct resp_limits lim = { 1024, 1 << 20, 65536, false };
    struct heard whole, pieces;
    struct str in;

    if (n < 2) return 0;
    if (data[0] & 1) lim = (struct resp_limits){ 6, 40, 32, false };
    if (data[0] & 2) lim.unauthenticated = true;
    in = str_of(data + 2, n - 2);
    whole = hear(in, &lim, SIZE_MAX / 2, 64);
    pieces = hear(in, &lim, 1 + data[1] % 32, data[0] / 4);
    KVNS_ASSERT(whole.sum == pieces.sum && whole.taken == pieces.taken);
    KVNS_ASSERT(whole.requests == pieces.requests);
    KVNS_ASSERT(strcmp(whole.why, pieces.why) == 0);
    return 0;
}
