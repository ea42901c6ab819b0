# SPDX-License-Identifier: MIT
"""Places: sorted sets of geohashes."""

import math
import random

import pytest

from harness.resp import plain

SYNTAX = ("-", b"ERR syntax error")
WRONGTYPE = ("-", b"WRONGTYPE Operation against a key holding the wrong kind"
                  b" of value")
NOT_FLOAT = ("-", b"ERR value is not a valid float")
UNIT = ("-", b"ERR unsupported unit provided. please use M, KM, FT, MI")
SICILY = ["13.361389", "38.115556", "Palermo",
          "15.087269", "37.502669", "Catania"]


def bulks(*words):
    return ("*", [("$", w) for w in words])


@pytest.fixture
def sicily(raw):
    c = raw()
    assert c.call("GEOADD", "k", *SICILY) == (":", 2)
    return c


def test_geoadd(raw):
    c = raw()
    assert c.call("GEOADD", "k", *SICILY) == (":", 2)
    assert c.call("ZSCORE", "k", "Palermo") == ("$", b"3479099956230698")
    assert c.call("TYPE", "k") == ("+", b"zset")
    assert c.call("GEOADD", "k", "NX", "1", "1", "Palermo", "2", "2", "x") \
        == (":", 1)
    assert c.call("GEOADD", "k", "XX", "1", "1", "new", "2", "3", "x") == (
        ":", 0)
    assert c.call("GEOADD", "k", "CH", "XX", "1", "1", "Palermo", "2", "3",
                  "x") == (":", 1)
    assert c.call("ZCARD", "k") == (":", 3)


@pytest.mark.parametrize("args, error", [
    ("GEOADD k 1 2", ("-", b"ERR wrong number of arguments for 'geoadd' "
                           b"command")),
    ("GEOADD k 1 2 a 3", SYNTAX), ("GEOADD k NX XX 1 1 a", SYNTAX),
    ("GEOADD k NX CH CH", SYNTAX), ("GEOADD k x 1 a", NOT_FLOAT),
    ("GEOADD k 1 x a", NOT_FLOAT), ("GEOADD k nan 1 a", NOT_FLOAT),
    ("GEOADD k 1 1 a 181 1 b",
     ("-", b"ERR invalid longitude,latitude pair 181.000000,1.000000")),
    ("GEOADD k 1 86 a",
     ("-", b"ERR invalid longitude,latitude pair 1.000000,86.000000")),
    ("GEOADD h 1 1 a", WRONGTYPE), ("GEOPOS h a", WRONGTYPE),
    ("GEOHASH h a", WRONGTYPE), ("GEODIST h a b", WRONGTYPE),
    ("GEODIST k a b parsec", UNIT), ("GEODIST k a b m m", SYNTAX),
    ("GEORADIUS h 1 1 1 m", WRONGTYPE),
    ("GEORADIUS k 1 1 x m", ("-", b"ERR need numeric radius")),
    ("GEORADIUS k 1 1 -1 m", ("-", b"ERR radius cannot be negative")),
    ("GEORADIUS k 1 1 1 parsec", UNIT), ("GEORADIUS k 1 1 1 m WHAT", SYNTAX),
    ("GEORADIUS k 1 1 1 m COUNT 0", ("-", b"ERR COUNT must be > 0")),
    ("GEORADIUS k 1 1 1 m ANY", ("-", b"ERR the ANY argument requires COUNT "
                                      b"argument")),
    ("GEORADIUS k 1 1 1 m STORE d WITHDIST",
     ("-", b"ERR STORE option in GEORADIUS is not compatible with WITHDIST, "
           b"WITHHASH and WITHCOORD options")),
    ("GEORADIUS_RO k 1 1 1 m STORE d", SYNTAX),
    ("GEORADIUSBYMEMBER k Rome 1 m",
     ("-", b"ERR could not decode requested zset member")),
    ("GEOSEARCH k FROMLONLAT 1 1 FROMMEMBER Palermo BYRADIUS 1 m", SYNTAX),
    ("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m BYBOX 1 1 m", SYNTAX),
    ("GEOSEARCH k BYRADIUS 1 m ASC DESC ASC",
     ("-", b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified "
           b"for GEOSEARCH")),
    ("GEOSEARCH k FROMLONLAT 1 1 ASC DESC",
     ("-", b"ERR exactly one of BYRADIUS and BYBOX can be specified for "
           b"GEOSEARCH")),
    ("GEOSEARCH k FROMLONLAT 1 1 BYBOX x 1 m",
     ("-", b"ERR need numeric width")),
    ("GEOSEARCH k FROMLONLAT 1 1 BYBOX 1 x m",
     ("-", b"ERR need numeric height")),
    ("GEOSEARCH k FROMLONLAT 1 1 BYBOX 1 -1 m",
     ("-", b"ERR height or width cannot be negative")),
    ("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m STOREDIST", SYNTAX),
    ("GEOSEARCHSTORE d k FROMLONLAT 1 1 BYRADIUS 1 m WITHHASH",
     ("-", b"ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH "
           b"and WITHCOORD options")),
])
def test_refused(sicily, args, error):
    sicily.call("HSET", "h", "f", "v")
    assert sicily.call(*args.split()) == error
    assert sicily.call("ZCARD", "k") == (":", 2)
    assert sicily.call("EXISTS", "d") == (":", 0)


