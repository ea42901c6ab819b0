/* SPDX-License-Identifier: MIT */
/* ==== loader - the snapshot at the start ===================================
 *
 * Loads the file of persist-path before the server is ready, in slices: in
 * between, the loops answer -LOADING.  A file that is damaged ends the start,
 * or is set aside under another name (on-corrupt), and is never overwritten.
 *
 * Nothing of the file is certain before its checksum, which comes last; until
 * then no command sees a key.
 *
 * Tables are made for as many keys as the file says and has bytes for, so that
 * they do not grow while loading.  A key that stands twice is found on the way
 * to its place in the table, which costs a line that is needed anyway; and a
 * scout runs some keys ahead and calls their lines towards the processor.
 *
 * DEBUG RELOAD loads the file once more, in one go, with the world at rest.
 *
 * floor 5 - uses: base mem clock num buf files log table rdb rdb_file entry
 *    shard save door load upkeep option instance users world apply
 */
enum {
    LOADER_SLICE_US = 10000,    /* between turns of the loop */
    LOADER_KEYS = 32,           /* keys between looks at the clock */
    LOADER_ELEMENTS = 512,      /* of a large collection, the same */
    LOADER_AHEAD = 16,          /* keys that the scout is ahead; power of 2 */
    LOADER_KEY_BYTES = 8        /* the least that a key takes in a file */
};

enum loader_at { LOADER_MORE, LOADER_DONE, LOADER_FAILED };

/* A key ahead: where its record begins, and its hash. */
struct loader_ahead {
    uint64_t at, hash;
};

struct loader {
    struct kvns *k;
    char *path;
    int fd;
    struct rdb_in in;
    struct rdb_file f;
    struct load load;
    struct work w;
    bool ours;                  /* written by kvns */
    bool in_key;                /* f.key says where it went wrong */
    bool in_value;              /* there is more of its value */
    const char *why;            /* instead of the reader's */
    struct buf settings;        /* of namespaces and users, not yet in force */
    bool resting;               /* the world is at rest */
    bool merge;                 /* keys may be there already */
    bool over;                  /* the log says that it is more than allowed */
    uint64_t keys, expired, empty, evicted;
    int64_t began_us, said_us;
    struct loader_ahead ahead[LOADER_AHEAD];
    uint32_t first, scouted;    /* of the ring `ahead`: numbers, not places */
    uint64_t scout_at;          /* where the scout goes on */
    struct key_hint hint;
};

static void loader_free(struct loader *l) {
    if (l == NULL) return;
    keyspace_lock(&l->k->ks);
    load_free(&l->load);
    keyspace_unlock(&l->k->ks);
    buf_free(&l->settings);
    rdb_file_close(&l->f);
    rdb_in_free(&l->in);
    if (l->fd != -1) close(l->fd);
    free(l->path);
    free(l);
}

/* Remove what a server that was killed has left behind. */
static void loader__tidy(struct kvns *k) {
    char *tmp = file_name(k->opt.persist_path, ".tmp");

    if (tmp != NULL && unlink(tmp) == 0)
        log_line(&k->log, KLOG_NOTICE, "removed %s, left by a server that "
                 "did not end", tmp);
    free(tmp);
}

/* Say that the file cannot be opened. */
static struct loader *loader__refuse(struct loader *l, const char *why) {
    log_line(&l->k->log, KLOG_ERROR, "cannot load %s: %s", l->path, why);
    loader_free(l);
    return NULL;
}

/* Open the snapshot.  NULL: there is none (*ok), or it cannot be read, which
 * the log says. */
static struct loader *loader_open(struct kvns *k, bool *ok) {
    struct loader *l;
    struct stat st;

