/* SPDX-License-Identifier: MIT */
/* ==== quick - a long list: packs in a chain ================================
 *
 * After Redis' quicklist: a doubly linked list of nodes, each holding some KiB
 * of elements as a pack (see pack).  Here a node's pack stands anywhere in the
 * node's room, so that both ends of the list grow and shrink without moving
 * bytes; a node starts small and doubles up to the list's limit.
 *
 *   node   [ header | slack | element | element | ... | slack ]
 *                   ^room   ^start     (bytes)               ^room + cap
 *
 * When one side has no slack left, the pack slides so that both sides share
 * what there is, if that is at least a quarter of the room: an eighth of the
 * room must be pushed before the next slide, so a push costs O(1) amortised.
 * An element larger than the limit has a node of its own.  Nodes next to each
 * other that together fill less than half a node are made one.
 *
 * Freezing, for snapshots, takes no time: the list's mark is turned over, so
 * that every node there is has the old one.  The bytes of an old node's pack
 * do not change: taking elements from its ends only moves start and end, which
 * it keeps as they were; elements pushed go to a new node, and any other
 * change goes to a private copy that takes the node's place.  Reading the
 * frozen list follows the links as they were, which a node keeps before one
 * changes, and gives each node it has passed the new mark.  An old node that
 * leaves the list lives on until then.
 *
 * A list owns its nodes; positions are good until the list changes, except
 * those that a function updates.  What needs memory may be refused: then it
 * returns false and the list is as it was.  Pushing, taking and reading at an
 * end are O(1), finding by index is O(nodes), other changes O(node).
 *
 * floor 1 - uses: base arena mem trim pack
 */
enum quick_end { QUICK_HEAD, QUICK_TAIL };

struct quick_node {
    struct quick_node *prev, *next;
    struct quick_node *was_next;    /* when frozen, if kept */
    uint32_t was_start, was_bytes, was_count;
    uint32_t start;             /* offset of the pack in room */
    uint32_t bytes;             /* of the pack, never 0 */
    uint32_t cap;               /* of room */
    uint32_t count;             /* elements of the pack */
    bool mark;                  /* not the list's: frozen, and not read yet */
    bool kept;                  /* frozen, and what it was stands above */
    uint8_t loose;              /* QUICK_LOOSE bits: reading it frees it */
    uint8_t room[];
};

struct quick {
    struct quick_node *head, *tail;
    size_t len;                 /* elements */
    size_t nodes;
    size_t bytes;               /* of all packs */
    size_t held;                /* taken of mem, rounding included */
    uint32_t most_bytes;        /* of a node's pack */
    uint32_t most_count;        /* elements of a node */
    bool mark;                  /* of nodes that are not frozen */
};

/* An element of a list, or with node NULL the end, which is behind the last
 * element and before the first. */
struct quick_at {
    struct quick_node *node;
    uint32_t off;               /* in the node's pack */
};

/* A list as it was.  Of a list there is one at a time. */
struct quick_frozen {
    struct quick_node *node;    /* the next to be read, or being read */
    bool lent;                  /* it is being read */
    bool mark;                  /* of what was read */
};

enum {
    QUICK_HEADER = offsetof(struct quick_node, room),
    QUICK_SPARE = 64,           /* a node stays this far below a power of 2 */
    QUICK_NODE = 8192,          /* limit in bytes when one of elements is set */
    QUICK_LOOSE = 1,            /* in no list any more */
    QUICK_COUNTED = 2           /* and counted as kept */
};

static inline size_t quick__size(const struct quick_node *node) {
    return QUICK_HEADER + (size_t)node->cap;
}

static inline uint8_t *quick__pack(const struct quick_node *node) {
    return (uint8_t *)node->room + node->start;
}

/* An empty list.  fill is Redis' list-max-listpack-size: -1 to -5 limit a node
 * to 4, 8, 16, 32, 64 KiB, what is positive limits its elements. */
