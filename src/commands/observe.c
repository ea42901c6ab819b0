/* SPDX-License-Identifier: MIT */
/* ==== observe - SLOWLOG, LATENCY, MONITOR ==================================
 *
 * floor 6 - uses: base clock num buf reply instance measure slow monitor help
 */

/* ---- SLOWLOG ------------------------------------------------------------- */

static void observe__entry(struct reply *r, const struct slow_entry *e) {
    reply_array(r, 6);
    reply_int(r, e->id);
    reply_int(r, e->time);
    reply_int(r, e->us);
    reply_array(r, e->args->argc);
    for (size_t i = 0; i < e->args->argc; i++)
        reply_bulk(r, e->args->argv[i]);
    reply_bulk(r, str_c(e->addr));
    reply_bulk(r, str_c(e->name == NULL ? "" : e->name));
}

static enum outcome cmd_slowlog_get(struct call *x) {
    struct slow *s = x->k->slow;
    int64_t want = 10, n = 0;
    size_t mark;

    if (x->argc > 3) return reply_subcommand(x);
    if (x->argc == 3 &&
        (!num_parse_int(x->argv[2], &want) || want < -1)) {
        reply_error(x->r, "ERR count should be greater than or equal to -1");
        return FAILED;
    }
    mark = reply_array_later(x->r);
    pthread_mutex_lock(&s->lock);
    for (const struct slow_entry *e = s->newest;
         e != NULL && (want < 0 || n < want); e = e->next, n++)
        observe__entry(x->r, e);
    pthread_mutex_unlock(&s->lock);
    reply_array_set(x->r, mark, (size_t)n);
    return DONE;
}

static enum outcome cmd_slowlog_len(struct call *x) {
    size_t n;

    pthread_mutex_lock(&x->k->slow->lock);
    n = x->k->slow->n;
    pthread_mutex_unlock(&x->k->slow->lock);
    reply_int(x->r, (int64_t)n);
    return DONE;
}

static enum outcome cmd_slowlog_reset(struct call *x) {
    pthread_mutex_lock(&x->k->slow->lock);
    slow__cut(x->k->slow, 0);
    pthread_mutex_unlock(&x->k->slow->lock);
    reply_ok(x->r);
    return DONE;
}

/* ---- LATENCY ------------------------------------------------------------- */

/* The series of an event, or NULL. */
static struct slow_series *observe__series(struct slow *s, struct str name) {
    for (int i = 0; i < SLOW_EVENTS; i++)
        if (str_is(name, slow_event_names[i]) && s->series[i].worst > 0)
            return s->series + i;
    return NULL;
}

static enum outcome cmd_latency_latest(struct call *x) {
    struct slow *s = x->k->slow;
    size_t mark = reply_array_later(x->r), n = 0;

    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < SLOW_EVENTS; i++) {
        const struct slow_series *one = s->series + i;
        const struct slow_spike *last =
            one->at + (one->next + SLOW_SPIKES - 1) % SLOW_SPIKES;

        if (one->worst == 0) continue;
        reply_array(x->r, 4);
        reply_bulk(x->r, str_c(slow_event_names[i]));
        reply_int(x->r, last->time);
        reply_int(x->r, last->ms);
        reply_int(x->r, one->worst);
        n++;
    }
    pthread_mutex_unlock(&s->lock);
    reply_array_set(x->r, mark, n);
    return DONE;
}

static enum outcome cmd_latency_history(struct call *x) {
    struct slow *s = x->k->slow;
    size_t mark = reply_array_later(x->r), n = 0;
    const struct slow_series *one;

    pthread_mutex_lock(&s->lock);
    one = observe__series(s, x->argv[2]);
    for (uint32_t i = 0; one != NULL && i < SLOW_SPIKES; i++) {
        const struct slow_spike *spike = one->at + (one->next + i) %
                                                   SLOW_SPIKES;

        if (spike->time == 0) continue;
        reply_array(x->r, 2);
        reply_int(x->r, spike->time);
        reply_int(x->r, spike->ms);
        n++;
    }
    pthread_mutex_unlock(&s->lock);
    reply_array_set(x->r, mark, n);
    return DONE;
}

