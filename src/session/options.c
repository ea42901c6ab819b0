/* SPDX-License-Identifier: MIT */
/* ==== options - what can be set, a row each ===============================
 *
 * struct options holds every setting as a plain typed member.  A row of
 * option_rows says what a setting is called here and in Redis, how it is
 * written, what it may be, what it is unless set, and in one line what for.
 * The command line, the environment, files, CONFIG, --help and
 * docs/options.md all go by the rows; nothing else lists the options.
 *
 * A row may be a view: another way to write a member that a row without the
 * mark owns (loglevel is another way to write log).  Directives of Redis that
 * have no meaning here are rows as well, of type OPT_FIXED: their text is
 * what CONFIG GET says, and their help is why it cannot be otherwise.
 *
 * Invariants: the rows are sorted by name, no name occurs twice, views share
 * the offset of their owner.  A struct options owns its strings: those with
 * n > 0 are allocated, and all are terminated.
 *
 * floor 5 - uses: base log shard
 */

/* Where a value came from; the later ones win. */
enum origin {
    ORIGIN_DEFAULT,
    ORIGIN_FILE,
    ORIGIN_ENV,
    ORIGIN_FLAG,
    ORIGIN_RUNTIME              /* CONFIG SET */
};

enum option_type {
    OPT_BOOL,                   /* bool */
    OPT_DOUBLE,                 /* double, from min to max */
    OPT_ENUM,                   /* int, one of the row's words */
    OPT_FIXED,                  /* no member: Redis' directive, not ours */
    OPT_INT,                    /* int64_t, from min to max */
    OPT_OCTAL,                  /* int64_t, written in octal */
    OPT_SIZE,                   /* uint64_t: bytes, "100mb" */
    OPT_STRING,                 /* struct str */
    OPT_LOG,                    /* int: a level, or a filter naming one */
    OPT_HOSTS,                  /* struct option_hosts */
    OPT_INTERVAL,               /* struct option_saves as a period */
    OPT_SAVE,                   /* struct option_saves as Redis' rules */
    OPT_OUTPUT,                 /* struct option_output[3] */
    OPT_NOTIFY,                 /* int: EVENT_ bits */
    OPT_PERCENTS,               /* struct option_percents */
    OPT_POLICIES,               /* struct str: namespace:policy,... */
    OPT_LIMITS,                 /* struct str: namespace:bytes,... */
    OPT_USERS,                  /* struct str: name:password:namespace,... */
    OPT_RENAMES,                /* struct str: pairs of names; option_rename */
    OPT_DIR,                    /* the directory part of a struct str */
    OPT_FILE                    /* the last part of a struct str */
};

enum option_flag {
    OPT_RUNTIME = 1,            /* CONFIG SET may change it */
    OPT_SECRET = 2,             /* printed nowhere but by CONFIG GET */
    OPT_PATH = 4,               /* refused by CONFIG SET as protected */
    OPT_VIEW = 8,               /* another row owns the member */
    OPT_MANY = 16,              /* the value may be several words */
    OPT_MORE = 32,              /* given again it adds to what is there */
    OPT_HIDDEN = 64,            /* not a parameter: CONFIG does not know it */
    OPT_HARMLESS = 128,         /* fixed, but CONFIG SET need not complain */
    OPT_CLAMP = 256,            /* moved into its range, not refused */
    OPT_WORDS = 512,            /* fixed, and not only yes and no are words */
    OPT_SOFT = OPT_RUNTIME | OPT_HARMLESS
};

enum option_group {
    GROUP_NETWORK,
    GROUP_LIMITS,
    GROUP_SECURITY,
    GROUP_MEMORY,
    GROUP_SNAPSHOTS,
    GROUP_ENCODINGS,
    GROUP_LOG,
    GROUP_WATCHING,
    GROUP_SERVER,
    GROUP_ABSENT,
    GROUP_COUNT
};

static const char *const option_group_text[GROUP_COUNT] = {
    [GROUP_NETWORK] = "Network",
    [GROUP_LIMITS] = "Limits for clients",
    [GROUP_SECURITY] = "Security",
    [GROUP_MEMORY] = "Memory and eviction",
    [GROUP_SNAPSHOTS] = "Snapshots",
    [GROUP_ENCODINGS] = "Compact encodings",
    [GROUP_LOG] = "Log",
    [GROUP_WATCHING] = "Watching the server",
    [GROUP_SERVER] = "The server itself",
    [GROUP_ABSENT] = "Redis directives without effect here"
};

enum {
    OPTION_ERR = 256,           /* bytes of a message, its end included */
    OPTION_HOSTS = 16,          /* addresses at most, as in Redis */
    OPTION_SAVES = 16,          /* save rules at most */
    OPTION_PERCENTS = 16        /* percentiles at most */
};

enum option_corrupt { OPTION_REFUSE, OPTION_QUARANTINE };
enum option_local { OPTION_NO, OPTION_YES, OPTION_LOCAL };
enum option_supervised {
    OPTION_UNSUPERVISED,
    OPTION_AUTO,
    OPTION_SYSTEMD,
    OPTION_UPSTART
};

/* Classes of events beside the keyspace's own. */
enum {
    OPTION_EVENT_MODULE = 1 << 13,  /* d: there are no modules, so never */
    OPTION_EVENTS_ALL = EVENT_GENERIC | EVENT_STRING | EVENT_LIST | EVENT_SET
        | EVENT_HASH | EVENT_ZSET | EVENT_EXPIRED | EVENT_EVICTED
        | EVENT_STREAM | OPTION_EVENT_MODULE    /* A */
};

/* Addresses to listen on.  One that begins with '-' may fail to be bound. */
struct option_hosts {
    int n;
    struct str at[OPTION_HOSTS];
};

/* When to save without being asked; without a persist-path never. */
struct option_saves {
    int n;                      /* rules; 0: only at shutdown, or never */
    bool at_exit;               /* save when the server ends */
    bool by_interval;           /* persist-interval made the rules */
    int64_t interval;           /* persist-interval as it was last given */
    struct option_save {
        int64_t seconds;        /* since the last save, 1 or more */
        int64_t changes;        /* at least so many since then */
    } at[OPTION_SAVES];
};

/* How much output may wait for a client of a class before it is cut off. */
enum option_class {
    OPTION_CLASS_NORMAL,
    OPTION_CLASS_REPLICA,
    OPTION_CLASS_PUBSUB,
    OPTION_CLASS_COUNT
};

struct option_output {
    uint64_t hard;              /* bytes; 0: no limit */
    uint64_t soft;              /* bytes for longer than seconds; 0: none */
    int64_t seconds;
};

struct option_percents {
    int n;
    double at[OPTION_PERCENTS]; /* 0 to 100 */
};

enum { OPTION_ROWS = 203 };

