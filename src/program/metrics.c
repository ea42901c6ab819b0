/* SPDX-License-Identifier: MIT */
/* ==== metrics - what Prometheus reads ======================================
 *
 * One page in the text format, version 0.0.4.  What lanes count is added up
 * with the world at rest; namespaces are walked before that, see names.
 *
 * floor 8 - uses: base clock buf host shard instance world measure info
 *    metric names
 */
#if !defined(KVNS_NO_HTTP)
/* ---- namespaces ---------------------------------------------------------- */

/* The metrics that every namespace has. */
static const struct {
    enum metric metric;
    size_t at;                  /* of struct name */
} metrics_by_name[] = {
    { METRIC_KEYS, offsetof(struct name, keys) },
    { METRIC_EXPIRING, offsetof(struct name, expiring) },
    { METRIC_BYTES, offsetof(struct name, bytes) },
    { METRIC_SPACE_LIMIT, offsetof(struct name, limit) },
    { METRIC_EVICTED, offsetof(struct name, tally.evicted) },
    { METRIC_EAR, offsetof(struct name, tally.ear_evicted) },
    { METRIC_SPACE_EXPIRED, offsetof(struct name, tally.expired) },
    { METRIC_SPACE_HITS, offsetof(struct name, tally.hits) },
    { METRIC_SPACE_MISSES, offsetof(struct name, tally.misses) },
    { METRIC_SPACE_COMMANDS, offsetof(struct name, tally.commands) },
};

static void metrics__namespaces(const struct names *m, struct buf *b) {
    for (size_t i = 0; i < ROWS(metrics_by_name); i++) {
        enum metric metric = metrics_by_name[i].metric;
        struct str name = str_c(metric_rows[metric].name);

        metric_head(b, metric);
        for (const struct name *t = m->first; t != NULL; t = t->next) {
            uint64_t v;

            memcpy(&v, (const char *)t + metrics_by_name[i].at, sizeof v);
            if (!names_shows(m, t)) continue;
            if (metric == METRIC_SPACE_LIMIT && v == UINT64_MAX) continue;
            buf_put_str(b, name);
            buf_put_str(b, STR("{namespace=\""));
            buf_put(b, t->label, t->n);
            buf_put_str(b, STR("\"} "));
            metric_number(b, v);
        }
    }
}

/* ---- commands ------------------------------------------------------------ */

/* The histogram of a row in one set of counters.  While latency-tracking was
 * off, commands were counted but not classed: those are in the last bucket. */
static void metrics__histogram(const struct kvns *k, struct buf *b,
                               size_t row, size_t set, struct str space) {
    uint64_t hist[HIST_CLASSES], buckets[HIST_BOUNDS + 1] = { 0 };
    struct command_stat st = measure_set(k, set, row, hist);
    struct buf labels = { 0 };

    if (st.calls == 0) return;
    for (uint32_t i = 0, c = 0; i <= HIST_BOUNDS; i++) {
        uint32_t end = i == HIST_BOUNDS ? HIST_CLASSES - 1 :
                                          measure_class(measure_bounds[i]);

        while (c <= end) buckets[i] += hist[c++];
    }
    buf_printf(&labels, "command=\"%s\",namespace=\"", k->rows[row].name);
    metric_label(&labels, space, LABEL_NAME);
    buf_put_char(&labels, '"');
    if (!labels.failed)
        metric_histogram(b, METRIC_DURATION, buf_str(&labels), buckets,
                         st.calls, st.ns);
    buf_free(&labels);
}

static void metrics__durations(const struct kvns *k, struct buf *b) {
    metric_head(b, METRIC_DURATION);
    for (size_t i = 0; i < k->nrows; i++) {
        const struct command *row = k->rows + i;
        bool keyed = row->first != 0 || (row->flags & MOVABLE) != 0;

        metrics__histogram(k, b, i, STATS_PLAIN,
                           keyed ? STR("default") : STR(""));
        for (size_t at = 0; at < LABEL_MOST; at++)
            if (k->labels[at] != NULL)
                metrics__histogram(k, b, i, STATS_LABELS + at,
                                   str_of(k->labels[at]->name,
                                          k->labels[at]->n));
        metrics__histogram(k, b, i, STATS_REST, STR("overflow"));
    }
}

