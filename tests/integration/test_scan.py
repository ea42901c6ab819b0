# SPDX-License-Identifier: MIT
"""SCAN, KEYS, RANDOMKEY: what is there is found, and nothing else."""

import random
import time

import pytest

from harness.resp import encode, plain


def put(c, keys, command="SET", *rest):
    """Send one command for each of many keys."""
    for at in range(0, len(keys), 500):
        part = keys[at:at + 500]
        c.send(b"".join(encode(command, k, *rest) for k in part))
        c.read_many(len(part))


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


@pytest.mark.parametrize("keys", [0, 1, 10, 1000, 10000])
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


def everywhere():
    """Keys in small and large namespaces and in the default one."""
    keys = [b"k%d" % i for i in range(1000)] + [b"/x", b"x/", b"a/b/c"]
    for n in range(300):
        keys += [b"ns%d/%d" % (n, j) for j in range(1 + n % 7)]
    for n in range(4):
        keys += [b"big%d/k%d" % (n, j) for j in range(400)]
    return keys


@pytest.mark.parametrize("count", ["1", "10", "1000", "1000000"])
def test_scan_of_many_namespaces(raw, count):
    c = raw()
    keys = everywhere()
    put(c, keys, "SET", "v")
    found, calls = scan_all(c, "COUNT", count)
    assert sorted(set(found)) == sorted(keys)
    assert calls <= 3 * len(keys) // int(count) + 1
    if count == "1000000":
        assert calls == 1 and len(found) == len(keys)


@pytest.mark.parametrize("pattern, wanted", [
    ("big1/*", lambda k: k.startswith(b"big1/")),
    ("big?/k1*", lambda k: k.startswith(b"big") and b"/k1" in k),
    ("ns1*/*", lambda k: k.startswith(b"ns1")),
    ("*/*", lambda k: b"/" in k),
    ("/*", lambda k: k == b"/x"),
    ("x/*", lambda k: k == b"x/"),
    ("x/", lambda k: k == b"x/"),
    ("a/b/*", lambda k: k == b"a/b/c"),
    ("k?", lambda k: len(k) == 2 and k[:1] == b"k"),
    ("k[!1-8]", lambda k: k in (b"k0", b"k9")),
    ("k7", lambda k: k == b"k7"),
    ("k1000", lambda k: False),
    ("none/*", lambda k: False),
    ("*", lambda k: True),
])
def test_patterns(raw, pattern, wanted, config_name):
    if config_name == "redis" and "!" in pattern:
        pytest.skip("redis-server negates with ^ only")
    c = raw()
    keys = everywhere()
    put(c, keys, "SET", "v")
    want = sorted(k for k in keys if wanted(k))
    assert sorted(plain(c.call("KEYS", pattern))) == want
    found, calls = scan_all(c, "MATCH", pattern, "COUNT", "100")
    assert sorted(set(found)) == want
    if pattern == "big1/*" and config_name != "redis":
        assert calls <= 20, "only its namespace is walked"


def test_work_is_bounded_when_nothing_matches(raw):
    c = raw()
    put(c, [b"key:%d" % i for i in range(5000)], "SET", "v")
    _, calls = scan_all(c, "MATCH", "nothing*", "COUNT", "10")
    assert calls > 50


def test_type(raw):
    c = raw()
    put(c, [b"n%d/s" % i for i in range(50)], "SET", "v")
    put(c, [b"n%d/h" % i for i in range(50)], "HSET", "f", "v")
    found, _ = scan_all(c, "TYPE", "HASH")
    assert sorted(found) == sorted(b"n%d/h" % i for i in range(50))
    assert scan_all(c, "TYPE", "none")[0] == []


