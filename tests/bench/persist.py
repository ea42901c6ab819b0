#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a snapshot costs those who go on working: stalls, memory, time.

    persist.py [--quick] [--servers kvns,copy,redis] [--only stall,1m,2m]
    persist.py --members 10000000 [--kinds set,hash,zset,list] [--realtime]
               [--servers sharded]

    stall    200,000 keys of 256 bytes, a snapshot every 2 seconds, 50 clients
             that write without pipelining
    1m       1,000,000 keys of 256 bytes, the same clients, one snapshot after
             the other
    2m       2,000,000 keys of 32 bytes, the same, and how long the file takes
             to load

With --members: one collection of so many is saved and at once changed here and
there, renamed, swapped away, deleted, flushed.  Each file is loaded by the next
server, which must find the collection as it was; the waits are those of GETs
of another client while the snapshot goes on.  --realtime lets the server and
that client go before everything else (it needs the right to do so).

"copy" is kvns with KVNS_SHARED_VALUES=false, "sharded2" two loops, "sharded"
seven shards of one loop; --members takes one server, else kvns. Each row is
once without snapshots and once with them: writes a second, percentiles of the
writers' waits (redis-benchmark), the longest wait of one more client that only
reads (prober.c), all in milliseconds; then what memory grew by while saving (a
fork's own pages with it; a quiet run's growth taken off), how long a snapshot
took, and a load. A busy machine adds its own waits: compare with the row
without snapshots, and repeat.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from common import hurry, kvns_binary, pipe, save, table
from harness.resp import Raw, encode
from harness.server import Server, build

#        keys, bytes of a value, seconds between snapshots (0: at once)
SCENES = {
    "stall": (200000, 256, 2),
    "1m": (1000000, 256, 0),
    "2m": (2000000, 32, 0),
}
CLIENTS = 50


def start(name, path):
    if name == "redis":
        binary = shutil.which("redis-server")
        s = Server(binary, "redis")
        s.args = ["--dir", os.path.dirname(path),
                  "--dbfilename", os.path.basename(path)]
    else:
        config = {"sharded": "shards7", "sharded2": "shards7x2"}.get(
            name, "classic")
        s = Server(kvns_binary(), config, ["--redis", "--save", ""],
                   persist_path=path, memory_limit=str(8 << 30),
                   shared_values="no" if name == "copy" else "yes")
    return s.start()


def fill(server, keys, size):
    value = "v" * size
    pipe(server.address, (("SET", "key:%012d" % i, value)
                          for i in range(keys)))


