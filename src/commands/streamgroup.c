/* SPDX-License-Identifier: MIT */
/* ==== streamgroup - commands on groups of readers ==========================
 *
 * What readers do is no change for WATCH, as in Redis: these commands commit
 * aside.  Where a snapshot has frozen what is to be changed and there is no
 * memory for a copy, a command may stop half way; what it did so far stays.
 *
 * floor 6 - uses: base arena num buf ids readers stream entry shard door
 *    reply instance arg help streams
 */
#if !defined(KVNS_NO_STREAMS)

/* A group of an open stream. */
struct streamgroup {
    struct edit ed;
    struct stream *s;
    struct readers_group *g;
    uint64_t made;              /* consumers, by the command */
};

static inline struct mem *streamgroup_mem(const struct streamgroup *x) {
    return &x->ed.ref.shard->mem;
}

/* The group has read up to an ID: its last, or as was asked for. */
static inline void streamgroup_reaches(struct streamgroup *x,
                                       struct stream_id last, int64_t read) {
    readers_group_keep(&x->s->groups, streamgroup_mem(x), x->g);
    x->g->last = last;
    x->g->read = read;
}

/* Take an entry off the pending ones.  False: no memory. */
static inline bool streamgroup_settle(struct streamgroup *x,
                                      struct stream_id id, bool *found) {
    return readers_settle(&x->s->groups, x->g, streamgroup_mem(x), &x->s->held,
                          id, found);
}

/* Give an entry to a consumer.  False: no memory. */
static inline bool streamgroup_give(struct streamgroup *x, struct stream_id id,
                                    struct readers_consumer *c, int64_t at,
                                    uint64_t times) {
    return readers_give(&x->s->groups, x->g, streamgroup_mem(x), &x->s->held,
                        id, c, at, times);
}

/* Open the key at argv[1], which must be a stream if it is there, and find the
 * group of argv[2]: both NULL if there is none.  False: answered. */
static bool streamgroup__open_or_reply(struct call *x,
                                       struct streamgroup *g) {
    g->s = NULL;
    g->g = NULL;
    g->made = 0;
    edit_open(&x->w, x->argv[1], &g->ed);
    edit_noted(&g->ed);
    if (!kind_or_reply(x, g->ed.e, KIND_STREAM)) {
        edit_cancel(&g->ed);
        return false;
    }
    if (g->ed.e == NULL) return true;
    g->s = streams_of(g->ed.e);
    g->g = readers_group(&g->s->groups, x->argv[2]);
    return true;
}

/* Answer that there is no such group; `where` follows. */
static COLD enum outcome streamgroup_none(struct call *x, struct str key,
                                          struct str group,
                                          const char *where) {
    reply_errorf(x->r, "NOGROUP No such key '%.*s' or consumer group '%.*s'%s",
                 (int)size_min(key.n, 1 << 20), key.p,
                 (int)size_min(group.n, 1 << 20), group.p, where);
    return FAILED;
}

/* The same, where it is known that the key is there. */
static COLD enum outcome streamgroup_not_there(struct call *x, struct str key,
                                               struct str group) {
    reply_errorf(x->r, "NOGROUP No such consumer group '%.*s' for key name "
                       "'%.*s'", (int)size_min(group.n, 1 << 20), group.p,
                 (int)size_min(key.n, 1 << 20), key.p);
    return FAILED;
}

/* The consumer of a name, seen now; made if there is none.  As in Redis 7.0
 * only when there is something for it.  NULL: no memory. */
static struct readers_consumer *streamgroup_consumer(struct call *x,
                                                     struct streamgroup *g,
                                                     struct str name) {
    struct readers_consumer *c = readers_consumer(g->g, name);

    if (c != NULL) {
        readers_keep(&g->s->groups, streamgroup_mem(g), g->g, c);
        c->seen = x->w.now;
        return c;
    }
    c = readers_consumer_make(&g->s->groups, g->g, streamgroup_mem(g),
                              &g->s->held, name, x->w.now);
    if (c == NULL) return NULL;
    g->made++;
    edit_tell(&g->ed, EVENT_STREAM, "xgroup-createconsumer");
    return c;
}

/* ---- XGROUP -------------------------------------------------------------- */

