/* SPDX-License-Identifier: MIT */
/* ==== scanner - HSCAN, SSCAN, ZSCAN ========================================
 *
 * What scans of collections share.  A small collection is answered whole with
 * cursor 0; a table gives lines until COUNT items were seen.  A cursor is what
 * table_scan says, so anything may come back from a client: at worst it ends
 * the scan.
 *
 * floor 6 - uses: base glob buf table pack item due reply instance arg
 */
struct scanner {
    uint32_t cursor;
    uint64_t count;
    struct str pattern;         /* p NULL: everything */
    bool novalues;              /* fields of a hash without their values */
};

/* Parse argv[i], a cursor, as strtoul would, or answer why not. */
static bool scanner_number_or_reply(struct call *x, size_t i,
                                    uint64_t *cursor) {
    struct str s = x->argv[i];
    size_t at = s.n > 0 && (s.p[0] == '+' || s.p[0] == '-');
    bool minus = at == 1 && s.p[0] == '-';
    uint64_t v = 0;

    if (at == 1 && s.n == 1) goto invalid;
    for (; at < s.n; at++) {
        unsigned digit = (unsigned)(unsigned char)s.p[at] - '0';

        if (digit > 9 || v > (UINT64_MAX - digit) / 10) goto invalid;
        v = v * 10 + digit;
    }
    *cursor = minus ? 0 - v : v;
    return true;
invalid:
    reply_error(x->r, "ERR invalid cursor");
    return false;
}

/* The same for a table's cursor. */
static bool scanner_cursor_or_reply(struct call *x, size_t i,
                                    uint32_t *cursor) {
    uint64_t v;

    if (!scanner_number_or_reply(x, i, &v)) return false;
    *cursor = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    return true;
}

/* Parse the options from argv[i] on, or answer why not. */
static bool scanner_options_or_reply(struct call *x, size_t i,
                                     struct scanner *sc) {
    int64_t n;

    sc->count = 10;
    sc->pattern = (struct str){ NULL, 0 };
    sc->novalues = false;
    for (; i < x->argc; i++) {
        struct str a = x->argv[i];

        if (str_is(a, "count") && i + 1 < x->argc) {
            if (!arg_int_or_reply(x, ++i, &n)) return false;
            if (n < 1) {
                reply_err(x, ERR_SYNTAX);
                return false;
            }
            sc->count = (uint64_t)n;
        } else if (str_is(a, "match") && i + 1 < x->argc) {
            sc->pattern = x->argv[++i];
            if (str_eq(sc->pattern, STR("*"))) sc->pattern.p = NULL;
        } else if (str_is(a, "novalues")) {
            if (x->row->name[0] != 'h') {
                reply_error(x->r, "ERR NOVALUES option can only be used in "
                                  "HSCAN");
                return false;
            }
            sc->novalues = true;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Is it asked for? */
static inline bool scanner_wants(const struct scanner *sc, struct str s) {
    return sc->pattern.p == NULL || glob_match(sc->pattern, s, false);
}

/* The same for an element of a pack or intset. */
static inline bool scanner_wants_item(const struct scanner *sc,
                                      const struct pack_item *it) {
    char tmp[24];

    return sc->pattern.p == NULL ||
           glob_match(sc->pattern, pack_item_str(it, tmp), false);
}

/* Begin the answer of a scan that ends with it; the elements follow, and how
 * many they were is said with reply_array_set. */
static size_t scanner_whole(struct call *x) {
    reply_array(x->r, 2);
    reply_bulk(x->r, STR("0"));
    return reply_array_later(x->r);
}

/* There is nothing to scan. */
static enum outcome scanner_none(struct call *x) {
    reply_array_set(x->r, scanner_whole(x), 0);
    return DONE;
}

struct scanner__found {
    const struct scanner *sc;
    int64_t now;
    struct buf items;           /* pointers to those asked for */
    uint64_t seen;
};

static void scanner__see(void *ctx, void *item) {
    struct scanner__found *f = ctx;

    f->seen++;
    if (due_is_dead(item, f->now)) return;
    if (scanner_wants(f->sc, item_key(item)))
        buf_put(&f->items, &item, sizeof item);
}

/* Answer the next part of a table: put writes the `per` replies of an item. */
static enum outcome scanner_table(struct call *x, const struct scanner *sc,
                                  const struct table *t, size_t per,
                                  void (*put)(struct reply *r,
                                              const struct item *it)) {
    struct scanner__found f = { sc, x->w.now, { 0 }, 0 };
    uint32_t cursor = sc->cursor;
    uint64_t steps = 0;
    const struct item *it;

    do {
        cursor = table_scan(t, cursor, scanner__see, &f);
    } while (cursor != 0 && f.seen < sc->count && ++steps / 10 < sc->count);
    if (f.items.failed) {
        buf_free(&f.items);
        return reply_err(x, ERR_MEMORY);
    }
    reply_array(x->r, 2);
    reply_bulk_int(x->r, cursor);
    reply_array(x->r, f.items.n / sizeof it * per);
    for (size_t at = 0; at < f.items.n; at += sizeof it) {
        memcpy(&it, f.items.p + at, sizeof it);
        put(x->r, it);
    }
    buf_free(&f.items);
    return DONE;
}
