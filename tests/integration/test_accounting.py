# SPDX-License-Identifier: MIT
"""What is accounted for, and what is resident: after any work."""

import os
import random
import time

import pytest

from harness.grammar import ROWS, Draw
from harness.resp import encode, plain, to_bytes


def memory(c):
    return {k: v for k, v in (line.split(b":", 1) for line in plain(
        c.call("INFO", "memory")).splitlines() if b":" in line)}


def number(c, name):
    return int(memory(c)[name])


def wait_emptied(c, share, room):
    """Wait until the arenas hold little more than is used."""
    limit = time.time() + 20
    while True:
        m = memory(c)
        held = int(m[b"allocator_active"])
        used = int(m[b"allocator_allocated"])
        if held < share * used + room:
            return
        assert time.time() < limit, (held, used)
        time.sleep(0.05)


def is_bare(binary):
    """Built without sanitizers, whose own memory would be seen too."""
    with open(binary, "rb") as f:
        text = f.read()
    return b"__asan_init" not in text and b"__tsan_init" not in text


def sums(c):
    """Bytes of all namespaces, each asked for."""
    total = 0
    for ns in {b"default"} | set(plain(c.call("NAMESPACE", "LIST"))):
        flat = plain(c.call("NAMESPACE", "INFO", ns))
        total += flat[flat.index(b"bytes") + 1]
    return total


def random_commands(seed, n):
    d = Draw.seeded(seed)
    rows = [r for r in ROWS if not r.blocking and r.name.split()[0] not in (
        "flushall", "flushdb", "swapdb", "client", "config", "debug", "reset",
        "subscribe", "psubscribe", "ssubscribe", "quit", "hello", "auth")]
    spaces = ["", "", "t1/", "t2/", "t3/", "a/b/"]
    for _ in range(n):
        row = d.pick(rows)
        args, _ = row.draw(d)
        steps = (row.before(args) if row.before else []) + [args]
        prefix = to_bytes(d.pick(spaces))
        for step in steps:
            step = [to_bytes(a) for a in step]
            # everything that looks like a key lives in one namespace or
            # another; what is none does no harm with a prefix
            yield [step[0]] + [prefix + a if len(a) in (2, 4) and
                               a[-1:].isdigit() and a[:1].isalpha() else a
                               for a in step[1:]]


def run(c, commands, window=500):
    pending = 0
    batch = []
    for args in commands:
        batch.append(encode(*args))
        pending += 1
        if pending == window:
            c.send(b"".join(batch))
            c.read_many(pending)
            batch, pending = [], 0
    if pending:
        c.send(b"".join(batch))
        c.read_many(pending)


def changes(d, n):
    """Long strings and large collections come, grow, shrink, are copied and
    moved, get deadlines and lose them, also those of their fields; and go."""
    names = ["k%d" % i for i in range(6)] + ["t1/k%d" % i for i in range(3)]
    names.append("long" * 20)

    def long():
        return "v" * d.below(30000)

    def words():
        return ["w%d" % d.below(60) for _ in range(1 + d.below(20))]

    def scored():
        return [x for w in words() for x in (d.below(9), w * d.below(5))]

    for _ in range(n):
        k = d.pick(names)
        yield d.pick([
            ["SET", k, long()], ["APPEND", k, long()], ["GETSET", k, long()],
            ["SETRANGE", k, d.below(20000), long()],
            ["RPUSH", k] + words(), ["LPOP", k, 1 + d.below(9)],
            ["LTRIM", k, d.below(9), 30], ["LREM", k, 0, "w1"],
            ["LINSERT", k, "BEFORE", "w2", long()], ["LSET", k, 1, "x"],
            ["HSET", k] + scored(), ["HDEL", k] + words(),
            ["HEXPIRE", k, 1000, "FIELDS", 2, d.below(9), d.below(9)],
            ["HPERSIST", k, "FIELDS", 1, d.below(9)],
            ["HSET", k, "w1", long()], ["SADD", k] + words(),
            ["SREM", k] + words(), ["SPOP", k, d.below(9)],
            ["ZADD", k] + scored(), ["ZINCRBY", k, 2, "w1w1"],
            ["ZPOPMIN", k, d.below(9)], ["ZREM", k] + words(),
            ["XADD", k, "*", "f", long()], ["XTRIM", k, "MAXLEN", 5],
            ["XGROUP", "CREATE", k, "g", 0],
            ["XREADGROUP", "GROUP", "g", "w", "COUNT", 3, "STREAMS", k, ">"],
            ["EXPIRE", k, 1000], ["PERSIST", k],
            ["COPY", k, d.pick(names), "REPLACE"],
            ["RENAME", k, d.pick(names)], ["MOVE", k, 1 + d.below(2)],
            ["COPY", k, k, "DB", 1, "REPLACE"], ["DEL", k],
            ["NAMESPACE", "FLUSH", "t1"]])


