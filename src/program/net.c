/* ==== net - the turn: poll, read, look ahead, execute, write ===============
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
 * The first loop also polls for HTTP: the few sockets of webs are written
 * behind its own for each poll, and served last in the turn.
 *
 * floor 8 - uses: base mem clock buf log entry shard big compact upkeep resp
 *    reply options instance world saver client asking measure labels monitor
 *    pubsub track watch waiters call settle admit exec park webs
 */
enum {
    NET_IN = 262144,            /* bytes of the shared input */
    NET_READ = 65536,           /* bytes read of one client in a turn */
    NET_ROOM = 16384,           /* less room than this: run the batch first */
    NET_BATCH = 32,             /* requests looked ahead */
    NET_ARGS = 4096,            /* their arguments in all */
    NET_FEW = 64,               /* room for fewer: run the batch first */
    NET_ACCEPT = 64,            /* connections accepted in a turn */
    NET_KEEP_OUT = 1 << 20,     /* bytes of output storage kept, and of output
                                   that wait for the batch's end */
    NET_STEP = 400,             /* entries of background work in a turn */
    NET_PIECES = 64,            /* of what is lent, and between, in a send */
    NET_HOT = 64,               /* clients polled however idle they are */
    NET_SWEEP_US = 5000,        /* between looks for idle ones */
    NET_IDLE_US = 20000,        /* quiet for so long: parked */
    NET_IDLE_MAX_US = 1000000,  /* the same, if they come back too soon */
    NET_COMPLAIN_US = 10000000  /* between lines on accept's failures */
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
    bool parks;                 /* may have threads to park clients with */
    struct park park;
    struct webs *webs;          /* HTTP, or NULL */
    int64_t next_sweep;         /* monotonic us */
    uint32_t ticks;             /* of net__second */
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

static bool net__add(struct loop *l, int fd, short events,
                     struct client *c) {
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
        if (on && !net__add(l, c->fd, POLLOUT, c)) client_cut(c);
        return;
    }
    if (!on && c->parked) net__remove(l, c);
    else l->fds[c->poll_at].events = (short)(in | (on ? POLLOUT : 0));
}

