/* SPDX-License-Identifier: MIT */
/* threads - what several threads get out of one server in their process.
 *
 *     threads COMMAND THREADS SHARDS SECONDS [BATCH [KEYS [apart]]]
 *
 * COMMAND is GET, SET, HSET or ZADD, on random keys, BATCH (32) at a time: of
 * each thread 262144 requests, which come again when all were carried out.
 * SHARDS 0: the classic mode, by kvns_exec, for one thread.  With "apart" each
 * thread has a server of its own, so that nothing is shared but the machine:
 * no server in one process can do better.  Prints the operations, the seconds
 * that passed, and the CPU seconds of all threads.
 * Built with -DTHREADS_WAIT, also how often a lock was taken, how often that
 * had to wait, and for how many ns in all.
 */
#define KVNS_NO_MAIN
#define _GNU_SOURCE 1
#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* What a worker's locks cost it. */
static _Thread_local uint64_t taken, waited, wait_ns;

#if defined(THREADS_WAIT)
static int lock_counted(pthread_mutex_t *m) {
    struct timespec a, b;
    int got;

    taken++;
    if (pthread_mutex_trylock(m) == 0) return 0;
    waited++;
    clock_gettime(CLOCK_MONOTONIC, &a);
    got = pthread_mutex_lock(m);
    clock_gettime(CLOCK_MONOTONIC, &b);
    wait_ns += (uint64_t)((b.tv_sec - a.tv_sec) * 1000000000 +
                          b.tv_nsec - a.tv_nsec);
    return got;
}
#define pthread_mutex_lock(m) lock_counted(m)
#endif
#include "../../src/kvns.c"

enum { THREADS_MOST = 64, THREADS_BATCH = 256 };

struct worker {
    struct kvns *k;
    struct kvns_client *c;
    pthread_t thread;
    uint64_t state;
    uint64_t done;
    double cpu;
    uint64_t taken, waited, wait_ns;
};

static const char *command;
static uint32_t keys = 100000, batch = 32;
static atomic_bool over;

