# SPDX-License-Identifier: MIT
"""Hashes: fields, numbers, draws, scans."""

import random
from collections import Counter

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
                    ("HDEL", "s", "f"), ("HGETALL", "s"), ("HLEN", "s"),
                    ("HSETNX", "s", "f", "v"), ("HMGET", "s", "f"),
                    ("HEXISTS", "s", "f"), ("HKEYS", "s"), ("HVALS", "s"),
                    ("HSTRLEN", "s", "f"), ("HINCRBY", "s", "f", "1"),
                    ("HINCRBYFLOAT", "s", "f", "1"), ("HRANDFIELD", "s"),
                    ("HRANDFIELD", "s", "1"), ("HSCAN", "s", "0")]:
        assert c.call(*command) == WRONGTYPE
    assert c.call("GET", "s") == ("$", b"v")


@pytest.mark.parametrize("command", [
    ("HSET", "h"), ("HSET", "h", "f"), ("HSET", "h", "f", "v", "g"),
    ("HGET", "h"), ("HGET", "h", "f", "g"), ("HDEL", "h"), ("HGETALL",)])
def test_arity(raw, command):
    assert raw().call(*command) == (
        "-", b"ERR wrong number of arguments for '%s' command"
        % command[0].lower().encode())


def test_the_small_ones(redis):
    assert redis.hsetnx("h", "a", "1") == 1
    assert redis.hsetnx("h", "a", "2") == 0
    assert redis.execute_command("HMSET", "h", "b", "22", "c", "") in (
        b"OK", True)
    assert redis.hmget("h", "a", "x", "b", "a") == [b"1", None, b"22", b"1"]
    assert redis.hmget("none", "a") == [None]
    assert redis.hexists("h", "a") and not redis.hexists("h", "x")
    assert redis.hlen("h") == 3 and redis.hlen("none") == 0
    assert redis.hstrlen("h", "b") == 2
    assert redis.hstrlen("h", "c") == redis.hstrlen("h", "x") == 0
    assert sorted(redis.hkeys("h")) == [b"a", b"b", b"c"]
    assert sorted(redis.hvals("h")) == [b"", b"1", b"22"]
    assert redis.hkeys("none") == redis.hvals("none") == []


def test_hincrby(raw):
    c = raw()
    assert c.call("HINCRBY", "h", "n", "5") == (":", 5)
    assert c.call("HINCRBY", "h", "n", "-7") == (":", -2)
    assert c.call("HGET", "h", "n") == ("$", b"-2")
    c.call("HSET", "h", "n", "9223372036854775807", "w", "word", "f", "1.5")
    assert c.call("HINCRBY", "h", "n", "1") == (
        "-", b"ERR increment or decrement would overflow")
    for field in ("w", "f"):
        assert c.call("HINCRBY", "h", field, "1") == (
            "-", b"ERR hash value is not an integer")
    assert c.call("HINCRBY", "h", "n", "x") == (
        "-", b"ERR value is not an integer or out of range")
    assert c.call("HINCRBY", "h", "n", "-9223372036854775808") == (":", -1)
    assert c.call("HINCRBY", "none", "n", "x")[0] == "-"
    assert c.call("EXISTS", "none") == (":", 0)


def test_hincrbyfloat(raw):
    c = raw()
    assert c.call("HINCRBYFLOAT", "h", "f", "10.5") == ("$", b"10.5")
    assert c.call("HINCRBYFLOAT", "h", "f", "0.1") == ("$", b"10.6")
    assert c.call("HINCRBYFLOAT", "h", "f", "-5") == ("$", b"5.6")
    c.call("HSET", "h", "f", "5.0e3", "w", "word")
    assert c.call("HINCRBYFLOAT", "h", "f", "2.0e2") == ("$", b"5200")
    assert c.call("HINCRBYFLOAT", "h", "w", "1") == (
        "-", b"ERR hash value is not a float")
    for by in ("x", "nan", " 1", "", "1e5000"):
        assert c.call("HINCRBYFLOAT", "h", "f", by) == (
            "-", b"ERR value is not a valid float")
    for by in ("inf", "-inf"):
        assert c.call("HINCRBYFLOAT", "h", "f", by) == (
            "-", b"ERR value is NaN or Infinity")
    c.call("HSET", "h", "w", "inf")
    assert c.call("HINCRBYFLOAT", "h", "w", "1") == (
        "-", b"ERR increment would produce NaN or Infinity")
    assert c.call("HGET", "h", "f") == ("$", b"5200")


def fill(c, n, size=1):
    want = {b"f%d" % i: b"%d" % i * size for i in range(n)}
    pairs = [a for pair in want.items() for a in pair]
    for i in range(0, len(pairs), 500):
        c.call("HSET", "h", *pairs[i:i + 500])
    return want


def test_hrandfield_of_both_protocols(raw):
    c = raw()
    c.call("HSET", "h", "f", "v")
    assert c.call("HRANDFIELD", "h") == ("$", b"f")
    assert c.call("HRANDFIELD", "none") == ("$", None)
    assert c.call("HRANDFIELD", "h", "-2", "WITHVALUES") == (
        "*", [("$", b"f"), ("$", b"v")] * 2)
    assert c.call("HRANDFIELD", "h", "5") == ("*", [("$", b"f")])
    assert c.call("HRANDFIELD", "h", "0") == ("*", [])
    assert c.call("HRANDFIELD", "none", "5") == ("*", [])
    c.call("HELLO", "3")
    assert c.call("HRANDFIELD", "h", "2", "withvalues") == (
        "*", [("*", [("$", b"f"), ("$", b"v")])])
    assert c.call("HRANDFIELD", "h", "-1", "WITHVALUES") == (
        "*", [("*", [("$", b"f"), ("$", b"v")])])


