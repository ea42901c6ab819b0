/* SPDX-License-Identifier: MIT */
/* ==== track - CLIENT TRACKING: to be told that what one keeps has changed ===
 *
 * Clients that keep values are told when these change.  One hub a server,
 * under its lock, a leaf like that of the channels:
 *
 *   hub -- keys (by name) --< links >-- trackers (one a tracking client)
 *     |
 *     +-- prefixes --< trackers that want all keys of that beginning (BCAST)
 *
 * A reader's keys are noted while their shards are locked, so no change falls
 * between.  A change is noted by the door in a list of its shard (only while
 * anybody tracks), which exec drains into track_changed when no shard is
 * locked.  Messages go to a client of the same lane at once and to others by
 * letter; what is said by prefix goes once a turn, all keys of the turn
 * together.
 *
 * As in Redis, databases are not told apart, and a key's record goes with the
 * message about it.  A client is told of a key by the name it used: who lives
 * in a namespace by local names, others by the printed one, or as default/x.
 *
 * Memory is bounded by tracking-table-max-keys: beyond it some key is called
 * changed.  Links to clients that have gone are dropped when room is needed.
 * Where a note finds no memory, everything is called changed.
 *
 * floor 5 - uses: base arena mem rand hash buf table shard reply instance
 *    client
 */
enum { TRACK_BCAST = 1, TRACK_OPTIN = 2, TRACK_OPTOUT = 4, TRACK_NOLOOP = 8 };

enum { TRACK_PRINTED = 1, TRACK_ALIAS = 2 };    /* forms of a name */

struct tracker {
    struct tracker *next, *prev;    /* of the hub */
    uint64_t id;                /* of the client */
    struct lane *lane;
    uint64_t redirect;          /* who gets the messages; 0: itself */
    struct lane *redirect_lane;
    struct track_prefix **prefixes;     /* in order of name */
    uint32_t nprefixes;
    uint32_t links;             /* from keys to it */
    uint8_t proto, flags;
    bool gone;                  /* there are only links left */
    bool bound;                 /* to the namespace `scope` */
    uint32_t scope_n;
    char scope[];
};

struct track_link {
    struct tracker *who;
    uint8_t forms;              /* TRACK_PRINTED, TRACK_ALIAS */
};

/* A key that clients keep, in whatever database. */
struct track_key {
    struct track_link *links;   /* in order of address */
    struct track_link one;      /* the room of the first */
    uint32_t count, cap;
    uint32_t nslen, n;          /* nslen UINT32_MAX: the default namespace */
    char name[];                /* namespace, local key */
};

struct track_prefix {
    struct track_prefix *next;
    struct tracker **who;
    uint32_t count, cap;
    struct buf changed;         /* in this turn: struct track__change, name */
    bool bound;
    uint32_t scope_n, n;
    char name[];                /* scope, prefix */
};

/* Records of keys that are to be freed, in slices. */
struct track_old {
    struct track_old *next;
    struct table keys;
};

struct track_hub {
    pthread_mutex_t lock;
    struct mem mem;
    struct table keys;          /* of struct track_key */
    struct tracker *trackers;
    struct track_prefix *prefixes;
    struct track_old *old;
    size_t count, items, nprefixes;     /* trackers, links, prefixes */
    struct rand rand;
    uint64_t seed;
    bool lost;                  /* a note was: everything has changed */
    atomic_bool pending;        /* some prefix has changes, or `lost` */
};

struct track__change {
    uint64_t who;               /* client that made it; 0: nobody */
    uint32_t n;                 /* bytes of the name behind it */
};

/* A message on its way; the value follows. */
struct track__head {
    uint64_t owner;             /* client that tracks */
    struct lane *owner_lane;
    uint64_t target;            /* client that gets it */
    bool redirected;
};

/* ---- messages ------------------------------------------------------------ */

static void track__write(struct lane *l, struct client *c, struct str s) {
    if ((c->flags & CLIENT_EMBEDDED) != 0) return;
    if (l->current == c) reply_raw(&l->reply, s);
    else client_write(c, s.p, s.n);
}

/* The client that messages are to go to is there no more: tell whose they
 * are.  l is that one's lane. */
