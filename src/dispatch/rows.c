/* ==== rows - the table of all commands =====================================
 *
 * Joins the families' rows into one table in order of name, and builds the
 * index by which they are found.
 *
 * floor 7 - uses: base instance string lcs bit pf key scan list listblock
 *    hashes fieldttl set zset zrange zpop zstore geo sort streams streamgroup
 *    streamread streaminfo channels snapshot sync namespace connection
 *    clientcmd trackcmd configcmd commandcmd acl info observe debug server
 *    call tx
 */
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

/* Join all rows and hang them on the instance.  False: no memory. */
static bool rows_join(struct kvns *k) {
    size_t n = 0;

    for (size_t i = 0; i < ROWS(rows_families); i++) n += rows_families[i].n;
    k->rows = malloc(n * sizeof *k->rows);
    k->row_index = calloc(ROW_SLOTS, sizeof *k->row_index);
    if (k->rows == NULL || k->row_index == NULL) return false;
    for (size_t i = 0; i < ROWS(rows_families); i++) {
        memcpy(k->rows + k->nrows, rows_families[i].rows,
               rows_families[i].n * sizeof *k->rows);
        k->nrows += rows_families[i].n;
    }
    KVNS_ASSERT(n < ROW_SLOTS / 2);
    qsort(k->rows, n, sizeof *k->rows, rows__order);
    for (size_t i = 0; i < n; i++) {
        struct command *row = k->rows + i;
        struct str name = str_c(row->name);
        uint64_t word = row_word(name);
        uint32_t h = row_hash(word, name.n);
        bool sub = strchr(row->name, '|') != NULL;

        if (sub) row->flags |= SUBCOMMAND;
        if (row_scope(row) == SCOPE_REFUSE) row->flags |= UNBOUND;
        while (k->row_index[h].row != NULL) h = (h + 1) % ROW_SLOTS;
        k->row_index[h] = (struct row_slot){
            word, name.n + (sub ? ROW_SUB : 0), row
        };
    }
    return true;
}
