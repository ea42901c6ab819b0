"""DEL EXISTS EXPIRE TTL SCAN FLUSHALL, expiry and namespaces."""

import time

import pytest

from harness.resp import encode, plain


def wait_until(condition, seconds=10):
    """Poll for a state that comes by itself."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "did not come true"
        time.sleep(0.005)


def test_del_and_exists(redis):
    redis.mset({"a": 1, "b": 2, "c": 3})
    redis.hset("h", "f", "v")
    assert redis.exists("a", "b", "none", "a", "h") == 4
    assert redis.delete("a", "none", "a", "h") == 2
    assert redis.exists("a", "h") == 0
    assert redis.exists("b", "c") == 2


def test_keys_are_bytes(raw):
    c = raw()
    for key in [b"", b"\0", b"\r\n", b"\xff" * 300, b"k" * 100000, b" "]:
        c.ok("SET", key, b"of " + key)
        assert c.call("GET", key) == ("$", b"of " + key)
        assert c.call("DEL", key) == (":", 1)
        assert c.call("GET", key) == ("$", None)


def test_expire_and_ttl(redis):
    redis.set("k", "v")
    assert redis.ttl("k") == -1
    assert redis.ttl("none") == -2
    assert redis.expire("k", 100) is True
    assert 99 <= redis.ttl("k") <= 100
    assert redis.expire("none", 100) is False


@pytest.mark.parametrize("seconds", ["0", "-1", "-100"])
def test_expire_in_the_past_deletes(raw, seconds):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call("EXPIRE", "k", seconds) == (":", 1)
    assert c.call("EXISTS", "k") == (":", 0)


def test_expire_options(raw):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call("EXPIRE", "k", "100", "XX") == (":", 0)
    assert c.call("EXPIRE", "k", "100", "GT") == (":", 0)
    assert c.call("EXPIRE", "k", "100", "NX") == (":", 1)
    assert c.call("EXPIRE", "k", "200", "NX") == (":", 0)
    assert c.call("EXPIRE", "k", "50", "GT") == (":", 0)
    assert c.call("EXPIRE", "k", "200", "GT") == (":", 1)
    assert c.call("EXPIRE", "k", "300", "LT") == (":", 0)
    assert c.call("EXPIRE", "k", "150", "LT") == (":", 1)
    assert 140 < c.call("TTL", "k")[1] <= 150
    c.ok("SET", "k", "v")
    assert c.call("EXPIRE", "k", "100", "LT") == (":", 1)


@pytest.mark.parametrize("args, error", [
    (["k", "x"], b"ERR value is not an integer or out of range"),
    (["k", "9223372036854775807"],
     b"ERR invalid expire time in 'expire' command"),
    (["k", "-9223372036854775808"],
     b"ERR invalid expire time in 'expire' command"),
    (["k", "100", "NX", "XX"],
     b"ERR NX and XX, GT or LT options at the same time are not compatible"),
    (["k", "100", "GT", "LT"],
     b"ERR GT and LT options at the same time are not compatible"),
    (["k", "100", "WHAT"], b"ERR Unsupported option WHAT"),
    (["k"], b"ERR wrong number of arguments for 'expire' command"),
])
def test_expire_refuses(raw, args, error):
    c = raw()
    c.ok("SET", "k", "v")
    assert c.call("EXPIRE", *args) == ("-", error)
    assert c.call("TTL", "k") == (":", -1)


def test_an_expired_key_is_not_there(raw):
    c = raw()
    c.ok("SET", "k", "v", "PX", "30")
    assert c.call("HSET", "h", "f", "v") == (":", 1)
    assert c.call("PEXPIRE", "h", "30")[0] in ":-"
    wait_until(lambda: c.call("GET", "k") == ("$", None))
    assert c.call("EXISTS", "k") == (":", 0)
    assert c.call("TTL", "k") == (":", -2)
    assert c.call("DEL", "k") == (":", 0)
    assert c.call("SET", "k", "w", "XX") == ("$", None)
    assert c.call("INCRBY", "k", "5") == (":", 5)
    assert c.call("TTL", "k") == (":", -1)


def test_expired_keys_go_by_themselves(raw):
    """Nobody touches them: the count of keys falls all the same."""
    c = raw()
    c.ok("SET", "stays", "v")
    for at in range(0, 2000, 100):
        c.send(b"".join(encode("SET", "k%d" % i, "v", "PX", "50")
                        for i in range(at, at + 100)))
        c.read_many(100)
    wait_until(lambda: c.call("DBSIZE") == (":", 1))


def scan_all(c, *args):
    """All that SCAN returns, and how often it was called."""
    cursor, found, calls = b"0", [], 0
    while True:
        kind, (next_cursor, keys) = c.call("SCAN", cursor, *args)
        assert kind == "*"
        calls += 1
        found += [plain(k) for k in keys[1]]
        cursor = next_cursor[1]
        assert int(cursor) < 2 ** 53
        if cursor == b"0":
            return found, calls


@pytest.mark.parametrize("keys", [0, 1, 10, 1000, 20000])
def test_scan_finds_each_key(raw, keys):
    c = raw()
    for at in range(0, keys, 1000):
        n = min(1000, keys - at)
        c.send(b"".join(encode("SET", "key:%d" % i, i)
                        for i in range(at, at + n)))
        c.read_many(n)
    want = sorted(b"key:%d" % i for i in range(keys))
    found, _ = scan_all(c)
    assert sorted(set(found)) == want
    found, calls = scan_all(c, "COUNT", "1000")
    assert sorted(set(found)) == want
    assert calls <= keys / 100 + 20


def test_scan_match_and_type(raw):
    c = raw()
    for i in range(300):
        c.send(encode("SET", "s%d" % i, i) + encode("HSET", "h%d" % i, 1, 2))
    c.read_many(600)
    found, _ = scan_all(c, "MATCH", "s1?")
    assert sorted(found) == sorted(b"s1%d" % i for i in range(10))
    found, _ = scan_all(c, "MATCH", "*7", "TYPE", "hash", "COUNT", "50")
    assert sorted(set(found)) == sorted(
        b"h%d" % i for i in range(300) if i % 10 == 7)
    found, _ = scan_all(c, "TYPE", "nosuch")
    assert found == []


def test_scan_while_the_table_grows_and_shrinks(raw):
    """What is there from the first call to the last one is found."""
    c = raw()
    stay = [b"stay%d" % i for i in range(500)]
    c.send(b"".join(encode("SET", k, "v") for k in stay))
    c.read_many(len(stay))
    cursor, found, turn = b"0", set(), 0
    while True:
        _, (next_cursor, keys) = c.call("SCAN", cursor, "COUNT", "20")
        found.update(plain(k) for k in keys[1])
        cursor = next_cursor[1]
        if cursor == b"0":
            break
        # First the table grows by the hundreds, then it shrinks again.
        for i in range(200):
            name = "come%d" % (200 * min(turn, 20 - turn) + i)
            c.send(encode("SET" if turn < 10 else "DEL", name,
                          *(["v"] if turn < 10 else [])))
        c.read_many(200)
        turn += 1
        assert turn < 2000
    assert set(stay) <= found


@pytest.mark.parametrize("args, error", [
    (["x"], b"ERR invalid cursor"),
    (["1x"], b"ERR invalid cursor"),
    (["0", "COUNT"], b"ERR syntax error"),
    (["0", "COUNT", "0"], b"ERR syntax error"),
    (["0", "COUNT", "-5"], b"ERR syntax error"),
    (["0", "COUNT", "x"], b"ERR value is not an integer or out of range"),
    (["0", "WHAT", "x"], b"ERR syntax error"),
])
def test_scan_refuses(raw, args, error):
    assert raw().call("SCAN", *args) == ("-", error)


def test_flushall(raw):
    c = raw()
    c.ok("SET", "a", "1")
    c.ok("SELECT", "3")
    c.ok("SET", "b", "1")
    c.ok("FLUSHALL")
    assert c.call("DBSIZE") == (":", 0)
    c.ok("SELECT", "0")
    assert c.call("DBSIZE") == (":", 0)
    c.ok("FLUSHALL", "SYNC")
    c.ok("FLUSHALL", "ASYNC")
    assert c.call("FLUSHALL", "WHAT") == ("-", b"ERR syntax error")


def test_flushall_of_many_keys(raw):
    c = raw()
    for _ in range(3):
        c.send(b"".join(encode("SET", "k%d" % i, "x" * (i % 200))
                        for i in range(5000)))
        c.read_many(5000)
        assert c.call("DBSIZE") == (":", 5000)
        c.ok("FLUSHALL")
        assert c.call("DBSIZE") == (":", 0)
        assert c.call("EXISTS", "k0", "k4999") == (":", 0)


def test_namespaces_are_part_of_the_name(raw):
    c = raw()
    c.ok("SET", "db1/x", "42")
    c.ok("SET", "db2/x", "99")
    c.ok("SET", "x", "0")
    c.ok("SET", "db1/a/b", "deep")
    assert c.call("GET", "db1/x") == ("$", b"42")
    assert c.call("MGET", "db2/x", "x", "db1/a/b") == (
        "*", [("$", b"99"), ("$", b"0"), ("$", b"deep")])
    found, _ = scan_all(c, "MATCH", "db*/*")
    assert sorted(found) == [b"db1/a/b", b"db1/x", b"db2/x"]


def test_default_namespace(raw, config_name):
    """default/x is x; what is printed can be fed back."""
    if config_name == "redis":
        pytest.skip("redis-server has no namespaces")
    c = raw()
    c.ok("SET", "default/x", "1")
    assert c.call("GET", "x") == ("$", b"1")
    c.ok("SET", "default/a/b", "2")
    c.ok("SET", "/x", "3")
    c.ok("SET", "x/", "4")
    found, _ = scan_all(c)
    assert sorted(found) == [b"/x", b"default/a/b", b"x", b"x/"]
    for key, value in zip([b"/x", b"default/a/b", b"x", b"x/"], b"3214"):
        assert c.call("GET", key) == ("$", bytes([value]))


def test_many_namespaces(raw):
    """Namespaces made from data: one key each."""
    c = raw()
    for at in range(0, 5000, 500):
        c.send(b"".join(encode("SET", "ns%d/key" % i, i)
                        for i in range(at, at + 500)))
        c.read_many(500)
    assert c.call("DBSIZE") == (":", 5000)
    assert c.call("GET", "ns4321/key") == ("$", b"4321")
    found, _ = scan_all(c, "COUNT", "500")
    assert sorted(set(found)) == sorted(b"ns%d/key" % i for i in range(5000))
