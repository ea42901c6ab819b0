/* SPDX-License-Identifier: MIT */
/* ==== asking - who wants to be let in, one after the other =================
 *
 * To try a user's password takes thousands of rounds of SHA-256.  Whoever
 * sends wrong ones without end must not keep the loop from others, so the
 * client is blocked with its command kept, and stands in its lane's row:
 *
 *   AUTH -> row -> one at a time, ASKING_ROUNDS a turn -> AUTH runs again
 *
 * Passwords get the time in which nobody asks for anything else; of the rest
 * one ASKING_SHARE'th, once a credit is used up that is enough for a few
 * logins at once.  Next is who has failed
 * least, on its connection and from its address together, and of those who
 * came first: so that one who guesses delays himself.  Failures of an address
 * are forgotten by half each ASKING_FORGET_US.
 *
 * Addresses share counters by their hash; all belongs to the lane.
 *
 * floor 5 - uses: base clock hash sha256 instance users client
 */
enum {
    ASKING_ROUNDS = 128,        /* some 50 us */
    ASKING_SHARE = 4,
    ASKING_CREDIT_US = 20000,
    ASKING_FORGET_US = 10000000,
    ASKING_SLOTS = 256
};

struct asking {
    struct client *first, *last;
    struct client *now;         /* of these: whose password is being tried */
    struct client *tried;       /* not of these: whose one has been */
    struct user_try attempt;    /* of `now` or `tried` */
    int64_t credit_us;          /* of the loop's time */
    int64_t looked_us, forget_us;   /* monotonic: last; when to forget */
    uint8_t failures[ASKING_SLOTS];     /* of addresses */
};

/* Free a lane's row, when its clients have gone. */
static void asking_free(struct lane *l) {
    if (l->asking == NULL) return;
    sha256_wipe(l->asking, sizeof *l->asking);
    free(l->asking);
    l->asking = NULL;
}

/* The counter of a client's address, which it shares with few others. */
static uint8_t *asking__slot(struct asking *a, const struct client *c) {
    const char *colon = strrchr(c->addr, ':');
    size_t n = colon == NULL ? strlen(c->addr) : (size_t)(colon - c->addr);

    return &a->failures[hash_fast(c->addr, n, 0) % ASKING_SLOTS];
}

/* Leave the row; what was tried for this client is forgotten. */
static void asking__leave(struct asking *a, struct client *c) {
    struct client **p = &a->first, *last = NULL;

    if ((c->flags & CLIENT_ASKING) == 0) return;
    for (; *p != c; p = &(*p)->next_asking) last = *p;
    *p = c->next_asking;
    if (a->last == c) a->last = last;
    if (a->now == c) a->now = NULL;
    c->flags &= ~(uint32_t)CLIENT_ASKING;
}

/* A client is about to be freed: it asks no more. */
static void asking_drop(struct client *c) {
    if (c->lane->asking != NULL) asking__leave(c->lane->asking, c);
}

/* Put a client at the end of the row: argument `at` of its command is the
 * user, the next one the password.  False: no memory. */
static bool asking__join(struct call *x, size_t at) {
    struct lane *l = x->lane;
    struct client *c = x->c;

    if (l->asking == NULL) {
        l->asking = calloc(1, sizeof *l->asking);
        if (l->asking == NULL) return false;
        l->asking->credit_us = ASKING_CREDIT_US;
        l->asking->looked_us = l->clock.mono_us;
    }
    c->held = saved_call_new(x->row, x->argc, x->argv);
    if (c->held == NULL) return false;
    c->asks_at = at;
    c->state = CLIENT_BLOCKED;
    c->flags |= CLIENT_ASKING;
    c->next_asking = NULL;
    if (l->asking->first == NULL) l->asking->first = c;
    else l->asking->last->next_asking = c;
    l->asking->last = c;
    return true;
}

/* Is the password right that is behind argument `at`, the user?  BLOCKED: that
 * is being found out, and the command will run again.  DONE: *u is the user,
 * or NULL.  FAILED: no memory. */
static enum outcome asking_check(struct call *x, size_t at,
                                 const struct user **u) {
    struct asking *a = x->lane->asking;
    struct client *c = x->c;
    struct str name = x->argv[at];

    if ((c->flags & CLIENT_EMBEDDED) != 0) {
        *u = user_check(x->k, name, x->argv[at + 1]);
        return DONE;
    }
    if (a == NULL || a->tried != c ||
        !user_try_holds(&a->attempt, x->k, name))
        return asking__join(x, at) ? BLOCKED : FAILED;
    *u = user_try_end(&a->attempt, x->k, name);
    if (*u != NULL) {
        c->failures = 0;
    } else {
        uint8_t *slot = asking__slot(a, c);

        c->failures += c->failures < UINT32_MAX / 2;
        *slot = (uint8_t)(*slot + (*slot < UINT8_MAX));
    }
    return DONE;
}

/* Whose turn it is. */
static struct client *asking__next(struct asking *a) {
    struct client *best = NULL;
    uint32_t least = UINT32_MAX;

    for (struct client *c = a->first; c != NULL; c = c->next_asking) {
        uint32_t n = c->failures + *asking__slot(a, c);

        if (n >= least) continue;
        least = n;
        best = c;
    }
    return best;
}

/* Let credit grow, and failures be forgotten, with time. */
static void asking__settle(struct asking *a, int64_t now) {
    a->credit_us += (now - a->looked_us) / ASKING_SHARE;
    a->looked_us = now - (now - a->looked_us) % ASKING_SHARE;
    if (a->credit_us > ASKING_CREDIT_US) a->credit_us = ASKING_CREDIT_US;
    if (now < a->forget_us) return;
    a->forget_us = now + ASKING_FORGET_US;
    for (size_t i = 0; i < ASKING_SLOTS; i++) a->failures[i] /= 2;
}

/* Is there somebody?  Then the loop must not wait for its clients. */
static bool asking_any(const struct lane *l) {
    return l->asking != NULL && l->asking->first != NULL;
}

/* None of the lane's clients has anything to do: the next step is free. */
static void asking_alone(struct lane *l) {
    struct asking *a = l->asking;

    if (a != NULL && a->credit_us <= 0) a->credit_us = 1;
}

/* Do a piece of the work.  The client whose password has been tried by that,
 * out of the row: its command, in `held`, is to be run again, and then
 * asking_done be called.  NULL: there is none. */
static struct client *asking_step(struct lane *l) {
    struct asking *a = l->asking;
    struct client *c;
    int64_t now;
    bool done;

    if (a == NULL || a->first == NULL) return NULL;
    now = clock_mono_ns() / 1000;
    asking__settle(a, now);
    if (a->credit_us <= 0) return NULL;
    if (a->now == NULL) {
        a->now = asking__next(a);
        user_try_begin(&a->attempt, l->k, a->now->held->argv[a->now->asks_at],
                       a->now->held->argv[a->now->asks_at + 1]);
    }
    done = sha256_stretch_step(&a->attempt.work, ASKING_ROUNDS);
    a->credit_us -= clock_mono_ns() / 1000 - now;
    if (!done) return NULL;
    c = a->now;
    asking__leave(a, c);
    return a->tried = c;
}

/* The command has been run again. */
static void asking_done(struct lane *l) {
    l->asking->tried = NULL;
    sha256_wipe(&l->asking->attempt, sizeof l->asking->attempt);
}
