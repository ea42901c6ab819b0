/* SPDX-License-Identifier: MIT */
/* ==== skip - members in order of score =====================================
 *
 * A skip list after Pugh (CACM 33(6), 1990), unrolled: blocks of up to 64
 * members stand under the towers, so that a search touches few cache lines.
 * Each link carries the first score of the block it leads to, which saves a
 * look at the block, and its span, how many members it passes: the rank of a
 * member is the sum of the spans on the way.
 *
 *   lane 1   head -------------- 97 -------------> [block c] -- 40 --> end
 *   lane 0   head -0-> [block a] -64-> [block b] -33-> [c]   -- 40 --> end
 *
 * The span of a link counts from the first member of the block that has the
 * link, or of the list for the head's.  Order is (score, bytes of the member);
 * no two members are equal and no score is NaN.  Blocks are never empty.  A
 * full block is cut in halves, except at the ends of the list, where members
 * that come in order leave full blocks behind.  A block of 32 or fewer is
 * joined with a neighbour if they fill three quarters of one.  A tower gets
 * each further link with a chance of 1 in 4, as Pugh has it: with 1 in 2 there
 * are more links to look at on the way and more spans to count up.
 *
 * Putting, dropping, moving and ranks are O(log n) expected; a step to the
 * next or previous member is O(1).  Members are borrowed: their table owns
 * them, and must keep each one and its key as they are while it is in here.
 *
 * floor 1 - uses: base arena mem trim item
 */
enum {
    SKIP_BLOCK = 64,            /* members of a full block */
    SKIP_JOINED = 48,           /* most members of two joined blocks */
    SKIP_GROUP = 8,             /* members for each pivot */
    SKIP_LANES = 20,            /* most links of a tower */
#ifdef KVNS_VERIFY
    SKIP_FAR = 100              /* members of a list worth scouting: few, for */
#else                           /* tests, and in earnest */
    SKIP_FAR = 500000
#endif
};

struct skip_link {
    double first;               /* score of the target's first member */
    struct skip_block *to;      /* NULL: the end of the list */
    size_t span;                /* members passed */
};

/* Placed for the cache: a step of a search reads the line where the links
 * begin, and the last block's pivots lead it to one line of scores. */
struct skip_block {
    double score[SKIP_BLOCK];
    struct item *item[SKIP_BLOCK];
    double pivot[SKIP_BLOCK / SKIP_GROUP]; /* score of each 8th, or infinity */
    struct skip_block *back;    /* the block before, NULL for the first */
    uint32_t n;                 /* members, 1 to SKIP_BLOCK */
    uint32_t lanes;             /* links */
    struct skip_link link[];
};

struct skip {
    size_t len;                 /* members */
    size_t held;                /* bytes taken of mem, rounding included */
    struct skip_block *tail;
    uint64_t chance;            /* state of the towers' heights */
    int lanes;                  /* links in use, at least 1 */
    struct skip_link link[SKIP_LANES];
};

/* A member of a list, or with block NULL the end: behind the last member and
 * before the first. */
struct skip_at {
    struct skip_block *block;
    uint32_t i;
};

/* Where between the members a range begins or ends. */
enum skip_side {
    SKIP_BEFORE,                /* before all members of the score */
    SKIP_AFTER,                 /* after all members of the score */
    SKIP_KEY,                   /* before the member of score and key */
    SKIP_KEY_AFTER,             /* after it */
    SKIP_LEX,                   /* before the key, whatever the scores */
    SKIP_LEX_AFTER              /* after it */
};

struct skip_bound {
    double score;
    enum skip_side side;
    struct str key;
};

/* Scores from min to max, without the limits themselves where ex is set. */
struct skip_range {
    double min, max;
    bool exmin, exmax;
};

/* The way to a place: on each lane the last link that starts before it, and
 * the rank of the first member that the link counts. */
struct skip__path {
    struct skip_link *link[SKIP_LANES];
    size_t rank[SKIP_LANES];
};

/* An empty list; the seed decides the towers' heights. */
static inline void skip_init(struct skip *s, uint64_t seed) {
    memset(s, 0, sizeof *s);
    s->chance = seed;
    s->lanes = 1;
    s->link[0].first = INFINITY;
}

static inline size_t skip__size(unsigned lanes) {
    return offsetof(struct skip_block, link) +
           lanes * sizeof(struct skip_link);
}

static inline int skip__cmp(const struct item *it, struct str key) {
    return str_cmp(item_key(it), key);
}

