/* SPDX-License-Identifier: MIT */
/* ==== saver - a snapshot's way to the disk =================================
 *
 * The walk hands over pieces of the file; a thread of its own writes them to
 * a temporary file beside the target, then: fsync, close, rename, fsync of the
 * directory.  Any failure before the rename ends with the temporary file gone
 * and the old snapshot as it was.
 *
 *   loop: saver_begin -> (walk in slices) -> saver_turn sees the end
 *   thread: take piece -> checksum, write -> ... -> fsync, rename
 *
 * One that is embedded, or gets no thread, writes in saver_turn; SAVE and the
 * end of the server drive the walk to its end themselves (saver_save).
 *
 * A snapshot can also go to a socket instead of the disk, for a client that
 * said SYNC: between two marks that the client is told first, as Redis sends
 * one without knowing its length.  One of ours that is due has precedence over
 * a client that takes long.
 *
 * The thread owns what is below the line in struct saver until `ended`; the
 * rest, and struct persist, belong to those who hold kvns.lock.
 *
 * floor 5 - uses: base clock rand buf files log crc rdb shard walk upkeep
 *    option instance users
 */
enum {
    SAVER_MOST = 64 << 20,      /* bytes kept of old values, at most */
    SAVER_RETRY = 5000,         /* ms until a rule tries again what failed */
    SAVER_STALL = 60000,        /* ms a client may take nothing, or longer than
                                   until one of ours is due */
    SAVER_MARK = 40,            /* bytes of the mark behind one for a client */
    SAVER_LOOK = 100            /* ms between looks at the rules */
};

struct saver {
    struct kvns *k;
    struct snapshot *sn;
    pthread_t thread;
    bool threaded;
    bool driven;                /* saver_save's: nobody else looks at it */
    struct buf head;            /* what stands before the keys */
    char *path, *tmp, *dir;     /* NULL: it goes to a socket */
    char mark[SAVER_MARK + 1];
    atomic_bool ended;          /* what follows is settled */
    /* ---- */
    int fd;
    bool made;                  /* the temporary file is there */
    uint64_t sum;
    uint64_t written;
    const char *step;           /* what failed; NULL: nothing yet */
    int error;                  /* errno then, or 0 */
};

static bool saver__fail(struct saver *s, const char *step, int error) {
    if (s->step != NULL) return false;
    s->step = step;
    s->error = error;
    snapshot_fail(s->sn, "the disk refused it");
    return false;
}

/* Send all of it to the client; waits. */
static bool saver__send(struct saver *s, const char *p, size_t n) {
    struct pollfd fd = { .fd = s->fd, .events = POLLOUT };
    int64_t since = clock_mono_ns();

    while (n > 0) {
        ssize_t sent;

#if defined(MSG_NOSIGNAL)
        sent = send(s->fd, p, n, MSG_NOSIGNAL);
#else
        sent = send(s->fd, p, n, 0);
#endif
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
            since = clock_mono_ns();
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return saver__fail(s, "send", errno);
        if (atomic_load(&s->sn->failed)) return false;
        if ((clock_mono_ns() - since) / 1000000 > SAVER_STALL)
            return saver__fail(s, "send", ETIMEDOUT);
        poll(&fd, 1, 100);
    }
    return true;
}

static bool saver__write(struct saver *s, struct str b) {
    if (s->step != NULL) return false;
    s->sum = crc64(&s->k->crc, s->sum, b.p, b.n);
    if (s->path == NULL) {
        if (!saver__send(s, b.p, b.n)) return false;
    } else if (!file_write(s->fd, b.p, b.n)) {
        return saver__fail(s, "write", errno);
    }
    s->written += b.n;
    return true;
}

/* Make the temporary file, or tell the client, and begin. */
static void saver__open(struct saver *s) {
    char head[SAVER_MARK + 16];

    if (s->path == NULL) {
        snprintf(head, sizeof head, "$EOF:%s\r\n", s->mark);
        if (saver__send(s, head, strlen(head)))
            saver__write(s, buf_str(&s->head));
        return;
    }
    file_make_parents(s->path);
    s->fd = file_create(s->tmp);
    if (s->fd == -1) {
        saver__fail(s, "create", errno);
        return;
    }
    s->made = true;
    saver__write(s, buf_str(&s->head));
}

