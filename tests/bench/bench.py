#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPU per operation, of several servers in turn.

    bench.py [--quick] [--servers kvns,redis,null] [--only get,set_p16]

Each server is pinned to core 0 and redis-benchmark to core 1.  The servers
take turns within a round, so that what the machine does meanwhile hits all of
them; the medians of the rounds are shown.  The figure to trust is the
server's CPU time per operation (threads summed): throughput depends on the
client and the neighbours.  "x null" is the ratio to a server that does
nothing (nullserver.c) in the same run, and what the design aims at.

Servers: kvns, sharded (7 shards, one loop), sharded2 (two loops), copied
(KVNS_SHARED_VALUES=false), redis, null.  BENCH_OTHERS adds others, as in
BENCH_OTHERS="name=command with {port};...", for --servers name.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

from common import (CLIENT_CORE, SERVER_CORE, cpu_ns, knows, pin, pipe, save,
                    start, table)
from harness.resp import Raw

VALUE = "v" * 32
KEY = "key:__rand_int__"


def strings(n, value=VALUE, prefix=""):
    def fill():
        for i in range(n):
            yield "SET", "%skey:%012d" % (prefix, i), value
    return fill


def fields(n):
    def fill():
        for i in range(n):
            yield "HSET", "myhash", "element:%012d" % i, VALUE
    return fill


def members(n):
    def fill():
        for i in range(0, n, 50):
            yield ["ZADD", "myzset"] + [
                x for j in range(i, min(i + 50, n))
                for x in (j * 7919 % n, "e:%012d" % j)]
    return fill


def elements(n):
    def fill():
        yield ["RPUSH", "mylist"] + ["xxx"] * n
    return fill


class Work:
    """One line of the table."""

    def __init__(self, name, command, pipeline=16, n=1000000, keys=100000,
                 fill=None, aim=None, clients=50, idle=0, quick=True,
                 beside=None, share=1.0):
        self.name = name
        self.command = command      # for redis-benchmark
        self.pipeline = pipeline
        self.n = n                  # requests of one run
        self.keys = keys            # range of __rand_int__
        self.fill = fill            # what has to be there
        self.aim = aim              # as a multiple of the null server
        self.clients = clients
        self.idle = idle            # further connections that say nothing
        self.quick = quick          # part of --quick
        self.beside = beside        # a second load at the same time
        self.share = share          # and how large it is to the first


