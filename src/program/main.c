/* SPDX-License-Identifier: MIT */
/* ==== main - the program ===================================================
 *
 * Reads the options, opens the sockets, runs the loops, and ends on a signal.
 * What concerns the process as a whole - signals, limits, umask, arguments -
 * is done here and nowhere else, so that servers can share a process.
 *
 * floor 8 - uses: base num buf files log shard options manual config instance
 *    users world apply saver loader rows booklet metric net loop listen
 *    instances probe importer
 */
#if !defined(KVNS_NO_MAIN)
/* How often we were told to end, and MAIN_HANGUP for each time we were told to
 * open the log anew. */
static volatile sig_atomic_t main_signals;

enum { MAIN_HANGUP = 16, MAIN_END = MAIN_HANGUP - 1 };

static void main__signal(int sig) {
    if (sig == SIGHUP) {
        main_signals += MAIN_HANGUP;
        return;
    }
    if ((main_signals++ & MAIN_END) > 0) _exit(130);
}

/* Is it time to end?  Opens the log anew on the way, if we were told to. */
static bool main__ends(struct kvns *k) {
    int told = main_signals / MAIN_HANGUP;

    if (UNLIKELY(told != k->hangups)) {
        k->hangups = told;
        if (!log_reopen(&k->log))
            log_line(&k->log, KLOG_WARNING, "cannot open the log anew: %s",
                     strerror(errno));
    }
    return (main_signals & MAIN_END) != 0 || atomic_load(&k->stop);
}

static void *main__loop(void *arg) {
    struct loop *l = arg;

    while (!atomic_load_explicit(&l->k->stop, memory_order_relaxed))
        loop_turn(l, -1);
    return NULL;
}

/* Let this process have the descriptors it needs, or take as many clients as
 * there are descriptors for. */
static void main__raise_limits(struct kvns *k) {
    int64_t asked = k->opt.max_clients, most = apply_clients(asked);
    struct rlimit r;

    if (most == asked || getrlimit(RLIMIT_NOFILE, &r) == -1) return;
    k->opt.max_clients = most;
    log_line(&k->log, KLOG_WARNING, "only %llu descriptors are to be had, "
             "where max-clients %lld needs %llu: max-clients is %lld now",
             (unsigned long long)r.rlim_cur, (long long)asked,
             (unsigned long long)apply_descriptors(asked), (long long)most);
}

static void main__warnings(struct kvns *k, const struct buf *b) {
    const char *p = b->p, *end = b->n == 0 ? p : p + b->n;

    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = nl == NULL ? (size_t)(end - p) : (size_t)(nl - p);

        log_line(&k->log, KLOG_WARNING, "%.*s", (int)n, p);
        p += n + 1;
    }
}

/* Load the snapshot, with turns in between.  False: the server must end. */
static bool main__load(struct kvns *k, struct loop *l) {
    enum loader_at at = LOADER_MORE;
    struct loader *loader;
    bool ok;

    loader = loader_open(k, &ok);
    if (loader == NULL) return ok;
    while (at == LOADER_MORE && !main__ends(k)) {
        world_enter(k->lanes);
        at = loader_step(loader);
        world_leave(k->lanes);
        if (at == LOADER_MORE) loop_turn(l, 0);
    }
    if (at == LOADER_MORE) {
        loader_free(loader);
        return false;
    }
    world_enter(k->lanes);
    ok = loader_end(loader, at);
    world_leave(k->lanes);
    return ok;
}

/* The end: save once more, or give up what is being saved.  Returns the exit
 * status. */
static int main__save(struct kvns *k) {
    bool ok;

    keyspace_lock(&k->ks);
    ok = saver_last(k, (enum stop_how)atomic_load(&k->stop_how));
    keyspace_unlock(&k->ks);
    if (!ok)
        log_line(&k->log, KLOG_ERROR, "the last snapshot failed: what "
                 "changed since the one before is lost");
    return ok ? 0 : 1;
}

/* Tell the service manager how we are, if there is one that wants to know: a
 * datagram to the socket it named, which may be an abstract one. */
static void main__notify(struct kvns *k, const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un un;
    size_t n = path == NULL ? 0 : strlen(path);
    ssize_t sent;
    int fd;

    if (k->opt.supervised != OPTION_SYSTEMD &&
        k->opt.supervised != OPTION_AUTO)
        return;
    if (n < 2 || n >= sizeof un.sun_path) return;
    memset(&un, 0, sizeof un);
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, path, n);
    if (path[0] == '@') un.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd == -1) return;
    sent = sendto(fd, state, strlen(state), 0, (struct sockaddr *)&un,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    if (sent == -1)
        log_line(&k->log, KLOG_WARNING, "telling the service manager: %s",
                 strerror(errno));
    close(fd);
}

/* How many listening sockets a service manager has opened for us; it names our
 * process, for the variables are inherited. */
