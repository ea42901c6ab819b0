/* SPDX-License-Identifier: MIT */
/* ==== resp - requests out of bytes ========================================
 *
 * The request half of RESP: arrays of bulk strings, or a plain line typed by
 * hand ("inline").  A parser with three answers after picohttpparser: bytes
 * taken, not yet whole, or wrong.
 *
 *   *3 \r\n  $3 \r\n SET \r\n  $1 \r\n k \r\n  $5 \r\n value \r\n
 *   SET k "a value"\r\n
 *
 * A request that lies whole in the input is read in one pass without copying:
 * its arguments are slices of the input.  Only where that does not succeed is
 * the state in struct resp used.  It remembers how far the reading got, as
 * offsets from the request's first byte (the input may move meanwhile), so
 * that each argument is looked at once however many pieces it comes in.  The
 * list of arguments seen grows by what arrived, not by what a header says.
 *
 * One long argument of a request may be read apart, into a blob that a value
 * can take over as it is (resp_apart): the input then holds what is before and
 * behind it.  The blob, too, grows by what arrives.
 *
 * Invariants: total == 0 between requests and in a request's first line;
 * argc < total while an array is being read, and held then has room for argc
 * spans; every byte before at belongs to elements that were checked.
 *
 * struct resp owns held and a hold on apart; where little is held it is kept
 * for the next request that comes in pieces, until resp_rest.  Arguments are
 * lent: until the input moves, and where out->held is set until the next call
 * with the same struct resp.
 *
 * floor 4 - uses: base num entry
 */
enum {
    RESP_UNAUTH_ARGS = 10,      /* what Redis 7 takes before AUTH */
    RESP_UNAUTH_BULK = 16384,
    RESP_LEAST = 10,            /* bytes of the shortest array: *1 $0 */
    RESP_LEAST_ARG = 6,         /* bytes of the shortest argument: $0 */
    RESP_KEPT = 256,            /* spans kept for the next request in pieces */
    RESP_PROMISED = (1 << 20) + 2   /* memory for what was only announced: a
                                   megabyte and its CRLF */
};

struct resp_limits {
    uint32_t max_args;
    uint64_t max_bulk;
    uint32_t max_inline;        /* bytes of a plain line or of a header */
    bool unauthenticated;       /* Redis' smaller limits hold, too */
};

/* Where an argument lies, from the first byte of its request. */
struct resp_span {
    size_t at, n;
};

/* Arguments of a request that came in pieces or had to be unquoted. */
struct resp_held {
    size_t room;                /* spans that fit */
    struct resp_span span[];
};

/* One client's request as far as it has arrived; all zero: none. */
struct resp {
    struct resp_held *held;
    size_t at;                  /* first byte of the element to be read next */
    size_t scanned;             /* bytes after it known to end no line */
    size_t want;                /* bytes missing at least, see resp_want */
    uint32_t argc;              /* arguments in held */
    uint32_t total;             /* arguments announced; 0: header not read */
    uint32_t apart_i;           /* which argument is apart */
    bool lent;                  /* the last request's arguments are in held */
    struct blob *apart;         /* it and its CRLF, as far as they came; or
                                   NULL */
    size_t apart_n;             /* its length */
};

struct resp_args {
    struct str *room;           /* in: where slices may be put ... */
    uint32_t cap;               /* ... and how many */
    uint32_t argc;              /* 0: an empty request, to be passed over */
    struct str *argv;           /* out: room, or memory held by struct resp */
    bool held;                  /* out: argv or its bytes are struct resp's */
    bool cross_protocol;        /* out: this is HTTP; hang up */
    char text[96];              /* out: where *why may point */
};

enum resp__line { RESP_WHOLE, RESP_PART, RESP_LONG, RESP_BROKEN };

#define RESP_MULTIBULK "Protocol error: invalid multibulk length"
#define RESP_BULK "Protocol error: invalid bulk length"
#define RESP_CRLF "Protocol error: invalid CRLF in request"
#define RESP_MEMORY "Protocol error: out of memory"

