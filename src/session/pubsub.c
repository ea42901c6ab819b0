/* SPDX-License-Identifier: MIT */
/* ==== pubsub - channels and those who listen ===============================
 *
 * One hub a server, under its lock, so that all lanes see the messages of a
 * channel in one order.  A subscriber on the publisher's lane gets a message
 * into its buffer; on another one, or while letters are on their way to it, by
 * letter.  Letters count to the receiver's output limit: who reads too slowly
 * is cut off, and nobody's messages pile up here.
 *
 *   hub -- channels (by name) --< subscriptions >-- clients
 *     |        |
 *     |        +-- patterns, in a list as well
 *     +-- subscriptions (by channel and client)
 *
 * Channels have a scope: clients bound to a namespace speak and listen among
 * themselves.  A channel or pattern is there as long as somebody listens.
 *
 * floor 5 - uses: base arena mem hash glob buf table reply options instance
 *    client
 */
enum channel_kind { CHANNEL, CHANNEL_PATTERN, CHANNEL_SHARD, CHANNEL_KINDS };

struct channel {
    struct subscription *first, *last;
    size_t count;
    struct channel *next, *prev;    /* among the patterns */
    uint8_t kind;
    uint32_t literal;           /* of a pattern: bytes that match themselves */
    uint32_t scope_n, n;
    char name[];                /* scope, then name */
};

struct subscription {
    struct channel *channel;
    struct subscription *next, *prev;   /* of the channel */
    struct subscription *mine;  /* of the client, in order of joining */
    struct subscription *mine_prev;     /* of the first: the last */
    struct client *client;      /* touched by its own lane, but see deliver */
    uint8_t proto;
};

struct hub {
    pthread_mutex_t lock;
    struct mem mem;
    struct table channels;      /* of all kinds */
    struct table members;       /* of struct subscription */
    struct channel *patterns;
    size_t counts[CHANNEL_KINDS];
    atomic_size_t listeners;    /* subscriptions; anybody reads it */
    uint64_t seed;
};

static uint64_t pubsub__hash(uint64_t seed, enum channel_kind kind,
                             struct str scope, struct str name) {
    return hash_fast(name.p, name.n, seed + kind) ^
           (scope.n == 0 ? 0 : hash_fast(scope.p, scope.n, ~seed));
}

/* What its subscribers call it; lent. */
static struct str channel_name(const struct channel *ch) {
    return str_of(ch->name + ch->scope_n, ch->n);
}

static struct str channel_scope(const struct channel *ch) {
    return str_of(ch->name, ch->scope_n);
}

static uint64_t pubsub__hash_of(const void *ctx, const void *item) {
    const struct channel *ch = item;

    return pubsub__hash(((const struct hub *)ctx)->seed,
                        (enum channel_kind)ch->kind, channel_scope(ch),
                        channel_name(ch));
}

static uint64_t pubsub__hash_member(uint64_t seed, const struct channel *ch,
                                    const struct client *c) {
    const void *who[2] = { ch, c };

    return hash_fast((const char *)who, sizeof who, seed);
}

static uint64_t pubsub__hash_member_of(const void *ctx, const void *item) {
    const struct subscription *s = item;

    return pubsub__hash_member(((const struct hub *)ctx)->seed, s->channel,
                               s->client);
}

/* The scope a client speaks in. */
static struct str client_scope(const struct client *c) {
    return str_of(c->bound == NULL ? "" : c->bound, c->bound_n);
}

static struct channel *pubsub__find(struct hub *h, enum channel_kind kind,
                                    struct str scope, struct str name,
                                    struct table_at *at) {
    struct channel *ch = table_first(&h->channels,
                                     pubsub__hash(h->seed, kind, scope, name),
                                     at);

    for (; ch != NULL; ch = table_next(at))
        if (ch->kind == kind && str_eq(channel_name(ch), name) &&
            str_eq(channel_scope(ch), scope))
            break;
    return ch;
}

