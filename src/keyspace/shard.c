/* SPDX-License-Identifier: MIT */
/* ==== shard - namespaces, databases, shards ================================
 *
 * The keyspace is a row of shards; a key's shard follows from the hash of the
 * whole key.  A shard holds each database, a database its namespaces, each
 * with a table of its own:
 *
 *   keyspace -> shard[i] -> db[n] -> space "default", "ns1", ... -> table
 *
 * Key "ns/local" belongs to namespace "ns"; only the first / counts.  Without
 * one it is in "default"; "default/x" and "x" are one key.  Tables hold local
 * keys: the prefix is stored once.  A table begins with one line, so that a
 * namespace of one key costs some 250 bytes and nothing is shared or moved as
 * it grows.
 *
 * A bound client lives inside one namespace: its keys are local keys as they
 * come.
 *
 * Everything in a shard is touched only under its lock, or by the only thread
 * there is.  A space lives as long as it has keys; the default one stays.
 * What it counted is kept when it ends, under its name, until past_take.
 *
 * What happened and concerns higher floors - an event for subscribers, a key
 * with waiters that got data - is written into lists here that exec drains.
 *
 * floor 3 - uses: base arena mem rand hash buf table entry
 */
enum policy {
    POLICY_NONE,                /* refuse writes when full */
    POLICY_LRU,                 /* fewest hits first, then longest unused */
    POLICY_MRU,                 /* most hits first, then latest used */
    POLICY_EAR,                 /* delete after read; full is full */
    POLICY_ALLKEYS_LRU, POLICY_ALLKEYS_LFU, POLICY_ALLKEYS_RANDOM,
    POLICY_VOLATILE_LRU, POLICY_VOLATILE_LFU, POLICY_VOLATILE_RANDOM,
    POLICY_VOLATILE_TTL,
    POLICY_COUNT
};

/* Classes of keyspace events, as in notify-keyspace-events. */
enum {
    EVENT_GENERIC = 1, EVENT_STRING = 2, EVENT_LIST = 4, EVENT_SET = 8,
    EVENT_HASH = 16, EVENT_ZSET = 32, EVENT_EXPIRED = 64, EVENT_EVICTED = 128,
    EVENT_STREAM = 256, EVENT_MISS = 512, EVENT_NEW = 1024,
    EVENT_TO_KEYSPACE = 2048, EVENT_TO_KEYEVENT = 4096
};

/* What happened in a namespace. */
struct tally {
    uint64_t hits, misses, expired, evicted, ear_evicted;
    uint64_t commands;          /* that named a key of it */
};

/* Settings of a namespace, if it has any, or users; one for all shards and
 * databases.  Created and changed with the world at rest, never freed while
 * the server runs. */
struct tenant {
    struct tenant *next;        /* of all */
    struct tenant *next_slot;   /* of those with the same hash */
    size_t limit;               /* bytes; SIZE_MAX: none */
    enum policy policy;         /* POLICY_COUNT: the global one */
    bool has_limit;
    bool limit_option;          /* the limit is one of the option ns-limits */
    bool policy_option;         /* the policy is one of ns-eviction */
    int notify;                 /* EVENT_ bits for its users; -1: as for all */
    atomic_size_t bytes;        /* held in all shards and databases */
    struct tally ended;         /* of its spaces that ended; tenants_lock */
    size_t nlen;
    char name[];                /* and a '\0' */
};

enum { TENANT_SLOTS = 256 };

/* The tally of namespaces that ended, of one name. */
struct past {
    struct past *next;
    struct tally tally;
    uint32_t nlen;
    char name[];
};

enum {
    PAST_MOST = 1024,           /* names of a shard; more are one */
    PAST_NAME = 257,            /* bytes kept of each */
    PAST_SLOTS = 128
};

/* One namespace of one database in one shard. */
struct space {
    struct table keys;          /* of struct entry */
    size_t bytes;               /* entries, values and index */
    size_t expiring;            /* keys with a deadline */
    struct tenant *tenant;      /* NULL: no settings */
    struct tally tally;
    uint32_t id;                /* index in the shard's spaces */
    uint8_t policy;             /* the one in force */
    bool strong;                /* its table hashes with SipHash */
    bool is_default;
    bool due;                   /* detached with entries still to be saved */
    uint32_t large;             /* 1 + its place among the large; 0: none */
    uint32_t fielded;           /* hashes with fields that expire */
    struct db *db;
    struct space *next;         /* among those on their way out */
    uint32_t nlen;
    char name[];
};

struct db {
    struct table spaces;        /* of struct space, default not among them */
    struct space *plain;        /* "default", or NULL before its first key */
    struct space **large;       /* those that scans walk on their own, by */
    uint32_t nlarge, large_cap; /* places that are kept; NULL where free */
    size_t keys, expiring;
    uint8_t index;              /* its number now; SWAPDB changes it */
    uint8_t saved;              /* its number when the snapshot began */
};

/* Somebody who wants to know of changes to a key, or of data in it. */
struct side_link {
    struct side_link *next, *prev;
    struct side_key *key;
    void *who;                  /* the higher floor's, opaque here */
};

/* A key that somebody watches or waits for; it need not exist. */
struct side_key {
    struct side_link *first, *last;
    struct side_key *next_ready;
    uint32_t turn;              /* counts up whenever it gets data */
    uint32_t holds;             /* of those who have a pointer to it */
    bool ready;                 /* in the shard's ready list */
    bool told;                  /* a letter about it is under way */
    uint8_t db;
    uint32_t nslen, n;          /* namespace, then local key, in name */
    char name[];
};

