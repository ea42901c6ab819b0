/* SPDX-License-Identifier: MIT */
/* ==== help - HELP of every container =======================================
 *
 * One handler for all: what a container can do stands in its rows.
 *
 * floor 6 - uses: base buf reply instance
 */

/* Append a word in capitals. */
static void help__shout(struct buf *b, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        buf_put_char(b, (char)toupper((unsigned char)s[i]));
}

/* Answer that a subcommand has too many arguments, as Redis does where there
 * is no exact number of them. */
static COLD enum outcome reply_subcommand(struct call *x) {
    struct buf b = { 0 };

    help__shout(&b, x->argv[0].p, x->argv[0].n);
    reply_errorf(x->r, "ERR unknown subcommand or wrong number of arguments "
                       "for '%.*s'. Try %.*s HELP.",
                 (int)size_min(x->argv[1].n, 128), x->argv[1].p, (int)b.n,
                 b.p);
    buf_free(&b);
    return FAILED;
}

/* Answer what the subcommands of a container are, for its row "name|help". */
static enum outcome cmd_help(struct call *x) {
    const char *name = x->row->name;
    size_t len = (size_t)(strchr(name, '|') - name), lines = 3;
    size_t mark = reply_array_later(x->r);
    struct buf b = { 0 };

    help__shout(&b, x->argv[0].p, x->argv[0].n);
    buf_printf(&b, " <subcommand> [<arg> [value] [opt] ...]. "
                   "Subcommands are:");
    reply_simple(x->r, buf_str(&b));
    for (size_t i = 0; i < x->k->nrows; i++) {
        const struct command *row = x->k->rows + i;

        if (strncmp(row->name, name, len + 1) != 0 || row == x->row) continue;
        buf_reset(&b);
        help__shout(&b, row->name + len + 1, strlen(row->name + len + 1));
        if (row->usage[0] != '\0') buf_printf(&b, " %s", row->usage);
        reply_simple(x->r, buf_str(&b));
        buf_reset(&b);
        buf_printf(&b, "    %s", row->summary);
        reply_simple(x->r, buf_str(&b));
        lines += 2;
    }
    reply_simple(x->r, STR("HELP"));
    reply_simple(x->r, STR("    Prints this help."));
    reply_array_set(x->r, mark, lines);
    buf_free(&b);
    return DONE;
}
