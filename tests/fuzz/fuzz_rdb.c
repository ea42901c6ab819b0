/* SPDX-License-Identifier: MIT */
/* Any bytes as a value, as a DUMP payload's would be, and as a whole file.
 *
 * An input that begins like a file is walked as one.  Of every other the
 * first byte is the type (high bit: written by Valkey) and the rest the value:
 * read item by item, lent by packs, read through a pipe and passed over, with
 * the same result each time.
 */
#if defined(KVNS_FUZZ_SPINE)
#define KVNS_NO_MAIN
#include "../../src/kvns.c"
#else
#include "../../src/ground/base.c"
#include "../../src/ground/hash.c"
#include "../../src/ground/num.c"
#include "../../src/ground/buf.c"
#include "../../src/structures/pack.c"
#include "../../src/structures/intset.c"
#include "../../src/formats/crc.c"
#include "../../src/formats/lzf.c"
#include "../../src/formats/rdb.c"
#include "../../src/formats/ziplist.c"
#include "../../src/formats/rdb_items.c"
#include "../../src/formats/rdb_file.c"
#endif

#include "replay.h"

/* What was understood of a value. */
struct heard {
    uint64_t sum, items;
    uint64_t end;               /* where it ended */
    const char *why;            /* the error, if there was one */
};

