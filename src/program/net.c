/* SPDX-License-Identifier: MIT */
/* ==== net - read, look ahead, execute, write ===============================
 *
 * Each loop owns a lane and the sockets of its clients.  A turn reads every
 * ready socket into one shared buffer; requests are parsed where they lie and
 * collected, across pipelines and clients, into a batch.  Before the batch is
 * carried out, the keys of all its requests are hashed and the index lines,
 * then the entries, are called towards the processor, so that their misses
 * overlap.  Replies go into one shared buffer and leave with one send for
 * each client.
 *
 *   recv -> parse -> batch of 32 --hash--> lines --> entries --> run -> send
 *
 * A request that may change how those behind it are to be read is a barrier
 * and ends the batch.  What a socket does not take waits in its client.
 *
 * floor 8 - uses: base num buf log item skip entry shard big resp reply
 *    instance saver client asking measure monitor pubsub track watch waiters
 *    admit exec park webs
 */
enum {
    NET_IN = 262144,            /* bytes of the shared input */
    NET_READ = 8192,            /* bytes read of one client in a turn; */
    NET_EASE = 3,               /* doubled so often where that is soon done, */
    NET_READ_LEAST = 4096,      /* and as few where a turn takes long, */
    NET_TURN_NS = 500000,       /* that is, so long */
    NET_ROOM = 16384,           /* less room than this: run the batch first */
    NET_KEPT = 16384,           /* kept input that is joined with what comes */
    NET_BATCH = 32,             /* requests looked ahead */
    NET_ARGS = 4096,            /* their arguments in all */
    NET_FEW = 64,               /* room for fewer: run the batch first */
    NET_LONG = 16384,           /* an argument of so many bytes is read to
                                   where it stays, ... */
    NET_SIP = 1024,             /* ... if one is expected, after so much */
    NET_KEEP_OUT = 1 << 20,     /* bytes of output storage kept, and of output
                                   that wait for the batch's end */
    NET_PIECES = 64,            /* of what is lent, and between, in a send */
    NET_HOT = 64,               /* clients polled however idle they are */
    NET_IDLE_US = 20000,        /* quiet for so long: parked */
    NET_IDLE_MAX_US = 1000000   /* the same, if they come back too soon */
};

/* A parsed request waiting in the batch. */
struct net_request {
    struct client *c;
    const struct command *row;
    struct str *argv;
    uint32_t argc;
    struct key_hint hint;       /* of argv[1], if that is a key */
};

/* Replies of one client in the lane's output. */
struct net_range {
    struct client *c;
    size_t from, to;
};

/* Bytes [at, end) at p, and between them what was lent. */
struct net_out {
    const char *p;
    size_t at, end;
    struct reply_ref *ref, *last;
};

struct loop {
    struct kvns *k;
    struct lane *lane;
    struct pollfd *fds;
    struct client **who;        /* of fds, NULL for listeners and the pipe */
    size_t nfds, cap;
    size_t fixed;               /* fds before the clients' */
    char *in;
    size_t in_at;
    int64_t turn_ns;            /* what the last turn took */
    struct net_request batch[NET_BATCH];
    struct net_request *next;   /* behind the last of the batch */
    size_t bytes;               /* how long they are in all */
    bool members;               /* some of them look for members */
    struct str args[NET_ARGS], *next_arg;
    struct net_range ranges[NET_BATCH + 1];
    size_t nranges;
    struct resp_limits limits;
    int64_t next_second;        /* monotonic us: when to look at slow things */
    int64_t accept_again;       /* no accepting before that; 0: now */
    int64_t complain_again;     /* nor complaining that it fails */
    uint32_t next_lane;         /* whose the next connection will be */
    uint32_t step_at;           /* shard whose turn it is for upkeep */
    bool busy;                  /* background work is waiting */
    unsigned shed;              /* which lowering of limits is dealt with */
    bool parks;                 /* may have threads to park clients with */
    struct park park;
    struct webs *webs;          /* HTTP, or NULL */
    int64_t next_sweep;         /* monotonic us */
    uint32_t ticks;             /* of loop__second */
    size_t freeing;             /* bytes to be freed, a second ago */
    int64_t idle_us;            /* quiet for so long: parked; adapts */
    pthread_t thread;
    bool running;
    struct buf scratch;
};

