#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions of the server per command, counted by callgrind.

    instructions.py [--check | --update] [--only get,set] [--config shards7]

Unlike time, these figures are the same on a busy machine, so they guard the
program against becoming slower unnoticed.  One connection sends 32 commands
at a time, fewer of long ones, and reads their replies; what the server
executed in user space is divided by the commands.  The counts that hold are in
instructions.txt, with the compiler they were made with: --check compares with
them, where that is the compiler here, and fails beyond 3 %; --update writes
them anew.  Tables lie a little differently under each secret hash (2 % for a
new key), so all servers have the same here, and each work has its own server.

--profile NAME leaves callgrind's file of one work in build/, for
callgrind_annotate.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

from common import TOP, table
from harness.resp import Raw, encode
from harness.server import Server, build

BATCH = 32
# The server reads of a client at least so much at a time, and more only while
# its turns are short, which under callgrind they may or may not be.
READ_LEAST = 4096
VALUE = "v" * 32
BASELINE = os.path.join(TOP, "tests", "bench", "instructions.txt")
TOLERANCE = 0.03
CONFIGS = ("classic", "shards7")


def keys(n=20000, value=VALUE):
    return [["SET", "key:%012d" % i, value] for i in range(n)]


def small(kind):
    """1000 small collections of ten elements."""
    made = []
    for i in range(1000):
        items = []
        for j in range(10):
            items += {"HSET": ["f%d" % j, "value:%04d" % j],
                      "SADD": ["member:%04d" % j],
                      "ZADD": [str(j), "member:%04d" % j]}[kind]
        made.append([kind, "small:%04d" % i] + items)
    return made


def large(kind, n=20000):
    """One large collection."""
    made = []
    for i in range(0, n, 50):
        items = []
        for j in range(i, i + 50):
            items += {"HSET": ["element:%012d" % j, VALUE],
                      "SADD": ["element:%012d" % j],
                      "ZADD": [str(j * 7919 % n), "element:%012d" % j],
                      "RPUSH": ["xxx"]}[kind]
        made.append([kind, "large"] + items)
    return made


def batches(commands):
    """BATCH at a time, or as many as the server reads at once for certain."""
    part, size = [], 0
    for c in commands:
        n = len(encode(*c))
        if part and (len(part) == BATCH or size + n > READ_LEAST):
            yield part
            part, size = [], 0
        part.append(c)
        size += n
    if part:
        yield part


class Works:
    """What is measured: fill, then commands made from random numbers."""

    def __init__(self):
        self.r = random.Random(1)
        self.named = {
            "get": (keys(), lambda i: ["GET", self.key()]),
            "get_ns": ([["SET", "ns1/" + k[1], k[2]] for k in keys()],
                       lambda i: ["GET", "ns1/" + self.key()]),
            "set": (keys(), lambda i: ["SET", self.key(), VALUE]),
            "set_new": ([], lambda i: ["SET", "key:%012d" % i, VALUE]),
            "set_ex": (keys(), lambda i: ["SET", self.key(), VALUE,
                                          "EX", "100"]),
            "incr": (keys(value="100"), lambda i: ["INCR", self.key()]),
            "incr_new": ([], lambda i: ["INCR", "key:%012d" % i]),
            "mget10": (keys(), lambda i: ["MGET"] + [
                self.key() for _ in range(10)]),
            "mset10": (keys(), lambda i: ["MSET"] + [
                x for _ in range(10) for x in (self.key(), VALUE)]),
            "lpush": ([], lambda i: ["LPUSH", "list", VALUE]),
            "lpop": (large("RPUSH"), lambda i: ["LPOP", "large"]),
            "lrange100": (large("RPUSH", 600),
                          lambda i: ["LRANGE", "large", "0", "99"]),
            "hset": (large("HSET"), lambda i: [
                "HSET", "large", self.element(), VALUE]),
            "hget": (large("HSET"), lambda i: [
                "HGET", "large", self.element()]),
            "hset_small": (small("HSET"), lambda i: [
                "HSET", self.small(), "f%d" % self.r.randrange(10),
                "value:%04d" % self.r.randrange(10)]),
            "hget_small": (small("HSET"), lambda i: [
                "HGET", self.small(), "f%d" % self.r.randrange(10)]),
            "sadd": (large("SADD"), lambda i: [
                "SADD", "large", self.element()]),
            "zadd": (large("ZADD"), lambda i: [
                "ZADD", "large", str(self.r.randrange(20000)),
                self.element()]),
            "zrank": (large("ZADD"), lambda i: [
                "ZRANK", "large", self.element()]),
            "zrange10": (large("ZADD", 1000), lambda i: [
                "ZRANGE", "large", "0", "9"]),
        }

    def key(self):
        return "key:%012d" % self.r.randrange(20000)

    def element(self):
        return "element:%012d" % self.r.randrange(20000)

    def small(self):
        return "small:%04d" % self.r.randrange(1000)


# What the server's secrets are made of here, see rand.c.
SAME_SECRETS = """
#include <string.h>
int getentropy(void *out, size_t n);
int getentropy(void *out, size_t n) { memset(out, 42, n); return 0; }
"""