static void metrics__commands(const struct kvns *k, struct buf *b) {
    static const char *const outcomes[] = { "ok", "failed", "rejected" };

    metric_head(b, METRIC_COMMANDS);
    for (size_t i = 0; i < k->nrows; i++) {
        struct command_stat st = measure_row(k, i, NULL);
        uint64_t v[3] = { st.calls - st.failed, st.failed, st.rejected };

        if (st.calls + st.rejected == 0) continue;
        for (size_t j = 0; j < ROWS(v); j++) {
            buf_printf(b, "%s{command=\"%s\",outcome=\"%s\"} ",
                       metric_rows[METRIC_COMMANDS].name, k->rows[i].name,
                       outcomes[j]);
            metric_number(b, v[j]);
        }
    }
}

static void metrics__errors(const struct kvns *k, struct buf *b) {
    struct error_stat all[LANE_ERRORS];
    size_t n = measure_errors(k, all);

    metric_head(b, METRIC_ERRORS);
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s{code=\"", metric_rows[METRIC_ERRORS].name);
        metric_label(b, str_c(all[i].code), sizeof all[i].code);
        buf_put_str(b, STR("\"} "));
        metric_number(b, all[i].n);
    }
}

static void metrics__turns(const struct kvns *k, struct buf *b) {
    metric_head(b, METRIC_TURN);
    for (uint32_t i = 0; i < k->nlanes; i++) {
        const struct lane *l = k->lanes + i;
        char label[32];
        int n = snprintf(label, sizeof label, "loop=\"%u\"", (unsigned)i);

        metric_histogram(b, METRIC_TURN, str_of(label, (size_t)n), l->turns,
                         l->nturns, l->turns_ns);
    }
}

/* ---- the server and its process ------------------------------------------ */

static void metrics__memory(struct kvns *k, const struct info_sums *s,
                            struct buf *b) {
    size_t used = keyspace_bytes(&k->ks);

    k->peak = size_max(k->peak, used);
    metric_one(b, METRIC_USED, used);
    metric_head(b, METRIC_LIMIT);
    if (k->ks.opt.memory_limit >= SIZE_MAX / 2)
        buf_printf(b, "%s +Inf\n", metric_rows[METRIC_LIMIT].name);
    else
        buf_printf(b, "%s %zu\n", metric_rows[METRIC_LIMIT].name,
                   k->ks.opt.memory_limit);
    metric_one(b, METRIC_PEAK, k->peak);
    metric_head(b, METRIC_MEMORY);
    metric_of(b, METRIC_MEMORY, "data", used);
    metric_of(b, METRIC_MEMORY, "freeing", s->freeing);
    metric_of(b, METRIC_MEMORY, "clients", s->client_bytes);
    metric_of(b, METRIC_MEMORY, "snapshot", s->snapshot_bytes);
    metric_of(b, METRIC_MEMORY, "slack",
              s->held > s->used ? s->held - s->used : 0);
    metric_one(b, METRIC_ARENA_USED, s->used);
    metric_one(b, METRIC_ARENA_HELD, s->held);
}

/* What happened to keys, since the start or CONFIG RESETSTAT. */
static void metrics__keys(const struct kvns *k, const struct info_sums *s,
                          struct buf *b) {
    const struct keyspace *ks = &k->ks;

    metric_head(b, METRIC_DB_KEYS);
    for (uint32_t d = 0; d < ks->opt.databases; d++) {
        uint64_t keys = 0;
        char db[16];

        for (uint32_t i = 0; i < ks->nshards; i++)
            keys += ks->shards[i].dbs[d]->keys;
        snprintf(db, sizeof db, "%u", (unsigned)d);
        if (keys > 0) metric_of(b, METRIC_DB_KEYS, db, keys);
    }
    metric_one(b, METRIC_HITS, s->hits);
    metric_one(b, METRIC_MISSES, s->misses);
    metric_one(b, METRIC_EXPIRED, s->expired);
    metric_one(b, METRIC_CHANGES, instance_dirty(k));
}

