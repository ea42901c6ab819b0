# SPDX-License-Identifier: MIT
"""What counts as a hit or a miss is what counts as one in redis-server."""

import pytest

from harness.resp import encode

pytestmark = pytest.mark.admin

SETUP = """
SET s hello
SET n 5
RPUSH l a b c
SADD set a b
SADD set2 b
HSET h f v
ZADD z 1 a 2 b
ZADD z2 1 a
XADD x 1-1 f v
XGROUP CREATE x g 0
GEOADD geo 13 38 p
PFADD p a
PFADD p2 b
"""

# Of each command that only reads: with keys that are there, with none, and
# with ones of another kind.
READS = """
GET s | GET no | GET l | STRLEN s | STRLEN no | STRLEN l | GETRANGE s 0 1
GETRANGE no 0 1 | SUBSTR s 0 1 | SUBSTR no 0 1 | MGET s no l
EXISTS s | EXISTS no | EXISTS s s no | TYPE s | TYPE no | TTL s | TTL no
PTTL s | PTTL no | EXPIRETIME s | EXPIRETIME no | PEXPIRETIME s
PEXPIRETIME no | OBJECT ENCODING s | OBJECT ENCODING no | OBJECT IDLETIME s
OBJECT IDLETIME no | OBJECT REFCOUNT s | OBJECT REFCOUNT no | OBJECT FREQ s
OBJECT FREQ no | DUMP s | DUMP no | TOUCH s | TOUCH no | TOUCH s no l
GETBIT s 1 | GETBIT no 1 | BITCOUNT s | BITCOUNT no | BITPOS s 1
BITPOS no 1 | BITFIELD_RO s GET u8 0 | BITFIELD_RO no GET u8 0
LCS s n | LCS s no | PFCOUNT p | PFCOUNT no | PFCOUNT p p2 | PFCOUNT p no
KEYS * | SCAN 0 | RANDOMKEY | DBSIZE | MEMORY USAGE s | MEMORY USAGE no
LLEN l | LLEN no | LLEN s | LRANGE l 0 -1 | LRANGE no 0 -1 | LINDEX l 0
LINDEX l 9 | LINDEX no 0 | LPOS l a | LPOS l zz | LPOS no a
SCARD set | SCARD no | SISMEMBER set a | SISMEMBER set zz | SISMEMBER no a
SMISMEMBER set a q | SMISMEMBER no a | SMEMBERS set | SMEMBERS no
SMEMBERS s | SRANDMEMBER set | SRANDMEMBER no | SRANDMEMBER set 2
SRANDMEMBER no 2 | SSCAN set 0 | SSCAN no 0 | SINTER set set2 | SINTER set no
SINTER no set | SINTERCARD 2 set set2 | SINTERCARD 2 set no
SUNION set set2 | SUNION set no | SDIFF set set2 | SDIFF set no | SDIFF no set
HGET h f | HGET h no | HGET no f | HGET s f | HMGET h f no | HMGET no f
HGETALL h | HGETALL no | HKEYS h | HKEYS no | HVALS h | HVALS no | HLEN h
HLEN no | HSTRLEN h f | HSTRLEN h q | HSTRLEN no f | HEXISTS h f
HEXISTS h q | HEXISTS no f | HRANDFIELD h | HRANDFIELD no | HRANDFIELD h 2
HRANDFIELD no 2 | HSCAN h 0 | HSCAN no 0
ZCARD z | ZCARD no | ZSCORE z a | ZSCORE z q | ZSCORE no a | ZSCORE s a
ZMSCORE z a q | ZMSCORE no a | ZRANK z a | ZRANK z q | ZRANK no a
ZREVRANK z a | ZREVRANK no a | ZRANGE z 0 -1 | ZRANGE no 0 -1
ZRANGE z 5 9 | ZRANGE z 0 9 BYSCORE | ZRANGEBYSCORE z 0 9
ZRANGEBYSCORE no 0 9 | ZRANGEBYLEX z - + | ZRANGEBYLEX no - +
ZREVRANGE z 0 -1 | ZREVRANGE no 0 -1 | ZREVRANGEBYSCORE z 9 0
ZREVRANGEBYSCORE no 9 0 | ZREVRANGEBYLEX z + - | ZREVRANGEBYLEX no + -
ZCOUNT z 0 9 | ZCOUNT no 0 9 | ZLEXCOUNT z - + | ZLEXCOUNT no - +
ZRANDMEMBER z | ZRANDMEMBER no | ZRANDMEMBER z 2 | ZRANDMEMBER no 2
ZSCAN z 0 | ZSCAN no 0 | ZUNION 2 z z2 | ZUNION 2 z no | ZINTER 2 z z2
ZINTER 2 z no | ZINTER 2 no z | ZDIFF 2 z z2 | ZDIFF 2 z no
ZINTERCARD 2 z z2 | ZINTERCARD 2 z no
XLEN x | XLEN no | XLEN s | XRANGE x - + | XRANGE no - + | XREVRANGE x + -
XREVRANGE no + - | XREAD STREAMS x 0 | XREAD STREAMS x $
XREAD STREAMS no 0 | XREAD STREAMS x no 0 0 | XPENDING x g | XPENDING no g
XPENDING x other | XPENDING x g - + 5 | XINFO STREAM x | XINFO STREAM no
XINFO GROUPS x | XINFO GROUPS no | XINFO CONSUMERS x g | XINFO CONSUMERS no g
XINFO STREAM x FULL
GEOPOS geo p | GEOPOS no p | GEODIST geo p p | GEODIST no p p
GEOHASH geo p | GEOHASH no p | GEOSEARCH geo FROMMEMBER p BYRADIUS 1 km
GEOSEARCH no FROMLONLAT 1 1 BYRADIUS 1 km | GEORADIUS_RO geo 13 38 1 km
GEORADIUS_RO no 13 38 1 km | GEORADIUSBYMEMBER_RO geo p 1 km
GEORADIUSBYMEMBER_RO no p 1 km | SORT_RO l ALPHA | SORT_RO no
SORT_RO l BY w* GET # ALPHA | SORT_RO l BY nosort GET s* | SORT_RO s
"""