/* The options behind the ID of CREATE (make not NULL) and SETID. */
static bool streamgroup__options_or_reply(struct call *x, bool *make,
                                          int64_t *read) {
    for (size_t i = 5; i < x->argc; i++) {
        if (make != NULL && str_is(x->argv[i], "mkstream")) {
            *make = true;
        } else if (str_is(x->argv[i], "entriesread") && i + 1 < x->argc) {
            if (!arg_int_or_reply(x, ++i, read)) return false;
            if (*read >= READERS_UNKNOWN) continue;
            reply_error(x->r, "ERR value for ENTRIESREAD must be positive or "
                              "-1");
            return false;
        } else {
            reply_subcommand(x);
            return false;
        }
    }
    return true;
}

/* Open the stream at argv[2] and find the group of argv[3].  False: answered,
 * also when there is no key and it is not to be made. */
static bool streamgroup__find_or_reply(struct call *x, bool make,
                                       bool must_be, struct streamgroup *g) {
    g->s = NULL;
    g->g = NULL;
    if (!arg_open_or_reply(x, 2, KIND_STREAM, &g->ed)) return false;
    if (g->ed.e != NULL) {
        g->s = streams_of(g->ed.e);
        g->g = readers_group(&g->s->groups, x->argv[3]);
    } else if (!make) {
        edit_cancel(&g->ed);
        reply_error(x->r, "ERR The XGROUP subcommand requires the key to "
                          "exist. Note that for CREATE you may want to use "
                          "the MKSTREAM option to create an empty stream "
                          "automatically.");
        return false;
    }
    if (g->g != NULL || !must_be) return true;
    edit_cancel(&g->ed);
    streamgroup_not_there(x, x->argv[2], x->argv[3]);
    return false;
}

/* The ID at argv[4], "$" for the last of the stream, which may be NULL. */
static bool streamgroup__id_or_reply(struct call *x, const struct stream *s,
                                     bool strict, struct stream_id *id) {
    if (x->argv[4].n == 1 && x->argv[4].p[0] == '$') {
        *id = s == NULL ? (struct stream_id){ 0, 0 } : s->last;
        return true;
    }
    return streams_id_or_reply(x, 4, 0, strict, id, NULL);
}

static enum outcome cmd_xgroup_create(struct call *x) {
    int64_t read = READERS_UNKNOWN;
    struct streamgroup g;
    struct stream_id id;
    bool make = false, made;

