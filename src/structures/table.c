/* SPDX-License-Identifier: MIT */
/* ==== table - a hash table that grows a line at a time =====================
 *
 * The index of everything: keys of a namespace, members of a set, fields of a
 * hash.  It holds pointers and never looks at what they point to; whoever
 * searches compares the candidates, whoever inserts says how to hash one.
 *
 * Linear hashing (Litwin, VLDB 1980) over segments: the low bits of the hash
 * pick a segment, and segments split one at a time, in order, as the table
 * grows.  Inside a segment there are lines of 64 bytes; the top 16 bits of
 * the hash, the tag, are stored beside each pointer and give the home line by
 * multiplication, so a segment can have any number of lines and is refitted
 * in steps of an eighth without looking at an item.  A full line spills into
 * the next one (linear probing by lines).
 *
 *   dir   [seg 0][seg 1][seg 2] ...             segment = hash & mask
 *            |
 *            v   line 0             line 1
 *         [tag,ptr x 8]      [tag,ptr x 8] ...  line = tag * lines >> 16
 *
 * So the load stays between about 0.77 and 0.9 at every size, a lookup costs
 * one line and the item, and the largest pause is the split of one segment
 * (some 800 items).
 *
 * Invariants: the used slots of a line come first; an item is not in its home
 * line only if all lines from there to its own are full; a segment has at
 * least one empty slot.  Deletion pulls displaced items back (Knuth 6.4 R).
 *
 * A scan walks hash space in the order of reversed low bits, then tags, so a
 * cursor keeps its meaning while segments split and merge: what was in the
 * table during the whole scan is returned at least once.
 *
 * floor 1 - uses: base arena mem trim rand
 */
enum {
    TABLE_PER_SEG = 410,        /* mean items a segment; split beyond */
    TABLE_LINE = 64,            /* bytes of a line */
    TABLE_SAMPLE = 24,          /* slots drawn together */
    TABLE_ALL = 64,             /* so few items are drawn all */
    TABLE_FAR = 64,             /* lines from home that look like an attack */
    TABLE_SCAN_DEPTH = 20,      /* bits of hash order in a cursor */
    TABLE_SCAN_PARTS = 1024     /* parts of a segment in a cursor */
};

/* The bits of a hash that matter to a table. */
#define TABLE_HASH UINT64_C(0xffff0000ffffffff)

/* One line.  Where user addresses fit 48 bits a slot is pointer and tag in one
 * word; elsewhere pointers and tags stand side by side. */
#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(KVNS_PLAIN)
#define TABLE_SLOTS 8
struct table_line {
    uint64_t slot[TABLE_SLOTS];
};

static inline void *table__ptr(const struct table_line *l, unsigned i) {
    return (void *)(uintptr_t)(l->slot[i] & 0xffffffffffff);
}

static inline unsigned table__tag(const struct table_line *l, unsigned i) {
    return (unsigned)(l->slot[i] >> 48);
}

static inline void table__set(struct table_line *l, unsigned i, void *p,
                              unsigned tag) {
    l->slot[i] = (uint64_t)(uintptr_t)p | (uint64_t)tag << 48;
    VERIFY(table__ptr(l, i) == p);
}

static inline void table__clear(struct table_line *l, unsigned i) {
    l->slot[i] = 0;
}

/* The first slot from i on whose tag fits, or nearly, or TABLE_SLOTS. */
#if defined(__SSE2__) && defined(__GNUC__)
static inline unsigned table__match(const struct table_line *l, unsigned tag,
                                    unsigned i) {
    const __m128i *v = (const __m128i *)(const void *)l->slot;
    /* 15 bits of each tag, packed into eight words of 16 */
    __m128i ab = _mm_packs_epi32(_mm_srli_epi64(_mm_loadu_si128(v), 49),
                                 _mm_srli_epi64(_mm_loadu_si128(v + 1), 49));
    __m128i cd = _mm_packs_epi32(_mm_srli_epi64(_mm_loadu_si128(v + 2), 49),
                                 _mm_srli_epi64(_mm_loadu_si128(v + 3), 49));
    __m128i eq = _mm_cmpeq_epi16(_mm_packs_epi32(ab, cd),
                                 _mm_set1_epi16((short)(tag >> 1)));
    unsigned m = (unsigned)_mm_movemask_epi8(eq) & ~0u << 2 * i;

    for (; m != 0; m &= ~(3u << 2 * i)) {
        i = (unsigned)__builtin_ctz(m) / 2;
        if (l->slot[i] != 0) return i;
    }
    return TABLE_SLOTS;
}
#else
static inline unsigned table__match(const struct table_line *l, unsigned tag,
                                    unsigned i) {
    uint64_t t = (uint64_t)tag << 48;

    for (; i < TABLE_SLOTS; i++)
        if ((l->slot[i] ^ t) >> 48 == 0 && l->slot[i] != 0) break;
    return i;
}
#endif
#else
#define TABLE_SLOTS ((unsigned)(TABLE_LINE / (sizeof(void *) + 2)))
struct table_line {
    void *ptr[TABLE_LINE / (sizeof(void *) + 2)];
    uint16_t tag[TABLE_LINE / (sizeof(void *) + 2)];
    char fill[TABLE_LINE % (sizeof(void *) + 2)];
};

