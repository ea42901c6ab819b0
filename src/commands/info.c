/* SPDX-License-Identifier: MIT */
/* ==== info - INFO, section by section ======================================
 *
 * Redis' sections and fields, because programs parse them; a field that has
 * no meaning here says what is true, mostly 0.  Runs with every lane at rest.
 *
 * floor 6 - uses: base mem clock buf host table entry shard big walk resp
 *    reply options option instance client measure pubsub track arg key
 *    namespace
 */

/* ---- what there is to be added up ---------------------------------------- */

/* Sums over lanes, clients and shards. */
struct info_sums {
    uint64_t commands, net_in, net_out, errors, accepted, refused;
    uint64_t nreads, nwrites;   /* calls of the system */
    struct lane_sample rate;
    size_t blocked, tracking;
    size_t timed, pubsub, clients, in_max, out_max, client_bytes;
    uint64_t seen_in, seen_out; /* bytes of the clients counted */
    uint64_t hits, misses, expired, fields_expired, evicted;
    uint64_t dirty;             /* changes since the last snapshot */
    size_t used, held;          /* of the arenas */
    size_t rss, peak, pending;  /* resident, most data, waiting to be freed */
    size_t data, limit;         /* bytes of keys and values, and at most */
    enum policy policy;
    size_t freeing;             /* bytes dropped and not yet given back */
    uint64_t freed;             /* keys given back in slices so far */
    size_t saved_keys;          /* of the snapshot in progress */
    size_t snapshot_bytes;      /* kept for it */
    struct persist persist;
};

static void info__add_client(struct info_sums *s, const struct client *c) {
    size_t in = c->in.cap + resp_apart_cap(&c->resp);

    s->clients++;
    s->tracking += (c->flags & CLIENT_TRACKING) != 0;
    s->blocked += client_is_blocked(c);
    s->timed += c->waiting != NULL && c->wait_until != 0;
    s->pubsub += client_class(c) == OPTION_CLASS_PUBSUB;
    s->in_max = size_max(s->in_max, in);
    s->out_max = size_max(s->out_max, c->out.cap);
    s->seen_in += c->net_in;
    s->seen_out += c->net_out;
    s->client_bytes += sizeof *c + in + c->out.cap + c->queue_bytes;
}

/* Keys and collections that wait to be freed in slices; counts so many at
 * most. */
static size_t info__pending(const struct kvns *k) {
    size_t n = 0;

    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        const struct shard *s = k->ks.shards + i;

        for (const struct big *b = s->lazy; b != NULL && n < 100000;
             b = b->next)
            n++;
        for (const struct space *sp = s->gone; sp != NULL; sp = sp->next)
            n += sp->keys.count;
    }
    return n;
}

/* Bytes of memory the process has; 0 where nobody says. */
static size_t info_rss(void) {
    uint64_t all, resident;

    return host_used(&all, &resident) ? (size_t)resident : 0;
}

/* To a bound client, its namespace is the server: of what is known of the
 * whole server alone, it is told nothing. */
static void info__sum_bound(const struct call *x, struct info_sums *s) {
    struct str ns = x->w.bound;
    const struct tenant *t = tenant_find(&x->k->ks, ns);
    struct namespace_sum sum = namespace_sum(x->k, ns);

    s->hits = sum.tally.hits;
    s->misses = sum.tally.misses;
    s->expired = sum.tally.expired;
    s->fields_expired = 0;      /* not known by namespace */
    s->evicted = sum.tally.evicted + sum.tally.ear_evicted;
    s->commands = sum.tally.commands;
    s->accepted = s->clients;
    s->net_in = s->seen_in;
    s->net_out = s->seen_out;
    s->errors = s->refused = s->nreads = s->nwrites = s->freed = s->dirty = 0;
    memset(&s->rate, 0, sizeof s->rate);
    s->freeing = s->pending = s->saved_keys = s->snapshot_bytes = 0;
    s->persist.save_keys = s->persist.load_keys = s->persist.load_expired = 0;
    s->persist.kept = 0;
    s->used = s->held = s->rss = s->peak = s->data = sum.bytes;
    s->policy = namespace_policy(x->k, ns);
    if (t != NULL && t->has_limit) s->limit = size_min(s->limit, t->limit);
}

/* Add up everything, and the clients that `who` may see, NULL: all of them;
 * every lane is at rest. */
