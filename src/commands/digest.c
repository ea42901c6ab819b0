/* SPDX-License-Identifier: MIT */
/* ==== digest - one sum over values, however they are kept ==================
 *
 * For tests: a value has the same digest whether it is packed or not, and a
 * collection without order whatever the order.  Elements are hashed singly;
 * where order counts each hash goes into the next, else they are added by
 * exclusive or.  The sums are our own, not Redis'.
 *
 * floor 6 - uses: base num buf sha256 table pack quick ids stream entry shard
 *    big due door fields members ranks reply instance streams
 */
struct digest {
    unsigned char sum[SHA256_SIZE];
    struct buf b;               /* the element at hand */
};

static void digest__item(struct buf *b, const struct pack_item *it) {
    char tmp[24];
    struct str s = pack_item_str(it, tmp);

    buf_printf(b, "%zu:", s.n);
    buf_put_str(b, s);
}

/* Take the element in d->b in. */
static void digest__take(struct digest *d, bool ordered) {
    unsigned char one[SHA256_SIZE];

    if (ordered) buf_put(&d->b, d->sum, sizeof d->sum);
    sha256_of(d->b.p, d->b.n, one);
    for (int i = 0; i < SHA256_SIZE; i++)
        d->sum[i] = (unsigned char)(ordered ? one[i] : d->sum[i] ^ one[i]);
    buf_reset(&d->b);
}

static bool digest__see_member(void *ctx, const struct pack_item *it) {
    struct digest *d = ctx;

    digest__item(&d->b, it);
    digest__take(d, false);
    return true;
}

static void digest__see_pair(void *ctx, const struct fields_pair *pair) {
    struct digest *d = ctx;

    digest__item(&d->b, &pair->field);
    digest__item(&d->b, &pair->value);
    if (pair->deadline != 0)
        buf_printf(&d->b, " %lld", (long long)pair->deadline);
    digest__take(d, false);
}

static void digest__zset(struct digest *d, const struct entry *e) {
    size_t n = ranks_count(e);
    struct ranks_at at;

    if (n == 0) return;
    ranks_seek(e, n, 0, &at);
    for (size_t i = 0; i < n; i++) {
        struct pack_item it;
        char text[40];
        double score;

        if (i > 0) ranks_step(&at, false);
        ranks_read(&at, &it, &score);
        digest__item(&d->b, &it);
        buf_put(&d->b, text, num_put_double(text, score));
        digest__take(d, true);
    }
}

static void digest__list(struct digest *d, const struct entry *e) {
    struct str v = entry_value(e);
    struct pack_item it;

    if (entry_shape(e) == SHAPE_LIST_QUICK) {
        struct quick_at at =
            quick_first(&((struct big_list *)entry_object(e))->q);

        while (quick_read(&at, &it)) {
            digest__item(&d->b, &it);
            digest__take(d, true);
        }
        return;
    }
    for (size_t at = 0; at < v.n;) {
        at = pack_read((const uint8_t *)v.p, v.n, at, &it);
        digest__item(&d->b, &it);
        digest__take(d, true);
    }
}

#if !defined(KVNS_NO_STREAMS)
/* The entries; as with Redis, groups are left out. */
static void digest__stream(struct digest *d, const struct entry *e) {
    struct pack_item field, value;
    struct stream_walk w;

    stream_walk(streams_of(e), (struct stream_id){ 0, 0 }, stream_id_max,
                false, &w);
    while (stream_next(&w)) {
        buf_printf(&d->b, "%" PRIu64 "-%" PRIu64 " ", w.id.ms, w.id.seq);
        for (uint64_t i = 0; i < w.pairs; i++) {
            stream_field(&w, &field, &value);
            digest__item(&d->b, &field);
            digest__item(&d->b, &value);
        }
        digest__take(d, true);
    }
}
#endif

/* The digest of a value into d->sum, which is zero. */
static void digest_value(struct digest *d, const struct entry *e,
                         int64_t now) {
    char tmp[24];

    switch (entry_kind(e)) {
    case KIND_SET: members_each(e, digest__see_member, d); return;
    case KIND_HASH: fields_each(e, now, digest__see_pair, d); return;
    case KIND_ZSET: digest__zset(d, e); return;
    case KIND_LIST: digest__list(d, e); return;
    case KIND_STRING: buf_put_str(&d->b, entry_string(e, tmp)); break;
#if !defined(KVNS_NO_STREAMS)
    case KIND_STREAM: digest__stream(d, e); return;
#endif
    default: KVNS_ASSERT(!"a kind");
    }
    digest__take(d, true);
}

/* A walk over all keys. */
struct digest__keys {
    struct digest all;
    int64_t now;
    const struct space *sp;
};

static void digest__see_key(void *ctx, void *item) {
    struct digest__keys *k = ctx;
    struct digest one = { .b = { 0 } };
    const struct entry *e = item;

    if (entry_is_dead(e, k->now)) return;
    digest_value(&one, e, k->now);
    buf_free(&one.b);
    buf_printf(&k->all.b, "%d %d %lld ", k->sp->db->index, entry_kind(e),
               (long long)entry_deadline(e));
    key_print(&k->all.b, k->sp->is_default, space_name(k->sp), entry_key(e));
    buf_put(&k->all.b, one.sum, sizeof one.sum);
    digest__take(&k->all, false);
}

static void digest__reply(struct reply *r, const unsigned char *sum) {
    char hex[41];

    for (size_t i = 0; i < 20; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    reply_simple(r, str_of(hex, 40));
}

/* DEBUG DIGEST: of everything; all shards are locked. */
static enum outcome digest_all(struct call *x) {
    struct digest__keys k = { .now = x->w.now };
    struct keyspace *ks = x->w.ks;

    for (uint32_t i = 0; i < ks->nshards; i++)
        for (uint32_t j = 0; j < ks->shards[i].ids; j++) {
            uint32_t cursor = 0;

            k.sp = ks->shards[i].by_id[j];
            if (k.sp == NULL || k.sp->db == NULL) continue;
            do cursor = table_scan(&k.sp->keys, cursor, digest__see_key, &k);
            while (cursor != 0);
        }
    digest__reply(x->r, k.all.sum);
    buf_free(&k.all.b);
    return DONE;
}

/* DEBUG DIGEST-VALUE: of the values of some keys. */
static enum outcome digest_some(struct call *x) {
    reply_array(x->r, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++) {
        const struct entry *e = key_peek(&x->w, x->argv[i]);
        struct digest d = { .b = { 0 } };

        if (e != NULL) digest_value(&d, e, x->w.now);
        digest__reply(x->r, d.sum);
        buf_free(&d.b);
    }
    return DONE;
}