SMALL = {"hash-max-listpack-entries": 4, "set-max-intset-entries": 4,
         "set-max-listpack-entries": 4, "zset-max-listpack-entries": 4,
         "list-max-listpack-size": 4, "stream-node-max-entries": 4}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_change_is_counted(fresh_server, seed):
    """Builds that verify compare what a namespace was charged with what it
    had, when its last key goes and when it is flushed."""
    s = fresh_server(["--redis"])
    d = Draw.seeded(seed)
    with s.raw(timeout=60) as c:
        for name, value in SMALL.items():
            c.ok("CONFIG", "SET", name, value)
        for _ in range(10):
            run(c, changes(d, 400))
            assert number(c, b"used_memory") == sums(c)
            c.ok("FLUSHALL")
            assert number(c, b"used_memory") == 0
        run(c, changes(d, 400))
    s.stop()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_work_ends_at_nothing(fresh_server, binary, seed):
    """Builds that verify compare each change with the key's own size."""
    s = fresh_server(["--redis"])
    with s.raw(timeout=60) as c:
        run(c, random_commands(seed, 3000))
        c.call("SELECT", 0)
        used = number(c, b"used_memory")
        assert used > 1000
        assert used == sums(c)
        if is_bare(binary):
            rss = number(c, b"used_memory_rss")
            assert rss <= 1.15 * used + 20e6
        c.ok("FLUSHALL")
        assert number(c, b"used_memory") == 0
        assert plain(c.call("NAMESPACE", "LIST")) == []
        assert sums(c) == 0
        # and the same with every key removed by itself
        run(c, random_commands(seed + 100, 1000))
        for db in range(16):
            c.ok("SELECT", db)
            keys = plain(c.call("KEYS", "*"))
            for k in keys:
                c.call("DEL", k)
            assert plain(c.call("DBSIZE")) == 0
        left = number(c, b"used_memory")
        c.ok("FLUSHALL")
        # an empty index of the default namespace may have stayed
        assert left < 16 * 7 * 4096
        assert number(c, b"used_memory") == 0


def fill(c, rnd, keys, low, high):
    run(c, (["SET", "k%d" % k, value(k, rnd.randint(low, high))]
            for k in keys))


def value(k, n):
    return ((b"%07d." % k) * n)[:n]


