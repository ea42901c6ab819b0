# SPDX-License-Identifier: MIT
"""Sorted sets: members, ranges, pops, unions; both encodings."""

import collections
import random
import time

import pytest

from harness.resp import encode, plain

WRONGTYPE = ("-", b"WRONGTYPE Operation against a key holding the wrong kind"
                  b" of value")
SYNTAX = ("-", b"ERR syntax error")
NOT_INT = ("-", b"ERR value is not an integer or out of range")
NO_RANGE = ("-", b"ERR min or max is not a float")
NO_LEX = ("-", b"ERR min or max not valid string range item")

# With a member of 100 bytes a sorted set is no pack any more.
LONG = b"~" * 100


@pytest.fixture(params=["pack", "skip"])
def zset(request, raw):
    """A function that makes a sorted set in one of the encodings, the long
    member of which comes last of all and is left out of comparisons."""
    c = raw()

    def make(key, *pairs):
        c.call("DEL", key)
        if request.param == "skip":
            c.call("ZADD", key, "0", LONG)
            c.call("ZADD", key, *pairs)
            c.call("ZREM", key, LONG)
        else:
            c.call("ZADD", key, *pairs)
        return c

    return make


def words(c, *args):
    return plain(c.call(*args))


def test_zadd_and_what_it_answers(zset):
    c = zset("z", "1", "a", "2", "b")
    assert c.call("ZADD", "z", "1", "a", "3", "b", "4", "c") == (":", 1)
    assert c.call("ZADD", "z", "CH", "1", "a", "2", "b", "4", "d") == (":", 2)
    assert words(c, "ZRANGE", "z", "0", "-1", "WITHSCORES") == [
        b"a", b"1", b"b", b"2", b"c", b"4", b"d", b"4"]
    assert c.call("ZADD", "z", "INCR", "1.5", "a") == ("$", b"2.5")
    assert c.call("ZINCRBY", "z", "-2", "a") == ("$", b"0.5")
    assert c.call("ZINCRBY", "z", "7", "new") == ("$", b"7")
    assert c.call("ZCARD", "z") == (":", 5)


@pytest.mark.parametrize("options, score, answer, after", [
    (["NX"], "5", 0, b"3"), (["XX"], "5", 0, b"5"), (["GT"], "5", 0, b"5"),
    (["GT"], "1", 0, b"3"), (["LT"], "1", 0, b"1"), (["LT"], "5", 0, b"3"),
    (["GT", "CH"], "5", 1, b"5"), (["XX", "LT", "CH"], "5", 0, b"3"),
    (["xx", "gt", "ch"], "3", 0, b"3")])
def test_zadd_conditions(zset, options, score, answer, after):
    c = zset("z", "3", "a")
    assert c.call("ZADD", "z", *options, score, "a") == (":", answer)
    assert c.call("ZSCORE", "z", "a") == ("$", after)
    new = 0 if "XX" in options or "xx" in options else 1
    assert c.call("ZADD", "z", *options, score, "other") == (":", new)


def test_zadd_incr_that_is_forbidden_answers_null(zset):
    c = zset("z", "3", "a")
    assert c.call("ZADD", "z", "NX", "INCR", "1", "a") == ("$", None)
    assert c.call("ZADD", "z", "XX", "INCR", "1", "b") == ("$", None)
    assert c.call("ZADD", "z", "GT", "INCR", "-1", "a") == ("$", None)
    assert c.call("ZADD", "none", "XX", "1", "a") == (":", 0)
    assert c.call("EXISTS", "none") == (":", 0)


