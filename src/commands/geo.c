/* SPDX-License-Identifier: MIT */
/* ==== geo - commands on places =============================================
 *
 * Sorted sets whose scores are geohashes.  A search reads the ranges of scores
 * of up to nine squares, keeps what lies in the shape, and answers or stores
 * it.  The older commands are the same search with the shape at a fixed place
 * among the arguments.
 *
 * floor 6 - uses: base num pack skip geohash entry shard door ranks pairs
 *    reply instance arg zrange
 */

/* Which command a search is of. */
enum {
    GEO_RADIUS = 1,             /* GEORADIUS: a place and a radius come first */
    GEO_MEMBER = 2,             /* GEORADIUSBYMEMBER: a member and a radius */
    GEO_NO_STORE = 4,           /* their _RO forms */
    GEO_SEARCH = 8,             /* GEOSEARCH, GEOSEARCHSTORE */
    GEO_SEARCH_STORE = 16
};

enum geo_order { GEO_ANY_ORDER, GEO_ASC, GEO_DESC };

/* A place that was found. */
struct geo_found {
    double distance;            /* metres */
    size_t at;                  /* its number in order of finding */
};

struct geo {
    struct call *x;
    unsigned how;               /* GEO_ */
    const struct entry *e;      /* NULL: no such key */
    struct geohash_shape shape;
    bool has_member, has_place, has_radius, has_box;
    bool with_dist, with_hash, with_coord, store_dist, any;
    size_t store;               /* the destination in argv; 0: none */
    enum geo_order order;
    int64_t count;              /* 0: all */
    struct pairs ps;            /* members and scores, in order of finding */
    struct geo_found *v;        /* and where they are */
    size_t cap;
};

/* ---- arguments ----------------------------------------------------------- */

/* Read longitude and latitude from argv[i] on, or answer what is wrong. */
static bool geo__place_or_reply(struct call *x, size_t i, double *lon,
                                double *lat) {
    if (!arg_double_or_reply(x, i, lon) ||
        !arg_double_or_reply(x, i + 1, lat))
        return false;
    if (fabs(*lon) <= GEOHASH_LON_MAX && fabs(*lat) <= GEOHASH_LAT_MAX)
        return true;
    reply_errorf(x->r, "ERR invalid longitude,latitude pair %f,%f", *lon,
                 *lat);
    return false;
}

/* Read a unit, or answer that it is none. */
static bool geo__unit_or_reply(struct call *x, size_t i, double *metres) {
    if (str_is(x->argv[i], "m")) *metres = 1;
    else if (str_is(x->argv[i], "km")) *metres = 1000;
    else if (str_is(x->argv[i], "ft")) *metres = 0.3048;
    else if (str_is(x->argv[i], "mi")) *metres = 1609.34;
    else {
        reply_error(x->r, "ERR unsupported unit provided. please use M, KM, "
                          "FT, MI");
        return false;
    }
    return true;
}

/* Read a radius and its unit, or answer what is wrong. */
static bool geo__radius_or_reply(struct geo *g, size_t i) {
    struct call *x = g->x;

    if (!num_parse_double(x->argv[i], &g->shape.radius)) {
        reply_error(x->r, "ERR need numeric radius");
        return false;
    }
    if (g->shape.radius < 0) {
        reply_error(x->r, "ERR radius cannot be negative");
        return false;
    }
    return geo__unit_or_reply(x, i + 1, &g->shape.unit);
}

/* Read width, height and unit of a box, or answer what is wrong. */
static bool geo__box_or_reply(struct geo *g, size_t i) {
    struct call *x = g->x;

    if (!num_parse_double(x->argv[i], &g->shape.width)) {
        reply_error(x->r, "ERR need numeric width");
        return false;
    }
    if (!num_parse_double(x->argv[i + 1], &g->shape.height)) {
        reply_error(x->r, "ERR need numeric height");
        return false;
    }
    if (g->shape.width < 0 || g->shape.height < 0) {
        reply_error(x->r, "ERR height or width cannot be negative");
        return false;
    }
    g->shape.box = true;
    return geo__unit_or_reply(x, i + 2, &g->shape.unit);
}