static struct subscription *pubsub__member(struct hub *h,
                                           const struct channel *ch,
                                           const struct client *c,
                                           struct table_at *at) {
    struct subscription *s = table_first(&h->members,
                                         pubsub__hash_member(h->seed, ch, c),
                                         at);

    while (s != NULL && (s->channel != ch || s->client != c))
        s = table_next(at);
    return s;
}

/* How many bytes a pattern begins with that only match themselves. */
static uint32_t pubsub__literal(struct str pattern) {
    size_t n = 0;

    while (n < pattern.n && memchr("*?[\\", pattern.p[n], 4) == NULL) n++;
    return (uint32_t)n;
}

static struct channel *pubsub__make(struct hub *h, enum channel_kind kind,
                                    struct str scope, struct str name) {
    struct channel *ch = mem_try(&h->mem, sizeof *ch + scope.n + name.n);

    if (ch == NULL) return NULL;
    memset(ch, 0, sizeof *ch);
    ch->kind = (uint8_t)kind;
    ch->scope_n = (uint32_t)scope.n;
    ch->n = (uint32_t)name.n;
    if (scope.n > 0) memcpy(ch->name, scope.p, scope.n);
    if (name.n > 0) memcpy(ch->name + scope.n, name.p, name.n);
    if (!table_put(&h->channels, &h->mem,
                   pubsub__hash(h->seed, kind, scope, name), ch,
                   pubsub__hash_of, h)) {
        mem_drop(&h->mem, ch, sizeof *ch + scope.n + name.n);
        return NULL;
    }
    h->counts[kind]++;
    if (kind == CHANNEL_PATTERN) {
        ch->literal = pubsub__literal(name);
        ch->next = h->patterns;
        if (h->patterns != NULL) h->patterns->prev = ch;
        h->patterns = ch;
    }
    return ch;
}

/* Forget a channel if nobody listens any more. */
static void pubsub__forget(struct hub *h, struct channel *ch) {
    struct table_at at;

    if (ch->count > 0) return;
    if (ch->kind == CHANNEL_PATTERN) {
        if (ch->prev != NULL) ch->prev->next = ch->next;
        else h->patterns = ch->next;
        if (ch->next != NULL) ch->next->prev = ch->prev;
    }
    h->counts[ch->kind]--;
    if (pubsub__find(h, (enum channel_kind)ch->kind, channel_scope(ch),
                     channel_name(ch), &at) == ch)
        table_drop(&h->channels, &h->mem, &at);
    mem_drop(&h->mem, ch, sizeof *ch + ch->scope_n + ch->n);
}

static uint32_t *pubsub__counter(struct client *c, enum channel_kind kind) {
    if (kind == CHANNEL_PATTERN) return &c->patterns;
    return kind == CHANNEL_SHARD ? &c->shard_channels : &c->channels;
}

/* Put a subscription into the rows of its channel and its client. */
static void pubsub__link(struct hub *h, struct subscription *s) {
    struct channel *ch = s->channel;
    struct client *c = s->client;

    s->prev = ch->last;
    if (ch->last != NULL) ch->last->next = s;
    else ch->first = s;
    ch->last = s;
    ch->count++;
    atomic_fetch_add(&h->listeners, 1);
    if (c->subscriptions == NULL) {
        c->subscriptions = s->mine_prev = s;
    } else {
        s->mine_prev = c->subscriptions->mine_prev;
        s->mine_prev->mine = s;
        c->subscriptions->mine_prev = s;
    }
    ++*pubsub__counter(c, (enum channel_kind)ch->kind);
}

