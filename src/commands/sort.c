/* SPDX-License-Identifier: MIT */
/* ==== sort - SORT and SORT_RO ==============================================
 *
 * The elements of a list, set or sorted set become a vector; each gets a
 * weight, from itself or from the key that BY names; the vector is sorted and
 * a part of it answered, or what GET finds for each element, or stored as a
 * list.
 *
 *   vector   [element, weight or bytes to compare, where it stood] ...
 *
 * Bytes are lent by the values; integers are printed into chunks that live as
 * long as the call.  Elements of the same weight come in order of their bytes,
 * those that BY ... ALPHA makes equal in the order they stood: whatever the C
 * library's qsort does with equals.
 *
 * BY and GET read other keys than those named, so all shards are locked.
 *
 * floor 6 - uses: base arena num buf pack quick entry shard big door lists
 *    fields members ranks reply instance arg lots
 */
struct sort_item {
    struct str s;
    union {
        double weight;
        struct str by;          /* p NULL: nothing was found; comes first */
    } u;
    size_t at;
};

enum { SORT_CHUNK = 8192 };

/* Printed integers. */
struct sort__chunk {
    struct sort__chunk *next;
    size_t n;
    char bytes[SORT_CHUNK];
};

struct sort {
    struct call *x;
    bool desc, alpha, nosort;
    bool peek;                  /* an edit is open: keys are only peeked at */
    int64_t start, count;       /* LIMIT; count < 0: all */
    struct str by, store;       /* p NULL: not given */
    struct str *gets;
    size_t ngets;
    struct sort_item *v;
    size_t n;                   /* loaded so far */
    size_t from, len;           /* the part of the vector that is wanted */
    struct sort__chunk *chunks;
    struct buf key;             /* a pattern's key */
};

/* Bytes of an element for as long as the call lasts; p NULL: no memory. */
static struct str sort__keep(struct sort *s, const struct pack_item *it) {
    struct sort__chunk *c = s->chunks;
    struct str out;

    if (!it->is_int) return it->s;
    if (c == NULL || SORT_CHUNK - c->n < 24) {
        c = malloc(sizeof *c);
        if (c == NULL) return str_of(NULL, 0);
        c->next = s->chunks;
        c->n = 0;
        s->chunks = c;
    }
    out = str_of(c->bytes + c->n, num_put_int(c->bytes + c->n, it->i));
    c->n += out.n;
    return out;
}

static void sort__free(struct sort *s) {
    while (s->chunks != NULL) {
        struct sort__chunk *next = s->chunks->next;

        free(s->chunks);
        s->chunks = next;
    }
    buf_free(&s->key);
    free(s->gets);
    free(s->v);
}

/* Parse LIMIT's two numbers at argv[i]. */
static bool sort__limit_or_reply(struct sort *s, size_t i) {
    return arg_int_or_reply(s->x, i, &s->start) &&
           arg_int_or_reply(s->x, i + 1, &s->count);
}

