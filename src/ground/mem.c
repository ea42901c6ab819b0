/* SPDX-License-Identifier: MIT */
/* ==== mem - size-class slabs, counted to the byte ==========================
 *
 * Blocks up to MEM_SMALL bytes are cut from an arena's pages and carry no
 * header: the caller says the size when it gives a block back.  Larger blocks
 * are libc's.  A class fills its fullest page first, after Bonwick's slabs
 * (USENIX 1994), so that pages nearly empty become empty and go back.
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
 * mem_refill keeps ready between commands.  KVNS_MALLOC hands every block to
 * malloc, for ASan and valgrind.
 *
 * floor 0 - uses: base arena
 */
static inline size_t mem__large_size(size_t n) {
    uint32_t size;

    if (n > MEM_SMALL) return ((n + 15) & ~(size_t)15) + 16;
    arena_class(n, &size);
    return size;
}

/* The bytes that a block of n really takes. */
static INLINE size_t mem_size(size_t n) {
    if (LIKELY(n > 8 && n <= 512)) return (n + 7) & ~(size_t)7;
    return mem__large_size(n);
}

/* A place for n units of a mixed page, on a cache line if need be: the first
 * there is.  0: there is none. */
static unsigned mem__mixed_hole(struct mem_page *page, unsigned n, bool line) {
    const uint64_t *used = arena_bits(page);
    unsigned limit = page->cut != 0 ? page->cut / MEM_UNIT : MEM_UNITS, end;

    for (unsigned i = MEM_UNITS_HEAD;; i = end) {
        i = arena_bit_from(used, i, limit, false);
        if (i >= limit) return 0;
        end = arena_bit_from(used, i, limit, true);
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
        page = arena_take_page(m);
        if (page == NULL) return NULL;
        arena_open_bits(m, page, MEM_MIXED, MEM_UNIT, MEM_UNITS_HEAD);
        page->size = 0;
        page->bin = MEM_BINS + 1;       /* none that mem__small_drop expects */
        arena_link(&m->mixed, page);
        at = mem__mixed_hole(page, n, size % MEM_LINE == 0);
    }
    arena_mark(page, at, n);
    arena_touch(m, page, (size_t)at * MEM_UNIT, size);
    page->live += (uint16_t)n;
    m->mixes[class]++;
    m->used += size;
    return (char *)page + (size_t)at * MEM_UNIT;
}

/* Give such a block back, of which mem__small_drop has taken off one unit. */
static void mem__mixed_drop(struct mem *m, struct mem_page *page, void *p,
                            size_t n) {
    uint32_t size;
    unsigned class = arena_class(n, &size);

    VERIFY(m->mixes[class] > 0 && page->live + 1 >= (int)(size / MEM_UNIT));
    m->mixes[class]--;
    m->used -= size;
    page->free = NULL;
    page->live += 1;
    page->live -= (uint16_t)(size / MEM_UNIT);
    arena_mark(page, (unsigned)((char *)p - (char *)page) / MEM_UNIT,
               size / MEM_UNIT);
    if (page->live > 0) return;
    arena_unlink(&m->mixed, page);
    arena_touch(m, page, 0, MEM_PAGE);
    arena_drop_page(m, page);
}

/* Is a block of a class to be in a mixed page?  While its pages are emptied,
 * and in a frugal arena, until there are as many as fill a piece of the
 * system's; but no block of a single unit. */
static inline bool mem__mixes(const struct mem *m, unsigned class,
                              uint32_t size) {
    if (size < 2 * MEM_UNIT) return false;
    return m->mix[class] ||
           (m->frugal && (m->mixes[class] + 1u) * size < MEM_SYSTEM);
}

