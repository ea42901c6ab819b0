/* SPDX-License-Identifier: MIT */
/* ==== acl - who one is =====================================================
 *
 * There are no rules about who may do what: a user either lives in a namespace
 * or is the default one.  What clients ask to know where they stand is here.
 *
 * floor 6 - uses: base rand reply instance users arg help commandcmd
 */
enum { ACL_PASSWORD_BITS = 4096 };  /* of a generated one, at most */

static enum outcome cmd_acl_whoami(struct call *x) {
    reply_bulk(x->r, x->c->user == NULL ? STR("default") : str_c(x->c->user));
    return DONE;
}

static enum outcome cmd_acl_users(struct call *x) {
    size_t n = 1, mark = reply_array_later(x->r);

    reply_bulk(x->r, STR("default"));
    for (const struct user *u = x->k->users; u != NULL; u = u->next, n++)
        reply_bulk(x->r, u->name);
    reply_array_set(x->r, mark, n);
    return DONE;
}

/* All categories, or the commands of one. */
static enum outcome cmd_acl_cat(struct call *x) {
    size_t n = 0, mark;
    uint32_t one;

    if (x->argc > 3) return reply_subcommand(x);
    if (x->argc == 2) {
        reply_array(x->r, ROWS(command_categories));
        for (size_t i = 0; i < ROWS(command_categories); i++)
            reply_bulk(x->r, str_c(command_categories[i]));
        return DONE;
    }
    one = command_category(x->argv[2]);
    if (one == 0) {
        reply_errorf(x->r, "ERR Unknown category '%.*s'",
                     (int)size_min(x->argv[2].n, 128), x->argv[2].p);
        return FAILED;
    }
    mark = reply_array_later(x->r);
    for (size_t i = 0; i < x->k->nrows; i++) {
        if ((command_categories_of(x->k->rows + i) & one) == 0) continue;
        reply_bulk(x->r, str_c(x->k->rows[i].name));
        n++;
    }
    reply_array_set(x->r, mark, n);
    return DONE;
}

static enum outcome cmd_acl_genpass(struct call *x) {
    unsigned char secret[ACL_PASSWORD_BITS / 8];
    char text[2 * sizeof secret + 1];
    int64_t bits = 256;

    if (x->argc > 3) return reply_subcommand(x);
    if (x->argc == 3 && !arg_int_or_reply(x, 2, &bits)) return FAILED;
    if (bits <= 0 || bits > ACL_PASSWORD_BITS) {
        reply_error(x->r, "ERR ACL GENPASS argument must be the number of "
                          "bits for the output password, a positive number "
                          "up to 4096");
        return FAILED;
    }
    rand_entropy(secret, (size_t)(bits + 7) / 8);
    for (size_t i = 0; i < (size_t)(bits + 7) / 8; i++)
        snprintf(text + 2 * i, 3, "%02x", secret[i]);
    reply_bulk(x->r, str_of(text, (size_t)(bits + 3) / 4));
    return DONE;
}

static const struct command acl_commands[] = {
    { "acl", NULL, -2, CONTAINER, 0, 0, 0, GROUP_SERVER_COMMANDS,
      SINCE(6, 0, 0), "Depends on subcommand.", "", "About users." },
    { "acl|cat", cmd_acl_cat, -2, NOSCRIPT | LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(6, 0, 0),
      "O(N) for N commands", "[category]",
      "The categories of commands, or the commands of one." },
    { "acl|genpass", cmd_acl_genpass, -2, NOSCRIPT | LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(6, 0, 0), "O(1)", "[bits]",
      "A password that nobody can guess." },
    { "acl|help", cmd_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(6, 0, 0), "O(1)", "", "What ACL can do." },
    { "acl|users", cmd_acl_users, 2,
      ADMIN | NOSCRIPT | LOADING | STALE | UNBOUND, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(6, 0, 0), "O(N) for N users", "",
      "The names of all users." },
    { "acl|whoami", cmd_acl_whoami, 2, NOSCRIPT | LOADING | STALE, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(6, 0, 0), "O(1)", "",
      "As which user the connection has authenticated." },
};
