/* SPDX-License-Identifier: MIT */
/* ==== config - options from files, the environment and flags ==============
 *
 * Fills struct options: defaults, then the file, then KVNS_ variables, then
 * flags; what comes later wins.  A file has the syntax of redis.conf, a
 * directive a line; flags are the same directives with "--" in front.
 *
 *     # a comment
 *     save 60 1 300 10
 *     requirepass "with blanks \x41 and \" quotes"
 *     include /etc/kvns/more.conf
 *
 * The first thing that is wrong ends it, with one line that says where, what
 * was given and what is allowed.  What can be lived with is a warning.
 *
 * Nothing but files is read or written; what is to be printed is handed back.
 *
 * floor 5 - uses: base buf options option manual
 */
enum config_action {
    CONFIG_SERVE,
    CONFIG_EXIT,                /* print out, print error, exit with status */
    CONFIG_VERSION,
    CONFIG_DOCS,                /* --print-docs: args[0] says which */
    CONFIG_HEALTH,
    CONFIG_PING,
    CONFIG_CHECK_RDB,           /* args[0] is the file */
    CONFIG_IMPORT               /* args[0] is the file, - standard input */
};

enum {
    CONFIG_ARGS = 4,            /* words that are no options, at most */
    CONFIG_WORDS = 256,         /* words of a line of a file */
    CONFIG_DEPTH = 16,          /* files included by files */
    CONFIG_FILE_MAX = 16 << 20, /* bytes of a file */
    CONFIG_SECRET_MAX = 4096    /* bytes of a password file */
};

struct config_result {
    enum config_action action;
    int status;                 /* for CONFIG_EXIT: 0, or 2 after an error */
    struct buf out;             /* for standard output */
    struct buf warnings;        /* lines for the log */
    char error[768];            /* a line for standard error, without "\n" */
    char *file;                 /* the file read, from the root; or NULL */
    int nargs;
    const char *args[CONFIG_ARGS];
};

/* What is being read just now. */
struct config__run {
    struct options *o;
    struct config_result *r;
    enum origin origin;
    const char *where;          /* file or variable; NULL: the flags */
    int line;                   /* of the file; 0: not in a file */
    int depth;                  /* of includes */
    struct str name;            /* the option, as it was written; or none */
};

/* ---- complaints ---------------------------------------------------------- */

/* Say what a complaint is about: "FILE:3: port", "KVNS_PORT", "--port". */
static void config__about(const struct config__run *c, char *to,
                          size_t room) {
    char name[64];

    option_show(c->name, name, sizeof name);
    if (c->line > 0)
        snprintf(to, room, "%.180s:%d%s%s", c->where, c->line,
                 name[0] == '\0' ? "" : ": ", name);
    else if (c->where != NULL)
        snprintf(to, room, "%.180s", c->where);
    else
        snprintf(to, room, "%s%s", name[0] == '\0' ? "command line" : "--",
                 name);
}

/* The one line that ends it all. */
static COLD PRINTF_LIKE(2, 3) bool
config__fail(struct config__run *c, const char *format, ...) {
    char where[320], what[400];
    va_list ap;

    va_start(ap, format);
    vsnprintf(what, sizeof what, format, ap);
    va_end(ap);
    config__about(c, where, sizeof where);
    snprintf(c->r->error, sizeof c->r->error, "kvns: %s: %s", where, what);
    c->r->action = CONFIG_EXIT;
    c->r->status = 2;
    return false;
}

/* A line for the log. */
static COLD PRINTF_LIKE(2, 3) void
config__warn(struct config__run *c, const char *format, ...) {
    char where[320], what[400];
    va_list ap;

    va_start(ap, format);
    vsnprintf(what, sizeof what, format, ap);
    va_end(ap);
    config__about(c, where, sizeof where);
    buf_printf(&c->r->warnings, "%s: %s\n", where, what);
}

/* How many letters must be changed, added, left out or swapped with the next
 * to get from one word to the other, case and '_' aside; 99 for long ones. */
