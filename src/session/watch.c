/* SPDX-License-Identifier: MIT */
/* ==== watch - WATCH: to be told of changes =================================
 *
 * A watch is a link in the row of a key's record, which the door finds when
 * the key changes; it sets the client's flag.  Absent keys can be watched.
 * A key that expired counts as changed once the expiry is noticed, so EXEC
 * looks at the watched keys that were alive when it was asked to watch.
 *
 * Rows belong to shards: joined and left under their locks.
 *
 * floor 5 - uses: base table entry shard due door instance
 */
struct watch {
    struct side_link link;      /* link.who: &client->touched */
    struct watch *next;
    struct shard *shard;
    int db;
    bool existed;               /* the key was alive when watching began */
};

/* Watch a key; its shard is locked.  False: no memory. */
static bool watch_add(struct call *x, struct str key) {
    struct client *c = x->c;
    struct keyref ref;
    struct watch *w;
    struct edit ed;

    /* a key whose time has come goes now, for that is no change later */
    edit_open(&x->w, key, &ed);
    edit_cancel(&ed);
    key_ref(&x->w, key, &ref);
    for (w = c->watches; w != NULL; w = w->next) {
        struct side_key *k = w->link.key;
        size_t nslen = ref.ns.p == NULL ? 0 : ref.ns.n;

        if (w->shard == ref.shard && k->db == x->w.db &&
            k->nslen == (ref.ns.p == NULL ? UINT32_MAX : nslen) &&
            (nslen == 0 || memcmp(k->name, ref.ns.p, nslen) == 0) &&
            str_eq(str_of(k->name + nslen, k->n), ref.local))
            return true;
    }
    w = calloc(1, sizeof *w);
    if (w == NULL) return false;
    w->shard = ref.shard;
    w->db = x->w.db;
    w->link.who = &c->touched;
    w->existed = ed.e != NULL;
    if (!side_join(ref.shard, &ref.shard->watched, x->w.db, ref.ns, ref.local,
                   &w->link)) {
        free(w);
        return false;
    }
    w->next = c->watches;
    c->watches = w;
    return true;
}

/* Has a watched key's time come since?  Its shard is locked. */
static bool watch_is_dead(struct work *w, const struct watch *x) {
    struct side_key *k = x->link.key;
    bool plain = k->nslen == UINT32_MAX;
    struct str ns = { plain ? NULL : k->name, plain ? 0 : k->nslen };
    struct str local = { k->name + ns.n, k->n };
    struct shard *s = x->shard;
    struct db *db = s->dbs[x->db];
    struct table_at at;
    struct space *sp;
    struct entry *e;

    if (!x->existed) return false;
    sp = plain ? db->plain : space_find(s, db, ns, &at);
    if (sp == NULL) return true;
    e = space_entry(w->ks, sp, local, key_hash(w->ks, local), &at);
    return e == NULL || entry_is_dead(e, w->now);
}

/* Stop watching all.  Takes each key's shard's lock unless `locked` says that
 * the caller holds them all. */
static void watch_clear(struct client *c, bool locked) {
    for (struct watch *w = c->watches, *next; w != NULL; w = next) {
        next = w->next;
        if (!locked) shard_lock(w->shard);
        side_leave(w->shard, &w->shard->watched, &w->link);
        if (!locked) shard_unlock(w->shard);
        free(w);
    }
    c->watches = NULL;
    atomic_store(&c->touched, false);
}
