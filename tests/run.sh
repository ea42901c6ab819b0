#!/bin/sh
# SPDX-License-Identifier: MIT
# Everything that `make test` and `make gates` run.
#
#     sh tests/run.sh test|gates [arguments for pytest]
#
# A step that fails does not keep the next from running; the last lines say
# which failed, and the exit status is then 1.  JOBS is how many tests run at
# a time (3, for many wait rather than work).
#
# A test that waits for other processes can be late on a busy machine.  So one
# or two that failed are tried twelve times more, three at a time; unless they
# pass each time they have failed, and if they do they are named at the end.
# What a sanitizer reports, or a server that ends, is never tried again.
set -u
cd "$(dirname "$0")/.." || exit 2
what=${1:-test}
[ $# -eq 0 ] || shift

# Whatever the environment says, what Python has compiled is kept: each run
# of the suite would else spend seconds on compiling it anew.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX="$PWD/build/pycache"

jobs=${JOBS:-3}
python=$(sh tests/venv.sh) || exit 1
failed=
unsteady=
# Where the tests write which of them may be tried again.
again="$PWD/build/again"

# limited SECONDS COMMAND...: run it under a time limit.
limited() {
    seconds=$1
    shift
    if command -v timeout >/dev/null 2>&1; then
        timeout -k 10 "$seconds" "$@"
    else
        "$@"
    fi
}

# passes_now COMMAND...: do the tests named in $again pass twelve times?
# shellcheck disable=SC2086
passes_now() {
    for round in 1 2 3 4; do
        pids=
        for copy in 1 2 3; do
            limited 120 env KVNS_ONLY="$again" "$@" \
                ${spread:+-n 0} -p no:cacheprovider >"$again.$copy" 2>&1 &
            pids="$pids $!"
        done
        good=yes
        for pid in $pids; do
            wait "$pid" || good=no
        done
        if [ $good = no ]; then
            echo "==== tried again, failed again in round $round of 4"
            cat "$again".[123]
            return 1
        fi
    done
}

# step SECONDS NAME COMMAND...: run it under a time limit, remember a failure.
step() {
    limit=$1 name=$2
    shift 2
    echo "==== $name"
    start=$(date +%s)
    rm -f "$again"
    limited "$limit" "$@"
    status=$?
    echo "==== $name: exit status $status after $(($(date +%s) - start)) s"
    [ $status -ne 0 ] || return 0
    if [ $status -eq 1 ] && [ -s "$again" ] && ! grep -qx no "$again" &&
        passes_now "$@"; then
        unsteady="$unsteady [$name: $(tr '\n' ' ' <"$again")]"
    else
        failed="$failed [$name]"
    fi
}

# absent NAME WHAT: a step is left out for want of something, which is a
# failure on the machine that decides.
absent() {
    echo "==== $1: $2 is not installed, left out"
    [ "${CI:-}" != true ] || failed="$failed [$1: no $2]"
    return 1
}

# need NAME PROGRAM...: are the programs there that a step needs?
need() {
    name=$1
    shift
    for program; do
        command -v "$program" >/dev/null 2>&1 && continue
        absent "$name" "$program"
        return 1
    done
}

# suite SECONDS NAME VARIABLE=VALUE ARGUMENTS...: a run of pytest.
suite() {
    limit=$1 name=$2 setting=$3
    shift 3
    # shellcheck disable=SC2086
    step "$limit" "$name" env KVNS_AGAIN="$again" "$setting" \
        "$python" -m pytest -q $spread "$@"
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
        env KVNS_AGAIN="$again" "$python" tests/bound.py build/kvns-test \
        --config shards7x2 "$@"
    suite 600 "tools and browsers" KVNS_BIN=build/kvns-test tests/tools "$@"
    ;;
gates)
    programs="kvns-bench kvns-plain kvns-asan kvns-tsan unit-plain"
    ! need "s390x" s390x-linux-gnu-gcc qemu-s390x ||
        programs="$programs kvns-s390x unit-s390x"
    ! need "aarch64" aarch64-linux-gnu-gcc qemu-aarch64 ||
        programs="$programs kvns-aarch64 unit-aarch64"
    if echo 'int main(void) { return 0; }' |
        ${CC:-cc} -m32 -x c - -o /dev/null 2>/dev/null; then
        programs="$programs kvns-32 unit-32"
    else
        absent "32 bits" "a C library for -m32"
    fi
    # shellcheck disable=SC2086
    step 1200 "build" sh tests/build.sh $programs
    step 300 "static analysis" sh tests/checks/static.sh
    step 600 "the ways through the functions" sh tests/checks/analyze.sh
    step 600 "headers of other systems" sh tests/checks/elsewhere.sh
    # A few targets at a time, half a minute each.
    # shellcheck disable=SC2016
    ! need "fuzzing" clang || step 900 "fuzzing" sh -c '
        ls tests/fuzz/fuzz_*.c | sed "s/.*fuzz_//; s/\.c$//" |
            xargs -P "$0" -I NAME sh tests/fuzz/run.sh NAME 30' "$jobs"
    step 600 "unit tests under valgrind" sh tests/memcheck.sh
    for unit in $programs; do
        case $unit in
        unit-*) suite 600 "$unit" KVNS_UNITS="$unit" tests/test_unit.py "$@" ;;
        esac
    done
    suite 300 "snapshots between processors" KVNS_BIN=build/kvns-bench \
        tests/test_portable.py "$@"
    # Under emulation what touches bytes, not what measures or waits.  Where
    # the processor is i386's its distances end in other digits than Redis'.
    for program in $programs; do
        # shellcheck disable=SC2046
        case $program in
        kvns-s390x | kvns-aarch64)
            suite 900 "integration, $program" "KVNS_BIN=build/$program" \
                $(for family in strings keys lists hashes sets zsets streams \
                    bits hyperloglog geo sort dump snapshot transactions; do
                    echo "tests/integration/test_$family.py"; done) "$@" ;;
        kvns-32)
            suite 600 "integration, $program" "KVNS_BIN=build/$program" \
                tests/integration \
                --ignore tests/integration/test_against_redis.py "$@" ;;
        esac
    done
    if need "coverage" gcovr; then
        step 300 "coverage, counting" sh tests/coverage.sh count
        suite 600 "integration, counting" KVNS_BIN=build/coverage/kvns \
            tests/integration tests/test_docs.py "$@"
        step 300 "coverage" env MIN_LINES=95 MIN_BRANCHES=85 \
            sh tests/coverage.sh report
    fi
    for program in kvns-plain kvns-asan; do
        suite 600 "integration, $program" "KVNS_BIN=build/$program" \
            tests/integration "$@"
    done
    suite 600 "tools and browsers, shards7x2" KVNS_BIN=build/kvns-bench \
        tests/tools --config shards7x2 "$@"
    suite 900 "integration, kvns-tsan, shards7x2" KVNS_BIN=build/kvns-tsan \
        tests/integration --config shards7x2 "$@"
    suite 600 "clients and frameworks of others" KVNS_BIN=build/kvns-bench \
        tests/foreign --timeout 300 "$@"
    ! need "instructions per command" valgrind ||
        step 600 "instructions per command" \
            "$python" tests/bench/instructions.py --check
    for config in classic shards7x2; do
        suite 600 "100 kills, $config" KVNS_BIN=build/kvns-bench \
            tests/integration/test_kill.py --config $config \
            --kills 100 "$@"
        suite 900 "long tests, $config" KVNS_BIN=build/kvns-bench \
            tests/integration --config $config --long "$@"
    done
    suite 900 "every bit of a snapshot" KVNS_BIN=build/kvns-bench \
        tests/integration/test_load.py -k flips --flips all --timeout 800 \
        "$@"
    for config in classic shards7x2; do
        suite 900 "200,000 commands against redis-server, $config" \
            KVNS_BIN=build/kvns-bench \
            tests/integration/test_against_redis.py --config $config \
            --diff-commands 200000 --timeout 800 "$@"
    done
    ;;
*)
    echo "tests/run.sh: test or gates, not $what" >&2
    exit 2
    ;;
esac

[ -z "$unsteady" ] ||
    echo "==== failed once, then passed twelve times of twelve:$unsteady"
if [ -n "$failed" ]; then
    echo "tests/run.sh: failed:$failed"
    exit 1
fi
echo "tests/run.sh: all passed"
