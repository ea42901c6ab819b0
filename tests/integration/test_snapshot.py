# SPDX-License-Identifier: MIT
"""SAVE, BGSAVE, SHUTDOWN: the file is the state of one moment."""

import os
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest

from conftest import connect_py
from harness.data import contents, differences, fill
from harness.resp import encode

ROUNDS = int(os.environ.get("KVNS_TEST_ROUNDS", "2"))


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("about files that we write")


def wait_saved(r, wait=30):
    """Until no snapshot is being taken; was the last one good?"""
    limit = time.monotonic() + wait
    while time.monotonic() < limit:
        info = r.info("persistence")
        if not info["rdb_bgsave_in_progress"]:
            return info["rdb_last_bgsave_status"] == "ok"
        time.sleep(0.005)
    raise AssertionError("the snapshot does not end")


def start(fresh_server, path, rules="3600 100000000", **options):
    s = fresh_server(args=["--redis", "--save", rules], persist_path=path,
                     **options)
    r = connect_py(s, 2)
    limit = time.monotonic() + 30
    while r.info("persistence")["loading"]:
        assert time.monotonic() < limit
        time.sleep(0.005)
    return s, r


def loaded(fresh_server, path):
    """What another server finds in the file."""
    s, r = start(fresh_server, path)
    got = contents(r)
    r.close()
    s.kill()
    return got


def check_rdb(path):
    tool = shutil.which("redis-check-rdb")
    if tool is not None:
        out = subprocess.run([tool, path], capture_output=True)
        assert out.returncode == 0, out.stdout[-2000:]


def test_replies(fresh_server, tmp_path):
    s, r = start(fresh_server, tmp_path / "x.rdb")
    with s.raw() as c:
        assert c.call("SAVE") == ("+", b"OK")
        kind, when = c.call("LASTSAVE")
        assert kind == ":" and abs(when - time.time()) < 5
        assert c.call("BGSAVE") == ("+", b"Background saving started")
        assert wait_saved(r)
        assert c.call("BGSAVE", "SCHEDULE") == (
            "+", b"Background saving started")
        assert wait_saved(r)
        assert c.call("BGSAVE", "NOW") == ("-", b"ERR syntax error")
        assert c.call("MULTI") == ("+", b"OK")
        assert c.call("SAVE")[0] == "-"
        assert c.call("EXEC")[0] == "-"
    check_rdb(tmp_path / "x.rdb")
    assert not (tmp_path / "x.rdb.tmp").exists()


def test_without_a_path(fresh_server):
    with fresh_server().raw() as c:
        assert c.call("SAVE")[0] == "-"
        assert c.call("BGSAVE")[0] == "-"


def test_everything_is_there_again(fresh_server, tmp_path):
    path = tmp_path / "deep" / "er" / "x.rdb"
    s, r = start(fresh_server, path)
    fill(r)
    want = contents(r)
    r.save()
    check_rdb(path)
    got = loaded(fresh_server, path)
    assert differences(want, got) == []
    r.bgsave()
    assert wait_saved(r)
    check_rdb(path)
    assert differences(want, loaded(fresh_server, path)) == []


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_signals_save(fresh_server, tmp_path, sig):
    s, r = start(fresh_server, tmp_path / "x.rdb")
    r.set("k", "v")
    s.stop(sig)
    assert loaded(fresh_server, tmp_path / "x.rdb") == {
        (0, b"k"): (b"string", b"v", -1)}


@pytest.mark.parametrize("how, saved", [
    ((), True), (("SAVE",), True), (("NOSAVE",), False), (("NOW",), True),
    (("FORCE",), True), (("SAVE", "FORCE"), True),
    (("NOSAVE", "FORCE"), False)])
def test_shutdown(fresh_server, tmp_path, how, saved):
    s, r = start(fresh_server, tmp_path / "x.rdb")
    r.set("k", "v")
    with s.raw() as c:
        c.send(encode("SHUTDOWN", *how))
        c.expect_closed()
    s.process.wait(20)
    assert s.process.returncode == 0
    assert (tmp_path / "x.rdb").exists() == saved


def test_shutdown_that_cannot_save(fresh_server, tmp_path):
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    path.mkdir()
    (path / "in the way").write_text("")
    with s.raw() as c:
        assert c.call("SHUTDOWN", "SAVE") == (
            "-", b"ERR Errors trying to SHUTDOWN. Check logs.")
        assert c.call("PING") == ("+", b"PONG")
        assert c.call("SAVE") == ("-", b"ERR")
        (path / "in the way").unlink()
        path.rmdir()
        assert c.call("SAVE") == ("+", b"OK")


