# SPDX-License-Identifier: MIT
"""NAMESPACE and the settings of namespaces."""

import re
import time

import pytest

from harness.resp import encode, plain


def call(c, *args):
    return plain(c.call(*args))


def info(c, ns):
    kind, flat = c.call("NAMESPACE", "INFO", ns)
    while kind == "-" and flat.startswith(b"LOADING"):
        kind, flat = c.call("NAMESPACE", "INFO", ns)
    assert kind == "*"
    return {plain(flat[i]).decode(): plain(flat[i + 1])
            for i in range(0, len(flat), 2)}


def test_how_keys_are_taken_apart(raw):
    c = raw()
    keys = [b"x", b"ns/x", b"ns/a/b", b"/x", b"x/", b"/", b"", b"//",
            b"default/a/b", b"n\0s/\0\xff", b"ns/"]
    for k in keys:
        c.ok("SET", k, k)
    assert sorted(call(c, "KEYS", "*")) == sorted(keys)
    for k in keys:
        assert call(c, "GET", k) == k
    assert call(c, "GET", "default/x") == b"x"
    c.ok("SET", "default/", "empty")        # the key "" of default
    assert call(c, "GET", "") == b"empty"
    assert call(c, "DBSIZE") == len(keys)
    c.ok("SET", "default/x", "2")
    assert call(c, "GET", "x") == b"2"
    # what is printed names the same key when it is fed back
    for k in call(c, "KEYS", "*"):
        assert call(c, "DEL", k) == 1
    assert call(c, "DBSIZE") == 0


def test_names(raw):
    c = raw()
    assert sorted(call(c, "NAMESPACE", "LIST")) == []
    for k in ("a", "tn1/a", "tn1/b", "tn2/a", "/x", "t\0n/y"):
        c.ok("SET", k, "1")
    assert sorted(call(c, "NAMESPACE", "LIST")) == [
        b"", b"default", b"t\0n", b"tn1", b"tn2"]
    assert sorted(call(c, "NAMESPACE", "LIST", "MATCH", "tn*")) == [
        b"tn1", b"tn2"]
    call(c, "SELECT", 3)
    c.ok("SET", "tn1/z", "1")               # a name counts once
    c.ok("SET", "tn3/z", "1")
    assert sorted(call(c, "NAMESPACE", "LIST", "MATCH", "tn?")) == [
        b"tn1", b"tn2", b"tn3"]
    assert c.call("NAMESPACE", "LIST", "MATCH")[0] == "-"
    assert c.call("NAMESPACE", "LIST", "X", "y") == ("-", b"ERR syntax error")
    for sub in (("INFO",), ("FLUSH",), ("DROP",), ("LIMIT", "1mb"),
                ("POLICY", "lru")):
        assert c.call("NAMESPACE", sub[0], "a/b", *sub[1:]) == (
            "-", b"ERR a namespace's name has no '/'")


def test_the_first_slash_counts(raw):
    c = raw()
    for k in (b"tf/b/c", b"tf//d", b"//e", b"tf/"):
        c.ok("SET", k, "1")
    assert sorted(call(c, "NAMESPACE", "LIST")) == [b"", b"tf"]
    assert info(c, "tf")["keys"] == 3
    assert sorted(call(c, "KEYS", "tf/*")) == [b"tf/", b"tf//d", b"tf/b/c"]
    assert call(c, "KEYS", "tf/b*") == [b"tf/b/c"]
    c.ok("NAMESPACE", "FLUSH", "")
    c.ok("NAMESPACE", "DROP", "tf")
    assert call(c, "DBSIZE") == 0


def microseconds(c, command):
    text = call(c, "INFO", "commandstats")
    return int(text.split(b"cmdstat_%s:" % command)[1].split(
        b"usec=")[1].split(b",")[0])


