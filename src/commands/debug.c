/* SPDX-License-Identifier: MIT */
/* ==== debug - MEMORY, and what is useful of DEBUG ==========================
 *
 * DEBUG is refused unless the options allow it: it can stop the server for as
 * long as it likes.
 *
 * floor 6 - uses: base arena num buf log table entry shard save door bytes
 *    reply options instance saver loader arg help key snapshot info digest
 */

/* ---- MEMORY -------------------------------------------------------------- */

static enum outcome cmd_memory_usage(struct call *x) {
    const struct entry *e;
    int64_t samples;

    for (size_t i = 3; i < x->argc; i++) {
        if (!str_is(x->argv[i], "samples") || i + 1 >= x->argc)
            return reply_err(x, ERR_SYNTAX);
        if (!arg_int_or_reply(x, ++i, &samples)) return FAILED;
        if (samples < 0) return reply_err(x, ERR_SYNTAX);
    }
    e = key_peek(&x->w, x->argv[2]);
    if (e == NULL) reply_null(x->r);
    else reply_int(x->r, (int64_t)(entry_cost(e) + sizeof(void *)));
    return DONE;
}

static void memory__number(struct reply *r, const char *name, size_t n) {
    reply_bulk(r, str_c(name));
    reply_int(r, (int64_t)n);
}

static void memory__ratio(struct reply *r, const char *name, double v) {
    reply_bulk(r, str_c(name));
    reply_double(r, v);
}

static enum outcome cmd_memory_stats(struct call *x) {
    struct keyspace *ks = &x->k->ks;
    size_t used = keyspace_bytes(ks), keys = 0, rss = info_rss(), index = 0;
    size_t mark = reply_map_later(x->r), n = 0;
    struct info_sums s;
    char name[32];

    info_sum(x, &s);
    x->k->peak = size_max(x->k->peak, used);
    memory__number(x->r, "peak.allocated", x->k->peak);
    memory__number(x->r, "total.allocated", used);
    memory__number(x->r, "startup.allocated", 0);
    memory__number(x->r, "replication.backlog", 0);
    memory__number(x->r, "clients.slaves", 0);
    memory__number(x->r, "clients.normal", s.client_bytes);
    memory__number(x->r, "cluster.links", 0);
    memory__number(x->r, "aof.buffer", 0);
    memory__number(x->r, "lua.caches", 0);
    memory__number(x->r, "functions.caches", 0);
    n += 10;
    for (uint32_t d = 0; d < ks->opt.databases; d++) {
        size_t in_db = 0, bytes = 0;

        for (uint32_t i = 0; i < ks->nshards; i++) {
            const struct db *db = ks->shards[i].dbs[d];

            in_db += db->keys;
            if (db->plain != NULL) bytes += table_bytes(&db->plain->keys);
        }
        keys += in_db;
        index += bytes;
        if (in_db == 0) continue;
        snprintf(name, sizeof name, "db.%u", (unsigned)d);
        reply_bulk(x->r, str_c(name));
        reply_map(x->r, 3);
        memory__number(x->r, "overhead.hashtable.main", bytes);
        memory__number(x->r, "overhead.hashtable.expires", 0);
        memory__number(x->r, "overhead.hashtable.slot-to-keys", 0);
        n++;
    }
    memory__number(x->r, "overhead.total", index + s.client_bytes);
    memory__number(x->r, "keys.count", keys);
    memory__number(x->r, "keys.bytes-per-key", keys == 0 ? 0 : used / keys);
    memory__number(x->r, "dataset.bytes", used - size_min(used, index));
    memory__ratio(x->r, "dataset.percentage", used == 0 ? 0 :
                  (double)(used - size_min(used, index)) * 100 /
                      (double)used);
    memory__ratio(x->r, "peak.percentage", x->k->peak == 0 ? 0 :
                  (double)used * 100 / (double)x->k->peak);
    memory__number(x->r, "allocator.allocated", s.used);
    memory__number(x->r, "allocator.active", s.held);
    memory__number(x->r, "allocator.resident", s.held);
    memory__ratio(x->r, "allocator-fragmentation.ratio",
                  s.used == 0 ? 1 : (double)s.held / (double)s.used);
    memory__number(x->r, "allocator-fragmentation.bytes", s.held - s.used);
    memory__ratio(x->r, "fragmentation",
                  used == 0 ? 1 : (double)rss / (double)used);
    reply_bulk(x->r, STR("fragmentation.bytes"));
    reply_int(x->r, (int64_t)rss - (int64_t)used);
    reply_map_set(x->r, mark, n + 13);
    return DONE;
}

static enum outcome cmd_memory_doctor(struct call *x) {
    size_t used = keyspace_bytes(&x->k->ks), limit;
    struct info_sums s;
    struct buf b = { 0 };

