/* SPDX-License-Identifier: MIT */
/* ==== commandcmd - COMMAND =================================================
 *
 * What there is to say of commands, out of their rows and of facts.
 *
 * floor 6 - uses: base num glob reply instance arg help usage facts
 */

/* ---- rows and facts ------------------------------------------------------ */

/* Find the row of a name, "get" or "config|get", or NULL. */
static const struct command *command_find(const struct kvns *k,
                                          struct str name) {
    const char *bar = memchr(name.p, '|', name.n);
    size_t n = bar == NULL ? name.n : (size_t)(bar - name.p);
    const struct command *row = row_find(k, str_of(name.p, n));

    if (row == NULL || bar == NULL) return row;
    return row_find_sub(k, row, str_of(bar + 1, name.n - n - 1));
}

static inline bool command_is_sub(const struct command *row) {
    return (row->flags & SUBCOMMAND) != 0;
}

/* The row after the last subcommand of a container. */
static const struct command *command__end(const struct kvns *k,
                                          const struct command *row) {
    const struct command *end = k->rows + k->nrows, *at = row + 1;
    size_t n = strlen(row->name);

    while (at < end && strncmp(at->name, row->name, n) == 0 &&
           at->name[n] == '|')
        at++;
    return at;
}

/* A name as it stands in facts. */
struct command_word {
    char text[72];
};

static struct command_word command__word(const struct command *row) {
    struct command_word w;

    snprintf(w.text, sizeof w.text, " %s ", row->name);
    return w;
}

/* Does a fact hold for a command? */
static inline bool command__has(const struct fact *f,
                                const struct command_word *w) {
    return strstr(f->names, w->text) != NULL;
}

static const char *const command_groups[GROUP_COMMANDS_COUNT][2] = {
    [GROUP_CONNECTION_COMMANDS] = { "connection", "connection" },
    [GROUP_STRING] = { "string", "string" },
    [GROUP_KEY] = { "generic", "keyspace" },
    [GROUP_LIST] = { "list", "list" },
    [GROUP_HASH] = { "hash", "hash" },
    [GROUP_SET] = { "set", "set" },
    [GROUP_ZSET] = { "sorted-set", "sortedset" },
    [GROUP_STREAM] = { "stream", "stream" },
    [GROUP_BIT] = { "bitmap", "bitmap" },
    [GROUP_HLL] = { "hyperloglog", "hyperloglog" },
    [GROUP_GEO] = { "geo", "geo" },
    [GROUP_TX] = { "transactions", "transaction" },
    [GROUP_PUBSUB] = { "pubsub", "pubsub" },
    [GROUP_SERVER_COMMANDS] = { "server", NULL },
    [GROUP_CLUSTER] = { "cluster", NULL },
    [GROUP_NAMESPACE] = { "namespace", NULL },
};

static const struct {
    uint32_t flag;
    const char *name;
} command_flags[] = {
    { WRITE, "write" }, { READONLY, "readonly" }, { GROWS, "denyoom" },
    { ADMIN, "admin" }, { PUBSUB, "pubsub" }, { NOSCRIPT, "noscript" },
    { BLOCKING, "blocking" }, { LOADING, "loading" }, { STALE, "stale" },
    { FAST, "fast" }, { NO_AUTH, "no_auth" }, { NO_MULTI, "no_multi" },
    { MOVABLE, "movablekeys" },
};

/* All categories, in Redis' order. */
static const char *const command_categories[] = {
    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string",
    "bitmap", "hyperloglog", "geo", "stream", "pubsub", "admin", "fast",
    "slow", "blocking", "dangerous", "connection", "transaction", "scripting"
};

/* The bit of a category, or 0. */
static uint32_t command_category(struct str name) {
    for (size_t i = 0; i < ROWS(command_categories); i++)
        if (str_is(name, command_categories[i])) return UINT32_C(1) << i;
    return 0;
}

/* The categories of a command, as bits. */
static uint32_t command_categories_of(const struct command *row) {
    static const struct {
        uint32_t flag;
        const char *name;
    } rows[] = {
        { READONLY, "read" }, { WRITE, "write" }, { ADMIN, "admin" },
        { ADMIN, "dangerous" }, { PUBSUB, "pubsub" },
        { BLOCKING, "blocking" },
    };
    const char *own = command_groups[row->group][1];
    struct command_word w = command__word(row);
    uint32_t set = command_category((row->flags & FAST) != 0 ? STR("fast") :
                                                               STR("slow"));

    if (own != NULL) set |= command_category(str_c(own));
    for (size_t i = 0; i < ROWS(rows); i++)
        if ((row->flags & rows[i].flag) != 0)
            set |= command_category(str_c(rows[i].name));
    for (size_t i = 0; i < ROWS(fact_categories); i++) {
        const char *name = fact_categories[i].text;

        if (!command__has(fact_categories + i, &w)) continue;
        if (*name == '-') set &= ~command_category(str_c(name + 1));
        else set |= command_category(str_c(name));
    }
    return set;
}

