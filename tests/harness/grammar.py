# SPDX-License-Identifier: MIT
"""Random commands: a row for each command, with its options.

A row is a name and parts.  A part is
    a string or bytes     taken as it is
    a function of a Draw  called for one argument, or a list of them
    a tuple               its parts, one after the other
    maybe(part...)        there or not
    one(part, part...)    one of these
    some(part, lo, hi)    lo to hi times
The first word of what `maybe` and `one` put in is counted as an option, as
`set:EX`; named() gives a name to what begins with no word, and a bare
function has none.

Adding a command is adding a row; tests/integration/test_against_redis.py
leaves out what the server under test does not know.
"""

import random

# At most 24 keys; the letter says what they mostly hold: strings, numbers,
# lists, hashes, sets (e), sorted sets, bits, HyperLogLogs (p), streams (x), and
# two in a namespace.
KEYS = {
    "s": ["s1", "s2", "ns/s"],
    "n": ["n1", "n2"],
    "l": ["l1", "l2", "l3"],
    "h": ["h1", "h2"],
    "e": ["e1", "e2", "e3"],
    "z": ["z1", "z2", "ns/z"],
    "b": ["b1", "b2"],
    "p": ["p1", "p2"],
    "x": ["x1", "x2"],
}
ALL_KEYS = [k for names in KEYS.values() for k in names]
assert len(ALL_KEYS) <= 24

WORDS = ["a", "b", "c", "d", "e", "f", "g", "1", "2", "3", "10", "-7"]
# The byte 0 comes behind a letter of its own: SORT ALPHA of Redis compares up
# to it, and what is equal so far comes in any order.
ODD_WORDS = ["", "x" * 63, "y" * 65, b"q\x00\xff\r\n", "1.5", "A b", "z" * 300,
             "9223372036854775807", "-9223372036854775808", "007"]
JUNK = ["", "x", "-1", "0", "1.5", "nan", " 1", "+1", "9223372036854775807",
        "9223372036854775808", "LIMIT", "NX"]


class Draw:
    """The source of choices.  below(n) is all that it needs, so that a
    seeded generator and hypothesis serve alike."""

    def __init__(self, below):
        self.below = below
        self.labels = []
        self.unique = 0

    @staticmethod
    def seeded(seed):
        source = random.Random(seed)
        return Draw(source.randrange)

    def pick(self, items):
        return items[self.below(len(items))]

    def chance(self, percent):
        return self.below(100) < percent

    def make(self, part):
        """The arguments that a part stands for, as a list."""
        if isinstance(part, (str, bytes)):
            return [part]
        if isinstance(part, tuple):
            return [a for p in part for a in self.make(p)]
        made = part(self)
        return made if isinstance(made, list) else [made]


def first_word(part):
    while isinstance(part, tuple):
        part = part[0]
    return part if isinstance(part, str) else getattr(part, "label", None)


def labelled(draw, part):
    word = first_word(part)
    if word:
        draw.labels.append(word)
    return draw.make(part)


def maybe(*parts, percent=35):
    return lambda d: labelled(d, parts) if d.chance(percent) else []


def one(*parts):
    return lambda d: labelled(d, d.pick(parts))


def among(*words):
    """One of these, which are values and no options."""
    return lambda d: d.pick(words)


def some(part, lo=1, hi=4):
    def make(d):
        return [a for _ in range(lo + d.below(hi - lo + 1))
                for a in d.make(part)]
    return make


def named(label, *parts):
    """Parts that count as the option `label`."""
    def make(d):
        return d.make(parts)
    make.label = label
    return make


def K(kind):
    """A key that mostly holds that kind."""
    return lambda d: (d.pick(ALL_KEYS) if d.chance(6)
                      else d.pick(KEYS[kind]))


def any_key(d):
    return d.pick(ALL_KEYS)


def word(d):
    return d.pick(ODD_WORDS) if d.chance(10) else d.pick(WORDS)


def value(d):
    if d.chance(3):
        return b"long%d-" % d.below(3) * (1 + d.below(300))
    return d.pick(ODD_WORDS) if d.chance(15) else d.pick(WORDS)


def integer(d):
    if d.chance(4):
        return d.pick(["9223372036854775807", "-9223372036854775808",
                       "9223372036854775806", "2147483648", "-4294967296"])
    if d.chance(2):
        return d.pick(JUNK)
    return str(d.below(40) - 15)


def index(d):
    if d.chance(3):
        return d.pick(["9223372036854775807", "-9223372036854775808",
                       "1000000", "-1000000", "x"])
    return str(d.below(14) - 7)