static void info_sum_all(struct kvns *k, const struct client *who,
                         struct info_sums *s) {
    const struct snapshot *sn = k->ks.snapshot;

    memset(s, 0, sizeof *s);
    pthread_mutex_lock(&k->lock);
    s->persist = k->persist;
    pthread_mutex_unlock(&k->lock);
    if (sn != NULL)
        s->snapshot_bytes = atomic_load(&sn->held) +
                            atomic_load(&sn->lent);
    for (uint32_t i = 0; i < k->nlanes; i++) {
        const struct lane *l = k->lanes + i;
        struct lane_sample rate = measure_rate(l);

        s->commands += l->commands;
        s->net_in += l->net_in;
        s->net_out += l->net_out;
        s->nreads += l->nreads;
        s->nwrites += l->nwrites;
        s->errors += l->errors;
        s->accepted += l->accepted;
        s->refused += l->refused;
        s->rate.commands += rate.commands;
        s->rate.net_in += rate.net_in;
        s->rate.net_out += rate.net_out;
        for (const struct client *c = l->clients; c != NULL; c = c->next)
            if (c->state != CLIENT_GONE &&
                (who == NULL || client_may_see(who, c)))
                info__add_client(s, c);
    }
    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        struct shard *sh = k->ks.shards + i;

        shard_counted(sh);
        s->hits += sh->hits;
        s->misses += sh->misses;
        s->expired += sh->expired;
        s->fields_expired += sh->fields_expired;
        s->evicted += sh->evicted + sh->ear_evicted;
        s->used += sh->mem.used;
        s->held += mem_active(&sh->mem);
        s->freeing += sh->lazy_bytes;
        s->freed += sh->lazily_freed;
        if (sh->walk != NULL) s->saved_keys += sh->walk->keys;
    }
    s->data = keyspace_bytes(&k->ks);
    k->peak = size_max(k->peak, s->data);
    s->peak = k->peak;
    s->rss = info_rss();
    if (s->rss == 0) s->rss = s->held;
    s->pending = info__pending(k);
    s->dirty = instance_dirty(k) - s->persist.dirty_then;
    s->limit = k->ks.opt.memory_limit;
    s->policy = k->ks.opt.policy;
}

/* Add up what concerns x's client; every lane is at rest. */
static void info_sum(const struct call *x, struct info_sums *s) {
    info_sum_all(x->k, x->c, s);
    if (x->w.bound.p != NULL) info__sum_bound(x, s);
}

/* Append "name:bytes" and "name_human:1.50M". */
static void info__bytes(struct buf *b, const char *name, size_t n) {
    static const char units[] = "BKMGTP";
    double v = (double)n;
    size_t i = 0;

    buf_printf(b, "%s:%zu\r\n", name, n);
    while (v >= 1024 && i < sizeof units - 2) {
        v /= 1024;
        i++;
    }
    if (i == 0) buf_printf(b, "%s_human:%zuB\r\n", name, n);
    else buf_printf(b, "%s_human:%.2f%c\r\n", name, v, units[i]);
}

enum { INFO_TRIES = 1024 };     /* keys drawn for a guess, at most */

/* ---- sections ------------------------------------------------------------ */

struct info__to {
    struct buf *b;
    struct call *x;
    struct kvns *k;
    struct info_sums s;
};

#define INFO_TEXT(x) #x
#define INFO_NUMBER(x) INFO_TEXT(x)

#if defined(__GNUC__) && !defined(__clang__)
static const char info__compiler[] = INFO_NUMBER(__GNUC__) "."
    INFO_NUMBER(__GNUC_MINOR__) "." INFO_NUMBER(__GNUC_PATCHLEVEL__);
#else
static const char info__compiler[] = "0.0.0";   /* what Redis says, too */
#endif