#ifdef KVNS_VERIFY
static void skip__verify_lane(const struct skip *s, int lane) {
    const struct skip_link *link = &s->link[lane];
    const struct skip_block *x = s->link[0].to;
    size_t span = 0;

    for (; x != NULL; x = x->link[0].to) {
        if ((int)x->lanes > lane) {
            KVNS_ASSERT(link->to == x && link->span == span);
            KVNS_ASSERT(link->first == x->score[0]);
            link = &x->link[lane];
            span = 0;
        }
        span += x->n;
    }
    KVNS_ASSERT(link->to == NULL && link->span == span);
    KVNS_ASSERT(link->first == INFINITY);
}

static void skip__verify(const struct skip *s) {
    const struct skip_block *x, *prev = NULL;
    double score = -INFINITY;
    const struct item *it = NULL;
    size_t len = 0, held = 0;

    for (x = s->link[0].to; x != NULL; prev = x, x = x->link[0].to) {
        KVNS_ASSERT(x->back == prev && x->n > 0 && x->n <= SKIP_BLOCK);
        KVNS_ASSERT(x->lanes > 0 && (int)x->lanes <= s->lanes);
        for (uint32_t i = 0; i < x->n; i++) {
            KVNS_ASSERT(score <= x->score[i]);
            KVNS_ASSERT(it == NULL || score < x->score[i] ||
                        skip__cmp(it, item_key(x->item[i])) < 0);
            score = x->score[i];
            it = x->item[i];
        }
        for (uint32_t i = 0; i < SKIP_BLOCK; i += SKIP_GROUP)
            KVNS_ASSERT(x->pivot[i / SKIP_GROUP] ==
                        (i < x->n ? x->score[i] : INFINITY));
        len += x->n;
        held += mem_size(skip__size(x->lanes));
    }
    KVNS_ASSERT(s->tail == prev && s->len == len && s->held == held);
    for (int lane = 0; lane < s->lanes; lane++) skip__verify_lane(s, lane);
}
#else
#define skip__verify(s) ((void)(s))
#endif

/* Is a member before the bound? */
static inline bool skip__before(double score, const struct item *it,
                                const struct skip_bound *b) {
    if (b->side < SKIP_LEX && score != b->score) return score < b->score;
    if (b->side == SKIP_BEFORE) return false;
    if (b->side == SKIP_AFTER) return true;
    if (b->side == SKIP_KEY || b->side == SKIP_LEX)
        return skip__cmp(it, b->key) < 0;
    return skip__cmp(it, b->key) <= 0;
}

/* The last block whose first member is before the bound, NULL if there is
 * none, and the rank of its first member. */
static struct skip_block *skip__seek_bound(const struct skip *s,
                                           const struct skip_bound *b,
                                           size_t *rank) {
    const struct skip_link *link = s->link;
    struct skip_block *x = NULL, *to;

    *rank = 0;
    for (int lane = s->lanes - 1; lane >= 0; lane--) {
        while ((to = link[lane].to) != NULL &&
               skip__before(link[lane].first, to->item[0], b)) {
            *rank += link[lane].span;
            link = to->link;
            x = to;
        }
    }
    return x;
}

/* The same for the bound before a member of score and key, with the way. */
static struct skip_block *skip__seek(const struct skip *s, double score,
                                     struct str key, struct skip__path *path,
                                     size_t *rank) {
    const struct skip_link *link = s->link;
    struct skip_block *x = NULL, *to, *stop = NULL;
    size_t r = 0;

    for (int lane = s->lanes - 1; lane >= 0; lane--) {
        for (; (to = link[lane].to) != stop; x = to, link = x->link) {
            if (UNLIKELY(link[lane].first == score)
                    ? skip__cmp(to->item[0], key) >= 0
                    : link[lane].first > score) {
                stop = to; /* nor on the lanes below */
                break;
            }
            r += link[lane].span;
            if (lane < 2) PREFETCH(to->pivot);
        }
        path->link[lane] = (struct skip_link *)&link[lane];
        path->rank[lane] = r;
    }
    *rank = r;
    return x;
}

/* How many of the first n of eight ascending scores, n from 1 to 8, are
 * smaller; eight can be read. */
static INLINE uint32_t skip__count(const double v[8], uint32_t n,
                                   double score) {
#if defined(__SSE2__) && defined(__GNUC__) && !defined(KVNS_PLAIN)
    const __m128d s = _mm_set1_pd(score);
    __m128i a = _mm_castpd_si128(_mm_cmplt_pd(_mm_loadu_pd(v), s));
    __m128i b = _mm_castpd_si128(_mm_cmplt_pd(_mm_loadu_pd(v + 2), s));
    __m128i c = _mm_castpd_si128(_mm_cmplt_pd(_mm_loadu_pd(v + 4), s));
    __m128i d = _mm_castpd_si128(_mm_cmplt_pd(_mm_loadu_pd(v + 6), s));
    /* two bits for each, ones up to the first that is not smaller */
    unsigned below = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(
                         _mm_packs_epi32(a, b), _mm_packs_epi32(c, d)));
    uint32_t count = (uint32_t)__builtin_ctz(~below) / 2;

    return count < n ? count : n;
