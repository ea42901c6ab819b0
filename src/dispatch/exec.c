/* ==== exec - the one place where commands are carried out ==================
 *
 * From a request to its reply:
 *
 *   find the row -> arity, auth, MULTI's queue, subscribed, loading
 *     -> admit: is there memory, or can it be made -> lock the keys' shards
 *       -> run the handler -> unlock
 *         -> tell of events, wake those who waited for data
 *
 * A row says where its keys are; their shards are locked in ascending order,
 * so every command is atomic and nobody waits in a circle.  EXEC locks the
 * shards of all its commands.
 *
 * What a command leaves in its shards' lists is handled when no lock is held:
 * a waiting command is run again under the locks it needs itself.
 *
 * floor 7 - uses: base mem clock rand num buf sha256 table entry shard door
 *    upkeep reply instance world client asking measure labels slow monitor
 *    pubsub track watch waiters arg
 */

enum {
    EXEC_SHARDS = 4096,         /* the most shards there may be */
    EXEC_SLACK = 512            /* bytes by which an index may grow, and a
                                   namespace cost that begins in a shard */
};

/* The first eight bytes of a name as a word, letters in lower case. */
static inline uint64_t exec__name_word(struct str name) {
    const uint64_t lower = UINT64_C(0x2020202020202020);
    const char *p = name.p;
    uint64_t w = 0;

    if (BASE_LITTLE && name.n >= 8) return load64(p) | lower;
    if (BASE_LITTLE && name.n >= 4)
        return (load32(p) |
                (uint64_t)load32(p + name.n - 4) << (name.n - 4) * 8) | lower;
    if (BASE_LITTLE && name.n == 3)
        return (load16(p) | (uint64_t)(unsigned char)p[2] << 16) | lower;
    for (size_t i = size_min(name.n, 8); i-- > 0;)
        w = w << 8 | (unsigned char)p[i];
    return w | lower;
}

static inline uint32_t exec__name_hash(uint64_t word, size_t n) {
    return (uint32_t)((word + n) * UINT64_C(0x9e3779b97f4a7c15) >> 40) %
           ROW_SLOTS;
}

static INLINE const struct command *exec__find(const struct kvns *k,
                                               struct str name, size_t sub) {
    uint64_t word = exec__name_word(name);
    uint32_t h = exec__name_hash(word, name.n);

    for (;; h = (h + 1) % ROW_SLOTS) {
        const struct row_slot *slot = &k->row_index[h];
        const struct command *row = slot->row;

        if (row == NULL) return NULL;
        if (slot->word == word && slot->n == name.n + sub &&
            (LIKELY(name.n <= 8) || str_is(name, row->name)))
            return row;
    }
}

/* Find the row of a command, or NULL. */
static inline const struct command *exec_find(const struct kvns *k,
                                              struct str name) {
    return exec__find(k, name, 0);
}

/* Find the row of a container's subcommand, or NULL. */
static const struct command *exec_find_sub(const struct kvns *k,
                                           const struct command *row,
                                           struct str sub) {
    char name[64];
    size_t n = strlen(row->name);

    if (n + 1 + sub.n > sizeof name) return NULL;
    memcpy(name, row->name, n);
    name[n] = '|';
    memcpy(name + n + 1, sub.p, sub.n);
    return exec__find(k, str_of(name, n + 1 + sub.n), ROW_SUB);
}

/* Hand the index of each argument that is a key to see.  False: the arguments
 * do not say where the keys are. */
