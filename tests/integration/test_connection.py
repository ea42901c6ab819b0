# SPDX-License-Identifier: MIT
"""PING ECHO HELLO SELECT AUTH QUIT RESET, and where a server listens."""

import os
import socket

import pytest

from harness.resp import Raw, encode, plain


def test_ping(raw):
    c = raw()
    assert c.call("PING") == ("+", b"PONG")
    assert c.call("ping", "hi\r\n\0") == ("$", b"hi\r\n\0")
    assert c.call("PING", "a", "b") == (
        "-", b"ERR wrong number of arguments for 'ping' command")


def test_echo(raw):
    c = raw()
    assert c.call("ECHO", "") == ("$", b"")
    assert c.call("eChO", "x" * 100000) == ("$", b"x" * 100000)
    assert c.call("ECHO") == (
        "-", b"ERR wrong number of arguments for 'echo' command")


def test_unknown_command(raw):
    c = raw()
    assert c.call("NOSUCH", "a", "b c") == (
        "-", b"ERR unknown command 'NOSUCH', with args beginning with: "
             b"'a' 'b c' ")
    assert c.call("nosuch") == (
        "-", b"ERR unknown command 'nosuch', with args beginning with: ")
    assert c.call("bad\r\nname", "x\ny") == (
        "-", b"ERR unknown command 'bad  name', with args beginning with: "
             b"'x y' ")
    assert c.call("PING") == ("+", b"PONG")


def test_unknown_command_is_shortened(raw):
    kind, text = raw().call("x" * 500, "y" * 500, "z")
    assert kind == "-"
    assert text == (b"ERR unknown command '" + b"x" * 128
                    + b"', with args beginning with: '" + b"y" * 128 + b"' ")


def hello_map(reply):
    kind, value = reply
    if kind == "*":
        value = list(zip(value[::2], value[1::2]))
    return {plain(k): v for k, v in value}


def test_hello_without_version_answers_in_the_current_one(raw):
    c = raw()
    assert c.call("HELLO")[0] == "*"
    assert c.call("HELLO", "3")[0] == "%"
    assert c.call("HELLO")[0] == "%"
    assert c.call("HELLO", "2")[0] == "*"


def test_hello_says_who_it_is(raw):
    c = raw()
    got = hello_map(c.call("HELLO", "3"))
    assert got[b"server"] == ("$", b"redis")
    assert got[b"proto"] == (":", 3)
    assert got[b"mode"] == ("$", b"standalone")
    assert got[b"role"] == ("$", b"master")
    assert got[b"modules"] == ("*", [])
    assert got[b"id"] == c.call("CLIENT", "ID")
    assert got[b"version"][0] == "$"


@pytest.mark.parametrize("args, error", [
    (["4"], b"NOPROTO unsupported protocol version"),
    (["1"], b"NOPROTO unsupported protocol version"),
    (["x"], b"ERR Protocol version is not an integer or out of range"),
    (["3", "NOPE"], b"ERR Syntax error in HELLO option 'NOPE'"),
    (["3", "AUTH", "x"], b"ERR Syntax error in HELLO option 'AUTH'"),
    (["3", "SETNAME", "a b"],
     b"ERR Client names cannot contain spaces, newlines or special "
     b"characters."),
])
def test_hello_refuses(raw, args, error):
    c = raw()
    assert c.call("HELLO", *args) == ("-", error)
    # The protocol did not change.
    assert c.call("HGETALL", "none") == ("*", [])


def test_hello_sets_the_name(raw):
    c = raw()
    c.call("HELLO", "3", "SETNAME", "me")
    assert c.call("CLIENT", "GETNAME") == ("$", b"me")


def test_nulls_of_both_protocols(raw):
    c = raw()
    assert c.call("GET", "none") == ("$", None)
    c.call("HELLO", "3")
    assert c.call("GET", "none") == ("_", None)
    assert c.call("MGET", "none") == ("*", [("_", None)])


def test_select(raw):
    c = raw()
    c.ok("SET", "k", "zero")
    c.ok("SELECT", "1")
    assert c.call("GET", "k") == ("$", None)
    c.ok("SET", "k", "one")
    c.ok("SELECT", "0")
    assert c.call("GET", "k") == ("$", b"zero")
    c.ok("SELECT", "15")
    assert c.call("SELECT", "16") == ("-", b"ERR DB index is out of range")
    assert c.call("SELECT", "-1") == ("-", b"ERR DB index is out of range")
    assert c.call("SELECT", "x") == (
        "-", b"ERR value is not an integer or out of range")
    assert c.call("SELECT") == (
        "-", b"ERR wrong number of arguments for 'select' command")
    # A refusal leaves the database as it was: 15.
    assert c.call("GET", "k") == ("$", None)


def test_select_inside_one_pipeline(raw):
    c = raw()
    c.send(b"".join(encode(*a) for a in [
        ("SET", "p", "0"), ("SELECT", "1"), ("SET", "p", "1"),
        ("SELECT", "2"), ("SET", "p", "2"), ("SELECT", "0"), ("GET", "p"),
        ("SELECT", "1"), ("GET", "p"), ("SELECT", "2"), ("GET", "p")]))
    got = [plain(x) for x in c.read_many(11)]
    assert got == [b"OK"] * 6 + [b"0", b"OK", b"1", b"OK", b"2"]