/* Send what waits in a client. */
static void net__flush(struct loop *l, struct client *c) {
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
    lane->timed_ns = 0;
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

/* Call nearer what requests for members will need. */
static void net__look_at_members(struct loop *l) {
    struct net_request *end = l->next;

    for (struct net_request *q = l->batch; q < end; q++) {
        size_t i = net__member_at(q);

        if (i != 0 && q->hint.p != NULL)
            hint_member(&l->k->ks, &q->hint, q->argv[i]);
    }
    for (struct net_request *q = l->batch; q < end; q++) {
        size_t i = net__member_at(q);

        if (i != 0 && q->hint.p != NULL) hint_item(&q->hint, q->argv[i]);
    }
}

/* The keys of the batch were hashed and their lines called; with somebody to
 * lock out, that is all that may be read without a lock.  Look for the
 * entries. */
static inline void net__look_ahead(struct loop *l) {
    struct net_request *end = l->next;

    if (l->k->ks.threads || end - l->batch < 2) return;
    for (struct net_request *q = l->batch; q < end; q++)
        if (LIKELY(q->hint.p != NULL)) hint_find(&q->hint);
    if (l->members) net__look_at_members(l);
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
 * What has been answered goes out before anything that may take its time. */
static void net__open_range(struct loop *l, const struct net_request *q) {
    bool watched = atomic_load_explicit(&l->k->observed,
                                        memory_order_relaxed) >=
                   OBSERVE_MONITOR;
    size_t at;

    net__close_range(l);
    if (l->nranges > 0 && l->ranges[l->nranges - 1].c == q->c &&
        reply_mark(&l->lane->reply) <= NET_KEEP_OUT)
        return;
    if (l->nranges > 0 &&
        (q->row == NULL || watched ||
         (q->row->flags & (BARRIER | PUBSUB | ALL_SHARDS)) != 0 ||
         reply_mark(&l->lane->reply) > NET_KEEP_OUT))
        net__send_ranges(l);
    at = reply_mark(&l->lane->reply);
    l->ranges[l->nranges++] = (struct net_range){ q->c, at, at };
    l->lane->reply.proto = q->c->proto;
}

/* Carry out the batch.  Its replies are still to be sent. */
static void net__carry(struct loop *l) {
    struct lane *lane = l->lane;
    struct reply *r = &lane->reply;
    const struct net_request *end = l->next;
    const struct client *last = NULL;
    struct call x;
    int64_t begun;

    if (l->next == l->batch) return;
    begun = measure_open(lane);
    admit_look_ahead(lane, l->bytes);
    net__look_ahead(l);
    for (struct net_request *q = l->batch; q < end; q++) {
        struct client *c = q->c;
        size_t mark = reply_mark(r);

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
    lane->current = NULL;
    net__close_range(l);
    measure_close(lane, begun);
    lane->roomy = false;
    l->next = l->batch;
    l->next_arg = l->args;
    l->bytes = 0;
    l->members = false;
}

/* Carry out the batch, and send all replies. */
static void net__run(struct loop *l) {
    net__carry(l);
    if (l->nranges > 0) net__send_ranges(l);
}

/* Answer a protocol error and close after it. */
static COLD void net__refuse(struct loop *l, struct client *c,
                             const char *why) {
    net__run(l);
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
        net__run(l);
        client_cut(c);
        return -1;
    }
    if (out.argc == 0) return took;
    if (!out.held) l->next_arg += out.argc;
    if (net__take(l, c, out.argv, out.argc, (size_t)took) || out.held ||
        net__batch_full(l)) {
        net__run(l);
        net__authority(l, c);
    }
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

/* Carry on with input that a client has kept. */
static void net__resume(struct loop *l, struct client *c) {
    size_t took;

    if (c->in.n == 0 || c->state != CLIENT_OPEN) return;
    took = net__parse(l, c, c->in.p, c->in.n);
    net__run(l);
    if (took == c->in.n) buf_free(&c->in);
    else buf_drop_front(&c->in, took);
}

/* Input came for a client that has kept some: put it behind that, unless it
 * was read there, and carry on. */
static void net__more(struct loop *l, struct client *c, const char *p,
                      size_t n) {
    if (p == NULL) c->in.n += n;
    else if (!buf_put(&c->in, p, n)) {
        client_cut(c);
        return;
    }
    net__resume(l, c);
}

/* Read what a socket has.  Most of it goes to the shared input, from where
 * little is kept of those who send slowly; what a long argument still lacks
 * is read to where it stays. */
static void net__read(struct loop *l, struct client *c) {
    bool kept = c->in.n > 0 || c->state == CLIENT_BLOCKED, direct;
    size_t room = size_min(resp_want(&c->resp), 1 << 20), took;
    uint64_t most = l->k->opt.client_query_buffer_limit;
    char *p;
    ssize_t n;

    direct = kept && room >= NET_ROOM;
    if (kept && most != 0 && c->in.n + size_max(room, NET_ROOM) > most) {
        log_line(&l->k->log, KLOG_WARNING,
                 "closing %s: its input passed the query buffer limit",
                 c->addr);
        client_cut(c);
        return;
    }
    if (direct) {
        p = buf_room(&c->in, room);
        if (p == NULL) {
            client_cut(c);
            return;
        }
    } else {
        if (NET_IN - l->in_at < NET_ROOM) {
            net__run(l);
            l->in_at = 0;
        }
        p = l->in + l->in_at;
        room = size_min(NET_READ, NET_IN - l->in_at);
    }
    do n = recv(c->fd, p, room, 0);
    while (n == -1 && errno == EINTR);
    if (n <= 0) {
        if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        client_cut(c);
        return;
    }
    c->net_in += (uint64_t)n;
    l->lane->net_in += (uint64_t)n;
    l->lane->nreads++;
    if (kept) {
        net__more(l, c, direct ? NULL : p, (size_t)n);
        return;
    }
    took = net__parse(l, c, p, (size_t)n);
    if (took < (size_t)n && !buf_put(&c->in, p + took, (size_t)n - took))
        client_cut(c);
    if (l->next > l->batch) l->in_at += (size_t)n;
    else l->in_at = 0;
}

/* ---- clients come and go ------------------------------------------------- */

/* Free a client and all it holds.  A parked one is shut down first, and freed
 * when its parker lets go of it. */
static void net__drop(struct loop *l, struct client *c) {
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
static void net__stirs(struct loop *l, struct client *c) {
    int64_t now = l->lane->clock.mono_us;

    c->parked = false;
    if (c->state == CLIENT_GONE) {
        net__drop(l, c);
        return;
    }
    /* who comes back soon should not have been parked */
    if (now - c->stirred_us < 4 * l->idle_us)
        l->idle_us = l->idle_us * 2 < NET_IDLE_MAX_US ? l->idle_us * 2 :
                                                        NET_IDLE_MAX_US;
    c->stirred_us = now;
    if (c->poll_at == SIZE_MAX && !net__add(l, c->fd, POLLIN, c)) {
        net__drop(l, c);
        return;
    }
    if (c->state != CLIENT_CLOSING) l->fds[c->poll_at].events |= POLLIN;
    net__read(l, c);
}

/* Park clients that have been quiet for a while. */
static void net__sweep(struct loop *l) {
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
static void net__flush_all(struct loop *l) {
    struct lane *lane = l->lane;

    while (lane->flush != NULL) {
        struct client *c = lane->flush;

        lane->flush = c->next_flush;
        c->flags &= ~(uint32_t)CLIENT_FLUSH;
        if (c->state != CLIENT_GONE && client_pending(c) > 0)
            net__flush(l, c);
        if (c->state == CLIENT_OPEN && c->in.n > 0) net__resume(l, c);
        if (c->state == CLIENT_CLOSING && client_pending(c) == 0)
            c->state = CLIENT_GONE;
        if (c->state == CLIENT_GONE) net__drop(l, c);
    }
}

static void net__name(const struct sockaddr_storage *a, char *to,
                      size_t room) {
    char host[INET6_ADDRSTRLEN] = "";

    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(to, room, "%s:%d", host, ntohs(in->sin_port));
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)a;

        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        snprintf(to, room, "[%s]:%d", host, ntohs(in->sin6_port));
    } else {
        snprintf(to, room, "unix:0");
    }
}

static void net__say_and_close(int fd, const char *text) {
    ssize_t n = write(fd, text, strlen(text));

    (void)n;
    close(fd);
}

static inline bool net__is_full(struct kvns *k) {
    return atomic_load(&k->nclients) >= (uint_fast32_t)k->opt.max_clients;
}

/* Take a connected socket in as a client. */
static void net__welcome(struct loop *l, int fd) {
    static const char full[] = "-ERR max number of clients reached\r\n";
    static const char denied[] =
        "-DENIED Redis is running in protected mode because protected mode "
        "is enabled and no password is set for the default user. In this "
        "mode connections are only accepted from the loopback interface. If "
        "you want to connect from external computers to Redis you may adopt "
        "one of the following solutions: 1) Just disable protected mode "
        "sending the command 'CONFIG SET protected-mode no' from the loopback "
        "interface by connecting to Redis from the same host the server is "
        "running, however MAKE SURE Redis is not publicly accessible from "
        "internet if you do so. Use CONFIG REWRITE to make this change "
        "permanent. 2) Alternatively you can just disable the protected mode "
        "by editing the Redis configuration file, and setting the protected "
        "mode option to 'no', and then restarting the server. 3) If you "
        "started the server manually just for testing, restart it with the "
        "'--protected-mode no' option. 4) Setup a an authentication password "
        "for the default user. NOTE: You only need to do one of the above "
        "things in order for the server to start accepting connections from "
        "the outside.\r\n";
    struct sockaddr_storage peer, mine;
    socklen_t n = sizeof peer, m = sizeof mine;
    struct kvns *k = l->k;
    struct client *c;
    int one = 1, idle;

    memset(&peer, 0, sizeof peer);
    memset(&mine, 0, sizeof mine);
    if (!base_nonblocking(fd) ||
        getpeername(fd, (struct sockaddr *)&peer, &n) == -1 ||
        getsockname(fd, (struct sockaddr *)&mine, &m) == -1) {
        close(fd);
        return;
    }
    l->lane->accepted++;
    /* who has left may still be counted */
    if (net__is_full(k)) net__flush_all(l);
    if (net__is_full(k)) {
        l->lane->refused++;
        net__say_and_close(fd, full);
        return;
    }
    if (k->opt.protected_mode && k->opt.password.n == 0 &&
        !client_is_local(&peer)) {
        l->lane->refused++;
        net__say_and_close(fd, denied);
        return;
    }
    if (peer.ss_family != AF_UNIX && mine.ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (k->opt.tcp_keepalive > 0) {
            setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
            idle = (int)k->opt.tcp_keepalive;
#if defined(TCP_KEEPIDLE) && !defined(KVNS_PLAIN)
            setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
            idle = idle / 3 > 0 ? idle / 3 : 1;
            setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof idle);
            idle = 3;
            setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &idle, sizeof idle);
#else
            (void)idle;
#endif
        }
    }
    c = client_new(l->lane, fd);
    if (c == NULL || !net__add(l, fd, POLLIN, c)) {
        if (c != NULL) client_free(c);
        net__say_and_close(fd, "-ERR out of memory\r\n");
        return;
    }
    if (mine.ss_family == AF_UNIX) c->flags |= CLIENT_UNIX;
    if (client_is_local(&peer)) c->flags |= CLIENT_LOCAL;
    net__name(&peer, c->addr, sizeof c->addr);
    net__name(&mine, c->laddr, sizeof c->laddr);
}

/* accept() failed, for lack of descriptors most likely: those who wait would
 * make poll spin.  Rest for a moment; complain only now and then. */
static COLD void net__rest(struct loop *l, int why) {
    int64_t now = l->lane->clock.mono_us;

    l->accept_again = now + 100000;
    if (now < l->complain_again) return;
    l->complain_again = now + NET_COMPLAIN_US;
    log_line(&l->k->log, KLOG_WARNING, "accepting connections: %s",
             strerror(why));
}

/* Accept what waits; hand it round the loops. */
static void net__accept(struct loop *l, int listener) {
    for (int i = 0; i < NET_ACCEPT; i++) {
        int fd = accept(listener, NULL, NULL);
        struct kvns *k = l->k;
        uint32_t to;

        if (fd == -1) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) net__rest(l, errno);
            return;
        }
        to = l->next_lane++ % k->nloops;
        if (to == l->lane->id ||
            !lane_tell(k->lanes + to, 0, LETTER_SOCKET, &fd, sizeof fd))
            net__welcome(l, fd);
    }
}

