/* SPDX-License-Identifier: MIT */
/* ==== manual - the options, written out ===================================
 *
 * --help, --print-config, docs/options.md, the README's table: ways to print
 * the rows of options, so that none of them can forget one.
 *
 * floor 5 - uses: base buf options option
 */

static void manual__put(struct buf *out, const char *s) {
    buf_put(out, s, strlen(s));
}

/* Write the variable of an option: KVNS_MAX_CLIENTS for max-clients. */
static void manual_variable(const char *name, char *to, size_t room) {
    size_t n = (size_t)snprintf(to, room, "KVNS_");

    for (const char *p = name; *p != '\0' && n + 1 < room; p++) {
        bool letter = *p >= 'a' && *p <= 'z';

        to[n++] = letter ? (char)(*p - 'a' + 'A') : *p == '-' ? '_' : *p;
    }
    to[n] = '\0';
}

/* Is the row one that people set, in this group? */
static bool manual__lists(const struct option *row, enum option_group group) {
    return row->group == group && row->type != OPT_FIXED;
}

/* Write what --help says. */
static void manual_help(struct buf *out) {
    manual__put(out,
        "usage: kvns [FILE | -] [--OPTION VALUE ...]\n"
        "       kvns health [-h HOST] [-p PORT] [-s SOCKET] [-a PASSWORD]\n"
        "       kvns ping, kvns import FILE     likewise\n"
        "       kvns check-rdb FILE\n"
        "\n"
        "A server for Redis clients that keeps its data in memory.\n"
        "FILE has lines as redis.conf has them; - reads them from standard "
        "input.\n"
        "An option --max-clients is max-clients in FILE and KVNS_MAX_CLIENTS "
        "in the\n"
        "environment, and goes by its Redis name as well, here after a "
        "comma.  Flags win\n"
        "over the environment, and that over FILE.  Passwords are also read "
        "from files:\n"
        "KVNS_PASSWORD_FILE, --password-file.  Defaults are in brackets.\n"
        "\n"
        "  --help, --version    say that and end\n"
        "  --check-config       read all options, say what is wrong, and end\n"
        "  --print-config       print them as a file would have them, and end\n"
        );
    for (int g = 0; g < GROUP_ABSENT; g++) {
        buf_printf(out, "\n%s\n", option_group_text[g]);
        for (size_t i = 0; i < ROWS(option_rows); i++) {
            const struct option *row = &option_rows[i];

            if (!manual__lists(row, (enum option_group)g)) continue;
            buf_printf(out, "  --%s%s%s", row->name,
                       row->also == NULL ? "" : ", ",
                       row->also == NULL ? "" : row->also);
            if (row->text[0] != '\0') buf_printf(out, " [%s]", row->text);
            if (row->redis != NULL)
                buf_printf(out, " [--redis: %s]", row->redis);
            buf_printf(out, "\n      %s\n", row->help);
        }
    }
    manual__put(out, "\nDirectives of Redis that have no effect here are "
                     "accepted with a warning;\ndocs/options.md lists "
                     "them.\n");
}

/* Write a value so that a line of a file gives it back. */
static void manual_quote(struct buf *out, struct str v) {
    bool plain = v.n > 0 && v.p[0] != '#';

    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];

        if (c <= ' ' || c > 126 || c == '"' || c == '\'' || c == '\\')
            plain = false;
    }
    if (plain) {
        buf_put(out, v.p, v.n);
        return;
    }
    manual__put(out, "\"");
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];

        if (c < ' ' || c > 126) buf_printf(out, "\\x%02x", c);
        else if (c == '"' || c == '\\') buf_printf(out, "\\%c", c);
        else buf_put(out, &v.p[i], 1);
    }
    manual__put(out, "\"");
}

/* Write the line of a file that sets the row as o has it, by that name. */
static void manual_line(struct buf *out, const struct options *o,
                        const struct option *row, struct str name) {
    struct buf value = { 0 };
    struct str v;

    option_get_brief(o, row, &value);
    v = str_of(value.p, value.n);
    buf_put(out, name.p, name.n);
    manual__put(out, " ");
    if (v.n > 0 && (row->flags & OPT_MANY) != 0) buf_put(out, v.p, v.n);
    else manual_quote(out, v);
    manual__put(out, "\n");
    buf_free(&value);
}

/* Write o as a file that kvns FILE would read, with where each value came
 * from.  Secrets are only said to be set. */
static void manual_config(const struct options *o, struct buf *out) {
    static const char *const from[] = {
        [ORIGIN_DEFAULT] = "", [ORIGIN_FILE] = "# from a file\n",
        [ORIGIN_ENV] = "# from the environment\n",
        [ORIGIN_FLAG] = "# from the command line\n",
        [ORIGIN_RUNTIME] = "# from CONFIG SET\n"
    };

    for (int g = 0; g < GROUP_ABSENT; g++) {
        buf_printf(out, "%s# ---- %s\n", g == 0 ? "" : "\n",
                   option_group_text[g]);
        for (size_t i = 0; i < ROWS(option_rows); i++) {
            const struct option *row = &option_rows[i];

            if (!manual__lists(row, (enum option_group)g)
                || (row->flags & OPT_VIEW) != 0)
                continue;
            /* Of no names there is no line. */
            if (row->type == OPT_RENAMES
                && options_origin(o, row) == ORIGIN_DEFAULT)
                continue;
            manual__put(out, from[options_origin(o, row)]);
            if ((row->flags & OPT_SECRET) != 0) {
                const struct str *s = options_lend(o, row);

                buf_printf(out, "# %s is %sset\n", row->name,
                           s->n == 0 ? "not " : "");
                continue;
            }
            /* Rules for saving may not fit an interval. */
            if (row->type == OPT_INTERVAL) row = options_by(o, row);
            manual_line(out, o, row, str_c(row->name));
        }
    }
}