static inline void *table__ptr(const struct table_line *l, unsigned i) {
    return l->ptr[i];
}

static inline unsigned table__tag(const struct table_line *l, unsigned i) {
    return l->tag[i];
}

static inline void table__set(struct table_line *l, unsigned i, void *p,
                              unsigned tag) {
    l->ptr[i] = p;
    l->tag[i] = (uint16_t)tag;
}

static inline void table__clear(struct table_line *l, unsigned i) {
    l->ptr[i] = NULL;
}

static inline unsigned table__match(const struct table_line *l, unsigned tag,
                                    unsigned i) {
    for (; i < TABLE_SLOTS; i++)
        if (l->tag[i] == tag && l->ptr[i] != NULL) break;
    return i;
}
#endif

struct table_seg {
    struct table_line *lines;
    uint32_t nlines;
    uint32_t count;             /* items in it */
};

struct table {
    union {
        struct table_seg one;   /* while nsegs is 1 */
        struct table_seg *dir;  /* of dir_cap elements */
    } u;
    size_t count;               /* items in all */
    uint32_t nsegs;             /* 0: nothing allocated */
    uint32_t dir_cap;
    uint32_t max_lines;         /* no segment has more; for sampling */
    bool suspect;               /* items pile up as hashes never would */
};

/* Where an item was found; valid until the table changes, or rather, until the
 * arena's `moves` count up: to put others in leaves it where it is. */
struct table_at {
    struct table_seg *seg;
    struct table_line *line;
    unsigned slot;
    unsigned tag;
    uint32_t left;              /* lines not yet searched */
};

/* How to hash an item that is in the table. */
typedef uint64_t table_hash_of(const void *ctx, const void *item);

static INLINE struct table_seg *table__seg(const struct table *t, size_t i) {
    return t->nsegs == 1 ? (struct table_seg *)&t->u.one : t->u.dir + i;
}

/* log2 of the segments there were when the round of splits began. */
static inline unsigned table__level(const struct table *t) {
    unsigned level = 0;

    while ((t->nsegs >> level) > 1) level++;
    return level;
}

/* n > 0, rounded up to 2^k - 1. */
static INLINE uint32_t table__mask(uint32_t n) {
#if defined(__GNUC__) && UINT_MAX == 0xffffffff
    return UINT32_MAX >> __builtin_clz(n);
#else
    n |= n >> 1;
    n |= n >> 2;
    n |= n >> 4;
    n |= n >> 8;
    return n | n >> 16;
#endif
}

static INLINE uint32_t table__index(const struct table *t, uint64_t h) {
    uint32_t mask = table__mask(t->nsegs);
    uint32_t i = (uint32_t)h & mask;

    return i < t->nsegs ? i : i & mask >> 1;
}

static INLINE uint32_t table__home(unsigned tag, uint32_t nlines) {
    return (uint32_t)((uint64_t)tag * nlines >> 16);
}

/* Go to the next candidate after at->slot. */
static INLINE void *table__go(struct table_at *at, unsigned slot) {
    for (;;) {
        slot = table__match(at->line, at->tag, slot);
        if (slot < TABLE_SLOTS) {
            at->slot = slot;
            return table__ptr(at->line, slot);
        }
        if (table__ptr(at->line, TABLE_SLOTS - 1) == NULL || at->left == 0)
            return NULL;
        at->left--;
        if (++at->line == at->seg->lines + at->seg->nlines)
            at->line = at->seg->lines;
        slot = 0;
    }
}

/* Go to the line where a search for h begins.  False: the table is empty. */
static INLINE bool table__begin(const struct table *t, uint64_t h,
                                struct table_at *at) {
    if (t->nsegs == 0) return false;
    at->seg = table__seg(t, table__index(t, h));
    at->tag = (unsigned)(h >> 48);
    at->line = at->seg->lines + table__home(at->tag, at->seg->nlines);
    at->left = at->seg->nlines - 1;
    return true;
}