#else
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++) count += v[i] < score;
    return count;
#endif
}

/* How many members of a block have a smaller score. */
static inline uint32_t skip__smaller(const struct skip_block *x,
                                     double score) {
    uint32_t i = skip__count(x->pivot, SKIP_BLOCK / SKIP_GROUP, score), left;

    if (i == 0) return 0;
    i = (i - 1) * SKIP_GROUP;
    left = x->n - i;
    return i + skip__count(x->score + i, left < SKIP_GROUP ? left : SKIP_GROUP,
                           score);
}

/* How many members of a block are before the bound. */
static uint32_t skip__below_bound(const struct skip_block *x,
                                  const struct skip_bound *b) {
    uint32_t lo = b->side < SKIP_LEX ? skip__smaller(x, b->score) : 0;
    uint32_t hi = x->n, i;

    while (lo < hi) {
        i = lo + (hi - lo) / 2;
        if (skip__before(x->score[i], x->item[i], b)) lo = i + 1;
        else hi = i;
    }
    return lo;
}

/* How many members of a block are before that of score and key. */
static inline uint32_t skip__below(const struct skip_block *x, double score,
                                   struct str key) {
    uint32_t i = skip__smaller(x, score);

    if (i == x->n || x->score[i] != score ||
        skip__cmp(x->item[i], key) >= 0)
        return i;
    if (++i == x->n || x->score[i] != score) return i;
    return skip__below_bound(x, &(struct skip_bound){ score, SKIP_KEY, key });
}

/* A search for a score that only brings what a later one will read.  Several of
 * them, taking turns at steps, wait for the memory together. */
struct skip_scout {
    double score;
    const struct skip_block *block; /* where it stands, and ... */
    const struct skip_link *link;   /* ... the links that are there */
    int lane;                       /* next to be followed; -1: none */
};

/* Is a list so large that its blocks are unlikely to be near? */
static inline bool skip_is_far(const struct skip *s) {
    return s->len >= SKIP_FAR;
}

/* Begin one, in a list that is not empty and stays as it is meanwhile. */
static inline struct skip_scout skip_scout(const struct skip *s,
                                           double score) {
    return (struct skip_scout){ score, s->link[0].to, s->link,
                                s->lanes - 1 };
}

/* Go as far as what is read is likely to be near, and call what comes next.
 * False: there is nothing more to do. */
static INLINE bool skip_scout_step(struct skip_scout *w) {
    const struct skip_block *x;
    size_t i;

    for (; w->lane >= 0; w->lane--) {
        x = w->link[w->lane].to;
        if (x == NULL || w->link[w->lane].first >= w->score) continue;
        w->block = x;
        w->link = x->link;
        PREFETCH(x->link);
        PREFETCH(x->pivot);
        return true;
    }
    x = w->block;
    i = skip__count(x->pivot, SKIP_BLOCK / SKIP_GROUP, w->score);
    i = i == 0 ? 0 : (i - 1) * SKIP_GROUP;
    PREFETCH(x->score + i);
    PREFETCH(x->item + i);
    return false;
}

/* Set the pivots from the one at or before member i on; those behind the last
 * member's are infinite, and so are all of a fresh block. */
static inline void skip__pivots(struct skip_block *x, uint32_t i) {
    for (i -= i % SKIP_GROUP; i < x->n; i += SKIP_GROUP)
        x->pivot[i / SKIP_GROUP] = x->score[i];
    for (; i < SKIP_BLOCK && x->pivot[i / SKIP_GROUP] < INFINITY;
         i += SKIP_GROUP)
        x->pivot[i / SKIP_GROUP] = INFINITY;
}

/* The place of a member: its block and index, and the way to it.  A path
 * leads to the block before when the member is the first of its block, else
 * to the block itself.  False when the member is not there. */
static bool skip__locate(const struct skip *s, double score, struct str key,
                         struct skip__path *path, struct skip_at *at) {
    size_t rank;
    struct skip_block *x = skip__seek(s, score, key, path, &rank);

    at->i = x == NULL ? 0 : skip__below(x, score, key);
    if (x == NULL || at->i == x->n) {
        x = path->link[0]->to;
        at->i = 0;
    }
    at->block = x;
    return x != NULL && x->score[at->i] == score &&
           skip__cmp(x->item[at->i], key) == 0;
}