/* What ends any snapshot. */
static void saver__end(struct saver *s) {
    struct buf b = { 0 };

    if (atomic_load(&s->sn->failed)) saver__fail(s, s->sn->why, 0);
    rdb_put_byte(&b, RDB_OP_END);
    if (!b.failed && saver__write(s, buf_str(&b))) {
        buf_reset(&b);
        rdb_put_sum(&b, s->sum);
        if (!b.failed) saver__write(s, buf_str(&b));
    }
    if (b.failed) saver__fail(s, "end", ENOMEM);
    buf_free(&b);
}

/* End the file and put it in the old one's place; or let the client know that
 * it has all. */
static void saver__close(struct saver *s) {
    saver__end(s);
    if (s->path == NULL) {
        if (s->step == NULL) saver__send(s, s->mark, SAVER_MARK);
        close(s->fd);
        atomic_store(&s->ended, true);
        return;
    }
    if (s->step == NULL && !file_sync(s->fd)) saver__fail(s, "fsync", errno);
    if (s->fd != -1 && !file_close(s->fd)) saver__fail(s, "close", errno);
    if (s->step == NULL && !file_rename(s->tmp, s->path))
        saver__fail(s, "rename", errno);
    if (s->step != NULL) {
        if (s->made) unlink(s->tmp);
    } else if (!file_sync_dir(s->dir)) {
        /* the file is whole and in place, but may not outlive a power cut */
        saver__fail(s, "fsync of the directory", errno);
    }
    atomic_store(&s->ended, true);
}

/* Write what pieces there are; waits for them in a thread of its own.  True
 * when there will be no more. */
static bool saver__pieces(struct saver *s) {
    struct walk_chunk *c;
    bool end, room;

    do {
        c = snapshot_take(s->sn, s->threaded, &end, &room);
        if (c == NULL) return end;
        if (room && s->threaded)
            for (uint32_t i = 0; i < s->k->nlanes; i++)
                lane_wake(s->k->lanes + i);
        saver__write(s, snapshot_bytes(c));
        snapshot_written(s->sn, c);
    } while (!end);
    return true;
}

static void *saver__thread(void *arg) {
    struct saver *s = arg;

    saver__open(s);
    saver__pieces(s);
    saver__close(s);
    lane_wake(s->k->lanes);
    return NULL;
}

static void saver__aux(struct buf *b, const char *name, long long n) {
    char text[32];

    snprintf(text, sizeof text, "%lld", n);
    rdb_put_aux(b, str_c(name), str_c(text));
}

/* The settings of namespaces, and who may live in them, see
 * docs/snapshot.md.  Of passwords their hashes, and only where the file stays
 * with us. */
static void saver_settings(const struct kvns *k, bool users, struct buf *b) {
    struct buf text = { 0 };

    for (const struct tenant *t = k->ks.tenants; t != NULL; t = t->next) {
        if (!t->has_limit && t->policy == POLICY_COUNT) continue;
        buf_reset(&text);
        if (t->has_limit) buf_printf(&text, "%zu ", t->limit);
        else buf_printf(&text, "none ");
        buf_printf(&text, "%s ", t->policy == POLICY_COUNT ? "default" :
                                     option_policy_text(t->policy, false));
        buf_put(&text, t->name, t->nlen);
        rdb_put_aux(b, STR("kvns-namespace"), buf_str(&text));
    }
    for (const struct user *u = k->users; users && u != NULL; u = u->next) {
        buf_reset(&text);
        buf_put_str(&text, u->name);
        buf_put_char(&text, ' ');
        user_encode(u, &text);
        buf_put_char(&text, ' ');
        buf_put_str(&text, u->space);
        rdb_put_aux(b, STR("kvns-user"), buf_str(&text));
    }
    b->failed = b->failed || text.failed;
    buf_free(&text);
}

