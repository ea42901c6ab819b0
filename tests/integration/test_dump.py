# SPDX-License-Identifier: MIT
"""DUMP and RESTORE, also to and from redis-server."""

import glob
import os
import random
import re
import time

import pytest

from harness.data import contents, differences, fill
from harness.resp import encode
from harness.server import TOP

BAD = ("-", b"ERR Bad data format")
SUM = ("-", b"ERR DUMP payload version or checksum are wrong")
OK = ("+", b"OK")


def crc64_of(byte):
    for _ in range(8):
        byte = byte >> 1 ^ (0x95ac9329ac4bc9b5 if byte & 1 else 0)
    return byte


CRCS = [crc64_of(i) for i in range(256)]


def crc64(data):
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ CRCS[(crc ^ byte) & 255]
    return crc


def payload(body, version=10):
    body += version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(8, "little")


def test_there_and_back(r, redis_server):
    """All values of both servers, restored by the other."""
    from conftest import connect_py
    theirs = connect_py(redis_server, 2)
    fill(r, scale=0.5, databases=(0,), namespaces=False)
    want = contents(r, 1)
    keys = [k for _, k in want]
    pipe = r.pipeline(transaction=False)
    for k in keys:
        pipe.dump(k)
    mine = pipe.execute()
    pipe = theirs.pipeline(transaction=False)
    for k, p in zip(keys, mine):
        pipe.restore(k, max(want[0, k][2], 0), p, absttl=True)
    pipe.execute()
    assert differences(want, contents(theirs, 1)) == []
    for k in keys:
        pipe.dump(k)
    dumps = pipe.execute()
    pipe = r.pipeline(transaction=False)
    for k, p in zip(keys, dumps):
        pipe.restore(k, max(want[0, k][2], 0), p, replace=True, absttl=True)
    pipe.execute()
    assert differences(want, contents(r, 1)) == []
    theirs.close()


def test_replies(raw):
    c = raw()
    assert c.call("DUMP", "none")[1] is None
    c.call("SET", "k", "v")
    p = c.call("DUMP", "k")[1]
    assert p == payload(b"\0\1v")
    busy = ("-", b"BUSYKEY Target key name already exists.")
    assert c.call("RESTORE", "k", "0", p) == busy
    assert c.call("RESTORE", "k", "x", p) == busy
    assert c.call("RESTORE", "k", "0", p, "REPLACE") == OK
    assert c.call("RESTORE", "n", "x", p) == (
        "-", b"ERR value is not an integer or out of range")
    assert c.call("RESTORE", "n", "-1", p) == (
        "-", b"ERR Invalid TTL value, must be >= 0")
    assert c.call("RESTORE", "n", "0", p, "NONSENSE") == (
        "-", b"ERR syntax error")
    assert c.call("RESTORE", "n", "0", p, "IDLETIME", "-1") == (
        "-", b"ERR Invalid IDLETIME value, must be >= 0")
    assert c.call("RESTORE", "n", "0", p, "FREQ", "256") == (
        "-", b"ERR Invalid FREQ value, must be >= 0 and <= 255")
    assert c.call("RESTORE", "n", "0", p, "IDLETIME", "1", "FREQ", "1") == (
        "-", b"ERR syntax error")
    assert c.call("RESTORE", "n", "0", p[:-1] + b"x") == SUM
    assert c.call("RESTORE", "n", "0", "short") == SUM
    assert c.call("RESTORE", "n", "0", payload(b"\0\1v", 99)) == SUM
    assert c.call("RESTORE", "n", "0", payload(b"\x63\1v")) == BAD
    assert c.call("RESTORE", "n", "0", payload(b"\2\2\1a\1a")) == BAD
    assert c.call("RESTORE", "n", "0", payload(b"\2\0")) == BAD
    assert c.call("EXISTS", "n") == (":", 0)
    assert c.call("RESTORE", "n", "0", p, "IDLETIME", "100") == OK
    assert c.call("GET", "n") == ("$", b"v")


def test_deadlines(raw):
    c = raw()
    c.call("SET", "k", "v")
    p = c.call("DUMP", "k")[1]
    assert c.call("RESTORE", "a", "100000", p) == OK
    assert 99000 < c.call("PTTL", "a")[1] <= 100000
    when = int(time.time() * 1000) + 50000
    assert c.call("RESTORE", "b", str(when), p, "ABSTTL") == OK
    assert c.call("PEXPIRETIME", "b") == (":", when)
    assert c.call("RESTORE", "c", "1", p, "ABSTTL") == OK
    assert c.call("EXISTS", "c") == (":", 0)
    assert c.call("RESTORE", "a", "1", p, "ABSTTL", "REPLACE") == OK
    assert c.call("EXISTS", "a") == (":", 0)
    assert c.call("RESTORE", "a", "0", p) == OK
    assert c.call("TTL", "a") == (":", -1)


def test_events_of_restore(raw, config_name):
    c, ear = raw(), raw()
    c.call("SET", "k", "v")
    p = c.call("DUMP", "k")[1]
    c.call("CONFIG", "SET", "notify-keyspace-events", "KEA")
    try:
        ear.call("PSUBSCRIBE", "__key*__:r")
        c.call("RESTORE", "r", "0", p)
        assert ear.read()[1][3] == ("$", b"restore")
        c.call("RESTORE", "r", "1", p, "ABSTTL", "REPLACE")
        assert ear.read()[1][3] == ("$", b"del")
    finally:
        c.call("CONFIG", "SET", "notify-keyspace-events", "")


