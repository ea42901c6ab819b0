#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How the cost of GET and SET grows: with keys, clients, the pipeline, the
value and namespaces, each alone.

    growth.py [--servers kvns,redis] [--only keys,clients] [--rounds 3]

Nanoseconds of the server's CPU an operation, medians of rounds in which the
servers take turns.  What stands still meanwhile: 100,000 keys, 50 clients, a
pipeline of 16, values of 32 bytes.
"""

import argparse
import resource
import shutil
import statistics
import sys

from bench import KEY, Work, run_work, strings
from common import save, start, table

NAMESPACED = "ns__rand_int__/key"


def spread(n):
    """n namespaces of one key each."""
    def fill():
        for i in range(n):
            yield "SET", "ns%012d/key" % i, "v" * 32
    return fill


def both(n, **how):
    """GET and SET of the same kind; GET fills for both."""
    key = how.pop("key", KEY)
    value = how.pop("value", "v" * 32)
    return (Work("get", ["GET", key], n=n, **how),
            Work("set", ["SET", key, value], n=n, **how))


def keys():
    for exponent in range(3, 8):
        count = 10 ** exponent
        yield count, both(1000000, pipeline=100, keys=count,
                          fill=strings(count))


def clients():
    fill = strings(100000)
    for count in (1, 10, 100, 1000, 10000):
        yield count, both(40000 if count == 1 else 100000, pipeline=1,
                          clients=count, fill=fill)


def pipeline():
    fill = strings(100000)
    for depth in (1, 3, 10, 30, 100, 300, 1000):
        yield depth, both(100000 if depth < 10 else 1000000, pipeline=depth,
                          fill=fill)


def value():
    for exponent in range(7):
        size = 10 ** exponent if exponent < 6 else 1 << 20
        text = "v" * size
        yield size, both(60000 if size < 10 ** 5 else 4000, pipeline=1,
                         keys=100, value=text, fill=strings(100, text))


def namespaces():
    for exponent in range(6):
        count = 10 ** exponent
        yield count, both(500000, keys=count, key=NAMESPACED,
                          fill=spread(count))


AXES = {"keys, pipeline 100": keys, "clients, no pipeline": clients,
        "pipeline": pipeline, "bytes of a value, no pipeline": value,
        "namespaces of one key each": namespaces}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--servers", default="kvns,redis")
    parser.add_argument("--only", default="",
                        help="axes whose name begins like one of these")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if shutil.which("redis-benchmark") is None:
        sys.exit("growth.py: redis-benchmark is not installed")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    only = tuple(args.only.split(",")) if args.only else ("",)
    names = args.servers.split(",")
    heading = ["%s %s" % (s, c) for c in ("GET", "SET") for s in names]
    rows = []
    servers = {}
    try:
        for name in names:
            servers[name] = start(name)
        for axis, points in AXES.items():
            if not axis.startswith(only):
                continue
            for at, works in points():
                got = [run_work(servers, work, args.rounds, 1,
                                statistics.median) for work in works]
                rows.append({"axis": axis, "at": at, "cpu_ns": [
                    g[s]["cpu_ns"] if s in g else None
                    for g in got for s in names]})
                print(axis, at, rows[-1]["cpu_ns"], flush=True)
        table([["ns of CPU", ""] + heading] + [
            [r["axis"], str(r["at"])] +
            ["-" if ns is None else "%.0f" % ns for ns in r["cpu_ns"]]
            for r in rows])
        save("growth.json", {"columns": heading, "rows": rows})
    finally:
        for server in servers.values():
            if server is not None:
                server.stop()
                server.discard()


if __name__ == "__main__":
    main()
