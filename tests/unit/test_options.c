/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* The text of an option as CONFIG GET shows it; one at a time. */
static struct str options_text(const struct options *o, const char *name) {
    static struct buf b;
    const struct option *row = options_find(str_c(name), false);

    CHECK(row != NULL);
    buf_free(&b);
    option_get(o, row, &b);
    buf_put_char(&b, '\0');
    return str_of(b.p, b.n - 1);
}

/* Set an option from a start-up source and expect that to work. */
static void options_give(struct options *o, const char *name,
                         const char *value) {
    char err[OPTION_ERR];

    if (option_set(o, str_c(name), str_c(value), ORIGIN_FLAG, err)) return;
    fprintf(stderr, "%s %s: %s\n", name, value, err);
    CHECK(false);
}

/* Expect the value to be refused with these words, and nothing to change. */
static void options_refuse(struct options *o, const char *name,
                           const char *value, enum origin origin,
                           const char *words) {
    const struct option *row = options_find(str_c(name), false);
    struct buf before = { 0 };
    char err[OPTION_ERR];

    option_get(o, row, &before);
    CHECK(!option_put(o, row, str_c(value), origin, err));
    unit_check_str(str_c(err), str_c(words), name, __FILE__, __LINE__);
    CHECK(str_eq(options_text(o, name), buf_str(&before)));
    buf_free(&before);
}

static void test_options_rows(void) {
    for (size_t i = 0; i < ROWS(option_rows); i++) {
        const struct option *row = &option_rows[i], *found;

        if (i > 0) CHECK(strcmp(option_rows[i - 1].name, row->name) < 0);
        CHECK(row->help != NULL && row->help[0] != '\0');
        CHECK(row->text != NULL);
        CHECK(options_find(str_c(row->name), false) == row);
        if (row->also != NULL) {
            found = options_find(str_c(row->also), true);
            CHECK(found == row);
        }
        if ((row->flags & OPT_VIEW) != 0) {
            bool owned = false;

            for (size_t j = 0; j < ROWS(option_rows); j++)
                if ((option_rows[j].flags & OPT_VIEW) == 0
                    && options_share(&option_rows[j], row))
                    owned = true;
            CHECK(owned);
        }
        CHECK((row->type == OPT_FIXED) == (row->group == GROUP_ABSENT));
        CHECK((row->type == OPT_ENUM) == (row->words != NULL)
              || row->type == OPT_LOG);
    }
    CHECK(options_find(STR("MAX_CLIENTS"), true)
          == options_find(STR("maxclients"), false));
    CHECK(options_find(STR("MAX_CLIENTS"), false) == NULL);
}

/* What seed/README promises, and what --redis makes of it. */
static void test_options_defaults(void) {
    static const struct {
        const char *name, *ours, *redis;
    } want[] = {
        { "log", "info", "info" }, { "loglevel", "notice", "notice" },
        { "host", "0.0.0.0", "127.0.0.1 -::1" }, { "port", "6480", "6379" },
        { "memory-limit", "1073741824", "0" }, { "maxmemory", "1073741824",
                                                 "0" },
        { "metrics-host", "0.0.0.0", "0.0.0.0" },
        { "metrics-port", "9090", "0" },
        { "persist-path", "", "dump.rdb" }, { "persist-interval", "300",
                                              "300" },
        { "save", "", "3600 1 300 100 60 10000" },
        { "shared-values", "yes", "yes" }, { "eviction-policy", "none",
                                             "none" },
        { "maxmemory-policy", "noeviction", "noeviction" },
        { "eviction-threshold", "1", "1" }, { "ns-eviction", "", "" },
        { "sharded-mode", "no", "no" }, { "shard-count", "0", "0" },
        { "max-clients", "10000", "10000" },
        { "max-resp-args", "1024", "1048576" },
        { "max-resp-bulk-len", "16777216", "536870912" },
        { "max-resp-inline-len", "65536", "65536" },
        { "protected-mode", "yes", "yes" }, { "password", "", "" },
        { "databases", "16", "16" }, { "tcp-keepalive", "300", "300" },
        { "hash-max-listpack-entries", "512", "512" },
        { "latency-tracking-info-percentiles", "50 99 99.9", "50 99 99.9" },
        { "client-output-buffer-limit",
          "normal 1073741824 0 0 slave 268435456 67108864 60 pubsub "
          "33554432 8388608 60",
          "normal 1073741824 0 0 slave 268435456 67108864 60 pubsub "
          "33554432 8388608 60" },
        { "appendonly", "no", "no" }, { "slaveof", "", "" }
    };

    for (int redis = 0; redis < 2; redis++) {
        struct options o;

        options_init(&o, redis != 0);
        for (size_t i = 0; i < ROWS(want); i++)
            unit_check_str(options_text(&o, want[i].name),
                           str_c(redis ? want[i].redis : want[i].ours),
                           want[i].name, __FILE__, __LINE__);
        CHECK(o.save.at_exit);
        CHECK_INT(o.save.n, redis ? 3 : 1);
        options_free(&o);
    }
}

