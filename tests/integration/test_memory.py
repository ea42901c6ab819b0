# SPDX-License-Identifier: MIT
"""Limits, quotas and eviction: what fits, what goes, what is refused."""

import os
import shlex
import time

import pytest
import redis

from harness.server import Server

OOM = "command not allowed when used memory > 'maxmemory'"


def connect(server, **more):
    return redis.Redis(port=server.port, **more)


def test_full_means_refused_and_nothing_changed(fresh_server):
    r = connect(fresh_server(memory_limit="200000"))
    n = 0
    with pytest.raises(redis.exceptions.OutOfMemoryError, match=OOM):
        for n in range(10000):
            r.set("k%d" % n, "v" * 100)
    assert 500 < n < 2500
    assert r.dbsize() == n and r.get("k%d" % n) is None
    # reading and removing go on
    assert r.get("k0") == b"v" * 100
    assert r.delete(*["k%d" % i for i in range(200)]) == 200
    assert r.set("again", "v" * 100)


def test_lru_evicts_in_the_namespace_written_to(fresh_server):
    r = connect(fresh_server(memory_limit="300000", eviction_policy="lru"))
    for i in range(500):
        r.set("keep/%d" % i, "v" * 100)
    for i in range(5000):
        assert r.set("cache/%d" % i, "v" * 100)
    assert len(r.keys("keep/*")) == 500
    left = len(r.keys("cache/*"))
    assert 300 < left < 2500
    # the newest is there, and what was read stays longest
    assert r.get("cache/4999") is not None


def test_what_is_evicted_is_told(fresh_server):
    s = fresh_server(memory_limit="300000", eviction_policy="lru",
                     notify_keyspace_events="Ee")
    r = connect(s)
    with s.raw() as ear:
        ear.call("PSUBSCRIBE", "__key*__:*")
        for i in range(5000):
            assert r.set("k%d" % i, "v" * 100)
        gone = int(r.info("stats")["evicted_keys"])
        assert gone == 5000 - r.dbsize()
        heard = set()
        for _, (_, _, channel, key) in ear.read_many(gone):
            assert channel == ("$", b"__keyevent@0__:evicted")
            heard.add(key[1])
        assert len(heard) == gone
        assert not any(map(r.exists, list(heard)[:100]))


def test_quota_of_one_namespace(fresh_server):
    s = fresh_server(ns_limits="small:50kb,tight:50kb",
                     ns_eviction="small:lru")
    r = connect(s)
    for i in range(2000):
        assert r.set("small/%d" % i, "v" * 100)
        if i % 10 == 0:
            r.get("small/0")
    assert 50 < len(r.keys("small/*")) < 600
    assert r.get("small/0") is not None     # read often
    with pytest.raises(redis.exceptions.ResponseError, match="tight"):
        for i in range(2000):
            r.set("tight/%d" % i, "v" * 100)
    for i in range(2000):
        assert r.set("other/%d" % i, "v" * 100)


def test_ear_is_gone_after_reading(fresh_server):
    r = connect(fresh_server(ns_eviction="once:ear"))
    r.mset({"once/a": "1", "once/b": "2", "once/c": "3", "often/a": "4"})
    assert r.get("once/a") == b"1" and r.get("often/a") == b"4"
    assert r.get("once/b") == b"2"
    r.set("once/b", "new")                  # a write cancels
    limit = time.time() + 5
    while r.exists("once/a") and time.time() < limit:
        time.sleep(0.05)
    assert r.mget("often/a") == [b"4"]
    assert r.exists("once/a") == 0
    assert sorted(r.keys("once/*")) == [b"once/b", b"once/c"]


def test_accounts_end_at_nothing(fresh_server):
    r = connect(fresh_server())
    for i in range(300):
        r.set("s%d" % i, "x" * i)
        r.hset("h%d" % (i % 7), "f%d" % i, "x" * (i % 90))
        r.rpush("l%d" % (i % 5), "x" * i)
        r.sadd("t%d" % (i % 3), i, "m%d" % i)
        r.zadd("z%d" % (i % 3), {"m%d" % i: i})
    assert r.info("memory")["used_memory"] > 20000
    r.flushall()
    assert r.execute_command("INFO", "memory")["used_memory_dataset"] == 0


def test_an_expired_key_is_swept(fresh_server):
    r = connect(fresh_server())
    with r.pipeline(transaction=False) as p:
        for i in range(5000):
            p.set("e%d" % i, "v", px=100)
        p.execute()
    limit = time.time() + 5
    while r.dbsize() > 0 and time.time() < limit:
        time.sleep(0.05)
    assert r.dbsize() == 0


def test_the_limit_and_its_cap(fresh_server):
    s = fresh_server(memory_limit="0")
    r = connect(s)
    m = r.info("memory")
    cap = m["total_system_memory"] * 70 // 100
    assert m["maxmemory"] == cap
    assert ("memory limit %d bytes (70 %% of %d bytes, "
            % (cap, m["total_system_memory"])).encode() in s.log()
    r.config_set("maxmemory", "10mb")
    assert r.info("memory")["maxmemory"] == 10 << 20
    assert b"memory limit 10485760 bytes (as given; " in s.log()
    r.config_set("memory-limit", str(1 << 60))
    assert r.info("memory")["maxmemory"] == cap
    r.config_set("maxmemory", "100kb")
    room = 0
    with pytest.raises(redis.exceptions.OutOfMemoryError, match=OOM):
        for room in range(1000):
            r.set("k%d" % room, "x" * 1000)
    assert 60 < room < 100
    assert r.dbsize() == room
    assert r.get("k0") == b"x" * 1000 and r.delete("k0", "k1") == 2
    assert r.set("k0", "x" * 1000)


@pytest.mark.parametrize("flag, name", [("-v", b"RLIMIT_AS"),
                                        ("-d", b"RLIMIT_DATA")])
def test_what_the_process_was_granted(binary, config_name, tmp_path, flag,
                                      name):
    with open(binary, "rb") as f:
        if b"san_init" in f.read():
            return              # a sanitizer needs terabytes of addresses
    start = tmp_path / "start"
    start.write_text("#!/bin/sh\nulimit %s 600000 && exec %s \"$@\"\n" % (
        flag, shlex.quote(os.path.abspath(binary))))
    start.chmod(0o700)
    s = Server(str(start), config_name, memory_limit="0")
    s.start()
    try:
        m = connect(s).info("memory")
        assert m["total_system_memory"] == 600000 * 1024
        assert m["maxmemory"] == 600000 * 1024 * 70 // 100
        assert b"(70 %% of %d bytes, %s" % (600000 * 1024, name) in s.log()
    finally:
        s.stop()
        s.discard()
