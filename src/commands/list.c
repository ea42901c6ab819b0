/* SPDX-License-Identifier: MIT */
/* ==== list - commands on lists =============================================
 *
 * floor 6 - uses: base num buf pack quick entry shard door lists reply
 *    instance arg
 */

enum { LIST_RUN = 64 };         /* elements answered at once */

/* LEFT or RIGHT; false: answered. */
static bool list_end_or_reply(struct call *x, size_t i, enum quick_end *end) {
    if (str_is(x->argv[i], "left")) *end = QUICK_HEAD;
    else if (str_is(x->argv[i], "right")) *end = QUICK_TAIL;
    else {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    return true;
}

/* Answer one element. */
static inline void list_reply(struct reply *r, const struct pack_item *it) {
    if (it->is_int) reply_bulk_int(r, it->i);
    else reply_bulk(r, it->s);
}

/* Answer short texts of a pack, as far as they follow each other from *off on,
 * `count` at most; returns how many.  Room is made once for all of them.  Where
 * 16 bytes can be read, the first ones are moved at once. */
static size_t list_reply_short(struct reply *r, struct str pack, size_t *off,
                               size_t count) {
    size_t at = *off, i = 0, n;
    char *p;

    count = size_min(count, LIST_RUN);
    if (!reply_room(r, count * (PACK_SHORT + REPLY_FRAME))) return 0;
    for (p = r->p; i < count && at < pack.n; i++, at += n + 2) {
        const char *s = pack.p + at;

        if (!pack_is_short(s, &n)) break;
        p = reply_put_head(p, n);
        if (LIKELY(n <= 16 && pack.n - at > 16)) memcpy(p, s + 1, 16);
        else memcpy(p, s + 1, n);
        memcpy(p + n, "\r\n", 2);
        p += n + 2;
    }
    r->p = p;
    *off = at;
    return i;
}

/* Answer `count` elements from a place on, straight from the packs, or as many
 * as there are; returns how many. */
static size_t list_reply_from(struct reply *r, struct lists_at at,
                              size_t count) {
    struct pack_item it = pack_item_of_int(0);
    size_t most = count, off;
    struct str pack;

    while (count > 0 && !r->failed && lists_pack(&at, &pack, &off))
        while (count > 0 && off < pack.n) {
            size_t n = list_reply_short(r, pack, &off, count);

            count -= n;
            if (n > 0) continue;
            off = pack_read((const uint8_t *)pack.p, pack.n, off, &it);
            list_reply(r, &it);
            count--;
        }
    return most - count;
}

/* Push all arguments from the third on. */
static enum outcome list_push(struct call *x, enum quick_end end,
                              bool must_exist) {
    struct edit ed;

    if (!arg_open_or_reply(x, 1, KIND_LIST, &ed)) return FAILED;
    if (must_exist && ed.e == NULL) {
        edit_cancel(&ed);
        reply_int(x->r, 0);
        return DONE;
    }
    for (size_t i = 2; i < x->argc; i++)
        if (!lists_push(&ed, end, x->argv[i])) {
            edit_commit(&ed, EVENT_LIST, NULL);
            return reply_err(x, ERR_MEMORY);
        }
    reply_int(x->r, (int64_t)lists_count(ed.e));
    edit_counts(&ed, x->argc - 2);
    edit_commit(&ed, EVENT_LIST, end == QUICK_HEAD ? "lpush" : "rpush");
    return DONE;
}

static enum outcome cmd_lpush(struct call *x) {
    return list_push(x, QUICK_HEAD, false);
}

static enum outcome cmd_rpush(struct call *x) {
    return list_push(x, QUICK_TAIL, false);
}

static enum outcome cmd_lpushx(struct call *x) {
    return list_push(x, QUICK_HEAD, true);
}

static enum outcome cmd_rpushx(struct call *x) {
    return list_push(x, QUICK_TAIL, true);
}

/* Elements were taken at an end: tell so, and be done. */
static void list_taken(struct edit *ed, enum quick_end end) {
    edit_tell(ed, EVENT_LIST, end == QUICK_HEAD ? "lpop" : "rpop");
    edit_commit(ed, EVENT_GENERIC, ed->e == NULL ? "del" : NULL);
}

/* Answer the element at an end of an open list, and drop it. */
static void list_pop_reply(struct call *x, struct edit *ed,
                           enum quick_end end) {
    struct pack_item it;

    lists_peek(ed->e, end, &it);
    list_reply(x->r, &it);
    lists_pop(ed, end);
    list_taken(ed, end);
}

/* Answer `count` elements, or all there are, from an end of an open list, and
 * drop them. */
static void list_pop_many_reply(struct call *x, struct edit *ed,
                                enum quick_end end, size_t count) {
    size_t len = lists_count(ed->e), n = size_min(count, len);
    struct lists_at at = lists_end(ed->e, end);
    struct pack_item it;

    reply_array(x->r, n);
    if (end == QUICK_HEAD) {
        list_reply_from(x->r, at, n);
    } else {
        for (size_t i = 0; i < n && lists_read(&at, end, &it); i++)
            list_reply(x->r, &it);
    }
    lists_keep(ed, end == QUICK_HEAD ? n : 0, len - n);
    edit_counts(ed, n);
    list_taken(ed, end);
}

/* LPOP and RPOP. */
static enum outcome list_pop(struct call *x, enum quick_end end) {
    struct edit ed;
    int64_t n = 0;

    if (x->argc > 3) return reply_arity(x);
    if (x->argc == 3 && (!num_parse_int(x->argv[2], &n) || n < 0))
        return reply_err(x, ERR_POSITIVE);
    if (!arg_open_or_reply(x, 1, KIND_LIST, &ed)) return FAILED;
    if (ed.e == NULL || (x->argc == 3 && n == 0)) {
        edit_cancel(&ed);
        if (ed.e != NULL) reply_array(x->r, 0);
        else if (x->argc == 3) reply_null_array(x->r);
        else reply_null(x->r);
    } else if (x->argc == 2) {
        list_pop_reply(x, &ed, end);
    } else {
        list_pop_many_reply(x, &ed, end, (size_t)n);
    }
    return DONE;
}

static enum outcome cmd_lpop(struct call *x) {
    return list_pop(x, QUICK_HEAD);
}

static enum outcome cmd_rpop(struct call *x) {
    return list_pop(x, QUICK_TAIL);
}

static enum outcome cmd_llen(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_LIST, &e)) return FAILED;
    reply_int(x->r, e == NULL ? 0 : (int64_t)lists_count(e));
    return DONE;
}

