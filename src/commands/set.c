/* SPDX-License-Identifier: MIT */
/* ==== set - commands on sets ===============================================
 *
 * An intersection goes over the smallest set and asks the others; a difference
 * asks the others or takes their members away, whichever is less work; a union
 * is gathered.  What is to be stored is gathered first, so that the
 * destination may be among the sources.
 *
 * floor 6 - uses: base rand num pack item sample entry shard door members
 *    reply instance arg scanner lots
 */
static enum outcome cmd_sadd(struct call *x) {
    struct edit ed;
    int64_t n = 0;
    bool added;

    if (!arg_open_or_reply(x, 1, KIND_SET, &ed)) return FAILED;
    for (size_t i = 2; i < x->argc; i++) {
        if (!members_put(&ed, x->argv[i], &added)) {
            edit_commit(&ed, EVENT_SET, n == 0 ? NULL : "sadd");
            return reply_err(x, ERR_MEMORY);
        }
        n += added;
    }
    if (n == 0) {
        edit_cancel(&ed);
    } else {
        edit_counts(&ed, (uint64_t)n);
        edit_commit(&ed, EVENT_SET, "sadd");
    }
    reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_srem(struct call *x) {
    struct edit ed;
    int64_t n = 0;

    if (!arg_open_or_reply(x, 1, KIND_SET, &ed)) return FAILED;
    for (size_t i = 2; i < x->argc && ed.e != NULL; i++)
        n += members_drop(&ed, x->argv[i]);
    if (n == 0) {
        edit_cancel(&ed);
    } else {
        edit_counts(&ed, (uint64_t)n);
        edit_tell(&ed, EVENT_SET, "srem");
        edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    }
    reply_int(x->r, n);
    return DONE;
}

static bool set__see_reply(void *ctx, const struct pack_item *it) {
    reply_item(((struct call *)ctx)->r, it);
    return true;
}

static enum outcome cmd_smembers(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_SET, &e)) return FAILED;
    reply_set(x->r, e == NULL ? 0 : members_count(e));
    if (e != NULL) members_each(e, set__see_reply, x);
    return DONE;
}

static enum outcome cmd_scard(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_SET, &e)) return FAILED;
    reply_int(x->r, e == NULL ? 0 : (int64_t)members_count(e));
    return DONE;
}

static enum outcome cmd_sismember(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_SET, &e)) return FAILED;
    reply_int(x->r, e != NULL && members_has(&x->k->ks, e, x->argv[2]));
    return DONE;
}

static enum outcome cmd_smismember(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_SET, &e)) return FAILED;
    reply_array(x->r, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        reply_int(x->r, e != NULL && members_has(&x->k->ks, e, x->argv[i]));
    return DONE;
}

/* Move argv[3] from the set at argv[1] to the one at argv[2]; the two keys
 * are different and of the right kind. */
static enum outcome set__move(struct call *x) {
    struct edit ed;
    bool added, put;

    edit_open(&x->w, x->argv[1], &ed);
    if (!members_drop(&ed, x->argv[3])) {
        edit_cancel(&ed);
        reply_int(x->r, 0);
        return DONE;
    }
    edit_tell(&ed, EVENT_SET, "srem");
    edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    edit_open(&x->w, x->argv[2], &ed);
    put = members_put(&ed, x->argv[3], &added);
    if (put && !added) edit_cancel(&ed);
    else edit_commit(&ed, EVENT_SET, put ? "sadd" : NULL);
    if (put) {
        reply_int(x->r, 1);
        return DONE;
    }
    /* back to where it was, into the room that it has left there */
    edit_open(&x->w, x->argv[1], &ed);
    members_put(&ed, x->argv[3], &added);
    edit_commit(&ed, EVENT_SET, NULL);
    return reply_err(x, ERR_MEMORY);
}

static enum outcome cmd_smove(struct call *x) {
    const struct entry *from = key_peek(&x->w, x->argv[1]);
    const struct entry *to = key_peek(&x->w, x->argv[2]);

    if (from == NULL) {
        reply_int(x->r, 0);
        return DONE;
    }
    if (!kind_or_reply(x, from, KIND_SET) || !kind_or_reply(x, to, KIND_SET))
        return FAILED;
    if (from != to) return set__move(x);
    reply_int(x->r, members_has(&x->k->ks, from, x->argv[3]));
    return DONE;
}

