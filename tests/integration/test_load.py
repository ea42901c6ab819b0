# SPDX-License-Identifier: MIT
"""Loading at the start: of redis-server's files, of damaged ones; check-rdb
and import."""

import glob
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import time

import pytest

from conftest import connect_py
from harness.data import contents, differences, fill
from harness.server import CONFIGS, TOP, Server

CORPUS = os.path.join(TOP, "tests", "fuzz", "corpus", "rdb")
ARGS = ["--redis", "--save", "3600 100000000"]


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("about files that we read")


def start(fresh_server, path, **options):
    s = fresh_server(args=ARGS, persist_path=path, **options)
    r = connect_py(s, 2)
    limit = time.monotonic() + 30
    while r.info("persistence")["loading"]:
        assert time.monotonic() < limit
        time.sleep(0.005)
    return s, r


def run(binary, config_name, path, *more, wait=20):
    """Start on a file that is expected to be refused: (status, log)."""
    env = dict(os.environ, KVNS_PERSIST_PATH=str(path), KVNS_METRICS_PORT="0",
               KVNS_HOST="127.0.0.1", **CONFIGS[config_name])
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    p = subprocess.run([binary, *ARGS, "--port", str(port), *more], env=env,
                       capture_output=True, timeout=wait)
    return p.returncode, p.stdout + p.stderr


def tool(binary, *args, **options):
    env = {k: v for k, v in os.environ.items() if not k.startswith("KVNS_")}
    return subprocess.run([binary, *args], capture_output=True, env=env,
                          timeout=60, **options)


def test_the_same_as_redis_server(fresh_server, redis_server, tmp_path):
    """Both ways, every type, all values read back."""
    path = tmp_path / "x.rdb"
    theirs = connect_py(redis_server, 2)
    fill(theirs, scale=0.5)
    want = contents(theirs)
    theirs.save()
    where = theirs.config_get("dir")["dir"]
    with open(os.path.join(where, "dump.rdb"), "rb") as f:
        path.write_bytes(f.read())
    theirs.flushall()
    s, r = start(fresh_server, path)
    assert differences(want, contents(r)) == []
    r.save()
    other = Server(shutil.which("redis-server"), "redis")
    try:
        with open(os.path.join(other.directory, "dump.rdb"), "wb") as f:
            f.write(path.read_bytes())
        other.start()
        assert differences(want, contents(connect_py(other, 2))) == []
        other.stop()
    finally:
        other.discard()


@pytest.mark.parametrize("name", sorted(
    os.path.basename(p) for p in glob.glob(os.path.join(CORPUS, "file-*"))))
def test_files_of_real_servers(fresh_server, binary, tmp_path, name):
    """What Redis 2.8 to 8 and Valkey wrote."""
    path = tmp_path / "x.rdb"
    with open(os.path.join(CORPUS, name), "rb") as f:
        data = f.read()
    path.write_bytes(data)
    out = tool(binary, "check-rdb", str(path))
    assert out.returncode == 0, out.stderr
    s, r = start(fresh_server, path)
    assert r.dbsize() > 0
    got = contents(r)
    r.save()
    s2, r2 = start(fresh_server, path)
    assert differences(got, contents(r2)) == []


def test_expired_keys_are_dropped(fresh_server, tmp_path):
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    r.set("dies", 1, px=200)
    r.set("stays", 1, px=100000)
    r.save()
    s.kill()
    time.sleep(0.25)
    s, r = start(fresh_server, path)
    assert r.keys() == [b"stays"]
    assert 0 < r.pttl("stays") <= 100000
    assert r.info("persistence")["rdb_last_load_keys_expired"] == 1
    assert r.info("persistence")["rdb_last_load_keys_loaded"] == 1


def test_leftovers_go(fresh_server, tmp_path):
    path = tmp_path / "x.rdb"
    (tmp_path / "x.rdb.tmp").write_bytes(b"half a snapshot")
    start(fresh_server, path)
    assert not (tmp_path / "x.rdb.tmp").exists()


def snapshot_bytes(fresh_server, tmp_path):
    s, r = start(fresh_server, tmp_path / "good.rdb")
    r.set("a", "x" * 50)
    r.set("ns/b", 12345)
    r.rpush("list", "a", "b", 3)
    r.sadd("set", "a", "b", "c")
    r.sadd("ints", 1, 2, 3)
    r.hset("hash", mapping={"f": "v", "g": "w"})
    r.zadd("zset", {"a": 1, "b": 2.5})
    r.hset("big", mapping={"f%d" % i: i for i in range(200)})
    r.set("ttl", "x", px=10 ** 7)
    r.save()
    s.kill()
    return (tmp_path / "good.rdb").read_bytes()


def test_a_damaged_file_is_refused(fresh_server, binary, config_name,
                                   tmp_path):
    data = snapshot_bytes(fresh_server, tmp_path)
    path = tmp_path / "bad.rdb"
    at = data.index(b"hash")
    bad = data[:at + 6] + b"\xff" + data[at + 7:]
    path.write_bytes(bad)
    status, log = run(binary, config_name, path)
    assert status == 1
    assert b"cannot load" in log and b"byte " in log
    assert path.read_bytes() == bad
    assert sorted(os.listdir(tmp_path)) == ["bad.rdb", "good.rdb"]


