#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Resident bytes per key, of a fresh server for each row.

    memory.py [--quick] [--servers kvns,redis] [--only string]

String rows show what is above the 16 bytes of the key and the bytes of the
value, at 0.7, 1, 1.4 and 2 million keys and their mean: tables that double
look good at one size only.  Other rows show all of a key, or of a member.
"""

import argparse
import statistics

from common import pipe, resident, save, start, table
from harness.resp import Raw

SIZES = [700000, 1000000, 1400000, 2000000]
VALUE = "v" * 32


def key(i):
    return "key:%012d" % i


def plain(n):
    return (("SET", key(i), VALUE) for i in range(n))


def expiring(n):
    return (("SET", key(i), VALUE, "EX", 100000 + i % 1000000)
            for i in range(n))


def integers(n):
    return (("SET", key(i), 1000000 + i) for i in range(n))


def hashes(n):
    return (["HSET", key(i)] + [x for f in range(10)
                                for x in ("f%02d" % f, "%016d" % (i + f))]
            for i in range(n))


def lists(n):
    return (["RPUSH", key(i)] + ["%016d" % (i + j) for j in range(10)]
            for i in range(n))


def one_set(n):
    return (["SADD", "set"] + ["m:%012d" % j for j in range(i, i + 100)]
            for i in range(0, n, 100))


def one_zset(n):
    return (["ZADD", "zset"] + [x for j in range(i, i + 100)
                                for x in (j * 7919 % n, "m:%012d" % j)]
            for i in range(0, n, 100))


# name, how it is filled, sizes, bytes of key and value to leave out, aim
ROWS = [
    ("string 16+32", plain, SIZES, 48, 20),
    ("string 16+32, TTL", expiring, SIZES, 48, 36),
    ("integer, 16 B key", integers, SIZES, 23, 20),
    ("hash of 10 fields", hashes, [200000], 0, 265),
    ("list of 10", lists, [200000], 0, 235),
    ("set of 1 M, a member", one_set, [1000000], 0, 32),
    ("zset of 1 M, a member", one_zset, [1000000], 0, 64),
]


def measure(name, fill, n, less):
    """Bytes per key, or None where the server cannot do it."""
    server = start(name)
    if server is None:
        return None
    try:
        # One round trip first: what a first client costs is no key's.
        pipe(server.address, [("SET", "warm", "up"), ("DEL", "warm")])
        before = resident(server.pid)
        if pipe(server.address, fill(n)):
            return None
        after = resident(server.pid)
        with Raw(server.address) as raw:
            kept = raw.call("DBSIZE")
        if kept[0] == ":" and kept[1] not in (n, 1):
            return None
        return (after - before) / n - less
    finally:
        server.stop()
        server.discard()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true",
                        help="a tenth of the keys")
    parser.add_argument("--servers", default="kvns,redis")
    parser.add_argument("--only", default="",
                        help="rows whose name begins like this")
    args = parser.parse_args()
    names = args.servers.split(",")
    rows, results = [["bytes", "keys"] + names + ["aim"]], {}
    for title, fill, sizes, less, aim in ROWS:
        if not title.startswith(args.only):
            continue
        got = {name: [] for name in names}
        for n in sizes:
            n = n // 10 if args.quick else n
            line = [title, "%.2f M" % (n / 1e6)]
            for name in names:
                figure = measure(name, fill, n, less)
                got[name].append(figure)
                line.append("-" if figure is None else "%.1f" % figure)
            rows.append(line + [str(aim)])
            print("  ".join(line), flush=True)
        if len(sizes) > 1:
            means = [statistics.mean(got[n]) if None not in got[n] else None
                     for n in names]
            rows.append([title, "mean"] + [
                "-" if m is None else "%.1f" % m for m in means]
                + [str(aim)])
        results[title] = {"sizes": sizes, "bytes": got, "aim": aim}
    print()
    table(rows)
    save("memory.json", {"results": results})


if __name__ == "__main__":
    main()