/* ---- letters, time, upkeep ----------------------------------------------- */

static void net__letters(struct loop *l) {
    struct lane *lane = l->lane;
    struct letter *letter, *next;
    char drain[64];

    if (lane->wake[0] != -1)
        while (read(lane->wake[0], drain, sizeof drain) > 0) {}
    pthread_mutex_lock(&lane->inbox_lock);
    letter = lane->inbox;
    lane->inbox = lane->inbox_last = NULL;
    pthread_mutex_unlock(&lane->inbox_lock);
    for (; letter != NULL; letter = next) {
        struct client *c = letter->client == 0 ? NULL :
                               lane_client(lane, letter->client);
        int fd;

        next = letter->next;
        switch ((enum letter_kind)letter->kind) {
        case LETTER_SOCKET:
            memcpy(&fd, letter->bytes, sizeof fd);
            net__welcome(l, fd);
            break;
        case LETTER_STIRS:
            if (c != NULL) net__stirs(l, c);
            break;
        case LETTER_OUTPUT:
            if (c != NULL) client_write(c, letter->bytes, letter->n);
            break;
        case LETTER_MESSAGE:
            if (c != NULL)
                pubsub_arrive(c, str_of(letter->bytes, letter->n));
            break;
        case LETTER_SERVE:
            settle_told(lane, letter);
            break;
        case LETTER_KILL:
            if (c != NULL) client_cut(c);
            break;
        case LETTER_MONITOR:
            monitor_deliver(lane, letter->bytes, letter->n);
            break;
        case LETTER_TRACK:
            track_arrive(lane, letter);
            break;
        case LETTER_TRACK_BROKEN:
            track_arrive_broken(lane, letter);
            break;
        case LETTER_UNBLOCK:
            if (c != NULL) client_unblock(c, letter->bytes[0] != 0);
            break;
        }
        free(letter);
    }
}