static void info__server(struct info__to *t) {
    struct buf *b = t->b;
    const struct kvns *k = t->k;
    int64_t us = clock_wall_us(), up = (us / 1000 - k->started_ms) / 1000;
    struct utsname u;

    if (uname(&u) == -1) memset(&u, 0, sizeof u);
    buf_printf(b, "redis_version:%s\r\nredis_git_sha1:00000000\r\n"
                  "redis_git_dirty:0\r\nredis_build_id:0\r\n"
                  "redis_mode:standalone\r\nkvns_version:%s\r\n"
                  "os:%s %s %s\r\narch_bits:%d\r\n",
               KVNS_REDIS_VERSION, KVNS_VERSION, u.sysname, u.release,
               u.machine, (int)sizeof(void *) * 8);
    buf_printf(b, "monotonic_clock:POSIX clock_gettime\r\n"
                  "multiplexing_api:poll\r\natomicvar_api:c11-builtin\r\n"
                  "gcc_version:%s\r\nprocess_id:%ld\r\n"
                  "process_supervised:no\r\nrun_id:%s\r\ntcp_port:%d\r\n"
                  "server_time_usec:%lld\r\nuptime_in_seconds:%lld\r\n"
                  "uptime_in_days:%lld\r\n",
               info__compiler, (long)getpid(), k->run_id, (int)k->opt.port,
               (long long)us,
               (long long)up, (long long)(up / 86400));
    buf_printf(b, "hz:%d\r\nconfigured_hz:%d\r\nlru_clock:%u\r\n"
                  "executable:kvns\r\nconfig_file:%s\r\n"
                  "io_threads_active:0\r\nkvns_lanes:%u\r\n"
                  "kvns_shards:%u\r\n",
               (int)k->opt.hz, (int)k->opt.hz,
               (unsigned)(us / 1000000 & 0xffffff),
               k->config_file == NULL ? "" : k->config_file,
               (unsigned)k->nlanes, (unsigned)k->ks.nshards);
}

static void info__clients(struct info__to *t) {
    buf_printf(t->b, "connected_clients:%zu\r\ncluster_connections:0\r\n"
                     "maxclients:%d\r\n"
                     "client_recent_max_input_buffer:%zu\r\n"
                     "client_recent_max_output_buffer:%zu\r\n"
                     "blocked_clients:%zu\r\ntracking_clients:%zu\r\n"
                     "clients_in_timeout_table:%zu\r\npubsub_clients:%zu\r\n",
               t->s.clients, (int)t->k->opt.max_clients, t->s.in_max,
               t->s.out_max, t->s.blocked, t->s.tracking,
               t->s.timed, t->s.pubsub);
}

static void info__memory(struct info__to *t) {
    struct kvns *k = t->k;
    size_t used = t->s.data, rss = t->s.rss;
    size_t limit = t->s.limit >= SIZE_MAX / 2 ? 0 : t->s.limit;
    bool bound = t->x->w.bound.p != NULL;
    /* what the server takes without any data is no fragmentation */
    size_t needed = used + (bound ? 0 : k->rss_empty);
    struct buf *b = t->b;

    info__bytes(b, "used_memory", used);
    info__bytes(b, "used_memory_rss", rss);
    info__bytes(b, "used_memory_peak", t->s.peak);
    buf_printf(b, "used_memory_peak_perc:%.2f%%\r\n"
                  "used_memory_overhead:%zu\r\nused_memory_startup:0\r\n"
                  "used_memory_dataset:%zu\r\n"
                  "used_memory_dataset_perc:%.2f%%\r\n"
                  "allocator_allocated:%zu\r\nallocator_active:%zu\r\n"
                  "allocator_resident:%zu\r\n",
               t->s.peak == 0 ? 0.0 :
                   (double)used * 100 / (double)t->s.peak,
               t->s.client_bytes, used, used == 0 ? 0.0 : 100.0, t->s.used,
               t->s.held, t->s.held);
    info__bytes(b, "total_system_memory", k->host_memory);
    info__bytes(b, "used_memory_lua", 0);
    buf_printf(b, "used_memory_vm_eval:0\r\nused_memory_scripts_eval:0\r\n"
                  "number_of_cached_scripts:0\r\nnumber_of_functions:0\r\n"
                  "number_of_libraries:0\r\nused_memory_vm_functions:0\r\n"
                  "used_memory_functions:0\r\n");
    info__bytes(b, "used_memory_vm_total", 0);
    info__bytes(b, "used_memory_scripts", 0);
    info__bytes(b, "maxmemory", limit);
    buf_printf(b, "maxmemory_policy:%s\r\n"
                  "allocator_frag_ratio:%.2f\r\n"
                  "allocator_frag_bytes:%zu\r\n"
                  "allocator_rss_ratio:1.00\r\nallocator_rss_bytes:0\r\n"
                  "rss_overhead_ratio:%.2f\r\n"
                  "rss_overhead_bytes:%lld\r\n"
                  "mem_fragmentation_ratio:%.2f\r\n"
                  "mem_fragmentation_bytes:%lld\r\n"
                  "mem_not_counted_for_evict:%zu\r\n"
                  "mem_replication_backlog:0\r\nmem_total_replication_buffers"
                  ":0\r\nmem_clients_slaves:0\r\nmem_clients_normal:%zu\r\n"
                  "mem_cluster_links:0\r\nmem_aof_buffer:0\r\n"
                  "mem_allocator:kvns-slabs\r\nactive_defrag_running:0\r\n",
               option_policy_text(t->s.policy, true),
               t->s.used == 0 ? 1.0 : (double)t->s.held / (double)t->s.used,
               t->s.held - t->s.used,
               t->s.held == 0 ? 1.0 : (double)rss / (double)t->s.held,
               (long long)rss - (long long)t->s.held,
               needed == 0 ? 1.0 : (double)rss / (double)needed,
               (long long)rss - (long long)needed, t->s.client_bytes,
               t->s.client_bytes);
    buf_printf(b, "lazyfree_pending_objects:%zu\r\nlazyfreed_objects:%llu"
                  "\r\nkvns_freeing_bytes:%zu\r\n"
                  "kvns_memory_limit_source:%s\r\n", t->s.pending,
               (unsigned long long)t->s.freed, t->s.freeing,
               bound ? "" : k->limit_source);
}

