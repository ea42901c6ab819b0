/* SPDX-License-Identifier: MIT */
/* ==== ranks - the value of a sorted set ====================================
 *
 * A small sorted set is a pack in order: member, score, member, score...  A
 * score that is an integer is one there (so -0 becomes 0, as in Redis),
 * another is text of 17 digits.  One that outgrows zset-max-listpack-entries
 * or -value becomes a table of items, which owns them, with a skip list of
 * the same items in order of score; and stays that.
 *
 * Ranges of all sorts are one thing here: how many members come before.  So
 * a range is two ranks, and whoever reads it walks from one to the other.
 *
 * Whoever changes a sorted set has it open as an edit; these functions keep
 * the snapshot's rule that an old item is put aside before it changes.
 *
 * floor 3 - uses: base arena rand num table pack item skip entry shard big
 *    walk door
 */
enum {
    RANKS_NX = 1,               /* only new members */
    RANKS_XX = 2,               /* only those there are */
    RANKS_GT = 4,               /* of these, only to greater scores */
    RANKS_LT = 8,
    RANKS_INCR = 16,            /* the score is an increment */
    RANKS_OFFSETS = 256,        /* pairs of a pack searched by halving */
    RANKS_PACK_MAX = 1 << 30    /* bytes of a pack, as in Redis */
};

enum ranks_did {
    RANKS_REFUSED,              /* no memory: nothing changed */
    RANKS_NAN,                  /* the sum is no number: nothing changed */
    RANKS_NOTHING,              /* NX, XX, GT or LT forbade it */
    RANKS_SAME,                 /* it has that score already */
    RANKS_MOVED,
    RANKS_ADDED
};

/* A member and its score, borrowed. */
struct ranks_pair {
    struct str member;
    double score;
};

/* Where a range begins or ends: before or after all, or at a bound. */
struct ranks_limit {
    int end;                    /* -1: before all; 1: after all; 0: see b */
    struct skip_bound b;
};

/* A walk over members in order. */
struct ranks_at {
    const struct skip *order;   /* NULL: a pack */
    struct skip_at at;
    const uint8_t *p;           /* the pack */
    size_t n, pos;
};

static inline struct big_zset *ranks__big(const struct entry *e) {
    return entry_object(e);
}

/* Members of a sorted set. */
static size_t ranks_count(const struct entry *e) {
    struct str v = entry_value(e);

    if (entry_shape(e) == SHAPE_ZSET_SKIP) return ranks__big(e)->order.len;
    return pack_count((const uint8_t *)v.p, v.n) / 2;
}

static inline double ranks__score_of(const struct pack_item *it) {
    double score = 0;

    if (LIKELY(it->is_int)) return (double)it->i;
    num_parse_double(it->s, &score);
    return score;
}

/* Read the pair at `at` of a pack; returns where the next begins. */
static inline size_t ranks__pair(const uint8_t *p, size_t n, size_t at,
                                 struct pack_item *member, double *score) {
    struct pack_item it;

    at = pack_read(p, n, at, member);
    at = pack_read(p, n, at, &it);
    *score = ranks__score_of(&it);
    return at;
}

/* Is a pair of a pack before the bound? */
static bool ranks__before(const struct pack_item *member, double score,
                          const struct skip_bound *b) {
    char tmp[24];
    int d;

    if (b->side < SKIP_LEX && score != b->score) return score < b->score;
    if (b->side == SKIP_BEFORE) return false;
    if (b->side == SKIP_AFTER) return true;
    d = str_cmp(pack_item_str(member, tmp), b->key);
    return b->side == SKIP_KEY || b->side == SKIP_LEX ? d < 0 : d <= 0;
}

/* What one pass over a pack finds out of a member. */
struct ranks__look {
    size_t count;               /* pairs */
    size_t self;                /* the member's offset, or PACK_NONE */
    size_t index;               /* and its rank */
    size_t score_at;            /* offset of its score */
    uint32_t off[RANKS_OFFSETS];    /* of pairs, as far as there is room */
};

