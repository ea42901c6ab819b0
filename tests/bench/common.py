# SPDX-License-Identifier: MIT
"""What the benchmarks share: servers to measure, and ways to fill them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests"))

from harness.resp import Raw, encode  # noqa: E402
from harness.server import Server, build, free_port  # noqa: E402

SERVER_CORE, CLIENT_CORE = 0, 1


def kvns_binary():
    """KVNS_BIN, else the ./kvns that make built, else one built now."""
    path = os.environ.get("KVNS_BIN")
    if path:
        return os.path.abspath(path)
    path = os.path.join(TOP, "kvns")
    if os.path.exists(path):
        return path
    return build("kvns-bench")


def hurry(pid):
    """Let all threads of a process go before those of others.  Not as real-time
    ones: Linux stops these for 50 ms when they were busy for a second."""
    for task in os.listdir("/proc/%d/task" % pid):
        os.setpriority(os.PRIO_PROCESS, int(task), -20)


class Null:
    """The server that does nothing: see nullserver.c."""

    def __init__(self, command=None):
        self.command = command or [build("nullserver"), "{port}"]
        self.directory = tempfile.mkdtemp(prefix="kvns-bench-")

    def start(self):
        self.host, self.port = "127.0.0.1", free_port()
        self.process = subprocess.Popen(
            [c.replace("{port}", str(self.port)) for c in self.command],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=self.directory)
        for _ in range(500):
            try:
                Raw((self.host, self.port)).close()
                return self
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("%s does not answer" % self.command[0])

    @property
    def address(self):
        return (self.host, self.port)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def discard(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def start(name):
    """A server by name.  Others than ours come from BENCH_OTHERS, as in
    "valkey=valkey-server --port {port};x=..."."""
    big = {"memory_limit": str(16 << 30)}
    if name == "kvns":
        return Server(kvns_binary(), "classic", **big).start()
    if name == "copied":
        return Server(kvns_binary(), "classic", shared_values=False,
                      **big).start()
    if name == "sharded":
        return Server(kvns_binary(), "shards7", **big).start()
    if name == "sharded2":
        return Server(kvns_binary(), "shards7x2", **big).start()
    if name == "redis":
        path = shutil.which("redis-server")
        return Server(path, "redis").start() if path else None
    if name == "null":
        return Null().start()
    for item in os.environ.get("BENCH_OTHERS", "").split(";"):
        label, _, command = item.partition("=")
        if label == name:
            return Null(command.split()).start()
    raise SystemExit("no server is called %s" % name)


def pin(pid, core):
    """All threads of a process on one core."""
    if hasattr(os, "sched_setaffinity") and os.cpu_count() > core:
        for task in os.listdir("/proc/%d/task" % pid):
            os.sched_setaffinity(int(task), {core})


def cpu_ns(pid):
    """Nanoseconds of CPU that all threads of a process have used."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            total += int(f.read().split()[0])
    return total


def resident(pid):
    """Bytes of memory a process really has."""
    with open("/proc/%d/smaps_rollup" % pid) as f:
        for line in f:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no Rss")


def pipe(address, commands):
    """Send many commands as fast as they are made.  Returns the count of
    error replies."""
    sock = socket.create_connection(address)
    end = b"$17\r\nthat was all of it\r\n".replace(b"17", b"18")
    errors = [0]

    def drain():
        tail = b""
        while True:
            got = sock.recv(1 << 18)
            if not got:
                return
            data = tail + got
            errors[0] += data.count(b"\r\n-") - tail.count(b"\r\n-")
            if data.endswith(end):
                return
            tail = data[-64:]

    reader = threading.Thread(target=drain)
    reader.start()
    batch = []
    for command in commands:
        batch.append(encode(*command))
        if len(batch) == 2000:
            sock.sendall(b"".join(batch))
            batch = []
    batch.append(encode("ECHO", "that was all of it"))
    sock.sendall(b"".join(batch))
    reader.join()
    sock.close()
    return errors[0]


def knows(address, *command):
    """Does the server answer this with something but an error?"""
    with Raw(address) as raw:
        try:
            return raw.call(*command)[0] != "-"
        except (OSError, EOFError):
            return False


def machine():
    model = ""
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
    except OSError:
        pass
    return {"cpu": model, "cores": os.cpu_count(),
            "system": " ".join(os.uname()[i] for i in (0, 2, 4))}


def output_directory():
    path = os.environ.get("BENCH_DIR")
    if path:
        os.makedirs(path, exist_ok=True)
        return path
    return tempfile.mkdtemp(prefix="kvns-bench-", dir="/tmp")


def save(name, data):
    path = os.path.join(output_directory(), name)
    with open(path, "w") as f:
        json.dump({"machine": machine(), **data}, f, indent=1)
    print("\nwritten to %s" % path)


def table(rows):
    """Rows of text as aligned columns; the first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0])]
                        + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
                        ).rstrip())
