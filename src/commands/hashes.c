/* ==== hashes - commands on hashes ==========================================
 *
 * floor 6 - uses: base num entry shard door fields reply instance arg
 */
static enum outcome cmd_hset(struct call *x) {
    struct edit ed;
    int64_t n = 0;
    bool added;

    if (x->argc % 2 != 0) return reply_arity(x);
    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    for (size_t i = 2; i < x->argc; i += 2) {
        if (!fields_put(&ed, x->argv[i], x->argv[i + 1], &added)) {
            edit_commit(&ed, EVENT_HASH, ed.e == NULL ? NULL : "hset");
            return reply_err(x, ERR_MEMORY);
        }
        n += added;
    }
    edit_commit(&ed, EVENT_HASH, "hset");
    if (x->row->name[1] == 'm') reply_ok(x->r);
    else reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_hget(struct call *x) {
    const struct entry *e;
    struct str v;
    char tmp[24];

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    if (e != NULL && fields_get(&x->k->ks, e, x->argv[2], tmp, &v))
        reply_bulk(x->r, v);
    else
        reply_null(x->r);
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
        edit_tell(&ed, EVENT_HASH, "hdel");
        edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    }
    reply_int(x->r, n);
    return DONE;
}

static void hashes__see(void *ctx, struct str field, struct str value) {
    struct call *x = ctx;

    reply_bulk(x->r, field);
    reply_bulk(x->r, value);
}

static enum outcome cmd_hgetall(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    reply_map(x->r, e == NULL ? 0 : fields_count(e));
    if (e != NULL) fields_each(e, hashes__see, x);
    return DONE;
}

static const struct command hash_commands[] = {
    { "hdel", cmd_hdel, -3, WRITE | FAST, 1, 1, 1, GROUP_HASH,
      "2.0.0", "O(N) for N fields", "key field [field ...]",
      "Removes fields of a hash, and says how many there were." },
    { "hget", cmd_hget, 3, READONLY | FAST, 1, 1, 1, GROUP_HASH,
      "2.0.0", "O(1)", "key field", "The value of a field." },
    { "hgetall", cmd_hgetall, 2, READONLY, 1, 1, 1, GROUP_HASH,
      "2.0.0", "O(N) for N fields", "key", "All fields and their values." },
    { "hset", cmd_hset, -4, WRITE | GROWS | FAST, 1, 1, 1, GROUP_HASH,
      "2.0.0", "O(N) for N fields", "key field value [field value ...]",
      "Sets fields of a hash, and says how many are new." },
};
