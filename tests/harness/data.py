# SPDX-License-Identifier: MIT
"""Data of all kinds, and reading everything back to compare."""

import random


def contents(r, databases=16):
    """All keys of all databases: {(db, key): (type, value, deadline)}."""
    found = {}
    for db in range(databases):
        r.execute_command("SELECT", db)
        keys = r.execute_command("KEYS", "*")
        pipe = r.pipeline(transaction=False)
        for key in keys:
            pipe.execute_command("TYPE", key)
            pipe.execute_command("PEXPIRETIME", key)
        answers = pipe.execute()
        kinds = [k if isinstance(k, bytes) else k.encode()
                 for k in answers[0::2]]
        for key, kind in zip(keys, kinds):
            if kind == b"string":
                pipe.execute_command("GET", key)
            elif kind == b"list":
                pipe.execute_command("LRANGE", key, 0, -1)
            elif kind == b"set":
                pipe.execute_command("SMEMBERS", key)
            elif kind == b"hash":
                pipe.hgetall(key)
            elif kind == b"zset":
                pipe.zrange(key, 0, -1, withscores=True)
            elif kind == b"stream":
                # everything, with the times of consumers and deliveries
                pipe.execute_command("XINFO", "STREAM", key, "FULL", "COUNT",
                                     0)
            else:
                pipe.execute_command("DUMP", key)
        for key, kind, deadline, value in zip(keys, kinds, answers[1::2],
                                              pipe.execute()):
            if kind == b"set":
                value = set(value)
            if kind == b"zset":
                value = [tuple(pair) for pair in value]
            found[db, key] = (kind, value, deadline)
    r.execute_command("SELECT", 0)
    return found


def differences(want, got):
    """What differs, short enough to be shown."""
    out = []
    for key in sorted(set(want) | set(got)):
        a, b = want.get(key), got.get(key)
        if a != b:
            out.append((key, repr(a)[:120], repr(b)[:120]))
    return out[:10]


def fill_stream(pipe, key, n):
    """A stream with holes, two groups, and what is pending in them."""
    for i in range(n):
        fields = {"f": i, "g": "v" * (i % 50)} if i % 9 else {"h%d" % i: "x"}
        pipe.xadd(key, fields, id="%d-%d" % (5 + i // 3, i))
    pipe.execute_command("XGROUP", "CREATE", key, "first", "0")
    pipe.execute_command("XGROUP", "CREATE", key, "second", "6", "ENTRIESREAD",
                         "3")
    for who in ("alice", "bob"):
        pipe.execute_command("XREADGROUP", "GROUP", "first", who, "COUNT",
                             n // 3 + 1, "STREAMS", key, ">")
    pipe.execute_command("XGROUP", "CREATECONSUMER", key, "second", "idle")
    if n > 7:
        pipe.execute_command("XDEL", key, "5-1", "7-6", "8-9")
        pipe.execute_command("XACK", key, "first", "5-0", "6-3", "6-5")


def fill(r, seed=1, scale=1.0, databases=(0, 9), namespaces=True):
    """Fill a server: every type, in sizes on both sides of each threshold."""
    rand = random.Random(seed)
    spaces = ["", "ns/"] if namespaces else [""]
    sizes = [1, 7, 127, 129, int(600 * scale)]

    for db in databases:
        pipe = r.pipeline(transaction=False)
        pipe.execute_command("SELECT", db)
        for space in spaces:
            def name(what):
                return space + what
            for i in range(int(100 * scale)):
                pipe.set(name("s%d" % i), "v" * rand.randrange(300))
            for i, value in enumerate([
                    0, 1, -1, 127, 128, -129, 32768, 2 ** 31, -2 ** 31 - 1,
                    2 ** 63 - 1, -2 ** 63, "01", "-0", "", "1.5", b"\0\xff",
                    "a" * 253, "a" * 254, "a" * 4095, "a" * 4096,
                    rand.randbytes(20000), rand.randbytes(100000)]):
                pipe.set(name("v%d" % i), value)
            for n in sizes:
                pipe.rpush(name("list%d" % n), *["e%d" % i for i in range(n)])
                pipe.rpush(name("ints%d" % n), *range(-3, n))
                pipe.sadd(name("iset%d" % n), *[i * 777 for i in range(n)])
                pipe.sadd(name("set%d" % n), *["m%d" % i for i in range(n)])
                pipe.hset(name("hash%d" % n), mapping={
                    "f%d" % i: "v%d" % i for i in range(n)})
                pipe.zadd(name("zset%d" % n), {
                    "m%d" % i: i * 0.5 - 3 for i in range(n)})
                fill_stream(pipe, name("stream%d" % n), n)
            long = "z" * 300
            pipe.rpush(name("llist"), *[long + str(i) for i in range(200)])
            pipe.sadd(name("lset"), *[long + str(i) for i in range(200)])
            pipe.hset(name("lhash"), mapping={
                "f%d" % i: long for i in range(200)})
            pipe.zadd(name("lzset"), {
                long + str(i): i for i in range(200)})
            pipe.rpush(name("onelong"), "x" * 100000, "y", "z" * 9000)
            pipe.sadd(name("wide"), 2 ** 40, -2 ** 40, 5)
            pipe.zadd(name("scores"), {
                "a": "inf", "b": "-inf", "c": 0.1, "d": 1e300, "e": -1e-300,
                "f": 2 ** 53, "g": 3})
            pipe.set(name("later"), "x", pxat=4102444800123)
            pipe.pexpireat(name("hash7"), 4102444800456)
            pipe.pexpireat(name("lset"), 4102444800789)
        pipe.execute()
    r.execute_command("SELECT", 0)
    r.set("default/a/b", "of the default namespace")
    r.set("", "the empty key")
    r.set(b"bin\r\n\0key", "x")
    r.set("k" * 300, "a long key")
