/* ==== main - the program ===================================================
 *
 * Reads the options, opens the sockets, runs the loops, and ends on a signal.
 * What concerns the process as a whole - signals, limits, umask, arguments -
 * is done here and nowhere else, so that servers can share a process.
 *
 * floor 8 - uses: base clock buf log shard walk upkeep options config instance
 *   net listen saver instances
 */
#if !defined(KVNS_NO_MAIN)
static volatile sig_atomic_t main_signals;  /* how often we were told to end */

static void main__signal(int sig) {
    (void)sig;
    if (++main_signals > 1) _exit(130);
}

static void *main__loop(void *arg) {
    struct loop *l = arg;

    while (!atomic_load_explicit(&l->k->stop, memory_order_relaxed))
        loop_turn(l, -1);
    return NULL;
}

/* Let this process have the descriptors it needs. */
static void main__raise_limits(struct kvns *k) {
    rlim_t want = (rlim_t)k->opt.max_clients + 64;
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur >= want) return;
    if (r.rlim_max != RLIM_INFINITY && r.rlim_max < want) {
        struct rlimit more = { want, want };

        if (setrlimit(RLIMIT_NOFILE, &more) == 0) return;
        want = r.rlim_max;
    }
    r.rlim_cur = want;
    if (setrlimit(RLIMIT_NOFILE, &r) == -1 ||
        want < (rlim_t)k->opt.max_clients + 64)
        log_line(&k->log, KLOG_WARNING, "only %llu descriptors are to be had: "
                 "fewer than max-clients %d needs",
                 (unsigned long long)want, (int)k->opt.max_clients);
}

static void main__warnings(struct kvns *k, const struct buf *b) {
    const char *p = b->p, *end = b->p + b->n;

    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = nl == NULL ? (size_t)(end - p) : (size_t)(nl - p);

        log_line(&k->log, KLOG_WARNING, "%.*s", (int)n, p);
        p += n + 1;
    }
}

/* Save once more and wait for it.  False: it failed. */
static bool main__save(struct kvns *k, struct saver *running) {
    struct saver *s = running != NULL ? running : saver_begin(k);
    struct work w = { .ks = &k->ks };

    if (s == NULL) return false;
    for (int round = running != NULL ? 0 : 1; round < 2; round++) {
        while (!saver_poll(s)) {
            w.now = clock_wall_us() / 1000;
            for (uint32_t i = 0; i < k->ks.nshards; i++) {
                struct shard *sh = k->ks.shards + i;

                shard_lock(sh);
                if (sh->walk != NULL) shard_step(&w, sh, 100000);
                shard_unlock(sh);
            }
        }
        if (round == 0) {
            s = saver_begin(k);
            if (s == NULL) return false;
        }
    }
    return k->persist.last_ok;
}

/* Is a save due by the rules? */
static bool main__is_due(struct kvns *k) {
    int64_t now = k->lanes[0].clock.wall_ms;
    uint64_t changes = instance_dirty(k) - k->persist.dirty_then;

    if (k->opt.persist_path.n == 0 || changes == 0) return false;
    for (int i = 0; i < k->opt.save.n; i++)
        if (changes >= (uint64_t)k->opt.save.at[i].changes &&
            now - k->persist.last_ms >= k->opt.save.at[i].seconds * 1000)
            return k->persist.last_ok || now - k->persist.began_ms > 5000;
    return false;
}

static int main__serve(struct kvns *k, struct loop **loops) {
    struct saver *saver = NULL;
    int status = 0;

    for (uint32_t i = 1; i < k->nlanes; i++) {
        loops[i]->running = pthread_create(&loops[i]->thread, NULL,
                                           main__loop, loops[i]) == 0;
        KVNS_ASSERT(loops[i]->running);
    }
    log_line(&k->log, KLOG_NOTICE, "Ready to accept connections tcp");
    while (main_signals == 0 && !atomic_load(&k->stop)) {
        loop_turn(loops[0], -1);
        world_enter(k->lanes);
        if (saver != NULL && saver_poll(saver)) saver = NULL;
        if (saver == NULL &&
            (atomic_load(&k->save_wanted) || main__is_due(k))) {
            saver = saver_begin(k);
            atomic_store(&k->save_wanted, false);
        }
        world_leave(k->lanes);
    }
    atomic_store(&k->stop, true);
    for (uint32_t i = 1; i < k->nlanes; i++) {
        lane_tell(k->lanes + i, 0, LETTER_OUTPUT, NULL, 0);
        pthread_join(loops[i]->thread, NULL);
    }
    log_line(&k->log, KLOG_NOTICE, "shutting down");
    if (k->opt.persist_path.n > 0 &&
        atomic_load(&k->stop_how) != STOP_NOSAVE) {
        if (!main__save(k, saver)) {
            log_line(&k->log, KLOG_ERROR, "the last snapshot failed: what "
                     "changed since the one before is lost");
            status = 1;
        }
    } else if (saver != NULL) {
        snapshot_fail(saver->sn, "the server ends");
        while (!saver_poll(saver))
            for (uint32_t i = 0; i < k->ks.nshards; i++)
                if (k->ks.shards[i].walk != NULL)
                    walk_step(k->ks.shards + i, 100000);
    }
    return status;
}

static int main__run(struct options *opt, struct config_result *cfg) {
    struct kvns *k = instances_new(opt);
    struct loop **loops;
    struct sigaction sa;
    int status = 1;

    if (k == NULL) {
        fprintf(stderr, "kvns: out of memory\n");
        return 1;
    }
    k->config_file = cfg->file;
    cfg->file = NULL;
    apply_log(k);
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);
    sigaction(SIGXFSZ, &sa, NULL);
    sa.sa_handler = main__signal;
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    log_line(&k->log, KLOG_NOTICE, "kvns " KVNS_VERSION " begins, %zu bits, "
             "%u shards, %u loops", sizeof(void *) * 8, k->ks.nshards,
             k->nlanes);
    log_line(&k->log, KLOG_NOTICE, "memory limit %zu bytes (%s)",
             k->ks.opt.memory_limit, k->limit_source);
    main__warnings(k, &cfg->warnings);
    main__raise_limits(k);
    loops = calloc(k->nlanes, sizeof *loops);
    KVNS_ASSERT(loops != NULL);
    for (uint32_t i = 0; i < k->nlanes; i++) {
        loops[i] = loop_new(k, k->lanes + i);
        KVNS_ASSERT(loops[i] != NULL);
        loops[i]->parks = true;
    }
    if (listen_all(k, loops[0])) status = main__serve(k, loops);
    for (uint32_t i = 0; i < k->nlanes; i++) loop_free(loops[i]);
    free(loops);
    if (k->opt.unixsocket.n > 0) {
        char path[256];

        snprintf(path, sizeof path, "%.*s", (int)k->opt.unixsocket.n,
                 k->opt.unixsocket.p);
        unlink(path);
    }
    log_line(&k->log, KLOG_NOTICE, "bye");
    instances_free(k);
    return status;
}

int main(int argc, char **argv) {
    extern char **environ;
    struct config_result cfg;
    struct options opt;
    int status;

    if (!config_load(&opt, argc, argv, environ, &cfg)) {
        fprintf(stderr, "%s\n", cfg.error);
        options_free(&opt);
        config_free(&cfg);
        return cfg.status;
    }
    if (cfg.action == CONFIG_SERVE) {
        status = main__run(&opt, &cfg);
    } else {
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
