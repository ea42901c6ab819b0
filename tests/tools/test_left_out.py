"""What -DKVNS_NO_PAGE and -DKVNS_NO_HTTP leave out, and what stays."""

import http.client
import os
import subprocess

import pytest

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


def ask(port, path):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        c.request("GET", path)
        answer = c.getresponse()
        return answer.status, answer.read()
    finally:
        c.close()


def test_without_the_page(tmp_path):
    port = free_port()
    binary = build("-DKVNS_NO_PAGE", tmp_path / "kvns")
    with open(binary, "rb") as f:
        assert b"status.json" not in f.read()
    s = start(binary, port)
    try:
        status, body = ask(port, "/")
        assert status == 200 and b"/metrics" in body and len(body) < 1000
        assert ask(port, "/status.json")[0] == 404
        assert b"kvns_keys_total" in ask(port, "/metrics")[1]
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
            ask(port, "/")
        s.stop()
    finally:
        s.discard()
