/* SPDX-License-Identifier: MIT */
/* ==== trim - pages emptied by moving what is in them =======================
 *
 * A survey says which pages of an arena hold so little that their blocks would
 * fit into others; the owners of the blocks go through them and copy those
 * that lie there to elsewhere.
 *
 * Where an arena holds little of many sizes, whole pages of each are too much.
 * A page's memory is used from its beginning, and trim_begin and trim_end,
 * with the owners of blocks moving them in between, see to it that a class's
 * last page ends soon, and give what is behind that back:
 *
 *   page   [ header | # . . # . . . # . . ]     blocks beyond the cut move,
 *   after  [ header | # # # ]                   to where there is room
 *
 * floor 0 - uses: base arena mem
 */
static inline size_t trim__up(size_t n) {
    return (n + MEM_SYSTEM - 1) & ~(size_t)(MEM_SYSTEM - 1);
}

/* The pages of a kind that have room, if there are few; returns how many
 * there are, MEM_FEW + 1 for more. */
static unsigned trim__few(const struct mem *m, unsigned kind,
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
static size_t trim__resident(const struct mem_page *page) {
    size_t n = 0;

    if (page->stale) return MEM_PAGE;
    if (page->class < MEM_CLASSES) return trim__up(page->fresh);
    for (unsigned i = 0; i < 16; i++) n += page->touched >> i & 1;
    return n * MEM_SYSTEM;
}

/* How many pages n blocks of those in a page's take.  Lines leave holes. */
static unsigned trim__want(const struct mem_page *page, size_t n) {
    size_t cap = page->cap;

    if (page->class < MEM_CLASSES) cap = MEM_BODY / page->size;
    else n += n / 8;
    return (unsigned)((n + cap - 1) / cap);
}

/* Would the blocks of a class, so many in pages with room, take less memory in
 * mixed pages? */
static bool trim__mixable(const struct mem *m, const struct mem_page *page,
                          size_t live) {
    size_t bytes = live * page->size;

    return page->class > 0 && page->class < MEM_CLASSES && bytes > 0 &&
           bytes + m->mixes[page->class] * (size_t)page->size <= MEM_MIX &&
           bytes + bytes / 8 + MEM_SYSTEM / 16 < trim__up(MEM_HEAD + bytes);
}

/* What could be given back of the few pages of a kind. */
static size_t trim__few_gain(const struct mem *m, struct mem_page *const *page,
                             unsigned n) {
    size_t has = 0, live = 0, least = 0;

    for (unsigned i = 0; i < n; i++) {
        has += trim__resident(page[i]);
        live += page[i]->live;
    }
    if (n > 0 && trim__mixable(m, page[0], live))
        return has - live * page[0]->size * 9 / 8;
    if (live > 0) {
        least = trim__want(page[0], live) * (size_t)MEM_HEAD +
                live * page[0]->size;
        if (page[0]->class == MEM_CLASSES) least += least / 8;
        least = trim__up(least);
        if (has < least + least / 8 + 2 * MEM_SYSTEM) return 0;
    }
    return has - least;
}

/* What could be given back of the mixed pages; *need: the bytes they need. */
static size_t trim__mixed_gain(const struct mem *m, size_t *need) {
    size_t has = 0, live = 0, pages = 0;

    for (struct mem_page *p = m->mixed; p != NULL; p = p->next) {
        pages++;
        has += trim__resident(p);
        live += p->live * (size_t)MEM_UNIT;
    }
    *need = live + live / 8;
    pages = size_min(pages, *need / MEM_BODY + 1);
    live = *need + pages * MEM_UNITS_HEAD * MEM_UNIT;
    return has < live + live / 8 + 2 * MEM_SYSTEM ? 0 : has - live;
}

/* Say which pages are to be emptied by compaction: those of a kind whose
 * blocks would fit into clearly fewer pages, if they are not fuller than the
 * kind's are on average; where there are few, trim_begin says it.  Returns
 * how many bytes that would give back. */
static size_t trim_survey(struct mem *m) {
    struct mem_page *few[MEM_FEW + 1];
    size_t pages = 0, gain = trim__mixed_gain(m, &(size_t){ 0 });

    for (unsigned c = 0; c < MEM_MIXED; c++) {
        unsigned k = trim__few(m, c, few);
        size_t n = 0, fill = 0, spare;      /* fill: in sixteenths of a page */

        m->sparse[c] = 0;
        if (k <= MEM_FEW) {
            if (k > 0) gain += trim__few_gain(m, few, k);
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
static inline bool trim_sparse(const struct mem *m, void *p, size_t n) {
#if defined(KVNS_MALLOC)
    (void)m, (void)p, (void)n;
    return false;
#else
    const struct mem_page *page;

    if (n > MEM_SMALL) return false;
    if (mem_is_guest(m, p)) return true;
    page = arena_page(p);
    return page->bin < m->sparse[page->class] || page->doomed ||
           (page->cut != 0 &&
            (size_t)((char *)p - (char *)page) >= page->cut);
#endif
}

/* The same of lines. */
static inline bool trim_lines_sparse(const struct mem *m, void *p, size_t n) {
#if !defined(KVNS_MALLOC)
    if (n > MEM_LINES_SMALL && n <= MEM_LINES_MOST) {
        const struct mem_page *page = arena_page(p);

        if (mem_is_guest(m, p)) return true;
        return page->bin < m->sparse[MEM_CLASSES] || page->doomed;
    }
#endif
    return n <= MEM_LINES_SMALL && trim_sparse(m, p, n);
}

/* Give a block back of which there is a copy now, for it was sparse. */
static void trim_leave(struct mem *m, void *p, size_t n) {
#if !defined(KVNS_MALLOC)
    struct mem_page *page = arena_page(p);
    unsigned class = page->class;

    if (!mem_is_guest(m, p) && class != MEM_MIXED && page->cut != 0 &&
        (size_t)((char *)p - (char *)page) >= page->cut) {
        m->used -= page->size;
        memcpy(p, &page->parked, sizeof p);
        page->parked = p;
        page->live--;
        page->cap--;
        if (page == m->current[class]) return;
        arena_bin_out(m, page, class);
        if (page->live == 0) arena_drop_page(m, page);
        else arena_bin_in(m, page, class);
        return;
    }
#endif
    mem_drop(m, p, n);
}

/* The same for lines. */
static void trim_lines_leave(struct mem *m, void *p, size_t n) {
#if !defined(KVNS_MALLOC)
    if (n <= MEM_LINES_SMALL) {
        m->moves++;
        trim_leave(m, p, n);
        return;
    }
#endif
    mem_lines_drop(m, p, n);
}

/* Chain the free blocks of a page from lo to below hi, the first first.
 * Returns how many there are. */
static uint32_t trim__chain(struct mem_page *page, const uint64_t *is_free,
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
static void trim__free_blocks(struct mem_page *page, uint64_t *is_free,
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
static void trim__cut(struct mem *m, struct mem_page *page, uint32_t n) {
    uint64_t is_free[MEM_PAGE / 8 / 64];
    uint32_t used, parked, cut = MEM_HEAD + n * page->size;

    if (page->fresh < cut + MEM_SYSTEM) return;
    trim__free_blocks(page, is_free, &used);
    trim__chain(page, is_free, 0, n, &page->free);
    parked = trim__chain(page, is_free, n, used, &page->parked);
    page->cap = (uint16_t)(used - parked);
    page->cut = cut;
    m->trim[page->class] = page;
}

/* What lies behind the used part of a page goes back to the system. */
static void trim__give_tail(struct mem *m, struct mem_page *page) {
#if defined(MADV_DONTNEED) && !defined(KVNS_PLAIN)
    size_t from = trim__up(page->fresh);

    if (from < MEM_PAGE &&
        madvise((char *)page + from, MEM_PAGE - from, MADV_DONTNEED) == 0)
        arena_freshen(m, page);
#else
    (void)m, (void)page;
#endif
}

/* Undo a cut: the page ends behind its last block. */
static void trim__uncut(struct mem *m, struct mem_page *page) {
    uint64_t is_free[MEM_PAGE / 8 / 64];
    unsigned class = page->class;
    uint32_t n, was = page->fresh;

    trim__free_blocks(page, is_free, &n);
    while (n > 0 && (is_free[(n - 1) / 64] >> (n - 1) % 64 & 1) != 0) n--;
    trim__chain(page, is_free, 0, n, &page->free);
    page->parked = NULL;
    page->fresh = MEM_HEAD + n * page->size;
    m->untouched += was - page->fresh;
    if (!page->partly) m->partly_pages++;
    page->partly = true;
    page->cap = (uint16_t)(MEM_BODY / page->size);
    page->cut = 0;
    m->trim[class] = NULL;
    if (page != m->current[class]) arena_bin_out(m, page, class);
    trim__give_tail(m, page);
    if (page != m->current[class] && page->live > 0)
        arena_bin_in(m, page, class);
    else if (page != m->current[class])
        arena_drop_page(m, page);
}

/* The sixteenths of a page of lines, or a mixed one, that nothing is in go
 * back. */
static void trim__give_bits(struct mem *m, struct mem_page *page) {
#if defined(MADV_DONTNEED) && !defined(KVNS_PLAIN)
    unsigned units = page->class == MEM_MIXED ? MEM_UNITS / 16 :
                                                MEM_LINES / 16;
    const uint64_t *used = arena_bits(page);

    for (unsigned i = 1; i < 16; i++)
        if ((page->touched >> i & 1) != 0 &&
            arena_bit_from(used, i * units, (i + 1) * units, true) >=
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
static size_t trim__mixed_begin(struct mem *m) {
    struct mem_page *p, *least = NULL;
    size_t need, pages = 0, want;

    for (p = m->mixed; p != NULL; p = p->next, pages++) {
        p->doomed = false;
        p->cut = 0;
    }
    if (trim__mixed_gain(m, &need) == 0) return pages + 1;
    want = need / (MEM_PAGE - MEM_UNITS_HEAD * MEM_UNIT) + 1;
    for (; pages > want; pages--, least->doomed = true)
        for (least = NULL, p = m->mixed; p != NULL; p = p->next)
            if (!p->doomed && (least == NULL || p->live < least->live))
                least = p;
    for (p = m->mixed; p != NULL && want == 1; p = p->next)
        if (!p->doomed)
            p->cut = (uint32_t)size_min(MEM_PAGE,
                trim__up(need + MEM_UNITS_HEAD * MEM_UNIT));
    return pages + 1;
}

/* Before blocks are moved: if there are few pages of a kind, and it is worth
 * it, say which of them are to be emptied, and where the last one is cut.
 * Returns about how many blocks were looked at. */
static size_t trim_begin(struct mem *m, unsigned kind) {
    struct mem_page *few[MEM_FEW + 1], *p;
    size_t live = 0, looked = 1;
    unsigned n, want, j;

    if (kind == MEM_MIXED) return trim__mixed_begin(m);
    if (kind < MEM_CLASSES && m->trim[kind] != NULL)
        trim__uncut(m, m->trim[kind]);
    n = trim__few(m, kind, few);
    if (kind < MEM_CLASSES) m->mix[kind] = n == 0 && m->mixes[kind] > 0;
    if (n == 0 || n > MEM_FEW) return looked;
    for (unsigned i = 0; i < n; i++) {      /* the fullest first */
        few[i]->doomed = false;
        live += few[i]->live;
        for (p = few[j = i]; j > 0 && few[j - 1]->live < p->live; j--)
            few[j] = few[j - 1];
        few[j] = p;
    }
    if (trim__few_gain(m, few, n) == 0) return looked;
    want = trim__want(few[0], live);
    if (trim__mixable(m, few[0], live)) {
        m->mix[kind] = true;
        want = 0;
    }
    for (unsigned i = want; i < n; i++) few[i]->doomed = true;
    if (kind == MEM_CLASSES) return looked;
    p = m->current[kind];
    if (want == 0 || p != few[want - 1]) {
        m->current[kind] = NULL;
        if (p != NULL && p->live == 0) arena_drop_page(m, p);
        else if (p != NULL) arena_bin_in(m, p, kind);
        if (want == 0) return looked;
        arena_bin_out(m, few[want - 1], kind);
        m->current[kind] = few[want - 1];
    }
    for (unsigned i = 0; i + 1 < want; i++) live -= few[i]->cap;
    live += live / 16 + 1;
    looked += few[want - 1]->cap / 8;
    if (live < few[want - 1]->cap)
        trim__cut(m, few[want - 1], (uint32_t)live);
    return looked;
}

/* When they have moved: what that made free goes back to the system. */
static size_t trim_end(struct mem *m, unsigned kind) {
    struct mem_page *few[MEM_FEW + 1];
    size_t looked = 1;
    unsigned n;

    if (kind < MEM_CLASSES && m->trim[kind] != NULL) {
        looked += m->trim[kind]->cap / 8;
        trim__uncut(m, m->trim[kind]);
    }
    if (kind == MEM_MIXED) {
        for (struct mem_page *p = m->mixed; p != NULL; p = p->next, looked++) {
            p->doomed = false;
            p->cut = 0;
            trim__give_bits(m, p);
        }
        return looked;
    }
    if (kind < MEM_CLASSES) m->mix[kind] = false;
    m->sparse[kind] = 0;
    n = trim__few(m, kind, few);
    for (unsigned i = 0; n <= MEM_FEW && i < n; i++) {
        few[i]->doomed = false;
        if (kind == MEM_CLASSES) trim__give_bits(m, few[i]);
        else if (few[i]->stale) trim__give_tail(m, few[i]);
    }
    return looked;
}
