# SPDX-License-Identifier: MIT
"""Sockets that a service manager has opened, as sd_listen_fds(3) has it."""

import os
import signal
import socket
import subprocess
import urllib.request

import pytest

from harness.resp import Raw
from harness.server import free_port


def listening():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(8)
    return s


def start(binary, sockets, names, tmp_path, pid="$$", **env):
    """Run the program with these sockets from descriptor 3 on."""
    high = [os.dup(s.fileno()) for s in sockets]

    def place():
        spare = [os.dup(fd) for fd in high]
        for i, fd in enumerate(spare):
            os.dup2(fd, 3 + i)

    script = 'export LISTEN_PID=%s; exec "$0"' % pid
    try:
        return subprocess.Popen(
            ["/bin/sh", "-c", script, binary], cwd=tmp_path, preexec_fn=place,
            pass_fds=range(3, 3 + len(sockets)), stderr=subprocess.PIPE,
            env=dict(os.environ, LISTEN_FDS=str(len(sockets)),
                     LISTEN_FDNAMES=names, KVNS_PORT=str(free_port()),
                     KVNS_HOST="127.0.0.1", **env))
    finally:
        for fd in high:
            os.close(fd)


@pytest.fixture
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("redis-server takes no sockets over")


def test_sockets_handed_over(binary, tmp_path, not_redis):
    with listening() as resp, listening() as web:
        p = start(binary, [resp, web], "requests:metrics", tmp_path,
                  KVNS_METRICS_PORT="1")
        try:
            with Raw(resp.getsockname()) as c:
                assert c.call("PING") == ("+", b"PONG")
            with urllib.request.urlopen("http://127.0.0.1:%d/healthz"
                                        % web.getsockname()[1],
                                        timeout=20) as answer:
                assert answer.status == 200
            p.send_signal(signal.SIGTERM)
            said = p.communicate(timeout=20)[1].decode()
        finally:
            p.kill()
            p.wait()
        assert p.returncode == 0, said
        assert "descriptor 3, handed over" in said
        assert "for HTTP on descriptor 4" in said


def test_of_another_process(binary, tmp_path, not_redis):
    """The variables are inherited: they mean the process they name."""
    with listening() as resp:
        p = start(binary, [resp], "", tmp_path, pid="1",
                  KVNS_METRICS_PORT="0")
        try:
            line = p.stderr.readline()
            while line and b"Ready" not in line and b"limit" not in line:
                line = p.stderr.readline()
            p.send_signal(signal.SIGTERM)
            said = p.communicate(timeout=20)[1]
        finally:
            p.kill()
            p.wait()
        assert b"handed over" not in said


def test_what_does_not_listen(binary, tmp_path, not_redis):
    with socket.socket() as plain:
        p = start(binary, [plain], "", tmp_path, KVNS_METRICS_PORT="0")
        said = p.communicate(timeout=20)[1].decode()
        assert p.returncode == 1, said
        assert "descriptor 3, handed over to listen on, does not listen" in said
