#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long GETs take that come at a fixed rate (paced.c).

    latency.py [--servers kvns,redis,null] [--rates 1000,10000,40000]

50 connections, the server on one core and the generator on the other; waits
in microseconds, of each percentile the median of the rounds.
"""

import argparse
import os
import statistics
import subprocess

from common import (CLIENT_CORE, SERVER_CORE, pin, save, start, table)
from harness.server import build


def measure(server, rate, seconds):
    """[median, 99 %, 99.9 %, longest] in microseconds"""
    pin(server.pid, SERVER_CORE)
    out = subprocess.run(
        [build("paced"), str(server.port), str(rate), str(seconds), "50"],
        check=True, capture_output=True, text=True,
        preexec_fn=lambda: os.sched_setaffinity(
            0, {min(CLIENT_CORE, os.cpu_count() - 1)})).stdout.split()
    return [float(x) for x in out[1:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--servers", default="kvns,redis,null")
    parser.add_argument("--rates", default="1000,10000,40000")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    servers, results = {}, []
    try:
        for name in args.servers.split(","):
            server = start(name)
            if server is not None:
                servers[name] = server
        for rate in args.rates.split(","):
            got = {name: [] for name in servers}
            for _ in range(args.rounds):
                for name, server in servers.items():
                    got[name].append(measure(server, rate, args.seconds))
            for name, rows in got.items():
                results.append({"rate": int(rate), "server": name,
                                "us": [statistics.median(column)
                                       for column in zip(*rows)]})
    finally:
        for server in servers.values():
            server.stop()
            server.discard()
    table([["GETs a second", "server", "median us", "99 %", "99.9 %",
            "longest"]] +
          [[str(r["rate"]), r["server"]] + ["%.0f" % us for us in r["us"]]
           for r in results])
    save("latency.json", {"results": results})


if __name__ == "__main__":
    main()
