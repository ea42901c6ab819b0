/* SPDX-License-Identifier: MIT */
/* ==== rdb_file - the records of a snapshot, one after the other ============
 *
 * Walks a file from its header to its checksum and says what stands there:
 * fields, databases, keys.  At a key the value comes next, and is the
 * caller's to read (rdb_get_str, rdb_items) or to pass over: every value can
 * be passed over whose type is known, also those we do not have.  What
 * concerns nobody here (modules, cluster slots) is passed over silently.
 *
 *   for (;;) switch (rdb_file_next(&f)) { case RDB_AT_KEY: ... }
 *
 * Nothing of a file is certain before RDB_AT_END: the checksum comes last.
 *
 * floor 2 - uses: base rdb rdb_items
 */

/* What rdb_file_next found, and which members tell about it. */
enum rdb_at {
    RDB_AT_ERROR,               /* the reader's `why` says what is wrong */
    RDB_AT_END,                 /* the checksum is right, or there is none */
    RDB_AT_AUX,                 /* key, value */
    RDB_AT_FUNCTION,            /* value: the source of a library */
    RDB_AT_SELECT,              /* db, of all that follows */
    RDB_AT_RESIZE,              /* keys, deadlines: hints, believe neither */
    RDB_AT_KEY                  /* key, type, deadline, idle, freq; read or
                                   skip the value before going on */
};

struct rdb_file {
    struct rdb_in *in;
    struct str key, value;      /* valid until the next call */
    uint64_t db, keys, deadlines;
    uint8_t type;
    int64_t deadline;           /* Unix time in ms, -1: none */
    int64_t idle;               /* seconds since the last use, -1: not said */
    int freq;                   /* Redis' LFU counter, -1: not said */
    char *hold;                 /* the key, while its value is read */
    size_t cap;
};

/* ---- passing over values ---- */

static bool rdb_file__skip_strs(struct rdb_in *in, uint64_t n) {
    while (n-- > 0)
        if (!rdb_skip_str(in)) return false;
    return true;
}

static bool rdb_file__skip_lens(struct rdb_in *in, int n) {
    uint64_t ignored;

    while (n-- > 0)
        if (!rdb_get_len(in, &ignored)) return false;
    return true;
}

/* Elements that are not in one blob. */
static bool rdb_file__skip_plain(struct rdb_in *in, uint8_t type) {
    uint64_t n, ignored;
    double score;

    if (type == RDB_HASH_TTL && !rdb_skip_bytes(in, 8)) return false;
    if (!rdb_get_len(in, &n)) return false;
    for (; n > 0; n--) {
        bool ttl = type == RDB_HASH_TTL || type == RDB_HASH_TTL_RC;

        if (ttl && !in->valkey && !rdb_get_len(in, &ignored)) return false;
        if (type == RDB_LIST_PACKS && !rdb_get_len(in, &ignored)) return false;
        if (!rdb_skip_str(in)) return false;
        if ((ttl || type == RDB_HASH) && !rdb_skip_str(in)) return false;
        if (ttl && in->valkey && !rdb_skip_bytes(in, 8)) return false;
        if (type == RDB_ZSET && !rdb_skip_bytes(in, 8)) return false;
        if (type == RDB_ZSET_TEXT && !rdb_get_double_text(in, &score))
            return false;
    }
    return true;
}

/* A consumer group: name, last ID, what is pending, and the consumers. */
static bool rdb_file__skip_group(struct rdb_in *in, uint8_t type) {
    uint64_t pending, consumers;

    if (!rdb_skip_str(in)) return false;
    if (!rdb_file__skip_lens(in, type == RDB_STREAM_1 ? 2 : 3)) return false;
    if (!rdb_get_len(in, &pending)) return false;
    for (; pending > 0; pending--)      /* ID, time, how often delivered */
        if (!rdb_skip_bytes(in, 16 + 8) || !rdb_file__skip_lens(in, 1))
            return false;
    if (!rdb_get_len(in, &consumers)) return false;
    for (; consumers > 0; consumers--) {
        if (!rdb_skip_str(in)) return false;
        if (!rdb_skip_bytes(in, type == RDB_STREAM_3 ? 16 : 8)) return false;
        if (!rdb_get_len(in, &pending)) return false;
        if (pending > UINT64_MAX / 16)
            return rdb_fail(in, "has a count that cannot be");
        if (!rdb_skip_bytes(in, pending * 16)) return false;
    }
    return true;
}

/* A stream: nodes of an ID and a listpack; length and last ID, later versions
 * also first ID, greatest deleted ID and entries ever; the groups. */
static bool rdb_file__skip_stream(struct rdb_in *in, uint8_t type) {
    uint64_t nodes, groups;

    if (!rdb_get_len(in, &nodes)) return false;
    for (; nodes > 0; nodes--)
        if (!rdb_file__skip_strs(in, 2)) return false;
    if (!rdb_file__skip_lens(in, type == RDB_STREAM_1 ? 3 : 8)) return false;
    if (!rdb_get_len(in, &groups)) return false;
    for (; groups > 0; groups--)
        if (!rdb_file__skip_group(in, type)) return false;
    return true;
}