@pytest.mark.parametrize("args, error", [
    (["1"], b"wrong number of arguments for 'zadd' command"),
    (["1", "a", "2"], b"syntax error"),
    (["NX", "CH"], b"syntax error"),
    (["NX", "XX", "1", "a"], b"XX and NX options at the same time are not "
                             b"compatible"),
    (["GT", "LT", "1", "a"], b"GT, LT, and/or NX options at the same time are"
                             b" not compatible"),
    (["NX", "LT", "1", "a"], b"GT, LT, and/or NX options at the same time are"
                             b" not compatible"),
    (["INCR", "1", "a", "2", "b"], b"INCR option supports a single "
                                   b"increment-element pair"),
    (["1", "a", "x", "b"], b"value is not a valid float"),
    (["nan", "a"], b"value is not a valid float"),
    (["", "a"], b"value is not a valid float")])
def test_zadd_refuses(raw, args, error):
    c = raw()
    assert c.call("ZADD", "z", *args) == ("-", b"ERR " + error)
    assert c.call("EXISTS", "z") == (":", 0)


def test_a_sum_that_is_no_number(zset):
    c = zset("z", "inf", "a")
    nan = ("-", b"ERR resulting score is not a number (NaN)")
    assert c.call("ZINCRBY", "z", "-inf", "a") == nan
    assert c.call("ZADD", "z", "INCR", "-inf", "a") == nan
    assert c.call("ZSCORE", "z", "a") == ("$", b"inf")


@pytest.mark.parametrize("score, shown", [
    ("1", b"1"), ("-1.5", b"-1.5"), ("0.1", b"0.10000000000000001"),
    ("1e3", b"1000"), ("1e17", b"1e+17"),
    ("3e300", b"3.0000000000000002e+300"), ("inf", b"inf"),
    ("-Infinity", b"-inf"),
    ("0x10", b"16"), ("9007199254740993", b"9007199254740992"),
    ("+5", b"5")])
def test_scores_as_they_are_shown(zset, score, shown):
    c = zset("z", score, "a")
    assert c.call("ZSCORE", "z", "a") == ("$", shown)
    c.call("HELLO", "3")
    assert c.call("ZSCORE", "z", "a") == (",", shown)


def test_minus_zero_in_each_encoding(raw):
    """A pack keeps integers as such, so there it is lost, as in Redis."""
    c = raw()
    c.call("ZADD", "pack", "-0", "a")
    c.call("ZADD", "skip", "1", LONG, "-0", "a")
    assert c.call("ZSCORE", "pack", "a") == ("$", b"0")
    assert c.call("ZSCORE", "skip", "a") == ("$", b"-0")


def test_ranks(zset):
    c = zset("z", "1", "a", "1", "b", "2", "c")
    assert [c.call("ZRANK", "z", m)[1] for m in "abcd"] == [0, 1, 2, None]
    assert [c.call("ZREVRANK", "z", m)[1] for m in "abcd"] == [2, 1, 0, None]
    assert c.call("ZMSCORE", "z", "a", "q", "c") == (
        "*", [("$", b"1"), ("$", None), ("$", b"2")])
    assert c.call("ZMSCORE", "none", "a") == ("*", [("$", None)])


def test_ranks_with_scores(zset, config_name):
    if config_name == "redis":
        pytest.skip("WITHSCORE is of 7.2")
    c = zset("z", "1", "a", "1", "b", "2", "c")
    assert c.call("ZRANK", "z", "b", "WITHSCORE") == (
        "*", [(":", 1), ("$", b"1")])
    assert c.call("ZRANK", "z", "q", "WITHSCORE") == ("*", None)
    assert c.call("ZREVRANK", "z", "b", "SCORE") == SYNTAX
    c.call("HELLO", "3")
    assert c.call("ZREVRANK", "z", "b", "WITHSCORE") == (
        "*", [(":", 1), (",", b"1")])
    assert c.call("ZRANK", "none", "a", "WITHSCORE") == ("_", None)


def test_zrem(zset):
    c = zset("z", "1", "a", "2", "b", "3", "c")
    assert c.call("ZREM", "z", "a", "none", "a") == (":", 1)
    assert c.call("ZREM", "z", "b", "c") == (":", 2)
    assert c.call("EXISTS", "z") == (":", 0)
    assert c.call("ZREM", "z", "b") == (":", 0)