def test_reset(raw):
    c = raw()
    c.call("HELLO", "3")
    c.ok("CLIENT", "SETNAME", "me")
    c.ok("SELECT", "3")
    c.ok("MULTI")
    assert c.call("RESET") == ("+", b"RESET")
    assert c.call("EXEC") == ("-", b"ERR EXEC without MULTI")
    assert c.call("CLIENT", "GETNAME") == ("$", None)
    c.ok("SET", "here", "zero")
    c.ok("SELECT", "0")
    assert c.call("GET", "here") == ("$", b"zero")


def test_quit(raw):
    c = raw()
    c.send(encode("SET", "k", "v") + encode("QUIT") + encode("GET", "k"))
    c.expect(b"+OK\r\n+OK\r\n")
    c.expect_closed()


def test_auth_without_a_password(raw):
    c = raw()
    assert c.call("AUTH", "x") == (
        "-", b"ERR AUTH <password> called without any password configured "
             b"for the default user. Are you sure your configuration is "
             b"correct?")
    assert c.call("AUTH", "nobody", "x") == (
        "-", b"WRONGPASS invalid username-password pair or user is "
             b"disabled.")
    # Anybody may say anything as the default user.
    c.ok("AUTH", "default", "whatever")


def test_auth(fresh_server, raw):
    s = fresh_server(password="sesame")
    c = raw(s)
    assert c.call("PING") == ("-", b"NOAUTH Authentication required.")
    assert c.call("GET", "k") == ("-", b"NOAUTH Authentication required.")
    assert c.call("HELLO", "3")[1].startswith(
        b"NOAUTH HELLO must be called with the client already "
        b"authenticated")
    assert c.call("AUTH", "wrong") == (
        "-", b"WRONGPASS invalid username-password pair or user is "
             b"disabled.")
    assert c.call("AUTH", "a", "b", "c") == ("-", b"ERR syntax error")
    c.ok("AUTH", "sesame")
    assert c.call("PING") == ("+", b"PONG")
    d = raw(s)
    d.ok("AUTH", "default", "sesame")
    assert d.call("PING") == ("+", b"PONG")
    e = raw(s)
    assert e.call("HELLO", "3", "AUTH", "default", "wrong")[1].startswith(
        b"WRONGPASS")
    assert e.call("HELLO", "3", "AUTH", "default", "sesame")[0] == "%"
    # RESET gives the right up again.
    assert e.call("RESET") == ("+", b"RESET")
    assert e.call("PING") == ("-", b"NOAUTH Authentication required.")


def test_auth_ends_the_batch_behind_it(fresh_server, raw):
    s = fresh_server(password="sesame")
    c = raw(s)
    c.send(encode("GET", "k") + encode("AUTH", "sesame")
           + encode("SET", "k", "v") + encode("GET", "k"))
    c.expect(b"-NOAUTH Authentication required.\r\n+OK\r\n+OK\r\n"
             b"$1\r\nv\r\n")


def test_unix_socket(fresh_server, tmp_path):
    path = str(tmp_path / "s")
    s = fresh_server(args=["--unixsocket", path])
    with Raw(path) as c, s.raw() as tcp:
        c.ok("SET", "k", "by unix socket")
        assert tcp.call("GET", "k") == ("$", b"by unix socket")
    s.stop()
    assert not os.path.exists(path)


def test_ipv6(fresh_server):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no ::1")
    s = fresh_server(host="::1")
    with s.raw() as c:
        assert c.call("PING") == ("+", b"PONG")


def test_many_clients_at_once(raw):
    clients = [raw() for _ in range(200)]
    for i, c in enumerate(clients):
        c.send(encode("SET", "k%d" % i, i) + encode("GET", "k%d" % i))
    for i, c in enumerate(clients):
        assert c.read_many(2) == [("+", b"OK"), ("$", b"%d" % i)]


def test_clients_come_and_go(raw):
    keep = raw()
    for i in range(300):
        c = raw()
        assert c.call("INCR", "n") == (":", i + 1)
        c.close()
    assert keep.call("GET", "n") == ("$", b"300")


def test_client_vanishes_in_the_middle_of_a_request(raw):
    c = raw()
    c.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf")
    c.close()
    assert raw().call("EXISTS", "k") == (":", 0)


def test_client_vanishes_before_its_replies(raw):
    c = raw()
    big = "x" * 100000
    c.ok("SET", "big", big)
    c.send(encode("GET", "big") * 100)
    c.close()
    assert raw().call("STRLEN", "big") == (":", 100000)


def test_two_servers_share_nothing(fresh_server, raw):
    one, two = fresh_server(), fresh_server()
    with one.raw() as a, two.raw() as b:
        a.ok("SET", "k", "one")
        b.ok("SET", "k", "two")
        assert a.call("GET", "k") == ("$", b"one")
        assert b.call("GET", "k") == ("$", b"two")
