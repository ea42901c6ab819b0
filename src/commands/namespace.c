/* SPDX-License-Identifier: MIT */
/* ==== namespace - NAMESPACE: tenants ========================================
 *
 * A namespace is there as soon as a key is in it; what is said of it here, a
 * limit, a policy, who lives in it, it keeps without keys and over restarts.
 * All of it concerns the namespace in every database.
 *
 * FLUSH and DROP detach the namespace's tables and return: memory comes back
 * in slices, see upkeep.  What changes settings runs with every lane at rest.
 *
 * floor 6 - uses: base hash num glob buf table shard reply option instance
 *    users world apply client arg help key
 */

/* Is this the name of a namespace?  Answers where not. */
static bool namespace__name_or_reply(struct call *x, struct str ns) {
    if (memchr(ns.p, '/', ns.n) == NULL) return true;
    reply_error(x->r, "ERR a namespace's name has no '/'");
    return false;
}

/* ---- who is there -------------------------------------------------------- */

/* A set of names, open addressing; p NULL: free. */
struct namespace_set {
    struct str *slots;
    size_t mask, n;
    uint64_t seed;
};

static void namespace__add(struct namespace_set *set, struct str name) {
    size_t i = hash_fast(name.p, name.n, set->seed) & set->mask;

    while (set->slots[i].p != NULL) {
        if (str_eq(set->slots[i], name)) return;
        i = (i + 1) & set->mask;
    }
    set->slots[i] = name;
    set->n++;
}

static void namespace__see(void *ctx, void *item) {
    const struct space *sp = item;

    if (sp->keys.count > 0) namespace__add(ctx, space_name(sp));
}

static bool namespace__has_settings(const struct kvns *k,
                                    const struct tenant *t) {
    if (t->has_limit || t->policy != POLICY_COUNT) return true;
    for (const struct user *u = k->users; u != NULL; u = u->next)
        if (str_eq(u->space, str_of(t->name, t->nlen))) return true;
    return false;
}

/* All namespaces that have keys or settings; the names are lent, the slots
 * the caller's.  All shards are locked.  False: no memory. */
static bool namespace__all(struct kvns *k, struct namespace_set *set) {
    const struct keyspace *ks = &k->ks;
    size_t room = 16, need = 1;
    uint32_t cursor = 0;

    for (const struct tenant *t = ks->tenants; t != NULL; t = t->next) need++;
    for (uint32_t i = 0; i < ks->nshards; i++) need += ks->shards[i].ids;
    while (room < 2 * need) room *= 2;
    *set = (struct namespace_set){ calloc(room, sizeof *set->slots), room - 1,
                                   0, ks->seed };
    if (set->slots == NULL) return false;
    for (const struct tenant *t = ks->tenants; t != NULL; t = t->next)
        if (namespace__has_settings(k, t))
            namespace__add(set, str_of(t->name, t->nlen));
    for (uint32_t i = 0; i < ks->nshards; i++)
        for (uint32_t d = 0; d < ks->opt.databases; d++) {
            const struct db *db = ks->shards[i].dbs[d];

            if (db->plain != NULL) namespace__see(set, db->plain);
            do {
                cursor = table_scan(&db->spaces, cursor, namespace__see, set);
            } while (cursor != 0);
        }
    return true;
}

static enum outcome cmd_namespace_list(struct call *x) {
    struct str pattern = STR("*");
    struct namespace_set set;
    bool all;
    size_t n = 0, mark;

    if (x->argc == 4 && str_is(x->argv[2], "match")) pattern = x->argv[3];
    else if (x->argc != 2) return reply_err(x, ERR_SYNTAX);
    if (!namespace__all(x->k, &set)) return reply_err(x, ERR_MEMORY);
    all = str_eq(pattern, STR("*"));    /* the name "", too: see glob */
    mark = reply_array_later(x->r);
    for (size_t i = 0; i <= set.mask && !x->r->failed; i++) {
        if (set.slots[i].p == NULL) continue;
        if (!all && !glob_match(pattern, set.slots[i], false)) continue;
        reply_bulk(x->r, set.slots[i]);
        n++;
    }
    reply_array_set(x->r, mark, n);
    free(set.slots);
    return DONE;
}

