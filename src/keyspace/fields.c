/* SPDX-License-Identifier: MIT */
/* ==== fields - the value of a hash =========================================
 *
 * A small hash is a pack: field, value, field, value...  One that outgrows
 * hash-max-listpack-entries or -value becomes a table of items, and stays one.
 * Whoever changes a hash has it open as an edit; these functions keep the
 * snapshot's rule that an old element is put aside before it changes.
 *
 * A hash of which fields have deadlines is a table, too.  Fields that are dead
 * are seen by none of these functions; fields_purge removes them.
 *
 * floor 3 - uses: base arena rand table pack item skip sample entry shard big
 *    due walk door
 */

/* Fields of a hash that live. */
static size_t fields_count(const struct work *w, const struct entry *e) {
    struct str v = entry_value(e);

    if (entry_shape(e) == SHAPE_HASH_TABLE) {
        struct big_hash *h = entry_object(e);

        return h->fields.count - due_dead(h, w->now);
    }
    return pack_count((const uint8_t *)v.p, v.n) / 2;
}

/* Find the item of a field that lives, or NULL; at says where. */
static inline struct item *fields__find(const struct work *w,
                                        const struct entry *e,
                                        struct str field,
                                        struct table_at *at) {
    const struct big_hash *h = entry_object(e);
    struct item *it = item_of(w, &h->fields, field, at);

    return it != NULL && due_is_dead(it, w->now) ? NULL : it;
}

/* Find a field's value: lent, or digits in tmp. */
static bool fields_get(const struct work *w, const struct entry *e,
                       struct str field, char tmp[24], struct str *value) {
    struct str v = entry_value(e);
    const uint8_t *p = (const uint8_t *)v.p;
    struct table_at where;
    struct pack_item it;
    size_t at;

    if (entry_shape(e) == SHAPE_HASH_TABLE) {
        const struct item *item = fields__find(w, e, field, &where);

        if (item == NULL) return false;
        *value = item_value(item);
        return true;
    }
    at = pack_find(p, v.n, 0, field, 1);
    if (at == PACK_NONE) return false;
    pack_read(p, v.n, pack_next(p, v.n, at), &it);
    *value = pack_item_str(&it, tmp);
    return true;
}

/* Turn the pack of an open hash into a table.  False: no memory, nothing
 * changed. */
static bool fields__to_table(struct edit *ed) {
    struct mem *m = &ed->ref.shard->mem;
    struct str v = entry_value(ed->e);
    const uint8_t *p = (const uint8_t *)v.p;
    const uint64_t *seed = &ed->w->ks->seed;
    struct big_hash *h;
    struct big *b = big_try(m, SHAPE_HASH_TABLE, 0, 0);
    size_t budget = SIZE_MAX, n = v.n;

    if (b == NULL) return false;
    h = (struct big_hash *)b;
    for (size_t at = 0; at < n;) {
        struct pack_item f, x;
        char t1[24], t2[24];
        struct str field, value;
        struct item *it;

        at = pack_read(p, n, at, &f);
        at = pack_read(p, n, at, &x);
        field = pack_item_str(&f, t1);
        value = pack_item_str(&x, t2);
        it = item_try(m, field, &value, NULL, NULL);
        if (it == NULL || !table_put(&h->fields, m, item_hash(*seed, field),
                                     it, item_hash_of, seed)) {
            item_drop(m, it);
            goto refused;
        }
    }
    if (!edit_resize(ed, ENTRY_PTR)) goto refused;
    entry_set_shape(ed->e, SHAPE_HASH_TABLE);
    entry_set_object(ed->e, h);
    return true;
refused:
    while (!big_free_step(m, b, &budget)) {}
    return false;
}

/* Put a new item, of this value and deadline (0: none), in the place of an old
 * one that has a deadline or gets one.  False: no memory, nothing changed. */
