/* SPDX-License-Identifier: MIT */
/* ==== settle - what a command left to be done ==============================
 *
 * A command notes in its shards' lists what others are to hear of: events,
 * changes of keys that clients track, keys that got data.  All of it is dealt
 * with when no lock is held.  A client that waited has its command run again,
 * under the locks it needs itself; that may note more.
 *
 * floor 7 - uses: base clock buf entry shard door reply instance client
 *    measure slow pubsub track waiters call
 */

/* Publish one event, in the scopes of those who may hear of the key. */
static void settle__publish(struct lane *l, const struct event *e,
                            const char *names, struct buf *key,
                            struct buf *channel) {
    struct str ns = str_of(names + e->at, e->nslen);
    struct str local = str_of(names + e->at + e->nslen, e->n);
    struct str none = str_of("", 0), what = str_c(e->name);
    struct kvns *k = l->k;
    struct str scope = e->is_default ? STR("default") : ns;
    const struct tenant *t = tenant_find(&k->ks, scope);
    int all = k->ks.opt.notify_all, bound = 0;

    /* only who has settings has users */
    if (t != NULL) bound = t->notify >= 0 ? t->notify : all;
    if ((all & e->class) == 0) all = 0;
    if ((bound & e->class) == 0) bound = 0;
    buf_reset(key);
    key_print(key, e->is_default, ns, local);
    for (int to = 0; to < 2; to++) {
        bool keys = to == 0;
        int bit = keys ? EVENT_TO_KEYSPACE : EVENT_TO_KEYEVENT;
        size_t n;

        if (((all | bound) & bit) == 0) continue;
        buf_reset(channel);
        buf_printf(channel, "__%s@%d__:", keys ? "keyspace" : "keyevent",
                   e->db);
        n = channel->n;
        if (keys) buf_put(channel, key->p, key->n);
        else buf_put(channel, what.p, what.n);
        if ((all & bit) != 0)
            pubsub_publish(k, l, CHANNEL, none,
                           str_of(channel->p, channel->n),
                           keys ? what : str_of(key->p, key->n));
        if ((bound & bit) == 0) continue;
        /* bound clients hear of their own namespace, by local names */
        channel->n = n;
        if (keys) buf_put(channel, local.p, local.n);
        else buf_put(channel, what.p, what.n);
        pubsub_publish(k, l, CHANNEL, scope, str_of(channel->p, channel->n),
                       keys ? what : local);
    }
}

/* Tell those who track keys of the changes a shard has noted. */
static COLD void settle__changes(struct lane *l, const struct buf *b) {
    for (size_t at = 0; at < b->n;) {
        struct str ns = { NULL, 0 }, local = { NULL, 0 };
        struct touch t;

        memcpy(&t, b->p + at, sizeof t);
        at += sizeof t;
        if (t.nslen != UINT32_MAX) ns = str_of(b->p + at, t.nslen);
        at += ns.n;
        if (t.n != UINT32_MAX) local = str_of(b->p + at, t.n);
        at += local.n;
        if (local.p == NULL) track_flushed(l, ns);
        else track_changed(l, &t, ns, local);
    }
}

/* Publish the events a shard has noted, in their order: one lane at a time.
 * Whoever comes meanwhile waits, for its own may be among them, and what it
 * says next is to be heard after them.  The shard is not locked. */
static COLD void settle__events(struct lane *l, struct shard *s) {
    struct buf names, touched, key = { 0 }, channel = { 0 };
    unsigned char taken = NEWS_TAKEN;
    struct event *events;
    bool lost;
    size_t n;

    shard_lock_telling(s);
    shard_lock(s);
    atomic_store_explicit(&s->news, taken, memory_order_relaxed);
    events = s->events;
    n = s->nevents;
    names = s->event_keys;
    s->events = NULL;
    s->nevents = s->events_cap = 0;
    memset(&s->event_keys, 0, sizeof s->event_keys);
    touched = s->touched;
    lost = s->touched_lost;
    memset(&s->touched, 0, sizeof s->touched);
    s->touched_lost = false;
    shard_unlock(s);
    if (UNLIKELY(lost)) track_lost(l);
    settle__changes(l, &touched);
    buf_free(&touched);
    if (!hub_is_silent(l->k->hub))
        for (size_t i = 0; i < n; i++)
            settle__publish(l, events + i, names.p, &key, &channel);
    buf_free(&key);
    buf_free(&channel);
    buf_free(&names);
    free(events);
    /* unless there is more by now */
    atomic_compare_exchange_strong(&s->news, &taken, NEWS_NONE);
    shard_unlock_telling(s);
}