class Memory(threading.Thread):
    """The most memory that a server and its children have at a time: what is
    resident of the server, and what its children have to themselves.  Only
    theirs is looked at page by page: who is looked at so has to wait."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.ends = pid, 0, False
        self.first = self.now()
        self.start()

    def now(self):
        with open("/proc/%d/statm" % self.pid) as f:
            total = int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        try:
            with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as f:
                children = f.read().split()
            for child in children:
                with open("/proc/%s/smaps_rollup" % child) as f:
                    total += 1024 * sum(map(int, re.findall(
                        r"\nPrivate_\w+: +(\d+)", f.read())))
        except OSError:
            pass                    # it has ended meanwhile
        return total / (1 << 20)

    def run(self):
        while not self.ends:
            self.most = max(self.most, self.now())
            time.sleep(0.02)

    def growth(self):
        self.ends = True
        self.join()
        return self.most - self.first


def write(server, keys, size, requests):
    """Writes a second, and their waits by percentile."""
    done = subprocess.run(
        ["redis-benchmark", "-p", str(server.port), "-c", str(CLIENTS),
         "-n", str(requests), "-r", str(keys), "-d", str(size),
         "SET", "key:__rand_int__", "x" * size],
        capture_output=True, text=True)
    out = done.stdout
    rate = float(re.findall(r"throughput summary: ([\d.]+)", out)[-1])
    waits = [(float(a), float(b)) for a, b in re.findall(
        r"([\d.]+)% <= ([\d.]+) milliseconds \(cumulative", out)]

    def percentile(p):
        return next((ms for at, ms in waits if at >= p), waits[-1][1])
    return rate, percentile(50), percentile(99), percentile(99.9), \
        waits[-1][1]


class Snapshots(threading.Thread):
    """One after the other, or every so many seconds; how long each took."""

    def __init__(self, server, every):
        super().__init__(daemon=True)
        self.server, self.every = server, every
        self.took, self.ends, self.failed = [], False, 0
        self.start()

    def run(self):
        with Raw(self.server.address) as raw:
            while not self.ends:
                begun = time.monotonic()
                raw.call("BGSAVE")
                info = b"rdb_bgsave_in_progress:1"
                while b"rdb_bgsave_in_progress:1" in info:
                    time.sleep(0.01)
                    info = raw.call("INFO", "persistence")[1]
                self.took.append(time.monotonic() - begun)
                self.failed += b"rdb_last_bgsave_status:ok" not in info
                rest = begun + self.every - time.monotonic()
                while rest > 0 and not self.ends:
                    time.sleep(min(0.05, rest))
                    rest = begun + self.every - time.monotonic()

    def result(self):
        self.ends = True
        self.join()
        return self.took


def measure(server, keys, size, requests, every, saving):
    memory = Memory(server.pid)
    probe = subprocess.Popen([build("prober"), str(server.port), "600"],
                             stdout=subprocess.PIPE, text=True)
    snapshots = Snapshots(server, every) if saving else None
    row = dict(zip(("rate", "p50", "p99", "p999", "max"),
                   write(server, keys, size, requests)))
    if saving:
        row["took"] = snapshots.result()
        row["failed"] = snapshots.failed
    probe.send_signal(signal.SIGINT)
    n, *us = probe.communicate()[0].split()
    row["longest"] = max(float(x) for x in us) / 1000
    row["memory"] = memory.growth()
    return row


def load(name, path):
    """Seconds that the server itself says, or that it did not answer."""
    begun = time.monotonic()
    s = start(name, path)
    with Raw(s.address, timeout=60) as raw:
        while b"loading:1" in raw.call("INFO", "persistence")[1]:
            time.sleep(0.002)
        took = time.monotonic() - begun
        keys = raw.call("DBSIZE")[1]
    said = re.findall(rb"(?:loaded from disk: |expired, )([\d.]+) s",
                      s.log())
    s.kill()
    s.discard()
    return float(said[-1]) if said else took, keys


def scene(name, what, requests):
    keys, size, every = SCENES[what]
    directory = tempfile.mkdtemp(prefix="kvns-persist-")
    path = os.path.join(directory, "x.rdb")
    try:
        s = start(name, path)
        fill(s, keys, size)
        quiet = measure(s, keys, size, requests, every, False)
        busy = measure(s, keys, size, requests, every, True)
        with Raw(s.address, timeout=120) as raw:
            raw.call("SAVE")
        s.kill()
        s.discard()
        loads = sorted(load(name, path)[0] for _ in range(3))
        return {"quiet": quiet, "saving": busy, "load": loads,
                "bytes": os.path.getsize(path)}
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def row_of(name, what, kind, r, quiet):
    ms = ["%.3f" % r[x] for x in ("p50", "p99", "p999", "max", "longest")]
    cells = [what, name, kind, "%.0f" % r["rate"]] + ms
    if kind == "quiet":
        return cells + ["", "", ""]
    took = sorted(r["took"])
    return cells + ["%.0f MB" % max(0, r["memory"] - max(0, quiet["memory"])),
                    "%d x %.2f s" % (len(took), took[len(took) // 2]),
                    "%d failed" % r["failed"] if r["failed"] else ""]


# ---- one large collection --------------------------------------------------

def large_fill(server, kind, n):
    name = {"set": "SADD", "hash": "HSET", "zset": "ZADD", "list": "RPUSH"}
    each = {"set": lambda i: ["m:%d" % i], "hash": lambda i: ["m:%d" % i, i],
            "zset": lambda i: [i * 7 % n, "m:%d" % i],
            "list": lambda i: ["m:%d" % i]}[kind]
    pipe(server.address, ([name[kind], "big"] + [
        w for i in range(at, min(at + 200, n)) for w in each(i)]
        for at in range(0, n, 200)))


def large_change(kind, n):
    """Requests that change a member in some thousands, and both ends."""
    for i in range(0, n, n // 2000):
        if kind == "set":
            yield ["SREM", "big", "m:%d" % i]
            yield ["SADD", "big", "new:%d" % i]
        elif kind == "hash":
            yield ["HSET", "big", "m:%d" % i, "changed"]
            yield ["HDEL", "big", "m:%d" % (i + 1)]
        elif kind == "zset":
            yield ["ZADD", "big", -i, "m:%d" % i, i, "new:%d" % i]
            yield ["ZREM", "big", "m:%d" % (i + 1)]
        else:
            yield ["LPOP", "big"]
            yield ["RPUSH", "big", i]
            yield ["LSET", "big", i % 1000, "changed"]


ACTS = {
    "change": large_change,
    "rename": lambda kind, n: [["RENAME", "big", "other"]],
    "swap": lambda kind, n: [["SWAPDB", "0", "1"]],
    "delete": lambda kind, n: [["DEL", "big"]],
    "flush": lambda kind, n: [["FLUSHALL"]],
}


def large_check(raw, kind, n):
    """Is the collection whole: its count, and one in some thousands?"""
    count = {"set": "SCARD", "hash": "HLEN", "zset": "ZCARD", "list": "LLEN"}
    assert raw.call(count[kind], "big") == (":", n), raw.call(count[kind],
                                                              "big")
    for i in [j for at in range(0, n, n // 2000) for j in (at, at + 1)]:
        got = raw.call(*{"set": ("SISMEMBER", "big", "m:%d" % i),
                         "hash": ("HGET", "big", "m:%d" % i),
                         "zset": ("ZSCORE", "big", "m:%d" % i),
                         "list": ("LINDEX", "big", str(
                             i if i < n // 2 else i - n))
                         if i % 50 == 0 or n < 10 ** 6 else
                         ("LLEN", "big")}[kind])[1]
        if kind == "list":
            assert got in (n, b"m:%d" % i), (i, got)
        else:
            assert got == {"set": 1, "hash": b"%d" % i,
                           "zset": b"%d" % (i * 7 % n)}[kind], (i, got)
    for gone in ("new:0", "other"):
        assert raw.call("EXISTS", gone)[1] == 0
        if kind == "set":
            assert raw.call("SISMEMBER", "big", "new:0")[1] == 0


def large_start(name, path, kind, n):
    s = start(name, path)
    with Raw(s.address, timeout=300) as raw:
        while b"loading:1" in raw.call("INFO", "persistence")[1]:
            time.sleep(0.01)
        if os.path.exists(path):
            large_check(raw, kind, n)
        else:
            large_fill(s, kind, n)
            large_check(raw, kind, n)
    return s


def large_act(s, kind, n, act, realtime):
    """Save and act at once; [waits in ms, seconds the snapshot took]."""
    requests = [["BGSAVE"]] + list(ACTS[act](kind, n))
    if realtime:
        hurry(s.pid)
    probe = subprocess.Popen([build("prober"), str(s.port), "600"],
                             stdout=subprocess.PIPE, text=True)
    if realtime:
        hurry(probe.pid)
    time.sleep(0.3)
    with Raw(s.address, timeout=300) as raw:
        begun = time.monotonic()
        raw.send(b"".join(encode(*r) for r in requests))
        replies = raw.read_many(len(requests))
        assert not [r for r in replies if r[0] == "-"], replies[:3]
        info = b"rdb_bgsave_in_progress:1"
        while b"rdb_bgsave_in_progress:1" in info:
            time.sleep(0.02)
            info = raw.call("INFO", "persistence")[1]
        took = time.monotonic() - begun
        assert b"rdb_last_bgsave_status:ok" in info
    probe.send_signal(signal.SIGINT)
    n, *us = probe.communicate()[0].split()
    return [float(x) / 1000 for x in us] + [took]


def large(name, kind, n, realtime):
    directory = tempfile.mkdtemp(prefix="kvns-persist-")
    path = os.path.join(directory, "x.rdb")
    rows = []
    try:
        for act in ACTS:
            s = large_start(name, path, kind, n)
            *waits, took = large_act(s, kind, n, act, realtime)
            s.kill()
            s.discard()
            rows.append(["%d" % n, kind, act] + ["%.3f" % w for w in waits] +
                        ["%.1f s" % took])
            print(*rows[-1], flush=True)
        s = large_start(name, path, kind, n)
        s.kill()
        s.discard()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return rows


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--quick", action="store_true")
    p.add_argument("--servers")
    p.add_argument("--only", default="stall,1m,2m")
    p.add_argument("--requests", type=int)
    p.add_argument("--members", type=int)
    p.add_argument("--kinds", default="set,hash,zset,list")
    p.add_argument("--realtime", action="store_true")
    a = p.parse_args()
    if a.members:
        rows = [["members", "kind", "while saved", "median", "99.9 %",
                 "longest", "snapshot"]]
        for kind in a.kinds.split(","):
            rows += large(a.servers or "kvns", kind, a.members, a.realtime)
        table(rows)
        save("persist-large.json", {"rows": rows})
        return
    requests = a.requests or (200000 if a.quick else 1000000)
    results = {}
    rows = [["scene", "server", "", "writes/s", "p50", "p99", "p99.9", "max",
             "reader", "memory", "snapshot", "load"]]
    for what in a.only.split(","):
        for name in (a.servers or "kvns,copy,redis").split(","):
            if name == "redis" and not shutil.which("redis-server"):
                continue
            r = results["%s %s" % (what, name)] = scene(name, what, requests)
            rows.append(row_of(name, what, "quiet", r["quiet"], None))
            rows.append(row_of(name, what, "saving", r["saving"], r["quiet"]))
            rows[-1][-1] += " %.2f s" % r["load"][0]
    table(rows)
    save("persist.json", {"results": results})


if __name__ == "__main__":
    main()