/* Make the place of a member of the key the centre, or answer that there is
 * none.  Without the key there is nothing to find, and that is said later. */
static bool geo__member_or_reply(struct geo *g, size_t i) {
    double score;

    if (g->e == NULL) return true;
    if (!ranks_score(&g->x->k->ks, g->e, g->x->argv[i], &score)) {
        reply_error(g->x->r, "ERR could not decode requested zset member");
        return false;
    }
    geohash_decode(score, &g->shape.lon, &g->shape.lat);
    return true;
}

/* Read an option that says where to look, argv[*i], with `left` arguments
 * behind it, as only GEOSEARCH has them.  *mine: it was one.  False:
 * answered. */
static bool geo__where_or_reply(struct geo *g, size_t *i, size_t left,
                                bool *mine) {
    struct str a = g->x->argv[*i];
    size_t at = *i + 1;

    *mine = true;
    if (str_is(a, "frommember") && left >= 1 && !g->has_place) {
        *i += 1;
        g->has_member = true;
        return geo__member_or_reply(g, at);
    }
    if (str_is(a, "fromlonlat") && left >= 2 && !g->has_member) {
        *i += 2;
        g->has_place = true;
        return geo__place_or_reply(g->x, at, &g->shape.lon, &g->shape.lat);
    }
    if (str_is(a, "byradius") && left >= 2 && !g->has_box) {
        *i += 2;
        g->has_radius = true;
        return geo__radius_or_reply(g, at);
    }
    if (str_is(a, "bybox") && left >= 3 && !g->has_radius) {
        *i += 3;
        g->has_box = true;
        return geo__box_or_reply(g, at);
    }
    *mine = false;
    return true;
}

/* Read COUNT's argument, or answer what is wrong. */
static bool geo__count_or_reply(struct geo *g, size_t i) {
    if (!arg_int_or_reply(g->x, i, &g->count)) return false;
    if (g->count > 0) return true;
    reply_error(g->x->r, "ERR COUNT must be > 0");
    return false;
}