/* Make two indexes, counted from the end if negative, a first one and a count
 * within len elements. */
static void list_range(int64_t from, int64_t to, size_t len, size_t *first,
                       size_t *count) {
    int64_t n = (int64_t)len;

    if (from < 0) from = from + n < 0 ? 0 : from + n;
    if (to < 0) to += n;
    if (to >= n) to = n - 1;
    *first = (size_t)(from > n ? n : from);
    *count = from > to ? 0 : (size_t)(to - from + 1);
}

static enum outcome cmd_lrange(struct call *x) {
    size_t first, count, mark;
    const struct entry *e;
    int64_t from, to;

    if (!arg_int_or_reply(x, 2, &from) || !arg_int_or_reply(x, 3, &to))
        return FAILED;
    if (!arg_read_or_reply(x, 1, KIND_LIST, &e)) return FAILED;
    if (e == NULL) {
        reply_array(x->r, 0);
        return DONE;
    }
    if (from >= 0 && to >= from && to < UINT32_MAX &&
        entry_shape(e) == SHAPE_LIST_PACK) {
        /* to count a pack takes as long as to answer it */
        mark = reply_array_later(x->r);
        count = list_reply_from(x->r, lists_index(e, (size_t)from),
                                (size_t)(to - from) + 1);
        reply_array_set(x->r, mark, count);
        return DONE;
    }
    list_range(from, to, lists_count(e), &first, &count);
    reply_array(x->r, count);
    if (count > 0) list_reply_from(x->r, lists_index(e, first), count);
    return DONE;
}

