# SPDX-License-Identifier: MIT
"""Large collections go from shard to shard as they are: what is in them, what
they cost, what a snapshot finds, and that nobody waits for it."""

import random
import time

import pytest
from conftest import connect_py
from test_large_snapshot import KINDS, fill, start

NAMES = ["big", "b", "c", "d", "e", "ns/f", "ns/g", "other/h", "i", "j"]


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("about shards")


def digest(r, name):
    return r.execute_command("DEBUG", "DIGEST-VALUE", name)


def same_change(pipe, kind, d, name, n):
    """A change that follows from d alone, to be made to two alike."""
    k, new = d.randrange(n), d.randrange(10 ** 6)
    if kind == "set":
        pipe.srem(name, "m:%d" % k)
        pipe.sadd(name, "new:%d" % new, "more:%d" % new)
    elif kind == "hash":
        pipe.hset(name, "f:%d" % k, "changed" * (new % 9))
        pipe.hdel(name, "f:%d" % (k + 1))
    elif kind == "zset":
        pipe.zadd(name, {"m:%d" % k: new, "new:%d" % new: k})
        pipe.zremrangebyrank(name, k // 2, k // 2 + 2)
    elif kind == "list":
        pipe.rpush(name, "x" * (new % 300))
        pipe.lset(name, k // 2, "changed")
        pipe.lpop(name)
        pipe.linsert(name, "BEFORE", "changed", new)
    else:
        pipe.execute_command("XADD", name, "%d-%d" % (10 ** 9, k + 1), "f", k)
        pipe.execute_command("XDEL", name, "%d-%d" % (k // 3 + 1, k))
        pipe.execute_command("XACK", name, "g", "%d-%d" % (k // 3 + 1, k))
        pipe.execute_command("XREADGROUP", "GROUP", "h", "a", "COUNT", 3,
                             "STREAMS", name, ">")


@pytest.mark.parametrize("kind", KINDS)
def test_a_wanderer_is_what_one_that_stays_is(fresh_server, tmp_path, kind):
    s, r = start(fresh_server, tmp_path / "x.rdb")
    n, name = 3000, "big"
    d = random.Random(1)
    fill(r, kind, n)
    r.copy("big", "twin")
    pipe = r.pipeline(transaction=False)
    for i in range(300):
        for who in (name, "twin"):
            same_change(pipe, kind, random.Random(i), who, n)
        if i % 3 == 0:
            to = d.choice([k for k in NAMES if k != name])
            pipe.rename(name, to)
            name = to
        for who in (name, "twin"):
            same_change(pipe, kind, random.Random(1000 + i), who, n)
    pipe.execute(raise_on_error=False)
    assert r.dbsize() == 2
    assert r.memory_usage(name) > 32768
    assert digest(r, name) == digest(r, "twin")
    # and what is freed by another shard than made it comes back
    assert r.delete(name, "twin") == 2
    until = time.monotonic() + 20
    while time.monotonic() < until:
        m = r.info("memory")
        if m["allocator_active"] < m["allocator_allocated"] + (4 << 20):
            break
        time.sleep(0.05)
    assert m["used_memory_dataset"] < 20000
    assert m["allocator_active"] < m["allocator_allocated"] + (4 << 20)


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot_finds_what_wanders(fresh_server, tmp_path, kind):
    """It is renamed and changed all the time, also while it is written."""
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    d, n, name, moves = random.Random(2), 5000, "big", 0
    fill(r, kind, n)
    for i in range(300):
        r.set("small:%d" % i, "x" * 500)
    r.config_set("save", "")
    for turn in range(3):
        r.rename(name, "start")
        name = "start"
        want = digest(r, name), r.dbsize()
        r.bgsave()
        busy = True
        while busy:
            pipe = r.pipeline(transaction=False)
            for i in range(d.randrange(1, 4)):
                to = d.choice([k for k in NAMES if k != name])
                pipe.rename(name, to)
                name = to
                same_change(pipe, kind, d, name, n)
                moves += 1
            pipe.set("small:%d" % d.randrange(300), "y")
            pipe.execute(raise_on_error=False)
            busy = r.info("persistence")["rdb_bgsave_in_progress"]
        assert r.info("persistence")["rdb_last_bgsave_status"] == "ok", (
            s.log_tail())
        s2, r2 = start(fresh_server, path)
        assert (digest(r2, "start"), r2.dbsize()) == want, turn
        r2.close()
        s2.kill()
    assert moves >= 3
