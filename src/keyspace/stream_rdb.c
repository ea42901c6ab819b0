/* SPDX-License-Identifier: MIT */
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
 * A frozen stream is written part by part: a node, a leaf of pending entries,
 * or what stands between these.  Nodes go in order of their IDs; groups,
 * consumers and pending entries in any, which no reader minds.
 *
 * What is read is believed in nothing: a stream that does not hold together
 * (packs that lie, IDs out of order, a pending entry of two consumers or of
 * none) is refused.
 *
 * floor 3 - uses: base arena buf pack ids readers stream rdb
 */
#if !defined(KVNS_NO_STREAMS)
/* Where the writing of a frozen stream is: what comes next. */
enum stream_rdb_part {
    STREAM_RDB_BEGIN,
    STREAM_RDB_NODES,
    STREAM_RDB_GROUPS,
    STREAM_RDB_PENDING,
    STREAM_RDB_CONSUMERS,
    STREAM_RDB_IDS,
    STREAM_RDB_END
};

/* A frozen stream on its way out. */
struct stream_flow {
    struct stream_frozen was;
    struct readers_was *group, *who;    /* being written */
    uint32_t groups;            /* still to come */
    uint32_t consumers;         /* of that group */
    uint8_t part;               /* enum stream_rdb_part */
    bool lost;                  /* something was not there any more */
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

static void stream_rdb__put_node(struct buf *b, struct stream_slot slot) {
    rdb_put_len(b, 16);
    stream_rdb__put_id(b, slot.id);
    rdb_put_pack(b, str_of(slot.node->room, slot.node->bytes),
                 slot.node->elements);
}

/* A leaf of a group's pending entries, or of a consumer's. */
static void stream_rdb__put_leaf(struct buf *b, const struct ids_leaf *leaf) {
    for (uint32_t i = 0; i < leaf->n; i++) {
        struct readers_pending p;

        memcpy(&p, ids__at(leaf, i), leaf->size);
        stream_rdb__put_id(b, p.id);
        if (leaf->size != sizeof p) continue;
        rdb_put_ms(b, p.at);
        rdb_put_len(b, p.times);
    }
}

static void stream_rdb__put_leaves(struct buf *b, const struct ids *t) {
    rdb_put_len(b, t->count);
    for (const struct ids_leaf *l = t->first; l != NULL; l = l->next)
        stream_rdb__put_leaf(b, l);
}

/* What a group begins with, up to its pending entries. */
static void stream_rdb__put_group(struct buf *b, struct str name,
                                  struct stream_id last, int64_t read) {
    rdb_put_str(b, name);
    stream_rdb__put_lens(b, last);
    rdb_put_len(b, (uint64_t)read);
}

static void stream_rdb__put_consumer(struct buf *b, struct str name,
                                     int64_t seen) {
    rdb_put_str(b, name);
    rdb_put_ms(b, seen);
}

/* Append a whole stream. */
static void stream_rdb_save(struct buf *b, const struct stream *s) {
    rdb_put_len(b, s->nodes.count);
    for (struct ids_at at = ids_first(&s->nodes); at.leaf != NULL;
         ids_next(&at))
        stream_rdb__put_node(b, stream__slot(at));
    rdb_put_len(b, s->len);
    stream_rdb__put_lens(b, s->last);
    stream_rdb__put_lens(b, s->first);
    stream_rdb__put_lens(b, s->deleted);
    rdb_put_len(b, s->added);
    rdb_put_len(b, s->groups.n);
    for (uint32_t i = 0; i < s->groups.n; i++) {
        const struct readers_group *g = s->groups.v[i];

        stream_rdb__put_group(b, readers_group_name(g), g->last, g->read);
        stream_rdb__put_leaves(b, &g->pending);
        rdb_put_len(b, g->n);
        for (uint32_t j = 0; j < g->n; j++) {
            stream_rdb__put_consumer(b, readers_name(g->who[j]),
                                     g->who[j]->seen);
            stream_rdb__put_leaves(b, &g->who[j]->pending);
        }
    }
}

/* ---- writing what was ---------------------------------------------------- */

/* Freeze a stream as it is, in no time: for stream_rdb_next until that says
 * that it is over, and stream_rdb_end; f must stay where it is until then. */
static void stream_rdb_freeze(struct stream *s, struct stream_flow *f) {
    memset(f, 0, sizeof *f);
    stream_freeze(s, &f->was);
    f->groups = f->was.groups.n;
}

/* What stands between the nodes and the groups. */
static void stream_rdb__counts_of(struct buf *b,
                                  const struct stream_frozen *f) {
    rdb_put_len(b, f->len);
    stream_rdb__put_lens(b, f->last);
    stream_rdb__put_lens(b, f->first);
    stream_rdb__put_lens(b, f->deleted);
    rdb_put_len(b, f->added);
    rdb_put_len(b, f->groups.n);
}

static enum stream_rdb_part stream_rdb__next_node(struct stream_flow *f,
                                                  struct mem *m,
                                                  struct buf *out) {
    struct stream_slot slot;

