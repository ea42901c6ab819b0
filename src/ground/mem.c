/* ==== mem - size-class slabs, counted to the byte ==========================
 *
 * One arena (struct mem) serves one shard.  Blocks up to MEM_SMALL bytes are
 * cut from pages of 64 KiB that hold one size class each and carry no header
 * per block: masking a block's address finds its page, and the caller says
 * the size when it gives a block back.  Larger blocks are libc's.
 *
 *   page   [ header 64 | block | block | ... | block ]   64 KiB, aligned
 *
 * A class fills its fullest page first, after Bonwick's slabs (USENIX 1994),
 * so that pages nearly empty become empty and go back.  Pages come from
 * chunks mapped at once; a chunk is unmapped when all of its pages are free.
 *
 * Blocks that are freed in another order than they were made leave nearly all
 * their pages empty at the very end, so that giving them back where they
 * become empty would stop the world then.  They are only noted as dirty, and
 * mem_step gives back a few at a time.
 *
 * Where an arena holds little of many sizes, whole pages of each are too much.
 * A page's memory is used from its beginning, and mem_trim_begin and
 * mem_trim_end, with the owners of blocks moving them in between, see to it
 * that a class's last page ends soon, and give what is behind that back:
 *
 *   page   [ header | # . . # . . . # . . ]     blocks beyond the cut move,
 *   after  [ header | # # # ]                   to where there is room
 *
 * Less than a piece of the system's (4 KiB) cannot be given back, so of many
 * sizes in many arenas the half used pieces alone would be too much: 256
 * arenas of 105 sizes, and each has one.  Sizes of which there is less than
 * fills some pieces therefore lie together in mixed pages, which have a bit
 * for each 8 bytes: blocks are moved there when they are moved anyway, and in
 * an arena that is `frugal`, one of many, the first of each size go there at
 * once.
 *
 *   mixed  [ header | bits | 24 | 112 | 8 | 640     | 24 | ... ]
 *
 * Runs of lines, of 2 to 15 KiB, are cut from pages of their own that have a
 * bit for each line.  They are refitted all the time, to any size, so the
 * smallest hole is taken that is large enough.
 *
 * `used` counts what blocks really take, rounding included: the difference of
 * `used` before and after an operation is what the operation cost.
 *
 * What is made of many blocks can go from one arena's owner to another's as it
 * is (mem_hand): its bytes are the other's at once, its blocks stay where they
 * are, as guests.  When the other gives one back, it pushes it onto a list of
 * the block's home, as Mimalloc does (Leijen, MSR-TR-2019-18), and the home
 * puts it into its page when its turn comes (mem_take_back).
 *
 * mem_try may be refused.  mem_new may not: it draws on a spare page that
 * mem_refill keeps ready between commands.  An arena is used by one thread at
 * a time.  KVNS_MALLOC hands every block to malloc, for ASan and valgrind.
 *
 * floor 0 - uses: base
 */
enum {
    MEM_PAGE = 65536,           /* bytes of a page, and its alignment */
    MEM_HEAD = 64,              /* bytes of its header */
    MEM_BODY = MEM_PAGE - MEM_HEAD,
    MEM_SMALL = 8128,           /* largest block cut from a page */
    MEM_LINES_SMALL = 2048,     /* longer runs of lines are no blocks, */
    MEM_LINES_MOST = 15360,     /* and those beyond are libc's */
    MEM_LINE = 64,
    MEM_LINES = MEM_PAGE / MEM_LINE,
    MEM_LINES_HEAD = 3,         /* lines before the first that is used */
    MEM_RUNS = 16,              /* lists of pages by their longest hole */
    MEM_CLASSES = 104,
    MEM_MIXED = MEM_CLASSES + 1,    /* pages of many sizes, and before them */
    MEM_KINDS = MEM_CLASSES + 2,    /* those of lines */
    MEM_UNIT = 8,               /* what mixed pages are parted into */
    MEM_UNITS = MEM_PAGE / MEM_UNIT,
    MEM_UNITS_HEAD = (MEM_HEAD + MEM_UNITS / 8) / MEM_UNIT,
    MEM_MIX = 8192,             /* most bytes of a class in mixed pages */
    MEM_FEW = 4,                /* pages of a class that are looked at alone */
    MEM_SYSTEM = 4096,          /* what goes back of a page in use */
    MEM_BINS = 8,               /* pages of a class by fullness, in eighths */
    MEM_CHUNK_PAGES = 64,       /* most pages mapped at once */
    MEM_KEEP_PAGES = 16,        /* empty pages kept before giving back */
    MEM_STEP_PAGES = 4          /* pages given back in a step */
};

struct mem_page {
    struct mem_page *next, *prev;
    void *free;                 /* blocks given back, linked through */
    struct mem_chunk *chunk;
    uint32_t size;              /* of its blocks; 0: the page is empty */
    uint32_t fresh;             /* offset of the first block never used */
    uint32_t cut;               /* being trimmed: blocks from here on are to
                                   move; 0: it is not */
    uint16_t live, cap;         /* blocks in use, blocks in all */
    void *parked;               /* free blocks beyond the cut, not in cap */
    uint8_t bin;                /* MEM_BINS: full, in no list */
    uint8_t class;
    uint8_t run;                /* of lines: its list */
    bool doomed : 1;            /* all that is in it is to move */
    bool stale : 1;             /* in memory also where it is not used yet */
    bool partly : 1;            /* not used to its end so far */
    uint16_t touched;           /* of lines, mixed: the sixteenths in memory */
};

_Static_assert(sizeof(struct mem_page) <= MEM_HEAD, "the header fits");

struct mem_chunk {
    struct mem *home;           /* whose it is */
    struct mem_chunk *next, *prev;
    struct mem_chunk *next_idle, *prev_idle;    /* if it has empty pages */
    char *base;
    uint32_t pages, idle;       /* in all, and empty ones */
    uint64_t empty;             /* which those are, a bit each; nothing of
                                   them need be in memory */
    uint64_t dirty;             /* those of them that still are */
};

struct mem {
    size_t used;                /* bytes of live blocks, as rounded */
    size_t held;                /* bytes obtained from the system */
    size_t kept;                /* of `used`: for a snapshot alone, as their
                                   owners count; modulo, where these went from
                                   one arena to another */
    size_t away;                /* bytes of its blocks that are others' to use
                                   less those of others that are its own to
                                   use; modulo SIZE_MAX + 1 */
    bool guests;                /* there may be blocks of others */
    _Atomic(void *) back;       /* its blocks that others gave back, linked */
    void *taken;                /* these, on their way into their pages */
    uint64_t moves;             /* counts up when items of tables may have
                                   left their places, see table */
    struct mem_page *bins[MEM_CLASSES][MEM_BINS];
    struct mem_page *current[MEM_KINDS];    /* NULL beyond MEM_CLASSES */
    struct mem_page *trim[MEM_KINDS];       /* the one that is cut */
    struct mem_page *runs[MEM_RUNS];        /* pages of lines */
    struct mem_page *mixed;                 /* pages of many sizes */
    uint16_t mixes[MEM_CLASSES];    /* blocks in them */
    bool mix[MEM_CLASSES];          /* new ones go there, while it is trimmed */
    bool frugal;                /* the first few of each class do so always */
    uint32_t count[MEM_KINDS][MEM_BINS];    /* pages in the bins */
    uint8_t sparse[MEM_KINDS];      /* pages below that bin are to be emptied,
                                       see mem_survey */
    size_t untouched;           /* bytes of pages in use not in memory yet */
    uint32_t stale_pages, partly_pages;
    struct mem_chunk *idle;     /* those with empty pages */
    struct mem_page *spare;     /* for mem_new in need */
    struct mem_chunk *chunks;
    uint32_t idle_pages;
    uint32_t dirty_pages;       /* of them, in memory */
    struct mem_page *dirty;     /* these, the latest first */
};