/* ---- where keys are ------------------------------------------------------ */

struct command_keys {
    bool unknown;               /* to be told as unknown */
    struct str word;            /* n 0: begins at index */
    int index;                  /* or from where the word is looked for */
    bool counted;               /* a count, then keys */
    int last, step, limit;      /* counted: index of count, of keys, step */
    struct str flags;
};

static int command__number(const char **p) {
    int sign = **p == '-' ? -1 : 1, v = 0;

    if (**p == '-') ++*p;
    for (; isdigit((unsigned char)**p); ++*p) v = v * 10 + (**p - '0');
    return v * sign;
}

/* Read one specification at *p, and step over it. */
static void command__spec(const char **p, struct command_keys *s) {
    const char *end;

    memset(s, 0, sizeof *s);
    if (**p == '?') {
        s->unknown = true;
        ++*p;
    }
    if (isupper((unsigned char)**p)) {
        end = strchr(*p, ',');
        s->word = str_of(*p, (size_t)(end - *p));
        *p = end + 1;
    }
    if (**p != ' ') {
        s->index = command__number(p);
        s->counted = *(*p)++ == '#';
        s->last = command__number(p);
        ++*p;
        s->step = command__number(p);
        ++*p;
        s->limit = command__number(p);
    } else {
        s->unknown = true;
    }
    ++*p;
    end = strchr(*p, ';');
    if (end == NULL) end = *p + strlen(*p);
    s->flags = str_of(*p, (size_t)(end - *p));
    *p = *end == ';' ? end + 1 : end;
}

/* The specifications of a command: from facts, or what its row says.  Writes
 * into made if need be; NULL: it has no keys. */
static const char *command__specs(const struct command *row, char made[64]) {
    struct command_word w = command__word(row);

    for (size_t i = 0; i < ROWS(fact_keys); i++)
        if (command__has(fact_keys + i, &w)) return fact_keys[i].text;
    if (row->first == 0 || (row->flags & MOVABLE) != 0) return NULL;
    snprintf(made, 64, "%d:%d,%d,0 %s", row->first,
             row->last < 0 ? row->last : row->last - row->first, row->step,
             (row->flags & WRITE) != 0 ? "RW update" : "RO access");
    return made;
}

/* Answer words with blanks between them as a set of statuses. */
static void command__words(struct reply *r, struct str words) {
    size_t n = 0, mark = reply_set_later(r);

    for (size_t i = 0, j; i < words.n; i = j + 1) {
        for (j = i; j < words.n && words.p[j] != ' ';) j++;
        reply_simple(r, str_of(words.p + i, j - i));
        n++;
    }
    reply_array_set(r, mark, n);
}

static void command__pair(struct reply *r, const char *name, int64_t v) {
    reply_bulk(r, str_c(name));
    reply_int(r, v);
}

static void command__reply_spec(struct reply *r,
                                const struct command_keys *s) {
    reply_map(r, 3);
    reply_bulk(r, STR("flags"));
    command__words(r, s->flags);
    reply_bulk(r, STR("begin_search"));
    reply_map(r, 2);
    reply_bulk(r, STR("type"));
    reply_bulk(r, s->unknown ? STR("unknown") :
                  s->word.n > 0 ? STR("keyword") : STR("index"));
    reply_bulk(r, STR("spec"));
    if (s->unknown) {
        reply_map(r, 0);
    } else if (s->word.n > 0) {
        reply_map(r, 2);
        reply_bulk(r, STR("keyword"));
        reply_bulk(r, s->word);
        command__pair(r, "startfrom", s->index);
    } else {
        reply_map(r, 1);
        command__pair(r, "index", s->index);
    }
    reply_bulk(r, STR("find_keys"));
    reply_map(r, 2);
    reply_bulk(r, STR("type"));
    reply_bulk(r, s->unknown ? STR("unknown") :
                  s->counted ? STR("keynum") : STR("range"));
    reply_bulk(r, STR("spec"));
    reply_map(r, s->unknown ? 0 : 3);
    if (s->unknown) return;
    command__pair(r, s->counted ? "keynumidx" : "lastkey", s->last);
    command__pair(r, s->counted ? "firstkey" : "keystep", s->step);
    command__pair(r, s->counted ? "keystep" : "limit", s->limit);
}