    info_sum(x, &s);
    limit = x->k->ks.opt.memory_limit;
    if (used >= (size_t)((double)limit * x->k->ks.opt.threshold))
        buf_printf(&b, "The data fills the memory limit: keys are evicted, "
                       "or writes refused.\n");
    if (s.held > 16 << 20 && s.held / 2 > s.used)
        buf_printf(&b, "Of %zu bytes held only %zu are in use: much was "
                       "deleted lately.\n", s.held, s.used);
    if (s.client_bytes > used && s.client_bytes > 16 << 20)
        buf_printf(&b, "Buffers of clients take %zu bytes, more than the "
                       "data: see CLIENT LIST.\n", s.client_bytes);
    if (b.n == 0) buf_printf(&b, "There is nothing wrong with memory.\n");
    reply_verbatim(x->r, buf_str(&b), "txt");
    buf_free(&b);
    return DONE;
}

static enum outcome cmd_memory_purge(struct call *x) {
    reply_ok(x->r);             /* empty pages go back without being told */
    return DONE;
}

static enum outcome cmd_memory_malloc_stats(struct call *x) {
    struct buf b = { 0 };

    for (uint32_t i = 0; i < x->k->ks.nshards; i++) {
        const struct mem *m = &x->k->ks.shards[i].mem;

        buf_printf(&b, "shard %u: %zu bytes in use, %zu held, %u empty "
                       "pages\n", (unsigned)i, m->used, m->held,
                   (unsigned)m->idle_pages);
    }
    reply_verbatim(x->r, buf_str(&b), "txt");
    buf_free(&b);
    return DONE;
}

/* ---- DEBUG --------------------------------------------------------------- */

static enum outcome debug__object(struct call *x) {
    const struct entry *e = key_peek(&x->w, x->argv[2]);
    struct buf b = { 0 }, line = { 0 };

    if (e == NULL) return reply_err(x, ERR_NO_KEY);
    save_value(&b, e);
    buf_printf(&line, "Value at:%p refcount:1 encoding:%s "
                      "serializedlength:%zu lru:%u lru_seconds_idle:%lld",
               (const void *)e, object_encoding(e), b.n, (unsigned)e->used,
               (long long)(work_tick(&x->w) - e->used) * ENTRY_TICK / 1000);
    reply_simple(x->r, buf_str(&line));
    buf_free(&b);
    buf_free(&line);
    return DONE;
}

static enum outcome debug__sleep(struct call *x) {
    struct timespec t;
    double seconds;

    if (!arg_double_or_reply(x, 2, &seconds)) return FAILED;
    if (!(seconds >= 0 && seconds < 1e6)) return reply_err(x, ERR_RANGE);
    t.tv_sec = (time_t)seconds;
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    while (nanosleep(&t, &t) == -1 && errno == EINTR) {}
    reply_ok(x->r);
    return DONE;
}

static enum outcome debug__populate(struct call *x) {
    struct str prefix = x->argc > 3 ? x->argv[3] : STR("key");
    struct buf key = { 0 }, value = { 0 };
    int64_t n, size = 0;
    bool ok = true;

    if (!num_parse_int(x->argv[2], &n) || n < 0 ||
        (x->argc > 4 && (!num_parse_int(x->argv[4], &size) || size < 0)))
        return reply_err(x, ERR_POSITIVE);
    if ((uint64_t)size > x->k->opt.max_resp_bulk_len)
        return reply_err(x, ERR_RANGE);
    for (int64_t i = 0; i < n && ok; i++) {
        struct edit ed;

        buf_reset(&key);
        buf_reset(&value);
        buf_printf(&key, "%.*s:%lld", (int)prefix.n, prefix.p, (long long)i);
        buf_printf(&value, "value:%lld", (long long)i);
        while (size > 0 && value.n < (size_t)size && !value.failed)
            buf_put(&value, "", 1);
        if (size > 0) value.n = (size_t)size;
        ok = !key.failed && !value.failed &&
             keyspace_bytes(&x->k->ks) < x->k->ks.opt.memory_limit;
        if (!ok || key_peek(&x->w, buf_str(&key)) != NULL) continue;
        edit_open(&x->w, buf_str(&key), &ed);
        ok = bytes_put(&ed, buf_str(&value), 0);
        if (ok) edit_commit(&ed, EVENT_STRING, NULL);
        else edit_cancel(&ed);
    }
    buf_free(&key);
    buf_free(&value);
    if (!ok) return reply_err(x, ERR_OOM);
    reply_ok(x->r);
    return DONE;
}

/* One reply of each kind, to try a client's parser with. */
static enum outcome debug__protocol(struct call *x) {
    struct reply *r = x->r;
    struct str what = x->argv[2];

