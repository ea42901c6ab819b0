# SPDX-License-Identifier: MIT
"""Sets: members, draws, operations on several sets, scans."""

import random
from collections import Counter

import pytest

from harness.resp import encode, plain

WRONGTYPE = ("-", b"WRONGTYPE Operation against a key holding the wrong kind"
                  b" of value")
SYNTAX = ("-", b"ERR syntax error")


def members(reply):
    """The members of a reply; each must occur once."""
    got = [plain(m) for m in reply[1]]
    assert len(got) == len(set(got))
    return set(got)


def fill(c, key, what):
    what = list(what)
    for i in range(0, len(what), 500):
        assert c.call("SADD", key, *what[i:i + 500])[0] == ":"


def test_add_ask_remove(redis):
    assert redis.sadd("s", "a", "b", "a") == 2
    assert redis.sadd("s", "b", "c") == 1
    assert redis.scard("s") == 3
    assert redis.sismember("s", "a") and not redis.sismember("s", "x")
    assert redis.smismember("s", ["a", "x", "c"]) == [1, 0, 1]
    assert redis.smembers("s") == {b"a", b"b", b"c"}
    assert redis.srem("s", "a", "x", "a") == 1
    assert redis.srem("s", "b", "c") == 2
    assert redis.exists("s") == 0
    assert redis.scard("s") == 0


def test_replies_of_both_protocols(raw):
    c = raw()
    c.call("SADD", "s", "1")
    assert c.call("SMEMBERS", "s") == ("*", [("$", b"1")])
    c.call("HELLO", "3")
    for name in ("SMEMBERS", "SUNION", "SINTER", "SDIFF"):
        assert c.call(name, "s") == ("~", [("$", b"1")])
        assert c.call(name, "none") == ("~", [])
    assert c.call("SRANDMEMBER", "s", "1") == ("*", [("$", b"1")])
    assert c.call("SRANDMEMBER", "none", "1") == ("*", [])
    assert c.call("SPOP", "none", "1") == ("~", [])
    assert c.call("SPOP", "none") == ("_", None)
    assert c.call("SPOP", "s", "5") == ("~", [("$", b"1")])
    assert c.call("EXISTS", "s") == (":", 0)


# As many integers, or words of a length, as are on either side of a change
# of shape.
SHAPES = ([(n, "int") for n in (1, 2, 127, 128, 129, 511, 512, 513, 2000)]
          + [(n, 8) for n in (1, 127, 128, 129, 1500)]
          + [(20, 64), (20, 65), (20, 5000)])


def make(n, kind, seed=1):
    rnd = random.Random(seed)
    if kind == "int":
        out = {2 ** rnd.choice([7, 15, 31, 62]) - i * 7 for i in range(n)}
        return {b"%d" % (i * rnd.choice([1, -1])) for i in out}
    return {(b"%d-" % i) + b"x" * (kind - len(b"%d-" % i)) for i in range(n)}


@pytest.mark.parametrize("n, kind", SHAPES)
def test_any_number_and_size(raw, n, kind):
    c = raw()
    want = make(n, kind)
    for m in want:
        c.send(encode("SADD", "s", m))
    assert c.read_many(len(want)) == [(":", 1)] * len(want)
    assert c.call("SCARD", "s") == (":", len(want))
    assert members(c.call("SMEMBERS", "s")) == want
    for m in sorted(want)[:40]:
        assert c.call("SADD", "s", m) == (":", 0)
        assert c.call("SISMEMBER", "s", m) == (":", 1)
        assert c.call("SREM", "s", m) == (":", 1)
        assert c.call("SISMEMBER", "s", m) == (":", 0)
    assert members(c.call("SMEMBERS", "s") if len(want) > 40
                   else ("*", [])) == set(sorted(want)[40:])


@pytest.mark.parametrize("n", [1, 100, 127, 128, 200, 512])
@pytest.mark.parametrize("size", [1, 64, 65])
def test_integers_and_then_a_word(raw, n, size):
    """An intset becomes a pack or a table."""
    c = raw()
    numbers = [b"%d" % (i - 50) for i in range(n)]
    fill(c, "s", numbers)
    word = b"w" * size
    assert c.call("SADD", "s", word) == (":", 1)
    assert members(c.call("SMEMBERS", "s")) == set(numbers) | {word}


