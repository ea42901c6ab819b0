/* SPDX-License-Identifier: MIT */
/* ==== names - namespaces added up by name ==================================
 *
 * What pages show of namespaces.  They are walked shard by shard, each under
 * its lock, and summed by name over shards and databases.
 *
 *   shards -> spaces --+
 *                      +-> names, in order of appearance
 *   shards -> past   --+        \--> "overflow", for all beyond the cap
 *
 * A name that was seen stays as long as the server runs, so that its gauges
 * fall to 0 and its counters never do, whatever becomes of it.  Names are kept
 * as labels are printed: bounded, valid UTF-8, escaped.  Two names that look
 * alike then are one, for a page with the same series twice would be refused
 * as a whole.
 *
 * floor 8 - uses: base hash buf table shard instance metric
 */
#if !defined(KVNS_NO_HTTP)
enum {
    NAMES_SLOTS = 512,          /* of the index of names */
    NAMES_BYTES = PAST_NAME - 1 /* of a name; longer ones are cut */
};

struct name {
    struct name *next, *next_in_slot;
    struct tally ended;         /* of namespaces that are no more */
    struct tally tally;         /* the sum, as of names_count */
    uint64_t keys, expiring, bytes;
    uint64_t limit;             /* bytes of its own; UINT64_MAX: none */
    uint8_t policy;             /* POLICY_COUNT: it has no keys */
    size_t n;
    char label[];               /* as it is printed between the quotes */
};

struct names {
    struct name *first, *last, *slots[NAMES_SLOTS];
    struct name *overflow;
    size_t n;                   /* names, "overflow" not among them */
    size_t most;                /* that may be */
    struct buf label;           /* scratch */
};

static struct name *names__add(struct names *m, struct str label,
                               struct name **slot) {
    struct name *t = malloc(sizeof *t + label.n);

    if (t == NULL) return NULL;
    memset(t, 0, sizeof *t);
    t->n = label.n;
    memcpy(t->label, label.p, label.n);
    t->next_in_slot = *slot;
    *slot = t;
    if (m->first == NULL) m->first = t;
    else m->last->next = t;
    m->last = t;
    return t;
}

/* The record of a namespace; that of all others when there are too many. */
static struct name *names__get(struct names *m, struct str name) {
    struct name **slot, *t;

    buf_reset(&m->label);
    metric_label(&m->label, name, NAMES_BYTES);
    if (m->label.failed) return m->overflow;
    slot = &m->slots[hash_fast(m->label.p, m->label.n, 0) % NAMES_SLOTS];
    for (t = *slot; t != NULL; t = t->next_in_slot)
        if (str_eq(str_of(t->label, t->n), buf_str(&m->label))) return t;
    if (m->n >= m->most) return m->overflow;
    t = names__add(m, buf_str(&m->label), slot);
    if (t == NULL) return m->overflow;
    m->n++;
    return t;
}

static void names_free(struct names *m) {
    if (m == NULL) return;
    for (struct name *t = m->first, *next; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
    buf_free(&m->label);
    free(m);
}

/* A memory for names, with the default namespace in it.  NULL: no memory. */
static struct names *names_new(void) {
    struct names *m = calloc(1, sizeof *m);
    struct str all = STR("overflow");

    if (m == NULL) return NULL;
    m->most = 1;
    m->overflow = names__add(m, all, &m->slots[hash_fast(all.p, all.n, 0) %
                                               NAMES_SLOTS]);
    if (m->overflow == NULL ||
        names__get(m, STR("default")) == m->overflow) {
        names_free(m);
        return NULL;
    }
    return m;
}

static void names__space(void *ctx, void *item) {
    struct names *m = ctx;
    const struct space *sp = item;
    struct name *t = names__get(m, space_name(sp));

    t->keys += sp->keys.count;
    t->expiring += sp->expiring;
    t->bytes += sp->bytes;
    t->policy = sp->policy;
    tally_add(&t->tally, &sp->tally);
}

/* Take in what a shard holds, and what ended there since the last time. */
static void names__shard(struct names *m, struct shard *s) {
    struct past *p;

    shard_lock(s);
    shard_counted(s);
    while ((p = past_take(s)) != NULL) {
        struct name *t = names__get(m, str_of(p->name, p->nlen));

        tally_add(&t->ended, &p->tally);
        free(p);
    }
    tally_add(&m->overflow->ended, &s->lost);
    memset(&s->lost, 0, sizeof s->lost);
    for (uint32_t d = 0; d < s->ks->opt.databases; d++) {
        const struct db *db = s->dbs[d];
        uint32_t cursor = 0;

        if (db->plain != NULL) names__space(m, db->plain);
        do cursor = table_scan(&db->spaces, cursor, names__space, m);
        while (cursor != 0);
    }
    shard_unlock(s);
}

/* Sum up all namespaces as they are now; no lock is held. */
static void names_count(struct names *m, struct kvns *k) {
    m->most = (size_t)k->opt.metrics_max_namespaces;
    for (struct name *t = m->first; t != NULL; t = t->next) {
        t->keys = t->expiring = t->bytes = 0;
        t->limit = UINT64_MAX;
        t->policy = POLICY_COUNT;
        memset(&t->tally, 0, sizeof t->tally);
    }
    for (uint32_t i = 0; i < k->ks.nshards; i++)
        names__shard(m, k->ks.shards + i);
    for (const struct tenant *own = k->ks.tenants; own != NULL;
         own = own->next)
        if (own->has_limit) {
            struct name *t = names__get(m, str_of(own->name, own->nlen));

            if (t != m->overflow) t->limit = own->limit;
        }
    for (struct name *t = m->first; t != NULL; t = t->next)
        tally_add(&t->tally, &t->ended);
}

/* Is t to be shown?  "overflow" is where there is one. */
static inline bool names_shows(const struct names *m, const struct name *t) {
    return t != m->overflow || m->n >= m->most;
}
#endif
