# SPDX-License-Identifier: MIT
"""HTTP beside RESP: /metrics, /healthz, /readyz, and its bounds."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import time

import pytest

from harness.resp import encode
from harness.server import free_port

pytestmark = pytest.mark.usefixtures("not_redis")

LINE = re.compile(
    r'^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$')


@pytest.fixture
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("redis-server speaks no HTTP")


class Watched:
    """A server and its HTTP port."""

    def __init__(self, server):
        self.server = server
        self.port = int(server.options["KVNS_METRICS_PORT"])

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return s

    def ask(self, path, method="GET", **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            c.request(method, path, headers=headers)
            answer = c.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            c.close()

    def page(self):
        status, headers, body = self.ask("/metrics")
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return body.decode("utf-8")

    def values(self):
        """{'name{labels}': value}, each line of the page checked."""
        found, typed = {}, set()
        for line in self.page().splitlines():
            if line.startswith("# TYPE "):
                name = line.split()[2]
                assert name not in typed
                typed.add(name)
            if line.startswith("#"):
                continue
            match = LINE.match(line)
            assert match, line
            base = re.sub("_(bucket|sum|count)$", "", match.group(1))
            assert match.group(1) in typed or base in typed, line
            series = line.rsplit(" ", 1)[0]
            assert series not in found, "twice: " + series
            found[series] = float(match.group(3))
        return found

    def call(self, *words):
        with self.server.raw() as raw:
            return raw.call(*words)


@pytest.fixture
def watched(fresh_server):
    def start(**options):
        options.setdefault("metrics_host", "127.0.0.1")
        return Watched(fresh_server(metrics_port="free", **options))

    return start


def read_all(s):
    data = b""
    while True:
        more = s.recv(65536)
        if not more:
            return data
        data += more


def test_documented_metrics_are_there_from_the_start(watched):
    v = watched().values()
    for name in ("kvns_keys_total", "kvns_memory_used_bytes",
                 "kvns_evictions_total", "kvns_ear_evictions_total"):
        assert v[name + '{namespace="default"}'] == 0
    assert v["kvns_memory_used_bytes_total"] >= 0
    assert v["kvns_memory_limit_bytes"] > 0
    assert v["kvns_snapshot_last_ok"] == 1
    assert v["process_resident_memory_bytes"] > 1 << 20
    assert v["process_open_fds"] >= 5
    assert abs(v["process_start_time_seconds"] - time.time()) < 600


def test_types(watched):
    page = watched().page()
    for name, kind in (("kvns_keys_total", "gauge"),
                       ("kvns_memory_used_bytes", "gauge"),
                       ("kvns_memory_used_bytes_total", "gauge"),
                       ("kvns_memory_limit_bytes", "gauge"),
                       ("kvns_command_duration_seconds", "histogram"),
                       ("kvns_evictions_total", "counter"),
                       ("kvns_ear_evictions_total", "counter")):
        assert "# TYPE %s %s\n" % (name, kind) in page


def test_keys_and_memory_by_namespace_fall_to_zero(watched):
    w = watched()
    with w.server.raw() as raw:
        for i in range(20):
            raw.ok("SET", "db1/%d" % i, "x" * 100)
        raw.ok("SET", "brief/x", "1")
        raw.call("DEL", "brief/x")
        raw.ok("SELECT", "1")
        raw.ok("SET", "db1/other", "y")
        raw.ok("SET", "plain", "y")
    v = w.values()
    assert v['kvns_keys_total{namespace="db1"}'] == 21
    assert v['kvns_keys_total{namespace="default"}'] == 1
    assert v['kvns_keys_total{namespace="brief"}'] == 0
    assert v['kvns_memory_used_bytes{namespace="db1"}'] > 2000
    assert v["kvns_memory_used_bytes_total"] == sum(
        n for s, n in v.items() if s.startswith("kvns_memory_used_bytes{"))
    w.call("FLUSHALL")
    v = w.values()
    assert v['kvns_keys_total{namespace="db1"}'] == 0
    assert v['kvns_memory_used_bytes{namespace="db1"}'] == 0
    assert v["kvns_memory_used_bytes_total"] == 0


def test_commands_are_counted_exactly(watched):
    w = watched()
    with w.server.raw() as raw:
        for i in range(100):
            raw.ok("SET", "k%d" % i, "v")
        raw.call("GET", "k1")
        raw.call("GET", "nothing")
        raw.call("LPUSH", "k1", "x")
        raw.call("INCR")
    v = w.values()
    name = "kvns_command_duration_seconds"
    labels = 'command="set",namespace="default"'
    assert v["%s_count{%s}" % (name, labels)] == 100
    assert v['%s_bucket{%s,le="+Inf"}' % (name, labels)] == 100
    assert 0 < v["%s_sum{%s}" % (name, labels)] < 60
    buckets = [(float(re.search('le="([^"]*)"', s).group(1)), n)
               for s, n in v.items()
               if s.startswith(name + "_bucket{" + labels)]
    assert [b for b, _ in buckets] == sorted(b for b, _ in buckets)
    assert [n for _, n in buckets] == sorted(n for _, n in buckets)
    assert buckets[0][0] == 1e-6 and buckets[-2][0] == 10
    done = 'kvns_commands_total{command="%s",outcome="%s"}'
    assert v[done % ("set", "ok")] == 100
    assert v[done % ("set", "failed")] == 0
    assert v[done % ("lpush", "failed")] == 1
    assert v[done % ("incr", "rejected")] == 1
    assert v['kvns_errors_total{code="WRONGTYPE"}'] == 1
    assert v["kvns_keyspace_hits_total"] >= 1
    assert v["kvns_keyspace_misses_total"] >= 1
    assert v["kvns_network_received_bytes_total"] > 1000


DURATION = "kvns_command_duration_seconds"


def test_durations_by_namespace(watched):
    w = watched(metrics_busiest=3, metrics_namespaces="named")
    with w.server.raw() as raw:
        for ns, n in (("busy", 900), ("calm", 400), ("rare", 50)):
            raw.send(b"".join(encode("SET", ns + "/k", "v")
                              for _ in range(n)))
            raw.read_many(n)
        raw.call("GET", "named/k")
        raw.call("PING")
        count = DURATION + '_count{command="%s",namespace="%s"}'
        limit = time.monotonic() + 20
        v = {}
        while not {count % ("get", "busy"), count % ("get", "calm")} <= set(v):
            assert time.monotonic() < limit
            for ns in ("busy", "calm"):
                for _ in range(10):
                    raw.call("GET", ns + "/k")
            v = w.values()
        before = v[count % ("get", "busy")]
        calm = v[count % ("get", "calm")]
        raw.ok("MULTI")
        raw.call("GET", "busy/k")
        raw.call("GET", "calm/k")
        raw.call("EXEC")
        raw.call("OBJECT", "ENCODING", "busy/k")
        raw.call("SINTERCARD", "2", "calm/s", "busy/s")
        raw.call("ZUNIONSTORE", "busy/z", "1", "calm/z")
        v = w.values()
    assert v[count % ("get", "busy")] == before + 1
    assert v[count % ("get", "calm")] == calm + 1
    assert v[count % ("object|encoding", "busy")] == 1
    assert v[count % ("sintercard", "calm")] == 1
    assert v[count % ("zunionstore", "busy")] == 1
    # What came before they had labels is in the rest, and nothing is lost.
    assert v[count % ("get", "named")] == 1
    assert v[count % ("ping", "")] >= 1
    for command in ("get", "set"):
        counted = sum(n for s, n in v.items()
                      if s.startswith(DURATION + "_count{command=\"%s\","
                                      % command))
        assert counted == v[
            'kvns_commands_total{command="%s",outcome="ok"}' % command]


def test_limits_and_memory_by_kind(watched):
    w = watched(ns_limits="small:1mb,unused:2mb")
    w.call("SET", "small/k", "x" * 10000)
    w.call("SET", "e", "x", "EX", "100")
    v = w.values()
    limit = 'kvns_namespace_limit_bytes{namespace="%s"}'
    assert v[limit % "small"] == 1 << 20
    assert v[limit % "unused"] == 2 << 20
    assert limit % "default" not in v
    assert v['kvns_namespace_expiring_keys{namespace="default"}'] == 1
    assert v['kvns_memory_bytes{kind="data"}'] == v[
        "kvns_memory_used_bytes_total"] <= v["kvns_memory_peak_bytes"]
    assert v['kvns_memory_bytes{kind="freeing"}'] == 0
    assert v['kvns_db_keys{db="0"}'] == 2
    loops = [n for s, n in v.items()
             if s.startswith("kvns_loop_turn_duration_seconds_count")]
    assert loops and all(n > 0 for n in loops)


def test_counters_survive_their_namespace(watched):
    w = watched()
    with w.server.raw() as raw:
        raw.ok("SET", "ns/x", "1")
        raw.call("GET", "ns/x")
        raw.call("DEL", "ns/x")
        raw.ok("SET", "ns/x", "1")
        raw.call("GET", "ns/x")
    assert w.values()['kvns_namespace_hits_total{namespace="ns"}'] == 2
    w.call("DEL", "ns/x")
    assert w.values()['kvns_namespace_hits_total{namespace="ns"}'] == 2
    assert w.values()['kvns_namespace_hits_total{namespace="ns"}'] == 2


def test_evictions_by_namespace(watched):
    w = watched(memory_limit="1mb", eviction_policy="lru")
    with w.server.raw() as raw:
        for i in range(300):
            raw.call("SET", "cache/%d" % i, "x" * 10000)
    v = w.values()
    assert v['kvns_evictions_total{namespace="cache"}'] > 100
    assert v['kvns_evictions_total{namespace="default"}'] == 0
    assert v['kvns_ear_evictions_total{namespace="cache"}'] == 0
    assert v["kvns_memory_limit_bytes"] == 1 << 20


def test_expire_after_read_is_counted_apart(watched):
    w = watched(eviction_policy="ear")
    w.call("SET", "once/a", "1")
    w.call("SET", "once/b", "1")
    w.call("GET", "once/a")
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        v = w.values()
        if v['kvns_ear_evictions_total{namespace="once"}'] == 1:
            break
        time.sleep(0.05)
    assert v['kvns_ear_evictions_total{namespace="once"}'] == 1
    assert v['kvns_evictions_total{namespace="once"}'] == 0


def test_names_are_escaped(watched):
    w = watched()
    for name in (b"<script>", b'q"\\\n', b"caf\xc3\xa9", b"bad\xff",
                 b"bad\xfe", b"long" * 100):
        w.call("SET", name + b"/k", "v")
    v = w.values()
    key = 'kvns_keys_total{namespace="%s"}'
    assert v[key % "<script>"] == 1
    assert v[key % 'q\\"\\\\\\n'] == 1
    assert v[key % "caf\u00e9"] == 1
    # The two look alike: one series, or Prometheus would refuse the page.
    assert v[key % "bad\ufffd"] == 2
    assert v[key % ("long" * 64 + "...")] == 1


def test_labels_are_bounded(watched):
    w = watched(metrics_max_namespaces=3)
    w.call("SET", "a/k", "v")
    w.call("SET", "b/k", "v")
    before = w.values()
    assert 'kvns_keys_total{namespace="b"}' in before
    with w.server.raw() as raw:
        for i in range(50):
            raw.ok("SET", "n%d/k" % i, "v")
    v = w.values()
    labels = [s for s in v if s.startswith("kvns_keys_total")]
    assert len(labels) == 4
    assert v['kvns_keys_total{namespace="b"}'] == 1
    assert v['kvns_keys_total{namespace="overflow"}'] == 50


def test_paths_and_methods(watched):
    w = watched()
    assert w.ask("/healthz")[0::2] == (200, b"ok\n")
    assert w.ask("/readyz?x=1")[0::2] == (200, b"ok\n")
    status, headers, body = w.ask("/")
    assert status == 200 and b"/metrics" in body
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for far in (b"http:", b"https:", b"src=", b"@import"):
        assert far not in body.replace(b"http://www.w3.org/2000/svg", b"")
    assert w.ask("/nope")[0] == 404
    assert w.ask("/metrics/")[0] == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = w.ask("/metrics", method)
        assert status == 405
        assert headers["Allow"] == "GET, HEAD"


def test_what_the_status_page_asks_for(watched):
    w = watched(eviction_policy="lru", ns_limits="shop:5mb")
    with w.server.raw() as raw:
        raw.ok("CONFIG", "SET", "slowlog-log-slower-than", "0")
        for i in range(100):
            raw.ok("SET", "shop/%d" % i, "secret-value")
        raw.call("GET", "shop/1")
        raw.call("GET", "shop/none")
        raw.ok("SET", b"<script>\x01\"\xff\\/k", "v")
        raw.call("AUTH", "secret-password")
        raw.ok("CONFIG", "SET", "slowlog-log-slower-than", "10000")
    status, headers, body = w.ask("/status.json")
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert b"secret" not in body and b"<" not in body
    got = json.loads(body)
    spaces = {n[0]: n[1:] for n in got["namespaces"]}
    assert spaces["shop"][0] == 100 and spaces["shop"][2] == 5 << 20
    assert spaces["shop"][3:] == [1, 1, 0, 0, "lru", 102]
    assert spaces['<script>\x01"\ufffd\\'][0] == 1
    assert got["hits"] == 1 and got["misses"] == 1
    assert got["memory"]["limit"] == 1 << 30
    assert sum(n for _, n in got["latency"]) == sum(
        calls for _, calls, _ in got["busy"]) > 100
    assert ["set", 101] in [c[:2] for c in got["busy"]]
    assert {s[2] for s in got["slow"]} <= {"set", "get", "auth", "config|set"}
    assert got["snapshot"]["on"] is False and got["loading"] is None


def test_the_status_page_is_for_this_machine(watched, config_name):
    w = watched(metrics_host="0.0.0.0")
    for host, status in (("localhost:9090", 200), ("127.0.0.1", 200),
                         ("[::1]:80", 200), ("evil.example", 403),
                         ("localhost.evil.example:80", 403)):
        assert w.ask("/", Host=host)[0] == status, host
        assert w.ask("/status.json", Host=host)[0] == status, host
        assert w.ask("/metrics", Host=host)[0] == 200
        assert w.ask("/healthz", Host=host)[0] == 200
    here = outside_address()
    if here is not None:
        c = http.client.HTTPConnection(here, w.port, timeout=20)
        for path, status in (("/", 403), ("/status.json", 403),
                             ("/metrics", 200), ("/healthz", 200)):
            c.request("GET", path)
            answer = c.getresponse()
            text = answer.read()
            assert answer.status == status, path
            assert status == 200 or b"protected-mode" in text
        w.call("CONFIG", "SET", "protected-mode", "no")
        c.request("GET", "/")
        assert c.getresponse().status == 200
        c.close()


def outside_address():
    """An address of this machine that is not a loopback one, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))     # nothing is sent
            here = s.getsockname()[0]
        except OSError:
            return None
    return None if here.startswith("127.") else here


