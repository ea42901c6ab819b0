/* SPDX-License-Identifier: MIT */
/* ==== zrange - commands on ranges of sorted sets ===========================
 *
 * By rank, by score or by the bytes of members: each range is where it begins
 * in the order of the set and how many members it has; see ranks.  The old
 * commands (ZRANGEBYSCORE and so on) are ZRANGE with the answer to some of its
 * options given beforehand.
 *
 * floor 6 - uses: base num pack skip entry shard door ranks pairs reply
 *    instance arg zset
 */
enum zrange_by { ZRANGE_ANY, ZRANGE_RANK, ZRANGE_SCORE, ZRANGE_LEX };

/* A range as asked for. */
struct zrange {
    enum zrange_by by;
    bool rev, with_scores;
    int64_t offset, limit;      /* LIMIT; limit < 0: no limit */
    int64_t start, stop;        /* by rank; from the end if negative */
    struct ranks_limit min, max;    /* otherwise */
};

/* A range of one sorted set: n members, from a rank on; backwards if it is
 * to be answered in reverse. */
struct zrange_span {
    size_t count;               /* members of the whole set */
    size_t first, n;
};

/* Read a bound as C's strtod does, up to the first zero byte: blanks in front
 * and nothing at all are fine, and what is too large is infinite. */
static bool zrange__double(struct str s, double *v) {
    const char *zero = s.n == 0 ? NULL : memchr(s.p, '\0', s.n);
    char text[512], *end;
    bool blank = false;

    if (zero != NULL) s.n = (size_t)(zero - s.p);
    for (; s.n > 0 && (*s.p == ' ' || (*s.p >= '\t' && *s.p <= '\r')); s.n--) {
        s.p++;
        blank = true;
    }
    if (s.n == 0) {
        *v = 0;
        return !blank;
    }
    if (LIKELY(num_parse_double(s, v))) return true;
    if (s.n >= sizeof text) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *v = strtod(text, &end);
    return end != text && *end == '\0' && !isnan(*v);
}

/* Read "5", "(5" or "-inf" as where a range of scores begins or ends. */
static bool zrange__score(struct str s, bool is_min, struct ranks_limit *l) {
    bool ex = s.n > 0 && s.p[0] == '(';

    memset(l, 0, sizeof *l);
    l->b.side = ex == is_min ? SKIP_AFTER : SKIP_BEFORE;
    return zrange__double(str_of(s.p + ex, s.n - ex), &l->b.score);
}

/* The same for "[a", "(a", "-" and "+". */
static bool zrange__lex(struct str s, bool is_min, struct ranks_limit *l) {
    bool ex;

    memset(l, 0, sizeof *l);
    if (s.n == 0) return false;
    if (s.p[0] == '-' || s.p[0] == '+') {
        l->end = s.p[0] == '-' ? -1 : 1;
        return s.n == 1 || s.p[1] == '\0';
    }
    ex = s.p[0] == '(';
    if (!ex && s.p[0] != '[') return false;
    l->b.side = ex == is_min ? SKIP_LEX_AFTER : SKIP_LEX;
    l->b.key = str_of(s.p + 1, s.n - 1);
    return true;
}

/* Read where a range begins and ends from argv[i] and the one behind it, or
 * answer what is wrong with them. */
static bool zrange__bounds_or_reply(struct call *x, size_t i,
                                    struct zrange *z) {
    size_t min = i, max = i + 1;

    if (z->by == ZRANGE_RANK)
        return arg_int_or_reply(x, min, &z->start) &&
               arg_int_or_reply(x, max, &z->stop);
    if (z->rev) {
        min = i + 1;
        max = i;
    }
    if (z->by == ZRANGE_SCORE) {
        if (zrange__score(x->argv[min], true, &z->min) &&
            zrange__score(x->argv[max], false, &z->max))
            return true;
        reply_error(x->r, "ERR min or max is not a float");
        return false;
    }
    if (zrange__lex(x->argv[min], true, &z->min) &&
        zrange__lex(x->argv[max], false, &z->max))
        return true;
    reply_error(x->r, "ERR min or max not valid string range item");
    return false;
}