/* The same for a member that is known to be there, known by where its item is:
 * among those of one score, none need be looked at but where they begin. */
static void skip__locate_item(const struct skip *s, double score,
                              const struct item *it, struct skip__path *path,
                              struct skip_at *at) {
    size_t rank;
    struct skip_block *x = skip__seek(s, score, item_key(it), path, &rank);
    uint32_t i = x == NULL ? 0 : skip__smaller(x, score);

    while (x != NULL && i < x->n && x->item[i] != it) i++;
    if (x == NULL || i == x->n) {
        x = path->link[0]->to;
        i = 0;
    }
    KVNS_ASSERT(x != NULL && x->item[i] == it);
    *at = (struct skip_at){ x, i };
}

/* The link that counts the members of z on a lane, given a path to z or to
 * the block before. */
static inline struct skip_link *skip__owner(const struct skip__path *path,
                                            struct skip_block *z, int lane) {
    return lane < (int)z->lanes ? &z->link[lane] : path->link[lane];
}

/* A block with a tower of random height, or NULL: each link more has a chance
 * of 1 in 4. */
static struct skip_block *skip__block(struct skip *s, struct mem *m) {
    uint32_t bits, lanes = 1;
    struct skip_block *x;

    s->chance = s->chance * UINT64_C(6364136223846793005) +
                UINT64_C(1442695040888963407);
    bits = (uint32_t)(s->chance >> 32);
    for (; lanes < SKIP_LANES && bits % 4 == 0; bits /= 4) lanes++;
    x = mem_try(m, skip__size(lanes));
    if (x == NULL) return NULL;
    x->n = 0;
    x->lanes = lanes;
    for (int i = 0; i < SKIP_BLOCK / SKIP_GROUP; i++) x->pivot[i] = INFINITY;
    s->held += mem_size(skip__size(lanes));
    return x;
}

static void skip__free_block(struct skip *s, struct mem *m,
                             struct skip_block *x) {
    s->held -= mem_size(skip__size(x->lanes));
    mem_drop(m, x, skip__size(x->lanes));
}

/* Move k members from i of x to j of y, which may be x. */
static inline void skip__shift(struct skip_block *y, uint32_t j,
                               const struct skip_block *x, uint32_t i,
                               uint32_t k) {
    bytes_move(y->score + j, x->score + i, k * sizeof *x->score);
    bytes_move(y->item + j, x->item + i, k * sizeof *x->item);
}

/* Put y behind x, or first for x NULL.  The path leads to x; y starts at the
 * given rank, with a member of the given score. */
static void skip__link(struct skip *s, struct skip__path *path,
                       struct skip_block *x, struct skip_block *y,
                       size_t rank, double first) {
    struct skip_block *next = path->link[0]->to;

    for (; s->lanes < (int)y->lanes; s->lanes++) {
        s->link[s->lanes] = (struct skip_link){ INFINITY, NULL, s->len };
        path->link[s->lanes] = &s->link[s->lanes];
        path->rank[s->lanes] = 0;
    }
    for (uint32_t lane = 0; lane < y->lanes; lane++) {
        struct skip_link *link = path->link[lane];
        size_t span = rank - path->rank[lane];

        y->link[lane] = *link;
        y->link[lane].span -= span;
        *link = (struct skip_link){ first, y, span };
    }
    y->back = x;
    if (next != NULL) next->back = y;
    else s->tail = y;
}

/* Take z out, whose members have gone to the block before or for good.  The
 * links of the path lead to z wherever it has a lane. */
static void skip__unlink(struct skip *s, struct mem *m,
                         const struct skip__path *path, struct skip_block *z) {
    struct skip_block *next = z->link[0].to;

    for (uint32_t lane = 0; lane < z->lanes; lane++) {
        path->link[lane]->first = z->link[lane].first;
        path->link[lane]->to = z->link[lane].to;
        path->link[lane]->span += z->link[lane].span;
    }
    if (next != NULL) next->back = z->back;
    else s->tail = z->back;
    skip__free_block(s, m, z);
}

/* Cut a full block x before member i, where one is to go, and put what is
 * above into y, which is new; at the list's ends leave a full block behind.
 * The path leads to x, which starts at the given rank. */