def test_a_pattern_of_one_namespace_walks_no_other(fresh_server):
    """By what it costs in all, against a walk through the other."""
    c = fresh_server().raw()
    for lo in range(0, 20000, 500):
        c.send(encode("MSET", *[w for i in range(lo, lo + 500)
                                for w in ("huge/%d" % i, "v")]))
        assert c.read() == ("+", b"OK")
    keys = sorted(b"small/%d" % i for i in range(10))
    c.ok("MSET", *[w for k in keys for w in (k, "v")])
    took = {}
    for ns in ("small", "huge"):
        c.ok("CONFIG", "RESETSTAT")
        for _ in range(10):
            found = sorted(call(c, "KEYS", ns + "/?"))
            assert found == [b"%s/%d" % (ns.encode(), i) for i in range(10)]
        took[ns] = microseconds(c, b"keys")
        c.ok("CONFIG", "RESETSTAT")
        for _ in range(10):
            cursor, found = call(c, "SCAN", "0", "MATCH", ns + "/?",
                                 "COUNT", "100000")
            assert cursor == b"0" and len(found) == 10
        took[ns] = min(took[ns], microseconds(c, b"scan")), max(
            took[ns], microseconds(c, b"scan"))
    assert 4 * took["small"][1] < took["huge"][0], took


def test_namespaces_of_one_key_are_cheap(fresh_server, binary, config_name):
    """At most 350 bytes, key included; in 64 shards as well."""
    n, was, now = 50000, {}, {}
    with open(binary, "rb") as f:
        watched = set(re.findall(rb"__[at]san_init", f.read()))
    bare = not watched
    # ThreadSanitizer knows 64 locks a thread, and there are others
    shards = 32 if b"__tsan_init" in watched else 64
    c = fresh_server(**({} if config_name == "classic" else
                        {"shard_count": shards})).raw(timeout=60)

    def look(to):
        for line in call(c, "INFO", "memory").split(b"\r\n"):
            name, _, value = line.partition(b":")
            if value.isdigit():
                to[name] = int(value)

    look(was)
    for lo in range(0, n, 5000):
        c.send(b"".join(encode("SET", "ns%07d/key" % i, "v" * 8)
                        for i in range(lo, lo + 5000)))
        assert c.read_many(5000) == [("+", b"OK")] * 5000
    look(now)
    each = {k: (now[k] - was[k]) / n for k in now if k in was}
    assert 150 < each[b"used_memory"] <= each[b"allocator_allocated"] < 350
    if bare:
        # a megabyte is not theirs: code, and what a client needs
        assert now[b"used_memory_rss"] - was[b"used_memory_rss"] < \
            350 * n + (1 << 20), each


def test_info(raw, config_name):
    c = raw()
    nothing = info(c, "ni")
    assert nothing["keys"] == nothing["bytes"] == nothing["commands"] == 0
    assert nothing["limit"] is None and nothing["policy"] == b"none"
    c.ok("SET", "ni/a", "1")
    c.ok("SET", "ni/b", "1", "EX", "100")
    c.ok("SET", "ni/c", "1", "PX", "1")
    time.sleep(0.01)
    assert call(c, "MGET", "ni/a", "ni/x") == [b"1", None]
    assert call(c, "GET", "ni/c") is None
    call(c, "SELECT", 1)
    c.ok("SET", "ni/d", "1")
    i = info(c, "ni")
    assert i["keys"] == 3 and i["expiring"] == 1 and i["expired"] == 1
    assert i["hits"] == 1
    # only shards that have some of it count
    assert i["misses"] == 2 or config_name != "classic"
    assert i["commands"] in (5, 6) and i["evictions"] == 0
    assert 100 < i["bytes"] < 4096
    assert c.call("NAMESPACE", "INFO")[0] == "-"


