/* ==== waiters - clients that wait for data =================================
 *
 * BLPOP and its kin: a client whose command found nothing is put, with a copy
 * of the command, at the end of the row of each key it named.  When the door
 * sees data in such a key it notes the key; dispatch then runs the commands of
 * the row again, in order, until one finds nothing.  So a command is written
 * once and need not know how it came to be run.
 *
 * Rows belong to shards: joined and left under their locks.  A blocked client
 * costs nothing while it waits.
 *
 * floor 5 - uses: base clock shard options instance client
 */
struct waiter {
    struct side_link link;      /* link.who: the client */
    struct waiter *next;
    struct shard *shard;
    uint64_t id;                /* of the client, for other lanes */
    struct lane *lane;
};

/* Leave all rows.  Takes the shards' locks unless the caller holds them. */
static void waiters_clear(struct client *c, bool locked) {
    for (struct waiter *w = c->waiters, *next; w != NULL; w = next) {
        next = w->next;
        if (!locked) shard_lock(w->shard);
        if (w->link.key != NULL)
            side_leave(w->shard, &w->shard->waited, &w->link);
        if (!locked) shard_unlock(w->shard);
        free(w);
    }
    c->waiters = NULL;
}

/* Wait for data in n keys (argv from first, every step), `seconds` at most, 0
 * for ever; the keys' shards are locked.  False: no memory. */
static bool client_wait(struct call *x, size_t first, size_t n, size_t step,
                        double seconds) {
    struct client *c = x->c;
    struct lane *l = x->lane;

    if (x->again) return true;          /* it waits already */
    c->waiting = saved_call_new(x->row, x->argc, x->argv);
    if (c->waiting == NULL) return false;
    for (size_t i = 0; i < n; i++) {
        struct waiter *w = calloc(1, sizeof *w);
        struct keyref ref;

        key_ref(&x->w, x->argv[first + i * step], &ref);
        if (w != NULL) {
            w->shard = ref.shard;
            w->link.who = w;
            w->lane = l;
            w->id = c->id;
            w->next = c->waiters;
            c->waiters = w;
        }
        if (w == NULL || !side_join(ref.shard, &ref.shard->waited, x->w.db,
                                    ref.ns, ref.local, &w->link)) {
            waiters_clear(c, true);
            free(c->waiting);
            c->waiting = NULL;
            return false;
        }
    }
    c->wait_until = seconds == 0 ? 0 :
                        l->clock.mono_us + (int64_t)(seconds * 1e6) + 1;
    if (c->wait_until != 0 && (l->next_timeout == 0 ||
                               c->wait_until < l->next_timeout))
        l->next_timeout = c->wait_until;
    c->state = CLIENT_BLOCKED;
    c->next_wait = l->waiting;
    c->prev_wait = NULL;
    if (l->waiting != NULL) l->waiting->prev_wait = c;
    l->waiting = c;
    l->nblocked++;
    return true;
}

/* The wait is over: leave the rows, forget the command. */
static void client_unwait(struct client *c, bool locked) {
    struct lane *l = c->lane;

    if (c->waiting == NULL) return;
    waiters_clear(c, locked);
    free(c->waiting);
    c->waiting = NULL;
    if (c->prev_wait != NULL) c->prev_wait->next_wait = c->next_wait;
    else l->waiting = c->next_wait;
    if (c->next_wait != NULL) c->next_wait->prev_wait = c->prev_wait;
    l->nblocked--;
    if (c->state == CLIENT_BLOCKED) c->state = CLIENT_OPEN;
}
