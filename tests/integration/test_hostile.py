# SPDX-License-Identifier: MIT
"""Peers that are slow, silent, greedy, gone, or too many: nobody else waits,
nothing spins, nothing is kept for them beyond their limits."""

import os
import re
import resource
import socket
import struct
import time

import pytest

from harness.resp import encode, plain
from harness.server import Server


def rst(sock):
    """Close by reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


def resident(server):
    with open("/proc/%d/status" % server.pid) as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")


def cpu(server):
    """Seconds of processor time it has used."""
    with open("/proc/%d/stat" % server.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def info(c, section, field):
    text = plain(c.call("INFO", section)).decode()
    for line in text.split("\r\n"):
        if line.startswith(field + ":"):
            return line.split(":", 1)[1]
    raise AssertionError(field)


def wait_for(what, seconds=20):
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit, "waited for %d s" % seconds
        time.sleep(0.01)


def send_all(sock, data):
    """Send until the peer hangs up: is it still there?"""
    try:
        sock.sendall(data)
        return True
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        return False


@pytest.fixture
def linux(config_name):
    if not os.path.exists("/proc/self/stat") or config_name == "redis":
        pytest.skip("looks into /proc")


def test_one_client_too_many(fresh_server):
    s = fresh_server(max_clients=5)
    with s.raw() as c:                  # the fixture's own has left by then
        wait_for(lambda: info(c, "clients", "connected_clients") == "1")
    clients = [s.raw() for _ in range(5)]
    for c in clients:
        assert c.call("PING") == ("+", b"PONG")
    for _ in range(3):
        with s.raw() as late:
            assert late.read() == (
                "-", b"ERR max number of clients reached")
            late.expect_closed()
    assert info(clients[0], "stats", "rejected_connections") == "3"
    assert info(clients[0], "clients", "connected_clients") == "5"
    clients.pop().close()
    wait_for(lambda: info(clients[0], "clients", "connected_clients") == "4")
    with s.raw() as c:
        assert c.call("PING") == ("+", b"PONG")
    # the limit is changed while it holds
    clients[0].ok("CONFIG", "SET", "maxclients", "3")
    with s.raw() as late:
        assert late.read()[0] == "-"
    clients[0].ok("CONFIG", "SET", "maxclients", "100")
    with s.raw() as c:
        assert c.call("PING") == ("+", b"PONG")
    for c in clients:
        c.close()


def limited(binary, config, descriptors, **options):
    """A server that may not raise its limit of descriptors."""
    real = "ulimit -n %d; exec setpriv --bounding-set=-sys_resource " \
        "--inh-caps=-sys_resource %s" % (descriptors, binary)
    return Server("/bin/sh", config, args=["-c", real], **options)


def test_fewer_descriptors_than_clients(binary, config_name, linux):
    s = limited(binary, config_name, 300, max_clients=1000)
    try:
        s.start()
        assert b"only 300 descriptors are to be had, where max-clients " \
            b"1000 needs" in s.log()
        with s.raw() as c:
            n = int(plain(c.call("CONFIG", "GET", "maxclients"))[1])
            assert 100 < n < 300
            clients = [s.raw() for _ in range(n - 1)]
            assert clients[-1].call("PING") == ("+", b"PONG")
            with s.raw() as late:
                assert late.read()[0] == "-"
            for other in clients:
                other.close()
        s.stop()
    finally:
        s.discard()


def test_the_limit_of_descriptors_is_raised(binary, config_name, linux):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    real = "ulimit -S -n 64; exec %s" % binary
    s = Server("/bin/sh", config_name, args=["-c", real], max_clients=500)
    try:
        s.start()
        soft = resource.prlimit(s.pid, resource.RLIMIT_NOFILE)[0]
        assert 500 < soft <= hard
        assert b"descriptors are to be had" not in s.log()
        clients = [s.raw() for _ in range(200)]
        for c in clients:
            assert c.call("PING") == ("+", b"PONG")
            c.close()
        s.stop()
    finally:
        s.discard()


def test_more_clients_at_run_time(binary, config_name, linux):
    """CONFIG SET maxclients raises the limit of descriptors, or says how
    many clients it allows; then nothing of the CONFIG SET is done."""
    real = "ulimit -H -n 900; ulimit -S -n 300; exec %s" % binary
    s = Server("/bin/sh", config_name, args=["-c", real], max_clients=100)

    def value(c, name):
        return int(plain(c.call("CONFIG", "GET", name))[1])

    try:
        s.start()
        # without the right to raise the hard limit, which root has
        resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (300, 900))
        with s.raw() as c:
            c.ok("CONFIG", "SET", "maxclients", "400")
            soft, hard = resource.prlimit(s.pid, resource.RLIMIT_NOFILE)
            assert 400 < soft <= hard
            clients = [s.raw() for _ in range(350)]
            for other in clients:
                assert other.call("PING") == ("+", b"PONG")
                other.close()
            # more than any system has
            asked, was = "3000000000", value(c, "timeout")
            kind, said = c.call("CONFIG", "SET", "timeout", "77",
                                "maxclients", asked)
            assert kind == "-"
            match = re.fullmatch(
                rb"ERR CONFIG SET failed \(possibly related to argument "
                rb"'maxclients'\) - The operating system is not able to "
                rb"handle the specified number of clients, try with (\d+)",
                said)
            assert match, said
            assert value(c, "maxclients") == 400
            assert value(c, "timeout") == was
            most = int(match.group(1))
            assert most >= 700
            c.ok("CONFIG", "SET", "maxclients", str(most))
            assert value(c, "maxclients") == most
            c.ok("CONFIG", "SET", "maxclients", "50")
            assert c.call("CONFIG", "SET", "maxclients", "x")[0] == "-"
            assert value(c, "maxclients") == 50
        s.stop()
    finally:
        s.discard()


def test_no_descriptors_left(fresh_server, linux):
    """Connections wait; the loop does not spin, nor does the log."""
    s = fresh_server()
    c = s.raw()
    c.ok("SET", "k", "v")
    before = resource.prlimit(s.pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/%d/fd" % s.pid))
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (used, before[1]))
    waiting = [s.raw() for _ in range(10)]
    for w in waiting:
        w.send(encode("GET", "k"))
    wait_for(lambda: b"accepting connections" in s.log())
    begun, had = time.monotonic(), cpu(s)
    while time.monotonic() < begun + 1:
        assert c.call("GET", "k") == ("$", b"v")
        time.sleep(0.02)
    assert cpu(s) - had < 0.5
    assert s.log().count(b"accepting connections") <= 2
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, before)
    for w in waiting:
        assert w.read() == ("$", b"v")
        w.close()
    c.close()


def test_resets_before_and_after_accept(raw, server):
    c = raw()
    for i in range(300):
        sock = socket.create_connection(server.address)
        if i % 3 == 1:
            sock.sendall(encode("SET", "k", "v"))
        if i % 3 == 2:
            sock.sendall(encode("ECHO", "x" * 5000)[:-100])
        rst(sock)
        if i % 50 == 0:
            assert c.call("PING") == ("+", b"PONG")
    wait_for(lambda: info(c, "clients", "connected_clients") == "1")


def test_reset_while_blocked_subscribed_watching(raw, server):
    c = raw()
    for request in [encode("BLPOP", "l", "0"), encode("SUBSCRIBE", "ch"),
                    encode("WATCH", "w") + encode("MULTI"),
                    encode("PSUBSCRIBE", "*") + encode("PING"),
                    encode("MONITOR")]:
        sock = socket.create_connection(server.address)
        sock.sendall(request)
        c.call("PING")
        rst(sock)
    wait_for(lambda: info(c, "clients", "connected_clients") == "1")
    assert info(c, "clients", "blocked_clients") == "0"
    assert c.call("RPUSH", "l", "a") == (":", 1)
    assert c.call("LLEN", "l") == (":", 1)
    assert c.call("PUBLISH", "ch", "m") == (":", 0)


def test_keepalive_is_on(raw, server, linux):
    """A half-open connection is found out by probes."""
    c = raw()
    assert c.call("PING") == ("+", b"PONG")
    peer = c.sock.getsockname()[1]
    with open("/proc/net/tcp") as f:
        rows = [row.split() for row in f]
    timers = [row[5][:2] for row in rows
              if row[1].endswith(":%04X" % server.port)
              and row[2].endswith(":%04X" % peer)]
    assert timers == ["02"]             # 02: the keepalive timer runs


def test_a_slow_reader_is_cut_off(fresh_server, linux):
    s = fresh_server(client_output_buffer_limit="normal 4mb 0 0")
    c = s.raw()
    value = b"x" * 1000000
    c.ok("SET", "k", value)
    assert c.call("GET", "k") == ("$", value)
    had = resident(s)
    slow = s.raw(timeout=5)
    send_all(slow.sock, encode("GET", "k") * 500)
    worst = 0
    for _ in range(200):
        begun = time.monotonic()
        assert c.call("PING") == ("+", b"PONG")
        worst = max(worst, time.monotonic() - begun)
    assert worst < 0.5
    wait_for(lambda: info(c, "clients", "connected_clients") == "1")
    assert resident(s) - had < 100 << 20
    slow.close()
    c.close()


def test_huge_replies_in_one_pipeline_do_not_pile_up(fresh_server, linux):
    """What a batch answers goes out as it comes, not at the batch's end."""
    s = fresh_server(client_output_buffer_limit="normal 20mb 0 0",
                     max_resp_bulk_len="64mb")
    c = s.raw()
    assert c.call("SETRANGE", "k", 15999999, "x") == (":", 16000000)
    slow = s.raw(timeout=5)
    send_all(slow.sock, encode("GET", "k") * 32)
    wait_for(lambda: info(c, "clients", "connected_clients") == "1")
    # One reply of 16 MB, its copy that waits, and what allocators keep.
    with open("/proc/%d/status" % s.pid) as f:
        peak = [int(x.split()[1]) >> 10 for x in f
                if x.startswith("VmHWM:")][0]
    assert peak < 260, peak             # MiB; all 32 would be 500
    slow.close()
    c.close()