/* Redis' defaults reach only what nobody has set. */
static void test_options_redis_late(void) {
    struct options o;

    options_init(&o, false);
    options_give(&o, "port", "7000");
    options_give(&o, "persist-interval", "10");
    options_give(&o, "redis", "yes");
    CHECK_INT(o.port, 7000);
    CHECK_INT(o.metrics_port, 0);
    CHECK_STR(options_text(&o, "save"), "10 1");
    options_give(&o, "redis", "no");
    CHECK_INT(o.metrics_port, 9090);
    options_free(&o);
}

/* What an option shows can be given back to it, in both forms. */
static void test_options_round_trip(void) {
    struct options o;
    char err[OPTION_ERR];

    for (int redis = 0; redis < 2; redis++) {
        options_init(&o, redis != 0);
        options_give(&o, "dir", "/srv");
        options_give(&o, "dbfilename", "a.rdb");
        for (size_t i = 0; i < ROWS(option_rows); i++) {
            const struct option *row = &option_rows[i];
            struct buf a = { 0 }, b = { 0 }, c = { 0 };

            option_get(&o, row, &a);
            option_get_brief(&o, row, &b);
            CHECK(option_put(&o, row, buf_str(&b), ORIGIN_FILE, err));
            option_get(&o, row, &c);
            CHECK(str_eq(buf_str(&a), buf_str(&c)));
            CHECK(option_put(&o, row, buf_str(&a), ORIGIN_FLAG, err));
            buf_reset(&c);
            option_get(&o, row, &c);
            CHECK(str_eq(buf_str(&a), buf_str(&c)));
            buf_free(&a);
            buf_free(&b);
            buf_free(&c);
        }
        options_free(&o);
    }
}

/* CONFIG SET's complaints are Redis 7.0's, to the byte. */
static void test_options_runtime_errors(void) {
    static const char not_int[] = "argument couldn't be parsed into an integer";
    static const char not_size[] = "argument must be a memory value";
    static const char immutable[] = "can't set immutable config";
    static const char protect[] = "can't set protected config";
    static const char count[] =
        "Wrong number of arguments in buffer limit configuration.";
    static const char class[] =
        "Invalid client class specified in buffer limit configuration.";
    static const char number[] = "Error in hard, soft or soft_seconds setting "
                                 "in buffer limit configuration.";
    static const struct {
        const char *name, *value, *words;
    } t[] = {
        { "timeout", "abc", not_int }, { "timeout", "1mb", not_int },
        { "timeout", " 1", not_int }, { "timeout", "01", not_int },
        { "timeout", "-1",
          "argument must be between 0 and 2147483647 inclusive" },
        { "maxclients", "0",
          "argument must be between 1 and 4294967295 inclusive" },
        { "slowlog-log-slower-than", "-2",
          "argument must be between -1 and 9223372036854775807 inclusive" },
        { "maxmemory", "abc", not_size }, { "maxmemory", "-1", not_size },
        { "maxmemory", "1.5gb", not_size }, { "maxmemory", "10zb", not_size },
        { "client-query-buffer-limit", "10",
          "argument must be between 1048576 and 9223372036854775807 "
          "inclusive" },
        { "protected-mode", "1", "argument must be 'yes' or 'no'" },
        { "maxmemory-policy", "foo",
          "argument(s) must be one of the following: volatile-lru, "
          "volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, "
          "allkeys-lfu, allkeys-random, noeviction" },
        { "loglevel", "foo", "argument(s) must be one of the following: "
                             "debug, verbose, notice, warning" },
        { "databases", "3", immutable }, { "logfile", "x", immutable },
        { "unixsocket", "/x", immutable }, { "pidfile", "/x", immutable },
        { "aclfile", "x", immutable }, { "cluster-enabled", "yes",
                                         immutable },
        { "replicaof", "a b", immutable }, { "daemonize", "yes", immutable },
        { "dir", "/tmp", protect }, { "dbfilename", "x", protect },
        { "persist-path", "/x", protect },
        { "save", "abc", "Invalid save parameters" },
        { "save", "60", "Invalid save parameters" },
        { "save", "60 1 300", "Invalid save parameters" },
        { "save", "0 1", "Invalid save parameters" },
        { "save", "60 -1", "Invalid save parameters" },
        { "client-output-buffer-limit", "normal", count },
        { "client-output-buffer-limit", "foo 1 1 1", class },
        { "client-output-buffer-limit", "master 1 1 1", class },
        { "client-output-buffer-limit", "normal 1mb x 1", number },
        { "client-output-buffer-limit", "replica 0 0 0 normal 1 1 -1",
          number },
        { "notify-keyspace-events", "q",
          "Invalid event class character. Use 'Ag$lshzxeKEtmdn'." },
        { "latency-tracking-info-percentiles", "50 200",
          "latency-tracking-info-percentiles parameters should sit between "
          "[0.0,100.0]" },
        { "latency-tracking-info-percentiles", "50 x",
          "Invalid latency-tracking-info-percentiles parameters" },
        { "appendonly", "yes", "there is no append-only file" }
    };
    struct options o;

    options_init(&o, true);
    for (size_t i = 0; i < ROWS(t); i++)
        options_refuse(&o, t[i].name, t[i].value, ORIGIN_RUNTIME, t[i].words);
    options_free(&o);
}