static void skip__split(struct skip *s, struct skip__path *path,
                        struct skip_block *x, struct skip_block *y,
                        size_t rank, uint32_t i, double score) {
    uint32_t keep = i == 0 ? 0 : SKIP_BLOCK / 2;

    if (i == SKIP_BLOCK && x == s->tail) keep = SKIP_BLOCK;
    y->n = SKIP_BLOCK - keep;
    x->n = keep;
    skip__shift(y, 0, x, keep, y->n);
    skip__pivots(y, 0);
    skip__pivots(x, keep);
    skip__link(s, path, x, y, rank + keep, y->n > 0 ? y->score[0] : score);
}

/* Put a member into block x, which has room, as its i-th; the path leads to
 * x. */
static void skip__place(struct skip *s, const struct skip__path *path,
                        struct skip_block *x, uint32_t i, double score,
                        struct item *it) {
    skip__shift(x, i + 1, x, i, x->n - i);
    x->score[i] = score;
    x->item[i] = it;
    x->n++;
    skip__pivots(x, i);
    s->len++;
    for (int lane = 0; lane < s->lanes; lane++)
        skip__owner(path, x, lane)->span++;
}

/* Insert a member, for which its block may have to be cut in two: then into
 * `spare` or, for NULL, a new block.  A spare not needed is freed.  False when
 * memory is refused. */
static bool skip__insert(struct skip *s, struct mem *m, double score,
                         struct item *it, struct skip_block *spare) {
    struct str key = item_key(it);
    struct skip__path path;
    size_t rank;
    struct skip_block *x = skip__seek(s, score, key, &path, &rank);
    struct skip_block *y = NULL;
    uint32_t i = 0;

    if (x != NULL) i = skip__below(x, score, key);
    else x = s->link[0].to;
    if (x == NULL || x->n == SKIP_BLOCK) {
        y = spare != NULL ? spare : skip__block(s, m);
        if (y == NULL) return false;
        spare = NULL;
    }
    if (x != NULL && i == 0) {
        /* Before all others: the head's links lead to x. */
        for (uint32_t lane = 0; lane < x->lanes; lane++) {
            path.link[lane]->first = score;
            path.link[lane] = &x->link[lane];
        }
    }
    if (x == NULL) {
        skip__link(s, &path, NULL, y, 0, score);
        x = y;
    } else if (x->n == SKIP_BLOCK) {
        skip__split(s, &path, x, y, rank, i, score);
        if (i > x->n || x->n == SKIP_BLOCK) {
            i -= x->n;
            x = y;
        }
    }
    skip__place(s, &path, x, i, score, it);
    if (spare != NULL) skip__free_block(s, m, spare);
    return true;
}

/* Join z and its next block if they fill three quarters of one or less; the
 * path leads to z or the block before. */
static bool skip__join(struct skip *s, struct mem *m, struct skip__path *path,
                       struct skip_block *z) {
    struct skip_block *next = z->link[0].to;

    if (next == NULL || z->n + next->n > SKIP_JOINED) return false;
    skip__shift(z, z->n, next, 0, next->n);
    z->n += next->n;
    skip__pivots(z, z->n - next->n);
    for (int lane = 0; lane < (int)next->lanes; lane++)
        path->link[lane] = skip__owner(path, z, lane);
    skip__unlink(s, m, path, next);
    return true;
}

/* Remove k members of block z from i on; the path leads to z, or for i 0 to
 * the block before. */
static void skip__remove(struct skip *s, struct mem *m,
                         struct skip__path *path, struct skip_block *z,
                         uint32_t i, uint32_t k) {
    size_t rank;

    for (int lane = 0; lane < s->lanes; lane++)
        skip__owner(path, z, lane)->span -= k;
    z->n -= k;
    s->len -= k;
    if (z->n == 0) {
        skip__unlink(s, m, path, z);
        return;
    }
    skip__shift(z, i, z, i + k, z->n - i);
    skip__pivots(z, i);
    for (uint32_t lane = 0; i == 0 && lane < z->lanes; lane++)
        path->link[lane]->first = z->score[0];
    if (z->n > SKIP_BLOCK / 2 || skip__join(s, m, path, z)) return;
    if (z->back == NULL || z->back->n + z->n > SKIP_JOINED) return;
    z = skip__seek(s, z->score[0], item_key(z->item[0]), path, &rank);
    skip__join(s, m, path, z);
}

/* Put a member that is not in the list.  False when memory is refused. */
static bool skip_put(struct skip *s, struct mem *m, double score,
                     struct item *it) {
    bool ok = skip__insert(s, m, score, it, NULL);

    skip__verify(s);
    return ok;
}

