# SPDX-License-Identifier: MIT
"""Commands on strings."""

import random
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
    c.ok("SET", "k", "v", "EX", "10", "EX", "1000")
    assert c.call("TTL", "k")[1] > 900
    c.ok("SET", "k", "v", "KEEPTTL", "KEEPTTL")
    assert c.call("TTL", "k")[1] > 900
    c.call("DEL", "k")
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


def test_setnx_setex_psetex_getset(raw):
    c = raw()
    assert c.call("SETNX", "k", "1") == (":", 1)
    assert c.call("SETNX", "k", "2") == (":", 0)
    assert c.call("GETSET", "k", "3") == ("$", b"1")
    assert c.call("GETSET", "none", "x") == ("$", None)
    c.ok("SETEX", "k", "100", "v")
    assert 99 <= c.call("TTL", "k")[1] <= 100
    assert c.call("GETSET", "k", "w") == ("$", b"v")
    assert c.call("TTL", "k") == (":", -1)
    c.ok("PSETEX", "k", "100000", "v")
    assert c.call("PTTL", "k")[1] > 90000
    for time_left in ("0", "-1"):
        assert c.call("SETEX", "k", time_left, "v") == (
            "-", b"ERR invalid expire time in 'setex' command")
        assert c.call("PSETEX", "k", time_left, "v") == (
            "-", b"ERR invalid expire time in 'psetex' command")
    assert c.call("SETEX", "k", "x", "v") == NOT_INT
    assert c.call("SETEX", "k", "9223372036854776", "v") == (
        "-", b"ERR invalid expire time in 'setex' command")
    c.call("HSET", "h", "f", "v")
    assert c.call("GETSET", "h", "v") == WRONGTYPE
    assert c.call("SETNX", "h", "v") == (":", 0)


def test_msetnx(raw):
    c = raw()
    assert c.call("MSETNX", "k", "1", "k", "2") == (":", 1)
    assert c.call("GET", "k") == ("$", b"2")
    assert c.call("MSETNX", "new", "1", "k", "3") == (":", 0)
    assert c.call("EXISTS", "new") == (":", 0)
    assert c.call("MSETNX", "a", "1", "b") == (
        "-", b"ERR wrong number of arguments for 'msetnx' command")


def test_getdel_and_getex(raw):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call("GETEX", "k") == ("$", b"v")
    assert c.call("GETEX", "k", "EX", "100") == ("$", b"v")
    assert c.call("TTL", "k")[1] >= 99
    assert c.call("GETEX", "k", "PERSIST") == ("$", b"v")
    assert c.call("TTL", "k") == (":", -1)
    assert c.call("GETEX", "k", "PXAT", "99999999999999") == ("$", b"v")
    assert c.call("PEXPIRETIME", "k") == (":", 99999999999999)
    assert c.call("GETEX", "k", "EX", "0") == (
        "-", b"ERR invalid expire time in 'getex' command")
    assert c.call("GETEX", "k", "EX", "x") == NOT_INT
    assert c.call("GETEX", "k", "KEEPTTL") == SYNTAX
    assert c.call("GETEX", "k", "EX", "10", "PERSIST") == SYNTAX
    assert c.call("GETEX", "none", "EX", "x") == ("$", None)
    assert c.call("GETEX", "k", "EXAT", "1") == ("$", b"v")
    assert c.call("EXISTS", "k") == (":", 0)
    c.ok("SET", "k", "w")
    assert c.call("GETDEL", "k") == ("$", b"w")
    assert c.call("GETDEL", "k") == ("$", None)
    c.call("HSET", "h", "f", "v")
    assert c.call("GETDEL", "h") == WRONGTYPE
    assert c.call("GETEX", "h", "EX", "x") == WRONGTYPE


def test_incr_and_decr(raw):
    c = raw()
    overflow = ("-", b"ERR increment or decrement would overflow")
    assert c.call("INCR", "n") == (":", 1)
    assert c.call("DECR", "n") == (":", 0)
    assert c.call("DECRBY", "n", "10") == (":", -10)
    assert c.call("DECRBY", "n", "-15") == (":", 5)
    assert c.call("DECRBY", "n", "-9223372036854775808") == (
        "-", b"ERR decrement would overflow")
    c.ok("SET", "n", "-9223372036854775808")
    assert c.call("DECR", "n") == overflow
    assert c.call("INCRBY", "n", "-1") == overflow
    assert c.call("INCR", "n") == (":", -9223372036854775807)


