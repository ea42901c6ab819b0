/* SPDX-License-Identifier: MIT */
/* ==== embed - the public interface =========================================
 *
 * What kvns.h promises, on the threads of the caller alone.
 *
 *   kvns_turn, kvns_exec -- lane 0, which has the only loop
 *   kvns_client_run      -- a lane of the client's own, and its turn
 *
 * Who gives commands by calls never waits and gets no messages, so nobody
 * writes to the lanes of clients but they themselves.
 *
 * floor 8 - uses: base clock buf log shard reply options option instance
 *    world saver loader client measure watch admit exec loop listen instances
 */
enum {
    EMBED_BATCH = 32,           /* requests that share a turn and the clock, */
    EMBED_AHEAD = 8,            /* so many of which are looked at ahead */
    EMBED_SAMPLE_US = 100000    /* between looks at how many there were */
};

static void embed__fill(struct options *o, const struct kvns_options *from) {
    char err[OPTION_ERR], number[32];
    static const char no[] = "no";

    options_init(o, false);
    option_set(o, STR("metrics-port"), STR("0"), ORIGIN_FLAG, err);
    option_set(o, STR("log"), STR("off"), ORIGIN_FLAG, err);
    option_set(o, STR("protected-mode"), str_of(no, 2), ORIGIN_FLAG, err);
    snprintf(number, sizeof number, "%d", from->port);
    option_set(o, STR("port"), str_c(number), ORIGIN_FLAG, err);
    option_set(o, STR("host"), str_c(from->host == NULL ? "127.0.0.1" :
                                                          from->host),
               ORIGIN_FLAG, err);
    if (from->memory_limit != 0) {
        snprintf(number, sizeof number, "%zu", from->memory_limit);
        option_set(o, STR("memory-limit"), str_c(number), ORIGIN_FLAG, err);
    }
    if (from->persist_path != NULL)
        option_set(o, STR("persist-path"), str_c(from->persist_path),
                   ORIGIN_FLAG, err);
    if (from->unixsocket != NULL)
        option_set(o, STR("unixsocket"), str_c(from->unixsocket), ORIGIN_FLAG,
                   err);
    if (from->shards > 1 || from->clients > 0) {
        int shards = from->shards > 0 ? from->shards : 64 * from->clients;

        option_set(o, STR("sharded-mode"), STR("yes"), ORIGIN_FLAG, err);
        snprintf(number, sizeof number, "%d", shards);
        option_set(o, STR("shard-count"), str_c(number), ORIGIN_FLAG, err);
        snprintf(number, sizeof number, "%d", from->clients + 1);
        option_set(o, STR("threads"), str_c(number), ORIGIN_FLAG, err);
    }
}

/* Bytes of some requests, all in all. */
static size_t embed__bytes(const struct kvns_request *q, size_t n) {
    const struct kvns_request *end = q + n;
    size_t bytes = 0;

    for (; q < end; q++)
        for (int i = 0; i < q->argc; i++)
            bytes += q->lengths == NULL ? strlen(q->argv[i]) : q->lengths[i];
    return bytes;
}

/* Somebody who gives commands by calls, on a lane.  NULL: no memory. */
static struct client *embed__client(struct lane *l) {
    struct client *c = client_new(l, -1);

    if (c == NULL) return NULL;
    c->flags |= CLIENT_EMBEDDED | CLIENT_NAMED_AUTH | CLIENT_LOCAL;
    c->proto = l->k->resp3 ? 3 : 2;
    return c;
}

static void embed__part(struct client *c) {
    watch_clear(c, false);
    client_free(c);
}

/* Load the snapshot, if there is one.  False: it cannot be. */
static bool embed__load(struct kvns *k) {
    enum loader_at at = LOADER_MORE;
    struct loader *loader;
    bool ok;

    loader = loader_open(k, &ok);
    if (loader == NULL) return ok;
    while (at == LOADER_MORE) at = loader_step(loader);
    return loader_end(loader, at);
}

