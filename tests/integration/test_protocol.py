# SPDX-License-Identifier: MIT
"""Requests as bytes: pipelines, cuts, inline commands, what is refused."""

import random

import pytest

from harness.resp import encode

# A pipeline with what a cut could hurt: an empty bulk, CR and LF inside one,
# inline commands, a large value, a change of database.
CUT_REQUEST = (
    encode("SET", "k", "v") + encode("GET", "k") + b"PING\r\n"
    + encode("SET", "", "") + encode("GET", "")
    + encode("SET", "crlf", "a\r\n$3\r\nb") + encode("GET", "crlf")
    + b"ECHO 'in line'\r\n" + encode("SELECT", "1") + encode("GET", "k")
    + encode("SELECT", "0") + encode("MGET", "k", "", "none"))
CUT_REPLY = (
    b"+OK\r\n$1\r\nv\r\n+PONG\r\n+OK\r\n$0\r\n\r\n+OK\r\n"
    b"$8\r\na\r\n$3\r\nb\r\n$7\r\nin line\r\n+OK\r\n$-1\r\n+OK\r\n"
    b"*3\r\n$1\r\nv\r\n$0\r\n\r\n$-1\r\n")


def test_requests_cut_at_every_byte(raw):
    """The other client's round trip makes the server read the first part."""
    other = raw()
    for at in range(1, len(CUT_REQUEST)):
        c = raw()
        c.send(CUT_REQUEST[:at])
        assert other.call("PING") == ("+", b"PONG")
        c.send(CUT_REQUEST[at:])
        c.expect(CUT_REPLY)
        c.close()


def test_requests_byte_by_byte(raw):
    other = raw()
    c = raw()
    for i in range(len(CUT_REQUEST)):
        c.send(CUT_REQUEST[i:i + 1])
        if i % 7 == 0:
            other.call("PING")
    c.expect(CUT_REPLY)


@pytest.mark.parametrize("depth", [1, 2, 31, 32, 33, 100, 1000, 20000])
def test_pipelines_of_any_depth(raw, depth):
    c = raw()
    requests = b"".join(encode("SET", "k%d" % (i % 50), i)
                        + encode("GET", "k%d" % (i % 50))
                        for i in range(depth))
    # Both directions at once, or the buffers of the sockets fill up.
    replies = []
    for at in range(0, len(requests), 1 << 16):
        c.send(requests[at:at + (1 << 16)])
    replies = c.read_many(2 * depth)
    assert replies[::2] == [("+", b"OK")] * depth
    assert replies[1::2] == [("$", b"%d" % i) for i in range(depth)]


def test_a_pipeline_sees_its_own_changes(raw):
    c = raw()
    c.send(b"".join(encode("INCRBY", "n", 1) for _ in range(1000)))
    assert c.read_many(1000) == [(":", i + 1) for i in range(1000)]


def test_pieces_of_many_clients(raw):
    """Pieces of all lengths, up to some that are kept elsewhere; now and then
    a client has to wait with more behind that."""
    d = random.Random(11)
    clients, other = [raw() for _ in range(12)], raw()
    for round_at in range(6):
        todo, want = [], []
        for i, c in enumerate(clients):
            sent, expect = b"", []
            for j in range(d.randrange(1, 30)):
                name = "%d-%d-%d" % (round_at, i, j)
                pairs = [w for n in range(d.choice([1, 10, 40, 500]))
                         for w in ("%s-%d" % (name, n), "v" * d.randrange(60))]
                sent += encode("MSET", *pairs)
                sent += encode("MGET", pairs[0], pairs[-2])
                expect += [("+", b"OK"),
                           ("*", [("$", pairs[1].encode()),
                                  ("$", pairs[-1].encode())])]
                if d.randrange(8) == 0:
                    sent += encode("BLPOP", "list-" + name, 0)
                    expect.append(("*", [("$", b"list-" + name.encode()),
                                         ("$", name.encode())]))
                    other.call("RPUSH", "list-" + name, name)
            todo.append(sent)
            want.append(expect)
        while any(todo):
            i = d.randrange(len(clients))
            n = d.choice([1, 3, 100, 1000, 4096, 9000, 16384, 30000])
            clients[i].send(todo[i][:n])
            todo[i] = todo[i][n:]
        for c, expect in zip(clients, want):
            assert c.read_many(len(expect)) == expect


def test_clients_interleaved(raw):
    """Each client's replies are its own and in order."""
    clients = [raw() for _ in range(20)]
    choose = random.Random(7)
    sent = [0] * len(clients)
    for _ in range(2000):
        i = choose.randrange(len(clients))
        clients[i].send(encode("ECHO", "%d-%d" % (i, sent[i])))
        sent[i] += 1
    for i, c in enumerate(clients):
        want = [("$", b"%d-%d" % (i, n)) for n in range(sent[i])]
        assert c.read_many(sent[i]) == want


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1023, 16383, 16384,
                                  32767, 32768, 65536, 262143, 262144,
                                  1000000, 5000000])
def test_values_of_any_size(raw, size):
    value = random.Random(size).randbytes(size)
    c = raw()
    c.ok("SET", "k", value)
    assert c.call("GET", "k") == ("$", value)
    assert c.call("STRLEN", "k") == (":", size)


def test_many_large_replies_in_one_pipeline(raw):
    """More than the socket holds, read slowly."""
    value = b"x" * 300000
    c = raw()
    c.ok("SET", "k", value)
    c.send(encode("GET", "k") * 40)
    other = raw()
    assert other.call("PING") == ("+", b"PONG")
    for _ in range(40):
        c.expect(b"$300000\r\n" + value + b"\r\n")


