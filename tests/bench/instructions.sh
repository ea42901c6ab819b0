#!/bin/sh
# Instructions of the server per GET and SET, counted by callgrind.
#
#     sh tests/bench/instructions.sh [requests]
#
# Unlike time, this figure is the same on a busy machine.  The server runs with
# N requests and with 2 N; the difference over N is what one costs, without
# the start, the fill and the end.  One client, pipeline 32, values of 32 bytes,
# 50,000 keys; one shard, then 7 shards on one loop.
set -eu
cd "$(dirname "$0")/../.."
n=${1:-50000}
binary=${KVNS_BIN:-}
if [ -z "$binary" ]; then
    sh tests/build.sh kvns-bench
    binary=build/kvns-bench
fi
for tool in valgrind redis-benchmark; do
    command -v $tool >/dev/null || {
        echo "instructions.sh: $tool is not installed" >&2
        exit 2
    }
done
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

load() {
    redis-benchmark -p "$port" -q -c 1 -P 32 -r 50000 "$@" >/dev/null 2>&1
}

# run SETTING REQUESTS COMMAND...: instructions of a whole run.
run() {
    setting=$1 requests=$2
    shift 2
    port=$(python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
    # shellcheck disable=SC2086
    env $setting KVNS_HOST=127.0.0.1 KVNS_PORT="$port" \
        KVNS_METRICS_PORT=0 \
        valgrind --tool=callgrind --callgrind-out-file="$work/out" \
        "$binary" >"$work/log" 2>&1 &
    server=$!
    tries=0
    until redis-cli -p "$port" ping >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ]; then
            cat "$work/log" >&2
            exit 1
        fi
        sleep 0.1
    done
    # Keys in their order, then the load.
    awk 'BEGIN {
        for (i = 0; i < 50000; i++)
            printf "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$32\r\n" \
                "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\r\n", i }' |
        redis-cli -p "$port" --pipe >/dev/null
    load -n "$requests" "$@"
    kill "$server"
    wait "$server" || :
    server=
    awk '/^(summary|totals):/ { n = $2 } END { printf "%d\n", n }' "$work/out"
}

v=vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv
one=KVNS_SHARDED_MODE=false
seven="KVNS_SHARDED_MODE=true KVNS_SHARD_COUNT=7 KVNS_THREADS=1"
for setting in "$one" "$seven"; do
    case $setting in
    "$one") label="one shard" ;;
    *) label="7 shards" ;;
    esac
    for command in GET SET; do
        if [ $command = GET ]; then
            set -- GET key:__rand_int__
        else
            set -- SET key:__rand_int__ $v
        fi
        once=$(run "$setting" "$n" "$@")
        twice=$(run "$setting" $((2 * n)) "$@")
        echo "$command, $label: $(((twice - once) / n)) instructions"
    done
done
