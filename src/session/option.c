/* SPDX-License-Identifier: MIT */
/* ==== option - reading and writing one option =============================
 *
 * Text into a member of struct options and back, by the type of the row.
 * A reader looks at the whole value before it changes anything, so a refused
 * value leaves what was there.  It answers with a fault; what is said about
 * the fault depends on who listens: CONFIG SET gets Redis' words, whoever
 * starts the server gets the option, what was given and what is allowed.
 *
 * floor 5 - uses: base num buf log shard options
 */
enum option_fault {
    OPTION_FINE,
    OPTION_NOT_ALLOWED,         /* whatever option_expected says */
    OPTION_NOT_BOOL,
    OPTION_NOT_INT,
    OPTION_NOT_SIZE,
    OPTION_NOT_WORD,
    OPTION_OUT_OF_RANGE,
    OPTION_BAD_SAVE,
    OPTION_BAD_OUTPUT_COUNT,
    OPTION_BAD_OUTPUT_CLASS,
    OPTION_BAD_OUTPUT_NUMBER,
    OPTION_BAD_EVENT,
    OPTION_BAD_PERCENT,
    OPTION_BAD_PERCENT_RANGE,
    OPTION_TOO_MANY_HOSTS,
    OPTION_IMMUTABLE,
    OPTION_PROTECTED,
    OPTION_ABSENT,
    OPTION_NO_MEMORY,
    OPTION_FAULTS
};

/* Redis 7.0's words for CONFIG SET; NULL: they depend on the row. */
static const char *const option_fault_text[OPTION_FAULTS] = {
    [OPTION_NOT_BOOL] = "argument must be 'yes' or 'no'",
    [OPTION_NOT_INT] = "argument couldn't be parsed into an integer",
    [OPTION_NOT_SIZE] = "argument must be a memory value",
    [OPTION_BAD_SAVE] = "Invalid save parameters",
    [OPTION_BAD_OUTPUT_COUNT] =
        "Wrong number of arguments in buffer limit configuration.",
    [OPTION_BAD_OUTPUT_CLASS] =
        "Invalid client class specified in buffer limit configuration.",
    [OPTION_BAD_OUTPUT_NUMBER] =
        "Error in hard, soft or soft_seconds setting in buffer limit "
        "configuration.",
    [OPTION_BAD_EVENT] =
        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    [OPTION_BAD_PERCENT] =
        "Invalid latency-tracking-info-percentiles parameters",
    [OPTION_BAD_PERCENT_RANGE] =
        "latency-tracking-info-percentiles parameters should sit between "
        "[0.0,100.0]",
    [OPTION_TOO_MANY_HOSTS] = "Too many bind addresses specified.",
    [OPTION_IMMUTABLE] = "can't set immutable config",
    [OPTION_PROTECTED] = "can't set protected config",
    [OPTION_NO_MEMORY] = "out of memory"
};

/* The letters of notify-keyspace-events in the order Redis prints them. */
static const struct {
    char letter;
    int bits;
} option_events[] = {
    { 'g', EVENT_GENERIC }, { '$', EVENT_STRING }, { 'l', EVENT_LIST },
    { 's', EVENT_SET }, { 'h', EVENT_HASH }, { 'z', EVENT_ZSET },
    { 'x', EVENT_EXPIRED }, { 'e', EVENT_EVICTED }, { 't', EVENT_STREAM },
    { 'd', OPTION_EVENT_MODULE }, { 'n', EVENT_NEW },
    { 'K', EVENT_TO_KEYSPACE }, { 'E', EVENT_TO_KEYEVENT },
    { 'm', EVENT_MISS }, { 'A', OPTION_EVENTS_ALL }
};

static const char *const option_class_text[OPTION_CLASS_COUNT] = {
    [OPTION_CLASS_NORMAL] = "normal",
    [OPTION_CLASS_REPLICA] = "replica",
    [OPTION_CLASS_PUBSUB] = "pubsub"
};

/* Is c one of the bytes that separate words? */
static inline bool option_is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str option__trim(struct str s) {
    while (s.n > 0 && option_is_blank(s.p[0])) s = str_of(s.p + 1, s.n - 1);
    while (s.n > 0 && option_is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

/* Take the part of *rest before the next sep, trimmed.  False: no more. */
static bool option__part(struct str *rest, char sep, struct str *part) {
    size_t i = 0;

    if (rest->n == 0) return false;
    while (i < rest->n && rest->p[i] != sep) i++;
    *part = option__trim(str_of(rest->p, i));
    if (i < rest->n) i++;
    *rest = str_of(rest->p + i, rest->n - i);
    return true;
}

/* Take the next word of *rest, after any blanks. */
static bool option__word(struct str *rest, struct str *word) {
    while (option__part(rest, ' ', word))
        if (word->n > 0) return true;
    return false;
}

/* Where is c in s, or s.n.  The last one if from the end. */
static size_t option__at(struct str s, char c, bool from_end) {
    size_t found = s.n;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != c) continue;
        found = i;
        if (!from_end) break;
    }
    return found;
}