/* The first item whose hash may be h, or NULL.  Lends it. */
static INLINE void *table_first(const struct table *t, uint64_t h,
                                struct table_at *at) {
    return table__begin(t, h, at) ? table__go(at, 0) : NULL;
}

/* The same in two halves, between which the line comes nearer: bring it
 * towards the processor, then look into it.  at->line is NULL where the
 * table is empty. */
static INLINE void table_call(const struct table *t, uint64_t h,
                              struct table_at *at) {
    if (table__begin(t, h, at)) PREFETCH(at->line);
    else at->line = NULL;
}

/* Only the bringing. */
static inline void table_prefetch(const struct table *t, uint64_t h) {
    struct table_at at;

    table_call(t, h, &at);
}

/* The first item of the line that was called, or NULL. */
static INLINE void *table_called(struct table_at *at) {
    return at->line == NULL ? NULL : table__go(at, 0);
}

/* The next such item, or NULL. */
static inline void *table_next(struct table_at *at) {
    return table__go(at, at->slot + 1);
}

/* The item at a place that is still valid.  Lends it. */
static INLINE void *table_get(const struct table_at *at) {
    return table__ptr(at->line, at->slot);
}

/* Replace the item at a place by another with the same hash. */
static inline void table_set(struct table_at *at, void *p) {
    table__set(at->line, at->slot, p, at->tag);
}

/* Put into a segment known to have an empty slot; lines from home. */
static inline uint32_t table__place(struct table_seg *s, void *p,
                                    unsigned tag) {
    struct table_line *l = s->lines + table__home(tag, s->nlines);
    uint32_t far = 0;
    unsigned i;

    while (table__ptr(l, TABLE_SLOTS - 1) != NULL) {
        if (++l == s->lines + s->nlines) l = s->lines;
        far++;
    }
    for (i = 0; table__ptr(l, i) != NULL; i++) {}
    table__set(l, i, p, tag);
    s->count++;
    return far;
}

/* Lines for n items with an eighth of room, as the allocator rounds them. */
static uint32_t table__fit(size_t n) {
    size_t lines = (n + n / 10) * 10 / (9 * TABLE_SLOTS) + 1;

    if (n < TABLE_SLOTS) return 1;
    return (uint32_t)(mem_lines_size(lines * TABLE_LINE) / TABLE_LINE);
}

static struct table_line *table__lines(struct mem *m, uint32_t n) {
    struct table_line *l = mem_lines_try(m, (size_t)n * sizeof *l);

    if (l != NULL) memset(l, 0, (size_t)n * sizeof *l);
    return l;
}

/* The last slot of a line that is being filled counts what is in it: a number
 * that no pointer is, until the line is full and it is a pointer. */
static inline uintptr_t table__mark(const struct table_line *l) {
    return (uintptr_t)table__ptr(l, TABLE_SLOTS - 1);
}

/* Put all that a segment holds into lines that count, by the tags alone. */
static void table__pour(struct table_seg *to, const struct table_seg *from) {
    for (uint32_t j = 0; j < from->nlines; j++)
        for (unsigned i = 0; i < TABLE_SLOTS; i++) {
            void *p = table__ptr(from->lines + j, i);
            unsigned tag = table__tag(from->lines + j, i);
            struct table_line *l = to->lines + table__home(tag, to->nlines);
            uintptr_t n;

            if (p == NULL) break;
            while ((n = table__mark(l)) >= TABLE_SLOTS)
                if (++l == to->lines + to->nlines) l = to->lines;
            table__set(l, TABLE_SLOTS - 1, (void *)(n + 1), 0);
            table__set(l, (unsigned)n, p, tag);
        }
    to->count += from->count;
}

/* Refit a segment to n lines, and take up what another holds, if not NULL. */
static bool table__refit(struct table *t, struct mem *m, struct table_seg *s,
                         const struct table_seg *more, uint32_t n) {
    struct table_seg to = { table__lines(m, n), n, 0 };

    if (to.lines == NULL) return false;
    table__pour(&to, s);
    if (more != NULL) table__pour(&to, more);
    for (uint32_t i = 0; i < n; i++)
        if (table__mark(to.lines + i) < TABLE_SLOTS)
            table__clear(to.lines + i, TABLE_SLOTS - 1);
    mem_lines_drop(m, s->lines, (size_t)s->nlines * sizeof *s->lines);
    *s = to;
    if (n > t->max_lines) t->max_lines = n;
    return true;
}

