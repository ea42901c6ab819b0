#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How often a cache has what it is asked for: eviction against an oracle and
against redis-server.

    hitratio.py [--keys 1000000] [--requests 6000000] [--servers kvns,redis]
                [--half-lives 3600,0] [--samples 5,10] [--drift 0.1]

A read-through cache: GET, and SET what was not there.  Keys follow a Zipf
distribution (0.99); all of them would take ten times the limit.  The second
half of the requests counts.  The oracle is our policy lru without sampling,
given as many keys as kvns held.  Then, what a write costs: CPU of the server
for each SET of a new key, with and without an eviction for it; and the median
of such writes in process, without sockets (see evictions.c).

Several half-lives and numbers of samples are tried one with the other.
--drift lets that share of the keys change places ten times, so that what was
popular is so no more: then it matters that hits age, in the time that the
requests take, which is shown.
"""

import argparse
import array
import bisect
import heapq
import itertools
import random
import socket
import subprocess
import time

from common import Server, cpu_ns, kvns_binary, pin, save, shutil, table
from harness.resp import Raw, encode
from harness.server import build

VALUE = b"v" * 180
HIT = b"$180\r\n" + VALUE + b"\r\n"
MISS = b"$-1\r\n"
BATCH = 64


def key(i):
    return b"key:%012d" % i


def zipf(n, count, seed, drift=0.0):
    """Numbers below n, 0.99; the popular ones lie anywhere, and ten times
    some of them elsewhere than before."""
    rnd = random.Random(seed)
    total = list(itertools.accumulate(1.0 / (i + 1) ** 0.99
                                      for i in range(n)))
    names = list(range(n))
    rnd.shuffle(names)
    top, out = total[-1], array.array("I")
    for _ in range(10):
        out.extend(names[bisect.bisect(total, rnd.random() * top)]
                   for _ in range(count // 10))
        moved = [i for i in range(n) if rnd.random() < drift]
        for i, name in zip(moved, rnd.sample([names[i] for i in moved],
                                             len(moved))):
            names[i] = name
    return out


class Cache:
    def __init__(self, address):
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def more(self):
        got = self.sock.recv(1 << 18)
        if not got:
            raise EOFError
        self.data += got

    def get(self, keys):
        """Ask for all, and return those that were not there."""
        self.sock.sendall(b"".join(
            b"*2\r\n$3\r\nGET\r\n$16\r\n" + key(k) + b"\r\n" for k in keys))
        missed, at = [], 0
        for k in keys:
            while len(self.data) - at < len(MISS):
                self.more()
            if self.data.startswith(MISS, at):
                missed.append(k)
                at += len(MISS)
                continue
            while len(self.data) - at < len(HIT):
                self.more()
            at += len(HIT)
        self.data = self.data[at:]
        return missed

    def put(self, keys):
        self.sock.sendall(b"".join(
            b"*3\r\n$3\r\nSET\r\n$16\r\n" + key(k) + b"\r\n" + HIT
            for k in keys))
        while self.data.count(b"\r\n") < len(keys):
            self.more()
        assert self.data == b"+OK\r\n" * len(keys), self.data[:200]
        self.data = b""


def play(address, trace):
    """The share of hits in the second half."""
    cache, hits, half = Cache(address), 0, len(trace) // 2
    for at in range(0, len(trace), BATCH):
        asked = trace[at:at + BATCH]
        missed = cache.get(asked)
        if at >= half:
            hits += len(asked) - len(missed)
        if missed:
            cache.put(list(dict.fromkeys(missed)))
    cache.sock.close()
    return hits / (len(trace) - half)


def oracle(trace, room, frequency):
    """The same with all keys looked at: fewest hits first (or not at all),
    then longest unused."""
    used, hits, half = {}, 0, len(trace) // 2
    heap = []
    for now, k in enumerate(trace):
        if k in used:
            hits += now >= half
            n = used[k][0] + frequency
        else:
            if len(used) >= room:
                while True:
                    entry = heapq.heappop(heap)
                    if used.get(entry[2]) == entry[:2]:
                        break
                del used[entry[2]]
            n = 0
        used[k] = (n, now)
        heapq.heappush(heap, (n, now, k))
        if len(heap) > 8 * room:
            heap = [(a, b, c) for c, (a, b) in used.items()]
            heapq.heapify(heap)
    return hits / (len(trace) - half)


def servers(args, limit):
    if "kvns" in args.servers:
        for policy in args.policies.split(","):
            for half, samples in itertools.product(
                    args.half_lives.split(","), args.samples.split(",")):
                yield ("kvns %s, half-life %s, samples %s" % (
                    policy, half, samples)), Server(
                    kvns_binary(), args.config, memory_limit=limit,
                    eviction_policy=policy, hits_half_life=half,
                    KVNS_MAXMEMORY_SAMPLES=samples)
    path = shutil.which("redis-server")
    if "redis" in args.servers and path:
        for policy in ("allkeys-lru", "allkeys-lfu"):
            yield "redis " + policy, Server(
                path, "redis", ["--maxmemory", str(limit),
                                "--maxmemory-policy", policy])


def write_cost(server, begin, n=200000):
    """Server CPU per SET of a new key, in ns."""
    cache = Cache(server.address)
    before = cpu_ns(server.pid)
    for at in range(begin, begin + n, BATCH):
        cache.put(range(at, at + BATCH))
    cost = (cpu_ns(server.pid) - before) / n
    cache.sock.close()
    return cost


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--keys", type=int, default=1000000)
    p.add_argument("--requests", type=int, default=6000000)
    p.add_argument("--servers", default="kvns,redis")
    p.add_argument("--policies", default="lru,allkeys-lru,allkeys-lfu")
    p.add_argument("--half-lives", default="3600")
    p.add_argument("--samples", default="5")
    p.add_argument("--config", default="classic")
    p.add_argument("--drift", type=float, default=0)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    limit = args.keys * (16 + len(VALUE)) // 10
    trace = zipf(args.keys, args.requests, args.seed, args.drift)
    rows = [["cache of %d MB" % (limit >> 20), "hits", "keys",
             "SET ns", "with eviction", "seconds"]]
    out, room = [], 0
    for name, server in servers(args, limit):
        server.start()
        pin(server.pid, 0)
        begun = time.monotonic()
        ratio = play(server.address, trace)
        took = time.monotonic() - begun
        with Raw(server.address) as raw:
            held = raw.call("DBSIZE")[1]
            full = write_cost(server, 2 * args.keys)
            raw.call("FLUSHALL")
            raw.call("CONFIG", "SET", "maxmemory", str(1 << 30))
            free = write_cost(server, 4 * args.keys)
        room = room or held
        rows.append([name, "%.2f %%" % (100 * ratio), str(held),
                     "%.0f" % free, "%.0f" % full, "%.0f" % took])
        out.append({"name": name, "ratio": ratio, "keys": held,
                    "seconds": took,
                    "set_ns": free, "set_evicting_ns": full})
        print(rows[-1], flush=True)
        server.stop()
        server.discard()
    for name, frequency in (("oracle lru", 1), ("oracle allkeys-lru", 0)):
        ratio = oracle(trace, room, frequency)
        rows.append([name, "%.2f %%" % (100 * ratio), str(room), "", "", ""])
        out.append({"name": name, "ratio": ratio, "keys": room})
    print()
    table(rows)
    print()
    writes = []
    for policy in args.policies.split(",") if "kvns" in args.servers else []:
        got = subprocess.run([build("evictions"), policy], text=True,
                             check=True, capture_output=True).stdout.split()
        writes.append([policy, got[1], got[2], got[5], got[6]])
    table([["ns for a SET, 100 MB", "median", "99 %", "evicting", "99 %"]] +
          writes)
    save("hitratio.json", {"limit": limit, "requests": args.requests,
                           "rows": out, "writes": writes})


if __name__ == "__main__":
    main()
