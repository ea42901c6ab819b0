/* SPDX-License-Identifier: MIT */
/* ==== rdb_items - the elements of a collection, however it was written =====
 *
 * Redis has written lists, sets, hashes and sorted sets in some twenty ways
 * (enum rdb_type).  An iterator turns each of them into a row of items: open
 * it where the type byte was read, ask for one item after the other, and look
 * at the reader's `why` when there are no more.
 *
 *   form      what is behind the type                     width: strings each
 *   plain     count, the elements one by one              1 or 2
 *   blob      one string that holds all: ziplist, listpack, intset, zipmap
 *   nodes     count, as many blobs of a list
 *
 * A blob is checked from its first byte to its last, scores and deadlines
 * included, before anything of it is handed out.  What is plain comes as it
 * is read, so an error may come late: the caller has to undo.  Whether a
 * member stands there twice, is the caller's business too; so is a collection
 * without elements, which Redis drops.
 *
 * Strings of an item are borrowed until the next call.  The iterator holds
 * copies only where it must; rdb_items_close frees them.
 *
 * floor 2 - uses: base num pack intset rdb ziplist
 */

/* What a type byte stands for. */
enum rdb_kind {
    RDB_KIND_NONE,              /* nothing that we know */
    RDB_KIND_STRING,
    RDB_KIND_LIST,
    RDB_KIND_SET,
    RDB_KIND_ZSET,
    RDB_KIND_HASH,
    RDB_KIND_STREAM,
    RDB_KIND_MODULE
};

/* How the bytes at hand are laid out. */
enum rdb_form {
    RDB_FORM_NONE,              /* not for an iterator */
    RDB_FORM_PLAIN,
    RDB_FORM_ZIPLIST,
    RDB_FORM_ZIPMAP,
    RDB_FORM_PACK,
    RDB_FORM_INTSET,
    RDB_FORM_ZIPLISTS,          /* nodes */
    RDB_FORM_PACKS
};

/* A row per type byte; width is how many strings or numbers of the blob, or
 * how many bytes of the input at least, make one item. */
struct rdb_items_row {
    uint8_t kind, form, width;
};

/* An element. */
struct rdb_item {
    struct str key;             /* member, field; of lists: the element */
    struct str value;           /* of hashes */
    double score;               /* of sorted sets, never NaN */
    int64_t deadline;           /* of hashes: Unix time in ms, -1: none */
};

struct rdb_items {
    struct rdb_in *in;
    enum rdb_kind kind;
    uint8_t type;
    enum rdb_form form;         /* of the whole */
    unsigned width;
    uint64_t count;             /* items promised, or counted if a blob;
                                   of nodes: how many nodes */
    uint64_t left;              /* items or nodes still to be read */
    int64_t earliest;           /* what deadlines of type 24 count from */
    /* The blob at hand: */
    enum rdb_form node;         /* its form, or plain: one element */
    const uint8_t *p;
    size_t n, at, end;          /* its bytes; where to read on and until */
    size_t elements;            /* strings and numbers in it */
    char num[3][24];            /* where integers are printed to */
    char *hold[2];              /* strings that outlive a read */
    size_t hold_cap[2];
};

