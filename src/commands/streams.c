/* SPDX-License-Identifier: MIT */
/* ==== streams - commands on the entries of streams =========================
 *
 * Also what the commands of groups share: IDs as arguments and as replies,
 * and entries as replies.
 *
 * floor 6 - uses: base arena num pack ids stream entry shard big door reply
 *    instance arg
 */
#if !defined(KVNS_NO_STREAMS)
enum { STREAMS_ID_ROOM = 2 * NUM_UINT_ROOM + 1 };

static inline struct stream *streams_of(const struct entry *e) {
    return &((struct big_stream *)entry_object(e))->s;
}

/* ---- IDs ----------------------------------------------------------------- */

/* A number of an ID, as strtoull takes it: with blanks, a sign and zeros in
 * front. */
static bool streams__number(struct str s, uint64_t *out) {
    bool minus = false;
    uint64_t v = 0;
    int64_t i;

    if (num_parse_uint(s, out)) return true;
    if (num_parse_int(s, &i)) return false;     /* below zero */
    while (s.n > 0 && (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r')))
        s = str_of(s.p + 1, s.n - 1);
    if (s.n > 0 && (s.p[0] == '+' || s.p[0] == '-')) {
        minus = s.p[0] == '-';
        s = str_of(s.p + 1, s.n - 1);
    }
    if (s.n == 0) return false;
    for (size_t k = 0; k < s.n; k++) {
        unsigned d = (unsigned char)s.p[k] - (unsigned)'0';

        if (d > 9 || v > (UINT64_MAX - d) / 10) return false;
        v = v * 10 + d;
    }
    *out = minus ? 0 - v : v;
    return true;
}

/* Read an ID: "ms" with this seq, "ms-seq", if any is not NULL "ms-*" (*any),
 * and unless strict "-" and "+". */
static bool streams_parse_id(struct str s, uint64_t seq, bool strict,
                            struct stream_id *id, bool *any) {
    const char *end = memchr(s.p, '\0', s.n), *dash;
    struct str ms, rest;

    if (any != NULL) *any = false;
    if (s.n > 127) return false;
    if (end != NULL) s.n = (size_t)(end - s.p);
    if (s.n == 1 && (s.p[0] == '-' || s.p[0] == '+')) {
        *id = s.p[0] == '+' ? stream_id_max : (struct stream_id){ 0, 0 };
        return !strict;
    }
    dash = memchr(s.p, '-', s.n);
    ms = dash == NULL ? s : str_of(s.p, (size_t)(dash - s.p));
    if (!streams__number(ms, &id->ms)) return false;
    id->seq = seq;
    if (dash == NULL) return true;
    rest = str_of(dash + 1, s.n - ms.n - 1);
    if (any != NULL && rest.n == 1 && rest.p[0] == '*') {
        *any = true;
        id->seq = 0;
        return true;
    }
    return streams__number(rest, &id->seq);
}

/* Read an ID argument, or answer why not. */
static bool streams_id_or_reply(struct call *x, size_t i, uint64_t seq,
                               bool strict, struct stream_id *id, bool *any) {
    if (streams_parse_id(x->argv[i], seq, strict, id, any)) return true;
    reply_error(x->r, "ERR Invalid stream ID specified as stream command "
                      "argument");
    return false;
}

/* Read an end of a range, "(" before it for an open one, or answer why not. */
static bool streams_bound_or_reply(struct call *x, size_t i, bool start,
                                  struct stream_id *id) {
    struct str s = x->argv[i];
    bool open = s.n > 1 && s.p[0] == '(';

    if (open) s = str_of(s.p + 1, s.n - 1);
    if (!streams_parse_id(s, start ? 0 : UINT64_MAX, open, id, NULL)) {
        reply_error(x->r, "ERR Invalid stream ID specified as stream command "
                          "argument");
        return false;
    }
    if (!open) return true;
    if (start ? stream_id_next(id) : stream_id_prev(id)) return true;
    reply_error(x->r, start ? "ERR invalid start ID for the interval" :
                              "ERR invalid end ID for the interval");
    return false;
}

/* Answer an ID. */
static void streams_reply_id(struct reply *r, struct stream_id id) {
    char text[STREAMS_ID_ROOM];
    size_t n = num_put_uint(text, id.ms);

    text[n++] = '-';
    n += num_put_uint(text + n, id.seq);
    reply_bulk(r, str_of(text, n));
}

/* ---- entries as replies -------------------------------------------------- */

static inline void streams__reply_item(struct reply *r,
                                      const struct pack_item *it) {
    if (it->is_int) reply_bulk_int(r, it->i);
    else reply_bulk(r, it->s);
}

/* Answer the entry at hand: its ID, its fields and values. */
static void streams_reply_entry(struct reply *r, struct stream_walk *w) {
    struct pack_item field, value;

    reply_array(r, 2);
    streams_reply_id(r, w->id);
    reply_array(r, 2 * w->pairs);
    for (uint64_t i = 0; i < w->pairs && !r->failed; i++) {
        stream_field(w, &field, &value);
        streams__reply_item(r, &field);
        streams__reply_item(r, &value);
    }
}

/* Answer an array of up to `count` entries of a range, 0 for all. */
static void streams_reply_range(struct reply *r, const struct stream *s,
                               struct stream_id from, struct stream_id to,
                               bool back, uint64_t count) {
    size_t mark = reply_array_later(r);
    struct stream_walk w;
    uint64_t n = 0;

    stream_walk(s, from, to, back, &w);
    while ((count == 0 || n < count) && !r->failed && stream_next(&w)) {
        streams_reply_entry(r, &w);
        n++;
    }
    reply_array_set(r, mark, (size_t)n);
}

/* ---- XADD, XTRIM --------------------------------------------------------- */

struct streams__options {
    bool trims, no_make;
    bool id_given, any_seq;     /* any_seq: "ms-*" */
    struct stream_id id;
    struct stream_trim trim;
};

/* "~" or "=" at i: then *i is behind it. */
static bool streams__roughly(const struct call *x, size_t *i) {
    struct str s = x->argv[*i];

    if (x->argc - *i < 2 || s.n != 1 || (s.p[0] != '~' && s.p[0] != '='))
        return false;
    ++*i;
    return s.p[0] == '~';
}

/* MAXLEN or MINID at *i, which is its last argument then. */
static bool streams__strategy_or_reply(struct call *x, size_t *i, bool by_id,
                                      struct streams__options *o) {
    int64_t n;

    if (o->trims) {
        reply_error(x->r, "ERR syntax error, MAXLEN and MINID options at the "
                          "same time are not compatible");
        return false;
    }
    ++*i;
    o->trim.roughly = streams__roughly(x, i);
    o->trims = true;
    o->trim.by_id = by_id;
    if (by_id)
        return streams_id_or_reply(x, *i, 0, true, &o->trim.min, NULL);
    if (!arg_int_or_reply(x, *i, &n)) return false;
    if (n < 0) {
        reply_error(x->r, "ERR The MAXLEN argument must be >= 0.");
        return false;
    }
    o->trim.most = (uint64_t)n;
    return true;
}

/* Do the options of trimming go together?  Sets the limit where none is
 * given. */
static bool streams__trim_or_reply(struct call *x, bool add, bool limited,
                                  struct streams__options *o) {
    const char *why = NULL;
    uint64_t limit = 100 * (uint64_t)x->w.ks->opt.stream_entries;

    if (o->trim.limit != 0 && !o->trims)
        why = "ERR syntax error, LIMIT cannot be used without specifying a "
              "trimming strategy";
    else if (!add && !o->trims)
        why = "ERR syntax error, XTRIM must be called with a trimming "
              "strategy";
    else if (limited && !o->trim.roughly)
        why = "ERR syntax error, LIMIT cannot be used without the special ~ "
              "option";
    if (why != NULL) {
        reply_error(x->r, why);
        return false;
    }
    if (limited || !o->trim.roughly) return true;
    o->trim.limit = limit == 0 ? 10000 : limit > 1000000 ? 1000000 : limit;
    return true;
}

/* Read what stands before the ID of XADD, and the ID, or all of XTRIM's: *i is
 * where the fields begin. */
static bool streams__options_or_reply(struct call *x, bool add, size_t *i,
                                     struct streams__options *o) {
    bool limited = false;
    int64_t n;

    memset(o, 0, sizeof *o);
    for (*i = 2; *i < x->argc; ++*i) {
        struct str s = x->argv[*i];
        bool more = *i + 1 < x->argc;

        if (add && s.n == 1 && s.p[0] == '*') break;
        if (more && (str_is(s, "maxlen") || str_is(s, "minid"))) {
            if (!streams__strategy_or_reply(x, i, str_is(s, "minid"), o))
                return false;
        } else if (more && str_is(s, "limit")) {
            if (!arg_int_or_reply(x, ++*i, &n)) return false;
            if (n < 0) {
                reply_error(x->r, "ERR The LIMIT argument must be >= 0.");
                return false;
            }
            limited = true;
            o->trim.limit = (uint64_t)n;
        } else if (add && str_is(s, "nomkstream")) {
            o->no_make = true;
        } else if (add) {
            if (!streams_id_or_reply(x, *i, 0, true, &o->id, &o->any_seq))
                return false;
            o->id_given = true;
            break;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    ++*i;
    return streams__trim_or_reply(x, add, limited, o);
}

/* Make an empty stream the value of a key that is not there.  False: no
 * memory, nothing changed. */
static bool streams_make(struct edit *ed) {
    struct mem *m = &ed->ref.shard->mem;
    struct big *b = big_try(m, SHAPE_STREAM, 0, 0);
    size_t budget = SIZE_MAX;

    if (b == NULL) return false;
    if (!edit_make(ed, SHAPE_STREAM, ENTRY_PTR, 0)) {
        big_free_step(m, b, &budget);
        return false;
    }
    entry_set_object(ed->e, b);
    return true;
}

/* The ID of the next entry, or the error that says why there is none. */
static const char *streams__next_id(const struct call *x,
                                   const struct streams__options *o,
                                   struct stream_id last,
                                   struct stream_id *id) {
    if (stream_id_cmp(last, stream_id_max) == 0)
        return "ERR The stream has exhausted the last possible ID, unable to "
               "add more items";
    *id = o->id;
    if (!o->id_given) {
        *id = (struct stream_id){ (uint64_t)x->w.now, 0 };
        if (id->ms <= last.ms) {
            *id = last;
            stream_id_next(id);
        }
    } else if (o->any_seq && id->ms == last.ms) {
        *id = last;
        if (id->seq == UINT64_MAX)
            return "ERR Elements are too large to be stored";
        id->seq++;
    }
    if (stream_id_cmp(*id, last) <= 0)
        return "ERR The ID specified in XADD is equal or smaller than the "
               "target stream top item";
    return NULL;
}

/* Add the entry to an open stream, which may have to be made, and trim it. */
static enum outcome streams__add(struct call *x, struct edit *ed, size_t first,
                                const struct streams__options *o) {
    const struct keyspace_options *opt = &x->w.ks->opt;
    struct mem *m = &ed->ref.shard->mem;
    struct stream_id id, none = { 0, 0 };
    bool made = ed->e == NULL;
    size_t bytes = 0;
    const char *why;
    uint64_t gone;

    why = streams__next_id(x, o, made ? none : streams_of(ed->e)->last, &id);
    for (size_t i = first; i < x->argc; i++) bytes += x->argv[i].n;
    if (why == NULL && bytes > STREAM_MOST)
        why = "ERR Elements are too large to be stored";
    if (why != NULL) {
        edit_cancel(ed);
        reply_error(x->r, why);
        return FAILED;
    }
    if (made && !streams_make(ed)) {
        edit_commit(ed, EVENT_STREAM, NULL);
        return reply_err(x, ERR_MEMORY);
    }
    if (!stream_add(streams_of(ed->e), m, id, x->argv + first,
                    (x->argc - first) / 2, opt->stream_bytes,
                    opt->stream_entries)) {
        if (made) edit_drop(ed);
        edit_commit(ed, EVENT_STREAM, NULL);
        return reply_err(x, ERR_MEMORY);
    }
    edit_tell(ed, EVENT_STREAM, "xadd");
    if (o->trims) {
        /* what is refused now may be trimmed the next time */
        stream_trim(streams_of(ed->e), m, &o->trim, &gone);
        if (gone > 0) edit_tell(ed, EVENT_STREAM, "xtrim");
    }
    streams_reply_id(x->r, id);
    edit_commit(ed, EVENT_STREAM, NULL);
    return DONE;
}

static enum outcome cmd_xadd(struct call *x) {
    struct streams__options o;
    struct edit ed;
    size_t first;

    if (!streams__options_or_reply(x, true, &first, &o)) return FAILED;
    if (first + 2 > x->argc || (x->argc - first) % 2 == 1)
        return reply_arity(x);
    if (o.id_given && !o.any_seq && stream_id_is_zero(o.id)) {
        reply_error(x->r, "ERR The ID specified in XADD must be greater than "
                          "0-0");
        return FAILED;
    }
    if (!arg_open_or_reply(x, 1, KIND_STREAM, &ed)) return FAILED;
    if (ed.e == NULL && o.no_make) {
        edit_cancel(&ed);
        reply_null(x->r);
        return DONE;
    }
    return streams__add(x, &ed, first, &o);
}

static enum outcome cmd_xtrim(struct call *x) {
    struct streams__options o;
    struct edit ed;
    uint64_t gone = 0;
    size_t end;
    bool ok;

    if (!streams__options_or_reply(x, false, &end, &o)) return FAILED;
    if (!arg_open_or_reply(x, 1, KIND_STREAM, &ed)) return FAILED;
    if (ed.e == NULL) {
        edit_cancel(&ed);
        reply_int(x->r, 0);
        return DONE;
    }
    ok = stream_trim(streams_of(ed.e), &ed.ref.shard->mem, &o.trim, &gone);
    if (gone > 0) {
        edit_counts(&ed, gone);
        edit_commit(&ed, EVENT_STREAM, "xtrim");
    } else {
        edit_cancel(&ed);
    }
    if (!ok) return reply_err(x, ERR_MEMORY);
    reply_int(x->r, (int64_t)gone);
    return DONE;
}

/* ---- reading, deleting --------------------------------------------------- */

static enum outcome cmd_xlen(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_STREAM, &e)) return FAILED;
    reply_int(x->r, e == NULL ? 0 : (int64_t)streams_of(e)->len);
    return DONE;
}

/* XRANGE and XREVRANGE: the arguments of the ends change places. */
static enum outcome streams__range(struct call *x, bool back) {
    struct stream_id from, to;
    const struct entry *e;
    int64_t count = -1;

    if (!streams_bound_or_reply(x, back ? 3 : 2, true, &from) ||
        !streams_bound_or_reply(x, back ? 2 : 3, false, &to))
        return FAILED;
    for (size_t i = 4; i < x->argc; i += 2) {
        if (!str_is(x->argv[i], "count") || i + 1 == x->argc)
            return reply_err(x, ERR_SYNTAX);
        if (!arg_int_or_reply(x, i + 1, &count)) return FAILED;
        if (count < 0) count = 0;
    }
    if (!arg_read_or_reply(x, 1, KIND_STREAM, &e)) return FAILED;
    if (e == NULL) reply_array(x->r, 0);
    else if (count == 0) reply_null_array(x->r);
    else streams_reply_range(x->r, streams_of(e), from, to, back,
                            count == -1 ? 0 : (uint64_t)count);
    return DONE;
}

static enum outcome cmd_xrange(struct call *x) {
    return streams__range(x, false);
}

static enum outcome cmd_xrevrange(struct call *x) {
    return streams__range(x, true);
}

static enum outcome cmd_xdel(struct call *x) {
    struct stream_id id;
    struct stream *s;
    struct edit ed;
    int64_t gone = 0;
    bool found, first = false, ok = true;

    if (!arg_open_or_reply(x, 1, KIND_STREAM, &ed)) return FAILED;
    for (size_t i = 2; ed.e != NULL && i < x->argc; i++)
        if (!streams_id_or_reply(x, i, 0, true, &id, NULL)) {
            edit_cancel(&ed);
            return FAILED;
        }
    if (ed.e == NULL) {
        edit_cancel(&ed);
        reply_int(x->r, 0);
        return DONE;
    }
    s = streams_of(ed.e);
    for (size_t i = 2; ok && i < x->argc; i++) {
        streams_parse_id(x->argv[i], 0, true, &id, NULL);
        ok = stream_drop(s, &ed.ref.shard->mem, id, &found);
        if (!ok || !found) continue;
        first = first || stream_id_cmp(id, s->first) == 0;
        if (stream_id_cmp(id, s->deleted) > 0) s->deleted = id;
        gone++;
    }
    if (gone > 0 && (first || s->len == 0)) stream_settle_first(s);
    if (gone > 0) {
        edit_counts(&ed, (uint64_t)gone);
        edit_commit(&ed, EVENT_STREAM, "xdel");
    } else {
        edit_cancel(&ed);
    }
    if (!ok) return reply_err(x, ERR_MEMORY);
    reply_int(x->r, gone);
    return DONE;
}

/* ---- XSETID -------------------------------------------------------------- */

/* The options behind the ID; *added stays -1 without ENTRIESADDED. */
static bool streams__setid_or_reply(struct call *x, struct stream_id id,
                                   int64_t *added, struct stream_id *deleted) {
    for (size_t i = 3; i < x->argc; i += 2) {
        struct str s = x->argv[i];
        bool more = i + 1 < x->argc;

        if (more && str_is(s, "entriesadded")) {
            if (!arg_int_or_reply(x, i + 1, added)) return false;
            if (*added >= 0) continue;
            reply_error(x->r, "ERR entries_added must be positive");
            return false;
        }
        if (more && str_is(s, "maxdeletedid")) {
            if (!streams_id_or_reply(x, i + 1, 0, true, deleted, NULL))
                return false;
            if (stream_id_cmp(id, *deleted) >= 0) continue;
            reply_error(x->r, "ERR The ID specified in XSETID is smaller than "
                              "the provided max_deleted_entry_id");
            return false;
        }
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    return true;
}

/* Why a stream may not have this last ID, or NULL. */
static const char *streams__setid_refused(const struct stream *s,
                                         struct stream_id id, int64_t added) {
    if (s->len > 0 && stream_id_cmp(id, stream_edge(s, true)) < 0)
        return "ERR The ID specified in XSETID is smaller than the target "
               "stream top item";
    if (s->len > 0 && added != -1 && s->len > (uint64_t)added)
        return "ERR The entries_added specified in XSETID is smaller than the "
               "target stream length";
    return NULL;
}

static enum outcome cmd_xsetid(struct call *x) {
    struct stream_id id, deleted = { 0, 0 };
    int64_t added = -1;
    const char *why;
    struct stream *s;
    struct edit ed;

    if (!streams_id_or_reply(x, 2, 0, true, &id, NULL)) return FAILED;
    if (!streams__setid_or_reply(x, id, &added, &deleted)) return FAILED;
    if (!arg_open_or_reply(x, 1, KIND_STREAM, &ed)) return FAILED;
    s = ed.e == NULL ? NULL : streams_of(ed.e);
    why = s == NULL ? err_text[ERR_NO_KEY] :
                      streams__setid_refused(s, id, added);
    if (why != NULL) {
        edit_cancel(&ed);
        reply_error(x->r, why);
        return FAILED;
    }
    s->last = id;
    if (added != -1) s->added = (uint64_t)added;
    if (!stream_id_is_zero(deleted)) s->deleted = deleted;
    edit_commit_aside(&ed, EVENT_STREAM, "xsetid", false);
    reply_ok(x->r);
    return DONE;
}

static const struct command streams_commands[] = {
    { "xadd", cmd_xadd, -5, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STREAM,
      SINCE(5, 0, 0), "O(1), and O(N) for N entries trimmed",
      "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] "
      "<* | id> field value [field value ...]",
      "Adds an entry to a stream." },
    { "xdel", cmd_xdel, -3, WRITE | FAST, 1, 1, 1, GROUP_STREAM, SINCE(5, 0, 0),
      "O(1) for each entry", "key id [id ...]",
      "Deletes entries; returns how many there were." },
    { "xlen", cmd_xlen, 2, READONLY | FAST, 1, 1, 1, GROUP_STREAM,
      SINCE(5, 0, 0), "O(1)", "key", "Returns how many entries a stream has." },
    { "xrange", cmd_xrange, -4, READONLY, 1, 1, 1, GROUP_STREAM, SINCE(5, 0, 0),
      "O(log(N)+M) for M entries", "key start end [COUNT count]",
      "Returns the entries whose IDs lie in a range." },
    { "xrevrange", cmd_xrevrange, -4, READONLY, 1, 1, 1, GROUP_STREAM,
      SINCE(5, 0, 0),
      "O(log(N)+M) for M entries", "key end start [COUNT count]",
      "Returns the entries whose IDs lie in a range, last first." },
    { "xsetid", cmd_xsetid, -3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STREAM,
      SINCE(5, 0, 0), "O(1)",
      "key last-id [ENTRIESADDED entries-added] "
      "[MAXDELETEDID max-deleted-id]",
      "Sets the last ID of a stream; for replication." },
    { "xtrim", cmd_xtrim, -4, WRITE, 1, 1, 1, GROUP_STREAM, SINCE(5, 0, 0),
      "O(N) for N entries trimmed",
      "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]",
      "Deletes entries from the front of a stream." },
};
#endif
