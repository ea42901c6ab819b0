/* SPDX-License-Identifier: MIT */
/* ==== listblock - commands that wait for elements of lists =================
 *
 * What finds nothing joins the rows of its keys and is run again, for one of
 * them, when it has got data.
 *
 * floor 6 - uses: quick entry door reply instance waiters arg list
 */

/* Nothing is there: wait, or where that is not possible answer as if the time
 * were over. */
static enum outcome listblock_wait(struct call *x, size_t first, size_t n,
                                   double seconds) {
    if (x->no_block) {
        reply_null_array(x->r);
        return DONE;
    }
    if (!client_wait(x, first, n, 1, seconds))
        return reply_err(x, ERR_MEMORY);
    return BLOCKED;
}

/* BLPOP and BRPOP. */
static enum outcome listblock_pop(struct call *x, enum quick_end end) {
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
    return listblock_wait(x, 1, x->argc - 2, seconds);
}

static enum outcome cmd_blpop(struct call *x) {
    return listblock_pop(x, QUICK_HEAD);
}

static enum outcome cmd_brpop(struct call *x) {
    return listblock_pop(x, QUICK_TAIL);
}

/* BLMOVE and BRPOPLPUSH, once their ends are known. */
static enum outcome listblock_move(struct call *x, enum quick_end from,
                                   enum quick_end to) {
    const struct entry *e;
    double seconds;

    if (!arg_timeout_or_reply(x, x->argc - 1, &seconds)) return FAILED;
    e = key_peek(&x->w, x->argv[1]);
    if (e != NULL) return list_move(x, from, to);
    if (x->no_block) {
        reply_null(x->r);
        return DONE;
    }
    return listblock_wait(x, 1, 1, seconds);
}

static enum outcome cmd_blmove(struct call *x) {
    enum quick_end from, to;

    if (!list_end_or_reply(x, 3, &from) || !list_end_or_reply(x, 4, &to))
        return FAILED;
    return listblock_move(x, from, to);
}

static enum outcome cmd_brpoplpush(struct call *x) {
    return listblock_move(x, QUICK_TAIL, QUICK_HEAD);
}

static enum outcome cmd_blmpop(struct call *x) {
    struct list_mpop m;
    enum outcome what;
    double seconds;

    if (!list_mpop_or_reply(x, 2, &m)) return FAILED;
    if (!arg_timeout_or_reply(x, 1, &seconds)) return FAILED;
    what = list_mpop_reply(x, &m);
    if (what != BLOCKED) return what;
    return listblock_wait(x, m.first, m.keys, seconds);
}

static const struct command listblock_commands[] = {
    { "blmove", cmd_blmove, 6, WRITE | GROWS | BLOCKING | NOSCRIPT | BARRIER,
      1, 2, 1, GROUP_LIST, SINCE(6, 2, 0), "O(1)",
      "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
      "Moves an element from list to list; waits until there is one." },
    { "blmpop", cmd_blmpop, -5, WRITE | BLOCKING | BARRIER | MOVABLE | KEYS_NUM,
      2, 0, 0, GROUP_LIST, SINCE(7, 0, 0),
      "O(N+M) for N keys, M elements taken",
      "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
      "Takes elements of the first list that has any; waits for them." },
    { "blpop", cmd_blpop, -3, WRITE | BLOCKING | NOSCRIPT | BARRIER, 1, -2, 1,
      GROUP_LIST, SINCE(2, 0, 0), "O(N) for N keys", "key [key ...] timeout",
      "Takes the first element of the first list that has one; waits for it." },
    { "brpop", cmd_brpop, -3, WRITE | BLOCKING | NOSCRIPT | BARRIER, 1, -2, 1,
      GROUP_LIST, SINCE(2, 0, 0), "O(N) for N keys", "key [key ...] timeout",
      "Takes the last element of the first list that has one; waits for it." },
    { "brpoplpush", cmd_brpoplpush, 4,
      WRITE | GROWS | BLOCKING | NOSCRIPT | BARRIER, 1, 2, 1, GROUP_LIST,
      SINCE(2, 2, 0), "O(1)", "source destination timeout",
      "Moves the last element to the front of a list; waits for one." },
};
