# SPDX-License-Identifier: MIT
"""CLIENT TRACKING: side by side with redis-server, and by itself."""

import re
import time

import pytest

from conftest import connect_py
from harness.resp import Raw, encode, plain


class Side:
    """Clients of one server; what each of them is sent, step by step."""

    def __init__(self, server, loose=False):
        self.server = server
        self.loose = loose      # shards do not tell in the keys' order
        self.clients = {}
        self.ids = {}
        self.asked = None       # who has said CLIENT GETREDIR
        self.slept = False
        # two that come one after the other are served by different loops:
        # when they are answered, each loop has had its turn
        self.client("one loop's")
        self.client("other loop's")

    def client(self, name):
        if name not in self.clients:
            c = self.clients[name] = self.server.raw()
            self.ids[name] = c.call("CLIENT", "ID")[1]
        return self.clients[name]

    def named(self, frame, ids=False):
        """A frame with names for the ids of clients, without HELLO's words."""
        kind, value = frame
        words = (("$", b"redirect"), ("$", b"tracking-redir-broken"))
        if kind in "%|" and value:
            if value[0][0] == ("$", b"server"):
                return "hello", kind
            return kind, [(a, self.named(b, a in words)) for a, b in value]
        if isinstance(value, list):
            if value[:1] == [("$", b"server")]:
                return "hello", kind
            value = [self.named(v, before in words)
                     for before, v in zip([None] + value, value)]
            return kind, sorted(value, key=repr) if kind == "~" else value
        for name, i in self.ids.items():
            if ids and kind == ":" and value == i:
                return "id", name
        return frame

    def sent(self, rounds=5):
        """All that came, by client.  More than one round, since what one loop
        tells another is under way when the answer is there."""
        got = {name: [] for name in self.clients}
        for _ in range(rounds):
            for name, c in self.clients.items():
                c.send(encode("ECHO", "mark"))
                while True:
                    frame = c.read()
                    if frame == ("$", b"mark") or (
                            frame[0] == "-" and b"'echo'" in frame[1]):
                        break
                    got[name].append(self.named(frame, name == self.asked))
        return {name: self.joined(frames) if self.loose or self.slept
                else frames for name, frames in got.items()}

    @staticmethod
    def joined(frames):
        """Messages that follow each other as one with all their keys."""
        out, keys = [], []
        for kind, value in frames + [("end", None)]:
            told = kind in ">*" and value and value[0] in (
                ("$", b"invalidate"), ("$", b"message"))
            if told and value[-1][0] == "*":
                keys += value[-1][1]
                continue
            if keys:
                out.append(("told of", sorted(keys)))
                keys = []
            out.append((kind, value))
        return out[:-1]

    def step(self, name, words):
        args = [w.format(**self.ids) if isinstance(w, str) else w
                for w in words]
        c = self.client(name)
        self.asked = name if args[1:] == ["GETREDIR"] else None
        self.slept = args[0] == "SLEEP"
        if args[0] == "CLOSE":
            c.close()
            del self.clients[name]
            # until the server has noticed
            who = self.server.raw()
            while b"id=%d " % self.ids[name] in who.call(
                    "CLIENT", "LIST")[1]:
                time.sleep(0.005)
            who.close()
        elif args[0] == "SLEEP":
            time.sleep(args[1])
        else:
            c.send(encode(*args))

    def close(self):
        for c in self.clients.values():
            c.close()


@pytest.fixture
def both(server, redis_server, config_name):
    """Play a scene with both servers: the same has to come."""
    sides = []

    def play(scene):
        loose = config_name.startswith("shards")
        ours, theirs = Side(server, loose), Side(redis_server, loose)
        sides.extend([ours, theirs])
        for side in (ours, theirs):
            side.server.raw().call("FLUSHALL")
            names = re.findall(r"^ *(\w):|{(\w)}", scene, re.M)
            for name in sorted({"".join(pair) for pair in names}):
                side.client(name)
        for line in scene.strip().split("\n"):
            name, _, text = line.partition(":")
            words = [w.replace("_", " ") if w == "_" else w
                     for w in text.split()]
            quiet = words[-1] == "..."      # what comes is looked at later
            if quiet:
                words.pop()
            if words[0] == "SLEEP":
                words[1] = float(words[1])
            for side in (ours, theirs):
                side.step(name.strip(), words)
            if not quiet:
                assert ours.sent() == theirs.sent(), line
        return ours, theirs

    yield play
    for side in sides:
        side.close()


