# SPDX-License-Identifier: MIT
"""A large collection is saved while it is changed, renamed, swapped away,
flushed: the file has what was, and nobody waits."""

import hashlib
import shutil
import threading
import time

import pytest

from conftest import connect_py
from harness.resp import encode
from harness.server import real_redis

KINDS = ["set", "hash", "zset", "list", "stream"]


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("about files that we write")


class Pinger(threading.Thread):
    """The longest wait of a client that asks for little."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.c, self.worst, self.n, self.ends = s.raw(), 0, 0, False
        self.start()

    def run(self):
        while not self.ends:
            begun = time.perf_counter()
            self.c.call("PING")
            self.worst = max(self.worst, time.perf_counter() - begun)
            self.n += 1
            time.sleep(0.0005)

    def result(self):
        self.ends = True
        self.join()
        self.c.close()
        return self.worst


def fill_stream(r, n):
    """A quarter is pending with three of a group, some with another."""
    for i in range(0, n, 10000):
        pipe = r.pipeline(transaction=False)
        for k in range(i, min(i + 10000, n)):
            pipe.execute_command("XADD", "big", "%d-%d" % (k // 3 + 1, k),
                                 "f", "value %d" % k)
        pipe.execute()
    for group, share in [("g", 12), ("h", 100), ("none", 0)]:
        r.xgroup_create("big", group, "0")
        for who in "abc" if share else []:
            r.execute_command("XREADGROUP", "GROUP", group, who, "COUNT",
                              n // share, "STREAMS", "big", ">")


def fill(r, kind, n):
    if kind == "stream":
        fill_stream(r, n)
        return
    pipe = r.pipeline(transaction=False)
    for i in range(0, n, 1000):
        few = range(i, min(i + 1000, n))
        if kind == "set":
            pipe.sadd("big", *["m:%d" % k for k in few])
        elif kind == "hash":
            pipe.hset("big", mapping={"f:%d" % k: k for k in few})
        elif kind == "zset":
            pipe.zadd("big", {"m:%d" % k: k * 7 % n for k in few})
        else:
            pipe.rpush("big", *["element %d" % k for k in few])
        if i % 100000 == 0:
            pipe.execute()
    pipe.execute()


def change_stream(pipe, n, few):
    def x(command, *args):
        pipe.execute_command(command, "big", *args)

    for k in range(0, n, n // few):
        x("XADD", "*", "f", k)
        x("XDEL", "%d-%d" % ((n - 1 - k) // 3 + 1, n - 1 - k))
        x("XACK", "g", "%d-%d" % (k // 12 + 1, k // 4))
        x("XCLAIM", "g", "d", 0, "%d-%d" % (k // 15 + 1, k // 5))
        pipe.execute_command("XREADGROUP", "GROUP", "h", "a", "COUNT", 1,
                             "STREAMS", "big", ">")
        if k % 5 == 0:
            x("XTRIM", "MAXLEN", n - k // 4)
    pipe.execute_command("XGROUP", "CREATE", "big", "another", "$")
    pipe.execute_command("XGROUP", "SETID", "big", "none", "$")
    pipe.execute_command("XGROUP", "DELCONSUMER", "big", "h", "b")
    pipe.execute_command("XGROUP", "DESTROY", "big", "g")
    x("XSETID", "%d-0" % 10 ** 15)


def change(pipe, kind, n):
    """Here and there, at both ends, and much of it."""
    few = 200 if n < 10 ** 6 else 2000
    if kind == "stream":
        change_stream(pipe, n, few)
        return
    for k in range(0, n, n // few):
        if kind == "set":
            pipe.srem("big", "m:%d" % k)
            pipe.sadd("big", "new:%d" % k)
        elif kind == "hash":
            pipe.hset("big", "f:%d" % k, "changed")
            pipe.hdel("big", "f:%d" % (k + 1))
        elif kind == "zset":
            pipe.zadd("big", {"m:%d" % k: -k, "new:%d" % k: k})
            pipe.zrem("big", "m:%d" % (k + 1))
        else:
            pipe.lpop("big")
            pipe.rpush("big", k)
            pipe.lset("big", k % 1000, "changed")
    if kind == "set":
        pipe.spop("big", 500)
    elif kind == "zset":
        pipe.zpopmin("big", 500)


def acts():
    yield "change", change
    yield "rename", lambda pipe, kind, n: pipe.rename("big", "other")
    yield "swap", lambda pipe, kind, n: pipe.swapdb(0, 1)
    yield "expire", lambda pipe, kind, n: pipe.pexpire("big", 1)
    yield "delete", lambda pipe, kind, n: pipe.delete("big")
    yield "flush", lambda pipe, kind, n: pipe.flushall()


def told(s):
    """The sum of all that XINFO tells of a stream, its groups with it."""
    sum, tail = hashlib.sha1(), b""
    with s.raw() as c:
        c.send(encode("XINFO", "STREAM", "big", "FULL", "COUNT", 0) +
               encode("ECHO", "over"))
        while not tail.endswith(b"$4\r\nover\r\n"):
            got = c.sock.recv(1 << 20)
            assert got
            sum.update(got)
            tail = tail[-20:] + got
    return sum.hexdigest()


def digest(s, r):
    return (r.execute_command("DEBUG", "DIGEST-VALUE", "big"), r.dbsize(),
            told(s) if r.type("big") == b"stream" else None)


def start(fresh_server, path):
    s = fresh_server(args=["--redis", "--save", "",
                           "--enable-debug-command", "local"],
                     persist_path=path)
    r = connect_py(s, 2)
    while r.info("persistence")["loading"]:
        time.sleep(0.01)
    return s, r


def saved_meanwhile(fresh_server, path, r, s, kind, n, name, act):
    """Save and act at once; returns the longest wait meanwhile."""
    want = digest(s, r)
    pinger = Pinger(s)
    pipe = r.pipeline(transaction=False)
    pipe.bgsave()
    act(pipe, kind, n)
    pipe.execute()
    while r.info("persistence")["rdb_bgsave_in_progress"]:
        time.sleep(0.005)
    wait = pinger.result()
    assert r.info("persistence")["rdb_last_bgsave_status"] == "ok", (
        name, s.log_tail())
    s2, r2 = start(fresh_server, path)
    assert digest(s2, r2) == want, (kind, name)
    r2.close()
    s2.kill()
    if kind == "stream" and shutil.which("redis-server"):
        check_with_redis(path, want)
    return wait


def check_with_redis(path, want):
    """redis-server finds the same in the file."""
    theirs = real_redis(args=["--dir", str(path.parent), "--dbfilename",
                              path.name, "--enable-debug-command", "local"])
    try:
        r = connect_py(theirs, 2)
        # the sums of DEBUG are our own
        assert digest(theirs, r)[1:] == want[1:]
        r.close()
    finally:
        theirs.kill()


def run(fresh_server, path, kind, n, names=None):
    s, r = start(fresh_server, path)
    waits = {}
    for name, act in acts():
        if names is not None and name not in names:
            continue
        if not r.exists("big") or name == "change":
            fill(r, kind, n)
        waits[name] = saved_meanwhile(fresh_server, path, r, s, kind, n, name,
                                      act)
        if name == "rename":
            r.rename("other", "big")
        elif name == "swap":
            r.swapdb(0, 1)
    print("%s of %d: longest waits in ms: %s" % (kind, n, {
        k: round(v * 1000, 1) for k, v in waits.items()}))
    return waits


@pytest.mark.parametrize("kind", KINDS)
def test_while_it_goes(fresh_server, tmp_path, kind):
    # how long is for the long test to say: this one's build checks itself
    n = 3000 if kind in ("list", "zset", "stream") else 8000
    run(fresh_server, tmp_path / "x.rdb", kind, n)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_a_million(fresh_server, tmp_path, kind):
    """Ten million, and how long anybody waits: tests/bench/persist.py."""
    # a stream of a million takes minutes to be filled and told of
    n = 300000 if kind == "stream" else 1000000
    waits = run(fresh_server, tmp_path / "x.rdb", kind, n,
                ("change", "rename", "swap", "flush"))
    assert max(waits.values()) < 2
