# SPDX-License-Identifier: MIT
"""Users who live inside a namespace."""

import hashlib
import re
import time

import pytest

from harness.resp import encode, plain

HASH = "pbkdf2-sha256$4096$%s$%s"


def call(c, *args):
    return plain(c.call(*args))


def hashed(password, salt=b"0123456789abcdef", rounds=4096):
    return "pbkdf2-sha256$%d$%s$%s" % (rounds, salt.hex(), hashlib.pbkdf2_hmac(
        "sha256", password.encode(), salt, rounds).hex())


@pytest.fixture
def tenants(server, raw):
    """An administrator, and two connections that live in ua and in ub."""
    admin, a, b = raw(), raw(), raw()
    admin.ok("NAMESPACE", "USER", "ADD", "anna", "pa", "ua")
    admin.ok("NAMESPACE", "USER", "ADD", "bert", "pb", "ub")
    a.ok("AUTH", "anna", "pa")
    b.ok("AUTH", "bert", "pb")
    yield admin, a, b
    for name in ("anna", "bert"):
        admin.call("NAMESPACE", "USER", "REMOVE", name)


def test_who_may_log_in(tenants, raw):
    c = raw()
    wrong = ("-", b"WRONGPASS invalid username-password pair or user is "
                  b"disabled.")
    assert c.call("AUTH", "anna", "no") == wrong
    assert c.call("AUTH", "anna", "") == wrong
    assert c.call("AUTH", "anna", "pa\0") == wrong
    assert c.call("AUTH", "nobody", "pa") == wrong
    assert c.call("HELLO", "3", "AUTH", "anna", "no") == wrong
    c.ok("SET", "ua/x", "1")
    assert call(c, "GET", "x") is None      # still outside
    assert c.call("HELLO", "3", "AUTH", "anna", "pa")[0] == "%"
    assert call(c, "GET", "x") == b"1"
    assert b"user=anna" in call(c, "CLIENT", "INFO")
    assert c.call("RESET")[1] == b"RESET"
    assert call(c, "GET", "x") is None
    assert b"user=default" in call(c, "CLIENT", "INFO")


def test_keys_are_local(tenants):
    admin, a, b = tenants
    a.ok("SET", "k", "a")
    b.ok("SET", "k", "b")
    admin.ok("SET", "k", "admin")
    assert [call(c, "GET", "k") for c in tenants] == [b"admin", b"a", b"b"]
    assert call(admin, "GET", "ua/k") == b"a"
    # a prefix is part of the name, and leads nowhere
    for k in ("ub/k", "default/k", "/k", "../k", "ua/k"):
        assert call(a, "GET", k) is None
        a.ok("SET", k, "mine")
    assert call(b, "GET", "k") == b"b" and call(admin, "GET", "k") == b"admin"
    assert call(admin, "GET", "ua/ub/k") == b"mine"
    assert sorted(call(a, "KEYS", "*")) == [
        b"../k", b"/k", b"default/k", b"k", b"ua/k", b"ub/k"]
    assert call(a, "KEYS", "ub/*") == [b"ub/k"]
    assert call(b, "KEYS", "*") == [b"k"]
    assert call(b, "DBSIZE") == 1
    assert call(b, "SCAN", "0", "COUNT", "100")[1] == [b"k"]
    admin.ok("MSET", *["%d" % i for i in range(40)])
    assert {call(b, "RANDOMKEY") for _ in range(20)} == {b"k"}
    assert call(admin, "DEL", *range(0, 40, 2)) == 20
    assert call(b, "SCAN", "0", "MATCH", "ua/*")[1] == []
    assert call(b, "FLUSHALL") == b"OK"
    assert call(b, "DBSIZE") == 0
    assert call(a, "DBSIZE") == 6 and call(admin, "GET", "k") == b"admin"
    a.ok("FLUSHDB")
    assert call(admin, "KEYS", "*") == [b"k"]


def test_databases_within_the_namespace(tenants):
    admin, a, b = tenants
    a.ok("SELECT", 2)
    a.ok("SET", "k", "2")
    assert call(a, "MOVE", "k", 3) == 1
    assert call(admin, "GET", "ua/k") is None
    a.ok("SELECT", 3)
    assert call(a, "DBSIZE") == 1
    info = call(a, "INFO", "keyspace")
    assert b"db3:keys=1" in info and b"db2" not in info
    assert b"db" not in call(b, "INFO", "keyspace").replace(b"# Keysp", b"")
    a.ok("FLUSHALL")