/* Parse the options from argv[2] on, or answer why not. */
static bool sort__options_or_reply(struct sort *s) {
    struct call *x = s->x;
    bool stores = (x->row->flags & WRITE) != 0;

    s->gets = malloc(x->argc * sizeof *s->gets);
    if (s->gets == NULL) {
        reply_err(x, ERR_MEMORY);
        return false;
    }
    for (size_t i = 2; i < x->argc; i++) {
        struct str a = x->argv[i];
        size_t left = x->argc - 1 - i;

        if (str_is(a, "asc")) s->desc = false;
        else if (str_is(a, "desc")) s->desc = true;
        else if (str_is(a, "alpha")) s->alpha = true;
        else if (str_is(a, "limit") && left >= 2) {
            if (!sort__limit_or_reply(s, i + 1)) return false;
            i += 2;
        } else if (str_is(a, "store") && left >= 1 && stores) {
            s->store = x->argv[++i];
        } else if (str_is(a, "by") && left >= 1) {
            s->by = x->argv[++i];
            /* what names one key for all elements sorts nothing */
            if (s->by.n == 0 || memchr(s->by.p, '*', s->by.n) == NULL)
                s->nosort = true;
        } else if (str_is(a, "get") && left >= 1) {
            s->gets[s->ngets++] = x->argv[++i];
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* The value that a pattern names for an element: the string of a key, or after
 * "->" a field of a hash.  False: there is none.  Lent, or digits in tmp. */
static bool sort__lookup(struct sort *s, struct str pattern,
                         struct str element, char tmp[24], struct str *out) {
    const char *star, *end = pattern.p + pattern.n, *arrow;
    struct str field = { NULL, 0 };
    const struct entry *e;

    if (str_eq(pattern, STR("#"))) {
        *out = element;
        return true;
    }
    star = pattern.n == 0 ? NULL : memchr(pattern.p, '*', pattern.n);
    if (star == NULL) return false;
    for (arrow = star + 1; arrow + 2 < end; arrow++)
        if (arrow[0] == '-' && arrow[1] == '>') {
            field = str_of(arrow + 2, (size_t)(end - arrow) - 2);
            end = arrow;
        }
    buf_reset(&s->key);
    buf_put(&s->key, pattern.p, (size_t)(star - pattern.p));
    buf_put(&s->key, element.p, element.n);
    buf_put(&s->key, star + 1, (size_t)(end - star) - 1);
    if (s->key.failed) return false;
    e = s->peek ? key_peek(&s->x->w, buf_str(&s->key)) :
                  key_read(&s->x->w, buf_str(&s->key));
    if (e == NULL) return false;
    if (field.p != NULL)
        return entry_kind(e) == KIND_HASH &&
               fields_get(&s->x->w, e, field, tmp, out);
    if (entry_kind(e) != KIND_STRING) return false;
    *out = entry_string(e, tmp);
    return true;
}

/* Load one more element.  False: no memory. */
static bool sort__add(void *ctx, const struct pack_item *it) {
    struct sort *s = ctx;
    struct sort_item *item = &s->v[s->n];

    item->s = sort__keep(s, it);
    item->at = s->n;
    item->u.weight = 0;
    s->n++;
    return !it->is_int || item->s.p != NULL;
}

/* Load n elements of a list from `from` on, counted from the end for DESC. */
static bool sort__load_list(struct sort *s, const struct entry *e,
                            size_t from, size_t n, bool back) {
    struct str v = entry_value(e);
    const uint8_t *p = (const uint8_t *)v.p;
    struct pack_item it;
    size_t at;

    if (n == 0) return true;
    if (entry_shape(e) == SHAPE_LIST_QUICK) {
        struct quick *q = lists_quick(e);
        struct quick_at w = quick_index(q, back ? q->len - 1 - from : from);

        while (n-- > 0) {
            quick_item(w, &it);
            if (!sort__add(s, &it)) return false;
            if (back) quick_back(q, &w);
            else quick_read(&w, &it);
        }
        return true;
    }
    at = back ? pack_nth_back(p, v.n, from) : pack_nth(p, v.n, from);
    while (n-- > 0) {
        pack_read(p, v.n, at, &it);
        if (!sort__add(s, &it)) return false;
        at = back ? pack_prev(p, v.n, at) : pack_next(p, v.n, at);
    }
    return true;
}

/* The same for a sorted set. */
static bool sort__load_zset(struct sort *s, const struct entry *e, size_t all,
                            size_t from, size_t n, bool back) {
    struct ranks_at at;
    struct pack_item it;

    if (n == 0) return true;
    ranks_seek(e, all, back ? all - 1 - from : from, &at);
    while (n-- > 0) {
        ranks_member(&at, &it);
        if (!sort__add(s, &it)) return false;
        if (n > 0) ranks_step(&at, back);
    }
    return true;
}

/* Load the vector, or as much as is wanted of one that is in order already.
 * e may be NULL.  False: no memory. */
static bool sort__load(struct sort *s, const struct entry *e) {
    size_t all, from, n;
    bool part, back = s->nosort && s->desc;

    all = e == NULL ? 0 : entry_kind(e) == KIND_LIST ? lists_count(e) :
              entry_kind(e) == KIND_SET ? members_count(e) : ranks_count(e);
    s->from = s->start < 0 ? 0 :
              (uint64_t)s->start < all ? (size_t)s->start : all;
    s->len = all - s->from;
    if (s->count >= 0 && (uint64_t)s->count < s->len)
        s->len = (size_t)s->count;
    part = s->nosort && e != NULL && entry_kind(e) != KIND_SET;
    from = part ? s->from : 0;
    n = part ? s->len : all;
    if (part) s->from = 0;
    if (n == 0) return true;
    if (n > SIZE_MAX / sizeof *s->v) return false;
    s->v = malloc(n * sizeof *s->v);
    if (s->v == NULL) return false;
    if (entry_kind(e) == KIND_LIST)
        return sort__load_list(s, e, from, n, back);
    if (entry_kind(e) == KIND_ZSET)
        return sort__load_zset(s, e, all, from, n, back);
    return members_each(e, sort__add, s);
}

/* A weight as strtod reads it: up to a zero byte; blanks before it are fine,
 * and so is nothing at all. */
static bool sort__weight(struct str s, double *out) {
    const char *zero = s.n == 0 ? NULL : memchr(s.p, '\0', s.n);

    *out = 0;
    if (zero != NULL) s.n = (size_t)(zero - s.p);
    if (s.n == 0) return true;
    while (s.n > 0 && (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r'))) {
        s.p++;
        s.n--;
    }
    return num_parse_double(s, out) && !isnan(*out);
}

/* Give each element what it is sorted by, or answer why not. */
static bool sort__weigh_or_reply(struct sort *s) {
    bool good = true;

    for (size_t i = 0; i < s->n; i++) {
        struct sort_item *item = s->v + i;
        struct str by = item->s;
        char tmp[24];

        if (s->by.p != NULL && !sort__lookup(s, s->by, item->s, tmp, &by))
            by.p = NULL;
        if (!s->alpha) {
            if (by.p != NULL) good = sort__weight(by, &item->u.weight) && good;
            continue;
        }
        if (by.p == tmp) {
            struct pack_item digits = pack_item_of(by);

            by = sort__keep(s, &digits);
            if (by.p == NULL) s->key.failed = true;
        }
        item->u.by = by;
    }
    if (s->key.failed) reply_err(s->x, ERR_MEMORY);
    else if (!good) reply_error(s->x->r, "ERR One or more scores can't be "
                                         "converted into double");
    return good && !s->key.failed;
}

static int sort__stood(const struct sort_item *a, const struct sort_item *b) {
    return (a->at > b->at) - (a->at < b->at);
}

static int sort__numbers(const struct sort_item *a,
                         const struct sort_item *b) {
    if (a->u.weight != b->u.weight)
        return a->u.weight > b->u.weight ? 1 : -1;
    return str_cmp(a->s, b->s);
}

static int sort__bytes(const struct sort_item *a, const struct sort_item *b) {
    if (a->u.by.p == NULL || b->u.by.p == NULL)
        return (a->u.by.p != NULL) - (b->u.by.p != NULL);
    return str_cmp(a->u.by, b->u.by);
}

static int sort__numbers_up(const void *a, const void *b) {
    int d = sort__numbers(a, b);

    return d != 0 ? d : sort__stood(a, b);
}

static int sort__numbers_down(const void *a, const void *b) {
    int d = sort__numbers(b, a);

    return d != 0 ? d : sort__stood(a, b);
}

static int sort__bytes_up(const void *a, const void *b) {
    int d = sort__bytes(a, b);

    return d != 0 ? d : sort__stood(a, b);
}

static int sort__bytes_down(const void *a, const void *b) {
    int d = sort__bytes(b, a);

    return d != 0 ? d : sort__stood(a, b);
}

static void sort__order(struct sort *s) {
    if (s->n < 2) return;
    qsort(s->v, s->n, sizeof *s->v,
          s->alpha ? s->desc ? sort__bytes_down : sort__bytes_up :
                     s->desc ? sort__numbers_down : sort__numbers_up);
}

/* Answer the elements that are wanted, or what GET finds for them. */
static enum outcome sort__answer(struct sort *s) {
    struct reply *r = s->x->r;
    size_t mark = reply_mark(r);
    struct str out;
    char tmp[24];

    if (s->ngets > 1 && !lots_begin_or_reply(s->x, (uint64_t)s->len *
                                                   s->ngets))
        return FAILED;
    reply_array(r, s->ngets == 0 ? s->len : s->len * s->ngets);
    for (size_t i = s->from; i < s->from + s->len; i++) {
        if (s->ngets == 0) reply_bulk(r, s->v[i].s);
        for (size_t g = 0; g < s->ngets; g++) {
            if (sort__lookup(s, s->gets[g], s->v[i].s, tmp, &out))
                reply_bulk(r, out);
            else
                reply_null(r);
            if (s->ngets > 1 && !lots_goes_on_or_reply(s->x, mark))
                return FAILED;
        }
    }
    return DONE;
}

/* Fill the list that STORE makes; what GET does not find is empty.  False: no
 * memory. */
static bool sort__fill(struct sort *s, struct quick *q, struct mem *m) {
    struct str out;
    char tmp[24];

    for (size_t i = s->from; i < s->from + s->len; i++) {
        if (s->ngets == 0 && !quick_push(q, m, QUICK_TAIL, s->v[i].s))
            return false;
        for (size_t g = 0; g < s->ngets; g++) {
            if (!sort__lookup(s, s->gets[g], s->v[i].s, tmp, &out))
                out = STR("");
            if (!quick_push(q, m, QUICK_TAIL, out)) return false;
        }
    }
    return true;
}

/* Make the list b the value of an open key, in its entry where it is one pack.
 * False: no memory, and the key is as it was.  b is gone or the key's. */
static bool sort__put(struct edit *ed, struct big *b) {
    struct mem *m = &ed->ref.shard->mem;
    struct quick *q = &((struct big_list *)b)->q;
    size_t budget = SIZE_MAX;
    bool small = q->nodes == 1, ok;
    struct entry *e;

    e = entry_try(m, ed->ref.local,
                  small ? SHAPE_LIST_PACK : SHAPE_LIST_QUICK,
                  small ? q->bytes : (size_t)ENTRY_PTR, 0);
    if (e != NULL && small) quick_to_pack(q, entry_bytes(e));
    else if (e != NULL) entry_set_object(e, b);
    ok = e != NULL && edit_put(ed, e);
    if (small || !ok)
        while (!big_free_step(m, b, &budget)) {}
    return ok;
}

/* Store what is wanted as a list; nothing is an absent key. */
static enum outcome sort__store(struct sort *s) {
    struct call *x = s->x;
    size_t budget = SIZE_MAX, n = s->len * size_max(s->ngets, 1);
    struct edit ed;
    struct big *b;
    struct mem *m;

    if (s->ngets > 1 && !lots_begin_or_reply(x, (uint64_t)s->len * s->ngets))
        return FAILED;
    edit_open(&x->w, s->store, &ed);
    if (n == 0) {
        if (ed.e == NULL) {
            edit_cancel(&ed);
        } else {
            edit_drop(&ed);
            edit_commit(&ed, EVENT_GENERIC, "del");
        }
        reply_int(x->r, 0);
        return DONE;
    }
    m = &ed.ref.shard->mem;
    s->peek = true;
    b = big_try(m, SHAPE_LIST_QUICK, x->k->ks.opt.list_size, 0);
    if (b != NULL && !sort__fill(s, &((struct big_list *)b)->q, m)) {
        while (!big_free_step(m, b, &budget)) {}
        b = NULL;
    }
    if (b == NULL || !sort__put(&ed, b)) {
        edit_cancel(&ed);
        return reply_err(x, ERR_MEMORY);
    }
    edit_counts(&ed, n);
    edit_commit(&ed, EVENT_LIST, "sortstore");
    reply_int(x->r, (int64_t)n);
    return DONE;
}

static enum outcome sort__run(struct sort *s) {
    const struct entry *e;

    if (!sort__options_or_reply(s)) return FAILED;
    e = key_read(&s->x->w, s->x->argv[1]);
    if (e != NULL && entry_kind(e) != KIND_LIST &&
        entry_kind(e) != KIND_SET && entry_kind(e) != KIND_ZSET)
        return reply_err(s->x, ERR_WRONGTYPE);
    if (s->nosort && s->store.p != NULL && e != NULL &&
        entry_kind(e) == KIND_SET) {
        /* as Redis: a set is stored in an order that is always the same */
        s->nosort = false;
        s->alpha = true;
        s->by.p = NULL;
    }
    if (!sort__load(s, e)) return reply_err(s->x, ERR_MEMORY);
    if (!s->nosort) {
        if (!sort__weigh_or_reply(s)) return FAILED;
        sort__order(s);
    }
    return s->store.p != NULL ? sort__store(s) : sort__answer(s);
}

static enum outcome cmd_sort(struct call *x) {
    struct sort s = { .x = x, .count = -1 };
    enum outcome what = sort__run(&s);

    sort__free(&s);
    return what;
}

static const struct command sort_commands[] = {
    { "sort", cmd_sort, -2, WRITE | GROWS | MOVABLE | KEYS_STORE | ALL_SHARDS,
      1, 1, 1, GROUP_KEY, SINCE(1, 0, 0),
      "O(N*log(N)) for N elements",
      "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] "
      "[ASC | DESC] [ALPHA] [STORE destination]",
      "Sorts the elements of a list, set or sorted set." },
    { "sort_ro", cmd_sort, -2, READONLY | MOVABLE | KEYS_STORE | ALL_SHARDS,
      1, 1, 1, GROUP_KEY, SINCE(7, 0, 0), "O(N*log(N)) for N elements",
      "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] "
      "[ASC | DESC] [ALPHA]",
      "Sorts like SORT, and never stores." },
};