/* Take the next "name:value" of a list such as ns-eviction.  Returns false
 * at the end of the list; a part without a colon has a value of NULL. */
static bool option_pair(struct str *rest, struct str *name,
                        struct str *value) {
    struct str part;
    size_t at;

    do {
        if (!option__part(rest, ',', &part)) return false;
    } while (part.n == 0);
    at = option__at(part, ':', true);
    *name = option__trim(str_of(part.p, at));
    *value = str_of(NULL, 0);
    if (at < part.n)
        *value = option__trim(str_of(part.p + at + 1, part.n - at - 1));
    return true;
}

/* Take the next "name:password:namespace" of the option users or of a line of
 * users-file; the password is all between the first and the last colon.
 * Returns false at the end; a part with fewer colons has no name. */
static bool option_user(struct str *rest, struct str *name,
                        struct str *password, struct str *space) {
    struct str part;
    size_t a, b;

    do {
        if (!option__part(rest, ',', &part)) return false;
    } while (part.n == 0);
    a = option__at(part, ':', false);
    b = option__at(part, ':', true);
    *name = *password = *space = str_of(part.p, 0);
    if (a == b) return true;
    *name = str_of(part.p, a);
    *password = str_of(part.p + a + 1, b - a - 1);
    *space = str_of(part.p + b + 1, part.n - b - 1);
    return true;
}

static bool option__find_word(const struct option_word *words, struct str s,
                              int *value) {
    for (; words->text != NULL; words++) {
        if (!str_is(s, words->text)) continue;
        *value = words->value;
        return true;
    }
    return false;
}

/* Read the name of an eviction policy, ours or Redis'. */
static bool option_policy(struct str name, enum policy *policy) {
    int value;

    if (!option__find_word(option_words_eviction, name, &value)) return false;
    *policy = (enum policy)value;
    return true;
}

/* Append the names of all policies that are offered: "none, lru, ...". */
static void option_policies(struct buf *b) {
    for (const struct option_word *w = option_words_eviction; w->text != NULL;
         w++) {
        if (w->also) continue;
        buf_printf(b, "%s%s", w == option_words_eviction ? "" : ", ", w->text);
    }
}

/* The name of a policy: ours or, if redis, Redis' where it has one. */
static const char *option_policy_text(enum policy policy, bool redis) {
    const struct option_word *w =
        redis ? option_words_maxmemory : option_words_eviction;

    while (w->text != NULL && w->value != (int)policy) w++;
    return w->text == NULL ? "?" : w->text;
}

/* ---- text to value ------------------------------------------------------- */

static enum option_fault option__read_bool(struct str v, enum origin origin,
                                           bool *out) {
    bool yes = str_is(v, "yes"), no = str_is(v, "no");

    if (origin != ORIGIN_RUNTIME) {
        yes = yes || str_is(v, "true") || str_is(v, "on") || str_is(v, "1");
        no = no || str_is(v, "false") || str_is(v, "off") || str_is(v, "0");
    }
    if (!yes && !no) return OPTION_NOT_BOOL;
    *out = yes;
    return OPTION_FINE;
}

static enum option_fault option__read_int(const struct option *row,
                                          struct str v, int64_t *out) {
    int64_t n;

    if (!num_parse_int(v, &n)) return OPTION_NOT_INT;
    if ((row->flags & OPT_CLAMP) != 0) {
        if (n < row->min) n = row->min;
        if (n > row->max) n = row->max;
    }
    if (n < row->min || n > row->max) return OPTION_OUT_OF_RANGE;
    *out = n;
    return OPTION_FINE;
}

static enum option_fault option__read_octal(const struct option *row,
                                            struct str v, int64_t *out) {
    int64_t n = 0;

    if (v.n == 0) return OPTION_NOT_INT;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '7') return OPTION_NOT_INT;
        n = n * 8 + (v.p[i] - '0');
        if (n > row->max) return OPTION_OUT_OF_RANGE;
    }
    *out = n;
    return OPTION_FINE;
}

static enum option_fault option__read_size(const struct option *row,
                                           struct str v, uint64_t *out) {
    uint64_t n;

    if (!num_parse_size(v, &n)) return OPTION_NOT_SIZE;
    if (n < (uint64_t)row->min || n > (uint64_t)row->max)
        return OPTION_OUT_OF_RANGE;
    *out = n;
    return OPTION_FINE;
}