def test_ttls_of_others_are_not_told(tenants):
    admin, a, b = tenants
    for i in range(20):
        admin.ok("SET", "k%d" % i, "1", "EX", "1000000")
        b.ok("SET", "k%d" % i, "1", "EX", "1000000")
        a.ok("SET", "k%d" % i, "1", "EX", "100")
    line = call(a, "INFO", "keyspace").splitlines()[1]
    assert line.startswith(b"db0:keys=20,expires=20,avg_ttl=")
    assert 90000 < int(line.split(b"avg_ttl=")[1]) <= 100000


def test_sort_stays_inside(tenants):
    admin, a, b = tenants
    admin.ok("SET", "w_1", "9")
    admin.ok("SET", "ub/w_1", "9")
    call(a, "RPUSH", "l", "1", "2")
    a.ok("SET", "w_1", "2")
    a.ok("SET", "w_2", "1")
    assert call(a, "SORT", "l", "BY", "w_*", "GET", "w_*") == [b"1", b"2"]
    assert call(a, "SORT", "l", "BY", "nosort", "GET", "ub/w_*",
                "GET", "default/w_*") == [None] * 4
    assert call(a, "SORT", "l", "STORE", "out") == 2
    assert call(a, "EXISTS", "out") == 1
    assert call(admin, "EXISTS", "out") == 0


def test_transactions_and_watch(tenants):
    admin, a, b = tenants
    a.ok("WATCH", "k")
    b.ok("SET", "k", "b")
    admin.ok("SET", "k", "admin")
    a.ok("MULTI")
    call(a, "SET", "k", "a")
    call(a, "GET", "k")
    assert call(a, "EXEC") == [b"OK", b"a"]
    a.ok("WATCH", "k")
    admin.ok("SET", "ua/k", "changed")
    a.ok("MULTI")
    call(a, "GET", "k")
    assert a.call("EXEC") == ("*", None)
    # a refused command spoils the transaction
    a.ok("MULTI")
    assert a.call("SWAPDB", "0", "1")[0] == "-"
    assert a.call("EXEC")[1].startswith(b"EXECABORT")


def test_a_flush_next_door_is_no_change(tenants):
    admin, a, b = tenants
    for c in tenants:
        c.ok("SET", "k", "1")
    a.ok("WATCH", "k")
    b.ok("FLUSHALL")
    b.ok("FLUSHDB")
    admin.ok("NAMESPACE", "FLUSH", "ub")
    admin.ok("NAMESPACE", "FLUSH", "default")
    a.ok("MULTI")
    call(a, "GET", "k")
    assert call(a, "EXEC") == [b"1"]
    a.ok("WATCH", "k")
    admin.ok("NAMESPACE", "FLUSH", "ua")
    a.ok("MULTI")
    call(a, "GET", "k")
    assert a.call("EXEC") == ("*", None)


def test_nobody_leaves_inside_a_transaction(tenants, raw):
    admin, a, b = tenants
    c = raw()
    c.ok("MULTI")
    call(c, "AUTH", "anna", "pa")
    call(c, "SET", "inside", "1")
    got = c.call("EXEC")[1]
    assert got[0][0] == "-" and b"transaction" in got[0][1]
    assert got[1] == ("+", b"OK")
    assert call(admin, "GET", "inside") == b"1"


def test_channels(tenants, raw):
    admin, a, b = tenants
    c = raw()
    c.ok("AUTH", "anna", "pa")
    for who in (admin, a, b):
        call(who, "SUBSCRIBE", "ch")
    call(a, "PSUBSCRIBE", "c*")
    call(b, "PSUBSCRIBE", "d*")
    assert call(c, "PUBLISH", "ch", "hi") == 2
    assert call(c, "PUBSUB", "NUMSUB", "ch") == [b"ch", 1]
    assert call(c, "PUBSUB", "NUMPAT") == 1
    assert call(c, "PUBSUB", "CHANNELS") == [b"ch"]
    assert plain(a.read()) == [b"message", b"ch", b"hi"]
    assert plain(a.read()) == [b"pmessage", b"c*", b"ch", b"hi"]
    call(c, "PING")
    admin.expect_nothing()
    b.expect_nothing()
    d = raw()
    assert call(d, "PUBLISH", "ch", "out") == 1
    assert plain(admin.read()) == [b"message", b"ch", b"out"]
    # who moves into a namespace hears no more of what it left
    e = raw()
    call(e, "SUBSCRIBE", "ch")
    call(e, "UNSUBSCRIBE", "ch")
    assert call(d, "PUBSUB", "NUMSUB", "ch") == [b"ch", 1]


