/* SPDX-License-Identifier: MIT */
/* ==== listen - the sockets a server waits at ===============================
 *
 * floor 8 - uses: base num log instance webs net loop
 */

/* Listen on one address.  -1 with *why. */
static int listen__tcp(struct addrinfo *a, int backlog,
                            const char **why) {
    int fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol), one = 1;

    *why = "socket";
    if (fd == -1) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (!base_nonblocking(fd)) goto refused;
    *why = "bind";
    if (bind(fd, a->ai_addr, a->ai_addrlen) == -1) goto refused;
    *why = "listen";
    if (listen(fd, backlog) == -1) goto refused;
    return fd;
refused:
    close(fd);
    return -1;
}

/* Let a loop take what comes to a socket: requests, or HTTP if web.  False:
 * closed, and said why. */
static bool listen__give(struct loop *l, int fd, bool web) {
    if (web ? webs_listen(l->webs, fd) : loop_listen(l, fd)) return true;
    fprintf(stderr, "kvns: no room for one more socket to listen on\n");
    close(fd);
    return false;
}

/* Listen on all addresses of a host; a minus in front of it: if they are to be
 * had.  False: said why. */
static bool listen__host(struct kvns *k, struct loop *l, struct str spec,
                         int64_t number, bool web) {
    bool optional = spec.n > 0 && spec.p[0] == '-';
    const char *why = "", *what = web ? "HTTP" : "clients";
    struct addrinfo hints, *all, *a;
    char host[256], port[16];
    int n = 0, err;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    snprintf(host, sizeof host, "%.*s", (int)spec.n - optional,
             spec.p + optional);
    if (strcmp(host, "*") == 0) {
        strcpy(host, "0.0.0.0");
        hints.ai_family = AF_INET;
    }
    if (strcmp(host, "::*") == 0) strcpy(host, "::");
    snprintf(port, sizeof port, "%d", (int)number);
    err = getaddrinfo(host, port, &hints, &all);
    if (err != 0) {
        if (optional) return true;
        fprintf(stderr, "kvns: cannot listen for %s on %s: %s\n", what, host,
                gai_strerror(err));
        return false;
    }
    for (a = all; a != NULL; a = a->ai_next) {
        int fd = listen__tcp(a, (int)k->opt.tcp_backlog, &why);

        if (fd == -1) {
            err = errno;
            continue;
        }
        n++;
        if (listen__give(l, fd, web)) continue;
        freeaddrinfo(all);
        return false;
    }
    freeaddrinfo(all);
    if (n == 0 && !optional) {
        fprintf(stderr, "kvns: cannot listen for %s on %s port %s: %s: %s\n",
                what, host, port, why, strerror(err));
        return false;
    }
    if (n > 0)
        log_line(&k->log, KLOG_NOTICE, "listening%s on %s port %s",
                 web ? " for HTTP" : "", host, port);
    return true;
}

/* Find the number of a group of /etc/group, which is read here because
 * getgrnam costs a static program 4 kB.  False: there is none. */
static bool listen__group(struct str name, int64_t *gid) {
    FILE *f = fopen("/etc/group", "r");
    bool found = false, begins = true;
    char line[1024];

    if (f == NULL) return false;
    while (!found && fgets(line, sizeof line, f) != NULL) {
        struct str rest = str_c(line);
        bool is_it = begins && str_eq(str_take(&rest, ':'), name);

        begins = strchr(line, '\n') != NULL;
        str_take(&rest, ':');           /* the password */
        found = is_it && num_parse_int(str_take(&rest, ':'), gid);
    }
    fclose(f);
    return found;
}

/* Give the socket at path to a group, by name or number.  False: said why. */
static bool listen__chown(const char *path, struct str group) {
    int64_t gid;

    if (!listen__group(group, &gid) && !num_parse_int(group, &gid)) gid = -1;
    if (gid < 0 || gid > UINT32_MAX) {
        fprintf(stderr, "kvns: unixsocketgroup: there is no group '%.*s'\n",
                (int)group.n, group.p);
        return false;
    }
    if (chown(path, (uid_t)-1, (gid_t)gid) == 0) return true;
    fprintf(stderr, "kvns: cannot give %s to the group '%.*s': %s\n", path,
            (int)group.n, group.p, strerror(errno));
    return false;
}

