/* ==== stream_rdb - a stream as RDB bytes, and back =========================
 *
 * What a value of type 15, 19 (the one written) or 21 is made of:
 *
 *   nodes     count; each: ID (a string of 16 bytes), pack (a string)
 *   counts    length, last ID; since 19: first ID, largest deleted ID, added
 *   groups    count; each: name, last ID; since 19: entries read
 *     pending     count; each: ID (16 bytes), time, deliveries
 *     consumers   count; each: name, time seen; in 21: time active;
 *                 count; each: ID (16 bytes)
 *
 * IDs of 16 bytes are big-endian, other numbers are RDB's lengths.
 *
 * The parts that may be large are nodes and leaves of pending entries.  For a
 * snapshot these are pinned and written one by one; the text between them is
 * written when the stream is frozen.
 *
 * What is read is believed in nothing: a stream that does not hold together
 * (packs that lie, IDs out of order, a pending entry of two consumers or of
 * none) is refused.
 *
 * floor 3 - uses: base mem buf pack ids readers stream rdb
 */
#if !defined(KVNS_NO_STREAMS)
enum stream_rdb_kind {
    STREAM_RDB_TEXT,            /* bytes of the text, up to `end` */
    STREAM_RDB_NODE,
    STREAM_RDB_PENDING,         /* a leaf of a group's pending entries */
    STREAM_RDB_IDS              /* a leaf of a consumer's */
};

struct stream_rdb_part {
    enum stream_rdb_kind kind;
    struct stream_id id;        /* of a node */
    union {
        size_t end;
        struct stream_node *node;
        struct ids_leaf *leaf;
    } is;
};

/* A stream as it was. */
struct stream_frozen {
    struct buf text;            /* what stands between the large parts */
    struct buf parts;           /* of struct stream_rdb_part */
    size_t n, at;               /* parts; those before are let go */
    size_t text_at;             /* text that was read */
};

/* Where a stream is written to: into `out`, or frozen. */
struct stream_rdb__to {
    struct buf *out;
    struct stream_frozen *f;    /* NULL: written at once */
};

static void stream_rdb__put_id(struct buf *b, struct stream_id id) {
    uint8_t to[16];

    store_be(to, id.ms, 8);
    store_be(to + 8, id.seq, 8);
    buf_put(b, to, sizeof to);
}

static void stream_rdb__put_lens(struct buf *b, struct stream_id id) {
    rdb_put_len(b, id.ms);
    rdb_put_len(b, id.seq);
}

/* Append one of the large parts. */
static void stream_rdb__put(struct buf *b,
                            const struct stream_rdb_part *part) {
    const struct stream_node *node = part->is.node;
    const struct ids_leaf *leaf = part->is.leaf;

    if (part->kind == STREAM_RDB_NODE) {
        rdb_put_len(b, 16);
        stream_rdb__put_id(b, part->id);
        rdb_put_pack(b, str_of(node->room, node->bytes), node->elements);
        return;
    }
    for (uint32_t i = 0; i < leaf->n; i++) {
        struct readers_pending p;

        memcpy(&p, ids__at(leaf, i), leaf->size);
        stream_rdb__put_id(b, p.id);
        if (part->kind != STREAM_RDB_PENDING) continue;
        rdb_put_ms(b, p.at);
        rdb_put_len(b, p.times);
    }
}

/* The next large part: written, or taken down and pinned. */
static void stream_rdb__part(struct stream_rdb__to *to,
                             struct stream_rdb_part part) {
    struct stream_frozen *f = to->f;
    struct stream_rdb_part text = { STREAM_RDB_TEXT, { 0, 0 }, { 0 } };

    if (f == NULL) {
        stream_rdb__put(to->out, &part);
        return;
    }
    if (f->text.n > f->text_at) {
        text.is.end = f->text_at = f->text.n;
        if (buf_put(&f->parts, &text, sizeof text)) f->n++;
    }
    if (!buf_put(&f->parts, &part, sizeof part)) return;
    f->n++;
    if (part.kind == STREAM_RDB_NODE) stream_pin(part.is.node);
    else ids_pin(part.is.leaf);
}

