/* SPDX-License-Identifier: MIT */
/* ==== waiters - clients that wait for data =================================
 *
 * BLPOP and its kin: a client whose command found nothing is put, with a copy
 * of the command, at the end of the row of each key it named.  When the door
 * sees data in such a key it notes the key; dispatch then runs the commands of
 * the row again, in order, until one finds nothing.  So a command is written
 * once and need not know how it came to be run.
 *
 * Rows belong to shards: joined and left under their locks.  Clients with a
 * time limit are also in their lane's pairing heap (Fredman and others,
 * Algorithmica 1, 1986), linked through the clients: first child, next
 * sibling, and back to the sibling or parent.  A blocked client costs nothing
 * while it waits.
 *
 * floor 5 - uses: base entry shard instance client measure
 */
struct waiter {
    struct side_link link;      /* link.who: this */
    struct waiter *next;        /* of the client */
    struct client *client;      /* touched by its own lane only */
    struct lane *lane;
    struct shard *shard;
    size_t arg;                 /* which argument the key is */
    enum kind kind;             /* of the value that is waited for */
    bool leaves;                /* waits for the end of the value, too */
    uint32_t turn;              /* of the key, when last tried in vain */
};

/* ---- time limits --------------------------------------------------------- */

/* Make one heap of two, either of which may be empty. */
static struct client *timers__merge(struct client *a, struct client *b) {
    struct client *under;

    if (a == NULL || b == NULL) return a == NULL ? b : a;
    under = a->wait_until <= b->wait_until ? b : a;
    if (under == a) a = b;
    under->timer_prev = a;
    under->timer_next = a->timer_child;
    if (a->timer_child != NULL) a->timer_child->timer_prev = under;
    a->timer_child = under;
    return a;
}

/* Make one heap of a row of siblings: in pairs, then from the last on. */
static struct client *timers__merge_row(struct client *c) {
    struct client *pairs = NULL, *heap = NULL, *next;

    for (; c != NULL; c = next) {
        struct client *second = c->timer_next;

        next = second == NULL ? NULL : second->timer_next;
        c = timers__merge(c, second);
        c->timer_next = pairs;
        pairs = c;
    }
    for (; pairs != NULL; pairs = next) {
        next = pairs->timer_next;
        pairs->timer_next = NULL;
        heap = timers__merge(heap, pairs);
    }
    return heap;
}

/* When the loop has to look again. */
static void timers__settle(struct lane *l) {
    int64_t t = l->timers == NULL ? 0 : l->timers->wait_until;

    if (l->held != NULL && (t == 0 || l->k->pause_until < t))
        t = l->k->pause_until;
    l->next_timeout = t;
}

static void timers__add(struct lane *l, struct client *c) {
    c->timer_child = c->timer_next = c->timer_prev = NULL;
    l->timers = timers__merge(l->timers, c);
    timers__settle(l);
}

static void timers__remove(struct lane *l, struct client *c) {
    struct client *under = timers__merge_row(c->timer_child);

    if (l->timers == c) {
        l->timers = under;
    } else {
        if (c->timer_prev->timer_child == c)
            c->timer_prev->timer_child = c->timer_next;
        else
            c->timer_prev->timer_next = c->timer_next;
        if (c->timer_next != NULL) c->timer_next->timer_prev = c->timer_prev;
        l->timers = timers__merge(l->timers, under);
    }
    if (l->timers != NULL) l->timers->timer_prev = l->timers->timer_next = NULL;
    timers__settle(l);
}

/* ---- rows ---------------------------------------------------------------- */

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

