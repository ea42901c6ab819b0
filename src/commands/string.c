/* ==== string - commands on strings =========================================
 *
 * floor 6 - uses: base num entry shard door bytes reply instance arg
 */

/* What SET, GETEX and their kin are asked to do. */
struct string_options {
    bool nx, xx, get, keep_ttl, persist;
    size_t when;                /* the argument with a time; 0: none */
    int64_t unit;               /* of it: 1 ms or 1000 */
    bool absolute;              /* since 1970, not from now */
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

/* Parse the options from argv[i] on; false: answered. */
static bool string_options_or_reply(struct call *x, size_t i, int of,
                                    struct string_options *o) {
    bool timed = false;

    memset(o, 0, sizeof *o);
    for (; i < x->argc; i++) {
        struct str a = x->argv[i];
        bool seconds = str_is(a, "ex") || str_is(a, "exat");
        bool ms = str_is(a, "px") || str_is(a, "pxat");

        if (of == STRING_SET && str_is(a, "nx") && !o->xx) {
            o->nx = true;
        } else if (of == STRING_SET && str_is(a, "xx") && !o->nx) {
            o->xx = true;
        } else if (of == STRING_SET && str_is(a, "get")) {
            o->get = true;
        } else if (of == STRING_SET && str_is(a, "keepttl") && !timed) {
            o->keep_ttl = timed = true;
        } else if (of == STRING_GETEX && str_is(a, "persist") && !timed) {
            o->persist = timed = true;
        } else if ((seconds || ms) && i + 1 < x->argc && !timed) {
            timed = true;
            o->when = ++i;
            o->unit = seconds ? 1000 : 1;
            o->absolute = a.n == 4;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    /* a bad number counts only where the syntax is good */
    return o->when == 0 || arg_deadline_or_reply(x, o->when, o->unit,
                                                 o->absolute, &o->deadline);
}

/* Answer a string value. */
static inline void reply_value(struct reply *r, const struct entry *e) {
    char tmp[24];

    reply_bulk(r, entry_string(e, tmp));
}

static enum outcome cmd_get(struct call *x) {
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_STRING, &e)) return FAILED;
    if (e == NULL) reply_null(x->r);
    else reply_value(x->r, e);
    return DONE;
}

/* SET with options, and the commands that are one. */
static enum outcome string_set(struct call *x, struct str value,
                               const struct string_options *o) {
    int64_t deadline = o->deadline;
    struct edit ed;
    bool there;

    edit_open(&x->w, x->argv[1], &ed);
    if (o->get && !kind_or_reply(x, ed.e, KIND_STRING)) goto unchanged;
    there = ed.e != NULL;
    if (o->get) {
        if (there) reply_value(x->r, ed.e);
        else reply_null(x->r);
    }
    if ((o->nx && there) || (o->xx && !there)) {
        if (!o->get) reply_null(x->r);
        edit_cancel(&ed);
        return DONE;
    }
    if (o->keep_ttl && there) deadline = entry_deadline(ed.e);
    if (o->deadline != 0 && deadline <= x->w.now) {
        /* already over: as if it had been set and had expired */
        if (there) edit_drop(&ed);
        edit_commit(&ed, EVENT_GENERIC, there ? "del" : NULL);
        if (!o->get) reply_ok(x->r);
        return DONE;
    }
    if (!bytes_put(&ed, value, deadline)) {
        edit_cancel(&ed);
        return reply_err(x, ERR_MEMORY);
    }
    if (o->deadline != 0) {
        edit_tell(&ed, EVENT_STRING, "set");
        edit_commit(&ed, EVENT_GENERIC, "expire");
    } else {
        edit_commit(&ed, EVENT_STRING, "set");
    }
    if (!o->get) reply_ok(x->r);
    return DONE;
unchanged:
    edit_cancel(&ed);
    return FAILED;
}

static enum outcome cmd_set(struct call *x) {
    struct string_options o;
    struct edit ed;

