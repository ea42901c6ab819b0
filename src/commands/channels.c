/* SPDX-License-Identifier: MIT */
/* ==== channels - publish and subscribe =====================================
 *
 * floor 6 - uses: base buf reply instance pubsub arg
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
    if ((x->c->flags & CLIENT_EMBEDDED) != 0 ||
        (kind == CHANNEL_SHARD && x->no_block)) {
        reply_errorf(x->r, "ERR %sSUBSCRIBE isn't allowed for a DENY BLOCKING "
                           "client", kind == CHANNEL ? "" :
                                     kind == CHANNEL_SHARD ? "S" : "P");
        return FAILED;
    }
    for (size_t i = 1; i < x->argc; i++) {
        if (!pubsub_join(x->c, kind, x->argv[i]))
            return reply_err(x, ERR_MEMORY);
        channels__confirm(x, kind, false, &x->argv[i]);
    }
    return DONE;
}

/* The client's next subscription of a kind, or NULL. */
static struct subscription *channels__next(struct subscription *s,
                                           enum channel_kind kind) {
    while (s != NULL && s->channel->kind != kind) s = s->mine;
    return s;
}

static enum outcome channels_part(struct call *x, enum channel_kind kind) {
    struct subscription *s = channels__next(x->c->subscriptions, kind), *next;
    struct buf copy = { 0 };

    for (size_t i = 1; i < x->argc; i++) {
        pubsub_part(x->c, kind, x->argv[i]);
        channels__confirm(x, kind, true, &x->argv[i]);
    }
    if (x->argc > 1) return DONE;
    if (s == NULL) channels__confirm(x, kind, true, NULL);
    for (; s != NULL; s = next) {
        struct str name = channel_name(s->channel);

        /* the name goes with the last who listens */
        next = channels__next(s->mine, kind);
        buf_reset(&copy);
        buf_put(&copy, name.p, name.n);
        name = str_of(copy.p, copy.n);
        pubsub_part(x->c, kind, name);
        channels__confirm(x, kind, true, &name);
    }
    buf_free(&copy);
    return DONE;
}

static enum outcome cmd_subscribe(struct call *x) {
    return channels_join(x, CHANNEL);
}

static enum outcome cmd_psubscribe(struct call *x) {
    return channels_join(x, CHANNEL_PATTERN);
}

static enum outcome cmd_ssubscribe(struct call *x) {
    return channels_join(x, CHANNEL_SHARD);
}

static enum outcome cmd_unsubscribe(struct call *x) {
    return channels_part(x, CHANNEL);
}

static enum outcome cmd_punsubscribe(struct call *x) {
    return channels_part(x, CHANNEL_PATTERN);
}

static enum outcome cmd_sunsubscribe(struct call *x) {
    return channels_part(x, CHANNEL_SHARD);
}

static enum outcome channels_publish(struct call *x, enum channel_kind kind) {
    size_t n = pubsub_publish(x->k, x->lane, kind, client_scope(x->c),
                              x->argv[1], x->argv[2]);

    reply_int(x->r, (int64_t)n);
    return DONE;
}

static enum outcome cmd_publish(struct call *x) {
    return channels_publish(x, CHANNEL);
}

static enum outcome cmd_spublish(struct call *x) {
    return channels_publish(x, CHANNEL_SHARD);
}

/* PUBSUB CHANNELS and SHARDCHANNELS. */
static enum outcome channels_list(struct call *x, enum channel_kind kind) {
    if (x->argc > 3) {
        reply_errorf(x->r, "ERR unknown subcommand or wrong number of "
                           "arguments for '%.*s'. Try PUBSUB HELP.",
                     (int)size_min(x->argv[1].n, 128), x->argv[1].p);
        return FAILED;
    }
    hub_list_reply(x->k->hub, kind, client_scope(x->c),
                   x->argc == 3 ? x->argv[2] : str_of(NULL, 0), x->r);
    return DONE;
}

static enum outcome cmd_pubsub_channels(struct call *x) {
    return channels_list(x, CHANNEL);
}

static enum outcome cmd_pubsub_shardchannels(struct call *x) {
    return channels_list(x, CHANNEL_SHARD);
}

/* PUBSUB NUMSUB and SHARDNUMSUB. */
static enum outcome channels_count(struct call *x, enum channel_kind kind) {
    reply_array(x->r, (x->argc - 2) * 2);
    for (size_t i = 2; i < x->argc; i++) {
        reply_bulk(x->r, x->argv[i]);
        reply_int(x->r, (int64_t)hub_listeners(x->k->hub, kind,
                                               client_scope(x->c),
                                               x->argv[i]));
    }
    return DONE;
}

static enum outcome cmd_pubsub_numsub(struct call *x) {
    return channels_count(x, CHANNEL);
}

static enum outcome cmd_pubsub_shardnumsub(struct call *x) {
    return channels_count(x, CHANNEL_SHARD);
}

static enum outcome cmd_pubsub_numpat(struct call *x) {
    size_t n = hub_patterns(x->k->hub, client_scope(x->c));

    reply_int(x->r, (int64_t)n);
    return DONE;
}

