/* ==== apply - options take effect ==========================================
 *
 * What the options say in terms of the keyspace, the log and the lanes: once
 * at the start, and again after CONFIG SET with the world at rest.
 *
 * floor 5 - uses: base num entry shard options option instance
 */

/* Bytes this process may use; 0 where nobody says.  *source: who says. */
static size_t apply__host_memory(const char **source) {
    long pages = -1, size = -1;

#if defined(_SC_PHYS_PAGES)
    pages = sysconf(_SC_PHYS_PAGES);
    size = sysconf(_SC_PAGESIZE);
#endif
    *source = "physical memory";
    if (pages <= 0 || size <= 0) return 0;
    return (size_t)pages * (size_t)size;
}

/* The memory limit in force: as asked for, at most 70 % of what there is. */
static size_t apply__limit(struct kvns *k) {
    uint64_t want = k->opt.memory_limit;
    const char *source;
    size_t host = apply__host_memory(&source);
    uint64_t cap = (uint64_t)(host / 100) * 70;

    k->host_memory = host;
    k->limit_source = "as configured";
    if (want == 0 && k->opt.redis) {
        k->limit_source = "none";
        return SIZE_MAX / 2;
    }
    if (host != 0 && (want == 0 || want > cap)) {
        k->limit_source = "70 % of physical memory";
        want = cap;
    } else if (want == 0) {
        k->limit_source = "default, host memory unknown";
        want = (uint64_t)1 << 30;
    }
    return (size_t)(want < SIZE_MAX / 2 ? want : SIZE_MAX / 2);
}

static void apply__keyspace(struct kvns *k) {
    struct keyspace_options *o = &k->ks.opt;
    const struct options *from = &k->opt;

    o->databases = (uint32_t)from->databases;
    o->hash_entries = (uint32_t)from->hash_max_listpack_entries;
    o->hash_value = (uint32_t)size_min(from->hash_max_listpack_value, 1 << 30);
    o->set_entries = (uint32_t)from->set_max_listpack_entries;
    o->set_value = (uint32_t)size_min(from->set_max_listpack_value, 1 << 30);
    o->set_ints = (uint32_t)from->set_max_intset_entries;
    o->zset_entries = (uint32_t)from->zset_max_listpack_entries;
    o->zset_value = (uint32_t)size_min(from->zset_max_listpack_value, 1 << 30);
    o->list_size = (int)from->list_max_listpack_size;
    o->hll_sparse_max = (uint32_t)from->hll_sparse_max_bytes;
    o->stream_bytes = (uint32_t)from->stream_node_max_bytes;
    o->stream_entries = (uint32_t)from->stream_node_max_entries;
    o->memory_limit = apply__limit(k);
    o->threshold = from->eviction_threshold;
    o->policy = (enum policy)from->eviction_policy;
    o->samples = (uint32_t)from->maxmemory_samples;
    o->half_life = (uint32_t)size_min((size_t)from->hits_half_life * 1000 /
                                          ENTRY_TICK, UINT32_MAX);
    o->shared_values = from->shared_values;
    o->notify = from->notify_keyspace_events;
    if ((o->notify & (EVENT_TO_KEYSPACE | EVENT_TO_KEYEVENT)) == 0)
        o->notify = 0;
}

/* Give namespaces the limits and policies that the options name.  True when
 * there are any. */
static bool apply__tenants(struct kvns *k) {
    struct str rest = k->opt.ns_limits, name, value;
    struct tenant *t;
    uint64_t bytes;

    while (option_pair(&rest, &name, &value)) {
        t = num_parse_size(value, &bytes) ? tenant_make(&k->ks, name) : NULL;
        if (t == NULL) continue;
        t->limit = (size_t)(bytes < SIZE_MAX ? bytes : SIZE_MAX);
        t->has_limit = true;
    }
    rest = k->opt.ns_eviction;
    while (option_pair(&rest, &name, &value)) {
        t = tenant_make(&k->ks, name);
        if (t != NULL && !option_policy(value, &t->policy))
            t->policy = POLICY_COUNT;
    }
    return k->ks.tenants != NULL;
}

/* Let every namespace know its settings and its policy. */
static void apply__settle(struct kvns *k) {
    for (uint32_t i = 0; i < k->ks.nshards; i++) {
        struct shard *s = k->ks.shards + i;

        for (uint32_t j = 0; j < s->ids; j++) {
            struct space *sp = s->by_id[j];

            if (sp == NULL) continue;
            if (sp->tenant == NULL) {
                sp->tenant = tenant_find(&k->ks, space_name(sp));
                if (sp->tenant != NULL)
                    atomic_fetch_add(&sp->tenant->bytes, sp->bytes);
            }
            space_settle(&k->ks, sp);
        }
    }
}

/* Put the options into force. */
static void apply_options(struct kvns *k) {
    int64_t slow = k->opt.slowlog_log_slower_than;
    enum policy had = k->ks.opt.policy;

    apply__keyspace(k);
    if (apply__tenants(k) || k->ks.opt.policy != had)
        apply__settle(k);
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
