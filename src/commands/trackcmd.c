/* SPDX-License-Identifier: MIT */
/* ==== trackcmd - CLIENT TRACKING and its kin ===============================
 *
 * TRACKING looks up the client that messages are to go to, so it runs with
 * every lane at rest.
 *
 * floor 6 - uses: base reply instance client track arg
 */

/* What CLIENT TRACKING is told. */
struct tracking {
    unsigned flags;             /* TRACK_ bits */
    int64_t redirect;           /* 0: nobody */
    struct client *to;
    struct str *prefixes;       /* malloc'd, or NULL */
    size_t nprefixes;
};

static bool tracking__wrong(struct call *x, const char *text) {
    reply_error(x->r, text);
    return false;
}

/* The client of an id, if x's may know of it.  The world is at rest. */
static struct client *tracking__client(const struct call *x, int64_t id) {
    for (uint32_t i = 0; id > 0 && i < x->k->nlanes; i++) {
        struct client *c = lane_client(x->k->lanes + i, (uint64_t)id);

        if (c != NULL && c->state != CLIENT_GONE && client_may_see(x->c, c) &&
            (c->flags & CLIENT_EMBEDDED) == 0)
            return c;
    }
    return NULL;
}

static bool tracking__redirect_or_reply(struct call *x, struct tracking *t,
                                        size_t i) {
    if (t->redirect != 0)
        return tracking__wrong(x, "ERR A client can only redirect to a single "
                                  "other client");
    if (!arg_int_or_reply(x, i, &t->redirect)) return false;
    t->to = tracking__client(x, t->redirect);
    if (t->to != NULL) return true;
    return tracking__wrong(x, "ERR The client ID you want redirect to does "
                              "not exist");
}