/* What stands before the keys: who writes, and how many keys each database
 * has.  Users, of whom there are hashes of passwords, stay with us.  All shards
 * are locked. */
static void saver__head(const struct kvns *k, bool users, struct buf *b) {
    rdb_put_header(b, RDB_VERSION);
    rdb_put_aux(b, STR("redis-ver"), STR(KVNS_REDIS_VERSION));
    saver__aux(b, "redis-bits", sizeof(void *) * 8);
    saver__aux(b, "ctime", (long long)(clock_wall_us() / 1000000));
    saver__aux(b, "used-mem", (long long)keyspace_bytes(&k->ks));
    saver__aux(b, "aof-base", 0);
    rdb_put_aux(b, STR("kvns-ver"), STR(KVNS_VERSION));
    saver_settings(k, users, b);
    for (uint32_t d = 0; d < k->ks.opt.databases; d++) {
        size_t keys = 0, expiring = 0, plain = 0;

        for (uint32_t i = 0; i < k->ks.nshards; i++) {
            const struct db *db = k->ks.shards[i].dbs[d];

            keys += db->keys;
            expiring += db->expiring;
            if (db->plain != NULL) plain += db->plain->keys.count;
        }
        if (keys == 0) continue;
        rdb_put_byte(b, RDB_OP_SELECT);
        rdb_put_len(b, d);
        rdb_put_byte(b, RDB_OP_RESIZE);
        rdb_put_len(b, keys);
        rdb_put_len(b, expiring);
        saver__aux(b, "kvns-plain", (long long)plain);
    }
}

static uint64_t saver__keys(const struct kvns *k) {
    uint64_t n = 0;

    for (uint32_t d = 0; d < k->ks.opt.databases; d++)
        for (uint32_t i = 0; i < k->ks.nshards; i++)
            n += k->ks.shards[i].dbs[d]->keys;
    return n;
}

static void saver__free(struct saver *s) {
    if (s == NULL) return;
    buf_free(&s->head);
    free(s->path);
    free(s->tmp);
    free(s->dir);
    free(s);
}

/* Where it goes: to a client's socket, or with -1 to the disk. */
static bool saver__aim(struct saver *s, int asker) {
    struct str path = s->k->opt.persist_path;
    unsigned char random[SAVER_MARK / 2];

    s->fd = asker;
    if (asker != -1) {
        rand_entropy(random, sizeof random);
        for (size_t i = 0; i < sizeof random; i++)
            snprintf(s->mark + 2 * i, 3, "%02x", random[i]);
        return true;
    }
    s->path = file_name(path, "");
    s->tmp = file_name(path, ".tmp");
    s->dir = file_name(file_dir(path), "");
    return s->path != NULL && s->tmp != NULL && s->dir != NULL;
}

/* Begin a snapshot: the point in time is now, with all shards locked.  asker:
 * the socket it is for, taken over if all goes well; -1: the disk.  The
 * program's turns bring it to its end, or the caller if it is `driven`.
 * False: no memory. */
static bool saver__begin(struct kvns *k, bool driven, int asker) {
    struct saver *s = calloc(1, sizeof *s);
    bool thread = !driven && k->loop == NULL;

    KVNS_ASSERT(k->saver == NULL);
    if (s == NULL) goto refused;
    s->k = k;
    s->driven = driven;
    if (!saver__aim(s, asker)) goto refused;
    saver__head(k, asker == -1, &s->head);
    if (s->head.failed) goto refused;
    atomic_init(&s->ended, false);
    s->sn = snapshot_begin(&k->ks, SAVER_MOST);
    if (s->sn == NULL) goto refused;
    /* before anybody else looks at it: the thread, and saver_turn */
    s->threaded = thread;
    if (thread && pthread_create(&s->thread, NULL, saver__thread, s) != 0)
        s->threaded = false;
    if (!s->threaded && asker != -1) {
        saver__fail(s, "thread", EAGAIN);
        saver__close(s);
    } else if (!s->threaded) {
        saver__open(s);
    }
    pthread_mutex_lock(&k->lock);
    k->saver = s;
    if (asker == -1) k->persist.again = false;  /* this one is as good */
    k->persist.saving = true;
    k->persist.save_keys = saver__keys(k);
    k->persist.began_ms = clock_wall_us() / 1000;
    k->persist.dirty_begun = instance_dirty(k);
    pthread_mutex_unlock(&k->lock);
    return true;
refused:
    saver__free(s);
    log_line(&k->log, KLOG_ERROR, "snapshot: out of memory");
    if (asker != -1) return false;
    pthread_mutex_lock(&k->lock);
    k->persist.last_ok = false;
    k->persist.failures++;
    pthread_mutex_unlock(&k->lock);
    return false;
}

