# SPDX-License-Identifier: MIT
"""Commands on the bits of strings."""

import random

import pytest

from harness.resp import encode

NOT_INT = ("-", b"ERR value is not an integer or out of range")
SYNTAX = ("-", b"ERR syntax error")
BAD_OFFSET = ("-", b"ERR bit offset is not an integer or out of range")
BAD_TYPE = ("-", b"ERR Invalid bitfield type. Use something like i16 u8. "
                 b"Note that u64 is not supported but i64 is.")
WRONGTYPE = ("-", b"WRONGTYPE Operation against a key holding the wrong kind"
                  b" of value")


def test_setbit_getbit(redis):
    assert redis.setbit("k", 7, 1) == 0
    assert redis.get("k") == b"\x01"
    assert redis.setbit("k", 7, 1) == 1
    assert redis.setbit("k", 16, 0) == 0
    assert redis.get("k") == b"\x01\x00\x00"
    assert [redis.getbit("k", i) for i in (6, 7, 8, 23, 24, 1 << 20)] == \
        [0, 1, 0, 0, 0, 0]
    assert redis.getbit("none", 5) == 0
    assert redis.setbit("k", 7, 0) == 1
    assert redis.get("k") == b"\x00\x00\x00"


def test_setbit_keeps_the_time_to_live(redis):
    redis.set("k", "a", ex=100)
    redis.setbit("k", 100000, 1)
    assert redis.strlen("k") == 12501
    assert 90 < redis.ttl("k") <= 100


def test_setbit_of_a_number(redis):
    redis.set("k", 101)
    assert redis.setbit("k", 6, 1) == 0
    assert redis.get("k") == b"301"
    assert redis.incr("k") == 302


@pytest.mark.parametrize("args, error", [
    ("SETBIT k -1 1", BAD_OFFSET), ("SETBIT k x 1", BAD_OFFSET),
    ("SETBIT k #1 1", BAD_OFFSET), ("SETBIT k 1.5 1", BAD_OFFSET),
    ("SETBIT k 9223372036854775807 1", BAD_OFFSET),
    ("SETBIT k 9223372036854775808 1", BAD_OFFSET),
    ("SETBIT k 4294967296 1", BAD_OFFSET),
    ("GETBIT k 4294967296", BAD_OFFSET), ("GETBIT h -1", BAD_OFFSET),
    ("SETBIT k 1 2", ("-", b"ERR bit is not an integer or out of range")),
    ("SETBIT k 1 x", ("-", b"ERR bit is not an integer or out of range")),
    ("SETBIT h 1 1", WRONGTYPE), ("GETBIT h 1", WRONGTYPE),
    ("BITCOUNT h", WRONGTYPE), ("BITCOUNT k 1", SYNTAX),
    ("BITCOUNT k 1 x", NOT_INT), ("BITCOUNT k 1 2 NIBBLE", SYNTAX),
    ("BITCOUNT k 1 2 BIT x", SYNTAX), ("BITPOS h 1", WRONGTYPE),
    ("BITPOS k 2", ("-", b"ERR The bit argument must be 1 or 0.")),
    ("BITPOS k x", NOT_INT), ("BITPOS k 1 x", NOT_INT),
    ("BITPOS k 1 1 2 NIBBLE", SYNTAX), ("BITPOS k 1 1 2 BIT x", SYNTAX),
    ("BITOP NAND d k k", SYNTAX), ("BITOP AND d k h", WRONGTYPE),
    ("BITOP NOT d k k", ("-", b"ERR BITOP NOT must be called with a single "
                              b"source key.")),
    ("BITFIELD k GET u64 0", BAD_TYPE), ("BITFIELD k GET i65 0", BAD_TYPE),
    ("BITFIELD k GET u0 0", BAD_TYPE), ("BITFIELD k GET 8 0", BAD_TYPE),
    ("BITFIELD k GET u8 x", BAD_OFFSET), ("BITFIELD k GET u8 -1", BAD_OFFSET),
    ("BITFIELD k GET u8", SYNTAX), ("BITFIELD k SET u8 0", SYNTAX),
    ("BITFIELD k OVERFLOW", SYNTAX), ("BITFIELD k NOP", SYNTAX),
    ("BITFIELD k OVERFLOW x", ("-", b"ERR Invalid OVERFLOW type specified")),
    ("BITFIELD k SET u8 0 x", NOT_INT), ("BITFIELD h GET u8 0", WRONGTYPE),
    ("BITFIELD h SET u8 0 1", WRONGTYPE),
    ("BITFIELD_RO k SET u8 0 1",
     ("-", b"ERR BITFIELD_RO only supports the GET subcommand")),
])
def test_refused(raw, args, error):
    c = raw()
    c.call("SET", "k", "foobar")
    c.call("HSET", "h", "f", "v")
    assert c.call(*args.split()) == error
    assert c.call("GET", "k") == ("$", b"foobar")
    assert c.call("EXISTS", "d") == (":", 0)


