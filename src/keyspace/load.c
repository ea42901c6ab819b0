/* SPDX-License-Identifier: MIT */
/* ==== load - a value from RDB bytes ========================================
 *
 * The other way round than save: takes a value of any type that rdb_items
 * knows and makes it the value of an open edit, in the shape that its size
 * asks for under the options of today.  Packs and intsets that are as ours
 * would be are copied as they are; everything else is put together again.
 *
 * What comes in may be hostile.  rdb and rdb_items believe no length; here
 * everything else is looked at that our structures rely on: nothing stands
 * twice in a set, a hash or a sorted set, a packed sorted set is in order, and
 * room is made for as many elements as the input has bytes for, at most
 * LOAD_EXPECT.  A value is built beside the keyspace, so that one that breaks
 * off half way leaves nothing behind.  A large one can be taken in steps: what
 * is there of it belongs to nobody until its end.
 *
 * Fields whose time has come are left out.
 *
 * floor 3 - uses: base arena hash num buf table pack item intset quick skip
 *    order rdb rdb_items entry shard big due stream_rdb door fields
 */
enum {
    LOAD_EXPECT = 1 << 20,      /* elements room is made for in advance */
    LOAD_PIECE = 256 << 10,     /* bytes of a long string in a step */
    LOAD_FEW = 8                /* elements compared each with each */
};

/* What became of a value. */
enum load_did {
    LOAD_DONE,                  /* it is the key's */
    LOAD_MORE,                  /* there is more of it than one step takes */
    LOAD_EMPTY,                 /* nothing is in it: there is no such key */
    LOAD_BAD,                   /* the reader's `why` says what is wrong */
    LOAD_REFUSED                /* no memory */
};

/* Kept from one value to the next, for the room. */
struct load {
    int64_t now;                /* wall clock, ms: fields that are dead */
    struct buf room;            /* a pack being put together */
    struct buf pairs;           /* members of a sorted set to be sorted */
    struct buf slots;           /* for finding what stands twice */
    /* the value at hand: */
    struct keyspace *ks;
    struct mem *m;
    struct rdb_in *in;
    struct rdb_items it;
    enum shape shape;
    char number[8];
    struct str bytes;           /* what goes into the block */
    struct big *big;
    struct blob *blob;
    size_t got;                 /* bytes of it */
    struct stream_rdb_in stream;
    struct order order;         /* of a sorted set, all members there */
    size_t built;               /* bytes of m that earlier steps took */
    size_t left;                /* elements until the end of this step */
    uint8_t type;
    bool refused;
    bool more;                  /* the step ended before the value did */
    bool dues;                  /* fields have deadlines */
};

struct load__pair {
    double score;
    struct str member;          /* p counts from 0 while members are read */
};

/* Stop for want of memory. */
static COLD bool load__refuse(struct load *l) {
    l->refused = true;
    return false;
}

static void load__drop(struct load *l) {
    size_t budget = SIZE_MAX;

    order_end(&l->order);
    if (l->blob != NULL) {
        l->m->used -= blob_cost(l->blob);
        blob_drop(l->blob);
    }
    if (l->big != NULL)
        while (!big_free_step(l->m, l->big, &budget)) budget = SIZE_MAX;
    l->blob = NULL;
    l->big = NULL;
    rdb_items_close(&l->it);
}

/* Free the room, and what there is of a value. */
static void load_free(struct load *l) {
    load__drop(l);
    buf_free(&l->room);
    buf_free(&l->pairs);
    buf_free(&l->slots);
}

/* An element more of a large collection: is that enough for this step? */
static inline bool load__pause(struct load *l) {
    if (l->big == NULL || --l->left > 0) return false;
    l->more = true;
    return true;
}

/* ---- strings ------------------------------------------------------------- */

