/* SPDX-License-Identifier: MIT */
/* ==== lcs - the longest common subsequence of two strings ==================
 *
 * The textbook table of lengths L(i, j) is kept as bits (Hyyro, "Bit-parallel
 * LCS-length computation revisited", AWOCA 2004): bit j of row i is 0 where
 * L(i, j+1) is greater than L(i, j).  A row follows from the one above by an
 * addition:
 *
 *     u = v & match[a[i]];   v = (v + u) | (v & ~match[a[i]])
 *
 * where bit j of match[c] says whether b[j] is c.  So 64 cells take one step
 * and eight bytes, a thirty-second of Redis' table.  The walk back needs no
 * more than the bits: at (i, j), where a[i-1] and b[j-1] differ, L(i-1, j) is
 * the greater neighbour just if bit j-1 of row i is 0.
 *
 * How large a table may become is Redis' rule, counted in Redis' bytes, so the
 * same strings are refused; what is taken here is less than that allows.
 *
 * floor 6 - uses: base entry door reply instance arg
 */
struct lcs {
    struct str a, b;
    size_t words;               /* of a row */
    uint64_t *rows;             /* one for each byte of a */
    uint64_t *match;            /* one row for each byte that a has */
    uint16_t of[256];           /* which; 0: not in a */
    size_t len;
};

/* What LCS is asked to do. */
struct lcs_options {
    bool idx, len, with_len;
    int64_t least;              /* shortest match to be told */
};

/* A stretch that both strings have; a_from is of the first byte. */
struct lcs_match {
    size_t a_from, a_to, b_from, b_to;
};

static void lcs__free(struct lcs *l) {
    free(l->rows);
    free(l->match);
}

/* Take the memory for two strings.  False: refused. */
static bool lcs__new(struct lcs *l, struct str a, struct str b) {
    size_t kinds = 0;

    memset(l, 0, sizeof *l);
    l->a = a;
    l->b = b;
    if (a.n == 0 || b.n == 0) return true;
    l->words = (b.n + 63) / 64;
    for (size_t i = 0; i < a.n; i++) {
        uint16_t *of = &l->of[(unsigned char)a.p[i]];

        if (*of == 0) *of = (uint16_t)++kinds;
    }
    if (a.n >= SIZE_MAX / sizeof *l->rows / l->words) return false;
    l->rows = malloc(a.n * l->words * sizeof *l->rows);
    l->match = calloc((kinds + 1) * l->words, sizeof *l->match);
    if (l->rows != NULL && l->match != NULL) return true;
    lcs__free(l);
    return false;
}

/* Fill the table. */
static void lcs__fill(struct lcs *l) {
    const uint64_t *above = NULL;
    size_t w = l->words;

    for (size_t j = 0; j < l->b.n; j++) {
        uint16_t of = l->of[(unsigned char)l->b.p[j]];

        if (of != 0) l->match[of * w + j / 64] |= UINT64_C(1) << j % 64;
    }
    for (size_t i = 0; w > 0 && i < l->a.n; i++) {
        const uint64_t *m = l->match + l->of[(unsigned char)l->a.p[i]] * w;
        uint64_t *row = l->rows + i * w, carry = 0;

        for (size_t k = 0; k < w; k++) {
            uint64_t v = above == NULL ? UINT64_MAX : above[k], sum;

            sum = v + carry;
            carry = sum < v;
            sum += v & m[k];
            carry += sum < (v & m[k]);
            row[k] = sum | (v & ~m[k]);
        }
        above = row;
    }
    for (size_t j = 0; above != NULL && j < l->b.n; j++)
        l->len += (above[j / 64] >> j % 64 & 1) == 0;
}

/* Tell of one stretch; returns whether it was long enough. */
static bool lcs__tell(struct reply *r, const struct lcs_options *o,
                      const struct lcs_match *m) {
    size_t n = m->a_to - m->a_from + 1;

    if ((uint64_t)n < (uint64_t)o->least) return false;
    reply_array(r, o->with_len ? 3 : 2);
    reply_array(r, 2);
    reply_int(r, (int64_t)m->a_from);
    reply_int(r, (int64_t)m->a_to);
    reply_array(r, 2);
    reply_int(r, (int64_t)m->b_from);
    reply_int(r, (int64_t)m->b_to);
    if (o->with_len) reply_int(r, (int64_t)n);
    return true;
}