/* What became of a send: bytes that went, 0 if none could, -1 when the
 * connection is broken. */
static ssize_t net__went(struct client *c, ssize_t sent) {
    if (sent >= 0) {
        c->net_out += (uint64_t)sent;
        c->lane->net_out += (uint64_t)sent;
        c->lane->nwrites++;
        return sent;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
}

#if defined(MSG_NOSIGNAL)
enum { NET_SEND = MSG_NOSIGNAL };
#else
enum { NET_SEND = 0 };
#endif

/* Send bytes without waiting, as net__went says. */
static ssize_t net__send(struct client *c, const char *p, size_t n) {
    ssize_t sent;

    do sent = send(c->fd, p, n, NET_SEND);
    while (sent == -1 && errno == EINTR);
    return net__went(c, sent);
}

/* Send what was lent, and what is between, at once as far as NET_PIECES go.
 * *all is how much that was. */
static ssize_t net__send_pieces(struct client *c, const struct net_out *o,
                                size_t *all) {
    const struct reply_ref *ref = o->ref;
    struct iovec v[NET_PIECES];
    struct msghdr m;
    size_t at = o->at;
    int n = 0;
    ssize_t sent;

    *all = 0;
    for (; n < NET_PIECES - 1; at = ref->at, ref++) {
        size_t to = ref < o->last ? ref->at : o->end;

        if (to > at)
            v[n++] = (struct iovec){ (void *)(uintptr_t)(o->p + at), to - at };
        *all += to - at;
        if (ref == o->last) break;
        v[n++] = (struct iovec){ (void *)(uintptr_t)ref->p, ref->n };
        *all += ref->n;
    }
    memset(&m, 0, sizeof m);
    m.msg_iov = v;
    m.msg_iovlen = n;
    do sent = sendmsg(c->fd, &m, NET_SEND);
    while (sent == -1 && errno == EINTR);
    return net__went(c, sent);
}

/* So many bytes of it went: let go of what was lent and is sent. */
static void net__advance(struct net_out *o, size_t sent) {
    while (sent > 0) {
        size_t to = o->ref < o->last ? o->ref->at : o->end;
        size_t n = size_min(to - o->at, sent);

        o->at += n;
        sent -= n;
        if (o->at < to || o->ref == o->last) return;
        n = size_min(o->ref->n, sent);
        o->ref->p += n;
        o->ref->n -= n;
        sent -= n;
        if (o->ref->n > 0) return;
        blob_drop(o->ref++->blob);
    }
}

/* Send as much as the socket takes.  False: the connection is broken. */
static bool net__send_out(struct client *c, struct net_out *o) {
    while (o->at < o->end || o->ref < o->last) {
        size_t all = o->end - o->at;
        ssize_t n = o->ref == o->last ? net__send(c, o->p + o->at, all) :
                                        net__send_pieces(c, o, &all);

        if (n < 0) return false;
        net__advance(o, (size_t)n);
        if ((size_t)n < all) return true;
    }
    return true;
}

/* Poll a socket for a client, or for what is no client: c is NULL.  False: no
 * memory. */
static bool net_add(struct loop *l, int fd, short events, struct client *c) {
    if (l->nfds + WEBS_FDS >= l->cap) {
        size_t cap = l->cap * 2 + 2 * WEBS_FDS;
        struct pollfd *fds = realloc(l->fds, cap * sizeof *fds);
        struct client **who;

        if (fds == NULL) return false;
        l->fds = fds;
        who = realloc(l->who, cap * sizeof *who);
        if (who == NULL) return false;
        l->who = who;
        l->cap = cap;
    }
    l->fds[l->nfds] = (struct pollfd){ .fd = fd, .events = events };
    l->who[l->nfds] = c;
    if (c != NULL) c->poll_at = l->nfds;
    l->nfds++;
    return true;
}

/* Poll a client no more. */
static void net__remove(struct loop *l, struct client *c) {
    size_t at = c->poll_at, last = l->nfds - 1;

    if (at == SIZE_MAX) return;
    l->fds[at] = l->fds[last];
    l->who[at] = l->who[last];
    if (l->who[at] != NULL) l->who[at]->poll_at = at;
    l->nfds--;
    c->poll_at = SIZE_MAX;
}

/* Let poll say when the socket takes more, or no longer.  A parked client's
 * input is its parker's business. */
static void net__want_write(struct loop *l, struct client *c, bool on) {
    short in = c->state == CLIENT_CLOSING || c->parked ? 0 : POLLIN;

    if (c->poll_at == SIZE_MAX) {
        if (on && !net_add(l, c->fd, POLLOUT, c)) client_cut(c);
        return;
    }
    if (!on && c->parked) net__remove(l, c);
    else l->fds[c->poll_at].events = (short)(in | (on ? POLLOUT : 0));
}

/* Send what waits in a client. */
static void net_flush(struct loop *l, struct client *c) {
    struct net_out o = { c->out.p, c->out_at, c->out.n, c->lent + c->lent_at,
                         c->lent + c->lents };
    size_t lent = 0;
    bool ok;

    if (c->lents == 0) o.ref = o.last = NULL;
    ok = net__send_out(c, &o);
    c->out_at = o.at;
    for (struct reply_ref *ref = o.ref; ref < o.last; ref++) lent += ref->n;
    c->lent_at = c->lents - (uint32_t)(o.last - o.ref);
    c->lent_bytes = lent;
    if (!ok) {
        c->state = CLIENT_GONE;
        return;
    }
    if (client_pending(c) > 0) {
        net__want_write(l, c, true);
        return;
    }
    client_sent(c);
    c->over_ms = 0;
    net__want_write(l, c, false);
    if (c->state == CLIENT_CLOSING) c->state = CLIENT_GONE;
}

/* Keep for a client what its socket did not take. */
static COLD void net__keep(struct client *c, struct net_out *o) {
    for (; o->ref < o->last; o->at = o->ref++->at) {
        client_write(c, o->p + o->at, o->ref->at - o->at);
        client_lend(c, o->ref);
    }
    client_write(c, o->p + o->at, o->end - o->at);
}

/* Send the first n ranges of replies, each client's at once. */
static void net__send_first(struct loop *l, size_t n) {
    struct lane *lane = l->lane;
    struct reply_ref *ref = lane->reply.ref, *last = ref + lane->reply.refs;

    reply_sync(&lane->reply);
    for (size_t i = 0; i < n; i++) {
        struct net_range *r = l->ranges + i;
        struct client *c = r->c;
        struct net_out o = { lane->out.p, r->from, r->to, ref, ref };

        while (UNLIKELY(ref < last) && ref->at < r->to) o.last = ++ref;
        if (c->state == CLIENT_GONE) {
            while (o.ref < o.last) blob_drop(o.ref++->blob);
            continue;
        }
        if (r->from == r->to) continue;
        if (client_pending(c) == 0 && !net__send_out(c, &o)) client_cut(c);
        if (o.at == o.end) continue;
        net__keep(c, &o);
        if (c->state != CLIENT_GONE) net__want_write(l, c, true);
    }
}

/* Send all replies that there are. */
static void net__send_ranges(struct loop *l) {
    struct lane *lane = l->lane;

    net__send_first(l, l->nranges);
    l->nranges = 0;
    lane->reply.refs = 0;
    lane->out.n = 0;
    if (lane->out.cap > NET_KEEP_OUT) buf_trim(&lane->out, NET_KEEP_OUT);
    reply_resync(&lane->reply);
}

/* The same, but keep those of the last client, of whom there is more to come:
 * a long pipeline is carried out in several batches and sent at once. */
static void net__send_others(struct loop *l) {
    struct lane *lane = l->lane;
    struct net_range *last = l->ranges + l->nranges - 1;
    size_t n = last->to - last->from;

    if (lane->reply.refs > 0 || n > NET_ROOM) {
        net__send_ranges(l);
        return;
    }
    if (l->nranges == 1) return;
    net__send_first(l, l->nranges - 1);
    memmove(lane->out.p, lane->out.p + last->from, n);
    l->ranges[0] = (struct net_range){ last->c, 0, n };
    l->nranges = 1;
    lane->out.n = n;
    reply_resync(&lane->reply);
}

/* The argument that is a request's member or field; 0: there is none. */
static inline size_t net__member_at(const struct net_request *q) {
    const struct command *row = q->row;
    size_t i = row != NULL && row->group == GROUP_ZSET &&
                       (row->flags & GROWS) != 0 ? 3 : 2;

    return row == NULL || (row->flags & MEMBER) == 0 || q->argc <= i ? 0 : i;
}

/* Does a command on a sorted set look for a place in its order?  What its row
 * says of its cost tells it from ZSCORE. */
static inline bool net__orders(const struct command *row) {
    return strstr(row->cost, "log") != NULL;
}

/* Go, for all requests together, the ways through large sorted sets that they
 * will take: from a member's score, which stands in its item, and to the score
 * it is to have. */
static void net__scout(const struct net_request *q,
                       const struct net_request *end,
                       const struct item *const *items) {
    struct skip_scout way[2 * NET_BATCH];
    size_t n = 0;

    for (; q < end; q++, items++) {
        size_t i = net__member_at(q);
        const struct skip *order;
        double v;

        if (i == 0 || q->hint.p == NULL || q->row->group != GROUP_ZSET)
            continue;
        order = hint_order(&q->hint);
        if (order == NULL || !net__orders(q->row)) continue;
        if (*items != NULL) way[n++] = skip_scout(order, item_score(*items));
        if (i == 3 && num_parse_double(q->argv[2], &v))
            way[n++] = skip_scout(order, v);
    }
    while (n > 0) {
        size_t left = 0;

        for (size_t i = 0; i < n; i++)
            if (skip_scout_step(way + i)) way[left++] = way[i];
        n = left;
    }
}

/* Call nearer what requests for members will need. */
static void net__look_at_members(struct loop *l, struct net_request *from,
                                 struct net_request *end) {
    const struct item *items[NET_BATCH] = { NULL };
    bool orders = false;

    for (struct net_request *q = from; q < end; q++) {
        size_t i = net__member_at(q);

        if (i != 0 && q->hint.p != NULL)
            hint_member(&l->k->ks, &q->hint, q->argv[i]);
    }
    for (struct net_request *q = from; q < end; q++) {
        size_t i = net__member_at(q);

        if (i == 0 || q->hint.p == NULL) continue;
        items[q - from] = hint_item(&q->hint, q->argv[i]);
        if (q->row->group == GROUP_ZSET) orders = true;
    }
    if (orders) net__scout(from, end, items);
}

/* The keys of some requests were hashed and their lines called.  Look for the
 * entries. */
static inline void net__look_ahead(struct loop *l, struct net_request *from,
                                   struct net_request *end) {
    if (end - from < 2) return;
    for (struct net_request *q = from; q < end; q++)
        if (LIKELY(q->hint.p != NULL)) hint_find(&q->hint);
    if (l->members) net__look_at_members(l, from, end);
}

/* Where there is somebody to lock out, keys are looked for under locks only:
 * of as many requests from q on as may share them.  Returns the first that is
 * not among them, behind q in any case. */
static struct net_request *net__hold(struct loop *l, struct net_request *q) {
    struct net_request *from = q, *end = l->next;
    struct hold *hold = &l->lane->hold;
    const struct client *last = NULL;
    struct work w = { .ks = &l->k->ks };

    hold_release(hold);
    for (; q < end; q++) {
        if (q->c != last &&
            (q->c->state != CLIENT_OPEN || !exec_is_usual(q->c, 0))) break;
        last = q->c;
        if (q->hint.p == NULL || !exec_may_hold(l->lane, q->row, q->argc) ||
            !hold_take(hold, &q->hint)) break;
    }
    if (q - from < 2) {
        hold_release(hold);
        return from + 1;
    }
    for (struct net_request *r = from; r < q; r++) {
        w.db = r->c->db;
        hint_seek(&w, &r->hint);
    }
    net__look_ahead(l, from, q);
    return q;
}

/* The last command's reply is not for its client, or could not be written. */
static COLD void net__cut_reply(struct loop *l, const struct net_request *q,
                                size_t mark) {
    struct reply *r = &l->lane->reply;
    struct client *c = q->c;

    if ((c->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP |
                     CLIENT_REPLY_SKIPPING)) != 0 &&
        c->held == NULL && c->waiting == NULL &&
        !exec_is_wanted(c, q->row, r, mark))
        reply_cut(r, mark);
    if (r->failed) {
        client_cut(c);
        r->failed = false;
        reply_cut(r, l->ranges[l->nranges - 1].from);
        reply_resync(r);
    }
}