static void track__broken(struct lane *l, uint64_t owner, uint64_t target) {
    struct client *c = lane_client(l, owner);
    char text[80];
    int n;

    if (c == NULL || c->tracker == NULL) return;
    c->flags |= CLIENT_BROKEN;
    if (c->proto < 3) return;
    n = snprintf(text, sizeof text,
                 ">2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n",
                 (unsigned long long)target);
    track__write(l, c, str_of(text, (size_t)n));
}

/* Give a message to a client of this lane. */
static void track__deliver(struct lane *l, const struct track__head *head,
                           struct str value) {
    struct client *c = lane_client(l, head->target);
    struct buf b = { 0 };

    if (c == NULL || c->state == CLIENT_GONE) {
        if (!head->redirected) return;
        if (head->owner_lane == l) track__broken(l, head->owner, head->target);
        else lane_tell(head->owner_lane, head->owner, LETTER_TRACK_BROKEN,
                       &head->target, sizeof head->target);
        return;
    }
    if (c->proto == 3)
        buf_put_str(&b, STR(">2\r\n$10\r\ninvalidate\r\n"));
    else if (head->redirected &&
             c->channels + c->patterns + c->shard_channels > 0)
        buf_put_str(&b, STR("*3\r\n$7\r\nmessage\r\n$20\r\n"
                            "__redis__:invalidate\r\n"));
    else
        return;                 /* nothing can be said in RESP2 unasked */
    if (buf_put_str(&b, value)) track__write(l, c, buf_str(&b));
    else client_cut(c);
    buf_free(&b);
}

/* A letter brings a message for a client of this lane. */
static void track_arrive(struct lane *l, const struct letter *letter) {
    struct track__head head;

    memcpy(&head, letter->bytes, sizeof head);
    track__deliver(l, &head, str_of(letter->bytes + sizeof head,
                                    letter->n - sizeof head));
}

/* A letter says that messages cannot be delivered any more. */
static void track_arrive_broken(struct lane *l, const struct letter *letter) {
    uint64_t target;

    memcpy(&target, letter->bytes, sizeof target);
    track__broken(l, letter->client, target);
}

static void track__lose(struct track_hub *h) {
    h->lost = true;
    atomic_store(&h->pending, true);
}

static void track__send(struct track_hub *h, struct lane *from,
                        const struct tracker *t, struct str value) {
    struct track__head head = { t->id, t->lane, t->id, t->redirect != 0 };
    struct lane *to = t->lane;
    struct buf b = { 0 };

    if (head.redirected) {
        head.target = t->redirect;
        to = t->redirect_lane;
    }
    if (to == from) {
        track__deliver(to, &head, value);
        return;
    }
    if (!buf_put(&b, &head, sizeof head) || !buf_put_str(&b, value) ||
        !lane_tell(to, head.target, LETTER_TRACK, b.p, b.n))
        track__lose(h);
    buf_free(&b);
}

static void track__bulk(struct buf *b, struct str s) {
    buf_printf(b, "$%zu\r\n", s.n);
    buf_put_str(b, s);
    buf_put(b, "\r\n", 2);
}

/* ---- names --------------------------------------------------------------- */

static uint64_t track__hash(const struct track_hub *h, struct str ns,
                            struct str local) {
    return hash_fast(local.p, local.n, h->seed) ^
           (ns.p == NULL ? 0 : hash_fast(ns.p, ns.n, ~h->seed));
}

static struct str track__ns(const struct track_key *k) {
    if (k->nslen == UINT32_MAX) return (struct str){ NULL, 0 };
    return str_of(k->name, k->nslen);
}

static struct str track__local(const struct track_key *k) {
    return str_of(k->name + (k->nslen == UINT32_MAX ? 0 : k->nslen), k->n);
}

static uint64_t track__hash_of(const void *ctx, const void *item) {
    return track__hash(ctx, track__ns(item), track__local(item));
}

static bool track__same_ns(struct str a, struct str b) {
    if (a.p == NULL || b.p == NULL) return a.p == b.p;
    return str_eq(a, b);
}

