/* SPDX-License-Identifier: MIT */
/* ==== entry - a key and its value in one block =============================
 *
 * Each key is one allocation: eight bytes that every lookup reads, then what
 * this key needs.
 *
 *   0   4  used      when it was last used, in ticks of ENTRY_TICK ms
 *   4   1  shape | flags << 4
 *   5   1  hits      a logarithmic count, see entry_hit
 *   6   1  klen      255: the length stands below in 4 bytes
 *   7   1  vlen      likewise
 *   8   8  deadline  if ENTRY_TTL: wall clock, ms
 *       4  klen      if it is 255 or more
 *       4  vlen      if it is 255 or more
 *       .  key, value
 *
 * The value is in the block when it is small: bytes of a string, an integer of
 * 8 bytes, a pack, an intset; a long string is a counted blob, a large
 * collection an object of its own, and the block holds the pointer.
 *
 * An entry has exactly one owner, a slot of its namespace's table, so it can
 * be moved.  It is changed only through the door.
 *
 * floor 3 - uses: base arena mem rand num
 */
enum kind {
    KIND_STRING, KIND_LIST, KIND_SET, KIND_ZSET, KIND_HASH, KIND_STREAM,
    KIND_COUNT
};

/* Kind and encoding of a value. */
enum shape {
    SHAPE_BYTES,                /* string: the bytes */
    SHAPE_INT,                  /* string: an int64 in machine order */
    SHAPE_BLOB,                 /* string: pointer to struct blob */
    SHAPE_LIST_PACK,            /* list: elements in a pack */
    SHAPE_LIST_QUICK,           /* list: pointer to struct big_list */
    SHAPE_SET_INT,              /* set: width byte, then an intset */
    SHAPE_SET_PACK,             /* set: members in a pack */
    SHAPE_SET_TABLE,            /* set: pointer to struct big_set */
    SHAPE_ZSET_PACK,            /* zset: member, score... in order of score */
    SHAPE_ZSET_SKIP,            /* zset: pointer to struct big_zset */
    SHAPE_HASH_PACK,            /* hash: field, value... in a pack */
    SHAPE_HASH_TABLE,           /* hash: pointer to struct big_hash */
    SHAPE_STREAM,               /* stream: pointer to struct big_stream */
    SHAPE_COUNT                 /* 16 at most: 4 bits */
};

enum {
    ENTRY_TTL = 1,              /* has a deadline */
    ENTRY_MARK = 2,             /* snapshot mark, see walk */
    ENTRY_READ = 4,             /* read in an ear namespace: to be swept */
    ENTRY_FIELDS = 8,           /* a hash with fields that expire, see due */
    ENTRY_TICK = 4,             /* ms; a clock of 198 days */
    ENTRY_HEAD = 8,
    ENTRY_LONG = 255,
    ENTRY_BLOB_MIN = 7168,      /* strings from here on are blobs: shorter
                                   ones lie in slabs, which shrink */
    ENTRY_PTR = (int)sizeof(void *)
};

struct entry {
    uint32_t used;
    uint8_t shape_flags;
    uint8_t hits;
    uint8_t klen, vlen;
};

/* A long string, counted: the entry holds one reference, replies in flight
 * and the snapshot writer may hold others.  With more than one it is not
 * changed in place.  On libc's heap, since any thread may drop the last. */
struct blob {
    atomic_uint refs;
    uint32_t n, cap;            /* bytes used and there are */
    char bytes[];
};

static const uint8_t entry_kind_of[SHAPE_COUNT] = {
    [SHAPE_BYTES] = KIND_STRING,      [SHAPE_INT] = KIND_STRING,
    [SHAPE_BLOB] = KIND_STRING,       [SHAPE_LIST_PACK] = KIND_LIST,
    [SHAPE_LIST_QUICK] = KIND_LIST,   [SHAPE_SET_INT] = KIND_SET,
    [SHAPE_SET_PACK] = KIND_SET,      [SHAPE_SET_TABLE] = KIND_SET,
    [SHAPE_ZSET_PACK] = KIND_ZSET,    [SHAPE_ZSET_SKIP] = KIND_ZSET,
    [SHAPE_HASH_PACK] = KIND_HASH,    [SHAPE_HASH_TABLE] = KIND_HASH,
    [SHAPE_STREAM] = KIND_STREAM
};

static const char *const kind_names[KIND_COUNT] = {
    "string", "list", "set", "zset", "hash", "stream"
};

static inline enum shape entry_shape(const struct entry *e) {
    return (enum shape)(e->shape_flags & 15);
}

static inline enum kind entry_kind(const struct entry *e) {
    return (enum kind)entry_kind_of[e->shape_flags & 15];
}

