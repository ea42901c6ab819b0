/* SPDX-License-Identifier: MIT */
/* ==== webs - HTTP, beside the turn =========================================
 *
 * A few connections for whoever looks after the server: /metrics, /healthz,
 * /readyz, the status page.  The first loop polls for them and lets them have
 * the end of its turn:
 *
 *   READS --head--> WAITS (for a costly page) --> WRITES --+--> READS
 *                                                          +--> LINGERS
 *
 * Everything is bounded, so that nobody here disturbs those who came for the
 * data: WEBS_MOST connections, of which one that only keeps its place gives
 * way to a new one; HTTP_HEAD bytes of input each; WEBS_REQUEST_US for a
 * request and as much for its answer.  A page that costs more than nothing is
 * made at most for a tenth of the time: after one that took t, the next is
 * made 9 t later, for all who wait for it by then.
 *
 * A connection that ends lingers until the other side has closed, or a reset
 * would overtake the answer.
 *
 * While protected mode holds, the status page is for this machine only: for
 * peers on it, and for no page that a browser here shows under another name.
 *
 * KVNS_NO_HTTP leaves all of it out, KVNS_NO_PAGE the status page.
 *
 * floor 8 - uses: base clock buf http options instance client names metrics
 *    status
 */
#if !defined(KVNS_NO_HTTP)
enum {
    WEBS_MOST = 32,             /* connections */
    WEBS_LISTENERS = 8,
    WEBS_FDS = WEBS_MOST + WEBS_LISTENERS,
    WEBS_REQUEST_US = 5000000,
    WEBS_IDLE_US = 75000000,    /* between requests: longer than a minute */
    WEBS_LINGER_US = 1000000
};

enum web_state { WEB_READS, WEB_WAITS, WEB_WRITES, WEB_LINGERS };

struct webs;

struct web_route {
    const char *path, *type;
    int (*page)(struct webs *w, struct buf *body);  /* returns the status */
    bool costly;
    bool guarded;               /* for this machine, in protected mode */
};

struct web {
    int fd;                     /* -1: closed, to be removed */
    enum web_state state;
    short got;                  /* what poll said */
    bool idle;                  /* has asked, and keeps its place */
    bool local;                 /* the peer is on this machine */
    int64_t until;              /* monotonic us: closed then */
    struct buf in, out;
    size_t out_at;
    struct http_request asked;  /* its method, and whether to keep alive */
    const struct web_route *route;
};

struct webs {
    struct kvns *k;
    struct lane *lane;
    struct names *names;
    int listeners[WEBS_LISTENERS];
    bool calls[WEBS_LISTENERS]; /* somebody is there */
    size_t nlisteners;
    struct web all[WEBS_MOST];
    size_t n;
    struct buf body;            /* of the page being made */
    int64_t accept_again;       /* monotonic us; 0: now */
    int64_t page_again;         /* no costly page before that */
};

/* ---- pages --------------------------------------------------------------- */

#if defined(KVNS_NO_PAGE)
static int webs__index(struct webs *w, struct buf *body) {
    (void)w;
    buf_put_str(body, STR(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
        "<title>kvns</title>\n<h1>kvns " KVNS_VERSION "</h1>\n<ul>\n"
        "<li><a href=\"/metrics\">/metrics</a> for Prometheus\n"
        "<li><a href=\"/healthz\">/healthz</a>: it answers\n"
        "<li><a href=\"/readyz\">/readyz</a>: it serves, and can save\n"
        "</ul>\n</html>\n"));
    return 200;
}
#else
static int webs__index(struct webs *w, struct buf *body) {
    (void)w;
    return status_page(body) ? 200 : 503;
}

static int webs__status(struct webs *w, struct buf *body) {
    return status_json(w->names, w->lane, body) ? 200 : 503;
}
#endif

static int webs__health(struct webs *w, struct buf *body) {
    (void)w;
    buf_put_str(body, STR("ok\n"));
    return 200;
}

static int webs__metrics(struct webs *w, struct buf *body) {
    return metrics_page(w->names, w->lane, body) ? 200 : 503;
}

