# SPDX-License-Identifier: MIT
"""What keeps strangers out before anybody has set a password."""

import socket

import pytest

from harness.resp import Raw, encode, plain

DENIED = b"DENIED Redis is running in protected mode because protected mode " \
    b"is enabled and no password is set for the default user."


@pytest.fixture
def outside():
    """An address of this machine that is not the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            host = s.getsockname()[0]
        except OSError:
            host = "127.0.0.1"
    if host.startswith("127."):
        pytest.skip("this machine has no address but the loopback's")
    return host


def test_protected_mode(fresh_server, outside, redis_server):
    s = fresh_server(host="0.0.0.0")
    with s.raw() as inside:
        assert inside.call("PING") == ("+", b"PONG")
        for _ in range(3):
            with Raw((outside, s.port)) as c:
                kind, text = c.read()
                assert kind == "-" and text.startswith(DENIED)
                c.expect_closed()
        # a password opens it, to those who know it
        inside.ok("CONFIG", "SET", "requirepass", "secret")
        with Raw((outside, s.port)) as c:
            assert c.call("GET", "k") == (
                "-", b"NOAUTH Authentication required.")
            c.ok("AUTH", "secret")
            assert c.call("PING") == ("+", b"PONG")
        inside.ok("AUTH", "secret")
        inside.ok("CONFIG", "SET", "requirepass", "")
        with Raw((outside, s.port)) as c:
            assert c.read()[0] == "-"
        # and so does saying that it is not wanted
        inside.ok("CONFIG", "SET", "protected-mode", "no")
        with Raw((outside, s.port)) as c:
            assert c.call("PING") == ("+", b"PONG")


def test_the_text_is_redis_own(fresh_server, outside, redis_server, tmp_path):
    """To the byte: people search for it."""
    from harness.server import real_redis
    ours = fresh_server(host="0.0.0.0")
    theirs = real_redis(host="0.0.0.0")
    try:
        said = []
        for s in (ours, theirs):
            with Raw((outside, s.port)) as c:
                said.append(c.read())
        assert said[0] == said[1]
    finally:
        theirs.stop()
        theirs.discard()


def test_protected_mode_off_from_the_start(fresh_server, outside):
    s = fresh_server(host="0.0.0.0", protected_mode="no")
    with Raw((outside, s.port)) as c:
        assert c.call("PING") == ("+", b"PONG")


@pytest.mark.parametrize("name", ["dir", "dbfilename", "unixsocket", "logfile",
                                  "pidfile"])
def test_paths_are_not_for_clients(raw, name, config_name):
    """They were the way in for attackers."""
    if config_name == "redis":
        pytest.skip("redis-server lets some of them be changed")
    c = raw()
    before = c.call("CONFIG", "GET", name)
    kind, text = c.call("CONFIG", "SET", name, "/tmp/x")
    assert kind == "-" and b"CONFIG SET failed" in text
    assert c.call("CONFIG", "GET", name) == before


@pytest.mark.parametrize("args", [
    ("no\r\nsuch",), ("nosuch", "a\r\n+OK"), ("a\0b", "c\0d"),
    ("CLIENT", "no\r\nsuch"), ("CONFIG", "SET", "no\r\nsuch", "x"),
    ("SET", "k", "v", "EX", "a\r\nb"), ("OBJECT", "a\nb", "k"),
    ("COMMAND", "GETKEYS", "x\r\ny"), ("HELLO", "3\r\n"),
    ("AUTH", "x\r\ny", "z"), ("x" * 5000, "y" * 5000)])
def test_errors_are_one_line(raw, args):
    """Whatever a client sends, it cannot put a reply of its own into ours."""
    c = raw()
    c.send(encode(*args) + encode("PING"))
    kind, text = c.read()
    assert kind == "-" and len(text) < 1000
    assert b"\r" not in text and b"\n" not in text
    assert c.read() == ("+", b"PONG")


def test_before_auth(fresh_server):
    """What works for those who have not said who they are."""
    s = fresh_server(password="secret")
    with s.raw() as c:
        for args in [("GET", "k"), ("PING",), ("ECHO", "x"), ("INFO",),
                     ("CONFIG", "GET", "*"), ("SUBSCRIBE", "ch"),
                     ("MULTI",), ("CLIENT", "LIST"), ("COMMAND",),
                     ("SHUTDOWN",), ("MONITOR",), ("SELECT", "1")]:
            assert c.call(*args) == (
                "-", b"NOAUTH Authentication required."), args
        assert c.call("NOSUCH")[0] == "-"
        assert c.call("HELLO", "3")[1].startswith(b"NOAUTH HELLO must be")
        assert c.call("AUTH", "wrong") == (
            "-", b"WRONGPASS invalid username-password pair or user is "
            b"disabled.")
        assert plain(c.call("HELLO", "3", "AUTH", "default", "secret",
                            "SETNAME", "me"))[b"proto"] == 3
        assert c.call("CLIENT", "GETNAME") == ("$", b"me")
        assert c.call("RESET") == ("+", b"RESET")
        assert c.call("GET", "k")[1].startswith(b"NOAUTH")
