# SPDX-License-Identifier: MIT
"""MULTI and EXEC at the edges: what spoils a transaction and what does not,
what runs inside, what WATCH sees."""

import pytest

from harness.resp import encode

QUEUED = ("+", b"QUEUED")
OK = ("+", b"OK")
ABORT = ("-", b"EXECABORT Transaction discarded because of previous errors.")
NO_EXEC = ("-", b"ERR EXEC without MULTI")


@pytest.mark.parametrize("bad, error", [
    (("NOSUCH", "a"), b"ERR unknown command 'NOSUCH', with args beginning "
                      b"with: 'a' "),
    (("GET",), b"ERR wrong number of arguments for 'get' command"),
    (("DISCARD", "x"), b"ERR wrong number of arguments for 'discard' "
                       b"command"),
    (("PUBSUB", "NOSUCH"), b"ERR unknown subcommand 'NOSUCH'. Try PUBSUB "
                           b"HELP."),
    (("SHUTDOWN",), b"ERR Command not allowed inside a transaction"),
    (("SAVE",), b"ERR Command not allowed inside a transaction"),
])
def test_spoilt(raw, bad, error):
    c = raw()
    c.ok("MULTI")
    assert c.call(*bad) == ("-", error)
    assert c.call("SET", "k", "v") == QUEUED
    assert c.call("EXEC") == ABORT
    assert c.call("EXEC") == NO_EXEC
    assert c.call("EXISTS", "k") == (":", 0)


@pytest.mark.parametrize("harmless, error", [
    (("MULTI",), b"ERR MULTI calls can not be nested"),
    (("WATCH", "k"), b"ERR WATCH inside MULTI is not allowed"),
])
def test_not_spoilt(raw, harmless, error):
    c = raw()
    c.ok("MULTI")
    assert c.call(*harmless) == ("-", error)
    assert c.call("SET", "k", "v") == QUEUED
    assert c.call("EXEC") == ("*", [OK])


def test_arguments_of_exec(raw):
    c = raw()
    wrong = ("-", b"EXECABORT Transaction discarded because of: wrong number "
                  b"of arguments for 'exec' command")
    c.ok("MULTI")
    assert c.call("SET", "k", "v") == QUEUED
    assert c.call("EXEC", "now") == wrong
    assert c.call("DISCARD") == ("-", b"ERR DISCARD without MULTI")
    assert c.call("EXISTS", "k") == (":", 0)


def test_quit_and_reset_inside(raw):
    c = raw()
    c.ok("MULTI")
    assert c.call("SET", "k", "v") == QUEUED
    assert c.call("RESET") == ("+", b"RESET")
    assert c.call("EXEC") == NO_EXEC
    c.ok("MULTI")
    assert c.call("SET", "k", "v") == QUEUED
    c.ok("QUIT")
    c.expect_closed()
    assert raw().call("EXISTS", "k") == (":", 0)


def test_reset_unwatches(raw):
    c, other = raw(), raw()
    c.ok("WATCH", "k")
    other.ok("SET", "k", "v")
    assert c.call("RESET") == ("+", b"RESET")
    c.ok("MULTI")
    assert c.call("EXEC") == ("*", [])


def test_unwatch_inside_is_queued(raw):
    c, other = raw(), raw()
    c.ok("WATCH", "k")
    c.ok("MULTI")
    assert c.call("UNWATCH") == QUEUED
    other.ok("SET", "k", "v")
    assert c.call("EXEC") == ("*", None)
    c.ok("WATCH", "k")
    c.ok("MULTI")
    assert c.call("UNWATCH") == QUEUED
    assert c.call("EXEC") == ("*", [OK])


def test_hello_inside(raw):
    c = raw()
    c.ok("MULTI")
    assert c.call("HELLO", 3) == QUEUED
    assert c.call("GET", "none") == QUEUED
    kind, (hello, null) = c.call("EXEC")
    assert (kind, hello[0], null) == ("*", "%", ("_", None))