/* ---- COMMAND INFO -------------------------------------------------------- */

static void command__reply_flags(struct reply *r, const struct command *row) {
    struct command_word w = command__word(row);
    size_t n = 0, mark = reply_set_later(r);

    for (size_t i = 0; i < ROWS(command_flags); i++)
        if ((row->flags & command_flags[i].flag) != 0) {
            reply_simple(r, str_c(command_flags[i].name));
            n++;
        }
    for (size_t i = 0; i < ROWS(fact_flags); i++)
        if (command__has(fact_flags + i, &w)) {
            reply_simple(r, str_c(fact_flags[i].text));
            n++;
        }
    reply_array_set(r, mark, n);
}

static void command__reply_categories(struct reply *r,
                                      const struct command *row) {
    size_t n = 0, mark = reply_set_later(r);
    uint32_t set = command_categories_of(row);
    char shown[32];

    for (size_t i = 0; i < ROWS(command_categories); i++)
        if ((set >> i & 1) != 0) {
            snprintf(shown, sizeof shown, "@%s", command_categories[i]);
            reply_simple(r, str_c(shown));
            n++;
        }
    reply_array_set(r, mark, n);
}

static void command__reply_tips(struct reply *r, const struct command *row) {
    struct command_word w = command__word(row);
    size_t n = 0, mark = reply_set_later(r);

    for (size_t i = 0; i < ROWS(fact_tips); i++) {
        struct str s = str_c(fact_tips[i].text);

        if (!command__has(fact_tips + i, &w)) continue;
        for (; s.n > 0; n++) reply_bulk(r, str_take(&s, ' '));
    }
    reply_array_set(r, mark, n);
}

static void command__reply_specs(struct reply *r, const char *specs) {
    size_t n = 0, mark = reply_set_later(r);
    struct command_keys s;

    while (specs != NULL && *specs != '\0') {
        command__spec(&specs, &s);
        command__reply_spec(r, &s);
        n++;
    }
    reply_array_set(r, mark, n);
}

static void command__reply_info(struct call *x, const struct command *row,
                                bool subs) {
    const struct command *end = command__end(x->k, row);
    int first = row->first, last = row->last, step = row->step;
    const char *specs, *at;
    struct command_keys s = { 0 };
    char made[64];

    at = specs = command__specs(row, made);
    if ((row->flags & MOVABLE) != 0) {
        first = last = step = 0;
        if (at != NULL) command__spec(&at, &s);
        if (at != NULL && s.word.n == 0 && !s.counted) {
            first = s.index;
            last = s.last < 0 ? s.last : s.index + s.last;
            step = s.step;
        }
    }
    reply_array(x->r, 10);
    reply_bulk(x->r, str_c(row->name));
    reply_int(x->r, row->arity);
    command__reply_flags(x->r, row);
    reply_int(x->r, first);
    reply_int(x->r, last);
    reply_int(x->r, step);
    command__reply_categories(x->r, row);
    command__reply_tips(x->r, row);
    command__reply_specs(x->r, specs);
    if (!subs) end = row + 1;
    reply_set(x->r, (size_t)(end - row - 1));
    for (const struct command *sub = row + 1; sub < end; sub++)
        command__reply_info(x, sub, false);
}

/* How many commands there are, subcommands not counted. */
static size_t command__count(const struct kvns *k) {
    size_t n = 0;

    for (size_t i = 0; i < k->nrows; i++) n += !command_is_sub(k->rows + i);
    return n;
}

static enum outcome cmd_command_info(struct call *x) {
    if (x->argc <= 2) {
        reply_array(x->r, command__count(x->k));
        for (size_t i = 0; i < x->k->nrows; i++)
            if (!command_is_sub(x->k->rows + i))
                command__reply_info(x, x->k->rows + i, true);
        return DONE;
    }
    reply_array(x->r, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++) {
        const struct command *row = command_find(x->k, x->argv[i]);

        if (row == NULL) reply_null(x->r);
        else command__reply_info(x, row, true);
    }
    return DONE;
}

