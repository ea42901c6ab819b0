/* ==== saver - a snapshot's way to the disk =================================
 *
 * The walk hands over pieces of the file; a thread of its own writes them to
 * a temporary file beside the target, then: fsync, close, rename, fsync of the
 * directory.  Any failure ends with the temporary file gone and the old
 * snapshot as it was; a failed fsync is never tried again on the same file.
 *
 *   loop: saver_begin -> (walk in slices) -> saver_poll sees the end
 *   thread: take piece -> checksum, write -> ... -> fsync, rename
 *
 * floor 8 - uses: base clock buf log crc rdb shard walk instance
 */
enum { SAVER_MOST = 64 << 20 }; /* bytes all buffers of a snapshot may hold */

struct saver {
    struct kvns *k;
    struct snapshot *sn;
    pthread_t thread;
    bool threaded;
    char *path, *tmp, *dir;
    int fd;
    uint64_t sum;
    uint64_t written;
    const char *step;           /* what failed, with error; NULL: all well */
    int error;
    atomic_bool ended;          /* the thread is through */
    size_t keys;
};

static bool saver__write(struct saver *s, const char *p, size_t n) {
    if (s->step != NULL) return false;
    s->sum = crc64(&s->k->crc, s->sum, p, n);
    while (n > 0) {
        ssize_t w = write(s->fd, p, n);

        if (w == -1 && errno == EINTR) continue;
        if (w <= 0) {
            s->error = w == 0 ? ENOSPC : errno;
            s->step = "write";
            return false;
        }
        p += w;
        n -= (size_t)w;
        s->written += (uint64_t)w;
    }
    return true;
}

static bool saver__fail(struct saver *s, const char *step) {
    if (s->step != NULL) return false;
    s->step = step;
    s->error = errno;
    return false;
}

/* What stands before the keys. */
static void saver__head(struct saver *s) {
    struct buf b = { 0 };
    char text[32];

    rdb_put_header(&b, RDB_VERSION);
    rdb_put_aux(&b, STR("redis-ver"), STR(KVNS_REDIS_VERSION));
    rdb_put_aux(&b, STR("redis-bits"), str_c(sizeof(void *) == 8 ? "64" :
                                                                   "32"));
    snprintf(text, sizeof text, "%lld",
             (long long)(clock_wall_us() / 1000000));
    rdb_put_aux(&b, STR("ctime"), str_c(text));
    snprintf(text, sizeof text, "%zu", keyspace_bytes(&s->k->ks));
    rdb_put_aux(&b, STR("used-mem"), str_c(text));
    rdb_put_aux(&b, STR("aof-base"), STR("0"));
    rdb_put_aux(&b, STR("kvns-ver"), STR(KVNS_VERSION));
    if (b.failed) {
        errno = ENOMEM;
        saver__fail(s, "header");
    } else {
        saver__write(s, b.p, b.n);
    }
    buf_free(&b);
}

/* End the file and put it in the old one's place. */
static bool saver__finish(struct saver *s) {
    struct buf b = { 0 };
    int dir;

    rdb_put_byte(&b, RDB_OP_END);
    if (!b.failed && saver__write(s, b.p, b.n)) {
        buf_reset(&b);
        rdb_put_sum(&b, s->sum);
        if (!b.failed) saver__write(s, b.p, b.n);
    }
    if (b.failed) {
        errno = ENOMEM;
        saver__fail(s, "end");
    }
    buf_free(&b);
    if (s->step == NULL && fsync(s->fd) == -1) saver__fail(s, "fsync");
    if (s->fd != -1 && close(s->fd) == -1) saver__fail(s, "close");
    s->fd = -1;
    if (s->step == NULL && rename(s->tmp, s->path) == -1)
        saver__fail(s, "rename");
    if (s->step != NULL) {
        unlink(s->tmp);
        return false;
    }
    dir = open(s->dir, O_RDONLY);
    if (dir == -1 || fsync(dir) == -1) saver__fail(s, "fsync of directory");
    if (dir != -1) close(dir);
    return s->step == NULL;
}

/* Take pieces and write them until the snapshot ends or fails. */
static void *saver__run(void *arg) {
    struct saver *s = arg;
    bool end = false;

    saver__head(s);
    while (!end) {
        struct walk_chunk *c = snapshot_take(s->sn, s->threaded, &end);

        if (c == NULL) {
            if (!s->threaded) break;
            continue;
        }
        if (!saver__write(s, c->b.p, c->b.n))
            snapshot_fail(s->sn, "the disk refused it");
        buf_free(&c->b);
        free(c);
    }
    return NULL;
}