static inline void quick_init(struct quick *q, int fill) {
    uint32_t most = QUICK_NODE;

    memset(q, 0, sizeof *q);
    if (fill < 0) most = (uint32_t)4096 << (fill < -5 ? 4 : -fill - 1);
    q->most_bytes = most - QUICK_SPARE - QUICK_HEADER;
    q->most_count = fill < 0 ? UINT32_MAX : fill == 0 ? 1 : (uint32_t)fill;
}

#ifdef KVNS_VERIFY
static void quick__verify(const struct quick *q) {
    const struct quick_node *node, *prev = NULL;
    size_t len = 0, nodes = 0, bytes = 0, held = 0, count;

    for (node = q->head; node != NULL; prev = node, node = node->next) {
        KVNS_ASSERT(node->prev == prev && !node->loose);
        KVNS_ASSERT(node->start <= node->cap);
        KVNS_ASSERT(node->bytes <= node->cap - node->start);
        KVNS_ASSERT(pack_valid(quick__pack(node), node->bytes, &count));
        KVNS_ASSERT(count == node->count && count > 0);
        nodes++;
        len += count;
        bytes += node->bytes;
        held += mem_size(quick__size(node));
    }
    KVNS_ASSERT(q->tail == prev && q->nodes == nodes && q->len == len);
    KVNS_ASSERT(q->bytes == bytes && q->held == held);
}
#else
#define quick__verify(q) ((void)(q))
#endif

/* Is the node frozen and not read yet? */
static inline bool quick_is_old(const struct quick *q,
                                const struct quick_node *node) {
    return UNLIKELY(node->mark != q->mark);
}

/* Before its link or the ends of its pack change: keep what an old one was. */
static inline void quick__keep(const struct quick *q,
                               struct quick_node *node) {
    if (!quick_is_old(q, node) || node->kept) return;
    node->kept = true;
    node->was_next = node->next;
    node->was_start = node->start;
    node->was_bytes = node->bytes;
    node->was_count = node->count;
}

/* A node with room for at least cap bytes, in no list, or NULL. */
static struct quick_node *quick__node(struct mem *m, size_t cap) {
    size_t n = QUICK_HEADER + cap;
    struct quick_node *node;

    if (cap > UINT32_MAX - 4096) return NULL;
    if (n < sizeof *node) n = sizeof *node;
    if (n <= MEM_SMALL) n = mem_size(n);
    node = mem_try(m, n);
    if (node == NULL) return NULL;
    memset(node, 0, QUICK_HEADER);
    node->cap = (uint32_t)(n - QUICK_HEADER);
    return node;
}

static void quick__free(struct mem *m, struct quick_node *node) {
    mem_drop(m, node, quick__size(node));
}

/* Put a filled node between two neighbours, either of which may be NULL. */
static void quick__link(struct quick *q, struct quick_node *node,
                        struct quick_node *prev, struct quick_node *next) {
    node->prev = prev;
    node->next = next;
    node->mark = q->mark;
    if (prev != NULL) {
        quick__keep(q, prev);
        prev->next = node;
    } else {
        q->head = node;
    }
    if (next != NULL) next->prev = node;
    else q->tail = node;
    q->nodes++;
    q->len += node->count;
    q->bytes += node->bytes;
    q->held += mem_size(quick__size(node));
}

/* Take a node out of the list. */
static void quick__take(struct quick *q, struct quick_node *node) {
    if (node->prev != NULL) {
        quick__keep(q, node->prev);
        node->prev->next = node->next;
    } else {
        q->head = node->next;
    }
    if (node->next != NULL) node->next->prev = node->prev;
    else q->tail = node->prev;
    q->nodes--;
    q->len -= node->count;
    q->bytes -= node->bytes;
    q->held -= mem_size(quick__size(node));
}

/* Take a node out of the list; free it unless it is old. */
static void quick__unlink(struct quick *q, struct mem *m,
                          struct quick_node *node) {
    quick__take(q, node);
    if (quick_is_old(q, node)) {
        node->loose = QUICK_LOOSE | QUICK_COUNTED;
        m->kept += mem_size(quick__size(node));
    } else {
        quick__free(m, node);
    }
}

