/* SPDX-License-Identifier: MIT */
/* ==== instance - one server, its lanes, its clients, a command's call =======
 *
 * struct kvns is one server; two may live in a process.  A lane is what one
 * thread works on: its clients, its clock, its output, its counters; nobody
 * else touches them.  Lanes talk through inboxes.
 *
 *   kvns -- keyspace (shards, each under its lock)
 *     |
 *     +-- lane 0 -- clients     a lane's own thread, or with all at rest
 *     +-- lane 1 -- clients
 *     +-- hub, registry         under their locks
 *
 * What concerns all lanes and changes seldom (options, who monitors, who is
 * paused) is changed only while every lane is at rest, see world; so lanes
 * read it, and count what they do, with plain loads and stores.
 *
 * A command is a row; the rows are data, joined by dispatch and hung here so
 * that COMMAND, a command, can read them.
 *
 * floor 5 - uses: base clock rand buf log host crc shard resp reply options
 */
#define KVNS_VERSION "0.1.0"
#define KVNS_REDIS_VERSION "7.4.0"  /* what our command set answers to */

struct call;
struct client;
struct lane;

/* What became of a call. */
enum outcome {
    DONE,                       /* answered */
    FAILED,                     /* answered with an error, nothing changed */
    BLOCKED                     /* not answered: waits for data */
};

/* What a row says of its command. */
enum {
    WRITE = 1 << 0,             /* may change keys */
    READONLY = 1 << 1,
    GROWS = 1 << 2,             /* may need memory: refused when full */
    ADMIN = 1 << 3,
    PUBSUB = 1 << 4,
    NOSCRIPT = 1 << 5,
    BLOCKING = 1 << 6,          /* may wait for data */
    LOADING = 1 << 7,           /* allowed while a snapshot is loaded */
    STALE = 1 << 8,
    FAST = 1 << 9,              /* what Redis calls fast; and SHORT */
    NO_AUTH = 1 << 10,          /* allowed before AUTH */
    BARRIER = 1 << 11,          /* may change how later requests are read */
    CONTAINER = 1 << 12,        /* has subcommands, rows "name|sub" */
    SUBSCRIBED = 1 << 13,       /* allowed in RESP2 while subscribed */
    NO_MULTI = 1 << 14,         /* refused inside MULTI */
    ALL_SHARDS = 1 << 15,       /* touches keys beyond those it names */
    SECRET = 1 << 16,           /* arguments must not be shown */
    MOVABLE = 1 << 17,          /* keys are where first, last, step don't say */
    NO_MONITOR = 1 << 18,
    TRANSACTION = 1 << 19,      /* runs at once inside MULTI */
    UNBOUND = 1 << 20,          /* refused to bound clients; see row_scope */
    /* where the keys are, if MOVABLE */
    KEYS_NUM = 1 << 21,         /* count at `first`, keys follow it */
    KEYS_DEST_NUM = 1 << 22,    /* also the key at 1 */
    KEYS_STREAMS = 1 << 23,     /* second half of what follows STREAMS */
    KEYS_STORE = 1 << 24,       /* key at 1, and what follows STORE[DIST] */
    ALL_LANES = 1 << 25,        /* runs with every lane at rest; such a row is
                                   a BARRIER or a subcommand */
    REPLICATES = 1 << 26,       /* writes nothing, but CLIENT PAUSE WRITE
                                   holds it: PUBLISH */
    SUBCOMMAND = 1 << 27,       /* "name|sub"; set when the rows are joined */
    SCOPED = 1 << 28,           /* for a bound client: within its namespace,
                                   though nothing else of the row says so */
    SHORT = 1 << 29,            /* shares the batch's clock, as FAST ones do,
                                   though Redis does not call it fast */
    MEMBER = 1 << 30            /* looks for a member or field: argv[2], or
                                   behind a score (GROWS, sorted set) argv[3] */
};

enum {
    ROW_SLOTS = 2048,           /* of the index of rows, open addressing */
    ROW_SUB = 65536
};

enum command_group {
    GROUP_CONNECTION_COMMANDS, GROUP_STRING, GROUP_KEY, GROUP_LIST, GROUP_HASH,
    GROUP_SET, GROUP_ZSET, GROUP_STREAM, GROUP_BIT, GROUP_HLL, GROUP_GEO,
    GROUP_TX, GROUP_PUBSUB, GROUP_SERVER_COMMANDS, GROUP_CLUSTER,
    GROUP_NAMESPACE,
    GROUP_COMMANDS_COUNT
};

