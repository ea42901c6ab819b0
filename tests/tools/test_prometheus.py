# SPDX-License-Identifier: MIT
"""What watches servers, watching ours: promtool, Prometheus, redis_exporter."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse

import pytest

from harness import web
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


def until(port, path, good, seconds=60):
    """Ask until the answer is good; returns what good made of it."""
    limit = time.monotonic() + seconds
    while True:
        try:
            status, body = web.get(port, path)
            text = body.decode()
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


# Each alert: series of a bad day, after how many minutes it goes off, whom it
# tells of what, and what must change for it to be silent.
ALERTS = {
    "KvnsDown": (
        {'up{job="kvns",instance="a"}': "0x30"}, 1,
        {"job": "kvns", "severity": "critical"},
        "kvns on a does not answer.",
        {'up{job="kvns",instance="a"}': "1x30"}),
    "KvnsRestarted": (
        {'process_start_time_seconds{job="kvns",instance="a"}': "540x30"}, 0,
        {"job": "kvns", "severity": "info"},
        "kvns on a has been started again.",
        {'process_start_time_seconds{job="kvns",instance="a"}': "0x30"}),
    "KvnsMemoryNearLimit": (
        {'kvns_memory_used_bytes_total{instance="a"}': "95x30",
         'kvns_memory_limit_bytes{instance="a"}': "100x30"}, 5,
        {"severity": "warning"}, "kvns on a uses 95% of its memory limit.",
        {'kvns_memory_used_bytes_total{instance="a"}': "89x30"}),
    "KvnsNamespaceNearLimit": (
        {'kvns_memory_used_bytes{instance="a",namespace="n"}': "96x30",
         'kvns_namespace_limit_bytes{instance="a",namespace="n"}': "100x30"},
        5, {"severity": "warning", "namespace": "n"},
        "Namespace n on a uses 96% of its limit.",
        {'kvns_memory_used_bytes{instance="a",namespace="n"}': "94x30"}),
    "KvnsWritesRefused": (
        {'kvns_errors_total{instance="a",code="OOM"}': "0+60x30"}, 2,
        {"severity": "critical", "code": "OOM"},
        "kvns on a refuses writes, out of memory.",
        {'kvns_errors_total{instance="a",code="OOM"}': "60x30"}),
    "KvnsSnapshotFailed": (
        {'kvns_snapshot_last_ok{instance="a"}': "0x30"}, 1,
        {"severity": "critical"}, "The last snapshot of a failed.",
        {'kvns_snapshot_last_ok{instance="a"}': "1x30"}),
    "KvnsSnapshotOld": (
        {'kvns_snapshot_age_seconds{instance="a"}': "7200x30",
         'kvns_snapshot_unsaved_changes{instance="a"}': "5x30",
         'kvns_snapshots_total{instance="a"}': "1x30"}, 10,
        {"severity": "warning"},
        "a has unsaved changes and no snapshot for 2h 0m 0s.",
        {'kvns_snapshot_unsaved_changes{instance="a"}': "0x30"}),
    "KvnsClientsNearLimit": (
        {'kvns_connected_clients{instance="a"}': "91x30",
         'kvns_max_clients{instance="a"}': "100x30"}, 5,
        {"severity": "warning"},
        "91% of the client connections of a are taken.",
        {'kvns_connected_clients{instance="a"}': "90x30"}),
    "KvnsClientsRefused": (
        {'kvns_connections_rejected_total{instance="a"}': "0+60x30"}, 2,
        {"severity": "warning"}, "kvns on a refuses connections.",
        {'kvns_connections_rejected_total{instance="a"}': "7x30"}),
    "KvnsSlowTurns": (
        {'kvns_loop_turn_duration_seconds_bucket{instance="a",le="0.05"}':
         "0+90x30",
         'kvns_loop_turn_duration_seconds_bucket{instance="a",le="0.1"}':
         "0+100x30",
         'kvns_loop_turn_duration_seconds_bucket{instance="a",le="+Inf"}':
         "0+100x30"}, 10,
        {"severity": "warning"},
        "One turn in a hundred on a takes 95ms: everybody waits so long.",
        {'kvns_loop_turn_duration_seconds_bucket{instance="a",le="0.05"}':
         "0+100x30"}),
    "KvnsDescriptorsNearLimit": (
        {'process_open_fds{job="kvns",instance="a"}': "95x30",
         'process_max_fds{job="kvns",instance="a"}': "100x30"}, 5,
        {"severity": "warning", "job": "kvns"},
        "kvns on a runs out of descriptors.",
        {'process_open_fds{job="kvns",instance="a"}': "89x30"}),
}


def alert_test(name, series, told):
    """What promtool is to try: told is {minute: the alert, or nothing}."""
    return {"interval": "1m",
            "input_series": [{"series": k, "values": v}
                             for k, v in series.items()],
            "alert_rule_test": [
                {"eval_time": "%dm" % minute, "alertname": name,
                 "exp_alerts": alerts} for minute, alerts in told.items()]}


def test_alerts_go_off(tmp_path):
    """On a bad day, when it has lasted; and on no good one."""
    rules = os.path.join(TOP, "docs", "prometheus-alerts.yml")
    with open(rules) as f:
        there = re.findall(r"- alert: (\w+)", f.read())
    assert sorted(there) == sorted(ALERTS)
    tests = []
    for name, (bad, minutes, labels, summary, good) in ALERTS.items():
        alert = {"exp_labels": dict(labels, instance="a"),
                 "exp_annotations": {"summary": summary}}
        # rates need a second value before the wait begins
        told = {10 + minutes: [alert]} if minutes else {10: [alert]}
        if minutes > 1:
            told[minutes - 1] = []
        tests.append(alert_test(name, bad, told))
        tests.append(alert_test(name, dict(bad, **good), {10: [], 29: []}))

    path = tmp_path / "test.yml"
    path.write_text(json.dumps({    # which is YAML as well
        "rule_files": [rules], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([tool("promtool"), "test", "rules", str(path)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


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
    rules = json.loads(web.get(port, "/api/v1/rules")[1])["data"]["groups"]
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