def count(d):
    """A count that may be anything small."""
    return str(d.below(12) - 3) if d.chance(50) else str(1 + d.below(5))


def positive(d):
    return str(1 + d.below(8))


def natural(d):
    return str(d.below(8))


def number(d):
    """A floating-point argument."""
    if d.chance(3):
        return d.pick(["nan", "x", "", "1e400", "inf", "-inf", " 1", "1 "])
    return d.pick(["0", "1", "-1", "1.5", "2", "3.25", "-0.1", "0.1", "1e3",
                   "10", "3", "100.001", "5e-3", "1.0", "-3"])


def score(d):
    if d.chance(5):
        return d.pick(["inf", "-inf", "+inf", "1e300", "-1e300", "x", "nan",
                       "1e-300", "123456789012345678", "0.1", "-0"])
    return d.pick(["0", "1", "2", "3", "4", "5", "-1", "1.5", "2.5", "10",
                   "1e2", "0.25"])


def score_bound(d):
    if d.chance(20):
        return d.pick(["-inf", "+inf", "inf"])
    return ("(" if d.chance(30) else "") + score(d)


def lex_bound(d):
    if d.chance(25):
        return d.pick(["-", "+"])
    if d.chance(3):
        return d.pick(["x", "", "("])
    return d.pick(["[", "("]) + d.pick(WORDS + [""])


def pattern(d):
    return d.pick(["*", "?", "[a-c]", "[^a-c]", "*1*", "a*", "?1", "s*",
                   "ns/*", "*\\**", "[", "x*y", "[z1]*", "h?llo", ""])


def seconds(d):
    """Far away, and hardly ever the same twice: GT and LT then decide alike
    in two servers whose clocks are read at different moments."""
    if d.chance(4):
        return d.pick(["0", "-1", "x", "9223372036854775807", "1.5"])
    return str(1000 + d.below(1000000))


def milliseconds(d):
    if d.chance(4):
        return d.pick(["0", "-1", "x", "9223372036854775807", "1.5"])
    return str(1000000 + 1000 * d.below(1000000))


def at_second(d):
    if d.chance(6):
        return d.pick(["0", "1", "-1", "x", "9223372036854775807"])
    return str(4000000000 + d.below(1000000))


def at_millisecond(d):
    if d.chance(6):
        return d.pick(["0", "1", "-1", "x", "9223372036854775807"])
    return str(4000000000000 + d.below(1000000000))


def database(d):
    return d.pick(["0", "1", "0", "16", "x"])


def numkeys(kind, lo=1, hi=3):
    """A count of keys and the keys; the count is wrong now and then."""
    def make(d):
        keys = [d.make(K(kind))[0] for _ in range(lo + d.below(hi - lo + 1))]
        n = len(keys)
        if d.chance(3):
            n = d.pick([0, -1, n + 1, "x"])
        return [str(n)] + keys
    return make


def mass(part, lo=130, hi=160):
    """Many at once, now and then: across the thresholds of encodings."""
    def make(d):
        if d.chance(4):
            # The numbers differ, or most of them would be the same member.
            n = lo + d.below(hi - lo)
            return [a for i in range(n)
                    for a in d.make(part(i) if callable(part) else part)]
        return [a for i in range(1 + d.below(4))
                for a in d.make(part(None) if callable(part) else part)]
    return make


def member_of(i):
    return word if i is None else "m%d" % (i * 7919 % 1000)


def field_and_value(i):
    return (member_of(i), value if i is None else word)


def score_and_member(i):
    return (score if i is None else str(i * 31 % 97), member_of(i))


class Row:
    def __init__(self, name, *parts, compare="exact", weight=4, before=None,
                 after=None, blocking=False, alter=True):
        self.name = name            # words in lower case: "object encoding"
        self.parts = parts
        self.compare = compare      # a name of COMPARE in the test
        self.weight = weight        # how often, relatively
        self.before = before        # from our arguments: commands before
        self.after = after          # ... and after it
        self.blocking = blocking    # must not be altered, or it would wait
        # Neither may a cursor: another one has another answer.
        self.alter = alter and not blocking and "scan" not in compare

    def draw(self, d):
        """(arguments, the options among them)"""
        d.labels = []
        args = self.name.split() + d.make(self.parts)
        return args, d.labels


ROWS = []


def row(name, *parts, **how):
    ROWS.append(Row(name, *parts, **how))


EXPIRY = one(("EX", seconds), ("PX", milliseconds), ("EXAT", at_second),
             ("PXAT", at_millisecond))