static enum option_fault option__read_double(const struct option *row,
                                             struct str v, double *out) {
    double d;

    if (!num_parse_double(v, &d)) return OPTION_NOT_ALLOWED;
    if (!(d >= (double)row->min && d <= (double)row->max))
        return OPTION_NOT_ALLOWED;
    *out = d;
    return OPTION_FINE;
}

static enum option_fault option__read_hosts(struct str v,
                                            struct option_hosts *out) {
    struct str words[OPTION_HOSTS], word;
    struct option_hosts h = { 0, { { NULL, 0 } } };
    int n = 0;

    while (option__word(&v, &word)) {
        if (n == OPTION_HOSTS) return OPTION_TOO_MANY_HOSTS;
        words[n++] = word;
    }
    for (h.n = 0; h.n < n; h.n++)
        if (!options_put_string(&h.at[h.n], words[h.n], STR(""))) break;
    if (h.n < n) {
        while (h.n > 0) options_put_string(&h.at[--h.n], STR(""), STR(""));
        return OPTION_NO_MEMORY;
    }
    for (int i = 0; i < OPTION_HOSTS; i++)
        options_put_string(&out->at[i], STR(""), STR(""));
    *out = h;
    return OPTION_FINE;
}

static enum option_fault option__read_interval(const struct option *row,
                                               struct str v,
                                               struct option_saves *out) {
    int64_t n;
    enum option_fault fault = option__read_int(row, v, &n);

    if (fault != OPTION_FINE) return fault;
    out->n = n > 0;
    out->at[0].seconds = n;
    out->at[0].changes = 1;
    out->interval = n;
    out->at_exit = true;
    out->by_interval = true;
    return OPTION_FINE;
}

/* Rules, or nothing for none at all.  With more they join those there are. */
static enum option_fault option__read_save(struct str v, bool more,
                                           struct option_saves *out) {
    struct option_saves s = *out;
    struct str seconds, changes;

    if (!more) s.n = 0;
    s.by_interval = false;
    if (option__trim(v).n == 0) s.n = 0;
    while (option__word(&v, &seconds)) {
        struct option_save rule;

        if (!option__word(&v, &changes)) return OPTION_BAD_SAVE;
        if (!num_parse_int(seconds, &rule.seconds)) return OPTION_BAD_SAVE;
        if (!num_parse_int(changes, &rule.changes)) return OPTION_BAD_SAVE;
        if (rule.seconds < 1 || rule.changes < 0) return OPTION_BAD_SAVE;
        if (s.n == OPTION_SAVES) return OPTION_BAD_SAVE;
        s.at[s.n++] = rule;
    }
    s.at_exit = s.n > 0;
    *out = s;
    return OPTION_FINE;
}

static bool option__find_class(struct str s, int *class) {
    for (int i = 0; i < OPTION_CLASS_COUNT; i++)
        if (str_is(s, option_class_text[*class = i])) return true;
    *class = OPTION_CLASS_REPLICA;
    return str_is(s, "slave");
}

/* Any number of "class hard soft seconds"; the other classes stay. */
static enum option_fault option__read_output(struct str v,
                                             struct option_output *out) {
    struct option_output limits[OPTION_CLASS_COUNT];
    struct str rest = v, word[4];
    int n = 0, class;

    while (option__word(&rest, &word[0])) n++;
    if (n % 4 != 0) return OPTION_BAD_OUTPUT_COUNT;
    memcpy(limits, out, sizeof limits);
    for (; n > 0; n -= 4) {
        struct option_output o;

        for (int i = 0; i < 4; i++) option__word(&v, &word[i]);
        if (!option__find_class(word[0], &class))
            return OPTION_BAD_OUTPUT_CLASS;
        if (!num_parse_size(word[1], &o.hard)
            || !num_parse_size(word[2], &o.soft)
            || !num_parse_int(word[3], &o.seconds) || o.seconds < 0)
            return OPTION_BAD_OUTPUT_NUMBER;
        limits[class] = o;
    }
    memcpy(out, limits, sizeof limits);
    return OPTION_FINE;
}

static enum option_fault option__read_notify(struct str v, int *out) {
    int bits = 0;

    for (size_t i = 0; i < v.n; i++) {
        size_t j = 0;

        while (j < ROWS(option_events)
               && option_events[j].letter != v.p[i])
            j++;
        if (j == ROWS(option_events)) return OPTION_BAD_EVENT;
        bits |= option_events[j].bits;
    }
    *out = bits;
    return OPTION_FINE;
}

