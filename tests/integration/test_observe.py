# SPDX-License-Identifier: MIT
"""SLOWLOG, LATENCY, MONITOR, DEBUG, SHUTDOWN and what we are not."""

import re
import time
import urllib.request

import pytest

from harness.resp import encode, plain


@pytest.fixture
def slow(raw):
    """A connection with an empty slow log that takes everything."""
    c = raw()
    c.ok("CONFIG", "SET", "slowlog-log-slower-than", "0")
    c.ok("SLOWLOG", "RESET")
    yield c
    c = raw()
    c.ok("CONFIG", "SET", "slowlog-log-slower-than", "10000",
         "slowlog-max-len", "128")
    c.ok("SLOWLOG", "RESET")


def entries(c, *args):
    return plain(c.call("SLOWLOG", "GET", *args))


def words(entry):
    return entry[3]


def test_slowlog_entries(slow):
    c = slow
    c.ok("CLIENT", "SETNAME", "me")
    c.ok("SET", "k", "v")
    c.call("GET", "k")
    newest, second = entries(c, "2")
    assert words(newest) == [b"GET", b"k"]
    assert words(second) == [b"SET", b"k", b"v"]
    assert newest[0] == second[0] + 1
    assert abs(newest[1] - time.time()) < 5
    assert 0 <= newest[2] < 1000000
    assert re.fullmatch(rb".+:\d+", newest[4]) and newest[5] == b"me"


def test_slowlog_is_cut(slow):
    c = slow
    c.call("RPUSH", "l", *["x" * 200] * 40)
    args = words(entries(c, "1")[0])
    assert len(args) == 32
    assert args[2] == b"x" * 128 + b"... (72 more bytes)"
    assert args[31] == b"... (11 more arguments)"
    c.ok("CONFIG", "SET", "slowlog-max-len", "3")
    for _ in range(10):
        c.call("PING")
    assert c.call("SLOWLOG", "LEN") == (":", 3)
    assert len(entries(c, "-1")) == 3
    c.ok("SLOWLOG", "RESET")
    assert plain(c.call("SLOWLOG", "LEN")) <= 1


def test_slowlog_keeps_secrets(slow):
    c = slow
    c.call("AUTH", "hunter2")
    c.call("AUTH", "default", "hunter2")
    c.call("HELLO", "2", "AUTH", "default", "hunter2", "SETNAME", "me")
    c.call("CONFIG", "SET", "requirepass", "", "slowlog-max-len", "100")
    assert b"hunter2" not in repr(entries(c, "-1")).encode()
    seen = [words(e) for e in entries(c, "-1")]
    assert [b"CONFIG", b"SET", b"requirepass", b"(redacted)",
            b"slowlog-max-len", b"100"] in seen
    assert [b"HELLO", b"2", b"AUTH", b"(redacted)", b"(redacted)",
            b"SETNAME", b"me"] in seen
    assert [b"AUTH", b"(redacted)"] in seen


def test_slowlog_of_transactions(slow):
    c = slow
    c.ok("MULTI")
    c.call("SET", "k", "v")
    c.call("EXEC")
    seen = [words(e)[0] for e in entries(c, "-1")]
    assert b"SET" in seen and b"EXEC" not in seen


def test_slowlog_of_what_waited(slow, raw):
    """It stands where it was served, whole; while it waits it does not."""
    c, waiting = slow, raw()
    waiting.send(encode("BLPOP", "other", "l", "0"))
    while b"blocked_clients:1" not in plain(c.call("INFO", "clients")):
        pass
    assert [b"BLPOP", b"other", b"l", b"0"] not in map(words, entries(c))
    c.call("RPUSH", "l", "x")
    waiting.read()
    assert words(entries(c, "1")[0]) == [b"BLPOP", b"other", b"l", b"0"]


def test_slowlog_threshold(raw):
    c = raw()
    c.ok("CONFIG", "SET", "slowlog-log-slower-than", "-1")
    c.ok("SLOWLOG", "RESET")
    c.call("KEYS", "*")
    assert c.call("SLOWLOG", "LEN") == (":", 0)
    c.ok("CONFIG", "SET", "slowlog-log-slower-than", "10000")
    c.call("KEYS", "*")
    assert c.call("SLOWLOG", "LEN") == (":", 0)
    assert c.call("SLOWLOG", "GET", "x") == (
        "-", b"ERR count should be greater than or equal to -1")


