/* SPDX-License-Identifier: MIT */
/* ==== bit - commands on the bits of strings ================================
 *
 * A string is a row of bits that zeros follow without end.  Offsets are
 * bounded by the longest argument a client may send, so what one of them makes
 * a string grow by is bounded, too, and room for it is asked for first.
 *
 * floor 6 - uses: base num bits entry shard door bytes reply instance arg
 *    string
 */

static const char bit__bad_offset[] =
    "ERR bit offset is not an integer or out of range";

/* Parse an offset of bits, or answer why not.  "#n" is the n-th number of
 * `bits` bits, if bits > 0. */
static bool bit__offset_or_reply(struct call *x, struct str s, int bits,
                                 uint64_t *at) {
    uint64_t most = x->k->opt.max_resp_bulk_len;
    int64_t n;

    if (most > UINT32_MAX - 128) most = UINT32_MAX - 128;   /* a blob's */
    if (bits > 0 && s.n > 0 && s.p[0] == '#') s = str_of(s.p + 1, s.n - 1);
    else bits = 1;
    if (num_parse_int(s, &n) && n >= 0 &&
        (uint64_t)n <= (most * 8 - 1) / (uint64_t)bits) {
        *at = (uint64_t)n * (uint64_t)bits;
        return true;
    }
    reply_error(x->r, bit__bad_offset);
    return false;
}

/* A key that bits are written to. */
struct bit_target {
    struct edit ed;
    struct str v;               /* its bytes as they are */
    char tmp[24];
    uint8_t *p;                 /* the same to be written; NULL: not yet */
    size_t n;                   /* how many there are to be */
    bool grows;
};

/* Make the bytes of an open target writable; false: no memory, and the edit
 * is over. */
static bool bit__write(struct bit_target *t) {
    if (t->p != NULL) return true;
    t->p = (uint8_t *)string_open(&t->ed, t->n);
    t->v = str_of(t->p, t->n);
    return t->p != NULL;
}

/* Open the key at argv[1], whose bytes up to the one with bit `last` will be
 * there; false: answered, nothing is open. */
static bool bit__open_or_reply(struct call *x, uint64_t last,
                               struct bit_target *t) {
    size_t need = (size_t)(last >> 3) + 1, n;
    struct str ns, local;
    const struct entry *e = key_peek(&x->w, x->argv[1]);

    if (!kind_or_reply(x, e, KIND_STRING)) return false;
    n = e == NULL ? 0 : entry_string(e, t->tmp).n;
    if (need > n) {
        key_split(&x->w, x->argv[1], &ns, &local);
        if (!arg_room_or_reply(x, x->argv[1], local, need - n)) return false;
    }
    edit_open(&x->w, x->argv[1], &t->ed);
    t->v = t->ed.e == NULL ? STR("") : entry_string(t->ed.e, t->tmp);
    t->grows = need > t->v.n;
    t->n = size_max(t->v.n, need);
    t->p = NULL;
    if (!t->grows || bit__write(t)) return true;
    reply_err(x, ERR_MEMORY);
    return false;
}

/* The end of what bit__open_or_reply began. */
static void bit__commit(struct bit_target *t, size_t changes) {
    if (changes > 1) edit_counts(&t->ed, changes);
    if (changes > 0) edit_commit(&t->ed, EVENT_STRING, "setbit");
    else if (t->p != NULL) edit_commit(&t->ed, EVENT_STRING, NULL);
    else edit_cancel(&t->ed);
}

static enum outcome cmd_setbit(struct call *x) {
    struct bit_target t;
    uint64_t at, was;
    int64_t bit;

    if (!bit__offset_or_reply(x, x->argv[2], 0, &at)) return FAILED;
    if (!num_parse_int(x->argv[3], &bit) || bit < 0 || bit > 1) {
        reply_error(x->r, "ERR bit is not an integer or out of range");
        return FAILED;
    }
    if (!bit__open_or_reply(x, at, &t)) return FAILED;
    was = bits_get((const uint8_t *)t.v.p, t.v.n, at, 1);
    if (was != (uint64_t)bit) {
        if (!bit__write(&t)) return reply_err(x, ERR_MEMORY);
        bits_set(t.p, at, 1, (uint64_t)bit);
    }
    bit__commit(&t, t.grows || was != (uint64_t)bit);
    reply_int(x->r, (int64_t)was);
    return DONE;
}

static enum outcome cmd_getbit(struct call *x) {
    const struct entry *e;
    struct str v;
    char tmp[24];
    uint64_t at;