/* Look a member up in a pack, counting. */
static void ranks__look(const uint8_t *p, size_t n, struct str member,
                        struct ranks__look *l) {
    struct pack_item key = pack_item_of(member), it = { 0 };
    size_t at = 0, count = 0;

    l->self = PACK_NONE;
    for (; at < n; count++) {
        size_t next = pack_read(p, n, at, &it);

        if (count < RANKS_OFFSETS) l->off[count] = (uint32_t)at;
        if (l->self == PACK_NONE && pack_item_same(&it, &key)) {
            l->self = at;
            l->index = count;
            l->score_at = next;
        }
        at = pack_next(p, n, next);
    }
    l->count = count;
}

/* Where in a pack a pair with score and member goes, seen from before the
 * member is taken out if it is there. */
static size_t ranks__where(const uint8_t *p, size_t n, double score,
                           struct str member, const struct ranks__look *l) {
    const struct skip_bound b = { score, SKIP_KEY, member };
    size_t lo = 0, hi = l->count;
    struct pack_item it;
    double s;

    if (l->count > RANKS_OFFSETS) {
        for (size_t at = 0, next; at < n; at = next) {
            next = ranks__pair(p, n, at, &it, &s);
            if (at != l->self && !ranks__before(&it, s, &b)) return at;
        }
        return n;
    }
    if (l->self != PACK_NONE) {
        struct pack_item old;

        pack_read(p, n, l->score_at, &old);
        if (score > ranks__score_of(&old)) lo = l->index + 1;
        else hi = l->index;
    } else if (hi > 0) {
        /* most often what comes is greater than all */
        ranks__pair(p, n, l->off[hi - 1], &it, &s);
        if (ranks__before(&it, s, &b)) lo = hi;
        else hi--;
    }
    while (lo < hi) {
        size_t i = lo + (hi - lo) / 2;

        ranks__pair(p, n, l->off[i], &it, &s);
        if (ranks__before(&it, s, &b)) lo = i + 1;
        else hi = i;
    }
    return lo == l->count ? n : l->off[lo];
}

static inline struct item *ranks__find(const struct big_zset *z, uint64_t h,
                                       struct str member,
                                       struct table_at *at) {
    struct item *it = table_first(&z->members, h, at);

    for (; it != NULL; it = table_next(at))
        if (item_is(it, member)) return it;
    return NULL;
}

/* The score of a member; false: there is none. */
static bool ranks_score(const struct keyspace *ks, const struct entry *e,
                        struct str member, double *score) {
    struct str v = entry_value(e);
    const uint8_t *p = (const uint8_t *)v.p;
    struct table_at where;
    struct pack_item it;
    size_t at;

    if (entry_shape(e) == SHAPE_ZSET_SKIP) {
        const struct item *item = ranks__find(ranks__big(e),
                                              item_hash(ks->seed, member),
                                              member, &where);

        if (item == NULL) return false;
        *score = item_score(item);
        return true;
    }
    at = pack_find(p, v.n, 0, member, 1);
    if (at == PACK_NONE) return false;
    pack_read(p, v.n, pack_next(p, v.n, at), &it);
    *score = ranks__score_of(&it);
    return true;
}

/* The score and the rank of a member, 0 being the smallest; false: there is
 * none. */
static bool ranks_rank(const struct work *w, const struct entry *e,
                       struct str member, size_t *rank, double *score) {
    struct str v = entry_value(e);
    struct table_at where;
    struct ranks__look l;
    struct pack_item it;

    if (entry_shape(e) == SHAPE_ZSET_SKIP) {
        const struct item *item = item_of(w, &ranks__big(e)->members, member,
                                          &where);

        if (item == NULL) return false;
        *score = item_score(item);
        *rank = skip_rank(&ranks__big(e)->order, *score, item);
        return true;
    }
    ranks__look((const uint8_t *)v.p, v.n, member, &l);
    if (l.self == PACK_NONE) return false;
    pack_read((const uint8_t *)v.p, v.n, l.score_at, &it);
    *score = ranks__score_of(&it);
    *rank = l.index;
    return true;
}

/* ---- reading in order ---------------------------------------------------- */