static bool exec_keys(const struct command *row, size_t argc,
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

struct exec__collect {
    const struct work *w;
    const struct str *argv;
    uint64_t *set;
};

static void exec__see_key(void *ctx, size_t i) {
    struct exec__collect *c = ctx;
    struct str ns, local;
    uint32_t id;

    key_split(c->w, c->argv[i], &ns, &local);
    id = key_shard(c->w->ks, ns, key_hash(c->w->ks, local))->id;
    c->set[id / 64] |= UINT64_C(1) << id % 64;
}

/* Add the shards that a command touches to a set. */
static void exec__shards(const struct work *w, const struct command *row,
                         size_t argc, const struct str *argv, uint64_t *set) {
    struct exec__collect c = { w, argv, set };

    if ((row->flags & ALL_SHARDS) != 0)
        for (uint32_t i = 0; i < w->ks->nshards; i++)
            set[i / 64] |= UINT64_C(1) << i % 64;
    else
        exec_keys(row, argc, argv, exec__see_key, &c);
}

static void exec__lock(struct keyspace *ks, const uint64_t *set) {
    for (uint32_t i = 0; i < ks->nshards; i++)
        if ((set[i / 64] >> i % 64 & 1) != 0) shard_lock(ks->shards + i);
}

static void exec__unlock(struct keyspace *ks, const uint64_t *set) {
    for (uint32_t i = 0; i < ks->nshards; i++)
        if ((set[i / 64] >> i % 64 & 1) != 0) shard_unlock(ks->shards + i);
}

/* Count a command that was refused, or failed, as Redis does. */
static COLD void exec__failed(struct lane *l, struct command_stat *st,
                              const struct reply *r, bool refused) {
    if (refused) {
        st->rejected++;
        l->commands--;          /* it counted when it came */
    } else {
        st->failed++;
    }
    measure_error(l, r->code);
}

/* Publish one event, in the scopes of those who may hear of the key. */
static void exec__publish(struct lane *l, const struct event *e,
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
static COLD void exec__tell_changes(struct lane *l, const struct buf *b) {
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
        else track_changed(l, t.who, t.self, ns, local);
    }
}

/* Publish the events a shard has noted.  The shard is not locked. */
static COLD void exec__events(struct lane *l, struct shard *s) {
    struct buf names, touched, key = { 0 }, channel = { 0 };
    struct event *events;
    bool lost;
    size_t n;

    shard_lock(s);
    atomic_store_explicit(&s->news, false, memory_order_relaxed);
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
    exec__tell_changes(l, &touched);
    buf_free(&touched);
    if (!hub_is_silent(l->k->hub))
        for (size_t i = 0; i < n; i++)
            exec__publish(l, events + i, names.p, &key, &channel);
    buf_free(&key);
    buf_free(&channel);
    buf_free(&names);
    free(events);
}

/* Prepare the calls of a client's commands, but for the commands. */
static INLINE void exec__prepare(struct call *x, struct lane *l,
                                 struct client *c, struct reply *r) {
    x->w.ks = &l->k->ks;
    x->w.bound.p = c->bound;
    x->w.bound.n = c->bound_n;
    x->w.db = c->db;
    x->w.now = l->clock.wall_ms;
    x->w.who = 0;
    x->k = l->k;
    x->lane = l;
    x->c = c;
    x->r = r;
    x->no_block = x->again = x->usual = false;
}

/* And now for one of them. */
static INLINE void exec__call(struct call *x, const struct command *row,
                              size_t argc, const struct str *argv,
                              const struct key_hint *hint) {
    x->w.no_touch = x->w.quiet = x->w.counted = x->w.news = false;
    x->w.hint = hint;
    x->row = row;
    x->argc = argc;
    x->argv = argv;
}

/* A command that is called by itself. */
static void exec__single(struct call *x, struct lane *l, struct client *c,
                         struct reply *r, const struct saved_call *s) {
    exec__prepare(x, l, c, r);
    exec__call(x, s->row, s->argc, s->argv, NULL);
    x->w.no_touch = (c->flags & CLIENT_NO_TOUCH) != 0;
}

/* What the command changes is changed by a client that tracks keys itself. */
static inline void exec__own(struct call *x) {
    if (UNLIKELY((x->c->flags & CLIENT_TRACKING) != 0)) x->w.who = x->c->id;
}

static void exec__note_key(void *ctx, size_t i) {
    const struct call *x = ctx;
    struct str key = x->argv[i], ns, local;

    key_split(&x->w, key, &ns, &local);
    track_note(x->c, ns, local,
               x->w.bound.p == NULL && ns.p == NULL && local.n < key.n &&
                   !key_needs_prefix(true, local));
}

/* Remember which keys a client has read that tracks them; their shards are
 * locked. */
static COLD void exec__note(struct call *x) {
    const struct tracker *t = x->c->tracker;
    bool caching = (x->c->flags & CLIENT_CACHING) != 0;

    if (t == NULL || (x->row->flags & READONLY) == 0 ||
        (x->row->flags & PUBSUB) != 0 || (t->flags & TRACK_BCAST) != 0)
        return;
    if ((t->flags & TRACK_OPTIN) != 0 && !caching) return;
    if ((t->flags & TRACK_OPTOUT) != 0 && caching) return;
    exec_keys(x->row, x->argc, x->argv, exec__note_key, x);
}

/* The command of a waiting client with only one of its keys, for as in Redis
 * 7.0 it is served from the key that got data, whatever the others hold.
 * Lends `few`, which has room for so many; NULL: no memory. */
static struct str *exec__narrow(const struct client *c, size_t arg,
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
static bool exec__again(struct lane *l, const struct waiter *w,
                        uint64_t *touched) {
    struct client *c = w->client;
    const struct command *row = c->waiting->row;
    uint64_t set[EXEC_SHARDS / 64];
    struct client *current = l->current;
    int64_t begun = clock_mono_ns();
    enum outcome what = BLOCKED;
    struct str few[16], *argv;
    struct buf out = { 0 };
    const struct entry *e;
    struct reply r;
    struct call x;
    size_t argc;

    argv = exec__narrow(c, w->arg, few, ROWS(few), &argc);
    if (argv == NULL) return false;
    reply_open(&r, &out, c->proto, SIZE_MAX);
    exec__single(&x, l, c, &r, c->waiting);
    x.argc = argc;
    x.argv = argv;
    x.again = true;
    exec__own(&x);
    memset(set, 0, sizeof set);
    exec__shards(&x.w, row, argc, argv, set);
    exec__lock(x.w.ks, set);
    l->current = NULL;
    e = key_peek(&x.w, argv[c->wait_first]);
    if (w->leaves || (e != NULL && entry_kind(e) == w->kind))
        what = row->run(&x);
    exec__unlock(x.w.ks, set);
    l->current = current;
    reply_close(&r);
    if (what != BLOCKED) {
        for (size_t i = 0; i < ROWS(set); i++) touched[i] |= set[i];
        x.argc = c->waiting->argc;
        x.argv = c->waiting->argv;
        slow_note(&x, clock_mono_ns() - begun);
        if (what == FAILED)
            exec__failed(l, l->stats + (row - l->k->rows), &r, false);
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
static struct waiter *exec__next(struct lane *l, struct shard *s,
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
static COLD void exec__serve_key(struct lane *l, struct shard *s,
                                 struct side_key *k, uint64_t *touched) {
    struct { struct shard *s; struct side_key *k; } about = { s, k };
    struct waiter *w, *tried = NULL;
    struct client *c;
    struct lane *to;
    bool tell;

    for (;;) {
        shard_lock(s);
        w = exec__next(l, s, k, tried);
        if (w == NULL || w->lane != l) break;
        w->turn = k->turn;
        shard_unlock(s);
        c = w->client;
        if (tried != NULL && tried->client == c) tried = NULL;
        if (client_is_there(c) && !exec__again(l, w, touched))
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

static COLD void exec__serve(struct lane *l, struct shard *s,
                             uint64_t *touched) {
    struct side_key *k;

    for (;;) {
        shard_lock(s);
        k = side_take_ready(s);
        shard_unlock(s);
        if (k == NULL) return;
        exec__serve_key(l, s, k, touched);
        shard_lock(s);
        side_release(s, k);
        shard_unlock(s);
    }
}

static inline bool exec__has_news(const struct shard *s) {
    return UNLIKELY(atomic_load_explicit(&s->news, memory_order_relaxed));
}

/* Deal with what is noted in the lists of some shards; none is locked.  To
 * serve one client may touch further keys: their shards join the set. */
static COLD void exec__settle_set(struct lane *l, uint64_t *set) {
    struct keyspace *ks = &l->k->ks;
    bool more;

    do {
        more = false;
        for (uint32_t i = 0; i < ks->nshards; i++) {
            struct shard *s = ks->shards + i;

            if ((set[i / 64] >> i % 64 & 1) == 0 || !exec__has_news(s))
                continue;
            exec__events(l, s);
            exec__serve(l, s, set);
            more = true;
        }
    } while (more);
}

static COLD void exec__settle_one(struct lane *l, const struct shard *s) {
    uint64_t set[EXEC_SHARDS / 64];

    memset(set, 0, sizeof set);
    set[s->id / 64] = UINT64_C(1) << s->id % 64;
    exec__settle_set(l, set);
}

/* Deal with what is noted in a shard's lists; it is not locked. */
static inline void exec_settle(struct lane *l, struct shard *s) {
    if (exec__has_news(s)) exec__settle_one(l, s);
}

/* A letter says: the first of those who wait for a ready key is ours. */
static void exec_serve_told(struct lane *l, const struct letter *letter) {
    struct { struct shard *s; struct side_key *k; } about;

    memcpy(&about, letter->bytes, sizeof about);
    shard_lock(about.s);
    about.k->told = false;
    side_ready(about.s, about.k);
    side_release(about.s, about.k);
    shard_unlock(about.s);
    exec_settle(l, about.s);
}

/* Deal with the news of all shards that a command touched. */
static COLD void exec__after(struct call *x) {
    uint64_t set[EXEC_SHARDS / 64];

    x->w.news = false;
    x->lane->timed_ns = 0;
    memset(set, (x->row->flags & ALL_LANES) != 0 ? 255 : 0, sizeof set);
    exec__shards(&x->w, x->row, x->argc, x->argv, set);
    exec__settle_set(x->lane, set);
}

/* Evict from a namespace, in all shards, until `enough` says so or nothing is
 * left that may go.  No lock is held. */
static bool exec__evict(struct call *x, struct str ns, struct tenant *t,
                        size_t goal) {
    struct keyspace *ks = x->w.ks;
    uint32_t idle = 0, at;

    shard_lock(ks->shards);     /* whose numbers these are */
    at = (uint32_t)rand_below(&ks->shards[0].rand, ks->nshards);
    shard_unlock(ks->shards);
    while ((t != NULL ? atomic_load(&t->bytes) : keyspace_bytes(ks)) > goal) {
        struct shard *s = ks->shards + at;
        struct table_at where;
        size_t freed = 0;

        if (++at == ks->nshards) at = 0;
        shard_lock(s);
        for (uint32_t d = 0; d < ks->opt.databases; d++) {
            struct db *db = s->dbs[d];
            struct space *sp = db->keys == 0 ? NULL : ns.p == NULL ? db->plain :
                                   space_find(s, db, ns, &where);

            if (sp == NULL) continue;
            freed = space_evict(&x->w, s, sp, (struct str){ NULL, 0 });
            if (freed > 0) break;
        }
        shard_unlock(s);
        exec_settle(x->lane, s);
        idle = freed > 0 ? 0 : idle + 1;
        if (idle >= ks->nshards) return false;
    }
    return true;
}

/* Bytes that a namespace holds in all shards and databases. */
static size_t exec__space_bytes(const struct keyspace *ks, struct str ns,
                                uint8_t *policy) {
    size_t n = 0;

    for (uint32_t i = 0; i < ks->nshards; i++) {
        struct shard *s = ks->shards + i;
        struct table_at at;

        shard_lock(s);
        for (uint32_t d = 0; d < ks->opt.databases; d++) {
            struct space *sp = ns.p == NULL ? s->dbs[d]->plain :
                                   space_find(s, s->dbs[d], ns, &at);

            if (sp == NULL) continue;
            n += sp->bytes;
            *policy = sp->policy;
        }
        shard_unlock(s);
    }
    return n;
}

/* Make room for `need` bytes in the namespace of a key under one limit; t is
 * whose limit it is, NULL for the server's.  False: there is no room. */
static bool exec__room(struct call *x, struct str ns, struct tenant *t,
                       size_t limit, size_t need) {
    struct keyspace *ks = x->w.ks;
    size_t used = t != NULL ? atomic_load(&t->bytes) : keyspace_bytes(ks);
    size_t start = (size_t)((double)limit * ks->opt.threshold), mine;
    uint8_t policy = (uint8_t)ks->opt.policy;

    if (used + need <= start) return true;
    mine = exec__space_bytes(ks, ns, &policy);
    if (!policy_evicts((enum policy)policy)) return used + need <= limit;
    if (used + need > limit && used + need - limit > mine) return false;
    exec__evict(x, ns, t, start > need ? start - need : 0);
    used = t != NULL ? atomic_load(&t->bytes) : keyspace_bytes(ks);
    return used + need <= limit;
}

struct exec__admit {
    struct call *x;
    size_t need;
    const char *refused;        /* namespace without room, or NULL */
    bool full;
};

static void exec__admit_key(void *ctx, size_t i) {
    struct exec__admit *a = ctx;
    struct keyspace *ks = a->x->w.ks;
    struct str ns, local;
    struct tenant *t;

    if (a->full || a->refused != NULL) return;
    key_split(&a->x->w, a->x->argv[i], &ns, &local);
    t = ks->tenants == NULL ? NULL : tenant_find(ks, ns);
    if (t != NULL && t->has_limit &&
        !exec__room(a->x, ns, t, t->limit, a->need + EXEC_SLACK))
        a->refused = t->name;
    else if (!exec__room(a->x, ns, NULL, ks->opt.memory_limit, a->need))
        a->full = true;
}

/* Is there memory for a command that may need some?  Evicts what it may; no
 * lock is held.  False: answered. */
static bool exec__admit_or_reply(struct call *x) {
    struct keyspace *ks = x->w.ks;
    struct exec__admit a = { x, 0, NULL, false };
    const struct entry *old;
    size_t mine;

    for (size_t i = 1; i < x->argc; i++) a.need += x->argv[i].n + 8;
    a.need += 32;
    if (LIKELY(ks->tenants == NULL &&
               (double)(keyspace_bytes(ks) + a.need) <=
                   (double)ks->opt.memory_limit * ks->opt.threshold) &&
        (a.need < 65536 || mem_can(&ks->shards[0].mem, 2 * a.need)))
        return true;
    if (x->row->first == 1 && x->argc > 1) {
        /* what is overwritten makes room */
        struct keyref ref;

        key_home(&x->w, x->argv[1], &ref);
        shard_lock(ref.shard);
        old = key_peek(&x->w, x->argv[1]);
        mine = old == NULL || entry_kind(old) != KIND_STRING ? 0 :
                   entry_cost(old);
        shard_unlock(ref.shard);
        if (mine > 0 && (x->row->flags & FAST) != 0 && x->argc <= 3 &&
            a.need < mine + 56)
            return true;
    }
    if (!mem_can(&ks->shards[0].mem, a.need)) {
        reply_err(x, ERR_MEMORY);
        return false;
    }
    exec_keys(x->row, x->argc, x->argv, exec__admit_key, &a);
    if (a.full) {
        reply_err(x, ERR_OOM);
        return false;
    }
    if (a.refused != NULL) {
        reply_errorf(x->r, "OOM command not allowed when used memory > "
                           "'maxmemory' of namespace '%s'.", a.refused);
        return false;
    }
    return true;
}

enum {
    EXEC_PLENTY = 1 << 20,      /* bytes that a batch may need beyond its own */
    EXEC_FAR = 32 << 20,        /* bytes for each lane: the limit is far off */
    EXEC_BATCHES = 64,          /* may pass then without another look, */
    EXEC_SOON_US = 1000         /* for so long */
};

/* Is there memory in plenty for whatever a batch of so many bytes may want?
 * Then its commands need not be looked at one by one.  To add up many shards,
 * which other lanes are changing, takes as long as some commands, so while the
 * limit is far off the answer holds for some batches of short commands. */
static inline void exec_look_for_room(struct lane *l, size_t bytes) {
    const struct keyspace *ks = &l->k->ks;
    double limit = (double)ks->opt.memory_limit * ks->opt.threshold, need;

    l->roomy = false;
    if (ks->tenants != NULL || bytes >= 65536) return;
    if (l->room_batches > 0 && limit >= l->room_limit &&
        l->clock.mono_us < l->room_until) {
        l->room_batches--;
        l->roomy = true;
        return;
    }
    need = (double)(keyspace_bytes(ks) + 2 * bytes + EXEC_PLENTY);
    l->roomy = need <= limit;
    l->room_batches = 0;
    if (ks->nshards == 1 || need + (double)EXEC_FAR * l->k->nlanes > limit)
        return;
    l->room_batches = EXEC_BATCHES;
    l->room_until = l->clock.mono_us + EXEC_SOON_US;
    l->room_limit = limit;
}

/* Run a handler under the locks of its keys. */
static inline enum outcome exec__locked(struct call *x) {
    struct keyspace *ks = x->w.ks;
    const struct command *row = x->row;
    enum outcome what;

    if (LIKELY(!ks->threads)) return row->run(x);
    if ((row->flags & ALL_LANES) != 0) {
        world_stop(x->lane);
        what = row->run(x);
        world_go(x->lane);
        return what;
    }
    if (row->first == 1 && row->last == 1 && (row->flags & MOVABLE) == 0) {
        struct keyref ref;
        struct shard *s;

        key_home(&x->w, x->argv[1], &ref);
        s = ref.shard;
        shard_lock(s);
        what = row->run(x);
        shard_unlock(s);
    } else {
        uint64_t set[EXEC_SHARDS / 64];

        memset(set, 0, (ks->nshards + 63) / 64 * sizeof *set);
        exec__shards(&x->w, row, x->argc, x->argv, set);
        exec__lock(ks, set);
        what = row->run(x);
        exec__unlock(ks, set);
    }
    return what;
}

/* The first argument that is a key; 0: none. */
static size_t exec__first_key(const struct call *x) {
    uint32_t flags = x->row->flags;
    size_t i = (size_t)x->row->first;

    if ((flags & (KEYS_DEST_NUM | KEYS_STORE)) != 0) i = 1;
    else if ((flags & KEYS_NUM) != 0) i++;
    else if ((flags & KEYS_STREAMS) != 0)
        for (i = 2; i < x->argc && !str_is(x->argv[i - 1], "streams"); i++) {}
    return i < x->argc ? i : 0;
}

static COLD struct command_stat *exec__stats_of(const struct call *x) {
    size_t i = exec__first_key(x);
    struct str ns, local;

    if (i == 0) return x->lane->stats;
    key_split(&x->w, x->argv[i], &ns, &local);
    return labels_stats(x->lane, ns);
}

/* The counters of a call: those of its first key's namespace. */
static INLINE struct command_stat *exec__stats(const struct call *x) {
    const struct key_hint *hint = x->w.hint;
    size_t row = (size_t)(x->row - x->k->rows);

    if (UNLIKELY((x->row->flags & MOVABLE) != 0))
        return exec__stats_of(x) + row;
    if (LIKELY(hint != NULL && hint->p != NULL))
        return labels_stats(x->lane, hint->ref.ns) + row;
    if (x->row->first == 0) return x->lane->stats + row;
    return exec__stats_of(x) + row;
}

/* Run a handler whose locks are held, timed by itself. */
static enum outcome exec__timed(struct call *x, struct command_stat *st,
                                enum outcome (*run)(struct call *)) {
    int64_t begun = measure_begin(x->lane), ns;
    enum outcome what = run(x);

    x->lane->room_batches = 0;  /* it may have taken any amount */
    ns = measure_alone(x->lane, st, begun);
    if (what != BLOCKED) slow_note(x, ns);  /* else when it is served */
    return what;
}

/* Run one command of a client, all checks passed but that of memory.  Short
 * ones share the time of their batch. */
static INLINE enum outcome exec__run(struct call *x) {
    const struct command *row = x->row;
    struct lane *l = x->lane;
    struct command_stat *st = exec__stats(x);
    enum outcome what;

    if (UNLIKELY((row->flags & GROWS) != 0 && !l->roomy) &&
        !exec__admit_or_reply(x)) {
        exec__failed(l, st, x->r, true);
        return FAILED;
    }
    if (LIKELY((row->flags & (FAST | SHORT)) != 0) &&
        LIKELY(measure_share(l, st))) {
        what = LIKELY(!x->w.ks->threads) ? row->run(x) : exec__locked(x);
    } else {
        what = exec__timed(x, st, exec__locked);
    }
    st->calls++;                /* INFO does not count itself */
    if (UNLIKELY(what == FAILED)) exec__failed(l, st, x->r, false);
    if (UNLIKELY(x->w.news)) exec__after(x);
    return what;
}

/* Run a handler that only reads, and remember what, under the same locks. */
static enum outcome exec__noting(struct call *x) {
    struct keyspace *ks = x->w.ks;
    uint64_t set[EXEC_SHARDS / 64];
    enum outcome what;

    memset(set, 0, sizeof set);
    exec__shards(&x->w, x->row, x->argc, x->argv, set);
    exec__lock(ks, set);
    what = x->row->run(x);
    exec__note(x);
    exec__unlock(ks, set);
    return what;
}

/* The same as exec__run, for a client that tracks keys. */
static COLD enum outcome exec__run_tracking(struct call *x) {
    struct command_stat *st = exec__stats(x);
    enum outcome what;

    exec__own(x);
    if ((x->row->flags & READONLY) == 0 || (x->row->flags & ALL_LANES) != 0)
        return exec__run(x);
    what = exec__timed(x, st, exec__noting);
    st->calls++;
    if (what == FAILED) exec__failed(x->lane, st, x->r, false);
    if (x->w.news) exec__after(x);
    return what;
}

/* Answer a command that there is not, as Redis does. */
static COLD void exec__unknown(struct reply *r, size_t argc,
                               const struct str *argv) {
    char args[192];
    size_t n = 0;

    for (size_t i = 1; i < argc && n < 128; i++) {
        int m = snprintf(args + n, sizeof args - n, "'%.*s' ",
                         (int)size_min(argv[i].n, 128 - n), argv[i].p);

        if (m < 0) break;
        n = size_min(n + (size_t)m, sizeof args - 1);
    }
    args[n] = '\0';
    reply_errorf(r, "ERR unknown command '%.*s', with args beginning with: %s",
                 (int)size_min(argv[0].n, 128), argv[0].p, args);
}

/* Answer a wrong number of arguments; EXEC's own ends the transaction. */
static COLD void exec__arity(struct client *c, struct reply *r,
                             const struct command *row) {
    bool ends = strcmp(row->name, "exec") == 0;

    if (ends) {
        client_discard(c);
        watch_clear(c, false);
    }
    reply_errorf(r, "%s wrong number of arguments for '%s' command",
                 ends ? "EXECABORT Transaction discarded because of:" : "ERR",
                 row->name);
}

/* May the client run this now?  Answers where not; *row may become that of a
 * subcommand. */
static COLD bool exec__check_or_reply(struct client *c, struct reply *r,
                                      const struct command **row,
                                      size_t argc, const struct str *argv) {
    const struct command *cmd = *row, *sub;
    const struct kvns *k = c->lane->k;

    if (UNLIKELY(cmd == NULL)) {
        exec__unknown(r, argc, argv);
        return false;
    }
    if (UNLIKELY((cmd->flags & CONTAINER) != 0) && argc > 1) {
        sub = exec_find_sub(k, cmd, argv[1]);
        if (sub == NULL) {
            char name[32];
            size_t n;

            for (n = 0; n < sizeof name - 1 && cmd->name[n] != '\0'; n++)
                name[n] = (char)toupper((unsigned char)cmd->name[n]);
            name[n] = '\0';
            reply_errorf(r, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                         (int)size_min(argv[1].n, 128), argv[1].p, name);
            *row = NULL;        /* no command's error */
            return false;
        }
        *row = cmd = sub;
    }
    if (UNLIKELY(cmd->arity > 0 ? argc != (size_t)cmd->arity :
                                  argc < (size_t)-cmd->arity)) {
        exec__arity(c, r, cmd);
        return false;
    }
    if (UNLIKELY((c->flags & CLIENT_NAMED_AUTH) == 0) &&
        k->opt.password.n > 0 && (cmd->flags & NO_AUTH) == 0) {
        reply_error(r, "NOAUTH Authentication required.");
        return false;
    }
    if (UNLIKELY(c->bound != NULL) && (cmd->flags & UNBOUND) != 0) {
        reply_errorf(r, "NOPERM User %s has no permissions to run the '%s' "
                        "command", c->user, cmd->name);
        return false;
    }
    if (UNLIKELY(c->proto == 2 &&
                 c->channels + c->patterns + c->shard_channels > 0) &&
        (cmd->flags & SUBSCRIBED) == 0) {
        reply_errorf(r, "ERR Can't execute '%s': only (P|S)SUBSCRIBE / "
                        "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
                        "in this context", cmd->name);
        return false;
    }
    if (UNLIKELY(atomic_load_explicit(&k->loading, memory_order_relaxed)) &&
        (cmd->flags & LOADING) == 0) {
        reply_error(r, "LOADING Redis is loading the dataset in memory");
        return false;
    }
    return true;
}

/* Put a command into MULTI's queue. */
static COLD void exec__queue(struct call *x) {
    struct client *c = x->c;
    struct saved_call *s;

    if ((x->row->flags & NO_MULTI) != 0) {
        reply_errorf(x->r, "ERR Command not allowed inside a transaction");
        c->flags |= CLIENT_SPOILT;
        return;
    }
    if ((x->row->flags & GROWS) != 0 && !exec__admit_or_reply(x)) {
        c->flags |= CLIENT_SPOILT;
        return;
    }
    s = saved_call_new(x->row, x->argc, x->argv);
    if (s != NULL && x->k->opt.client_query_buffer_limit != 0 &&
        c->queue_bytes + s->bytes > x->k->opt.client_query_buffer_limit) {
        free(s);
        s = NULL;
    }
    if (s == NULL) {
        c->flags |= CLIENT_SPOILT;
        reply_err(x, ERR_MEMORY);
        return;
    }
    if (c->queue_last != NULL) c->queue_last->next = s;
    else c->queue = s;
    c->queue_last = s;
    c->queued++;
    c->queue_bytes += s->bytes;
    reply_queued(x->r);
}

/* Must the command wait until CLIENT PAUSE is over?  Then it is kept. */
static bool exec__hold(struct call *x) {
    const struct kvns *k = x->k;
    struct client *c = x->c;
    uint32_t flags = x->row->flags;
    struct saved_call *s;

    if ((c->flags & CLIENT_EMBEDDED) != 0) return false;
    if (x->lane->clock.mono_us >= k->pause_until) {
        atomic_fetch_and(&x->k->observed, ~(unsigned)OBSERVE_PAUSE);
        return false;
    }
    if ((flags & TRANSACTION) != 0)
        for (s = c->queue; s != NULL; s = s->next) flags |= s->row->flags;
    if (!k->pause_all && (flags & (WRITE | REPLICATES)) == 0) return false;
    s = saved_call_new(x->row, x->argc, x->argv);
    if (s == NULL) return false;
    client_hold(c, s);
    c->commands--;
    x->lane->commands--;
    return true;
}

/* CLIENT CACHING is for one command, or one transaction, behind it. */
static inline void exec__uncache(struct client *c, const struct command *row) {
    if ((c->flags & CLIENT_MULTI) != 0) return;
    if (row != NULL && strncmp(row->name, "client|", 7) == 0) return;
    c->flags &= ~(uint32_t)CLIENT_CACHING;
}

/* A command that is not simply to be run.  True: it is dealt with. */
static COLD bool exec__aside(struct call *x, unsigned observed,
                             enum outcome *what) {
    *what = BLOCKED;
    if ((x->c->flags & CLIENT_EMBEDDED) != 0)
        x->no_block = (x->row->flags & BLOCKING) != 0;
    if ((observed & OBSERVE_PAUSE) != 0 && exec__hold(x)) return true;
    *what = DONE;
    if ((x->c->flags & CLIENT_MULTI) != 0 &&
        (x->row->flags & TRANSACTION) == 0) {
        exec__queue(x);
        x->lane->commands--;    /* counted when EXEC runs it */
        return true;
    }
    if ((x->c->flags & CLIENT_TRACKING) != 0) *what = exec__run_tracking(x);
    else if (observed >= OBSERVE_MONITOR) *what = exec__run(x);
    else return false;
    if (observed >= OBSERVE_MONITOR && (x->c->flags & CLIENT_ASKING) == 0)
        monitor_feed(x);
    exec__uncache(x->c, x->row);
    return true;
}

/* Is there nothing about a client, nor about what the server does just now,
 * for which each request would have to be looked at closer?  What changes that
 * is a barrier, or is done with the world at rest. */
static bool exec__is_usual(const struct client *c) {
    const struct kvns *k = c->lane->k;
    const unsigned odd = CLIENT_MULTI | CLIENT_TRACKING | CLIENT_NO_TOUCH |
                         CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP |
                         CLIENT_REPLY_SKIPPING | CLIENT_EMBEDDED;
    unsigned observed = atomic_load_explicit(&k->observed,
                                             memory_order_relaxed);

    return c->bound == NULL && (c->flags & odd) == 0 &&
           (c->channels | c->patterns | c->shard_channels) == 0 &&
           ((c->flags & CLIENT_NAMED_AUTH) != 0 || k->opt.password.n == 0) &&
           (observed & ~(unsigned)OBSERVE_ALONE) == 0 &&
           !atomic_load_explicit(&k->loading, memory_order_relaxed);
}

/* May a usual client run this row with so many arguments, without a closer
 * look? */
static INLINE bool exec__fits(const struct command *row, size_t argc) {
    return row != NULL && (row->flags & CONTAINER) == 0 &&
           (row->arity > 0 ? argc == (size_t)row->arity :
                             argc >= (size_t)-row->arity);
}

/* Carry out a request that needs a closer look. */
static COLD enum outcome exec__unusual(struct call *x) {
    struct client *c = x->c;
    struct lane *l = x->lane;
    enum outcome what;
    unsigned observed = atomic_load_explicit(&l->k->observed,
                                             memory_order_relaxed) &
                        ~(unsigned)OBSERVE_ALONE;

    x->usual = false;           /* it may change what is asked above */
    x->w.who = 0;
    x->w.no_touch = (c->flags & CLIENT_NO_TOUCH) != 0;
    if (!exec__check_or_reply(c, x->r, &x->row, x->argc, x->argv)) {
        if (c->flags & CLIENT_MULTI) c->flags |= CLIENT_SPOILT;
        exec__uncache(c, x->row);
        if (x->row == NULL) l->commands--, measure_error(l, x->r->code);
        else exec__failed(l, l->stats + (x->row - l->k->rows), x->r, true);
        return FAILED;
    }
    c->last = x->row;
    if ((observed | (c->flags & (CLIENT_MULTI | CLIENT_TRACKING |
                                 CLIENT_EMBEDDED))) != 0 &&
        exec__aside(x, observed, &what))
        return what;
    return exec__run(x);
}

/* Prepare for requests of a client, one behind the other, whose replies go
 * into r; until a barrier, or until another client's come. */
static void exec_begin(struct call *x, struct lane *l, struct client *c,
                       struct reply *r) {
    exec__prepare(x, l, c, r);
    x->usual = exec__is_usual(c);
}

/* Carry out one request: writes exactly one reply, unless the client blocks,
 * or the command's replies are messages.  row is what exec_find says of
 * argv[0]; hint is of argv[1], or NULL. */
static INLINE enum outcome exec_request(struct call *x,
                                        const struct command *row,
                                        size_t argc, const struct str *argv,
                                        const struct key_hint *hint) {
    struct client *c = x->c;

    c->commands++;
    x->lane->commands++;
    c->last_ms = x->w.now;
    exec__call(x, row, argc, argv, hint);
    if (UNLIKELY(!x->usual) || UNLIKELY(!exec__fits(row, argc)))
        return exec__unusual(x);
    c->last = row;
    return exec__run(x);
}

/* The same for a request that came by itself. */
static enum outcome exec_one(struct lane *l, struct client *c,
                             const struct command *row, size_t argc,
                             const struct str *argv,
                             const struct key_hint *hint, struct reply *r) {
    struct call x;

    exec_begin(&x, l, c, r);
    return exec_request(&x, row, argc, argv, hint);
}

/* Is the reply written since the mark to be sent?  CLIENT REPLY silences all
 * but messages; those that say who listens now are such, errors are not. */
static COLD bool exec_is_wanted(struct client *c, const struct command *row,
                                const struct reply *r, size_t mark) {
    const uint32_t listens = PUBSUB | SUBSCRIBED;
    bool wanted = client_wants_reply(c);

    return wanted || (row != NULL && (row->flags & listens) == listens &&
                      reply_begins(r, mark, r->proto == 2 ? '*' : '>'));
}

/* Carry out a command that was held back, if its client is still there. */
static COLD void exec__held(struct lane *l, struct client *c) {
    struct saved_call *s = c->held;
    struct buf out = { 0 };
    struct reply r;

    c->held = NULL;
    if (c->state == CLIENT_BLOCKED) {
        c->state = CLIENT_OPEN;
        reply_open(&r, &out, c->proto, SIZE_MAX);
        exec_one(l, c, s->row, s->argc, s->argv, NULL, &r);
        if (c->waiting == NULL && !exec_is_wanted(c, s->row, &r, 0))
            reply_cut(&r, 0);
        reply_close(&r);
        client_write(c, out.p, out.n);
        client_stir(c);
        buf_free(&out);
    }
    if ((s->row->flags & SECRET) != 0) sha256_wipe(s, s->bytes);
    free(s);
}

/* Carry out what CLIENT PAUSE held back, if it is over; in order. */
static COLD void exec_release(struct lane *l) {
    unsigned observed = atomic_load(&l->k->observed);
    struct client *c = l->held, *next;

    l->held_until = l->k->pause_until;
    if ((observed & OBSERVE_PAUSE) != 0 && l->clock.mono_us < l->held_until)
        return;
    l->held = l->held_last = NULL;
    for (; c != NULL; c = next) {
        next = c->next_held;
        c->flags &= ~(uint32_t)CLIENT_PAUSED;
        atomic_fetch_sub(&l->nblocked, 1);
        exec__held(l, c);
    }
}

/* Do a piece of work for those who ask to be let in, and carry out the command
 * of one for whom all is done. */
static COLD void exec_let_in(struct lane *l) {
    struct client *c = asking_step(l);

    if (c == NULL) return;
    /* it was counted when it came */
    l->stats[c->held->row - l->k->rows].calls--;
    l->commands--;
    c->commands--;
    exec__held(l, c);
    asking_done(l);
}