def test_quarantine(fresh_server, tmp_path):
    data = snapshot_bytes(fresh_server, tmp_path)
    path = tmp_path / "bad.rdb"
    path.write_bytes(data[:-9])
    s, r = start(fresh_server, path, on_corrupt="quarantine")
    assert r.dbsize() == 0
    aside = [n for n in os.listdir(tmp_path) if ".corrupt-" in n]
    assert len(aside) == 1
    assert (tmp_path / aside[0]).read_bytes() == data[:-9]
    r.set("k", "v")
    s.stop()
    s, r = start(fresh_server, path)
    assert r.keys() == [b"k"]


@pytest.mark.parametrize("make, words", [
    (lambda p: p.mkdir(), b"it is no file"),
    (lambda p: os.mkfifo(p), b"it is no file"),
    (lambda p: p.write_bytes(b""), b"ends too early"),
    (lambda p: p.write_bytes(b"hello, this is text"), b"is no RDB file"),
    (lambda p: p.write_bytes(b"REDIS0099" + b"\xff" * 9), b"version"),
    (lambda p: p.write_bytes(b"REDIS0003\xfe\x20\xff"), b"databases"),
    (lambda p: p.write_bytes(b"REDIS0003\0\1a\1x\0\1a\1y\xff"), b"twice"),
    (lambda p: p.write_bytes(b"REDIS0003\2\1a\2\1x\1x\xff"), b"twice"),
    (lambda p: p.write_bytes(b"REDIS0003\0\1a\1x\xffmore"), b"belong"),
    (lambda p: p.write_bytes(
        b"REDIS0003\xfb\x81" + b"\x10" + b"\0" * 7 + b"\0\0\1a"), b"early"),
    (lambda p: p.write_bytes(
        b"REDIS0003\2\1a\x81\x7f" + b"\xff" * 7), b"fewer"),
])
def test_what_is_no_snapshot(binary, config_name, tmp_path, make, words):
    path = tmp_path / "x.rdb"
    make(path)
    status, log = run(binary, config_name, path)
    assert status == 1 and words in log, log


def damages(data, n, first=0):
    """n damaged copies, half of them cut, or with n None each that there is
    with one bit turned over or the end missing: [(what was done, bytes)]."""
    rand = random.Random(7)
    if n is None:
        for at in range(first, len(data)):
            yield ("cut", at), data[:at]
            for bit in range(8):
                bad = bytearray(data)
                bad[at] ^= 1 << bit
                yield ("flip", at, bit), bytes(bad)
        return
    for i in range(n):
        at, bit = rand.randrange(first, len(data)), rand.randrange(8)
        bad = bytearray(data)
        bad[at] ^= 1 << bit
        yield (at, bit), bytes(bad) if i % 2 else data[:at]


def test_flips_and_cuts(fresh_server, binary, tmp_path, request):
    """No damage is overlooked by check-rdb, which reads like the loader."""
    data = snapshot_bytes(fresh_server, tmp_path)
    path = tmp_path / "bad.rdb"
    every = request.config.getoption("--flips") == "all"
    for what, bad in damages(data, None if every else 60):
        path.write_bytes(bad)
        out = tool(binary, "check-rdb", str(path))
        assert out.returncode == 1, what
        assert b": byte " in out.stderr, what


def test_flips_and_cuts_at_the_start(fresh_server, binary, config_name,
                                     tmp_path, request):
    data = snapshot_bytes(fresh_server, tmp_path)
    path = tmp_path / "bad.rdb"
    every = request.config.getoption("--flips") == "all"
    for i, (what, bad) in enumerate(damages(data, None if every else 12, 9)):
        if every and i % 7 != 0:
            continue                # check-rdb has seen the others
        path.write_bytes(bad)
        status, log = run(binary, config_name, path)
        assert status == 1 and b"cannot load" in log, (what, log)
        assert b"byte " in log, (what, log)
        assert path.read_bytes() == bad


def test_commands_wait_for_the_load(binary, fresh_server, tmp_path):
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    value = "v" * 1000
    for i in range(0, 60000, 1000):
        r.mset({"k%d" % j: value for j in range(i, i + 1000)})
    r.save()
    s.kill()
    seen = set()
    # a load may end between a command and the next: then once more
    for _ in range(8):
        s = fresh_server(args=ARGS, persist_path=path)
        with s.raw() as c:
            for _ in range(100000):
                kind, value = c.call("GET", "k1")
                seen.add((kind, value[:8]))
                if kind == "$":
                    break
                assert value.startswith(b"LOADING ")
                text = c.call("INFO", "persistence")[1]
                if b"loading:1" in text:
                    seen.add("info")
                    assert b"loading_loaded_perc:" in text
        if "info" in seen or ("-", b"LOADING ") not in seen:
            break
        s.kill()
    else:
        pytest.fail("only seen: %s" % seen)
    assert connect_py(s, 2).dbsize() == 60000