@pytest.mark.parametrize("n", [40, 400])
def test_draws_are_uniform(raw, n, config_name):
    if config_name == "redis":
        pytest.skip("only roughly so there")
    c = raw()
    want = fill(c, n)
    rounds = 20 * n
    drawn = Counter(plain(f) for f in
                    c.call("HRANDFIELD", "h", str(-rounds))[1])
    for count in (n // 10, n - n // 10):
        for _ in range(rounds // count):
            c.send(encode("HRANDFIELD", "h", str(count), "WITHVALUES"))
        for reply in c.read_many(rounds // count):
            flat = [plain(x) for x in reply[1]]
            got = dict(zip(flat[::2], flat[1::2]))
            assert len(got) == count
            assert all(want[f] == v for f, v in got.items())
            drawn.update(got.keys())
    total = sum(drawn.values())
    chi = sum((drawn[f] - total / n) ** 2 / (total / n) for f in want)
    assert chi < n + 5 * (2 * n) ** 0.5, chi


def test_an_endless_draw_is_refused(raw, config_name):
    if config_name == "redis":
        pytest.skip("redis-server builds the reply")
    c = raw()
    fill(c, 3)
    for args in (["-500000000"], ["-4611686018427387903", "WITHVALUES"]):
        kind, text = c.call("HRANDFIELD", "h", *args)
        assert kind == "-" and text.startswith(b"ERR count is out of range")


@pytest.mark.parametrize("n", [10, 128, 3000])
def test_hscan_sees_all(raw, n):
    c = raw()
    want = fill(c, n)
    seen, cursor, calls = {}, b"0", 0
    while calls == 0 or cursor != b"0":
        _, (cursor, part) = c.call("HSCAN", "h", cursor)
        cursor = plain(cursor)
        flat = [plain(x) for x in part[1]]
        seen.update(zip(flat[::2], flat[1::2]))
        calls += 1
    assert seen == want
    assert (calls > 1) == (n > 128)
    _, (cursor, part) = c.call("HSCAN", "h", "0", "MATCH", "f7*", "COUNT",
                               "100000")
    assert cursor == ("$", b"0")
    assert {plain(x) for x in part[1][::2]} == {
        f for f in want if f.startswith(b"f7")}


def test_hscan_without_values(raw, config_name):
    if config_name == "redis":
        pytest.skip("since 7.4")
    c = raw()
    for n in (3, 300):
        want = fill(c, n)
        _, (_, part) = c.call("HSCAN", "h", "0", "NOVALUES", "COUNT", "10000")
        assert {plain(x) for x in part[1]} == set(want)
        assert len(part[1]) == n
    c.call("SADD", "s", "m")
    assert c.call("SSCAN", "s", "0", "NOVALUES") == (
        "-", b"ERR NOVALUES option can only be used in HSCAN")


@pytest.mark.parametrize("size", [8129 - 200, 8136, 8144, 8192, 20000])
def test_a_pack_grows_to_every_length(raw, size, fresh_server):
    """A block just beyond the allocator's pages has not a byte to spare."""
    s = fresh_server(args=["--hash-max-listpack-value", "100000",
                           "--hash-max-listpack-entries", "1000"])
    c = raw(to=s)
    for i in range(size - 40, size + 40):
        c.call("HSET", "h", "f", b"v" * i, "g", b"w" * (i % 7))
        c.call("HSET", "k%d" % (i % 3), "f", b"v" * i)
        assert c.call("HGET", "h", "f") == ("$", b"v" * i)
    assert c.call("HGET", "h", "g") == ("$", b"w" * (i % 7))


@pytest.mark.parametrize("command, error", [
    (("HSCAN", "h", "x"), b"ERR invalid cursor"),
    (("HSCAN", "h", "0", "COUNT", "0"), b"ERR syntax error"),
    (("HSCAN", "h", "0", "COUNT"), b"ERR syntax error"),
    (("HSCAN", "h", "0", "TYPE", "hash"), b"ERR syntax error"),
    (("HRANDFIELD", "h", "x"),
     b"ERR value is not an integer or out of range"),
    (("HRANDFIELD", "h", "1", "x"), b"ERR syntax error"),
    (("HRANDFIELD", "h", "1", "WITHVALUES", "x"), b"ERR syntax error"),
    (("HRANDFIELD", "h", "-9223372036854775808"),
     b"ERR value is out of range, value must between -9223372036854775807"
     b" and 9223372036854775807"),
    (("HRANDFIELD", "h", "4611686018427387904", "WITHVALUES"),
     b"ERR value is out of range"),
    (("HMSET", "h", "f"),
     b"ERR wrong number of arguments for 'hmset' command"),
])
def test_errors(raw, command, error):
    c = raw()
    c.call("HSET", "h", "f", "v")
    assert c.call(*command) == ("-", error)
