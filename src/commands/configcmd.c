/* SPDX-License-Identifier: MIT */
/* ==== configcmd - CONFIG ===================================================
 *
 * The options themselves know how they are read and written; here they meet
 * their readers.
 *
 * floor 6 - uses: base glob buf log shard reply options option config
 *    instance world apply measure labels arg help
 */
/* What a bound client may ask for: what applications look at, and nothing
 * that names a path, an address, a secret or another namespace. */
static const char *const config_harmless[] = {
    "appendonly", "appendfsync", "client-output-buffer-limit",
    "client-query-buffer-limit", "cluster-enabled", "databases",
    "eviction-policy", "hash-max-listpack-entries", "hash-max-listpack-value",
    "hits-half-life", "hll-sparse-max-bytes", "hz", "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire", "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del", "lazyfree-lazy-user-flush", "lfu-decay-time",
    "lfu-log-factor", "list-compress-depth", "list-max-listpack-size",
    "lua-time-limit", "max-clients", "max-resp-args", "max-resp-bulk-len",
    "maxmemory-policy", "maxmemory-samples", "memory-limit",
    "notify-keyspace-events", "replica-read-only", "save",
    "set-max-intset-entries", "set-max-listpack-entries",
    "set-max-listpack-value", "slowlog-log-slower-than", "slowlog-max-len",
    "stream-node-max-bytes", "stream-node-max-entries", "tcp-keepalive",
    "timeout", "zset-max-listpack-entries", "zset-max-listpack-value",
};

static bool config__is_harmless(const struct option *row) {
    for (size_t i = 0; i < ROWS(config_harmless); i++)
        if (strcmp(row->name, config_harmless[i]) == 0) return true;
    return false;
}

/* The options as x's client may see them: those of its namespace where it
 * has such.  Copies them into *own if they differ.  NULL: no memory. */
static const struct options *config__seen(struct call *x,
                                          struct options *own) {
    const struct tenant *t;

    memset(own, 0, sizeof *own);
    if (x->w.bound.p == NULL) return &x->k->opt;
    if (!options_copy(own, &x->k->opt)) return NULL;
    t = tenant_find(&x->k->ks, x->w.bound);
    if (t == NULL) return own;
    if (t->has_limit) own->memory_limit = t->limit;
    if (t->policy != POLICY_COUNT) own->eviction_policy = (int)t->policy;
    if (t->notify >= 0) own->notify_keyspace_events = t->notify;
    return own;
}

static enum outcome cmd_config_get(struct call *x) {
    size_t n = 0, i = 0, mark;
    const struct option *row;
    const struct options *o;
    struct buf b = { 0 };
    struct options own;
    struct str name;

    o = config__seen(x, &own);
    if (o == NULL) return reply_err(x, ERR_MEMORY);
    mark = reply_map_later(x->r);
    while (options_next(&i, &name, &row)) {
        const struct str *hit = NULL;
        struct str literal;

        if (x->w.bound.p != NULL && !config__is_harmless(row)) continue;
        for (size_t j = 2; j < x->argc && hit == NULL; j++)
            if (glob_match(x->argv[j], name, true)) hit = &x->argv[j];
        if (hit == NULL) continue;
        buf_reset(&b);
        option_get(o, row, &b);
        /* a name without wildcards comes back as it was spelt */
        reply_bulk(x->r, glob_literal_prefix(*hit, &literal) ? *hit : name);
        reply_bulk(x->r, buf_str(&b));
        n++;
    }
    reply_map_set(x->r, mark, n);
    if (o == &own) options_free(&own);
    buf_free(&b);
    return DONE;
}

/* Whoever is in stays in when a password comes to be asked for. */
static void config__keep_clients(struct kvns *k) {
    for (uint32_t i = 0; i < k->nlanes; i++)
        for (struct client *c = k->lanes[i].clients; c != NULL; c = c->next)
            c->flags |= CLIENT_NAMED_AUTH;
}

/* A bound client may choose which events of its namespace are told. */
static enum outcome config__set_bound(struct call *x) {
    struct tenant *t = tenant_find(&x->k->ks, x->w.bound);
    char err[OPTION_ERR + 256];
    struct options own;
    bool ok;

    for (size_t i = 2; i < x->argc; i += 2)
        if (t == NULL || !str_is(x->argv[i], "notify-keyspace-events")) {
            reply_errorf(x->r, "NOPERM User %s may not change '%.*s'",
                         x->c->user, (int)size_min(x->argv[i].n, 128),
                         x->argv[i].p);
            return FAILED;
        }
    memset(&own, 0, sizeof own);
    if (!options_copy(&own, &x->k->opt)) return reply_err(x, ERR_MEMORY);
    ok = options_change(&own, (x->argc - 2) / 2, x->argv + 2, err, sizeof err);
    if (ok) {
        t->notify = own.notify_keyspace_events;
        apply_notify(x->k);
        reply_ok(x->r);
    } else {
        reply_errorf(x->r, "%s", err);
    }
    options_free(&own);
    return ok ? DONE : FAILED;
}

