/* ==== key - commands on keys of any kind ===================================
 *
 * floor 6 - uses: base entry shard door upkeep reply instance arg
 */
static enum outcome cmd_del(struct call *x) {
    int64_t n = 0;

    for (size_t i = 1; i < x->argc; i++) {
        struct edit ed;

        edit_open(&x->w, x->argv[i], &ed);
        if (ed.e == NULL) {
            edit_cancel(&ed);
            continue;
        }
        edit_drop(&ed);
        edit_commit(&ed, EVENT_GENERIC, "del");
        n++;
    }
    reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_exists(struct call *x) {
    int64_t n = 0;

    for (size_t i = 1; i < x->argc; i++)
        n += key_read(&x->w, x->argv[i]) != NULL;
    reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_type(struct call *x) {
    const struct entry *e = key_peek(&x->w, x->argv[1]);

    reply_simple(x->r, str_c(e == NULL ? "none" : kind_names[entry_kind(e)]));
    return DONE;
}

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

/* Parse NX, XX, GT, LT; false: answered. */
static bool expire_flags_or_reply(struct call *x, int *flags) {
    *flags = 0;
    for (size_t i = 3; i < x->argc; i++) {
        struct str a = x->argv[i];
        char shown[128];

        if (str_is(a, "nx")) *flags |= EXPIRE_NX;
        else if (str_is(a, "xx")) *flags |= EXPIRE_XX;
        else if (str_is(a, "gt")) *flags |= EXPIRE_GT;
        else if (str_is(a, "lt")) *flags |= EXPIRE_LT;
        else {
            snprintf(shown, sizeof shown, "%.*s", (int)size_min(a.n, 127), a.p);
            reply_errorf(x->r, "ERR Unsupported option %s", shown);
            return false;
        }
    }
    if ((*flags & EXPIRE_NX) != 0 && *flags != EXPIRE_NX) {
        reply_error(x->r, "ERR NX and XX, GT or LT options at the same time "
                          "are not compatible");
        return false;
    }
    if ((*flags & EXPIRE_GT) != 0 && (*flags & EXPIRE_LT) != 0) {
        reply_error(x->r, "ERR GT and LT options at the same time are not "
                          "compatible");
        return false;
    }
    return true;
}

/* EXPIRE and its kin; unit in ms, base 0 or now. */
static enum outcome key_expire(struct call *x, int64_t unit, int64_t base) {
    int64_t t, was;
    struct edit ed;
    int flags;

    if (!expire_flags_or_reply(x, &flags)) return FAILED;
    if (!arg_int_or_reply(x, 2, &t)) return FAILED;
    if (t > INT64_MAX / unit || t < INT64_MIN / unit ||
        t * unit > INT64_MAX - base) {
        reply_errorf(x->r, "ERR invalid expire time in '%s' command",
                     x->row->name);
        return FAILED;
    }
    t = t * unit + base;
    edit_open(&x->w, x->argv[1], &ed);
    if (ed.e == NULL) goto no;
    was = entry_deadline(ed.e);
    if ((flags & EXPIRE_NX) != 0 && was != 0) goto no;
    if ((flags & EXPIRE_XX) != 0 && was == 0) goto no;
    if ((flags & EXPIRE_GT) != 0 && (was == 0 || t <= was)) goto no;
    if ((flags & EXPIRE_LT) != 0 && was != 0 && t >= was) goto no;
    if (t <= x->w.now) {
        edit_drop(&ed);
        edit_commit(&ed, EVENT_GENERIC, "del");
    } else {
        if (!edit_deadline(&ed, t)) {
            edit_cancel(&ed);
            return reply_err(x, ERR_MEMORY);
        }
        edit_commit(&ed, EVENT_GENERIC, "expire");
    }
    reply_int(x->r, 1);
    return DONE;
no:
    edit_cancel(&ed);
    reply_int(x->r, 0);
    return DONE;
}

static enum outcome cmd_expire(struct call *x) {
    return key_expire(x, 1000, x->w.now);
}

static enum outcome cmd_pexpire(struct call *x) {
    return key_expire(x, 1, x->w.now);
}

static enum outcome cmd_ttl(struct call *x) {
    const struct entry *e = key_peek(&x->w, x->argv[1]);
    int64_t left;

    if (e == NULL || !entry_has(e, ENTRY_TTL)) {
        reply_int(x->r, e == NULL ? -2 : -1);
        return DONE;
    }
    left = entry_deadline(e) - x->w.now;
    reply_int(x->r, (left + 500) / 1000);
    return DONE;
}

static enum outcome cmd_pttl(struct call *x) {
    const struct entry *e = key_peek(&x->w, x->argv[1]);

    if (e == NULL || !entry_has(e, ENTRY_TTL))
        reply_int(x->r, e == NULL ? -2 : -1);
    else
        reply_int(x->r, entry_deadline(e) - x->w.now);
    return DONE;
}

static enum outcome cmd_dbsize(struct call *x) {
    size_t n = 0;

    for (uint32_t i = 0; i < x->k->ks.nshards; i++)
        n += x->k->ks.shards[i].dbs[x->w.db]->keys;
    reply_int(x->r, (int64_t)n);
    return DONE;
}

/* Empty one database, or all for -1; all shards are locked. */
static enum outcome key_flush(struct call *x, int db) {
    struct keyspace *ks = &x->k->ks;
    bool ok = true;

    for (uint32_t i = 0; i < ks->nshards; i++) {
        struct shard *s = ks->shards + i;

        for (int d = 0; d < (int)ks->opt.databases; d++)
            if (db == -1 || d == db) ok = db_flush(s, s->dbs[d]) && ok;
        s->dirty++;
        shard_touch_all(s, db);
    }
    if (!ok) return reply_err(x, ERR_MEMORY);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_flushall(struct call *x) {
    if (x->argc > 2 || (x->argc == 2 && !str_is(x->argv[1], "async") &&
                        !str_is(x->argv[1], "sync")))
        return reply_err(x, ERR_SYNTAX);
    return key_flush(x, -1);
}

static enum outcome cmd_flushdb(struct call *x) {
    if (x->argc > 2 || (x->argc == 2 && !str_is(x->argv[1], "async") &&
                        !str_is(x->argv[1], "sync")))
        return reply_err(x, ERR_SYNTAX);
    return key_flush(x, x->w.db);
}

static const struct command key_commands[] = {
    { "dbsize", cmd_dbsize, 1, READONLY | FAST | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "1.0.0", "O(1)", "",
      "How many keys the selected database holds." },
    { "del", cmd_del, -2, WRITE, 1, -1, 1, GROUP_KEY,
      "1.0.0", "O(N) for N keys; memory comes back later", "key [key ...]",
      "Removes keys, and says how many there were." },
    { "exists", cmd_exists, -2, READONLY | FAST, 1, -1, 1, GROUP_KEY,
      "1.0.0", "O(N) for N keys", "key [key ...]",
      "How many of the named keys there are." },
    { "expire", cmd_expire, -3, WRITE | FAST, 1, 1, 1, GROUP_KEY,
      "1.0.0", "O(1)", "key seconds [NX | XX | GT | LT]",
      "Lets a key expire after some seconds." },
    { "flushall", cmd_flushall, -1, WRITE | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "1.0.0", "O(1); memory comes back later",
      "[ASYNC | SYNC]", "Removes all keys of all databases." },
    { "flushdb", cmd_flushdb, -1, WRITE | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, "1.0.0", "O(1); memory comes back later",
      "[ASYNC | SYNC]", "Removes all keys of the selected database." },
    { "pexpire", cmd_pexpire, -3, WRITE | FAST, 1, 1, 1, GROUP_KEY,
      "2.6.0", "O(1)", "key milliseconds [NX | XX | GT | LT]",
      "Lets a key expire after some milliseconds." },
    { "pttl", cmd_pttl, 2, READONLY | FAST, 1, 1, 1, GROUP_KEY,
      "2.6.0", "O(1)", "key",
      "Milliseconds until a key expires; -1: never, -2: no such key." },
    { "ttl", cmd_ttl, 2, READONLY | FAST, 1, 1, 1, GROUP_KEY,
      "1.0.0", "O(1)", "key",
      "Seconds until a key expires; -1: never, -2: no such key." },
    { "type", cmd_type, 2, READONLY | FAST, 1, 1, 1, GROUP_KEY,
      "1.0.0", "O(1)", "key", "What kind of value a key holds." },
};
