# SPDX-License-Identifier: MIT
"""CONFIG while the server runs."""

import os
import time

import pytest

from harness.resp import encode, plain


def get(c, name):
    kind, value = c.call("CONFIG", "GET", name)
    return plain(value[1]) if kind == "*" else plain(value[0][1])


@pytest.fixture
def restored(raw):
    """A connection; what it changed is put back."""
    c, names = raw(), ["slowlog-max-len", "maxmemory", "maxmemory-policy",
                       "hash-max-listpack-entries", "timeout", "loglevel",
                       "notify-keyspace-events", "requirepass"]
    before = [(n, get(c, n)) for n in names]
    yield c
    c = raw()
    for name, value in before:
        c.ok("CONFIG", "SET", name, value)


def test_set_and_get(restored):
    c = restored
    c.ok("CONFIG", "SET", "slowlog-max-len", "7")
    assert get(c, "slowlog-max-len") == b"7"
    c.ok("CONFIG", "SET", "maxmemory", "100mb", "MAXMEMORY-POLICY",
         "allkeys-lfu")
    assert get(c, "maxmemory") == b"104857600"
    assert get(c, "maxmemory-policy") == b"allkeys-lfu"


def test_all_or_none(restored):
    c = restored
    before = get(c, "slowlog-max-len")
    assert c.call("CONFIG", "SET", "slowlog-max-len", "9", "timeout", "x") == (
        "-", b"ERR CONFIG SET failed (possibly related to argument "
             b"'timeout') - argument couldn't be parsed into an integer")
    assert get(c, "slowlog-max-len") == before


@pytest.mark.parametrize("args, error", [
    (["SET", "maxmemory"],
     b"ERR wrong number of arguments for 'config|set' command"),
    (["SET", "timeout", "1", "maxmemory"], b"ERR syntax error"),
    (["SET", "nose", "1"],
     b"ERR Unknown option or number of arguments for CONFIG SET - 'nose'"),
    (["SET", "port", "1", "port", "2"], None),
    (["SET", "databases", "3"],
     b"ERR CONFIG SET failed (possibly related to argument 'databases') - "
     b"can't set immutable config"),
    (["GET"], b"ERR wrong number of arguments for 'config|get' command"),
    (["REWRITE"], b"ERR The server is running without a config file"),
    (["NOSE"], b"ERR unknown subcommand 'NOSE'. Try CONFIG HELP."),
])
def test_refusals(raw, args, error):
    kind, text = raw().call("CONFIG", *args)
    assert kind == "-" and (error is None or text == error)


@pytest.mark.parametrize("name, value", [
    ("dir", "/tmp"), ("dir", "."), ("dbfilename", "x.rdb"),
    ("persist-path", "/tmp/x.rdb"), ("unixsocket", "/tmp/x.sock"),
    ("pidfile", "/tmp/x.pid"), ("logfile", "/tmp/x.log"),
    ("log-file", "/tmp/x.log"), ("users-file", "/tmp/x.users"),
])
def test_paths_are_set_at_the_start_only(restored, config_name, tmp_path,
                                         name, value):
    """Or whoever may say CONFIG SET could write where the server may."""
    if config_name == "redis":
        pytest.skip("Redis allows some of it")
    c, was = restored, get(restored, name)
    limit = get(c, "slowlog-max-len")
    for args in ([name, value], ["slowlog-max-len", "77", name, value]):
        kind, text = c.call("CONFIG", "SET", *args)
        assert kind == "-" and text.startswith(
            b"ERR CONFIG SET failed (possibly related to argument '" +
            name.encode() + b"') - can't set "), text
    assert get(c, name) == was
    # nothing beside it was set either
    assert get(c, "slowlog-max-len") == limit


def test_takes_effect_on_encodings(restored):
    c = restored
    c.ok("CONFIG", "SET", "hash-max-listpack-entries", "2")
    c.call("HSET", "h", "a", "1", "b", "2", "c", "3")
    assert c.call("OBJECT", "ENCODING", "h") == ("$", b"hashtable")
    c.ok("CONFIG", "SET", "hash-max-listpack-entries", "128")
    c.call("HSET", "h2", "a", "1", "b", "2", "c", "3")
    assert c.call("OBJECT", "ENCODING", "h2") == ("$", b"listpack")