/* Make room in the directory for one more segment. */
static bool table__widen(struct table *t, struct mem *m) {
    struct table_seg *dir;
    uint32_t cap;

    if (t->nsegs > 1 && t->nsegs < t->dir_cap) return true;
    cap = t->nsegs < 2 ? 2 : t->dir_cap + (t->dir_cap < 8 ? t->dir_cap :
                                           t->dir_cap / 4);
    dir = mem_try(m, cap * sizeof *dir);
    if (dir == NULL) return false;
    if (t->nsegs == 1) {
        dir[0] = t->u.one;
    } else {
        memcpy(dir, t->u.dir, t->nsegs * sizeof *dir);
        mem_drop(m, t->u.dir, t->dir_cap * sizeof *dir);
    }
    t->u.dir = dir;
    t->dir_cap = cap;
    if (t->nsegs == 1) t->nsegs = 2, dir[1] = (struct table_seg){ 0 };
    return true;
}

/* Split the next segment in turn; when memory is refused nothing changes and
 * the segments just stay fuller. */
static void table__split(struct table *t, struct mem *m, table_hash_of *hash,
                         const void *ctx) {
    struct table_seg *from, low, high;
    uint32_t half, bit, was = t->nsegs;
    void *p;

    half = table__mask(was) / 2 + 1;        /* segments when the round began */
    bit = half;
    half = was - half;                      /* the one to split */
    from = table__seg(t, half);
    low.nlines = high.nlines = table__fit(from->count / 2 + from->count / 16);
    low.count = high.count = 0;
    low.lines = table__lines(m, low.nlines);
    high.lines = table__lines(m, high.nlines);
    if (low.lines == NULL || high.lines == NULL || !table__widen(t, m))
        goto refused;
    from = t->u.dir + half;
    for (uint32_t j = 0; j < from->nlines; j++) {
        struct table_line *l = from->lines + j, *ahead = l + 2;

        if (j + 2 < from->nlines)
            for (unsigned i = 0; i < TABLE_SLOTS; i++)
                PREFETCH(table__ptr(ahead, i));
        for (unsigned i = 0; i < TABLE_SLOTS; i++) {
            struct table_seg *to;

            p = table__ptr(l, i);
            if (p == NULL) break;
            to = hash(ctx, p) & bit ? &high : &low;
            if (UNLIKELY(to->count + 1 >= to->nlines * TABLE_SLOTS) &&
                !table__refit(t, m, to, NULL, to->nlines * 2))
                goto undo;
            table__place(to, p, table__tag(l, i));
        }
    }
    mem_lines_drop(m, from->lines, (size_t)from->nlines * TABLE_LINE);
    *from = low;
    t->u.dir[was] = high;
    t->nsegs = was + 1;
    t->max_lines = (uint32_t)size_max(t->max_lines,
                                      size_max(low.nlines, high.nlines));
    return;
undo:
    t->nsegs = was;
    if (was == 1) {
        struct table_seg one = t->u.dir[0];

        mem_drop(m, t->u.dir, t->dir_cap * sizeof one);
        t->u.one = one;
        t->dir_cap = 0;
    }
refused:
    mem_lines_drop(m, low.lines, (size_t)low.nlines * TABLE_LINE);
    mem_lines_drop(m, high.lines, (size_t)high.nlines * TABLE_LINE);
}

/* Merge the last segment into the one it was split from. */
static void table__merge(struct table *t, struct mem *m) {
    uint32_t last = t->nsegs - 1;
    struct table_seg *from = t->u.dir + last, *to, one;

    to = t->u.dir + (last - (table__mask(last) / 2 + 1));
    if (!table__refit(t, m, to, from,
                      table__fit(to->count + from->count + 8)))
        return;
    mem_lines_drop(m, from->lines, (size_t)from->nlines * TABLE_LINE);
    t->nsegs--;
    if (t->nsegs > 1) return;
    one = t->u.dir[0];
    mem_drop(m, t->u.dir, t->dir_cap * sizeof one);
    t->u.one = one;
    t->dir_cap = 0;
    t->max_lines = one.nlines;
}

/* An empty table; it needs no memory yet. */
static void table_init(struct table *t) {
    memset(t, 0, sizeof *t);
}

/* Prepare an empty table for n items, so that loading never splits.  A refusal
 * is harmless. */
