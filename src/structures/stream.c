/* SPDX-License-Identifier: MIT */
/* ==== stream - entries in order of their IDs ===============================
 *
 * Redis' stream: packs of entries, in an index by the ID of each pack's first
 * entry.  The elements of a pack are Redis', so that RDB and DUMP copy them:
 *
 *   master   live, deleted, n, field * n, 0
 *   entry    flags, ms, seq, value * n, back              flags 2: same fields
 *            flags, ms, seq, k, (field, value) * k, back  others
 *
 * ms and seq are what the entry's ID is beyond that of the pack; `back` says
 * how many elements of the entry stand before it, for walking backwards.  An
 * entry is deleted by a flag, 1, and a pack goes with its last live entry.
 *
 *   index    [ 5-0 -> pack ] [ 9-3 -> pack ] ...
 *
 * A node's room begins small, doubles to the limit, and is cut to what is
 * needed when the next node begins.
 *
 * Freezing, for snapshots, takes no time: it begins an epoch, whose number
 * every node carries that is made from then on or has been read.  One with
 * another is old: a copy of it is changed, and what it was is kept, in an index
 * of its own, until it is read.  Nodes are read in order of their IDs from both
 * indices.  Without memory to keep one, what was is lost.  For groups see
 * readers.
 *
 * What comes from outside is put in by stream_add_pack, which believes
 * nothing.  `held` counts all bytes but those of struct stream.
 *
 * KVNS_NO_STREAMS leaves streams out: here, in ids, readers, stream_rdb and the
 * commands.  What is left below says that there are none.
 *
 * floor 1 - uses: base arena mem trim pack ids readers
 */
#if !defined(KVNS_NO_STREAMS)
enum {
    STREAM_DELETED = 1,         /* flags of an entry */
    STREAM_SAME = 2,            /* its fields are those of the master */
    STREAM_MOST = 1 << 30       /* bytes of a pack, whatever the options say */
};

struct stream_node {
    uint32_t bytes, cap;        /* of the pack, of the room */
    uint32_t elements;          /* of the pack */
    uint32_t epoch;             /* when frozen: another than that, if old */
    uint8_t room[];
};

/* An item of the index. */
struct stream_slot {
    struct stream_id id;
    struct stream_node *node;
};

struct stream {
    struct ids nodes;           /* of struct stream_slot */
    uint64_t len;               /* entries that are not deleted */
    uint64_t added;             /* entries there ever were */
    struct stream_id last;      /* the largest ID there ever was */
    struct stream_id first;     /* of the first entry; 0-0: none */
    struct stream_id deleted;   /* the largest that was deleted */
    struct readers groups;
    size_t held;
    struct stream_frozen *frozen;   /* what it was, if somebody reads that */
    uint32_t epoch;             /* since it was frozen last */
};

/* A stream as it was, but for its groups.  Of a stream there is one at a
 * time. */
struct stream_frozen {
    struct stream *of;
    struct ids kept;            /* old nodes that have left it, not read yet */
    size_t held;                /* bytes of that index */
    struct stream_id at;        /* in the stream what is below was read */
    bool through;               /* in the stream all was read */
    size_t count, left;         /* nodes; those to be read */
    uint64_t len, added;
    struct stream_id last, first, deleted;
    struct readers_frozen groups;
    bool failed;                /* there was no memory to keep a node */
};

/* A walk over entries from one ID to another, forward or backward. */
struct stream_walk {
    struct ids_at at;           /* the node; leaf NULL: at the end */
    const uint8_t *p;           /* its pack */
    size_t n;
    size_t entries;             /* offset of its first entry */
    size_t fields;              /* offset of the first master field */
    size_t next;                /* offset where to read on; going back, where
                                   the entries still to be read end */
    uint64_t nfields;           /* of the master */
    struct stream_id base;      /* of the node */
    struct stream_id from, to;
    bool back;
    /* the entry at hand: */
    struct stream_id id;
    size_t entry;               /* its offset */
    unsigned flags;
    uint64_t pairs;             /* fields with their values */
    size_t data;                /* offset of the next of them */
    size_t field;               /* offset of the next master field */
};

static const struct stream_id stream_id_max = { UINT64_MAX, UINT64_MAX };

static inline void stream_init(struct stream *s) {
    memset(s, 0, sizeof *s);
    ids_init(&s->nodes, sizeof(struct stream_slot));
}

static inline struct stream_slot stream__slot(struct ids_at at) {
    struct stream_slot slot;

    memcpy(&slot, ids_item(at), sizeof slot);
    return slot;
}

static inline size_t stream__size(const struct stream_node *node) {
    return sizeof *node + (size_t)node->cap;
}

/* The integer at an offset of a pack; the offset of the element behind. */
static inline size_t stream__int(const uint8_t *p, size_t n, size_t at,
                                 int64_t *i) {
    struct pack_item it;

    at = pack_read(p, n, at, &it);
    KVNS_ASSERT(it.is_int);
    *i = it.i;
    return at;
}

/* ---- nodes --------------------------------------------------------------- */

