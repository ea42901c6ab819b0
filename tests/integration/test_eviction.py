# SPDX-License-Identifier: MIT
"""What each policy lets go, in which order, and what it never touches."""

import time

import pytest

from harness.resp import plain

VALUE = b"v" * 4000
TICKS = 0.02                    # more than idle time is counted in


def call(c, *args):
    return plain(c.call(*args))


def info(c, ns):
    flat = call(c, "NAMESPACE", "INFO", ns)
    return dict(zip([f.decode() for f in flat[::2]], flat[1::2]))


class Full:
    """A namespace with ten keys and room for nothing more."""

    def __init__(self, c, policy, exact):
        self.c, self.ns, self.exact = c, "ev", exact
        c.ok("NAMESPACE", "POLICY", self.ns, policy)
        for i in range(10):
            c.ok("SET", self.key(i), VALUE)

    def key(self, i):
        return "%s/%d" % (self.ns, i)

    def close(self, room=700):
        self.c.ok("NAMESPACE", "LIMIT", self.ns,
                  info(self.c, self.ns)["bytes"] + room)

    def put(self, name="new"):
        return self.c.call("SET", "%s/%s" % (self.ns, name), VALUE)

    def left(self):
        return {int(k[3:]) for k in call(self.c, "KEYS", "ev/*")
                if k[3:].isdigit()}

    def as_if(self, i, idle=0, freq=None, ttl=0):
        """Give a key a past."""
        dump = call(self.c, "DUMP", self.key(i))
        args = ["RESTORE", self.key(i), ttl, dump, "REPLACE"]
        if freq is not None:
            args += ["FREQ", freq]
        elif idle:
            args += ["IDLETIME", idle]
        self.c.ok(*args)


@pytest.fixture
def full(raw, config_name):
    c = raw()
    yield lambda policy: Full(c, policy, config_name == "classic")
    c.ok("CONFIG", "SET", "hits-half-life", "3600")
    c.ok("NAMESPACE", "DROP", "ev")


def test_lru_hits_first_then_idle(full):
    f = full("lru")
    f.as_if(3, idle=100)
    f.as_if(7, idle=50)
    for i in set(range(10)) - {3, 7}:
        call(f.c, "GET", f.key(i))
    f.close()
    assert f.put("a") == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(10)) - {3}
    assert call(f.c, "GET", "ev/a") == VALUE     # DUMP was a read of 3 and 7
    assert f.put("b") == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(10)) - {3, 7}
    assert 7 <= len(f.left()) <= 9


def test_mru_most_hits_first(full):
    f = full("mru")
    for i in range(10):
        for _ in range(10 + i):
            call(f.c, "GET", f.key(i))
    f.close()
    assert f.put("a") == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(9))
        assert f.put("b") == ("+", b"OK")
        assert f.left() == set(range(8))
    assert len(f.left()) < 10


@pytest.mark.parametrize("policy", ["lru", "allkeys-lfu"])
def test_few_hits_go_before_long_idle(full, policy):
    f = full(policy)
    for i in set(range(10)) - {6}:
        for _ in range(5):
            call(f.c, "GET", f.key(i))
    time.sleep(TICKS)
    assert call(f.c, "GET", f.key(6)) == VALUE
    f.close()
    assert f.put() == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(10)) - {6}
    assert len(f.left()) < 10


def test_mru_then_the_latest_used(full):
    f = full("mru")
    for late in (set(range(10)) - {4, 7}, {7}, {4}):
        for i in late:
            assert call(f.c, "GET", f.key(i)) == VALUE
        time.sleep(TICKS)
    f.close()
    assert f.put("a") == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(10)) - {4}
        assert f.put("b") == ("+", b"OK")
        assert f.left() == set(range(10)) - {4, 7}
    assert len(f.left()) < 10


def test_room_is_made_in_all_shards(full):
    """Nearly all has to go, wherever it is."""
    f = full("lru")
    for i in range(10, 70):
        f.c.ok("SET", f.key(i), VALUE)
    f.close()
    big = b"v" * (info(f.c, f.ns)["bytes"] - 2 * len(VALUE))
    f.c.ok("SET", f.ns + "/new", big)
    assert call(f.c, "STRLEN", f.ns + "/new") == len(big)
    assert len(f.left()) < 3