/* Forget a request that has not arrived whole, or its arguments, and give the
 * memory back.  Also the end of use: nothing is left then. */
static void resp_reset(struct resp *r) {
    free(r->held);
    if (r->apart != NULL) blob_drop(r->apart);
    *r = (struct resp){ 0 };
}

/* No request is under way, as far as is known, and none was for a while: give
 * back what was kept for the next.  Where nothing was, nothing is written. */
static void resp_rest(struct resp *r) {
    if (r->want == 0 && r->held != NULL) resp_reset(r);
}

/* How many more bytes must arrive, at least, before resp_parse can get any
 * further.  0 when no request has begun. */
static size_t resp_want(const struct resp *r) { return r->want; }

static COLD ptrdiff_t resp__wrong(const char **why, const char *text) {
    *why = text;
    return -1;
}

/* A limit of ours is passed: Redis' text, the limit and how it is set. */
static COLD ptrdiff_t resp__over(struct resp_args *out, const char **why,
                                 const char *text, uint64_t limit,
                                 const char *option) {
    snprintf(out->text, sizeof out->text, "%s (%" PRIu64 ", KVNS_MAX_RESP_%s)",
             text, limit, option);
    return resp__wrong(why, out->text);
}

/* Read the header at s, a number of one or two digits, more if need be, and
 * return what follows its CRLF, or NULL for anything unusual.  At least
 * RESP_LEAST_ARG bytes can be read at s.  Branches on purpose: choosing
 * between one and two digits by arithmetic makes each header wait for the one
 * before, and takes twice as long. */
static INLINE const char *resp__header(const char *s, const char *end,
                                       uint64_t *v) {
    uint32_t d = (uint32_t)(unsigned char)s[1] - '0', e;
    uint64_t n;

    if (UNLIKELY(d > 9)) return NULL;
    if (memcmp(s + 2, "\r\n", 2) == 0) {
        *v = d;
        return s + 4;
    }
    e = (uint32_t)(unsigned char)s[2] - '0';
    if (UNLIKELY(d == 0 || e > 9)) return NULL;
    n = d * 10 + e;
    if (LIKELY(memcmp(s + 3, "\r\n", 2) == 0)) {
        *v = n;
        return s + 5;
    }
    for (s += 3; end - s >= 2 && *s >= '0' && *s <= '9'; s++) {
        if (n > UINT32_MAX) return NULL;
        n = n * 10 + (uint32_t)(*s - '0');
    }
    if (end - s < 2 || s[0] != '\r' || s[1] != '\n') return NULL;
    *v = n;
    return s + 2;
}

/* Is no request under way, and nothing of the last one held, so that
 * resp_whole may be tried? */
static INLINE bool resp_is_fresh(const struct resp *r,
                                 const struct resp_limits *lim) {
    return r->want == 0 && !r->lent && r->apart == NULL &&
           !lim->unauthenticated;
}

/* Read an array that lies whole in p[0..n) and is correct into room[0..cap);
 * resp_is_fresh is true.  Returns the bytes it took and how many
 * arguments it has; 0: it is not so, or does not fit, and is resp_parse's. */
static INLINE size_t resp_whole(const char *p, size_t n,
                                const struct resp_limits *lim,
                                struct str *room, size_t cap, uint32_t *argc) {
    const char *s, *end = p + n;
    struct str *v = room, *last;
    uint64_t count, len;

    if (n < RESP_LEAST || *p != '*') return 0;
    s = resp__header(p, end, &count);
    if (s == NULL || count - 1 >= cap || count > lim->max_args) return 0;
    for (last = room + count; v < last; v++) {
        if (end - s < RESP_LEAST_ARG || *s != '$') return 0;
        s = resp__header(s, end, &len);
        if (UNLIKELY(s == NULL || len > lim->max_bulk)) return 0;
        if (UNLIKELY((uint64_t)(end - s) < len + 2)) return 0;
        *v = str_of(s, (size_t)len);
        s += len;
        if (UNLIKELY(memcmp(s, "\r\n", 2) != 0)) return 0;
        s += 2;
    }
    *argc = (uint32_t)count;
    return (size_t)(s - p);
}