def test_looks_count_where_they_look(fresh_server):
    """What is asked of a key beside its value, in two namespaces by turns,
    in one batch; INFO has the sum of them."""
    c = fresh_server().raw()
    looks = [[name, key] for name in ("EXISTS", "TYPE", "TTL", "GET", "TOUCH",
                                      "OBJECT ENCODING", "STRLEN")
             for key in ("nm/a", "no/a", "nm/x", "nm/a")]
    c.ok("MSET", "nm/a", "1", "no/a", "1")
    for i in range(300):                # in every shard there is some of them
        c.ok("MSET", "nm/%d" % i, "1", "no/%d" % i, "1")
    c.ok("CONFIG", "RESETSTAT")
    was = {ns: info(c, ns) for ns in ("nm", "no")}
    c.send(b"".join(encode(*name.split(), key) for name, key in looks))
    for _ in looks:
        c.read()
    now = {ns: info(c, ns) for ns in was}
    made = {ns: [now[ns][what] - was[ns][what]
                 for what in ("hits", "misses", "commands")] for ns in was}
    assert made == {"nm": [14, 7, 21], "no": [7, 0, 7]}
    stats = call(c, "INFO", "stats")
    assert b"keyspace_hits:21\r\nkeyspace_misses:7\r\n" in stats


def test_what_is_dead_is_missed(fresh_server):
    """Whether or not somebody took it away."""
    c = fresh_server(enable_debug_command="yes").raw()
    c.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    was = info(c, "nd")
    c.ok("SET", "nd/stays", "1")
    for name in ("EXISTS", "TYPE", "TTL", "TOUCH", "GET"):
        c.ok("SET", "nd/a", "1", "PX", "1")
        time.sleep(0.01)
        assert call(c, name, "nd/a") in (0, b"none", -2, None), name
    assert info(c, "nd")["hits"] == was["hits"]


def test_what_goes_by_itself_counts_as_expired(raw):
    c = raw()
    c.ok("SET", "nz/stays", "1")
    for i in range(20):
        c.ok("SET", "nz/%d" % i, "1", "PX", "1")
    end = time.monotonic() + 10
    while info(c, "nz")["keys"] > 1 and time.monotonic() < end:
        time.sleep(0.02)
    i = info(c, "nz")
    assert i["keys"] == 1 and i["expired"] == 20 and i["misses"] == 0
    call(c, "DEL", "nz/stays")


def test_info_keeps_what_it_counted(fresh_server):
    """A server of its own: what is kept of names that are gone is bounded."""
    c = fresh_server().raw()
    c.ok("SET", "nk/a", "1")
    assert call(c, "GET", "nk/a") == b"1"
    assert call(c, "DEL", "nk/a") == 1
    assert info(c, "nk")["hits"] == 1
    c.ok("NAMESPACE", "LIMIT", "nl", "1mb")
    c.ok("SET", "nl/a", "1")
    assert call(c, "GET", "nl/a") == b"1"
    c.ok("NAMESPACE", "FLUSH", "nl")
    c.ok("SET", "nl/a", "1")
    assert info(c, "nl")["hits"] == 1
    assert info(c, "nl")["limit"] == 1 << 20
    c.ok("NAMESPACE", "DROP", "nl")


def test_flush_and_drop(raw):
    c, other = raw(), raw()
    for db in (0, 5):
        call(c, "SELECT", db)
        for i in range(300):
            c.ok("SET", "nf/%d" % i, "1")
            c.ok("SET", "ng/%d" % i, "1")
        c.ok("SET", "stays", "1")
    c.ok("NAMESPACE", "LIMIT", "nf", "10mb")
    c.ok("NAMESPACE", "POLICY", "nf", "lru")
    other.ok("WATCH", "nf/1")
    other.ok("MULTI")
    other.send(b"*1\r\n$4\r\nPING\r\n")
    other.read()
    c.ok("NAMESPACE", "FLUSH", "nf")
    assert other.call("EXEC") == ("*", None)
    assert info(c, "nf")["keys"] == 0 and info(c, "nf")["bytes"] == 0
    assert info(c, "nf")["limit"] == 10 << 20
    assert info(c, "nf")["policy"] == b"lru"
    assert info(c, "ng")["keys"] == 600
    assert call(c, "DBSIZE") == 301
    c.ok("SET", "nf/again", "1")
    c.ok("NAMESPACE", "DROP", "nf")
    i = info(c, "nf")
    assert i["keys"] == 0 and i["limit"] is None and i["policy"] == b"none"
    c.ok("NAMESPACE", "DROP", "ng")
    c.ok("NAMESPACE", "DROP", "never-there")
    c.ok("NAMESPACE", "FLUSH", "default")
    assert call(c, "DBSIZE") == 0
    assert call(c, "NAMESPACE", "LIST") == []