static void stream_rdb__leaves(struct stream_rdb__to *to, const struct ids *t,
                               enum stream_rdb_kind kind) {
    rdb_put_len(to->out, t->count);
    for (struct ids_leaf *l = t->first; l != NULL; l = l->next) {
        struct stream_rdb_part part = { kind, { 0, 0 }, { 0 } };

        part.is.leaf = l;
        stream_rdb__part(to, part);
    }
}

static void stream_rdb__nodes(struct stream_rdb__to *to,
                              const struct ids *nodes) {
    for (struct ids_at at = ids_first(nodes); at.leaf != NULL;
         ids_next(&at)) {
        struct stream_slot slot = stream__slot(at);
        struct stream_rdb_part part = { STREAM_RDB_NODE, slot.id, { 0 } };

        /* to pin nodes means to fetch them: some at a time */
        if (at.i + 8 < at.leaf->n)
            PREFETCH(stream__slot((struct ids_at){ at.leaf, at.i + 8 }).node);
        part.is.node = slot.node;
        stream_rdb__part(to, part);
    }
}

static void stream_rdb__all(struct stream_rdb__to *to,
                            const struct stream *s) {
    struct buf *b = to->out;

    rdb_put_len(b, s->nodes.count);
    stream_rdb__nodes(to, &s->nodes);
    rdb_put_len(b, s->len);
    stream_rdb__put_lens(b, s->last);
    stream_rdb__put_lens(b, s->first);
    stream_rdb__put_lens(b, s->deleted);
    rdb_put_len(b, s->added);
    rdb_put_len(b, s->groups.n);
    for (uint32_t i = 0; i < s->groups.n; i++) {
        const struct readers_group *g = s->groups.v[i];

        rdb_put_str(b, readers_group_name(g));
        stream_rdb__put_lens(b, g->last);
        rdb_put_len(b, (uint64_t)g->read);
        stream_rdb__leaves(to, &g->pending, STREAM_RDB_PENDING);
        rdb_put_len(b, g->n);
        for (uint32_t j = 0; j < g->n; j++) {
            rdb_put_str(b, readers_name(g->who[j]));
            rdb_put_ms(b, g->who[j]->seen);
            stream_rdb__leaves(to, &g->who[j]->pending, STREAM_RDB_IDS);
        }
    }
}

/* Append a whole stream. */
static void stream_rdb_save(struct buf *out, const struct stream *s) {
    struct stream_rdb__to to = { out, NULL };

    stream_rdb__all(&to, s);
}

/* The part of a frozen stream that comes next; NULL: there is none. */
static const struct stream_rdb_part *stream_rdb__at(
    const struct stream_frozen *f) {
    return f->at == f->n ? NULL :
               (const struct stream_rdb_part *)(const void *)f->parts.p +
                   f->at;
}

/* Let go of the part that comes next. */
static void stream_rdb__unpin(struct stream_frozen *f, struct mem *m) {
    const struct stream_rdb_part *part = stream_rdb__at(f);

    f->at++;
    if (part->kind == STREAM_RDB_NODE) stream_unpin(m, part->is.node);
    else if (part->kind != STREAM_RDB_TEXT) ids_unpin(m, part->is.leaf);
}

/* Let go of a frozen stream; what only it held is freed. */
static void stream_frozen_drop(struct stream_frozen *f, struct mem *m) {
    while (f->at < f->n) stream_rdb__unpin(f, m);
    buf_free(&f->text);
    buf_free(&f->parts);
    memset(f, 0, sizeof *f);
}

/* Freeze a stream as it is.  False: no memory; else the caller must let go
 * with stream_frozen_drop. */
static bool stream_freeze(struct stream *s, struct mem *m,
                          struct stream_frozen *f) {
    struct stream_rdb__to to = { &f->text, f };
    struct stream_rdb_part text = { STREAM_RDB_TEXT, { 0, 0 }, { 0 } };

    memset(f, 0, sizeof *f);
    stream_rdb__all(&to, s);
    text.is.end = f->text.n;
    f->text_at = 0;
    if (buf_put(&f->parts, &text, sizeof text)) f->n++;
    if (!f->text.failed && !f->parts.failed) return true;
    stream_frozen_drop(f, m);
    return false;
}

/* Append the next part of a frozen stream, if out is not NULL, and let go of
 * it.  False: there is none. */
