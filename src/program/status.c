/* SPDX-License-Identifier: MIT */
/* ==== status - what the status page asks for ===============================
 *
 * The page (page.html) and the JSON it polls.  Counters are given as they
 * stand, and the page works out what happened since it last asked: so any
 * number of pages may look, and nothing is kept for them.
 *
 * Of users' data there are names of namespaces, nothing else.  They come
 * escaped for Prometheus, where a backslash, a quote and the end of a line are
 * written as JSON has them; what is left to escape is done here, and < as
 * well, so that nobody takes the answer for something to be rendered.
 *
 * floor 8 - uses: base clock buf lzf shard option instance world measure slow
 *    info names page
 */
#if !defined(KVNS_NO_PAGE) && !defined(KVNS_NO_HTTP)
enum { STATUS_SLOW = 16 };      /* slow commands shown */

/* Write the page.  False: no memory. */
static bool status_page(struct buf *b) {
    char *to = buf_room(b, PAGE_BYTES);

    if (to == NULL) return false;
    b->n += lzf_unpack(page_packed, sizeof page_packed, to, PAGE_BYTES);
    return true;
}

static void status__name(struct buf *b, struct str label) {
    buf_put_char(b, '"');
    for (size_t i = 0; i < label.n; i++) {
        unsigned char c = (unsigned char)label.p[i];

        if (c < ' ' || c == 0x7f || c == '<')
            buf_printf(b, "\\u%04x", c);
        else buf_put_char(b, (char)c);
    }
    buf_put_char(b, '"');
}

/* Namespaces: [name, keys, bytes, limit, hits, misses, evicted, expired,
 * policy, commands] each. */
static void status__spaces(const struct names *m, struct buf *b) {
    const char *comma = "";

    buf_put_str(b, STR(",\n\"namespaces\":["));
    for (const struct name *t = m->first; t != NULL; t = t->next) {
        if (!names_shows(m, t)) continue;
        buf_printf(b, "%s\n[", comma);
        comma = ",";
        status__name(b, str_of(t->label, t->n));
        buf_printf(b, ",%" PRIu64 ",%" PRIu64, t->keys, t->bytes);
        if (t->limit == UINT64_MAX) buf_put_str(b, STR(",null"));
        else buf_printf(b, ",%" PRIu64, t->limit);
        buf_printf(b, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
                   ",\"%s\",%" PRIu64 "]", t->tally.hits, t->tally.misses,
                   t->tally.evicted + t->tally.ear_evicted, t->tally.expired,
                   t->policy == POLICY_COUNT ? "" :
                       option_policy_text((enum policy)t->policy, false),
                   t->tally.commands);
    }
    buf_put_char(b, ']');
}

/* What commands took, all of them together: [at most ns, how many]; and how
 * often each was called: [name, calls, ns]. */
static void status__commands(const struct kvns *k, struct buf *b) {
    uint64_t all[HIST_CLASSES] = { 0 }, hist[HIST_CLASSES];
    const char *comma = "";

    buf_put_str(b, STR(",\n\"busy\":["));
    for (size_t i = 0; i < k->nrows; i++) {
        struct command_stat st = measure_row(k, i, hist);

        if (st.calls == 0) continue;
        for (size_t j = 0; j < HIST_CLASSES; j++) all[j] += hist[j];
        buf_printf(b, "%s[\"%s\",%" PRIu64 ",%" PRIu64 "]", comma,
                   k->rows[i].name, st.calls, st.ns);
        comma = ",";
    }
    buf_put_str(b, STR("],\n\"latency\":["));
    comma = "";
    for (uint32_t i = 0; i < HIST_CLASSES; i++) {
        if (all[i] == 0) continue;
        buf_printf(b, "%s[%" PRIu64 ",%" PRIu64 "]", comma,
                   measure_class_end(i), all[i]);
        comma = ",";
    }
    buf_put_char(b, ']');
}