/* A key that was changed, for those who track it; its name follows. */
enum touch_read { UNREAD, READ_FIRST, READ_AGAIN };

struct touch {
    uint64_t who;               /* client that tracks itself; 0: another */
    uint32_t nslen, n;          /* nslen UINT32_MAX: default; n UINT32_MAX: the
                                   whole namespace, or for both everything */
    bool self;                  /* not by its time, or for want of memory */
    uint8_t read;               /* see enum touch_read: has `who` since? */
};

struct event {
    const char *name;           /* static text, "set" */
    int class;
    int db;
    uint32_t nslen, n;          /* in the shard's event_keys, from at */
    size_t at;
    bool is_default;
};

/* What a shard has counted lately, all in one namespace, and has not added to
 * the rest yet. */
struct lately {
    struct space *of;           /* NULL: nothing was counted */
    uint32_t hits, misses, commands;
    uint32_t changes;
};

#define LATELY_FULL (UINT32_C(1) << 31)     /* a sign is quickly seen */

/* Has a shard events or ready keys that nobody has dealt with yet?  Taken says
 * that somebody is just telling of them. */
enum news { NEWS_NONE, NEWS_TAKEN, NEWS_NOTED };

/* What every command writes lies beside the lock, on the line that it had to
 * get from another core anyway; what it only reads follows, apart from the
 * rest, so that the cores can share it. */
struct shard {
    _Alignas(CACHE_LINE) struct mem mem;    /* first: short code to get at it */
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct lately lately;
    _Alignas(CACHE_LINE) struct keyspace *ks;
    struct db **dbs;            /* by number */
    uint32_t id;
    bool mark;                  /* of entries that the snapshot is done with */
    atomic_uchar news;          /* enum news; for those without the lock, too */
    atomic_uint tracked;        /* changes are to be noted for tracking */
    struct walk *walk;          /* snapshot in progress, or NULL */
    struct table watched, waited;   /* of struct side_key */
    _Alignas(CACHE_LINE) struct rand rand;
    uint64_t dirty;             /* changes since the start, but the latest */
    uint64_t evicted, expired, hits, misses, ear_evicted;   /* likewise */
    uint64_t fields_expired;
    size_t fielded;             /* hashes with fields that expire */
    size_t space_bytes;         /* sum over spaces */
    atomic_size_t live;         /* space_bytes, for other threads to read */
    struct space **by_id;       /* spaces by id, NULL where free */
    uint32_t ids, ids_cap;
    struct wheel *wheel;        /* deadlines */
    struct big *lazy;           /* objects to be freed in slices */
    struct space *gone;         /* namespaces likewise */
    size_t lazy_bytes;          /* detached, not yet freed */
    uint64_t lazily_freed;      /* keys and collections of those that were */
    struct past *past[PAST_SLOTS];  /* by the hash of the name */
    uint32_t npast;
    struct tally lost;          /* of names beyond PAST_MOST */
    struct side_key *ready, *ready_last;    /* waited for, and got data */
    pthread_mutex_t telling;    /* of the one who tells of what was noted */
    struct event *events;       /* to be told, in order */
    size_t nevents, events_cap;
    struct buf event_keys;
    struct buf touched;         /* the notes: struct touch, namespace, key */
    bool touched_lost;          /* some note found no memory */
    struct buf reads;           /* ear: hashes and spaces to be swept */
    size_t swept, sweep_to;     /* bytes of them: that are done, that are to be
                                   done now; 0: none */
    bool compacting;            /* see compact: a pass goes on, and where */
    uint32_t compact_kind, compact_space, compact_seg, compact_line;
    uint32_t compact_slot, compact_deep;
    size_t compact_saw_used, compact_saw_active;    /* when last surveyed */
    size_t compact_rest;        /* bytes the last one could not give back */
    size_t compact_used;        /* bytes in use when it ended */
    size_t compact_from;        /* and when the one at hand began */
    unsigned compact_strays;    /* the keyspace's when it began */
};

/* What the keyspace needs to know of the options. */
struct keyspace_options {
    uint32_t databases;
    uint32_t hash_entries, hash_value;      /* largest packs */
    uint32_t set_entries, set_value, set_ints;
    uint32_t zset_entries, zset_value;
    int list_size;                          /* list-max-listpack-size */
    uint32_t hll_sparse_max;
    uint32_t stream_bytes, stream_entries;
    size_t memory_limit;                    /* effective; SIZE_MAX: none */
    double threshold;                       /* of the limit, 0 to 1 */
    enum policy policy;
    uint32_t samples;
    uint32_t half_life;                     /* ticks; 0: hits never age */
    int notify;                             /* EVENT_ bits anybody wants */
    int notify_all;                         /* those for unbound clients */
    bool shared_values;
};

struct keyspace {
    struct shard *shards;
    uint32_t nshards;
    bool threads;               /* several: locks are needed */
    bool active_expire;
    uint64_t seed, sip[2];
    struct keyspace_options opt;
    struct tenant *tenants;
    struct tenant *tenant_slots[TENANT_SLOTS];
    pthread_mutex_t tenants_lock;   /* a leaf; of what tenants sum up */
    struct snapshot *snapshot;  /* being taken, or NULL */
    atomic_uint strays;         /* counts up when pages cannot be emptied, since
                                   their blocks are guests elsewhere */
    atomic_uint lowered;        /* counts up when a limit may be lower: what is
                                   beyond is evicted, see shard_shed */
};

