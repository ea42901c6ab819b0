/* SPDX-License-Identifier: MIT */
/* ==== wheel - when keys are to expire ======================================
 *
 * A hierarchical timing wheel (Varghese and Lauck, SOSP 1987) per shard, of
 * four levels of 256 slots; the finest is WHEEL_MS wide.  A slot holds chunks
 * of records; a record is what a table needs of the hash of a key, 6 bytes, and
 * a chunk says in which namespace.  A record is a hint: when it fires, the key
 * is looked up, and what its entry says counts.  So a later deadline needs no
 * new record (the old one moves on when it fires), and a key that is gone costs
 * nothing but its record.  Keys that are alike in these bytes share their
 * records: each goes to the next deadline that any of them has.
 *
 * Records of keys that are gone are swept when they outnumber the living: a
 * key set and deleted over and over does not fill the wheel.
 *
 * floor 3 - uses: base shard
 */
enum {
    WHEEL_MS = 64,              /* width of the finest slot */
    WHEEL_LEVELS = 4,
    WHEEL_SLOTS = 256,
    WHEEL_CHUNK = 680           /* records of a full-grown chunk */
};

struct wheel_record {
    uint16_t tag, high, low;    /* of TABLE_HASH, in order */
};

struct wheel_chunk {
    struct wheel_chunk *next;
    uint32_t space;             /* id of the namespace */
    uint16_t n, cap;
    struct wheel_record record[];
};

struct wheel {
    int64_t tick;               /* last one that has fired */
    size_t records;
    size_t bytes;               /* of chunks, on libc's heap */
    struct wheel_chunk *due[WHEEL_LEVELS];  /* fired or cascading, not yet
                                   looked at */
    struct wheel_chunk *slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

static inline size_t wheel__size(const struct wheel_chunk *c) {
    return sizeof *c + c->cap * sizeof c->record[0];
}

/* The hash of a record, those bits of it that count. */
static inline uint64_t wheel_hash(const struct wheel_chunk *c, size_t i) {
    struct wheel_record r = c->record[i];

    return (uint64_t)r.tag << 48 | (uint32_t)r.high << 16 | r.low;
}

/* Put one more into a chunk that has room. */
static void wheel_put(struct wheel *w, struct wheel_chunk *c, uint64_t hash) {
    c->record[c->n++] = (struct wheel_record){
        (uint16_t)(hash >> 48), (uint16_t)(hash >> 16), (uint16_t)hash
    };
    w->records++;
}

static void wheel__free(struct wheel *w, struct wheel_chunk *c) {
    w->records -= c->n;
    w->bytes -= wheel__size(c);
    free(c);
}

/* The slot for a deadline, seen from the present tick. */
static struct wheel_chunk **wheel__slot(struct wheel *w, int64_t deadline) {
    int64_t tick = deadline / WHEEL_MS + 1;
    uint64_t ahead;

    if (tick <= w->tick) tick = w->tick + 1;
    ahead = (uint64_t)(tick - w->tick);
    if (ahead < 256) return &w->slot[0][tick & 255];
    if (ahead < 256 * 256) return &w->slot[1][tick >> 8 & 255];
    if (ahead < 256 * 256 * 256) return &w->slot[2][tick >> 16 & 255];
    if (ahead >= UINT64_C(255) << 24) tick = w->tick + (INT64_C(255) << 24);
    return &w->slot[3][tick >> 24 & 255];
}

/* Note that a key of this namespace and hash has a deadline.  Without memory
 * the key just waits until somebody looks at it. */
static void wheel_add(struct shard *s, uint32_t space, uint64_t hash,
                      int64_t deadline, int64_t now) {
    struct wheel *w = s->wheel;
    struct wheel_chunk **slot, *c;
    size_t cap = 2;

    if (w == NULL) {
        w = calloc(1, sizeof *w);
        if (w == NULL) return;
        w->tick = now / WHEEL_MS;
        s->wheel = w;
    }
    slot = wheel__slot(w, deadline);
    c = *slot;
    for (int deep = 0; c != NULL && deep < 4; c = c->next, deep++) {
        if (c->space != space) continue;
        if (c->n < c->cap) {
            wheel_put(w, c, hash);
            return;
        }
        cap = size_min(WHEEL_CHUNK, (size_t)c->cap * 2 + 2);
        break;
    }
    c = malloc(sizeof *c + cap * sizeof c->record[0]);
    if (c == NULL) return;
    c->space = space;
    c->n = 0;
    c->cap = (uint16_t)cap;
    c->next = *slot;
    *slot = c;
    w->bytes += wheel__size(c);
    wheel_put(w, c, hash);
}

/* Move a slot's chunks to the due ones of its level, of which there are none:
 * nobody walks along a slot, it may be long. */
static void wheel__fire(struct wheel *w, int level, int64_t at) {
    struct wheel_chunk **slot = &w->slot[level][at & 255];

    VERIFY(w->due[level] == NULL);
    w->due[level] = *slot;
    *slot = NULL;
}

/* A level with something due that has not been looked at, or NULL. */
static struct wheel_chunk **wheel_due(struct wheel *w) {
    for (int l = 0; l < WHEEL_LEVELS; l++)
        if (w->due[l] != NULL) return &w->due[l];
    return NULL;
}

/* Take a chunk out of the due ones, or NULL. */
static struct wheel_chunk *wheel__next(struct wheel *w) {
    struct wheel_chunk **due = wheel_due(w), *c;

    if (due == NULL) return NULL;
    c = *due;
    *due = c->next;
    return c;
}

/* Put back a chunk that still has records to be looked at. */
static void wheel_back(struct wheel *w, struct wheel_chunk *c) {
    c->next = w->due[0];
    w->due[0] = c;
}

/* Turn to `now`, as far as there is nothing due.  Returns the next chunk to
 * look at, the caller's, or NULL when all that is due has been seen. */
static struct wheel_chunk *wheel_turn(struct wheel *w, int64_t now) {
    int64_t until = now / WHEEL_MS;

    if (w->records == 0 && until > w->tick) w->tick = until;
    while (wheel_due(w) == NULL && w->tick < until) {
        int64_t t = ++w->tick;

        if ((t & 0xffffff) == 0) wheel__fire(w, 3, t >> 24);
        if ((t & 0xffff) == 0) wheel__fire(w, 2, t >> 16);
        if ((t & 0xff) == 0) wheel__fire(w, 1, t >> 8);
        wheel__fire(w, 0, t);
    }
    return wheel__next(w);
}

/* Take one slot's records out to be looked at again, when most records are of
 * keys that are gone: `expiring` is how many keys there are. */
static void wheel_sweep(struct wheel *w, size_t expiring, uint64_t turn) {
    int level = (int)(turn >> 8 & 3);

    if (w->records < 1024 || w->records / 2 < expiring) return;
    if (w->due[level] == NULL) wheel__fire(w, level, (int64_t)(turn & 255));
}

/* Forget all records; w may be NULL. */
static void wheel_free(struct wheel *w) {
    struct wheel_chunk *c;

    if (w == NULL) return;
    for (int i = 0; i <= WHEEL_LEVELS * WHEEL_SLOTS; i++) {
        while ((c = wheel__next(w)) != NULL) wheel__free(w, c);
        if (i < WHEEL_LEVELS * WHEEL_SLOTS)
            wheel__fire(w, i / WHEEL_SLOTS, i % WHEEL_SLOTS);
    }
    free(w);
}
