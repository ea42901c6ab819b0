/* SPDX-License-Identifier: MIT */
/* ==== connection - who is there, and in which protocol =====================
 *
 * floor 6 - uses: base num sha256 reply instance users client asking monitor
 *    pubsub track watch arg
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
    client_close(x->c);
    return DONE;
}

static enum outcome cmd_select(struct call *x) {
    int64_t n;

    if (!arg_int_or_reply(x, 1, &n)) return FAILED;
    if (n < INT32_MIN || n > INT32_MAX) {
        reply_error(x->r, "ERR value is out of range, value must between "
                          "-2147483648 and 2147483647");
        return FAILED;
    }
    if (n < 0 || n >= (int64_t)x->k->ks.opt.databases)
        return reply_err(x, ERR_DB_RANGE);
    x->c->db = (int)n;
    reply_ok(x->r);
    return DONE;
}

/* ---- who is it ----------------------------------------------------------- */

/* Let the client be this user's, in that user's namespace, or the default
 * user's where u is NULL.  What it subscribed to and watched was elsewhere.
 * False: answered. */
static bool connection__become_or_reply(struct call *x, const struct user *u) {
    struct client *c = x->c;
    struct str was = str_of(c->bound == NULL ? "" : c->bound, c->bound_n);
    struct str space = u == NULL ? str_of("", 0) : u->space;
    char *bound = NULL;

    if (!str_eq(was, space)) {
        if (x->no_block) {
            /* EXEC holds the locks of the other namespace */
            reply_error(x->r, "ERR the namespace cannot be left inside a "
                              "transaction");
            return false;
        }
        if (!client_set_text(&bound, space)) goto refused;
        watch_clear(c, false);
        pubsub_part_all(c);
        track_off(c);
        monitor_leave(c);
        free(c->bound);
        c->bound = bound;
        c->bound_n = space.n;
    }
    if (client_set_text(&c->user, u == NULL ? str_of("", 0) : u->name))
        return true;
refused:
    reply_err(x, ERR_MEMORY);
    return false;
}

/* Is the password the default user's? */
static bool connection__is_default(const struct call *x, struct str password) {
    struct str want = x->k->opt.password;
    unsigned char a[SHA256_SIZE], b[SHA256_SIZE];

    sha256_of(password.p, password.n, a);
    sha256_of(want.p, want.n, b);
    return want.n == 0 || sha256_same(a, b, sizeof a);
}

/* Let the client in as the user that is argument `at`, or the default one
 * where that is 0, if the last or next argument is the right password.  DONE:
 * it is in.  FAILED: answered.  BLOCKED: the command will run again. */
static enum outcome connection__auth_or_reply(struct call *x, size_t at) {
    struct str user = at == 0 ? STR("default") : x->argv[at];
    const struct user *u = NULL;
    enum outcome what = DONE;
    bool right;

    if (str_eq(user, STR("default"))) {
        right = connection__is_default(x, x->argv[at + 1]);
    } else {
        if (x->no_block) {
            /* nobody stops there to have a password tried; and EXEC holds the
             * locks of the other namespace */
            reply_error(x->r, "ERR the namespace cannot be left inside a "
                              "transaction");
            return FAILED;
        }
        /* a server without users tells so at once: there is no secret */
        if (x->k->users != NULL) what = asking_check(x, at, &u);
        if (what == FAILED) reply_err(x, ERR_MEMORY);
        if (what != DONE) return what;
        right = u != NULL;
    }
    if (!right) {
        reply_error(x->r, "WRONGPASS invalid username-password pair or user "
                          "is disabled.");
        return FAILED;
    }
    if (!connection__become_or_reply(x, u)) return FAILED;
    x->c->flags |= CLIENT_NAMED_AUTH;
    return DONE;
}

static enum outcome cmd_auth(struct call *x) {
    enum outcome what;

    if (x->argc > 3) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 2 && x->k->opt.password.n == 0) {
        reply_error(x->r, "ERR AUTH <password> called without any password "
                          "configured for the default user. Are you sure "
                          "your configuration is correct?");
        return FAILED;
    }
    what = connection__auth_or_reply(x, x->argc == 3 ? 1 : 0);
    if (what == DONE) reply_ok(x->r);
    return what;
}

/* May a client or a library be called so?  Answers where not. */
static bool connection_name_or_reply(struct call *x, struct str s,
                                     const char *what) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '!' || s.p[i] > '~') {
            reply_errorf(x->r, "ERR %s cannot contain spaces, newlines or "
                               "special characters.", what);
            return false;
        }
    return true;
}

static enum outcome connection__welcome(struct call *x) {
    reply_map(x->r, 7);
    reply_bulk(x->r, STR("server"));
    reply_bulk(x->r, STR("redis"));
    reply_bulk(x->r, STR("version"));
    reply_bulk(x->r, STR(KVNS_REDIS_VERSION));
    reply_bulk(x->r, STR("proto"));
    reply_int(x->r, x->c->proto);
    reply_bulk(x->r, STR("id"));
    reply_int(x->r, (int64_t)x->c->id);
    reply_bulk(x->r, STR("mode"));
    reply_bulk(x->r, STR("standalone"));
    reply_bulk(x->r, STR("role"));
    reply_bulk(x->r, STR("master"));
    reply_bulk(x->r, STR("modules"));
    reply_array(x->r, 0);
    return DONE;
}