    if (UNLIKELY(x->argc > 3)) {
        if (!string_options_or_reply(x, 3, STRING_SET, &o)) return FAILED;
        return string_set(x, x->argv[2], &o);
    }
    edit_open(&x->w, x->argv[1], &ed);
    if (UNLIKELY(!bytes_put(&ed, x->argv[2], 0))) {
        edit_cancel(&ed);
        return reply_err(x, ERR_MEMORY);
    }
    edit_commit(&ed, EVENT_STRING, "set");
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_mget(struct call *x) {
    reply_array(x->r, x->argc - 1);
    for (size_t i = 1; i < x->argc; i++) {
        const struct entry *e = key_read(&x->w, x->argv[i]);

        if (e == NULL || entry_kind(e) != KIND_STRING) reply_null(x->r);
        else reply_value(x->r, e);
    }
    return DONE;
}

static enum outcome cmd_mset(struct call *x) {
    struct edit ed;

    if (x->argc % 2 == 0) return reply_arity(x);
    for (size_t i = 1; i < x->argc; i += 2) {
        edit_open(&x->w, x->argv[i], &ed);
        if (!bytes_put(&ed, x->argv[i + 1], 0)) {
            edit_cancel(&ed);
            return reply_err(x, ERR_MEMORY);
        }
        edit_commit(&ed, EVENT_STRING, "set");
    }
    reply_ok(x->r);
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
    } else if (!bytes_put(&ed, str_of(tmp, num_put_int(tmp, n)),
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

static enum outcome cmd_incrby(struct call *x) {
    int64_t by;

    if (!arg_int_or_reply(x, 2, &by)) return FAILED;
    return string_add(x, by);
}

static enum outcome cmd_append(struct call *x) {
    struct str v = x->argv[2];
    struct edit ed;
    char tmp[24], *p;
    size_t n;

    if (!arg_open_or_reply(x, 1, KIND_STRING, &ed)) return FAILED;
    n = ed.e == NULL ? 0 : entry_string(ed.e, tmp).n;
    if (n + v.n > x->k->opt.max_resp_bulk_len) {
        edit_cancel(&ed);
        return reply_err(x, ERR_TOO_LONG);
    }
    if (ed.e == NULL) {
        if (!bytes_put(&ed, v, 0)) goto refused;
    } else {
        p = bytes_open(&ed, n + v.n);
        if (p == NULL) goto refused;
        memcpy(p + n, v.p, v.n);
    }
    edit_commit(&ed, EVENT_STRING, "append");
    reply_int(x->r, (int64_t)(n + v.n));
    return DONE;
refused:
    edit_cancel(&ed);
    return reply_err(x, ERR_MEMORY);
}

static const struct command string_commands[] = {
    { "append", cmd_append, 3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      "2.0.0", "O(1)", "key value",
      "Puts value at the end of the string at key; an absent one is empty." },
    { "get", cmd_get, 2, READONLY | FAST, 1, 1, 1, GROUP_STRING,
      "1.0.0", "O(1)", "key", "The string at key." },
    { "incr", cmd_incr, 2, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      "1.0.0", "O(1)", "key", "Adds 1 to the integer at key." },
    { "incrby", cmd_incrby, 3, WRITE | GROWS | FAST, 1, 1, 1, GROUP_STRING,
      "1.0.0", "O(1)", "key increment",
      "Adds increment to the integer at key; an absent key counts as 0." },
    { "mget", cmd_mget, -2, READONLY | FAST, 1, -1, 1, GROUP_STRING,
      "1.0.0", "O(N) for N keys", "key [key ...]",
      "The strings at some keys, null for what is none." },
    { "mset", cmd_mset, -3, WRITE | GROWS, 1, -1, 2, GROUP_STRING,
      "1.0.1", "O(N) for N keys", "key value [key value ...]",
      "Sets some keys to their values, all at one moment." },
    { "set", cmd_set, -3, WRITE | GROWS, 1, 1, 1, GROUP_STRING,
      "1.0.0", "O(1)",
      "key value [NX | XX] [GET] [EX seconds | PX milliseconds | "
      "EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
      "Sets the string at key, whatever was there before." },
};