static void *saver__thread(void *arg) {
    struct saver *s = arg;

    saver__run(s);
    if (atomic_load(&s->sn->failed) && s->step == NULL) {
        s->step = s->sn->why;
        s->error = 0;
    }
    saver__finish(s);
    atomic_store(&s->ended, true);
    return NULL;
}

static char *saver__join(const char *a, size_t n, const char *b) {
    char *p = malloc(n + strlen(b) + 1);

    if (p == NULL) return NULL;
    memcpy(p, a, n);
    strcpy(p + n, b);
    return p;
}

/* Make the directories above a path that are not there. */
static void saver__make_parents(char *path) {
    for (char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0777);
        *p = '/';
    }
}

static void saver_free(struct saver *s) {
    if (s == NULL) return;
    free(s->path);
    free(s->tmp);
    free(s->dir);
    free(s);
}

/* Begin a snapshot: the point in time is now.  NULL: it could not begin, and
 * the log says why. */
static struct saver *saver_begin(struct kvns *k) {
    struct saver *s = calloc(1, sizeof *s);
    const char *slash;

    if (s == NULL) return NULL;
    s->k = k;
    s->path = saver__join(k->opt.persist_path.p, k->opt.persist_path.n, "");
    s->tmp = saver__join(k->opt.persist_path.p, k->opt.persist_path.n, ".tmp");
    s->fd = -1;
    if (s->path == NULL || s->tmp == NULL) goto refused;
    slash = strrchr(s->path, '/');
    s->dir = slash == NULL ? saver__join(".", 1, "") :
                 saver__join(s->path, (size_t)(slash - s->path) + 1, "");
    if (s->dir == NULL) goto refused;
    saver__make_parents(s->path);
    unlink(s->tmp);
    s->fd = open(s->tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                 0600);
    if (s->fd == -1) {
        log_line(&k->log, KLOG_ERROR, "snapshot: cannot create %s: %s",
                 s->tmp, strerror(errno));
        goto refused;
    }
    atomic_init(&s->ended, false);
    keyspace_lock(&k->ks);
    s->sn = snapshot_begin(&k->ks, SAVER_MOST);
    k->persist.dirty_begun = instance_dirty(k);
    keyspace_unlock(&k->ks);
    if (s->sn == NULL) goto refused;
    s->threaded = pthread_create(&s->thread, NULL, saver__thread, s) == 0;
    pthread_mutex_lock(&k->lock);
    k->persist.saving = true;
    k->persist.began_ms = clock_wall_us() / 1000;
    pthread_mutex_unlock(&k->lock);
    if (!s->threaded) snapshot_fail(s->sn, "no thread to write with");
    return s;
refused:
    if (s->fd != -1) {
        close(s->fd);
        unlink(s->tmp);
    }
    saver_free(s);
    pthread_mutex_lock(&k->lock);
    k->persist.last_ok = false;
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

/* Has the snapshot come to its end?  Then it is settled and s is gone. */
static bool saver_poll(struct saver *s) {
    struct kvns *k = s->k;
    bool through, ok;

    pthread_mutex_lock(&s->sn->lock);
    through = s->sn->shards_left == 0;
    pthread_mutex_unlock(&s->sn->lock);
    if (!through || (s->threaded && !atomic_load(&s->ended))) return false;
    if (s->threaded) pthread_join(s->thread, NULL);
    else saver__finish(s);
    ok = s->step == NULL;
    keyspace_lock(&k->ks);
    s->keys = s->sn->keys;
    snapshot_end(&k->ks);
    keyspace_unlock(&k->ks);
    pthread_mutex_lock(&k->lock);
    k->persist.saving = false;
    k->persist.last_ok = ok;
    k->persist.took_ms = clock_wall_us() / 1000 - k->persist.began_ms;
    if (ok) {
        k->persist.last_ms = clock_wall_us() / 1000;
        k->persist.dirty_then = k->persist.dirty_begun;
        k->persist.saves++;
    }
    pthread_mutex_unlock(&k->lock);
    if (ok)
        log_line(&k->log, KLOG_NOTICE, "snapshot: %zu keys, %llu bytes in "
                 "%lld ms", s->keys, (unsigned long long)s->written,
                 (long long)k->persist.took_ms);
    else
        log_line(&k->log, KLOG_ERROR, "snapshot failed at %s%s%s", s->step,
                 s->error != 0 ? ": " : "",
                 s->error != 0 ? strerror(s->error) : "");
    saver_free(s);
    return true;
}
