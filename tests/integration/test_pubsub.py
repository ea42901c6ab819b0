# SPDX-License-Identifier: MIT
"""Channels, patterns, shard channels and keyspace events."""

import pytest

from harness.resp import encode


def b(text):
    return ("$", text)


def test_subscribe_and_publish(raw):
    s, p = raw(), raw()
    s.send(encode("SUBSCRIBE", "one", "two"))
    assert s.read() == ("*", [b(b"subscribe"), b(b"one"), (":", 1)])
    assert s.read() == ("*", [b(b"subscribe"), b(b"two"), (":", 2)])
    assert p.call("PUBLISH", "one", "hello") == (":", 1)
    assert p.call("PUBLISH", "none", "hello") == (":", 0)
    assert s.read() == ("*", [b(b"message"), b(b"one"), b(b"hello")])
    s.send(encode("UNSUBSCRIBE", "one"))
    assert s.read() == ("*", [b(b"unsubscribe"), b(b"one"), (":", 1)])
    s.send(encode("UNSUBSCRIBE"))
    assert s.read() == ("*", [b(b"unsubscribe"), b(b"two"), (":", 0)])
    s.send(encode("UNSUBSCRIBE"))
    assert s.read() == ("*", [b(b"unsubscribe"), ("$", None), (":", 0)])
    assert p.call("PUBLISH", "one", "hello") == (":", 0)


def test_what_a_subscriber_may_say(raw):
    s = raw()
    s.call("SUBSCRIBE", "c")
    assert s.call("GET", "k") == (
        "-", b"ERR Can't execute 'get': only (P|S)SUBSCRIBE / "
             b"(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
             b"context")
    assert s.call("PING") == ("*", [b(b"pong"), b(b"")])
    assert s.call("PING", "hi") == ("*", [b(b"pong"), b(b"hi")])
    s.call("UNSUBSCRIBE", "c")
    assert s.call("GET", "k") == ("$", None)


def test_resp3_pushes(raw):
    s, p = raw(), raw()
    s.call("HELLO", "3")
    assert s.call("SUBSCRIBE", "c") == (
        ">", [b(b"subscribe"), b(b"c"), (":", 1)])
    assert p.call("PUBLISH", "c", "m") == (":", 1)
    assert s.read() == (">", [b(b"message"), b(b"c"), b(b"m")])
    # A RESP3 client may say anything meanwhile.
    assert s.call("GET", "k") == ("_", None)
    assert s.call("PING") == ("+", b"PONG")
    # Its own message comes to itself, and the count as the reply.
    s.send(encode("PUBLISH", "c", "own"))
    got = [s.read(), s.read()]
    assert sorted(got) == sorted([
        (">", [b(b"message"), b(b"c"), b(b"own")]), (":", 1)])


def test_patterns(raw):
    s, p = raw(), raw()
    assert s.call("PSUBSCRIBE", "n?ws.*") == (
        "*", [b(b"psubscribe"), b(b"n?ws.*"), (":", 1)])
    assert s.call("SUBSCRIBE", "news.it") == (
        "*", [b(b"subscribe"), b(b"news.it"), (":", 2)])
    assert p.call("PUBLISH", "news.it", "m") == (":", 2)
    assert s.read() == ("*", [b(b"message"), b(b"news.it"), b(b"m")])
    assert s.read() == ("*", [b(b"pmessage"), b(b"n?ws.*"), b(b"news.it"),
                              b(b"m")])
    assert p.call("PUBLISH", "nows.", "m") == (":", 1)
    assert s.read() == ("*", [b(b"pmessage"), b(b"n?ws.*"), b(b"nows."),
                              b(b"m")])
    assert s.call("PUNSUBSCRIBE") == (
        "*", [b(b"punsubscribe"), b(b"n?ws.*"), (":", 1)])


@pytest.mark.parametrize("subscribers", [1, 10, 100])
def test_messages_keep_their_order(raw, subscribers):
    clients = [raw() for _ in range(subscribers)]
    for c in clients:
        c.call("SUBSCRIBE", "c")
    p = raw()
    p.send(b"".join(encode("PUBLISH", "c", i) for i in range(200)))
    assert p.read_many(200) == [(":", subscribers)] * 200
    want = [("*", [b(b"message"), b(b"c"), b(b"%d" % i)])
            for i in range(200)]
    for c in clients:
        assert c.read_many(200) == want


def test_a_vanished_subscriber(raw):
    s, p = raw(), raw()
    s.call("SUBSCRIBE", "c")
    s.close()
    for _ in range(1000):
        if p.call("PUBLISH", "c", "m") == (":", 0):
            return
    raise AssertionError("still counted")


