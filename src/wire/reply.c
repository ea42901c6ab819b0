/* SPDX-License-Identifier: MIT */
/* ==== reply - answers into bytes ==========================================
 *
 * Writes RESP2 or RESP3, byte for byte as Redis 7.0 does, to the end of a
 * buffer.  Each function makes sure of room once and then writes.
 *
 *                  RESP2               RESP3
 *   null           $-1                 _
 *   null array     *-1                 _
 *   true           :1                  #t
 *   double         $4 3.14             ,3.14
 *   map of n       *2n                 %n
 *   set of n       *n                  ~n
 *   push of n      *n                  >n
 *   verbatim       $n text             =(n+4) txt:text
 *
 * A long value is lent instead of copied if the reply's reader can merge: its
 * bytes are then missing in the buffer, and a reference, which holds the blob
 * they lie in, says where they belong.  The references are in order, and
 * whoever writes to the socket merges the two and lets the blobs go.
 *
 * A length that is not known yet is written as one digit and put right later;
 * a longer one moves what follows by a byte or two, which costs less than to
 * walk twice over what is answered.
 *
 * While a reply is open, the buffer's length is behind: reply_sync sets it.
 * When memory or the limit is exhausted, failed is set, nothing more is
 * written, and the client can only be closed.  Nothing here is shared; the
 * list of references belongs to the reply, the buffer to the caller.
 *
 * floor 4 - uses: base num buf entry
 */
enum {
    REPLY_FRAME = 32,           /* room for a header and two CRLF */
    REPLY_ERROR = 1024,         /* bytes of an error line, at most */
    REPLY_LEND = 8192           /* shorter values are cheaper to copy */
};

/* n bytes at p belong in the buffer before offset at. */
struct reply_ref {
    size_t at;
    const char *p;
    size_t n;
    struct blob *blob;          /* what they are of, held */
};

struct reply {
    char *p, *end;              /* where to write next, and the room's end */
    struct buf *out;
    size_t limit;               /* bytes the buffer may hold */
    struct reply_ref *ref;
    uint32_t refs, ref_cap;
    size_t lend_from;           /* bytes from which on values are lent */
    uint8_t proto;              /* 2 or 3 */
    bool failed;
    char code[24];              /* first word of the last error */
};

/* Write to the end of out from now on, which nobody else may do meanwhile.
 * limit: the most bytes out may come to hold; SIZE_MAX for no limit.  Nothing
 * is lent unless the caller lowers lend_from. */
static void reply_open(struct reply *r, struct buf *out, uint8_t proto,
                       size_t limit) {
    *r = (struct reply){ .out = out, .limit = limit, .proto = proto,
                         .lend_from = SIZE_MAX };
    if (out->p == NULL) return;
    r->p = out->p + out->n;
    r->end = out->p + out->cap;
}

/* Let the buffer know of all that was written. */
static inline void reply_sync(struct reply *r) {
    if (r->p != NULL) r->out->n = (size_t)(r->p - r->out->p);
}

/* The buffer was emptied or moved by the caller: write at its end again. */
static inline void reply_resync(struct reply *r) {
    r->p = r->out->p == NULL ? NULL : r->out->p + r->out->n;
    r->end = r->failed || r->p == NULL ? r->p : r->out->p + r->out->cap;
}

/* The end of use; the buffer stays with the caller. */
static void reply_close(struct reply *r) {
    reply_sync(r);
    while (r->refs > 0) blob_drop(r->ref[--r->refs].blob);
    free(r->ref);
    r->ref = NULL;
    r->ref_cap = 0;
    r->p = r->end = NULL;
}

/* Get room for n bytes more, or give this reply up. */
static COLD bool reply__grow(struct reply *r, size_t n) {
    reply_sync(r);
    if (r->failed || r->out->n > r->limit || n > r->limit - r->out->n ||
        buf_room(r->out, n) == NULL)
        r->failed = true;
    reply_resync(r);
    return !r->failed;
}