/* How far the snapshot is loaded that the server begins with. */
static void info__loading(struct info__to *t, const struct persist *p) {
    double took = (double)clock_wall_us() / 1e6 -
                  (double)p->load_began_ms / 1e3;
    double done = p->load_done > 0 ? (double)p->load_done : 1;
    double total = p->load_total > 0 ? (double)p->load_total : 1;

    buf_printf(t->b, "loading_start_time:%lld\r\n"
                     "loading_total_bytes:%llu\r\n"
                     "loading_rdb_used_mem:%llu\r\n"
                     "loading_loaded_bytes:%llu\r\n"
                     "loading_loaded_perc:%.2f\r\n"
                     "loading_eta_seconds:%lld\r\n",
               (long long)(p->load_began_ms / 1000),
               (unsigned long long)p->load_total,
               (unsigned long long)p->load_used_mem,
               (unsigned long long)p->load_done, done * 100 / total,
               (long long)(took * (total - done) / done));
}

static void info__persistence(struct info__to *t) {
    struct kvns *k = t->k;
    struct persist p = t->s.persist;
    bool loading = atomic_load(&k->loading);      /* it may end meanwhile */

    buf_printf(t->b, "loading:%d\r\nasync_loading:0\r\n"
                     "current_cow_peak:0\r\ncurrent_cow_size:%zu\r\n"
                     "current_cow_size_age:0\r\ncurrent_fork_perc:%.2f\r\n"
                     "current_save_keys_processed:%zu\r\n"
                     "current_save_keys_total:%llu\r\n"
                     "rdb_changes_since_last_save:%llu\r\n"
                     "rdb_bgsave_in_progress:%d\r\n"
                     "rdb_last_save_time:%lld\r\n"
                     "rdb_last_bgsave_status:%s\r\n",
               (int)loading, t->s.snapshot_bytes,
               p.saving && p.save_keys > 0 ?
                   (double)t->s.saved_keys * 100 / (double)p.save_keys : 0.0,
               p.saving ? t->s.saved_keys : 0,
               (unsigned long long)(p.saving ? p.save_keys : 0),
               (unsigned long long)t->s.dirty,
               (int)p.saving,
               (long long)(p.last_ms / 1000), p.last_ok ? "ok" : "err");
    buf_printf(t->b, "rdb_last_bgsave_time_sec:%lld\r\n"
                     "rdb_current_bgsave_time_sec:%lld\r\nrdb_saves:%llu\r\n"
                     "rdb_last_cow_size:%zu\r\n"
                     "rdb_last_load_keys_expired:%llu\r\n"
                     "rdb_last_load_keys_loaded:%llu\r\n",
               p.began_ms == 0 ? -1LL : (long long)(p.took_ms / 1000),
               p.saving ? (long long)((clock_wall_us() / 1000 - p.began_ms) /
                                      1000) : -1LL,
               (unsigned long long)p.saves, p.kept,
               (unsigned long long)p.load_expired,
               (unsigned long long)p.load_keys);
    buf_printf(t->b, "aof_enabled:0\r\naof_rewrite_in_progress:0\r\n"
                     "aof_rewrite_scheduled:0\r\n"
                     "aof_last_rewrite_time_sec:-1\r\n"
                     "aof_current_rewrite_time_sec:-1\r\n"
                     "aof_last_bgrewrite_status:ok\r\naof_rewrites:0\r\n"
                     "aof_rewrites_consecutive_failures:0\r\n"
                     "aof_last_write_status:ok\r\naof_last_cow_size:0\r\n"
                     "module_fork_in_progress:0\r\n"
                     "module_fork_last_cow_size:0\r\n");
    if (loading) info__loading(t, &p);
}

