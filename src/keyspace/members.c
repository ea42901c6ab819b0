/* SPDX-License-Identifier: MIT */
/* ==== members - the value of a set =========================================
 *
 * A set of integers is an intset; a small one of anything is a pack; beyond
 * set-max-intset-entries, set-max-listpack-entries or -value it is a table of
 * items, and stays one.  As in Redis 7.2:
 *
 *   intset --another kind of member--> pack --too many, too long--> table
 *      \---------------too many--------------------------------------^
 *
 * A member on its way is a pack_item, so that numbers need not be printed and
 * parsed between two intsets.  Whoever changes a set has it open as an edit;
 * these functions keep the snapshot's rule that an old element is put aside
 * before it goes.
 *
 * A set that is computed from others is gathered in a table of its own and
 * becomes a key's value, in whatever shape fits, when it is complete.
 *
 * floor 3 - uses: base arena mem rand num table pack item intset sample entry
 *    shard big walk door
 */

/* The table of a big set. */
static inline struct table *members_table(const struct entry *e) {
    return &((struct big_set *)entry_object(e))->members;
}

static inline struct intset_view members__ints(const struct entry *e) {
    struct str v = entry_value(e);

    return intset_of((const uint8_t *)v.p, v.n);
}

/* Members of a set. */
static size_t members_count(const struct entry *e) {
    struct str v = entry_value(e);

    if (entry_shape(e) == SHAPE_SET_TABLE) return members_table(e)->count;
    if (entry_shape(e) == SHAPE_SET_INT)
        return intset_count(members__ints(e));
    return pack_count((const uint8_t *)v.p, v.n);
}

/* Is it a member? */
static bool members_has(const struct keyspace *ks, const struct entry *e,
                        struct str member) {
    struct str v = entry_value(e);
    struct table_at at;
    struct pack_item it;

    if (entry_shape(e) == SHAPE_SET_TABLE)
        return item_find(members_table(e), ks->seed, member, &at) != NULL;
    if (entry_shape(e) == SHAPE_SET_PACK)
        return pack_find((const uint8_t *)v.p, v.n, 0, member, 0) !=
               PACK_NONE;
    it = pack_item_of(member);
    return it.is_int && intset_has(members__ints(e), it.i);
}

/* The same for one that is being walked over. */
static bool members_has_item(const struct keyspace *ks, const struct entry *e,
                             const struct pack_item *it) {
    char tmp[24];

    if (it->is_int && entry_shape(e) == SHAPE_SET_INT)
        return intset_has(members__ints(e), it->i);
    return members_has(ks, e, pack_item_str(it, tmp));
}

/* Look at a member; false: go no further. */
typedef bool members_see(void *ctx, const struct pack_item *it);

struct members__each {
    members_see *see;
    void *ctx;
    bool stopped;
};

static void members__see_item(void *ctx, void *item) {
    struct members__each *x = ctx;
    struct pack_item it = { item_key(item), 0, false };

    if (!x->stopped) x->stopped = !x->see(x->ctx, &it);
}

/* Hand the members of a table, one after the other, to see, which must not
 * change it.  False: see has stopped it. */
static bool members_each_of(const struct table *t, members_see *see,
                            void *ctx) {
    struct members__each x = { see, ctx, false };
    uint32_t cursor = 0;

    do {
        cursor = table_scan(t, cursor, members__see_item, &x);
    } while (cursor != 0 && !x.stopped);
    return !x.stopped;
}

/* Hand the members, one after the other, to see, which must not change the
 * set.  False: see has stopped it. */
static bool members_each(const struct entry *e, members_see *see, void *ctx) {
    struct str v = entry_value(e);
    struct pack_item it;

    if (entry_shape(e) == SHAPE_SET_TABLE)
        return members_each_of(members_table(e), see, ctx);
    if (entry_shape(e) == SHAPE_SET_INT) {
        struct intset_view ints = members__ints(e);
        size_t n = intset_count(ints);

        for (size_t i = 0; i < n; i++) {
            it = pack_item_of_int(intset_get(ints, i));
            if (!see(ctx, &it)) return false;
        }
        return true;
    }
    for (size_t at = 0; at < v.n;) {
        at = pack_read((const uint8_t *)v.p, v.n, at, &it);
        if (!see(ctx, &it)) return false;
    }
    return true;
}