/* Is there room for n bytes?  Where not, the reply has failed. */
static inline bool reply_room(struct reply *r, size_t n) {
    return LIKELY((size_t)(r->end - r->p) >= n) || reply__grow(r, n);
}

/* Where the next reply will begin, for reply_cut and the asserts of others. */
static inline size_t reply_mark(const struct reply *r) {
    return r->p == NULL ? 0 : (size_t)(r->p - r->out->p);
}

/* Take back all that was written since the mark. */
static void reply_cut(struct reply *r, size_t mark) {
    KVNS_ASSERT(mark <= reply_mark(r));
    while (r->refs > 0 && r->ref[r->refs - 1].at > mark)
        blob_drop(r->ref[--r->refs].blob);
    if (r->p != NULL) r->p = r->out->p + mark;
}

/* Does what was written since the mark begin with this byte? */
static bool reply_begins(const struct reply *r, size_t mark, char byte) {
    return reply_mark(r) > mark && r->out->p[mark] == byte;
}

static inline char *reply__crlf(char *p) {
    memcpy(p, "\r\n", 2);
    return p + 2;
}

/* "$16" and the like, with its CRLF: at most 23 bytes. */
static inline char *reply__head(char *p, char type, size_t n) {
    p[0] = type;
    if (LIKELY(n < 10)) {
        p[1] = (char)('0' + n);
        return reply__crlf(p + 2);
    }
    if (LIKELY(n < 100)) {
        p[1] = (char)('0' + n / 10);
        p[2] = (char)('0' + n % 10);
        return reply__crlf(p + 3);
    }
    return reply__crlf(p + 1 + num_put_int(p + 1, (int64_t)n));
}

/* The beginning of a bulk of n bytes, for who has made room for it. */
static INLINE char *reply_put_head(char *p, size_t n) {
    return reply__head(p, '$', n);
}

/* The same each time: where n is known, one or two moves. */
static INLINE void reply__words(struct reply *r, struct str s) {
    if (!reply_room(r, s.n)) return;
    memcpy(r->p, s.p, s.n);
    r->p += s.n;
}

static inline void reply_ok(struct reply *r) {
    reply__words(r, STR("+OK\r\n"));
}

static inline void reply_pong(struct reply *r) {
    reply__words(r, STR("+PONG\r\n"));
}

static inline void reply_queued(struct reply *r) {
    reply__words(r, STR("+QUEUED\r\n"));
}

/* Bytes that are a reply already. */
static inline void reply_raw(struct reply *r, struct str s) {
    if (s.n > 0) reply__words(r, s);
}

/* An integer. */
static inline void reply_int(struct reply *r, int64_t v) {
    if (!reply_room(r, REPLY_FRAME)) return;
    r->p[0] = ':';
    if (v >= 0 && v < 10) {
        r->p[1] = (char)('0' + v);
        r->p = reply__crlf(r->p + 2);
    } else {
        r->p = reply__crlf(r->p + 1 + num_put_int(r->p + 1, v));
    }
}

/* A string of any bytes. */
static INLINE void reply_bulk_here(struct reply *r, struct str s) {
    char *p;

    if (!reply_room(r, s.n + REPLY_FRAME)) return;
    p = reply__head(r->p, '$', s.n);
    r->p = reply__crlf(bytes_copy_here(p, s.p, s.n));
}

static inline void reply_bulk(struct reply *r, struct str s) {
    reply_bulk_here(r, s);
}

/* Put the frame of a bulk around the n bytes at r->p + 5, of which there are
 * less than a hundred and most often ten or more. */
static inline void reply__frame(struct reply *r, size_t n) {
    char *p = r->p + 5;

    if (n < 10) p = memmove(r->p + 4, p, n);
    reply__head(r->p, '$', n);
    r->p = reply__crlf(p + n);
}

/* A number as a string, for values that are kept as numbers. */
static inline void reply_bulk_int(struct reply *r, int64_t v) {
    if (!reply_room(r, REPLY_FRAME)) return;
    reply__frame(r, num_put_int(r->p + 5, v));
}

