/* SPDX-License-Identifier: MIT */
/* ==== park - connections that say nothing ==================================
 *
 * poll() looks at every descriptor at every call: ten thousand idle ones would
 * cost the few active ones nearly everything.  So a loop polls only those that
 * were active lately; the others are parked, up to PARK_MOST with a thread
 * that does nothing but wait for them in a poll of its own.  When one stirs,
 * its parker lets it go and tells the loop by letter.
 *
 *   loop --park_add--> parker's poll --stirs--> letter --> loop polls it again
 *
 * A parker knows a descriptor and the client's number, nothing else.  Nobody
 * may close a parked descriptor: who wants to, shuts it down, and closes it
 * when the letter has come.  Threads come as they are needed, with small
 * stacks, and stay.
 *
 * floor 8 - uses: base instance
 */
enum {
    PARK_MOST = 128,            /* connections a thread waits for */
    PARK_THREADS = 1024,        /* threads at most */
    PARK_STACK = 65536          /* bytes of their stacks, at least */
};

struct park_place {
    int fd;
    uint64_t client;
};

/* One thread and those it waits for. */
struct parker {
    struct lane *lane;
    pthread_t thread;
    pthread_mutex_t lock;       /* guards what follows, to the next comment */
    struct park_place added[PARK_MOST];
    size_t nadded;
    size_t held;                /* places taken, added ones included */
    bool stop;
    /* its own */
    int wake[2];
    struct park_place at[PARK_MOST];
    struct pollfd fds[PARK_MOST + 1];
    size_t n;
};

struct park {
    struct lane *lane;
    struct parker **parker;
    size_t n;
    size_t last;                /* the one that had room */
};

/* Take over what was added.  False: it is time to stop. */
static bool park__take(struct parker *p) {
    bool go;

    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->nadded; i++) {
        p->at[p->n] = p->added[i];
        p->fds[++p->n] = (struct pollfd){ .fd = p->added[i].fd,
                                          .events = POLLIN };
    }
    p->nadded = 0;
    go = !p->stop;
    pthread_mutex_unlock(&p->lock);
    return go;
}

static void *park__wait(void *arg) {
    struct parker *p = arg;
    char drain[64];

    p->fds[0] = (struct pollfd){ .fd = p->wake[0], .events = POLLIN };
    while (park__take(p)) {
        size_t gone = 0;

        if (poll(p->fds, (nfds_t)p->n + 1, -1) <= 0) continue;
        if (p->fds[0].revents != 0)
            while (read(p->wake[0], drain, sizeof drain) > 0) {}
        for (size_t i = p->n; i > 0; i--) {
            if (p->fds[i].revents == 0) continue;
            /* without memory for the letter it waits another round */
            if (!lane_tell(p->lane, p->at[i - 1].client, LETTER_STIRS, NULL,
                           0))
                continue;
            p->at[i - 1] = p->at[p->n - 1];
            p->fds[i] = p->fds[p->n];
            p->n--;
            gone++;
        }
        if (gone == 0) continue;
        pthread_mutex_lock(&p->lock);
        p->held -= gone;
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

static struct parker *park__begin(struct park *park) {
    struct parker *p = calloc(1, sizeof *p);
    pthread_attr_t attr;
    int err;

    if (p == NULL) return NULL;
    p->lane = park->lane;
    if (pipe(p->wake) == -1) {
        free(p);
        return NULL;
    }
    if (!base_nonblocking(p->wake[0]) || !base_nonblocking(p->wake[1]))
        goto refused;
    pthread_mutex_init(&p->lock, NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, size_max(PARK_STACK,
                                              (size_t)PTHREAD_STACK_MIN));
    err = pthread_create(&p->thread, &attr, park__wait, p);
    pthread_attr_destroy(&attr);
    if (err == 0) return p;
    pthread_mutex_destroy(&p->lock);
refused:
    close(p->wake[0]);
    close(p->wake[1]);
    free(p);
    return NULL;
}

/* Park one with this parker, if it has room. */
static bool park__try(struct parker *p, int fd, uint64_t client) {
    bool first;

    pthread_mutex_lock(&p->lock);
    if (p->held == PARK_MOST) {
        pthread_mutex_unlock(&p->lock);
        return false;
    }
    first = p->nadded == 0;
    p->added[p->nadded++] = (struct park_place){ fd, client };
    p->held++;
    pthread_mutex_unlock(&p->lock);
    if (first) base_wake(p->wake[1]);
    return true;
}

/* Park a client's descriptor until it stirs.  False: there is no room, and it
 * stays with the caller. */
static bool park_add(struct park *park, int fd, uint64_t client) {
    for (size_t i = 0; i < park->n; i++) {
        size_t at = (park->last + i) % park->n;

        if (!park__try(park->parker[at], fd, client)) continue;
        park->last = at;
        return true;
    }
    if (park->n == PARK_THREADS) return false;
    if (park->parker == NULL) {
        park->parker = calloc(PARK_THREADS, sizeof *park->parker);
        if (park->parker == NULL) return false;
    }
    park->parker[park->n] = park__begin(park);
    if (park->parker[park->n] == NULL) return false;
    park->last = park->n++;
    return park__try(park->parker[park->last], fd, client);
}

/* End all parkers; what they held is the caller's again. */
static void park_end(struct park *park) {
    for (size_t i = 0; i < park->n; i++) {
        struct parker *p = park->parker[i];

        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_mutex_unlock(&p->lock);
        base_wake(p->wake[1]);
        pthread_join(p->thread, NULL);
        pthread_mutex_destroy(&p->lock);
        close(p->wake[0]);
        close(p->wake[1]);
        free(p);
    }
    free(park->parker);
    park->parker = NULL;
    park->n = park->last = 0;
}
