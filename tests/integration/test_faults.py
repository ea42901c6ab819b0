# SPDX-License-Identifier: MIT
"""Disks fail: the old snapshot stays, the server serves on and says so."""

import errno
import json
import os
import random
import re
import shutil
import subprocess
import time
import urllib.request

import pytest

from conftest import connect_py
from harness import web
from harness.server import TOP, Server
from test_between_shards import NAMES, digest, same_change
from test_large_snapshot import KINDS, fill

ARGS = ["--redis", "--save", "3600 100000000"]
WITH_DEBUG = ARGS + ["--enable-debug-command", "local"]


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("about files that we write")


@pytest.fixture(scope="session")
def injector(tmp_path_factory, binary):
    """The library that lets calls fail, of as many bits as the program."""
    to = tmp_path_factory.mktemp("faults") / "faults.so"
    with open(binary, "rb") as f:
        head = f.read(5)
    narrow = ["-m32", "-idirafter", "/usr/include/x86_64-linux-gnu"]
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-w",
                    *(narrow if head == b"\x7fELF\x01" else []),
                    "-o", str(to),
                    os.path.join(TOP, "tests", "harness", "faults.c"),
                    "-ldl", "-pthread"], check=True)
    return str(to)


class Disk:
    def __init__(self, path):
        self.path = path
        self.orders = 0

    def order(self, call, n, code):
        self.orders += 1
        (self.path / "order").write_text("%d %s %d %d\n" % (
            self.orders, call, n, code))

    def trace(self):
        file = self.path / "trace"
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        file.write_text("")
        return lines


@pytest.fixture
def disk(injector, monkeypatch, tmp_path):
    (tmp_path / "control").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("LD_PRELOAD", injector)
    monkeypatch.setenv("FAULT_ORDER", str(tmp_path / "control" / "order"))
    monkeypatch.setenv("FAULT_TRACE", str(tmp_path / "control" / "trace"))
    monkeypatch.setenv("FAULT_DIR", str(tmp_path / "data"))
    return Disk(tmp_path / "control")


def wait_saved(r):
    limit = time.monotonic() + 30
    while r.info("persistence")["rdb_bgsave_in_progress"]:
        assert time.monotonic() < limit
        time.sleep(0.005)
    return r.info("persistence")["rdb_last_bgsave_status"] == "ok"


def begin(fresh_server, tmp_path):
    s = fresh_server(args=ARGS, persist_path=tmp_path / "data" / "x.rdb")
    r = connect_py(s, 2)
    r.mset({"k%d" % i: "x" * 100 for i in range(5000)})
    return s, r


def save(r, how):
    """Take a snapshot; did it work?"""
    if how == "save":
        try:
            return r.save()
        except Exception as why:
            assert str(why) in ("ERR", ""), why
            return False
    r.bgsave()
    return wait_saved(r)


@pytest.mark.parametrize("how", ["save", "bgsave"])
def test_each_call_fails_once(disk, fresh_server, tmp_path, how):
    s, r = begin(fresh_server, tmp_path)
    path = tmp_path / "data" / "x.rdb"
    generation = 0
    for call, n, code in [
            ("open", 1, errno.EACCES), ("open", 1, errno.EROFS),
            ("write", 1, errno.ENOSPC), ("write", 2, errno.EDQUOT),
            ("write", 3, errno.EFBIG), ("write", 4, errno.EIO),
            ("fsync", 1, errno.EIO), ("fsync", 1, errno.ENOSPC),
            ("close", 1, errno.EIO), ("close", 1, errno.ENOSPC),
            ("rename", 1, errno.EACCES), ("rename", 1, errno.ENOSPC)]:
        generation += 1
        r.set("generation", generation)
        assert save(r, how)
        old = path.read_bytes()
        disk.trace()
        r.set("generation", "lost")
        before = len(s.log())
        disk.order(call, n, code)
        assert not save(r, how), (call, n)
        trace = disk.trace()
        assert call + " fails" in trace, trace
        assert trace.count("fsync") + trace.count("fsync fails") <= 1
        assert path.read_bytes() == old
        assert os.listdir(tmp_path / "data") == ["x.rdb"]
        assert os.strerror(code).encode() in s.log()[before:]
        info = r.info("persistence")
        assert info["rdb_last_bgsave_status"] == "err"
        assert info["rdb_changes_since_last_save"] == 1
        assert r.get("generation") == b"lost"
    assert save(r, how)
    assert r.info("persistence")["rdb_last_bgsave_status"] == "ok"
    assert path.read_bytes() != old


def test_the_directory_fails(disk, fresh_server, tmp_path):
    """The file is whole and in place by then, but nobody may rely on it."""
    s, r = begin(fresh_server, tmp_path)
    disk.order("fsyncdir", 1, errno.EIO)
    assert not save(r, "bgsave")
    assert os.listdir(tmp_path / "data") == ["x.rdb"]
    assert b"directory" in s.log()
    assert save(r, "bgsave")