struct options {
    /* network */
    struct option_hosts host;   /* none: TCP is off */
    int64_t port;               /* 0: no TCP */
    int64_t tcp_backlog;        /* connections waiting to be accepted */
    int64_t tcp_keepalive;      /* seconds between probes; 0: off */
    struct str unixsocket;      /* path; empty: none */
    int64_t unixsocketperm;     /* mode bits; 0: what the umask leaves */
    struct str unixsocketgroup; /* group name or number; empty: as it is */
    struct str metrics_host;
    int64_t metrics_port;       /* 0: no HTTP */
    int64_t metrics_max_namespaces; /* labels; the rest is "overflow" */
    int64_t metrics_busiest;    /* namespaces with histograms of their own */
    struct str metrics_namespaces;  /* those that always have: a,b,... */

    /* limits */
    int64_t max_clients;
    int64_t timeout;            /* seconds idle before closing; 0: never */
    int64_t max_resp_args;      /* arguments of one command */
    uint64_t max_resp_bulk_len; /* bytes of one argument */
    uint64_t max_resp_inline_len;   /* bytes of a line */
    uint64_t client_query_buffer_limit; /* bytes of input that may wait */
    struct option_output client_output[OPTION_CLASS_COUNT];
    int64_t busy_reply_threshold;   /* milliseconds; 0: scripts may take all */
    int64_t tracking_table_max_keys;    /* 0: no limit */

    /* security */
    bool protected_mode;
    struct str password;        /* empty: none is asked for */
    struct str users;           /* name:password:namespace,...; option_user */
    struct str users_file;      /* path; empty: none */
    int enable_debug_command;   /* enum option_local */
    struct str renames;         /* old new ..., "" for none; option_rename */

    /* memory */
    uint64_t memory_limit;      /* bytes as given; 0: 70% of what the host
                                   has, or no limit where redis is set */
    int eviction_policy;        /* enum policy */
    double eviction_threshold;  /* share of the limit, 0 to 1 */
    struct str ns_eviction;     /* namespace:policy,...; option_pair */
    struct str ns_limits;       /* namespace:bytes,...; option_pair */
    int64_t hits_half_life;     /* seconds until hits count half; 0: never */
    int64_t maxmemory_samples;  /* keys looked at for each one evicted */
    bool shared_values;         /* long values are lent, not copied */

    /* snapshots */
    struct str persist_path;    /* empty: no snapshots */
    struct option_saves save;
    int on_corrupt;             /* enum option_corrupt */

    /* encodings: the most for which the compact form is used */
    int64_t hash_max_listpack_entries;
    uint64_t hash_max_listpack_value;
    int64_t list_max_listpack_size; /* -1 to -5: 4 to 64 KiB; else elements */
    int64_t list_compress_depth;    /* accepted; nodes are not compressed */
    int64_t set_max_intset_entries;
    int64_t set_max_listpack_entries;
    uint64_t set_max_listpack_value;
    int64_t zset_max_listpack_entries;
    uint64_t zset_max_listpack_value;
    uint64_t stream_node_max_bytes; /* 0: no limit */
    int64_t stream_node_max_entries;    /* 0: no limit */
    uint64_t hll_sparse_max_bytes;

    /* log */
    int log;                    /* enum log_level */
    int log_format;             /* enum log_format */
    struct str log_file;        /* path; empty: standard error */

    /* watching */
    int64_t slowlog_log_slower_than;    /* microseconds; 0: all, -1: none */
    int64_t slowlog_max_len;
    int64_t latency_monitor_threshold;  /* milliseconds; 0: off */
    bool latency_tracking;
    struct option_percents latency_percentiles;
    int notify_keyspace_events; /* EVENT_ bits */

    /* server */
    bool redis;                 /* Redis' defaults */
    bool sharded_mode;
    int64_t shard_count;        /* 0: four for each processor */
    int64_t threads;            /* in sharded mode; 0: one per processor */
    int64_t databases;
    int64_t hz;                 /* background turns a second */
    struct str pidfile;         /* path; empty: none */
    int supervised;             /* enum option_supervised */

    /* Of each row: where its member's value came from, and by which row. */
    unsigned char origin[OPTION_ROWS];
    unsigned char by[OPTION_ROWS];
};

/* A word that OPT_ENUM knows.  The first of a value is the one printed. */
struct option_word {
    const char *text;
    int value;
    bool also;                  /* understood, but not offered */
};

struct option {
    const char *name;           /* ours: the flag, and KVNS_ in capitals */
    const char *also;           /* the other name, mostly Redis', or NULL */
    uint8_t type;               /* enum option_type; all narrow, for there are
                                   two hundred rows */
    uint16_t flags;
    uint8_t group;              /* enum option_group */
    uint16_t at;                /* offset in struct options */
    int64_t min, max;           /* of numbers; both 0: not used */
    const struct option_word *words;
    const char *text;           /* the default; of a fixed row: its value */
    const char *redis;          /* Redis' default where it differs, or NULL;
                                   of a fixed row a value not worth a word */
    const char *help;
};

static const struct option_word option_words_eviction[] = {
    { "none", POLICY_NONE, false },
    { "lru", POLICY_LRU, false },
    { "mru", POLICY_MRU, false },
    { "ear", POLICY_EAR, false },
    { "allkeys-lru", POLICY_ALLKEYS_LRU, false },
    { "allkeys-lfu", POLICY_ALLKEYS_LFU, false },
    { "allkeys-random", POLICY_ALLKEYS_RANDOM, false },
    { "volatile-lru", POLICY_VOLATILE_LRU, false },
    { "volatile-lfu", POLICY_VOLATILE_LFU, false },
    { "volatile-random", POLICY_VOLATILE_RANDOM, false },
    { "volatile-ttl", POLICY_VOLATILE_TTL, false },
    { "noeviction", POLICY_NONE, true },
    { "lfu", POLICY_LRU, true },
    { "mfu", POLICY_MRU, true },
    { "expire_after_read", POLICY_EAR, true },
    { "expireafterread", POLICY_EAR, true },
    { NULL, 0, false }
};

/* Redis' own order, which its error message shows. */
static const struct option_word option_words_maxmemory[] = {
    { "volatile-lru", POLICY_VOLATILE_LRU, false },
    { "volatile-lfu", POLICY_VOLATILE_LFU, false },
    { "volatile-random", POLICY_VOLATILE_RANDOM, false },
    { "volatile-ttl", POLICY_VOLATILE_TTL, false },
    { "allkeys-lru", POLICY_ALLKEYS_LRU, false },
    { "allkeys-lfu", POLICY_ALLKEYS_LFU, false },
    { "allkeys-random", POLICY_ALLKEYS_RANDOM, false },
    { "noeviction", POLICY_NONE, false },
    { "lru", POLICY_LRU, true },
    { "mru", POLICY_MRU, true },
    { "ear", POLICY_EAR, true },
    { "none", POLICY_NONE, true },
    { "lfu", POLICY_LRU, true },
    { "mfu", POLICY_MRU, true },
    { NULL, 0, false }
};