SIX = ["1", "a", "2", "b", "3", "c", "4", "d", "5", "e", "6", "f"]


@pytest.mark.parametrize("args, want", [
    (["0", "-1"], "abcdef"), (["1", "2"], "bc"), (["-2", "100"], "ef"),
    (["-100", "0"], "a"), (["4", "1"], ""), (["6", "9"], ""),
    (["0", "1", "REV"], "fe"), (["2", "3", "BYSCORE"], "bc"),
    (["(2", "(5", "BYSCORE"], "cd"), (["-inf", "+inf", "BYSCORE"], "abcdef"),
    (["5", "(2", "BYSCORE", "REV"], "edc"),
    (["-inf", "inf", "BYSCORE", "LIMIT", "1", "2"], "bc"),
    (["-inf", "inf", "BYSCORE", "LIMIT", "4", "-1"], "ef"),
    (["-inf", "inf", "BYSCORE", "LIMIT", "-1", "2"], ""),
    (["inf", "-inf", "BYSCORE", "REV", "LIMIT", "1", "2"], "ed"),
    (["5", "2", "BYSCORE"], ""), (["", "2", "BYSCORE"], "ab"),
    ([" 1", "1e999", "BYSCORE", "LIMIT", "0", "1"], "a")])
def test_zrange(zset, args, want):
    c = zset("z", *SIX)
    assert b"".join(words(c, "ZRANGE", "z", *args)) == want.encode()
    if "BYSCORE" not in args or args[-1] == "BYSCORE":
        size = len(want)
        assert c.call("ZRANGESTORE", "to", "z", *args) == (":", size)
        assert b"".join(words(c, "ZRANGE", "to", "0", "-1")) == \
            "".join(sorted(want)).encode()
        assert c.call("EXISTS", "to") == (":", 1 if want else 0)


@pytest.mark.parametrize("args, error", [
    (["a", "1"], NOT_INT), (["0", "1", "FOO"], SYNTAX),
    (["0", "1", "LIMIT", "0"], SYNTAX),
    (["0", "1", "LIMIT", "0", "1"],
     ("-", b"ERR syntax error, LIMIT is only supported in combination with "
           b"either BYSCORE or BYLEX")),
    (["-", "+", "BYLEX", "WITHSCORES"],
     ("-", b"ERR syntax error, WITHSCORES not supported in combination with "
           b"BYLEX")),
    (["x", "1", "BYSCORE"], NO_RANGE), (["nan", "1", "BYSCORE"], NO_RANGE),
    (["1 ", "2", "BYSCORE"], NO_RANGE), (["a", "[b", "BYLEX"], NO_LEX),
    (["", "+", "BYLEX"], NO_LEX), (["0", "1", "REV", "REV"], SYNTAX)])
def test_zrange_refuses(raw, args, error):
    c = raw()
    assert c.call("ZRANGE", "z", *args) == error
    c.ok("SET", "s", "v")
    assert c.call("ZRANGE", "s", *args) == error


def test_the_older_ranges(zset):
    c = zset("z", *SIX)
    assert words(c, "ZREVRANGE", "z", "0", "1", "WITHSCORES") == [
        b"f", b"6", b"e", b"5"]
    assert words(c, "ZRANGEBYSCORE", "z", "(1", "3", "WITHSCORES") == [
        b"b", b"2", b"c", b"3"]
    assert words(c, "ZREVRANGEBYSCORE", "z", "3", "-inf", "LIMIT", "1",
                 "1") == [b"b"]
    assert c.call("ZRANGEBYSCORE", "z", "1", "2", "BYLEX") == SYNTAX
    assert c.call("ZCOUNT", "z", "(1", "+inf") == (":", 5)
    assert c.call("ZCOUNT", "z", "1", "x") == NO_RANGE
    assert c.call("ZREMRANGEBYSCORE", "z", "-inf", "(3") == (":", 2)
    assert c.call("ZREMRANGEBYRANK", "z", "-1", "-1") == (":", 1)
    assert words(c, "ZRANGE", "z", "0", "-1") == [b"c", b"d", b"e"]
    assert c.call("ZREMRANGEBYRANK", "z", "0", "-1") == (":", 3)
    assert c.call("EXISTS", "z") == (":", 0)


