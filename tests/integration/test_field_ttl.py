# SPDX-License-Identifier: MIT
"""Hash fields that expire, as in Redis 7.4 and 8."""

import os
import random
import re
import shutil
import subprocess
import time

import pytest

from conftest import connect_py
from harness.data import contents, differences, fill
from harness.resp import plain
from harness.server import Server

FAR = 4102444800000             # 2100
WRONGTYPE = ("-", b"WRONGTYPE Operation against a key holding the wrong kind "
                  b"of value")
ROUNDS = int(os.environ.get("KVNS_TEST_ROUNDS", "2"))


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("redis-server 7.0 has none of these commands")


@pytest.fixture
def lazy(fresh_server):
    """A connection to a server that removes nothing by itself."""
    s = fresh_server(args=["--redis", "--enable-debug-command", "yes"])
    with s.raw() as c:
        c.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        yield c


def ints(c, *args):
    return [v for _, v in c.call(*args)[1]]


def hset(c, key, n, start=0):
    args = []
    for i in range(start, start + n):
        args += ["f%d" % i, "v%d" % i]
    assert c.call("HSET", key, *args) == (":", n)


def until(what, wait=20):
    limit = time.monotonic() + wait
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.005)


def start(fresh_server, path, **options):
    s = fresh_server(args=["--redis", "--save", "3600 100000000"],
                     persist_path=path, **options)
    r = connect_py(s, 2)
    until(lambda: not r.info("persistence")["loading"])
    return s, r


# ---- replies ----------------------------------------------------------------