def test_latency(debugger):
    c = debugger
    c.ok("CONFIG", "SET", "latency-monitor-threshold", "10")
    c.ok("DEBUG", "SLEEP", "0.02")
    c.ok("DEBUG", "SLEEP", "0.03")
    ((name, when, last, worst),) = plain(c.call("LATENCY", "LATEST"))
    assert name == b"command" and abs(when - time.time()) < 5
    assert 30 <= last == worst < 1000
    history = plain(c.call("LATENCY", "HISTORY", "command"))
    assert history and max(ms for _, ms in history) == worst
    assert c.call("LATENCY", "HISTORY", "nose") == ("*", [])
    assert c.call("LATENCY", "GRAPH", "command")[0] == "$"
    assert c.call("LATENCY", "GRAPH", "nose") == (
        "-", b"ERR No samples available for event 'nose'")
    assert c.call("LATENCY", "DOCTOR")[0] == "$"
    assert c.call("LATENCY", "RESET") == (":", 1)
    assert c.call("LATENCY", "LATEST") == ("*", [])
    assert entries(c)[0][2] >= 20000


def test_latency_histogram(raw):
    c = raw()
    c.ok("CONFIG", "RESETSTAT")
    for _ in range(10):
        c.ok("SET", "k", "v")
    c.call("HELLO", "3")
    kind, value = c.call("LATENCY", "HISTOGRAM", "set", "nosuch")
    assert kind == "%" and len(value) == 1 and value[0][0] == ("$", b"set")
    inner = {plain(k): v for k, v in value[0][1][1]}
    assert inner[b"calls"] == (":", 10)
    kind, buckets = inner[b"histogram_usec"]
    assert kind == "%" and buckets[-1][1] == (":", 10)
    for (_, us), _ in buckets:
        assert us >= 1


def lines(m, n):
    return [re.sub(rb"^\d+\.\d{6} \[(\d+) [^ ]*:\d+\] ", rb"\1 ",
                   plain(m.read())) for _ in range(n)]


def test_monitor(raw):
    m, c = raw(), raw()
    m.ok("MONITOR")
    c.ok("SET", "k", 'a "b"\r\n\x01\\')
    c.call("HELLO", "2", "AUTH", "default", "hunter2")
    c.call("AUTH", "hunter2")
    c.call("CONFIG", "GET", "port")         # for administrators: not shown
    c.call("CLIENT", "LIST")
    c.call("NOSUCH")                        # not carried out
    c.ok("SELECT", "1")
    c.ok("MULTI")
    c.call("INCR", "n")
    c.call("EXEC")
    c.call("PING")
    assert lines(m, 8) == [
        b'0 "SET" "k" "a \\"b\\"\\r\\n\\x01\\\\"',
        b'0 "HELLO" "2" "AUTH" "(redacted)" "(redacted)"',
        b'0 "AUTH" "(redacted)"', b'1 "SELECT" "1"', b'1 "MULTI"',
        b'1 "INCR" "n"', b'1 "EXEC"', b'1 "PING"']


def test_monitor_sees_oneself_and_ends(raw):
    m, c = raw(), raw()
    m.send(encode("MONITOR") + encode("ECHO", "me"))
    assert m.read() == ("+", b"OK")
    assert m.read() == ("$", b"me")
    assert lines(m, 1) == [b'0 "ECHO" "me"']
    m.send(encode("RESET"))
    assert m.read() == ("+", b"RESET")
    c.call("GET", "x")
    assert m.call("ECHO", "still") == ("$", b"still")


def test_monitor_across_lanes(raw):
    m = raw()
    m.ok("MONITOR")
    others = [raw() for _ in range(6)]
    for i, o in enumerate(others):
        o.call("ECHO", str(i))
    assert sorted(lines(m, 6)) == sorted(
        b'0 "ECHO" "%d"' % i for i in range(6))
    m.close()
    for o in others:
        assert o.call("PING") == ("+", b"PONG")


