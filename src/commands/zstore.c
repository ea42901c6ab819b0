/* SPDX-License-Identifier: MIT */
/* ==== zstore - unions, intersections, differences ==========================
 *
 * Of sorted sets and of sets, whose members count 1.  The result is gathered
 * aside, put in order, and answered or stored.  Sources are taken in order of
 * size, smallest first, as Redis does: what a sum of floating point numbers
 * is depends on it.
 *
 * floor 6 - uses: base num pack entry shard door members ranks pairs reply
 *    instance arg zset zrange
 */
enum zstore_op { ZSTORE_UNION, ZSTORE_INTER, ZSTORE_DIFF };

enum zstore_sum { ZSTORE_SUM, ZSTORE_MIN, ZSTORE_MAX };

struct zstore_source {
    const struct entry *e;      /* NULL: no such key */
    double weight;
    size_t count;
};

/* An operation as asked for. */
struct zstore {
    struct call *x;
    enum zstore_op op;
    enum zstore_sum sum;
    bool store, card;           /* what becomes of the result */
    bool with_scores;
    int64_t limit;              /* of ZINTERCARD; 0: none */
    size_t first, n;            /* the keys in argv */
    struct zstore_source *src;  /* n of them */
    struct pairs ps;
    size_t found;               /* of ZINTERCARD */
};

/* Read how many keys there are, argv[i], or answer what is wrong. */
static bool zstore__keys_or_reply(struct zstore *z, size_t i) {
    struct call *x = z->x;
    int64_t n;

    if (!arg_int_or_reply(x, i, &n)) return false;
    if (n < 1) {
        reply_errorf(x->r, "ERR at least 1 input key is needed for '%s' "
                           "command", x->row->name);
        return false;
    }
    if ((uint64_t)n > x->argc - i - 1) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    z->first = i + 1;
    z->n = (size_t)n;
    for (size_t k = 0; k < z->n; k++) {
        const struct entry *e = key_read(&x->w, x->argv[z->first + k]);

        if (e == NULL || entry_kind(e) == KIND_ZSET ||
            entry_kind(e) == KIND_SET)
            continue;
        reply_err(x, ERR_WRONGTYPE);
        return false;
    }
    z->src = calloc(z->n, sizeof *z->src);
    if (z->src == NULL) {
        reply_err(x, ERR_MEMORY);
        return false;
    }
    for (size_t k = 0; k < z->n; k++) z->src[k].weight = 1;
    return true;
}

/* WEIGHTS, of which argv[i] is the first. */
static bool zstore__weights_or_reply(struct zstore *z, size_t i) {
    for (size_t k = 0; k < z->n; k++) {
        if (num_parse_double(z->x->argv[i + k], &z->src[k].weight)) continue;
        reply_error(z->x->r, "ERR weight value is not a float");
        return false;
    }
    return true;
}

/* Read the options behind the keys. */
static bool zstore__options_or_reply(struct zstore *z) {
    struct call *x = z->x;
    bool scored = z->op != ZSTORE_DIFF && !z->card;
    size_t i = z->first + z->n, left;

    for (; i < x->argc; i++) {
        left = x->argc - i;
        if (scored && left > z->n && str_is(x->argv[i], "weights")) {
            if (!zstore__weights_or_reply(z, i + 1)) return false;
            i += z->n;
        } else if (scored && left >= 2 && str_is(x->argv[i], "aggregate")) {
            i++;
            if (str_is(x->argv[i], "sum")) z->sum = ZSTORE_SUM;
            else if (str_is(x->argv[i], "min")) z->sum = ZSTORE_MIN;
            else if (str_is(x->argv[i], "max")) z->sum = ZSTORE_MAX;
            else goto syntax;
        } else if (!z->store && !z->card && str_is(x->argv[i], "withscores")) {
            z->with_scores = true;
        } else if (z->card && left >= 2 && str_is(x->argv[i], "limit")) {
            i++;
            if (!num_parse_int(x->argv[i], &z->limit) || z->limit < 0) {
                reply_error(x->r, "ERR LIMIT can't be negative");
                return false;
            }
        } else {
            goto syntax;
        }
    }
    return true;
syntax:
    reply_err(x, ERR_SYNTAX);
    return false;
}

/* Is there room for the result, should it be stored?  Estimated by what the
 * sources take, before anything is lent from them. */
static bool zstore__room_or_reply(struct zstore *z) {
    struct call *x = z->x;
    size_t need = 0, one;
    struct str ns, local;

    for (size_t k = 0; k < z->n; k++) {
        const struct entry *e = key_peek(&x->w, x->argv[z->first + k]);

        one = e == NULL ? 0 : entry_cost(e);
        if (z->op == ZSTORE_UNION) need += one;
        else if (k == 0 || (z->op == ZSTORE_INTER && one < need)) need = one;
    }
    key_split(&x->w, x->argv[z->first], &ns, &local);
    return need == 0 || arg_room_or_reply(x, x->argv[1], local, need);
}