/* How many members come before a limit. */
static size_t ranks_before(const struct entry *e,
                           const struct ranks_limit *limit) {
    struct str v = entry_value(e);
    struct pack_item it;
    size_t n = 0;
    double score;

    if (limit->end < 0) return 0;
    if (limit->end > 0) return ranks_count(e);
    if (entry_shape(e) == SHAPE_ZSET_SKIP) {
        skip_find(&ranks__big(e)->order, limit->b, &n);
        return n;
    }
    for (size_t at = 0; at < v.n; n++) {
        at = ranks__pair((const uint8_t *)v.p, v.n, at, &it, &score);
        if (!ranks__before(&it, score, &limit->b)) break;
    }
    return n;
}

/* Stand at the member of a rank below `count`, which is how many there are.
 * The walk is over when the sorted set changes. */
static void ranks_seek(const struct entry *e, size_t count, size_t rank,
                       struct ranks_at *at) {
    struct str v = entry_value(e);

    memset(at, 0, sizeof *at);
    if (entry_shape(e) == SHAPE_ZSET_SKIP) {
        at->order = &ranks__big(e)->order;
        at->at = skip_at(at->order, rank);
        return;
    }
    at->p = (const uint8_t *)v.p;
    at->n = v.n;
    at->pos = rank <= count / 2 ?
                  pack_nth(at->p, at->n, 2 * rank) :
                  pack_nth_back(at->p, at->n, 2 * (count - rank) - 1);
}

/* The member where the walk stands, and its score, to be lent. */
static inline void ranks_read(const struct ranks_at *at,
                              struct pack_item *member, double *score) {
    if (at->order != NULL) {
        member->is_int = false;
        member->s = item_key(skip_item(at->at));
        *score = skip_score(at->at);
    } else {
        ranks__pair(at->p, at->n, at->pos, member, score);
    }
}

/* Only the member. */
static inline void ranks_member(const struct ranks_at *at,
                                struct pack_item *member) {
    if (at->order != NULL) {
        member->is_int = false;
        member->s = item_key(skip_item(at->at));
    } else {
        pack_read(at->p, at->n, at->pos, member);
    }
}

/* Go to the next member, or the one before.  There must be one, or this was
 * the last step. */
static inline void ranks_step(struct ranks_at *at, bool back) {
    if (at->order != NULL) {
        if (back) skip_prev(at->order, &at->at);
        else skip_next(&at->at);
        if (!skip_is_end(at->at)) {
            /* members are scattered: have the one after this ready */
            uint32_t i = back ? at->at.i - 4 : at->at.i + 4;

            if (i < at->at.block->n) PREFETCH(at->at.block->item[i]);
        }
    } else if (!back) {
        at->pos = pack_next(at->p, at->n, at->pos);
        at->pos = pack_next(at->p, at->n, at->pos);
    } else if (at->pos > 0) {
        at->pos = pack_prev(at->p, at->n, at->pos);
        at->pos = pack_prev(at->p, at->n, at->pos);
    }
}

/* ---- changing ------------------------------------------------------------ */

/* Put a new member into a big sorted set.  False: no memory, nothing
 * changed. */
static bool ranks__insert(struct mem *m, struct big_zset *z,
                          const uint64_t *seed, uint64_t h, struct str member,
                          double score) {
    struct item *it = item_try(m, member, NULL, &score, NULL);
    struct table_at at;

    if (it == NULL) return false;
    item_set_mark(it, z->big.mark);
    if (!table_put(&z->members, m, h, it, item_hash_of, seed)) {
        item_drop(m, it);
        return false;
    }
    if (skip_put(&z->order, m, score, it)) return true;
    ranks__find(z, h, member, &at);
    table_drop(&z->members, m, &at);
    item_drop(m, it);
    return false;
}

static void ranks__free(struct mem *m, struct big *b) {
    size_t budget = SIZE_MAX;

    while (!big_free_step(m, b, &budget)) {}
}

/* An empty big sorted set, or NULL. */
static struct big *ranks__big_try(struct edit *ed) {
    struct shard *s = ed->ref.shard;