def test_of_few_keys_it_is_the_very_one(full):
    f = full("lru")
    for i in range(10, 60):
        f.c.ok("SET", f.key(i), VALUE)
    for i in set(range(60)) - {35}:
        assert call(f.c, "GET", f.key(i)) == VALUE
    f.close()
    assert f.put() == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(60)) - {35}
    assert len(f.left()) < 60


def test_allkeys_lru_asks_for_idle_alone(full):
    f = full("allkeys-lru")
    for _ in range(20):
        call(f.c, "GET", f.key(4))
    f.as_if(4, idle=1000)
    for i in range(10):
        if i != 4:
            f.as_if(i, idle=10 + i)
    f.close()
    assert f.put() == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(10)) - {4}
    assert len(f.left()) < 10


def test_allkeys_lfu_asks_for_hits(full):
    f = full("allkeys-lfu")
    for i in range(10):
        if i != 6:
            f.as_if(i, freq=30)
    f.close()
    assert f.put() == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(10)) - {6}
    assert len(f.left()) < 10


def test_hits_age(full):
    f = full("lru")
    f.c.ok("CONFIG", "SET", "hits-half-life", "1")
    for i in range(10):
        for _ in range(3 if i == 2 else 1):
            call(f.c, "GET", f.key(i))
    time.sleep(2.2)             # 3 hits are worth less than 1 then
    for i in range(10):
        if i != 2:
            call(f.c, "GET", f.key(i))
    f.close()
    assert f.put() == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(10)) - {2}


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu",
                                    "volatile-random", "volatile-ttl"])
def test_volatile_policies_leave_the_rest(full, policy):
    f = full(policy)
    for i, ttl in ((2, 500), (5, 100), (8, 900)):
        call(f.c, "EXPIRE", f.key(i), ttl)
    f.close()
    n = 0
    while f.put("n%d" % n)[0] == "+":
        n += 1
        if n == 1 and f.exact and policy == "volatile-ttl":
            assert f.left() == set(range(10)) - {5}
        assert n < 10
    assert f.left() == set(range(10)) - {2, 5, 8}
    assert 1 <= n <= 3
    kind, text = f.put("more")
    assert text.startswith(b"OOM ") and b"'ev'" in text
    assert f.left() == set(range(10)) - {2, 5, 8}


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu"])
def test_volatile_policies_choose(full, policy):
    f = full(policy)
    for i, idle, freq in ((2, 50, 60), (5, 100, 20), (8, 20, 90)):
        if policy == "volatile-lru":
            f.as_if(i, idle=idle, ttl=500000)
        else:
            f.as_if(i, freq=freq, ttl=500000)
    f.close()
    assert f.put("a") == ("+", b"OK")
    if f.exact:
        assert f.left() == set(range(10)) - {5}
        assert f.put("b") == ("+", b"OK")
        assert f.left() == set(range(10)) - {5, 2}
    assert {0, 1, 3, 4, 6, 7, 9} < f.left()


def test_allkeys_random_does_not_ask_for_idle(full):
    """That only the old go, thrice, is one case of ten thousand millions."""
    only_old = []
    for _ in range(3):
        f = full("allkeys-random")
        for i in range(10):
            f.as_if(i, idle=10 + i)
        f.close()
        for i in range(10):
            assert f.put("n%d" % i) == ("+", b"OK")
        only_old.append(len(f.left()) == 0)
        f.c.ok("NAMESPACE", "DROP", "ev")
    assert not f.exact or not all(only_old)


def test_allkeys_random_takes_any(full):
    f = full("allkeys-random")
    f.close()
    for i in range(30):
        assert f.put("n%d" % i) == ("+", b"OK")
    assert len(f.left()) < 10
    assert info(f.c, "ev")["keys"] >= 6


@pytest.mark.parametrize("policy", ["none", "noeviction", "ear"])
def test_policies_that_evict_nothing_to_make_room(full, policy):
    f = full(policy)
    f.close()
    was = info(f.c, "ev")["evictions"]
    kind, text = f.put()
    assert text.startswith(b"OOM ")
    assert f.left() == set(range(10))
    assert info(f.c, "ev")["evictions"] == was
    assert call(f.c, "DEL", f.key(0)) == 1
    assert f.put() == ("+", b"OK")


def test_nothing_goes_if_that_would_not_do(full):
    f = full("lru")
    f.close()
    kind, text = f.c.call("SET", "ev/huge", b"x" * 100000)
    assert text.startswith(b"OOM ")
    assert f.left() == set(range(10))
    kind, text = f.c.call("APPEND", "ev/3", b"x" * 100000)
    assert text.startswith(b"OOM ")
    assert f.left() == set(range(10))
    assert call(f.c, "STRLEN", "ev/3") == 4000