/* Who touches the keyspace and when: part of every command's call. */
struct work {
    struct keyspace *ks;
    struct str bound;           /* namespace of a bound client; p NULL: free */
    int db;
    bool no_touch;              /* reads leave no trace */
    bool counted;               /* the command has counted in a namespace */
    bool news;                  /* something was noted in a shard's lists */
    int64_t now;                /* wall clock, ms */
    struct rand *rand;          /* of whoever runs it; NULL: reads nothing */
    uint64_t who;               /* client that tracks keys, or 0 */
    const struct key_hint *hint;    /* of the next key, or NULL */
    struct blob *apart;         /* bytes of an argument that a value may hold
                                   as they are, or NULL */
};

/* A key taken apart, and where it lives. */
struct keyref {
    struct str ns, local;       /* ns.p NULL: default */
    struct shard *shard;
    struct db *db;
    struct space *space;        /* NULL: there is none yet */
    uint64_t hash;              /* of local, fast */
};

/* A key taken apart and hashed ahead of its command, and looked for where that
 * was allowed, so that the cache misses of many keys overlap. */
struct key_hint {
    const char *p;              /* the key as it came; NULL: no hint */
    struct keyref ref;
    struct table_at at;         /* where to look; where its tag was found */
    uint64_t moves;             /* of the shard's arena then */
    bool found;
    bool held;                  /* its shard is among those of a hold */
    const void *table;          /* behind the entry, if it is large: see big */
    struct table_at member;     /* likewise in that: */
    const char *member_p;       /* the member as it came; NULL: no hint of it */
};

static inline uint32_t work_tick(const struct work *w) {
    return (uint32_t)((uint64_t)w->now / ENTRY_TICK);
}

/* Bytes of a word that are a slash have their top bit set in the result, and
 * perhaps some above them. */
static INLINE uint64_t key__slashes(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x = word ^ ones * '/';

    return (x - ones) & ~x & ones << 7;
}

/* Is there a slash in a key?  By words, which may overlap. */
static INLINE bool key__has_slash(const char *p, size_t n) {
    uint64_t found = 0;
    size_t i = 0;

    if (LIKELY(n >= 8)) {
        if (UNLIKELY(n > 16))
            for (; i < n - 16; i += 8) found |= key__slashes(load64(p + i));
        return (found | key__slashes(load64(p + i)) |
                key__slashes(load64(p + n - 8))) != 0;
    }
    if (n >= 4)
        return key__slashes(load32(p) |
                            (uint64_t)load32(p + n - 4) << 32) != 0;
    for (; i < n; i++)
        if (p[i] == '/') return true;
    return false;
}

/* Take a key apart; ns.p is NULL for the default namespace. */
static INLINE void key_split(const struct work *w, struct str key,
                             struct str *ns, struct str *local) {
    const char *slash;

    if (UNLIKELY(w->bound.p != NULL)) {
        *ns = w->bound;
        *local = key;
    } else if (LIKELY(!key__has_slash(key.p, key.n))) {
        *ns = (struct str){ NULL, 0 };
        *local = key;
        return;
    } else {
        slash = memchr(key.p, '/', key.n);
        *ns = (struct str){ key.p, (size_t)(slash - key.p) };
        *local = (struct str){ slash + 1, key.n - ns->n - 1 };
    }
    if (ns->n == 7 && memcmp(ns->p, "default", 7) == 0) ns->p = NULL, ns->n = 0;
}

/* Must a local key of this namespace be printed with its prefix? */
static inline bool key_needs_prefix(bool is_default, struct str local) {
    return !is_default || key__has_slash(local.p, local.n);
}

/* Append the printed form: what, fed back, names the same key. */
static bool key_print(struct buf *out, bool is_default, struct str ns,
                      struct str local) {
    if (key_needs_prefix(is_default, local)) {
        if (is_default) ns = STR("default");
        if (!buf_put(out, ns.p, ns.n) || !buf_put(out, "/", 1)) return false;
    }
    return buf_put(out, local.p, local.n);
}

/* The hash of a local key. */
static INLINE uint64_t key_hash(const struct keyspace *ks, struct str local) {
    return hash_fast(local.p, local.n, ks->seed);
}

