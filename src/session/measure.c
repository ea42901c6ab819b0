/* SPDX-License-Identifier: MIT */
/* ==== measure - what commands took, how many, how they failed ==============
 *
 * Each lane counts for itself, by row.  A command whose row is neither FAST nor
 * SHORT is timed alone.  Those between two such, or of a whole batch, share
 * its time in equal parts and are counted when it is shared out: two looks at
 * the clock for up to NET_BATCH commands, and little for each.  So counts are
 * exact, and the durations of FAST commands are means over their batch;
 * OBSERVE_ALONE has them timed singly as well.
 *
 * Durations go into classes an eighth wide, from which percentiles are read.
 * At each round bound a class is parted in two, so that the numbers below the
 * bounds, which histograms show, are exact:
 *
 *   eighths   |  896..  |  960..       1000|1001..  | 1024..   |
 *   class     |   31    |     32           |   33   |   34     |
 *
 * The class is that of the eighth and one more for each bound that is passed;
 * both only grow with the duration, so no class holds both sides of a bound.
 *
 * A lane's numbers are written by its thread and read with the world at rest.
 *
 * floor 5 - uses: base clock instance
 */

/* KVNS_NO_MEASURE is for the bench that says what all of this costs. */
#if defined(KVNS_NO_MEASURE)
#define MEASURE false
#else
#define MEASURE true
#endif

/* The round bounds: what a bucket of a histogram ends with, ns. */
static const uint64_t measure_bounds[HIST_BOUNDS] = {
    1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000,
    1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000,
    200000000, 500000000, UINT64_C(1000000000), UINT64_C(2000000000),
    UINT64_C(5000000000), UINT64_C(10000000000)
};

static inline uint32_t measure__eighth(uint64_t ns) {
    uint32_t top = HIST_FIRST;

    if (ns < UINT64_C(1) << HIST_FIRST) return 0;
    if (ns >> (HIST_FIRST + HIST_EIGHTHS / HIST_FINE) != 0)
        return HIST_EIGHTHS - 1;
    while (ns >> (top + 1) != 0) top++;
    return (top - HIST_FIRST) * HIST_FINE +
           (uint32_t)(ns >> (top - 3) & (HIST_FINE - 1));
}

static inline uint64_t measure__eighth_end(uint32_t eighth) {
    return ((uint64_t)(eighth % HIST_FINE + HIST_FINE + 1)
            << (eighth / HIST_FINE + HIST_FIRST - 3)) - 1;
}

/* The class of a duration. */
static inline uint32_t measure_class(uint64_t ns) {
    uint32_t passed = 0;

    while (passed < HIST_BOUNDS && measure_bounds[passed] < ns) passed++;
    return measure__eighth(ns) + passed;
}

/* The longest duration that is still in a class, ns. */
static uint64_t measure_class_end(uint32_t class) {
    for (uint32_t passed = 0; passed <= HIST_BOUNDS; passed++) {
        uint32_t eighth = class - passed;
        uint64_t end, least;

        if (passed > class || eighth >= HIST_EIGHTHS) continue;
        end = measure__eighth_end(eighth);
        least = passed == 0 ? 0 : measure_bounds[passed - 1] + 1;
        if (passed < HIST_BOUNDS && measure_bounds[passed] < end)
            end = measure_bounds[passed];
        if (end >= least && measure_class(end) == class) return end;
    }
    return measure__eighth_end(HIST_EIGHTHS - 1);
}

static COLD bool measure__begin_hist(struct command_stat *st) {
    st->hist = calloc(HIST_CLASSES, sizeof *st->hist);
    return st->hist != NULL;
}

static inline void measure__note(struct command_stat *st, uint32_t times,
                                 uint64_t ns, uint32_t class, bool track) {
    st->calls += times;
    st->ns += ns * times;
    if (track && (LIKELY(st->hist != NULL) || measure__begin_hist(st)))
        st->hist[class] += times;
}

/* A batch begins, or goes on after what is not to be counted. */
static inline void measure_open(struct lane *l) {
    unsigned seen = atomic_load_explicit(&l->k->observed,
                                         memory_order_relaxed);

    if (!MEASURE) return;
    l->share = (seen & OBSERVE_ALONE) != 0 ? 0 : LANE_SHARED;
    l->since_ns = clock_mono_ns();
}