/* What a module wrote, each piece behind its opcode, up to opcode 0. */
static bool rdb_file__skip_module(struct rdb_in *in) {
    uint64_t op;

    for (;;) {
        if (!rdb_get_len(in, &op)) return false;
        switch (op) {
        case 0: return true;
        case 1:                         /* integers with sign and without */
        case 2:
            if (!rdb_file__skip_lens(in, 1)) return false;
            break;
        case 3:                         /* float, double */
        case 4:
            if (!rdb_skip_bytes(in, op == 3 ? 4 : 8)) return false;
            break;
        case 5:
            if (!rdb_skip_str(in)) return false;
            break;
        default: return rdb_fail(in, "has module data of no known form");
        }
    }
}

/* Pass over a value whose type byte was just read.  Lengths are checked, what
 * is in a blob is not looked at.  False if the type is not known, or carries
 * no sign of where it ends (modules before Redis 4.0). */
static bool rdb_skip_value(struct rdb_in *in, uint8_t type) {
    switch (rdb_kind_of(in, type)) {
    case RDB_KIND_NONE: return rdb_fail(in, "has a value of no known type");
    case RDB_KIND_STRING: return rdb_skip_str(in);
    case RDB_KIND_STREAM: return rdb_file__skip_stream(in, type);
    case RDB_KIND_MODULE:
        if (type == RDB_MODULE_RC)
            return rdb_fail(in, "has a module's value without an end");
        return rdb_file__skip_lens(in, 1) && rdb_file__skip_module(in);
    case RDB_KIND_LIST:
    case RDB_KIND_SET:
    case RDB_KIND_ZSET:
    case RDB_KIND_HASH: break;
    }
    switch (type) {
    case RDB_HASH_PACK_TTL: return rdb_skip_bytes(in, 8) && rdb_skip_str(in);
    case RDB_LIST:
    case RDB_SET:
    case RDB_ZSET_TEXT:
    case RDB_HASH:
    case RDB_ZSET:
    case RDB_LIST_ZIPLISTS:
    case RDB_LIST_PACKS:
    case RDB_HASH_TTL_RC:
    case RDB_HASH_TTL: return rdb_file__skip_plain(in, type);
    default: return rdb_skip_str(in);
    }
}

/* ---- records ---- */

/* Begin with a file: reads its header.  The reader stays the caller's, and
 * needs its `crc` set before this for the checksum to be looked at. */
static bool rdb_file_open(struct rdb_file *f, struct rdb_in *in) {
    *f = (struct rdb_file){ .in = in, .deadline = -1, .idle = -1, .freq = -1 };
    return rdb_get_header(in);
}

/* Free what the walk holds. */
static void rdb_file_close(struct rdb_file *f) {
    free(f->hold);
    f->hold = NULL;
    f->cap = 0;
}

/* Pass over a string in the window; NULL: it is not there whole, or in no form
 * that is worth it.  *s: its bytes, where they stand as they are. */
static const uint8_t *rdb_file__scout_str(const uint8_t *p, const uint8_t *end,
                                          struct str *s) {
    size_t n, head = 1;

    *s = (struct str){ NULL, 0 };
    if (end - p < 5) return NULL;
    switch (*p >> 6) {
    case 0: n = *p; break;
    case 1: n = (size_t)(*p & 63) << 8 | p[1]; head = 2; break;
    case 2:
        if (*p != 0x80) return NULL;
        n = (size_t)load_be(p + 1, 4);
        head = 5;
        break;
    default:
        if (*p > RDB_ENC_INT32) return NULL;
        return p + 1 + ((size_t)1 << (*p & 3));
    }
    p += head;
    if (n > (size_t)(end - p)) return NULL;
    *s = str_of((const char *)p, n);
    return p + n;
}

/* Look ahead for keys, as far as the window goes: take the one of the record
 * at *at, a place in the input, and go on to the next record.  False, and
 * *at as it was: it is no simple record, or not there yet.  A hint: what is
 * wrong shows when it is read. */
static bool rdb_scout(const struct rdb_in *in, uint64_t *at,
                      struct str *key) {
    const uint8_t *p, *end = in->p + in->n;
    struct str value;

    if (*at < rdb_at(in) || *at - in->before >= in->n) return false;
    p = in->p + (size_t)(*at - in->before);
    if (*p == RDB_OP_EXPIRE_MS) p += 9;
    if (end - p < 2) return false;
    switch (*p++) {
    case RDB_STRING: case RDB_SET_INTSET: case RDB_HASH_PACK:
    case RDB_ZSET_PACK: case RDB_SET_PACK: case RDB_HASH_ZIPLIST:
    case RDB_ZSET_ZIPLIST: case RDB_LIST_ZIPLIST:
        break;
    default:
        return false;
    }
    p = rdb_file__scout_str(p, end, key);
    if (p == NULL || key->p == NULL) return false;
    p = rdb_file__scout_str(p, end, &value);
    if (p == NULL) return false;
    *at = in->before + (uint64_t)(p - in->p);
    return true;
}

