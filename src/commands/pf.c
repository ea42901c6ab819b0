/* SPDX-License-Identifier: MIT */
/* ==== pf - commands on HyperLogLogs ========================================
 *
 * They are strings with a structure inside.  A dense one is changed where it
 * stands; a sparse one is copied out, changed there and put back, so that a
 * corrupt one is left as it was.
 *
 * floor 6 - uses: base rand buf hll entry shard door bytes reply instance arg
 */

static const char pf__corrupt[] =
    "INVALIDOBJ Corrupted HLL object detected";

/* Answer that the bytes of a key are damaged. */
static enum outcome pf__reply_corrupt(struct call *x) {
    reply_error(x->r, pf__corrupt);
    return FAILED;
}

/* The bytes of the entry, if there is one, which must be a HyperLogLog; false:
 * answered.  s->p is NULL without an entry. */
static bool pf__bytes_or_reply(struct call *x, const struct entry *e,
                               struct str *s) {
    char tmp[24];

    *s = (struct str){ NULL, 0 };
    if (e == NULL) return true;
    if (!kind_or_reply(x, e, KIND_STRING)) return false;
    *s = entry_string(e, tmp);
    if (hll_is(*s)) return true;
    reply_error(x->r, "WRONGTYPE Key is not a valid HyperLogLog string "
                      "value.");
    return false;
}

/* Is there room for the key at argv[i] to become dense, if `more` registers
 * may do that?  Nothing may be open.  False: answered. */
static bool pf__room_or_reply(struct call *x, size_t i, size_t more) {
    const struct entry *e = key_peek(&x->w, x->argv[i]);
    struct str s, ns, local;

    if (!pf__bytes_or_reply(x, e, &s)) return false;
    if (s.p != NULL && !hll_is_sparse(s)) return true;
    if (s.n + 3 * more <= x->k->ks.opt.hll_sparse_max) return true;
    key_split(&x->w, x->argv[i], &ns, &local);
    return arg_room_or_reply(x, x->argv[i], local,
                             HLL_DENSE_SIZE - size_min(s.n, HLL_DENSE_SIZE));
}

/* Take the bytes of an open key, or an empty one, to be worked on in room.
 * False: they are too many to be right. */
static bool pf__take(struct hll *h, uint8_t room[HLL_ROOM], struct str s) {
    h->p = room;
    h->near = 0;
    if (s.p == NULL) {
        hll_init(h);
        return true;
    }
    if (s.n > HLL_SPARSE_MOST) return false;
    memcpy(h->p, s.p, s.n);
    h->n = s.n;
    return true;
}

/* Put the bytes back.  False: no memory, nothing changed. */
static bool pf__store(struct edit *ed, const struct hll *h) {
    int64_t deadline = ed->e == NULL ? 0 : entry_deadline(ed->e);
    struct blob *b;

    if (h->n < ENTRY_BLOB_MIN)
        return bytes_put_text(ed, str_of(h->p, h->n), deadline);
    b = blob_try(h->n, h->n);
    if (b == NULL) return false;
    memcpy(b->bytes, h->p, h->n);
    return bytes_put_blob(ed, b, deadline);
}

/* Put the elements from argv[2] on into the bytes s of the open key, or a new
 * one.  Returns how many changes that were; -1: the key is corrupt, -2: no
 * memory; it is as it was then. */
static int pf__add(struct call *x, struct edit *ed, struct str s) {
    uint8_t room[HLL_ROOM];
    struct hll h = { .p = NULL };
    size_t most = x->k->ks.opt.hll_sparse_max;
    bool dense = s.p != NULL && !hll_is_sparse(s);
    unsigned value;
    uint32_t reg;
    int was, changes = s.p == NULL;

    if (s.p == NULL) pf__take(&h, room, s);
    for (size_t i = 2; i < x->argc; i++) {
        reg = hll_register(x->argv[i], &value);
        if (h.p == NULL) {
            was = hll_get(s, reg);
            if (was < 0) return -1;
            if ((unsigned)was >= value) continue;
            if (dense) {
                h.p = (uint8_t *)bytes_open(ed, s.n);
                h.n = s.n;
                if (h.p == NULL) return -2;
            } else if (!pf__take(&h, room, s)) {
                return -1;
            }
        }
        was = hll_raise(&h, reg, value, most);
        if (was < 0) return -1;
        if (changes < INT_MAX) changes += was;
    }
    if (h.p == NULL) return 0;
    hll_outdate(h.p);
    return dense || pf__store(ed, &h) ? changes : -2;
}

static enum outcome cmd_pfadd(struct call *x) {
    struct edit ed;
    struct str s;
    int did;

    if (!pf__room_or_reply(x, 1, x->argc - 2)) return FAILED;
    edit_open(&x->w, x->argv[1], &ed);
    pf__bytes_or_reply(x, ed.e, &s);    /* checked before */
    did = pf__add(x, &ed, s);
    if (did > 0) {
        edit_counts(&ed, (uint64_t)did);
        edit_commit(&ed, EVENT_STRING, "pfadd");
    } else {
        edit_cancel(&ed);
    }
    if (did == -1) return pf__reply_corrupt(x);
    if (did == -2) return reply_err(x, ERR_MEMORY);
    reply_int(x->r, did > 0);
    return DONE;
}