static enum outcome cmd_latency_reset(struct call *x) {
    struct slow *s = x->k->slow;
    int64_t n = 0;

    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < SLOW_EVENTS; i++) {
        bool wanted = x->argc == 2;

        for (size_t j = 2; j < x->argc; j++)
            wanted = wanted || str_is(x->argv[j], slow_event_names[i]);
        if (!wanted || s->series[i].worst == 0) continue;
        memset(s->series + i, 0, sizeof s->series[i]);
        n++;
    }
    pthread_mutex_unlock(&s->lock);
    reply_int(x->r, n);
    return DONE;
}

/* A bar for each spike, the worst one full. */
static enum outcome cmd_latency_graph(struct call *x) {
    struct slow *s = x->k->slow;
    const struct slow_series *one;
    struct buf b = { 0 };
    int64_t now = clock_wall_us() / 1000000;

    pthread_mutex_lock(&s->lock);
    one = observe__series(s, x->argv[2]);
    if (one == NULL) {
        pthread_mutex_unlock(&s->lock);
        reply_errorf(x->r, "ERR No samples available for event '%.*s'",
                     (int)size_min(x->argv[2].n, 128), x->argv[2].p);
        return FAILED;
    }
    buf_printf(&b, "%.*s - worst %lld ms\n", (int)x->argv[2].n, x->argv[2].p,
               (long long)one->worst);
    for (uint32_t i = 0; i < SLOW_SPIKES; i++) {
        const struct slow_spike *spike = one->at + (one->next + i) %
                                                   SLOW_SPIKES;

        if (spike->time == 0) continue;
        buf_printf(&b, "%8llds ago %8lld ms ", (long long)(now - spike->time),
                   (long long)spike->ms);
        for (int64_t j = 0; j < spike->ms * 40 / one->worst; j++)
            buf_put_char(&b, '#');
        buf_put_char(&b, '\n');
    }
    pthread_mutex_unlock(&s->lock);
    reply_verbatim(x->r, buf_str(&b), "txt");
    buf_free(&b);
    return DONE;
}

static enum outcome cmd_latency_doctor(struct call *x) {
    int64_t limit = x->k->opt.latency_monitor_threshold;
    struct slow *s = x->k->slow;
    struct buf b = { 0 };
    bool any = false;

    if (limit == 0) {
        buf_printf(&b, "The latency monitor is off: CONFIG SET "
                       "latency-monitor-threshold 100\n");
    }
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < SLOW_EVENTS; i++) {
        const struct slow_series *one = s->series + i;
        int64_t n = 0, sum = 0;

        if (one->worst == 0) continue;
        any = true;
        for (int j = 0; j < SLOW_SPIKES; j++) {
            n += one->at[j].time != 0;
            sum += one->at[j].ms;
        }
        buf_printf(&b, "%s: %lld seconds with spikes, %lld ms on average, "
                       "%lld ms at worst: see SLOWLOG GET\n",
                   slow_event_names[i], (long long)n,
                   (long long)(n == 0 ? 0 : sum / n), (long long)one->worst);
    }
    pthread_mutex_unlock(&s->lock);
    if (!any && limit != 0)
        buf_printf(&b, "Nothing took %lld ms or longer.\n",
                   (long long)limit);
    reply_verbatim(x->r, buf_str(&b), "txt");
    buf_free(&b);
    return DONE;
}

/* How many calls took at most 1, 2, 4, 8 ... microseconds, as far as that
 * grows.  Returns how many pairs were answered. */
static size_t observe__histogram(struct reply *r, const uint64_t *hist) {
    uint64_t seen = 0, told = 0, us = 1;
    size_t n = 0;

    for (uint32_t i = 0; i < HIST_CLASSES; i++) {
        while (measure_class_end(i) >= us * 1000) {
            if (seen > told) {
                reply_int(r, (int64_t)us);
                reply_int(r, (int64_t)seen);
                told = seen;
                n++;
            }
            us *= 2;
        }
        seen += hist[i];
    }
    if (seen > told) {
        reply_int(r, (int64_t)us);
        reply_int(r, (int64_t)seen);
        n++;
    }
    return n;
}

/* Is the row asked for?  Naming a container asks for what it contains. */
static bool observe__wants(const struct call *x, const struct command *row) {
    const char *bar = strchr(row->name, '|');
    char name[64];

    if (x->argc == 2) return true;
    for (size_t i = 2; i < x->argc; i++) {
        if (str_is(x->argv[i], row->name)) return true;
        if (bar == NULL || x->argv[i].n != (size_t)(bar - row->name)) continue;
        snprintf(name, sizeof name, "%.*s", (int)(bar - row->name), row->name);
        if (str_is(x->argv[i], name)) return true;
    }
    return false;
}

