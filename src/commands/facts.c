/* SPDX-License-Identifier: MIT */
/* ==== facts - what COMMAND says beyond the rows ============================
 *
 * Redis 7.0 tells, of each command, where its keys are and what happens to
 * them, to which categories it belongs and what its doc has of notes.  What
 * does not follow from a row stands here: data, no code.
 *
 * A key specification is "where what": where is
 *
 *   1:0,1,0        from argument 1 on: last (0 the same one, -1 the end, in
 *                  steps of 1, limit 0 (2: half of what is left)
 *   1#0,1,1        at argument 1 stands a count, the keys follow
 *   STREAMS,1:...  from the word STREAMS on, looked for from argument 1
 *   ?              told as unknown; what follows is how to find it anyway
 *
 * floor 6 - uses: -
 */
struct fact {
    const char *text;
    const char *names;          /* of commands, a blank around each */
};

static const struct fact fact_keys[] = {
    { "1:0,1,0 RO access",
      " bitcount bitfield_ro bitpos dump expiretime geodist geohash "
      "hexpiretime hpexpiretime hpttl httl "
      "geopos georadius_ro georadiusbymember_ro geosearch get getbit "
      "getrange hget hgetall hkeys hmget hrandfield hscan hvals lindex "
      "lpos lrange pexpiretime pttl smembers smismember srandmember "
      "sscan substr ttl xpending xrange xrevrange zcount zlexcount "
      "zmscore zrandmember zrange zrangebylex zrangebyscore zrank "
      "zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore " },
    { "1:0,1,0 RW update",
      " expire expireat geoadd hmset hset lset persist pexpire pexpireat "
      "hexpire hexpireat hpersist hpexpire hpexpireat hsetex "
      "setrange xack xadd xclaim xsetid zadd " },
    { "1:0,1,0 RW access update",
      " decr decrby getex getset hgetex hincrby hincrbyfloat incr incrby "
      "incrbyfloat move setbit zincrby " },
    { "1:0,1,0 RW delete",
      " hdel lrem ltrim srem xautoclaim xdel xtrim zrem zremrangebylex "
      "zremrangebyrank zremrangebyscore " },
    { "1:0,1,0 RO",
      " hexists hlen hstrlen llen scard sismember strlen type xlen zcard " },
    { "1:0,1,0 RW insert",
      " append hsetnx linsert lpush lpushx pfadd rpush rpushx sadd " },
    { "1:0,1,0 RW access delete",
      " getdel hgetdel lpop rpop spop zpopmax zpopmin " },
    { "1#0,1,1 RO access",
      " sintercard zdiff zinter zintercard zunion " },
    { "1:0,1,0 RW access delete;2:0,1,0 RW insert",
      " blmove brpoplpush lmove rpoplpush smove " },
    { "2:0,1,0 RO",
      " memory|usage object|encoding object|freq object|idletime "
      "object|refcount " },
    { "2:0,1,0 RW access",
      " pfdebug " },
    { "1:-1,1,0 RO access",
      " mget sdiff sinter sunion " },
    { "1:-2,1,0 RW access delete",
      " blpop brpop bzpopmax bzpopmin " },
    { "1:-1,1,0 RO",
      " exists touch watch " },
    { "1:0,1,0 OW update",
      " psetex restore restore-asking setex " },
    { "1:0,1,0 OW update;2#0,1,1 RO access",
      " zdiffstore zinterstore zunionstore " },
    { "2:0,1,0 RO access",
      " xinfo|consumers xinfo|groups xinfo|stream " },
    { "1#0,1,1 RW access delete",
      " lmpop zmpop " },
    { "1:-1,1,0 RM delete",
      " del unlink " },
    { "1:-1,1,0 not_key",
      " ssubscribe sunsubscribe " },
    { "1:0,1,0 OW update;2:-1,1,0 RO access",
      " sdiffstore sunionstore " },
    { "1:0,1,0 OW update;2:0,1,0 RO access",
      " geosearchstore zrangestore " },
    { "1:0,1,0 RW access update variable_flags",
      " bitfield set " },
    { "2#0,1,1 RW access delete",
      " blmpop bzmpop " },
    { "2:0,1,0 RW delete",
      " xgroup|delconsumer xgroup|destroy " },
    { "2:0,1,0 RW insert",
      " xgroup|create xgroup|createconsumer " },
    { "1:-1,1,0 RW access",
      " pfcount " },
    { "1:-1,2,0 OW insert",
      " msetnx " },
    { "1:-1,2,0 OW update",
      " mset " },
    { "1:0,1,0 OW insert",
      " setnx " },
    { "1:0,1,0 RO access;2:0,1,0 OW update",
      " copy " },
    { "1:0,1,0 RO access;? RO access",
      " sort_ro " },
    { "1:0,1,0 RO access;? RO access;?STORE,2:0,1,0 OW update",
      " sort " },
    { "1:0,1,0 RO access;STORE,5:0,1,0 OW update;STOREDIST,5:0,1,0 OW update",
      " georadiusbymember " },
    { "1:0,1,0 RO access;STORE,6:0,1,0 OW update;STOREDIST,6:0,1,0 OW update",
      " georadius " },
    { "1:0,1,0 RW access delete;2:0,1,0 OW insert",
      " renamenx " },
    { "1:0,1,0 RW access delete;2:0,1,0 OW update",
      " rename " },
    { "1:0,1,0 RW access insert;2:-1,1,0 RO access",
      " pfmerge " },
    { "1:0,1,0 RW update;2:-1,1,0 RO access",
      " sinterstore " },
    { "1:0,1,0 not_key",
      " spublish " },
    { "1:1,1,0 RO access",
      " lcs " },
    { "2:0,1,0 OW update;3:-1,1,0 RO access",
      " bitop " },
    { "2:0,1,0 RW update",
      " xgroup|setid " },
    { "STREAMS,1:-1,1,2 RO access",
      " xread " },
    { "STREAMS,4:-1,1,2 RO access",
      " xreadgroup " },
};

