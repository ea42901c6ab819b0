/* SPDX-License-Identifier: MIT */
/* ==== zpop - commands that take the ends of sorted sets ====================
 *
 * floor 6 - uses: base num pack entry shard door ranks reply instance waiters
 *    arg lots
 */

/* A pop as asked for. */
struct zpop {
    bool max;
    bool with_key;              /* the key's name is part of the answer */
    bool nested;                /* an array for each member and its score */
    int64_t count;
};

/* Answer members from an end of an open sorted set, and drop them; with the
 * last of them the key.  The edit is committed. */
static void zpop__take(struct call *x, struct edit *ed, struct str key,
                       const struct zpop *p) {
    size_t count = ranks_count(ed->e);
    size_t n = (uint64_t)p->count < count ? (size_t)p->count : count;
    struct reply *r = x->r;
    struct pack_item it;
    struct ranks_at at;
    double score;

    if (p->with_key) {
        reply_array(r, p->nested ? 2 : 2 * n + 1);
        reply_bulk(r, key);
    }
    if (p->nested || !p->with_key) reply_array(r, p->nested ? n : 2 * n);
    ranks_seek(ed->e, count, p->max ? count - 1 : 0, &at);
    for (size_t i = 0; i < n; i++) {
        ranks_read(&at, &it, &score);
        if (p->nested) reply_array(r, 2);
        reply_item(r, &it);
        reply_double(r, score);
        if (i + 1 < n) ranks_step(&at, p->max);
    }
    ranks_drop_range(ed, count, p->max ? count - n : 0, n);
    edit_counts(ed, n);
    edit_tell(ed, EVENT_ZSET, p->max ? "zpopmax" : "zpopmin");
    edit_commit(ed, EVENT_GENERIC, ed->e == NULL ? "del" : NULL);
}

/* Pop from the first key of n (argv from first on) that has members.  DONE or
 * FAILED: answered.  BLOCKED: none has any, not answered. */
static enum outcome zpop__first(struct call *x, size_t first, size_t n,
                                const struct zpop *p) {
    for (size_t i = first; i < first + n; i++) {
        struct edit ed;

        edit_open(&x->w, x->argv[i], &ed);
        if (ed.e != NULL && entry_kind(ed.e) == KIND_ZSET) {
            zpop__take(x, &ed, x->argv[i], p);
            return DONE;
        }
        edit_cancel(&ed);
        /* who waits already goes on waiting */
        if (ed.e != NULL && !x->again) return reply_err(x, ERR_WRONGTYPE);
    }
    return BLOCKED;
}

/* ZPOPMIN and ZPOPMAX. */
static enum outcome zpop_pop(struct call *x, bool max) {
    struct zpop p = { .max = max, .count = 1 };
    struct edit ed;

    if (x->argc > 3) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 3) {
        if (!num_parse_int(x->argv[2], &p.count) || p.count < 0)
            return reply_err(x, ERR_POSITIVE);
        p.nested = x->r->proto == 3;
    }
    if (!arg_open_or_reply(x, 1, KIND_ZSET, &ed)) return FAILED;
    if (ed.e != NULL && p.count > 0) {
        zpop__take(x, &ed, x->argv[1], &p);
        return DONE;
    }
    edit_cancel(&ed);
    reply_array(x->r, 0);
    return DONE;
}

static enum outcome cmd_zpopmin(struct call *x) { return zpop_pop(x, false); }

static enum outcome cmd_zpopmax(struct call *x) { return zpop_pop(x, true); }

/* Pop from one of n keys, or wait for that. */
static enum outcome zpop__or_wait(struct call *x, size_t first, size_t n,
                                  const struct zpop *p, double seconds) {
    enum outcome what = zpop__first(x, first, n, p);

    if (what != BLOCKED) return what;
    if (x->no_block) {
        reply_null_array(x->r);
        return DONE;
    }
    if (!client_wait(x, first, n, 1, seconds))
        return reply_err(x, ERR_MEMORY);
    return BLOCKED;
}

/* BZPOPMIN and BZPOPMAX. */
static enum outcome zpop_block(struct call *x, bool max) {
    const struct zpop p = { .max = max, .with_key = true, .count = 1 };
    double seconds;

