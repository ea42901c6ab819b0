/* SPDX-License-Identifier: MIT */
/* ==== labels - namespaces whose commands are measured apart ================
 *
 * The busiest namespaces have histograms of their own, and so have those that
 * the options name; all others share one.  So the number of series stays
 * bounded whatever clients call their namespaces.
 *
 *   key "shop/x" -> label "shop"? -> set of counters, by row
 *                   none          -> the set of the rest, and a vote
 *
 * Who is busy is found by majority votes (Boyer and Moore, 1981), one for each
 * place that a hash may lead to: a command for the namespace that holds the
 * place adds one, any other takes one away.  Each second, while there is
 * room, those with most votes get labels.  When there is none, a label whose
 * namespace was idle for LABEL_IDLE_MS is given to a busier one: its series
 * end, and what it counted stays in the sums by command.
 *
 * Labels change only with the world at rest, so lanes read them as they are.
 * A name has to be UTF-8 and of LABEL_NAME bytes at most; "overflow" is what
 * the rest is called.
 *
 * floor 5 - uses: base clock hash utf8 instance measure
 */
enum {
    LABEL_ENOUGH = 16,          /* votes that make a candidate */
    LABEL_SOON_MS = 1000,       /* between looks while there is room */
    LABEL_LATE_MS = 60000,      /* and when there is none */
    LABEL_IDLE_MS = 900000
};

/* The place of a label, or LABEL_MOST. */
static size_t labels__find(const struct kvns *k, struct str ns,
                           uint64_t hash) {
    for (size_t i = hash % LABEL_SLOTS;; i = (i + 1) % LABEL_SLOTS) {
        size_t at = k->label_slots[i];
        const struct label *t = at == 0 ? NULL : k->labels[at - 1];

        if (t == NULL) return LABEL_MOST;
        if (t->hash == hash && str_eq(str_of(t->name, t->n), ns))
            return at - 1;
    }
}

/* One more command for a namespace without a label. */
static void labels__vote(struct lane *l, struct str ns, uint64_t hash) {
    struct label_vote *v;

    if (l->votes == NULL) l->votes = calloc(LABEL_VOTES, sizeof *l->votes);
    if (l->votes == NULL || ns.n > LABEL_NAME) return;
    v = l->votes + (hash >> 32) % LABEL_VOTES;
    if (v->count > 0 && v->hash != hash) {
        v->count--;
        return;
    }
    if (v->count == 0) {
        v->hash = hash;
        v->n = (uint32_t)ns.n;
        memcpy(v->name, ns.p, ns.n);
    }
    if (++v->count == LABEL_ENOUGH)
        atomic_store_explicit(&l->k->voted, true, memory_order_relaxed);
}

/* A set of counters, made when it is first needed; where there is no memory
 * for it, that of the default namespace. */
static struct command_stat *labels__set(struct lane *l, size_t i) {
    if (l->sets[i] == NULL)
        l->sets[i] = calloc(l->k->nrows, sizeof **l->sets);
    return l->sets[i] == NULL ? l->stats : l->sets[i];
}

static struct command_stat *labels__stats(struct lane *l, struct str ns) {
    uint64_t hash = hash_fast(ns.p, ns.n, l->k->ks.seed);
    size_t at = labels__find(l->k, ns, hash);

    if (at == LABEL_MOST) {
        labels__vote(l, ns, hash);
        return labels__set(l, STATS_REST);
    }
    l->label = l->k->labels[at];
    return l->label_stats = labels__set(l, STATS_LABELS + at);
}

/* Are n bytes the same?  Names are short, and a call costs more than that. */
static inline bool labels__same(const char *a, const char *b, size_t n) {
    if (LIKELY(n >= 4 && n < 8))
        return load32(a) == load32(b) &&
               load32(a + n - 4) == load32(b + n - 4);
    if (n >= 8 && n <= 16)
        return load64(a) == load64(b) &&
               load64(a + n - 8) == load64(b + n - 8);
    return memcmp(a, b, n) == 0;
}

/* The counters, by row, of commands for a namespace; ns.p NULL: the default
 * one. */
static inline struct command_stat *labels_stats(struct lane *l,
                                                struct str ns) {
    const struct label *t = l->label;

    if (LIKELY(ns.p == NULL)) return l->stats;
    if (LIKELY(t != NULL && t->n == ns.n &&
               labels__same(t->name, ns.p, ns.n)))
        return l->label_stats;
    return labels__stats(l, ns);
}

/* ---- with the world at rest ---------------------------------------------- */

/* Index all labels anew, and have no lane remember one. */
static void labels__index(struct kvns *k) {
    memset(k->label_slots, 0, sizeof k->label_slots);
    for (size_t at = 0; at < LABEL_MOST; at++) {
        size_t i;

        if (k->labels[at] == NULL) continue;
        i = k->labels[at]->hash % LABEL_SLOTS;
        while (k->label_slots[i] != 0) i = (i + 1) % LABEL_SLOTS;
        k->label_slots[i] = (uint8_t)(at + 1);
    }
    for (uint32_t i = 0; i < k->nlanes; i++) k->lanes[i].label = NULL;
}

/* Give a namespace a label.  NULL: it cannot have one, or no memory. */
static struct label *labels__put(struct kvns *k, size_t at, struct str ns) {
    struct label *t = NULL;