    if (!bit__offset_or_reply(x, x->argv[2], 0, &at) ||
        !arg_read_or_reply(x, 1, KIND_STRING, &e))
        return FAILED;
    v = e == NULL ? STR("") : entry_string(e, tmp);
    reply_int(x->r, (int64_t)bits_get((const uint8_t *)v.p, v.n, at, 1));
    return DONE;
}

/* A range of bits, of which `to` is the last; empty if from > to. */
struct bit_range {
    int64_t from, to;
};

/* Is the unit of a range, at argv[i] if there are so many arguments, a bit?
 * False: answered. */
static bool bit__unit_or_reply(struct call *x, size_t i, bool *bits) {
    *bits = i < x->argc && str_is(x->argv[i], "bit");
    if (i >= x->argc || *bits || str_is(x->argv[i], "byte")) return true;
    reply_err(x, ERR_SYNTAX);
    return false;
}

/* Count a range of a string of n bytes from its beginning, and in bits. */
static struct bit_range bit__range(int64_t from, int64_t to, size_t n,
                                   bool bits) {
    int64_t all = bits ? (int64_t)n * 8 : (int64_t)n;

    if (from < 0) from = from < -all ? 0 : from + all;
    if (to < 0) to = to < -all ? 0 : to + all;
    if (to >= all) to = all - 1;
    if (from > to) return (struct bit_range){ 1, 0 };
    if (bits) return (struct bit_range){ from, to };
    return (struct bit_range){ from * 8, to * 8 + 7 };
}

/* Redis looks at the key first: an absent one answers 0 whatever follows. */
static enum outcome cmd_bitcount(struct call *x) {
    struct bit_range r;
    const struct entry *e;
    struct str v;
    char tmp[24];
    int64_t from = 0, to = -1;
    bool bits = false;

    if (!arg_read_or_reply(x, 1, KIND_STRING, &e)) return FAILED;
    if (e == NULL) {
        reply_int(x->r, 0);
        return DONE;
    }
    if (x->argc == 3 || x->argc > 5) return reply_err(x, ERR_SYNTAX);
    if (x->argc > 3) {
        if (!arg_int_or_reply(x, 2, &from) || !arg_int_or_reply(x, 3, &to))
            return FAILED;
        if (from < 0 && to < 0 && from > to) {
            reply_int(x->r, 0);
            return DONE;
        }
        if (!bit__unit_or_reply(x, 4, &bits)) return FAILED;
    }
    v = entry_string(e, tmp);
    r = bit__range(from, to, v.n, bits);
    reply_int(x->r, r.from > r.to ? 0 :
                  (int64_t)bits_count_range((const uint8_t *)v.p,
                                            (uint64_t)r.from,
                                            (uint64_t)r.to));
    return DONE;
}

/* Without an end of the range, a string of ones is followed by a zero. */
static enum outcome cmd_bitpos(struct call *x) {
    struct bit_range r;
    const struct entry *e;
    struct str v;
    char tmp[24];
    int64_t bit, from = 0, to = -1;
    uint64_t at;
    bool bits = false;

    if (!arg_int_or_reply(x, 2, &bit)) return FAILED;
    if (bit != 0 && bit != 1) {
        reply_error(x->r, "ERR The bit argument must be 1 or 0.");
        return FAILED;
    }
    if (!arg_read_or_reply(x, 1, KIND_STRING, &e)) return FAILED;
    if (e == NULL) {
        reply_int(x->r, bit == 1 ? -1 : 0);
        return DONE;
    }
    if (x->argc > 6) return reply_err(x, ERR_SYNTAX);
    if (x->argc > 3 && !arg_int_or_reply(x, 3, &from)) return FAILED;
    if (!bit__unit_or_reply(x, 5, &bits)) return FAILED;
    if (x->argc > 4 && !arg_int_or_reply(x, 4, &to)) return FAILED;
    v = entry_string(e, tmp);
    r = bit__range(from, to, v.n, bits);
    if (r.from > r.to) {
        reply_int(x->r, -1);
        return DONE;
    }
    at = bits_find((const uint8_t *)v.p, (uint64_t)r.from, (uint64_t)r.to,
                   bit == 1);
    if (at != UINT64_MAX) reply_int(x->r, (int64_t)at);
    else reply_int(x->r, bit == 0 && x->argc < 5 ? (int64_t)v.n * 8 : -1);
    return DONE;
}

/* ---- BITOP --------------------------------------------------------------- */

enum { BIT_SOURCES = 16 };      /* of BITOP, without memory for more */