/* The command of a waiting client with only one of its keys, for as in Redis
 * 7.0 it is served from the key that got data, whatever the others hold.
 * Lends `few`, which has room for so many; NULL: no memory. */
static struct str *settle__narrow(const struct client *c, size_t arg,
                                  struct str *few, size_t room, size_t *argc) {
    const struct saved_call *s = c->waiting;
    size_t first = c->wait_first, n = c->wait_keys, ids = first, out = 0;
    struct str *argv = few;

    /* of streams, an id belongs to each key */
    if ((s->row->flags & KEYS_STREAMS) != 0) ids = first + n;
    *argc = s->argc - (n - 1) * (ids == first ? 1 : 2);
    if (*argc > room) argv = malloc(*argc * sizeof *argv);
    if (argv == NULL) return NULL;
    for (size_t i = 0; i < s->argc; i++) {
        if (i >= first && i < first + n && i != arg) continue;
        if (i >= ids && i < ids + n && i != arg + ids - first) continue;
        argv[out++] = s->argv[i];
    }
    if ((s->row->flags & KEYS_NUM) != 0) argv[first - 1] = STR("1");
    return argv;
}

/* Run the command of a waiting client once more, for one of its keys; true
 * when it was served: then the waiter is gone, and the shards that were
 * touched are in the set. */
static bool settle__again(struct lane *l, const struct waiter *w,
                          uint64_t *touched) {
    struct client *c = w->client;
    const struct command *row = c->waiting->row;
    uint64_t set[CALL_SHARDS / 64];
    struct client *current = l->current;
    int64_t begun = clock_mono_ns();
    enum outcome what = BLOCKED;
    struct str few[16], *argv;
    struct buf out = { 0 };
    const struct entry *e;
    struct reply r;
    struct call x;
    size_t argc;

    argv = settle__narrow(c, w->arg, few, ROWS(few), &argc);
    if (argv == NULL) return false;
    reply_open(&r, &out, c->proto, SIZE_MAX);
    call_single(&x, l, c, &r, c->waiting);
    x.argc = argc;
    x.argv = argv;
    x.again = true;
    call_own(&x);
    memset(set, 0, sizeof set);
    call_shards(&x.w, row, argc, argv, set);
    shards_lock(x.w.ks, set);
    l->current = NULL;
    e = key_peek(&x.w, argv[c->wait_first]);
    if (w->leaves || (e != NULL && entry_kind(e) == w->kind))
        what = row->run(&x);
    shards_unlock(x.w.ks, set);
    l->current = current;
    reply_close(&r);
    if (what != BLOCKED) {
        for (size_t i = 0; i < ROWS(set); i++) touched[i] |= set[i];
        x.argc = c->waiting->argc;
        x.argv = c->waiting->argv;
        slow_note(&x, clock_mono_ns() - begun);
        if (what == FAILED)
            call_failed(l, l->stats + (row - l->k->rows), &r, false);
        if (r.failed) client_cut(c);
        client_answer(c, str_of(out.p, out.n));
    }
    buf_free(&out);
    if (argv != few) free(argv);
    return what != BLOCKED;
}

/* Who is to be served next from a ready key that is locked, behind one who
 * was tried in vain; NULL: nobody, or nothing is there for them.  Who was
 * tried since the key last got data is not tried again. */