/* Find a page of the class with room: the fullest, or an empty one. */
static struct mem_page *mem__page_for(struct mem *m, unsigned class,
                                      uint32_t size, bool must) {
    struct mem_page *page;

    for (int b = MEM_BINS - 1; b >= 0; b--) {
        page = m->bins[class][b];
        if (page == NULL) continue;
        arena_bin_out(m, page, class);
        page->doomed = false;
        return m->current[class] = page;
    }
    page = arena_take_page(m);
    if (page == NULL && must) {
        page = m->spare;
        m->spare = NULL;
    }
    if (page == NULL) return NULL;
    arena_open(m, page, class, size, MEM_BODY / size);
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
            arena_freshen(m, page);
            arena_ended(m, page);
        }
    }
    m->current[class] = NULL;
    if (mem__mixes(m, class, size)) {
        p = mem__mixed_try(m, class, size);
        if (p != NULL) return p;
    }
    page = mem__page_for(m, class, size, must);
    return page != NULL ? mem__cut_off(m, page, size) : NULL;
}

static inline void *mem__small(struct mem *m, size_t n, bool must) {
    uint32_t size;
    unsigned class = arena_class(n, &size);
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
    arena_bin_out(m, page, class);
    if (page->live == 0) arena_drop_page(m, page);
    else arena_bin_in(m, page, class);
}

static inline void mem__small_drop(struct mem *m, void *p, size_t n) {
    struct mem_page *page = arena_page(p);

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
static inline bool mem_is_guest(const struct mem *m, void *p) {
    return UNLIKELY(m->guests) && arena_page(p)->chunk->home != m;
}

/* Give a guest's block, of n bytes as rounded, back to its home. */
static COLD void mem__send_home(struct mem *m, void *p, size_t n) {
    struct mem *home = arena_page(p)->chunk->home;
    void *next = atomic_load_explicit(&home->back, memory_order_relaxed);

    m->used -= n;
    m->away += n;
    if (arena_page(p)->class == MEM_MIXED)   /* whose header says no size */
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
        if (mem_is_guest(m, p)) mem__send_home(m, p, mem_size(n));
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
        VERIFY(arena_page(p)->chunk->home == m);
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
    const uint64_t *used = arena_bits(page);
    unsigned best = 0, best_n = MEM_LINES, end;

    *most = 0;
    for (unsigned i = 0;; i = end) {
        i = arena_bit_from(used, i, MEM_LINES, false);
        if (i == MEM_LINES) return best;
        end = arena_bit_from(used, i, MEM_LINES, true);
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
    arena_link(&m->runs[page->run], page);
    page->bin = (uint8_t)bin;
    if (bin < MEM_BINS) m->count[MEM_CLASSES][bin]++;
}

static void mem__run_out(struct mem *m, struct mem_page *page) {
    arena_unlink(&m->runs[page->run], page);
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
    page = arena_take_page(m);
    if (page == NULL) return NULL;
    arena_open_bits(m, page, MEM_CLASSES, MEM_LINE, MEM_LINES_HEAD);
    *at = MEM_LINES_HEAD;
    return page;
}

static void *mem__run(struct mem *m, size_t bytes) {
    unsigned n = (unsigned)(bytes / MEM_LINE), at;
    struct mem_page *page = mem__run_for(m, n, &at);

    if (page == NULL) return NULL;
    arena_mark(page, at, n);
    arena_touch(m, page, (size_t)at * MEM_LINE, bytes);
    page->live += (uint16_t)n;
    mem__run_in(m, page);
    m->used += bytes;
    return (char *)page + (size_t)at * MEM_LINE;
}

static void mem__run_drop(struct mem *m, void *p, size_t bytes) {
    unsigned n = (unsigned)(bytes / MEM_LINE);
    struct mem_page *page = arena_page(p);

    if (mem_is_guest(m, p)) {
        memcpy((char *)p + sizeof p, &bytes, sizeof bytes);
        mem__send_home(m, p, bytes);
        return;
    }
    VERIFY(page->class == MEM_CLASSES && page->live >= n);
    mem__run_out(m, page);
    arena_mark(page, (unsigned)((char *)p - (char *)page) / MEM_LINE, n);
    page->live -= (uint16_t)n;
    m->used -= bytes;
    if (page->live > 0) {
        mem__run_in(m, page);
        return;
    }
    arena_touch(m, page, 0, MEM_PAGE);
    arena_drop_page(m, page);
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
        page = arena_page(p);
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
    m->spare = arena_take_page(m);
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
        arena_unmap(c->base, c->pages);
        free(c);
    }
    memset(m, 0, sizeof *m);
}
