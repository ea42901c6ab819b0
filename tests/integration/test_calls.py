# SPDX-License-Identifier: MIT
"""Every call to the system fails once, and so does every request for memory.

A short session with a server is played again and again; each time one call
of one function of the C library fails, the first, the second and so on: first
those of the start, then those at work, at last those at the end.  The server
must serve on as if nothing had been, or say what is wrong and end; it must
not hang, crash or keep quiet.  Commands of that moment may be refused and
connections lost, others not.
"""

import errno
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness.resp import Raw
from harness.server import CONFIGS, REPORTS, TOP, free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

E = errno
# What a call can meet, beside its own use.
ERRORS = {
    "accept": [E.EMFILE, E.ECONNABORTED, E.EINTR],
    "bind": [E.EADDRINUSE, E.EACCES],
    "chown": [E.EPERM],
    "close": [E.EIO, E.EINTR],
    "fchmod": [E.EPERM],
    "fchown": [E.EPERM],
    "fcntl": [E.EINVAL],
    "fopen": [E.EMFILE, E.EACCES],
    "fstat": [E.EIO],
    "fsync": [E.EIO, E.ENOSPC],
    "getaddrinfo": [socket.EAI_MEMORY, socket.EAI_AGAIN],
    "getcwd": [E.ENOENT],
    "getentropy": [E.ENOSYS],
    "getpeername": [E.ENOTCONN],
    "getrlimit": [E.EINVAL],
    "getrusage": [E.EINVAL],
    "getsockname": [E.ENOBUFS],
    "listen": [E.EADDRINUSE],
    "lseek": [E.ESPIPE],
    "lstat": [E.EACCES],
    "mkdir": [E.EACCES],
    "mmap": [E.ENOMEM],
    "munmap": [E.ENOMEM],
    "nanosleep": [E.EINTR],
    "open": [E.EMFILE, E.EACCES],
    "pipe": [E.EMFILE],
    "poll": [E.EINTR, E.ENOMEM],
    "posix_memalign": [E.ENOMEM],
    "pthread_create": [E.EAGAIN],
    "read": [E.EINTR, E.EIO],
    "readlink": [E.EACCES],
    "recv": [E.EINTR, E.ECONNRESET],
    "rename": [E.ENOSPC],
    "send": [E.EINTR, E.EAGAIN, E.EPIPE],
    "sendmsg": [E.EAGAIN, E.EPIPE],
    "sendto": [E.EPIPE],
    "setrlimit": [E.EPERM],
    "setsockopt": [E.ENOBUFS],
    "shutdown": [E.ENOTCONN],
    "socket": [E.EMFILE, E.EAFNOSUPPORT],
    "stat": [E.EACCES],
    "sysconf": [E.EINVAL],
    "uname": [E.EFAULT],
    "unlink": [E.EACCES],
    "write": [E.ENOSPC, E.EINTR],
    "malloc": [E.ENOMEM],
    "calloc": [E.ENOMEM],
    "realloc": [E.ENOMEM],
}

# What a short session does not come to: sockets handed over, pages that many
# keys have left, idle connections in great number, /proc of older systems, the
# commands of probe.c and importer.c.
ELSEWHERE = {"connect", "fflush", "getsockopt", "madvise", "opendir",
             "pthread_attr_init", "pthread_attr_setstacksize", "readdir"}

# What cannot fail, or tells nobody; what the program ends with; and what
# looks at memory alone.
HARMLESS = set("""
    sigaction
    clock_gettime closedir fclose free freeaddrinfo getenv getpid umask raise
    signal gai_strerror strerror inet_ntop inet_pton __errno_location
    pthread_join pthread_attr_destroy pthread_self
    pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock
    pthread_mutex_trylock sched_yield
    pthread_mutex_unlock pthread_cond_init pthread_cond_destroy
    pthread_cond_signal pthread_cond_broadcast pthread_cond_wait
    abort exit _exit fgets fprintf fputc fputs fwrite printf putchar puts
    snprintf vsnprintf sscanf vfprintf memchr memcmp memcpy memmove memset
    qsort strchr strcmp strcpy strcspn strlen strncmp strpbrk strrchr strspn
    strstr strtod strtol strtold strtoll strtoul strtoull asin cos sin sqrt
    llroundl __ctype_b_loc __ctype_toupper_loc __ctype_tolower_loc
    __cxa_finalize __libc_start_main __gmon_start__ __stack_chk_fail""".split())


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("about our own calls")


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    to = tmp_path_factory.mktemp("calls") / "calls.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-w",
                    "-fno-builtin", "-o", str(to),
                    os.path.join(TOP, "tests", "harness", "calls.c"),
                    "-ldl"], check=True)
    return str(to)