    if (!stream_frozen_next(&f->was, &slot)) {
        f->lost |= f->was.left > 0;
        stream_rdb__counts_of(out, &f->was);
        return STREAM_RDB_GROUPS;
    }
    if (slot.node != NULL) {
        stream_rdb__put_node(out, slot);
        stream_frozen_read(&f->was, m, slot);
    }
    return STREAM_RDB_NODES;
}

static enum stream_rdb_part stream_rdb__next_group(struct stream_flow *f,
                                                   struct mem *m,
                                                   struct buf *out) {
    struct readers_was *w;

    if (!readers_frozen_next(&f->was.groups, m, &w)) {
        f->lost |= f->groups > 0;
        return STREAM_RDB_END;
    }
    if (w == NULL) return STREAM_RDB_GROUPS;
    f->groups--;
    f->group = w;
    f->consumers = w->n;
    stream_rdb__put_group(out, str_of(w->name, w->nlen), w->last, w->read);
    rdb_put_len(out, w->count);
    return STREAM_RDB_PENDING;
}

static enum stream_rdb_part stream_rdb__next_consumer(struct stream_flow *f,
                                                      struct mem *m,
                                                      struct buf *out) {
    struct readers_was *w;

    if (!readers_was_next(&f->was.groups, m, f->group, &w)) {
        f->lost |= f->consumers > 0;
        readers_was_read(m, f->group);
        return STREAM_RDB_GROUPS;
    }
    if (w == NULL) return STREAM_RDB_CONSUMERS;
    f->consumers--;
    f->who = w;
    stream_rdb__put_consumer(out, str_of(w->name, w->nlen), w->seen);
    rdb_put_len(out, w->count);
    return STREAM_RDB_IDS;
}

/* The next leaf of a group's pending entries, or of a consumer's.  False:
 * there is none. */
static bool stream_rdb__next_leaf(struct stream_flow *f, struct mem *m,
                                  struct ids_frozen *t, struct buf *out) {
    struct ids_leaf *leaf;

