# SPDX-License-Identifier: MIT
"""Streams: entries, groups of readers, and who waits for them."""

import random
import time

import pytest

from conftest import connect_py
from harness.data import contents, differences
from harness.resp import encode
from test_blocking import blocked
from test_dump import payload
from test_snapshot import check_rdb, loaded, start, wait_saved

NONE = ("$", None)


@pytest.fixture(params=["2", "3"], ids=["resp2", "resp3"])
def conn(request, raw):
    """A function that opens a raw connection of one protocol."""
    def open_one(to=None):
        c = raw(to) if to is not None else raw()
        c.call("HELLO", request.param)
        c.protocol = request.param
        return c
    return open_one


def as_map(reply):
    """A reply that is a map, or in RESP2 an array of names and values."""
    kind, value = reply
    pairs = value if kind == "%" else list(zip(value[::2], value[1::2]))
    return {k[1].decode(): v for k, v in pairs}


def entries(reply):
    """An array of entries as [(id, [field, value, ...])]."""
    assert reply[0] == "*", reply
    return [(e[1][0][1].decode(), [f[1].decode() for f in e[1][1][1]])
            for e in reply[1]]


def streams(reply):
    """What XREAD answers as {key: entries}."""
    kind, value = reply
    if kind == "*":
        value = [(pair[1][0], pair[1][1]) for pair in value]
    else:
        assert kind == "%", reply
    return {k[1].decode(): entries(v) for k, v in value}


def ids(reply):
    return [e[0] for e in entries(reply)]


# Entries.

def test_ids_of_its_own(conn):
    c = conn()
    before = int(time.time() * 1000) - 1000
    made = [c.call("XADD", "x", "*", "f", str(i))[1].decode()
            for i in range(50)]
    parts = [tuple(map(int, i.split("-"))) for i in made]
    assert parts == sorted(set(parts))
    assert before <= parts[0][0] <= before + 60000
    assert ids(c.call("XRANGE", "x", "-", "+")) == made
    assert ids(c.call("XREVRANGE", "x", "+", "-")) == made[::-1]
    # the clock is behind the last one: only the second half counts on
    far = "18446744073709551615-18446744073709551614"
    assert c.call("XADD", "y", far, "f", "v")[1].decode() == far
    assert c.call("XADD", "y", "*", "f", "v")[1].decode()[-3:] == "615"
    assert c.call("XADD", "y", "*", "f", "v") == (
        "-", b"ERR The stream has exhausted the last possible ID, unable to "
             b"add more items")


def test_xadd_replies(conn):
    c = conn()
    too_small = ("-", b"ERR The ID specified in XADD is equal or smaller than "
                      b"the target stream top item")
    wrong = ("-", b"ERR wrong number of arguments for 'xadd' command")
    invalid = ("-", b"ERR Invalid stream ID specified as stream command "
                    b"argument")
    assert c.call("XADD", "x", "5-5", "f", "v") == ("$", b"5-5")
    assert c.call("XADD", "x", "5-5", "f", "v") == too_small
    assert c.call("XADD", "x", "5-*", "f", "v") == ("$", b"5-6")
    assert c.call("XADD", "x", "4-*", "f", "v") == too_small
    assert c.call("XADD", "x", "6", "f", "v") == ("$", b"6-0")
    assert c.call("XADD", "x", "7-1", "f") == wrong
    assert c.call("XADD", "x", "7-1", "f", "v", "g") == wrong
    assert c.call("XADD", "x", "NOMKSTREAM", "7-1") == wrong
    assert c.call("XADD", "x", "a-1", "f", "v") == invalid
    assert c.call("XADD", "x", "7-1-1", "f", "v") == invalid
    assert c.call("XADD", "n", "0-0", "f", "v") == (
        "-", b"ERR The ID specified in XADD must be greater than 0-0")
    none = NONE if c.protocol == "2" else ("_", None)
    assert c.call("XADD", "n", "NOMKSTREAM", "1-1", "f", "v") == none
    assert c.call("EXISTS", "n") == (":", 0)
    c.call("SET", "s", "1")
    assert c.call("XADD", "s", "*", "f", "v")[1].startswith(b"WRONGTYPE")
    assert c.call("XADD", "x", "MAXLEN", "1", "MINID", "1", "*", "f", "v") == (
        "-", b"ERR syntax error, MAXLEN and MINID options at the same time "
             b"are not compatible")
    assert c.call("XADD", "x", "MAXLEN", "9", "LIMIT", "1", "*", "f", "v") == (
        "-", b"ERR syntax error, LIMIT cannot be used without the special ~ "
             b"option")
    assert c.call("TYPE", "x") == ("+", b"stream")
    assert c.call("OBJECT", "ENCODING", "x") == ("$", b"stream")
    assert c.call("XLEN", "x") == (":", 3)


def test_fields_of_all_kinds(conn):
    """Same fields as the first entry of a node, others, many, odd ones."""
    c = conn()
    made = [["f", "1", "g", "x"], ["f", "2", "g", ""], ["g", "1"],
            ["12", "-7"], ["012", "9223372036854775808"], ["f", "z" * 5000],
            ["", ""], sum((["k%d" % i, str(i)] for i in range(300)), []),
            ["f", "3", "g", "y"]]
    for i, fields in enumerate(made):
        c.call("XADD", "x", "1-%d" % (i + 1), *fields)
    got = entries(c.call("XRANGE", "x", "-", "+"))
    assert [f for _, f in got] == made
    got = entries(c.call("XREVRANGE", "x", "+", "-", "COUNT", "3"))
    assert [f for _, f in got] == made[:-4:-1]