def test_never_another_namespace(fresh_server):
    s = fresh_server(memory_limit="200kb", eviction_policy="lru")
    with s.raw() as c:
        for i in range(40):
            c.ok("SET", "a/%d" % i, VALUE)
        # b has nothing to give, however willingly a's would go
        n = 0
        while c.call("SET", "b/%d" % n, VALUE)[0] == "+":
            n += 1
            assert n < 1000
            if n > 100:
                break
        assert len(call(c, "KEYS", "a/*")) == 40
        assert 1 <= len(call(c, "KEYS", "b/*")) < 12
        kind, text = c.call("SET", "c/1", b"x" * 60000)
        assert text == (b"OOM command not allowed when used memory > "
                        b"'maxmemory'.")
        assert len(call(c, "KEYS", "a/*")) == 40
        c.ok("SET", "a/new", VALUE)
        assert len(call(c, "KEYS", "a/*")) in (39, 40)


@pytest.mark.parametrize("threshold", ["0.5", "0.8"])
def test_eviction_begins_at_the_threshold(fresh_server, threshold):
    s = fresh_server(memory_limit="1mb", eviction_policy="lru",
                     eviction_threshold=threshold)
    start = int((1 << 20) * float(threshold))
    with s.raw() as c:
        highest = n = 0
        while info(c, "default")["evictions"] == 0:
            highest = info(c, "default")["bytes"]
            c.ok("SET", "k%d" % n, VALUE)
            n += 1
            assert n < 1000
        assert start - 20000 < highest <= start
        for i in range(300):
            c.ok("SET", "more%d" % i, VALUE)
            assert info(c, "default")["bytes"] <= start


def test_who_evicts_nothing_has_the_whole_limit(fresh_server):
    s = fresh_server(memory_limit="1mb", eviction_threshold="0.5")
    with s.raw() as c:
        n = 0
        while c.call("SET", "k%d" % n, VALUE)[0] == "+":
            n += 1
            assert n < 1000
        assert (1 << 20) - 20000 < info(c, "default")["bytes"] <= 1 << 20