/* Who starts the server is told what was given and what is allowed. */
static void test_options_start_errors(void) {
    static const struct {
        const char *name, *value, *words;
    } t[] = {
        { "port", "70000",
          "'70000' given, expected a whole number from 0 to 65535" },
        { "port", "", "'' given, expected a whole number from 0 to 65535" },
        { "eviction-threshold", "1.5",
          "'1.5' given, expected a number from 0 to 1" },
        { "eviction-threshold", "nan",
          "'nan' given, expected a number from 0 to 1" },
        { "memory-limit", "lots", "'lots' given, expected bytes such as 64kb "
                                  "or 100mb" },
        { "sharded-mode", "maybe", "'maybe' given, expected yes or no" },
        { "on-corrupt", "x", "'x' given, expected one of refuse, quarantine" },
        { "unixsocketperm", "888",
          "'888' given, expected an octal mode up to 777" },
        { "unixsocketperm", "1000",
          "'1000' given, expected an octal mode up to 777" },
        { "ns-limits", "a:10mb,b",
          "'a:10mb,b' given, expected namespace:bytes,..." },
        { "ns-limits", "a/b:10mb",
          "'a/b:10mb' given, expected namespace:bytes,..." },
        { "users", "a:b",
          "'(hidden)' given, expected name:password:namespace,..." },
        { "dbfilename", "a/b", "'a/b' given, expected a file name without /" },
        { "log", "loud", "'loud' given, expected one of off, error, warn, "
                         "info, verbose, debug, or kvns=LEVEL" }
    };
    struct options o;
    char err[OPTION_ERR];
    char longer[400];

    options_init(&o, false);
    for (size_t i = 0; i < ROWS(t); i++)
        options_refuse(&o, t[i].name, t[i].value, ORIGIN_FLAG, t[i].words);
    options_refuse(&o, "eviction-policy", "lol", ORIGIN_ENV,
                   "'lol' given, expected one of none, lru, mru, ear, "
                   "allkeys-lru, allkeys-lfu, allkeys-random, volatile-lru, "
                   "volatile-lfu, volatile-random, volatile-ttl");
    CHECK(!option_set(&o, STR("nope"), STR("1"), ORIGIN_FLAG, err));
    CHECK_STR(str_c(err), "there is no option 'nope'");
    CHECK(!option_set(&o, STR("port"), STR("a\nb"), ORIGIN_FLAG, err));
    CHECK_STR(str_c(err), "port: 'a b' given, expected a whole number from 0 "
                          "to 65535");
    memset(longer, 'x', sizeof longer);
    CHECK(!option_set(&o, STR("port"), str_of(longer, sizeof longer),
                      ORIGIN_FLAG, err));
    CHECK(strlen(err) < 150 && strstr(err, "...' given") != NULL);
    options_free(&o);
}

