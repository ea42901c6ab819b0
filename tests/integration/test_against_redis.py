# SPDX-License-Identifier: MIT
"""The same random commands to the server and to redis-server 7.0.

The commands come from harness/grammar.py: what the server under test knows
of it.  Replies are compared with their types, on RESP2 and RESP3.  A command
whose replies differ is reported with the shortest sequence found that leads
there, both replies and the seed.  Seeds begin with 1, so that a change is
judged by what it does; `make explore` begins with the time.

    pytest tests/integration/test_against_redis.py --diff-commands 200000
    pytest tests/integration/test_against_redis.py --diff-first 0
    pytest tests/integration/test_against_redis.py --diff-seed 5
    pytest tests/integration/test_against_redis.py --diff-rows 'bit*,set,get'
"""

import fnmatch
import re
import time

import pytest

from harness.grammar import ALL_KEYS, JUNK, ROWS, Draw, any_key
from harness.resp import Raw, encode, plain, to_bytes

# A run this long has to have seen each row and option this often.
LONG_RUN, SEEN = 200000, 50
# How many rows may differ before the run ends.
ENOUGH = 6


# What may differ, and why.  (reason, test of arguments and both replies)

def encodings_of_72(args, ours, theirs):
    """Lists and sets that are small are listpacks since 7.2."""
    return (args[:2] == [b"object", b"encoding"]
            and ours == ("$", b"listpack")
            and theirs in (("$", b"quicklist"), ("$", b"hashtable")))


def raw_or_embstr(args, ours, theirs):
    """Whether a string shares its key's allocation is ours to choose."""
    kinds = (("$", b"raw"), ("$", b"embstr"))
    return (args[:2] == [b"object", b"encoding"]
            and ours in kinds and theirs in kinds)


def sort_converts(args, ours, theirs):
    """SORT of 7.0 turns the sorted set it reads into a skip list; we do not
    change what is only read."""
    return (args[:2] == [b"object", b"encoding"]
            and ours == ("$", b"listpack") and theirs == ("$", b"skiplist"))


def minus_zero(args, ours, theirs):
    """A skip list keeps -0, a listpack has 0; see sort_converts."""
    def plain_zero(reply):
        kind, value = reply
        if isinstance(value, list):
            return kind, [plain_zero(v) for v in value]
        return kind, b"0" if value == b"-0" else value
    return ours != theirs and plain_zero(ours) == plain_zero(theirs)


def int_stays(args, ours, theirs):
    """SETBIT and BITFIELD of Redis turn an integer into text even where no
    bit changes; we do not change what stays the same."""
    return (args[:2] == [b"object", b"encoding"]
            and ours == ("$", b"int")
            and theirs in (("$", b"raw"), ("$", b"embstr")))


EXCEPTIONS = [encodings_of_72, raw_or_embstr, sort_converts, minus_zero,
              int_stays]


# Comparing.

def by_bytes(reply):
    return repr(reply)


def pairs_of(reply):
    """A map, or a flat array of names and values, as a sorted list."""
    kind, value = reply
    if kind == "%":
        return sorted(map(by_bytes, value))
    if kind == "*" and value is not None:
        return sorted(map(by_bytes, zip(value[::2], value[1::2])))
    return reply


def same_unordered(a, b):
    if a[0] != b[0] or not isinstance(a[1], list) or \
            not isinstance(b[1], list):
        return a == b
    return sorted(map(by_bytes, a[1])) == sorted(map(by_bytes, b[1]))


def same_pairs(a, b):
    return a[0] == b[0] and pairs_of(a) == pairs_of(b)


def same_shape(a, b):
    """Chosen at random: the same types and lengths, other contents."""
    if a[0] != b[0]:
        return False
    if a[0] in "-+":
        return a == b
    if isinstance(a[1], list) and isinstance(b[1], list):
        return len(a[1]) == len(b[1]) and all(
            same_shape(x, y) for x, y in zip(a[1], b[1]))
    return (a[1] is None) == (b[1] is None)


