/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* The server inside a program: what kvns.h promises. */

static struct str embed_exec(struct kvns *k, struct kvns_reply *reply,
                             const char *a, const char *b, const char *c) {
    const char *argv[] = { a, b, c };

    CHECK(kvns_exec(k, 1 + (b != NULL) + (c != NULL), argv, NULL,
                    reply) == 0);
    return str_of(reply->bytes, reply->length);
}

static void test_embed_sends_nothing(void) {
    struct kvns_options options = { 0 };
    struct kvns *k = kvns_new(&options);
    struct kvns_reply r = { 0 };

    CHECK(k != NULL);
    CHECK_STR(embed_exec(k, &r, "SUBSCRIBE", "news", NULL),
              "-ERR SUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n");
    CHECK_STR(embed_exec(k, &r, "PSUBSCRIBE", "n*", NULL),
              "-ERR PSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n");
    CHECK_STR(embed_exec(k, &r, "CLIENT", "TRACKING", "on"),
              "-ERR CLIENT TRACKING isn't allowed for a DENY BLOCKING "
              "client\r\n");
    CHECK_STR(embed_exec(k, &r, "PUBLISH", "news", "x"), ":0\r\n");
    CHECK_STR(embed_exec(k, &r, "BLPOP", "list", "0"), "*-1\r\n");
    CHECK_STR(embed_exec(k, &r, "QUIT", NULL, NULL), "+OK\r\n");
    CHECK(kvns_turn(k, 0) == 0);
    CHECK_STR(embed_exec(k, &r, "RPUSH", "list", "x"), ":1\r\n");
    CHECK_STR(embed_exec(k, &r, "BLPOP", "list", "0"),
              "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
    CHECK(kvns_client_new(k) == NULL);
    kvns_reply_free(&r);
    kvns_free(k);
}

/* Give a command to a client, its words between blanks. */
static void embed_say(struct kvns_client *c, struct kvns_reply *r,
                      const char *text) {
    struct kvns_request q = { 0 };
    const char *argv[32];
    char words[256];

    snprintf(words, sizeof words, "%s", text);
    for (char *p = words; *p != '\0';) {
        argv[q.argc++] = p;
        while (*p != ' ' && *p != '\0') p++;
        if (*p == ' ') *p++ = '\0';
    }
    q.argv = argv;
    CHECK(kvns_client_run(c, &q, 1, r) == 0);
}

static void test_embed_clients(void) {
    struct kvns_options options = { .clients = 2, .shards = 8,
                                    .protocol = 3 };
    struct kvns *k = kvns_new(&options);
    struct kvns_client *a, *b;
    struct kvns_reply r = { 0 };
    static const char *const words[] = { "SELECT", "3", "SET", "k", "v",
                                         "GET", "k", "nonsense" };
    static const struct kvns_request some[] = {
        { 2, words, NULL }, { 3, words + 2, NULL }, { 2, words + 5, NULL },
        { 1, words + 7, NULL }, { 2, words + 5, NULL }
    };

    CHECK(k != NULL);
    a = kvns_client_new(k);
    b = kvns_client_new(k);
    CHECK(a != NULL && b != NULL && kvns_client_new(k) == NULL);
    CHECK(kvns_client_run(a, some, 5, &r) == 0);
    CHECK_STR(str_of(r.bytes, r.length),
              "+OK\r\n+OK\r\n$1\r\nv\r\n-ERR unknown command 'nonsense', with "
              "args beginning with: \r\n$1\r\nv\r\n");
    embed_say(b, &r, "GET k");
    CHECK_STR(str_of(r.bytes, r.length), "_\r\n");
    embed_say(b, &r, "MULTI");
    embed_say(b, &r, "SET x 1");
    embed_say(a, &r, "GET x");
    CHECK_STR(str_of(r.bytes, r.length), "_\r\n");
    kvns_client_free(b);                /* in the middle of it */
    b = kvns_client_new(k);
    CHECK(b != NULL);
    embed_say(b, &r, "EXEC");
    CHECK_STR(str_of(r.bytes, r.length), "-ERR EXEC without MULTI\r\n");
    CHECK_STR(embed_exec(k, &r, "DBSIZE", NULL, NULL), ":0\r\n");
    kvns_client_free(NULL);
    kvns_reply_free(&r);
    kvns_free(k);                       /* a and b with it */
}

/* A limit that has come near is seen at once, however far off it was. */
static void test_embed_limit(void) {
    struct kvns_options options = { .clients = 1, .shards = 4 };
    struct kvns *k = kvns_new(&options);
    static const char *const set[] = { "SET", "k", "v" };
    static const char *const bit[] = { "SETBIT", "b", "40000000", "1" };
    static const char *const low[] = { "CONFIG", "SET", "maxmemory", "1mb" };
    static const struct kvns_request fine[] = { { 3, set, NULL },
                                                { 3, set, NULL } };
    static const struct kvns_request more[] = { { 4, bit, NULL },
                                                { 4, low, NULL } };
    struct kvns_client *c;
    struct kvns_reply r = { 0 };
    const struct lane *l;

    CHECK(k != NULL);
    c = kvns_client_new(k);
    l = &k->lanes[1];
    CHECK(kvns_client_run(c, fine, 2, &r) == 0);
    CHECK(l->room_batches == ADMIT_BATCHES);
    CHECK(kvns_client_run(c, fine, 2, &r) == 0);
    CHECK(l->room_batches >= ADMIT_BATCHES - 1);
    CHECK(kvns_client_run(c, more, 2, &r) == 0);
    CHECK(l->room_batches == 0);
    CHECK_STR(str_of(r.bytes, r.length), ":0\r\n+OK\r\n");
    CHECK(kvns_client_run(c, fine, 1, &r) == 0);
    CHECK(r.length > 4 && memcmp(r.bytes, "-OOM", 4) == 0);
    CHECK(kvns_client_run(c, fine, 2, &r) == 0);
    CHECK(r.length > 4 && memcmp(r.bytes, "-OOM", 4) == 0);
    kvns_reply_free(&r);
    kvns_free(k);
}

/* ---- several threads ----------------------------------------------------- */

enum { EMBED_THREADS = 3, EMBED_ACCOUNTS = 16, EMBED_ROUNDS = 400 };

struct embed_thread {
    struct kvns *k;
    struct kvns_client *c;
    uint64_t state;
    pthread_t thread;
};

static uint32_t embed_rand(struct embed_thread *t) {
    t->state = t->state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(t->state >> 33);
}

/* The numbers of an array of bulks, added up. */
static int64_t embed_sum(const struct kvns_reply *r) {
    const char *p = r->bytes, *end = p + r->length;
    int64_t sum = 0;

    for (; p < end && (p = memchr(p, '$', (size_t)(end - p))) != NULL; p++) {
        p = memchr(p, '\n', (size_t)(end - p));
        CHECK(p != NULL);
        sum += strtoll(p + 1, NULL, 10);
    }
    return sum;
}

/* Move from one account to another, and look at all of them; now and then
 * something that concerns everybody. */
static void *embed_thread(void *arg) {
    struct embed_thread *t = arg;
    struct kvns_reply r = { 0 };
    char text[256], mget[256] = "MGET";

    for (int i = 0; i < EMBED_ACCOUNTS; i++)
        snprintf(mget + strlen(mget), 24, " bank/%d", i);
    for (int round = 0; round < EMBED_ROUNDS; round++) {
        uint32_t from = embed_rand(t) % EMBED_ACCOUNTS;
        uint32_t to = embed_rand(t) % EMBED_ACCOUNTS;

        embed_say(t->c, &r, "MULTI");
        snprintf(text, sizeof text, "DECRBY bank/%u 7", from);
        embed_say(t->c, &r, text);
        snprintf(text, sizeof text, "INCRBY bank/%u 7", to);
        embed_say(t->c, &r, text);
        embed_say(t->c, &r, "EXEC");
        embed_say(t->c, &r, mget);
        CHECK_INT(embed_sum(&r), 1000 * EMBED_ACCOUNTS);
        snprintf(text, sizeof text, "ZADD board/%u %u m%u", from, to, round);
        embed_say(t->c, &r, text);
        if (round % 50 == 0) embed_say(t->c, &r, "INFO");
        if (round % 60 == 0) embed_say(t->c, &r, "CLIENT LIST");
        if (round % 70 == 0) embed_say(t->c, &r, "CONFIG SET hz 20");
        if (round % 80 == 0) {
            kvns_client_free(t->c);
            t->c = kvns_client_new(t->k);
            CHECK(t->c != NULL);
        }
    }
    kvns_reply_free(&r);
    return NULL;
}

/* Every command is atomic, whoever gives it, while the loop turns. */
static void test_embed_threads(void) {
    struct kvns_options options = { .clients = EMBED_THREADS, .shards = 16 };
    struct kvns *k = kvns_new(&options);
    struct embed_thread t[EMBED_THREADS];
    struct kvns_reply r = { 0 };
    char key[32];

    CHECK(k != NULL);
    for (int i = 0; i < EMBED_ACCOUNTS; i++) {
        snprintf(key, sizeof key, "bank/%d", i);
        embed_exec(k, &r, "SET", key, "1000");
    }
    for (int i = 0; i < EMBED_THREADS; i++) {
        t[i] = (struct embed_thread){ .k = k, .c = kvns_client_new(k),
                                      .state = unit_rand() };
        CHECK(t[i].c != NULL);
        CHECK(pthread_create(&t[i].thread, NULL, embed_thread, t + i) == 0);
    }
    for (int i = 0; i < 50; i++) {
        CHECK(kvns_turn(k, 1) == 0);
        embed_exec(k, &r, "SET", "here", "1");
        embed_exec(k, &r, "SCAN", "0", NULL);
    }
    for (int i = 0; i < EMBED_THREADS; i++) pthread_join(t[i].thread, NULL);
    kvns_reply_free(&r);
    kvns_free(k);
}

#define TESTS_EMBED                                                          \
    T(test_embed_sends_nothing) T(test_embed_clients) T(test_embed_limit)    \
    T(test_embed_threads)
