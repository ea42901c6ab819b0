# SPDX-License-Identifier: MIT
"""RQ: jobs are enqueued, worked off, and their results fetched."""

import sys

import redis
from rq import Queue, SimpleWorker
from rq.registry import FailedJobRegistry, FinishedJobRegistry


def add(a, b):
    return a + b


def fail():
    raise ValueError("on purpose")


def main(port):
    import rq_jobs              # by the name that a worker imports
    r = redis.Redis(port=port)
    q = Queue(connection=r)
    jobs = [q.enqueue(rq_jobs.add, i, 1) for i in range(5)]
    bad = q.enqueue(rq_jobs.fail)
    assert q.count == 6 and jobs[0].get_status() == "queued"
    SimpleWorker([q], connection=r).work(burst=True, logging_level="CRITICAL")
    assert q.count == 0
    assert [j.get_status(refresh=True) for j in jobs] == ["finished"] * 5
    assert bad.get_status(refresh=True) == "failed"
    assert FinishedJobRegistry(queue=q).count == 5
    assert FailedJobRegistry(queue=q).count == 1
    assert [j.return_value(refresh=True) for j in jobs] == [1, 2, 3, 4, 5]
    print("rq: all well")


if __name__ == "__main__":
    main(int(sys.argv[1]))
