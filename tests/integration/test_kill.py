# SPDX-License-Identifier: MIT
"""kill -9 at random moments, under load, while snapshots are taken.

Writers keep a history that their keys tell: step n of a writer is one
transaction that changes strings, a hash, a set, a sorted set, a list and a
long string, each in a way that follows from n.  What a restarted server has
must be exactly the state behind some step of each writer, and

  - not older than the last save that was acknowledged;
  - one moment: a step that was begun after another was acknowledged is not
    there without that one.

--kills says how often.
"""

import os
import random
import threading
import time

import pytest
import redis as redis_py

from conftest import connect_py

WRITERS = 3
FIELDS, LIST, KEYS, LONG = 3000, 4000, 200, 70000


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("about files that we write")


def step(pipe, who, n):
    """Step n of a writer, as commands of one transaction."""
    k = "w%d/" % who
    pipe.set(k + "n", n)
    pipe.set(k + "k%d" % (n % KEYS), n)
    pipe.hset(k + "h", "f%d" % (n % FIELDS), n)
    pipe.zadd(k + "z", {"m%d" % (n % FIELDS): n})
    pipe.sadd(k + "s", "m%d" % n)
    pipe.srem(k + "s", "m%d" % (n - FIELDS))
    pipe.rpush(k + "l", n)
    pipe.ltrim(k + "l", -LIST, -1)
    pipe.setrange(k + "b", n % LONG, "%c" % (97 + n // LONG % 26))
    if n % 50 == 0:
        pipe.rename(k + "h", k + "t")
        pipe.rename(k + "t", k + "h")


def last(n, place, places):
    """The last step up to n that wrote this place of so many, or None."""
    i = n - (n - place) % places
    return i if i >= 1 else None


def verify(r, who, wait):
    """Hold what is there against the step it claims to be; returns that."""
    k = "w%d/" % who
    n = int(r.get(k + "n") or 0)
    if n == 0:
        assert r.keys(k + "*") == []
        return 0
    keys = r.mget([k + "k%d" % i for i in range(KEYS)])
    for i, v in enumerate(keys):
        assert v == (None if last(n, i, KEYS) is None else
                     b"%d" % last(n, i, KEYS)), (n, i, v)
    fields = {b"f%d" % i: b"%d" % last(n, i, FIELDS) for i in range(FIELDS)
              if last(n, i, FIELDS) is not None}
    assert r.hgetall(k + "h") == fields, n
    assert r.zrange(k + "z", 0, -1, withscores=True) == sorted(
        ((b"m" + f[1:], float(v)) for f, v in fields.items()),
        key=lambda x: x[1]), n
    assert r.smembers(k + "s") == {
        b"m%d" % i for i in range(max(1, n - FIELDS + 1), n + 1)}, n
    assert r.lrange(k + "l", 0, -1) == [
        b"%d" % i for i in range(max(1, n - LIST + 1), n + 1)], n
    long = r.get(k + "b")
    for at in [n % LONG, (n + 1) % LONG] + random.sample(range(LONG), 50):
        i = last(n, at, LONG)
        want = b"%c" % (97 + i // LONG % 26) if i is not None else b"\0"
        assert long[at:at + 1] == want or at >= len(long), (n, at)
    return n


class Writer(threading.Thread):
    """Goes on from step n until the server is gone."""

    def __init__(self, s, who, n):
        super().__init__(daemon=True)
        self.s, self.who, self.acked = s, who, n
        self.log = []               # (step, begun, acknowledged)
        self.start()

    def run(self):
        r = connect_py(self.s, 2)
        n = self.acked
        try:
            while True:
                n += 1
                pipe = r.pipeline(transaction=True)
                step(pipe, self.who, n)
                begun = time.monotonic()
                self.log.append([n, begun, None])
                pipe.execute()
                self.log[-1][2] = time.monotonic()
                self.acked = n
        except (redis_py.exceptions.ConnectionError, OSError):
            pass


class Saver(threading.Thread):
    """Saves again and again, and knows what each save has to hold."""

    def __init__(self, s, writers):
        super().__init__(daemon=True)
        self.s, self.writers = s, writers
        self.floor = [w.acked for w in writers]
        self.saves = 0
        self.start()

    def run(self):
        r = connect_py(self.s, 2)
        before = [w.acked for w in self.writers]
        promised = False
        try:
            while True:
                before = [w.acked for w in self.writers]
                if random.random() < 0.2:
                    r.save()
                else:
                    r.bgsave()
                    while r.info("persistence")["rdb_bgsave_in_progress"]:
                        time.sleep(0.002)
                    promised = r.info("persistence")[
                        "rdb_last_bgsave_status"] == "ok"
                    assert promised
                self.floor = before
                self.saves += 1
        except (redis_py.exceptions.ConnectionError, OSError):
            pass


def start(fresh_server, path):
    s = fresh_server(args=["--redis", "--save", "3600 100000000"],
                     persist_path=path)
    r = connect_py(s, 2)
    limit = time.monotonic() + 30
    while r.info("persistence")["loading"]:
        assert time.monotonic() < limit
        time.sleep(0.005)
    return s, r


@pytest.mark.timeout(3500)
def test_killed_at_random_moments(fresh_server, tmp_path, request):
    kills = request.config.getoption("--kills")
    path = tmp_path / "x.rdb"
    seed = random.randrange(10 ** 6)
    print("seed", seed)
    moments = random.Random(seed)
    s, r = start(fresh_server, path)
    steps = [0] * WRITERS
    saves = total = 0
    for round in range(kills):
        # each writer begins with data of some size
        writers = [Writer(s, who, steps[who]) for who in range(WRITERS)]
        saver = Saver(s, writers)
        time.sleep(0.1 + moments.random() * 0.7)
        s.kill()
        for t in writers + [saver]:
            t.join(20)
            assert not t.is_alive()
        r.close()
        saves += saver.saves
        assert not any(name for name in os.listdir(tmp_path)
                       if name not in ("x.rdb", "x.rdb.tmp"))
        s, r = start(fresh_server, path)
        assert os.listdir(tmp_path) in (["x.rdb"], [])
        found = [verify(r, who, 0) for who in range(WRITERS)]
        for who, w in enumerate(writers):
            begun_last = w.log[-1][0] if w.log else steps[who]
            assert saver.floor[who] <= found[who] <= begun_last, (
                seed, round, who, saver.floor, found, begun_last)
            total += w.acked - steps[who]
            # one moment: of every other writer there is all that had been
            # acknowledged when this one's last step began
            step_log = {n: begun for n, begun, _ in w.log}
            if found[who] not in step_log:
                continue
            for other, v in enumerate(writers):
                acked = [n for n, _, done in v.log
                         if done is not None and done < step_log[found[who]]]
                if acked:
                    assert found[other] >= acked[-1], (seed, round, who,
                                                       other)
        steps = found
    print("%d kills, %d saves acknowledged, %d steps" % (kills, saves, total))
    assert total > 0
    r.close()
    s.kill()
