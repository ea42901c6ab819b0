# SPDX-License-Identifier: MIT
"""CLIENT: who is connected, and what may be done to them."""

import re
import time

import pytest

from harness.resp import encode, plain

FIELDS = """id addr laddr fd name age idle flags db sub psub ssub multi qbuf
    qbuf-free argv-mem multi-mem rbs rbp obl oll omem tot-mem events cmd user
    redir resp""".split()


def rows(text):
    return [dict(f.split("=", 1) for f in line.split(" "))
            for line in text.decode().splitlines()]


def listed(c, *args):
    return rows(plain(c.call("CLIENT", "LIST", *args)))


def mine(c):
    return rows(plain(c.call("CLIENT", "INFO")))[0]


def wait_for(what, seconds=5):
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.005)


def test_what_is_kept_of_a_request_goes_when_nothing_comes(raw):
    c, other = raw(), raw()
    whole = encode("MSET", *(str(i) for i in range(40)))
    me = c.call("CLIENT", "ID")[1]

    def about():
        return listed(other, "ID", str(me))[0]

    c.send(whole[:-1])
    wait_for(lambda: about()["qbuf"] == str(len(whole) - 1))
    c.send(whole[-1:])
    assert c.read() == ("+", b"OK")
    assert 0 < int(about()["qbuf-free"]) <= 16384
    wait_for(lambda: about()["qbuf-free"] == "0")


def test_names(raw):
    c = raw()
    assert c.call("CLIENT", "GETNAME") == ("$", None)
    c.ok("CLIENT", "SETNAME", "me")
    assert c.call("CLIENT", "GETNAME") == ("$", b"me")
    assert c.call("CLIENT", "SETNAME", "a b") == (
        "-", b"ERR Client names cannot contain spaces, newlines or special "
             b"characters.")
    assert c.call("CLIENT", "GETNAME") == ("$", b"me")
    c.ok("CLIENT", "SETNAME", "")
    assert c.call("CLIENT", "GETNAME") == ("$", None)


def test_libraries(raw, config_name):
    if config_name == "redis":
        pytest.skip("Redis has this from 7.2 on")
    c = raw()
    c.ok("CLIENT", "SETINFO", "lib-name", "x-py")
    c.ok("CLIENT", "SETINFO", "LIB-VER", "1.2")
    assert mine(c)["lib-name"] == "x-py" and mine(c)["lib-ver"] == "1.2"
    assert c.call("CLIENT", "SETINFO", "lib-name", "a b") == (
        "-", b"ERR lib-name cannot contain spaces, newlines or special "
             b"characters.")
    assert c.call("CLIENT", "SETINFO", "nose", "x") == (
        "-", b"ERR Unrecognized option 'nose'")


def test_list_has_all_fields(raw):
    c, other = raw(), raw()
    other.ok("CLIENT", "SETNAME", "another")
    all_of_them = listed(c)
    ids = [int(row["id"]) for row in all_of_them]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    names = [row["name"] for row in all_of_them]
    assert "another" in names
    for row in all_of_them:
        assert list(row)[:len(FIELDS)] == FIELDS
        assert re.fullmatch(r".+:\d+", row["addr"])
    c.call("HELLO", "3")
    assert c.call("CLIENT", "LIST")[0] == "="
    assert c.call("CLIENT", "INFO")[0] == "="


def test_fields_as_in_redis(fresh_server, redis_server):
    """CLIENT LIST has redis-server's fields in its order, then ours; and the
    values that a client decides are the same."""
    same = """name flags db sub psub ssub multi cmd user redir resp oll obl omem
        events""".split()
    found = []
    for server in (fresh_server(args=["--redis"]), redis_server):
        with server.raw() as c, server.raw() as sub, server.raw() as multi, \
                server.raw() as waits, server.raw() as monitor:
            names = []
            for x, name in ((c, "me"), (sub, "sub"), (multi, "multi"),
                            (waits, "waits"), (monitor, "monitor")):
                x.ok("CLIENT", "SETNAME", name)
                names.append(name)
            sub.call("SELECT", "2")
            sub.call("SUBSCRIBE", "a")
            sub.call("PSUBSCRIBE", "b*")
            sub.call("SSUBSCRIBE", "c")
            multi.call("HELLO", "3")
            multi.ok("WATCH", "k")
            multi.ok("MULTI")
            multi.call("SET", "k", "v")
            waits.send(encode("BLPOP", "nothing", "0"))
            monitor.ok("MONITOR")
            c.call("CLIENT", "NO-EVICT", "on")
            wait_for(lambda: any("b" in row["flags"] for row in listed(c)))
            found.append({row["name"]: row for row in listed(c)
                          if row["name"] in names})
    ours, theirs = found
    assert sorted(ours) == sorted(theirs)   # loops list theirs together
    for name in ours:
        mine, real = ours[name], theirs[name]
        assert list(mine)[:len(real)] == list(real)
        assert list(mine)[len(real):] == ["lib-name", "lib-ver"]
        assert {k: (name, mine[k], real[k]) for k in same
                if mine[k] != real[k]} == {}