def test_head_has_the_length_and_no_body(watched):
    w = watched()
    for path in ("/healthz", "/metrics"):
        status, headers, body = w.ask(path, "HEAD")
        assert status == 200 and body == b""
        assert int(headers["Content-Length"]) > 2


def test_keep_alive_and_pipelining(watched):
    w = watched()
    c = http.client.HTTPConnection("127.0.0.1", w.port, timeout=20)
    for path in ("/metrics", "/healthz", "/nope", "/metrics"):
        c.request("GET", path)
        c.getresponse().read()
    kept = c.sock
    c.request("GET", "/healthz")
    assert c.getresponse().read() == b"ok\n"
    assert c.sock is kept
    c.close()
    with w.connect() as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20 +
                  b"GET /healthz HTTP/1.0\r\n\r\n")
        assert read_all(s).count(b"HTTP/1.1 200 OK") == 21
    with w.connect() as s:
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s).count(b"kvns_build_info{") == 1


def test_bad_requests(watched):
    w = watched()
    for request, status in (
            (b"nonsense\r\n\r\n", b"400"),
            (b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),
            (b"GET / HTTP/2.0\r\n\r\n", b"505"),
            (b"GET / HTTP/1.1\r\nA: " + b"x" * 9000, b"431"),
            (b"*1\r\n$4\r\nPING\r\n", b"400")):
        with w.connect() as s:
            s.sendall(request)
            assert read_all(s)[:12] == b"HTTP/1.1 " + status
    assert w.ask("/healthz")[0] == 200