#if defined(KVNS_FAULTS)
/* Tests count down to the request that is refused; negative: never. */
static long mem_countdown = -1;
#define MEM_REFUSED() (mem_countdown >= 0 && mem_countdown-- == 0)
#else
#define MEM_REFUSED() 0
#endif

/* The class of a block of n bytes, 1 to MEM_SMALL; *size as rounded.
 * Steps of 8 to 512, eighths of a doubling to 2048, then as many as fit a
 * page exactly, so that no page wastes its end. */
static inline unsigned mem__class(size_t n, uint32_t *size) {
    uint32_t k, s;

    if (n <= 512) {
        k = n <= 8 ? 1 : (uint32_t)((n + 7) >> 3);
        *size = k << 3;
        return k - 1;
    }
    if (n <= 1024) {
        k = (uint32_t)((n - 512 + 63) >> 6);
        *size = 512 + (k << 6);
        return 63 + k;
    }
    if (n <= 2048) {
        k = (uint32_t)((n - 1024 + 127) >> 7);
        *size = 1024 + (k << 7);
        return 71 + k;
    }
    k = (uint32_t)(MEM_BODY / n);
    s = MEM_BODY / k & ~63u;
    if (s < n) s = MEM_BODY / --k & ~63u;
    *size = s;
    return 79 + 32 - k;         /* k is 31 down to 8 */
}

static inline size_t mem__large_size(size_t n) {
    uint32_t size;

    if (n > MEM_SMALL) return ((n + 15) & ~(size_t)15) + 16;
    mem__class(n, &size);
    return size;
}

/* The bytes that a block of n really takes. */
static INLINE size_t mem_size(size_t n) {
    if (LIKELY(n > 8 && n <= 512)) return (n + 7) & ~(size_t)7;
    return mem__large_size(n);
}

static inline struct mem_page *mem__page(void *p) {
    return (struct mem_page *)((uintptr_t)p & ~(uintptr_t)(MEM_PAGE - 1));
}

static inline void mem__link(struct mem_page **list, struct mem_page *page) {
    page->prev = NULL;
    page->next = *list;
    if (*list != NULL) (*list)->prev = page;
    *list = page;
}

static inline void mem__unlink(struct mem_page **list,
                               struct mem_page *page) {
    if (page->prev != NULL) page->prev->next = page->next;
    else *list = page->next;
    if (page->next != NULL) page->next->prev = page->prev;
}

/* Address space of n pages, aligned to a page, or NULL. */
static char *mem__map(size_t n) {
    size_t bytes = n * MEM_PAGE;
#if defined(MAP_ANONYMOUS) && !defined(KVNS_PLAIN)
    size_t lead;
    char *p = mmap(NULL, bytes + MEM_PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) return NULL;
    lead = (MEM_PAGE - ((uintptr_t)p & (MEM_PAGE - 1))) & (MEM_PAGE - 1);
    if (lead != 0) munmap(p, lead);
    if (lead != MEM_PAGE) munmap(p + lead + bytes, MEM_PAGE - lead);
    return p + lead;
#else
    void *p;

    return posix_memalign(&p, MEM_PAGE, bytes) == 0 ? p : NULL;
#endif
}

static void mem__unmap(char *p, size_t n) {
#if defined(MAP_ANONYMOUS) && !defined(KVNS_PLAIN)
    munmap(p, n * MEM_PAGE);
#else
    (void)n;
    free(p);
#endif
}

static void mem__link_idle(struct mem *m, struct mem_chunk *c) {
    c->prev_idle = NULL;
    c->next_idle = m->idle;
    if (m->idle != NULL) m->idle->prev_idle = c;
    m->idle = c;
}

static void mem__unlink_idle(struct mem *m, struct mem_chunk *c) {
    if (c->prev_idle != NULL) c->prev_idle->next_idle = c->next_idle;
    else m->idle = c->next_idle;
    if (c->next_idle != NULL) c->next_idle->prev_idle = c->prev_idle;
}

/* Map a chunk, larger as the arena grows; its pages are empty. */
static bool mem__more(struct mem *m) {
    size_t n = size_max(4, size_min(MEM_CHUNK_PAGES, m->held / MEM_PAGE / 4));
    struct mem_chunk *c = malloc(sizeof *c);

    if (c == NULL) return false;
    c->base = mem__map(n);
    if (c->base == NULL && n > 1) c->base = mem__map(n = 1);
    if (c->base == NULL) {
        free(c);
        return false;
    }
    c->pages = c->idle = (uint32_t)n;
    c->home = m;
    c->prev = NULL;
    c->next = m->chunks;
    if (m->chunks != NULL) m->chunks->prev = c;
    m->chunks = c;
    c->empty = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
    c->dirty = 0;
    m->held += n * MEM_PAGE;
    m->idle_pages += (uint32_t)n;
    mem__link_idle(m, c);
    return true;
}

/* Give back a chunk whose pages are all empty. */
static void mem__less(struct mem *m, struct mem_chunk *c) {
    mem__unlink_idle(m, c);
    m->idle_pages -= c->pages;
    m->held -= (size_t)c->pages * MEM_PAGE;
    if (c->prev != NULL) c->prev->next = c->next;
    else m->chunks = c->next;
    if (c->next != NULL) c->next->prev = c->prev;
    mem__unmap(c->base, c->pages);
    free(c);
}

/* The page's bit in its chunk. */
static inline uint64_t mem__bit(const struct mem_page *page) {
    return UINT64_C(1) << (size_t)((const char *)page - page->chunk->base) /
                              MEM_PAGE;
}

/* An empty page is in use again, or in memory no more. */
static inline void mem__clean(struct mem *m, struct mem_page *page,
                              uint64_t bit) {
    page->chunk->dirty &= ~bit;
    m->dirty_pages--;
    mem__unlink(&m->dirty, page);
}

static struct mem_page *mem__take_page(struct mem *m) {
    struct mem_page *page = m->dirty;
    struct mem_chunk *c;
    uint64_t bit;
    unsigned i = 0;
    bool stale;