# Strings.
row("set", K("s"), value, weight=8)
row("set", K("n"), integer, weight=8)


def look_again(args):
    """SET of Redis keeps what has expired already until somebody looks, and
    DBSIZE counts it."""
    return [["EXISTS", args[1]]] if "EXAT" in args or "PXAT" in args else []


row("set", K("s"), value,
    maybe(one(("EX", seconds), ("PX", milliseconds), ("EXAT", at_second),
              ("PXAT", at_millisecond), "KEEPTTL")),
    maybe(one("NX", "XX")), maybe("GET"), weight=12, after=look_again)
row("get", K("s"))
row("mget", some(K("s")))
row("mset", some((K("s"), value)))
row("msetnx", some((any_key, value), 1, 3))
row("setnx", any_key, value)
row("setex", K("s"), seconds, value)
row("psetex", K("s"), milliseconds, value)
row("getset", K("s"), value)
row("getdel", K("s"))
row("getex", K("s"),
    maybe(one(("EX", seconds), ("PX", milliseconds), ("EXAT", at_second),
              ("PXAT", at_millisecond), "PERSIST"), percent=80), weight=8)
row("append", K("s"), value)
row("strlen", K("s"))
row("incr", K("n"))
row("incrby", K("n"), integer)
row("decr", K("n"))
row("decrby", K("n"), integer)
row("incrbyfloat", K("n"), number)
row("setrange", K("s"), natural, value)
row("getrange", K("s"), index, index)
row("substr", K("s"), index, index, weight=2)
row("lcs", K("s"), K("s"),
    maybe(one("LEN", ("IDX", maybe("MINMATCHLEN", natural),
                      maybe("WITHMATCHLEN"))), percent=70), weight=6)

# Bits.
bit = one("0", "1")
bit_type = one("u1", "i5", "u8", "i8", "i16", "u32", "i64", "u63",
               lambda d: d.pick(["u64", "x8"]))


def bit_offset(d):
    if d.chance(3):
        return d.pick(["4294967296", "-1", "#-1", "x", "#",
                       "9223372036854775807"])
    return d.pick(["", "#"]) + str(d.below(40))


def bit_at(d):
    return str(d.below(20000)) if d.chance(5) else str(d.below(80))


row("set", K("b"), value, weight=1)
row("setbit", K("b"), bit_at, bit)
row("getbit", K("b"), bit_at)
row("bitcount", K("b"), maybe(index, index, maybe(one("BYTE", "BIT"))),
    weight=8)
row("bitpos", K("b"), bit,
    maybe(index, maybe(index, maybe(one("BYTE", "BIT"))), percent=70),
    weight=16)
row("bitop", one(("NOT", K("b"), K("b")), ("AND", K("b"), some(K("b"))),
                 ("OR", K("b"), some(K("b"))), ("XOR", K("b"), some(K("b")))))
row("bitfield", K("b"),
    some(one(("GET", bit_type, bit_offset),
             ("SET", bit_type, bit_offset, integer),
             ("INCRBY", bit_type, bit_offset, integer),
             ("OVERFLOW", one("WRAP", "SAT", "FAIL")))), weight=8)
row("bitfield_ro", K("b"), some(("GET", bit_type, bit_offset)))

# HyperLogLogs.
def elements_to_count(d):
    """Some, and at times so many that the registers stand alone."""
    if d.chance(3):
        first, n = d.below(5000), 1500 + d.below(1000)
        return ["e%d" % (first + i) for i in range(n)]
    if d.chance(20):
        return ["e%d" % d.below(9000) for _ in range(d.below(120))]
    return [d.make(word)[0] for _ in range(d.below(5))]


row("pfadd", K("p"), elements_to_count, weight=8)
row("get", K("p"), weight=2)
row("pfcount", some(K("p"), 1, 3))
row("pfmerge", K("p"), some(K("p"), 0, 2))
row("pfdebug", one("ENCODING", "DECODE", "GETREG", "TODENSE"), K("p"),
    weight=4, before=lambda args: [["PFADD", args[2], "a", "b"]],
    alter=False)

# Keys.
row("del", some(any_key, 1, 2), weight=3)
row("unlink", some(any_key, 1, 2), weight=1)
row("exists", some(any_key))
row("touch", some(any_key))
row("type", any_key)
row("ttl", any_key, compare="near 3")
row("pttl", any_key, compare="near 3000")
row("expiretime", any_key, compare="near 3")
row("pexpiretime", any_key, compare="near 3000")
when = maybe(one("NX", "XX", "GT", "LT", named("two", "XX", "GT"),
                 lambda d: ["NX", "LT"]), percent=60)
