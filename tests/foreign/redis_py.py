# SPDX-License-Identifier: MIT
"""redis-py the way its documentation shows it: connections, each type,
pipelines, subscribers, asyncio; on both protocols."""

import asyncio
import sys
from datetime import datetime, timedelta

import redis
import redis.asyncio


def connections(url, protocol):
    c = redis.Redis.from_url(url, protocol=protocol, decode_responses=True,
                             health_check_interval=10, client_name="example")
    assert c.ping() is True
    assert c.client_getname() == "example"
    pool = redis.ConnectionPool.from_url(url, protocol=protocol)
    with redis.Redis(connection_pool=pool) as one:
        assert one.set("pool", 1) and one.get("pool") == b"1"
    pool.disconnect()
    c.flushall()
    return c


def strings(c):
    assert c.set("carrots", 100)
    assert c.get("carrots") == "100"
    assert c.incrby("carrots", 10) == 110 and c.decr("carrots") == 109
    assert c.set("k", "v", ex=timedelta(seconds=100), nx=True)
    assert c.set("k", "w", nx=True) is None
    assert c.set("k", "w", keepttl=True, get=True) == "v"
    assert 90 < c.ttl("k") <= 100
    assert c.expireat("k", datetime.now() + timedelta(hours=1))
    assert c.mset({"a": 1, "b": 2}) and c.mget("a", "b", "z") == [
        "1", "2", None]
    assert c.append("a", "23") == 3 and c.getrange("a", 1, 2) == "23"
    assert c.setrange("a", 1, "x") == 3 and c.strlen("a") == 3
    assert c.getdel("a") == "1x3" and c.getex("k", persist=True) == "w"
    assert c.incrbyfloat("f", 0.5) == 0.5
    assert "k" in c and c["k"] == "w"
    del c["k"]
    assert c.exists("k", "b") == 1


def lists(c):
    assert c.rpush("bikes:repairs", "bike:1", "bike:2") == 2
    assert c.lpush("bikes:repairs", "bike:0") == 3
    assert c.lrange("bikes:repairs", 0, -1) == ["bike:0", "bike:1", "bike:2"]
    assert c.lpop("bikes:repairs", 2) == ["bike:0", "bike:1"]
    assert c.lmove("bikes:repairs", "done", "LEFT", "LEFT") == "bike:2"
    assert c.llen("bikes:repairs") == 0
    assert c.blpop("done", timeout=1) in [["done", "bike:2"],
                                          ("done", "bike:2")]
    assert c.blpop("done", timeout=0.01) is None
    c.rpush("l", *range(5))
    assert c.lpos("l", 3) == 3 and c.ltrim("l", 1, 3)
    assert c.linsert("l", "before", 2, "x") == 4
    assert c.lrem("l", 1, "x") == 1 and c.lset("l", 0, "y")
    assert c.sort("l", alpha=True, desc=True) == ["y", "3", "2"]


def hashes(c):
    assert c.hset("bike:1", mapping={"model": "Deimos", "price": 4972}) == 2
    assert c.hget("bike:1", "model") == "Deimos"
    assert c.hgetall("bike:1") == {"model": "Deimos", "price": "4972"}
    assert c.hmget("bike:1", ["model", "none"]) == ["Deimos", None]
    assert c.hincrby("bike:1", "price", 100) == 5072
    assert c.hkeys("bike:1") == ["model", "price"]
    assert dict(c.hscan_iter("bike:1")) == c.hgetall("bike:1")
    assert c.hdel("bike:1", "price") == 1 and c.hlen("bike:1") == 1


def sets(c):
    assert c.sadd("racing:france", "bike:1", "bike:2", "bike:3") == 3
    assert c.sadd("racing:usa", "bike:1", "bike:4") == 2
    assert c.sismember("racing:usa", "bike:1") == 1
    assert c.smismember("racing:usa", "bike:1", "x") == [1, 0]
    assert c.sinter("racing:france", "racing:usa") == {"bike:1"}
    assert c.sdiff("racing:france", "racing:usa") == {"bike:2", "bike:3"}
    assert c.sunionstore("all", "racing:france", "racing:usa") == 4
    assert c.scard("all") == 4 and len(c.smembers("all")) == 4
    assert c.spop("all") not in c.smembers("all")
    assert set(c.sscan_iter("racing:usa")) == {"bike:1", "bike:4"}