# What reads a key beside what it does to it.
OTHERS = """
XACK x g 1-1 | XACK no g 1-1 | XACK s g 1-1 | XCLAIM x g c 0 1-1
XCLAIM no g c 0 1-1 | XAUTOCLAIM x g c 0 0 | XAUTOCLAIM no g c 0 0
XREADGROUP GROUP g c STREAMS x > | XREADGROUP GROUP g c STREAMS x 0
XREADGROUP GROUP g c STREAMS no > | XREADGROUP GROUP other c STREAMS x >
BITFIELD s GET u8 0 | BITFIELD no GET u8 0 | GEORADIUS geo 13 38 1 km
GEORADIUS no 13 38 1 km | GEORADIUSBYMEMBER geo p 1 km | SORT l ALPHA
SORT no | GETSET s 1 | GETSET no2 1 | GETEX s | GETEX no | SET s v GET
SETNX s v | INCR n | APPEND s x | EXPIRE s 100 | EXPIRE no 100 | PERSIST s
PERSIST no | RPOPLPUSH l l | LMOVE l l LEFT LEFT | SMOVE set set2 q
HINCRBY h c 1 | HDEL no f | ZADD z 3 c | ZINCRBY z 1 a | ZPOPMIN no
SINTERSTORE d set set2 | SINTERSTORE d set no | ZUNIONSTORE d 2 z z2
ZUNIONSTORE d 2 z no | ZRANGESTORE d z 0 -1 | ZRANGESTORE d no 0 -1
GEOSEARCHSTORE d geo FROMMEMBER p BYRADIUS 1 km | BITOP AND d s n
BITOP NOT d no | PFMERGE d p no | PFADD p z | COPY s s8 | COPY no s8
GETDEL s | GETDEL no | SPOP no | LPOP no | DEL no | UNLINK no | WATCH n
BLPOP l 1 | LMPOP 2 no l LEFT | ZMPOP 2 no z MIN | RENAME n n2 | MOVE n2 1
"""

# They look at no key, or at all of them.
KEYLESS = {"dbsize", "keys", "lolwut", "randomkey", "scan", "fcall_ro",
           "eval_ro", "evalsha_ro"}


def commands(text):
    return [c.split() for line in text.split("\n") for c in line.split("|")
            if c.strip()]


def counts(c, command):
    """Hits and misses of one command."""
    c.send(encode("CONFIG", "RESETSTAT") + encode(*command) +
           encode("INFO", "stats"))
    c.read()
    c.read()
    found = dict(line.split(":", 1) for line in
                 c.read()[1].decode().split("\r\n") if ":" in line)
    return int(found["keyspace_hits"]), int(found["keyspace_misses"])


def test_as_in_redis(server, redis_server, raw):
    ours, theirs = raw(), raw(redis_server)
    for c in (ours, theirs):
        for command in commands(SETUP):
            assert c.call(*command)[0] != "-", command
    for command in commands(READS) + commands(OTHERS):
        assert counts(ours, command) == counts(theirs, command), command


def test_all_that_read_are_here(redis_server, raw):
    """But for commands without keys, and those of scripts."""
    c = raw(redis_server)
    here = {" ".join(command[:k]).lower() for command in commands(READS)
            for k in (1, 2)}
    missing = []
    for row in c.call("COMMAND")[1]:
        for one in [row[1]] + [sub[1] for sub in row[1][9][1]]:
            name = one[0][1].decode().replace("|", " ")
            flags = [f[1] for f in one[2][1]]
            if b"readonly" in flags and name not in here | KEYLESS:
                missing.append(name)
    assert missing == []