def test_sparse_pages_are_emptied(fresh_server, binary, config_name):
    """What is left after most has gone is moved together; and is what it
    was."""
    s = fresh_server()
    rnd = random.Random(5)
    n = 120000 if is_bare(binary) else 30000
    # of each size of blocks, and there are 104, a page is in use
    open_pages = (104 << 16) * (1 if config_name == "classic" else 7)
    with s.raw(timeout=60) as c:
        fill(c, rnd, range(n), 60, 64)
        run(c, (["SADD", "set"] + ["member:%d" % i for i in range(j, j + 50)]
                for j in range(0, n // 6, 50)))
        run(c, (["HSET", "hash"] + [w for i in range(j, j + 50)
                                    for w in ("field:%d" % i, "v%d" % i)]
                for j in range(0, n // 6, 50)))
        run(c, (["ZADD", "zset"] + [w for i in range(j, j + 50)
                                    for w in (i % 1000, "member:%d" % i)]
                for j in range(0, n // 6, 50)))
        keep = {k for k in range(n) if rnd.random() < 0.3}
        run(c, (["DEL", "k%d" % k] for k in range(n) if k not in keep))
        gone = [i for i in range(n // 6) if i % 10 >= 3]
        run(c, (["SREM", "set", "member:%d" % i] for i in gone))
        run(c, (["HDEL", "hash", "field:%d" % i] for i in gone))
        run(c, (["ZREM", "zset", "member:%d" % i] for i in gone))
        wait_emptied(c, 1.25, open_pages)
        if is_bare(binary):
            rss = int(memory(c)[b"used_memory_rss"])
            assert rss <= 1.15 * number(c, b"used_memory") + 20e6
        for k in sorted(keep):
            c.send(encode("GET", "k%d" % k))
        for k, got in zip(sorted(keep), c.read_many(len(keep))):
            v = plain(got)
            assert v == value(k, len(v)) and 60 <= len(v) <= 64
        left = [i for i in range(n // 6) if i % 10 < 3]
        assert set(plain(c.call("SMEMBERS", "set"))) == {
            b"member:%d" % i for i in left}
        flat = plain(c.call("HGETALL", "hash"))
        assert dict(zip(flat[::2], flat[1::2])) == {
            b"field:%d" % i: b"v%d" % i for i in left}
        ranked = sorted(left, key=lambda i: (i % 1000, b"member:%d" % i))
        assert plain(c.call("ZRANGE", "zset", "0", "-1")) == [
            b"member:%d" % i for i in ranked]
        for at in range(0, len(ranked), 97):
            assert plain(c.call("ZRANK", "zset",
                                "member:%d" % ranked[at])) == at
        c.ok("FLUSHALL")
        assert number(c, b"used_memory") == 0


def values(rnd):
    """Of all sizes: few are long."""
    return "v" * min(6000, int(rnd.paretovariate(0.8) * 10))


def mixed_work(rnd, n):
    """Keys of every kind, in the order of their coming."""
    def v():
        return values(rnd)
    for i in range(n):
        yield ["SET", "t%d/s%d" % (i % 5, i), v()]
        kind = i % 4
        if kind == 0:
            yield ["RPUSH", "l%d" % i] + [v() for _ in range(
                rnd.randint(1, 40))]
        elif kind == 1:
            yield ["HSET", "h%d" % i] + [
                w for k in range(rnd.randint(1, 60))
                for w in ("f%d" % k, v()[:100])]
        elif kind == 2:
            yield ["ZADD", "z%d" % i] + [
                w for k in range(rnd.randint(1, 200))
                for w in (k, "m%d:%d" % (k, i))]
        else:
            yield ["SADD", "set%d" % i] + [
                "m%d" % k for k in range(rnd.randint(1, 200))]
        if i % 8 == 0:
            yield ["XADD", "x%d" % (i % 400), "1-%d" % (i + 1), "f", v()]
        elif i % 8 == 1:
            yield ["ZADD", "bigz", i, "member%d" % i]
        elif i % 8 == 2:
            yield ["RPUSH", "bigl", "%d %s" % (i, v())]


def mass_removal(rnd, n, kept):
    for i in range(n):
        if i % 8 == 1 and i % 5 != 0:
            yield ["ZREM", "bigz", "member%d" % i]
        if rnd.random() < 0.1:
            kept.append(i)
            continue
        yield ["DEL", "t%d/s%d" % (i % 5, i),
               ["l%d", "h%d", "z%d", "set%d"][i % 4] % i]


def test_memory_returns_after_a_mass_removal(fresh_server, binary,
                                             config_name):
    """Of whatever kind the nine tenths were that went, and what is left is
    what it was.  Without blocks of every kind being moved, several times what
    is in use stays."""
    bare, shards = is_bare(binary), 1 if config_name == "classic" else 7
    n, kept = 16000 if bare else 4000, []
    s = fresh_server(["--redis"])
    rnd = random.Random(9)
    with s.raw(timeout=120) as c:
        c.ok("CONFIG", "SET", "hash-max-listpack-entries", "16")
        run(c, mixed_work(rnd, n))
        run(c, mass_removal(rnd, n, kept))
        few = kept[:100]
        names = [["l%d", "h%d", "z%d", "set%d"][i % 4] % i for i in few] + [
            "bigz", "bigl"] + ["x%d" % i for i in range(0, 400, 8)]
        c.send(b"".join(encode("DEBUG", "DIGEST-VALUE", k) for k in names))
        before = c.read_many(len(names))
        # in use: a page that is being filled and one that is left, of each
        # of 104 sizes, in each shard
        pages = 2 * (104 << 16) * shards
        wait_emptied(c, 1.15, pages)
        # POSIX has no way to give part of a page back
        if bare and shards == 1 and "plain" not in os.path.basename(binary):
            rss = number(c, b"used_memory_rss")
            assert rss <= 1.15 * number(c, b"used_memory") + 20e6
        c.send(b"".join(encode("DEBUG", "DIGEST-VALUE", k) for k in names))
        assert c.read_many(len(names)) == before
        # and all of it is still in order
        assert plain(c.call("ZRANGE", "bigz", "0", "-1")) == [
            b"member%d" % i for i in range(n) if i % 8 == 1 and i % 5 == 0]
        assert plain(c.call("ZREVRANGE", "bigz", "0", "-1"))[::-1] == plain(
            c.call("ZRANGE", "bigz", "0", "-1"))
        assert [int(w.split()[0]) for w in plain(
            c.call("LRANGE", "bigl", "0", "-1"))] == [
                i for i in range(n) if i % 8 == 2]
        for i in range(0, 400, 8):
            flat = plain(c.call("XRANGE", "x%d" % i, "-", "+"))
            assert len(flat) == plain(c.call("XLEN", "x%d" % i))
        c.ok("FLUSHALL")
        assert number(c, b"used_memory") == 0


@pytest.mark.long
@pytest.mark.parametrize("shards", [64, 256])
def test_memory_returns_in_many_shards(fresh_server, binary, shards):
    """Each shard has little of each size of blocks: what does not fill a
    piece of the system's lies together.  Without that there would be three
    times what is in use in 256 shards, and ten times after a mass removal."""
    bare = is_bare(binary)
    n = 16000 if bare else 4000
    s = fresh_server(["--redis"], sharded_mode=True, shard_count=shards,
                     threads=1)
    rnd, kept = random.Random(9), []

    def within_bound(c):
        m = memory(c)
        return int(m[b"used_memory_rss"]) <= (
            1.15 * int(m[b"used_memory"]) + 20e6)

    def wait_within_bound(c):
        limit = time.time() + 20
        while not within_bound(c):
            assert time.time() < limit, memory(c)
            time.sleep(0.1)
    # POSIX has no way to give part of a page back
    bare = bare and "plain" not in os.path.basename(binary)
    with s.raw(timeout=120) as c:
        run(c, mixed_work(rnd, n))
        if bare:
            wait_within_bound(c)
        run(c, mass_removal(rnd, n, kept))
        wait_emptied(c, 1.15, shards * 49152 if bare else
                     shards * 105 * 4096)
        if bare:
            wait_within_bound(c)
        left = ["t%d/s%d" % (i % 5, i) for i in kept]
        c.send(b"".join(encode("EXISTS", k) for k in left))
        assert [plain(r) for r in c.read_many(len(left))] == [1] * len(left)
        c.ok("FLUSHALL")
        wait_emptied(c, 1.15, 8 << 20)
        if bare:
            wait_within_bound(c)
        assert number(c, b"used_memory") == 0
