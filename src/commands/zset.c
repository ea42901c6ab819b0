/* SPDX-License-Identifier: MIT */
/* ==== zset - commands on members of sorted sets ============================
 *
 * One member, or some that are named: put, score, rank, drop; and members
 * drawn by chance.  Ranges are zrange's, what pops is zpop's, what takes
 * several keys zstore's.
 *
 * floor 6 - uses: base rand num table pack item sample entry shard big door
 *    ranks reply instance arg scanner lots
 */

/* ZADD and ZINCRBY, whose arguments may hold options as well. */
struct zset__add {
    unsigned how;               /* RANKS_ */
    bool changed;               /* CH: count these too */
    size_t first, pairs;        /* where the pairs are, how many */
};

/* Read the options of ZADD, or answer what is wrong with them. */
static bool zset__options_or_reply(struct call *x, struct zset__add *a) {
    size_t i = 2;
    unsigned how;

    for (; i < x->argc; i++) {
        /* a score most often, and no word at all */
        if (x->argv[i].n > 0 && x->argv[i].p[0] <= '9') break;
        if (str_is(x->argv[i], "nx")) a->how |= RANKS_NX;
        else if (str_is(x->argv[i], "xx")) a->how |= RANKS_XX;
        else if (str_is(x->argv[i], "ch")) a->changed = true;
        else if (str_is(x->argv[i], "incr")) a->how |= RANKS_INCR;
        else if (str_is(x->argv[i], "gt")) a->how |= RANKS_GT;
        else if (str_is(x->argv[i], "lt")) a->how |= RANKS_LT;
        else break;
    }
    a->first = i;
    a->pairs = (x->argc - i) / 2;
    how = a->how & (RANKS_NX | RANKS_GT | RANKS_LT);
    if (a->pairs == 0 || (x->argc - i) % 2 != 0)
        reply_err(x, ERR_SYNTAX);
    else if ((a->how & RANKS_NX) && (a->how & RANKS_XX))
        reply_error(x->r, "ERR XX and NX options at the same time are not "
                          "compatible");
    else if ((how & (how - 1)) != 0)
        reply_error(x->r, "ERR GT, LT, and/or NX options at the same time are "
                          "not compatible");
    else if ((a->how & RANKS_INCR) && a->pairs > 1)
        reply_error(x->r, "ERR INCR option supports a single increment-element"
                          " pair");
    else
        return true;
    return false;
}

/* Read all scores before anything changes: into room for few, or a block.
 * NULL: answered. */
static double *zset__scores_or_reply(struct call *x,
                                     const struct zset__add *a,
                                     double *room, size_t most) {
    double *v = room;

    if (a->pairs > most) {
        v = malloc(a->pairs * sizeof *v);
        if (v == NULL) {
            reply_err(x, ERR_MEMORY);
            return NULL;
        }
    }
    for (size_t i = 0; i < a->pairs; i++)
        if (!arg_double_or_reply(x, a->first + 2 * i, &v[i])) {
            if (v != room) free(v);
            return NULL;
        }
    return v;
}

static enum outcome zset_add(struct call *x, unsigned how) {
    struct zset__add a = { .how = how };
    enum ranks_did did = RANKS_NOTHING;
    size_t added = 0, moved = 0;
    double room[16], *v, score = 0;
    struct edit ed;

    if (!zset__options_or_reply(x, &a)) return FAILED;
    v = zset__scores_or_reply(x, &a, room, ROWS(room));
    if (v == NULL) return FAILED;
    if (!arg_open_or_reply(x, 1, KIND_ZSET, &ed)) {
        if (v != room) free(v);
        return FAILED;
    }
    for (size_t i = 0; i < a.pairs; i++) {
        score = v[i];
        did = ranks_add(&ed, x->argv[a.first + 2 * i + 1], &score, a.how);
        if (did == RANKS_NAN || did == RANKS_REFUSED) break;
        added += did == RANKS_ADDED;
        moved += did == RANKS_MOVED;
    }
    if (v != room) free(v);
    if (added + moved > 0) {
        edit_counts(&ed, added + moved);
        edit_commit(&ed, EVENT_ZSET, a.how & RANKS_INCR ? "zincr" : "zadd");
    } else {
        edit_cancel(&ed);
    }
    if (did == RANKS_REFUSED) return reply_err(x, ERR_MEMORY);
    if (did == RANKS_NAN) {
        reply_error(x->r, "ERR resulting score is not a number (NaN)");
        return FAILED;
    }
    if (!(a.how & RANKS_INCR))
        reply_int(x->r, (int64_t)(a.changed ? added + moved : added));
    else if (did == RANKS_NOTHING)
        reply_null(x->r);
    else
        reply_double(x->r, score);
    return DONE;
}

