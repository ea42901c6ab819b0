/* SPDX-License-Identifier: MIT */
/* ==== snapshot - SAVE and its kin, DUMP and RESTORE ========================
 *
 * A payload of DUMP is a value as in a file, with a version and a checksum
 * behind it; redis-server takes ours and we take its.
 *
 * floor 6 - uses: base buf rdb rdb_file entry shard save door load reply
 *    instance saver arg
 */
/* Is there a file for snapshots? */
static bool snapshot_path_or_reply(struct call *x) {
    if (x->k->opt.persist_path.n > 0) return true;
    reply_error(x->r, "ERR no persist-path is set");
    return false;
}

/* One is being taken. */
static enum outcome snapshot_busy(struct call *x) {
    reply_error(x->r, "ERR Background save already in progress");
    return FAILED;
}

static enum outcome cmd_save(struct call *x) {
    if (x->k->saver != NULL) return snapshot_busy(x);
    if (!snapshot_path_or_reply(x)) return FAILED;
    if (!saver_save(x->k)) {
        reply_error(x->r, "ERR");
        return FAILED;
    }
    reply_ok(x->r);
    return DONE;
}

/* The point in time is this command's place in the order of all. */
static enum outcome cmd_bgsave(struct call *x) {
    if (x->argc > 1 && (x->argc != 2 || !str_is(x->argv[1], "schedule")))
        return reply_err(x, ERR_SYNTAX);
    if (x->k->saver != NULL) return snapshot_busy(x);
    if (!snapshot_path_or_reply(x)) return FAILED;
    if (x->no_block) {          /* EXEC: not while a transaction is half done */
        x->k->persist.again = true;
        reply_simple(x->r, STR("Background saving scheduled"));
        return DONE;
    }
    if (!saver_begin(x->k)) {
        reply_error(x->r, "ERR");
        return FAILED;
    }
    reply_simple(x->r, STR("Background saving started"));
    return DONE;
}

static enum outcome cmd_lastsave(struct call *x) {
    int64_t ms;

    pthread_mutex_lock(&x->k->lock);
    ms = x->k->persist.last_ms;
    pthread_mutex_unlock(&x->k->lock);
    reply_int(x->r, ms / 1000);
    return DONE;
}

static enum outcome cmd_dump(struct call *x) {
    const struct entry *e = key_read(&x->w, x->argv[1]);
    struct buf b = { 0 };

    if (e == NULL) {
        reply_null(x->r);
        return DONE;
    }
    save_payload(&b, e, &x->k->crc);
    if (b.failed) {
        buf_free(&b);
        return reply_err(x, ERR_MEMORY);
    }
    reply_bulk(x->r, buf_str(&b));
    buf_free(&b);
    return DONE;
}

/* What RESTORE is told besides key, deadline and payload. */
struct snapshot_restore {
    bool replace, absolute;
    int64_t idle, freq;         /* -1: not said */
};

