/* SPDX-License-Identifier: MIT */
/* Any bytes as a stream, and then every command on what was taken.
 *
 * Of an input the first byte is the type (15, 19, 21) and the rest the value
 * as RESTORE has it; with another first byte the rest is the elements of one
 * pack, which is more often taken.  What is taken holds together, is saved and
 * loaded again as it was, and no command breaks it.  Nothing may be left.
 */
#define KVNS_NO_MAIN
#include "../../src/kvns.c"

#include "replay.h"

enum { FUZZ_WORDS = 16 };

static struct kvns *fuzz_server(void) {
    struct kvns_options options = { 0 };
    struct kvns *k = kvns_new(&options);

    KVNS_ASSERT(k != NULL);
    return k;
}

static struct stream *fuzz_stream(struct kvns *k) {
    struct work w = { .ks = &k->ks, .now = 1 };
    struct entry *e = key_peek(&w, STR("k"));

    if (e == NULL || entry_kind(e) != KIND_STREAM) return NULL;
    return streams_of(e);
}

/* Run a command that is written as a line; the stream is sound afterwards. */
static void fuzz_run(struct kvns *k, const char *line) {
    struct kvns_reply reply = { 0 };
    const char *argv[FUZZ_WORDS];
    char text[256], *p = text;
    const struct stream *s;
    int argc = 0;

    snprintf(text, sizeof text, "%s", line);
    while (argc < FUZZ_WORDS) {
        p += strspn(p, " ");
        if (*p == '\0') break;
        argv[argc++] = p;
        p += strcspn(p, " ");
        if (*p != '\0') *p++ = '\0';
    }
    KVNS_ASSERT(kvns_exec(k, argc, argv, NULL, &reply) == 0);
    kvns_reply_free(&reply);
    s = fuzz_stream(k);
    if (s != NULL) stream_verify(s);
}

/* Load a value into the key; false: it was refused. */
static bool fuzz_take(struct kvns *k, struct rdb_in *in, uint8_t type) {
    struct work w = { .ks = &k->ks, .now = 1 };
    struct load l = { .now = 1 };
    enum load_did did;
    struct edit ed;

    edit_open(&w, STR("k"), &ed);
    did = load_value(&l, &ed, in, type, 0);
    load_free(&l);
    if (did == LOAD_DONE) edit_commit(&ed, 0, NULL);
    else edit_cancel(&ed);
    return did == LOAD_DONE;
}

/* The elements of one pack as a value of type 15. */
static void fuzz_wrap(struct buf *b, const char *p, size_t n) {
    static const char id[17] = "\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\5";
    size_t count = 0;
    int64_t live = 0;

    if (!pack_valid((const uint8_t *)p, n, &count)) count = 0;
    if (count > 0) {
        struct pack_item it;

        pack_read((const uint8_t *)p, n, 0, &it);
        if (it.is_int) live = it.i;
    }
    rdb_put_len(b, 1);
    rdb_put_str(b, str_of(id, 16));
    rdb_put_pack(b, str_of(p, n), count);
    rdb_put_len(b, (uint64_t)live);
    rdb_put_len(b, UINT64_MAX);
    rdb_put_len(b, UINT64_MAX - 9);
    rdb_put_len(b, 0);
}

/* What was saved is loaded as it was. */
static void fuzz_again(struct kvns *k) {
    struct buf once = { 0 }, twice = { 0 };
    struct rdb_in in;

    stream_rdb_save(&once, fuzz_stream(k));
    rdb_in_mem(&in, once.p, once.n);
    KVNS_ASSERT(fuzz_take(k, &in, RDB_STREAM_2));
    stream_verify(fuzz_stream(k));
    stream_rdb_save(&twice, fuzz_stream(k));
    KVNS_ASSERT(str_eq(buf_str(&once), buf_str(&twice)));
    rdb_in_free(&in);
    buf_free(&once);
    buf_free(&twice);
}

/* Commands that take IDs are given some that are there. */
static void fuzz_commands(struct kvns *k, uint64_t seed) {
    static const char *const lines[] = {
        "XRANGE k - +", "XREVRANGE k + - COUNT 7", "XINFO STREAM k",
        "XINFO STREAM k FULL COUNT 0", "XINFO GROUPS k",
        "XADD k * field value", "XADD k * a 1 b 2", "XADD k MAXLEN ~ 5 * x y",
        "XTRIM k MAXLEN 3", "XTRIM k MINID %s", "XTRIM k MAXLEN ~ 1",
        "XDEL k %s", "XDEL k %s", "XREAD STREAMS k %s", "XSETID k %s",
        "XRANGE k %s +", "XREVRANGE k %s -", "COPY k k2 REPLACE",
        "XGROUP CREATE k g %s", "XREADGROUP GROUP g c COUNT 3 STREAMS k >",
        "XREADGROUP GROUP g c STREAMS k 0", "XACK k g %s", "XPENDING k g",
        "XPENDING k g - + 9", "XCLAIM k g d 0 %s FORCE",
        "XAUTOCLAIM k g e 0 -", "XGROUP DELCONSUMER k g d",
        "XGROUP SETID k g %s", "XGROUP DESTROY k g"
    };
    struct rand r = { { seed, 7, 9, 11 } };

    for (int i = 0; i < 60; i++) {
        const struct stream *s = fuzz_stream(k);
        struct stream_id id = { 5, 5 };
        char text[64], line[200];

        if (s != NULL) id = stream_edge(s, rand_next(&r) % 2 == 0);
        snprintf(text, sizeof text, "%" PRIu64 "-%" PRIu64, id.ms, id.seq);
        snprintf(line, sizeof line, lines[rand_next(&r) % ROWS(lines)], text);
        fuzz_run(k, line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct kvns *k = fuzz_server();
    struct work w = { .ks = &k->ks };
    struct buf wrapped = { 0 };
    uint8_t type = n > 0 ? data[0] : 0;
    char *p = replay_copy((const char *)data + (n > 0), n - (n > 0));
    struct rdb_in in;

    if (type != RDB_STREAM_1 && type != RDB_STREAM_2 && type != RDB_STREAM_3) {
        fuzz_wrap(&wrapped, p, n - (n > 0));
        type = RDB_STREAM_1;
        rdb_in_mem(&in, wrapped.p, wrapped.n);
    } else {
        rdb_in_mem(&in, p, n - 1);
    }
    in.str_max = 1 << 22;
    if (fuzz_take(k, &in, type)) {
        stream_verify(fuzz_stream(k));
        fuzz_again(k);
        fuzz_commands(k, hash_fast((const char *)data, n, 1));
    }
    rdb_in_free(&in);
    buf_free(&wrapped);
    free(p);
    fuzz_run(k, "DEL k k2");
    while (shard_step(&w, k->ks.shards, 100000)) {}
    KVNS_ASSERT(k->ks.shards[0].lazy_bytes == 0);
    kvns_free(k);
    return 0;
}