static void test_options_words(void) {
    static const struct {
        const char *name, *value, *other, *shows;
    } t[] = {
        { "eviction-policy", "lru", "maxmemory-policy", "lru" },
        { "eviction-policy", "lfu", "eviction-policy", "lru" },
        { "eviction-policy", "MFU", "eviction-policy", "mru" },
        { "eviction-policy", "expire_after_read", "eviction-policy", "ear" },
        { "eviction-policy", "expireafterread", "eviction-policy", "ear" },
        { "eviction-policy", "none", "maxmemory-policy", "noeviction" },
        { "maxmemory-policy", "allkeys-lru", "eviction-policy",
          "allkeys-lru" },
        { "maxmemory-policy", "noeviction", "eviction-policy", "none" },
        { "log", "kvns=debug", "loglevel", "debug" },
        { "log", "warn,kvns=error", "log", "error" },
        { "log", "kvns=error,debug", "log", "error" },
        { "log", "warn,hyper=trace", "loglevel", "warning" },
        { "loglevel", "verbose", "log", "verbose" },
        { "loglevel", "notice", "log", "info" },
        { "log", "TRACE", "log", "debug" },
        { "sharded-mode", " On ", "sharded-mode", "yes" },
        { "sharded-mode", "0", "sharded-mode", "no" },
        { "sharded-mode", "TRUE", "sharded-mode", "yes" },
        { "hz", "0", "hz", "1" }, { "hz", "1000", "hz", "500" },
        { "unixsocketperm", "770", "unixsocketperm", "770" },
        { "bind", "127.0.0.1  -::1", "host", "127.0.0.1 -::1" },
        { "bind", "", "host", "" },
        { "maxmemory", "100mb", "memory-limit", "104857600" },
        { "maxmemory", "1G", "memory-limit", "1000000000" },
        { "eviction-threshold", "0.8", "eviction-threshold", "0.8" },
        { "persist-interval", "0", "save", "" },
        { "ns-eviction", "ns1:lru, ns2:mru", "ns-eviction",
          "ns1:lru, ns2:mru" },
        { "ns-limits", "ns1:100mb,ns2:none", "ns-limits",
          "ns1:100mb,ns2:none" },
        { "latency-tracking-info-percentiles", "99.99 50",
          "latency-tracking-info-percentiles", "99.99 50" },
        { "latency-tracking-info-percentiles", "",
          "latency-tracking-info-percentiles", "" },
        { "appendonly", "yes", "appendonly", "no" },
        { "notify-keyspace-events", "KEg$lszhxetdmnA",
          "notify-keyspace-events", "AKEm" },
        { "notify-keyspace-events", "xKE", "notify-keyspace-events", "xKE" },
        { "notify-keyspace-events", "Elgt", "notify-keyspace-events",
          "gltE" },
        { "notify-keyspace-events", "nmd$K", "notify-keyspace-events",
          "$dnKm" }
    };

    for (size_t i = 0; i < ROWS(t); i++) {
        struct options o;

        options_init(&o, false);
        options_give(&o, t[i].name, t[i].value);
        unit_check_str(options_text(&o, t[i].other), str_c(t[i].shows),
                       t[i].value, __FILE__, __LINE__);
        options_free(&o);
    }
}

/* Interval and rules are one thing; what is given last decides. */
static void test_options_saves(void) {
    struct options o;
    char err[OPTION_ERR];

    options_init(&o, false);
    options_give(&o, "save", "60 1");
    options_give(&o, "save", "300 10");
    CHECK_STR(options_text(&o, "save"), "60 1 300 10");
    CHECK(option_set(&o, STR("save"), STR("5 5"), ORIGIN_RUNTIME, err));
    CHECK_STR(options_text(&o, "save"), "5 5");
    CHECK(option_set(&o, STR("save"), STR("6 6"), ORIGIN_RUNTIME, err));
    CHECK_STR(options_text(&o, "save"), "6 6");
    CHECK(o.save.at_exit);
    CHECK(option_set(&o, STR("save"), STR(""), ORIGIN_RUNTIME, err));
    CHECK(o.save.n == 0 && !o.save.at_exit);
    options_give(&o, "persist-interval", "0");
    CHECK(o.save.n == 0 && o.save.at_exit);
    options_give(&o, "persist-path", "x.rdb");
    options_give(&o, "persist-interval", "20");
    CHECK_STR(options_text(&o, "save"), "20 1");
    options_give(&o, "save", "");
    options_give(&o, "save", "60 1");
    CHECK_STR(options_text(&o, "save"), "60 1");
    options_give(&o, "save", "1 1 2 1 3 1 4 1 5 1 6 1 7 1 8 1 9 1 10 1 "
                             "11 1 12 1 13 1 14 1 15 1");
    options_refuse(&o, "save", "17 1", ORIGIN_FLAG,
                   "'17 1' given, expected pairs of seconds and changes, "
                   "such as 300 100");
    options_free(&o);
}