def test_subscriptions_end_at_the_door(tenants, raw):
    c, d = raw(), raw()
    assert c.call("HELLO", "3")[0] == "%"
    c.call("SUBSCRIBE", "ch")
    c.ok("AUTH", "anna", "pa")
    assert call(d, "PUBLISH", "ch", "x") == 0
    assert call(d, "PUBSUB", "NUMSUB", "ch") == [b"ch", 0]


def test_events_of_its_own(tenants, raw):
    admin, a, b = tenants
    a2 = raw()
    a2.ok("AUTH", "anna", "pa")
    a2.ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
    assert call(a2, "CONFIG", "GET", "notify-keyspace-events") == [
        b"notify-keyspace-events", b"AKE"]
    assert call(b, "CONFIG", "GET", "notify-keyspace-events") == [
        b"notify-keyspace-events", b""]
    listener = raw()
    call(listener, "PSUBSCRIBE", "__key*")
    b2 = raw()
    b2.ok("AUTH", "bert", "pb")
    call(b, "PSUBSCRIBE", "*")
    call(a, "PSUBSCRIBE", "__key*@0__:*")
    a2.ok("SET", "k", "1")
    b2.ok("SET", "k", "1")
    admin.ok("SET", "k", "1")
    assert plain(a.read()) == [b"pmessage", b"__key*@0__:*",
                               b"__keyspace@0__:k", b"set"]
    assert plain(a.read()) == [b"pmessage", b"__key*@0__:*",
                               b"__keyevent@0__:set", b"k"]
    call(a2, "PING")
    for who in (a, b, listener):
        who.expect_nothing()
    # the administrator's are told with prefixes; tenants without a wish of
    # their own follow
    admin.ok("CONFIG", "SET", "notify-keyspace-events", "E$")
    b2.ok("SET", "k", "2")
    assert plain(b.read()) == [b"pmessage", b"*", b"__keyevent@0__:set", b"k"]
    assert plain(listener.read())[2:] == [b"__keyevent@0__:set", b"ub/k"]
    a2.ok("CONFIG", "SET", "notify-keyspace-events", "")
    a2.ok("SET", "k", "3")
    call(a2, "PING")
    a.expect_nothing()
    assert plain(listener.read())[3] == b"ua/k"
    admin.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_events_of_the_default_namespace(tenants, raw):
    admin, a, b = tenants
    admin.ok("NAMESPACE", "USER", "ADD", "dora", "pd", "default")
    d, d2 = raw(), raw()
    d.ok("AUTH", "dora", "pd")
    d2.ok("AUTH", "dora", "pd")
    d.ok("CONFIG", "SET", "notify-keyspace-events", "K$")
    call(d2, "SUBSCRIBE", "__keyspace@0__:k/l")
    d.ok("SET", "k/l", "1")
    assert plain(d2.read())[2] == b"set"
    assert call(admin, "GET", "default/k/l") == b"1"
    assert call(admin, "KEYS", "*") == [b"default/k/l"]
    assert call(d, "KEYS", "*") == [b"k/l"]
    d.ok("CONFIG", "SET", "notify-keyspace-events", "")
    assert call(admin, "NAMESPACE", "USER", "REMOVE", "dora") == 1


def test_events_end_with_a_drop(tenants):
    """What was said of a namespace goes with it, this as well."""
    admin, a, b = tenants
    a.ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
    admin.ok("NAMESPACE", "FLUSH", "ua")
    assert call(a, "CONFIG", "GET", "notify-keyspace-events")[1] == b"AKE"
    admin.ok("NAMESPACE", "DROP", "ua")
    assert call(a, "CONFIG", "GET", "notify-keyspace-events")[1] == b""


