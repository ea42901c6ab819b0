/* SPDX-License-Identifier: MIT */
/* ==== client - a connection, or whoever else sends commands ================
 *
 * Born and freed by its lane's thread.  What others want of it goes through
 * the lane's inbox.
 *
 * Replies are written into the lane's output and sent from there; what the
 * socket does not take, and what comes while nobody asked (messages), waits in
 * the client's own buffer, within the limit of its class.  Long values wait
 * as references to the blobs they lie in.
 *
 * floor 5 - uses: base buf entry resp reply options instance
 */
enum { CLIENT_STRANGER_OUT = 65536 };   /* bytes that may wait before AUTH */

/* Is an address one of this machine? */
static bool client_is_local(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;

        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)a;

        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr))
            return in->sin6_addr.s6_addr[12] == 127;
        return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr);
    }
    return true;
}

/* Keep a command for later: a copy, the caller's.  NULL: no memory. */
static struct saved_call *saved_call_new(const struct command *row,
                                         size_t argc, const struct str *argv) {
    size_t bytes = 0, head;
    struct saved_call *s;
    char *p;

    for (size_t i = 0; i < argc; i++) bytes += argv[i].n;
    head = sizeof *s + argc * sizeof s->argv[0];
    s = malloc(head + bytes);
    if (s == NULL) return NULL;
    s->next = NULL;
    s->row = row;
    s->argc = argc;
    s->bytes = head + bytes;
    p = (char *)s + head;
    for (size_t i = 0; i < argc; i++) {
        if (argv[i].n > 0) memcpy(p, argv[i].p, argv[i].n);
        s->argv[i] = str_of(p, argv[i].n);
        p += argv[i].n;
    }
    return s;
}

/* A client of this lane; fd -1 for one without a socket.  NULL: no memory. */
static struct client *client_new(struct lane *l, int fd) {
    struct client *c = calloc(1, sizeof *c), **bucket;

    if (c == NULL) return NULL;
    c->id = (uint64_t)atomic_fetch_add(&l->k->next_id, 1) + 1;
    c->lane = l;
    c->fd = fd;
    c->proto = 2;
    c->poll_at = SIZE_MAX;
    c->since_ms = c->last_ms = l->clock.wall_ms;
    atomic_init(&c->touched, false);
    c->next = l->clients;
    if (l->clients != NULL) l->clients->prev = c;
    l->clients = c;
    l->nclients++;
    bucket = &l->by_id[c->id % LANE_IDS];
    c->next_id = *bucket;
    *bucket = c;
    atomic_fetch_add(&l->k->nclients, 1);
    return c;
}

/* Forget what waits to be sent, all of which was. */
static void client_sent(struct client *c) {
    KVNS_ASSERT(c->lent_at == c->lents);
    buf_free(&c->out);
    c->out_at = 0;
    free(c->lent);
    c->lent = NULL;
    c->lents = c->lent_cap = c->lent_at = 0;
    c->lent_bytes = 0;
}