    if (ns.n <= LABEL_NAME && utf8_is_text(ns) &&
        !str_eq(ns, STR("overflow")) && !str_eq(ns, STR("default")))
        t = malloc(sizeof *t + ns.n);
    if (t == NULL) return NULL;
    *t = (struct label){ .hash = hash_fast(ns.p, ns.n, k->ks.seed),
                         .busy_ms = clock_wall_us() / 1000, .n = ns.n };
    memcpy(t->name, ns.p, ns.n);
    k->labels[at] = t;
    labels__index(k);
    return t;
}

/* Take a label away.  What was counted under it goes to the past. */
static void labels__end(struct kvns *k, size_t at) {
    for (uint32_t i = 0; i < k->nlanes; i++) {
        struct lane *l = k->lanes + i;
        struct command_stat *set = l->sets[STATS_LABELS + at], *to;

        if (set == NULL) continue;
        /* the set itself stays: somebody may be about to count there */
        to = labels__set(l, STATS_PAST);
        for (size_t j = 0; j < k->nrows; j++) measure_move(to + j, set + j);
    }
    free(k->labels[at]);
    k->labels[at] = NULL;
    labels__index(k);
}

/* How many commands a label has counted. */
static uint64_t labels__calls(const struct kvns *k, size_t at) {
    uint64_t n = 0;

    for (uint32_t i = 0; i < k->nlanes; i++) {
        const struct command_stat *set = k->lanes[i].sets[STATS_LABELS + at];

        for (size_t j = 0; set != NULL && j < k->nrows; j++)
            n += set[j].calls;
    }
    return n;
}

/* A place for one more label: a free one, as many as the options allow, or
 * that of one long idle.  LABEL_MOST: none. */
static size_t labels__room(struct kvns *k, int64_t now) {
    size_t busiest = 0, free_at = LABEL_MOST, idle = LABEL_MOST;

    for (size_t at = 0; at < LABEL_MOST; at++) {
        struct label *t = k->labels[at];
        uint64_t calls;

        if (t == NULL && free_at == LABEL_MOST) free_at = at;
        if (t == NULL || t->fixed) continue;
        busiest++;
        calls = labels__calls(k, at);
        if (calls != t->calls) {
            t->calls = calls;
            t->busy_ms = now;
        }
        if (now - t->busy_ms >= LABEL_IDLE_MS) idle = at;
    }
    if (busiest < (size_t)k->opt.metrics_busiest && free_at < LABEL_MOST)
        return free_at;
    if (idle < LABEL_MOST) labels__end(k, idle);
    return idle;
}

/* The candidate with most votes, or NULL: nobody has enough. */
static struct label_vote *labels__winner(struct kvns *k) {
    struct label_vote *best = NULL;

    for (uint32_t i = 0; i < k->nlanes; i++)
        for (size_t j = 0; k->lanes[i].votes != NULL && j < LABEL_VOTES; j++) {
            struct label_vote *v = k->lanes[i].votes + j;

            if (v->count >= LABEL_ENOUGH &&
                (best == NULL || v->count > best->count))
                best = v;
        }
    return best;
}

/* Is it time for labels_settle? */
static bool labels_are_due(struct kvns *k, int64_t now) {
    if (!atomic_load_explicit(&k->voted, memory_order_relaxed)) return false;
    return now >= k->labels_again || k->labels_again - now > LABEL_LATE_MS;
}

/* Give labels to those who have deserved one. */
static void labels_settle(struct kvns *k, int64_t now) {
    struct label_vote *v;
    size_t at = 0;

    while ((v = labels__winner(k)) != NULL) {
        struct str ns = str_of(v->name, v->n);

        v->count = 0;
        if (labels__find(k, ns, v->hash) != LABEL_MOST) continue;
        at = labels__room(k, now);
        if (at == LABEL_MOST) break;
        labels__put(k, at, ns);
    }
    for (uint32_t i = 0; i < k->nlanes; i++)
        if (k->lanes[i].votes != NULL)
            memset(k->lanes[i].votes, 0, LABEL_VOTES * sizeof *v);
    k->labels_again = now + (at == LABEL_MOST ? LABEL_LATE_MS : LABEL_SOON_MS);
    atomic_store(&k->voted, false);
}

/* Give the namespaces that the options name their labels; those they name no
 * longer may lose them. */
static void labels_fix(struct kvns *k) {
    struct str rest = k->opt.metrics_namespaces;

    for (size_t at = 0; at < LABEL_MOST; at++)
        if (k->labels[at] != NULL) k->labels[at]->fixed = false;
    while (rest.n > 0) {
        const char *comma = memchr(rest.p, ',', rest.n);
        struct str ns = { rest.p, comma == NULL ? rest.n :
                                      (size_t)(comma - rest.p) };
        size_t at = labels__find(k, ns, hash_fast(ns.p, ns.n, k->ks.seed));

        rest = str_of(ns.p + ns.n, rest.n - ns.n);
        if (comma != NULL) rest = str_of(rest.p + 1, rest.n - 1);
        if (ns.n == 0) continue;
        if (at == LABEL_MOST) {
            for (at = 0; at < LABEL_MOST && k->labels[at] != NULL; at++) {}
            if (at == LABEL_MOST || labels__put(k, at, ns) == NULL) continue;
        }
        k->labels[at]->fixed = true;
    }
}

static void labels_free(struct kvns *k) {
    for (size_t at = 0; at < LABEL_MOST; at++) free(k->labels[at]);
    for (uint32_t i = 0; i < k->nlanes; i++) free(k->lanes[i].votes);
}