@pytest.mark.parametrize("line, reply", [
    (b"PING\r\n", b"+PONG\r\n"),
    (b"PING\n", b"+PONG\r\n"),
    (b"  PING  \r\n", b"+PONG\r\n"),
    (b"ECHO hello\r\n", b"$5\r\nhello\r\n"),
    (b"ECHO \"a b\"\r\n", b"$3\r\na b\r\n"),
    (b"ECHO 'a \"b'\r\n", b"$4\r\na \"b\r\n"),
    (b"ECHO \"\\x41\\n\\t\\\"\\\\\"\r\n", b"$5\r\nA\n\t\"\\\r\n"),
    (b"ECHO 'it\\'s'\r\n", b"$4\r\nit's\r\n"),
    (b"ECHO \"\"\r\n", b"$0\r\n\r\n"),
    (b"ECHO a\"b c\"\r\n", b"$4\r\nab c\r\n"),
    (b"\r\n\r\nPING\r\n", b"+PONG\r\n"),
    (b"\tPING\r\n", b"+PONG\r\n"),
])
def test_inline(raw, line, reply):
    c = raw()
    c.send(line)
    c.expect(reply)
    assert c.call("PING") == ("+", b"PONG")


@pytest.mark.parametrize("request_, error", [
    (b"*1\r\n+PING\r\n", b"-ERR Protocol error: expected '$', got '+'"),
    (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length"),
    (b"*1x\r\n$4\r\nPING\r\n",
     b"-ERR Protocol error: invalid multibulk length"),
    (b"*99999999999999999999\r\n",
     b"-ERR Protocol error: invalid multibulk length"),
    (b"*1\r\n$x\r\n", b"-ERR Protocol error: invalid bulk length"),
    (b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length"),
    (b"*1\r\n$99999999999999999999\r\n",
     b"-ERR Protocol error: invalid bulk length"),
    (b"PING \"open\r\n", b"-ERR Protocol error: unbalanced quotes in request"),
    (b"PING 'a'b\r\n", b"-ERR Protocol error: unbalanced quotes in request"),
    (b"*" + b"1" * 70000, b"-ERR Protocol error: too big mbulk count string"),
    (b"*1\r\n$" + b"1" * 70000,
     b"-ERR Protocol error: too big bulk count string"),
    (b"x" * 70000, b"-ERR Protocol error: too big inline request"),
])
def test_protocol_errors(raw, request_, error):
    """Redis' text (ours may name the limit behind it), then the end."""
    c = raw()
    c.send(encode("SET", "before", "1"))
    try:
        c.send(request_)
    except (BrokenPipeError, ConnectionResetError):
        pass
    c.expect(b"+OK\r\n" + error)
    while not c.data.endswith(b"\r\n"):
        c._more()
    rest = bytes(c.data)
    del c.data[:]
    assert rest == b"\r\n" or (rest[:2] == b" (" and rest[-3:] == b")\r\n")
    c.expect_closed()
    assert raw().call("GET", "before") == ("$", b"1")


def test_nothing_runs_behind_a_protocol_error(raw):
    c = raw()
    c.send(b"*1\r\n$x\r\n" + encode("SET", "behind", "1"))
    c.expect(b"-ERR Protocol error: invalid bulk length")
    assert raw().call("EXISTS", "behind") == (":", 0)


@pytest.mark.parametrize("empty", [b"*0\r\n", b"*-1\r\n", b"\r\n", b"\n"])
@pytest.mark.parametrize("then", [b"PING\r\n", b"*1\r\n$4\r\nPING\r\n"])
def test_empty_requests_are_skipped(raw, empty, then):
    c = raw()
    c.send(empty + then + empty + empty + then)
    c.expect(b"+PONG\r\n+PONG\r\n")


@pytest.mark.parametrize("line", [b"POST / HTTP/1.1\r\n",
                                  b"Host: example.org\r\n"])
def test_a_web_page_cannot_talk_to_us(raw, line):
    c = raw()
    try:
        c.send(line + b"\r\n" + encode("SET", "k", "v"))
    except (BrokenPipeError, ConnectionResetError):
        pass
    c.expect_closed()
    assert raw().call("EXISTS", "k") == (":", 0)


def test_limits_of_the_protocol(fresh_server, config_name):
    """Each refusal names its variable; what is just inside passes."""
    if config_name == "redis":
        pytest.skip("redis-server has other limits")
    s = fresh_server(max_resp_args=8, max_resp_bulk_len=1000,
                     max_resp_inline_len=200)
    with s.raw() as c:
        c.ok("SET", "k", "x" * 1000)
        assert c.call("EXISTS", *"abcdefg") == (":", 0)
        c.send(b"ECHO " + b"x" * 150 + b"\r\n")
        assert c.read() == ("$", b"x" * 150)
    for request, error, name in [
            (encode("EXISTS", *"abcdefgh"), b"invalid multibulk length",
             b"KVNS_MAX_RESP_ARGS"),
            (encode("SET", "k", "x" * 1001), b"invalid bulk length",
             b"KVNS_MAX_RESP_BULK_LEN"),
            (b"ECHO " + b"x" * 300 + b"\r\n", b"too big inline request",
             b"KVNS_MAX_RESP_INLINE_LEN")]:
        with s.raw() as c:
            c.send(request)
            kind, text = c.read()
            assert kind == "-"
            assert text.startswith(b"ERR Protocol error: " + error)
            assert name in text
            c.expect_closed()