/* Put a member that is not there into a table.  False: no memory. */
static bool members__table_put(struct mem *m, const uint64_t *seed,
                               struct big_set *set, uint64_t h,
                               struct str member) {
    struct item *it = item_try(m, member, NULL, NULL, NULL);

    if (it == NULL) return false;
    item_set_mark(it, set->big.mark);
    if (table_put(&set->members, m, h, it, item_hash_of, seed)) return true;
    item_drop(m, it);
    return false;
}

static void members__free(struct mem *m, struct big_set *set) {
    size_t budget = SIZE_MAX;

    while (!big_free_step(m, &set->big, &budget)) {}
}

struct members__to {
    struct mem *m;
    const uint64_t *seed;
    struct big_set *set;
    uint8_t *p;
    size_t n;
};

static bool members__into_table(void *ctx, const struct pack_item *it) {
    struct members__to *to = ctx;
    char tmp[24];
    struct str s = pack_item_str(it, tmp);

    return members__table_put(to->m, to->seed, to->set,
                              item_hash(*to->seed, s), s);
}

/* Turn the intset or pack of an open set into a table.  False: no memory,
 * nothing changed. */
static bool members__to_table(struct edit *ed) {
    struct members__to to = { &ed->ref.shard->mem, &ed->w->ks->seed, NULL,
                              NULL, 0 };

    to.set = (struct big_set *)big_try(to.m, SHAPE_SET_TABLE, 0, 0);
    if (to.set == NULL) return false;
    if (!members_each(ed->e, members__into_table, &to) ||
        !edit_resize(ed, ENTRY_PTR)) {
        members__free(to.m, to.set);
        return false;
    }
    entry_set_shape(ed->e, SHAPE_SET_TABLE);
    entry_set_object(ed->e, to.set);
    return true;
}

static bool members__into_pack(void *ctx, const struct pack_item *it) {
    struct members__to *to = ctx;

    if (to->p == NULL) to->n += pack_item_size(it);
    else to->n += pack_item_write(to->p + to->n, it);
    return true;
}

/* Turn the intset of an open set into a pack.  False: no memory, nothing
 * changed. */
static bool members__to_pack(struct edit *ed) {
    struct mem *m = &ed->ref.shard->mem;
    struct members__to to = { NULL, NULL, NULL, NULL, 0 };
    size_t bytes;
    uint8_t *p;

    members_each(ed->e, members__into_pack, &to);
    bytes = to.n;
    p = mem_try(m, bytes);
    if (p == NULL) return false;
    to.p = p;
    to.n = 0;
    members_each(ed->e, members__into_pack, &to);
    if (!edit_resize(ed, bytes)) {
        mem_drop(m, p, bytes);
        return false;
    }
    memcpy(entry_bytes(ed->e), p, bytes);
    mem_drop(m, p, bytes);
    entry_set_shape(ed->e, SHAPE_SET_PACK);
    return true;
}

/* May a member of so many bytes come to so many others in a pack? */
static inline bool members__packs(const struct edit *ed, size_t count,
                                  size_t bytes) {
    const struct keyspace_options *opt = &ed->w->ks->opt;

    return count < opt->set_entries && bytes <= opt->set_value;
}

/* Make the key with its first member. */
static bool members__make(struct edit *ed, struct str member) {
    struct pack_item it = pack_item_of(member);
    struct mem *m = &ed->ref.shard->mem;
    const uint64_t *seed = &ed->w->ks->seed;
    struct big_set *set;

    if (it.is_int && ed->w->ks->opt.set_ints > 0) {
        if (!edit_make(ed, SHAPE_SET_INT, 1 + (size_t)intset_width(it.i), 0))
            return false;
        intset_insert(entry_bytes(ed->e), 0, 0, it.i);
        return true;
    }
    if (members__packs(ed, 0, member.n)) {
        if (!edit_make(ed, SHAPE_SET_PACK, pack_item_size(&it), 0))
            return false;
        pack_item_write(entry_bytes(ed->e), &it);
        return true;
    }
    set = (struct big_set *)big_try(m, SHAPE_SET_TABLE, 0, 0);
    if (set == NULL) return false;
    if (!members__table_put(m, seed, set, item_hash(*seed, member), member) ||
        !edit_make(ed, SHAPE_SET_TABLE, ENTRY_PTR, 0)) {
        members__free(m, set);
        return false;
    }
    entry_set_object(ed->e, set);
    return true;
}