static int webs__ready(struct webs *w, struct buf *body) {
    struct kvns *k = w->k;
    bool saved;

    pthread_mutex_lock(&k->lock);
    saved = k->persist.last_ok;
    pthread_mutex_unlock(&k->lock);
    if (atomic_load(&k->loading)) buf_put_str(body, STR("loading\n"));
    else if (!saved) buf_put_str(body, STR("the last snapshot failed\n"));
    else return webs__health(w, body);
    return 503;
}

static const struct web_route webs_routes[] = {
    { "/", "text/html; charset=utf-8", webs__index, false, true },
    { "/healthz", "text/plain; charset=utf-8", webs__health, false, false },
    { "/metrics", "text/plain; version=0.0.4; charset=utf-8", webs__metrics,
      true, false },
    { "/readyz", "text/plain; charset=utf-8", webs__ready, false, false },
#if !defined(KVNS_NO_PAGE)
    { "/status.json", "application/json", webs__status, true, true },
#endif
};

/* Does a request name this machine as such?  Names that anybody may point
 * here do not count. */
static bool webs__names_us(const struct http_request *q) {
    struct str host = q->host;

    if (host.n > 0 && *host.p == '[') return true;
    for (size_t i = host.n; i-- > 0;)
        if (host.p[i] == ':') host.n = i;
    if (host.n == 0 || str_is(host, "localhost")) return true;
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9'))
            return false;
    return true;
}

/* May this connection see a guarded page? */
static bool webs__may_look(const struct webs *w, const struct web *c) {
    const struct options *o = &w->k->opt;

    if (!o->protected_mode || o->password.n > 0) return true;
    return c->local && webs__names_us(&c->asked);
}

/* ---- one connection ------------------------------------------------------ */

static void webs__close(struct web *c) {
    if (c->fd == -1) return;
    close(c->fd);
    c->fd = -1;
    buf_free(&c->in);
    buf_free(&c->out);
}

static void webs__reply(struct webs *w, struct web *c, int status,
                        const char *type) {
    bool ok = !w->body.failed;

    if (ok && type != NULL)
        ok = http_answer(&c->out, &c->asked, status, type, buf_str(&w->body));
    else if (ok)
        ok = http_refuse(&c->out, &c->asked, status);
    if (!ok) webs__close(c);
    c->state = WEB_WRITES;
    c->until = w->lane->clock.mono_us + WEBS_REQUEST_US;
}

/* Say that the page is not for everybody. */
static void webs__refuse(struct webs *w, struct web *c) {
    buf_put_str(&w->body, STR("In protected mode this page is for this machine "
                              "only, by address or as localhost. Set a "
                              "password, or protected-mode no.\n"));
    webs__reply(w, c, 403, "text/plain; charset=utf-8");
}

/* Answer a request, or have it wait for its page. */
static void webs__route(struct webs *w, struct web *c,
                        const struct http_request *q) {
    buf_reset(&w->body);
    c->route = NULL;
    for (size_t i = 0; i < ROWS(webs_routes); i++)
        if (str_eq(q->path, str_c(webs_routes[i].path)))
            c->route = webs_routes + i;
    if (q->method == HTTP_OTHER)
        webs__reply(w, c, 405, NULL);
    else if (c->route == NULL)
        webs__reply(w, c, 404, NULL);
    else if (c->route->guarded && !webs__may_look(w, c))
        webs__refuse(w, c);
    else if (c->route->costly)
        c->state = WEB_WAITS;
    else
        webs__reply(w, c, c->route->page(w, &w->body), c->route->type);
}

/* Take the next request, if all of it is there. */
static void webs__request(struct webs *w, struct web *c) {
    int status;
    ptrdiff_t took = http_parse(c->in.p, c->in.n, &c->asked, &status);

    if (took == 0) return;
    if (took < 0) {
        c->asked.keep_alive = false;
        buf_reset(&w->body);
        webs__reply(w, c, status, NULL);
        buf_reset(&c->in);
        return;
    }
    webs__route(w, c, &c->asked);
    if (c->fd != -1) buf_drop_front(&c->in, (size_t)took);
}

static void webs__read(struct webs *w, struct web *c) {
    size_t room = HTTP_HEAD - c->in.n;
    char *p = buf_room(&c->in, room);
    ssize_t n = p == NULL ? 0 : recv(c->fd, p, room, 0);

    if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        webs__close(c);
        return;
    }
    if (c->state == WEB_LINGERS) return;    /* unread: nobody asked for it */
    c->in.n += (size_t)n;
    if (c->idle) c->until = w->lane->clock.mono_us + WEBS_REQUEST_US;
    c->idle = false;
}