def test_short_writes_and_interruptions(disk, fresh_server, tmp_path):
    s, r = begin(fresh_server, tmp_path)
    for call, code in [("short", 0), ("write", errno.EINTR)]:
        for n in (1, 2, 3):
            disk.order(call, n, code)
            assert save(r, "bgsave")
    r.flushdb()
    r.set("k", "v")
    disk.order("short", 1, 0)
    assert save(r, "save")
    s.kill()
    s = fresh_server(args=ARGS, persist_path=tmp_path / "data" / "x.rdb")
    assert connect_py(s, 2).get("k") == b"v"


@pytest.mark.parametrize("how", ["save", "bgsave"])
def test_the_order_of_calls(disk, fresh_server, tmp_path, how):
    s, r = begin(fresh_server, tmp_path)
    assert save(r, how)
    trace = disk.trace()
    writes = trace.count("write")
    assert trace == ["open"] + ["write"] * writes + [
        "fsync", "close", "rename", "fsyncdir"]


def test_paths_that_cannot_be(fresh_server, tmp_path):
    s, r = begin(fresh_server, tmp_path)
    path = tmp_path / "data" / "x.rdb"
    path.mkdir(parents=True)
    assert not save(r, "bgsave")
    assert not save(r, "save")
    assert os.listdir(tmp_path / "data") == ["x.rdb"]
    path.rmdir()
    assert save(r, "bgsave")
    old = path.read_bytes()
    # a directory at the temporary name
    (tmp_path / "data" / "x.rdb.tmp").mkdir()
    assert not save(r, "bgsave")
    assert path.read_bytes() == old
    (tmp_path / "data" / "x.rdb.tmp").rmdir()
    # a link there, planted by somebody: not followed
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "data" / "x.rdb.tmp").symlink_to(victim)
    assert save(r, "bgsave")
    assert victim.read_text() == "precious"
    assert not path.is_symlink()
    shutil.rmtree(tmp_path / "data")
    assert save(r, "bgsave")            # the directory is made again
    if os.getuid() != 0:
        os.chmod(tmp_path / "data", 0o500)
        assert not save(r, "bgsave")
        os.chmod(tmp_path / "data", 0o700)
    assert save(r, "save")


def test_a_shutdown_that_fails_says_so(disk, fresh_server, tmp_path):
    s, r = begin(fresh_server, tmp_path)
    assert save(r, "save")
    disk.order("fsync", 1, errno.EIO)
    r.set("k", "v")
    s.process.terminate()
    assert s.process.wait(20) == 1
    assert b"what changed since the one before is lost" in s.log()
    assert os.listdir(tmp_path / "data") == ["x.rdb"]


def test_progress_is_told(disk, fresh_server, tmp_path):
    """A disk that takes its time: how far it is, in the log, INFO and on the
    page, and what FLUSHALL dropped meanwhile."""
    s = fresh_server(args=ARGS, persist_path=tmp_path / "data" / "x.rdb",
                     metrics_host="127.0.0.1", metrics_port="free")
    port = int(s.options["KVNS_METRICS_PORT"])
    r = connect_py(s, 2)
    for i in range(0, 40000, 500):
        r.mset({"k%d" % j: os.urandom(2000) for j in range(i, i + 500)})

    def status():
        with urllib.request.urlopen("http://127.0.0.1:%d/status.json" % port,
                                    timeout=20) as answer:
            return json.load(answer)

    disk.order("slow", 2, 2300)
    r.bgsave()
    limit = time.monotonic() + 30
    while r.info("persistence")["current_save_keys_processed"] < 100:
        assert time.monotonic() < limit
        time.sleep(0.01)
    r.flushall(asynchronous=True)
    got = r.info("persistence")
    assert got["rdb_bgsave_in_progress"] == 1
    assert got["current_save_keys_total"] == 40000
    assert 0 < got["current_save_keys_processed"] <= 40000
    memory = r.info("memory")
    assert memory["lazyfree_pending_objects"] > 0
    assert memory["kvns_freeing_bytes"] > 1000000
    page = status()
    assert page["snapshot"]["saving"] and page["freeing"] > 1000000
    assert 0 < page["snapshot"]["done"] <= page["snapshot"]["total"] == 40000
    assert wait_saved(r)
    while r.info("memory")["kvns_freeing_bytes"] > 0:
        assert time.monotonic() < limit
        time.sleep(0.01)
    memory = r.info("memory")
    assert memory["lazyfree_pending_objects"] == 0
    assert memory["lazyfreed_objects"] == 40000
    assert status()["freeing"] == 0
    assert re.search(rb"saving: \d+ %, \d+ keys", s.log())
    assert re.search(rb"freeing: \d+ bytes left", s.log())


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot_fails_while_its_keys_wander(disk, fresh_server, tmp_path,
                                                kind):
    """From shard to shard, with what it has still to save of them: nothing of
    that is left behind, in them or in memory."""
    s = fresh_server(args=WITH_DEBUG,
                     persist_path=tmp_path / "data" / "x.rdb")
    r = connect_py(s, 2)
    d, n, name, failures = random.Random(3), 5000, "big", 0
    fill(r, kind, n)
    for i in range(300):
        r.set("small:%d" % i, "x" * 500)
    r.copy(name, "twin")
    for turn in range(12):
        r.set("turn", turn)
        disk.order("write", 1 + turn % 4, errno.ENOSPC)
        r.bgsave()
        busy = True
        while busy:
            pipe = r.pipeline(transaction=False)
            change = d.randrange(10 ** 6)
            to = d.choice([k for k in NAMES if k != name])
            pipe.rename(name, to)
            name = to
            for who in (name, "twin"):
                same_change(pipe, kind, random.Random(change), who, n)
            pipe.execute(raise_on_error=False)
            busy = r.info("persistence")["rdb_bgsave_in_progress"]
        failures += r.info("persistence")["rdb_last_bgsave_status"] == "err"
        assert digest(r, name) == digest(r, "twin"), turn
    assert failures > 0
    disk.order("none", 0, 0)
    assert save(r, "bgsave")
    other = fresh_server(args=WITH_DEBUG,
                         persist_path=tmp_path / "data" / "x.rdb")
    r2 = connect_py(other, 2)
    while r2.info("persistence")["loading"]:
        time.sleep(0.01)
    assert digest(r2, name) == digest(r, name) == digest(r2, "twin")
    r.flushall()
    until = time.monotonic() + 20
    while r.info("memory")["used_memory_dataset"] > 20000:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.long