/* Listen to a channel or pattern; again is no harm.  False: no memory. */
static bool pubsub_join(struct client *c, enum channel_kind kind,
                        struct str name) {
    struct hub *h = c->lane->k->hub;
    struct subscription *s;
    struct channel *ch;
    struct table_at at;
    bool ok = false;

    pthread_mutex_lock(&h->lock);
    ch = pubsub__find(h, kind, client_scope(c), name, &at);
    if (ch == NULL) ch = pubsub__make(h, kind, client_scope(c), name);
    if (ch == NULL) goto out;
    ok = pubsub__member(h, ch, c, &at) != NULL;
    if (ok) goto out;
    s = mem_try(&h->mem, sizeof *s);
    if (s == NULL) goto out;
    *s = (struct subscription){ .channel = ch, .client = c,
                                .proto = c->proto };
    ok = table_put(&h->members, &h->mem, pubsub__hash_member(h->seed, ch, c),
                   s, pubsub__hash_member_of, h);
    if (ok) pubsub__link(h, s);
    else mem_drop(&h->mem, s, sizeof *s);
out:
    if (ch != NULL) pubsub__forget(h, ch);
    pthread_mutex_unlock(&h->lock);
    return ok;
}

/* End a subscription; the hub is locked. */
static void pubsub__end(struct hub *h, struct subscription *s) {
    struct channel *ch = s->channel;
    struct client *c = s->client;
    struct table_at at;

    if (c->subscriptions == s) c->subscriptions = s->mine;
    else s->mine_prev->mine = s->mine;
    if (s->mine != NULL) s->mine->mine_prev = s->mine_prev;
    else if (c->subscriptions != NULL) c->subscriptions->mine_prev =
                                           s->mine_prev;
    --*pubsub__counter(c, (enum channel_kind)ch->kind);
    if (s->prev != NULL) s->prev->next = s->next;
    else ch->first = s->next;
    if (s->next != NULL) s->next->prev = s->prev;
    else ch->last = s->prev;
    ch->count--;
    atomic_fetch_sub(&h->listeners, 1);
    if (pubsub__member(h, ch, c, &at) == s)
        table_drop(&h->members, &h->mem, &at);
    mem_drop(&h->mem, s, sizeof *s);
    pubsub__forget(h, ch);
}

/* Listen no more to one channel or pattern. */
static void pubsub_part(struct client *c, enum channel_kind kind,
                        struct str name) {
    struct hub *h = c->lane->k->hub;
    struct subscription *s = NULL;
    struct channel *ch;
    struct table_at at;

    pthread_mutex_lock(&h->lock);
    ch = pubsub__find(h, kind, client_scope(c), name, &at);
    if (ch != NULL) s = pubsub__member(h, ch, c, &at);
    if (s != NULL) pubsub__end(h, s);
    pthread_mutex_unlock(&h->lock);
}

/* Listen no more to anything. */
static void pubsub_part_all(struct client *c) {
    struct hub *h = c->lane->k->hub;

    if (c->subscriptions == NULL) return;
    pthread_mutex_lock(&h->lock);
    while (c->subscriptions != NULL) pubsub__end(h, c->subscriptions);
    pthread_mutex_unlock(&h->lock);
}

/* The client changed its protocol: messages follow suit. */
static void pubsub_set_proto(struct client *c) {
    struct hub *h = c->lane->k->hub;

    if (c->subscriptions == NULL) return;
    pthread_mutex_lock(&h->lock);
    for (struct subscription *s = c->subscriptions; s != NULL; s = s->mine)
        s->proto = c->proto;
    pthread_mutex_unlock(&h->lock);
}

/* A message on its way, made once for each protocol. */
struct pubsub__post {
    struct lane *from;          /* the publisher's lane; NULL: no lane's */
    struct str name, text;
    enum channel_kind kind;
    struct buf made[2];         /* RESP2, RESP3 */
};

static const struct buf *pubsub__message(struct pubsub__post *p,
                                         const struct channel *ch,
                                         uint8_t proto) {
    static const char *const words[] = { "message", "pmessage", "smessage" };
    struct buf *b = &p->made[proto == 3];
    struct reply r;

    if (b->n > 0) return b;
    reply_open(&r, b, proto, SIZE_MAX);
    reply_push(&r, ch->kind == CHANNEL_PATTERN ? 4 : 3);
    reply_bulk(&r, str_c(words[ch->kind]));
    if (ch->kind == CHANNEL_PATTERN) reply_bulk(&r, channel_name(ch));
    reply_bulk(&r, p->name);
    reply_bulk(&r, p->text);
    if (r.failed) reply_cut(&r, 0);
    reply_close(&r);
    return b;
}

