# SPDX-License-Identifier: MIT
"""Long strings: lent to replies and snapshots, or copied; the same bytes."""

import random
import time

import pytest

from harness.resp import encode

SIZES = [4095, 4096, 8191, 8192, 65536, 300000]


@pytest.fixture(params=["yes", "no"], ids=["lent", "copied"])
def server(request, fresh_server):
    return fresh_server(shared_values=request.param)


def blob(n, seed=0):
    return random.Random(n * 1000 + seed).randbytes(n)


def test_every_way_to_read_one(raw):
    c = raw()
    for n in SIZES:
        v = blob(n)
        c.ok("SET", "k", v)
        assert c.call("GET", "k") == ("$", v)
        assert c.call("MGET", "k", "none", "k") == (
            "*", [("$", v), ("$", None), ("$", v)])
        assert c.call("GETRANGE", "k", 1, -2) == ("$", v[1:-1])
        assert c.call("GETEX", "k", "EX", 100) == ("$", v)
        assert c.call("SET", "k", v[::-1], "GET") == ("$", v)
        assert c.call("GETSET", "k", v) == ("$", v[::-1])
        assert c.call("GETDEL", "k") == ("$", v)
        assert c.call("EXISTS", "k") == (":", 0)


def test_every_way_to_write_one(raw):
    """In pieces and at once, alone and with others; changed right after."""
    c = raw()
    rand = random.Random(3)
    for i in range(60):
        v = blob(rand.choice([16383, 16384, 16385, 65536, 100000]), i)
        w = blob(rand.choice([3, 20000]), i)
        ask = b"".join([
            encode("SET", "a", v, *(("EX", 100) if i % 2 else ())),
            encode("MSET", "b", w, "c", v), encode("GET", "b"),
            encode("APPEND", "a", "x"), encode("SETRANGE", "c", 1, "y"),
            encode("APPEND", "d", v), encode("DEL", "d"),
            encode("ECHO", v), encode("GET", "a"), encode("GET", "c")])
        cuts = sorted(rand.randrange(len(ask)) for _ in range(4))
        for j, k in zip([0] + cuts, cuts + [len(ask)]):
            c.send(ask[j:k])
            time.sleep(0.002 if i % 3 == 0 else 0)
        assert c.read_many(10) == [
            ("+", b"OK"), ("+", b"OK"), ("$", w), (":", len(v) + 1),
            (":", len(v)), (":", len(v)), (":", 1), ("$", v),
            ("$", v + b"x"), ("$", v[:1] + b"y" + v[2:])]


def test_a_long_argument_in_a_transaction_and_behind_a_pause(raw):
    c, other = raw(), raw()
    v = blob(70000)
    c.ok("MULTI")
    assert c.call("SET", "k", v) == ("+", b"QUEUED")
    assert c.call("EXEC") == ("*", [("+", b"OK")])
    assert c.call("GET", "k") == ("$", v)
    other.ok("CLIENT", "PAUSE", 50, "WRITE")
    c.ok("SET", "k", v[::-1])
    assert c.call("GET", "k") == ("$", v[::-1])


def test_a_long_argument_ends_wrong(raw):
    for tail in (b"xy", b"\r\r", b"\ny"):
        c = raw()
        c.send(encode("SET", "k", blob(50000))[:-2] + tail)
        assert c.read() == (
            "-", b"ERR Protocol error: invalid CRLF in request")
        c.expect_closed()
    assert raw().call("EXISTS", "k") == (":", 0)


def test_what_a_value_takes_over_is_its_own(raw):
    """The bytes read are the value's, and go with it."""
    c = raw()
    for n in (20000, 100000):
        c.ok("SET", "k", blob(n))
        assert n <= c.call("MEMORY", "USAGE", "k")[1] < n * 1.1 + 8192
        c.ok("SET", "k", "short")
        assert c.call("MEMORY", "USAGE", "k")[1] < 200