    if (page == NULL && m->idle == NULL && (MEM_REFUSED() || !mem__more(m)))
        return NULL;
    c = page != NULL ? page->chunk : m->idle;
    stale = page != NULL;
    if (stale) {
        bit = mem__bit(page);
        mem__clean(m, page, bit);
    } else {
        while ((c->empty >> i & 1) == 0) i++;
        bit = UINT64_C(1) << i;
        page = (struct mem_page *)(c->base + (size_t)i * MEM_PAGE);
    }
    c->empty &= ~bit;
    if (--c->idle == 0) mem__unlink_idle(m, c);
    m->idle_pages--;
    page->chunk = c;
    page->stale = stale;
    return page;
}

/* A page is what its fresh part says it is, in memory, from now on. */
static inline void mem__freshen(struct mem *m, struct mem_page *page) {
    if (page->stale) m->stale_pages--;
    page->stale = false;
}

/* A page is used to its end, from now on. */
static inline void mem__ended(struct mem *m, struct mem_page *page) {
    if (page->partly) m->partly_pages--;
    page->partly = false;
}

/* How many empty pages are kept at hand: some of a small arena would be much
 * of it. */
static inline uint32_t mem__keep(const struct mem *m) {
    size_t pages = m->held / MEM_PAGE;

    pages -= size_min(pages, m->idle_pages);
    return (uint32_t)size_min(MEM_KEEP_PAGES, pages / 32);
}

static COLD void mem__drop_page(struct mem *m, struct mem_page *page) {
    struct mem_chunk *c = page->chunk;
    uint64_t bit = mem__bit(page);

    if (page->cut != 0) m->trim[page->class] = NULL;
    m->untouched -= MEM_PAGE - page->fresh;
    mem__freshen(m, page);
    mem__ended(m, page);
    page->size = 0;
    if (c->idle++ == 0) mem__link_idle(m, c);
    c->empty |= bit;
    c->dirty |= bit;
    m->idle_pages++;
    m->dirty_pages++;
    mem__link(&m->dirty, page);
}

static inline bool mem__has_pages(const struct mem *m) {
    return m->dirty_pages > mem__keep(m);
}

/* Are there pages to be given back, or blocks to be taken back? */
static inline bool mem_has_work(const struct mem *m) {
    return mem__has_pages(m) || m->taken != NULL ||
           atomic_load_explicit(&m->back, memory_order_relaxed) != NULL;
}

/* Could the arena do without the chunk? */
static inline bool mem__is_spare(const struct mem *m,
                                 const struct mem_chunk *c) {
    return c->idle == c->pages && m->idle_pages - c->pages >= mem__keep(m);
}

/* Give back chunks whose pages are all empty though some are in memory, which
 * are few by now. */
static COLD void mem__tidy(struct mem *m) {
    struct mem_page *page = m->dirty, *next;

    for (; page != NULL; page = next) {
        struct mem_chunk *c = page->chunk;

        next = page->next;
        if (!mem__is_spare(m, c)) continue;
        mem__clean(m, page, mem__bit(page));
        if (c->dirty == 0) mem__less(m, c);
    }
}

/* Give some empty pages back to the system, and chunks of which none is in
 * use; returns how many pages that were. */
static uint32_t mem_step(struct mem *m) {
    uint32_t n = 0;

    for (; n < MEM_STEP_PAGES && mem__has_pages(m); n++) {
        struct mem_page *page = m->dirty;
        struct mem_chunk *c = page->chunk;

        mem__clean(m, page, mem__bit(page));
#if defined(MADV_DONTNEED) && !defined(KVNS_PLAIN)
        madvise(page, MEM_PAGE, MADV_DONTNEED);
#endif
        if (c->dirty == 0 && mem__is_spare(m, c)) mem__less(m, c);
    }
    if (n > 0 && !mem__has_pages(m)) mem__tidy(m);
    return n;
}

/* Take a page out of its bin, if it is in one. */
static inline void mem__bin_out(struct mem *m, struct mem_page *page,
                                unsigned class) {
    if (page->bin == MEM_BINS) return;
    m->count[class][page->bin]--;
    mem__unlink(&m->bins[class][page->bin], page);
    page->bin = MEM_BINS;
}

/* Put a page into the bin that it belongs to; none if it is full. */
static inline void mem__bin_in(struct mem *m, struct mem_page *page,
                               unsigned class) {
    unsigned bin = page->live * MEM_BINS / page->cap;

    page->bin = (uint8_t)bin;
    if (bin == MEM_BINS) return;
    m->count[class][bin]++;
    mem__link(&m->bins[class][bin], page);
}

/* Which units of a page are used, a bit each; its head among them. */
static inline uint64_t *mem__bits(struct mem_page *page) {
    return (uint64_t *)(void *)((char *)page + MEM_HEAD);
}

/* The first unit from i on that is used, or is not, or `limit` or more. */
static inline unsigned mem__bit_from(const uint64_t *used, unsigned i,
                                     unsigned limit, bool is) {
    while (i < limit) {
        uint64_t w = (is ? used[i / 64] : ~used[i / 64]) >> i % 64;

        if (w == 0) {
            i = (i / 64 + 1) * 64;
            continue;
        }
#if defined(__GNUC__)
        return i + (unsigned)__builtin_ctzll(w);
#else
        while ((w & 1) == 0) w >>= 1, i++;
        return i;
#endif
    }
    return limit;
}

/* Units are used, or no more. */
static void mem__mark(struct mem_page *page, unsigned at, unsigned n) {
    uint64_t *used = mem__bits(page);

    for (unsigned i = at; i < at + n;) {
        unsigned k = 64 - i % 64;
        uint64_t w = UINT64_MAX;

        if (k > at + n - i) {
            k = at + n - i;
            w = (UINT64_C(1) << k) - 1;
        }
        used[i / 64] ^= w << i % 64;
        i += k;
    }
}

/* Let an empty page be one of blocks of a size. */
static void mem__open(struct mem *m, struct mem_page *page, unsigned class,
                      uint32_t size, uint32_t cap) {
    page->free = page->parked = NULL;
    page->size = size;
    page->fresh = MEM_HEAD;
    page->cut = 0;
    page->live = 0;
    page->cap = (uint16_t)cap;
    page->class = (uint8_t)class;
    page->bin = MEM_BINS;
    page->doomed = false;
    page->partly = true;
    m->partly_pages++;
    m->untouched += MEM_PAGE - MEM_HEAD;
    if (page->stale) m->stale_pages++;
}

/* Let an empty page be one that is parted by bits for its units, of which the
 * first few are its head. */
static void mem__open_bits(struct mem *m, struct mem_page *page,
                           unsigned kind, uint32_t unit, uint32_t head) {
    mem__open(m, page, kind, unit, MEM_PAGE / unit - head);
    memset(mem__bits(page), 0, MEM_PAGE / unit / 8);
    mem__mark(page, 0, head);
    page->touched = page->stale ? 0xffff : 1;
    page->fresh = MEM_PAGE;
    m->untouched -= MEM_PAGE - MEM_HEAD;
    mem__freshen(m, page);
    mem__ended(m, page);
    if (page->touched == 1) m->untouched += MEM_PAGE - MEM_SYSTEM;
}

