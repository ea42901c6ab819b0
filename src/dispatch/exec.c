/* SPDX-License-Identifier: MIT */
/* ==== exec - the one place where commands are carried out ==================
 *
 * From a request to its reply:
 *
 *   find the row -> arity, auth, MULTI's queue, subscribed, loading
 *     -> admit: is there memory, or can it be made -> lock the keys' shards
 *       -> run the handler -> unlock
 *         -> settle: tell of events, wake those who waited for data
 *
 * A row says where its keys are; their shards are locked in ascending order,
 * so every command is atomic and nobody waits in a circle.  EXEC locks the
 * shards of all its commands.  Who has several short requests of one key each
 * at hand may lock the shards of the next few beforehand, if nobody has them
 * (exec_may_hold, hold): these run at once, and what else comes lets go first.
 *
 * floor 7 - uses: base buf sha256 shard reply instance world client asking
 *    measure labels slow monitor track watch arg call settle admit
 */

static void exec__note_key(void *ctx, size_t i) {
    struct call *x = ctx;
    struct str key = x->argv[i], ns, local;
    struct keyref ref;
    bool alias, fresh;

    key_split(&x->w, key, &ns, &local);
    alias = x->w.bound.p == NULL && ns.p == NULL && local.n < key.n &&
            !key_needs_prefix(true, local);
    fresh = track_note(x->c, ns, local, alias);
    key_home(&x->w, key, &ref);
    if (ref.shard->touched.n > 0)
        shard_touched_read(ref.shard, x->w.who,
                           fresh ? READ_FIRST : READ_AGAIN, ns, local);
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
    row_keys(x->row, x->argc, x->argv, exec__note_key, x);
}

/* Run a handler under the locks of its keys. */
static inline enum outcome exec__locked(struct call *x) {
    struct keyspace *ks = x->w.ks;
    const struct command *row = x->row;
    enum outcome what;

    if (LIKELY(!ks->threads)) return row->run(x);
    if (hold_has(&x->lane->hold, x->w.hint)) return row->run(x);
    VERIFY(x->lane->hold.n == 0);   /* nobody waits who holds */
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
        uint64_t set[CALL_SHARDS / 64];

        memset(set, 0, (ks->nshards + 63) / 64 * sizeof *set);
        call_shards(&x->w, row, x->argc, x->argv, set);
        shards_lock(ks, set);
        what = row->run(x);
        shards_unlock(ks, set);
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
    ns = measure_alone(x->lane, st, begun);     /* not yet, for INFO itself */
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
        !admit_or_reply(x)) {
        call_failed(l, st, x->r, true);
        return FAILED;
    }
    if (LIKELY((row->flags & (FAST | SHORT)) != 0) &&
        LIKELY(measure_share(l, st))) {
        what = LIKELY(!x->w.ks->threads) ? row->run(x) : exec__locked(x);
    } else {
        what = exec__timed(x, st, exec__locked);
    }
    if (UNLIKELY(what == FAILED)) call_failed(l, st, x->r, false);
    if (UNLIKELY(x->w.news)) {
        hold_release(&l->hold); /* it may need other locks */
        settle_call(x);
    }
    return what;
}

/* Run a handler that only reads, and remember what, under the same locks. */
static enum outcome exec__noting(struct call *x) {
    struct keyspace *ks = x->w.ks;
    uint64_t set[CALL_SHARDS / 64];
    enum outcome what;

    memset(set, 0, sizeof set);
    call_shards(&x->w, x->row, x->argc, x->argv, set);
    shards_lock(ks, set);
    what = x->row->run(x);
    exec__note(x);
    shards_unlock(ks, set);
    return what;
}

/* The same as exec__run, for a client that tracks keys. */
static COLD enum outcome exec__run_tracking(struct call *x) {
    struct command_stat *st = exec__stats(x);
    enum outcome what;

    call_own(x);
    if ((x->row->flags & READONLY) == 0 || (x->row->flags & ALL_LANES) != 0)
        return exec__run(x);
    what = exec__timed(x, st, exec__noting);
    if (what == FAILED) call_failed(x->lane, st, x->r, false);
    if (x->w.news) settle_call(x);
    track_limit(x->lane);
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
        sub = row_find_sub(k, cmd, argv[1]);
        if (sub == NULL) {
            char name[128];
            size_t n;

            for (n = 0; n < sizeof name - 1 && n < argv[0].n; n++)
                name[n] = (char)toupper((unsigned char)argv[0].p[n]);
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
    if ((x->row->flags & GROWS) != 0 && !admit_or_reply(x)) {
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

/* Is there nothing about a client but these flags, nor about what the server
 * does just now, for which each request would have to be looked at closer?
 * What changes that is a barrier, or is done with the world at rest. */
static bool exec_is_usual(const struct client *c, unsigned but) {
    const struct kvns *k = c->lane->k;
    const unsigned odd = (CLIENT_MULTI | CLIENT_TRACKING | CLIENT_NO_TOUCH |
                          CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP |
                          CLIENT_REPLY_SKIPPING | CLIENT_EMBEDDED) & ~but;
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

/* May a usual client's request run while the shards of others are locked
 * beside its own?  Its one key is all that it touches, memory is not looked for
 * before it, and it does not take long. */
static inline bool exec_may_hold(const struct lane *l,
                                 const struct command *row, size_t argc) {
    const uint32_t not = MOVABLE | ALL_SHARDS | ALL_LANES | BLOCKING | PUBSUB;

    return exec__fits(row, argc) && row->first == 1 && row->last == 1 &&
           (row->flags & (FAST | SHORT)) != 0 && (row->flags & not) == 0 &&
           ((row->flags & GROWS) == 0 || l->roomy);
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
        else call_failed(l, l->stats + (x->row - l->k->rows), x->r, true);
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
    call_prepare(x, l, c, r);
    x->usual = exec_is_usual(c, 0);
}

/* Carry out one request: writes exactly one reply, unless the client blocks,
 * or the command's replies are messages.  row is what row_find says of
 * argv[0]; hint is of argv[1], or NULL. */
static INLINE enum outcome exec_request(struct call *x,
                                        const struct command *row,
                                        size_t argc, const struct str *argv,
                                        const struct key_hint *hint) {
    struct client *c = x->c;

    c->commands++;
    x->lane->commands++;
    c->last_ms = x->w.now;
    call_next(x, row, argc, argv, hint);
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
        measure_open(l);
        exec_one(l, c, s->row, s->argc, s->argv, NULL, &r);
        measure_close(l);
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