def swept(c, keys, limit=2.0):
    """Wait for keys to be gone; True when they are."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if call(c, "EXISTS", *keys) == 0:
            return True
        time.sleep(0.02)
    return False


def test_ear_reads_of_every_kind(raw):
    c = raw()
    c.ok("NAMESPACE", "POLICY", "ear", "expire_after_read")
    c.ok("MSET", "ear/s", "1", "ear/m1", "1", "ear/m2", "1", "ear/t", "1",
         "ear/x", "1", "ear/r", "1", "ear/kept", "1")
    call(c, "RPUSH", "ear/l", "a", "b")
    call(c, "HSET", "ear/h", "f", "v")
    call(c, "SADD", "ear/e", "m")
    call(c, "ZADD", "ear/z", "1", "m")
    assert call(c, "EXISTS", "ear/kept") == 1       # shows no value
    assert call(c, "GET", "ear/s") == b"1"
    assert call(c, "MGET", "ear/m1", "ear/m2") == [b"1", b"1"]
    assert call(c, "LRANGE", "ear/l", "0", "-1") == [b"a", b"b"]
    assert call(c, "HGET", "ear/h", "f") == b"v"
    assert call(c, "SMEMBERS", "ear/e") == [b"m"]
    assert call(c, "ZRANGE", "ear/z", "0", "-1") == [b"m"]
    assert call(c, "GETRANGE", "ear/r", "0", "0") == b"1"
    c.ok("MULTI")
    call(c, "GET", "ear/t")
    assert call(c, "EXEC") == [b"1"]
    read = ["ear/" + k for k in ("s", "m1", "m2", "l", "h", "e", "z", "r",
                                 "t")]
    assert swept(c, read)
    assert call(c, "KEYS", "ear/*") and info(c, "ear")["evictions"] == 9
    assert b"ear/kept" in call(c, "KEYS", "ear/*")
    assert b"ear/x" in call(c, "KEYS", "ear/*")
    c.ok("NAMESPACE", "DROP", "ear")


def test_ear_a_write_after_the_read_cancels(raw):
    c = raw()
    c.ok("NAMESPACE", "POLICY", "ear", "ear")
    for i in range(50):
        c.ok("SET", "ear/%d" % i, "1")
        assert call(c, "GET", "ear/%d" % i) == b"1"
        if i % 2:
            c.ok("SET", "ear/%d" % i, "2")
        elif i % 4:
            # it may have gone by itself by then
            assert call(c, "DEL", "ear/%d" % i) in (0, 1)
            c.ok("SET", "ear/%d" % i, "3")
    c.ok("SET", "ear/mark", "1")
    assert call(c, "GET", "ear/mark") == b"1"
    assert swept(c, ["ear/mark"])
    time.sleep(0.3)
    left = {int(k[4:]) for k in call(c, "KEYS", "ear/*")}
    assert left == {i for i in range(50) if i % 4}
    c.ok("NAMESPACE", "DROP", "ear")


def waits_for(c, done, limit=20):
    """Until it is so, without a write."""
    end = time.monotonic() + limit
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def used_memory(c):
    text = call(c, "INFO", "memory")
    return int(text.split(b"used_memory:")[1].split()[0])


def test_a_lower_limit_evicts_by_itself(fresh_server, config_name):
    """The largest namespaces give, in each shard; nobody writes."""
    # of several loops one may have been there alone, with its shards
    together = config_name != "shards7x2"
    s = fresh_server(["--redis"], memory_limit="64mb",
                     eviction_policy="allkeys-lru")
    with s.raw() as c:
        for i in range(3000):
            c.ok("SET", "big/%d" % i, VALUE[:1000])
            if i < 1000:
                c.ok("SET", "k%d" % i, VALUE[:1000])
            if i < 100:
                c.ok("SET", "small/%d" % i, VALUE[:1000])
        before = used_memory(c)
        c.ok("CONFIG", "SET", "maxmemory", before // 2)
        waits_for(c, lambda: used_memory(c) <= before // 2)
        time.sleep(0.05)
        assert used_memory(c) > before * 4 // 10
        if together:
            assert info(c, "small")["keys"] == 100
            assert info(c, "default")["keys"] > 400
        # with nobody else to give, the smaller ones do, each as it is largest
        c.ok("CONFIG", "SET", "maxmemory", 60000)
        waits_for(c, lambda: used_memory(c) <= 60000)
        assert info(c, "small")["evictions"] > 0


def test_a_lower_limit_of_a_namespace(fresh_server):
    s = fresh_server(["--redis"], eviction_policy="lru")
    with s.raw() as c:
        c.ok("NAMESPACE", "POLICY", "full", "none")
        for ns in ("a", "b", "full", "ttl"):
            for i in range(500):
                c.ok("SET", "%s/%d" % (ns, i), VALUE[:1000])
        for ns in ("a", "full"):
            c.ok("NAMESPACE", "LIMIT", ns, "100kb")
        waits_for(c, lambda: info(c, "a")["bytes"] <= 100 * 1024)
        assert info(c, "b")["keys"] == info(c, "full")["keys"] == 500
        # what may not go stays, and is not waited for
        c.ok("NAMESPACE", "POLICY", "ttl", "volatile-ttl")
        for i in range(100):
            assert call(c, "EXPIRE", "ttl/%d" % i, 1000) == 1
        c.ok("NAMESPACE", "LIMIT", "ttl", "1kb")
        waits_for(c, lambda: info(c, "ttl")["keys"] <= 400)
        assert info(c, "ttl")["expiring"] == 0
        # and goes when its policy says so
        c.ok("NAMESPACE", "POLICY", "full", "lru")
        waits_for(c, lambda: info(c, "full")["bytes"] <= 100 * 1024)
        c.ok("CONFIG", "SET", "ns-limits", "b:50kb")
        waits_for(c, lambda: info(c, "b")["bytes"] <= 50 * 1024)


def test_a_lower_limit_as_in_redis(redis_server, fresh_server):
    """Keys go without a further write, and as many as must."""
    left = []
    for s in (redis_server, fresh_server(["--redis"])):
        with s.raw() as c:
            c.ok("FLUSHALL")
            c.ok("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            for i in range(4000):
                c.ok("SET", "k%d" % i, VALUE[:1000])
            used = used_memory(c)
            c.ok("CONFIG", "SET", "maxmemory", used - 2000 * 1000)
            waits_for(c, lambda: used_memory(c) <= used - 2000 * 1000)
            left.append(call(c, "DBSIZE"))
            assert b"evicted_keys:0" not in call(c, "INFO", "stats")
            # redis-server is also others'
            c.ok("CONFIG", "SET", "maxmemory", "0")
            c.ok("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert abs(left[0] - left[1]) < 600, left