/* Note which sixteenths of such a page come into memory. */
static void mem__touch(struct mem *m, struct mem_page *page, size_t from,
                       size_t bytes) {
    size_t end = (from + bytes - 1) / MEM_SYSTEM;

    for (size_t i = from / MEM_SYSTEM; i <= end; i++)
        if ((page->touched >> i & 1) == 0) {
            page->touched |= (uint16_t)(1u << i);
            m->untouched -= MEM_SYSTEM;
        }
}

/* A place for n units of a mixed page, on a cache line if need be: the first
 * there is.  0: there is none. */
static unsigned mem__mixed_hole(struct mem_page *page, unsigned n, bool line) {
    const uint64_t *used = mem__bits(page);
    unsigned limit = page->cut != 0 ? page->cut / MEM_UNIT : MEM_UNITS, end;

    for (unsigned i = MEM_UNITS_HEAD;; i = end) {
        i = mem__bit_from(used, i, limit, false);
        if (i >= limit) return 0;
        end = mem__bit_from(used, i, limit, true);
        if (line) i = (i + 7) & ~7u;
        if (i + n <= end) return i;
    }
}

/* A block in a mixed page, or NULL.  It has two units or more: a guest given
 * back says its size in the second. */
static void *mem__mixed_try(struct mem *m, unsigned class, uint32_t size) {
    struct mem_page *page;
    unsigned n = size / MEM_UNIT, at = 0;

    for (page = m->mixed; page != NULL; page = page->next) {
        if (page->doomed || page->live + n > page->cap) continue;
        at = mem__mixed_hole(page, n, size % MEM_LINE == 0);
        if (at != 0) break;
    }
    if (page == NULL) {
        page = mem__take_page(m);
        if (page == NULL) return NULL;
        mem__open_bits(m, page, MEM_MIXED, MEM_UNIT, MEM_UNITS_HEAD);
        page->size = 0;
        page->bin = MEM_BINS + 1;       /* none that mem__small_drop expects */
        mem__link(&m->mixed, page);
        at = mem__mixed_hole(page, n, size % MEM_LINE == 0);
    }
    mem__mark(page, at, n);
    mem__touch(m, page, (size_t)at * MEM_UNIT, size);
    page->live += (uint16_t)n;
    m->mixes[class]++;
    m->used += size;
    return (char *)page + (size_t)at * MEM_UNIT;
}

/* Give such a block back, of which mem__small_drop has taken off one unit. */
static void mem__mixed_drop(struct mem *m, struct mem_page *page, void *p,
                            size_t n) {
    uint32_t size;
    unsigned class = mem__class(n, &size);

    VERIFY(m->mixes[class] > 0 && page->live + 1 >= (int)(size / MEM_UNIT));
    m->mixes[class]--;
    m->used -= size;
    page->free = NULL;
    page->live += 1;
    page->live -= (uint16_t)(size / MEM_UNIT);
    mem__mark(page, (unsigned)((char *)p - (char *)page) / MEM_UNIT,
              size / MEM_UNIT);
    if (page->live > 0) return;
    mem__unlink(&m->mixed, page);
    mem__touch(m, page, 0, MEM_PAGE);
    mem__drop_page(m, page);
}

/* Is a block of a class to be in a mixed page?  In a frugal arena, until
 * there are as many as fill a piece of the system's. */
static inline bool mem__mixes(const struct mem *m, unsigned class,
                              uint32_t size) {
    return m->frugal && (m->mixes[class] + 1u) * size < MEM_SYSTEM;
}

/* Find a page of the class with room: the fullest, or an empty one. */
static struct mem_page *mem__page_for(struct mem *m, unsigned class,
                                      uint32_t size, bool must) {
    struct mem_page *page;

    for (int b = MEM_BINS - 1; b >= 0; b--) {
        page = m->bins[class][b];
        if (page == NULL) continue;
        mem__bin_out(m, page, class);
        page->doomed = false;
        return m->current[class] = page;
    }
    page = mem__take_page(m);
    if (page == NULL && must) {
        page = m->spare;
        m->spare = NULL;
    }
    if (page == NULL) return NULL;
    mem__open(m, page, class, size, MEM_BODY / size);
    return m->current[class] = page;
}

/* A block of a page that has room. */
static inline void *mem__cut_off(struct mem *m, struct mem_page *page,
                                 uint32_t size) {
    void *p = page->free;

    if (p != NULL) {
        memcpy(&page->free, p, sizeof p);
    } else {
        p = (char *)page + page->fresh;
        page->fresh += size;
        m->untouched -= size;
    }
    page->live++;
    m->used += size;
    return p;
}

/* A block of a class whose current page is full, or which has none. */
static COLD void *mem__elsewhere(struct mem *m, unsigned class, uint32_t size,
                                 bool must) {
    struct mem_page *page = m->current[class];
    void *p;

    if (page != NULL) {
        page->bin = MEM_BINS;
        if (page->cut == 0) {           /* full to its end */
            mem__freshen(m, page);
            mem__ended(m, page);
        }
    }
    m->current[class] = NULL;
    if (class > 0 && (m->mix[class] || mem__mixes(m, class, size))) {
        p = mem__mixed_try(m, class, size);
        if (p != NULL) return p;
    }
    page = mem__page_for(m, class, size, must);
    return page != NULL ? mem__cut_off(m, page, size) : NULL;
}

static inline void *mem__small(struct mem *m, size_t n, bool must) {
    uint32_t size;
    unsigned class = mem__class(n, &size);
    struct mem_page *page = m->current[class];

    if (UNLIKELY(page == NULL || page->live == page->cap))
        return mem__elsewhere(m, class, size, must);
    return mem__cut_off(m, page, size);
}

/* A block was given back and left its page empty, emptier than its bin says,
 * or was in a mixed one. */
static void mem__emptier(struct mem *m, struct mem_page *page, void *p,
                         size_t n) {
    unsigned class = page->class;

    if (class == MEM_MIXED) {
        mem__mixed_drop(m, page, p, n);
        return;
    }
    mem__bin_out(m, page, class);
    if (page->live == 0) mem__drop_page(m, page);
    else mem__bin_in(m, page, class);
}

static inline void mem__small_drop(struct mem *m, void *p, size_t n) {
    struct mem_page *page = mem__page(p);

    VERIFY(page->live > 0 && page->size == (page->class == MEM_MIXED ?
                                                0 : mem_size(n)));
    m->used -= page->size;
    memcpy(p, &page->free, sizeof p);
    page->free = p;
    page->live--;
    if (page == m->current[page->class]) return;
    if (page->live == 0 || page->live * MEM_BINS / page->cap != page->bin)
        mem__emptier(m, page, p, n);
}

/* Is a block of a page another arena's?  What the page's header says of that
 * holds as long as there is a block in it. */
static inline bool mem__is_guest(const struct mem *m, void *p) {
    return UNLIKELY(m->guests) && mem__page(p)->chunk->home != m;
}