static enum option_fault option__read_percents(struct str v,
                                               struct option_percents *out) {
    struct option_percents p = { 0, { 0 } };
    struct str word;

    while (option__word(&v, &word)) {
        double d;

        if (p.n == OPTION_PERCENTS || !num_parse_double(word, &d))
            return OPTION_BAD_PERCENT;
        if (!(d >= 0 && d <= 100)) return OPTION_BAD_PERCENT_RANGE;
        p.at[p.n++] = d;
    }
    *out = p;
    return OPTION_FINE;
}

/* Are the parts of a list as the row's type wants them? */
static bool option__list_is_good(const struct option *row, struct str v) {
    struct str name, value, password;
    uint64_t bytes;
    enum policy policy;

    if (row->type == OPT_USERS) {
        while (option_user(&v, &name, &password, &value))
            if (name.n == 0) return false;
        return true;
    }
    while (option_pair(&v, &name, &value)) {
        if (value.p == NULL || option__at(name, '/', false) < name.n)
            return false;
        if (row->type == OPT_POLICIES && !option_policy(value, &policy))
            return false;
        if (row->type == OPT_LIMITS && !str_is(value, "none")
            && !num_parse_size(value, &bytes))
            return false;
    }
    return true;
}

/* Take the next pair off what rename-command holds; an empty new name: it is
 * to be gone.  False: no more. */
static bool option_rename(struct str *rest, struct str *old,
                          struct str *new) {
    if (!option__word(rest, old) || !option__word(rest, new)) return false;
    if (str_is(*new, "\"\"")) new->n = 0;
    return true;
}

/* Pairs of names; with more they join those there are. */
static enum option_fault option__read_renames(struct str v, bool more,
                                              struct str *out) {
    struct str rest = v, word, joined = STR("");
    bool ok;
    int n = 0;

    while (option__word(&rest, &word)) n++;
    if (n % 2 != 0) return OPTION_NOT_ALLOWED;
    if (!more || n == 0)
        return options_put_string(out, v, STR("")) ? OPTION_FINE :
                                                     OPTION_NO_MEMORY;
    ok = options_put_string(&joined, *out, STR(" "))
        && options_put_string(out, joined, v);
    options_put_string(&joined, STR(""), STR(""));
    return ok ? OPTION_FINE : OPTION_NO_MEMORY;
}

/* How many bytes of a path are its directory, the last '/' included? */
static size_t option__dir_len(struct str path) {
    size_t at = option__at(path, '/', true);

    return at == path.n ? 0 : at + 1;
}

/* Change the directory of a path, or its last part. */
static enum option_fault option__read_part(const struct option *row,
                                           struct str v, struct str *path) {
    size_t at = option__dir_len(*path);
    struct str dir = str_of(path->p, at);
    struct str file = str_of(path->p + at, path->n - at);
    struct str joined = STR("");
    bool ok;

    if (v.n == 0) return OPTION_NOT_ALLOWED;
    if (row->type == OPT_FILE) {
        if (option__at(v, '/', false) < v.n) return OPTION_NOT_ALLOWED;
        return options_put_string(path, dir, v) ? OPTION_FINE
                                                : OPTION_NO_MEMORY;
    }
    if (file.n == 0) file = STR("dump.rdb");
    ok = options_put_string(&joined, v,
                            v.p[v.n - 1] == '/' ? STR("") : STR("/"))
        && options_put_string(path, joined, file);
    options_put_string(&joined, STR(""), STR(""));
    return ok ? OPTION_FINE : OPTION_NO_MEMORY;
}

/* Read a value into the row's member. */
static enum option_fault option__read(struct options *o,
                                      const struct option *row,
                                      struct str v, enum origin origin) {
    void *m = options_member(o, row);
    bool more = options_origin(o, row) == origin
        && options_by(o, row) == row && origin != ORIGIN_RUNTIME
        && origin != ORIGIN_DEFAULT;

    switch ((enum option_type)row->type) {
    case OPT_BOOL: return option__read_bool(v, origin, m);
    case OPT_DOUBLE: return option__read_double(row, v, m);
    case OPT_ENUM:
        return option__find_word(row->words, v, m) ? OPTION_FINE
                                                   : OPTION_NOT_WORD;
    case OPT_FIXED: return OPTION_FINE;
    case OPT_INT: return option__read_int(row, v, m);
    case OPT_OCTAL: return option__read_octal(row, v, m);
    case OPT_SIZE: return option__read_size(row, v, m);
    case OPT_LOG:
        return log_parse_level(v, m) ? OPTION_FINE : OPTION_NOT_ALLOWED;
    case OPT_HOSTS: return option__read_hosts(v, m);
    case OPT_INTERVAL: return option__read_interval(row, v, m);
    case OPT_SAVE: return option__read_save(v, more, m);
    case OPT_OUTPUT: return option__read_output(v, m);
    case OPT_NOTIFY: return option__read_notify(v, m);
    case OPT_PERCENTS: return option__read_percents(v, m);
    case OPT_DIR:
    case OPT_FILE: return option__read_part(row, v, m);
    case OPT_POLICIES:
    case OPT_LIMITS:
    case OPT_USERS:
        if (!option__list_is_good(row, v)) return OPTION_NOT_ALLOWED;
        break;
    case OPT_RENAMES: return option__read_renames(v, more, m);
    case OPT_STRING: break;
    }
    return options_put_string(m, v, STR("")) ? OPTION_FINE
                                             : OPTION_NO_MEMORY;
}

