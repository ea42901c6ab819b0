# SPDX-License-Identifier: MIT
"""Celery: tasks, groups and a chord's parts, by way of a solo worker."""

import contextlib
import sys

import kombu.transport.redis
from celery import Celery, group
from celery.contrib.testing.worker import start_worker


@contextlib.contextmanager
def mutex(client, name, expire):
    """Kombu's, whose lock is given back by a script, which we do not run."""
    if not client.set(name, "1", nx=True, ex=expire):
        raise kombu.transport.redis.MutexHeld()
    try:
        yield
    finally:
        client.delete(name)


kombu.transport.redis.Mutex = mutex
at = "redis://127.0.0.1:%s/" % sys.argv[1]
app = Celery("celery_jobs", broker=at + "0", backend=at + "1")
app.conf.broker_connection_retry_on_startup = True
# Its mailboxes are bound and unbound by scripts since kombu 5.7.
app.conf.worker_enable_remote_control = False


@app.task(name="add")
def add(a, b):
    return a + b


@app.task(name="fail")
def fail():
    raise ValueError("on purpose")


def main():
    with start_worker(app, pool="solo", perform_ping_check=False,
                      loglevel="CRITICAL"):
        assert add.delay(2, 3).get(timeout=30) == 5
        assert group(add.s(i, i) for i in range(5))().get(timeout=30) == [
            0, 2, 4, 6, 8]
        assert (add.s(1, 2) | add.s(10)).delay().get(timeout=30) == 13
        result = fail.delay()
        try:
            result.get(timeout=30)
            raise AssertionError("no error came back")
        except ValueError as why:
            assert str(why) == "on purpose"
        assert add.apply_async((1, 1), countdown=1).get(timeout=30) == 2
    print("celery: all well")


if __name__ == "__main__":
    main()
