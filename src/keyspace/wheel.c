/* SPDX-License-Identifier: MIT */
/* ==== wheel - when keys are to expire ======================================
 *
 * A hierarchical timing wheel (Varghese and Lauck, SOSP 1987) per shard, of
 * four levels of 256 slots; the finest is WHEEL_MS wide.  A slot holds chunks
 * of records; a record is the hash of a key, 8 bytes, and a chunk says in
 * which namespace.  A record is a hint: when it fires, the key is looked up,
 * and what its entry says counts.  So a later deadline needs no new record
 * (the old one moves on when it fires), and a key that is gone costs nothing
 * but its record.
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
    WHEEL_CHUNK = 510           /* records of a full-grown chunk */
};

struct wheel_chunk {
    struct wheel_chunk *next;
    uint32_t space;             /* id of the namespace */
    uint16_t n, cap;
    uint64_t hash[];
};

struct wheel {
    int64_t tick;               /* last one that has fired */
    size_t records;
    size_t bytes;               /* of chunks, on libc's heap */
    struct wheel_chunk *due;    /* fired or cascading, not yet looked at */
    struct wheel_chunk *slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

static inline size_t wheel__size(const struct wheel_chunk *c) {
    return sizeof *c + c->cap * sizeof c->hash[0];
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
            c->hash[c->n++] = hash;
            w->records++;
            return;
        }
        cap = size_min(WHEEL_CHUNK, (size_t)c->cap * 2 + 2);
        break;
    }
    c = malloc(sizeof *c + cap * sizeof c->hash[0]);
    if (c == NULL) return;
    c->space = space;
    c->n = 1;
    c->cap = (uint16_t)cap;
    c->hash[0] = hash;
    c->next = *slot;
    *slot = c;
    w->records++;
    w->bytes += wheel__size(c);
}

/* Move a slot's chunks to the due ones. */
static void wheel__fire(struct wheel *w, int level, int64_t at) {
    struct wheel_chunk **slot = &w->slot[level][at & 255], *last = *slot;

    if (last == NULL) return;
    while (last->next != NULL) last = last->next;
    last->next = w->due;
    w->due = *slot;
    *slot = NULL;
}

/* Turn to `now`, as far as there is nothing due.  Returns the next chunk to
 * look at, the caller's, or NULL when all that is due has been seen. */
static struct wheel_chunk *wheel_turn(struct wheel *w, int64_t now) {
    int64_t until = now / WHEEL_MS;
    struct wheel_chunk *c;

    if (w->records == 0 && until > w->tick) w->tick = until;
    while (w->due == NULL && w->tick < until) {
        int64_t t = ++w->tick;

        if ((t & 0xffffff) == 0) wheel__fire(w, 3, t >> 24);
        if ((t & 0xffff) == 0) wheel__fire(w, 2, t >> 16);
        if ((t & 0xff) == 0) wheel__fire(w, 1, t >> 8);
        wheel__fire(w, 0, t);
    }
    c = w->due;
    if (c != NULL) w->due = c->next;
    return c;
}

/* Take one slot's records out to be looked at again, when most records are of
 * keys that are gone: `expiring` is how many keys there are. */
static void wheel_sweep(struct wheel *w, size_t expiring, uint64_t turn) {
    if (w->records < 1024 || w->records / 2 < expiring) return;
    wheel__fire(w, (int)(turn >> 8 & 3), (int64_t)(turn & 255));
}

/* Forget all records; w may be NULL. */
static void wheel_free(struct wheel *w) {
    if (w == NULL) return;
    for (int l = 0; l < WHEEL_LEVELS; l++)
        for (int i = 0; i < WHEEL_SLOTS; i++) wheel__fire(w, l, i);
    while (w->due != NULL) {
        struct wheel_chunk *c = w->due;

        w->due = c->next;
        wheel__free(w, c);
    }
    free(w);
}