row("expire", any_key, seconds, when, weight=6)
row("pexpire", any_key, milliseconds, when, weight=6)
row("expireat", any_key, at_second, when, weight=6)
row("pexpireat", any_key, at_millisecond, when, weight=6)
row("persist", any_key)
row("rename", any_key, any_key, weight=2)
row("renamenx", any_key, any_key, weight=2)
row("copy", any_key, any_key, maybe("DB", database), maybe("REPLACE"))
row("move", any_key, database, weight=2)
row("select", database, weight=1)
row("swapdb", database, database, weight=2)
row("scan", "0", "COUNT", "100000", maybe("MATCH", pattern),
    maybe("TYPE", one("string", "list", "hash", "set", "zset", "stream",
                      "nosuch")),
    compare="scan", weight=24)
row("keys", pattern, compare="unordered")
row("randomkey", compare="shape")
row("dbsize")
row("flushdb", maybe(one("SYNC", "ASYNC"), percent=70), weight=1)
row("flushall", maybe(one("SYNC", "ASYNC"), percent=70), weight=1)
row("object encoding", any_key)
row("object freq", any_key, compare="shape", weight=2)
row("object idletime", any_key, compare="shape", weight=2)
row("object refcount", any_key, compare="shape", weight=2)
row("memory usage", any_key, maybe("SAMPLES", natural), compare="shape")
row("dump", any_key, compare="null or not")

# What redis-server 7.0 dumps: strings, a list, a hash, sets, a sorted set.
DUMPED = [bytes.fromhex(x) for x in [
    "00036162630a00d9ac303d4172a2e2", "00c00c0a003c2af8515c04bcd5",
    "1201020d0d0000000200816102816202ff0a0068eb0a891341bbb1",
    "100c0c00000002008161020101ff0a0084a693e8aa17e4db",
    "0b0c0200000002000000010002000a006f7938b134eb202e",
    "0202016101620a00fe642125eb033d0d",
    "110f0f000000020081610283312e3504ff0a00080c6e19808e7d98"]]


def dumped(d):
    payload = d.pick(DUMPED)
    return payload[:-1] + b"!" if d.chance(10) else payload


# A deadline beyond the clock's end wraps around in Redis; ours is far away.
row("restore", any_key,
    lambda d: d.pick(["0", "-1", "x", "5000000", "0", "0"]), dumped,
    maybe("REPLACE", percent=70),
    maybe(one(("IDLETIME", natural), ("FREQ", natural))), weight=8,
    alter=False)

# Connections.  What subscribers hear has a test of its own.
row("ping", maybe(named("message", word)))
row("echo", word)
row("client setname", word, weight=2)
row("client getname", weight=2)
row("client id", compare="shape", weight=2)
row("client no-evict", one("ON", "OFF"), weight=3)
row("time", compare="shape", weight=2)
row("wait", "0", natural, weight=2)
row("publish", word, value, weight=2)
row("spublish", word, value, weight=2)
# Not altered: a count of "1.5", which the command would refuse, is 1 here.
row("command getkeys", "mset", some((word, value)), weight=2, alter=False)
row("command getkeys", "zunionstore", word, numkeys("z"), weight=2,
    alter=False)
row("command getkeysandflags", "lmove", word, word, "LEFT", "RIGHT", weight=2,
    alter=False)
gets = maybe(one(("GET", one("#", "s*", "h*->a"))))
order = (maybe(one("ASC", "DESC")), maybe("ALPHA", percent=80))
elements = one(K("l"), K("e"), K("z"))


def gone(args):
    """SORT of Redis makes a skip list of a small sorted set, as if by the
    way, which then prints its scores otherwise.  Ours leaves it as it is."""
    return [["DEL", args[1]]]


def no_overflow(args):
    """SORT of Redis takes an overflow that an earlier command met for one of
    its own; reading a timeout makes it forget that."""
    return [["BLPOP", args[1], "x"]]


for name in ("sort", "sort_ro"):
    row(name, elements, maybe("LIMIT", index, count), gets, *order,
        weight=16, before=no_overflow, after=gone)
    # Elements of the same weight come in any order.
    row(name, elements, "BY", one("n*", "h*->b"), gets, *order,
        compare="unordered", weight=16, before=no_overflow, after=gone)
row("sort", elements, maybe("BY", "nosort"), *order, "STORE", K("l"),
    weight=6, before=no_overflow, after=gone)