/* Look at the keys from argv[3] on: their bytes, and the longest's length.
 * Digits of numbers stand in tmp.  False: answered. */
static bool bit__sources_or_reply(struct call *x, bool read, struct str *src,
                                  char (*tmp)[24], size_t *longest) {
    *longest = 0;
    for (size_t i = 0; i + 3 < x->argc; i++) {
        const struct entry *e = read ? key_read(&x->w, x->argv[i + 3]) :
                                       key_peek(&x->w, x->argv[i + 3]);

        if (!kind_or_reply(x, e, KIND_STRING)) return false;
        src[i] = e == NULL ? STR("") : entry_string(e, tmp[i]);
        *longest = size_max(*longest, src[i].n);
    }
    return true;
}

/* Make the combination of the sources, n > 0 bytes, the value of an open key,
 * which may be one of them.  False: no memory, nothing changed. */
static bool bit__store(struct edit *ed, size_t n, enum bits_op op,
                       const struct str *src, size_t count) {
    uint8_t small[ENTRY_BLOB_MIN];
    struct blob *b;
    char *p = NULL;
    bool own = false;

    if (n < ENTRY_BLOB_MIN) {
        bits_combine(small, n, op, src, count);
        return bytes_put_text(ed, str_of(small, n), 0);
    }
    if (ed->e != NULL && entry_shape(ed->e) == SHAPE_BLOB) {
        b = entry_object(ed->e);
        for (size_t i = 0; i < count; i++) own |= src[i].p == b->bytes;
        if (!own) p = bytes_reuse(ed, n);
    }
    if (p != NULL) {
        bits_combine((uint8_t *)p, n, op, src, count);
        return true;
    }
    b = blob_try(n, n);
    if (b == NULL) return false;
    bits_combine((uint8_t *)b->bytes, n, op, src, count);
    return bytes_put_blob(ed, b, 0);
}

/* Combine the sources into the key at argv[2]. */
static enum outcome bit__combine(struct call *x, enum bits_op op,
                                 struct str *src, char (*tmp)[24]) {
    struct edit ed;
    size_t n;

    if (!bit__sources_or_reply(x, true, src, tmp, &n)) return FAILED;
    if (n > 0) {
        if (!arg_room_or_reply(x, x->argv[2], (struct str){ NULL, 0 }, n))
            return FAILED;
        /* what was evicted for it is not read any more */
        bit__sources_or_reply(x, false, src, tmp, &n);
    }
    edit_open(&x->w, x->argv[2], &ed);
    if (n > 0) {
        if (!bit__store(&ed, n, op, src, x->argc - 3)) {
            edit_cancel(&ed);
            return reply_err(x, ERR_MEMORY);
        }
        edit_commit(&ed, EVENT_STRING, "set");
    } else if (ed.e != NULL) {
        edit_drop(&ed);
        edit_commit(&ed, EVENT_GENERIC, "del");
    } else {
        edit_cancel(&ed);
    }
    reply_int(x->r, (int64_t)n);
    return DONE;
}

static enum outcome cmd_bitop(struct call *x) {
    struct str few[BIT_SOURCES], *src = few;
    char few_tmp[BIT_SOURCES][24], (*tmp)[24] = few_tmp;
    enum outcome what = FAILED;
    enum bits_op op;

    if (str_is(x->argv[1], "and")) op = BITS_AND;
    else if (str_is(x->argv[1], "or")) op = BITS_OR;
    else if (str_is(x->argv[1], "xor")) op = BITS_XOR;
    else if (str_is(x->argv[1], "not")) op = BITS_NOT;
    else return reply_err(x, ERR_SYNTAX);
    if (op == BITS_NOT && x->argc != 4) {
        reply_error(x->r, "ERR BITOP NOT must be called with a single source "
                          "key.");
        return FAILED;
    }
    if (x->argc - 3 > BIT_SOURCES) {
        src = calloc(x->argc - 3, sizeof *src);
        tmp = calloc(x->argc - 3, sizeof *tmp);
    }
    if (src == NULL || tmp == NULL) reply_err(x, ERR_MEMORY);
    else what = bit__combine(x, op, src, tmp);
    if (src != few) free(src);
    if (tmp != few_tmp) free(tmp);
    return what;
}

/* ---- BITFIELD ------------------------------------------------------------ */

enum bit_code { BIT_GET, BIT_SET, BIT_INCRBY };

enum bit_overflow { BIT_WRAP, BIT_SAT, BIT_FAIL };