    return big_try(&s->mem, SHAPE_ZSET_SKIP, 0, rand_next(&s->rand));
}

/* Turn the pack of an open sorted set into a table and a skip list.  False:
 * no memory, nothing changed. */
static bool ranks__to_skip(struct edit *ed) {
    struct mem *m = &ed->ref.shard->mem;
    struct str v = entry_value(ed->e);
    const uint64_t *seed = &ed->w->ks->seed;
    struct big *b = ranks__big_try(ed);

    if (b == NULL) return false;
    for (size_t at = 0; at < v.n;) {
        struct pack_item it;
        struct str member;
        double score;
        char tmp[24];

        at = ranks__pair((const uint8_t *)v.p, v.n, at, &it, &score);
        member = pack_item_str(&it, tmp);
        if (!ranks__insert(m, (struct big_zset *)b, seed,
                           item_hash(*seed, member), member, score))
            goto refused;
    }
    if (!edit_resize(ed, ENTRY_PTR)) goto refused;
    entry_set_shape(ed->e, SHAPE_ZSET_SKIP);
    entry_set_object(ed->e, b);
    return true;
refused:
    ranks__free(m, b);
    return false;
}

/* Make the key with an empty value, as fits its first member. */
static bool ranks__make(struct edit *ed, struct str first) {
    const struct keyspace_options *opt = &ed->w->ks->opt;
    struct big *b;

    if (opt->zset_entries > 0 && first.n <= opt->zset_value)
        return edit_make(ed, SHAPE_ZSET_PACK, 0, 0);
    b = ranks__big_try(ed);
    if (b == NULL) return false;
    if (!edit_make(ed, SHAPE_ZSET_SKIP, ENTRY_PTR, 0)) {
        ranks__free(&ed->ref.shard->mem, b);
        return false;
    }
    entry_set_object(ed->e, b);
    return true;
}

/* May a member that has score `was` get *score?  Makes *score the sum, if it
 * is an increment.  RANKS_MOVED: yes, and it is another. */
static inline enum ranks_did ranks__judge(double was, double *score,
                                          unsigned how) {
    if (how & RANKS_NX) return RANKS_NOTHING;
    if (how & RANKS_INCR) {
        *score += was;
        if (isnan(*score)) return RANKS_NAN;
    }
    if ((how & RANKS_LT) && *score >= was) return RANKS_NOTHING;
    if ((how & RANKS_GT) && *score <= was) return RANKS_NOTHING;
    return *score == was ? RANKS_SAME : RANKS_MOVED;
}

static enum ranks_did ranks__add_big(struct edit *ed, struct str member,
                                     double *score, unsigned how) {
    struct shard *s = ed->ref.shard;
    struct big_zset *z = ranks__big(ed->e);
    const uint64_t *seed = &ed->w->ks->seed;
    struct table_at at;
    struct item *it = item_of(ed->w, &z->members, member, &at);
    enum ranks_did did;
    double was;

    if (it == NULL) {
        if (how & RANKS_XX) return RANKS_NOTHING;
        return ranks__insert(&s->mem, z, seed, item_hash(*seed, member),
                             member, *score) ?
                   RANKS_ADDED : RANKS_REFUSED;
    }
    was = item_score(it);
    did = ranks__judge(was, score, how);
    if (did != RANKS_MOVED) return did;
    big_keep(s, &z->big, it);
    if (!skip_move(&z->order, &s->mem, was, *score, it)) return RANKS_REFUSED;
    item_set_score(it, *score);
    item_set_mark(it, z->big.mark);
    return RANKS_MOVED;
}

/* Write a pair into a pack, `old` bytes at offset `from` (of the same member)
 * going, at offset `to` as it was before that.  False: no memory, nothing
 * changed. */