static enum outcome cmd_zadd(struct call *x) { return zset_add(x, 0); }

static enum outcome cmd_zincrby(struct call *x) {
    return zset_add(x, RANKS_INCR);
}

static enum outcome cmd_zrem(struct call *x) {
    struct edit ed;
    int64_t n = 0;

    if (!arg_open_or_reply(x, 1, KIND_ZSET, &ed)) return FAILED;
    for (size_t i = 2; i < x->argc && ed.e != NULL; i++)
        n += ranks_drop(&ed, x->argv[i]);
    if (n == 0) {
        edit_cancel(&ed);
    } else {
        edit_counts(&ed, (uint64_t)n);
        edit_tell(&ed, EVENT_ZSET, "zrem");
        edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    }
    reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_zcard(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_ZSET, &e)) return FAILED;
    reply_int(x->r, e == NULL ? 0 : (int64_t)ranks_count(e));
    return DONE;
}

static enum outcome cmd_zscore(struct call *x) {
    const struct entry *e;
    double score;

    if (!arg_read_or_reply(x, 1, KIND_ZSET, &e)) return FAILED;
    if (e != NULL && ranks_score(&x->k->ks, e, x->argv[2], &score))
        reply_double(x->r, score);
    else
        reply_null(x->r);
    return DONE;
}

static enum outcome cmd_zmscore(struct call *x) {
    const struct entry *e;
    double score;

    if (!arg_read_or_reply(x, 1, KIND_ZSET, &e)) return FAILED;
    reply_array(x->r, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++) {
        if (e != NULL && ranks_score(&x->k->ks, e, x->argv[i], &score))
            reply_double(x->r, score);
        else
            reply_null(x->r);
    }
    return DONE;
}

/* ZRANK and ZREVRANK; WITHSCORE as of Redis 7.2. */
static enum outcome zset_rank(struct call *x, bool reverse) {
    bool with = x->argc > 3;
    const struct entry *e;
    size_t rank;
    double score;

    if (x->argc > 4) return reply_arity(x);
    if (with && !str_is(x->argv[3], "withscore"))
        return reply_err(x, ERR_SYNTAX);
    if (!arg_read_or_reply(x, 1, KIND_ZSET, &e)) return FAILED;
    if (e == NULL || !ranks_rank(&x->w, e, x->argv[2], &rank, &score)) {
        if (with) reply_null_array(x->r);
        else reply_null(x->r);
        return DONE;
    }
    if (reverse) rank = ranks_count(e) - 1 - rank;
    if (with) reply_array(x->r, 2);
    reply_int(x->r, (int64_t)rank);
    if (with) reply_double(x->r, score);
    return DONE;
}

static enum outcome cmd_zrank(struct call *x) { return zset_rank(x, false); }

static enum outcome cmd_zrevrank(struct call *x) { return zset_rank(x, true); }

/* Answer the members from where a walk stands, n of them, whose array has
 * begun; backwards if asked to. */
static void zset_reply_walk(struct reply *r, struct ranks_at *at, size_t n,
                            bool back, bool with_scores) {
    struct pack_item it;
    double score = 0;

    for (; n > 0 && !r->failed; n--) {
        if (with_scores) {
            ranks_read(at, &it, &score);
            if (r->proto == 3) reply_array(r, 2);
        } else {
            ranks_member(at, &it);
        }
        reply_item(r, &it);
        if (with_scores) reply_double(r, score);
        if (n > 1) ranks_step(at, back);
    }
}