static struct track_key *track__find(struct track_hub *h, struct str ns,
                                     struct str local, struct table_at *at) {
    struct track_key *k = table_first(&h->keys, track__hash(h, ns, local), at);

    while (k != NULL && (!str_eq(track__local(k), local) ||
                         !track__same_ns(track__ns(k), ns)))
        k = table_next(at);
    return k;
}

/* Is a key of this namespace (p NULL: default) in a client's world? */
static bool track__is_in(bool bound, struct str scope, struct str ns) {
    return !bound || str_eq(scope, ns.p == NULL ? STR("default") : ns);
}

/* A name by which a key is told of, in b. */
static struct str track__name(struct buf *b, bool bound, bool alias,
                              struct str ns, struct str local) {
    buf_reset(b);
    if (bound) buf_put_str(b, local);
    else if (alias) buf_put_str(b, STR("default/")), buf_put_str(b, local);
    else key_print(b, ns.p == NULL, ns, local);
    return buf_str(b);
}

/* ---- keys ---------------------------------------------------------------- */

static void track__unlink(struct track_hub *h, struct tracker *t) {
    if (--t->links > 0 || !t->gone) return;
    mem_drop(&h->mem, t, sizeof *t + t->scope_n);
}

static void track__free_key(void *ctx, void *item) {
    struct track_hub *h = ctx;
    struct track_key *k = item;
    size_t nslen = k->nslen == UINT32_MAX ? 0 : k->nslen;

    for (uint32_t i = 0; i < k->count; i++) track__unlink(h, k->links[i].who);
    if (k->links != &k->one)
        mem_drop(&h->mem, k->links, k->cap * sizeof *k->links);
    mem_drop(&h->mem, k, sizeof *k + nslen + k->n);
}

/* Forget all keys: at once for everybody else, and in slices here. */
static void track__detach(struct track_hub *h) {
    struct track_old *old;
    size_t budget = SIZE_MAX;

    if (h->keys.count == 0) return;
    h->items = 0;
    old = mem_try(&h->mem, sizeof *old);
    if (old == NULL) {
        while (!table_free_step(&h->keys, &h->mem, &budget, track__free_key,
                                h))
            budget = SIZE_MAX;
    } else {
        old->keys = h->keys;
        old->next = h->old;
        h->old = old;
    }
    table_init(&h->keys);
}

/* Free some of what is left of keys. */
static void track__free_some(struct track_hub *h) {
    size_t budget = 5000;

    pthread_mutex_lock(&h->lock);
    while (budget > 0 && h->old != NULL) {
        struct track_old *old = h->old;

        if (!table_free_step(&old->keys, &h->mem, &budget, track__free_key, h))
            break;
        h->old = old->next;
        mem_drop(&h->mem, old, sizeof *old);
    }
    pthread_mutex_unlock(&h->lock);
}

/* Tell a tracker of a key in the forms it used. */
static void track__tell(struct track_hub *h, struct lane *from,
                        const struct tracker *t, unsigned forms,
                        const struct track_key *k) {
    bool printed = (forms & TRACK_PRINTED) != 0;
    bool alias = (forms & TRACK_ALIAS) != 0;
    struct buf b = { 0 }, name = { 0 };

    buf_printf(&b, "*%d\r\n", printed + alias);
    if (printed)
        track__bulk(&b, track__name(&name, t->bound, false, track__ns(k),
                                    track__local(k)));
    if (alias)
        track__bulk(&b, track__name(&name, t->bound, true, track__ns(k),
                                    track__local(k)));
    if (b.failed || name.failed) track__lose(h);
    else track__send(h, from, t, buf_str(&b));
    buf_free(&b);
    buf_free(&name);
}

/* Tell of a change by client `who` (0: nobody) those who keep a key, but not
 * `reader` (0: nobody); the key's record goes. */
static void track__invalidate(struct track_hub *h, struct lane *from,
                              struct track_key *k, struct table_at *at,
                              uint64_t who, uint64_t reader) {
    for (uint32_t i = 0; i < k->count; i++) {
        const struct tracker *t = k->links[i].who;

        if (t->gone || (t->flags & TRACK_BCAST) != 0) continue;
        if (reader != 0 && t->id == reader) continue;
        if ((t->flags & TRACK_NOLOOP) != 0 && t->id == who) continue;
        track__tell(h, from, t, k->links[i].forms, k);
    }
    table_drop(&h->keys, &h->mem, at);
    h->items -= k->count;
    track__free_key(h, k);
}

