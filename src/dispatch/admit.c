/* SPDX-License-Identifier: MIT */
/* ==== admit - is there memory, or can it be made ===========================
 *
 * Before a command that may need memory runs, no lock held: the limits of the
 * server and of its keys' namespaces, and what may be evicted to keep them.
 *
 * floor 7 - uses: base mem rand table entry shard door upkeep reply instance
 *    arg call settle
 */

enum {
    ADMIT_SLACK = 512,          /* bytes by which an index may grow, and a
                                   namespace cost that begins in a shard */
    ADMIT_PLENTY = 1 << 20,     /* bytes that a batch may need beyond its own */
    ADMIT_FAR = 32 << 20,       /* for each lane: the limit is far off, */
    ADMIT_BATCHES = 64,         /* so many may pass without another look, */
    ADMIT_SOON_US = 1000        /* for so long */
};

/* Evict from a namespace, in all shards, until `enough` says so or nothing is
 * left that may go.  No lock is held. */
static bool admit__evict(struct call *x, struct str ns, struct tenant *t,
                         size_t goal) {
    struct keyspace *ks = x->w.ks;
    uint32_t idle = 0, at;

    shard_lock(ks->shards);     /* whose numbers these are */
    at = (uint32_t)rand_below(&ks->shards[0].rand, ks->nshards);
    shard_unlock(ks->shards);
    while ((t != NULL ? atomic_load(&t->bytes) : keyspace_bytes(ks)) > goal) {
        struct shard *s = ks->shards + at;
        struct table_at where;
        size_t freed = 0;

        if (++at == ks->nshards) at = 0;
        shard_lock(s);
        for (uint32_t d = 0; d < ks->opt.databases; d++) {
            struct db *db = s->dbs[d];
            struct space *sp = db->keys == 0 ? NULL : ns.p == NULL ? db->plain :
                                   space_find(s, db, ns, &where);

            if (sp == NULL) continue;
            freed = space_evict(&x->w, s, sp, (struct str){ NULL, 0 });
            if (freed > 0) break;
        }
        shard_unlock(s);
        settle_shard(x->lane, s);
        idle = freed > 0 ? 0 : idle + 1;
        if (idle >= ks->nshards) return false;
    }
    return true;
}

/* Bytes that a namespace holds in all shards and databases. */
static size_t admit__space_bytes(const struct keyspace *ks, struct str ns,
                                 uint8_t *policy) {
    size_t n = 0;

    for (uint32_t i = 0; i < ks->nshards; i++) {
        struct shard *s = ks->shards + i;
        struct table_at at;

        shard_lock(s);
        for (uint32_t d = 0; d < ks->opt.databases; d++) {
            struct space *sp = ns.p == NULL ? s->dbs[d]->plain :
                                   space_find(s, s->dbs[d], ns, &at);

            if (sp == NULL) continue;
            n += sp->bytes;
            *policy = sp->policy;
        }
        shard_unlock(s);
    }
    return n;
}

/* Make room for `need` bytes in the namespace of a key under one limit; t is
 * whose limit it is, NULL for the server's.  False: there is no room. */
static bool admit__room(struct call *x, struct str ns, struct tenant *t,
                        size_t limit, size_t need) {
    struct keyspace *ks = x->w.ks;
    size_t used = t != NULL ? atomic_load(&t->bytes) : keyspace_bytes(ks);
    size_t start = (size_t)((double)limit * ks->opt.threshold), mine;
    uint8_t policy = (uint8_t)ks->opt.policy;

    if (used + need <= start) return true;
    mine = admit__space_bytes(ks, ns, &policy);
    if (!policy_evicts((enum policy)policy)) return used + need <= limit;
    if (used + need > limit && used + need - limit > mine) return false;
    admit__evict(x, ns, t, start > need ? start - need : 0);
    used = t != NULL ? atomic_load(&t->bytes) : keyspace_bytes(ks);
    return used + need <= limit;
}