def test_hexpire_and_httl(raw):
    c = raw()
    hset(c, "h", 4)
    assert ints(c, "HEXPIRE", "h", 100, "FIELDS", 3, "f0", "x", "f1") == [
        1, -2, 1]
    assert ints(c, "HTTL", "h", "FIELDS", 4, "f0", "f1", "f2", "x") == [
        100, 100, -1, -2]
    left = ints(c, "HPTTL", "h", "FIELDS", 2, "f0", "f2")
    assert 90000 < left[0] <= 100000 and left[1] == -1
    assert ints(c, "HPEXPIREAT", "h", FAR + 1, "FIELDS", 1, "f2") == [1]
    assert ints(c, "HPEXPIRETIME", "h", "FIELDS", 2, "f2", "f3") == [
        FAR + 1, -1]
    assert ints(c, "HEXPIRETIME", "h", "FIELDS", 1, "f2") == [FAR // 1000 + 1]
    assert ints(c, "HEXPIREAT", "h", FAR // 1000, "FIELDS", 1, "f2") == [1]
    assert ints(c, "HPEXPIRETIME", "h", "FIELDS", 1, "f2") == [FAR]
    assert ints(c, "HPEXPIRE", "h", 50000, "FIELDS", 1, "f3") == [1]
    assert 40 < ints(c, "HTTL", "h", "FIELDS", 1, "f3")[0] <= 50
    assert ints(c, "HPERSIST", "h", "FIELDS", 3, "f0", "x", "f1") == [
        1, -2, 1]
    assert ints(c, "HPERSIST", "h", "FIELDS", 1, "f0") == [-1]
    assert ints(c, "HTTL", "h", "FIELDS", 2, "f0", "f2")[0] == -1
    assert plain(c.call("HMGET", "h", "f0", "f1", "f2", "f3")) == [
        b"v0", b"v1", b"v2", b"v3"]


def test_a_key_that_is_not_there(raw):
    c = raw()
    for command in (("HEXPIRE", "none", 5), ("HPEXPIREAT", "none", FAR),
                    ("HEXPIRE", "none", 0), ("HTTL", "none"),
                    ("HPEXPIRETIME", "none"), ("HPERSIST", "none")):
        assert c.call(*command, "FIELDS", 2, "a", "b") == (
            "*", [(":", -2), (":", -2)])
    for command in (("HGETDEL", "none"), ("HGETEX", "none"),
                    ("HGETEX", "none", "EX", 5)):
        assert plain(c.call(*command, "FIELDS", 2, "a", "b")) == [None, None]
    assert c.call("HSETEX", "none", "FXX", "FIELDS", 1, "a", "b") == (":", 0)
    assert c.call("EXISTS", "none") == (":", 0)


def test_conditions(raw):
    c = raw()
    hset(c, "h", 3)
    assert ints(c, "HPEXPIREAT", "h", FAR, "XX", "FIELDS", 1, "f0") == [0]
    assert ints(c, "HPEXPIREAT", "h", FAR, "GT", "FIELDS", 1, "f0") == [0]
    assert ints(c, "HPEXPIREAT", "h", FAR, "NX", "FIELDS", 1, "f0") == [1]
    assert ints(c, "HPEXPIREAT", "h", FAR, "nx", "FIELDS", 2, "f0", "f1") == [
        0, 1]
    assert ints(c, "HPEXPIREAT", "h", FAR, "GT", "FIELDS", 1, "f0") == [0]
    assert ints(c, "HPEXPIREAT", "h", FAR, "LT", "FIELDS", 1, "f0") == [0]
    assert ints(c, "HPEXPIREAT", "h", FAR + 9, "GT", "FIELDS", 1, "f0") == [1]
    assert ints(c, "HPEXPIREAT", "h", FAR - 9, "LT", "FIELDS", 2, "f0",
                "f2") == [1, 1]
    assert ints(c, "HPEXPIREAT", "h", FAR, "XX", "FIELDS", 3, "f0", "f1",
                "f2") == [1, 1, 1]
    # a condition is looked at before a time that is over
    c.call("HPERSIST", "h", "FIELDS", 1, "f0")
    assert ints(c, "HPEXPIREAT", "h", 1, "NX", "FIELDS", 4, "f0", "f1", "x",
                "f0") == [2, 0, -2, -2]
    assert plain(c.call("HKEYS", "h")) != [] and c.call("HLEN", "h")[1] == 2


@pytest.mark.parametrize("args, text", [
    (("HEXPIRE", "h", "x", "FIELDS", 1, "f"),
     b"ERR value is not an integer or out of range"),
    (("HEXPIRE", "h", -1, "FIELDS", 1, "f"),
     b"ERR invalid expire time, must be >= 0"),
    (("HEXPIRE", "h", 70368744178, "FIELDS", 1, "f"),
     b"ERR invalid expire time in 'hexpire' command"),
    (("HEXPIRE", "h", 70368744177, "FIELDS", 1, "f"),
     b"ERR invalid expire time in 'hexpire' command"),
    (("HPEXPIREAT", "h", 70368744177664, "FIELDS", 1, "f"),
     b"ERR invalid expire time in 'hpexpireat' command"),
    (("HEXPIRE", "h", 1, "FIELD", 1, "f"),
     b"ERR Mandatory argument FIELDS is missing or not at the right position"),
    (("HEXPIRE", "h", 1, "YY", "FIELDS", 1, "f"),
     b"ERR Mandatory argument FIELDS is missing or not at the right position"),
    (("HEXPIRE", "h", 1, "FIELDS", 0, "f"),
     b"ERR Parameter `numFields` should be greater than 0"),
    (("HEXPIRE", "h", 1, "FIELDS", "x", "f"),
     b"ERR Parameter `numFields` should be greater than 0"),
    (("HEXPIRE", "h", 1, "FIELDS", 2, "f"),
     b"ERR The `numfields` parameter must match the number of arguments"),
    (("HEXPIRE", "h", 1, "FIELDS", 1, "f", "g"),
     b"ERR The `numfields` parameter must match the number of arguments"),
    (("HEXPIRE", "h", 1, "FIELDS", 1),
     b"ERR wrong number of arguments for 'hexpire' command"),
    (("HEXPIRE", "h", 1, "NX", "FIELDS", 1),
     b"ERR The `numfields` parameter must match the number of arguments"),
    (("HTTL", "h", "FIELDS", 0, "f"),
     b"ERR Number of fields must be a positive integer"),
    (("HTTL", "h", "FIELDS", 2, "f"),
     b"ERR The `numfields` parameter must match the number of arguments"),
    (("HPERSIST", "h", "X", 1, "f"),
     b"ERR Mandatory argument FIELDS is missing or not at the right position"),
    (("HGETDEL", "h", "FIELDS", -1, "f"),
     b"ERR Number of fields must be a positive integer"),
    (("HGETEX", "h", "EX", 1, "FIELDS"),
     b"ERR Number of fields must be a positive integer"),
    (("HGETEX", "h", "KEEPTTL", "FIELDS", 1, "f"),
     b"ERR Mandatory argument FIELDS is missing or not at the right position"),
    (("HGETEX", "h", "PX", -1, "FIELDS", 1, "f"),
     b"ERR invalid expire time, must be >= 0"),
    (("HSETEX", "h", "FIELDS", 1, "f", "v", "g"),
     b"ERR wrong number of arguments for 'hsetex' command"),
    (("HSETEX", "h", "FIELDS", 2, "f", "v"),
     b"ERR wrong number of arguments for 'hsetex' command"),
    (("HSETEX", "h", "FIELDS", 0, "f", "v"),
     b"ERR invalid number of fields"),
    (("HSETEX", "h", "EX", 1, "PX", 1, "FIELDS", 1, "f", "v"),
     b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be "
     b"specified"),
    (("HSETEX", "h", "FNX", "FXX", "FIELDS", 1, "f", "v"),
     b"ERR Only one of FXX or FNX arguments can be specified"),
    (("HSETEX", "h", "WHAT", 1, "FIELDS", 1, "f", "v"),
     b"ERR unknown argument: WHAT"),
    (("HSETEX", "h", "FNX", "KEEPTTL", "FNX", "EX"),
     b"ERR Only one of FXX or FNX arguments can be specified"),
    (("HSETEX", "h", "FNX", "f", "v", "EX"), b"ERR unknown argument: f"),
    (("HSETEX", "h", "FNX", "FIELDS", 1, "EX"),
     b"ERR wrong number of arguments for 'hsetex' command"),
])
def test_errors(raw, args, text):
    c = raw()
    hset(c, "h", 2)
    assert c.call(*args) == ("-", text)
    assert c.call("HLEN", "h") == (":", 2)
    c.ok("SET", "s", "x")
    if b"expire time" not in text and args[0] != "HSETEX" and (
            b"wrong number" not in text):
        assert c.call(args[0], "s", *args[2:]) == WRONGTYPE


def test_hgetex(raw):
    c = raw()
    hset(c, "h", 3)
    assert plain(c.call("HGETEX", "h", "FIELDS", 2, "f0", "x")) == [
        b"v0", None]
    assert plain(c.call("HGETEX", "h", "PXAT", FAR, "FIELDS", 2, "f0",
                        "x")) == [b"v0", None]
    assert ints(c, "HPEXPIRETIME", "h", "FIELDS", 2, "f0", "f1") == [FAR, -1]
    assert plain(c.call("HGETEX", "h", "EX", 9, "FIELDS", 1, "f1")) == [b"v1"]
    assert ints(c, "HTTL", "h", "FIELDS", 1, "f1") == [9]
    assert plain(c.call("HGETEX", "h", "FIELDS", 1, "f1")) == [b"v1"]
    assert ints(c, "HTTL", "h", "FIELDS", 1, "f1") == [9]
    assert plain(c.call("HGETEX", "h", "PERSIST", "FIELDS", 2, "f0",
                        "f2")) == [b"v0", b"v2"]
    assert ints(c, "HTTL", "h", "FIELDS", 2, "f0", "f2") == [-1, -1]
    assert plain(c.call("HGETEX", "h", "PX", 0, "FIELDS", 2, "f0", "f1")) == [
        b"v0", b"v1"]
    assert plain(c.call("HKEYS", "h")) == [b"f2"]
    assert plain(c.call("HGETEX", "h", "EXAT", 1, "FIELDS", 2, "f2",
                        "f2")) == [b"v2", None]
    assert c.call("EXISTS", "h") == (":", 0)


def test_hsetex(raw):
    c = raw()
    assert c.call("HSETEX", "h", "FNX", "PXAT", FAR, "FIELDS", 2, "a", 1, "b",
                  2) == (":", 1)
    assert ints(c, "HPEXPIRETIME", "h", "FIELDS", 2, "a", "b") == [FAR, FAR]
    assert c.call("HSETEX", "h", "FNX", "FIELDS", 2, "c", 1, "b", 2) == (
        ":", 0)
    assert c.call("HSETEX", "h", "FXX", "FIELDS", 2, "c", 1, "b", 2) == (
        ":", 0)
    assert c.call("HSETEX", "h", "FXX", "KEEPTTL", "FIELDS", 2, "a", 3, "b",
                  4) == (":", 1)
    assert ints(c, "HPEXPIRETIME", "h", "FIELDS", 2, "a", "b") == [FAR, FAR]
    assert plain(c.call("HMGET", "h", "a", "b")) == [b"3", b"4"]
    assert c.call("HSETEX", "h", "FIELDS", 1, "a", 5) == (":", 1)
    assert ints(c, "HTTL", "h", "FIELDS", 1, "a") == [-1]
    assert c.call("HSETEX", "h", "EX", 100, "FIELDS", 1, "a", 6) == (":", 1)
    assert ints(c, "HTTL", "h", "FIELDS", 1, "a") == [100]
    assert c.call("HSETEX", "h", "EX", 0, "FIELDS", 2, "a", 6, "b", 7) == (
        ":", 1)
    assert c.call("EXISTS", "h") == (":", 0)
    assert c.call("HSETEX", "h", "PXAT", 0, "FIELDS", 1, "a", 6) == (":", 1)
    assert c.call("EXISTS", "h") == (":", 0)


def test_hgetdel(raw):
    c = raw()
    hset(c, "h", 3)
    c.call("HEXPIRE", "h", 50, "FIELDS", 1, "f1")
    assert plain(c.call("HGETDEL", "h", "FIELDS", 4, "f0", "f1", "x",
                        "f0")) == [b"v0", b"v1", None, None]
    assert plain(c.call("HGETALL", "h")) == [b"f2", b"v2"]
    assert plain(c.call("HGETDEL", "h", "FIELDS", 1, "f2")) == [b"v2"]
    assert c.call("EXISTS", "h") == (":", 0)


def test_redis_py(redis):
    redis.hset("h", mapping={"a": 1, "b": 2})
    assert redis.hexpire("h", 100, "a", "b", "c") == [1, 1, -2]
    assert redis.httl("h", "a") == [100]
    assert redis.hgetex("h", "a", "c", persist=True) == [b"1", None]
    assert redis.httl("h", "a", "b") == [-1, 100]
    assert redis.hsetex("h", "x", "y", ex=7) == 1
    assert redis.hpexpiretime("h", "x")[0] > time.time() * 1000
    assert redis.hgetdel("h", "a", "b", "x") == [b"1", b"2", b"y"]
    assert redis.exists("h") == 0


# ---- who sees what ----------------------------------------------------------

@pytest.mark.parametrize("n", [6, 500])
def test_nobody_sees_a_dead_field(lazy, n):
    c = lazy
    hset(c, "h", n)
    dead = ["f%d" % i for i in range(n - 2)]
    assert set(ints(c, "HPEXPIRE", "h", 30, "FIELDS", len(dead),
                    *dead)) == {1}
    c.call("HPEXPIREAT", "h", FAR, "FIELDS", 1, "f%d" % (n - 1))
    time.sleep(0.05)
    a, b = b"f%d" % (n - 2), b"f%d" % (n - 1)
    assert c.call("HLEN", "h") == (":", 2)
    assert c.call("HGET", "h", "f0") == ("$", None)
    assert c.call("HEXISTS", "h", "f1") == (":", 0)
    assert c.call("HSTRLEN", "h", "f1") == (":", 0)
    assert plain(c.call("HMGET", "h", "f0", a)) == [None, b"v%d" % (n - 2)]
    assert sorted(plain(c.call("HKEYS", "h"))) == sorted([a, b])
    assert len(plain(c.call("HVALS", "h"))) == 2
    assert len(plain(c.call("HGETALL", "h"))) == 4
    seen, cursor = [], b"0"
    while True:
        cursor, part = plain(c.call("HSCAN", "h", cursor))
        seen += part[::2]
        if cursor == b"0":
            break
    assert sorted(seen) == sorted([a, b])
    assert {plain(c.call("HRANDFIELD", "h")) for _ in range(40)} == {a, b}
    assert sorted(plain(c.call("HRANDFIELD", "h", 10))) == sorted([a, b])
    assert set(plain(c.call("HRANDFIELD", "h", -50))) == {a, b}
    assert ints(c, "HTTL", "h", "FIELDS", 2, "f0", a) == [-2, -1]
    assert ints(c, "HPERSIST", "h", "FIELDS", 1, "f0") == [-2]
    assert ints(c, "HEXPIRE", "h", 9, "FIELDS", 1, "f0") == [-2]
    assert c.call("HDEL", "h", "f0", "f1") == (":", 0)
    assert plain(c.call("HGETDEL", "h", "FIELDS", 1, "f1")) == [None]
    c.call("RPUSH", "l", "f0")
    assert plain(c.call("SORT", "l", "BY", "nosort", "GET", "h->f0")) == [None]
    assert c.call("COPY", "h", "copy") == (":", 1)
    assert c.call("HLEN", "copy") == (":", 2)
    payload = c.call("DUMP", "h")[1]
    c.ok("RESTORE", "again", 0, payload)
    assert c.call("HLEN", "again") == (":", 2)
    assert ints(c, "HPEXPIRETIME", "again", "FIELDS", 2, a, b) == [-1, FAR]
    # and one that comes again is new
    assert c.call("HSET", "h", "f0", "new", "f1", "new") == (":", 2)
    assert c.call("HSETNX", "h", "f2", "new") == (":", 1)
    assert c.call("HINCRBY", "h", "f3", 5) == (":", 5)
    assert c.call("HINCRBYFLOAT", "h", "f0x", "1.5") == ("$", b"1.5")
    assert ints(c, "HTTL", "h", "FIELDS", 4, "f0", "f1", "f2", "f3") == [-1] * 4
    assert c.call("HSETEX", "h", "FXX", "FIELDS", 2, "f0", 1, "f5", 1) == (
        ":", 0 if n == 500 else 1)
    assert c.call("HLEN", "h") == (":", 7)


@pytest.mark.parametrize("n", [3, 400])
def test_a_hash_without_a_living_field_is_gone(lazy, n):
    c = lazy
    for key in "abcdef":
        hset(c, key, n)
        assert set(ints(c, "HPEXPIRE", key, 20, "FIELDS", n,
                        *["f%d" % i for i in range(n)])) == {1}
    time.sleep(0.03)
    assert c.call("EXISTS", "a") == (":", 0)
    assert c.call("TYPE", "b") == ("+", b"none")
    assert c.call("HSET", "c", "f0", "x") == (":", 1)
    assert plain(c.call("HGETALL", "c")) == [b"f0", b"x"]
    assert c.call("SET", "d", "x", "NX") == ("+", b"OK")
    assert c.call("RENAME", "e", "x") == ("-", b"ERR no such key")
    assert plain(c.call("KEYS", "*")) in ([b"c", b"d"], [b"d", b"c"])
    assert c.call("DEL", "f") == (":", 0)


def test_what_keeps_a_deadline_and_what_not(raw):
    c = raw()
    c.call("HSET", "h", "n", 1, "m", 2, "k", 3)
    c.call("HPEXPIREAT", "h", FAR, "FIELDS", 3, "n", "m", "k")
    assert c.call("HINCRBY", "h", "n", 5) == (":", 6)
    assert c.call("HINCRBYFLOAT", "h", "n", 5) == ("$", b"11")
    assert c.call("HSET", "h", "m", "x", "new", 1) == (":", 1)
    assert c.call("HSETNX", "h", "k", "x") == (":", 0)
    assert ints(c, "HPEXPIRETIME", "h", "FIELDS", 4, "n", "m", "k",
                "new") == [FAR, -1, FAR, -1]
    assert c.call("OBJECT", "ENCODING", "h") == ("$", b"hashtable")
    c.ok("RENAME", "h", "ns/h")
    assert ints(c, "HPEXPIRETIME", "ns/h", "FIELDS", 1, "n") == [FAR]
    assert c.call("COPY", "ns/h", "other") == (":", 1)
    assert c.call("MOVE", "other", 3) == (":", 1)
    c.ok("SELECT", 3)
    assert ints(c, "HPEXPIRETIME", "other", "FIELDS", 3, "n", "m", "k") == [
        FAR, -1, FAR]
    assert c.call("HDEL", "other", "k") == (":", 1)
    assert c.call("HSET", "other", "k", 1) == (":", 1)
    assert ints(c, "HTTL", "other", "FIELDS", 1, "k") == [-1]
    c.call("EXPIRE", "other", 500)
    c.call("PERSIST", "other")
    assert ints(c, "HPEXPIRETIME", "other", "FIELDS", 1, "n") == [FAR]
    c.ok("SET", "other", "x")
    c.call("DEL", "other")
    hset(c, "other", 1)
    assert ints(c, "HTTL", "other", "FIELDS", 1, "f0") == [-1]


def test_a_hash_without_deadlines_is_as_small_as_ever(raw):
    c = raw()
    hset(c, "a", 20)
    hset(c, "b", 20)
    before = c.call("MEMORY", "USAGE", "a")[1]
    c.call("HEXPIRE", "b", 100, "FIELDS", 1, "f3")
    assert c.call("OBJECT", "ENCODING", "a") == ("$", b"listpack")
    assert c.call("MEMORY", "USAGE", "a")[1] == before
    hset(c, "c", 500)
    c.call("HEXPIRE", "c", 100, "FIELDS", 1, "f0")
    assert c.call("HPERSIST", "c", "FIELDS", 1, "f0") == ("*", [(":", 1)])
    big = c.call("MEMORY", "USAGE", "c")[1]
    c.call("HEXPIRE", "c", 100, "FIELDS", 400,
           *["f%d" % i for i in range(400)])
    assert c.call("MEMORY", "USAGE", "c")[1] > big + 400 * 8
    c.call("HPERSIST", "c", "FIELDS", 500, *["f%d" % i for i in range(500)])
    assert c.call("MEMORY", "USAGE", "c")[1] == big


# ---- in the background ------------------------------------------------------

def test_fields_go_by_themselves(fresh_server):
    redis = connect_py(fresh_server(args=["--redis"]), 3)
    redis.hset("h", mapping={"f%d" % i: i for i in range(2000)})
    redis.hset("all", mapping={"f%d" % i: i for i in range(300)})
    redis.hset("one", "f", "v")
    assert set(redis.hpexpire("h", 60, *["f%d" % i for i in range(1500)])) == {
        1}
    redis.hpexpire("all", 60, *["f%d" % i for i in range(300)])
    redis.hpexpire("one", 60, "f")
    used = redis.memory_usage("h")
    until(lambda: redis.dbsize() == 1)
    until(lambda: redis.memory_usage("h") < used * 0.6)
    assert redis.hlen("h") == 500
    # another deadline, later and earlier, is looked at, too
    redis.hpexpire("h", 100000, "f1600", "f1601")
    redis.hpexpire("h", 40, "f1600")
    until(lambda: not redis.hexists("h", "f1600"))
    until(lambda: redis.info("stats")["expired_subkeys"] == 1802)
    assert redis.hlen("h") == 499


def test_both_the_key_and_its_fields(redis):
    redis.hset("h", mapping={"a": 1, "b": 2})
    redis.hpexpire("h", 40, "a")
    redis.pexpire("h", 120)
    until(lambda: redis.hkeys("h") == [b"b"])
    until(lambda: redis.dbsize() == 0)
    redis.hset("h", mapping={"a": 1, "b": 2})
    redis.pexpire("h", 40)
    redis.hpexpire("h", 100000, "a")
    until(lambda: redis.dbsize() == 0)


def test_events(raw):
    c, sub = raw(), raw()
    c.ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
    try:
        sub.call("PSUBSCRIBE", "__keyevent@0__:*")
        hset(c, "h", 3)
        c.call("HEXPIRE", "h", 50, "FIELDS", 2, "f0", "f1")
        c.call("HEXPIRE", "h", 50, "NX", "FIELDS", 1, "f0")
        c.call("HPERSIST", "h", "FIELDS", 2, "f0", "f2")
        c.call("HEXPIRE", "h", 0, "FIELDS", 1, "f0")
        c.call("HSETEX", "h", "EX", 50, "FIELDS", 1, "f2", "x")
        c.call("HGETEX", "h", "EX", 60, "FIELDS", 1, "f2")
        c.call("HGETEX", "h", "PERSIST", "FIELDS", 1, "f2")
        c.call("HGETDEL", "h", "FIELDS", 1, "f2")
        c.call("HPEXPIRE", "h", 1, "FIELDS", 1, "f1")
        got = []
        while got[-1:] != ["del"]:
            got.append(sub.read()[1][2][1].decode().split(":")[1])
        assert got == ["hset", "hexpire", "hpersist", "hdel", "hset",
                       "hexpire", "hexpire", "hpersist", "hdel", "hexpire",
                       "hexpired", "del"]
        hset(c, "h", 2)
        c.call("HPEXPIRE", "h", 1, "FIELDS", 1, "f1")
        got = [sub.read()[1][2][1].decode().split(":")[1] for _ in range(3)]
        assert got == ["hset", "hexpire", "hexpired"]
    finally:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_a_watched_hash_loses_a_field(raw):
    c, other = raw(), raw()
    hset(c, "h", 2)

    def removed():
        info = other.call("INFO", "stats")[1]
        return int(info.split(b"expired_subkeys:")[1].split(b"\r")[0])

    before = removed()
    c.call("HPEXPIRE", "h", 300, "FIELDS", 1, "f0")
    c.ok("WATCH", "h")
    assert before == removed(), "the machine is too slow for this test"
    until(lambda: removed() > before)
    c.ok("MULTI")
    c.call("PING")
    assert c.call("EXEC") == ("*", None)


def test_in_a_transaction_and_a_namespace(raw):
    c = raw()
    c.ok("MULTI")
    c.call("HSET", "ns/h", "a", 1)
    c.call("HEXPIRE", "ns/h", 100, "FIELDS", 1, "a")
    c.call("HTTL", "ns/h", "FIELDS", 1, "a")
    assert plain(c.call("EXEC")) == [1, [1], [100]]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_against_a_model(raw, seed):
    """Random commands on a hash that grows over and shrinks under all limits;
    with deadlines that do not come near."""
    seed = random.randrange(10 ** 6)
    rand = random.Random(seed)
    c = raw()
    model = {}
    for i in range(4000):
        f = "f%d" % rand.randrange(400 if i // 1000 % 2 else 20)
        ms = FAR + rand.randrange(100)
        what = rand.randrange(9)
        old = model.get(f)
        if what <= 1:
            v = str(rand.randrange(10 ** rand.randrange(1, 30)))
            want, args = (":", int(old is None)), ("HSET", "h", f, v)
            model[f] = (v, -1)
        elif what == 2:
            want, args = (":", int(old is not None)), ("HDEL", "h", f)
            model.pop(f, None)
        elif what <= 4:
            args = ("HPEXPIREAT", "h", ms, "FIELDS", 1, f)
            want = ("*", [(":", -2 if old is None else 1)])
            if old is not None:
                model[f] = (old[0], ms)
        elif what == 5:
            args = ("HPERSIST", "h", "FIELDS", 1, f)
            want = ("*", [(":", -2 if old is None else
                           -1 if old[1] == -1 else 1)])
            if old is not None:
                model[f] = (old[0], -1)
        elif what == 6:
            args = ("HPEXPIRETIME", "h", "FIELDS", 1, f)
            want = ("*", [(":", -2 if old is None else old[1])])
        elif what == 7:
            args = ("HSETEX", "h", "KEEPTTL", "FIELDS", 1, f, "w")
            want = (":", 1)
            model[f] = ("w", -1 if old is None else old[1])
        else:
            args = ("HGETEX", "h", "PXAT", rand.choice([1, ms]), "FIELDS", 1,
                    f)
            want = ("*", [("$", None if old is None else old[0].encode())])
            if old is not None and args[3] == 1:
                del model[f]
            elif old is not None:
                model[f] = (old[0], ms)
        assert c.call(*args) == want, (seed, i, args)
        if i % 200 == 0:
            flat = plain(c.call("HGETALL", "h"))
            assert dict(zip(flat[::2], flat[1::2])) == {
                k.encode(): v.encode() for k, (v, _) in model.items()}, seed
    names = sorted(model)
    assert ints(c, "HPEXPIRETIME", "h", "FIELDS", len(names), *names) == [
        model[n][1] for n in names], seed


# ---- in files ---------------------------------------------------------------

def deadlines(r):
    """All deadlines of fields: {(db, key, field): ms}."""
    found = {}
    for db in (0, 9):
        r.execute_command("SELECT", db)
        for key in r.keys("*"):
            if r.type(key) != b"hash":
                continue
            names = r.hkeys(key)
            for name, ms in zip(names, r.execute_command(
                    "HPEXPIRETIME", key, "FIELDS", len(names), *names)):
                if ms > 0:
                    found[db, key, name] = ms
    r.execute_command("SELECT", 0)
    return found


def give_deadlines(r, rand):
    for db in (0, 9):
        r.execute_command("SELECT", db)
        for key in r.keys("*hash*"):
            names = [n for n in r.hkeys(key) if rand.random() < 0.5]
            for name in names[:300]:
                r.execute_command("HPEXPIREAT", key, FAR + rand.randrange(9999),
                                  "FIELDS", 1, name)
    r.execute_command("SELECT", 0)
    r.hset("h->many", mapping={"field%d" % i: i for i in range(1500)})
    r.execute_command("HPEXPIREAT", "h->many", FAR, "FIELDS", 1500,
                      *["field%d" % i for i in range(1500)])
    r.hset("12345", mapping={"1": 2, "3": 4, b"\0\r\n": 1, "": 9})
    r.execute_command("HPEXPIREAT", "12345", FAR, "FIELDS", 3, "1", b"\0\r\n",
                      "")
    r.hset("default/x/y", "a", "b")
    r.execute_command("HPEXPIREAT", "default/x/y", FAR, "FIELDS", 1, "a")


def check_rdb(binary, path):
    """Both checkers like the file."""
    out = subprocess.run(["redis-check-rdb", path], capture_output=True)
    assert out.returncode == 0, out.stdout[-2000:]
    env = {k: v for k, v in os.environ.items() if not k.startswith("KVNS_")}
    out = subprocess.run([binary, "check-rdb", str(path)], env=env,
                         capture_output=True)
    assert out.returncode == 0, out.stderr
    return out.stdout


def test_snapshots(fresh_server, binary, tmp_path):
    """They have the deadlines; redis-server 7.0 has the rest."""
    path = tmp_path / "x.rdb"
    rand = random.Random(5)
    s, r = start(fresh_server, path)
    fill(r, scale=0.5)
    give_deadlines(r, rand)
    want, dues = contents(r), deadlines(r)
    assert len(dues) > 2000
    r.save()
    if shutil.which("redis-check-rdb"):
        assert b"%d fields of these with a deadline\n" % len(dues) in (
            check_rdb(binary, path))
    s2, r2 = start(fresh_server, path)
    assert differences(want, contents(r2)) == []
    assert deadlines(r2) == dues
    s2.kill()
    other = Server(shutil.which("redis-server"), "redis")
    try:
        with open(os.path.join(other.directory, "dump.rdb"), "wb") as f:
            f.write(path.read_bytes())
        other.start()
        assert differences(want, contents(connect_py(other, 2))) == []
        other.stop()
    finally:
        other.discard()
    # and into a server that runs
    s3, r3 = start(fresh_server, tmp_path / "y.rdb")
    r3.hset("12345", "1", "mine")
    env = {k: v for k, v in os.environ.items() if not k.startswith("KVNS_")}
    out = subprocess.run([binary, "import", "-h", "127.0.0.1", "-p",
                          str(s3.port), str(path)],
                         env=env, capture_output=True)
    assert b" 1 were there already, 0 refused" in out.stdout, out
    mine = {k: v for k, v in deadlines(r3).items() if k[1] != b"12345"}
    assert mine == {k: v for k, v in dues.items() if k[1] != b"12345"}
    assert r3.httl("12345", "1") == [-1]


def test_fields_that_died_since(fresh_server, tmp_path):
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    for key, n in (("small", 4), ("large", 3000)):
        r.hset(key, mapping={"f%d" % i: i for i in range(n)})
        r.hpexpire(key, 400, *["f%d" % i for i in range(n - 1)])
    r.hset("gone", mapping={"f%d" % i: i for i in range(200)})
    r.hpexpire("gone", 400, *["f%d" % i for i in range(200)])
    r.save()
    assert r.dbsize() == 3, "the machine is too slow for this test"
    s.kill()
    time.sleep(0.4)
    s, r = start(fresh_server, path)
    assert r.dbsize() == 2
    assert r.hgetall("small") == {b"f3": b"3"}
    assert r.hgetall("large") == {b"f2999": b"2999"}


@pytest.mark.parametrize("round", range(ROUNDS))
def test_the_file_is_the_state_at_bgsave(fresh_server, tmp_path, round):
    """Deadlines included, whatever happens to the fields meanwhile."""
    path = tmp_path / "x.rdb"
    seed = random.randrange(10 ** 6)
    rand = random.Random(seed)
    s, r = start(fresh_server, path)
    for _ in range(2):
        for k in range(6):
            n = rand.choice([3, 100, 600, 1500])
            r.hset("h%d" % k, mapping={"f%d" % i: i for i in range(n)})
            some = ["f%d" % i for i in range(n) if rand.random() < 0.7]
            for i in range(0, len(some), 100):
                r.execute_command(
                    "HPEXPIREAT", "h%d" % k, FAR + rand.randrange(99),
                    "FIELDS", len(some[i:i + 100]), *some[i:i + 100])
        r.hset("dies", mapping={"f%d" % i: i for i in range(900)})
        want, dues = contents(r), deadlines(r)
        r.hpexpire("dies", 100000, *["f%d" % i for i in range(900)])
        soon = [("dies", "f%d" % i) for i in range(900)]
        pipe = r.pipeline(transaction=False)
        pipe.execute_command("HPERSIST", "dies", "FIELDS", 900,
                             *[f for _, f in soon])
        pipe.execute_command("BGSAVE")
        pipe.execute_command("HPEXPIRE", "dies", 1, "FIELDS", 800,
                             *[f for _, f in soon[:800]])
        for _ in range(1000):
            key = "h%d" % rand.randrange(6)
            f = "f%d" % rand.randrange(1500)
            pipe.execute_command(*rand.choice([
                ("HSET", key, f, "new"), ("HDEL", key, f),
                ("HPERSIST", key, "FIELDS", 1, f),
                ("HPEXPIREAT", key, FAR + 500, "FIELDS", 1, f),
                ("HPEXPIRE", key, 0, "FIELDS", 1, f),
                ("HGETDEL", key, "FIELDS", 1, f)]))
        pipe.delete("h%d" % rand.randrange(6))
        pipe.rename("h%d" % rand.randrange(6), "moved")
        pipe.execute(raise_on_error=False)
        until(lambda: not r.info("persistence")["rdb_bgsave_in_progress"])
        assert r.info("persistence")["rdb_last_bgsave_status"] == "ok"
        s2, r2 = start(fresh_server, path)
        assert differences(want, contents(r2)) == [], seed
        assert deadlines(r2) == dues, seed
        r2.close()
        s2.kill()
        r.flushdb()


def test_damaged_deadlines(fresh_server, binary, tmp_path, config_name):
    """A file is refused, or its hash is what it can be; nothing crashes."""
    from test_load import run
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    r.hset("h", mapping={"f%d" % i: i for i in range(9)})
    r.hexpireat("h", FAR // 1000, *["f%d" % i for i in range(9)])
    r.set("s", "x")
    r.save()
    s.kill()
    good = path.read_bytes()
    at = good.index(b"kvns-fields")
    end = good.index(b"\xff", at)
    body = good[at + 11:good.rindex(b"\xff")]
    aux = good[at - 2:at + 11]

    def refused(data, text):
        # without a checksum
        path.write_bytes(data + b"\xff" + b"\0" * 8)
        status, log = run(binary, config_name, path)
        assert status != 0 and text in log, log[-600:]

    def with_dues(dues, key=b"h"):
        value = bytes([len(key)]) + key + dues
        assert len(value) < 64
        return good[:at - 2] + aux + bytes([len(value)]) + value

    def due(name, ms):
        return bytes([len(name)]) + name + ms.to_bytes(8, "little")

    assert end > at and body
    cannot = b"has deadlines of fields that cannot be read"
    refused(with_dues(b"\x3f"), cannot)
    refused(with_dues(b"\x02f0abc"), cannot)
    refused(with_dues(due(b"f0", 2 ** 63 + 5)), cannot)
    refused(with_dues(due(b"f0", 0)), cannot)
    refused(with_dues(b"\xc0\x05" + b"\0" * 8), cannot)
    refused(with_dues(b"\x81" + b"\xff" * 8), cannot)
    refused(with_dues(due(b"f9", FAR)), b"of a field that is not there")
    refused(with_dues(due(b"f0", 5) * 2), b"of a field that is not there")
    if b"\x01s\x01x" in good[:at]:
        refused(with_dues(due(b"f0", 5), b"s"), b"of a key that is no hash")
    for dues, key in ((b"", b"h"), (due(b"f0", FAR) * 3, b"h"),
                      (due(b"f0", 2 ** 63 - 1), b"h"), (b"", b"none"),
                      (due(b"f0", FAR), b"none")):
        path.write_bytes(with_dues(dues, key) + b"\xff" + b"\0" * 8)
        s, r = start(fresh_server, path)
        assert r.hlen("h") == 9
        s.kill()


def test_the_living_are_drawn_from_many_dead(lazy):
    """A draw that looks for one of three among thousands of dead fields must
    not do so for each of a million times."""
    c, n = lazy, 6000
    for i in range(0, n, 500):
        hset(c, "h", 500, i)
    alive = ["f7", "f2999", "f5000"]
    rest = ["f%d" % i for i in range(n) if "f%d" % i not in alive]
    for i in range(0, len(rest), 1000):
        part = rest[i:i + 1000]
        c.call("HPEXPIRE", "h", "1", "FIELDS", str(len(part)), *part)
    time.sleep(0.01)
    assert c.call("HLEN", "h") == (":", 3)
    drawn = [v for _, v in c.call("HRANDFIELD", "h", "-20000")[1]]
    assert len(drawn) == 20000
    usec = float(re.search(rb"cmdstat_hrandfield:calls=1,usec=(\d+)",
                           c.call("INFO", "commandstats")[1]).group(1))
    assert usec < 1000000       # with a look at all for each it is 5 s
    for name in alive:
        assert 0.30 < drawn.count(name.encode()) / len(drawn) < 0.37
    pairs = c.call("HRANDFIELD", "h", "-3000", "WITHVALUES")[1]
    assert {(k[1], v[1]) for k, v in zip(pairs[::2], pairs[1::2])} == {
        (a.encode(), b"v" + a[1:].encode()) for a in alive}
    assert sorted(v for _, v in c.call("HRANDFIELD", "h", "10")[1]) == sorted(
        a.encode() for a in alive)
    assert len(c.call("HGETALL", "h")[1]) == 6