/* A piece of a long string. */
static bool load__piece(struct load *l) {
    size_t n = size_min(l->blob->n - l->got, LOAD_PIECE);
    const uint8_t *p = rdb_get_bytes(l->in, n);

    if (p == NULL) return false;
    memcpy(l->blob->bytes + l->got, p, n);
    l->got += n;
    l->more = l->got < l->blob->n;
    return true;
}

/* Where the size of the input is not known, a length alone costs no memory. */
static bool load__string(struct load *l, char tmp[8]) {
    size_t most = rdb_rest(l->in) == RDB_UNKNOWN ? SIZE_MAX : LOAD_PIECE;
    struct str s;
    int64_t n;

    if (!rdb_get_str_or_len(l->in, most, &s)) return false;
    if (s.n > 0 && s.n <= 20 && s.p[0] <= '9' && num_parse_int(s, &n)) {
        memcpy(tmp, &n, sizeof n);
        l->shape = SHAPE_INT;
        l->bytes = str_of(tmp, sizeof n);
        return true;
    }
    l->shape = SHAPE_BYTES;
    l->bytes = s;
    if (s.n < ENTRY_BLOB_MIN) return true;
    l->shape = SHAPE_BLOB;
    l->blob = blob_try(s.n, s.n);
    if (l->blob == NULL) return load__refuse(l);
    l->m->used += blob_cost(l->blob);
    l->got = 0;
    if (s.p == NULL) return load__piece(l);
    memcpy(l->blob->bytes, s.p, s.n);
    return true;
}

/* ---- looking at packs ---------------------------------------------------- */

/* Elements of a pack in raw form, each `width`th one: which are the same? */
static bool load__same(struct str pack, size_t a, size_t b) {
    const uint8_t *p = (const uint8_t *)pack.p;
    size_t n = pack_next(p, pack.n, a) - a;

    return n == pack_next(p, pack.n, b) - b && memcmp(p + a, p + b, n) == 0;
}

static bool load__few_differ(struct str pack, size_t n, size_t width) {
    const uint8_t *p = (const uint8_t *)pack.p;
    size_t at[LOAD_FEW], to = 0;

    for (size_t i = 0; i < n; i++) {
        at[i] = to;
        for (size_t j = 0; j < i; j++)
            if (load__same(pack, at[j], to)) return false;
        for (size_t k = 0; k < width; k++) to = pack_next(p, pack.n, to);
    }
    return true;
}

/* Are the members or fields, each `width`th element of n, all different?  The
 * pack is as ours: what is equal is written equally. */
static bool load__differ(struct load *l, struct str pack, size_t n,
                         size_t width) {
    const uint8_t *p = (const uint8_t *)pack.p;
    size_t size = 16, at = 0;
    char *slots;

    if (n <= LOAD_FEW) return load__few_differ(pack, n, width);
    while (size < 2 * n) size *= 2;
    buf_reset(&l->slots);
    slots = buf_room(&l->slots, size * 4);
    if (slots == NULL) return load__refuse(l);
    memset(slots, 0, size * 4);
    for (size_t i = 0; i < n; i++) {
        size_t end = pack_next(p, pack.n, at);
        uint64_t h = hash_fast(p + at, end - at, l->ks->seed);

        for (;; h++) {
            char *slot = slots + (h & (size - 1)) * 4;
            uint32_t other = load32(slot);

            if (other == 0) {
                store32(slot, (uint32_t)at + 1);
                break;
            }
            if (load__same(pack, other - 1, at)) return false;
        }
        at = end;
        for (size_t k = 1; k < width; k++) at = pack_next(p, pack.n, at);
    }
    return true;
}

/* Is no element of a pack longer than `most` bytes as text? */
static bool load__is_short(struct str pack, size_t most, size_t width,
                           bool values) {
    const uint8_t *p = (const uint8_t *)pack.p;
    struct pack_item e;
    char tmp[24];

    if (pack.n <= most) return true;
    for (size_t at = 0, i = 0; at < pack.n; i++) {
        at = pack_read(p, pack.n, at, &e);
        if (!values && i % width != 0) continue;
        if (pack_item_str(&e, tmp).n > most) return false;
    }
    return true;
}