static int main__handed(void) {
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int64_t n;

    if (pid == NULL || fds == NULL) return 0;
    if (!num_parse_int(str_c(pid), &n) || n != (int64_t)getpid()) return 0;
    return num_parse_int(str_c(fds), &n) && n > 0 && n < 64 ? (int)n : 0;
}

/* We serve now: say so to whoever waits for it. */
static void main__ready(struct kvns *k) {
    if (k->opt.port != 0)
        log_line(&k->log, KLOG_NOTICE, "Ready to accept connections tcp");
    if (k->opt.unixsocket.n > 0)
        log_line(&k->log, KLOG_NOTICE, "Ready to accept connections unix");
    if (k->opt.supervised == OPTION_UPSTART && getenv("UPSTART_JOB") != NULL)
        raise(SIGSTOP);
    main__notify(k, "READY=1\n");
}

/* Write the process number where it was asked for. */
static void main__pidfile(struct kvns *k) {
    FILE *f;

    if (k->opt.pidfile.n == 0) return;
    f = fopen(k->opt.pidfile.p, "w");
    if (f == NULL || fprintf(f, "%ld\n", (long)getpid()) < 0)
        log_line(&k->log, KLOG_WARNING, "cannot write the pidfile %s: %s",
                 k->opt.pidfile.p, strerror(errno));
    if (f != NULL) fclose(f);
}

/* The loops of all lanes; NULL: said why. */
static struct loop **main__loops(struct kvns *k) {
    struct loop **loops = calloc(k->nlanes, sizeof *loops);

    if (loops == NULL) base_no_memory();
    for (uint32_t i = 0; i < k->nlanes; i++) {
        loops[i] = loop_new(k, k->lanes + i);
        if (loops[i] == NULL) {
            fprintf(stderr, "kvns: cannot make a loop: %s\n",
                    strerror(errno));
            while (i-- > 0) loop_free(loops[i]);
            free(loops);
            return NULL;
        }
        loops[i]->parks = true;
    }
    return loops;
}

/* Start the threads of all loops but the first, which is ours. */
static bool main__threads(struct kvns *k, struct loop **loops) {
    for (uint32_t i = 1; i < k->nlanes; i++) {
        int err = pthread_create(&loops[i]->thread, NULL, main__loop,
                                 loops[i]);

        loops[i]->running = err == 0;
        if (err == 0) continue;
        fprintf(stderr, "kvns: cannot start a thread: %s\n", strerror(err));
        return false;
    }
    return true;
}

static int main__serve(struct kvns *k, struct loop **loops) {
    bool begun = main__threads(k, loops);
    bool loaded = begun && main__load(k, loops[0]);

    if (loaded) main__ready(k);
    while (loaded && !main__ends(k)) {
        loop_turn(loops[0], -1);
        world_enter(k->lanes);
        saver_turn(k, k->lanes[0].clock.wall_ms);
        world_leave(k->lanes);
    }
    atomic_store(&k->stop, true);
    for (uint32_t i = 1; i < k->nlanes && loops[i]->running; i++) {
        lane_wake(k->lanes + i);
        pthread_join(loops[i]->thread, NULL);
    }
    if (!begun) return 1;
    if (!loaded) return atomic_load(&k->loading) ? 0 : 1;
    log_line(&k->log, KLOG_NOTICE, "shutting down");
    main__notify(k, "STOPPING=1\n");
    return main__save(k);
}

/* From here on only files beside those of the options are touched. */
static void main__confine(struct kvns *k) {
    const struct str paths[] = {
        k->opt.persist_path, k->opt.log_file, k->opt.pidfile,
        k->opt.unixsocket, str_c(k->config_file == NULL ? "" : k->config_file)
    };
    char names[ROWS(paths)][1024];
    const char *dirs[ROWS(paths)];
    size_t n = 0;

    for (size_t i = 0; i < ROWS(paths); i++) {
        struct str dir = file_dir(paths[i]);

        if (paths[i].n == 0 || dir.n >= sizeof names[n]) continue;
        snprintf(names[n], sizeof names[n], "%.*s", (int)dir.n, dir.p);
        dirs[n] = names[n];
        n++;
    }
    if (!base_confine(dirs, n))
        log_line(&k->log, KLOG_WARNING, "cannot confine the process: %s",
                 strerror(errno));
}