static struct track_key *track__make(struct track_hub *h, struct str ns,
                                     struct str local) {
    size_t nslen = ns.p == NULL ? 0 : ns.n;
    struct track_key *k;

    if (local.n >= UINT32_MAX || nslen >= UINT32_MAX) return NULL;
    k = mem_try(&h->mem, sizeof *k + nslen + local.n);
    if (k == NULL) return NULL;
    k->links = &k->one;
    k->count = 0;
    k->cap = 1;
    k->nslen = ns.p == NULL ? UINT32_MAX : (uint32_t)nslen;
    k->n = (uint32_t)local.n;
    if (nslen > 0) memcpy(k->name, ns.p, nslen);
    if (local.n > 0) memcpy(k->name + nslen, local.p, local.n);
    if (table_put(&h->keys, &h->mem, track__hash(h, ns, local), k,
                  track__hash_of, h))
        return k;
    mem_drop(&h->mem, k, sizeof *k + nslen + local.n);
    return NULL;
}

/* Make room for one more link.  False: no memory. */
static bool track__room(struct track_hub *h, struct track_key *k) {
    struct track_link *links;
    uint32_t n = 0, cap = k->cap * 2;

    if (k->count < k->cap) return true;
    for (uint32_t i = 0; i < k->count; i++) {
        if (k->links[i].who->gone) track__unlink(h, k->links[i].who);
        else k->links[n++] = k->links[i];
    }
    h->items -= k->count - n;
    k->count = n;
    if (n <= k->cap / 2) return true;
    links = mem_try(&h->mem, cap * sizeof *links);
    if (links == NULL) return k->count < k->cap;
    memcpy(links, k->links, n * sizeof *links);
    if (k->links != &k->one)
        mem_drop(&h->mem, k->links, k->cap * sizeof *k->links);
    k->links = links;
    k->cap = cap;
    return true;
}

/* Where a tracker's link is, or would be. */
static uint32_t track__place(const struct track_key *k,
                             const struct tracker *t) {
    uint32_t lo = 0, hi = k->count;

    while (lo < hi) {
        uint32_t i = lo + (hi - lo) / 2;

        if ((uintptr_t)k->links[i].who < (uintptr_t)t) lo = i + 1;
        else hi = i;
    }
    return lo;
}

/* Note that a tracker keeps a key; *fresh: it did not before.  False: no
 * memory. */
static bool track__link(struct track_hub *h, struct track_key *k,
                        struct tracker *t, unsigned form, bool *fresh) {
    uint32_t i = track__place(k, t);

    *fresh = i == k->count || k->links[i].who != t;
    if (*fresh) {
        if (!track__room(h, k)) return false;
        i = track__place(k, t);
        memmove(k->links + i + 1, k->links + i,
                (k->count - i) * sizeof *k->links);
        k->links[i] = (struct track_link){ t, 0 };
        k->count++;
        t->links++;
        h->items++;
    }
    k->links[i].forms |= (uint8_t)form;
    return true;
}

/* Call keys changed until there are as many as may be, but not more of them
 * than `budget`. */
static void track__limit(struct track_hub *h, struct lane *from,
                         size_t budget) {
    int64_t most = from->k->opt.tracking_table_max_keys;
    struct table_at at;

    while (most > 0 && h->keys.count > (uint64_t)most && budget-- > 0) {
        struct track_key *k = table_random(&h->keys, &h->rand, &at);

        track__invalidate(h, from, k, &at, 0, 0);
    }
}

/* Let go of some keys that are too many, since the option was lowered, and
 * free some of what is left of others.  Called now and then. */
static void track_sweep(struct lane *from) {
    struct track_hub *h = from->k->track;

    pthread_mutex_lock(&h->lock);
    track__limit(h, from, 2000);
    pthread_mutex_unlock(&h->lock);
    track__free_some(h);
}

/* Let go of keys that are too many, now that what was noted has its reply: in
 * the midst of EXEC's a message would be taken for one of its parts. */