/* The shard of a key; ns.p NULL for the default namespace. */
static INLINE struct shard *key_shard(const struct keyspace *ks,
                                      struct str ns, uint64_t hash) {
    if (LIKELY(ks->nshards == 1)) return ks->shards;
    if (ns.p != NULL) hash ^= hash_fast(ns.p, ns.n, ks->seed ^ 1);
    hash = (hash * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    return ks->shards + (size_t)(hash * ks->nshards >> 32);
}

static uint64_t space__hash_of(const void *ctx, const void *item) {
    const struct space *sp = item;

    return hash_fast(sp->name, sp->nlen, ((const struct keyspace *)ctx)->seed);
}

static inline struct str space_name(const struct space *sp) {
    return (struct str){ sp->name, sp->nlen };
}

/* Find a namespace in a database of a shard, or NULL. */
static struct space *space_find(const struct shard *s, const struct db *db,
                                struct str ns, struct table_at *at) {
    uint64_t h = hash_fast(ns.p, ns.n, s->ks->seed);

    for (struct space *sp = table_first(&db->spaces, h, at); sp != NULL;
         sp = table_next(at))
        if (str_eq(space_name(sp), ns)) return sp;
    return NULL;
}

static struct tenant **tenant__slot(struct keyspace *ks, struct str ns) {
    return &ks->tenant_slots[hash_fast(ns.p, ns.n, ks->seed) % TENANT_SLOTS];
}

/* The settings of a namespace, or NULL. */
static struct tenant *tenant_find(struct keyspace *ks, struct str ns) {
    struct tenant *t;

    if (ns.p == NULL) ns = STR("default");
    for (t = *tenant__slot(ks, ns); t != NULL; t = t->next_slot)
        if (str_eq(str_of(t->name, t->nlen), ns)) return t;
    return NULL;
}

/* The settings of a namespace, made if there are none: no limit, the global
 * policy.  The world is at rest.  NULL: no memory. */
static struct tenant *tenant_make(struct keyspace *ks, struct str ns) {
    struct tenant *t = tenant_find(ks, ns), **slot = tenant__slot(ks, ns);

    if (t != NULL) return t;
    t = malloc(sizeof *t + ns.n + 1);
    if (t == NULL) return NULL;
    memset(t, 0, sizeof *t);
    t->limit = SIZE_MAX;
    t->policy = POLICY_COUNT;
    t->notify = -1;
    atomic_init(&t->bytes, 0);
    t->nlen = ns.n;
    if (ns.n > 0) memcpy(t->name, ns.p, ns.n);
    t->name[ns.n] = '\0';
    t->next = ks->tenants;
    t->next_slot = *slot;
    *slot = t;
    return ks->tenants = t;
}

/* Which policy rules a space, from its settings and the global one. */
static void space_settle(const struct keyspace *ks, struct space *sp) {
    sp->policy = (uint8_t)(sp->tenant != NULL &&
                           sp->tenant->policy != POLICY_COUNT ?
                               sp->tenant->policy : ks->opt.policy);
}

/* Give a space an id, for records that outlive it.  False: no memory. */
static bool space__number(struct shard *s, struct space *sp) {
    uint32_t i;

    for (i = s->ids; i > 0 && s->ids == s->ids_cap; i--)
        if (s->by_id[i - 1] == NULL) {
            s->by_id[i - 1] = sp;
            sp->id = i - 1;
            return true;
        }
    if (s->ids == s->ids_cap) {
        uint32_t cap = s->ids_cap * 2 + 4;
        struct space **v = mem_resize(&s->mem, s->by_id,
                                      s->ids_cap * sizeof *v,
                                      cap * sizeof *v);

        if (v == NULL) return false;
        s->by_id = v;
        s->ids_cap = cap;
    }
    sp->id = s->ids;
    s->by_id[s->ids++] = sp;
    return true;
}

/* Give a space, not the default one, a place among its database's large ones
 * below `most`: it keeps it until it ends.  False: no memory, no place. */
static COLD bool space_list(struct shard *s, struct space *sp,
                            uint32_t most) {
    struct db *db = sp->db;
    uint32_t i = 0;

    while (i < db->nlarge && db->large[i] != NULL) i++;
    if (i >= most) return false;
    if (i == db->large_cap) {
        uint32_t cap = i * 2 + 4;
        struct space **v = mem_resize(&s->mem, db->large, i * sizeof *v,
                                      cap * sizeof *v);

        if (v == NULL) return false;
        db->large = v;
        db->large_cap = cap;
    }
    db->large[i] = sp;
    if (i == db->nlarge) db->nlarge++;
    sp->large = i + 1;
    return true;
}

/* Take a space that ends out of that list, which goes with its last one. */
static COLD void space_unlist(struct shard *s, struct space *sp) {
    struct db *db = sp->db;

    if (sp->large == 0) return;
    db->large[sp->large - 1] = NULL;
    sp->large = 0;
    while (db->nlarge > 0 && db->large[db->nlarge - 1] == NULL) db->nlarge--;
    if (db->nlarge > 0) return;
    mem_drop(&s->mem, db->large, db->large_cap * sizeof *db->large);
    db->large = NULL;
    db->large_cap = 0;
}

/* Count bytes (modulo SIZE_MAX + 1) to a namespace and all its sums. */
static inline void space_charge(struct shard *s, struct space *sp, size_t n) {
    sp->bytes += n;
    s->space_bytes += n;
    atomic_store_explicit(&s->live, s->space_bytes, memory_order_relaxed);
    if (UNLIKELY(sp->tenant != NULL)) atomic_fetch_add(&sp->tenant->bytes, n);
}

/* Bytes of a namespace without keys and index. */
static inline size_t space_own(const struct space *sp) {
    return sp->is_default ? 0 : mem_size(sizeof *sp + sp->nlen);
}

/* Make the namespace of ref, empty.  NULL: no memory. */
static COLD struct space *space_new(struct keyref *ref) {
    struct shard *s = ref->shard;
    struct str ns = ref->ns.p == NULL ? STR("default") : ref->ns;
    struct space *sp = mem_try(&s->mem, sizeof *sp + ns.n);

    if (sp == NULL) return NULL;
    memset(sp, 0, sizeof *sp);
    memcpy(sp->name, ns.p, ns.n);
    sp->nlen = (uint32_t)ns.n;
    sp->is_default = ref->ns.p == NULL;
    sp->db = ref->db;
    sp->tenant = s->ks->tenants == NULL ? NULL : tenant_find(s->ks, ref->ns);
    space_settle(s->ks, sp);
    if (!space__number(s, sp)) goto refused;
    if (sp->is_default) {
        ref->db->plain = sp;
    } else if (!table_put(&ref->db->spaces, &s->mem,
                          space__hash_of(s->ks, sp), sp, space__hash_of,
                          s->ks)) {
        s->by_id[sp->id] = NULL;
        goto refused;
    }
    space_charge(s, sp, space_own(sp));
    return ref->space = sp;
refused:
    mem_drop(&s->mem, sp, sizeof *sp + ns.n);
    return NULL;
}

/* Add what happened elsewhere, or before. */
static void tally_add(struct tally *to, const struct tally *t) {
    to->hits += t->hits;
    to->misses += t->misses;
    to->expired += t->expired;
    to->evicted += t->evicted;
    to->ear_evicted += t->ear_evicted;
    to->commands += t->commands;
}

/* Add what a shard has counted lately to the rest. */
static COLD void shard_counted(struct shard *s) {
    struct lately *l = &s->lately;

    s->hits += l->hits;
    s->misses += l->misses;
    s->dirty += l->changes;
    if (l->of != NULL) {
        l->of->tally.hits += l->hits;
        l->of->tally.misses += l->misses;
        l->of->tally.commands += l->commands;
    }
    memset(l, 0, sizeof *l);
}

/* Count one more in a space; what is one of the shard's `lately`. */
static INLINE void shard_counts(struct shard *s, struct space *sp,
                                uint32_t *what) {
    if (UNLIKELY(s->lately.of != sp)) {
        shard_counted(s);
        s->lately.of = sp;
    }
    if (UNLIKELY((++*what & LATELY_FULL) != 0)) shard_counted(s);
}

/* One more change of a key in a shard. */
static INLINE void shard_changed(struct shard *s) {
    if (UNLIKELY((++s->lately.changes & LATELY_FULL) != 0)) shard_counted(s);
}

/* Changes in a shard since the start. */
static inline uint64_t shard_changes(const struct shard *s) {
    return s->dirty + s->lately.changes;
}

static struct past **past__slot(struct shard *s, struct str name) {
    return &s->past[hash_fast(name.p, name.n, s->ks->seed) % PAST_SLOTS];
}

/* What is kept of namespaces of that name that ended, or NULL. */
static const struct past *past_find(struct shard *s, struct str name) {
    const struct past *p;

    name.n = size_min(name.n, PAST_NAME);
    p = *past__slot(s, name);
    while (p != NULL && !str_eq(str_of(p->name, p->nlen), name)) p = p->next;
    return p;
}

/* Keep the tally of a namespace that ends. */
static COLD void past_note(struct shard *s, const struct space *sp) {
    struct str name = { sp->name, size_min(sp->nlen, PAST_NAME) };
    struct past **slot = past__slot(s, name), *p = *slot;

    shard_counted(s);
    if (sp->tenant != NULL) {
        pthread_mutex_lock(&s->ks->tenants_lock);
        tally_add(&sp->tenant->ended, &sp->tally);
        pthread_mutex_unlock(&s->ks->tenants_lock);
    }
    while (p != NULL && !str_eq(str_of(p->name, p->nlen), name)) p = p->next;
    if (p == NULL && s->npast < PAST_MOST) {
        p = malloc(sizeof *p + name.n);
        if (p != NULL) {
            memset(p, 0, sizeof *p);
            p->nlen = (uint32_t)name.n;
            memcpy(p->name, name.p, name.n);
            p->next = *slot;
            *slot = p;
            s->npast++;
        }
    }
    tally_add(p == NULL ? &s->lost : &p->tally, &sp->tally);
}

/* Take the oldest of some slot off a shard's past: the caller frees it.  NULL
 * when all are taken. */
static struct past *past_take(struct shard *s) {
    for (uint32_t i = 0; s->npast > 0 && i < PAST_SLOTS; i++) {
        struct past *p = s->past[i];

        if (p == NULL) continue;
        s->past[i] = p->next;
        s->npast--;
        return p;
    }
    return NULL;
}

/* Forget an empty namespace; the default one stays. */
static COLD void space_forget(struct shard *s, struct db *db,
                              struct space *sp) {
    struct table_at at;

    if (sp->is_default || sp->keys.count != 0) return;
    if (space_find(s, db, space_name(sp), &at) != sp) return;
    VERIFY(sp->bytes == space_own(sp));
    VERIFY(sp->expiring == 0 && sp->fielded == 0);
    past_note(s, sp);
    table_drop(&db->spaces, &s->mem, &at);
    space_unlist(s, sp);
    s->by_id[sp->id] = NULL;
    if (sp->id + 1 == s->ids) s->ids--;
    space_charge(s, sp, 0 - sp->bytes);
    mem_drop(&s->mem, sp, sizeof *sp + sp->nlen);
}

/* Only the shard of a key, and what leads there: nothing of it is read. */
static INLINE void key_home(const struct work *w, struct str key,
                            struct keyref *ref) {
    if (LIKELY(w->hint != NULL && w->hint->p == key.p)) {
        ref->ns = w->hint->ref.ns;
        ref->local = w->hint->ref.local;
        ref->hash = w->hint->ref.hash;
        ref->shard = w->hint->ref.shard;
    } else {
        key_split(w, key, &ref->ns, &ref->local);
        ref->hash = key_hash(w->ks, ref->local);
        ref->shard = key_shard(w->ks, ref->ns, ref->hash);
    }
}

/* Count a command in the first namespace that it looks into. */
static INLINE void space_count(struct work *w, struct shard *s,
                               struct space *sp) {
    if (w->counted || sp == NULL) return;
    w->counted = true;
    shard_counts(s, sp, &s->lately.commands);
}

/* Where a key lives, in database db. */
static INLINE void key_ref_in(struct work *w, struct str key, int db,
                              struct keyref *ref) {
    struct table_at at;

    key_home(w, key, ref);
    ref->db = ref->shard->dbs[db];
    ref->space = LIKELY(ref->ns.p == NULL) ?
                     ref->db->plain :
                     space_find(ref->shard, ref->db, ref->ns, &at);
    space_count(w, ref->shard, ref->space);
}

static inline void key_ref(struct work *w, struct str key,
                           struct keyref *ref) {
    key_ref_in(w, key, w->db, ref);
}

/* The hash under which a space files a local key. */
static inline uint64_t space_hash(const struct keyspace *ks,
                                  const struct space *sp, struct str local,
                                  uint64_t fast) {
    return LIKELY(!sp->strong) ? fast : hash_sip13(local.p, local.n, ks->sip);
}

struct space_hasher {
    const struct keyspace *ks;
    const struct space *sp;
};

/* For the table: the hash of an entry that is in it. */
static uint64_t space_hash_of(const void *ctx, const void *item) {
    const struct space_hasher *x = ctx;
    struct str k = entry_key(item);

    return space_hash(x->ks, x->sp, k, key_hash(x->ks, k));
}

/* Find a local key in a space, dead or alive; at says where it is. */
static INLINE struct entry *space_entry(const struct keyspace *ks,
                                        const struct space *sp,
                                        struct str local, uint64_t fast,
                                        struct table_at *at) {
    uint64_t h = space_hash(ks, sp, local, fast);
    struct entry *e;

    for (e = table_first(&sp->keys, h, at); e != NULL; e = table_next(at)) {
        if (LIKELY(entry_is(e, local))) return e;
    }
    return NULL;
}

/* Take a key apart for later; nothing in the keyspace is read. */
static INLINE void hint_take(const struct work *w, struct str key,
                             struct key_hint *h) {
    h->p = NULL;
    key_home(w, key, &h->ref);
    h->p = key.p;
    h->at.line = NULL;
    h->found = h->held = false;
    h->member_p = NULL;
}

/* Call the line of the index nearer that the key may be in.  Its shard is
 * locked, or there is nobody to lock out. */
static INLINE void hint_seek(const struct work *w, struct key_hint *h) {
    struct keyref *r = &h->ref;
    struct table_at at;

    r->db = r->shard->dbs[w->db];
    r->space = LIKELY(r->ns.p == NULL) ?
                   r->db->plain : space_find(r->shard, r->db, r->ns, &at);
    h->moves = r->shard->mem.moves;
    if (LIKELY(r->space != NULL && !r->space->strong))
        table_call(&r->space->keys, r->hash, &h->at);
}

/* And then, when it has had time to come, the entry; under the same lock. */
static INLINE void hint_find(struct key_hint *h) {
    const char *e;

    if (UNLIKELY(h->moves != h->ref.shard->mem.moves)) return;
    e = table_called(&h->at);
    if (e == NULL) return;
    h->found = true;
    PREFETCH(e);
    PREFETCH(e + 64);
}

/* Is what hint_find has found still there, for a client in database db? */
static INLINE bool hint_holds(const struct key_hint *h, int db) {
    return h->found && h->moves == h->ref.shard->mem.moves &&
           h->ref.db == h->ref.shard->dbs[db];
}

static uint64_t side__hash(const struct keyspace *ks, int db, struct str ns,
                           struct str local) {
    return hash_fast(local.p, local.n, ks->seed) ^
           (ns.p == NULL ? 0 : hash_fast(ns.p, ns.n, ks->seed ^ 1)) ^
           (uint64_t)(unsigned)db * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t side__hash_of(const void *ctx, const void *item) {
    const struct side_key *k = item;
    struct str ns = { k->nslen == UINT32_MAX ? NULL : k->name, k->nslen };
    size_t skip = ns.p == NULL ? 0 : ns.n;

    return side__hash(ctx, k->db, ns, str_of(k->name + skip, k->n));
}

/* The record of a watched or waited-for key, or NULL. */
static struct side_key *side_find(struct shard *s, struct table *t, int db,
                                  struct str ns, struct str local,
                                  struct table_at *at) {
    uint64_t h = side__hash(s->ks, db, ns, local);
    struct side_key *k;

    for (k = table_first(t, h, at); k != NULL; k = table_next(at)) {
        bool same = ns.p == NULL ? k->nslen == UINT32_MAX :
                        k->nslen == ns.n && memcmp(k->name, ns.p, ns.n) == 0;

        if (same && k->db == db && k->n == local.n &&
            memcmp(k->name + (ns.p == NULL ? 0 : ns.n), local.p, local.n) == 0)
            return k;
    }
    return NULL;
}

/* Let link->who be told of a key: at the end of its row.  On libc's heap. */
static bool side_join(struct shard *s, struct table *t, int db, struct str ns,
                      struct str local, struct side_link *link) {
    struct table_at at;
    struct side_key *k = side_find(s, t, db, ns, local, &at);
    size_t nslen = ns.p == NULL ? 0 : ns.n;

    if (k == NULL) {
        k = malloc(sizeof *k + nslen + local.n);
        if (k == NULL) return false;
        memset(k, 0, sizeof *k);
        k->db = (uint8_t)db;
        k->nslen = ns.p == NULL ? UINT32_MAX : (uint32_t)nslen;
        k->n = (uint32_t)local.n;
        memcpy(k->name, ns.p == NULL ? "" : ns.p, nslen);
        memcpy(k->name + nslen, local.p, local.n);
        if (!table_put(t, &s->mem, side__hash(s->ks, db, ns, local), k,
                       side__hash_of, s->ks)) {
            free(k);
            return false;
        }
    }
    link->key = k;
    link->next = NULL;
    link->prev = k->last;
    if (k->last != NULL) k->last->next = link;
    else k->first = link;
    k->last = link;
    return true;
}

/* Free a record that nobody needs. */
static void side_forget(struct shard *s, struct table *t,
                        struct side_key *k) {
    struct table_at at;

    if (k->first != NULL || k->ready || k->holds > 0) return;
    for (void *p = table_first(t, side__hash_of(s->ks, k), &at); p != NULL;
         p = table_next(&at))
        if (p == k) {
            table_drop(t, &s->mem, &at);
            free(k);
            return;
        }
}

/* Leave the row; the record goes with its last link. */
static void side_leave(struct shard *s, struct table *t,
                       struct side_link *link) {
    struct side_key *k = link->key;

    if (link->prev != NULL) link->prev->next = link->next;
    else k->first = link->next;
    if (link->next != NULL) link->next->prev = link->prev;
    else k->last = link->prev;
    link->key = NULL;
    side_forget(s, t, k);
}

/* Put a key at the end of the ready list. */
static void side_ready(struct shard *s, struct side_key *k) {
    if (k->ready) return;
    k->ready = true;
    k->next_ready = NULL;
    if (s->ready_last != NULL) s->ready_last->next_ready = k;
    else s->ready = k;
    s->ready_last = k;
    atomic_store_explicit(&s->news, NEWS_NOTED, memory_order_relaxed);
}

/* Take the first key off the ready list, held; NULL if there is none. */
static struct side_key *side_take_ready(struct shard *s) {
    struct side_key *k = s->ready;

    if (k == NULL) return NULL;
    s->ready = k->next_ready;
    if (s->ready == NULL) s->ready_last = NULL;
    k->ready = false;
    k->holds++;
    return k;
}

/* Let go of a record of a waited-for key. */
static void side_release(struct shard *s, struct side_key *k) {
    k->holds--;
    side_forget(s, &s->waited, k);
}

struct side__wake {
    struct shard *s;
    int db;
};

static void side__wake_key(void *ctx, void *item) {
    const struct side__wake *x = ctx;
    struct side_key *k = item;

    if (k->db != x->db) return;
    k->turn++;
    side_ready(x->s, k);
}

/* All keys of a database may have got data: it was swapped. */
static void shard_wake_all(struct shard *s, int db) {
    struct side__wake x = { s, db };
    uint32_t cursor = 0;

    do {
        cursor = table_scan(&s->waited, cursor, side__wake_key, &x);
    } while (cursor != 0);
}

/* Note an event for subscribers, if anybody asked for its class. */
static void shard_tell(struct shard *s, int class, const char *name, int db,
                       bool is_default, struct str ns, struct str local) {
    struct event *ev;

    if (LIKELY((s->ks->opt.notify & class) == 0)) return;
    if ((s->ks->opt.notify_all & class) == 0) {
        const struct tenant *t = tenant_find(s->ks, ns);

        if (t == NULL || t->notify < 0 || (t->notify & class) == 0) return;
    }
    if (s->nevents == s->events_cap) {
        size_t cap = s->events_cap * 2 + 16;

        ev = realloc(s->events, cap * sizeof *ev);
        if (ev == NULL) return;
        s->events = ev;
        s->events_cap = cap;
    }
    ev = &s->events[s->nevents];
    ev->name = name;
    ev->class = class;
    ev->db = db;
    ev->is_default = is_default;
    ev->at = s->event_keys.n;
    ev->nslen = (uint32_t)ns.n;
    ev->n = (uint32_t)local.n;
    if (buf_put(&s->event_keys, ns.p, ns.n) &&
        buf_put(&s->event_keys, local.p, local.n))
        s->nevents++;
    atomic_store_explicit(&s->news, NEWS_NOTED, memory_order_relaxed);
}

/* Note a change for tracking; local.p NULL: of a whole namespace, and where
 * ns.p is NULL, too, of everything. */
static COLD void shard_touched(struct shard *s, uint64_t who, bool self,
                               struct str ns, struct str local) {
    struct touch t = { .who = who, .self = self };

    t.nslen = ns.p == NULL ? UINT32_MAX : (uint32_t)ns.n;
    t.n = local.p == NULL ? UINT32_MAX : (uint32_t)local.n;
    if (!buf_put(&s->touched, &t, sizeof t) ||
        (ns.p != NULL && !buf_put_str(&s->touched, ns)) ||
        (local.p != NULL && !buf_put_str(&s->touched, local))) {
        buf_free(&s->touched);
        s->touched_lost = true;
    }
    atomic_store_explicit(&s->news, NEWS_NOTED, memory_order_relaxed);
}

/* A client reads what it has changed, in one transaction, and keeps it: what
 * it knows from then on is no older than the change.  Where very many changes
 * are noted they are not searched: then it knows nothing. */
static COLD void shard_touched_read(struct shard *s, uint64_t who,
                                    enum touch_read how, struct str ns,
                                    struct str local) {
    struct buf *b = &s->touched;
    struct touch t;

    if (b->n > 4096) return;
    for (size_t at = 0, key; at < b->n; at = key) {
        memcpy(&t, b->p + at, sizeof t);
        key = at + sizeof t;
        if (t.nslen != UINT32_MAX) key += t.nslen;
        if (t.n == UINT32_MAX) continue;
        key += t.n;
        if (t.read != UNREAD || t.who != who || t.n != local.n ||
            (t.nslen == UINT32_MAX) != (ns.p == NULL) ||
            memcmp(b->p + key - t.n, local.p, local.n) != 0 ||
            (ns.p != NULL &&
             !str_eq(str_of(b->p + at + sizeof t, t.nslen), ns)))
            continue;
        t.read = (uint8_t)how;
        memcpy(b->p + at, &t, sizeof t);
    }
}

enum {
    SHARD_MANY = 16,            /* of so many, each holds little of most sizes:
                                   see mem */
    SHARD_PAUSES = 512          /* longest pause before sleeping for a lock */
};

/* An empty shard of ks; ends the program where there is no memory for it. */
static void shard_init(struct shard *s, struct keyspace *ks, uint32_t id) {
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->telling, NULL);
    mem_init(&s->mem);
    s->mem.frugal = ks->nshards > SHARD_MANY;
    rand_seed(&s->rand);
    s->ks = ks;
    s->id = id;
    s->dbs = calloc(ks->opt.databases, sizeof *s->dbs);
    if (s->dbs == NULL) base_no_memory();
    for (uint32_t i = 0; i < ks->opt.databases; i++) {
        s->dbs[i] = calloc(1, sizeof **s->dbs);
        if (s->dbs[i] == NULL) base_no_memory();
        s->dbs[i]->index = s->dbs[i]->saved = (uint8_t)i;
    }
    atomic_init(&s->live, 0);
    atomic_init(&s->news, NEWS_NONE);
    atomic_init(&s->tracked, 0);
}

/* A shard will be locked soon: have its line come over meanwhile. */
static inline void shard_call(struct shard *s) {
    PREFETCH_WRITE(&s->lock);
}

/* Whoever has a shard has it for a microsecond or so, and going to sleep costs
 * several: look a few times before, ever more rarely, for a look takes the line
 * of the lock from whoever has it. */
static void shard__take(struct shard *s) {
    for (int pauses = 1; pauses <= SHARD_PAUSES; pauses *= 2) {
        if (LIKELY(pthread_mutex_trylock(&s->lock) == 0)) return;
        for (int i = 0; i < pauses; i++) SPIN_PAUSE();
    }
    pthread_mutex_lock(&s->lock);
}

/* Who waits for a shard waits for one above all that it has: so nobody waits in
 * a circle.  Checked where that may cost. */
#if defined(KVNS_VERIFY)
/* How many shards a thread has locked, and one more than the highest of them
 * was since it had none. */
static _Thread_local uint32_t shards_had, shards_top;

static void shard__await(const struct shard *s) {
    KVNS_ASSERT(shards_had == 0 || s->id >= shards_top);
}

/* Nor does one wait who has a shard, for those who tell take it. */
static void shard__await_telling(void) { KVNS_ASSERT(shards_had == 0); }

static void shard__had(const struct shard *s) {
    if (shards_had++ == 0 || s->id >= shards_top) shards_top = s->id + 1;
}

static void shard__let_go(void) { shards_had--; }
#else
#define shard__await(s) ((void)0)
#define shard__await_telling() ((void)0)
#define shard__had(s) ((void)0)
#define shard__let_go() ((void)0)
#endif

/* Lock a shard, where there is anybody to lock out. */
static inline void shard_lock(struct shard *s) {
    if (!s->ks->threads) return;
    shard__await(s);
    shard__take(s);
    shard__had(s);
}

static inline void shard_unlock(struct shard *s) {
    if (!s->ks->threads) return;
    shard__let_go();
    pthread_mutex_unlock(&s->lock);
}

/* Be the one who tells of what a shard noted; before the shard is locked. */
static inline void shard_lock_telling(struct shard *s) {
    if (!s->ks->threads) return;
    shard__await_telling();
    pthread_mutex_lock(&s->telling);
}

static inline void shard_unlock_telling(struct shard *s) {
    if (s->ks->threads) pthread_mutex_unlock(&s->telling);
}

/* Shards that are locked together, so that what some requests need can be
 * looked for ahead of them.  Nobody waits for a lock meanwhile: those that are
 * not free are not among them, and the order does not matter. */
enum { HOLD_MOST = 4 };

struct hold {
    struct shard *of[HOLD_MOST];
    uint32_t n;
};

/* Have a key's shard too, which is locked if it is free.  False: it is not, or
 * there is no more room. */
static inline bool hold_take(struct hold *h, struct key_hint *hint) {
    struct shard *s = hint->ref.shard;
    uint32_t i = 0;

    while (i < h->n && h->of[i] != s) i++;
    if (i == h->n) {
        if (i == HOLD_MOST || pthread_mutex_trylock(&s->lock) != 0)
            return false;
        shard__had(s);
        h->of[h->n++] = s;
    }
    return hint->held = true;
}

/* Let go of them. */
static inline void hold_release(struct hold *h) {
    while (h->n > 0) {
        shard__let_go();
        pthread_mutex_unlock(&h->of[--h->n]->lock);
    }
}

/* Is a key's shard locked by a hold? */
static inline bool hold_has(const struct hold *h, const struct key_hint *hint) {
    return h->n > 0 && hint != NULL && hint->held;
}

/* Lock all shards, in ascending order like everybody. */
static void keyspace_lock(struct keyspace *ks) {
    for (uint32_t i = 0; i < ks->nshards; i++) shard_lock(ks->shards + i);
}

/* Let go of them all. */
static void keyspace_unlock(struct keyspace *ks) {
    for (uint32_t i = ks->nshards; i-- > 0;) shard_unlock(ks->shards + i);
}

/* Bytes of data in all shards; a sum of moments where there are threads. */
static size_t keyspace_bytes(const struct keyspace *ks) {
    size_t n = 0;

    for (uint32_t i = 0; i < ks->nshards; i++)
        n += atomic_load_explicit(&ks->shards[i].live, memory_order_relaxed);
    return n;
}
