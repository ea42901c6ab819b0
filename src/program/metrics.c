/* ==== metrics - counters as Prometheus reads them ==========================
 *
 * One page in the text format, version 0.0.4.  What lanes count is added up
 * with the world at rest; namespaces are walked shard by shard, each under its
 * lock, and summed by name over shards and databases.
 *
 *   shards -> spaces --+
 *                      +-> names, in order of appearance -> lines
 *   shards -> past   --+        \--> "overflow", for all beyond the cap
 *
 * A name that was seen keeps its label as long as the server runs, so that its
 * gauges fall to 0 and its counters never do, whatever becomes of it.  Names
 * are kept as they are printed: bounded, valid UTF-8, escaped.  Two names that
 * look alike then are one, for a page with the same series twice would be
 * refused as a whole.
 *
 * floor 8 - uses: base clock hash num buf table shard instance world
 *   measure
 */
enum {
    METRICS_SLOTS = 512,        /* of the index of names */
    METRICS_NAME = PAST_NAME - 1    /* bytes of a name; longer ones are cut */
};

struct metrics_name {
    struct metrics_name *next, *next_in_slot;
    struct tally ended;         /* of namespaces that are no more */
    struct tally tally;         /* the sum, of this page */
    uint64_t keys, bytes;
    size_t n;
    char label[];               /* as it is printed between the quotes */
};

struct metrics {
    struct metrics_name *first, *last, *slots[METRICS_SLOTS];
    struct metrics_name *overflow;
    size_t n;                   /* names, "overflow" not among them */
    size_t most;                /* that may be */
    struct buf label;           /* scratch */
};

/* ---- names --------------------------------------------------------------- */

/* How many bytes of p[0..n) are one character of UTF-8; 0: none. */
static size_t metrics__utf8(const unsigned char *p, size_t n) {
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 :
                 p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    if (len == 0 || len > n) return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;      /* longer than needed */
    if (p[0] == 0xed && p[1] >= 0xa0) return 0;     /* surrogates */
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] >= 0x90) return 0;     /* beyond Unicode */
    return len;
}

/* Append a name as the value of a label: escaped, what is no UTF-8 replaced,
 * cut where it is too long. */
static void metrics_label(struct buf *b, struct str name) {
    const unsigned char *p = (const unsigned char *)name.p;
    size_t n = size_min(name.n, METRICS_NAME);

    for (size_t i = 0, len; i < n; i += len) {
        len = metrics__utf8(p + i, n - i);
        if (len == 0) {
            buf_put_str(b, STR("\xef\xbf\xbd"));
            len = 1;
        } else if (p[i] == '\n') {
            buf_put_str(b, STR("\\n"));
        } else {
            if (p[i] == '"' || p[i] == '\\') buf_put_char(b, '\\');
            buf_put(b, p + i, len);
        }
    }
    if (n < name.n) buf_put_str(b, STR("..."));
}

static struct metrics_name *metrics__add(struct metrics *m, struct str label,
                                         struct metrics_name **slot) {
    struct metrics_name *t = malloc(sizeof *t + label.n);

    if (t == NULL) return NULL;
    memset(t, 0, sizeof *t);
    t->n = label.n;
    memcpy(t->label, label.p, label.n);
    t->next_in_slot = *slot;
    *slot = t;
    if (m->first == NULL) m->first = t;
    else m->last->next = t;
    m->last = t;
    return t;
}

/* The record of a namespace; that of all others when there are too many. */
static struct metrics_name *metrics__name(struct metrics *m, struct str name) {
    struct metrics_name **slot, *t;

    buf_reset(&m->label);
    metrics_label(&m->label, name);
    if (m->label.failed) return m->overflow;
    slot = &m->slots[hash_fast(m->label.p, m->label.n, 0) % METRICS_SLOTS];
    for (t = *slot; t != NULL; t = t->next_in_slot)
        if (str_eq(str_of(t->label, t->n), buf_str(&m->label))) return t;
    if (m->n >= m->most) return m->overflow;
    t = metrics__add(m, buf_str(&m->label), slot);
    if (t == NULL) return m->overflow;
    m->n++;
    return t;
}

