# SPDX-License-Identifier: MIT
"""Have real servers write what the RDB reader is tested with.

    python3 tests/fuzz/make_rdb_corpus.py redis-server [another-server ...]

Starts each server named, has it DUMP a value of every type in every encoding
it can be talked into and no server before it wrote, and SAVE a small file,
and asks it what is in them.
Writes tests/fuzz/corpus/rdb/* (type byte and value, the high bit of the type
set for Valkey; or a whole file) and tests/unit/test_rdb_real.c (the same and
the answers).  Needs redis-py.  Both are committed: nothing else needs this
script or the old servers.
"""

import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

import redis

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "corpus", "rdb")
TABLE = os.path.join(HERE, "..", "unit", "test_rdb_real.c")
FAR = 4102444800000             # the year 2100: no field expires meanwhile

NUMBERS = [0, 1, 12, 13, -1, 127, 128, -128, -129, 4095, 4096, -4096, -4097,
           32767, 32768, -32768, -32769, 8388607, 8388608, -8388608,
           -8388609, 2147483647, 2147483648, -2147483648, -2147483649,
           2**63 - 1, -2**63]
WORDS = [b"a", b"", b"01", b"+5", b"-0", b"1.5", b"\x00\xff\r\n", b"x" * 63,
         b"y" * 64, b"z" * 127, b"q" * 254, b"w" * 300]
MIXED = [str(n).encode() for n in NUMBERS] + WORDS
SCORES = [0, 1, -1, 1.5, -2.25, 1e300, -1e-300, 0.1, 3e10, 2**53, 70000,
          float("inf"), float("-inf"), 5e-324, 1 / 3]

CRC = []
for i in range(256):
    r = i
    for _ in range(8):
        r = r >> 1 ^ (0x95AC9329AC4BC9B5 if r & 1 else 0)
    CRC.append(r)


def crc64(data):
    r = 0
    for byte in data:
        r = r >> 8 ^ CRC[(r ^ byte) & 255]
    return r


def total(items):
    """What the test adds up, whatever the order of the items."""
    return sum(crc64(x) for x in items) % 2**64


class Server:
    def __init__(self, path):
        said = subprocess.run([path, "--version"], check=True,
                              capture_output=True, text=True).stdout
        name, self.version = re.match(r"(\w+) server v=([\d.]+)",
                                      said).groups()
        self.name = name.lower() + "-" + self.version
        self.valkey = name == "Valkey"
        self.number = tuple(int(x) for x in self.version.split(".")[:2])
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.dir = tempfile.TemporaryDirectory()
        args = [path, "--port", str(port), "--save", "", "--dir",
                self.dir.name]
        if self.number >= (7, 0):
            args += ["--enable-debug-command", "yes"]
        self.process = subprocess.Popen(args, stdout=subprocess.DEVNULL)
        self.r = redis.Redis(port=port, protocol=2, driver_info=None)
        for _ in range(100):
            try:
                self.r.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.dir.cleanup()

    def set(self, what, value):
        """Set an option under the name that this version has for it."""
        names = [what, what.replace("listpack", "ziplist")]
        for name in names:
            try:
                self.r.execute_command("CONFIG", "SET", name, value)
                return
            except redis.ResponseError:
                pass

    def packed(self, yes):
        n = "600" if yes else "0"
        for kind in ("hash", "zset", "set"):
            self.set(kind + "-max-listpack-entries", n)
            self.set(kind + "-max-listpack-value", "5000")
        self.set("set-max-intset-entries", n)
        self.set("list-max-listpack-entries", n)    # up to 3.0
        self.set("list-max-listpack-value", "5000")
        self.set("list-max-listpack-size", "-2")    # from 3.2 on


