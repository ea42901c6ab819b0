# SPDX-License-Identifier: MIT
"""COMMAND: what it says, compared with redis-server's own words."""

import pytest

from harness.resp import plain

# Where we follow Redis 7.2 instead of the 7.0 that we are compared with, or
# have something of our own.
DIFFERENT = {
    "zrank": {"arity"}, "zrevrank": {"arity"},      # WITHSCORE
}


def unpack(reply):
    """A reply without types: maps and pairs in lists as they are."""
    kind, value = reply
    if kind in "*~" and value is not None:
        return [unpack(v) for v in value]
    if kind == "%":
        return [x for k, v in value for x in (unpack(k), unpack(v))]
    return value.decode() if isinstance(value, bytes) else value


def as_map(flat):
    return dict(zip(flat[::2], flat[1::2]))


def spec(flat):
    s = as_map(flat)
    s.pop("notes", None)
    s["flags"] = sorted(s["flags"])
    return s


def commands(c):
    found = {}

    def add(row):
        found[row[0]] = {
            "arity": row[1], "flags": sorted(row[2]), "first": row[3],
            "last": row[4], "step": row[5], "categories": sorted(row[6]),
            "keys": [spec(s) for s in row[8]]}
        for sub in row[9]:
            add(sub)

    for row in unpack(c.call("COMMAND")):
        add(row)
    return found


def docs(c):
    found = {}

    def add(flat):
        for name, doc in as_map(flat).items():
            found[name] = as_map(doc)
            add(found[name].get("subcommands", []))

    add(unpack(c.call("COMMAND", "DOCS")))
    return found


def test_as_redis_has_it(raw, redis_server):
    ours, theirs = commands(raw()), commands(redis_server.raw())
    wrong = []
    for name in sorted(set(ours) & set(theirs)):
        for what, want in theirs[name].items():
            got = ours[name][what]
            if got != want and what not in DIFFERENT.get(name, ()):
                wrong.append((name, what, got, want))
    assert wrong == []
    assert len(set(ours) & set(theirs)) > 150


def test_docs_as_redis_has_them(raw, redis_server):
    ours, theirs = docs(raw()), docs(redis_server.raw())
    wrong = []
    for name in sorted(set(ours) & set(theirs)):
        for what in ("since", "group", "deprecated_since"):
            if ours[name].get(what) != theirs[name].get(what):
                wrong.append((name, what, ours[name].get(what),
                              theirs[name].get(what)))
        if "arguments" in theirs[name] and "arguments" not in ours[name]:
            wrong.append((name, "arguments"))
    assert wrong == []
    for name, doc in ours.items():
        assert doc["summary"] and doc.get("complexity", name), name


def test_count_and_list(raw):
    c = raw()
    n = plain(c.call("COMMAND", "COUNT"))
    assert len(c.call("COMMAND")[1]) == n
    names = unpack(c.call("COMMAND", "LIST"))
    assert len([x for x in names if "|" not in x]) == n
    assert "get" in names and "config|get" in names
    assert "config|get" in unpack(
        c.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "config*"))
    assert sorted(unpack(c.call("COMMAND", "LIST", "FILTERBY", "ACLCAT",
                                "transaction"))) == [
        "discard", "exec", "multi", "unwatch", "watch"]
    assert c.call("COMMAND", "LIST", "FILTERBY", "MODULE", "x") == ("*", [])
    assert c.call("COMMAND", "LIST", "FILTERBY", "x", "y") == (
        "-", b"ERR syntax error")


def test_info_of_one(raw):
    c = raw()
    kind, value = c.call("COMMAND", "INFO", "nosuch", "GET", "config|get")
    assert kind == "*" and value[0] == ("$", None)
    assert unpack(value[1])[0] == "get" and len(value[1][1]) == 10
    assert unpack(value[2])[0] == "config|get"
    c.call("HELLO", "3")
    row = c.call("COMMAND", "INFO", "get")[1][0][1]
    assert [kind for kind, _ in row] == list("$:~:::~~~~")


@pytest.mark.parametrize("args, keys", [
    ("GET a", "a"), ("MSET a 1 b 2", "a b"), ("BLPOP a b 0", "a b"),
    ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b"), ("LMPOP 2 a b LEFT", "a b"),
    ("OBJECT ENCODING a", "a"), ("MEMORY USAGE a", "a"),
    ("SORT a BY w GET x STORE d", "a d"), ("SORT a BY w", "a"),
    ("SORT a STORE x STORE y STORE d", "a d"),
    ("RENAME a b", "a b"),
])
def test_getkeys(raw, args, keys):
    assert unpack(raw().call("COMMAND", "GETKEYS", *args.split())) == \
        keys.split()


@pytest.mark.parametrize("args, error", [
    ("NOSUCH a", b"ERR Invalid command specified"),
    ("PING a", b"ERR The command has no key arguments"),
    ("GET a b", b"ERR Invalid number of arguments specified for command"),
    ("ZUNIONSTORE d 3 a b", b"ERR Invalid arguments specified for command"),
    ("ZUNIONSTORE d x a b", b"ERR Invalid arguments specified for command"),
])
def test_getkeys_refuses(raw, args, error):
    assert raw().call("COMMAND", "GETKEYS", *args.split()) == ("-", error)


@pytest.mark.parametrize("args, keys", [
    ("SET a b", {"a": "OW update"}),
    ("SET a b GET", {"a": "RW access update"}),
    ("LMOVE a b LEFT RIGHT", {"a": "RW access delete", "b": "RW insert"}),
    ("COPY a b", {"a": "RO access", "b": "OW update"}),
    ("SORT a STORE b", {"a": "RO access", "b": "OW update"}),
])
def test_getkeysandflags(raw, args, keys):
    got = unpack(raw().call("COMMAND", "GETKEYSANDFLAGS", *args.split()))
    assert {k: " ".join(f) for k, f in got} == keys


def test_docs_arguments(raw, config_name):
    if config_name == "redis":
        pytest.skip("Redis names its arguments in its own way")
    doc = docs(raw())["set"]
    args = [as_map(a) for a in doc["arguments"]]
    assert [a["name"] for a in args[:2]] == ["key", "value"]
    assert args[0]["type"] == "key" and args[0]["key_spec_index"] == 0
    choice = args[2]
    assert choice["type"] == "oneof" and choice["flags"] == ["optional"]
    assert [as_map(a)["token"] for a in choice["arguments"]] == ["NX", "XX"]


def test_unknown(raw):
    c = raw()
    assert c.call("COMMAND", "NOSE") == (
        "-", b"ERR unknown subcommand 'NOSE'. Try COMMAND HELP.")
    assert c.call("COMMAND", "DOCS", "nosuch") == ("*", [])