/* A node with room for cap bytes at least, in no stream.  NULL: no memory. */
static struct stream_node *stream__node(struct stream *s, struct mem *m,
                                        size_t cap) {
    size_t n = sizeof(struct stream_node) + cap;
    struct stream_node *node;

    if (cap > UINT32_MAX / 2) return NULL;
    if (n <= MEM_SMALL) n = mem_size(n);
    node = mem_try(m, n);
    if (node == NULL) return NULL;
    s->held += mem_size(n);
    node->bytes = node->elements = 0;
    node->epoch = s->epoch;
    node->cap = (uint32_t)(n - sizeof *node);
    return node;
}

/* Is a node frozen and not read yet? */
static inline bool stream__is_old(const struct stream *s,
                                  const struct stream_node *node) {
    return UNLIKELY(s->frozen != NULL) && node->epoch != s->epoch;
}

/* Keep an old node that leaves the stream.  False: no memory. */
static COLD bool stream__keep(struct stream_frozen *f, struct mem *m,
                              struct stream_slot was) {
    size_t held = f->held;
    struct stream_slot *slot;
    bool made;

    slot = f->failed ? NULL : ids_put(&f->kept, m, &f->held, was.id, &made);
    m->kept += f->held - held;  /* the index may have grown all the same */
    if (slot == NULL) {
        f->failed = true;
        return false;
    }
    KVNS_ASSERT(made);
    slot->node = was.node;
    m->kept += mem_size(stream__size(was.node));
    return true;
}

/* A node has left the stream: free it, or keep it if it is old. */
static void stream__discard(struct stream *s, struct mem *m,
                            struct stream_slot slot) {
    size_t n = stream__size(slot.node);

    s->held -= mem_size(n);
    if (stream__is_old(s, slot.node) && stream__keep(s->frozen, m, slot))
        return;
    mem_drop(m, slot.node, n);
}

/* Free a node that has not come into the stream. */
static void stream__free_node(struct stream *s, struct mem *m,
                              struct stream_node *node) {
    s->held -= mem_size(stream__size(node));
    mem_drop(m, node, stream__size(node));
}

/* Make the node of an ID one of our own with room for cap bytes at least.
 * NULL: no memory, nothing changed. */
static struct stream_node *stream__own(struct stream *s, struct mem *m,
                                       struct stream_slot was, size_t cap) {
    struct stream_node *node;
    struct stream_slot *slot;
    bool refused;

    if (LIKELY(!stream__is_old(s, was.node) && was.node->cap >= cap))
        return was.node;
    node = stream__node(s, m, size_max(cap, was.node->bytes));
    if (node == NULL) return NULL;
    slot = ids_edit(&s->nodes, m, &s->held, was.id, &refused);
    KVNS_ASSERT(slot != NULL);  /* the index is never frozen */
    node->bytes = was.node->bytes;
    node->elements = was.node->elements;
    memcpy(node->room, was.node->room, node->bytes);
    slot->node = node;
    stream__discard(s, m, was);
    return node;
}

/* Give back what a node that is done does not need, if there is memory. */
static void stream__trim_room(struct stream *s, struct mem *m,
                              struct stream_slot was) {
    size_t n = sizeof *was.node + was.node->bytes, old = stream__size(was.node);
    struct stream_node *node;
    struct stream_slot *slot;
    bool refused;

    if (stream__is_old(s, was.node)) return;
    if (n <= MEM_SMALL) n = mem_size(n);
    if (n >= old) return;
    node = mem_resize(m, was.node, old, n);
    if (node == NULL) return;
    s->held += mem_size(n) - mem_size(old);
    node->cap = (uint32_t)(n - sizeof *node);
    slot = ids_edit(&s->nodes, m, &s->held, was.id, &refused);
    slot->node = node;
}

/* Write an integer over the one at an offset of a node, which is our own and
 * has room; returns by how much the pack grew. */
static ptrdiff_t stream__set_int(struct stream_node *node, size_t at,
                                 int64_t i) {
    size_t old = pack_next(node->room, node->bytes, at) - at;
    struct pack_item it = pack_item_of_int(i);
    size_t size = pack_item_size(&it);

    pack_splice(node->room, node->bytes, at, old, size);
    node->bytes += (uint32_t)(size - old);
    pack_write_int(node->room + at, i);
    return (ptrdiff_t)size - (ptrdiff_t)old;
}

enum { STREAM_SLACK = 24 };     /* by which counts and flags may grow */

/* Add to the counts of a node, which is our own and has room. */
static ptrdiff_t stream__count(struct stream_node *node, int64_t live,
                               int64_t deleted) {
    int64_t a, b;
    size_t at = stream__int(node->room, node->bytes, 0, &a);
    ptrdiff_t grew;

    stream__int(node->room, node->bytes, at, &b);
    grew = deleted == 0 ? 0 : stream__set_int(node, at, b + deleted);
    return grew + (live == 0 ? 0 : stream__set_int(node, 0, a + live));
}

/* Drop a node with all its entries; what they add up to is the caller's. */
static void stream__drop_node(struct stream *s, struct mem *m,
                              struct stream_slot slot) {
    bool found;

    if (!ids_drop(&s->nodes, m, &s->held, slot.id, &found) || !found)
        KVNS_ASSERT(!"the index is never frozen");
    stream__discard(s, m, slot);
}

/* ---- walking ------------------------------------------------------------- */