static COLD bool fields__remake(struct edit *ed, struct table_at *at,
                           struct item *old, struct str value, int64_t ms) {
    struct mem *m = &ed->ref.shard->mem;
    struct big_hash *h = entry_object(ed->e);
    bool had = item_has_deadline(old);
    struct item *it = item_try(m, item_key(old), &value, NULL,
                               ms != 0 ? &ms : NULL);

    if (it == NULL) return false;
    if (ms != 0 && !(had ? due_replace(h, m, old, it) : due_add(h, m, it))) {
        item_drop(m, it);
        return false;
    }
    if (ms == 0 && had) due_drop(h, m, old);
    item_set_mark(it, h->big.mark);
    table_set(at, it);
    item_drop(m, old);
    due_settle(h, m);
    return true;
}

/* Put a field into the table; keep: with the deadline it has. */
static bool fields__put_table(struct edit *ed, struct str field,
                              struct str value, bool keep, bool *added) {
    struct shard *s = ed->ref.shard;
    struct big_hash *h = entry_object(ed->e);
    const uint64_t *seed = &ed->w->ks->seed;
    struct table_at at;
    struct item *it = item_of(ed->w, &h->fields, field, &at), *fresh;

    *added = it == NULL;
    if (it != NULL) {
        big_keep(s, &h->big, it);
        if (UNLIKELY(item_has_deadline(it))) {
            *added = due_is_dead(it, ed->w->now);
            return fields__remake(ed, &at, it, value,
                                  keep && !*added ? item_deadline(it) : 0);
        }
        fresh = item_with_value(&s->mem, it, value);
        if (fresh == NULL) return false;
        if (fresh != it) table_set(&at, fresh);
        item_set_mark(fresh, h->big.mark);
        return true;
    }
    it = item_try(&s->mem, field, &value, NULL, NULL);
    if (it == NULL) return false;
    item_set_mark(it, h->big.mark);
    if (table_put(&h->fields, &s->mem, item_hash(*seed, field), it,
                  item_hash_of, seed)) {
        due_settle(h, &s->mem);
        return true;
    }
    item_drop(&s->mem, it);
    return false;
}

/* Does a hash with one more pair outgrow the pack v? */
static inline bool fields__outgrows(const struct edit *ed, struct str v) {
    size_t entries = ed->w->ks->opt.hash_entries;

    /* a pair has four bytes at least: most packs need not be counted */
    return v.n / 4 >= entries &&
           pack_count((const uint8_t *)v.p, v.n) / 2 >= entries;
}

/* Append a pair to the pack of an open hash, or make the hash of it. */
static bool fields__append(struct edit *ed, struct str field,
                           struct str value) {
    struct pack_item f = pack_item_of(field), x = pack_item_of(value);
    size_t fsize = pack_item_size(&f), more = fsize + pack_item_size(&x);
    size_t n = ed->e == NULL ? 0 : entry_value(ed->e).n;
    uint8_t *p;

    if (ed->e == NULL ? !edit_make(ed, SHAPE_HASH_PACK, more, 0) :
                        !edit_resize(ed, n + more))
        return false;
    p = entry_bytes(ed->e) + n;
    pack_item_write(p, &f);
    pack_item_write(p + fsize, &x);
    return true;
}

/* Set a field of an open hash, or make the hash with it; keep: a deadline that
 * the field has stays, else it goes.  *added: it is new.  False: no memory,
 * nothing changed. */
static bool fields_put(struct edit *ed, struct str field, struct str value,
                       bool keep, bool *added) {
    const struct keyspace_options *opt = &ed->w->ks->opt;
    bool fits = field.n <= opt->hash_value && value.n <= opt->hash_value;
    struct str v;
    size_t at;

    if (ed->e == NULL) {
        *added = true;
        if (fits && opt->hash_entries > 0)
            return fields__append(ed, field, value);
        if (!edit_make(ed, SHAPE_HASH_PACK, 0, 0)) return false;
        fits = false;
    }
    if (entry_shape(ed->e) == SHAPE_HASH_TABLE)
        return fields__put_table(ed, field, value, keep, added);
    v = entry_value(ed->e);
    if (fits) {
        at = pack_find((const uint8_t *)v.p, v.n, 0, field, 1);
        *added = at == PACK_NONE;
        if (!*added) {
            at = pack_next((const uint8_t *)v.p, v.n, at);
            return edit_pack_replace(ed, at, value);
        }
        if (!fields__outgrows(ed, v)) return fields__append(ed, field, value);
    }
    if (fields__to_table(ed) &&
        fields__put_table(ed, field, value, keep, added))
        return true;
    if (fields_count(ed->w, ed->e) == 0) edit_drop(ed);
    return false;
}