def test_ranges_of_bytes(zset):
    c = zset("z", *[x for m in ["", "a", "aa", "b", "c", b"c\0"]
                    for x in ("0", m)])
    assert words(c, "ZRANGEBYLEX", "z", "-", "+") == [
        b"", b"a", b"aa", b"b", b"c", b"c\0"]
    assert words(c, "ZRANGEBYLEX", "z", "[a", "(b") == [b"a", b"aa"]
    assert words(c, "ZREVRANGEBYLEX", "z", "[c", "(a", "LIMIT", "1", "5") == [
        b"b", b"aa"]
    assert words(c, "ZRANGE", "z", "+", "(b", "BYLEX", "REV") == [
        b"c\0", b"c"]
    assert c.call("ZLEXCOUNT", "z", "(a", "+") == (":", 4)
    assert c.call("ZLEXCOUNT", "z", "+", "-") == (":", 0)
    assert c.call("ZREMRANGEBYLEX", "z", "[b", "[c") == (":", 2)
    assert c.call("ZCARD", "z") == (":", 4)


def test_pairs_are_nested_in_resp3(zset):
    c = zset("z", "1", "a", "2.5", "b")
    c.call("HELLO", "3")
    pairs = ("*", [("*", [("$", b"a"), (",", b"1")]),
                   ("*", [("$", b"b"), (",", b"2.5")])])
    assert c.call("ZRANGE", "z", "0", "-1", "WITHSCORES") == pairs
    assert c.call("ZUNION", "1", "z", "WITHSCORES") == pairs
    assert c.call("ZRANDMEMBER", "z", "5", "WITHSCORES")[1][0][0] == "*"
    assert c.call("ZSCAN", "z", "0")[1][1][0] == "*"
    assert c.call("ZPOPMIN", "z", "1") == ("*", pairs[1][:1])
    assert c.call("ZPOPMAX", "z") == ("*", [("$", b"b"), (",", b"2.5")])
    assert c.call("ZRANGE", "z", "0", "-1", "WITHSCORES") == ("*", [])


def test_pops(zset):
    c = zset("z", *SIX)
    assert words(c, "ZPOPMIN", "z") == [b"a", b"1"]
    assert words(c, "ZPOPMAX", "z", "2") == [b"f", b"6", b"e", b"5"]
    assert c.call("ZPOPMIN", "z", "0") == ("*", [])
    assert words(c, "ZMPOP", "2", "none", "z", "MAX", "COUNT", "9") == [
        b"z", [[b"d", b"4"], [b"c", b"3"], [b"b", b"2"]]]
    assert c.call("EXISTS", "z") == (":", 0)
    assert c.call("ZMPOP", "1", "z", "MIN") == ("*", None)
    assert c.call("ZPOPMIN", "z") == ("*", [])


@pytest.mark.parametrize("args, error", [
    (["ZPOPMIN", "z", "-1"], b"value is out of range, must be positive"),
    (["ZPOPMIN", "z", "x"], b"value is out of range, must be positive"),
    (["ZPOPMIN", "z", "1", "2"], b"syntax error"),
    (["ZMPOP", "0", "z", "MIN"], b"numkeys should be greater than 0"),
    (["ZMPOP", "9223372036854775807", "z", "MIN"], b"syntax error"),
    (["ZMPOP", "1", "z", "MID"], b"syntax error"),
    (["ZMPOP", "1", "z", "MIN", "COUNT", "0"],
     b"count should be greater than 0"),
    (["BZPOPMIN", "z", "x"], b"timeout is not a float or out of range"),
    (["BZPOPMIN", "z", "-1"], b"timeout is negative"),
    (["BZMPOP", "x", "0", "z", "MIN"], b"numkeys should be greater than 0")])