/* Look into the node that a walk has come to. */
static void stream__enter(struct stream_walk *w) {
    struct stream_slot slot;
    size_t at = 0;
    int64_t n;

    if (w->at.leaf == NULL) return;
    slot = stream__slot(w->at);
    w->base = slot.id;
    w->p = slot.node->room;
    w->n = slot.node->bytes;
    at = pack_next(w->p, w->n, at);
    at = pack_next(w->p, w->n, at);
    at = stream__int(w->p, w->n, at, &n);
    w->nfields = (uint64_t)n;
    w->fields = at;
    for (; n > 0; n--) at = pack_next(w->p, w->n, at);
    w->entries = pack_next(w->p, w->n, at);
    w->next = w->back ? w->n : w->entries;
}

/* Begin to walk over the entries with IDs in from..to. */
static void stream_walk(const struct stream *s, struct stream_id from,
                        struct stream_id to, bool back,
                        struct stream_walk *w) {
    w->from = from;
    w->to = to;
    w->back = back;
    w->at = ids_seek_back(&s->nodes, back ? to : from);
    if (w->at.leaf == NULL && !back) w->at = ids_first(&s->nodes);
    stream__enter(w);
}

/* Read the head of the entry at w->entry; the offset of what follows. */
static size_t stream__head(struct stream_walk *w) {
    int64_t flags, ms, seq, n;
    size_t at = stream__int(w->p, w->n, w->entry, &flags);

    at = stream__int(w->p, w->n, at, &ms);
    at = stream__int(w->p, w->n, at, &seq);
    w->id.ms = w->base.ms + (uint64_t)ms;
    w->id.seq = w->base.seq + (uint64_t)seq;
    w->flags = (unsigned)flags;
    w->pairs = w->nfields;
    if ((w->flags & STREAM_SAME) == 0) {
        at = stream__int(w->p, w->n, at, &n);
        w->pairs = (uint64_t)n;
    }
    w->data = at;
    w->field = w->fields;
    return at;
}

/* Where the entry ends whose head was read. */
static size_t stream__end(const struct stream_walk *w) {
    uint64_t n = (w->flags & STREAM_SAME) != 0 ? w->pairs : 2 * w->pairs;
    size_t at = w->data;

    for (n++; n > 0; n--) at = pack_next(w->p, w->n, at);
    return at;
}

/* Go to the next entry of any kind in this node or others.  False: none. */
static bool stream__step(struct stream_walk *w) {
    int64_t back;

    while (w->at.leaf != NULL) {
        if (!w->back && w->next < w->n) {
            w->entry = w->next;
            stream__head(w);
            w->next = stream__end(w);
            return true;
        }
        if (w->back && w->next > w->entries) {
            size_t at = pack_prev(w->p, w->n, w->next);

            stream__int(w->p, w->n, at, &back);
            for (; back > 0; back--) at = pack_prev(w->p, w->n, at);
            w->entry = w->next = at;
            stream__head(w);
            return true;
        }
        if (w->back) ids_prev(&w->at);
        else ids_next(&w->at);
        stream__enter(w);
    }
    return false;
}

/* Go to the next entry that is not deleted.  False: there is none. */
static bool stream_next(struct stream_walk *w) {
    while (stream__step(w)) {
        if ((w->flags & STREAM_DELETED) != 0) continue;
        if (w->back ? stream_id_cmp(w->id, w->from) < 0 :
                      stream_id_cmp(w->id, w->to) > 0) {
            w->at.leaf = NULL;
            return false;
        }
        if (w->back ? stream_id_cmp(w->id, w->to) <= 0 :
                      stream_id_cmp(w->id, w->from) >= 0)
            return true;
    }
    return false;
}

/* Read the next field of the entry at hand, w->pairs times at most. */
static inline void stream_field(struct stream_walk *w, struct pack_item *field,
                                struct pack_item *value) {
    if ((w->flags & STREAM_SAME) != 0)
        w->field = pack_read(w->p, w->n, w->field, field);
    else
        w->data = pack_read(w->p, w->n, w->data, field);
    w->data = pack_read(w->p, w->n, w->data, value);
}

/* Find the entry of an ID: the walk stands at it.  False: there is none. */
static bool stream_find(const struct stream *s, struct stream_id id,
                        struct stream_walk *w) {
    stream_walk(s, id, id, false, w);
    return stream_next(w);
}

/* The ID of the last entry, or of the first; 0-0 if there is none. */
static struct stream_id stream_edge(const struct stream *s, bool last) {
    struct stream_id none = { 0, 0 };
    struct stream_walk w;

    stream_walk(s, none, stream_id_max, last, &w);
    return stream_next(&w) ? w.id : none;
}

/* ---- adding -------------------------------------------------------------- */

/* Are the fields those of the master?  argv has field, value, ... */
static bool stream__same_fields(const struct stream_node *node,
                                const struct str *argv, size_t pairs) {
    size_t at = pack_next(node->room, node->bytes, 0);
    struct pack_item it, name;
    int64_t n;

    at = pack_next(node->room, node->bytes, at);
    at = stream__int(node->room, node->bytes, at, &n);
    if ((uint64_t)n != pairs) return false;
    for (size_t i = 0; i < pairs; i++) {
        at = pack_read(node->room, node->bytes, at, &it);
        if (!it.is_int) {
            /* what would be an integer is one here */
            if (!str_eq(it.s, argv[2 * i])) return false;
            continue;
        }
        name = pack_item_of(argv[2 * i]);
        if (!pack_item_same(&it, &name)) return false;
    }
    return true;
}