SCENES = {
    "a key that is read and written": """
        a: HELLO 3
        a: CLIENT TRACKING ON
        a: GET k
        b: SET k 1
        b: SET k 2
        a: GET k
        a: SET k 3
        a: GET k
        b: DEL k
        a: MGET k l m
        b: MSET m 1 l 2 x 3
        a: EXISTS k k
        b: INCR k
        b: INCR k
        a: CLIENT TRACKINGINFO
        a: CLIENT TRACKING OFF
        a: GET k
        b: SET k 1
        a: CLIENT TRACKINGINFO
    """,
    "all types of commands": """
        a: HELLO 3
        a: CLIENT TRACKING ON
        b: RPUSH l a b c
        b: HSET h f v
        b: SADD s a b
        b: ZADD z 1 a
        a: LRANGE l 0 -1
        a: HGETALL h
        a: SMEMBERS s
        a: ZRANGE z 0 -1
        a: SINTER s s2 s3
        a: ZUNION 2 z z2
        a: TTL l
        a: STRLEN l
        b: RENAME l l2
        b: HSET h f w
        b: SADD s3 x
        b: SREM s a
        b: ZADD z2 1 b
        b: ZADD z 5 b
        a: OBJECT ENCODING h
        b: HDEL h f
        a: TYPE z
        b: EXPIRE z 100
        a: TTL z
        b: PERSIST z
        a: GET z
        b: COPY z2 z REPLACE
        a: SORT_RO s3 BY nosort GET #
        b: SADD s3 y
        a: DBSIZE
        b: SET other 1
    """,
    "changes that are none": """
        a: HELLO 3
        a: CLIENT TRACKING ON
        b: SET k 1
        b: SADD s x
        b: HSET h f v
        a: MGET k n
        a: SMEMBERS s
        a: HGETALL h
        b: DEL n
        b: SADD s x
        b: SETNX k 2
        b: HDEL h nofield
        b: EXPIRE n 5
        b: LPUSHX n 1
        b: HSET h f v
        b: APPEND k _
    """,
    "databases are not told apart": """
        a: HELLO 3
        a: CLIENT TRACKING ON
        a: GET k
        b: SELECT 3
        b: SET k 1
        a: SELECT 5
        a: GET k
        b: MOVE k 4
        a: GET k
        b: SWAPDB 4 5
        b: SELECT 5
        b: DEL k
    """,
    "noloop": """
        a: HELLO 3
        a: CLIENT TRACKING ON NOLOOP
        a: GET k
        a: SET k 1
        a: GET k
        b: SET k 1
        a: GET k
        a: SET k 1
        b: SET k 2
        a: CLIENT TRACKINGINFO
    """,
    "optin": """
        a: HELLO 3
        a: CLIENT CACHING YES
        a: CLIENT TRACKING ON OPTIN
        a: GET k
        b: SET k 1
        a: CLIENT CACHING NO
        a: CLIENT CACHING YES ...
        a: GET k
        a: GET l
        b: MSET k 1 l 1
        a: CLIENT CACHING YES ...
        a: CLIENT TRACKINGINFO ...
        a: GET k ...
        a: CLIENT TRACKINGINFO
        b: SET k 2
        a: CLIENT CACHING YES ...
        a: MULTI ...
        a: GET k ...
        a: GET l ...
        a: EXEC
        a: GET m
        b: MSET k 1 l 2 m 3
        a: CLIENT CACHING YES ...
        a: NOSUCH ...
        a: GET k
        b: SET k 3
        a: CLIENT CACHING YES ...
        a: SET k 1 ...
        a: GET k
        b: SET k 3
        a: CLIENT TRACKING ON OPTOUT
        a: CLIENT CACHING MAYBE
        a: CLIENT CACHING
    """,
    "optout": """
        a: HELLO 3
        a: CLIENT TRACKING ON OPTOUT
        a: GET k
        b: SET k 1
        a: CLIENT CACHING YES
        a: CLIENT CACHING NO ...
        a: CLIENT TRACKINGINFO ...
        a: GET k
        b: SET k 1
        a: GET k
        b: SET k 2
        a: CLIENT TRACKING ON OPTIN
        a: CLIENT TRACKING ON OPTIN OPTOUT
    """,
    "bcast": """
        a: HELLO 3
        a: CLIENT TRACKING ON BCAST
        a: CLIENT TRACKINGINFO
        b: SET k 1
        b: MSET z 1 y 1 k 2 a 1
        a: SET k 3
        a: GET k
        b: DEL nothing
        b: RENAME k k2
        b: MULTI ...
        b: SET q 1 ...
        b: DEL q ...
        b: SET p 1 ...
        b: EXEC
        a: CLIENT TRACKING ON
        a: CLIENT TRACKING ON BCAST OPTIN
        a: CLIENT TRACKING OFF
        a: CLIENT TRACKINGINFO
        b: SET k 1
        a: CLIENT TRACKING ON
        a: CLIENT TRACKING ON BCAST
    """,
    "bcast with prefixes": """
        a: HELLO 3
        c: HELLO 3
        a: CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:
        c: CLIENT TRACKING ON BCAST NOLOOP PREFIX user:
        a: CLIENT TRACKINGINFO
        b: SET user:1 1
        b: SET item:1 1
        b: SET other 1
        b: MSET user:1 1 item:2 2 user:2 3
        c: MSET user:1 1 item:2 2 user:2 3
        c: SET user:1 5
        a: CLIENT TRACKING ON BCAST PREFIX another
        a: CLIENT TRACKINGINFO
        b: SET another:1 1
        a: CLIENT TRACKING ON BCAST PREFIX user:x
        a: CLIENT TRACKING ON BCAST PREFIX us
        a: CLIENT TRACKING ON BCAST PREFIX ax PREFIX ay PREFIX a
        a: CLIENT TRACKING ON BCAST
        a: CLIENT TRACKINGINFO
        b: SET user:9 1
        c: CLIENT TRACKING ON PREFIX x
        c: CLIENT TRACKING ON BCAST PREFIX
    """,
    "redirect to resp3": """
        b: HELLO 3
        a: CLIENT TRACKING ON REDIRECT {b}
        a: CLIENT GETREDIR
        a: CLIENT TRACKINGINFO
        a: GET k
        c: SET k 1
        a: GET k
        a: SET k 1
        c: FLUSHALL
        a: HELLO 3
        c: FLUSHDB
        a: CLIENT TRACKING ON
        a: CLIENT GETREDIR
        a: GET k
        c: SET k 1
    """,
    "redirect to a subscriber in resp2": """
        b: SUBSCRIBE __redis__:invalidate
        a: CLIENT TRACKING ON REDIRECT {b}
        a: GET k
        c: SET k 1
        a: MGET k l m
        c: MSET l 1 m 2
        c: FLUSHALL
        b: UNSUBSCRIBE __redis__:invalidate
        a: GET k
        c: SET k 1
        a: GET k
        b: SUBSCRIBE something
        c: SET k 2
        a: CLIENT TRACKING ON REDIRECT {b} REDIRECT {b}
        a: CLIENT TRACKING ON REDIRECT 99999999
        a: CLIENT TRACKING ON REDIRECT x
        a: CLIENT TRACKING ON REDIRECT
    """,
    "bcast redirected": """
        b: SUBSCRIBE __redis__:invalidate
        a: CLIENT TRACKING ON BCAST PREFIX x REDIRECT {b}
        c: MSET x1 1 x2 2 y 3
        a: SET x3 1
    """,
    "a redirection that breaks": """
        b: HELLO 3
        a: HELLO 3
        a: CLIENT TRACKING ON REDIRECT {b}
        a: GET k
        b: CLOSE
        c: SET k 1
        a: CLIENT TRACKINGINFO
        a: GET k
        c: SET k 1
        a: CLIENT TRACKING ON
        a: CLIENT TRACKINGINFO
        a: GET k
        c: SET k 1
    """,
    "a redirection that breaks in resp2": """
        a: CLIENT TRACKING ON REDIRECT {b}
        a: GET k
        b: CLOSE
        c: SET k 1
        a: CLIENT TRACKINGINFO
        a: CLIENT TRACKING OFF
        a: CLIENT TRACKINGINFO
    """,
    "nothing is said in resp2": """
        a: CLIENT TRACKING ON
        a: GET k
        b: SET k 1
        b: FLUSHALL
        a: GET k
        a: HELLO 3
        b: SET k 2
        a: GET k
        a: HELLO 2
        b: SET k 3
    """,
    "flush": """
        a: HELLO 3
        c: HELLO 3
        a: CLIENT TRACKING ON NOLOOP
        c: CLIENT TRACKING ON BCAST PREFIX zz
        a: GET k
        b: FLUSHALL
        a: FLUSHDB
        b: SET k 1
        a: GET k
        b: SELECT 4
        b: FLUSHDB ASYNC
        b: SELECT 0
        b: SET k 2
        a: MULTI ...
        a: GET k ...
        a: FLUSHALL ...
        a: EXEC
        b: SET k 1
    """,
    "transactions": """
        a: HELLO 3
        a: CLIENT TRACKING ON
        a: MULTI ...
        a: GET k ...
        a: SET k 1 ...
        a: GET l ...
        a: EXEC
        b: SET l 1
        b: MULTI ...
        b: SET k 1 ...
        b: SET k 2 ...
        b: EXEC
        a: GET k
        a: WATCH k
        b: SET k 3
        a: MULTI ...
        a: PING ...
        a: EXEC
    """,
    "reset": """
        a: HELLO 3
        a: CLIENT TRACKING ON BCAST
        a: RESET
        b: SET k 1
        a: CLIENT TRACKINGINFO
        a: CLIENT GETREDIR
    """,
    "client reply": """
        a: HELLO 3
        a: CLIENT TRACKING ON
        a: GET k
        a: CLIENT REPLY SKIP ...
        a: PING ...
        b: SET k 1
    """,
    "time": """
        a: HELLO 3
        c: HELLO 3
        a: CLIENT TRACKING ON
        c: CLIENT TRACKING ON BCAST NOLOOP
        b: SET k 1 PX 300
        b: SET l 1 PX 300
        a: MGET k l
        b: SLEEP 0.7
    """,
    "waiting clients": """
        a: HELLO 3
        a: CLIENT TRACKING ON
        a: LRANGE l 0 -1
        b: BLPOP l 0 ...
        c: RPUSH l 1 2
        a: LRANGE l 0 -1
        b: BLPOP l 0
        a: LRANGE l 0 -1
        c: DEL l
    """,
    "what a transaction writes and reads": """
        a: HELLO 3
        a: CLIENT TRACKING ON
        a: MULTI ...
        a: MSET k 1 l 1 ...
        a: GET k ...
        a: EXEC
        b: SET k 2
        b: SET l 2
        a: GET k
        a: MULTI ...
        a: INCR k ...
        a: GET k ...
        a: INCR k ...
        a: GET k ...
        a: EXEC
        b: SET k 3
        a: GET m
        a: MULTI ...
        a: SET n 1 ...
        a: GET n ...
        a: INCR n ...
        a: SET m 1 ...
        a: EXEC
        b: MSET n 2 m 2
    """,
    "wrong words": """
        a: CLIENT TRACKING
        a: CLIENT TRACKING MAYBE
        a: CLIENT TRACKING ON WHAT
        a: CLIENT TRACKING OFF WHAT
        a: CLIENT TRACKING OFF BCAST
        a: CLIENT GETREDIR x
        a: CLIENT TRACKINGINFO x
        a: CLIENT CACHING YES
        a: CLIENT CACHING MAYBE
        a: CLIENT TRACKING ON
        a: CLIENT CACHING YES
        a: CLIENT CACHING NO
    """,
}


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_as_redis_server(both, scene):
    both(SCENES[scene])


