# SPDX-License-Identifier: MIT
"""How the program is started, and how it ends: flags, files, variables, what
is printed and logged, signals, the unix socket, the service manager."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

from harness.resp import plain
from harness.server import Server


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("about our own command line")


@pytest.fixture
def run(binary, tmp_path):
    """Run the program to its end, which must come by itself."""
    def run(*args, stdin="", **options):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith("KVNS_")}
        env.update({"KVNS_" + k.upper(): str(v) for k, v in options.items()})
        return subprocess.run([binary, *map(str, args)], env=env, input=stdin,
                              cwd=tmp_path, capture_output=True, text=True,
                              timeout=30)
    return run


def config(server, name):
    with server.raw() as c:
        return plain(c.call("CONFIG", "GET", name))[1].decode()


# What ends at once.

def test_help(run):
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for text in ["usage: kvns [FILE | -]", "\nNetwork\n", "\nSnapshots\n",
                 "  --port [6480] [--redis: 6379]\n",
                 "  --memory-limit, maxmemory [1gb]"]:
        assert text in done.stdout, text
    assert max(map(len, done.stdout.split("\n"))) < 200
    # whatever else is on the line
    assert run("--port", "7", "--help").stdout == done.stdout


def test_version(run):
    done = run("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"kvns v\d+\.\d+\.\d+ bits=(32|64)\n", done.stdout)


@pytest.mark.parametrize("args, options, said", [
    (["--port", "abc"], {}, "--port: 'abc' given, expected a whole number "
     "from 0 to 65535"),
    ([], {"port": "99999"}, "KVNS_PORT: '99999' given, expected a whole "
     "number from 0 to 65535"),
    (["--maxmemory", "10xb"], {}, "--maxmemory: '10xb' given, expected bytes "
     "such as 64kb or 100mb"),
    (["--prot", "1"], {}, "there is no option '--prot', did you mean "
     "'--port'?"),
    (["--nosuchthing"], {}, "there is no option '--nosuchthing', see kvns "
     "--help"),
    (["--port"], {}, "--port: no value given, expected a whole number"),
    (["--port", "1", "2"], {}, "--port: 2 values given"),
    (["nowhere.conf"], {}, "cannot read 'nowhere.conf': No such file or "
     "directory"),
    (["."], {}, "cannot read '.': Is a directory"),
    ([], {"password_file": "nowhere"}, "KVNS_PASSWORD_FILE: cannot read "
     "'nowhere': No such file or directory"),
    ([], {"log": "loud"}, "KVNS_LOG: 'loud' given, expected one of off,"),
    ([], {"eviction_policy": "best"}, "KVNS_EVICTION_POLICY: 'best' given, "
     "expected one of none, lru, mru, ear"),
    ([], {"eviction_threshold": "1.5"}, "expected a number from 0 to 1"),
    ([], {"ns_eviction": "a:b"}, "KVNS_NS_EVICTION"),
    ([], {"sharded_mode": "perhaps"}, "expected yes or no"),
    (["--save", "60 x"], {}, "pairs of seconds and changes"),
    (["--port", "0"], {}, "there is nothing to listen on"),
    (["--unixsocket", "s", "--unixsocketgroup", "no such group"], {},
     "there is no group 'no such group'"),
])
def test_what_is_wrong_is_said_in_a_line(run, tmp_path, args, options, said):
    done = run(*args, **options)
    assert done.stdout == ""
    complaint = [x for x in done.stderr.split("\n") if x.startswith("kvns: ")]
    assert len(complaint) == 1 and said in complaint[0], done.stderr
    if "group" not in said:             # which is seen when it listens
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
    assert done.returncode != 0
    assert b"Ready" not in done.stderr.encode()


@pytest.mark.parametrize("args, said", [
    (["nosuch", "x"], "'nosuch' given, there is no such command"),
    (["config|get", "x"], "'config|get' given, there is no such command"),
    (["get", "SET"], "'SET' given, another command is called so"),
    (["get", "a", "GET", "b"], "'GET' given, there is no such command"),
    (["get"], "'get' given, expected pairs of a command and its new name"),
    ([], "no value given, expected pairs of a command and its new name"),
])
def test_renames_that_cannot_be(run, args, said):
    for more in [], ["--check-config"]:
        done = run("--rename-command", *args, *more)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("kvns: ") and said in done.stderr
        assert done.stderr.count("\n") == 1


def renamed(c):
    """What commands say of themselves under a number of renames."""
    yield plain(c.call("FLUSHALL"))
    yield plain(c.call("CONFIG", "GET", "port"))
    yield plain(c.call("Secret-Configuration", "GET", "hz"))
    yield plain(c.call("secret-configuration", "nosuch"))
    yield plain(c.call("secret-configuration"))
    yield plain(c.call("secret-configuration", "HELP"))[0]
    yield plain(c.call("get", "a", "1"))      # SET, and foo is GET
    yield plain(c.call("FOO", "a"))
    yield plain(c.call("foo"))
    yield plain(c.call("SET", "a", "2"))
    for name in ["get", "set", "foo", "flushall", "config|get",
                 "secret-configuration|get"]:
        at = plain(c.call("COMMAND", "INFO", name))[0]
        yield at and at[:6]
    yield plain(c.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "flush*"))
    yield plain(c.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "foo"))
    yield plain(c.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "get"))
    yield plain(c.call("COMMAND", "GETKEYS", "foo", "k"))
    yield plain(c.call("MULTI"))
    yield plain(c.call("flushall"))
    yield plain(c.call("EXEC"))
    info = c.call("INFO", "commandstats")[1].decode()
    yield [x in info for x in ["cmdstat_config|get:calls=1,",
                               "cmdstat_set:calls=1,", "cmdstat_foo:"]]


RENAMES = """rename-command FLUSHALL ""
rename-command CONFIG secret-configuration
rename-command get foo
rename-command "SET" get
rename-command KEYS keys
"""


def test_renamed_commands(binary, tmp_path, config_name):
    path = tmp_path / "renames.conf"
    path.write_text(RENAMES)
    redis = shutil.which("redis-server")
    if redis is None:
        pytest.skip("redis-server is not installed")
    said = []
    for program, config in (binary, config_name), (redis, "redis"):
        server = Server(program, config, args=["--include", path]).start()
        try:
            with server.raw() as c:
                said.append(list(renamed(c)))
        finally:
            server.kill()
            server.discard()
    for ours, theirs in zip(*said, strict=True):
        assert ours == theirs


def test_renames_by_variable(run):
    done = run("--print-config", rename_command='flushall "" GET g')
    assert 'rename-command flushall "" GET g\n' in done.stdout
    done = run("--print-config", "--rename-command", "flushall", "",
               "--rename-command", "GET", "g")
    assert 'rename-command flushall "" GET g\n' in done.stdout


def test_a_line_of_a_file_is_named(run, tmp_path):
    path = tmp_path / "my.conf"
    path.write_text("port 7000\n# comment\n\nmaxmemory lots\n")
    done = run(path)
    assert done.returncode == 2
    assert "my.conf:4: maxmemory: 'lots' given" in done.stderr
    path.write_text('requirepass "open\n')
    assert "my.conf:1: quotes do not match" in run(path).stderr


def test_check_config(run, tmp_path):
    path = tmp_path / "my.conf"
    path.write_text("appendonly yes\nport 7000\nio-threads 4\nappendonly no\n")
    done = run(path, "--check-config")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.strip().split("\n")
    assert len(lines) == 3 and lines[2] == "the configuration is good"
    assert "my.conf:1: appendonly: 'yes' has no effect" in lines[0]
    assert "my.conf:3: io-threads: '4' has no effect" in lines[1]
    assert run("--check-config", nonsense=1).stdout.startswith(
        "KVNS_NONSENSE: there is no such option\n")
    assert run("--check-config", prot=1).stdout.startswith(
        "KVNS_PROT: there is no such option, did you mean KVNS_PORT?\n")
    path.write_text("port x\n")
    assert run(path, "--check-config").returncode == 2


def test_print_config_can_be_read_back(run, tmp_path):
    first = run("--print-config", "--memory-limit", "300mb",
                "--client-output-buffer-limit", "pubsub 1mb 1mb 1",
                port=7003, password="secret")
    assert first.returncode == 0
    assert "# from the environment\nport 7003\n" in first.stdout
    assert "# from the command line\nmemory-limit 300mb\n" in first.stdout
    assert "secret" not in first.stdout
    assert "# password is set" in first.stdout
    path = tmp_path / "printed.conf"
    path.write_text(first.stdout)
    again = run(path, "--print-config")

    def values(text):
        return [x for x in text.split("\n") if not x.startswith("# from")
                and "password" not in x]

    assert values(again.stdout) == values(first.stdout)


# Where values come from.

def test_the_order_of_sources(fresh_server, tmp_path):
    path = tmp_path / "my.conf"
    path.write_text("databases 5\ntimeout 5\nmaxclients 5\n")
    s = fresh_server(args=[str(path), "--maxclients", "7"], timeout="6",
                     max_clients="6")
    assert config(s, "databases") == "5"        # the file
    assert config(s, "timeout") == "6"          # the variable
    assert config(s, "maxclients") == "7"       # the flag
    assert config(s, "tcp-backlog") == "511"    # the default


def test_redis_directives(fresh_server, tmp_path):
    """A file for redis-server, of which we have a part."""
    (tmp_path / "more.conf").write_text("slowlog-max-len 7\n")
    path = tmp_path / "redis.conf"
    path.write_text("""
        bind 127.0.0.1
        maxmemory 100mb
        maxmemory-policy allkeys-lru
        requirepass "with \\"quotes\\" \\x41"
        unixsocket %s
        unixsocketperm 700
        loglevel notice
        save 3600 1 300 100
        hash-max-ziplist-entries 20
        appendonly yes
        notify-keyspace-events Ex
        proto-max-bulk-len 64mb
        include %s
    """ % (tmp_path / "s.sock", tmp_path / "more.conf"))
    s = fresh_server(args=[str(path)])
    with s.raw() as c:
        c.ok("AUTH", 'with "quotes" A')

        def get(name):
            return plain(c.call("CONFIG", "GET", name))[1].decode()

        assert get("maxmemory") == "104857600"
        assert get("maxmemory-policy") == "allkeys-lru"
        assert get("hash-max-listpack-entries") == "20"
        assert get("appendonly") == "no"
        assert get("notify-keyspace-events") == "xE"
        assert get("proto-max-bulk-len") == "67108864"
        assert get("slowlog-max-len") == "7"
        assert get("unixsocketperm") == "700"
    assert b"redis.conf:11: appendonly: 'yes' has no effect" in s.log()
    mode = os.stat(tmp_path / "s.sock").st_mode
    assert stat.S_ISSOCK(mode) and mode & 0o777 == 0o700


def test_a_file_from_standard_input(binary, run):
    done = run("-", "--print-config", stdin="port 7005\ntimeout 9\n")
    assert "# from a file\nport 7005\n" in done.stdout
    assert "# from a file\ntimeout 9\n" in done.stdout
    done = run("-", stdin="port 7005\nnonsense\n")
    assert done.returncode == 2
    assert "standard input:2: there is no option 'nonsense'" in done.stderr


@pytest.mark.parametrize("text, size", [
    ("100", 100), ("1k", 1000), ("1kb", 1024), ("3m", 3000000),
    ("3mb", 3 << 20), ("2g", 2000000000), ("2gb", 2 << 30), ("7B", 7),
    ("3MB", 3 << 20)])
def test_units(run, text, size):
    """As Redis has them: k is 1000, kb is 1024."""
    done = run("--client-query-buffer-limit", text, "--print-config")
    if size < 1 << 20:
        assert done.returncode == 2 and "at least 1mb" in done.stderr
        return
    line = [x for x in done.stdout.split("\n")
            if x.startswith("client-query-buffer-limit ")][0]
    number, unit = re.fullmatch(r"\S+ (\d+)(|kb|mb|gb)", line).groups()
    assert int(number) << {"": 0, "kb": 10, "mb": 20, "gb": 30}[unit] == size


def test_passwords(fresh_server, tmp_path):
    path = tmp_path / "secret"
    path.write_text("from a file\n")
    for options, args, password in [
            ({"password": "plain"}, [], "plain"),
            ({"password_file": path}, [], "from a file"),
            ({}, ["--password-file", str(path)], "from a file"),
            ({}, ["--requirepass", "flag"], "flag")]:
        s = fresh_server(args=args, **options)
        with s.raw() as c:
            assert c.call("GET", "k") == (
                "-", b"NOAUTH Authentication required.")
            assert c.call("AUTH", "wrong")[0] == "-"
            c.ok("AUTH", password)
        assert password.encode() not in s.log()


@pytest.mark.parametrize("how", ["flag", "name"])
def test_as_redis(binary, config_name, tmp_path, how):
    """--redis, or under the name redis-server: Redis' defaults."""
    os.symlink(binary, tmp_path / "redis-server")
    args = ["--redis"] if how == "flag" else []
    s = Server(binary if how == "flag" else str(tmp_path / "redis-server"),
               config_name, args=args)
    del s.options["KVNS_METRICS_PORT"]
    try:
        s.start()
        for name, value in [("maxmemory", "0"),
                            ("proto-max-bulk-len", str(512 << 20)),
                            ("max-resp-args", "1048576"),
                            ("metrics-port", "0"), ("databases", "16")]:
            assert config(s, name) == value
        with s.raw() as c:
            # more arguments and bytes than ours takes by itself
            assert c.call("EXISTS", *["k"] * 5000) == (":", 0)
            assert c.call("SETRANGE", "k", 20 << 20, "x") == (
                ":", (20 << 20) + 1)
            assert c.call("DEL", "k") == (":", 1)
        s.stop()
    finally:
        s.discard()
    printed = subprocess.run(
        [str(tmp_path / "redis-server"), "--print-config"],
        capture_output=True, text=True).stdout
    assert "\nhost 127.0.0.1 -::1\n" in printed
    assert "\nport 6379\n" in printed