class Maker:
    def __init__(self, server):
        self.s, self.r = server, server.r
        self.values = {}        # name -> (payload, count, total)

    def take(self, name, key, items):
        payload = self.r.dump(key)
        kind = payload[0]
        name = "%02d-%s-%s" % (kind, name, self.s.name)
        value = bytes([kind | (128 if self.s.valkey else 0)]) + payload[1:-10]
        self.values[name] = (value, payload, len(items), total(items))
        self.r.delete(key)

    def string(self, name, text):
        self.r.set("k", text)
        self.take(name, "k", [text])

    def list(self, name, items):
        self.r.rpush("k", *items)
        got = self.r.lrange("k", 0, -1)
        self.take(name, "k", [b"%d:%s" % x for x in enumerate(got)])

    def set(self, name, items):
        self.r.sadd("k", *items)
        self.take(name, "k", self.r.smembers("k"))

    def hash(self, name, fields, deadlines=()):
        self.r.hset("k", mapping=dict(fields)) if self.s.number >= (4, 0) \
            else [self.r.hset("k", f, v) for f, v in fields]
        for field, at in deadlines:
            self.r.execute_command("HPEXPIREAT", "k", at, "FIELDS", 1, field)
        items = []
        for f, v in self.r.hgetall("k").items():
            at = -1
            if deadlines:
                at = self.r.execute_command("HPEXPIRETIME", "k", "FIELDS", 1,
                                            f)[0]
            items.append(b"%s\0%s\0%d" % (f, v, at))
        self.take(name, "k", items)

    def zset(self, name, members):
        self.r.zadd("k", dict(members))
        got = self.r.zrange("k", 0, -1, withscores=True)
        self.take(name, "k", [m + b"\0" + struct.pack("<d", v)
                              for m, v in got])

    def stream(self, name):
        self.s.set("stream-node-max-entries", "8")
        for i in range(1, 30):
            self.r.xadd("k", {"field": "value %d" % i, "n": i % 7},
                        id="%d-%d" % (i * 1000, i))
        self.r.xdel("k", "5000-5", "29000-29")
        for group in "g", "h":
            self.r.xgroup_create("k", group, "0")
            for consumer in "alice", "bob":
                self.r.xreadgroup(group, consumer, {"k": ">"}, count=3)
        self.r.xack("k", "g", "1000-1")
        self.take(name, "k", [])

    def all(self):
        for n in 0, -1, 300, -70000, 5000000000:
            self.string("string-%d" % n, b"%d" % n)
        self.string("string-empty", b"")
        self.string("string-raw", b"hello \x00\xff")
        self.string("string-lzf", b"abcab" * 100 + b"no end")
        members = [(w, s) for w, s in zip(MIXED, SCORES * 9)]
        for packed in True, False:
            self.s.packed(packed)
            p = "packed" if packed else "plain"
            self.list("list-" + p, MIXED)
            self.set("set-" + p, MIXED)
            self.hash("hash-" + p, zip(MIXED, reversed(MIXED)))
            self.zset("zset-" + p, members)
            for bits in 16, 32, 64:
                self.set("set-%d-%s" % (bits, p),
                         [n for n in NUMBERS if abs(n) < 2**bits // 2])
        self.s.packed(True)
        self.hash("hash-lzf", [(b"f%d" % i, b"value") for i in range(300)])
        self.s.set("list-max-listpack-size", "5")
        self.s.set("list-compress-depth", "1")
        self.list("list-nodes", [b"item number %d" % i for i in range(40)])
        if self.s.number >= (7, 0):
            self.r.execute_command("DEBUG", "QUICKLIST-PACKED-THRESHOLD",
                                   "100b")
            self.list("list-plain-nodes",
                      [b"a", b"b" * 200, b"c", b"d" * 300, b"1"])
        if self.s.number >= (5, 0):
            self.stream("stream")
        if self.s.number >= (8, 0):
            fields = list(zip(MIXED, reversed(MIXED)))
            ends = [(f, FAR + i * 1000) for i, f in enumerate(MIXED[3:9])]
            self.hash("hash-ttl-packed", fields, ends)
            self.s.packed(False)
            self.hash("hash-ttl-plain", fields, ends)

    def file(self):
        """A small file with one of everything; what of its keys to expect."""
        r, expect = self.r, []
        r.flushall()
        self.s.packed(True)
        self.s.set("maxmemory-policy", "allkeys-lfu")
        if (7, 0) <= self.s.number:
            r.execute_command("FUNCTION", "LOAD", "#!lua name=lib\n"
                              "redis.register_function('f',"
                              " function() return 1 end)")
        for db in 0, 3:
            r.execute_command("SELECT", db)
            for i in range(5):
                r.set("key:%d:%d" % (db, i), "value %d" % i)
                if i % 2:
                    r.execute_command("PEXPIREAT", "key:%d:%d" % (db, i),
                                      FAR + i)
            r.rpush("list:%d" % db, *MIXED[:9])
            r.sadd("set:%d" % db, *MIXED[:9])
            r.zadd("zset:%d" % db, dict(zip(MIXED[:9], SCORES)))
            r.hset("hash:%d" % db, "f", "v")
            if self.s.number >= (5, 0):
                r.xadd("stream:%d" % db, {"a": "b"}, id="1-1")
            for key in r.keys("*"):
                at = r.pttl(key) or -1
                if at > 0:
                    at = FAR + int(key[-1:])
                expect.append(b"%d\0%s\0%d" % (db, key, at))
        r.execute_command("SELECT", 0)
        r.save()
        with open(os.path.join(self.s.dir.name, "dump.rdb"), "rb") as f:
            return f.read(), len(expect), total(expect)


def c_bytes(data):
    text = data.hex()
    return "\n".join('      "%s"' % text[i:i + 68]
                     for i in range(0, len(text), 68))


def main():
    rows, files, seen = [], [], set()
    os.makedirs(CORPUS, exist_ok=True)
    for path in sys.argv[1:]:
        server = Server(path)
        try:
            maker = Maker(server)
            maker.all()
            data, count, sum_ = maker.file()
        finally:
            server.stop()
        for name, (value, payload, n, t) in sorted(maker.values.items()):
            known = name.replace(server.name, "")
            if known in seen:
                continue
            seen.add(known)
            if len(payload) > 2000:
                sys.exit("%s is too long for a C literal" % name)
            rows.append('    { "%s",\n      %d, 0x%016x,\n%s },' %
                        (name, n, t, c_bytes(payload)))
            with open(os.path.join(CORPUS, name), "wb") as f:
                f.write(value)
        files.append('    { "%s",\n      %d, 0x%016x,\n%s },' %
                     (server.name, count, sum_, c_bytes(data)))
        with open(os.path.join(CORPUS, "file-" + server.name), "wb") as f:
            f.write(data)
        print(server.name, *sorted({x[:2] for x in maker.values}))
    with open(TABLE, "w", encoding="ascii") as f:
        f.write("""/* What real servers wrote, and what they said is in it:
 * written by tests/fuzz/make_rdb_corpus.py, read by test_rdb_file.c. */
#include "unit.h"

struct test_rdb_real {
    const char *name;           /* type, what it is, who wrote it */
    unsigned count;             /* items, or keys of a file */
    uint64_t sum;               /* of their CRC-64, each in a form of its own */
    const char *hex;
};

/* DUMP payloads. */
static const struct test_rdb_real test_rdb_real[] = {
%s
};

/* Files. */
static const struct test_rdb_real test_rdb_real_files[] = {
%s
};
""" % ("\n".join(rows), "\n".join(files)))


main()