/* ---- value to text ------------------------------------------------------- */

static void option__put(struct buf *out, const char *s) {
    buf_put(out, s, strlen(s));
}

/* Bytes, with the largest unit that leaves a whole number if units. */
static void option__put_size(struct buf *out, uint64_t n, bool units) {
    const char *unit = "";

    if (units && n != 0 && n % 1024 == 0) {
        if (n % (1 << 30) == 0) n >>= 30, unit = "gb";
        else if (n % (1 << 20) == 0) n >>= 20, unit = "mb";
        else n >>= 10, unit = "kb";
    }
    buf_printf(out, "%" PRIu64 "%s", n, unit);
}

static void option__put_saves(struct buf *out, const struct option_saves *s) {
    for (int i = 0; i < s->n; i++)
        buf_printf(out, "%s%" PRId64 " %" PRId64, i == 0 ? "" : " ",
                   s->at[i].seconds, s->at[i].changes);
}

static void option__put_outputs(struct buf *out,
                                const struct option_output *o, bool units) {
    for (int i = 0; i < OPTION_CLASS_COUNT; i++) {
        bool slave = i == OPTION_CLASS_REPLICA && !units;

        buf_printf(out, "%s%s ", i == 0 ? "" : " ",
                   slave ? "slave" : option_class_text[i]);
        option__put_size(out, o[i].hard, units);
        option__put(out, " ");
        option__put_size(out, o[i].soft, units);
        buf_printf(out, " %" PRId64, o[i].seconds);
    }
}

/* Redis 7.0 prints A alone for it and n together; so do we. */
static void option__put_events(struct buf *out, int bits) {
    if ((bits & OPTION_EVENTS_ALL) == OPTION_EVENTS_ALL) {
        option__put(out, "A");
        bits &= ~(OPTION_EVENTS_ALL | EVENT_NEW);
    }
    for (size_t i = 0; i < ROWS(option_events); i++)
        if (option_events[i].letter != 'A'
            && (bits & option_events[i].bits) != 0)
            buf_put_char(out, option_events[i].letter);
}

/* The directory of a path, as it is seen from everywhere. */
static void option__put_dir(struct buf *out, struct str path) {
    size_t n = option__dir_len(path);
    char here[4096];

    if (n > 0 && path.p[0] == '/') {
        buf_put(out, path.p, n > 1 ? n - 1 : 1);
        return;
    }
    option__put(out, getcwd(here, sizeof here) == NULL ? "." : here);
    if (n == 0) return;
    option__put(out, "/");
    buf_put(out, path.p, n - 1);
}

static void option__put_word(struct buf *out, const struct option *row,
                             int value) {
    const struct option_word *w =
        row->type == OPT_LOG ? option_words_log : row->words;

    while (w->text != NULL && w->value != value) w++;
    option__put(out, w->text == NULL ? "?" : w->text);
}

/* Add the row's value to out; sizes with a unit if units. */
static void option__write(const struct options *o, const struct option *row,
                          bool units, struct buf *out) {
    const void *m = options_lend(o, row);
    const struct option_saves *saves = m;
    const struct option_hosts *hosts = m;
    const struct option_percents *percents = m;
    const struct str *s = m;

    switch ((enum option_type)row->type) {
    case OPT_BOOL: option__put(out, *(const bool *)m ? "yes" : "no"); return;
    case OPT_DOUBLE: buf_printf(out, "%.15g", *(const double *)m); return;
    case OPT_LOG:
    case OPT_ENUM: option__put_word(out, row, *(const int *)m); return;
    case OPT_FIXED: option__put(out, row->text); return;
    case OPT_INT: buf_printf(out, "%" PRId64, *(const int64_t *)m); return;
    case OPT_OCTAL:
        buf_printf(out, "%o", (unsigned)*(const int64_t *)m);
        return;
    case OPT_SIZE:
        option__put_size(out, *(const uint64_t *)m, units);
        return;
    case OPT_HOSTS:
        for (int i = 0; i < hosts->n; i++) {
            if (i > 0) option__put(out, " ");
            buf_put(out, hosts->at[i].p, hosts->at[i].n);
        }
        return;
    case OPT_INTERVAL: buf_printf(out, "%" PRId64, saves->interval); return;
    case OPT_SAVE:
        /* Nothing is ever saved while there is no path. */
        if (saves->by_interval && o->persist_path.n == 0) return;
        option__put_saves(out, saves);
        return;
    case OPT_OUTPUT: option__put_outputs(out, m, units); return;
    case OPT_NOTIFY: option__put_events(out, *(const int *)m); return;
    case OPT_PERCENTS:
        for (int i = 0; i < percents->n; i++)
            buf_printf(out, "%s%.15g", i == 0 ? "" : " ", percents->at[i]);
        return;
    case OPT_DIR: option__put_dir(out, *s); return;
    case OPT_FILE: {
        size_t at = option__dir_len(*s);

        buf_put(out, s->p + at, s->n - at);
        return;
    }
    case OPT_STRING:
    case OPT_POLICIES:
    case OPT_LIMITS:
    case OPT_RENAMES:
    case OPT_USERS: buf_put(out, s->p, s->n); return;
    }
}