struct admit__need {
    struct call *x;
    size_t need;
    const char *refused;        /* namespace without room, or NULL */
    bool full;
};

static void admit__key(void *ctx, size_t i) {
    struct admit__need *a = ctx;
    struct keyspace *ks = a->x->w.ks;
    struct str ns, local;
    struct tenant *t;

    if (a->full || a->refused != NULL) return;
    key_split(&a->x->w, a->x->argv[i], &ns, &local);
    t = ks->tenants == NULL ? NULL : tenant_find(ks, ns);
    if (t != NULL && t->has_limit &&
        !admit__room(a->x, ns, t, t->limit, a->need + ADMIT_SLACK))
        a->refused = t->name;
    else if (!admit__room(a->x, ns, NULL, ks->opt.memory_limit, a->need))
        a->full = true;
}

/* Is there memory for a command that may need some?  Evicts what it may; no
 * lock is held.  False: answered. */
static bool admit_or_reply(struct call *x) {
    struct keyspace *ks = x->w.ks;
    struct admit__need a = { x, 0, NULL, false };
    const struct entry *old;
    size_t mine, ask;

    for (size_t i = 1; i < x->argc; i++) a.need += x->argv[i].n + 8;
    a.need += 32;
    /* what is apart is there already */
    ask = x->w.apart == NULL ? a.need :
              a.need - size_min(x->w.apart->n, a.need);
    if (LIKELY(ks->tenants == NULL &&
               (double)(keyspace_bytes(ks) + a.need) <=
                   (double)ks->opt.memory_limit * ks->opt.threshold) &&
        (ask < 65536 || mem_can(&ks->shards[0].mem, 2 * ask)))
        return true;
    if (x->row->first == 1 && x->argc > 1) {
        /* what is overwritten makes room */
        struct keyref ref;

        key_home(&x->w, x->argv[1], &ref);
        shard_lock(ref.shard);
        old = key_peek(&x->w, x->argv[1]);
        mine = old == NULL || entry_kind(old) != KIND_STRING ? 0 :
                   entry_cost(old);
        shard_unlock(ref.shard);
        if (mine > 0 && (x->row->flags & FAST) != 0 && x->argc <= 3 &&
            a.need < mine + 56)
            return true;
    }
    if (!mem_can(&ks->shards[0].mem, ask)) {
        reply_err(x, ERR_MEMORY);
        return false;
    }
    row_keys(x->row, x->argc, x->argv, admit__key, &a);
    if (a.full) {
        reply_err(x, ERR_OOM);
        return false;
    }
    if (a.refused != NULL) {
        reply_errorf(x->r, "OOM command not allowed when used memory > "
                           "'maxmemory' of namespace '%s'.", a.refused);
        return false;
    }
    return true;
}

/* Is there memory in plenty for whatever a batch of so many bytes may want?
 * Then its commands need not be looked at one by one.  To add up many shards,
 * which other lanes are changing, takes as long as some commands, so while the
 * limit is far off the answer holds for some batches of short commands. */
static inline void admit_look_ahead(struct lane *l, size_t bytes) {
    const struct keyspace *ks = &l->k->ks;
    double limit = (double)ks->opt.memory_limit * ks->opt.threshold, need;

    l->roomy = false;
    if (ks->tenants != NULL || bytes >= 65536) return;
    if (l->room_batches > 0 && limit >= l->room_limit &&
        l->clock.mono_us < l->room_until) {
        l->room_batches--;
        l->roomy = true;
        return;
    }
    need = (double)(keyspace_bytes(ks) + 2 * bytes + ADMIT_PLENTY);
    l->roomy = need <= limit;
    l->room_batches = 0;
    if (ks->nshards == 1 || need + (double)ADMIT_FAR * l->k->nlanes > limit)
        return;
    l->room_batches = ADMIT_BATCHES;
    l->room_until = l->clock.mono_us + ADMIT_SOON_US;
    l->room_limit = limit;
}