static int config__distance(struct str a, const char *b) {
    int rows[3][64], m = (int)strlen(b);
    char before = '\0';

    if (a.n > 60 || m > 60) return 99;
    for (int j = 0; j <= m; j++) rows[0][j] = j;
    for (int i = 1; i <= (int)a.n; i++) {
        int *row = rows[i % 3], *up = rows[(i + 2) % 3];
        int *upper = rows[(i + 1) % 3];
        char x = a.p[i - 1] == '_' ? '-' : base_lower(a.p[i - 1]);

        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int best = up[j - 1] + (x != b[j - 1]);

            if (up[j] + 1 < best) best = up[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && x == b[j - 2] && before == b[j - 1]
                && upper[j - 2] + 1 < best)
                best = upper[j - 2] + 1;
            row[j] = best;
        }
        before = x;
    }
    return rows[a.n % 3][m];
}

/* The name that was meant, most likely, or NULL. */
static const char *config__meant(struct str name) {
    static const char *const flags[] = {
        "help", "version", "check-config", "print-config"
    };
    const char *best = NULL;
    int least = (int)size_min(3, name.n / 3) + 1;
    const struct option *row;
    struct str s;
    size_t i = 0;

    while (options_next(&i, &s, &row)) {
        int d = config__distance(name, s.p);

        if (d >= least) continue;
        least = d;
        best = s.p;
    }
    for (i = 0; i < ROWS(flags); i++) {
        if (config__distance(name, flags[i]) >= least) continue;
        least = config__distance(name, flags[i]);
        best = flags[i];
    }
    return best;
}

/* ---- files --------------------------------------------------------------- */

/* Read all of fd, at most max bytes, into *b.  errno says why not. */
static bool config__read_all(int fd, size_t max, struct buf *b) {
    for (;;) {
        char block[4096];
        ssize_t n = read(fd, block, sizeof block);

        if (n == -1 && errno == EINTR) continue;
        if (n == -1) return false;
        if (n == 0) return true;
        if (b->n + (size_t)n > max) {
            errno = EFBIG;
            return false;
        }
        if (!buf_put(b, block, (size_t)n)) {
            errno = ENOMEM;
            return false;
        }
    }
}

/* Read the file at path, or standard input where path is NULL. */
static bool config_slurp(const char *path, size_t max, struct buf *b) {
    int fd = 0, saved;
    bool ok;

    if (path != NULL) fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1) return false;
    ok = config__read_all(fd, max, b);
    saved = errno;
    if (path != NULL) close(fd);
    errno = saved;
    return ok;
}

static int config__hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = base_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What does the letter after a backslash stand for between double quotes? */
static char config__escape(char c) {
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* Read the quoted rest of a word: s begins after the quote.  Adds its bytes
 * at *to and returns how many were read, 0 if the quote does not end, or if
 * something else than a blank follows it. */
static size_t config__quoted(struct str s, char quote, char **to) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == quote) {
            if (i + 1 < s.n && !option_is_blank(s.p[i + 1])) return 0;
            return i + 1;
        }
        if (c == '\\' && i + 1 < s.n) {
            char next = s.p[i + 1];

            if (quote == '\'') {
                if (next == '\'') c = s.p[++i];
            } else if (next == 'x' && i + 3 < s.n
                       && config__hex(s.p[i + 2]) >= 0
                       && config__hex(s.p[i + 3]) >= 0) {
                c = (char)(config__hex(s.p[i + 2]) << 4
                           | config__hex(s.p[i + 3]));
                i += 3;
            } else {
                c = config__escape(next);
                i++;
            }
        }
        *(*to)++ = c;
    }
    return 0;
}

/* Split a line as Redis does.  The words are put at to, which has room for
 * as many bytes as the line.  Returns their number, -1 for quotes that do not
 * match, -2 for too many words. */
static int config__split(struct str line, char *to, struct str *words) {
    size_t i = 0;
    int n = 0;

    for (;;) {
        char *word = to;

        while (i < line.n && option_is_blank(line.p[i])) i++;
        if (i == line.n) return n;
        if (n == CONFIG_WORDS) return -2;
        while (i < line.n && !option_is_blank(line.p[i])) {
            char c = line.p[i++];
            size_t took;

            if (c != '"' && c != '\'') {
                *to++ = c;
                continue;
            }
            took = config__quoted(str_of(line.p + i, line.n - i), c, &to);
            if (took == 0) return -1;
            i += took;
        }
        words[n++] = str_of(word, (size_t)(to - word));
    }
}

