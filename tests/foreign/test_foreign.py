# SPDX-License-Identifier: MIT
"""Clients and frameworks of others: they connect, work, and close."""

import os
import re
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def errors(server):
    """Commands that we do not have, or that were used wrongly."""
    with server.raw() as c:
        return c.call("INFO", "errorstats")[1].decode()


def gone(server):
    """All connections but ours are closed."""
    with server.raw() as c:
        limit = time.monotonic() + 20
        while b"connected_clients:1\r\n" not in c.call("INFO", "clients")[1]:
            assert time.monotonic() < limit, c.call("CLIENT", "LIST")
            time.sleep(0.05)


@pytest.mark.parametrize("script, says", [
    ("node_redis.mjs", "node-redis: all well"),
    ("ioredis.mjs", "ioredis: all well")])
def test_node(node, redis_like, script, says):
    done = node(script, redis_like.port)
    assert done.stdout.strip() == says, done.stderr
    assert done.returncode == 0
    gone(redis_like)


@pytest.mark.parametrize("script, says", [
    ("redis_py.py", "redis-py: all well"),
    ("rq_jobs.py", "rq: all well"),
    ("celery_jobs.py", "celery: all well")])
def test_python(python, redis_like, script, says):
    done = python(script, redis_like.port)
    assert done.stdout.strip().endswith(says), done.stderr[-3000:]
    assert done.returncode == 0
    assert "unknown command" not in done.stderr
    gone(redis_like)


def from_guide(language, port):
    """The guide's program in a language."""
    with open(os.path.join(TOP, "docs", "guide.md")) as f:
        found = re.findall(r"^```%s\n(.*?)^```$" % language, f.read(),
                           re.M | re.S)
    assert len(found) == 1
    return found[0].replace("6480", str(port))


def test_the_guide_in_javascript(node, redis_like):
    done = node("guide.mjs", text=from_guide("js", redis_like.port))
    assert (done.stdout, done.returncode) == ("hello\n", 0), done.stderr
    gone(redis_like)


def test_the_guide_in_go(golang, redis_like):
    done = golang(from_guide("go", redis_like.port))
    assert (done.stdout, done.returncode) == ("hello\n", 0), done.stderr
    gone(redis_like)
