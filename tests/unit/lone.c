/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* A keyspace of one shard and one database, and somebody who works there. */
struct lone {
    struct keyspace ks;
    struct shard shard;
    struct work w;
};

/* An empty one; the test goes on to set the options that it is about. */
static struct lone *lone_new(int64_t now) {
    struct lone *t = base_lines(sizeof *t);

    CHECK(t != NULL);
    t->ks.opt.databases = 1;
    t->ks.opt.memory_limit = SIZE_MAX;
    t->ks.seed = unit_rand();
    t->ks.shards = &t->shard;
    t->ks.nshards = 1;
    shard_init(&t->shard, &t->ks, 0);
    t->w.ks = &t->ks;
    t->w.rand = &t->shard.rand;
    t->w.now = now;
    return t;
}

static void lone_free(struct lone *t) {
    shard_empty(&t->shard);
    shard_fini(&t->shard);
    free(t);
}