/* Find the end of the header at r->at: *n is its length without CRLF. */
static enum resp__line resp__find_end(struct resp *r, const char *p, size_t n,
                                      const struct resp_limits *lim,
                                      size_t *len) {
    const char *s = p + r->at, *cr = NULL;
    size_t have = n - r->at, look = size_min(have, (size_t)lim->max_inline + 1);

    if (look > r->scanned)
        cr = memchr(s + r->scanned, '\r', look - r->scanned);
    r->want = 1;
    if (cr == NULL) {
        r->scanned = look;
        return have > lim->max_inline ? RESP_LONG : RESP_PART;
    }
    *len = r->scanned = (size_t)(cr - s);
    if (*len + 1 == have) return RESP_PART;
    return cr[1] == '\n' ? RESP_WHOLE : RESP_BROKEN;
}

/* Make room in held for one span more.  seen: bytes of the request that have
 * arrived, which bounds how many arguments it can hold so far. */
static bool resp__grow(struct resp *r, size_t seen) {
    struct resp_held *h = r->held;
    size_t room = h == NULL ? 0 : h->room;

    if (r->argc < room) return true;
    room = size_max(room * 2, (seen - r->at) / RESP_LEAST_ARG + 1);
    room = size_min(size_max(room, r->argc + (size_t)4), r->total);
    if (room > (SIZE_MAX - sizeof *h) / sizeof h->span[0]) return false;
    h = realloc(h, sizeof *h + room * sizeof h->span[0]);
    if (h == NULL) return false;
    h->room = room;
    r->held = h;
    return true;
}

/* Read the header of an array.  1: read, 0: not whole, -1: wrong. */
static ptrdiff_t resp__read_count(struct resp *r, const char *p, size_t n,
                                  const struct resp_limits *lim,
                                  struct resp_args *out, const char **why) {
    size_t len;
    int64_t v;

    switch (resp__find_end(r, p, n, lim, &len)) {
    case RESP_PART: return 0;
    case RESP_LONG:
        return resp__over(out, why,
                          "Protocol error: too big mbulk count string",
                          lim->max_inline, "INLINE_LEN");
    case RESP_BROKEN: return resp__wrong(why, RESP_CRLF);
    case RESP_WHOLE: break;
    }
    if (!num_parse_int(str_of(p + 1, len - 1), &v))
        return resp__wrong(why, RESP_MULTIBULK);
    if (v > (int64_t)lim->max_args)
        return resp__over(out, why, RESP_MULTIBULK, lim->max_args, "ARGS");
    if (lim->unauthenticated && v > RESP_UNAUTH_ARGS)
        return resp__wrong(why,
                           "Protocol error: unauthenticated multibulk length");
    r->at = len + 2;
    r->scanned = 0;
    r->total = v > 0 ? (uint32_t)v : 0;
    return 1;
}

/* Is an argument being read that lies apart? */
static inline bool resp_reads_apart(const struct resp *r) {
    return r->apart != NULL && r->argc == r->apart_i && r->total > 0;
}

/* Read the argument that lies apart.  1: read, 0: not whole, -1: wrong. */
static ptrdiff_t resp__read_apart(struct resp *r, size_t n, const char **why) {
    struct blob *b = r->apart;

    r->want = r->apart_n + 2 - b->n;
    if (r->want > 0) return 0;
    if (memcmp(b->bytes + r->apart_n, "\r\n", 2) != 0)
        return resp__wrong(why, RESP_CRLF);
    if (!resp__grow(r, n)) return resp__wrong(why, RESP_MEMORY);
    b->n -= 2;
    r->held->span[r->argc++] = (struct resp_span){ r->at, r->apart_n };
    return 1;
}

