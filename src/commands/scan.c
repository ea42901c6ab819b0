/* SPDX-License-Identifier: MIT */
/* ==== scan - SCAN, KEYS and RANDOMKEY ======================================
 *
 * SCAN keeps no state: its cursor says where the walk is, and what was there
 * from the first call to the last is told at least once.  A shard's keys are
 * walked in two passes: first the table of its namespaces, where a small one
 * is told whole on the spot; then the large ones, key by key.  A namespace
 * becomes large when a scan meets it with more than SCAN_SMALL keys, and gets
 * a place in its database's list; it stays large, and its place its own, until
 * it ends.  So whatever the first pass leaves out has a place, and the second
 * pass comes by there; that it grows, shrinks or splits meanwhile does not
 * matter, and table_scan's own promise covers the keys inside.
 *
 *   cursor    bits   meaning
 *   52 .. 31  22     shard * places + place
 *   30 .. 0   31     table_scan's cursor
 *
 *   place 0   of the table of namespaces
 *   place 1   of the default namespace, which is always large
 *   place 2+  of the large namespace in that place of the list
 *
 * There are 2^22 / shards places a shard: 1,024 with 4,096 shards.  A large
 * namespace beyond is told whole in the first pass.
 *
 * A pattern that begins with "ns/" literally concerns one namespace, and a
 * bound client has but one: then the upper bits are the shard alone.
 *
 * A new hash for a table under attack (see door) is the one thing that makes
 * its cursors meaningless.
 *
 * floor 6 - uses: base rand glob buf table entry shard due door reply
 *    instance arg scanner key
 */
enum {
    SCAN_SMALL = 128,           /* keys of a namespace told whole */
    SCAN_TABLE_BITS = 31,
    SCAN_TOPS = 1 << 22,
    SCAN_AHEAD = 8,             /* entries on their way from memory */
    SCAN_DEAD = 32              /* expired keys removed in one call */
};

struct scan_dead {
    struct shard *s;
    uint32_t space;
    uint64_t hash;
};

/* What is looked for, and what was found so far. */
struct scan {
    struct call *x;
    struct reply *r;            /* keys go here */
    struct str pattern;         /* of the printed form; p NULL: everything */
    bool pinned;                /* only this namespace: */
    struct str ns;              /* p NULL: the default one */
    struct str rest;            /* pinned by the pattern: that of local keys */
    int kind;                   /* -1: any, KIND_COUNT: none */
    uint32_t places;            /* of a shard, in a cursor */
    struct shard *s;            /* being walked */
    struct space *sp;
    size_t seen, found;
    struct buf key;             /* printed */
    const struct entry *ahead[SCAN_AHEAD];
    unsigned at;
    struct scan_dead dead[SCAN_DEAD];
    unsigned ndead;
};

/* How many places the cursors of a shard can tell apart. */
static inline uint32_t scan_places(const struct keyspace *ks) {
    return (uint32_t)SCAN_TOPS / ks->nshards;
}

/* The most large namespaces of a database of a shard. */
static inline uint32_t scan_most_large(const struct keyspace *ks) {
    return scan_places(ks) - 2;
}

/* The printed form of a key of the namespace being walked: lent until the
 * next one; p NULL: no memory. */
static struct str scan__print(struct scan *c, struct str local) {
    if (c->x->w.bound.p != NULL ||
        !key_needs_prefix(c->sp->is_default, local))
        return local;
    buf_reset(&c->key);
    if (!key_print(&c->key, c->sp->is_default, space_name(c->sp), local))
        return (struct str){ NULL, 0 };
    return buf_str(&c->key);
}