def test_what_is_told_of_clients(both):
    ours, theirs = both("""
        a: CLIENT TRACKING ON BCAST PREFIX p PREFIX q REDIRECT {b}
        c: CLIENT TRACKING ON OPTOUT
        c: MGET x y z
        d: CLIENT TRACKING ON REDIRECT {e}
        d: GET x
        e: CLOSE
        f: SET x 1
        d: GET x
    """)
    for name in "acdf":
        lines = []
        for side in (ours, theirs):
            c = side.client(name)
            c.data.clear()
            line = dict(w.partition("=")[::2] for w in
                        c.call("CLIENT", "INFO")[1].decode().split())
            other = {str(i): n for n, i in side.ids.items()}
            lines.append((line["flags"], other.get(line["redir"],
                                                   line["redir"])))
        assert lines[0] == lines[1], name
    for field in (b"tracking_clients", b"tracking_total_keys",
                  b"tracking_total_items", b"tracking_total_prefixes"):
        got = []
        for side in (ours, theirs):
            info = side.client("f").call("INFO", "everything")[1]
            got.append(info[info.index(field):].split(b"\r\n")[0])
        assert got[0] == got[1]


# ---- what only we have ------------------------------------------------------

@pytest.fixture
def three(server):
    s = Side(server)
    for name in "abc":
        s.client(name)
    yield s
    s.close()


