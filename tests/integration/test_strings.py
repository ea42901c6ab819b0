"""SET with its options, GET MGET MSET INCRBY APPEND."""

import time

import pytest
from harness.resp import encode

NOT_INT = ("-", b"ERR value is not an integer or out of range")
SYNTAX = ("-", b"ERR syntax error")
WRONGTYPE = ("-", b"WRONGTYPE Operation against a key holding the wrong kind"
                  b" of value")


def test_set_and_get(redis):
    assert redis.set("k", "v") is True
    assert redis.get("k") == b"v"
    assert redis.set("k", b"\x00\r\n\xff") is True
    assert redis.get("k") == b"\x00\r\n\xff"
    assert redis.get("none") is None


def test_set_nx_xx(redis):
    assert redis.set("k", "1", xx=True) is None
    assert redis.set("k", "1", nx=True) is True
    assert redis.set("k", "2", nx=True) is None
    assert redis.set("k", "3", xx=True) is True
    assert redis.get("k") == b"3"


def test_set_get(redis):
    assert redis.set("k", "1", get=True) is None
    assert redis.set("k", "2", get=True) == b"1"
    assert redis.set("k", "3", get=True, xx=True) == b"2"
    assert redis.set("k", "4", get=True, nx=True) == b"3"
    assert redis.get("k") == b"3"


def test_set_get_of_another_type(raw):
    c = raw()
    c.call("HSET", "h", "f", "v")
    assert c.call("SET", "h", "v", "GET") == WRONGTYPE
    assert c.call("HGET", "h", "f") == ("$", b"v")
    c.ok("SET", "h", "v")
    assert c.call("GET", "h") == ("$", b"v")


def test_set_with_expiry(redis):
    redis.set("k", "v", ex=100)
    assert 99 <= redis.ttl("k") <= 100
    redis.set("k", "v", px=50000)
    assert 49000 < redis.pttl("k") <= 50000
    at = int(time.time()) + 1000
    redis.set("k", "v", exat=at)
    assert redis.expiretime("k") == at
    redis.set("k", "v", pxat=at * 1000 + 7)
    assert redis.pexpiretime("k") == at * 1000 + 7
    redis.set("k", "w", keepttl=True)
    assert redis.pexpiretime("k") == at * 1000 + 7
    redis.set("k", "v")
    assert redis.ttl("k") == -1


def test_set_in_the_past_leaves_nothing(redis):
    redis.set("k", "v")
    assert redis.set("k", "w", exat=1) is True
    assert redis.get("k") is None
    assert redis.exists("k") == 0


@pytest.mark.parametrize("options, error", [
    (["NX", "XX"], b"ERR syntax error"),
    (["EX"], b"ERR syntax error"),
    (["EX", "10", "PX", "10"], b"ERR syntax error"),
    (["EX", "10", "KEEPTTL"], b"ERR syntax error"),
    (["KEEPTTL", "PXAT", "10"], b"ERR syntax error"),
    (["WHAT"], b"ERR syntax error"),
    (["EX", "x"], b"ERR value is not an integer or out of range"),
    (["EX", "1.5"], b"ERR value is not an integer or out of range"),
    (["EX", "0"], b"ERR invalid expire time in 'set' command"),
    (["PX", "-1"], b"ERR invalid expire time in 'set' command"),
    (["EX", "9223372036854775807"],
     b"ERR invalid expire time in 'set' command"),
    (["PX", "9223372036854775807"],
     b"ERR invalid expire time in 'set' command"),
    (["EXAT", "0"], b"ERR invalid expire time in 'set' command"),
])
def test_set_refuses(raw, options, error):
    c = raw()
    c.ok("SET", "k", "old")
    assert c.call("SET", "k", "new", *options) == ("-", error)
    assert c.call("GET", "k") == ("$", b"old")


def test_set_options_in_any_order_and_case(raw):
    c = raw()
    c.ok("set", "k", "v", "pX", "100000", "nx")
    assert c.call("SET", "k", "w", "get", "Xx", "kEEPttl") == ("$", b"v")
    kind, left = c.call("PTTL", "k")
    assert kind == ":" and 90000 < left <= 100000