static enum outcome cmd_ltrim(struct call *x) {
    size_t first, count, len;
    int64_t from, to;
    struct edit ed;

    if (!arg_int_or_reply(x, 2, &from) || !arg_int_or_reply(x, 3, &to))
        return FAILED;
    if (!arg_open_or_reply(x, 1, KIND_LIST, &ed)) return FAILED;
    if (ed.e == NULL) {
        edit_cancel(&ed);
    } else {
        len = lists_count(ed.e);
        list_range(from, to, len, &first, &count);
        if (count < len) lists_keep(&ed, first, count);
        edit_counts(&ed, len - count);
        edit_tell(&ed, EVENT_LIST, "ltrim");
        edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    }
    reply_ok(x->r);
    return DONE;
}

/* The index, counted from the end if negative, within len elements; false:
 * there is none. */
static bool list_index(int64_t i, size_t len, size_t *at) {
    if (i < 0) i += (int64_t)len;
    if (i < 0 || (uint64_t)i >= len) return false;
    *at = (size_t)i;
    return true;
}

static enum outcome cmd_lindex(struct call *x) {
    const struct entry *e;
    struct pack_item it;
    struct lists_at at;
    int64_t i;
    size_t n;

    if (!arg_read_or_reply(x, 1, KIND_LIST, &e)) return FAILED;
    if (e == NULL) {
        reply_null(x->r);
        return DONE;
    }
    if (!arg_int_or_reply(x, 2, &i)) return FAILED;
    if (!list_index(i, lists_count(e), &n)) {
        reply_null(x->r);
        return DONE;
    }
    at = lists_index(e, n);
    lists_read(&at, QUICK_HEAD, &it);
    list_reply(x->r, &it);
    return DONE;
}

static enum outcome cmd_lset(struct call *x) {
    struct edit ed;
    int64_t i;
    size_t n;

    if (!arg_open_or_reply(x, 1, KIND_LIST, &ed)) return FAILED;
    if (ed.e == NULL) {
        edit_cancel(&ed);
        return reply_err(x, ERR_NO_KEY);
    }
    if (!arg_int_or_reply(x, 2, &i)) {
        edit_cancel(&ed);
        return FAILED;
    }
    if (!list_index(i, lists_count(ed.e), &n)) {
        edit_cancel(&ed);
        return reply_err(x, ERR_RANGE);
    }
    if (!lists_set(&ed, n, x->argv[3])) {
        edit_commit(&ed, EVENT_LIST, NULL);
        return reply_err(x, ERR_MEMORY);
    }
    edit_commit(&ed, EVENT_LIST, "lset");
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_lrem(struct call *x) {
    enum quick_end from = QUICK_HEAD;
    size_t count, most;
    struct edit ed;
    int64_t n;
    bool ok;

    if (!arg_int_or_reply(x, 2, &n)) return FAILED;
    if (!arg_open_or_reply(x, 1, KIND_LIST, &ed)) return FAILED;
    if (ed.e == NULL) {
        edit_cancel(&ed);
        reply_int(x->r, 0);
        return DONE;
    }
    if (n < 0) from = QUICK_TAIL;
    most = n == 0 ? SIZE_MAX : n < 0 ? (size_t)(0 - (uint64_t)n) : (size_t)n;
    ok = lists_remove(&ed, x->argv[3], most, from, &count);
    if (count > 0) {
        edit_counts(&ed, count);
        edit_tell(&ed, EVENT_LIST, "lrem");
        edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    } else {
        edit_cancel(&ed);
    }
    if (!ok) return reply_err(x, ERR_MEMORY);
    reply_int(x->r, (int64_t)count);
    return DONE;
}

/* The index of the first element equal to s; false: there is none. */
static bool list_find(const struct entry *e, struct str s, size_t *i) {
    struct pack_item key = pack_item_of(s), it;
    struct lists_at at = lists_end(e, QUICK_HEAD);

    for (*i = 0; lists_read(&at, QUICK_HEAD, &it); ++*i)
        if (pack_item_same(&it, &key)) return true;
    return false;
}

static enum outcome cmd_linsert(struct call *x) {
    bool behind = str_is(x->argv[2], "after");
    struct edit ed;
    size_t i;

