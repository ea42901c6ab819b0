/* ==== pubsub - channels and those who listen ===============================
 *
 * One hub a server, under its lock, so that all lanes see the messages of a
 * channel in one order.  A subscriber on the publisher's lane gets a message
 * into its buffer; on another one, by letter.
 *
 * Channels have a scope: clients bound to a namespace speak and listen among
 * themselves.  A name is filed as scope, NUL-free length and kind beside it.
 *
 * floor 5 - uses: base mem hash glob buf table shard resp reply instance client
 */
enum channel_kind { CHANNEL, CHANNEL_PATTERN, CHANNEL_SHARD, CHANNEL_KINDS };

struct channel {
    struct subscription *first, *last;
    size_t count;
    struct channel *next, *prev;    /* among the patterns */
    uint8_t kind;
    uint32_t scope_n, n;
    char name[];                /* scope, then name */
};

struct subscription {
    struct channel *channel;
    struct subscription *next, *prev;   /* of the channel */
    struct subscription *mine, *mine_prev;  /* of the client */
    struct client *client;      /* touched by its own lane only */
    struct lane *lane;
    uint64_t id;
    uint8_t proto;
};

struct hub {
    pthread_mutex_t lock;
    struct mem mem;
    struct table channels;      /* of channels and shard channels */
    struct channel *patterns;
    size_t npatterns;
    uint64_t seed;
};

static uint64_t pubsub__hash(uint64_t seed, enum channel_kind kind,
                             struct str scope, struct str name) {
    return hash_fast(name.p, name.n, seed + kind) ^
           (scope.n == 0 ? 0 : hash_fast(scope.p, scope.n, ~seed));
}

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

/* The scope a client speaks in. */
static struct str client_scope(const struct client *c) {
    return str_of(c->bound == NULL ? "" : c->bound, c->bound_n);
}

static struct channel *pubsub__find(struct hub *h, enum channel_kind kind,
                                    struct str scope, struct str name,
                                    struct table_at *at) {
    struct channel *ch;

    if (kind == CHANNEL_PATTERN) {
        for (ch = h->patterns; ch != NULL; ch = ch->next)
            if (str_eq(channel_name(ch), name) &&
                str_eq(channel_scope(ch), scope))
                break;
        return ch;
    }
    ch = table_first(&h->channels, pubsub__hash(h->seed, kind, scope, name),
                     at);
    for (; ch != NULL; ch = table_next(at))
        if (ch->kind == kind && str_eq(channel_name(ch), name) &&
            str_eq(channel_scope(ch), scope))
            break;
    return ch;
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
    if (kind == CHANNEL_PATTERN) {
        ch->next = h->patterns;
        if (h->patterns != NULL) h->patterns->prev = ch;
        h->patterns = ch;
        h->npatterns++;
    } else if (!table_put(&h->channels, &h->mem,
                          pubsub__hash(h->seed, kind, scope, name), ch,
                          pubsub__hash_of, h)) {
        mem_drop(&h->mem, ch, sizeof *ch + scope.n + name.n);
        return NULL;
    }
    return ch;
}

static void pubsub__forget(struct hub *h, struct channel *ch) {
    struct table_at at;

    if (ch->kind == CHANNEL_PATTERN) {
        if (ch->prev != NULL) ch->prev->next = ch->next;
        else h->patterns = ch->next;
        if (ch->next != NULL) ch->next->prev = ch->prev;
        h->npatterns--;
    } else if (pubsub__find(h, (enum channel_kind)ch->kind, channel_scope(ch),
                            channel_name(ch), &at) == ch) {
        table_drop(&h->channels, &h->mem, &at);
    }
    mem_drop(&h->mem, ch, sizeof *ch + ch->scope_n + ch->n);
}

static uint32_t *pubsub__counter(struct client *c, enum channel_kind kind) {
    if (kind == CHANNEL_PATTERN) return &c->patterns;
    return kind == CHANNEL_SHARD ? &c->shard_channels : &c->channels;
}