/* Read the argument at r->at.  1: read, 0: not whole, -1: wrong.  A header
 * whose bytes are still missing is read again with them: it is short. */
static ptrdiff_t resp__read_arg(struct resp *r, const char *p, size_t n,
                                const struct resp_limits *lim,
                                struct resp_args *out, const char **why) {
    size_t len, body, have;
    int64_t v;
    char c;

    if (resp_reads_apart(r)) return resp__read_apart(r, n, why);
    switch (resp__find_end(r, p, n, lim, &len)) {
    case RESP_PART: return 0;
    case RESP_LONG:
        return resp__over(out, why,
                          "Protocol error: too big bulk count string",
                          lim->max_inline, "INLINE_LEN");
    case RESP_BROKEN: return resp__wrong(why, RESP_CRLF);
    case RESP_WHOLE: break;
    }
    c = p[r->at];
    if (c != '$') {
        if (c == '\r' || c == '\n' || c == '\0') c = ' ';
        snprintf(out->text, sizeof out->text,
                 "Protocol error: expected '$', got '%c'", c);
        return resp__wrong(why, out->text);
    }
    if (!num_parse_int(str_of(p + r->at + 1, len - 1), &v) || v < 0)
        return resp__wrong(why, RESP_BULK);
    if ((uint64_t)v > lim->max_bulk || (uint64_t)v > PTRDIFF_MAX - 2)
        return resp__over(out, why, RESP_BULK, lim->max_bulk, "BULK_LEN");
    if (lim->unauthenticated && v > RESP_UNAUTH_BULK)
        return resp__wrong(why, "Protocol error: unauthenticated bulk length");
    len = (size_t)v;
    body = r->at + r->scanned + 2;
    have = n - body;
    if (have < len + 2) {
        r->want = len + 2 - have;
        return 0;
    }
    if (memcmp(p + body + len, "\r\n", 2) != 0)
        return resp__wrong(why, RESP_CRLF);
    if (!resp__grow(r, n)) return resp__wrong(why, RESP_MEMORY);
    r->held->span[r->argc++] = (struct resp_span){ body, len };
    r->at = body + len + 2;
    r->scanned = 0;
    return 1;
}

/* The array is whole: turn spans into slices, where they are or in out->room,
 * and leave r ready for the next request. */
static ptrdiff_t resp__finish(struct resp *r, const char *p,
                              struct resp_args *out) {
    struct resp_held *h = r->held;
    struct blob *apart = r->apart;
    uint32_t argc = r->argc;
    ptrdiff_t took = (ptrdiff_t)r->at;

    out->held = argc > out->cap || apart != NULL;
    out->argv = argc > out->cap ? (struct str *)(void *)h->span : out->room;
    out->argc = argc;
    for (uint32_t i = 0; i < argc; i++) {
        struct resp_span a = h->span[i];

        out->argv[i] = str_of(apart != NULL && i == r->apart_i ?
                                  apart->bytes : p + a.at, a.n);
    }
    *r = (struct resp){ .held = h, .apart = apart, .lent = out->held };
    if (!out->held && h != NULL && h->room > RESP_KEPT) resp_reset(r);
    return took;
}

static inline bool resp__blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int resp__hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = base_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read what a backslash at s[0], n >= 2 bytes before the line's end, stands
 * for between double quotes.  Returns the bytes used. */
static size_t resp__escape(const char *s, size_t n, char *c) {
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    const char *f;

    if (s[1] == 'x' && n >= 4 && resp__hex(s[2]) >= 0 && resp__hex(s[3]) >= 0) {
        *c = (char)(resp__hex(s[2]) << 4 | resp__hex(s[3]));
        return 4;
    }
    f = memchr(from, s[1], sizeof from - 1);
    *c = f == NULL ? s[1] : to[f - from];
    return 2;
}

/* Read the word at s[0..n), which does not begin with a blank.  Its bytes go
 * to `to` unless that is NULL, their number to *len.  Returns the bytes used,
 * 0 for unbalanced quotes.  The rules are those of Redis' sdssplitargs: only
 * some blanks end a bare word, and a closing quote ends the word. */