def test_debug_is_locked_away(raw):
    kind, text = raw().call("DEBUG", "SLEEP", "0")
    assert kind == "-" and text.startswith(
        b"ERR DEBUG command not allowed. If the enable-debug-command option")


def test_debug(debugger):
    c = debugger
    c.ok("SET", "k", "12345")
    assert re.match(rb"Value at:\S+ refcount:\d+ encoding:int "
                    rb"serializedlength:\d+ lru:\d+ lru_seconds_idle:\d+",
                    plain(c.call("DEBUG", "OBJECT", "k")))
    assert c.call("DEBUG", "OBJECT", "none") == ("-", b"ERR no such key")
    c.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    c.ok("DEBUG", "SET-ACTIVE-EXPIRE", "1")
    for wrong in [["x"], ["-1"], ["1", "many", "x"], ["1", "many", "-1"]]:
        assert c.call("DEBUG", "POPULATE", *wrong) == (
            "-", b"ERR value is out of range, must be positive")
    c.ok("DEBUG", "POPULATE", "100", "many", "10")
    assert c.call("STRLEN", "many:99") == (":", 10)
    assert c.call("DBSIZE") == (":", 101)
    assert c.call("DEBUG", "ERROR", "CODE text") == ("-", b"CODE text")
    assert plain(c.call("DEBUG", "NOSE")).startswith(
        b"ERR unknown subcommand or wrong number of arguments for 'NOSE'")
    attributed = ("$", b"Some real reply following the attribute")
    assert c.call("DEBUG", "PROTOCOL", "attrib") == attributed
    assert c.call("DEBUG", "PROTOCOL", "push") == (
        "-", b"ERR RESP2 is not supported by this command")
    c.call("HELLO", "3")
    assert c.call("DEBUG", "PROTOCOL", "attrib") == ("|", [
        (("$", b"key-popularity"), ("*", [("$", b"key:123"), (":", 90)]))])
    assert c.read() == attributed
    assert c.call("DEBUG", "PROTOCOL", "push") == (
        ">", [("$", b"server-cpu-usage"), (":", 42)])
    assert c.read() == ("$", b"Some real reply following the push reply")
    assert c.call("DEBUG", "PROTOCOL", "true") == ("#", True)
    assert c.call("DEBUG", "PROTOCOL", "double") == (",", b"3.141")
    assert c.call("DEBUG", "PROTOCOL", "null") == ("_", None)


@pytest.mark.parametrize("protocol", ["2", "3"])
def test_debug_protocol_has_each_type(debugger, protocol):
    """As Redis 7.0 answers."""
    c = debugger
    new = protocol == "3"
    c.call("HELLO", protocol)
    numbers = [(":", i) for i in range(3)]
    big = b"1234567999999999999999999999999999999"
    values = [(":", 0), ("#", False), (":", 1), ("#", True), (":", 2),
              ("#", False)]
    for what, reply in [
            ("string", ("$", b"Hello World")), ("integer", (":", 12345)),
            ("double", (",", b"3.141") if new else ("$", b"3.141")),
            ("null", ("_", None) if new else ("$", None)),
            ("array", ("*", numbers)), ("set", ("~" if new else "*", numbers)),
            ("map", ("%", list(zip(values[::2], values[1::2]))) if new else
             ("*", [(":", int(value)) for _, value in values])),
            ("verbatim", ("=", b"txt:This is a verbatim\nstring") if new else
             ("$", b"This is a verbatim\nstring")),
            ("true", ("#", True) if new else (":", 1)),
            ("false", ("#", False) if new else (":", 0)),
            ("bignum", ("(", big) if new else ("$", big))]:
        assert c.call("DEBUG", "PROTOCOL", what) == reply, what
    assert c.call("DEBUG", "PROTOCOL", "nose")[0] == "-"