/* Listen to a channel or pattern; again is no harm.  False: no memory. */
static bool pubsub_join(struct client *c, enum channel_kind kind,
                        struct str name) {
    struct hub *h = c->lane->k->hub;
    struct subscription *s;
    struct channel *ch;
    struct table_at at;

    for (s = c->subscriptions; s != NULL; s = s->mine)
        if (s->channel->kind == kind && str_eq(channel_name(s->channel), name))
            return true;
    s = calloc(1, sizeof *s);
    if (s == NULL) return false;
    pthread_mutex_lock(&h->lock);
    ch = pubsub__find(h, kind, client_scope(c), name, &at);
    if (ch == NULL) ch = pubsub__make(h, kind, client_scope(c), name);
    if (ch == NULL) {
        pthread_mutex_unlock(&h->lock);
        free(s);
        return false;
    }
    *s = (struct subscription){ .channel = ch, .client = c, .lane = c->lane,
                                .id = c->id, .proto = c->proto };
    s->prev = ch->last;
    if (ch->last != NULL) ch->last->next = s;
    else ch->first = s;
    ch->last = s;
    ch->count++;
    pthread_mutex_unlock(&h->lock);
    s->mine = c->subscriptions;
    if (c->subscriptions != NULL) c->subscriptions->mine_prev = s;
    c->subscriptions = s;
    ++*pubsub__counter(c, kind);
    return true;
}

static void pubsub__leave(struct client *c, struct subscription *s) {
    struct hub *h = c->lane->k->hub;
    struct channel *ch = s->channel;

    if (s->mine_prev != NULL) s->mine_prev->mine = s->mine;
    else c->subscriptions = s->mine;
    if (s->mine != NULL) s->mine->mine_prev = s->mine_prev;
    --*pubsub__counter(c, (enum channel_kind)ch->kind);
    pthread_mutex_lock(&h->lock);
    if (s->prev != NULL) s->prev->next = s->next;
    else ch->first = s->next;
    if (s->next != NULL) s->next->prev = s->prev;
    else ch->last = s->prev;
    if (--ch->count == 0) pubsub__forget(h, ch);
    pthread_mutex_unlock(&h->lock);
    free(s);
}

/* Listen no more.  False: it did not listen. */
static bool pubsub_part(struct client *c, enum channel_kind kind,
                        struct str name) {
    for (struct subscription *s = c->subscriptions; s != NULL; s = s->mine)
        if (s->channel->kind == kind &&
            str_eq(channel_name(s->channel), name)) {
            pubsub__leave(c, s);
            return true;
        }
    return false;
}

static void pubsub_part_all(struct client *c) {
    while (c->subscriptions != NULL) pubsub__leave(c, c->subscriptions);
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
    if (r.failed) reply_cut(&r, 0, NULL);
    reply_close(&r);
    return b;
}

static size_t pubsub__deliver(struct pubsub__post *p, struct channel *ch) {
    for (struct subscription *s = ch->first; s != NULL; s = s->next) {
        const struct buf *b = pubsub__message(p, ch, s->proto);

        if (s->lane != p->from) {
            lane_tell(s->lane, s->id, LETTER_OUTPUT, b->p, b->n);
        } else if (p->from->current == s->client) {
            reply_raw(&p->from->reply, str_of(b->p, b->n));
        } else {
            client_write(s->client, b->p, b->n);
        }
    }
    buf_reset(&p->made[0]);
    buf_reset(&p->made[1]);
    return ch->count;
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

    pthread_mutex_lock(&h->lock);
    ch = pubsub__find(h, kind, scope, name, &at);
    if (ch != NULL) n += pubsub__deliver(&p, ch);
    if (kind == CHANNEL)
        for (ch = h->patterns; ch != NULL; ch = ch->next)
            if (str_eq(channel_scope(ch), scope) &&
                glob_match(channel_name(ch), name, false))
                n += pubsub__deliver(&p, ch);
    pthread_mutex_unlock(&h->lock);
    buf_free(&p.made[0]);
    buf_free(&p.made[1]);
    return n;
}

static struct hub *hub_new(uint64_t seed) {
    struct hub *h = calloc(1, sizeof *h);

    if (h == NULL) return NULL;
    pthread_mutex_init(&h->lock, NULL);
    mem_init(&h->mem);
    table_init(&h->channels);
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