def test_mset_and_mget(redis):
    assert redis.mset({"a": "1", "b": "2", "c": "3"}) is True
    assert redis.mget("a", "none", "c") == [b"1", None, b"3"]
    redis.hset("h", "f", "v")
    assert redis.mget("h", "a") == [None, b"1"]


def test_mset_the_last_of_two_wins(raw):
    c = raw()
    c.ok("MSET", "k", "1", "k", "2")
    assert c.call("GET", "k") == ("$", b"2")
    assert c.call("MSET", "k", "1", "k") == (
        "-", b"ERR wrong number of arguments for 'mset' command")


def test_mset_forgets_the_expiry(redis):
    redis.set("k", "v", ex=100)
    redis.mset({"k": "w"})
    assert redis.ttl("k") == -1


@pytest.mark.parametrize("start, by, want", [
    (None, 5, 5), (b"10", -3, 7), (b"-1", 1, 0),
    (b"9223372036854775806", 1, 9223372036854775807),
    (b"-9223372036854775807", -1, -9223372036854775808),
])
def test_incrby(raw, start, by, want):
    c = raw()
    if start is not None:
        c.ok("SET", "n", start)
    assert c.call("INCRBY", "n", by) == (":", want)
    assert c.call("GET", "n") == ("$", b"%d" % want)


@pytest.mark.parametrize("start", [
    b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"1.0", b"0x10", b"1e3",
    b"9223372036854775808", b"-9223372036854775809", b"x"])
def test_incrby_of_what_is_no_integer(raw, start):
    c = raw()
    c.ok("SET", "n", start)
    assert c.call("INCRBY", "n", 1) == NOT_INT
    assert c.call("GET", "n") == ("$", start)


def test_incrby_refuses(raw):
    c = raw()
    assert c.call("INCRBY", "n", "x") == NOT_INT
    assert c.call("INCRBY", "n", "1.0") == NOT_INT
    assert c.call("EXISTS", "n") == (":", 0)
    c.ok("SET", "n", "9223372036854775807")
    assert c.call("INCRBY", "n", "1") == (
        "-", b"ERR increment or decrement would overflow")
    assert c.call("GET", "n") == ("$", b"9223372036854775807")
    c.call("HSET", "h", "f", "v")
    assert c.call("INCRBY", "h", "1") == WRONGTYPE


def test_incrby_keeps_the_expiry(redis):
    redis.set("n", 1, ex=100)
    assert redis.incrby("n", 5) == 6
    assert redis.ttl("n") > 90


def test_append(raw):
    c = raw()
    assert c.call("APPEND", "k", "ab") == (":", 2)
    assert c.call("APPEND", "k", "") == (":", 2)
    assert c.call("APPEND", "k", "cd") == (":", 4)
    assert c.call("GET", "k") == ("$", b"abcd")
    c.ok("SET", "n", "12")
    assert c.call("APPEND", "n", "3") == (":", 3)
    assert c.call("INCRBY", "n", "1") == (":", 124)
    c.call("HSET", "h", "f", "v")
    assert c.call("APPEND", "h", "x") == WRONGTYPE


def test_append_grows_and_keeps_the_expiry(raw):
    c = raw()
    c.ok("SET", "k", "", "EX", "100")
    c.send(b"".join(encode("APPEND", "k", "0123456789")
                    for _ in range(2000)))
    assert c.read_many(2000) == [(":", 10 * (i + 1)) for i in range(2000)]
    assert c.call("GET", "k") == ("$", b"0123456789" * 2000)
    assert c.call("TTL", "k")[1] > 90


def test_get_of_another_type(raw):
    c = raw()
    c.call("HSET", "h", "f", "v")
    assert c.call("GET", "h") == WRONGTYPE


@pytest.mark.parametrize("command", ["GET", "SET", "MGET", "MSET", "INCRBY",
                                     "APPEND"])
def test_arity(raw, command):
    c = raw()
    assert c.call(command) == (
        "-", b"ERR wrong number of arguments for '%s' command"
        % command.lower().encode())