static bool members__put_table(struct edit *ed, struct str member,
                               bool *added) {
    struct big_set *set = entry_object(ed->e);
    const uint64_t *seed = &ed->w->ks->seed;
    struct table_at at;

    *added = false;
    if (item_of(ed->w, &set->members, member, &at) != NULL) return true;
    if (!members__table_put(&ed->ref.shard->mem, seed, set,
                            item_hash(*seed, member), member))
        return false;
    return *added = true;
}

static bool members__put_pack(struct edit *ed, struct str member,
                              bool *added) {
    struct str v = entry_value(ed->e);
    const uint8_t *p = (const uint8_t *)v.p;
    size_t entries = ed->w->ks->opt.set_entries;
    struct pack_item it;

    *added = false;
    if (pack_find(p, v.n, 0, member, 0) != PACK_NONE) return true;
    /* an element has two bytes at least: most packs need not be counted */
    if (!members__packs(ed, v.n / 2 < entries ? 0 : pack_count(p, v.n),
                        member.n))
        return members__to_table(ed) &&
               members__put_table(ed, member, added);
    it = pack_item_of(member);
    if (!edit_resize(ed, v.n + pack_item_size(&it))) return false;
    pack_item_write(entry_bytes(ed->e) + v.n, &it);
    return *added = true;
}

/* The most bytes that a member of an intset takes as text. */
static size_t members__digits(struct intset_view ints) {
    char tmp[24];

    return size_max(num_put_int(tmp, intset_min(ints)),
                    num_put_int(tmp, intset_max(ints)));
}

static bool members__put_int(struct edit *ed, struct str member,
                             bool *added) {
    struct intset_view ints = members__ints(ed->e);
    struct pack_item it = pack_item_of(member);
    size_t n = entry_value(ed->e).n, count = intset_count(ints), pos;

    *added = false;
    if (!it.is_int) {
        if (members__packs(ed, count, size_max(member.n,
                                               members__digits(ints))))
            return members__to_pack(ed) &&
                   members__put_pack(ed, member, added);
    } else {
        if (intset_find(ints, it.i, &pos)) return true;
        if (count < ed->w->ks->opt.set_ints) {
            if (!edit_resize(ed, intset_size_with(ints, it.i))) return false;
            intset_insert(entry_bytes(ed->e), n, pos, it.i);
            return *added = true;
        }
    }
    return members__to_table(ed) && members__put_table(ed, member, added);
}

/* Put a member into an open set, or make the set with it.  *added: it is new.
 * False: no memory, and it is not there. */
static bool members_put(struct edit *ed, struct str member, bool *added) {
    if (ed->e == NULL) return *added = members__make(ed, member);
    if (entry_shape(ed->e) == SHAPE_SET_TABLE)
        return members__put_table(ed, member, added);
    if (entry_shape(ed->e) == SHAPE_SET_PACK)
        return members__put_pack(ed, member, added);
    return members__put_int(ed, member, added);
}

/* Drop a found item of an open set. */
static void members__drop_item(struct edit *ed, struct table_at *at,
                               struct item *it) {
    struct shard *s = ed->ref.shard;
    struct big_set *set = entry_object(ed->e);

    big_keep(s, &set->big, it);
    table_drop(&set->members, &s->mem, at);
    item_drop(&s->mem, it);
    if (set->members.count == 0) edit_drop(ed);
}

/* Remove a member of an open set; an emptied set is removed with its last.
 * False: it was none. */
static bool members_drop(struct edit *ed, struct str member) {
    struct table_at where;
    struct pack_item it;
    struct item *item;
    struct str v;
    size_t at, n;

    if (ed->e == NULL) return false;
    v = entry_value(ed->e);
    if (entry_shape(ed->e) == SHAPE_SET_TABLE) {
        item = item_of(ed->w, members_table(ed->e), member, &where);
        if (item == NULL) return false;
        members__drop_item(ed, &where, item);
        return true;
    }
    if (entry_shape(ed->e) == SHAPE_SET_PACK) {
        at = pack_find((const uint8_t *)v.p, v.n, 0, member, 0);
        if (at == PACK_NONE) return false;
        edit_pack_cut(ed, at, pack_next((const uint8_t *)v.p, v.n, at) - at);
        return true;
    }
    it = pack_item_of(member);
    if (!it.is_int || !intset_find(members__ints(ed->e), it.i, &at))
        return false;
    n = intset_remove(entry_bytes(ed->e), v.n, at);
    if (n == 0) edit_drop(ed);
    else edit_shrink(ed, n);
    return true;
}