def test_channels_are_of_all_databases(raw):
    s, p = raw(), raw()
    s.call("SUBSCRIBE", "c")
    p.ok("SELECT", "5")
    assert p.call("PUBLISH", "c", "m") == (":", 1)


def test_publish_inside_multi(raw):
    s, p = raw(), raw()
    s.call("SUBSCRIBE", "c")
    p.send(encode("MULTI") + encode("PUBLISH", "c", "m") + encode("EXEC"))
    assert p.read_many(3)[2] == ("*", [(":", 1)])
    assert s.read() == ("*", [b(b"message"), b(b"c"), b(b"m")])


def test_large_messages(raw):
    s, p = raw(), raw()
    s.call("SUBSCRIBE", "c")
    for size in [0, 1, 16384, 300000, 1000000]:
        assert p.call("PUBLISH", "c", "x" * size) == (":", 1)
        assert s.read() == ("*", [b(b"message"), b(b"c"), b(b"x" * size)])


def test_with_redis_py(redis):
    with redis.pubsub() as ps:
        ps.subscribe("c")
        assert ps.get_message(timeout=5)["type"] == "subscribe"
        assert redis.publish("c", "hello") == 1
        assert ps.get_message(timeout=5)["data"] == b"hello"

SUBSCRIBE = [("SUBSCRIBE", "UNSUBSCRIBE"), ("PSUBSCRIBE", "PUNSUBSCRIBE"),
             ("SSUBSCRIBE", "SUNSUBSCRIBE")]


@pytest.mark.parametrize("join, part", SUBSCRIBE)
@pytest.mark.parametrize("proto, push, null", [(2, "*", ("$", None)),
                                               (3, ">", ("_", None))])
def test_confirmations(raw, join, part, proto, push, null):
    c = raw()
    c.call("HELLO", proto)

    def confirms(word, name, n):
        name = null if name is None else b(name)
        assert c.read() == (push, [b(word.lower().encode()), name, (":", n)])

    c.send(encode(part))
    confirms(part, None, 0)
    c.send(encode(part, "x"))
    confirms(part, b"x", 0)
    c.send(encode(join, "a", "b", "a"))
    confirms(join, b"a", 1)
    confirms(join, b"b", 2)
    confirms(join, b"a", 2)
    c.send(encode(part))
    got = {c.read()[1][1][1] for _ in range(2)}
    assert got == {b"a", b"b"}
    c.send(encode(part))
    confirms(part, None, 0)


def test_counters(raw):
    """Channels and patterns are counted together, shard channels apart."""
    c = raw()
    for command, n in [("SUBSCRIBE a", 1), ("PSUBSCRIBE a*", 2),
                       ("SSUBSCRIBE a", 1), ("SUBSCRIBE b", 3),
                       ("SUNSUBSCRIBE", 0), ("PUNSUBSCRIBE a*", 2),
                       ("UNSUBSCRIBE a", 1), ("UNSUBSCRIBE b", 0)]:
        assert c.call(*command.split())[1][2] == (":", n), command
    assert c.call("PING") == ("+", b"PONG")


def test_shard_channels(raw):
    s, p = raw(), raw()
    s.call("SSUBSCRIBE", "c")
    s.call("SUBSCRIBE", "c")
    s.call("PSUBSCRIBE", "*")
    assert p.call("SPUBLISH", "c", "shard") == (":", 1)
    assert p.call("PUBLISH", "c", "all") == (":", 2)
    assert s.read() == ("*", [b(b"smessage"), b(b"c"), b(b"shard")])
    assert s.read() == ("*", [b(b"message"), b(b"c"), b(b"all")])
    assert s.read()[1][0] == b(b"pmessage")


def test_pubsub(raw):
    s, p = raw(), raw()
    for command in ["SUBSCRIBE a b", "PSUBSCRIBE a* b* ?", "SSUBSCRIBE s"]:
        words = command.split()
        s.send(encode(*words))
        s.read_many(len(words) - 1)
    kind, names = p.call("PUBSUB", "CHANNELS")
    assert (kind, sorted(names)) == ("*", [b(b"a"), b(b"b")])
    assert p.call("PUBSUB", "CHANNELS", "[b-z]") == ("*", [b(b"b")])
    assert p.call("PUBSUB", "SHARDCHANNELS") == ("*", [b(b"s")])
    assert p.call("PUBSUB", "SHARDCHANNELS", "x") == ("*", [])
    assert p.call("PUBSUB", "NUMPAT") == (":", 3)
    assert p.call("PUBSUB", "NUMSUB") == ("*", [])
    assert p.call("PUBSUB", "NUMSUB", "a", "none") == (
        "*", [b(b"a"), (":", 1), b(b"none"), (":", 0)])
    assert p.call("PUBSUB", "SHARDNUMSUB", "s", "a") == (
        "*", [b(b"s"), (":", 1), b(b"a"), (":", 0)])
    assert p.call("PUBSUB", "HELP")[0] == "*"
    assert p.call("PUBSUB", "CHANNELS", "a", "b") == (
        "-", b"ERR unknown subcommand or wrong number of arguments for "
             b"'CHANNELS'. Try PUBSUB HELP.")
    assert p.call("PUBSUB", "NUMPAT", "x") == (
        "-", b"ERR wrong number of arguments for 'pubsub|numpat' command")
    assert p.call("PUBSUB", "NOSUCH") == (
        "-", b"ERR unknown subcommand 'NOSUCH'. Try PUBSUB HELP.")
    assert s.call("RESET") == ("+", b"RESET")
    assert p.call("PUBSUB", "CHANNELS") == ("*", [])
    assert p.call("PUBSUB", "NUMPAT") == (":", 0)


