/* SPDX-License-Identifier: MIT */
/* ==== apply - options take effect ==========================================
 *
 * What the options say in terms of the keyspace, the log and the lanes: once
 * at the start, and again after CONFIG SET with the world at rest.
 *
 * floor 5 - uses: base num host table entry shard options option instance
 */

/* The memory limit in force: as asked for, 0 for as much as there may be; at
 * most 70 % of what this process may use.  why: the words for it. */
static size_t apply_limit(uint64_t want, bool redis,
                          const struct host_memory *m, char why[256]) {
    uint64_t cap = m->bytes / 100 * 70 + m->bytes % 100 * 70 / 100;
    const uint64_t most = SIZE_MAX / 2;

    if (want == 0 && redis) {
        snprintf(why, 256, "none, as Redis has it");
        return (size_t)most;
    }
    if (m->bytes == 0) {
        if (want == 0) want = UINT64_C(1) << 30;
        snprintf(why, 256, "as given; nobody says how much memory there is");
    } else if (want == 0 || want > cap) {
        snprintf(why, 256, "70 %% of %" PRIu64 " bytes, %.160s", m->bytes,
                 m->source);
        want = cap;
    } else {
        snprintf(why, 256, "as given; at most 70 %% of %" PRIu64
                 " bytes, %.140s", m->bytes, m->source);
    }
    return (size_t)(want < most ? want : most);
}

static void apply__keyspace(struct kvns *k) {
    struct keyspace_options *o = &k->ks.opt;
    const struct options *from = &k->opt;
    struct host_memory m = host_memory("");

    o->databases = (uint32_t)from->databases;
    o->hash_entries = (uint32_t)from->hash_max_listpack_entries;
    o->hash_value = (uint32_t)size_min(from->hash_max_listpack_value, 1 << 30);
    o->set_entries = (uint32_t)from->set_max_listpack_entries;
    o->set_value = (uint32_t)size_min(from->set_max_listpack_value, 1 << 30);
    o->set_ints = (uint32_t)from->set_max_intset_entries;
    o->zset_entries = (uint32_t)from->zset_max_listpack_entries;
    o->zset_value = (uint32_t)size_min(from->zset_max_listpack_value, 1 << 30);
    o->list_size = (int)from->list_max_listpack_size;
    o->hll_sparse_max = (uint32_t)size_min(from->hll_sparse_max_bytes, 1 << 30);
    /* what is beyond means no limit of ours: a node has Redis' own */
    o->stream_bytes = from->stream_node_max_bytes > UINT32_MAX ? 0 :
                          (uint32_t)from->stream_node_max_bytes;
    o->stream_entries = from->stream_node_max_entries > UINT32_MAX ?
                            UINT32_MAX :
                            (uint32_t)from->stream_node_max_entries;
    o->memory_limit = apply_limit(from->memory_limit, from->redis, &m,
                                  k->limit_source);
    k->host_memory = (size_t)(m.bytes < SIZE_MAX ? m.bytes : SIZE_MAX);
    o->threshold = from->eviction_threshold;
    o->policy = (enum policy)from->eviction_policy;
    o->samples = (uint32_t)from->maxmemory_samples;
    o->half_life = (uint32_t)size_min((size_t)from->hits_half_life * 1000 /
                                          ENTRY_TICK, UINT32_MAX);
    o->shared_values = from->shared_values;
}

/* Do the options name this namespace in a list like ns-limits? */
static bool apply__names(struct str list, const struct tenant *t) {
    struct str name, value;

    while (option_pair(&list, &name, &value))
        if (str_eq(name, str_of(t->name, t->nlen))) return true;
    return false;
}

/* Give namespaces the limits and policies that the options name, and take
 * from others those that they named before.  A list that says the same as
 * when it was last put into force changes nothing: what NAMESPACE LIMIT has
 * said since stays. */
static void apply__tenants(struct kvns *k) {
    bool limits = !str_eq(k->opt.ns_limits, k->applied_limits);
    bool policies = !str_eq(k->opt.ns_eviction, k->applied_policies);
    struct str rest = k->opt.ns_limits, name, value;
    struct tenant *t;
    uint64_t bytes;

    for (t = k->ks.tenants; t != NULL; t = t->next) {
        if (limits && t->limit_option && !apply__names(rest, t))
            t->limit_option = t->has_limit = false;
        if (policies && t->policy_option &&
            !apply__names(k->opt.ns_eviction, t)) {
            t->policy_option = false;
            t->policy = POLICY_COUNT;
        }
    }
    while (limits && option_pair(&rest, &name, &value)) {
        t = tenant_make(&k->ks, name);
        if (t == NULL) continue;
        t->limit_option = true;
        t->has_limit = num_parse_size(value, &bytes);
        if (t->has_limit)
            t->limit = (size_t)(bytes < SIZE_MAX ? bytes : SIZE_MAX);
    }
    rest = k->opt.ns_eviction;
    while (policies && option_pair(&rest, &name, &value)) {
        t = tenant_make(&k->ks, name);
        if (t == NULL) continue;
        t->policy_option = true;
        if (!option_policy(value, &t->policy)) t->policy = POLICY_COUNT;
    }
    options_put_string(&k->applied_limits, k->opt.ns_limits, STR(""));
    options_put_string(&k->applied_policies, k->opt.ns_eviction, STR(""));
}

