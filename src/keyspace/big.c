/* SPDX-License-Identifier: MIT */
/* ==== big - collections too large for their entry ==========================
 *
 * A small collection lives in its entry as a pack or an intset.  A large one
 * is an object: a header, then tables, lists or skip lists.
 *
 *   list  a quick list of packs
 *   set   a table of items
 *   hash  a table of items with a value and perhaps a deadline, see due
 *   zset  a table of items with a score, which owns them, and a skip list
 *   stream  packs of entries in order of IDs, and groups of readers
 *
 * Nothing large is freed at once: big_free_step takes a few hundred elements
 * a time.
 *
 * floor 3 - uses: base arena mem hash table item quick skip stream entry
 *    shard
 */
struct big {
    size_t bytes;               /* all the key's memory, entry included */
    struct walk_aside *aside;   /* the snapshot's business with it, or NULL */
    struct big *next;           /* among those to be freed */
    uint8_t shape;
    bool mark;                  /* of elements the snapshot is done with */
};

struct big_list {
    struct big big;
    struct quick q;
};

struct big_set {
    struct big big;
    struct table members;
};

/* Fields of a hash that have a deadline; there are some. */
struct big_due {
    size_t n;                   /* how many */
    int64_t soonest;            /* none of them has one before that */
    int64_t filed;              /* the wheel looks at it then; 0: it does not */
    struct skip *order;         /* of a large hash: by deadline; or NULL */
};

struct big_hash {
    struct big big;
    struct table fields;
    struct big_due *due;        /* NULL: no field has a deadline */
};

struct big_zset {
    struct big big;
    struct table members;       /* owns the items */
    struct skip order;
};

struct big_stream {
    struct big big;
    struct stream s;
};

/* The seed for hashing items; any, since a table is private to its key. */
static inline uint64_t item_hash(uint64_t seed, struct str key) {
    return hash_fast(key.p, key.n, seed ^ UINT64_C(0x5be0cd19137e2179));
}

/* For the table; ctx is the keyspace's seed. */
static uint64_t item_hash_of(const void *ctx, const void *item) {
    return item_hash(*(const uint64_t *)ctx, item_key(item));
}

/* Find the item with this key in a table, or NULL; at says where. */
static inline struct item *item_find(const struct table *t, uint64_t seed,
                                     struct str key, struct table_at *at) {
    struct item *it = table_first(t, item_hash(seed, key), at);

    for (; it != NULL; it = table_next(at))
        if (item_is(it, key)) return it;
    return NULL;
}

/* The table of a big set, hash or sorted set. */
static inline struct table *big_table(struct big *b) {
    if (b->shape == SHAPE_SET_TABLE) return &((struct big_set *)b)->members;
    if (b->shape == SHAPE_HASH_TABLE) return &((struct big_hash *)b)->fields;
    KVNS_ASSERT(b->shape == SHAPE_ZSET_SKIP);
    return &((struct big_zset *)b)->members;
}

/* The command will look for a member or a field: if the key's value is a
 * table, call the line nearer that it may be in.  Behind hint_find, when the
 * entry has had time to come; whether it is that key's is seen later. */
static INLINE void hint_member(const struct keyspace *ks, struct key_hint *h,
                               struct str member) {
    const struct entry *e = h->found ? table_get(&h->at) : NULL;
    struct table *t;

    h->member.line = NULL;
    if (e == NULL) return;
    switch (entry_shape(e)) {
    case SHAPE_SET_TABLE:
    case SHAPE_HASH_TABLE:
    case SHAPE_ZSET_SKIP:
        h->table = t = big_table(entry_object(e));
        table_call(t, item_hash(ks->seed, member), &h->member);
        break;
    default: break;
    }
}

/* And then the member's item; under the same lock.  Lends it, if it is that: a
 * table only knows that it may be. */
static INLINE const struct item *hint_item(struct key_hint *h,
                                           struct str member) {
    const struct item *it = table_called(&h->member);

    if (it == NULL) return NULL;
    h->member_p = member.p;
    PREFETCH(it);
    return it;
}

/* The list of a sorted set that is so large that the way through it is worth
 * scouting, where the value that was hinted at is one; or NULL. */
static inline const struct skip *hint_order(const struct key_hint *h) {
    const struct entry *e = h->found ? table_get(&h->at) : NULL;
    const struct big_zset *z;

    if (e == NULL || entry_shape(e) != SHAPE_ZSET_SKIP) return NULL;
    z = entry_object(e);
    return skip_is_far(&z->order) ? &z->order : NULL;
}

/* The same as item_find for a command's member, in the table of its key: what
 * its hint knows is not worked out again.  Like the key's place, the member's
 * is good as long as nothing in the shard's tables has changed places. */
