/* SPDX-License-Identifier: MIT */
/* ==== ids - things in order of a stream's IDs ==============================
 *
 * A B+ tree after Bayer and McCreight (Acta Informatica 1, 1972) as Comer
 * tells it (ACM Surveys 11(2), 1979), keyed by IDs of 128 bits.  Items of one
 * size lie in leaves of about 1 KiB, which are chained; above them stand
 * nodes of bounds and children.
 *
 *   node          [ >= 0-0 | >= 5-0 | >= 9-1 ]
 *                     |         |        |
 *   leaves      [ 1-0 2-0 ] [ 5-0 7-2 ] [ 9-1 9-2 ... ]
 *
 * IDs mostly come in order: a leaf that is full at the very end is left full
 * and a new one begun, so that what is appended fills its leaves.  A leaf
 * begins small and doubles; what shrinks is merged with its neighbour, and
 * goes when it is empty.  Full nodes are split on the way down, so that an
 * insertion that is refused leaves a sound tree.
 *
 * Freezing, for snapshots, takes no time: whoever froze the tree has a number,
 * its epoch, which every leaf made from then on carries, and every leaf that
 * has been read.  A leaf with another is old: it is not changed any more, a
 * copy takes its place, and it lives, counted as kept, until it is read.
 *
 * The tree owns its leaves; `held` of the caller counts their bytes.  Places
 * and items are good until the next change.  Finding, putting and dropping
 * are O(log n).
 *
 * floor 1 - uses: base arena mem
 */
#if !defined(KVNS_NO_STREAMS)
struct stream_id {
    uint64_t ms, seq;
};

enum {
    IDS_LEAF = 1024,            /* bytes of a full leaf */
    IDS_FAN = 32,               /* children of a node */
    IDS_DEPTH = 24              /* more levels than memory has room for */
};

struct ids_leaf {
    struct ids_leaf *prev, *next;
    uint32_t epoch;             /* in a frozen tree: another than its, if old */
    uint16_t n, cap;            /* items, room for items */
    uint16_t size;              /* of an item */
    bool loose;                 /* in no tree: reading it frees it */
    uint8_t items[];            /* each begins with its struct stream_id */
};

struct ids_node {
    uint32_t n;
    struct stream_id low[IDS_FAN];  /* nothing below: bounds; [0] is unused */
    void *child[IDS_FAN];
};

struct ids_frozen;

struct ids {
    void *root;                 /* leaf or node; NULL: empty */
    struct ids_leaf *first, *last;
    size_t count;               /* items */
    size_t leaves;
    struct ids_frozen *frozen;  /* what it was, if somebody reads that */
    uint16_t size;              /* of an item */
    uint16_t height;            /* nodes above a leaf */
};

/* A tree as it was.  Of a tree there is one at a time. */
struct ids_frozen {
    struct ids *of;             /* NULL: has gone, or is all read */
    struct ids_leaf *kept;      /* old leaves that have left it */
    struct stream_id at;        /* in the tree what is below was read */
    size_t count;               /* items still to be read */
    uint32_t epoch;             /* not 0 */
};

/* A place: an item, or leaf NULL past an end. */
struct ids_at {
    struct ids_leaf *leaf;
    uint32_t i;
};

/* The way from the root to a leaf. */
struct ids__path {
    struct ids_node *node[IDS_DEPTH];
    uint32_t i[IDS_DEPTH];
    int depth;
    struct ids_leaf *leaf;
};

enum { IDS_HEADER = (int)((offsetof(struct ids_leaf, items) + 7) & ~7u) };