static bool load__twice(struct load *l) {
    if (l->refused) return false;
    return rdb_fail(l->in, "has an element twice");
}

/* Append an element to the pack in the room. */
static bool load__append(struct load *l, struct str s) {
    size_t n = pack_size_of(s);
    char *to = buf_room(&l->room, n);

    if (to == NULL) return load__refuse(l);
    pack_write((uint8_t *)to, s);
    l->room.n += n;
    return true;
}

/* ---- tables -------------------------------------------------------------- */

static bool load__big(struct load *l, enum shape shape) {
    size_t hint = size_min(rdb_items_hint(&l->it), LOAD_EXPECT);

    l->shape = shape;
    l->big = big_try(l->m, shape, l->ks->opt.list_size, l->ks->seed);
    if (l->big == NULL) return load__refuse(l);
    if (!shape_counts_itself(shape))
        table_expect(big_table(l->big), l->m, hint);
    return true;
}

/* Put an element into the table, which must not have it. */
static bool load__put(struct load *l, const struct rdb_item *x) {
    struct table *t = big_table(l->big);
    uint64_t h = item_hash(l->ks->seed, x->key);
    struct table_at at;
    struct item *it;

    for (it = table_first(t, h, &at); it != NULL; it = table_next(&at))
        if (str_eq(item_key(it), x->key)) return load__twice(l);
    it = item_try(l->m, x->key,
                  l->shape == SHAPE_HASH_TABLE ? &x->value : NULL,
                  l->shape == SHAPE_ZSET_SKIP ? &x->score : NULL,
                  x->deadline != -1 ? &x->deadline : NULL);
    if (it == NULL) return load__refuse(l);
    if (!table_put(t, l->m, h, it, item_hash_of, &l->ks->seed)) {
        item_drop(l->m, it);
        return load__refuse(l);
    }
    if (l->shape == SHAPE_ZSET_SKIP &&
        !skip_append(&((struct big_zset *)l->big)->order, l->m, x->score, it))
        return load__refuse(l);         /* the table has it, and is dropped */
    if (x->deadline != -1) l->dues = true;
    return true;
}

/* Put what the room has into a table. */
static bool load__unpack(struct load *l, enum shape shape) {
    const uint8_t *p = (const uint8_t *)l->room.p;
    struct pack_item e, f;
    char tmp[2][24];

    if (!load__big(l, shape)) return false;
    for (size_t at = 0; at < l->room.n;) {
        struct rdb_item x = { .deadline = -1 };

        at = pack_read(p, l->room.n, at, &e);
        x.key = pack_item_str(&e, tmp[0]);
        if (shape == SHAPE_HASH_TABLE) {
            at = pack_read(p, l->room.n, at, &f);
            x.value = pack_item_str(&f, tmp[1]);
        }
        if (!load__put(l, &x)) return false;
    }
    return true;
}

/* ---- hashes -------------------------------------------------------------- */

static bool load__hash_copy(struct load *l) {
    const struct keyspace_options *o = &l->ks->opt;
    struct str pack;
    size_t n;

    if (l->it.width != 2 || !rdb_items_pack(&l->it, &pack, &n)) return false;
    if (n / 2 > o->hash_entries || !load__is_short(pack, o->hash_value, 2, true)
        || pack.n > UINT32_MAX / 2) {
        rdb_items_again(&l->it);
        return false;
    }
    l->shape = SHAPE_HASH_PACK;
    l->bytes = pack;
    if (!load__differ(l, pack, n / 2, 2)) load__twice(l);
    return true;
}