/* The row of a type, as the reader's version has it. */
static struct rdb_items_row rdb_items__row(const struct rdb_in *in,
                                           uint8_t type) {
    static const struct rdb_items_row rows[RDB_TYPES] = {
        [RDB_STRING] = { RDB_KIND_STRING, RDB_FORM_NONE, 0 },
        [RDB_LIST] = { RDB_KIND_LIST, RDB_FORM_PLAIN, 1 },
        [RDB_SET] = { RDB_KIND_SET, RDB_FORM_PLAIN, 1 },
        [RDB_ZSET_TEXT] = { RDB_KIND_ZSET, RDB_FORM_PLAIN, 2 },
        [RDB_HASH] = { RDB_KIND_HASH, RDB_FORM_PLAIN, 2 },
        [RDB_ZSET] = { RDB_KIND_ZSET, RDB_FORM_PLAIN, 9 },
        [RDB_MODULE_RC] = { RDB_KIND_MODULE, RDB_FORM_NONE, 0 },
        [RDB_MODULE] = { RDB_KIND_MODULE, RDB_FORM_NONE, 0 },
        [RDB_HASH_ZIPMAP] = { RDB_KIND_HASH, RDB_FORM_ZIPMAP, 1 },
        [RDB_LIST_ZIPLIST] = { RDB_KIND_LIST, RDB_FORM_ZIPLIST, 1 },
        [RDB_SET_INTSET] = { RDB_KIND_SET, RDB_FORM_INTSET, 1 },
        [RDB_ZSET_ZIPLIST] = { RDB_KIND_ZSET, RDB_FORM_ZIPLIST, 2 },
        [RDB_HASH_ZIPLIST] = { RDB_KIND_HASH, RDB_FORM_ZIPLIST, 2 },
        [RDB_LIST_ZIPLISTS] = { RDB_KIND_LIST, RDB_FORM_ZIPLISTS, 1 },
        [RDB_STREAM_1] = { RDB_KIND_STREAM, RDB_FORM_NONE, 0 },
        [RDB_HASH_PACK] = { RDB_KIND_HASH, RDB_FORM_PACK, 2 },
        [RDB_ZSET_PACK] = { RDB_KIND_ZSET, RDB_FORM_PACK, 2 },
        [RDB_LIST_PACKS] = { RDB_KIND_LIST, RDB_FORM_PACKS, 1 },
        [RDB_STREAM_2] = { RDB_KIND_STREAM, RDB_FORM_NONE, 0 },
        [RDB_SET_PACK] = { RDB_KIND_SET, RDB_FORM_PACK, 1 },
        [RDB_STREAM_3] = { RDB_KIND_STREAM, RDB_FORM_NONE, 0 },
        [RDB_HASH_TTL_RC] = { RDB_KIND_HASH, RDB_FORM_PLAIN, 3 },
        [RDB_HASH_PACK_TTL_RC] = { RDB_KIND_HASH, RDB_FORM_PACK, 3 },
        [RDB_HASH_TTL] = { RDB_KIND_HASH, RDB_FORM_PLAIN, 3 },
        [RDB_HASH_PACK_TTL] = { RDB_KIND_HASH, RDB_FORM_PACK, 3 },
    };

    /* Valkey has none of Redis' later types, but the first number of them. */
    if (type >= RDB_TYPES || (in->valkey && type > RDB_HASH_TTL_RC))
        return (struct rdb_items_row){ RDB_KIND_NONE, RDB_FORM_NONE, 0 };
    return rows[type];
}

/* What a type byte stands for, in an input of this version. */
static enum rdb_kind rdb_kind_of(const struct rdb_in *in, uint8_t type) {
    return rdb_items__row(in, type).kind;
}

/* The score in a blob, as integer or text. */
static bool rdb_items__score(const struct pack_item *it, double *score) {
    if (!it->is_int) return num_parse_double(it->s, score);
    *score = (double)it->i;
    return true;
}

/* Read the next element of the blob, whichever layout it has. */
static inline void rdb_items__read(struct rdb_items *it,
                                   struct pack_item *e) {
    if (it->node == RDB_FORM_PACK)
        it->at = PACK_HEADER + pack_read(it->p + PACK_HEADER,
                                         it->end - PACK_HEADER,
                                         it->at - PACK_HEADER, e);
    else
        it->at = ziplist_read(it->p, it->n, it->at, e);
}

/* Scores and deadlines of the blob: are they what they have to be? */
static bool rdb_items__numbers_ok(struct rdb_items *it) {
    struct pack_item e;
    size_t from = it->at;
    double score;

    if (it->kind != RDB_KIND_ZSET && it->width != 3) return true;
    for (size_t i = 1; it->at < it->end; i++) {
        rdb_items__read(it, &e);
        if (i % it->width != 0) continue;
        if (it->kind == RDB_KIND_ZSET && !rdb_items__score(&e, &score))
            return rdb_fail(it->in, "has a score that is no number");
        if (it->kind == RDB_KIND_HASH && (!e.is_int || e.i < 0))
            return rdb_fail(it->in, "has a deadline that is no time");
    }
    it->at = from;
    return true;
}