def pushed(side, name):
    """The keys of the messages to a client, in the order in which they
    came."""
    keys = []
    for kind, value in side.sent()[name]:
        if kind == ">":
            assert value[0] == ("$", b"invalidate")
            keys.append(plain(value[1]))
    return keys


def ours_only(config_name):
    if config_name == "redis":
        pytest.skip("about what redis-server has not")


def test_names(three, config_name):
    """A key is told of by the name that the client used."""
    ours_only(config_name)
    a, b = three.client("a"), three.client("b")
    a.call("HELLO", 3)
    a.ok("CLIENT", "TRACKING", "ON")
    a.call("MGET", "ns/k", "default/x", "y", "default/y", "default/a/b")
    b.call("MSET", "ns/k", 1, "x", 1, "y", 1, "default/a/b", 1)
    got = pushed(three, "a")
    assert [b"ns/k"] in got and [b"default/x"] in got
    assert [b"y", b"default/y"] in got and [b"default/a/b"] in got
    assert len(got) == 4
    a.ok("CLIENT", "TRACKING", "OFF")
    a.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "default/",
         "PREFIX", "ns/")
    b.call("MSET", "ns/k", 1, "x", 1, "other/y", 1, "default/a/b", 1)
    assert sorted(pushed(three, "a")) == [
        [b"default/a/b", b"default/x"], [b"ns/k"]]


