/* SPDX-License-Identifier: MIT */
/* ==== hashes - commands on hashes ==========================================
 *
 * floor 6 - uses: base rand num item entry shard big door fields reply
 *    instance arg scanner lots
 */

/* HSET and HMSET, which differ in the reply. */
static enum outcome cmd_hset(struct call *x) {
    struct edit ed;
    int64_t n = 0;
    bool added;

    if (x->argc % 2 != 0) return reply_arity(x);
    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    for (size_t i = 2; i < x->argc; i += 2) {
        if (!fields_put(&ed, x->argv[i], x->argv[i + 1], false, &added)) {
            edit_commit(&ed, EVENT_HASH, ed.e == NULL ? NULL : "hset");
            return reply_err(x, ERR_MEMORY);
        }
        n += added;
    }
    edit_counts(&ed, x->argc / 2 - 1);
    edit_commit(&ed, EVENT_HASH, "hset");
    if (x->row->name[1] == 'm') reply_ok(x->r);
    else reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_hsetnx(struct call *x) {
    struct edit ed;
    struct str v;
    char tmp[24];
    bool added;

    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    if (ed.e != NULL &&
        fields_get(&x->w, ed.e, x->argv[2], tmp, &v)) {
        edit_cancel(&ed);
        reply_int(x->r, 0);
        return DONE;
    }
    if (!fields_put(&ed, x->argv[2], x->argv[3], false, &added)) {
        edit_commit(&ed, EVENT_HASH, NULL);
        return reply_err(x, ERR_MEMORY);
    }
    edit_commit(&ed, EVENT_HASH, "hset");
    reply_int(x->r, 1);
    return DONE;
}

/* Answer the value of a field, or null; e may be NULL. */
static inline void hashes_reply_field(struct call *x, const struct entry *e,
                                      struct str field) {
    struct str v;
    char tmp[24];

