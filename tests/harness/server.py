# SPDX-License-Identifier: MIT
"""Start a server for a test, and hold it to a clean end."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .resp import Raw, encode

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

# What `--config NAME` means; "redis" runs the tests against redis-server,
# which is how the tests themselves are tested.
CONFIGS = {
    "classic": {},
    "shards7": {"KVNS_SHARDED_MODE": "true", "KVNS_SHARD_COUNT": "7",
                "KVNS_THREADS": "1"},
    "shards7x2": {"KVNS_SHARDED_MODE": "true", "KVNS_SHARD_COUNT": "7",
                  "KVNS_THREADS": "2"},
    # Everybody lives in a namespace, see tests/bound.py.
    "bound": {"KVNS_USERS": "tenant:sesame:home", "KVNS_PASSWORD": "root"},
    "redis": {},
}

# Lines that no server may ever write, whatever its exit status.
REPORTS = re.compile(
    rb"ERROR: \w*Sanitizer|WARNING: \w*Sanitizer|runtime error:"
    rb"|kvns: broken at|ERROR SUMMARY: [1-9]")

# Servers of this process that are running, for the report of a failure.
running = []


class NotForRedis(Exception):
    """redis-server has no such option."""


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def build(name):
    """The path of a program of tests/build.sh, built if need be."""
    subprocess.run(["sh", os.path.join(TOP, "tests", "build.sh"), name],
                   check=True)
    return os.path.join(TOP, "build", name)


class Server:
    """One server process.

    options are KVNS_* variables, with or without the prefix, in any case:
    Server(path, "classic", password="x", KVNS_THREADS=2).  args are further
    arguments of the command line.  metrics_port="free" is any that is free.
    """

    def __init__(self, binary, config, args=(), **options):
        self.binary = binary
        self.config = config
        self.args = list(args)
        self.options = dict(CONFIGS[config])
        self.options.setdefault("KVNS_METRICS_PORT", "0")
        for name, value in options.items():
            name = name.upper()
            if not name.startswith("KVNS_"):
                name = "KVNS_" + name
            if isinstance(value, bool):
                value = str(value).lower()
            self.options[name] = str(value)
        self.host = self.options.setdefault("KVNS_HOST", "127.0.0.1")
        self.wanted_port = self.options.pop("KVNS_PORT", None)
        self.any_metrics_port = self.options["KVNS_METRICS_PORT"] == "free"
        self.process = None
        self.login = None
        if config == "bound" and not options and not args:
            self.login = ("tenant", "sesame")
        self.directory = tempfile.mkdtemp(prefix="kvns-test-")
        self.log_path = os.path.join(self.directory, "log")

    # Starting.

    def _redis_command(self):
        command = [self.binary, "--port", str(self.port), "--save", "",
                   "--dir", self.directory, "--daemonize", "no"]
        names = {"HOST": "--bind", "PASSWORD": "--requirepass",
                 "UNIXSOCKET": "--unixsocket", "DATABASES": "--databases",
                 "MAX_CLIENTS": "--maxclients"}
        for name, value in self.options.items():
            name = name[len("KVNS_"):]
            if name in ("METRICS_PORT", "SHARDED_MODE"):
                continue
            if name not in names:
                raise NotForRedis(name)
            command += [names[name], value]
        flags = [a for a in self.args if a != "--redis"]
        return command + flags

    def _launch(self):
        self.port = int(self.wanted_port or free_port(self.host))
        if self.any_metrics_port:
            self.options["KVNS_METRICS_PORT"] = str(free_port(
                self.options.get("KVNS_METRICS_HOST", "127.0.0.1")))
        env = dict(os.environ)
        for name in list(env):
            if name.startswith("KVNS_"):
                del env[name]
        if self.config == "redis":
            command = self._redis_command()
            env["LC_ALL"] = "C"     # which SORT ALPHA obeys
        else:
            command = [self.binary] + self.args
            env.update(self.options)
            env["KVNS_PORT"] = str(self.port)
        # Short stacks and less of what is freed kept, for the time it takes.
        env["ASAN_OPTIONS"] = "detect_leaks=1:exitcode=99:" \
            "malloc_context_size=8:quarantine_size_mb=24:" \
            "allocator_may_return_null=1"
        if "LD_PRELOAD" in env:
            env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        env["UBSAN_OPTIONS"] = "print_stacktrace=1"
        env["TSAN_OPTIONS"] = "exitcode=66:second_deadlock_stack=1"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.directory)

    def _listens(self):
        """Does the port belong to our process, rather than to another?"""
        ours = set()
        try:
            for fd in os.listdir("/proc/%d/fd" % self.process.pid):
                try:
                    ours.add(os.readlink("/proc/%d/fd/%s"
                                         % (self.process.pid, fd)))
                except FileNotFoundError:
                    pass
            for table in ("/proc/net/tcp", "/proc/net/tcp6"):
                with open(table) as f:
                    for row in f:
                        w = row.split()
                        if (w[3] == "0A" and "socket:[%s]" % w[9] in ours
                                and int(w[1].split(":")[1], 16)
                                == self.port):
                            return True
        except OSError:
            # No /proc here: trust the answer.
            return self.process.poll() is None
        return False

    def _ready(self):
        if not self._listens():
            return False
        try:
            with Raw(self.address, timeout=5) as raw:
                kind, text = raw.call("PING")
                # Ours answers before it has loaded, and tests look at that.
                return kind in "+-" and not (
                    self.config == "redis" and text.startswith(b"LOADING"))
        except (OSError, EOFError):
            return False

    def start(self, wait=60):
        """Start, and return when it answers; try another port if taken."""
        for attempt in range(5):
            self._launch()
            limit = time.monotonic() + wait
            while time.monotonic() < limit:
                if self.process.poll() is not None:
                    break
                if self._ready():
                    running.append(self)
                    return self
                time.sleep(0.01)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
                raise RuntimeError("no answer in %d s:\n%s"
                                   % (wait, self.log_tail()))
            taken = re.search(rb"(?i)address.*in use|EADDRINUSE", self.log())
            if not taken or self.wanted_port:
                break
        raise RuntimeError("exit status %s at start:\n%s"
                           % (self.process.returncode, self.log_tail()))

    # Looking.

    @property
    def address(self):
        return (self.host, self.port)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        try:
            with open(self.log_path, "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def log_tail(self, lines=60):
        text = self.log().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    def raw(self, **options):
        raw = Raw(self.address, **options)
        if self.login is not None:
            raw.ok("AUTH", *self.login)
        return raw

    # Ending.

    def _forget(self):
        if self in running:
            running.remove(self)

    def stop(self, sig=signal.SIGTERM, wait=30):
        """Ask it to end; return its exit status, checked to be clean."""
        self._forget()
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            status = self.process.wait(wait)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("did not end within %d s of signal %d\n%s"
                                 % (wait, sig, self.log_tail()))
        self.check_log()
        assert status == 0, "exit status %d\n%s" % (status, self.log_tail())
        return status

    def check_log(self):
        found = REPORTS.search(self.log())
        assert not found, "the log has %r\n%s" % (
            found.group(0), self.log_tail(200))

    def kill(self):
        self._forget()
        if self.alive():
            self.process.kill()
            self.process.wait()

    def discard(self):
        """Remove what it left on disk."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Attached:
    """A server that somebody else started, and the user we are there."""

    process = None

    def __init__(self, where):
        """where: "HOST PORT USER PASSWORD"."""
        host, port, user, password = where.split()
        self.host, self.port = host, int(port)
        self.login = (user, password)

    address = Server.address
    raw = Server.raw

    def start(self):
        return self

    def alive(self):
        return True

    def log_tail(self, lines=60):
        return ""

    def log(self):
        return b""

    def stop(self):
        pass

    def discard(self):
        pass


def real_redis(**options):
    """A redis-server to compare with, or None where there is none."""
    path = shutil.which("redis-server")
    if path is None:
        return None
    return Server(path, "redis", **options).start()


@contextlib.contextmanager
def lent_redis(**options):
    """The same for the length of a with; it must end well."""
    s = real_redis(**options)
    yield s
    if s is not None:
        try:
            s.stop()
        finally:
            s.discard()