def test_bound_clients(fresh_server, config_name):
    """They know local names, and nothing of other namespaces."""
    ours_only(config_name)
    s = fresh_server(args=["--redis"])
    with s.raw() as root, s.raw() as a, s.raw() as b:
        root.ok("NAMESPACE", "USER", "ADD", "u", "pw", "ns")
        a.call("HELLO", 3, "AUTH", "u", "pw")
        b.call("HELLO", 3, "AUTH", "u", "pw")
        a.ok("CLIENT", "TRACKING", "ON")
        b.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k")
        a.call("MGET", "k", "x/y")
        root.call("MSET", "ns/k", 1, "k", 2, "ns/x/y", 3)
        got = [plain(a.read()), plain(a.read())]
        assert sorted(got) == [[b"invalidate", [b"k"]],
                               [b"invalidate", [b"x/y"]]]
        assert plain(b.read()) == [b"invalidate", [b"k"]]
        # to empty it concerns those inside, and who sees all
        root.call("HELLO", 3)
        root.ok("CLIENT", "TRACKING", "ON")
        with s.raw() as c:
            c.call("FLUSHALL")
        for who in (root, a, b):
            assert who.read() == (">", [("$", b"invalidate"), ("_", None)])
        ident = root.call("CLIENT", "ID")[1]
        assert a.call("CLIENT", "TRACKING", "ON", "REDIRECT", ident) == (
            "-", b"ERR The client ID you want redirect to does not exist")


def test_the_table_is_bounded(three, config_name):
    ours_only(config_name)
    a, b = three.client("a"), three.client("b")
    a.call("HELLO", 3)
    b.ok("CONFIG", "SET", "tracking-table-max-keys", 10)
    try:
        a.ok("CLIENT", "TRACKING", "ON")
        names = ["k%d" % i for i in range(100)]
        for i in range(0, 100, 20):
            a.send(encode("MGET", *names[i:i + 20]))
        gone = [k for keys in pushed(three, "a") for k in keys]
        assert len(gone) == len(set(gone)) == 90
        info = b.call("INFO", "stats")[1]
        assert b"tracking_total_keys:10\r\ntracking_total_items:10\r\n" in info
        b.call("MSET", *[x for n in names for x in (n, 1)])
        kept = [k for keys in pushed(three, "a") for k in keys]
        assert sorted(kept + gone) == sorted(n.encode() for n in names)
    finally:
        b.ok("CONFIG", "SET", "tracking-table-max-keys", 1000000)