def works():
    get, set_ = ["GET", KEY], ["SET", KEY, VALUE]
    few, many = strings(100000), strings(2000000)
    mset = ["MSET"] + [x for _ in range(10) for x in (KEY, VALUE)]
    yield Work("get_p1", get, 1, 200000, fill=few, aim=1.08)
    yield Work("set_p1", set_, 1, 200000, fill=few, aim=1.08)
    yield Work("get_p16", get, fill=few, aim=1.2)
    yield Work("set_p16", set_, fill=few, aim=1.3)
    yield Work("get_p100", get, 100, 2000000, fill=few, aim=1.6)
    yield Work("set_p100", set_, 100, 2000000, fill=few, aim=1.6)
    yield Work("mix_p16", get, fill=strings(100000, "v" * 256),
               beside=["SET", KEY, "v" * 256], share=0.1, quick=False)
    yield Work("get_ns_p16", ["GET", "ns1/" + KEY],
               fill=strings(100000, prefix="ns1/"), quick=False)
    yield Work("incr_p16", ["INCR", "counter:__rand_int__"], aim=1.3)
    yield Work("mset10_p16", mset, n=200000, aim=3)
    yield Work("lpush_p16", ["LPUSH", "list", VALUE], aim=1.4)
    yield Work("lpop_p16", ["LPOP", "list"], aim=1.4)
    yield Work("hset_p16", ["HSET", "myhash", "element:__rand_int__", VALUE],
               fill=fields(100000), aim=1.6)
    yield Work("hget_p16", ["HGET", "myhash", "element:__rand_int__"],
               fill=fields(100000), aim=1.6)
    yield Work("sadd_p16", ["SADD", "myset", "element:__rand_int__"],
               aim=1.6, quick=False)
    yield Work("zadd_p16", ["ZADD", "z", "__rand_int__",
                            "element:__rand_int__"], aim=2.2, quick=False)
    yield Work("zrange10_p16", ["ZRANGE", "myzset", "0", "9"],
               fill=members(1000), aim=1.6, quick=False)
    for n in (100, 300, 600):
        yield Work("lrange%d" % n, ["LRANGE", "mylist", "0", str(n - 1)], 1,
                   100000 if n == 100 else 50000, fill=elements(600),
                   aim=1.2, quick=n == 100)
    for size, n, aim in (("64k", 50000, 1.1), ("1m", 4000, None)):
        value = "v" * (65536 if size == "64k" else 1 << 20)
        yield Work("get_" + size, get, 1, n, 100, strings(100, value),
                   aim=aim, quick=False)
        yield Work("set_" + size, ["SET", KEY, value], 1, n // 2, 100,
                   quick=False)
    for size in (256, 65536):       # for KVNS_SHARED_VALUES
        value = "v" * size
        for pipeline in (1, 16):
            n = (200000 if size == 256 else 20000) * (1 + (pipeline > 1))
            name = "%%s_%d_p%d" % (size, pipeline)
            yield Work(name % "vget", get, pipeline, n, 100,
                       strings(100, value), quick=False)
            yield Work(name % "vset", ["SET", KEY, value], pipeline, n, 100,
                       quick=False)
    yield Work("zadd_1m_p16", ["ZADD", "myzset", "__rand_int__",
                               "e:__rand_int__"], n=500000, keys=1000000,
               fill=members(1000000), quick=False)
    yield Work("zrank_1m_p16", ["ZRANK", "myzset", "e:__rand_int__"],
               n=500000, keys=1000000, fill=members(1000000), quick=False)
    yield Work("zrange_1m_p16", ["ZRANGEBYSCORE", "myzset", "__rand_int__",
                                 "+inf", "LIMIT", "0", "10"],
               n=500000, keys=1000000, fill=members(1000000), quick=False)
    yield Work("get_2m_p100", get, 100, 2000000, 2000000, many, aim=1.8,
               quick=False)
    yield Work("set_2m_p100", set_, 100, 2000000, 2000000, many, aim=1.8,
               quick=False)
    yield Work("get_idle10k", get, 1, 200000, fill=few, idle=9900,
               quick=False)


def benchmark(server, work, command, n):
    if max(map(len, command)) > 100000:
        # more than an argument may have: redis-benchmark makes it itself
        assert command[:2] == ["SET", KEY]
        command = ["-t", "set", "-d", str(len(command[2]))]
    return subprocess.Popen(
        ["redis-benchmark", "-h", server.host, "-p", str(server.port),
         "-n", str(n), "-c", str(work.clients), "-P", str(work.pipeline),
         "-r", str(work.keys), "-q"] + command,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(
            0, {min(CLIENT_CORE, os.cpu_count() - 1)}))


def measure(server, work, scale):
    """(ns of CPU per operation, thousand operations a second)"""
    n = max(1000, int(work.n * scale))
    pin(server.pid, SERVER_CORE)
    idle = [Raw(server.address) for _ in range(work.idle)]
    used, began = cpu_ns(server.pid), time.monotonic()
    runs = [benchmark(server, work, work.command, n)]
    if work.beside:
        runs.append(benchmark(server, work, work.beside,
                              int(n * work.share)))
    for run in runs:
        if run.wait() != 0:
            return None
    took = time.monotonic() - began
    used = cpu_ns(server.pid) - used
    for c in idle:
        c.close()
    if work.beside:
        n += int(n * work.share)
    return used / n, n / took / 1000


def prepare(server, name, work):
    """Fill the server; false when it cannot do this."""
    if name.startswith("null"):
        if work.fill:               # it answers values as long as this one
            with Raw(server.address) as raw:
                raw.call(*next(iter(work.fill())))
        return True
    if work.fill and getattr(server, "filled", None) is work.fill:
        return True                 # as the work before has left it
    server.filled = None
    with Raw(server.address) as raw:
        raw.call("FLUSHALL")
    probe = [x.replace("__rand_int__", "000000000001") for x in work.command]
    if not knows(server.address, *probe):
        return False
    if work.fill and pipe(server.address, work.fill()) != 0:
        return False
    server.filled = work.fill
    return True


