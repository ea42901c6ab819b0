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
 * `used` counts what blocks really take, rounding included: the difference of
 * `used` before and after an operation is what the operation cost.
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
    MEM_LINES_SMALL = 2048,     /* largest run of lines cut from a page */
    MEM_CLASSES = 104,
    MEM_BINS = 8,               /* pages of a class by fullness, in eighths */
    MEM_CHUNK_PAGES = 64,       /* most pages mapped at once */
    MEM_KEEP_PAGES = 16,        /* empty pages kept before giving back */
    MEM_STEP_PAGES = 16         /* pages given back in a step */
};

struct mem_page {
    struct mem_page *next, *prev;
    void *free;                 /* blocks given back, linked through */
    struct mem_chunk *chunk;
    uint32_t size;              /* of its blocks; 0: the page is empty */
    uint32_t fresh;             /* offset of the first block never used */
    uint16_t live, cap;         /* blocks in use, blocks in all */
    uint8_t bin;                /* MEM_BINS: full, in no list */
    uint8_t class;
};

struct mem_chunk {
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
                                   owners count */
    uint64_t moves;             /* counts up when items of tables may have
                                   left their places, see table */
    struct mem_page *bins[MEM_CLASSES][MEM_BINS];
    struct mem_page *current[MEM_CLASSES];
    uint32_t count[MEM_CLASSES][MEM_BINS];  /* pages in the bins */
    uint8_t sparse[MEM_CLASSES];    /* pages below that bin are to be emptied,
                                       see mem_survey */
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