static void track_limit(struct lane *from) {
    struct track_hub *h = from->k->track;

    pthread_mutex_lock(&h->lock);
    track__limit(h, from, SIZE_MAX);
    pthread_mutex_unlock(&h->lock);
}

/* Remember that a client has read a key, whose shard is locked.  alias: it
 * said default/x.  True: it did not keep it before. */
static bool track_note(struct client *c, struct str ns, struct str local,
                       bool alias) {
    unsigned form = alias ? TRACK_ALIAS : TRACK_PRINTED;
    struct track_hub *h = c->lane->k->track;
    struct track_key *k;
    struct table_at at;
    bool fresh = false;

    pthread_mutex_lock(&h->lock);
    k = track__find(h, ns, local, &at);
    if (k == NULL) k = track__make(h, ns, local);
    if (k == NULL || !track__link(h, k, c->tracker, form, &fresh))
        track__lose(h);
    pthread_mutex_unlock(&h->lock);
    return fresh;
}

/* ---- prefixes ------------------------------------------------------------ */

static struct str track__scope(const struct tracker *t) {
    return str_of(t->scope, t->scope_n);
}

/* What its clients call it; lent. */
static struct str track_prefix_name(const struct track_prefix *p) {
    return str_of(p->name + p->scope_n, p->n);
}

static bool track__begins(struct str s, struct str with) {
    return s.n >= with.n &&
           (with.n == 0 || memcmp(s.p, with.p, with.n) == 0);
}

/* The prefix of this name in a tracker's world, made where there is none.
 * NULL: no memory. */
static struct track_prefix *track__prefix(struct track_hub *h,
                                          const struct tracker *t,
                                          struct str name) {
    struct str scope = track__scope(t);
    struct track_prefix *p = h->prefixes;

    for (; p != NULL; p = p->next)
        if (p->bound == t->bound && str_eq(track_prefix_name(p), name) &&
            str_eq(str_of(p->name, p->scope_n), scope))
            return p;
    p = mem_try(&h->mem, sizeof *p + scope.n + name.n);
    if (p == NULL) return NULL;
    memset(p, 0, sizeof *p);
    p->bound = t->bound;
    p->scope_n = (uint32_t)scope.n;
    p->n = (uint32_t)name.n;
    if (scope.n > 0) memcpy(p->name, scope.p, scope.n);
    if (name.n > 0) memcpy(p->name + scope.n, name.p, name.n);
    p->next = h->prefixes;
    h->nprefixes++;
    return h->prefixes = p;
}

/* Free a prefix that nobody wants any more. */
static void track__forget(struct track_hub *h, struct track_prefix *p) {
    struct track_prefix **at = &h->prefixes;

    if (p->count > 0) return;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    h->nprefixes--;
    buf_free(&p->changed);
    free(p->who);
    mem_drop(&h->mem, p, sizeof *p + p->scope_n + p->n);
}

/* Let a tracker have a prefix, too.  False: no memory. */
static bool track__join(struct track_hub *h, struct tracker *t,
                        struct str name) {
    struct track_prefix *p = track__prefix(h, t, name);
    struct track_prefix **mine;
    struct tracker **who;
    uint32_t i;

    if (p == NULL) return false;
    for (i = 0; i < t->nprefixes; i++)
        if (t->prefixes[i] == p) return true;
    mine = realloc(t->prefixes, (t->nprefixes + 1) * sizeof *mine);
    if (mine != NULL) t->prefixes = mine;
    who = p->count < p->cap ? p->who :
              realloc(p->who, (p->cap * 2 + 4) * sizeof *who);
    if (who == NULL || mine == NULL) {
        if (who != NULL && who != p->who) p->who = who, p->cap = p->cap * 2 + 4;
        track__forget(h, p);
        return false;
    }
    if (p->count == p->cap) p->cap = p->cap * 2 + 4;
    p->who = who;
    p->who[p->count++] = t;
    for (i = t->nprefixes++; i > 0; i--) {
        if (str_cmp(track_prefix_name(mine[i - 1]), name) <= 0) break;
        mine[i] = mine[i - 1];
    }
    mine[i] = p;
    return true;
}

