/* SPDX-License-Identifier: MIT */
/* ==== rows - the table of all commands =====================================
 *
 * Joins the families' rows into one table in order of name, and builds the
 * index by which they are found: under their names, or as rename-command has
 * it.
 *
 * floor 7 - uses: base options option instance string lcs bit pf key scan
 *    list listblock hashes fieldttl set zset zrange zpop zstore geo sort
 *    streams streamgroup streamread streaminfo channels snapshot sync
 *    namespace connection clientcmd trackcmd configcmd commandcmd acl info
 *    observe debug server tx
 */
enum { ROWS_WHY = 192 };       /* bytes of what is wrong with names */

static const struct {
    const struct command *rows;
    size_t n;
} rows_families[] = {
    { string_commands, ROWS(string_commands) },
    { lcs_commands, ROWS(lcs_commands) },
    { bit_commands, ROWS(bit_commands) },
    { pf_commands, ROWS(pf_commands) },
    { key_commands, ROWS(key_commands) },
    { scan_commands, ROWS(scan_commands) },
    { list_commands, ROWS(list_commands) },
    { listblock_commands, ROWS(listblock_commands) },
    { hash_commands, ROWS(hash_commands) },
    { fieldttl_commands, ROWS(fieldttl_commands) },
    { set_commands, ROWS(set_commands) },
    { zset_commands, ROWS(zset_commands) },
    { zrange_commands, ROWS(zrange_commands) },
    { zpop_commands, ROWS(zpop_commands) },
    { zstore_commands, ROWS(zstore_commands) },
    { geo_commands, ROWS(geo_commands) },
    { sort_commands, ROWS(sort_commands) },
#if !defined(KVNS_NO_STREAMS)
    { streams_commands, ROWS(streams_commands) },
    { streamgroup_commands, ROWS(streamgroup_commands) },
    { streamread_commands, ROWS(streamread_commands) },
    { streaminfo_commands, ROWS(streaminfo_commands) },
#endif
    { channel_commands, ROWS(channel_commands) },
    { snapshot_commands, ROWS(snapshot_commands) },
    { sync_commands, ROWS(sync_commands) },
    { namespace_commands, ROWS(namespace_commands) },
    { connection_commands, ROWS(connection_commands) },
    { client_commands, ROWS(client_commands) },
    { tracking_commands, ROWS(tracking_commands) },
    { config_commands, ROWS(config_commands) },
    { command_commands, ROWS(command_commands) },
    { acl_commands, ROWS(acl_commands) },
    { info_commands, ROWS(info_commands) },
    { observe_commands, ROWS(observe_commands) },
    { debug_commands, ROWS(debug_commands) },
    { server_commands, ROWS(server_commands) },
    { tx_commands, ROWS(tx_commands) },
};

static int rows__order(const void *a, const void *b) {
    return strcmp(((const struct command *)a)->name,
                  ((const struct command *)b)->name);
}

/* Which row is called so by now?  n: none. */
static size_t rows__at(const char *const *called, size_t n, const char *name) {
    size_t i = 0;

    while (i < n && (called[i] == NULL || !str_is(str_c(name), called[i])))
        i++;
    return i;
}

static bool rows__refuse(char why[ROWS_WHY], const char *name,
                         const char *text) {
    char shown[80];

    option_show(str_c(name), shown, sizeof shown);
    snprintf(why, ROWS_WHY, "rename-command: '%s' given, %s", shown, text);
    return false;
}

/* Apply rename-command, pair after pair as Redis does: `called` says what
 * each row goes by, NULL at last for those that are to be had no more.
 * False, and why in so many words. */