/* The limits of requests and the like, which CONFIG SET may change. */
static void net__limits(struct loop *l) {
    l->lane->reply.lend_from = l->k->opt.shared_values ? REPLY_LEND : SIZE_MAX;
    l->limits.max_args = (uint32_t)l->k->opt.max_resp_args;
    l->limits.max_bulk = l->k->opt.max_resp_bulk_len;
    l->limits.max_inline = (uint32_t)l->k->opt.max_resp_inline_len;
}

/* Tell the log, once a second, of what takes long: saving, and freeing what
 * was dropped. */
static void net__progress(struct loop *l) {
    struct kvns *k = l->k;
    size_t freeing = 0;
    uint64_t keys = 0;

    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        struct shard *s = k->ks.shards + i;

        shard_lock(s);
        freeing += s->lazy_bytes;
        if (s->walk != NULL) keys += s->walk->keys;
        shard_unlock(s);
    }
    saver_progress(k, keys);
    if (freeing > 0 && l->freeing > 0)
        log_line(&k->log, KLOG_NOTICE, "freeing: %zu bytes left", freeing);
    l->freeing = freeing;
}

/* What is looked at hz times a second, and at the end once a second. */
static void net__second(struct loop *l) {
    struct lane *lane = l->lane;
    struct kvns *k = l->k;
    struct work w = { .ks = &k->ks, .now = lane->clock.wall_ms };
    uint32_t hz = (uint32_t)k->opt.hz;

    l->next_second = lane->clock.mono_us + 1000000 / hz;
    if (++l->ticks % ((hz + 9) / 10) == 0) measure_sample(lane);
    net__limits(l);
    for (uint32_t i = lane->id; i < k->ks.nshards; i += k->nloops) {
        struct shard *s = k->ks.shards + i;

        shard_lock(s);
        if (s->reads.n > 0) shard_sweep_read(&w, s);
        mem_refill(&s->mem);
        compact_look(s);
        shard_unlock(s);
        settle_shard(lane, s);
    }
    if (l->idle_us > NET_IDLE_US) l->idle_us -= l->idle_us / 64;
    if (lane->id == 0) k->peak = size_max(k->peak, keyspace_bytes(&k->ks));
    if (lane->id == 0) track_sweep(lane);
    if (l->ticks % hz != 0) return;
    if (lane->id == 0) net__progress(l);
    if (lane->id == 0 && labels_are_due(k, lane->clock.wall_ms)) {
        world_stop(lane);
        labels_settle(k, lane->clock.wall_ms);
        world_go(lane);
    }
    for (struct client *c = lane->clients, *next; c != NULL; c = next) {
        next = c->next;
        if (client_pending(c) > 0 && !client_is_within(c, 0)) client_cut(c);
        if (k->opt.timeout > 0 && c->state == CLIENT_OPEN &&
            client_class(c) == OPTION_CLASS_NORMAL &&
            lane->clock.wall_ms - c->last_ms > k->opt.timeout * 1000)
            client_cut(c);
    }
}