static bool load__hash(struct load *l) {
    const struct keyspace_options *o = &l->ks->opt;
    struct rdb_item x;
    size_t n = 0;

    if (l->big == NULL) {
        if (load__hash_copy(l)) return l->in->why == NULL && !l->refused;
        if (rdb_items_hint(&l->it) > o->hash_entries &&
            !load__big(l, SHAPE_HASH_TABLE))
            return false;
    }
    while (rdb_items_next(&l->it, &x)) {
        if (x.deadline != -1 && x.deadline <= l->now) continue;
        if (l->big == NULL &&
            (x.deadline != -1 || ++n > o->hash_entries ||
             x.key.n > o->hash_value || x.value.n > o->hash_value) &&
            !load__unpack(l, SHAPE_HASH_TABLE))
            return false;
        if (l->big != NULL ? !load__put(l, &x) :
                !load__append(l, x.key) || !load__append(l, x.value))
            return false;
        if (load__pause(l)) return true;
    }
    if (l->in->why != NULL) return false;
    if (l->big != NULL)
        return !l->dues || due_build((struct big_hash *)l->big, l->m) ||
               load__refuse(l);
    l->shape = SHAPE_HASH_PACK;
    l->bytes = buf_str(&l->room);
    return load__differ(l, l->bytes, n, 2) || load__twice(l);
}

/* ---- sets ---------------------------------------------------------------- */

static int load__order_ints(const void *a, const void *b) {
    int64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* The room has n integers and nothing else: make it an intset. */
static bool load__intset(struct load *l, size_t n) {
    const uint8_t *p = (const uint8_t *)l->room.p;
    struct pack_item e;
    size_t size = 0;
    int64_t *v;

    buf_reset(&l->pairs);
    v = (int64_t *)(void *)buf_room(&l->pairs, n * sizeof *v);
    if (v == NULL) return load__refuse(l);
    for (size_t at = 0, i = 0; i < n; i++) {
        at = pack_read(p, l->room.n, at, &e);
        v[i] = e.i;
    }
    qsort(v, n, sizeof *v, load__order_ints);
    buf_reset(&l->room);
    if (buf_room(&l->room, 1 + n * sizeof *v) == NULL) return load__refuse(l);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && v[i] == v[i - 1]) return load__twice(l);
        /* widest first: an intset is widened at its ends only */
        size = size_max(size, (size_t)intset_width(v[i]));
    }
    l->room.p[0] = (char)size;
    for (size_t i = 0; i < n; i++)
        store_le((uint8_t *)l->room.p + 1 + i * size, (uint64_t)v[i],
                 (int)size);
    l->shape = SHAPE_SET_INT;
    l->bytes = str_of(l->room.p, 1 + n * size);
    return true;
}

static bool load__set_copy(struct load *l) {
    const struct keyspace_options *o = &l->ks->opt;
    struct str s;
    size_t n;
    char *to;

    if (rdb_items_intset(&l->it, &s)) {
        if (l->it.elements <= o->set_ints) {
            to = buf_room(&l->room, s.n);
            if (to == NULL) return !load__refuse(l);
            n = intset_from_blob((uint8_t *)to, (const uint8_t *)s.p, s.n);
            l->shape = SHAPE_SET_INT;
            l->bytes = str_of(to, n);
            return true;
        }
        rdb_items_again(&l->it);
        return false;
    }
    if (!rdb_items_pack(&l->it, &s, &n)) return false;
    if (n > o->set_entries || !load__is_short(s, o->set_value, 1, true) ||
        s.n > UINT32_MAX / 2) {
        rdb_items_again(&l->it);
        return false;
    }
    l->shape = SHAPE_SET_PACK;
    l->bytes = s;
    if (!load__differ(l, s, n, 1)) load__twice(l);
    return true;
}

