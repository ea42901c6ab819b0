"""BLPOP: who waits, who is woken, who gets what."""

import time

import pytest

from harness.resp import encode


def blocked(other, n):
    """Wait until n clients wait; INFO says how many."""
    limit = time.monotonic() + 10
    while True:
        info = other.call("INFO", "clients")[1]
        if b"blocked_clients:%d\r\n" % n in info:
            return
        assert time.monotonic() < limit, info
        time.sleep(0.002)


def test_a_list_with_elements_answers_at_once(raw):
    c = raw()
    c.call("RPUSH", "l", "a", "b")
    assert c.call("BLPOP", "none", "l", "0") == (
        "*", [("$", b"l"), ("$", b"a")])
    assert c.call("BLPOP", "l", "0") == ("*", [("$", b"l"), ("$", b"b")])
    assert c.call("EXISTS", "l") == (":", 0)


def test_a_push_wakes_the_one_who_waits(raw):
    waiter, pusher = raw(), raw()
    waiter.send(encode("BLPOP", "a", "b", "0"))
    blocked(pusher, 1)
    assert pusher.call("RPUSH", "b", "x", "y") == (":", 2)
    assert waiter.read() == ("*", [("$", b"b"), ("$", b"x")])
    assert pusher.call("LPOP", "b") == ("$", b"y")
    blocked(pusher, 0)


def test_first_come_first_served(raw):
    pusher = raw()
    waiters = []
    for i in range(5):
        w = raw()
        w.send(encode("BLPOP", "l", "0"))
        blocked(pusher, i + 1)
        waiters.append(w)
    assert pusher.call("RPUSH", "l", "0", "1", "2") == (":", 3)
    for i in range(3):
        assert waiters[i].read() == ("*", [("$", b"l"), ("$", b"%d" % i)])
    blocked(pusher, 2)
    assert pusher.call("RPUSH", "l", "3") == (":", 1)
    assert waiters[3].read() == ("*", [("$", b"l"), ("$", b"3")])
    assert pusher.call("RPUSH", "l", "4") == (":", 1)
    assert waiters[4].read() == ("*", [("$", b"l"), ("$", b"4")])


def test_timeout(raw):
    c = raw()
    start = time.monotonic()
    assert c.call("BLPOP", "none", "0.05") == ("*", None)
    assert 0.045 < time.monotonic() - start < 5
    c.call("HELLO", "3")
    assert c.call("BLPOP", "none", "0.01") == ("_", None)


@pytest.mark.parametrize("timeout, error", [
    ("x", b"ERR timeout is not a float or out of range"),
    ("-1", b"ERR timeout is negative"),
])
def test_timeout_refused(raw, timeout, error):
    assert raw().call("BLPOP", "l", timeout) == ("-", error)


@pytest.mark.parametrize("timeout", ["1e30", "9223372036854775807"])
def test_timeout_beyond_the_clock(raw, timeout):
    """Redis 7.0 calls these negative, later ones out of range."""
    assert raw().call("BLPOP", "l", timeout) in [
        ("-", b"ERR timeout is negative"),
        ("-", b"ERR timeout is out of range")]


def test_what_follows_waits_too(raw):
    """Commands behind a blocked one run after it, in order."""
    c, pusher = raw(), raw()
    c.send(encode("SET", "k", "1") + encode("BLPOP", "l", "0")
           + encode("GET", "k") + encode("PING"))
    c.expect(b"+OK\r\n")
    blocked(pusher, 1)
    pusher.ok("SET", "k", "2")
    c.expect_nothing()
    pusher.call("RPUSH", "l", "x")
    c.expect(b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n$1\r\n2\r\n+PONG\r\n")


def test_a_vanished_waiter_takes_nothing(raw):
    waiter, pusher = raw(), raw()
    waiter.send(encode("BLPOP", "l", "0"))
    blocked(pusher, 1)
    waiter.close()
    blocked(pusher, 0)
    assert pusher.call("RPUSH", "l", "x") == (":", 1)
    assert pusher.call("LPOP", "l") == ("$", b"x")


def test_wrong_type(raw):
    c, pusher = raw(), raw()
    c.ok("SET", "s", "v")
    assert c.call("BLPOP", "s", "0")[1].startswith(b"WRONGTYPE")
    # A key of another type that comes later does not wake.
    c.send(encode("BLPOP", "l", "0"))
    blocked(pusher, 1)
    pusher.ok("SET", "l", "v")
    pusher.call("DEL", "l")
    c.expect_nothing()
    pusher.call("RPUSH", "l", "x")
    assert c.read() == ("*", [("$", b"l"), ("$", b"x")])


def test_inside_multi_it_does_not_wait(raw):
    c = raw()
    c.ok("MULTI")
    c.call("BLPOP", "none", "0")
    c.call("RPUSH", "l", "x")
    c.call("BLPOP", "l", "0")
    assert c.call("EXEC") == ("*", [
        ("*", None), (":", 1), ("*", [("$", b"l"), ("$", b"x")])])


def test_pushes_of_a_transaction_are_seen_at_its_end(raw):
    waiter, pusher = raw(), raw()
    waiter.send(encode("BLPOP", "l", "0"))
    blocked(pusher, 1)
    pusher.send(encode("MULTI") + encode("RPUSH", "l", "a")
                + encode("LPUSH", "l", "b") + encode("EXEC"))
    pusher.read_many(4)
    assert waiter.read() == ("*", [("$", b"l"), ("$", b"b")])


def test_many_waiters_many_keys(raw):
    pusher = raw()
    waiters = [raw() for _ in range(50)]
    for i, w in enumerate(waiters):
        w.send(encode("BLPOP", "l%d" % i, "all", "0"))
    blocked(pusher, 50)
    pusher.send(b"".join(encode("RPUSH", "l%d" % i, i) for i in range(50)))
    pusher.read_many(50)
    for i, w in enumerate(waiters):
        assert w.read() == ("*", [("$", b"l%d" % i), ("$", b"%d" % i)])
    blocked(pusher, 0)