def test_clients_of_its_own(tenants, raw):
    admin, a, b = tenants
    c = raw()
    c.ok("AUTH", "anna", "pa")
    mine = call(a, "CLIENT", "LIST").splitlines()
    assert len(mine) == 2
    assert all(b"user=anna" in line for line in mine)
    ids = {who: call(who, "CLIENT", "ID") for who in (admin, a, b, c)}
    listed = call(a, "CLIENT", "LIST", "ID", ids[b], ids[c], ids[admin])
    assert listed.count(b"id=") - listed.count(b"-id=") == 1
    for who in (admin, b):
        assert call(a, "CLIENT", "KILL", "ID", ids[who]) == 0
    assert call(a, "CLIENT", "KILL", "TYPE", "normal") == 1
    c.expect_closed()
    assert call(b, "PING") == b"PONG" and call(admin, "PING") == b"PONG"
    assert len(call(admin, "CLIENT", "LIST").splitlines()) == 3
    b.send(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n$1\r\n0\r\n")
    limit = time.time() + 10
    while (b"flags=b" not in call(admin, "CLIENT", "LIST")
           and time.time() < limit):
        time.sleep(0.01)
    assert call(a, "CLIENT", "UNBLOCK", ids[b]) == 0
    assert call(admin, "RPUSH", "q", "not this") == 1
    assert call(admin, "RPUSH", "ub/q", "this") == 1
    assert plain(b.read()) == [b"q", b"this"]
    assert b"connected_clients:1\r\n" in call(a, "INFO", "clients")


def test_info_of_its_own(tenants, raw):
    admin, a, b = tenants
    admin.ok("NAMESPACE", "USER", "ADD", "anna", "pa", "ua")
    a.ok("SET", "k", "x" * 1000)
    admin.ok("SET", "big", "x" * 100000)
    admin.ok("NAMESPACE", "LIMIT", "ua", "1mb")
    admin.ok("NAMESPACE", "POLICY", "ua", "allkeys-lru")

    def fields(c, *sections):
        return dict(line.split(b":", 1)
                    for line in call(c, "INFO", *sections).splitlines()
                    if b":" in line)

    was = int(fields(a, "stats")[b"keyspace_hits"])
    call(a, "GET", "k")
    call(b, "GET", "k")
    call(admin, "GET", "big")
    f = fields(a, "everything")
    assert 1000 < int(f[b"used_memory"]) < 20000
    assert f[b"maxmemory"] == b"1048576"
    assert f[b"maxmemory_policy"] == b"allkeys-lru"
    assert int(f[b"keyspace_hits"]) == was + 1
    assert b"cmdstat_get" not in f and b"ns_ub" not in f
    # of what others do, nothing is to be seen
    assert f[b"used_memory_rss"] == f[b"used_memory_peak"] == \
        f[b"allocator_active"] == f[b"used_memory"]
    for name in (b"pubsub_channels", b"pubsub_patterns",
                 b"rejected_connections", b"pubsubshard_channels",
                 b"instantaneous_ops_per_sec",
                 b"total_reads_processed", b"total_writes_processed",
                 b"total_error_replies", b"rdb_changes_since_last_save",
                 b"kvns_freeing_bytes", b"lazyfreed_objects"):
        assert f[name] == b"0", name
    assert f[b"kvns_memory_limit_source"] == b""
    was = fields(a, "stats")
    s1, s2 = raw(), raw()
    s1.ok("AUTH", "anna", "pa")
    for s, n in ((s1, 1), (s2, 2)):
        s.call("SUBSCRIBE", *["c%d" % i for i in range(n)])
        s.call("PSUBSCRIBE", *["p%d*" % i for i in range(n)])
    call(admin, "ECHO", "x" * 100000)
    f = fields(a, "stats")
    assert f[b"pubsub_channels"] == f[b"pubsub_patterns"] == b"1"
    assert int(fields(admin, "stats")[b"pubsub_channels"]) >= 3
    for name in (b"total_net_input_bytes", b"total_net_output_bytes"):
        assert 0 < int(f[name]) - int(was[name]) < 20000, name
        assert int(fields(admin, "stats")[name]) > 100000
    assert f[b"total_commands_processed"] == was[b"total_commands_processed"]
    call(a, "GET", "k")
    assert int(fields(a, "stats")[b"total_commands_processed"]) == \
        int(was[b"total_commands_processed"]) + 1
    assert int(fields(b, "memory")[b"used_memory"]) == 0
    assert call(a, "CONFIG", "GET", "maxmemory", "maxmemory-policy") in (
        [b"maxmemory", b"1048576", b"maxmemory-policy", b"allkeys-lru"],
        [b"maxmemory-policy", b"allkeys-lru", b"maxmemory", b"1048576"])
    admin.ok("NAMESPACE", "DROP", "ua")


def test_options_that_are_none_of_its_business(tenants):
    admin, a, b = tenants
    seen = call(a, "CONFIG", "GET", "*")
    names = set(seen[::2])
    assert {b"databases", b"timeout", b"save"} <= names
    for name in (b"requirepass", b"password", b"dir", b"dbfilename", b"users",
                 b"users-file", b"unixsocket", b"pidfile", b"logfile", b"bind",
                 b"persist-path", b"ns-limits", b"ns-eviction", b"port"):
        assert name not in names
        assert call(a, "CONFIG", "GET", name) == []
    for args in (("maxmemory", "1"), ("requirepass", "x"),
                 ("notify-keyspace-events", "KEA", "save", "")):
        kind, text = a.call("CONFIG", "SET", *args)
        assert kind == "-" and text.startswith(b"NOPERM ")
    assert a.call("CONFIG", "SET", "notify-keyspace-events", "?")[0] == "-"
    assert call(a, "CONFIG", "GET", "notify-keyspace-events")[1] == b""


@pytest.mark.parametrize("args", [
    "SWAPDB 0 1", "SHUTDOWN NOSAVE", "DEBUG SLEEP 0", "SAVE", "BGSAVE",
    "BGREWRITEAOF", "MONITOR", "SLOWLOG GET", "LATENCY LATEST",
    "CONFIG REWRITE", "CONFIG RESETSTAT", "CLIENT PAUSE 0", "CLIENT UNPAUSE",
    "CLIENT NO-EVICT on", "REPLICAOF NO ONE", "MEMORY STATS",
    "MEMORY DOCTOR", "NAMESPACE LIST", "NAMESPACE INFO ua",
    "NAMESPACE DROP ua", "NAMESPACE FLUSH ub", "NAMESPACE LIMIT ua none",
    "NAMESPACE POLICY ua lru", "NAMESPACE USER LIST", "SYNC", "PSYNC ? -1",
    "NAMESPACE USER ADD anna x ub", "NAMESPACE USER REMOVE bert",
    "ACL USERS", "SLOWLOG RESET", "SLOWLOG LEN", "LATENCY RESET",
    "LATENCY HISTOGRAM", "LATENCY HISTORY command", "LATENCY GRAPH command",
    "LATENCY DOCTOR", "MEMORY PURGE", "MEMORY MALLOC-STATS", "FAILOVER",
    "SLAVEOF NO ONE", "REPLCONF ACK 0", "PFSELFTEST", "PFDEBUG ENCODING k",
])
def test_what_is_refused(tenants, args):
    admin, a, b = tenants
    words = args.split()
    kind, text = a.call(*words)
    assert kind == "-", text
    assert text.startswith(b"NOPERM User anna has no permissions to run the '"
                           + words[0].lower().encode())
    assert call(a, "PING") == b"PONG"


def test_what_clients_need_is_there(tenants):
    admin, a, b = tenants
    for args in ("CLIENT SETNAME x", "CLIENT SETINFO lib-name y", "CLIENT ID",
                 "COMMAND COUNT", "INFO", "CONFIG GET save", "ECHO x", "TIME",
                 "ROLE", "LASTSAVE", "MODULE LIST", "MEMORY USAGE k",
                 "OBJECT HELP", "HELLO 2", "SELECT 0", "WAIT 0 1",
                 "CLIENT NO-TOUCH off", "CLIENT GETNAME", "CLIENT LIST",
                 "PUBSUB CHANNELS"):
        kind, text = a.call(*args.split())
        assert kind != "-", (args, text)


def test_users_at_run_time(server, raw):
    admin, c = raw(), raw()
    assert call(admin, "NAMESPACE", "USER", "LIST") == []
    admin.ok("NAMESPACE", "USER", "ADD", "carl", hashed("from a file"), "uc")
    c.ok("AUTH", "carl", "from a file")
    admin.ok("NAMESPACE", "USER", "ADD", "carl", "new", "uc")
    assert call(c, "PING") == b"PONG"       # who is in stays in
    d = raw()
    assert d.call("AUTH", "carl", "from a file")[0] == "-"
    d.ok("AUTH", "carl", "new")
    assert call(admin, "NAMESPACE", "USER", "LIST") == [[b"carl", b"uc"]]
    assert call(admin, "NAMESPACE", "LIST") == [b"uc"]
    admin.ok("NAMESPACE", "USER", "ADD", "carl", "new", "elsewhere")
    c.expect_closed()                       # but not in the old place
    d.expect_closed()
    c = raw()
    c.ok("AUTH", "carl", "new")
    assert call(admin, "NAMESPACE", "USER", "REMOVE", "carl") == 1
    c.expect_closed()
    assert call(admin, "NAMESPACE", "USER", "REMOVE", "carl") == 0
    assert raw().call("AUTH", "carl", "new")[0] == "-"


@pytest.mark.parametrize("args", [
    ("ADD", "a b", "p", "n"), ("ADD", "", "p", "n"), ("ADD", "a:b", "p", "n"),
    ("ADD", "default", "p", "n"), ("ADD", "a", "", "n"), ("ADD", "a", "p", ""),
    ("ADD", "a", "p", "n/m"), ("ADD", "a", "pbkdf2-sha256$1$zz$00", "n"),
    ("ADD", "a", "pbkdf2-sha256$999999999$00$" + "00" * 32, "n"),
    ("ADD", "a", "p"), ("REMOVE",), ("NOSUCH", "a"), ("ADD", "x" * 256, "p",
                                                      "n"),
])
def test_users_that_are_wrong(raw, args):
    c = raw()
    assert c.call("NAMESPACE", "USER", *args)[0] == "-"
    assert b"carl" not in sum(call(c, "NAMESPACE", "USER", "LIST"), [])


def test_each_password_has_its_salt(fresh_server, tmp_path):
    path = str(tmp_path / "dump.rdb")
    s = fresh_server(persist_path=path)
    with s.raw() as c:
        for name in ("anna", "bert"):
            c.ok("NAMESPACE", "USER", "ADD", name, "the same", "ua")
    s.stop()
    with open(path, "rb") as f:
        kept = re.findall(rb"pbkdf2-sha256\$(\d+)\$([0-9a-f]+)"
                          rb"\$([0-9a-f]+)", f.read())
    assert len(kept) == 2 and len({salt for _, salt, _ in kept}) == 2
    for rounds, salt, sum in kept:
        assert int(rounds) >= 4096 and len(salt) == 32
        assert sum.decode() == hashed("the same", bytes.fromhex(
            salt.decode()), int(rounds)).split("$")[3]


def test_users_of_the_options(fresh_server, tmp_path):
    path = tmp_path / "users"
    path.write_text("# who may come in\n\ncarl:with:colons, and commas:uc\n"
                    "dora:%s:ud\n" % hashed("pd", rounds=1000))
    s = fresh_server(users="anna:pa:ua,bert:%s:ub" % hashed("pb"),
                     users_file=str(path), password="root")
    for name, password in (("anna", "pa"), ("bert", "pb"), ("dora", "pd"),
                           ("carl", "with:colons, and commas")):
        with s.raw() as c:
            assert c.call("GET", "k")[1].startswith(b"NOAUTH")
            assert c.call("AUTH", name, "wrong")[0] == "-"
            assert c.call("GET", "k")[1].startswith(b"NOAUTH")
            c.ok("AUTH", name, password)
            c.ok("SET", "k", name)
            assert c.call("AUTH", "default", "wrong")[0] == "-"
            assert call(c, "DBSIZE") == 1
    with s.raw() as c:
        c.ok("AUTH", "root")
        assert call(c, "GET", "uc/k") == b"carl"
        assert b"pa" not in b"".join(call(c, "CONFIG", "GET", "users"))


@pytest.mark.parametrize("text", ["x\n", "a:b\n", "a:b:c\nx y:p:n\n",
                                  "a::n\n", "a:p:\n"])
def test_a_users_file_that_is_wrong_stops_the_start(fresh_server, tmp_path,
                                                    text):
    path = tmp_path / "users"
    path.write_text(text)
    with pytest.raises(RuntimeError) as why:
        fresh_server(users_file=str(path))
    assert "exit status 2" in str(why.value)
    assert "%s:%d" % (path, text.count("\n")) in str(why.value)


def test_secrets_are_not_told(fresh_server):
    s = fresh_server(log="debug")
    with s.raw() as watcher, s.raw() as admin, s.raw() as c:
        admin.ok("CONFIG", "SET", "slowlog-log-slower-than", "0")
        watcher.ok("MONITOR")
        admin.ok("NAMESPACE", "USER", "ADD", "anna", "hush1", "ua")
        assert c.call("AUTH", "anna", "hush2")[0] == "-"
        c.ok("AUTH", "anna", "hush1")
        c.call("HELLO", "3", "AUTH", "anna", "hush1", "SETNAME", "seen")
        c.ok("MULTI")
        c.call("AUTH", "anna", "hush1")
        c.call("EXEC")
        c.ok("SET", "last", "1")
        told = b""
        while b'"last"' not in told:
            told += watcher.read()[1]
        assert b"hush" not in told and b"seen" in told
        slow = repr(admin.call("SLOWLOG", "GET", "-1"))
        assert "hush" not in slow and "seen" in slow
        assert "hush" not in repr(admin.call("NAMESPACE", "USER", "LIST"))
        assert "pbkdf2" not in repr(admin.call("CONFIG", "GET", "*"))
    s.stop()
    assert b"hush" not in s.log()


def longest_ping(c, seconds):
    worst, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        c.call("PING")
        worst = max(worst, time.monotonic() - begun)
    return worst


def test_wrong_passwords_hold_nobody_up(tenants, raw):
    """Thousands of them are under way, and would take many seconds."""
    admin, a, b = tenants
    guessers, n = [raw() for _ in range(8)], 200
    calls = b"cmdstat_auth:calls="
    begun = time.monotonic()
    for c in guessers:
        assert c.call("AUTH", "anna", "wrong")[0] == "-"
    one = (time.monotonic() - begun) / len(guessers)
    for c in guessers:
        c.send(encode("AUTH", "anna", "wrong") * n)
    assert longest_ping(admin, 0.5) < 2
    # who has not guessed is let in before those who have
    for name, password in (("anna", "pa"), ("bert", "pb")):
        c = raw()
        begun = time.monotonic()
        c.ok("AUTH", name, password)
        assert time.monotonic() - begun < 2 + 8 * one
        assert c.call("HELLO", "3", "AUTH", name, password)[0] == "%"
        assert call(c, "CLIENT", "INFO").count(b"user=" + name.encode()) == 1
    # they leave in the middle of it
    for c in guessers:
        c.close()
    assert longest_ping(admin, 0.2) < 2
    # each was answered in its turn, and what was sent behind it
    c = raw()
    c.send(encode("AUTH", "anna", "wrong") * 3 + encode("ECHO", "behind"))
    got = c.read_many(4)
    assert [x[1][:9] for x in got] == [b"WRONGPASS"] * 3 + [b"behind"]
    text = call(admin, "INFO", "commandstats")
    assert calls in text and int(
        text.split(calls)[1].split(b",")[0]) < 8 * n


def test_guesses_count_once(tenants, raw):
    admin, a, b = tenants
    c, m = raw(), raw()
    admin.ok("CONFIG", "RESETSTAT")
    m.ok("MONITOR")
    for _ in range(3):
        assert c.call("AUTH", "anna", "wrong")[0] == "-"
    c.ok("AUTH", "anna", "pa")
    text = call(admin, "INFO", "commandstats")
    assert b"cmdstat_auth:calls=4," in text
    assert b"failed_calls=3" in text.split(b"cmdstat_auth:")[1].split(b"\n")[0]
    admin.ok("SET", "end", "1")
    seen = b""
    while b"end" not in seen:
        seen += m.read()[1]
    assert seen.lower().count(b'"auth"') in (0, 4)