def run_work(servers, work, rounds, scale, middle):
    """The medians by server, or what `middle` takes instead."""
    got = {name: [] for name in servers}
    filled = {}
    for name, server in servers.items():
        if work.name == "lpop_p16" and not name.startswith("null"):
            continue                # what lpush_p16 left is popped
        filled[name] = prepare(server, name, work)
    for _ in range(rounds):
        for name, server in servers.items():
            if not filled.get(name, True):
                continue
            figures = measure(server, work, scale)
            if figures:
                got[name].append(figures)
    return {name: {"cpu_ns": middle([f[0] for f in figures]),
                   "kops": -middle([-f[1] for f in figures]),
                   "rounds": figures}
            for name, figures in got.items() if figures}


def show(results, servers):
    heading = ["ns of CPU"] + list(servers)
    ratios = "null" in servers
    ours = [s for s in servers
            if s in ("kvns", "copied", "sharded", "sharded2")]
    if ratios:
        heading += ["%s x null" % s for s in ours] + ["aim"]
    if "redis" in servers:
        heading += ["redis / %s" % s for s in ours]
    if "kvns" in servers and "sharded" in servers:
        heading += ["sharded / kvns"]
    rows = [heading]
    for name, result in results.items():
        def cpu(server):
            return result["servers"].get(server, {}).get("cpu_ns")

        def ratio(a, b):
            return "%.2f" % (a / b) if a and b else "-"

        row = [name] + ["%.0f" % cpu(s) if cpu(s) else "-" for s in servers]
        if ratios:
            row += [ratio(cpu(s), cpu("null")) for s in ours]
            row += ["%.2f" % result["aim"] if result["aim"] else "-"]
        if "redis" in servers:
            row += [ratio(cpu("redis"), cpu(s)) for s in ours]
        if "kvns" in servers and "sharded" in servers:
            row += [ratio(cpu("sharded"), cpu("kvns"))]
        rows.append(row)
    print()
    table(rows)
    print()
    table([["thousand/s"] + list(servers)] + [
        [name] + ["%.0f" % r["servers"][s]["kops"] if s in r["servers"]
                  else "-" for s in servers] for name, r in results.items()])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true",
                        help="fewer works, shorter runs")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--best", action="store_true",
                        help="the best round instead of the median: for a "
                             "machine that has other work")
    parser.add_argument("--servers", default="kvns,redis,null")
    parser.add_argument("--only", default="",
                        help="works whose name begins like one of these")
    parser.add_argument("--scale", type=float, default=None,
                        help="so many times the usual requests")
    args = parser.parse_args()
    if shutil.which("redis-benchmark") is None:
        sys.exit("bench.py: redis-benchmark is not installed")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rounds = args.rounds or (3 if args.quick else 5)
    scale = args.scale or (0.1 if args.quick else 1)
    only = tuple(args.only.split(",")) if args.only else ()
    chosen = [w for w in works()
              if (w.name.startswith(only) if only
                  else w.quick or not args.quick)]
    servers = {}
    try:
        for name in args.servers.split(","):
            server = start(name)
            if server is None:
                print("%s is not installed, left out" % name)
                continue
            servers[name] = server
        results = {}
        for work in chosen:
            results[work.name] = {
                "aim": work.aim,
                "servers": run_work(
                    servers, work, rounds, scale,
                    min if args.best else statistics.median)}
            print("%-14s %s" % (work.name, "  ".join(
                "%s %.0f" % (s, f["cpu_ns"]) for s, f in
                results[work.name]["servers"].items())), flush=True)
        show(results, list(servers))
        save("bench.json", {"rounds": rounds, "scale": scale,
                            "results": results})
    finally:
        for server in servers.values():
            server.stop()
            server.discard()


if __name__ == "__main__":
    main()
