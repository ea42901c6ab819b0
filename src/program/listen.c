/* ==== listen - the sockets a server waits at ===============================
 *
 * floor 8 - uses: log instance net
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
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    *why = "bind";
    if (bind(fd, a->ai_addr, a->ai_addrlen) == -1) goto refused;
    *why = "listen";
    if (listen(fd, backlog) == -1) goto refused;
    return fd;
refused:
    close(fd);
    return -1;
}

/* Listen on all addresses of the options.  False: said why. */
static bool listen_all(struct kvns *k, struct loop *l) {
    for (int i = 0; k->opt.port != 0 && i < k->opt.host.n; i++) {
        struct addrinfo hints, *all, *a;
        char host[256], port[16];
        bool optional = k->opt.host.at[i].n > 0 &&
                        k->opt.host.at[i].p[0] == '-';
        const char *why;
        int n = 0, err;

        memset(&hints, 0, sizeof hints);
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
        snprintf(host, sizeof host, "%.*s",
                 (int)k->opt.host.at[i].n - optional,
                 k->opt.host.at[i].p + optional);
        if (strcmp(host, "*") == 0) {
            strcpy(host, "0.0.0.0");
            hints.ai_family = AF_INET;
        }
        if (strcmp(host, "::*") == 0) strcpy(host, "::");
        snprintf(port, sizeof port, "%d", (int)k->opt.port);
        err = getaddrinfo(host, port, &hints, &all);
        if (err != 0) {
            if (optional) continue;
            fprintf(stderr, "kvns: cannot listen on %s: %s\n", host,
                    gai_strerror(err));
            return false;
        }
        for (a = all; a != NULL; a = a->ai_next) {
            int fd = listen__tcp(a, (int)k->opt.tcp_backlog, &why);

            if (fd == -1) continue;
            n++;
            if (!loop_listen(l, fd)) break;
        }
        err = errno;
        freeaddrinfo(all);
        if (n == 0 && !optional) {
            fprintf(stderr, "kvns: cannot listen on %s port %s: %s: %s\n",
                    host, port, why, strerror(err));
            return false;
        }
        if (n > 0)
            log_line(&k->log, KLOG_NOTICE, "listening on %s port %s", host,
                     port);
    }
    if (k->opt.unixsocket.n > 0) {
        struct sockaddr_un un;
        mode_t mask;
        int fd;

        memset(&un, 0, sizeof un);
        un.sun_family = AF_UNIX;
        if (k->opt.unixsocket.n >= sizeof un.sun_path) {
            fprintf(stderr, "kvns: the path of the unix socket is too long\n");
            return false;
        }
        memcpy(un.sun_path, k->opt.unixsocket.p, k->opt.unixsocket.n);
        unlink(un.sun_path);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        /* the mode is right before anybody can connect */
        mask = umask(k->opt.unixsocketperm == 0 ? 0022 :
                     (mode_t)(~k->opt.unixsocketperm & 0777));
        if (fd == -1 || bind(fd, (struct sockaddr *)&un, sizeof un) == -1 ||
            listen(fd, (int)k->opt.tcp_backlog) == -1) {
            fprintf(stderr, "kvns: cannot listen on %s: %s\n", un.sun_path,
                    strerror(errno));
            return false;
        }
        umask(mask);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        if (!loop_listen(l, fd)) return false;
        log_line(&k->log, KLOG_NOTICE, "listening on %s", un.sun_path);
    }
    return true;
}