/* SPOP with a count. */
static enum outcome set__pop_some(struct call *x) {
    struct edit ed;
    int64_t count;
    size_t n;

    if (!num_parse_int(x->argv[2], &count) || count < 0)
        return reply_err(x, ERR_POSITIVE);
    if (!arg_open_or_reply(x, 1, KIND_SET, &ed)) return FAILED;
    if (ed.e == NULL || count == 0) {
        edit_cancel(&ed);
        reply_set(x->r, 0);
        return DONE;
    }
    n = members_count(ed.e);
    if ((uint64_t)count < n) n = (size_t)count;
    reply_set(x->r, n);
    members_pop(&ed, &ed.ref.shard->rand, n, set__see_reply, x);
    edit_counts(&ed, n);
    edit_tell(&ed, EVENT_SET, "spop");
    edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    return DONE;
}

static enum outcome cmd_spop(struct call *x) {
    struct edit ed;

    if (x->argc > 3) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 3) return set__pop_some(x);
    if (!arg_open_or_reply(x, 1, KIND_SET, &ed)) return FAILED;
    if (ed.e == NULL) {
        edit_cancel(&ed);
        reply_null(x->r);
        return DONE;
    }
    members_pop(&ed, &ed.ref.shard->rand, 1, set__see_reply, x);
    edit_tell(&ed, EVENT_SET, "spop");
    edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    return DONE;
}

/* SRANDMEMBER with a negative count: n members, which may repeat. */
static enum outcome set__repeat(struct call *x, const struct entry *e,
                                struct rand *r, uint64_t n) {
    struct str v = entry_value(e);
    uint32_t *offsets = NULL;
    size_t count = members_count(e), mark;
    bool ok = true;

    if (!lots_begin_or_reply(x, n)) return FAILED;
    if (n > 4 && entry_shape(e) == SHAPE_SET_PACK)
        offsets = sample_offsets((const uint8_t *)v.p, v.n, 0, &count);
    mark = reply_mark(x->r);
    reply_array(x->r, (size_t)n);
    while (ok && n-- > 0) {
        struct pack_item it;

        if (offsets == NULL) it = members_random(e, r);
        else pack_read((const uint8_t *)v.p, v.n,
                       offsets[rand_below(r, count)], &it);
        reply_item(x->r, &it);
        ok = lots_goes_on_or_reply(x, mark);
    }
    free(offsets);
    return ok ? DONE : FAILED;
}

static enum outcome cmd_srandmember(struct call *x) {
    const struct entry *e;
    struct keyref ref;
    int64_t count = 0;
    size_t n;

    if (x->argc > 3) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 3 && !lots_count_or_reply(x, 2, false, &count))
        return FAILED;
    if (!arg_read_or_reply(x, 1, KIND_SET, &e)) return FAILED;
    key_ref(&x->w, x->argv[1], &ref);
    if (x->argc == 2) {
        if (e == NULL) {
            reply_null(x->r);
        } else {
            struct pack_item it = members_random(e, &ref.shard->rand);

            reply_item(x->r, &it);
        }
        return DONE;
    }
    if (e == NULL || count == 0) {
        reply_array(x->r, 0);
        return DONE;
    }
    if (count < 0)
        return set__repeat(x, e, &ref.shard->rand, 0 - (uint64_t)count);
    n = members_count(e);
    if ((uint64_t)count < n) n = (size_t)count;
    reply_array(x->r, n);
    members_sample(e, &ref.shard->rand, n, set__see_reply, x);
    return DONE;
}

static void set__put_scanned(struct reply *r, const struct item *it) {
    reply_bulk(r, item_key(it));
}

struct set__scan {
    struct call *x;
    const struct scanner *sc;
    size_t n;
};

static bool set__see_scan(void *ctx, const struct pack_item *it) {
    struct set__scan *s = ctx;

    if (!scanner_wants_item(s->sc, it)) return true;
    reply_item(s->x->r, it);
    s->n++;
    return true;
}