/* Bytes of the elements of an entry, without the master's. */
static size_t stream__entry_size(const struct str *argv, size_t pairs,
                                 bool same, int64_t ms, int64_t seq) {
    struct pack_item it[4] = {
        pack_item_of_int(0), pack_item_of_int(ms), pack_item_of_int(seq),
        pack_item_of_int((int64_t)(same ? pairs + 3 : 2 * pairs + 4))
    };
    size_t n = 0;

    for (size_t i = 0; i < 4; i++) n += pack_item_size(&it[i]);
    it[0] = pack_item_of_int((int64_t)pairs);
    if (!same) n += pack_item_size(&it[0]);
    for (size_t i = 0; i < 2 * pairs; i++)
        if (!same || i % 2 == 1) n += pack_size_of(argv[i]);
    return n;
}

/* Append an entry to a node, our own and with room. */
static void stream__write_entry(struct stream_node *node,
                                const struct str *argv, size_t pairs,
                                bool same, int64_t ms, int64_t seq) {
    uint8_t *to = node->room + node->bytes;

    to += pack_write_int(to, same ? STREAM_SAME : 0);
    to += pack_write_int(to, ms);
    to += pack_write_int(to, seq);
    if (!same) to += pack_write_int(to, (int64_t)pairs);
    for (size_t i = 0; i < 2 * pairs; i++)
        if (!same || i % 2 == 1) to += pack_write(to, argv[i]);
    to += pack_write_int(to, (int64_t)(same ? pairs + 3 : 2 * pairs + 4));
    node->bytes = (uint32_t)(to - node->room);
    node->elements += (uint32_t)(same ? pairs + 4 : 2 * pairs + 5);
}

/* Begin a node with an entry.  False: no memory, nothing changed. */
static bool stream__begin(struct stream *s, struct mem *m,
                          struct stream_id id, const struct str *argv,
                          size_t pairs) {
    struct pack_item count = pack_item_of_int((int64_t)pairs);
    size_t n = 2 + 2 + pack_item_size(&count) + 2;
    struct stream_node *node;
    struct stream_slot *slot;
    bool made;
    uint8_t *to;

    for (size_t i = 0; i < pairs; i++) n += pack_size_of(argv[2 * i]);
    n += stream__entry_size(argv, pairs, true, 0, 0);
    node = stream__node(s, m, n);
    if (node == NULL) return false;
    slot = ids_put(&s->nodes, m, &s->held, id, &made);
    if (slot == NULL) {
        stream__free_node(s, m, node);
        return false;
    }
    KVNS_ASSERT(made);
    slot->node = node;
    to = node->room;
    to += pack_write_int(to, 1);
    to += pack_write_int(to, 0);
    to += pack_write_int(to, (int64_t)pairs);
    for (size_t i = 0; i < pairs; i++) to += pack_write(to, argv[2 * i]);
    to += pack_write_int(to, 0);
    node->bytes = (uint32_t)(to - node->room);
    node->elements = (uint32_t)(pairs + 4);
    stream__write_entry(node, argv, pairs, true, 0, 0);
    return true;
}

/* May the last node take another entry, whose fields and values have so many
 * bytes?  The limits are Redis', 0 for none. */
static bool stream__allows(const struct stream_node *node, size_t bytes,
                           size_t most_bytes, size_t most_entries) {
    size_t at;
    int64_t live, deleted;

    if (most_bytes == 0 || most_bytes > STREAM_MOST) most_bytes = STREAM_MOST;
    if (node->bytes + PACK_EXTRA + bytes >= most_bytes) return false;
    if (most_entries == 0) return true;
    at = stream__int(node->room, node->bytes, 0, &live);
    stream__int(node->room, node->bytes, at, &deleted);
    return (uint64_t)live + (uint64_t)deleted < most_entries;
}

/* Append an entry to a node if it may take one; *done says so.  False: no
 * memory, nothing changed. */
static bool stream__append(struct stream *s, struct mem *m,
                           struct stream_slot slot, struct stream_id id,
                           const struct str *argv, size_t pairs,
                           size_t most_bytes) {
    bool same = stream__same_fields(slot.node, argv, pairs);
    int64_t ms = (int64_t)(id.ms - slot.id.ms);
    int64_t seq = (int64_t)(id.seq - slot.id.seq);
    size_t need = slot.node->bytes + STREAM_SLACK +
                  stream__entry_size(argv, pairs, same, ms, seq);
    size_t cap = need;
    struct stream_node *node;

    if (slot.node->cap < need) {
        /* to the limit by doubling: what is begun is mostly filled */
        cap = size_min((size_t)slot.node->cap * 2, most_bytes == 0 ?
                           need + need / 4 : most_bytes + STREAM_SLACK);
        cap = size_max(cap, need);
    }
    node = stream__own(s, m, slot, cap);
    if (node == NULL) return false;
    stream__write_entry(node, argv, pairs, same, ms, seq);
    stream__count(node, 1, 0);
    return true;
}