/* Would there be descriptors for the clients that this CONFIG SET wants to
 * allow?  Tries it on a copy, so that all changes or nothing does. */
static bool config__has_descriptors(struct call *x, char *err, size_t room) {
    struct options own;
    int64_t most;
    size_t at = 0;

    for (size_t i = 2; i < x->argc; i += 2)
        if (str_is(x->argv[i], "maxclients") ||
            str_is(x->argv[i], "max-clients"))
            at = i;
    if (at == 0) return true;
    memset(&own, 0, sizeof own);
    most = x->k->opt.max_clients;
    if (options_copy(&own, &x->k->opt) &&
        options_change(&own, (x->argc - 2) / 2, x->argv + 2, err, room) &&
        own.max_clients > most)
        most = apply_clients(own.max_clients);
    else most = own.max_clients;    /* what else is wrong is said later */
    snprintf(err, room, "ERR CONFIG SET failed (possibly related to argument "
                        "'%.*s') - The operating system is not able to "
                        "handle the specified number of clients, try with "
                        "%lld", (int)x->argv[at].n, x->argv[at].p,
             (long long)most);
    options_free(&own);
    return most == own.max_clients;
}

static enum outcome cmd_config_set(struct call *x) {
    struct kvns *k = x->k;
    bool open = k->opt.password.n == 0;
    size_t limit = k->ks.opt.memory_limit;
    char err[OPTION_ERR + 256];

    if (x->argc % 2 != 0) return reply_err(x, ERR_SYNTAX);
    if (x->w.bound.p != NULL) return config__set_bound(x);
    if (!config__has_descriptors(x, err, sizeof err) ||
        !options_change(&k->opt, (x->argc - 2) / 2, x->argv + 2, err,
                        sizeof err)) {
        reply_errorf(x->r, "%s", err);
        return FAILED;
    }
    apply_options(k);
    apply_log(k);
    world_wake(x->lane);
    if (k->ks.opt.memory_limit != limit)
        log_line(&k->log, KLOG_NOTICE, "memory limit %zu bytes (%s)",
                 k->ks.opt.memory_limit, k->limit_source);
    labels_fix(k);
    if (open && k->opt.password.n > 0) config__keep_clients(k);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_config_resetstat(struct call *x) {
    struct kvns *k = x->k;

    measure_reset(k);
    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        struct shard *s = k->ks.shards + i;

        shard_counted(s);
        s->hits = s->misses = s->expired = s->evicted = s->ear_evicted = 0;
        s->lazily_freed = 0;
    }
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_config_rewrite(struct call *x) {
    char err[OPTION_ERR];

    if (!config_rewrite(&x->k->opt, x->k->config_file, err)) {
        reply_errorf(x->r, "%s", err);
        return FAILED;
    }
    log_line(&x->k->log, KLOG_NOTICE, "the configuration file was rewritten");
    reply_ok(x->r);
    return DONE;
}

enum { CONFIG_FLAGS = ADMIN | NOSCRIPT | LOADING | STALE };

static const struct command config_commands[] = {
    { "config", NULL, -2, CONTAINER, 0, 0, 0, GROUP_SERVER_COMMANDS,
      SINCE(2, 0, 0), "Depends on subcommand.", "", "The server's options." },
    { "config|get", cmd_config_get, -3, CONFIG_FLAGS | SCOPED, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 0, 0), "O(N) for N options",
      "parameter [parameter ...]", "The options whose names match." },
    { "config|help", cmd_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(5, 0, 0),
      "O(1)", "", "What CONFIG can do." },
    { "config|resetstat", cmd_config_resetstat, 2, CONFIG_FLAGS | ALL_LANES,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(2, 0, 0), "O(1)", "",
      "Begins all counts of INFO anew." },
    { "config|rewrite", cmd_config_rewrite, 2, CONFIG_FLAGS | ALL_LANES,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(2, 8, 0), "O(1)", "",
      "Writes what was changed into the configuration file." },
    { "config|set", cmd_config_set, -4,
      CONFIG_FLAGS | ALL_LANES | SECRET | SCOPED, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 0, 0), "O(N) for N options",
      "parameter value [parameter value ...]",
      "Changes options while the server runs: all of them or none." },
};
