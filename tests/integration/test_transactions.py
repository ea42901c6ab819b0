# SPDX-License-Identifier: MIT
"""MULTI EXEC DISCARD WATCH."""

import threading

import pytest

from harness.resp import encode

QUEUED = ("+", b"QUEUED")
OK = ("+", b"OK")


def test_multi_and_exec(raw):
    c = raw()
    c.ok("MULTI")
    assert c.call("SET", "k", "v") == QUEUED
    assert c.call("GET", "k") == QUEUED
    assert c.call("INCRBY", "n", "2") == QUEUED
    assert raw().call("EXISTS", "k", "n") == (":", 0)
    assert c.call("EXEC") == ("*", [OK, ("$", b"v"), (":", 2)])


def test_empty(raw):
    c = raw()
    c.ok("MULTI")
    assert c.call("EXEC") == ("*", [])


def test_discard(raw):
    c = raw()
    c.ok("MULTI")
    assert c.call("SET", "k", "v") == QUEUED
    c.ok("DISCARD")
    assert c.call("EXISTS", "k") == (":", 0)


@pytest.mark.parametrize("command, error", [
    ("EXEC", b"ERR EXEC without MULTI"),
    ("DISCARD", b"ERR DISCARD without MULTI"),
])
def test_without_multi(raw, command, error):
    assert raw().call(command) == ("-", error)


def test_nested(raw):
    c = raw()
    c.ok("MULTI")
    assert c.call("MULTI") == ("-", b"ERR MULTI calls can not be nested")
    assert c.call("SET", "k", "v") == QUEUED
    assert c.call("EXEC") == ("*", [OK])


def test_a_bad_command_spoils_all(raw):
    c = raw()
    c.ok("MULTI")
    assert c.call("SET", "k", "v") == QUEUED
    assert c.call("NOSUCH")[0] == "-"
    assert c.call("GET") == (
        "-", b"ERR wrong number of arguments for 'get' command")
    assert c.call("EXEC") == (
        "-", b"EXECABORT Transaction discarded because of previous errors.")
    assert c.call("EXISTS", "k") == (":", 0)
    assert c.call("EXEC") == ("-", b"ERR EXEC without MULTI")


def test_a_failure_at_execution_stops_nothing(raw):
    c = raw()
    c.ok("SET", "s", "x")
    c.ok("MULTI")
    for command in [("SET", "a", "1"), ("INCRBY", "s", "1"),
                    ("SET", "b", "2")]:
        assert c.call(*command) == QUEUED
    kind, (first, second, third) = c.call("EXEC")
    assert (first, third) == (OK, OK)
    assert second == ("-", b"ERR value is not an integer or out of range")
    assert c.call("MGET", "a", "b") == ("*", [("$", b"1"), ("$", b"2")])


