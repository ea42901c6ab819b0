# SPDX-License-Identifier: MIT
"""A snapshot is the same file on every processor.

The servers of other processors run under emulation: one is filled and saves,
each of the others loads the file and must hold the same data.
"""

import os
import shutil
import subprocess
import time

import pytest

from harness.server import TOP, Server

PROGRAMS = ["kvns-bench", "kvns-s390x", "kvns-aarch64", "kvns-32"]
NEEDS = {"kvns-s390x": ("s390x-linux-gnu-gcc", "qemu-s390x"),
         "kvns-aarch64": ("aarch64-linux-gnu-gcc", "qemu-aarch64")}


@pytest.fixture(scope="module")
def programs():
    paths = {}
    for name in PROGRAMS:
        for program in NEEDS.get(name, ()):
            if shutil.which(program) is None:
                pytest.skip("%s is not installed" % program)
    subprocess.run(["sh", "tests/build.sh"] + PROGRAMS, cwd=TOP, check=True)
    for name in PROGRAMS:
        paths[name] = os.path.join(TOP, "build", name)
    return paths


def fill(c):
    """Values of every type and encoding, small and large."""
    for i in range(50):
        c.ok("SET", "ns%d/s%d" % (i % 3, i), b"\x00\xff" * i)
        c.ok("SET", "n%d" % i, i * 7919 - 100000)
    c.ok("SET", "long", b"x" * 100000)
    c.ok("SET", "later", "v", "PX", 10 ** 9)
    for size, name in (5, "small"), (700, "large"):
        for i in range(size):
            c.call("RPUSH", "list:" + name, "e%d" % i, i - 300, "y" * (i % 90))
            c.call("HSET", "hash:" + name, "f%d" % i, i * i)
            c.call("SADD", "ints:" + name, i * 65537 - 3)
            c.call("SADD", "set:" + name, "m%d" % i)
            c.call("ZADD", "zset:" + name, i / 7 - 20, "m%d" % i)
            c.call("XADD", "stream:" + name, "%d-%d" % (i + 1, i), "f", i,
                   "g%d" % (i % 3), "v")
    c.ok("XGROUP", "CREATE", "stream:large", "group", "0")
    c.call("XREADGROUP", "GROUP", "group", "me", "COUNT", 20, "STREAMS",
           "stream:large", ">")
    c.call("SETBIT", "bits", 12345, 1)
    for i in range(0, 3000, 1000):
        c.call("PFADD", "hll", *range(i, i + 1000))
    c.call("GEOADD", "geo", 13.36, 38.11, "Palermo", 15.08, 37.5, "Catania")
    c.ok("SELECT", 3)
    c.ok("SET", "elsewhere", 1)
    c.ok("SELECT", 0)


def digest(c):
    count = c.call("PFCOUNT", "hll")        # it notes what it counted
    return (count, c.call("DEBUG", "DIGEST"), c.call("DBSIZE"),
            c.call("ZRANGE", "zset:large", 0, 9, "WITHSCORES"),
            c.call("XPENDING", "stream:large", "group"),
            c.call("GEODIST", "geo", "Palermo", "Catania"))


def start(path, file):
    s = Server(path, "classic", persist_path=file, persist_interval=3600,
               enable_debug_command="yes").start()
    limit = time.monotonic() + 60
    with s.raw() as c:
        while c.call("DBSIZE")[0] == "-" and time.monotonic() < limit:
            time.sleep(0.05)
    return s


@pytest.mark.parametrize("writer", PROGRAMS)
def test_a_snapshot_goes_everywhere(programs, writer, tmp_path):
    file = str(tmp_path / "dump.rdb")
    s = start(programs[writer], file)
    try:
        with s.raw(timeout=60) as c:
            fill(c)
            want = digest(c)
            c.ok("SAVE")
        s.stop()
    finally:
        s.discard()
    for reader in PROGRAMS:
        if reader == writer:
            continue
        copy = str(tmp_path / reader)
        shutil.copy(file, copy)
        s = start(programs[reader], copy)
        try:
            with s.raw(timeout=60) as c:
                assert digest(c) == want, reader
            s.stop()
        finally:
            s.discard()