static bool tracking__options_or_reply(struct call *x, struct tracking *t) {
    for (size_t i = 3; i < x->argc; i++) {
        struct str a = x->argv[i];
        bool more = i + 1 < x->argc;

        if (str_is(a, "redirect") && more) {
            if (!tracking__redirect_or_reply(x, t, ++i)) return false;
        } else if (str_is(a, "bcast")) {
            t->flags |= TRACK_BCAST;
        } else if (str_is(a, "optin")) {
            t->flags |= TRACK_OPTIN;
        } else if (str_is(a, "optout")) {
            t->flags |= TRACK_OPTOUT;
        } else if (str_is(a, "noloop")) {
            t->flags |= TRACK_NOLOOP;
        } else if (str_is(a, "prefix") && more) {
            if (t->prefixes == NULL)
                t->prefixes = malloc(x->argc * sizeof *t->prefixes);
            if (t->prefixes == NULL) {
                reply_err(x, ERR_MEMORY);
                return false;
            }
            t->prefixes[t->nprefixes++] = x->argv[++i];
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Do prefixes overlap: with each other, with what the client has?  Then it is
 * told so. */
static bool tracking__differ_or_reply(struct call *x,
                                      const struct tracking *t) {
    for (size_t i = 0; i < t->nprefixes; i++) {
        struct str a = t->prefixes[i], b = { NULL, 0 };
        const struct track_prefix *p = track_overlap(x->c, a);
        const char *which = p != NULL ? "an existing" : NULL;

        if (p != NULL) b = track_prefix_name(p);
        for (size_t j = i + 1; p == NULL && j < t->nprefixes; j++) {
            size_t n = size_min(a.n, t->prefixes[j].n);

            if (n > 0 && memcmp(a.p, t->prefixes[j].p, n) != 0) continue;
            b = t->prefixes[j];
            which = "another provided";
            break;
        }
        if (which == NULL) continue;
        reply_errorf(x->r, "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. "
                           "Prefixes for a single client must not overlap.",
                     (int)size_min(a.n, 128), a.p, which,
                     (int)size_min(b.n, 128), b.p);
        return false;
    }
    return true;
}

/* Do the options go together, and with those in force? */
static bool tracking__fits_or_reply(struct call *x, const struct tracking *t) {
    unsigned is = x->c->tracker == NULL ? t->flags : x->c->tracker->flags;
    unsigned opts = TRACK_OPTIN | TRACK_OPTOUT;

    if ((t->flags & TRACK_BCAST) == 0 && t->nprefixes > 0)
        return tracking__wrong(x, "ERR PREFIX option requires BCAST mode to "
                                  "be enabled");
    if (((t->flags ^ is) & TRACK_BCAST) != 0)
        return tracking__wrong(x, "ERR You can't switch BCAST mode on/off "
                                  "before disabling tracking for this "
                                  "client, and then re-enabling it with a "
                                  "different mode.");
    if ((t->flags & TRACK_BCAST) != 0 && (t->flags & opts) != 0)
        return tracking__wrong(x, "ERR OPTIN and OPTOUT are not compatible "
                                  "with BCAST");
    if ((t->flags & opts) == opts)
        return tracking__wrong(x, "ERR You can't specify both OPTIN mode and "
                                  "OPTOUT mode");
    if (((t->flags | is) & opts) == opts)
        return tracking__wrong(x, "ERR You can't switch OPTIN/OPTOUT mode "
                                  "before disabling tracking for this client, "
                                  "and then re-enabling it with a different "
                                  "mode.");
    return tracking__differ_or_reply(x, t);
}

static enum outcome cmd_client_tracking(struct call *x) {
    struct tracking t = { 0 };
    enum outcome what = FAILED;

    if (!tracking__options_or_reply(x, &t)) {
        /* answered */
    } else if (str_is(x->argv[2], "off")) {
        track_off(x->c);
        what = DONE;
    } else if (!str_is(x->argv[2], "on")) {
        reply_err(x, ERR_SYNTAX);
    } else if ((x->c->flags & CLIENT_EMBEDDED) != 0) {
        reply_error(x->r, "ERR CLIENT TRACKING isn't allowed for a DENY "
                          "BLOCKING client");
    } else if (tracking__fits_or_reply(x, &t)) {
        if (track_on(x->c, t.to, t.flags, t.prefixes, t.nprefixes)) what = DONE;
        else reply_err(x, ERR_MEMORY);
    }
    free(t.prefixes);
    if (what == DONE) reply_ok(x->r);
    return what;
}

static enum outcome cmd_client_caching(struct call *x) {
    const struct tracker *t = x->c->tracker;
    const char *text = NULL;

    if (t == NULL)
        text = "ERR CLIENT CACHING can be called only when the client is in "
               "tracking mode with OPTIN or OPTOUT mode enabled";
    else if (str_is(x->argv[2], "yes"))
        text = (t->flags & TRACK_OPTIN) != 0 ? NULL :
                   "ERR CLIENT CACHING YES is only valid when tracking is "
                   "enabled in OPTIN mode.";
    else if (str_is(x->argv[2], "no"))
        text = (t->flags & TRACK_OPTOUT) != 0 ? NULL :
                   "ERR CLIENT CACHING NO is only valid when tracking is "
                   "enabled in OPTOUT mode.";
    else return reply_err(x, ERR_SYNTAX);
    if (text != NULL) {
        reply_error(x->r, text);
        return FAILED;
    }
    x->c->flags |= CLIENT_CACHING;
    reply_ok(x->r);
    return DONE;
}

static enum outcome cmd_client_getredir(struct call *x) {
    reply_int(x->r, track_redirect(x->c));
    return DONE;
}

static enum outcome cmd_client_trackinginfo(struct call *x) {
    const struct client *c = x->c;
    const struct tracker *t = c->tracker;
    unsigned flags = t == NULL ? 0 : t->flags;
    bool caching = (c->flags & CLIENT_CACHING) != 0;
    const struct {
        bool is;
        const char *word;
    } rows[] = {
        { true, t == NULL ? "off" : "on" },
        { (flags & TRACK_BCAST) != 0, "bcast" },
        { (flags & TRACK_OPTIN) != 0, "optin" },
        { (flags & TRACK_OPTIN) != 0 && caching, "caching-yes" },
        { (flags & TRACK_OPTOUT) != 0, "optout" },
        { (flags & TRACK_OPTOUT) != 0 && caching, "caching-no" },
        { (flags & TRACK_NOLOOP) != 0, "noloop" },
        { (c->flags & CLIENT_BROKEN) != 0, "broken_redirect" },
    };
    size_t n = 0;

    for (size_t i = 0; i < ROWS(rows); i++) n += rows[i].is;
    reply_map(x->r, 3);
    reply_bulk(x->r, STR("flags"));
    reply_set(x->r, n);
    for (size_t i = 0; i < ROWS(rows); i++)
        if (rows[i].is) reply_bulk(x->r, str_c(rows[i].word));
    reply_bulk(x->r, STR("redirect"));
    reply_int(x->r, track_redirect(c));
    reply_bulk(x->r, STR("prefixes"));
    n = t == NULL ? 0 : t->nprefixes;
    reply_array(x->r, n);
    for (size_t i = 0; i < n; i++)
        reply_bulk(x->r, track_prefix_name(t->prefixes[i]));
    return DONE;
}

enum { TRACKING_FLAGS = NOSCRIPT | LOADING | STALE };

static const struct command tracking_commands[] = {
    { "client|caching", cmd_client_caching, 3, TRACKING_FLAGS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(6, 0, 0), "O(1)", "<YES | NO>",
      "Whether the next command's keys are tracked, in the modes OPTIN and "
      "OPTOUT." },
    { "client|getredir", cmd_client_getredir, 2, TRACKING_FLAGS, 0, 0, 0,
      GROUP_CONNECTION_COMMANDS, SINCE(6, 0, 0), "O(1)", "",
      "Where messages of tracking go; 0: here, -1: it is off." },
    { "client|tracking", cmd_client_tracking, -3, TRACKING_FLAGS | ALL_LANES,
      0, 0, 0, GROUP_CONNECTION_COMMANDS, SINCE(6, 0, 0),
      "O(1), or O(N) for N prefixes",
      "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] "
      "[BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
      "Lets the client be told when keys change that it has read." },
    { "client|trackinginfo", cmd_client_trackinginfo, 2, TRACKING_FLAGS,
      0, 0, 0, GROUP_CONNECTION_COMMANDS, SINCE(6, 2, 0), "O(1)", "",
      "How tracking is set up for this connection." },
};
