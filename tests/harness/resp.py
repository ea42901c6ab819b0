# SPDX-License-Identifier: MIT
"""A RESP reader and a client that hide nothing.

A reply is a pair (type, value), where type is the first character of the
reply on the wire; so a null bulk, a null array and RESP3's null differ, and a
number in a bulk differs from an integer.

    "+" "-" "$" "=" "(" ","   bytes ("$" also None); "," as it was written
    ":"                       int
    "#"                       bool
    "_"                       None
    "*" "~" ">"               list of replies ("*" also None)
    "%" "|"                   list of pairs of replies
"""

import socket


class Incomplete(Exception):
    """The bytes end before the reply does."""


class Malformed(Exception):
    """The bytes are no reply."""


def _line(data, at):
    end = data.find(b"\r\n", at)
    if end < 0:
        raise Incomplete
    return bytes(data[at:end]), end + 2


def _int(text):
    digits = text[1:] if text[:1] == b"-" else text
    if not digits.isdigit():
        raise Malformed(repr(text))
    return int(text)


def parse(data, at=0):
    """One reply of data from at on: (reply, where the next one begins)."""
    if at >= len(data):
        raise Incomplete
    kind = chr(data[at])
    line, at = _line(data, at + 1)
    if kind in "+-,(":
        return (kind, line), at
    if kind == ":":
        return (kind, _int(line)), at
    if kind == "#":
        if line not in (b"t", b"f"):
            raise Malformed(repr(line))
        return (kind, line == b"t"), at
    if kind == "_":
        if line != b"":
            raise Malformed(repr(line))
        return (kind, None), at
    if kind not in "$=*~>%|":
        raise Malformed("%r then %r" % (kind, line[:80]))
    n = _int(line)
    if n == -1 and kind in "$*":
        return (kind, None), at
    if n < 0:
        raise Malformed("%s%d" % (kind, n))
    if kind in "$=":
        if len(data) < at + n + 2:
            raise Incomplete
        if data[at + n:at + n + 2] != b"\r\n":
            raise Malformed("a bulk of %d does not end there" % n)
        return (kind, bytes(data[at:at + n])), at + n + 2
    items = []
    for _ in range(2 * n if kind in "%|" else n):
        item, at = parse(data, at)
        items.append(item)
    if kind in "%|":
        items = list(zip(items[::2], items[1::2]))
    return (kind, items), at


def encode(*args):
    """A request as an array of bulks."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        arg = to_bytes(arg)
        out.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(out)


def to_bytes(arg):
    if isinstance(arg, bytes):
        return arg
    if isinstance(arg, float):
        return repr(arg).encode()
    return str(arg).encode()


def plain(reply):
    """A reply without its types: for assertions that do not mind them."""
    kind, value = reply
    if kind in "%|":
        return {plain(k): plain(v) for k, v in value}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


class Raw:
    """A connection on which every byte is ours."""

    def __init__(self, address, timeout=20):
        """address: (host, port), or the path of a unix socket."""
        if isinstance(address, tuple):
            self.sock = socket.create_connection(address, timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        self.data = bytearray()

    def send(self, *pieces):
        for piece in pieces:
            self.sock.sendall(piece)

    def _more(self):
        got = self.sock.recv(1 << 16)
        if not got:
            raise EOFError("closed after %r" % bytes(self.data[:200]))
        self.data += got

    def read(self):
        """The next reply, pushes included."""
        while True:
            try:
                reply, used = parse(self.data)
            except Incomplete:
                self._more()
                continue
            del self.data[:used]
            return reply

    def read_many(self, n):
        """The next n replies; faster than n times read."""
        replies = []
        at = 0
        while len(replies) < n:
            try:
                reply, at = parse(self.data, at)
            except Incomplete:
                del self.data[:at]
                at = 0
                self._more()
                continue
            replies.append(reply)
        del self.data[:at]
        return replies

    def call(self, *args):
        """Send one command, return its reply."""
        self.send(encode(*args))
        return self.read()

    def ok(self, *args):
        reply = self.call(*args)
        assert reply == ("+", b"OK"), (args, reply)

    def expect(self, want):
        """The next bytes are exactly these."""
        while len(self.data) < len(want):
            assert want.startswith(bytes(self.data)), (bytes(self.data), want)
            self._more()
        got = bytes(self.data[:len(want)])
        assert got == want, (got, want)
        del self.data[:len(want)]

    def expect_closed(self):
        """Nothing follows but the end of the stream."""
        assert not self.data, bytes(self.data[:200])
        try:
            got = self.sock.recv(1 << 16)
        except ConnectionResetError:
            got = b""
        assert got == b"", got

    def expect_nothing(self):
        """Nothing has come; asked after a round trip of another client."""
        assert not self.data, bytes(self.data[:200])
        self.sock.setblocking(False)
        try:
            got = self.sock.recv(1 << 16)
        except BlockingIOError:
            got = None
        finally:
            self.sock.settimeout(20)
        assert got is None, got

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