/* Is there room for an element of `size` bytes under the list's limits? */
static inline bool quick__allows(const struct quick *q,
                                 const struct quick_node *node, size_t size) {
    return size <= q->most_bytes && node->bytes + size <= q->most_bytes &&
           node->count < q->most_count;
}

/* Room for a node that needs `need` bytes, `count` elements of them, now, and
 * should have `want` if the limits can ever use that. */
static size_t quick__cap(const struct quick *q, size_t need, size_t count,
                         size_t want) {
    size_t each = need / count + 1;

    want = size_min(want, q->most_bytes);
    if (want / each > q->most_count) want = each * q->most_count;
    return size_max(need, want);
}

/* Put a copy with `size` more bytes at off in the node's place, in a room of
 * cap bytes.  The slack goes to the front for a gap at the front, else to the
 * back.  Returns the copy or, when memory is refused, NULL. */
static struct quick_node *quick__remake(struct quick *q, struct mem *m,
                                        struct quick_node *node, size_t off,
                                        size_t size, size_t cap) {
    struct quick_node *copy = quick__node(m, cap), *prev = node->prev;
    const uint8_t *from = quick__pack(node);
    uint8_t *to;

    if (copy == NULL) return NULL;
    copy->count = node->count;
    copy->bytes = node->bytes + (uint32_t)size;
    if (off == 0 && size > 0) copy->start = copy->cap - copy->bytes;
    to = quick__pack(copy);
    memcpy(to, from, off);
    memcpy(to + off + size, from + off, node->bytes - off);
    quick__unlink(q, m, node);
    quick__link(q, copy, prev, prev != NULL ? prev->next : q->head);
    return copy;
}

/* The node itself, or if it is old a private copy in its place; NULL when
 * memory is refused. */
static inline struct quick_node *quick__own(struct quick *q, struct mem *m,
                                            struct quick_node *node) {
    if (LIKELY(!quick_is_old(q, node))) return node;
    return quick__remake(q, m, node, 0, 0, node->bytes);
}

/* Open a gap of `size` bytes at off in the node's pack.  Returns the node, or
 * the copy that took its place, or NULL when memory is refused. */
static struct quick_node *quick__gap(struct quick *q, struct mem *m,
                                     struct quick_node *node, size_t off,
                                     size_t size) {
    size_t front = node->start, rest = node->bytes - off;
    size_t slack = node->cap - node->bytes, back = slack - front, start;
    uint8_t *p = quick__pack(node);
    bool down = front >= size && rest > 0, up = back >= size && off > 0;
    bool end = off == 0 || rest == 0;

    if (down && up) *(off <= rest ? &up : &down) = false;
    if (quick_is_old(q, node) ||
        (!down && !up && slack < size + (end ? node->cap / 4 : 0)))
        return quick__remake(q, m, node, off, size,
                             quick__cap(q, node->bytes + size, node->count + 1,
                                        (size_t)node->cap * 2));
    if (down) {
        memmove(p - size, p, off);
        node->start -= (uint32_t)size;
    } else if (up) {
        memmove(p + off + size, p + off, rest);
    } else {
        /* Neither side has room for it alone: then what is below the gap
         * moves down and what is above moves up, or only one is not empty. */
        start = (slack - size) / 2;
        memmove(node->room + start, p, off);
        memmove(node->room + start + off + size, p + off, rest);
        node->start = (uint32_t)start;
    }
    node->bytes += (uint32_t)size;
    q->bytes += size;
    return node;
}

/* Take `size` bytes at off out of a pack that is not old, or from one of its
 * ends; something must remain. */
static void quick__close(struct quick *q, struct quick_node *node, size_t off,
                         size_t size) {
    size_t rest = node->bytes - off - size;
    uint8_t *p = quick__pack(node);

    KVNS_ASSERT(!quick_is_old(q, node) || off == 0 || rest == 0);
    quick__keep(q, node);
    if (off < rest) {
        if (off > 0) memmove(p + size, p, off);
        node->start += (uint32_t)size;
    } else if (rest > 0) {
        memmove(p + off, p + off + size, rest);
    }
    node->bytes -= (uint32_t)size;
    q->bytes -= size;
}