# What is logged.

LINE = {
    "text": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ "
                       r"(error|warning|info|verbose|debug): .+"),
    "logfmt": re.compile(r"(time|ts)=\d{4}-\d\d-\d\dT\S+Z .*level=\w+ .*"
                         r"msg=.+"),
}


@pytest.mark.parametrize("form", ["text", "logfmt", "json"])
def test_the_log(fresh_server, form):
    s = fresh_server(log_format=form)
    s.stop()
    lines = s.log().decode().strip().split("\n")
    for line in lines:
        if form == "json":
            assert isinstance(json.loads(line), dict)
        else:
            assert LINE[form].fullmatch(line), line
    text = "\n".join(lines)
    for said in [r"kvns \d+\.\d+\.\d+ begins", "memory limit 1073741824 bytes",
                 r"listening on 127\.0\.0\.1 port %d" % s.port,
                 "Ready to accept connections tcp", "shutting down", "bye"]:
        assert re.search(said, text), said


@pytest.mark.parametrize("level, has", [
    ("debug", True), ("kvns=debug", True), ("info", True), ("warn", False),
    ("error", False), ("off", False)])
def test_levels(fresh_server, level, has):
    s = fresh_server(log=level)
    assert (b"Ready to accept connections" in s.log()) == has


def test_hangup_opens_the_log_anew(fresh_server, tmp_path):
    path = tmp_path / "kvns.log"
    s = fresh_server(log_file=path)
    with s.raw() as c:
        c.call("PING")
        assert "Ready" in path.read_text()
        path.rename(tmp_path / "old.log")
        s.process.send_signal(signal.SIGHUP)
        limit = time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < limit
            c.call("PING")
            time.sleep(0.01)
        c.ok("CONFIG", "SET", "loglevel", "debug")
    s.stop()
    assert "bye" in path.read_text()
    assert "bye" not in (tmp_path / "old.log").read_text()


