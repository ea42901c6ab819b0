/* SPDX-License-Identifier: MIT */
/* ==== loop - the turn ======================================================
 *
 * Wait until something is to be done, and do it: what the sockets have, what
 * other loops have sent, new connections, time that has passed, a slice of
 * background work.  Nothing in a turn waits for anything else.
 *
 * The first loop also polls for HTTP: the few sockets of webs are written
 * behind its own for each poll, and served last in the turn.
 *
 * floor 8 - uses: base mem clock buf log shard compact upkeep reply options
 *    instance world saver client asking measure labels monitor pubsub track
 *    waiters settle exec park webs net
 */

enum {
    LOOP_ACCEPT = 64,           /* connections accepted in a turn */
    LOOP_STEP = 32,             /* entries of background work between looks */
    LOOP_STEP_US = 150,         /* at the clock, and for how long a turn */
    LOOP_CLIENTS = 256,         /* looked after in a tick: ten thousand take
                                   four seconds */
    LOOP_SHED = 16,             /* keys that a lower limit evicts likewise */
    LOOP_SWEEP_US = 5000,       /* between looks for idle ones */
    LOOP_COMPLAIN_US = 10000000 /* between lines on accept's failures */
};

static void loop__name(const struct sockaddr_storage *a, char *to,
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

static void loop__say_and_close(int fd, const char *text) {
    ssize_t n = write(fd, text, strlen(text));

    (void)n;
    close(fd);
}

static inline bool loop__is_full(struct kvns *k) {
    return atomic_load(&k->nclients) >= (uint_fast32_t)k->opt.max_clients;
}

/* Take a connected socket in as a client. */
static void loop__welcome(struct loop *l, int fd) {
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
    if (loop__is_full(k)) net_flush_all(l);
    if (loop__is_full(k)) {
        l->lane->refused++;
        loop__say_and_close(fd, full);
        return;
    }
    if (k->opt.protected_mode && k->opt.password.n == 0 &&
        !client_is_local(&peer)) {
        l->lane->refused++;
        loop__say_and_close(fd, denied);
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
    if (c == NULL || !net_add(l, fd, POLLIN, c)) {
        if (c != NULL) client_free(c);
        loop__say_and_close(fd, "-ERR out of memory\r\n");
        return;
    }
    if (mine.ss_family == AF_UNIX) c->flags |= CLIENT_UNIX;
    if (client_is_local(&peer)) c->flags |= CLIENT_LOCAL;
    loop__name(&peer, c->addr, sizeof c->addr);
    loop__name(&mine, c->laddr, sizeof c->laddr);
}

/* accept() failed, for lack of descriptors most likely: those who wait would
 * make poll spin.  Rest for a moment; complain only now and then. */
static COLD void loop__rest(struct loop *l, int why) {
    int64_t now = l->lane->clock.mono_us;

    l->accept_again = now + 100000;
    if (now < l->complain_again) return;
    l->complain_again = now + LOOP_COMPLAIN_US;
    log_line(&l->k->log, KLOG_WARNING, "accepting connections: %s",
             strerror(why));
}

/* Accept what waits; hand it round the loops. */
static void loop__accept(struct loop *l, int listener) {
    for (int i = 0; i < LOOP_ACCEPT; i++) {
        int fd = accept(listener, NULL, NULL);
        struct kvns *k = l->k;
        uint32_t to;

        if (fd == -1) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) loop__rest(l, errno);
            return;
        }
        to = l->next_lane++ % k->nloops;
        if (to == l->lane->id ||
            !lane_tell(k->lanes + to, 0, LETTER_SOCKET, &fd, sizeof fd))
            loop__welcome(l, fd);
    }
}

