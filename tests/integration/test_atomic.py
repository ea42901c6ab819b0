# SPDX-License-Identifier: MIT
"""Every command is atomic, in whatever shards its keys are.

What is conserved is counted while many clients move it about; and histories
of concurrent commands are held to a model of one thread.
"""

import random
import threading

from harness.linear import check
from harness.resp import encode, plain

ACCOUNTS = ["ns%d/account:%d" % (i % 3, i) for i in range(24)]
TOTAL = 1000 * len(ACCOUNTS)


def all_of(threads):
    """Run them; the first thing that went wrong in one is raised here."""
    wrong = []

    def guard(work):
        def run():
            try:
                work()
            except BaseException as e:      # also an assertion
                wrong.append(e)
        return run

    running = [threading.Thread(target=guard(work)) for work in threads]
    for t in running:
        t.start()
    for t in running:
        t.join()
    if wrong:
        raise wrong[0]


def transfers(c, seed, n):
    """Move money between accounts, twenty transactions a pipeline."""
    draw = random.Random(seed)
    for _ in range(n // 20):
        batch = []
        for _ in range(20):
            a, b = draw.sample(ACCOUNTS, 2)
            amount = draw.randrange(1, 50)
            batch.append(encode("MULTI") + encode("DECRBY", a, amount)
                         + encode("INCRBY", b, amount) + encode("EXEC"))
        c.send(b"".join(batch))
        for kind, value in c.read_many(80)[3::4]:
            assert kind == "*" and len(value) == 2


def test_money_is_never_lost_on_the_way(raw):
    """Transfers in EXEC; readers see all accounts in one MGET, in one EXEC."""
    setup = raw()
    setup.ok("MSET", *[x for a in ACCOUNTS for x in (a, 1000)])
    stop = threading.Event()
    writing = [4]

    def write(c, seed):
        def run():
            try:
                transfers(c, seed, 3000)
            finally:
                writing[0] -= 1
                if writing[0] == 0:
                    stop.set()
        return run

    def read_mget(c):
        def run():
            while not stop.is_set():
                assert sum(map(int, plain(c.call("MGET", *ACCOUNTS)))) == TOTAL
        return run

    def read_exec(c):
        def run():
            while not stop.is_set():
                c.send(encode("MULTI") + b"".join(encode("GET", a)
                                                  for a in ACCOUNTS)
                       + encode("EXEC"))
                last = c.read_many(len(ACCOUNTS) + 2)[-1]
                assert sum(map(int, plain(last))) == TOTAL
        return run

    all_of([write(raw(), s) for s in range(4)]
           + [read_mget(raw()), read_exec(raw())])
    assert sum(map(int, plain(setup.call("MGET", *ACCOUNTS)))) == TOTAL


def test_elements_are_in_one_place(raw):
    """LMOVE, SMOVE, RENAME between shards: each thing is seen exactly once."""
    lists = ["list:%d" % i for i in range(6)]
    sets = ["set:%d" % i for i in range(6)]
    names = ["name:%d" % i for i in range(6)]
    setup = raw()
    for i in range(60):
        setup.call("RPUSH", lists[i % 6], i)
        setup.call("SADD", sets[i % 6], i)
    setup.ok("SET", names[0], "here")
    stop = threading.Event()

    def move(c, seed):
        draw = random.Random(seed)

        def run():
            for _ in range(150):
                batch = []
                for _ in range(30):
                    a, b = draw.sample(range(6), 2)
                    batch += [encode("LMOVE", lists[a], lists[b], "LEFT",
                                     "RIGHT"),
                              encode("SMOVE", sets[a], sets[b],
                                     draw.randrange(60)),
                              encode("RENAME", names[a], names[b])]
                c.send(b"".join(batch))
                c.read_many(len(batch))
            stop.set()
        return run

    def look(c):
        def run():
            while not stop.is_set():
                c.send(encode("MULTI")
                       + b"".join(encode("LLEN", k) for k in lists)
                       + encode("SUNION", *sets)
                       + b"".join(encode("SCARD", k) for k in sets)
                       + encode("EXISTS", *names) + encode("EXEC"))
                got = plain(c.read_many(16)[-1])
                assert sum(got[:6]) == 60
                assert len(got[6]) == 60 and sum(got[7:13]) == 60
                assert got[13] == 1
        return run

    all_of([move(raw(), 1), move(raw(), 2), look(raw()), look(raw())])


# A model of a few commands on the keys a, b, c: a state is their values.

KEYS = ["lin/a", "b", "other/c"]


def step(state, op):
    """What one thread would answer to op, and the state then."""
    name, args = op[0], op[1:]
    values = dict(zip(KEYS, state))
    if name == "SET":
        values[args[0]] = args[1]
        reply = "OK"
    elif name == "GET":
        reply = values[args[0]]
    elif name == "GETSET":
        reply = values[args[0]]
        values[args[0]] = args[1]
    elif name == "SETNX":
        reply = int(values[args[0]] is None)
        if reply:
            values[args[0]] = args[1]
    elif name == "GETDEL":
        reply = values[args[0]]
        values[args[0]] = None
    elif name == "INCR":
        reply = int(values[args[0]] or 0) + 1
        values[args[0]] = str(reply)
    elif name == "MSET":
        values.update(zip(args[::2], args[1::2]))
        reply = "OK"
    elif name == "MGET":
        reply = tuple(values[k] for k in args)
    elif name == "DEL":
        reply = sum(values[k] is not None for k in args)
        values.update((k, None) for k in args)
    elif name == "SWAP":        # in EXEC: read two keys, give both one value
        reply = (values[args[0]], values[args[1]], "OK")
        values[args[0]] = values[args[1]] = args[2]
    else:
        raise ValueError(name)
    return reply, tuple(values[k] for k in KEYS)


def draw_op(draw):
    name = draw.choice(["SET", "GET", "GET", "GETSET", "SETNX", "GETDEL",
                        "INCR", "MSET", "MGET", "MGET", "DEL", "SWAP"])
    some = draw.sample(KEYS, draw.randrange(2, 4))
    value = str(draw.randrange(100))
    if name == "MSET":
        return (name,) + tuple(x for k in some for x in (k, value))
    if name in ("MGET", "DEL"):
        return (name,) + tuple(some)
    if name == "SWAP":
        return (name, some[0], some[1], value)
    if name in ("GET", "GETDEL", "INCR"):
        return (name, some[0])
    return (name, some[0], value)


def wire(op):
    if op[0] != "SWAP":
        return encode(*op), 1
    return (encode("MULTI") + encode("GET", op[1]) + encode("GET", op[2])
            + encode("MSET", op[1], op[3], op[2], op[3]) + encode("EXEC")), 5


def readable(reply):
    value = plain(reply)
    if isinstance(value, list):
        return tuple(readable(v) for v in reply[1])
    return value.decode() if isinstance(value, bytes) else value


def record(clients, draw, n):
    """Send n operations with several under way at every moment."""
    history, now = [], 0
    idle, busy = list(clients), []
    while n > 0 or busy:
        while n > 0 and idle and (len(busy) < 2 or draw.random() < 0.7):
            c = idle.pop(draw.randrange(len(idle)))
            op = draw_op(draw)
            data, replies = wire(op)
            now += 1
            busy.append((c, now, op, replies))
            c.send(data)
            n -= 1
        c, begun, op, replies = busy.pop(draw.randrange(len(busy)))
        reply = readable(c.read_many(replies)[-1])
        now += 1
        history.append((begun, now, op, reply))
        idle.append(c)
    return history


def test_histories_are_linearizable(raw):
    clients = [raw() for _ in range(8)]
    for seed in range(12):
        clients[0].call("DEL", *KEYS)
        history = record(clients, random.Random(seed), 300)
        assert check(history, (None,) * 3, step) is not None, \
            "seed %d: no order explains %r" % (seed, history)


def test_the_checker_refuses_what_cannot_be():
    """A stale read, a lost update, a torn MSET, a read from the future."""
    a, b, c = KEYS
    none = (None,) * 3
    fine = [(1, 4, ("SET", a, "1"), "OK"), (2, 3, ("GET", a), None),
            (5, 6, ("GET", a), "1")]
    stale = fine[:2] + [(5, 6, ("GET", a), None)]
    lost = [(1, 4, ("INCR", a), 1), (2, 3, ("INCR", a), 1)]
    torn = [(1, 4, ("MSET", a, "1", b, "1"), "OK"),
            (2, 3, ("MGET", a, b), ("1", None))]
    future = [(1, 2, ("GET", a), "1"), (3, 4, ("SET", a, "1"), "OK")]
    crossed = [(1, 2, ("SET", a, "1"), "OK"), (1, 2, ("SET", b, "1"), "OK"),
               (3, 9, ("MSET", a, "2", b, "2"), "OK"),
               (4, 5, ("GET", a), "2"), (6, 7, ("GET", b), "1")]
    assert check(fine, none, step) == [1, 0, 2]
    for history in (stale, lost, torn, future, crossed):
        assert check(history, none, step) is None
