/* SPDX-License-Identifier: MIT */
/* ==== fieldttl - commands on hash fields that expire =======================
 *
 * As Redis 7.4 and 8 have them: HEXPIRE and its kin, HTTL and its kin,
 * HPERSIST; HGETEX, HSETEX, HGETDEL.  The times are of fields, one for each.
 *
 * A field whose new time is not after now is removed at once, as by HDEL.
 *
 * floor 6 - uses: base num entry shard door fields reply instance arg hashes
 */
#define FIELDTTL_MOST (((INT64_C(1) << 48) - 2) >> 2)   /* ms; Redis' limit */

static bool fieldttl__wrong(struct call *x, const char *text) {
    reply_error(x->r, text);
    return false;
}

/* Parse a time: seconds or milliseconds, from `base` on, or answer why not. */
static bool fieldttl__time_or_reply(struct call *x, size_t i, bool seconds,
                                    int64_t base, int64_t *ms) {
    int64_t t;

    if (!arg_int_or_reply(x, i, &t)) return false;
    if (t < 0)
        return fieldttl__wrong(x, "ERR invalid expire time, must be >= 0");
    if (seconds ? t > FIELDTTL_MOST / 1000 : t > FIELDTTL_MOST) goto wrong;
    if (seconds) t *= 1000;
    if (t > FIELDTTL_MOST - base) goto wrong;
    *ms = t + base;
    return true;
wrong:
    reply_errorf(x->r, "ERR invalid expire time in '%s' command",
                 x->row->name);
    return false;
}

/* FIELDS at argument i, how many, and as many fields; or answer why not.
 * count: what is said of a count that is none. */
static bool fieldttl__fields_or_reply(struct call *x, size_t i,
                                      const char *count) {
    int64_t n;

    if (i >= x->argc || !str_is(x->argv[i], "fields"))
        return fieldttl__wrong(x, "ERR Mandatory argument FIELDS is missing or "
                                  "not at the right position");
    if (i + 1 >= x->argc || !num_parse_int(x->argv[i + 1], &n) || n < 1)
        return fieldttl__wrong(x, count);
    if ((uint64_t)n != x->argc - i - 2)
        return fieldttl__wrong(x, "ERR The `numfields` parameter must match "
                                  "the number of arguments");
    return true;
}

#define FIELDTTL_POSITIVE "ERR Number of fields must be a positive integer"

/* No memory half way: what was done stays, what was answered does not. */
static COLD enum outcome fieldttl__refused(struct call *x, struct edit *ed,
                                           size_t mark) {
    reply_cut(x->r, mark);
    edit_commit(ed, EVENT_HASH, NULL);
    return reply_err(x, ERR_MEMORY);
}

/* End an edit of which `deleted` fields are gone and `changed` others have
 * another deadline; `event` tells of these. */
static void fieldttl__commit(struct edit *ed, size_t deleted, size_t changed,
                             const char *event) {
    if (deleted + changed == 0) {
        edit_cancel(ed);
        return;
    }
    edit_tell(ed, EVENT_HASH, deleted > 0 ? "hdel" : event);
    edit_commit(ed, EVENT_GENERIC, ed->e == NULL ? "del" : NULL);
}

enum fieldttl_when {
    FIELDTTL_ALWAYS, FIELDTTL_NX, FIELDTTL_XX, FIELDTTL_GT, FIELDTTL_LT
};

/* Is the condition of HEXPIRE met?  was 0: no deadline, which is later than
 * any. */
static bool fieldttl__may(enum fieldttl_when when, int64_t was, int64_t is) {
    switch (when) {
    case FIELDTTL_ALWAYS: return true;
    case FIELDTTL_NX: return was == 0;
    case FIELDTTL_XX: return was != 0;
    case FIELDTTL_GT: return was != 0 && is > was;
    case FIELDTTL_LT: return was == 0 || is < was;
    }
    return false;
}

/* The word at argument 3, if it is a condition. */
static enum fieldttl_when fieldttl__when(const struct call *x) {
    struct str a = x->argv[3];

    if (str_is(a, "nx")) return FIELDTTL_NX;
    if (str_is(a, "xx")) return FIELDTTL_XX;
    if (str_is(a, "gt")) return FIELDTTL_GT;
    if (str_is(a, "lt")) return FIELDTTL_LT;
    return FIELDTTL_ALWAYS;
}

/* HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT. */
static enum outcome cmd_hexpire(struct call *x) {
    const char *name = x->row->name;
    bool seconds = name[1] != 'p';
    bool at = name[strlen(name) - 1] == 't';
    size_t mark = reply_mark(x->r), deleted = 0, changed = 0, i;
    enum fieldttl_when when = fieldttl__when(x);
    int64_t ms, was;
    struct edit ed;

    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    i = when == FIELDTTL_ALWAYS ? 3 : 4;
    if (!fieldttl__time_or_reply(x, 2, seconds, at ? 0 : x->w.now, &ms) ||
        !fieldttl__fields_or_reply(x, i, "ERR Parameter `numFields` should be "
                                         "greater than 0")) {
        edit_cancel(&ed);
        return FAILED;
    }
    reply_array(x->r, x->argc - i - 2);
    for (i += 2; i < x->argc; i++) {
        struct str field = x->argv[i];

        if (ed.e == NULL || !fields_deadline(&x->w, ed.e, field, &was)) {
            reply_int(x->r, -2);
        } else if (!fieldttl__may(when, was, ms)) {
            reply_int(x->r, 0);
        } else if (ms <= x->w.now) {
            deleted += fields_drop(&ed, field);
            reply_int(x->r, 2);
        } else {
            if (!fields_expire(&ed, field, ms))
                return fieldttl__refused(x, &ed, mark);
            changed++;
            reply_int(x->r, 1);
        }
    }
    fieldttl__commit(&ed, deleted, changed, "hexpire");
    return DONE;
}

/* HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME. */
static enum outcome cmd_httl(struct call *x) {
    const char *name = x->row->name;
    bool seconds = name[1] != 'p';
    int64_t base = name[strlen(name) - 1] == 'l' ? x->w.now : 0, ms;
    const struct entry *e;

    if (!arg_read_or_reply(x, 1, KIND_HASH, &e)) return FAILED;
    if (!fieldttl__fields_or_reply(x, 2, FIELDTTL_POSITIVE)) return FAILED;
    reply_array(x->r, x->argc - 4);
    for (size_t i = 4; i < x->argc; i++) {
        if (e == NULL || !fields_deadline(&x->w, e, x->argv[i], &ms))
            reply_int(x->r, -2);
        else if (ms == 0) reply_int(x->r, -1);
        else if (seconds) reply_int(x->r, (ms - base) / 1000 +
                                              ((ms - base) % 1000 != 0));
        else reply_int(x->r, ms - base);
    }
    return DONE;
}

static enum outcome cmd_hpersist(struct call *x) {
    size_t mark = reply_mark(x->r), changed = 0;
    struct edit ed;
    int64_t was;

    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    if (!fieldttl__fields_or_reply(x, 2, FIELDTTL_POSITIVE)) {
        edit_cancel(&ed);
        return FAILED;
    }
    reply_array(x->r, x->argc - 4);
    for (size_t i = 4; i < x->argc; i++) {
        if (ed.e == NULL || !fields_deadline(&x->w, ed.e, x->argv[i], &was)) {
            reply_int(x->r, -2);
        } else if (was == 0) {
            reply_int(x->r, -1);
        } else {
            if (!fields_expire(&ed, x->argv[i], 0))
                return fieldttl__refused(x, &ed, mark);
            changed++;
            reply_int(x->r, 1);
        }
    }
    fieldttl__commit(&ed, 0, changed, "hpersist");
    return DONE;
}

static enum outcome cmd_hgetdel(struct call *x) {
    struct edit ed;
    size_t n = 0;

    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    if (!fieldttl__fields_or_reply(x, 2, FIELDTTL_POSITIVE)) {
        edit_cancel(&ed);
        return FAILED;
    }
    reply_array(x->r, x->argc - 4);
    for (size_t i = 4; i < x->argc; i++) {
        hashes_reply_field(x, ed.e, x->argv[i]);
        n += fields_drop(&ed, x->argv[i]);
    }
    fieldttl__commit(&ed, n, 0, NULL);
    return DONE;
}

/* A time option of HGETEX and HSETEX, at argument i, or nothing. */
enum fieldttl_option {
    FIELDTTL_NONE, FIELDTTL_EX, FIELDTTL_PX, FIELDTTL_EXAT, FIELDTTL_PXAT,
    FIELDTTL_PERSIST, FIELDTTL_KEEP
};

static enum fieldttl_option fieldttl__option(const struct call *x, size_t i) {
    struct str a = x->argv[i];

    if (str_is(a, "ex")) return FIELDTTL_EX;
    if (str_is(a, "px")) return FIELDTTL_PX;
    if (str_is(a, "exat")) return FIELDTTL_EXAT;
    if (str_is(a, "pxat")) return FIELDTTL_PXAT;
    if (str_is(a, "persist")) return FIELDTTL_PERSIST;
    if (str_is(a, "keepttl")) return FIELDTTL_KEEP;
    return FIELDTTL_NONE;
}

/* The time of an option, whose number stands at argument i. */
static bool fieldttl__option_time_or_reply(struct call *x, size_t i,
                                           enum fieldttl_option o,
                                           int64_t *ms) {
    bool at = o == FIELDTTL_EXAT || o == FIELDTTL_PXAT;

    return fieldttl__time_or_reply(x, i, o == FIELDTTL_EX ||
                                             o == FIELDTTL_EXAT,
                                   at ? 0 : x->w.now, ms);
}