static void table_expect(struct table *t, struct mem *m, size_t n) {
    size_t segs = n / TABLE_PER_SEG + 1, half, each;
    struct table_seg *dir;
    uint32_t lines;

    if (t->nsegs != 0 || n <= TABLE_PER_SEG || segs > UINT32_MAX / 2) return;
    dir = mem_try(m, segs * sizeof *dir);
    if (dir == NULL) return;
    half = (size_t)table__mask((uint32_t)segs) / 2 + 1;
    each = n / (2 * half) + 1;
    for (size_t i = 0; i < segs; i++) {
        /* those that will split this round hold twice as much */
        lines = table__fit(i < half && i + half >= segs ? each * 2 : each);
        dir[i] = (struct table_seg){ table__lines(m, lines), lines, 0 };
        if (dir[i].lines != NULL) {
            t->max_lines = (uint32_t)size_max(t->max_lines, lines);
            continue;
        }
        while (i-- > 0)
            mem_lines_drop(m, dir[i].lines, (size_t)dir[i].nlines * TABLE_LINE);
        mem_drop(m, dir, segs * sizeof *dir);
        return;
    }
    if (segs == 1) {
        t->u.one = dir[0];
        mem_drop(m, dir, sizeof *dir);
    } else {
        t->u.dir = dir;
        t->dir_cap = (uint32_t)segs;
    }
    t->nsegs = (uint32_t)segs;
}

/* Put an item that is not there yet.  False when memory is refused and the
 * segment is full: then nothing has changed. */
static bool table_put(struct table *t, struct mem *m, uint64_t h, void *p,
                      table_hash_of *hash, const void *ctx) {
    struct table_seg *s;
    uint32_t far;

    if (UNLIKELY(t->nsegs == 0)) {
        t->u.one = (struct table_seg){ table__lines(m, 1), 1, 0 };
        if (t->u.one.lines == NULL) return false;
        t->nsegs = t->max_lines = 1;
    }
    if (UNLIKELY(t->count >= (size_t)t->nsegs * TABLE_PER_SEG))
        table__split(t, m, hash, ctx);
    s = table__seg(t, table__index(t, h));
    if (UNLIKELY((s->count + 1) * 10 > s->nlines * TABLE_SLOTS * 9) &&
        !table__refit(t, m, s, NULL, table__fit(s->count + 1)) &&
        s->count + 1 >= s->nlines * TABLE_SLOTS)
        return false;
    far = table__place(s, p, (unsigned)(h >> 48));
    if (UNLIKELY(far > TABLE_FAR || s->count > 16 * TABLE_PER_SEG))
        t->suspect = true;
    t->count++;
    return true;
}

/* Close the hole at slot i of line l: the line's last item fills it, and from
 * full lines the displaced move back.  Never leaves an item unreachable. */
static void table__close(struct table_seg *s, struct table_line *l,
                         unsigned i) {
    for (;;) {
        uint32_t at = (uint32_t)(l - s->lines), n = s->nlines;
        struct table_line *from = l;
        unsigned last = TABLE_SLOTS - 1, j = 0;
        bool full = table__ptr(l, last) != NULL, found = false;

        while (table__ptr(l, last) == NULL) last--;
        if (last != i) table__set(l, i, table__ptr(l, last),
                                  table__tag(l, last));
        table__clear(l, last);
        if (!full) return;
        for (uint32_t gone = 1; gone < n && !found; gone++) {
            if (++from == s->lines + n) from = s->lines;
            for (j = 0; j < TABLE_SLOTS; j++) {
                uint32_t home;

                if (table__ptr(from, j) == NULL) break;
                home = table__home(table__tag(from, j), n);
                /* does it live at l or before it, going round? */
                if ((at + gone + n - home) % n >= gone) {
                    found = true;
                    break;
                }
            }
            if (table__ptr(from, TABLE_SLOTS - 1) == NULL) break;
        }
        if (!found) return;
        table__set(l, last, table__ptr(from, j), table__tag(from, j));
        l = from;
        i = j;
    }
}

/* Take the item at a place out.  Shrinks what has become too large. */
static void table_drop(struct table *t, struct mem *m, struct table_at *at) {
    struct table_seg *s = at->seg;

    m->moves++;
    table__close(s, at->line, at->slot);
    s->count--;
    t->count--;
    if (t->count == 0) {
        for (size_t i = 0; i < t->nsegs; i++)
            mem_lines_drop(m, table__seg(t, i)->lines,
                     (size_t)table__seg(t, i)->nlines * TABLE_LINE);
        if (t->nsegs > 1) mem_drop(m, t->u.dir, t->dir_cap * sizeof *s);
        table_init(t);
    } else if (t->nsegs > 1 &&
               t->count < (size_t)(t->nsegs - 1) * TABLE_PER_SEG * 2 / 5) {
        table__merge(t, m);
    } else if (s->nlines > 1 && s->count * 2 < s->nlines * TABLE_SLOTS) {
        table__refit(t, m, s, NULL, table__fit(s->count + s->count / 4));
    }
}

/* Bytes of the table's own memory. */
static size_t table_bytes(const struct table *t) {
    size_t n = t->nsegs > 1 ? mem_size(t->dir_cap * sizeof *t->u.dir) : 0;

    for (size_t i = 0; i < t->nsegs; i++)
        n += mem_lines_size((size_t)table__seg(t, i)->nlines * TABLE_LINE);
    return n;
}

