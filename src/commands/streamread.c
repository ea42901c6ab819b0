/* SPDX-License-Identifier: MIT */
/* ==== streamread - XREAD and XREADGROUP ====================================
 *
 * Both look at all keys first, then answer from those that have something, or
 * wait.  What waits is run again for the key that got entries, or for a group
 * also when the key or the group has gone: so it waits with IDs in place of
 * "$", which means another ID then.  "+" is the last entry, or as "$" where
 * there is none.
 *
 * floor 6 - uses: base num ids readers stream entry shard door reply instance
 *    waiters arg streams streamgroup
 */
#if !defined(KVNS_NO_STREAMS)
enum { STREAMREAD_WOKEN = 1000 };   /* entries for one that waited, if it did
                                       not say how many */

struct streamread {
    bool group;                 /* XREADGROUP */
    bool blocks, noack;
    double seconds;             /* to wait; 0: for ever */
    int64_t count;              /* 0: any number */
    struct str name, consumer;
    size_t first, n;            /* keys; the IDs follow */
};

static bool streamread__block_or_reply(struct call *x, size_t i,
                                       struct streamread *q) {
    int64_t ms;

    if (!num_parse_int(x->argv[i], &ms)) {
        reply_error(x->r, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (ms < 0) {
        reply_err(x, ERR_TIMEOUT_NEGATIVE);
        return false;
    }
    q->blocks = true;
    q->seconds = (double)(ms > (int64_t)1e15 ? (int64_t)1e15 : ms) / 1000;
    return true;
}

/* Read an option at *i, which is its last argument then.  False: answered. */
static bool streamread__option_or_reply(struct call *x, size_t *i,
                                        struct streamread *q) {
    struct str s = x->argv[*i];
    size_t more = x->argc - *i - 1;
    const char *only = NULL;

    if (more >= 1 && str_is(s, "block"))
        return streamread__block_or_reply(x, ++*i, q);
    if (more >= 1 && str_is(s, "count")) {
        if (!arg_int_or_reply(x, ++*i, &q->count)) return false;
        if (q->count < 0) q->count = 0;
        return true;
    }
    if (more >= 2 && str_is(s, "group")) {
        only = "GROUP";
        q->name = x->argv[*i + 1];
        q->consumer = x->argv[*i + 2];
        *i += 2;
    } else if (str_is(s, "noack")) {
        only = "NOACK";
        q->noack = true;
    }
    if (only != NULL && q->group) return true;
    if (only == NULL) reply_err(x, ERR_SYNTAX);
    else reply_errorf(x->r, "ERR The %s option is only supported by "
                            "XREADGROUP. You called XREAD instead.", only);
    return false;
}

static bool streamread__options_or_reply(struct call *x,
                                         struct streamread *q) {
    memset(q, 0, sizeof *q);
    q->group = (x->row->flags & WRITE) != 0;
    for (size_t i = 1; i < x->argc; i++) {
        if (i + 1 < x->argc && str_is(x->argv[i], "streams")) {
            q->first = i + 1;
            q->n = (x->argc - q->first) / 2;
            break;
        }
        if (!streamread__option_or_reply(x, &i, q)) return false;
    }
    if (q->first != 0 && (x->argc - q->first) % 2 != 0) {
        reply_errorf(x->r, "ERR Unbalanced XREAD list of streams: for each "
                           "stream key an ID or '$' must be specified.");
        return false;
    }
    if (q->first == 0) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    if (!q->group || q->name.p != NULL) return true;
    reply_error(x->r, "ERR Missing GROUP option for XREADGROUP");
    return false;
}

static inline bool streamread__is(struct str s, char c) {
    return s.n == 1 && s.p[0] == c;
}

/* Is the i-th key what it has to be, and the ID behind it?  IDs of "$" and "+"
 * are not looked at.  False: answered. */
static bool streamread__check_or_reply(struct call *x,
                                       const struct streamread *q, size_t i) {
    struct str key = x->argv[q->first + i];
    size_t at = q->first + q->n + i;
    const struct entry *e;
    struct stream_id id;

    /* run again, it is only looked at where it is read */
    if (x->again) return true;
    if (!arg_read_or_reply(x, q->first + i, KIND_STREAM, &e)) return false;
    if (q->group &&
        (e == NULL ||
         readers_group(&streams_of(e)->groups, q->name) == NULL)) {
        streamgroup_none(x, key, q->name, " in XREADGROUP with GROUP option");
        return false;
    }
    if (streamread__is(x->argv[at], '$')) {
        if (!q->group) return true;
        reply_error(x->r, "ERR The $ ID is meaningless in the context of "
                          "XREADGROUP: you want to read the history of this "
                          "consumer by specifying a proper ID, or use the > "
                          "ID to get new messages. The $ ID would just return "
                          "an empty result set.");
        return false;
    }
    if (!q->group && streamread__is(x->argv[at], '+')) return true;
    if (streamread__is(x->argv[at], '>')) {
        if (q->group) return true;
        reply_error(x->r, "ERR The > ID can be specified only when calling "
                          "XREADGROUP using the GROUP <group> <consumer> "
                          "option.");
        return false;
    }
    return streams_id_or_reply(x, at, 0, true, &id, NULL);
}

/* One more key has something: its name, and what it has is to follow. */
static void streamread__begin(struct call *x, struct str key, size_t *mark,
                              size_t *n) {
    if (++*n == 1)
        *mark = x->r->proto == 2 ? reply_array_later(x->r) :
                                   reply_map_later(x->r);
    if (x->r->proto == 2) reply_array(x->r, 2);
    reply_bulk(x->r, key);
}

static void streamread__end(struct call *x, size_t mark, size_t n) {
    if (x->r->proto == 2) reply_array_set(x->r, mark, n);
    else reply_map_set(x->r, mark, n);
}

/* ---- XREAD --------------------------------------------------------------- */

/* Answer what stands behind an ID in the i-th key, if there is anything. */
static void streamread__plain(struct call *x, const struct streamread *q,
                              size_t i, size_t *mark, size_t *n) {
    struct str key = x->argv[q->first + i], arg = x->argv[q->first + q->n + i];
    /* Redis looks twice, and counts that */
    const struct entry *e = x->again ? key_peek(&x->w, key) :
                                       key_noted(&x->w, key, true);
    const struct stream *s;
    struct stream_id id;

    if (e == NULL) return;
    s = streams_of(e);
    if (s->len == 0 || streamread__is(arg, '$')) return;
    if (streamread__is(arg, '+')) {
        id = stream_edge(s, true);
    } else {
        streams_parse_id(arg, 0, true, &id, NULL);
        if (stream_id_cmp(stream_edge(s, true), id) <= 0) return;
        stream_id_next(&id);
    }
    streamread__begin(x, key, mark, n);
    streams_reply_range(x->r, s, id, stream_id_max, false,
                        (uint64_t)q->count);
}

/* The same command with IDs in place of "$" and "+": one block, or NULL. */
static struct str *streamread__resolve(const struct call *x,
                                       const struct streamread *q) {
    struct str *argv = malloc(x->argc * sizeof *argv +
                              q->n * STREAMS_ID_ROOM);
    char *to = argv == NULL ? NULL : (char *)(argv + x->argc);

    if (argv == NULL) return NULL;
    memcpy(argv, x->argv, x->argc * sizeof *argv);
    for (size_t i = 0; i < q->n; i++) {
        struct str *arg = &argv[q->first + q->n + i];
        struct stream_id id = { 0, 0 };
        const struct entry *e;
        size_t n;

        if (q->group ||
            (!streamread__is(*arg, '$') && !streamread__is(*arg, '+')))
            continue;
        e = key_peek((struct work *)(uintptr_t)&x->w, argv[q->first + i]);
        if (e != NULL) id = streams_of(e)->last;
        n = num_put_uint(to, id.ms);
        to[n++] = '-';
        n += num_put_uint(to + n, id.seq);
        *arg = str_of(to, n);
        to += n;
    }
    return argv;
}

static enum outcome streamread__wait(struct call *x,
                                     const struct streamread *q) {
    struct call y = *x;
    struct str *argv;
    bool ok;

    if (!q->blocks || x->no_block) {
        reply_null_array(x->r);
        return DONE;
    }
    if (x->again) return BLOCKED;
    argv = streamread__resolve(x, q);
    if (argv == NULL) return reply_err(x, ERR_MEMORY);
    y.argv = argv;
    ok = client_wait(&y, q->first, q->n, 1, q->seconds);
    free(argv);
    return ok ? BLOCKED : reply_err(x, ERR_MEMORY);
}

/* ---- XREADGROUP ---------------------------------------------------------- */

/* Answer what is pending with a consumer behind an ID; it is delivered once
 * more.  False: no memory. */
static bool streamread__history(struct call *x, struct streamgroup *g,
                                struct readers_consumer *c,
                                struct stream_id id, int64_t count) {
    size_t mark = reply_array_later(x->r), n = 0;
    struct ids_at at = { NULL, 0 };
    struct stream_walk w;

    if (stream_id_next(&id)) at = ids_seek(&c->pending, id);
    for (; at.leaf != NULL && (count == 0 || (int64_t)n < count) &&
           !x->r->failed;
         ids_next(&at), n++) {
        memcpy(&id, ids_item(at), sizeof id);
        if (!stream_find(g->s, id, &w)) {
            reply_array(x->r, 2);
            streams_reply_id(x->r, id);
            reply_null_array(x->r);
            continue;
        }
        streams_reply_entry(x->r, &w);
        if (!readers_again(&g->s->groups, g->g, streamgroup_mem(g),
                           &g->s->held, id, x->w.now))
            return false;
    }
    reply_array_set(x->r, mark, n);
    return true;
}

/* The group has read an entry that it had not. */
static inline void streamread__advance(struct streamgroup *g,
                                       struct stream_id id) {
    int64_t read = g->g->read;

    if (read != READERS_UNKNOWN && !stream_has_holes(g->s, id)) read++;
    else if (g->s->added != 0) read = stream_rank(g->s, id);
    streamgroup_reaches(g, id, read);
}

/* Answer entries that the group has not read, and give them to a consumer.
 * False: no memory. */
static bool streamread__deliver(struct call *x, struct streamgroup *g,
                                struct readers_consumer *c, bool noack,
                                int64_t count) {
    size_t mark = reply_array_later(x->r), n = 0;
    struct stream_id id = g->g->last;
    struct stream_walk w;

    stream_id_next(&id);
    stream_walk(g->s, id, stream_id_max, false, &w);
    while ((count == 0 || (int64_t)n < count) && !x->r->failed &&
           stream_next(&w)) {
        if (!noack && !streamgroup_give(g, w.id, c, x->w.now, 1))
            return false;
        streamread__advance(g, w.id);
        streams_reply_entry(x->r, &w);
        n++;
    }
    reply_array_set(x->r, mark, n);
    return true;
}

/* Open the i-th key and find the group.  False: it has gone, that is
 * answered. */
static bool streamread__open_or_reply(struct call *x,
                                      const struct streamread *q, size_t i,
                                      struct streamgroup *g) {
    edit_open(&x->w, x->argv[q->first + i], &g->ed);
    if (!x->again) edit_noted(&g->ed);
    if (g->ed.e == NULL || entry_kind(g->ed.e) != KIND_STREAM) {
        edit_cancel(&g->ed);
        reply_error(x->r, "UNBLOCKED the stream key no longer exists");
        return false;
    }
    g->s = streams_of(g->ed.e);
    g->g = readers_group(&g->s->groups, q->name);
    g->made = 0;
    if (g->g != NULL) return true;
    edit_cancel(&g->ed);
    reply_error(x->r, "NOGROUP the consumer group this client was blocked on "
                      "no longer exists");
    return false;
}

/* Answer what the i-th key has for a consumer of the group, if anything.
 * False: that is not possible, which is answered. */
static bool streamread__of_group(struct call *x, const struct streamread *q,
                                 size_t i, size_t start, size_t *mark,
                                 size_t *n) {
    struct str arg = x->argv[q->first + q->n + i];
    bool history = !streamread__is(arg, '>'), ok;
    struct stream_id id = stream_id_max;
    struct readers_consumer *c;
    struct streamgroup g;

    if (!streamread__open_or_reply(x, q, i, &g)) return false;
    if (history) streams_parse_id(arg, 0, true, &id, NULL);
    /* the largest ID means the same as ">" */
    history = stream_id_cmp(id, stream_id_max) != 0;
    if (!history &&
        (g.s->len == 0 ||
         stream_id_cmp(stream_edge(g.s, true), g.g->last) <= 0)) {
        edit_cancel(&g.ed);
        return true;
    }
    c = streamgroup_consumer(x, &g, q->consumer);
    ok = c != NULL;
    if (ok) {
        streamread__begin(x, x->argv[q->first + i], mark, n);
        ok = history ? streamread__history(x, &g, c, id, q->count) :
                 streamread__deliver(x, &g, c, q->noack, q->count);
    }
    if (!ok) {
        streamgroup_refuse(x, &g, start);
        return false;
    }
    edit_counts(&g.ed, 1 + g.made);
    edit_commit_aside(&g.ed, EVENT_STREAM, NULL, false);
    return true;
}

/* XREAD and XREADGROUP. */
static enum outcome cmd_xread(struct call *x) {
    size_t start = reply_mark(x->r), mark = 0, n = 0;
    struct streamread q;

    if (!streamread__options_or_reply(x, &q)) return FAILED;
    if (x->again && q.count == 0) q.count = STREAMREAD_WOKEN;
    for (size_t i = 0; i < q.n; i++)
        if (!streamread__check_or_reply(x, &q, i)) return FAILED;
    for (size_t i = 0; i < q.n; i++) {
        if (!q.group) streamread__plain(x, &q, i, &mark, &n);
        else if (!streamread__of_group(x, &q, i, start, &mark, &n))
            return FAILED;
    }
    if (n == 0) return streamread__wait(x, &q);
    streamread__end(x, mark, n);
    return DONE;
}

static const struct command streamread_commands[] = {
    { "xread", cmd_xread, -4, READONLY | BLOCKING | BARRIER | MOVABLE |
      KEYS_STREAMS, 0, 0, 0, GROUP_STREAM, SINCE(5, 0, 0),
      "O(N) for N entries returned",
      "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
      "Returns the entries behind IDs in streams; waits for some." },
    { "xreadgroup", cmd_xread, -7, WRITE | BLOCKING | BARRIER | MOVABLE |
      KEYS_STREAMS, 0, 0, 0, GROUP_STREAM, SINCE(5, 0, 0),
      "O(N) for N entries returned",
      "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] "
      "STREAMS key [key ...] id [id ...]",
      "Reads entries as a consumer of a group; waits for some." },
};
#endif
