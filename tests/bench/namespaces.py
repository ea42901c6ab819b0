#!/usr/bin/env python3
"""What a namespace costs, and how long others wait while one is dropped.

    namespaces.py [--count 1000000] [--keys 10000000] [--only cost|drop]

Cost: that many namespaces of one key each ("ns0000001/key", value of 8
bytes), resident bytes of each above the empty server, in classic mode and
with 64 shards; and the CPU of a GET in another namespace before and after.
Drop: one namespace of that many keys; the longest time a PING of another
client took while it was dropped and its memory came back.
"""

import argparse
import threading
import time

from common import Server, cpu_ns, kvns_binary, pipe, resident, save, table
from harness.resp import Raw, encode

SHARDED = {"KVNS_SHARDED_MODE": "true", "KVNS_SHARD_COUNT": "64",
           "KVNS_THREADS": "1"}


def start(sharded):
    return Server(kvns_binary(), "classic", memory_limit=str(12 << 30),
                  **(SHARDED if sharded else {})).start()


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


class Pinger(threading.Thread):
    """The longest round trip of a client that has nothing to do with it."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.raw = server.raw()
        self.worst, self.n, self.ended = 0.0, 0, False

    def run(self):
        ping = encode("GET", "other/key")
        while not self.ended:
            begun = time.monotonic()
            self.raw.send(ping)
            self.raw.read()
            self.worst = max(self.worst, time.monotonic() - begun)
            self.n += 1

    def end(self):
        self.ended = True
        self.join()
        self.raw.close()
        return self.worst * 1000


def drop(keys, sharded):
    server = start(sharded)
    pipe(server.address, (["MSET"] + [w for j in range(i, i + 20)
                                      for w in ("big/%09d" % j, "v" * 16)]
                          for i in range(0, keys, 20)))
    raw = server.raw(timeout=60)
    quiet = Pinger(server)
    quiet.start()
    time.sleep(2)
    idle = quiet.end()
    full = resident(server.pid)
    pinger = Pinger(server)
    pinger.start()
    time.sleep(0.5)
    begun = time.monotonic()
    raw.ok("NAMESPACE", "DROP", "big")
    took = time.monotonic() - begun
    assert raw.call("DBSIZE")[1] == 0
    while resident(server.pid) > full / 3 and time.monotonic() - begun < 60:
        time.sleep(0.05)
    back = time.monotonic() - begun
    worst = pinger.end()
    server.stop()
    server.discard()
    return ["64 shards" if sharded else "classic", "%.3f ms" % (took * 1000),
            "%.2f ms" % worst, "%.2f ms" % idle, "%.1f s" % back]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--count", type=int, default=1000000)
    p.add_argument("--keys", type=int, default=10000000)
    p.add_argument("--only", choices=["cost", "drop"])
    p.add_argument("--config", choices=["classic", "64"])
    args = p.parse_args()
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
        rows = [["drop of %d keys" % args.keys, "DROP took", "worst GET",
                 "worst quiet", "memory back"]]
        rows += [drop(args.keys, m) for m in modes]
        print()
        table(rows)
        out["drop"] = rows
    save("namespaces.json", out)


if __name__ == "__main__":
    main()