/* Build the table anew under another hash function. */
static bool table_rehash(struct table *t, struct mem *m, table_hash_of *hash,
                         const void *ctx) {
    struct table fresh;

    table_init(&fresh);
    for (size_t k = 0; k < t->nsegs; k++) {
        struct table_seg *s = table__seg(t, k);

        for (uint32_t j = 0; j < s->nlines; j++)
            for (unsigned i = 0; i < TABLE_SLOTS; i++) {
                void *p = table__ptr(s->lines + j, i);

                if (p == NULL) break;
                if (!table_put(&fresh, m, hash(ctx, p), p, hash, ctx))
                    goto refused;
            }
    }
    for (size_t k = 0; k < t->nsegs; k++)
        mem_lines_drop(m, table__seg(t, k)->lines,
                 (size_t)table__seg(t, k)->nlines * TABLE_LINE);
    if (t->nsegs > 1) mem_drop(m, t->u.dir, t->dir_cap * sizeof *t->u.dir);
    *t = fresh;
    return true;
refused:
    for (size_t k = 0; k < fresh.nsegs; k++)
        mem_lines_drop(m, table__seg(&fresh, k)->lines,
                 (size_t)table__seg(&fresh, k)->nlines * TABLE_LINE);
    if (fresh.nsegs > 1)
        mem_drop(m, fresh.u.dir, fresh.dir_cap * sizeof *fresh.u.dir);
    t->suspect = false;
    return false;
}

/* An item drawn uniformly, or NULL from an empty table.  Draws slots until one
 * is used: under two draws on the average. */
static void *table_random(const struct table *t, struct rand *r,
                          struct table_at *at) {
    if (t->count == 0) return NULL;
    for (;;) {
        uint64_t n = (uint64_t)t->max_lines * TABLE_SLOTS;
        uint64_t x = rand_below(r, n * t->nsegs);
        struct table_seg *s = table__seg(t, (size_t)(x / n));
        uint32_t line = (uint32_t)(x % n / TABLE_SLOTS);
        void *p;

        if (line >= s->nlines) continue;
        p = table__ptr(s->lines + line, (unsigned)(x % TABLE_SLOTS));
        if (p == NULL) continue;
        at->seg = s;
        at->line = s->lines + line;
        at->slot = (unsigned)(x % TABLE_SLOTS);
        at->tag = table__tag(at->line, at->slot);
        at->left = s->nlines - 1;
        return p;
    }
}

/* The item in a slot, with its place in at, or NULL where there is none. */
static inline void *table__at(const struct table *t, uint32_t seg,
                              uint32_t slot, struct table_at *at) {
    struct table_seg *s = table__seg(t, seg);
    uint32_t line = slot / TABLE_SLOTS;

    if (line >= s->nlines) return NULL;
    at->seg = s;
    at->line = s->lines + line;
    at->slot = slot % TABLE_SLOTS;
    at->tag = table__tag(at->line, at->slot);
    at->left = s->nlines - 1;
    return table__ptr(at->line, at->slot);
}

/* All items of a table that has no more than TABLE_ALL, else some drawn
 * uniformly: their places; returns how many.  Slots are drawn until one is
 * used, all at once, so that the cache misses of many overlap. */
static unsigned table_sample(const struct table *t, struct rand *r,
                             struct table_at at[TABLE_ALL]) {
    uint32_t seg[TABLE_SAMPLE], slot[TABLE_SAMPLE];
    uint64_t slots = (uint64_t)t->max_lines * TABLE_SLOTS;
    unsigned n = 0, draws = TABLE_SAMPLE;
    void *p;

    if (t->nsegs == 1 && t->count <= TABLE_ALL) {
        for (uint32_t i = 0; i < slots && n < t->count; i++)
            if (table__at(t, 0, i, at + n) != NULL) n++;
        return n;
    }
    if (t->nsegs == 0) return 0;
    for (unsigned i = 0; i < draws; i++) {
        uint64_t x = rand_next(r);

        seg[i] = (uint32_t)((x >> 32) * t->nsegs >> 32);
        slot[i] = (uint32_t)((x & UINT32_MAX) * slots >> 32);
        PREFETCH(table__seg(t, seg[i]));
    }
    for (unsigned i = 0; i < draws; i++) {
        const struct table_seg *s = table__seg(t, seg[i]);

        if (slot[i] / TABLE_SLOTS < s->nlines)
            PREFETCH(s->lines + slot[i] / TABLE_SLOTS);
    }
    for (unsigned i = 0; i < draws; i++) {
        p = table__at(t, seg[i], slot[i], at + n);
        if (p == NULL) continue;
        PREFETCH(p);
        n++;
    }
    return n;
}