static inline void reply_null(struct reply *r) {
    if (r->proto == 2) reply__words(r, STR("$-1\r\n"));
    else reply__words(r, STR("_\r\n"));
}

static inline void reply_null_array(struct reply *r) {
    if (r->proto == 2) reply_raw(r, STR("*-1\r\n"));
    else reply_raw(r, STR("_\r\n"));
}

/* One line: type, text, CRLF.  The text holds no line end, or is cleaned. */
static inline void reply__line(struct reply *r, char type, struct str s) {
    if (!reply_room(r, s.n + REPLY_FRAME)) return;
    *r->p = type;
    r->p = reply__crlf(bytes_copy(r->p + 1, s.p, s.n));
}

/* A status.  Ours to choose: a client's bytes go into bulks. */
static void reply_simple(struct reply *r, struct str s) {
    reply__line(r, '+', s);
}

/* Keep the first word of an error for whoever counts errors. */
static void reply__code(struct reply *r, const char *text) {
    size_t n = 0;

    while (n < sizeof r->code - 1 && text[n] != ' ' && text[n] != '\0') n++;
    memcpy(r->code, text, n);
    r->code[n] = '\0';
}

/* An error with its code, "ERR syntax error". */
static COLD void reply_error(struct reply *r, const char *text) {
    reply__code(r, text);
    reply__line(r, '-', str_c(text));
}

/* An error that quotes a client.  A line end in it becomes a blank, as in
 * Redis, so that nobody can smuggle in a reply; %s ends at a zero byte; what
 * is over REPLY_ERROR bytes is cut off. */
static COLD PRINTF_LIKE(2, 3) void reply_errorf(struct reply *r,
                                                const char *format, ...) {
    char text[REPLY_ERROR];
    va_list args;
    size_t n;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    n = len < 0 ? 0 : size_min((size_t)len, sizeof text - 1);
    while (n > 0 && (text[n - 1] == '\r' || text[n - 1] == '\n')) n--;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\r' || text[i] == '\n') text[i] = ' ';
    text[n] = '\0';
    reply__code(r, text);
    reply__line(r, '-', str_of(text, n));
}

static inline void reply__aggregate(struct reply *r, char type, size_t n) {
    if (!reply_room(r, REPLY_FRAME)) return;
    r->p = reply__head(r->p, type, n);
}

/* The beginning of n replies that make one. */
static inline void reply_array(struct reply *r, size_t n) {
    reply__aggregate(r, '*', n);
}

/* The beginning of n pairs, 2n replies. */
static inline void reply_map(struct reply *r, size_t pairs) {
    if (r->proto == 2) reply__aggregate(r, '*', pairs * 2);
    else reply__aggregate(r, '%', pairs);
}

/* The beginning of n replies in no order. */
static inline void reply_set(struct reply *r, size_t n) {
    reply__aggregate(r, r->proto == 2 ? '*' : '~', n);
}

/* The beginning of n replies nobody asked for. */
static inline void reply_push(struct reply *r, size_t n) {
    reply__aggregate(r, r->proto == 2 ? '*' : '>', n);
}

/* The beginning of n pairs that say something of the reply behind them; only
 * RESP3 has such. */
static inline void reply_attribute(struct reply *r, size_t pairs) {
    reply__aggregate(r, '|', pairs);
}

/* Begin an array whose length is said later, with reply_array_set.  Of
 * several begun inside one another, the innermost is set first. */
static size_t reply_array_later(struct reply *r) {
    size_t mark = reply_mark(r);

    reply__aggregate(r, '*', 0);
    return mark;
}

/* The same for a set; its length, too, is said with reply_array_set. */
static size_t reply_set_later(struct reply *r) {
    size_t mark = reply_mark(r);

    reply_set(r, 0);
    return mark;
}

/* The same for a map; how many pairs it has is said with reply_map_set. */
static size_t reply_map_later(struct reply *r) {
    size_t mark = reply_mark(r);

    reply_map(r, 0);
    return mark;
}