/* Send what there is of the answer.  True: all of it has gone. */
static bool webs__write(struct web *c) {
    while (c->out_at < c->out.n) {
        size_t n = c->out.n - c->out_at;
        ssize_t sent;

#if defined(MSG_NOSIGNAL)
        sent = send(c->fd, c->out.p + c->out_at, n, MSG_NOSIGNAL);
#else
        sent = send(c->fd, c->out.p + c->out_at, n, 0);
#endif
        if (sent == -1 && errno == EINTR) continue;
        if (sent == -1) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) webs__close(c);
            return false;
        }
        c->out_at += (size_t)sent;
    }
    buf_free(&c->out);
    c->out_at = 0;
    return true;
}

/* After an answer: what is next. */
static void webs__next(struct webs *w, struct web *c) {
    int64_t now = w->lane->clock.mono_us;

    if (!c->asked.keep_alive) {
        shutdown(c->fd, SHUT_WR);
        buf_free(&c->in);
        c->state = WEB_LINGERS;
        c->until = now + WEBS_LINGER_US;
        return;
    }
    c->state = WEB_READS;
    c->idle = c->in.n == 0;
    c->until = now + (c->idle ? WEBS_IDLE_US : WEBS_REQUEST_US);
    if (c->idle) buf_free(&c->in);
}

/* Let a connection go on as far as it can. */
static void webs__go(struct webs *w, struct web *c) {
    for (;;) {
        if (c->state == WEB_READS && c->in.n > 0) webs__request(w, c);
        if (c->fd == -1 || c->state != WEB_WRITES || !webs__write(c)) return;
        webs__next(w, c);
    }
}

/* ---- all of them --------------------------------------------------------- */

/* The connection that has kept its place longest without asking, or NULL. */
static struct web *webs__idlest(struct webs *w) {
    struct web *found = NULL;

    for (size_t i = 0; i < w->n; i++) {
        struct web *c = w->all + i;

        if (c->idle && (found == NULL || c->until < found->until)) found = c;
    }
    return found;
}

static void webs__accept(struct webs *w, int listener) {
    struct sockaddr_storage peer;
    socklen_t n = sizeof peer;
    struct web *c = NULL;
    int fd, one = 1;

    if (w->n == WEBS_MOST && (c = webs__idlest(w)) == NULL) return;
    memset(&peer, 0, sizeof peer);
    fd = accept(listener, (struct sockaddr *)&peer, &n);
    if (fd == -1) {
        if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN &&
            errno != EWOULDBLOCK)
            w->accept_again = w->lane->clock.mono_us + 100000;
        return;
    }
    if (!base_nonblocking(fd)) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c != NULL) webs__close(c);
    else c = w->all + w->n++;
    *c = (struct web){ .fd = fd, .local = client_is_local(&peer),
                       .until = w->lane->clock.mono_us + WEBS_REQUEST_US };
}

/* Make the page that the first in need of one waits for, for all who do. */
static void webs__make(struct webs *w) {
    const struct web_route *route = NULL;
    int64_t begun, now;
    int status = 0;

    if (w->n == 0) return;      /* as nearly always: no look at the clock */
    begun = clock_mono_ns() / 1000;
    if (begun < w->page_again) return;
    for (size_t i = 0; i < w->n; i++) {
        struct web *c = w->all + i;

        if (c->state != WEB_WAITS || (route != NULL && c->route != route))
            continue;
        if (route == NULL) {
            route = c->route;
            buf_reset(&w->body);
            status = route->page(w, &w->body);
        }
        webs__reply(w, c, status, route->type);
        if (c->fd != -1) webs__go(w, c);
    }
    if (route == NULL) return;
    now = clock_mono_ns() / 1000;
    w->page_again = now + 9 * (now - begun);
    buf_free(&w->body);
}

/* Write what is to be polled to fds, WEBS_FDS of them at most, and return how
 * many there are.  Closed ones are none. */