def test_a_disk_slower_than_the_writes(disk, fresh_server, tmp_path):
    """What is kept for the snapshot stays within its bound; the snapshot is
    given up, that is said, nobody waits, and the next one works."""
    path = tmp_path / "data" / "x.rdb"
    s = fresh_server(args=["--redis", "--save", "1 1"], persist_path=path)
    r = connect_py(s, 2)
    n, size = 7000, 16 << 10
    pipe = r.pipeline(transaction=False)
    for i in range(n):
        pipe.set("k%d" % i, "x" * size)
    pipe.rpush("list", *["y" * 1000 for _ in range(3000)])
    pipe.execute()
    r.config_set("save", "3600 100000000")
    wait_saved(r)
    assert save(r, "bgsave")
    old = path.read_bytes()
    disk.order("crawl", 0, 30000)
    try:
        r.bgsave()
        worst = 0
        for i in range(n):
            begun = time.monotonic()
            r.set("k%d" % i, "z" * size)
            worst = max(worst, time.monotonic() - begun)
            if i % 500 == 0:
                r.lset("list", i % 3000, "changed")
        failed = wait_saved(r) is False
    finally:
        disk.order("none", 0, 0)
    kept = r.info("persistence")["rdb_last_cow_size"]
    print("longest wait %.1f ms, %d MB kept" % (worst * 1000, kept >> 20))
    assert failed, s.log_tail()
    assert b"the disk is slower than the writes" in s.log()
    assert path.read_bytes() == old
    assert os.listdir(tmp_path / "data") == ["x.rdb"]
    assert worst < 5, worst
    assert 60 << 20 < kept < 80 << 20
    failed = r.info("persistence")
    assert failed["rdb_last_bgsave_status"] == "err"
    # it is tried again by itself, when a rule asks for it
    r.config_set("save", "1 1")
    limit = time.monotonic() + 30
    while r.info("persistence")["rdb_last_bgsave_status"] != "ok":
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert path.read_bytes() != old
    s.kill()
    s = fresh_server(args=ARGS, persist_path=path)
    r = connect_py(s, 2)
    while r.info("persistence")["loading"]:
        time.sleep(0.01)
    assert r.get("k%d" % (n - 1)) == b"z" * size
    assert r.llen("list") == 3000


def test_alive_but_not_ready_while_loading(disk, fresh_server, tmp_path):
    """/readyz is 503 as long as it loads, /healthz 200; so are INFO and
    /metrics true about it."""
    s = fresh_server(args=ARGS, persist_path=tmp_path / "data" / "x.rdb")
    with s.raw() as c:
        for i in range(240):
            c.ok("SET", "k%d" % i, random.randbytes(100000))
        c.ok("SAVE")
    s.stop()
    disk.order("creep", 1, 40000)
    s = Server(s.binary, s.config, args=ARGS, metrics_host="127.0.0.1",
               metrics_port="free",
               persist_path=tmp_path / "data" / "x.rdb")

    try:
        s.start()
        port = int(s.options["KVNS_METRICS_PORT"])
        seen = 0
        limit = time.monotonic() + 60
        while True:
            assert time.monotonic() < limit
            alive = web.get(port, "/healthz")
            metrics = web.get(port, "/metrics")[1]
            ready = web.get(port, "/readyz")
            assert alive == (200, b"ok\n")
            if ready == (200, b"ok\n"):
                break
            assert ready == (503, b"loading\n")
            assert b"\nkvns_loading 1\n" in metrics
            seen += 1
        assert seen > 0
        assert b"\nkvns_loading 0\n" in web.get(port, "/metrics")[1]
        with s.raw() as c:
            assert c.call("DBSIZE") == (":", 240)
            assert b"\r\nloading:0\r\n" in c.call("INFO")[1]
        s.stop()
    finally:
        s.discard()