struct command {
    const char *name;           /* lower case; "config|get" of a container */
    enum outcome (*run)(struct call *);
    int8_t arity;               /* with the name; -n: n or more */
    uint32_t flags;
    int8_t first, last, step;   /* where the keys are; 0: none; last < 0 counts
                                   from the end */
    uint8_t group;              /* enum command_group */
    uint16_t since;             /* SINCE(...): narrow, there are many rows */
    const char *cost, *usage, *summary;
};

/* The version of Redis that a command came with, or of kvns. */
#define SINCE(major, minor, patch) ((major) << 12 | (minor) << 6 | (patch))
enum { ROW_SINCE = 12 };        /* bytes that row_since writes at most */

/* Write it as text, terminated; returns out. */
static const char *row_since(const struct command *row, char out[ROW_SINCE]) {
    unsigned v = row->since;

    snprintf(out, ROW_SINCE, "%u.%u.%u", v >> 12 & 15, v >> 6 & 63, v & 63);
    return out;
}

/* What a command does for a client bound to a namespace. */
enum scope {
    SCOPE_ALLOW,                /* the same as for everybody */
    SCOPE_SCOPED,               /* its work, within the namespace */
    SCOPE_REFUSE                /* nothing: -NOPERM */
};

/* What a row does for bound clients: ADMIN ones are refused unless they are
 * SCOPED; what names keys or channels, or looks at all shards, is scoped. */
static enum scope row_scope(const struct command *row) {
    if ((row->flags & UNBOUND) != 0) return SCOPE_REFUSE;
    if ((row->flags & SCOPED) != 0) return SCOPE_SCOPED;
    if ((row->flags & ADMIN) != 0) return SCOPE_REFUSE;
    if (row->first != 0 || (row->flags & (MOVABLE | PUBSUB | ALL_SHARDS)) != 0)
        return SCOPE_SCOPED;
    return SCOPE_ALLOW;
}

/* The word for it in the documentation. */
static const char *row_scope_text(const struct command *row) {
    static const char *const texts[] = {
        [SCOPE_ALLOW] = "allow", [SCOPE_SCOPED] = "scope",
        [SCOPE_REFUSE] = "refuse"
    };

    return texts[row_scope(row)];
}

/* Durations in classes: eight to each doubling from 64 ns on, so that a class
 * is at most an eighth wide, and parted once more at each of HIST_BOUNDS round
 * ones, see measure; the last one has no end. */
enum {
    HIST_FIRST = 6, HIST_FINE = 8, HIST_EIGHTHS = 29 * HIST_FINE,
    HIST_BOUNDS = 22, HIST_CLASSES = HIST_EIGHTHS + HIST_BOUNDS
};

/* How a row is found: open addressing by the first bytes of its name. */
struct row_slot {
    uint64_t word;              /* the first eight, in lower case */
    size_t n;                   /* length of the name; ROW_SUB and more of a
                                   subcommand's */
    const struct command *row;  /* NULL: free */
    const char *name;           /* of the row, or what it was renamed to */
};

/* Counters of one command on one lane. */
struct command_stat {
    uint64_t calls, ns, rejected, failed;
    uint64_t *hist;             /* HIST_CLASSES of them, or NULL */
};

/* A lane counts its commands by row, and apart for some namespaces: in sets
 * of counters, one for each of these and for each label. */
enum {
    STATS_PLAIN,                /* of the default namespace, or of none */
    STATS_REST,                 /* of namespaces without a label */
    STATS_PAST,                 /* of those that have lost theirs */
    STATS_LABELS                /* the first label's */
};

enum {
    LABEL_MOST = 200,           /* labels */
    LABEL_NAME = 256,           /* bytes of a name that can have one */
    LABEL_SLOTS = 512,          /* of the index of labels, open addressing */
    LABEL_VOTES = 64            /* candidates of a lane */
};

/* A namespace whose commands are counted apart.  Changed only with the world
 * at rest. */
struct label {
    uint64_t hash;
    uint64_t calls;             /* when it was last looked at */
    int64_t busy_ms;            /* when that had changed; wall clock */
    bool fixed;                 /* the options name it */
    size_t n;
    char name[];
};