/* A cell of a table: code, or nothing. */
static void manual__cell(struct buf *out, const char *s) {
    if (s == NULL || s[0] == '\0') manual__put(out, " |");
    else buf_printf(out, " `%s` |", s);
}

static void manual__row(struct buf *out, const struct option *row) {
    char variable[64], allowed[OPTION_ERR];

    manual_variable(row->name, variable, sizeof variable);
    option_expected(row, allowed, sizeof allowed);
    manual__put(out, "|");
    manual__cell(out, row->name);
    manual__cell(out, variable);
    manual__cell(out, row->also);
    if (row->redis != NULL)
        buf_printf(out, " `%s`; `%s` |", row->text[0] == '\0' ? "\"\""
                                                              : row->text,
                   row->redis);
    else
        manual__cell(out, row->text);
    buf_printf(out, " %s | %s | %s |\n", allowed,
               (row->flags & OPT_RUNTIME) != 0 ? "yes" : "no", row->help);
}

/* Write the README's table: each option once, by its variable. */
static void manual_variables(struct buf *out) {
    manual__put(out, "| Variable | Default | Meaning |\n|---|---|---|\n");
    for (int g = 0; g < GROUP_ABSENT; g++)
        for (size_t i = 0; i < ROWS(option_rows); i++) {
            const struct option *row = &option_rows[i];
            char variable[64];

            if (!manual__lists(row, (enum option_group)g)
                || (row->flags & OPT_VIEW) != 0)
                continue;
            manual_variable(row->name, variable, sizeof variable);
            manual__put(out, "|");
            manual__cell(out, variable);
            manual__cell(out, row->text);
            buf_printf(out, " %s |\n", row->help);
        }
}

/* Write a sentence in lines of 72 bytes or little more, as a manual page's
 * source has them. */
static void manual__fold(struct buf *out, const char *s) {
    while (strlen(s) > 72) {
        const char *space = strchr(s + 64, ' ');

        if (space == NULL) break;
        buf_printf(out, "%.*s\n", (int)(space - s), s);
        s = space + 1;
    }
    buf_printf(out, "%s.\n", s);
}

/* Write the options as the manual page lists them, in mdoc(7). */
static void manual_mdoc(struct buf *out) {
    for (int g = 0; g < GROUP_ABSENT; g++) {
        buf_printf(out, ".Ss %s\n.Bl -tag -width Ds\n", option_group_text[g]);
        for (size_t i = 0; i < ROWS(option_rows); i++) {
            const struct option *row = &option_rows[i];

            if (!manual__lists(row, (enum option_group)g)) continue;
            buf_printf(out, ".It Fl -%s%s%s Ar value\n", row->name,
                       row->also == NULL ? "" : " , -",
                       row->also == NULL ? "" : row->also);
            manual__fold(out, row->help);
            if (row->text[0] != '\0')
                buf_printf(out, "The default is\n.Ql %s .\n", row->text);
            if (row->redis != NULL)
                buf_printf(out, "With\n.Fl -redis :\n.Ql %s .\n",
                           row->redis[0] == '\0' ? "\"\"" : row->redis);
        }
        manual__put(out, ".El\n");
    }
}

/* Write the tables of docs/options.md. */
static void options_markdown(struct buf *out) {
    for (int g = 0; g < GROUP_ABSENT; g++) {
        buf_printf(out, "## %s\n\n"
                        "| Option | Variable | Redis' name | Default; with "
                        "`--redis` | Allowed | `CONFIG SET` | Meaning |\n"
                        "|---|---|---|---|---|---|---|\n",
                   option_group_text[g]);
        for (size_t i = 0; i < ROWS(option_rows); i++)
            if (manual__lists(&option_rows[i], (enum option_group)g))
                manual__row(out, &option_rows[i]);
        manual__put(out, "\n");
    }
    buf_printf(out, "## %s\n\n"
                    "Another value than the one shown is a warning at the "
                    "start; `CONFIG GET` shows\nthe truth.\n\n"
                    "| Directive | `CONFIG GET` | Why |\n|---|---|---|\n",
               option_group_text[GROUP_ABSENT]);
    for (size_t i = 0; i < ROWS(option_rows); i++) {
        const struct option *row = &option_rows[i];

        if (row->type != OPT_FIXED) continue;
        buf_printf(out, "| `%s`", row->name);
        if (row->also != NULL) buf_printf(out, ", `%s`", row->also);
        manual__put(out, " |");
        manual__cell(out, row->text);
        buf_printf(out, " %s |\n", row->help);
    }
}