def test_pops_refuse(raw, args, error):
    assert raw().call(*args) == ("-", b"ERR " + error)


def test_blocked_pops_are_served(raw):
    waits, other, c = raw(), raw(), raw()
    waits.send(encode("BZPOPMIN", "z1", "z2", "0"))
    other.send(encode("BZMPOP", "0", "1", "z2", "MAX", "COUNT", "2"))
    deadline = time.time() + 5
    while b"blocked_clients:2\r" not in c.call("INFO", "clients")[1]:
        assert time.time() < deadline
    c.call("RPUSH", "z1", "a list is not waited for")
    assert c.call("ZADD", "z2", "1", "a", "2", "b", "3", "c") == (":", 3)
    assert plain(waits.read()) == [b"z2", b"a", b"1"]
    assert plain(other.read()) == [b"z2", [[b"c", b"3"], [b"b", b"2"]]]
    assert c.call("EXISTS", "z2") == (":", 0)


def test_blocked_pops_end_in_time(raw):
    c = raw()
    assert c.call("BZPOPMAX", "z", "0.01") == ("*", None)
    assert c.call("BZMPOP", "0.01", "1", "z", "MIN") == ("*", None)
    c.ok("MULTI")
    c.call("BZPOPMIN", "z", "0")
    assert c.call("EXEC") == ("*", [("*", None)])


@pytest.mark.parametrize("args, want", [
    (["ZUNION", "2", "x", "y"], "a1 b12 d30 c23"),
    (["ZUNION", "2", "x", "y", "WEIGHTS", "2", "-1"], "d-30 c-14 b-6 a2"),
    (["ZUNION", "2", "x", "y", "AGGREGATE", "MIN"], "a1 b2 c3 d30"),
    (["ZUNION", "2", "x", "set", "AGGREGATE", "MAX"], "a1 e1 b2 c3"),
    (["ZINTER", "2", "x", "y"], "b12 c23"),
    (["ZINTER", "2", "x", "set"], "a2"),
    (["ZINTER", "2", "x", "none"], ""),
    (["ZINTER", "2", "x", "x"], "a2 b4 c6"),
    (["ZDIFF", "2", "x", "y"], "a1"), (["ZDIFF", "2", "x", "x"], ""),
    (["ZDIFF", "3", "x", "none", "set"], "b2 c3")])
def test_set_operations(zset, args, want):
    zset("y", "10", "b", "20", "c", "30", "d")
    c = zset("x", "1", "a", "2", "b", "3", "c")
    c.call("SADD", "set", "a", "e")
    pairs = [(w[:1], w[1:]) for w in want.encode().split()]
    pairs.sort(key=lambda p: (float(p[1]), p[0]))
    flat = [x for p in pairs for x in p]
    assert words(c, *args, "WITHSCORES") == flat
    assert words(c, *args) == flat[::2]
    store = [args[0] + "STORE", "x"] + args[1:]
    assert c.call(*store) == (":", len(pairs))
    assert words(c, "ZRANGE", "x", "0", "-1", "WITHSCORES") == flat
    assert c.call("EXISTS", "x") == (":", 1 if flat else 0)


def test_infinities_cancel(zset):
    c = zset("z", "inf", "a", "-inf", "b", "1", "c")
    assert words(c, "ZUNION", "2", "z", "z", "WEIGHTS", "1", "-1",
                 "WITHSCORES") == [b"a", b"0", b"b", b"0", b"c", b"0"]
    assert words(c, "ZUNION", "1", "z", "WEIGHTS", "0", "WITHSCORES") == [
        b"a", b"0", b"b", b"0", b"c", b"0"]


def test_zintercard(zset):
    c = zset("z", *SIX)
    assert c.call("ZINTERCARD", "2", "z", "z") == (":", 6)
    assert c.call("ZINTERCARD", "2", "z", "z", "LIMIT", "4") == (":", 4)
    assert c.call("ZINTERCARD", "2", "z", "z", "LIMIT", "0") == (":", 6)
    assert c.call("ZINTERCARD", "2", "z", "none") == (":", 0)
    assert c.call("ZINTERCARD", "1", "z", "LIMIT", "-1") == (
        "-", b"ERR LIMIT can't be negative")


