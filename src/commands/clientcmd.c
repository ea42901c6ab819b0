/* SPDX-License-Identifier: MIT */
/* ==== clientcmd - CLIENT ===================================================
 *
 * What looks at other clients, or changes them, runs with every lane at rest.
 *
 * floor 6 - uses: base num buf resp reply options instance users world client
 *    track waiters arg help connection
 */

/* ---- one client in words ------------------------------------------------- */

/* One letter for each thing that can be said of a client. */
static void clients__flags(const struct client *c, char out[16]) {
    const struct {
        bool is;
        char letter;
    } rows[] = {
        { (c->flags & CLIENT_MONITOR) != 0, 'O' },
        { c->channels + c->patterns + c->shard_channels > 0, 'P' },
        { (c->flags & CLIENT_MULTI) != 0, 'x' },
        { c->state == CLIENT_BLOCKED, 'b' },
        { (c->flags & CLIENT_TRACKING) != 0, 't' },
        { (c->flags & CLIENT_BROKEN) != 0, 'R' },
        { c->tracker != NULL && (c->tracker->flags & TRACK_BCAST) != 0, 'B' },
        { atomic_load(&((struct client *)c)->touched), 'd' },
        { c->state == CLIENT_CLOSING, 'c' },
        { c->state == CLIENT_GONE, 'A' },
        { (c->flags & CLIENT_UNIX) != 0, 'U' },
        { (c->flags & CLIENT_NO_EVICT) != 0, 'e' },
        { (c->flags & CLIENT_NO_TOUCH) != 0, 'T' },
    };
    size_t n = 0;

    for (size_t i = 0; i < ROWS(rows); i++)
        if (rows[i].is) out[n++] = rows[i].letter;
    if (n == 0) out[n++] = 'N';
    out[n] = '\0';
}

/* Bytes of memory a client takes, without what MULTI has collected. */
static size_t clients__memory(const struct client *c) {
    return sizeof *c + c->in.cap + resp_apart_cap(&c->resp) + c->out.cap +
           (c->waiting == NULL ? 0 : c->waiting->bytes) +
           (c->held == NULL ? 0 : c->held->bytes);
}

/* Append the line of a client, without its end. */
static void clients__line(struct buf *b, const struct client *c,
                          int64_t now_ms) {
    char flags[16];
    size_t pending = client_pending(c), in = c->in.n + resp_apart_n(&c->resp);
    size_t cap = c->in.cap + resp_apart_cap(&c->resp);

    clients__flags(c, flags);
    buf_printf(b, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld "
                  "flags=%s db=%d sub=%u psub=%u ssub=%u multi=%ld ",
               (unsigned long long)c->id, c->addr, c->laddr, c->fd,
               c->name == NULL ? "" : c->name,
               (long long)((now_ms - c->since_ms) / 1000),
               (long long)((now_ms - c->last_ms) / 1000), flags, c->db,
               (unsigned)c->channels, (unsigned)c->patterns,
               (unsigned)c->shard_channels,
               (c->flags & CLIENT_MULTI) != 0 ? (long)c->queued : -1L);
    buf_printf(b, "qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu rbs=%zu "
                  "rbp=%zu obl=%zu oll=%d omem=%zu tot-mem=%zu events=%s ",
               in, cap - in,
               c->waiting == NULL ? (size_t)0 : c->waiting->bytes,
               c->queue_bytes, (size_t)0, (size_t)0, pending, pending > 0,
               c->out.cap, clients__memory(c) + c->queue_bytes,
               pending > 0 ? "rw" : "r");
    buf_printf(b, "cmd=%s user=%s redir=%lld resp=%d lib-name=%s lib-ver=%s",
               c->last == NULL ? "NULL" : c->last->name,
               c->user == NULL ? "default" : c->user,
               (long long)track_redirect(c), c->proto,
               c->lib_name == NULL ? "" : c->lib_name,
               c->lib_ver == NULL ? "" : c->lib_ver);
}