/* A run of commands of one row begins.  False: no more can share. */
static COLD bool measure__begin_run(struct lane *l, struct command_stat *st) {
    if (l->runs == l->share) return false;
    l->shared[l->runs++] = (struct lane_share){ st, l->nshared };
    l->sharing = st;
    return true;
}

/* A command is to share the time of its batch.  False: it has to be timed
 * alone. */
static INLINE bool measure_share(struct lane *l, struct command_stat *st) {
    if (!MEASURE) return true;
    if (UNLIKELY(st != l->sharing) && !measure__begin_run(l, st)) return false;
    l->nshared++;
    return true;
}

/* Whoever shares the time until now gets a part, and is counted. */
static inline void measure_close(struct lane *l) {
    bool track = l->k->opt.latency_tracking;
    uint64_t each;
    uint32_t class;
    int64_t since;

    if (!MEASURE || l->nshared == 0) return;
    since = l->since_ns;
    l->since_ns = clock_mono_ns();
    each = (uint64_t)(l->since_ns - since) / l->nshared;
    class = measure_class(each);
    for (uint32_t i = 0; i < l->runs; i++) {
        uint32_t end = i + 1 < l->runs ? l->shared[i + 1].from : l->nshared;

        measure__note(l->shared[i].st, end - l->shared[i].from, each, class,
                      track);
    }
    l->nshared = l->runs = 0;
    l->sharing = NULL;
}

/* A command that is timed alone begins: returns when. */
static inline int64_t measure_begin(struct lane *l) {
    measure_close(l);
    return l->since_ns;
}

/* It is over; returns how long it took. */
static inline int64_t measure_alone(struct lane *l, struct command_stat *st,
                                    int64_t begun) {
    int64_t ns;

    if (!MEASURE) return 0;
    l->since_ns = clock_mono_ns();
    ns = l->since_ns - begun;
    measure__note(st, 1, (uint64_t)ns, measure_class((uint64_t)ns),
                  l->k->opt.latency_tracking);
    return ns;
}

/* A turn of the loop took so long. */
static inline void measure_turn(struct lane *l, int64_t ns) {
    uint32_t i = 0;

    if (!MEASURE) return;
    if (ns < 0) ns = 0;
    while (i < HIST_BOUNDS && measure_bounds[i] < (uint64_t)ns) i++;
    l->turns[i]++;
    l->nturns++;
    l->turns_ns += (uint64_t)ns;
}

/* An error was answered; code is its first word. */
static COLD void measure_error(struct lane *l, const char *code) {
    l->errors++;
    for (int i = 0; i < LANE_ERRORS; i++) {
        struct error_stat *e = l->error + i;

        if (e->n == 0) snprintf(e->code, sizeof e->code, "%s", code);
        if (strcmp(e->code, code) != 0) continue;
        e->n++;
        return;
    }
}

/* ---- read with the world at rest ----------------------------------------- */

static void measure__add(struct command_stat *to,
                         const struct command_stat *st) {
    to->calls += st->calls;
    to->ns += st->ns;
    to->rejected += st->rejected;
    to->failed += st->failed;
    if (to->hist == NULL || st->hist == NULL) return;
    for (uint32_t i = 0; i < HIST_CLASSES; i++) to->hist[i] += st->hist[i];
}

static void measure__clear(struct command_stat *st) {
    if (st->hist != NULL) memset(st->hist, 0, HIST_CLASSES * sizeof *st->hist);
    *st = (struct command_stat){ .hist = st->hist };
}

/* Let what one has counted be the other's. */
static void measure_move(struct command_stat *to, struct command_stat *from) {
    if (to->hist == NULL && from->hist != NULL) measure__begin_hist(to);
    measure__add(to, from);
    measure__clear(from);
}

#if !defined(KVNS_NO_HTTP)
/* Add up what all lanes know of a row in one set of counters.  hist:
 * HIST_CLASSES to be filled, or NULL. */
static struct command_stat measure_set(const struct kvns *k, size_t set,
                                       size_t row, uint64_t *hist) {
    struct command_stat sum = { 0, 0, 0, 0, hist };

    if (hist != NULL) memset(hist, 0, HIST_CLASSES * sizeof *hist);
    for (uint32_t i = 0; i < k->nlanes; i++)
        if (k->lanes[i].sets[set] != NULL)
            measure__add(&sum, k->lanes[i].sets[set] + row);
    return sum;
}
#endif