static bool ranks__put_pair(struct edit *ed, size_t from, size_t old,
                            size_t to, struct str member, double score) {
    char tmp[NUM_DOUBLE_ROOM];
    struct pack_item m = pack_item_of(member);
    struct pack_item s = pack_item_of_score(score, tmp);
    size_t n = entry_value(ed->e).n;
    size_t msize = pack_item_size(&m), size = msize + pack_item_size(&s);
    uint8_t *p;

    if (size > old && !edit_resize(ed, n - old + size)) return false;
    p = entry_bytes(ed->e);
    if (old > 0) {
        pack_splice(p, n, from, old, 0);
        if (to > from) to -= old;
    }
    pack_splice(p, n - old, to, 0, size);
    pack_item_write(p + to, &m);
    pack_item_write(p + to + msize, &s);
    if (size < old) edit_shrink(ed, n - old + size);
    return true;
}

static enum ranks_did ranks__add_pack(struct edit *ed, struct str member,
                                      double *score, unsigned how) {
    const struct keyspace_options *opt = &ed->w->ks->opt;
    struct str v = entry_value(ed->e);
    const uint8_t *p = (const uint8_t *)v.p;
    struct ranks__look l;
    struct pack_item it;
    enum ranks_did did;
    size_t end;

    ranks__look(p, v.n, member, &l);
    if (l.self == PACK_NONE) {
        if (how & RANKS_XX) return RANKS_NOTHING;
        if (l.count >= opt->zset_entries || member.n > opt->zset_value ||
            v.n + member.n > RANKS_PACK_MAX)
            return ranks__to_skip(ed) ?
                       ranks__add_big(ed, member, score, how) : RANKS_REFUSED;
        end = ranks__where(p, v.n, *score, member, &l);
        return ranks__put_pair(ed, 0, 0, end, member, *score) ?
                   RANKS_ADDED : RANKS_REFUSED;
    }
    end = pack_read(p, v.n, l.score_at, &it);
    did = ranks__judge(ranks__score_of(&it), score, how);
    if (did != RANKS_MOVED) return did;
    if (!ranks__put_pair(ed, l.self, end - l.self,
                         ranks__where(p, v.n, *score, member, &l), member,
                         *score))
        return RANKS_REFUSED;
    return RANKS_MOVED;
}

/* Give a member of an open sorted set the score, which is no NaN, or put it
 * there, or make the set with it; `how` is a union of RANKS_.  *score becomes
 * what it has then, unless nothing was done. */
static enum ranks_did ranks_add(struct edit *ed, struct str member,
                                double *score, unsigned how) {
    enum ranks_did did;
    bool made = ed->e == NULL;

    if (made) {
        if (how & RANKS_XX) return RANKS_NOTHING;
        if (!ranks__make(ed, member)) return RANKS_REFUSED;
    }
    did = entry_shape(ed->e) == SHAPE_ZSET_SKIP ?
              ranks__add_big(ed, member, score, how) :
              ranks__add_pack(ed, member, score, how);
    if (did == RANKS_REFUSED && made) edit_drop(ed);
    return did;
}

/* Drop a member of an open sorted set; an emptied one is removed with its
 * last.  False: there is none such. */
static bool ranks_drop(struct edit *ed, struct str member) {
    struct shard *s = ed->ref.shard;
    struct table_at where;
    struct str v;
    size_t at, end;

    if (ed->e == NULL) return false;
    if (entry_shape(ed->e) == SHAPE_ZSET_SKIP) {
        struct big_zset *z = ranks__big(ed->e);
        struct item *it = item_of(ed->w, &z->members, member, &where);

        if (it == NULL) return false;
        big_keep(s, &z->big, it);
        skip_drop(&z->order, &s->mem, item_score(it), member);
        table_drop(&z->members, &s->mem, &where);
        item_drop(&s->mem, it);
        if (z->order.len == 0) edit_drop(ed);
        return true;
    }
    v = entry_value(ed->e);
    at = pack_find((const uint8_t *)v.p, v.n, 0, member, 1);
    if (at == PACK_NONE) return false;
    end = pack_next((const uint8_t *)v.p, v.n, at);
    end = pack_next((const uint8_t *)v.p, v.n, end);
    edit_pack_cut(ed, at, end - at);
    return true;
}

