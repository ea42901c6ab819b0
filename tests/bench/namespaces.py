#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a namespace costs, and how long others wait while one is dropped.

    namespaces.py [--count 1000000] [--keys 10000000] [--only cost|drop]
                  [--realtime] [--quick]

Cost: that many namespaces of one key each ("ns0000001/key", value of 8
bytes), resident bytes of each above the empty server, in classic mode and
with 64 shards; and the CPU of a GET in another namespace before and after.
Drop: one namespace of that many keys; how long the GETs of another client
took while it was dropped and its memory came back: median, 99.9th percentile,
longest; and the CPU of the longest turn of the server's loops (turns.c), for
which any client may have had to wait, on a busy machine as well.
--quick: a fifth of the keys, a tenth of the namespaces.  On a busy machine,
--realtime lets server and prober go before everything else (it needs the right
to do so).
"""

import argparse
import os
import signal
import subprocess
import time

from common import (Server, cpu_ns, hurry, kvns_binary, pipe, resident, save,
                    table)
from harness.resp import Raw, encode
from harness.server import build
from stalls import Turns

SHARDED = {"KVNS_SHARDED_MODE": "true", "KVNS_SHARD_COUNT": "64",
           "KVNS_THREADS": "1"}


def start(sharded, turns=None):
    server = Server(kvns_binary(), "classic", memory_limit=str(12 << 30),
                    **(SHARDED if sharded else {}))
    return server.start() if turns is None else turns.preload(server.start)


def get_cost(server, n=100000):
    before = cpu_ns(server.pid)
    pipe(server.address, (("GET", "other/key%d" % (i % 1000))
                          for i in range(n)))
    return (cpu_ns(server.pid) - before) / n


def cost(count, sharded):
    server = start(sharded)
    pipe(server.address, (("SET", "other/key%d" % i, "v" * 8)
                          for i in range(1000)))
    get_cost(server)
    before = get_cost(server)
    empty = resident(server.pid)
    pipe(server.address, (("SET", "ns%07d/key" % i, "v" * 8)
                          for i in range(count)))
    with Raw(server.address, timeout=60) as raw:
        assert raw.call("DBSIZE")[1] == count + 1000
        used = raw.call("INFO", "memory")[1].decode()
        begun = time.monotonic()
        raw.send(encode("NAMESPACE", "LIST"))
        head = b"*%d\r\n" % (count + 1)
        left = len(head) + 15 * count + len(b"$5\r\nother\r\n")
        while left > 0:
            left -= len(raw.sock.recv(1 << 20))
        took = time.monotonic() - begun
    assert left == 0
    each = (resident(server.pid) - empty) / count
    accounted = int(used.split("used_memory:")[1].split()[0]) / count
    after = get_cost(server)
    server.stop()
    server.discard()
    return ["64 shards" if sharded else "classic", "%.0f" % each,
            "%.0f" % accounted, "%.0f" % before, "%.0f" % after,
            "%.0f ms" % (took * 1000)]


def roughly(pid):
    """Like resident, but the process need not stand still for it: that would
    be among the waits."""
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def probe(server, seconds, realtime):
    """A client that asks for little: [requests, median, 99.9 %, longest], of
    waits in ms.  It and the server go before everything else, if asked for."""
    if realtime:
        hurry(server.pid)
    process = subprocess.Popen([build("prober"), str(server.port),
                                str(seconds)],
                               stdout=subprocess.PIPE, text=True)
    if realtime:
        hurry(process.pid)
    return process


def waits(process):
    process.send_signal(signal.SIGINT)
    n, *us = process.communicate()[0].split()
    return "%s / %s / %s" % tuple("%.3f" % (float(x) / 1000) for x in us)


def drop(keys, sharded, realtime):
    turns = Turns()
    server = start(sharded, turns)
    pipe(server.address, (["MSET"] + [w for j in range(i, i + 20)
                                      for w in ("big/%09d" % j, "v" * 16)]
                          for i in range(0, keys, 20)))
    raw = server.raw(timeout=60)
    time.sleep(1)
    quiet = probe(server, 60, realtime)
    time.sleep(4)
    quiet = waits(quiet)
    full = resident(server.pid)
    busy = probe(server, 60, realtime)
    time.sleep(0.5)
    turns.clear()
    begun = time.monotonic()
    raw.ok("NAMESPACE", "DROP", "big")
    took = time.monotonic() - begun
    assert raw.call("DBSIZE")[1] == 0
    while roughly(server.pid) > full / 3 and time.monotonic() - begun < 50:
        time.sleep(0.05)
    back = time.monotonic() - begun
    time.sleep(0.5)
    turns.look()
    busy = waits(busy)
    server.stop()
    server.discard()
    return ["64 shards" if sharded else "classic", "%.3f ms" % (took * 1000),
            busy, quiet, "%.1f s" % back, "%.2f ms" % turns.found[0],
            str(turns.found[1])]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--count", type=int, default=1000000)
    p.add_argument("--keys", type=int, default=10000000)
    p.add_argument("--only", choices=["cost", "drop"])
    p.add_argument("--realtime", action="store_true")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--config", choices=["classic", "64"])
    args = p.parse_args()
    if args.quick:
        args.count, args.keys = args.count // 10, args.keys // 5
    modes = [m for m in (False, True)
             if args.config is None or m == (args.config == "64")]
    out = {}
    if args.only != "drop":
        rows = [["a namespace of one key", "resident", "accounted",
                 "GET ns before", "after", "LIST"]]
        rows += [cost(args.count, m) for m in modes]
        table(rows)
        out["cost"] = rows
    if args.only != "cost":
        rows = [["drop of %d keys" % args.keys, "DROP took",
                 "GETs meanwhile, ms", "quiet, ms", "memory back",
                 "longest turn", "over half a ms"]]
        rows += [drop(args.keys, m, args.realtime) for m in modes]
        print()
        table(rows)
        out["drop"] = rows
    save("namespaces.json", out)


if __name__ == "__main__":
    main()