/* Elements came or went: keep both counts. */
static inline void quick__count(struct quick *q, struct quick_node *node,
                                ptrdiff_t n) {
    node->count += (uint32_t)n;
    q->len += (size_t)n;
}

/* Let a node that is full give back the slack it will not use. */
static void quick__trim(struct quick *q, struct mem *m,
                        struct quick_node *node) {
    if (node == NULL || quick_is_old(q, node)) return;
    if (node->cap - node->bytes > node->cap / 8)
        quick__remake(q, m, node, 0, 0, node->bytes);
}

/* A new node of one element, in no list, or NULL.  The slack lies before the
 * element for a list growing at its head. */
static struct quick_node *quick__single(struct quick *q, struct mem *m,
                                        const struct pack_item *it,
                                        enum quick_end end) {
    size_t size = pack_item_size(it);
    struct quick_node *node =
        quick__node(m, quick__cap(q, size, 1, q->most_bytes / 8));

    if (node == NULL) return NULL;
    node->count = 1;
    node->bytes = (uint32_t)size;
    if (end == QUICK_HEAD) node->start = node->cap - node->bytes;
    pack_item_write(quick__pack(node), it);
    return node;
}

/* Push where the end's node has no slack on that side. */
static bool quick__push_slow(struct quick *q, struct mem *m,
                             enum quick_end end, const struct pack_item *it) {
    struct quick_node *node = end == QUICK_HEAD ? q->head : q->tail, *new;
    size_t size = pack_item_size(it), off;

    if (node != NULL && !quick_is_old(q, node) &&
        quick__allows(q, node, size) &&
        (node->cap < q->most_bytes ||
         node->cap - node->bytes >= size + node->cap / 4)) {
        off = end == QUICK_HEAD ? 0 : node->bytes;
        node = quick__gap(q, m, node, off, size);
        if (node == NULL) return false;
        pack_item_write(quick__pack(node) + off, it);
        quick__count(q, node, 1);
        return true;
    }
    new = quick__single(q, m, it, end);
    if (new == NULL) return false;
    quick__trim(q, m, node);
    if (end == QUICK_HEAD) quick__link(q, new, NULL, q->head);
    else quick__link(q, new, q->tail, NULL);
    return true;
}

/* Put s at an end.  False when memory is refused. */
static bool quick_push(struct quick *q, struct mem *m, enum quick_end end,
                       struct str s) {
    struct quick_node *node = end == QUICK_HEAD ? q->head : q->tail;
    struct pack_item it = pack_item_of(s);
    size_t size = pack_item_size(&it);
    bool ok = true;

    if (LIKELY(node != NULL && !quick_is_old(q, node) &&
               quick__allows(q, node, size) &&
               (end == QUICK_HEAD
                    ? node->start
                    : node->cap - node->start - node->bytes) >= size)) {
        if (end == QUICK_HEAD) node->start -= (uint32_t)size;
        pack_item_write(end == QUICK_HEAD ? quick__pack(node)
                                          : quick__pack(node) + node->bytes,
                        &it);
        node->bytes += (uint32_t)size;
        node->count++;
        q->bytes += size;
        q->len++;
    } else {
        ok = quick__push_slow(q, m, end, &it);
    }
    quick__verify(q);
    return ok;
}

/* Read the element at an end, borrowed; false when the list is empty. */
static inline bool quick_peek(const struct quick *q, enum quick_end end,
                              struct pack_item *it) {
    const struct quick_node *node = end == QUICK_HEAD ? q->head : q->tail;
    const uint8_t *p;

    if (node == NULL) return false;
    p = quick__pack(node);
    pack_read(p, node->bytes,
              end == QUICK_HEAD ? 0 : pack_prev(p, node->bytes, node->bytes),
              it);
    return true;
}