static bool stream_frozen_next(struct stream_frozen *f, struct mem *m,
                               struct buf *out) {
    const struct stream_rdb_part *part = stream_rdb__at(f);

    if (part == NULL) return false;
    if (part->kind == STREAM_RDB_TEXT) {
        if (out != NULL)
            buf_put(out, f->text.p + f->text_at, part->is.end - f->text_at);
        f->text_at = part->is.end;
    } else if (out != NULL) {
        stream_rdb__put(out, part);
    }
    stream_rdb__unpin(f, m);
    return true;
}

/* ---- reading ------------------------------------------------------------- */

struct stream_rdb__in {
    struct rdb_in *in;
    struct stream *s;
    struct mem *m;
    uint8_t type;
    bool refused;               /* no memory */
};

static bool stream_rdb__wrong(struct stream_rdb__in *x, const char *why) {
    if (x->refused) return false;
    return rdb_fail(x->in, why);
}

static bool stream_rdb__get_lens(struct rdb_in *in, struct stream_id *id) {
    return rdb_get_len(in, &id->ms) && rdb_get_len(in, &id->seq);
}

static bool stream_rdb__get_id(struct rdb_in *in, struct stream_id *id) {
    const uint8_t *p = rdb_get_bytes(in, 16);

    if (p == NULL) return false;
    id->ms = load_be(p, 8);
    id->seq = load_be(p + 8, 8);
    return true;
}

static bool stream_rdb__node(struct stream_rdb__in *x) {
    struct stream_id id;
    struct str s, pack;
    size_t elements;

    if (!rdb_get_str(x->in, &s)) return false;
    if (s.n != 16) return rdb_fail(x->in, "has an ID of the wrong length");
    id.ms = load_be(s.p, 8);
    id.seq = load_be(s.p + 8, 8);
    if (!rdb_get_str(x->in, &s)) return false;
    if (!pack_from_listpack((const uint8_t *)s.p, s.n, &pack, &elements))
        return rdb_fail(x->in, "has a listpack that is none");
    if (stream_add_pack(x->s, x->m, id, pack, elements, &x->refused))
        return true;
    return stream_rdb__wrong(x, "has entries that are none");
}

/* Length, last ID and so on. */
static bool stream_rdb__counts(struct stream_rdb__in *x) {
    struct stream *s = x->s;
    struct stream_id last;
    uint64_t len;

    if (!rdb_get_len(x->in, &len)) return false;
    if (!stream_rdb__get_lens(x->in, &last)) return false;
    if (len != s->len)
        return rdb_fail(x->in, "has another number of entries than it says");
    if (stream_id_cmp(last, s->last) < 0)
        return rdb_fail(x->in, "has an entry behind the last");
    s->last = last;
    s->added = s->len;
    if (x->type == RDB_STREAM_1) {
        stream_settle_first(s);
        return true;
    }
    return stream_rdb__get_lens(x->in, &s->first) &&
           stream_rdb__get_lens(x->in, &s->deleted) &&
           rdb_get_len(x->in, &s->added);
}

/* The pending entries of a group; whose they are follows. */
static bool stream_rdb__pending(struct stream_rdb__in *x,
                                struct readers_group *g) {
    struct readers_pending *p;
    struct stream_id id;
    uint64_t n, times;
    int64_t at;
    bool made;

    if (!rdb_get_len(x->in, &n)) return false;
    for (; n > 0; n--) {
        if (!stream_rdb__get_id(x->in, &id) || !rdb_get_ms(x->in, &at) ||
            !rdb_get_len(x->in, &times))
            return false;
        p = ids_put(&g->pending, x->m, &x->s->held, id, &made);
        x->refused = p == NULL;
        if (p == NULL) return false;
        if (!made) return rdb_fail(x->in, "has a pending entry twice");
        p->at = at;
        p->times = times;
    }
    return true;
}