/* Take s as the blob to iterate over, all of it checked. */
static bool rdb_items__take(struct rdb_items *it, enum rdb_form form,
                            struct str s) {
    bool ok = false;
    struct str body;

    it->node = form;
    it->p = (const uint8_t *)s.p;
    it->n = s.n;
    it->end = s.n - 1;
    if (form == RDB_FORM_PACK) {
        it->at = PACK_HEADER;
        ok = pack_from_listpack(it->p, s.n, &body, &it->elements);
    } else if (form == RDB_FORM_ZIPLIST) {
        it->at = ZIPLIST_FIRST;
        ok = ziplist_valid(it->p, s.n, &it->elements);
    } else if (form == RDB_FORM_ZIPMAP) {
        it->at = ZIPLIST_MAP_FIRST;
        ok = ziplist_map_valid(it->p, s.n, &it->elements);
    } else if (form == RDB_FORM_INTSET) {
        it->at = 0;
        ok = intset_blob_valid(it->p, s.n);
        it->end = it->elements = ok ? (size_t)load_le(it->p + 4, 4) : 0;
    }
    if (!ok || it->elements % it->width != 0) {
        it->at = it->end = 0;
        return rdb_fail(it->in, "has a damaged collection");
    }
    return rdb_items__numbers_ok(it);
}

/* Read the next node of a list. */
static bool rdb_items__node(struct rdb_items *it) {
    uint64_t what = RDB_NODE_PACK;
    struct str s;

    it->left--;
    if (it->form == RDB_FORM_PACKS && !rdb_get_len(it->in, &what))
        return false;
    if (what != RDB_NODE_PLAIN && what != RDB_NODE_PACK)
        return rdb_fail(it->in, "has a node of no known form");
    if (!rdb_get_str(it->in, &s)) return false;
    if (it->form == RDB_FORM_ZIPLISTS)
        return rdb_items__take(it, RDB_FORM_ZIPLIST, s);
    if (what == RDB_NODE_PACK) return rdb_items__take(it, RDB_FORM_PACK, s);
    /* Redis has nothing so short there, and refuses it */
    if (s.n == 0) return rdb_fail(it->in, "has a damaged collection");
    it->node = RDB_FORM_PLAIN;
    it->p = (const uint8_t *)s.p;
    it->n = s.n;
    it->at = 0;
    it->end = 1;
    return true;
}

/* Keep a string that must outlive the next read of the input.  What stands
 * in memory, and not in what the reader unpacks to, does so anyway. */
static bool rdb_items__keep(struct rdb_items *it, int which, struct str *s) {
    struct rdb_in *in = it->in;
    bool lasts = in->fd == -1 && s->p != in->num && s->p != in->spare;

    if (lasts || s->n == 0) return true;
    if (it->hold_cap[which] < s->n) {
        size_t cap = size_max(s->n + s->n / 2, 256);

        free(it->hold[which]);
        it->hold[which] = malloc(cap);
        it->hold_cap[which] = it->hold[which] == NULL ? 0 : cap;
        if (it->hold[which] == NULL)
            return rdb_fail(in, "needs more memory than we get");
    }
    memcpy(it->hold[which], s->p, s->n);
    s->p = it->hold[which];
    return true;
}

/* Set up for a value of this type, whose type byte was just read.  False if
 * it is no collection or damaged: the reader's `why` says what; close then,
 * too. */
