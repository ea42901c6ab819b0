# SPDX-License-Identifier: MIT
"""redis-cli and redis-benchmark, as people run them."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness.resp import encode


@pytest.fixture
def cli(fresh_server):
    """redis-cli, and the server it asks."""
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli is not installed")
    s = fresh_server(args=["--redis"])

    def run(*args, stdin=b"", check=True):
        done = subprocess.run(
            ["redis-cli", "-p", str(s.port), *args], input=stdin,
            capture_output=True, timeout=60)
        if check:
            assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode("latin-1")

    run.server = s
    return run


def fill(cli):
    with cli.server.raw() as c:
        for i in range(300):
            c.call("SET", "s:%d" % i, "x" * i)
        c.call("RPUSH", "l", *range(500))
        c.call("HSET", "h", *range(20))
        c.call("SADD", "e", *range(30))
        c.call("ZADD", "z", *range(40))


def test_commands(cli):
    assert cli("SET", "k", "v") == "OK\n"
    assert cli("GET", "k") == "v\n"
    assert cli("-n", "3", "GET", "k") == "\n"
    assert cli("LPUSH", "k", "x").startswith("WRONGTYPE ")
    assert cli("-x", "SET", "k", stdin=b"from stdin") == "OK\n"
    assert cli("GET", "k") == "from stdin\n"
    assert cli("-r", "3", "INCR", "n") == "1\n2\n3\n"
    assert cli(stdin=b"SET a 1\nGET a\n") == "OK\n1\n"
    assert cli("--csv", "MGET", "a", "none") == '"1",NULL\n'


def test_resp3(cli):
    cli("HSET", "h", "a", "1")
    cli("SADD", "s", "m")
    cli("ZADD", "z", "1.5", "m")
    assert cli("--no-raw", "-3", "HGETALL", "h") == '1# "a" => "1"\n'
    assert cli("--no-raw", "-3", "SMEMBERS", "s") == '1~ "m"\n'
    assert cli("--no-raw", "-3", "ZSCORE", "z", "m") == "(double) 1.5\n"
    assert cli("--no-raw", "-3", "GET", "none") == "(nil)\n"
    assert '{"a":"1"}\n' == cli("--json", "HGETALL", "h")
    assert cli("-3", "INFO", "server").startswith("# Server")


class Terminal:
    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.environ["HOME"] = "/nonexistent"
            time.sleep(0.1)             # until the window has its size
            os.execvp(command[0], command)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, 200, 0, 0))
        self.text = ""

    def until(self, pattern, seconds=20):
        """Read until it shows; return all that was read."""
        limit = time.monotonic() + seconds
        while True:
            text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", self.text)
            if re.search(pattern, text):
                self.text = ""
                return text
            left = limit - time.monotonic()
            assert left > 0, (pattern, text)
            if select.select([self.fd], [], [], left)[0]:
                self.text += os.read(self.fd, 65536).decode("latin-1")

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        limit = time.monotonic() + 10
        while time.monotonic() < limit:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    os.read(self.fd, 65536)
                except OSError:
                    pass
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("it did not end")


def test_at_a_terminal(cli):
    """Its help comes from COMMAND DOCS."""
    t = Terminal(["redis-cli", "-p", str(cli.server.port)])
    t.until(r":%d> " % cli.server.port)
    t.type("help hset\r")
    said = t.until(r"group: hash[^>]*> ")
    assert "HSET key field value [field value ...]" in said
    assert "since: 2.0.0" in said
    t.type("help @string\r")
    said = t.until(r"STRLEN key(.|\n)*> $")
    assert "INCRBYFLOAT key increment" in said
    t.type("set k 'a b'\r")
    t.until(r"OK\n[^>]*> ")
    t.type("get k\r")
    t.until(r'"a b"\n[^>]*> ')
    t.type("select 2\r")
    t.until(r"\[2\]> ")
    t.type("multi\r")
    t.until(r"\(TX\)> ")
    t.type("discard\r")
    t.until(r"\[2\]> ")
    t.type("quit\r")
    assert t.end() == 0


def test_scan(cli):
    fill(cli)
    assert len(cli("--scan").split()) == 304
    assert len(cli("--scan", "--pattern", "s:1*").split()) == 111


@pytest.mark.parametrize("how, says", [
    ("--bigkeys", [r"Biggest +list found '\"l\"' has 500 items",
                   r"Biggest +hash found '\"h\"' has 10 fields",
                   r"Biggest string found '\"s:299\"' has 299 bytes",
                   r"Biggest +set found '\"e\"' has 30 members",
                   r"Biggest +zset found '\"z\"' has 20 members",
                   r"Sampled 304 keys in the keyspace!"]),
    ("--memkeys", [r"Sampled 304 keys in the keyspace!",
                   r"Biggest +list found '\"l\"' has \d+ bytes"]),
    ("--hotkeys", []),
])
def test_keys_that_stand_out(cli, how, says):
    fill(cli)
    if how == "--hotkeys":
        cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        for _ in range(20):
            cli("GET", "s:7")
        says = ["summary"]
    said = cli(how)
    for pattern in says:
        assert re.search(pattern, said), said


def test_pipe(cli):
    data = b"".join(encode("SET", "p:%d" % i, i) for i in range(20000))
    said = cli("--pipe", stdin=data)
    assert "errors: 0, replies: 20000" in said
    said = cli("--pipe", stdin=b"SET q 1\r\nLPUSH q x\r\n", check=False)
    assert "errors: 1, replies: 2" in said
    assert cli("DBSIZE") == "20001\n"


def test_stat_and_latency(cli):
    fill(cli)
    for args, pattern in [
            (["--stat", "-i", "0.1"], r"(304 +\d+\.\d+[KMG] +\d+.*\n){3}"),
            (["--latency", "-i", "0.1"], r"min: \d+, max: \d+, avg: ")]:
        t = Terminal(["redis-cli", "-p", str(cli.server.port), *args])
        t.until(pattern)
        os.kill(t.pid, signal.SIGTERM)
        assert t.end() == -signal.SIGTERM


def test_monitor_and_subscribe(cli):
    for command, act, says in [
            (["MONITOR"], ["SET", "k", "v"], b'"SET" "k" "v"'),
            (["SUBSCRIBE", "ch"], ["PUBLISH", "ch", "hello"], b"hello"),
            (["PSUBSCRIBE", "c*"], ["PUBLISH", "ch", "hello"], b"hello")]:
        p = subprocess.Popen(["redis-cli", "-p", str(cli.server.port),
                              *command], stdout=subprocess.PIPE)
        try:
            p.stdout.readline()
            if command[0] != "MONITOR":
                p.stdout.readline()
            cli(*act)
            limit = time.monotonic() + 20
            said = b""
            while says not in said:
                assert time.monotonic() < limit
                said += p.stdout.readline()
        finally:
            p.kill()
            p.communicate()


def test_eval_says_why_not(cli):
    """There are no scripts; a client falls back by this text."""
    said = cli("EVAL", "return 1", "0")
    assert said.startswith("ERR unknown command 'EVAL', with args beginning")


@pytest.mark.parametrize("pipeline", [1, 16])
def test_benchmark(cli, pipeline):
    """The whole default set, without an error."""
    if shutil.which("redis-benchmark") is None:
        pytest.skip("redis-benchmark is not installed")
    done = subprocess.run(
        ["redis-benchmark", "-p", str(cli.server.port), "-q", "-n", "300",
         "-c", "20", "-P", str(pipeline), "-r", "1000"],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "rror" not in done.stderr + done.stdout
    for name in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH",
                 "RPUSH", "LPOP", "RPOP", "SADD", "HSET", "SPOP", "ZADD",
                 "ZPOPMIN", "LRANGE_100", "LRANGE_300", "LRANGE_500",
                 "LRANGE_600", "MSET"]:
        assert re.search(r"(^|\r|\n)%s\b.*requests per second" % name,
                         done.stdout), name
    with cli.server.raw() as c:
        stats = c.call("INFO", "errorstats")[1].decode()
    assert "errorstat" not in stats, stats