/* Add an entry: its ID is above `last`; argv has field, value, ... of together
 * STREAM_MOST bytes at most.  Limits are of a node, 0 for none.  False: no
 * memory, nothing changed. */
static bool stream_add(struct stream *s, struct mem *m, struct stream_id id,
                       const struct str *argv, size_t pairs,
                       size_t most_bytes, size_t most_entries) {
    struct ids_at at = ids_last(&s->nodes);
    struct stream_slot slot;
    size_t bytes = 0;

    KVNS_ASSERT(stream_id_cmp(id, s->last) > 0);
    for (size_t i = 0; i < 2 * pairs; i++) bytes += argv[i].n;
    if (at.leaf != NULL) slot = stream__slot(at);
    if (at.leaf != NULL &&
        stream__allows(slot.node, bytes, most_bytes, most_entries)) {
        if (!stream__append(s, m, slot, id, argv, pairs, most_bytes))
            return false;
    } else {
        if (!stream__begin(s, m, id, argv, pairs)) return false;
        if (at.leaf != NULL) stream__trim_room(s, m, slot);
    }
    s->len++;
    s->added++;
    s->last = id;
    if (s->len == 1) s->first = id;
    return true;
}

/* ---- deleting ------------------------------------------------------------ */

/* Delete the entry of an ID.  False: no memory, nothing changed; *found: there
 * was one.  `first` and `deleted` are for stream_deleted to set. */
static bool stream_drop(struct stream *s, struct mem *m, struct stream_id id,
                        bool *found) {
    struct stream_walk w;
    struct stream_slot slot;
    struct stream_node *node;
    int64_t live;

    *found = stream_find(s, id, &w);
    if (!*found) return true;
    slot = stream__slot(w.at);
    stream__int(w.p, w.n, 0, &live);
    if (live == 1) {
        stream__drop_node(s, m, slot);
    } else {
        node = stream__own(s, m, slot, slot.node->bytes + STREAM_SLACK);
        if (node == NULL) return false;
        stream__set_int(node, w.entry, w.flags | STREAM_DELETED);
        stream__count(node, -1, 1);
    }
    s->len--;
    return true;
}

/* Entries have gone: see which is the first now. */
static inline void stream_settle_first(struct stream *s) {
    s->first = s->len == 0 ? (struct stream_id){ 0, 0 } :
                             stream_edge(s, false);
}

/* What to trim a stream to. */
struct stream_trim {
    bool by_id;                 /* to entries from min on, else to `most` */
    bool roughly;               /* whole nodes only */
    uint64_t most;
    struct stream_id min;
    uint64_t limit;             /* entries deleted at most; 0: any number */
};

/* The ID of the last entry of a node, deleted or not. */
static struct stream_id stream__node_last(struct ids_at at) {
    struct stream_walk w = { .back = true, .at = at };

    stream__enter(&w);
    return stream__step(&w) ? w.id : w.base;
}

/* How many entries at the front of a node are to go.  As in Redis a deleted one
 * whose ID is not to go ends that too. */
static int64_t stream__trim_count(const struct stream *s, struct ids_at at,
                                  const struct stream_trim *trim) {
    struct stream_walk w = { .at = at };
    int64_t n = 0;

    stream__enter(&w);
    while (w.next < w.n && stream__step(&w)) {
        if (trim->by_id ? stream_id_cmp(w.id, trim->min) >= 0 :
                          s->len - (uint64_t)n <= trim->most)
            break;
        n += (w.flags & STREAM_DELETED) == 0;
    }
    return n;
}

/* Delete entries from the front of a node, up to what the trim says.  False:
 * no memory, nothing changed. */
static bool stream__trim_node(struct stream *s, struct mem *m,
                              struct ids_at at,
                              const struct stream_trim *trim, uint64_t *gone) {
    struct stream_slot slot = stream__slot(at);
    struct stream_walk w = { .at = at };
    int64_t n = stream__trim_count(s, at, trim), live;
    struct stream_node *node;

    if (n == 0) return true;
    stream__int(slot.node->room, slot.node->bytes, 0, &live);
    if (n == live) {
        stream__drop_node(s, m, slot);
    } else {
        node = stream__own(s, m, slot, slot.node->bytes + STREAM_SLACK);
        if (node == NULL) return false;
        stream__enter(&w);
        for (int64_t left = n; left > 0 && stream__step(&w);) {
            if ((w.flags & STREAM_DELETED) != 0) continue;
            /* a flag takes as many bytes as before: nothing moves */
            stream__set_int(node, w.entry, w.flags | STREAM_DELETED);
            left--;
        }
        stream__count(node, -n, n);
    }
    s->len -= (uint64_t)n;
    *gone += (uint64_t)n;
    return true;
}

/* Trim a stream; *gone is how many entries were deleted.  False: no memory,
 * some may have gone. */
