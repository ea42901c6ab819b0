/* ==== channels - publish and subscribe =====================================
 *
 * floor 6 - uses: base glob buf table reply instance client pubsub arg
 */
static const char *const channels_words[CHANNEL_KINDS][2] = {
    [CHANNEL] = { "subscribe", "unsubscribe" },
    [CHANNEL_PATTERN] = { "psubscribe", "punsubscribe" },
    [CHANNEL_SHARD] = { "ssubscribe", "sunsubscribe" }
};

/* One confirmation, with how many the client listens to now. */
static void channels__confirm(struct call *x, enum channel_kind kind,
                              bool part, const struct str *name) {
    struct client *c = x->c;

    reply_push(x->r, 3);
    reply_bulk(x->r, str_c(channels_words[kind][part]));
    if (name == NULL) reply_null(x->r);
    else reply_bulk(x->r, *name);
    reply_int(x->r, kind == CHANNEL_SHARD ? c->shard_channels :
                                            c->channels + c->patterns);
}

static enum outcome channels_join(struct call *x, enum channel_kind kind) {
    for (size_t i = 1; i < x->argc; i++) {
        if (!pubsub_join(x->c, kind, x->argv[i]))
            return reply_err(x, ERR_MEMORY);
        channels__confirm(x, kind, false, &x->argv[i]);
    }
    return DONE;
}

static enum outcome channels_part(struct call *x, enum channel_kind kind) {
    struct subscription *s, *next;
    bool any = false;

    for (size_t i = 1; i < x->argc; i++) {
        pubsub_part(x->c, kind, x->argv[i]);
        channels__confirm(x, kind, true, &x->argv[i]);
    }
    if (x->argc > 1) return DONE;
    for (s = x->c->subscriptions; s != NULL; s = next) {
        struct str name = channel_name(s->channel);
        struct buf copy = { 0 };

        next = s->mine;
        if (s->channel->kind != kind) continue;
        any = true;
        buf_put(&copy, name.p, name.n);
        pubsub__leave(x->c, s);
        name = str_of(copy.p, copy.n);
        channels__confirm(x, kind, true, &name);
        buf_free(&copy);
    }
    if (!any) channels__confirm(x, kind, true, NULL);
    return DONE;
}

static enum outcome cmd_subscribe(struct call *x) {
    return channels_join(x, CHANNEL);
}

static enum outcome cmd_psubscribe(struct call *x) {
    return channels_join(x, CHANNEL_PATTERN);
}

static enum outcome cmd_unsubscribe(struct call *x) {
    return channels_part(x, CHANNEL);
}

static enum outcome cmd_punsubscribe(struct call *x) {
    return channels_part(x, CHANNEL_PATTERN);
}

static enum outcome cmd_publish(struct call *x) {
    size_t n = pubsub_publish(x->k, x->lane, CHANNEL, client_scope(x->c),
                              x->argv[1], x->argv[2]);

    reply_int(x->r, (int64_t)n);
    return DONE;
}

enum { CHANNELS_FLAGS = PUBSUB | NOSCRIPT | LOADING | STALE | SUBSCRIBED };

static const struct command channel_commands[] = {
    { "psubscribe", cmd_psubscribe, -2, CHANNELS_FLAGS, 0, 0, 0, GROUP_PUBSUB,
      "2.0.0", "O(N) for N patterns", "pattern [pattern ...]",
      "Listens to all channels whose names match." },
    { "publish", cmd_publish, 3, PUBSUB | LOADING | STALE | FAST, 0, 0, 0,
      GROUP_PUBSUB, "2.0.0", "O(N+M) for N subscribers, M patterns",
      "channel message", "Tells all who listen to a channel." },
    { "punsubscribe", cmd_punsubscribe, -1, CHANNELS_FLAGS, 0, 0, 0,
      GROUP_PUBSUB, "2.0.0", "O(N) for N patterns", "[pattern [pattern ...]]",
      "Listens to patterns, or all of them, no more." },
    { "subscribe", cmd_subscribe, -2, CHANNELS_FLAGS, 0, 0, 0, GROUP_PUBSUB,
      "2.0.0", "O(N) for N channels", "channel [channel ...]",
      "Listens to channels." },
    { "unsubscribe", cmd_unsubscribe, -1, CHANNELS_FLAGS, 0, 0, 0,
      GROUP_PUBSUB, "2.0.0", "O(N) for N channels", "[channel [channel ...]]",
      "Listens to channels, or all of them, no more." },
};