/* Read the options from argv[i] on; any_rev: REV is one of them, too. */
static bool zrange__options_or_reply(struct call *x, size_t i, bool store,
                                     bool any_rev, struct zrange *z) {
    bool any_by = z->by == ZRANGE_ANY;

    z->limit = -1;
    for (; i < x->argc; i++) {
        if (!store && str_is(x->argv[i], "withscores")) {
            z->with_scores = true;
        } else if (str_is(x->argv[i], "limit") && i + 2 < x->argc) {
            if (!arg_int_or_reply(x, i + 1, &z->offset) ||
                !arg_int_or_reply(x, i + 2, &z->limit))
                return false;
            i += 2;
        } else if (any_rev && str_is(x->argv[i], "rev")) {
            z->rev = true;
            any_rev = false;
        } else if (any_by && str_is(x->argv[i], "bylex")) {
            z->by = ZRANGE_LEX;
            any_by = false;
        } else if (any_by && str_is(x->argv[i], "byscore")) {
            z->by = ZRANGE_SCORE;
            any_by = false;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    if (z->by == ZRANGE_ANY) z->by = ZRANGE_RANK;
    if (z->limit != -1 && z->by == ZRANGE_RANK) {
        reply_error(x->r, "ERR syntax error, LIMIT is only supported in "
                          "combination with either BYSCORE or BYLEX");
        return false;
    }
    if (z->with_scores && z->by == ZRANGE_LEX) {
        reply_error(x->r, "ERR syntax error, WITHSCORES not supported in "
                          "combination with BYLEX");
        return false;
    }
    return true;
}

/* Find the range in a sorted set. */
static void zrange__find(const struct entry *e, const struct zrange *z,
                         struct zrange_span *s) {
    size_t count = ranks_count(e), upper;
    int64_t len = (int64_t)count, start = z->start, stop = z->stop;

    s->count = count;
    s->n = 0;
    s->first = 0;
    if (z->by == ZRANGE_RANK) {
        if (start < 0) start += len;
        if (stop < 0) stop += len;
        if (start < 0) start = 0;
        if (start > stop || start >= len) return;
        if (stop >= len) stop = len - 1;
        s->n = (size_t)(stop - start) + 1;
        s->first = (size_t)(z->rev ? len - 1 - stop : start);
        return;
    }
    s->first = ranks_before(e, &z->min);
    upper = ranks_before(e, &z->max);
    if (upper <= s->first || z->offset < 0 ||
        (uint64_t)z->offset >= upper - s->first)
        return;
    s->n = upper - s->first - (size_t)z->offset;
    if (z->limit >= 0 && (uint64_t)z->limit < s->n) s->n = (size_t)z->limit;
    s->first = z->rev ? upper - (size_t)z->offset - s->n :
                        s->first + (size_t)z->offset;
}

/* ZRANGE and the like, whose options are given in part. */
static enum outcome zrange_reply(struct call *x, enum zrange_by by, bool rev,
                                 bool any_rev) {
    struct zrange z = { .by = by, .rev = rev };
    struct zrange_span s = { 0, 0, 0 };
    const struct entry *e;
    struct ranks_at at;

    if (!zrange__options_or_reply(x, 4, false, any_rev, &z) ||
        !zrange__bounds_or_reply(x, 2, &z) ||
        !arg_read_or_reply(x, 1, KIND_ZSET, &e))
        return FAILED;
    if (e != NULL) zrange__find(e, &z, &s);
    zset_reply_head(x->r, s.n, z.with_scores);
    if (s.n == 0) return DONE;
    ranks_seek(e, s.count, z.rev ? s.first + s.n - 1 : s.first, &at);
    zset_reply_walk(x->r, &at, s.n, z.rev, z.with_scores);
    return DONE;
}

static enum outcome cmd_zrange(struct call *x) {
    return zrange_reply(x, ZRANGE_ANY, false, true);
}

static enum outcome cmd_zrevrange(struct call *x) {
    return zrange_reply(x, ZRANGE_RANK, true, false);
}

static enum outcome cmd_zrangebyscore(struct call *x) {
    return zrange_reply(x, ZRANGE_SCORE, false, false);
}

static enum outcome cmd_zrevrangebyscore(struct call *x) {
    return zrange_reply(x, ZRANGE_SCORE, true, false);
}

static enum outcome cmd_zrangebylex(struct call *x) {
    return zrange_reply(x, ZRANGE_LEX, false, false);
}

static enum outcome cmd_zrevrangebylex(struct call *x) {
    return zrange_reply(x, ZRANGE_LEX, true, false);
}

/* ZCOUNT and ZLEXCOUNT. */
static enum outcome zrange_count(struct call *x, enum zrange_by by) {
    struct zrange z = { .by = by, .limit = -1 };
    struct zrange_span s = { 0, 0, 0 };
    const struct entry *e;

    if (!zrange__bounds_or_reply(x, 2, &z) ||
        !arg_read_or_reply(x, 1, KIND_ZSET, &e))
        return FAILED;
    if (e != NULL) zrange__find(e, &z, &s);
    reply_int(x->r, (int64_t)s.n);
    return DONE;
}

static enum outcome cmd_zcount(struct call *x) {
    return zrange_count(x, ZRANGE_SCORE);
}

static enum outcome cmd_zlexcount(struct call *x) {
    return zrange_count(x, ZRANGE_LEX);
}

/* ZREMRANGEBYRANK, -SCORE and -LEX. */
static enum outcome zrange_remove(struct call *x, enum zrange_by by,
                                  const char *event) {
    struct zrange z = { .by = by, .limit = -1 };
    struct zrange_span s = { 0, 0, 0 };
    struct edit ed;

    if (!zrange__bounds_or_reply(x, 2, &z) ||
        !arg_open_or_reply(x, 1, KIND_ZSET, &ed))
        return FAILED;
    if (ed.e != NULL) zrange__find(ed.e, &z, &s);
    if (s.n == 0) {
        edit_cancel(&ed);
    } else {
        ranks_drop_range(&ed, s.count, s.first, s.n);
        edit_counts(&ed, s.n);
        edit_tell(&ed, EVENT_ZSET, event);
        edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    }
    reply_int(x->r, (int64_t)s.n);
    return DONE;
}

static enum outcome cmd_zremrangebyrank(struct call *x) {
    return zrange_remove(x, ZRANGE_RANK, "zremrangebyrank");
}

static enum outcome cmd_zremrangebyscore(struct call *x) {
    return zrange_remove(x, ZRANGE_SCORE, "zremrangebyscore");
}

static enum outcome cmd_zremrangebylex(struct call *x) {
    return zrange_remove(x, ZRANGE_LEX, "zremrangebylex");
}

/* Make pairs, in order, the value of the key at argv[i], or without any
 * remove it; answer how many.  Their members may be lent from any key.
 * `changes` is what that counts for where there are some. */
static enum outcome zrange_store(struct call *x, size_t i,
                                 const struct pairs *ps, const char *event,
                                 uint64_t changes) {
    struct edit ed;

    if (ps->failed) return reply_err(x, ERR_MEMORY);
    edit_open(&x->w, x->argv[i], &ed);
    if (ps->n > 0) {
        if (!ranks_store(&ed, ps->v, ps->n)) {
            edit_commit(&ed, EVENT_ZSET, NULL);
            return reply_err(x, ERR_MEMORY);
        }
        edit_counts(&ed, changes);
        edit_commit(&ed, EVENT_ZSET, event);
    } else if (ed.e != NULL) {
        edit_drop(&ed);
        edit_commit(&ed, EVENT_GENERIC, "del");
    } else {
        edit_cancel(&ed);
    }
    reply_int(x->r, (int64_t)ps->n);
    return DONE;
}

static enum outcome cmd_zrangestore(struct call *x) {
    struct zrange z = { .by = ZRANGE_ANY };
    struct zrange_span s = { 0, 0, 0 };
    const struct entry *e;
    struct ranks_at at;
    struct pack_item it;
    struct pairs ps;
    struct str ns, local;
    enum outcome what;
    double score, part;

    if (!zrange__options_or_reply(x, 5, true, true, &z) ||
        !zrange__bounds_or_reply(x, 3, &z) ||
        !arg_read_or_reply(x, 2, KIND_ZSET, &e))
        return FAILED;
    if (e != NULL) {
        zrange__find(e, &z, &s);
        part = (double)s.n / (double)s.count;
        key_split(&x->w, x->argv[2], &ns, &local);
        if (!arg_room_or_reply(x, x->argv[1], local,
                               (size_t)((double)entry_cost(e) * part)))
            return FAILED;
    }
    pairs_init(&ps, x->k->ks.seed);
    if (s.n > 0) ranks_seek(e, s.count, s.first, &at);
    for (size_t i = 0; i < s.n; i++) {
        ranks_read(&at, &it, &score);
        if (!pairs_add(&ps, &it, score)) break;
        if (i + 1 < s.n) ranks_step(&at, false);
    }
    what = zrange_store(x, 1, &ps, "zrangestore", 1);
    pairs_free(&ps);
    return what;
}

static const struct command zrange_commands[] = {
    { "zcount", cmd_zcount, 4, READONLY | FAST, 1, 1, 1, GROUP_ZSET,
      SINCE(2, 0, 0), "O(log N) for N members", "key min max",
      "How many members have a score in a range." },
    { "zlexcount", cmd_zlexcount, 4, READONLY | FAST, 1, 1, 1, GROUP_ZSET,
      SINCE(2, 8, 9), "O(log N) for N members", "key min max",
      "How many members lie in a range of bytes, if all scores are equal." },
    { "zrange", cmd_zrange, -4, READONLY, 1, 1, 1, GROUP_ZSET,
      SINCE(1, 2, 0), "O(log N + M) for M of N members",
      "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] "
      "[WITHSCORES]",
      "Members in a range of ranks, scores or bytes." },
    { "zrangebylex", cmd_zrangebylex, -4, READONLY, 1, 1, 1, GROUP_ZSET,
      SINCE(2, 8, 9), "O(log N + M) for M of N members",
      "key min max [LIMIT offset count]",
      "Members in a range of bytes, if all scores are equal." },
    { "zrangebyscore", cmd_zrangebyscore, -4, READONLY, 1, 1, 1, GROUP_ZSET,
      SINCE(1, 0, 5), "O(log N + M) for M of N members",
      "key min max [WITHSCORES] [LIMIT offset count]",
      "Members in a range of scores." },
    { "zrangestore", cmd_zrangestore, -5, WRITE | GROWS, 1, 2, 1, GROUP_ZSET,
      SINCE(6, 2, 0), "O(log N + M) for M of N members",
      "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
      "Makes a range of a sorted set the value of another key." },
    { "zremrangebylex", cmd_zremrangebylex, 4, WRITE, 1, 1, 1, GROUP_ZSET,
      SINCE(2, 8, 9), "O(log N + M) for M of N members", "key min max",
      "Removes members in a range of bytes, if all scores are equal." },
    { "zremrangebyrank", cmd_zremrangebyrank, 4, WRITE, 1, 1, 1, GROUP_ZSET,
      SINCE(2, 0, 0), "O(log N + M) for M of N members", "key start stop",
      "Removes members in a range of ranks." },
    { "zremrangebyscore", cmd_zremrangebyscore, 4, WRITE, 1, 1, 1, GROUP_ZSET,
      SINCE(1, 2, 0), "O(log N + M) for M of N members", "key min max",
      "Removes members in a range of scores." },
    { "zrevrange", cmd_zrevrange, -4, READONLY, 1, 1, 1, GROUP_ZSET,
      SINCE(1, 2, 0), "O(log N + M) for M of N members",
      "key start stop [WITHSCORES]",
      "Members in a range of ranks, counted from the greatest score." },
    { "zrevrangebylex", cmd_zrevrangebylex, -4, READONLY, 1, 1, 1, GROUP_ZSET,
      SINCE(2, 8, 9), "O(log N + M) for M of N members",
      "key max min [LIMIT offset count]",
      "Members in a range of bytes, the last one first." },
    { "zrevrangebyscore", cmd_zrevrangebyscore, -4, READONLY, 1, 1, 1,
      GROUP_ZSET, SINCE(2, 2, 0), "O(log N + M) for M of N members",
      "key max min [WITHSCORES] [LIMIT offset count]",
      "Members in a range of scores, the greatest first." },
};