static enum outcome cmd_command_count(struct call *x) {
    reply_int(x->r, (int64_t)command__count(x->k));
    return DONE;
}

/* ---- COMMAND DOCS -------------------------------------------------------- */

static const char *command__type_of(struct str name) {
    static const struct {
        const char *word, *type;
    } rows[] = {
        { "key", "key" }, { "newkey", "key" }, { "source", "key" },
        { "destination", "key" }, { "destkey", "key" }, { "sourcekey", "key" },
        { "pattern", "pattern" }, { "numkeys", "integer" },
        { "seconds", "integer" }, { "milliseconds", "integer" },
        { "count", "integer" }, { "index", "integer" },
        { "start", "integer" }, { "stop", "integer" }, { "end", "integer" },
        { "offset", "integer" }, { "cursor", "integer" },
        { "decrement", "integer" }, { "db", "integer" },
        { "timeout", "double" }, { "score", "double" },
        { "longitude", "double" }, { "latitude", "double" },
        { "radius", "double" }, { "weight", "double" },
        { "unix-time-seconds", "unix-time" },
        { "unix-time-milliseconds", "unix-time" },
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        if (str_is(name, rows[i].word)) return rows[i].type;
    return "string";
}

/* Answer a list of arguments; *keys counts those that are keys. */
static void command__reply_args(struct reply *r, const struct usage *u, int i,
                                int *keys) {
    static const char *const kinds[] = {
        [USAGE_FLAG] = "pure-token", [USAGE_BLOCK] = "block",
        [USAGE_ONEOF] = "oneof"
    };
    size_t n = 0, mark = reply_array_later(r);

    for (; i != 0; i = u->at[i].next, n++) {
        const struct usage_node *a = u->at + i;
        const char *type = a->kind == USAGE_VALUE ? command__type_of(a->name) :
                                                    kinds[a->kind];
        size_t fields = 2, map = reply_map_later(r);
        char name[64];
        size_t len;

        for (len = 0; a->name.p == NULL && len < a->token.n &&
             len < sizeof name; len++)
            name[len] = base_lower(a->token.p[len]);
        reply_bulk(r, STR("name"));
        reply_bulk(r, a->name.p != NULL ? a->name :
                      len > 0 ? str_of(name, len) :
                      a->kind == USAGE_ONEOF ? STR("choice") : STR("group"));
        reply_bulk(r, STR("type"));
        reply_bulk(r, str_c(type));
        if (strcmp(type, "key") == 0) {
            command__pair(r, "key_spec_index", (*keys)++);
            fields++;
        }
        if (a->token.n > 0) {
            reply_bulk(r, STR("token"));
            reply_bulk(r, a->token);
            fields++;
        }
        if (a->optional || a->multiple) {
            reply_bulk(r, STR("flags"));
            command__words(r, a->optional && a->multiple ?
                                  STR("optional multiple") :
                              a->optional ? STR("optional") :
                                            STR("multiple"));
            fields++;
        }
        if (a->child != 0) {
            reply_bulk(r, STR("arguments"));
            command__reply_args(r, u, a->child, keys);
            fields++;
        }
        reply_map_set(r, map, fields);
    }
    reply_array_set(r, mark, n);
}

static void command__reply_doc(struct call *x, const struct command *row,
                               bool subs) {
    const struct command *end = command__end(x->k, row);
    size_t n = 4, mark;
    struct usage u = { 0 };
    char since[ROW_SINCE];
    int keys = 0;

    reply_bulk(x->r, str_c(row->name));
    mark = reply_map_later(x->r);
    reply_bulk(x->r, STR("summary"));
    reply_bulk(x->r, str_c(row->summary));
    reply_bulk(x->r, STR("since"));
    reply_bulk(x->r, str_c(row_since(row, since)));
    reply_bulk(x->r, STR("group"));
    reply_bulk(x->r, str_c(command_groups[row->group][0]));
    reply_bulk(x->r, STR("complexity"));
    reply_bulk(x->r, str_c(row->cost));
    for (size_t i = 0; i < ROWS(fact_deprecated); i++) {
        if (strcmp(fact_deprecated[i].name, row->name) != 0) continue;
        reply_bulk(x->r, STR("doc_flags"));
        command__words(x->r, STR("deprecated"));
        reply_bulk(x->r, STR("deprecated_since"));
        reply_bulk(x->r, str_c(fact_deprecated[i].since));
        reply_bulk(x->r, STR("replaced_by"));
        reply_bulk(x->r, str_c(fact_deprecated[i].instead));
        n += 3;
    }
    if (row->usage[0] != '\0') {
        reply_bulk(x->r, STR("arguments"));
        command__reply_args(x->r, &u, usage_parse(&u, row->usage), &keys);
        n++;
    }
    if (subs && end > row + 1) {
        reply_bulk(x->r, STR("subcommands"));
        reply_map(x->r, (size_t)(end - row - 1));
        for (const struct command *sub = row + 1; sub < end; sub++)
            command__reply_doc(x, sub, false);
        n++;
    }
    reply_map_set(x->r, mark, n);
}

static enum outcome cmd_command_docs(struct call *x) {
    size_t n = 0, mark;

    if (x->argc == 2) {
        reply_map(x->r, command__count(x->k));
        for (size_t i = 0; i < x->k->nrows; i++)
            if (!command_is_sub(x->k->rows + i))
                command__reply_doc(x, x->k->rows + i, true);
        return DONE;
    }
    mark = reply_map_later(x->r);
    for (size_t i = 2; i < x->argc; i++) {
        const struct command *row = command_find(x->k, x->argv[i]);

        if (row == NULL) continue;
        command__reply_doc(x, row, true);
        n++;
    }
    reply_map_set(x->r, mark, n);
    return DONE;
}

/* ---- COMMAND LIST -------------------------------------------------------- */

enum command_filter { COMMAND_ALL, COMMAND_MODULE, COMMAND_CATEGORY,
                      COMMAND_PATTERN };

static bool command__passes(const struct command *row,
                            enum command_filter how, struct str what) {
    switch (how) {
    case COMMAND_ALL: return true;
    case COMMAND_MODULE: return false;
    case COMMAND_PATTERN: return glob_match(what, str_c(row->name), true);
    case COMMAND_CATEGORY:
        return (command_categories_of(row) & command_category(what)) != 0;
    }
    return false;
}

static enum outcome cmd_command_list(struct call *x) {
    enum command_filter how = COMMAND_ALL;
    size_t n = 0, mark;
    struct str what = STR("");

    if (x->argc != 2 && x->argc != 5) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 5) {
        if (!str_is(x->argv[2], "filterby")) return reply_err(x, ERR_SYNTAX);
        if (str_is(x->argv[3], "module")) how = COMMAND_MODULE;
        else if (str_is(x->argv[3], "aclcat")) how = COMMAND_CATEGORY;
        else if (str_is(x->argv[3], "pattern")) how = COMMAND_PATTERN;
        else return reply_err(x, ERR_SYNTAX);
        what = x->argv[4];
    }
    mark = how == COMMAND_ALL ? reply_set_later(x->r) :
                                reply_array_later(x->r);
    for (size_t i = 0; i < x->k->nrows; i++)
        if (command__passes(x->k->rows + i, how, what)) {
            reply_bulk(x->r, str_c(x->k->rows[i].name));
            n++;
        }
    reply_array_set(x->r, mark, n);
    return DONE;
}

