/* SPDX-License-Identifier: MIT */
/* ==== world - every lane at rest ===========================================
 *
 * A few commands concern all lanes: CLIENT LIST looks at everybody's clients,
 * INFO adds up everybody's counters, CONFIG SET changes what all of them read.
 * They run with the world at rest, so that nothing they touch needs a lock or
 * an atomic anywhere else:
 *
 *   lane    gate shut? wait -> [turn] read, run, write [/turn] -> poll
 *   stop    leave own turn -> shut the gate -> take the turn of every lane
 *
 * A lane holds its turn whenever it does anything but wait for sockets.  Who
 * wants the world to rest lets go of its own turn first, so two of them meet
 * at the gate and neither waits for the other's turn; the gate keeps busy
 * lanes from taking their turn again at once.  Nobody stops the world who
 * holds a shard's lock.
 *
 * With one lane all of this is nothing.
 *
 * floor 5 - uses: base instance
 */

/* A lane begins to work. */
static inline void world_enter(struct lane *l) {
    struct kvns *k = l->k;

    if (LIKELY(!k->ks.threads)) return;
    if (UNLIKELY(atomic_load_explicit(&k->resting, memory_order_relaxed))) {
        pthread_mutex_lock(&k->gate);
        pthread_mutex_unlock(&k->gate);
    }
    pthread_mutex_lock(&l->turn);
}

/* It is about to wait. */
static inline void world_leave(struct lane *l) {
    if (l->k->ks.threads) pthread_mutex_unlock(&l->turn);
}

/* Have all lanes rest; l is the caller's own, in its turn, without locks. */
static void world_stop(struct lane *l) {
    struct kvns *k = l->k;

    if (!k->ks.threads) return;
    pthread_mutex_unlock(&l->turn);
    atomic_fetch_add(&k->resting, 1);
    pthread_mutex_lock(&k->gate);
    for (uint32_t i = 0; i < k->nlanes; i++)
        pthread_mutex_lock(&k->lanes[i].turn);
}

/* Let them go on. */
static void world_go(struct lane *l) {
    struct kvns *k = l->k;

    if (!k->ks.threads) return;
    for (uint32_t i = k->nlanes; i-- > 0;)
        if (k->lanes + i != l) pthread_mutex_unlock(&k->lanes[i].turn);
    atomic_fetch_sub(&k->resting, 1);
    pthread_mutex_unlock(&k->gate);
}

/* Let every other lane come by soon, to see what has changed. */
static void world_wake(struct lane *l) {
    struct kvns *k = l->k;

    for (uint32_t i = 0; i < k->nlanes; i++)
        if (k->lanes + i != l) lane_wake(k->lanes + i);
}