static double seconds(clockid_t id) {
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t pick(struct worker *w, uint32_t below) {
    w->state = w->state * UINT64_C(6364136223846793005) +
               UINT64_C(1442695040888963407);
    return (uint32_t)((w->state >> 33) % below);
}

/* One request of the kind that is measured, into words of 32 bytes. */
static void fill(struct worker *w, struct kvns_request *q,
                 const char **argv, size_t *lengths, char (*text)[32]) {
    uint32_t key = pick(w, keys);
    int n = 0;

    argv[n] = command;
    lengths[n++] = strlen(command);
    lengths[n] = (size_t)snprintf(text[n], 32, "key:%08u", (unsigned)key);
    n++;
    if (strcmp(command, "SET") == 0) {
        lengths[n] = (size_t)snprintf(text[n], 32, "value:%022u",
                                      (unsigned)key);
        n++;
    } else if (strcmp(command, "GET") != 0) {
        lengths[n] = (size_t)snprintf(text[n], 32, "%u",
                                      (unsigned)pick(w, 1000));
        n++;
        lengths[n] = (size_t)snprintf(text[n], 32, "m%u",
                                      (unsigned)pick(w, 50));
        n++;
    }
    for (int i = 1; i < n; i++) argv[i] = text[i];
    *q = (struct kvns_request){ n, argv, lengths };
}

/* The requests are made ahead: what they cost is not the server's.  There are
 * so many that their keys do not stay in a core's own caches. */
static void *work(void *arg) {
    enum { AHEAD = 262144 };
    struct worker *w = arg;
    struct kvns_request *q = calloc(AHEAD, sizeof *q);
    const char *(*argv)[4] = calloc(AHEAD, sizeof *argv);
    size_t (*lengths)[4] = calloc(AHEAD, sizeof *lengths);
    char (*text)[4][32] = calloc(AHEAD, sizeof *text);
    struct kvns_reply r = { 0 };

    if (q == NULL || argv == NULL || lengths == NULL || text == NULL) abort();
    for (uint32_t i = 0; i < AHEAD; i++)
        fill(w, q + i, argv[i], lengths[i], text[i]);
    w->cpu = -seconds(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t at = 0; !atomic_load(&over);
         at = at + 2 * batch > AHEAD ? 0 : at + batch) {
        if (w->c != NULL) {
            if (kvns_client_run(w->c, q + at, batch, &r) != 0) abort();
        } else {
            for (uint32_t i = 0; i < batch; i++)
                kvns_exec(w->k, q[at + i].argc, q[at + i].argv,
                          q[at + i].lengths, &r);
        }
        w->done += batch;
    }
    w->cpu += seconds(CLOCK_THREAD_CPUTIME_ID);
    w->taken = taken;
    w->waited = waited;
    w->wait_ns = wait_ns;
    kvns_reply_free(&r);
    free(q);
    free(argv);
    free(lengths);
    free(text);
    return NULL;
}

/* All keys, so that GET finds and the others change. */
static void load(struct kvns *k) {
    bool strings = command[0] == 'G' || command[0] == 'S';
    struct kvns_reply r = { 0 };
    char key[32];

    for (uint32_t i = 0; i < keys; i++) {
        const char *one[] = { strings ? "SET" : command, key,
                              strings ? "value:0000000000000000000001" : "1",
                              "m1" };

        snprintf(key, sizeof key, "key:%08u", (unsigned)i);
        kvns_exec(k, strings ? 3 : 4, one, NULL, &r);
    }
    kvns_reply_free(&r);
}

int main(int argc, char **argv) {
    struct kvns_options o = { .memory_limit = (size_t)2 << 30 };
    static struct worker w[THREADS_MOST];
    int threads, i, secs;
    uint64_t done = 0;
    double cpu = 0, began;
    bool apart = argc > 7 && strcmp(argv[7], "apart") == 0;

    if (argc < 5) return 2;
    command = argv[1];
    threads = atoi(argv[2]);
    o.shards = atoi(argv[3]);
    secs = atoi(argv[4]);
    if (argc > 5) batch = (uint32_t)atoi(argv[5]);
    if (argc > 6) keys = (uint32_t)atoi(argv[6]);
    if (threads < 1 || threads > THREADS_MOST || batch < 1 ||
        batch > THREADS_BATCH || keys < 1 || (o.shards == 0 && threads > 1))
        return 2;
    o.clients = o.shards == 0 ? 0 : threads;
    for (i = 0; i < threads; i++) {
        w[i].k = i > 0 && !apart ? w[0].k : kvns_new(&o);
        if (w[i].k == NULL) return 1;
        if (i == 0 || apart) load(w[i].k);
        w[i].c = o.shards == 0 ? NULL : kvns_client_new(w[i].k);
        w[i].state = (uint64_t)i * 7919 + 1;
    }
    began = seconds(CLOCK_MONOTONIC);
    for (i = 0; i < threads; i++)
        if (pthread_create(&w[i].thread, NULL, work, w + i) != 0) return 1;
    nanosleep(&(struct timespec){ secs, 0 }, NULL);
    atomic_store(&over, true);
    for (i = 0; i < threads; i++) {
        pthread_join(w[i].thread, NULL);
        done += w[i].done;
        cpu += w[i].cpu;
    }
    printf("%llu %.6f %.6f", (unsigned long long)done,
           seconds(CLOCK_MONOTONIC) - began, cpu);
    for (i = 1; i < threads; i++) {
        w[0].taken += w[i].taken;
        w[0].waited += w[i].waited;
        w[0].wait_ns += w[i].wait_ns;
    }
    printf(" %llu %llu %llu\n", (unsigned long long)w[0].taken,
           (unsigned long long)w[0].waited, (unsigned long long)w[0].wait_ns);
    for (i = 0; i < (apart ? threads : 1); i++) kvns_free(w[i].k);
    return 0;
}
