/* SPDX-License-Identifier: MIT */
/* Any bytes through the HTTP request parser: however they are cut, there is
 * one answer, its slices lie within the input, and nothing else is read.
 */
#if defined(KVNS_FUZZ_SPINE)
#define KVNS_NO_MAIN
#include "../../src/kvns.c"
#else
#include "../../src/ground/base.c"
#include "../../src/ground/hash.c"
#include "../../src/ground/num.c"
#include "../../src/ground/buf.c"
#include "../../src/wire/http.c"
#endif

#include "replay.h"

/* Read every byte of a slice, so that a sanitizer sees where it lies. */
static size_t touch(struct str s) {
    size_t sum = 0;

    for (size_t i = 0; i < s.n; i++) sum += (unsigned char)s.p[i];
    return sum;
}

static ptrdiff_t answer(const uint8_t *data, size_t n, int *status) {
    char *p = replay_copy((const char *)data, n);
    struct http_request q;
    ptrdiff_t took = http_parse(p, n, &q, status);
    volatile size_t sum;

    KVNS_ASSERT(took <= (ptrdiff_t)n && took <= HTTP_HEAD);
    KVNS_ASSERT((took < 0) == (*status != 0));
    if (took > 0) {
        KVNS_ASSERT(q.path.n > 0);
        sum = touch(q.path) + touch(q.query) + touch(q.host);
        (void)sum;
    }
    free(p);
    return took;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int status, early;
    ptrdiff_t took = answer(data, n, &status), part;

    for (size_t cut = 0; cut < n; cut += 1 + n / 20) {
        part = answer(data, cut, &early);
        KVNS_ASSERT(part == 0 || (part == took && early == status));
    }
    return 0;
}
