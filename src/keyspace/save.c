/* SPDX-License-Identifier: MIT */
/* ==== save - a value as RDB bytes ==========================================
 *
 * Writes a key the way Redis 7.0 does, so that redis-server loads it:
 *
 *   [0xfc deadline 8] type 1, key, value
 *
 * Packs and intsets are copied as they are; what Redis 7.0 has no packed form
 * for (a set's pack) goes out element by element.
 *
 * floor 3 - uses: base buf table pack item intset quick crc rdb entry shard
 *    big stream_rdb
 */

#define SAVE_DUES "kvns-fields" /* the aux field of deadlines of fields */

/* The type byte of a value. */
static uint8_t save_type(enum shape shape) {
    switch (shape) {
    case SHAPE_BYTES: case SHAPE_INT: case SHAPE_BLOB: return RDB_STRING;
    case SHAPE_LIST_PACK: case SHAPE_LIST_QUICK: return RDB_LIST_PACKS;
    case SHAPE_SET_INT: return RDB_SET_INTSET;
    case SHAPE_SET_PACK: case SHAPE_SET_TABLE: return RDB_SET;
    case SHAPE_ZSET_PACK: return RDB_ZSET_PACK;
    case SHAPE_ZSET_SKIP: return RDB_ZSET;
    case SHAPE_HASH_PACK: return RDB_HASH_PACK;
    case SHAPE_HASH_TABLE: return RDB_HASH;
    case SHAPE_STREAM: return RDB_STREAM_2;
    case SHAPE_COUNT: break;
    }
    KVNS_ASSERT(!"a shape");
    return 0;
}

/* One element of a big set, hash or zset. */
static void save_item(struct buf *out, enum shape shape,
                      const struct item *it) {
    rdb_put_str(out, item_key(it));
    if (shape == SHAPE_HASH_TABLE) rdb_put_str(out, item_value(it));
    if (shape == SHAPE_ZSET_SKIP) rdb_put_double_bin(out, item_score(it));
}

/* One pack of a big list. */
static void save_node(struct buf *out, struct str pack, size_t count) {
    rdb_put_len(out, RDB_NODE_PACK);
    rdb_put_pack(out, pack, count);
}

struct save__to {
    struct buf *out;
    enum shape shape;
};

static void save__see(void *ctx, void *item) {
    const struct save__to *to = ctx;

    save_item(to->out, to->shape, item);
}

static void save__big(struct buf *out, struct big *b) {
    struct save__to to = { out, (enum shape)b->shape };
    uint32_t cursor = 0;

    if (b->shape == SHAPE_LIST_QUICK) {
        const struct quick *q = &((struct big_list *)b)->q;

        rdb_put_len(out, q->nodes);
        for (struct quick_node *n = q->head; n != NULL; n = n->next)
            save_node(out, str_of(n->room + n->start, n->bytes), n->count);
        return;
    }
    if (b->shape == SHAPE_STREAM) {
        stream_rdb_save(out, &((struct big_stream *)b)->s);
        return;
    }
    rdb_put_len(out, big_count(b));
    do {
        cursor = table_scan(big_table(b), cursor, save__see, &to);
    } while (cursor != 0);
}

/* The whole value, without its type. */
static void save_value(struct buf *out, const struct entry *e) {
    struct str v = entry_value(e);
    const uint8_t *p = (const uint8_t *)v.p;
    struct pack_item it;
    char tmp[24];
    uint8_t head[INTSET_BLOB_HEADER];

    switch (entry_shape(e)) {
    case SHAPE_BYTES: case SHAPE_BLOB:
        rdb_put_str(out, entry_string(e, tmp));
        return;
    case SHAPE_INT:
        rdb_put_int(out, entry_int(e));
        return;
    case SHAPE_LIST_PACK:
        rdb_put_len(out, 1);
        save_node(out, v, pack_count(p, v.n));
        return;
    case SHAPE_HASH_PACK: case SHAPE_ZSET_PACK:
        rdb_put_pack(out, v, pack_count(p, v.n));
        return;
    case SHAPE_SET_INT: {
        struct intset_view iv = intset_of(p, v.n);

        rdb_put_len(out, sizeof head + iv.n);
        store_le(head, (uint64_t)iv.width, 4);
        store_le(head + 4, intset_count(iv), 4);
        buf_put(out, head, sizeof head);
        buf_put(out, iv.p, iv.n);
        return;
    }
    case SHAPE_SET_PACK:
        rdb_put_len(out, pack_count(p, v.n));
        for (size_t at = 0; at < v.n;) {
            at = pack_read(p, v.n, at, &it);
            rdb_put_str(out, pack_item_str(&it, tmp));
        }
        return;
    case SHAPE_LIST_QUICK: case SHAPE_SET_TABLE: case SHAPE_ZSET_SKIP:
    case SHAPE_HASH_TABLE: case SHAPE_STREAM:
        save__big(out, entry_object(e));
        return;
    case SHAPE_COUNT:
        break;
    }
}