/* Read the options from argv[i] on; false: answered. */
static bool geo__options_or_reply(struct geo *g, size_t i) {
    struct call *x = g->x;
    bool search = (g->how & GEO_SEARCH) != 0, mine;

    for (; i < x->argc; i++) {
        size_t left = x->argc - i - 1;
        struct str a = x->argv[i];
        bool dist = str_is(a, "storedist");

        if (str_is(a, "withdist")) g->with_dist = true;
        else if (str_is(a, "withhash")) g->with_hash = true;
        else if (str_is(a, "withcoord")) g->with_coord = true;
        else if (str_is(a, "any")) g->any = true;
        else if (str_is(a, "asc")) g->order = GEO_ASC;
        else if (str_is(a, "desc")) g->order = GEO_DESC;
        else if (str_is(a, "count") && left >= 1) {
            if (!geo__count_or_reply(g, ++i)) return false;
        } else if ((dist || str_is(a, "store")) && left >= 1 &&
                   (g->how & (GEO_SEARCH | GEO_NO_STORE)) == 0) {
            g->store = ++i;
            g->store_dist = dist;
        } else if (dist && (g->how & GEO_SEARCH_STORE) != 0) {
            g->store_dist = true;
        } else {
            mine = false;
            if (search && !geo__where_or_reply(g, &i, left, &mine))
                return false;
            if (mine) continue;
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Do the options go together?  False: answered. */
static bool geo__sense_or_reply(struct geo *g) {
    struct call *x = g->x;
    bool search = (g->how & GEO_SEARCH) != 0;
    int n = (int)size_min(x->argv[0].n, 128);

    if (g->store != 0 && (g->with_dist || g->with_hash || g->with_coord))
        reply_errorf(x->r, "ERR %s is not compatible with WITHDIST, WITHHASH "
                           "and WITHCOORD options",
                     search ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    else if (search && !g->has_member && !g->has_place)
        reply_errorf(x->r, "ERR exactly one of FROMMEMBER or FROMLONLAT can "
                           "be specified for %.*s", n, x->argv[0].p);
    else if (search && !g->has_radius && !g->has_box)
        reply_errorf(x->r, "ERR exactly one of BYRADIUS and BYBOX can be "
                           "specified for %.*s", n, x->argv[0].p);
    else if (g->any && g->count == 0)
        reply_error(x->r, "ERR the ANY argument requires COUNT argument");
    else
        return true;
    return false;
}

/* Read all of a command; false: answered. */
static bool geo__args_or_reply(struct geo *g) {
    struct call *x = g->x;
    size_t from = 2;

    g->shape.unit = 1;
    if (g->how & GEO_RADIUS) {
        from = 6;
        if (!geo__place_or_reply(x, 2, &g->shape.lon, &g->shape.lat) ||
            !geo__radius_or_reply(g, 4))
            return false;
    } else if (g->how & GEO_MEMBER) {
        from = 5;
        /* the radius of an absent key is not looked at */
        if (g->e != NULL &&
            (!geo__member_or_reply(g, 2) || !geo__radius_or_reply(g, 3)))
            return false;
    } else if (g->how & GEO_SEARCH_STORE) {
        from = 3;
        g->store = 1;
    }
    return geo__options_or_reply(g, from) && geo__sense_or_reply(g);
}

/* ---- searching ----------------------------------------------------------- */

/* Keep a place; false: no memory, and the pairs have failed. */
static bool geo__keep(struct geo *g, const struct pack_item *member,
                      double score, double distance) {
    size_t n = g->ps.n;

    if (n == g->cap) {
        size_t cap = n == 0 ? 64 : 2 * n;
        struct geo_found *v = NULL;

        if (cap <= SIZE_MAX / sizeof *v) v = realloc(g->v, cap * sizeof *v);
        if (v == NULL) {
            g->ps.failed = true;
            return false;
        }
        g->v = v;
        g->cap = cap;
    }
    g->v[n] = (struct geo_found){ distance, n };
    return pairs_add(&g->ps, member, score);
}

/* Look through a square; false: enough, or no memory. */
static bool geo__look(struct geo *g, struct geohash_cell cell, size_t count) {
    struct ranks_limit limit = { 0, { 0 } };
    struct geohash_point p;
    struct pack_item it;
    struct ranks_at at;
    double min, max, score;

    geohash_cell_range(cell, &min, &max);
    limit.b.side = SKIP_BEFORE;
    limit.b.score = min;
    for (size_t i = ranks_before(g->e, &limit), n = i; i < count; i++) {
        if (i == n) ranks_seek(g->e, count, i, &at);
        else ranks_step(&at, false);
        ranks_read(&at, &it, &score);
        if (score >= max) break;
        if (!geohash_within(&g->shape, score, &p)) continue;
        if (!geo__keep(g, &it, score, p.distance)) return false;
        if (g->any && g->ps.n >= (uint64_t)g->count) return false;
    }
    return true;
}

static void geo__find(struct geo *g) {
    struct geohash_cell cells[GEOHASH_CELLS];
    size_t count = ranks_count(g->e);

    geohash_cells(&g->shape, cells);
    for (int i = 0; i < GEOHASH_CELLS; i++)
        if (cells[i].step > 0 && !geo__look(g, cells[i], count)) return;
}

static int geo__nearer(const void *a, const void *b) {
    const struct geo_found *x = a, *y = b;

    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int geo__farther(const void *a, const void *b) {
    const struct geo_found *x = a, *y = b;

    if (x->distance != y->distance) return x->distance > y->distance ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* ---- answering ----------------------------------------------------------- */

/* Answer metres in a unit, with four decimals. */
static void geo__reply_distance(struct reply *r, double v) {
    char text[64];
    int n = snprintf(text, sizeof text, "%.4f", v);

    text[n - 5] = '.';          /* whatever the locale has there */
    reply_bulk(r, str_of(text, (size_t)n));
}

/* Answer degrees with all their digits. */
static void geo__reply_degrees(struct reply *r, double v) {
    char text[NUM_LD_ROOM];
    struct str s = { text, num_put_ld(text, (long double)v) };

    reply_digits(r, s);
}

static void geo__reply_place(struct reply *r, double score) {
    double lon, lat;

    geohash_decode(score, &lon, &lat);
    reply_array(r, 2);
    geo__reply_degrees(r, lon);
    geo__reply_degrees(r, lat);
}

static void geo__reply_found(struct geo *g, size_t n) {
    size_t with = (size_t)(g->with_dist + g->with_hash + g->with_coord);
    struct reply *r = g->x->r;

    reply_array(r, n);
    for (size_t i = 0; i < n && !r->failed; i++) {
        const struct ranks_pair *p = &g->ps.v[g->v[i].at];

        if (with > 0) reply_array(r, with + 1);
        reply_bulk(r, p->member);
        if (g->with_dist)
            geo__reply_distance(r, g->v[i].distance / g->shape.unit);
        if (g->with_hash) reply_int(r, (int64_t)p->score);
        if (g->with_coord) geo__reply_place(r, p->score);
    }
}

/* Make the first n of what was found the destination's value. */
static enum outcome geo__store(struct geo *g, size_t n) {
    struct call *x = g->x;
    struct pairs out;
    struct str ns, local;
    enum outcome what;

    if (n > 0) {
        double part = (double)n / (double)ranks_count(g->e);

        key_split(&x->w, x->argv[g->how & GEO_SEARCH_STORE ? 2 : 1], &ns,
                  &local);
        if (!arg_room_or_reply(x, x->argv[g->store], local,
                               (size_t)((double)entry_cost(g->e) * part)))
            return FAILED;
    }
    pairs_init(&out, x->k->ks.seed);
    for (size_t i = 0; i < n; i++) {
        const struct ranks_pair *p = &g->ps.v[g->v[i].at];
        struct pack_item it = { p->member, 0, false };

        pairs_add(&out, &it, g->store_dist ?
                                 g->v[i].distance / g->shape.unit : p->score);
    }
    pairs_sort(&out);
    what = zrange_store(x, g->store, &out, g->how & GEO_SEARCH ?
                            "geosearchstore" : "georadiusstore", n);
    pairs_free(&out);
    return what;
}

static enum outcome geo__search(struct call *x, unsigned how) {
    struct geo g = { .x = x, .how = how };
    enum outcome what = DONE;
    size_t n;

    if (!arg_read_or_reply(x, how & GEO_SEARCH_STORE ? 2 : 1, KIND_ZSET,
                           &g.e) ||
        !geo__args_or_reply(&g))
        return FAILED;
    if (g.count > 0 && !g.any && g.order == GEO_ANY_ORDER) g.order = GEO_ASC;
    pairs_init(&g.ps, x->k->ks.seed);
    if (g.e != NULL) geo__find(&g);
    if (g.order != GEO_ANY_ORDER && g.ps.n > 1)
        qsort(g.v, g.ps.n, sizeof *g.v,
              g.order == GEO_ASC ? geo__nearer : geo__farther);
    n = g.count == 0 ? g.ps.n :
            (size_t)(g.ps.n < (uint64_t)g.count ? g.ps.n : (uint64_t)g.count);
    if (g.ps.failed) what = reply_err(x, ERR_MEMORY);
    else if (g.store != 0) what = geo__store(&g, n);
    else geo__reply_found(&g, n);
    free(g.v);
    pairs_free(&g.ps);
    return what;
}

/* ---- commands ------------------------------------------------------------ */

/* The arguments are read once to see that they are right, and again to be
 * carried out. */
static enum outcome cmd_geoadd(struct call *x) {
    size_t first = 2, added = 0, moved = 0;
    enum ranks_did did = RANKS_NOTHING;
    double lon, lat, score;
    struct edit ed;
    unsigned how = 0;
    bool changed = false;

    for (; first < x->argc; first++) {
        if (str_is(x->argv[first], "nx")) how |= RANKS_NX;
        else if (str_is(x->argv[first], "xx")) how |= RANKS_XX;
        else if (str_is(x->argv[first], "ch")) changed = true;
        else break;
    }
    if (first == x->argc || (x->argc - first) % 3 != 0 ||
        how == (RANKS_NX | RANKS_XX))
        return reply_err(x, ERR_SYNTAX);
    for (size_t i = first; i < x->argc; i += 3)
        if (!geo__place_or_reply(x, i, &lon, &lat)) return FAILED;
    if (!arg_open_or_reply(x, 1, KIND_ZSET, &ed)) return FAILED;
    for (size_t i = first; i < x->argc; i += 3) {
        num_parse_double(x->argv[i], &lon);
        num_parse_double(x->argv[i + 1], &lat);
        score = (double)geohash_encode(lon, lat);
        did = ranks_add(&ed, x->argv[i + 2], &score, how);
        if (did == RANKS_REFUSED) break;
        added += did == RANKS_ADDED;
        moved += did == RANKS_MOVED;
    }
    if (added + moved > 0) {
        edit_counts(&ed, added + moved);
        edit_commit(&ed, EVENT_ZSET, "zadd");
    } else {
        edit_cancel(&ed);
    }
    if (did == RANKS_REFUSED) return reply_err(x, ERR_MEMORY);
    reply_int(x->r, (int64_t)(changed ? added + moved : added));
    return DONE;
}

static enum outcome cmd_geodist(struct call *x) {
    double unit = 1, lon[2], lat[2], score;
    const struct entry *e;

    if (x->argc > 5) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 5 && !geo__unit_or_reply(x, 4, &unit)) return FAILED;
    if (!arg_read_or_reply(x, 1, KIND_ZSET, &e)) return FAILED;
    for (size_t i = 0; i < 2; i++) {
        if (e == NULL ||
            !ranks_score(&x->k->ks, e, x->argv[2 + i], &score)) {
            reply_null(x->r);
            return DONE;
        }
        geohash_decode(score, &lon[i], &lat[i]);
    }
    geo__reply_distance(x->r, geohash_distance(lon[0], lat[0], lon[1],
                                               lat[1]) / unit);
    return DONE;
}

static enum outcome cmd_geohash(struct call *x) {
    char text[GEOHASH_TEXT];
    const struct entry *e;
    double score;

    if (!arg_read_or_reply(x, 1, KIND_ZSET, &e)) return FAILED;
    reply_array(x->r, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++) {
        if (e == NULL || !ranks_score(&x->k->ks, e, x->argv[i], &score)) {
            reply_null(x->r);
            continue;
        }
        geohash_text(score, text);
        reply_bulk(x->r, str_of(text, sizeof text));
    }
    return DONE;
}

static enum outcome cmd_geopos(struct call *x) {
    const struct entry *e;
    double score;

    if (!arg_read_or_reply(x, 1, KIND_ZSET, &e)) return FAILED;
    reply_array(x->r, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++) {
        if (e != NULL && ranks_score(&x->k->ks, e, x->argv[i], &score))
            geo__reply_place(x->r, score);
        else
            reply_null_array(x->r);
    }
    return DONE;
}

static enum outcome cmd_georadius(struct call *x) {
    return geo__search(x, GEO_RADIUS);
}

static enum outcome cmd_georadius_ro(struct call *x) {
    return geo__search(x, GEO_RADIUS | GEO_NO_STORE);
}

static enum outcome cmd_georadiusbymember(struct call *x) {
    return geo__search(x, GEO_MEMBER);
}

static enum outcome cmd_georadiusbymember_ro(struct call *x) {
    return geo__search(x, GEO_MEMBER | GEO_NO_STORE);
}

static enum outcome cmd_geosearch(struct call *x) {
    return geo__search(x, GEO_SEARCH);
}

static enum outcome cmd_geosearchstore(struct call *x) {
    return geo__search(x, GEO_SEARCH | GEO_SEARCH_STORE);
}

#define GEO_COST "O(N + log M) for N members in the squares looked at, M in all"
#define GEO_UNIT "<M | KM | FT | MI>"
#define GEO_WITH "[WITHCOORD] [WITHDIST] [WITHHASH] "
#define GEO_HOW_MANY "[COUNT count [ANY]] [ASC | DESC]"
#define GEO_STORE " [STORE key] [STOREDIST key]"
#define GEO_WHERE "<FROMMEMBER member | FROMLONLAT longitude latitude> " \
                  "<BYRADIUS radius " GEO_UNIT " | " \
                  "BYBOX width height " GEO_UNIT ">"

static const struct command geo_commands[] = {
    { "geoadd", cmd_geoadd, -5, WRITE | GROWS, 1, 1, 1, GROUP_GEO,
      SINCE(3, 2, 0), "O(log N) for each place, N being members",
      "key [NX | XX] [CH] longitude latitude member "
      "[longitude latitude member ...]",
      "Gives members a place on the earth." },
    { "geodist", cmd_geodist, -4, READONLY, 1, 1, 1, GROUP_GEO, SINCE(3, 2, 0),
      "O(1)", "key member1 member2 [M | KM | FT | MI]",
      "How far two members are from each other." },
    { "geohash", cmd_geohash, -2, READONLY, 1, 1, 1, GROUP_GEO, SINCE(3, 2, 0),
      "O(1) for each member", "key [member [member ...]]",
      "The places of members as geohashes of 11 letters." },
    { "geopos", cmd_geopos, -2, READONLY, 1, 1, 1, GROUP_GEO, SINCE(3, 2, 0),
      "O(1) for each member", "key [member [member ...]]",
      "Longitude and latitude of members." },
    { "georadius", cmd_georadius, -6, WRITE | GROWS | MOVABLE | KEYS_STORE,
      1, 1, 1, GROUP_GEO, SINCE(3, 2, 0), GEO_COST,
      "key longitude latitude radius " GEO_UNIT " " GEO_WITH GEO_HOW_MANY
      GEO_STORE, "Members not farther than a radius from a place." },
    { "georadius_ro", cmd_georadius_ro, -6, READONLY, 1, 1, 1, GROUP_GEO,
      SINCE(3, 2, 10), GEO_COST,
      "key longitude latitude radius " GEO_UNIT " " GEO_WITH GEO_HOW_MANY,
      "Members not farther than a radius from a place." },
    { "georadiusbymember", cmd_georadiusbymember, -5,
      WRITE | GROWS | MOVABLE | KEYS_STORE, 1, 1, 1, GROUP_GEO, SINCE(3, 2, 0),
      GEO_COST, "key member radius " GEO_UNIT " " GEO_WITH GEO_HOW_MANY
      GEO_STORE, "Members not farther than a radius from one of them." },
    { "georadiusbymember_ro", cmd_georadiusbymember_ro, -5, READONLY, 1, 1, 1,
      GROUP_GEO, SINCE(3, 2, 10), GEO_COST,
      "key member radius " GEO_UNIT " " GEO_WITH GEO_HOW_MANY,
      "Members not farther than a radius from one of them." },
    { "geosearch", cmd_geosearch, -7, READONLY, 1, 1, 1, GROUP_GEO,
      SINCE(6, 2, 0),
      GEO_COST, "key " GEO_WHERE " [ASC | DESC] [COUNT count [ANY]] "
      "[WITHCOORD] [WITHDIST] [WITHHASH]",
      "Members in a circle or a box around a place or a member." },
    { "geosearchstore", cmd_geosearchstore, -8, WRITE | GROWS, 1, 2, 1,
      GROUP_GEO, SINCE(6, 2, 0), GEO_COST,
      "destination source " GEO_WHERE " [ASC | DESC] [COUNT count [ANY]] "
      "[STOREDIST]",
      "Makes what GEOSEARCH would find the value of another key." },
};

#undef GEO_COST
#undef GEO_UNIT
#undef GEO_WITH
#undef GEO_HOW_MANY
#undef GEO_STORE
#undef GEO_WHERE
