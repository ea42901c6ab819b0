# SPDX-License-Identifier: MIT
"""The power goes: whatever was not brought to the disk by then may be gone.

kill -9 proves nothing about fsync, so every call of the server that changes
the directory of its snapshots is recorded (harness/faults.c), and each prefix
of that record is played to a disk that keeps only what it must:

  - of a file, what it was when fsync was last called on it; of the bytes
    written since, none, some or all may be there as well;
  - of the directory, what it was when fsync was last called on it; of the
    changes since (a file made, renamed, removed), any of them may be done,
    in any order that they allow.

In each of these worlds the snapshot is the old one or the new one, whole; and
once the server has said that it is saved, it is the new one.
"""

import itertools

import pytest

from conftest import connect_py
from test_faults import ARGS, disk, injector, save  # noqa: F401


@pytest.fixture(autouse=True)
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("about files that we write")


def parse(data):
    """The record as a list of events."""
    events, at = [], 0
    while at < len(data):
        end = data.index(b"\n", at)
        words = data[at:end].decode().split()
        at = end + 1
        if words[0] == "write":
            n = int(words[2])
            events.append(("write", words[1], data[at:at + n]))
            at += n
        else:
            events.append(tuple(words))
    return events


class DiskModel:
    def __init__(self):
        self.there = {}             # inode: bytes as they are now
        self.synced = {}            # inode: bytes as they surely are
        self.names = {}             # name: inode, on the disk
        self.pending = []           # changes of names since

    def apply(self, event):
        what = event[0]
        if what == "open":
            # an inode's number may be used again
            self.there[event[1]] = self.synced[event[1]] = b""
            self.pending.append(("link", event[2], event[1]))
        elif what == "write":
            self.there[event[1]] += event[2]
        elif what == "fsync":
            self.synced[event[1]] = self.there[event[1]]
        elif what == "fsyncdir":
            self.names = self.names_after(self.pending)
            self.pending = []
        elif what in ("rename", "unlink"):
            self.pending.append(event)
        else:
            assert what == "close", event

    def names_after(self, changes):
        names = dict(self.names)
        for change in changes:
            if change[0] == "link":
                names[change[1]] = change[2]
            elif change[0] == "unlink":
                names.pop(change[1], None)
            elif change[1] in names:
                names[change[2]] = names.pop(change[1])
            else:
                return None         # renames what is not there: cannot be
        return names

    def worlds(self, name):
        """What may stand under a name after a cut: bytes, or None."""
        found = set()
        for n in range(len(self.pending) + 1):
            for some in itertools.combinations(self.pending, n):
                names = self.names_after(some)
                if names is None:
                    continue
                inode = names.get(name)
                if inode is None:
                    found.add(None)
                    continue
                sure, there = self.synced[inode], self.there[inode]
                found |= {sure, there, there[:(len(sure) + len(there)) // 2],
                          sure + b"\0" * (len(there) - len(sure))}
        return found


def cuts(events, name, good):
    """Cut the power behind each event.  good(i): the bytes that may be there
    behind event i.  Returns the events behind which something else may."""
    model, bad = DiskModel(), []
    for i, event in enumerate(events):
        model.apply(event)
        if not model.worlds(name) <= good(i):
            bad.append(i)
    return bad


def record(disk, fresh_server, tmp_path, monkeypatch):  # noqa: F811
    """A record of some saves, and what was saved behind which event."""
    path = tmp_path / "data" / "x.rdb"
    file = tmp_path / "control" / "record"
    monkeypatch.setenv("FAULT_RECORD", str(file))
    s = fresh_server(args=ARGS, persist_path=path)
    r = connect_py(s, 2)
    saved = []                      # (events by then, bytes)
    for i, how in enumerate(["save", "bgsave", "bgsave", "save"]):
        r.mset({"k%d" % k: "%d " % i * 60 for k in range(3000)})
        assert save(r, how)
        saved.append((len(parse(file.read_bytes())), path.read_bytes()))
    r.set("last", 1)
    s.stop()
    events = parse(file.read_bytes())
    saved.append((len(events), path.read_bytes()))
    assert len({b for _, b in saved}) == len(saved)
    return events, saved


def good_behind(saved):
    def good(i):
        may = [b for at, b in saved if at > i + 1]
        done = [b for at, b in saved if at <= i + 1]
        # the last that was promised, or the one under way
        return {done[-1] if done else None} | set(may[:1])
    return good


def test_every_cut_leaves_the_old_or_the_new(disk, fresh_server,  # noqa: F811
                                             tmp_path, monkeypatch):
    events, saved = record(disk, fresh_server, tmp_path, monkeypatch)
    kinds = [e[0] for e in events]
    assert kinds.count("rename") == 5 and kinds.count("fsyncdir") == 5
    assert cuts(events, "x.rdb", good_behind(saved)) == []
    # and the same with an order that does not hold is noticed
    for wrong in ("fsync", "fsyncdir"):
        without = [e if e[0] != wrong else ("close",) for e in events]
        assert cuts(without, "x.rdb", good_behind(saved)) != [], wrong
    swapped = list(events)
    for i in range(len(swapped) - 1):
        if swapped[i][0] == "fsync":
            j = next(k for k in range(i, len(swapped))
                     if swapped[k][0] == "rename")
            swapped[i:j + 1] = [swapped[j]] + swapped[i:j]
            break
    assert cuts(swapped, "x.rdb", good_behind(saved)) != []


def test_a_failed_save_under_the_same_cuts(disk, fresh_server,  # noqa: F811
                                           tmp_path, monkeypatch):
    """One that fails on the way may leave nothing but the old one."""
    path = tmp_path / "data" / "x.rdb"
    file = tmp_path / "control" / "record"
    monkeypatch.setenv("FAULT_RECORD", str(file))
    s = fresh_server(args=ARGS, persist_path=path)
    r = connect_py(s, 2)
    r.mset({"k%d" % k: "x" * 100 for k in range(3000)})
    assert save(r, "bgsave")
    old = path.read_bytes()
    before = len(parse(file.read_bytes()))
    for call, n in [("write", 1), ("write", 3), ("fsync", 1), ("close", 1),
                    ("rename", 1)]:
        r.set("changed", call)
        disk.order(call, n, 5)
        assert not save(r, "bgsave")
    events = parse(file.read_bytes())
    assert len(events) > before
    assert cuts(events, "x.rdb", lambda i: {old} | (
        set() if i >= before - 1 else {None})) == []