/* Add up what all lanes know of a row, of any namespace. */
static struct command_stat measure_row(const struct kvns *k, size_t row,
                                       uint64_t *hist) {
    struct command_stat sum = { 0, 0, 0, 0, hist };

    if (hist != NULL) memset(hist, 0, HIST_CLASSES * sizeof *hist);
    for (uint32_t i = 0; i < k->nlanes; i++)
        for (size_t j = 0; j < ROWS(k->lanes[i].sets); j++)
            if (k->lanes[i].sets[j] != NULL)
                measure__add(&sum, k->lanes[i].sets[j] + row);
    return sum;
}

/* The duration that a share of all did not pass, in ns; 0: there were none. */
static uint64_t measure_percentile(const uint64_t *hist, double percent) {
    uint64_t total = 0, seen = 0, want;

    for (uint32_t i = 0; i < HIST_CLASSES; i++) total += hist[i];
    if (total == 0) return 0;
    want = (uint64_t)((double)total * percent / 100 + 0.5);
    if (want == 0) want = 1;
    if (want > total) want = total;
    for (uint32_t i = 0; i < HIST_CLASSES; i++) {
        seen += hist[i];
        if (seen >= want) return measure_class_end(i);
    }
    return 0;
}

/* Add up the errors of all lanes; returns how many kinds.  to has room for
 * LANE_ERRORS. */
static size_t measure_errors(const struct kvns *k, struct error_stat *to) {
    size_t n = 0;

    for (uint32_t i = 0; i < k->nlanes; i++)
        for (int j = 0; j < LANE_ERRORS; j++) {
            const struct error_stat *e = k->lanes[i].error + j;
            size_t at = 0;

            if (e->n == 0) break;
            while (at < n && strcmp(to[at].code, e->code) != 0) at++;
            if (at == LANE_ERRORS) continue;
            if (at == n) {
                to[n] = *e;
                to[n++].n = 0;
            }
            to[at].n += e->n;
        }
    return n;
}

/* Forget all counts, as CONFIG RESETSTAT wants. */
static void measure_reset(struct kvns *k) {
    for (uint32_t i = 0; i < k->nlanes; i++) {
        struct lane *l = k->lanes + i;

        for (size_t j = 0; j < ROWS(l->sets); j++)
            for (size_t n = 0; l->sets[j] != NULL && n < k->nrows; n++)
                measure__clear(l->sets[j] + n);
        l->nshared = l->runs = 0;
        l->sharing = NULL;
        memset(l->error, 0, sizeof l->error);
        memset(l->sample, 0, sizeof l->sample);
        memset(l->turns, 0, sizeof l->turns);
        l->nturns = l->turns_ns = 0;
        l->commands = l->net_in = l->net_out = l->errors = 0;
        l->nreads = l->nwrites = 0;
        l->accepted = l->refused = 0;
    }
}

/* ---- rates --------------------------------------------------------------- */

/* Note where the counters stand; a lane does so ten times a second. */
static void measure_sample(struct lane *l) {
    l->sample_at = (l->sample_at + 1) % LANE_SAMPLES;
    l->sample[l->sample_at] = (struct lane_sample){
        l->clock.mono_us, l->commands, l->net_in, l->net_out
    };
}

/* What a lane did in a second, by its last samples. */
static struct lane_sample measure_rate(const struct lane *l) {
    const struct lane_sample *last = l->sample + l->sample_at;
    const struct lane_sample *first =
        l->sample + (l->sample_at + 1) % LANE_SAMPLES;
    struct lane_sample rate = { 0, 0, 0, 0 };
    double seconds;

    for (int i = 1; first->us == 0 && i < LANE_SAMPLES; i++)
        first = l->sample + (l->sample_at + 1 + (uint32_t)i) % LANE_SAMPLES;
    seconds = (double)(last->us - first->us) / 1e6;
    if (first->us == 0 || seconds <= 0) return rate;
    rate.commands = (uint64_t)((double)(last->commands - first->commands) /
                               seconds + 0.5);
    rate.net_in = (uint64_t)((double)(last->net_in - first->net_in) / seconds);
    rate.net_out = (uint64_t)((double)(last->net_out - first->net_out) /
                              seconds);
    return rate;
}

static void measure_free(struct kvns *k, struct lane *l) {
    for (size_t i = 0; i < ROWS(l->sets); i++) {
        for (size_t j = 0; l->sets[i] != NULL && j < k->nrows; j++)
            free(l->sets[i][j].hist);
        free(l->sets[i]);
    }
}
