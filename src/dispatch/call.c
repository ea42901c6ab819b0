/* SPDX-License-Identifier: MIT */
/* ==== call - a request becomes a call ======================================
 *
 * The keys by its row, their shards by its keys: what the parts below this
 * floor's top need to carry a command out, whoever asks.
 *
 * floor 7 - uses: base num shard reply instance measure
 */

enum { CALL_SHARDS = 4096 };        /* the most shards there may be */

/* Hand the index of each argument that is a key to see.  False: the arguments
 * do not say where the keys are. */
static bool row_keys(const struct command *row, size_t argc,
                     const struct str *argv,
                     void (*see)(void *ctx, size_t i), void *ctx) {
    size_t first = (size_t)row->first, last, n;
    int64_t count;

    if ((row->flags & MOVABLE) == 0) {
        if (row->first == 0) return true;
        last = row->last < 0 ? argc + (size_t)(ptrdiff_t)row->last :
                               (size_t)row->last;
        for (size_t i = first; i <= last && i < argc; i += (size_t)row->step)
            see(ctx, i);
        return true;
    }
    if ((row->flags & (KEYS_DEST_NUM | KEYS_STORE)) != 0) see(ctx, 1);
    if ((row->flags & (KEYS_NUM | KEYS_DEST_NUM)) != 0) {
        if (first >= argc || !num_parse_int(argv[first], &count) ||
            count < 1 || (uint64_t)count > argc - first - 1)
            return false;
        for (n = 0; n < (size_t)count; n++) see(ctx, first + 1 + n);
    }
    if ((row->flags & KEYS_STORE) != 0)
        for (size_t i = 2; i + 1 < argc; i++)
            if (str_is(argv[i], "store") || str_is(argv[i], "storedist"))
                see(ctx, ++i);
    if ((row->flags & KEYS_STREAMS) != 0) {
        for (n = 1; n < argc && !str_is(argv[n], "streams"); n++) {
            if (str_is(argv[n], "group")) n += 2;
            else if (str_is(argv[n], "block") || str_is(argv[n], "count")) n++;
            else if (!str_is(argv[n], "noack")) return false;
        }
        if (n + 1 >= argc || (argc - n - 1) % 2 != 0) return false;
        for (size_t i = 0; i < (argc - n - 1) / 2; i++) see(ctx, n + 1 + i);
    }
    return true;
}

struct call__collect {
    const struct work *w;
    const struct str *argv;
    uint64_t *set;
};

static void call__see_key(void *ctx, size_t i) {
    struct call__collect *c = ctx;
    struct str ns, local;
    uint32_t id;

    key_split(c->w, c->argv[i], &ns, &local);
    id = key_shard(c->w->ks, ns, key_hash(c->w->ks, local))->id;
    c->set[id / 64] |= UINT64_C(1) << id % 64;
}

/* Add the shards that a command touches to a set. */
static void call_shards(const struct work *w, const struct command *row,
                        size_t argc, const struct str *argv, uint64_t *set) {
    struct call__collect c = { w, argv, set };

    if ((row->flags & ALL_SHARDS) != 0)
        for (uint32_t i = 0; i < w->ks->nshards; i++)
            set[i / 64] |= UINT64_C(1) << i % 64;
    else
        row_keys(row, argc, argv, call__see_key, &c);
}

/* Do something to each shard of a set, in ascending order. */
static INLINE void call__each_shard(struct keyspace *ks, const uint64_t *set,
                                    void (*what)(struct shard *)) {
    for (uint32_t i = 0; i < ks->nshards; i += 64)
        for (uint64_t rest = set[i / 64]; rest != 0; rest &= rest - 1)
            what(ks->shards + i + bit_lowest(rest));
}

/* Lock the shards of a set, in ascending order. */
static void shards_lock(struct keyspace *ks, const uint64_t *set) {
    call__each_shard(ks, set, shard_call);
    call__each_shard(ks, set, shard_lock);
}

/* And let go of them. */
static void shards_unlock(struct keyspace *ks, const uint64_t *set) {
    call__each_shard(ks, set, shard_unlock);
}

/* Count a command that was refused, or failed, as Redis does. */
static COLD void call_failed(struct lane *l, struct command_stat *st,
                             const struct reply *r, bool refused) {
    if (refused) {
        st->rejected++;
        l->commands--;          /* it counted when it came */
    } else {
        st->failed++;
    }
    measure_error(l, r->code);
}

/* Prepare the calls of a client's commands, but for the commands. */
static INLINE void call_prepare(struct call *x, struct lane *l,
                                struct client *c, struct reply *r) {
    x->w.ks = &l->k->ks;
    x->w.bound.p = c->bound;
    x->w.bound.n = c->bound_n;
    x->w.db = c->db;
    x->w.now = l->clock.wall_ms;
    x->w.rand = &l->rand;
    x->w.who = 0;
    x->w.apart = c->resp.apart;
    x->k = l->k;
    x->lane = l;
    x->c = c;
    x->r = r;
    x->no_block = x->again = x->usual = false;
}

/* And now for one of them. */
static INLINE void call_next(struct call *x, const struct command *row,
                             size_t argc, const struct str *argv,
                             const struct key_hint *hint) {
    x->w.no_touch = x->w.counted = x->w.news = false;
    x->w.hint = hint;
    x->row = row;
    x->argc = argc;
    x->argv = argv;
}

/* A command that is called by itself. */
static void call_single(struct call *x, struct lane *l, struct client *c,
                        struct reply *r, const struct saved_call *s) {
    call_prepare(x, l, c, r);
    call_next(x, s->row, s->argc, s->argv, NULL);
    x->w.no_touch = (c->flags & CLIENT_NO_TOUCH) != 0;
}

/* What the command changes is changed by a client that tracks keys itself. */
static inline void call_own(struct call *x) {
    if (UNLIKELY((x->c->flags & CLIENT_TRACKING) != 0)) x->w.who = x->c->id;
}