/* A namespace that might get a label: the one that most of those commands
 * were for that fell into this place. */
struct label_vote {
    uint64_t hash;
    uint32_t count;
    uint32_t n;
    char name[LABEL_NAME];
};

/* Errors that began with one word, on one lane. */
enum { LANE_ERRORS = 64 };

struct error_stat {
    char code[24];
    uint64_t n;
};

/* The last second and a half in steps, for rates. */
enum { LANE_SAMPLES = 16 };

struct lane_sample {
    int64_t us;
    uint64_t commands, net_in, net_out;
};

/* One command as it is carried out. */
struct call {
    struct work w;
    struct kvns *k;
    struct lane *lane;
    struct client *c;           /* never NULL */
    const struct command *row;
    size_t argc;
    const struct str *argv;
    struct reply *r;
    bool no_block;              /* inside EXEC: what would wait answers nil */
    bool again;                 /* run again for a client that waited */
    bool usual;                 /* nothing about the client or the server asks
                                   for a closer look at each request */
};

enum client_state {
    CLIENT_OPEN,                /* reading and answering */
    CLIENT_BLOCKED,             /* waits for data; read, but not carried out */
    CLIENT_CLOSING,             /* send what is there, then close */
    CLIENT_GONE                 /* the loop frees it */
};

enum {
    CLIENT_MULTI = 1,           /* collects commands for EXEC */
    CLIENT_SPOILT = 2,          /* one of them was wrong: EXECABORT */
    CLIENT_NAMED_AUTH = 4,      /* has authenticated */
    CLIENT_UNIX = 8,            /* came through the unix socket */
    CLIENT_NO_EVICT = 16,
    CLIENT_NO_TOUCH = 32,
    CLIENT_REPLY_OFF = 64,
    CLIENT_REPLY_SKIP = 128,    /* the next reply is not sent */
    CLIENT_REPLY_SKIPPING = 256,    /* the present one is not */
    CLIENT_MONITOR = 512,
    CLIENT_FLUSH = 1024,        /* in the lane's list of those with output */
    CLIENT_LOCAL = 2048,        /* on this machine */
    CLIENT_PAUSED = 4096,       /* in the lane's list of those held back */
    CLIENT_EMBEDDED = 8192,     /* no socket: kvns_exec */
    CLIENT_TAKES_EOF = 16384,   /* REPLCONF capa eof */
    CLIENT_REPLICA = 32768,     /* says that it is one */
    CLIENT_SYNC = 65536,        /* gets a snapshot, and then nothing more */
    CLIENT_TRACKING = 1 << 17,  /* has a tracker */
    CLIENT_CACHING = 1 << 18,   /* CLIENT CACHING, for the next command */
    CLIENT_BROKEN = 1 << 19,    /* who gets its messages has gone */
    CLIENT_ASKING = 1 << 20     /* in the lane's row of those who ask */
};

/* A command put off: by MULTI, or because it waits.  One block of libc's. */
struct saved_call {
    struct saved_call *next;
    const struct command *row;
    size_t argc, bytes;
    struct str argv[];          /* the bytes follow */
};

struct waiter;
struct subscription;