    *ok = true;
    if (k->opt.persist_path.n == 0) return NULL;
    loader__tidy(k);
    l = calloc(1, sizeof *l);
    *ok = false;
    if (l == NULL) return NULL;
    l->k = k;
    l->fd = -1;
    l->path = file_name(k->opt.persist_path, "");
    if (l->path == NULL) return loader__refuse(l, strerror(ENOMEM));
    /* a pipe of that name must not keep us waiting */
    l->fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (l->fd == -1 && errno == ENOENT) {
        loader_free(l);
        *ok = true;
        return NULL;
    }
    if (l->fd == -1 || fstat(l->fd, &st) == -1)
        return loader__refuse(l, strerror(errno));
    if (!S_ISREG(st.st_mode)) return loader__refuse(l, "it is no file");
    rdb_in_fd(&l->in, l->fd, RDB_UNKNOWN);
    l->in.crc = &k->crc;
    l->w.ks = &k->ks;
    l->began_us = l->said_us = clock_wall_us();
    l->w.now = l->load.now = l->began_us / 1000;
    pthread_mutex_lock(&k->lock);
    k->persist.load_began_ms = l->w.now;
    k->persist.load_total = (uint64_t)st.st_size;
    k->persist.load_done = 0;
    pthread_mutex_unlock(&k->lock);
    atomic_store(&k->loading, true);
    rdb_file_open(&l->f, &l->in);
    *ok = true;
    return l;
}

/* Make room for n keys of the default namespace of the database at hand. */
static void loader__expect(struct loader *l, uint64_t n) {
    struct keyspace *ks = &l->k->ks;

    n /= ks->nshards;
    if (n > rdb_rest(&l->in) / LOADER_KEY_BYTES)
        n = rdb_rest(&l->in) / LOADER_KEY_BYTES;
    if (n < 1024) return;
    for (uint32_t i = 0; i < ks->nshards; i++) {
        struct keyref ref = { .shard = ks->shards + i };
        size_t was;

        ref.db = ref.shard->dbs[l->w.db];
        ref.space = ref.db->plain;
        if (ref.space == NULL && space_new(&ref) == NULL) return;
        was = ref.shard->mem.used;
        table_expect(&ref.space->keys, &ref.shard->mem, (size_t)n);
        space_charge(ref.shard, ref.space, ref.shard->mem.used - was);
    }
}

static bool loader__wrong(struct loader *l, const char *why) {
    l->why = why;
    return false;
}

/* A namespace holds more than it may, or all of them do: say so, once, and
 * let go what its policy lets go.  What may not be evicted stays. */
static void loader__shrink(struct loader *l, const struct keyref *ref) {
    struct keyspace *ks = &l->k->ks;
    const struct space *sp = ref->space;
    const struct tenant *t = sp == NULL ? NULL : sp->tenant;
    size_t limit = ks->opt.memory_limit;

    for (;;) {
        struct keyref now = *ref;
        struct table_at at;

        now.space = ref->ns.p == NULL ? ref->db->plain :
                        space_find(ref->shard, ref->db, ref->ns, &at);
        if (now.space == NULL) return;
        if (keyspace_bytes(ks) <= limit &&
            (t == NULL || !t->has_limit || atomic_load(&t->bytes) <= t->limit))
            return;
        if (!l->over)
            log_line(&l->k->log, KLOG_WARNING, "the snapshot holds more than "
                     "the memory limit of %zu bytes or that of a namespace: "
                     "%s", limit,
                     policy_evicts((enum policy)now.space->policy) ?
                         "keys are evicted while it is loaded" :
                         "it is loaded whole, and what needs memory is "
                         "refused until there is room");
        l->over = true;
        if (!policy_evicts((enum policy)now.space->policy) ||
            space_evict(&l->w, ref->shard, now.space, ref->local) == 0)
            return;
        l->evicted++;
    }
}

/* Load the key at hand, or a step more of it. */
static bool loader__key(struct loader *l) {
    struct rdb_file *f = &l->f;
    enum load_did did;
    struct edit ed;

    l->in_key = true;
    if (!l->in_value && f->deadline != -1 && f->deadline <= l->w.now) {
        l->expired++;
        return rdb_skip_value(&l->in, f->type);
    }
    edit_open(&l->w, f->key, &ed);
    if (ed.e != NULL && !l->merge)
        return loader__wrong(l, "stands there twice");
    did = load_step(&l->load, &ed, &l->in, f->type,
                    f->deadline == -1 ? 0 : f->deadline, LOADER_ELEMENTS);
    l->in_value = did == LOAD_MORE;
    if (did == LOAD_DONE) {
        if (f->freq != -1) ed.e->hits = (uint8_t)f->freq;
        if (f->idle > 0 && f->idle < INT32_MAX)
            ed.e->used -= (uint32_t)(f->idle * 1000 / ENTRY_TICK);
        edit_commit(&ed, 0, NULL);
        if (l->keys++ % LOADER_KEYS == 0 || l->over)
            loader__shrink(l, &ed.ref);
        l->in_key = false;
        return true;
    }
    edit_cancel(&ed);
    if (did == LOAD_MORE) return true;
    if (did == LOAD_REFUSED) return loader__wrong(l, "finds no memory");
    if (did == LOAD_BAD) return false;
    l->empty++;
    l->in_key = false;
    return true;
}