/* Add the value of a row to out as CONFIG GET shows it, secrets too. */
static void option_get(const struct options *o, const struct option *row,
                       struct buf *out) {
    option__write(o, row, false, out);
}

/* The same as people write it: 100mb. */
static void option_get_brief(const struct options *o,
                             const struct option *row, struct buf *out) {
    option__write(o, row, true, out);
}

/* ---- what may be set, and what to say if it was not ---------------------- */

/* Add the words that are offered for an enum. */
static size_t option__list_words(const struct option_word *words, char *to,
                                 size_t room) {
    size_t n = 0;

    to[0] = '\0';
    for (; words->text != NULL; words++) {
        if (words->also || n >= room) continue;
        n += (size_t)snprintf(to + n, room - n, "%s%s", n == 0 ? "" : ", ",
                              words->text);
    }
    return n;
}

/* Write a bound, sizes with a unit: 1048576 as 1mb. */
static void option__bound(const struct option *row, int64_t v, char *to,
                          size_t room) {
    const char *unit = "";

    if (row->type == OPT_SIZE && v >= 1024 && v % 1024 == 0) {
        if (v % (1 << 30) == 0) v >>= 30, unit = "gb";
        else if (v % (1 << 20) == 0) v >>= 20, unit = "mb";
        else v >>= 10, unit = "kb";
    }
    snprintf(to, room, "%" PRId64 "%s", v, unit);
}

/* Say in to[0..room) what values the row allows. */
static void option_expected(const struct option *row, char *to, size_t room) {
    const char *what = row->type == OPT_SIZE ? "bytes such as 64kb or 100mb"
                                             : "a whole number";
    char low[32], high[32], list[OPTION_ERR];

    switch ((enum option_type)row->type) {
    case OPT_BOOL: snprintf(to, room, "yes or no"); return;
    case OPT_INT:
    case OPT_SIZE:
        option__bound(row, row->min, low, sizeof low);
        option__bound(row, row->max, high, sizeof high);
        if (row->max == INT64_MAX && row->min <= 0)
            snprintf(to, room, "%s%s", what,
                     row->min == 0 ? "" : ", at least -1");
        else if (row->max == INT64_MAX)
            snprintf(to, room, "%s, at least %s", what, low);
        else
            snprintf(to, room, "%s from %s to %s", what, low, high);
        return;
    case OPT_DOUBLE:
        snprintf(to, room, "a number from %" PRId64 " to %" PRId64, row->min,
                 row->max);
        return;
    case OPT_ENUM:
        option__list_words(row->words, list, sizeof list);
        snprintf(to, room, "one of %.200s", list);
        return;
    case OPT_OCTAL: snprintf(to, room, "an octal mode up to 777"); return;
    case OPT_LOG:
        option__list_words(option_words_log, list, sizeof list);
        snprintf(to, room, "one of %.200s, or kvns=LEVEL", list);
        return;
    case OPT_HOSTS: snprintf(to, room, "up to 16 addresses"); return;
    case OPT_INTERVAL: snprintf(to, room, "seconds"); return;
    case OPT_SAVE:
        snprintf(to, room, "pairs of seconds and changes, such as 300 100");
        return;
    case OPT_OUTPUT:
        snprintf(to, room, "normal, replica or pubsub, hard limit, soft "
                           "limit, seconds");
        return;
    case OPT_NOTIFY: snprintf(to, room, "letters of Ag$lshzxeKEtmdn"); return;
    case OPT_PERCENTS:
        snprintf(to, room, "up to 16 numbers from 0 to 100");
        return;
    case OPT_POLICIES:
        option__list_words(option_words_eviction, list, sizeof list);
        snprintf(to, room, "namespace:policy,... with policies %.200s",
                 list);
        return;
    case OPT_LIMITS: snprintf(to, room, "namespace:bytes,..."); return;
    case OPT_USERS: snprintf(to, room, "name:password:namespace,..."); return;
    case OPT_RENAMES:
        snprintf(to, room, "pairs of a command and its new name");
        return;
    case OPT_FILE: snprintf(to, room, "a file name without /"); return;
    case OPT_DIR: snprintf(to, room, "a directory"); return;
    case OPT_STRING: snprintf(to, room, "text"); return;
    case OPT_FIXED: snprintf(to, room, "ignored"); return;
    }
}