/* Begin an array of n members, perhaps with their scores. */
static void zset_reply_head(struct reply *r, size_t n, bool with_scores) {
    reply_array(r, with_scores && r->proto == 2 ? 2 * n : n);
}

/* ---- members by chance --------------------------------------------------- */

struct zset__drawn {
    struct reply *r;
    bool with_scores;
};

static void zset__see(void *ctx, void *item) {
    const struct zset__drawn *d = ctx;

    if (d->with_scores && d->r->proto == 3) reply_array(d->r, 2);
    reply_bulk(d->r, item_key(item));
    if (d->with_scores) reply_double(d->r, item_score(item));
}

/* Answer n draws, the same member perhaps more than once. */
static enum outcome zset__draw_again(struct call *x, const struct entry *e,
                                     struct rand *rand, uint64_t n,
                                     bool with_scores) {
    struct zset__drawn d = { x->r, with_scores };
    struct str v = entry_value(e);
    struct ranks_at at = { .p = (const uint8_t *)v.p, .n = v.n };
    size_t mark = reply_mark(x->r), count = 0;
    struct table_at where;
    uint32_t *offset = NULL;
    bool ok = true;

    if (!lots_begin_or_reply(x, with_scores ? 2 * n : n)) return FAILED;
    if (entry_shape(e) == SHAPE_ZSET_PACK) {
        offset = sample_offsets(at.p, at.n, 1, &count);
        if (offset == NULL) return reply_err(x, ERR_MEMORY);
    }
    zset_reply_head(x->r, (size_t)n, with_scores);
    for (; n > 0 && ok; n--) {
        if (offset == NULL) {
            zset__see(&d, table_random(big_table(entry_object(e)), rand,
                                       &where));
        } else {
            at.pos = offset[rand_below(rand, count)];
            zset_reply_walk(x->r, &at, 1, false, with_scores);
        }
        ok = lots_goes_on_or_reply(x, mark);
    }
    free(offset);
    return ok ? DONE : FAILED;
}

/* Answer n different members of `count`. */
static void zset__draw_different(struct call *x, const struct entry *e,
                                 struct rand *rand, size_t n, size_t count,
                                 bool with_scores) {
    struct zset__drawn d = { x->r, with_scores };
    struct sample s = { rand, count, n };
    struct ranks_at at;

    zset_reply_head(x->r, n, with_scores);
    if (n < count && entry_shape(e) == SHAPE_ZSET_SKIP) {
        sample_table(big_table(entry_object(e)), rand, n, zset__see, &d);
        return;
    }
    ranks_seek(e, count, 0, &at);
    if (n == count) {
        zset_reply_walk(x->r, &at, n, false, with_scores);
        return;
    }
    while (s.want > 0) {
        if (sample_next(&s)) zset_reply_walk(x->r, &at, 1, false, with_scores);
        if (s.want > 0) ranks_step(&at, false);
    }
}

static enum outcome cmd_zrandmember(struct call *x) {
    bool with = false;
    const struct entry *e;
    struct keyref ref;
    int64_t n = 1;
    size_t count;

    if (x->argc > 2) {
        with = x->argc == 4 && str_is(x->argv[3], "withscores");
        if (!lots_count_or_reply(x, 2, with, &n)) return FAILED;
        if (x->argc > 3 && !with) return reply_err(x, ERR_SYNTAX);
    }
    if (!arg_read_or_reply(x, 1, KIND_ZSET, &e)) return FAILED;
    if (e == NULL || n == 0) {
        if (x->argc == 2) reply_null(x->r);
        else reply_array(x->r, 0);
        return DONE;
    }
    key_ref(&x->w, x->argv[1], &ref);
    count = ranks_count(e);
    if (n < 0)
        return zset__draw_again(x, e, &ref.shard->rand, 0 - (uint64_t)n, with);
    if (x->argc == 2) {
        struct ranks_at at;

        ranks_seek(e, count, (size_t)rand_below(&ref.shard->rand, count), &at);
        zset_reply_walk(x->r, &at, 1, false, false);
        return DONE;
    }
    zset__draw_different(x, e, &ref.shard->rand,
                         (uint64_t)n < count ? (size_t)n : count, count, with);
    return DONE;
}

