/* SPDX-License-Identifier: MIT */
/* ==== booklet - the commands, written out ==================================
 *
 * docs/commands.md and the table of families in the README: printed from the
 * rows, so that no command can be forgotten there.
 *
 * floor 7 - uses: buf instance rows
 */
static const char *const booklet_titles[GROUP_COMMANDS_COUNT] = {
    [GROUP_CONNECTION_COMMANDS] = "Connection",
    [GROUP_STRING] = "Strings",
    [GROUP_KEY] = "Keys",
    [GROUP_LIST] = "Lists",
    [GROUP_HASH] = "Hashes",
    [GROUP_SET] = "Sets",
    [GROUP_ZSET] = "Sorted sets",
    [GROUP_STREAM] = "Streams",
    [GROUP_BIT] = "Bits",
    [GROUP_HLL] = "HyperLogLogs",
    [GROUP_GEO] = "Places",
    [GROUP_TX] = "Transactions",
    [GROUP_PUBSUB] = "Publish and subscribe",
    [GROUP_SERVER_COMMANDS] = "Server",
    [GROUP_CLUSTER] = "Cluster",
    [GROUP_NAMESPACE] = "Namespaces",
};

/* Write a text into a cell of a table: bars would end it, and what looks like
 * a tag would vanish. */
static void booklet__cell(struct buf *out, const char *s) {
    for (; *s != '\0'; s++) {
        if (*s == '|' || *s == '<') buf_put_char(out, '\\');
        buf_put_char(out, *s);
    }
}

/* Write a name as people type it: "CONFIG GET" for config|get. */
static void booklet__name(struct buf *out, const char *s) {
    for (; *s != '\0'; s++)
        buf_put_char(out, *s == '|' ? ' ' : *s >= 'a' && *s <= 'z' ?
                              (char)(*s - 'a' + 'A') : *s);
}

/* Write code: in code nothing but the bar means anything. */
static void booklet__code(struct buf *out, const char *s) {
    if (*s == '\0') return;
    buf_put_char(out, '`');
    for (; *s != '\0'; s++) {
        if (*s == '|') buf_put_char(out, '\\');
        buf_put_char(out, *s);
    }
    buf_put_char(out, '`');
}

static void booklet__row(struct buf *out, const struct command *row) {
    char since[ROW_SINCE];

    buf_printf(out, "| ");
    booklet__name(out, row->name);
    buf_printf(out, " | ");
    booklet__code(out, row->usage);
    buf_printf(out, "%s| %d | %s | %s | %s | ", row->usage[0] == '\0' ? "" :
               " ", row->arity, row_since(row, since), row->cost,
               row_scope_text(row));
    booklet__cell(out, row->summary);
    buf_printf(out, " |\n");
}

/* The rows of a server that is not there: only they are set.  False: no
 * memory. */
static bool booklet__open(struct kvns *k) {
    char why[ROWS_WHY];

    memset(k, 0, sizeof *k);
    return rows_join(k, why);
}

static void booklet__close(struct kvns *k) {
    rows_free(k);
}

/* Write the tables of docs/commands.md. */
static void booklet_commands(struct buf *out) {
    struct kvns *k = calloc(1, sizeof *k);

    if (k == NULL || !booklet__open(k)) {
        free(k);
        return;
    }
    for (int g = 0; g < GROUP_COMMANDS_COUNT; g++) {
        bool begun = false;

        for (size_t i = 0; i < k->nrows; i++) {
            const struct command *row = k->rows + i;

            if (row->group != (enum command_group)g) continue;
            if (!begun)
                buf_printf(out, "\n## %s\n\n| Command | Arguments | Arity | "
                           "Since | Cost | Bound users | What it does |\n"
                           "|---|---|---|---|---|---|---|\n",
                           booklet_titles[g]);
            begun = true;
            booklet__row(out, row);
        }
    }
    booklet__close(k);
    free(k);
}

/* Write the table of families for the README. */
static void booklet_families(struct buf *out) {
    struct kvns *k = calloc(1, sizeof *k);

    if (k == NULL || !booklet__open(k)) {
        free(k);
        return;
    }
    buf_printf(out, "| Family | Commands |\n|---|---|\n");
    for (int g = 0; g < GROUP_COMMANDS_COUNT; g++) {
        size_t n = 0;

        for (size_t i = 0; i < k->nrows; i++) {
            const struct command *row = k->rows + i;

            if (row->group != (enum command_group)g ||
                (row->flags & SUBCOMMAND) != 0)
                continue;
            if (n == 0) buf_printf(out, "| %s | ", booklet_titles[g]);
            else buf_printf(out, ", ");
            booklet__name(out, row->name);
            n++;
        }
        if (n > 0) buf_printf(out, " |\n");
    }
    booklet__close(k);
    free(k);
}
