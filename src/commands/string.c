/* SPDX-License-Identifier: MIT */
/* ==== string - commands on strings =========================================
 *
 * floor 6 - uses: base num entry shard door bytes reply instance arg
 */

/* What SET, GETEX and their kin are asked to do about the deadline. */
enum string_time {
    TIME_NONE,                  /* SET takes it away, GETEX leaves it */
    TIME_EX, TIME_PX, TIME_EXAT, TIME_PXAT, TIME_KEEP, TIME_PERSIST
};

struct string_options {
    bool nx, xx, get;
    enum string_time time;
    size_t when;                /* the argument with a time; 0: none */
    int64_t deadline;           /* what comes of it, wall clock in ms; or 0 */
};

/* Turn an expiry argument into a deadline, or answer why not.  unit: 1 ms or
 * 1000; absolute: since 1970, not from now. */
static bool arg_deadline_or_reply(struct call *x, size_t i, int64_t unit,
                                  bool absolute, int64_t *deadline) {
    int64_t t;

    if (!arg_int_or_reply(x, i, &t)) return false;
    if (t <= 0 || (unit == 1000 && t > INT64_MAX / 1000)) goto invalid;
    t *= unit;
    if (!absolute && t > INT64_MAX - x->w.now) goto invalid;
    *deadline = absolute ? t : t + x->w.now;
    return true;
invalid:
    reply_errorf(x->r, "ERR invalid expire time in '%s' command",
                 x->row->name);
    return false;
}

enum { STRING_SET = 1, STRING_GETEX = 2 };

/* The time option of this name, or TIME_NONE.  KEEPTTL is SET's, PERSIST is
 * GETEX's. */
static enum string_time string__time(struct str a, int of) {
    if (str_is(a, "ex")) return TIME_EX;
    if (str_is(a, "px")) return TIME_PX;
    if (str_is(a, "exat")) return TIME_EXAT;
    if (str_is(a, "pxat")) return TIME_PXAT;
    if (of == STRING_SET && str_is(a, "keepttl")) return TIME_KEEP;
    if (of == STRING_GETEX && str_is(a, "persist")) return TIME_PERSIST;
    return TIME_NONE;
}

/* Parse the options from argv[i] on; false: answered.  One kind of time may
 * be given, the same kind twice, where the last one counts. */
static bool string_options_or_reply(struct call *x, size_t i, int of,
                                    struct string_options *o) {
    memset(o, 0, sizeof *o);
    for (; i < x->argc; i++) {
        struct str a = x->argv[i];
        enum string_time time = string__time(a, of);

        if (time != TIME_NONE) {
            if (o->time != TIME_NONE && o->time != time) goto wrong;
            if (time < TIME_KEEP) {
                if (i + 1 == x->argc) goto wrong;
                o->when = ++i;
            }
            o->time = time;
        } else if (of == STRING_SET && str_is(a, "nx") && !o->xx) {
            o->nx = true;
        } else if (of == STRING_SET && str_is(a, "xx") && !o->nx) {
            o->xx = true;
        } else if (of == STRING_SET && str_is(a, "get")) {
            o->get = true;
        } else {
            goto wrong;
        }
    }
    return true;
wrong:
    reply_err(x, ERR_SYNTAX);
    return false;
}

/* Work out the deadline the options ask for; false: answered. */
static bool string_deadline_or_reply(struct call *x,
                                     struct string_options *o) {
    if (o->when == 0) return true;
    return arg_deadline_or_reply(x, o->when,
                                 o->time == TIME_EX || o->time == TIME_EXAT ?
                                     1000 : 1,
                                 o->time == TIME_EXAT || o->time == TIME_PXAT,
                                 &o->deadline);
}

/* Answer a string value. */
static inline void reply_value(struct reply *r, const struct entry *e) {
    char tmp[24];
    struct str s = entry_string(e, tmp);

    if (UNLIKELY(entry_shape(e) == SHAPE_BLOB))
        reply_blob(r, s, entry_object(e));
    else reply_bulk(r, s);
}