static const struct option_word option_words_log[] = {
    { "off", KLOG_OFF, false },
    { "error", KLOG_ERROR, false },
    { "warn", KLOG_WARNING, false },
    { "info", KLOG_NOTICE, false },
    { "verbose", KLOG_VERBOSE, false },
    { "debug", KLOG_DEBUG, false },
    { "trace", KLOG_DEBUG, true },
    { "warning", KLOG_WARNING, true },
    { "notice", KLOG_NOTICE, true },
    { "nothing", KLOG_OFF, true },
    { NULL, 0, false }
};

static const struct option_word option_words_loglevel[] = {
    { "debug", KLOG_DEBUG, false },
    { "verbose", KLOG_VERBOSE, false },
    { "notice", KLOG_NOTICE, false },
    { "warning", KLOG_WARNING, false },
    { "nothing", KLOG_OFF, true },
    { "error", KLOG_ERROR, true },
    { NULL, 0, false }
};

static const struct option_word option_words_format[] = {
    { "text", KLOG_TEXT, false },
    { "logfmt", KLOG_LOGFMT, false },
    { "json", KLOG_JSON, false },
    { NULL, 0, false }
};

static const struct option_word option_words_corrupt[] = {
    { "refuse", OPTION_REFUSE, false },
    { "quarantine", OPTION_QUARANTINE, false },
    { NULL, 0, false }
};

static const struct option_word option_words_local[] = {
    { "no", OPTION_NO, false },
    { "yes", OPTION_YES, false },
    { "local", OPTION_LOCAL, false },
    { NULL, 0, false }
};

static const struct option_word option_words_supervised[] = {
    { "upstart", OPTION_UPSTART, false },
    { "systemd", OPTION_SYSTEMD, false },
    { "auto", OPTION_AUTO, false },
    { "no", OPTION_UNSUPERVISED, false },
    { NULL, 0, false }
};

/* Why some of Redis' directives have no effect. */
static const char option_no_acl[] = "users and users-file say who may log in";
static const char option_no_aof[] = "there is no append-only file";
static const char option_no_cluster[] = "there is no cluster mode";
static const char option_no_cpu[] = "threads are not bound to processors";
static const char option_no_defrag[] = "memory is compacted without being told";
static const char option_no_fork[] = "no process is forked";
static const char option_no_lazy[] = "what is large is always freed in slices";
static const char option_no_modules[] = "there are no modules";
static const char option_no_own[] = "it concerns the insides of Redis";
static const char option_no_replication[] = "there is no replication";
static const char option_no_syslog[] = "see log-file";
static const char option_no_tls[] = "TLS is left to a proxy in front of us";

#define AT(member) offsetof(struct options, member)
#define ABSENT(name, also, flags, text, redis, why)                          \
    { name, also, OPT_FIXED, (flags) | OPT_MANY, GROUP_ABSENT, 0, 0, 0,      \
      NULL, text, redis, why }

