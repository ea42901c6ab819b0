/* SPDX-License-Identifier: MIT */
/* Any bytes as a value or as a snapshot, loaded into a server.
 *
 * An input that begins like a file is loaded as one.  Of every other the
 * first byte is the type (high bit: written by Valkey) and the rest the value,
 * as RESTORE has it: what is taken is saved, and that loaded again, and both
 * must have the same size.  Nothing may be left behind.
 */
#define KVNS_NO_MAIN
#include "../../src/kvns.c"

#include "replay.h"

static struct kvns *server(void) {
    struct kvns_options options = { 0 };
    struct kvns *k = kvns_new(&options);

    KVNS_ASSERT(k != NULL);
    return k;
}

/* Free all that was detached. */
static void tidy(struct kvns *k) {
    struct work w = { .ks = &k->ks };

    while (shard_step(&w, k->ks.shards, 100000)) {}
    KVNS_ASSERT(k->ks.shards[0].lazy_bytes == 0);
}

/* Load a value into a key; how many bytes it takes as a payload, 0: refused. */
static size_t take(struct kvns *k, struct str key, struct rdb_in *in,
                   uint8_t type, struct buf *out) {
    struct work w = { .ks = &k->ks, .now = 1 };
    struct load l = { .now = 1 };
    enum load_did did;
    struct edit ed;

    edit_open(&w, key, &ed);
    did = load_value(&l, &ed, in, type, 0);
    load_free(&l);
    if (did == LOAD_DONE) {
        edit_commit(&ed, 0, NULL);
        save_payload(out, key_peek(&w, key), &k->crc);
        KVNS_ASSERT(!out->failed);
        return out->n;
    }
    KVNS_ASSERT((did == LOAD_BAD) == (in->why != NULL));
    edit_cancel(&ed);
    return 0;
}

static void drop(struct kvns *k, struct str key) {
    struct work w = { .ks = &k->ks, .now = 1 };
    struct edit ed;

    edit_open(&w, key, &ed);
    edit_drop(&ed);
    edit_commit(&ed, 0, NULL);
}

static void fuzz_value(struct kvns *k, const char *p, size_t n, uint8_t type,
                       bool valkey) {
    struct buf once = { 0 }, twice = { 0 };
    struct rdb_in in;
    uint8_t again;

    rdb_in_mem(&in, p, n);
    in.str_max = 1 << 22;
    in.valkey = valkey;
    if (take(k, STR("ns/once"), &in, type, &once) > 0) {
        rdb_in_free(&in);
        KVNS_ASSERT(rdb_in_payload(&in, once.p, once.n, &k->crc));
        KVNS_ASSERT(rdb_get_byte(&in, &again));
        KVNS_ASSERT(take(k, STR("twice"), &in, again, &twice) > 0);
        /* without its fields' deadlines a hash may be small again */
        KVNS_ASSERT(twice.n == once.n || twice.p[0] != once.p[0]);
        drop(k, STR("ns/once"));
        drop(k, STR("twice"));
    }
    rdb_in_free(&in);
    buf_free(&once);
    buf_free(&twice);
}

static void fuzz_file(struct kvns *k, const char *p, size_t n) {
    struct loader *l = calloc(1, sizeof *l);
    enum loader_at at = LOADER_MORE;

    KVNS_ASSERT(l != NULL);
    l->k = k;
    l->fd = -1;
    l->w.ks = &k->ks;
    l->w.now = l->load.now = 1;
    rdb_in_mem(&l->in, p, n);
    l->in.str_max = 1 << 22;
    rdb_file_open(&l->f, &l->in);
    l->path = file_name(STR("x"), "");
    while (at == LOADER_MORE) at = loader_step(l);
    loader__empty(k);
    loader_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct kvns *k = server();
    char *p;

    if (n > 5 && (data[0] == 'R' || data[0] == 'V')) {
        p = replay_copy((const char *)data, n);
        fuzz_file(k, p, n);
    } else {
        p = replay_copy((const char *)data + (n > 0), n - (n > 0));
        if (n > 0)
            fuzz_value(k, p, n - 1, data[0] & 0x7f, data[0] >= 0x80);
    }
    free(p);
    tidy(k);
    for (uint32_t d = 0; d < k->ks.opt.databases; d++)
        KVNS_ASSERT(k->ks.shards[0].dbs[d]->keys == 0);
    kvns_free(k);
    return 0;
}
