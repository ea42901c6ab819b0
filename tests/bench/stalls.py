#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The longest wait of a client while another does something large.

    stalls.py [--servers kvns,redis] [--only del,expire] [--n 1000000]

    quiet     nobody else is there
    del       DEL of a set of n members
    unlink    UNLINK of one
    hash      DEL of a hash of n fields
    zset      DEL of a sorted set of n members
    over      SET over a set of n members
    pexpire   a set of n members expires
    flush     FLUSHALL of n keys
    async     FLUSHALL ASYNC of n keys
    expire    n keys expire within one second
    lapse     the same, and nobody is there: what it costs without the GETs
    fields    n fields of one hash expire at one moment
    spread    n fields of 1000 hashes do, each of which has one that stays
    keys      KEYS * over n keys
    scan      SCAN through n keys, a thousand at a time
    random    SRANDMEMBER with a count that asks for 60 MB
    blocked   9,000 clients wait in BLPOP
    idle      10,000 clients say nothing

The waits are those of GETs of a further client (prober.c): the median, the
99.9th percentile and the longest, in milliseconds.  A busy machine adds its
own; compare with "quiet" and repeat, or let the server and the prober go
before everything else: --realtime, which needs the right to do so.

A turn of the loop is what a client may have to wait for.  The last two columns
are the CPU of the longest one, in milliseconds, and how many took more than
half of one (turns.c): there a busy machine shows less.  Not nothing: turns
that lost their core on the way took up to 2 ms of CPU.  So repeat.
"""

import argparse
import mmap
import os
import resource
import socket
import struct
import subprocess
import tempfile
import time

from common import cpu_ns, hurry, pipe, save, start, table
from harness.resp import Raw, encode
from harness.server import build


REALTIME = False


class Turns:
    """What the turns of the server's loop took, as turns.c counts them."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="kvns-turns-")
        self.file.truncate((3 + 1001) * 8)
        self.map = mmap.mmap(self.file.fileno(), 0)
        self.found = None

    def start(self, label):
        return self.preload(lambda: start(label))

    def preload(self, begin):
        """What begin() starts is looked at."""
        os.environ.update(LD_PRELOAD=build("turns.so"),
                          TURNS_FILE=self.file.name)
        try:
            return begin()
        finally:
            del os.environ["LD_PRELOAD"], os.environ["TURNS_FILE"]

    def clear(self):
        self.map[:] = bytes(len(self.map))

    def look(self):
        """Of the longest the milliseconds, and how many took over half."""
        _, _, longest, *ended = struct.unpack("=1004Q", self.map)
        self.found = longest / 1e6, sum(ended[50:])


TURNS = Turns()


class Probe:
    def __init__(self, server, seconds):
        if REALTIME:
            hurry(server.pid)
        self.process = subprocess.Popen(
            [build("prober"), str(server.port), str(seconds)],
            stdout=subprocess.PIPE, text=True)
        if REALTIME:
            hurry(self.process.pid)

    def result(self):
        n, *us = self.process.communicate()[0].split()
        return [int(n)] + [float(x) / 1000 for x in us]


def read_all(raw, request):
    """Send, and read what comes without keeping it; until it is over.  Returns
    how the reply begins."""
    raw.send(request + encode("ECHO", "over"))
    head = tail = b""
    while not tail.endswith(b"$4\r\nover\r\n"):
        got = raw.sock.recv(1 << 20)
        if not got:
            raise EOFError
        if len(head) < 32:
            head += got[:32]
        tail = (tail + got)[-32:]
    return head


def during(server, act, seconds=0):
    """Probe while act runs, and for a moment before and behind."""
    TURNS.clear()
    probe = Probe(server, 0.6 + (seconds or 8))
    time.sleep(0.3)
    begun = time.monotonic()
    extra = act()
    if not seconds:
        # the probe's end is fixed; say how long the act took
        extra = "%.0f ms" % ((time.monotonic() - begun) * 1000)
    waits = probe.result()
    TURNS.look()
    return waits, extra or ""


def quiet(server, n):
    return during(server, lambda: None, 3)


def fill_set(server, n):
    pipe(server.address, (["SADD", "s"] + ["member:%08d" % j for j in
                          range(i, min(i + 500, n))]
                          for i in range(0, n, 500)))