def same_scan(of_items):
    """Everything in one answer: both cursors are 0."""
    def same(a, b):
        if a[0] != "*" or b[0] != "*":
            return a == b
        return (a[1][0] == b[1][0] == ("$", b"0")
                and of_items(a[1][1], b[1][1]))
    return same


def same_near(tolerance):
    def same(a, b):
        if a[0] == b[0] == ":" and a[1] > 0 and b[1] > 0:
            return abs(a[1] - b[1]) <= tolerance
        return a == b
    return same


def same_pending(a, b):
    """XPENDING with a range: ID, consumer, idle ms, deliveries."""
    def without_idle(reply):
        if reply[0] != "*" or reply[1] is None:
            return reply
        return [[v for i, v in enumerate(e[1]) if i != 2] for e in reply[1]]

    def idle(reply):
        return [e[1][2] for e in reply[1]] if reply[0] == "*" else []

    return without_idle(a) == without_idle(b) and all(
        x[0] == y[0] == ":" and abs(x[1] - y[1]) <= 30000
        for x, y in zip(idle(a), idle(b)))


def same_times(a, b):
    """Equal but for times of day and of idleness, which are near."""
    def near(x, y):
        if x[0] != y[0]:
            return False
        if isinstance(x[1], list) and isinstance(y[1], list):
            if len(x[1]) != len(y[1]):
                return False
            if x[0] == "%":
                return all(k == l and (near(v, w) or idle(k, v, w))
                           for (k, v), (l, w) in zip(x[1], y[1]))
            return all(near(v, w) or (i > 0 and idle(x[1][i - 1], v, w))
                       for i, (v, w) in enumerate(zip(x[1], y[1])))
        if x[0] == ":" and min(x[1], y[1]) > 10 ** 12:
            return abs(x[1] - y[1]) <= 30000
        return x == y

    def idle(name, x, y):
        return (name == ("$", b"idle") and x[0] == y[0] == ":"
                and abs(x[1] - y[1]) <= 30000)

    return near(a, b)


def same_null(a, b):
    return (a[0], a[1] is None) == (b[0], b[1] is None)


COMPARE = {
    "exact": lambda a, b: a == b,
    "unordered": same_unordered,
    "pairs": same_pairs,
    "shape": same_shape,
    "scan": same_scan(same_unordered),
    "scan pairs": same_scan(same_pairs),
    "near 3": same_near(3),
    "near 3000": same_near(3000),
    "null or not": same_null,
    "pending": same_pending,
    "times": same_times,
}


# Sequences.

class Step:
    """One command on one of two connections."""

    def __init__(self, args, compare="exact", conn=0, row=None, labels=()):
        self.args = [to_bytes(a) for a in args]
        self.compare = compare
        self.conn = conn
        self.row = row              # what is counted, or None
        self.labels = labels
        self.queued = None          # of EXEC: the steps before it

    def __repr__(self):
        words = [repr(a)[1:] if a == b"" or re.search(rb"[^\x21-\x7e]|'", a)
                 else a.decode() for a in self.args]
        words = [w if len(w) < 100 else w[:80] + "...(%d)" % len(w)
                 for w in words]
        return " ".join((["(2)"] if self.conn else []) + words)

    def same(self, ours, theirs):
        if self.queued is not None:
            return self.same_exec(ours, theirs)
        if COMPARE[self.compare](ours, theirs):
            return True
        return any(e([a.lower() for a in self.args[:2]] + self.args[2:],
                     ours, theirs) for e in EXCEPTIONS)

    def same_exec(self, ours, theirs):
        lists = [r[1] for r in (ours, theirs)
                 if r[0] == "*" and r[1] is not None]
        steps = self.queued
        if len(lists) != 2 or any(len(x) != len(steps) for x in lists):
            return ours == theirs
        return all(s.same(a, b) for s, a, b in zip(steps, *lists))