/* Give a guest's block, of n bytes as rounded, back to its home. */
static COLD void mem__send_home(struct mem *m, void *p, size_t n) {
    struct mem *home = mem__page(p)->chunk->home;
    void *next = atomic_load_explicit(&home->back, memory_order_relaxed);

    m->used -= n;
    m->away += n;
    if (mem__page(p)->class == MEM_MIXED)   /* whose header says no size */
        memcpy((char *)p + sizeof p, &n, sizeof n);
    do {
        memcpy(p, &next, sizeof p);
    } while (!atomic_compare_exchange_weak_explicit(
        &home->back, &next, p, memory_order_release, memory_order_relaxed));
}

/* What is made of n bytes of blocks is another's to use, as it is.  Nobody
 * uses either arena meanwhile. */
static void mem_hand(struct mem *from, struct mem *to, size_t n) {
    from->used -= n;
    from->away += n;
    from->moves++;
    to->used += n;
    to->away -= n;
    to->moves++;
    to->guests = true;
}

static void *mem__large(struct mem *m, size_t n) {
    void *p = MEM_REFUSED() ? NULL : malloc(n);

    if (p == NULL) return NULL;
    m->used += mem_size(n);
    m->held += mem_size(n);
    return p;
}

/* A block of n > 0 bytes, aligned to 8, or NULL when it is refused. */
static inline void *mem_try(struct mem *m, size_t n) {
#if defined(KVNS_MALLOC)
    void *p = MEM_REFUSED() ? NULL : malloc(n);

    if (p != NULL) m->used += mem_size(n);
    return p;
#else
    if (LIKELY(n <= MEM_SMALL)) return mem__small(m, n, false);
    return mem__large(m, n);
#endif
}

/* A block of n > 0 bytes that somebody must have: from the spare page if need
 * be.  Ends the program when that is gone too; never for client's sizes. */
static inline void *mem_new(struct mem *m, size_t n) {
#if defined(KVNS_MALLOC)
    void *p = malloc(n);

    if (p != NULL) m->used += mem_size(n);
#else
    void *p = n <= MEM_SMALL ? mem__small(m, n, true) : mem__large(m, n);
#endif
    if (UNLIKELY(p == NULL)) base_no_memory();
    return p;
}

/* Give back a block that was asked for with n bytes; p may be NULL. */
static inline void mem_drop(struct mem *m, void *p, size_t n) {
    if (p == NULL) return;
#if defined(KVNS_MALLOC)
    m->used -= mem_size(n);
    free(p);
#else
    if (LIKELY(n <= MEM_SMALL)) {
        if (mem__is_guest(m, p)) mem__send_home(m, p, mem_size(n));
        else mem__small_drop(m, p, n);
        return;
    }
    m->used -= mem_size(n);
    m->held -= mem_size(n);
    free(p);
#endif
}

/* The same of a block that is certainly this arena's own. */
static inline void mem_drop_own(struct mem *m, void *p, size_t n) {
#if !defined(KVNS_MALLOC)
    if (LIKELY(n <= MEM_SMALL)) {
        VERIFY(mem__page(p)->chunk->home == m);
        mem__small_drop(m, p, n);
        return;
    }
#endif
    mem_drop(m, p, n);
}

/* Make a block of `old` bytes one of n, its contents kept.  NULL when that is
 * refused: then the block is as it was. */
static void *mem_resize(struct mem *m, void *p, size_t old, size_t n) {
    void *q;

#if defined(KVNS_MALLOC)
    if (p != NULL) {
        q = mem_size(old) != mem_size(n) && MEM_REFUSED() ? NULL :
                                                             realloc(p, n);
        if (q != NULL) m->used += mem_size(n) - mem_size(old);
        return q;
    }
#endif
    if (p != NULL && old <= MEM_SMALL && n <= MEM_SMALL &&
        mem_size(old) == mem_size(n))
        return p;
    if (p != NULL && old > MEM_SMALL && n > MEM_SMALL) {
        /* even where the sizes round to the same: libc's block has only the
         * bytes that were asked for */
        q = mem_size(old) != mem_size(n) && MEM_REFUSED() ? NULL :
                                                             realloc(p, n);
        if (q == NULL) return NULL;
        m->used += mem_size(n) - mem_size(old);
        m->held += mem_size(n) - mem_size(old);
        return q;
    }
    q = mem_try(m, n);
    if (q == NULL) return NULL;
    if (p != NULL) memcpy(q, p, size_min(old, n));
    mem_drop(m, p, old);
    return q;
}

/* What mem_lines_try really takes for n bytes, a multiple of 64. */
static inline size_t mem_lines_size(size_t n) {
    return n <= MEM_LINES_SMALL ? mem_size(n) : n;
}

/* The smallest hole of n lines or more, or 0; *most: how long the longest
 * one is. */
static unsigned mem__hole(struct mem_page *page, unsigned n, unsigned *most) {
    const uint64_t *used = mem__bits(page);
    unsigned best = 0, best_n = MEM_LINES, end;

    *most = 0;
    for (unsigned i = 0;; i = end) {
        i = mem__bit_from(used, i, MEM_LINES, false);
        if (i == MEM_LINES) return best;
        end = mem__bit_from(used, i, MEM_LINES, true);
        if (end - i > *most) *most = end - i;
        if (end - i < n || end - i >= best_n) continue;
        best = i;
        best_n = end - i;
    }
}

/* Put a page of lines into its lists. */
static void mem__run_in(struct mem *m, struct mem_page *page) {
    unsigned most, bin = page->live * MEM_BINS / page->cap;

    mem__hole(page, MEM_LINES, &most);
    page->run = (uint8_t)size_min(most / 16, MEM_RUNS - 1);
    mem__link(&m->runs[page->run], page);
    page->bin = (uint8_t)bin;
    if (bin < MEM_BINS) m->count[MEM_CLASSES][bin]++;
}

static void mem__run_out(struct mem *m, struct mem_page *page) {
    mem__unlink(&m->runs[page->run], page);
    if (page->bin < MEM_BINS) m->count[MEM_CLASSES][page->bin]--;
}

/* A page with a hole of n lines, in no list now; *at says where. */
static struct mem_page *mem__run_for(struct mem *m, unsigned n, unsigned *at) {
    struct mem_page *page;
    unsigned most;

    for (unsigned i = n / 16; i < MEM_RUNS; i++) {
        unsigned tries = MEM_FEW;

        for (page = m->runs[i]; page != NULL && tries > 0;
             page = page->next, tries--) {
            *at = mem__hole(page, n, &most);
            if (*at == 0) continue;
            mem__run_out(m, page);
            return page;
        }
    }
    page = mem__take_page(m);
    if (page == NULL) return NULL;
    mem__open_bits(m, page, MEM_CLASSES, MEM_LINE, MEM_LINES_HEAD);
    *at = MEM_LINES_HEAD;
    return page;
}

