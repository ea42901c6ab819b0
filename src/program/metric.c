/* SPDX-License-Identifier: MIT */
/* ==== metric - the rows of all metrics =====================================
 *
 * A row says what a metric is called, of which type it is, which labels it
 * has and what it counts.  /metrics and docs/metrics.md go by the rows; a
 * metric without one cannot be written.
 *
 * The two gauges whose names end in _total are called so since the first
 * version: dashboards know them.
 *
 * floor 8 - uses: base num buf utf8 instance
 */
#if !defined(KVNS_NO_HTTP)
enum metric {
    METRIC_BUILD,
    METRIC_KEYS, METRIC_EXPIRING, METRIC_BYTES, METRIC_SPACE_LIMIT,
    METRIC_EVICTED, METRIC_EAR, METRIC_SPACE_EXPIRED, METRIC_SPACE_HITS,
    METRIC_SPACE_MISSES, METRIC_SPACE_COMMANDS,
    METRIC_USED, METRIC_LIMIT, METRIC_PEAK, METRIC_MEMORY,
    METRIC_ARENA_USED, METRIC_ARENA_HELD,
    METRIC_DB_KEYS, METRIC_HITS, METRIC_MISSES, METRIC_EXPIRED,
    METRIC_CHANGES,
    METRIC_CLIENTS, METRIC_BLOCKED, METRIC_MAX_CLIENTS, METRIC_ACCEPTED,
    METRIC_REFUSED, METRIC_RECEIVED, METRIC_SENT,
    METRIC_COMMANDS, METRIC_DURATION, METRIC_ERRORS, METRIC_SLOW,
    METRIC_TURN, METRIC_LOADING, METRIC_LOADED,
    METRIC_SAVING, METRIC_SAVED, METRIC_SAVE_OK, METRIC_SAVES,
    METRIC_SAVE_FAILURES, METRIC_SAVE_AGE, METRIC_SAVE_TOOK,
    METRIC_SAVE_BYTES, METRIC_UNSAVED,
    METRIC_CPU, METRIC_VIRTUAL, METRIC_RESIDENT, METRIC_START, METRIC_FDS,
    METRIC_MAX_FDS,
    METRIC_COUNT
};