static void info__stats(struct info__to *t) {
    const struct info_sums *s = &t->s;
    struct track_counts tracked = track_count(t->k->track);
    size_t counts[CHANNEL_KINDS];

    if (t->x->w.bound.p != NULL)
        memset(&tracked, 0, sizeof tracked);    /* known of all alone */
    hub_count_kinds(t->k->hub, client_scope(t->x->c), counts);
    buf_printf(t->b, "total_connections_received:%llu\r\n"
                     "total_commands_processed:%llu\r\n"
                     "instantaneous_ops_per_sec:%llu\r\n"
                     "total_net_input_bytes:%llu\r\n"
                     "total_net_output_bytes:%llu\r\n"
                     "total_net_repl_input_bytes:0\r\n"
                     "total_net_repl_output_bytes:0\r\n"
                     "instantaneous_input_kbps:%.2f\r\n"
                     "instantaneous_output_kbps:%.2f\r\n"
                     "instantaneous_input_repl_kbps:0.00\r\n"
                     "instantaneous_output_repl_kbps:0.00\r\n"
                     "rejected_connections:%llu\r\n",
               (unsigned long long)s->accepted,
               (unsigned long long)s->commands,
               (unsigned long long)s->rate.commands,
               (unsigned long long)s->net_in, (unsigned long long)s->net_out,
               (double)s->rate.net_in / 1024,
               (double)s->rate.net_out / 1024,
               (unsigned long long)s->refused);
    buf_printf(t->b, "sync_full:0\r\nsync_partial_ok:0\r\n"
                     "sync_partial_err:0\r\nexpired_keys:%llu\r\n"
                     "expired_subkeys:%llu\r\n"
                     "expired_stale_perc:0.00\r\n"
                     "expired_time_cap_reached_count:0\r\n"
                     "expire_cycle_cpu_milliseconds:0\r\n"
                     "evicted_keys:%llu\r\nevicted_clients:0\r\n"
                     "total_eviction_exceeded_time:0\r\n"
                     "current_eviction_exceeded_time:0\r\n"
                     "keyspace_hits:%llu\r\nkeyspace_misses:%llu\r\n",
               (unsigned long long)s->expired,
               (unsigned long long)s->fields_expired,
               (unsigned long long)s->evicted,
               (unsigned long long)s->hits, (unsigned long long)s->misses);
    buf_printf(t->b, "pubsub_channels:%zu\r\npubsub_patterns:%zu\r\n"
                     "pubsubshard_channels:%zu\r\nlatest_fork_usec:0\r\n"
                     "total_forks:0\r\nmigrate_cached_sockets:0\r\n"
                     "slave_expires_tracked_keys:0\r\n"
                     "active_defrag_hits:0\r\nactive_defrag_misses:0\r\n"
                     "active_defrag_key_hits:0\r\n"
                     "active_defrag_key_misses:0\r\n"
                     "total_active_defrag_time:0\r\n"
                     "current_active_defrag_time:0\r\n"
                     "tracking_total_keys:%zu\r\ntracking_total_items:%zu\r\n"
                     "tracking_total_prefixes:%zu\r\n",
               counts[CHANNEL], counts[CHANNEL_PATTERN],
               counts[CHANNEL_SHARD], tracked.keys, tracked.items,
               tracked.prefixes);
    buf_printf(t->b, "unexpected_error_replies:0\r\n"
                     "total_error_replies:%llu\r\n"
                     "dump_payload_sanitizations:0\r\n"
                     "total_reads_processed:%llu\r\n"
                     "total_writes_processed:%llu\r\n"
                     "io_threaded_reads_processed:0\r\n"
                     "io_threaded_writes_processed:0\r\n"
                     "reply_buffer_shrinks:0\r\nreply_buffer_expands:0\r\n",
               (unsigned long long)s->errors, (unsigned long long)s->nreads,
               (unsigned long long)s->nwrites);
}