/* Drop the element at an end of a list that is not empty; never refused. */
static void quick_pop(struct quick *q, struct mem *m, enum quick_end end) {
    struct quick_node *node = end == QUICK_HEAD ? q->head : q->tail;
    const uint8_t *p = quick__pack(node);
    size_t size;

    if (node->count == 1) {
        quick__unlink(q, m, node);
    } else {
        quick__keep(q, node);
        if (end == QUICK_HEAD) {
            size = pack_next(p, node->bytes, 0);
            node->start += (uint32_t)size;
        } else {
            size = node->bytes - pack_prev(p, node->bytes, node->bytes);
        }
        node->bytes -= (uint32_t)size;
        node->count--;
        q->bytes -= size;
        q->len--;
    }
    quick__verify(q);
}

/* The first and the last element, or the end of an empty list. */
static inline struct quick_at quick_first(const struct quick *q) {
    return (struct quick_at){ q->head, 0 };
}

/* The last element, or the end. */
static inline struct quick_at quick_last(const struct quick *q) {
    struct quick_node *node = q->tail;
    struct quick_at at = { node, 0 };

    if (node != NULL)
        at.off = (uint32_t)pack_prev(quick__pack(node), node->bytes,
                                     node->bytes);
    return at;
}

/* The element of an index, or the end if the list is not that long.  Walks
 * the nodes from the nearer end of the list, then the elements from the nearer
 * end of the node. */
static struct quick_at quick_index(const struct quick *q, size_t i) {
    struct quick_node *node;
    const uint8_t *p;
    size_t off;

    if (i >= q->len) return (struct quick_at){ NULL, 0 };
    if (i < q->len / 2) {
        for (node = q->head; i >= node->count; node = node->next)
            i -= node->count;
    } else {
        i = q->len - 1 - i;
        for (node = q->tail; i >= node->count; node = node->prev)
            i -= node->count;
        i = node->count - 1 - i;
    }
    p = quick__pack(node);
    off = i < node->count / 2
              ? pack_nth(p, node->bytes, i)
              : pack_nth_back(p, node->bytes, node->count - 1 - i);
    return (struct quick_at){ node, (uint32_t)off };
}

/* Read the element at a position that is not the end; borrowed. */
static inline void quick_item(struct quick_at at, struct pack_item *it) {
    pack_read(quick__pack(at.node), at.node->bytes, at.off, it);
}

/* Read the element at a position and go to the next; false at the end. */
static inline bool quick_read(struct quick_at *at, struct pack_item *it) {
    struct quick_node *node = at->node;

    if (node == NULL) return false;
    at->off = (uint32_t)pack_read(quick__pack(node), node->bytes, at->off, it);
    if (at->off == node->bytes) {
        at->node = node->next;
        at->off = 0;
        if (at->node != NULL) PREFETCH(at->node->next);
    }
    return true;
}

/* Go to the element before; from the first to the end, from the end to the
 * last. */
static inline void quick_back(const struct quick *q, struct quick_at *at) {
    struct quick_node *node = at->node;
    size_t off = at->off;

    if (node == NULL || off == 0) {
        node = node == NULL ? q->tail : node->prev;
        off = node == NULL ? 0 : node->bytes;
    }
    at->node = node;
    at->off = node == NULL ? 0
            : (uint32_t)pack_prev(quick__pack(node), node->bytes, off);
}

/* Read the element at a position and go to the one before; false at the
 * end. */
static inline bool quick_read_back(const struct quick *q, struct quick_at *at,
                                   struct pack_item *it) {
    if (at->node == NULL) return false;
    quick_item(*at, it);
    quick_back(q, at);
    return true;
}

/* Make one node of two neighbours when they fill at most 1/part of one, and
 * move a position in either along.  False if they stay two, also because
 * memory was refused: that does no harm. */