/* Take the next line of *rest, without its end. */
static bool config__line(struct str *rest, struct str *line) {
    const char *end;

    if (rest->n == 0) return false;
    end = memchr(rest->p, '\n', rest->n);
    *line = str_of(rest->p, end == NULL ? rest->n : (size_t)(end - rest->p));
    *rest = end == NULL ? str_of(rest->p, 0)
                        : str_of(end + 1, rest->n - line->n - 1);
    return true;
}

/* ---- one option ---------------------------------------------------------- */

/* Set a row, or warn that it is a directive of Redis that does nothing. */
static bool config__put(struct config__run *c, const struct option *row,
                        struct str v) {
    char err[OPTION_ERR], shown[80];

    if (row->type == OPT_FIXED) {
        bool secret = (row->flags & OPT_SECRET) != 0;

        option_show(secret ? STR("(hidden)") : v, shown, sizeof shown);
        if (!option_is_idle(row, v))
            config__warn(c, "'%s' has no effect: %s", shown, row->help);
        return true;
    }
    if (option_put(c->o, row, v, c->origin, err)) return true;
    return config__fail(c, "%s", err);
}

/* The row whose secret a name such as password-file wants read, or NULL. */
static const struct option *config__secret(struct str name, bool fold) {
    const struct option *row;

    if (name.n < 6 || (!options__same("-file", str_of(name.p + name.n - 5, 5),
                                      fold)))
        return NULL;
    row = options_find(str_of(name.p, name.n - 5), fold);
    return row != NULL && row->type != OPT_FIXED
        && (row->flags & OPT_SECRET) != 0 ? row : NULL;
}

/* Set a row to what a file holds, without the line's end. */
static bool config__put_secret(struct config__run *c,
                               const struct option *row, struct str path) {
    struct buf b = { 0 };
    struct str name = STR("");
    bool ok = false;

    if (!options_put_string(&name, path, STR("")) || name.n == 0)
        return config__fail(c, "'' given, expected a path");
    if (!config_slurp(name.p, CONFIG_SECRET_MAX, &b)) {
        config__fail(c, "cannot read '%.200s': %s", name.p,
                     strerror(errno));
    } else {
        while (b.n > 0 && (b.p[b.n - 1] == '\n' || b.p[b.n - 1] == '\r'))
            b.n--;
        if (b.n == 0)
            config__fail(c, "'%.200s' is empty", name.p);
        else
            ok = config__put(c, row, str_of(b.p, b.n));
    }
    buf_free(&b);
    options_put_string(&name, STR(""), STR(""));
    return ok;
}

static bool config__file(struct config__run *c, const char *path);

/* Read the files that are to be included here. */
static bool config__include(struct config__run *c, int n,
                            const struct str *words) {
    bool ok = true;

    if (n == 0) return config__fail(c, "no file given");
    for (int i = 0; ok && i < n; i++) {
        struct str path = STR("");

        ok = options_put_string(&path, words[i], STR(""))
            && config__file(c, path.p);
        options_put_string(&path, STR(""), STR(""));
    }
    return ok;
}

/* There is no such option; which one was meant? */
static bool config__unknown(struct config__run *c, struct str name) {
    const char *meant = config__meant(name);
    const char *dashes = c->where == NULL ? "--" : "";
    char shown[80];

    option_show(name, shown, sizeof shown);
    c->name = STR("");
    if (meant == NULL)
        return config__fail(c, "there is no option '%s%s', see kvns --help",
                            dashes, shown);
    return config__fail(c, "there is no option '%s%s', did you mean "
                           "'%s%s'?", dashes, shown, dashes, meant);
}

