# SPDX-License-Identifier: MIT
"""SYNC and PSYNC: a snapshot for redis-cli --rdb and tools like it."""

import os
import shutil
import subprocess
import threading
import time

import pytest

from conftest import connect_py
from harness.data import contents, differences, fill
from harness.resp import encode
from harness.server import Server

CLI = shutil.which("redis-cli")


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("redis-server has replicas besides")


def loaded(path):
    """What redis-server finds in a file."""
    other = Server(shutil.which("redis-server"), "redis")
    try:
        shutil.copy(path, os.path.join(other.directory, "dump.rdb"))
        other.start()
        got = contents(connect_py(other, 2))
        other.stop()
        return got
    finally:
        other.discard()


def cli(s, *args, **options):
    return subprocess.run([CLI, "-p", str(s.port), *args],
                          capture_output=True, timeout=60, **options)


def receive(c):
    """The RDB that follows the answer to SYNC, and the end after it."""
    data = bytearray(c.data)
    while b"\r\n" not in data:
        data += c.sock.recv(1 << 16)
    head, data = bytes(data).split(b"\r\n", 1)
    assert head.startswith(b"$EOF:") and len(head) == 45, head
    pieces = [data]
    while True:
        got = c.sock.recv(1 << 16)
        if not got:
            break
        pieces.append(got)
    data = b"".join(pieces)
    return data[:-40] if data.endswith(head[5:]) else None


def test_users_stay_here(fresh_server):
    """Settings of namespaces go along, and not what is kept of passwords."""
    s = fresh_server()
    with s.raw() as c:
        c.ok("NAMESPACE", "USER", "ADD", "anna", "pa", "ua")
        c.ok("NAMESPACE", "LIMIT", "ua", "1mb")
        c.ok("SET", "ua/k", "value of ua")
        c.ok("REPLCONF", "capa", "eof")
        c.send(encode("SYNC"))
        data = receive(c)
    assert b"kvns-namespace" in data and b"value of ua" in data
    assert b"kvns-user" not in data and b"pbkdf2" not in data
    assert b"anna" not in data


@pytest.mark.skipif(CLI is None, reason="redis-cli is not installed")
def test_redis_cli(fresh_server, tmp_path):
    s = fresh_server(args=["--redis"])
    r = connect_py(s, 2)
    fill(r, scale=0.5, namespaces=False)
    want = contents(r)
    path = tmp_path / "x.rdb"
    out = cli(s, "--rdb", str(path))
    assert out.returncode == 0, out.stderr
    assert b"Transfer finished with success" in out.stderr + out.stdout
    check = subprocess.run(["redis-check-rdb", str(path)],
                           capture_output=True)
    assert check.returncode == 0, check.stdout[-500:]
    assert differences(want, loaded(path)) == []
    with open(tmp_path / "y.rdb", "wb") as f:
        out = subprocess.run([CLI, "-p", str(s.port), "--rdb", "-"],
                             stdout=f, stderr=subprocess.PIPE, timeout=60)
    assert out.returncode == 0, out.stderr
    assert differences(want, loaded(tmp_path / "y.rdb")) == []
    assert s.log().count(b"snapshot for a client") == 2
    # it is no save of ours
    info = r.info("persistence")
    assert info["rdb_saves"] == 0 and info["rdb_changes_since_last_save"] > 0


def test_psync_in_a_pipeline(server, raw, tmp_path):
    c = raw()
    c.ok("SET", "k", "v")
    c.send(encode("GET", "k") + encode("REPLCONF", "capa", "eof", "capa",
                                       "psync2", "rdb-only", "1") +
           encode("PSYNC", "?", "-1") + encode("GET", "k"))
    assert c.read() == ("$", b"v")
    assert c.read() == ("+", b"OK")
    kind, line = c.read()
    assert kind == "+" and line.startswith(b"FULLRESYNC ") and \
        line.endswith(b" 0"), line
    data = receive(c)
    (tmp_path / "x.rdb").write_bytes(data)
    assert loaded(tmp_path / "x.rdb") == {(0, b"k"): (b"string", b"v", -1)}