def test_info_is_true(raw):
    c = raw()
    c.ok("SELECT", "4")
    row = mine(c)
    assert row["db"] == "4" and row["flags"] == "N" and row["resp"] == "2"
    assert row["cmd"] == "client|info" and row["user"] == "default"
    assert row["multi"] == "-1" and row["redir"] == "-1"
    assert int(row["id"]) == plain(c.call("CLIENT", "ID"))


def test_list_shows_what_clients_do(raw):
    c, multi, waiting, ear = raw(), raw(), raw(), raw()
    multi.ok("MULTI")
    multi.call("SET", "a", "b")
    waiting.send(encode("BLPOP", "nothing-here", "0"))
    ear.call("SUBSCRIBE", "channel")

    def by_command():
        return {row["cmd"]: row for row in listed(c)}

    wait_for(lambda: "blpop" in by_command())
    found = by_command()
    assert found["set"]["flags"] == "x" and found["set"]["multi"] == "1"
    assert int(found["set"]["multi-mem"]) > 0
    assert found["blpop"]["flags"] == "b"
    assert found["subscribe"]["flags"] == "P"
    assert found["subscribe"]["sub"] == "1"
    assert [row["cmd"] for row in listed(c, "TYPE", "pubsub")] == ["subscribe"]
    assert "subscribe" not in [r["cmd"] for r in listed(c, "TYPE", "normal")]
    assert listed(c, "TYPE", "master") == listed(c, "TYPE", "replica") == []
    a, b = found["set"]["id"], found["blpop"]["id"]
    assert [r["id"] for r in listed(c, "ID", b, a)] == [b, a]
    assert listed(c, "ID", "999999999") == []