static void zset__put(struct reply *r, const struct item *it) {
    char tmp[NUM_DOUBLE_ROOM];

    reply_bulk(r, item_key(it));
    reply_bulk(r, str_of(tmp, num_put_double(tmp, item_score(it))));
}

/* Scores are strings here, in RESP3 too; those of a pack as they stand. */
static enum outcome cmd_zscan(struct call *x) {
    const struct entry *e;
    struct scanner sc;
    size_t mark, n = 0;
    struct str v;

    if (!scanner_cursor_or_reply(x, 2, &sc.cursor) ||
        !arg_read_or_reply(x, 1, KIND_ZSET, &e))
        return FAILED;
    if (e == NULL) return scanner_none(x);
    if (!scanner_options_or_reply(x, 3, &sc)) return FAILED;
    if (entry_shape(e) == SHAPE_ZSET_SKIP)
        return scanner_table(x, &sc, big_table(entry_object(e)), 2, zset__put);
    v = entry_value(e);
    mark = scanner_whole(x);
    for (size_t at = 0; at < v.n;) {
        struct pack_item member, score;

        at = pack_read((const uint8_t *)v.p, v.n, at, &member);
        at = pack_read((const uint8_t *)v.p, v.n, at, &score);
        if (!scanner_wants_item(&sc, &member)) continue;
        reply_item(x->r, &member);
        reply_item(x->r, &score);
        n += 2;
    }
    reply_array_set(x->r, mark, n);
    return DONE;
}

static const struct command zset_commands[] = {
    { "zadd", cmd_zadd, -4, WRITE | GROWS | FAST | MEMBER, 1, 1, 1, GROUP_ZSET,
      SINCE(1, 2, 0), "O(log N) for each member, N being those there are",
      "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
      "Puts members with their scores into a sorted set, or changes scores." },
    { "zcard", cmd_zcard, 2, READONLY | FAST, 1, 1, 1, GROUP_ZSET,
      SINCE(1, 2, 0), "O(1)", "key", "How many members a sorted set has." },
    { "zincrby", cmd_zincrby, 4, WRITE | GROWS | FAST | MEMBER,
      1, 1, 1, GROUP_ZSET,
      SINCE(1, 2, 0), "O(log N) for N members", "key increment member",
      "Adds to the score of a member, which counts as 0 if it is new." },
    { "zmscore", cmd_zmscore, -3, READONLY | FAST | MEMBER, 1, 1, 1, GROUP_ZSET,
      SINCE(6, 2, 0), "O(N) for N members asked for", "key member [member ...]",
      "The scores of some members." },
    { "zrandmember", cmd_zrandmember, -2, READONLY, 1, 1, 1, GROUP_ZSET,
      SINCE(6, 2, 0), "O(N) for N members answered", "key [count [WITHSCORES]]",
      "Members drawn by chance: different ones; a negative count: any." },
    { "zrank", cmd_zrank, -3, READONLY | FAST | MEMBER, 1, 1, 1, GROUP_ZSET,
      SINCE(2, 0, 0), "O(log N) for N members", "key member [WITHSCORE]",
      "How many members have a smaller score." },
    { "zrem", cmd_zrem, -3, WRITE | FAST | MEMBER, 1, 1, 1, GROUP_ZSET,
      SINCE(1, 2, 0),
      "O(M log N) for M of N members", "key member [member ...]",
      "Removes members of a sorted set, and says how many there were." },
    { "zrevrank", cmd_zrevrank, -3, READONLY | FAST | MEMBER,
      1, 1, 1, GROUP_ZSET,
      SINCE(2, 0, 0), "O(log N) for N members", "key member [WITHSCORE]",
      "How many members have a greater score." },
    { "zscan", cmd_zscan, -3, READONLY, 1, 1, 1, GROUP_ZSET,
      SINCE(2, 8, 0), "O(1) for each call, O(N) for all of N members",
      "key cursor [MATCH pattern] [COUNT count]",
      "Members and scores, a part at each call, in no order." },
    { "zscore", cmd_zscore, 3, READONLY | FAST | MEMBER, 1, 1, 1, GROUP_ZSET,
      SINCE(1, 2, 0), "O(1)", "key member", "The score of a member." },
};