static void info__replication(struct info__to *t) {
    buf_printf(t->b, "role:master\r\nconnected_slaves:0\r\n"
                     "master_failover_state:no-failover\r\n"
                     "master_replid:%s\r\n"
                     "master_replid2:%040d\r\nmaster_repl_offset:0\r\n"
                     "second_repl_offset:-1\r\nrepl_backlog_active:0\r\n"
                     "repl_backlog_size:0\r\n"
                     "repl_backlog_first_byte_offset:0\r\n"
                     "repl_backlog_histlen:0\r\n", t->k->run_id, 0);
}

static void info__cpu_of(struct buf *b, int who, const char *suffix) {
    struct rusage u;

    if (getrusage(who, &u) == -1) return;
    buf_printf(b, "used_cpu_sys%s:%ld.%06ld\r\nused_cpu_user%s:%ld.%06ld\r\n",
               suffix, (long)u.ru_stime.tv_sec, (long)u.ru_stime.tv_usec,
               suffix, (long)u.ru_utime.tv_sec, (long)u.ru_utime.tv_usec);
}

static void info__cpu(struct info__to *t) {
    info__cpu_of(t->b, RUSAGE_SELF, "");
    info__cpu_of(t->b, RUSAGE_CHILDREN, "_children");
#if defined(RUSAGE_THREAD)
    info__cpu_of(t->b, RUSAGE_THREAD, "_main_thread");
#endif
}

static void info__modules(struct info__to *t) {
    (void)t;
}

static void info__commandstats(struct info__to *t) {
    for (size_t i = 0; i < t->k->nrows; i++) {
        struct command_stat st = measure_row(t->k, i, NULL);

        if (st.calls + st.rejected + st.failed == 0) continue;
        buf_printf(t->b, "cmdstat_%s:calls=%llu,usec=%llu,"
                         "usec_per_call=%.2f,rejected_calls=%llu,"
                         "failed_calls=%llu\r\n", t->k->rows[i].name,
                   (unsigned long long)st.calls,
                   (unsigned long long)(st.ns / 1000),
                   st.calls == 0 ? 0.0 :
                       (double)st.ns / 1000 / (double)st.calls,
                   (unsigned long long)st.rejected,
                   (unsigned long long)st.failed);
    }
}

static void info__errorstats(struct info__to *t) {
    struct error_stat all[LANE_ERRORS];
    size_t n = measure_errors(t->k, all);

    for (size_t i = 0; i < n; i++)
        buf_printf(t->b, "errorstat_%s:count=%llu\r\n", all[i].code,
                   (unsigned long long)all[i].n);
}

static void info__latencystats(struct info__to *t) {
    const struct option_percents *p = &t->k->opt.latency_percentiles;
    uint64_t hist[HIST_CLASSES];

    if (!t->k->opt.latency_tracking) return;
    for (size_t i = 0; i < t->k->nrows; i++) {
        struct command_stat st = measure_row(t->k, i, hist);

        if (st.calls == 0 || p->n == 0) continue;
        buf_printf(t->b, "latency_percentiles_usec_%s:",
                   t->k->rows[i].name);
        for (int j = 0; j < p->n; j++)
            buf_printf(t->b, "%sp%.10g=%.3f", j == 0 ? "" : ",", p->at[j],
                       (double)measure_percentile(hist, p->at[j]) / 1000);
        buf_put(t->b, "\r\n", 2);
    }
}

static void info__cluster(struct info__to *t) {
    buf_printf(t->b, "cluster_enabled:0\r\n");
}

/* How long keys of a database have to live on average, ms: a guess, from some
 * of them drawn at random. */