/* Flags that only COMMAND INFO shows. */
static const struct fact fact_flags[] = {
    { "asking", " restore-asking " },
    { "no_async_loading", " bgrewriteaof bgsave psync replicaof save slaveof "
      "sync " },
    { "allow_busy", " auth discard hello multi quit replconf reset shutdown "
      "unwatch watch " },
    { "skip_slowlog", " exec " },
    { "no_mandatory_keys", " eval eval_ro evalsha evalsha_ro fcall fcall_ro " },
    { "skip_monitor", " eval eval_ro evalsha evalsha_ro fcall fcall_ro " },
};

/* Tips for clients and proxies, as COMMAND INFO shows them. */
static const struct fact fact_tips[] = {
    { "nondeterministic_output",
      " client|info client|list dump hrandfield hscan lastsave "
      "object|encoding object|freq object|idletime object|refcount "
      "pttl spop srandmember sscan time ttl xadd xautoclaim xclaim "
      "xinfo|consumers xpending xtrim zrandmember zscan " },
    { "nondeterministic_output request_policy:all_nodes "
      "response_policy:special",
      " latency|doctor latency|graph latency|histogram latency|history "
      "latency|latest " },
    { "nondeterministic_output request_policy:all_shards "
      "response_policy:special",
      " info memory|doctor memory|malloc-stats memory|stats " },
    { "nondeterministic_output request_policy:special",
      " scan " },
    { "nondeterministic_output_order",
      " command command|docs command|info command|list hgetall hkeys "
      "hvals module|list sdiff sinter smembers sunion " },
    { "request_policy:all_nodes nondeterministic_output",
      " slowlog|get " },
    { "request_policy:all_nodes "
      "response_policy:agg_sum nondeterministic_output",
      " slowlog|len " },
    { "request_policy:all_nodes response_policy:all_succeeded",
      " config|set latency|reset slowlog|reset " },
    { "request_policy:all_shards nondeterministic_output",
      " randomkey " },
    { "request_policy:all_shards nondeterministic_output_order",
      " keys " },
    { "request_policy:all_shards response_policy:agg_min",
      " wait " },
    { "request_policy:all_shards response_policy:agg_sum",
      " dbsize " },
    { "request_policy:all_shards response_policy:all_succeeded",
      " flushall flushdb memory|purge ping " },
    { "request_policy:multi_shard",
      " mget " },
    { "request_policy:multi_shard response_policy:agg_min",
      " msetnx " },
    { "request_policy:multi_shard response_policy:agg_sum",
      " del exists touch unlink " },
    { "request_policy:multi_shard response_policy:all_succeeded",
      " mset " },
};

/* Categories that follow from neither flags nor group; a '-' takes one away
 * that does. */
static const struct fact fact_categories[] = {
    { "keyspace", " dbsize flushall flushdb restore-asking swapdb " },
    { "-keyspace", " object sort sort_ro wait " },
    { "connection", " asking command command|count command|docs "
      "command|getkeys command|getkeysandflags command|help command|info "
      "command|list readonly readwrite wait " },
    { "-connection", " client " },
    { "-pubsub", " pubsub pubsub|help " },
    { "-stream", " xgroup xinfo " },
    { "-scripting", " function script " },
    { "list", " sort sort_ro " },
    { "set", " sort sort_ro " },
    { "sortedset", " sort sort_ro " },
    { "admin", " lastsave role " },
    { "dangerous", " flushall flushdb info keys lastsave migrate restore "
      "restore-asking role sort sort_ro swapdb " },
};

/* What is out of fashion: since when and what to use instead. */
static const struct {
    const char *name, *since, *instead;
} fact_deprecated[] = {
    { "brpoplpush", "6.2.0", "BLMOVE with RIGHT and LEFT" },
    { "georadius", "6.2.0", "GEOSEARCH and GEOSEARCHSTORE with BYRADIUS" },
    { "georadius_ro", "6.2.0", "GEOSEARCH with BYRADIUS" },
    { "georadiusbymember", "6.2.0",
      "GEOSEARCH and GEOSEARCHSTORE with BYRADIUS and FROMMEMBER" },
    { "georadiusbymember_ro", "6.2.0",
      "GEOSEARCH with BYRADIUS and FROMMEMBER" },
    { "getset", "6.2.0", "SET with GET" },
    { "hmset", "4.0.0", "HSET with several fields" },
    { "rpoplpush", "6.2.0", "LMOVE with RIGHT and LEFT" },
    { "slaveof", "5.0.0", "REPLICAOF" },
    { "substr", "2.0.0", "GETRANGE" },
    { "zrangebylex", "6.2.0", "ZRANGE with BYLEX" },
    { "zrangebyscore", "6.2.0", "ZRANGE with BYSCORE" },
    { "zrevrange", "6.2.0", "ZRANGE with REV" },
    { "zrevrangebylex", "6.2.0", "ZRANGE with REV and BYLEX" },
    { "zrevrangebyscore", "6.2.0", "ZRANGE with REV and BYSCORE" },
};
