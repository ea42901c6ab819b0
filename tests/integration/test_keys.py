# SPDX-License-Identifier: MIT
"""Keys of any kind: deadlines, names, databases, namespaces."""

import time

import pytest

from harness.resp import encode, plain

WRONG_DB = ("-", b"ERR DB index is out of range")
SYNTAX = ("-", b"ERR syntax error")
NOT_INT = ("-", b"ERR value is not an integer or out of range")
SAME = ("-", b"ERR source and destination objects are the same")


def wait_until(condition, seconds=10):
    """Poll for a state that comes by itself."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "did not come true"
        time.sleep(0.005)


def test_del_and_exists(redis):
    redis.mset({"a": 1, "b": 2, "c": 3})
    redis.hset("h", "f", "v")
    assert redis.exists("a", "b", "none", "a", "h") == 4
    assert redis.delete("a", "none", "a", "h") == 2
    assert redis.exists("a", "h") == 0
    assert redis.exists("b", "c") == 2


def test_keys_are_bytes(raw):
    c = raw()
    for key in [b"", b"\0", b"\r\n", b"\xff" * 300, b"k" * 100000, b" "]:
        c.ok("SET", key, b"of " + key)
        assert c.call("GET", key) == ("$", b"of " + key)
        assert c.call("DEL", key) == (":", 1)
        assert c.call("GET", key) == ("$", None)


def test_expire_and_ttl(redis):
    redis.set("k", "v")
    assert redis.ttl("k") == -1
    assert redis.ttl("none") == -2
    assert redis.expire("k", 100) is True
    assert 99 <= redis.ttl("k") <= 100
    assert redis.expire("none", 100) is False


@pytest.mark.parametrize("seconds", ["0", "-1", "-100"])
def test_expire_in_the_past_deletes(raw, seconds):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call("EXPIRE", "k", seconds) == (":", 1)
    assert c.call("EXISTS", "k") == (":", 0)


def test_expire_options(raw):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call("EXPIRE", "k", "100", "XX") == (":", 0)
    assert c.call("EXPIRE", "k", "100", "GT") == (":", 0)
    assert c.call("EXPIRE", "k", "100", "NX") == (":", 1)
    assert c.call("EXPIRE", "k", "200", "NX") == (":", 0)
    assert c.call("EXPIRE", "k", "50", "GT") == (":", 0)
    assert c.call("EXPIRE", "k", "200", "GT") == (":", 1)
    assert c.call("EXPIRE", "k", "300", "LT") == (":", 0)
    assert c.call("EXPIRE", "k", "150", "LT") == (":", 1)
    assert 140 < c.call("TTL", "k")[1] <= 150
    c.ok("SET", "k", "v")
    assert c.call("EXPIRE", "k", "100", "LT") == (":", 1)


@pytest.mark.parametrize("args, error", [
    (["k", "x"], b"ERR value is not an integer or out of range"),
    (["k", "9223372036854775807"],
     b"ERR invalid expire time in 'expire' command"),
    (["k", "-9223372036854775808"],
     b"ERR invalid expire time in 'expire' command"),
    (["k", "100", "NX", "XX"],
     b"ERR NX and XX, GT or LT options at the same time are not compatible"),
    (["k", "100", "GT", "LT"],
     b"ERR GT and LT options at the same time are not compatible"),
    (["k", "100", "WHAT"], b"ERR Unsupported option WHAT"),
    (["k"], b"ERR wrong number of arguments for 'expire' command"),
])
def test_expire_refuses(raw, args, error):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call("EXPIRE", *args) == ("-", error)
    assert c.call("TTL", "k") == (":", -1)


def test_an_expired_key_is_not_there(raw):
    c = raw()
    c.ok("SET", "k", "v", "PX", "30")
    assert c.call("HSET", "h", "f", "v") == (":", 1)
    assert c.call("PEXPIRE", "h", "30")[0] in ":-"
    wait_until(lambda: c.call("GET", "k") == ("$", None))
    assert c.call("EXISTS", "k") == (":", 0)
    assert c.call("TTL", "k") == (":", -2)
    assert c.call("DEL", "k") == (":", 0)
    assert c.call("SET", "k", "w", "XX") == ("$", None)
    assert c.call("INCRBY", "k", "5") == (":", 5)
    assert c.call("TTL", "k") == (":", -1)


def test_expired_keys_go_by_themselves(raw):
    """Nobody touches them: the count of keys falls all the same."""
    c = raw()
    c.ok("SET", "stays", "v")
    for at in range(0, 2000, 100):
        c.send(b"".join(encode("SET", "k%d" % i, "v", "PX", "50")
                        for i in range(at, at + 100)))
        c.read_many(100)
    wait_until(lambda: c.call("DBSIZE") == (":", 1))


def test_flushall(raw):
    c = raw()
    c.ok("SET", "a", "1")
    c.ok("SELECT", "3")
    c.ok("SET", "b", "1")
    c.ok("FLUSHALL")
    assert c.call("DBSIZE") == (":", 0)
    c.ok("SELECT", "0")
    assert c.call("DBSIZE") == (":", 0)
    c.ok("FLUSHALL", "SYNC")
    c.ok("FLUSHALL", "ASYNC")
    assert c.call("FLUSHALL", "WHAT") == ("-", b"ERR syntax error")


def test_flushall_of_many_keys(raw):
    c = raw()
    for _ in range(3):
        c.send(b"".join(encode("SET", "k%d" % i, "x" * (i % 200))
                        for i in range(5000)))
        c.read_many(5000)
        assert c.call("DBSIZE") == (":", 5000)
        c.ok("FLUSHALL")
        assert c.call("DBSIZE") == (":", 0)
        assert c.call("EXISTS", "k0", "k4999") == (":", 0)


def test_namespaces_are_part_of_the_name(raw):
    c = raw()
    c.ok("SET", "db1/x", "42")
    c.ok("SET", "db2/x", "99")
    c.ok("SET", "x", "0")
    c.ok("SET", "db1/a/b", "deep")
    assert c.call("GET", "db1/x") == ("$", b"42")
    assert c.call("MGET", "db2/x", "x", "db1/a/b") == (
        "*", [("$", b"99"), ("$", b"0"), ("$", b"deep")])
    assert sorted(plain(c.call("KEYS", "db*/*"))) == [
        b"db1/a/b", b"db1/x", b"db2/x"]


def test_default_namespace(raw, config_name):
    """default/x is x; what is printed can be fed back."""
    if config_name == "redis":
        pytest.skip("redis-server has no namespaces")
    c = raw()
    c.ok("SET", "default/x", "1")
    assert c.call("GET", "x") == ("$", b"1")
    c.ok("SET", "default/a/b", "2")
    c.ok("SET", "/x", "3")
    c.ok("SET", "x/", "4")
    assert sorted(plain(c.call("KEYS", "*"))) == [
        b"/x", b"default/a/b", b"x", b"x/"]
    assert plain(c.call("KEYS", "default/*")) == [b"default/a/b"]
    assert plain(c.call("KEYS", "default/x")) == []
    assert plain(c.call("KEYS", "/*")) == [b"/x"]
    for key, value in zip([b"/x", b"default/a/b", b"x", b"x/"], b"3214"):
        assert c.call("GET", key) == ("$", bytes([value]))


def test_deadlines_in_four_units(raw):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call("EXPIRETIME", "k") == (":", -1)
    assert c.call("PEXPIRETIME", "none") == (":", -2)
    assert c.call("PEXPIREAT", "k", "99999999999499") == (":", 1)
    assert c.call("EXPIRETIME", "k") == (":", 99999999999)
    assert c.call("PEXPIREAT", "k", "99999999999500") == (":", 1)
    assert c.call("EXPIRETIME", "k") == (":", 100000000000)
    assert c.call("PEXPIRETIME", "k") == (":", 99999999999500)
    assert c.call("EXPIREAT", "k", "99999999999", "GT") == (":", 0)
    assert c.call("EXPIREAT", "k", "99999999999", "LT") == (":", 1)
    assert c.call("PEXPIRE", "k", "100000") == (":", 1)
    assert 99000 < c.call("PTTL", "k")[1] <= 100000
    assert c.call("PERSIST", "k") == (":", 1)
    assert c.call("PERSIST", "k") == (":", 0)
    assert c.call("PERSIST", "none") == (":", 0)
    assert c.call("TTL", "k") == (":", -1)
    assert c.call("EXPIREAT", "k", "1") == (":", 1)
    assert c.call("EXISTS", "k") == (":", 0)


# One value of each way it can be kept: how it is made, and how it is read.
MAKERS = {
    "int": (["SET", "%", "12345"], ["GET", "%"]),
    "bytes": (["SET", "%", "some bytes"], ["GET", "%"]),
    "long": (["SET", "%", "x" * 10000], ["GET", "%"]),
    "list": (["RPUSH", "%", "a", "b", "1"], ["LRANGE", "%", "0", "-1"]),
    "quicklist": (["RPUSH", "%"] + ["element %d" % i for i in range(600)],
                  ["LRANGE", "%", "0", "-1"]),
    "intset": (["SADD", "%", "1", "2", "70000"], ["SMEMBERS", "%"]),
    "set": (["SADD", "%", "a", "b"], ["SMEMBERS", "%"]),
    "large set": (["SADD", "%"] + ["m%d" % i for i in range(600)],
                  ["SMEMBERS", "%"]),
    "hash": (["HSET", "%", "f", "v"], ["HGETALL", "%"]),
    "large hash": (["HSET", "%"] + ["f%d" % i for i in range(600)],
                   ["HGETALL", "%"]),
    "zset": (["ZADD", "%", "1", "a", "2", "b"],
             ["ZRANGE", "%", "0", "-1", "WITHSCORES"]),
    "large zset": (["ZADD", "%"] + [x for i in range(400)
                                    for x in (str(i % 90), "m%d" % i)],
                   ["ZRANGE", "%", "0", "-1", "WITHSCORES"]),
}


def at(words, key):
    return [key if w == "%" else w for w in words]


def look(c, read, key):
    """What a key holds, in no order."""
    value = plain(c.call(*at(read, key)))
    return sorted(value) if isinstance(value, list) else value


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_rename_copy_move(raw, kind):
    """Some of these keys lie in other shards, where there are some."""
    make, read = MAKERS[kind]
    c = raw()
    c.call(*at(make, "k"))
    want = look(c, read, "k")
    c.call("EXPIREAT", "k", "99999999999")
    for i in range(8):
        c.ok("SET", "to%d" % i, "old")
        c.ok("RENAME", "k", "to%d" % i)
        assert c.call("EXISTS", "k") == (":", 0)
        assert c.call("RENAMENX", "to%d" % i, "ns%d/k" % i) == (":", 1)
        assert c.call("COPY", "ns%d/k" % i, "k") == (":", 1)
        assert look(c, read, "k") == look(c, read, "ns%d/k" % i) == want
        assert c.call("EXPIRETIME", "k") == (":", 99999999999)
        # they are two: what happens to one leaves the other as it was
        assert c.call("DEL", "ns%d/k" % i) == (":", 1)
        assert look(c, read, "k") == want
    assert c.call("MOVE", "k", "3") == (":", 1)
    assert c.call("DBSIZE") == (":", 0)
    c.ok("SELECT", "3")
    assert look(c, read, "k") == want
    assert c.call("EXPIRETIME", "k") == (":", 99999999999)
    assert c.call("COPY", "k", "k", "DB", "0") == (":", 1)
    assert c.call("DEL", "k") == (":", 1)
    c.ok("SELECT", "0")
    assert look(c, read, "k") == want


def test_a_copy_is_changed_alone(raw):
    c = raw()
    for kind in ("long", "large hash", "quicklist", "large zset"):
        make, read = MAKERS[kind]
        c.call(*at(make, "k"))
        c.call("COPY", "k", "copy", "REPLACE")
        want = look(c, read, "copy")
        change = {"long": ["SETRANGE", "k", "0", "changed"],
                  "large hash": ["HSET", "k", "f0", "changed"],
                  "quicklist": ["LSET", "k", "0", "changed"],
                  "large zset": ["ZINCRBY", "k", "5", "m1"]}[kind]
        assert c.call(*change)[0] in ":$+,"
        assert look(c, read, "copy") == want
        assert look(c, read, "k") != want
        c.call("DEL", "k")
        assert look(c, read, "copy") == want


def test_rename_of_nothing_and_to_itself(raw):
    c = raw()
    no_key = ("-", b"ERR no such key")
    assert c.call("RENAME", "none", "k") == no_key
    assert c.call("RENAME", "none", "none") == no_key
    assert c.call("RENAMENX", "none", "k") == no_key
    c.ok("SET", "k", "v")
    c.ok("RENAME", "k", "k")
    assert c.call("RENAMENX", "k", "k") == (":", 0)
    c.ok("SET", "other", "w")
    assert c.call("RENAMENX", "k", "other") == (":", 0)
    assert c.call("MGET", "k", "other") == ("*", [("$", b"v"), ("$", b"w")])


def test_copy_refuses(raw):
    c = raw()
    c.ok("SET", "k", "v")
    c.ok("SET", "other", "w")
    assert c.call("COPY", "k", "k") == SAME
    assert c.call("COPY", "k", "k", "DB", "0") == SAME
    assert c.call("COPY", "none", "k") == (":", 0)
    assert c.call("COPY", "none", "k", "REPLACE") == (":", 0)
    assert c.call("COPY", "k", "other") == (":", 0)
    assert c.call("GET", "other") == ("$", b"w")
    assert c.call("COPY", "k", "other", "REPLACE") == (":", 1)
    assert c.call("GET", "other") == ("$", b"v")
    assert c.call("COPY", "k", "x", "DB", "16") == WRONG_DB
    assert c.call("COPY", "k", "x", "DB", "-1") == WRONG_DB
    assert c.call("COPY", "k", "x", "DB", "x") == NOT_INT
    assert c.call("COPY", "k", "x", "DB", "99999999999") == (
        "-", b"ERR value is out of range, value must between -2147483648 and"
             b" 2147483647")
    assert c.call("COPY", "k", "x", "DB") == SYNTAX
    assert c.call("COPY", "k", "x", "WHAT") == SYNTAX


def test_default_is_the_same_key(raw, config_name):
    if config_name == "redis":
        pytest.skip("redis-server has no namespaces")
    c = raw()
    c.ok("SET", "k", "v")
    c.ok("RENAME", "k", "default/k")
    assert c.call("RENAMENX", "default/k", "k") == (":", 0)
    assert c.call("COPY", "default/k", "k") == SAME
    assert c.call("GET", "k") == ("$", b"v")


def test_move_refuses(raw):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call("MOVE", "k", "0") == SAME
    assert c.call("MOVE", "k", "16") == WRONG_DB
    assert c.call("MOVE", "k", "x") == NOT_INT
    assert c.call("MOVE", "none", "1") == (":", 0)
    assert c.call("COPY", "k", "k", "DB", "1") == (":", 1)
    assert c.call("MOVE", "k", "1") == (":", 0)
    assert c.call("GET", "k") == ("$", b"v")


def test_swapdb(raw):
    c, other, watching, waiting = raw(), raw(), raw(), raw()
    c.ok("SET", "k", "0")
    c.ok("SELECT", "1")
    c.ok("SET", "k", "1")
    c.call("RPUSH", "l", "x")
    other.ok("SET", "only", "0")
    watching.ok("WATCH", "k")
    watching.ok("MULTI")
    waiting.send(encode("BLPOP", "l", "20"))
    wait_until(lambda: b"blocked_clients:1" in c.call("INFO", "clients")[1])
    c.ok("SWAPDB", "0", "1")
    assert waiting.read() == ("*", [("$", b"l"), ("$", b"x")])
    assert c.call("GET", "k") == ("$", b"0")
    assert c.call("GET", "only") == ("$", b"0")
    assert other.call("GET", "k") == ("$", b"1")
    assert other.call("EXISTS", "only") == (":", 0)
    assert watching.call("EXEC") == ("*", None)
    assert other.call("DBSIZE") == (":", 1)


@pytest.mark.parametrize("args, error", [
    (["x", "1"], b"ERR invalid first DB index"),
    (["x", "y"], b"ERR invalid first DB index"),
    (["1", "x"], b"ERR invalid second DB index"),
    (["1", "16"], b"ERR DB index is out of range"),
    (["-1", "1"], b"ERR DB index is out of range"),
    (["16", "16"], b"ERR DB index is out of range"),
])
def test_swapdb_refuses(raw, args, error):
    assert raw().call("SWAPDB", *args) == ("-", error)


def test_swapdb_and_keys_whose_time_has_come(debugger):
    """They are no change for who watches them, neither here nor there."""
    c = debugger
    c.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    for mine in (False, True):
        c.ok("FLUSHALL")
        if mine:
            c.ok("SET", "x", "bar", "PX", "1")
        c.ok("SELECT", "1")
        c.ok("SET", "x", "foo", "PX", "1")
        c.ok("SELECT", "0")
        time.sleep(0.01)
        c.ok("WATCH", "x")
        c.ok("SWAPDB", "0", "1")
        c.ok("MULTI")
        assert c.call("EXEC") == ("*", [])


@pytest.mark.parametrize("flush", ["FLUSHDB", "FLUSHALL", "SWAPDB 0 5"])
def test_watch_and_flush(raw, flush):
    """Only a key that is there changes when a database is emptied."""
    c, w = raw(), raw()
    for key, want in (("k", ("*", None)), ("none", ("*", []))):
        c.ok("SET", "k", "v")
        w.ok("WATCH", key)
        w.ok("MULTI")
        c.ok(*flush.split())
        assert w.call("EXEC") == want
        c.ok("FLUSHALL")


def test_object(raw):
    c = raw()
    c.ok("SET", "n", "1")
    c.ok("SET", "s", "x" * 100)
    assert c.call("OBJECT", "ENCODING", "n") == ("$", b"int")
    assert c.call("OBJECT", "ENCODING", "s") == ("$", b"raw")
    assert c.call("OBJECT", "ENCODING", "none") == ("$", None)
    assert c.call("OBJECT", "REFCOUNT", "s") == (":", 1)
    for n, count in (("9999", 2147483647), ("10000", 1), ("-1", 1)):
        c.ok("SET", "n", n)
        assert c.call("OBJECT", "REFCOUNT", "n") == (":", count)
    assert c.call("OBJECT", "IDLETIME", "s") == (":", 0)
    assert c.call("OBJECT", "WHAT", "s") == (
        "-", b"ERR unknown subcommand 'WHAT'. Try OBJECT HELP.")
    assert c.call("OBJECT", "HELP")[1][0] == (
        "+", b"OBJECT <subcommand> [<arg> [value] [opt] ...]. "
             b"Subcommands are:")


def test_object_freq(raw):
    c = raw()
    c.ok("CONFIG", "SET", "maxmemory-policy", "noeviction")
    c.ok("SET", "k", "v")
    kind, text = c.call("OBJECT", "FREQ", "k")
    assert kind == "-" and text.startswith(
        b"ERR An LFU maxmemory policy is not selected, access frequency not "
        b"tracked.")
    c.ok("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    try:
        for _ in range(10):
            c.call("GET", "k")
        assert c.call("OBJECT", "FREQ", "k")[1] > 0
        assert c.call("OBJECT", "FREQ", "none") == ("$", None)
        payload = plain(c.call("DUMP", "k"))
        c.ok("RESTORE", "k", "0", payload, "REPLACE", "FREQ", "100")
        assert c.call("OBJECT", "FREQ", "k") == (":", 100)
        assert c.call("OBJECT", "IDLETIME", "k")[0] == "-"
    finally:
        c.ok("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_touch_and_unlink(raw):
    c = raw()
    c.ok("MSET", "a", "1", "b", "2")
    assert c.call("TOUCH", "a", "none", "b", "a") == (":", 3)
    assert c.call("UNLINK", "a", "none", "b") == (":", 2)
    assert c.call("DBSIZE") == (":", 0)


def events_of(raw, *commands):
    """The names and keys of the events that commands cause."""
    c, s = raw(), raw()
    c.ok("CONFIG", "SET", "notify-keyspace-events", "EA")
    try:
        s.call("PSUBSCRIBE", "__keyevent@*__:*")
        for words in commands:
            c.call(*words.split())
        c.call("PUBLISH", "__keyevent@0__:end", "")
        seen = []
        while True:
            _, _, (_, channel), (_, key) = s.read()[1]
            if channel.endswith(b":end"):
                return seen
            seen.append(channel[len("__keyevent@"):] + b" " + key)
    finally:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_events(raw):
    want = [b"0__:set a", b"0__:rename_from a", b"0__:rename_to a2",
            b"0__:copy_to b", b"0__:move_from b", b"1__:move_to b",
            b"0__:expire a2", b"0__:persist a2", b"0__:del a2"]
    got = events_of(raw, "SET a 1", "RENAME a a2", "COPY a2 b", "MOVE b 1",
                    "EXPIRE a2 100", "PERSIST a2", "EXPIRE a2 -1")
    # the two names may lie in two shards, which tell by themselves
    assert sorted(got) == sorted(want)
    assert [e for e in got if b"a2" not in e] == \
        [e for e in want if b"a2" not in e]


@pytest.mark.long
def test_a_million_that_expire_in_one_second(raw):
    """All are gone within two, though nobody asks for them."""
    c, n = raw(), 1000000

    def expired():
        info = c.call("INFO", "stats")[1]
        return int(info.split(b"\r\nexpired_keys:")[1].split()[0])

    before = expired()
    at = int(time.time() * 1000) + 20000
    for i in range(0, n, 5000):
        c.send(b"".join(encode("SET", "key:%d" % j, "x", "PXAT",
                               at + j * 1000 // n)
                        for j in range(i, i + 5000)))
        assert set(c.read_many(5000)) == {("+", b"OK")}
    assert c.call("DBSIZE") == (":", n)
    assert time.time() * 1000 < at, "the machine is too slow for this test"
    time.sleep(at / 1000 + 2 - time.time())
    assert c.call("DBSIZE") == (":", 0)
    assert expired() - before == n