# Lists.
side = one("LEFT", "RIGHT")
row("lpush", K("l"), mass(member_of), weight=8)
row("rpush", K("l"), mass(member_of), weight=8)
row("lpushx", K("l"), some(value))
row("rpushx", K("l"), some(value))
row("lpop", K("l"), maybe(named("count", count)))
row("rpop", K("l"), maybe(named("count", count)))
row("llen", K("l"))
row("lrange", K("l"), index, index, weight=8)
row("lindex", K("l"), index)
row("lset", K("l"), index, value)
row("lrem", K("l"), index, word)
row("ltrim", K("l"), index, index, weight=2)
row("linsert", K("l"), one("BEFORE", "AFTER"), word, value)
row("lpos", K("l"), word, maybe("RANK", index), maybe("COUNT", natural),
    maybe("MAXLEN", natural), weight=8)
row("lmove", K("l"), K("l"), side, side)
row("rpoplpush", K("l"), K("l"))
row("lmpop", numkeys("l"), side, maybe("COUNT", positive))


def push_first(args):
    return [["RPUSH", args[1], "a", "b"]]


def push_third(args):
    return [["RPUSH", args[3], "a", "b"]]


row("blpop", some(K("l"), 1, 2), "0", before=push_first, blocking=True)
row("brpop", some(K("l"), 1, 2), "0", before=push_first, blocking=True)
row("blmove", K("l"), K("l"), side, side, "0", before=push_first,
    blocking=True)
row("brpoplpush", K("l"), K("l"), "0", before=push_first, blocking=True)
row("blmpop", "0", "2", K("l"), K("l"), side, maybe("COUNT", positive),
    before=push_third, blocking=True)

# Hashes.
row("hset", K("h"), mass(field_and_value), weight=10)
row("hmset", K("h"), some((word, value)))
row("hsetnx", K("h"), word, value)
row("hget", K("h"), word)
row("hmget", K("h"), some(word))
row("hdel", K("h"), some(word))
row("hexists", K("h"), word)
row("hlen", K("h"))
row("hstrlen", K("h"), word)
row("hgetall", K("h"), compare="pairs")
row("hkeys", K("h"), compare="unordered")
row("hvals", K("h"), compare="unordered")
row("hincrby", K("h"), word, integer, weight=6)
row("hincrbyfloat", K("h"), word, number, weight=6)
# HEXPIRE and its kin are Redis 7.4's, and redis-server has none of them:
# test_field_ttl.py compares them with a model.
row("hrandfield", K("h"),
    maybe(named("count", count), maybe("WITHVALUES"), percent=80),
    compare="shape", weight=8)
row("hscan", K("h"), "0", maybe("MATCH", pattern), "COUNT", "100000",
    compare="scan pairs")

# Sets.
row("sadd", K("e"), mass(member_of), weight=10)
row("srem", K("e"), some(word))
row("scard", K("e"))
row("sismember", K("e"), word)
row("smismember", K("e"), some(word))
row("smembers", K("e"), compare="unordered")
row("smove", K("e"), K("e"), word)
row("spop", K("e"), maybe(named("count", natural)), compare="shape",
    after=lambda args: [["DEL", args[1]]], weight=2, alter=False)
row("srandmember", K("e"), maybe(named("count", count)), compare="shape")
for name in ("sunion", "sinter", "sdiff"):
    row(name, some(K("e"), 1, 3), compare="unordered")
    row(name + "store", K("e"), some(K("e"), 1, 3))
row("sintercard", numkeys("e"), maybe("LIMIT", natural))
row("sscan", K("e"), "0", maybe("MATCH", pattern), "COUNT", "100000",
    compare="scan")

# Sorted sets.
limit = maybe("LIMIT", natural, count)
with_scores = maybe("WITHSCORES")
row("zadd", K("z"), mass(score_and_member), weight=10)
row("zadd", K("z"), maybe(one("NX", "XX")), maybe(one("GT", "LT")),
    maybe("CH"), some((score, word)), weight=8)
row("zadd", K("z"), maybe(one("NX", "XX", "GT", "LT")), maybe("CH"),
    named("INCR", "INCR"), score, word, weight=4)
row("zadd", K("z"), one(("INCR", score, word)), weight=4)
row("zincrby", K("z"), score, word, weight=6)
row("zrem", K("z"), some(word))
row("zcard", K("z"))
row("zscore", K("z"), word)
row("zmscore", K("z"), some(word))
# Another argument would be WITHSCORE of 7.2, which redis-server has not.
row("zrank", K("z"), word, alter=False)
row("zrevrank", K("z"), word, alter=False)
row("zcount", K("z"), score_bound, score_bound)
row("zrange", K("z"), index, index, maybe("REV"), with_scores, weight=8)
row("zrange", K("z"), score_bound, score_bound, "BYSCORE", maybe("REV"),
    limit, with_scores, weight=8)