def test_shutdown_by_force(fresh_server, tmp_path):
    """What cannot be saved is lost then; without a rule nothing is saved
    unless SAVE says so."""
    path = tmp_path / "x.rdb"
    s = fresh_server(args=["--redis", "--save", ""], persist_path=path)
    with s.raw() as c:
        c.ok("SET", "k", "v")
        assert c.call("SHUTDOWN", "ABORT") == (
            "-", b"ERR No shutdown in progress.")
        assert c.call("SHUTDOWN", "SAVE", "NOSAVE") == (
            "-", b"ERR syntax error")
        path.mkdir()
        (path / "in the way").write_text("")
        c.send(encode("SHUTDOWN", "SAVE", "FORCE"))
        c.expect_closed()
    assert s.process.wait(20) == 1
    assert b"is lost" in s.log()
    (path / "in the way").unlink()
    path.rmdir()
    s = fresh_server(args=["--redis", "--save", ""], persist_path=path)
    with s.raw() as c:
        c.ok("SET", "k", "v")
        c.send(encode("SHUTDOWN", "SAVE", "FORCE"))
        c.expect_closed()
    assert s.process.wait(20) == 0 and path.exists()


def changes(rand, n):
    """Random changes of what `fill` has made, of every kind."""
    spaces = ["", "ns/"]
    strings = ["s%d" % i for i in range(100)] + ["v%d" % i for i in range(22)]
    sizes = [1, 7, 127, 129, 300]

    def pick(*names):
        name = rand.choice(names)
        if rand.random() < 0.5:
            name += str(rand.choice(sizes))
        else:
            name = "l" + name
        return rand.choice(spaces) + name

    def anything():
        return rand.choice([
            lambda: rand.choice(spaces) + rand.choice(strings),
            lambda: pick("list", "set", "hash", "zset"),
            lambda: stream()])()

    def stream():
        return rand.choice(spaces) + "stream%d" % rand.choice(sizes)

    out = []
    for _ in range(n):
        i = rand.randrange(200)
        long = "z" * 300 + str(i)
        text = rand.choice(spaces) + rand.choice(strings)
        out.append(rand.choice([
            lambda: ("SET", text, "new"),
            lambda: ("APPEND", text, "more"),
            lambda: ("SETRANGE", text, rand.randrange(30000), "x"),
            lambda: ("DEL", anything()),
            lambda: ("UNLINK", anything()),
            lambda: ("RENAME", anything(), anything()),
            lambda: ("COPY", anything(), anything(), "REPLACE"),
            lambda: ("PEXPIRE", anything(), rand.choice([1, 100000])),
            lambda: ("PERSIST", anything()),
            lambda: ("MOVE", anything(), 1),
            lambda: ("HSET", pick("hash"), "f%d" % i, "changed"),
            lambda: ("HSET", pick("hash"), "new%d" % i, "x"),
            lambda: ("HDEL", pick("hash"), "f%d" % i),
            lambda: ("SADD", pick("set"), "new%d" % i),
            lambda: ("SREM", pick("set"), long, "m%d" % i),
            lambda: ("SPOP", pick("set")),
            lambda: ("ZADD", pick("zset"), i, long),
            lambda: ("ZINCRBY", pick("zset"), 1, "m%d" % i),
            lambda: ("ZREM", pick("zset"), long),
            lambda: ("ZREMRANGEBYRANK", pick("zset"), 3, 9),
            lambda: ("ZPOPMIN", pick("zset")),
            lambda: ("LPUSH", pick("list"), "head"),
            lambda: ("RPUSH", pick("list"), long),
            lambda: ("LPOP", pick("list")),
            lambda: ("LSET", pick("list"), i % 100, "set"),
            lambda: ("LREM", pick("list"), 1, long),
            lambda: ("LINSERT", pick("list"), "BEFORE", long, "in"),
            lambda: ("LTRIM", pick("list"), 5, -6),
            lambda: ("XADD", stream(), "*", "f", long),
            lambda: ("XADD", stream(), "MAXLEN", "~", 50, "*", "f", i),
            lambda: ("XDEL", stream(), "%d-%d" % (5 + i // 3, i)),
            lambda: ("XTRIM", stream(), "MINID", "%d-0" % (i // 9)),
            lambda: ("XREADGROUP", "GROUP", "first", rand.choice("abc"),
                     "COUNT", 5, "STREAMS", stream(), ">"),
            lambda: ("XACK", stream(), "first", "%d-%d" % (5 + i // 3, i)),
            lambda: ("XCLAIM", stream(), "first", "bob", 0,
                     "%d-%d" % (5 + i // 3, i)),
            lambda: ("XAUTOCLAIM", stream(), "first", "carol", 0, 0, "COUNT",
                     9),
            lambda: ("XGROUP", "DELCONSUMER", stream(), "first", "alice"),
            lambda: ("XGROUP", "DESTROY", stream(), "second"),
            lambda: ("XGROUP", "CREATE", stream(), rand.choice(
                ["first", "another%d" % i]), rand.choice(["0", "$", "7-3"])),
            lambda: ("XGROUP", "SETID", stream(), "first", "%d-0" % (i // 3)),
            lambda: ("XGROUP", "CREATECONSUMER", stream(), "first",
                     "c%d" % i),
            lambda: ("XREADGROUP", "GROUP", "first", "bob", "NOACK", "COUNT",
                     2, "STREAMS", stream(), ">"),
            lambda: ("XREADGROUP", "GROUP", "first", "carol", "COUNT", 9,
                     "STREAMS", stream(), 0),
            lambda: ("XSETID", stream(), "%d-0" % 10 ** 14),
            lambda: ("SWAPDB", 0, rand.choice([1, 9])),
            lambda: ("SELECT", rand.choice([0, 1, 9])),
            lambda: (rand.choice(["FLUSHDB"] + ["PING"] * 15),),
            lambda: (rand.choice(["FLUSHALL"] + ["PING"] * 40),),
            lambda: ("FLUSHDB", "SYNC") if rand.random() < .02 else ("PING",),
        ])())
    return out


@pytest.mark.parametrize("round", range(ROUNDS))
def test_the_file_is_the_state_at_bgsave(fresh_server, tmp_path, round):
    """What is written behind BGSAVE in the same pipeline is not in it."""
    path = tmp_path / "x.rdb"
    seed = random.randrange(10 ** 6)
    rand = random.Random(seed)
    s, r = start(fresh_server, path, "")    # FLUSHALL does not save
    for attempt in (2 * round, 2 * round + 1):
        fill(r, seed=attempt, scale=0.3)
        want = contents(r)
        pipe = r.pipeline(transaction=False)
        pipe.execute_command("BGSAVE")
        for command in changes(rand, 1500):
            pipe.execute_command(*command)
        assert pipe.execute(raise_on_error=False)[0] in (
            True, b"Background saving started"), seed
        assert wait_saved(r), s.log_tail()
        check_rdb(path)
        got = loaded(fresh_server, path)
        assert differences(want, got) == [], "seed %d, attempt %d" % (
            seed, attempt)
        r.flushall()


def test_what_was_flushed_before_is_not_saved(fresh_server, tmp_path):
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path, "")
    for _ in range(3):
        pipe = r.pipeline(transaction=False)
        for i in range(3000):
            pipe.set("old%d" % i, i)
        pipe.sadd("oldset", *range(3000))
        pipe.flushall()
        pipe.set("new", 1)
        pipe.bgsave()
        pipe.set("newer", 1)
        pipe.execute()
        assert wait_saved(r)
        assert [k for _, k in loaded(fresh_server, path)] == [b"new"]
        r.flushall()


def test_transactions_are_whole_in_the_file(fresh_server, tmp_path):
    """Clients keep generations that a MULTI changes; no file mixes two."""
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    names = ["g%d" % i for i in range(20)]
    acked = {}
    stop = threading.Event()

    def change(who):
        c = connect_py(s, 2)
        generation = 0
        while not stop.is_set():
            generation += 1
            pipe = c.pipeline(transaction=True)
            for name in names:
                key = "%d/%s" % (who, name)
                pipe.set(key, generation)
                pipe.hset(key + "h", "f", generation)
                pipe.rpush(key + "l", generation)
                pipe.ltrim(key + "l", -200, -1)
                pipe.zadd(key + "z", {"m%d" % generation: generation})
                if generation > 100:
                    pipe.zrem(key + "z", "m%d" % (generation - 100))
            pipe.execute()
            acked[who] = generation
        c.close()

    threads = [threading.Thread(target=change, args=(i,)) for i in range(3)]
    fill(r, scale=0.1)
    for t in threads:
        t.start()
    try:
        for _ in range(4):
            time.sleep(0.05)
            before = dict(acked)
            r.bgsave()
            after = dict(acked)
            assert wait_saved(r), s.log_tail()
            got = loaded(fresh_server, path)
            for who, least in before.items():
                gens = set()
                for name in names:
                    key = b"%d/%s" % (who, name.encode())
                    gens.add(int(got[0, key][1]))
                    gens.add(int(got[0, key + b"h"][1][b"f"]))
                    gens.add(int(got[0, key + b"l"][1][-1]))
                    gens.add(int(got[0, key + b"z"][1][-1][1]))
                assert len(gens) == 1, gens
                assert least <= gens.pop() <= after[who] + 1
    finally:
        stop.set()
        for t in threads:
            t.join()


def test_a_long_string_goes_out_whole(fresh_server, tmp_path):
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    value = random.Random(5).randbytes(1 << 20) * 70
    r.set("a", value)
    r.set("b", value[:1 << 20])
    pipe = r.pipeline(transaction=False)
    pipe.bgsave()
    pipe.append("a", "more")
    pipe.execute()
    assert wait_saved(r), s.log_tail()
    got = loaded_values(fresh_server, path)
    assert got["a"] == value and got["b"] == value[:1 << 20]


def loaded_values(fresh_server, path):
    s, r = start(fresh_server, path)
    got = {k: r.get(k) for k in ("a", "b")}
    r.close()
    s.kill()
    return got


def test_rules_begin_a_snapshot(fresh_server, tmp_path):
    path = tmp_path / "x.rdb"
    s = fresh_server(persist_path=path, persist_interval=1)
    r = connect_py(s, 2)
    time.sleep(1.2)
    assert not path.exists()            # nothing has changed
    r.set("k", "v")
    limit = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert wait_saved(r)
    assert r.info("persistence")["rdb_changes_since_last_save"] == 0


def test_what_was_flushed_is_not_in_the_file(fresh_server, tmp_path):
    """With rules, FLUSHALL has a snapshot taken, as with Redis."""
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    r.set("k", "v")
    assert r.save()
    saves = r.info("persistence")["rdb_saves"]
    r.flushall()
    limit = time.monotonic() + 10
    while r.info("persistence")["rdb_saves"] == saves:
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert wait_saved(r)
    assert r.info("persistence")["rdb_changes_since_last_save"] == 0
    s.kill()
    assert loaded(fresh_server, path) == {}


@pytest.mark.parametrize("off", [{"persist_interval": 0}, {"save": ""}])
def test_without_an_interval_the_shutdown_saves(fresh_server, tmp_path, off):
    path = tmp_path / "x.rdb"
    s = fresh_server(persist_path=path, **off)
    words = b"no interval between snapshots: "
    if "save" in off:
        words += b"nobody saves but who asks"
    else:
        words += b"only the shutdown saves, and who asks"
    assert words in s.log()
    r = connect_py(s, 2)
    r.set("k", "v")
    # with an interval of 1 it would have been saved by now
    time.sleep(1.3)
    info = r.info("persistence")
    assert not path.exists() and info["rdb_saves"] == 0
    assert info["rdb_changes_since_last_save"] == 1
    # it is given back to its interval, and away from it, at run time
    r.config_set("persist-interval", 1)
    limit = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert wait_saved(r)
    r.config_set("persist-interval", 0)
    assert r.config_get("persist-interval") == {"persist-interval": "0"}
    before = path.read_bytes()
    r.set("late", "v")
    time.sleep(1.3)
    assert path.read_bytes() == before
    s.stop()
    assert loaded(fresh_server, path) and path.read_bytes() != before


def test_expired_keys_are_not_loaded(fresh_server, tmp_path):
    path = tmp_path / "x.rdb"
    s, r = start(fresh_server, path)
    r.set("k", "v", px=300)
    r.hset("h", "f", "v")
    r.pexpire("h", 300)
    r.set("stays", "v", px=100000)
    r.save()
    time.sleep(0.35)
    assert [k for _, k in loaded(fresh_server, path)] == [b"stays"]


@pytest.mark.parametrize("round", range(max(2, ROUNDS)))
def test_killed_while_saving(fresh_server, tmp_path, round):
    """After kill -9 there is the old snapshot, or the new one."""
    path = tmp_path / "x.rdb"
    rand = random.Random()
    generation = 0
    for _ in range(3):
        s, r = start(fresh_server, path)
        found = int(r.get("generation") or 0)
        assert found in (generation, generation - 1, generation + 1), found
        if found:
            assert set(r.mget(["k%d" % i for i in range(500)])) == {
                b"%d" % found}
        for _ in range(3):
            generation = found = found + 1
            r.mset({"generation": found,
                    **{"k%d" % i: found for i in range(500)}})
            r.save()
        generation = found + 1
        r.mset({"generation": generation,
                **{"k%d" % i: generation for i in range(500)}})
        pipe = r.pipeline(transaction=False)
        pipe.bgsave()
        pipe.execute()
        time.sleep(rand.random() * 0.02)
        s.kill()
        r.close()