static const struct option option_rows[] = {
    ABSENT("acl-pubsub-default", NULL, OPT_SOFT, "resetchannels", NULL,
           option_no_acl),
    ABSENT("aclfile", NULL, 0, "", NULL, option_no_acl),
    ABSENT("acllog-max-len", NULL, OPT_SOFT, "128", NULL, option_no_acl),
    ABSENT("active-defrag-cycle-max", NULL, OPT_SOFT, "25", NULL,
           option_no_defrag),
    ABSENT("active-defrag-cycle-min", NULL, OPT_SOFT, "1", NULL,
           option_no_defrag),
    ABSENT("active-defrag-ignore-bytes", NULL, OPT_SOFT, "104857600", NULL,
           option_no_defrag),
    ABSENT("active-defrag-max-scan-fields", NULL, OPT_SOFT, "1000", NULL,
           option_no_defrag),
    ABSENT("active-defrag-threshold-lower", NULL, OPT_SOFT, "10", NULL,
           option_no_defrag),
    ABSENT("active-defrag-threshold-upper", NULL, OPT_SOFT, "100", NULL,
           option_no_defrag),
    ABSENT("active-expire-effort", NULL, OPT_SOFT, "1", NULL,
           "expired keys are always removed in time"),
    ABSENT("activedefrag", NULL, OPT_SOFT, "no", NULL, option_no_defrag),
    ABSENT("activerehashing", NULL, OPT_SOFT, "yes", NULL,
           "tables always grow in small steps"),
    ABSENT("always-show-logo", NULL, 0, "no", NULL, "there is no logo"),
    ABSENT("aof-disable-auto-gc", NULL, OPT_SOFT, "no", NULL, option_no_aof),
    ABSENT("aof-load-truncated", NULL, OPT_SOFT, "yes", NULL, option_no_aof),
    ABSENT("aof-rewrite-incremental-fsync", NULL, OPT_SOFT, "yes", NULL,
           option_no_aof),
    ABSENT("aof-timestamp-enabled", NULL, OPT_SOFT, "no", NULL, option_no_aof),
    ABSENT("aof-use-rdb-preamble", NULL, OPT_SOFT, "yes", NULL, option_no_aof),
    ABSENT("aof_rewrite_cpulist", NULL, 0, "", NULL, option_no_cpu),
    ABSENT("appenddirname", NULL, 0, "appendonlydir", NULL, option_no_aof),
    ABSENT("appendfilename", NULL, 0, "appendonly.aof", NULL, option_no_aof),
    ABSENT("appendfsync", NULL, OPT_SOFT, "everysec", NULL, option_no_aof),
    ABSENT("appendonly", NULL, OPT_RUNTIME, "no", NULL, option_no_aof),
    ABSENT("auto-aof-rewrite-min-size", NULL, OPT_SOFT, "67108864", NULL,
           option_no_aof),
    ABSENT("auto-aof-rewrite-percentage", NULL, OPT_SOFT, "100", NULL,
           option_no_aof),
    ABSENT("bgsave_cpulist", NULL, 0, "", NULL, option_no_cpu),
    ABSENT("bind-source-addr", NULL, OPT_RUNTIME, "", NULL,
           option_no_replication),
    ABSENT("bio_cpulist", NULL, 0, "", NULL, option_no_cpu),
    { "busy-reply-threshold", "lua-time-limit", OPT_INT, OPT_RUNTIME,
      GROUP_LIMITS, AT(busy_reply_threshold), 0, INT64_MAX, NULL, "5000", NULL,
      "milliseconds until other clients are told that a script is busy" },
    { "client-output-buffer-limit", NULL, OPT_OUTPUT,
      OPT_RUNTIME | OPT_MANY | OPT_MORE, GROUP_LIMITS, AT(client_output), 0, 0,
      NULL, "normal 1gb 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60", NULL,
      "output that may wait: class, hard limit, soft limit, seconds" },
    { "client-query-buffer-limit", NULL, OPT_SIZE, OPT_RUNTIME, GROUP_LIMITS,
      AT(client_query_buffer_limit), 1 << 20, INT64_MAX, NULL, "1gb", NULL,
      "bytes of input that may wait for one client" },
    ABSENT("cluster-allow-pubsubshard-when-down", NULL, OPT_SOFT, "yes", NULL,
           option_no_cluster),
    ABSENT("cluster-allow-reads-when-down", NULL, OPT_SOFT, "no", NULL,
           option_no_cluster),
    ABSENT("cluster-allow-replica-migration", NULL, OPT_SOFT, "yes", NULL,
           option_no_cluster),
    ABSENT("cluster-announce-bus-port", NULL, OPT_SOFT, "0", NULL,
           option_no_cluster),
    ABSENT("cluster-announce-hostname", NULL, OPT_SOFT, "", NULL,
           option_no_cluster),
    ABSENT("cluster-announce-ip", NULL, OPT_SOFT, "", NULL, option_no_cluster),
    ABSENT("cluster-announce-port", NULL, OPT_SOFT, "0", NULL,
           option_no_cluster),
    ABSENT("cluster-announce-tls-port", NULL, OPT_SOFT, "0", NULL,
           option_no_cluster),
    ABSENT("cluster-config-file", NULL, 0, "nodes.conf", NULL,
           option_no_cluster),
    ABSENT("cluster-enabled", NULL, 0, "no", NULL, option_no_cluster),
    ABSENT("cluster-link-sendbuf-limit", NULL, OPT_SOFT, "0", NULL,
           option_no_cluster),
    ABSENT("cluster-migration-barrier", NULL, OPT_SOFT, "1", NULL,
           option_no_cluster),
    ABSENT("cluster-node-timeout", NULL, OPT_SOFT, "15000", NULL,
           option_no_cluster),
    ABSENT("cluster-port", NULL, 0, "0", NULL, option_no_cluster),
    ABSENT("cluster-preferred-endpoint-type", NULL, OPT_SOFT, "ip", NULL,
           option_no_cluster),
    ABSENT("cluster-replica-no-failover", "cluster-slave-no-failover", OPT_SOFT,
           "no", NULL, option_no_cluster),
    ABSENT("cluster-replica-validity-factor", "cluster-slave-validity-factor",
           OPT_SOFT, "10", NULL, option_no_cluster),
    ABSENT("cluster-require-full-coverage", NULL, OPT_SOFT, "yes", NULL,
           option_no_cluster),
    ABSENT("crash-log-enabled", NULL, OPT_SOFT, "yes", NULL, option_no_own),
    ABSENT("crash-memcheck-enabled", NULL, OPT_SOFT, "yes", NULL,
           option_no_own),
    ABSENT("daemonize", NULL, 0, "no", NULL,
           "the service manager starts us in the background"),
    { "databases", NULL, OPT_INT, 0, GROUP_SERVER, AT(databases), 1, 16384,
      NULL, "16", NULL,
      "databases for SELECT" },
    { "dbfilename", NULL, OPT_FILE, OPT_PATH | OPT_VIEW, GROUP_SNAPSHOTS,
      AT(persist_path), 0, 0, NULL, "", "dump.rdb",
      "the file name of persist-path" },
    { "dir", NULL, OPT_DIR, OPT_PATH | OPT_VIEW, GROUP_SNAPSHOTS,
      AT(persist_path), 0, 0, NULL, ".", NULL,
      "the directory of persist-path" },
    ABSENT("disable-thp", NULL, 0, "yes", NULL, option_no_own),
    ABSENT("dynamic-hz", NULL, OPT_SOFT, "yes", NULL, option_no_own),
    { "enable-debug-command", NULL, OPT_ENUM, 0, GROUP_SECURITY,
      AT(enable_debug_command), 0, 0, option_words_local, "no", NULL,
      "who may use DEBUG" },
    ABSENT("enable-module-command", NULL, 0, "no", NULL, option_no_modules),
    ABSENT("enable-protected-configs", NULL, 0, "no", NULL,
           "paths are set at start only"),
    { "eviction-policy", NULL, OPT_ENUM, OPT_RUNTIME, GROUP_MEMORY,
      AT(eviction_policy), 0, 0, option_words_eviction, "none", NULL,
      "what goes when memory is short" },
    { "eviction-threshold", NULL, OPT_DOUBLE, OPT_RUNTIME, GROUP_MEMORY,
      AT(eviction_threshold), 0, 1, NULL, "1.0", NULL,
      "share of the limit at which eviction begins" },
    { "hash-max-listpack-entries", "hash-max-ziplist-entries", OPT_INT,
      OPT_RUNTIME, GROUP_ENCODINGS, AT(hash_max_listpack_entries), 0, INT64_MAX,
      NULL, "512", NULL,
      "fields of a compact hash" },
    { "hash-max-listpack-value", "hash-max-ziplist-value", OPT_SIZE,
      OPT_RUNTIME, GROUP_ENCODINGS, AT(hash_max_listpack_value), 0, INT64_MAX,
      NULL, "64", NULL,
      "bytes of a field or value in a compact hash" },
    { "hits-half-life", NULL, OPT_INT, OPT_RUNTIME, GROUP_MEMORY,
      AT(hits_half_life), 0, INT32_MAX, NULL, "3600", NULL,
      "seconds until a hit counts half for eviction; 0: never" },
    { "hll-sparse-max-bytes", NULL, OPT_SIZE, OPT_RUNTIME, GROUP_ENCODINGS,
      AT(hll_sparse_max_bytes), 0, INT64_MAX, NULL, "3000", NULL,
      "bytes of a sparse HyperLogLog" },
    { "host", "bind", OPT_HOSTS, OPT_MANY, GROUP_NETWORK, AT(host), 0, 0, NULL,
      "0.0.0.0", "127.0.0.1 -::1",
      "addresses to listen on, * for all; -ADDRESS may be missing" },
    { "hz", NULL, OPT_INT, OPT_RUNTIME | OPT_CLAMP, GROUP_SERVER, AT(hz), 1,
      500, NULL, "10", NULL,
      "rounds of background work a second" },
    ABSENT("ignore-warnings", NULL, 0, "", NULL, "there is nothing to ignore"),
    ABSENT("io-threads", NULL, 0, "1", NULL, "see sharded-mode and threads"),
    ABSENT("io-threads-do-reads", NULL, 0, "no", NULL,
           "see sharded-mode and threads"),
    ABSENT("jemalloc-bg-thread", NULL, OPT_SOFT, "yes", NULL, option_no_own),
    { "latency-monitor-threshold", NULL, OPT_INT, OPT_RUNTIME, GROUP_WATCHING,
      AT(latency_monitor_threshold), 0, INT64_MAX, NULL, "0", NULL,
      "milliseconds from which LATENCY records an event; 0: off" },
    { "latency-tracking", NULL, OPT_BOOL, OPT_RUNTIME, GROUP_WATCHING,
      AT(latency_tracking), 0, 0, NULL, "yes", NULL,
      "keep a histogram of times for each command" },
    { "latency-tracking-info-percentiles", NULL, OPT_PERCENTS,
      OPT_RUNTIME | OPT_MANY, GROUP_WATCHING, AT(latency_percentiles), 0, 0,
      NULL, "50 99 99.9", NULL,
      "percentiles that INFO shows of them" },
    ABSENT("lazyfree-lazy-eviction", NULL, OPT_SOFT, "yes", "no",
           option_no_lazy),
    ABSENT("lazyfree-lazy-expire", NULL, OPT_SOFT, "yes", "no", option_no_lazy),
    ABSENT("lazyfree-lazy-server-del", NULL, OPT_SOFT, "yes", "no",
           option_no_lazy),
    ABSENT("lazyfree-lazy-user-del", NULL, OPT_SOFT, "yes", "no",
           option_no_lazy),
    ABSENT("lazyfree-lazy-user-flush", NULL, OPT_SOFT, "yes", "no",
           option_no_lazy),
    ABSENT("lfu-decay-time", NULL, OPT_SOFT, "1", NULL, "see hits-half-life"),
    ABSENT("lfu-log-factor", NULL, OPT_SOFT, "10", NULL, "see hits-half-life"),
    { "list-compress-depth", NULL, OPT_INT, OPT_RUNTIME, GROUP_ENCODINGS,
      AT(list_compress_depth), 0, INT32_MAX, NULL, "0", NULL,
      "accepted; the nodes of lists are never compressed" },
    { "list-max-listpack-size", "list-max-ziplist-size", OPT_INT, OPT_RUNTIME,
      GROUP_ENCODINGS, AT(list_max_listpack_size), INT32_MIN, INT32_MAX, NULL,
      "-2", NULL,
      "size of a list's nodes: elements, or -1 to -5 for 4 to 64 KiB" },
    ABSENT("loadmodule", NULL, OPT_HIDDEN, "", NULL, option_no_modules),
    { "log", NULL, OPT_LOG, OPT_RUNTIME, GROUP_LOG, AT(log), 0, 0,
      option_words_log, "info", NULL,
      "what is logged, as a level or a filter such as kvns=debug" },
    { "log-file", "logfile", OPT_STRING, 0, GROUP_LOG, AT(log_file), 0, 0, NULL,
      "", NULL,
      "file for the log, opened again on SIGHUP; empty: standard error" },
    { "log-format", NULL, OPT_ENUM, 0, GROUP_LOG, AT(log_format), 0, 0,
      option_words_format, "text", NULL,
      "how log lines look" },
    { "loglevel", NULL, OPT_ENUM, OPT_RUNTIME | OPT_VIEW, GROUP_LOG, AT(log), 0,
      0, option_words_loglevel, "notice", NULL,
      "log in Redis' words" },
    ABSENT("masterauth", NULL, OPT_RUNTIME | OPT_SECRET, "", NULL,
           option_no_replication),
    ABSENT("masteruser", NULL, OPT_RUNTIME | OPT_SECRET, "", NULL,
           option_no_replication),
    { "max-clients", "maxclients", OPT_INT, OPT_RUNTIME, GROUP_LIMITS,
      AT(max_clients), 1, UINT32_MAX, NULL, "10000", NULL,
      "client connections at a time" },
    { "max-resp-args", NULL, OPT_INT, OPT_RUNTIME, GROUP_LIMITS,
      AT(max_resp_args), 1, INT32_MAX, NULL, "1024", "1048576",
      "arguments of one command" },
    { "max-resp-bulk-len", "proto-max-bulk-len", OPT_SIZE, OPT_RUNTIME,
      GROUP_LIMITS, AT(max_resp_bulk_len), 1, INT64_MAX, NULL, "16mb", "512mb",
      "bytes of one argument" },
    { "max-resp-inline-len", NULL, OPT_SIZE, OPT_RUNTIME, GROUP_LIMITS,
      AT(max_resp_inline_len), 1, 1 << 30, NULL, "64kb", NULL,
      "bytes of an inline command or a header line" },
    ABSENT("maxmemory-clients", NULL, OPT_RUNTIME, "0", NULL,
           "client-query-buffer-limit and client-output-buffer-limit bound "
           "them"),
    ABSENT("maxmemory-eviction-tenacity", NULL, OPT_SOFT, "10", NULL,
           "a write waits for exactly what it needs"),
    { "maxmemory-policy", NULL, OPT_ENUM, OPT_RUNTIME | OPT_VIEW, GROUP_MEMORY,
      AT(eviction_policy), 0, 0, option_words_maxmemory, "noeviction", NULL,
      "eviction-policy in Redis' words" },
    { "maxmemory-samples", NULL, OPT_INT, OPT_RUNTIME, GROUP_MEMORY,
      AT(maxmemory_samples), 1, INT32_MAX, NULL, "10", "5",
      "keys looked at for each one evicted" },
    { "memory-limit", "maxmemory", OPT_SIZE, OPT_RUNTIME, GROUP_MEMORY,
      AT(memory_limit), 0, INT64_MAX, NULL, "1gb", "0",

      "bytes of data, 70% of the host's memory at most; 0: that much "
      "(--redis: no limit)" },
    { "metrics-busiest", NULL, OPT_INT, OPT_RUNTIME, GROUP_WATCHING,
      AT(metrics_busiest), 0, 100, NULL, "10", NULL,
    "busy namespaces whose commands have histograms of their own in /metrics" },
    { "metrics-host", NULL, OPT_STRING, 0, GROUP_NETWORK, AT(metrics_host), 0,
      0, NULL, "0.0.0.0", NULL,
      "address of the HTTP listener" },
    { "metrics-max-namespaces", NULL, OPT_INT, OPT_RUNTIME, GROUP_NETWORK,
      AT(metrics_max_namespaces), 0, INT32_MAX, NULL, "1000", NULL,
      "namespaces with labels of their own in /metrics" },
    { "metrics-namespaces", NULL, OPT_STRING, OPT_RUNTIME, GROUP_WATCHING,
      AT(metrics_namespaces), 0, 0, NULL, "", NULL,
      "further ones that always have: a,b,c" },
    { "metrics-port", NULL, OPT_INT, 0, GROUP_NETWORK, AT(metrics_port), 0,
      65535, NULL, "9090", "0",
      "TCP port for /metrics, /healthz and the status page; 0: none" },
    ABSENT("min-replicas-max-lag", "min-slaves-max-lag", OPT_SOFT, "10", NULL,
           option_no_replication),
    ABSENT("min-replicas-to-write", "min-slaves-to-write", OPT_RUNTIME, "0",
           NULL, option_no_replication),
    ABSENT("no-appendfsync-on-rewrite", NULL, OPT_SOFT, "no", NULL,
           option_no_aof),
    { "notify-keyspace-events", NULL, OPT_NOTIFY, OPT_RUNTIME, GROUP_WATCHING,
      AT(notify_keyspace_events), 0, 0, NULL, "", NULL,
      "events to publish, by Redis' letters" },
    { "ns-eviction", NULL, OPT_POLICIES, OPT_RUNTIME, GROUP_MEMORY,
      AT(ns_eviction), 0, 0, NULL, "", NULL,
      "policies of namespaces: ns1:lru,ns2:mru" },
    { "ns-limits", NULL, OPT_LIMITS, OPT_RUNTIME, GROUP_MEMORY, AT(ns_limits),
      0, 0, NULL, "", NULL,
      "limits of namespaces: ns1:100mb,ns2:1gb" },
    { "on-corrupt", NULL, OPT_ENUM, 0, GROUP_SNAPSHOTS, AT(on_corrupt), 0, 0,
      option_words_corrupt, "refuse", NULL,
      "on a damaged snapshot: do not start, or set it aside and start empty" },
    ABSENT("oom-score-adj", NULL, OPT_SOFT | OPT_WORDS, "no", NULL,
           "that is the service manager's business"),
    ABSENT("oom-score-adj-values", NULL, OPT_SOFT, "0 200 800", NULL,
           "that is the service manager's business"),
    { "password", "requirepass", OPT_STRING, OPT_RUNTIME | OPT_SECRET,
      GROUP_SECURITY, AT(password), 0, 0, NULL, "", NULL,
      "what clients must AUTH with" },
    { "persist-interval", NULL, OPT_INTERVAL, OPT_RUNTIME, GROUP_SNAPSHOTS,
      AT(save), 0, INT32_MAX, NULL, "300", NULL,
      "seconds between snapshots, if anything changed; 0: only at shutdown" },
    { "persist-path", NULL, OPT_STRING, OPT_PATH, GROUP_SNAPSHOTS,
      AT(persist_path), 0, 0, NULL, "", "dump.rdb",
      "file for snapshots; empty: none are made" },
    { "pidfile", NULL, OPT_STRING, 0, GROUP_SERVER, AT(pidfile), 0, 0, NULL, "",
      NULL,
      "file for the process number" },
    { "port", NULL, OPT_INT, 0, GROUP_NETWORK, AT(port), 0, 65535, NULL, "6480",
      "6379",
      "TCP port for Redis clients; 0: none" },
    ABSENT("proc-title-template", NULL, OPT_SOFT,
           "{title} {listen-addr} {server-mode}", NULL,
           "the process keeps its title"),
    ABSENT("propagation-error-behavior", NULL, OPT_SOFT, "ignore", NULL,
           option_no_replication),
    { "protected-mode", NULL, OPT_BOOL, OPT_RUNTIME, GROUP_SECURITY,
      AT(protected_mode), 0, 0, NULL, "yes", NULL,
      "while there is no password, serve this machine only" },
    ABSENT("rdb-del-sync-files", NULL, OPT_SOFT, "no", NULL,
           option_no_replication),
    ABSENT("rdb-save-incremental-fsync", NULL, OPT_SOFT, "yes", NULL,
           option_no_fork),
    ABSENT("rdbchecksum", NULL, 0, "yes", NULL,
           "snapshots always have their checksum"),
    ABSENT("rdbcompression", NULL, OPT_SOFT, "no", "yes",
           "snapshots are not compressed"),
    { "redis", NULL, OPT_BOOL, 0, GROUP_SERVER, AT(redis), 0, 0, NULL, "no",
      "yes",
      "take Redis' defaults; also when started as redis-server" },
    { "rename-command", NULL, OPT_RENAMES, OPT_MANY | OPT_MORE | OPT_HIDDEN,
      GROUP_SECURITY, AT(renames), 0, 0, NULL, "", NULL,
      "a command and its new name, \"\" for none; may be given again" },
    ABSENT("repl-backlog-size", NULL, OPT_SOFT, "1048576", NULL,
           option_no_replication),
    ABSENT("repl-backlog-ttl", NULL, OPT_SOFT, "3600", NULL,
           option_no_replication),
    ABSENT("repl-disable-tcp-nodelay", NULL, OPT_SOFT, "no", NULL,
           option_no_replication),
    ABSENT("repl-diskless-load", NULL, OPT_SOFT, "disabled", NULL,
           option_no_replication),
    ABSENT("repl-diskless-sync", NULL, OPT_SOFT, "yes", NULL,
           option_no_replication),
    ABSENT("repl-diskless-sync-delay", NULL, OPT_SOFT, "5", NULL,
           option_no_replication),
    ABSENT("repl-diskless-sync-max-replicas", NULL, OPT_SOFT, "0", NULL,
           option_no_replication),
    ABSENT("repl-ping-replica-period", "repl-ping-slave-period", OPT_SOFT, "10",
           NULL, option_no_replication),
    ABSENT("repl-timeout", NULL, OPT_SOFT, "60", NULL, option_no_replication),
    ABSENT("replica-announce-ip", "slave-announce-ip", OPT_SOFT, "", NULL,
           option_no_replication),
    ABSENT("replica-announce-port", "slave-announce-port", OPT_SOFT, "0", NULL,
           option_no_replication),
    ABSENT("replica-announced", NULL, OPT_SOFT, "yes", NULL,
           option_no_replication),
    ABSENT("replica-ignore-disk-write-errors", NULL, OPT_SOFT, "no", NULL,
           option_no_replication),
    ABSENT("replica-ignore-maxmemory", "slave-ignore-maxmemory", OPT_SOFT,
           "yes", NULL, option_no_replication),
    ABSENT("replica-lazy-flush", "slave-lazy-flush", OPT_SOFT, "yes", "no",
           option_no_replication),
    ABSENT("replica-priority", "slave-priority", OPT_SOFT, "100", NULL,
           option_no_replication),
    ABSENT("replica-read-only", "slave-read-only", OPT_SOFT, "yes", NULL,
           option_no_replication),
    ABSENT("replica-serve-stale-data", "slave-serve-stale-data", OPT_SOFT,
           "yes", NULL, option_no_replication),
    ABSENT("replicaof", "slaveof", 0, "", "no one", option_no_replication),
    ABSENT("sanitize-dump-payload", NULL, OPT_SOFT | OPT_WORDS, "yes", "no",
           "payloads are always checked"),
    { "save", NULL, OPT_SAVE, OPT_RUNTIME | OPT_VIEW | OPT_MANY | OPT_MORE,
      GROUP_SNAPSHOTS, AT(save), 0, 0, NULL, "", "3600 1 300 100 60 10000",
      "persist-interval as Redis' rules: seconds changes ...; \"\": never" },
    ABSENT("server_cpulist", NULL, 0, "", NULL, option_no_cpu),
    { "set-max-intset-entries", NULL, OPT_INT, OPT_RUNTIME, GROUP_ENCODINGS,
      AT(set_max_intset_entries), 0, INT64_MAX, NULL, "512", NULL,
      "members of a set of integers" },
    { "set-max-listpack-entries", NULL, OPT_INT, OPT_RUNTIME, GROUP_ENCODINGS,
      AT(set_max_listpack_entries), 0, INT64_MAX, NULL, "128", NULL,
      "members of a compact set" },
    { "set-max-listpack-value", NULL, OPT_SIZE, OPT_RUNTIME, GROUP_ENCODINGS,
      AT(set_max_listpack_value), 0, INT64_MAX, NULL, "64", NULL,
      "bytes of a member of a compact set" },
    ABSENT("set-proc-title", NULL, 0, "no", "yes",
           "the process keeps its title"),
    { "shard-count", NULL, OPT_INT, 0, GROUP_SERVER, AT(shard_count), 0, 4096,
      NULL, "0", NULL,
      "parts of the keyspace in sharded mode; 0: four per processor" },
    { "sharded-mode", NULL, OPT_BOOL, 0, GROUP_SERVER, AT(sharded_mode), 0, 0,
      NULL, "no", NULL,
      "use several threads" },
    { "shared-values", NULL, OPT_BOOL, 0, GROUP_MEMORY, AT(shared_values), 0, 0,
      NULL, "yes", NULL,
      "lend long values to replies and snapshots instead of copying" },
    ABSENT("shutdown-on-sigint", NULL, OPT_SOFT, "default", NULL,
           "the first signal saves, the second one does not wait"),
    ABSENT("shutdown-on-sigterm", NULL, OPT_SOFT, "default", NULL,
           "the first signal saves, the second one does not wait"),
    ABSENT("shutdown-timeout", NULL, OPT_SOFT, "0", "10",
           option_no_replication),
    { "slowlog-log-slower-than", NULL, OPT_INT, OPT_RUNTIME, GROUP_WATCHING,
      AT(slowlog_log_slower_than), -1, INT64_MAX, NULL, "10000", NULL,
      "microseconds after which a command is slow; -1: never" },
    { "slowlog-max-len", NULL, OPT_INT, OPT_RUNTIME, GROUP_WATCHING,
      AT(slowlog_max_len), 0, INT64_MAX, NULL, "128", NULL,
      "entries of SLOWLOG" },
    ABSENT("socket-mark-id", NULL, 0, "0", NULL, "sockets are not marked"),
    ABSENT("stop-writes-on-bgsave-error", NULL, OPT_SOFT, "no", "yes",
           "writes go on, the error is reported"),
    { "stream-node-max-bytes", NULL, OPT_SIZE, OPT_RUNTIME, GROUP_ENCODINGS,
      AT(stream_node_max_bytes), 0, INT64_MAX, NULL, "4kb", NULL,
      "bytes of a stream's node; 0: any number" },
    { "stream-node-max-entries", NULL, OPT_INT, OPT_RUNTIME, GROUP_ENCODINGS,
      AT(stream_node_max_entries), 0, INT64_MAX, NULL, "100", NULL,
      "entries of a stream's node; 0: any number" },
    { "supervised", NULL, OPT_ENUM, 0, GROUP_SERVER, AT(supervised), 0, 0,
      option_words_supervised, "no", NULL,
      "tell the service manager when we are ready" },
    ABSENT("syslog-enabled", NULL, 0, "no", NULL, option_no_syslog),
    ABSENT("syslog-facility", NULL, 0, "local0", NULL, option_no_syslog),
    ABSENT("syslog-ident", NULL, 0, "redis", NULL, option_no_syslog),
    { "tcp-backlog", NULL, OPT_INT, 0, GROUP_NETWORK, AT(tcp_backlog), 0,
      INT32_MAX, NULL, "511", NULL,
      "connections that may wait to be accepted" },
    { "tcp-keepalive", NULL, OPT_INT, OPT_RUNTIME, GROUP_NETWORK,
      AT(tcp_keepalive), 0, INT32_MAX, NULL, "300", NULL,
      "seconds between probes of quiet connections; 0: none" },
    { "threads", NULL, OPT_INT, 0, GROUP_SERVER, AT(threads), 0, 256, NULL, "0",
      NULL,
      "threads in sharded mode; 0: one per processor" },
    { "timeout", NULL, OPT_INT, OPT_RUNTIME, GROUP_LIMITS, AT(timeout), 0,
      INT32_MAX, NULL, "0", NULL,
      "seconds after which an idle client is closed; 0: never" },
    ABSENT("tls-auth-clients", NULL, OPT_RUNTIME, "yes", NULL, option_no_tls),
    ABSENT("tls-ca-cert-dir", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-ca-cert-file", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-cert-file", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-ciphers", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-ciphersuites", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-client-cert-file", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-client-key-file", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-client-key-file-pass", NULL, OPT_RUNTIME | OPT_SECRET, "", NULL,
           option_no_tls),
    ABSENT("tls-cluster", NULL, OPT_RUNTIME, "no", NULL, option_no_tls),
    ABSENT("tls-dh-params-file", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-key-file", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-key-file-pass", NULL, OPT_RUNTIME | OPT_SECRET, "", NULL,
           option_no_tls),
    ABSENT("tls-port", NULL, OPT_RUNTIME, "0", NULL, option_no_tls),
    ABSENT("tls-prefer-server-ciphers", NULL, OPT_RUNTIME, "no", NULL,
           option_no_tls),
    ABSENT("tls-protocols", NULL, OPT_RUNTIME, "", NULL, option_no_tls),
    ABSENT("tls-replication", NULL, OPT_RUNTIME, "no", NULL, option_no_tls),
    ABSENT("tls-session-cache-size", NULL, OPT_RUNTIME, "20480", NULL,
           option_no_tls),
    ABSENT("tls-session-cache-timeout", NULL, OPT_RUNTIME, "300", NULL,
           option_no_tls),
    ABSENT("tls-session-caching", NULL, OPT_RUNTIME, "yes", NULL,
           option_no_tls),
    { "tracking-table-max-keys", NULL, OPT_INT, OPT_RUNTIME, GROUP_LIMITS,
      AT(tracking_table_max_keys), 0, INT64_MAX, NULL, "1000000", NULL,
      "keys remembered for client-side caching; 0: any number" },
    { "unixsocket", NULL, OPT_STRING, 0, GROUP_NETWORK, AT(unixsocket), 0, 0,
      NULL, "", NULL,
      "path of a Unix socket to listen on" },
    { "unixsocketgroup", NULL, OPT_STRING, 0, GROUP_NETWORK,
      AT(unixsocketgroup), 0, 0, NULL, "", NULL,
      "group of the Unix socket" },
    { "unixsocketperm", NULL, OPT_OCTAL, 0, GROUP_NETWORK, AT(unixsocketperm),
      0, 0777, NULL, "0", NULL,
      "mode of the Unix socket, such as 770; 0: by the umask" },
    ABSENT("user", NULL, OPT_HIDDEN | OPT_SECRET, "", NULL, option_no_acl),
    { "users", NULL, OPT_USERS, OPT_SECRET, GROUP_SECURITY, AT(users), 0, 0,
      NULL, "", NULL,
      "users bound to a namespace: name:password:namespace,..." },
    { "users-file", NULL, OPT_STRING, 0, GROUP_SECURITY, AT(users_file), 0, 0,
      NULL, "", NULL,
      "file of users, one name:password:namespace a line" },
    { "zset-max-listpack-entries", "zset-max-ziplist-entries", OPT_INT,
      OPT_RUNTIME, GROUP_ENCODINGS, AT(zset_max_listpack_entries), 0, INT64_MAX,
      NULL, "128", NULL,
      "members of a compact sorted set" },
    { "zset-max-listpack-value", "zset-max-ziplist-value", OPT_SIZE,
      OPT_RUNTIME, GROUP_ENCODINGS, AT(zset_max_listpack_value), 0, INT64_MAX,
      NULL, "64", NULL,
      "bytes of a member of a compact sorted set" },
};