static const struct metric_row {
    const char *name, *type, *labels, *help;
} metric_rows[METRIC_COUNT] = {
    [METRIC_BUILD] = { "kvns_build_info", "gauge", "version, redis_version",
        "1, with the version." },
    [METRIC_KEYS] = { "kvns_keys_total", "gauge", "namespace", "Keys." },
    [METRIC_EXPIRING] = { "kvns_namespace_expiring_keys", "gauge",
        "namespace", "Keys that have a deadline." },
    [METRIC_BYTES] = { "kvns_memory_used_bytes", "gauge", "namespace",
        "Bytes of keys, values and their index." },
    [METRIC_SPACE_LIMIT] = { "kvns_namespace_limit_bytes", "gauge",
        "namespace", "Bytes that the namespace may hold, where it has a "
        "limit of its own." },
    [METRIC_EVICTED] = { "kvns_evictions_total", "counter", "namespace",
        "Keys evicted to make room." },
    [METRIC_EAR] = { "kvns_ear_evictions_total", "counter", "namespace",
        "Keys that expire-after-read deleted." },
    [METRIC_SPACE_EXPIRED] = { "kvns_namespace_expired_total", "counter",
        "namespace", "Keys whose time had come." },
    [METRIC_SPACE_HITS] = { "kvns_namespace_hits_total", "counter",
        "namespace", "Reads that found their key." },
    [METRIC_SPACE_MISSES] = { "kvns_namespace_misses_total", "counter",
        "namespace", "Reads that found none in a namespace that has keys." },
    [METRIC_SPACE_COMMANDS] = { "kvns_namespace_commands_total", "counter",
        "namespace", "Commands, by each key that they named." },
    [METRIC_USED] = { "kvns_memory_used_bytes_total", "gauge", "",
        "Bytes of keys, values and their index in all namespaces." },
    [METRIC_LIMIT] = { "kvns_memory_limit_bytes", "gauge", "",
        "Bytes of data that there may be; +Inf: no limit." },
    [METRIC_PEAK] = { "kvns_memory_peak_bytes", "gauge", "",
        "Most bytes of data that were seen." },
    [METRIC_MEMORY] = { "kvns_memory_bytes", "gauge", "kind",
        "Memory by what it is for. data: keys and values; freeing: dropped, "
        "not yet given back; clients: buffers and connections; snapshot: "
        "kept for the file being written; slack: the allocators' free "
        "room." },
    [METRIC_ARENA_USED] = { "kvns_allocator_used_bytes", "gauge", "",
        "Bytes in blocks of the shards' allocators." },
    [METRIC_ARENA_HELD] = { "kvns_allocator_held_bytes", "gauge", "",
        "Bytes these allocators have of the system." },
    [METRIC_DB_KEYS] = { "kvns_db_keys", "gauge", "db",
        "Keys by database, where there are any." },
    [METRIC_HITS] = { "kvns_keyspace_hits_total", "counter", "",
        "Reads that found their key." },
    [METRIC_MISSES] = { "kvns_keyspace_misses_total", "counter", "",
        "Reads that found none." },
    [METRIC_EXPIRED] = { "kvns_expired_keys_total", "counter", "",
        "Keys whose time had come." },
    [METRIC_CHANGES] = { "kvns_changes_total", "counter", "",
        "Changes to keys since the start." },
    [METRIC_CLIENTS] = { "kvns_connected_clients", "gauge", "",
        "Clients connected." },
    [METRIC_BLOCKED] = { "kvns_blocked_clients", "gauge", "",
        "Clients that wait for data." },
    [METRIC_MAX_CLIENTS] = { "kvns_max_clients", "gauge", "",
        "Clients that may be connected." },
    [METRIC_ACCEPTED] = { "kvns_connections_received_total", "counter", "",
        "Connections accepted, refused ones included." },
    [METRIC_REFUSED] = { "kvns_connections_rejected_total", "counter", "",
        "Connections refused, over a limit or not allowed." },
    [METRIC_RECEIVED] = { "kvns_network_received_bytes_total", "counter", "",
        "Bytes read from clients." },
    [METRIC_SENT] = { "kvns_network_sent_bytes_total", "counter", "",
        "Bytes sent to clients." },
    [METRIC_COMMANDS] = { "kvns_commands_total", "counter",
        "command, outcome",
        "Commands; outcome ok, failed, or rejected: not carried out." },
    [METRIC_DURATION] = { "kvns_command_duration_seconds", "histogram",
        "command, namespace",
        "What commands took, by the namespace of their first key; of none: "
        "an empty label. Counts, sums and buckets are exact; short commands "
        "that came in one batch share its time equally, so theirs are means. "
        "The busiest namespaces have series of their own, and those that "
        "metrics-namespaces names; overflow is all others." },
    [METRIC_ERRORS] = { "kvns_errors_total", "counter", "code",
        "Errors answered, by the first word of their text." },
    [METRIC_SLOW] = { "kvns_slow_commands_total", "counter", "",
        "Commands that took longer than slowlog-log-slower-than." },
    [METRIC_TURN] = { "kvns_loop_turn_duration_seconds", "histogram", "loop",
        "What the turns of a loop took, waiting left out." },
    [METRIC_LOADING] = { "kvns_loading", "gauge", "",
        "1 while a snapshot is loaded, otherwise 0." },
    [METRIC_LOADED] = { "kvns_loading_progress_ratio", "gauge", "",
        "How much of the snapshot is loaded, 0 to 1." },
    [METRIC_SAVING] = { "kvns_snapshot_in_progress", "gauge", "",
        "1 while a snapshot is saved, otherwise 0." },
    [METRIC_SAVED] = { "kvns_snapshot_progress_ratio", "gauge", "",
        "How much of the snapshot in progress is written, 0 to 1." },
    [METRIC_SAVE_OK] = { "kvns_snapshot_last_ok", "gauge", "",
        "0 after a save that failed, otherwise 1." },
    [METRIC_SAVES] = { "kvns_snapshots_total", "counter", "",
        "Snapshots saved." },
    [METRIC_SAVE_FAILURES] = { "kvns_snapshots_failed_total", "counter", "",
        "Snapshots that failed." },
    [METRIC_SAVE_AGE] = { "kvns_snapshot_age_seconds", "gauge", "",
        "Time since the last good snapshot, or since the start." },
    [METRIC_SAVE_TOOK] = { "kvns_snapshot_duration_seconds", "gauge", "",
        "What the last snapshot took." },
    [METRIC_SAVE_BYTES] = { "kvns_snapshot_size_bytes", "gauge", "",
        "Size of the last snapshot that was saved." },
    [METRIC_UNSAVED] = { "kvns_snapshot_unsaved_changes", "gauge", "",
        "Changes since the last snapshot." },
    [METRIC_CPU] = { "process_cpu_seconds_total", "counter", "",
        "User and system time." },
    [METRIC_VIRTUAL] = { "process_virtual_memory_bytes", "gauge", "",
        "Bytes of address space." },
    [METRIC_RESIDENT] = { "process_resident_memory_bytes", "gauge", "",
        "Bytes of memory in use." },
    [METRIC_START] = { "process_start_time_seconds", "gauge", "",
        "When it began, in Unix time." },
    [METRIC_FDS] = { "process_open_fds", "gauge", "", "Descriptors open." },
    [METRIC_MAX_FDS] = { "process_max_fds", "gauge", "",
        "Descriptors that may be open." },
};