/* Send a message to a client of another lane.  The hub's lock keeps the
 * client alive meanwhile; of it only what is constant or atomic is touched. */
static void pubsub__mail(struct client *c, const struct buf *b) {
    size_t most = c->lane->k->opt.client_output[OPTION_CLASS_PUBSUB].hard;
    size_t was = atomic_fetch_add(&c->mailed, b->n);

    if (most != 0 && was + b->n > most) {
        atomic_fetch_sub(&c->mailed, b->n);
        if (was <= most) {
            /* once: what follows finds it over the limit */
            atomic_fetch_add(&c->mailed, most + 1);
            lane_tell(c->lane, c->id, LETTER_KILL, NULL, 0);
        }
        return;
    }
    if (!lane_tell(c->lane, c->id, LETTER_MESSAGE, b->p, b->n))
        atomic_fetch_sub(&c->mailed, b->n);
}

static size_t pubsub__deliver(struct pubsub__post *p, struct channel *ch) {
    for (struct subscription *s = ch->first; s != NULL; s = s->next) {
        const struct buf *b = pubsub__message(p, ch, s->proto);

        /* not past letters that are still on their way */
        if (s->client->lane != p->from ||
            UNLIKELY(atomic_load(&s->client->mailed) != 0))
            pubsub__mail(s->client, b);
        else if (p->from->current == s->client)
            reply_raw(&p->from->reply, str_of(b->p, b->n));
        else
            client_write(s->client, b->p, b->n);
    }
    if (ch->kind == CHANNEL_PATTERN) {
        buf_reset(&p->made[0]);
        buf_reset(&p->made[1]);
    }
    return ch->count;
}

/* A letter brings a message for a client of this lane. */
static void pubsub_arrive(struct client *c, struct str message) {
    atomic_fetch_sub(&c->mailed, message.n);
    client_write(c, message.p, message.n);
}

static inline bool pubsub__matches(const struct channel *ch, struct str scope,
                                   struct str name) {
    return name.n >= ch->literal &&
           memcmp(ch->name + ch->scope_n, name.p, ch->literal) == 0 &&
           str_eq(channel_scope(ch), scope) &&
           glob_match(channel_name(ch), name, false);
}

/* Does nobody listen to anything?  A guess that is never wrong about those
 * who have had their subscription confirmed. */
static inline bool hub_is_silent(struct hub *h) {
    return atomic_load(&h->listeners) == 0;
}

/* Publish on a channel from a lane; returns how many got it, those who match
 * twice counted twice. */
static size_t pubsub_publish(struct kvns *k, struct lane *from,
                             enum channel_kind kind, struct str scope,
                             struct str name, struct str text) {
    struct pubsub__post p = { from, name, text, kind, { { 0 }, { 0 } } };
    struct hub *h = k->hub;
    struct channel *ch;
    struct table_at at;
    size_t n = 0;

    if (hub_is_silent(h)) return 0;
    pthread_mutex_lock(&h->lock);
    ch = pubsub__find(h, kind, scope, name, &at);
    if (ch != NULL) n += pubsub__deliver(&p, ch);
    buf_reset(&p.made[0]);
    buf_reset(&p.made[1]);
    if (kind == CHANNEL)
        for (ch = h->patterns; ch != NULL; ch = ch->next)
            if (pubsub__matches(ch, scope, name)) n += pubsub__deliver(&p, ch);
    pthread_mutex_unlock(&h->lock);
    buf_free(&p.made[0]);
    buf_free(&p.made[1]);
    return n;
}