def test_ranges(conn):
    c = conn()
    for i in range(10):
        c.call("XADD", "x", "%d-%d" % (1 + i // 3, i % 3), "f", str(i))
    assert ids(c.call("XRANGE", "x", "2", "2")) == ["2-0", "2-1", "2-2"]
    assert ids(c.call("XRANGE", "x", "(2-0", "(2-2")) == ["2-1"]
    assert ids(c.call("XRANGE", "x", "2-1", "+", "COUNT", "2")) == [
        "2-1", "2-2"]
    assert ids(c.call("XREVRANGE", "x", "2-1", "-", "COUNT", "2")) == [
        "2-1", "2-0"]
    assert ids(c.call("XRANGE", "x", "3", "2")) == []
    assert c.call("XRANGE", "none", "-", "+") == ("*", [])
    nothing = ("*", None) if c.protocol == "2" else ("_", None)
    assert c.call("XRANGE", "x", "-", "+", "COUNT", "0") == nothing
    assert c.call("XRANGE", "x", "(18446744073709551615-18446744073709551615",
                  "+") == ("-", b"ERR invalid start ID for the interval")
    assert c.call("XRANGE", "x", "-", "(0-0") == (
        "-", b"ERR invalid end ID for the interval")


def test_del_and_trim(conn):
    c = conn()
    for i in range(1, 251):
        c.call("XADD", "x", "%d-0" % i, "f", str(i))
    assert c.call("XDEL", "x", "7-0", "7-0", "8-0", "999-1") == (":", 2)
    assert c.call("XDEL", "none", "1") == (":", 0)
    assert c.call("XLEN", "x") == (":", 248)
    assert ids(c.call("XRANGE", "x", "6", "9")) == ["6-0", "9-0"]
    assert c.call("XTRIM", "x", "MAXLEN", "~", "240") == (":", 0)
    assert c.call("XTRIM", "x", "MAXLEN", "240") == (":", 8)
    assert ids(c.call("XRANGE", "x", "-", "+", "COUNT", "1")) == ["11-0"]
    assert c.call("XTRIM", "x", "MINID", "=", "50") == (":", 39)
    assert c.call("XTRIM", "x", "MINID", "~", "190") == (":", 51)
    assert c.call("XTRIM", "x", "MAXLEN", "~", "0", "LIMIT", "99") == (":", 0)
    assert c.call("XLEN", "x") == (":", 150)
    assert c.call("XTRIM", "x", "MAXLEN", "~", "0", "LIMIT", "100") == (
        ":", 100)
    info = as_map(c.call("XINFO", "STREAM", "x"))
    assert info["length"] == (":", 50)
    assert info["entries-added"] == (":", 250)
    assert info["max-deleted-entry-id"] == ("$", b"8-0")
    assert info["recorded-first-entry-id"] == ("$", b"201-0")
    # an empty stream stays, and remembers
    assert c.call("XTRIM", "x", "MAXLEN", "0") == (":", 50)
    assert c.call("EXISTS", "x") == (":", 1)
    assert c.call("XADD", "x", "250-0", "f", "v")[0] == "-"
    assert c.call("XADD", "x", "MAXLEN", "0", "251-0", "f", "v") == (
        "$", b"251-0")
    assert c.call("XLEN", "x") == (":", 0)


def test_setid(conn):
    c = conn()
    assert c.call("XSETID", "none", "1-1") == ("-", b"ERR no such key")
    c.call("XADD", "x", "5-5", "f", "v")
    assert c.call("XSETID", "x", "5-4") == (
        "-", b"ERR The ID specified in XSETID is smaller than the target "
             b"stream top item")
    assert c.call("XSETID", "x", "9-0", "ENTRIESADDED", "7", "MAXDELETEDID",
                  "3-3") == ("+", b"OK")
    info = as_map(c.call("XINFO", "STREAM", "x"))
    assert info["last-generated-id"] == ("$", b"9-0")
    assert info["entries-added"] == (":", 7)
    assert info["max-deleted-entry-id"] == ("$", b"3-3")


# Groups.

def made(c, n=5, group="g"):
    for i in range(1, n + 1):
        c.call("XADD", "x", "%d-0" % i, "f", str(i))
    assert c.call("XGROUP", "CREATE", "x", group, "0") == ("+", b"OK")


def read(c, who, *more, key="x", group="g", at=">"):
    return c.call("XREADGROUP", "GROUP", group, who, *more, "STREAMS", key, at)


def test_group_reads_what_nobody_had(conn):
    c = conn()
    made(c)
    assert ids_of(read(c, "a", "COUNT", "2")) == ["1-0", "2-0"]
    assert ids_of(read(c, "b", "COUNT", "2")) == ["3-0", "4-0"]
    assert ids_of(read(c, "a")) == ["5-0"]
    nothing = ("*", None) if c.protocol == "2" else ("_", None)
    assert read(c, "a") == nothing
    assert ids_of(read(c, "a", at="0")) == ["1-0", "2-0", "5-0"]
    assert c.call("XACK", "x", "g", "1-0", "1-0", "3-0", "9-9") == (":", 2)
    assert ids_of(read(c, "a", at="0")) == ["2-0", "5-0"]
    assert c.call("XPENDING", "x", "g") == ("*", [
        (":", 3), ("$", b"2-0"), ("$", b"5-0"), ("*", [
            ("*", [("$", b"a"), ("$", b"2")]),
            ("*", [("$", b"b"), ("$", b"1")])])])
    # a deleted one is still pending
    c.call("XDEL", "x", "2-0")
    got = read(c, "a", at="0")
    assert b"2-0" in repr(got).encode() and ids_of(got, whole=False) == [
        "2-0", "5-0"]
    assert c.call("XPENDING", "x", "g", "-", "+", "9", "a")[1][0][1][3] == (
        ":", 3)
    assert ids_of(read(c, "n", "NOACK", at="0")) == []


def ids_of(reply, whole=True):
    """The IDs that one key had."""
    kind, value = reply
    got = value[0][1] if kind == "%" else value[0][1][1]
    if whole:
        return ids(got)
    return [e[1][0][1].decode() for e in got[1]]


def test_group_errors(conn):
    c = conn()
    need = (b"ERR The XGROUP subcommand requires the key to exist. Note that "
            b"for CREATE you may want to use the MKSTREAM option to create an "
            b"empty stream automatically.")
    assert c.call("XGROUP", "CREATE", "x", "g", "$") == ("-", need)
    assert c.call("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM") == (
        "+", b"OK")
    assert c.call("XGROUP", "CREATE", "x", "g", "$") == (
        "-", b"BUSYGROUP Consumer Group name already exists")
    assert c.call("XGROUP", "SETID", "x", "h", "0") == (
        "-", b"NOGROUP No such consumer group 'h' for key name 'x'")
    assert read(c, "a", group="h") == (
        "-", b"NOGROUP No such key 'x' or consumer group 'h' in XREADGROUP "
             b"with GROUP option")
    assert c.call("XPENDING", "x", "h") == (
        "-", b"NOGROUP No such key 'x' or consumer group 'h'")
    assert c.call("XCLAIM", "none", "g", "a", "0", "1-1") == (
        "-", b"NOGROUP No such key 'none' or consumer group 'g'")
    assert c.call("XINFO", "CONSUMERS", "x", "h") == (
        "-", b"NOGROUP No such consumer group 'h' for key name 'x'")
    assert c.call("XGROUP", "DESTROY", "x", "g") == (":", 1)
    assert c.call("XGROUP", "DESTROY", "x", "g") == (":", 0)
    assert c.call("XGROUP", "NOSUCH", "x") == (
        "-", b"ERR unknown subcommand 'NOSUCH'. Try XGROUP HELP.")
    for name in "XGROUP", "XINFO":
        lines = c.call(name, "HELP")[1]
        assert lines[0][1].startswith(name.encode() + b" <subcommand>")
        assert lines[-2] == ("+", b"HELP")


def test_consumers(conn):
    c = conn()
    made(c)
    assert c.call("XGROUP", "CREATECONSUMER", "x", "g", "a") == (":", 1)
    assert c.call("XGROUP", "CREATECONSUMER", "x", "g", "a") == (":", 0)
    read(c, "a", "COUNT", "3")
    consumers = c.call("XINFO", "CONSUMERS", "x", "g")[1]
    assert [as_map(m)["pending"] for m in consumers] == [(":", 3)]
    assert c.call("XGROUP", "DELCONSUMER", "x", "g", "a") == (":", 3)
    assert c.call("XGROUP", "DELCONSUMER", "x", "g", "a") == (":", 0)
    assert c.call("XPENDING", "x", "g")[1][0] == (":", 0)
    group = as_map(c.call("XINFO", "GROUPS", "x")[1][0])
    assert (group["entries-read"], group["lag"]) == ((":", 3), (":", 2))
    # in order of names
    for name in "z", "b", "bb", "a":
        c.call("XGROUP", "CREATECONSUMER", "x", "g", name)
        c.call("XGROUP", "CREATE", "x", "g" + name, "0")
    assert [as_map(m)["name"][1] for m in
            c.call("XINFO", "CONSUMERS", "x", "g")[1]] == [
                b"a", b"b", b"bb", b"z"]
    assert [as_map(m)["name"][1] for m in
            c.call("XINFO", "GROUPS", "x")[1]] == [
                b"g", b"ga", b"gb", b"gbb", b"gz"]


def test_claim(conn):
    c = conn()
    made(c)
    read(c, "a", "COUNT", "4")
    assert ids(c.call("XCLAIM", "x", "g", "b", "0", "1-0", "2-0", "5-0")) == [
        "1-0", "2-0"]
    assert c.call("XCLAIM", "x", "g", "b", "10000000", "3-0") == ("*", [])
    assert c.call("XCLAIM", "x", "g", "b", "0", "5-0", "FORCE", "JUSTID") == (
        "*", [("$", b"5-0")])
    assert c.call("XCLAIM", "x", "g", "c", "0", "1-0", "RETRYCOUNT", "9",
                  "IDLE", "5000", "JUSTID") == ("*", [("$", b"1-0")])
    one = c.call("XPENDING", "x", "g", "IDLE", "5000", "-", "+", "9")[1]
    assert len(one) == 1 and one[0][1][0] == ("$", b"1-0")
    assert one[0][1][1] == ("$", b"c") and one[0][1][3] == (":", 9)
    # what is gone from the stream leaves the pending ones
    c.call("XDEL", "x", "1-0", "3-0")
    assert c.call("XCLAIM", "x", "g", "b", "0", "1-0") == ("*", [])
    got = c.call("XAUTOCLAIM", "x", "g", "d", "0", "0", "COUNT", "2")
    assert got[1][0] == ("$", b"4-0")
    assert ids(got[1][1]) == ["2-0"]
    assert got[1][2] == ("*", [("$", b"3-0")])
    got = c.call("XAUTOCLAIM", "x", "g", "d", "0", "4-0", "JUSTID")
    assert got == ("*", [("$", b"0-0"),
                         ("*", [("$", b"4-0"), ("$", b"5-0")]), ("*", [])])
    assert c.call("XAUTOCLAIM", "x", "g", "d", "0", "0", "COUNT", "0") == (
        "-", b"ERR COUNT must be > 0")
    assert c.call("XCLAIM", "x", "g", "d", "0", "1-0", "WHAT") == (
        "-", b"ERR Unrecognized XCLAIM option 'WHAT'")


def test_events(conn):
    c, ear = conn(), conn()
    c.call("CONFIG", "SET", "notify-keyspace-events", "KEA")
    ear.send(encode("PSUBSCRIBE", "__keyevent@0__:*"))
    ear.read()
    c.call("XADD", "x", "1-1", "f", "v")
    c.call("XADD", "x", "MAXLEN", "1", "2-2", "f", "v")
    c.call("XGROUP", "CREATE", "x", "g", "0")
    c.call("XGROUP", "CREATE", "y", "g", "0", "MKSTREAM")
    read(c, "a")
    c.call("XACK", "x", "g", "2-2")
    c.call("XGROUP", "SETID", "x", "g", "0")
    c.call("XGROUP", "CREATECONSUMER", "x", "g", "b")
    c.call("XGROUP", "DELCONSUMER", "x", "g", "b")
    c.call("XCLAIM", "x", "g", "c", "0", "2-2", "FORCE")
    c.call("XGROUP", "DESTROY", "x", "g")
    c.call("XDEL", "x", "2-2", "9-9")
    c.call("XDEL", "x", "9-9")
    c.call("XSETID", "x", "5-5")
    c.call("XTRIM", "x", "MAXLEN", "0")
    c.call("DEL", "x")
    got = []
    while got[-1:] != ["del"]:
        got.append(ear.read()[1][2][1].decode().split(":")[1])
    c.call("CONFIG", "SET", "notify-keyspace-events", "")
    assert got == [
        "xadd", "xadd", "xtrim", "xgroup-create", "xgroup-create",
        "xgroup-createconsumer", "xgroup-setid", "xgroup-createconsumer",
        "xgroup-delconsumer", "xgroup-createconsumer", "xgroup-destroy",
        "xdel", "xsetid", "del"]


def test_what_watch_sees(conn):
    """Entries are watched, what readers do is not."""
    def touched(*command):
        c.call("WATCH", "x")
        other.call(*command)
        c.call("MULTI")
        return c.call("EXEC")[1] is None

    c, other = conn(), conn()
    made(c)
    assert touched("XADD", "x", "*", "f", "v")
    assert touched("XDEL", "x", "1-0")
    assert touched("XTRIM", "x", "MAXLEN", "3")
    assert not touched("XREADGROUP", "GROUP", "g", "a", "STREAMS", "x", ">")
    assert not touched("XACK", "x", "g", "4-0")
    assert not touched("XCLAIM", "x", "g", "b", "0", "5-0")
    assert not touched("XGROUP", "CREATE", "x", "h", "0")
    assert not touched("XGROUP", "DESTROY", "x", "h")
    assert not touched("XSETID", "x", "*")
    assert touched("DEL", "x")
    assert touched("XGROUP", "CREATE", "x", "h", "0", "MKSTREAM")


# Waiting.

def test_a_reader_waits(conn):
    waiter, c = conn(), conn()
    c.call("XADD", "x", "1-1", "f", "old")
    waiter.send(encode("XREAD", "BLOCK", "0", "STREAMS", "y", "x", "$", "$"))
    blocked(c, 1)
    c.call("XADD", "x", "2-2", "f", "new")
    assert streams(waiter.read()) == {"x": [("2-2", ["f", "new"])]}
    waiter.send(encode("XREAD", "BLOCK", "0", "COUNT", "1", "STREAMS", "x",
                       "2-2"))
    blocked(c, 1)
    c.call("MULTI")
    c.call("XADD", "x", "3-3", "f", "a")
    c.call("XADD", "x", "3-4", "f", "b")
    c.call("EXEC")
    assert streams(waiter.read()) == {"x": [("3-3", ["f", "a"])]}
    assert streams(waiter.call("XREAD", "STREAMS", "x", "y", "3-3", "0")) == {
        "x": [("3-4", ["f", "b"])]}
    nothing = ("*", None) if c.protocol == "2" else ("_", None)
    assert waiter.call("XREAD", "BLOCK", "20", "STREAMS", "x", "$") == nothing
    assert waiter.call("XREAD", "STREAMS", "x", "$") == nothing
    c.call("MULTI")
    c.call("XREAD", "BLOCK", "0", "STREAMS", "x", "$")
    assert c.call("EXEC") == ("*", [nothing])


def test_reading_the_last_entry(conn, config_name):
    if config_name == "redis":
        pytest.skip("Redis has this from 7.4 on")
    c, waiter = conn(), conn()
    for i in "123":
        c.call("XADD", "x", i + "-1", "f", i)
    assert streams(c.call("XREAD", "COUNT", "5", "STREAMS", "x", "none", "+",
                          "+")) == {"x": [("3-1", ["f", "3"])]}
    c.call("XDEL", "x", "3-1")
    assert streams(c.call("XREAD", "STREAMS", "x", "+")) == {
        "x": [("2-1", ["f", "2"])]}
    c.call("XDEL", "x", "1-1", "2-1")
    waiter.send(encode("XREAD", "BLOCK", "0", "STREAMS", "x", "+"))
    blocked(c, 1)
    c.call("XADD", "x", "4-1", "f", "4")
    assert streams(waiter.read()) == {"x": [("4-1", ["f", "4"])]}
    c.call("XGROUP", "CREATE", "x", "g", "0")
    assert read(c, "a", at="+") == (
        "-", b"ERR Invalid stream ID specified as stream command argument")


def test_all_readers_and_one_of_a_group(conn):
    """XREAD gives everybody everything, a group each entry to one."""
    c = conn()
    c.call("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
    readers, members = [], []
    for i in range(3):
        r, m = conn(), conn()
        r.send(encode("XREAD", "BLOCK", "0", "STREAMS", "x", "$"))
        m.send(encode("XREADGROUP", "GROUP", "g", "m%d" % i, "BLOCK", "0",
                      "STREAMS", "x", ">"))
        readers.append(r)
        members.append(m)
        blocked(c, 2 * i + 2)
    c.call("XADD", "x", "1-1", "f", "1")
    for r in readers:
        assert streams(r.read()) == {"x": [("1-1", ["f", "1"])]}
    assert streams(members[0].read()) == {"x": [("1-1", ["f", "1"])]}
    blocked(c, 2)
    c.call("XADD", "x", "2-2", "f", "2")
    assert streams(members[1].read()) == {"x": [("2-2", ["f", "2"])]}
    c.call("XADD", "x", "3-3", "f", "3")
    assert streams(members[2].read()) == {"x": [("3-3", ["f", "3"])]}
    assert c.call("XPENDING", "x", "g")[1][0] == (":", 3)


KEY_GONE = ("-", b"UNBLOCKED the stream key no longer exists")


@pytest.mark.parametrize("how, answer", [
    ([["XGROUP", "DESTROY", "x", "g"]],
     ("-", b"NOGROUP the consumer group this client was blocked on no longer "
           b"exists")),
    ([["DEL", "x"]], KEY_GONE),
    ([["UNLINK", "x"]], KEY_GONE),
    ([["SET", "x", "1"]], KEY_GONE),
    ([["MULTI"], ["DEL", "x"], ["SADD", "x", "1"], ["EXEC"]], KEY_GONE),
    ([["RENAME", "x", "y"]], KEY_GONE),
    ([["PEXPIRE", "x", "1"], ["DEBUG", "SLEEP", "0.01"], ["GET", "x"]],
     KEY_GONE),
    ([["FLUSHDB"]], KEY_GONE),
    ([["FLUSHALL", "ASYNC"]], KEY_GONE),
    ([["SWAPDB", "0", "1"]], KEY_GONE),
], ids=lambda x: x[0][0].lower() if isinstance(x, list) else "")
def test_a_group_reader_hears_of_the_end(conn, how, answer):
    waiter, plain, c = conn(), conn(), conn()
    c.call("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
    plain.send(encode("XREAD", "BLOCK", "0", "STREAMS", "x", "$"))
    waiter.send(encode("XREADGROUP", "GROUP", "g", "a", "BLOCK", "0",
                       "STREAMS", "x", ">"))
    blocked(c, 2)
    for command in how:
        c.call(*command)
    assert waiter.read() == answer
    blocked(c, 1)                   # the other one goes on waiting
    c.call("FLUSHALL")
    c.call("XADD", "x", "1-1", "f", "v")
    assert streams(plain.read()) == {"x": [("1-1", ["f", "v"])]}


def test_a_group_reader_is_unblocked(conn):
    waiter, c = conn(), conn()
    c.call("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
    waiter.call("CLIENT", "SETNAME", "w")
    number = waiter.call("CLIENT", "ID")[1]
    for how, answer in (("TIMEOUT", None), ("ERROR", b"UNBLOCKED client "
                                            b"unblocked via CLIENT UNBLOCK")):
        waiter.send(encode("XREADGROUP", "GROUP", "g", "a", "BLOCK", "0",
                           "STREAMS", "x", ">"))
        blocked(c, 1)
        assert c.call("CLIENT", "UNBLOCK", str(number), how) == (":", 1)
        assert waiter.read()[1] == answer


def test_keys_of_xread(conn):
    c = conn()
    assert c.call("COMMAND", "GETKEYS", "XREAD", "COUNT", "1", "STREAMS", "a",
                  "b", "0", "0") == ("*", [("$", b"a"), ("$", b"b")])
    assert c.call("COMMAND", "GETKEYS", "XREADGROUP", "GROUP", "streams",
                  "me", "STREAMS", "a", ">") == ("*", [("$", b"a")])
    made(c, group="streams")
    assert ids_of(read(c, "me", group="streams")) == [
        "%d-0" % i for i in range(1, 6)]


# The value as a whole.

def full(c, key):
    """All that is known of a stream."""
    return c.call("XINFO", "STREAM", key, "FULL", "COUNT", "0")


def big(c, key="x", n=3000, group=True):
    """A stream of many nodes, with pending entries of three consumers."""
    for at in range(0, n, 500):
        c.send(b"".join(encode("XADD", key, "%d-%d" % (5 + i // 7, i),
                               "field", "value %d" % i, "n", str(i))
                        for i in range(at, min(n, at + 500))))
        for _ in range(at, min(n, at + 500)):
            assert c.read()[0] == "$"
    if group:
        c.call("XGROUP", "CREATE", key, "g", "0")
        for who in "abc":
            read(c, who, "COUNT", str(n // 4), key=key)


def test_copy_rename_dump(conn):
    c = conn()
    for n in 3, 900:
        c.call("FLUSHALL")
        big(c, n=n)
        c.call("XDEL", "x", "5-1", "8-22")
        c.call("XACK", "x", "g", "5-0", "9-30")
        want = full(c, "x")
        assert c.call("COPY", "x", "y") == (":", 1)
        assert c.call("COPY", "x", "x", "DB", "1") == (":", 1)
        payload = c.call("DUMP", "x")[1]
        assert c.call("RESTORE", "z", "0", payload) == ("+", b"OK")
        assert c.call("DUMP", "z")[1] == payload
        assert c.call("DEBUG", "DIGEST-VALUE", "x", "y", "z")[1][0] == \
            c.call("DEBUG", "DIGEST-VALUE", "z")[1][0]
        # apart from each other from now on
        c.call("XTRIM", "x", "MAXLEN", "1")
        c.call("XGROUP", "DESTROY", "x", "g")
        c.call("RENAME", "x", "gone")
        assert full(c, "y") == want == full(c, "z")
        c.call("SELECT", "1")
        assert full(c, "x") == want
        c.call("SELECT", "0")


def test_both_ways_with_redis(conn, redis_server, config_name):
    """DUMP of the one, RESTORE of the other, to the byte where neither packs
    strings."""
    if config_name == "redis":
        pytest.skip("about us and redis-server")
    c, theirs = conn(), conn(redis_server)
    theirs.call("CONFIG", "SET", "rdbcompression", "no")
    try:
        for n in 1, 99, 101, 1500:
            for conns in (c, theirs), (theirs, c):
                one, other = conns
                one.call("FLUSHALL")
                other.call("FLUSHALL")
                big(one, n=n)
                one.call("XDEL", "x", "5-1", "8-22")
                one.call("XGROUP", "CREATE", "x", "other", "6-7",
                         "ENTRIESREAD", "3")
                payload = one.call("DUMP", "x")[1]
                assert other.call("RESTORE", "x", "0", payload) == (
                    "+", b"OK")
                assert full(one, "x") == full(other, "x")
                assert other.call("DUMP", "x")[1] == payload
    finally:
        theirs.call("CONFIG", "SET", "rdbcompression", "yes")


def test_memory(conn, config_name):
    if config_name == "redis":
        pytest.skip("how we count")
    c = conn()
    big(c, n=5000)
    used = c.call("MEMORY", "USAGE", "x")[1]
    assert 5000 * 30 < used < 5000 * 110
    c.call("XGROUP", "DESTROY", "x", "g")
    less = c.call("MEMORY", "USAGE", "x")[1]
    assert less < used - 3750 * 50
    c.call("XTRIM", "x", "MAXLEN", "10")
    assert c.call("MEMORY", "USAGE", "x")[1] < less / 20


def test_options(conn):
    c = conn()
    try:
        for name, value in (("stream-node-max-entries", b"10"),
                            ("stream-node-max-bytes", b"4096")):
            assert c.call("CONFIG", "SET", name, value) == ("+", b"OK")
            assert as_map(c.call("CONFIG", "GET", name))[name] == ("$", value)
        for i in range(95):
            c.call("XADD", "x", "1-%d" % (i + 1), "f", "v")
        assert as_map(c.call("XINFO", "STREAM", "x"))["radix-tree-keys"] == (
            ":", 10)
        c.call("CONFIG", "SET", "stream-node-max-bytes", "100")
        for i in range(20):
            c.call("XADD", "y", "1-%d" % (i + 1), "f", "v" * 40)
        assert as_map(c.call("XINFO", "STREAM", "y"))["radix-tree-keys"] == (
            ":", 20)
    finally:
        c.call("CONFIG", "SET", "stream-node-max-entries", "100")
        c.call("CONFIG", "SET", "stream-node-max-bytes", "4096")


# Payloads of any origin.

def element(x):
    """A listpack's element: a small integer or a short string."""
    if isinstance(x, int):
        body = bytes([x]) if 0 <= x < 128 else (
            bytes([0xc0 | (x & 0x1fff) >> 8, x & 255]))
    else:
        body = bytes([0x80 | len(x)]) + x
    return body + bytes([len(body)])


def listpack(*items):
    body = b"".join(map(element, items))
    return (len(body) + 7).to_bytes(4, "little") + len(items).to_bytes(
        2, "little") + body + b"\xff"


ONE = (1, 0, 1, b"f", 0, 2, 0, 0, b"v", 4)


def node(at=5, items=ONE):
    pack = listpack(*items)
    return b"\x10" + bytes(7) + bytes([at]) + bytes(8) + bytes(
        [len(pack)]) + pack


def pending(*ats):
    return bytes([len(ats)]) + b"".join(
        bytes(7) + bytes([at]) + bytes(8) + bytes(8) + b"\1" for at in ats)


def consumer(name, *ats):
    return bytes([len(name)]) + name + bytes(8) + bytes([len(ats)]) + b"".join(
        bytes(7) + bytes([at]) + bytes(8) for at in ats)


def group(name, waiting, *consumers):
    return bytes([len(name)]) + name + b"\5\0\1" + waiting + bytes(
        [len(consumers)]) + b"".join(consumers)


def value(nodes, length, groups=(), last=9):
    return (b"\x13" + bytes([len(nodes)]) + b"".join(nodes)
            + bytes([length, last, 0, 5, 0, 0, 0, length, len(groups)])
            + b"".join(groups))


GOOD = [
    value([node()], 1),
    value([], 0),
    value([node(), node(6)], 2),
    value([node()], 1, [group(b"g", pending(5, 6), consumer(b"a", 5),
                              consumer(b"b", 6)), group(b"h", pending())]),
    value([node(items=(1, 1, 1, b"f", 0, 3, 0, 0, b"v", 4,
                       0, 1, 0, 1, b"g", b"v", 6))], 1),
]
BAD = {
    "no entry": value([node(items=(0, 0, 1, b"f", 0))], 0),
    "count too large": value([node(items=(2,) + ONE[1:])], 2),
    "count too small": value([node(items=ONE + ONE[5:])], 1),
    "negative count": value([node(items=(-1,) + ONE[1:])], 1),
    "deleted that is not": value([node(items=(0, 1) + ONE[2:])], 0),
    "count is a string": value([node(items=(b"x",) + ONE[1:])], 1),
    "fewer fields": value([node(items=(1, 0, 9) + ONE[3:])], 1),
    "no end of the master": value([node(items=(1, 0, 1, b"f", 7) + ONE[5:])],
                                  1),
    "flags unknown": value([node(items=ONE[:5] + (4,) + ONE[6:])], 1),
    "wrong way back": value([node(items=ONE[:9] + (3,))], 1),
    "way back is a string": value([node(items=ONE[:9] + (b"4",))], 1),
    "entry cut off": value([node(items=ONE[:7])], 1),
    "an ID twice in a node": value(
        [node(items=(2,) + ONE[1:] + ONE[5:])], 2),
    "an ID below the node's": value(
        [node(items=ONE[:6] + (-1,) + ONE[7:])], 1),
    "a node twice": value([node(), node()], 2),
    "nodes out of order": value([node(6), node(5)], 2),
    "length": value([node()], 2),
    "last ID below an entry": value([node()], 1, last=4),
    "a group twice": value([node()], 1, [group(b"g", pending())] * 2),
    "a consumer twice": value([node()], 1, [
        group(b"g", pending(), consumer(b"a"), consumer(b"a"))]),
    "pending twice": value([node()], 1, [
        group(b"g", pending(5, 5), consumer(b"a", 5))]),
    "pending with two": value([node()], 1, [
        group(b"g", pending(5), consumer(b"a", 5), consumer(b"b", 5))]),
    "pending with one twice": value([node()], 1, [
        group(b"g", pending(5), consumer(b"a", 5, 5))]),
    "pending with nobody": value([node()], 1, [
        group(b"g", pending(5), consumer(b"a"))]),
    "not pending in the group": value([node()], 1, [
        group(b"g", pending(), consumer(b"a", 5))]),
    "an ID of 15 bytes": b"\x13\1\x0f" + node()[2:],
    "no listpack": b"\x13\1" + node()[:17] + b"\5hello" + bytes(9),
    "a promise of nodes": b"\x13\x81" + b"\xff" * 8 + node(),
    "a promise of pending ones": value([node()], 1, [
        b"\1g\5\0\1\x81" + b"\xff" * 8]),
}


@pytest.mark.parametrize("body", GOOD, ids=range(len(GOOD)))
def test_payloads_that_hold_together(raw, body):
    c = raw()
    assert c.call("RESTORE", "x", "0", payload(body)) == ("+", b"OK")
    assert c.call("DUMP", "x")[1] == payload(body)
    c.call("XADD", "x", "*", "f", "v")
    assert c.call("XINFO", "STREAM", "x", "FULL")[0] == "*"


@pytest.mark.parametrize("why", BAD)
def test_payloads_that_do_not(raw, config_name, why):
    if config_name == "redis":
        pytest.skip("believes more")
    c = raw()
    c.call("XADD", "x", "1-1", "f", "v")
    assert c.call("RESTORE", "x", "0", payload(BAD[why]), "REPLACE") == (
        "-", b"ERR Bad data format")
    assert c.call("RESTORE", "y", "0", payload(BAD[why][:-1])) == (
        "-", b"ERR Bad data format")
    assert c.call("XLEN", "x") == (":", 1)
    assert c.call("EXISTS", "y") == (":", 0)


# Snapshots.

def test_a_large_stream_in_a_snapshot(fresh_server, tmp_path, config_name):
    """As it was at BGSAVE, whatever happens to it meanwhile."""
    if config_name == "redis":
        pytest.skip("about files that we write")
    path = tmp_path / "x.rdb"
    rand = random.Random(11)
    s, r = start(fresh_server, path)
    with s.raw() as c:
        big(c, n=5000)
        big(c, key="ns/y", n=1000)
    for attempt in range(3):
        want = contents(r)
        pipe = r.pipeline(transaction=False)
        pipe.execute_command("BGSAVE")
        for i in range(300):
            j = rand.randrange(5000)
            one = "%d-%d" % (5 + j // 7, j)
            pipe.execute_command(*rand.choice([
                ["XADD", "x", "*", "f", "v" * 50],
                ["XDEL", "x", one],
                ["XACK", "x", "g", one],
                ["XCLAIM", "x", "g", "c", "0", one],
                ["XREADGROUP", "GROUP", "g", "d", "COUNT", "3", "STREAMS",
                 "x", ">"],
                ["XADD", "x", "MAXLEN", "~", 4500 - i, "*", "f", "v"]]))
        for command in [[("XTRIM", "x", "MAXLEN", "2000")],
                        [("XGROUP", "DELCONSUMER", "x", "g", "a")],
                        [("SET", "x", "1"), ("DEL", "ns/y")]][attempt]:
            pipe.execute_command(*command)
        pipe.execute()
        assert wait_saved(r), s.log_tail()
        check_rdb(path)
        assert differences(want, loaded(fresh_server, path)) == []


# A client library.

def test_redis_py_consumers(server):
    """Two workers of a group, one of which dies half way."""
    r = connect_py(server, 2, decode_responses=True)
    for i in range(100):
        r.xadd("jobs", {"n": i, "what": "job"}, maxlen=1000, approximate=True)
    r.xgroup_create("jobs", "workers", id="0")
    done = []
    first = r.xreadgroup("workers", "w1", {"jobs": ">"}, count=30)[0][1]
    for entry, fields in first[:10]:
        done.append(int(fields["n"]))
        r.xack("jobs", "workers", entry)
    while True:
        got = r.xreadgroup("workers", "w2", {"jobs": ">"}, count=25, block=10)
        if not got:
            break
        for entry, fields in got[0][1]:
            done.append(int(fields["n"]))
            assert r.xack("jobs", "workers", entry) == 1
    assert r.xpending("jobs", "workers")["pending"] == 20
    left = r.xpending_range("jobs", "workers", "-", "+", 100, "w1")
    assert [x["times_delivered"] for x in left] == [1] * 20
    at = "0-0"
    while True:
        at, claimed, gone = r.xautoclaim("jobs", "workers", "w2", 0, at,
                                         count=7)
        for entry, fields in claimed:
            done.append(int(fields["n"]))
            r.xack("jobs", "workers", entry)
        assert gone == []
        if at == "0-0":
            break
    assert sorted(done) == list(range(100))
    info = r.xinfo_groups("jobs")[0]
    assert info["pending"] == 0 and info["lag"] == 0
    assert info["entries-read"] == 100
    stream = r.xinfo_stream("jobs", full=True)
    assert stream["length"] == 100
    assert {x["name"] for x in r.xinfo_consumers("jobs", "workers")} == {
        "w1", "w2"}
    r.close()


def test_options_of_groups_that_are_wrong(raw):
    """As Redis 7.0 says it; nothing is made of them."""
    c = raw()
    c.call("XADD", "k", "1-1", "a", "b")
    form = (b"ERR unknown subcommand or wrong number of arguments for '%s'. "
            b"Try XGROUP HELP.")
    number = b"ERR value is not an integer or out of range"
    for args, said in [
            ("CREATE k g 0 ENTRIESREAD x", number),
            ("CREATE k g 0 ENTRIESREAD -2",
             b"ERR value for ENTRIESREAD must be positive or -1"),
            ("CREATE k g 0 ENTRIESREAD", form % b"CREATE"),
            ("CREATE k g 0 MKSTREAM ENTRIESREAD 1 more", form % b"CREATE")]:
        assert c.call("XGROUP", *args.split()) == ("-", said), args
    assert c.call("XINFO", "GROUPS", "k") == ("*", [])
    c.ok("XGROUP", "CREATE", "k", "g", "0", "ENTRIESREAD", "1")
    for args, said in [
            ("SETID k g 0 ENTRIESREAD", form % b"SETID"),
            ("SETID k g 0 ENTRIESREAD 1 more", form % b"SETID"),
            ("SETID k g 0 MKSTREAM x", form % b"SETID"),
            ("SETID k g x", b"ERR Invalid stream ID specified as stream "
                            b"command argument")]:
        assert c.call("XGROUP", *args.split()) == ("-", said), args
    for option in "IDLE", "TIME":
        assert c.call("XCLAIM", "k", "g", "c", "0", "1-1", option, "x") == (
            "-", b"ERR Invalid %s option argument for XCLAIM"
            % option.encode())
    c.ok("XGROUP", "SETID", "k", "g", "0", "ENTRIESREAD", "0")