static size_t resp__word(const char *s, size_t n, char *to, size_t *len) {
    char quote = 0, c;
    size_t i = 0, k = 0, step;

    for (; i < n; i += step) {
        c = s[i];
        step = 1;
        if (quote == 0) {
            if (c == ' ' || c == '\t' || c == '\n' || c == '\r') break;
            if (c == '"' || c == '\'') {
                quote = c;
                continue;
            }
        } else if (c == quote) {
            if (i + 1 < n && !resp__blank(s[i + 1])) return 0;
            *len = k;
            return i + 1;
        } else if (c == '\\' && i + 1 < n) {
            if (quote == '"') {
                step = resp__escape(s + i, n - i, &c);
            } else if (s[i + 1] == '\'') {
                c = '\'';
                step = 2;
            }
        }
        if (to != NULL) to[k] = c;
        k++;
    }
    *len = k;
    return quote == 0 ? i : 0;
}

/* Split a line into words, or only count them where argv is NULL.  Words that
 * are not in the line as they are go to text.  -1: unbalanced quotes. */
static ptrdiff_t resp__words(const char *s, size_t n, struct str *argv,
                             char *text, size_t *text_n) {
    ptrdiff_t argc = 0;
    size_t used, len, i = 0;

    *text_n = 0;
    for (;; i += used) {
        while (i < n && resp__blank(s[i])) i++;
        if (i == n) return argc;
        used = resp__word(s + i, n - i, NULL, &len);
        if (used == 0) return -1;
        if (argv != NULL) argv[argc] = str_of(s + i, len);
        if (used != len) {
            if (argv != NULL) {
                argv[argc] = str_of(text + *text_n, len);
                resp__word(s + i, n - i, text + *text_n, &len);
            }
            *text_n += len + 1;
        }
        argc++;
    }
}

/* A browser that was talked into visiting us says one of these. */
static bool resp__is_http(const char *line, size_t n, struct str first) {
    if (str_is(first, "post")) return true;
    return n >= 5 && str_is(str_of(line, 5), "host:");
}

/* Read a plain line. */
static ptrdiff_t resp__inline(struct resp *r, const char *p, size_t n,
                              const struct resp_limits *lim,
                              struct resp_args *out, const char **why) {
    size_t look = size_min(n, (size_t)lim->max_inline + 1), len, text_n, room;
    const char *lf = NULL;
    char *text = NULL;
    ptrdiff_t argc;

    if (look > r->scanned)
        lf = memchr(p + r->scanned, '\n', look - r->scanned);
    if (lf == NULL) {
        r->scanned = look;
        r->want = 1;
        if (n <= lim->max_inline) return 0;
        return resp__over(out, why, "Protocol error: too big inline request",
                          lim->max_inline, "INLINE_LEN");
    }
    r->scanned = r->want = 0;
    len = (size_t)(lf - p);
    if (len > 0 && lf[-1] == '\r') len--;
    argc = resp__words(p, len, NULL, NULL, &text_n);
    if (argc < 0)
        return resp__wrong(why, "Protocol error: unbalanced quotes in request");
    if (argc > (ptrdiff_t)lim->max_args)
        return resp__over(out, why, RESP_MULTIBULK, lim->max_args, "ARGS");
    out->argv = out->room;
    out->argc = (uint32_t)argc;
    if (text_n > 0 || (size_t)argc > out->cap) {
        room = (size_t)argc + text_n / sizeof(struct resp_span) + 1;
        free(r->held);
        r->held = malloc(sizeof *r->held + room * sizeof(struct resp_span));
        if (r->held == NULL) return resp__wrong(why, RESP_MEMORY);
        r->held->room = room;
        text = (char *)(r->held->span + argc);
        out->argv = (struct str *)(void *)r->held->span;
    }
    out->held = r->lent = text != NULL;
    resp__words(p, len, out->argv, text, &text_n);
    out->cross_protocol = argc > 0 && resp__is_http(p, len, out->argv[0]);
    return lf + 1 - p;
}