static bool quick__join(struct quick *q, struct mem *m,
                        struct quick_node *left, struct quick_node *right,
                        unsigned part, struct quick_at *at) {
    struct quick_node *into;
    size_t a, b, start;
    bool in_left, in_right;

    if (left == NULL || right == NULL) return false;
    a = left->bytes;
    b = right->bytes;
    if (a + b > q->most_bytes / part) return false;
    if (left->count + right->count > q->most_count / part) return false;
    in_left = at->node == left;
    in_right = at->node == right;
    if (!quick_is_old(q, right) && right->cap >= a + b) into = right;
    else into = left;
    if (into == left && (quick_is_old(q, left) || left->cap < a + b))
        into = left = quick__remake(q, m, left, 0, 0, a + b);
    if (into == NULL) return false;
    start = (into->cap - a - b) / 2;
    if (into == left) {
        memmove(into->room + start, quick__pack(left), a);
        memcpy(into->room + start + a, quick__pack(right), b);
    } else {
        memmove(into->room + start + a, quick__pack(right), b);
        memcpy(into->room + start, quick__pack(left), a);
    }
    into->start = (uint32_t)start;
    q->bytes += into == left ? b : a;
    into->bytes = (uint32_t)(a + b);
    if (into == left) left = right;
    quick__count(q, into, (ptrdiff_t)left->count);
    quick__unlink(q, m, left);
    if (in_right) at->off += (uint32_t)a;
    if (in_left || in_right) at->node = into;
    return true;
}

/* Join a node with a neighbour if they are small together. */
static void quick__tidy(struct quick *q, struct mem *m,
                        struct quick_node *node, unsigned part,
                        struct quick_at *at) {
    if (!quick__join(q, m, node, node->next, part, at))
        quick__join(q, m, node->prev, node, part, at);
}

/* Put an element at off in a node that must not take it: into a node of its
 * own, cutting that one in two if off is in its middle. */
static bool quick__insert_split(struct quick *q, struct mem *m,
                                struct quick_at *at, size_t off,
                                const struct pack_item *it) {
    struct quick_node *node = at->node, *right = NULL;
    struct quick_node *mid = quick__single(q, m, it, QUICK_TAIL);
    size_t rest = node->bytes - off;

    if (mid == NULL) return false;
    if (off == 0) {
        quick__link(q, mid, node->prev, node);
    } else {
        if (rest > 0) {
            right = quick__node(m, rest);
            if (right == NULL) {
                quick__free(m, mid);
                return false;
            }
            memcpy(right->room, quick__pack(node) + off, rest);
            right->bytes = (uint32_t)rest;
            right->count = (uint32_t)pack_count(right->room, rest);
            quick__close(q, node, off, rest);
            quick__count(q, node, -(ptrdiff_t)right->count);
            quick__link(q, right, node, node->next);
        }
        quick__link(q, mid, node, node->next);
    }
    at->node = mid;
    at->off = 0;
    quick__tidy(q, m, mid, 1, at);
    return true;
}

/* Put s before or after the element at a position, which then is that of s.
 * False when memory is refused. */
static bool quick_insert(struct quick *q, struct mem *m, struct quick_at *at,
                         struct str s, bool after) {
    struct pack_item it = pack_item_of(s);
    size_t size = pack_item_size(&it), off = at->off;
    struct quick_node *node = at->node;

    if (after) off = pack_next(quick__pack(node), node->bytes, off);
    if (!quick__allows(q, node, size)) {
        if (off == 0 && node->prev != NULL &&
            quick__allows(q, node->prev, size)) {
            node = node->prev;
            off = node->bytes;
        } else if (off == node->bytes && node->next != NULL &&
                   quick__allows(q, node->next, size)) {
            node = node->next;
            off = 0;
        } else {
            if (!quick__insert_split(q, m, at, off, &it)) return false;
            quick__verify(q);
            return true;
        }
    }
    node = quick__gap(q, m, node, off, size);
    if (node == NULL) return false;
    quick__count(q, node, 1);
    pack_item_write(quick__pack(node) + off, &it);
    at->node = node;
    at->off = (uint32_t)off;
    quick__verify(q);
    return true;
}

/* Drop the element at a position, which then is that of the next one, or the
 * end.  False when memory is refused, which only frozen lists ask for. */
static bool quick_drop(struct quick *q, struct mem *m, struct quick_at *at) {
    struct quick_node *node = at->node, *next = node->next;
    size_t off = at->off;
    size_t size = pack_next(quick__pack(node), node->bytes, off) - off;

    if (node->count == 1) {
        at->node = next;
        at->off = 0;
        quick__unlink(q, m, node);
        if (next != NULL) quick__join(q, m, next->prev, next, 2, at);
        quick__verify(q);
        return true;
    }
    if (off > 0 && off + size < node->bytes) node = quick__own(q, m, node);
    if (node == NULL) return false;
    quick__close(q, node, off, size);
    quick__count(q, node, -1);
    at->node = off == node->bytes ? next : node;
    at->off = off == node->bytes ? 0 : (uint32_t)off;
    quick__tidy(q, m, node, 2, at);
    quick__verify(q);
    return true;
}

