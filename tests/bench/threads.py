#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What several threads get out of one server.

    threads.py [--what embedded,waits,cost,loops] [--seconds 2] [--rounds 3]
               [--write]        the table of waits into docs/architecture.md

embedded  operations a second in process (threads.c): two threads against one,
          and beside them two threads with a server each, which is what the
          machine allows
waits     how often, and for how long, locks are waited for, by the number of
          shards and threads
cost      CPU per operation over sockets, pipeline 16, classic against sharded
          with one thread and with eight
loops     operations a second over sockets of commands that cost more, two
          loops against one, by a client that costs next to nothing (drive.c)
          and waits for a core until one is free
"""

import argparse
import os
import re
import statistics
import subprocess
import time

from bench import elements, members, strings
from common import TOP, cpu_ns, kvns_binary, pipe, save, table
from harness.server import Server, build

KEY = "key:__rand_int__"


def run(program, *args, first=None):
    out = subprocess.run([program, *map(str, args)], check=True,
                         preexec_fn=first, capture_output=True,
                         text=True).stdout.split()
    return [float(x) for x in out]


def modestly():
    """Do not take a core from those who work as soon as there is something to
    do: with three of us on two cores a loop would lose its while it holds
    locks."""
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def embedded(args):
    """Rounds take turns, so that a machine that slows down slows down all."""
    program = build("threads")
    modes = {"classic": (1, 0), "1 thread": (1, 256), "2 threads": (2, 256),
             "2 apart": (2, 256, "apart")}
    commands = args.commands.split(",")
    got = {(c, m): [] for c in commands for m in modes}
    for _ in range(args.rounds):
        for command in commands:
            for mode, (threads, shards, *apart) in modes.items():
                n, took, cpu = run(program, command, threads, shards,
                                   args.seconds, 32, args.keys, *apart)[:3]
                got[command, mode].append((n / took / 1e6, cpu / n * 1e9,
                                           cpu / took))
    rows = [["in process, batches of 32", *("%s Mop/s" % m for m in modes),
             "2 / 1", "apart / 1", "2 / apart", "cores", "CPU ns"]]
    result = {}
    for command in commands:
        best = {m: max(got[command, m]) for m in modes}
        one, two, apart = (best[m] for m in list(modes)[1:])
        cpu = [min(x[1] for x in got[command, m]) for m in modes]
        result[command] = {"best": best, "cpu": cpu}
        rows.append([command, *("%.2f" % best[m][0] for m in modes),
                     "%.2fx" % (two[0] / one[0]),
                     "%.2fx" % (apart[0] / one[0]),
                     "%.2fx" % (two[0] / apart[0]), "%.2f" % two[2],
                     " ".join("%.0f" % c for c in cpu)])
    table(rows)
    return result


def waits(args):
    program = build("threads-wait")
    rows = [["lock waits, SET", "threads", "waits in 1000", "ns each",
             "ns per operation"]]
    result = []
    for shards in 16, 64, 256, 1024:
        for threads in 1, 2, 4, 8:
            n, _, _, taken, waited, ns = run(program, "SET", threads, shards,
                                             args.seconds)
            row = (shards, threads, waited / n * 1000, ns / max(waited, 1),
                   ns / n)
            result.append(row)
            rows.append(["%d shards" % shards, str(threads),
                         "%.2f" % row[2], "%.0f" % row[3], "%.1f" % row[4]])
    table(rows)
    if args.write:
        write(result, args.seconds)
    return result


def write(result, seconds):
    """Replace the table between the marks."""
    counts = sorted({row[1] for row in result})
    rows = ["| shards | %s |" % " | ".join("%d thread%s" % (t, "s"[t < 2:])
                                           for t in counts),
            "|---" * (len(counts) + 1) + "|"]
    for shards in sorted({row[0] for row in result}):
        rows.append("| %d | %s |" % (shards, " | ".join(
            "%.2f, %.0f ns" % (row[2], row[4]) for row in result
            if row[0] == shards)))
    text = ("<!-- waits -->\n\nWaits in 1000 operations, and the time waited "
            "for each operation;\n%d cores, load %.1f when it was measured, %d "
            "s each:\n\n%s\n\n<!-- end -->" % (
                os.cpu_count(), os.getloadavg()[0], seconds, "\n".join(rows)))
    page = os.path.join(TOP, "docs", "architecture.md")
    with open(page) as f:
        old = f.read()
    new, n = re.subn(r"<!-- waits -->.*?<!-- end -->", lambda _: text, old,
                     flags=re.S)
    if n != 1:
        raise SystemExit("%s has no place for it" % page)
    with open(page, "w") as f:
        f.write(new)


def server(threads, shards=64):
    extra = {} if threads == 0 else {
        "sharded_mode": True, "shard_count": shards, "threads": threads}
    return Server(kvns_binary(), "classic", memory_limit=str(8 << 30),
                  **extra).start()


def drive(s, command, pipeline, n, keys=100000):
    """(CPU ns per operation, operations a second)"""
    used, began = cpu_ns(s.pid), time.monotonic()
    subprocess.run(["redis-benchmark", "-h", s.host, "-p", str(s.port), "-n",
                    str(n), "-c", "50", "-P", str(pipeline), "-r", str(keys),
                    "-q", *command], check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - began
    return (cpu_ns(s.pid) - used) / n, n / took


def compare(args, works, modes, which, label):
    """Medians of each work on each server, and the ratios to the first."""
    rows = [[label, *modes, *("%s / %s" % (m, list(modes)[0])
                              for m in list(modes)[1:])]]
    result = {}
    for name, (fill, command, pipeline, n) in works.items():
        got = {}
        servers = {m: server(t) for m, t in modes.items()}
        try:
            for s in servers.values():
                pipe(s.address, fill())
            for _ in range(args.rounds):
                for m, s in servers.items():
                    got.setdefault(m, []).append(
                        drive(s, command, pipeline, int(n * args.seconds)))
        finally:
            for s in servers.values():
                s.stop()
                s.discard()
        value = {m: statistics.median(x[which] for x in got[m])
                 for m in modes}
        first = value[list(modes)[0]]
        result[name] = value
        rows.append([name, *("%.0f" % v for v in value.values()),
                     *("%.2fx" % (value[m] / first)
                       for m in list(modes)[1:])])
    table(rows)
    return result


def cost(args):
    few = strings(100000)
    works = {"GET": (few, ["GET", KEY], 16, 400000),
             "SET": (few, ["SET", KEY, "v" * 32], 16, 400000)}
    modes = {"classic": 0, "1 thread": 1, "8 threads": 8}
    return compare(args, works, modes, 0, "CPU ns an operation")


def loops(args):
    """One loop and two take turns; drive.c costs little beside them.  Its
    clients are many enough for the loops to have work while it waits for a
    core."""
    program = build("drive")
    mset = ["MSET"] + ["key:%1000000", "v" * 32] * 10

    def lists():
        for i in range(8):
            for command in elements(600)():
                yield [command[0], "list:%012d" % i, *command[2:]]

    def sets():
        for i in range(64):
            for command in members(50000)():
                yield [command[0], "zset:%012d" % i, *command[2:]]

    # what fills, pipeline, bytes of a reply, the request
    works = {
        "ZADD of 8, large sets": (sets, 64, 4, ["ZADD", "zset:%64"] +
                                  ["%1000000", "e:%50000"] * 8),
        "MSET of 10": (strings(1000000), 64, 5, mset),
        "LRANGE 600": (lists, 16, 6 + 600 * 9, ["LRANGE", "list:%8", "0",
                                               "599"]),
    }
    modes = {"1 loop": 1, "2 loops": 2}
    rows = [["operations a second", *modes, "2 / 1", "cores of 2 loops",
             "CPU ns of 1 loop"]]
    result = {}
    for name, (fill, pipeline, reply, words) in works.items():
        servers = {m: server(t, 256) for m, t in modes.items()}
        got = {m: [] for m in modes}
        try:
            for s in servers.values():
                pipe(s.address, fill())
            for _ in range(args.rounds):
                for m, s in servers.items():
                    used = cpu_ns(s.pid)
                    n, took = run(program, s.port, args.seconds, 32, pipeline,
                                  reply, *words, first=modestly)
                    used = cpu_ns(s.pid) - used
                    got[m].append((n / took, used / took / 1e9, used / n))
        finally:
            for s in servers.values():
                s.stop()
                s.discard()
        value = {m: [statistics.median(x[i] for x in got[m])
                     for i in range(3)] for m in modes}
        result[name] = value
        one, two = value.values()
        rows.append([name, "%.0f" % one[0], "%.0f" % two[0],
                     "%.2fx" % (two[0] / one[0]), "%.2f" % two[1],
                     "%.0f" % one[2]])
    table(rows)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--what", default="embedded,waits,cost,loops")
    parser.add_argument("--commands", default="GET,SET,HSET,ZADD")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--keys", type=int, default=1000000,
                        help="of what runs in process")
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    every = {"embedded": embedded, "waits": waits, "cost": cost,
             "loops": loops}
    result = {}
    for what in args.what.split(","):
        result[what] = every[what](args)
        print()
    save("threads.json", result)


if __name__ == "__main__":
    main()