/* Raise max to the registers of the keys from argv[1] on.  *dense: one of them
 * is.  False: answered. */
static bool pf__merge_or_reply(struct call *x, uint8_t max[HLL_REGISTERS],
                               bool *dense) {
    struct str s;

    memset(max, 0, HLL_REGISTERS);
    *dense = false;
    for (size_t i = 1; i < x->argc; i++) {
        if (!pf__bytes_or_reply(x, key_read(&x->w, x->argv[i]), &s))
            return false;
        if (s.p == NULL) continue;
        *dense = *dense || !hll_is_sparse(s);
        if (hll_merge(max, s)) continue;
        pf__reply_corrupt(x);
        return false;
    }
    return true;
}

/* Keep the estimate with the key.  Without memory for that it is not kept. */
static void pf__keep_count(struct call *x, uint64_t count) {
    struct edit ed;
    struct str v;
    char tmp[24], *p;

    edit_open(&x->w, x->argv[1], &ed);
    v = entry_string(ed.e, tmp);
    p = bytes_open(&ed, v.n);
    if (p == NULL) {
        edit_cancel(&ed);
        return;
    }
    hll_set_cached((uint8_t *)p, count);
    edit_commit(&ed, EVENT_STRING, NULL);
}

/* The estimate is kept before the key is read, as far as others can see: a
 * write after a read would take back what the read means to eviction. */
static enum outcome cmd_pfcount(struct call *x) {
    uint8_t max[HLL_REGISTERS];
    struct str s;
    uint64_t count = 0;
    bool dense;

    if (x->argc > 2) {
        if (!pf__merge_or_reply(x, max, &dense)) return FAILED;
        reply_int(x->r, (int64_t)hll_count_registers(max));
        return DONE;
    }
    if (!pf__bytes_or_reply(x, key_peek(&x->w, x->argv[1]), &s)) return FAILED;
    if (s.p != NULL && !hll_cached(s, &count)) {
        if (!hll_count(s, &count)) return pf__reply_corrupt(x);
        pf__keep_count(x, count);
    }
    key_read(&x->w, x->argv[1]);
    reply_int(x->r, (int64_t)count);
    return DONE;
}

static enum outcome cmd_pfmerge(struct call *x) {
    uint8_t max[HLL_REGISTERS], room[HLL_ROOM];
    size_t most = x->k->ks.opt.hll_sparse_max;
    struct hll h;
    struct edit ed;
    struct str s;
    bool dense, ok;

    if (!pf__room_or_reply(x, 1, HLL_REGISTERS) ||
        !pf__merge_or_reply(x, max, &dense))
        return FAILED;
    edit_open(&x->w, x->argv[1], &ed);
    pf__bytes_or_reply(x, ed.e, &s);
    ok = pf__take(&h, room, s);
    if (dense) hll_pack(&h, max);
    for (uint32_t i = 0; ok && !dense && i < HLL_REGISTERS; i++)
        ok = max[i] == 0 || hll_raise(&h, i, max[i], most) >= 0;
    if (NEVER(!ok)) {           /* it has been merged: so it is whole */
        edit_cancel(&ed);
        return pf__reply_corrupt(x);
    }
    hll_outdate(h.p);
    if (!pf__store(&ed, &h)) {
        edit_cancel(&ed);
        return reply_err(x, ERR_MEMORY);
    }
    edit_commit(&ed, EVENT_STRING, "pfadd");
    reply_ok(x->r);
    return DONE;
}

/* ---- for developers ------------------------------------------------------ */

/* Make the sparse key at argv[2] dense; false: answered. */
static bool pf__dense_or_reply(struct call *x, struct str s) {
    uint8_t room[HLL_ROOM];
    struct hll h;
    struct edit ed;

    if (!pf__take(&h, room, s) || !hll_to_dense(&h)) {
        pf__reply_corrupt(x);
        return false;
    }
    edit_open(&x->w, x->argv[2], &ed);
    if (!pf__store(&ed, &h)) {
        edit_cancel(&ed);
        reply_err(x, ERR_MEMORY);
        return false;
    }
    edit_commit_aside(&ed, EVENT_STRING, NULL, false);
    return true;
}

/* The runs of a sparse one, "Z:16383 v:1,1". */
static enum outcome pf__decode(struct call *x, struct str s) {
    const uint8_t *p = (const uint8_t *)s.p, *end = p + s.n;
    struct buf out = { 0 };

