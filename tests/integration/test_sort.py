# SPDX-License-Identifier: MIT
"""SORT and SORT_RO."""

import random

import pytest

from harness.resp import encode, plain

WRONGTYPE = ("-", b"WRONGTYPE Operation against a key holding the wrong kind"
                  b" of value")


def values(reply):
    assert reply[0] == "*"
    return [plain(v) for v in reply[1]]


@pytest.fixture
def c(raw):
    c = raw()
    c.call("RPUSH", "l", "10", "9", "-1", "3.5", "2")
    c.call("SADD", "s", "b", "a", "c", "aa")
    c.call("RPUSH", "ids", "1", "2", "3", "4")
    for i, (w, name) in enumerate([("30", "x"), ("10", "z"), ("20", "y")], 1):
        c.call("MSET", "w_%d" % i, w, "name_%d" % i, name)
        c.call("HSET", "h_%d" % i, "w", w, "name", name)
    return c


@pytest.mark.parametrize("name", ["SORT", "SORT_RO"])
def test_numbers(c, name):
    assert values(c.call(name, "l")) == [b"-1", b"2", b"3.5", b"9", b"10"]
    assert values(c.call(name, "l", "DESC", "LIMIT", "1", "2")) == [
        b"9", b"3.5"]
    assert values(c.call(name, "l", "desc", "ASC", "limit", "-5", "2")) == [
        b"-1", b"2"]
    assert values(c.call(name, "l", "LIMIT", "5", "2")) == []
    assert values(c.call(name, "l", "LIMIT", "0", "-1", "ALPHA")) == [
        b"-1", b"10", b"2", b"3.5", b"9"]
    assert values(c.call(name, "none")) == []


def test_limits_at_the_edges(c):
    edge = "9223372036854775807"
    assert values(c.call("SORT", "l", "LIMIT", "0", edge))[0] == b"-1"
    assert values(c.call("SORT", "l", "LIMIT", edge, edge)) == []
    assert len(values(c.call("SORT", "l", "LIMIT", "-9223372036854775808",
                             edge))) == 5
    assert values(c.call("SORT", "l", "LIMIT", "2", "0")) == []


def test_numbers_end_at_a_zero_byte(c):
    c.call("RPUSH", "odd", b"2\0x", b"\0x", b"", b"1")
    assert values(c.call("SORT", "odd")) == [b"", b"\0x", b"1", b"2\0x"]
    c.call("RPUSH", "odd", b" \0")
    assert c.call("SORT", "odd") == (
        "-", b"ERR One or more scores can't be converted into double")


def test_bytes(c):
    assert values(c.call("SORT", "s", "ALPHA")) == [b"a", b"aa", b"b", b"c"]
    assert values(c.call("SORT", "s", "ALPHA", "DESC")) == [
        b"c", b"b", b"aa", b"a"]
    assert c.call("SORT", "s") == (
        "-", b"ERR One or more scores can't be converted into double")


def test_by_and_get(c):
    assert values(c.call("SORT", "ids", "BY", "w_*")) == [
        b"4", b"2", b"3", b"1"]
    assert values(c.call("SORT", "ids", "BY", "h_*->w", "DESC")) == [
        b"1", b"3", b"2", b"4"]
    assert values(c.call("SORT", "ids", "BY", "w_*", "GET", "#", "GET",
                         "name_*", "GET", "h_*->w")) == [
        b"4", None, None, b"2", b"z", b"10", b"3", b"y", b"20",
        b"1", b"x", b"30"]
    assert values(c.call("SORT", "ids", "BY", "name_*", "ALPHA")) == [
        b"4", b"1", b"3", b"2"]
    assert values(c.call("SORT", "ids", "GET", "constant")) == [None] * 4
    # of the wrong kind: as if absent
    assert values(c.call("SORT", "ids", "GET", "h_*")) == [None] * 4
    assert values(c.call("SORT", "ids", "GET", "w_*->f")) == [None] * 4


def test_by_a_constant_keeps_the_order(c):
    assert values(c.call("SORT", "l", "BY", "nosort")) == [
        b"10", b"9", b"-1", b"3.5", b"2"]
    assert values(c.call("SORT", "l", "BY", "nosort", "DESC", "LIMIT", "1",
                         "2")) == [b"3.5", b"-1"]
    c.call("ZADD", "z", "3", "a", "1", "b", "2", "c")
    assert values(c.call("SORT", "z", "BY", "nosort")) == [b"b", b"c", b"a"]
    assert values(c.call("SORT", "z", "BY", "nosort", "DESC")) == [
        b"a", b"c", b"b"]
    assert values(c.call("SORT", "z", "BY", "nosort", "LIMIT", "1", "5")) == [
        b"c", b"a"]
    assert values(c.call("SORT", "z", "BY", "nosort", "DESC", "LIMIT", "2",
                         "1")) == [b"b"]
    assert values(c.call("SORT", "z", "ALPHA")) == [b"a", b"b", b"c"]