/* The last range of replies ends here. */
static inline void net__close_range(struct loop *l) {
    if (l->nranges > 0)
        l->ranges[l->nranges - 1].to = reply_mark(&l->lane->reply);
}

/* Replies to another client begin, or those there are have become too many.
 * What has been answered goes out before anything that may take its time, or
 * say that it holds no longer: such a message must not overtake it. */
static void net__open_range(struct loop *l, const struct net_request *q) {
    bool watched = atomic_load_explicit(&l->k->observed,
                                        memory_order_relaxed) >=
                       OBSERVE_MONITOR ||
                   atomic_load_explicit(&l->k->ks.shards[0].tracked,
                                        memory_order_relaxed) != 0;
    size_t at;

    net__close_range(l);
    if (l->nranges > 0 && l->ranges[l->nranges - 1].c == q->c &&
        reply_mark(&l->lane->reply) <= NET_KEEP_OUT)
        return;
    if (l->nranges > 0 &&
        (q->row == NULL || watched ||
         (q->row->flags & (BARRIER | PUBSUB | ALL_SHARDS)) != 0 ||
         reply_mark(&l->lane->reply) > NET_KEEP_OUT)) {
        measure_close(l->lane);
        hold_release(&l->lane->hold);
        net__send_ranges(l);
        measure_open(l->lane);
    }
    at = reply_mark(&l->lane->reply);
    l->ranges[l->nranges++] = (struct net_range){ q->c, at, at };
    l->lane->reply.proto = q->c->proto;
}