/* The newest slow commands, by name only: [when, us, name]. */
static void status__slow(struct kvns *k, struct buf *b) {
    struct slow *s = k->slow;
    const struct slow_entry *e;
    int n = 0;

    buf_printf(b, ",\n\"slowsince\":%" PRId64 ",\"slow\":[",
               k->opt.slowlog_log_slower_than);
    pthread_mutex_lock(&s->lock);
    for (e = s->newest; e != NULL && n < STATUS_SLOW; e = e->next, n++)
        buf_printf(b, "%s[%" PRId64 ",%" PRId64 ",\"%s\"]",
                   n == 0 ? "" : ",", e->time, e->us, e->args->row->name);
    pthread_mutex_unlock(&s->lock);
    buf_put_char(b, ']');
}

static void status__memory(const struct kvns *k, const struct info_sums *s,
                           struct buf *b) {
    size_t limit = k->ks.opt.memory_limit;

    if (limit >= SIZE_MAX / 2) limit = 0;
    buf_printf(b, ",\n\"memory\":{\"used\":%zu,\"limit\":%zu,\"rss\":%zu,"
                  "\"peak\":%zu},\"freeing\":%zu", keyspace_bytes(&k->ks),
               limit, info_rss(), k->peak, s->freeing);
    buf_printf(b, ",\n\"clients\":{\"now\":%zu,\"blocked\":%zu,"
                  "\"most\":%" PRId64 "}", s->clients, s->blocked,
               k->opt.max_clients);
}

/* Snapshots and loading. */
static void status__snapshot(const struct kvns *k, const struct info_sums *s,
                             struct buf *b) {
    const struct persist *p = &s->persist;
    int64_t age = clock_wall_us() / 1000 - p->last_ms;

    if (atomic_load(&k->loading))
        buf_printf(b, ",\n\"loading\":{\"done\":%" PRIu64 ",\"total\":%"
                   PRIu64 ",\"keys\":%" PRIu64 "}", p->load_done,
                   p->load_total, p->load_keys);
    else buf_put_str(b, STR(",\n\"loading\":null"));
    buf_printf(b, ",\n\"snapshot\":{\"on\":%s,\"ok\":%s,\"saving\":%s,"
                  "\"done\":%zu,\"total\":%" PRIu64 ",\"count\":%" PRIu64 ",",
               k->opt.persist_path.n > 0 ? "true" : "false",
               p->last_ok ? "true" : "false", p->saving ? "true" : "false",
               s->saved_keys, p->save_keys, p->saves);
    buf_printf(b, "\"age\":%" PRId64 ",\"took\":%" PRId64 ",\"bytes\":%"
                  PRIu64 ",\"unsaved\":%" PRIu64 "}",
               age < 0 ? 0 : age / 1000, p->took_ms, p->bytes,
               instance_dirty(k) - p->dirty_then);
}

/* Write the JSON.  l is the caller's lane, in its turn, without locks; all
 * lanes rest for a part of it.  False: no memory. */
static bool status_json(struct names *m, struct lane *l, struct buf *b) {
    struct kvns *k = l->k;
    int64_t now = clock_wall_us() / 1000;
    struct info_sums s;

    names_count(m, k);
    world_stop(l);
    info_sum_all(k, NULL, &s);
    buf_printf(b, "{\"version\":\"%s\",\"run\":\"%s\",\"time\":%" PRId64
                  ",\"uptime\":%" PRId64 ",\"loops\":%u,\"shards\":%u",
               KVNS_VERSION, k->run_id, now, (now - k->started_ms) / 1000,
               (unsigned)k->nlanes, (unsigned)k->ks.nshards);
    buf_printf(b, ",\n\"commands\":%" PRIu64 ",\"rate\":%" PRIu64
                  ",\"errors\":%" PRIu64 ",\"in\":%" PRIu64 ",\"out\":%"
                  PRIu64, s.commands, s.rate.commands, s.errors, s.net_in,
               s.net_out);
    buf_printf(b, ",\n\"hits\":%" PRIu64 ",\"misses\":%" PRIu64
                  ",\"expired\":%" PRIu64 ",\"evicted\":%" PRIu64, s.hits,
               s.misses, s.expired, s.evicted);
    status__memory(k, &s, b);
    status__snapshot(k, &s, b);
    status__commands(k, b);
    world_go(l);
    status__slow(k, b);
    status__spaces(m, b);
    buf_put_str(b, STR("}\n"));
    return !b->failed;
}
#endif