def test_a_pipeline_mixes_long_and_short(raw):
    c = raw()
    rand = random.Random(7)
    values = {"k%d" % i: blob(rand.choice([3, 100, 9000, 70000]), i)
              for i in range(40)}
    for k, v in values.items():
        c.ok("SET", k, v)
    asked = [rand.choice(list(values)) for _ in range(300)]
    c.send(b"".join(encode("GET", k) + encode("ECHO", k) for k in asked))
    got = c.read_many(600)
    assert got[0::2] == [("$", values[k]) for k in asked]
    assert got[1::2] == [("$", k.encode()) for k in asked]
    c.ok("MULTI")
    c.send(encode("GET", "k0") + encode("GET", "k1") + encode("EXEC"))
    assert c.read_many(3)[2] == (
        "*", [("$", values["k0"]), ("$", values["k1"])])


def test_what_is_under_way_does_not_change(raw):
    """A slow reader gets the values as they were when it asked."""
    slow, other = raw(), raw()
    want = []
    for i in range(40):
        want.append(blob(300000, i))
        other.ok("SET", "k%d" % i, want[-1])
    slow.send(b"".join(encode("GET", "k%d" % i) for i in range(40)) +
              encode("MGET", "k0", "k1") + encode("PING"))
    limit = time.monotonic() + 10
    while (b" cmd=ping " not in other.call("CLIENT", "LIST")[1]
           and time.monotonic() < limit):
        time.sleep(0.01)
    for i in range(40):
        k = "k%d" % i
        other.call(*[("APPEND", k, "x"), ("SETRANGE", k, 5, "yyy"),
                     ("DEL", k), ("SET", k, "new"),
                     ("SETBIT", k, 3, 1)][i % 5])
    got = slow.read_many(42)
    assert got[:40] == [("$", v) for v in want]
    assert [len(v) for _, v in got[40][1]] >= [300000, 300000]
    assert got[41] == ("+", b"PONG")
    assert other.call("GET", "k0") == ("$", want[0] + b"x")
    assert other.call("GETRANGE", "k1", 0, 9) == (
        "$", want[1][:5] + b"yyy" + want[1][8:10])


def test_messages_behind_a_pending_value(raw):
    """What comes later stands behind, also when the buffer is tidied."""
    slow, other = raw(), raw()
    v = blob(300000)
    other.ok("SET", "k", v)
    slow.call("HELLO", "3")
    slow.send(encode("SUBSCRIBE", "ch"))
    slow.read()
    slow.send(encode("GET", "k") * 60)
    time.sleep(0.05)
    for i in range(2000):
        other.send(encode("PUBLISH", "ch", "%d " % i + "m" * 100))
    other.read_many(2000)
    values, messages = 0, []
    while values < 60 or len(messages) < 2000:
        kind, x = slow.read()
        if kind == "$":
            assert x == v
            values += 1
        else:
            assert kind == ">"
            messages.append(int(x[2][1].split()[0]))
    assert messages == list(range(2000))


def test_a_reader_that_goes_away(raw, server):
    c = raw()
    c.ok("SET", "k", blob(1000000))
    for _ in range(20):
        with server.raw() as gone:
            gone.send(encode("GET", "k") * 20)
    assert c.call("DEL", "k") == (":", 1)
    assert c.call("PING") == ("+", b"PONG")


def test_client_reply_off(raw):
    c = raw()
    v = blob(100000)
    c.ok("SET", "k", v)
    c.send(encode("CLIENT", "REPLY", "OFF") + encode("GET", "k") * 3 +
           encode("CLIENT", "REPLY", "ON"))
    assert c.read() == ("+", b"OK")
    c.send(encode("CLIENT", "REPLY", "SKIP") + encode("GET", "k") +
           encode("GET", "k"))
    assert c.read() == ("$", v)


def test_the_output_limit_counts_what_is_lent(fresh_server):
    s = fresh_server()
    with s.raw() as c, s.raw() as greedy:
        c.ok("CONFIG", "SET", "client-output-buffer-limit",
             "normal 20000000 0 0")
        c.ok("SET", "k", blob(1000000))
        greedy.send(encode("GET", "k") * 100)
        with pytest.raises((EOFError, ConnectionResetError)):
            greedy.read_many(100)
        assert c.call("PING") == ("+", b"PONG")