/* Tell of a key, if it is asked for. */
static void scan__tell(struct scan *c, const struct entry *e) {
    struct str local = entry_key(e), shown;

    if (entry_is_dead(e, c->x->w.now)) {
        if (c->ndead < SCAN_DEAD)
            c->dead[c->ndead++] = (struct scan_dead){
                c->s, c->sp->id,
                space_hash(c->s->ks, c->sp, local, key_hash(c->s->ks, local))
            };
        return;
    }
    if (c->kind != -1 && c->kind != (int)entry_kind(e)) return;
    /* an empty text is a case of its own, see glob */
    if (c->rest.p != NULL && local.n > 0 &&
        (!key_needs_prefix(c->sp->is_default, local) ||
         !glob_match(c->rest, local, false)))
        return;
    shown = scan__print(c, local);
    if (shown.p == NULL) return;
    if (c->pattern.p != NULL && (c->rest.p == NULL || local.n == 0) &&
        !glob_match(c->pattern, shown, false))
        return;
    reply_bulk(c->r, shown);
    c->found++;
}

/* For table_scan: each entry waits its turn while it comes from memory. */
static void scan__see(void *ctx, void *item) {
    struct scan *c = ctx;
    unsigned i = c->at++ % SCAN_AHEAD;
    const struct entry *e = c->ahead[i];

    PREFETCH(item);
    c->seen++;
    c->ahead[i] = item;
    if (e != NULL) scan__tell(c, e);
}

/* Tell of those that still wait. */
static void scan__flush(struct scan *c) {
    for (unsigned n = 0; n < SCAN_AHEAD; n++) {
        unsigned i = c->at++ % SCAN_AHEAD;
        const struct entry *e = c->ahead[i];

        c->ahead[i] = NULL;
        if (e != NULL) scan__tell(c, e);
    }
}

/* Tell of all keys of a namespace. */
static void scan__whole(struct scan *c, struct space *sp) {
    uint32_t cursor = 0;

    c->sp = sp;
    do {
        cursor = table_scan(&sp->keys, cursor, scan__see, c);
    } while (cursor != 0 && !c->r->failed);
    scan__flush(c);
}

static void scan__see_space(void *ctx, void *item) {
    scan__whole(ctx, item);
}

/* The first pass: what has a place is left to the second. */
static void scan__see_small(void *ctx, void *item) {
    struct scan *c = ctx;
    struct space *sp = item;
    uint32_t most = scan_most_large(c->s->ks);

    if (sp->large == 0 && sp->keys.count > SCAN_SMALL)
        space_list(c->s, sp, most);
    if (sp->large == 0 || sp->large > most) scan__whole(c, sp);
}

/* The namespace that a shard's walk is pinned to, or NULL. */
static struct space *scan__pinned(const struct scan *c,
                                  const struct shard *s) {
    const struct db *db = s->dbs[c->x->w.db];
    struct table_at at;

    return c->ns.p == NULL ? db->plain : space_find(s, db, c->ns, &at);
}

/* The namespace in a place from 1 on, or NULL. */
static struct space *scan__placed(const struct db *db, uint32_t place) {
    if (place == 1) return db->plain;
    return place - 2 < db->nlarge ? db->large[place - 2] : NULL;
}

/* Where the walk goes on after a place of a shard: the upper part of a cursor,
 * or SCAN_TOPS. */
static uint32_t scan__next(const struct scan *c, uint32_t shard,
                           uint32_t place) {
    const struct keyspace *ks = c->x->w.ks;

    for (;; place = 0) {
        const struct db *db = ks->shards[shard].dbs[c->x->w.db];

        if (c->pinned) place = db->nlarge + 1;
        while (++place < db->nlarge + 2 && place < c->places)
            if (scan__placed(db, place) != NULL)
                return shard * c->places + place;
        do {
            if (++shard == ks->nshards) return SCAN_TOPS;
        } while (c->pinned ? scan__pinned(c, ks->shards + shard) == NULL :
                             ks->shards[shard].dbs[c->x->w.db]->keys == 0);
        return shard * c->places;
    }
}