struct client {
    uint64_t id;
    struct lane *lane;
    struct client *next, *prev; /* of the lane */
    struct client *next_id;     /* in the lane's index by id */
    struct client *next_flush;
    int fd;
    uint32_t flags;
    enum client_state state;
    uint8_t proto;              /* 2 or 3 */
    int db;
    struct resp resp;
    struct buf in;              /* input not yet carried out */
    struct buf out;             /* output not yet sent, from out_at on */
    size_t out_at;
    struct reply_ref *lent;     /* what belongs into `out`, from lent_at on */
    uint32_t lents, lent_cap, lent_at;
    size_t lent_bytes;          /* of these, not yet sent */
    int64_t since_ms, last_ms;  /* connected, last command; wall clock */
    int64_t over_ms;            /* over the soft limit since; 0: it is not */
    struct saved_call *queue, *queue_last;  /* of MULTI */
    size_t queued, queue_bytes;
    struct watch *watches;
    struct tracker *tracker;    /* NULL: it does not track; see track */
    atomic_bool touched;        /* a watched key was changed */
    struct saved_call *waiting; /* the command it is blocked in */
    struct waiter *waiters;
    int64_t wait_until;         /* monotonic us; 0: for ever */
    size_t wait_first, wait_keys;   /* which of its arguments are the keys */
    struct client *timer_child, *timer_next, *timer_prev;   /* see waiters */
    struct saved_call *held;    /* the command that CLIENT PAUSE holds back, or
                                   that asks to be let in */
    struct client *next_asking;
    size_t asks_at;             /* which argument of that the user is */
    uint32_t failures;          /* wrong passwords in a row */
    struct client *next_held;
    struct client *next_monitor;
    struct subscription *subscriptions;
    atomic_size_t mailed;       /* bytes of messages in letters to it */
    uint32_t channels, patterns, shard_channels;
    char *bound;                /* namespace it lives in, or NULL */
    size_t bound_n;
    char *user;                 /* name it authenticated as, or NULL */
    char *name, *lib_name, *lib_ver;
    const struct command *last;
    char addr[64], laddr[64];
    uint64_t commands, net_in, net_out;
    size_t poll_at;             /* the loop's: where it is polled; SIZE_MAX:
                                   nowhere */
    int64_t stirred_us;         /* the loop's: last seen ready */
    bool parked;                /* a parker waits for it, too */
    bool long_in;               /* its last request had a long argument */
    uint8_t ease;               /* how much is read of it in a turn, see net */
};

/* What one lane tells another. */
struct letter {
    struct letter *next;
    uint64_t client;            /* 0: the lane itself */
    int kind;                   /* enum letter_kind */
    size_t n;
    char bytes[];
};

enum letter_kind {
    LETTER_SOCKET,              /* bytes: a connected descriptor */
    LETTER_STIRS,               /* the parked client has something to say */
    LETTER_OUTPUT,              /* bytes for the client */
    LETTER_MESSAGE,             /* the same, published on a channel */
    LETTER_SERVE,               /* for the lane: a ready key, see exec */
    LETTER_KILL,
    LETTER_MONITOR,             /* bytes for all who monitor, client 0 */
    LETTER_TRACK,               /* a message of tracking for the client */
    LETTER_TRACK_BROKEN,        /* bytes: the id of whom it went to */
    LETTER_UNBLOCK              /* bytes[0]: with an error */
};

enum {
    LANE_IDS = 1024,            /* buckets of a lane's index by id */
    LANE_SHARED = 64            /* runs of commands that share a time */
};

/* Commands of one row, one behind the other, that share the batch's time. */
struct lane_share {
    struct command_stat *st;
    uint32_t from;              /* of those that share it: the first */
};

struct lane {
    struct kvns *k;
    uint32_t id;
    struct clock clock;
    struct rand rand;
    struct buf out;             /* replies of the batch */
    struct reply reply;
    struct client *clients;
    size_t nclients;
    struct client *by_id[LANE_IDS];
    struct client *flush;       /* have output that nobody has tried to send */
    struct client *timers;      /* blocked until a time, the first due on top */
    int64_t next_timeout;       /* monotonic us: when that is; 0: none */
    struct client *current;     /* whose reply is being written, or NULL */
    pthread_mutex_t inbox_lock;
    struct letter *inbox, *inbox_last;
    int wake[2];                /* pipe; -1: nobody polls */
    pthread_mutex_t turn;       /* held while it does anything but wait */
    struct client *held, *held_last;    /* whom CLIENT PAUSE holds back */
    int64_t held_until;         /* monotonic us, when there are any */
    struct asking *asking;      /* who wants to be let in; NULL: nobody ever */
    struct client *monitors;
    struct command_stat *stats; /* by row: sets[STATS_PLAIN] */
    struct command_stat *sets[STATS_LABELS + LABEL_MOST];   /* NULL: zeros */
    const struct label *label;  /* of the last command that had one, or NULL */
    struct command_stat *label_stats;       /* its set */
    struct label_vote *votes;   /* LABEL_VOTES of them, or NULL */
    struct lane_share shared[LANE_SHARED];  /* who share the batch's time */
    uint32_t nshared;           /* commands that do so far */
    uint32_t runs, share;       /* of shared: how many, how many may be */
    struct command_stat *sharing;   /* the last of shared; NULL: none */
    int64_t since_ns;           /* monotonic: what they share begins then */
    bool roomy;                 /* the batch needs no look for memory, */
    uint32_t room_batches;      /* nor do so many behind it, */
    int64_t room_until;         /* before that, monotonic us, */
    double room_limit;          /* while the limit is not below this */
    struct hold hold;           /* shards of the requests at hand */
    uint64_t turns[HIST_BOUNDS + 1];    /* of the loop, by their time */
    uint64_t nturns, turns_ns;
    struct error_stat error[LANE_ERRORS];
    struct lane_sample sample[LANE_SAMPLES];
    uint32_t sample_at;
    uint64_t commands, net_in, net_out, errors;
    uint64_t nreads, nwrites;   /* of sockets */
    uint64_t accepted, refused; /* connections; refused: over a limit */
    atomic_uint_fast32_t clients_now;
    struct client *look;        /* whom the loop looks after next, or NULL */
};