/* A slice of background work for the shards this loop looks after. */
static void net__upkeep(struct loop *l) {
    struct kvns *k = l->k;
    struct work w = { .ks = &k->ks, .now = l->lane->clock.wall_ms };
    int64_t begun = l->lane->clock.mono_us;

    l->busy = false;
    for (uint32_t i = l->lane->id; i < k->ks.nshards; i += k->nloops) {
        uint32_t at = (i + l->step_at) % k->ks.nshards;
        struct shard *s = k->ks.shards + at;

        if (at % k->nloops != l->lane->id) s = k->ks.shards + i;
        shard_lock(s);
        if (s->wheel != NULL || s->walk != NULL || shard_has_work(s))
            l->busy = shard_step(&w, s, NET_STEP) || l->busy;
        shard_unlock(s);
        settle_shard(l->lane, s);
        if (l->busy && clock_mono_ns() / 1000 - begun > 200) break;
    }
    l->step_at += k->nloops;
}

/* Once round: wait up to timeout_ms (-1: for ever) for something to do, and do
 * it. */
static void loop_turn(struct loop *l, int timeout_ms) {
    struct lane *lane = l->lane;
    int64_t until, wait_us = (int64_t)timeout_ms * 1000;
    size_t nwebs = 0;
    int n;

    if (l->busy) wait_us = 0;
    until = l->next_second - lane->clock.mono_us;
    if (lane->next_timeout != 0 && lane->next_timeout -
        lane->clock.mono_us < until)
        until = lane->next_timeout - lane->clock.mono_us;
    if (lane->held != NULL && lane->held_until - lane->clock.mono_us < until)
        until = lane->held_until - lane->clock.mono_us;
    if (UNLIKELY(asking_any(lane))) until = 0;
    if (l->webs != NULL) {
        int64_t wait = webs_wait(l->webs);

        if (wait < until) until = wait;
        nwebs = webs_poll(l->webs, l->fds + l->nfds);
    }
    if (until < 0) until = 0;
    if (wait_us < 0 || until < wait_us) wait_us = until;
    n = poll(l->fds, (nfds_t)(l->nfds + nwebs), (int)((wait_us + 999) / 1000));
    if (nwebs > 0) n -= webs_look(l->webs, l->fds + l->nfds);
    if (n == 0) asking_alone(lane);
    world_enter(lane);
    clock_read(&lane->clock);
    l->in_at = 0;
    for (size_t i = l->nfds; n > 0 && i-- > l->fixed;) {
        struct client *c = l->who[i];
        short got = l->fds[i].revents;

        if (got == 0) continue;
        n--;
        c->stirred_us = lane->clock.mono_us;
        if ((got & POLLOUT) != 0 && client_pending(c) > 0) net__flush(l, c);
        if (c->state == CLIENT_GONE) client_cut(c);
        else if ((got & (POLLIN | POLLHUP | POLLERR)) != 0) net__read(l, c);
        if (c->state == CLIENT_CLOSING && (got & (POLLHUP | POLLERR)) != 0)
            client_cut(c);
    }
    net__run(l);
    if (l->fds[0].revents != 0) {
        net__letters(l);
        net__run(l);
    }
    for (size_t i = 1; i < l->fixed; i++)
        if (l->fds[i].revents != 0 && l->accept_again == 0)
            net__accept(l, l->fds[i].fd);
    if (UNLIKELY(lane->held != NULL)) exec_release(lane);
    if (UNLIKELY(lane->asking != NULL)) exec_let_in(lane);
    waiters_expire(lane);
    if (l->parks && l->nfds - l->fixed > NET_HOT &&
        lane->clock.mono_us >= l->next_sweep) {
        l->next_sweep = lane->clock.mono_us + NET_SWEEP_US;
        net__sweep(l);
    }
    net__upkeep(l);
    if (lane->clock.mono_us >= l->next_second) net__second(l);
    if (l->accept_again != 0) {
        bool again = lane->clock.mono_us >= l->accept_again;

        for (size_t i = 1; i < l->fixed; i++)
            l->fds[i].events = again ? POLLIN : 0;
        if (again) l->accept_again = 0;
    }
    if (l->webs != NULL) webs_turn(l->webs);
    track_turn(lane);
    net__flush_all(l);
    measure_turn(lane, clock_mono_ns() - lane->clock.mono_us * 1000);
    world_leave(lane);
}