/* Set what is called name to n words. */
static bool config__set(struct config__run *c, struct str name, int n,
                        const struct str *words) {
    const struct option *row = options_find(name, false), *secret;
    struct buf joined = { 0 };
    char expected[OPTION_ERR];
    bool ok;

    c->name = name;
    if (str_is(name, "include")) return config__include(c, n, words);
    if (row == NULL) {
        secret = config__secret(name, false);
        if (secret == NULL) return config__unknown(c, name);
        if (n == 1) return config__put_secret(c, secret, words[0]);
        return config__fail(c, "%d values given, expected a path", n);
    }
    if (n == 0 && row->type == OPT_BOOL)
        return config__put(c, row, STR("yes"));
    if (n == 0 && (row->type == OPT_FIXED || row->type == OPT_SAVE))
        return config__put(c, row, STR(""));
    if (n != 1 && (n == 0 || (row->flags & OPT_MANY) == 0)) {
        option_expected(row, expected, sizeof expected);
        if (n == 0)
            return config__fail(c, "no value given, expected %.200s",
                                expected);
        return config__fail(c, "%d values given, expected %.200s", n,
                            expected);
    }
    for (int i = 0; i < n; i++) {
        if (i > 0) buf_put(&joined, " ", 1);
        buf_put(&joined, words[i].p, words[i].n);
        if (row->type == OPT_RENAMES && words[i].n == 0)
            buf_put(&joined, "\"\"", 2);
    }
    ok = !joined.failed && config__put(c, row, buf_str(&joined));
    if (joined.failed) config__fail(c, "out of memory");
    buf_free(&joined);
    return ok;
}

/* ---- the sources --------------------------------------------------------- */

/* Read the directive of a line, which is not empty. */
static bool config__directive(struct config__run *c, struct str line) {
    struct str words[CONFIG_WORDS];
    char *to = malloc(line.n + 1);
    bool ok = false;
    int n = 0;

    c->name = STR("");
    if (to != NULL) n = config__split(line, to, words);
    if (to == NULL) config__fail(c, "out of memory");
    else if (n == -1) config__fail(c, "quotes do not match");
    else if (n == -2) config__fail(c, "more than %d words", CONFIG_WORDS);
    else ok = config__set(c, words[0], n - 1, words + 1);
    free(to);
    return ok;
}

/* Read all lines of a text. */
static bool config__lines(struct config__run *c, struct str text) {
    struct str line;

    c->line = 0;
    while (config__line(&text, &line)) {
        c->line++;
        while (line.n > 0 && option_is_blank(line.p[line.n - 1])) line.n--;
        while (line.n > 0 && option_is_blank(line.p[0]))
            line = str_of(line.p + 1, line.n - 1);
        if (line.n == 0 || line.p[0] == '#') continue;
        if (!config__directive(c, line)) return false;
    }
    return true;
}

/* Read the file at path, or standard input where that is NULL.  What includes
 * it is c->where until it is open, so that a complaint says who wanted it. */
static bool config__file(struct config__run *c, const char *path) {
    struct config__run inner = *c;
    struct buf b = { 0 };
    bool ok = false;

    inner.where = path == NULL ? "standard input" : path;
    inner.depth++;
    inner.origin = ORIGIN_FILE;
    if (inner.depth > CONFIG_DEPTH)
        config__fail(c, "files within files, more than %d deep",
                     CONFIG_DEPTH);
    else if (!config_slurp(path, CONFIG_FILE_MAX, &b))
        config__fail(c, "cannot read '%.200s': %s", inner.where,
                     strerror(errno));
    else
        ok = config__lines(&inner, buf_str(&b));
    buf_free(&b);
    return ok;
}

/* Does an empty variable mean something for the row, or that it is unset? */
static bool config__may_be_empty(const struct option *row) {
    switch ((enum option_type)row->type) {
    case OPT_STRING: case OPT_SAVE: case OPT_NOTIFY: case OPT_PERCENTS:
    case OPT_POLICIES: case OPT_LIMITS: case OPT_USERS: case OPT_FIXED:
    case OPT_RENAMES:
        return true;
    case OPT_BOOL: case OPT_DOUBLE: case OPT_ENUM: case OPT_INT:
    case OPT_OCTAL: case OPT_SIZE: case OPT_LOG: case OPT_HOSTS:
    case OPT_INTERVAL: case OPT_OUTPUT: case OPT_DIR: case OPT_FILE:
        return false;
    }
    return false;
}

/* Kubernetes describes a service named kvns to its neighbours by variables
 * that look like ours, KVNS_PORT=tcp://10.0.0.1:6480 among them. */