# Signals.

def test_a_broken_pipe_and_a_hangup_end_nothing(server, raw):
    c = raw()
    for sig in (signal.SIGPIPE, signal.SIGHUP, signal.SIGXFSZ):
        server.process.send_signal(sig)
        assert c.call("PING") == ("+", b"PONG")
    assert server.alive()


def test_a_second_signal_ends_at_once(binary, config_name, tmp_path):
    s = Server(binary, config_name, persist_path=str(tmp_path / "d" / "x.rdb"))
    try:
        s.start()
        with s.raw() as c:
            c.ok("CONFIG", "SET", "loglevel", "debug")
            for i in range(200):
                c.ok("SET", "k%d" % i, os.urandom(100000))
        s.process.send_signal(signal.SIGTERM)
        s.process.send_signal(signal.SIGTERM)
        # either it was quick enough to end well, or it ended by the second
        assert s.process.wait(10) in (0, 130)
    finally:
        s.discard()


# The unix socket, the process number, the service manager.

def test_only_a_unix_socket(binary, config_name, tmp_path):
    path = tmp_path / "s.sock"
    victim = tmp_path / "file"
    victim.write_text("precious")
    env = dict(os.environ, KVNS_PORT="0", KVNS_METRICS_PORT="0",
               KVNS_UNIXSOCKET=str(path), KVNS_PIDFILE=str(tmp_path / "pid"),
               KVNS_UNIXSOCKETPERM="707",
               KVNS_UNIXSOCKETGROUP=str(os.getgid()))
    p = subprocess.Popen([binary], env=env, stderr=subprocess.PIPE)
    try:
        for line in p.stderr:
            if b"Ready to accept connections" in line:
                break
        assert b"unix" in line
        assert path.stat().st_mode & 0o777 == 0o707
        assert path.stat().st_gid == os.getgid()
        assert (tmp_path / "pid").read_text() == "%d\n" % p.pid
        with socket.socket(socket.AF_UNIX) as c:
            c.connect(str(path))
            c.sendall(b"PING\r\n")
            assert c.recv(100) == b"+PONG\r\n"
    finally:
        p.terminate()
        p.stderr.read()
        assert p.wait(20) == 0
    assert not path.exists() and not (tmp_path / "pid").exists()
    # a file that is no socket is not removed for one
    env["KVNS_UNIXSOCKET"] = str(victim)
    done = subprocess.run([binary], env=env, capture_output=True, timeout=20)
    assert done.returncode == 1 and b"cannot listen on" in done.stderr
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(binary, config_name, tmp_path,
                                     monkeypatch, abstract):
    name = "\0kvns-%d" % os.getpid() if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(name)
        notify.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
        s = Server(binary, config_name, supervised="systemd")
        try:
            s.start()
            assert notify.recv(100) == b"READY=1\n"
            s.stop()
            assert notify.recv(100) == b"STOPPING=1\n"
        finally:
            s.discard()


@pytest.mark.parametrize("flag", ["--check-config", "--print-config"])
def test_a_file_behind_a_flag_is_not_passed_over(binary, tmp_path, flag):
    path = tmp_path / "kvns.conf"
    path.write_text("maxmemory 100mb\n")
    done = subprocess.run([binary, flag, str(path)], capture_output=True)
    assert done.returncode == 2 and done.stdout == b""
    assert b"is too much: a file comes first" in done.stderr
    assert subprocess.run([binary, str(path), flag],
                          capture_output=True).returncode == 0