/* "LIMIT POLICY NAME": what the options say of it goes before. */
static void loader__tenant(struct loader *l, struct str s) {
    struct str limit = str_take(&s, ' '), policy = str_take(&s, ' ');
    struct tenant *t = tenant_make(&l->k->ks, s);
    uint64_t bytes;

    if (t == NULL) return;
    if (!t->limit_option && num_parse_size(limit, &bytes)) {
        t->has_limit = true;
        t->limit = (size_t)(bytes < SIZE_MAX ? bytes : SIZE_MAX);
    }
    if (!t->policy_option && !option_policy(policy, &t->policy))
        t->policy = POLICY_COUNT;
    apply_tenant(l->k, t);
}

/* "NAME HASH NAMESPACE": unless the options have a user of that name. */
static void loader__user(struct loader *l, struct str s) {
    struct str name = str_take(&s, ' '), hash = str_take(&s, ' ');
    const struct user *old = user_find(l->k, name);

    if ((old != NULL && old->by_option) || user_fault(name, hash, s) != NULL)
        return;
    user_put(l->k, name, hash, s);
}

/* Put the settings that were met into force, with the world at rest. */
static void loader__settle(struct loader *l) {
    struct str rest = buf_str(&l->settings);
    uint32_t n;

    if (rest.n == 0) return;
    if (!l->resting) world_stop(l->k->lanes);
    while (rest.n > 0) {
        struct str s;

        memcpy(&n, rest.p + 1, sizeof n);
        s = str_of(rest.p + 1 + sizeof n, n);
        if (rest.p[0] == 'u') loader__user(l, s);
        else loader__tenant(l, s);
        rest = str_of(s.p + n, rest.n - 1 - sizeof n - n);
    }
    if (!l->resting) world_go(l->k->lanes);
    buf_reset(&l->settings);
}

/* Keep a setting until no lock is held. */
static bool loader__keep(struct loader *l, char kind, struct str value) {
    uint32_t n = (uint32_t)value.n;

    buf_put_char(&l->settings, kind);
    buf_put(&l->settings, &n, sizeof n);
    if (buf_put_str(&l->settings, value)) return true;
    return loader__wrong(l, "finds no memory");
}

static bool loader__aux(struct loader *l) {
    struct str key = l->f.key, value = l->f.value;
    const char *why;
    int64_t n;

    if (str_eq(key, STR("kvns-namespace"))) return loader__keep(l, 'n', value);
    if (str_eq(key, STR("kvns-user"))) return loader__keep(l, 'u', value);
    if (str_eq(key, STR("kvns-ver"))) l->ours = true;
    if (str_eq(key, STR("used-mem")) && num_parse_int(value, &n) && n > 0) {
        pthread_mutex_lock(&l->k->lock);
        l->k->persist.load_used_mem = (uint64_t)n;
        pthread_mutex_unlock(&l->k->lock);
    }
    if (str_eq(key, STR("kvns-plain")) && num_parse_int(value, &n) && n > 0)
        loader__expect(l, (uint64_t)n);
    if (!str_eq(key, STR(SAVE_DUES))) return true;
    switch (load_dues(&l->w, value, &why)) {
    case LOAD_DONE: return true;
    case LOAD_BAD: return loader__wrong(l, why);
    case LOAD_REFUSED: return loader__wrong(l, "finds no memory");
    case LOAD_MORE: break;
    case LOAD_EMPTY:
        l->keys--;
        l->empty++;
        return true;
    }
    return false;
}

/* Look ahead: bring the lines of keys to come towards the processor. */
static void loader__scout(struct loader *l) {
    struct keyspace *ks = &l->k->ks;
    struct str key, ns, local;

    if (l->scout_at < rdb_at(&l->in)) {
        l->scout_at = rdb_at(&l->in);
        l->first = l->scouted;
    }
    while (l->scouted - l->first < LOADER_AHEAD) {
        struct loader_ahead *a = l->ahead + l->scouted % LOADER_AHEAD;
        struct space *sp;
        struct shard *s;

        a->at = l->scout_at;
        if (!rdb_scout(&l->in, &l->scout_at, &key)) return;
        key_split(&l->w, key, &ns, &local);
        a->hash = key_hash(ks, local);
        s = key_shard(ks, ns, a->hash);
        sp = ns.p == NULL ? s->dbs[l->w.db]->plain : NULL;
        if (sp != NULL) table_prefetch(&sp->keys, a->hash);
        l->scouted++;
    }
}