static void metrics__clients(struct kvns *k, const struct info_sums *s,
                             struct buf *b) {
    metric_one(b, METRIC_CLIENTS, atomic_load(&k->nclients));
    metric_one(b, METRIC_BLOCKED, s->blocked);
    metric_one(b, METRIC_MAX_CLIENTS, (uint64_t)k->opt.max_clients);
    metric_one(b, METRIC_ACCEPTED, s->accepted);
    metric_one(b, METRIC_REFUSED, s->refused);
    metric_one(b, METRIC_RECEIVED, s->net_in);
    metric_one(b, METRIC_SENT, s->net_out);
}

static void metrics__snapshots(struct kvns *k, const struct info_sums *s,
                               struct buf *b) {
    int64_t now = clock_wall_us() / 1000;
    bool loading = atomic_load(&k->loading);
    const struct persist *p = &s->persist;

    metric_one(b, METRIC_LOADING, loading);
    metric_ratio(b, METRIC_LOADED, loading ? p->load_done : 1,
                 loading ? p->load_total : 1);
    metric_one(b, METRIC_SAVING, p->saving);
    metric_ratio(b, METRIC_SAVED, p->saving ? s->saved_keys : 0,
                 p->save_keys);
    metric_one(b, METRIC_SAVE_OK, p->last_ok);
    metric_one(b, METRIC_SAVES, p->saves);
    metric_one(b, METRIC_SAVE_FAILURES, p->failures);
    metric_milli(b, METRIC_SAVE_AGE, now - p->last_ms);
    metric_milli(b, METRIC_SAVE_TOOK, p->took_ms);
    metric_one(b, METRIC_SAVE_BYTES, p->bytes);
    metric_one(b, METRIC_UNSAVED, instance_dirty(k) - p->dirty_then);
}

/* Descriptors this process has open; 0: nobody says. */
static uint64_t metrics__open_fds(void) {
    struct stat st;
    struct dirent *e;
    uint64_t n = 0;
    DIR *dir;

    /* Linux from 6.2 on says how many there are */
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return (uint64_t)st.st_size;
    dir = opendir("/proc/self/fd");
    if (dir == NULL) return 0;
    while ((e = readdir(dir)) != NULL) n += e->d_name[0] != '.';
    closedir(dir);
    return n - 1;               /* one is that of the directory */
}

/* The metrics that every exporter has of its process. */
static void metrics__process(const struct kvns *k, struct buf *b) {
    uint64_t all, resident;
    struct rlimit r;
    struct rusage u;
    uint64_t fds = metrics__open_fds();

    if (getrusage(RUSAGE_SELF, &u) == 0)
        metric_milli(b, METRIC_CPU,
                     (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
                     (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
    if (host_used(&all, &resident)) {
        metric_one(b, METRIC_VIRTUAL, all);
        metric_one(b, METRIC_RESIDENT, resident);
    }
    metric_milli(b, METRIC_START, k->started_ms);
    if (fds > 0) metric_one(b, METRIC_FDS, fds);
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
        metric_one(b, METRIC_MAX_FDS, (uint64_t)r.rlim_cur);
}

static uint64_t metrics__slow(struct kvns *k) {
    int64_t n;

    pthread_mutex_lock(&k->slow->lock);
    n = k->slow->next_id;
    pthread_mutex_unlock(&k->slow->lock);
    return (uint64_t)n;
}

/* Write the page.  l is the caller's lane, in its turn, without locks; all
 * lanes rest for a part of it.  False: no memory. */
static bool metrics_page(struct names *m, struct lane *l, struct buf *b) {
    struct kvns *k = l->k;
    struct info_sums s;

    metric_head(b, METRIC_BUILD);
    buf_printf(b, "%s{version=\"%s\",redis_version=\"%s\"} 1\n",
               metric_rows[METRIC_BUILD].name, KVNS_VERSION,
               KVNS_REDIS_VERSION);
    names_count(m, k);
    metrics__namespaces(m, b);
    world_stop(l);
    info_sum_all(k, NULL, &s);
    metrics__memory(k, &s, b);
    metrics__keys(k, &s, b);
    metrics__clients(k, &s, b);
    metrics__commands(k, b);
    metrics__durations(k, b);
    metrics__errors(k, b);
    metrics__turns(k, b);
    metrics__snapshots(k, &s, b);
    world_go(l);
    metric_one(b, METRIC_SLOW, metrics__slow(k));
    metrics__process(k, b);
    return !b->failed;
}
#endif
