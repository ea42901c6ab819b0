/* SPDX-License-Identifier: MIT */
/* ==== streaminfo - XINFO ===================================================
 *
 * floor 6 - uses: base ids readers stream entry reply instance arg help
 *    streams streamgroup
 */
#if !defined(KVNS_NO_STREAMS)
static void streaminfo__name(struct reply *r, const char *name) {
    reply_bulk(r, str_c(name));
}

static void streaminfo__int(struct reply *r, const char *name, uint64_t n) {
    streaminfo__name(r, name);
    reply_int(r, (int64_t)n);
}

static void streaminfo__id(struct reply *r, const char *name,
                           struct stream_id id) {
    streaminfo__name(r, name);
    streams_reply_id(r, id);
}

/* The stream at argv[2].  NULL: answered. */
static const struct stream *streaminfo__open_or_reply(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 2, KIND_STREAM, &e)) return NULL;
    if (e != NULL) return streams_of(e);
    reply_err(x, ERR_NO_KEY);
    return NULL;
}

/* How many entries a group has read, and how many it has still to read. */
static void streaminfo__lag(struct reply *r, const struct stream *s,
                            const struct readers_group *g) {
    int64_t read = g->read;

    streaminfo__name(r, "entries-read");
    if (read == READERS_UNKNOWN) reply_null(r);
    else reply_int(r, read);
    streaminfo__name(r, "lag");
    if (s->added == 0) {
        reply_int(r, 0);
        return;
    }
    if (read == READERS_UNKNOWN || stream_has_holes(s, g->last))
        read = stream_rank(s, g->last);
    if (read == READERS_UNKNOWN) reply_null(r);
    else reply_int(r, (int64_t)(s->added - (uint64_t)read));
}

/* Answer pending entries, `count` at most: a consumer's (c not NULL) have no
 * name each. */
static void streaminfo__pending(struct reply *r,
                                const struct readers_group *g,
                                const struct readers_consumer *c,
                                uint64_t count) {
    struct ids_at at = ids_first(c != NULL ? &c->pending : &g->pending);
    size_t mark = reply_array_later(r), n = 0;

    for (; at.leaf != NULL && (count == 0 || n < count) && !r->failed;
         ids_next(&at), n++) {
        const struct readers_pending *p;
        struct stream_id id;

        memcpy(&id, ids_item(at), sizeof id);
        p = readers_pending(g, id);
        reply_array(r, c != NULL ? 3 : 4);
        streams_reply_id(r, id);
        if (c == NULL) reply_bulk(r, readers_name(p->who));
        reply_int(r, p->at);
        reply_int(r, (int64_t)p->times);
    }
    reply_array_set(r, mark, n);
}

static void streaminfo__group(struct reply *r, const struct stream *s,
                              const struct readers_group *g, uint64_t count) {
    reply_map(r, 7);
    streaminfo__name(r, "name");
    reply_bulk(r, readers_group_name(g));
    streaminfo__id(r, "last-delivered-id", g->last);
    streaminfo__lag(r, s, g);
    streaminfo__int(r, "pel-count", g->pending.count);
    streaminfo__name(r, "pending");
    streaminfo__pending(r, g, NULL, count);
    streaminfo__name(r, "consumers");
    reply_array(r, g->n);
    for (uint32_t i = 0; i < g->n && !r->failed; i++) {
        const struct readers_consumer *c = g->who[i];

        reply_map(r, 4);
        streaminfo__name(r, "name");
        reply_bulk(r, readers_name(c));
        streaminfo__int(r, "seen-time", (uint64_t)c->seen);
        streaminfo__int(r, "pel-count", c->pending.count);
        streaminfo__name(r, "pending");
        streaminfo__pending(r, g, c, count);
    }
}

/* The first or the last entry, or null. */
static void streaminfo__edge(struct reply *r, const struct stream *s,
                             bool last) {
    struct stream_walk w;

    stream_walk(s, (struct stream_id){ 0, 0 }, stream_id_max, last, &w);
    if (stream_next(&w)) streams_reply_entry(r, &w);
    else reply_null(r);
}

static enum outcome cmd_xinfo_stream(struct call *x) {
    const struct stream *s = streaminfo__open_or_reply(x);
    struct reply *r = x->r;
    int64_t count = 10;

