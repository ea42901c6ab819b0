#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Operations per second and mean times: SET and GET, direct and pipelined.

    profiles.py [--servers kvns,sharded] [--seconds 10] [--pipeline 16]

Values of 256 bytes, 50 connections, 100,000 keys, driven by redis-benchmark;
nothing is pinned, so that several loops get their cores.  With two servers a
last column has the second one's figure to the first one's.
"""

import argparse
import csv
import subprocess

from common import save, start, table

VALUE = "v" * 256
NAMES = {"kvns": "Classic", "sharded": "Sharded", "sharded2": "Sharded",
         "redis": "Redis"}


def run(server, command, pipeline, n):
    """(operations a second, mean time in ms)"""
    out = subprocess.run(
        ["redis-benchmark", "-h", server.host, "-p", str(server.port),
         "-n", str(n), "-c", "50", "-P", str(pipeline), "-r", "100000",
         "--csv"] + command, check=True, capture_output=True, text=True)
    row = list(csv.reader(out.stdout.strip().split("\n")))[-1]
    return float(row[1]), float(row[2])


def profile(server, command, pipeline, seconds):
    """The same for about so many seconds."""
    ops, _ = run(server, command, pipeline, 20000 * pipeline)
    return run(server, command, pipeline, max(1000, int(ops * seconds)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--servers", default="kvns")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pipeline", type=int, default=16)
    args = parser.parse_args()
    results = {}
    for name in args.servers.split(","):
        server = start(name)
        if server is None:
            continue
        results[name] = {}
        try:
            for label, pipeline in (("Direct", 1),
                                    ("Pipeline", args.pipeline)):
                for verb in ("SET", "GET"):
                    command = [verb, "key:__rand_int__"]
                    if verb == "SET":
                        command.append(VALUE)
                    results[name]["%s %s" % (label, verb)] = profile(
                        server, command, pipeline, args.seconds)
        finally:
            server.stop()
            server.discard()
    servers = list(results)
    both = len(servers) == 2
    heading = ["Metric"] + [NAMES.get(s, s) for s in servers]
    rows = [heading + (["%s / %s" % (heading[2], heading[1])] if both
                       else [])]
    for i, unit, form in ((0, "ops/sec", "{:,.0f}"), (1, "avg ms", "{:.3f}")):
        for metric in results[servers[0]]:
            values = [results[s][metric][i] for s in servers]
            ratio = 0
            if both and all(values):    # a shorter time is the better one
                ratio = values[0] / values[1] if i else values[1] / values[0]
            rows.append(["%s %s" % (metric, unit)] +
                        [form.format(v) for v in values] +
                        ["%.2fx" % ratio] * both)
    table(rows)
    save("profiles.json", {"pipeline": args.pipeline, "results": results})


if __name__ == "__main__":
    main()