static void *mem__run(struct mem *m, size_t bytes) {
    unsigned n = (unsigned)(bytes / MEM_LINE), at;
    struct mem_page *page = mem__run_for(m, n, &at);

    if (page == NULL) return NULL;
    mem__mark(page, at, n);
    mem__touch(m, page, (size_t)at * MEM_LINE, bytes);
    page->live += (uint16_t)n;
    mem__run_in(m, page);
    m->used += bytes;
    return (char *)page + (size_t)at * MEM_LINE;
}

static void mem__run_drop(struct mem *m, void *p, size_t bytes) {
    unsigned n = (unsigned)(bytes / MEM_LINE);
    struct mem_page *page = mem__page(p);

    if (mem__is_guest(m, p)) {
        memcpy((char *)p + sizeof p, &bytes, sizeof bytes);
        mem__send_home(m, p, bytes);
        return;
    }
    VERIFY(page->class == MEM_CLASSES && page->live >= n);
    mem__run_out(m, page);
    mem__mark(page, (unsigned)((char *)p - (char *)page) / MEM_LINE, n);
    page->live -= (uint16_t)n;
    m->used -= bytes;
    if (page->live > 0) {
        mem__run_in(m, page);
        return;
    }
    mem__touch(m, page, 0, MEM_PAGE);
    mem__drop_page(m, page);
}

/* Put blocks that others gave back into their pages, at most so many; returns
 * how many. */
static size_t mem_take_back(struct mem *m, size_t most) {
    size_t i = 0, n;

    for (; i < most; i++) {
        char *p = m->taken;
        struct mem_page *page;

        if (p == NULL &&
            atomic_load_explicit(&m->back, memory_order_relaxed) != NULL)
            p = atomic_exchange_explicit(&m->back, NULL, memory_order_acquire);
        if (p == NULL) break;
        memcpy(&m->taken, p, sizeof m->taken);
        page = mem__page(p);
        n = page->size;
        if (page->class >= MEM_CLASSES)
            memcpy(&n, p + sizeof(void *), sizeof n);
        m->used += n;
        m->away -= n;
        if (page->class == MEM_CLASSES) mem__run_drop(m, p, n);
        else mem__small_drop(m, p, n);
    }
    return i;
}

/* A block of n bytes, n a multiple of 64, aligned to a cache line of 64; or
 * NULL. */
static void *mem_lines_try(struct mem *m, size_t n) {
    void *p;

#if !defined(KVNS_MALLOC)
    if (n <= MEM_LINES_SMALL) return mem_try(m, n);
    if (n <= MEM_LINES_MOST) return mem__run(m, n);
#endif
    if (MEM_REFUSED() || posix_memalign(&p, 64, n) != 0) return NULL;
    m->used += mem_lines_size(n);
    m->held += mem_lines_size(n);
    return p;
}

/* Give such a block back. */
static void mem_lines_drop(struct mem *m, void *p, size_t n) {
    if (p == NULL) return;
    m->moves++;
#if !defined(KVNS_MALLOC)
    if (n <= MEM_LINES_SMALL) {
        mem_drop(m, p, n);
        return;
    }
    if (n <= MEM_LINES_MOST) {
        mem__run_drop(m, p, n);
        return;
    }
#endif
    m->used -= mem_lines_size(n);
    m->held -= mem_lines_size(n);
    free(p);
}

/* Bytes of an arena's own blocks, whose ever they are to use.  Modulo, since
 * large ones, which are libc's, are wherever they are used. */
static inline size_t mem_own(const struct mem *m) {
    return m->used + m->away;
}

/* Bytes in use, or in memory in pages with something in use; of an arena's own
 * blocks, modulo like them.  The last piece of the system's that a page has
 * begun is taken to be used half. */
static inline size_t mem_active(const struct mem *m) {
    size_t idle = m->idle_pages + (size_t)(m->spare != NULL);

    return m->held - idle * MEM_PAGE - m->untouched +
           size_min(m->untouched, (size_t)m->stale_pages * MEM_PAGE +
                                      (size_t)m->partly_pages *
                                          (MEM_SYSTEM / 2));
}

static inline size_t mem__up(size_t n) {
    return (n + MEM_SYSTEM - 1) & ~(size_t)(MEM_SYSTEM - 1);
}

/* The pages of a kind that have room, if there are few; returns how many
 * there are, MEM_FEW + 1 for more. */
static unsigned mem__few(const struct mem *m, unsigned kind,
                         struct mem_page **to) {
    unsigned n = 0, lists = kind < MEM_CLASSES ? MEM_BINS : MEM_RUNS;
    struct mem_page *const *list = kind < MEM_CLASSES ? m->bins[kind] :
                                                        m->runs;

    if (kind < MEM_CLASSES && m->current[kind] != NULL)
        to[n++] = m->current[kind];
    for (unsigned i = 0; i < lists; i++)
        for (struct mem_page *p = list[i]; p != NULL; p = p->next) {
            if (n == MEM_FEW) return MEM_FEW + 1;
            to[n++] = p;
        }
    return n;
}

/* Bytes of a page that are in memory. */
static size_t mem__resident(const struct mem_page *page) {
    size_t n = 0;

    if (page->stale) return MEM_PAGE;
    if (page->class < MEM_CLASSES) return mem__up(page->fresh);
    for (unsigned i = 0; i < 16; i++) n += page->touched >> i & 1;
    return n * MEM_SYSTEM;
}

/* How many pages n blocks of those in a page's take.  Lines leave holes. */
static unsigned mem__want(const struct mem_page *page, size_t n) {
    size_t cap = page->cap;

    if (page->class < MEM_CLASSES) cap = MEM_BODY / page->size;
    else n += n / 8;
    return (unsigned)((n + cap - 1) / cap);
}

/* Would the blocks of a class, so many in pages with room, take less memory in
 * mixed pages? */
static bool mem__mixable(const struct mem *m, const struct mem_page *page,
                         size_t live) {
    size_t bytes = live * page->size;

    return page->class > 0 && page->class < MEM_CLASSES && bytes > 0 &&
           bytes + m->mixes[page->class] * (size_t)page->size <= MEM_MIX &&
           bytes + bytes / 8 + MEM_SYSTEM / 16 < mem__up(MEM_HEAD + bytes);
}

/* What could be given back of the few pages of a kind. */
static size_t mem__few_gain(const struct mem *m, struct mem_page *const *page,
                            unsigned n) {
    size_t has = 0, live = 0, least = 0;

    for (unsigned i = 0; i < n; i++) {
        has += mem__resident(page[i]);
        live += page[i]->live;
    }
    if (n > 0 && mem__mixable(m, page[0], live))
        return has - live * page[0]->size * 9 / 8;
    if (live > 0) {
        least = mem__want(page[0], live) * (size_t)MEM_HEAD +
                live * page[0]->size;
        if (page[0]->class == MEM_CLASSES) least += least / 8;
        least = mem__up(least);
        if (has < least + least / 8 + 2 * MEM_SYSTEM) return 0;
    }
    return has - least;
}