@pytest.mark.parametrize("args, error", [
    (["ZUNION", "0", "z"],
     b"at least 1 input key is needed for 'zunion' command"),
    (["ZDIFFSTORE", "d", "0", "z"],
     b"at least 1 input key is needed for 'zdiffstore' command"),
    (["ZINTER", "x", "z"], b"value is not an integer or out of range"),
    (["ZINTER", "3", "z"], b"syntax error"),
    (["ZINTER", "1", "z", "WEIGHTS", "nan"], b"weight value is not a float"),
    (["ZINTER", "2", "z", "z", "WEIGHTS", "1"], b"syntax error"),
    (["ZINTER", "1", "z", "AGGREGATE", "AVG"], b"syntax error"),
    (["ZDIFF", "1", "z", "WEIGHTS", "1"], b"syntax error"),
    (["ZUNIONSTORE", "d", "1", "z", "WITHSCORES"], b"syntax error")])
def test_set_operations_refuse(raw, args, error):
    assert raw().call(*args) == ("-", b"ERR " + error)


def test_zrandmember(zset):
    c = zset("z", *[x for i in range(10) for x in (str(i), "m%d" % i)])
    assert c.call("ZRANDMEMBER", "none") == ("$", None)
    assert c.call("ZRANDMEMBER", "none", "3") == ("*", [])
    assert words(c, "ZRANDMEMBER", "z")[:1] == b"m"
    for n in (1, 3, 9, 10, 11):
        got = words(c, "ZRANDMEMBER", "z", str(n))
        assert len(set(got)) == len(got) == min(n, 10)
    got = words(c, "ZRANDMEMBER", "z", "-5000", "WITHSCORES")
    assert all(m == b"m" + s for m, s in zip(got[::2], got[1::2]))
    seen = collections.Counter(got[::2])
    assert len(seen) == 10 and min(seen.values()) > 350
    assert c.call("ZRANDMEMBER", "z", "1", "FOO") == SYNTAX
    assert c.call("ZRANDMEMBER", "z", "-9223372036854775808") == (
        "-", b"ERR value is out of range, value must between "
             b"-9223372036854775807 and 9223372036854775807")
    assert c.call("ZRANDMEMBER", "z", "9223372036854775807",
                  "WITHSCORES") == ("-", b"ERR value is out of range")


def test_a_reply_without_end_is_refused(zset, config_name):
    if config_name == "redis":
        pytest.skip("redis-server builds it")
    c = zset("z", "1", "a")
    kind, text = c.call("ZRANDMEMBER", "z", "-4611686018427387903")
    assert kind == "-" and b"out of range" in text
    assert c.call("PING") == ("+", b"PONG")


def test_zscan(raw):
    c = raw()
    want = {b"m%d" % i: b"%d.5" % i for i in range(500)}
    c.call("ZADD", "z", *[x for m, s in want.items() for x in (s, m)])
    got, cursor = {}, b"0"
    while True:
        cursor, items = words(c, "ZSCAN", "z", cursor, "COUNT", "50")
        got.update(zip(items[::2], items[1::2]))
        if cursor == b"0":
            break
    assert got == want
    assert words(c, "ZSCAN", "z", "0", "MATCH", "m499", "COUNT", "1000") == [
        b"0", [b"m499", b"499.5"]]
    assert words(c, "ZSCAN", "none", "0") == [b"0", []]