/* Carry out the batch.  Its replies are still to be sent. */
static void net__carry(struct loop *l) {
    struct lane *lane = l->lane;
    struct reply *r = &lane->reply;
    struct net_request *const end = l->next, *held = NULL;
    const struct client *last = NULL;
    struct call x;

    if (l->next == l->batch) return;
    measure_open(lane);
    admit_look_ahead(lane, l->bytes);
    if (l->k->ks.threads) held = l->batch;
    else net__look_ahead(l, l->batch, end);
    for (struct net_request *q = l->batch; q < end; q++) {
        struct client *c = q->c;
        size_t mark = reply_mark(r);

        if (UNLIKELY(q == held)) held = net__hold(l, q);
        VERIFY(c != NULL);
        if (c != last || UNLIKELY(mark > NET_KEEP_OUT)) {
            if (UNLIKELY(c->state != CLIENT_OPEN)) continue;
            net__open_range(l, q);
            exec_begin(&x, lane, c, r);
            mark = reply_mark(r);
            lane->current = c;
            last = c;
        }
        exec_request(&x, q->row, q->argc, q->argv, &q->hint);
        if (UNLIKELY(!x.usual || r->failed)) net__cut_reply(l, q, mark);
        if (UNLIKELY(c->state != CLIENT_OPEN)) {
            if (c->state == CLIENT_CLOSING) client_stir(c);
            last = NULL;
        }
    }
    hold_release(&lane->hold);
    lane->current = NULL;
    net__close_range(l);
    measure_close(lane);
    lane->roomy = false;
    l->next = l->batch;
    l->next_arg = l->args;
    l->bytes = 0;
    l->members = false;
}

