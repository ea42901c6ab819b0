/* SPDX-License-Identifier: MIT */
/* ==== key - commands on keys of any kind ===================================
 *
 * Deadlines, removing, renaming, copying; what a key is; whole databases.
 * What only asks after a key leaves no trace on it but counts as a hit or a
 * miss, as in Redis.
 *
 * A bound client's database is its namespace: DBSIZE, FLUSHDB and FLUSHALL
 * count and empty that and nothing else.
 *
 * floor 6 - uses: base num table entry shard due door copy upkeep reply
 *    options instance arg help
 */

/* Look at a key without using it. */
static const struct entry *key_glance(struct call *x, struct str key) {
    x->w.no_touch = true;
    return key_read(&x->w, key);
}

/* Are two names names of one key, as default/x and x are? */
static bool key_same(const struct call *x, struct str a, struct str b) {
    struct str ans, alocal, bns, blocal;

    key_split(&x->w, a, &ans, &alocal);
    key_split(&x->w, b, &bns, &blocal);
    return str_eq(alocal, blocal) && (ans.p == NULL) == (bns.p == NULL) &&
           (ans.p == NULL || str_eq(ans, bns));
}

/* Parse the number of a database; why: what to say if it is no number, NULL
 * for Redis' usual words.  False: answered. */
static bool key_db_or_reply(struct call *x, size_t i, const char *why,
                            int *db) {
    int64_t n;

    if (!num_parse_int(x->argv[i], &n)) {
        if (why != NULL) reply_error(x->r, why);
        else reply_err(x, ERR_NOT_INT);
        return false;
    }
    if (n < INT32_MIN || n > INT32_MAX) {
        reply_error(x->r, why != NULL ? why :
                    "ERR value is out of range, value must between "
                    "-2147483648 and 2147483647");
        return false;
    }
    if (n < 0 || n >= (int64_t)x->k->ks.opt.databases) {
        reply_err(x, ERR_DB_RANGE);
        return false;
    }
    *db = (int)n;
    return true;
}

/* DEL and UNLINK: what is large is freed later in any case. */
static enum outcome cmd_del(struct call *x) {
    struct key_hint hint[ARG_AHEAD];
    int64_t n = 0;

