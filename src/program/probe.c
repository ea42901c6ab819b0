/* SPDX-License-Identifier: MIT */
/* ==== probe - kvns ping, kvns health =======================================
 *
 * Asks a running server how it is, for containers and scripts: one line of
 * output and an exit status.  ping wants an answer; health wants PONG, which
 * a server that still loads does not say.
 *
 * The server is found by the options it was itself started with: host and
 * port, or the unix socket; where it listens everywhere, this machine is
 * asked.
 *
 * floor 8 - uses: base buf options
 */
enum { PROBE_SECONDS = 3 };     /* for each step; a probe must not hang */

static bool probe__connected(int fd, const struct sockaddr *a, socklen_t n) {
    struct timeval wait = { .tv_sec = PROBE_SECONDS };

    if (fd == -1) return false;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    return connect(fd, a, n) == 0;
}

static int probe__unix(const struct options *o, const char **why) {
    struct sockaddr_un un;
    int fd;

    memset(&un, 0, sizeof un);
    un.sun_family = AF_UNIX;
    *why = "the path is too long";
    if (o->unixsocket.n >= sizeof un.sun_path) return -1;
    memcpy(un.sun_path, o->unixsocket.p, o->unixsocket.n);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (probe__connected(fd, (struct sockaddr *)&un, sizeof un)) return fd;
    *why = strerror(errno);
    if (fd != -1) close(fd);
    return -1;
}

static int probe__tcp(const char *host, const char *port, const char **why) {
    struct addrinfo hints, *all;
    int err, fd = -1;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    err = getaddrinfo(host, port, &hints, &all);
    if (err != 0) {
        *why = gai_strerror(err);
        return -1;
    }
    for (const struct addrinfo *a = all; a != NULL; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (probe__connected(fd, a->ai_addr, a->ai_addrlen)) break;
        *why = strerror(errno);
        if (fd != -1) close(fd);
        fd = -1;
    }
    freeaddrinfo(all);
    return fd;
}

/* Where to ask: "everywhere" is here, too. */
static void probe__host(const struct options *o, char *to, size_t room) {
    struct str host = o->host.n > 0 ? o->host.at[0] : STR("127.0.0.1");

    if (host.n > 0 && host.p[0] == '-') host = str_of(host.p + 1, host.n - 1);
    if (str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("*")) || host.n == 0)
        host = STR("127.0.0.1");
    else if (str_eq(host, STR("::")) || str_eq(host, STR("::*")))
        host = STR("::1");
    snprintf(to, room, "%.*s", (int)host.n, host.p);
}

/* Read one line of reply, its end taken off.  False: there is none. */
static bool probe_line(int fd, char *to, size_t room) {
    size_t n = 0;

    while (n + 1 < room) {
        ssize_t got = recv(fd, to + n, 1, 0);

        if (got == -1 && errno == EINTR) continue;
        if (got != 1) return false;
        if (to[n] == '\n') break;
        n++;
    }
    if (n > 0 && to[n - 1] == '\r') n--;
    to[n] = '\0';
    return n > 0;
}

/* Send all of it.  False: the other side does not take it. */
static bool probe_send(int fd, struct str s) {
    size_t at = 0;

    while (at < s.n) {
        ssize_t n = send(fd, s.p + at, s.n - at, 0);

        if (n == -1 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

/* Send a command and read the line that answers it. */
static bool probe__ask(int fd, struct str name, struct str arg, char *to,
                       size_t room) {
    struct buf b = { 0 };
    bool ok;

    buf_printf(&b, "*%d\r\n$%zu\r\n", arg.n > 0 ? 2 : 1, name.n);
    buf_put_str(&b, name);
    if (arg.n > 0) {
        buf_printf(&b, "\r\n$%zu\r\n", arg.n);
        buf_put_str(&b, arg);
    }
    buf_put(&b, "\r\n", 2);
    ok = !b.failed && probe_send(fd, buf_str(&b));
    buf_free(&b);
    return ok && probe_line(fd, to, room);
}

/* Connect to the server of these options, and authenticate.  -1: it cannot be;
 * `line` says why then.  `where` is for people. */
static int probe_open(const struct options *o, char *where, size_t where_room,
                      char *line, size_t room) {
    bool local = o->unixsocket.n > 0 && (o->port == 0 || o->host.n == 0);
    char host[256], port[16];
    const char *why = "no answer";
    int fd;

    signal(SIGPIPE, SIG_IGN);
    probe__host(o, host, sizeof host);
    snprintf(port, sizeof port, "%d", (int)o->port);
    if (local) snprintf(where, where_room, "%.*s", (int)o->unixsocket.n,
                        o->unixsocket.p);
    else snprintf(where, where_room, "%s:%s", host, port);
    fd = local ? probe__unix(o, &why) : probe__tcp(host, port, &why);
    snprintf(line, room, " %s", why);
    if (fd == -1) return -1;
    snprintf(line, room, " no answer");
    if (o->password.n == 0 ||
        (probe__ask(fd, STR("AUTH"), o->password, line, room) &&
         line[0] == '+'))
        return fd;
    close(fd);
    return -1;
}

/* Ask the server of these options whether it is there, or is well; says so in
 * a line.  Returns the exit status. */
static int probe_run(const struct options *o, bool health) {
    char where[300], line[512];
    bool well = false;
    int fd = probe_open(o, where, sizeof where, line, sizeof line);

    if (fd != -1) {
        if (probe__ask(fd, STR("PING"), STR(""), line, sizeof line))
            well = strcmp(line, "+PONG") == 0 ||
                   (!health && strncmp(line, "-LOADING", 8) == 0);
        else if (line[0] == '\0') snprintf(line, sizeof line, " no answer");
        close(fd);
    }
    fprintf(well ? stdout : stderr, "%s: %s\n", where, line + 1);
    return well ? 0 : 1;
}
