# SPDX-License-Identifier: MIT
"""The edges of everyday commands: wrong options, counts and types, side by
side with redis-server.  Each line is a command; both run a story from its
first line on, under RESP2 and RESP3, and have to answer alike."""

import shlex

import pytest

from harness import server as servers

STORIES = {
    "hello": r"""
PING a b ; ECHO ; ECHO a b ; HELLO 4 ; HELLO x ; HELLO 3 AUTH
HELLO 3 SETNAME a\ b ; HELLO 2 SETNAME ; HELLO 2 NOSE ; AUTH ; AUTH x
AUTH default x ; AUTH nobody x ; AUTH a b c ; SELECT x ; SELECT 16 ; SELECT -1
SELECT 99999999999 ; SELECT 1 ; SELECT 0 ; MOVE a 0 ; MOVE a 16 ; MOVE a x
SET a 1 ; MOVE a 1 ; MOVE a 1 ; SET a 2 ; MOVE a 1
""",
    "server": r"""
SWAPDB 0 16 ; SWAPDB x 0 ; SWAPDB 0 x ; SWAPDB 0 1 ; SWAPDB 0 0 ; DBSIZE
FLUSHDB x ; FLUSHALL ASYNC SYNC ; FLUSHALL SYNC ; FLUSHDB ASYNC ; TIME x
COMMAND COUNT x ; COMMAND NOSE ; COMMAND GETKEYS ; COMMAND GETKEYS PING
COMMAND GETKEYS SORT a STORE b ; COMMAND GETKEYS NOSE a
COMMAND GETKEYS SET a ; COMMAND GETKEYS ZUNIONSTORE d 2 a b
COMMAND GETKEYS BLMPOP 0 2 a b LEFT ; COMMAND GETKEYS MSET a 1 b 2
COMMAND GETKEYSANDFLAGS SET a 1 ; COMMAND GETKEYSANDFLAGS SORT a STORE b
COMMAND GETKEYSANDFLAGS LMOVE a b LEFT LEFT ; COMMAND LIST FILTERBY
COMMAND LIST FILTERBY MODULE x ; COMMAND LIST FILTERBY PATTERN xread*
COMMAND LIST FILTERBY NOSE x ; COMMAND INFO get nose ; COMMAND INFO config|get
COMMAND DOCS nose
""",
    "stream ids": r"""
XGROUP CREATE x g 0 MKSTREAM ; XSETID x 188-1 ENTRIESADDED 5 MAXDELETEDID 7-0
XSETID x 4-1 ; XSETID x 2-1 ENTRIESADDED 0 MAXDELETEDID 3-0 ; XSETID x 2-1
XADD x 5-0 a 1 ; XADD x 6-0 a 2 b 3 ; XADD x 9-0 a 4 ; XADD x 9-5 a 5
XDEL x 9-0 9-5 ; XSETID x 5-9 ; XSETID x 6-0 ; XINFO STREAM x
XADD x 6-1 a 6 ; XADD x 7-0 z 7 ; XADD x 9-5 a 8 ; XRANGE x - +
XREVRANGE x + -
XRANGE x 6-1 9-0 ; XREVRANGE x 9-0 6-1 ; XRANGE x 9-0 9-0 ; XLEN x
XREADGROUP GROUP g c STREAMS x > ; XDEL x 7-0 9-5 ; XSETID x 6-5
XADD x 6-6 a 9 ; XTRIM x MINID 6-6 ; XRANGE x - + ; XADD x 6-7 a 1
XTRIM x MAXLEN 1 ; XINFO STREAM x ; XDEL x 6-7 ; XSETID x 1-1 ; XADD x 1-2 a 1
XRANGE x - + ; XSETID x 1-1 ; XSETID x 0-0 ; XSETID x 1-2 ENTRIESADDED 0
XSETID x 1-2 ENTRIESADDED -1 ; XSETID x 1-2 MAXDELETEDID 1-3 ; XSETID x *
""",
    "client": r"""
CLIENT ; CLIENT NOSE ; CLIENT ID x ; CLIENT GETNAME ; CLIENT SETNAME a\ b
CLIENT SETNAME abc ; CLIENT GETNAME ; CLIENT SETNAME '' ; CLIENT GETNAME
CLIENT LIST TYPE nose ; CLIENT LIST ID x ; CLIENT LIST ID ; CLIENT LIST NOSE
CLIENT LIST ID 99999 ; CLIENT LIST TYPE replica ; CLIENT KILL ; CLIENT KILL ID
CLIENT KILL ID x ; CLIENT KILL ID 0 ; CLIENT KILL ID 99999
CLIENT KILL 1.2.3.4:5 ; CLIENT KILL ADDR 1.2.3.4:5 ; CLIENT KILL TYPE nose
CLIENT KILL USER nobody ; CLIENT KILL USER default SKIPME nose
CLIENT KILL LADDR 1.2.3.4:5 SKIPME yes ; CLIENT REPLY ; CLIENT REPLY nose
CLIENT REPLY ON ; CLIENT PAUSE ; CLIENT PAUSE x ; CLIENT PAUSE -1
CLIENT PAUSE 1 NOSE ; CLIENT PAUSE 0 WRITE ; CLIENT UNPAUSE ; CLIENT UNPAUSE x
CLIENT UNBLOCK x ; CLIENT UNBLOCK 99999 ; CLIENT UNBLOCK 99999 NOSE
CLIENT NO-EVICT ; CLIENT NO-EVICT nose ; CLIENT NO-EVICT ON
CLIENT NO-EVICT OFF ; CLIENT TRACKINGINFO ; CLIENT GETREDIR
CLIENT CACHING YES ; CLIENT TRACKING nose
""",
    "config": r"""
CONFIG ; CONFIG NOSE ; CONFIG GET ; CONFIG GET nose
CONFIG GET maxmemory-policy ; CONFIG GET hash-max-* nose
CONFIG GET hash-max-ziplist-entries ; CONFIG GET appendonly
CONFIG GET databases ; CONFIG GET timeout ; CONFIG GET port- ; CONFIG SET
CONFIG SET maxmemory ; CONFIG SET nose 1 ; CONFIG SET maxmemory x
CONFIG SET maxmemory-policy nose ; CONFIG SET databases 3
CONFIG SET timeout 0 timeout 1 ; CONFIG SET hz 10
CONFIG SET notify-keyspace-events KEA ; CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events xyz ; CONFIG SET notify-keyspace-events ''
CONFIG GET notify-keyspace-events ; CONFIG RESETSTAT x ; CONFIG RESETSTAT
CONFIG REWRITE
""",
    "object": r"""
OBJECT ; OBJECT NOSE a ; OBJECT ENCODING ; OBJECT ENCODING none
OBJECT FREQ none ; SET a 12 ; OBJECT FREQ a ; OBJECT IDLETIME none
OBJECT REFCOUNT none ; OBJECT ENCODING a ; SET a abc ; OBJECT REFCOUNT a
APPEND a d ; DEBUG ; DEBUG NOSE ; DEBUG SLEEP ; DEBUG OBJECT
DEBUG OBJECT none ; DEBUG SET-ACTIVE-EXPIRE ; DEBUG SET-ACTIVE-EXPIRE 1
DEBUG POPULATE ; DEBUG POPULATE x ; DEBUG POPULATE 3 px 4 ; GET px:1
STRLEN px:2 ; DEBUG POPULATE -1 ; DEBUG DIGEST-VALUE none ; MEMORY
MEMORY NOSE ; MEMORY USAGE ; MEMORY USAGE none ; MEMORY USAGE a SAMPLES
MEMORY USAGE a SAMPLES -1 ; MEMORY USAGE a SAMPLES x ; MEMORY USAGE a NOSE 5
MEMORY DOCTOR x ; MEMORY PURGE ; MEMORY PURGE x ; WAIT ; WAIT 0 0 ; WAIT x 0
WAIT 0 x ; WAIT 0 -1 ; WAIT 1 1
""",
    "absent": r"""
CLUSTER ; CLUSTER INFO ; CLUSTER SLOTS ; CLUSTER KEYSLOT a ; CLUSTER NOSE
ASKING ; READONLY ; READWRITE ; MODULE ; MODULE LIST ; MODULE NOSE
REPLICAOF NO ONE ; SLAVEOF NO ONE ; ROLE ; ROLE x ; FAILOVER ; SHUTDOWN ABORT
LATENCY NOSE ; SLOWLOG NOSE ; SLOWLOG GET x ; SLOWLOG GET -2 ; SLOWLOG LEN
ACL WHOAMI ; ACL NOSE
""",
    "lcs-and-sort": r"""
LCS a ; LCS a b LEN IDX ; LCS a b NOSE ; LCS a b MINMATCHLEN x
LCS none1 none2 ; LCS none1 none2 LEN ; LCS none1 none2 IDX
MSET l1 ohmytext l2 mynewtext ; LCS l1 l2 ; LCS l1 l2 LEN ; LCS l1 l2 IDX
LCS l1 l2 IDX MINMATCHLEN 4 WITHMATCHLEN ; LCS l1 l2 IDX MINMATCHLEN -4
RPUSH li 3 1 2 ; LCS li l1 ; MSET w_1 3 w_2 2 w_3 1 d_1 x d_2 y d_3 z
SORT li ; SORT li BY w_* ; SORT li BY w_* GET d_* GET #
SORT li BY nosort GET nokey_* ; SORT li BY w_*->f ; SORT li LIMIT 1 1
SORT li LIMIT x 1 ; SORT li LIMIT -1 1 ; SORT li LIMIT 1 -1 ; SORT li GET
SORT li BY ; SORT li ALPHA DESC ; SORT_RO li STORE d ; SORT li STORE d
LRANGE d 0 -1 ; SORT none STORE d ; EXISTS d ; SORT l1 ; RPUSH lw a b
SORT lw ; HSET hw_a f 2 ; HSET hw_b f 1 ; SORT lw BY hw_*->f ALPHA
SORT lw BY hw_*->f GET hw_*->f ; SORT lw BY hw_*-> ALPHA
SORT_RO lw ALPHA LIMIT 0 0
""",
    "transactions": r"""
MULTI ; BLPOP none 0 ; BRPOPLPUSH none x 0 ; BLMOVE none x LEFT LEFT 0
BLMPOP 0 1 none LEFT ; BZPOPMIN none 0 ; BZMPOP 0 1 none MIN ; BLPOP li 0
EXEC ; MULTI ; SET a ; EXEC ; MULTI ; WATCH a ; MULTI ; DISCARD ; DISCARD
EXEC ; WATCH ; UNWATCH x ; MULTI x ; MULTI ; SUBSCRIBE multi ; EXEC
""",
    "channels": r"""
UNSUBSCRIBE ; PUNSUBSCRIBE ; SUNSUBSCRIBE ; PUBSUB ; PUBSUB NOSE
PUBSUB CHANNELS a b ; PUBSUB NUMSUB ; PUBSUB NUMSUB a b ; PUBSUB NUMPAT x
PUBSUB SHARDCHANNELS ; PUBSUB SHARDNUMSUB a ; PUBLISH a ; SPUBLISH a b
SUBSCRIBE
""",
    "lists": r"""
RPUSH edge a b c ; LPOP edge x ; LPOP edge -1 ; LPOP edge 0 ; LPOP none 0
LPOP none 1 ; LPOS edge a RANK 0 ; LPOS edge a RANK -9223372036854775808
LPOS edge a COUNT -1 ; LPOS edge a MAXLEN -1 ; LPOS edge a RANK
LINSERT edge NEAR a b ; LSET edge 9 a ; LSET none 0 a ; LINDEX edge x
LMPOP 0 edge LEFT ; LMPOP x edge LEFT ; LMPOP 1 edge UP
LMPOP 1 edge LEFT COUNT 0 ; LMPOP 2 none edge RIGHT COUNT 2
LMOVE edge edge UP LEFT ; LREM edge x a
""",
    "hashes": r"""
HRANDFIELD none 5 WITHVALUES ; HSET he a 1 b ; HRANDFIELD he 5 NOSE
HRANDFIELD he -9223372036854775808
HRANDFIELD he -9223372036854775807 WITHVALUES
HINCRBY he a 9223372036854775807 ; HINCRBY he a 1 ; HINCRBYFLOAT he b nan
HINCRBYFLOAT he a 1e400 ; HSCAN he x ; HSCAN he 0 COUNT 0 ; HSCAN he 0 MATCH
HMGET he
""",
    "sets": r"""
SPOP none -1 ; SPOP none 0 ; SADD se 1 ; SPOP se -1
SRANDMEMBER se -9223372036854775808 ; SRANDMEMBER se x ; SINTERCARD 0 se
SINTERCARD 1 se LIMIT -1 ; SINTERCARD 2 se
""",
    "zsets": r"""
ZADD ze NX XX 1 a ; ZADD ze GT LT 1 a ; ZADD ze NX GT 1 a
ZADD ze INCR 1 a 2 b ; ZADD ze 1 ; ZADD ze x a ; ZADD ze nan a ; ZADD ze inf a
ZADD ze INCR -inf a ; ZADD ze -inf b 1.5 c 3 d ; ZINCRBY ze -inf a
ZRANGE ze 0 1 BYSCORE BYLEX ; ZRANGE ze 0 1 LIMIT 0 1
ZRANGE ze (1 5 BYSCORE LIMIT 0 -1 WITHSCORES ; ZRANGE ze - + BYLEX WITHSCORES
ZRANGE ze x 1 ; ZRANGE ze a b BYLEX ; ZRANGE ze 0 -1 REV WITHSCORES
ZRANGESTORE zd ze 0 -1 WITHSCORES ; ZRANGESTORE zd ze 0 -1
ZRANGEBYSCORE ze x 1 ; ZRANGEBYSCORE ze -inf +inf LIMIT -1 2
ZRANGEBYSCORE ze -inf +inf LIMIT 1 -1 WITHSCORES
ZREVRANGEBYLEX ze + - LIMIT 0 2 ; ZMPOP 1 ze MID ; ZMPOP 1 ze MIN COUNT -1
ZMPOP 1 none MIN ; ZMPOP 1 ze MAX COUNT 2 ; ZPOPMIN ze -1 ; ZPOPMAX ze 0
ZPOPMIN ze x ; ZUNION 1 ze WEIGHTS ; ZUNION 1 ze WEIGHTS x
ZUNION 1 ze AGGREGATE AVG ; ZUNION 0 ze ; ZINTERSTORE zd 2 ze se
ZINTERSTORE zd 0 ze ; ZINTERSTORE zd 1 ze WITHSCORES ; ZINTERCARD 1 ze LIMIT x
ZDIFF 1 ze WEIGHTS 1 ; ZDIFF 1 ze WITHSCORES
ZRANDMEMBER ze -9223372036854775808
ZRANDMEMBER ze -9223372036854775807 WITHSCORES ; ZRANDMEMBER none -5
ZREMRANGEBYRANK ze x 1 ; ZREMRANGEBYLEX ze [ ( ; ZLEXCOUNT ze - (
""",
    "strings-and-keys": r"""
SET s v EX 0 ; SET s v EX x ; SET s v PX 9223372036854775807
SET s v EX 10 PX 10 ; SET s v NX XX ; SET s v KEEPTTL EX 5 ; SET s v GET NX
SET li v GET ; SET s v EXAT -1 ; SET s v NX GET ; GETEX s EX 1 PERSIST
GETEX s EX 0 ; GETEX s NOSE ; GETEX none EX 10 ; EXPIRE s x
EXPIRE s 9223372036854775807 ; EXPIRE s 10 NX XX ; EXPIRE s 10 GT LT
EXPIRE s 10 NOSE ; EXPIRE s 10 GT ; EXPIRE s 10 LT ; EXPIRE s 5 GT ; TTL s
PEXPIREAT s -1 ; EXPIRETIME s ; SETEX s -1 v ; PSETEX s 0 v ; SETRANGE s -1 x
SETRANGE s 536870912 x ; SETRANGE s 0 '' ; GETRANGE s x 1 ; INCRBYFLOAT s x
INCRBYFLOAT n 1e5000 ; INCRBYFLOAT n 3.0e3 ; DECRBY n -9223372036854775808
INCR n ; SCAN x ; SCAN 0 TYPE nose COUNT 1000 ; SCAN 0 COUNT x ; SCAN 0 MATCH
RENAME none a ; COPY s s ; COPY s t DB 16 ; COPY none t
COPY l1 t REPLACE NOSE ; COPY l1 t DB 0 ; COPY l1 t DB 1 REPLACE ; TOUCH
TOUCH l1 none ; RANDOMKEY x ; KEYS
""",
}