static void fields__drop_item(struct shard *s, struct big_hash *h,
                              struct table_at *at, struct item *it) {
    big_keep(s, &h->big, it);
    if (UNLIKELY(item_has_deadline(it))) due_drop(h, &s->mem, it);
    table_drop(&h->fields, &s->mem, at);
    item_drop(&s->mem, it);
}

/* Remove a field of an open hash; an emptied hash is removed with its last.
 * False: there is no such field. */
static bool fields_drop(struct edit *ed, struct str field) {
    struct shard *s = ed->ref.shard;
    struct table_at where;
    struct str v;
    size_t at, end;

    if (ed->e == NULL) return false;
    if (entry_shape(ed->e) == SHAPE_HASH_TABLE) {
        struct big_hash *h = entry_object(ed->e);
        struct item *it = fields__find(ed->w, ed->e, field, &where);

        if (it == NULL) return false;
        fields__drop_item(s, h, &where, it);
        if (h->fields.count == 0) edit_drop(ed);
        return true;
    }
    v = entry_value(ed->e);
    at = pack_find((const uint8_t *)v.p, v.n, 0, field, 1);
    if (at == PACK_NONE) return false;
    end = pack_next((const uint8_t *)v.p, v.n, at);
    end = pack_next((const uint8_t *)v.p, v.n, end);
    edit_pack_cut(ed, at, end - at);
    return true;
}

/* Remove up to DUE_SOME dead fields of an open hash that has others; returns
 * how many. */
static size_t fields_purge(struct edit *ed) {
    struct shard *s = ed->ref.shard;
    struct big_hash *h = entry_object(ed->e);
    struct item *found[DUE_SOME];
    size_t n = due_find(h, ed->w->now, found);
    struct table_at at;

    for (size_t i = 0; i < n; i++) {
        struct item *it = item_find(&h->fields, ed->w->ks->seed,
                                    item_key(found[i]), &at);

        KVNS_ASSERT(it == found[i]);
        fields__drop_item(s, h, &at, it);
    }
    s->fields_expired += n;
    return n;
}

/* Find the deadline of a field, 0 for none.  False: there is no such field. */
static bool fields_deadline(const struct work *w, const struct entry *e,
                            struct str field, int64_t *ms) {
    struct str v = entry_value(e);
    struct table_at at;
    struct item *it;

    *ms = 0;
    if (entry_shape(e) != SHAPE_HASH_TABLE)
        return pack_find((const uint8_t *)v.p, v.n, 0, field, 1) != PACK_NONE;
    it = fields__find(w, e, field, &at);
    if (it != NULL && item_has_deadline(it)) *ms = item_deadline(it);
    return it != NULL;
}

/* Give a field that is there another deadline, 0 for none.  False: no memory,
 * nothing changed. */
static bool fields_expire(struct edit *ed, struct str field, int64_t ms) {
    struct table_at at;
    struct item *it;

    if (entry_shape(ed->e) != SHAPE_HASH_TABLE) {
        if (ms == 0) return true;
        if (!fields__to_table(ed)) return false;
    }
    it = fields__find(ed->w, ed->e, field, &at);
    KVNS_ASSERT(it != NULL);
    if (ms == 0 && !item_has_deadline(it)) return true;
    big_keep(ed->ref.shard, entry_object(ed->e), it);
    return fields__remake(ed, &at, it, item_value(it), ms);
}

/* One pair of a hash, as it is stored. */
struct fields_pair {
    struct pack_item field, value;
    int64_t deadline;           /* 0: none */
};

/* A pair of a pack, lent; of one that starts at `at`. */
static struct fields_pair fields__pair_at(struct str v, size_t at) {
    struct fields_pair pair = { .deadline = 0 };

    at = pack_read((const uint8_t *)v.p, v.n, at, &pair.field);
    pack_read((const uint8_t *)v.p, v.n, at, &pair.value);
    return pair;
}