/* Listen on the unix socket.  False: said why. */
static bool listen__unix(struct kvns *k, struct loop *l) {
    bool with_mode = k->opt.unixsocketperm != 0;
    struct sockaddr_un un;
    struct stat st;
    mode_t mask = 0;
    int fd;

    memset(&un, 0, sizeof un);
    un.sun_family = AF_UNIX;
    if (k->opt.unixsocket.n >= sizeof un.sun_path) {
        fprintf(stderr, "kvns: the path of the unix socket is too long\n");
        return false;
    }
    memcpy(un.sun_path, k->opt.unixsocket.p, k->opt.unixsocket.n);
    if (lstat(un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(un.sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    /* mode and group are right before anybody can connect */
    if (with_mode) mask = umask((mode_t)(~k->opt.unixsocketperm & 0777));
    if (fd == -1 || bind(fd, (struct sockaddr *)&un, sizeof un) == -1)
        goto refused;
    if (with_mode) umask(mask);
    if (k->opt.unixsocketgroup.n > 0 &&
        !listen__chown(un.sun_path, k->opt.unixsocketgroup)) {
        close(fd);
        return false;
    }
    if (listen(fd, (int)k->opt.tcp_backlog) == -1 || !base_nonblocking(fd))
        goto refused;
    if (!listen__give(l, fd, false)) return false;
    log_line(&k->log, KLOG_NOTICE, "listening on %s", un.sun_path);
    return true;
refused:
    fprintf(stderr, "kvns: cannot listen on %s: %s\n", un.sun_path,
            strerror(errno));
    if (fd != -1) close(fd);
    return false;
}

/* Take over a socket that somebody else has opened: requests come there, or
 * HTTP where its name says so.  Returns '\0' where it cannot be used, said why,
 * else what it is for: 'h' or 'r'. */
static char listen__adopt(struct kvns *k, struct loop *l, int fd,
                          struct str name) {
    bool web = str_is(name, "metrics");
    int yes = 0;
    socklen_t n = sizeof yes;

    if (web && l->webs == NULL) {       /* nobody would answer there */
        close(fd);
        return 'h';
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &n) == -1 || !yes) {
        fprintf(stderr, "kvns: descriptor %d, handed over to listen on, does "
                "not listen\n", fd);
        return '\0';
    }
    if (!base_nonblocking(fd)) {
        fprintf(stderr, "kvns: descriptor %d: %s\n", fd, strerror(errno));
        return '\0';
    }
    if (!listen__give(l, fd, web)) return '\0';
    log_line(&k->log, KLOG_NOTICE, "listening%s on descriptor %d, handed over",
             web ? " for HTTP" : "", fd);
    return web ? 'h' : 'r';
}

/* Listen on all addresses of the options.  `handed` sockets are open already,
 * from descriptor 3 on, as sd_listen_fds(3) has it, with names that colons
 * part: they stand in for the addresses of their kind.  False: said why. */
static bool listen_all(struct kvns *k, struct loop *l, int handed,
                       const char *names) {
    struct str rest = str_c(names == NULL ? "" : names);
    bool requests = false, web = false;

#if defined(KVNS_NO_HTTP)
    if (k->opt.metrics_port != 0)
        log_line(&k->log, KLOG_VERBOSE, "built without HTTP: metrics-port has "
                 "no effect");
#else
    if (k->opt.metrics_port != 0 && (l->webs = webs_new(k, l->lane)) == NULL) {
        fprintf(stderr, "kvns: out of memory\n");
        return false;
    }
#endif
    for (int i = 0; i < handed; i++) {
        const char *end = memchr(rest.p, ':', rest.n);
        size_t n = end == NULL ? rest.n : (size_t)(end - rest.p);
        char is = listen__adopt(k, l, 3 + i, str_of(rest.p, n));

        if (is == '\0') return false;
        if (is == 'h') web = true;
        else requests = true;
        rest = str_of(rest.p + n + (end != NULL), rest.n - n - (end != NULL));
    }
    for (int i = 0; !requests && k->opt.port != 0 && i < k->opt.host.n; i++)
        if (!listen__host(k, l, k->opt.host.at[i], k->opt.port, false))
            return false;
    if (!requests && k->opt.unixsocket.n > 0 && !listen__unix(k, l))
        return false;
    return web || l->webs == NULL ||
           listen__host(k, l, k->opt.metrics_host, k->opt.metrics_port, true);
}