/* Use what the scout knows of the key whose record began at `at`, if it was
 * there. */
static void loader__hint(struct loader *l, uint64_t at) {
    l->w.hint = NULL;
    while (l->first != l->scouted) {
        const struct loader_ahead *a = l->ahead + l->first % LOADER_AHEAD;

        if (a->at > at) return;
        l->first++;
        if (a->at < at) continue;
        l->hint.p = l->f.key.p;
        l->hint.ref.hash = a->hash;
        key_split(&l->w, l->f.key, &l->hint.ref.ns, &l->hint.ref.local);
        l->hint.ref.shard = key_shard(&l->k->ks, l->hint.ref.ns, a->hash);
        l->hint.found = false;
        l->w.hint = &l->hint;
        return;
    }
}

/* Take one record. */
static enum loader_at loader__record(struct loader *l) {
    uint64_t at = rdb_at(&l->in);
    bool ok = true;

    if (l->in_value)
        return loader__key(l) ? LOADER_MORE : LOADER_FAILED;
    l->in_key = false;
    loader__scout(l);
    switch (rdb_file_next(&l->f)) {
    case RDB_AT_ERROR: return LOADER_FAILED;
    case RDB_AT_END: return LOADER_DONE;
    case RDB_AT_AUX:
        ok = loader__aux(l);
        break;
    case RDB_AT_FUNCTION:
        log_line(&l->k->log, KLOG_WARNING, "the snapshot has a library of "
                 "functions, which is left out");
        break;
    case RDB_AT_SELECT:
        if (l->f.db >= l->k->ks.opt.databases)
            ok = loader__wrong(l, "has more databases than the option "
                                  "databases allows");
        else l->w.db = (int)l->f.db;
        break;
    case RDB_AT_RESIZE:
        if (!l->ours) loader__expect(l, l->f.keys);
        break;
    case RDB_AT_KEY:
        loader__hint(l, at);
        ok = loader__key(l);
        break;
    }
    return ok ? LOADER_MORE : LOADER_FAILED;
}

/* Say how far it is, once a second. */
static void loader__progress(struct loader *l) {
    struct kvns *k = l->k;
    int64_t now = clock_wall_us(), took = now - l->began_us;
    uint64_t done = rdb_at(&l->in), total = k->persist.load_total;

    pthread_mutex_lock(&k->lock);
    k->persist.load_done = done;
    k->persist.load_keys = l->keys;
    k->persist.load_expired = l->expired;
    pthread_mutex_unlock(&k->lock);
    if (now - l->said_us < 1000000 || done == 0) return;
    l->said_us = now;
    if (total < done) total = done;     /* the file has grown */
    log_line(&k->log, KLOG_NOTICE, "loading: %d %%, %llu keys, %.0f s left",
             (int)((double)done * 100 / (double)total),
             (unsigned long long)l->keys,
             (double)took / 1e6 * (double)(total - done) / (double)done);
}

/* Say what is wrong with the file, and where. */
static void loader__complain(struct loader *l) {
    const char *why = l->why != NULL ? l->why : l->in.why;
    uint64_t at = l->why != NULL ? rdb_at(&l->in) : l->in.why_at;
    char where[160] = "";

    if (l->in_key)
        snprintf(where, sizeof where, ", key '%.*s'%s",
                 (int)size_min(l->f.key.n, 128), l->f.key.p,
                 l->f.key.n > 128 ? "..." : "");
    log_line(&l->k->log, KLOG_ERROR, "cannot load %s: byte %llu%s %s",
             l->path, (unsigned long long)at, where, why);
}

/* Load for a while.  LOADER_FAILED: the log says why, and what was loaded is
 * still there. */
static enum loader_at loader_step(struct loader *l) {
    struct kvns *k = l->k;
    int64_t until = clock_mono_ns() / 1000 + LOADER_SLICE_US;
    enum loader_at at = LOADER_MORE;
    int notify;