def test_offsets_are_bounded_by_the_longest_argument(fresh_server):
    s = fresh_server(max_resp_bulk_len="1024")
    with s.raw() as c:
        assert c.call("SETBIT", "k", "8191", "1") == (":", 0)
        assert c.call("STRLEN", "k") == (":", 1024)
        assert c.call("SETBIT", "k", "8192", "1") == BAD_OFFSET
        assert c.call("BITFIELD", "k", "GET", "u8", "#1024") == BAD_OFFSET


def test_numbered_fields_do_not_wrap(raw, config_name):
    """n times the width may not fit in 64 bits."""
    if config_name == "redis":
        pytest.skip("redis-server 7.0 takes that for offset 0")
    c = raw()
    for n in (1 << 60, 1 << 58, (1 << 63) - 1):
        assert c.call("BITFIELD", "k", "INCRBY", "i64", "#%d" % n, "1") == \
            BAD_OFFSET
    assert c.call("EXISTS", "k") == (":", 0)


def test_growth_beyond_the_memory_limit(fresh_server, config_name):
    s = fresh_server(memory_limit="2mb", max_resp_bulk_len="100mb")
    oom = ("-", b"OOM command not allowed when used memory > 'maxmemory'.")
    with s.raw() as c:
        c.ok("SET", "a", "v")
        assert c.call("SETBIT", "a", "80000000", "1") == oom
        assert c.call("BITFIELD", "a", "SET", "u8", "80000000", "1") == oom
        assert c.call("GET", "a") == ("$", b"v")
        assert c.call("SETBIT", "a", "8000", "1") == (":", 0)


def test_bitcount(redis):
    redis.set("k", "foobar")
    assert redis.bitcount("k") == 26
    assert redis.bitcount("k", 0, 0) == 4
    assert redis.bitcount("k", 1, 1) == 6
    assert redis.bitcount("k", -2, -1) == 7
    assert redis.bitcount("k", 5, 30, "BIT") == 17
    assert redis.bitcount("k", 3, 2) == 0
    assert redis.bitcount("k", 100, 200) == 0
    assert redis.bitcount("none") == 0


def test_bitcount_of_long_strings(redis):
    source = random.Random(5)
    for n in (1, 7, 127, 128, 129, 5000, 100003):
        value = source.randbytes(n)
        redis.set("k", value)
        number = int.from_bytes(value, "big")
        assert redis.bitcount("k") == bin(number).count("1")
        bits = bin(number)[2:].zfill(n * 8)
        for _ in range(10):
            a, b = sorted(source.randrange(n * 8) for _ in range(2))
            assert redis.bitcount("k", a, b, "BIT") == \
                bits[a:b + 1].count("1")