static void track__part(struct track_hub *h, struct tracker *t) {
    for (uint32_t i = 0; i < t->nprefixes; i++) {
        struct track_prefix *p = t->prefixes[i];
        uint32_t j = 0;

        while (p->who[j] != t) j++;
        memmove(p->who + j, p->who + j + 1,
                (p->count - j - 1) * sizeof *p->who);
        p->count--;
        track__forget(h, p);
    }
    free(t->prefixes);
    t->prefixes = NULL;
    t->nprefixes = 0;
}

/* A prefix of the client that one begins with, or that begins with it; or
 * NULL. */
static const struct track_prefix *track_overlap(const struct client *c,
                                                struct str name) {
    const struct tracker *t = c->tracker;

    for (uint32_t i = 0; t != NULL && i < t->nprefixes; i++) {
        struct str other = track_prefix_name(t->prefixes[i]);

        if (track__begins(name, other) || track__begins(other, name))
            return t->prefixes[i];
    }
    return NULL;
}

/* Note a change for those who want all keys of a prefix. */
static void track__spread(struct track_hub *h, uint64_t who, struct str ns,
                          struct str local, struct buf *name) {
    for (struct track_prefix *p = h->prefixes; p != NULL; p = p->next) {
        struct track__change ch = { who, 0 };
        struct str s;

        if (!track__is_in(p->bound, str_of(p->name, p->scope_n), ns)) continue;
        s = track__name(name, p->bound, false, ns, local);
        if (!track__begins(s, track_prefix_name(p)) && !p->bound &&
            ns.p == NULL)
            s = track__name(name, false, true, ns, local);
        if (!track__begins(s, track_prefix_name(p))) continue;
        ch.n = (uint32_t)s.n;
        if (name->failed || !buf_put(&p->changed, &ch, sizeof ch) ||
            !buf_put_str(&p->changed, s))
            track__lose(h);
        atomic_store(&h->pending, true);
    }
}

struct track__one {
    struct str name;
    uint64_t who;
    size_t at;                  /* its place among the changes */
};

static int track__order(const void *a, const void *b) {
    const struct track__one *x = a, *y = b;
    int c = str_cmp(x->name, y->name);

    return c != 0 ? c : x->at < y->at ? -1 : x->at > y->at;
}

/* The changes of a prefix, each key once, in order; *n how many.  The caller
 * frees them; NULL: no memory. */
static struct track__one *track__gather(const struct track_prefix *p,
                                        size_t *n) {
    const struct buf *b = &p->changed;
    struct track__one *v;
    size_t i = 0, to = 0;

    for (size_t at = 0; at < b->n; i++) {
        struct track__change ch;

        memcpy(&ch, b->p + at, sizeof ch);
        at += sizeof ch + ch.n;
    }
    v = malloc((i + 1) * sizeof *v);
    if (v == NULL) return NULL;
    *n = i = 0;
    for (size_t at = 0; at < b->n; i++) {
        struct track__change ch;

        memcpy(&ch, b->p + at, sizeof ch);
        v[i] = (struct track__one){ str_of(b->p + at + sizeof ch, ch.n),
                                    ch.who, i };
        at += sizeof ch + ch.n;
    }
    qsort(v, i, sizeof *v, track__order);
    for (size_t j = 0; j < i; j++)
        if (to == 0 || !str_eq(v[to - 1].name, v[j].name)) v[to++] = v[j];
    *n = to;
    return v;
}

/* Send the changes of a prefix to one who wants them. */
static void track__give(struct track_hub *h, struct lane *from,
                        const struct tracker *t, const struct track__one *v,
                        size_t n) {
    bool noloop = (t->flags & TRACK_NOLOOP) != 0;
    struct buf b = { 0 };
    size_t some = 0;

    for (size_t i = 0; i < n; i++) some += !noloop || v[i].who != t->id;
    if (some == 0) return;
    buf_printf(&b, "*%zu\r\n", some);
    for (size_t i = 0; i < n; i++)
        if (!noloop || v[i].who != t->id) track__bulk(&b, v[i].name);
    if (b.failed) track__lose(h);
    else track__send(h, from, t, buf_str(&b));
    buf_free(&b);
}

/* ---- what exec and the loop say ------------------------------------------ */