def few_descriptors():
    """The server has to ask for more."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))


class Session:
    """One life of a server, in a directory of its own."""

    def __init__(self, binary, config, library, path, order=None):
        self.path = path
        shutil.rmtree(path, ignore_errors=True)
        (path / "data").mkdir(parents=True)
        self.port = self.web = free_port()
        while self.web == self.port:
            self.web = free_port()
        env = {k: v for k, v in os.environ.items()
               if not k.startswith("KVNS_")}
        env.update(CONFIGS[config])
        env.update(
            LD_PRELOAD=library, CALLS_COUNT=str(path / "calls"),
            KVNS_HOST="127.0.0.1", KVNS_PORT=str(self.port),
            KVNS_METRICS_PORT=str(self.web), KVNS_METRICS_HOST="127.0.0.1",
            KVNS_PERSIST_PATH=str(path / "data" / "x.rdb"),
            KVNS_UNIXSOCKET=str(path / "socket"),
            KVNS_PIDFILE=str(path / "pid"), KVNS_SUPERVISED="systemd",
            KVNS_UNIXSOCKETGROUP=str(os.getgid()),
            NOTIFY_SOCKET=str(path / "notify"),
            ASAN_OPTIONS="detect_leaks=1:exitcode=99:verify_asan_link_order=0"
            ":allocator_may_return_null=1")
        if order is not None:
            env["CALLS_FAIL"] = "%s %d %d" % order
        # a snapshot to begin with
        shutil.copy(os.path.join(TOP, "tests", "fuzz", "corpus", "load",
                                 "file-redis-2.8.19"),
                    path / "data" / "x.rdb")
        (path / "conf").write_text("save 3600 100000000\n"
                                   "enable-debug-command yes\n")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(path / "notify"))
        self.log = open(path / "log", "wb")
        self.process = subprocess.Popen(
            [binary, "conf", "--redis"], env=env, cwd=path,
            stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=subprocess.STDOUT, preexec_fn=few_descriptors)

    def said(self):
        return (self.path / "log").read_text("utf-8", "replace")

    def calls(self):
        file = self.path / "calls"
        return file.read_text().split("\n")[:-1] if file.exists() else []

    def failed(self):
        return "failed" in self.calls()

    def connect(self):
        """A connection that is answered; None when the server has ended."""
        limit = time.monotonic() + 20
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                return None
            try:
                c = Raw(("127.0.0.1", self.port), timeout=10)
                if c.call("PING") in (("+", b"PONG"),):
                    return c
                c.close()
            except socket.timeout:
                raise AssertionError("no answer\n" + self.said())
            except (OSError, EOFError):
                pass
            time.sleep(0.004)
        raise AssertionError("nobody listens\n" + self.said())

    def try_work(self):
        """Something of everything; what fails may fail now."""
        for piece in (self.commands, self.snapshot, self.http, self.unix):
            try:
                piece()
            except socket.timeout:
                raise AssertionError("%s hangs\n%s"
                                     % (piece.__name__, self.said()))
            except (OSError, EOFError):
                pass

    def commands(self):
        c = self.connect()
        if c is None:
            return
        with c:
            for line in (
                    ["SET", "k", "v"], ["SET", "big", "x" * 300000],
                    ["GET", "big"], ["APPEND", "big", "y" * 100000],
                    ["RPUSH", "l"] + ["e%d" % i for i in range(500)],
                    ["HSET", "h"] + ["f%d" % i for i in range(500)],
                    ["ZADD", "z"] + [x for i in range(300)
                                     for x in (str(i), "m%d" % i)],
                    ["SADD", "s", "a", "b"], ["SORT", "s", "ALPHA"],
                    ["XADD", "x", "*", "f", "v"], ["MULTI"], ["INCR", "n"],
                    ["EXEC"], ["SUBSCRIBE", "c"], ["UNSUBSCRIBE", "c"],
                    ["INFO"], ["CLIENT", "LIST"], ["CONFIG", "GET", "*"],
                    ["BLPOP", "none", "0.01"], ["DUMP", "z"],
                    ["SCAN", "0"], ["LRANGE", "l", "0", "-1"],
                    ["CONFIG", "REWRITE"], ["DEBUG", "SLEEP", "0.001"],
                    ["DEL", "big"], ["FLUSHALL", "ASYNC"]):
                c.call(*line)

    def snapshot(self):
        c = self.connect()
        if c is None:
            return
        with c:
            c.call("SET", "saved", "yes")
            c.call("SAVE")
            c.call("SET", "saved", "again")
            c.call("BGSAVE")
            self.wait_saved(c)

    def wait_saved(self, c):
        limit = time.monotonic() + 10
        while b"in_progress:1" in (c.call("INFO", "persistence")[1] or b""):
            assert time.monotonic() < limit, "BGSAVE does not end"
            time.sleep(0.002)

    def http(self):
        with socket.create_connection(("127.0.0.1", self.web), 10) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
                      b"Connection: close\r\n\r\n")
            while s.recv(65536):
                pass

    def unix(self):
        with Raw(str(self.path / "socket"), timeout=10) as c:
            c.call("PING")

    def must_work(self):
        """As if nothing had been."""
        c = self.connect()
        if c is None:
            return False
        with c:
            assert c.call("SET", "after", "all") == ("+", b"OK"), self.said()
            assert c.call("GET", "after") == ("$", b"all")
            self.wait_saved(c)
            assert c.call("SAVE") == ("+", b"OK"), self.said()
        return True

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            raise AssertionError("does not end\n" + self.said())

    def close(self):
        self.log.close()
        self.notify.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def play(binary, config, library, path, order=None):
    """One session; True if it came to the failure it was about."""
    s = Session(binary, config, library, path, order)
    try:
        c = s.connect()
        if c is not None:
            c.close()
            s.try_work()
        began = s.process.poll() is None
        if began and s.failed():
            began = s.must_work()
        status = s.end() if began else s.process.wait(20)
        said, failed = s.said(), s.failed()
        assert not REPORTS.search(said.encode()), said
        if not failed:
            assert status == 0, said
            return False
        if status != 0:
            # it may end, in order, and must say why
            assert status > 0 or "out of memory" in said, (status, said)
            what = (os.strerror(order[2]) if order[2] > 0 else
                    socket.gaierror.__name__)
            assert re.search("(?i)kvns: |cannot|could not|out of memory|"
                             + re.escape(what), said), (status, said)
        return True
    finally:
        s.close()


@pytest.fixture(scope="session")
def counts(binary, config_name, library, tmp_path_factory):
    """How often each is called when nothing fails."""
    path = tmp_path_factory.mktemp("counts") / "s"
    play(binary, config_name, library, path)
    lines = (path / "calls").read_text().split("\n")[:-1]
    return {name: int(n) for name, n in (line.split() for line in lines)}


def numbers(count):
    """All at first, then fewer and fewer of them."""
    n, step = 1, 1
    while n <= count:
        yield n
        if n >= 12:
            step = n // 4
        n += step


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_fails_once(binary, config_name, library, counts, tmp_path, name):
    hit = tried = 0
    assert counts[name] > 0, "the session does not come to it"
    for n in numbers(counts[name]):
        for error in ERRORS[name]:
            order = (name, n, error)
            try:
                hit += play(binary, config_name, library, tmp_path / "s",
                            order)
            except AssertionError as why:
                raise AssertionError("%s number %d fails with %s: %s" % (
                    name, n, errno.errorcode.get(error, error), why))
            tried += 1
    print("%s: called %d times, failed %d times of %d tried"
          % (name, counts[name], hit, tried))
    # threads take turns otherwise each time, but not this much
    assert hit >= tried // 3, (hit, tried)


def test_no_call_is_forgotten(binary):
    """What the program calls is in one of the two lists."""
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    out = subprocess.run(["nm", "-D", "--undefined-only", binary],
                         capture_output=True, text=True, check=True).stdout
    called = {line.split()[-1].split("@")[0] for line in out.split("\n")
              if line}
    known = set(ERRORS) | HARMLESS | ELSEWHERE
    assert {c for c in called if not c.startswith("_ITM")
            and c not in known and c.lstrip("_") not in known
            and not re.match("__(asan|ubsan|tsan|sanitizer)|_Unwind",
                             c)} == set()