/* One step of the walk; returns the next cursor, 0 at the end. */
static uint64_t scan__step(struct scan *c, uint64_t cursor) {
    const struct keyspace *ks = c->x->w.ks;
    uint64_t top = cursor >> SCAN_TABLE_BITS;
    uint32_t at = (uint32_t)(cursor & (((uint64_t)1 << SCAN_TABLE_BITS) - 1));
    uint32_t shard, place;
    struct db *db;

    if (top >= (uint64_t)c->places * ks->nshards) return 0;
    shard = (uint32_t)top / c->places;
    place = (uint32_t)top % c->places;
    c->s = ks->shards + shard;
    db = c->s->dbs[c->x->w.db];
    if (!c->pinned && place == 0) {
        at = table_scan(&db->spaces, at, scan__see_small, c);
    } else {
        c->sp = c->pinned ? scan__pinned(c, c->s) : scan__placed(db, place);
        at = c->sp == NULL ? 0 : table_scan(&c->sp->keys, at, scan__see, c);
        scan__flush(c);
    }
    if (at == 0) top = scan__next(c, shard, place);
    return top == SCAN_TOPS ? 0 : top << SCAN_TABLE_BITS | at;
}

/* Walk until `count` keys were seen, asked for or not, or ten times as many
 * steps were taken.  Returns the next cursor. */
static uint64_t scan__walk(struct scan *c, uint64_t cursor, uint64_t count) {
    uint64_t steps = 0;

    do {
        cursor = scan__step(c, cursor);
    } while (cursor != 0 && c->seen < count && !c->r->failed &&
             ++steps / 10 < count);
    return cursor;
}

/* Remove the expired keys that were met. */
static void scan__bury(struct scan *c) {
    for (unsigned i = 0; i < c->ndead; i++) {
        struct shard *s = c->dead[i].s;
        struct space *sp = s->by_id[c->dead[i].space];
        struct table_at at;
        struct entry *e;
        struct edit ed;

        if (sp == NULL) continue;
        e = table_first(&sp->keys, c->dead[i].hash, &at);
        while (e != NULL && !entry_is_dead(e, c->x->w.now))
            e = table_next(&at);
        if (e == NULL) continue;
        edit_open_at(&c->x->w, sp, s, &at, e,
                     key_hash(c->x->w.ks, entry_key(e)), &ed);
        s->expired++;
        sp->tally.expired++;
        edit_drop(&ed);
        edit_commit(&ed, EVENT_EXPIRED, "expired");
    }
}

/* Begin a search for a pattern, or for everything.  True: the pattern names
 * one key, and that is told of already. */
static bool scan__begin(struct scan *c, struct call *x, struct reply *r,
                        struct str pattern, int kind) {
    struct str prefix, local;
    const char *slash;
    struct keyref ref;
    const struct entry *e;
    bool literal;

    memset(c, 0, sizeof *c);
    c->x = x;
    c->r = r;
    c->kind = kind;
    c->places = scan_places(x->w.ks);
    if (x->w.bound.p != NULL) {
        c->pinned = true;
        key_split(&x->w, STR(""), &c->ns, &local);
    }
    if (!str_eq(pattern, STR("*"))) c->pattern = pattern;
    literal = c->pattern.p != NULL && glob_literal_prefix(pattern, &prefix);
    if (literal) {
        e = key_peek(&x->w, pattern);
        if (e == NULL) return true;
        key_ref(&x->w, pattern, &ref);
        c->s = ref.shard;
        c->sp = ref.space;
        scan__tell(c, e);
        return true;
    }
    if (c->pinned || c->pattern.p == NULL || prefix.n == 0) goto done;
    slash = memchr(prefix.p, '/', prefix.n);
    if (slash == NULL) goto done;
    c->pinned = true;
    c->ns = str_of(prefix.p, (size_t)(slash - prefix.p));
    if (str_eq(c->ns, STR("default"))) c->ns = (struct str){ NULL, 0 };
    c->rest = str_of(slash + 1, pattern.n - (size_t)(slash + 1 - pattern.p));
done:
    if (c->pinned) c->places = 1;
    return false;
}