def test_subscribe_inside(raw):
    c, other = raw(), raw()
    c.ok("MULTI")
    assert c.call("SUBSCRIBE", "a") == QUEUED
    assert c.call("PUBLISH", "a", "m") == QUEUED
    c.send(encode("EXEC"))
    c.expect(b"*2\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
             b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n:1\r\n")
    assert other.call("PUBLISH", "a", "n") == (":", 1)
    c.expect(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nn\r\n")


def test_ssubscribe_inside(raw):
    c = raw()
    c.ok("MULTI")
    assert c.call("SSUBSCRIBE", "a") == QUEUED
    assert c.call("EXEC") == ("*", [
        ("-", b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")])


WATCHED = [
    # what is there, what changes, does EXEC do nothing
    ([("SET", "k", "v")], [("FLUSHDB",)], True),
    ([], [("FLUSHDB",)], False),
    ([], [("FLUSHALL",)], False),
    ([("SET", "k", "v")], [("SWAPDB", "0", "1")], True),
    ([], [("SELECT", "1"), ("SET", "k", "v"), ("SWAPDB", "0", "1")], True),
    ([], [("SWAPDB", "0", "1")], False),
    ([("SET", "k", "v")], [("RENAME", "k", "{k}2")], True),
    ([("SET", "{k}2", "v")], [("RENAME", "{k}2", "k")], True),
    ([("RPUSH", "k", "a")], [("LPOP", "k")], True),
    ([("RPUSH", "k", "a")], [("LTRIM", "k", "0", "-1")], True),
    ([("RPUSH", "k", "a")], [("LREM", "k", "0", "b")], False),
    ([("RPUSH", "k", "a")], [("LMOVE", "k", "k", "LEFT", "RIGHT")], True),
    ([("SET", "k", "v")], [("EXPIRE", "k", "100")], True),
    ([("SET", "k", "v")], [("PERSIST", "k")], False),
    ([("SET", "k", "v")], [("TOUCH", "k"), ("TYPE", "k")], False),
]


@pytest.mark.parametrize("before, change, dead", WATCHED)
@pytest.mark.parametrize("proto, nothing", [(2, ("*", None)),
                                            (3, ("_", None))])
def test_watch(raw, before, change, dead, proto, nothing):
    c, other = raw(), raw()
    c.call("HELLO", proto)
    for command in before:
        assert other.call(*command)[0] != "-"
    c.ok("WATCH", "k")
    for command in change:
        assert other.call(*command)[0] != "-"
    c.ok("MULTI")
    assert c.call("PING") == QUEUED
    assert c.call("EXEC") == (nothing if dead else
                              ("*", [("+", b"PONG")]))


def ms_of(c):
    seconds, us = (int(v) for _, v in c.call("TIME")[1])
    return seconds * 1000 + us // 1000


def test_watch_of_an_expired_key(raw):
    """It is gone when watching begins; that it is removed later is nothing."""
    c, other = raw(), raw()
    other.ok("SET", "k", "v", "PX", "1")
    end = ms_of(other) + 3
    while ms_of(other) < end:
        pass
    c.ok("WATCH", "k")
    assert other.call("EXISTS", "k") == (":", 0)
    other.call("GET", "k")
    c.ok("MULTI")
    assert c.call("EXEC") == ("*", [])


def test_queued_while_there_was_memory(raw, fresh_server):
    server = fresh_server(["--redis"])
    c, other = raw(server), raw(server)
    full = b"OOM command not allowed when used memory > 'maxmemory'."
    c.ok("SET", "there", "x" * 100)
    # Queued before memory was short.
    c.ok("MULTI")
    assert c.call("GET", "there") == QUEUED
    assert c.call("SET", "k", "v") == QUEUED
    other.ok("CONFIG", "SET", "maxmemory", "1")
    assert c.call("EXEC") == (
        "-", b"EXECABORT Transaction discarded because of: " + full)
    assert c.call("EXEC") == NO_EXEC
    # Refused when queued.
    c.ok("MULTI")
    assert c.call("SET", "k", "v") == ("-", full)
    other.ok("CONFIG", "SET", "maxmemory", "0")
    assert c.call("EXEC") == ABORT
    # Reading needs none.
    c.ok("MULTI")
    assert c.call("GET", "there") == QUEUED
    other.ok("CONFIG", "SET", "maxmemory", "1")
    assert c.call("EXEC") == ("*", [("$", b"x" * 100)])
    other.ok("CONFIG", "SET", "maxmemory", "0")


def test_thousands_of_commands(raw):
    c, n = raw(), 3000
    c.send(encode("MULTI") + b"".join(encode("RPUSH", "l%d" % (i % 50), i)
                                      for i in range(n)) + encode("EXEC"))
    replies = c.read_many(n + 2)
    assert replies[:-1] == [OK] + [QUEUED] * n
    assert replies[-1] == ("*", [(":", i // 50 + 1) for i in range(n)])


def test_all_or_nothing_is_seen(raw):
    """Between EXECs of one client another sees both keys alike."""
    c, other = raw(), raw()
    for i in range(100):
        c.send(encode("MULTI") + encode("SET", "a", i) + encode("RPUSH", "b",
                                                                i)
               + encode("EXEC"))
        other.send(encode("MULTI") + encode("GET", "a") + encode("LINDEX",
                                                                 "b", -1)
                   + encode("EXEC"))
        a, b = other.read_many(4)[3][1]
        assert a == b
        c.read_many(4)