/* Show a value within a message: cut, and nothing that moves the cursor. */
static void option_show(struct str v, char *to, size_t room) {
    size_t n = size_min(v.n, room - 4);

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)v.p[i];

        to[i] = c < 32 || c == 127 ? ' ' : v.p[i];
    }
    snprintf(to + n, room - n, "%s", n < v.n ? "..." : "");
}

/* Put a fault into words for whoever gave the value. */
static COLD void option__explain(const struct option *row, struct str v,
                                 enum option_fault fault, enum origin origin,
                                 char err[OPTION_ERR]) {
    char expected[OPTION_ERR], given[64];

    if (fault == OPTION_ABSENT) {
        snprintf(err, OPTION_ERR, "%s", row->help);
    } else if (origin == ORIGIN_RUNTIME && fault == OPTION_OUT_OF_RANGE) {
        snprintf(err, OPTION_ERR,
                 "argument must be between %" PRId64 " and %" PRId64
                 " inclusive", row->min, row->max);
    } else if (origin == ORIGIN_RUNTIME && fault == OPTION_NOT_WORD) {
        option__list_words(row->words, expected, sizeof expected);
        snprintf(err, OPTION_ERR,
                 "argument(s) must be one of the following: %.200s", expected);
    } else if (origin == ORIGIN_RUNTIME && option_fault_text[fault] != NULL) {
        snprintf(err, OPTION_ERR, "%s", option_fault_text[fault]);
    } else if (fault == OPTION_NO_MEMORY) {
        snprintf(err, OPTION_ERR, "out of memory");
    } else {
        option_expected(row, expected, sizeof expected);
        option_show(v, given, sizeof given);
        if ((row->flags & OPT_SECRET) != 0)
            snprintf(given, sizeof given, "(hidden)");
        if (origin == ORIGIN_RUNTIME)
            snprintf(err, OPTION_ERR, "argument must be %.200s", expected);
        else
            snprintf(err, OPTION_ERR, "'%s' given, expected %.170s", given,
                     expected);
    }
}

/* May CONFIG SET touch the row at all? */
static enum option_fault option__settable(const struct option *row) {
    if ((row->flags & OPT_PATH) != 0) return OPTION_PROTECTED;
    if ((row->flags & OPT_RUNTIME) == 0) return OPTION_IMMUTABLE;
    return OPTION_FINE;
}

/* Is v what a fixed row says anyway, or Redis' default, which nobody chose?
 * Sizes may be written in any way. */
static bool option_is_idle(const struct option *row, struct str v) {
    const char *texts[2] = { row->text, row->redis };

    for (int i = 0; i < 2; i++) {
        uint64_t a, b;

        if (texts[i] == NULL) continue;
        if (options__same(texts[i], v, false)) return true;
        if (num_parse_size(str_c(texts[i]), &a) && num_parse_size(v, &b)
            && a == b)
            return true;
    }
    return false;
}

static void option__defaults(struct options *o);

/* Is v of the kind that a fixed row's value is of?  Who mistypes is told of
 * that, even where it makes no difference. */
static enum option_fault option__kind(const struct option *row, struct str v) {
    int64_t is, n;
    uint64_t size;

    if (options__same("yes", str_c(row->text), false) ||
        options__same("no", str_c(row->text), false)) {
        if ((row->flags & OPT_WORDS) != 0) return OPTION_FINE;
        return options__same("yes", v, false) || options__same("no", v, false) ?
               OPTION_FINE : OPTION_NOT_BOOL;
    }
    if (!num_parse_int(str_c(row->text), &is)) return OPTION_FINE;
    if (num_parse_int(v, &n)) return OPTION_FINE;
    if (is < 1 << 20) return OPTION_NOT_INT;
    return num_parse_size(v, &size) ? OPTION_FINE : OPTION_NOT_SIZE;
}

/* Set a row's member from text, or say in err why not and change nothing; err
 * does not name the option.  A fixed row takes anything at the start and
 * keeps its own value. */