@pytest.mark.parametrize("seed", range(2))
def test_namespaces_come_and_go_while_scanning(raw, seed):
    """They grow large, shrink, vanish and return; what stays is found."""
    c, other = raw(), raw()
    draw = random.Random(seed)
    stay = [b"stay%d/%d" % (n, j) for n in range(30) for j in range(3)]
    stay += [b"grow%d/stay" % n for n in range(20)]
    stay += [b"wide%d/stay%d" % (n, j) for n in range(2) for j in range(150)]
    stay += [b"plain%d" % i for i in range(100)]
    put(c, stay, "SET", "v")
    put(c, [b"wide%d/%d" % (n, j) for n in range(2) for j in range(200)],
        "SET", "v")
    cursor, found, turn = b"0", set(), 0
    while True:
        _, (next_cursor, keys) = c.call("SCAN", cursor, "COUNT", "10")
        found.update(plain(k) for k in keys[1])
        cursor = next_cursor[1]
        if cursor == b"0":
            break
        assert int(cursor) < 2 ** 53
        turn += 1
        assert turn < 5000
        n = draw.randrange(20)
        some = [b"grow%d/%d" % (n, j) for j in range(draw.randrange(200))]
        if draw.random() < 0.5:
            put(c, some, "SET", "v")
        else:
            put(c, some, "DEL")
        new = [b"go%d/%d" % (draw.randrange(200), j) for j in range(5)]
        put(c, new, "SET", "v")
        put(c, [b"go%d/%d" % (draw.randrange(200), j) for j in range(5)],
            "DEL")
        put(c, [b"wide%d/%d" % (draw.randrange(2), draw.randrange(200))
                for _ in range(20)], "DEL")
        if turn % 20 == 0:
            scan_all(other, "COUNT", "500")
    assert set(stay) <= found


@pytest.mark.parametrize("args", [[], ["MATCH", "big1/*"],
                                  ["COUNT", "1000", "TYPE", "string"]])
def test_any_cursor_is_survived(raw, args):
    c = raw()
    put(c, everywhere(), "SET", "v")
    draw = random.Random(1)
    cursors = [1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 64 - 1, "-1",
               "+5", "007", ""]
    cursors += [draw.randrange(2 ** draw.randrange(1, 64))
                for _ in range(60)]
    for cursor in cursors:
        assert c.call("SCAN", cursor, *args)[0] == "*"
    for cursor in (2 ** 64, " 1", "0x1", "+", "1-"):
        assert c.call("SCAN", cursor) == ("-", b"ERR invalid cursor")


def test_expired_keys_are_not_shown(raw):
    c = raw()
    put(c, [b"stays%d" % i for i in range(20)], "SET", "v")
    put(c, [b"goes%d" % i for i in range(20)], "SET", "v", "PX", "1")
    put(c, [b"ns/goes%d" % i for i in range(20)], "SET", "v", "PX", "1")
    time.sleep(0.01)
    want = sorted(b"stays%d" % i for i in range(20))
    assert sorted(plain(c.call("KEYS", "*"))) == want
    assert c.call("KEYS", "goes1") == ("*", [])
    assert c.call("KEYS", "ns/*") == ("*", [])
    for _ in range(30):
        assert plain(c.call("RANDOMKEY")) in want
    found, _ = scan_all(c)
    assert sorted(found) == want


def test_randomkey_is_uniform(raw, config_name):
    if config_name == "redis":
        pytest.skip("redis-server prefers keys alone in their bucket")
    c = raw()
    assert c.call("RANDOMKEY") == ("$", None)
    keys = [b"k%d" % i for i in range(100)] + [b"one/k", b"two/k"]
    keys += [b"some/%d" % i for i in range(50)]
    keys += [b"large/%d" % i for i in range(248)]
    put(c, keys, "SET", "v")
    times = dict.fromkeys(keys, 0)
    draws = 40 * len(keys)
    c.send(encode("RANDOMKEY") * draws)
    for reply in c.read_many(draws):
        times[plain(reply)] += 1
    # 40 are expected of each, give or take 6.3
    assert sum((n - 40) ** 2 / 40 for n in times.values()) < 1.4 * len(keys)
    assert 5 < times[b"one/k"] + times[b"two/k"] < 170


def test_no_pattern_takes_long(raw):
    """Within pattern times text: what once hung others."""
    c = raw()
    c.ok("SET", "a" * 2000, "v")
    start = time.monotonic()
    assert c.call("KEYS", "a*" * 500 + "b") == ("*", [])
    assert c.call("KEYS", "*[" * 500) == ("*", [])
    assert c.call("SCAN", "0", "MATCH", "*?" * 30000, "COUNT", "100") == (
        "*", [("$", b"0"), ("*", [])])
    assert time.monotonic() - start < 2
