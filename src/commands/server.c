/* ==== server - commands on the connection and the server ===================
 *
 * floor 6 - uses: base clock num glob buf sha256 shard reply options option instance client pubsub watch arg
 */
static enum outcome cmd_ping(struct call *x) {
    struct client *c = x->c;

    if (x->argc > 2) return reply_arity(x);
    if (c->proto == 2 && c->channels + c->patterns + c->shard_channels > 0) {
        reply_array(x->r, 2);
        reply_bulk(x->r, STR("pong"));
        reply_bulk(x->r, x->argc == 2 ? x->argv[1] : STR(""));
    } else if (x->argc == 2) {
        reply_bulk(x->r, x->argv[1]);
    } else {
        reply_pong(x->r);
    }
    return DONE;
}

static enum outcome cmd_echo(struct call *x) {
    reply_bulk(x->r, x->argv[1]);
    return DONE;
}

static enum outcome cmd_quit(struct call *x) {
    reply_ok(x->r);
    x->c->state = CLIENT_CLOSING;
    return DONE;
}

static enum outcome cmd_select(struct call *x) {
    int64_t n;

    if (!num_parse_int(x->argv[1], &n)) {
        reply_error(x->r, "ERR invalid DB index");
        return FAILED;
    }
    if (n < 0 || n >= (int64_t)x->k->ks.opt.databases)
        return reply_err(x, ERR_DB_RANGE);
    x->c->db = (int)n;
    reply_ok(x->r);
    return DONE;
}

/* Check a name and password; answers where they are wrong. */
static bool server_auth_or_reply(struct call *x, struct str user,
                                 struct str password) {
    struct str want = x->k->opt.password;
    unsigned char a[32], b[32];

    sha256_of(password.p, password.n, a);
    sha256_of(want.p, want.n, b);
    if (!str_is(user, "default") ||
        (want.n > 0 && !sha256_same(a, b, sizeof a))) {
        reply_error(x->r, "WRONGPASS invalid username-password pair or user "
                          "is disabled.");
        return false;
    }
    x->c->flags |= CLIENT_NAMED_AUTH;
    return true;
}

static enum outcome cmd_auth(struct call *x) {
    struct str user = STR("default");

    if (x->argc > 3) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 2 && x->k->opt.password.n == 0) {
        reply_error(x->r, "ERR AUTH <password> called without any password "
                          "configured for the default user. Are you sure "
                          "your configuration is correct?");
        return FAILED;
    }
    if (x->argc == 3) user = x->argv[1];
    if (!server_auth_or_reply(x, user, x->argv[x->argc - 1])) return FAILED;
    reply_ok(x->r);
    return DONE;
}

/* May a client be called so? */
static bool server_name_is_good(struct str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '!' || s.p[i] > '~') return false;
    return true;
}

static enum outcome cmd_hello(struct call *x) {
    struct client *c = x->c;
    int64_t proto = c->proto;
    size_t i = 1;