/* Which events anybody wants to be told of. */
static void apply_notify(struct kvns *k) {
    int targets = EVENT_TO_KEYSPACE | EVENT_TO_KEYEVENT;
    int all = k->opt.notify_keyspace_events;

    if ((all & targets) == 0) all = 0;
    k->ks.opt.notify_all = k->ks.opt.notify = all;
    for (struct tenant *t = k->ks.tenants; t != NULL; t = t->next)
        if (t->notify > 0 && (t->notify & targets) != 0)
            k->ks.opt.notify |= t->notify;
}

/* Let the spaces of one namespace know its settings; the world is at rest and
 * all shards are locked. */
static void apply_tenant(struct kvns *k, struct tenant *t) {
    struct str ns = str_of(t->name, t->nlen);
    bool plain = str_eq(ns, STR("default"));
    struct table_at at;

    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        struct shard *s = k->ks.shards + i;

        for (uint32_t d = 0; d < k->ks.opt.databases; d++) {
            struct space *sp = plain ? s->dbs[d]->plain :
                                       space_find(s, s->dbs[d], ns, &at);

            if (sp == NULL) continue;
            if (sp->tenant == NULL) {
                sp->tenant = t;
                atomic_fetch_add(&t->bytes, sp->bytes);
            }
            space_settle(&k->ks, sp);
        }
    }
    atomic_fetch_add(&k->ks.lowered, 1);
}

/* Let every namespace know the policy that rules it. */
static void apply__settle(struct kvns *k) {
    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        struct shard *s = k->ks.shards + i;

        for (uint32_t j = 0; j < s->ids; j++)
            if (s->by_id[j] != NULL) space_settle(&k->ks, s->by_id[j]);
    }
}

/* Put the options into force. */
static void apply_options(struct kvns *k) {
    int64_t slow = k->opt.slowlog_log_slower_than;
    enum policy had = k->ks.opt.policy;

    apply__keyspace(k);
    apply__tenants(k);
    apply_notify(k);
    if (k->ks.opt.policy != had) apply__settle(k);
    for (struct tenant *t = k->ks.tenants; t != NULL; t = t->next)
        apply_tenant(k, t);
    atomic_fetch_add(&k->ks.lowered, 1);
    /* a share of a batch's time is too coarse for such a threshold */
    if ((slow >= 0 && slow < 1000) || k->opt.latency_monitor_threshold > 0)
        atomic_fetch_or(&k->observed, OBSERVE_ALONE);
    else atomic_fetch_and(&k->observed, ~(unsigned)OBSERVE_ALONE);
    atomic_store(&k->changed, true);
}

/* Let the log be as the options want it. */
static void apply_log(struct kvns *k) {
    atomic_store(&k->log.level, k->opt.log);
    atomic_store(&k->log.format, k->opt.log_format);
}

/* Descriptors that so many clients need: their own, the pipes of those who
 * wait for the idle ones, and some for listeners, HTTP and files. */
static rlim_t apply_descriptors(int64_t clients) {
    return (rlim_t)(clients + clients / 64 + 128);
}

/* Let the process have descriptors for so many clients, as far as the system
 * allows; what it has it keeps.  Returns how many of them it has some for. */
static int64_t apply_clients(int64_t asked) {
    rlim_t want = apply_descriptors(asked);
    struct rlimit r, more = { want, want };
    int64_t most;

    if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur >= want) return asked;
    if (r.rlim_max == RLIM_INFINITY || r.rlim_max >= want)
        more.rlim_max = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &more) == 0) return asked;
    more = r;
    more.rlim_cur = r.rlim_max;
    if (more.rlim_cur < want && setrlimit(RLIMIT_NOFILE, &more) == 0) r = more;
    if (r.rlim_cur <= apply_descriptors(1)) return 1;
    most = (int64_t)(r.rlim_cur - apply_descriptors(0)) / 65 * 64;
    while (most < asked && apply_descriptors(most + 1) <= r.rlim_cur) most++;
    return most;
}