    if (!behind && !str_is(x->argv[2], "before"))
        return reply_err(x, ERR_SYNTAX);
    if (!arg_open_or_reply(x, 1, KIND_LIST, &ed)) return FAILED;
    if (ed.e == NULL || !list_find(ed.e, x->argv[3], &i)) {
        edit_cancel(&ed);
        reply_int(x->r, ed.e == NULL ? 0 : -1);
        return DONE;
    }
    if (!lists_insert(&ed, i, x->argv[4], behind)) {
        edit_commit(&ed, EVENT_LIST, NULL);
        return reply_err(x, ERR_MEMORY);
    }
    reply_int(x->r, (int64_t)lists_count(ed.e));
    edit_commit(&ed, EVENT_LIST, "linsert");
    return DONE;
}

/* What LPOS looks for. */
struct list_search {
    uint64_t rank;              /* of the first match to answer, from 1 */
    enum quick_end from;
    int64_t count;              /* matches; 0: all, -1: one, not in an array */
    int64_t most;               /* elements looked at; 0: all */
};

/* Parse LPOS' options; false: answered. */
static bool list_search_or_reply(struct call *x, struct list_search *s) {
    int64_t rank = 1;

    s->count = -1;
    s->most = 0;
    for (size_t i = 3; i < x->argc; i += 2) {
        if (i + 1 < x->argc && str_is(x->argv[i], "rank")) {
            if (!arg_int_or_reply(x, i + 1, &rank)) return false;
            if (rank != 0) continue;
            reply_error(x->r, "ERR RANK can't be zero: use 1 to start from "
                              "the first match, 2 from the second ... or use "
                              "negative to start from the end of the list");
        } else if (i + 1 < x->argc && str_is(x->argv[i], "count")) {
            if (num_parse_int(x->argv[i + 1], &s->count) && s->count >= 0)
                continue;
            reply_error(x->r, "ERR COUNT can't be negative");
        } else if (i + 1 < x->argc && str_is(x->argv[i], "maxlen")) {
            if (num_parse_int(x->argv[i + 1], &s->most) && s->most >= 0)
                continue;
            reply_error(x->r, "ERR MAXLEN can't be negative");
        } else {
            reply_err(x, ERR_SYNTAX);
        }
        return false;
    }
    s->from = rank < 0 ? QUICK_TAIL : QUICK_HEAD;
    /* as in Redis 7.0, the smallest number is no rank but the last match */
    s->rank = rank == INT64_MIN ? 1 :
              rank < 0 ? 0 - (uint64_t)rank : (uint64_t)rank;
    return true;
}

static enum outcome cmd_lpos(struct call *x) {
    struct pack_item key = pack_item_of(x->argv[2]), it;
    size_t mark = 0, found = 0;
    const struct entry *e;
    struct list_search s;
    struct lists_at at;
    uint64_t matches = 0;
    int64_t len;

    if (!list_search_or_reply(x, &s)) return FAILED;
    if (!arg_read_or_reply(x, 1, KIND_LIST, &e)) return FAILED;
    if (s.count != -1) mark = reply_array_later(x->r);
    if (e != NULL) {
        at = lists_end(e, s.from);
        len = (int64_t)lists_count(e);
        for (int64_t i = 0; (s.most == 0 || i < s.most) && !x->r->failed &&
                            lists_read(&at, s.from, &it); i++) {
            if (!pack_item_same(&it, &key) || ++matches < s.rank) continue;
            reply_int(x->r, s.from == QUICK_HEAD ? i : len - 1 - i);
            found++;
            if (s.count == -1 || (int64_t)found == s.count) break;
        }
    }
    if (s.count != -1) reply_array_set(x->r, mark, found);
    else if (found == 0) reply_null(x->r);
    return DONE;
}

/* Move an element from one list to another, or within one, and answer it; the
 * first list is there, and both are lists if they are. */
static enum outcome list_move_reply(struct call *x, enum quick_end from,
                                    enum quick_end to) {
    struct buf copy = { 0 };
    struct pack_item it;
    struct edit ed;
    char tmp[24];
    struct str s;
    bool ok;