/* ---- one of them --------------------------------------------------------- */

/* What a namespace comes to in all shards and databases. */
struct namespace_sum {
    size_t keys, expiring, bytes;
    struct tally tally;
};

/* Sum up a namespace; all shards are locked, or the world is at rest. */
static struct namespace_sum namespace_sum(struct kvns *k, struct str ns) {
    bool plain = str_eq(ns, STR("default"));
    struct tenant *t = tenant_find(&k->ks, ns);
    struct namespace_sum sum = { 0 };
    struct table_at at;

    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        struct shard *s = k->ks.shards + i;
        const struct past *p = t == NULL ? past_find(s, ns) : NULL;

        shard_counted(s);
        if (p != NULL) tally_add(&sum.tally, &p->tally);
        for (uint32_t d = 0; d < k->ks.opt.databases; d++) {
            const struct space *sp = plain ? s->dbs[d]->plain :
                                             space_find(s, s->dbs[d], ns, &at);

            if (sp == NULL) continue;
            sum.keys += sp->keys.count;
            sum.expiring += sp->expiring;
            sum.bytes += sp->bytes;
            tally_add(&sum.tally, &sp->tally);
        }
    }
    if (t != NULL) {
        pthread_mutex_lock(&k->ks.tenants_lock);
        tally_add(&sum.tally, &t->ended);
        pthread_mutex_unlock(&k->ks.tenants_lock);
    }
    return sum;
}

/* The policy that rules a namespace. */
static enum policy namespace_policy(struct kvns *k, struct str ns) {
    const struct tenant *t = tenant_find(&k->ks, ns);

    return t == NULL || t->policy == POLICY_COUNT ? k->ks.opt.policy :
                                                    t->policy;
}

static enum outcome cmd_namespace_info(struct call *x) {
    struct str ns = x->argv[2];
    const struct tenant *t = tenant_find(&x->k->ks, ns);
    struct namespace_sum sum;

    if (!namespace__name_or_reply(x, ns)) return FAILED;
    sum = namespace_sum(x->k, ns);
    reply_map(x->r, 10);
    reply_bulk(x->r, STR("keys"));
    reply_int(x->r, (int64_t)sum.keys);
    reply_bulk(x->r, STR("expiring"));
    reply_int(x->r, (int64_t)sum.expiring);
    reply_bulk(x->r, STR("bytes"));
    reply_int(x->r, (int64_t)sum.bytes);
    reply_bulk(x->r, STR("limit"));
    if (t == NULL || !t->has_limit) reply_null(x->r);
    else reply_int(x->r, (int64_t)t->limit);
    reply_bulk(x->r, STR("policy"));
    reply_bulk(x->r, str_c(option_policy_text(namespace_policy(x->k, ns),
                                              false)));
    reply_bulk(x->r, STR("hits"));
    reply_int(x->r, (int64_t)sum.tally.hits);
    reply_bulk(x->r, STR("misses"));
    reply_int(x->r, (int64_t)sum.tally.misses);
    reply_bulk(x->r, STR("evictions"));
    reply_int(x->r, (int64_t)(sum.tally.evicted + sum.tally.ear_evicted));
    reply_bulk(x->r, STR("expired"));
    reply_int(x->r, (int64_t)sum.tally.expired);
    reply_bulk(x->r, STR("commands"));
    reply_int(x->r, (int64_t)sum.tally.commands);
    return DONE;
}

/* ---- settings ------------------------------------------------------------ */

/* Put changed settings into force; they are to be saved. */
static void namespace__changed(struct call *x, struct tenant *t) {
    apply_tenant(x->k, t);
    world_wake(x->lane);
    x->k->ks.shards[0].dirty++;
}

