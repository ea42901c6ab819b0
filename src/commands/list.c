/* ==== list - commands on lists =============================================
 *
 * floor 6 - uses: base num pack quick entry shard door lists reply instance waiters arg
 */
static enum outcome list_push(struct call *x, enum quick_end end) {
    struct edit ed;

    if (!arg_open_or_reply(x, 1, KIND_LIST, &ed)) return FAILED;
    for (size_t i = 2; i < x->argc; i++)
        if (!lists_push(&ed, end, x->argv[i])) {
            edit_commit(&ed, EVENT_LIST, NULL);
            return reply_err(x, ERR_MEMORY);
        }
    reply_int(x->r, (int64_t)lists_count(ed.e));
    edit_commit(&ed, EVENT_LIST, end == QUICK_HEAD ? "lpush" : "rpush");
    return DONE;
}

static enum outcome cmd_lpush(struct call *x) {
    return list_push(x, QUICK_HEAD);
}

static enum outcome cmd_rpush(struct call *x) {
    return list_push(x, QUICK_TAIL);
}

/* Answer the element at an end of an open list, and drop it. */
static void list_pop_reply(struct call *x, struct edit *ed,
                           enum quick_end end) {
    struct pack_item it;
    char tmp[24];

    lists_peek(ed->e, end, &it);
    reply_bulk(x->r, pack_item_str(&it, tmp));
    lists_pop(ed, end);
    edit_tell(ed, EVENT_LIST, end == QUICK_HEAD ? "lpop" : "rpop");
    edit_commit(ed, EVENT_GENERIC, ed->e == NULL ? "del" : NULL);
}

static enum outcome list_pop(struct call *x, enum quick_end end) {
    struct edit ed;

    if (!arg_open_or_reply(x, 1, KIND_LIST, &ed)) return FAILED;
    if (ed.e != NULL) {
        list_pop_reply(x, &ed, end);
        return DONE;
    }
    edit_cancel(&ed);
    reply_null(x->r);
    return DONE;
}

static enum outcome cmd_lpop(struct call *x) {
    return list_pop(x, QUICK_HEAD);
}

static enum outcome cmd_rpop(struct call *x) {
    return list_pop(x, QUICK_TAIL);
}

/* BLPOP and BRPOP: the first key with data, or wait. */
static enum outcome list_block_pop(struct call *x, enum quick_end end) {
    double seconds;

    if (!arg_timeout_or_reply(x, x->argc - 1, &seconds)) return FAILED;
    for (size_t i = 1; i + 1 < x->argc; i++) {
        struct edit ed;

        if (!arg_open_or_reply(x, i, KIND_LIST, &ed)) return FAILED;
        if (ed.e == NULL) {
            edit_cancel(&ed);
            continue;
        }
        reply_array(x->r, 2);
        reply_bulk(x->r, x->argv[i]);
        list_pop_reply(x, &ed, end);
        return DONE;
    }
    if (x->no_block) {
        reply_null_array(x->r);
        return DONE;
    }
    if (!client_wait(x, 1, x->argc - 2, 1, seconds))
        return reply_err(x, ERR_MEMORY);
    return BLOCKED;
}

static enum outcome cmd_blpop(struct call *x) {
    return list_block_pop(x, QUICK_HEAD);
}

static enum outcome cmd_brpop(struct call *x) {
    return list_block_pop(x, QUICK_TAIL);
}

static const struct command list_commands[] = {
    { "blpop", cmd_blpop, -3, WRITE | BLOCKING | NOSCRIPT | BARRIER, 1, -2, 1,
      GROUP_LIST, "2.0.0", "O(N) for N keys", "key [key ...] timeout",
      "Takes the first element of the first list that has one; waits for it." },
    { "brpop", cmd_brpop, -3, WRITE | BLOCKING | NOSCRIPT | BARRIER, 1, -2, 1,
      GROUP_LIST, "2.0.0", "O(N) for N keys", "key [key ...] timeout",
      "Takes the last element of the first list that has one; waits for it." },
    { "lpop", cmd_lpop, 2, WRITE | FAST, 1, 1, 1, GROUP_LIST,
      "1.0.0", "O(1)", "key", "Takes the first element of a list." },
    { "lpush", cmd_lpush, -3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_LIST,
      "1.0.0", "O(N) for N elements", "key element [element ...]",
      "Puts elements before the first of a list." },
    { "rpop", cmd_rpop, 2, WRITE | FAST, 1, 1, 1, GROUP_LIST,
      "1.0.0", "O(1)", "key", "Takes the last element of a list." },
    { "rpush", cmd_rpush, -3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_LIST,
      "1.0.0", "O(N) for N elements", "key element [element ...]",
      "Puts elements behind the last of a list." },
};