def test_in_one_pipeline(raw):
    c = raw()
    c.send(b"".join(encode(*a) for a in [
        ("MULTI",), ("SET", "k", "v"), ("INCRBY", "n", 1), ("EXEC",),
        ("GET", "k")]))
    c.expect(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n$1\r\nv\r\n")


def test_select_inside(raw):
    c = raw()
    c.send(b"".join(encode(*a) for a in [
        ("MULTI",), ("SET", "k", "0"), ("SELECT", "1"), ("SET", "k", "1"),
        ("EXEC",), ("GET", "k"), ("SELECT", "0"), ("GET", "k")]))
    c.expect(b"+OK\r\n" + b"+QUEUED\r\n" * 3 + b"*3\r\n" + b"+OK\r\n" * 3
             + b"$1\r\n1\r\n+OK\r\n$1\r\n0\r\n")


def test_watch_unchanged(raw):
    c = raw()
    c.ok("SET", "k", "1")
    c.ok("WATCH", "k", "none")
    c.ok("MULTI")
    c.call("SET", "k", "2")
    assert c.call("EXEC") == ("*", [OK])


# What another client does to the watched key, after what was there.
CHANGES = [
    ([("SET", "k", "1")], [("SET", "k", "2")]),
    ([("SET", "k", "1")], [("SET", "k", "1")]),
    ([("SET", "k", "1")], [("DEL", "k")]),
    ([("SET", "k", "1")], [("DEL", "k"), ("SET", "k", "1")]),
    ([("SET", "k", "1")], [("APPEND", "k", "2")]),
    ([("SET", "k", "1")], [("INCRBY", "k", "2")]),
    ([("SET", "k", "1")], [("EXPIRE", "k", "100")]),
    ([("SET", "k", "1")], [("FLUSHALL",)]),
    ([], [("SET", "k", "1")]),
    ([], [("MSET", "a", "1", "k", "2")]),
    ([("HSET", "k", "f", "v")], [("HSET", "k", "f", "w")]),
    ([("HSET", "k", "f", "v")], [("HDEL", "k", "f")]),
    ([("RPUSH", "k", "x")], [("BLPOP", "k", "0")]),
]


@pytest.mark.parametrize("before, change", CHANGES)
@pytest.mark.parametrize("own", [False, True], ids=["other", "self"])
def test_watch_sees(raw, before, change, own):
    c, other = raw(), raw()
    for command in before:
        assert c.call(*command)[0] != "-"
    c.ok("WATCH", "k")
    for command in change:
        assert (c if own else other).call(*command)[0] != "-"
    c.ok("MULTI")
    c.call("SET", "done", "1")
    assert c.call("EXEC") == ("*", None)
    assert c.call("EXISTS", "done") == (":", 0)
    # What was watched is forgotten now.
    c.ok("MULTI")
    c.call("SET", "done", "1")
    assert c.call("EXEC") == ("*", [OK])


@pytest.mark.parametrize("before, nothing", [
    ([("SET", "k", "1")], [("GET", "k")]),
    ([("SET", "k", "1")], [("SET", "other", "1")]),
    ([("SET", "k", "1")], [("SET", "k", "2", "NX")]),
    ([], [("DEL", "k")]),
    ([], [("SET", "k", "2", "XX")]),
    ([("HSET", "k", "f", "v")], [("HDEL", "k", "none")]),
    ([("SET", "k", "x")], [("INCRBY", "k", "1")]),
])
def test_watch_does_not_mind(raw, before, nothing):
    c, other = raw(), raw()
    for command in before:
        c.call(*command)
    c.ok("WATCH", "k")
    for command in nothing:
        other.call(*command)
    c.ok("MULTI")
    assert c.call("EXEC") == ("*", [])


def test_unwatch_and_discard_forget(raw):
    c, other = raw(), raw()
    for forget in [("UNWATCH",), ("DISCARD",)]:
        c.ok("WATCH", "k")
        other.ok("SET", "k", "1")
        if forget == ("DISCARD",):
            c.ok("MULTI")
        c.ok(*forget)
        c.ok("MULTI")
        assert c.call("EXEC") == ("*", [])


def test_watch_inside_multi(raw):
    c = raw()
    c.ok("MULTI")
    assert c.call("WATCH", "k") == (
        "-", b"ERR WATCH inside MULTI is not allowed")
    assert c.call("EXEC") == ("*", [])


def test_watch_is_of_its_database(raw):
    c, other = raw(), raw()
    c.ok("WATCH", "k")
    other.ok("SELECT", "1")
    other.ok("SET", "k", "v")
    c.ok("MULTI")
    assert c.call("EXEC") == ("*", [])


def test_a_watched_key_expires(raw):
    """Expiry before EXEC counts as a change, as in Redis since 6.0.9."""
    c, other = raw(), raw()
    c.ok("SET", "k", "v", "PX", "20")
    c.ok("WATCH", "k")
    while other.call("EXISTS", "k") == (":", 1):
        pass
    c.ok("MULTI")
    assert c.call("EXEC") == ("*", None)


def test_null_of_resp3(raw):
    c, other = raw(), raw()
    c.call("HELLO", "3")
    c.ok("WATCH", "k")
    other.ok("SET", "k", "v")
    c.ok("MULTI")
    assert c.call("EXEC") == ("_", None)


def test_counting_with_watch_loses_nothing(client):
    """Several clients add with WATCH and try again: no step is lost."""
    client().set("n", 0)
    from redis.exceptions import WatchError

    def add(c):
        for _ in range(25):
            while True:
                with c.pipeline() as p:
                    try:
                        p.watch("n")
                        n = int(p.get("n"))
                        p.multi()
                        p.set("n", n + 1)
                        p.execute()
                        break
                    except WatchError:
                        continue

    threads = [threading.Thread(target=add, args=(client(),))
               for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert client().get("n") == b"100"


def test_transactions_are_not_mixed(client):
    """Two keys change together or not at all, in any shards."""
    wrong = []
    stop = threading.Event()
    client().mset({"a": 0, "b": 0})

    def write(c):
        for i in range(1, 300):
            with c.pipeline(transaction=True) as p:
                p.set("a", i)
                p.set("b", i)
                p.execute()
        stop.set()

    def read(c):
        while not stop.is_set():
            a, b = c.mget("a", "b")
            if a != b:
                wrong.append((a, b))

    threads = [threading.Thread(target=write, args=(client(),)),
               threading.Thread(target=read, args=(client(),))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