/* A member drawn at random, each equally likely; lent. */
static struct pack_item members_random(const struct entry *e,
                                       struct rand *r) {
    struct str v = entry_value(e);
    const uint8_t *p = (const uint8_t *)v.p;
    size_t n = members_count(e);
    struct table_at at;
    struct pack_item it;

    if (entry_shape(e) == SHAPE_SET_TABLE) {
        struct item *item = table_random(members_table(e), r, &at);

        return (struct pack_item){ item_key(item), 0, false };
    }
    if (entry_shape(e) == SHAPE_SET_INT)
        return pack_item_of_int(intset_get(members__ints(e),
                                           (size_t)rand_below(r, n)));
    pack_read(p, v.n, pack_nth(p, v.n, (size_t)rand_below(r, n)), &it);
    return it;
}

struct members__chosen {
    struct sample s;
    members_see *see;
    void *ctx;
};

static bool members__choose(void *ctx, const struct pack_item *it) {
    struct members__chosen *x = ctx;

    if (sample_next(&x->s)) x->see(x->ctx, it);
    return x->s.want > 0;
}

/* Hand n different members, any n equally likely, to see; n is not more than
 * there are.  What see answers does not matter. */
static void members_sample(const struct entry *e, struct rand *r, size_t n,
                           members_see *see, void *ctx) {
    struct members__chosen x = { { r, members_count(e), n }, see, ctx };
    struct members__each each = { see, ctx, false };

    if (entry_shape(e) == SHAPE_SET_TABLE) {
        /* stopped is looked at by members__see_item: see must say true */
        sample_table(members_table(e), r, n, members__see_item, &each);
        return;
    }
    if (n > 0) members_each(e, members__choose, &x);
}

/* Remove n members of an open set's pack or intset in one pass. */
static void members__pop_small(struct edit *ed, struct rand *r, size_t n,
                               members_see *see, void *ctx) {
    struct str v = entry_value(ed->e);
    struct sample s = { r, members_count(ed->e), n };
    bool ints = entry_shape(ed->e) == SHAPE_SET_INT;
    struct intset_view iv = intset_of((const uint8_t *)v.p, v.n);
    uint8_t *p = entry_bytes(ed->e);
    size_t from = ints ? 1 : 0, to = from, next;
    struct pack_item it;

    for (; from < v.n; from = next) {
        if (ints) {
            it = pack_item_of_int(intset_get(iv, (from - 1) /
                                                 (size_t)iv.width));
            next = from + (size_t)iv.width;
        } else {
            next = pack_read(p, v.n, from, &it);
        }
        if (sample_next(&s)) {
            see(ctx, &it);
        } else {
            memmove(p + to, p + from, next - from);
            to += next - from;
        }
    }
    edit_shrink(ed, to);
}

/* Remove n members of an open set, any n equally likely, each handed to see
 * before it goes; with the last of them the set. */
static void members_pop(struct edit *ed, struct rand *r, size_t n,
                        members_see *see, void *ctx) {
    struct table_at at;
    struct pack_item it;
    struct item *item;

    if (n >= members_count(ed->e)) {
        members_each(ed->e, see, ctx);
        edit_drop(ed);
        return;
    }
    if (entry_shape(ed->e) != SHAPE_SET_TABLE) {
        if (n > 0) members__pop_small(ed, r, n, see, ctx);
        return;
    }
    while (n-- > 0) {
        item = table_random(members_table(ed->e), r, &at);
        it = (struct pack_item){ item_key(item), 0, false };
        see(ctx, &it);
        members__drop_item(ed, &at, item);
    }
}

/* A set being gathered.  It lives in the arena m until it is stored or
 * freed. */
struct members_new {
    struct mem *m;
    const struct keyspace *ks;
    struct big_set *set;        /* NULL: no member yet */
    size_t most, longest;       /* members it ever had; bytes of one */
    bool other;                 /* ever had one that is no integer */
};

/* Gather one more; twice the same counts once.  False: no memory. */
static bool members_new_put(struct members_new *nw,
                            const struct pack_item *it) {
    char tmp[24];
    struct str s = pack_item_str(it, tmp);
    const uint64_t *seed = &nw->ks->seed;
    uint64_t h = item_hash(*seed, s);
    struct table_at at;
    struct item *there;

    if (nw->set == NULL) {
        nw->set = (struct big_set *)big_try(nw->m, SHAPE_SET_TABLE, 0, 0);
        if (nw->set == NULL) return false;
    }
    there = table_first(&nw->set->members, h, &at);
    for (; there != NULL; there = table_next(&at))
        if (str_eq(item_key(there), s)) return true;
    if (!members__table_put(nw->m, seed, nw->set, h, s)) return false;
    nw->most = size_max(nw->most, nw->set->members.count);
    nw->longest = size_max(nw->longest, s.n);
    if (!nw->other && !it->is_int) {
        struct pack_item as = pack_item_of(s);

        nw->other = !as.is_int;
    }
    return true;
}