static enum outcome cmd_sscan(struct call *x) {
    struct scanner sc;
    struct set__scan s = { x, &sc, 0 };
    const struct entry *e;
    size_t mark;

    if (!scanner_cursor_or_reply(x, 2, &sc.cursor)) return FAILED;
    if (!arg_read_or_reply(x, 1, KIND_SET, &e)) return FAILED;
    if (e == NULL) return scanner_none(x);
    if (!scanner_options_or_reply(x, 3, &sc)) return FAILED;
    if (entry_shape(e) == SHAPE_SET_TABLE)
        return scanner_table(x, &sc, members_table(e), 1, set__put_scanned);
    mark = scanner_whole(x);
    members_each(e, set__see_scan, &s);
    reply_array_set(x->r, mark, s.n);
    return DONE;
}

/* A set computed from others, and where it goes. */
struct set__op {
    struct call *x;
    const struct entry **from;  /* the sources; NULL: no such key */
    size_t n;
    size_t at;                  /* the one that is walked over */
    struct members_new *into;   /* or NULL */
    bool answers;               /* as it comes, if into is NULL */
    size_t count;               /* of its members so far */
    size_t most;                /* enough then */
    bool refused;               /* no memory */
};

/* Here is a member; false: it is the last that is wanted. */
static bool set__emit(struct set__op *op, const struct pack_item *it) {
    if (op->into != NULL) {
        op->refused = !members_new_put(op->into, it);
        return !op->refused;
    }
    if (op->answers) reply_item(op->x->r, it);
    return ++op->count < op->most;
}

static bool set__see_union(void *ctx, const struct pack_item *it) {
    return set__emit(ctx, it);
}

static bool set__see_inter(void *ctx, const struct pack_item *it) {
    struct set__op *op = ctx;

    for (size_t i = 1; i < op->n; i++)
        if (op->from[i] != op->from[0] &&
            !members_has_item(&op->x->k->ks, op->from[i], it))
            return true;
    return set__emit(op, it);
}

static bool set__see_diff(void *ctx, const struct pack_item *it) {
    struct set__op *op = ctx;

    for (size_t i = 1; i < op->n; i++)
        if (op->from[i] != NULL &&
            members_has_item(&op->x->k->ks, op->from[i], it))
            return true;
    return set__emit(op, it);
}

static bool set__see_minus(void *ctx, const struct pack_item *it) {
    members_new_drop(((struct set__op *)ctx)->into, it);
    return true;
}

static void set__union(struct set__op *op) {
    for (size_t i = 0; i < op->n && !op->refused; i++)
        if (op->from[i] != NULL)
            members_each(op->from[i], set__see_union, op);
}

static int set__order(const void *a, const void *b) {
    size_t x = members_count(*(const struct entry *const *)a);
    size_t y = members_count(*(const struct entry *const *)b);

    return (x > y) - (x < y);
}

static void set__inter(struct set__op *op) {
    for (size_t i = 0; i < op->n; i++)
        if (op->from[i] == NULL) return;
    qsort(op->from, op->n, sizeof *op->from, set__order);
    members_each(op->from[0], set__see_inter, op);
}

/* Is it more work to ask the others about each member of the first than to
 * go over all of them?  As Redis decides, since encodings may show it. */
static bool set__diff_gathers(const struct set__op *op) {
    double ask = 0, walk = 0, first;

    if (op->from[0] == NULL) return false;
    first = (double)members_count(op->from[0]);
    for (size_t i = 0; i < op->n; i++)
        if (op->from[i] != NULL) {
            ask += first / 2;
            walk += (double)members_count(op->from[i]);
        }
    return ask > walk;
}

static void set__diff(struct set__op *op) {
    if (op->from[0] == NULL) return;
    for (size_t i = 1; i < op->n; i++)
        if (op->from[i] == op->from[0]) return;
    if (op->into == NULL || !set__diff_gathers(op)) {
        members_each(op->from[0], set__see_diff, op);
        return;
    }
    members_each(op->from[0], set__see_union, op);
    for (size_t i = 1; i < op->n && members_new_count(op->into) > 0 &&
                       !op->refused; i++)
        if (op->from[i] != NULL)
            members_each(op->from[i], set__see_minus, op);
}