@pytest.mark.parametrize("command", ["GET k", "MULTI", "PUBSUB CHANNELS",
                                     "PUBLISH c m", "SELECT 1"])
def test_not_while_subscribed(raw, command):
    for join, _ in SUBSCRIBE:
        c = raw()
        c.call(join, "c")
        name = command.lower().split()
        name = "|".join(name) if name[0] == "pubsub" else name[0]
        assert c.call(*command.split()) == (
            "-", b"ERR Can't execute '%s': only (P|S)SUBSCRIBE / "
                 b"(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
                 b"this context" % name.encode())
        c.call("RESET")
        assert c.call("PING") == ("+", b"PONG")


def test_many_subscriptions(raw):
    """Thousands of channels and patterns of one client come and go."""
    s, p, n = raw(), raw(), 5000
    for join in ["SUBSCRIBE", "PSUBSCRIBE"]:
        for i in range(0, n, 250):
            s.send(encode(join, *["%s%d" % (join, j)
                                  for j in range(i, i + 250)]))
            s.read_many(250)
    assert p.call("PUBLISH", "SUBSCRIBE4999", "m") == (":", 1)
    assert p.call("PUBLISH", "PSUBSCRIBE0", "m") == (":", 1)
    s.read_many(2)
    for part in ["UNSUBSCRIBE", "PUNSUBSCRIBE"]:
        s.send(encode(part))
        assert len(s.read_many(n)) == n
    assert s.call("PING") == ("+", b"PONG")
    assert p.call("PUBLISH", "SUBSCRIBE4999", "m") == (":", 0)


def test_a_slow_subscriber_is_cut_off(raw):
    """It never reads; what waits for it is bounded, and others go on."""
    p, slow, fast = raw(), raw(), raw()
    p.ok("CONFIG", "SET", "client-output-buffer-limit",
         "pubsub 1048576 0 0")
    try:
        slow.call("SUBSCRIBE", "c")
        fast.call("SUBSCRIBE", "c")
        for i in range(1000):
            n = p.call("PUBLISH", "c", "x" * 100000)[1]
            assert len(fast.read()[1][2][1]) == 100000
            if n == 1:
                break
        assert n == 1
    finally:
        p.ok("CONFIG", "SET", "client-output-buffer-limit",
             "pubsub 33554432 8388608 60")


def test_a_message_comes_after_the_confirmation(raw):
    """Also where both were asked for in the same moment."""
    p = raw()
    for i in range(50):
        s = raw()
        s.send(encode("SUBSCRIBE", "c%d" % i))
        p.send(encode("PUBLISH", "c%d" % i, "m"))
        n = p.read()[1]
        assert s.read()[1][0] == b(b"subscribe")
        if n == 1:
            assert s.read()[1][0] == b(b"message")
        s.close()


EVENTS = [
    # flags, commands, what is heard in __keyevent@0__
    ("E$", ["SET k v"], ["set k"]),
    ("Eg", ["SET k v", "DEL k"], ["del k"]),
    ("El", ["RPUSH k v", "LPOP k"], ["rpush k", "lpop k"]),
    ("Es", ["SADD k v", "SREM k v"], ["sadd k", "srem k"]),
    ("Eh", ["HSET k f v", "HDEL k f"], ["hset k", "hdel k"]),
    ("Ez", ["ZADD k 1 v", "ZREM k v"], ["zadd k", "zrem k"]),
    ("EA", ["RPUSH k v", "LPOP k"], ["rpush k", "lpop k", "del k"]),
    ("Em", ["GET none"], ["keymiss none"]),
    ("En", ["SET k v", "SET k w", "RPUSH l x"], ["new k", "new l"]),
    ("Et", ["XADD k 1-1 f v", "XTRIM k MAXLEN 0"], ["xadd k", "xtrim k"]),
    ("EA", ["GET none"], []),
    ("Ex", ["SET k v PX 1"], ["expired k"]),
    ("E", ["SET k v"], []),
    ("", ["SET k v"], []),
]