static bool stream_trim(struct stream *s, struct mem *m,
                        const struct stream_trim *trim, uint64_t *gone) {
    bool ok = true;

    *gone = 0;
    while (s->nodes.count > 0) {
        struct ids_at at = ids_first(&s->nodes);
        struct stream_slot slot = stream__slot(at);
        int64_t live;
        bool whole;

        if (!trim->by_id && s->len <= trim->most) break;
        stream__int(slot.node->room, slot.node->bytes, 0, &live);
        if (trim->limit != 0 && *gone + (uint64_t)live > trim->limit) break;
        whole = trim->by_id ?
                    stream_id_cmp(stream__node_last(at), trim->min) < 0 :
                    s->len - (uint64_t)live >= trim->most;
        if (!whole) {
            if (!trim->roughly) ok = stream__trim_node(s, m, at, trim, gone);
            break;
        }
        stream__drop_node(s, m, slot);
        s->len -= (uint64_t)live;
        *gone += (uint64_t)live;
    }
    if (*gone > 0) stream_settle_first(s);
    return ok;
}

/* ---- whole streams ------------------------------------------------------- */

/* Pieces there are to free. */
static size_t stream_work(const struct stream *s) {
    size_t n = s->nodes.count + s->groups.n;

    for (uint32_t i = 0; i < s->groups.n && n < 1000; i++)
        n += s->groups.v[i]->pending.leaves + s->groups.v[i]->n;
    return n;
}

/* Free up to *budget pieces of a stream that is not frozen, counted down.
 * True when nothing is left. */
static bool stream_free_step(struct stream *s, struct mem *m,
                             size_t *budget) {
    struct stream_slot slot;

    KVNS_ASSERT(s->frozen == NULL);
    while (s->nodes.count > 0) {
        if (*budget == 0) return false;
        --*budget;
        slot = stream__slot(ids_first(&s->nodes));
        stream__drop_node(s, m, slot);
    }
    if (!readers_free_step(&s->groups, m, &s->held, budget)) return false;
    KVNS_ASSERT(s->held == 0);
    return true;
}

/* How many nodes it has. */
static size_t stream_nodes(const struct stream *s) {
    return s->nodes.count;
}

/* Put `most` nodes from the i'th on elsewhere where that helps the arena; of a
 * stream that is not frozen. */
static void stream_compact(struct stream *s, struct mem *m, size_t i,
                           size_t most) {
    struct ids_leaf *leaf = s->nodes.first;

    for (; leaf != NULL && i >= leaf->n; leaf = leaf->next) i -= leaf->n;
    for (; leaf != NULL && most > 0; leaf = leaf->next, i = 0)
        for (; i < leaf->n && most > 0; i++, most--) {
            struct stream_slot *slot = (void *)ids__at(leaf, i);
            struct stream_node *node = slot->node, *to;
            size_t n = stream__size(node);

            if (!trim_sparse(m, node, n)) continue;
            to = mem_try(m, n);
            if (to == NULL) return;
            memcpy(to, node, n);
            slot->node = to;
            trim_leave(m, node, n);
        }
}

/* Make an empty stream a copy of another.  False: no memory, it is to be
 * freed. */
static bool stream_copy(struct stream *to, struct mem *m,
                        const struct stream *from) {
    struct ids_at at = ids_first(&from->nodes);

    for (; at.leaf != NULL; ids_next(&at)) {
        struct stream_slot slot = stream__slot(at), *dup;
        struct stream_node *node = stream__node(to, m, slot.node->bytes);
        bool made;

        if (node == NULL) return false;
        node->bytes = slot.node->bytes;
        node->elements = slot.node->elements;
        memcpy(node->room, slot.node->room, node->bytes);
        dup = ids_put(&to->nodes, m, &to->held, slot.id, &made);
        if (dup == NULL) {
            stream__free_node(to, m, node);
            return false;
        }
        dup->node = node;
    }
    to->len = from->len;
    to->added = from->added;
    to->last = from->last;
    to->first = from->first;
    to->deleted = from->deleted;
    return readers_copy(&to->groups, m, &to->held, &from->groups);
}

/* ---- what was ------------------------------------------------------------ */

/* Freeze a stream as it is, in no time; f must stay where it is until
 * stream_frozen_end. */
static void stream_freeze(struct stream *s, struct stream_frozen *f) {
    KVNS_ASSERT(s->frozen == NULL);
    if (++s->epoch == 0) s->epoch = 1;
    memset(f, 0, sizeof *f);
    f->of = s;
    ids_init(&f->kept, sizeof(struct stream_slot));
    f->count = f->left = s->nodes.count;
    f->len = s->len;
    f->added = s->added;
    f->last = s->last;
    f->first = s->first;
    f->deleted = s->deleted;
    readers_freeze(&s->groups, &f->groups, s->epoch);
    s->frozen = f;
}

/* The next node of a frozen stream, in order, for stream_frozen_read; NULL:
 * none this time.  False: there is none any more. */
static bool stream_frozen_next(struct stream_frozen *f,
                               struct stream_slot *slot) {
    struct ids_at at = ids_seek(&f->of->nodes, f->at);
    struct ids_at kept = ids_first(&f->kept);
    struct stream_slot was;

    slot->node = NULL;
    if (f->through) at.leaf = NULL;
    if (f->left == 0 || (at.leaf == NULL && kept.leaf == NULL)) return false;
    if (at.leaf != NULL) *slot = stream__slot(at);
    if (kept.leaf != NULL) {
        was = stream__slot(kept);
        if (at.leaf == NULL || stream_id_cmp(was.id, slot->id) <= 0) {
            *slot = was;
            return true;
        }
    }
    f->at = slot->id;
    f->through = !stream_id_next(&f->at);
    if (!stream__is_old(f->of, slot->node)) slot->node = NULL;
    return true;
}