@pytest.mark.parametrize("start, by, want", [
    (None, "1.5", b"1.5"), ("3.0e3", "200", b"3200"), ("10.50", "0.1", b"10.6"),
    ("5", "-5", b"0"), ("1", "1e17", b"100000000000000001"),
    ("-0.0", "0", b"0"),
])
def test_incrbyfloat(raw, start, by, want):
    c = raw()
    if start is not None:
        c.ok("SET", "f", start, "EX", "100")
    assert c.call("INCRBYFLOAT", "f", by) == ("$", want)
    assert c.call("GET", "f") == ("$", want)
    if start is not None:
        assert c.call("TTL", "f")[1] > 90


def test_incrbyfloat_refuses(raw):
    c = raw()
    not_float = ("-", b"ERR value is not a valid float")
    nan = ("-", b"ERR increment would produce NaN or Infinity")
    assert c.call("INCRBYFLOAT", "f", "x") == not_float
    assert c.call("INCRBYFLOAT", "f", "nan") == not_float
    assert c.call("INCRBYFLOAT", "f", " 1") == not_float
    assert c.call("INCRBYFLOAT", "f", "inf") == nan
    assert c.call("EXISTS", "f") == (":", 0)
    c.ok("SET", "f", "")
    assert c.call("INCRBYFLOAT", "f", "1") == not_float
    c.call("HSET", "h", "f", "v")
    assert c.call("INCRBYFLOAT", "h", "1") == WRONGTYPE


def test_what_incrbyfloat_leaves_is_text(raw):
    c = raw()
    c.call("INCRBYFLOAT", "f", "3")
    assert c.call("OBJECT", "ENCODING", "f") == ("$", b"embstr")
    assert c.call("INCR", "f") == (":", 4)
    assert c.call("OBJECT", "ENCODING", "f") == ("$", b"int")


TOO_LONG = ("-", b"ERR string exceeds maximum allowed size "
                 b"(proto-max-bulk-len)")


def test_setrange(raw):
    c = raw()
    assert c.call("SETRANGE", "k", "3", "ab") == (":", 5)
    assert c.call("GET", "k") == ("$", b"\0\0\0ab")
    assert c.call("SETRANGE", "k", "0", "xyz") == (":", 5)
    assert c.call("SETRANGE", "k", "4", "12") == (":", 6)
    assert c.call("GET", "k") == ("$", b"xyza12")
    assert c.call("SETRANGE", "k", "100", "") == (":", 6)
    assert c.call("SETRANGE", "none", "100", "") == (":", 0)
    assert c.call("EXISTS", "none") == (":", 0)
    c.ok("SET", "n", "123", "EX", "100")
    assert c.call("SETRANGE", "n", "1", "9") == (":", 3)
    assert c.call("INCR", "n") == (":", 194)
    assert c.call("TTL", "n")[1] > 90
    assert c.call("SETRANGE", "n", "10000", "x") == (":", 10001)
    assert c.call("GETRANGE", "n", "0", "3") == ("$", b"194\0")


@pytest.mark.parametrize("offset, error", [
    ("-1", ("-", b"ERR offset is out of range")),
    ("x", NOT_INT),
    ("9223372036854775807", TOO_LONG),
    ("9223372036854775806", TOO_LONG),
    ("536870911", TOO_LONG),
    ("4294967295", TOO_LONG),
])
def test_setrange_refuses(raw, offset, error):
    c = raw()
    assert c.call("SETRANGE", "k", offset, "xy") == error
    assert c.call("EXISTS", "k") == (":", 0)
    c.ok("SET", "k", "v")
    assert c.call("SETRANGE", "k", offset, "xy") == error
    assert c.call("GET", "k") == ("$", b"v")


def test_setrange_beyond_the_memory_limit(fresh_server, config_name):
    """What the offset asks for is not in the arguments."""
    if config_name == "redis":
        pytest.skip("redis-server looks at the arguments only")
    s = fresh_server(memory_limit="2mb", max_resp_bulk_len="100mb")
    with s.raw() as c:
        assert c.call("SETRANGE", "k", "50000000", "x") == (
            "-", b"OOM command not allowed when used memory > 'maxmemory'.")
        assert c.call("EXISTS", "k") == (":", 0)
        assert c.call("SETRANGE", "k", "500000", "x") == (":", 500001)