row("zrangestore", K("z"), K("z"), index, index, maybe("REV"))
row("zrangestore", K("z"), K("z"), score_bound, score_bound, "BYSCORE",
    maybe("REV"), limit, weight=6)
row("zrangebyscore", K("z"), score_bound, score_bound, with_scores, limit)
row("zrevrangebyscore", K("z"), score_bound, score_bound, with_scores, limit)
row("zrevrange", K("z"), index, index, with_scores)
row("zremrangebyrank", K("z"), index, index, weight=2)
row("zremrangebyscore", K("z"), score_bound, score_bound, weight=2)
row("zpopmin", K("z"), maybe(named("count", count)), weight=2)
row("zpopmax", K("z"), maybe(named("count", count)), weight=2)
row("zmpop", numkeys("z"), one("MIN", "MAX"), maybe("COUNT", positive))
row("zrandmember", K("z"),
    maybe(named("count", count), maybe("WITHSCORES"), percent=80),
    compare="shape", weight=8)
row("zscan", K("z"), "0", maybe("MATCH", pattern), "COUNT", "100000",
    compare="scan pairs")


# By bytes: defined where all scores are the same, and in a skip list left to
# chance where they are not.
def same_scores(args):
    key = args[2 if args[0] == "zrangestore" else 1]
    return [["DEL", key],
            ["ZADD", key] + [a for w in WORDS + ["", "aa", "x" * 70]
                             for a in ("0", w)]]


lexical = (K("z"), lex_bound, lex_bound)
row("zlexcount", *lexical, before=same_scores, alter=False)
row("zrangebylex", *lexical, limit, before=same_scores, alter=False)
row("zrevrangebylex", *lexical, limit, before=same_scores, alter=False)
row("zremrangebylex", *lexical, before=same_scores, alter=False)
row("zrange", *lexical, one(named("BYLEX", "BYLEX")), maybe("REV"), limit,
    before=same_scores, alter=False)
row("zrangestore", K("z"), *lexical, one(named("BYLEX", "BYLEX")),
    maybe("REV"), limit, before=same_scores, alter=False)


def zset_keys(d):
    """Sources of a union: sorted sets, and plain sets sometimes."""
    n = 1 + d.below(3)
    keys = [d.make(K("e" if d.chance(15) else "z"))[0] for _ in range(n)]
    out = [str(n)] + keys
    if d.chance(30):
        d.labels.append("WEIGHTS")
        out += ["WEIGHTS"] + [d.pick(["1", "2", "0.5", "-1", "0", "inf"])
                              for _ in range(n if not d.chance(3) else n + 1)]
    return out


aggregate = maybe("AGGREGATE", one("SUM", "MIN", "MAX"))
for name in ("zunion", "zinter"):
    row(name, zset_keys, aggregate, with_scores, weight=8)
    row(name + "store", K("z"), zset_keys, aggregate, weight=6)
row("zdiff", numkeys("z"), with_scores)
row("zdiffstore", K("z"), numkeys("z"))
row("zintercard", numkeys("z"), maybe("LIMIT", natural))


def add_first(args):
    return [["ZADD", args[1], "1", "a", "2", "b"]]


def add_third(args):
    return [["ZADD", args[3], "1", "a", "2", "b"]]


row("bzpopmin", some(K("z"), 1, 2), "0", before=add_first, blocking=True)
row("bzpopmax", some(K("z"), 1, 2), "0", before=add_first, blocking=True)
row("bzmpop", "0", "2", K("z"), K("z"), one("MIN", "MAX"),
    maybe("COUNT", positive), before=add_third, blocking=True)


# Streams.  IDs of their own would differ: only rows of their own have "*".
def stream_id(d):
    if d.chance(4):
        return d.pick(["0-0", "18446744073709551615-18446744073709551615",
                       "5", "007-01", "x", "1-2-3", "-1", "1-", "", "0",
                       "18446744073709551616", "1-18446744073709551615"])
    return "%d-%d" % (d.below(9), d.below(4))


def new_id(d):
    """One that mostly comes behind those there are."""
    if d.chance(12):
        return stream_id(d)
    if d.chance(15):
        return "%d-*" % (1 + d.below(1000))
    return "%d-%d" % (1 + d.below(1000), d.below(4))