static void hear_bytes(struct heard *h, struct str s) {
    for (size_t i = 0; i < s.n; i++)
        h->sum = (h->sum ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    h->sum = (h->sum ^ s.n) * UINT64_C(0x9e3779b97f4a7c15);
}

static void hear_number(struct heard *h, const void *p) {
    h->sum = (h->sum ^ load64(p)) * UINT64_C(0x9e3779b97f4a7c15);
}

static void hear_item(struct heard *h, const struct rdb_item *x) {
    KVNS_ASSERT(!isnan(x->score) && x->deadline >= -1);
    hear_bytes(h, x->key);
    hear_bytes(h, x->value);
    hear_number(h, &x->score);
    hear_number(h, &x->deadline);
    h->items++;
}

/* The items of a lent pack, as the iterator would have told them. */
static void hear_pack(struct heard *h, const struct rdb_items *it,
                      struct str body, size_t elements) {
    const uint8_t *p = (const uint8_t *)body.p;
    size_t count, at = 0;
    char num[2][24];

    KVNS_ASSERT(pack_valid(p, body.n, &count) && count == elements);
    KVNS_ASSERT(count % it->width == 0);
    while (at < body.n) {
        struct rdb_item x = { .deadline = -1 };
        struct pack_item e[3];

        for (unsigned i = 0; i < it->width; i++)
            at = pack_read(p, body.n, at, &e[i]);
        x.key = pack_item_str(&e[0], num[0]);
        if (it->kind == RDB_KIND_ZSET)
            KVNS_ASSERT(rdb_items__score(&e[1], &x.score));
        else if (it->width > 1)
            x.value = pack_item_str(&e[1], num[1]);
        if (it->width == 3 && e[2].i != 0) x.deadline = e[2].i;
        hear_item(h, &x);
    }
}

static void hear_items(struct heard *h, struct rdb_in *in, uint8_t type,
                       bool lend) {
    struct rdb_items it;
    struct rdb_item x;
    struct str body;
    size_t n;

    if (rdb_items_open(&it, in, type)) {
        KVNS_ASSERT(it.form != RDB_FORM_PLAIN ||
                    rdb_items_hint(&it) <= rdb_rest(in));
        for (;;) {
            if (lend && rdb_items_pack(&it, &body, &n))
                hear_pack(h, &it, body, n);
            else if (rdb_items_next(&it, &x))
                hear_item(h, &x);
            else
                break;
        }
    }
    rdb_items_close(&it);
}

/* Read a value in one of the ways there are. */
static struct heard hear(struct rdb_in *in, uint8_t type, bool lend) {
    struct heard h = { 0 };
    struct str s;

    in->str_max = 1 << 22;
    switch (rdb_kind_of(in, type)) {
    case RDB_KIND_STRING:
        if (rdb_get_str(in, &s)) hear_bytes(&h, s);
        break;
    case RDB_KIND_LIST:
    case RDB_KIND_SET:
    case RDB_KIND_ZSET:
    case RDB_KIND_HASH: hear_items(&h, in, type, lend); break;
    case RDB_KIND_NONE:
    case RDB_KIND_STREAM:
    case RDB_KIND_MODULE: rdb_skip_value(in, type);
    }
    h.end = rdb_at(in);
    h.why = in->why;
    KVNS_ASSERT(in->spare_cap <= 1 << 22);
    return h;
}

/* The value came through a pipe: no size is known, but it fits. */
static struct heard hear_pipe(const char *p, size_t n, uint8_t type,
                              bool valkey) {
    struct rdb_in in;
    struct heard h;
    int fds[2];

    KVNS_ASSERT(pipe(fds) == 0);
    KVNS_ASSERT(n == 0 || write(fds[1], p, n) == (ssize_t)n);
    close(fds[1]);
    rdb_in_fd(&in, fds[0], RDB_UNKNOWN);
    in.valkey = valkey;
    h = hear(&in, type, false);
    KVNS_ASSERT(in.cap <= 4 << 20);
    rdb_in_free(&in);
    close(fds[0]);
    return h;
}

static void fuzz_value(const char *p, size_t n, uint8_t type, bool valkey) {
    struct heard items, other;
    struct rdb_in in;
    bool skipped;

    rdb_in_mem(&in, p, n);
    in.valkey = valkey;
    items = hear(&in, type, false);
    rdb_in_free(&in);
    rdb_in_mem(&in, p, n);
    in.valkey = valkey;
    other = hear(&in, type, true);
    rdb_in_free(&in);
    KVNS_ASSERT(items.sum == other.sum && items.items == other.items);
    KVNS_ASSERT(items.why == other.why && items.end == other.end);
    if (n < 60000 && n % 4 == 0) {
        other = hear_pipe(p, n, type, valkey);
        KVNS_ASSERT((items.why == NULL) == (other.why == NULL));
        KVNS_ASSERT(items.why != NULL || (items.sum == other.sum &&
                                          items.end == other.end));
    }
    rdb_in_mem(&in, p, n);
    in.valkey = valkey;
    skipped = rdb_skip_value(&in, type);
    KVNS_ASSERT(items.why != NULL || (skipped && rdb_at(&in) == items.end));
    rdb_in_free(&in);
}

static void fuzz_file(const char *p, size_t n, const struct crc_tables *crc) {
    struct rdb_file f;
    struct rdb_in in;
    struct heard all = { 0 };   /* only so that every byte is looked at */
    enum rdb_at at = RDB_AT_ERROR;

    rdb_in_mem(&in, p, n);
    in.str_max = 1 << 22;
    in.crc = crc;
    if (rdb_file_open(&f, &in))
        do {
            at = rdb_file_next(&f);
            hear_bytes(&all, f.key);
            hear_bytes(&all, f.value);
            if (at != RDB_AT_KEY) continue;
            if (f.key.n % 2 == 0) rdb_skip_value(&in, f.type);
            else hear(&in, f.type, f.key.n % 4 == 1);
        } while (at != RDB_AT_END && at != RDB_AT_ERROR);
    KVNS_ASSERT((at == RDB_AT_ERROR) == (in.why != NULL));
    KVNS_ASSERT(rdb_at(&in) <= n);
    rdb_file_close(&f);
    rdb_in_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct crc_tables crc;
    struct rdb_in in;
    char *p;

    if (n == 0) return 0;
    if (n > 5 && (data[0] == 'R' || data[0] == 'V')) {
        crc_init(&crc);
        p = replay_copy((const char *)data, n);
        fuzz_file(p, n, &crc);
        if (rdb_in_payload(&in, p, n, &crc)) hear(&in, p[0] & 0x7f, false);
        rdb_in_free(&in);
    } else {
        p = replay_copy((const char *)data + 1, n - 1);
        fuzz_value(p, n - 1, data[0] & 0x7f, data[0] >= 0x80);
    }
    free(p);
    return 0;
}
