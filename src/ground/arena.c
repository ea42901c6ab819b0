/* SPDX-License-Identifier: MIT */
/* ==== arena - pages of memory, from the system and back ====================
 *
 * One arena (struct mem) serves one shard.  Its memory comes in chunks mapped
 * at once, of pages of 64 KiB; a chunk is unmapped when all of its pages are
 * free.  A page holds blocks of one size class, or is parted by bits, one for
 * each unit: masking a block's address finds its page.
 *
 *   page   [ header 64 | block | block | ... | block ]   64 KiB, aligned
 *
 * Blocks that are freed in another order than they were made leave nearly all
 * their pages empty at the very end, so that giving them back where they
 * become empty would stop the world then.  They are only noted as dirty, and
 * arena_step gives back a few at a time.
 *
 * An arena is used by one thread at a time.  What its blocks are is said by
 * mem, and how its pages are emptied by trim.
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
                                       see trim_survey */
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
static inline unsigned arena_class(size_t n, uint32_t *size) {
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

static inline struct mem_page *arena_page(void *p) {
    return (struct mem_page *)((uintptr_t)p & ~(uintptr_t)(MEM_PAGE - 1));
}

static inline void arena_link(struct mem_page **list, struct mem_page *page) {
    page->prev = NULL;
    page->next = *list;
    if (*list != NULL) (*list)->prev = page;
    *list = page;
}

static inline void arena_unlink(struct mem_page **list,
                                struct mem_page *page) {
    if (page->prev != NULL) page->prev->next = page->next;
    else *list = page->next;
    if (page->next != NULL) page->next->prev = page->prev;
}

/* Address space of n pages, aligned to a page, or NULL. */
static char *arena__map(size_t n) {
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

/* Give n pages that were mapped at once back to the system. */
static void arena_unmap(char *p, size_t n) {
#if defined(MAP_ANONYMOUS) && !defined(KVNS_PLAIN)
    munmap(p, n * MEM_PAGE);
#else
    (void)n;
    free(p);
#endif
}

static void arena__link_idle(struct mem *m, struct mem_chunk *c) {
    c->prev_idle = NULL;
    c->next_idle = m->idle;
    if (m->idle != NULL) m->idle->prev_idle = c;
    m->idle = c;
}

static void arena__unlink_idle(struct mem *m, struct mem_chunk *c) {
    if (c->prev_idle != NULL) c->prev_idle->next_idle = c->next_idle;
    else m->idle = c->next_idle;
    if (c->next_idle != NULL) c->next_idle->prev_idle = c->prev_idle;
}

/* Map a chunk, larger as the arena grows; its pages are empty. */
static bool arena__more(struct mem *m) {
    size_t n = size_max(4, size_min(MEM_CHUNK_PAGES, m->held / MEM_PAGE / 4));
    struct mem_chunk *c = malloc(sizeof *c);

    if (c == NULL) return false;
    c->base = arena__map(n);
    if (c->base == NULL && n > 1) c->base = arena__map(n = 1);
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
    arena__link_idle(m, c);
    return true;
}

/* Give back a chunk whose pages are all empty. */
static void arena__less(struct mem *m, struct mem_chunk *c) {
    arena__unlink_idle(m, c);
    m->idle_pages -= c->pages;
    m->held -= (size_t)c->pages * MEM_PAGE;
    if (c->prev != NULL) c->prev->next = c->next;
    else m->chunks = c->next;
    if (c->next != NULL) c->next->prev = c->prev;
    arena_unmap(c->base, c->pages);
    free(c);
}

/* The page's bit in its chunk. */
static inline uint64_t arena__bit(const struct mem_page *page) {
    return UINT64_C(1) << (size_t)((const char *)page - page->chunk->base) /
                              MEM_PAGE;
}

/* An empty page is in use again, or in memory no more. */
static inline void arena__clean(struct mem *m, struct mem_page *page,
                                uint64_t bit) {
    page->chunk->dirty &= ~bit;
    m->dirty_pages--;
    arena_unlink(&m->dirty, page);
}

/* An empty page: the one last used, or one mapped for it.  NULL: no memory. */
static struct mem_page *arena_take_page(struct mem *m) {
    struct mem_page *page = m->dirty;
    struct mem_chunk *c;
    uint64_t bit;
    unsigned i = 0;
    bool stale;

    if (page == NULL && m->idle == NULL && (MEM_REFUSED() || !arena__more(m)))
        return NULL;
    c = page != NULL ? page->chunk : m->idle;
    stale = page != NULL;
    if (stale) {
        bit = arena__bit(page);
        arena__clean(m, page, bit);
    } else {
        while ((c->empty >> i & 1) == 0) i++;
        bit = UINT64_C(1) << i;
        page = (struct mem_page *)(c->base + (size_t)i * MEM_PAGE);
    }
    c->empty &= ~bit;
    if (--c->idle == 0) arena__unlink_idle(m, c);
    m->idle_pages--;
    page->chunk = c;
    page->stale = stale;
    return page;
}

/* A page is what its fresh part says it is, in memory, from now on. */
static inline void arena_freshen(struct mem *m, struct mem_page *page) {
    if (page->stale) m->stale_pages--;
    page->stale = false;
}

/* A page is used to its end, from now on. */
static inline void arena_ended(struct mem *m, struct mem_page *page) {
    if (page->partly) m->partly_pages--;
    page->partly = false;
}

/* How many empty pages are kept at hand: some of a small arena would be much
 * of it. */
static inline uint32_t arena__keep(const struct mem *m) {
    size_t pages = m->held / MEM_PAGE;

    pages -= size_min(pages, m->idle_pages);
    return (uint32_t)size_min(MEM_KEEP_PAGES, pages / 32);
}

/* A page that is in no list has become empty. */
static COLD void arena_drop_page(struct mem *m, struct mem_page *page) {
    struct mem_chunk *c = page->chunk;
    uint64_t bit = arena__bit(page);

    if (page->cut != 0) m->trim[page->class] = NULL;
    m->untouched -= MEM_PAGE - page->fresh;
    arena_freshen(m, page);
    arena_ended(m, page);
    page->size = 0;
    if (c->idle++ == 0) arena__link_idle(m, c);
    c->empty |= bit;
    c->dirty |= bit;
    m->idle_pages++;
    m->dirty_pages++;
    arena_link(&m->dirty, page);
}

static inline bool arena__has_pages(const struct mem *m) {
    return m->dirty_pages > arena__keep(m);
}

/* Are there pages to be given back, or blocks to be taken back? */
static inline bool arena_has_work(const struct mem *m) {
    return arena__has_pages(m) || m->taken != NULL ||
           atomic_load_explicit(&m->back, memory_order_relaxed) != NULL;
}

/* Could the arena do without the chunk? */
static inline bool arena__is_spare(const struct mem *m,
                                   const struct mem_chunk *c) {
    return c->idle == c->pages && m->idle_pages - c->pages >= arena__keep(m);
}

/* Give back chunks whose pages are all empty though some are in memory, which
 * are few by now. */
static COLD void arena__tidy(struct mem *m) {
    struct mem_page *page = m->dirty, *next;

    for (; page != NULL; page = next) {
        struct mem_chunk *c = page->chunk;

        next = page->next;
        if (!arena__is_spare(m, c)) continue;
        arena__clean(m, page, arena__bit(page));
        if (c->dirty == 0) arena__less(m, c);
    }
}

/* Give some empty pages back to the system, and chunks of which none is in
 * use; returns how many pages that were. */
static uint32_t arena_step(struct mem *m) {
    uint32_t n = 0;

    for (; n < MEM_STEP_PAGES && arena__has_pages(m); n++) {
        struct mem_page *page = m->dirty;
        struct mem_chunk *c = page->chunk;

        arena__clean(m, page, arena__bit(page));
#if defined(MADV_DONTNEED) && !defined(KVNS_PLAIN)
        madvise(page, MEM_PAGE, MADV_DONTNEED);
#endif
        if (c->dirty == 0 && arena__is_spare(m, c)) arena__less(m, c);
    }
    if (n > 0 && !arena__has_pages(m)) arena__tidy(m);
    return n;
}

/* Take a page out of its bin, if it is in one. */
static inline void arena_bin_out(struct mem *m, struct mem_page *page,
                                 unsigned class) {
    if (page->bin == MEM_BINS) return;
    m->count[class][page->bin]--;
    arena_unlink(&m->bins[class][page->bin], page);
    page->bin = MEM_BINS;
}

/* Put a page into the bin that it belongs to; none if it is full. */
static inline void arena_bin_in(struct mem *m, struct mem_page *page,
                                unsigned class) {
    unsigned bin = page->live * MEM_BINS / page->cap;

    page->bin = (uint8_t)bin;
    if (bin == MEM_BINS) return;
    m->count[class][bin]++;
    arena_link(&m->bins[class][bin], page);
}

/* Which units of a page are used, a bit each; its head among them. */
static inline uint64_t *arena_bits(struct mem_page *page) {
    return (uint64_t *)(void *)((char *)page + MEM_HEAD);
}

/* The first unit from i on that is used, or is not, or `limit` or more. */
static inline unsigned arena_bit_from(const uint64_t *used, unsigned i,
                                      unsigned limit, bool is) {
    while (i < limit) {
        uint64_t w = (is ? used[i / 64] : ~used[i / 64]) >> i % 64;

        if (w == 0) {
            i = (i / 64 + 1) * 64;
            continue;
        }
        return i + bit_lowest(w);
    }
    return limit;
}

/* Units are used, or no more. */
static void arena_mark(struct mem_page *page, unsigned at, unsigned n) {
    uint64_t *used = arena_bits(page);

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
static void arena_open(struct mem *m, struct mem_page *page, unsigned class,
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
static void arena_open_bits(struct mem *m, struct mem_page *page,
                            unsigned kind, uint32_t unit, uint32_t head) {
    arena_open(m, page, kind, unit, MEM_PAGE / unit - head);
    memset(arena_bits(page), 0, MEM_PAGE / unit / 8);
    arena_mark(page, 0, head);
    page->touched = page->stale ? 0xffff : 1;
    page->fresh = MEM_PAGE;
    m->untouched -= MEM_PAGE - MEM_HEAD;
    arena_freshen(m, page);
    arena_ended(m, page);
    if (page->touched == 1) m->untouched += MEM_PAGE - MEM_SYSTEM;
}

/* Note which sixteenths of such a page come into memory. */
static void arena_touch(struct mem *m, struct mem_page *page, size_t from,
                        size_t bytes) {
    size_t end = (from + bytes - 1) / MEM_SYSTEM;

    for (size_t i = from / MEM_SYSTEM; i <= end; i++)
        if ((page->touched >> i & 1) == 0) {
            page->touched |= (uint16_t)(1u << i);
            m->untouched -= MEM_SYSTEM;
        }
}