static enum outcome cmd_hgetex(struct call *x) {
    enum fieldttl_option o = fieldttl__option(x, 2);
    size_t mark = reply_mark(x->r), deleted = 0, changed = 0, i = 2;
    int64_t ms = 0, was;
    struct edit ed;

    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    if (o == FIELDTTL_KEEP) o = FIELDTTL_NONE;
    if (o != FIELDTTL_NONE) i += o == FIELDTTL_PERSIST ? 1 : 2;
    if ((i == 4 && !fieldttl__option_time_or_reply(x, 3, o, &ms)) ||
        !fieldttl__fields_or_reply(x, i, FIELDTTL_POSITIVE)) {
        edit_cancel(&ed);
        return FAILED;
    }
    reply_array(x->r, x->argc - i - 2);
    for (i += 2; i < x->argc; i++) {
        struct str field = x->argv[i];

        hashes_reply_field(x, ed.e, field);
        if (o == FIELDTTL_NONE || ed.e == NULL ||
            !fields_deadline(&x->w, ed.e, field, &was))
            continue;
        if (ms != 0 && ms <= x->w.now) {
            deleted += fields_drop(&ed, field);
        } else if (ms != 0 || was != 0) {
            if (!fields_expire(&ed, field, ms))
                return fieldttl__refused(x, &ed, mark);
            changed++;
        }
    }
    fieldttl__commit(&ed, deleted, changed,
                     o == FIELDTTL_PERSIST ? "hpersist" : "hexpire");
    return DONE;
}

/* What HSETEX is told. */
struct fieldttl_set {
    enum fieldttl_option time;
    int64_t ms;                 /* 0: no deadline */
    bool fnx, fxx;
    size_t first;               /* of the pairs */
};

static bool fieldttl__arity(struct call *x) {
    reply_arity(x);
    return false;
}

/* FIELDS of HSETEX at argument i: how many pairs, and they. */
static bool fieldttl__pairs_or_reply(struct call *x, size_t i) {
    int64_t n;

    if (i + 3 >= x->argc) return fieldttl__arity(x);
    if (!num_parse_int(x->argv[i + 1], &n) || n < 1 || n > INT32_MAX)
        return fieldttl__wrong(x, "ERR invalid number of fields");
    if ((x->argc - i) % 2 != 0 || (uint64_t)n != (x->argc - i - 2) / 2)
        return fieldttl__arity(x);
    return true;
}

static bool fieldttl__set_or_reply(struct call *x, struct fieldttl_set *s) {
    *s = (struct fieldttl_set){ .time = FIELDTTL_NONE };
    for (size_t i = 2; i < x->argc; i++) {
        enum fieldttl_option o = fieldttl__option(x, i);
        bool fnx = str_is(x->argv[i], "fnx");

        if (str_is(x->argv[i], "fields")) {
            s->first = i + 2;
            return fieldttl__pairs_or_reply(x, i);
        }
        if (o != FIELDTTL_NONE && o != FIELDTTL_PERSIST) {
            if (s->time != FIELDTTL_NONE)
                return fieldttl__wrong(x, "ERR Only one of EX, PX, EXAT, PXAT "
                                          "or KEEPTTL arguments can be "
                                          "specified");
            s->time = o;
            if (o == FIELDTTL_KEEP) continue;
            if (++i == x->argc)
                return fieldttl__wrong(x, "ERR missing expire time");
            if (!fieldttl__option_time_or_reply(x, i, o, &s->ms)) return false;
            if (s->ms == 0) s->ms = 1;  /* long ago */
        } else if (fnx || str_is(x->argv[i], "fxx")) {
            if (s->fnx || s->fxx)
                return fieldttl__wrong(x, "ERR Only one of FXX or FNX "
                                          "arguments can be specified");
            s->fnx = fnx;
            s->fxx = !fnx;
        } else {
            reply_errorf(x->r, "ERR unknown argument: %.*s",
                         (int)size_min(x->argv[i].n, 128), x->argv[i].p);
            return false;
        }
    }
    return fieldttl__arity(x);
}

/* Are all fields there (FXX), or none (FNX)? */
static bool fieldttl__allowed(const struct call *x, const struct entry *e,
                              const struct fieldttl_set *s) {
    int64_t was;

    if (!s->fnx && !s->fxx) return true;
    for (size_t i = s->first; i < x->argc; i += 2) {
        bool is = e != NULL && fields_deadline(&x->w, e, x->argv[i], &was);

        if (is == s->fnx) return false;
    }
    return true;
}

