# SPDX-License-Identifier: MIT
"""Lists: both ends, indexes, ranges, searches, moves; packs and quick lists."""

import pytest

from harness.resp import encode

WRONG = ("-", b"WRONGTYPE Operation against a key holding the wrong kind of "
              b"value")
NOT_INT = ("-", b"ERR value is not an integer or out of range")
POSITIVE = ("-", b"ERR value is out of range, must be positive")
SYNTAX = ("-", b"ERR syntax error")

# What makes a list of 5, 300 or 3,000 elements, in one pack or in many.
SIZES = [5, 300, 3000]


def s(text):
    return ("$", text if isinstance(text, bytes) else str(text).encode())


def strings(*items):
    return ("*", [s(i) for i in items])


def push(c, key, items):
    """Push in portions: a request may have only so many arguments."""
    for i in range(0, len(items), 500):
        c.call("RPUSH", key, *items[i:i + 500])
    return items


def fill(c, key, n, width=20):
    """Elements 0 to n - 1 with a tail, so that 3,000 make many packs."""
    return push(c, key, [b"%d-" % i + b"x" * width for i in range(n)])


def whole(c, key):
    return [v for _, v in c.call("LRANGE", key, 0, -1)[1]]


def test_push_and_pop(raw):
    c = raw()
    assert c.call("RPUSH", "l", "a", "b") == (":", 2)
    assert c.call("LPUSH", "l", "c", "d") == (":", 4)
    assert c.call("LRANGE", "l", 0, -1) == strings("d", "c", "a", "b")
    assert c.call("LPOP", "l") == s("d")
    assert c.call("RPOP", "l") == s("b")
    assert c.call("LLEN", "l") == (":", 2)
    assert c.call("RPOP", "l") == s("a")
    assert c.call("LPOP", "l") == s("c")
    assert c.call("EXISTS", "l") == (":", 0)
    assert c.call("LPOP", "l") == ("$", None)
    assert c.call("LLEN", "l") == (":", 0)


def test_pushx(raw):
    c = raw()
    assert c.call("LPUSHX", "l", "a") == (":", 0)
    assert c.call("RPUSHX", "l", "a") == (":", 0)
    c.call("RPUSH", "l", "b")
    assert c.call("LPUSHX", "l", "1", "2") == (":", 3)
    assert c.call("RPUSHX", "l", "3", "4") == (":", 5)
    assert c.call("LRANGE", "l", 0, -1) == strings(2, 1, "b", 3, 4)


@pytest.mark.parametrize("proto, nothing", [(2, ("*", None)),
                                            (3, ("_", None))])
def test_pop_count(raw, proto, nothing):
    c = raw()
    c.call("HELLO", proto)
    assert c.call("LPOP", "l", 0) == nothing
    assert c.call("LPOP", "l", 3) == nothing
    c.call("RPUSH", "l", 1, 2, 3, 4, 5)
    assert c.call("LPOP", "l", 0) == ("*", [])
    assert c.call("LPOP", "l", 2) == strings(1, 2)
    assert c.call("RPOP", "l", 2) == strings(5, 4)
    assert c.call("RPOP", "l", 9223372036854775807) == strings(3)
    assert c.call("EXISTS", "l") == (":", 0)
    assert c.call("LPOP", "l", -1) == POSITIVE
    assert c.call("LPOP", "l", "x") == POSITIVE
    assert c.call("RPOP", "l", 1, 2) == (
        "-", b"ERR wrong number of arguments for 'rpop' command")