/* Walk back from the end: write the subsequence to out, where there is room
 * for its length, or, with out NULL, tell of the stretches it is made of.
 * Returns how many it told. */
static size_t lcs__walk(const struct lcs *l, struct reply *r,
                        const struct lcs_options *o, char *out) {
    size_t i = l->a.n, j = l->b.n, n = l->len, told = 0;
    struct lcs_match m = { 0, 0, 0, 0 };
    bool open = false;

    while (i > 0 && j > 0) {
        bool end = false;

        if (l->a.p[i - 1] == l->b.p[j - 1]) {
            i--, j--;
            if (out != NULL) out[--n] = l->a.p[i];
            if (!open) {
                open = true;
                m.a_to = i;
                m.b_to = j;
            }
            m.a_from = i;
            m.b_from = j;
            end = i == 0 || j == 0;
        } else {
            const uint64_t *row = l->rows + (i - 1) * l->words;

            if ((row[(j - 1) / 64] >> (j - 1) % 64 & 1) == 0) i--;
            else j--;
            end = open;
        }
        if (!end) continue;
        if (out == NULL) told += lcs__tell(r, o, &m);
        open = false;
    }
    return told;
}

static void lcs__reply(struct call *x, const struct lcs *l,
                       const struct lcs_options *o) {
    struct reply *r = x->r;
    size_t mark;
    char *out;

    if (o->idx) {
        reply_map(r, 2);
        reply_bulk(r, STR("matches"));
        mark = reply_array_later(r);
        reply_array_set(r, mark, lcs__walk(l, r, o, NULL));
        reply_bulk(r, STR("len"));
        reply_int(r, (int64_t)l->len);
        return;
    }
    if (o->len) {
        reply_int(r, (int64_t)l->len);
        return;
    }
    out = malloc(l->len + 1);
    if (out == NULL) {
        reply_err(x, ERR_MEMORY);
        return;
    }
    lcs__walk(l, r, o, out);
    reply_bulk(r, str_of(out, l->len));
    free(out);
}

/* Parse the options; false: answered. */
static bool lcs__options_or_reply(struct call *x, struct lcs_options *o) {
    memset(o, 0, sizeof *o);
    for (size_t i = 3; i < x->argc; i++) {
        struct str a = x->argv[i];

        if (str_is(a, "idx")) {
            o->idx = true;
        } else if (str_is(a, "len")) {
            o->len = true;
        } else if (str_is(a, "withmatchlen")) {
            o->with_len = true;
        } else if (str_is(a, "minmatchlen") && i + 1 < x->argc) {
            if (!arg_int_or_reply(x, ++i, &o->least)) return false;
            if (o->least < 0) o->least = 0;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    if (!o->idx || !o->len) return true;
    reply_error(x->r, "ERR If you want both the length and indexes, please "
                      "just use IDX.");
    return false;
}

static enum outcome cmd_lcs(struct call *x) {
    const struct entry *e[2];
    struct lcs_options o;
    struct str s[2];
    char tmp[2][24];
    struct lcs l;

    for (int i = 0; i < 2; i++) e[i] = key_read(&x->w, x->argv[i + 1]);
    for (int i = 0; i < 2; i++) {
        if (e[i] != NULL && entry_kind(e[i]) != KIND_STRING) {
            reply_error(x->r, "ERR The specified keys must contain string "
                              "values");
            return FAILED;
        }
        s[i] = e[i] == NULL ? STR("") : entry_string(e[i], tmp[i]);
    }
    if (!lcs__options_or_reply(x, &o)) return FAILED;
    if ((uint64_t)(s[0].n + 1) >
        x->k->opt.max_resp_bulk_len / 4 / (s[1].n + 1)) {
        reply_error(x->r, "ERR Insufficient memory, transient memory for LCS "
                          "exceeds proto-max-bulk-len");
        return FAILED;
    }
    if (!lcs__new(&l, s[0], s[1])) {
        reply_error(x->r, "ERR Insufficient memory, failed allocating "
                          "transient memory for LCS");
        return FAILED;
    }
    lcs__fill(&l);
    lcs__reply(x, &l, &o);
    lcs__free(&l);
    return DONE;
}

static const struct command lcs_commands[] = {
    { "lcs", cmd_lcs, -3, READONLY, 1, 2, 1, GROUP_STRING,
      SINCE(7, 0, 0), "O(N*M) for strings of N and M bytes",
      "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
      "The longest run of bytes, gaps allowed, that two strings share." },
};
