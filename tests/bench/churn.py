#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Resident memory after keys have come and gone.

    churn.py [--keys 1000000] [--config classic] [--rounds 3]

Fills with values of one size, removes 70 % drawn at random, fills up with
another size, and so on.  Shows resident memory against what is accounted for;
the aim is 1.15 x accounted + 20 MB, also some time after the last removal.
"""

import argparse
import random
import time

from common import Server, kvns_binary, pipe, resident, table
from harness.resp import Raw


def key(i):
    return "key:%012d" % i


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--keys", type=int, default=1000000)
    p.add_argument("--config", default="classic")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--wait", type=float, default=5)
    args = p.parse_args()
    rnd = random.Random(1)
    server = Server(kvns_binary(), args.config,
                    memory_limit=str(8 << 30)).start()
    rows = [["after", "keys", "accounted", "resident", "ratio", "bound"]]

    def look(what):
        with Raw(server.address) as raw:
            keys = raw.call("DBSIZE")[1]
            info = raw.call("INFO", "memory")[1].decode()
        used = int(info.split("used_memory:")[1].split()[0])
        rss = resident(server.pid)
        rows.append([what, str(keys), "%.1f MB" % (used / 1e6),
                     "%.1f MB" % (rss / 1e6), "%.3f" % (rss / used),
                     "kept" if rss <= 1.15 * used + 20e6 else "BROKEN"])
        print("  ".join(rows[-1]), flush=True)

    sizes = [(32, 32), (100, 200), (8, 16), (300, 600), (20, 120)]
    alive, at = [], 0
    for r in range(args.rounds):
        low, high = sizes[r % len(sizes)]
        new = range(at, at + args.keys - len(alive))
        at = new.stop
        pipe(server.address, (("SET", key(i), "v" * rnd.randint(low, high))
                              for i in new))
        alive += new
        look("fill with %d to %d" % (low, high))
        rnd.shuffle(alive)
        gone = alive[:len(alive) * 7 // 10]
        alive = alive[len(gone):]
        pipe(server.address, (["DEL"] + [key(i) for i in gone[j:j + 10]]
                              for j in range(0, len(gone), 10)))
        look("70 % removed")
        time.sleep(args.wait)
        look("%g s later" % args.wait)
    server.stop()
    server.discard()
    print()
    table(rows)


if __name__ == "__main__":
    main()