def test_expired_and_read_again(debugger):
    """The message follows the reply; who has read the key keeps it anew."""
    a = debugger
    a.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    a.call("HELLO", "3")
    a.ok("CLIENT", "TRACKING", "ON")
    told = (">", [("$", b"invalidate"), ("*", [("$", b"y")])])
    a.ok("MULTI")
    for args in ("MSET x 1 y 2", "PEXPIRE y 20", "GET y"):
        assert a.call(*args.split()) == ("+", b"QUEUED")
    assert a.call("EXEC") == ("*", [("+", b"OK"), (":", 1), ("$", b"2")])
    time.sleep(0.04)
    assert a.call("MGET", "x", "y") == ("*", [("$", b"1"), ("_", None)])
    assert a.read() == told
    with Raw(a.sock.getpeername()) as b:
        b.ok("SET", "y", "3")
    assert a.read() == told


def test_messages_do_not_overtake_replies(debugger):
    """Nor where readers and a writer are served in one turn."""
    conns = [Raw(debugger.sock.getpeername()) for _ in range(5)]
    readers, writer = conns[:2] + conns[3:], conns[2]
    for a in readers:
        a.call("HELLO", "3")
        a.ok("CLIENT", "TRACKING", "ON")
    for turn in range(5):
        writer.ok("SET", "k", "old")
        debugger.send(encode("DEBUG", "SLEEP", "0.03"))
        time.sleep(0.005)
        for c in conns:
            c.send(encode("SET", "k", "new") if c == writer else
                   encode("GET", "k"))
        tracking = []
        for a in readers:
            value = a.read()
            assert value[0] == "$", (turn, value)
            if value == ("$", b"old"):
                assert a.read()[0] == ">"
            else:
                tracking.append(a)
        assert writer.read() == debugger.read() == ("+", b"OK")
        assert writer.call("DEL", "k") == (":", 1)
        for a in tracking:
            assert a.read()[0] == ">"
    for c in conns:
        c.close()


def test_messages_are_no_parts_of_replies(raw):
    """Of EXEC's, when more is read than may be kept."""
    a, b = raw(), raw()
    a.call("HELLO", "3")
    a.ok("CLIENT", "TRACKING", "ON")
    b.ok("MSET", "k1", 1, "k2", 2, "k3", 3)
    b.ok("CONFIG", "SET", "tracking-table-max-keys", "1")
    try:
        a.ok("MULTI")
        for i in range(1, 4):
            assert a.call("GET", "k%d" % i) == ("+", b"QUEUED")
        assert a.call("EXEC") == ("*", [("$", b"%d" % i)
                                        for i in range(1, 4)])
        assert [a.read()[0] for _ in range(2)] == [">", ">"]
    finally:
        b.ok("CONFIG", "SET", "tracking-table-max-keys", "1000000")


def test_the_table_shrinks_with_its_bound(raw):
    """Without anybody reading anything."""
    a, b = raw(), raw()
    a.call("HELLO", "3")
    a.ok("CLIENT", "TRACKING", "ON")
    a.call("MGET", "k1", "k2", "k3")
    b.ok("CONFIG", "SET", "tracking-table-max-keys", "1")
    try:
        gone = [a.read() for _ in range(2)]
        assert all(kind == ">" for kind, _ in gone)
        assert b"tracking_total_keys:1\r\n" in b.call("INFO", "stats")[1]
    finally:
        b.ok("CONFIG", "SET", "tracking-table-max-keys", "1000000")


def test_eviction(fresh_server, config_name):
    ours_only(config_name)
    s = fresh_server(args=["--redis", "--maxmemory", "2mb",
                           "--maxmemory-policy", "allkeys-lru"])
    side = Side(s)
    try:
        a, b = side.client("a"), side.client("b")
        a.call("HELLO", 3)
        a.ok("CLIENT", "TRACKING", "ON")
        for i in range(100):
            b.ok("SET", "k%d" % i, "x" * 1000)
            a.call("GET", "k%d" % i)
        for i in range(3000):
            b.ok("SET", "other%d" % i, "x" * 1000)
        gone = {k for keys in pushed(side, "a") for k in keys}
        lost = {b"k%d" % i for i in range(100)
                if b.call("EXISTS", "k%d" % i)[1] == 0}
        assert lost and gone == lost
    finally:
        side.close()