def test_bitpos(redis):
    redis.set("k", b"\xff\xf0\x00")
    assert redis.bitpos("k", 0) == 12
    assert redis.bitpos("k", 1, 2) == -1
    assert redis.bitpos("k", 0, 0, 0) == -1
    redis.set("k", b"\xff" * 300)
    assert redis.bitpos("k", 0) == 2400
    assert redis.bitpos("k", 0, 0, -1) == -1
    assert redis.bitpos("k", 0, 299) == 2400
    assert redis.bitpos("k", 1, 299) == 2392
    assert redis.bitpos("k", 1, 17, 18, "BIT") == 17
    redis.set("k", b"\x00" * 300 + b"\x10")
    assert redis.bitpos("k", 1) == 2403
    assert redis.bitpos("k", 1, 0, 299) == -1
    assert redis.bitpos("none", 1) == -1
    assert redis.bitpos("none", 0) == 0


def test_bitop(redis):
    redis.set("a", b"\x0f\xf0\xff")
    redis.set("b", b"\x3c")
    assert redis.bitop("AND", "d", "a", "b") == 3
    assert redis.get("d") == b"\x0c\x00\x00"
    assert redis.bitop("OR", "d", "b", "a", "none") == 3
    assert redis.get("d") == b"\x3f\xf0\xff"
    assert redis.bitop("XOR", "a", "a", "b") == 3
    assert redis.get("a") == b"\x33\xf0\xff"
    assert redis.bitop("NOT", "d", "b") == 1
    assert redis.get("d") == b"\xc3"
    redis.expire("d", 100)
    assert redis.bitop("AND", "d", "a", "none") == 3
    assert redis.get("d") == b"\x00\x00\x00"
    assert redis.ttl("d") == -1
    assert redis.bitop("AND", "d", "none", "none2") == 0
    assert redis.exists("d") == 0


def test_bitop_of_long_strings_and_of_many(redis):
    source = random.Random(6)
    values = [source.randbytes(n) for n in (9000, 20000, 3, 17000)]
    for i, v in enumerate(values):
        redis.set("s%d" % i, v)
    numbers = [int.from_bytes(v.ljust(20000, b"\x00"), "big") for v in values]
    every = [i % 4 for i in range(50)]
    keys = ["s%d" % i for i in every]
    want = {"AND": numbers[0], "OR": 0, "XOR": 0}
    for i in every:
        want["AND"] &= numbers[i]
        want["OR"] |= numbers[i]
        want["XOR"] ^= numbers[i]
    for op, number in want.items():
        assert redis.bitop(op, "d", *keys) == 20000
        assert redis.get("d") == number.to_bytes(20000, "big")
    redis.bitop("NOT", "s1", "s1")
    assert redis.get("s1") == bytes(255 - b for b in values[1])


def test_bitop_again_into_the_same_key(raw):
    """What is there is written over where nobody else needs it."""
    c = raw()
    a, b = b"\x0f" * 60000, b"\x3c" * 50000
    c.ok("MSET", "a", a, "b", b)
    assert c.call("BITOP", "OR", "d", "a") == (":", 60000)
    # The answer to GET lasts until it is sent.
    c.send(encode("GET", "d") + encode("BITOP", "XOR", "d", "a", "b")
           + encode("GET", "d"))
    assert [c.read() for _ in range(3)] == [
        ("$", a), (":", 60000), ("$", b"\x33" * 50000 + b"\x0f" * 10000)]
    assert c.call("BITOP", "NOT", "d", "b") == (":", 50000)
    assert c.call("GET", "d") == ("$", b"\xc3" * 50000)
    assert c.call("BITOP", "AND", "d", "d", "a") == (":", 60000)
    assert c.call("GET", "d") == ("$", b"\x03" * 50000 + bytes(10000))
    c.call("EXPIRE", "d", "100")
    c.call("BITOP", "OR", "d", "b", "b")
    assert c.call("TTL", "d") == (":", -1)
    assert c.call("GET", "d") == ("$", b)
    c.call("APPEND", "d", "tail")
    assert c.call("GET", "d") == ("$", b + b"tail")


