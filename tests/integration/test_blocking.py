# SPDX-License-Identifier: MIT
"""BLPOP and its kin: who waits, who is woken, who gets what."""

import random
import select
import threading
import time

import pytest

from harness.resp import Incomplete, encode, parse, plain


def blocked(other, n):
    """Wait until n clients wait; INFO says how many."""
    limit = time.monotonic() + 10
    while True:
        info = other.call("INFO", "clients")[1]
        if b"blocked_clients:%d\r\n" % n in info:
            return
        assert time.monotonic() < limit, info
        time.sleep(0.002)


def test_a_list_with_elements_answers_at_once(raw):
    c = raw()
    c.call("RPUSH", "l", "a", "b")
    assert c.call("BLPOP", "none", "l", "0") == (
        "*", [("$", b"l"), ("$", b"a")])
    assert c.call("BLPOP", "l", "0") == ("*", [("$", b"l"), ("$", b"b")])
    assert c.call("EXISTS", "l") == (":", 0)


def test_a_push_wakes_the_one_who_waits(raw):
    waiter, pusher = raw(), raw()
    waiter.send(encode("BLPOP", "a", "b", "0"))
    blocked(pusher, 1)
    assert pusher.call("RPUSH", "b", "x", "y") == (":", 2)
    assert waiter.read() == ("*", [("$", b"b"), ("$", b"x")])
    assert pusher.call("LPOP", "b") == ("$", b"y")
    blocked(pusher, 0)


def test_first_come_first_served(raw):
    pusher = raw()
    waiters = []
    for i in range(5):
        w = raw()
        w.send(encode("BLPOP", "l", "0"))
        blocked(pusher, i + 1)
        waiters.append(w)
    assert pusher.call("RPUSH", "l", "0", "1", "2") == (":", 3)
    for i in range(3):
        assert waiters[i].read() == ("*", [("$", b"l"), ("$", b"%d" % i)])
    blocked(pusher, 2)
    assert pusher.call("RPUSH", "l", "3") == (":", 1)
    assert waiters[3].read() == ("*", [("$", b"l"), ("$", b"3")])
    assert pusher.call("RPUSH", "l", "4") == (":", 1)
    assert waiters[4].read() == ("*", [("$", b"l"), ("$", b"4")])


def test_timeout(raw):
    c = raw()
    start = time.monotonic()
    assert c.call("BLPOP", "none", "0.05") == ("*", None)
    assert 0.045 < time.monotonic() - start < 5
    c.call("HELLO", "3")
    assert c.call("BLPOP", "none", "0.01") == ("_", None)


@pytest.mark.parametrize("timeout, error", [
    ("x", b"ERR timeout is not a float or out of range"),
    ("-1", b"ERR timeout is negative"),
])
def test_timeout_refused(raw, timeout, error):
    assert raw().call("BLPOP", "l", timeout) == ("-", error)


@pytest.mark.parametrize("timeout", ["1e30", "9223372036854775807"])
def test_timeout_beyond_the_clock(raw, timeout):
    """Redis 7.0 calls these negative, later ones out of range."""
    assert raw().call("BLPOP", "l", timeout) in [
        ("-", b"ERR timeout is negative"),
        ("-", b"ERR timeout is out of range")]


