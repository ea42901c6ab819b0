#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""From the start of the program to its first reply, and what it holds idle.

    start.py [--programs NAME=PATH,...] [--runs 50]

The time is from just before the program is started until PONG has been read,
by a client that tries to connect all the while: the median, the best and the
worst.  Resident memory is looked at after that, with one client connected, and
again a second later.  What of it is private is without libc's code, which a
system holds once for all its programs; 0 where the kernel does not say.
Without --programs: kvns-bench (glibc, -O2) and kvns-musl (static, small), as
tests/build.sh makes them, where it can.
"""

import argparse
import os
import socket
import statistics
import subprocess
import time

from common import resident, save, table
from harness.server import build, free_port

MODES = {"classic": {}, "sharded": {"KVNS_SHARDED_MODE": "true"}}


def once(path, extra, port):
    """(seconds to PONG, resident bytes, the same a second later or None)"""
    env = {k: v for k, v in os.environ.items() if not k.startswith("KVNS_")}
    env.update(extra, KVNS_PORT=str(port), KVNS_HOST="127.0.0.1",
               KVNS_METRICS_PORT=extra.get("KVNS_METRICS_PORT", "0"))
    began = time.monotonic()
    p = subprocess.Popen([path], env=env, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 10) as s:
                    s.sendall(b"PING\r\n")
                    if s.recv(16) != b"+PONG\r\n":
                        raise RuntimeError("no PONG")
                    took = time.monotonic() - began
                    at_once = resident(p.pid)
                    return took, at_once, p
            except ConnectionRefusedError:
                if p.poll() is not None:
                    raise RuntimeError("it ended with %d" % p.returncode)
                if time.monotonic() - began > 10:
                    raise
    except BaseException:
        p.kill()
        p.wait()
        raise


def private(pid):
    """Bytes that only this process holds; its own program's code, too."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            return sum(int(line.split()[1]) * 1024 for line in f
                       if line.startswith("Private_"))
    except OSError:
        return 0


def measure(path, extra, runs):
    took, held = [], []
    later = own = 0
    for i in range(runs):
        seconds, rss, p = once(path, extra, free_port())
        took.append(seconds)
        held.append(rss)
        if i == runs - 1:
            time.sleep(1)
            later = resident(p.pid)
            own = private(p.pid)
        p.terminate()
        p.wait()
    return {"median": statistics.median(took), "worst": max(took),
            "best": min(took), "resident": statistics.median(held),
            "later": later, "private": own}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", default="")
    parser.add_argument("--runs", type=int, default=50)
    args = parser.parse_args()
    programs = dict(x.split("=", 1) for x in args.programs.split(",") if x)
    if not programs:
        for name in "kvns-bench", "kvns-musl":
            try:
                programs[name] = build(name)
            except (subprocess.CalledProcessError, OSError, RuntimeError):
                print("%s cannot be built here" % name)
    rows = [["start", "median ms", "best", "worst", "resident kB",
             "a second later", "private kB"]]
    result = {}
    for name, path in programs.items():
        for mode, extra in MODES.items():
            m = result["%s, %s" % (name, mode)] = measure(
                os.path.abspath(path), extra, args.runs)
            rows.append(["%s, %s" % (name, mode), "%.2f" % (m["median"] * 1e3),
                         "%.2f" % (m["best"] * 1e3),
                         "%.2f" % (m["worst"] * 1e3),
                         "%.0f" % (m["resident"] / 1e3),
                         "%.0f" % (m["later"] / 1e3),
                         "%.0f" % (m["private"] / 1e3)])
    table(rows)
    save("start.json", result)


if __name__ == "__main__":
    main()