static void ranks__drop_item(void *arg, struct item *it) {
    struct edit *ed = arg;
    struct shard *s = ed->ref.shard;
    struct big_zset *z = ranks__big(ed->e);
    struct str member = item_key(it);
    struct table_at at;
    struct item *found;

    found = ranks__find(z, item_hash(ed->w->ks->seed, member), member, &at);
    if (NEVER(found != it)) return;
    big_keep(s, &z->big, it);
    table_drop(&z->members, &s->mem, &at);
    item_drop(&s->mem, it);
}

/* Drop n members of an open sorted set of `count` from a rank on; if these
 * are all, the key is removed. */
static void ranks_drop_range(struct edit *ed, size_t count, size_t first,
                             size_t n) {
    struct ranks_at from;
    size_t at, end;

    KVNS_ASSERT(first <= count && n <= count - first);
    if (n == 0) return;
    if (n == count) {
        edit_drop(ed);
        return;
    }
    if (entry_shape(ed->e) == SHAPE_ZSET_SKIP) {
        skip_drop_range(&ranks__big(ed->e)->order, &ed->ref.shard->mem, first,
                        n, ranks__drop_item, ed);
        return;
    }
    ranks_seek(ed->e, count, first, &from);
    at = end = from.pos;
    for (size_t i = 0; i < 2 * n; i++) end = pack_next(from.p, from.n, end);
    edit_pack_cut(ed, at, end - at);
}

/* ---- storing ------------------------------------------------------------- */

/* An entry with n pairs in order as a pack of `bytes` bytes, or NULL. */
static struct entry *ranks__as_pack(struct edit *ed,
                                    const struct ranks_pair *v, size_t n,
                                    size_t bytes) {
    struct entry *e = entry_try(&ed->ref.shard->mem, ed->ref.local,
                                SHAPE_ZSET_PACK, bytes, 0);
    char tmp[NUM_DOUBLE_ROOM];
    uint8_t *p;

    if (e == NULL) return NULL;
    p = entry_bytes(e);
    for (size_t i = 0; i < n; i++) {
        struct pack_item s = pack_item_of_score(v[i].score, tmp);

        p += pack_write(p, v[i].member);
        p += pack_item_write(p, &s);
    }
    return e;
}

/* The same as a table and a skip list. */
static struct entry *ranks__as_skip(struct edit *ed,
                                    const struct ranks_pair *v, size_t n) {
    struct mem *m = &ed->ref.shard->mem;
    const uint64_t *seed = &ed->w->ks->seed;
    struct big *b = ranks__big_try(ed);
    struct entry *e;

    if (b == NULL) return NULL;
    table_expect(&((struct big_zset *)b)->members, m, n);
    for (size_t i = 0; i < n; i++)
        if (!ranks__insert(m, (struct big_zset *)b, seed,
                           item_hash(*seed, v[i].member), v[i].member,
                           v[i].score)) {
            ranks__free(m, b);
            return NULL;
        }
    e = entry_try(m, ed->ref.local, SHAPE_ZSET_SKIP, ENTRY_PTR, 0);
    if (e == NULL) ranks__free(m, b);
    else entry_set_object(e, b);
    return e;
}

/* Make n > 0 different pairs, in order, the value of an open key, whatever it
 * was.  The members may be lent from there.  False: no memory, nothing
 * changed. */
static bool ranks_store(struct edit *ed, const struct ranks_pair *v,
                        size_t n) {
    const struct keyspace_options *opt = &ed->w->ks->opt;
    bool small = n <= opt->zset_entries;
    char tmp[NUM_DOUBLE_ROOM];
    struct big *b = NULL;
    struct entry *e;
    size_t bytes = 0;

    for (size_t i = 0; small && i < n; i++) {
        struct pack_item s = pack_item_of_score(v[i].score, tmp);

        bytes += pack_size_of(v[i].member) + pack_item_size(&s);
        small = v[i].member.n <= opt->zset_value && bytes <= RANKS_PACK_MAX;
    }
    e = small ? ranks__as_pack(ed, v, n, bytes) : ranks__as_skip(ed, v, n);
    if (e == NULL) return false;
    if (!small) b = entry_object(e);
    if (edit_put(ed, e)) return true;
    if (b != NULL) ranks__free(&ed->ref.shard->mem, b);
    return false;
}