static bool rows__rename(struct kvns *k, const char **called,
                         char why[ROWS_WHY]) {
    struct str rest = k->opt.renames, old, new;
    char *to = k->row_names = malloc(2 * rest.n + 2);

    snprintf(why, ROWS_WHY, "out of memory");
    if (to == NULL) return false;
    while (option_rename(&rest, &old, &new)) {
        const char *was = to;
        size_t i;

        snprintf(to, old.n + 1, "%.*s", (int)old.n, old.p);
        to += old.n + 1;
        i = rows__at(called, k->nrows, was);
        if (i == k->nrows || strchr(was, '|') != NULL)
            return rows__refuse(why, was, "there is no such command");
        called[i] = NULL;
        if (new.n == 0) continue;
        snprintf(to, new.n + 1, "%.*s", (int)new.n, new.p);
        if (rows__at(called, k->nrows, to) < k->nrows)
            return rows__refuse(why, to, "another command is called so");
        called[i] = to;
        to += new.n + 1;
    }
    return true;
}

/* Take out the rows that nothing calls any more, and the subcommands of those
 * with them. */
static void rows__prune(struct kvns *k, const char **called) {
    size_t to = 0, gone = 0;
    const char *owner = NULL;

    for (size_t i = 0; i < k->nrows; i++) {
        const char *name = k->rows[i].name;

        if (owner != NULL && strncmp(name, owner, gone) == 0 &&
            name[gone] == '|')
            continue;
        if (called[i] == NULL) {
            owner = name;
            gone = strlen(name);
            continue;
        }
        k->rows[to] = k->rows[i];
        called[to++] = called[i];
    }
    k->nrows = to;
}

/* Enter a row into the index. */
static void rows__enter(struct kvns *k, struct command *row,
                        const char *called) {
    struct str name = str_c(called);
    uint64_t word = row_word(name);
    uint32_t h = row_hash(word, name.n);
    bool sub = strchr(row->name, '|') != NULL;

    if (sub) row->flags |= SUBCOMMAND;
    if (row_scope(row) == SCOPE_REFUSE) row->flags |= UNBOUND;
    while (k->row_index[h].row != NULL) h = (h + 1) % ROW_SLOTS;
    k->row_index[h] = (struct row_slot){
        word, name.n + (sub ? ROW_SUB : 0), row, called
    };
}

/* Free what rows_join has made. */
static void rows_free(struct kvns *k) {
    free(k->rows);
    free(k->row_index);
    free(k->row_names);
}

/* Join all rows and hang them on the instance, by the names that its options
 * give them.  False: why says what is wrong with those; or no memory. */
static bool rows_join(struct kvns *k, char why[ROWS_WHY]) {
    const char **called;
    size_t n = 0;
    bool ok;

    snprintf(why, ROWS_WHY, "out of memory");
    for (size_t i = 0; i < ROWS(rows_families); i++) n += rows_families[i].n;
    k->rows = malloc(n * sizeof *k->rows);
    k->row_index = calloc(ROW_SLOTS, sizeof *k->row_index);
    called = malloc(n * sizeof *called);
    if (k->rows == NULL || k->row_index == NULL || called == NULL) {
        free(called);
        return false;
    }
    for (size_t i = 0; i < ROWS(rows_families); i++) {
        memcpy(k->rows + k->nrows, rows_families[i].rows,
               rows_families[i].n * sizeof *k->rows);
        k->nrows += rows_families[i].n;
    }
    KVNS_ASSERT(n < ROW_SLOTS / 2);
    qsort(k->rows, n, sizeof *k->rows, rows__order);
    for (size_t i = 0; i < n; i++) called[i] = k->rows[i].name;
    ok = k->opt.renames.n == 0 || rows__rename(k, called, why);
    if (ok) {
        rows__prune(k, called);
        for (size_t i = 0; i < k->nrows; i++)
            rows__enter(k, k->rows + i, called[i]);
    }
    free(called);
    return ok;
}

/* Can the commands be called as these options want?  False: why says what is
 * wrong. */
static COLD bool rows_check(const struct options *o, char why[ROWS_WHY]) {
    struct kvns *k;
    bool ok;

    if (o->renames.n == 0) return true;
    k = calloc(1, sizeof *k);
    if (k == NULL) base_no_memory();
    k->opt.renames = o->renames;
    ok = rows_join(k, why);
    rows_free(k);
    free(k);
    return ok;
}