static bool load__set(struct load *l) {
    const struct keyspace_options *o = &l->ks->opt;
    size_t n = 0, most = size_max(o->set_entries, o->set_ints);
    bool ints = true, shorts = true;
    struct rdb_item x;

    if (l->big == NULL) {
        if (load__set_copy(l)) return l->in->why == NULL && !l->refused;
        if (rdb_items_hint(&l->it) > most && !load__big(l, SHAPE_SET_TABLE))
            return false;
    }
    while (rdb_items_next(&l->it, &x)) {
        if (l->big == NULL) {
            ints = ints && pack_item_of(x.key).is_int && n < o->set_ints;
            shorts = shorts && x.key.n <= o->set_value && n < o->set_entries;
            if (!ints && !shorts && !load__unpack(l, SHAPE_SET_TABLE))
                return false;
        }
        n++;
        if (l->big != NULL ? !load__put(l, &x) : !load__append(l, x.key))
            return false;
        if (load__pause(l)) return true;
    }
    if (l->in->why != NULL) return false;
    if (l->big != NULL) return true;
    if (ints && n > 0) return load__intset(l, n);
    l->shape = SHAPE_SET_PACK;
    l->bytes = buf_str(&l->room);
    return load__differ(l, l->bytes, n, 1) || load__twice(l);
}

/* ---- sorted sets --------------------------------------------------------- */

static int load__order(const void *a, const void *b) {
    const struct load__pair *x = a, *y = b;
    size_t n = size_min(x->member.n, y->member.n);
    int c;

    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    c = n == 0 ? 0 : memcmp(x->member.p, y->member.p, n);
    if (c != 0) return c;
    return x->member.n < y->member.n ? -1 : x->member.n > y->member.n;
}

/* Is a pack of pairs in order? */
static bool load__is_ordered(struct str pack) {
    const uint8_t *p = (const uint8_t *)pack.p;
    struct load__pair was = { 0 }, is;
    struct pack_item m = { 0 }, s = { 0 };
    char tmp[2][24];

    for (size_t at = 0, i = 0; at < pack.n; i++) {
        at = pack_read(p, pack.n, at, &m);
        at = pack_read(p, pack.n, at, &s);
        is.member = pack_item_str(&m, tmp[i % 2]);
        is.score = (double)s.i;
        if (!s.is_int && !num_parse_double(s.s, &is.score)) return false;
        if (i > 0 && load__order(&was, &is) >= 0) return false;
        was = is;
    }
    return true;
}

static bool load__zset_copy(struct load *l) {
    const struct keyspace_options *o = &l->ks->opt;
    struct str pack;
    size_t n;

    if (!rdb_items_pack(&l->it, &pack, &n)) return false;
    if (n / 2 > o->zset_entries ||
        !load__is_short(pack, o->zset_value, 2, false) ||
        pack.n > UINT32_MAX / 2 || !load__is_ordered(pack)) {
        rdb_items_again(&l->it);
        return false;
    }
    l->shape = SHAPE_ZSET_PACK;
    l->bytes = pack;
    if (!load__differ(l, pack, n / 2, 2)) load__twice(l);
    return true;
}

/* Members in the room and n pairs that stand for them: make them a pack. */
static bool load__zset_pack(struct load *l, size_t n) {
    struct load__pair *v = (void *)l->pairs.p;
    char tmp[NUM_DOUBLE_ROOM];
    struct pack_item score;
    size_t most = 0, at = 0;
    uint8_t *to;

    for (size_t i = 0; i < n; i++) {
        struct str member = str_of(l->room.p + at, v[i].member.n);

        most += pack_size_of(member) + NUM_DOUBLE_ROOM + 8;
        at += member.n;
    }
    to = (uint8_t *)buf_room(&l->room, most);
    if (to == NULL) return load__refuse(l);
    at = 0;
    for (size_t i = 0; i < n; i++) {
        v[i].member.p = l->room.p + at;
        at += v[i].member.n;
    }
    if (n > 0) qsort(v, n, sizeof *v, load__order);
    at = 0;
    for (size_t i = 0; i < n; i++) {
        score = pack_item_of_score(v[i].score, tmp);
        at += pack_write(to + at, v[i].member);
        at += pack_item_write(to + at, &score);
    }
    l->shape = SHAPE_ZSET_PACK;
    l->bytes = str_of(to, at);
    return load__differ(l, l->bytes, n, 2) || load__twice(l);
}