/* The pair that is an item of a table, lent. */
static struct fields_pair fields_pair_of(const struct item *it) {
    return (struct fields_pair){ { item_key(it), 0, false },
                                 { item_value(it), 0, false },
                                 item_has_deadline(it) ? item_deadline(it) :
                                                         0 };
}

struct fields__seen {
    void (*see)(void *ctx, const struct fields_pair *pair);
    void *ctx;
    int64_t now;
    struct sample *sample;      /* of those that live, or NULL: all */
};

static void fields__see_item(void *ctx, void *item) {
    struct fields__seen *x = ctx;
    struct fields_pair pair = fields_pair_of(item);

    if (due_is_dead(item, x->now)) return;
    if (x->sample != NULL &&
        (x->sample->want == 0 || !sample_next(x->sample)))
        return;
    x->see(x->ctx, &pair);
}

/* The same for all fields of a table; only for those that live, where these
 * can be told. */
static void fields__see_table(const struct big_hash *h,
                              struct fields__seen *x) {
    uint32_t cursor = 0;
    struct skip_at at;

    if (UNLIKELY(due_living(h, x->now, &at))) {
        for (; !skip_is_end(at); skip_next(&at))
            fields__see_item(x, skip_item(at));
        return;
    }
    do {
        cursor = table_scan(&h->fields, cursor, fields__see_item, x);
    } while (cursor != 0 && (x->sample == NULL || x->sample->want > 0));
}

/* Hand every pair that lives to see, which must not change the hash. */
static void fields_each(const struct entry *e, int64_t now,
                        void (*see)(void *ctx,
                                    const struct fields_pair *pair),
                        void *ctx) {
    struct fields__seen x = { see, ctx, now, NULL };
    struct str v = entry_value(e);
    struct fields_pair pair = { .deadline = 0 };

    if (entry_shape(e) == SHAPE_HASH_TABLE) {
        fields__see_table(entry_object(e), &x);
        return;
    }
    for (size_t at = 0; at < v.n;) {
        at = pack_read((const uint8_t *)v.p, v.n, at, &pair.field);
        at = pack_read((const uint8_t *)v.p, v.n, at, &pair.value);
        see(ctx, &pair);
    }
}

static void fields__take(void *ctx, const struct fields_pair *pair) {
    *(struct fields_pair *)ctx = *pair;
}

/* May n fields that live be drawn?  Else it is quicker to look at all: there
 * is no order, or hardly a field without a deadline. */
static bool fields__may_draw(const struct big_hash *h, size_t n) {
    size_t plain = h->due == NULL ? 0 : h->fields.count - h->due->n;

    if (h->due == NULL) return true;
    return h->due->order != NULL && (plain == 0 || n <= plain / 8);
}

/* Draw one of the `count` fields that live: of those with a deadline they are
 * the last in order, of the others all do. */
static struct item *fields__draw(const struct big_hash *h, struct rand *r,
                                 size_t count) {
    size_t plain = h->due == NULL ? count : h->fields.count - h->due->n, i;
    struct table_at at;
    struct item *it;

    i = (size_t)rand_below(r, count);
    if (h->due != NULL && i >= plain)
        return skip_item(skip_at(h->due->order, h->due->n - 1 - (i - plain)));
    do {
        it = table_random(&h->fields, r, &at);
    } while (item_has_deadline(it));
    return it;
}

/* A pair of a table of which count live. */
static struct fields_pair fields__draw_pair(const struct work *w,
                                            const struct big_hash *h,
                                            struct rand *r, size_t count) {
    struct sample s = { r, count, 1 };
    struct fields_pair pair = { .deadline = 0 };
    struct fields__seen x = { fields__take, &pair, w->now, &s };
    struct table_at at;

    if (fields__may_draw(h, 1))
        return fields_pair_of(fields__draw(h, r, count));
    for (int tries = 0; tries < 100; tries++) {
        const struct item *it = table_random(&h->fields, r, &at);

        if (!due_is_dead(it, w->now)) return fields_pair_of(it);
    }
    fields__see_table(h, &x);
    return pair;
}

/* A pair drawn at random, each equally likely; lent.  offsets is of a pack,
 * from fields_offsets, or NULL; count is from fields_count. */
