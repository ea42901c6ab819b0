/* SPDX-License-Identifier: MIT */
/* ==== buf - bytes that grow ================================================
 *
 * A run of bytes on libc's heap: replies, input that is not complete yet,
 * pages of text.  It belongs to whoever holds the struct; all zero is a good
 * empty one.  Storage doubles while small and grows by half from a megabyte
 * on, so that putting n bytes costs O(n) in all.
 *
 * Memory may be refused.  Then nothing of that put is stored, what was there
 * stays, and `failed` is set until buf_reset or buf_free: a caller can put
 * many pieces and look once, before the whole is used.
 *
 *   p [ n bytes used | cap - n bytes free ]      n <= cap; p NULL: cap is 0
 *
 * floor 0 - uses: base
 */
struct buf {
    char *p;
    size_t n, cap;              /* bytes used, bytes there are */
    bool failed;                /* something is missing from the contents */
};

enum { BUF_LEAST = 64, BUF_SLOW = 1 << 20 };

/* Make room for n more bytes where there was not enough. */
static bool buf__grow(struct buf *b, size_t n) {
    const size_t limit = (size_t)PTRDIFF_MAX;
    size_t cap = b->cap < BUF_SLOW ? b->cap * 2 : b->cap + b->cap / 2;
    char *p;

    if (n > limit - b->n) {
        b->failed = true;
        return false;
    }
    cap = size_max(size_max(size_min(cap, limit), b->n + n), BUF_LEAST);
    p = realloc(b->p, cap);
    if (p == NULL && cap > b->n + n) {          /* without reserve, then */
        cap = b->n + n;
        p = realloc(b->p, cap);
    }
    if (p == NULL) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

/* Room for n bytes (at least one) at the end, to be filled by the caller, who
 * then adds to b->n what he has used.  NULL if memory was refused. */
static inline char *buf_room(struct buf *b, size_t n) {
    n += n == 0;
    if (UNLIKELY(n > b->cap - b->n) && !buf__grow(b, n)) return NULL;
    return b->p + b->n;
}

/* Add n bytes, which lie elsewhere.  False if memory was refused. */
static inline bool buf_put(struct buf *b, const void *p, size_t n) {
    char *to = buf_room(b, n);

    if (UNLIKELY(to == NULL)) return false;
    if (n != 0) memcpy(to, p, n);
    b->n += n;
    return true;
}

/* Add one byte.  False if memory was refused. */
static inline bool buf_put_char(struct buf *b, char c) {
    char *to = buf_room(b, 1);

    if (UNLIKELY(to == NULL)) return false;
    *to = c;
    b->n++;
    return true;
}

/* Add the bytes of s.  False if memory was refused. */
static inline bool buf_put_str(struct buf *b, struct str s) {
    return buf_put(b, s.p, s.n);
}

/* Add what printf would print.  False, and nothing added, if memory was
 * refused or the format failed. */
static PRINTF_LIKE(2, 3) bool buf_printf(struct buf *b, const char *fmt, ...) {
    size_t room = b->cap - b->n;
    va_list args;
    char *to;
    int n;

    va_start(args, fmt);
    n = vsnprintf(room > 0 ? b->p + b->n : NULL, room, fmt, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
        return false;
    }
    if ((size_t)n >= room) {
        to = buf_room(b, (size_t)n + 1);
        if (to == NULL) return false;
        va_start(args, fmt);
        n = vsnprintf(to, (size_t)n + 1, fmt, args);
        va_end(args);
    }
    b->n += (size_t)n;
    return true;
}

/* The contents, lent until the next change. */
static inline struct str buf_str(const struct buf *b) {
    return str_of(b->p, b->n);
}

/* Take the first n bytes away; the others move to the front. */
static inline void buf_drop_front(struct buf *b, size_t n) {
    KVNS_ASSERT(n <= b->n);
    b->n -= n;
    if (n != 0 && b->n != 0) memmove(b->p, b->p + n, b->n);
}

/* Empty it and keep the storage; failures are forgotten. */
static inline void buf_reset(struct buf *b) {
    b->n = 0;
    b->failed = false;
}

/* Empty it and give the storage back. */
static void buf_free(struct buf *b) {
    free(b->p);
    *b = (struct buf){ NULL, 0, 0, false };
}

/* Give back storage beyond keep bytes, as far as the contents leave it. */
static void buf_trim(struct buf *b, size_t keep) {
    size_t cap = size_max(keep, b->n);
    char *p;

    if (cap >= b->cap) return;
    if (cap == 0) {
        free(b->p);
        b->p = NULL;
        b->cap = 0;
        return;
    }
    p = realloc(b->p, cap);
    if (p == NULL) return;
    b->p = p;
    b->cap = cap;
}