def test_bitfield(raw):
    c = raw()
    assert c.call("BITFIELD", "k") == ("*", [])
    assert c.call("BITFIELD", "k", "SET", "i8", "0", "-100", "GET", "u8",
                  "0", "GET", "i8", "0", "INCRBY", "i8", "#0", "-100") == (
        "*", [(":", 0), (":", 156), (":", -100), (":", 56)])
    assert c.call("BITFIELD", "k", "GET", "u4", "#1", "GET", "u63", "3") == (
        "*", [(":", 8), (":", 0x18 << 58)])
    assert c.call("BITFIELD_RO", "k", "GET", "i5", "2") == ("*", [(":", -4)])


def test_bitfield_overflow(raw):
    c = raw()
    for how, kind, start, by, want in [
            ("WRAP", "u8", 250, 10, 4), ("SAT", "u8", 250, 10, 255),
            ("WRAP", "u8", 0, -1, 255), ("SAT", "u8", 0, -1, 0),
            ("WRAP", "i8", -6, 134, -128), ("SAT", "i8", -6, 134, 127),
            ("WRAP", "i8", -6, -123, 127), ("SAT", "i8", -6, -123, -128),
            ("WRAP", "u1", 1, 1, 0), ("SAT", "i1", 0, 5, 0)]:
        c.call("SET", "k", b"\x00\x00")
        c.call("BITFIELD", "k", "SET", kind, "3", str(start))
        assert c.call("BITFIELD", "k", "OVERFLOW", how, "INCRBY", kind, "3",
                      str(by)) == ("*", [(":", want)]), (how, kind)
    top = str((1 << 63) - 1)
    c.call("BITFIELD", "m", "SET", "i64", "0", top)
    assert c.call("BITFIELD", "m", "INCRBY", "i64", "0", "1", "OVERFLOW",
                  "SAT", "INCRBY", "i64", "0", "-1", "INCRBY", "i64", "0",
                  "-1") == ("*", [(":", -1 << 63)] * 3)


def test_bitfield_that_fails(raw):
    c = raw()
    c.call("SET", "k", b"\xff")
    assert c.call("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u8", "0",
                  "1", "SET", "u8", "0", "256", "INCRBY", "u8", "0", "-1") == (
        "*", [("$", None), ("$", None), (":", 254)])
    assert c.call("GET", "k") == ("$", b"\xfe")
    # the string has become as long as the field, all the same
    assert c.call("BITFIELD", "new", "OVERFLOW", "FAIL", "SET", "u8", "8",
                  "256") == ("*", [("$", None)])
    assert c.call("STRLEN", "new") == (":", 2)


def test_watch(raw):
    a, b = raw(), raw()
    a.call("SET", "k", b"\x01")
    for args, same in [("SETBIT k 7 1", True), ("SETBIT k 7 0", False),
                       ("BITFIELD k SET u8 0 0", True),
                       ("BITFIELD k SET u8 0 1", False),
                       ("SETBIT k 8 0", False), ("BITCOUNT k", True)]:
        a.ok("WATCH", "k")
        b.call(*args.split())
        a.ok("MULTI")
        a.call("PING")
        assert (a.call("EXEC")[1] is not None) == same, args


def test_events(raw):
    c, s = raw(), raw()
    c.ok("CONFIG", "SET", "notify-keyspace-events", "EA")
    try:
        s.call("PSUBSCRIBE", "*")
        c.call("SETBIT", "k", "7", "1")
        c.call("SETBIT", "k", "7", "1")
        c.call("BITFIELD", "k", "GET", "u8", "0", "SET", "u8", "0", "9",
               "SET", "u8", "0", "8")
        c.call("BITOP", "NOT", "d", "k")
        c.call("BITOP", "AND", "d", "none")
        got = [s.read()[1][2:] for _ in range(4)]
        assert [(a[1].split(b":")[-1], b[1]) for a, b in got] == [
            (b"setbit", b"k"), (b"setbit", b"k"), (b"set", b"d"),
            (b"del", b"d")]
    finally:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "")