/* Read n keys from argv[first] on, which must be sets where they are.  False:
 * answered. */
static bool set__sources_or_reply(struct set__op *op, struct call *x,
                                  size_t first, size_t n) {
    bool ok = true;

    memset(op, 0, sizeof *op);
    op->x = x;
    op->n = n;
    op->most = SIZE_MAX;
    op->from = malloc(n * sizeof *op->from);
    if (op->from == NULL) {
        reply_err(x, ERR_MEMORY);
        return false;
    }
    for (size_t i = 0; i < n && ok; i++)
        ok = arg_read_or_reply(x, first + i, KIND_SET, &op->from[i]);
    if (!ok) free(op->from);
    return ok;
}

/* SUNION, SINTER, SDIFF: answer it. */
static enum outcome set__answer(struct call *x,
                                void (*make)(struct set__op *)) {
    struct members_new nw = { 0 };
    struct set__op op;
    struct keyref ref;
    size_t mark;

    if (!set__sources_or_reply(&op, x, 1, x->argc - 1)) return FAILED;
    if (make == set__union || (make == set__diff && set__diff_gathers(&op))) {
        key_ref(&x->w, x->argv[1], &ref);
        nw.m = &ref.shard->mem;
        nw.ks = &x->k->ks;
        op.into = &nw;
        make(&op);
        if (op.refused) {
            reply_err(x, ERR_MEMORY);
        } else {
            reply_set(x->r, members_new_count(&nw));
            if (nw.set != NULL)
                members_each_of(&nw.set->members, set__see_reply, x);
        }
        members_new_free(&nw);
    } else {
        op.answers = true;
        mark = reply_set_later(x->r);
        make(&op);
        reply_array_set(x->r, mark, op.count);
    }
    free(op.from);
    return op.refused ? FAILED : DONE;
}

static enum outcome cmd_sunion(struct call *x) {
    return set__answer(x, set__union);
}

static enum outcome cmd_sinter(struct call *x) {
    return set__answer(x, set__inter);
}

static enum outcome cmd_sdiff(struct call *x) {
    return set__answer(x, set__diff);
}

/* SUNIONSTORE, SINTERSTORE, SDIFFSTORE. */
static enum outcome set__store(struct call *x, void (*make)(struct set__op *),
                               const char *event) {
    struct members_new nw = { 0 };
    struct set__op op;
    struct edit ed;
    size_t n;

    if (!set__sources_or_reply(&op, x, 2, x->argc - 2)) return FAILED;
    edit_open(&x->w, x->argv[1], &ed);
    nw.m = &ed.ref.shard->mem;
    nw.ks = &x->k->ks;
    op.into = &nw;
    make(&op);
    free(op.from);
    n = members_new_count(&nw);
    if (op.refused || n == 0) members_new_free(&nw);
    if (op.refused || (n > 0 && !members_store(&ed, &nw))) {
        edit_cancel(&ed);
        return reply_err(x, ERR_MEMORY);
    }
    if (n == 0 && ed.e == NULL) {
        edit_cancel(&ed);
    } else if (n == 0) {
        edit_drop(&ed);
        edit_commit(&ed, EVENT_GENERIC, "del");
    } else {
        edit_commit(&ed, EVENT_SET, event);
    }
    reply_int(x->r, (int64_t)n);
    return DONE;
}

static enum outcome cmd_sunionstore(struct call *x) {
    return set__store(x, set__union, "sunionstore");
}

static enum outcome cmd_sinterstore(struct call *x) {
    return set__store(x, set__inter, "sinterstore");
}

static enum outcome cmd_sdiffstore(struct call *x) {
    return set__store(x, set__diff, "sdiffstore");
}

static enum outcome cmd_sintercard(struct call *x) {
    int64_t keys, limit = 0;
    struct set__op op;