static enum outcome cmd_pubsub_help(struct call *x) {
    static const char *const lines[] = {
        "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CHANNELS [<pattern>]",
        "    The channels with subscribers; those that match, if asked.",
        "NUMPAT",
        "    How many patterns have subscribers.",
        "NUMSUB [<channel> ...]",
        "    How many subscribe to each channel itself.",
        "SHARDCHANNELS [<pattern>]",
        "    The shard channels with subscribers.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many subscribe to each shard channel.",
        "HELP",
        "    Prints this help."
    };

    reply_array(x->r, ROWS(lines));
    for (size_t i = 0; i < ROWS(lines); i++)
        reply_simple(x->r, str_c(lines[i]));
    return DONE;
}

/* A confirmation goes out before what others publish in the same batch: so
 * each of these ends it. */
enum {
    CHANNELS_FLAGS = PUBSUB | NOSCRIPT | LOADING | STALE | SUBSCRIBED |
                     BARRIER,
    CHANNELS_ASK = PUBSUB | LOADING | STALE
};

static const struct command channel_commands[] = {
    { "psubscribe", cmd_psubscribe, -2, CHANNELS_FLAGS, 0, 0, 0, GROUP_PUBSUB,
      SINCE(2, 0, 0), "O(N) for N patterns", "pattern [pattern ...]",
      "Listens to all channels whose names match." },
    { "publish", cmd_publish, 3,
      PUBSUB | LOADING | STALE | FAST | REPLICATES, 0, 0, 0, GROUP_PUBSUB,
      SINCE(2, 0, 0), "O(N+M) for N subscribers, M patterns",
      "channel message", "Tells all who listen to a channel." },
    { "pubsub", NULL, -2, CONTAINER, 0, 0, 0, GROUP_PUBSUB,
      SINCE(2, 8, 0), "that of the subcommand", "",
      "Questions about channels." },
    { "pubsub|channels", cmd_pubsub_channels, -2, CHANNELS_ASK,
      0, 0, 0, GROUP_PUBSUB, SINCE(2, 8, 0), "O(N) for N channels", "[pattern]",
      "The channels that somebody listens to." },
    { "pubsub|help", cmd_pubsub_help, 2, LOADING | STALE, 0, 0, 0,
      GROUP_PUBSUB, SINCE(6, 2, 0), "O(1)", "", "Explains the subcommands." },
    { "pubsub|numpat", cmd_pubsub_numpat, 2, CHANNELS_ASK, 0, 0,
      0, GROUP_PUBSUB, SINCE(2, 8, 0), "O(N) for N patterns", "",
      "How many patterns somebody listens to." },
    { "pubsub|numsub", cmd_pubsub_numsub, -2, CHANNELS_ASK, 0, 0,
      0, GROUP_PUBSUB, SINCE(2, 8, 0), "O(N) for N channels",
      "[channel [channel ...]]", "How many listen to each channel." },
    { "pubsub|shardchannels", cmd_pubsub_shardchannels, -2,
      CHANNELS_ASK, 0, 0, 0, GROUP_PUBSUB, SINCE(7, 0, 0),
      "O(N) for N channels", "[pattern]",
      "The shard channels that somebody listens to." },
    { "pubsub|shardnumsub", cmd_pubsub_shardnumsub, -2,
      CHANNELS_ASK, 0, 0, 0, GROUP_PUBSUB, SINCE(7, 0, 0),
      "O(N) for N channels", "[shardchannel [shardchannel ...]]",
      "How many listen to each shard channel." },
    { "punsubscribe", cmd_punsubscribe, -1, CHANNELS_FLAGS, 0, 0, 0,
      GROUP_PUBSUB, SINCE(2, 0, 0),
      "O(N) for N patterns", "[pattern [pattern ...]]",
      "Listens to patterns, or all of them, no more." },
    { "spublish", cmd_spublish, 3,
      PUBSUB | LOADING | STALE | FAST | REPLICATES, 1, 1, 1, GROUP_PUBSUB,
      SINCE(7, 0, 0), "O(N) for N subscribers",
      "shardchannel message", "Tells all who listen to a shard channel." },
    { "ssubscribe", cmd_ssubscribe, -2, CHANNELS_FLAGS, 1, -1, 1, GROUP_PUBSUB,
      SINCE(7, 0, 0), "O(N) for N channels", "shardchannel [shardchannel ...]",
      "Listens to shard channels." },
    { "subscribe", cmd_subscribe, -2, CHANNELS_FLAGS, 0, 0, 0, GROUP_PUBSUB,
      SINCE(2, 0, 0), "O(N) for N channels", "channel [channel ...]",
      "Listens to channels." },
    { "sunsubscribe", cmd_sunsubscribe, -1, CHANNELS_FLAGS, 1, -1, 1,
      GROUP_PUBSUB, SINCE(7, 0, 0), "O(N) for N channels",
      "[shardchannel [shardchannel ...]]",
      "Listens to shard channels, or all of them, no more." },
    { "unsubscribe", cmd_unsubscribe, -1, CHANNELS_FLAGS, 0, 0, 0,
      GROUP_PUBSUB, SINCE(2, 0, 0),
      "O(N) for N channels", "[channel [channel ...]]",
      "Listens to channels, or all of them, no more." },
};