#undef AT
#undef ABSENT

_Static_assert(ROWS(option_rows) == OPTION_ROWS, "OPTION_ROWS is not true");

/* Do two names agree but for case, and for '_' in place of '-'? */
static bool options__same(const char *name, struct str s, bool fold) {
    size_t i;

    for (i = 0; i < s.n && name[i] != '\0'; i++) {
        char a = name[i], b = base_lower(s.p[i]);

        if (fold && a == '_') a = '-';
        if (fold && b == '_') b = '-';
        if (a != b) return false;
    }
    return i == s.n && name[i] == '\0';
}

/* Find the row of a name, ours or Redis', in any case, or NULL.  With fold,
 * '_' is as good as '-', as in the name of a variable. */
static const struct option *options_find(struct str name, bool fold) {
    for (size_t i = 0; i < ROWS(option_rows); i++) {
        const struct option *row = &option_rows[i];

        if (options__same(row->name, name, fold)) return row;
        if (row->also != NULL && options__same(row->also, name, fold))
            return row;
    }
    return NULL;
}

/* Walk over all names that CONFIG GET may show: *i starts at 0; false at the
 * end.  A row with two names comes twice. */
static bool options_next(size_t *i, struct str *name,
                         const struct option **row) {
    while (*i < ROWS(option_rows) * 2) {
        const struct option *r = &option_rows[*i / 2];
        const char *s = (*i)++ % 2 == 0 ? r->name : r->also;

        if (s == NULL || (r->flags & OPT_HIDDEN) != 0) continue;
        *name = str_c(s);
        *row = r;
        return true;
    }
    return false;
}