@pytest.mark.parametrize("n", SIZES)
def test_ranges(raw, n):
    c = raw()
    want = fill(c, "l", n)
    for a, b in [(0, -1), (0, 0), (-1, -1), (1, 3), (n // 2, n // 2 + 100),
                 (-3, -2), (n - 1, n + 5), (n, n), (3, 1), (-n, -n),
                 (-n - 5, 1), (-9223372036854775808, 9223372036854775807),
                 (1, 9223372036854775807), (2, 4294967294), (n + 9, n + 10)]:
        lo = max(a + n, 0) if a < 0 else a
        hi = b + n if b < 0 else b
        assert c.call("LRANGE", "l", a, b) == strings(
            *want[lo:max(hi + 1, 0)]), (a, b)
    for i in [0, 1, n // 2, n - 1, n, -1, -n, -n - 1]:
        item = want[i] if -n <= i < n else None
        assert c.call("LINDEX", "l", i) == ("$", item)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("a, b", [(0, -1), (1, -1), (0, -2), (2, 3), (5, 1),
                                  (-2, -1), (-100, 1), (100, 200)])
def test_trim(raw, n, a, b):
    c = raw()
    want = fill(c, "l", n)
    c.ok("LTRIM", "l", a, b)
    lo = max(a + n, 0) if a < 0 else a
    want = want[lo:max((b + n if b < 0 else b) + 1, 0)]
    assert whole(c, "l") == want
    assert c.call("EXISTS", "l") == (":", 1 if want else 0)
    assert c.call("RPUSH", "l", "more") == (":", len(want) + 1)
    assert whole(c, "l") == want + [b"more"]


@pytest.mark.parametrize("n", SIZES)
def test_set(raw, n):
    c = raw()
    want = fill(c, "l", n)
    for i, item in [(0, b"first"), (-1, b"last"), (n // 2, b"y" * 9000),
                    (1, b"17"), (-2, b""), (n // 2, b"short again")]:
        c.ok("LSET", "l", i, item)
        want[i] = item
        assert c.call("LINDEX", "l", i) == s(item)
    assert whole(c, "l") == want
    assert c.call("LSET", "l", n, "x") == ("-", b"ERR index out of range")
    assert c.call("LSET", "l", -n - 1, "x") == (
        "-", b"ERR index out of range")
    assert c.call("LSET", "l", "x", "x") == NOT_INT
    assert c.call("LSET", "none", "x", "x") == ("-", b"ERR no such key")


@pytest.mark.parametrize("n", SIZES)
def test_insert(raw, n):
    c = raw()
    want = fill(c, "l", n)
    for where, at, item in [("BEFORE", 0, b"a"), ("after", n - 1, b"b"),
                            ("AFTER", n // 2, b"c"), ("before", n // 2, b"d"),
                            ("BEFORE", n // 2, b"z" * 10000)]:
        pivot = want[at]
        at = want.index(pivot) + (where.lower() == "after")
        want.insert(at, item)
        assert c.call("LINSERT", "l", where, pivot, item) == (":", len(want))
    assert whole(c, "l") == want
    assert c.call("LINSERT", "l", "BEFORE", "none", "x") == (":", -1)
    assert c.call("LINSERT", "none", "BEFORE", "none", "x") == (":", 0)
    assert c.call("LINSERT", "none", "BESIDE", "none", "x") == SYNTAX


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("count", [0, 1, -1, 3, -3, 100000, -100000])
def test_remove(raw, n, count):
    c = raw()
    items = [b"%d" % (i % 3) if i % 2 else b"word-%d" % (i % 3)
             for i in range(n)]
    push(c, "l", items)
    gone = [i for i, x in enumerate(items) if x == b"1"]
    if count > 0:
        gone = gone[:count]
    elif count < 0:
        gone = gone[count:]
    assert c.call("LREM", "l", count, "1") == (":", len(gone))
    assert whole(c, "l") == [x for i, x in enumerate(items) if i not in gone]
    assert c.call("LREM", "l", 0, "none") == (":", 0)
    for x in set(items):
        c.call("LREM", "l", 0, x)
    assert c.call("EXISTS", "l") == (":", 0)
    assert c.call("LREM", "l", "x", "1") == NOT_INT


def test_numbers_stay_as_they_were_written(raw):
    c = raw()
    items = [b"1", b"-1", b"01", b"+1", b" 1", b"1.0", b"-0", b"127", b"128",
             b"-4096", b"4095", b"32768", b"8388607", b"-8388609",
             b"2147483648", b"9223372036854775807", b"-9223372036854775808",
             b"9223372036854775808", b"", b"x" * 63, b"y" * 64, b"z" * 4096]
    c.call("RPUSH", "l", *items)
    assert whole(c, "l") == items
    for x in items:
        assert c.call("LREM", "l", 0, x) == (":", 1)


@pytest.mark.parametrize("n", [1, 400])
def test_positions(raw, n):
    c = raw()
    push(c, "l", ["a", "b", "c", "1", "2", "3", "c", "c"] * n)
    last = 8 * n

    def found(*args):
        return c.call("LPOS", "l", *args)

    assert found("a") == (":", 0)
    assert found("c") == (":", 2)
    assert found("c", "RANK", 2) == (":", 6)
    assert found("c", "RANK", -1) == (":", last - 1)
    assert found("c", "RANK", -2) == (":", last - 2)
    assert found("none") == ("$", None)
    assert found("c", "COUNT", 2) == ("*", [(":", 2), (":", 6)])
    assert found("c", "RANK", -1, "COUNT", 2) == (
        "*", [(":", last - 1), (":", last - 2)])
    assert len(found("c", "COUNT", 0)[1]) == 3 * n
    assert found("none", "COUNT", 0) == ("*", [])
    assert found("c", "MAXLEN", 2) == ("$", None)
    assert found("c", "COUNT", 0, "MAXLEN", 7) == ("*", [(":", 2), (":", 6)])
    assert found("c", "RANK", 9223372036854775807) == ("$", None)
    assert found("c", "RANK", -9223372036854775807) == ("$", None)
    assert found("c", "RANK", 0) == (
        "-", b"ERR RANK can't be zero: use 1 to start from the first match, "
             b"2 from the second ... or use negative to start from the end "
             b"of the list")
    assert found("c", "RANK", "x") == NOT_INT
    assert found("c", "COUNT", -1) == ("-", b"ERR COUNT can't be negative")
    assert found("c", "MAXLEN", -1) == ("-", b"ERR MAXLEN can't be negative")
    assert found("c", "COUNT") == SYNTAX
    assert found("c", "FOO", 1) == SYNTAX


@pytest.mark.parametrize("fr, pop", [("LEFT", 0), ("RIGHT", -1)])
@pytest.mark.parametrize("to", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("n", SIZES)
def test_move(raw, fr, pop, to, n):
    c = raw()
    one, two = fill(c, "one", n), []
    for _ in range(3):
        item = one.pop(pop)
        two.insert(0 if to == "LEFT" else len(two), item)
        assert c.call("LMOVE", "one", "two", fr, to) == s(item)
    assert (whole(c, "one"), whole(c, "two")) == (one, two)
    # Within one list.
    item = one.pop(pop)
    one.insert(0 if to == "LEFT" else len(one), item)
    assert c.call("LMOVE", "one", "one", fr, to) == s(item)
    assert whole(c, "one") == one


def test_move_the_last(raw):
    c = raw()
    c.call("RPUSH", "l", "a")
    assert c.call("LMOVE", "l", "l", "LEFT", "RIGHT") == s("a")
    assert c.call("RPOPLPUSH", "l", "m") == s("a")
    assert c.call("EXISTS", "l") == (":", 0)
    assert c.call("RPOPLPUSH", "l", "m") == ("$", None)
    assert c.call("LMOVE", "m", "l", "UP", "DOWN") == SYNTAX
    c.ok("SET", "s", "v")
    assert c.call("LMOVE", "m", "s", "LEFT", "LEFT") == WRONG
    assert c.call("LMOVE", "s", "m", "LEFT", "LEFT") == WRONG
    assert c.call("LMOVE", "l", "s", "LEFT", "LEFT") == ("$", None)
    assert c.call("LRANGE", "m", 0, -1) == strings("a")


@pytest.mark.parametrize("proto, nothing", [(2, ("*", None)),
                                            (3, ("_", None))])
def test_mpop(raw, proto, nothing):
    c = raw()
    c.call("HELLO", proto)
    assert c.call("LMPOP", 2, "a", "b", "LEFT") == nothing
    c.call("RPUSH", "b", 1, 2, 3, 4)
    assert c.call("LMPOP", 2, "a", "b", "LEFT") == (
        "*", [s("b"), strings(1)])
    assert c.call("LMPOP", 2, "a", "b", "right", "count", 2) == (
        "*", [s("b"), strings(4, 3)])
    assert c.call("LMPOP", 1, "b", "LEFT", "COUNT", 100) == (
        "*", [s("b"), strings(2)])
    assert c.call("EXISTS", "b") == (":", 0)
    for args, error in [
            ((0, "a", "LEFT"), b"ERR numkeys should be greater than 0"),
            (("x", "a", "LEFT"), b"ERR numkeys should be greater than 0"),
            ((2, "a", "LEFT"), b"ERR syntax error"),
            ((9, "a", "LEFT"), b"ERR syntax error"),
            ((1, "a", "UP"), b"ERR syntax error"),
            ((1, "a", "LEFT", "COUNT"), b"ERR syntax error"),
            ((1, "a", "LEFT", "COUNT", 0),
             b"ERR count should be greater than 0"),
            ((1, "a", "LEFT", "COUNT", 1, "COUNT", 1), b"ERR syntax error")]:
        assert c.call("LMPOP", *args) == ("-", error)


COMMANDS = ["LPUSH k a", "RPUSH k a", "LPUSHX k a", "RPUSHX k a", "LPOP k",
            "RPOP k", "LPOP k 2", "LLEN k", "LRANGE k 0 -1", "LINDEX k 0",
            "LSET k 0 a", "LREM k 0 a", "LTRIM k 0 1",
            "LINSERT k BEFORE a b", "LPOS k a", "LMOVE k d LEFT LEFT",
            "RPOPLPUSH k d", "LMPOP 1 k LEFT", "BLPOP k 0", "BRPOP k 0",
            "BLMOVE k d LEFT LEFT 0", "BRPOPLPUSH k d 0", "BLMPOP 0 1 k LEFT"]


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_type(raw, command):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call(*command.split()) == WRONG
    assert c.call("GET", "k") == s("v")


def test_grow_and_shrink(raw):
    """Through one pack, many packs and back, from both ends."""
    c = raw()
    want = []
    for i in range(4000):
        item = b"%d" % i if i % 3 else b"w%d" % i * 5
        if i % 2:
            c.send(encode("RPUSH", "l", item))
            want.append(item)
        else:
            c.send(encode("LPUSH", "l", item))
            want.insert(0, item)
    c.read_many(4000)
    assert whole(c, "l") == want
    for i in range(4000):
        c.send(encode("LPOP" if i % 2 else "RPOP", "l"))
    got = c.read_many(4000)
    for i, reply in enumerate(got):
        assert reply == s(want.pop(0) if i % 2 else want.pop())
    assert c.call("EXISTS", "l") == (":", 0)


EVENTS = [
    ("RPUSH l a b", ["new l", "rpush l"]),
    ("LPUSH l a", ["lpush l"]),
    ("LPUSHX l c", ["lpush l"]),
    ("LSET l 0 x", ["lset l"]),
    ("LINSERT l BEFORE x y", ["linsert l"]),
    ("LREM l 0 y", ["lrem l"]),
    ("LREM l 0 none", []),
    ("LTRIM l 0 -1", ["ltrim l"]),
    ("LMOVE l m LEFT RIGHT", ["new m", "rpush m", "lpop l"]),
    ("RPOPLPUSH m m", ["lpush m", "rpop m"]),
    ("LMOVE m l LEFT LEFT", ["lpush l", "lpop m", "del m"]),
    ("LMPOP 1 l RIGHT COUNT 2", ["rpop l"]),
    ("BLPOP l 0", ["lpop l"]),
    ("LTRIM l 1 0", ["ltrim l", "del l"]),
    ("LPOP l", []),
]


def test_events(raw):
    c, listener = raw(), raw()
    c.call("CONFIG", "SET", "notify-keyspace-events", "EAmn")
    try:
        listener.call("PSUBSCRIBE", "__keyevent@0__:*")
        for command, events in EVENTS:
            c.call(*command.split())
            c.call("PUBLISH", "__keyevent@0__:end", "end")
            got = []
            while not got or got[-1] != "end end":
                channel, key = listener.read()[1][2:]
                got.append("%s %s" % (channel[1].decode().split(":", 1)[1],
                                      key[1].decode()))
            # Between keys of two shards there is no order.
            assert sorted(got[:-1]) == sorted(events), command
            for key in "lm":
                assert ([e for e in got if e.endswith(" " + key)]
                        == [e for e in events if e.endswith(" " + key)])
    finally:
        c.call("CONFIG", "SET", "notify-keyspace-events", "")


def test_with_redis_py(redis):
    assert redis.rpush("l", "a", "b", "c") == 3
    assert redis.lpos("l", "b") == 1
    assert redis.lrange("l", 0, -1) == [b"a", b"b", b"c"]
    assert redis.lmove("l", "m", "LEFT", "RIGHT") == b"a"
    assert redis.lpop("l", 2) == [b"b", b"c"]
    assert redis.lmpop(2, "l", "m", direction="LEFT") == [b"m", [b"a"]]