/* Read the key and keep a copy: the value is read through the same window. */
static bool rdb_file__key(struct rdb_file *f) {
    if (!rdb_get_str(f->in, &f->key)) return false;
    if (f->key.n > f->cap || f->hold == NULL) {
        size_t cap = size_max(f->key.n, 256);

        free(f->hold);
        f->hold = malloc(cap);
        f->cap = f->hold == NULL ? 0 : cap;
        if (f->hold == NULL)
            return rdb_fail(f->in, "needs more memory than we get");
    }
    if (f->key.n > 0) memcpy(f->hold, f->key.p, f->key.n);
    f->key.p = f->hold;
    return true;
}

/* Compare the checksum with what was read up to here. */
static enum rdb_at rdb_file__end(struct rdb_in *in) {
    uint64_t sum = rdb_sum(in), told;
    const uint8_t *p;

    if (in->version < 5) return RDB_AT_END;
    p = rdb_get_bytes(in, RDB_SUM);
    if (p == NULL) return RDB_AT_ERROR;
    told = load_le(p, RDB_SUM);
    if (told == 0 || in->crc == NULL || told == sum) return RDB_AT_END;
    rdb_fail(in, "has a wrong checksum");
    return RDB_AT_ERROR;
}

/* Functions as 7.0's release candidates wrote them: name, engine, whether a
 * description follows and it, source. */
static bool rdb_file__skip_function_rc(struct rdb_in *in) {
    uint64_t described;

    return rdb_file__skip_strs(in, 2) && rdb_get_len(in, &described) &&
           rdb_file__skip_strs(in, described == 0 ? 1 : 2);
}

/* Valkey's slot migrations: a name and ranges, two numbers each. */
static bool rdb_file__skip_slots(struct rdb_in *in) {
    uint64_t n;

    if (!rdb_skip_str(in) || !rdb_get_len(in, &n)) return false;
    for (; n > 0; n--)
        if (!rdb_file__skip_lens(in, 2)) return false;
    return true;
}

/* Read what belongs to an opcode that only prepares something, or that says
 * nothing to us. */
static bool rdb_file__prepare(struct rdb_file *f, uint8_t op) {
    struct rdb_in *in = f->in;
    uint64_t n;
    uint8_t byte;

    switch (op) {
    case RDB_OP_EXPIRE_MS: return rdb_get_ms(in, &f->deadline);
    case RDB_OP_EXPIRE: return rdb_get_seconds(in, &f->deadline);
    case RDB_OP_IDLE:
        if (!rdb_get_len(in, &n)) return false;
        f->idle = n > INT64_MAX ? INT64_MAX : (int64_t)n;
        return true;
    case RDB_OP_FREQ:
        if (!rdb_get_byte(in, &byte)) return false;
        f->freq = byte;
        return true;
    case RDB_OP_MODULE_AUX:             /* who, opcode 2, when; the data */
        return rdb_file__skip_lens(in, 3) && rdb_file__skip_module(in);
    case RDB_OP_FUNCTION_RC: return rdb_file__skip_function_rc(in);
    case RDB_OP_SLOT_INFO: return rdb_file__skip_lens(in, 3);
    case RDB_OP_SLOT_IMPORT: return rdb_file__skip_slots(in);
    default: return rdb_fail(in, "has a record of no known type");
    }
}

static bool rdb_file__aux(struct rdb_file *f) {
    return rdb_file__key(f) && rdb_get_str(f->in, &f->value);
}

/* Go on to the next record.  The value of a key must have been read whole, or
 * passed over. */
static enum rdb_at rdb_file_next(struct rdb_file *f) {
    struct rdb_in *in = f->in;
    enum rdb_at at = RDB_AT_ERROR;
    bool ok;

    f->deadline = f->idle = f->freq = -1;
    f->key = f->value = STR("");
    while (at == RDB_AT_ERROR) {
        if (!rdb_get_byte(in, &f->type)) return RDB_AT_ERROR;
        switch (f->type) {
        case RDB_OP_END: return rdb_file__end(in);
        case RDB_OP_AUX:
            ok = rdb_file__aux(f);
            at = RDB_AT_AUX;
            break;
        case RDB_OP_FUNCTION:
            ok = rdb_get_str(in, &f->value);
            at = RDB_AT_FUNCTION;
            break;
        case RDB_OP_SELECT:
            ok = rdb_get_len(in, &f->db);
            at = RDB_AT_SELECT;
            break;
        case RDB_OP_RESIZE:
            ok = rdb_get_len(in, &f->keys) && rdb_get_len(in, &f->deadlines);
            at = RDB_AT_RESIZE;
            break;
        default:
            if (f->type >= RDB_OP_SLOT_IMPORT) {
                ok = rdb_file__prepare(f, f->type);
                break;
            }
            ok = rdb_file__key(f);
            at = RDB_AT_KEY;
        }
        if (!ok) return RDB_AT_ERROR;
    }
    return at;
}