/* ---- COMMAND GETKEYS ----------------------------------------------------- */

/* What a specification says of the keys of a call, looking at its options. */
static struct str command__use(const struct command *row,
                               const struct command_keys *s, size_t argc,
                               const struct str *argv) {
    bool reads = true;

    if (strcmp(row->name, "set") == 0) {
        for (size_t i = 3; i < argc; i++)
            if (str_is(argv[i], "get")) return STR("RW access update");
        return STR("OW update");
    }
    if (strcmp(row->name, "bitfield") == 0) {
        for (size_t i = 2; i < argc; i++)
            if (str_is(argv[i], "set") || str_is(argv[i], "incrby"))
                reads = false;
        return reads ? STR("RO access") : STR("RW access update");
    }
    return s->flags;
}

/* Where a specification's keys are in a call: every *step from the result on,
 * before *end.  0: nowhere. */
static size_t command__range(const struct command_keys *s, size_t argc,
                             const struct str *argv, size_t *end,
                             size_t *step) {
    size_t at = (size_t)s->index, found = 0;
    int64_t count;

    *step = 1;
    if (s->index == 0) return 0;
    if (s->word.n > 0) {
        bool last = s->word.n >= 5 && memcmp(s->word.p, "STORE", 5) == 0;

        /* of several STORE, the last one counts */
        for (; at < argc && (found == 0 || last); at++)
            if (at + 1 < argc && argv[at].n == s->word.n) {
                size_t j = 0;

                while (j < s->word.n &&
                       base_lower(argv[at].p[j]) == base_lower(s->word.p[j]))
                    j++;
                if (j == s->word.n) found = at + 1;
            }
        if (found == 0) return 0;
        at = found;
    }
    if (s->counted) {
        if (at >= argc || !num_parse_int(argv[at], &count) || count < 1 ||
            (uint64_t)count > argc - at - 1)
            return 0;
        *end = at + 1 + (size_t)count;
        return at + 1;
    }
    *step = (size_t)s->step;
    if (s->last >= 0) *end = at + (size_t)s->last + 1;
    else *end = argc + (size_t)(ptrdiff_t)s->last + 1;
    if (s->limit > 1) *end = at + (argc - at) / (size_t)s->limit;
    if (at >= argc || *end > argc || *end <= at) return 0;
    return at;
}