static enum outcome cmd_hsetex(struct call *x) {
    size_t mark = reply_mark(x->r), deleted = 0, changed = 0;
    struct fieldttl_set s;
    struct edit ed;
    bool added;

    if (!fieldttl__set_or_reply(x, &s)) return FAILED;
    if (!arg_open_or_reply(x, 1, KIND_HASH, &ed)) return FAILED;
    if (!fieldttl__allowed(x, ed.e, &s)) {
        edit_cancel(&ed);
        reply_int(x->r, 0);
        return DONE;
    }
    for (size_t i = s.first; i < x->argc; i += 2) {
        if (!fields_put(&ed, x->argv[i], x->argv[i + 1],
                        s.time != FIELDTTL_NONE, &added))
            return fieldttl__refused(x, &ed, mark);
        if (s.ms == 0) continue;
        if (s.ms <= x->w.now) {
            deleted += fields_drop(&ed, x->argv[i]);
        } else {
            if (!fields_expire(&ed, x->argv[i], s.ms))
                return fieldttl__refused(x, &ed, mark);
            changed++;
        }
    }
    edit_tell(&ed, EVENT_HASH, "hset");
    if (deleted + changed > 0)
        edit_tell(&ed, EVENT_HASH, deleted > 0 ? "hdel" : "hexpire");
    edit_commit(&ed, EVENT_GENERIC, ed.e == NULL ? "del" : NULL);
    reply_int(x->r, 1);
    return DONE;
}

#define FIELDTTL_WHEN "[NX | XX | GT | LT] "
#define FIELDTTL_FIELDS "FIELDS <numfields field [field ...]>"

static const struct command fieldttl_commands[] = {
    { "hexpire", cmd_hexpire, -6, WRITE | GROWS | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(7, 4, 0), "O(N) for N fields",
      "key seconds " FIELDTTL_WHEN FIELDTTL_FIELDS,
      "Lets fields of a hash expire after some seconds." },
    { "hexpireat", cmd_hexpire, -6, WRITE | GROWS | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(7, 4, 0), "O(N) for N fields",
      "key unix-time-seconds " FIELDTTL_WHEN FIELDTTL_FIELDS,
      "Lets fields of a hash expire at a second." },
    { "hexpiretime", cmd_httl, -5, READONLY | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(7, 4, 0), "O(N) for N fields", "key " FIELDTTL_FIELDS,
      "The seconds at which fields expire; -1: they do not, -2: no field." },
    { "hgetdel", cmd_hgetdel, -5, WRITE | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(8, 0, 0), "O(N) for N fields", "key " FIELDTTL_FIELDS,
      "The values of fields, which are removed." },
    { "hgetex", cmd_hgetex, -5, WRITE | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(8, 0, 0), "O(N) for N fields",
      "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
      "PXAT unix-time-milliseconds | PERSIST] " FIELDTTL_FIELDS,
      "The values of fields, whose time to live is set or taken away." },
    { "hpersist", cmd_hpersist, -5, WRITE | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(7, 4, 0), "O(N) for N fields", "key " FIELDTTL_FIELDS,
      "Lets fields of a hash live for good." },
    { "hpexpire", cmd_hexpire, -6, WRITE | GROWS | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(7, 4, 0), "O(N) for N fields",
      "key milliseconds " FIELDTTL_WHEN FIELDTTL_FIELDS,
      "Lets fields of a hash expire after some milliseconds." },
    { "hpexpireat", cmd_hexpire, -6, WRITE | GROWS | FAST, 1, 1, 1,
      GROUP_HASH, SINCE(7, 4, 0), "O(N) for N fields",
      "key unix-time-milliseconds " FIELDTTL_WHEN FIELDTTL_FIELDS,
      "Lets fields of a hash expire at a millisecond." },
    { "hpexpiretime", cmd_httl, -5, READONLY | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(7, 4, 0), "O(N) for N fields", "key " FIELDTTL_FIELDS,
      "The milliseconds at which fields expire; -1 and -2 as of HEXPIRETIME." },
    { "hpttl", cmd_httl, -5, READONLY | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(7, 4, 0), "O(N) for N fields", "key " FIELDTTL_FIELDS,
      "The milliseconds that fields have left; -1 and -2 as of HTTL." },
    { "hsetex", cmd_hsetex, -6, WRITE | GROWS | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(8, 0, 0), "O(N) for N fields",
      "key [FNX | FXX] [EX seconds | PX milliseconds | "
      "EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] "
      "FIELDS <numfields <field value [field value ...]>>",
      "Sets fields, also with a time to live; only if all or none are there." },
    { "httl", cmd_httl, -5, READONLY | FAST, 1, 1, 1, GROUP_HASH,
      SINCE(7, 4, 0), "O(N) for N fields", "key " FIELDTTL_FIELDS,
      "The seconds that fields have left; -1: for good, -2: no field." },
};
