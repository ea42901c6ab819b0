# SPDX-License-Identifier: MIT
"""redis-cli's ways to look at a server, and the first steps of the README."""

import os
import re
import shutil
import subprocess
import time

import pytest

from harness.server import TOP, free_port

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def cli(server):
    path = shutil.which("redis-cli")
    if path is None:
        pytest.skip("redis-cli is not installed")

    def run(*args, seconds=30, **options):
        return subprocess.run(
            [path, "-p", str(server.port), *args], text=True,
            capture_output=True, timeout=seconds, **options)

    return run


@pytest.fixture
def keys(server):
    with server.raw() as raw:
        for i in range(50):
            raw.ok("SET", "s/%d" % i, "x" * i)
        raw.call("RPUSH", "l/long", *range(300))
        raw.call("RPUSH", "l/short", "1")
        raw.call("SADD", "set", *range(20))
        raw.call("HSET", "hash", *range(40))
        raw.call("ZADD", "zset", *[v for i in range(30) for v in (i, i)])
        for _ in range(200):
            raw.call("GET", "s/7")


def test_stat(server):
    path = shutil.which("redis-cli")
    if path is None:
        pytest.skip("redis-cli is not installed")
    p = subprocess.Popen([path, "-p", str(server.port), "--stat", "-i",
                          "0.1"], stdout=subprocess.PIPE, text=True)
    try:
        lines = [p.stdout.readline() for _ in range(6)]
    finally:
        p.terminate()
        p.wait(10)
    rows = [w.split() for w in lines if w and w.split()
            and w.split()[0].isdigit()]
    assert len(rows) >= 3
    # keys, memory, clients, blocked, requests (and more than before)
    counts = [int(row[4]) for row in rows]
    assert counts == sorted(counts) and counts[-1] > counts[0]
    assert all(re.match(r"[\d.]+[BKMG]$", row[1]) for row in rows)


def test_latency(cli):
    done = cli("--latency", "-i", "0.3")
    low, high, mean, n = done.stdout.split()
    assert float(low) <= float(mean) <= float(high) < 5000
    assert int(n) > 5


def test_bigkeys(cli, keys):
    done = cli("--bigkeys")
    assert done.returncode == 0 and "error" not in done.stderr.lower()
    text = done.stdout
    assert 'Biggest string found \'"s/49"\' has 49 bytes' in text
    assert 'Biggest   list found \'"l/long"\' has 300 items' in text
    assert 'Biggest    set found \'"set"\' has 20 members' in text
    assert 'Biggest   hash found \'"hash"\' has 20 fields' in text
    assert 'Biggest   zset found \'"zset"\' has 30 members' in text
    assert "Sampled 55 keys in the keyspace!" in text


def test_memkeys(cli, keys):
    text = cli("--memkeys").stdout
    assert "Sampled 55 keys in the keyspace!" in text
    match = re.search(r"Biggest   list found '\"l/long\"' has (\d+) bytes",
                      text)
    assert match and 600 < int(match.group(1)) < 10000


def test_hotkeys(fresh_server, config_name):
    path = shutil.which("redis-cli")
    if path is None:
        pytest.skip("redis-cli is not installed")
    s = fresh_server()
    with s.raw() as raw:
        raw.ok("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        for i in range(30):
            raw.ok("SET", "k%d" % i, "v")
        for _ in range(1000):
            raw.call("GET", "k7")
    done = subprocess.run([path, "-p", str(s.port), "--hotkeys"], text=True,
                          capture_output=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    hot = re.findall(r"hot key found with counter: (\d+)\s+keyname: (\S+)",
                     done.stdout)
    assert hot[0][1] == '"k7"' and int(hot[0][0]) > 5


def test_slowlog_and_friends(cli):
    assert cli("CONFIG", "SET", "slowlog-log-slower-than", "0",
               ).stdout == "OK\n"
    cli("SET", "k", "v")
    assert "SET" in cli("SLOWLOG", "GET", "5").stdout
    cli("CONFIG", "SET", "slowlog-log-slower-than", "10000")
    assert "peak.allocated" in cli("MEMORY", "STATS").stdout
    assert len(cli("MEMORY", "DOCTOR").stdout) > 10
    assert len(cli("LATENCY", "DOCTOR").stdout) > 10
    assert "histogram_usec" in cli("LATENCY", "HISTOGRAM", "set").stdout


# As the first version's README has it; only the ports are others.
SMOKE = """
KVNS_PERSIST_PATH=kvns.db "$KVNS" &
server=$!
trap 'kill $server; wait $server' EXIT
for i in $(seq 100); do
    redis-cli -p $KVNS_PORT PING >/dev/null 2>&1 && break
    sleep 0.1
done
# Write namespaced and default keys
redis-cli -p $KVNS_PORT SET db1/x 42
redis-cli -p $KVNS_PORT SET db2/x 99
redis-cli -p $KVNS_PORT SET counter 0
redis-cli -p $KVNS_PORT INCR counter

# Query data
redis-cli -p $KVNS_PORT GET db1/x
redis-cli -p $KVNS_PORT KEYS "db*/*"
redis-cli -p $KVNS_PORT SCAN 0 MATCH "db*/*" COUNT 100

# Inspect metrics
curl -s http://localhost:$KVNS_METRICS_PORT/metrics |
    grep -E '^kvns_(memory|keys|evictions)'
"""


def test_first_steps(binary, config_name, tmp_path):
    if config_name == "redis":
        pytest.skip("our README's first steps")
    for tool in ("redis-cli", "curl", "bash"):
        if shutil.which(tool) is None:
            pytest.skip(tool + " is not installed")
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("KVNS_")}
    env.update(KVNS=os.path.join(TOP, binary), KVNS_LOG="error",
               KVNS_PORT=str(free_port("0.0.0.0")),
               KVNS_METRICS_PORT=str(free_port("0.0.0.0")))
    done = subprocess.run(["bash", "-c", SMOKE], env=env, cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert lines[:5] == ["OK", "OK", "OK", "1", "42"], done
    assert sorted(lines[5:7]) == ["db1/x", "db2/x"]
    cursor = lines.index("0", 7)
    assert sorted(w for w in lines[cursor + 1:cursor + 4] if w
                  and not w.startswith("kvns")) == ["db1/x", "db2/x"]
    said = "\n".join(lines)
    for series in ('kvns_keys_total{namespace="db1"} 1',
                   'kvns_keys_total{namespace="default"} 1',
                   'kvns_evictions_total{namespace="db2"} 0'):
        assert series in said, said
    assert re.search(r'^kvns_memory_used_bytes\{namespace="db1"\} \d+$', said,
                     re.M)
    assert re.search(r"^kvns_memory_limit_bytes \d+$", said, re.M)
    limit = time.monotonic() + 10
    while not (tmp_path / "kvns.db").exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