    if (!hll_is_sparse(s)) {
        reply_error(x->r, "ERR HLL encoding is not sparse");
        return FAILED;
    }
    for (p += HLL_HEAD; p < end;) {
        struct hll_run run = hll_run(p, end);

        if (run.bytes == 0) break;
        if (out.n > 0) buf_put_char(&out, ' ');
        if (run.value > 0)
            buf_printf(&out, "v:%u,%u", run.value, (unsigned)run.len);
        else
            buf_printf(&out, "%c:%u", run.bytes == 1 ? 'z' : 'Z',
                       (unsigned)run.len);
        p += run.bytes;
    }
    if (out.failed) reply_err(x, ERR_MEMORY);
    else reply_bulk(x->r, buf_str(&out));
    buf_free(&out);
    return DONE;
}

static enum outcome pf__registers(struct call *x, struct str s) {
    if (hll_is_sparse(s)) {
        if (!pf__dense_or_reply(x, s)) return FAILED;
        pf__bytes_or_reply(x, key_peek(&x->w, x->argv[2]), &s);
    }
    reply_array(x->r, HLL_REGISTERS);
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        reply_int(x->r, hll_get(s, i));
    return DONE;
}

static enum outcome cmd_pfdebug(struct call *x) {
    struct str s, what = x->argv[1];
    bool dense = str_is(what, "todense"), decode = str_is(what, "decode"),
         registers = str_is(what, "getreg"), name = str_is(what, "encoding");
    const struct entry *e = key_peek(&x->w, x->argv[2]);

    if (e == NULL) {
        reply_error(x->r, "ERR The specified key does not exist");
        return FAILED;
    }
    if (!pf__bytes_or_reply(x, e, &s)) return FAILED;
    if (!dense && !decode && !registers && !name) {
        reply_errorf(x->r, "ERR Unknown PFDEBUG subcommand '%.*s'",
                     (int)size_min(what.n, 128), what.p);
        return FAILED;
    }
    if (decode) return pf__decode(x, s);
    if (registers) return pf__registers(x, s);
    if (name) {
        reply_simple(x->r, hll_is_sparse(s) ? STR("sparse") : STR("dense"));
        return DONE;
    }
    if (!hll_is_sparse(s)) {
        reply_int(x->r, 0);
        return DONE;
    }
    if (!pf__dense_or_reply(x, s)) return FAILED;
    reply_int(x->r, 1);
    return DONE;
}

/* Count up to 4096 in a sparse and in a dense one: their registers must be
 * the same, and the estimate near.  Takes some ms. */
static enum outcome cmd_pfselftest(struct call *x) {
    uint8_t a[HLL_ROOM], b[HLL_ROOM];
    struct hll sparse = { .p = a }, dense = { .p = b };
    uint64_t seed, id, one = 0, two = 0;
    struct rand random;         /* those of shards need their locks */
    bool ok;

    rand_seed(&random);
    seed = rand_next(&random);
    hll_init(&sparse);
    hll_init(&dense);
    ok = hll_to_dense(&dense);
    for (uint64_t i = 1; ok && i <= 4096; i++) {
        unsigned value;
        uint32_t reg;

        id = seed + i;
        reg = hll_register(str_of(&id, sizeof id), &value);
        ok = hll_raise(&sparse, reg, value, 12000) ==
             hll_raise(&dense, reg, value, 0);
        if (!ok || (i & (i - 1)) != 0) continue;
        ok = hll_count(str_of(sparse.p, sparse.n), &one) &&
             hll_count(str_of(dense.p, dense.n), &two) && one == two &&
             fabs((double)one - (double)i) <= 0.07 * (double)i + 2;
    }
    if (ok) reply_ok(x->r);
    else reply_errorf(x->r, "ERR TESTFAILED: %" PRIu64 " and %" PRIu64
                            " counted from %" PRIu64 " on", one, two, seed);
    return ok ? DONE : FAILED;
}

static const struct command pf_commands[] = {
    { "pfadd", cmd_pfadd, -2, WRITE | GROWS | FAST, 1, 1, 1, GROUP_HLL,
      SINCE(2, 8, 9), "O(1) for each element", "key [element [element ...]]",
      "Has elements counted by the HyperLogLog at key." },
    { "pfcount", cmd_pfcount, -2, READONLY | REPLICATES, 1, -1, 1, GROUP_HLL,
      SINCE(2, 8, 9), "O(1) where nothing was added, O(N) for N keys",
      "key [key ...]",
      "About how many different elements the HyperLogLogs have counted." },
    { "pfdebug", cmd_pfdebug, 3, WRITE | GROWS | ADMIN, 2, 2, 1, GROUP_HLL,
      SINCE(2, 8, 9), "O(1)", "subcommand key",
      "Shows the insides of a HyperLogLog." },
    { "pfmerge", cmd_pfmerge, -2, WRITE | GROWS, 1, -1, 1, GROUP_HLL,
      SINCE(2, 8, 9), "O(N) for N keys", "destkey [sourcekey [sourcekey ...]]",
      "Adds what some HyperLogLogs have counted to another." },
    { "pfselftest", cmd_pfselftest, 1, ADMIN, 0, 0, 0, GROUP_HLL,
      SINCE(2, 8, 9), "O(1)", "", "Checks how HyperLogLogs count." },
};