/* Bytes of the printed form of a key. */
static inline size_t save__key_bytes(bool is_default, struct str ns,
                                     struct str local) {
    if (!key_needs_prefix(is_default, local)) return local.n;
    return local.n + 1 + (is_default ? STR("default").n : ns.n);
}

/* Deadline, type and key: what stands before a value in a file. */
static void save_head(struct buf *out, const struct entry *e,
                      bool is_default, struct str ns) {
    struct str local = entry_key(e);
    bool prefix = key_needs_prefix(is_default, local);
    size_t n = save__key_bytes(is_default, ns, local);

    if (entry_has(e, ENTRY_TTL)) {
        rdb_put_byte(out, RDB_OP_EXPIRE_MS);
        rdb_put_ms(out, entry_deadline(e));
    }
    rdb_put_byte(out, save_type(entry_shape(e)));
    if (!prefix) {
        rdb_put_str(out, local);
        return;
    }
    rdb_put_len(out, n);
    key_print(out, is_default, ns, local);
}

/* Deadlines of fields do not stand with the fields, where Redis 7.0 would not
 * know them, but behind the hash, in aux fields SAVE_DUES that it passes over:
 *
 *   length of the printed key, key, then per field:
 *   length of the name, name, deadline 8
 *
 * lengths as everywhere in the file.  Begin with the key. */
static void save_dues_begin(struct buf *out, const struct entry *e,
                            bool is_default, struct str ns) {
    struct str local = entry_key(e);

    rdb_put_len(out, save__key_bytes(is_default, ns, local));
    key_print(out, is_default, ns, local);
}

/* Add a field, if it has a deadline. */
static void save_due(struct buf *out, const struct item *it) {
    struct str name = item_key(it);

    if (LIKELY(!item_has_deadline(it))) return;
    rdb_put_len(out, name.n);
    buf_put_str(out, name);
    rdb_put_ms(out, item_deadline(it));
}

/* Write the aux field: `key` is what begins it, `dues` what was added. */
static void save_dues(struct buf *out, struct str key, struct str dues) {
    rdb_put_byte(out, RDB_OP_AUX);
    rdb_put_str(out, STR(SAVE_DUES));
    rdb_put_len(out, key.n + dues.n);
    buf_put_str(out, key);
    buf_put_str(out, dues);
}

static void save__see_due(void *ctx, void *item) {
    save_due(ctx, item);
}

/* All deadlines of a hash that was just written whole. */
static COLD void save_dues_of(struct buf *out, const struct entry *e,
                              bool is_default, struct str ns) {
    struct big_hash *h = entry_object(e);
    struct buf key = { 0 }, dues = { 0 };
    uint32_t cursor = 0;

    save_dues_begin(&key, e, is_default, ns);
    do {
        cursor = table_scan(&h->fields, cursor, save__see_due, &dues);
    } while (cursor != 0);
    save_dues(out, buf_str(&key), buf_str(&dues));
    out->failed = out->failed || key.failed || dues.failed;
    buf_free(&key);
    buf_free(&dues);
}

struct save__ttl {
    struct buf *out;
    int64_t soonest;
};

static void save__see_ttl(void *ctx, void *item) {
    const struct save__ttl *x = ctx;
    uint64_t ms = 0;

    if (item_has_deadline(item))
        ms = (uint64_t)(item_deadline(item) - x->soonest) + 1;
    rdb_put_len(x->out, ms);
    save_item(x->out, SHAPE_HASH_TABLE, item);
}

/* A hash with deadlines as Redis 7.4 writes it: the earliest, the count, then
 * per field how much later its own is, plus 1, or 0 for none; field, value. */
static COLD void save__ttl_hash(struct buf *out, struct big_hash *h) {
    struct save__ttl x = { out, h->due->soonest };
    uint32_t cursor = 0;

    rdb_put_ms(out, x.soonest);
    rdb_put_len(out, h->fields.count);
    do {
        cursor = table_scan(&h->fields, cursor, save__see_ttl, &x);
    } while (cursor != 0);
}

/* The value as a payload of DUMP: type, value, version, checksum.  A hash with
 * deadlines is for Redis 7.4 and later. */
static void save_payload(struct buf *out, const struct entry *e,
                         const struct crc_tables *crc) {
    size_t from = out->n;
    bool dues = entry_has(e, ENTRY_FIELDS);

    rdb_put_byte(out, dues ? RDB_HASH_TTL : save_type(entry_shape(e)));
    if (dues) save__ttl_hash(out, entry_object(e));
    else save_value(out, e);
    rdb_put_footer(out, from, dues ? RDB_VERSION_MAX : RDB_VERSION, crc);
}
