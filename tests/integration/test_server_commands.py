# SPDX-License-Identifier: MIT
"""CONFIG GET, COMMAND, INFO, DBSIZE, TIME, and how a server ends."""

import signal
import time

import pytest

from harness.resp import plain


def flat_map(reply):
    kind, value = reply
    if kind == "*":
        value = list(zip(value[::2], value[1::2]))
    return {plain(k): plain(v) for k, v in value}


def test_config_get(raw):
    c = raw()
    got = c.call("CONFIG", "GET", "maxclients")
    assert got[0] == "*" and flat_map(got) == {b"maxclients": b"10000"}
    assert c.call("CONFIG", "GET", "no-such-thing") == ("*", [])
    # A name without wildcards comes back as it was spelled.
    assert flat_map(c.call("config", "get", "MAXClients")) == {
        b"MAXClients": b"10000"}
    c.call("HELLO", "3")
    got = c.call("CONFIG", "GET", "maxclients")
    assert got[0] == "%" and flat_map(got) == {b"maxclients": b"10000"}


def test_config_get_patterns(raw):
    c = raw()
    got = flat_map(c.call("CONFIG", "GET", "maxmemory*"))
    assert b"maxmemory" in got and b"maxmemory-policy" in got
    assert b"port" not in got
    got = flat_map(c.call("CONFIG", "GET", "port", "maxcl*"))
    assert sorted(got) == [b"maxclients", b"port"]
    everything = flat_map(c.call("CONFIG", "GET", "*"))
    assert len(everything) > 20


def test_config_refuses(raw):
    c = raw()
    assert c.call("CONFIG", "GET") == (
        "-", b"ERR wrong number of arguments for 'config|get' command")
    assert c.call("CONFIG") == (
        "-", b"ERR wrong number of arguments for 'config' command")
    assert c.call("CONFIG", "NOSUCH") == (
        "-", b"ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP.")


def test_command(raw):
    c = raw()
    kind, rows = c.call("COMMAND")
    assert kind == "*"
    assert c.call("COMMAND", "COUNT") == (":", len(rows))
    by_name = {plain(row)[0]: plain(row) for row in rows}
    assert by_name[b"get"][1:6] == [2, [b"readonly", b"fast"], 1, 1, 1]
    assert by_name[b"mset"][1] == -3
    assert by_name[b"mset"][3:6] == [1, -1, 2]


def test_command_info(raw):
    c = raw()
    kind, rows = c.call("COMMAND", "INFO", "GET", "nosuch", "hset")
    assert kind == "*" and len(rows) == 3
    assert plain(rows[0])[:2] == [b"get", 2]
    assert rows[1] in (("*", None), ("$", None))
    assert plain(rows[2])[:2] == [b"hset", -4]


def test_info(raw):
    c = raw()
    c.ok("SET", "k", "v")
    c.ok("SET", "e", "v", "EX", "100")
    kind, text = c.call("INFO")
    assert kind == "$"
    lines = dict(line.split(b":", 1) for line in text.split(b"\r\n")
                 if b":" in line)
    for field in [b"redis_version", b"tcp_port", b"uptime_in_seconds",
                  b"connected_clients", b"used_memory",
                  b"total_commands_processed", b"role"]:
        assert field in lines, field
    assert lines[b"role"] == b"master"
    assert lines[b"db0"].startswith(b"keys=2,expires=1")


def test_info_sections(raw):
    c = raw()
    text = c.call("INFO", "keyspace")[1]
    assert text.startswith(b"# Keyspace\r\n") and b"used_memory" not in text
    text = c.call("INFO", "memory", "CLIENTS")[1]
    assert b"# Memory" in text and b"# Clients" in text
    assert c.call("INFO", "nosuch")[1] == b""
    c.call("HELLO", "3")
    kind, text = c.call("INFO", "memory")
    assert kind == "=" and text.startswith(b"txt:# Memory")


def test_dbsize(raw):
    c = raw()
    assert c.call("DBSIZE") == (":", 0)
    c.ok("MSET", "a", "1", "b", "2")
    c.call("HSET", "h", "f", "v")
    assert c.call("DBSIZE") == (":", 3)
    c.ok("SELECT", "1")
    assert c.call("DBSIZE") == (":", 0)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_with_status_0(fresh_server, sig):
    s = fresh_server()
    with s.raw() as c, s.raw() as idle:
        c.ok("SET", "k", "v")
        start = time.monotonic()
        assert s.stop(sig) == 0
        # With sanitizers; the aim of a second is the release's.
        assert time.monotonic() - start < 10
        idle.expect_closed()


def test_a_taken_port_is_refused(fresh_server):
    one = fresh_server()
    with pytest.raises(RuntimeError) as failed:
        fresh_server(port=one.port)
    assert "use" in str(failed.value).lower()
    with one.raw() as c:
        assert c.call("PING") == ("+", b"PONG")