def range_end(d):
    if d.chance(25):
        return d.pick(["-", "+"])
    if d.chance(3):
        return d.pick(["(-", "(+", "(", "(x", "(0-0",
                       "(18446744073709551615-18446744073709551615"])
    return ("(" if d.chance(20) else "") + d.pick(
        [stream_id(d), str(d.below(1000)), new_id(d).replace("*", "1")])


group = among("g1", "g1", "g2")
consumer = among("alice", "bob", "carol")
some_ids = some(one(stream_id, range_end, new_id), 1, 4)
stream_fields = one(("f", value), ("f", value, "g", value),
                    some((word, value)))
# Idle for so long, or for no time: the clocks differ by little.
idle_time = among("0", "0", "0", "10000000", "-5", "x")
trim_mark = maybe(one("=", "~"), percent=50)
trimmed = one(("MAXLEN", trim_mark, natural),
              ("MINID", trim_mark, one(stream_id, new_id)),
              ("MAXLEN", "~", natural, "LIMIT", count))
entry_count = maybe("COUNT", count)


def many_entries(args):
    """Some nodes of entries, now and then."""
    return [["XADD", args[1], "%d-1" % (1000 + i), "f", str(i)]
            for i in range(130)]


row("xadd", K("x"), maybe("NOMKSTREAM", percent=10),
    maybe(trimmed, percent=15), new_id, stream_fields, weight=40)
row("xadd", K("x"), one(("9999-*", "f", "v")), weight=2)
row("xadd", K("x"), maybe(trimmed, percent=15), "*", stream_fields,
    compare="shape", after=lambda args: [["DEL", args[1]]], weight=1,
    alter=False)
row("xadd", K("x"), one(("3000-1", "last", "one")), before=many_entries,
    weight=1)
row("xlen", K("x"))
row("xrange", K("x"), range_end, range_end, entry_count, weight=12)
row("xrevrange", K("x"), range_end, range_end, entry_count, weight=12)
row("xdel", K("x"), some_ids, weight=10)
row("xtrim", K("x"), trimmed, weight=6)
row("xsetid", K("x"), new_id, maybe("ENTRIESADDED", natural),
    maybe("MAXDELETEDID", stream_id), weight=4)
row("xread", entry_count, maybe("BLOCK", "1", percent=10), "STREAMS",
    one((K("x"), one(stream_id, new_id, "$", "0")),
        (K("x"), K("x"), stream_id, one("0", stream_id))),
    weight=16, alter=False)
row("xgroup create", K("x"), group, one("0", "$", stream_id),
    maybe("MKSTREAM"), maybe("ENTRIESREAD", count, percent=20), weight=16)
row("xgroup setid", K("x"), group, one("0", "$", "-", stream_id),
    maybe("ENTRIESREAD", count, percent=20), weight=5)
row("xgroup destroy", K("x"), group, weight=2)
row("xgroup createconsumer", K("x"), group, consumer)
row("xgroup delconsumer", K("x"), group, consumer, weight=3)
row("xreadgroup", "GROUP", group, consumer, entry_count, maybe("NOACK"),
    "STREAMS", one((K("x"), one(">", ">", "0", stream_id,
                                lambda d: "$")),        # is refused
                   (K("x"), K("x"), ">", one(">", "0"))),
    weight=40, alter=False)
row("xack", K("x"), group, some_ids, weight=10)
row("xpending", K("x"), group, weight=6)
row("xpending", K("x"), group,
    maybe("IDLE", among("0", "10000000", "x"), percent=30),
    range_end, range_end, count, maybe(named("consumer", consumer)),
    compare="pending", weight=10)
claim_options = (maybe("IDLE", one("0", "100", "-1")),
                 maybe("TIME", among("1", "0", "99999999999999")),
                 maybe("RETRYCOUNT", natural), maybe("FORCE"),
                 maybe("JUSTID"), maybe("LASTID", stream_id))
row("xclaim", K("x"), group, consumer, idle_time, some_ids, *claim_options,
    weight=16)
row("xautoclaim", K("x"), group, consumer, idle_time, range_end,
    maybe("COUNT", count), maybe("JUSTID"), weight=12)
row("xinfo stream", K("x"), weight=10)
row("xinfo stream", K("x"), one(("FULL", maybe("COUNT", count))),
    compare="times", weight=10)
row("xinfo groups", K("x"), weight=10)
row("xinfo consumers", K("x"), group, compare="times", weight=6)