static void metrics_free(struct metrics *m) {
    if (m == NULL) return;
    for (struct metrics_name *t = m->first, *next; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
    buf_free(&m->label);
    free(m);
}

/* A memory for names, with the default namespace in it.  NULL: no memory. */
static struct metrics *metrics_new(void) {
    struct metrics *m = calloc(1, sizeof *m);
    struct str all = STR("overflow");

    if (m == NULL) return NULL;
    m->most = 1;
    m->overflow = metrics__add(m, all, &m->slots[hash_fast(all.p, all.n, 0) %
                                                 METRICS_SLOTS]);
    if (m->overflow == NULL ||
        metrics__name(m, STR("default")) == m->overflow) {
        metrics_free(m);
        return NULL;
    }
    return m;
}

static void metrics__space(void *ctx, void *item) {
    struct metrics *m = ctx;
    const struct space *sp = item;
    struct metrics_name *t = metrics__name(m, space_name(sp));

    t->keys += sp->keys.count;
    t->bytes += sp->bytes;
    tally_add(&t->tally, &sp->tally);
}

/* Take in what a shard holds, and what ended there since the last time. */
static void metrics__shard(struct metrics *m, struct shard *s) {
    struct past *p;

    shard_lock(s);
    while ((p = past_take(s)) != NULL) {
        struct metrics_name *t = metrics__name(m, str_of(p->name, p->nlen));

        tally_add(&t->ended, &p->tally);
        free(p);
    }
    tally_add(&m->overflow->ended, &s->lost);
    memset(&s->lost, 0, sizeof s->lost);
    for (uint32_t d = 0; d < s->ks->opt.databases; d++) {
        const struct db *db = s->dbs[d];
        uint32_t cursor = 0;

        if (db->plain != NULL) metrics__space(m, db->plain);
        do cursor = table_scan(&db->spaces, cursor, metrics__space, m);
        while (cursor != 0);
    }
    shard_unlock(s);
}

/* Sum up all namespaces as they are now. */
static void metrics__count(struct metrics *m, struct kvns *k) {
    m->most = (size_t)k->opt.metrics_max_namespaces;
    for (struct metrics_name *t = m->first; t != NULL; t = t->next) {
        t->keys = t->bytes = 0;
        memset(&t->tally, 0, sizeof t->tally);
    }
    for (uint32_t i = 0; i < k->ks.nshards; i++)
        metrics__shard(m, k->ks.shards + i);
    for (struct metrics_name *t = m->first; t != NULL; t = t->next)
        tally_add(&t->tally, &t->ended);
}

/* ---- lines --------------------------------------------------------------- */

static void metrics__head(struct buf *b, const char *name, const char *type,
                          const char *help) {
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void metrics__number(struct buf *b, uint64_t v) {
    char *to = buf_room(b, NUM_UINT_ROOM + 1);

    if (to == NULL) return;
    b->n += num_put_uint(to, v);
    buf_put_char(b, '\n');
}

/* A metric of one series, a whole number. */
static void metrics__one(struct buf *b, const char *name, const char *type,
                         const char *help, uint64_t v) {
    metrics__head(b, name, type, help);
    buf_printf(b, "%s ", name);
    metrics__number(b, v);
}

/* The same with a fraction of thousandths. */
static void metrics__milli(struct buf *b, const char *name, const char *type,
                           const char *help, int64_t ms) {
    if (ms < 0) ms = 0;
    metrics__head(b, name, type, help);
    buf_printf(b, "%s %" PRId64 ".%03d\n", name, ms / 1000, (int)(ms % 1000));
}

/* The metrics that every namespace has. */
static const struct {
    const char *name, *type, *help;
    size_t at;                  /* of struct metrics_name */
} metrics_by_name[] = {
    { "kvns_keys_total", "gauge", "Keys, by namespace.",
      offsetof(struct metrics_name, keys) },
    { "kvns_memory_used_bytes", "gauge",
      "Bytes of keys, values and their index, by namespace.",
      offsetof(struct metrics_name, bytes) },
    { "kvns_evictions_total", "counter",
      "Keys evicted to make room, by namespace.",
      offsetof(struct metrics_name, tally.evicted) },
    { "kvns_ear_evictions_total", "counter",
      "Keys that expire-after-read deleted, by namespace.",
      offsetof(struct metrics_name, tally.ear_evicted) },
    { "kvns_namespace_expired_total", "counter",
      "Keys whose time had come, by namespace.",
      offsetof(struct metrics_name, tally.expired) },
    { "kvns_namespace_hits_total", "counter",
      "Reads that found their key, by namespace.",
      offsetof(struct metrics_name, tally.hits) },
    { "kvns_namespace_misses_total", "counter",
      "Reads that found none in a namespace that has keys.",
      offsetof(struct metrics_name, tally.misses) },
};

static void metrics__namespaces(struct metrics *m, struct buf *b) {
    for (size_t i = 0; i < ROWS(metrics_by_name); i++) {
        struct str name = str_c(metrics_by_name[i].name);

        metrics__head(b, name.p, metrics_by_name[i].type,
                      metrics_by_name[i].help);
        for (struct metrics_name *t = m->first; t != NULL; t = t->next) {
            uint64_t v;

            if (t == m->overflow && m->n < m->most) continue;
            memcpy(&v, (char *)t + metrics_by_name[i].at, sizeof v);
            buf_put_str(b, name);
            buf_put_str(b, STR("{namespace=\""));
            buf_put(b, t->label, t->n);
            buf_put_str(b, STR("\"} "));
            metrics__number(b, v);
        }
    }
}

/* ---- commands ------------------------------------------------------------ */

/* Bounds of the buckets. */
static const struct {
    uint64_t ns;
    const char *le;             /* the same in seconds */
} metrics_bounds[] = {
    { 1000, "1e-06" }, { 2000, "2e-06" }, { 5000, "5e-06" },
    { 10000, "1e-05" }, { 20000, "2e-05" }, { 50000, "5e-05" },
    { 100000, "0.0001" }, { 200000, "0.0002" }, { 500000, "0.0005" },
    { 1000000, "0.001" }, { 2000000, "0.002" }, { 5000000, "0.005" },
    { 10000000, "0.01" }, { 20000000, "0.02" }, { 50000000, "0.05" },
    { 100000000, "0.1" }, { 200000000, "0.2" }, { 500000000, "0.5" },
    { 1000000000, "1" }, { 2000000000, "2" }, { 5000000000, "5" },
    { UINT64_C(10000000000), "10" },
};

/* The histogram of one command.  While latency-tracking was off, commands were
 * counted but not classed: those are in the last bucket only. */
static void metrics__histogram(struct buf *b, const char *command,
                               const struct command_stat *st) {
    static const char name[] = "kvns_command_duration_seconds";
    uint64_t seen = 0;
    uint32_t class = 0;

    for (size_t i = 0; i < ROWS(metrics_bounds); i++) {
        while (class < HIST_CLASSES &&
               measure_class_end(class) <= metrics_bounds[i].ns)
            seen += st->hist[class++];
        buf_printf(b, "%s_bucket{command=\"%s\",namespace=\"\",le=\"%s\"} ",
                   name, command, metrics_bounds[i].le);
        metrics__number(b, seen < st->calls ? seen : st->calls);
    }
    buf_printf(b, "%s_bucket{command=\"%s\",namespace=\"\",le=\"+Inf\"} ",
               name, command);
    metrics__number(b, st->calls);
    buf_printf(b, "%s_sum{command=\"%s\",namespace=\"\"} %" PRIu64 ".%09d\n",
               name, command, st->ns / 1000000000,
               (int)(st->ns % 1000000000));
    buf_printf(b, "%s_count{command=\"%s\",namespace=\"\"} ", name, command);
    metrics__number(b, st->calls);
}

static void metrics__durations(const struct kvns *k, struct buf *b) {
    uint64_t hist[HIST_CLASSES];

    metrics__head(b, "kvns_command_duration_seconds", "histogram",
                  "What commands took. Counts and sums are exact; a bucket "
                  "may lack those within an eighth below its bound. Short "
                  "commands that came in one batch share its time equally. "
                  "Not told apart by namespace: that label is empty.");
    for (size_t i = 0; i < k->nrows; i++) {
        struct command_stat st = measure_row(k, i, hist);

        if (st.calls > 0) metrics__histogram(b, k->rows[i].name, &st);
    }
}

static void metrics__commands(const struct kvns *k, struct buf *b) {
    static const char *const outcomes[] = { "ok", "failed", "rejected" };

    metrics__head(b, "kvns_commands_total", "counter",
                  "Commands by name and outcome; rejected: not carried out.");
    for (size_t i = 0; i < k->nrows; i++) {
        struct command_stat st = measure_row(k, i, NULL);
        uint64_t v[3] = { st.calls - st.failed, st.failed, st.rejected };

        if (st.calls + st.rejected == 0) continue;
        for (size_t j = 0; j < ROWS(v); j++) {
            buf_printf(b, "kvns_commands_total{command=\"%s\",outcome=\"%s\"} ",
                       k->rows[i].name, outcomes[j]);
            metrics__number(b, v[j]);
        }
    }
}

static void metrics__errors(const struct kvns *k, struct buf *b) {
    struct error_stat all[LANE_ERRORS];
    size_t n = measure_errors(k, all);

    metrics__head(b, "kvns_errors_total", "counter",
                  "Errors answered, by the first word of their text.");
    for (size_t i = 0; i < n; i++) {
        buf_put_str(b, STR("kvns_errors_total{code=\""));
        metrics_label(b, str_c(all[i].code));
        buf_put_str(b, STR("\"} "));
        metrics__number(b, all[i].n);
    }
}

/* ---- the server and its process ------------------------------------------ */

static void metrics__clients(struct kvns *k, struct buf *b) {
    uint64_t accepted = 0, refused = 0, in = 0, out = 0;

    for (uint32_t i = 0; i < k->nlanes; i++) {
        accepted += k->lanes[i].accepted;
        refused += k->lanes[i].refused;
        in += k->lanes[i].net_in;
        out += k->lanes[i].net_out;
    }
    metrics__one(b, "kvns_connected_clients", "gauge", "Clients connected.",
                 atomic_load(&k->nclients));
    metrics__one(b, "kvns_blocked_clients", "gauge",
                 "Clients that wait for data.", instance_blocked(k));
    metrics__one(b, "kvns_max_clients", "gauge",
                 "Clients that may be connected.",
                 (uint64_t)k->opt.max_clients);
    metrics__one(b, "kvns_connections_received_total", "counter",
                 "Connections accepted, refused ones included.", accepted);
    metrics__one(b, "kvns_connections_rejected_total", "counter",
                 "Connections refused, over a limit or not allowed.", refused);
    metrics__one(b, "kvns_network_received_bytes_total", "counter",
                 "Bytes read from clients.", in);
    metrics__one(b, "kvns_network_sent_bytes_total", "counter",
                 "Bytes sent to clients.", out);
}

static void metrics__snapshots(struct kvns *k, struct buf *b) {
    int64_t now = clock_wall_us() / 1000;
    struct persist p;

    pthread_mutex_lock(&k->lock);
    p = k->persist;
    pthread_mutex_unlock(&k->lock);
    metrics__one(b, "kvns_loading", "gauge",
                 "1 while a snapshot is loaded, otherwise 0.",
                 atomic_load(&k->loading));
    metrics__one(b, "kvns_snapshot_in_progress", "gauge",
                 "1 while a snapshot is saved, otherwise 0.", p.saving);
    metrics__one(b, "kvns_snapshot_last_ok", "gauge",
                 "0 after a save that failed, otherwise 1.", p.last_ok);
    metrics__one(b, "kvns_snapshots_total", "counter", "Snapshots saved.",
                 p.saves);
    metrics__one(b, "kvns_snapshots_failed_total", "counter",
                 "Snapshots that failed.", p.failures);
    metrics__milli(b, "kvns_snapshot_age_seconds", "gauge",
                   "Time since the last good snapshot, or since the start.",
                   now - p.last_ms);
    metrics__milli(b, "kvns_snapshot_duration_seconds", "gauge",
                   "What the last snapshot took.", p.took_ms);
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
    unsigned long virtual = 0, resident = 0;
    long page = sysconf(_SC_PAGESIZE);
    struct rlimit r;
    struct rusage u;
    uint64_t fds = metrics__open_fds();
    FILE *f = fopen("/proc/self/statm", "r");

    if (getrusage(RUSAGE_SELF, &u) == 0)
        metrics__milli(b, "process_cpu_seconds_total", "counter",
                       "User and system time.",
                       (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
                       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
    if (f != NULL && fscanf(f, "%lu %lu", &virtual, &resident) == 2) {
        metrics__one(b, "process_virtual_memory_bytes", "gauge",
                     "Bytes of address space.", (uint64_t)virtual *
                     (uint64_t)page);
        metrics__one(b, "process_resident_memory_bytes", "gauge",
                     "Bytes of memory in use.", (uint64_t)resident *
                     (uint64_t)page);
    }
    if (f != NULL) fclose(f);
    metrics__milli(b, "process_start_time_seconds", "gauge",
                   "When it began, in Unix time.", k->started_ms);
    if (fds > 0)
        metrics__one(b, "process_open_fds", "gauge", "Descriptors open.", fds);
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
        metrics__one(b, "process_max_fds", "gauge",
                     "Descriptors that may be open.", (uint64_t)r.rlim_cur);
}

static void metrics__memory(const struct kvns *k, struct buf *b) {
    static const char limit[] = "kvns_memory_limit_bytes";
    size_t used = 0, held = 0;

    metrics__one(b, "kvns_memory_used_bytes_total", "gauge",
                 "Bytes of keys, values and their index in all namespaces.",
                 keyspace_bytes(&k->ks));
    metrics__head(b, limit, "gauge",
                  "Bytes of data that there may be; +Inf: no limit.");
    if (k->ks.opt.memory_limit >= SIZE_MAX / 2)
        buf_printf(b, "%s +Inf\n", limit);
    else
        buf_printf(b, "%s %zu\n", limit, k->ks.opt.memory_limit);
    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        used += k->ks.shards[i].mem.used;
        held += k->ks.shards[i].mem.held;
    }
    metrics__one(b, "kvns_allocator_used_bytes", "gauge",
                 "Bytes in blocks of the shards' allocators.", used);
    metrics__one(b, "kvns_allocator_held_bytes", "gauge",
                 "Bytes these allocators have of the system.", held);
}

/* What happened to keys, since the start or CONFIG RESETSTAT. */
static void metrics__keys(const struct kvns *k, struct buf *b) {
    struct tally sum = { 0 };
    uint64_t changes = 0;

    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        const struct shard *s = k->ks.shards + i;

        sum.hits += s->hits;
        sum.misses += s->misses;
        sum.expired += s->expired;
        changes += s->dirty;
    }
    metrics__one(b, "kvns_keyspace_hits_total", "counter",
                 "Reads that found their key.", sum.hits);
    metrics__one(b, "kvns_keyspace_misses_total", "counter",
                 "Reads that found none.", sum.misses);
    metrics__one(b, "kvns_expired_keys_total", "counter",
                 "Keys whose time had come.", sum.expired);
    metrics__one(b, "kvns_changes_total", "counter",
                 "Changes to keys since the start.", changes);
}

/* Write the page.  l is the caller's lane, in its turn, without locks; all
 * lanes rest for a part of it.  False: no memory. */
static bool metrics_page(struct metrics *m, struct lane *l, struct buf *b) {
    struct kvns *k = l->k;

    metrics__head(b, "kvns_build_info", "gauge", "1, with the version.");
    buf_printf(b, "kvns_build_info{version=\"%s\",redis_version=\"%s\"} 1\n",
               KVNS_VERSION, KVNS_REDIS_VERSION);
    metrics__count(m, k);
    metrics__namespaces(m, b);
    world_stop(l);
    metrics__memory(k, b);
    metrics__keys(k, b);
    metrics__clients(k, b);
    metrics__commands(k, b);
    metrics__durations(k, b);
    metrics__errors(k, b);
    world_go(l);
    metrics__snapshots(k, b);
    metrics__process(k, b);
    return !b->failed;
}