static inline bool entry_has(const struct entry *e, unsigned flag) {
    return (e->shape_flags & flag << 4) != 0;
}

static inline void entry_flag(struct entry *e, unsigned flag, bool on) {
    if (on) e->shape_flags |= (uint8_t)(flag << 4);
    else e->shape_flags &= (uint8_t)~(flag << 4);
}

static inline void entry_set_shape(struct entry *e, enum shape shape) {
    e->shape_flags = (uint8_t)((e->shape_flags & 0xf0) | shape);
}

/* Does the value hang on a pointer, outside the block? */
static inline bool shape_is_big(enum shape s) {
    return (1 << s & (1 << SHAPE_BLOB | 1 << SHAPE_LIST_QUICK |
                      1 << SHAPE_SET_TABLE | 1 << SHAPE_ZSET_SKIP |
                      1 << SHAPE_HASH_TABLE | 1 << SHAPE_STREAM)) != 0;
}

static inline char *entry__lengths(const struct entry *e) {
    return (char *)e + ENTRY_HEAD + e->shape_flags / (ENTRY_TTL << 4) % 2 * 8;
}

/* ... and counts the bytes that hang on it itself? */
static inline bool shape_counts_itself(enum shape s) {
    return (1 << s & (1 << SHAPE_LIST_QUICK | 1 << SHAPE_STREAM)) != 0;
}

/* The local key, lent. */
static inline struct str entry_key(const struct entry *e) {
    const char *p = entry__lengths(e);
    size_t n = e->klen;

    if (UNLIKELY(n == ENTRY_LONG)) {
        n = load32(p);
        p += 4;
    }
    if (e->vlen == ENTRY_LONG) p += 4;
    return (struct str){ p, n };
}

/* Is this its local key? */
static INLINE bool entry_is(const struct entry *e, struct str key) {
    struct str own;

    if (LIKELY(key.n < ENTRY_LONG))
        return e->klen == key.n &&
               bytes_same(entry__lengths(e) + (e->vlen == ENTRY_LONG ? 4 : 0),
                          key.p, key.n);
    own = entry_key(e);
    return str_eq(own, key);
}

/* The value's bytes in the block, lent. */
static INLINE struct str entry_value(const struct entry *e) {
    const char *p = entry__lengths(e);
    size_t k = e->klen, v = e->vlen;

    if (UNLIKELY(k == ENTRY_LONG)) {
        k = load32(p);
        p += 4;
    }
    if (v == ENTRY_LONG) {
        v = load32(p);
        p += 4;
    }
    return (struct str){ p + k, v };
}

/* The same, for those who may write: through the door only. */
static inline uint8_t *entry_bytes(struct entry *e) {
    return (uint8_t *)(uintptr_t)entry_value(e).p;
}

/* Bytes of a block for these lengths. */
static inline size_t entry_need(size_t klen, size_t vlen, bool ttl) {
    return ENTRY_HEAD + (ttl ? 8 : 0) + (klen >= ENTRY_LONG ? 4 : 0) +
           (vlen >= ENTRY_LONG ? 4 : 0) + klen + vlen;
}

/* Bytes this block was asked for. */
static INLINE size_t entry_size(const struct entry *e) {
    struct str v = entry_value(e);

    return (size_t)(v.p + v.n - (const char *)e);
}

/* Wall clock in ms, 0 without one. */
static inline int64_t entry_deadline(const struct entry *e) {
    return entry_has(e, ENTRY_TTL) ?
               (int64_t)load64((const char *)e + ENTRY_HEAD) : 0;
}

static inline int64_t entry_int(const struct entry *e) {
    return (int64_t)load64(entry_value(e).p);
}

/* What the block points to, for shapes that are big. */
static inline void *entry_object(const struct entry *e) {
    void *p;

    memcpy(&p, entry_value(e).p, sizeof p);
    return p;
}

static inline void entry_set_object(struct entry *e, void *p) {
    memcpy(entry_bytes(e), &p, sizeof p);
}

/* Write head, deadline (0: none), lengths and key of a fresh block; the value
 * bytes are the caller's to fill.  used and hits are 0, flags clear. */
static inline void entry__write(struct entry *e, struct str key,
                                enum shape shape, size_t vlen, int64_t ms) {
    char *p = (char *)e + ENTRY_HEAD;

    e->used = 0;
    e->hits = 0;
    e->shape_flags = (uint8_t)(shape | (ms != 0 ? ENTRY_TTL << 4 : 0));
    if (ms != 0) {
        store64(p, (uint64_t)ms);
        p += 8;
    }
    e->klen = key.n < ENTRY_LONG ? (uint8_t)key.n : ENTRY_LONG;
    e->vlen = vlen < ENTRY_LONG ? (uint8_t)vlen : ENTRY_LONG;
    if (UNLIKELY(key.n >= ENTRY_LONG)) {
        store32(p, (uint32_t)key.n);
        p += 4;
    }
    if (vlen >= ENTRY_LONG) {
        store32(p, (uint32_t)vlen);
        p += 4;
    }
    bytes_copy(p, key.p, key.n);
}