/* Too long after all: what was gathered goes into a table. */
static bool load__zset_big(struct load *l, size_t n) {
    const struct load__pair *v = (const void *)l->pairs.p;

    if (!load__big(l, SHAPE_ZSET_SKIP)) return false;
    for (size_t i = 0, at = 0; i < n; i++) {
        struct rdb_item x = { .deadline = -1, .score = v[i].score };

        x.key = str_of(l->room.p + at, v[i].member.n);
        at += x.key.n;
        if (!load__put(l, &x)) return false;
    }
    return true;
}

/* All members are there: put them into order. */
static bool load__zset_order(struct load *l) {
    struct skip *s = &((struct big_zset *)l->big)->order;

    if (l->order.s == NULL && !order_begin(&l->order, s))
        return load__refuse(l);
    l->more = !order_step(&l->order, l->left);
    return true;
}

/* The members, as far as this step goes. */
static bool load__zset_members(struct load *l, size_t *n) {
    const struct keyspace_options *o = &l->ks->opt;
    struct rdb_item x;

    while (rdb_items_next(&l->it, &x)) {
        struct load__pair pair = { x.score, { NULL, x.key.n } };

        if (l->big == NULL &&
            (*n >= o->zset_entries || x.key.n > o->zset_value) &&
            !load__zset_big(l, *n))
            return false;
        ++*n;
        if (l->big != NULL) {
            if (!load__put(l, &x)) return false;
        } else if (!buf_put(&l->room, x.key.p, x.key.n) ||
                   !buf_put(&l->pairs, &pair, sizeof pair)) {
            return load__refuse(l);
        }
        if (load__pause(l)) return true;
    }
    return l->in->why == NULL;
}

static bool load__zset(struct load *l) {
    size_t n = 0;

    if (l->big == NULL) {
        if (load__zset_copy(l)) return l->in->why == NULL && !l->refused;
        buf_reset(&l->pairs);
        if (rdb_items_hint(&l->it) > l->ks->opt.zset_entries &&
            !load__big(l, SHAPE_ZSET_SKIP))
            return false;
    }
    if (l->order.s == NULL && !load__zset_members(l, &n)) return false;
    if (l->more) return true;
    return l->big != NULL ? load__zset_order(l) : load__zset_pack(l, n);
}

/* ---- lists --------------------------------------------------------------- */

/* May a list be a pack in its entry? */
static bool load__list_fits(const struct load *l, size_t n, size_t count) {
    int fill = l->ks->opt.list_size;

    if (fill < 0) return n <= (size_t)4096 << size_min(4, (size_t)(-fill - 1));
    return n <= 8192 && count <= (size_t)fill;
}

static struct quick *load__quick(struct load *l) {
    return &((struct big_list *)l->big)->q;
}

/* Append a whole pack to the quick list. */
static bool load__list_node(struct load *l, struct str pack, size_t count) {
    struct quick *q = load__quick(l);
    const uint8_t *p = (const uint8_t *)pack.p;
    bool ok = pack.n <= q->most_bytes && count <= q->most_count ?
                  quick_append_node(q, l->m, p, pack.n, count) :
                  quick_append_pack(q, l->m, p, pack.n);

    return ok || load__refuse(l);
}

/* Append elements to the list: to the pack in the room while that fits, then
 * to a quick list.  *count is of the room. */
static bool load__list_add(struct load *l, struct str pack, size_t n,
                           size_t *count) {
    if (l->big == NULL && load__list_fits(l, l->room.n + pack.n, *count + n)) {
        *count += n;
        return buf_put(&l->room, pack.p, pack.n) || load__refuse(l);
    }
    if (l->big == NULL) {
        if (!load__big(l, SHAPE_LIST_QUICK)) return false;
        if (!load__list_node(l, buf_str(&l->room), *count)) return false;
    }
    return load__list_node(l, pack, n);
}

