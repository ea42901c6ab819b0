/* ==== configcmd - CONFIG ===================================================
 *
 * The options themselves know how they are read and written; here they meet
 * their readers.
 *
 * floor 6 - uses: base glob buf log shard reply options option config instance
 *   apply measure arg help
 */
static enum outcome cmd_config_get(struct call *x) {
    size_t n = 0, i = 0, mark = reply_map_later(x->r);
    const struct option *row;
    struct buf b = { 0 };
    struct str name;

    while (options_next(&i, &name, &row)) {
        const struct str *hit = NULL;
        struct str literal;

        for (size_t j = 2; j < x->argc && hit == NULL; j++)
            if (glob_match(x->argv[j], name, true)) hit = &x->argv[j];
        if (hit == NULL) continue;
        buf_reset(&b);
        option_get(&x->k->opt, row, &b);
        /* a name without wildcards comes back as it was spelt */
        reply_bulk(x->r, glob_literal_prefix(*hit, &literal) ? *hit : name);
        reply_bulk(x->r, buf_str(&b));
        n++;
    }
    reply_map_set(x->r, mark, n);
    buf_free(&b);
    return DONE;
}

/* Whoever is in stays in when a password comes to be asked for. */
static void config__keep_clients(struct kvns *k) {
    for (uint32_t i = 0; i < k->nlanes; i++)
        for (struct client *c = k->lanes[i].clients; c != NULL; c = c->next)
            c->flags |= CLIENT_NAMED_AUTH;
}

static enum outcome cmd_config_set(struct call *x) {
    struct kvns *k = x->k;
    bool open = k->opt.password.n == 0;
    char err[OPTION_ERR + 256];

    if (x->argc % 2 != 0) return reply_err(x, ERR_SYNTAX);
    if (!options_change(&k->opt, (x->argc - 2) / 2, x->argv + 2, err,
                        sizeof err)) {
        reply_errorf(x->r, "%s", err);
        return FAILED;
    }
    apply_options(k);
    apply_log(k);
    if (open && k->opt.password.n > 0) config__keep_clients(k);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_config_resetstat(struct call *x) {
    struct kvns *k = x->k;

    measure_reset(k);
    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        struct shard *s = k->ks.shards + i;

        s->hits = s->misses = s->expired = s->evicted = s->ear_evicted = 0;
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

enum { CONFIG_FLAGS = ADMIN | NOSCRIPT | LOADING | STALE | UNBOUND };

static const struct command config_commands[] = {
    { "config", NULL, -2, CONTAINER | UNBOUND, 0, 0, 0, GROUP_SERVER_COMMANDS,
      "2.0.0", "Depends on subcommand.", "", "The server's options." },
    { "config|get", cmd_config_get, -3, CONFIG_FLAGS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "2.0.0", "O(N) for N options",
      "parameter [parameter ...]", "The options whose names match." },
    { "config|help", cmd_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "5.0.0", "O(1)", "", "What CONFIG can do." },
    { "config|resetstat", cmd_config_resetstat, 2, CONFIG_FLAGS | ALL_LANES,
      0, 0, 0, GROUP_SERVER_COMMANDS, "2.0.0", "O(1)", "",
      "Begins all counts of INFO anew." },
    { "config|rewrite", cmd_config_rewrite, 2, CONFIG_FLAGS | ALL_LANES,
      0, 0, 0, GROUP_SERVER_COMMANDS, "2.8.0", "O(1)", "",
      "Writes what was changed into the configuration file." },
    { "config|set", cmd_config_set, -4, CONFIG_FLAGS | ALL_LANES | SECRET,
      0, 0, 0, GROUP_SERVER_COMMANDS, "2.0.0", "O(N) for N options",
      "parameter value [parameter value ...]",
      "Changes options while the server runs: all of them or none." },
};