/* Carry out the batch, and send all replies. */
static void net_run(struct loop *l) {
    net__carry(l);
    if (l->nranges > 0) net__send_ranges(l);
}

/* Answer a protocol error and close after it. */
static COLD void net__refuse(struct loop *l, struct client *c,
                             const char *why) {
    net_run(l);
    if (c->state == CLIENT_GONE) return;
    l->scratch.n = 0;
    buf_printf(&l->scratch, "-ERR %s\r\n", why);
    c->state = CLIENT_CLOSING;
    client_write(c, l->scratch.p, l->scratch.n);
}

/* Which limits hold for a client's requests; what changes that is a barrier. */
static inline void net__authority(struct loop *l, const struct client *c) {
    l->limits.unauthenticated = client_is_stranger(c);
}

/* Is there no room for another request? */
static inline bool net__batch_full(const struct loop *l) {
    return l->next == l->batch + NET_BATCH ||
           l->next_arg > l->args + NET_ARGS - NET_FEW;
}

/* How many arguments there is still room for. */
static inline uint32_t net__arg_room(const struct loop *l) {
    return (uint32_t)(l->args + NET_ARGS - l->next_arg);
}

/* Put a request of n bytes into the batch, and call what its key will need
 * nearer.  True: it is a barrier, or for other reasons all is to be carried
 * out and answered before anything else is read. */
