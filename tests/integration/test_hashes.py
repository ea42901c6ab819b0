"""HSET HGET HDEL HGETALL."""

import random

import pytest

from harness.resp import encode, plain

WRONGTYPE = ("-", b"WRONGTYPE Operation against a key holding the wrong kind"
                  b" of value")


def test_hset_and_hget(redis):
    assert redis.hset("h", mapping={"a": 1, "b": 2}) == 2
    assert redis.hset("h", mapping={"b": 3, "c": 4}) == 1
    assert redis.hget("h", "b") == b"3"
    assert redis.hget("h", "none") is None
    assert redis.hget("none", "f") is None
    assert redis.hgetall("h") == {b"a": b"1", b"b": b"3", b"c": b"4"}


def test_the_same_field_twice(raw):
    c = raw()
    assert c.call("HSET", "h", "f", "1", "f", "2") == (":", 1)
    assert c.call("HGETALL", "h") == ("*", [("$", b"f"), ("$", b"2")])


def test_hgetall_of_both_protocols(raw):
    c = raw()
    c.call("HSET", "h", "f", "v")
    assert c.call("HGETALL", "h") == ("*", [("$", b"f"), ("$", b"v")])
    assert c.call("HGETALL", "none") == ("*", [])
    c.call("HELLO", "3")
    assert c.call("HGETALL", "h") == ("%", [(("$", b"f"), ("$", b"v"))])
    assert c.call("HGETALL", "none") == ("%", [])


def test_hdel(redis):
    redis.hset("h", mapping={"a": 1, "b": 2, "c": 3})
    assert redis.hdel("h", "a", "none", "a") == 1
    assert redis.hdel("none", "f") == 0
    assert redis.hdel("h", "b", "c") == 2
    assert redis.exists("h") == 0


def test_an_emptied_hash_loses_its_expiry(raw):
    c = raw()
    c.call("HSET", "h", "f", "v")
    c.call("EXPIRE", "h", "100")
    assert c.call("HDEL", "h", "f") == (":", 1)
    c.call("HSET", "h", "f", "v")
    assert c.call("TTL", "h") == (":", -1)


@pytest.mark.parametrize("fields, size", [
    (1, 1), (10, 64), (10, 65), (128, 10), (129, 10), (512, 10), (513, 10),
    (3000, 30)])
def test_fields_of_any_number_and_size(raw, fields, size):
    """Across the thresholds where the encoding changes."""
    c = raw()
    want = {}
    for i in range(fields):
        field, value = b"f%d" % i, (b"%d-" % i) * (size // 3) + b"x" * size
        want[field] = value
        c.send(encode("HSET", "h", field, value))
    assert c.read_many(fields) == [(":", 1)] * fields
    got = c.call("HGETALL", "h")[1]
    got = {plain(k): plain(v) for k, v in zip(got[::2], got[1::2])}
    assert got == want
    for field in random.Random(1).sample(sorted(want), min(fields, 50)):
        assert c.call("HGET", "h", field) == ("$", want[field])
        assert c.call("HDEL", "h", field) == (":", 1)
        assert c.call("HGET", "h", field) == ("$", None)


def test_values_change_size_in_place(raw):
    c = raw()
    c.call("HSET", "h", "a", "1", "b", "2", "c", "3")
    for size in [0, 1, 20, 63, 64, 65, 1000, 5, 0, 100000, 1]:
        assert c.call("HSET", "h", "b", "x" * size) == (":", 0)
        assert c.call("HGET", "h", "b") == ("$", b"x" * size)
        assert c.call("HGET", "h", "a") == ("$", b"1")
        assert c.call("HGET", "h", "c") == ("$", b"3")


def test_fields_and_values_are_bytes(raw):
    c = raw()
    for data in [b"", b"\0", b"\xff\r\n", b"123", b"-9223372036854775808"]:
        assert c.call("HSET", "h", data, data) == (":", 1)
        assert c.call("HGET", "h", data) == ("$", data)


def test_wrong_type(raw):
    c = raw()
    c.ok("SET", "s", "v")
    for command in [("HSET", "s", "f", "v"), ("HGET", "s", "f"),
                    ("HDEL", "s", "f"), ("HGETALL", "s")]:
        assert c.call(*command) == WRONGTYPE
    assert c.call("GET", "s") == ("$", b"v")


@pytest.mark.parametrize("command", [
    ("HSET", "h"), ("HSET", "h", "f"), ("HSET", "h", "f", "v", "g"),
    ("HGET", "h"), ("HGET", "h", "f", "g"), ("HDEL", "h"), ("HGETALL",)])
def test_arity(raw, command):
    assert raw().call(*command) == (
        "-", b"ERR wrong number of arguments for '%s' command"
        % command[0].lower().encode())