static bool config__is_service_link(struct str name, struct str value) {
    static const char *const begins[] = { "port_", "service_" };

    for (size_t i = 0; i < ROWS(begins); i++) {
        size_t n = strlen(begins[i]);

        if (name.n >= n && str_is(str_of(name.p, n), begins[i])) return true;
    }
    return str_is(name, "port") && value.n >= 6
        && str_is(str_of(value.p, 6), "tcp://");
}

/* The value of KVNS_name in the environment, or NULL. */
static const char *config__variable(char *const *env, const char *name,
                                    size_t n) {
    for (; *env != NULL; env++)
        if (strncmp(*env, "KVNS_", 5) == 0
            && strncmp(*env + 5, name, n) == 0 && (*env)[5 + n] == '=')
            return *env + 5 + n + 1;
    return NULL;
}

/* One variable, by the name behind KVNS_. */
static bool config__from_variable(struct config__run *c, char *const *env,
                                  struct str name, struct str value) {
    const struct option *row = options_find(name, true);
    const char *plain, *meant;
    char variable[80];

    if (config__is_service_link(name, value)) return true;
    if (row != NULL) {
        if (value.n == 0 && !config__may_be_empty(row)) return true;
        return config__put(c, row, value);
    }
    row = config__secret(name, true);
    if (row != NULL) {
        if (value.n == 0) return true;
        plain = config__variable(env, name.p, name.n - 5);
        if (plain != NULL && *plain != '\0')
            return config__fail(c, "is set, and so is the variable without "
                                   "_FILE; set one of them");
        return config__put_secret(c, row, value);
    }
    meant = config__meant(name);
    if (meant != NULL) manual_variable(meant, variable, sizeof variable);
    config__warn(c, "there is no such option%s%s%s",
                 meant == NULL ? "" : ", did you mean ",
                 meant == NULL ? "" : variable, meant == NULL ? "" : "?");
    return true;
}

/* All variables: those by Redis' names first, so that ours win. */
static bool config__environment(struct config__run *c, char *const *env) {
    for (int ours = 0; ours < 2; ours++) {
        for (char *const *e = env; *e != NULL; e++) {
            const char *equals = strchr(*e, '=');
            const struct option *row;
            struct str name;
            char where[80];

            if (strncmp(*e, "KVNS_", 5) != 0 || equals == NULL) continue;
            name = str_of(*e + 5, (size_t)(equals - *e) - 5);
            row = options_find(name, true);
            if ((row == NULL || options__same(row->name, name, true))
                != (ours != 0))
                continue;
            option_show(str_of(*e, name.n + 5), where, sizeof where);
            c->where = where;
            if (!config__from_variable(c, env, name, str_c(equals + 1)))
                return false;
            c->where = NULL;
        }
    }
    return true;
}

/* Take the flag at argv[*i] and the words that belong to it: all until the
 * next one, or what follows a '='.  Returns how many words. */
static int config__flag(int argc, char **argv, int *i, struct str *name,
                        struct str *words) {
    const char *s = argv[(*i)++] + 2;
    const char *equals = strchr(s, '=');
    int n = 0;

    if (equals != NULL) {
        *name = str_of(s, (size_t)(equals - s));
        words[0] = str_c(equals + 1);
        return 1;
    }
    *name = str_c(s);
    while (*i < argc && strncmp(argv[*i], "--", 2) != 0)
        words[n++] = str_c(argv[(*i)++]);
    return n;
}

/* The flags that are no options.  False: this one is. */
static bool config__other_flag(struct config_result *r, struct str name,
                               int n, const struct str *words, bool *check,
                               bool *print) {
    if (str_is(name, "help")) {
        r->action = CONFIG_EXIT;
        if (r->out.n == 0) manual_help(&r->out);
    } else if (str_is(name, "version")) {
        r->action = CONFIG_VERSION;
    } else if (str_is(name, "check-config")) {
        *check = true;
    } else if (str_is(name, "print-config")) {
        *print = true;
    } else if (str_is(name, "print-docs")) {
        r->action = CONFIG_DOCS;
        r->nargs = 1;
        r->args[0] = n > 0 ? words[0].p : "";
    } else {
        return false;
    }
    return true;
}

/* A flag of one letter for those who ask a running server, as redis-cli has
 * them, or a word that is no flag. */
