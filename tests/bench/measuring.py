#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What it costs that the server measures: GET with 16 in a pipeline.

    measuring.py [--pairs 9] [--requests 1000000]

Two programs are compared: the usual one and one built with KVNS_NO_MEASURE,
which reads no clock for a command, counts none and keeps no histogram.  First
the instructions of a GET, by callgrind, which sees no clock: the kernel's page
for that is not there under it.  Then the server's CPU time for a GET from
redis-benchmark with 50 connections, in pairs, each in the other order than the
pair before: the median of each, and of the differences within the pairs.
"""

import argparse
import statistics
import subprocess

import instructions
from common import cpu_ns, pipe, save, table
from harness.server import Server, build

NAMES = "kvns-bench", "kvns-unmeasured"
PIPELINE = 16


def executed(path, n=6400):
    works = instructions.Works()
    fill, command = works.named["get"]
    server = instructions.Counted(path, "classic")
    try:
        server.send(fill)
        return server.count([command(i) for i in range(n)])[0] / n
    finally:
        server.stop()


def cpu(path, requests):
    """ns of CPU for a GET."""
    server = Server(path, "classic").start()
    try:
        pipe(server.address, (["SET", "key:%012d" % i, "x" * 32]
                              for i in range(10000)))
        load = ["redis-benchmark", "-p", str(server.port), "-t", "get", "-P",
                str(PIPELINE), "-c", "50", "-r", "10000", "-q", "-n"]
        subprocess.run(load + ["100000"], capture_output=True, check=True)
        used = cpu_ns(server.pid)
        subprocess.run(load + [str(requests)], capture_output=True,
                       check=True)
        return (cpu_ns(server.pid) - used) / requests
    finally:
        server.kill()
        server.discard()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--requests", type=int, default=1000000)
    args = parser.parse_args()
    paths = [build(name) for name in NAMES]
    instructions.BATCH = PIPELINE
    counted = [min(executed(p) for _ in range(2)) for p in paths]
    times = [[], []]
    for i in range(args.pairs):
        for which in (0, 1) if i % 2 == 0 else (1, 0):
            times[which].append(cpu(paths[which], args.requests))
    medians = [statistics.median(t) for t in times]
    more = statistics.median(a - b for a, b in zip(*times))
    rows = [["GET, pipeline 16", "measured", "not", "more", "%"],
            ["instructions"] + ["%.1f" % x for x in counted]
            + ["%.1f" % (counted[0] - counted[1]),
               "%.1f" % ((counted[0] / counted[1] - 1) * 100)],
            ["ns of CPU"] + ["%.0f" % x for x in medians]
            + ["%.0f" % more, "%.1f" % (more / medians[1] * 100)]]
    table(rows)
    save("measuring.json", {"instructions": counted, "ns": times})


if __name__ == "__main__":
    main()