/* One operation of BITFIELD. */
struct bit_field {
    enum bit_code code;
    enum bit_overflow overflow; /* stands until another one is said */
    bool is_signed;
    int bits;                   /* 1 to 64, unsigned to 63 */
    uint64_t at;
    int64_t value;
};

/* Parse "i16" or "u8", or answer what is wrong. */
static bool bit__type_or_reply(struct call *x, struct str s,
                               struct bit_field *f) {
    int64_t n;

    f->is_signed = s.n > 0 && s.p[0] == 'i';
    if ((f->is_signed || (s.n > 0 && s.p[0] == 'u')) &&
        num_parse_int(str_of(s.p + 1, s.n - 1), &n) && n > 0 &&
        n <= (f->is_signed ? 64 : 63)) {
        f->bits = (int)n;
        return true;
    }
    reply_error(x->r, "ERR Invalid bitfield type. Use something like i16 u8. "
                      "Note that u64 is not supported but i64 is.");
    return false;
}

/* Parse the type after OVERFLOW, or answer what is wrong. */
static bool bit__overflow_or_reply(struct call *x, struct str s,
                                   struct bit_field *f) {
    if (str_is(s, "wrap")) f->overflow = BIT_WRAP;
    else if (str_is(s, "sat")) f->overflow = BIT_SAT;
    else if (str_is(s, "fail")) f->overflow = BIT_FAIL;
    else {
        reply_error(x->r, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* Read the next operation from argv[*i] on, with what OVERFLOW says before it.
 * *more: there was one.  False: answered. */
static bool bit__next_or_reply(struct call *x, size_t *i,
                               struct bit_field *f, bool *more) {
    *more = false;
    while (*i < x->argc) {
        const struct str *a = x->argv + *i;
        size_t left = x->argc - *i - 1;

        if (str_is(a[0], "overflow") && left >= 1) {
            if (!bit__overflow_or_reply(x, a[1], f)) return false;
            *i += 2;
            continue;
        }
        if (str_is(a[0], "get") && left >= 2) f->code = BIT_GET;
        else if (str_is(a[0], "set") && left >= 3) f->code = BIT_SET;
        else if (str_is(a[0], "incrby") && left >= 3) f->code = BIT_INCRBY;
        else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
        if (!bit__type_or_reply(x, a[1], f) ||
            !bit__offset_or_reply(x, a[2], f->bits, &f->at) ||
            (f->code != BIT_GET && !arg_int_or_reply(x, *i + 3, &f->value)))
            return false;
        *i += f->code == BIT_GET ? 3 : 4;
        *more = true;
        return true;
    }
    return true;
}

/* The sum of a number in the field's range, or any if by is 0, and by; what
 * does not fit is made to, unless FAIL stands: then false. */
static bool bit__sum(const struct bit_field *f, uint64_t was, int64_t by,
                     uint64_t *sum) {
    uint64_t top = UINT64_C(1) << (f->bits - 1);
    bool over, under;

    *sum = was + (uint64_t)by;
    if (f->is_signed) {
        int64_t max = (int64_t)(top - 1), min = -max - 1, v = (int64_t)was;

        over = v > max || (by > 0 && v > max - by);
        under = v < min || (by < 0 && v < min - by);
        if (!over && !under) return true;
        if (f->overflow == BIT_SAT) *sum = (uint64_t)(over ? max : min);
        else if (f->bits < 64)
            *sum = ((*sum & (2 * top - 1)) ^ top) - top;
    } else {
        uint64_t max = 2 * top - 1;

        over = was > max || (by > 0 && (uint64_t)by > max - was);
        under = by < 0 && 0 - (uint64_t)by > was;
        if (!over && !under) return true;
        if (f->overflow == BIT_SAT) *sum = over ? max : 0;
        else *sum &= max;
    }
    return f->overflow != BIT_FAIL;
}

/* What stands in the field, its sign carried to the top. */
static uint64_t bit__read(const struct bit_field *f, struct str v) {
    uint64_t n = bits_get((const uint8_t *)v.p, v.n, f->at, f->bits);
    uint64_t top = UINT64_C(1) << (f->bits - 1);

    return f->is_signed ? (n ^ top) - top : n;
}

/* Carry out one operation on an open key.  False: no memory, the edit is
 * over. */
static bool bit__run(struct call *x, const struct bit_field *f,
                     struct bit_target *t, size_t *changes) {
    uint64_t was = bit__read(f, t->v), now;
    bool ok = true;

    if (f->code == BIT_INCRBY) ok = bit__sum(f, was, f->value, &now);
    else if (f->code == BIT_SET) ok = bit__sum(f, (uint64_t)f->value, 0, &now);
    else now = was;
    if (!ok) {
        reply_null(x->r);
        return true;
    }
    if (now != was) {
        if (!bit__write(t)) return false;
        bits_set(t->p, f->at, f->bits, now);
    }
    if (f->code != BIT_GET && (t->grows || now != was)) ++*changes;
    reply_int(x->r, (int64_t)(f->code == BIT_INCRBY ? now : was));
    return true;
}

/* BITFIELD and BITFIELD_RO: the arguments are read once to see that all of
 * them are right and how far they reach, and again to be carried out. */
static enum outcome bit__fields(struct call *x, bool read_only) {
    struct bit_field f = { .overflow = BIT_WRAP };
    struct bit_target t = { .p = NULL };
    size_t i, n = 0, mark = reply_mark(x->r);
    bool more, writes = false;
    size_t changes = 0;
    const struct entry *e;
    uint64_t last = 0;

    for (i = 2; ; n++) {
        if (!bit__next_or_reply(x, &i, &f, &more)) return FAILED;
        if (!more) break;
        if (f.code == BIT_GET) continue;
        writes = true;
        if (last < f.at + (uint64_t)f.bits - 1)
            last = f.at + (uint64_t)f.bits - 1;
    }
    if (writes && read_only) {
        reply_error(x->r, "ERR BITFIELD_RO only supports the GET subcommand");
        return FAILED;
    }
    if (writes) {
        if (!bit__open_or_reply(x, last, &t)) return FAILED;
    } else {
        if (!arg_read_or_reply(x, 1, KIND_STRING, &e)) return FAILED;
        t.v = e == NULL ? STR("") : entry_string(e, t.tmp);
    }
    reply_array(x->r, n);
    f.overflow = BIT_WRAP;
    for (i = 2; n > 0; n--) {
        bit__next_or_reply(x, &i, &f, &more);
        if (bit__run(x, &f, &t, &changes)) continue;
        reply_cut(x->r, mark);
        return reply_err(x, ERR_MEMORY);
    }
    if (writes) bit__commit(&t, changes);
    return DONE;
}

static enum outcome cmd_bitfield(struct call *x) {
    return bit__fields(x, false);
}

static enum outcome cmd_bitfield_ro(struct call *x) {
    return bit__fields(x, true);
}

static const struct command bit_commands[] = {
    { "bitcount", cmd_bitcount, -2, READONLY, 1, 1, 1, GROUP_BIT,
      SINCE(2, 6, 0),
      "O(N) for N bytes looked at", "key [start end [BYTE | BIT]]",
      "How many bits are set in the string at key, or in a part of it." },
    { "bitfield", cmd_bitfield, -2, WRITE | GROWS, 1, 1, 1, GROUP_BIT,
      SINCE(3, 2, 0), "O(1) for each operation",
      "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] "
      "<SET encoding offset value | INCRBY encoding offset increment> "
      "[GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] "
      "<SET encoding offset value | INCRBY encoding offset increment> ...]]",
      "Reads and changes numbers of any width in the bits of a string." },
    { "bitfield_ro", cmd_bitfield_ro, -2, READONLY | FAST, 1, 1, 1, GROUP_BIT,
      SINCE(6, 0, 0), "O(1) for each operation",
      "key [GET encoding offset [GET encoding offset ...]]",
      "Reads numbers of any width in the bits of a string." },
    { "bitop", cmd_bitop, -4, WRITE | GROWS, 2, -1, 1, GROUP_BIT,
      SINCE(2, 6, 0), "O(N) for N bytes of all strings",
      "<AND | OR | XOR | NOT> destkey key [key ...]",
      "Combines strings bit by bit into another." },
    { "bitpos", cmd_bitpos, -3, READONLY, 1, 1, 1, GROUP_BIT, SINCE(2, 8, 7),
      "O(N) for N bytes looked at", "key bit [start [end [BYTE | BIT]]]",
      "Where the first bit of a string stands that is set, or is not." },
    { "getbit", cmd_getbit, 3, READONLY | FAST, 1, 1, 1, GROUP_BIT,
      SINCE(2, 2, 0), "O(1)", "key offset", "One bit of the string at key." },
    { "setbit", cmd_setbit, 4, WRITE | GROWS, 1, 1, 1, GROUP_BIT,
      SINCE(2, 2, 0), "O(1)", "key offset value",
      "Sets or clears one bit of the string at key, zeros filling a gap." },
};