static bool rdb_items_open(struct rdb_items *it, struct rdb_in *in,
                           uint8_t type) {
    struct rdb_items_row row = rdb_items__row(in, type);
    struct str s;

    *it = (struct rdb_items){ .in = in, .type = type, .kind = row.kind,
                              .form = row.form, .width = row.width };
    if (row.form == RDB_FORM_NONE)
        return rdb_fail(in, "has a value of no known collection type");
    if (type == RDB_HASH_TTL || type == RDB_HASH_PACK_TTL) {
        if (!rdb_get_ms(in, &it->earliest)) return false;
        if (it->earliest < 0)
            return rdb_fail(in, "has a deadline that is no time");
    }
    if (row.form == RDB_FORM_PLAIN || row.form == RDB_FORM_ZIPLISTS ||
        row.form == RDB_FORM_PACKS) {
        if (!rdb_get_len(in, &it->count)) return false;
        if (it->count > rdb_rest(in) / it->width)
            return rdb_fail(in, "has fewer elements than it says");
        it->left = it->count;
        return true;
    }
    if (!rdb_get_str(in, &s) || !rdb_items__take(it, row.form, s))
        return false;
    it->count = it->elements / it->width;
    return true;
}

/* Free what the iterator holds, however it ended. */
static void rdb_items_close(struct rdb_items *it) {
    free(it->hold[0]);
    free(it->hold[1]);
    it->hold[0] = it->hold[1] = NULL;
    it->hold_cap[0] = it->hold_cap[1] = 0;
}

/* How many items may safely be made room for: never more than the input has
 * bytes for, and of a list in nodes nothing is known. */
static size_t rdb_items_hint(const struct rdb_items *it) {
    if (it->form == RDB_FORM_ZIPLISTS || it->form == RDB_FORM_PACKS) return 0;
    if (it->form == RDB_FORM_PLAIN && it->in->left == RDB_UNKNOWN)
        return (size_t)(it->count < 1024 ? it->count : 1024);
    return it->count > SIZE_MAX ? SIZE_MAX : (size_t)it->count;
}

/* A deadline as types 22 and 24 have it: 0 none; else, of 24, 1 more than
 * what it is later than the earliest. */
static bool rdb_items__deadline(struct rdb_items *it, uint64_t v,
                                int64_t *deadline) {
    uint64_t base = it->type == RDB_HASH_TTL ? (uint64_t)it->earliest : 0;

    *deadline = -1;
    if (v == 0) return true;
    if (it->type == RDB_HASH_TTL) v--;
    if (v > INT64_MAX - base)
        return rdb_fail(it->in, "has a deadline that is no time");
    *deadline = (int64_t)(v + base);
    return true;
}

static bool rdb_items__plain_hash(struct rdb_items *it, struct rdb_item *x) {
    struct rdb_in *in = it->in;
    bool before = it->width == 3 && !in->valkey;
    bool after = it->width == 3 && in->valkey;
    uint64_t ttl = 0;

    if (before && !rdb_get_len(in, &ttl)) return false;
    if (before && !rdb_items__deadline(it, ttl, &x->deadline)) return false;
    if (!rdb_get_str(in, &x->key)) return false;
    if (!rdb_items__keep(it, 0, &x->key)) return false;
    if (!rdb_get_str(in, &x->value)) return false;
    if (!after) return true;
    if (!rdb_items__keep(it, 1, &x->value)) return false;
    if (!rdb_get_ms(in, &x->deadline)) return false;
    if (x->deadline < -1)
        return rdb_fail(in, "has a deadline that is no time");
    return true;
}

static bool rdb_items__plain(struct rdb_items *it, struct rdb_item *x) {
    struct rdb_in *in = it->in;

    it->left--;
    if (it->kind == RDB_KIND_HASH) return rdb_items__plain_hash(it, x);
    if (!rdb_get_str(in, &x->key)) return false;
    if (it->kind != RDB_KIND_ZSET) return true;
    if (!rdb_items__keep(it, 0, &x->key)) return false;
    if (it->type == RDB_ZSET_TEXT) {
        if (!rdb_get_double_text(in, &x->score)) return false;
    } else if (!rdb_get_double(in, &x->score)) {
        return false;
    }
    return !isnan(x->score) || rdb_fail(in, "has a score that is no number");
}

