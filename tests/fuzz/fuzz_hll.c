/* SPDX-License-Identifier: MIT */
/* Any bytes as a HyperLogLog.
 *
 * The first two bytes of an input say which registers are raised, the rest is
 * the value; where that does not begin as one, it is made to.  Whatever the
 * bytes are, nothing outside them is touched; and once they have been counted,
 * they stay countable, with the register raised and no other, sparse or dense.
 */
#define KVNS_NO_MAIN
#include "../../src/kvns.c"

#include "replay.h"

/* Raise some registers of a whole one in room, and see to the others. */
static void raise_some(struct hll *h, uint32_t seed) {
    static uint8_t before[HLL_REGISTERS], after[HLL_REGISTERS];

    for (int i = 0; i < 8; i++) {
        uint32_t reg = (seed + (uint32_t)i * 2731) % HLL_REGISTERS;
        unsigned value = 1 + (seed >> i) % HLL_MOST;
        struct str s = str_of(h->p, h->n);
        int was = hll_get(s, reg), did;
        uint64_t count = 0;

        KVNS_ASSERT(was >= 0);
        memset(before, 0, sizeof before);
        memset(after, 0, sizeof after);
        KVNS_ASSERT(hll_merge(before, s));
        did = hll_raise(h, reg, value, 3000);
        KVNS_ASSERT(did == (was < (int)value));
        s = str_of(h->p, h->n);
        KVNS_ASSERT(hll_is(s) && hll_count(s, &count));
        KVNS_ASSERT(hll_merge(after, s));
        if (did) before[reg] = (uint8_t)value;
        KVNS_ASSERT(memcmp(before, after, sizeof before) == 0);
        KVNS_ASSERT(hll_count_registers(after) == count);
    }
    KVNS_ASSERT(hll_to_dense(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static uint8_t max[HLL_REGISTERS];
    uint32_t seed = n < 2 ? 0 : (uint32_t)load_le(data, 2);
    uint8_t *room;
    struct hll h = { .p = NULL };
    struct str s;
    uint64_t count;
    bool whole;

    if (n < 2 + HLL_HEAD || n > 2 + HLL_SPARSE_MOST) return 0;
    room = malloc(HLL_ROOM);
    h.n = n - 2;
    h.p = (uint8_t *)replay_copy((const char *)data + 2, h.n);
    if (!hll_is(str_of(h.p, h.n))) {
        memcpy(h.p, "HYLL", 4);
        h.p[4] = HLL_SPARSE;
    }
    s = str_of(h.p, h.n);
    whole = hll_count(s, &count);
    for (uint32_t reg = 0; reg < HLL_REGISTERS; reg += 1 + seed % 97)
        KVNS_ASSERT(hll_get(s, reg) >= 0 || !whole);
    memset(max, 0, sizeof max);
    KVNS_ASSERT(hll_merge(max, s) == whole);
    KVNS_ASSERT(room != NULL);
    memcpy(room, h.p, h.n);
    free(h.p);
    h.p = room;
    if (whole) raise_some(&h, seed);
    else for (int i = 0; i < 8; i++)
        hll_raise(&h, (seed + (uint32_t)i * 2731) % HLL_REGISTERS,
                  1 + (seed >> i) % HLL_MOST, 3000);
    KVNS_ASSERT(h.n <= HLL_SPARSE_MOST);
    free(room);
    return 0;
}