static bool load__list(struct load *l) {
    size_t count = 0, n;
    struct rdb_item x;
    struct str pack;

    for (;;) {
        if (load__pause(l)) return true;
        if (rdb_items_pack(&l->it, &pack, &n)) {
            if (!load__list_add(l, pack, n, &count)) return false;
            continue;
        }
        if (!rdb_items_next(&l->it, &x)) break;
        n = pack_size_of(x.key);
        if (l->big == NULL && load__list_fits(l, l->room.n + n, count + 1)) {
            if (!load__append(l, x.key)) return false;
            count++;
            continue;
        }
        if (l->big == NULL) {
            if (!load__big(l, SHAPE_LIST_QUICK)) return false;
            if (!load__list_node(l, buf_str(&l->room), count)) return false;
        }
        if (!quick_push(load__quick(l), l->m, QUICK_TAIL, x.key))
            return load__refuse(l);
    }
    if (l->in->why != NULL) return false;
    if (l->big != NULL) return true;
    l->shape = SHAPE_LIST_PACK;
    l->bytes = buf_str(&l->room);
    return true;
}

/* ---- streams ------------------------------------------------------------- */

static bool load__stream_on(struct load *l) {
    bool ok = stream_rdb_read(&l->stream, &l->left, &l->more);

    return l->stream.refused ? load__refuse(l) : ok;
}

static bool load__stream(struct load *l, uint8_t type) {
    if (!load__big(l, SHAPE_STREAM)) return false;
    stream_rdb_open(&l->stream, &((struct big_stream *)l->big)->s, l->m,
                    l->in, type);
    return load__stream_on(l);
}

/* ---- all of them --------------------------------------------------------- */

static bool load__go_on(struct load *l) {
    if (l->blob != NULL) return load__piece(l);
    if (l->big != NULL && l->big->shape == SHAPE_STREAM)
        return load__stream_on(l);
    switch (l->it.kind) {
    case RDB_KIND_LIST: return load__list(l);
    case RDB_KIND_SET: return load__set(l);
    case RDB_KIND_ZSET: return load__zset(l);
    case RDB_KIND_HASH: return load__hash(l);
    case RDB_KIND_NONE: case RDB_KIND_STRING: case RDB_KIND_STREAM:
    case RDB_KIND_MODULE: break;
    }
    return true;
}

static bool load__begin(struct load *l) {
    switch (rdb_kind_of(l->in, l->type)) {
    case RDB_KIND_STRING: return load__string(l, l->number);
    case RDB_KIND_LIST: case RDB_KIND_SET: case RDB_KIND_ZSET:
    case RDB_KIND_HASH:
        buf_reset(&l->room);
        return rdb_items_open(&l->it, l->in, l->type) && load__go_on(l);
    case RDB_KIND_STREAM: return load__stream(l, l->type);
    case RDB_KIND_MODULE: return rdb_fail(l->in, "belongs to a module");
    default: return rdb_fail(l->in, "has a value of no known type");
    }
}

/* Make the entry of what was built, and let it be the key's. */
static enum load_did load__settle(struct load *l, struct edit *ed,
                                  int64_t deadline) {
    struct str v = l->bytes;
    void *object = l->big;
    struct entry *e;

    if (l->blob != NULL) object = l->blob;
    if (object != NULL) v = str_of(&object, sizeof object);
    if (v.n == 0 && l->shape != SHAPE_BYTES) return LOAD_EMPTY;
    if (l->big != NULL && l->big->shape != SHAPE_STREAM &&
        big_count(l->big) == 0)
        return LOAD_EMPTY;
    e = entry_try(l->m, ed->ref.local, l->shape, v.n, deadline);
    if (e == NULL) return LOAD_REFUSED;
    memcpy(entry_bytes(e), v.p, v.n);
    if (!edit_put(ed, e)) return LOAD_REFUSED;
    l->big = NULL;
    l->blob = NULL;
    return LOAD_DONE;
}