    for (size_t i = 1; i < x->argc; i++) {
        struct edit ed;

        if (x->argc > 2) arg_ahead(x, i, 1, hint);
        edit_open(&x->w, x->argv[i], &ed);
        if (ed.e == NULL) {
            edit_cancel(&ed);
            continue;
        }
        edit_drop(&ed);
        edit_commit(&ed, EVENT_GENERIC, "del");
        n++;
    }
    arg_ahead_end(x);
    reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_exists(struct call *x) {
    int64_t n = 0;

    for (size_t i = 1; i < x->argc; i++)
        n += key_glance(x, x->argv[i]) != NULL;
    reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_touch(struct call *x) {
    int64_t n = 0;

    for (size_t i = 1; i < x->argc; i++)
        n += key_read(&x->w, x->argv[i]) != NULL;
    reply_int(x->r, n);
    return DONE;
}

static enum outcome cmd_type(struct call *x) {
    const struct entry *e = key_glance(x, x->argv[1]);

    reply_simple(x->r, str_c(e == NULL ? "none" : kind_names[entry_kind(e)]));
    return DONE;
}

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

/* Parse NX, XX, GT, LT; false: answered. */
static bool expire_flags_or_reply(struct call *x, int *flags) {
    *flags = 0;
    for (size_t i = 3; i < x->argc; i++) {
        struct str a = x->argv[i];

        if (str_is(a, "nx")) *flags |= EXPIRE_NX;
        else if (str_is(a, "xx")) *flags |= EXPIRE_XX;
        else if (str_is(a, "gt")) *flags |= EXPIRE_GT;
        else if (str_is(a, "lt")) *flags |= EXPIRE_LT;
        else {
            reply_errorf(x->r, "ERR Unsupported option %.*s",
                         (int)size_min(a.n, 512), a.p);
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

static enum outcome cmd_expireat(struct call *x) {
    return key_expire(x, 1000, 0);
}

static enum outcome cmd_pexpireat(struct call *x) {
    return key_expire(x, 1, 0);
}

static enum outcome cmd_persist(struct call *x) {
    struct edit ed;

    edit_open(&x->w, x->argv[1], &ed);
    if (ed.e == NULL || !entry_has(ed.e, ENTRY_TTL)) {
        edit_cancel(&ed);
        reply_int(x->r, 0);
        return DONE;
    }
    if (!edit_deadline(&ed, 0)) {
        edit_cancel(&ed);
        return reply_err(x, ERR_MEMORY);
    }
    edit_commit(&ed, EVENT_GENERIC, "persist");
    reply_int(x->r, 1);
    return DONE;
}

/* Answer a key's deadline less `since`, rounded to `unit` ms; -1: it has none,
 * -2: there is no key. */
static enum outcome key_ttl(struct call *x, int64_t since, int64_t unit) {
    const struct entry *e = key_glance(x, x->argv[1]);
    int64_t left;

    if (e == NULL || !entry_has(e, ENTRY_TTL)) {
        reply_int(x->r, e == NULL ? -2 : -1);
        return DONE;
    }
    left = entry_deadline(e) - since;
    reply_int(x->r, left / unit + (left % unit >= (unit + 1) / 2 && unit > 1));
    return DONE;
}

static enum outcome cmd_ttl(struct call *x) {
    return key_ttl(x, x->w.now, 1000);
}

static enum outcome cmd_pttl(struct call *x) {
    return key_ttl(x, x->w.now, 1);
}

static enum outcome cmd_expiretime(struct call *x) {
    return key_ttl(x, 0, 1000);
}

static enum outcome cmd_pexpiretime(struct call *x) {
    return key_ttl(x, 0, 1);
}

/* RENAME and RENAMENX: refused is what a destination that is there means. */
static enum outcome key_rename(struct call *x, bool nx) {
    struct str from = x->argv[1], to = x->argv[2];

    if (key_peek(&x->w, from) == NULL) return reply_err(x, ERR_NO_KEY);
    if (nx && key_peek(&x->w, to) != NULL) {
        reply_int(x->r, 0);
        return DONE;
    }
    if (!key_same(x, from, to) &&
        !copy_move(&x->w, from, x->w.db, to, x->w.db, "rename_from",
                   "rename_to"))
        return reply_err(x, ERR_MEMORY);
    if (nx) reply_int(x->r, 1);
    else reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_rename(struct call *x) {
    return key_rename(x, false);
}

static enum outcome cmd_renamenx(struct call *x) {
    return key_rename(x, true);
}

static enum outcome cmd_move(struct call *x) {
    struct str key = x->argv[1];
    int db;

    if (!key_db_or_reply(x, 2, NULL, &db)) return FAILED;
    if (db == x->w.db) return reply_err(x, ERR_SAME_OBJECT);
    if (key_peek(&x->w, key) == NULL || key_peek_in(&x->w, key, db) != NULL) {
        reply_int(x->r, 0);
        return DONE;
    }
    if (!copy_move(&x->w, key, x->w.db, key, db, "move_from", "move_to"))
        return reply_err(x, ERR_MEMORY);
    reply_int(x->r, 1);
    return DONE;
}

static enum outcome cmd_copy(struct call *x) {
    struct str from = x->argv[1], to = x->argv[2], ns, local;
    const struct entry *e;
    bool replace = false;
    int db = x->w.db;
    struct edit ed;

    for (size_t i = 3; i < x->argc; i++) {
        if (str_is(x->argv[i], "replace")) {
            replace = true;
        } else if (str_is(x->argv[i], "db") && i + 1 < x->argc) {
            if (!key_db_or_reply(x, ++i, NULL, &db)) return FAILED;
        } else {
            return reply_err(x, ERR_SYNTAX);
        }
    }
    if (db == x->w.db && key_same(x, from, to))
        return reply_err(x, ERR_SAME_OBJECT);
    e = key_read(&x->w, from);
    if (e == NULL || (key_peek_in(&x->w, to, db) != NULL && !replace)) {
        reply_int(x->r, 0);
        return DONE;
    }
    key_split(&x->w, from, &ns, &local);
    if (!arg_room_or_reply(x, to, local, entry_cost(e))) return FAILED;
    edit_open_in(&x->w, to, db, &ed);
    if (!copy_put(&ed, e)) {
        edit_cancel(&ed);
        return reply_err(x, ERR_MEMORY);
    }
    edit_commit(&ed, EVENT_GENERIC, "copy_to");
    reply_int(x->r, 1);
    return DONE;
}

/* What OBJECT asks after; NULL: there is none, answered. */
static const struct entry *object_or_reply(struct call *x) {
    const struct entry *e = key_noted(&x->w, x->argv[2], false);

    if (e == NULL) reply_null(x->r);
    return e;
}

/* How Redis would call the way a value is kept. */
static const char *object_encoding(const struct entry *e) {
    static const char *const names[SHAPE_COUNT] = {
        [SHAPE_BYTES] = "embstr", [SHAPE_INT] = "int", [SHAPE_BLOB] = "raw",
        [SHAPE_LIST_PACK] = "listpack", [SHAPE_LIST_QUICK] = "quicklist",
        [SHAPE_SET_INT] = "intset", [SHAPE_SET_PACK] = "listpack",
        [SHAPE_SET_TABLE] = "hashtable", [SHAPE_ZSET_PACK] = "listpack",
        [SHAPE_ZSET_SKIP] = "skiplist", [SHAPE_HASH_PACK] = "listpack",
        [SHAPE_HASH_TABLE] = "hashtable", [SHAPE_STREAM] = "stream"
    };

    /* Redis keeps strings of up to 44 bytes with their head */
    if (entry_shape(e) == SHAPE_BYTES && entry_value(e).n > 44) return "raw";
    return names[entry_shape(e)];
}

static enum outcome cmd_object_encoding(struct call *x) {
    const struct entry *e = object_or_reply(x);

    if (e != NULL) reply_bulk(x->r, str_c(object_encoding(e)));
    return DONE;
}

/* The policy in force where a key lives. */
static enum policy object_policy(struct call *x) {
    struct keyref ref;

    key_ref(&x->w, x->argv[2], &ref);
    return ref.space == NULL ? x->k->ks.opt.policy :
                               (enum policy)ref.space->policy;
}

static bool policy_is_lfu(enum policy p) {
    return p == POLICY_ALLKEYS_LFU || p == POLICY_VOLATILE_LFU;
}

/* Redis' policies show a logarithm, which is what RESTORE and snapshots take
 * and we keep; ours, which look at hits as well as time, the hits. */
static enum outcome cmd_object_freq(struct call *x) {
    const struct entry *e = object_or_reply(x);
    enum policy policy = object_policy(x);
    uint8_t hits;

    if (e == NULL) return DONE;
    if (!policy_is_lfu(policy) && policy != POLICY_LRU &&
        policy != POLICY_MRU) {
        reply_error(x->r, "ERR An LFU maxmemory policy is not selected, "
                          "access frequency not tracked. Please note that "
                          "when switching between policies at runtime LRU "
                          "and LFU data will take some time to adjust.");
        return FAILED;
    }
    hits = entry_aged(e->hits, work_tick(&x->w) - e->used,
                      x->k->ks.opt.half_life);
    reply_int(x->r, policy_is_lfu(policy) ? hits : entry_hits(hits));
    return DONE;
}

static enum outcome cmd_object_idletime(struct call *x) {
    const struct entry *e = object_or_reply(x);

    if (e == NULL) return DONE;
    if (policy_is_lfu(object_policy(x))) {
        reply_error(x->r, "ERR An LFU maxmemory policy is selected, idle "
                          "time not tracked. Please note that when switching "
                          "between policies at runtime LRU and LFU data will "
                          "take some time to adjust.");
        return FAILED;
    }
    reply_int(x->r, (int64_t)(work_tick(&x->w) - e->used) * ENTRY_TICK / 1000);
    return DONE;
}

/* Is it chosen by their use what goes when memory is short? */
static bool key__weighs_use(const struct call *x) {
    const struct options *o = &x->k->opt;

    return o->memory_limit != 0 &&
           (o->eviction_policy == POLICY_ALLKEYS_LRU ||
            o->eviction_policy == POLICY_ALLKEYS_LFU ||
            o->eviction_policy == POLICY_VOLATILE_LRU ||
            o->eviction_policy == POLICY_VOLATILE_LFU);
}

static enum outcome cmd_object_refcount(struct call *x) {
    const struct entry *e = object_or_reply(x);

    if (e == NULL) return DONE;
    /* Redis shares these, unless it has to know when each was last used, and
     * answers with the largest int */
    if (entry_shape(e) == SHAPE_INT && entry_int(e) >= 0 &&
        entry_int(e) < 10000 && !key__weighs_use(x))
        reply_int(x->r, INT32_MAX);
    else reply_int(x->r, 1);
    return DONE;
}

/* The one namespace of a bound client in a database of a shard, or NULL. */
static struct space *key_bound_space(const struct call *x,
                                     const struct shard *s, int db) {
    struct str ns, local;
    struct table_at at;

    key_split(&x->w, STR(""), &ns, &local);
    return ns.p == NULL ? s->dbs[db]->plain :
                          space_find(s, s->dbs[db], ns, &at);
}

static enum outcome cmd_dbsize(struct call *x) {
    const struct space *sp;
    size_t n = 0;

    for (uint32_t i = 0; i < x->k->ks.nshards; i++) {
        const struct shard *s = x->k->ks.shards + i;

        if (x->w.bound.p == NULL) n += s->dbs[x->w.db]->keys;
        else if ((sp = key_bound_space(x, s, x->w.db)) != NULL)
            n += sp->keys.count;
    }
    reply_int(x->r, (int64_t)n);
    return DONE;
}

/* Databases that are emptied or swapped. */
struct key_changed {
    struct call *x;
    struct shard *s;
    int a, b;                   /* databases: all if a is -1; b: swapped with
                                   a, or -1 */
};

/* Is a watched key alive in this database? */
static bool key__is_in(const struct shard *s, const struct side_key *k,
                       int db, int64_t now) {
    bool plain = k->nslen == UINT32_MAX;
    struct str ns = { k->name, plain ? 0 : k->nslen };
    struct str local = { k->name + ns.n, k->n };
    const struct entry *e;
    const struct space *sp;
    struct table_at at;

    sp = plain ? s->dbs[db]->plain : space_find(s, s->dbs[db], ns, &at);
    if (sp == NULL) return false;
    e = space_entry(s->ks, sp, local, key_hash(s->ks, local), &at);
    return e != NULL && !entry_is_dead(e, now);
}

/* A watched key is changed if it is there, or comes by the swap.  One whose
 * time has come is neither: EXEC looks after those that had been alive. */
static void key__see_watched(void *ctx, void *item) {
    const struct key_changed *c = ctx;
    const struct side_key *k = item;
    int other = k->db == c->a ? c->b : c->a;

    if (c->a != -1 && k->db != c->a && k->db != c->b) return;
    if (c->x->w.bound.p != NULL) {
        struct str ns, local;

        key_split(&c->x->w, STR(""), &ns, &local);
        if (ns.p == NULL ? k->nslen != UINT32_MAX :
                           k->nslen != ns.n ||
                               memcmp(k->name, ns.p, ns.n) != 0)
            return;
    }
    if (!key__is_in(c->s, k, k->db, c->x->w.now) &&
        (c->b == -1 || !key__is_in(c->s, k, other, c->x->w.now)))
        return;
    for (struct side_link *l = k->first; l != NULL; l = l->next)
        atomic_store_explicit((atomic_bool *)l->who, true,
                              memory_order_relaxed);
}

/* Tell those who watch keys that change: before it happens. */
static void key__touch_watchers(struct call *x, struct shard *s, int a,
                                int b) {
    struct key_changed c = { x, s, a, b };
    uint32_t cursor = 0;

    do {
        cursor = table_scan(&s->watched, cursor, key__see_watched, &c);
    } while (cursor != 0);
}

/* Remove what the client may see of one database, or of all for -1; all
 * shards are locked.  False: no memory; then some may be left. */
static bool key_empty(struct call *x, int db) {
    struct keyspace *ks = &x->k->ks;
    bool ok = true;

    for (uint32_t i = 0; i < ks->nshards; i++) {
        struct shard *s = ks->shards + i;

        key__touch_watchers(x, s, db, -1);
        for (int d = 0; d < (int)ks->opt.databases; d++) {
            struct space *sp;

            if (db != -1 && d != db) continue;
            if (x->w.bound.p == NULL) ok = db_flush(s, s->dbs[d]) && ok;
            else if ((sp = key_bound_space(x, s, d)) != NULL)
                space_detach(s, s->dbs[d], sp);
        }
    }
    x->w.news = true;           /* those who wait may have to know */
    if (atomic_load(&ks->shards[0].tracked) != 0) {
        struct str ns = x->w.bound;

        shard_touched(ks->shards, 0, true, ns, (struct str){ NULL, 0 });
    }
    return ok;
}

static enum outcome key__flush(struct call *x, int db) {
    if (x->argc > 2 || (x->argc == 2 && !str_is(x->argv[1], "async") &&
                        !str_is(x->argv[1], "sync")))
        return reply_err(x, ERR_SYNTAX);
    if (!key_empty(x, db)) return reply_err(x, ERR_MEMORY);
    reply_ok(x->r);
    return DONE;
}

/* Like Redis, where there are rules for snapshots, have one taken: nobody
 * wants back from an old file what was flushed. */
static enum outcome cmd_flushall(struct call *x) {
    enum outcome what = key__flush(x, -1);

    if (what == DONE && x->w.bound.p == NULL && x->k->opt.save.n > 0 &&
        x->k->opt.persist_path.n > 0)
        x->k->persist.again = true;
    return what;
}

static enum outcome cmd_flushdb(struct call *x) {
    return key__flush(x, x->w.db);
}

/* Redis reads both numbers before it looks whether there are such. */
static enum outcome cmd_swapdb(struct call *x) {
    struct keyspace *ks = &x->k->ks;
    int64_t n;
    int a, b;

    if (!num_parse_int(x->argv[1], &n) || n < INT32_MIN || n > INT32_MAX) {
        reply_error(x->r, "ERR invalid first DB index");
        return FAILED;
    }
    if (!key_db_or_reply(x, 2, "ERR invalid second DB index", &b) ||
        !key_db_or_reply(x, 1, NULL, &a))
        return FAILED;
    for (uint32_t i = 0; i < ks->nshards && a != b; i++) {
        struct shard *s = ks->shards + i;
        struct db *was = s->dbs[a];

        key__touch_watchers(x, s, a, b);
        s->dbs[a] = s->dbs[b];
        s->dbs[b] = was;
        s->dbs[a]->index = (uint8_t)a;
        s->dbs[b]->index = (uint8_t)b;
        shard_wake_all(s, a);
        shard_wake_all(s, b);
        x->w.news = true;
    }
    ks->shards[0].dirty++;
    reply_ok(x->r);
    return DONE;
}

static const struct command key_commands[] = {
    { "copy", cmd_copy, -3, WRITE | GROWS, 1, 2, 1, GROUP_KEY,
      SINCE(6, 2, 0), "O(N) for N elements, O(1) for strings",
      "source destination [DB destination-db] [REPLACE]",
      "Copies the value and the time to live of one key to another." },
    { "dbsize", cmd_dbsize, 1, READONLY | FAST | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(1)", "",
      "How many keys the selected database holds." },
    { "del", cmd_del, -2, WRITE | SHORT, 1, -1, 1, GROUP_KEY,
      SINCE(1, 0, 0),
      "O(N) for N keys; memory comes back later", "key [key ...]",
      "Removes keys, and says how many there were." },
    { "exists", cmd_exists, -2, READONLY | FAST, 1, -1, 1, GROUP_KEY,
      SINCE(1, 0, 0), "O(N) for N keys", "key [key ...]",
      "How many of the named keys there are." },
    { "expire", cmd_expire, -3, WRITE | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(1, 0, 0), "O(1)", "key seconds [NX | XX | GT | LT]",
      "Lets a key expire after some seconds." },
    { "expireat", cmd_expireat, -3, WRITE | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(1, 2, 0), "O(1)", "key unix-time-seconds [NX | XX | GT | LT]",
      "Lets a key expire at a time in seconds since 1970." },
    { "expiretime", cmd_expiretime, 2, READONLY | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(7, 0, 0), "O(1)", "key",
      "When a key expires, in seconds since 1970; -1: never, -2: no key." },
    { "flushall", cmd_flushall, -1, WRITE | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(1); memory comes back later",
      "[ASYNC | SYNC]", "Removes all keys of all databases." },
    { "flushdb", cmd_flushdb, -1, WRITE | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(1); memory comes back later",
      "[ASYNC | SYNC]", "Removes all keys of the selected database." },
    { "move", cmd_move, 3, WRITE | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(1, 0, 0), "O(1)", "key db", "Moves a key to another database." },
    { "object", NULL, -2, CONTAINER, 0, 0, 0, GROUP_KEY,
      SINCE(2, 2, 3), "see its subcommands", "", "How a value is kept." },
    { "object|encoding", cmd_object_encoding, 3, READONLY, 2, 2, 1, GROUP_KEY,
      SINCE(2, 2, 3),
      "O(1)", "key", "In which form the value at key is kept." },
    { "object|freq", cmd_object_freq, 3, READONLY, 2, 2, 1, GROUP_KEY,
      SINCE(4, 0, 0), "O(1)", "key",
      "How often a key has been used, older uses counting less." },
    { "object|help", cmd_help, 2, LOADING | STALE, 0, 0, 0, GROUP_KEY,
      SINCE(6, 2, 0), "O(1)", "", "What OBJECT can be asked." },
    { "object|idletime", cmd_object_idletime, 3, READONLY, 2, 2, 1, GROUP_KEY,
      SINCE(2, 2, 3), "O(1)", "key", "Seconds since a key was last used." },
    { "object|refcount", cmd_object_refcount, 3, READONLY, 2, 2, 1, GROUP_KEY,
      SINCE(2, 2, 3), "O(1)", "key",
      "How many references a value has: 1, nothing is shared." },
    { "persist", cmd_persist, 2, WRITE | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(2, 2, 0), "O(1)", "key", "Lets a key live for ever." },
    { "pexpire", cmd_pexpire, -3, WRITE | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(2, 6, 0), "O(1)", "key milliseconds [NX | XX | GT | LT]",
      "Lets a key expire after some milliseconds." },
    { "pexpireat", cmd_pexpireat, -3, WRITE | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(2, 6, 0), "O(1)", "key unix-time-milliseconds [NX | XX | GT | LT]",
      "Lets a key expire at a time in milliseconds since 1970." },
    { "pexpiretime", cmd_pexpiretime, 2, READONLY | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(7, 0, 0), "O(1)", "key",
      "When a key expires, in milliseconds since 1970; -1: never, -2: no "
      "key." },
    { "pttl", cmd_pttl, 2, READONLY | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(2, 6, 0), "O(1)", "key",
      "Milliseconds until a key expires; -1: never, -2: no such key." },
    { "rename", cmd_rename, 3, WRITE, 1, 2, 1, GROUP_KEY,
      SINCE(1, 0, 0), "O(1)", "key newkey",
      "Gives a key another name, in place of what had it." },
    { "renamenx", cmd_renamenx, 3, WRITE | FAST, 1, 2, 1, GROUP_KEY,
      SINCE(1, 0, 0), "O(1)", "key newkey",
      "Gives a key another name unless something has it." },
    { "swapdb", cmd_swapdb, 3, WRITE | FAST | ALL_SHARDS | UNBOUND, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(4, 0, 0), "O(N) for N watched keys",
      "index1 index2", "Lets two databases change their numbers." },
    { "touch", cmd_touch, -2, READONLY | FAST, 1, -1, 1, GROUP_KEY,
      SINCE(3, 2, 1), "O(N) for N keys", "key [key ...]",
      "Uses keys, and says how many there were." },
    { "ttl", cmd_ttl, 2, READONLY | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(1, 0, 0), "O(1)", "key",
      "Seconds until a key expires; -1: never, -2: no such key." },
    { "type", cmd_type, 2, READONLY | FAST, 1, 1, 1, GROUP_KEY,
      SINCE(1, 0, 0), "O(1)", "key", "What kind of value a key holds." },
    { "unlink", cmd_del, -2, WRITE | FAST, 1, -1, 1, GROUP_KEY,
      SINCE(4, 0, 0),
      "O(N) for N keys; memory comes back later", "key [key ...]",
      "Removes keys, and says how many there were." },
};