/* Tell everybody, or who is concerned by one namespace (p NULL: all), that
 * all has changed. */
static void track__all(struct track_hub *h, struct lane *from,
                       struct str scope) {
    for (const struct tracker *t = h->trackers; t != NULL; t = t->next) {
        if (scope.p != NULL && !track__is_in(t->bound, track__scope(t), scope))
            continue;
        track__send(h, from, t, t->proto == 3 ? STR("_\r\n") : STR("$-1\r\n"));
    }
    if (scope.p == NULL) track__detach(h);
}

/* A namespace has been emptied, or all of them (p NULL).  No shard is
 * locked. */
static void track_flushed(struct lane *from, struct str scope) {
    struct track_hub *h = from->k->track;

    pthread_mutex_lock(&h->lock);
    track__all(h, from, scope);
    pthread_mutex_unlock(&h->lock);
}

/* The link of a client with a key; without `who` where there is none. */
static struct track_link track__link_of(const struct track_key *k,
                                        uint64_t client) {
    for (uint32_t i = 0; client != 0 && i < k->count; i++)
        if (k->links[i].who->id == client && !k->links[i].who->gone)
            return k->links[i];
    return (struct track_link){ NULL, 0 };
}

/* A key has changed, as a shard has noted it.  No shard is locked. */
static void track_changed(struct lane *from, const struct touch *what,
                          struct str ns, struct str local) {
    struct track_hub *h = from->k->track;
    struct buf name = { 0 };
    struct track_key *k;
    struct table_at at;

    pthread_mutex_lock(&h->lock);
    if (h->prefixes != NULL)
        track__spread(h, what->self ? what->who : 0, ns, local, &name);
    k = track__find(h, ns, local, &at);
    if (k != NULL) {
        bool first = what->read == READ_FIRST, fresh;
        struct track_link l = track__link_of(
            k, what->read == UNREAD ? 0 : what->who);

        track__invalidate(h, from, k, &at, what->who,
                          first ? what->who : 0);
        if (l.who != NULL) {
            k = track__make(h, ns, local);
            if (k == NULL || !track__link(h, k, l.who, l.forms, &fresh))
                track__lose(h);
        }
    }
    pthread_mutex_unlock(&h->lock);
    buf_free(&name);
}

/* Notes of changes were lost: everything has changed. */
static void track_lost(struct lane *from) {
    struct track_hub *h = from->k->track;

    pthread_mutex_lock(&h->lock);
    track__lose(h);
    pthread_mutex_unlock(&h->lock);
}

static COLD void track__turn(struct lane *from) {
    struct track_hub *h = from->k->track;
    struct track__one *v;
    size_t n;

    pthread_mutex_lock(&h->lock);
    atomic_store(&h->pending, false);
    for (struct track_prefix *p = h->prefixes; p != NULL; p = p->next) {
        if (p->changed.n == 0) continue;
        v = track__gather(p, &n);
        if (v == NULL) track__lose(h);
        for (uint32_t i = 0; v != NULL && i < p->count; i++)
            track__give(h, from, p->who[i], v, n);
        free(v);
        buf_free(&p->changed);
    }
    if (h->lost) {
        h->lost = false;
        track__all(h, from, (struct str){ NULL, 0 });
    }
    pthread_mutex_unlock(&h->lock);
}

/* Say what is said once a turn. */
static inline void track_turn(struct lane *from) {
    if (UNLIKELY(atomic_load_explicit(&from->k->track->pending,
                                      memory_order_relaxed)))
        track__turn(from);
}

/* ---- clients ------------------------------------------------------------- */

/* Have the doors note changes, or not. */
static void track__listen(struct kvns *k, bool on) {
    for (uint32_t i = 0; i < k->ks.nshards; i++)
        atomic_store(&k->ks.shards[i].tracked, on);
}

static struct tracker *track__new(struct track_hub *h, struct client *c) {
    struct tracker *t = mem_try(&h->mem, sizeof *t + c->bound_n);

    if (t == NULL) return NULL;
    memset(t, 0, sizeof *t);
    t->id = c->id;
    t->lane = c->lane;
    t->bound = c->bound != NULL;
    t->scope_n = (uint32_t)c->bound_n;
    if (c->bound != NULL) memcpy(t->scope, c->bound, c->bound_n);
    t->next = h->trackers;
    if (h->trackers != NULL) h->trackers->prev = t;
    h->trackers = t;
    return t;
}