    if (str_is(what, "string")) reply_bulk(r, STR("Hello World"));
    else if (str_is(what, "integer")) reply_int(r, 12345);
    else if (str_is(what, "double")) reply_double(r, 3.141);
    else if (str_is(what, "null")) reply_null(r);
    else if (str_is(what, "true")) reply_bool(r, true);
    else if (str_is(what, "false")) reply_bool(r, false);
    else if (str_is(what, "bignum"))
        reply_bignum(r, STR("1234567999999999999999999999999999999"));
    else if (str_is(what, "verbatim"))
        reply_verbatim(r, STR("This is a verbatim\nstring"), "txt");
    else if (str_is(what, "array") || str_is(what, "set")) {
        if (str_is(what, "array")) reply_array(r, 3);
        else reply_set(r, 3);
        for (int i = 0; i < 3; i++) reply_int(r, i);
    } else if (str_is(what, "map")) {
        reply_map(r, 3);
        for (int i = 0; i < 3; i++) {
            reply_int(r, i);
            reply_bool(r, i == 1);
        }
    } else if (str_is(what, "attrib")) {
        if (r->proto >= 3) {
            reply_attribute(r, 1);
            reply_bulk(r, STR("key-popularity"));
            reply_array(r, 2);
            reply_bulk(r, STR("key:123"));
            reply_int(r, 90);
        }
        reply_bulk(r, STR("Some real reply following the attribute"));
    } else if (str_is(what, "push")) {
        if (r->proto < 3) {
            reply_error(r, "ERR RESP2 is not supported by this command");
            return FAILED;
        }
        reply_push(r, 2);
        reply_bulk(r, STR("server-cpu-usage"));
        reply_int(r, 42);
        reply_bulk(r, STR("Some real reply following the push reply"));
    } else {
        reply_error(r, "ERR Wrong protocol type name. Please use one of the "
                       "following: string|integer|double|bignum|null|array|set|"
                       "map|attrib|push|verbatim|true|false");
        return FAILED;
    }
    return DONE;
}

static enum outcome debug__active_expire(struct call *x) {
    int64_t on;

    if (!arg_int_or_reply(x, 2, &on)) return FAILED;
    x->k->ks.active_expire = on != 0;
    reply_ok(x->r);
    return DONE;
}

/* The keys as they are after a restart. */
static enum outcome debug__reload(struct call *x) {
    bool save = true, flush = true, merge = false;

    for (size_t i = 2; i < x->argc; i++) {
        if (str_is(x->argv[i], "merge")) merge = true;
        else if (str_is(x->argv[i], "noflush")) flush = false;
        else if (str_is(x->argv[i], "nosave")) save = false;
        else {
            reply_error(x->r, "ERR DEBUG RELOAD only supports the MERGE, "
                              "NOFLUSH and NOSAVE options.");
            return FAILED;
        }
    }
    if (x->k->saver != NULL) return snapshot_busy(x);
    if (!snapshot_path_or_reply(x)) return FAILED;
    if (save && !saver_save(x->k)) {
        reply_error(x->r, "ERR");
        return FAILED;
    }
    if (flush && !key_empty(x, -1)) return reply_err(x, ERR_MEMORY);
    if (!loader_reload(x->k, merge)) {
        reply_error(x->r, "ERR Error trying to load the RDB dump, check "
                          "server logs.");
        return FAILED;
    }
    reply_ok(x->r);
    return DONE;
}

static enum outcome debug__skip_sums(struct call *x) {
    int64_t on;

    if (!arg_int_or_reply(x, 2, &on)) return FAILED;
    x->k->skip_sums = on != 0;
    reply_ok(x->r);
    return DONE;
}

static enum outcome debug__error(struct call *x) {
    reply_errorf(x->r, "%.*s", (int)size_min(x->argv[2].n, 512),
                 x->argv[2].p);
    return FAILED;
}

static enum outcome debug__log(struct call *x) {
    log_line(&x->k->log, KLOG_WARNING, "DEBUG LOG: %.*s",
             (int)size_min(x->argv[2].n, LOG_MESSAGE), x->argv[2].p);
    reply_ok(x->r);
    return DONE;
}

static enum outcome debug__nothing(struct call *x) {
    reply_ok(x->r);
    return DONE;
}

static enum outcome debug__help(struct call *x);