static bool config__client_arg(struct config__run *c, int argc, char **argv,
                               int *i) {
    static const struct {
        char flag[3];
        const char *name;
    } flags[] = {
        { "-a", "password" }, { "-h", "host" }, { "-p", "port" },
        { "-s", "unixsocket" }
    };
    const char *arg = argv[(*i)++];

    for (size_t f = 0; f < ROWS(flags); f++) {
        struct str value;

        if (strcmp(arg, flags[f].flag) != 0) continue;
        if (*i == argc) return config__fail(c, "%s: no value given", arg);
        value = str_c(argv[(*i)++]);
        return config__set(c, str_c(flags[f].name), 1, &value);
    }
    if (arg[0] == '-' && arg[1] != '\0')
        return config__fail(c, "there is no option '%.80s'; see kvns --help",
                            arg);
    if (c->r->nargs == CONFIG_ARGS)
        return config__fail(c, "'%.80s' is one too many", arg);
    c->r->args[c->r->nargs++] = arg;
    return true;
}

/* Read the flags from argv[i] on.  Where apply is false only those that are
 * no options count, where it is true only the others. */
static bool config__flags(struct config__run *c, int argc, char **argv, int i,
                          bool apply, bool *check, bool *print) {
    struct str *words = malloc((size_t)argc * sizeof *words);
    bool client = c->r->action != CONFIG_SERVE, ok = words != NULL;

    if (words == NULL) return config__fail(c, "out of memory");
    while (ok && i < argc) {
        struct str name;
        int n;

        c->name = STR("");
        if (strncmp(argv[i], "--", 2) != 0) {
            if (client && apply) ok = config__client_arg(c, argc, argv, &i);
            else if (client) i++;
            else ok = config__fail(c, "'%.80s' is no option; they begin with "
                                      "--, see kvns --help", argv[i]);
            continue;
        }
        n = config__flag(argc, argv, &i, &name, words);
        if (!apply) config__other_flag(c->r, name, n, words, check, print);
        else if (!config__other_flag(c->r, name, n, words, check, print))
            ok = config__set(c, name, n, words);
        else if (n > 0 && (*check || *print))
            ok = config__fail(c, "'%.80s' is too much: a file comes first",
                              words[0].p);
    }
    free(words);
    return ok;
}

/* What cannot be seen from one option alone. */
static bool config__check(struct config__run *c) {
    const struct options *o = c->o;

    c->where = "options";
    c->name = STR("");
    if ((o->port == 0 || o->host.n == 0) && o->unixsocket.n == 0)
        return config__fail(c, "there is nothing to listen on: port is %"
                               PRId64 ", host is %s and unixsocket is not "
                               "set", o->port,
                            o->host.n == 0 ? "empty" : "set");
    if (o->port != 0 && o->port == o->metrics_port)
        return config__fail(c, "port and metrics-port are both %" PRId64,
                            o->port);
    return true;
}

/* What argv[1] asks for instead of a server, or CONFIG_SERVE. */
static enum config_action config__command(const char *word) {
    static const struct {
        const char *word;
        enum config_action action;
    } commands[] = {
        { "check-rdb", CONFIG_CHECK_RDB }, { "health", CONFIG_HEALTH },
        { "import", CONFIG_IMPORT }, { "ping", CONFIG_PING }
    };

    for (size_t i = 0; i < ROWS(commands); i++)
        if (strcmp(word, commands[i].word) == 0) return commands[i].action;
    return CONFIG_SERVE;
}

/* Under the name redis-server we take Redis' defaults. */
static bool config__is_redis(const char *argv0) {
    const char *slash = strrchr(argv0, '/');

    return strcmp(slash == NULL ? argv0 : slash + 1, "redis-server") == 0;
}

/* The path from the root, to be freed; NULL if that cannot be told. */
static char *config__absolute(const char *path) {
    char here[4096] = "";
    size_t n = strlen(path) + sizeof here + 1;
    char *to;

    if (path[0] != '/' && getcwd(here, sizeof here) == NULL) return NULL;
    to = malloc(n);
    if (to == NULL) return NULL;
    snprintf(to, n, "%s%s%s", here, path[0] == '/' ? "" : "/", path);
    return to;
}