    if (page == NULL && m->idle == NULL && (MEM_REFUSED() || !mem__more(m)))
        return NULL;
    c = page != NULL ? page->chunk : m->idle;
    if (page != NULL) {
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
    return page;
}

/* How many empty pages are kept at hand: some of a small arena would be much
 * of it. */
static inline uint32_t mem__keep(const struct mem *m) {
    return (uint32_t)size_min(MEM_KEEP_PAGES, 2 + m->held / MEM_PAGE / 64);
}

static COLD void mem__drop_page(struct mem *m, struct mem_page *page) {
    struct mem_chunk *c = page->chunk;
    uint64_t bit = mem__bit(page);

    page->size = 0;
    if (c->idle++ == 0) mem__link_idle(m, c);
    c->empty |= bit;
    c->dirty |= bit;
    m->idle_pages++;
    m->dirty_pages++;
    mem__link(&m->dirty, page);
}

/* Are there pages to be given back? */
static inline bool mem_has_work(const struct mem *m) {
    return m->dirty_pages > mem__keep(m);
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

    for (; n < MEM_STEP_PAGES && mem_has_work(m); n++) {
        struct mem_page *page = m->dirty;
        struct mem_chunk *c = page->chunk;

        mem__clean(m, page, mem__bit(page));
#if defined(MADV_DONTNEED) && !defined(KVNS_PLAIN)
        madvise(page, MEM_PAGE, MADV_DONTNEED);
#endif
        if (c->dirty == 0 && mem__is_spare(m, c)) mem__less(m, c);
    }
    if (n > 0 && !mem_has_work(m)) mem__tidy(m);
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

/* Find a page of the class with room: the fullest, or an empty one. */
static COLD struct mem_page *mem__page_for(struct mem *m, unsigned class,
                                           uint32_t size, bool must) {
    struct mem_page *page = m->current[class];

    if (page != NULL) page->bin = MEM_BINS;
    m->current[class] = NULL;
    for (int b = MEM_BINS - 1; b >= 0; b--) {
        page = m->bins[class][b];
        if (page == NULL) continue;
        mem__bin_out(m, page, class);
        return m->current[class] = page;
    }
    page = mem__take_page(m);
    if (page == NULL && must) {
        page = m->spare;
        m->spare = NULL;
    }
    if (page == NULL) return NULL;
    page->free = NULL;
    page->size = size;
    page->fresh = MEM_HEAD;
    page->live = 0;
    page->cap = (uint16_t)(MEM_BODY / size);
    page->class = (uint8_t)class;
    return m->current[class] = page;
}

static inline void *mem__small(struct mem *m, size_t n, bool must) {
    uint32_t size;
    unsigned class = mem__class(n, &size);
    struct mem_page *page = m->current[class];
    void *p;

    if (UNLIKELY(page == NULL || page->live == page->cap)) {
        page = mem__page_for(m, class, size, must);
        if (page == NULL) return NULL;
    }
    p = page->free;
    if (p != NULL) {
        memcpy(&page->free, p, sizeof p);
    } else {
        p = (char *)page + page->fresh;
        page->fresh += size;
    }
    page->live++;
    m->used += size;
    return p;
}

static inline void mem__small_drop(struct mem *m, void *p, size_t n) {
    struct mem_page *page = mem__page(p);
    unsigned bin, class = page->class;

    VERIFY(page->size == mem_size(n) && page->live > 0);
    (void)n;
    m->used -= page->size;
    memcpy(p, &page->free, sizeof p);
    page->free = p;
    page->live--;
    if (page == m->current[class]) return;
    if (page->live == 0) {
        mem__bin_out(m, page, class);
        mem__drop_page(m, page);
        return;
    }
    bin = page->live * MEM_BINS / page->cap;
    if (bin == page->bin) return;
    mem__bin_out(m, page, class);
    page->bin = (uint8_t)bin;
    m->count[class][bin]++;
    mem__link(&m->bins[class][bin], page);
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
        mem__small_drop(m, p, n);
        return;
    }
    m->used -= mem_size(n);
    m->held -= mem_size(n);
    free(p);
#endif
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

/* A block of n bytes, n a multiple of 64, aligned to a cache line of 64; or
 * NULL.  Beyond MEM_LINES_SMALL it comes from libc: blocks that are refitted
 * all the time leave fewer holes there than in pages of one size. */
static void *mem_lines_try(struct mem *m, size_t n) {
    void *p;

#if !defined(KVNS_MALLOC)
    if (n <= MEM_LINES_SMALL) return mem_try(m, n);
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
#endif
    m->used -= mem_lines_size(n);
    m->held -= mem_lines_size(n);
    free(p);
}

/* Bytes in use or in pages with something in use. */
static inline size_t mem_active(const struct mem *m) {
    return m->held - (size_t)m->idle_pages * MEM_PAGE;
}

/* Say which pages are to be emptied by compaction: those of a class whose
 * blocks would fit into clearly fewer pages, if they are not fuller than the
 * class's are on average.  Returns how many bytes that would give back. */
static size_t mem_survey(struct mem *m) {
    size_t pages = 0;

    for (unsigned c = 0; c < MEM_CLASSES; c++) {
        size_t n = 0, fill = 0, spare;      /* fill: in sixteenths of a page */

        for (unsigned b = 0; b < MEM_BINS; b++) {
            n += m->count[c][b];
            fill += m->count[c][b] * (size_t)(2 * b + 1);
        }
        spare = n - (fill + 15) / 16;
        m->sparse[c] = 0;
        if (n == 0 || spare < 2 || spare < n / 16) continue;
        m->sparse[c] = (uint8_t)(fill / n / 2 + 1);
        pages += spare;
    }
    return pages * MEM_PAGE;
}

/* Is the block in a page that is to be emptied?  Then it helps to put a copy
 * of it elsewhere; never so for the page in use. */
static inline bool mem_sparse(const struct mem *m, void *p, size_t n) {
#if defined(KVNS_MALLOC)
    (void)m, (void)p, (void)n;
    return false;
#else
    const struct mem_page *page;

    if (n > MEM_SMALL) return false;
    page = mem__page(p);
    return page->bin < m->sparse[page->class];
#endif
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
}

/* Give everything back, live blocks of pages included; large blocks must have
 * been dropped before. */
static void mem_fini(struct mem *m) {
    struct mem_chunk *c, *next;

    for (c = m->chunks; c != NULL; c = next) {
        next = c->next;
        mem__unmap(c->base, c->pages);
        free(c);
    }
    memset(m, 0, sizeof *m);
}