struct kvns *kvns_new(const struct kvns_options *options) {
    struct options o;
    struct kvns *k;

    embed__fill(&o, options);
    k = instances_new(&o);
    if (k == NULL) return NULL;
    atomic_store(&k->log.level, KLOG_OFF);
    k->nloops = 1;
    k->crowded = false;
    k->resp3 = options->protocol == 3;
    k->loop = loop_new(k, k->lanes);
    k->embedded = embed__client(k->lanes);
    if (k->loop == NULL || k->embedded == NULL || !embed__load(k) ||
        !listen_all(k, k->loop, 0, NULL)) {
        kvns_free(k);
        return NULL;
    }
    return k;
}

int kvns_turn(struct kvns *k, int timeout_ms) {
    loop_turn(k->loop, timeout_ms);
    world_enter(k->lanes);
    saver_turn(k, k->lanes[0].clock.wall_ms);
    world_leave(k->lanes);
    return atomic_load(&k->stop) ? -1 : 0;
}

/* An argument of a request. */
static inline struct str embed__arg(const struct kvns_request *q, int i) {
    return q->lengths == NULL ? str_c(q->argv[i]) :
                                str_of(q->argv[i], q->lengths[i]);
}

/* What is known of a request before its turn comes. */
struct embed_ahead {
    const struct command *row;
    struct key_hint hint;
};

/* Look at a request that will be carried out soon, and have its shard's lock
 * come nearer.  True: it may change how those behind it are read. */
static bool embed__look(const struct client *c, const struct kvns_request *q,
                        struct embed_ahead *a) {
    struct kvns *k = c->lane->k;

    a->hint.p = NULL;
    a->row = q->argc < 1 ? NULL : row_find(k, embed__arg(q, 0));
    if (a->row == NULL) return true;
    if (a->row->first == 1 && q->argc > 1) {
        hint_take(&(struct work){ .ks = &k->ks, .db = c->db,
                                  .bound = { c->bound, c->bound_n } },
                  embed__arg(q, 1), &a->hint);
        if (k->ks.threads) shard_call(a->hint.ref.shard);
    }
    return (a->row->flags & (BARRIER | CONTAINER)) != 0;
}

/* Carry out one request in its lane's turn.  False: no memory. */
static bool embed__one(struct client *c, const struct kvns_request *q,
                       const struct embed_ahead *a, struct reply *r) {
    struct str few[16], *args = few;
    struct lane *l = c->lane;

    if (q->argc < 1) return false;
    if (q->argc > (int)ROWS(few)) {
        args = malloc((size_t)q->argc * sizeof *args);
        if (args == NULL) return false;
    }
    for (int i = 0; i < q->argc; i++) args[i] = embed__arg(q, i);
    exec_one(l, c, a->row, (size_t)q->argc, args, &a->hint, r);
    c->state = CLIENT_OPEN;     /* QUIT closes nothing */
    if (args != few) free(args);
    return !r->failed;
}

/* Lock the shards of the first few of n requests, as many as may share them,
 * and look for their entries.  Returns how many; of one alone it is not. */
static size_t embed__hold(struct client *c, const struct kvns_request *q,
                          size_t n, struct embed_ahead *a) {
    struct work w = { .ks = &c->lane->k->ks, .db = c->db };
    struct hold *hold = &c->lane->hold;
    size_t got = 0;

    if (!w.ks->threads || !exec_is_usual(c, CLIENT_EMBEDDED)) return 1;
    while (got < n && a[got].hint.p != NULL &&
           exec_may_hold(c->lane, a[got].row, (size_t)q[got].argc) &&
           hold_take(hold, &a[got].hint))
        got++;
    if (got < 2) {
        hold_release(hold);
        return 1;
    }
    for (size_t i = 0; i < got; i++) hint_seek(&w, &a[i].hint);
    for (size_t i = 0; i < got; i++) hint_find(&a[i].hint);
    return got;
}