/* Read the string at argv[1] and answer it or null; false: answered with an
 * error.  *e is the entry then, or NULL. */
static bool string_get_or_reply(struct call *x, const struct entry **e) {
    if (!arg_read_or_reply(x, 1, KIND_STRING, e)) return false;
    if (*e == NULL) reply_null(x->r);
    else reply_value(x->r, *e);
    return true;
}

static enum outcome cmd_get(struct call *x) {
    const struct entry *e = key_read_here(&x->w, x->argv[1]);

    if (LIKELY(e != NULL && entry_shape(e) == SHAPE_BYTES)) {
        reply_bulk_here(x->r, entry_value(e));
        return DONE;
    }
    if (!kind_or_reply(x, e, KIND_STRING)) return FAILED;
    if (e == NULL) reply_null(x->r);
    else reply_value(x->r, e);
    return DONE;
}

/* Set the key at argv[1], open, to value, with a deadline or none; over: the
 * deadline has passed already.  False: no memory; answered and closed. */
static bool string_put_or_reply(struct call *x, struct edit *ed,
                                struct str value, int64_t deadline,
                                bool keep) {
    if (keep && ed->e != NULL) deadline = entry_deadline(ed->e);
    if (!bytes_put(ed, value, deadline)) {
        edit_cancel(ed);
        reply_err(x, ERR_MEMORY);
        return false;
    }
    if (deadline == 0 || keep) {
        edit_commit(ed, EVENT_STRING, "set");
        return true;
    }
    edit_tell(ed, EVENT_STRING, "set");
    if (UNLIKELY(deadline <= x->w.now)) {
        /* as if it had been set, and its time had come at once */
        edit_tell(ed, EVENT_GENERIC, "expire");
        ed->ref.shard->expired++;
        ed->ref.space->tally.expired++;
        edit_drop(ed);
        edit_commit(ed, EVENT_EXPIRED, "expired");
    } else {
        edit_commit(ed, EVENT_GENERIC, "expire");
    }
    return true;
}

/* SET with options. */
static enum outcome string_set(struct call *x) {
    const struct entry *old;
    struct string_options o;
    struct edit ed;