def test_a_body_is_not_taken_for_a_request(watched):
    w = watched()
    with w.connect() as s:
        hidden = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                  % len(hidden) + hidden)
        answer = read_all(s)
    assert answer.startswith(b"HTTP/1.1 405")
    assert answer.count(b"HTTP/1.1") == 1


def test_slow_clients_are_cut_and_disturb_nobody(watched):
    w = watched()
    slow = [w.connect() for _ in range(40)]
    begun = time.monotonic()
    try:
        for s in slow:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHo")
        with w.server.raw() as raw:
            worst = 0.0
            for i in range(300):
                before = time.monotonic()
                raw.ok("SET", "k", "v")
                worst = max(worst, time.monotonic() - before)
        assert worst < 1
        # All places are taken, by connections that are cut after 5 s.
        assert w.ask("/healthz")[0] == 200
        assert time.monotonic() - begun < 15
        assert slow[0].recv(1) == b""
    finally:
        for s in slow:
            s.close()


def test_idle_connections_give_way(watched):
    w = watched()
    idle = []
    for _ in range(32):
        s = w.connect()
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
        idle.append(s)
    begun = time.monotonic()
    assert w.ask("/healthz")[0] == 200
    assert time.monotonic() - begun < 3
    for s in idle:
        s.close()