/* Take a member out; false when it is not in the list. */
static bool skip_drop(struct skip *s, struct mem *m, double score,
                      struct str key) {
    struct skip__path path;
    struct skip_at at;

    if (!skip__locate(s, score, key, &path, &at)) return false;
    skip__remove(s, m, &path, at.block, at.i, 1);
    skip__verify(s);
    return true;
}

/* Where the member at `at` goes with a new score, if that is in its block and
 * no link need be sought for it; SKIP_BLOCK if not. */
static uint32_t skip__stays(struct skip_at at, double score, struct str key) {
    const struct skip_bound b = { score, SKIP_KEY, key };
    const struct skip_block *z = at.block, *back = z->back;
    const struct skip_link *link = &z->link[0];
    uint32_t i = skip__below(z, score, key);

    if (i == z->n && link->to != NULL &&
        skip__before(link->first, link->to->item[0], &b))
        return SKIP_BLOCK;
    if (i == 0 && at.i > 0) return SKIP_BLOCK;
    if (i == 0 && back != NULL &&
        !skip__before(back->score[back->n - 1], back->item[back->n - 1], &b))
        return SKIP_BLOCK;
    return i > at.i ? i - 1 : i;
}

/* Let the member at `at`, to which a path leads, change over to another block,
 * where it goes with its new score; false, and nothing has changed, unless
 * there is room and enough stays behind, so that no block comes or goes. */
static bool skip__change_over(struct skip *s, struct mem *m,
                              struct skip__path *path, struct skip_at at,
                              double score, struct item *it) {
    struct skip__path way;
    struct skip_block *y;
    size_t rank;

    if (at.block->n <= SKIP_BLOCK / 2 + 1) return false;
    y = skip__seek(s, score, item_key(it), &way, &rank);
    if (y == NULL || y == at.block || y->n == SKIP_BLOCK) return false;
    skip__remove(s, m, path, at.block, at.i, 1);
    skip__place(s, &way, y, skip__below(y, score, item_key(it)), score, it);
    return true;
}

/* Change a member's score from old to new; it must be in the list.  Within a
 * block nothing else changes.  False when memory is refused. */
static bool skip_move(struct skip *s, struct mem *m, double old, double new,
                      struct item *it) {
    struct str key = item_key(it);
    struct skip__path path;
    struct skip_block *z, *spare;
    struct skip_at at;
    uint32_t i;
    bool ok;

    skip__locate_item(s, old, it, &path, &at);
    z = at.block;
    i = skip__stays(at, new, key);
    if (i < SKIP_BLOCK) {
        if (i > at.i) skip__shift(z, at.i, z, at.i + 1, i - at.i);
        else skip__shift(z, i + 1, z, i, at.i - i);
        z->score[i] = new;
        z->item[i] = it;
        skip__pivots(z, i < at.i ? i : at.i);
        for (uint32_t lane = 0; at.i == 0 && lane < z->lanes; lane++)
            path.link[lane]->first = z->score[0];
    } else if (!skip__change_over(s, m, &path, at, new, it)) {
        /* Had beforehand, so that nothing is refused halfway. */
        spare = skip__block(s, m);
        if (spare == NULL) return false;
        skip__remove(s, m, &path, z, at.i, 1);
        ok = skip__insert(s, m, new, it, spare);
        KVNS_ASSERT(ok);
    }
    skip__verify(s);
    return true;
}

/* The rank, 0 for the first, of a member, which must be in the list. */
static size_t skip_rank(const struct skip *s, double score,
                        const struct item *it) {
    struct skip__path path;
    size_t rank;
    const struct skip_block *x = skip__seek(s, score, item_key(it), &path,
                                            &rank);
    uint32_t i;

    if (x == NULL) return 0;
    i = skip__smaller(x, score);
    /* Only one here or behind has that score: no need to look for it. */
    if (i + 1 < x->n ? x->score[i + 1] != score : x->link[0].first != score)
        return rank + i;
    while (i < x->n && x->item[i] != it) i++;
    return rank + i;
}

/* Let `to`, a copy, stand in the place of a member of that score and key. */
static void skip_replace(struct skip *s, double score, struct item *to) {
    struct skip__path path;
    struct skip_at at;

    if (skip__locate(s, score, item_key(to), &path, &at))
        at.block->item[at.i] = to;
}

/* The member of a rank, or the end. */
static struct skip_at skip_at(const struct skip *s, size_t rank) {
    const struct skip_link *link = s->link;
    struct skip_block *x = NULL;

    if (rank >= s->len) return (struct skip_at){ NULL, 0 };
    for (int lane = s->lanes - 1; lane >= 0; lane--) {
        while (link[lane].span <= rank) {
            rank -= link[lane].span;
            x = link[lane].to;
            link = x->link;
        }
    }
    return (struct skip_at){ x, (uint32_t)rank };
}