/* A node was read: it is frozen no more. */
static void stream_frozen_read(struct stream_frozen *f, struct mem *m,
                               struct stream_slot slot) {
    size_t n = stream__size(slot.node), held = f->held;
    bool kept;

    f->left--;
    slot.node->epoch = f->of->epoch;
    if (!ids_drop(&f->kept, m, &f->held, slot.id, &kept))
        KVNS_ASSERT(!"this index is never frozen");
    if (!kept) return;
    m->kept -= held - f->held + mem_size(n);
    mem_drop(m, slot.node, n);
}

/* All was read: of a stream whose groups were, too. */
static void stream_frozen_end(struct stream_frozen *f) {
    KVNS_ASSERT(f->kept.count == 0 && f->held == 0);
    readers_frozen_end(&f->groups);
    f->of->frozen = NULL;
    f->of = NULL;
}

/* ---- packs from outside -------------------------------------------------- */

/* A pack as it is checked: p[0..n) is a valid one. */
struct stream__check {
    const uint8_t *p;
    size_t n, at;
};

/* Read an integer, which has to be there. */
static bool stream__see_int(struct stream__check *c, int64_t *i) {
    struct pack_item it;

    if (c->at == c->n) return false;
    c->at = pack_read(c->p, c->n, c->at, &it);
    *i = it.i;
    return it.is_int;
}

/* Pass over some elements, which have to be there. */
static bool stream__see(struct stream__check *c, int64_t n) {
    if (n < 0) return false;
    for (; n > 0; n--) {
        if (c->at == c->n) return false;
        c->at = pack_next(c->p, c->n, c->at);
    }
    return true;
}

/* Check one entry; `was` is the ID of the one before it that is not deleted,
 * none in the first.  Behind XSETID an ID may be below those deleted before. */
static bool stream__see_entry(struct stream__check *c, int64_t nfields,
                              struct stream_id base, bool first,
                              struct stream_id *was, int64_t *flags) {
    int64_t ms, seq, n = nfields, back, want = nfields + 3;
    struct stream_id id;

    if (!stream__see_int(c, flags) || *flags < 0 || *flags > 3) return false;
    if (!stream__see_int(c, &ms) || !stream__see_int(c, &seq)) return false;
    if ((*flags & STREAM_SAME) == 0) {
        if (!stream__see_int(c, &n) || n < 0 || n > INT32_MAX) return false;
        want = 2 * n + 4;
        n *= 2;
    }
    if (!stream__see(c, n) || !stream__see_int(c, &back)) return false;
    id.ms = base.ms + (uint64_t)ms;
    id.seq = base.seq + (uint64_t)seq;
    if (back != want || (*flags & STREAM_DELETED) != 0) return back == want;
    if (first ? stream_id_cmp(id, base) < 0 : stream_id_cmp(id, *was) <= 0)
        return false;
    *was = id;
    return true;
}

/* Check the elements of a valid pack: *live entries are what it says, *last is
 * the ID of the last of them. */
static bool stream__check(struct str pack, struct stream_id base,
                          int64_t *live, struct stream_id *last) {
    struct stream__check c = { (const uint8_t *)pack.p, pack.n, 0 };
    int64_t deleted, nfields, zero, alive = 0, dead = 0, flags;

    if (!stream__see_int(&c, live) || *live < 0) return false;
    if (!stream__see_int(&c, &deleted) || deleted < 0) return false;
    if (!stream__see_int(&c, &nfields) || nfields < 0 || nfields > INT32_MAX)
        return false;
    if (!stream__see(&c, nfields)) return false;
    if (!stream__see_int(&c, &zero) || zero != 0) return false;
    *last = base;
    while (c.at < c.n) {
        if (!stream__see_entry(&c, nfields, base, alive == 0, last, &flags))
            return false;
        if ((flags & STREAM_DELETED) != 0) dead++;
        else alive++;
    }
    return alive == *live && dead == deleted && alive + dead > 0;
}

/* Put a pack of any origin behind those that are there; it has been found
 * valid as a pack.  *refused: no memory.  False: it is not as it must be, or
 * refused. */
static bool stream_add_pack(struct stream *s, struct mem *m,
                            struct stream_id id, struct str pack,
                            size_t elements, bool *refused) {
    struct stream_id last = s->last;
    struct stream_node *node;
    struct stream_slot *slot;
    int64_t live;
    bool made;

    *refused = false;
    if (s->nodes.count > 0 && stream_id_cmp(id, last) <= 0) return false;
    if (pack.n > STREAM_MOST || elements > UINT32_MAX) return false;
    if (!stream__check(pack, id, &live, &last)) return false;
    if (live == 0) return true; /* Redis may leave such behind */
    *refused = true;
    node = stream__node(s, m, pack.n);
    if (node == NULL) return false;
    slot = ids_put(&s->nodes, m, &s->held, id, &made);
    if (slot == NULL) {
        stream__free_node(s, m, node);
        return false;
    }
    slot->node = node;
    memcpy(node->room, pack.p, pack.n);
    node->bytes = (uint32_t)pack.n;
    node->elements = (uint32_t)elements;
    s->len += (uint64_t)live;
    s->last = last;
    *refused = false;
    return true;
}