static INLINE bool net__take(struct loop *l, struct client *c,
                             struct str *argv, uint32_t argc, size_t n) {
    struct net_request *q = l->next++;
    const struct command *row = row_find(l->k, argv[0]);
    unsigned observed = atomic_load_explicit(&l->k->observed,
                                             memory_order_relaxed);

    l->bytes += n;
    q->c = c;
    q->row = row;
    q->argv = argv;
    q->argc = argc;
    q->hint.p = NULL;
    if (UNLIKELY(row == NULL)) return true;
    if (LIKELY(row->first == 1 && argc > 1)) {
        struct work w = { .ks = &l->k->ks, .db = c->db,
                          .bound = { c->bound, c->bound_n } };

        hint_take(&w, argv[1], &q->hint);
        if (LIKELY(!w.ks->threads)) hint_seek(&w, &q->hint);
        else shard_call(q->hint.ref.shard);
        if (row->flags & MEMBER) l->members = true;
    }
    return (row->flags & (BARRIER | CONTAINER)) != 0 ||
           (observed & OBSERVE_PAUSE) != 0;
}

/* Take a request that is not the usual kind, or not whole.  Returns the bytes
 * it took; 0: it is not whole, -1: there is nothing more to be read. */
static COLD ptrdiff_t net__take_odd(struct loop *l, struct client *c,
                                    const char *p, size_t n) {
    struct resp_args out = { .room = l->next_arg,
                             .cap = net__arg_room(l) };
    const char *why = NULL;
    ptrdiff_t took = resp_parse(&c->resp, p, n, &l->limits, &out, &why);

    if (took == 0) return 0;
    if (took < 0) {
        net__refuse(l, c, why);
        return -1;
    }
    if (out.cross_protocol) {
        log_line(&l->k->log, KLOG_WARNING, "possible SECURITY ATTACK: "
                 "%s spoke HTTP to the RESP port; closed", c->addr);
        net_run(l);
        client_cut(c);
        return -1;
    }
    if (out.argc == 0) return took;
    if (!out.held) l->next_arg += out.argc;
    if (net__take(l, c, out.argv, out.argc,
                  (size_t)took + resp_apart_n(&c->resp)) ||
        out.held || net__batch_full(l)) {
        net_run(l);
        net__authority(l, c);
    }
    if (out.held) resp_reset(&c->resp);
    return took;
}

/* Carry out a batch that ends with a barrier, and send its replies; but if
 * that is a command which might have had to wait, and did not, then there may
 * be more to come, as with a pipeline of XREADGROUP. */
static void net__pass(struct loop *l, struct client *c) {
    const struct command *row = l->next[-1].row;

    net__carry(l);
    if (row != NULL && (row->flags & BLOCKING) != 0 &&
        c->state == CLIENT_OPEN) {
        if (l->nranges > 0) net__send_others(l);
    } else if (l->nranges > 0) {
        net__send_ranges(l);
    }
    net__authority(l, c);
}

/* Parse the requests in p[0..n) of a client and put them into the batch; runs
 * it when it is full.  Returns the bytes that were taken. */
static size_t net__parse(struct loop *l, struct client *c, const char *p,
                         size_t n) {
    size_t at = 0, took;
    bool fresh;

    net__authority(l, c);
    fresh = resp_is_fresh(&c->resp, &l->limits);
    if (c->state != CLIENT_OPEN) return 0;
    while (at < n) {
        struct str *argv = l->next_arg;
        uint32_t argc;

        took = UNLIKELY(!fresh) ? 0 :
                   resp_whole(p + at, n - at, &l->limits, argv,
                              net__arg_room(l), &argc);
        if (LIKELY(took != 0)) {
            at += took;
            l->next_arg += argc;
            if (LIKELY(!net__take(l, c, argv, argc, took))) {
                if (LIKELY(!net__batch_full(l))) continue;
                net__carry(l);
                net__send_others(l);
            } else {
                net__pass(l, c);
            }
        } else {
            ptrdiff_t odd = net__take_odd(l, c, p + at, n - at);

            if (odd == 0) break;
            if (odd < 0) return n;
            at += (size_t)odd;
        }
        if (c->state != CLIENT_OPEN) break;
        fresh = resp_is_fresh(&c->resp, &l->limits);
    }
    return at;
}

