/* SPDX-License-Identifier: MIT */
/* ==== sync - a snapshot for a client ======================================
 *
 * What `redis-cli --rdb` and tools like it ask for: SYNC or PSYNC, answered
 * with a snapshot of this moment or a little later, and the end of the
 * connection.  There is no replication: who says that it is a replica is
 * refused, since it would wait for changes that never come.
 *
 *   client: REPLCONF capa eof      server: +OK
 *           SYNC                           $EOF:<mark> CRLF, RDB, <mark>
 *
 * floor 6 - uses: base reply instance client arg
 */
static enum outcome cmd_replconf(struct call *x) {
    struct client *c = x->c;

    if (x->argc % 2 == 0) return reply_err(x, ERR_SYNTAX);
    for (size_t i = 1; i < x->argc; i += 2) {
        struct str name = x->argv[i], value = x->argv[i + 1];

        if (str_is(name, "capa")) {
            if (str_is(value, "eof")) c->flags |= CLIENT_TAKES_EOF;
        } else if (str_is(name, "listening-port") ||
                   str_is(name, "ip-address")) {
            c->flags |= CLIENT_REPLICA;
        } else if (str_is(name, "rdb-filter-only") && value.n > 0) {
            reply_error(x->r, "ERR a snapshot has all there is: nothing is "
                              "filtered");
            return FAILED;
        } else if (!str_is(name, "rdb-only") && !str_is(name, "ack") &&
                   !str_is(name, "rdb-filter-only") &&
                   !str_is(name, "getack")) {
            reply_errorf(x->r, "ERR Unrecognized REPLCONF option: %.*s",
                         (int)size_min(name.n, 128), name.p);
            return FAILED;
        }
    }
    reply_ok(x->r);
    return DONE;
}

static bool sync_may_or_reply(struct call *x) {
    const char *why = NULL;
    bool waits;

    pthread_mutex_lock(&x->k->lock);
    waits = x->k->persist.asker != -1;
    pthread_mutex_unlock(&x->k->lock);
    if (x->c->fd == -1 || x->k->loop != NULL)
        why = "ERR an embedded server sends no snapshots";
    else if ((x->c->flags & CLIENT_REPLICA) != 0)
        why = "ERR this server has no replicas: it sends a snapshot and "
              "nothing more to those who are none";
    else if ((x->c->flags & CLIENT_TAKES_EOF) == 0)
        why = "ERR the length of a snapshot is not known before its end: say "
              "REPLCONF capa eof first";
    else if (waits)
        why = "ERR another client waits for a snapshot already";
    if (why != NULL) reply_error(x->r, why);
    return why == NULL;
}

/* The connection is the saver's as soon as what is to be sent before is
 * sent. */
static enum outcome sync__go(struct call *x) {
    x->c->flags |= CLIENT_SYNC;
    client_close(x->c);
    return DONE;
}

static enum outcome cmd_sync(struct call *x) {
    return sync_may_or_reply(x) ? sync__go(x) : FAILED;
}

static enum outcome cmd_psync(struct call *x) {
    char line[64];

    if (!sync_may_or_reply(x)) return FAILED;
    snprintf(line, sizeof line, "FULLRESYNC %s 0", x->k->run_id);
    reply_simple(x->r, str_c(line));
    return sync__go(x);
}

static const struct command sync_commands[] = {
    { "psync", cmd_psync, -3, ADMIN | NOSCRIPT | NO_MULTI | BARRIER | UNBOUND,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(2, 8, 0), "O(N) for N keys",
      "replicationid offset",
      "A snapshot, as SYNC gives it; there is no going on from an offset." },
    { "replconf", cmd_replconf, -1, ADMIN | NOSCRIPT | LOADING | STALE |
      UNBOUND, 0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(3, 0, 0), "O(1)",
      "[option value ...]", "What a client can do that will say SYNC." },
    { "sync", cmd_sync, 1, ADMIN | NOSCRIPT | NO_MULTI | BARRIER | UNBOUND,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(N) for N keys", "",
      "A snapshot between two marks; the connection ends with it." },
};