def test_geopos(sicily):
    want = [b"13.36138933897018433", b"38.11555639549629859"]
    assert sicily.call("GEOPOS", "k", "Palermo", "none") == (
        "*", [bulks(*want), ("*", None)])
    assert sicily.call("GEOPOS", "none", "a") == ("*", [("*", None)])
    assert sicily.call("GEOPOS", "k") == ("*", [])
    sicily.call("HELLO", "3")
    assert sicily.call("GEOPOS", "k", "Palermo", "none") == (
        "*", [("*", [(",", w) for w in want]), ("_", None)])


def test_geodist(sicily):
    for unit, want in [("m", b"166274.1516"), ("km", b"166.2742"),
                       ("FT", b"545518.8700"), ("mi", b"103.3182")]:
        assert sicily.call("GEODIST", "k", "Palermo", "Catania", unit) == (
            "$", want)
    assert sicily.call("GEODIST", "k", "Palermo", "Palermo") == (
        "$", b"0.0000")
    assert sicily.call("GEODIST", "k", "Palermo", "x") == ("$", None)
    assert sicily.call("GEODIST", "none", "a", "b") == ("$", None)


def test_geohash(sicily):
    assert sicily.call("GEOHASH", "k", "Palermo", "x", "Catania") == bulks(
        b"sqc8b49rny0", None, b"sqdtr74hyu0")
    assert sicily.call("GEOHASH", "none", "x") == bulks(None)


def test_search(sicily):
    by_km = ["GEOSEARCH", "k", "FROMLONLAT", "15", "37"]
    assert sicily.call(*by_km, "BYRADIUS", "200", "km", "ASC") == bulks(
        b"Catania", b"Palermo")
    assert sicily.call(*by_km, "BYRADIUS", "100", "km") == bulks(b"Catania")
    assert sicily.call(*by_km, "BYRADIUS", "200", "km", "DESC", "COUNT",
                       "1") == bulks(b"Palermo")
    assert sicily.call(*by_km, "BYBOX", "400", "400", "km", "DESC") == bulks(
        b"Palermo", b"Catania")
    assert sicily.call(*by_km, "BYBOX", "400", "120", "km") == bulks(
        b"Catania")
    assert sicily.call(*by_km, "BYRADIUS", "1", "m") == ("*", [])
    assert sicily.call(
        "GEOSEARCH", "k", "FROMMEMBER", "Palermo", "BYRADIUS", "1", "m",
        "WITHDIST", "WITHHASH", "WITHCOORD") == ("*", [("*", [
            ("$", b"Palermo"), ("$", b"0.0000"), (":", 3479099956230698),
            bulks(b"13.36138933897018433", b"38.11555639549629859")])])
    assert sicily.call("GEORADIUSBYMEMBER_RO", "k", "Catania", "170", "km",
                       "COUNT", "1", "ANY")[1] in (
        [("$", b"Palermo")], [("$", b"Catania")])


def test_nothing_to_search(raw):
    c = raw()
    assert c.call("GEOSEARCH", "none", "FROMMEMBER", "x", "BYRADIUS", "1",
                  "m") == ("*", [])
    assert c.call("GEORADIUSBYMEMBER", "none", "x", "y", "z") == ("*", [])
    c.call("SET", "d", "v")
    assert c.call("GEORADIUSBYMEMBER", "none", "x", "1", "m", "STORE",
                  "d") == (":", 0)
    assert c.call("EXISTS", "d") == (":", 0)


def test_store(sicily):
    where = ["FROMLONLAT", "15", "37", "BYRADIUS", "200", "km"]
    sicily.call("SET", "d", "v", "EX", "100")
    assert sicily.call("GEOSEARCHSTORE", "d", "k", *where) == (":", 2)
    assert sicily.call("TTL", "d") == (":", -1)
    assert sicily.call("ZRANGE", "d", "0", "-1", "WITHSCORES") == \
        sicily.call("ZRANGE", "k", "0", "-1", "WITHSCORES")
    assert sicily.call("GEOSEARCHSTORE", "d", "k", *where, "STOREDIST") == (
        ":", 2)
    got = sicily.call("ZRANGE", "d", "0", "-1", "WITHSCORES")[1]
    assert [plain(g) for g in got[::2]] == [b"Catania", b"Palermo"]
    assert abs(float(got[1][1]) - 56.4413) < 1e-3
    # into the source itself
    assert sicily.call("GEORADIUS", "k", "15", "37", "100", "km", "STORE",
                       "k") == (":", 1)
    assert sicily.call("ZRANGE", "k", "0", "-1") == bulks(b"Catania")
    assert sicily.call("GEOSEARCHSTORE", "k", "k", "FROMLONLAT", "0", "0",
                       "BYRADIUS", "1", "m") == (":", 0)
    assert sicily.call("EXISTS", "k") == (":", 0)