DEBUG = ["--enable-debug-command", "yes"]


@pytest.fixture(scope="module")
def debugged_redis():
    with servers.lent_redis(args=DEBUG) as s:
        yield s


def in_some_order(reply):
    """A collection's members have no order that both would have to keep."""
    if isinstance(reply, tuple) and isinstance(reply[1], list):
        return reply[0], sorted(map(repr, reply[1]))
    return reply


@pytest.mark.parametrize("proto", [2, 3])
def test_as_redis_has_it(fresh_server, debugged_redis, proto):
    """One server for all stories: they begin with nothing."""
    if debugged_redis is None:
        pytest.skip("redis-server is not installed")
    wrong, n = [], 0
    s = fresh_server(args=["--redis"], enable_debug_command="yes")
    for name, story in STORIES.items():
        with s.raw() as ours, debugged_redis.raw() as theirs:
            for c in ours, theirs:
                c.ok("FLUSHALL")
                c.call("HELLO", proto)
            for line in story.replace("\n", " ; ").split(" ; "):
                if not line.strip():
                    continue
                n += 1
                args = shlex.split(line)
                got, want = (c.call(*args) for c in (ours, theirs))
                if in_some_order(got) != in_some_order(want):
                    wrong.append((name, line, got, want))
    assert wrong == []
    assert n > 400