static int clients__order(const void *a, const void *b) {
    const struct client *const *x = a, *const *y = b;

    return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* All clients that x's may know of and that are not about to go, oldest
 * first; the caller frees the array.  The world is at rest.  NULL: no
 * memory. */
static struct client **clients__all(const struct call *x, size_t *n) {
    struct kvns *k = x->k;
    size_t room = atomic_load(&k->nclients) + 1;
    struct client **all = malloc(room * sizeof *all);

    *n = 0;
    if (all == NULL) return NULL;
    for (uint32_t i = 0; i < k->nlanes; i++)
        for (struct client *c = k->lanes[i].clients; c != NULL; c = c->next)
            if (c->state != CLIENT_GONE && client_may_see(x->c, c) &&
                *n < room)
                all[(*n)++] = c;
    qsort(all, *n, sizeof *all, clients__order);
    return all;
}

/* ---- who is to be listed, or closed -------------------------------------- */

enum clients__type {
    CLIENTS_ANY, CLIENTS_NORMAL, CLIENTS_MASTER, CLIENTS_REPLICA,
    CLIENTS_PUBSUB
};

static bool clients__type_or_reply(struct call *x, struct str s,
                                   enum clients__type *type) {
    if (str_is(s, "normal")) *type = CLIENTS_NORMAL;
    else if (str_is(s, "master")) *type = CLIENTS_MASTER;
    else if (str_is(s, "replica") || str_is(s, "slave"))
        *type = CLIENTS_REPLICA;
    else if (str_is(s, "pubsub")) *type = CLIENTS_PUBSUB;
    else {
        reply_errorf(x->r, "ERR Unknown client type '%.*s'",
                     (int)size_min(s.n, 128), s.p);
        return false;
    }
    return true;
}

static bool clients__is_of(const struct client *c, enum clients__type type) {
    bool pubsub = client_class(c) == OPTION_CLASS_PUBSUB;

    switch (type) {
    case CLIENTS_ANY: return true;
    case CLIENTS_NORMAL: return !pubsub;
    case CLIENTS_PUBSUB: return pubsub;
    case CLIENTS_MASTER: case CLIENTS_REPLICA: return false;
    }
    return false;
}

static enum outcome cmd_client_list(struct call *x) {
    enum clients__type type = CLIENTS_ANY;
    struct buf b = { 0 };
    struct client **all;
    size_t n, ids = 0;
    int64_t id;

    if (x->argc == 4 && str_is(x->argv[2], "type")) {
        if (!clients__type_or_reply(x, x->argv[3], &type)) return FAILED;
    } else if (x->argc > 3 && str_is(x->argv[2], "id")) {
        ids = x->argc - 3;
        for (size_t i = 3; i < x->argc; i++)
            if (!num_parse_int(x->argv[i], &id) || id < 1) {
                reply_error(x->r, "ERR Invalid client ID");
                return FAILED;
            }
    } else if (x->argc != 2) {
        return reply_err(x, ERR_SYNTAX);
    }
    all = clients__all(x, &n);
    if (all == NULL) return reply_err(x, ERR_MEMORY);
    for (size_t i = 0; ids > 0 && i < ids; i++)
        for (size_t j = 0; j < n; j++)
            if (num_parse_int(x->argv[3 + i], &id) &&
                all[j]->id == (uint64_t)id) {
                clients__line(&b, all[j], x->lane->clock.wall_ms);
                buf_put_char(&b, '\n');
            }
    for (size_t i = 0; ids == 0 && i < n; i++) {
        if (!clients__is_of(all[i], type)) continue;
        clients__line(&b, all[i], x->lane->clock.wall_ms);
        buf_put_char(&b, '\n');
    }
    free(all);
    reply_verbatim(x->r, buf_str(&b), "txt");
    buf_free(&b);
    return DONE;
}

static enum outcome cmd_client_info(struct call *x) {
    struct buf b = { 0 };

    clients__line(&b, x->c, x->lane->clock.wall_ms);
    buf_put_char(&b, '\n');
    reply_verbatim(x->r, buf_str(&b), "txt");
    buf_free(&b);
    return DONE;
}

/* What CLIENT KILL is to find. */
struct clients__filter {
    int64_t id;                 /* 0: any */
    int64_t before_ms;          /* connected by then; 0: whenever */
    enum clients__type type;
    struct str addr, laddr, user;   /* p NULL: any */
    bool skip_me;
};

/* Is there such a user? */
static bool clients__user_or_reply(struct call *x, struct str user) {
    if (str_eq(user, STR("default")) || user_find(x->k, user) != NULL)
        return true;
    reply_errorf(x->r, "ERR No such user '%.*s'",
                 (int)size_min(user.n, 128), user.p);
    return false;
}

static bool clients__filter_or_reply(struct call *x,
                                     struct clients__filter *f) {
    for (size_t i = 2; i < x->argc; i += 2) {
        struct str name = x->argv[i], v;

        if (i + 1 >= x->argc) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        v = x->argv[i + 1];
        if (str_is(name, "id")) {
            if (!num_parse_int(v, &f->id) || f->id < 1) {
                reply_error(x->r, "ERR client-id should be greater than 0");
                return false;
            }
        } else if (str_is(name, "type")) {
            if (!clients__type_or_reply(x, v, &f->type)) return false;
        } else if (str_is(name, "addr")) {
            f->addr = v;
        } else if (str_is(name, "laddr")) {
            f->laddr = v;
        } else if (str_is(name, "user")) {
            f->user = v;
            if (!clients__user_or_reply(x, v)) return false;
        } else if (str_is(name, "maxage")) {
            int64_t age, now = x->lane->clock.wall_ms;

            if (!num_parse_int(v, &age)) {
                reply_error(x->r, "ERR maxage is not an integer or out of "
                                  "range");
                return false;
            }
            if (age < 1) {
                reply_error(x->r, "ERR maxage should be greater than 0");
                return false;
            }
            f->before_ms = age < now / 1000 ? now - age * 1000 : 1;
        } else if (str_is(name, "skipme") && str_is(v, "yes")) {
            f->skip_me = true;
        } else if (str_is(name, "skipme") && str_is(v, "no")) {
            f->skip_me = false;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static bool clients__matches(const struct client *c,
                             const struct clients__filter *f) {
    if (f->id != 0 && c->id != (uint64_t)f->id) return false;
    if (f->before_ms != 0 && c->since_ms > f->before_ms) return false;
    if (f->addr.p != NULL && !str_eq(f->addr, str_c(c->addr))) return false;
    if (f->laddr.p != NULL && !str_eq(f->laddr, str_c(c->laddr)))
        return false;
    if (f->user.p != NULL &&
        !str_eq(f->user, str_c(c->user == NULL ? "default" : c->user)))
        return false;
    return clients__is_of(c, f->type);
}

static enum outcome cmd_client_kill(struct call *x) {
    struct clients__filter f = { .type = CLIENTS_ANY };
    struct client **all;
    size_t n, killed = 0;

    f.skip_me = x->argc > 3;
    if (x->argc == 3) f.addr = x->argv[2];
    else if (!clients__filter_or_reply(x, &f)) return FAILED;
    all = clients__all(x, &n);
    if (all == NULL) return reply_err(x, ERR_MEMORY);
    for (size_t i = 0; i < n; i++) {
        struct client *c = all[i];

        if (!clients__matches(c, &f) || (c == x->c && f.skip_me) ||
            (c->flags & CLIENT_EMBEDDED) != 0)
            continue;
        killed++;
        if (c == x->c) client_close(c);
        else client_cut(c);
        if (c->lane != x->lane) lane_wake(c->lane);
    }
    free(all);
    if (x->argc > 3) {
        reply_int(x->r, (int64_t)killed);
    } else if (killed > 0) {
        reply_ok(x->r);
    } else {
        reply_error(x->r, "ERR No such client");
        return FAILED;
    }
    return DONE;
}

static enum outcome cmd_client_unblock(struct call *x) {
    bool error = false, found = false;
    struct kvns *k = x->k;
    int64_t id;

    if (x->argc > 4) return reply_subcommand(x);
    if (x->argc == 4) {
        error = str_is(x->argv[3], "error");
        if (!error && !str_is(x->argv[3], "timeout")) {
            reply_error(x->r, "ERR CLIENT UNBLOCK reason should be TIMEOUT "
                              "or ERROR");
            return FAILED;
        }
    }
    if (!arg_int_or_reply(x, 2, &id)) return FAILED;
    for (uint32_t i = 0; i < k->nlanes && !found; i++) {
        struct client *c = id < 1 ? NULL : lane_client(k->lanes + i,
                                                       (uint64_t)id);
        char how = (char)error;

        if (c == NULL || c->waiting == NULL || c->state != CLIENT_BLOCKED ||
            !client_may_see(x->c, c))
            continue;
        /* inside EXEC shards may be locked, which the waiter has to leave */
        if (x->no_block) {
            found = lane_tell(c->lane, c->id, LETTER_UNBLOCK, &how, 1);
        } else {
            found = client_unblock(c, error);
            if (c->lane != x->lane) lane_wake(c->lane);
        }
    }
    reply_int(x->r, found);
    return DONE;
}

/* ---- all at once --------------------------------------------------------- */

static enum outcome cmd_client_pause(struct call *x) {
    struct kvns *k = x->k;
    bool all = true, paused;
    int64_t ms, until;

    if (x->argc > 4) return reply_subcommand(x);
    if (x->argc == 4) {
        all = str_is(x->argv[3], "all");
        if (!all && !str_is(x->argv[3], "write")) {
            reply_error(x->r, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return FAILED;
        }
    }
    if (!num_parse_int(x->argv[2], &ms)) {
        reply_error(x->r, "ERR timeout is not an integer or out of range");
        return FAILED;
    }
    if (ms < 0) {
        reply_error(x->r, "ERR timeout is negative");
        return FAILED;
    }
    if (ms > INT64_MAX / 1000 - x->lane->clock.mono_us) {
        reply_error(x->r, "ERR timeout is out of range");
        return FAILED;
    }
    until = x->lane->clock.mono_us + ms * 1000;
    paused = (atomic_load(&k->observed) & OBSERVE_PAUSE) != 0 &&
             k->pause_until > x->lane->clock.mono_us;
    k->pause_all = all || (paused && k->pause_all);
    k->pause_until = paused && k->pause_until > until ? k->pause_until : until;
    atomic_fetch_or(&k->observed, OBSERVE_PAUSE);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_client_unpause(struct call *x) {
    atomic_fetch_and(&x->k->observed, ~(unsigned)OBSERVE_PAUSE);
    x->k->pause_until = 0;
    world_wake(x->lane);
    reply_ok(x->r);
    return DONE;
}

/* ---- oneself ------------------------------------------------------------- */

static enum outcome cmd_client_id(struct call *x) {
    reply_int(x->r, (int64_t)x->c->id);
    return DONE;
}

static enum outcome cmd_client_getname(struct call *x) {
    if (x->c->name == NULL) reply_null(x->r);
    else reply_bulk(x->r, str_c(x->c->name));
    return DONE;
}

static enum outcome cmd_client_setname(struct call *x) {
    if (!connection_name_or_reply(x, x->argv[2], "Client names"))
        return FAILED;
    if (!client_set_text(&x->c->name, x->argv[2]))
        return reply_err(x, ERR_MEMORY);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_client_setinfo(struct call *x) {
    bool name = str_is(x->argv[2], "lib-name");

    if (!name && !str_is(x->argv[2], "lib-ver")) {
        reply_errorf(x->r, "ERR Unrecognized option '%.*s'",
                     (int)size_min(128, x->argv[2].n), x->argv[2].p);
        return FAILED;
    }
    if (!connection_name_or_reply(x, x->argv[3],
                                  name ? "lib-name" : "lib-ver"))
        return FAILED;
    if (!client_set_text(name ? &x->c->lib_name : &x->c->lib_ver, x->argv[3]))
        return reply_err(x, ERR_MEMORY);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_client_reply(struct call *x) {
    uint32_t *flags = &x->c->flags;
    uint32_t quiet = CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP |
                     CLIENT_REPLY_SKIPPING;

    if (str_is(x->argv[2], "on")) {
        *flags &= ~quiet;
        reply_ok(x->r);
    } else if (str_is(x->argv[2], "off")) {
        *flags |= CLIENT_REPLY_OFF;
    } else if (str_is(x->argv[2], "skip")) {
        if ((*flags & CLIENT_REPLY_OFF) == 0) *flags |= CLIENT_REPLY_SKIP;
    } else {
        return reply_err(x, ERR_SYNTAX);
    }
    return DONE;
}

/* Set or clear a flag by the argument. */
static enum outcome clients__switch(struct call *x, uint32_t flag) {
    if (str_is(x->argv[2], "on")) x->c->flags |= flag;
    else if (str_is(x->argv[2], "off")) x->c->flags &= ~flag;
    else return reply_err(x, ERR_SYNTAX);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_client_no_evict(struct call *x) {
    return clients__switch(x, CLIENT_NO_EVICT);
}

static enum outcome cmd_client_no_touch(struct call *x) {
    return clients__switch(x, CLIENT_NO_TOUCH);
}

enum {
    CLIENTS_FLAGS = NOSCRIPT | LOADING | STALE,
    CLIENTS_ADMIN = CLIENTS_FLAGS | ADMIN | ALL_LANES,
    CLIENTS_OTHERS = CLIENTS_ADMIN | SCOPED
};

static const struct command client_commands[] = {
    { "client", NULL, -2, CONTAINER, 0, 0, 0, GROUP_CONNECTION_COMMANDS,
      SINCE(2, 4, 0), "Depends on subcommand.", "", "About connections." },
    { "client|getname", cmd_client_getname, 2, CLIENTS_FLAGS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(2, 6, 9), "O(1)", "",
      "The name of the connection." },
    { "client|help", cmd_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(5, 0, 0), "O(1)", "",
      "What CLIENT can do." },
    { "client|id", cmd_client_id, 2, CLIENTS_FLAGS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(5, 0, 0), "O(1)", "",
      "The number of the connection, never used again." },
    { "client|info", cmd_client_info, 2, CLIENTS_FLAGS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(6, 2, 0), "O(1)", "",
      "What CLIENT LIST says of this connection." },
    { "client|kill", cmd_client_kill, -3, CLIENTS_OTHERS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(2, 4, 0), "O(N) for N connections",
      "<ip:port | [ID client-id] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] "
      "[USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME <YES | NO>] "
      "[MAXAGE seconds]>",
      "Closes the connections that all filters match." },
    { "client|list", cmd_client_list, -2, CLIENTS_OTHERS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(2, 4, 0), "O(N) for N connections",
      "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] "
      "[ID client-id [client-id ...]]",
      "A line about each connection." },
    { "client|no-evict", cmd_client_no_evict, 3,
      CLIENTS_FLAGS | ADMIN, 0, 0, 0, GROUP_CONNECTION_COMMANDS,
      SINCE(7, 0, 0), "O(1)", "<ON | OFF>",
      "Spares the connection when memory of clients is reclaimed." },
    { "client|no-touch", cmd_client_no_touch, 3, CLIENTS_FLAGS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(7, 2, 0), "O(1)", "<ON | OFF>",
      "Lets reads of this connection leave no trace in the use of keys." },
    { "client|pause", cmd_client_pause, -3, CLIENTS_ADMIN, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(2, 9, 50), "O(1)",
      "timeout [WRITE | ALL]",
      "Holds back all commands, or those that write, for milliseconds." },
    { "client|reply", cmd_client_reply, 3, CLIENTS_FLAGS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(3, 2, 0), "O(1)", "<ON | OFF | SKIP>",
      "Sends replies, sends none, or leaves out the next one." },
    { "client|setinfo", cmd_client_setinfo, 4, CLIENTS_FLAGS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(7, 2, 0), "O(1)",
      "<LIB-NAME libname | LIB-VER libver>",
      "Says with which library the client was made." },
    { "client|setname", cmd_client_setname, 3, CLIENTS_FLAGS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(2, 6, 9), "O(1)", "connection-name",
      "Names the connection." },
    { "client|unblock", cmd_client_unblock, -3, CLIENTS_OTHERS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(5, 0, 0), "O(1)",
      "client-id [TIMEOUT | ERROR]",
      "Ends the wait of a blocked connection." },
    { "client|unpause", cmd_client_unpause, 2, CLIENTS_ADMIN, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(6, 2, 0), "O(1)", "",
      "Lets held back commands go on." },
};