def altered(d, args):
    """The same command with something wrong."""
    args = list(args)
    how = d.below(3)
    if how == 0 and len(args) > 1:
        args.pop(1 + d.below(len(args) - 1))
    elif how == 1:
        args.insert(1 + d.below(len(args)), d.pick(JUNK))
    elif len(args) > 1:
        args[1 + d.below(len(args) - 1)] = d.pick(JUNK)
    return args


def draw_steps(d, rows, conn=0):
    """The steps of one command: itself, what comes before and after."""
    row = d.pick(rows)
    args, labels = row.draw(d)
    steps = [Step(args, row.compare, conn, row.name, tuple(labels))]
    if row.alter and d.chance(3):
        # What is altered is compared, not counted.
        steps = [Step(altered(d, args), row.compare, conn)]
    if row.before:
        steps = [Step(a, conn=conn) for a in row.before(args)] + steps
    if row.after:
        steps += [Step(a, conn=conn) for a in row.after(args)]
    return steps


def draw_transaction(d, rows, known):
    steps = []
    if "watch" in known and d.chance(50):
        keys = [any_key(d) for _ in range(1 + d.below(2))]
        steps.append(Step(["WATCH"] + keys, row="watch"))
        if d.chance(50):
            steps += draw_steps(d, rows, conn=d.below(2))
        if d.chance(10):
            steps.append(Step(["UNWATCH"], row="unwatch"))
    steps.append(Step(["MULTI"], row="multi"))
    inside = []
    for _ in range(d.below(5)):
        for step in draw_steps(d, rows):
            # The answer now is QUEUED; what it is compared by comes later.
            inside.append(step)
            queued = Step(step.args, "exact")
            queued.inner = step
            steps.append(queued)
    if d.chance(15):
        steps.append(Step(["DISCARD"], row="discard"))
    else:
        end = Step(["EXEC"], row="exec")
        end.queued = inside
        steps.append(end)
    return steps


class Known:
    """What of the grammar the server under test has."""

    def __init__(self, raw):
        self.raw = raw
        self.names = {}

    def __contains__(self, name):
        word = name.split()[0]
        if word not in self.names:
            kind, value = self.raw.call("COMMAND", "INFO", word)
            self.names[word] = kind == "*" and value is not None \
                and len(value) == 1 and bool(value[0][1])
        return self.names[word]


def weighted(rows):
    return [r for r in rows for _ in range(max(1, int(r.weight * 5)))]


def draw_units(d, rows, known, commands):
    """About so many commands, in units that stay whole when the sequence is
    made shorter."""
    units, n = [], 0
    while n < commands:
        if "multi" in known and d.chance(4):
            unit = draw_transaction(d, rows, known)
        else:
            unit = draw_steps(d, rows, conn=0 if d.chance(90) else 1)
        units.append(unit)
        n += len(unit)
    return units


# Running.

class Difference(Exception):
    def __init__(self, step, ours, theirs):
        self.step, self.ours, self.theirs = step, ours, theirs
        super().__init__("%r: %r, redis-server %r" % (step, ours, theirs))


class Pair:
    """Both servers."""

    def __init__(self, ours, theirs):
        self.servers = (ours, theirs)

    def connect(self, protocol, timeout):
        both = []
        for s in self.servers:
            conns = [Raw(s.address, timeout=timeout) for _ in range(2)]
            conns[0].ok("FLUSHALL")
            for c in conns:
                c.call("HELLO", protocol)
            both.append(conns)
        return both

    def run(self, units, protocol, seen=None, timeout=20):
        """Run the units on both; raise Difference at the first one."""
        both = self.connect(protocol, timeout)
        try:
            steps = [s for unit in units for s in unit]
            at = 0
            while at < len(steps):
                end = at
                while end < len(steps) and end < at + 64 \
                        and steps[end].conn == steps[at].conn:
                    end += 1
                self.run_batch(both, steps[at:end], seen)
                at = end
        finally:
            for conns in both:
                for c in conns:
                    c.close()

    def run_batch(self, both, steps, seen):
        request = b"".join(encode(*s.args) for s in steps)
        conns = [conns[steps[0].conn] for conns in both]
        for c in conns:
            c.send(request)
        for step in steps:
            got = []
            for c in conns:
                try:
                    got.append(c.read())
                except (OSError, EOFError) as why:
                    got.append(("no reply", str(why)))
            if not step.same(*got):
                raise Difference(step, *got)
            if got[0][0] == "no reply":
                raise Difference(step, *got)
            if seen is not None:
                count(seen, step, got[0])