def test_what_is_refused(raw):
    c = raw()
    assert c.call("REPLCONF") == ("+", b"OK")
    assert c.call("REPLCONF", "capa") == ("-", b"ERR syntax error")
    assert c.call("REPLCONF", "what", "1") == (
        "-", b"ERR Unrecognized REPLCONF option: what")
    assert c.call("SYNC")[0] == "-"             # no capa eof
    c.ok("REPLCONF", "capa", "eof")
    c.ok("REPLCONF", "listening-port", "1234", "ip-address", "::1")
    c.ok("REPLCONF", "rdb-filter-only", "")
    c.ok("REPLCONF", "rdb-only", "0", "ack", "7")
    assert c.call("REPLCONF", "rdb-filter-only", "functions")[0] == "-"
    assert b"no replicas" in c.call("SYNC")[1]
    assert b"no replicas" in c.call("PSYNC", "?", "-1")[1]
    c.ok("MULTI")
    assert c.call("SYNC")[0] == "-"
    assert c.call("EXEC")[0] == "-"


def test_while_things_change(fresh_server, tmp_path):
    """A transaction is in the snapshot whole, or not at all."""
    s = fresh_server()
    r = connect_py(s, 2)
    fill(r, scale=0.3)
    stop = threading.Event()

    def change():
        c = connect_py(s, 2)
        n = 0
        while not stop.is_set():
            n += 1
            pipe = c.pipeline(transaction=True)
            for i in range(20):
                pipe.set("g%d" % i, n)
            pipe.execute()
        c.close()

    t = threading.Thread(target=change)
    t.start()
    try:
        for i in range(3):
            with s.raw() as c:
                c.ok("REPLCONF", "capa", "eof")
                c.send(encode("SYNC"))
                path = tmp_path / ("%d.rdb" % i)
                path.write_bytes(receive(c))
            got = loaded(path)
            assert len({got.get((0, b"g%d" % k)) for k in range(20)}) == 1
    finally:
        stop.set()
        t.join()


def test_a_reader_that_stops(fresh_server, tmp_path):
    """Others wait behind it; when it goes, or the server ends, all go on."""
    path = tmp_path / "x.rdb"
    s = fresh_server(args=["--redis", "--save", "3600 100000000"],
                     persist_path=path)
    r = connect_py(s, 2)
    for i in range(30):
        r.set("k%d" % i, os.urandom(1 << 20))
    lazy, second, third = s.raw(), s.raw(), s.raw()
    for c in (lazy, second, third):
        c.ok("REPLCONF", "capa", "eof")
    lazy.send(encode("SYNC"))
    limit = time.monotonic() + 20
    while not r.info("persistence")["rdb_bgsave_in_progress"]:
        assert time.monotonic() < limit
        time.sleep(0.01)
    assert b"already in progress" in raw_error(s, "BGSAVE")
    second.send(encode("SYNC"))
    # it waits for its snapshot, no client any more: before others ask
    address = "%s:%d" % second.sock.getsockname()
    while any(c["addr"] == address for c in r.client_list()):
        assert time.monotonic() < limit
    while True:
        r.ping()
        with s.raw() as c:
            c.ok("REPLCONF", "capa", "eof")
            c.send(encode("SYNC"))
            try:
                if c.read()[0] == "-":
                    break
            except EOFError:
                break
    r.set("k0", "changed")
    lazy.close()
    data = receive(second)
    assert data is not None
    (tmp_path / "y.rdb").write_bytes(data)
    assert loaded(tmp_path / "y.rdb")[0, b"k0"][1] == b"changed"
    third.send(encode("SYNC"))
    while not r.info("persistence")["rdb_bgsave_in_progress"]:
        time.sleep(0.01)
    r.set("k", "v")
    r.close()
    s.stop()                    # saves, though somebody is still reading
    assert path.exists()
    assert receive(third) is None


def raw_error(s, *command):
    with s.raw() as c:
        kind, text = c.call(*command)
        assert kind == "-"
        return text