static inline int stream_id_cmp(struct stream_id a, struct stream_id b) {
    if (a.ms != b.ms) return a.ms < b.ms ? -1 : 1;
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

static inline bool stream_id_is_zero(struct stream_id a) {
    return a.ms == 0 && a.seq == 0;
}

/* The next larger ID; false: there is none. */
static inline bool stream_id_next(struct stream_id *a) {
    if (++a->seq != 0) return true;
    return ++a->ms != 0;
}

/* The next smaller ID; false: there is none. */
static inline bool stream_id_prev(struct stream_id *a) {
    if (a->seq-- != 0) return true;
    return a->ms-- != 0;
}

static inline void ids_init(struct ids *t, size_t size) {
    memset(t, 0, sizeof *t);
    t->size = (uint16_t)size;
}

static inline size_t ids__bytes(size_t cap, size_t size) {
    return IDS_HEADER + cap * size;
}

static inline uint8_t *ids__at(const struct ids_leaf *l, size_t i) {
    return (uint8_t *)(uintptr_t)l + IDS_HEADER + i * l->size;
}

static inline struct stream_id ids__id(const struct ids_leaf *l, size_t i) {
    struct stream_id id;

    memcpy(&id, ids__at(l, i), sizeof id);
    return id;
}

/* Items of a full leaf. */
static inline size_t ids__most(const struct ids *t) {
    return (IDS_LEAF - IDS_HEADER) / t->size;
}

#ifdef KVNS_VERIFY
static void ids__verify_under(const struct ids *t, const void *p, int height,
                              struct ids_leaf **chain, size_t *held) {
    const struct ids_node *node = p;
    struct ids_leaf *leaf;

    if (height > 0) {
        KVNS_ASSERT(node->n > 0 && node->n <= IDS_FAN);
        *held += mem_size(sizeof *node);
        for (uint32_t i = 0; i < node->n; i++) {
            struct ids_leaf *was = *chain;

            ids__verify_under(t, node->child[i], height - 1, chain, held);
            if (i == 0) continue;
            KVNS_ASSERT(stream_id_cmp(ids__id(was, was->n - 1u),
                                      node->low[i]) < 0);
            KVNS_ASSERT(stream_id_cmp(node->low[i],
                                      ids__id(was->next, 0)) <= 0);
        }
        return;
    }
    leaf = (struct ids_leaf *)(uintptr_t)p;
    KVNS_ASSERT(leaf->n > 0 && leaf->n <= leaf->cap && !leaf->loose);
    KVNS_ASSERT(leaf->prev == *chain);
    KVNS_ASSERT(*chain == NULL ? t->first == leaf : (*chain)->next == leaf);
    for (size_t i = 0; i < leaf->n; i++)
        if (i > 0 || leaf->prev != NULL)
            KVNS_ASSERT(stream_id_cmp(i > 0 ? ids__id(leaf, i - 1) :
                            ids__id(leaf->prev, leaf->prev->n - 1u),
                            ids__id(leaf, i)) < 0);
    *held += mem_size(ids__bytes(leaf->cap, leaf->size));
    *chain = leaf;
}

/* Walk all of it; returns the bytes it holds. */
static size_t ids__verify(const struct ids *t) {
    struct ids_leaf *chain = NULL;
    size_t held = 0, n = 0, leaves = 0;

    if (t->root != NULL)
        ids__verify_under(t, t->root, t->height, &chain, &held);
    KVNS_ASSERT(t->last == chain && (chain == NULL || chain->next == NULL));
    for (const struct ids_leaf *l = t->first; l != NULL; l = l->next) {
        n += l->n;
        leaves++;
    }
    KVNS_ASSERT(n == t->count && leaves == t->leaves);
    return held;
}
#endif

/* Where in a leaf the first item not below id is. */
static inline uint32_t ids__search(const struct ids_leaf *l,
                                   struct stream_id id) {
    uint32_t lo = 0, hi = l->n;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (stream_id_cmp(ids__id(l, mid), id) < 0) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

/* Which child of a node an ID belongs to. */
static inline uint32_t ids__child(const struct ids_node *node,
                                  struct stream_id id) {
    uint32_t lo = 1, hi = node->n;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (stream_id_cmp(node->low[mid], id) <= 0) lo = mid + 1;
        else hi = mid;
    }
    return lo - 1;
}

/* The way to the leaf where an ID belongs; the tree is not empty. */
static void ids__descend(const struct ids *t, struct stream_id id,
                         struct ids__path *path) {
    void *p = t->root;

    path->depth = t->height;
    for (int d = 0; d < path->depth; d++) {
        path->node[d] = p;
        path->i[d] = ids__child(p, id);
        p = path->node[d]->child[path->i[d]];
    }
    path->leaf = p;
}

/* ---- reading ------------------------------------------------------------- */

/* The item at a place, lent; NULL past an end. */
static inline const void *ids_item(struct ids_at at) {
    return at.leaf == NULL ? NULL : ids__at(at.leaf, at.i);
}

static inline struct ids_at ids_first(const struct ids *t) {
    return (struct ids_at){ t->first, 0 };
}

static inline struct ids_at ids_last(const struct ids *t) {
    return (struct ids_at){ t->last, t->last == NULL ? 0 : t->last->n - 1u };
}

static inline void ids_next(struct ids_at *at) {
    if (++at->i < at->leaf->n) return;
    at->leaf = at->leaf->next;
    at->i = 0;
}

static inline void ids_prev(struct ids_at *at) {
    if (at->i-- > 0) return;
    at->leaf = at->leaf->prev;
    at->i = at->leaf == NULL ? 0 : at->leaf->n - 1u;
}

/* The first place whose ID is not below this one. */
static struct ids_at ids_seek(const struct ids *t, struct stream_id id) {
    struct ids__path path;
    struct ids_at at = { NULL, 0 };

    if (t->root == NULL) return at;
    ids__descend(t, id, &path);
    at.leaf = path.leaf;
    at.i = ids__search(at.leaf, id);
    if (at.i == at.leaf->n) {
        at.leaf = at.leaf->next;
        at.i = 0;
    }
    return at;
}

/* The last place whose ID is not above this one. */
static struct ids_at ids_seek_back(const struct ids *t, struct stream_id id) {
    struct ids_at at = ids_seek(t, id);

    if (at.leaf == NULL) return ids_last(t);
    if (stream_id_cmp(ids__id(at.leaf, at.i), id) != 0) ids_prev(&at);
    return at;
}

/* The item of an ID, lent, or NULL. */
static const void *ids_find(const struct ids *t, struct stream_id id) {
    struct ids_at at = ids_seek(t, id);

    if (at.leaf == NULL || stream_id_cmp(ids__id(at.leaf, at.i), id) != 0)
        return NULL;
    return ids__at(at.leaf, at.i);
}

/* ---- leaves -------------------------------------------------------------- */

static struct ids_leaf *ids__leaf(const struct ids *t, struct mem *m,
                                  size_t *held, size_t cap) {
    struct ids_leaf *l = mem_try(m, ids__bytes(cap, t->size));

    if (l == NULL) return NULL;
    memset(l, 0, IDS_HEADER);
    l->cap = (uint16_t)cap;
    l->size = t->size;
    l->epoch = t->frozen == NULL ? 0 : t->frozen->epoch;
    *held += mem_size(ids__bytes(cap, t->size));
    return l;
}

/* Is a leaf frozen and not read yet? */
static inline bool ids__is_old(const struct ids *t, const struct ids_leaf *l) {
    return UNLIKELY(t->frozen != NULL) && l->epoch != t->frozen->epoch;
}

/* A leaf has left its tree: free it, or keep it if it is old. */
static void ids__discard(const struct ids *t, struct mem *m, size_t *held,
                         struct ids_leaf *l) {
    size_t n = ids__bytes(l->cap, l->size);

    *held -= mem_size(n);
    if (!ids__is_old(t, l)) {
        mem_drop(m, l, n);
        return;
    }
    l->loose = true;
    l->next = t->frozen->kept;
    t->frozen->kept = l;
    m->kept += mem_size(n);
}

/* Put a leaf into the place of the one the path leads to. */
static void ids__replace(struct ids *t, struct ids__path *path,
                         struct ids_leaf *to) {
    struct ids_leaf *was = path->leaf;
    int d = path->depth - 1;

    to->prev = was->prev;
    to->next = was->next;
    if (to->prev != NULL) to->prev->next = to;
    else t->first = to;
    if (to->next != NULL) to->next->prev = to;
    else t->last = to;
    if (d < 0) t->root = to;
    else path->node[d]->child[path->i[d]] = to;
    path->leaf = to;
}

/* Make the leaf of a path one of our own, with room for cap items at least.
 * False: no memory, nothing changed. */
static bool ids__own(struct ids *t, struct mem *m, size_t *held,
                     struct ids__path *path, size_t cap) {
    struct ids_leaf *was = path->leaf, *l;

    if (LIKELY(!ids__is_old(t, was) && was->cap >= cap)) return true;
    l = ids__leaf(t, m, held,
                  size_max(cap, ids__is_old(t, was) ? was->n : was->cap));
    if (l == NULL) return false;
    l->n = was->n;
    memcpy(ids__at(l, 0), ids__at(was, 0), (size_t)was->n * t->size);
    ids__replace(t, path, l);
    ids__discard(t, m, held, was);
    return true;
}

/* ---- changes ------------------------------------------------------------- */

/* Split the full child i of a node that is not full.  False: no memory. */
static bool ids__split_node(struct mem *m, size_t *held,
                            struct ids_node *over, uint32_t i) {
    struct ids_node *left = over->child[i], *right = mem_try(m, sizeof *right);
    uint32_t keep = IDS_FAN / 2, n = left->n - keep;

    if (right == NULL) return false;
    *held += mem_size(sizeof *right);
    right->n = n;
    memcpy(right->low, left->low + keep, n * sizeof *right->low);
    memcpy(right->child, left->child + keep, n * sizeof *right->child);
    left->n = keep;
    memmove(over->low + i + 2, over->low + i + 1,
            (over->n - i - 1) * sizeof *over->low);
    memmove(over->child + i + 2, over->child + i + 1,
            (over->n - i - 1) * sizeof *over->child);
    over->low[i + 1] = right->low[0];
    over->child[i + 1] = right;
    over->n++;
    return true;
}

/* A node above the root.  False: no memory. */
static bool ids__grow(struct ids *t, struct mem *m, size_t *held) {
    struct ids_node *node = mem_try(m, sizeof *node);

    if (node == NULL) return false;
    *held += mem_size(sizeof *node);
    node->n = 1;
    node->low[0] = (struct stream_id){ 0, 0 };
    node->child[0] = t->root;
    t->root = node;
    t->height++;
    return true;
}

/* The way to the leaf of an ID, with room for a child in each node of it.
 * False: no memory. */
static bool ids__descend_roomy(struct ids *t, struct mem *m, size_t *held,
                               struct stream_id id, struct ids__path *path) {
    if (t->height == 0 || ((struct ids_node *)t->root)->n == IDS_FAN)
        if (!ids__grow(t, m, held)) return false;
    KVNS_ASSERT(t->height < IDS_DEPTH);
    path->depth = t->height;
    path->node[0] = t->root;
    for (int d = 0; d < path->depth; d++) {
        struct ids_node *node = path->node[d], *under;
        uint32_t i = ids__child(node, id);

        if (d + 1 < path->depth) {
            under = node->child[i];
            if (under->n == IDS_FAN) {
                if (!ids__split_node(m, held, node, i)) return false;
                i = ids__child(node, id);
            }
            path->node[d + 1] = node->child[i];
        } else {
            path->leaf = node->child[i];
        }
        path->i[d] = i;
    }
    return true;
}

/* Put a filled leaf behind the one of a path whose node has room. */
static void ids__link(struct ids *t, struct ids__path *path,
                      struct ids_leaf *l, struct stream_id low) {
    struct ids_node *over = path->node[path->depth - 1];
    uint32_t i = path->i[path->depth - 1] + 1;

    memmove(over->low + i + 1, over->low + i,
            (over->n - i) * sizeof *over->low);
    memmove(over->child + i + 1, over->child + i,
            (over->n - i) * sizeof *over->child);
    over->low[i] = low;
    over->child[i] = l;
    over->n++;
    l->prev = path->leaf;
    l->next = path->leaf->next;
    if (l->next != NULL) l->next->prev = l;
    else t->last = l;
    path->leaf->next = l;
    t->leaves++;
}

/* Make room for one more at *i of a full leaf, by a second one: the path's
 * leaf and *i may be of that then.  False: no memory, nothing changed. */
static bool ids__split(struct ids *t, struct mem *m, size_t *held,
                       struct stream_id id, struct ids__path *path,
                       uint32_t *i) {
    size_t most = ids__most(t), keep;
    struct ids_leaf *l;

    if (!ids__descend_roomy(t, m, held, id, path)) return false;
    l = ids__leaf(t, m, held, most);
    if (l == NULL) return false;
    if (path->leaf->next == NULL && *i == path->leaf->n) {
        ids__link(t, path, l, id);
        path->i[path->depth - 1]++;
        path->leaf = l;
        *i = 0;
        return true;
    }
    if (!ids__own(t, m, held, path, most)) {
        ids__discard(t, m, held, l);
        return false;
    }
    keep = path->leaf->n / 2u;
    l->n = (uint16_t)(path->leaf->n - keep);
    memcpy(ids__at(l, 0), ids__at(path->leaf, keep), (size_t)l->n * t->size);
    path->leaf->n = (uint16_t)keep;
    ids__link(t, path, l, ids__id(l, 0));
    if (*i > keep) {
        path->i[path->depth - 1]++;
        path->leaf = l;
        *i -= (uint32_t)keep;
    }
    return true;
}

/* Find the item of an ID or make one, zero but for the ID; *made says which.
 * Lent, to be changed at once.  NULL: no memory, nothing changed. */
static void *ids_put(struct ids *t, struct mem *m, size_t *held,
                     struct stream_id id, bool *made) {
    struct ids__path path;
    struct ids_leaf *l;
    uint32_t i = 0;

    *made = false;
    if (t->root == NULL) {
        l = ids__leaf(t, m, held, 1);
        if (l == NULL) return NULL;
        t->root = t->first = t->last = l;
        t->leaves = 1;
        t->height = 0;
        path.depth = 0;
        path.leaf = l;
    } else {
        ids__descend(t, id, &path);
        l = path.leaf;
        i = ids__search(l, id);
        if (i < l->n && stream_id_cmp(ids__id(l, i), id) == 0)
            return ids__own(t, m, held, &path, l->n) ?
                       ids__at(path.leaf, i) : NULL;
        if (l->n == ids__most(t)) {
            if (!ids__split(t, m, held, id, &path, &i)) return NULL;
        } else if (!ids__own(t, m, held, &path, l->n < l->cap ? l->n + 1u :
                                 size_min(l->cap * 2u, ids__most(t)))) {
            return NULL;
        }
        l = path.leaf;
    }
    memmove(ids__at(l, i + 1), ids__at(l, i), (size_t)(l->n - i) * t->size);
    memset(ids__at(l, i), 0, t->size);
    memcpy(ids__at(l, i), &id, sizeof id);
    l->n++;
    t->count++;
    *made = true;
    return ids__at(l, i);
}

/* The item of an ID, to be changed at once.  NULL: there is none, or (*refused)
 * no memory for a copy of what is frozen. */
static void *ids_edit(struct ids *t, struct mem *m, size_t *held,
                      struct stream_id id, bool *refused) {
    struct ids__path path;
    uint32_t i;

    *refused = false;
    if (t->root == NULL) return NULL;
    ids__descend(t, id, &path);
    i = ids__search(path.leaf, id);
    if (i == path.leaf->n || stream_id_cmp(ids__id(path.leaf, i), id) != 0)
        return NULL;
    *refused = !ids__own(t, m, held, &path, path.leaf->n);
    return *refused ? NULL : ids__at(path.leaf, i);
}

/* Take the child of a path out of its node, and nodes that are empty then. */
static void ids__unlink_child(struct ids *t, struct mem *m, size_t *held,
                              struct ids__path *path) {
    int d = path->depth - 1;

    for (; d >= 0; d--) {
        struct ids_node *node = path->node[d];
        uint32_t i = path->i[d];

        node->n--;
        memmove(node->low + i, node->low + i + 1,
                (node->n - i) * sizeof *node->low);
        memmove(node->child + i, node->child + i + 1,
                (node->n - i) * sizeof *node->child);
        if (node->n > 0) break;
        *held -= mem_size(sizeof *node);
        mem_drop(m, node, sizeof *node);
    }
    if (d < 0) {
        t->root = NULL;
        t->height = 0;
    }
    while (t->height > 0 && ((struct ids_node *)t->root)->n == 1) {
        struct ids_node *node = t->root;

        t->root = node->child[0];
        t->height--;
        *held -= mem_size(sizeof *node);
        mem_drop(m, node, sizeof *node);
    }
}

/* Take the leaf of a path out of the tree. */
static void ids__unlink(struct ids *t, struct mem *m, size_t *held,
                        struct ids__path *path) {
    struct ids_leaf *l = path->leaf;

    if (l->prev != NULL) l->prev->next = l->next;
    else t->first = l->next;
    if (l->next != NULL) l->next->prev = l->prev;
    else t->last = l->prev;
    t->leaves--;
    ids__unlink_child(t, m, held, path);
    ids__discard(t, m, held, l);
}

/* Take the next leaf into that of a path, if both have become small. */
static void ids__merge(struct ids *t, struct mem *m, size_t *held,
                       struct ids__path *path) {
    int d = path->depth - 1;
    struct ids_leaf *l = path->leaf, *next = l->next;

    if (d < 0 || path->i[d] + 1 >= path->node[d]->n) return;
    if (ids__is_old(t, l) || ids__is_old(t, next) || l->cap < l->n + next->n ||
        (size_t)l->n + next->n > ids__most(t) / 2)
        return;
    memcpy(ids__at(l, l->n), ids__at(next, 0), (size_t)next->n * t->size);
    l->n = (uint16_t)(l->n + next->n);
    path->i[d]++;
    path->leaf = next;
    ids__unlink(t, m, held, path);
}

/* Drop the item of an ID.  False: no memory for a copy of what is frozen,
 * nothing changed; *found: there was one. */
static bool ids_drop(struct ids *t, struct mem *m, size_t *held,
                     struct stream_id id, bool *found) {
    struct ids__path path;
    struct ids_leaf *l;
    uint32_t i;

    *found = false;
    if (t->root == NULL) return true;
    ids__descend(t, id, &path);
    l = path.leaf;
    i = ids__search(l, id);
    if (i == l->n || stream_id_cmp(ids__id(l, i), id) != 0) return true;
    if (l->n == 1) {
        ids__unlink(t, m, held, &path);
    } else {
        if (!ids__own(t, m, held, &path, l->n)) return false;
        l = path.leaf;
        l->n--;
        memmove(ids__at(l, i), ids__at(l, i + 1), (size_t)(l->n - i) * t->size);
        if (l->n < ids__most(t) / 4) ids__merge(t, m, held, &path);
    }
    t->count--;
    *found = true;
    return true;
}

/* Drop the first leaf with all its items; the tree is not empty. */
static void ids_drop_leaf(struct ids *t, struct mem *m, size_t *held) {
    struct ids__path path;

    ids__descend(t, ids__id(t->first, 0), &path);
    t->count -= path.leaf->n;
    ids__unlink(t, m, held, &path);
}

/* ---- what was ------------------------------------------------------------ */

/* Freeze a tree as it is, in no time; f must stay where it is until
 * ids_frozen_end.  The epoch is not 0 and new to the tree. */
static void ids_freeze(struct ids *t, struct ids_frozen *f, uint32_t epoch) {
    KVNS_ASSERT(t->frozen == NULL && epoch != 0);
    memset(f, 0, sizeof *f);
    f->of = t;
    f->count = t->count;
    f->epoch = epoch;
    t->frozen = f;
}

/* The next leaf of a frozen tree, in no order, for ids_frozen_read; NULL: none
 * this time.  False: there is none any more. */
static bool ids_frozen_next(struct ids_frozen *f, struct ids_leaf **leaf) {
    struct ids_at at;

    *leaf = f->kept;
    if (f->kept != NULL) return true;
    if (f->of == NULL) return false;
    at = ids_seek(f->of, f->at);
    if (at.leaf != NULL) {
        if (ids__is_old(f->of, at.leaf)) *leaf = at.leaf;
        f->at = ids__id(at.leaf, at.leaf->n - 1u);
        if (stream_id_next(&f->at)) return true;
    }
    /* the last one: what is kept from now on was read */
    f->of->frozen = NULL;
    f->of = NULL;
    return *leaf != NULL;
}

/* A leaf was read: it is frozen no more. */
static void ids_frozen_read(struct ids_frozen *f, struct mem *m,
                            struct ids_leaf *l) {
    size_t n = ids__bytes(l->cap, l->size);

    KVNS_ASSERT(f->count >= l->n);
    f->count -= l->n;
    l->epoch = f->epoch;
    if (!l->loose) return;
    KVNS_ASSERT(f->kept == l);
    f->kept = l->next;
    m->kept -= mem_size(n);
    mem_drop(m, l, n);
}

/* The tree of a frozen one goes: all its leaves have been dropped. */
static void ids_frozen_orphan(struct ids *t) {
    if (t->frozen == NULL) return;
    t->frozen->of = NULL;
    t->frozen = NULL;
}
#endif