/* Replace the only element of a node. */
static bool quick__replace_single(struct quick *q, struct mem *m,
                                  struct quick_at *at,
                                  const struct pack_item *it) {
    struct quick_node *node = at->node, *new;
    size_t size = pack_item_size(it);

    if (!quick_is_old(q, node) && size <= node->cap &&
        node->cap - size <= q->most_bytes) {
        q->bytes += size - node->bytes;
        node->start = (node->cap - (uint32_t)size) / 2;
        node->bytes = (uint32_t)size;
        pack_item_write(quick__pack(node), it);
        return true;
    }
    new = quick__single(q, m, it, QUICK_TAIL);
    if (new == NULL) return false;
    quick__link(q, new, node->prev, node);
    quick__unlink(q, m, node);
    at->node = new;
    return true;
}

/* Put s in place of the element at a position, which then is that of s; s may
 * not lie in the list.  False when memory is refused. */
static bool quick_replace(struct quick *q, struct mem *m, struct quick_at *at,
                          struct str s) {
    struct quick_node *node = at->node;
    struct pack_item it = pack_item_of(s);
    size_t size = pack_item_size(&it), off = at->off;
    size_t old = pack_next(quick__pack(node), node->bytes, off) - off;
    struct quick_at next;
    bool ok = true;

    if (node->count == 1) {
        ok = quick__replace_single(q, m, at, &it);
        goto out;
    }
    node = quick__own(q, m, node);
    if (node == NULL) return false;
    at->node = node;
    if (size > old && node->bytes - old + size > q->most_bytes) {
        if (!quick_insert(q, m, at, s, false)) return false;
        next = *at;
        quick_read(&next, &it);
        ok = quick_drop(q, m, &next);
        KVNS_ASSERT(ok);
        /* Nodes may have been joined: the new one is before the next. */
        quick_back(q, &next);
        *at = next;
        return true;
    }
    if (size < old) quick__close(q, node, off, old - size);
    else if (size > old) node = quick__gap(q, m, node, off, size - old);
    if (node == NULL) return false;
    at->node = node;
    pack_item_write(quick__pack(node) + off, &it);
out:
    quick__verify(q);
    return ok;
}

/* Drop count elements from index i on, as far as there are any.  False when
 * memory is refused, which only frozen lists ask for; nothing is dropped. */
static bool quick_drop_range(struct quick *q, struct mem *m, size_t i,
                             size_t count) {
    struct quick_at at = quick_index(q, i), none = { NULL, 0 };
    struct quick_node *node = at.node, *next, *cut = NULL;
    size_t off = at.off, k, end;

    for (; node != NULL && count > 0; count -= k, node = next, off = 0) {
        next = node->next;
        if (off == 0 && count >= node->count) {
            k = node->count;
            quick__unlink(q, m, node);
            continue;
        }
        k = node->count - pack_count(quick__pack(node), off);
        end = node->bytes;
        if (count < k) {
            k = count;
            end = off + pack_nth(quick__pack(node) + off, end - off, k);
        }
        /* Out of the middle of one node: then nothing was dropped yet. */
        if (off > 0 && end < node->bytes) node = quick__own(q, m, node);
        if (node == NULL) return false;
        quick__close(q, node, off, end - off);
        quick__count(q, node, -(ptrdiff_t)k);
        cut = node;
    }
    if (cut != NULL) quick__tidy(q, m, cut, 2, &none);
    quick__verify(q);
    return true;
}

/* Append a pack of count elements as one node, whatever the limits; for what
 * was a node elsewhere.  False when memory is refused. */
