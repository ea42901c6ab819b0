/* SPDX-License-Identifier: MIT */
/* ==== server - the server as a whole, and what it is not ===================
 *
 * Commands that ask for something we do not have answer as a lone Redis does,
 * so that clients do what they do with one: no cluster, no replicas, no
 * modules.
 *
 * floor 6 - uses: base clock rand num buf log reply instance world saver
 *    client arg help
 */
static enum outcome cmd_time(struct call *x) {
    int64_t us = clock_wall_us();

    reply_array(x->r, 2);
    reply_bulk_int(x->r, us / 1000000);
    reply_bulk_int(x->r, us % 1000000);
    return DONE;
}

/* What SHUTDOWN is asked for; false: answered. */
static bool server__how_or_reply(struct call *x, enum stop_how *how,
                                 bool *abort) {
    bool save = false, nosave = false, force = false, now = false;

    *abort = false;
    for (size_t i = 1; i < x->argc; i++) {
        struct str word = x->argv[i];

        if (str_is(word, "nosave")) nosave = true;
        else if (str_is(word, "save")) save = true;
        else if (str_is(word, "now")) now = true;
        else if (str_is(word, "force")) force = true;
        else if (str_is(word, "abort")) *abort = true;
        else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    if ((save && nosave) || (*abort && (save || nosave || now || force))) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    *how = nosave ? STOP_NOSAVE : save && force ? STOP_SAVE_FORCE :
           force ? STOP_FORCE : save ? STOP_SAVE : STOP_DEFAULT;
    return true;
}

static enum outcome cmd_shutdown(struct call *x) {
    struct kvns *k = x->k;
    enum stop_how how;
    bool abort;

    if (!server__how_or_reply(x, &how, &abort)) return FAILED;
    if (abort) {
        reply_error(x->r, "ERR No shutdown in progress.");
        return FAILED;
    }
    log_line(&k->log, KLOG_NOTICE, "%s asked for a shutdown",
             x->c->addr[0] == '\0' ? "the program" : x->c->addr);
    if (!saver_last(k, how) && how != STOP_FORCE && how != STOP_SAVE_FORCE) {
        reply_error(x->r, "ERR Errors trying to SHUTDOWN. Check logs.");
        return FAILED;
    }
    atomic_store(&k->stop_how, (int)how);
    atomic_store(&k->stop, true);
    world_wake(x->lane);
    client_close(x->c);
    return DONE;
}

static enum outcome cmd_role(struct call *x) {
    reply_array(x->r, 3);
    reply_bulk(x->r, STR("master"));
    reply_int(x->r, 0);
    reply_array(x->r, 0);
    return DONE;
}

/* There are no replicas, so none will ever have acknowledged anything. */
static enum outcome cmd_wait(struct call *x) {
    int64_t replicas, timeout;

    if (!arg_int_or_reply(x, 1, &replicas)) return FAILED;
    if (!num_parse_int(x->argv[2], &timeout)) {
        reply_error(x->r, "ERR timeout is not an integer or out of range");
        return FAILED;
    }
    if (timeout < 0) {
        reply_error(x->r, "ERR timeout is negative");
        return FAILED;
    }
    reply_int(x->r, 0);
    return DONE;
}

static enum outcome cmd_no_cluster(struct call *x) {
    reply_error(x->r, "ERR This instance has cluster support disabled");
    return FAILED;
}

/* What CLUSTER of 7.0 knows, and with how many arguments. */
static const struct {
    const char *name;
    int arity;
} server_cluster[] = {
    { "addslots", -3 }, { "addslotsrange", -4 }, { "bumpepoch", 2 },
    { "count-failure-reports", 3 }, { "countkeysinslot", 3 },
    { "delslots", -3 }, { "delslotsrange", -4 }, { "failover", -2 },
    { "flushslots", 2 }, { "forget", 3 }, { "getkeysinslot", 4 },
    { "help", 2 }, { "info", 2 }, { "keyslot", 3 }, { "links", 2 },
    { "meet", -4 }, { "myid", 2 }, { "nodes", 2 }, { "replicas", 3 },
    { "replicate", 3 }, { "reset", -2 }, { "saveconfig", 2 },
    { "set-config-epoch", 3 }, { "setslot", -4 }, { "shards", 2 },
    { "slaves", 3 }, { "slots", 2 }
};

/* Refused; but who mistypes is told of that. */
static enum outcome cmd_cluster(struct call *x) {
    for (size_t i = 0; i < ROWS(server_cluster); i++) {
        int n = server_cluster[i].arity;

        if (!str_is(x->argv[1], server_cluster[i].name)) continue;
        if (n > 0 ? x->argc == (size_t)n : x->argc >= (size_t)-n)
            return cmd_no_cluster(x);
        reply_errorf(x->r, "ERR wrong number of arguments for 'cluster|%s' "
                           "command", server_cluster[i].name);
        return FAILED;
    }
    reply_errorf(x->r, "ERR unknown subcommand '%.*s'. Try CLUSTER HELP.",
                 (int)size_min(x->argv[1].n, 128), x->argv[1].p);
    return FAILED;
}

static enum outcome cmd_replicaof(struct call *x) {
    if (!str_is(x->argv[1], "no") || !str_is(x->argv[2], "one")) {
        reply_error(x->r, "ERR this server cannot be a replica");
        return FAILED;
    }
    reply_ok(x->r);
    return DONE;
}

/* There is nobody to take over: what Redis says to those who ask for it. */
static enum outcome cmd_failover(struct call *x) {
    bool abort = x->argc == 2 && str_is(x->argv[1], "abort");
    int64_t n;

    for (size_t i = 1; i < x->argc && !abort; i++) {
        size_t left = x->argc - i - 1;

        if (str_is(x->argv[i], "timeout") && left >= 1) {
            if (!arg_int_or_reply(x, ++i, &n)) return FAILED;
            if (n <= 0) {
                reply_error(x->r, "ERR FAILOVER timeout must be greater than "
                                  "0");
                return FAILED;
            }
        } else if (str_is(x->argv[i], "to") && left >= 2) {
            i += 2;
            if (!arg_int_or_reply(x, i, &n)) return FAILED;
        } else if (!str_is(x->argv[i], "force")) {
            return reply_err(x, ERR_SYNTAX);
        }
    }
    reply_error(x->r, abort ? "ERR No failover in progress." :
                              "ERR FAILOVER requires connected replicas.");
    return FAILED;
}

/* A maze, another one each time; VERSION says nothing to us. */
static enum outcome cmd_lolwut(struct call *x) {
    struct buf b = { 0 };
    struct rand r;
    int64_t version;

    if (x->argc > 2 && str_is(x->argv[1], "version") &&
        !arg_int_or_reply(x, 2, &version))
        return FAILED;
    rand_seed(&r);
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 40; k++)
            buf_put_char(&b, rand_below(&r, 2) == 0 ? '/' : '\\');
        buf_put_char(&b, '\n');
    }
    buf_printf(&b, "kvns %s, as Redis ver. %s\n", KVNS_VERSION,
               KVNS_REDIS_VERSION);
    if (b.failed) reply_err(x, ERR_MEMORY);
    else reply_verbatim(x->r, buf_str(&b), "txt");
    buf_free(&b);
    return DONE;
}