/* A long argument at the end of what a client has sent goes apart, so that a
 * value can take it over; *n bytes at p come before it. */
static void net__set_apart(struct client *c, const char *p, size_t *n) {
    if (c->state != CLIENT_OPEN) return;
    *n = resp_apart(&c->resp, p, *n, NET_LONG);
    c->long_in = resp_reads_apart(&c->resp);
}

/* Carry on with input that a client has kept. */
static void net__resume(struct loop *l, struct client *c) {
    size_t took;

    if (c->in.n == 0 || c->state != CLIENT_OPEN) return;
    took = net__parse(l, c, c->in.p, c->in.n);
    net_run(l);
    if (took == c->in.n) {
        buf_free(&c->in);
        return;
    }
    buf_drop_front(&c->in, took);
    net__set_apart(c, c->in.p, &c->in.n);
}

/* Receive from a client.  0: there is nothing, or it is gone. */
static size_t net__receive(struct loop *l, struct client *c, char *p,
                           size_t room) {
    ssize_t n;

    do n = recv(c->fd, p, room, 0);
    while (n == -1 && errno == EINTR);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) client_cut(c);
        return 0;
    }
    c->net_in += (uint64_t)n;
    l->lane->net_in += (uint64_t)n;
    l->lane->nreads++;
    return (size_t)n;
}

/* May a client that has kept input keep so much more? */
static bool net__may_keep(struct loop *l, struct client *c, size_t more) {
    uint64_t most = l->k->opt.client_query_buffer_limit;
    size_t has = c->in.n + resp_apart_n(&c->resp);

    if (most == 0 || has + size_max(more, NET_ROOM) <= most) return true;
    log_line(&l->k->log, KLOG_WARNING,
             "closing %s: its input passed the query buffer limit", c->addr);
    client_cut(c);
    return false;
}

/* Read what a long argument still lacks to where it stays: apart, or behind
 * the input kept.  Carry on when it is whole. */
static void net__read_long(struct loop *l, struct client *c) {
    bool apart = resp_reads_apart(&c->resp);
    size_t room = size_min(resp_want(&c->resp), 1 << 20), n;
    char *p;

    if (!net__may_keep(l, c, room)) return;
    p = apart ? resp_room(&c->resp, &room) : buf_room(&c->in, room);
    if (p == NULL) {
        client_cut(c);
        return;
    }
    n = net__receive(l, c, p, size_min(room, 1 << 20));
    if (n == 0) return;
    if (!apart) c->in.n += n;
    else if (!resp_came(&c->resp, n)) return;
    net__resume(l, c);
}

/* How much to read of a client.  One that sends many requests at once, each of
 * which takes its time, is not to keep the others waiting with them: it gets
 * more at a time only as long as turns stay short all the same. */
static inline size_t net__share(const struct loop *l, const struct client *c) {
    return UNLIKELY(l->turn_ns > NET_TURN_NS) ? NET_READ_LEAST :
                                                (size_t)NET_READ << c->ease;
}

/* The client had as much, or more: what it gets next. */
static COLD void net__ease(const struct loop *l, struct client *c) {
    if (l->turn_ns > NET_TURN_NS) c->ease = 0;
    else if (l->turn_ns < NET_TURN_NS / 4 && c->ease < NET_EASE) c->ease++;
}

/* Read what a socket has.  Most of it goes to the shared input, from where
 * little is kept of those who send slowly; that little goes there again when
 * more comes. */