/* How many listen to a channel. */
static size_t hub_listeners(struct hub *h, enum channel_kind kind,
                            struct str scope, struct str name) {
    struct channel *ch;
    struct table_at at;
    size_t n;

    pthread_mutex_lock(&h->lock);
    ch = pubsub__find(h, kind, scope, name, &at);
    n = ch == NULL ? 0 : ch->count;
    pthread_mutex_unlock(&h->lock);
    return n;
}

/* How many channels or patterns of a scope somebody listens to. */
static size_t hub_patterns(struct hub *h, struct str scope) {
    size_t n = 0;

    pthread_mutex_lock(&h->lock);
    for (struct channel *ch = h->patterns; ch != NULL; ch = ch->next)
        n += str_eq(channel_scope(ch), scope);
    pthread_mutex_unlock(&h->lock);
    return n;
}

struct hub__list {
    enum channel_kind kind;
    struct str scope, pattern;
    struct reply *r;
    size_t n;
};

static void hub__see(void *ctx, void *item) {
    struct hub__list *x = ctx;
    const struct channel *ch = item;

    if (ch->kind != x->kind || !str_eq(channel_scope(ch), x->scope)) return;
    if (x->pattern.p != NULL &&
        !glob_match(x->pattern, channel_name(ch), false))
        return;
    reply_bulk(x->r, channel_name(ch));
    x->n++;
}

/* Answer the names of a scope's channels that match; pattern.p NULL: all. */
static void hub_list_reply(struct hub *h, enum channel_kind kind,
                           struct str scope, struct str pattern,
                           struct reply *r) {
    struct hub__list x = { kind, scope, pattern, r, 0 };
    size_t mark = reply_array_later(r);
    uint32_t cursor = 0;

    pthread_mutex_lock(&h->lock);
    do {
        cursor = table_scan(&h->channels, cursor, hub__see, &x);
    } while (cursor != 0 && !r->failed);
    pthread_mutex_unlock(&h->lock);
    reply_array_set(r, mark, x.n);
}

struct hub__count {
    struct str scope;
    size_t *counts;
};

static void hub__count_one(void *ctx, void *item) {
    const struct hub__count *x = ctx;
    const struct channel *ch = item;

    if (str_eq(channel_scope(ch), x->scope)) x->counts[ch->kind]++;
}

/* Count the channels of each kind: all, or where scope is not empty those of
 * that scope, one by one. */
static void hub_count_kinds(struct hub *h, struct str scope,
                            size_t counts[CHANNEL_KINDS]) {
    struct hub__count x = { scope, counts };
    uint32_t cursor = 0;

    pthread_mutex_lock(&h->lock);
    memcpy(counts, h->counts, sizeof h->counts);
    if (scope.n > 0) {
        memset(counts, 0, sizeof h->counts);
        do {
            cursor = table_scan(&h->channels, cursor, hub__count_one, &x);
        } while (cursor != 0);
    }
    pthread_mutex_unlock(&h->lock);
}

/* What there is, of all scopes. */
struct hub_counts {
    size_t channels, patterns, shard_channels;
    size_t bytes;               /* of memory */
};

TESTED_ONLY static struct hub_counts hub_count(struct hub *h) {
    struct hub_counts n;

    pthread_mutex_lock(&h->lock);
    n = (struct hub_counts){ h->counts[CHANNEL], h->counts[CHANNEL_PATTERN],
                             h->counts[CHANNEL_SHARD], h->mem.used };
    pthread_mutex_unlock(&h->lock);
    return n;
}

/* A hub to which nobody listens; NULL: no memory. */
static struct hub *hub_new(uint64_t seed) {
    struct hub *h = calloc(1, sizeof *h);

    if (h == NULL) return NULL;
    pthread_mutex_init(&h->lock, NULL);
    mem_init(&h->mem);
    table_init(&h->channels);
    table_init(&h->members);
    atomic_init(&h->listeners, 0);
    h->seed = seed;
    return h;
}

/* Free a hub to which nobody listens. */
static void hub_free(struct hub *h) {
    if (h == NULL) return;
    pthread_mutex_destroy(&h->lock);
    mem_fini(&h->mem);
    free(h);
}