static struct waiter *settle__next(struct lane *l, struct shard *s,
                                   const struct side_key *k,
                                   const struct waiter *behind) {
    const struct entry *e = side_entry(s, k, l->clock.wall_ms);
    const struct side_link *link = behind == NULL ? k->first :
                                                    behind->link.next;

    for (; link != NULL; link = link->next) {
        struct waiter *w = link->who;

        if (w->turn == k->turn) continue;
        if (w->leaves || (e != NULL && w->kind == entry_kind(e))) return w;
    }
    return NULL;
}

/* Serve those who wait for a key, which is held, in the order they came.  At
 * one who belongs to another lane, that lane takes over.  Not locked. */
static COLD void settle__serve_key(struct lane *l, struct shard *s,
                                   struct side_key *k, uint64_t *touched) {
    struct { struct shard *s; struct side_key *k; } about = { s, k };
    struct waiter *w, *tried = NULL;
    struct client *c;
    struct lane *to;
    bool tell;

    for (;;) {
        shard_lock(s);
        w = settle__next(l, s, k, tried);
        if (w == NULL || w->lane != l) break;
        w->turn = k->turn;
        shard_unlock(s);
        c = w->client;
        if (tried != NULL && tried->client == c) tried = NULL;
        if (client_is_there(c) && !settle__again(l, w, touched))
            tried = w;
    }
    to = w == NULL ? NULL : w->lane;
    tell = to != NULL && !k->told;
    if (tell) {
        k->told = true;
        k->holds++;
    }
    shard_unlock(s);
    if (!tell || lane_tell(to, 0, LETTER_SERVE, &about, sizeof about)) return;
    shard_lock(s);              /* no memory: when it gets data again */
    k->told = false;
    k->holds--;
    shard_unlock(s);
}

static COLD void settle__serve(struct lane *l, struct shard *s,
                               uint64_t *touched) {
    struct side_key *k;

    for (;;) {
        shard_lock(s);
        k = side_take_ready(s);
        shard_unlock(s);
        if (k == NULL) return;
        settle__serve_key(l, s, k, touched);
        shard_lock(s);
        side_release(s, k);
        shard_unlock(s);
    }
}

static inline bool settle__has_news(const struct shard *s) {
    return UNLIKELY(atomic_load_explicit(&s->news, memory_order_acquire) !=
                    NEWS_NONE);
}

/* Deal with what is noted in the lists of some shards; none is locked.  To
 * serve one client may touch further keys: their shards join the set. */
static COLD void settle_set(struct lane *l, uint64_t *set) {
    struct keyspace *ks = &l->k->ks;
    bool more;

    do {
        more = false;
        for (uint32_t i = 0; i < ks->nshards; i++) {
            struct shard *s = ks->shards + i;

            if ((set[i / 64] >> i % 64 & 1) == 0 || !settle__has_news(s))
                continue;
            settle__events(l, s);
            settle__serve(l, s, set);
            more = true;
        }
    } while (more);
}

static COLD void settle__one(struct lane *l, const struct shard *s) {
    uint64_t set[CALL_SHARDS / 64];

    memset(set, 0, sizeof set);
    set[s->id / 64] = UINT64_C(1) << s->id % 64;
    settle_set(l, set);
}

/* Deal with what is noted in a shard's lists; it is not locked. */
static inline void settle_shard(struct lane *l, struct shard *s) {
    if (settle__has_news(s)) settle__one(l, s);
}

/* A letter says: the first of those who wait for a ready key is ours. */
static void settle_told(struct lane *l, const struct letter *letter) {
    struct { struct shard *s; struct side_key *k; } about;

    memcpy(&about, letter->bytes, sizeof about);
    shard_lock(about.s);
    about.k->told = false;
    side_ready(about.s, about.k);
    side_release(about.s, about.k);
    shard_unlock(about.s);
    settle_shard(l, about.s);
}

/* Deal with the news of all shards that a command touched. */
static COLD void settle_call(struct call *x) {
    uint64_t set[CALL_SHARDS / 64];

    x->w.news = false;
    memset(set, (x->row->flags & ALL_LANES) != 0 ? 255 : 0, sizeof set);
    call_shards(&x->w, x->row, x->argc, x->argv, set);
    settle_set(x->lane, set);
    if (x->lane->nshared == 0) measure_open(x->lane);
}
