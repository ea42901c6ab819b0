/* SPDX-License-Identifier: MIT */
/* ==== tx - MULTI, EXEC, WATCH ==============================================
 *
 * EXEC is the one command that carries out others: it locks the shards of all
 * of them at once, so a transaction is as atomic as a single command.
 *
 * floor 7 - uses: base shard reply instance world client monitor track watch
 *    arg call settle admit exec
 */
static enum outcome cmd_multi(struct call *x) {
    if ((x->c->flags & CLIENT_MULTI) != 0) {
        reply_error(x->r, "ERR MULTI calls can not be nested");
        return FAILED;
    }
    x->c->flags |= CLIENT_MULTI;
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_discard(struct call *x) {
    if ((x->c->flags & CLIENT_MULTI) == 0) {
        reply_error(x->r, "ERR DISCARD without MULTI");
        return FAILED;
    }
    client_discard(x->c);
    watch_clear(x->c, false);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_watch(struct call *x) {
    if ((x->c->flags & CLIENT_MULTI) != 0) {
        reply_error(x->r, "ERR WATCH inside MULTI is not allowed");
        return FAILED;
    }
    if (!atomic_load(&x->c->touched))
        for (size_t i = 1; i < x->argc; i++)
            if (!watch_add(x, x->argv[i])) return reply_err(x, ERR_MEMORY);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_unwatch(struct call *x) {
    watch_clear(x->c, x->no_block);
    reply_ok(x->r);
    return DONE;
}

/* Run the queue; all its shards, and those of watched keys, are locked. */
static void tx__run(struct call *x) {
    struct client *c = x->c;
    bool watched = atomic_load(&x->k->observed) >= OBSERVE_MONITOR;
    size_t n = c->queued;
    struct command_stat *st;

    reply_array(x->r, n);
    for (struct saved_call *s = c->queue; s != NULL; s = s->next) {
        struct call y;

        call_single(&y, x->lane, c, x->r, s);
        y.no_block = true;
        call_own(&y);
        x->r->proto = c->proto;
        st = exec__stats(&y);
        if (exec__timed(&y, st, s->row->run) == FAILED)
            call_failed(x->lane, st, x->r, false);
        x->lane->commands++;
        if (y.w.who != 0) exec__note(&y);
        if (watched) monitor_feed(&y);
        x->w.news = x->w.news || y.w.news;
    }
}

/* Is there memory for a queued command?  Where not, the transaction is over,
 * and answered. */
static bool tx__admit_or_reply(struct call *x, const struct saved_call *s) {
    size_t mark = reply_mark(x->r);
    char why[128];
    struct call y;
    size_t n;

    if ((s->row->flags & GROWS) == 0) return true;
    call_single(&y, x->lane, x->c, x->r, s);
    if (admit_or_reply(&y)) return true;
    client_discard(x->c);
    watch_clear(x->c, false);
    if (x->r->failed) return false;
    /* its error, between - and the line's end, says why */
    n = size_min(reply_mark(x->r) - mark - 3, sizeof why);
    memcpy(why, x->r->p - (reply_mark(x->r) - mark) + 1, n);
    reply_cut(x->r, mark);
    reply_errorf(x->r, "EXECABORT Transaction discarded because of: %.*s",
                 (int)n, why);
    return false;
}

static enum outcome cmd_exec(struct call *x) {
    struct client *c = x->c;
    struct keyspace *ks = x->w.ks;
    uint64_t set[CALL_SHARDS / 64];
    bool dead, rest = false;

    if ((c->flags & CLIENT_MULTI) == 0) {
        reply_error(x->r, "ERR EXEC without MULTI");
        return FAILED;
    }
    if ((c->flags & CLIENT_SPOILT) != 0) {
        client_discard(c);
        watch_clear(c, false);
        reply_error(x->r, "EXECABORT Transaction discarded because of "
                          "previous errors.");
        return FAILED;
    }
    for (struct saved_call *s = c->queue; s != NULL; s = s->next)
        if (!tx__admit_or_reply(x, s)) return FAILED;
    memset(set, 0, sizeof set);
    for (struct saved_call *s = c->queue; s != NULL; s = s->next) {
        call_shards(&x->w, s->row, s->argc, s->argv, set);
        rest = rest || (s->row->flags & ALL_LANES) != 0;
    }
    for (struct watch *w = c->watches; w != NULL; w = w->next)
        set[w->shard->id / 64] |= UINT64_C(1) << w->shard->id % 64;
    if (rest) world_stop(x->lane);
    shards_lock(ks, set);
    dead = atomic_load(&c->touched);
    for (struct watch *w = c->watches; w != NULL && !dead; w = w->next)
        dead = watch_is_dead(&x->w, w);
    watch_clear(c, true);
    if (dead) {
        reply_null_array(x->r);
    } else {
        c->flags &= ~(uint32_t)CLIENT_MULTI;
        tx__run(x);
    }
    shards_unlock(ks, set);
    if (rest) world_go(x->lane);
    client_discard(c);
    if (x->w.news) settle_set(x->lane, set);
    x->w.news = false;
    if (x->w.who != 0) track_limit(x->lane);
    return DONE;
}

static const struct command tx_commands[] = {
    { "discard", cmd_discard, 1,
      NOSCRIPT | LOADING | STALE | FAST | TRANSACTION | BARRIER, 0, 0, 0,
      GROUP_TX, SINCE(2, 0, 0), "O(N) for N commands", "",
      "Forgets the commands collected since MULTI." },
    { "exec", cmd_exec, 1,
      NOSCRIPT | LOADING | STALE | TRANSACTION | BARRIER, 0, 0, 0,
      GROUP_TX, SINCE(1, 2, 0), "that of its commands", "",
      "Carries out the commands collected since MULTI, all at one moment." },
    { "multi", cmd_multi, 1,
      NOSCRIPT | LOADING | STALE | FAST | TRANSACTION | BARRIER, 0, 0, 0,
      GROUP_TX, SINCE(1, 2, 0), "O(1)", "",
      "Begins to collect commands for EXEC." },
    { "unwatch", cmd_unwatch, 1, NOSCRIPT | LOADING | STALE | FAST | BARRIER,
      0, 0, 0, GROUP_TX, SINCE(2, 2, 0),
      "O(1)", "", "Watches no key any more." },
    { "watch", cmd_watch, -2,
      NOSCRIPT | LOADING | STALE | FAST | TRANSACTION | BARRIER, 1, -1, 1,
      GROUP_TX, SINCE(2, 2, 0), "O(N) for N keys", "key [key ...]",
      "Lets EXEC do nothing if one of these keys changes before it." },
};