/* What may need a look at each command: bits, and above them how many clients
 * monitor.  Set with all lanes at rest, cleared by anybody in a turn. */
enum {
    OBSERVE_PAUSE = 1,          /* CLIENT PAUSE is in force */
    OBSERVE_ALONE = 2,          /* every command is timed by itself */
    OBSERVE_MONITOR = 256       /* one client that monitors */
};

/* How saving goes; under kvns.lock. */
struct persist {
    bool saving;                /* a snapshot is being taken */
    bool again;                 /* once more, when no other is being taken */
    bool last_ok;
    int64_t last_ms;            /* wall clock of the last success, or start */
    int64_t began_ms, took_ms;
    uint64_t dirty_then;        /* changes when the last success began */
    uint64_t dirty_begun;       /* changes when this one began */
    uint64_t saves, failures;
    size_t kept;                /* most bytes that the last one needed */
    int asker;                  /* socket that waits for one, or -1 */
    uint64_t bytes;             /* of the last file that was saved */
    uint64_t save_keys;         /* there were when this one began */
    int64_t said_ms;            /* when the log was last told how far it is */
    bool last;                  /* the last one was SHUTDOWN's */
    int64_t looked_ms;          /* the program's: at the rules */
    /* loading, or the last load */
    int64_t load_began_ms;
    uint64_t load_total, load_done;     /* bytes */
    uint64_t load_keys, load_expired;
    uint64_t load_used_mem;     /* of the server that wrote it, by its word */
};

struct kvns {
    struct keyspace ks;
    struct options opt;
    struct log log;
    struct crc_tables crc;
    struct command *rows;       /* all, in order of name */
    size_t nrows;
    struct row_slot *row_index; /* of ROW_SLOTS */
    char *row_names;            /* those from rename-command; or NULL */
    struct lane *lanes;
    uint32_t nlanes;
    uint32_t nloops;            /* lanes that poll: the first ones */
    bool crowded;               /* more of these than there are cores */
    atomic_uint_fast32_t nclients;
    atomic_uint_fast32_t next_id;   /* 64 bits need a library on some machines:
                                       ids wrap after 2^32 connections there */
    struct hub *hub;
    struct track_hub *track;
    struct user *users;         /* bound to namespaces; see users */
    struct str applied_limits, applied_policies;    /* options in force */
    pthread_mutex_t lock;       /* guards persist and what follows it */
    struct persist persist;
    struct saver *saver;        /* of the snapshot in progress, or NULL */
    char run_id[41];
    char *config_file;
    int64_t started_ms;
    int hangups;                /* SIGHUPs dealt with */
    char limit_source[256];     /* where the memory limit comes from */
    size_t host_memory;         /* bytes this process may use; 0: unknown */
    pthread_mutex_t gate;       /* of whoever has all lanes rest */
    atomic_uint resting;        /* how many want them to */
    atomic_uint observed;       /* OBSERVE_ bits */
    int64_t pause_until;        /* monotonic us */
    bool pause_all;             /* not only what writes */
    struct slow *slow;          /* what was slow, under its own lock */
    struct label *labels[LABEL_MOST];       /* NULL: free */
    uint8_t label_slots[LABEL_SLOTS];       /* 1 + its place; 0: free */
    atomic_bool voted;          /* some namespace may deserve a label */
    int64_t labels_again;       /* wall ms: not to be looked at before */
    atomic_bool loading;
    atomic_bool stop;           /* SHUTDOWN or a signal */
    atomic_int stop_how;        /* enum stop_how */
    atomic_bool changed;        /* options changed: the program looks */
    bool skip_sums;             /* RESTORE takes any checksum: DEBUG */
    size_t peak;                /* most bytes in use seen */
    size_t rss_empty;           /* resident bytes before there were data */
    struct loop *loop;          /* embedded: the only one */
    struct client *embedded;    /* who kvns_exec speaks for */
    bool resp3;                 /* what embedded clients begin with */
};