static uint32_t table__reverse(uint32_t v) {
    v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
    v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
    v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
    v = (v >> 8 & 0x00ff00ff) | (v & 0x00ff00ff) << 8;
    return v >> 16 | v << 16;
}

/* How many low bits of the hash pick segment i. */
static unsigned table__depth(const struct table *t, uint32_t i) {
    unsigned level = table__level(t);
    uint32_t full = (uint32_t)1 << level;

    return i >= full || i < t->nsegs - full ? level + 1 : level;
}

/* Hand each item of segment s whose tag is in [lo, hi) to see. */
static size_t table__scan_seg(const struct table_seg *s, uint32_t lo,
                              uint32_t hi, void (*see)(void *, void *),
                              void *ctx) {
    uint32_t j = table__home(lo, s->nlines), n = s->nlines;
    uint32_t end = table__home(hi - 1, s->nlines);
    size_t seen = 0;

    for (uint32_t k = 0; k < n; k++) {
        const struct table_line *l = s->lines + j;

        for (unsigned i = 0; i < TABLE_SLOTS; i++) {
            void *p = table__ptr(l, i);

            if (p == NULL) break;
            if (table__tag(l, i) < lo || table__tag(l, i) >= hi) continue;
            see(ctx, p);
            seen++;
        }
        if (k + table__home(lo, n) >= end &&
            table__ptr(l, TABLE_SLOTS - 1) == NULL)
            break;
        if (++j == n) j = 0;
    }
    return seen;
}

/* One step of a scan: hand a line's worth of items to see(ctx, item), which
 * must not change the table, and return the next cursor; 0 at the end.  Begin
 * with 0.  A cursor is below 2^32: 22 bits say which part of hash order (a
 * leading one marks how deep), 10 which part of the tags. */
static uint32_t table_scan(const struct table *t, uint32_t cursor,
                           void (*see)(void *ctx, void *item), void *ctx) {
    uint32_t prefix = cursor >> 10, part = cursor & 1023, r, i, next, lines;
    unsigned d = 0, depth;

    if (t->nsegs == 0) return 0;
    if (prefix == 0) prefix = 1, part = 0;
    while (prefix >> (d + 1) != 0) d++;
    if (d > TABLE_SCAN_DEPTH) return 0;
    r = d == 0 ? 0 : (prefix ^ (uint32_t)1 << d) << (32 - d);
    i = table__index(t, table__reverse(r));
    depth = table__depth(t, i);
    if (depth < d || (depth > d && d < TABLE_SCAN_DEPTH)) {
        if (depth < d) part = 0;
        d = depth < TABLE_SCAN_DEPTH ? depth : TABLE_SCAN_DEPTH;
        r = d == 0 ? 0 : r >> (32 - d) << (32 - d);
        i = table__index(t, table__reverse(r));
        if (table__depth(t, i) < d) d = table__depth(t, i);
    }
    lines = table__seg(t, i)->nlines;
    next = (uint32_t)(((uint64_t)(table__home(part << 6, lines) + 1) << 16) /
                      lines >> 6);
    if (next <= part) next = part + 1;
    if (next > TABLE_SCAN_PARTS) next = TABLE_SCAN_PARTS;
    depth = table__depth(t, i);
    KVNS_ASSERT(depth >= d && depth - d < 32);
    for (uint32_t k = 0; k < (uint32_t)1 << (depth - d); k++) {
        uint32_t rr = r | (depth == 0 ? 0 : k << (32 - depth) % 32);

        table__scan_seg(table__seg(t, table__index(t, table__reverse(rr))),
                        part << 6, next << 6, see, ctx);
    }
    if (next == TABLE_SCAN_PARTS) {
        if (d == 0 || (r >> (32 - d)) + 1 == (uint32_t)1 << d) return 0;
        r = (r >> (32 - d)) + 1;
        return (r | (uint32_t)1 << d) << 10;
    }
    return ((d == 0 ? 0 : r >> (32 - d)) | (uint32_t)1 << d) << 10 | next;
}

/* How many lines segment i has. */
static inline uint32_t table_lines(const struct table *t, uint32_t i) {
    return table__seg(t, i)->nlines;
}