static enum outcome command__getkeys(struct call *x, bool flags) {
    const struct str *argv = x->argv + 2;
    size_t argc = x->argc - 2, n = 0, mark;
    const struct command *row = command_find(x->k, argv[0]);
    char made[64], name[64];
    const char *specs;
    struct command_keys s;
    bool ok = true;

    if (row != NULL && (row->flags & CONTAINER) != 0 && argc > 1) {
        snprintf(name, sizeof name, "%s|%.*s", row->name,
                 (int)size_min(argv[1].n, 32), argv[1].p);
        row = command_find(x->k, str_c(name));
    }
    if (row == NULL) {
        reply_error(x->r, "ERR Invalid command specified");
        return FAILED;
    }
    specs = command__specs(row, made);
    if (specs == NULL || strstr(specs, "not_key") != NULL) {
        reply_error(x->r, "ERR The command has no key arguments");
        return FAILED;
    }
    if (row->arity > 0 ? argc != (size_t)row->arity :
                         argc < (size_t)-row->arity) {
        reply_error(x->r, "ERR Invalid number of arguments specified for "
                          "command");
        return FAILED;
    }
    mark = reply_array_later(x->r);
    while (*specs != '\0') {
        size_t end = 0, step, at;

        command__spec(&specs, &s);
        at = command__range(&s, argc, argv, &end, &step);
        /* STORE may be missing; nothing else may */
        ok = ok && (at != 0 || s.unknown ||
                    (s.word.n >= 5 && memcmp(s.word.p, "STORE", 5) == 0));
        for (; at != 0 && at < end; at += step, n++) {
            if (flags) reply_array(x->r, 2);
            reply_bulk(x->r, argv[at]);
            if (flags) command__words(x->r, command__use(row, &s, argc, argv));
        }
    }
    if (n == 0 || !ok) {
        reply_cut(x->r, mark);
        reply_error(x->r, "ERR Invalid arguments specified for command");
        return FAILED;
    }
    reply_array_set(x->r, mark, n);
    return DONE;
}

static enum outcome cmd_command_getkeys(struct call *x) {
    return command__getkeys(x, false);
}

static enum outcome cmd_command_getkeysandflags(struct call *x) {
    return command__getkeys(x, true);
}

static const struct command command_commands[] = {
    { "command", cmd_command_info, -1, LOADING | STALE | CONTAINER, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 8, 13), "O(N) for N commands", "",
      "What commands there are." },
    { "command|count", cmd_command_count, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 8, 13),
      "O(1)", "", "How many there are." },
    { "command|docs", cmd_command_docs, -2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(7, 0, 0), "O(N) for N commands",
      "[command-name [command-name ...]]", "What they do, for people." },
    { "command|getkeys", cmd_command_getkeys, -4, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 8, 13), "O(N) for N arguments",
      "command [arg [arg ...]]", "Which arguments of a command are keys." },
    { "command|getkeysandflags", cmd_command_getkeysandflags, -4,
      LOADING | STALE, 0, 0, 0, GROUP_SERVER_COMMANDS, SINCE(7, 0, 0),
      "O(N) for N arguments", "command [arg [arg ...]]",
      "Which arguments are keys, and what happens to them." },
    { "command|help", cmd_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(5, 0, 0),
      "O(1)", "", "What COMMAND can do." },
    { "command|info", cmd_command_info, -2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(2, 8, 13), "O(N) for N commands",
      "[command-name [command-name ...]]", "What they are, for programs." },
    { "command|list", cmd_command_list, -2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(7, 0, 0), "O(N) for N commands",
      "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
      "The names of all, or of some." },
};