class Counted:
    """A server under callgrind."""

    def __init__(self, binary, config):
        self.directory = tempfile.mkdtemp(prefix="kvns-count-")
        self.out = os.path.join(self.directory, "out")
        wrapper = os.path.join(self.directory, "server")
        secrets = os.path.join(self.directory, "secrets.so")
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC",
                        "-o", secrets, "-x", "c", "-"],
                       input=SAME_SECRETS, text=True, check=True)
        with open(wrapper, "w") as f:
            f.write("#!/bin/sh\nLD_PRELOAD='%s' exec valgrind "
                    "--tool=callgrind --callgrind-out-file='%s' '%s' "
                    "\"$@\"\n" % (secrets, self.out, os.path.abspath(binary)))
        os.chmod(wrapper, 0o755)
        self.server = Server(wrapper, config).start()
        self.raw = Raw(self.server.address, timeout=120)
        self.dumps = 0

    def control(self, *args):
        subprocess.run(["callgrind_control", *args, str(self.server.pid)],
                       stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)

    def send(self, commands):
        """In batches, each answered before the next is sent."""
        for part in batches(commands):
            self.raw.send(b"".join(encode(*c) for c in part))
            for c in part:
                kind, value = self.raw.read()
                assert kind != "-", (c, value)

    def count(self, commands):
        """Instructions that these commands take in all; the dump's path."""
        self.send(commands[:BATCH])
        self.control("-z")
        self.send(commands)
        self.control("-d")
        self.dumps += 1
        path = "%s.%d" % (self.out, self.dumps)
        with open(path) as f:
            found = re.findall(r"^(?:summary|totals):\s*(\d+)", f.read(), re.M)
        return int(found[-1]), path

    def stop(self):
        self.raw.close()
        self.server.kill()
        self.server.discard()
        shutil.rmtree(self.directory, ignore_errors=True)


def measure(binary, config, only, n, profile):
    got = {}
    works = Works()
    for name, (fill, command) in works.named.items():
        if only and name not in only:
            continue
        server = Counted(binary, config)
        try:
            server.send(fill)
            time.sleep(1.2)     # what the server does each second is done
            total, path = server.count([command(i) for i in range(n)])
            got[name] = total / n
            if name == profile:
                shutil.copy(path, os.path.join(TOP, "build",
                                               "callgrind.%s" % name))
        finally:
            server.stop()
    return got


def compiler():
    cc = os.environ.get("CC", "cc")
    version = subprocess.run([cc, "-dumpfullversion", "-dumpversion"],
                             capture_output=True, text=True).stdout.strip()
    machine = subprocess.run([cc, "-dumpmachine"], capture_output=True,
                             text=True).stdout.strip()
    first = subprocess.run([cc, "--version"], capture_output=True,
                           text=True).stdout
    kind = "clang" if "clang" in first else "gcc"
    return "%s %s %s" % (kind, version, machine)


def read_baseline():
    """(compiler, {(config, work): instructions})"""
    made_with, counts = None, {}
    with open(BASELINE) as f:
        for line in f:
            if line.startswith("# compiler: "):
                made_with = line[len("# compiler: "):].strip()
            elif not line.startswith("#") and line.strip():
                work, *numbers = line.split()
                for config, number in zip(CONFIGS, numbers):
                    counts[config, work] = float(number)
    return made_with, counts


def write_baseline(got):
    with open(BASELINE, "w") as f:
        f.write("# Instructions per command at pipeline %d, made by\n"
                "# tests/bench/instructions.py --update and held to %d %% by "
                "--check.\n# compiler: %s\n#\n# %-12s %8s %8s\n"
                % (BATCH, TOLERANCE * 100, compiler(), "work", *CONFIGS))
        for work in got[CONFIGS[0]]:
            f.write("%-14s %8.0f %8.0f\n"
                    % (work, *(got[c][work] for c in CONFIGS)))


def check(got, counts):
    """The works that take more than they did."""
    return [(config, work, n, counts[config, work])
            for config, works in got.items() for work, n in works.items()
            if (config, work) in counts
            and n > counts[config, work] * (1 + TOLERANCE)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--config", default=",".join(CONFIGS))
    parser.add_argument("--only", default="")
    parser.add_argument("--profile", default="")
    parser.add_argument("--requests", type=int, default=6400)
    args = parser.parse_args()
    for tool in ("valgrind", "callgrind_control"):
        if shutil.which(tool) is None:
            sys.exit("instructions.py: %s is not installed" % tool)
    made_with, counts = read_baseline() if os.path.exists(BASELINE) else \
        (None, {})
    if args.check and made_with != compiler():
        print("counted with %s, and this is %s: not compared"
              % (made_with, compiler()))
        return 0
    binary = os.environ.get("KVNS_BIN") or build("kvns-bench")
    only = [w for w in (args.only or args.profile).split(",") if w]
    got = {config: measure(binary, config, only, args.requests, args.profile)
           for config in args.config.split(",")}
    rows = [["instructions"] + list(got) + ["before"] * bool(counts)]
    first = next(iter(got))
    for work in got[first]:
        rows.append([work] + ["%.0f" % got[c][work] for c in got] +
                    ["%.0f" % counts.get((first, work), 0)] * bool(counts))
    table(rows)
    if args.update:
        write_baseline(got)
    worse = check(got, counts) if args.check else []
    for config, work, n, before in worse:
        print("%s, %s: %.0f instructions, %.0f before"
              % (work, config, n, before))
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