static inline size_t options_index(const struct option *row) {
    return (size_t)(row - option_rows);
}

/* Do two rows write the same member? */
static inline bool options_share(const struct option *a,
                                 const struct option *b) {
    if (a == b) return true;
    return a->type != OPT_FIXED && b->type != OPT_FIXED && a->at == b->at;
}

/* Where the value that the row shows came from. */
static inline enum origin options_origin(const struct options *o,
                                         const struct option *row) {
    return (enum origin)o->origin[options_index(row)];
}

/* The row by which the member of this one was set last. */
static inline const struct option *options_by(const struct options *o,
                                              const struct option *row) {
    return &option_rows[o->by[options_index(row)]];
}

/* Remember that a value came by this row, for the rows that share it. */
static void options_mark(struct options *o, const struct option *row,
                         enum origin origin) {
    for (size_t i = 0; i < ROWS(option_rows); i++) {
        if (!options_share(&option_rows[i], row)) continue;
        o->origin[i] = (unsigned char)origin;
        o->by[i] = (unsigned char)options_index(row);
    }
}

/* What is the row's value unless it is set? */
static inline const char *options_default(const struct options *o,
                                          const struct option *row) {
    if (row->type != OPT_FIXED && o->redis && row->redis != NULL)
        return row->redis;
    return row->text;
}