/* Read the value of a type, whose byte was just read, and make it the value of
 * the open key, instead of what was there, with this deadline (0: none).  If
 * the answer is not LOAD_DONE nothing has changed.  LOAD_MORE: `step` elements
 * of it have been read; then open the same key and call again, with nothing
 * else read meanwhile, or give up by load_free. */
static enum load_did load_step(struct load *l, struct edit *ed,
                               struct rdb_in *in, uint8_t type,
                               int64_t deadline, size_t step) {
    enum load_did did = LOAD_BAD;
    bool ok;

    l->left = step;
    l->more = false;
    if (l->big != NULL || l->blob != NULL) {
        ed->before -= l->built;         /* it is the key's, as from now */
        ok = load__go_on(l);
    } else {
        l->ks = ed->w->ks;
        l->m = &ed->ref.shard->mem;
        l->in = in;
        l->type = type;
        l->it = (struct rdb_items){ 0 };
        l->refused = l->dues = false;
        l->bytes = STR("");
        ok = load__begin(l);
    }
    if (ok && l->more) {
        l->built = l->m->used - ed->before;
        ed->before = l->m->used;
        return LOAD_MORE;
    }
    if (ok) did = load__settle(l, ed, deadline);
    else if (l->refused) did = LOAD_REFUSED;
    load__drop(l);
    return did;
}

/* The same of a whole value. */
static enum load_did load_value(struct load *l, struct edit *ed,
                                struct rdb_in *in, uint8_t type,
                                int64_t deadline) {
    enum load_did did;

    do did = load_step(l, ed, in, type, deadline, SIZE_MAX);
    while (did == LOAD_MORE);
    return did;
}

/* Read the next field and deadline of an aux field SAVE_DUES, or for ms NULL
 * the key that begins it.  Lent; false: the reader's `why`. */
static bool load_due(struct rdb_in *in, struct str *name, int64_t *ms) {
    uint64_t n;
    const uint8_t *p;

    if (!rdb_get_len(in, &n)) return false;
    if (n > rdb_rest(in)) return rdb_fail(in, "breaks off");
    p = rdb_get_bytes(in, (size_t)n);
    if (p == NULL) return false;
    *name = str_of(p, (size_t)n);
    if (ms == NULL) return true;
    if (!rdb_get_ms(in, ms)) return false;
    return *ms > 0 || rdb_fail(in, "has a deadline that is no time");
}

/* Take an aux field SAVE_DUES: give fields of a hash that was loaded before
 * their deadlines, and remove those that are dead.  A key that is not there
 * was left out for its own deadline.  LOAD_EMPTY: the key is gone with its
 * last field; LOAD_BAD: *why says what is wrong. */
static enum load_did load_dues(struct work *w, struct str value,
                               const char **why) {
    enum load_did did = LOAD_DONE;
    const struct entry *e;
    struct rdb_in in;
    struct str name;
    struct edit ed;
    int64_t ms, was;

    rdb_in_mem(&in, value.p, value.n);
    *why = "has deadlines of fields that cannot be read";
    if (!load_due(&in, &name, NULL)) return LOAD_BAD;
    e = key_peek(w, name);
    if (e == NULL) return LOAD_DONE;
    *why = "has deadlines of fields of a key that is no hash";
    if (entry_kind(e) != KIND_HASH) return LOAD_BAD;
    edit_open(w, name, &ed);
    while (did == LOAD_DONE && rdb_rest(&in) > 0) {
        if (!load_due(&in, &name, &ms)) {
            *why = "has deadlines of fields that cannot be read";
            did = LOAD_BAD;
        } else if (!fields_deadline(w, ed.e, name, &was)) {
            *why = "has a deadline of a field that is not there";
            did = LOAD_BAD;
        } else if (ms <= w->now) {
            fields_drop(&ed, name);
            if (ed.e == NULL) did = LOAD_EMPTY;
        } else if (!fields_expire(&ed, name, ms)) {
            did = LOAD_REFUSED;
        }
    }
    edit_commit(&ed, 0, NULL);
    return did;
}