    if (!string_options_or_reply(x, 3, STRING_SET, &o) ||
        !string_deadline_or_reply(x, &o))
        return FAILED;
    if (o.get && !string_get_or_reply(x, &old)) return FAILED;
    edit_open(&x->w, x->argv[1], &ed);
    if (ed.e != NULL ? o.nx : o.xx) {
        edit_cancel(&ed);
        if (!o.get) reply_null(x->r);
        return DONE;
    }
    if (o.get) {
        size_t mark = reply_mark(x->r);

        if (!string_put_or_reply(x, &ed, x->argv[2], o.deadline,
                                 o.time == TIME_KEEP)) {
            reply_cut(x->r, mark);
            return FAILED;
        }
        return DONE;
    }
    if (!string_put_or_reply(x, &ed, x->argv[2], o.deadline,
                             o.time == TIME_KEEP))
        return FAILED;
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_set(struct call *x) {
    struct edit ed;

    if (UNLIKELY(x->argc > 3)) return string_set(x);
    edit_open_here(&x->w, x->argv[1], x->w.db, &ed);
    if (!bytes_overwrite(&ed, x->argv[2]) &&
        UNLIKELY(!bytes_put(&ed, x->argv[2], 0))) {
        edit_cancel(&ed);
        return reply_err(x, ERR_MEMORY);
    }
    edit_commit_here(&ed, EVENT_STRING, "set");
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_setnx(struct call *x) {
    struct edit ed;

    edit_open(&x->w, x->argv[1], &ed);
    if (ed.e != NULL) {
        edit_cancel(&ed);
        reply_int(x->r, 0);
        return DONE;
    }
    if (!string_put_or_reply(x, &ed, x->argv[2], 0, false)) return FAILED;
    reply_int(x->r, 1);
    return DONE;
}

/* SETEX and PSETEX: unit in ms. */
static enum outcome string_setex(struct call *x, int64_t unit) {
    struct edit ed;
    int64_t deadline;

    if (!arg_deadline_or_reply(x, 2, unit, false, &deadline)) return FAILED;
    edit_open(&x->w, x->argv[1], &ed);
    if (!string_put_or_reply(x, &ed, x->argv[3], deadline, false))
        return FAILED;
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_setex(struct call *x) {
    return string_setex(x, 1000);
}

static enum outcome cmd_psetex(struct call *x) {
    return string_setex(x, 1);
}

static enum outcome cmd_getset(struct call *x) {
    size_t mark = reply_mark(x->r);
    const struct entry *old;
    struct edit ed;

    if (!string_get_or_reply(x, &old)) return FAILED;
    edit_open(&x->w, x->argv[1], &ed);
    if (bytes_put(&ed, x->argv[2], 0)) {
        edit_commit(&ed, EVENT_STRING, "set");
        return DONE;
    }
    edit_cancel(&ed);
    reply_cut(x->r, mark);
    return reply_err(x, ERR_MEMORY);
}

static enum outcome cmd_getdel(struct call *x) {
    const struct entry *e;
    struct edit ed;

    if (!string_get_or_reply(x, &e)) return FAILED;
    if (e == NULL) return DONE;
    edit_open(&x->w, x->argv[1], &ed);
    edit_drop(&ed);
    edit_commit(&ed, EVENT_GENERIC, "del");
    return DONE;
}

/* Redis looks at the key before it looks at the time. */
static enum outcome cmd_getex(struct call *x) {
    size_t mark = reply_mark(x->r);
    const struct entry *e;
    struct string_options o;
    struct edit ed;

    if (!string_options_or_reply(x, 2, STRING_GETEX, &o)) return FAILED;
    if (!arg_read_or_reply(x, 1, KIND_STRING, &e)) return FAILED;
    if (e == NULL) {
        reply_null(x->r);
        return DONE;
    }
    if (!string_deadline_or_reply(x, &o)) return FAILED;
    reply_value(x->r, e);
    if (o.deadline == 0 &&
        (o.time != TIME_PERSIST || !entry_has(e, ENTRY_TTL)))
        return DONE;
    edit_open(&x->w, x->argv[1], &ed);
    if (o.deadline != 0 && o.deadline <= x->w.now) {
        edit_drop(&ed);
        edit_commit(&ed, EVENT_GENERIC, "del");
    } else if (edit_deadline(&ed, o.deadline)) {
        edit_commit(&ed, EVENT_GENERIC,
                    o.deadline != 0 ? "expire" : "persist");
    } else {
        edit_cancel(&ed);
        reply_cut(x->r, mark);
        return reply_err(x, ERR_MEMORY);
    }
    return DONE;
}

static enum outcome cmd_mget(struct call *x) {
    struct key_hint hint[ARG_AHEAD];

    reply_array(x->r, x->argc - 1);
    for (size_t i = 1; i < x->argc; i++) {
        const struct entry *e;

        arg_ahead(x, i, 1, hint);
        e = key_read(&x->w, x->argv[i]);
        if (e == NULL || entry_kind(e) != KIND_STRING) reply_null(x->r);
        else reply_value(x->r, e);
    }
    arg_ahead_end(x);
    return DONE;
}

/* Set all the pairs; false: no memory for one, answered. */
static bool string_set_all_or_reply(struct call *x) {
    struct key_hint hint[ARG_AHEAD];
    struct edit ed;
    size_t i;

    for (i = 1; i < x->argc; i += 2) {
        arg_ahead(x, i, 2, hint);
        edit_open(&x->w, x->argv[i], &ed);
        if (!bytes_put(&ed, x->argv[i + 1], 0)) {
            edit_cancel(&ed);
            reply_err(x, ERR_MEMORY);
            break;
        }
        edit_commit(&ed, EVENT_STRING, "set");
    }
    arg_ahead_end(x);
    return i >= x->argc;
}

static enum outcome cmd_mset(struct call *x) {
    if (x->argc % 2 == 0) return reply_arity(x);
    if (!string_set_all_or_reply(x)) return FAILED;
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_msetnx(struct call *x) {
    if (x->argc % 2 == 0) return reply_arity(x);
    for (size_t i = 1; i < x->argc; i += 2)
        if (key_peek(&x->w, x->argv[i]) != NULL) {
            reply_int(x->r, 0);
            return DONE;
        }
    if (!string_set_all_or_reply(x)) return FAILED;
    reply_int(x->r, 1);
    return DONE;
}

/* Add to the integer at a key; an absent one counts as 0. */
static enum outcome string_add(struct call *x, int64_t by) {
    struct edit ed;
    char tmp[24];
    int64_t n = 0;

    if (!arg_open_or_reply(x, 1, KIND_STRING, &ed)) return FAILED;
    if (ed.e != NULL) {
        if (LIKELY(entry_shape(ed.e) == SHAPE_INT)) {
            n = entry_int(ed.e);
        } else if (!num_parse_int(entry_string(ed.e, tmp), &n)) {
            edit_cancel(&ed);
            return reply_err(x, ERR_NOT_INT);
        }
    }
    if (!num_add(n, by, &n)) {
        edit_cancel(&ed);
        return reply_err(x, ERR_OVERFLOW);
    }
    if (LIKELY(ed.e != NULL && entry_shape(ed.e) == SHAPE_INT)) {
        store64(entry_bytes(ed.e), (uint64_t)n);
    } else if (!bytes_put_int(&ed, n,
                              ed.e == NULL ? 0 : entry_deadline(ed.e))) {
        edit_cancel(&ed);
        return reply_err(x, ERR_MEMORY);
    }
    edit_commit(&ed, EVENT_STRING, "incrby");
    reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_incr(struct call *x) {
    return string_add(x, 1);
}

static enum outcome cmd_decr(struct call *x) {
    return string_add(x, -1);
}

static enum outcome cmd_incrby(struct call *x) {
    int64_t by;

    if (!arg_int_or_reply(x, 2, &by)) return FAILED;
    return string_add(x, by);
}

static enum outcome cmd_decrby(struct call *x) {
    int64_t by;

    if (!arg_int_or_reply(x, 2, &by)) return FAILED;
    if (by == INT64_MIN) {
        reply_error(x->r, "ERR decrement would overflow");
        return FAILED;
    }
    return string_add(x, -by);
}

static enum outcome cmd_incrbyfloat(struct call *x) {
    char tmp[24], text[NUM_LD_ROOM];
    long double v = 0, by;
    enum err why = ERR_NOT_FLOAT;
    struct edit ed;
    size_t n;

    if (!arg_open_or_reply(x, 1, KIND_STRING, &ed)) return FAILED;
    if (ed.e != NULL && !num_parse_ld(entry_string(ed.e, tmp), &v))
        goto refused;
    if (!num_parse_ld(x->argv[2], &by)) goto refused;
    v += by;
    why = ERR_NAN;
    if (isnan(v) || isinf(v)) goto refused;
    n = num_put_ld(text, v);
    why = ERR_MEMORY;
    if (!bytes_put_text(&ed, str_of(text, n),
                        ed.e == NULL ? 0 : entry_deadline(ed.e)))
        goto refused;
    edit_commit(&ed, EVENT_STRING, "incrbyfloat");
    reply_bulk(x->r, str_of(text, n));
    return DONE;
refused:
    edit_cancel(&ed);
    return reply_err(x, why);
}

/* May a string become at + n bytes long?  False: answered. */
static bool string_fits_or_reply(struct call *x, uint64_t at, size_t n) {
    uint64_t most = x->k->opt.max_resp_bulk_len;

    if (most > UINT32_MAX - 64) most = UINT32_MAX - 64; /* a blob's */
    if (at <= most && n <= most - at) return true;
    reply_err(x, ERR_TOO_LONG);
    return false;
}

/* Make the string at an open key, or a new one, n bytes long, filled with
 * zeros; NULL: no memory, and the edit is over. */
static char *string_open(struct edit *ed, size_t n) {
    bool there = ed->e != NULL;
    char *p;

    if (!there && !bytes_put_text(ed, STR(""), 0)) {
        edit_cancel(ed);
        return NULL;
    }
    p = bytes_open(ed, n);
    if (p != NULL) return p;
    if (there) {
        edit_cancel(ed);
    } else {
        edit_drop(ed);
        edit_commit(ed, EVENT_STRING, NULL);
    }
    return NULL;
}

static enum outcome cmd_append(struct call *x) {
    struct str v = x->argv[2];
    struct edit ed;
    char tmp[24], *p;
    size_t n;

    if (!arg_open_or_reply(x, 1, KIND_STRING, &ed)) return FAILED;
    n = ed.e == NULL ? 0 : entry_string(ed.e, tmp).n;
    if (ed.e == NULL) {
        if (!bytes_put(&ed, v, 0)) {
            edit_cancel(&ed);
            return reply_err(x, ERR_MEMORY);
        }
    } else {
        if (!string_fits_or_reply(x, n, v.n)) {
            edit_cancel(&ed);
            return FAILED;
        }
        p = string_open(&ed, n + v.n);
        if (p == NULL) return reply_err(x, ERR_MEMORY);
        memcpy(p + n, v.p, v.n);
    }
    edit_commit(&ed, EVENT_STRING, "append");
    reply_int(x->r, (int64_t)(n + v.n));
    return DONE;
}

static enum outcome cmd_setrange(struct call *x) {
    struct str v = x->argv[3];
    const struct entry *e;
    struct edit ed;
    int64_t at;
    char tmp[24], *p;
    size_t n;

    if (!arg_int_or_reply(x, 2, &at)) return FAILED;
    if (at < 0) return reply_err(x, ERR_OFFSET);
    e = key_peek(&x->w, x->argv[1]);
    if (!kind_or_reply(x, e, KIND_STRING)) return FAILED;
    n = e == NULL ? 0 : entry_string(e, tmp).n;
    if (v.n == 0) {
        reply_int(x->r, (int64_t)n);
        return DONE;
    }
    if (!string_fits_or_reply(x, (uint64_t)at, v.n)) return FAILED;
    if ((size_t)at > n) {
        struct str ns, local;

        /* what the offset makes it grow by was not foreseen */
        key_split(&x->w, x->argv[1], &ns, &local);
        if (!arg_room_or_reply(x, x->argv[1], local, (size_t)at + v.n - n))
            return FAILED;
    }
    edit_open(&x->w, x->argv[1], &ed);
    n = size_max(n, (size_t)at + v.n);
    p = string_open(&ed, n);
    if (p == NULL) return reply_err(x, ERR_MEMORY);
    memcpy(p + at, v.p, v.n);
    edit_commit(&ed, EVENT_STRING, "setrange");
    reply_int(x->r, (int64_t)n);
    return DONE;
}

static enum outcome cmd_getrange(struct call *x) {
    const struct entry *e;
    int64_t from, to, n;
    struct str v;
    char tmp[24];

    if (!arg_int_or_reply(x, 2, &from) || !arg_int_or_reply(x, 3, &to) ||
        !arg_read_or_reply(x, 1, KIND_STRING, &e))
        return FAILED;
    v = e == NULL ? STR("") : entry_string(e, tmp);
    n = (int64_t)v.n;
    if (from < 0 && to < 0 && from > to) n = 0;
    if (from < 0) from = from + n < 0 ? 0 : from + n;
    if (to < 0) to = to + n < 0 ? 0 : to + n;
    if (to >= n) to = n - 1;
    if (n == 0 || from > to) {
        reply_bulk(x->r, STR(""));
        return DONE;
    }
    v = str_of(v.p + from, (size_t)(to - from + 1));
    if (entry_shape(e) == SHAPE_BLOB) reply_blob(x->r, v, entry_object(e));
    else reply_bulk(x->r, v);
    return DONE;
}

static enum outcome cmd_strlen(struct call *x) {
    const struct entry *e;
    char tmp[24];

    if (!arg_read_or_reply(x, 1, KIND_STRING, &e)) return FAILED;
    reply_int(x->r, e == NULL ? 0 : (int64_t)entry_string(e, tmp).n);
    return DONE;
}

static const struct command string_commands[] = {
    { "append", cmd_append, 3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(2, 0, 0), "O(1)", "key value",
      "Puts value at the end of the string at key; an absent one is empty." },
    { "decr", cmd_decr, 2, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(1)", "key", "Takes 1 from the integer at key." },
    { "decrby", cmd_decrby, 3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(1)", "key decrement",
      "Takes decrement from the integer at key; an absent key counts as 0." },
    { "get", cmd_get, 2, READONLY | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(1)", "key", "The string at key." },
    { "getdel", cmd_getdel, 2, WRITE | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(6, 2, 0), "O(1)", "key", "The string at key, which is removed." },
    { "getex", cmd_getex, -2, WRITE | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(6, 2, 0), "O(1)",
      "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
      "PXAT unix-time-milliseconds | PERSIST]",
      "The string at key, whose time to live is set or taken away." },
    { "getrange", cmd_getrange, 4, READONLY, 1, 1, 1, GROUP_STRING,
      SINCE(2, 4, 0), "O(N) for N bytes answered", "key start end",
      "A part of the string at key; negative offsets count from its end." },
    { "getset", cmd_getset, 3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(1)", "key value",
      "Sets the string at key and answers the one that was there." },
    { "incr", cmd_incr, 2, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(1)", "key", "Adds 1 to the integer at key." },
    { "incrby", cmd_incrby, 3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(1)", "key increment",
      "Adds increment to the integer at key; an absent key counts as 0." },
    { "incrbyfloat", cmd_incrbyfloat, 3, WRITE | GROWS | FAST, 1, 1, 1,
      GROUP_STRING, SINCE(2, 6, 0), "O(1)", "key increment",
      "Adds increment to the number at key; an absent key counts as 0." },
    { "mget", cmd_mget, -2, READONLY | FAST, 1, -1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(N) for N keys", "key [key ...]",
      "The strings at some keys, null for what is none." },
    { "mset", cmd_mset, -3, WRITE | GROWS | SHORT, 1, -1, 2, GROUP_STRING,
      SINCE(1, 0, 1), "O(N) for N keys", "key value [key value ...]",
      "Sets some keys to their values, all at one moment." },
    { "msetnx", cmd_msetnx, -3, WRITE | GROWS, 1, -1, 2, GROUP_STRING,
      SINCE(1, 0, 1), "O(N) for N keys", "key value [key value ...]",
      "Sets some keys to their values unless one of them is there." },
    { "psetex", cmd_psetex, 4, WRITE | GROWS | SHORT, 1, 1, 1, GROUP_STRING,
      SINCE(2, 6, 0), "O(1)", "key milliseconds value",
      "Sets the string at key, for some milliseconds." },
    { "set", cmd_set, -3, WRITE | GROWS | SHORT, 1, 1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(1)",
      "key value [NX | XX] [GET] [EX seconds | PX milliseconds | "
      "EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
      "Sets the string at key, whatever was there before." },
    { "setex", cmd_setex, 4, WRITE | GROWS | SHORT, 1, 1, 1, GROUP_STRING,
      SINCE(2, 0, 0), "O(1)", "key seconds value",
      "Sets the string at key, for some seconds." },
    { "setnx", cmd_setnx, 3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(1)", "key value",
      "Sets the string at key unless the key is there." },
    { "setrange", cmd_setrange, 4, WRITE | GROWS, 1, 1, 1, GROUP_STRING,
      SINCE(2, 2, 0), "O(N) for a string of N bytes", "key offset value",
      "Writes over a part of the string at key, zeros filling a gap." },
    { "strlen", cmd_strlen, 2, READONLY | FAST, 1, 1, 1, GROUP_STRING,
      SINCE(2, 2, 0), "O(1)", "key", "How many bytes the string at key has." },
    { "substr", cmd_getrange, 4, READONLY, 1, 1, 1, GROUP_STRING,
      SINCE(1, 0, 0), "O(N) for N bytes answered", "key start end",
      "An older name of GETRANGE." },
};