    if (!arg_timeout_or_reply(x, x->argc - 1, &seconds)) return FAILED;
    return zpop__or_wait(x, 1, x->argc - 2, &p, seconds);
}

static enum outcome cmd_bzpopmin(struct call *x) {
    return zpop_block(x, false);
}

static enum outcome cmd_bzpopmax(struct call *x) {
    return zpop_block(x, true);
}

/* Read ZMPOP's arguments, the number of keys being argv[i]. */
static bool zpop__many_or_reply(struct call *x, size_t i, size_t *keys,
                                struct zpop *p) {
    bool counted = false;
    int64_t n;

    *p = (struct zpop){ .with_key = true, .nested = true, .count = 1 };
    if (!num_parse_int(x->argv[i], &n) || n < 1) {
        reply_error(x->r, "ERR numkeys should be greater than 0");
        return false;
    }
    if ((uint64_t)n >= x->argc - i - 1) goto syntax;
    *keys = (size_t)n;
    i += *keys + 1;
    p->max = str_is(x->argv[i], "max");
    if (!p->max && !str_is(x->argv[i], "min")) goto syntax;
    while (++i < x->argc) {
        if (counted || !str_is(x->argv[i], "count") || i + 1 == x->argc)
            goto syntax;
        counted = true;
        if (!num_parse_int(x->argv[++i], &p->count) || p->count < 1) {
            reply_error(x->r, "ERR count should be greater than 0");
            return false;
        }
    }
    return true;
syntax:
    reply_err(x, ERR_SYNTAX);
    return false;
}

static enum outcome cmd_zmpop(struct call *x) {
    enum outcome what;
    struct zpop p;
    size_t keys;

    if (!zpop__many_or_reply(x, 1, &keys, &p)) return FAILED;
    what = zpop__first(x, 2, keys, &p);
    if (what != BLOCKED) return what;
    reply_null_array(x->r);
    return DONE;
}

static enum outcome cmd_bzmpop(struct call *x) {
    double seconds;
    struct zpop p;
    size_t keys;

    if (!zpop__many_or_reply(x, 2, &keys, &p) ||
        !arg_timeout_or_reply(x, 1, &seconds))
        return FAILED;
    return zpop__or_wait(x, 3, keys, &p, seconds);
}

static const struct command zpop_commands[] = {
    { "bzmpop", cmd_bzmpop, -5, WRITE | BLOCKING | MOVABLE | KEYS_NUM | BARRIER,
      2, 0, 0, GROUP_ZSET, SINCE(7, 0, 0),
      "O(K + M log N) for M of N members, K keys",
      "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
      "Takes members of the first sorted set that has some; waits for one." },
    { "bzpopmax", cmd_bzpopmax, -3,
      WRITE | BLOCKING | NOSCRIPT | FAST | BARRIER, 1, -2, 1, GROUP_ZSET,
      SINCE(5, 0, 0), "O(log N) for N members", "key [key ...] timeout",
      "Takes the greatest of the first sorted set with members; or waits." },
    { "bzpopmin", cmd_bzpopmin, -3,
      WRITE | BLOCKING | NOSCRIPT | FAST | BARRIER, 1, -2, 1, GROUP_ZSET,
      SINCE(5, 0, 0), "O(log N) for N members", "key [key ...] timeout",
      "Takes the smallest of the first sorted set with members; or waits." },
    { "zmpop", cmd_zmpop, -4, WRITE | MOVABLE | KEYS_NUM, 1, 0, 0, GROUP_ZSET,
      SINCE(7, 0, 0), "O(K + M log N) for M of N members, K keys",
      "numkeys key [key ...] <MIN | MAX> [COUNT count]",
      "Takes members of the first sorted set that has some." },
    { "zpopmax", cmd_zpopmax, -2, WRITE | FAST, 1, 1, 1, GROUP_ZSET,
      SINCE(5, 0, 0), "O(M log N) for M of N members", "key [count]",
      "Takes the members with the greatest scores." },
    { "zpopmin", cmd_zpopmin, -2, WRITE | FAST, 1, 1, 1, GROUP_ZSET,
      SINCE(5, 0, 0), "O(M log N) for M of N members", "key [count]",
      "Takes the members with the smallest scores." },
};
