/* SPDX-License-Identifier: MIT */
/* ==== instances - a server from its options, and its end ===================
 *
 * floor 8 - uses: base clock rand buf log crc shard upkeep reply options
 *    instance users apply asking measure labels slow pubsub track info call
 *    rows
 */

static bool instances__lane(struct kvns *k, struct lane *l, uint32_t id) {
    memset(l, 0, sizeof *l);
    l->k = k;
    l->id = id;
    l->wake[0] = l->wake[1] = -1;
    pthread_mutex_init(&l->inbox_lock, NULL);
    pthread_mutex_init(&l->turn, NULL);
    l->share = LANE_SHARED;
    atomic_init(&l->clients_now, 0);
    clock_read(&l->clock);
    rand_seed(&l->rand);
    l->stats = l->sets[STATS_PLAIN] = calloc(k->nrows, sizeof *l->stats);
    reply_open(&l->reply, &l->out, 2, SIZE_MAX);
    return l->stats != NULL;
}

static uint32_t instances__cores(void) {
    long n = 1;

#if defined(_SC_NPROCESSORS_ONLN)
    n = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return n < 1 ? 1 : (uint32_t)n;
}

/* A server with these options, which become its own; it does not listen yet.
 * NULL: no memory. */
static struct kvns *instances_new(struct options *opt) {
    struct kvns *k = calloc(1, sizeof *k);
    uint32_t shards = 1, lanes = 1;
    unsigned char id[20];
    char why[ROWS_WHY];

    if (k == NULL) return NULL;
    k->opt = *opt;
    log_init(&k->log);
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->gate, NULL);
    pthread_mutex_init(&k->ks.tenants_lock, NULL);
    crc_init(&k->crc);
    rand_entropy(&k->ks.seed, sizeof k->ks.seed);
    rand_entropy(k->ks.sip, sizeof k->ks.sip);
    rand_entropy(id, sizeof id);
    for (size_t i = 0; i < sizeof id; i++)
        snprintf(k->run_id + 2 * i, 3, "%02x", id[i]);
    k->started_ms = k->persist.last_ms = clock_wall_us() / 1000;
    k->persist.last_ok = true;
    k->persist.asker = -1;
    k->ks.active_expire = true;
    if (k->opt.sharded_mode) {
        lanes = k->opt.threads > 0 ? (uint32_t)k->opt.threads :
                                     instances__cores();
        shards = k->opt.shard_count > 0 ? (uint32_t)k->opt.shard_count :
                                          4 * instances__cores();
        shards = (uint32_t)size_min(shards, CALL_SHARDS);
    }
    apply_options(k);
    labels_fix(k);
    k->ks.threads = lanes > 1;
    k->ks.shards = base_lines(shards * sizeof *k->ks.shards);
    k->lanes = base_lines(lanes * sizeof *k->lanes);
    k->hub = hub_new(k->ks.seed ^ 2);
    k->track = track_hub_new(k->ks.seed ^ 3);
    k->slow = slow_new();
    if (k->slow == NULL || k->ks.shards == NULL || k->lanes == NULL ||
        k->hub == NULL || k->track == NULL || !rows_join(k, why))
        return NULL;
    k->ks.nshards = shards;
    for (uint32_t i = 0; i < shards; i++)
        shard_init(k->ks.shards + i, &k->ks, i);
    k->nlanes = k->nloops = lanes;
    k->crowded = lanes > instances__cores();
    for (uint32_t i = 0; i < lanes; i++)
        if (!instances__lane(k, k->lanes + i, i)) return NULL;
    k->rss_empty = info_rss();
    return k;
}

/* Free a server whose clients are gone and which saves nothing. */
static void instances_free(struct kvns *k) {
    if (k == NULL) return;
    if (k->persist.asker != -1) close(k->persist.asker);
    for (uint32_t i = 0; i < k->nlanes; i++) {
        struct lane *l = k->lanes + i;

        reply_close(&l->reply);
        buf_free(&l->out);
        asking_free(l);
        measure_free(k, l);
        for (struct letter *m = l->inbox, *next; m != NULL; m = next) {
            next = m->next;
            free(m);
        }
        pthread_mutex_destroy(&l->inbox_lock);
        pthread_mutex_destroy(&l->turn);
    }
    labels_free(k);
    for (uint32_t i = 0; i < k->ks.nshards; i++)
        shard_empty(k->ks.shards + i);
    for (uint32_t i = 0; i < k->ks.nshards; i++)
        shard_fini(k->ks.shards + i);
    for (struct tenant *t = k->ks.tenants, *next; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
    users_free(k);
    options_put_string(&k->applied_limits, STR(""), STR(""));
    options_put_string(&k->applied_policies, STR(""), STR(""));
    hub_free(k->hub);
    track_hub_free(k->track);
    free(k->ks.shards);
    free(k->lanes);
    rows_free(k);
    free(k->config_file);
    options_free(&k->opt);
    pthread_mutex_destroy(&k->lock);
    pthread_mutex_destroy(&k->gate);
    pthread_mutex_destroy(&k->ks.tenants_lock);
    slow_free(k->slow);
    log_fini(&k->log);
    free(k);
}