static enum outcome cmd_module_list(struct call *x) {
    reply_array(x->r, 0);
    return DONE;
}

static enum outcome cmd_bgrewriteaof(struct call *x) {
    reply_error(x->r, "ERR there is no append-only file");
    return FAILED;
}

static const struct command server_commands[] = {
    { "asking", cmd_no_cluster, 1, FAST, 0, 0, 0, GROUP_CLUSTER, SINCE(3, 0, 0),
      "O(1)", "", "Refused: there is no cluster." },
    { "bgrewriteaof", cmd_bgrewriteaof, 1, ADMIN | NOSCRIPT | UNBOUND,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(1)", "",
      "Refused: there is no append-only file." },
    { "cluster", cmd_cluster, -2, 0, 0, 0, 0,
      GROUP_CLUSTER, SINCE(3, 0, 0),
      "O(1)", "", "Refused: there is no cluster." },
    { "failover", cmd_failover, -1, ADMIN | NOSCRIPT | STALE | UNBOUND,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(6, 2, 0), "O(1)",
      "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",
      "Refused: there are no replicas." },
    { "lolwut", cmd_lolwut, -1, READONLY | FAST, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(5, 0, 0), "O(1)", "[VERSION version]",
      "A picture, and the version." },
    { "module", NULL, -2, CONTAINER, 0, 0, 0, GROUP_SERVER_COMMANDS,
      SINCE(4, 0, 0), "Depends on subcommand.", "", "About modules." },
    { "module|help", cmd_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(5, 0, 0),
      "O(1)", "", "What MODULE can do." },
    { "module|list", cmd_module_list, 2, ADMIN | NOSCRIPT | SCOPED, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(4, 0, 0),
      "O(1)", "", "None: there are none." },
    { "readonly", cmd_no_cluster, 1, FAST | LOADING | STALE, 0, 0, 0,
      GROUP_CLUSTER, SINCE(3, 0, 0),
      "O(1)", "", "Refused: there is no cluster." },
    { "readwrite", cmd_no_cluster, 1, FAST | LOADING | STALE, 0, 0, 0,
      GROUP_CLUSTER, SINCE(3, 0, 0),
      "O(1)", "", "Refused: there is no cluster." },
    { "replicaof", cmd_replicaof, 3, ADMIN | NOSCRIPT | STALE | UNBOUND,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(5, 0, 0), "O(1)",
      "<host port | NO ONE>", "Refused, but for NO ONE." },
    { "role", cmd_role, 1, NOSCRIPT | LOADING | STALE | FAST, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 8, 12), "O(1)", "",
      "The part played in replication: always a master without replicas." },
    { "shutdown", cmd_shutdown, -1, ADMIN | NOSCRIPT | LOADING | STALE |
      NO_MULTI | BARRIER | UNBOUND | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(N) when saving",
      "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
      "Ends the server, after a last snapshot if there are any." },
    { "slaveof", cmd_replicaof, 3, ADMIN | NOSCRIPT | STALE | UNBOUND,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(1)",
      "<host port | NO ONE>", "REPLICAOF under its old name." },
    { "time", cmd_time, 1, LOADING | STALE | FAST, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 6, 0), "O(1)", "",
      "The time: seconds since 1970, microseconds." },
    { "wait", cmd_wait, 3, NOSCRIPT, 0, 0, 0, GROUP_KEY, SINCE(3, 0, 0), "O(1)",
      "numreplicas timeout",
      "How many replicas have all changes: none, there being none." },
};
