# SPDX-License-Identifier: MIT
"""What is refused, and in which words: every command with too few, too many
and senseless arguments, and every option with senseless values, beside
redis-server."""

import pytest

from harness import server as servers
from harness.resp import encode, plain

# Not to be called here: they end the connection or the server, say nothing,
# or something else than one reply, take long, begin what others notice, or are
# about what there is not (see test_compatibility.py).
LEFT_OUT = {"acl", "bgrewriteaof", "bgsave", "client|reply", "cluster",
            "debug", "flushall", "flushdb", "monitor", "multi", "pfselftest",
            "psubscribe", "psync", "punsubscribe", "quit", "replicaof",
            "reset", "save", "shutdown", "slaveof", "ssubscribe", "subscribe",
            "sunsubscribe", "sync", "unsubscribe"}
# Redis 7.2 has one argument more
LATER = {("zrank", 4), ("zrevrank", 4)}


def names(conn):
    return {plain(v).decode() for v in conn.call("COMMAND", "LIST")[1]}


def both_know(ours, theirs):
    return sorted(names(ours) & names(theirs))


@pytest.fixture
def two(raw, redis_server):
    with redis_server.raw() as theirs:
        yield raw(), theirs


def ask(conn, calls):
    conn.send(b"".join(encode(*args) for args in calls))
    return conn.read_many(len(calls))


def test_arguments(two):
    """Every command and subcommand with none to four of them."""
    ours, theirs = two
    calls = [name.split("|") + list(args)
             for name in both_know(*two)
             if name not in LEFT_OUT and name.split("|")[0] not in LEFT_OUT
             for args in sorted({(word,) * n for word in ("a", "-1x")
                                 for n in range(5)})
             if args or not name.startswith("command")]
    for c in two:
        c.ok("SET", "a", "a")
    refused = 0
    for args, mine, real in zip(calls, ask(ours, calls), ask(theirs, calls)):
        if (args[0], len(args)) in LATER:
            continue
        refused += real[0] == "-"
        assert (mine[0] == "-") == (real[0] == "-"), (args, mine, real)
        assert mine[0] != "-" or mine == real, args
    assert refused > 1000, refused


def test_subcommands_that_there_are_not(two):
    ours, theirs = two
    inside = {name.split("|")[0] for name in both_know(*two) if "|" in name}
    calls = [[name, *rest] for name in sorted(inside - LEFT_OUT)
             for rest in (["nosuch"], ["nosuch", "a"], ["x" * 200],
                          ["help", "a"], [""])]
    assert len(calls) > 50
    assert ask(ours, calls) == ask(theirs, calls)


def test_subcommands_of_cluster(two):
    """The same words as a lone Redis, whatever is asked."""
    ours, theirs = two
    inside = [n for n in sorted(names(theirs)) if n.startswith("cluster|")]
    calls = [name.split("|") + ["1"] * n for name in inside + ["cluster|x"]
             for n in range(5)]
    assert len(inside) > 20
    assert ask(ours, calls) == ask(theirs, calls)


# Options whose value is fixed, where any word is let pass.
ANY_WORD = {"acl-pubsub-default", "appendfsync",
            "cluster-announce-hostname", "cluster-preferred-endpoint-type",
            "oom-score-adj", "oom-score-adj-values",
            "propagation-error-behavior", "repl-diskless-load",
            "sanitize-dump-payload", "shutdown-on-sigint",
            "shutdown-on-sigterm"}
# Refused whatever is said, and why.
WHY = (b" - there is no replication", b" - there is no append-only file",
       b" - TLS is left to a proxy in front of us",
       b" - client-query-buffer-limit and client-output-buffer-limit bound "
       b"them", b" - can't set immutable config")
CLAMPED = {"hz"}


def test_values_of_options(fresh_server):
    """What CONFIG SET of redis-server refuses is refused, in its words."""
    real = servers.real_redis()
    if real is None:
        pytest.skip("redis-server is not installed")
    try:
        # what one of the two takes all the same stays set
        with fresh_server().raw() as ours, real.raw() as theirs:
            refused_alike(ours, theirs)
    finally:
        real.stop()
        real.discard()


def refused_alike(ours, theirs):
    have = [plain(c.call("CONFIG", "GET", "*")) for c in (ours, theirs)]
    have = [h[::2] for h in have]
    calls = [("CONFIG", "SET", name.decode(), value)
             for name in sorted(set(have[0]) & set(have[1]))
             if name not in (b"requirepass", b"masterauth")
             for value in ("x", "maybe", "1zb", "-1", "2.5", "-1mb", "a b")]
    calls = [(call, reply) for call, reply in zip(calls, ask(theirs, calls))
             if reply[0] == "-"]
    assert len(calls) > 500
    replies = ask(ours, [call for call, _ in calls])
    for (call, real), mine in zip(calls, replies):
        name, value = call[2:]
        if mine == real or mine[0] == "-" and mine[1].endswith(WHY):
            continue
        if name == "cluster-link-sendbuf-limit":
            continue            # a size, though it is 0
        assert mine == ("+", b"OK"), call
        assert (value[0] in "-0123456789" or name in ANY_WORD
                or name in CLAMPED), call
        fixed = plain(ours.call("CONFIG", "GET", name))[1]
        assert name in CLAMPED or fixed != value.encode(), call