@pytest.mark.parametrize("text", [
    "007", "+1", "-0", " 1", "1 ", "1.0", "9223372036854775808",
    "-9223372036854775809", ""])
def test_what_is_no_integer_stays_as_it_is(raw, text):
    c = raw()
    c.call("SADD", "s", "1", "-9223372036854775808", "9223372036854775807")
    assert c.call("SISMEMBER", "s", text) == (":", 0)
    assert c.call("SREM", "s", text) == (":", 0)
    assert c.call("SADD", "s", text) == (":", 1)
    assert members(c.call("SMEMBERS", "s")) == {
        b"1", b"-9223372036854775808", b"9223372036854775807", text.encode()}


def test_smove(raw):
    c = raw()
    c.call("SADD", "{x}a", "1", "m")
    c.call("SET", "{x}str", "v")
    assert c.call("SMOVE", "{x}a", "{x}b", "none") == (":", 0)
    assert c.call("SMOVE", "{x}a", "{x}b", "m") == (":", 1)
    assert c.call("SMOVE", "{x}a", "{x}b", "1") == (":", 1)
    assert c.call("EXISTS", "{x}a") == (":", 0)
    assert members(c.call("SMEMBERS", "{x}b")) == {b"1", b"m"}
    assert c.call("SMOVE", "{x}b", "{x}b", "m") == (":", 1)
    assert c.call("SMOVE", "{x}b", "{x}b", "none") == (":", 0)
    assert c.call("SMOVE", "{x}none", "{x}str", "m") == (":", 0)
    assert c.call("SMOVE", "{x}b", "{x}str", "m") == WRONGTYPE
    assert c.call("SMOVE", "{x}str", "{x}b", "m") == WRONGTYPE
    assert c.call("SCARD", "{x}b") == (":", 2)


OPERATIONS = {"SUNION": set.union, "SINTER": set.intersection,
              "SDIFF": set.difference}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("kinds", [
    (("int", 50), ("int", 600)), (("int", 600), ("int", 50)),
    ((8, 100), ("int", 300), (8, 2000)), ((8, 2000), (8, 300), (8, 40)),
    ((8, 30), (8, 30)), (("int", 40), (8, 40))])
def test_operations_against_python(raw, name, kinds):
    c = raw()
    keys, sets = [], []
    for i, (kind, n) in enumerate(kinds):
        keys.append("s%d" % i)
        sets.append(make(n, kind, seed=i) | {b"5", b"common"})
        if kind == "int":
            sets[-1].discard(b"common")
        fill(c, keys[-1], sets[-1])
    want = OPERATIONS[name](*sets)
    assert members(c.call(name, *keys)) == want
    assert c.call(name + "STORE", "d", *keys) == (":", len(want))
    if want:
        assert members(c.call("SMEMBERS", "d")) == want
    # into one of the sources
    assert c.call(name + "STORE", "s0", *keys) == (":", len(want))
    assert members(c.call("SMEMBERS", "s0")) == want


def test_operations_with_absent_and_repeated_keys(raw):
    c = raw()
    c.call("SADD", "a", "1", "2")
    assert members(c.call("SUNION", "none", "a", "a")) == {b"1", b"2"}
    assert members(c.call("SINTER", "a", "a")) == {b"1", b"2"}
    assert c.call("SINTER", "a", "none") == ("*", [])
    assert c.call("SDIFF", "a", "a") == ("*", [])
    assert c.call("SDIFF", "none", "a") == ("*", [])
    assert members(c.call("SDIFF", "a", "none")) == {b"1", b"2"}


@pytest.mark.parametrize("name", ["SUNIONSTORE", "SINTERSTORE",
                                  "SDIFFSTORE"])
def test_stored_over_any_type_and_not_at_all(raw, name):
    c = raw()
    c.call("SADD", "a", "1", "x")
    c.call("RPUSH", "d", "l")
    c.call("EXPIRE", "d", "100")
    assert c.call(name, "d", "a") == (":", 2)
    assert c.call("TTL", "d") == (":", -1)
    assert members(c.call("SMEMBERS", "d")) == {b"1", b"x"}
    assert c.call(name, "d", "none") == (":", 0)
    assert c.call("EXISTS", "d") == (":", 0)
    c.ok("SET", "str", "v")
    c.call("SADD", "d", "kept")
    assert c.call(name, "d", "a", "str") == WRONGTYPE
    assert c.call(name, "d", "none", "str") == WRONGTYPE
    assert members(c.call("SMEMBERS", "d")) == {b"kept"}