/* The client tracks no more. */
static void track_off(struct client *c) {
    struct kvns *k = c->lane->k;
    struct track_hub *h = k->track;
    struct tracker *t = c->tracker;

    if (LIKELY(t == NULL)) return;
    pthread_mutex_lock(&h->lock);
    track__part(h, t);
    if (t->prev != NULL) t->prev->next = t->next;
    else h->trackers = t->next;
    if (t->next != NULL) t->next->prev = t->prev;
    t->gone = true;
    if (t->links == 0) mem_drop(&h->mem, t, sizeof *t + t->scope_n);
    if (--h->count == 0) {
        track__listen(k, false);
        track__detach(h);
    }
    pthread_mutex_unlock(&h->lock);
    c->tracker = NULL;
    c->flags &= ~(uint32_t)(CLIENT_TRACKING | CLIENT_CACHING | CLIENT_BROKEN);
}

/* The client begins to track, or does so in another way: TRACK_ flags, with
 * further prefixes.  to: who gets the messages, NULL for itself.  All lanes
 * are at rest.  False: no memory; then it does not track. */
static bool track_on(struct client *c, struct client *to, unsigned flags,
                     const struct str *prefixes, size_t n) {
    struct kvns *k = c->lane->k;
    struct track_hub *h = k->track;
    struct str none = STR("");
    struct tracker *t;
    bool ok = true;

    pthread_mutex_lock(&h->lock);
    t = c->tracker;
    if (t == NULL) {
        t = track__new(h, c);
        if (t != NULL && h->count++ == 0) track__listen(k, true);
    }
    c->tracker = t;
    if (t != NULL) {
        t->redirect = to == NULL ? 0 : to->id;
        t->redirect_lane = to == NULL ? NULL : to->lane;
        t->flags = (uint8_t)flags;
        t->proto = c->proto;
        if ((flags & TRACK_BCAST) != 0 && n == 0)
            ok = track__join(h, t, none);
        for (size_t i = 0; ok && i < n; i++)
            ok = track__join(h, t, prefixes[i]);
    }
    pthread_mutex_unlock(&h->lock);
    if (t == NULL) return false;
    c->flags |= CLIENT_TRACKING;
    c->flags &= ~(uint32_t)CLIENT_BROKEN;
    if (!ok) track_off(c);
    return ok;
}

/* The client changed its protocol. */
static void track_set_proto(struct client *c) {
    struct track_hub *h = c->lane->k->track;

    if (c->tracker == NULL) return;
    pthread_mutex_lock(&h->lock);
    c->tracker->proto = c->proto;
    pthread_mutex_unlock(&h->lock);
}

/* Who gets the client's messages: 0 for itself, -1 if it does not track. */
static int64_t track_redirect(const struct client *c) {
    return c->tracker == NULL ? -1 : (int64_t)c->tracker->redirect;
}

struct track_counts {
    size_t clients, keys, items, prefixes;
};

/* How much is tracked. */
static struct track_counts track_count(struct track_hub *h) {
    struct track_counts n;

    pthread_mutex_lock(&h->lock);
    n = (struct track_counts){ h->count, h->keys.count, h->items,
                               h->nprefixes };
    pthread_mutex_unlock(&h->lock);
    return n;
}

/* A hub for which nobody tracks; NULL: no memory. */
static struct track_hub *track_hub_new(uint64_t seed) {
    struct track_hub *h = calloc(1, sizeof *h);

    if (h == NULL) return NULL;
    pthread_mutex_init(&h->lock, NULL);
    mem_init(&h->mem);
    table_init(&h->keys);
    rand_seed(&h->rand);
    atomic_init(&h->pending, false);
    h->seed = seed;
    return h;
}

/* Free a hub for which nobody tracks any more. */
static void track_hub_free(struct track_hub *h) {
    if (h == NULL) return;
    while (h->old != NULL) track__free_some(h);
    pthread_mutex_destroy(&h->lock);
    mem_fini(&h->mem);
    free(h);
}