def sorted_sets(c):
    assert c.zadd("racers", {"Norem": 10, "Castilla": 12, "Ford": 6}) == 3
    assert c.zrange("racers", 0, -1) == ["Ford", "Norem", "Castilla"]
    assert c.zrange("racers", 0, 1, desc=True, withscores=True) in [
        [("Castilla", 12.0), ("Norem", 10.0)],
        [["Castilla", 12.0], ["Norem", 10.0]]]
    assert c.zrank("racers", "Norem") == 1
    assert c.zscore("racers", "Ford") == 6.0
    assert c.zincrby("racers", 5, "Ford") == 11.0
    assert c.zrangebyscore("racers", "-inf", 11) == ["Norem", "Ford"]
    assert c.zadd("racers", {"Norem": 1}, gt=True, ch=True) == 0
    assert c.zcount("racers", 10, 11) == 2
    assert c.zpopmax("racers") in [[("Castilla", 12.0)],
                                   [["Castilla", 12.0]], ["Castilla", 12.0]]
    assert c.zremrangebyscore("racers", "-inf", "+inf") == 2
    assert c.zunion({"racers": 1, "none": 2}) == []


def pipelines(c):
    pipe = c.pipeline()
    pipe.set("a", "a value").set("b", "b value").get("a")
    assert pipe.execute() == [True, True, "a value"]
    assert c.pipeline(transaction=False).get("a").lpush("a", 1).execute(
        raise_on_error=False)[0] == "a value"

    def grow(p):
        now = int(p.get("counter") or 0)
        p.multi()
        p.set("counter", now + 1)

    assert c.transaction(grow, "counter") == [True]
    with c.pipeline() as p:
        p.watch("counter")
        c.set("counter", 7)
        p.multi()
        p.incr("counter")
        try:
            p.execute()
            raise AssertionError("the change was not seen")
        except redis.WatchError:
            pass


def subscribers(c):
    p = c.pubsub()
    p.subscribe("my-channel")
    p.psubscribe("my-*")

    def hear(n):
        return [(m["type"], m["data"])
                for m in (p.get_message(timeout=5) for _ in range(n))]

    assert hear(2) == [("subscribe", 1), ("psubscribe", 2)]
    assert c.publish("my-channel", "hello") == 2
    assert hear(2) == [("message", "hello"), ("pmessage", "hello")]
    assert c.pubsub_numsub("my-channel") == [("my-channel", 1)]
    p.close()


def keys(c):
    c.flushall()
    c.mset({"k%d" % i: i for i in range(100)})
    assert len(list(c.scan_iter("k*", count=7))) == 100
    assert c.rename("k1", "x") and c.copy("x", "y") and c.type("y") == "string"
    assert c.unlink("x", "y") == 2 and c.dbsize() == 99
    assert c.restore("again", 0, redis_dump(c, "k2")) == "OK"
    assert c.object("encoding", "again") == "int"
    assert c.info("server")["redis_mode"] == "standalone"
    assert c.config_set("timeout", 5) and c.config_get("timeout") == {
        "timeout": "5"}
    assert c.config_set("timeout", 0)


def redis_dump(c, key):
    """The bytes, which are no text."""
    pool = c.connection_pool.connection_kwargs
    with redis.Redis(host=pool["host"], port=pool["port"]) as raw:
        return raw.dump(key)


async def asynchronous(url, protocol):
    c = redis.asyncio.from_url(url, protocol=protocol, decode_responses=True)
    await c.set("a", 1)
    async with c.pipeline(transaction=True) as pipe:
        assert await pipe.incr("a").get("a").execute() == [2, "2"]
    waiting = asyncio.create_task(c.blpop("async", timeout=5))
    async with c.pubsub() as p:
        await p.subscribe("ch")
        await c.publish("ch", "hello")
        while True:
            m = await p.get_message(ignore_subscribe_messages=True, timeout=5)
            if m is not None:
                break
        assert m["data"] == "hello"
    await c.rpush("async", "job")
    assert list(await waiting) == ["async", "job"]
    await c.aclose()


def main(port):
    url = "redis://127.0.0.1:%d/0" % port
    for protocol in (2, 3):
        c = connections(url, protocol)
        for part in (strings, lists, hashes, sets, sorted_sets, pipelines,
                     subscribers, keys):
            part(c)
        asyncio.run(asynchronous(url, protocol))
        c.close()
    print("redis-py: all well")


if __name__ == "__main__":
    main(int(sys.argv[1]))