def test_sintercard(raw):
    c = raw()
    fill(c, "a", range(1000))
    fill(c, "b", range(500, 2000))
    assert c.call("SINTERCARD", "2", "a", "b") == (":", 500)
    assert c.call("SINTERCARD", "2", "a", "b", "LIMIT", "7") == (":", 7)
    assert c.call("SINTERCARD", "2", "a", "b", "LIMIT", "0") == (":", 500)
    assert c.call("SINTERCARD", "1", "a", "limit", "9223372036854775807") == (
        ":", 1000)
    assert c.call("SINTERCARD", "2", "a", "none") == (":", 0)


def test_spop_takes_each_once(raw):
    c = raw()
    for kind, n in [("int", 300), (8, 100), (8, 1000)]:
        want = make(n, kind)
        fill(c, "s", want)
        got = [c.call("SPOP", "s")[1] for _ in range(20)]
        reply = c.call("SPOP", "s", str(len(want) // 2))
        assert len(reply[1]) == len(want) // 2
        got += members(reply)
        rest = members(c.call("SMEMBERS", "s"))
        assert rest | set(got) == want and len(rest) + len(got) == len(want)
        got += members(c.call("SPOP", "s", "1000000"))
        assert sorted(got) == sorted(want)
        assert c.call("EXISTS", "s") == (":", 0)
    assert c.call("SPOP", "s") == ("$", None)
    assert c.call("SPOP", "s", "3") == ("*", [])


@pytest.mark.parametrize("kind, n", [("int", 40), (8, 40), (8, 400)])
def test_draws_are_uniform(raw, kind, n, config_name):
    """Each member is drawn as often as the others, by every road."""
    if config_name == "redis":
        pytest.skip("only roughly so there")
    c = raw()
    want = make(n, kind)
    n = len(want)
    fill(c, "s", want)
    rounds = 30 * n
    drawn = Counter(plain(m) for m in
                    c.call("SRANDMEMBER", "s", str(-rounds))[1])
    few = max(2, n // 10)
    many = n - few
    for count in (few, many):
        for _ in range(rounds // 2 // count):
            c.send(encode("SRANDMEMBER", "s", str(count)))
        for reply in c.read_many(rounds // 2 // count):
            drawn.update(members(reply))
    total = sum(drawn.values())
    assert set(drawn) == want
    # Chi-square with n - 1 degrees of freedom; draws without repetition vary
    # less.  Five deviations: a good server fails once in a million runs.
    chi = sum((drawn[m] - total / n) ** 2 / (total / n) for m in want)
    assert chi < n + 5 * (2 * n) ** 0.5, chi


def test_counts_of_srandmember(raw):
    c = raw()
    fill(c, "s", ["a", "b", "c"])
    assert c.call("SRANDMEMBER", "s", "0") == ("*", [])
    assert members(c.call("SRANDMEMBER", "s", "2")) < {b"a", b"b", b"c"}
    assert members(c.call("SRANDMEMBER", "s", "9223372036854775807")) == {
        b"a", b"b", b"c"}
    assert len(c.call("SRANDMEMBER", "s", "-10")[1]) == 10
    assert c.call("SRANDMEMBER", "none") == ("$", None)
    assert c.call("SRANDMEMBER", "s", "-9223372036854775808") == (
        "-", b"ERR value is out of range, value must between "
             b"-9223372036854775807 and 9223372036854775807")


def test_an_endless_draw_is_refused(raw, config_name):
    if config_name == "redis":
        pytest.skip("redis-server builds the reply")
    c = raw()
    fill(c, "s", ["a", "b", "c"])
    for count in ("-500000000", "-9223372036854775807"):
        kind, text = c.call("SRANDMEMBER", "s", count)
        assert kind == "-" and text.startswith(b"ERR count is out of range")
    assert c.call("SCARD", "s") == (":", 3)


def scan_all(c, *args, count="7"):
    seen, cursor, calls = [], b"0", 0
    while True:
        kind, (cursor, part) = c.call(args[0], args[1], cursor, "COUNT",
                                      count, *args[2:])
        cursor = plain(cursor)
        seen += [plain(m) for m in part[1]]
        calls += 1
        if cursor == b"0":
            return seen, calls


@pytest.mark.parametrize("kind, n", [("int", 300), (8, 100), (8, 3000)])
def test_sscan_sees_all(raw, kind, n):
    c = raw()
    want = make(n, kind)
    fill(c, "s", want)
    seen, calls = scan_all(c, "SSCAN", "s")
    assert set(seen) == want
    assert (calls > 100) == (n == 3000)
    some, _ = scan_all(c, "SSCAN", "s", "MATCH", "*1*")
    assert set(some) == {m for m in want if b"1" in m}


def test_sscan_while_the_set_changes(raw):
    c = raw()
    stays = {b"stay%d" % i for i in range(1000)}
    fill(c, "s", stays)
    seen, cursor, i = set(), b"0", 0
    while True:
        _, (cursor, part) = c.call("SSCAN", "s", cursor)
        seen |= {plain(m) for m in part[1]}
        cursor = plain(cursor)
        if cursor == b"0":
            break
        fill(c, "s", ["new%d-%d" % (i, j) for j in range(30)])
        i += 1
    assert stays <= seen


@pytest.mark.parametrize("cursor", [
    "1", "1023", "4294967295", "4294967296", "18446744073709551615", "-1",
    "3735928559"])
def test_a_cursor_that_nobody_gave(raw, cursor):
    c = raw()
    fill(c, "s", range(3000))
    fill(c, "s", ["x"])
    kind, value = c.call("SSCAN", "s", cursor)
    assert kind == "*" and len(value) == 2


@pytest.mark.parametrize("command, error", [
    (("SSCAN", "s", "x"), b"ERR invalid cursor"),
    (("SSCAN", "s", ""), None),
    (("SSCAN", "s", " 0"), b"ERR invalid cursor"),
    (("SSCAN", "s", "99999999999999999999"), b"ERR invalid cursor"),
    (("SSCAN", "s", "0", "COUNT", "0"), b"ERR syntax error"),
    (("SSCAN", "s", "0", "COUNT", "x"),
     b"ERR value is not an integer or out of range"),
    (("SSCAN", "s", "0", "MATCH"), b"ERR syntax error"),
    (("SSCAN", "s", "0", "TYPE", "set"), b"ERR syntax error"),
    (("SSCAN", "none", "0", "nonsense"), None),
    (("SPOP", "s", "-1"), b"ERR value is out of range, must be positive"),
    (("SPOP", "s", "x"), b"ERR value is out of range, must be positive"),
    (("SPOP", "s", "1", "2"), b"ERR syntax error"),
    (("SRANDMEMBER", "s", "x"),
     b"ERR value is not an integer or out of range"),
    (("SRANDMEMBER", "s", "1", "2"), b"ERR syntax error"),
    (("SINTERCARD", "0", "s"), b"ERR numkeys should be greater than 0"),
    (("SINTERCARD", "x", "s"), b"ERR numkeys should be greater than 0"),
    (("SINTERCARD", "2", "s"),
     b"ERR Number of keys can't be greater than number of args"),
    (("SINTERCARD", "1", "s", "LIMIT"), b"ERR syntax error"),
    (("SINTERCARD", "1", "s", "x", "1"), b"ERR syntax error"),
    (("SINTERCARD", "1", "s", "LIMIT", "-1"), b"ERR LIMIT can't be negative"),
    (("SADD", "s"), b"ERR wrong number of arguments for 'sadd' command"),
    (("SMOVE", "s", "t"),
     b"ERR wrong number of arguments for 'smove' command"),
])
def test_errors(raw, command, error):
    c = raw()
    c.call("SADD", "s", "m")
    kind, value = c.call(*command)
    assert (kind, value) == ("-", error) if error else kind != "-"


@pytest.mark.parametrize("command", [
    ("SADD", "k", "m"), ("SREM", "k", "m"), ("SMEMBERS", "k"), ("SCARD", "k"),
    ("SISMEMBER", "k", "m"), ("SMISMEMBER", "k", "m"), ("SPOP", "k"),
    ("SPOP", "k", "1"), ("SRANDMEMBER", "k"), ("SRANDMEMBER", "k", "1"),
    ("SSCAN", "k", "0"), ("SUNION", "k"), ("SINTER", "none", "k"),
    ("SDIFF", "none", "k"), ("SINTERCARD", "2", "none", "k")])
def test_wrong_type(raw, command):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call(*command) == WRONGTYPE
    assert c.call("GET", "k") == ("$", b"v")