enum stop_how { STOP_DEFAULT, STOP_SAVE, STOP_NOSAVE, STOP_FORCE,
                STOP_SAVE_FORCE };

static inline struct client *lane_client(const struct lane *l, uint64_t id) {
    struct client *c = l->by_id[id % LANE_IDS];

    while (c != NULL && c->id != id) c = c->next_id;
    return c;
}

/* Let a lane look around, if it waits.  Any thread. */
static void lane_wake(struct lane *l) {
    if (l->wake[1] != -1) base_wake(l->wake[1]);
}

/* Put a letter into a lane's inbox; takes it over.  Any thread. */
static void lane_post(struct lane *l, struct letter *letter) {
    bool first;

    letter->next = NULL;
    pthread_mutex_lock(&l->inbox_lock);
    first = l->inbox == NULL;
    if (first) l->inbox = letter;
    else l->inbox_last->next = letter;
    l->inbox_last = letter;
    pthread_mutex_unlock(&l->inbox_lock);
    if (first) lane_wake(l);
}

/* Make and post a letter.  False: no memory, nothing was sent. */
static bool lane_tell(struct lane *l, uint64_t client, enum letter_kind kind,
                      const void *bytes, size_t n) {
    struct letter *letter = malloc(sizeof *letter + n);

    if (letter == NULL) return false;
    letter->client = client;
    letter->kind = kind;
    letter->n = n;
    if (n > 0) memcpy(letter->bytes, bytes, n);
    lane_post(l, letter);
    return true;
}

/* The first eight bytes of a name as a word, letters in lower case. */
static inline uint64_t row_word(struct str name) {
    const uint64_t lower = UINT64_C(0x2020202020202020);
    const char *p = name.p;
    uint64_t w = 0;

    if (BASE_LITTLE && name.n >= 8) return load64(p) | lower;
    if (BASE_LITTLE && name.n >= 4)
        return (load32(p) |
                (uint64_t)load32(p + name.n - 4) << (name.n - 4) * 8) | lower;
    if (BASE_LITTLE && name.n == 3)
        return (load16(p) | (uint64_t)(unsigned char)p[2] << 16) | lower;
    for (size_t i = size_min(name.n, 8); i-- > 0;)
        w = w << 8 | (unsigned char)p[i];
    return w | lower;
}

/* Where the search for it begins in the index. */
static inline uint32_t row_hash(uint64_t word, size_t n) {
    return (uint32_t)((word + n) * UINT64_C(0x9e3779b97f4a7c15) >> 40) %
           ROW_SLOTS;
}

static INLINE const struct command *instance__find(const struct kvns *k,
                                                   struct str name,
                                                   size_t sub) {
    uint64_t word = row_word(name);
    uint32_t h = row_hash(word, name.n);

    for (;; h = (h + 1) % ROW_SLOTS) {
        const struct row_slot *slot = &k->row_index[h];
        const struct command *row = slot->row;

        if (row == NULL) return NULL;
        if (slot->word == word && slot->n == name.n + sub &&
            (LIKELY(name.n <= 8) || str_is(name, slot->name)))
            return row;
    }
}

/* Find the row of what is called so, or NULL. */
static inline const struct command *row_find(const struct kvns *k,
                                             struct str name) {
    return instance__find(k, name, 0);
}

/* Find the row of a container's subcommand, or NULL. */
static const struct command *row_find_sub(const struct kvns *k,
                                          const struct command *row,
                                          struct str sub) {
    char name[64];
    size_t n = strlen(row->name);

    if (n + 1 + sub.n > sizeof name) return NULL;
    memcpy(name, row->name, n);
    name[n] = '|';
    memcpy(name + n + 1, sub.p, sub.n);
    return instance__find(k, str_of(name, n + 1 + sub.n), ROW_SUB);
}

/* Changes to the keyspace since the start. */
static uint64_t instance_dirty(const struct kvns *k) {
    uint64_t n = 0;

    for (uint32_t i = 0; i < k->ks.nshards; i++)
        n += shard_changes(k->ks.shards + i);
    return n;
}