/* Let the lines of segment i be elsewhere where that helps the arena. */
static void table_move_lines(struct table *t, struct mem *m, uint32_t i) {
    struct table_seg *s = table__seg(t, i);
    size_t bytes = (size_t)s->nlines * TABLE_LINE;
    struct table_line *to;

    if (!trim_lines_sparse(m, s->lines, bytes)) return;
    to = mem_lines_try(m, bytes);
    if (to == NULL) return;
    memcpy(to, s->lines, bytes);
    trim_lines_leave(m, s->lines, bytes);
    s->lines = to;
}

/* Let an item be elsewhere, that in slot k of line j of segment i if there is
 * one: move(ctx, item) says where, the same place as a rule.  False: there is
 * none in that line from there on, or no such line.  Moves count up. */
static bool table_move(struct table *t, struct mem *m, uint32_t i, uint32_t j,
                       unsigned k, void *(*move)(void *ctx, void *item),
                       void *ctx) {
    struct table_seg *s = table__seg(t, i);
    struct table_line *l = s->lines + j;
    void *p, *to;

    if (j >= s->nlines || k == TABLE_SLOTS) return false;
    if (k == 0 && j + 1 < s->nlines)
        for (unsigned n = 0; n < TABLE_SLOTS; n++)
            PREFETCH(table__ptr(l + 1, n));
    p = table__ptr(l, k);
    if (p == NULL) return false;        /* the used slots come first */
    to = move(ctx, p);
    m->moves++;
    table__set(l, k, to, table__tag(l, k));
    return true;
}

/* The same for all items of a segment.  Returns how many there are. */
static size_t table_move_all(struct table *t, struct mem *m, uint32_t i,
                             void *(*move)(void *ctx, void *item), void *ctx) {
    struct table_seg *s = table__seg(t, i);

    table_move_lines(t, m, i);
    for (uint32_t j = 0; j < s->nlines; j++)
        for (unsigned k = 0; table_move(t, m, i, j, k, move, ctx);) k++;
    return s->count;
}

/* Hand all items to drop(ctx, item) and forget them, at most about `budget`
 * of them a call, in whole lines.  True when the table is empty and its memory
 * gone.  The table must not be searched in between. */
static bool table_free_step(struct table *t, struct mem *m, size_t *budget,
                            void (*drop)(void *ctx, void *item), void *ctx) {
    while (t->nsegs > 0) {
        struct table_seg *s = table__seg(t, t->nsegs - 1);

        for (uint32_t j = 0; j < s->nlines && s->count > 0; j++) {
            struct table_line *l = s->lines + j;

            if (j + 1 < s->nlines)
                for (unsigned i = 0; i < TABLE_SLOTS; i++)
                    PREFETCH(table__ptr(l + 1, i));
            for (unsigned i = 0; i < TABLE_SLOTS; i++) {
                void *p = table__ptr(l, i);

                if (p == NULL) break;
                if (i == 0 && *budget == 0) return false;
                table__clear(l, i);
                s->count--;
                t->count--;
                *budget -= *budget > 0;
                drop(ctx, p);
            }
        }
        if (*budget == 0) return false;
        *budget -= 1;
        mem_lines_drop(m, s->lines, (size_t)s->nlines * TABLE_LINE);
        if (t->nsegs > 2) {
            t->nsegs--;
        } else if (t->nsegs == 2) {
            struct table_seg one = t->u.dir[0];

            mem_drop(m, t->u.dir, t->dir_cap * sizeof one);
            t->u.one = one;
            t->nsegs = 1;
            t->dir_cap = 0;
        } else {
            table_init(t);
        }
    }
    return true;
}

#ifdef KVNS_VERIFY
/* Walk all of it: order in lines, reachability, counts. */
TESTED_ONLY static void table__verify(const struct table *t) {
    size_t all = 0;

    for (size_t k = 0; k < t->nsegs; k++) {
        const struct table_seg *s = table__seg(t, k);
        size_t n = 0;

        for (uint32_t j = 0; j < s->nlines; j++) {
            bool end = false;

            for (unsigned i = 0; i < TABLE_SLOTS; i++) {
                uint32_t h;

                if (table__ptr(s->lines + j, i) == NULL) {
                    end = true;
                    continue;
                }
                KVNS_ASSERT(!end);
                n++;
                h = table__home(table__tag(s->lines + j, i), s->nlines);
                for (; h != j; h = h + 1 == s->nlines ? 0 : h + 1)
                    KVNS_ASSERT(table__ptr(s->lines + h, TABLE_SLOTS - 1) !=
                                NULL);
            }
        }
        KVNS_ASSERT(n == s->count && s->count < s->nlines * TABLE_SLOTS);
        KVNS_ASSERT(s->nlines <= t->max_lines);
        all += n;
    }
    KVNS_ASSERT(all == t->count);
}
#else
#define table__verify(t) ((void)(t))
#endif