    lists_peek(key_peek(&x->w, x->argv[1]), from, &it);
    s = pack_item_str(&it, tmp);
    if (s.p != tmp) {
        if (!buf_put(&copy, s.p, s.n)) return reply_err(x, ERR_MEMORY);
        s = str_of(copy.p, copy.n);
    }
    /* First the push: only that may be refused. */
    edit_open(&x->w, x->argv[2], &ed);
    ok = lists_push(&ed, to, s);
    edit_commit(&ed, EVENT_LIST, !ok ? NULL :
                                 to == QUICK_HEAD ? "lpush" : "rpush");
    if (ok) {
        edit_open(&x->w, x->argv[1], &ed);
        reply_bulk(x->r, s);
        lists_pop(&ed, from);
        edit_counts(&ed, 0);    /* the push has */
        list_taken(&ed, from);
    } else {
        reply_err(x, ERR_MEMORY);
    }
    buf_free(&copy);
    return ok ? DONE : FAILED;
}

/* LMOVE and RPOPLPUSH, once their ends are known. */
static enum outcome list_move(struct call *x, enum quick_end from,
                              enum quick_end to) {
    const struct entry *e = key_peek(&x->w, x->argv[1]);

    if (e == NULL) {
        reply_null(x->r);
        return DONE;
    }
    if (!kind_or_reply(x, e, KIND_LIST)) return FAILED;
    if (!kind_or_reply(x, key_peek(&x->w, x->argv[2]), KIND_LIST))
        return FAILED;
    return list_move_reply(x, from, to);
}

static enum outcome cmd_lmove(struct call *x) {
    enum quick_end from, to;

    if (!list_end_or_reply(x, 3, &from) || !list_end_or_reply(x, 4, &to))
        return FAILED;
    return list_move(x, from, to);
}

static enum outcome cmd_rpoplpush(struct call *x) {
    return list_move(x, QUICK_TAIL, QUICK_HEAD);
}

/* The arguments of LMPOP, from numkeys on. */
struct list_mpop {
    size_t first, keys;         /* argument of the first key, how many */
    enum quick_end end;
    int64_t count;
};

/* Parse them; false: answered. */
static bool list_mpop_or_reply(struct call *x, size_t i,
                               struct list_mpop *m) {
    bool counted = false;
    int64_t keys;

    if (!num_parse_int(x->argv[i], &keys) || keys < 1) {
        reply_error(x->r, "ERR numkeys should be greater than 0");
        return false;
    }
    m->first = i + 1;
    if ((uint64_t)keys >= x->argc - m->first) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    m->keys = (size_t)keys;
    m->count = 1;
    i = m->first + m->keys;
    if (!list_end_or_reply(x, i, &m->end)) return false;
    while (++i < x->argc) {
        if (counted || i + 1 == x->argc || !str_is(x->argv[i], "count")) {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        counted = true;
        if (!num_parse_int(x->argv[++i], &m->count) || m->count < 1) {
            reply_error(x->r, "ERR count should be greater than 0");
            return false;
        }
    }
    return true;
}

/* Pop from the first of the lists that is there, and answer.  DONE or FAILED:
 * answered; BLOCKED: there is none. */
static enum outcome list_mpop_reply(struct call *x,
                                    const struct list_mpop *m) {
    for (size_t i = m->first; i < m->first + m->keys; i++) {
        struct edit ed;

        if (!arg_open_or_reply(x, i, KIND_LIST, &ed)) return FAILED;
        if (ed.e == NULL) {
            edit_cancel(&ed);
            continue;
        }
        reply_array(x->r, 2);
        reply_bulk(x->r, x->argv[i]);
        list_pop_many_reply(x, &ed, m->end, (size_t)m->count);
        return DONE;
    }
    return BLOCKED;
}

static enum outcome cmd_lmpop(struct call *x) {
    struct list_mpop m;
    enum outcome what;