def test_strangers_get_no_memory(fresh_server, linux):
    """Errors that nobody reads, and headers that promise much."""
    s = fresh_server(password="secret")
    c = s.raw()
    c.ok("AUTH", "secret")
    had = resident(s)
    greedy = s.raw(timeout=5)
    alive = True
    for _ in range(400):
        alive = send_all(greedy.sock, encode("GET", "k") * 2000)
        if not alive:
            break
    assert not alive
    promising = []
    for _ in range(100):
        p = s.raw()
        p.send(b"*10\r\n$3\r\nSET\r\n$16384\r\n")
        promising.append(p)
    refused = s.raw()
    refused.send(b"*11\r\n$536870912\r\n")
    assert refused.read() == (
        "-", b"ERR Protocol error: unauthenticated multibulk length")
    refused.expect_closed()
    refused = s.raw()
    refused.send(b"*2\r\n$16385\r\n")
    assert refused.read() == (
        "-", b"ERR Protocol error: unauthenticated bulk length")
    refused.expect_closed()
    assert c.call("PING") == ("+", b"PONG")
    assert resident(s) - had < 32 << 20
    for p in promising + [greedy, c]:
        p.close()


def test_headers_that_promise_are_not_believed(fresh_server, linux):
    s = fresh_server(args=["--redis"])
    c = s.raw()
    c.call("PING")
    had = resident(s)
    promising = []
    for _ in range(100):
        p = s.raw()
        p.send(b"*1048576\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n")
        promising.append(p)
    assert c.call("PING") == ("+", b"PONG")
    assert resident(s) - had < 32 << 20
    for p in promising + [c]:
        p.close()