static enum outcome cmd_namespace_limit(struct call *x) {
    struct str ns = x->argv[2], value = x->argv[3];
    bool none = str_is(value, "none");
    struct tenant *t;
    uint64_t bytes;

    if (!namespace__name_or_reply(x, ns)) return FAILED;
    if (!none && !num_parse_size(value, &bytes)) {
        reply_error(x->r, "ERR a limit is a number of bytes, like 1048576 or "
                          "100mb, or none");
        return FAILED;
    }
    t = tenant_make(&x->k->ks, ns);
    if (t == NULL) return reply_err(x, ERR_MEMORY);
    t->has_limit = !none;
    t->limit = none || bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes;
    namespace__changed(x, t);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_namespace_policy(struct call *x) {
    struct str ns = x->argv[2], name = x->argv[3];
    enum policy policy = POLICY_COUNT;
    struct tenant *t;

    if (!namespace__name_or_reply(x, ns)) return FAILED;
    if (!str_is(name, "default") && !option_policy(name, &policy)) {
        struct buf b = { 0 };

        option_policies(&b);
        reply_errorf(x->r, "ERR no such policy; there are default, %.*s",
                     (int)b.n, b.p);
        buf_free(&b);
        return FAILED;
    }
    t = tenant_make(&x->k->ks, ns);
    if (t == NULL) return reply_err(x, ERR_MEMORY);
    t->policy = policy;
    namespace__changed(x, t);
    reply_ok(x->r);
    return DONE;
}

/* ---- to empty one -------------------------------------------------------- */

static void namespace__empty(struct call *x, struct str ns) {
    struct call y = *x;

    y.w.bound = ns;             /* what a bound client would empty */
    key_empty(&y, -1);
    x->w.news = x->w.news || y.w.news;
}

static enum outcome cmd_namespace_flush(struct call *x) {
    if (!namespace__name_or_reply(x, x->argv[2])) return FAILED;
    namespace__empty(x, x->argv[2]);
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_namespace_drop(struct call *x) {
    struct tenant *t = tenant_find(&x->k->ks, x->argv[2]);

    if (!namespace__name_or_reply(x, x->argv[2])) return FAILED;
    namespace__empty(x, x->argv[2]);
    if (t != NULL) {
        t->has_limit = false;
        t->policy = POLICY_COUNT;
        t->notify = -1;
        apply_notify(x->k);
        namespace__changed(x, t);
    }
    reply_ok(x->r);
    return DONE;
}

/* ---- users --------------------------------------------------------------- */

/* Close the connections of a user. */
static void namespace__cut(struct call *x, struct str user) {
    for (uint32_t i = 0; i < x->k->nlanes; i++) {
        struct lane *l = x->k->lanes + i;
        bool any = false;

        for (struct client *c = l->clients; c != NULL; c = c->next) {
            if (c->user == NULL || !str_eq(str_c(c->user), user)) continue;
            if ((c->flags & CLIENT_EMBEDDED) != 0) continue;
            client_cut(c);
            any = true;
        }
        if (any && l != x->lane) lane_wake(l);
    }
}

static enum outcome namespace__user_add(struct call *x) {
    struct str name = x->argv[3], password = x->argv[4], ns = x->argv[5];
    const char *fault = user_fault(name, password, ns);
    const struct user *old = user_find(x->k, name);
    bool moves = old != NULL && !str_eq(old->space, ns);

    if (fault != NULL) {
        reply_errorf(x->r, "ERR %s", fault);
        return FAILED;
    }
    if (!user_put(x->k, name, password, ns)) {
        reply_error(x->r, "ERR no memory, or a hash that is none");
        return FAILED;
    }
    if (moves) namespace__cut(x, name);
    namespace__changed(x, tenant_find(&x->k->ks, ns));
    reply_ok(x->r);
    return DONE;
}

static enum outcome namespace__user_remove(struct call *x) {
    struct str name = x->argv[3];
    bool was = user_drop(x->k, name);