/* Forget what MULTI collected. */
static void client_discard(struct client *c) {
    for (struct saved_call *s = c->queue, *next; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    c->queue = c->queue_last = NULL;
    c->queued = c->queue_bytes = 0;
    c->flags &= ~(uint32_t)(CLIENT_MULTI | CLIENT_SPOILT);
}

/* Keep a command until the pause is over; takes it over. */
static void client_hold(struct client *c, struct saved_call *s) {
    struct lane *l = c->lane;

    c->held = s;
    c->state = CLIENT_BLOCKED;
    c->flags |= CLIENT_PAUSED;
    c->next_held = NULL;
    if (l->held == NULL) l->held = c;
    else l->held_last->next_held = c;
    l->held_last = c;
    l->held_until = l->k->pause_until;
}

/* Take a client out of those held back; its command stays. */
static void client_let_go(struct client *c) {
    struct lane *l = c->lane;
    struct client **p = &l->held, *last = NULL;

    for (; *p != c; p = &(*p)->next_held) last = *p;
    *p = c->next_held;
    if (l->held_last == c) l->held_last = last;
    c->flags &= ~(uint32_t)CLIENT_PAUSED;
}

/* Does a client wait for data, or for the end of a pause?  Who was cut off
 * does not, though its lane may still have to bury it. */
static bool client_is_blocked(const struct client *c) {
    return c->state != CLIENT_GONE &&
           (c->waiting != NULL || (c->flags & CLIENT_PAUSED) != 0);
}

/* Nothing came of a client for a while: give back what was kept for more.  Of
 * most there is nothing, and their memory is not written. */
static void client_rest(struct client *c) {
    if (c->in.n == 0 && c->in.cap > 0) buf_free(&c->in);
    resp_rest(&c->resp);
}

/* Free a client that watches, waits and subscribes to nothing any more, and
 * whose socket is closed. */
static void client_free(struct client *c) {
    struct lane *l = c->lane;
    struct client **p = &l->by_id[c->id % LANE_IDS];

    KVNS_ASSERT(c->watches == NULL && c->waiters == NULL &&
                c->subscriptions == NULL && c->waiting == NULL);
    while (*p != c) p = &(*p)->next_id;
    *p = c->next_id;
    if (c->prev != NULL) c->prev->next = c->next;
    else l->clients = c->next;
    if (c->next != NULL) c->next->prev = c->prev;
    l->nclients--;
    if (l->look == c) l->look = c->next;
    if (c->flags & CLIENT_FLUSH) {
        p = &l->flush;
        while (*p != c) p = &(*p)->next_flush;
        *p = c->next_flush;
    }
    if (c->flags & CLIENT_PAUSED) client_let_go(c);
    atomic_fetch_sub(&l->k->nclients, 1);
    client_discard(c);
    resp_reset(&c->resp);
    buf_free(&c->in);
    while (c->lent_at < c->lents) blob_drop(c->lent[c->lent_at++].blob);
    client_sent(c);
    free(c->held);
    free(c->bound);
    free(c->user);
    free(c->name);
    free(c->lib_name);
    free(c->lib_ver);
    free(c);
}

/* Does a client know of another?  Who lives in a namespace knows only its
 * own kind. */
static bool client_may_see(const struct client *c, const struct client *d) {
    return c->bound == NULL ||
           (d->bound != NULL && str_eq(str_of(c->bound, c->bound_n),
                                       str_of(d->bound, d->bound_n)));
}

/* Bytes that wait to be sent. */
static inline size_t client_pending(const struct client *c) {
    return c->out.n - c->out_at + c->lent_bytes;
}

/* Which output limit holds for it. */
static inline enum option_class client_class(const struct client *c) {
    return c->channels + c->patterns + c->shard_channels > 0 ?
               OPTION_CLASS_PUBSUB : OPTION_CLASS_NORMAL;
}

/* Does it still have to say who it is? */
static inline bool client_is_stranger(const struct client *c) {
    return c->lane->k->opt.password.n > 0 &&
           (c->flags & CLIENT_NAMED_AUTH) == 0;
}

/* Is its waiting output within the limits?  Where not, it is to be closed.  A
 * stranger gets errors only, and no memory for those it does not read. */
static bool client_is_within(struct client *c, size_t more) {
    const struct option_output *lim =
        &c->lane->k->opt.client_output[client_class(c)];
    size_t n = client_pending(c) + more;

    if (n > CLIENT_STRANGER_OUT && client_is_stranger(c)) return false;
    if (lim->hard != 0 && n > lim->hard) return false;
    if (lim->soft == 0 || n <= lim->soft) {
        c->over_ms = 0;
        return true;
    }
    if (c->over_ms == 0) c->over_ms = c->lane->clock.wall_ms;
    return c->lane->clock.wall_ms - c->over_ms < lim->seconds * 1000;
}

/* Have the loop come by: there is output, or something else has changed. */
static inline void client_stir(struct client *c) {
    if (c->flags & CLIENT_FLUSH) return;
    c->flags |= CLIENT_FLUSH;
    c->next_flush = c->lane->flush;
    c->lane->flush = c;
}

/* To be closed when what waits has been sent. */
static void client_close(struct client *c) {
    c->state = CLIENT_CLOSING;
    client_stir(c);
}

/* To be closed as soon as the loop comes by; what waits is not sent. */
static void client_cut(struct client *c) {
    c->state = CLIENT_GONE;
    client_stir(c);
}

/* Does CLIENT REPLY let the reply just made go out?  Asked once for each. */
static inline bool client_wants_reply(struct client *c) {
    bool wants = (c->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIPPING)) == 0;

    c->flags &= ~(uint32_t)CLIENT_REPLY_SKIPPING;
    if ((c->flags & CLIENT_REPLY_SKIP) != 0)
        c->flags ^= CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIPPING;
    return wants;
}

/* What was sent long ago takes no more room than what was not. */
static void client__compact(struct client *c) {
    size_t gone = c->out_at;

    if (gone < 65536 || gone < c->out.n / 2) return;
    buf_drop_front(&c->out, gone);
    c->out_at = 0;
    for (uint32_t i = c->lent_at; i < c->lents; i++) c->lent[i].at -= gone;
}

/* Append output that is not a reply of the batch: the lane's own thread.  A
 * client over its limit is cut off. */
static void client_write(struct client *c, const char *p, size_t n) {
    if (c->state == CLIENT_GONE || n == 0) return;
    client__compact(c);
    if (!client_is_within(c, n) || !buf_put(&c->out, p, n)) {
        client_cut(c);
        return;
    }
    client_stir(c);
}

/* Append what was lent to a reply; takes over the hold on the blob. */
static void client_lend(struct client *c, const struct reply_ref *ref) {
    if (c->state == CLIENT_GONE) goto dropped;
    if (!client_is_within(c, ref->n)) goto refused;
    if (c->lents == c->lent_cap) {
        uint32_t cap = c->lent_cap == 0 ? 8 : c->lent_cap * 2;
        struct reply_ref *lent = realloc(c->lent, cap * sizeof *lent);

        if (lent == NULL) goto refused;
        c->lent = lent;
        c->lent_cap = cap;
    }
    c->lent[c->lents] = *ref;
    c->lent[c->lents++].at = c->out.n;
    c->lent_bytes += ref->n;
    client_stir(c);
    return;
refused:
    client_cut(c);
dropped:
    blob_drop(ref->blob);
}

/* Replace one of a client's strings by a copy; an empty one is none. */
static bool client_set_text(char **text, struct str s) {
    char *copy = NULL;

    if (s.n > 0) {
        copy = malloc(s.n + 1);
        if (copy == NULL) return false;
        memcpy(copy, s.p, s.n);
        copy[s.n] = '\0';
    }
    free(*text);
    *text = copy;
    return true;
}