def test_lying_payloads(raw):
    """Right checksums over damaged values: refused or harmless."""
    c = raw()
    rand = random.Random(11)
    c.call("RPUSH", "l", "a", "b", "3", "x" * 100)
    c.call("SADD", "s", "a", "b")
    c.call("SADD", "i", "1", "70000")
    c.call("HSET", "h", "a", "1", "b", "2")
    c.call("ZADD", "z", "1", "a", "2.5", "b")
    c.call("HSET", "H", *[str(i) for i in range(1000)])
    c.call("ZADD", "Z", *[str(i) for i in range(600)])
    for i in range(20):
        c.call("XADD", "x", "5-%d" % i, "f", str(i), *"gv" if i > 9 else ())
    c.call("XGROUP", "CREATE", "x", "g", "0")
    for who in "ab":
        c.call("XREADGROUP", "GROUP", "g", who, "COUNT", "3", "STREAMS", "x",
               ">")
    bodies = [c.call("DUMP", k)[1][:-10] for k in "lsihzHZxxx"]
    for i in range(600):
        body = bytearray(rand.choice(bodies))
        for _ in range(rand.randrange(1, 4)):
            end = len(body) if body[0] == 19 else min(len(body), 40)
            body[rand.randrange(end)] = rand.choice(
                [0, 1, 0x7f, 0x80, 0x81, 0xff, rand.randrange(256)])
        answer = c.call("RESTORE", "n", "0", payload(bytes(body)), "REPLACE")
        assert answer in (OK, BAD), body
        if answer == OK:
            c.call("DUMP", "n")
            kind = c.call("TYPE", "n")[1]
            c.call(*{b"list": ("LRANGE", "n", "0", "-1"),
                     b"set": ("SMEMBERS", "n"), b"string": ("GET", "n"),
                     b"hash": ("HGETALL", "n"),
                     b"zset": ("ZRANGE", "n", "0", "-1"),
                     b"stream": ("XINFO", "STREAM", "n", "FULL")}[kind])
            c.call("DEL", "n")


def held(c):
    """Bytes that the arenas have of the system, empty pages included."""
    return sum(int(w) for w in re.findall(
        rb"in use, (\d+) held", c.call("MEMORY", "MALLOC-STATS")[1]))


@pytest.mark.parametrize("kind", ["stream", "zset"])
def test_a_payload_is_checked_before_it_is_built(raw, fresh_server,
                                                 config_name, kind):
    """One that ends too early takes no memory but its own."""
    if config_name == "redis":
        pytest.skip("about an arena of ours")
    c, n = raw(timeout=60), 2000
    c.call("DEL", "n")
    if kind == "stream":
        for i in range(n):
            c.send(encode("XADD", "n", "5-%d" % (i + 1), "f", "x" * 500))
        c.read_many(n)
        c.ok("XGROUP", "CREATE", "n", "g", "0")
    else:
        for i in range(0, 2 * n, 100):
            c.call("ZADD", "n", *[w for j in range(i, i + 100)
                                  for w in (j, "member:%0200d" % j)])
    body = c.call("DUMP", "n")[1][:-10]
    c.call("DEL", "n")
    # one that has held nothing yet
    with fresh_server(sharded_mode=False).raw(timeout=60) as c:
        before = held(c)
        for cut in (1, 3, 100):
            assert c.call("RESTORE", "n", "0", payload(body[:-cut])) == BAD
            # what was mapped once stays for a while
            assert held(c) < before + (1 << 19)
        assert c.call("RESTORE", "n", "0", payload(body)) == OK
        assert len(c.call("DUMP", "n")[1][:-10]) == len(body)


VALUES = sorted(glob.glob(os.path.join(TOP, "tests", "fuzz", "corpus", "rdb",
                                       "[0-9][0-9]-*")))


@pytest.mark.parametrize("path", VALUES, ids=os.path.basename)
def test_values_of_real_servers(raw, config_name, path):
    """Each way a collection was ever written comes back as its kind."""
    if config_name == "redis":
        pytest.skip("has types that 7.0 does not know")
    with open(path, "rb") as f:
        body = f.read()
    valkey = body[0] & 0x80
    body = bytes([body[0] & 0x7f]) + body[1:]
    kind = os.path.basename(path).split("-")[1].encode()
    c = raw()
    answer = c.call("RESTORE", "k", "0", payload(body, 80 if valkey else 12))
    if answer == BAD and b"ttl" in path.encode():
        # all its fields may have expired long ago
        return
    assert answer == OK
    assert c.call("TYPE", "k") == ("+", kind)
    p = c.call("DUMP", "k")[1]
    assert c.call("RESTORE", "k2", "0", p) == OK
    assert c.call("DUMP", "k2")[1] == p or kind in (b"set", b"hash", b"zset")


def test_a_plain_node_of_a_list_is_not_empty(raw):
    """Elements have nodes of their own only if they are very long."""
    payload = (b"\x12\x01\x01\x00\x0a\x00"
               b"\x8f\xc6\xc0\x57\x1c\x0a\xb3\x3c")
    assert raw().call("RESTORE", "l", "0", payload) == (
        "-", b"ERR Bad data format")