static enum outcome cmd_latency_histogram(struct call *x) {
    size_t mark = reply_map_later(x->r), n = 0, inner;
    uint64_t hist[HIST_CLASSES];

    for (size_t i = 0; i < x->k->nrows; i++) {
        const struct command *row = x->k->rows + i;
        struct command_stat st;

        if (!observe__wants(x, row)) continue;
        st = measure_row(x->k, i, hist);
        if (st.calls == 0 || measure_percentile(hist, 100) == 0) continue;
        reply_bulk(x->r, str_c(row->name));
        reply_map(x->r, 2);
        reply_bulk(x->r, STR("calls"));
        reply_int(x->r, (int64_t)st.calls);
        reply_bulk(x->r, STR("histogram_usec"));
        inner = reply_map_later(x->r);
        reply_map_set(x->r, inner, observe__histogram(x->r, hist));
        n++;
    }
    reply_map_set(x->r, mark, n);
    return DONE;
}

/* ---- MONITOR ------------------------------------------------------------- */

static enum outcome cmd_monitor(struct call *x) {
    if (x->no_block || (x->c->flags & CLIENT_EMBEDDED) != 0) {
        reply_error(x->r, "ERR MONITOR isn't allowed for DENY BLOCKING "
                          "client");
        return FAILED;
    }
    monitor_join(x->c);
    reply_ok(x->r);
    return DONE;
}

enum { OBSERVE_FLAGS = ADMIN | LOADING | STALE | UNBOUND };

static const struct command observe_commands[] = {
    { "latency", NULL, -2, CONTAINER | UNBOUND, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 8, 13), "Depends on subcommand.", "",
      "What took long, and how long commands take." },
    { "latency|doctor", cmd_latency_doctor, 2, OBSERVE_FLAGS | NOSCRIPT,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(2, 8, 13), "O(1)", "",
      "The spikes in words." },
    { "latency|graph", cmd_latency_graph, 3, OBSERVE_FLAGS | NOSCRIPT,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(2, 8, 13), "O(1)", "event",
      "The spikes of an event as bars." },
    { "latency|help", cmd_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 8, 13),
      "O(1)", "", "What LATENCY can do." },
    { "latency|histogram", cmd_latency_histogram, -2,
      OBSERVE_FLAGS | NOSCRIPT | ALL_LANES, 0, 0, 0, GROUP_SERVER_COMMANDS,
      SINCE(7, 0, 0), "O(N) for N commands", "[command [command ...]]",
      "How many calls took at most so many microseconds." },
    { "latency|history", cmd_latency_history, 3, OBSERVE_FLAGS | NOSCRIPT,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(2, 8, 13), "O(1)", "event",
      "The spikes of an event: when, and how many milliseconds." },
    { "latency|latest", cmd_latency_latest, 2, OBSERVE_FLAGS | NOSCRIPT,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(2, 8, 13), "O(1)", "",
      "The last and the worst spike of each event." },
    { "latency|reset", cmd_latency_reset, -2, OBSERVE_FLAGS | NOSCRIPT,
      0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(2, 8, 13), "O(1)",
      "[event [event ...]]", "Forgets the spikes of all events, or some." },
    { "monitor", cmd_monitor, 1,
      OBSERVE_FLAGS | NOSCRIPT | ALL_LANES | BARRIER, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(1)", "",
      "Shows every command that is carried out, from now on." },
    { "slowlog", NULL, -2, CONTAINER | UNBOUND, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 2, 12), "Depends on subcommand.", "",
      "The commands that took long." },
    { "slowlog|get", cmd_slowlog_get, -2, OBSERVE_FLAGS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 2, 12), "O(N) for N entries", "[count]",
      "The newest entries; -1 for all." },
    { "slowlog|help", cmd_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(6, 2, 0),
      "O(1)", "", "What SLOWLOG can do." },
    { "slowlog|len", cmd_slowlog_len, 2, OBSERVE_FLAGS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 2, 12),
      "O(1)", "", "How many there are." },
    { "slowlog|reset", cmd_slowlog_reset, 2, OBSERVE_FLAGS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 2, 12), "O(N) for N entries", "",
      "Forgets them all." },
};