    if (e != NULL && fields_get(&x->w, e, field, tmp, &v))
        reply_bulk(x->r, v);
    else
        reply_null(x->r);
}

static enum outcome cmd_hget(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    hashes_reply_field(x, e, x->argv[2]);
    return DONE;
}

static enum outcome cmd_hmget(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    reply_array(x->r, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        hashes_reply_field(x, e, x->argv[i]);
    return DONE;
}

static enum outcome cmd_hexists(struct call *x) {
    const struct entry *e;
    struct str v;
    char tmp[24];

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    reply_int(x->r, e != NULL &&
                    fields_get(&x->w, e, x->argv[2], tmp, &v));
    return DONE;
}

static enum outcome cmd_hlen(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    reply_int(x->r, e == NULL ? 0 : (int64_t)fields_count(&x->w, e));
    return DONE;
}

static enum outcome cmd_hstrlen(struct call *x) {
    const struct entry *e;
    struct str v;
    char tmp[24];

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    if (e == NULL || !fields_get(&x->w, e, x->argv[2], tmp, &v)) v.n = 0;
    reply_int(x->r, (int64_t)v.n);
    return DONE;
}

static enum outcome cmd_hdel(struct call *x) {
    struct edit ed;
    int64_t n = 0;

    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    for (size_t i = 2; i < x->argc && ed.e != NULL; i++)
        n += fields_drop(&ed, x->argv[i]);
    if (n == 0) {
        edit_cancel(&ed);
    } else {
        edit_counts(&ed, (uint64_t)n);
        edit_tell(&ed, EVENT_HASH, "hdel");
        edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    }
    reply_int(x->r, n);
    return DONE;
}

/* Put the new number of HINCRBY and its kin, and commit.  False: answered. */
static bool hashes__put_number(struct call *x, struct edit *ed,
                               struct str v, const char *event) {
    bool added;

    if (fields_put(ed, x->argv[2], v, true, &added)) {
        edit_commit(ed, EVENT_HASH, event);
        return true;
    }
    edit_commit(ed, EVENT_HASH, NULL);
    reply_err(x, ERR_MEMORY);
    return false;
}

static enum outcome cmd_hincrby(struct call *x) {
    int64_t by, n = 0;
    struct edit ed;
    struct str v;
    char tmp[24];

    if (!arg_int_or_reply(x, 3, &by)) return FAILED;
    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    if (ed.e != NULL &&
        fields_get(&x->w, ed.e, x->argv[2], tmp, &v) &&
        !num_parse_int(v, &n)) {
        edit_cancel(&ed);
        reply_error(x->r, "ERR hash value is not an integer");
        return FAILED;
    }
    if (!num_add(n, by, &n)) {
        edit_cancel(&ed);
        return reply_err(x, ERR_OVERFLOW);
    }
    v = str_of(tmp, num_put_int(tmp, n));
    if (!hashes__put_number(x, &ed, v, "hincrby")) return FAILED;
    reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_hincrbyfloat(struct call *x) {
    char tmp[24], room[NUM_LD_ROOM];
    long double by, n = 0;
    struct edit ed;
    struct str v;

    if (!num_parse_ld(x->argv[3], &by)) return reply_err(x, ERR_NOT_FLOAT);
    if (isnan(by) || isinf(by)) {
        reply_error(x->r, "ERR value is NaN or Infinity");
        return FAILED;
    }
    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    if (ed.e != NULL &&
        fields_get(&x->w, ed.e, x->argv[2], tmp, &v) &&
        !num_parse_ld(v, &n)) {
        edit_cancel(&ed);
        reply_error(x->r, "ERR hash value is not a float");
        return FAILED;
    }
    n += by;
    if (isnan(n) || isinf(n)) {
        edit_cancel(&ed);
        return reply_err(x, ERR_NAN);
    }
    v = str_of(room, num_put_ld(room, n));
    if (!hashes__put_number(x, &ed, v, "hincrbyfloat")) return FAILED;
    reply_bulk(x->r, v);
    return DONE;
}

static void hashes__see_both(void *ctx, const struct fields_pair *pair) {
    struct call *x = ctx;

    reply_item(x->r, &pair->field);
    reply_item(x->r, &pair->value);
}

static void hashes__see_field(void *ctx, const struct fields_pair *pair) {
    reply_item(((struct call *)ctx)->r, &pair->field);
}

static void hashes__see_value(void *ctx, const struct fields_pair *pair) {
    reply_item(((struct call *)ctx)->r, &pair->value);
}

static enum outcome cmd_hgetall(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    reply_map(x->r, e == NULL ? 0 : fields_count(&x->w, e));
    if (e != NULL) fields_each(e, x->w.now, hashes__see_both, x);
    return DONE;
}

static enum outcome cmd_hkeys(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    reply_array(x->r, e == NULL ? 0 : fields_count(&x->w, e));
    if (e != NULL) fields_each(e, x->w.now, hashes__see_field, x);
    return DONE;
}

static enum outcome cmd_hvals(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    reply_array(x->r, e == NULL ? 0 : fields_count(&x->w, e));
    if (e != NULL) fields_each(e, x->w.now, hashes__see_value, x);
    return DONE;
}

/* One pair of a reply that is an array of pairs in RESP3. */
static void hashes__see_pair(void *ctx, const struct fields_pair *pair) {
    struct call *x = ctx;

    if (x->r->proto != 2) reply_array(x->r, 2);
    hashes__see_both(ctx, pair);
}

/* HRANDFIELD with a negative count: n pairs, which may repeat. */
static enum outcome hashes__repeat(struct call *x, const struct entry *e,
                                   uint64_t n, bool values) {
    size_t count = fields_count(&x->w, e), mark;
    struct rand *r;
    struct item **living = NULL;
    uint32_t *offsets = NULL;
    struct keyref ref;
    bool ok = true;

    key_ref(&x->w, x->argv[1], &ref);
    r = &ref.shard->rand;
    if (!lots_begin_or_reply(x, values ? 2 * n : n)) return FAILED;
    if (n > 4) offsets = fields_offsets(e);
    if (fields_are_rare(e, count, n)) {
        living = fields_living(&x->w, e, count);
        if (living == NULL) return reply_err(x, ERR_MEMORY);
    }
    mark = reply_mark(x->r);
    reply_array(x->r, values && x->r->proto == 2 ? 2 * n : n);
    while (ok && n-- > 0) {
        struct fields_pair pair =
            living != NULL ? fields_pair_of(living[rand_below(r, count)]) :
                             fields_random(&x->w, e, r, offsets, count);

        if (values) hashes__see_pair(x, &pair);
        else hashes__see_field(x, &pair);
        ok = lots_goes_on_or_reply(x, mark);
    }
    free(offsets);
    free(living);
    return ok ? DONE : FAILED;
}

static enum outcome cmd_hrandfield(struct call *x) {
    bool values = x->argc == 4 && str_is(x->argv[3], "withvalues");
    const struct entry *e;
    struct keyref ref;
    int64_t count = 1;
    size_t n;

    if (x->argc > 2) {
        if (!lots_count_or_reply(x, 2, false, &count)) return FAILED;
        if (x->argc > 4 || (x->argc == 4 && !values))
            return reply_err(x, ERR_SYNTAX);
        if (values && !lots_count_or_reply(x, 2, true, &count)) return FAILED;
    }
    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    key_ref(&x->w, x->argv[1], &ref);
    if (x->argc == 2) {
        if (e == NULL) {
            reply_null(x->r);
        } else {
            struct fields_pair pair = fields_random(
                &x->w, e, &ref.shard->rand, NULL, fields_count(&x->w, e));

            reply_item(x->r, &pair.field);
        }
        return DONE;
    }
    if (e == NULL || count == 0) {
        reply_array(x->r, 0);
        return DONE;
    }
    if (count < 0) return hashes__repeat(x, e, 0 - (uint64_t)count, values);
    n = fields_count(&x->w, e);
    if ((uint64_t)count < n) n = (size_t)count;
    reply_array(x->r, values && x->r->proto == 2 ? 2 * n : n);
    fields_sample(&x->w, e, &ref.shard->rand, n,
                  values ? hashes__see_pair : hashes__see_field, x);
    return DONE;
}

static void hashes__put_both(struct reply *r, const struct item *it) {
    reply_bulk(r, item_key(it));
    reply_bulk(r, item_value(it));
}

static void hashes__put_field(struct reply *r, const struct item *it) {
    reply_bulk(r, item_key(it));
}

struct hashes__scan {
    struct call *x;
    const struct scanner *sc;
    size_t n;
};

static void hashes__see_scan(void *ctx, const struct fields_pair *pair) {
    struct hashes__scan *s = ctx;

    if (!scanner_wants_item(s->sc, &pair->field)) return;
    if (s->sc->novalues) hashes__see_field(s->x, pair);
    else hashes__see_both(s->x, pair);
    s->n += s->sc->novalues ? 1 : 2;
}

static enum outcome cmd_hscan(struct call *x) {
    struct scanner sc;
    struct hashes__scan s = { x, &sc, 0 };
    const struct entry *e;
    size_t mark;

    if (!scanner_cursor_or_reply(x, 2, &sc.cursor)) return FAILED;
    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    if (e == NULL) return scanner_none(x);
    if (!scanner_options_or_reply(x, 3, &sc)) return FAILED;
    if (entry_shape(e) == SHAPE_HASH_TABLE)
        return scanner_table(x, &sc, big_table(entry_object(e)),
                             sc.novalues ? 1 : 2,
                             sc.novalues ? hashes__put_field :
                                           hashes__put_both);
    mark = scanner_whole(x);
    fields_each(e, x->w.now, hashes__see_scan, &s);
    reply_array_set(x->r, mark, s.n);
    return DONE;
}

static const struct command hash_commands[] = {
    { "hdel", cmd_hdel, -3, WRITE | FAST | MEMBER, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(N) for N fields", "key field [field ...]",
      "Removes fields of a hash, and says how many there were." },
    { "hexists", cmd_hexists, 3, READONLY | FAST | MEMBER, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(1)", "key field", "Has a hash this field?" },
    { "hget", cmd_hget, 3, READONLY | FAST | MEMBER, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(1)", "key field", "The value of a field." },
    { "hgetall", cmd_hgetall, 2, READONLY, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0),
      "O(N) for N fields", "key", "All fields and their values." },
    { "hincrby", cmd_hincrby, 4, WRITE | GROWS | FAST | MEMBER,
      1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(1)", "key field increment",
      "Adds increment to the integer of a field; an absent one counts as 0." },
    { "hincrbyfloat", cmd_hincrbyfloat, 4, WRITE | GROWS | FAST | MEMBER,
      1, 1, 1,
      GROUP_HASH, SINCE(2, 6, 0), "O(1)", "key field increment",
      "Adds increment to the number of a field; an absent one counts as 0." },
    { "hkeys", cmd_hkeys, 2, READONLY, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(N) for N fields", "key", "All fields of a hash." },
    { "hlen", cmd_hlen, 2, READONLY | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(1)", "key", "How many fields a hash has." },
    { "hmget", cmd_hmget, -3, READONLY | FAST | MEMBER, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(N) for N fields", "key field [field ...]",
      "The values of some fields, null where there is none." },
    { "hmset", cmd_hset, -4, WRITE | GROWS | FAST | MEMBER, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(N) for N fields", "key field value [field value ...]",
      "Sets fields of a hash; HSET does so too and says more." },
    { "hrandfield", cmd_hrandfield, -2, READONLY, 1, 1, 1, GROUP_HASH,
      SINCE(6, 2, 0), "O(N) for N fields answered", "key [count [WITHVALUES]]",
      "Fields drawn at random; with a negative count they may repeat." },
    { "hscan", cmd_hscan, -3, READONLY, 1, 1, 1, GROUP_HASH,
      SINCE(2, 8, 0), "O(1) a call, O(N) for all of N fields",
      "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
      "The fields and values of a hash, some at a time." },
    { "hset", cmd_hset, -4, WRITE | GROWS | FAST | MEMBER, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(N) for N fields", "key field value [field value ...]",
      "Sets fields of a hash, and says how many are new." },
    { "hsetnx", cmd_hsetnx, 4, WRITE | GROWS | FAST | MEMBER,
      1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(1)", "key field value",
      "Sets a field unless there is one of that name." },
    { "hstrlen", cmd_hstrlen, 3, READONLY | FAST | MEMBER, 1, 1, 1, GROUP_HASH,
      SINCE(3, 2, 0), "O(1)", "key field",
      "How many bytes the value of a field has." },
    { "hvals", cmd_hvals, 2, READONLY, 1, 1, 1, GROUP_HASH,
      SINCE(2, 0, 0), "O(N) for N fields", "key", "All values of a hash." },
};