/* Look the sources up, and sort them by size. */
static void zstore__open(struct zstore *z) {
    struct zstore_source *src = z->src;

    for (size_t k = 0; k < z->n; k++) {
        const struct entry *e = key_peek(&z->x->w, z->x->argv[z->first + k]);

        src[k].e = e;
        if (e == NULL) continue;
        src[k].count = entry_kind(e) == KIND_SET ? members_count(e) :
                                                   ranks_count(e);
    }
    if (z->op == ZSTORE_DIFF) return;
    for (size_t k = 1; k < z->n; k++) {
        struct zstore_source one = src[k];
        size_t at = k;

        for (; at > 0 && src[at - 1].count > one.count; at--)
            src[at] = src[at - 1];
        src[at] = one;
    }
}

/* The score of a member in a source; false: it is not there. */
static bool zstore__score(const struct zstore *z,
                          const struct zstore_source *s,
                          const struct pack_item *it, double *score) {
    const struct keyspace *ks = &z->x->k->ks;
    char tmp[24];

    if (s->e == NULL) return false;
    if (entry_kind(s->e) == KIND_ZSET)
        return ranks_score(ks, s->e, pack_item_str(it, tmp), score);
    *score = 1;
    return members_has_item(ks, s->e, it);
}

static inline double zstore__sum(enum zstore_sum sum, double a, double b) {
    if (sum == ZSTORE_MIN) return b < a ? b : a;
    if (sum == ZSTORE_MAX) return b > a ? b : a;
    a += b;
    return isnan(a) ? 0 : a;    /* inf and -inf */
}

/* inf times 0 counts as 0. */
static inline double zstore__weighted(double weight, double score) {
    double v = weight * score;

    return isnan(v) ? 0 : v;
}

/* Deal with one member of a source; false: enough. */
typedef bool zstore_see(struct zstore *z, const struct zstore_source *s,
                        const struct pack_item *it, double score);

static bool zstore__see_union(struct zstore *z, const struct zstore_source *s,
                              const struct pack_item *it, double score) {
    double v = zstore__weighted(s->weight, score);
    struct ranks_pair *p;
    bool added;

    p = pairs_find(&z->ps, it, v, &added);
    if (p != NULL && !added) p->score = zstore__sum(z->sum, p->score, v);
    return p != NULL;
}

static bool zstore__see_inter(struct zstore *z, const struct zstore_source *s,
                              const struct pack_item *it, double score) {
    double v = zstore__weighted(s->weight, score), other;

    for (size_t k = 1; k < z->n; k++) {
        if (z->src[k].e == s->e) other = score;
        else if (!zstore__score(z, &z->src[k], it, &other)) return true;
        v = zstore__sum(z->sum, v, z->src[k].weight * other);
    }
    if (!z->card) return pairs_add(&z->ps, it, v);
    return ++z->found != (uint64_t)z->limit;
}

static bool zstore__see_diff(struct zstore *z, const struct zstore_source *s,
                             const struct pack_item *it, double score) {
    double other;

    (void)s;
    for (size_t k = 1; k < z->n; k++)
        if (zstore__score(z, &z->src[k], it, &other)) return true;
    return pairs_add(&z->ps, it, score);
}

struct zstore__member {
    struct zstore *z;
    const struct zstore_source *s;
    zstore_see *see;
};

static bool zstore__see_member(void *ctx, const struct pack_item *it) {
    const struct zstore__member *m = ctx;

    return m->see(m->z, m->s, it, 1);
}

/* Hand all members of a source to see, until it says enough. */
static void zstore__each(struct zstore *z, const struct zstore_source *s,
                         zstore_see *see) {
    struct zstore__member m = { z, s, see };
    struct pack_item it;
    struct ranks_at at;
    double score;

    if (s->count == 0) return;
    if (entry_kind(s->e) == KIND_SET) {
        members_each(s->e, zstore__see_member, &m);
        return;
    }
    ranks_seek(s->e, s->count, 0, &at);
    for (size_t i = 0; i < s->count; i++) {
        ranks_read(&at, &it, &score);
        if (!see(z, s, &it, score)) return;
        if (i + 1 < s->count) ranks_step(&at, false);
    }
}

/* Gather the result in z->ps, or for ZINTERCARD count it. */
static void zstore__run(struct zstore *z) {
    bool same = false;

    switch (z->op) {
    case ZSTORE_UNION:
        for (size_t k = 0; k < z->n; k++)
            zstore__each(z, &z->src[k], zstore__see_union);
        break;
    case ZSTORE_INTER:
        zstore__each(z, &z->src[0], zstore__see_inter);
        break;
    case ZSTORE_DIFF:
        for (size_t k = 1; k < z->n && z->src[0].e != NULL; k++)
            same = same || z->src[k].e == z->src[0].e;
        if (!same) zstore__each(z, &z->src[0], zstore__see_diff);
        break;
    }
}