static enum outcome cmd_keys(struct call *x) {
    size_t mark = reply_mark(x->r), at = reply_array_later(x->r);
    struct keyspace *ks = x->w.ks;
    struct scan c;
    bool failed;

    if (!scan__begin(&c, x, x->r, x->argv[1], -1))
        for (uint32_t i = 0; i < ks->nshards && !x->r->failed; i++) {
            struct db *db = ks->shards[i].dbs[x->w.db];
            struct space *sp = c.pinned ? scan__pinned(&c, ks->shards + i) :
                                          db->plain;
            uint32_t cursor = 0;

            c.s = ks->shards + i;
            if (sp != NULL) scan__whole(&c, sp);
            while (!c.pinned) {
                cursor = table_scan(&db->spaces, cursor, scan__see_space, &c);
                if (cursor == 0) break;
            }
        }
    reply_array_set(x->r, at, c.found);
    failed = c.key.failed;
    buf_free(&c.key);
    if (!failed) return DONE;
    reply_cut(x->r, mark);
    return reply_err(x, ERR_MEMORY);
}

/* Options of SCAN; kind as in struct scan.  False: answered. */
static bool scan_options_or_reply(struct call *x, int64_t *count,
                                  struct str *pattern, int *kind) {
    *count = 10;
    *pattern = STR("*");
    *kind = -1;
    for (size_t i = 2; i < x->argc; i += 2) {
        struct str a = x->argv[i], v;

        if (i + 1 == x->argc) goto wrong;
        v = x->argv[i + 1];
        if (str_is(a, "count")) {
            if (!arg_int_or_reply(x, i + 1, count)) return false;
            if (*count < 1) goto wrong;
        } else if (str_is(a, "match")) {
            *pattern = v;
        } else if (str_is(a, "type")) {
            *kind = 0;
            while (*kind < KIND_COUNT && !str_is(v, kind_names[*kind]))
                ++*kind;
        } else {
            goto wrong;
        }
    }
    return true;
wrong:
    reply_err(x, ERR_SYNTAX);
    return false;
}

/* The cursor goes before the keys, so these are gathered first. */
static enum outcome cmd_scan(struct call *x) {
    struct buf out = { 0 };
    struct str pattern;
    uint64_t cursor;
    struct reply keys;
    struct scan c;
    int64_t count;
    int kind;
    bool failed;

    if (!scanner_number_or_reply(x, 1, &cursor)) return FAILED;
    if (!scan_options_or_reply(x, &count, &pattern, &kind)) return FAILED;
    reply_open(&keys, &out, x->r->proto, SIZE_MAX);
    if (scan__begin(&c, x, &keys, pattern, kind)) cursor = 0;
    else cursor = scan__walk(&c, cursor, (uint64_t)count);
    scan__bury(&c);
    failed = keys.failed || c.key.failed;
    reply_close(&keys);
    if (!failed) {
        reply_array(x->r, 2);
        reply_bulk_int(x->r, (int64_t)cursor);
        reply_array(x->r, c.found);
        if (out.n > 0) reply_raw(x->r, buf_str(&out));
    }
    buf_free(&out);
    buf_free(&c.key);
    return failed ? reply_err(x, ERR_MEMORY) : DONE;
}

/* Draw a namespace of a database that has keys, by how many it has.  The
 * large are counted through; among the small, a draw counts as often as it has
 * keys of SCAN_SMALL. */