def test_what_follows_waits_too(raw):
    """Commands behind a blocked one run after it, in order."""
    c, pusher = raw(), raw()
    c.send(encode("SET", "k", "1") + encode("BLPOP", "l", "0")
           + encode("GET", "k") + encode("PING"))
    c.expect(b"+OK\r\n")
    blocked(pusher, 1)
    pusher.ok("SET", "k", "2")
    c.expect_nothing()
    pusher.call("RPUSH", "l", "x")
    c.expect(b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n$1\r\n2\r\n+PONG\r\n")


def test_a_vanished_waiter_takes_nothing(raw):
    waiter, pusher = raw(), raw()
    waiter.send(encode("BLPOP", "l", "0"))
    blocked(pusher, 1)
    waiter.close()
    blocked(pusher, 0)
    assert pusher.call("RPUSH", "l", "x") == (":", 1)
    assert pusher.call("LPOP", "l") == ("$", b"x")


def test_wrong_type(raw):
    c, pusher = raw(), raw()
    c.ok("SET", "s", "v")
    assert c.call("BLPOP", "s", "0")[1].startswith(b"WRONGTYPE")
    # A key of another type that comes later does not wake.
    c.send(encode("BLPOP", "l", "0"))
    blocked(pusher, 1)
    pusher.ok("SET", "l", "v")
    pusher.call("DEL", "l")
    c.expect_nothing()
    pusher.call("RPUSH", "l", "x")
    assert c.read() == ("*", [("$", b"l"), ("$", b"x")])


def test_inside_multi_it_does_not_wait(raw):
    c = raw()
    c.ok("MULTI")
    c.call("BLPOP", "none", "0")
    c.call("RPUSH", "l", "x")
    c.call("BLPOP", "l", "0")
    assert c.call("EXEC") == ("*", [
        ("*", None), (":", 1), ("*", [("$", b"l"), ("$", b"x")])])


def test_pushes_of_a_transaction_are_seen_at_its_end(raw):
    waiter, pusher = raw(), raw()
    waiter.send(encode("BLPOP", "l", "0"))
    blocked(pusher, 1)
    pusher.send(encode("MULTI") + encode("RPUSH", "l", "a")
                + encode("LPUSH", "l", "b") + encode("EXEC"))
    pusher.read_many(4)
    assert waiter.read() == ("*", [("$", b"l"), ("$", b"b")])


def test_many_waiters_many_keys(raw):
    pusher = raw()
    waiters = [raw() for _ in range(50)]
    for i, w in enumerate(waiters):
        w.send(encode("BLPOP", "l%d" % i, "all", "0"))
    blocked(pusher, 50)
    pusher.send(b"".join(encode("RPUSH", "l%d" % i, i) for i in range(50)))
    pusher.read_many(50)
    for i, w in enumerate(waiters):
        assert w.read() == ("*", [("$", b"l%d" % i), ("$", b"%d" % i)])
    blocked(pusher, 0)


def wait_in(c, other, n, *command):
    c.send(encode(*command))
    blocked(other, n)


def bulk(text):
    return ("$", text)


def strings(*items):
    return ("*", [bulk(i) for i in items])


def test_one_push_serves_many(raw):
    pusher, waiters = raw(), [raw() for _ in range(4)]
    for i, w in enumerate(waiters):
        wait_in(w, pusher, i + 1, *[
            ("BLPOP", "l", 0), ("BRPOP", "l", 0),
            ("BLMPOP", 0, 1, "l", "LEFT", "COUNT", 2),
            ("BLMOVE", "l", "m", "RIGHT", "LEFT", 0)][i])
    assert pusher.call("RPUSH", "l", *"abcdef") == (":", 6)
    assert waiters[0].read() == strings(b"l", b"a")
    assert waiters[1].read() == strings(b"l", b"f")
    assert waiters[2].read() == ("*", [bulk(b"l"), strings(b"b", b"c")])
    assert waiters[3].read() == bulk(b"e")
    assert pusher.call("LRANGE", "l", 0, -1) == strings(b"d")
    assert pusher.call("LRANGE", "m", 0, -1) == strings(b"e")
    blocked(pusher, 0)


@pytest.mark.parametrize("command", [
    ("BLPOP", "l", "0.02"), ("BRPOP", "l", "0.02"),
    ("BLMOVE", "l", "m", "LEFT", "LEFT", "0.02"),
    ("BRPOPLPUSH", "l", "m", "0.02"),
    ("BLMPOP", "0.02", "1", "l", "LEFT")])
def test_what_the_end_of_the_time_answers(raw, command):
    c = raw()
    assert c.call(*command) == ("*", None)
    c.call("HELLO", "3")
    assert c.call(*command) == ("_", None)


def test_inside_multi_nothing_waits(raw):
    c = raw()
    c.ok("MULTI")
    for command in [("BLPOP", "l", 0), ("BLMOVE", "l", "m", "LEFT", "LEFT", 0),
                    ("BRPOPLPUSH", "l", "m", 0),
                    ("BLMPOP", 0, 1, "l", "LEFT")]:
        c.call(*command)
    assert c.call("EXEC") == ("*", [("*", None), ("$", None), ("$", None),
                                    ("*", None)])


def test_served_from_the_key_that_got_data_first(raw):
    """Redis 7.0 keeps the order of the writes, not of the arguments."""
    c, pusher = raw(), raw()
    wait_in(c, pusher, 1, "BLPOP", "{x}a", "{x}b", 0)
    pusher.send(b"".join(encode(*a) for a in [
        ("MULTI",), ("RPUSH", "{x}b", "b"), ("RPUSH", "{x}a", "a"),
        ("EXEC",)]))
    pusher.read_many(4)
    # Keys of different shards have no order.
    assert c.read() in (strings(b"{x}b", b"b"), strings(b"{x}a", b"a"))


def test_a_key_of_another_type_does_not_hide_the_next(raw):
    c, pusher = raw(), raw()
    wait_in(c, pusher, 1, "BLPOP", "a", "b", 0)
    pusher.ok("SET", "a", "v")
    pusher.call("RPUSH", "b", "x")
    assert c.read() == strings(b"b", b"x")


def test_a_destination_of_another_type(raw):
    c, pusher = raw(), raw()
    wait_in(c, pusher, 1, "BLMOVE", "l", "m", "LEFT", "LEFT", 0)
    pusher.ok("SET", "m", "v")
    pusher.call("RPUSH", "l", "x")
    assert c.read()[1].startswith(b"WRONGTYPE")
    assert pusher.call("LRANGE", "l", 0, -1) == strings(b"x")


def test_chains(raw):
    """What one puts into the next list serves who waits there."""
    pusher, n = raw(), 200
    waiters = [raw() for _ in range(n)]
    for i, w in enumerate(waiters):
        w.send(encode("BLMOVE", "l%d" % i, "l%d" % (i + 1), "LEFT", "RIGHT",
                      0))
    blocked(pusher, n)
    pusher.call("RPUSH", "l0", "x")
    for w in waiters:
        assert w.read() == bulk(b"x")
    assert pusher.call("LRANGE", "l%d" % n, 0, -1) == strings(b"x")
    blocked(pusher, 0)


def test_circles(raw):
    a, b, pusher = raw(), raw(), raw()
    wait_in(a, pusher, 1, "BLMOVE", "l", "m", "LEFT", "LEFT", 0)
    wait_in(b, pusher, 2, "BLMOVE", "m", "l", "LEFT", "LEFT", 0)
    pusher.call("RPUSH", "l", "x")
    assert (a.read(), b.read()) == (bulk(b"x"), bulk(b"x"))
    assert pusher.call("LRANGE", "l", 0, -1) == strings(b"x")
    pusher.call("DEL", "l")
    wait_in(a, pusher, 1, "BRPOPLPUSH", "l", "l", 0)
    pusher.call("RPUSH", "l", "x")
    assert a.read() == bulk(b"x")
    assert pusher.call("LRANGE", "l", 0, -1) == strings(b"x")


def test_a_key_named_twice(raw):
    c, pusher = raw(), raw()
    wait_in(c, pusher, 1, "BLPOP", "l", "l", "l", 0)
    pusher.call("RPUSH", "l", "x", "y")
    assert c.read() == strings(b"l", b"x")
    assert pusher.call("LRANGE", "l", 0, -1) == strings(b"y")


@pytest.mark.parametrize("how", [
    [("RENAME", "{k}from", "{k}to")],
    [("COPY", "{k}from", "{k}to")],
    [("SORT", "{k}from", "ALPHA", "STORE", "{k}to")],
    [("LMOVE", "{k}from", "{k}to", "LEFT", "LEFT")],
    [("SET", "{k}to", "v"), ("DEL", "{k}to"), ("RPUSH", "{k}to", "x")],
    [("SELECT", "1"), ("RPUSH", "{k}to", "x"), ("SWAPDB", "0", "1")],
    [("SELECT", "1"), ("RPUSH", "{k}to", "x"), ("MOVE", "{k}to", "0")],
], ids=lambda how: how[-1][0])
def test_whatever_makes_a_list_wakes(raw, how):
    c, other = raw(), raw()
    other.call("RPUSH", "{k}from", "x")
    wait_in(c, other, 1, "BLPOP", "{k}to", 0)
    for command in how:
        assert other.call(*command)[0] != "-"
    assert c.read() == strings(b"{k}to", b"x")


def test_restore_wakes(raw):
    c, other = raw(), raw()
    other.call("RPUSH", "from", "x")
    dump = other.call("DUMP", "from")[1]
    wait_in(c, other, 1, "BLPOP", "to", 0)
    other.ok("RESTORE", "to", 0, dump)
    assert c.read() == strings(b"to", b"x")


def test_push_and_pop_in_a_transaction_serve_nobody(raw):
    c, pusher = raw(), raw()
    wait_in(c, pusher, 1, "BLPOP", "l", 0)
    pusher.send(b"".join(encode(*a) for a in [
        ("MULTI",), ("RPUSH", "l", "x"), ("LPOP", "l"), ("EXEC",)]))
    pusher.read_many(4)
    blocked(pusher, 1)
    c.expect_nothing()
    pusher.call("RPUSH", "l", "y")
    assert c.read() == strings(b"l", b"y")


def test_databases_are_apart(raw):
    c, pusher = raw(), raw()
    c.ok("SELECT", 1)
    wait_in(c, pusher, 1, "BLPOP", "l", 0)
    pusher.call("RPUSH", "l", "zero")
    c.expect_nothing()
    pusher.ok("SELECT", 1)
    pusher.call("RPUSH", "l", "one")
    assert c.read() == strings(b"l", b"one")


def test_an_expired_list_serves_nobody(raw):
    c, pusher = raw(), raw()
    wait_in(c, pusher, 1, "BLPOP", "l", 0)
    pusher.send(b"".join(encode(*a) for a in [
        ("MULTI",), ("RPUSH", "l", "x"), ("PEXPIREAT", "l", 1), ("EXEC",)]))
    pusher.read_many(4)
    blocked(pusher, 1)
    c.expect_nothing()


def test_nothing_is_given_to_the_dead(raw):
    """All are closed, perhaps unread, when the elements come."""
    pusher = raw()
    for _ in range(5):
        dead = [raw() for _ in range(20)]
        alive = raw()
        for d in dead:
            d.send(encode("BLPOP", "l", 0))
        blocked(pusher, 20)
        wait_in(alive, pusher, 21, "BLPOP", "l", 0)
        for d in dead:
            d.close()
        pusher.call("RPUSH", "l", "x")
        assert alive.read() == strings(b"l", b"x")
        blocked(pusher, 0)


@pytest.mark.parametrize("proto, nothing", [(2, ("*", None)),
                                            (3, ("_", None))])
def test_unblock(raw, proto, nothing):
    c, other = raw(), raw()
    c.call("HELLO", proto)
    who = c.call("CLIENT", "ID")[1]
    assert other.call("CLIENT", "UNBLOCK", who) == (":", 0)
    for how, answer in [((), nothing), (("TIMEOUT",), nothing),
                        (("ERROR",), ("-", b"UNBLOCKED client unblocked via "
                                           b"CLIENT UNBLOCK"))]:
        wait_in(c, other, 1, "BLMOVE", "l", "m", "LEFT", "LEFT", 0)
        assert other.call("CLIENT", "UNBLOCK", who, *how) == (":", 1)
        assert c.read() == answer
        blocked(other, 0)
    assert other.call("RPUSH", "l", "x") == (":", 1)
    assert other.call("LPOP", "l") == bulk(b"x")


def test_kill(raw):
    c, other = raw(), raw()
    who = c.call("CLIENT", "ID")[1]
    wait_in(c, other, 1, "BLPOP", "l", 0)
    assert other.call("CLIENT", "KILL", "ID", who) == (":", 1)
    assert other.call("RPUSH", "l", "x") == (":", 1)
    c.expect_closed()
    blocked(other, 0)
    assert other.call("LPOP", "l") == bulk(b"x")


def test_who_is_killed_does_not_wait_any_more(raw):
    """INFO knows at once, whichever loop has yet to bury the client."""
    other = raw()
    for _ in range(10):
        crowd = [raw() for _ in range(8)]
        ids = [c.call("CLIENT", "ID")[1] for c in crowd]
        for c in crowd:
            c.send(encode("BLPOP", "l", 0))
        blocked(other, 8)
        other.send(b"".join(encode("CLIENT", "KILL", "ID", i) for i in ids)
                   + encode("INFO", "clients"))
        *killed, (_, info) = other.read_many(9)
        assert killed == [(":", 1)] * 8
        assert b"blocked_clients:0\r\n" in info
        assert b"clients_in_timeout_table:0\r\n" in info
        assert b"connected_clients:1\r\n" in info
        for c in crowd:
            c.expect_closed()


def test_times_end_in_their_order(raw):
    """Forty time limits, joined in any order, and some served before."""
    clients = [raw() for _ in range(40)]
    pusher = raw()
    for i, c in enumerate(clients):
        c.send(encode("BLPOP", "l%d" % i, "%.3f" % (0.1 + i * 7 % 40 * 0.002)))
    for i in range(0, 40, 5):
        pusher.call("RPUSH", "l%d" % i, "x")
    begun = time.monotonic()
    for i, c in enumerate(clients):
        got = c.read()
        if i % 5 == 0 and got != ("*", None):
            assert got == strings(b"l%d" % i, b"x")
        else:
            assert got == ("*", None)
    assert time.monotonic() - begun < 5
    blocked(pusher, 0)


def test_many_who_wait_cost_nothing(raw):
    """Each waits for a key of its own; others are served as ever."""
    pusher, n = raw(), 300
    waiters = [raw() for _ in range(n)]
    for i, w in enumerate(waiters):
        w.send(encode("BLPOP", "own%d" % i, "shared", "100"))
    blocked(pusher, n)
    for i in range(n):
        pusher.send(encode("RPUSH", "shared", i))
    assert {kind for kind, _ in pusher.read_many(n)} == {":"}
    got = sorted(int(w.read()[1][1][1]) for w in waiters)
    assert got == list(range(n))
    blocked(pusher, 0)


class Crowd:
    """Clients that wait for lists, and what they were given."""

    def __init__(self, raw, seed):
        self.raw, self.admin, self.pusher = raw, raw(), raw()
        self.draw = random.Random(seed)
        self.keys = ["k%d" % i for i in range(5)]
        self.waiting, self.idle, self.got, self.pushed = {}, [], [], 0

    def begin(self):
        """One more waits, for some keys."""
        d = self.draw
        if not self.idle:
            c = self.raw()
            c.id = c.call("CLIENT", "ID")[1]
            self.idle.append(c)
        c = self.idle.pop()
        keys = d.sample(self.keys, d.randint(1, 3))
        time_out = d.choice(["0", "0.05", "0.2", "1"])
        c.args = d.choice([
            ["BLPOP", *keys, time_out], ["BRPOP", *keys, time_out],
            ["BLMPOP", time_out, len(keys), *keys, "LEFT", "COUNT", 2],
            ["BLMOVE", keys[0], keys[-1], "LEFT", "RIGHT", time_out]])
        c.send(encode(*c.args))
        self.waiting[c.sock] = c

    def push(self):
        n = self.draw.randint(1, 3)
        values = ["v%d" % (self.pushed + i) for i in range(n)]
        self.pusher.call(self.draw.choice(["LPUSH", "RPUSH"]),
                         self.draw.choice(self.keys), *values)
        self.pushed += n

    def collect(self, wait=0):
        for sock in select.select(list(self.waiting), [], [], wait)[0]:
            c = self.waiting[sock]
            try:
                c._more()
                kind, value = parse(c.data)[0]
            except Incomplete:
                continue
            except (EOFError, ConnectionError):
                del self.waiting[sock]      # it was killed
                c.close()
                continue
            del self.waiting[sock]
            c.data.clear()
            self.idle.append(c)
            assert kind != "-" or value.startswith(b"UNBLOCKED"), value
            if kind == "*" and value is not None:
                value = plain((kind, value))
                self.got += ([value[1]] if c.args[0] != "BLMPOP"
                             else value[1])

    def settle(self):
        """Until all that was sent is carried out: nobody pops any more."""
        limit = time.monotonic() + 10
        while time.monotonic() < limit:
            for args in (["MULTI"], ["CLIENT", "LIST"], ["INFO", "clients"]):
                self.admin.call(*args)
            lines, info = [v.decode() for _, v in self.admin.call("EXEC")[1]]
            waits = {int(line.split()[0][3:]) for line in lines.splitlines()
                     if "b" in line.split(" flags=")[1].split()[0]}
            self.collect()
            if ("blocked_clients:%d\r\n" % len(waits) in info and
                    all(c.id in waits for c in self.waiting.values())):
                return
        raise AssertionError("some are lost, or INFO is wrong")

    def disturb(self):
        """One who waits is killed, sent away, or vanishes."""
        c = self.draw.choice(list(self.waiting.values()))
        how = self.draw.choice(["kill", "unblock", "error", "vanish"])
        if how == "kill":
            self.admin.call("CLIENT", "KILL", "ID", c.id)
        elif how != "vanish":
            self.admin.call("CLIENT", "UNBLOCK", c.id, *(
                ["ERROR"] if how == "error" else []))
        else:
            del self.waiting[c.sock]
            c.close()
            while self.admin.call("CLIENT", "LIST", "ID", c.id)[1].strip():
                time.sleep(0.001)


@pytest.mark.long
def test_every_element_is_given_once(raw, config_name):
    """Whoever is killed, sent away, out of time or gone takes none along."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    crowd = Crowd(raw, seed)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        while len(crowd.waiting) < 20:
            crowd.begin()
        for _ in range(crowd.draw.randint(0, 8)):
            crowd.push()
        if crowd.draw.random() < 0.3:
            crowd.settle()
            if crowd.waiting:
                crowd.disturb()
        crowd.collect()
    crowd.settle()
    for c in crowd.waiting.values():
        crowd.admin.call("CLIENT", "UNBLOCK", c.id)
    while crowd.waiting:
        crowd.collect(0.1)
    assert b"blocked_clients:0\r\n" in crowd.admin.call("INFO", "clients")[1]
    left = [v for k in crowd.keys
            for v in plain(crowd.admin.call("LRANGE", k, 0, -1))]
    assert sorted(crowd.got + left) == sorted(
        b"v%d" % i for i in range(crowd.pushed))
    assert crowd.pushed > 1000


def test_queue_with_redis_py(client):
    """Work handed from producers to consumers: all of it, once."""
    n, done = 200, []

    def consume(c):
        while True:
            item = c.blmove("work", "busy", 20, "LEFT", "RIGHT")
            if item == b"end":
                return
            done.append(item)

    threads = [threading.Thread(target=consume, args=(client(),))
               for _ in range(4)]
    for t in threads:
        t.start()
    c = client()
    for i in range(n):
        c.rpush("work", i)
    c.rpush("work", *["end"] * 4)
    for t in threads:
        t.join()
    assert sorted(map(int, done)) == list(range(n))
    assert c.llen("busy") == n + 4