static void zstore__reply(struct zstore *z) {
    struct reply *r = z->x->r;

    zset_reply_head(r, z->ps.n, z->with_scores);
    for (size_t i = 0; i < z->ps.n && !r->failed; i++) {
        if (z->with_scores && r->proto == 3) reply_array(r, 2);
        reply_bulk(r, z->ps.v[i].member);
        if (z->with_scores) reply_double(r, z->ps.v[i].score);
    }
}

/* All of these commands: numkeys at argv[i], a destination before it if it is
 * not the first. */
static enum outcome zstore(struct call *x, enum zstore_op op, size_t i,
                           bool card) {
    struct zstore z = { .x = x, .op = op, .store = i > 1, .card = card };
    enum outcome what = FAILED;

    pairs_init(&z.ps, x->k->ks.seed);
    if (!zstore__keys_or_reply(&z, i) || !zstore__options_or_reply(&z) ||
        (z.store && !zstore__room_or_reply(&z)))
        goto out;
    zstore__open(&z);
    zstore__run(&z);
    pairs_sort(&z.ps);
    what = DONE;
    if (z.ps.failed) what = reply_err(x, ERR_MEMORY);
    else if (card) reply_int(x->r, (int64_t)z.found);
    else if (!z.store) zstore__reply(&z);
    else what = zrange_store(x, 1, &z.ps, x->row->name, 1);
out:
    free(z.src);
    pairs_free(&z.ps);
    return what;
}

static enum outcome cmd_zunion(struct call *x) {
    return zstore(x, ZSTORE_UNION, 1, false);
}

static enum outcome cmd_zinter(struct call *x) {
    return zstore(x, ZSTORE_INTER, 1, false);
}

static enum outcome cmd_zdiff(struct call *x) {
    return zstore(x, ZSTORE_DIFF, 1, false);
}

static enum outcome cmd_zintercard(struct call *x) {
    return zstore(x, ZSTORE_INTER, 1, true);
}

static enum outcome cmd_zunionstore(struct call *x) {
    return zstore(x, ZSTORE_UNION, 2, false);
}

static enum outcome cmd_zinterstore(struct call *x) {
    return zstore(x, ZSTORE_INTER, 2, false);
}

static enum outcome cmd_zdiffstore(struct call *x) {
    return zstore(x, ZSTORE_DIFF, 2, false);
}

static const struct command zstore_commands[] = {
    { "zdiff", cmd_zdiff, -3, READONLY | MOVABLE | KEYS_NUM, 1, 0, 0,
      GROUP_ZSET, SINCE(6, 2, 0),
      "O(K N + M log M) for K keys, N members of the "
      "first, M of the result", "numkeys key [key ...] [WITHSCORES]",
      "Members of the first sorted set that no other has." },
    { "zdiffstore", cmd_zdiffstore, -4,
      WRITE | GROWS | MOVABLE | KEYS_DEST_NUM, 2, 0, 0, GROUP_ZSET,
      SINCE(6, 2, 0),
      "O(K N + M log M) for K keys, N members of the first, M of the result",
      "destination numkeys key [key ...]",
      "Stores those members of the first sorted set that no other has." },
    { "zinter", cmd_zinter, -3, READONLY | MOVABLE | KEYS_NUM, 1, 0, 0,
      GROUP_ZSET, SINCE(6, 2, 0),
      "O(K N + M log M) for K keys, N members of the "
      "smallest, M of the result",
      "numkeys key [key ...] [WEIGHTS weight [weight ...]] "
      "[AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
      "Members that all sorted sets have, their scores combined." },
    { "zintercard", cmd_zintercard, -3, READONLY | MOVABLE | KEYS_NUM, 1, 0, 0,
      GROUP_ZSET, SINCE(7, 0, 0),
      "O(K N) for K keys, N members of the smallest",
      "numkeys key [key ...] [LIMIT limit]",
      "How many members all sorted sets have." },
    { "zinterstore", cmd_zinterstore, -4,
      WRITE | GROWS | MOVABLE | KEYS_DEST_NUM, 2, 0, 0, GROUP_ZSET,
      SINCE(2, 0, 0),
      "O(K N + M log M) for K keys, N members of the smallest, M of the result",
      "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] "
      "[AGGREGATE <SUM | MIN | MAX>]",
      "Stores the members that all sorted sets have, their scores combined." },
    { "zunion", cmd_zunion, -3, READONLY | MOVABLE | KEYS_NUM, 1, 0, 0,
      GROUP_ZSET, SINCE(6, 2, 0),
      "O(N + M log M) for N members, M of the result",
      "numkeys key [key ...] [WEIGHTS weight [weight ...]] "
      "[AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
      "Members that any sorted set has, their scores combined." },
    { "zunionstore", cmd_zunionstore, -4,
      WRITE | GROWS | MOVABLE | KEYS_DEST_NUM, 2, 0, 0, GROUP_ZSET,
      SINCE(2, 0, 0), "O(N + M log M) for N members, M of the result",
      "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] "
      "[AGGREGATE <SUM | MIN | MAX>]",
      "Stores the members that any sorted set has, their scores combined." },
};