static bool stream_rdb__consumer(struct stream_rdb__in *x,
                                 struct readers_group *g, uint64_t *owned) {
    struct readers_consumer *c;
    struct readers_pending *p;
    struct stream_id id;
    int64_t seen = 0, active;
    struct str name;
    uint64_t n;
    bool made;

    if (!rdb_get_str(x->in, &name)) return false;
    if (readers_consumer(g, name) != NULL)
        return rdb_fail(x->in, "has a consumer twice");
    c = readers_consumer_make(g, x->m, &x->s->held, name, seen);
    x->refused = c == NULL;
    if (c == NULL || !rdb_get_ms(x->in, &c->seen)) return false;
    if (x->type == RDB_STREAM_3 && !rdb_get_ms(x->in, &active)) return false;
    if (!rdb_get_len(x->in, &n)) return false;
    for (; n > 0; n--, ++*owned) {
        if (!stream_rdb__get_id(x->in, &id)) return false;
        p = ids_edit(&g->pending, x->m, &x->s->held, id, &made);
        if (p == NULL)
            return rdb_fail(x->in, "has a consumer with an entry that is "
                                   "not pending");
        if (p->who != NULL)
            return rdb_fail(x->in, "has a pending entry of two consumers");
        x->refused =
            ids_put(&c->pending, x->m, &x->s->held, id, &made) == NULL;
        if (x->refused) return false;
        p->who = c;
    }
    return true;
}

static bool stream_rdb__group(struct stream_rdb__in *x) {
    uint64_t n, read = (uint64_t)READERS_UNKNOWN, owned = 0;
    struct readers_group *g;
    struct stream_id last;
    struct str name;

    if (!rdb_get_str(x->in, &name)) return false;
    if (readers_group(&x->s->groups, name) != NULL)
        return rdb_fail(x->in, "has a group twice");
    g = readers_group_make(&x->s->groups, x->m, &x->s->held, name,
                           (struct stream_id){ 0, 0 }, READERS_UNKNOWN);
    x->refused = g == NULL;
    if (g == NULL || !stream_rdb__get_lens(x->in, &last)) return false;
    if (x->type != RDB_STREAM_1 && !rdb_get_len(x->in, &read)) return false;
    g->last = last;
    g->read = x->type == RDB_STREAM_1 ? stream_rank(x->s, last) :
                                        (int64_t)read;
    if (!stream_rdb__pending(x, g) || !rdb_get_len(x->in, &n)) return false;
    for (; n > 0; n--)
        if (!stream_rdb__consumer(x, g, &owned)) return false;
    if (owned != g->pending.count)
        return rdb_fail(x->in, "has a pending entry of no consumer");
    return true;
}

/* Read a value of one of the types of streams into an empty stream.  False:
 * the reader's `why` says what is wrong, or *refused: no memory.  The stream
 * is to be freed then. */
static bool stream_rdb_load(struct stream *s, struct mem *m,
                            struct rdb_in *in, uint8_t type, bool *refused) {
    struct stream_rdb__in x = { in, s, m, type, false };
    uint64_t n;
    bool ok = rdb_get_len(in, &n);

    for (; ok && n > 0; n--) ok = stream_rdb__node(&x);
    ok = ok && stream_rdb__counts(&x) && rdb_get_len(in, &n);
    for (; ok && n > 0; n--) ok = stream_rdb__group(&x);
    *refused = x.refused;
    return ok;
}
#else
struct stream_frozen {
    size_t n;
};

/* Write nothing: there are no streams to be saved. */
static void stream_rdb_save(struct buf *out, const struct stream *s) {
    (void)out, (void)s;
}

/* Freeze nothing. */
static bool stream_freeze(struct stream *s, struct mem *m,
                          struct stream_frozen *f) {
    (void)s, (void)m;
    f->n = 0;
    return true;
}

/* Let nothing go. */
static void stream_frozen_drop(struct stream_frozen *f, struct mem *m) {
    (void)f, (void)m;
}

/* There is no next part. */
static bool stream_frozen_next(struct stream_frozen *f, struct mem *m,
                               struct buf *out) {
    (void)f, (void)m, (void)out;
    return false;
}

/* Say why a stream is not read. */
static bool stream_rdb_load(struct stream *s, struct mem *m,
                            struct rdb_in *in, uint8_t type, bool *refused) {
    (void)s, (void)m, (void)type;
    *refused = false;
    return rdb_fail(in, "is a stream, which this build leaves out "
                        "(KVNS_NO_STREAMS)");
}
#endif