    if (x->argc > 1) {
        if (!num_parse_int(x->argv[1], &proto)) {
            reply_error(x->r, "ERR Protocol version is not an integer or out "
                              "of range");
            return FAILED;
        }
        if (proto < 2 || proto > 3) {
            reply_error(x->r, "NOPROTO unsupported protocol version");
            return FAILED;
        }
        i = 2;
    }
    for (; i < x->argc; i++) {
        size_t more = x->argc - 1 - i;

        if (str_is(x->argv[i], "auth") && more >= 2) {
            if (!server_auth_or_reply(x, x->argv[i + 1], x->argv[i + 2]))
                return FAILED;
            i += 2;
        } else if (str_is(x->argv[i], "setname") && more >= 1) {
            if (!server_name_is_good(x->argv[++i])) {
                reply_error(x->r, "ERR Client names cannot contain spaces, "
                                  "newlines or special characters.");
                return FAILED;
            }
            if (!client_set_text(&c->name, x->argv[i]))
                return reply_err(x, ERR_MEMORY);
        } else {
            char shown[128];

            snprintf(shown, sizeof shown, "%.*s",
                     (int)size_min(127, x->argv[i].n), x->argv[i].p);
            reply_errorf(x->r, "ERR Syntax error in HELLO option '%s'", shown);
            return FAILED;
        }
    }
    if (x->k->opt.password.n > 0 && (c->flags & CLIENT_NAMED_AUTH) == 0) {
        reply_error(x->r, "NOAUTH HELLO must be called with the client "
                          "already authenticated, otherwise the HELLO "
                          "<proto> AUTH <user> <pass> option can be used to "
                          "authenticate the client and select the RESP "
                          "protocol version at the same time");
        return FAILED;
    }
    c->proto = x->r->proto = (uint8_t)proto;
    pubsub_set_proto(c);
    reply_map(x->r, 7);
    reply_bulk(x->r, STR("server"));
    reply_bulk(x->r, STR("redis"));
    reply_bulk(x->r, STR("version"));
    reply_bulk(x->r, STR(KVNS_REDIS_VERSION));
    reply_bulk(x->r, STR("proto"));
    reply_int(x->r, proto);
    reply_bulk(x->r, STR("id"));
    reply_int(x->r, (int64_t)c->id);
    reply_bulk(x->r, STR("mode"));
    reply_bulk(x->r, STR("standalone"));
    reply_bulk(x->r, STR("role"));
    reply_bulk(x->r, STR("master"));
    reply_bulk(x->r, STR("modules"));
    reply_array(x->r, 0);
    return DONE;
}

static enum outcome cmd_time(struct call *x) {
    int64_t us = clock_wall_us();

    reply_array(x->r, 2);
    reply_bulk_int(x->r, us / 1000000);
    reply_bulk_int(x->r, us % 1000000);
    return DONE;
}

static enum outcome cmd_config_get(struct call *x) {
    size_t n = 0, i = 0, mark = reply_map_later(x->r);
    const struct option *row;
    struct buf b = { 0 };
    struct str name;

    while (options_next(&i, &name, &row)) {
        bool hit = false;

        for (size_t j = 2; j < x->argc && !hit; j++)
            hit = glob_match(x->argv[j], name, true);
        if (!hit) continue;
        buf_reset(&b);
        option_get(&x->k->opt, row, &b);
        reply_bulk(x->r, name);
        reply_bulk(x->r, str_of(b.p, b.n));
        n++;
    }
    reply_map_set(x->r, mark, n);
    buf_free(&b);
    return DONE;
}

static enum outcome cmd_bgsave(struct call *x) {
    if (x->k->opt.persist_path.n == 0) {
        reply_error(x->r, "ERR no persist-path is set");
        return FAILED;
    }
    if (atomic_exchange(&x->k->save_wanted, true) || x->k->persist.saving) {
        reply_error(x->r, "ERR Background save already in progress");
        return FAILED;
    }
    reply_simple(x->r, STR("Background saving started"));
    return DONE;
}

static enum outcome cmd_lastsave(struct call *x) {
    reply_int(x->r, x->k->persist.last_ms / 1000);
    return DONE;
}

static enum outcome cmd_info(struct call *x) {
    struct buf b = { 0 };
    struct kvns *k = x->k;