def test_takes_effect_on_memory(restored):
    c = restored
    c.ok("CONFIG", "SET", "maxmemory-policy", "noeviction",
         "maxmemory", "1kb")
    c.call("SET", "k", "x" * 3000)
    kind, text = c.call("SET", "k2", "x" * 3000)
    assert kind == "-" and text.startswith(b"OOM command not allowed")
    c.ok("CONFIG", "SET", "maxmemory", "0")
    c.ok("SET", "k2", "x" * 3000)


def test_small_numbers_are_not_shared_where_use_is_weighed(restored):
    """Redis shares them, but not where it has to know when each was used."""
    c = restored
    c.ok("SET", "n", "1")
    for policy, count in (("allkeys-lru", 1), ("volatile-lfu", 1),
                          ("allkeys-random", 2147483647)):
        c.ok("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", policy)
        c.ok("SET", "n", "1")
        assert c.call("OBJECT", "REFCOUNT", "n") == (":", count), policy


def test_takes_effect_on_events(raw, restored):
    c, ear = restored, raw()
    c.ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
    ear.call("SUBSCRIBE", "__keyevent@0__:set")
    c.ok("SET", "k", "v")
    assert ear.read() == ("*", [("$", b"message"),
                                ("$", b"__keyevent@0__:set"), ("$", b"k")])


def test_password_asked_for_from_now_on(raw, restored):
    old = restored
    old.ok("CONFIG", "SET", "requirepass", "secret")
    try:
        assert old.call("PING") == ("+", b"PONG")
        new = raw()
        assert new.call("PING") == ("-", b"NOAUTH Authentication required.")
        assert new.call("AUTH", "wrong") == (
            "-", b"WRONGPASS invalid username-password pair or user is "
                 b"disabled.")
        new.ok("AUTH", "secret")
        assert new.call("PING") == ("+", b"PONG")
    finally:
        old.ok("CONFIG", "SET", "requirepass", "")
    assert raw().call("PING") == ("+", b"PONG")


def test_idle_timeout(raw, restored):
    idle = raw()
    idle.call("PING")
    restored.ok("CONFIG", "SET", "timeout", "1")
    begun = time.monotonic()
    idle.expect_closed()
    assert time.monotonic() - begun < 5


def test_resetstat(raw):
    c = raw()
    c.call("GET", "nothing")
    c.call("NOSUCH")
    c.ok("CONFIG", "RESETSTAT")
    text = plain(c.call("INFO", "everything"))
    for line in [b"keyspace_misses:0", b"total_error_replies:0",
                 b"expired_keys:0", b"total_connections_received:0"]:
        assert line + b"\r\n" in text
    assert b"cmdstat_get:" not in text and b"errorstat_" not in text


def test_rewrite(fresh_server, tmp_path, config_name):
    if config_name == "redis":
        pytest.skip("redis-server wants its file first of all arguments")
    path = tmp_path / "x.conf"
    path.write_text("# mine\nslowlog-max-len 5\n")
    s = fresh_server(args=[str(path)])
    with s.raw() as c:
        assert get(c, "slowlog-max-len") == b"5"
        c.ok("CONFIG", "SET", "slowlog-max-len", "6", "timeout", "77")
        c.ok("CONFIG", "REWRITE")
    lines = path.read_text().splitlines()
    assert lines[:2] == ["# mine", "slowlog-max-len 6"]
    assert "timeout 77" in lines
    assert os.listdir(str(tmp_path)) == ["x.conf"]


def test_set_inside_multi(raw, restored):
    c = restored
    c.ok("MULTI")
    c.call("CONFIG", "SET", "slowlog-max-len", "11")
    c.call("CLIENT", "LIST")
    c.call("INFO", "stats")
    kind, replies = c.call("EXEC")
    assert kind == "*" and replies[0] == ("+", b"OK")
    assert b"cmd=exec" in plain(replies[1]) or b"cmd=client" in plain(
        replies[1])
    assert get(c, "slowlog-max-len") == b"11"


def test_many_at_once(raw, restored):
    """Lanes that change options and look at each other do not get stuck."""
    all_of_them = [raw() for _ in range(8)]
    for i in range(30):
        for j, c in enumerate(all_of_them):
            c.send(encode("CONFIG", "SET", "timeout", str(1000 + j))
                   + encode("CLIENT", "LIST") + encode("INFO")
                   + encode("SET", "k%d" % j, str(i)))
        for c in all_of_them:
            replies = c.read_many(4)
            assert replies[0] == ("+", b"OK") and replies[3] == ("+", b"OK")