def test_records_go_with_the_last_tracker(three, config_name):
    ours_only(config_name)
    a, b, c = (three.client(n) for n in "abc")
    for who in (a, b):
        who.call("HELLO", 3)
        who.ok("CLIENT", "TRACKING", "ON")
        for i in range(0, 3000, 500):
            who.call("MGET", *["k%d" % j for j in range(i, i + 500)])
    assert b"tracking_clients:2\r\n" in c.call("INFO", "clients")[1]
    assert b"total_keys:3000\r\ntracking_total_items:6000" in c.call(
        "INFO", "stats")[1]
    a.close()
    limit = time.monotonic() + 10
    while b"tracking_clients:1\r\n" not in c.call("INFO", "clients")[1]:
        assert time.monotonic() < limit
    del three.clients["a"]
    c.call("SET", "k5", 1)
    assert pushed(three, "b") == [[b"k5"]]
    b.ok("CLIENT", "TRACKING", "OFF")
    while b"total_keys:0\r\ntracking_total_items:0" not in c.call(
            "INFO", "stats")[1]:
        assert time.monotonic() < limit
    b.ok("CLIENT", "TRACKING", "ON")
    b.call("GET", "k6")
    c.call("MSET", "k6", 1, "k7", 1)
    assert pushed(three, "b") == [[b"k6"]]


def test_many_trackers_of_a_key(server, config_name):
    ours_only(config_name)
    side = Side(server)
    try:
        names = ["n%d" % i for i in range(40)]
        for name in names:
            c = side.client(name)
            c.call("HELLO", 3)
            c.ok("CLIENT", "TRACKING", "ON")
            c.call("GET", "k")
            c.call("GET", "k")
        for name in names[::3]:
            side.client(name).ok("CLIENT", "TRACKING", "OFF")
        side.client("w").ok("SET", "k", 1)
        got = side.sent()
        for i, name in enumerate(names):
            want = [] if i % 3 == 0 else [
                (">", [("$", b"invalidate"), ("*", [("$", b"k")])])]
            assert got[name] == want
    finally:
        side.close()


def test_no_change_is_missed(three, config_name):
    """One reads and keeps, two write: what is kept is what is there, as soon
    as all messages have come."""
    ours_only(config_name)
    a, b, c = (three.client(n) for n in "abc")
    a.call("HELLO", 3)
    a.ok("CLIENT", "TRACKING", "ON")
    kept = {}

    def forget(names):
        """Of all keys (None) one may hear when another loop tells late of
        a flush before our time."""
        if names is None:
            kept.clear()
        for _, name in names or ():
            kept.pop(name.decode(), None)

    for turn in range(300):
        key = "k%d" % (turn % 7)
        for i, w in enumerate((b, c)):
            w.send(encode("SET", key, "%d.%d" % (turn, i)))
        a.send(encode("GET", key))
        while True:
            frame = a.read()
            if frame[0] != ">":         # the value, or that there is none
                kept[key] = frame[1]
                break
            forget(frame[1][1][1])
    for frames in (three.sent()["a"],):
        for _, value in frames:
            forget(value[1][1])
    for key, value in kept.items():
        assert b.call("GET", key)[1] == value, key


def test_redis_py_keeps_values(server, config_name):
    """Its cache, end to end."""
    cache = pytest.importorskip("redis.cache")
    r = connect_py(server, 3, cache_config=cache.CacheConfig())
    other = connect_py(server, 3)

    def until(what):
        limit = time.monotonic() + 10
        while not what():
            assert time.monotonic() < limit
            time.sleep(0.005)

    r.set("k", 1)
    assert r.get("k") == b"1" and r.get("k") == b"1"
    assert r.get_cache().size == 1
    calls = other.info("commandstats")["cmdstat_get"]["calls"]
    for _ in range(50):
        assert r.get("k") == b"1"
    assert other.info("commandstats")["cmdstat_get"]["calls"] == calls
    other.set("k", 2)
    until(lambda: r.get("k") == b"2")
    other.hset("h", mapping={"a": 1})
    assert r.hgetall("h") == {b"a": b"1"}
    other.hset("h", "a", 2)
    until(lambda: r.hgetall("h") == {b"a": b"2"})
    other.flushall()
    until(lambda: r.get("k") is None and r.hgetall("h") == {})
    if config_name != "redis":
        other.hset("h", mapping={"a": 1, "b": 2})
        until(lambda: r.hgetall("h") == {b"a": b"1", b"b": b"2"})
        other.hpexpire("h", 30, "a")
        until(lambda: r.hgetall("h") == {b"b": b"2"})
    r.close()
    other.close()