static long long info__ttl(const struct info__to *t, uint32_t d) {
    struct keyspace *ks = &t->k->ks;
    double sum = 0, n = 0;
    int tries = 0;

    for (uint32_t i = 0; i < ks->nshards && tries < INFO_TRIES; i++)
        for (uint32_t j = 0; j < ks->shards[i].ids; j++) {
            struct shard *s = ks->shards + i;
            const struct space *sp = s->by_id[j];

            if (sp == NULL || sp->db != s->dbs[d] || sp->expiring == 0 ||
                (t->x->w.bound.p != NULL &&
                 sp != key_bound_space(t->x, s, (int)d)))
                continue;
            for (int m = 0; m < 32 && tries < INFO_TRIES; m++, tries++) {
                struct table_at at;
                const struct entry *e = table_random(&sp->keys, &s->rand, &at);

                if (!entry_has(e, ENTRY_TTL)) continue;
                sum += (double)(entry_deadline(e) - t->x->w.now);
                n++;
            }
        }
    return n == 0 || sum < 0 ? 0 : (long long)(sum / n);
}

static void info__keyspace(struct info__to *t) {
    struct keyspace *ks = &t->k->ks;

    for (uint32_t d = 0; d < ks->opt.databases; d++) {
        size_t keys = 0, expiring = 0;

        for (uint32_t i = 0; i < ks->nshards; i++) {
            const struct shard *s = ks->shards + i;
            const struct space *sp = t->x->w.bound.p == NULL ? NULL :
                                         key_bound_space(t->x, s, (int)d);

            if (sp != NULL) {
                keys += sp->keys.count;
                expiring += sp->expiring;
            } else if (t->x->w.bound.p == NULL) {
                keys += s->dbs[d]->keys;
                expiring += s->dbs[d]->expiring;
            }
        }
        if (keys > 0)
            buf_printf(t->b, "db%u:keys=%zu,expires=%zu,avg_ttl=%lld\r\n",
                       (unsigned)d, keys, expiring,
                       expiring == 0 ? 0LL : info__ttl(t, d));
    }
}

/* ---- namespaces ---------------------------------------------------------- */

/* What all parts of one namespace hold. */
struct info__space {
    struct str name;
    size_t keys, expiring, bytes;
    struct tally tally;
    enum policy policy;
};

static int info__by_name(const void *a, const void *b) {
    return str_cmp(((const struct info__space *)a)->name,
                   ((const struct info__space *)b)->name);
}

static int info__by_bytes(const void *a, const void *b) {
    size_t x = ((const struct info__space *)a)->bytes;
    size_t y = ((const struct info__space *)b)->bytes;

    return x > y ? -1 : x < y;
}

static void info__add_space(struct info__space *to,
                            const struct info__space *from) {
    to->keys += from->keys;
    to->expiring += from->expiring;
    to->bytes += from->bytes;
    to->tally.hits += from->tally.hits;
    to->tally.misses += from->tally.misses;
    to->tally.expired += from->tally.expired;
    to->tally.evicted += from->tally.evicted;
    to->tally.ear_evicted += from->tally.ear_evicted;
}

/* All namespaces of all shards and databases, summed by name; the caller
 * frees them.  NULL: no memory. */
static struct info__space *info__spaces(const struct keyspace *ks,
                                        size_t *count) {
    size_t n = 0, out = 0, room = 1;
    struct info__space *all;

    for (uint32_t i = 0; i < ks->nshards; i++) room += ks->shards[i].ids;
    all = malloc(room * sizeof *all);
    if (all == NULL) return NULL;
    for (uint32_t i = 0; i < ks->nshards; i++)
        for (uint32_t j = 0; j < ks->shards[i].ids; j++) {
            const struct space *sp = ks->shards[i].by_id[j];

            if (sp == NULL || sp->keys.count == 0) continue;
            all[n++] = (struct info__space){
                sp->is_default ? STR("default") : space_name(sp),
                sp->keys.count, sp->expiring, sp->bytes, sp->tally,
                (enum policy)sp->policy
            };
        }
    qsort(all, n, sizeof *all, info__by_name);
    for (size_t i = 0; i < n; i++)
        if (out > 0 && str_eq(all[out - 1].name, all[i].name))
            info__add_space(all + out - 1, all + i);
        else all[out++] = all[i];
    *count = out;
    return all;
}

/* A name with nothing in it that ends a line or a field: %XX for the rest. */
static void info__name(struct buf *b, struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (isalnum(c) || (c != '\0' && strchr("_-.@#+", c) != NULL))
            buf_put_char(b, (char)c);
        else buf_printf(b, "%%%02X", c);
    }
}