    if (!ids_frozen_next(t, &leaf)) {
        f->lost |= t->count > 0;
        return false;
    }
    if (leaf == NULL) return true;
    stream_rdb__put_leaf(out, leaf);
    ids_frozen_read(t, m, leaf);
    return true;
}

/* Append the next part of a frozen stream.  False: there is none, that was
 * all. */
static bool stream_rdb_next(struct stream_flow *f, struct mem *m,
                            struct buf *out) {
    switch ((enum stream_rdb_part)f->part) {
    case STREAM_RDB_BEGIN:
        rdb_put_len(out, f->was.count);
        f->part = STREAM_RDB_NODES;
        break;
    case STREAM_RDB_NODES:
        f->part = (uint8_t)stream_rdb__next_node(f, m, out);
        break;
    case STREAM_RDB_GROUPS:
        f->part = (uint8_t)stream_rdb__next_group(f, m, out);
        break;
    case STREAM_RDB_PENDING:
        if (stream_rdb__next_leaf(f, m, &f->group->pending, out)) break;
        rdb_put_len(out, f->group->n);
        f->part = STREAM_RDB_CONSUMERS;
        break;
    case STREAM_RDB_CONSUMERS:
        f->part = (uint8_t)stream_rdb__next_consumer(f, m, out);
        break;
    case STREAM_RDB_IDS:
        if (stream_rdb__next_leaf(f, m, &f->who->pending, out)) break;
        readers_was_read(m, f->who);
        f->part = STREAM_RDB_CONSUMERS;
        break;
    case STREAM_RDB_END: break;
    }
    return f->part != STREAM_RDB_END;
}

/* All parts were read.  False: what was written is not what was, since there
 * was no memory to keep all of it. */
static bool stream_rdb_end(struct stream_flow *f) {
    bool whole = !f->lost && !f->was.failed && !f->was.groups.failed;

    KVNS_ASSERT(f->part == STREAM_RDB_END);
    stream_frozen_end(&f->was);
    return whole;
}

/* ---- reading ------------------------------------------------------------- */

struct stream_rdb_in {
    struct rdb_in *in;
    struct stream *s;
    struct mem *m;
    uint8_t type;
    bool refused;               /* no memory */
    enum stream_rdb_part at;    /* what comes next */
    struct readers_group *g;    /* being read */
    struct readers_consumer *c;
    uint64_t nodes, groups, pending, consumers, ids;    /* still to come */
    uint64_t owned;             /* pending entries of a consumer */
};

enum { STREAM_RDB_NODE = 16 };  /* elements that a node counts for */

static bool stream_rdb__wrong(struct stream_rdb_in *x, const char *why) {
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

static bool stream_rdb__node(struct stream_rdb_in *x) {
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
static bool stream_rdb__counts(struct stream_rdb_in *x) {
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

/* A pending entry of the group; whose it is follows. */
static bool stream_rdb__pending(struct stream_rdb_in *x) {
    struct readers_pending *p;
    struct stream_id id;
    uint64_t times;
    int64_t at;
    bool made;

    if (!stream_rdb__get_id(x->in, &id) || !rdb_get_ms(x->in, &at) ||
        !rdb_get_len(x->in, &times))
        return false;
    p = ids_put(&x->g->pending, x->m, &x->s->held, id, &made);
    x->refused = p == NULL;
    if (p == NULL) return false;
    if (!made) return rdb_fail(x->in, "has a pending entry twice");
    p->at = at;
    p->times = times;
    return true;
}

/* A consumer, up to the entries that are its own. */
static bool stream_rdb__consumer(struct stream_rdb_in *x) {
    struct readers_consumer *c;
    int64_t seen = 0, active;
    struct str name;

    if (!rdb_get_str(x->in, &name)) return false;
    if (readers_consumer(x->g, name) != NULL)
        return rdb_fail(x->in, "has a consumer twice");
    x->c = c = readers_consumer_make(&x->s->groups, x->g, x->m, &x->s->held,
                                     name, seen);
    x->refused = c == NULL;
    if (c == NULL || !rdb_get_ms(x->in, &c->seen)) return false;
    if (x->type == RDB_STREAM_3 && !rdb_get_ms(x->in, &active)) return false;
    return rdb_get_len(x->in, &x->ids);
}

/* One of these. */
static bool stream_rdb__owned(struct stream_rdb_in *x) {
    struct readers_pending *p;
    struct stream_id id;
    bool made;

    if (!stream_rdb__get_id(x->in, &id)) return false;
    p = ids_edit(&x->g->pending, x->m, &x->s->held, id, &made);
    if (p == NULL)
        return rdb_fail(x->in, "has a consumer with an entry that is "
                               "not pending");
    if (p->who != NULL)
        return rdb_fail(x->in, "has a pending entry of two consumers");
    x->refused = ids_put(&x->c->pending, x->m, &x->s->held, id, &made) == NULL;
    if (x->refused) return false;
    p->who = x->c;
    x->owned++;
    return true;
}

/* A group, up to its pending entries. */
static bool stream_rdb__group(struct stream_rdb_in *x) {
    uint64_t read = (uint64_t)READERS_UNKNOWN;
    struct readers_group *g;
    struct stream_id last;
    struct str name;

    if (!rdb_get_str(x->in, &name)) return false;
    if (readers_group(&x->s->groups, name) != NULL)
        return rdb_fail(x->in, "has a group twice");
    x->g = g = readers_group_make(&x->s->groups, x->m, &x->s->held, name,
                                  (struct stream_id){ 0, 0 },
                                  READERS_UNKNOWN);
    x->refused = g == NULL;
    if (g == NULL || !stream_rdb__get_lens(x->in, &last)) return false;
    if (x->type != RDB_STREAM_1 && !rdb_get_len(x->in, &read)) return false;
    g->last = last;
    g->read = x->type == RDB_STREAM_1 ? stream_rank(x->s, last) :
                                        (int64_t)read;
    x->owned = 0;
    return rdb_get_len(x->in, &x->pending);
}

/* The next part: one of those that are counted, or what follows the last. */
static bool stream_rdb__part(struct stream_rdb_in *x) {
    switch (x->at) {
    case STREAM_RDB_BEGIN:
        x->at = STREAM_RDB_NODES;
        return rdb_get_len(x->in, &x->nodes);
    case STREAM_RDB_NODES:
        if (x->nodes > 0) return x->nodes--, stream_rdb__node(x);
        x->at = STREAM_RDB_GROUPS;
        return stream_rdb__counts(x) && rdb_get_len(x->in, &x->groups);
    case STREAM_RDB_GROUPS:
        x->at = x->groups == 0 ? STREAM_RDB_END : STREAM_RDB_PENDING;
        return x->groups == 0 || (x->groups--, stream_rdb__group(x));
    case STREAM_RDB_PENDING:
        if (x->pending > 0) return x->pending--, stream_rdb__pending(x);
        x->at = STREAM_RDB_CONSUMERS;
        return rdb_get_len(x->in, &x->consumers);
    case STREAM_RDB_CONSUMERS:
        x->at = x->consumers == 0 ? STREAM_RDB_GROUPS : STREAM_RDB_IDS;
        if (x->consumers > 0) return x->consumers--, stream_rdb__consumer(x);
        if (x->owned == x->g->pending.count) return true;
        return rdb_fail(x->in, "has a pending entry of no consumer");
    case STREAM_RDB_IDS:
        if (x->ids > 0) return x->ids--, stream_rdb__owned(x);
        x->at = STREAM_RDB_CONSUMERS;
        return true;
    case STREAM_RDB_END: break;
    }
    return true;
}

/* Begin to read a value of one of the types of streams into an empty one. */
static void stream_rdb_open(struct stream_rdb_in *x, struct stream *s,
                            struct mem *m, struct rdb_in *in, uint8_t type) {
    *x = (struct stream_rdb_in){ .in = in, .s = s, .m = m, .type = type };
    x->at = STREAM_RDB_BEGIN;
}

/* Read on, about *left elements, counted down; *more: there are others.
 * False: the reader's `why` says what is wrong, or `refused`: no memory.  The
 * stream is to be freed then. */
static bool stream_rdb_read(struct stream_rdb_in *x, size_t *left,
                            bool *more) {
    while (x->at != STREAM_RDB_END && *left > 0) {
        *left -= size_min(*left, x->at == STREAM_RDB_NODES ?
                                     STREAM_RDB_NODE : 1);
        if (!stream_rdb__part(x)) return false;
    }
    *more = x->at != STREAM_RDB_END;
    return true;
}

/* The same at one go; *refused: no memory. */
static bool stream_rdb_load(struct stream *s, struct mem *m,
                            struct rdb_in *in, uint8_t type, bool *refused) {
    struct stream_rdb_in x;
    size_t left = SIZE_MAX;
    bool more = true, ok = true;

    stream_rdb_open(&x, s, m, in, type);
    for (; ok && more; left = SIZE_MAX)
        ok = stream_rdb_read(&x, &left, &more);
    *refused = x.refused;
    return ok;
}
#else
struct stream_flow {
    bool nothing;
};

/* Write nothing: there are no streams to be saved. */
static void stream_rdb_save(struct buf *out, const struct stream *s) {
    (void)out, (void)s;
}

/* Freeze nothing. */
static void stream_rdb_freeze(struct stream *s, struct stream_flow *f) {
    (void)s;
    f->nothing = true;
}

/* There is no next part. */
static bool stream_rdb_next(struct stream_flow *f, struct mem *m,
                            struct buf *out) {
    (void)f, (void)m, (void)out;
    return false;
}

/* Nothing was written, and nothing was. */
static bool stream_rdb_end(struct stream_flow *f) {
    return f->nothing;
}

struct stream_rdb_in {
    struct rdb_in *in;
    bool refused;
};

/* Begin to refuse a stream. */
static void stream_rdb_open(struct stream_rdb_in *x, struct stream *s,
                            struct mem *m, struct rdb_in *in, uint8_t type) {
    (void)s, (void)m, (void)type;
    *x = (struct stream_rdb_in){ in, false };
}

/* Say why it is not read. */
static bool stream_rdb_read(struct stream_rdb_in *x, size_t *left,
                            bool *more) {
    *left = 0;
    *more = false;
    return rdb_fail(x->in, "is a stream, which this build leaves out "
                           "(KVNS_NO_STREAMS)");
}

/* The same. */
static bool stream_rdb_load(struct stream *s, struct mem *m,
                            struct rdb_in *in, uint8_t type, bool *refused) {
    struct stream_rdb_in x;
    size_t left;
    bool more;

    stream_rdb_open(&x, s, m, in, type);
    *refused = false;
    return stream_rdb_read(&x, &left, &more);
}
#endif