/* Write the table of docs/metrics.md. */
static void metric_markdown(struct buf *out) {
    buf_put_str(out, STR("| Metric | Type | Labels | Meaning |\n"
                         "|---|---|---|---|\n"));
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *r = metric_rows + i;

        buf_printf(out, "| `%s` | %s | %s | %s |\n", r->name, r->type,
                   r->labels, r->help);
    }
}

/* ---- lines of the page --------------------------------------------------- */

/* Begin a metric. */
static void metric_head(struct buf *b, enum metric m) {
    const struct metric_row *r = metric_rows + m;

    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name,
               r->type);
}

/* End a line with a number. */
static void metric_number(struct buf *b, uint64_t v) {
    char *to = buf_room(b, NUM_UINT_ROOM + 1);

    if (to == NULL) return;
    b->n += num_put_uint(to, v);
    buf_put_char(b, '\n');
}

/* End a line with nanoseconds, as seconds. */
static void metric_seconds(struct buf *b, uint64_t ns) {
    buf_printf(b, "%" PRIu64 ".%09d\n", ns / 1000000000,
               (int)(ns % 1000000000));
}

/* A metric of one series, a whole number. */
static void metric_one(struct buf *b, enum metric m, uint64_t v) {
    metric_head(b, m);
    buf_printf(b, "%s ", metric_rows[m].name);
    metric_number(b, v);
}

/* The same with a fraction of thousandths. */
static void metric_milli(struct buf *b, enum metric m, int64_t ms) {
    if (ms < 0) ms = 0;
    metric_head(b, m);
    buf_printf(b, "%s %" PRId64 ".%03d\n", metric_rows[m].name, ms / 1000,
               (int)(ms % 1000));
}

/* The same as a part of a whole. */
static void metric_ratio(struct buf *b, enum metric m, uint64_t part,
                         uint64_t whole) {
    metric_head(b, m);
    buf_printf(b, "%s %.4f\n", metric_rows[m].name,
               whole == 0 ? 0.0 :
               part >= whole ? 1.0 : (double)part / (double)whole);
}

/* One series of a metric whose only label has a value that needs no escape. */
static void metric_of(struct buf *b, enum metric m, const char *label,
                      uint64_t v) {
    buf_printf(b, "%s{%s=\"%s\"} ", metric_rows[m].name, metric_rows[m].labels,
               label);
    metric_number(b, v);
}

/* A series of a histogram: how many durations are in each bucket, below
 * measure_bounds[i] or above the last; those in calls that are in none are in
 * the last.  labels is what stands between the braces. */
static void metric_histogram(struct buf *b, enum metric m, struct str labels,
                             const uint64_t *buckets, uint64_t calls,
                             uint64_t ns) {
    static const char *const le[HIST_BOUNDS] = {
        "1e-06", "2e-06", "5e-06", "1e-05", "2e-05", "5e-05", "0.0001",
        "0.0002", "0.0005", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05",
        "0.1", "0.2", "0.5", "1", "2", "5", "10"
    };
    struct str name = str_c(metric_rows[m].name);
    uint64_t seen = 0;

    for (size_t i = 0; i <= HIST_BOUNDS; i++) {
        seen = i == HIST_BOUNDS ? calls : seen + buckets[i];
        buf_put_str(b, name);
        buf_put_str(b, STR("_bucket{"));
        buf_put_str(b, labels);
        buf_put_str(b, STR(",le=\""));
        buf_put_str(b, str_c(i == HIST_BOUNDS ? "+Inf" : le[i]));
        buf_put_str(b, STR("\"} "));
        metric_number(b, seen < calls ? seen : calls);
    }
    buf_printf(b, "%s_sum{%.*s} ", name.p, (int)labels.n, labels.p);
    metric_seconds(b, ns);
    buf_printf(b, "%s_count{%.*s} ", name.p, (int)labels.n, labels.p);
    metric_number(b, calls);
}

/* Append a name as the value of a label: escaped, what is no UTF-8 replaced,
 * cut after `most` bytes. */
static void metric_label(struct buf *b, struct str name, size_t most) {
    size_t n = size_min(name.n, most);

    for (size_t i = 0, size; i < n; i += size) {
        size = utf8_size(name.p + i, n - i);
        if (size == 0) {
            buf_put_str(b, STR("\xef\xbf\xbd"));
            size = 1;
        } else if (name.p[i] == '\n') {
            buf_put_str(b, STR("\\n"));
        } else {
            if (name.p[i] == '"' || name.p[i] == '\\') buf_put_char(b, '\\');
            buf_put(b, name.p + i, size);
        }
    }
    if (n < name.n) buf_put_str(b, STR("..."));
}
#endif