@pytest.mark.parametrize("args, error", [
    (["LIST", "TYPE", "nobody"], b"ERR Unknown client type 'nobody'"),
    (["LIST", "ID", "x"], b"ERR Invalid client ID"),
    (["LIST", "ID"], b"ERR syntax error"),
    (["LIST", "nose"], b"ERR syntax error"),
    (["KILL", "1.2.3.4:5"], b"ERR No such client"),
    (["KILL", "ID", "x"], b"ERR client-id should be greater than 0"),
    (["KILL", "ID", "0"], b"ERR client-id should be greater than 0"),
    (["KILL", "TYPE", "nobody"], b"ERR Unknown client type 'nobody'"),
    (["KILL", "USER", "nobody"], b"ERR No such user 'nobody'"),
    (["KILL", "ID", "1", "SKIPME"], b"ERR syntax error"),
    (["KILL", "ID", "1", "SKIPME", "x"], b"ERR syntax error"),
    (["REPLY", "x"], b"ERR syntax error"),
    (["PAUSE", "x"], b"ERR timeout is not an integer or out of range"),
    (["PAUSE", "-1"], b"ERR timeout is negative"),
    (["PAUSE", "1", "x"], b"ERR CLIENT PAUSE mode must be WRITE or ALL"),
    (["UNBLOCK", "x"], b"ERR value is not an integer or out of range"),
    (["UNBLOCK", "1", "x"],
     b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    (["NO-EVICT", "x"], b"ERR syntax error"),
    (["NOSE"], b"ERR unknown subcommand 'NOSE'. Try CLIENT HELP."),
    (["ID", "x"], b"ERR wrong number of arguments for 'client|id' command"),
    (["PAUSE", "1", "ALL", "x"],
     b"ERR unknown subcommand or wrong number of arguments for 'PAUSE'. "
     b"Try CLIENT HELP."),
])
def test_refusals(raw, args, error):
    assert raw().call("CLIENT", *args) == ("-", error)


def test_kill_by_address(raw):
    c, victim = raw(), raw()
    c.ok("CLIENT", "KILL", mine(victim)["addr"])
    victim.expect_closed()


def test_kill_by_filters(raw):
    c, victim, other = raw(), raw(), raw()
    row = mine(victim)
    assert c.call("CLIENT", "KILL", "ID", row["id"], "ADDR", "1.2.3.4:5") == (
        ":", 0)
    assert c.call("CLIENT", "KILL", "ID", row["id"], "ADDR", row["addr"],
                  "LADDR", row["laddr"], "USER", "default",
                  "TYPE", "normal") == (":", 1)
    victim.expect_closed()
    assert row["id"] not in [r["id"] for r in listed(c)]
    other.call("SUBSCRIBE", "x")
    assert c.call("CLIENT", "KILL", "TYPE", "pubsub") == (":", 1)
    other.expect_closed()
    assert c.call("CLIENT", "KILL", "TYPE", "master") == (":", 0)


def test_kill_by_age(raw, config_name):
    if config_name == "redis":
        pytest.skip("Redis has this from 7.4 on")
    c, victim = raw(), raw()
    i = mine(victim)["id"]
    assert c.call("CLIENT", "KILL", "ID", i, "MAXAGE", "100") == (":", 0)
    assert c.call("CLIENT", "KILL", "MAXAGE", "0") == (
        "-", b"ERR maxage should be greater than 0")
    assert c.call("CLIENT", "KILL", "MAXAGE", "x") == (
        "-", b"ERR maxage is not an integer or out of range")
    assert c.call("CLIENT", "KILL", "ID", i, "MAXAGE", str(2 ** 63 - 1)) == (
        ":", 0)
    wait_for(lambda: c.call("CLIENT", "KILL", "ID", i, "MAXAGE", "1") ==
             (":", 1))
    victim.expect_closed()


def test_kill_skips_oneself_or_not(raw):
    c = raw()
    i = mine(c)["id"]
    assert c.call("CLIENT", "KILL", "ID", i) == (":", 0)
    assert c.call("CLIENT", "KILL", "ID", i, "SKIPME", "no") == (":", 1)
    c.expect_closed()
    c = raw()
    c.send(encode("CLIENT", "KILL", mine(c)["addr"]) + encode("PING"))
    assert c.read() == ("+", b"OK")
    c.expect_closed()


def test_kill_ends_a_wait(raw):
    c, waiting = raw(), raw()
    i = mine(waiting)["id"]
    waiting.send(encode("BLPOP", "nothing-here", "0"))
    wait_for(lambda: listed(c, "ID", i)[0]["flags"] == "b")
    assert c.call("CLIENT", "KILL", "ID", i) == (":", 1)
    waiting.expect_closed()
    assert c.call("LPUSH", "nothing-here", "x") == (":", 1)


def test_unblock(raw):
    c, waiting = raw(), raw()
    i = mine(waiting)["id"]
    assert c.call("CLIENT", "UNBLOCK", i) == (":", 0)
    assert c.call("CLIENT", "UNBLOCK", "999999999") == (":", 0)
    for how, want in [([], ("*", None)), (["TIMEOUT"], ("*", None)),
                      (["ERROR"], ("-", b"UNBLOCKED client unblocked via "
                                        b"CLIENT UNBLOCK"))]:
        waiting.send(encode("BLPOP", "nothing-here", "0"))
        wait_for(lambda: listed(c, "ID", i)[0]["flags"] == "b")
        assert c.call("CLIENT", "UNBLOCK", i, *how) == (":", 1)
        assert waiting.read() == want
    assert waiting.call("PING") == ("+", b"PONG")


def test_errors_of_unblock_are_counted(raw):
    c, waiting = raw(), raw()
    c.ok("CONFIG", "RESETSTAT")
    i = mine(waiting)["id"]
    waiting.send(encode("BLPOP", "nothing-here", "0"))
    wait_for(lambda: listed(c, "ID", i)[0]["flags"] == "b")
    assert c.call("CLIENT", "UNBLOCK", i, "ERROR") == (":", 1)
    assert waiting.read()[0] == "-"
    assert b"errorstat_UNBLOCKED:count=1\r\n" in plain(
        c.call("INFO", "errorstats"))
    assert re.search(rb"cmdstat_blpop:.*rejected_calls=0,failed_calls=1\r",
                     plain(c.call("INFO", "commandstats")))


def test_reply_off_on_skip(raw):
    c = raw()
    c.send(b"".join(encode(*a) for a in [
        ("CLIENT", "REPLY", "OFF"), ("PING",), ("SET", "k", "1"), ("NOSUCH",),
        ("CLIENT", "REPLY", "SKIP"), ("CLIENT", "REPLY", "ON"), ("PING", "a"),
        ("CLIENT", "REPLY", "SKIP"), ("PING", "b"), ("GET", "k")]))
    assert c.read() == ("+", b"OK")
    assert c.read() == ("$", b"a")
    assert c.read() == ("$", b"1")
    assert c.call("PING") == ("+", b"PONG")


@pytest.mark.parametrize("proto, kind", [("2", "*"), ("3", ">")])
def test_reply_off_lets_messages_through(raw, proto, kind):
    """And what says who listens, for that comes like a message."""
    c, other = raw(), raw()
    c.call("HELLO", proto)
    c.send(encode("CLIENT", "REPLY", "OFF") + encode("SUBSCRIBE")
           + encode("SUBSCRIBE", "a", "b") + encode("PSUBSCRIBE", "a*")
           + encode("PING") + encode("UNSUBSCRIBE", "b"))
    for what, name, n in ((b"subscribe", b"a", 1), (b"subscribe", b"b", 2),
                          (b"psubscribe", b"a*", 3), (b"unsubscribe", b"b", 2)):
        assert c.read() == (kind, [("$", what), ("$", name), (":", n)])
    assert other.call("PUBLISH", "a", "hi") == (":", 2)
    assert c.read() == (kind, [("$", b"message"), ("$", b"a"), ("$", b"hi")])
    c = raw()
    c.call("HELLO", proto)
    c.send(encode("CLIENT", "REPLY", "SKIP") + encode("SSUBSCRIBE", "a")
           + encode("PING"))
    assert c.read() == (kind, [("$", b"ssubscribe"), ("$", b"a"), (":", 1)])
    assert c.read()[0] in ("+", "*")


def test_pause_of_writes(raw):
    c, writer = raw(), raw()
    c.ok("SET", "k", "old")
    c.ok("CLIENT", "PAUSE", "60000", "WRITE")
    writer.send(encode("GET", "k") + encode("SET", "k", "new")
                + encode("GET", "k") + encode("PING"))
    assert writer.read() == ("$", b"old")
    wait_for(lambda: b"blocked_clients:1\r\n" in plain(
        c.call("INFO", "clients")))
    assert c.call("GET", "k") == ("$", b"old")
    assert listed(c, "ID", mine(c)["id"])[0]["flags"] == "N"
    c.ok("CLIENT", "UNPAUSE")
    assert writer.read() == ("+", b"OK")
    assert writer.read() == ("$", b"new")
    assert writer.read() == ("+", b"PONG")
    assert b"blocked_clients:0\r\n" in plain(c.call("INFO", "clients"))


def test_pause_holds_transactions_that_write(raw):
    c, writer = raw(), raw()
    writer.ok("MULTI")
    writer.call("SET", "k", "v")
    c.ok("CLIENT", "PAUSE", "60000", "WRITE")
    writer.send(encode("EXEC"))
    time.sleep(0.05)
    assert c.call("EXISTS", "k") == (":", 0)
    c.ok("CLIENT", "UNPAUSE")
    assert writer.read() == ("*", [("+", b"OK")])


def test_pause_of_everything_ends_by_itself(raw):
    c, other = raw(), raw()
    begun = time.monotonic()
    c.ok("CLIENT", "PAUSE", "150")
    other.send(encode("PING"))
    assert c.call("PING") == ("+", b"PONG")
    assert other.read() == ("+", b"PONG")
    assert time.monotonic() - begun >= 0.14


def test_a_paused_client_may_leave(raw):
    c, other = raw(), raw()
    c.ok("CLIENT", "PAUSE", "60000", "WRITE")
    other.send(encode("SET", "k", "v"))
    time.sleep(0.02)
    other.close()
    c.ok("CLIENT", "UNPAUSE")
    assert c.call("PING") == ("+", b"PONG")


def test_switches(raw, config_name):
    c = raw()
    c.ok("CLIENT", "NO-EVICT", "on")
    assert mine(c)["flags"] == "e"
    c.ok("CLIENT", "NO-EVICT", "OFF")
    assert mine(c)["flags"] == "N"
    if config_name != "redis":
        c.ok("CLIENT", "NO-TOUCH", "ON")
        assert mine(c)["flags"] == "T"
        c.call("RESET")
        assert mine(c)["flags"] == "N"
    assert c.call("CLIENT", "GETREDIR") == (":", -1)
    c.call("HELLO", "3")
    assert c.call("CLIENT", "TRACKINGINFO") == ("%", [
        (("$", b"flags"), ("~", [("$", b"off")])),
        (("$", b"redirect"), (":", -1)),
        (("$", b"prefixes"), ("*", []))])


def test_those_who_left_are_gone(raw):
    c = raw()
    before = len(listed(c))
    others = [raw() for _ in range(10)]
    for o in others:
        o.ok("CLIENT", "SETNAME", "short-lived")
    assert len(listed(c)) == before + 10
    for o in others[:5]:
        o.ok("QUIT")
        o.expect_closed()
    for o in others[5:]:
        o.close()
    wait_for(lambda: len(listed(c)) == before)


@pytest.mark.parametrize("container", [
    "ACL", "CLIENT", "COMMAND", "CONFIG", "LATENCY", "MEMORY",
    "MODULE", "OBJECT", "PUBSUB", "SLOWLOG", "XGROUP", "XINFO"])
def test_help(raw, container):
    kind, lines = raw().call(container, "HELP")
    assert kind == "*" and {k for k, _ in lines} == {"+"}
    assert lines[0][1] == (container + " <subcommand> [<arg> [value] [opt] "
                           "...]. Subcommands are:").encode()
    assert [v for _, v in lines[-2:]] == [b"HELP", b"    Prints this help."]
