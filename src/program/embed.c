/* ==== embed - the public interface =========================================
 *
 * What kvns.h promises, on the caller's thread alone.
 *
 * floor 8 - uses: base clock buf log reply options option instance saver
 *    client measure pubsub track watch waiters exec net listen instances
 */
static void embed__fill(struct options *o, const struct kvns_options *from) {
    char err[OPTION_ERR], number[32];
    static const char no[] = "no";

    options_init(o, false);
    option_set(o, STR("metrics-port"), STR("0"), ORIGIN_FLAG, err);
    option_set(o, STR("protected-mode"), str_of(no, 2), ORIGIN_FLAG, err);
    snprintf(number, sizeof number, "%d", from->port);
    option_set(o, STR("port"), str_c(number), ORIGIN_FLAG, err);
    option_set(o, STR("host"), str_c(from->host == NULL ? "127.0.0.1" :
                                                          from->host),
               ORIGIN_FLAG, err);
    if (from->memory_limit != 0) {
        snprintf(number, sizeof number, "%zu", from->memory_limit);
        option_set(o, STR("memory-limit"), str_c(number), ORIGIN_FLAG, err);
    }
    if (from->persist_path != NULL)
        option_set(o, STR("persist-path"), str_c(from->persist_path),
                   ORIGIN_FLAG, err);
    if (from->unixsocket != NULL)
        option_set(o, STR("unixsocket"), str_c(from->unixsocket), ORIGIN_FLAG,
                   err);
    if (from->shards > 1) {
        snprintf(number, sizeof number, "%d", from->shards);
        option_set(o, STR("sharded-mode"), STR("yes"), ORIGIN_FLAG, err);
        option_set(o, STR("shard-count"), str_c(number), ORIGIN_FLAG, err);
        option_set(o, STR("threads"), STR("1"), ORIGIN_FLAG, err);
    }
}

struct kvns *kvns_new(const struct kvns_options *options) {
    struct options o;
    struct kvns *k;
    struct client *c;

    embed__fill(&o, options);
    k = instances_new(&o);
    if (k == NULL) return NULL;
    atomic_store(&k->log.level, KLOG_OFF);
    k->loop = loop_new(k, k->lanes);
    c = client_new(k->lanes, -1);
    if (k->loop == NULL || c == NULL || !listen_all(k, k->loop, 0, NULL)) {
        kvns_free(k);
        return NULL;
    }
    c->flags |= CLIENT_EMBEDDED | CLIENT_NAMED_AUTH | CLIENT_LOCAL;
    c->proto = options->protocol == 3 ? 3 : 2;
    k->embedded = c;
    return k;
}

int kvns_turn(struct kvns *k, int timeout_ms) {
    loop_turn(k->loop, timeout_ms);
    saver_turn(k, k->lanes[0].clock.wall_ms);
    return atomic_load(&k->stop) ? -1 : 0;
}

int kvns_exec(struct kvns *k, int argc, const char *const *argv,
              const size_t *lengths, struct kvns_reply *reply) {
    struct str few[16], *args = few;
    struct buf out = { reply->bytes, 0, reply->capacity, false };
    struct client *c = k->embedded;
    struct lane *l = k->lanes;
    struct reply r;
    int64_t begun;

    if (argc < 1) return -1;
    if (argc > (int)ROWS(few)) {
        args = malloc((size_t)argc * sizeof *args);
        if (args == NULL) return -1;
    }
    for (int i = 0; i < argc; i++)
        args[i] = lengths == NULL ? str_c(argv[i]) :
                                    str_of(argv[i], lengths[i]);
    clock_read(&l->clock);
    reply_open(&r, &out, c->proto, SIZE_MAX);
    begun = measure_open(l);
    exec_request(l, c, exec_find(k, args[0]), (size_t)argc, args, NULL, &r);
    measure_close(l, begun);
    if (c->waiting != NULL) {
        client_unwait(c, false);
        reply_null_array(&r);
    }
    c->state = CLIENT_OPEN;
    c->proto = r.proto;
    reply_close(&r);
    if (args != few) free(args);
    reply->bytes = out.p;
    reply->length = out.n;
    reply->capacity = out.cap;
    return r.failed ? -1 : 0;
}

void kvns_reply_free(struct kvns_reply *reply) {
    free(reply->bytes);
    memset(reply, 0, sizeof *reply);
}

void kvns_free(struct kvns *k) {
    if (k == NULL) return;
    if (k->embedded != NULL) {
        watch_clear(k->embedded, false);
        pubsub_part_all(k->embedded);
        track_off(k->embedded);
        client_free(k->embedded);
    }
    loop_free(k->loop);
    instances_free(k);
}