def test_who_does_not_read_the_answer_disturbs_nobody(watched):
    w = watched()
    with w.server.raw() as raw:
        for i in range(300):
            raw.ok("SET", "%s%d/k" % ("n" * 200, i), "v")
    with w.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        for i in range(100):
            assert w.call("PING") == ("+", b"PONG")
        assert w.ask("/healthz")[0] == 200


def test_not_ready_after_a_failed_save(watched, tmp_path):
    path = tmp_path / "dump.rdb"
    w = watched(persist_path=str(path), persist_interval=0)
    w.call("SET", "k", "v")
    assert w.call("SAVE") == ("+", b"OK")
    assert w.ask("/readyz")[0] == 200
    assert w.values()["kvns_snapshots_total"] == 1
    path.unlink()
    path.mkdir()
    (path / "in-the-way").write_text("")
    w.call("SET", "k", "w")
    assert w.call("SAVE")[0] == "-"
    assert w.ask("/readyz")[0::2] == (503, b"the last snapshot failed\n")
    assert w.ask("/healthz")[0] == 200
    assert w.values()["kvns_snapshot_last_ok"] == 0
    shutil.rmtree(path)
    assert w.call("SAVE") == ("+", b"OK")
    assert w.ask("/readyz")[0] == 200


def test_a_port_that_is_taken(binary, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        run = subprocess.run(
            [binary, "--port", str(free_port()), "--host", "127.0.0.1",
             "--metrics-host", "127.0.0.1", "--metrics-port", str(port)],
            capture_output=True, timeout=30, cwd=tmp_path)
    assert run.returncode == 1
    assert ("kvns: cannot listen for HTTP on 127.0.0.1 port %d" % port
            ).encode() in run.stderr


def test_promtool_finds_nothing_but_the_documented_names(watched):
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    w = watched()
    w.call("SET", "a/b", "c")
    w.call("NOSUCH")
    run = subprocess.run([tool, "check", "metrics"], input=w.page().encode(),
                         capture_output=True, timeout=30)
    said = (run.stdout + run.stderr).decode().splitlines()
    rest = [line for line in said if not line.startswith(
        ("kvns_keys_total ", "kvns_memory_used_bytes_total "))]
    assert rest == []