def test_a_quota_refuses(raw):
    c = raw()
    c.ok("NAMESPACE", "LIMIT", "nq", "20000")
    n = 0
    while True:
        kind, text = c.call("SET", "nq/%d" % n, "x" * 500)
        if kind == "-":
            break
        n += 1
    assert text == (b"OOM command not allowed when used memory > 'maxmemory'"
                    b" of namespace 'nq'.")
    assert 20 < n < 40
    assert 18000 < info(c, "nq")["bytes"] <= 20000
    assert info(c, "nq")["keys"] == n
    c.ok("SET", "other", "x" * 50000)
    assert call(c, "GET", "nq/0") == b"x" * 500     # reads and deletes work
    assert call(c, "DEL", "nq/0", "nq/1", "nq/2") == 3
    c.ok("SET", "nq/new", "x" * 500)
    c.ok("NAMESPACE", "LIMIT", "nq", "NONE")
    assert info(c, "nq")["limit"] is None
    for i in range(100):
        c.ok("SET", "nq/%d" % i, "x" * 500)
    c.ok("NAMESPACE", "DROP", "nq")


def test_a_quota_evicts_within_the_namespace(raw):
    c = raw()
    c.ok("NAMESPACE", "LIMIT", "ne", "50000")
    c.ok("NAMESPACE", "POLICY", "ne", "allkeys-lru")
    for i in range(100):
        c.ok("SET", "nother/%d" % i, "x" * 500)
    for i in range(500):
        c.ok("SET", "ne/%d" % i, "x" * 500)
    i = info(c, "ne")
    assert i["bytes"] <= 50000 and 50 < i["keys"] < 100
    assert i["evictions"] == 500 - i["keys"]
    assert info(c, "nother")["keys"] == 100
    assert call(c, "EXISTS", "ne/499") == 1
    c.ok("NAMESPACE", "DROP", "ne")


def test_settings_that_are_wrong(raw):
    c = raw()
    kind, text = c.call("NAMESPACE", "POLICY", "nw", "best")
    assert kind == "-"
    for name in (b"none", b"lru", b"mru", b"ear", b"allkeys-lfu",
                 b"volatile-ttl"):
        assert name in text
    assert c.call("NAMESPACE", "LIMIT", "nw", "much")[0] == "-"
    assert c.call("NAMESPACE", "LIMIT", "nw", "-1")[0] == "-"
    assert c.call("NAMESPACE", "NOSUCH")[1].startswith(
        b"ERR unknown subcommand 'NOSUCH'")
    assert b"nw" not in call(c, "NAMESPACE", "LIST")
    assert len(call(c, "NAMESPACE", "HELP")) > 10


def test_policies_have_other_names(raw):
    c = raw()
    for name, shown in (("LFU", b"lru"), ("mfu", b"mru"), ("EAR", b"ear"),
                        ("expire_after_read", b"ear"),
                        ("noeviction", b"none"),
                        ("allkeys-random", b"allkeys-random")):
        c.ok("NAMESPACE", "POLICY", "np", name)
        assert info(c, "np")["policy"] == shown
    c.ok("NAMESPACE", "POLICY", "np", "default")
    assert call(c, "NAMESPACE", "LIST") == []