/* ---- how far a group is -------------------------------------------------- */

/* Was an entry deleted at or behind an ID? */
static bool stream_has_holes(const struct stream *s, struct stream_id from) {
    if (s->len == 0 || stream_id_is_zero(s->deleted)) return false;
    if (stream_id_cmp(s->first, s->deleted) > 0) return false;
    return stream_id_cmp(from, s->deleted) <= 0;
}

/* How many entries there ever were up to an ID; READERS_UNKNOWN. */
static int64_t stream_rank(const struct stream *s, struct stream_id id) {
    int c = stream_id_cmp(id, s->last);

    if (s->added == 0) return 0;
    if (s->len == 0 && c < 1) return (int64_t)s->added;
    if (c == 0) return (int64_t)s->added;
    if (c > 0) return READERS_UNKNOWN;
    if (!stream_id_is_zero(s->deleted) &&
        stream_id_cmp(s->deleted, s->first) >= 0)
        return READERS_UNKNOWN;
    c = stream_id_cmp(id, s->first);
    if (c < 0) return (int64_t)(s->added - s->len);
    return c == 0 ? (int64_t)(s->added - s->len + 1) : READERS_UNKNOWN;
}

/* ---- Redis' index, counted ----------------------------------------------- */

/* In how many leading bytes two different IDs agree, of their 16, high bytes
 * first. */
static int stream__common(struct stream_id a, struct stream_id b) {
    uint64_t x = a.ms != b.ms ? a.ms ^ b.ms : a.seq ^ b.seq;
    int n = a.ms != b.ms ? 0 : 8;

    for (; x >> 56 == 0; x <<= 8) n++;
    return n;
}

/* How many nodes Redis' radix tree of the packs would have: a leaf a pack, one
 * for each byte where keys part, and one for each run of bytes between. */
static size_t stream_radix_nodes(const struct stream *s) {
    struct ids_at at = ids_first(&s->nodes);
    int fork[17], depth = 0;    /* where the way to the key at hand forks */
    struct stream_id was, is;
    size_t n = 1;

    if (at.leaf == NULL) return 1;
    was = stream__slot(at).id;
    fork[0] = -1;               /* above the root */
    for (ids_next(&at); at.leaf != NULL; ids_next(&at)) {
        int c, below = 16;

        is = stream__slot(at).id;
        c = stream__common(was, is);
        KVNS_ASSERT(c >= 0 && depth < 16);
        /* the forks below end with the key before */
        while (fork[depth] > c) {
            if (below > fork[depth] + 1) n++;
            below = fork[depth];
            n++;
            depth--;
        }
        if (fork[depth] == c) {
            if (below > c + 1) n++;
        } else {
            if (below > c + 1) n++;
            fork[++depth] = c;
        }
        n++;
        was = is;
    }
    for (int below = 16; depth >= 0; depth--) {
        if (below > fork[depth] + 1) n++;
        below = fork[depth];
        if (below >= 0) n++;
    }
    return n;
}

#ifdef KVNS_VERIFY
TESTED_ONLY static void stream_verify(const struct stream *s) {
    size_t held = ids__verify(&s->nodes) + readers__verify(&s->groups);
    struct stream_id last = { 0, 0 };
    uint64_t len = 0;

    for (struct ids_at at = ids_first(&s->nodes); at.leaf != NULL;
         ids_next(&at)) {
        struct stream_slot slot = stream__slot(at);
        struct str pack = str_of(slot.node->room, slot.node->bytes);
        size_t count;
        int64_t live;

        KVNS_ASSERT(len == 0 || stream_id_cmp(slot.id, last) > 0);
        KVNS_ASSERT(slot.node->bytes <= slot.node->cap);
        KVNS_ASSERT(pack_valid(slot.node->room, pack.n, &count));
        KVNS_ASSERT(count == slot.node->elements);
        KVNS_ASSERT(stream__check(pack, slot.id, &live, &last));
        held += mem_size(stream__size(slot.node));
        len += (uint64_t)live;
    }
    KVNS_ASSERT(len == s->len && held == s->held);
    KVNS_ASSERT(stream_id_cmp(last, s->last) <= 0);
}
#else
#define stream_verify(s) ((void)(s))
#endif
#else
/* Nobody can make one. */
struct stream {
    uint64_t len;
    size_t held;
};

/* An empty one. */
static void stream_init(struct stream *s) {
    memset(s, 0, sizeof *s);
}

/* Steps to free it. */
static size_t stream_work(const struct stream *s) {
    return (size_t)s->len;
}

/* Free it: there is nothing. */
static bool stream_free_step(struct stream *s, struct mem *m,
                             size_t *budget) {
    (void)m, (void)budget;
    return s->len == 0;
}

/* Copy it: there is nothing. */
static bool stream_copy(struct stream *to, struct mem *m,
                        const struct stream *from) {
    (void)m;
    *to = *from;
    return true;
}

/* How many nodes it has: none. */
static size_t stream_nodes(const struct stream *s) {
    return s->held;
}

/* Move nodes of it: there are none. */
static void stream_compact(struct stream *s, struct mem *m, size_t i,
                           size_t most) {
    (void)s, (void)m, (void)i, (void)most;
}
#endif