/* Does the row own a string that lies in struct options? */
static inline bool options__owns_string(const struct option *row) {
    if ((row->flags & OPT_VIEW) != 0) return false;
    switch (row->type) {
    case OPT_STRING: case OPT_POLICIES: case OPT_LIMITS: case OPT_USERS:
    case OPT_RENAMES:
        return true;
    case OPT_BOOL: case OPT_DOUBLE: case OPT_ENUM: case OPT_FIXED:
    case OPT_INT: case OPT_OCTAL: case OPT_SIZE: case OPT_LOG:
    case OPT_HOSTS: case OPT_INTERVAL: case OPT_SAVE: case OPT_OUTPUT:
    case OPT_NOTIFY: case OPT_PERCENTS: case OPT_DIR: case OPT_FILE:
        return false;
    }
    return false;
}

/* The member that a row writes, or shows. */
static inline void *options_member(struct options *o,
                                   const struct option *row) {
    return (char *)o + row->at;
}

static inline const void *options_lend(const struct options *o,
                                       const struct option *row) {
    return (const char *)o + row->at;
}

/* Put a copy of the concatenation of a and b in place of *to, or return
 * false and leave it.  a and b may lie in *to. */
static bool options_put_string(struct str *to, struct str a, struct str b) {
    size_t n = a.n + b.n;
    char *p;

    if (n == 0) {
        if (to->n != 0) free((char *)to->p);
        *to = STR("");
        return true;
    }
    p = malloc(n + 1);
    if (p == NULL) return false;
    if (a.n != 0) memcpy(p, a.p, a.n);
    if (b.n != 0) memcpy(p + a.n, b.p, b.n);
    p[n] = '\0';
    if (to->n != 0) free((char *)to->p);
    to->p = p;
    to->n = n;
    return true;
}

/* Free what o owns.  It must be initialised again before use. */
static void options_free(struct options *o) {
    for (size_t i = 0; i < ROWS(option_rows); i++)
        if (options__owns_string(&option_rows[i]))
            options_put_string(options_member(o, &option_rows[i]), STR(""),
                               STR(""));
    for (int i = 0; i < OPTION_HOSTS; i++)
        options_put_string(&o->host.at[i], STR(""), STR(""));
}

/* Make *to a copy of from, which owns its own strings.  False: there was no
 * memory, and *to is as if freed. */
static bool options_copy(struct options *to, const struct options *from) {
    bool ok = true;

    *to = *from;
    for (size_t i = 0; i < ROWS(option_rows); i++) {
        struct str *s, had;

        if (!options__owns_string(&option_rows[i])) continue;
        s = options_member(to, &option_rows[i]);
        had = *s;
        *s = STR("");
        if (!options_put_string(s, had, STR(""))) ok = false;
    }
    for (int i = 0; i < OPTION_HOSTS; i++) {
        struct str had = to->host.at[i];

        to->host.at[i] = STR("");
        if (!options_put_string(&to->host.at[i], had, STR(""))) ok = false;
    }
    if (!ok) options_free(to);
    return ok;
}