static bool quick_append_node(struct quick *q, struct mem *m, const uint8_t *p,
                              size_t n, size_t count) {
    struct quick_node *node;

    if (n == 0) return true;
    node = quick__node(m, n);
    if (node == NULL) return false;
    memcpy(node->room, p, n);
    node->bytes = (uint32_t)n;
    node->count = (uint32_t)count;
    quick__link(q, node, q->tail, NULL);
    return true;
}

/* Append all elements of a pack in nodes after the limits.  False when memory
 * is refused: then none is appended. */
static bool quick_append_pack(struct quick *q, struct mem *m, const uint8_t *p,
                              size_t n) {
    struct quick_node *tail = q->tail;
    size_t at = 0, end, next, count;

    while (at < n) {
        end = pack_next(p, n, at);
        for (count = 1; end < n && count < q->most_count; count++) {
            next = pack_next(p, n, end);
            if (next - at > q->most_bytes) break;
            end = next;
        }
        if (!quick_append_node(q, m, p + at, end - at, count)) {
            while (q->tail != tail) quick__unlink(q, m, q->tail);
            return false;
        }
        at = end;
    }
    quick__verify(q);
    return true;
}

/* Write the whole list as one pack at dst, where there is room for q->bytes;
 * returns that. */
static size_t quick_to_pack(const struct quick *q, uint8_t *dst) {
    uint8_t *p = dst;

    for (struct quick_node *node = q->head; node != NULL; node = node->next) {
        memcpy(p, quick__pack(node), node->bytes);
        p += node->bytes;
    }
    return (size_t)(p - dst);
}

/* Free at most budget nodes from the head; returns how many.  The list is
 * empty, and needs no more, when q->nodes is 0. */
static size_t quick_free_step(struct quick *q, struct mem *m, size_t budget) {
    size_t n = 0;

    for (; n < budget && q->head != NULL; n++) {
        struct quick_node *node = q->head;

        quick__take(q, node);
        if (quick_is_old(q, node)) node->loose = QUICK_LOOSE;
        else quick__free(m, node);
    }
    return n;
}

/* Free all nodes. */
TESTED_ONLY static void quick_free(struct quick *q, struct mem *m) {
    quick_free_step(q, m, SIZE_MAX);
}

/* Put `most` nodes from the i'th on elsewhere where that helps the arena; of a
 * list that is not frozen. */
static void quick_compact(struct quick *q, struct mem *m, size_t i,
                          size_t most) {
    struct quick_node *node = q->head, *to;

    while (i-- > 0 && node != NULL) node = node->next;
    for (; most > 0 && node != NULL; most--, node = node->next) {
        size_t n = quick__size(node);

        if (!trim_sparse(m, node, n)) continue;
        to = mem_try(m, n);
        if (to == NULL) return;
        memcpy(to, node, n);
        if (to->prev != NULL) to->prev->next = to;
        else q->head = to;
        if (to->next != NULL) to->next->prev = to;
        else q->tail = to;
        trim_leave(m, node, n);
        node = to;
    }
}

/* Freeze the list as it is; it is to be read to its end then, in any time, and
 * before it is frozen again. */
static void quick_freeze(struct quick *q, struct quick_frozen *f) {
    VERIFY(q->head == NULL || !quick_is_old(q, q->head));
    q->mark = !q->mark;
    *f = (struct quick_frozen){ .node = q->head, .mark = q->mark };
}

/* Lend the next pack of a frozen list, until the next call, which lets its
 * node go; false when there is none. */
static bool quick_frozen_next(struct quick_frozen *f, struct mem *m,
                              struct str *pack, size_t *count) {
    struct quick_node *node = f->node;

    if (f->lent) {
        f->node = node->kept ? node->was_next : node->next;
        node->mark = f->mark;
        node->kept = false;
        if (node->loose & QUICK_COUNTED)
            m->kept -= mem_size(quick__size(node));
        if (node->loose != 0) quick__free(m, node);
        node = f->node;
    }
    f->lent = node != NULL;
    if (!f->lent) return false;
    *pack = node->kept ?
                str_of(node->room + node->was_start, node->was_bytes) :
                str_of(node->room + node->start, node->bytes);
    *count = node->kept ? node->was_count : node->count;
    return true;
}
