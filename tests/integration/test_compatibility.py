# SPDX-License-Identifier: MIT
"""docs/compatibility.txt, and what answers as a lone Redis without cluster,
replicas, rules or scripts."""

import os
import re

import pytest

from harness.resp import plain
from harness.server import TOP

NO_CLUSTER = ("-", b"ERR This instance has cluster support disabled")


def accounted():
    """name -> "", "differs" or "not" """
    found = {}
    with open(os.path.join(TOP, "docs", "compatibility.txt")) as f:
        for line in f:
            if re.match("[a-z]", line):
                name, _, rest = line.rstrip("\n").partition(": ")
                assert name not in found, name
                found[name] = rest.split(": ")[0]
    return found


def names(conn):
    return {plain(v).decode() for v in conn.call("COMMAND", "LIST")[1]}


def test_every_command_of_redis_is_accounted_for(redis_server):
    with redis_server.raw() as c:
        assert set(accounted()) == names(c)


def test_tips_are_those_of_redis(raw, redis_server):
    """The eighth element of COMMAND INFO."""
    with redis_server.raw() as c:
        shared = sorted(names(c) & names(raw()))
        want = c.call("COMMAND", "INFO", *shared)
    got = raw().call("COMMAND", "INFO", *shared)
    assert [row[1][7] for row in got[1]] == [row[1][7] for row in want[1]]


def test_what_is_said_to_be_there_is(raw, config_name):
    if config_name == "redis":
        pytest.skip("it has them all")
    ours = names(raw())
    for name, how in accounted().items():
        assert (name in ours) == (how != "not"), name


def test_what_is_not_there_says_so(raw, config_name):
    """A command that Redis does not know either; a subcommand of a container
    that there is."""
    if config_name == "redis":
        pytest.skip("it has them all")
    c = raw()
    ours = names(c)
    for name, how in accounted().items():
        if how != "not":
            continue
        words = name.split("|")
        if words[0] == "cluster":
            continue            # see test_refusals.py
        got = c.call(*words, "a", "b", "c")
        if words[0] not in ours:
            assert got[1].startswith(
                b"ERR unknown command '%s', with" % words[0].encode()), name
        else:
            assert got == ("-", b"ERR unknown subcommand '%s'. Try %s HELP."
                           % (words[1].encode(), words[0].upper().encode()))


@pytest.mark.parametrize("args", [
    "CLUSTER INFO", "CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS",
    "CLUSTER MYID", "CLUSTER KEYSLOT a", "ASKING", "READONLY", "READWRITE",
])
def test_no_cluster(raw, args):
    assert raw().call(*args.split()) == NO_CLUSTER


@pytest.mark.parametrize("args, error", [
    ("", b"ERR FAILOVER requires connected replicas."),
    ("TO a 1 FORCE TIMEOUT 5", b"ERR FAILOVER requires connected replicas."),
    ("ABORT", b"ERR No failover in progress."),
    ("TIMEOUT 0", b"ERR FAILOVER timeout must be greater than 0"),
    ("TIMEOUT x", b"ERR value is not an integer or out of range"),
    ("TO a x", b"ERR value is not an integer or out of range"),
    ("TO a", b"ERR syntax error"), ("ABORT x", b"ERR syntax error"),
])
def test_failover(raw, args, error):
    assert raw().call("FAILOVER", *args.split()) == ("-", error)


def test_acl_whoami_and_users(raw):
    c = raw()
    assert c.call("ACL", "WHOAMI") == ("$", b"default")
    assert c.call("ACL", "USERS") == ("*", [("$", b"default")])
    assert c.call("ACL", "NOSUCH") == (
        "-", b"ERR unknown subcommand 'NOSUCH'. Try ACL HELP.")
    assert c.call("ACL") == (
        "-", b"ERR wrong number of arguments for 'acl' command")


def test_acl_of_a_bound_user(fresh_server):
    s = fresh_server(users="bob:secret:ns,eve:other:ns2")
    with s.raw() as c:
        assert {plain(u) for u in c.call("ACL", "USERS")[1]} == {
            b"default", b"bob", b"eve"}
        c.ok("AUTH", "bob", "secret")
        assert c.call("ACL", "WHOAMI") == ("$", b"bob")
        assert c.call("ACL", "USERS")[1].startswith(b"NOPERM")


def test_acl_cat(raw, redis_server):
    c, theirs = raw(), redis_server.raw()
    assert c.call("ACL", "CAT") == theirs.call("ACL", "CAT")
    ours = names(c)
    for category in ("bitmap", "geo", "hyperloglog", "transaction", "string"):
        got = {plain(v) for v in c.call("ACL", "CAT", category)[1]}
        want = {plain(v) for v in theirs.call("ACL", "CAT", category)[1]}
        assert want & {n.encode() for n in ours} <= got, category
    assert c.call("ACL", "CAT", "nosuch") == (
        "-", b"ERR Unknown category 'nosuch'")
    assert c.call("ACL", "CAT", "a", "b")[0] == "-"
    theirs.close()


def test_acl_genpass(raw):
    c = raw()
    for args, digits in [([], 64), (["5"], 2), (["4"], 1), (["4096"], 1024)]:
        got = plain(c.call("ACL", "GENPASS", *args))
        assert re.fullmatch(b"[0-9a-f]{%d}" % digits, got)
    assert c.call("ACL", "GENPASS") != c.call("ACL", "GENPASS")
    for bits in ("0", "-1", "4097"):
        assert c.call("ACL", "GENPASS", bits)[1].startswith(
            b"ERR ACL GENPASS argument must be the number of bits")
    assert c.call("ACL", "GENPASS", "x") == (
        "-", b"ERR value is not an integer or out of range")


def test_lolwut(raw):
    c = raw()
    got = plain(c.call("LOLWUT"))
    assert got.count(b"\n") >= 1 and got.endswith(b"\n")
    assert b"Redis ver. " in got
    assert c.call("LOLWUT", "VERSION", "5", "1", "1", "1")[0] == "$"
    assert c.call("LOLWUT", "VERSION", "x") == (
        "-", b"ERR value is not an integer or out of range")
    c.call("HELLO", "3")
    assert c.call("LOLWUT")[0] == "="


def test_restore_asking(raw):
    c = raw()
    c.call("RPUSH", "l", "a", "b")
    c.ok("RESTORE-ASKING", "m", "0", plain(c.call("DUMP", "l")))
    assert c.call("LRANGE", "m", "0", "-1") == c.call("LRANGE", "l", "0",
                                                      "-1")