/* The next item of the blob, which has one. */
static void rdb_items__of_blob(struct rdb_items *it, struct rdb_item *x) {
    struct pack_item e;

    if (it->node == RDB_FORM_PLAIN) {
        x->key = str_of(it->p, it->n);
        it->at = it->end;
        return;
    }
    if (it->node == RDB_FORM_ZIPMAP) {
        it->at = ziplist_map_read(it->p, it->n, it->at, &x->key, &x->value);
        return;
    }
    if (it->node == RDB_FORM_INTSET) {
        struct intset_view v = { it->p + INTSET_BLOB_HEADER,
                                 it->n - INTSET_BLOB_HEADER, it->p[0] };

        x->key = str_of(it->num[0],
                        num_put_int(it->num[0], intset_get(v, it->at++)));
        return;
    }
    rdb_items__read(it, &e);
    x->key = pack_item_str(&e, it->num[0]);
    if (it->width == 1) return;
    rdb_items__read(it, &e);
    if (it->kind == RDB_KIND_ZSET) {
        (void)rdb_items__score(&e, &x->score);
        return;
    }
    x->value = pack_item_str(&e, it->num[1]);
    if (it->width == 2) return;
    rdb_items__read(it, &e);
    x->deadline = e.i == 0 ? -1 : e.i;
}

/* Have a blob with something in it, if any more is to come. */
static inline bool rdb_items__blob(struct rdb_items *it) {
    while (it->at == it->end)
        if (it->left == 0 || !rdb_items__node(it)) return false;
    return true;
}

/* Read the next item; its strings are borrowed until the next call.  False
 * at the end and if something is wrong: then the reader's `why` is set. */
static bool rdb_items_next(struct rdb_items *it, struct rdb_item *x) {
    *x = (struct rdb_item){ .deadline = -1 };
    if (it->in->why != NULL) return false;
    if (it->form == RDB_FORM_PLAIN)
        return it->left > 0 && rdb_items__plain(it, x);
    if (!rdb_items__blob(it)) return false;
    rdb_items__of_blob(it, x);
    return true;
}

/* Is every element of the pack written as `pack` would write it?  It looks
 * elements up by their bytes. */
static bool rdb_items__is_ours(const uint8_t *p, size_t n) {
    struct pack_item e, ours;
    size_t at = 0, next;

    for (; at < n; at = next) {
        next = pack_read(p, n, at, &e);
        ours = e.is_int ? e : pack_item_of(e.s);
        if (ours.is_int != e.is_int || pack_item_size(&ours) != next - at)
            return false;
    }
    return true;
}

/* Instead of the next items, lend all those of a listpack, for copying: its
 * elements without header and end, and how many they are.  False if the next
 * items do not begin such a pack; then ask for one item, and try again. */
static bool rdb_items_pack(struct rdb_items *it, struct str *body,
                           size_t *elements) {
    const uint8_t *p;
    size_t n;

    if (it->in->why != NULL || it->form == RDB_FORM_PLAIN) return false;
    if (!rdb_items__blob(it)) return false;
    if (it->node != RDB_FORM_PACK || it->at != PACK_HEADER) return false;
    p = it->p + PACK_HEADER;
    n = it->end - PACK_HEADER;
    if (!rdb_items__is_ours(p, n)) return false;
    *body = str_of(p, n);
    *elements = it->elements;
    it->at = it->end;
    return true;
}

/* Instead of the items, lend the whole blob of a set of integers, as Redis
 * has it and valid.  False if the set is no such, or was begun. */
static bool rdb_items_intset(struct rdb_items *it, struct str *blob) {
    if (it->in->why != NULL || it->node != RDB_FORM_INTSET || it->at != 0)
        return false;
    *blob = str_of(it->p, it->n);
    it->at = it->end;
    return true;
}

/* Begin again with the blob that rdb_items_pack or rdb_items_intset has just
 * lent: its items come one by one after all. */
static void rdb_items_again(struct rdb_items *it) {
    it->at = it->node == RDB_FORM_PACK ? PACK_HEADER : 0;
}
