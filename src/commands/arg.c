/* SPDX-License-Identifier: MIT */
/* ==== arg - what every handler needs =======================================
 *
 * Error texts, to the byte Redis'; arguments parsed or refused; a key's value
 * of the right kind or the reply that says why not.  A function that may
 * answer the client itself ends in _or_reply.
 *
 * floor 6 - uses: base mem num entry shard door upkeep reply instance
 */
enum err {
    ERR_SYNTAX, ERR_WRONGTYPE, ERR_NOT_INT, ERR_NOT_FLOAT, ERR_NO_KEY,
    ERR_OVERFLOW, ERR_OOM, ERR_RANGE, ERR_POSITIVE, ERR_TOO_LONG, ERR_OFFSET,
    ERR_NAN, ERR_MEMORY, ERR_DB_RANGE, ERR_TIMEOUT, ERR_TIMEOUT_NEGATIVE,
    ERR_SAME_OBJECT, ERR_COUNT
};

static const char *const err_text[ERR_COUNT] = {
    [ERR_SYNTAX] = "ERR syntax error",
    [ERR_WRONGTYPE] = "WRONGTYPE Operation against a key holding the wrong "
                      "kind of value",
    [ERR_NOT_INT] = "ERR value is not an integer or out of range",
    [ERR_NOT_FLOAT] = "ERR value is not a valid float",
    [ERR_NO_KEY] = "ERR no such key",
    [ERR_OVERFLOW] = "ERR increment or decrement would overflow",
    [ERR_OOM] = "OOM command not allowed when used memory > 'maxmemory'.",
    [ERR_RANGE] = "ERR index out of range",
    [ERR_POSITIVE] = "ERR value is out of range, must be positive",
    [ERR_TOO_LONG] = "ERR string exceeds maximum allowed size "
                     "(proto-max-bulk-len)",
    [ERR_OFFSET] = "ERR offset is out of range",
    [ERR_NAN] = "ERR increment would produce NaN or Infinity",
    [ERR_MEMORY] = "OOM out of memory: the system refused it",
    [ERR_DB_RANGE] = "ERR DB index is out of range",
    [ERR_TIMEOUT] = "ERR timeout is not a float or out of range",
    [ERR_TIMEOUT_NEGATIVE] = "ERR timeout is negative",
    [ERR_SAME_OBJECT] = "ERR source and destination objects are the same"
};

/* Answer an error of the catalogue; the outcome is the handler's, too. */
static COLD enum outcome reply_err(struct call *x, enum err err) {
    reply_error(x->r, err_text[err]);
    return FAILED;
}

/* Parse an integer argument, or answer why not. */
static inline bool arg_int_or_reply(struct call *x, size_t i, int64_t *out) {
    if (LIKELY(num_parse_int(x->argv[i], out))) return true;
    reply_err(x, ERR_NOT_INT);
    return false;
}

/* Parse a float argument, or answer why not. */
static inline bool arg_double_or_reply(struct call *x, size_t i,
                                       double *out) {
    if (LIKELY(num_parse_double(x->argv[i], out))) return true;
    reply_err(x, ERR_NOT_FLOAT);
    return false;
}

/* Is the entry, if there is one, of this kind?  Answers where it is not. */
static inline bool kind_or_reply(struct call *x, const struct entry *e,
                                 enum kind kind) {
    if (e == NULL || LIKELY(entry_kind(e) == kind)) return true;
    reply_err(x, ERR_WRONGTYPE);
    return false;
}

/* Read the key at argv[i], which must be of this kind if it is there; false:
 * answered.  *e may be NULL. */
static inline bool arg_read_or_reply(struct call *x, size_t i,
                                     enum kind kind, const struct entry **e) {
    *e = key_read(&x->w, x->argv[i]);
    return kind_or_reply(x, *e, kind);
}

/* Open the key at argv[i] for change; it must be of this kind if it is there.
 * False: answered, and nothing is open. */
static inline bool arg_open_or_reply(struct call *x, size_t i,
                                     enum kind kind, struct edit *ed) {
    edit_open(&x->w, x->argv[i], ed);
    if (kind_or_reply(x, ed->e, kind)) return true;
    edit_cancel(ed);
    return false;
}

enum { ARG_AHEAD = 16 };        /* keys of one command looked for at a time */

/* For commands on many keys, before each of them: argv[i], `step` apart from
 * the first at 1.  From time to time the next few are looked for at once, so
 * that what they lack in the cache comes at the same time.  The hints must
 * last until arg_ahead_end. */
static inline void arg_ahead(struct call *x, size_t i, size_t step,
                             struct key_hint hint[ARG_AHEAD]) {
    size_t at = (i - 1) / step % ARG_AHEAD, n = 0;

    if (at == 0) {
        x->w.hint = NULL;
        for (size_t j = i; j < x->argc && n < ARG_AHEAD; j += step, n++) {
            hint_take(&x->w, x->argv[j], hint + n);
            hint_seek(&x->w, hint + n);
        }
        for (size_t j = 0; j < n; j++) hint_find(hint + j);
    }
    x->w.hint = hint + at;
}

static inline void arg_ahead_end(struct call *x) { x->w.hint = NULL; }

/* Answer a wrong number of arguments in Redis' words. */
static COLD enum outcome reply_arity(struct call *x) {
    reply_errorf(x->r, "ERR wrong number of arguments for '%s' command",
                 x->row->name);
    return FAILED;
}

/* Parse the timeout of a blocking command, or answer why not. */
static bool arg_timeout_or_reply(struct call *x, size_t i, double *seconds) {
    long double t;

    if (!num_parse_ld(x->argv[i], &t)) {
        reply_err(x, ERR_TIMEOUT);
        return false;
    }
    if (t < 0) {
        reply_err(x, ERR_TIMEOUT_NEGATIVE);
        return false;
    }
    if (t * 1000 > (long double)(INT64_MAX / 2000)) {
        reply_error(x->r, "ERR timeout is out of range");
        return false;
    }
    *seconds = (double)t;
    return true;
}

/* Is there room for a key to grow by `need` bytes beyond its arguments?  Makes
 * some by evicting in the key's namespace, as far as it lies in this shard,
 * but never `spare`.  Nothing may be open.  False: answered. */
static bool arg_room_or_reply(struct call *x, struct str key, struct str spare,
                              size_t need) {
    struct keyspace *ks = x->w.ks;
    struct keyref ref;
    struct tenant *t;

    key_ref(&x->w, key, &ref);
    t = ks->tenants == NULL ? NULL : tenant_find(ks, ref.ns);
    for (;;) {
        size_t used = keyspace_bytes(ks), limit = ks->opt.memory_limit;
        struct space *sp;

        if (used + need <= limit && t != NULL && t->has_limit) {
            used = atomic_load(&t->bytes);
            limit = t->limit;
        }
        if (need <= limit && used <= limit - need) break;
        key_ref(&x->w, key, &ref);      /* its namespace may have ended */
        sp = ref.space;
        if (sp == NULL || need > limit || used - (limit - need) > sp->bytes ||
            !policy_evicts((enum policy)sp->policy) ||
            space_evict(&x->w, ref.shard, sp, spare) == 0) {
            reply_err(x, ERR_OOM);
            return false;
        }
    }
    if (mem_can(&ref.shard->mem, need)) return true;
    reply_err(x, ERR_MEMORY);
    return false;
}