/* A new entry with room for a value of vlen bytes, or NULL. */
static inline struct entry *entry_try(struct mem *m, struct str key,
                                      enum shape shape, size_t vlen,
                                      int64_t deadline) {
    struct entry *e;

    if (vlen > UINT32_MAX - 64 || key.n > UINT32_MAX - 64) return NULL;
    e = mem_try(m, entry_need(key.n, vlen, deadline != 0));
    if (e != NULL) entry__write(e, key, shape, vlen, deadline);
    return e;
}

/* Give the block back; what it points to is not looked at. */
static inline void entry_drop(struct mem *m, struct entry *e) {
    if (e != NULL) mem_drop_own(m, e, entry_size(e));
}

/* A blob of n bytes, with room for cap, or NULL; the bytes are unset. */
static struct blob *blob_try(size_t n, size_t cap) {
    struct blob *b;

    if (cap > UINT32_MAX - 64 || MEM_REFUSED()) return NULL;
    b = malloc(sizeof *b + cap);
    if (b == NULL) return NULL;
    atomic_init(&b->refs, 1);
    b->n = (uint32_t)n;
    b->cap = (uint32_t)cap;
    return b;
}

/* The same blob, which nobody else holds, with room for cap bytes; it may have
 * moved.  NULL: no memory, and it is as it was. */
static struct blob *blob_resize(struct blob *b, size_t cap) {
    KVNS_ASSERT(cap >= b->n && cap <= UINT32_MAX - 64);
    if (MEM_REFUSED()) return NULL;
    b = realloc(b, sizeof *b + cap);
    if (b != NULL) b->cap = (uint32_t)cap;
    return b;
}

static inline struct blob *blob_hold(struct blob *b) {
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

static inline void blob_drop(struct blob *b) {
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}

static inline bool blob_is_shared(struct blob *b) {
    return atomic_load_explicit(&b->refs, memory_order_acquire) > 1;
}

/* What a blob costs its shard while an entry holds it. */
static inline size_t blob_cost(const struct blob *b) {
    return mem_size(sizeof *b + b->cap);
}

/* The string value as bytes: lent, or digits written into tmp. */
static inline struct str entry_string(const struct entry *e, char tmp[24]) {
    if (LIKELY(entry_shape(e) == SHAPE_BYTES)) return entry_value(e);
    if (entry_shape(e) == SHAPE_INT)
        return (struct str){ tmp, num_put_int(tmp, entry_int(e)) };
    {
        const struct blob *b = entry_object(e);

        return (struct str){ b->bytes, b->n };
    }
}

/* The hit count behind the stored byte: exact to 64, then eighths of a
 * doubling, as Morris counts (CACM 21(10), 1978). */
static inline uint32_t entry_hits(uint8_t byte) {
    if (byte < 64) return byte;
    return (uint32_t)(64 + (byte - 64) % 8 * 8) << (byte - 64) / 8;
}

/* The stored byte after `ticks` without use: halved each half_life ticks.  By
 * the hit-ratio bench a time in which what is popular changes twice gains 0.5
 * points over counts that never age, and costs nothing where nothing changes;
 * three times as long gains nothing.  How quickly a cache changes we do not
 * know: the default, an hour, is for what changes within the day. */
static inline uint8_t entry_aged(uint8_t byte, uint32_t ticks,
                                 uint32_t half_life) {
    uint32_t n;

    if (half_life == 0 || ticks < half_life || byte == 0) return byte;
    for (n = ticks / half_life; n > 0 && byte > 0; n--)
        byte = byte >= 72 ? (uint8_t)(byte - 8) :
               byte >= 64 ? (uint8_t)(32 + (byte - 64) * 4) :
                            (uint8_t)(byte / 2);
    return byte;
}

/* Count one use at tick now; counts age by half_life ticks (0: never). */
static inline void entry_hit(struct entry *e, uint32_t now,
                             uint32_t half_life, struct rand *r) {
    uint8_t h = e->hits;

    if (UNLIKELY(half_life != 0 && now - e->used >= half_life))
        h = entry_aged(h, now - e->used, half_life);
    if (LIKELY(h < 64)) h++;
    else if (h < 255 &&
             (rand_next(r) & ((UINT64_C(8) << (h - 64) / 8) - 1)) == 0) h++;
    e->hits = h;
    e->used = now;
}