static void loop__letters(struct loop *l) {
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
            loop__welcome(l, fd);
            break;
        case LETTER_STIRS:
            if (c != NULL) net_stirs(l, c);
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
static void loop__limits(struct loop *l) {
    l->lane->reply.lend_from = l->k->opt.shared_values ? REPLY_LEND : SIZE_MAX;
    l->limits.max_args = (uint32_t)l->k->opt.max_resp_args;
    l->limits.max_bulk = l->k->opt.max_resp_bulk_len;
    l->limits.max_inline = (uint32_t)l->k->opt.max_resp_inline_len;
}

/* Tell the log, once a second, of what takes long: saving, and freeing what
 * was dropped. */
static void loop__progress(struct loop *l) {
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

/* Look after some clients, of a pass over all that begins once in a second. */
static void loop__look_after(struct loop *l) {
    struct lane *lane = l->lane;
    const struct options *opt = &l->k->opt;

    for (int n = LOOP_CLIENTS; n > 0 && lane->look != NULL; n--) {
        struct client *c = lane->look;
        int64_t quiet = lane->clock.wall_ms - c->last_ms;

        lane->look = c->next;
        if (quiet > 1000) client_rest(c);
        if ((client_pending(c) > 0 && !client_is_within(c, 0)) ||
            (opt->timeout > 0 && c->state == CLIENT_OPEN &&
             client_class(c) == OPTION_CLASS_NORMAL &&
             quiet > opt->timeout * 1000))
            client_cut(c);
    }
}

/* What is looked at hz times a second, and at the end once a second. */
static void loop__second(struct loop *l) {
    struct lane *lane = l->lane;
    struct kvns *k = l->k;
    uint32_t hz = (uint32_t)k->opt.hz;

    l->next_second = lane->clock.mono_us + 1000000 / hz;
    if (++l->ticks % ((hz + 9) / 10) == 0) measure_sample(lane);
    loop__limits(l);
    for (uint32_t i = lane->id; i < k->ks.nshards; i += k->nloops) {
        struct shard *s = k->ks.shards + i;

        shard_lock(s);
        if (shard_sweep_reads(s)) l->busy = true;
        mem_refill(&s->mem);
        if ((i + l->ticks) % hz == 0) compact_look(s);
        shard_unlock(s);
        settle_shard(lane, s);
    }
    if (l->idle_us > NET_IDLE_US) l->idle_us -= l->idle_us / 64;
    if (lane->id == 0) k->peak = size_max(k->peak, keyspace_bytes(&k->ks));
    if (lane->id == 0) track_sweep(lane);
    loop__look_after(l);
    if (l->ticks % hz != 0) return;
    if (lane->look == NULL) lane->look = lane->clients;
    if (lane->id == 0) loop__progress(l);
    if (lane->id == 0 && labels_are_due(k, lane->clock.wall_ms)) {
        world_stop(lane);
        labels_settle(k, lane->clock.wall_ms);
        world_go(lane);
    }
}

/* Work on a shard until it is done or the time has come; settles what that
 * leads to.  True: there is more. */
static bool loop__work_on(struct loop *l, struct shard *s, unsigned shed,
                          int64_t until) {
    struct work w = { .ks = &l->k->ks, .now = l->lane->clock.wall_ms };
    bool more, sheds = false;

    do {
        shard_lock(s);
        more = (s->wheel != NULL || s->walk != NULL || shard_has_work(s)) &&
               shard_step(&w, s, LOOP_STEP);
        /* as much of each shard */
        if (UNLIKELY(shed != l->shed) && !sheds)
            sheds = shard_shed(&w, s, LOOP_SHED);
        shard_unlock(s);
        settle_shard(l->lane, s);
    } while (more && clock_mono_ns() / 1000 < until);
    return more || sheds;
}

/* A slice of background work for the shards this loop looks after: one after
 * the other, each turn from the next one on. */
static void loop__upkeep(struct loop *l) {
    struct kvns *k = l->k;
    unsigned shed = atomic_load_explicit(&k->ks.lowered, memory_order_relaxed);
    uint32_t own = (k->ks.nshards + k->nloops - 1 - l->lane->id) / k->nloops;
    int64_t until = l->lane->clock.mono_us + LOOP_STEP_US;

    l->busy = false;
    for (uint32_t i = 0; i < own; i++) {
        uint32_t at = (i + l->step_at) % own * k->nloops + l->lane->id;

        l->busy = loop__work_on(l, k->ks.shards + at, shed, until) || l->busy;
        if (l->busy && clock_mono_ns() / 1000 >= until) break;
    }
    l->step_at++;
    if (!l->busy) l->shed = shed;
}

/* Once round: wait up to timeout_ms (-1: for ever) for something to do, and do
 * it. */
static void loop_turn(struct loop *l, int timeout_ms) {
    struct lane *lane = l->lane;
    int64_t until, took, wait_us = (int64_t)timeout_ms * 1000;
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
    /* each turn costs the same, so have more come together for it first */
    if (UNLIKELY(l->k->crowded)) sched_yield();
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
        if ((got & POLLOUT) != 0 && client_pending(c) > 0) net_flush(l, c);
        if (c->state == CLIENT_GONE) client_cut(c);
        else if ((got & (POLLIN | POLLHUP | POLLERR)) != 0) net_read(l, c);
        if (c->state == CLIENT_CLOSING && (got & (POLLHUP | POLLERR)) != 0)
            client_cut(c);
    }
    net_run(l);
    if (l->fds[0].revents != 0) {
        loop__letters(l);
        net_run(l);
    }
    for (size_t i = 1; i < l->fixed; i++)
        if (l->fds[i].revents != 0 && l->accept_again == 0)
            loop__accept(l, l->fds[i].fd);
    if (UNLIKELY(lane->held != NULL)) exec_release(lane);
    if (UNLIKELY(lane->asking != NULL)) exec_let_in(lane);
    waiters_expire(lane);
    if (l->parks && l->nfds - l->fixed > NET_HOT &&
        lane->clock.mono_us >= l->next_sweep) {
        l->next_sweep = lane->clock.mono_us + LOOP_SWEEP_US;
        net_sweep(l);
    }
    loop__upkeep(l);
    if (lane->clock.mono_us >= l->next_second) loop__second(l);
    if (l->accept_again != 0) {
        bool again = lane->clock.mono_us >= l->accept_again;

        for (size_t i = 1; i < l->fixed; i++)
            l->fds[i].events = again ? POLLIN : 0;
        if (again) l->accept_again = 0;
    }
    if (l->webs != NULL) webs_turn(l->webs);
    track_turn(lane);
    net_flush_all(l);
    took = clock_mono_ns() - lane->clock.mono_us * 1000;
    measure_turn(lane, took);
    l->turn_ns = took;
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
    loop__limits(l);
    clock_read(&lane->clock);
    l->next_second = lane->clock.mono_us + 100000;
    l->idle_us = NET_IDLE_US;
    l->park.lane = lane;
    if (l->in == NULL || pipe(lane->wake) == -1) goto refused;
    if (!base_nonblocking(lane->wake[0]) ||
        !base_nonblocking(lane->wake[1]) ||
        !net_add(l, lane->wake[0], POLLIN, NULL)) {
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
    if (!net_add(l, fd, POLLIN, NULL)) return false;
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
        if (client_pending(c) > 0) net_flush(l, c);
        net_drop(l, c);
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