/* What HELLO was asked for. */
struct connection__hello {
    int64_t proto;
    size_t auth;                /* which argument the user is; 0: none */
    const struct str *name;     /* or NULL */
};

static bool connection__hello_or_reply(struct call *x,
                                       struct connection__hello *h) {
    if (x->argc > 1) {
        if (!num_parse_int(x->argv[1], &h->proto)) {
            reply_error(x->r, "ERR Protocol version is not an integer or out "
                              "of range");
            return false;
        }
        if (h->proto < 2 || h->proto > 3) {
            reply_error(x->r, "NOPROTO unsupported protocol version");
            return false;
        }
    }
    for (size_t i = 2; i < x->argc; i++) {
        size_t more = x->argc - 1 - i;

        if (str_is(x->argv[i], "auth") && more >= 2) {
            h->auth = i + 1;
            i += 2;
        } else if (str_is(x->argv[i], "setname") && more >= 1) {
            h->name = x->argv + ++i;
            if (!connection_name_or_reply(x, *h->name, "Client names"))
                return false;
        } else {
            reply_errorf(x->r, "ERR Syntax error in HELLO option '%.*s'",
                         (int)size_min(128, x->argv[i].n), x->argv[i].p);
            return false;
        }
    }
    return true;
}

static enum outcome cmd_hello(struct call *x) {
    struct connection__hello h = { x->c->proto, 0, NULL };
    struct client *c = x->c;
    enum outcome what;

    if (!connection__hello_or_reply(x, &h)) return FAILED;
    if (h.auth != 0) {
        what = connection__auth_or_reply(x, h.auth);
        if (what != DONE) return what;
    }
    if (x->k->opt.password.n > 0 && (c->flags & CLIENT_NAMED_AUTH) == 0) {
        reply_error(x->r, "NOAUTH HELLO must be called with the client "
                          "already authenticated, otherwise the HELLO "
                          "<proto> AUTH <user> <pass> option can be used to "
                          "authenticate the client and select the RESP "
                          "protocol version at the same time");
        return FAILED;
    }
    if (h.name != NULL && !client_set_text(&c->name, *h.name))
        return reply_err(x, ERR_MEMORY);
    c->proto = x->r->proto = (uint8_t)h.proto;
    pubsub_set_proto(c);
    track_set_proto(c);
    return connection__welcome(x);
}

/* As if it had just connected, its number and library aside. */
static enum outcome cmd_reset(struct call *x) {
    struct client *c = x->c;

    client_discard(c);
    watch_clear(c, false);
    pubsub_part_all(c);
    track_off(c);
    monitor_leave(c);
    c->flags &= ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP |
                            CLIENT_REPLY_SKIPPING | CLIENT_NO_TOUCH |
                            CLIENT_NO_EVICT);
    if ((c->flags & CLIENT_EMBEDDED) == 0)
        c->flags &= ~(uint32_t)CLIENT_NAMED_AUTH;
    c->db = 0;
    c->proto = x->r->proto = 2;
    client_set_text(&c->name, STR(""));
    client_set_text(&c->user, STR(""));
    free(c->bound);
    c->bound = NULL;
    c->bound_n = 0;
    reply_simple(x->r, STR("RESET"));
    return DONE;
}

static const struct command connection_commands[] = {
    { "auth", cmd_auth, -2, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH |
      BARRIER | SECRET, 0, 0, 0, GROUP_CONNECTION_COMMANDS,
      SINCE(1, 0, 0), "O(N) for N passwords of the user", "[username] password",
      "Says who the client is." },
    { "echo", cmd_echo, 2, LOADING | STALE | FAST, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(1, 0, 0), "O(1)", "message",
      "Answers the message." },
    { "hello", cmd_hello, -1, NOSCRIPT | LOADING | STALE | FAST | NO_AUTH |
      BARRIER | SECRET, 0, 0, 0, GROUP_CONNECTION_COMMANDS, SINCE(6, 0, 0),
      "O(1)",
      "[protover [AUTH username password] [SETNAME clientname]]",
      "Selects the protocol; answers who the server is." },
    { "ping", cmd_ping, -1, FAST | SUBSCRIBED, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(1, 0, 0), "O(1)", "[message]",
      "Answers PONG, or the message." },
    { "quit", cmd_quit, -1, LOADING | STALE | FAST | NO_AUTH | SUBSCRIBED |
      BARRIER | NOSCRIPT | TRANSACTION, 0, 0, 0, GROUP_CONNECTION_COMMANDS,
      SINCE(1, 0, 0), "O(1)", "", "Closes the connection." },
    { "reset", cmd_reset, 1, LOADING | STALE | FAST | NO_AUTH | SUBSCRIBED |
      BARRIER | NOSCRIPT | TRANSACTION, 0, 0, 0, GROUP_CONNECTION_COMMANDS,
      SINCE(6, 2, 0), "O(1)", "", "Makes the connection as it was when new." },
    { "select", cmd_select, 2, LOADING | STALE | FAST | BARRIER, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(1, 0, 0), "O(1)", "index",
      "Selects the database of the connection." },
};