/* A loop for a lane, listening on nothing yet.  NULL: no memory. */
static struct loop *loop_new(struct kvns *k, struct lane *lane) {
    struct loop *l = calloc(1, sizeof *l);

    if (l == NULL) return NULL;
    l->k = k;
    l->lane = lane;
    l->in = malloc(NET_IN);
    l->next = l->batch;
    l->next_arg = l->args;
    net__limits(l);
    clock_read(&lane->clock);
    l->next_second = lane->clock.mono_us + 100000;
    l->idle_us = NET_IDLE_US;
    l->park.lane = lane;
    if (l->in == NULL || pipe(lane->wake) == -1) goto refused;
    if (!base_nonblocking(lane->wake[0]) ||
        !base_nonblocking(lane->wake[1]) ||
        !net__add(l, lane->wake[0], POLLIN, NULL)) {
        close(lane->wake[0]);
        close(lane->wake[1]);
        goto refused;
    }
    l->fixed = 1;
    return l;
refused:
    free(l->in);
    free(l);
    return NULL;
}

/* Accept connections of a listening socket, which becomes the loop's; before
 * there are clients. */
static bool loop_listen(struct loop *l, int fd) {
    KVNS_ASSERT(l->nfds == l->fixed);
    if (!net__add(l, fd, POLLIN, NULL)) return false;
    l->fixed++;
    return true;
}

/* Close everything of a loop. */
static void loop_free(struct loop *l) {
    if (l == NULL) return;
    park_end(&l->park);
    webs_free(l->webs);
    while (l->lane->clients != NULL) {
        struct client *c = l->lane->clients;

        c->parked = false;
        if (client_pending(c) > 0) net__flush(l, c);
        net__drop(l, c);
    }
    for (size_t i = 1; i < l->fixed; i++) close(l->fds[i].fd);
    close(l->lane->wake[0]);
    close(l->lane->wake[1]);
    l->lane->wake[0] = l->lane->wake[1] = -1;
    free(l->fds);
    free(l->who);
    free(l->in);
    buf_free(&l->scratch);
    free(l);
}