static size_t webs_poll(struct webs *w, struct pollfd *fds) {
    bool full = w->n == WEBS_MOST && webs__idlest(w) == NULL;
    bool deaf = full || w->accept_again != 0;
    size_t n = 0;

    for (size_t i = 0; i < w->nlisteners; i++)
        fds[n++] = (struct pollfd){ deaf ? -1 : w->listeners[i], POLLIN, 0 };
    for (size_t i = 0; i < w->n; i++) {
        const struct web *c = w->all + i;
        short events = c->state == WEB_WRITES ? POLLOUT :
                       c->state == WEB_WAITS ? 0 : POLLIN;

        fds[n++] = (struct pollfd){ c->fd, events, 0 };
    }
    return n;
}

/* Note what poll said of these, before they are overwritten; returns how many
 * it said something of. */
static int webs_look(struct webs *w, const struct pollfd *fds) {
    int n = 0;

    for (size_t i = 0; i < w->nlisteners; i++, fds++)
        n += w->calls[i] = fds->revents != 0;
    for (size_t i = 0; i < w->n; i++, fds++)
        n += (w->all[i].got = fds->revents) != 0;
    return n;
}

/* How long it may wait for sockets, in us, because of what is due here. */
static int64_t webs_wait(const struct webs *w) {
    int64_t left;

    for (size_t i = 0; i < w->n; i++) {
        if (w->all[i].state != WEB_WAITS) continue;
        left = w->page_again - clock_mono_ns() / 1000;
        return left < 0 ? 0 : left;
    }
    return INT64_MAX;
}

/* Serve who has asked; in the lane's turn, without locks. */
static void webs_turn(struct webs *w) {
    int64_t now = w->lane->clock.mono_us;
    size_t kept = 0;

    for (size_t i = 0; i < w->n; i++) {
        struct web *c = w->all + i;
        short got = c->got;

        c->got = 0;
        if ((got & POLLIN) != 0) webs__read(w, c);
        else if ((got & (POLLERR | POLLHUP | POLLNVAL)) != 0) webs__close(c);
        if (got != 0 && c->fd != -1) webs__go(w, c);
        if (c->fd != -1 && now >= c->until) webs__close(c);
    }
    webs__make(w);
    for (size_t i = 0; i < w->n; i++)
        if (w->all[i].fd != -1) w->all[kept++] = w->all[i];
    w->n = kept;
    if (now >= w->accept_again) w->accept_again = 0;
    for (size_t i = 0; i < w->nlisteners; i++) {
        if (w->calls[i]) webs__accept(w, w->listeners[i]);
        w->calls[i] = false;
    }
}

static void webs_free(struct webs *w) {
    if (w == NULL) return;
    for (size_t i = 0; i < w->n; i++) webs__close(w->all + i);
    for (size_t i = 0; i < w->nlisteners; i++) close(w->listeners[i]);
    names_free(w->names);
    buf_free(&w->body);
    free(w);
}

/* What a lane's loop needs to serve HTTP.  NULL: no memory. */
static struct webs *webs_new(struct kvns *k, struct lane *lane) {
    struct webs *w = calloc(1, sizeof *w);

    if (w == NULL) return NULL;
    w->k = k;
    w->lane = lane;
    w->names = names_new();
    if (w->names != NULL) return w;
    free(w);
    return NULL;
}

/* Accept connections of a listening socket, which becomes theirs.  False: they
 * have enough of them. */
static bool webs_listen(struct webs *w, int fd) {
    if (w->nlisteners == WEBS_LISTENERS) return false;
    w->listeners[w->nlisteners++] = fd;
    return true;
}

#else
enum { WEBS_FDS = 1 };         /* the loop makes room by it */

struct webs;

/* Without HTTP nobody has webs, so none of these is ever called. */
static size_t webs_poll(struct webs *w, struct pollfd *fds) {
    return (void)w, (void)fds, (size_t)0;
}

/* Nothing was said of them. */
static int webs_look(struct webs *w, const struct pollfd *fds) {
    return (void)w, (void)fds, 0;
}

/* Nothing is due. */
static int64_t webs_wait(const struct webs *w) {
    return (void)w, INT64_MAX;
}

/* Nobody has asked. */
static void webs_turn(struct webs *w) { (void)w; }
static void webs_free(struct webs *w) { (void)w; }

/* False: nobody listens. */
static bool webs_listen(struct webs *w, int fd) {
    return (void)w, (void)fd, false;
}
#endif