def count(seen, step, reply):
    """Note the row and its options when the reply is no error."""
    if step.queued is not None and reply[0] == "*" and reply[1] is not None:
        for inner, r in zip(step.queued, reply[1]):
            count(seen, inner, r)
    if step.row is None:
        return
    for name in {step.row} | {step.row + ":" + x for x in step.labels}:
        ok, bad = seen.get(name, (0, 0))
        seen[name] = (ok, bad + 1) if reply[0] == "-" else (ok + 1, bad)


def shrink(pair, units, protocol, seconds=20):
    """Fewer units that still differ: drop halves, quarters, ... single ones,
    then single steps of transactions."""
    limit = time.monotonic() + seconds

    def differs(candidate):
        try:
            pair.run(candidate, protocol, timeout=3)
        except Difference as d:
            return d
        return None

    best = differs(units)
    if best is None:
        return units, None
    size = max(1, len(units) // 2)
    while time.monotonic() < limit:
        at = 0
        while at < len(units) and time.monotonic() < limit:
            candidate = units[:at] + units[at + size:]
            found = differs(candidate) if candidate else None
            if found:
                units, best = candidate, found
            else:
                at += size
        if size == 1:
            break
        size = max(1, size // 2)
    for i, unit in enumerate(units):
        for step in list(unit):
            inner = getattr(step, "inner", None)
            if inner is None or time.monotonic() > limit:
                continue
            smaller = [s for s in units[i] if s is not step]
            end = smaller[-1]
            saved = end.queued
            if saved is not None:
                end.queued = [s for s in saved if s is not inner]
            candidate = units[:i] + [smaller] + units[i + 1:]
            found = differs(candidate)
            if found:
                units, best = candidate, found
            else:
                end.queued = saved
    return units, best


def show_reply(reply):
    text = repr(reply)
    return text if len(text) < 600 else text[:600] + "... (%d)" % len(text)


def show(units, protocol, first, found, seed):
    """A difference as it was first seen, unless it was found again."""
    lines = ["on RESP%s, --diff-seed %s:" % (protocol, seed)]
    if found is None:
        lines.append("  not found again after this:")
        found = first
    lines += ["    %r" % s for unit in units for s in unit]
    if found is not None:
        lines += ["  at:           %r" % found.step,
                  "  kvns:         " + show_reply(found.ours),
                  "  redis-server: " + show_reply(found.theirs)]
    return "\n".join(lines)


@pytest.fixture
def pair(fresh_server, redis_server):
    """The server with Redis' limits, and Redis."""
    return Pair(fresh_server(args=["--redis"]), redis_server)


def rows_known(pair, wanted="*"):
    with pair.servers[0].raw() as raw:
        known = Known(raw)
        rows = [r for r in ROWS if r.name in known and any(
            fnmatch.fnmatch(r.name, p) for p in wanted.split(","))]
        assert rows, "COMMAND INFO knows no command at all"
        for name in ("multi", "watch"):
            name in known
        return rows, dict.fromkeys(n for n, k in known.names.items() if k)


def seed_of(pytestconfig):
    """The first seed of a comparison."""
    one = pytestconfig.getoption("--diff-seed")
    if one is not None:
        return one
    return pytestconfig.getoption("--diff-first") or int(time.time() * 1000)


def test_every_key_once():
    assert len(set(ALL_KEYS)) == len(ALL_KEYS) <= 24


def test_random_commands(pair, pytestconfig):
    wanted = pytestconfig.getoption("--diff-commands")
    first_seed = pytestconfig.getoption("--diff-seed")
    rows, known = rows_known(pair, pytestconfig.getoption("--diff-rows"))
    bag = weighted(rows)
    seen, wrong, differing, sent = {}, [], set(), 0
    seed = seed_of(pytestconfig)
    while len(wrong) < ENOUGH:
        often = bag
        if sent >= wanted:
            # A long run ends when each row and option was seen often enough.
            few = few_seen(seen, rows) if wanted >= LONG_RUN else {}
            if not few or sent >= 2 * wanted:
                break
            rare = [r for r in bag if r.name in {n.split(":")[0]
                                                 for n in few}]
            often = bag + rare * (len(bag) // (len(rare) + 1))
        d = Draw.seeded(seed)
        protocol = d.pick(["2", "3"])
        units = draw_units(d, often, known, 150)
        try:
            pair.run(units, protocol, seen)
        except Difference as found:
            # A row whose replies differ is looked into once; its further
            # differences would hide those of others.
            row = found.step.row or found.step.args[0].decode(
                "latin-1").lower()
            if row not in differing:
                differing.add(row)
                shorter, last = shrink(pair, units, protocol)
                wrong.append(show(shorter, protocol, found, last, seed))
                bag = [r for r in bag if r.name != row] or bag
        sent += sum(len(unit) for unit in units)
        if first_seed is not None:
            break
        seed += 1
    report(seen, rows, sent)
    if wrong:
        pytest.fail("\n\n".join(wrong), pytrace=False)
    if sent >= LONG_RUN:
        few = few_seen(seen, rows)
        assert not few, "seen too seldom without an error: %s" % few


def few_seen(seen, rows):
    """Rows and options with too few replies that are no errors."""
    return {name: ok for name, (ok, bad) in sorted(seen.items())
            if ok < SEEN} | {
        r.name: 0 for r in rows if r.name not in seen}


def report(seen, rows, sent):
    """What was seen, for `pytest -s` and for the log of a failure."""
    print("\n%d commands of %d rows; without an error (with one):"
          % (sent, len(rows)))
    line = ""
    for name, (ok, bad) in sorted(seen.items()):
        text = "%s %d (%d)" % (name, ok, bad)
        if len(line) + len(text) > 74:
            print("  " + line)
            line = ""
        line += ("; " if line else "") + text
    print("  " + line)


def test_with_hypothesis(pair, pytestconfig):
    """The same commands, chosen and made shorter by hypothesis."""
    hypothesis = pytest.importorskip("hypothesis")
    st = hypothesis.strategies
    rows, known = rows_known(pair)
    long_run = pytestconfig.getoption("--diff-commands") >= LONG_RUN

    @hypothesis.settings(
        max_examples=500 if long_run else 60, deadline=None, database=None,
        suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(st.data())
    def check(data):
        d = Draw(lambda n: data.draw(st.integers(0, n - 1)))
        protocol = d.pick(["2", "3"])
        units = draw_units(d, rows, known, 1 + d.below(12))
        hypothesis.note("\n".join(repr(s) for u in units for s in u))
        pair.run(units, protocol, timeout=5)

    check()


# What subscribers hear: several replies to a command, some unasked.

CHANNELS = ["a", "b", "c", "ns/a", ""]
PATTERNS = ["*", "?", "[ab]", "a*", "ns/*"]


def draw_heard(d):
    def some_of(words, lo):
        return [d.pick(words) for _ in range(lo + d.below(3))]

    how = d.below(12)
    if how < 2:
        return ["SUBSCRIBE"] + some_of(CHANNELS, 1)
    if how == 2:
        return ["PSUBSCRIBE"] + some_of(PATTERNS, 1)
    if how == 3:
        return ["SSUBSCRIBE"] + some_of(CHANNELS, 1)
    if how == 4:
        return [d.pick(["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"])] \
            + some_of(CHANNELS + PATTERNS, 0)
    if how < 8:
        return [d.pick(["PUBLISH", "PUBLISH", "SPUBLISH"]), d.pick(CHANNELS),
                "message %d" % d.below(100)]
    if how == 8:
        return ["PUBSUB", d.pick(["CHANNELS", "SHARDCHANNELS"])] \
            + some_of(PATTERNS, 0)[:1]
    if how == 9:
        return ["PUBSUB", d.pick(["NUMSUB", "SHARDNUMSUB"])] \
            + some_of(CHANNELS, 0)
    return d.pick([["PUBSUB", "NUMPAT"], ["PING"], ["PING", "x"],
                   ["GET", "k"], ["RESET"], ["SUBSCRIBE"],
                   ["PUBSUB", "NOSUCH"]])


def without_order(replies):
    """Lists come in any order, and so does the leaving of all channels: who
    is left first has the greatest count behind it."""
    out = []
    for kind, value in replies:
        if isinstance(value, list) and len(value) == 3 \
                and value[0][1].endswith(b"unsubscribe"):
            out += ["%s left %r" % (kind, value[:2]),
                    "%s leaving %r" % (kind, value[2])]
        elif isinstance(value, list) and kind == "*":
            out.append("%s %r" % (kind, sorted(map(repr, value))))
        else:
            out.append(repr((kind, value)))
    return sorted(out)


def test_what_subscribers_hear(pair, pytestconfig):
    """Everything that three connections are sent, command by command."""
    wanted = pytestconfig.getoption("--diff-commands") // 5
    seed = seed_of(pytestconfig)
    sent, seen = 0, {}
    while sent < wanted:
        d = Draw.seeded(seed)
        protocols = [d.pick(["2", "3"]) for _ in range(3)]
        both = [[s.raw(timeout=5) for _ in protocols] for s in pair.servers]
        for conns in both:
            for c, p in zip(conns, protocols):
                c.call("HELLO", p)
        log = []
        for _ in range(25):
            at, args = d.below(3), draw_heard(d)
            log.append("%d: %s" % (at, " ".join(args)))
            said = "\n".join(["--diff-seed %d, RESP %s" % (seed, protocols)]
                             + log)
            theirs = hear(both[1], at, args)
            ours = hear_as_much(both[0], at, args, theirs)
            assert [without_order(r) for r in ours] == [
                without_order(r) for r in theirs], said
            name = args[0].lower()
            errors = any(kind == "-" for kind, _ in theirs[at])
            ok, bad = seen.get(name, (0, 0))
            seen[name] = (ok + (not errors), bad + errors)
            sent += 1
        for conns in both:
            for c in conns:
                c.close()
        seed += 1
    print("\n" + "; ".join("%s %d (%d)" % (n, *seen[n])
                           for n in sorted(seen)))
    if sent >= LONG_RUN // 5:
        assert all(ok >= SEEN for n, (ok, bad) in seen.items()), seen


OVER = (("$", b"over"), ("*", [("$", b"pong"), ("$", b"over")]))


def hear(conns, at, args):
    """What each connection of redis-server hears of a command: PING is
    answered whatever they do, and behind what was sent to them before."""
    conns[at].send(encode(*args))
    heard = [None] * len(conns)
    for i in [at] + [j for j in range(len(conns)) if j != at]:
        conns[i].send(encode("PING", "over"))
        got = []
        while True:
            reply = conns[i].read()
            if reply in OVER:
                break
            got.append(reply)
        heard[i] = got
    return heard


def hear_as_much(conns, at, args, theirs):
    """As many replies as redis-server gave; of several loops they may come
    behind those to PING."""
    conns[at].send(encode(*args))
    heard = []
    for c, want in zip(conns, theirs):
        heard.append([c.read() for _ in want])
    for i, c in enumerate(conns):
        c.send(encode("PING", "over"))
        reply = c.read()
        if reply not in OVER:
            heard[i].append(("more", reply))
    return heard


# What keyspace events tell.

def told(c, subscriber):
    """The events that have come to a subscriber."""
    c.call("PUBLISH", "over", "")
    out = []
    while True:
        kind, value = subscriber.read()
        words = [v for _, v in value]
        if words[-2] == b"over":
            return out
        out.append(b" ".join(words[-2:]))


def test_what_events_tell(pair, pytestconfig, config_name):
    """Every class of event, command by command."""
    wanted = pytestconfig.getoption("--diff-commands") // 5
    seed = seed_of(pytestconfig)
    rows, known = rows_known(pair)
    # Expired fields are told of by later versions than 7.0.
    bag = weighted([r for r in rows if r.name not in NO_EVENTS])
    sent, seen = 0, {}
    both = [(s.raw(), s.raw()) for s in pair.servers]
    for c, subscriber in both:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "KEAmn")
        subscriber.call("PSUBSCRIBE", "__key*__:*", "over")
        subscriber.read()
    while sent < wanted:
        d = Draw.seeded(seed)
        said = ["--diff-seed %d" % seed]
        for c, subscriber in both:
            c.ok("FLUSHALL")
            c.ok("SELECT", "0")
            told(c, subscriber)
        for _ in range(60):
            for step in draw_steps(d, bag):
                said.append(repr(step))
                heard = []
                for c, subscriber in both:
                    c.call(*step.args)
                    heard.append([x for x in told(c, subscriber)
                                  if not of_chance(step, x)])
                # Shards tell one after the other.
                if config_name.startswith("shards") or \
                        step.args[0].lower().startswith(b"sort"):
                    heard = [sorted(x) for x in heard]
                assert heard[0] == heard[1], "\n".join(said)
                for event in heard[1]:
                    if event.startswith(b"__keyevent"):
                        name = event.split(b" ")[0].split(b":")[1].decode()
                        seen[name] = seen.get(name, 0) + 1
                sent += 1
        seed += 1
    for c, subscriber in both:
        c.ok("CONFIG", "SET", "notify-keyspace-events", "")
        c.close()
        subscriber.close()
    print("\n" + "; ".join("%s %d" % x for x in sorted(seen.items())))
    assert len(seen) > 30 or sent < 5000


def of_chance(step, event):
    """When a key that has expired goes, and how often commands of streams
    look for one that is not there, is each server's own affair."""
    return b"expired" in event or (step.args[0][:1] in b"xX"
                                   and b"keymiss" in event)


# Rows whose events have no key, or tell the subscriber himself.
NO_EVENTS = {"flushall", "flushdb", "select", "swapdb", "publish", "spublish"}


def test_the_comparison_itself():
    """It must see what it is there to see."""
    assert not COMPARE["exact"](("$", b"1"), (":", 1))
    assert not COMPARE["exact"](("$", None), ("*", None))
    assert COMPARE["unordered"](("*", [("$", b"a"), ("$", b"b")]),
                                ("*", [("$", b"b"), ("$", b"a")]))
    assert not COMPARE["unordered"](("*", [("$", b"a")]),
                                    ("*", [("$", b"a"), ("$", b"a")]))
    assert not COMPARE["shape"](("*", [("$", b"a")]), ("*", [("$", None)]))
    assert COMPARE["pairs"](
        ("*", [("$", b"a"), ("$", b"1"), ("$", b"b"), ("$", b"2")]),
        ("*", [("$", b"b"), ("$", b"2"), ("$", b"a"), ("$", b"1")]))
    assert not COMPARE["pairs"](
        ("*", [("$", b"a"), ("$", b"1"), ("$", b"b"), ("$", b"2")]),
        ("*", [("$", b"a"), ("$", b"2"), ("$", b"b"), ("$", b"1")]))
    assert plain(("$", b"x")) == b"x"