/* What could be given back of the mixed pages; *need: the bytes they need. */
static size_t mem__mixed_gain(const struct mem *m, size_t *need) {
    size_t has = 0, live = 0, pages = 0;

    for (struct mem_page *p = m->mixed; p != NULL; p = p->next) {
        pages++;
        has += mem__resident(p);
        live += p->live * (size_t)MEM_UNIT;
    }
    *need = live + live / 8;
    pages = size_min(pages, *need / MEM_BODY + 1);
    live = *need + pages * MEM_UNITS_HEAD * MEM_UNIT;
    return has < live + live / 8 + 2 * MEM_SYSTEM ? 0 : has - live;
}

/* Say which pages are to be emptied by compaction: those of a kind whose
 * blocks would fit into clearly fewer pages, if they are not fuller than the
 * kind's are on average; where there are few, mem_trim_begin says it.  Returns
 * how many bytes that would give back. */
static size_t mem_survey(struct mem *m) {
    struct mem_page *few[MEM_FEW + 1];
    size_t pages = 0, gain = mem__mixed_gain(m, &(size_t){ 0 });

    for (unsigned c = 0; c < MEM_MIXED; c++) {
        unsigned k = mem__few(m, c, few);
        size_t n = 0, fill = 0, spare;      /* fill: in sixteenths of a page */

        m->sparse[c] = 0;
        if (k <= MEM_FEW) {
            if (k > 0) gain += mem__few_gain(m, few, k);
            continue;
        }
        for (unsigned b = 0; b < MEM_BINS; b++) {
            n += m->count[c][b];
            fill += m->count[c][b] * (size_t)(2 * b + 1);
        }
        spare = c < MEM_CLASSES ? fill : fill + fill / 8;
        spare = n - size_min(n, (spare + 15) / 16);
        if (n == 0 || spare < 2 || spare < n / 16) continue;
        m->sparse[c] = (uint8_t)(fill / n / 2 + 1);
        pages += spare;
    }
    return pages * MEM_PAGE + gain;
}

/* Is the block in a page, or a part of one, that is to be emptied, or a guest?
 * Then it helps to put a copy of it elsewhere. */
static inline bool mem_sparse(const struct mem *m, void *p, size_t n) {
#if defined(KVNS_MALLOC)
    (void)m, (void)p, (void)n;
    return false;
#else
    const struct mem_page *page;

    if (n > MEM_SMALL) return false;
    if (mem__is_guest(m, p)) return true;
    page = mem__page(p);
    return page->bin < m->sparse[page->class] || page->doomed ||
           (page->cut != 0 &&
            (size_t)((char *)p - (char *)page) >= page->cut);
#endif
}

/* The same of lines. */
static inline bool mem_lines_sparse(const struct mem *m, void *p, size_t n) {
#if !defined(KVNS_MALLOC)
    if (n > MEM_LINES_SMALL && n <= MEM_LINES_MOST) {
        const struct mem_page *page = mem__page(p);

        if (mem__is_guest(m, p)) return true;
        return page->bin < m->sparse[MEM_CLASSES] || page->doomed;
    }
#endif
    return n <= MEM_LINES_SMALL && mem_sparse(m, p, n);
}

/* Give a block back of which there is a copy now, for it was sparse. */
static void mem_leave(struct mem *m, void *p, size_t n) {
#if !defined(KVNS_MALLOC)
    struct mem_page *page = mem__page(p);
    unsigned class = page->class;

    if (!mem__is_guest(m, p) && class != MEM_MIXED && page->cut != 0 &&
        (size_t)((char *)p - (char *)page) >= page->cut) {
        m->used -= page->size;
        memcpy(p, &page->parked, sizeof p);
        page->parked = p;
        page->live--;
        page->cap--;
        if (page == m->current[class]) return;
        mem__bin_out(m, page, class);
        if (page->live == 0) mem__drop_page(m, page);
        else mem__bin_in(m, page, class);
        return;
    }
#endif
    mem_drop(m, p, n);
}

/* The same for lines. */
static void mem_lines_leave(struct mem *m, void *p, size_t n) {
#if !defined(KVNS_MALLOC)
    if (n <= MEM_LINES_SMALL) {
        m->moves++;
        mem_leave(m, p, n);
        return;
    }
#endif
    mem_lines_drop(m, p, n);
}

/* Chain the free blocks of a page from lo to below hi, the first first.
 * Returns how many there are. */
static uint32_t mem__chain(struct mem_page *page, const uint64_t *is_free,
                           uint32_t lo, uint32_t hi, void **chain) {
    uint32_t n = 0;

    *chain = NULL;
    while (hi-- > lo) {
        char *p = (char *)page + MEM_HEAD + (size_t)hi * page->size;

        if ((is_free[hi / 64] >> hi % 64 & 1) == 0) continue;
        memcpy(p, chain, sizeof *chain);
        *chain = p;
        n++;
    }
    return n;
}

/* Which blocks of a page are free; of those that were ever used, *n. */
static void mem__free_blocks(struct mem_page *page, uint64_t *is_free,
                             uint32_t *n) {
    memset(is_free, 0, MEM_PAGE / 64);
    for (int parked = 0; parked < 2; parked++)
        for (char *p = parked ? page->parked : page->free; p != NULL;
             memcpy(&p, p, sizeof(char *))) {
            uint32_t i = ((uint32_t)(p - (char *)page) - MEM_HEAD) /
                         page->size;

            is_free[i / 64] |= UINT64_C(1) << i % 64;
        }
    *n = (page->fresh - MEM_HEAD) / page->size;
}

/* Of a page that is to hold n blocks, none of them beyond the cut. */
static void mem__cut(struct mem *m, struct mem_page *page, uint32_t n) {
    uint64_t is_free[MEM_PAGE / 8 / 64];
    uint32_t used, parked, cut = MEM_HEAD + n * page->size;

    if (page->fresh < cut + MEM_SYSTEM) return;
    mem__free_blocks(page, is_free, &used);
    mem__chain(page, is_free, 0, n, &page->free);
    parked = mem__chain(page, is_free, n, used, &page->parked);
    page->cap = (uint16_t)(used - parked);
    page->cut = cut;
    m->trim[page->class] = page;
}

/* What lies behind the used part of a page goes back to the system. */
static void mem__give_tail(struct mem *m, struct mem_page *page) {
#if defined(MADV_DONTNEED) && !defined(KVNS_PLAIN)
    size_t from = mem__up(page->fresh);

    if (from < MEM_PAGE &&
        madvise((char *)page + from, MEM_PAGE - from, MADV_DONTNEED) == 0)
        mem__freshen(m, page);
#else
    (void)m, (void)page;
#endif
}