static void info__namespaces(struct info__to *t) {
    size_t most = (size_t)t->k->opt.metrics_max_namespaces, n;
    struct info__space *all = info__spaces(&t->k->ks, &n);

    if (all == NULL) return;
    buf_printf(t->b, "namespaces:%zu\r\n", n);
    if (n > most) {
        qsort(all, n, sizeof *all, info__by_bytes);
        n = most;
    }
    for (size_t i = 0; i < n; i++) {
        const struct info__space *s = all + i;

        buf_printf(t->b, "ns_");
        info__name(t->b, s->name);
        buf_printf(t->b, ":keys=%zu,expires=%zu,bytes=%zu,hits=%llu,"
                         "misses=%llu,evicted=%llu,expired=%llu,policy=%s"
                         "\r\n", s->keys, s->expiring, s->bytes,
                   (unsigned long long)s->tally.hits,
                   (unsigned long long)s->tally.misses,
                   (unsigned long long)s->tally.evicted +
                       (unsigned long long)s->tally.ear_evicted,
                   (unsigned long long)s->tally.expired,
                   option_policy_text(s->policy, false));
    }
    free(all);
}

/* ---- INFO ---------------------------------------------------------------- */

enum { INFO_DEFAULT = 1, INFO_ALL = 2, INFO_EVERYTHING = 4 };

static const struct {
    const char *name, *title;
    void (*write)(struct info__to *t);
    int in;                     /* which groups of sections it belongs to */
    bool bound;                 /* for bound clients, too */
} info_sections[] = {
    { "server", "Server", info__server, 7, true },
    { "clients", "Clients", info__clients, 7, true },
    { "memory", "Memory", info__memory, 7, true },
    { "persistence", "Persistence", info__persistence, 7, true },
    { "stats", "Stats", info__stats, 7, true },
    { "replication", "Replication", info__replication, 7, true },
    { "cpu", "CPU", info__cpu, 7, true },
    { "module_list", "Modules", info__modules, 7, true },
    { "modules", "Modules", info__modules, 4, true },
    { "commandstats", "Commandstats", info__commandstats, 6, false },
    { "errorstats", "Errorstats", info__errorstats, 7, false },
    { "latencystats", "Latencystats", info__latencystats, 6, false },
    { "cluster", "Cluster", info__cluster, 7, true },
    { "keyspace", "Keyspace", info__keyspace, 7, true },
    { "namespaces", "Namespaces", info__namespaces, 4, false },
};

/* Is section i asked for? */
static bool info__wants(const struct call *x, size_t i) {
    if (x->argc == 1) return (info_sections[i].in & INFO_DEFAULT) != 0;
    for (size_t j = 1; j < x->argc; j++) {
        int in = info_sections[i].in;

        if (str_is(x->argv[j], info_sections[i].name) ||
            (str_is(x->argv[j], "default") && (in & INFO_DEFAULT) != 0) ||
            (str_is(x->argv[j], "all") && (in & INFO_ALL) != 0) ||
            (str_is(x->argv[j], "everything") && (in & INFO_EVERYTHING) != 0))
            return true;
    }
    return false;
}

static enum outcome cmd_info(struct call *x) {
    struct buf b = { 0 };
    struct info__to t = { .b = &b, .x = x, .k = x->k };
    const char *before = "";

    info_sum(x, &t.s);
    for (size_t i = 0; i < ROWS(info_sections); i++) {
        if (!info__wants(x, i)) continue;
        if (strcmp(before, info_sections[i].title) == 0) continue;
        if (before[0] != '\0') buf_put(&b, "\r\n", 2);
        before = info_sections[i].title;
        buf_printf(&b, "# %s\r\n", before);
        if (x->w.bound.p == NULL || info_sections[i].bound)
            info_sections[i].write(&t);
    }
    if (b.failed) {
        buf_free(&b);
        return reply_err(x, ERR_MEMORY);
    }
    reply_verbatim(x->r, buf_str(&b), "txt");
    buf_free(&b);
    return DONE;
}

static const struct command info_commands[] = {
    { "info", cmd_info, -1, LOADING | STALE | ALL_LANES | BARRIER | SCOPED,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(1)",
      "[section [section ...]]", "How the server is." },
};