/* Read the file named on the command line, - for standard input. */
static bool config__main_file(struct config__run *c, const char *file) {
    bool piped = strcmp(file, "-") == 0;

    if (!config__file(c, piped ? NULL : file)) return false;
    if (!piped) c->r->file = config__absolute(file);
    return true;
}

/* Find out what is to be done, by the command line, and with which options,
 * by all sources; env is as environ.  o is initialised here, and to be freed
 * by the caller in any case, r too.  False where r->error says what is wrong;
 * the action is CONFIG_EXIT then. */
static bool config_load(struct options *o, int argc, char **argv,
                        char *const *env, struct config_result *r) {
    struct config__run c = { o, r, ORIGIN_FLAG, NULL, 0, 0, { "", 0 } };
    const char *file = NULL;
    bool check = false, print = false;
    int i = 1;

    memset(r, 0, sizeof *r);
    options_init(o, argc > 0 && config__is_redis(argv[0]));
    if (argc > 1) {
        r->action = config__command(argv[1]);
        if (r->action != CONFIG_SERVE) i = 2;
        else if (strcmp(argv[1], "-v") == 0) r->action = CONFIG_VERSION;
        else if (strcmp(argv[1], "-h") == 0)
            config__other_flag(r, STR("help"), 0, NULL, &check, &print);
        else if (argv[1][0] != '-' || argv[1][1] == '\0') file = argv[i++];
    }
    if (r->action == CONFIG_VERSION || r->action == CONFIG_EXIT) return true;
    if (r->action == CONFIG_SERVE && argc > i
        && strcmp(argv[argc - 1], "-") == 0) {
        if (file != NULL)
            return config__fail(&c, "a file and - are one too many");
        file = argv[--argc];
    }
    if (!config__flags(&c, argc, argv, i, false, &check, &print))
        return false;
    if (r->action == CONFIG_VERSION || r->action == CONFIG_EXIT
        || r->action == CONFIG_DOCS)
        return true;
    if (file != NULL && !config__main_file(&c, file)) return false;
    c.origin = ORIGIN_ENV;
    if (!config__environment(&c, env)) return false;
    c.origin = ORIGIN_FLAG;
    if (!config__flags(&c, argc, argv, i, true, &check, &print)) return false;
    if (r->action == CONFIG_SERVE && !config__check(&c)) return false;
    if (!check && !print) return true;
    r->action = CONFIG_EXIT;
    if (print) {
        manual_config(o, &r->out);
    } else {
        buf_put_str(&r->out, buf_str(&r->warnings));
        buf_printf(&r->out, "the configuration is good\n");
    }
    return true;
}

/* Free what r holds. */
static void config_free(struct config_result *r) {
    buf_free(&r->out);
    buf_free(&r->warnings);
    free(r->file);
    r->file = NULL;
}

/* ---- CONFIG REWRITE ------------------------------------------------------ */

static const char config_generated[] = "# Generated by CONFIG REWRITE";

/* The row of a line of a file, if it sets an option of ours, and its name. */
static const struct option *config__line_row(struct str line,
                                             struct str *name) {
    size_t n = 0;
    const struct option *row;

    while (line.n > 0 && option_is_blank(line.p[0]))
        line = str_of(line.p + 1, line.n - 1);
    while (n < line.n && !option_is_blank(line.p[n])) n++;
    *name = str_of(line.p, n);
    row = options_find(*name, false);
    return row == NULL || row->type == OPT_FIXED ? NULL : row;
}

/* Write the text of a file anew.  What CONFIG SET has changed gets its value
 * where it is, once, or at the end; all else is left as it was written. */
static void config__edit(const struct options *o, struct str text,
                         struct buf *out) {
    bool done[ROWS(option_rows)] = { false }, marked = false;
    struct str line, name;

    while (config__line(&text, &line)) {
        const struct option *row = config__line_row(line, &name), *by;

        if (str_eq(line, str_c(config_generated))) marked = true;
        if (row == NULL || options_origin(o, row) != ORIGIN_RUNTIME) {
            buf_put_str(out, line);
            buf_put_char(out, '\n');
            continue;
        }
        by = options_by(o, row);
        if (done[options_index(by)]) continue;
        done[options_index(by)] = true;
        manual_line(out, o, by, by == row ? name : str_c(by->name));
    }
    for (size_t i = 0; i < ROWS(option_rows); i++) {
        const struct option *row = &option_rows[i];

        if (options_origin(o, row) != ORIGIN_RUNTIME
            || options_by(o, row) != row || done[i])
            continue;
        if (!marked) buf_printf(out, "\n%s\n", config_generated);
        marked = true;
        manual_line(out, o, row, str_c(row->name));
    }
}