/* dir and dbfilename are the two parts of persist-path, in any order. */
static void test_options_paths(void) {
    struct options o;
    char here[4096];

    options_init(&o, false);
    CHECK(getcwd(here, sizeof here) != NULL);
    CHECK(str_eq(options_text(&o, "dir"), str_c(here)));
    CHECK_STR(options_text(&o, "dbfilename"), "");
    options_give(&o, "dbfilename", "x.rdb");
    options_give(&o, "dir", "/data/");
    CHECK_STR(o.persist_path, "/data/x.rdb");
    CHECK_STR(options_text(&o, "dir"), "/data");
    options_give(&o, "dir", "/");
    CHECK_STR(o.persist_path, "/x.rdb");
    CHECK_STR(options_text(&o, "dir"), "/");
    options_give(&o, "dbfilename", "y");
    CHECK_STR(o.persist_path, "/y");
    options_give(&o, "persist-path", "");
    options_give(&o, "dir", "rel");
    CHECK_STR(o.persist_path, "rel/dump.rdb");
    CHECK(options_text(&o, "dir").n == strlen(here) + 4);
    options_free(&o);
}

static void test_options_classes(void) {
    struct options o;

    options_init(&o, false);
    options_give(&o, "client-output-buffer-limit", "replica 1mb 0 1");
    options_give(&o, "client-output-buffer-limit",
                 "pubsub 0 0 0 normal 5 4 3");
    CHECK_INT(o.client_output[OPTION_CLASS_REPLICA].hard, 1 << 20);
    CHECK_INT(o.client_output[OPTION_CLASS_REPLICA].seconds, 1);
    CHECK_INT(o.client_output[OPTION_CLASS_PUBSUB].hard, 0);
    CHECK_INT(o.client_output[OPTION_CLASS_NORMAL].soft, 4);
    options_give(&o, "client-output-buffer-limit", "");
    CHECK_INT(o.client_output[OPTION_CLASS_NORMAL].soft, 4);
    options_free(&o);
}

static void test_options_lists(void) {
    struct str rest = STR("a:1, b:c:2 ,,:3,d"), name, value, password;
    struct options o;

    CHECK(option_pair(&rest, &name, &value));
    CHECK_STR(name, "a");
    CHECK_STR(value, "1");
    CHECK(option_pair(&rest, &name, &value));
    CHECK_STR(name, "b:c");
    CHECK_STR(value, "2");
    CHECK(option_pair(&rest, &name, &value));
    CHECK_STR(name, "");
    CHECK_STR(value, "3");
    CHECK(option_pair(&rest, &name, &value));
    CHECK(value.p == NULL);
    CHECK(!option_pair(&rest, &name, &value));
    rest = STR("ann:p:w:shop,bob::logs");
    CHECK(option_user(&rest, &name, &password, &value));
    CHECK_STR(name, "ann");
    CHECK_STR(password, "p:w");
    CHECK_STR(value, "shop");
    CHECK(option_user(&rest, &name, &password, &value));
    CHECK_STR(password, "");
    CHECK_STR(value, "logs");
    CHECK(!option_user(&rest, &name, &password, &value));
    options_init(&o, false);
    options_give(&o, "users", "ann:pw:shop");
    CHECK_STR(o.users, "ann:pw:shop");
    for (int i = 0; i < 15; i++) options_give(&o, "bind", "a b c");
    options_refuse(&o, "bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
                   ORIGIN_FLAG,
                   "'1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17' given, "
                   "expected up to 16 addresses");
    options_free(&o);
}