static bool snapshot_options_or_reply(struct call *x,
                                      struct snapshot_restore *o) {
    *o = (struct snapshot_restore){ .idle = -1, .freq = -1 };
    for (size_t i = 4; i < x->argc; i++) {
        struct str a = x->argv[i];
        bool more = i + 1 < x->argc;

        if (str_is(a, "replace")) {
            o->replace = true;
        } else if (str_is(a, "absttl")) {
            o->absolute = true;
        } else if (str_is(a, "idletime") && more && o->freq == -1) {
            if (!arg_int_or_reply(x, ++i, &o->idle)) return false;
            if (o->idle >= 0) continue;
            reply_error(x->r, "ERR Invalid IDLETIME value, must be >= 0");
            return false;
        } else if (str_is(a, "freq") && more && o->idle == -1) {
            if (!arg_int_or_reply(x, ++i, &o->freq)) return false;
            if (o->freq >= 0 && o->freq <= 255) continue;
            reply_error(x->r, "ERR Invalid FREQ value, must be >= 0 and "
                              "<= 255");
            return false;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* The payload is read and the key is open: put the one into the other. */
static enum outcome snapshot_put(struct call *x, struct edit *ed,
                                 struct rdb_in *in, int64_t deadline,
                                 const struct snapshot_restore *o) {
    struct load l = { .now = x->w.now };
    enum load_did did = LOAD_BAD;
    uint8_t type;

    if (rdb_get_byte(in, &type))
        did = load_value(&l, ed, in, type, deadline);
    load_free(&l);
    if (did == LOAD_REFUSED) {
        edit_cancel(ed);
        return reply_err(x, ERR_MEMORY);
    }
    if (did != LOAD_DONE) {
        edit_cancel(ed);
        reply_error(x->r, "ERR Bad data format");
        return FAILED;
    }
    if (o->freq >= 0) ed->e->hits = (uint8_t)o->freq;
    if (o->idle > 0 && o->idle < INT32_MAX)
        ed->e->used -= (uint32_t)(o->idle * 1000 / ENTRY_TICK);
    if (deadline != 0 && deadline <= x->w.now) {
        /* it has expired already: only the old one goes */
        edit_drop(ed);
        edit_commit(ed, EVENT_GENERIC, ed->existed ? "del" : NULL);
    } else {
        ed->existed = false;    /* as if the old one had been deleted before */
        edit_commit(ed, EVENT_GENERIC, "restore");
    }
    reply_ok(x->r);
    return DONE;
}

/* Is a payload whole: do its counts and lengths hold, to its end?  Looked at
 * before anything is built of it; what is in packs is when they are taken. */
static bool snapshot_is_whole(struct str payload) {
    struct rdb_in in;
    uint8_t type;
    bool ok = rdb_in_payload(&in, payload.p, payload.n, NULL) &&
              rdb_get_byte(&in, &type) && rdb_skip_value(&in, type);

    rdb_in_free(&in);
    return ok;
}

static enum outcome cmd_restore(struct call *x) {
    struct snapshot_restore o;
    enum outcome what = FAILED;
    struct rdb_in in;
    struct edit ed;
    int64_t t;

    if (!snapshot_options_or_reply(x, &o)) return FAILED;
    edit_open(&x->w, x->argv[1], &ed);
    if (!o.replace && ed.e != NULL) {
        reply_error(x->r, "BUSYKEY Target key name already exists.");
        goto out;
    }
    if (!arg_int_or_reply(x, 2, &t)) goto out;
    if (t < 0) {
        reply_error(x->r, "ERR Invalid TTL value, must be >= 0");
        goto out;
    }
    if (t != 0 && !o.absolute)
        t = t > INT64_MAX - x->w.now ? INT64_MAX : t + x->w.now;
    if (!rdb_in_payload(&in, x->argv[3].p, x->argv[3].n,
                        x->k->skip_sums ? NULL : &x->k->crc)) {
        reply_error(x->r, "ERR DUMP payload version or checksum are wrong");
        rdb_in_free(&in);
        goto out;
    }
    if (!snapshot_is_whole(x->argv[3])) {
        reply_error(x->r, "ERR Bad data format");
        rdb_in_free(&in);
        goto out;
    }
    what = snapshot_put(x, &ed, &in, t, &o);
    rdb_in_free(&in);
    return what;
out:
    edit_cancel(&ed);
    return FAILED;
}

static const struct command snapshot_commands[] = {
    { "bgsave", cmd_bgsave, -1, ADMIN | NOSCRIPT | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(1)", "[SCHEDULE]",
      "Begins a snapshot of this moment; answers at once." },
    { "dump", cmd_dump, 2, READONLY, 1, 1, 1, GROUP_KEY, SINCE(2, 6, 0),
      "O(1) to find the key and O(N) for its N elements", "key",
      "A key's value as bytes that RESTORE takes." },
    { "lastsave", cmd_lastsave, 1, LOADING | STALE | FAST, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(1)", "",
      "When the last snapshot was finished." },
    { "restore", cmd_restore, -4, WRITE | GROWS, 1, 1, 1, GROUP_KEY,
      SINCE(2, 6, 0), "O(1) to make the key and O(N) for its N elements",
      "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] "
      "[FREQ frequency]",
      "Makes a key of what DUMP gave." },
    { "restore-asking", cmd_restore, -4, WRITE | GROWS, 1, 1, 1,
      GROUP_SERVER_COMMANDS, SINCE(3, 0, 0),
      "O(1) to make the key and O(N) for its N elements",
      "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] "
      "[FREQ frequency]",
      "RESTORE as MIGRATE of a cluster calls it." },
    { "save", cmd_save, 1, ADMIN | NOSCRIPT | NO_MULTI | ALL_SHARDS, 0, 0, 0,
      GROUP_SERVER_COMMANDS, SINCE(1, 0, 0), "O(N) for N keys", "",
      "Takes a snapshot; answers when it is on the disk." },
};