@pytest.mark.parametrize("flags, commands, heard", EVENTS)
def test_key_events(raw, flags, commands, heard):
    c, s = raw(), raw()
    c.ok("CONFIG", "SET", "notify-keyspace-events", flags)
    try:
        s.call("PSUBSCRIBE", "__keyevent@0__:*")
        for command in commands:
            assert c.call(*command.split())[0] != "-"
        got = []
        while len(got) < len(heard):
            channel, key = s.read()[1][2:]
            got.append("%s %s" % (channel[1].decode()[15:], key[1].decode()))
        assert got == heard
        c.call("PUBLISH", "__keyevent@0__:end", "")
        assert s.read()[1][3] == b(b"")
    finally:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_key_space(raw):
    c, s = raw(), raw()
    c.ok("CONFIG", "SET", "notify-keyspace-events", "KA")
    try:
        s.call("SUBSCRIBE", "__keyspace@3__:k")
        s.call("SUBSCRIBE", "__keyspace@0__:ns/k")
        c.ok("SET", "k", "v")
        c.ok("SET", "ns/k", "v")
        assert s.read() == ("*", [b(b"message"), b(b"__keyspace@0__:ns/k"),
                                  b(b"set")])
        c.ok("SELECT", 3)
        c.ok("SET", "k", "v")
        assert s.read() == ("*", [b(b"message"), b(b"__keyspace@3__:k"),
                                  b(b"set")])
    finally:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_events_of_a_transaction_come_in_order(raw):
    c, s = raw(), raw()
    c.ok("CONFIG", "SET", "notify-keyspace-events", "KA")
    try:
        s.call("SUBSCRIBE", "__keyspace@0__:k")
        c.send(b"".join(encode(*a.split()) for a in [
            "MULTI", "SET k 1", "INCR k", "EXPIRE k 100", "DEL k", "EXEC"]))
        c.read_many(6)
        assert [m[1][2][1] for m in s.read_many(4)] == [
            b"set", b"incrby", b"expire", b"del"]
    finally:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_all_hear_the_same_in_one_order(raw):
    """A client's events come before what it publishes next, whoever changes
    the same key meanwhile; and each listener hears the same order."""
    changes = {"hset": "HSET k f v", "hincrby": "HINCRBY k n 1",
               "hincrbyfloat": "HINCRBYFLOAT k x 1", "expire": "EXPIRE k 999"}
    writers, listeners = [raw() for _ in changes], [raw() for _ in range(3)]
    n = 200
    writers[0].call("HSET", "k", "f", "v")
    writers[0].ok("CONFIG", "SET", "notify-keyspace-events", "Egh")
    try:
        for s in listeners:
            s.call("PSUBSCRIBE", "*")
        batches = [b"".join(encode(*change.split()) +
                            encode("PUBLISH", "said", event)
                            for _ in range(n))
                   for event, change in changes.items()]
        for _ in range(5):
            for w, batch in zip(writers, batches):
                w.send(batch)
            heard = [[(m[1][2][1].decode(), m[1][3][1].decode())
                      for m in s.read_many(2 * n * len(writers))]
                     for s in listeners]
            for w in writers:
                w.read_many(2 * n)
            for event in changes:
                of_one = [("__keyevent@0__:" + event, "k"), ("said", event)]
                for h in heard:
                    assert [x for x in h if x in of_one] == of_one * n
            said = [[who for c, who in h if c == "said"] for h in heard]
            assert all(h == said[0] for h in said)
    finally:
        writers[0].ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_a_blocked_pop_tells_its_event(raw):
    c, w, s = raw(), raw(), raw()
    c.ok("CONFIG", "SET", "notify-keyspace-events", "KA")
    try:
        s.call("SUBSCRIBE", "__keyspace@0__:l")
        w.send(encode("BLPOP", "l", 0))
        while c.call("CLIENT", "LIST")[1].count(b"cmd=blpop") == 0:
            pass
        c.call("RPUSH", "l", "x")
        assert [m[1][2][1] for m in s.read_many(3)] == [
            b"rpush", b"lpop", b"del"]
    finally:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_subscribers_come_and_go_while_others_publish(raw):
    """Nothing reaches a connection that is gone, nobody is missed."""
    publishers = [raw() for _ in range(3)]
    stays = raw()
    stays.call("SUBSCRIBE", "c")
    for i in range(60):
        s = raw()
        s.send(encode("SUBSCRIBE", "c", "d"))
        for p in publishers:
            p.send(encode("PUBLISH", "c", i) * 5)
        s.close()
        for p in publishers:
            assert all(n >= 1 for _, n in p.read_many(5))
        assert len(stays.read_many(15)) == 15