/* Take one out again, if it is there. */
static void members_new_drop(struct members_new *nw,
                             const struct pack_item *it) {
    char tmp[24];
    struct table_at at;
    struct item *item;

    if (nw->set == NULL) return;
    item = item_find(&nw->set->members, nw->ks->seed, pack_item_str(it, tmp),
                     &at);
    if (item == NULL) return;
    table_drop(&nw->set->members, nw->m, &at);
    item_drop(nw->m, item);
}

static inline size_t members_new_count(const struct members_new *nw) {
    return nw->set == NULL ? 0 : nw->set->members.count;
}

/* Give up what was gathered. */
static void members_new_free(struct members_new *nw) {
    if (nw->set != NULL) members__free(nw->m, nw->set);
    nw->set = NULL;
}

static bool members__into_ints(void *ctx, const struct pack_item *it) {
    struct members__to *to = ctx;
    struct pack_item as = pack_item_of(it->s);

    ((int64_t *)to->p)[to->n++] = as.i;
    return true;
}

static int members__order(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* An entry that holds what was gathered as an intset, or NULL. */
static struct entry *members__new_ints(struct edit *ed,
                                       struct members_new *nw) {
    size_t n = members_new_count(nw);
    int64_t *v = mem_try(nw->m, n * sizeof *v);
    struct members__to to = { NULL, NULL, NULL, (uint8_t *)v, 0 };
    struct entry *e;
    int width, last;

    if (v == NULL) return NULL;
    members_each_of(&nw->set->members, members__into_ints, &to);
    qsort(v, n, sizeof *v, members__order);
    width = intset_width(v[0]);
    last = intset_width(v[n - 1]);
    if (last > width) width = last;
    e = entry_try(nw->m, ed->ref.local, SHAPE_SET_INT,
                  1 + n * (size_t)width, 0);
    if (e != NULL) {
        uint8_t *p = entry_bytes(e);

        p[0] = (uint8_t)width;
        for (size_t i = 0; i < n; i++)
            store_le(p + 1 + i * (size_t)width, (uint64_t)v[i], width);
    }
    mem_drop(nw->m, v, n * sizeof *v);
    return e;
}

static bool members__reclassify(void *ctx, const struct pack_item *it) {
    struct pack_item as = pack_item_of(it->s);

    return members__into_pack(ctx, &as);
}

/* An entry that holds what was gathered as a pack, or NULL. */
static struct entry *members__new_pack(struct edit *ed,
                                       struct members_new *nw) {
    struct members__to to = { NULL, NULL, NULL, NULL, 0 };
    struct entry *e;

    members_each_of(&nw->set->members, members__reclassify, &to);
    e = entry_try(nw->m, ed->ref.local, SHAPE_SET_PACK, to.n, 0);
    if (e == NULL) return NULL;
    to.p = entry_bytes(e);
    to.n = 0;
    members_each_of(&nw->set->members, members__reclassify, &to);
    return e;
}

/* Make what was gathered, since the key was opened and in its shard's arena,
 * the value of the key, whatever that was; it is not empty.  False: no memory,
 * and the key is as it was.  Either way nw is free again. */
static bool members_store(struct edit *ed, struct members_new *nw) {
    const struct keyspace_options *opt = &ed->w->ks->opt;
    struct entry *e;
    bool small = true;

    KVNS_ASSERT(nw->m == &ed->ref.shard->mem);
    if (!nw->other && nw->most <= opt->set_ints) {
        e = members__new_ints(ed, nw);
    } else if (nw->other && nw->most <= opt->set_entries &&
               nw->longest <= opt->set_value) {
        e = members__new_pack(ed, nw);
    } else {
        small = false;
        e = entry_try(nw->m, ed->ref.local, SHAPE_SET_TABLE, ENTRY_PTR, 0);
        if (e != NULL) entry_set_object(e, nw->set);
    }
    if (e == NULL || !edit_put(ed, e)) {
        members_new_free(nw);
        return false;
    }
    if (small) members_new_free(nw);
    nw->set = NULL;
    return true;
}