static struct fields_pair fields_random(const struct work *w,
                                        const struct entry *e, struct rand *r,
                                        const uint32_t *offsets,
                                        size_t count) {
    struct str v = entry_value(e);
    size_t i;

    if (entry_shape(e) == SHAPE_HASH_TABLE)
        return fields__draw_pair(w, entry_object(e), r, count);
    i = (size_t)rand_below(r, count);
    return fields__pair_at(v, offsets != NULL ? offsets[i] :
                                  pack_nth((const uint8_t *)v.p, v.n, 2 * i));
}

struct fields__living {
    struct item **item;
    size_t n;
    int64_t now;
};

static void fields__see_living(void *ctx, void *item) {
    struct fields__living *x = ctx;

    if (!due_is_dead(item, x->now)) x->item[x->n++] = item;
}

/* Are so many fields dead that n draws take too long without a list of the
 * `count` that live? */
static bool fields_are_rare(const struct entry *e, size_t count, uint64_t n) {
    const struct big_hash *h;

    if (entry_shape(e) != SHAPE_HASH_TABLE) return false;
    h = entry_object(e);
    return count < h->fields.count / 2 &&
           (n > count || !fields__may_draw(h, (size_t)n));
}

/* Hand n different fields of the `count` that live, drawn one by one, to see.
 * False: no memory. */
static bool fields__sample_few(const struct big_hash *h, struct rand *r,
                               size_t n, size_t count,
                               struct fields__seen *x) {
    size_t mask = sample_mask(n);
    void **set = calloc(mask + 1, sizeof *set);

    if (set == NULL) return false;
    while (n > 0) {
        struct item *it = fields__draw(h, r, count);

        if (!sample_note(set, mask, it)) continue;
        fields__see_item(x, it);
        n--;
    }
    free(set);
    return true;
}

/* The items that live, all `count` of them, as an array that the caller frees;
 * they are lent.  NULL: no memory. */
static struct item **fields_living(const struct work *w,
                                   const struct entry *e, size_t count) {
    struct fields__living x = { malloc(count * sizeof *x.item), 0, w->now };
    const struct big_hash *h = entry_object(e);
    uint32_t cursor = 0;

    if (x.item == NULL) return NULL;
    do {
        cursor = table_scan(&h->fields, cursor, fields__see_living, &x);
    } while (cursor != 0);
    KVNS_ASSERT(x.n == count);
    return x.item;
}

/* The offsets of the pairs of a small hash, for many draws; the caller frees
 * them.  NULL: there are none, or no memory: draws take longer then. */
static uint32_t *fields_offsets(const struct entry *e) {
    struct str v = entry_value(e);
    size_t count;

    if (entry_shape(e) == SHAPE_HASH_TABLE) return NULL;
    return sample_offsets((const uint8_t *)v.p, v.n, 1, &count);
}

/* Hand n different pairs, any n equally likely, to see; n is not more than
 * there are. */
static void fields_sample(const struct work *w, const struct entry *e,
                          struct rand *r, size_t n,
                          void (*see)(void *ctx,
                                      const struct fields_pair *pair),
                          void *ctx) {
    struct str v = entry_value(e);
    struct sample s = { r, fields_count(w, e), n };
    struct fields__seen x = { see, ctx, w->now, NULL };

    if (entry_shape(e) == SHAPE_HASH_TABLE) {
        struct big_hash *h = entry_object(e);

        if (s.left == h->fields.count) {
            sample_table(&h->fields, r, n, fields__see_item, &x);
            return;
        }
        if (n <= s.left / 8 && fields__may_draw(h, n) &&
            fields__sample_few(h, r, n, s.left, &x))
            return;
        x.sample = &s;
        fields__see_table(h, &x);
        return;
    }
    for (size_t at = 0; at < v.n && s.want > 0;) {
        if (sample_next(&s)) {
            struct fields_pair pair = fields__pair_at(v, at);

            see(ctx, &pair);
        }
        at = pack_next((const uint8_t *)v.p, v.n, at);
        at = pack_next((const uint8_t *)v.p, v.n, at);
    }
}
