# SPDX-License-Identifier: MIT
"""What -DKVNS_NO_PAGE, -DKVNS_NO_HTTP and -DKVNS_NO_STREAMS leave out, and
what stays."""

import os
import subprocess

import pytest

from harness import web
from harness.server import TOP, Server, free_port

pytestmark = pytest.mark.timeout(180)


def build(flag, to):
    cc = os.environ.get("CC", "cc").split()
    subprocess.run(cc + ["-std=c11", "-O0", "-w", flag, "-pthread",
                         os.path.join(TOP, "src", "kvns.c"), "-o", str(to),
                         "-lm"], check=True)
    return str(to)


def start(binary, port):
    return Server(binary, "classic", metrics_host="127.0.0.1",
                  metrics_port=port).start()


def test_without_the_page(tmp_path):
    port = free_port()
    binary = build("-DKVNS_NO_PAGE", tmp_path / "kvns")
    with open(binary, "rb") as f:
        assert b"status.json" not in f.read()
    s = start(binary, port)
    try:
        status, body = web.get(port, "/")
        assert status == 200 and b"/metrics" in body and len(body) < 1000
        assert web.get(port, "/status.json")[0] == 404
        assert b"kvns_keys_total" in web.get(port, "/metrics")[1]
        s.stop()
    finally:
        s.discard()


def test_without_http(tmp_path):
    port = free_port()
    binary = build("-DKVNS_NO_HTTP", tmp_path / "kvns")
    with open(binary, "rb") as f:
        text = f.read()
    assert b"kvns_keys_total" not in text and b"<!doctype" not in text
    s = start(binary, port)
    try:
        with s.raw() as raw:
            raw.ok("SET", "ns/k", "v")
            assert b"ns_ns:keys=1" in raw.call("INFO", "namespaces")[1]
        with pytest.raises(OSError):
            web.get(port, "/")
        s.stop()
    finally:
        s.discard()


STREAMS = """xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange
    xread xreadgroup xrevrange xsetid xtrim""".split()


def test_without_streams(tmp_path, fresh_server):
    whole = fresh_server(persist_path=str(tmp_path / "dump.rdb"))
    with whole.raw() as raw:
        raw.ok("SET", "before", "v")
        assert raw.call("XADD", "flow", "1-1", "f", "v") == ("$", b"1-1")
        dumped = raw.call("DUMP", "flow")[1]
        plain = raw.call("DUMP", "before")[1]
        raw.ok("SAVE")
    binary = build("-DKVNS_NO_STREAMS", tmp_path / "kvns")
    s = Server(binary, "classic", args=["--redis"]).start()
    try:
        with s.raw() as raw:
            for name in STREAMS:
                for args in ([name], [name, "k", "1-1", "f", "v"]):
                    got = raw.call(*args)
                    assert got[0] == "-" and got[1].startswith(
                        b"ERR unknown command '%s', with args"
                        % name.encode()), got
                assert raw.call("COMMAND", "INFO", name) == (
                    "*", [("$", None)])
            listed = [v for _, v in raw.call("COMMAND", "LIST")[1]]
            assert b"get" in listed
            assert not {n.encode() for n in STREAMS} & set(listed)
            kind, said = raw.call("RESTORE", "flow", "0", dumped)
            assert kind == "-" and said.startswith(b"ERR Bad data format")
            raw.ok("RESTORE", "k", "0", plain)
            assert raw.call("GET", "k") == ("$", b"v")
            assert raw.call("EXISTS", "flow") == (":", 0)
        s.stop()
    finally:
        s.discard()
    # a file with a stream: named, refused, left as it is
    path = tmp_path / "dump.rdb"
    was = path.read_bytes()
    env = dict(os.environ, KVNS_PERSIST_PATH=str(path), KVNS_METRICS_PORT="0",
               KVNS_HOST="127.0.0.1", KVNS_PORT=str(free_port()))
    done = subprocess.run([binary], env=env, capture_output=True, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode not in (0, None) and done.returncode > 0, said
    assert b"flow" in said and b"is a stream" in said, said
    assert b"KVNS_NO_STREAMS" in said, said
    assert path.read_bytes() == was
    done = subprocess.run([binary, "check-rdb", str(path)],
                          capture_output=True, timeout=60)
    assert done.returncode != 0
    assert b"is a stream" in done.stdout + done.stderr
