/* ==== fields - the value of a hash =========================================
 *
 * A small hash is a pack: field, value, field, value...  One that outgrows
 * hash-max-listpack-entries or -value becomes a table of items, and stays one.
 * Whoever changes a hash has it open as an edit; these functions keep the
 * snapshot's rule that an old element is put aside before it changes.
 *
 * floor 3 - uses: base mem rand table pack item sample entry shard big walk
 *    door
 */

/* Fields of a hash. */
static size_t fields_count(const struct entry *e) {
    struct str v = entry_value(e);

    if (entry_shape(e) == SHAPE_HASH_TABLE) return big_count(entry_object(e));
    return pack_count((const uint8_t *)v.p, v.n) / 2;
}

/* Find a field's value: lent, or digits in tmp. */
static bool fields_get(const struct keyspace *ks, const struct entry *e,
                       struct str field, char tmp[24], struct str *value) {
    struct str v = entry_value(e);
    const uint8_t *p = (const uint8_t *)v.p;
    struct table_at where;
    struct pack_item it;
    size_t at;

    if (entry_shape(e) == SHAPE_HASH_TABLE) {
        struct big_hash *h = entry_object(e);
        const struct item *item = item_find(&h->fields, ks->seed, field,
                                            &where);

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

static bool fields__put_table(struct edit *ed, struct str field,
                              struct str value, bool *added) {
    struct shard *s = ed->ref.shard;
    struct big_hash *h = entry_object(ed->e);
    const uint64_t *seed = &ed->w->ks->seed;
    uint64_t hash = item_hash(*seed, field);
    struct table_at at;
    struct item *it = table_first(&h->fields, hash, &at), *fresh;

    while (it != NULL && !str_eq(item_key(it), field)) it = table_next(&at);
    *added = it == NULL;
    if (it != NULL) {
        big_keep(s, &h->big, it);
        fresh = item_with_value(&s->mem, it, value);
        if (fresh == NULL) return false;
        if (fresh != it) table_set(&at, fresh);
        item_set_mark(fresh, h->big.mark);
        return true;
    }
    it = item_try(&s->mem, field, &value, NULL, NULL);
    if (it == NULL) return false;
    item_set_mark(it, h->big.mark);
    if (table_put(&h->fields, &s->mem, hash, it, item_hash_of, seed))
        return true;
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

/* Set a field of an open hash, or make the hash with it.  *added: it is new.
 * False: no memory, nothing changed. */
static bool fields_put(struct edit *ed, struct str field, struct str value,
                       bool *added) {
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
        return fields__put_table(ed, field, value, added);
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
    if (fields__to_table(ed) && fields__put_table(ed, field, value, added))
        return true;
    if (fields_count(ed->e) == 0) edit_drop(ed);
    return false;
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
        struct item *it = item_find(&h->fields, ed->w->ks->seed, field,
                                    &where);

        if (it == NULL) return false;
        big_keep(s, &h->big, it);
        table_drop(&h->fields, &s->mem, &where);
        item_drop(&s->mem, it);
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

/* One pair of a hash, as it is stored. */
struct fields_pair {
    struct pack_item field, value;
};

/* A pair of a pack, lent; of one that starts at `at`. */
static struct fields_pair fields__pair_at(struct str v, size_t at) {
    struct fields_pair pair;

    at = pack_read((const uint8_t *)v.p, v.n, at, &pair.field);
    pack_read((const uint8_t *)v.p, v.n, at, &pair.value);
    return pair;
}

static struct fields_pair fields__pair_of(const struct item *it) {
    return (struct fields_pair){ { item_key(it), 0, false },
                                 { item_value(it), 0, false } };
}

struct fields__seen {
    void (*see)(void *ctx, const struct fields_pair *pair);
    void *ctx;
};

static void fields__see_item(void *ctx, void *item) {
    struct fields__seen *x = ctx;
    struct fields_pair pair = fields__pair_of(item);

    x->see(x->ctx, &pair);
}

/* Hand every pair to see, which must not change the hash. */
static void fields_each(const struct entry *e,
                        void (*see)(void *ctx,
                                    const struct fields_pair *pair),
                        void *ctx) {
    struct fields__seen x = { see, ctx };
    struct str v = entry_value(e);
    struct fields_pair pair;
    uint32_t cursor = 0;

    if (entry_shape(e) == SHAPE_HASH_TABLE) {
        struct big_hash *h = entry_object(e);

        do {
            cursor = table_scan(&h->fields, cursor, fields__see_item, &x);
        } while (cursor != 0);
        return;
    }
    for (size_t at = 0; at < v.n;) {
        at = pack_read((const uint8_t *)v.p, v.n, at, &pair.field);
        at = pack_read((const uint8_t *)v.p, v.n, at, &pair.value);
        see(ctx, &pair);
    }
}

/* A pair drawn at random, each equally likely; lent.  offsets is of a pack,
 * from fields_offsets, or NULL. */
static struct fields_pair fields_random(const struct entry *e, struct rand *r,
                                        const uint32_t *offsets,
                                        size_t count) {
    struct str v = entry_value(e);
    struct table_at at;
    size_t i;

    if (entry_shape(e) == SHAPE_HASH_TABLE)
        return fields__pair_of(table_random(
            &((struct big_hash *)entry_object(e))->fields, r, &at));
    i = (size_t)rand_below(r, count);
    return fields__pair_at(v, offsets != NULL ? offsets[i] :
                                  pack_nth((const uint8_t *)v.p, v.n, 2 * i));
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
static void fields_sample(const struct entry *e, struct rand *r, size_t n,
                          void (*see)(void *ctx,
                                      const struct fields_pair *pair),
                          void *ctx) {
    struct str v = entry_value(e);
    struct sample s = { r, fields_count(e), n };
    struct fields__seen x = { see, ctx };

    if (entry_shape(e) == SHAPE_HASH_TABLE) {
        sample_table(&((struct big_hash *)entry_object(e))->fields, r, n,
                     fields__see_item, &x);
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