/* Begin a snapshot to the disk, which later turns bring to its end; all shards
 * are locked.  False: no memory. */
static bool saver_begin(struct kvns *k) {
    return saver__begin(k, false, -1);
}

/* A socket whose client asked for a snapshot: it gets the next one, and is
 * closed then.  Taken over unless somebody waits already: false. */
static bool saver_ask(struct kvns *k, int fd) {
    bool free;

    pthread_mutex_lock(&k->lock);
    free = k->persist.asker == -1;
    if (free) k->persist.asker = fd;
    pthread_mutex_unlock(&k->lock);
    lane_wake(k->lanes);
    return free;
}

/* The snapshot is through: settle it; all shards are locked. */
static void saver__settle(struct kvns *k) {
    struct saver *s = k->saver;
    bool ok = s->step == NULL, ours = s->path != NULL;
    size_t keys = s->sn->keys;
    int64_t now = clock_wall_us() / 1000, took;

    pthread_mutex_lock(&k->lock);
    k->saver = NULL;            /* saver_turn looks no longer */
    k->persist.saving = false;
    took = now - k->persist.began_ms;
    k->persist.kept = atomic_load(&s->sn->peak);
    if (ours) {
        k->persist.took_ms = took;
        k->persist.last_ok = ok;
        k->persist.failures += !ok;
    }
    if (ours && ok) {
        k->persist.last_ms = now;
        k->persist.dirty_then = k->persist.dirty_begun;
        k->persist.saves++;
        k->persist.bytes = s->written;
    }
    pthread_mutex_unlock(&k->lock);
    if (s->threaded) pthread_join(s->thread, NULL);
    snapshot_end(&k->ks);
    if (ok)
        log_line(&k->log, KLOG_NOTICE, "snapshot%s: %zu keys, %llu bytes in "
                 "%lld ms", ours ? "" : " for a client", keys,
                 (unsigned long long)s->written, (long long)took);
    else
        log_line(&k->log, KLOG_ERROR, "snapshot %s failed: %s%s%s",
                 ours ? s->path : "for a client", s->step,
                 s->error != 0 ? ": " : "",
                 s->error != 0 ? strerror(s->error) : "");
    saver__free(s);
}

static bool saver__is_walked(struct saver *s) {
    bool through;

    pthread_mutex_lock(&s->sn->lock);
    through = s->sn->shards_left == 0;
    pthread_mutex_unlock(&s->sn->lock);
    return through;
}

/* Write, if that is our part, and see whether all is done. */
static bool saver__is_over(struct saver *s) {
    if (!s->threaded && !atomic_load(&s->ended) && saver__pieces(s))
        saver__close(s);
    return saver__is_walked(s) && atomic_load(&s->ended);
}

/* Say in the log how far the snapshot is, once a second when it takes so long;
 * `keys` are written. */
static void saver_progress(struct kvns *k, uint64_t keys) {
    int64_t now = clock_wall_us() / 1000;
    struct persist *p = &k->persist;
    uint64_t total;
    bool say;

    pthread_mutex_lock(&k->lock);
    total = p->save_keys;
    say = p->saving && now - p->began_ms >= 1000 && now - p->said_ms >= 900;
    if (say) p->said_ms = now;
    pthread_mutex_unlock(&k->lock);
    if (!say) return;
    if (keys > total) keys = total;
    log_line(&k->log, KLOG_NOTICE, "saving: %d %%, %llu keys",
             total == 0 ? 100 : (int)((double)keys * 100 / (double)total),
             (unsigned long long)keys);
}

