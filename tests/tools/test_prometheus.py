"""What watches servers, watching ours: promtool, Prometheus, redis_exporter."""

import http.client
import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse

import pytest

from harness.server import TOP, free_port

pytestmark = [pytest.mark.timeout(120),
              pytest.mark.usefixtures("not_redis")]


@pytest.fixture
def not_redis(config_name):
    if config_name == "redis":
        pytest.skip("this is about our metrics")


def tool(name):
    path = shutil.which(name)
    if path is None:
        pytest.skip(name + " is not installed")
    return path


def ask(port, path):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        c.request("GET", path)
        answer = c.getresponse()
        return answer.status, answer.read().decode()
    finally:
        c.close()


def until(port, path, good, seconds=60):
    """Ask until the answer is good; returns what good made of it."""
    limit = time.monotonic() + seconds
    while True:
        try:
            status, text = ask(port, path)
            if status == 200:
                made = good(text)
                if made:
                    return made
        except OSError:
            text = "no answer"
        assert time.monotonic() < limit, text[-2000:]
        time.sleep(0.1)


@pytest.fixture
def running(request, tmp_path):
    """Start a program that is ended with the test."""
    started = []

    def start(*command):
        with open(tmp_path / "tool.log", "ab") as log:
            p = subprocess.Popen(command, stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL, cwd=tmp_path)
        started.append(p)
        return p

    yield start
    for p in started:
        p.terminate()
        try:
            p.wait(15)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