def test_debug_populate_keeps_what_is_there(debugger):
    c = debugger
    c.ok("SET", "key:1", "mine")
    c.ok("DEBUG", "POPULATE", "3")
    assert c.call("MGET", "key:0", "key:1", "key:2") == ("*", [
        ("$", b"value:0"), ("$", b"mine"), ("$", b"value:2")])
    c.ok("DEBUG", "POPULATE", "2", "cut", "3")
    assert c.call("GET", "cut:1") == ("$", b"val")
    c.ok("DEBUG", "POPULATE", "1", "wide", "9")
    assert c.call("GET", "wide:0") == ("$", b"value:0\0\0")
    for wrong in "x", "-1", "nan", "1e9":
        assert c.call("DEBUG", "SLEEP", wrong)[0] == "-"
    assert c.call("DBSIZE") == (":", 6)


def test_memory(raw):
    c = raw()
    c.call("RPUSH", "l", *(["x" * 40] * 1000))
    used = c.call("MEMORY", "USAGE", "l")[1]
    assert 40000 < used < 60000
    c.ok("MEMORY", "PURGE")
    assert c.call("MEMORY", "USAGE", "l") == (":", used)
    assert plain(c.call("MEMORY", "DOCTOR")) != b""
    said = plain(c.call("MEMORY", "STATS"))
    stats = dict(zip(said[::2], said[1::2]))
    assert stats[b"keys.count"] == 1
    # a key takes a slot of the index as well
    assert used - 8 <= stats[b"dataset.bytes"] <= stats[b"total.allocated"]


def test_debug_digest(debugger):
    c = debugger
    empty = plain(c.call("DEBUG", "DIGEST"))
    assert re.fullmatch(rb"[0-9a-f]{40}", empty)
    c.call("SADD", "s", "a", "b", "c")
    c.call("HSET", "h", "f", "v")
    c.call("ZADD", "z", "1", "a", "2.5", "b")
    c.call("RPUSH", "l", "a", "1", "b")
    first = plain(c.call("DEBUG", "DIGEST"))
    one = c.call("DEBUG", "DIGEST-VALUE", "s", "nothing")
    assert first != empty and len(one[1]) == 2
    assert plain(one[1][1]) == b"0" * 40
    c.call("DEL", "s", "h", "z", "l")
    assert plain(c.call("DEBUG", "DIGEST")) == empty
    # The same again in another order, and kept in another way.
    for kind in ["hash", "zset"]:
        c.ok("CONFIG", "SET", kind + "-max-listpack-entries", "0")
    c.call("RPUSH", "l", "a", "1", "b")
    c.call("ZADD", "z", "2.5", "b", "1", "a")
    c.call("HSET", "h", "f", "v")
    c.call("SADD", "s", "c", "b", "a")
    assert c.call("OBJECT", "ENCODING", "z") == ("$", b"skiplist")
    assert plain(c.call("DEBUG", "DIGEST")) == first


@pytest.mark.parametrize("args, reply", [
    (["CLUSTER", "INFO"],
     ("-", b"ERR This instance has cluster support disabled")),
    (["CLUSTER", "NODES"],
     ("-", b"ERR This instance has cluster support disabled")),
    (["READONLY"], ("-", b"ERR This instance has cluster support disabled")),
    (["MODULE", "LIST"], ("*", [])),
    (["REPLICAOF", "NO", "ONE"], ("+", b"OK")),
    (["ROLE"], ("*", [("$", b"master"), (":", 0), ("*", [])])),
    (["WAIT", "0", "10"], (":", 0)),
    (["WAIT", "0", "-1"], ("-", b"ERR timeout is negative")),
    (["SHUTDOWN", "ABORT"], ("-", b"ERR No shutdown in progress.")),
    (["SHUTDOWN", "SAVE", "NOSAVE"], ("-", b"ERR syntax error")),
    (["SHUTDOWN", "NOSE"], ("-", b"ERR syntax error")),
])
def test_alone(raw, args, reply):
    assert raw().call(*args) == reply


def test_sentinel_is_unknown(raw):
    assert plain(raw().call("SENTINEL", "MASTERS")).startswith(
        b"ERR unknown command 'SENTINEL'")


def test_shutdown(fresh_server):
    s = fresh_server()
    with s.raw() as c:
        c.send(encode("SHUTDOWN", "NOSAVE"))
        c.expect_closed()
    assert s.process.wait(10) == 0


# Passwords that must never be seen again, in any spelling.
SECRETS = [b"hunter2", b"Hunter3", b"hunter4", b"hunter5", b"hunter6",
           b"hunter7"]