def add_some(args):
    key = args[args.index("STREAMS") + 1]
    return [["DEL", key], ["XADD", key, "7-7", "a", "b"],
            ["XGROUP", "CREATE", key, "g1", "0"]]


row("xread", "BLOCK", "0", "STREAMS", K("x"), "0", before=add_some,
    blocking=True)
row("xreadgroup", "GROUP", "g1", consumer, "BLOCK", "0", "STREAMS", K("x"),
    ">", before=add_some, blocking=True)


# Places.  Where something is searched for, the places are set before: two at
# the same distance come in any order, so that no two are.
def longitude(d):
    if d.chance(4):
        return d.pick(["180", "-180", "181", "x", "nan", "inf", "0", "1e2"])
    return "%.4f" % ((d.below(3600000) - 1800000) / 10000)


def latitude(d):
    if d.chance(4):
        return d.pick(["85.05112878", "-85.05112878", "86", "x", "-90", "0"])
    return "%.4f" % ((d.below(1700000) - 850000) / 10000)


def near(d):
    """A place in Europe, where many of them are."""
    if d.chance(40):
        return d.make((longitude, latitude))
    return ["%.4f" % (d.below(300000) / 10000 - 5),
            "%.4f" % (d.below(200000) / 10000 + 38)]


def some_places():
    source = random.Random(7)
    out = []
    for i in range(60):
        x, y = source.uniform(-180, 180), source.uniform(-85, 85)
        if i % 3:
            x, y = source.uniform(-5, 25), source.uniform(38, 58)
        out += ["%.6f" % x, "%.6f" % y, "p%d" % i]
    # at the edges of the map
    return out + ["180", "85.05112878", "ne", "-180", "-85.05112878", "sw",
                  "179.9", "0.1", "e", "-179.8", "-0.2", "w",
                  "0", "85.04", "n", "0.3", "-85.03", "s"]


PLACES = some_places()


def place_name(d):
    return d.pick(WORDS) if d.chance(10) else d.pick(PLACES[2::3])


def set_places(at):
    return lambda args: [["DEL", args[at]], ["GEOADD", args[at]] + PLACES]


def distance(d):
    if d.chance(3):
        return d.pick(["-1", "x", "nan", "1e400", "inf"])
    return d.pick(["0", "0.5", "1", "20", "100", "333.3", "800", "1500",
                   "5000", "9000", "12000", "21000", "1e5"])


unit = one("km", "KM", "mi", lambda d: d.pick(["m", "ft", "x"]))
with_what = (maybe("WITHCOORD"), maybe("WITHDIST"), maybe("WITHHASH"))
how_many = (maybe("COUNT", count, maybe("ANY")), maybe(one("ASC", "DESC")))
where = (one(("FROMMEMBER", place_name), ("FROMLONLAT", near)),
         one(("BYRADIUS", distance, unit),
             ("BYBOX", distance, distance, unit)))
row("geoadd", K("z"), maybe(one("NX", "XX")), maybe("CH"),
    some((longitude, latitude, word)), weight=6)
row("geopos", K("z"), some(word, 0, 3))
row("geohash", K("z"), some(word, 0, 3))
row("geodist", K("z"), word, word, maybe(unit), before=set_places(1))
row("geodist", K("z"), place_name, place_name, maybe(unit),
    before=set_places(1))
row("geopos", K("z"), some(place_name, 1, 3), before=set_places(1))
row("geohash", K("z"), some(place_name, 1, 3), before=set_places(1))
row("georadius", K("z"), near, distance, unit, *with_what, *how_many,
    maybe(one(("STORE", K("z")), ("STOREDIST", K("z"))), percent=20),
    before=set_places(1), weight=8)
row("georadius_ro", K("z"), near, distance, unit, *with_what, *how_many,
    before=set_places(1))
row("georadiusbymember", K("z"), place_name, distance, unit, *with_what,
    *how_many,
    maybe(one(("STORE", K("z")), ("STOREDIST", K("z"))), percent=20),
    before=set_places(1), weight=8)
row("georadiusbymember_ro", K("z"), place_name, distance, unit, *with_what,
    *how_many, before=set_places(1))
# Of arbitrary scores many are at one place, so all of them are answered.
row("georadiusbymember", K("z"), word, distance, unit,
    maybe(one("ASC", "DESC")))
row("geosearch", K("z"), *where, *with_what, *how_many,
    before=set_places(1), weight=16)
row("geosearch", "none", *where, *with_what, *how_many, weight=1)
row("geosearchstore", K("z"), K("z"), *where, *how_many, maybe("STOREDIST"),
    before=set_places(2), weight=8)