/* The first member, or the end of an empty list. */
static inline struct skip_at skip_first(const struct skip *s) {
    return (struct skip_at){ s->link[0].to, 0 };
}

TESTED_ONLY static inline struct skip_at skip_last(const struct skip *s) {
    return (struct skip_at){ s->tail, s->tail == NULL ? 0 : s->tail->n - 1 };
}

static inline bool skip_is_end(struct skip_at at) { return at.block == NULL; }

/* The score and the member at a position that is not the end. */
static inline double skip_score(struct skip_at at) {
    return at.block->score[at.i];
}

static inline struct item *skip_item(struct skip_at at) {
    return at.block->item[at.i];
}

/* Go to the next member, from the last to the end. */
static inline void skip_next(struct skip_at *at) {
    if (++at->i < at->block->n) return;
    at->block = at->block->link[0].to;
    at->i = 0;
}

/* Go to the member before, from the first to the end, from the end to the
 * last. */
static inline void skip_prev(const struct skip *s, struct skip_at *at) {
    if (at->block != NULL && at->i > 0) {
        at->i--;
        return;
    }
    at->block = at->block == NULL ? s->tail : at->block->back;
    at->i = at->block == NULL ? 0 : at->block->n - 1;
}

/* The first member that is not before the bound, or the end, and its rank
 * (the list's length for the end). */
static struct skip_at skip_find(const struct skip *s, struct skip_bound b,
                                size_t *rank) {
    struct skip_block *x = skip__seek_bound(s, &b, rank);
    struct skip_at at = { x, 0 };

    if (x == NULL) return skip_first(s);
    at.i = skip__below_bound(x, &b);
    *rank += at.i;
    if (at.i == x->n) at = (struct skip_at){ x->link[0].to, 0 };
    return at;
}

/* Where a range of scores begins, and where it has ended. */
static inline struct skip_bound skip_range_min(const struct skip_range *r) {
    return (struct skip_bound){ r->min, r->exmin ? SKIP_AFTER : SKIP_BEFORE,
                                { NULL, 0 } };
}

static inline struct skip_bound skip_range_max(const struct skip_range *r) {
    return (struct skip_bound){ r->max, r->exmax ? SKIP_BEFORE : SKIP_AFTER,
                                { NULL, 0 } };
}

/* The first member in a range of scores, and its rank; else the end. */
TESTED_ONLY static struct skip_at skip_first_in(const struct skip *s,
                                    const struct skip_range *r,
                                    size_t *rank) {
    struct skip_at at = skip_find(s, skip_range_min(r), rank);
    struct skip_bound max = skip_range_max(r);

    if (!skip_is_end(at) && !skip__before(skip_score(at), NULL, &max))
        at = (struct skip_at){ NULL, 0 };
    return at;
}

/* The last member in a range of scores, and its rank; else the end. */
TESTED_ONLY static struct skip_at skip_last_in(const struct skip *s,
                                   const struct skip_range *r, size_t *rank) {
    struct skip_at at = skip_find(s, skip_range_max(r), rank);
    struct skip_bound min = skip_range_min(r);

    skip_prev(s, &at);
    --*rank;
    if (!skip_is_end(at) && skip__before(skip_score(at), NULL, &min))
        at = (struct skip_at){ NULL, 0 };
    return at;
}

/* How many members lie between two bounds. */
TESTED_ONLY
static size_t skip_count(const struct skip *s, struct skip_bound min,
                         struct skip_bound max) {
    size_t from, to;

    skip_find(s, min, &from);
    skip_find(s, max, &to);
    return from < to ? to - from : 0;
}

/* Remove count members from a rank on, as far as there are any, each given to
 * `each`, which may free it but not look at the list.  Returns how many. */
static size_t skip_drop_range(struct skip *s, struct mem *m, size_t rank,
                              size_t count,
                              void (*each)(void *arg, struct item *it),
                              void *arg) {
    size_t done = 0;

    while (done < count && rank < s->len) {
        struct skip_link *link = s->link;
        struct skip__path path;
        struct skip_block *z = NULL;
        size_t r = 0;
        uint32_t i, k;

        for (int lane = s->lanes - 1; lane >= 0; lane--) {
            /* As far as the last block that begins before the rank. */
            while (link[lane].to != NULL && r + link[lane].span < rank) {
                r += link[lane].span;
                z = link[lane].to;
                link = z->link;
            }
            path.link[lane] = &link[lane];
        }
        i = (uint32_t)(rank - r);
        if (z == NULL || i == z->n) {
            z = link[0].to;
            i = 0;
        }
        k = (uint32_t)size_min(z->n - i, count - done);
        for (uint32_t j = i; j < i + k; j++) each(arg, z->item[j]);
        skip__remove(s, m, &path, z, i, k);
        done += k;
    }
    skip__verify(s);
    return done;
}