def test_what_is_equal(c):
    """By bytes where weights are equal; as they stood where bytes are."""
    c.call("RPUSH", "e", "d", "b", "c", "a")
    assert values(c.call("SORT", "e", "BY", "none_*")) == [
        b"a", b"b", b"c", b"d"]
    assert values(c.call("SORT", "e", "BY", "none_*", "ALPHA")) == [
        b"d", b"b", b"c", b"a"]
    assert values(c.call("SORT", "e", "BY", "none_*", "ALPHA", "DESC")) == [
        b"d", b"b", b"c", b"a"]


@pytest.mark.parametrize("element, good", [
    ("", True), (" 7", True), ("7 ", False), ("inf", True), ("nan", False),
    ("0x10", True), ("1e400", False), ("1e3", True), ("x", False)])
def test_what_is_a_number(c, element, good):
    c.call("DEL", "l")
    c.call("RPUSH", "l", "1", element)
    assert (c.call("SORT", "l")[0] == "*") == good


def test_store(c):
    assert c.call("SORT", "l", "STORE", "d") == (":", 5)
    assert values(c.call("LRANGE", "d", "0", "-1")) == [
        b"-1", b"2", b"3.5", b"9", b"10"]
    assert c.call("SORT", "l", "STORE", "l") == (":", 5)
    assert values(c.call("LRANGE", "l", "0", "-1")) == [
        b"-1", b"2", b"3.5", b"9", b"10"]
    assert c.call("SORT", "ids", "BY", "w_*", "GET", "name_*", "STORE",
                  "w_1") == (":", 4)
    assert values(c.call("LRANGE", "w_1", "0", "-1")) == [
        b"", b"z", b"y", b"x"]
    c.call("EXPIRE", "d", "100")
    assert c.call("SORT", "none", "STORE", "d") == (":", 0)
    assert c.call("EXISTS", "d") == (":", 0)
    # a set in no order is stored in one that is always the same
    assert c.call("SORT", "s", "BY", "nosort", "STORE", "d") == (":", 4)
    assert values(c.call("LRANGE", "d", "0", "-1")) == [
        b"a", b"aa", b"b", b"c"]


def test_store_wakes_who_waits(raw, c):
    waiting = raw()
    waiting.send(encode("BLPOP", "dest", "5"))
    while b"blocked_clients:1" not in (c.call("INFO", "clients")[1] or b""):
        pass
    assert c.call("SORT", "l", "STORE", "dest") == (":", 5)
    assert waiting.read() == ("*", [("$", b"dest"), ("$", b"-1")])


def test_many(raw):
    c = raw()
    rnd = random.Random(5)
    numbers = [rnd.randrange(-10 ** 6, 10 ** 6) for _ in range(3000)]
    for i in range(0, 3000, 500):
        c.call("RPUSH", "l", *numbers[i:i + 500])
    assert [int(v) for v in values(c.call("SORT", "l"))] == sorted(numbers)
    assert c.call("SORT", "l", "DESC", "STORE", "d") == (":", 3000)
    assert [int(v) for v in values(c.call("LRANGE", "d", "0", "-1"))] == \
        sorted(numbers, reverse=True)
    assert [int(v) for v in values(c.call(
        "SORT", "l", "BY", "nosort", "LIMIT", "1500", "3"))] == \
        numbers[1500:1503]


def test_namespaces_of_patterns(c):
    c.call("RPUSH", "ns/l", "1", "2")
    c.call("MSET", "ns/w_1", "5", "ns/w_2", "4")
    assert values(c.call("SORT", "ns/l", "BY", "ns/w_*")) == [b"2", b"1"]


@pytest.mark.parametrize("command, error", [
    (("SORT", "l", "LIMIT", "1"), b"ERR syntax error"),
    (("SORT", "l", "LIMIT", "x", "1"),
     b"ERR value is not an integer or out of range"),
    (("SORT", "l", "STORE"), b"ERR syntax error"),
    (("SORT", "l", "BY"), b"ERR syntax error"),
    (("SORT", "l", "x"), b"ERR syntax error"),
    (("SORT_RO", "l", "STORE", "d"), b"ERR syntax error"),
    (("SORT",), b"ERR wrong number of arguments for 'sort' command"),
])
def test_errors(c, command, error):
    assert c.call(*command) == ("-", error)


def test_wrong_type(c):
    assert c.call("SORT", "w_1") == WRONGTYPE
    assert c.call("SORT", "h_1", "STORE", "l") == WRONGTYPE
    assert c.call("LLEN", "l") == (":", 5)
