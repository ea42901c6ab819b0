# SPDX-License-Identifier: MIT
"""kvns ping and kvns health: an exit status for scripts and containers."""

import os
import socket
import subprocess
import threading

import pytest

from harness.server import free_port


@pytest.fixture
def probe(binary, config_name, tmp_path):
    if config_name == "redis":
        pytest.skip("redis-server has no probes")

    def run(*args, **options):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith("KVNS_")}
        env.update({"KVNS_" + k.upper(): str(v) for k, v in options.items()})
        return subprocess.run([binary, *args], env=env, cwd=tmp_path,
                              capture_output=True, text=True, timeout=30)

    return run


def one_line(text):
    return text.count("\n") == 1 and text.endswith("\n")


@pytest.mark.parametrize("command", ["ping", "health"])
def test_a_server_that_is_well(probe, server, command):
    port = str(server.port)
    for run in (probe(command, "-h", "127.0.0.1", "-p", port),
                probe(command, "--port", port),
                probe(command, port=port),
                probe(command, port=port, host="0.0.0.0")):
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout == "127.0.0.1:%s: PONG\n" % port


@pytest.mark.parametrize("command", ["ping", "health"])
def test_nobody_there(probe, command):
    run = probe(command, port=free_port())
    assert (run.returncode, run.stdout) == (1, "")
    assert one_line(run.stderr) and "refused" in run.stderr


def test_a_password(probe, fresh_server):
    port = fresh_server(password="se cret").port
    assert probe("health", port=port, password="se cret").returncode == 0
    assert probe("health", "-a", "se cret", port=port).returncode == 0
    run = probe("health", port=port)
    assert run.returncode == 1 and "NOAUTH" in run.stderr
    run = probe("ping", port=port, password="wrong")
    assert run.returncode == 1 and "WRONGPASS" in run.stderr
    assert "wrong" not in run.stderr


def test_a_unix_socket(probe, fresh_server, tmp_path):
    path = str(tmp_path / "s")
    fresh_server(unixsocket=path)
    run = probe("health", port=0, unixsocket=path)
    assert (run.returncode, run.stdout) == (0, path + ": PONG\n")


def answer_with(reply):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def serve():
        c, _ = listener.accept()
        with c:
            c.recv(100)
            if reply is not None:
                c.sendall(reply)
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def test_loading_is_alive_but_not_well(probe):
    reply = b"-LOADING kvns is loading the dataset in memory\r\n"
    run = probe("ping", port=answer_with(reply))
    assert run.returncode == 0 and "LOADING" in run.stdout
    run = probe("health", port=answer_with(reply))
    assert run.returncode == 1 and "LOADING" in run.stderr


def test_strange_answers(probe):
    for reply in (None, b"\r\n", b"HTTP/1.1 400\r\n", b"+PO", b"x" * 5000):
        run = probe("ping", port=answer_with(reply))
        assert run.returncode == 1
        assert one_line(run.stderr)


def test_a_flag_that_is_none(probe):
    run = probe("health", "-z")
    assert run.returncode == 2 and one_line(run.stderr)