    if (l->in.why != NULL) at = LOADER_FAILED;  /* the header */
    keyspace_lock(&k->ks);
    notify = k->ks.opt.notify;
    k->ks.opt.notify = 0;       /* nobody is told of what was */
    while (at == LOADER_MORE && clock_mono_ns() / 1000 < until) {
        for (int i = 0; at == LOADER_MORE && i < LOADER_KEYS; i++) {
            at = loader__record(l);
            if (l->in_value) break;
        }
        if (l->settings.n > 0) break;
        for (uint32_t i = 0; i < k->ks.nshards; i++)
            mem_refill(&k->ks.shards[i].mem);
    }
    k->ks.opt.notify = notify;
    keyspace_unlock(&k->ks);
    loader__settle(l);
    loader__progress(l);
    if (at == LOADER_DONE && rdb_rest(&l->in) > 0) {
        l->why = "is followed by bytes that belong to nothing";
        l->in_key = false;
        at = LOADER_FAILED;
    }
    if (at == LOADER_FAILED) loader__complain(l);
    return at;
}

/* Forget what was loaded of a damaged file. */
static void loader__empty(struct kvns *k) {
    keyspace_lock(&k->ks);
    for (uint32_t i = 0; i < k->ks.nshards; i++)
        for (uint32_t d = 0; d < k->ks.opt.databases; d++)
            while (!db_flush(k->ks.shards + i, k->ks.shards[i].dbs[d])) {}
    keyspace_unlock(&k->ks);
}

/* Set a damaged file aside.  False: it could not be, and the log says so. */
static bool loader__quarantine(struct loader *l) {
    struct kvns *k = l->k;
    char stamp[32], *to = NULL;
    struct stat st;

    if (clock_utc(clock_wall_us() / 1000, stamp))
        for (char *p = stamp; *p != '\0'; p++)
            if (*p == ':') *p = '-';
    for (int i = 0; i < 1000; i++) {
        char end[64];

        snprintf(end, sizeof end, i == 0 ? ".corrupt-%s" : ".corrupt-%s-%d",
                 stamp, i);
        free(to);
        to = file_name(k->opt.persist_path, end);
        if (to == NULL || lstat(to, &st) == -1) break;
    }
    if (to == NULL || !file_rename(l->path, to)) {
        log_line(&k->log, KLOG_ERROR, "cannot set %s aside: %s", l->path,
                 strerror(errno));
        free(to);
        return false;
    }
    log_line(&k->log, KLOG_WARNING, "the damaged snapshot is now %s; the "
             "server begins empty", to);
    free(to);
    return true;
}

/* Loading is over; frees l. */
static void loader__close(struct loader *l, enum loader_at at) {
    struct kvns *k = l->k;

    if (at == LOADER_DONE)
        log_line(&k->log, KLOG_NOTICE, "loaded %llu keys, %llu had expired, "
                 "%.3f s", (unsigned long long)l->keys,
                 (unsigned long long)l->expired,
                 (double)(clock_wall_us() - l->began_us) / 1e6);
    keyspace_lock(&k->ks);      /* other loops may expire keys already */
    pthread_mutex_lock(&k->lock);
    k->persist.dirty_then = instance_dirty(k);
    pthread_mutex_unlock(&k->lock);
    keyspace_unlock(&k->ks);
    atomic_store(&k->loading, false);
    loader_free(l);
}

/* Loading at the start is over; frees l.  False: the server must not go on. */
static bool loader_end(struct loader *l, enum loader_at at) {
    bool ok = true;

    if (at == LOADER_FAILED) {
        loader__empty(l->k);
        ok = l->k->opt.on_corrupt == OPTION_QUARANTINE &&
             loader__quarantine(l);
    }
    loader__close(l, at);
    return ok;
}

/* Load the snapshot once more, beside the keys that there are; with `merge`
 * it may replace some of them.  The world is at rest.  False: the log says
 * why, and what was loaded until then is there. */
static bool loader_reload(struct kvns *k, bool merge) {
    enum loader_at at = LOADER_MORE;
    struct loader *l;
    bool ok;

    l = loader_open(k, &ok);
    if (l == NULL) return false;
    l->resting = true;
    l->merge = merge;
    while (at == LOADER_MORE) at = loader_step(l);
    loader__close(l, at);
    return at == LOADER_DONE;
}