def test_a_byte_at_a_time(raw, server, linux):
    """Many who send slowly cost others nothing, and little memory."""
    c = raw()
    request = encode("SET", "slow", "x" * 40)
    c.call("PING")
    had = resident(server)
    slow = [raw() for _ in range(150)]
    worst = 0
    for i in range(len(request)):
        for s in slow:
            s.send(request[i:i + 1])
        begun = time.monotonic()
        assert c.call("PING") == ("+", b"PONG")
        worst = max(worst, time.monotonic() - begun)
    for s in slow:
        assert s.read() == ("+", b"OK")
    assert worst < 0.5
    assert resident(server) - had < 32 << 20


def test_input_that_waits_is_limited(fresh_server, config_name):
    """A blocked client is read, but not without end."""
    s = fresh_server(client_query_buffer_limit="1mb")
    c = s.raw(timeout=5)
    c.send(encode("BLPOP", "l", "0"))
    alive = True
    for _ in range(300):
        alive = send_all(c.sock, encode("PING") * 5000)
        if not alive:
            break
    assert not alive
    with s.raw() as other:
        assert info(other, "clients", "blocked_clients") == "0"
        assert other.call("RPUSH", "l", "a") == (":", 1)
        assert other.call("LLEN", "l") == (":", 1)
    c.close()