/* Say how many replies have followed reply_array_later or reply_set_later. */
static void reply_array_set(struct reply *r, size_t mark, size_t n) {
    char head[REPLY_FRAME], *at;
    size_t len, more, tail;

    if (r->failed) return;
    len = (size_t)(reply__head(head, r->out->p[mark], n) - head);
    more = len - 4;             /* than "*0" with its CRLF */
    if (!reply_room(r, more)) return;
    at = r->out->p + mark;
    VERIFY(at[1] == '0' && at[2] == '\r');
    tail = (size_t)(r->p - at) - 4;
    if (more > 0) {
        memmove(at + len, at + 4, tail);
        for (uint32_t i = r->refs; i > 0 && r->ref[i - 1].at > mark; i--)
            r->ref[i - 1].at += more;
    }
    memcpy(at, head, len);
    r->p += more;
}

/* Say how many pairs have followed reply_map_later. */
static void reply_map_set(struct reply *r, size_t mark, size_t pairs) {
    reply_array_set(r, mark, r->proto == 2 ? pairs * 2 : pairs);
}

/* A floating point number. */
static void reply_double(struct reply *r, double v) {
    if (!reply_room(r, NUM_DOUBLE_ROOM + REPLY_FRAME)) return;
    if (r->proto == 2) {
        reply__frame(r, num_put_double(r->p + 5, v));
        return;
    }
    *r->p = ',';
    r->p = reply__crlf(r->p + 1 + num_put_double(r->p + 1, v));
}

/* A floating point number that is text already. */
static void reply_digits(struct reply *r, struct str s) {
    if (r->proto == 2) reply_bulk(r, s);
    else reply__line(r, ',', s);
}

static inline void reply_bool(struct reply *r, bool v) {
    if (r->proto == 2) reply_int(r, v);
    else if (v) reply_raw(r, STR("#t\r\n"));
    else reply_raw(r, STR("#f\r\n"));
}

/* An integer of any size, in digits. */
static void reply_bignum(struct reply *r, struct str digits) {
    if (r->proto == 2) reply_bulk(r, digits);
    else reply__line(r, '(', digits);
}

/* Text for people; kind is "txt" or "mkd". */
static void reply_verbatim(struct reply *r, struct str s, const char *kind) {
    if (r->proto == 2) {
        reply_bulk(r, s);
        return;
    }
    KVNS_ASSERT(strlen(kind) == 3);
    if (!reply_room(r, s.n + REPLY_FRAME)) return;
    r->p = reply__head(r->p, '=', s.n + 4);
    memcpy(r->p, kind, 3);
    r->p[3] = ':';
    r->p = reply__crlf(bytes_copy(r->p + 4, s.p, s.n));
}

/* Note that the n bytes at p, of a blob, belong here.  False: no memory. */
static bool reply__lend(struct reply *r, struct str s, struct blob *b) {
    if (r->refs == r->ref_cap) {
        uint32_t cap = r->ref_cap == 0 ? 8 : r->ref_cap * 2;
        struct reply_ref *ref = realloc(r->ref, cap * sizeof *ref);

        if (ref == NULL) return false;
        r->ref = ref;
        r->ref_cap = cap;
    }
    r->ref[r->refs++] = (struct reply_ref){ reply_mark(r), s.p, s.n,
                                            blob_hold(b) };
    return true;
}

/* A string of bytes of a blob: lent, or copied if it is short, nobody could
 * merge it, or there is no memory for the note. */
static void reply_blob(struct reply *r, struct str s, struct blob *b) {
    char *was;

    if (s.n >= r->lend_from && reply_room(r, REPLY_FRAME)) {
        was = r->p;
        r->p = reply__head(r->p, '$', s.n);
        if (reply__lend(r, s, b)) {
            r->p = reply__crlf(r->p);
            return;
        }
        r->p = was;
    }
    reply_bulk(r, s);
}