def haversine(a, b):
    x, y, x2, y2 = map(math.radians, (*a, *b))
    u = math.sin((y2 - y) / 2) ** 2 + (
        math.cos(y) * math.cos(y2) * math.sin((x2 - x) / 2) ** 2)
    return 2 * 6372797.560856 * math.asin(math.sqrt(u))


def test_search_against_a_look_at_all(redis):
    """A large set, and every place of it."""
    source = random.Random(11)
    places = {b"p%d" % i: (source.uniform(-20, 20), source.uniform(20, 60))
              for i in range(600)}
    for name, (x, y) in places.items():
        redis.geoadd("k", (x, y, name))
    for _ in range(30):
        centre = source.uniform(-20, 20), source.uniform(20, 60)
        radius = source.choice([20e3, 100e3, 500e3, 2000e3])
        got = redis.geosearch("k", longitude=centre[0], latitude=centre[1],
                              radius=radius, unit="m")
        far = {n: haversine(centre, p) for n, p in places.items()}
        assert len(got) == len(set(got))
        for name, metres in far.items():
            if abs(metres - radius) > 1:
                assert (name in got) == (metres < radius)
        some = redis.geosearch("k", longitude=centre[0], latitude=centre[1],
                               radius=radius, unit="m", count=5)
        assert some == sorted(got, key=far.get)[:5]


def test_a_number_among_the_members(raw):
    """In a small set it is kept as one."""
    c = raw()
    c.call("GEOADD", "k", "1", "1", "12345", "1.1", "1", "-7")
    assert c.call("GEOSEARCH", "k", "FROMMEMBER", "12345", "BYRADIUS", "50",
                  "km", "ASC") == bulks(b"12345", b"-7")
    assert c.call("GEOSEARCHSTORE", "d", "k", "FROMMEMBER", "-7", "BYRADIUS",
                  "50", "km") == (":", 2)
    assert c.call("ZSCORE", "d", "12345") == c.call("ZSCORE", "k", "12345")


def test_keys_and_events(raw):
    c, s = raw(), raw()
    assert plain(c.call("COMMAND", "GETKEYS", "GEORADIUS", "k", "1", "1", "1",
                        "m", "STORE", "d")) == [b"k", b"d"]
    c.ok("CONFIG", "SET", "notify-keyspace-events", "EA")
    try:
        s.call("PSUBSCRIBE", "*")
        c.call("GEOADD", "k", *SICILY)
        c.call("GEOADD", "k", *SICILY)
        c.call("GEOADD", "k", "CH", *SICILY)
        for args in ("GEOSEARCHSTORE d k FROMLONLAT 15 37 BYRADIUS 200 km",
                     "GEORADIUS k 15 37 200 km STOREDIST d",
                     "GEORADIUS k 0 0 1 km STORE d"):
            c.call(*args.split())
        got = [tuple(plain(x) for x in s.read()[1][2:]) for _ in range(4)]
        assert got == [(b"__keyevent@0__:" + e, k) for e, k in [
            (b"zadd", b"k"), (b"geosearchstore", b"d"),
            (b"georadiusstore", b"d"), (b"del", b"d")]]
    finally:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "")


@pytest.mark.parametrize("command", [
    "GEOSEARCHSTORE ns/d ns/k FROMLONLAT 0 0 BYRADIUS 25000 km",
    "ZRANGESTORE ns/d ns/k 0 -1", "ZUNIONSTORE ns/d 1 ns/k",
    "GEORADIUS ns/k 0 0 25000 km STORE ns/d",
])
def test_the_source_is_not_evicted(fresh_server, command, config_name):
    """Room for the result is made in the namespace of its source, which is
    lent from meanwhile; with several shards, in that of the result only, so
    that there may be none."""
    s = fresh_server(memory_limit="400000", eviction_policy="none")
    with s.raw() as c:
        for i in range(500):
            c.call("GEOADD", "ns/k", "%f" % (i / 3), "%f" % (i / 6),
                   "member-%d" % i)
        n = 0
        while c.call("SET", "ns/pad%d" % n, "x" * 8000)[0] == "+":
            for _ in range(3):
                c.call("GET", "ns/pad%d" % n)
            n += 1
        # Now the source is the least used key of all.
        c.ok("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        got = c.call(*command.split())
        if config_name == "classic" or got[0] != "-":
            assert got == c.call("ZCARD", "ns/d") == (":", 500)
        else:
            assert got[1].startswith(b"OOM ")
        assert c.call("ZCARD", "ns/k") == (":", 500)