    if (!num_parse_int(x->argv[1], &keys) || keys <= 0) {
        reply_error(x->r, "ERR numkeys should be greater than 0");
        return FAILED;
    }
    if ((uint64_t)keys > x->argc - 2) {
        reply_error(x->r, "ERR Number of keys can't be greater than number "
                          "of args");
        return FAILED;
    }
    for (size_t i = 2 + (size_t)keys; i < x->argc; i += 2) {
        if (!str_is(x->argv[i], "limit") || i + 1 == x->argc)
            return reply_err(x, ERR_SYNTAX);
        if (!num_parse_int(x->argv[i + 1], &limit) || limit < 0) {
            reply_error(x->r, "ERR LIMIT can't be negative");
            return FAILED;
        }
    }
    if (!set__sources_or_reply(&op, x, 2, (size_t)keys)) return FAILED;
    if (limit > 0 && (uint64_t)limit < SIZE_MAX) op.most = (size_t)limit;
    set__inter(&op);
    free(op.from);
    reply_int(x->r, (int64_t)op.count);
    return DONE;
}

static const struct command set_commands[] = {
    { "sadd", cmd_sadd, -3, WRITE | GROWS | FAST | MEMBER, 1, 1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(N) for N members", "key member [member ...]",
      "Adds members to a set, and says how many are new." },
    { "scard", cmd_scard, 2, READONLY | FAST, 1, 1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(1)", "key", "How many members a set has." },
    { "sdiff", cmd_sdiff, -2, READONLY, 1, -1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(N) for N members of all sets", "key [key ...]",
      "What is in the first set and in none of the others." },
    { "sdiffstore", cmd_sdiffstore, -3, WRITE | GROWS, 1, -1, 1, GROUP_SET,
      SINCE(1, 0, 0),
      "O(N) for N members of all sets", "destination key [key ...]",
      "Stores what is in the first set and in none of the others." },
    { "sinter", cmd_sinter, -2, READONLY, 1, -1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(N*M) for N members of the smallest of M sets",
      "key [key ...]", "What is in all sets." },
    { "sintercard", cmd_sintercard, -3, READONLY | MOVABLE | KEYS_NUM,
      1, 0, 0, GROUP_SET, SINCE(7, 0, 0),
      "O(N*M) for N members of the smallest of M sets",
      "numkeys key [key ...] [LIMIT limit]",
      "How many members are in all sets, counted up to a limit." },
    { "sinterstore", cmd_sinterstore, -3, WRITE | GROWS, 1, -1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(N*M) for N members of the smallest of M sets",
      "destination key [key ...]", "Stores what is in all sets." },
    { "sismember", cmd_sismember, 3, READONLY | FAST | MEMBER,
      1, 1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(1)", "key member", "Is it a member of the set?" },
    { "smembers", cmd_smembers, 2, READONLY, 1, 1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(N) for N members", "key", "All members of a set." },
    { "smismember", cmd_smismember, -3, READONLY | FAST | MEMBER,
      1, 1, 1, GROUP_SET,
      SINCE(6, 2, 0), "O(N) for N members", "key member [member ...]",
      "Which of these are members of the set?" },
    { "smove", cmd_smove, 4, WRITE | FAST, 1, 2, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(1)", "source destination member",
      "Moves a member from one set to another, at one moment." },
    { "spop", cmd_spop, -2, WRITE | FAST, 1, 1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(N) for N members", "key [count]",
      "Takes members out of a set, drawn at random." },
    { "srandmember", cmd_srandmember, -2, READONLY, 1, 1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(N) for N members", "key [count]",
      "Members drawn at random; with a negative count they may repeat." },
    { "srem", cmd_srem, -3, WRITE | FAST | MEMBER, 1, 1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(N) for N members", "key member [member ...]",
      "Removes members of a set, and says how many there were." },
    { "sscan", cmd_sscan, -3, READONLY, 1, 1, 1, GROUP_SET,
      SINCE(2, 8, 0), "O(1) a call, O(N) for all of N members",
      "key cursor [MATCH pattern] [COUNT count]",
      "The members of a set, some at a time." },
    { "sunion", cmd_sunion, -2, READONLY, 1, -1, 1, GROUP_SET,
      SINCE(1, 0, 0), "O(N) for N members of all sets", "key [key ...]",
      "What is in any of the sets." },
    { "sunionstore", cmd_sunionstore, -3, WRITE | GROWS, 1, -1, 1, GROUP_SET,
      SINCE(1, 0, 0),
      "O(N) for N members of all sets", "destination key [key ...]",
      "Stores what is in any of the sets." },
};