/* Undo a cut: the page ends behind its last block. */
static void mem__uncut(struct mem *m, struct mem_page *page) {
    uint64_t is_free[MEM_PAGE / 8 / 64];
    unsigned class = page->class;
    uint32_t n, was = page->fresh;

    mem__free_blocks(page, is_free, &n);
    while (n > 0 && (is_free[(n - 1) / 64] >> (n - 1) % 64 & 1) != 0) n--;
    mem__chain(page, is_free, 0, n, &page->free);
    page->parked = NULL;
    page->fresh = MEM_HEAD + n * page->size;
    m->untouched += was - page->fresh;
    if (!page->partly) m->partly_pages++;
    page->partly = true;
    page->cap = (uint16_t)(MEM_BODY / page->size);
    page->cut = 0;
    m->trim[class] = NULL;
    if (page != m->current[class]) mem__bin_out(m, page, class);
    mem__give_tail(m, page);
    if (page != m->current[class] && page->live > 0)
        mem__bin_in(m, page, class);
    else if (page != m->current[class])
        mem__drop_page(m, page);
}

/* The sixteenths of a page of lines, or a mixed one, that nothing is in go
 * back. */
static void mem__give_bits(struct mem *m, struct mem_page *page) {
#if defined(MADV_DONTNEED) && !defined(KVNS_PLAIN)
    unsigned units = page->class == MEM_MIXED ? MEM_UNITS / 16 :
                                                MEM_LINES / 16;
    const uint64_t *used = mem__bits(page);

    for (unsigned i = 1; i < 16; i++)
        if ((page->touched >> i & 1) != 0 &&
            mem__bit_from(used, i * units, (i + 1) * units, true) >=
                (i + 1) * units &&
            madvise((char *)page + (size_t)i * MEM_SYSTEM, MEM_SYSTEM,
                    MADV_DONTNEED) == 0) {
            page->touched &= (uint16_t)~(1u << i);
            m->untouched += MEM_SYSTEM;
        }
#else
    (void)m, (void)page;
#endif
}

/* Of the mixed pages, if there is more than they need, the emptiest are to be
 * emptied, or the only one beyond a cut. */
static size_t mem__mixed_begin(struct mem *m) {
    struct mem_page *p, *least = NULL;
    size_t need, pages = 0, want;

    for (p = m->mixed; p != NULL; p = p->next, pages++) {
        p->doomed = false;
        p->cut = 0;
    }
    if (mem__mixed_gain(m, &need) == 0) return pages + 1;
    want = need / (MEM_PAGE - MEM_UNITS_HEAD * MEM_UNIT) + 1;
    for (; pages > want; pages--, least->doomed = true)
        for (least = NULL, p = m->mixed; p != NULL; p = p->next)
            if (!p->doomed && (least == NULL || p->live < least->live))
                least = p;
    for (p = m->mixed; p != NULL && want == 1; p = p->next)
        if (!p->doomed)
            p->cut = (uint32_t)size_min(MEM_PAGE,
                mem__up(need + MEM_UNITS_HEAD * MEM_UNIT));
    return pages + 1;
}

/* Before blocks are moved: if there are few pages of a kind, and it is worth
 * it, say which of them are to be emptied, and where the last one is cut.
 * Returns about how many blocks were looked at. */
static size_t mem_trim_begin(struct mem *m, unsigned kind) {
    struct mem_page *few[MEM_FEW + 1], *p;
    size_t live = 0, looked = 1;
    unsigned n, want, j;

    if (kind == MEM_MIXED) return mem__mixed_begin(m);
    if (kind < MEM_CLASSES && m->trim[kind] != NULL)
        mem__uncut(m, m->trim[kind]);
    n = mem__few(m, kind, few);
    if (kind < MEM_CLASSES) m->mix[kind] = n == 0 && m->mixes[kind] > 0;
    if (n == 0 || n > MEM_FEW) return looked;
    for (unsigned i = 0; i < n; i++) {      /* the fullest first */
        few[i]->doomed = false;
        live += few[i]->live;
        for (p = few[j = i]; j > 0 && few[j - 1]->live < p->live; j--)
            few[j] = few[j - 1];
        few[j] = p;
    }
    if (mem__few_gain(m, few, n) == 0) return looked;
    want = mem__want(few[0], live);
    if (mem__mixable(m, few[0], live)) {
        m->mix[kind] = true;
        want = 0;
    }
    for (unsigned i = want; i < n; i++) few[i]->doomed = true;
    if (kind == MEM_CLASSES) return looked;
    p = m->current[kind];
    if (want == 0 || p != few[want - 1]) {
        m->current[kind] = NULL;
        if (p != NULL && p->live == 0) mem__drop_page(m, p);
        else if (p != NULL) mem__bin_in(m, p, kind);
        if (want == 0) return looked;
        mem__bin_out(m, few[want - 1], kind);
        m->current[kind] = few[want - 1];
    }
    for (unsigned i = 0; i + 1 < want; i++) live -= few[i]->cap;
    live += live / 16 + 1;
    looked += few[want - 1]->cap / 8;
    if (live < few[want - 1]->cap)
        mem__cut(m, few[want - 1], (uint32_t)live);
    return looked;
}

/* When they have moved: what that made free goes back to the system. */
static size_t mem_trim_end(struct mem *m, unsigned kind) {
    struct mem_page *few[MEM_FEW + 1];
    size_t looked = 1;
    unsigned n;

    if (kind < MEM_CLASSES && m->trim[kind] != NULL) {
        looked += m->trim[kind]->cap / 8;
        mem__uncut(m, m->trim[kind]);
    }
    if (kind == MEM_MIXED) {
        for (struct mem_page *p = m->mixed; p != NULL; p = p->next, looked++) {
            p->doomed = false;
            p->cut = 0;
            mem__give_bits(m, p);
        }
        return looked;
    }
    if (kind < MEM_CLASSES) m->mix[kind] = false;
    m->sparse[kind] = 0;
    n = mem__few(m, kind, few);
    for (unsigned i = 0; n <= MEM_FEW && i < n; i++) {
        few[i]->doomed = false;
        if (kind == MEM_CLASSES) mem__give_bits(m, few[i]);
        else if (few[i]->stale) mem__give_tail(m, few[i]);
    }
    return looked;
}

/* Could n more bytes be had?  Asks the system where the arena would. */
static bool mem_can(struct mem *m, size_t n) {
    void *p;

    if (n < MEM_PAGE && (m->idle != NULL || m->spare != NULL)) return true;
    p = MEM_REFUSED() ? NULL : malloc(n + MEM_PAGE);
    free(p);
    return p != NULL;
}

/* Make sure of the spare page; between commands.  False: there is none. */
static inline bool mem_refill(struct mem *m) {
    if (LIKELY(m->spare != NULL)) return true;
#if defined(KVNS_MALLOC)
    return true;
#else
    m->spare = mem__take_page(m);
    return m->spare != NULL;
#endif
}

/* An arena that holds nothing. */
static void mem_init(struct mem *m) {
    memset(m, 0, sizeof *m);
    atomic_init(&m->back, NULL);
}

/* Give everything back, live blocks of pages included; large blocks must have
 * been dropped before, and what of it others had the use of. */
static void mem_fini(struct mem *m) {
    struct mem_chunk *c, *next;

    for (c = m->chunks; c != NULL; c = next) {
        next = c->next;
        mem__unmap(c->base, c->pages);
        free(c);
    }
    memset(m, 0, sizeof *m);
}