/* Join the end of the row of the key that is an argument.  False: no memory. */
static bool waiters__join(struct call *x, size_t arg) {
    struct waiter *w = calloc(1, sizeof *w);
    struct keyref ref;

    if (w == NULL) return false;
    key_ref(&x->w, x->argv[arg], &ref);
    w->link.who = w;
    w->client = x->c;
    w->lane = x->lane;
    w->shard = ref.shard;
    w->arg = arg;
    w->kind = x->row->group == GROUP_ZSET ? KIND_ZSET :
              x->row->group == GROUP_STREAM ? KIND_STREAM : KIND_LIST;
    w->leaves = w->kind == KIND_STREAM && (x->row->flags & WRITE) != 0;
    w->next = x->c->waiters;
    x->c->waiters = w;
    if (!side_join(ref.shard, &ref.shard->waited, x->w.db, ref.ns, ref.local,
                   &w->link))
        return false;
    w->turn = w->link.key->turn - 1;
    return true;
}

/* Wait for data in n keys (argv from first, every step), `seconds` at most, 0
 * for ever; the keys' shards are locked.  False: no memory. */
static bool client_wait(struct call *x, size_t first, size_t n, size_t step,
                        double seconds) {
    struct client *c = x->c;
    struct lane *l = x->lane;

    KVNS_ASSERT(n > 0 && (step == 1 || n == 1));
    if (x->again) return true;          /* it waits already */
    c->waiting = saved_call_new(x->row, x->argc, x->argv);
    if (c->waiting == NULL) return false;
    for (size_t i = 0; i < n; i++)
        if (!waiters__join(x, first + i)) {
            waiters_clear(c, true);
            free(c->waiting);
            c->waiting = NULL;
            return false;
        }
    c->wait_first = first;
    c->wait_keys = n;
    c->wait_until = seconds == 0 ? 0 :
                        l->clock.mono_us + (int64_t)(seconds * 1e6) + 1;
    if (c->wait_until != 0) timers__add(l, c);
    c->state = CLIENT_BLOCKED;
    return true;
}

/* The wait is over: leave the rows, forget the command. */
static void client_unwait(struct client *c, bool locked) {
    struct lane *l = c->lane;

    if (c->waiting == NULL) return;
    waiters_clear(c, locked);
    free(c->waiting);
    c->waiting = NULL;
    if (c->wait_until != 0) timers__remove(l, c);
    if (c->state == CLIENT_BLOCKED) c->state = CLIENT_OPEN;
}

/* Give a client what it has waited for; it goes on in this turn. */
static void client_answer(struct client *c, struct str reply) {
    client_unwait(c, false);
    if (client_wants_reply(c)) client_write(c, reply.p, reply.n);
    client_stir(c);
}

/* End the wait of a client: with what all such commands answer when the time
 * is over, or with an error.  No shard is locked.  False: it did not wait. */
static bool client_unblock(struct client *c, bool error) {
    struct str reply = c->proto == 2 ? STR("*-1\r\n") : STR("_\r\n");

    if (c->waiting == NULL || c->state != CLIENT_BLOCKED) return false;
    if (error) {
        reply = STR("-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
        c->lane->stats[c->waiting->row - c->lane->k->rows].failed++;
        measure_error(c->lane, "UNBLOCKED");
    }
    client_answer(c, reply);
    return true;
}

/* End the waits whose time is over. */
static inline void waiters_expire(struct lane *l) {
    if (LIKELY(l->next_timeout == 0 || l->clock.mono_us < l->next_timeout))
        return;
    while (l->timers != NULL && l->timers->wait_until <= l->clock.mono_us)
        if (!client_unblock(l->timers, false))
            client_unwait(l->timers, false);
    timers__settle(l);
}

/* Is somebody still there to take what is given?  A peer that has closed may
 * not have been read yet.  A client that is not there waits no more. */
static bool client_is_there(struct client *c) {
    char byte;
    ssize_t n;

    if (c->state == CLIENT_BLOCKED) {
        if (c->fd == -1) return true;
        do n = recv(c->fd, &byte, 1, MSG_PEEK);
        while (n == -1 && errno == EINTR);
        if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)))
            return true;
    }
    client_unwait(c, false);
    client_cut(c);
    return false;
}