static const struct {
    const char *name, *usage, *summary;
    size_t least, most;         /* arguments, DEBUG and the name among them */
    enum outcome (*run)(struct call *x);
} debug_rows[] = {
    { "change-repl-id", "", "Nothing: there is no replication.", 2, 2,
      debug__nothing },
    { "digest", "", "One sum over all keys and values.", 2, 2,
      digest_all },
    { "digest-value", "key [key ...]", "A sum over each value.", 2, SIZE_MAX,
      digest_some },
    { "error", "text", "An error with this text.", 3, 3, debug__error },
    { "help", "", "Prints this help.", 2, 2, debug__help },
    { "log", "text", "Writes a line into the log.", 3, 3, debug__log },
    { "object", "key", "How a value is kept.", 3, 4, debug__object },
    { "populate", "count [prefix] [size]", "Makes keys that are not there.",
      3, 5, debug__populate },
    { "protocol", "type", "A reply of this type.", 3, 3, debug__protocol },
    { "quicklist-packed-threshold", "size", "Nothing: long elements of lists "
      "are kept as short ones are.", 3, 3, debug__nothing },
    { "reload", "[NOSAVE] [NOFLUSH] [MERGE]", "Saves a snapshot, drops all "
      "keys, loads it.", 2, SIZE_MAX, debug__reload },
    { "set-active-expire", "<0 | 1>", "Lets keys expire before they are "
      "asked for, or not.", 3, 3, debug__active_expire },
    { "set-skip-checksum-validation", "<0 | 1>", "Lets RESTORE take what has "
      "a wrong checksum.", 3, 3, debug__skip_sums },
    { "sleep", "seconds", "Stops the server for so long.", 3, 3,
      debug__sleep },
};

static enum outcome debug__help(struct call *x) {
    struct buf b = { 0 };

    reply_array(x->r, 2 * ROWS(debug_rows) + 1);
    reply_simple(x->r, STR("DEBUG <subcommand> [<arg> [value] [opt] ...]. "
                           "Subcommands are:"));
    for (size_t i = 0; i < ROWS(debug_rows); i++) {
        buf_reset(&b);
        help__shout(&b, debug_rows[i].name, strlen(debug_rows[i].name));
        if (debug_rows[i].usage[0] != '\0')
            buf_printf(&b, " %s", debug_rows[i].usage);
        reply_simple(x->r, buf_str(&b));
        buf_reset(&b);
        buf_printf(&b, "    %s", debug_rows[i].summary);
        reply_simple(x->r, buf_str(&b));
    }
    buf_free(&b);
    return DONE;
}

static enum outcome cmd_debug(struct call *x) {
    int allowed = x->k->opt.enable_debug_command;

    if (allowed == OPTION_NO ||
        (allowed == OPTION_LOCAL && (x->c->flags & CLIENT_LOCAL) == 0)) {
        reply_error(x->r, "ERR DEBUG command not allowed. If the "
                          "enable-debug-command option is set to \"local\", "
                          "you can run it from a local connection, otherwise "
                          "you need to set this option in the configuration "
                          "file, and then restart the server.");
        return FAILED;
    }
    for (size_t i = 0; i < ROWS(debug_rows); i++)
        if (str_is(x->argv[1], debug_rows[i].name) &&
            x->argc >= debug_rows[i].least && x->argc <= debug_rows[i].most)
            return debug_rows[i].run(x);
    reply_errorf(x->r, "ERR unknown subcommand or wrong number of arguments "
                       "for '%.*s'. Try DEBUG HELP.",
                 (int)size_min(x->argv[1].n, 128), x->argv[1].p);
    return FAILED;
}

static const struct command debug_commands[] = {
    { "debug", cmd_debug, -2, ADMIN | NOSCRIPT | LOADING | STALE |
      ALL_LANES | BARRIER | UNBOUND, 0, 0, 0, GROUP_SERVER_COMMANDS,
      SINCE(1, 0, 0), "Depends on subcommand.", "subcommand [argument ...]",
      "For those who test the server." },
    { "memory", NULL, -2, CONTAINER, 0, 0, 0, GROUP_SERVER_COMMANDS,
      SINCE(4, 0, 0), "Depends on subcommand.", "", "What takes memory." },
    { "memory|doctor", cmd_memory_doctor, 2, ALL_LANES | UNBOUND, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(4, 0, 0), "O(1)", "",
      "What is wrong with memory, in words." },
    { "memory|help", cmd_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(4, 0, 0),
      "O(1)", "", "What MEMORY can do." },
    { "memory|malloc-stats", cmd_memory_malloc_stats, 2, ALL_LANES | UNBOUND,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(4, 0, 0), "O(1)", "",
      "What the allocator says." },
    { "memory|purge", cmd_memory_purge, 2, UNBOUND, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(4, 0, 0), "O(1)", "",
      "Nothing: what is free goes back by itself." },
    { "memory|stats", cmd_memory_stats, 2, ALL_LANES | UNBOUND, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(4, 0, 0), "O(1)", "",
      "How much memory there is, and for what." },
    { "memory|usage", cmd_memory_usage, -3, READONLY, 2, 2, 1,
      GROUP_SERVER_COMMANDS, SINCE(4, 0, 0), "O(1)", "key [SAMPLES count]",
      "How many bytes a key takes." },
};