/* Read on where the last call stopped, or whatever is not the usual case. */
static ptrdiff_t resp__resume(struct resp *r, const char *p, size_t n,
                              const struct resp_limits *lim,
                              struct resp_args *out, const char **why) {
    ptrdiff_t got;

    if (n == 0) return 0;
    if (r->total == 0) {
        if (p[0] != '*') return resp__inline(r, p, n, lim, out, why);
        got = resp__read_count(r, p, n, lim, out, why);
        if (got <= 0) return got;
    }
    while (r->argc < r->total) {
        got = resp__read_arg(r, p, n, lim, out, why);
        if (got <= 0) return got;
    }
    return resp__finish(r, p, out);
}

/* Parse one request from p[0..n), which begins with the request's first byte
 * also when an earlier call has seen a part of it.  Returns the bytes it took
 * (out is set; out->argc may be 0), 0 if the request is still incomplete, or
 * -1 with *why set, a text without its "ERR ".  Reads nothing outside
 * p[0..n).  Out->room and out->cap are given.  Where out->held is set the
 * arguments are gone with the next call.  After -1, r can only be reset. */
static ptrdiff_t resp_parse(struct resp *r, const char *p, size_t n,
                            const struct resp_limits *lim,
                            struct resp_args *out, const char **why) {
    if (r->want == 0) {
        size_t took;

        if (UNLIKELY(r->lent || r->apart != NULL)) resp_reset(r);
        out->argv = out->room;
        out->held = out->cross_protocol = false;
        took = lim->unauthenticated ? 0 :
                   resp_whole(p, n, lim, out->room, out->cap, &out->argc);
        if (took != 0) return (ptrdiff_t)took;
    }
    out->cross_protocol = out->held = false;
    return resp__resume(r, p, n, lim, out, why);
}

/* p[0..n), which resp_parse has just called incomplete, may end within an
 * argument of at least `least` bytes: take what there is of it apart.  Returns
 * how many bytes come before it; these are the request from now on, and the
 * rest goes where resp_room says.  n: there is no such argument, or no
 * memory. */
static size_t resp_apart(struct resp *r, const char *p, size_t n,
                         size_t least) {
    size_t at, have, len;

    if (r->apart != NULL || r->want < 2) return n;  /* 1: within a header */
    at = r->at + r->scanned + 2;
    have = n - at;
    len = r->want + have - 2;
    if (len < least) return n;
    r->apart = blob_try(have, size_min(len + 2,
                                       size_max(have, RESP_PROMISED)));
    if (r->apart == NULL) return n;
    memcpy(r->apart->bytes, p + at, have);
    r->apart_n = len;
    r->apart_i = r->argc;
    r->at = at;
    r->scanned = 0;
    return at;
}

/* Where the bytes of the argument being read apart go next, and in *room how
 * many may: no more than it lacks.  NULL: no memory. */
static char *resp_room(struct resp *r, size_t *room) {
    struct blob *b = r->apart;

    if (b->n == b->cap) {
        b = blob_resize(b, size_min(r->apart_n + 2, (size_t)b->cap * 2));
        if (b == NULL) return NULL;
        r->apart = b;
    }
    *room = b->cap - b->n;
    return b->bytes + b->n;
}

/* So many bytes were put there.  True: it is whole, so resp_parse can read
 * on. */
static bool resp_came(struct resp *r, size_t n) {
    r->apart->n += (uint32_t)n;
    return r->apart->n == r->apart_n + 2;
}

/* How many bytes have come of what is read apart. */
static inline size_t resp_apart_n(const struct resp *r) {
    return r->apart == NULL ? 0 : r->apart->n;
}

/* How many there is memory for. */
static inline size_t resp_apart_cap(const struct resp *r) {
    return r->apart == NULL ? 0 : r->apart->cap;
}