static struct space *scan__draw_space(struct shard *s, struct db *db,
                                      struct rand *r) {
    struct table_at at;
    struct space *sp;
    uint64_t n;

again:
    n = rand_below(r, db->keys);
    if (db->plain != NULL) {
        if (n < db->plain->keys.count) return db->plain;
        n -= db->plain->keys.count;
    }
    for (uint32_t i = 0; i < db->nlarge; i++) {
        sp = db->large[i];
        if (sp == NULL) continue;
        if (n < sp->keys.count) return sp;
        n -= sp->keys.count;
    }
    for (;;) {
        sp = table_random(&db->spaces, r, &at);
        KVNS_ASSERT(sp != NULL);
        if (sp->large != 0) continue;
        if (sp->keys.count > SCAN_SMALL) {
            if (space_list(s, sp, UINT32_MAX)) goto again;
            return sp;          /* no memory: nearly uniform will do */
        }
        if (rand_below(r, SCAN_SMALL) < sp->keys.count) return sp;
    }
}

/* How many keys of a shard a client may see. */
static size_t scan__weight(const struct call *x, const struct shard *s) {
    const struct space *sp;

    if (x->w.bound.p == NULL) return s->dbs[x->w.db]->keys;
    sp = key_bound_space(x, s, x->w.db);
    return sp == NULL ? 0 : sp->keys.count;
}

/* Draw a key, dead or alive, into c->s, c->sp and at; NULL: there is none. */
static struct entry *scan__draw(struct scan *c, struct table_at *at) {
    struct keyspace *ks = c->x->w.ks;
    struct rand *r = &ks->shards[0].rand;
    uint64_t total = 0, n;
    size_t mine;

    for (uint32_t i = 0; i < ks->nshards; i++)
        total += scan__weight(c->x, ks->shards + i);
    if (total == 0) return NULL;
    n = rand_below(r, total);
    for (c->s = ks->shards;; c->s++) {
        mine = scan__weight(c->x, c->s);
        if (n < mine) break;
        n -= mine;
    }
    c->sp = c->x->w.bound.p != NULL ?
                key_bound_space(c->x, c->s, c->x->w.db) :
                scan__draw_space(c->s, c->s->dbs[c->x->w.db], r);
    return table_random(&c->sp->keys, r, at);
}

static enum outcome cmd_randomkey(struct call *x) {
    struct scan c = { .x = x };
    const struct entry *e;
    struct table_at at;
    struct str shown;

    /* each dead one that is drawn goes; so many at once that nobody waits */
    for (int tries = 0; tries < 10000; tries++) {
        e = scan__draw(&c, &at);
        if (e == NULL) break;
        if (!entry_is_dead(e, x->w.now)) {
            shown = scan__print(&c, entry_key(e));
            if (shown.p == NULL) reply_err(x, ERR_MEMORY);
            else reply_bulk(x->r, shown);
            buf_free(&c.key);
            return shown.p == NULL ? FAILED : DONE;
        }
        c.dead[0] = (struct scan_dead){
            c.s, c.sp->id, space_hash(x->w.ks, c.sp, entry_key(e),
                                      key_hash(x->w.ks, entry_key(e)))
        };
        c.ndead = 1;
        scan__bury(&c);
    }
    reply_null(x->r);
    return DONE;
}

static const struct command scan_commands[] = {
    { "keys", cmd_keys, 2, READONLY | ALL_SHARDS, 0, 0, 0, GROUP_KEY,
      SINCE(1, 0, 0),
      "O(N) for N keys of the database or, if pattern begins with "
      "ns/, of that namespace", "pattern",
      "All keys whose names match a pattern." },
    { "randomkey", cmd_randomkey, 1, READONLY | ALL_SHARDS, 0, 0, 0,
      GROUP_KEY, SINCE(1, 0, 0), "O(S) for S shards", "",
      "A key drawn by lot from the selected database." },
    { "scan", cmd_scan, -2, READONLY | ALL_SHARDS, 0, 0, 0, GROUP_KEY,
      SINCE(2, 8, 0),
      "O(1) for each call", "cursor [MATCH pattern] [COUNT count] "
      "[TYPE type]",
      "Some keys, and a cursor to go on with; 0 begins and ends." },
};