def test_alert_rules():
    done = subprocess.run(
        [tool("promtool"), "check", "rules",
         os.path.join(TOP, "docs", "prometheus-alerts.yml")],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "SUCCESS" in done.stdout + done.stderr


def test_alerts_go_off(tmp_path):
    """Series as they would be on a bad day, and on a good one."""
    test = {
        "rule_files": [os.path.join(TOP, "docs", "prometheus-alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [
                {"series": 'kvns_memory_used_bytes_total{instance="a"}',
                 "values": "95x30"},
                {"series": 'kvns_memory_limit_bytes{instance="a"}',
                 "values": "100x30"},
                {"series": 'kvns_memory_used_bytes_total{instance="b"}',
                 "values": "10x30"},
                {"series": 'kvns_memory_limit_bytes{instance="b"}',
                 "values": "100x30"},
                {"series": 'kvns_snapshot_last_ok{instance="a"}',
                 "values": "0x30"},
                {"series": 'kvns_snapshot_last_ok{instance="b"}',
                 "values": "1x30"},
                {"series": 'up{job="kvns",instance="c"}', "values": "0x30"},
            ],
            "alert_rule_test": [
                {"eval_time": "10m", "alertname": name,
                 "exp_alerts": [{"exp_labels": labels}]}
                for name, labels in (
                    ("KvnsMemoryNearLimit",
                     {"instance": "a", "severity": "warning"}),
                    ("KvnsSnapshotFailed",
                     {"instance": "a", "severity": "critical"}),
                    ("KvnsDown", {"instance": "c", "job": "kvns",
                                  "severity": "critical"}))],
        }],
    }
    path = tmp_path / "test.yml"
    path.write_text(json.dumps(test))   # which is YAML as well
    done = subprocess.run([tool("promtool"), "test", "rules", str(path)],
                          capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    # Annotations are not compared here: only who is told of what.
    got = re.findall(r"got:\s*\[\s*(.*?)\]\s*$", said, re.S | re.M)
    if done.returncode != 0:
        for labels in ('instance="a", severity="warning"',
                       'instance="a", severity="critical"',
                       'instance="c", job="kvns"'):
            assert labels in said, said
        assert 'instance="b"' not in said, got


def test_prometheus_scrapes_us(fresh_server, running, tmp_path):
    prometheus = tool("prometheus")
    metrics, port = free_port(), free_port()
    s = fresh_server(metrics_host="127.0.0.1", metrics_port=metrics)
    with s.raw() as raw:
        for i in range(50):
            raw.ok("SET", "shop/%d" % i, "v")
        raw.ok("SET", 'we"ird\\\n/k', "v")
    (tmp_path / "prometheus.yml").write_text("""
global: {scrape_interval: 500ms, scrape_timeout: 500ms}
rule_files: [%s]
scrape_configs:
  - job_name: kvns
    static_configs: [{targets: ['127.0.0.1:%d']}]
""" % (os.path.join(TOP, "docs", "prometheus-alerts.yml"), metrics))
    running(prometheus, "--config.file=prometheus.yml",
            "--storage.tsdb.path=" + str(tmp_path / "data"),
            "--web.listen-address=127.0.0.1:%d" % port,
            "--log.level=warn")

    def query(text):
        def good(answer):
            return [r["value"][1]
                    for r in json.loads(answer)["data"]["result"]]
        return until(port, "/api/v1/query?query=" + urllib.parse.quote(text),
                     good)

    def scraped(answer):
        found = json.loads(answer)["data"]["activeTargets"]
        return [t for t in found if t["health"] != "unknown"]

    (target,) = until(port, "/api/v1/targets", scraped)
    assert target["health"] == "up" and target["lastError"] == ""
    assert query('kvns_keys_total{namespace="shop"}') == ["50"]
    assert query(r'kvns_keys_total{namespace="we\"ird\\\n"}') == ["1"]
    assert query("histogram_quantile(0.5, sum by (le) "
                 "(kvns_command_duration_seconds_bucket))")
    with s.raw() as raw:
        raw.ok("FLUSHALL")
    until(port, "/api/v1/query?query="
          + urllib.parse.quote('kvns_keys_total{namespace="shop"}'),
          lambda t: json.loads(t)["data"]["result"][0]["value"][1] == "0")
    rules = json.loads(ask(port, "/api/v1/rules")[1])["data"]["groups"]
    assert all(r["health"] != "err" for g in rules for r in g["rules"])


def test_redis_exporter(fresh_server, running):
    exporter = tool("prometheus-redis-exporter")
    port = free_port()
    s = fresh_server(args=["--redis"])
    with s.raw() as raw:
        raw.ok("SET", "k", "v", "EX", "100")
        raw.call("GET", "k")
        raw.call("GET", "none")
        raw.ok("CONFIG", "SET", "slowlog-log-slower-than", "0")
        raw.ok("SELECT", "3")
        raw.call("RPUSH", "list", "a", "b")
    running(exporter, "-redis.addr", "redis://%s:%d" % s.address,
            "-web.listen-address", "127.0.0.1:%d" % port,
            "-include-system-metrics", "-check-keys", "db3=list")
    page = until(port, "/metrics",
                 lambda text: "\nredis_up 1\n" in text and text)
    series = [line for line in page.splitlines()
              if line.startswith("redis_")]
    got = dict(line.rsplit(" ", 1) for line in series)
    assert got["redis_exporter_last_scrape_error{err=\"\"}"] == "0"
    assert len(series) >= 150
    for name in ("redis_uptime_in_seconds", "redis_connected_clients",
                 "redis_blocked_clients", "redis_memory_used_bytes",
                 "redis_memory_max_bytes", "redis_keyspace_hits_total",
                 "redis_keyspace_misses_total", "redis_expired_keys_total",
                 "redis_net_input_bytes_total", "redis_evicted_keys_total",
                 "redis_net_output_bytes_total", "redis_slowlog_length",
                 "redis_memory_used_rss_bytes", "redis_connected_slaves",
                 "redis_rdb_last_save_timestamp_seconds",
                 "redis_total_system_memory_bytes"):
        assert name in got, name
    assert got['redis_db_keys{db="db0"}'] == "1"
    assert got['redis_db_keys_expiring{db="db0"}'] == "1"
    assert got['redis_db_keys{db="db3"}'] == "1"
    assert got['redis_commands_total{cmd="get"}'] == "2"
    assert float(got[
        'redis_commands_duration_seconds_total{cmd="set"}']) > 0
    assert got['redis_key_size{db="db3",key="list"}'] == "2"
    assert any(s.startswith("redis_instance_info{") for s in got)