def test_after_a_large_argument_rest_then_more(raw):
    """Buffers that are given back when a client rests."""
    c = raw()
    for size in (5000000, 10, 100000):
        value = os.urandom(size)
        c.ok("SET", "k", value)
        time.sleep(0.3)
        assert c.call("GET", "k") == ("$", value)
        c.send(encode("SET", "k", value)[:size // 2])
        time.sleep(0.1)
        c.send(encode("SET", "k", value)[size // 2:])
        assert c.read() == ("+", b"OK")


def test_kill_and_push_in_one_turn(raw):
    """A blocked client is ended, and served, by one pipeline."""
    for how in ("KILL", "UNBLOCK"):
        c = raw()
        waiting = raw()
        number = plain(waiting.call("CLIENT", "ID"))
        waiting.send(encode("BLPOP", "l", "0"))
        wait_for(lambda: info(c, "clients", "blocked_clients") == "1")
        kill = encode("CLIENT", "KILL", "ID", number) if how == "KILL" \
            else encode("CLIENT", "UNBLOCK", number)
        c.send(kill + encode("RPUSH", "l", "a") + encode("LLEN", "l"))
        assert c.read_many(3) == [(":", 1)] * 3
        c.ok("FLUSHALL")
        waiting.close()


def test_kill_of_oneself_with_output_waiting(raw):
    c = raw()
    c.ok("SET", "k", "x" * 3000000)
    number = plain(c.call("CLIENT", "ID"))
    c.send(encode("GET", "k") * 5
           + encode("CLIENT", "KILL", "ID", number, "SKIPME", "no")
           + encode("SET", "behind", "1"))
    assert c.read_many(5) == [("$", b"x" * 3000000)] * 5
    assert c.read() == (":", 1)
    c.expect_closed()
    assert raw().call("EXISTS", "behind") == (":", 0)


@pytest.mark.parametrize("args, error", [
    (("SETRANGE", "s", "9223372036854775807", "xy"),
     b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
    (("SETRANGE", "s", "536870911", "xy"),
     b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
    (("SETRANGE", "s", "-1", "xy"), b"ERR offset is out of range"),
    (("SRANDMEMBER", "e", "-9223372036854775808"), b"ERR value is out of"
     b" range, value must between -9223372036854775807 and "
     b"9223372036854775807"),
    (("HRANDFIELD", "h", "-4611686018427387904", "WITHVALUES"),
     b"ERR value is out of range"),
    (("ZRANDMEMBER", "z", "-4611686018427387904", "WITHSCORES"),
     b"ERR value is out of range"),
    (("HINCRBYFLOAT", "h", "f", "nan"), b"ERR value is not a valid float"),
    (("HINCRBYFLOAT", "h", "f", "inf"), b"ERR value is NaN or Infinity"),
    (("COMMAND", "GETKEYS", "ZUNION", "99999", "x"), b"ERR"),
    (("COMMAND", "GETKEYS", "ZUNIONSTORE", "d", "9223372036854775807", "a"),
     b"ERR"),
    (("COMMAND", "GETKEYSANDFLAGS", "ZUNION", "-9223372036854775808", "a"),
     b"ERR"),
    (("ZUNIONSTORE", "d", "9223372036854775807", "a"), b"ERR syntax error"),
    (("SINTERCARD", "9223372036854775807", "a"),
     b"ERR Number of keys can't be greater than number of args"),
    (("LMPOP", "9223372036854775807", "a", "LEFT"), b"ERR syntax error"),
])
def test_numbers_that_overflow(raw, args, error):
    c = raw()
    c.call("SET", "s", "x")
    c.call("SADD", "e", "a")
    c.call("HSET", "h", "f", "1")
    c.call("ZADD", "z", "1", "a")
    kind, text = c.call(*args)
    assert kind == "-" and text.startswith(error), text
    assert c.call("GET", "s") == ("$", b"x")


def test_replies_without_end(raw, config_name):
    if config_name == "redis":
        pytest.skip("redis-server stands still for them")
    c = raw()
    c.call("SADD", "e", "a", "b")
    c.call("HSET", "h", "f", "1", "g", "2")
    c.call("ZADD", "z", "1", "a", "2", "b")
    for args in [("SRANDMEMBER", "e", "-500000000"),
                 ("HRANDFIELD", "h", "-500000000"),
                 ("HRANDFIELD", "h", "-500000000", "WITHVALUES"),
                 ("ZRANDMEMBER", "z", "-500000000", "WITHSCORES")]:
        begun = time.monotonic()
        assert c.call(*args) == (
            "-", b"ERR count is out of range, the reply would exceed 64mb")
        assert time.monotonic() - begun < 0.5
    assert len(plain(c.call("SRANDMEMBER", "e", "-10000"))) == 10000


@pytest.mark.parametrize("pattern", [b"*" * 60000, b"*?" * 30000,
                                     b"a*" * 500 + b"b", b"*[" * 1000,
                                     b"[a-" * 3000, b"\\" * 50001])
def test_patterns_that_take_long(raw, pattern):
    """Wherever patterns are taken, others are served at once."""
    c, subscriber = raw(), raw()
    c.ok("SET", b"a" * 20000, "v")
    begun = time.monotonic()
    assert c.call("KEYS", pattern)[0] == "*"
    assert c.call("SCAN", "0", "MATCH", pattern)[0] == "*"
    assert c.call("CONFIG", "GET", pattern)[0] in "*%"
    subscriber.send(encode("PSUBSCRIBE", pattern))
    assert subscriber.read()[0] == "*"
    assert c.call("PUBLISH", b"a" * 20000, "m")[0] == ":"
    # worse than pattern x text would take for ever
    assert time.monotonic() - begun < 60