/* Drive a snapshot in progress to its end; all shards are locked. */
static void saver__drive(struct kvns *k) {
    struct work w = { .ks = &k->ks };   /* at time 0 nothing expires */

    while (!saver__is_over(k->saver)) {
        bool more = false;
        uint64_t keys = 0;

        for (uint32_t i = 0; i < k->ks.nshards; i++) {
            more = shard_step(&w, k->ks.shards + i, 4096) || more;
            keys += k->ks.shards[i].walk->keys;
        }
        saver_progress(k, keys);
        if (!more && k->saver->threaded) poll(NULL, 0, 1);
    }
    saver__settle(k);
}

/* Save now and wait for it; all shards are locked, and no snapshot is in
 * progress.  False: it failed, and the log says why. */
static bool saver_save(struct kvns *k) {
    if (!saver__begin(k, true, -1)) return false;
    saver__drive(k);
    return k->persist.last_ok;
}

/* The server is to end: save as it was asked for, if nothing else is said by
 * the rules; all shards are locked.  False: it failed, and the log says why.
 * What has been saved already is not saved again. */
static bool saver_last(struct kvns *k, enum stop_how how) {
    struct persist *p = &k->persist;
    bool want = how == STOP_SAVE || how == STOP_SAVE_FORCE ||
                (how != STOP_NOSAVE && k->opt.save.at_exit);

    if (k->saver != NULL) {
        snapshot_fail(k->saver->sn, "the server ends");
        saver__drive(k);
    }
    if (!want || k->opt.persist_path.n == 0 || atomic_load(&k->loading))
        return true;
    if (p->last_ok && p->last && p->dirty_then == instance_dirty(k))
        return true;
    p->last = saver_save(k);
    return p->last;
}

/* Is a save due by the rules? */
static bool saver__is_due(struct kvns *k, int64_t now) {
    const struct persist *p = &k->persist;
    uint64_t changes = instance_dirty(k) - p->dirty_then;

    if (k->opt.persist_path.n == 0 || changes == 0) return false;
    for (int i = 0; i < k->opt.save.n; i++)
        if (changes >= (uint64_t)k->opt.save.at[i].changes &&
            now - p->last_ms >= k->opt.save.at[i].seconds * 1000)
            return p->last_ok || now - p->began_ms > SAVER_RETRY;
    return false;
}

/* Begin what is due; all shards are locked. */
static void saver__look(struct kvns *k, int64_t now) {
    struct persist *p = &k->persist;
    bool due = p->again || saver__is_due(k, now);
    struct saver *s = k->saver;

    if (s != NULL && s->path == NULL && due && now - p->began_ms > SAVER_STALL)
        snapshot_fail(s->sn, "one for the disk is due");
    if (s != NULL) return;
    if (due) {
        p->again = false;
        saver_begin(k);
    } else if (p->asker != -1) {
        if (!saver__begin(k, false, p->asker)) close(p->asker);
        pthread_mutex_lock(&k->lock);
        p->asker = -1;
        pthread_mutex_unlock(&k->lock);
    }
}

/* Called between turns, by the first lane's thread: begins what is due, ends
 * what is over. */
static void saver_turn(struct kvns *k, int64_t now) {
    bool over;

    pthread_mutex_lock(&k->lock);
    over = k->saver != NULL && !k->saver->driven && saver__is_over(k->saver);
    pthread_mutex_unlock(&k->lock);
    if (over) {
        keyspace_lock(&k->ks);
        if (k->saver != NULL) saver__settle(k);
        keyspace_unlock(&k->ks);
    }
    if (now >= k->persist.looked_ms && now - k->persist.looked_ms < SAVER_LOOK)
        return;
    k->persist.looked_ms = now;
    keyspace_lock(&k->ks);
    saver__look(k, now);
    keyspace_unlock(&k->ks);
}