    if (!list_mpop_or_reply(x, 1, &m)) return FAILED;
    what = list_mpop_reply(x, &m);
    if (what != BLOCKED) return what;
    reply_null_array(x->r);
    return DONE;
}

static const struct command list_commands[] = {
    { "lindex", cmd_lindex, 3, READONLY, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(N) for N packs on the way from the nearer end",
      "key index",
      "The element at an index; negative ones count from the end." },
    { "linsert", cmd_linsert, 5, WRITE | GROWS, 1, 1, 1, GROUP_LIST,
      SINCE(2, 2, 0), "O(N) for N elements before the pivot",
      "key <BEFORE | AFTER> pivot element",
      "Puts an element before or behind the first that equals the pivot." },
    { "llen", cmd_llen, 2, READONLY | FAST, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(1)", "key", "How many elements a list has." },
    { "lmove", cmd_lmove, 5, WRITE | GROWS, 1, 2, 1, GROUP_LIST,
      SINCE(6, 2, 0),
      "O(1)", "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
      "Moves an element from an end of a list to an end of another." },
    { "lmpop", cmd_lmpop, -4, WRITE | MOVABLE | KEYS_NUM, 1, 0, 0, GROUP_LIST,
      SINCE(7, 0, 0), "O(N+M) for N keys, M elements taken",
      "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
      "Takes elements from an end of the first list that has any." },
    { "lpop", cmd_lpop, -2, WRITE | FAST, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(N) for N elements taken", "key [count]",
      "Takes the first element, or several, of a list." },
    { "lpos", cmd_lpos, -3, READONLY, 1, 1, 1, GROUP_LIST,
      SINCE(6, 0, 6), "O(N) for N elements looked at",
      "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
      "Where in a list an element is." },
    { "lpush", cmd_lpush, -3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(N) for N elements", "key element [element ...]",
      "Puts elements before the first of a list." },
    { "lpushx", cmd_lpushx, -3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_LIST,
      SINCE(2, 2, 0), "O(N) for N elements", "key element [element ...]",
      "Puts elements before the first of a list that exists." },
    { "lrange", cmd_lrange, 4, READONLY, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(S+N) for S packs on the way, N elements answered",
      "key start stop",
      "The elements from one index to another, both included." },
    { "lrem", cmd_lrem, 4, WRITE, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(N) for N elements", "key count element",
      "Drops elements that equal one: the first, the last, or all." },
    { "lset", cmd_lset, 4, WRITE | GROWS, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(N) for N packs on the way from the nearer end",
      "key index element", "Replaces the element at an index." },
    { "ltrim", cmd_ltrim, 4, WRITE, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(N) for N elements dropped", "key start stop",
      "Keeps the elements from one index to another, and no others." },
    { "rpop", cmd_rpop, -2, WRITE | FAST, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(N) for N elements taken", "key [count]",
      "Takes the last element, or several, of a list." },
    { "rpoplpush", cmd_rpoplpush, 3, WRITE | GROWS, 1, 2, 1, GROUP_LIST,
      SINCE(1, 2, 0), "O(1)", "source destination",
      "Moves the last element of a list to the front of another." },
    { "rpush", cmd_rpush, -3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_LIST,
      SINCE(1, 0, 0), "O(N) for N elements", "key element [element ...]",
      "Puts elements behind the last of a list." },
    { "rpushx", cmd_rpushx, -3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_LIST,
      SINCE(2, 2, 0), "O(N) for N elements", "key element [element ...]",
      "Puts elements behind the last of a list that exists." },
};
