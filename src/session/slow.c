/* SPDX-License-Identifier: MIT */
/* ==== slow - the slow log, and spikes of latency ===========================
 *
 * The slow log keeps the last commands that took longer than the options
 * say; the latency monitor keeps, for each kind of event, the worst moment of
 * each of the last 160 seconds in which there was one.
 *
 * Both are written seldom and from any lane: they have a lock of their own.
 * No entry shows a secret: see call_shown.
 *
 * floor 5 - uses: base clock options instance client
 */
enum {
    SLOW_ARGS = 32,             /* arguments kept of an entry */
    SLOW_BYTES = 128,           /* bytes kept of an argument */
    SLOW_SPIKES = 160
};

struct slow_entry {
    struct slow_entry *next;    /* the one before it in time */
    int64_t id, time, us;
    struct saved_call *args;
    char *name;                 /* of the client, or NULL */
    char addr[64];
};

struct slow_spike {
    int64_t time, ms;
};

enum slow_event { SLOW_COMMAND, SLOW_FAST_COMMAND, SLOW_EVENTS };

static const char *const slow_event_names[SLOW_EVENTS] = {
    "command", "fast-command"
};

struct slow_series {
    struct slow_spike at[SLOW_SPIKES];  /* time 0: not used yet */
    uint32_t next;
    int64_t worst;
};

struct slow {
    pthread_mutex_t lock;
    struct slow_entry *newest;
    size_t n;
    int64_t next_id;
    struct slow_series series[SLOW_EVENTS];
};

/* An empty log; NULL: no memory. */
static struct slow *slow_new(void) {
    struct slow *s = calloc(1, sizeof *s);

    if (s != NULL) pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void slow__free_entry(struct slow_entry *e) {
    free(e->args);
    free(e->name);
    free(e);
}

/* Keep the n newest entries.  Locked. */
static void slow__cut(struct slow *s, size_t n) {
    struct slow_entry **p = &s->newest, *e, *next;

    for (size_t i = 0; i < n && *p != NULL; i++) p = &(*p)->next;
    e = *p;
    *p = NULL;
    for (; e != NULL; e = next) {
        next = e->next;
        slow__free_entry(e);
        s->n--;
    }
}

static void slow_free(struct slow *s) {
    if (s == NULL) return;
    slow__cut(s, 0);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* An argument as others may see it: secrets are not shown. */
static struct str call_shown(const struct command *row, size_t argc,
                             const struct str *argv, size_t i) {
    static const char hidden[] = "(redacted)";
    struct str secret = str_of(hidden, sizeof hidden - 1);

    if ((row->flags & SECRET) == 0 || i == 0) return argv[i];
    if (strcmp(row->name, "hello") == 0) {
        for (size_t j = 2; j < argc && j < i; j++)
            if (str_is(argv[j], "auth") && i - j <= 2) return secret;
            else if (str_is(argv[j], "auth")) j += 2;
        return argv[i];
    }
    if (strcmp(row->name, "config|set") == 0) {
        const struct option *o = i < 3 ? NULL : options_find(argv[i - 1],
                                                             false);

        return i % 2 == 1 && o != NULL && (o->flags & OPT_SECRET) != 0 ?
                   secret : argv[i];
    }
    if (strchr(row->name, '|') != NULL && i == 1) return argv[i];
    return secret;
}

/* The arguments of a call, shortened as in Redis. */
static struct saved_call *slow__args(const struct call *x) {
    struct str args[SLOW_ARGS];
    char cut[SLOW_ARGS][SLOW_BYTES + 40];
    size_t n = size_min(x->argc, SLOW_ARGS);

    for (size_t i = 0; i < n; i++) {
        struct str s = call_shown(x->row, x->argc, x->argv, i);

        if (i == SLOW_ARGS - 1 && x->argc > SLOW_ARGS) {
            snprintf(cut[i], sizeof cut[i], "... (%zu more arguments)",
                     x->argc - SLOW_ARGS + 1);
            s = str_c(cut[i]);
        } else if (s.n > SLOW_BYTES) {
            memcpy(cut[i], s.p, SLOW_BYTES);
            snprintf(cut[i] + SLOW_BYTES, sizeof cut[i] - SLOW_BYTES,
                     "... (%zu more bytes)", s.n - SLOW_BYTES);
            s = str_of(cut[i], SLOW_BYTES + strlen(cut[i] + SLOW_BYTES));
        }
        args[i] = s;
    }
    return saved_call_new(x->row, n, args);
}

static COLD void slow__keep(const struct call *x, int64_t us) {
    struct slow *s = x->k->slow;
    struct slow_entry *e;

    if (strcmp(x->row->name, "exec") == 0) return;  /* its commands count */
    e = calloc(1, sizeof *e);
    if (e == NULL) return;
    e->args = slow__args(x);
    if (e->args == NULL || (x->c->name != NULL &&
                            !client_set_text(&e->name, str_c(x->c->name)))) {
        slow__free_entry(e);
        return;
    }
    memcpy(e->addr, x->c->addr, sizeof e->addr);
    e->time = clock_wall_us() / 1000000;
    e->us = us;
    pthread_mutex_lock(&s->lock);
    e->id = s->next_id++;
    e->next = s->newest;
    s->newest = e;
    s->n++;
    slow__cut(s, (size_t)x->k->opt.slowlog_max_len);
    pthread_mutex_unlock(&s->lock);
}

/* Note a spike of an event. */
static COLD void slow_spike(struct kvns *k, enum slow_event event,
                            int64_t ms) {
    struct slow_series *s = k->slow->series + event;
    int64_t now = clock_wall_us() / 1000000;
    struct slow_spike *last;

    pthread_mutex_lock(&k->slow->lock);
    last = s->at + (s->next + SLOW_SPIKES - 1) % SLOW_SPIKES;
    if (ms > s->worst) s->worst = ms;
    if (last->time == now) {
        if (ms > last->ms) last->ms = ms;
    } else {
        s->at[s->next] = (struct slow_spike){ now, ms };
        s->next = (s->next + 1) % SLOW_SPIKES;
    }
    pthread_mutex_unlock(&k->slow->lock);
}

/* A call took so long: is that worth remembering? */
static inline void slow_note(const struct call *x, int64_t ns) {
    const struct options *o = &x->k->opt;
    int64_t us = ns / 1000;

    if (UNLIKELY(o->slowlog_log_slower_than >= 0 &&
                 us >= o->slowlog_log_slower_than))
        slow__keep(x, us);
    if (UNLIKELY(o->latency_monitor_threshold > 0 &&
                 us / 1000 >= o->latency_monitor_threshold))
        slow_spike(x->k, (x->row->flags & FAST) != 0 ? SLOW_FAST_COMMAND :
                                                       SLOW_COMMAND,
                   us / 1000);
}