/* A member was copied elsewhere: point to the copy.  Both must still be
 * there.  False when the old one is not in the list. */
static bool skip_replace_item(struct skip *s, double score,
                              const struct item *old, struct item *new) {
    struct skip__path path;
    struct skip_at at;

    if (!skip__locate(s, score, item_key(new), &path, &at)) return false;
    if (NEVER(skip_item(at) != old)) return false;
    at.block->item[at.i] = new;
    return true;
}

/* Put blocks elsewhere where that helps the arena: those whose first member has
 * a rank from `from` on, below `end`. */
static void skip_compact(struct skip *s, struct mem *m, size_t from,
                         size_t end) {
    struct skip_link *link = s->link, *way[SKIP_LANES];
    struct skip_block *x;
    size_t rank = 0;

    for (int lane = 0; lane < SKIP_LANES; lane++) way[lane] = link + lane;
    for (int lane = s->lanes - 1; lane >= 0; lane--) {
        while (link[lane].to != NULL && rank + link[lane].span < from) {
            rank += link[lane].span;
            link = link[lane].to->link;
        }
        way[lane] = link + lane;
    }
    while ((x = way[0]->to) != NULL && (rank += way[0]->span) < end) {
        struct skip_block *to = NULL;
        size_t n = skip__size(x->lanes);

        KVNS_ASSERT((int)x->lanes <= s->lanes);
        if (trim_sparse(m, x, n)) to = mem_try(m, n);
        if (to != NULL) {
            memcpy(to, x, n);
            for (uint32_t i = 0; i < x->lanes; i++) way[i]->to = to;
            if (to->link[0].to != NULL) to->link[0].to->back = to;
            else s->tail = to;
            trim_leave(m, x, n);
            x = to;
        }
        for (uint32_t i = 0; i < x->lanes; i++) way[i] = x->link + i;
    }
}

/* Put a member behind all others, whatever its score.  Until skip_settle the
 * list may only be appended to or freed.  False when memory is refused. */
static bool skip_append(struct skip *s, struct mem *m, double score,
                        struct item *it) {
    struct skip_block *x = s->tail, *y;

    if (x == NULL || x->n == SKIP_BLOCK) {
        y = skip__block(s, m);
        if (y == NULL) return false;
        y->back = x;
        y->link[0].to = NULL;
        if (x == NULL) s->link[0].to = y;
        else x->link[0].to = y;
        s->tail = x = y;
    }
    x->score[x->n] = score;
    x->item[x->n++] = it;
    s->len++;
    return true;
}

/* All members were appended, and are in order now: make links, spans and
 * pivots. */
static void skip_settle(struct skip *s) {
    struct skip_link *last[SKIP_LANES] = { s->link };
    size_t from[SKIP_LANES] = { 0 }, rank = 0;

    s->lanes = 1;
    for (struct skip_block *x = s->link[0].to; x != NULL; x = x->link[0].to) {
        for (; s->lanes < (int)x->lanes; s->lanes++)
            last[s->lanes] = &s->link[s->lanes];
        for (uint32_t lane = 0; lane < x->lanes; lane++) {
            *last[lane] = (struct skip_link){ x->score[0], x,
                                              rank - from[lane] };
            last[lane] = &x->link[lane];
            from[lane] = rank;
        }
        skip__pivots(x, 0);
        rank += x->n;
    }
    for (int lane = 0; lane < s->lanes; lane++)
        *last[lane] = (struct skip_link){ INFINITY, NULL, rank - from[lane] };
    skip__verify(s);
}

/* Free at most budget blocks; returns how many.  Nothing else may be done with
 * the list any more; it needs nothing when its len is 0.  Members stay. */
static size_t skip_free_step(struct skip *s, struct mem *m, size_t budget) {
    struct skip_block *x = s->link[0].to, *next;
    size_t n = 0;

    for (; n < budget && x != NULL; n++, x = next) {
        next = x->link[0].to;
        s->len -= x->n;
        skip__free_block(s, m, x);
    }
    s->link[0].to = x;
    if (x == NULL) skip_init(s, s->chance);
    return n;
}

/* Free all blocks, at once. */
TESTED_ONLY static void skip_free(struct skip *s, struct mem *m) {
    skip_free_step(s, m, SIZE_MAX);
}