/* CONFIG SET of several: all or none. */
static void test_options_change(void) {
    const struct {
        struct str pairs[4];
        const char *err;
    } t[] = {
        { { STR("timeout"), STR("9"), STR("nosuch"), STR("1") },
          "ERR Unknown option or number of arguments for CONFIG SET - "
          "'nosuch'" },
        { { STR("timeout"), STR("9"), STR("rename-command"), STR("1") },
          "ERR Unknown option or number of arguments for CONFIG SET - "
          "'rename-command'" },
        { { STR("timeout"), STR("9"), STR("TIMEOUT"), STR("2") },
          "ERR CONFIG SET failed (possibly related to argument 'TIMEOUT') - "
          "duplicate parameter" },
        { { STR("requirepass"), STR("secret"), STR("hz"), STR("x") },
          "ERR CONFIG SET failed (possibly related to argument 'hz') - "
          "argument couldn't be parsed into an integer" },
        { { STR("timeout"), STR("9"), STR("port"), STR("1") },
          "ERR CONFIG SET failed (possibly related to argument 'port') - "
          "can't set immutable config" }
    };
    const struct str good[] = {
        STR("requirepass"), STR("secret"), STR("TimeOut"), STR("9"),
        STR("lazyfree-lazy-user-del"), STR("no"), STR("appendonly"), STR("no")
    };
    struct options o;
    char err[512];

    options_init(&o, false);
    options_give(&o, "password", "old");
    for (size_t i = 0; i < ROWS(t); i++) {
        CHECK(!options_change(&o, 2, t[i].pairs, err, sizeof err));
        unit_check_str(str_c(err), str_c(t[i].err), "err", __FILE__,
                       __LINE__);
        CHECK_INT(o.timeout, 0);
        CHECK_STR(o.password, "old");
    }
    CHECK(options_change(&o, 4, good, err, sizeof err));
    CHECK_INT(o.timeout, 9);
    CHECK_STR(o.password, "secret");
    CHECK_STR(options_text(&o, "requirepass"), "secret");
    CHECK_STR(options_text(&o, "lazyfree-lazy-user-del"), "yes");
    CHECK(options_origin(&o, options_find(STR("timeout"), false))
          == ORIGIN_RUNTIME);
    CHECK(options_origin(&o, options_find(STR("port"), false))
          == ORIGIN_DEFAULT);
    options_free(&o);
}

static void test_options_names(void) {
    size_t i = 0, n = 0;
    struct str name;
    const struct option *row;
    bool maxmemory = false, slaveof = false;

    while (options_next(&i, &name, &row)) {
        n++;
        CHECK(options_find(name, false) == row);
        CHECK((row->flags & OPT_HIDDEN) == 0);
        if (str_is(name, "maxmemory")) maxmemory = true;
        if (str_is(name, "slaveof")) slaveof = true;
    }
    CHECK(maxmemory && slaveof && n > ROWS(option_rows));
}

/* Whatever is given to whatever option: taken and shown the same again, or
 * refused without a trace. */
static void test_options_random(void) {
    static const char *const bits[] = {
        "1", "0", "-1", " ", ":", ",", "/", "yes", "mb", "normal", "lru",
        "=", "kvns", "debug", "A", "$", ".", "9223372036854775807", "a",
        "\x01", "\xff", "60", "replica"
    };
    struct options o, other;
    char err[OPTION_ERR];

    options_init(&o, false);
    for (int i = 0; i < 20000; i++) {
        const struct option *row = &option_rows[unit_rand() % OPTION_ROWS];
        struct buf v = { 0 }, a = { 0 }, b = { 0 };
        enum origin origin = (enum origin)(1 + unit_rand() % 4);

        for (uint64_t n = unit_rand() % 6; n > 0; n--) {
            const char *s = bits[unit_rand() % ROWS(bits)];

            buf_put(&v, s, strlen(s));
        }
        option_get(&o, row, &a);
        if (!option_put(&o, row, buf_str(&v), origin, err)) {
            CHECK(strlen(err) > 0 && strlen(err) < OPTION_ERR);
            option_get(&o, row, &b);
            CHECK(str_eq(buf_str(&a), buf_str(&b)));
        } else {
            buf_reset(&a);
            option_get(&o, row, &a);
            CHECK(options_copy(&other, &o));
            option_get(&other, row, &b);
            CHECK(str_eq(buf_str(&a), buf_str(&b)));
            options_free(&o);
            o = other;
        }
        buf_free(&v);
        buf_free(&a);
        buf_free(&b);
    }
    options_free(&o);
}

#define TESTS_OPTIONS                                                        \
    T(test_options_rows) T(test_options_defaults)                            \
    T(test_options_redis_late) T(test_options_round_trip)                    \
    T(test_options_runtime_errors) T(test_options_start_errors)              \
    T(test_options_words) T(test_options_saves) T(test_options_paths)        \
    T(test_options_classes) T(test_options_lists) T(test_options_change)     \
    T(test_options_names) T(test_options_random)