@pytest.mark.parametrize("start, end, want", [
    ("0", "-1", b"0123456789"), ("2", "4", b"234"), ("-3", "-1", b"789"),
    ("-100", "2", b"012"), ("5", "100", b"56789"), ("5", "3", b""),
    ("10", "20", b""), ("-1", "-3", b""), ("0", "-11", b"0"),
    ("-9223372036854775808", "9223372036854775807", b"0123456789"),
])
@pytest.mark.parametrize("command", ["GETRANGE", "SUBSTR"])
def test_getrange(raw, command, start, end, want):
    c = raw()
    c.ok("SET", "k", "0123456789")
    assert c.call(command, "k", start, end) == ("$", want)
    assert c.call(command, "none", start, end) == ("$", b"")


def test_strlen(raw):
    c = raw()
    c.ok("MSET", "a", "12345", "b", "hello world", "c", "x" * 5000)
    assert [c.call("STRLEN", k) for k in "abcd"] == [
        (":", 5), (":", 11), (":", 5000), (":", 0)]
    c.call("HSET", "h", "f", "v")
    assert c.call("STRLEN", "h") == WRONGTYPE


def test_lcs(raw):
    c = raw()
    c.ok("MSET", "a", "ohmytext", "b", "mynewtext")
    four = ("*", [("*", [(":", 4), (":", 7)]), ("*", [(":", 5), (":", 8)])])
    two = ("*", [("*", [(":", 2), (":", 3)]), ("*", [(":", 0), (":", 1)])])
    assert c.call("LCS", "a", "b") == ("$", b"mytext")
    assert c.call("LCS", "a", "b", "LEN") == (":", 6)
    assert c.call("LCS", "a", "b", "IDX") == (
        "*", [("$", b"matches"), ("*", [four, two]), ("$", b"len"),
              (":", 6)])
    assert c.call("LCS", "a", "b", "IDX", "MINMATCHLEN", "4",
                  "WITHMATCHLEN") == (
        "*", [("$", b"matches"), ("*", [("*", four[1] + [(":", 4)])]),
              ("$", b"len"), (":", 6)])
    assert c.call("LCS", "a", "none") == ("$", b"")
    assert c.call("LCS", "a", "none", "LEN") == (":", 0)


def test_lcs_refuses(raw):
    c = raw()
    c.ok("MSET", "a", "x", "b", "y")
    c.call("HSET", "h", "f", "v")
    assert c.call("LCS", "a", "h") == (
        "-", b"ERR The specified keys must contain string values")
    assert c.call("LCS", "a", "b", "LEN", "IDX") == (
        "-", b"ERR If you want both the length and indexes, please just use"
             b" IDX.")
    assert c.call("LCS", "a", "b", "WHAT") == SYNTAX
    assert c.call("LCS", "a", "b", "MINMATCHLEN") == SYNTAX
    assert c.call("LCS", "a", "b", "MINMATCHLEN", "x") == NOT_INT
    c.ok("MSET", "a", "x" * 300000, "b", "y" * 300000)
    assert c.call("LCS", "a", "b", "IDX") == (
        "-", b"ERR Insufficient memory, transient memory for LCS exceeds "
             b"proto-max-bulk-len")


def plain_lcs(a, b):
    """How long the longest common subsequence is, the slow way."""
    row = [0] * (len(b) + 1)
    for x in a:
        last = 0
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], \
                last + 1 if x == y else max(row[j], row[j + 1])
    return row[-1]


def is_subsequence(part, whole):
    rest = iter(whole)
    return all(x in rest for x in part)


def test_lcs_across_words(raw):
    """The table has words of 64 bits: lengths about them."""
    c = raw()
    draw = random.Random(7)
    for n in (1, 63, 64, 65, 127, 128, 129, 200):
        a = "".join(draw.choice("abcd") for _ in range(n))
        b = "".join(draw.choice("abcd") for _ in range(193 - n % 66))
        c.ok("MSET", "a", a, "b", b)
        _, found = c.call("LCS", "a", "b")
        assert len(found) == plain_lcs(a, b)
        assert is_subsequence(found.decode(), a)
        assert is_subsequence(found.decode(), b)