    if (s == NULL) return FAILED;
    if (x->argc > 3) {
        if ((x->argc != 4 && x->argc != 6) || !str_is(x->argv[3], "full") ||
            (x->argc == 6 && !str_is(x->argv[4], "count")))
            return reply_subcommand(x);
        if (x->argc == 6 && !arg_int_or_reply(x, 5, &count)) return FAILED;
        if (count < 0) count = 10;
    }
    reply_map(r, x->argc > 3 ? 9 : 10);
    streaminfo__int(r, "length", s->len);
    streaminfo__int(r, "radix-tree-keys", s->nodes.count);
    streaminfo__int(r, "radix-tree-nodes", stream_radix_nodes(s));
    streaminfo__id(r, "last-generated-id", s->last);
    streaminfo__id(r, "max-deleted-entry-id", s->deleted);
    streaminfo__int(r, "entries-added", s->added);
    streaminfo__id(r, "recorded-first-entry-id", s->first);
    if (x->argc == 3) {
        streaminfo__int(r, "groups", s->groups.n);
        streaminfo__name(r, "first-entry");
        streaminfo__edge(r, s, false);
        streaminfo__name(r, "last-entry");
        streaminfo__edge(r, s, true);
        return DONE;
    }
    streaminfo__name(r, "entries");
    streams_reply_range(r, s, (struct stream_id){ 0, 0 }, stream_id_max,
                        false, (uint64_t)count);
    streaminfo__name(r, "groups");
    reply_array(r, s->groups.n);
    for (uint32_t i = 0; i < s->groups.n && !r->failed; i++)
        streaminfo__group(r, s, s->groups.v[i], (uint64_t)count);
    return DONE;
}

static enum outcome cmd_xinfo_groups(struct call *x) {
    const struct stream *s = streaminfo__open_or_reply(x);
    struct reply *r = x->r;

    if (s == NULL) return FAILED;
    reply_array(r, s->groups.n);
    for (uint32_t i = 0; i < s->groups.n && !r->failed; i++) {
        const struct readers_group *g = s->groups.v[i];

        reply_map(r, 6);
        streaminfo__name(r, "name");
        reply_bulk(r, readers_group_name(g));
        streaminfo__int(r, "consumers", g->n);
        streaminfo__int(r, "pending", g->pending.count);
        streaminfo__id(r, "last-delivered-id", g->last);
        streaminfo__lag(r, s, g);
    }
    return DONE;
}

static enum outcome cmd_xinfo_consumers(struct call *x) {
    const struct stream *s = streaminfo__open_or_reply(x);
    const struct readers_group *g;
    struct reply *r = x->r;

    if (s == NULL) return FAILED;
    g = readers_group(&s->groups, x->argv[3]);
    if (g == NULL) return streamgroup_not_there(x, x->argv[2], x->argv[3]);
    reply_array(r, g->n);
    for (uint32_t i = 0; i < g->n && !r->failed; i++) {
        int64_t idle = streamgroup_since(x->w.now, g->who[i]->seen);

        reply_map(r, 3);
        streaminfo__name(r, "name");
        reply_bulk(r, readers_name(g->who[i]));
        streaminfo__int(r, "pending", g->who[i]->pending.count);
        streaminfo__int(r, "idle", idle < 0 ? 0 : (uint64_t)idle);
    }
    return DONE;
}

static const struct command streaminfo_commands[] = {
    { "xinfo", NULL, -2, CONTAINER, 0, 0, 0, GROUP_STREAM, SINCE(5, 0, 0),
      "Depends on the subcommand", "", "What is known of a stream." },
    { "xinfo|consumers", cmd_xinfo_consumers, 4, READONLY, 2, 2, 1,
      GROUP_STREAM, SINCE(5, 0, 0), "O(N) for N consumers", "key groupname",
      "Returns the consumers of a group." },
    { "xinfo|groups", cmd_xinfo_groups, 3, READONLY, 2, 2, 1, GROUP_STREAM,
      SINCE(5, 0, 0), "O(N) for N groups", "key",
      "Returns the groups of a stream." },
    { "xinfo|help", cmd_help, 2, LOADING | STALE, 0, 0, 0, GROUP_STREAM,
      SINCE(5, 0, 0), "O(1)", "", "Tells of the subcommands." },
    { "xinfo|stream", cmd_xinfo_stream, -3, READONLY, 2, 2, 1, GROUP_STREAM,
      SINCE(5, 0, 0), "O(N) for N nodes of entries", "key [FULL [COUNT count]]",
      "Returns what is known of a stream." },
};
#endif