static bool option_put(struct options *o, const struct option *row,
                       struct str v, enum origin origin,
                       char err[OPTION_ERR]) {
    enum option_fault fault = OPTION_FINE;

    if (origin == ORIGIN_RUNTIME) fault = option__settable(row);
    else if (row->type != OPT_STRING) v = option__trim(v);
    if (fault == OPTION_FINE && row->type == OPT_FIXED) {
        if (origin == ORIGIN_RUNTIME && (row->flags & OPT_HARMLESS) == 0
            && !str_eq(v, str_c(row->text)))
            fault = OPTION_ABSENT;
        if (fault == OPTION_FINE && origin == ORIGIN_RUNTIME)
            fault = option__kind(row, v);
        if (fault == OPTION_FINE) return true;
    }
    if (fault == OPTION_FINE) fault = option__read(o, row, v, origin);
    if (fault != OPTION_FINE) {
        option__explain(row, v, fault, origin, err);
        return false;
    }
    options_mark(o, row, origin);
    if (row->at == offsetof(struct options, redis)) option__defaults(o);
    return true;
}

/* Give all that has not been set its default, by Redis' or our idea. */
static void option__defaults(struct options *o) {
    char err[OPTION_ERR];

    for (size_t i = 0; i < ROWS(option_rows); i++) {
        const struct option *row = &option_rows[i];
        bool view = (row->flags & OPT_VIEW) != 0;

        if (row->type == OPT_FIXED || options_origin(o, row) != ORIGIN_DEFAULT
            || row->at == offsetof(struct options, redis))
            continue;
        /* Of two ways to write a default only one is wanted. */
        if (view && (row->type != OPT_SAVE || !o->redis)) continue;
        if (option_put(o, row, str_c(options_default(o, row)),
                       ORIGIN_DEFAULT, err))
            continue;
        if (strcmp(err, option_fault_text[OPTION_NO_MEMORY]) == 0)
            base_no_memory();
        base_fail(err, __FILE__, __LINE__);
    }
}

/* Fill o with the defaults, Redis' if redis. */
static void options_init(struct options *o, bool redis) {
    memset(o, 0, sizeof *o);
    o->redis = redis;
    option__defaults(o);
}

/* Set what is called name, by us or by Redis.  Otherwise as option_put, but
 * err names the option: one line, what was given, what is allowed. */
static bool option_set(struct options *o, struct str name, struct str value,
                       enum origin origin, char err[OPTION_ERR]) {
    const struct option *row = options_find(name, false);
    char shown[64], why[OPTION_ERR];

    option_show(name, shown, sizeof shown);
    if (row == NULL) {
        snprintf(err, OPTION_ERR, "there is no option '%s'", shown);
        return false;
    }
    if (option_put(o, row, value, origin, why)) return true;
    snprintf(err, OPTION_ERR, "%s: %.180s", shown, why);
    return false;
}

/* CONFIG SET: set all of n pairs of name and value, or none.  err takes the
 * whole error reply. */
static bool options_change(struct options *o, size_t n,
                           const struct str *pairs, char *err, size_t room) {
    struct options next;
    char why[OPTION_ERR], name[128];
    bool ok = true;

    why[0] = '\0';
    for (size_t i = 0; ok && i < n; i++) {
        const struct option *row = options_find(pairs[2 * i], false);
        enum option_fault fault;

        option_show(pairs[2 * i], name, sizeof name);
        if (row == NULL || (row->flags & OPT_HIDDEN) != 0) {
            snprintf(err, room, "ERR Unknown option or number of arguments "
                                "for CONFIG SET - '%s'", name);
            return false;
        }
        fault = option__settable(row);
        if (fault != OPTION_FINE) {
            snprintf(why, sizeof why, "%s", option_fault_text[fault]);
            ok = false;
        }
        for (size_t j = 0; ok && j < i; j++) {
            if (options_find(pairs[2 * j], false) != row) continue;
            snprintf(why, sizeof why, "duplicate parameter");
            ok = false;
        }
    }
    if (ok && !options_copy(&next, o)) {
        snprintf(err, room, "ERR CONFIG SET failed - out of memory");
        return false;
    }
    if (ok) {
        for (size_t i = 0; ok && i < n; i++) {
            option_show(pairs[2 * i], name, sizeof name);
            ok = option_put(&next, options_find(pairs[2 * i], false),
                            pairs[2 * i + 1], ORIGIN_RUNTIME, why);
        }
        options_free(ok ? o : &next);
        if (ok) *o = next;
    }
    if (!ok)
        snprintf(err, room, "ERR CONFIG SET failed (possibly related to "
                            "argument '%s') - %s", name, why);
    return ok;
}