@pytest.mark.parametrize("ended", ["saved", "option"])
def test_settings_outlive_a_restart(fresh_server, tmp_path, ended):
    path = str(tmp_path / "dump.rdb")
    s = fresh_server(persist_path=path)
    with s.raw() as c:
        c.ok("NAMESPACE", "LIMIT", "kept", "123456")
        c.ok("NAMESPACE", "POLICY", "kept", "mru")
        c.ok("NAMESPACE", "POLICY", "with space", "ear")
        c.ok("NAMESPACE", "USER", "ADD", "anna", "se cret", "kept")
        c.ok("SET", "kept/a", "1")
    s.stop()
    more = {"ns_limits": "kept:1mb", "users": "anna:other:elsewhere"} \
        if ended == "option" else {}
    s = fresh_server(persist_path=path, **more)
    with s.raw() as c:
        i = info(c, "kept")
        assert i["limit"] == (1 << 20 if more else 123456)
        assert i["policy"] == b"mru"
        assert info(c, "with space")["policy"] == b"ear"
        assert call(c, "NAMESPACE", "USER", "LIST") == [
            [b"anna", b"elsewhere" if more else b"kept"]]
        if more:
            assert c.call("AUTH", "anna", "se cret")[0] == "-"
            c.ok("AUTH", "anna", "other")
        else:
            c.ok("AUTH", "anna", "se cret")
            assert call(c, "GET", "a") == b"1"
    with open(path, "rb") as f:
        assert b"se cret" not in f.read()


def test_a_snapshot_larger_than_the_limit(fresh_server, tmp_path):
    path = str(tmp_path / "dump.rdb")
    s = fresh_server(persist_path=path)
    with s.raw() as c:
        for i in range(1000):
            c.ok("SET", "big/%d" % i, "x" * 1000)
    s.stop()
    s = fresh_server(persist_path=path, memory_limit="300kb")
    with s.raw() as c:
        assert info(c, "big")["keys"] == 1000
        assert c.call("SET", "a", "1")[1].startswith(b"OOM")
        assert call(c, "DEL", "big/1") == 1
    assert b"more than the memory limit" in s.log()
    s.stop()
    s = fresh_server(persist_path=path, memory_limit="300kb",
                     eviction_policy="lru")
    with s.raw() as c:
        assert 200 < info(c, "big")["keys"] < 300
        assert info(c, "big")["bytes"] <= 300 << 10
        c.ok("SET", "big/a", "1")
    assert b"keys are evicted" in s.log()


def test_bad_policies_stop_the_start(binary, fresh_server):
    for options in ({"eviction_policy": "best"},
                    {"ns_eviction": "a:best"}):
        with pytest.raises(RuntimeError) as why:
            fresh_server(**options)
        for name in ("none", "lru", "mru", "ear", "allkeys-lru"):
            assert name in str(why.value)


def test_limits_and_policies_at_run_time(raw):
    c = raw()
    c.ok("CONFIG", "SET", "ns-limits", "nr:10kb,ns:20kb")
    assert info(c, "nr")["limit"] == 10 << 10
    c.ok("NAMESPACE", "LIMIT", "nr", "30kb")
    c.ok("CONFIG", "SET", "maxmemory-samples", "6")
    assert info(c, "nr")["limit"] == 30 << 10       # what was said last
    c.ok("CONFIG", "SET", "ns-limits", "ns:20kb")
    assert info(c, "nr")["limit"] is None
    assert info(c, "ns")["limit"] == 20 << 10
    c.ok("CONFIG", "SET", "ns-eviction", "ns:mru")
    assert info(c, "ns")["policy"] == b"mru"
    c.ok("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert info(c, "ns")["policy"] == b"mru"
    assert info(c, "nr")["policy"] == b"allkeys-lru"
    c.ok("CONFIG", "SET", "ns-eviction", "", "ns-limits", "",
         "maxmemory-policy", "noeviction", "maxmemory-samples", "10")
    assert info(c, "ns")["limit"] is None
    assert info(c, "ns")["policy"] == b"none"