def test_a_large_collection_is_loaded_in_steps(fresh_server, tmp_path):
    """Many thousands of members in no order; between the steps the
    server answers, and says how far it is."""
    n = 250000
    path = tmp_path / "x.rdb"
    scores = [float(i) for i in range(n)]
    random.Random(1).shuffle(scores)
    with open(path, "wb") as f:
        f.write(b"REDIS0010\xfe\x00")
        for name in (b"a", b"b"):
            f.write(b"\x05\x01" + name + struct.pack(">BI", 0x80, n))
            f.write(b"".join(b"\x07%07d" % i + struct.pack("<d", scores[i])
                             for i in range(n)))
        f.write(b"\xff" + bytes(8))
    size = path.stat().st_size
    seen = set()
    # a busy machine may have all loaded before we ask: then once more
    for _ in range(8):
        s = fresh_server(args=ARGS, persist_path=path)
        with s.raw() as c:
            while True:
                text = c.call("INFO", "persistence")[1]
                if b"\nloading:0" in text:
                    break
                seen.add(int(re.search(rb"loading_loaded_bytes:(\d+)",
                                       text)[1]))
        # within the second of them
        if any(size * 5 // 9 < done < size * 8 // 9 for done in seen):
            break
    else:
        pytest.fail("only seen at %s of %d" % (sorted(seen), size))
    r = connect_py(s, 2)
    assert r.zcard("a") == r.zcard("b") == n
    assert [score for _, score in r.zrange("b", 0, -1, withscores=True)] == \
        sorted(scores)
    for i in range(0, n, 997):
        assert r.zrank("a", "%07d" % i) == scores[i]


def test_check_rdb(fresh_server, binary, tmp_path):
    snapshot_bytes(fresh_server, tmp_path)
    out = tool(binary, "check-rdb", str(tmp_path / "good.rdb"))
    assert out.returncode == 0
    assert b"9 keys, 1 with a deadline, 0 of these expired" in out.stdout
    assert b"kvns-ver" in out.stdout
    assert tool(binary, "check-rdb", str(tmp_path / "none")).returncode == 1
    assert tool(binary, "check-rdb").returncode == 2


@pytest.mark.parametrize("piped", [False, True])
def test_import(fresh_server, binary, tmp_path, piped):
    s, r = start(fresh_server, tmp_path / "x.rdb")
    fill(r, scale=0.2)
    r.set("huge", random.Random(3).randbytes(1 << 20) * 10)
    r.rpush("hugelist", *[random.Random(i).randbytes(1 << 20)
                          for i in range(10)])
    want = contents(r)
    r.save()
    other = fresh_server(args=ARGS, password="secret")
    r2 = connect_py(other, 2, password="secret")
    where = ["-p", str(other.port), "-a", "secret", "-h", "127.0.0.1"]
    if piped:
        with open(tmp_path / "x.rdb", "rb") as f:
            out = tool(binary, "import", *where, "-", stdin=f)
    else:
        out = tool(binary, "import", *where, str(tmp_path / "x.rdb"))
    assert out.returncode == 0, out.stderr + out.stdout
    assert b"%d keys imported" % len(want) in out.stdout
    assert differences(want, contents(r2)) == []
    r2.set("s1", "mine")
    r2.set("huge", "mine")
    out = tool(binary, "import", *where, str(tmp_path / "x.rdb"))
    assert out.returncode == 1
    assert b"0 keys imported, 0 had expired, %d were there already, " \
        b"0 refused" % len(want) in out.stdout
    assert r2.get("s1") == b"mine" and r2.get("huge") == b"mine"
    out = tool(binary, "import", *where, str(tmp_path / "x.rdb"), "replace")
    assert out.returncode == 0
    assert differences(want, contents(r2)) == []


def test_import_tells_how_far_it_is(fresh_server, binary, tmp_path):
    """Once a second, while the other side takes its time."""
    s, r = start(fresh_server, tmp_path / "x.rdb")
    for i in range(0, 40000, 1000):
        r.mset({"k%d" % j: "v" * 200 for j in range(i, i + 1000)})
    r.save()
    other = fresh_server(args=ARGS)
    r2 = connect_py(other, 2)
    r2.execute_command("CLIENT", "PAUSE", 1500, "WRITE")
    begun = time.monotonic()
    out = tool(binary, "import", "-h", "127.0.0.1", "-p", str(other.port),
               str(tmp_path / "x.rdb"))
    took = time.monotonic() - begun
    assert out.returncode == 0, out.stderr
    told = re.findall(rb"importing: (\d+) %, (\d+) keys", out.stderr)
    assert 1 <= len(told) <= took
    assert all(0 < int(p) <= 100 and 0 < int(n) <= 40000 for p, n in told)


def test_import_without_a_server(binary, tmp_path):
    (tmp_path / "x.rdb").write_bytes(b"REDIS0003\xff")
    out = tool(binary, "import", "-p", "1", str(tmp_path / "x.rdb"))
    assert out.returncode == 1 and out.stderr