static int main__run(struct options *opt, struct config_result *cfg) {
    struct kvns *k = instances_new(opt);
    struct loop **loops;
    struct sigaction sa;
    char why[512];
    int status = 1;

    if (k == NULL) {
        fprintf(stderr, "kvns: out of memory\n");
        return 1;
    }
    k->config_file = cfg->file;
    cfg->file = NULL;
    if (!users_load(k, why, sizeof why)) {
        fprintf(stderr, "kvns: %s\n", why);
        instances_free(k);
        return 2;
    }
    apply_log(k);
    if (k->opt.log_file.n > 0 && !log_open(&k->log, k->opt.log_file.p)) {
        fprintf(stderr, "kvns: cannot open the log %s: %s\n",
                k->opt.log_file.p, strerror(errno));
        instances_free(k);
        return 1;
    }
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);
    sigaction(SIGXFSZ, &sa, NULL);
    sa.sa_handler = main__signal;
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    log_line(&k->log, KLOG_NOTICE, "kvns " KVNS_VERSION " begins, %zu bits, "
             "%u shards, %u loops", sizeof(void *) * 8, k->ks.nshards,
             k->nlanes);
    if (k->opt.persist_path.n > 0 && k->opt.save.n == 0)
        log_line(&k->log, KLOG_NOTICE, "no interval between snapshots: %s",
                 k->opt.save.at_exit ? "only the shutdown saves, and who asks" :
                                       "nobody saves but who asks");
    log_line(&k->log, KLOG_NOTICE, "memory limit %zu bytes (%s)",
             k->ks.opt.memory_limit, k->limit_source);
    main__warnings(k, &cfg->warnings);
    if (k->users != NULL && k->opt.password.n == 0)
        log_line(&k->log, KLOG_WARNING, "there are users, but no password: "
                 "who does not log in may do everything");
    main__raise_limits(k);
    loops = main__loops(k);
    if (loops == NULL) {
        instances_free(k);
        return 1;
    }
    if (listen_all(k, loops[0], main__handed(), getenv("LISTEN_FDNAMES"))) {
        main__pidfile(k);
        main__confine(k);
        status = main__serve(k, loops);
        if (k->opt.pidfile.n > 0) unlink(k->opt.pidfile.p);
        if (k->opt.unixsocket.n > 0) unlink(k->opt.unixsocket.p);
    }
    for (uint32_t i = 0; i < k->nlanes; i++) loop_free(loops[i]);
    free(loops);
    log_line(&k->log, KLOG_NOTICE, "bye");
    instances_free(k);
    return status;
}

/* kvns check-rdb FILE, kvns import FILE [replace]. */
static int main__file(const struct options *opt,
                      const struct config_result *cfg) {
    bool import = cfg->action == CONFIG_IMPORT;
    bool replace = cfg->nargs == 2 && strcmp(cfg->args[1], "replace") == 0;

    if (cfg->nargs != (import && replace ? 2 : 1)) {
        fprintf(stderr, import ? "usage: kvns import FILE|- [replace]\n" :
                                 "usage: kvns check-rdb FILE\n");
        return 2;
    }
    if (import) return importer_run(opt, cfg->args[0], replace);
    return importer_check(cfg->args[0]);
}

/* --print-docs: a document's generated part.  False: there is none. */
static bool main__docs(const char *what, struct buf *out) {
    static const struct {
        const char *what;
        void (*write)(struct buf *out);
    } docs[] = {
        { "commands", booklet_commands }, { "families", booklet_families },
#if !defined(KVNS_NO_HTTP)
        { "metrics", metric_markdown },
#endif
        { "mdoc", manual_mdoc }, { "options", options_markdown },
        { "variables", manual_variables }
    };

    for (size_t i = 0; i < ROWS(docs); i++)
        if (strcmp(what, docs[i].what) == 0) {
            docs[i].write(out);
            return true;
        }
    fprintf(stderr, "kvns: --print-docs: '%.80s' given, expected one of "
            "commands, families, mdoc, metrics, options, "
            "variables\n", what);
    return false;
}

int main(int argc, char **argv) {
    extern char **environ;
    struct config_result cfg;
    struct options opt;
    char why[ROWS_WHY];
    int status;

    if (!config_load(&opt, argc, argv, environ, &cfg)) {
        fprintf(stderr, "%s\n", cfg.error);
        options_free(&opt);
        config_free(&cfg);
        return cfg.status;
    }
    if (opt.renames.n > 0 && !rows_check(&opt, why)) {
        fprintf(stderr, "kvns: options: %s\n", why);
        status = 2;
        options_free(&opt);
    } else if (cfg.action == CONFIG_SERVE) {
        status = main__run(&opt, &cfg);
    } else if (cfg.action == CONFIG_PING || cfg.action == CONFIG_HEALTH) {
        status = probe_run(&opt, cfg.action == CONFIG_HEALTH);
        options_free(&opt);
    } else if (cfg.action == CONFIG_CHECK_RDB ||
               cfg.action == CONFIG_IMPORT) {
        status = main__file(&opt, &cfg);
        options_free(&opt);
    } else {
        if (cfg.action == CONFIG_DOCS && !main__docs(cfg.args[0], &cfg.out))
            cfg.status = 2;
        if (cfg.action == CONFIG_VERSION)
            printf("kvns v" KVNS_VERSION " bits=%zu\n", sizeof(void *) * 8);
        else if (cfg.out.n > 0)
            fwrite(cfg.out.p, 1, cfg.out.n, stdout);
        status = cfg.status;
        options_free(&opt);
    }
    config_free(&cfg);
    return status;
}
#endif
