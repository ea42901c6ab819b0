#!/bin/sh
# Everything that `make test` and `make gates` run.
#
#     sh tests/run.sh test|gates [arguments for pytest]
#
# A step that fails does not keep the next from running; the last lines say
# which failed, and the exit status is then 1.  JOBS is how many tests run at
# a time (2).
set -u
cd "$(dirname "$0")/.." || exit 2
what=${1:-test}
[ $# -eq 0 ] || shift

jobs=${JOBS:-2}
python=$(sh tests/venv.sh) || exit 1
failed=

# step SECONDS NAME COMMAND...: run it under a time limit, remember a failure.
step() {
    limit=$1 name=$2
    shift 2
    echo "==== $name"
    start=$(date +%s)
    if command -v timeout >/dev/null 2>&1; then
        timeout -k 10 "$limit" "$@"
    else
        "$@"
    fi
    status=$?
    echo "==== $name: exit status $status after $(($(date +%s) - start)) s"
    [ $status -eq 0 ] || failed="$failed [$name]"
}

# suite SECONDS NAME VARIABLE=VALUE ARGUMENTS...: a run of pytest.
suite() {
    limit=$1 name=$2 setting=$3
    shift 3
    # shellcheck disable=SC2086
    step "$limit" "$name" env "$setting" "$python" -m pytest -q $spread "$@"
}

spread=
if "$python" -c 'import xdist' 2>/dev/null; then
    spread="-n $jobs --dist worksteal"
fi

case $what in
test)
    step 1200 "build" sh tests/build.sh kvns-test unit unit-malloc
    suite 1500 "checks and unit tests" KVNS_BIN=build/kvns-test \
        tests/test_checks.py tests/test_unit.py tests/test_fuzz.py \
        tests/test_docs.py tests/test_guide.py tests/test_packaging.py \
        tests/test_makefile.py "$@"
    for config in classic shards7 shards7x2; do
        suite 900 "integration, $config" KVNS_BIN=build/kvns-test \
            tests/integration --config $config "$@"
    done
    step 900 "integration, two tenants at once" \
        "$python" tests/bound.py build/kvns-test --config shards7x2 "$@"
    suite 600 "tools and browsers" KVNS_BIN=build/kvns-test tests/tools "$@"
    ;;
gates)
    step 1800 "build" sh tests/build.sh kvns-bench kvns-plain kvns-asan \
        kvns-tsan kvns-s390x kvns-aarch64 kvns-32 unit-plain unit-s390x \
        unit-aarch64 unit-32
    step 600 "static analysis" sh tests/checks/static.sh
    step 900 "headers of other systems" sh tests/checks/elsewhere.sh
    if command -v clang >/dev/null 2>&1; then
        for target in tests/fuzz/fuzz_*.c; do
            name=$(basename "$target" .c)
            name=${name#fuzz_}
            step 300 "fuzz $name" sh tests/fuzz/run.sh "$name" 30
        done
    fi
    for unit in unit-plain unit-s390x unit-aarch64 unit-32; do
        suite 600 "$unit" KVNS_UNITS=$unit tests/test_unit.py "$@"
    done
    suite 300 "snapshots between processors" KVNS_BIN=build/kvns-bench \
        tests/test_portable.py "$@"
    # Under emulation what touches bytes, not what measures or waits.
    # shellcheck disable=SC2046
    suite 900 "integration, kvns-s390x" KVNS_BIN=build/kvns-s390x \
        $(for family in strings keys lists hashes sets zsets streams bits \
            hyperloglog geo sort dump snapshot transactions; do
            echo "tests/integration/test_$family.py"; done) "$@"
    for program in kvns-bench kvns-plain kvns-asan; do
        suite 600 "integration, $program" KVNS_BIN=build/$program \
            tests/integration "$@"
    done
    suite 600 "tools and browsers, shards7x2" KVNS_BIN=build/kvns-bench \
        tests/tools --config shards7x2 "$@"
    suite 900 "integration, kvns-tsan, shards7x2" KVNS_BIN=build/kvns-tsan \
        tests/integration --config shards7x2 "$@"
    suite 600 "clients and frameworks of others" KVNS_BIN=build/kvns-bench \
        tests/foreign --timeout 300 "$@"
    step 900 "instructions per command" \
        "$python" tests/bench/instructions.py --check
    for config in classic shards7x2; do
        suite 3600 "100 kills, $config" KVNS_BIN=build/kvns-bench \
            tests/integration/test_kill.py --config $config \
            --kills 100 "$@"
        suite 3600 "long tests, $config" KVNS_BIN=build/kvns-bench \
            tests/integration --config $config --long "$@"
    done
    suite 1200 "every bit of a snapshot" KVNS_BIN=build/kvns-bench \
        tests/integration/test_load.py -k flips --flips all --timeout 1100 \
        "$@"
    for config in classic shards7x2; do
        suite 1800 "200,000 commands against redis-server, $config" \
            KVNS_BIN=build/kvns-bench \
            tests/integration/test_against_redis.py --config $config \
            --diff-commands 200000 --timeout 1700 "$@"
    done
    ;;
*)
    echo "tests/run.sh: test or gates, not $what" >&2
    exit 2
    ;;
esac

if [ -n "$failed" ]; then
    echo "tests/run.sh: failed:$failed"
    exit 1
fi
echo "tests/run.sh: all passed"