    if (was) {
        namespace__cut(x, name);
        x->k->ks.shards[0].dirty++;
    }
    reply_int(x->r, was);
    return DONE;
}

static enum outcome namespace__user_list(struct call *x) {
    size_t n = 0, mark = reply_array_later(x->r);

    for (const struct user *u = x->k->users; u != NULL; u = u->next, n++) {
        reply_array(x->r, 2);
        reply_bulk(x->r, u->name);
        reply_bulk(x->r, u->space);
    }
    reply_array_set(x->r, mark, n);
    return DONE;
}

static enum outcome cmd_namespace_user(struct call *x) {
    if (x->argc == 6 && str_is(x->argv[2], "add"))
        return namespace__user_add(x);
    if (x->argc == 4 && str_is(x->argv[2], "remove"))
        return namespace__user_remove(x);
    if (x->argc == 3 && str_is(x->argv[2], "list"))
        return namespace__user_list(x);
    return reply_err(x, ERR_SYNTAX);
}

enum { NAMESPACE_FLAGS = NOSCRIPT | UNBOUND };

static const struct command namespace_commands[] = {
    { "namespace", NULL, -2, CONTAINER | UNBOUND, 0, 0, 0, GROUP_NAMESPACE,
      SINCE(1, 0, 0),
      "Depends on subcommand.", "", "About namespaces as tenants." },
    { "namespace|drop", cmd_namespace_drop, 3,
      NAMESPACE_FLAGS | ADMIN | WRITE | ALL_LANES, 0, 0, 0, GROUP_NAMESPACE,
      SINCE(1, 0, 0), "O(1); memory comes back later", "namespace",
      "Removes the keys of a namespace in all databases, its limit and its "
      "policy." },
    { "namespace|flush", cmd_namespace_flush, 3,
      NAMESPACE_FLAGS | WRITE | ALL_SHARDS, 0, 0, 0, GROUP_NAMESPACE,
      SINCE(1, 0, 0), "O(1); memory comes back later", "namespace",
      "Removes the keys of a namespace in all databases." },
    { "namespace|help", cmd_help, 2, LOADING | STALE | UNBOUND, 0, 0, 0,
      GROUP_NAMESPACE, SINCE(1, 0, 0), "O(1)", "", "What NAMESPACE can do." },
    { "namespace|info", cmd_namespace_info, 3,
      NAMESPACE_FLAGS | READONLY | ALL_SHARDS, 0, 0, 0, GROUP_NAMESPACE,
      SINCE(1, 0, 0), "O(1)", "namespace",
      "What a namespace holds, may hold, and has seen." },
    { "namespace|limit", cmd_namespace_limit, 4,
      NAMESPACE_FLAGS | ADMIN | ALL_LANES, 0, 0, 0, GROUP_NAMESPACE,
      SINCE(1, 0, 0), "O(1)", "namespace <bytes | NONE>",
      "Sets how many bytes a namespace may hold." },
    { "namespace|list", cmd_namespace_list, -2,
      NAMESPACE_FLAGS | READONLY | ALL_SHARDS, 0, 0, 0, GROUP_NAMESPACE,
      SINCE(1, 0, 0), "O(N) for N namespaces", "[MATCH pattern]",
      "The namespaces that have keys or settings." },
    { "namespace|policy", cmd_namespace_policy, 4,
      NAMESPACE_FLAGS | ADMIN | ALL_LANES, 0, 0, 0, GROUP_NAMESPACE,
      SINCE(1, 0, 0), "O(1)", "namespace <policy | DEFAULT>",
      "Sets what goes when a namespace is full." },
    { "namespace|user", cmd_namespace_user, -3,
      NAMESPACE_FLAGS | ADMIN | ALL_LANES | SECRET, 0, 0, 0, GROUP_NAMESPACE,
      SINCE(1, 0, 0), "O(N) for N users; a few milliseconds to add one",
      "<ADD name password namespace | REMOVE name | LIST>",
      "Who may log in to live in one namespace." },
};
