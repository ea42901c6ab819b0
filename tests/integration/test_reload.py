# SPDX-License-Identifier: MIT
"""DEBUG RELOAD: the keys are as they are after a restart."""

import pytest

from harness.data import contents, differences, fill
from harness.resp import encode, plain
from conftest import connect_py


@pytest.fixture
def reloader(fresh_server, config_name, tmp_path):
    if config_name == "redis":
        return fresh_server(args=["--enable-debug-command", "yes", "--dir",
                                  str(tmp_path)])
    return fresh_server(KVNS_ENABLE_DEBUG_COMMAND="yes", redis=True,
                        persist_path=str(tmp_path / "dump.rdb"))


def test_everything_comes_back(reloader):
    r = connect_py(reloader, 2)
    fill(r, seed=7)
    before = contents(r)
    r.set("soon", "v", px=1)
    for _ in range(2):
        assert r.execute_command("DEBUG", "RELOAD") in (True, b"OK", "OK")
        assert not differences(before, contents(r))
    assert r.exists("soon") == 0


def test_options(reloader):
    with reloader.raw() as c:
        c.ok("SET", "a", "1")
        c.ok("SAVE")
        c.ok("SET", "a", "2")
        c.ok("SET", "b", "2")
        c.ok("DEBUG", "RELOAD", "NOSAVE")
        assert c.call("MGET", "a", "b") == ("*", [("$", b"1"), ("$", None)])
        c.ok("SET", "a", "3")
        c.ok("SET", "b", "3")
        c.ok("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE")
        assert c.call("MGET", "a", "b") == ("*", [("$", b"1"), ("$", b"3")])
        assert c.call("DEBUG", "RELOAD", "BLA") == (
            "-", b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and "
                 b"NOSAVE options.")


def test_a_key_that_is_there_already_stops_it(reloader, config_name):
    if config_name == "redis":
        pytest.skip("redis-server ends itself")
    with reloader.raw() as c:
        c.ok("SET", "a", "1")
        assert c.call("DEBUG", "RELOAD", "NOFLUSH") == (
            "-", b"ERR Error trying to load the RDB dump, check server logs.")
        assert c.call("PING") == ("+", b"PONG")
        assert c.call("GET", "a") == ("$", b"1")


def test_watchers_and_waiters(reloader):
    with reloader.raw() as c, reloader.raw() as watching, \
            reloader.raw() as waiting:
        c.ok("SET", "k", "v")
        watching.ok("WATCH", "k")
        watching.ok("MULTI")
        waiting.send(encode("BLPOP", "l", "0"))
        while b"blocked_clients:1" not in plain(c.call("INFO", "clients")):
            pass
        c.ok("DEBUG", "RELOAD")
        assert watching.call("EXEC") == ("*", None)
        c.call("RPUSH", "l", "x")
        assert waiting.read() == ("*", [("$", b"l"), ("$", b"x")])


def test_wrong_checksums_may_be_taken(reloader):
    with reloader.raw() as c:
        c.ok("SET", "k", "v")
        payload = plain(c.call("DUMP", "k"))
        spoilt = payload[:-1] + bytes([payload[-1] ^ 1])
        refused = ("-", b"ERR DUMP payload version or checksum are wrong")
        assert c.call("RESTORE", "new", "0", spoilt) == refused
        c.ok("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1")
        c.ok("RESTORE", "new", "0", spoilt)
        assert c.call("GET", "new") == ("$", b"v")
        c.ok("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "0")
        assert c.call("RESTORE", "new", "0", spoilt, "REPLACE") == refused