def fill_hash(server, n):
    pipe(server.address, (["HSET", "s"] + [
        x for j in range(i, min(i + 500, n)) for x in ("f:%08d" % j, j)]
        for i in range(0, n, 500)))


def fill_zset(server, n):
    pipe(server.address, (["ZADD", "s"] + [
        x for j in range(i, min(i + 500, n)) for x in (j, "m:%08d" % j)]
        for i in range(0, n, 500)))


def gone(fill, command):
    """The work of taking away what was filled in."""
    def work(server, n):
        fill(server, n)
        with Raw(server.address) as raw:
            return during(server, lambda: raw.call(*command) and None, 2)
    return work


def fill_keys(server, n):
    pipe(server.address, (["SET", "key:%08d" % i, "x"] for i in range(n)))


def expire(server, n, probed=True):
    """All gone when, and CPU for it; what the prober's GETs take of that is
    what they go on taking when all are gone."""
    at = int(time.time() * 1000) + 3000 + n // 33
    pipe(server.address, (["SET", "key:%08d" % i, "x" * 32, "PXAT",
                           at + i * 1000 // n] for i in range(n)))
    at /= 1000

    def until(when):
        time.sleep(max(0, when - time.time()))
        return time.time(), cpu_ns(server.pid) / 1e9

    with Raw(server.address) as raw:
        time.sleep(max(0, at - time.time() - 0.5))
        left = raw.call("DBSIZE")[1]
        TURNS.clear()

        def act():
            gone, begun = None, until(at - 0.1)
            while time.time() < at + 4 and gone is None:
                if raw.call("DBSIZE")[1] == 0:
                    gone = time.time() - at - 1
                time.sleep(0.02 if probed else 0.2)
            over, end = until(at + 3), until(at + 6)
            spent = over[1] - begun[1]
            others = (end[1] - over[1]) / (end[0] - over[0]) * (
                over[0] - begun[0])
            return "%d keys; gone %s s after the second; %.2f s CPU, " \
                "%.2f without the GETs" % (
                    left, "%.2f" % gone if gone is not None else "> 3",
                    spent, spent - others)
        if probed:
            return during(server, act, 6.5)
        note = act()
        TURNS.look()
        return [0] * 4, note


def lapse(server, n):
    return expire(server, n, False)


def expire_fields(server, n, hashes, stays):
    """Fields gone when, CPU for it."""
    at = int(time.time() * 1000) + 3000 + n // 50

    def requests():
        for h in range(hashes):
            if stays:
                yield ["HSET", "h%d" % h, "stays", "x"]
            for i in range(0, n // hashes, 250):
                fields = ["field:%07d" % j
                          for j in range(i, min(i + 250, n // hashes))]
                yield ["HSETEX", "h%d" % h, "PXAT", at, "FIELDS",
                       len(fields)] + [x for f in fields for x in (f, "v")]

    if pipe(server.address, requests()):
        return None             # it knows no fields that expire
    with Raw(server.address) as raw:
        time.sleep(max(0, at / 1000 - time.time() - 0.5))
        used = cpu_ns(server.pid)

        def expired():
            text = raw.call("INFO", "stats")[1].decode()
            return int(text.split("expired_subkeys:")[1].split()[0])

        def act():
            gone = None
            while time.time() < at / 1000 + 4:
                if gone is None and expired() >= n // hashes * hashes:
                    gone = time.time() - at / 1000
                time.sleep(0.02)
            return "gone after %s s; %.2f s CPU" % (
                "%.2f" % gone if gone is not None else "> 4",
                (cpu_ns(server.pid) - used) / 1e9)
        return during(server, act, 5)


def fields(server, n):
    return expire_fields(server, n, 1, False)


def spread(server, n):
    return expire_fields(server, n, 1000, True)


def keys(server, n):
    fill_keys(server, n)
    with Raw(server.address, timeout=60) as raw:
        def act():
            read_all(raw, encode("KEYS", "*"))
        return during(server, act, 3)


def scan(server, n):
    fill_keys(server, n)
    with Raw(server.address, timeout=60) as raw:
        def act():
            used, begun = cpu_ns(server.pid), time.monotonic()
            cursor, calls = b"0", 0
            while calls == 0 or cursor != b"0":
                head = read_all(raw, encode("SCAN", cursor, "COUNT", 1000))
                cursor = head.split(b"\r\n")[2]
                calls += 1
            return "%d calls in %.2f s; %.2f s CPU with the GETs" % (
                calls, time.monotonic() - begun,
                (cpu_ns(server.pid) - used) / 1e9)
        return during(server, act, 5)


def random(server, n):
    fill_set(server, 1000)
    count = 60000000 // 22
    with Raw(server.address, timeout=60) as raw:
        def act():
            read_all(raw, encode("SRANDMEMBER", "s", -count))
        return during(server, act, 3)


def crowd(server, count, request):
    """So many clients, which send this and then nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socks = []
    for _ in range(count):
        s = socket.create_connection(server.address)
        if request:
            s.sendall(request)
        socks.append(s)
    time.sleep(2)
    return socks


def with_crowd(server, count, request):
    socks = crowd(server, count, request)
    used, begun = cpu_ns(server.pid), time.monotonic()
    time.sleep(2)
    idle = (cpu_ns(server.pid) - used) / 1e9 / (time.monotonic() - begun)
    with Raw(server.address) as raw:
        info = raw.call("INFO", "clients")[1].decode()
    said = dict(x.split(":") for x in info.split("\r\n") if ":" in x)
    waits, _ = during(server, lambda: None, 3)
    bench = subprocess.run(
        ["redis-benchmark", "-p", str(server.port), "-t", "get", "-n",
         "300000", "-c", "50", "--csv"], capture_output=True, text=True)
    ops = float(bench.stdout.splitlines()[1].split(",")[1].strip('"'))
    for s in socks:
        s.close()
    return waits, "%s connected, %s blocked; at rest %.1f %% CPU; GET " \
        "%.0f ops/s with 50 clients" % (
            said["connected_clients"], said["blocked_clients"], idle * 100,
            ops)


def nobody(server, n):
    return with_crowd(server, 0, b"")


def blocked(server, n):
    return with_crowd(server, 9000, encode("BLPOP", "nothing", "0"))


def idle(server, n):
    return with_crowd(server, 9900, b"")


WORKS = {"quiet": quiet, "del": gone(fill_set, ["DEL", "s"]),
         "unlink": gone(fill_set, ["UNLINK", "s"]),
         "hash": gone(fill_hash, ["DEL", "s"]),
         "zset": gone(fill_zset, ["DEL", "s"]),
         "over": gone(fill_set, ["SET", "s", "x"]),
         "pexpire": gone(fill_set, ["PEXPIRE", "s", "100"]),
         "flush": gone(fill_keys, ["FLUSHALL"]),
         "async": gone(fill_keys, ["FLUSHALL", "ASYNC"]),
         "expire": expire, "lapse": lapse,
         "fields": fields, "spread": spread,
         "keys": keys, "scan": scan, "random": random, "alone": nobody,
         "blocked": blocked, "idle": idle}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--servers", default="kvns,redis")
    p.add_argument("--only", default=",".join(WORKS))
    p.add_argument("--n", type=int, default=1000000)
    p.add_argument("--realtime", action="store_true")
    args = p.parse_args()
    global REALTIME
    REALTIME = args.realtime
    rows = [["work", "server", "GETs", "median", "99.9 %", "longest", "turn",
             "> 0.5", ""]]
    found = []
    for name in args.only.split(","):
        for label in args.servers.split(","):
            server = TURNS.start(label)
            if server is None:
                continue
            try:
                result = WORKS[name](server, args.n)
                if result is None:
                    continue
                waits, note = result
                turn, long_turns = TURNS.found
            finally:
                server.kill()
                server.discard()
            found.append({"work": name, "server": label, "waits": waits,
                          "turn_cpu_ms": turn, "long_turns": long_turns,
                          "note": note})
            rows.append([name, label, str(waits[0])]
                        + ["%.2f" % x for x in waits[1:] + [turn]]
                        + [str(long_turns), note])
            print(" ".join(rows[-1]), flush=True)
    print()
    table(rows)
    save("stalls.json", {"stalls": found})


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
