/* ==== fields - the value of a hash =========================================
 *
 * A small hash is a pack: field, value, field, value...  One that outgrows
 * hash-max-listpack-entries or -value becomes a table of items, and stays one.
 * Whoever changes a hash has it open as an edit; these functions keep the
 * snapshot's rule that an old element is put aside before it changes.
 *
 * floor 3 - uses: base mem table pack item entry shard big walk door
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
    struct table_at at;
    struct item *it = item_find(&h->fields, *seed, field, &at), *fresh;

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
    if (table_put(&h->fields, &s->mem, item_hash(*seed, field), it,
                  item_hash_of, seed))
        return true;
    item_drop(&s->mem, it);
    return false;
}

/* Set a field of an open hash, or make the hash with it.  *added: it is new.
 * False: no memory, nothing changed. */
static bool fields_put(struct edit *ed, struct str field, struct str value,
                       bool *added) {
    const struct keyspace_options *opt = &ed->w->ks->opt;
    size_t fsize = pack_size_of(field), vsize = pack_size_of(value), at, n;
    struct str v;
    uint8_t *p;

    if (ed->e == NULL) {
        if (!edit_make(ed, SHAPE_HASH_PACK, 0, 0)) return false;
    }
    if (entry_shape(ed->e) == SHAPE_HASH_PACK &&
        (field.n > opt->hash_value || value.n > opt->hash_value) &&
        !fields__to_table(ed))
        goto refused;
    if (entry_shape(ed->e) == SHAPE_HASH_TABLE)
        return fields__put_table(ed, field, value, added);
    v = entry_value(ed->e);
    at = pack_find((const uint8_t *)v.p, v.n, 0, field, 1);
    *added = at == PACK_NONE;
    if (*added) {
        n = v.n;
        if (pack_count((const uint8_t *)v.p, n) / 2 >= opt->hash_entries) {
            if (!fields__to_table(ed)) goto refused;
            return fields__put_table(ed, field, value, added);
        }
        if (!edit_resize(ed, n + fsize + vsize)) goto refused;
        p = entry_bytes(ed->e);
        pack_write(p + n, field);
        pack_write(p + n + fsize, value);
        return true;
    }
    at = pack_next((const uint8_t *)v.p, v.n, at);
    return edit_pack_replace(ed, at, value);
refused:
    if (!ed->existed && ed->e != NULL) edit_drop(ed);
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

struct fields__seen {
    void (*see)(void *ctx, struct str field, struct str value);
    void *ctx;
};

static void fields__see_item(void *ctx, void *item) {
    struct fields__seen *x = ctx;

    x->see(x->ctx, item_key(item), item_value(item));
}

/* Hand every field and value to see, which must not change the hash. */
static void fields_each(const struct entry *e,
                        void (*see)(void *ctx, struct str f, struct str v),
                        void *ctx) {
    struct fields__seen x = { see, ctx };
    struct str v = entry_value(e);
    uint32_t cursor = 0;

    if (entry_shape(e) == SHAPE_HASH_TABLE) {
        struct big_hash *h = entry_object(e);

        do {
            cursor = table_scan(&h->fields, cursor, fields__see_item, &x);
        } while (cursor != 0);
        return;
    }
    for (size_t at = 0; at < v.n;) {
        struct pack_item f, y;
        char t1[24], t2[24];

        at = pack_read((const uint8_t *)v.p, v.n, at, &f);
        at = pack_read((const uint8_t *)v.p, v.n, at, &y);
        see(ctx, pack_item_str(&f, t1), pack_item_str(&y, t2));
    }
}