static INLINE struct item *item_of(const struct work *w, const struct table *t,
                                   struct str key, struct table_at *at) {
    const struct key_hint *h = w->hint;
    struct item *it;

    if (LIKELY(h != NULL && h->member_p == key.p) && LIKELY(h->table == t) &&
        LIKELY(h->moves == h->ref.shard->mem.moves)) {
        *at = h->member;
        it = table_get(at);
        VERIFY(it != NULL);
        if (LIKELY(item_is(it, key))) return it;
    }
    return item_find(t, w->ks->seed, key, at);
}

/* Bytes of the header of a big collection. */
static size_t big_size(enum shape shape) {
    switch (shape) {
    case SHAPE_LIST_QUICK: return sizeof(struct big_list);
    case SHAPE_SET_TABLE: return sizeof(struct big_set);
    case SHAPE_HASH_TABLE: return sizeof(struct big_hash);
    case SHAPE_ZSET_SKIP: return sizeof(struct big_zset);
    case SHAPE_STREAM: return sizeof(struct big_stream);
    default: KVNS_ASSERT(!"a big shape"); return 0;
    }
}

/* Elements: members, fields, list elements or a stream's entries. */
static inline size_t big_count(struct big *b) {
    if (b->shape == SHAPE_STREAM)
        return (size_t)((struct big_stream *)b)->s.len;
    if (b->shape == SHAPE_LIST_QUICK) return ((struct big_list *)b)->q.len;
    return big_table(b)->count;
}

/* About how many steps it takes to free it. */
static inline size_t big_work(struct big *b) {
    if (b->shape == SHAPE_STREAM)
        return stream_work(&((struct big_stream *)b)->s);
    return big_count(b);
}

/* Bytes of a list or a stream, which count their own. */
static inline size_t big_held(const struct big *b) {
    if (b->shape == SHAPE_STREAM) return ((const struct big_stream *)b)->s.held;
    return ((const struct big_list *)b)->q.held;
}

/* An empty collection of a big shape, or NULL.  Lists want to know their
 * nodes' fill, skip lists a seed. */
static struct big *big_try(struct mem *m, enum shape shape, int list_fill,
                           uint64_t seed) {
    struct big *b = mem_try(m, big_size(shape));

    if (b == NULL) return NULL;
    memset(b, 0, big_size(shape));
    b->shape = (uint8_t)shape;
    if (shape == SHAPE_LIST_QUICK)
        quick_init(&((struct big_list *)b)->q, list_fill);
    if (shape == SHAPE_ZSET_SKIP)
        skip_init(&((struct big_zset *)b)->order, seed);
    if (shape == SHAPE_STREAM) stream_init(&((struct big_stream *)b)->s);
    return b;
}

static void big__drop_item(void *ctx, void *item) {
    item_drop(ctx, item);
}

/* Free what is known of deadlines, up to *budget. */
static bool big__free_due(struct mem *m, struct big_hash *h, size_t *budget) {
    struct big_due *d = h->due;

    if (d == NULL) return true;
    if (d->order != NULL) {
        *budget -= size_min(*budget, skip_free_step(d->order, m, *budget));
        if (d->order->len > 0) return false;
        skip_free_step(d->order, m, SIZE_MAX);
        mem_drop(m, d->order, sizeof *d->order);
    }
    mem_drop(m, d, sizeof *d);
    h->due = NULL;
    return true;
}

/* Free up to *budget elements, counted down.  True when all is gone. */
static bool big_free_step(struct mem *m, struct big *b, size_t *budget) {
    if (b->shape == SHAPE_LIST_QUICK) {
        struct quick *q = &((struct big_list *)b)->q;
        size_t nodes = *budget / 16 + 1;

        *budget -= size_min(*budget, 16 * quick_free_step(q, m, nodes));
        if (q->nodes > 0) return false;
    } else if (b->shape == SHAPE_STREAM) {
        if (!stream_free_step(&((struct big_stream *)b)->s, m, budget))
            return false;
    } else {
        if (b->shape == SHAPE_ZSET_SKIP) {
            struct skip *order = &((struct big_zset *)b)->order;

            *budget -= size_min(*budget, skip_free_step(order, m, *budget));
            if (order->len > 0) return false;
            skip_free_step(order, m, SIZE_MAX);
        }
        if (b->shape == SHAPE_HASH_TABLE &&
            !big__free_due(m, (struct big_hash *)b, budget))
            return false;
        if (!table_free_step(big_table(b), m, budget, big__drop_item, m))
            return false;
    }
    mem_drop(m, b, big_size((enum shape)b->shape));
    return true;
}