def test_wrong_type(raw):
    c = raw()
    c.ok("SET", "s", "v")
    for command in [
            "ZADD s 1 a", "ZINCRBY s 1 a", "ZREM s a", "ZCARD s",
            "ZSCORE s a", "ZMSCORE s a", "ZRANK s a", "ZRANGE s 0 1",
            "ZCOUNT s 0 1", "ZLEXCOUNT s - +", "ZREMRANGEBYRANK s 0 1",
            "ZPOPMIN s", "ZPOPMIN s 0", "ZMPOP 2 none s MIN",
            "BZPOPMIN s 0", "ZUNION 1 s", "ZUNIONSTORE d 1 s",
            "ZRANGESTORE d s 0 1", "ZRANDMEMBER s", "ZSCAN s 0"]:
        assert c.call(*command.split()) == WRONGTYPE
    assert c.call("GET", "s") == ("$", b"v")


def test_a_store_replaces_any_kind(raw):
    c = raw()
    c.call("ZADD", "z", "1", "a")
    for store in ["ZRANGESTORE to z 0 -1", "ZUNIONSTORE to 1 z"]:
        c.ok("SET", "to", "v", "EX", "100")
        assert c.call(*store.split()) == (":", 1)
        assert c.call("TTL", "to") == (":", -1)
        assert words(c, "ZRANGE", "to", "0", "-1") == [b"a"]


@pytest.mark.parametrize("size", [60, 128, 129, 500])
def test_against_a_model(raw, size):
    """Across the threshold where the encoding changes."""
    c, rnd, model = raw(), random.Random(size), {}

    def member():
        return b"%d" % rnd.randrange(size) if rnd.random() < .5 \
            else b"m%d" % rnd.randrange(size)

    def score():
        return rnd.choice([b"%d" % rnd.randrange(9),
                           b"%r" % rnd.uniform(-9, 9)])

    for _ in range(1000):
        m, s = member(), score()
        if rnd.random() < .7:
            assert c.call("ZADD", "z", s, m) == (":", int(m not in model))
            model[m] = float(s)
        else:
            assert c.call("ZREM", "z", m) == (":", int(m in model))
            model.pop(m, None)
    order = sorted(model, key=lambda m: (model[m], m))
    assert words(c, "ZRANGE", "z", "0", "-1") == order
    for _ in range(30):
        m, lo = rnd.choice(order), rnd.uniform(-9, 9)
        assert c.call("ZRANK", "z", m) == (":", order.index(m))
        assert float(c.call("ZSCORE", "z", m)[1]) == model[m]
        assert words(c, "ZRANGE", "z", repr(lo), "(5", "BYSCORE") == [
            m for m in order if lo <= model[m] < 5]


def test_a_pipeline_over_a_large_one(raw):
    """Its requests are looked ahead over; each sees what those before did."""
    c = raw()
    rand = random.Random(11)
    model = {b"m%d" % i: float(i * 37 % 400) for i in range(600)}
    c.send(b"".join(encode("ZADD", "z", model[m], m) for m in model))
    assert c.read_many(len(model)) == [(":", 1)] * len(model)
    for _ in range(30):
        ask, want = [], []
        for _ in range(50):
            m, v = b"m%d" % rand.randrange(620), rand.randrange(-5, 405)
            kind = rand.choice(["ZADD", "ZRANK", "ZREM", "ZSCORE", "ZINCRBY"])
            if kind == "ZADD":
                ask.append((kind, "z", v, m))
                want.append((":", int(m not in model)))
                model[m] = float(v)
            elif kind == "ZINCRBY":
                ask.append((kind, "z", v, m))
                model[m] = model.get(m, 0.0) + v
                want.append(("$", b"%d" % model[m]))
            elif kind == "ZREM":
                ask.append((kind, "z", m))
                want.append((":", int(model.pop(m, None) is not None)))
            elif kind == "ZSCORE" or m not in model:
                ask.append(("ZSCORE", "z", m))
                want.append(("$", b"%d" % model[m] if m in model else None))
            else:
                ask.append((kind, "z", m))
                want.append((":", sum((s, x) < (model[m], m)
                                      for x, s in model.items())))
        c.send(b"".join(encode(*a) for a in ask))
        assert c.read_many(len(ask)) == want
    assert c.call("ZCARD", "z") == (":", len(model))