static bool config__write_all(int fd, struct str s) {
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n == -1 && errno == EINTR) continue;
        if (n == -1) return false;
        s = str_of(s.p + n, s.n - (size_t)n);
    }
    return true;
}

/* Make a rename in the directory of path last. */
static bool config__sync_dir(const char *path) {
    const char *slash = strrchr(path, '/');
    struct str dir = STR("");
    bool ok;
    int fd;

    if (!options_put_string(&dir, slash == NULL ? STR(".") :
                            str_of(path, (size_t)(slash - path) + 1),
                            STR("")))
        return false;
    fd = open(dir.p, O_RDONLY | O_CLOEXEC);
    options_put_string(&dir, STR(""), STR(""));
    if (fd == -1) return false;
    /* Some file systems cannot sync a directory, and say so by EINVAL. */
    ok = fsync(fd) == 0 || errno == EINVAL;
    close(fd);
    return ok;
}

/* Replace the file at path by text, by way of tmp, or leave it as it was.
 * errno says why. */
static bool config__replace(const char *path, const char *tmp,
                            struct str text) {
    struct stat st;
    bool ok = false;
    int fd, saved;

    unlink(tmp);
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
              0600);
    if (fd == -1) return false;
    if (stat(path, &st) == 0) {
        if (fchmod(fd, st.st_mode & 0777) == -1) goto out;
        /* Only root can give files away; others need not. */
        if (fchown(fd, st.st_uid, st.st_gid) == -1) errno = 0;
    }
    if (!config__write_all(fd, text)) goto out;
    if (fsync(fd) == -1) goto out;
    ok = true;
out:
    saved = errno;
    if (close(fd) == -1 && ok) {
        ok = false;
        saved = errno;
    }
    if (ok && rename(tmp, path) == -1) {
        ok = false;
        saved = errno;
    }
    if (!ok) unlink(tmp);
    else if (!config__sync_dir(path)) ok = false, saved = errno;
    errno = saved;
    return ok;
}

/* Where the file at path really is, if that is a symbolic link; in to. */
static bool config__follow(const char *path, char *to, size_t room) {
    char link[1024];

    if ((size_t)snprintf(to, room, "%s", path) >= room) return false;
    for (int i = 0; i < 16; i++) {
        ssize_t n = readlink(to, link, sizeof link);
        char *slash = strrchr(to, '/');
        size_t dir = 0;

        if (n == -1) return true;
        if (link[0] != '/' && slash != NULL) dir = (size_t)(slash - to) + 1;
        if (n == sizeof link || dir + (size_t)n >= room) return false;
        memcpy(to + dir, link, (size_t)n);
        to[dir + (size_t)n] = '\0';
    }
    return false;
}

/* CONFIG REWRITE: bring the file that was loaded up to date.  False with the
 * whole error reply in err; the file is as it was then. */
static bool config_rewrite(const struct options *o, const char *file,
                           char err[OPTION_ERR]) {
    struct buf old = { 0 }, new = { 0 };
    char path[4096], tmp[sizeof path + 32];
    bool ok = false;

    if (file == NULL) {
        snprintf(err, OPTION_ERR,
                 "ERR The server is running without a config file");
        return false;
    }
    errno = ENAMETOOLONG;
    if (!config__follow(file, path, sizeof path)) goto out;
    snprintf(tmp, sizeof tmp, "%s.%ld.tmp", path, (long)getpid());
    if (!config_slurp(path, CONFIG_FILE_MAX, &old) && errno != ENOENT)
        goto out;
    config__edit(o, buf_str(&old), &new);
    errno = ENOMEM;
    if (new.failed) goto out;
    ok = config__replace(path, tmp, buf_str(&new));
out:
    if (!ok)
        snprintf(err, OPTION_ERR, "ERR Rewriting config file: %s",
                 strerror(errno));
    buf_free(&old);
    buf_free(&new);
    return ok;
}