static void net_read(struct loop *l, struct client *c) {
    size_t most = net__share(l, c), kept, took, n;
    struct net_request *had;
    bool append;
    char *p;

    if (NET_IN - l->in_at < NET_ROOM + NET_KEPT) {
        net_run(l);
        l->in_at = 0;
    }
    append = c->state == CLIENT_BLOCKED;
    kept = c->in.n;
    if (UNLIKELY(kept > 0 || append)) {
        if (!append && (resp_reads_apart(&c->resp) ||
                        resp_want(&c->resp) >= NET_LONG)) {
            net__read_long(l, c);
            return;
        }
        if (!net__may_keep(l, c, 0)) return;
        if (kept > NET_KEPT) append = true;
        if (append) kept = 0;
    }
    p = l->in + l->in_at;
    if (kept > 0) memcpy(p, c->in.p, kept);
    n = net__receive(l, c, p + kept, UNLIKELY(c->long_in) ? NET_SIP :
                     size_min(most, NET_IN - l->in_at - NET_KEPT));
    if (n == 0) return;
    if (UNLIKELY(n >= most)) net__ease(l, c);
    if (append) {
        if (!buf_put(&c->in, p, n)) client_cut(c);
        else net__resume(l, c);
        return;
    }
    c->in.n = 0;
    n += kept;
    had = l->next;
    took = net__parse(l, c, p, n);
    c->long_in = n > NET_LONG && l->next == had + 1;
    if (l->next > l->batch) l->in_at += n;
    else l->in_at = 0;
    if (LIKELY(took == n)) {
        if (UNLIKELY(c->in.cap > NET_KEPT)) buf_free(&c->in);
        return;
    }
    n -= took;
    net__set_apart(c, p + took, &n);
    if (!buf_put(&c->in, p + took, n)) client_cut(c);
    else if (resp_reads_apart(&c->resp)) net__read_long(l, c);
}

/* ---- clients come and go ------------------------------------------------- */

/* Free a client and all it holds.  A parked one is shut down first, and freed
 * when its parker lets go of it. */
static void net_drop(struct loop *l, struct client *c) {
    client_unwait(c, false);
    asking_drop(c);
    watch_clear(c, false);
    pubsub_part_all(c);
    track_off(c);
    monitor_leave(c);
    net__remove(l, c);
    if (c->parked) {
        c->state = CLIENT_GONE;
        shutdown(c->fd, SHUT_RDWR);
        return;
    }
    if ((c->flags & CLIENT_SYNC) == 0 || client_pending(c) > 0 ||
        !saver_ask(l->k, c->fd))
        close(c->fd);
    client_free(c);
}

/* A parked client stirs: poll it again, and read at once. */
static void net_stirs(struct loop *l, struct client *c) {
    int64_t now = l->lane->clock.mono_us;

    c->parked = false;
    if (c->state == CLIENT_GONE) {
        net_drop(l, c);
        return;
    }
    /* who comes back soon should not have been parked */
    if (now - c->stirred_us < 4 * l->idle_us)
        l->idle_us = l->idle_us * 2 < NET_IDLE_MAX_US ? l->idle_us * 2 :
                                                        NET_IDLE_MAX_US;
    c->stirred_us = now;
    if (c->poll_at == SIZE_MAX && !net_add(l, c->fd, POLLIN, c)) {
        net_drop(l, c);
        return;
    }
    if (c->state != CLIENT_CLOSING) l->fds[c->poll_at].events |= POLLIN;
    net_read(l, c);
}

/* Park clients that have been quiet for a while. */
static void net_sweep(struct loop *l) {
    int64_t now = l->lane->clock.mono_us;

    for (size_t i = l->nfds; i-- > l->fixed;) {
        struct client *c = l->who[i];

        if (l->nfds - l->fixed <= NET_HOT) return;
        if (now - c->stirred_us < l->idle_us || client_pending(c) > 0 ||
            c->parked || (c->state != CLIENT_OPEN &&
                          c->state != CLIENT_BLOCKED))
            continue;
        if (!park_add(&l->park, c->fd, c->id)) {
            l->next_sweep = now + 1000000;
            return;
        }
        c->parked = true;
        net__remove(l, c);
    }
}

/* Clients that got output, or may go on. */
static void net_flush_all(struct loop *l) {
    struct lane *lane = l->lane;

    while (lane->flush != NULL) {
        struct client *c = lane->flush;

        lane->flush = c->next_flush;
        c->flags &= ~(uint32_t)CLIENT_FLUSH;
        if (c->state != CLIENT_GONE && client_pending(c) > 0)
            net_flush(l, c);
        if (c->state == CLIENT_OPEN && c->in.n > 0) net__resume(l, c);
        if (c->state == CLIENT_CLOSING && client_pending(c) == 0)
            c->state = CLIENT_GONE;
        if (c->state == CLIENT_GONE) net_drop(l, c);
    }
}