def use_secrets(c, other):
    """Say each of them in every way there is, rightly and wrongly."""
    c.ok("CONFIG", "SET", "requirepass", "hunter2")
    c.call("CONFIG", "SET", "nosuchoption", "x", "requirepass", "Hunter3")
    c.call("CONFIG", "SET", "requirepass", "Hunter3", "maxmemory", "x")
    for args in (["AUTH", "Hunter3"], ["AUTH", "default", "Hunter3"],
                 ["auth", "nobody", "Hunter3"], ["AUTH", "hunter2"],
                 ["AUTH", "a", "hunter2", "hunter4"],
                 ["HELLO", "3", "AUTH", "default", "Hunter3"],
                 ["HELLO", "9", "AUTH", "default", "hunter2"],
                 ["HELLO", "2", "auth", "default", "hunter2", "SETNAME", "x"],
                 ["HELLO", "2", "AUTH", "default", "hunter2", "nonsense"],
                 ["GET", "in-between"]):
        other.call(*args)
    other.send(b"AUTH hunter4\r\n")
    other.read()
    for args in (["NAMESPACE", "USER", "ADD", "anna", "hunter5", "ns"],
                 ["namespace", "user", "add", "hunter", "hunter6"],
                 ["NAMESPACE", "USER", "ADD", "", "hunter6", "ns"],
                 ["NAMESPACE", "USER", "ADD", "anna", "hunter6", "ns", "x"]):
        c.call(*args)
    other.call("AUTH", "anna", "hunter5")
    other.call("AUTH", "anna", "hunter7")
    for args in (["MULTI"], ["AUTH", "hunter7"],
                 ["CONFIG", "SET", "requirepass", "hunter2"], ["EXEC"]):
        c.call(*args)


def test_passwords_are_seen_nowhere(fresh_server, config_name, tmp_path):
    """SLOWLOG, MONITOR, LATENCY, CLIENT LIST, INFO, /metrics, the page and
    its data, the log at its most talkative, a snapshot."""
    if config_name == "redis":
        pytest.skip("about our own ways to say passwords")
    path = tmp_path / "x.rdb"
    s = fresh_server(log="debug", metrics_host="127.0.0.1",
                     metrics_port="free",
                     slowlog_log_slower_than=0, slowlog_max_len=1000,
                     latency_monitor_threshold=1, persist_path=path,
                     protected_mode=False)
    port = int(s.options["KVNS_METRICS_PORT"])
    seen = {}
    with s.raw() as c, s.raw() as other, s.raw() as watcher:
        watcher.ok("MONITOR")
        use_secrets(c, other)
        assert other.call("AUTH", "hunter2") == ("+", b"OK")
        c.ok("SET", "the-end", "x")
        seen["monitor"] = b""
        while b"the-end" not in seen["monitor"]:
            seen["monitor"] += watcher.read()[1]
        for args in ("SLOWLOG GET -1", "CLIENT LIST", "CLIENT INFO",
                     "INFO everything", "INFO namespaces", "LATENCY LATEST",
                     "LATENCY HISTOGRAM", "LATENCY DOCTOR",
                     "LATENCY HISTORY command", "NAMESPACE USER LIST",
                     "ACL USERS", "ACL LIST", "ACL GETUSER default",
                     "MEMORY STATS", "CONFIG GET save"):
            seen[args] = repr(c.call(*args.split())).encode()
        c.ok("SAVE")
        assert len(entries(c, "-1")) > 20
    for where in ("/metrics", "/", "/status.json"):
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, where),
                                    timeout=20) as f:
            seen[where] = f.read()
    seen["snapshot"] = path.read_bytes()
    s.stop()
    seen["log"] = s.log()
    for where, text in seen.items():
        for secret in SECRETS:
            assert secret.lower() not in text.lower(), (where, secret)
    # and these are the places where commands are shown at all
    assert b"the-end" in seen["monitor"] and b"anna" in seen["snapshot"]
    assert b"(redacted)" in seen["SLOWLOG GET -1"]
    assert b"status" in seen["/"] and b"auth" in seen["/metrics"]