    buf_printf(&b, "# Server\r\nredis_version:%s\r\nkvns_version:%s\r\n"
                   "redis_mode:standalone\r\nprocess_id:%ld\r\n"
                   "run_id:%s\r\ntcp_port:%d\r\n\r\n",
               KVNS_REDIS_VERSION, KVNS_VERSION, (long)getpid(), k->run_id,
               (int)k->opt.port);
    buf_printf(&b, "# Clients\r\nconnected_clients:%u\r\n"
                   "blocked_clients:%llu\r\n\r\n",
               (unsigned)atomic_load(&k->nclients),
               (unsigned long long)x->lane->nblocked);
    buf_printf(&b, "# Memory\r\nused_memory:%zu\r\n\r\n",
               keyspace_bytes(&k->ks));
    buf_printf(&b, "# Persistence\r\nloading:%d\r\n"
                   "rdb_bgsave_in_progress:%d\r\nrdb_last_save_time:%lld\r\n"
                   "rdb_last_bgsave_status:%s\r\n\r\n",
               (int)atomic_load(&k->loading),
               (int)(k->persist.saving || atomic_load(&k->save_wanted)),
               (long long)k->persist.last_ms / 1000,
               k->persist.last_ok ? "ok" : "err");
    buf_printf(&b, "# Keyspace\r\n");
    for (uint32_t d = 0; d < k->ks.opt.databases; d++) {
        size_t keys = 0, expiring = 0;

        for (uint32_t i = 0; i < k->ks.nshards; i++) {
            keys += k->ks.shards[i].dbs[d]->keys;
            expiring += k->ks.shards[i].dbs[d]->expiring;
        }
        if (keys > 0)
            buf_printf(&b, "db%u:keys=%zu,expires=%zu,avg_ttl=0\r\n", d, keys,
                       expiring);
    }
    reply_verbatim(x->r, str_of(b.p, b.n), "txt");
    buf_free(&b);
    return DONE;
}

static enum outcome cmd_command_count(struct call *x) {
    size_t n = 0;

    for (size_t i = 0; i < x->k->nrows; i++)
        n += strchr(x->k->rows[i].name, '|') == NULL;
    reply_int(x->r, (int64_t)n);
    return DONE;
}

static const struct command server_commands[] = {
    { "auth", cmd_auth, -2, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH |
      BARRIER | SECRET, 0, 0, 0, GROUP_CONNECTION_COMMANDS,
      "1.0.0", "O(1)", "[username] password", "Says who the client is." },
    { "bgsave", cmd_bgsave, -1, ADMIN | NOSCRIPT | BARRIER, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "1.0.0", "O(1)", "[SCHEDULE]",
      "Begins a snapshot; answers at once." },
    { "command", NULL, -2, LOADING | STALE | CONTAINER, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "2.8.13", "O(N) for N commands", "",
      "What commands there are." },
    { "command|count", cmd_command_count, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "2.8.13", "O(1)", "", "How many there are." },
    { "config", NULL, -2, ADMIN | NOSCRIPT | LOADING | STALE | CONTAINER,
      0, 0, 0, GROUP_SERVER_COMMANDS, "2.0.0", "see its subcommands", "",
      "The server's options." },
    { "config|get", cmd_config_get, -3, ADMIN | NOSCRIPT | LOADING | STALE,
      0, 0, 0, GROUP_SERVER_COMMANDS, "2.0.0", "O(N) for N options",
      "parameter [parameter ...]", "The options whose names match." },
    { "echo", cmd_echo, 2, LOADING | STALE | FAST, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, "1.0.0", "O(1)", "message",
      "Answers the message." },
    { "hello", cmd_hello, -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH |
      BARRIER | SECRET, 0, 0, 0, GROUP_CONNECTION_COMMANDS, "6.0.0", "O(1)",
      "[protover [AUTH username password] [SETNAME clientname]]",
      "Selects the protocol; answers who the server is." },
    { "info", cmd_info, -1, LOADING | STALE | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "1.0.0", "O(1)", "[section [section ...]]",
      "How the server is." },
    { "lastsave", cmd_lastsave, 1, LOADING | STALE | FAST, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "1.0.0", "O(1)", "",
      "When the last snapshot was finished." },
    { "ping", cmd_ping, -1, LOADING | STALE | FAST | SUBSCRIBED, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, "1.0.0", "O(1)", "[message]",
      "Answers PONG, or the message." },
    { "quit", cmd_quit, -1, LOADING | STALE | FAST | NO_AUTH | SUBSCRIBED |
      BARRIER | NOSCRIPT, 0, 0, 0, GROUP_CONNECTION_COMMANDS, "1.0.0",
      "O(1)", "", "Closes the connection." },
    { "select", cmd_select, 2, LOADING | STALE | FAST | BARRIER, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, "1.0.0", "O(1)", "index",
      "Selects the database of the connection." },
    { "time", cmd_time, 1, LOADING | STALE | FAST, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "2.6.0", "O(1)", "",
      "The time: seconds since 1970, microseconds." },
};
