/* SPDX-License-Identifier: MIT */
/* ==== lots - counts of elements drawn at random ============================
 *
 * What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER share.  A negative count asks
 * for elements that may repeat, and so for a reply of any length: one of more
 * than LOTS_MOST bytes is refused, before the first draw if the count alone
 * says so.  (Redis builds it and stands still meanwhile.)
 *
 * floor 6 - uses: base pack reply instance arg
 */
enum {
    LOTS_MOST = 64 << 20,       /* bytes of a reply with repetitions */
    LOTS_LEAST = 16             /* bytes to count for an element at least: to
                                   draw four million takes long enough */
};

/* An element, as a string. */
static inline void reply_item(struct reply *r, const struct pack_item *it) {
    if (it->is_int) reply_bulk_int(r, it->i);
    else reply_bulk(r, it->s);
}

/* Parse the count at argv[i], or answer why not.  With pairs, a count must
 * also be good when it is doubled. */
static bool lots_count_or_reply(struct call *x, size_t i, bool pairs,
                                int64_t *count) {
    if (!arg_int_or_reply(x, i, count)) return false;
    if (*count == INT64_MIN) {
        reply_error(x->r, "ERR value is out of range, value must between "
                          "-9223372036854775807 and 9223372036854775807");
        return false;
    }
    if (pairs && (*count > INT64_MAX / 2 || *count < -(INT64_MAX / 2))) {
        reply_error(x->r, "ERR value is out of range");
        return false;
    }
    return true;
}

static COLD enum outcome lots__refuse(struct call *x) {
    reply_error(x->r, "ERR count is out of range, the reply would exceed "
                      "64mb");
    return FAILED;
}

/* May a reply of n bulks begin?  Answers where not. */
static bool lots_begin_or_reply(struct call *x, uint64_t n) {
    if (n <= LOTS_MOST / LOTS_LEAST) return true;
    lots__refuse(x);
    return false;
}

/* May a reply that began at mark go on?  Where not, an error replaces it. */
static inline bool lots_goes_on_or_reply(struct call *x, size_t mark) {
    if (x->r->failed) return false;
    if (LIKELY(reply_mark(x->r) - mark <= LOTS_MOST)) return true;
    reply_cut(x->r, mark);
    lots__refuse(x);
    return false;
}