    if (!streamgroup__options_or_reply(x, &make, &read)) return FAILED;
    if (!streamgroup__find_or_reply(x, make, false, &g)) return FAILED;
    if (x->argc > 8 || !streamgroup__id_or_reply(x, g.s, true, &id)) {
        if (x->argc > 8) reply_subcommand(x);
        edit_cancel(&g.ed);
        return FAILED;
    }
    if (g.g != NULL) {
        edit_cancel(&g.ed);
        reply_error(x->r, "BUSYGROUP Consumer Group name already exists");
        return FAILED;
    }
    made = g.s == NULL;
    if (made && !streams_make(&g.ed)) {
        edit_commit(&g.ed, EVENT_STREAM, NULL);
        return reply_err(x, ERR_MEMORY);
    }
    g.s = streams_of(g.ed.e);
    g.g = readers_group_make(&g.s->groups, streamgroup_mem(&g), &g.s->held,
                             x->argv[3], id, read);
    if (g.g == NULL) {
        if (made) edit_drop(&g.ed);
        edit_commit(&g.ed, EVENT_STREAM, NULL);
        return reply_err(x, ERR_MEMORY);
    }
    if (made) edit_commit(&g.ed, EVENT_STREAM, "xgroup-create");
    else edit_commit_aside(&g.ed, EVENT_STREAM, "xgroup-create", false);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_xgroup_setid(struct call *x) {
    int64_t read = READERS_UNKNOWN;
    struct streamgroup g;
    struct stream_id id;

    if (!streamgroup__options_or_reply(x, NULL, &read)) return FAILED;
    if (!streamgroup__find_or_reply(x, false, true, &g)) return FAILED;
    if ((x->argc != 5 && x->argc != 7) ||
        !streamgroup__id_or_reply(x, g.s, false, &id)) {
        if (x->argc != 5 && x->argc != 7) reply_subcommand(x);
        edit_cancel(&g.ed);
        return FAILED;
    }
    streamgroup_reaches(&g, id, read);
    edit_commit_aside(&g.ed, EVENT_STREAM, "xgroup-setid", false);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_xgroup_destroy(struct call *x) {
    struct streamgroup g;

    if (!streamgroup__find_or_reply(x, false, false, &g)) return FAILED;
    reply_int(x->r, g.g != NULL);
    if (g.g == NULL) {
        edit_cancel(&g.ed);
        return DONE;
    }
    readers_group_drop(&g.s->groups, streamgroup_mem(&g), &g.s->held, g.g);
    edit_commit_aside(&g.ed, EVENT_STREAM, "xgroup-destroy", true);
    return DONE;
}

static enum outcome cmd_xgroup_createconsumer(struct call *x) {
    struct readers_consumer *c;
    struct streamgroup g;

    if (!streamgroup__find_or_reply(x, false, true, &g)) return FAILED;
    if (readers_consumer(g.g, x->argv[4]) != NULL) {
        edit_cancel(&g.ed);
        reply_int(x->r, 0);
        return DONE;
    }
    c = readers_consumer_make(&g.s->groups, g.g, streamgroup_mem(&g),
                              &g.s->held, x->argv[4], x->w.now);
    edit_commit_aside(&g.ed, EVENT_STREAM,
                      c == NULL ? NULL : "xgroup-createconsumer", false);
    if (c == NULL) return reply_err(x, ERR_MEMORY);
    reply_int(x->r, 1);
    return DONE;
}

static enum outcome cmd_xgroup_delconsumer(struct call *x) {
    struct readers_consumer *c;
    struct streamgroup g;
    size_t pending;
    bool ok;

    if (!streamgroup__find_or_reply(x, false, true, &g)) return FAILED;
    c = readers_consumer(g.g, x->argv[4]);
    if (c == NULL) {
        edit_cancel(&g.ed);
        reply_int(x->r, 0);
        return DONE;
    }
    pending = c->pending.count;
    ok = readers_consumer_drop(&g.s->groups, g.g, streamgroup_mem(&g),
                               &g.s->held, c);
    edit_commit_aside(&g.ed, EVENT_STREAM, ok ? "xgroup-delconsumer" : NULL,
                      false);
    if (!ok) return reply_err(x, ERR_MEMORY);
    reply_int(x->r, (int64_t)pending);
    return DONE;
}

/* ---- XACK ---------------------------------------------------------------- */

static enum outcome cmd_xack(struct call *x) {
    struct streamgroup g;
    struct stream_id id;
    int64_t n = 0;
    bool ok = true, found;

    if (!streamgroup__open_or_reply(x, &g)) return FAILED;
    for (size_t i = 3; ok && g.g != NULL && i < x->argc; i++)
        ok = streams_id_or_reply(x, i, 0, true, &id, NULL);
    if (!ok || g.g == NULL) {
        edit_cancel(&g.ed);
        if (ok) reply_int(x->r, 0);
        return ok ? DONE : FAILED;
    }
    for (size_t i = 3; ok && i < x->argc; i++) {
        streams_parse_id(x->argv[i], 0, true, &id, NULL);
        ok = streamgroup_settle(&g, id, &found);
        if (ok) n += found;
    }
    if (n > 0) edit_counts(&g.ed, (uint64_t)n);
    if (n > 0 || !ok) edit_commit_aside(&g.ed, EVENT_STREAM, NULL, false);
    else edit_cancel(&g.ed);
    if (!ok) return reply_err(x, ERR_MEMORY);
    reply_int(x->r, n);
    return DONE;
}

/* ---- XPENDING ------------------------------------------------------------ */

/* How many ms have gone by; for a time that is still to come less than 0. */
static inline int64_t streamgroup_since(int64_t now, int64_t then) {
    return (int64_t)((uint64_t)now - (uint64_t)then);
}

/* What is asked of XPENDING in its long form. */
struct streamgroup__query {
    int64_t idle, count;
    struct stream_id from, to;
    size_t consumer;            /* argument with its name; 0: all */
};

static bool streamgroup__query_or_reply(struct call *x,
                                        struct streamgroup__query *q) {
    size_t i = 3;

    memset(q, 0, sizeof *q);
    if (str_is(x->argv[3], "idle")) {
        if (!arg_int_or_reply(x, 4, &q->idle)) return false;
        if (x->argc < 8) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        i = 5;
    }
    if (!arg_int_or_reply(x, i + 2, &q->count)) return false;
    if (!streams_bound_or_reply(x, i, true, &q->from)) return false;
    if (!streams_bound_or_reply(x, i + 1, false, &q->to)) return false;
    if (i + 3 < x->argc) q->consumer = i + 3;
    return true;
}

/* Answer how much is pending: the count, the ends, how much with whom. */
static void streamgroup__summary(struct reply *r,
                                 const struct readers_group *g) {
    struct stream_id id;
    size_t mark, n = 0;

    reply_array(r, 4);
    reply_int(r, (int64_t)g->pending.count);
    if (g->pending.count == 0) {
        reply_null(r);
        reply_null(r);
        reply_null_array(r);
        return;
    }
    memcpy(&id, ids_item(ids_first(&g->pending)), sizeof id);
    streams_reply_id(r, id);
    memcpy(&id, ids_item(ids_last(&g->pending)), sizeof id);
    streams_reply_id(r, id);
    mark = reply_array_later(r);
    for (uint32_t i = 0; i < g->n; i++) {
        if (g->who[i]->pending.count == 0) continue;
        reply_array(r, 2);
        reply_bulk(r, readers_name(g->who[i]));
        reply_bulk_int(r, (int64_t)g->who[i]->pending.count);
        n++;
    }
    reply_array_set(r, mark, n);
}

/* Answer the pending entries that are asked for. */
static void streamgroup__list(struct call *x, const struct readers_group *g,
                              const struct readers_consumer *c,
                              const struct streamgroup__query *q) {
    struct ids_at at = ids_seek(c != NULL ? &c->pending : &g->pending,
                                q->from);
    size_t mark = reply_array_later(x->r), n = 0;

    for (; at.leaf != NULL && (int64_t)n < q->count && !x->r->failed;
         ids_next(&at)) {
        const struct readers_pending *p;
        struct stream_id id;
        int64_t idle;

        memcpy(&id, ids_item(at), sizeof id);
        if (stream_id_cmp(id, q->to) > 0) break;
        p = c == NULL ? ids_item(at) : readers_pending(g, id);
        idle = streamgroup_since(x->w.now, p->at);
        if (q->idle != 0 && idle < q->idle) continue;
        reply_array(x->r, 4);
        streams_reply_id(x->r, id);
        reply_bulk(x->r, readers_name(p->who));
        reply_int(x->r, idle < 0 ? 0 : idle);
        reply_int(x->r, (int64_t)p->times);
        n++;
    }
    reply_array_set(x->r, mark, n);
}

static enum outcome cmd_xpending(struct call *x) {
    const struct readers_consumer *c = NULL;
    const struct readers_group *g = NULL;
    struct streamgroup__query q = { .consumer = 0 };
    const struct entry *e;

    if (x->argc != 3 && (x->argc < 6 || x->argc > 9))
        return reply_err(x, ERR_SYNTAX);
    if (x->argc > 3 && !streamgroup__query_or_reply(x, &q)) return FAILED;
    if (!arg_read_or_reply(x, 1, KIND_STREAM, &e)) return FAILED;
    if (e != NULL) g = readers_group(&streams_of(e)->groups, x->argv[2]);
    if (g == NULL) return streamgroup_none(x, x->argv[1], x->argv[2], "");
    if (x->argc == 3) {
        streamgroup__summary(x->r, g);
        return DONE;
    }
    if (q.consumer != 0) c = readers_consumer(g, x->argv[q.consumer]);
    if (q.consumer != 0 && c == NULL) reply_array(x->r, 0);
    else streamgroup__list(x, g, c, &q);
    return DONE;
}

/* ---- XCLAIM -------------------------------------------------------------- */

struct streamgroup__claim {
    int64_t idle;               /* at least so long, ms */
    int64_t at;                 /* delivered then; -1: now */
    int64_t times;              /* delivered so often; -1: once more */
    bool force, just_id;
    struct stream_id last;      /* the group has read so far at least */
    size_t ids_end;             /* IDs are the arguments from 5 up to here */
};

/* An integer argument, or an answer of its own. */
static bool streamgroup__int_or_reply(struct call *x, size_t i, int64_t *out,
                                      const char *why) {
    if (num_parse_int(x->argv[i], out)) return true;
    reply_error(x->r, why);
    return false;
}

/* One option of XCLAIM at *i, which is its last argument then. */
static bool streamgroup__claim_option(struct call *x, size_t *i,
                                      struct streamgroup__claim *c) {
    struct str s = x->argv[*i];
    bool more = *i + 1 < x->argc;

    if (str_is(s, "force")) return c->force = true;
    if (str_is(s, "justid")) return c->just_id = true;
    if (more && str_is(s, "idle")) {
        if (!streamgroup__int_or_reply(x, ++*i, &c->at, "ERR Invalid IDLE "
                                       "option argument for XCLAIM"))
            return false;
        c->at = streamgroup_since(x->w.now, c->at);
        return true;
    }
    if (more && str_is(s, "time"))
        return streamgroup__int_or_reply(x, ++*i, &c->at, "ERR Invalid TIME "
                                         "option argument for XCLAIM");
    if (more && str_is(s, "retrycount"))
        return streamgroup__int_or_reply(x, ++*i, &c->times, "ERR Invalid "
                                         "RETRYCOUNT option argument for "
                                         "XCLAIM");
    if (more && str_is(s, "lastid"))
        return streams_id_or_reply(x, ++*i, 0, true, &c->last, NULL);
    reply_errorf(x->r, "ERR Unrecognized XCLAIM option '%.*s'",
                 (int)size_min(s.n, 1 << 20), s.p);
    return false;
}

static bool streamgroup__claim_or_reply(struct call *x,
                                        struct streamgroup__claim *c) {
    struct stream_id id;
    size_t i = 5;

    memset(c, 0, sizeof *c);
    c->at = c->times = -1;
    if (!streamgroup__int_or_reply(x, 4, &c->idle, "ERR Invalid min-idle-time "
                                   "argument for XCLAIM"))
        return false;
    while (i < x->argc && streams_parse_id(x->argv[i], 0, true, &id, NULL))
        i++;
    c->ids_end = i;
    for (; i < x->argc; i++)
        if (!streamgroup__claim_option(x, &i, c)) return false;
    if (c->at == -1 || c->at < 0 || c->at > x->w.now) c->at = x->w.now;
    return true;
}

/* Let a consumer have one entry, if it may, and answer it; *n counts what was
 * answered.  False: no memory. */
static bool streamgroup__claim_one(struct call *x, struct streamgroup *g,
                                   const struct streamgroup__claim *c,
                                   struct stream_id id, size_t *n) {
    const struct readers_pending *p = readers_pending(g->g, id);
    struct readers_consumer *who;
    struct stream_walk w;
    uint64_t times;
    bool found;

    if (!stream_find(g->s, id, &w))
        return streamgroup_settle(g, id, &found);
    if (p == NULL && !c->force) return true;
    if (p != NULL && c->idle > 0 &&
        streamgroup_since(x->w.now, p->at) < c->idle)
        return true;
    times = p == NULL ? 1 : p->times;
    if (c->times >= 0) times = (uint64_t)c->times;
    else if (!c->just_id) times++;
    who = streamgroup_consumer(x, g, x->argv[3]);
    if (who == NULL || !streamgroup_give(g, id, who, c->at, times))
        return false;
    if (c->just_id) streams_reply_id(x->r, id);
    else streams_reply_entry(x->r, &w);
    ++*n;
    return true;
}

/* Give up half way: what was answered so far is taken back. */
static enum outcome streamgroup_refuse(struct call *x, struct streamgroup *g,
                                       size_t mark) {
    edit_commit_aside(&g->ed, EVENT_STREAM, NULL, false);
    reply_cut(x->r, mark);
    return reply_err(x, ERR_MEMORY);
}

static enum outcome cmd_xclaim(struct call *x) {
    struct streamgroup__claim c;
    struct streamgroup g;
    struct stream_id id;
    size_t start = reply_mark(x->r), mark, n = 0;

    if (!streamgroup__open_or_reply(x, &g)) return FAILED;
    if (g.g == NULL || !streamgroup__claim_or_reply(x, &c)) {
        edit_cancel(&g.ed);
        if (g.g != NULL) return FAILED;
        return streamgroup_none(x, x->argv[1], x->argv[2], "");
    }
    if (stream_id_cmp(c.last, g.g->last) > 0)
        streamgroup_reaches(&g, c.last, g.g->read);
    mark = reply_array_later(x->r);
    for (size_t i = 5; i < c.ids_end && !x->r->failed; i++) {
        streams_parse_id(x->argv[i], 0, true, &id, NULL);
        if (!streamgroup__claim_one(x, &g, &c, id, &n))
            return streamgroup_refuse(x, &g, start);
    }
    reply_array_set(x->r, mark, n);
    edit_counts(&g.ed, n + g.made);
    edit_commit_aside(&g.ed, EVENT_STREAM, NULL, false);
    return DONE;
}

/* ---- XAUTOCLAIM ---------------------------------------------------------- */

struct streamgroup__scan {
    int64_t idle, count;
    struct stream_id at;        /* where to look on; 0-0: at the end */
    bool just_id;
    struct buf ids[2];          /* claimed; those that are deleted */
};

static bool streamgroup__scan_or_reply(struct call *x,
                                       struct streamgroup__scan *c) {
    memset(c, 0, sizeof *c);
    c->count = 100;
    if (!streamgroup__int_or_reply(x, 4, &c->idle, "ERR Invalid min-idle-time "
                                   "argument for XAUTOCLAIM"))
        return false;
    if (!streams_bound_or_reply(x, 5, true, &c->at)) return false;
    for (size_t i = 6; i < x->argc; i++) {
        if (str_is(x->argv[i], "count") && i + 1 < x->argc) {
            if (num_parse_int(x->argv[++i], &c->count) && c->count > 0 &&
                c->count <= INT64_MAX / 16)
                continue;
            reply_error(x->r, "ERR COUNT must be > 0");
            return false;
        }
        if (!str_is(x->argv[i], "justid")) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        c->just_id = true;
    }
    return true;
}

/* Claim what has been idle for so long, from c->at on.  False: no memory. */
static bool streamgroup__scan(struct call *x, struct streamgroup *g,
                              struct streamgroup__scan *c) {
    struct ids_at at = ids_seek(&g->g->pending, c->at);
    int64_t attempts = c->count * 10, left = c->count;
    struct readers_consumer *who = NULL;
    struct stream_walk w;

    for (; attempts > 0 && left > 0 && at.leaf != NULL; attempts--) {
        struct readers_pending p;
        bool gone, found;

        memcpy(&p, ids_item(at), sizeof p);
        gone = !stream_find(g->s, p.id, &w);
        if (!gone && c->idle > 0 &&
            streamgroup_since(x->w.now, p.at) < c->idle) {
            ids_next(&at);
            continue;
        }
        if (!gone && who == NULL) {
            who = streamgroup_consumer(x, g, x->argv[3]);
            if (who == NULL) return false;
        }
        if (!buf_put(&c->ids[gone], &p.id, sizeof p.id)) return false;
        if (gone ? !streamgroup_settle(g, p.id, &found) :
                   !streamgroup_give(g, p.id, who, x->w.now,
                                     p.times + !c->just_id))
            return false;
        left--;
        c->at = p.id;
        at.leaf = NULL;
        if (stream_id_next(&c->at)) at = ids_seek(&g->g->pending, c->at);
    }
    c->at = (struct stream_id){ 0, 0 };
    if (at.leaf != NULL) memcpy(&c->at, ids_item(at), sizeof c->at);
    return true;
}

/* Answer the IDs of a buffer, or the entries. */
static void streamgroup__reply_ids(struct reply *r, const struct stream *s,
                                   const struct buf *ids, bool entries) {
    struct stream_walk w;
    struct stream_id id;

    reply_array(r, ids->n / sizeof id);
    for (size_t i = 0; i < ids->n && !r->failed; i += sizeof id) {
        memcpy(&id, ids->p + i, sizeof id);
        if (entries && stream_find(s, id, &w)) streams_reply_entry(r, &w);
        else streams_reply_id(r, id);
    }
}

static enum outcome cmd_xautoclaim(struct call *x) {
    struct streamgroup__scan c;
    struct streamgroup g;
    bool ok;

    if (!streamgroup__scan_or_reply(x, &c)) return FAILED;
    if (!streamgroup__open_or_reply(x, &g)) return FAILED;
    if (g.g == NULL) {
        edit_cancel(&g.ed);
        return streamgroup_none(x, x->argv[1], x->argv[2], "");
    }
    ok = streamgroup__scan(x, &g, &c);
    edit_counts(&g.ed, (c.ids[0].n + c.ids[1].n) / sizeof c.at + g.made);
    edit_commit_aside(&g.ed, EVENT_STREAM, NULL, false);
    if (ok) {
        reply_array(x->r, 3);
        streams_reply_id(x->r, c.at);
        streamgroup__reply_ids(x->r, g.s, &c.ids[0], !c.just_id);
        streamgroup__reply_ids(x->r, g.s, &c.ids[1], false);
    }
    buf_free(&c.ids[0]);
    buf_free(&c.ids[1]);
    return ok ? DONE : reply_err(x, ERR_MEMORY);
}

static const struct command streamgroup_commands[] = {
    { "xack", cmd_xack, -4, WRITE | FAST, 1, 1, 1, GROUP_STREAM, SINCE(5, 0, 0),
      "O(1) for each entry", "key group id [id ...]",
      "Takes entries off the pending ones of a group." },
    { "xautoclaim", cmd_xautoclaim, -6, WRITE | FAST, 1, 1, 1, GROUP_STREAM,
      SINCE(6, 2, 0), "O(1) if COUNT is small",
      "key group consumer min-idle-time start [COUNT count] [JUSTID]",
      "Gives a consumer what has been pending with others for so long." },
    { "xclaim", cmd_xclaim, -6, WRITE | FAST, 1, 1, 1, GROUP_STREAM,
      SINCE(5, 0, 0), "O(log N) for N pending entries",
      "key group consumer min-idle-time id [id ...] [IDLE ms] "
      "[TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] "
      "[LASTID id]",
      "Gives a consumer entries that are pending with others." },
    { "xgroup", NULL, -2, CONTAINER, 0, 0, 0, GROUP_STREAM, SINCE(5, 0, 0),
      "Depends on the subcommand", "", "Groups of readers of a stream." },
    { "xgroup|create", cmd_xgroup_create, -5, WRITE | GROWS, 2, 2, 1,
      GROUP_STREAM, SINCE(5, 0, 0), "O(1)",
      "key groupname <id | $> [MKSTREAM] [ENTRIESREAD entries_read]",
      "Makes a group." },
    { "xgroup|createconsumer", cmd_xgroup_createconsumer, 5, WRITE | GROWS,
      2, 2, 1, GROUP_STREAM, SINCE(6, 2, 0),
      "O(1)", "key groupname consumername",
      "Makes a consumer of a group." },
    { "xgroup|delconsumer", cmd_xgroup_delconsumer, 5, WRITE, 2, 2, 1,
      GROUP_STREAM, SINCE(5, 0, 0), "O(1)", "key groupname consumername",
      "Drops a consumer; returns how much was pending with it." },
    { "xgroup|destroy", cmd_xgroup_destroy, 4, WRITE, 2, 2, 1, GROUP_STREAM,
      SINCE(5, 0, 0), "O(N) for N pending entries", "key groupname",
      "Drops a group." },
    { "xgroup|help", cmd_help, 2, LOADING | STALE, 0, 0, 0, GROUP_STREAM,
      SINCE(5, 0, 0), "O(1)", "", "Tells of the subcommands." },
    { "xgroup|setid", cmd_xgroup_setid, -5, WRITE, 2, 2, 1, GROUP_STREAM,
      SINCE(5, 0, 0), "O(1)",
      "key groupname <id | $> [ENTRIESREAD entries_read]",
      "Sets how far a group has read." },
    { "xpending", cmd_xpending, -3, READONLY, 1, 1, 1, GROUP_STREAM,
      SINCE(5, 0, 0), "O(N) for N entries returned, O(1) without a range",
      "key group [[IDLE min-idle-time] start end count [consumer]]",
      "Returns what is pending in a group." },
};
#endif