/* Carry out n requests that have been looked at.  False: no memory. */
static bool embed__few(struct client *c, const struct kvns_request *q,
                       size_t n, struct embed_ahead *a, struct reply *r) {
    bool ok = true;

    for (size_t i = 0, end = 0; ok && i < n; i++) {
        if (i == end) {
            hold_release(&c->lane->hold);
            end = i + embed__hold(c, q + i, n - i, a + i);
        }
        ok = embed__one(c, q + i, a + i, r);
    }
    hold_release(&c->lane->hold);
    return ok;
}

/* Carry out some requests in one turn of a client's lane.  False: there was
 * no memory for one of them, and the rest is left. */
static bool embed__some(struct client *c, const struct kvns_request *q,
                        size_t n, struct reply *r) {
    struct embed_ahead ahead[EMBED_AHEAD];
    struct lane *l = c->lane;
    bool ok = true;

    world_enter(l);
    clock_read(&l->clock);
    if (l != l->k->lanes && l->clock.mono_us >= l->sample[l->sample_at].us +
                                                    EMBED_SAMPLE_US)
        measure_sample(l);
    if (n > 1) admit_look_ahead(l, embed__bytes(q, n));
    measure_open(l);
    for (size_t i = 0, seen; ok && i < n; i += seen) {
        size_t most = size_min(n - i, EMBED_AHEAD);

        seen = 0;
        while (seen < most && !embed__look(c, q + i + seen, ahead + seen))
            seen++;
        if (seen < most) seen++;
        ok = embed__few(c, q + i, seen, ahead, r);
    }
    measure_close(l);
    l->roomy = false;
    c->proto = r->proto;
    world_leave(l);
    return ok;
}

static int embed__run(struct client *c, const struct kvns_request *q,
                      size_t n, struct kvns_reply *reply) {
    struct buf out = { reply->bytes, 0, reply->capacity, false };
    struct reply r;
    bool ok = true;

    reply_open(&r, &out, c->proto, SIZE_MAX);
    for (size_t i = 0, some; ok && i < n; i += some) {
        some = size_min(n - i, EMBED_BATCH);
        ok = embed__some(c, q + i, some, &r);
    }
    reply_close(&r);
    reply->bytes = out.p;
    reply->length = out.n;
    reply->capacity = out.cap;
    return ok ? 0 : -1;
}

int kvns_exec(struct kvns *k, int argc, const char *const *argv,
              const size_t *lengths, struct kvns_reply *reply) {
    const struct kvns_request q = { argc, argv, lengths };

    return embed__run(k->embedded, &q, 1, reply);
}

struct kvns_client *kvns_client_new(struct kvns *k) {
    struct client *c = NULL;

    for (uint32_t i = 1; c == NULL && i < k->nlanes; i++) {
        struct lane *l = k->lanes + i;

        world_enter(l);
        if (l->clients == NULL) c = embed__client(l);
        world_leave(l);
    }
    return (struct kvns_client *)c;
}

int kvns_client_run(struct kvns_client *c, const struct kvns_request *request,
                    size_t n, struct kvns_reply *reply) {
    return embed__run((struct client *)c, request, n, reply);
}

void kvns_client_free(struct kvns_client *client) {
    struct client *c = (struct client *)client;
    struct lane *l;

    if (c == NULL) return;
    l = c->lane;
    world_enter(l);
    embed__part(c);
    world_leave(l);
}

void kvns_reply_free(struct kvns_reply *reply) {
    free(reply->bytes);
    memset(reply, 0, sizeof *reply);
}

void kvns_free(struct kvns *k) {
    if (k == NULL) return;
    if (k->embedded != NULL) embed__part(k->embedded);
    for (uint32_t i = 1; i < k->nlanes; i++)
        if (k->lanes[i].clients != NULL) embed__part(k->lanes[i].clients);
    loop_free(k->loop);
    instances_free(k);
}
