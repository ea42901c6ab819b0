"""SUBSCRIBE PSUBSCRIBE PUBLISH, on both protocols."""

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
