#!/bin/sh
# SPDX-License-Identifier: MIT
# The unit tests under valgrind: what is read before it was written, which the
# sanitizers do not see.  Thirty tests a process, two processes at a time.
#
#     sh tests/memcheck.sh [TEST...]
set -u
cd "$(dirname "$0")/.." || exit 2
command -v valgrind >/dev/null 2>&1 || {
    echo "memcheck: valgrind is not installed, left out"
    [ "${CI:-}" != true ]
    exit
}
sh tests/build.sh unit-memcheck || exit 1
export KVNS_TEST_SEED="${KVNS_TEST_SEED:-1}"
work=build/memcheck
rm -rf $work
mkdir -p $work
[ $# -gt 0 ] || {
    # Left out: long doubles, of which valgrind computes 64 bits; and a test
    # that is about time.
    # shellcheck disable=SC2046
    set -- $(build/unit-memcheck --list |
        grep -vx 'test_num_ld\|test_num_ld_random\|test_glob_hostile')
}
# shellcheck disable=SC2016
printf '%s\n' "$@" | xargs -P "${JOBS:-2}" -n 30 sh -c '
    valgrind -q --error-exitcode=9 --leak-check=full \
        --errors-for-leak-kinds=definite \
        build/unit-memcheck "$@" >"$0/$$" 2>&1 || mv "$0/$$" "$0/$$.failed"
    ' "$work"
wrong=0
for log in "$work"/*.failed; do
    [ -f "$log" ] || continue
    wrong=1
    cat "$log"
done
[ $wrong = 0 ] || exit 1
echo "memcheck: ok, $# tests"
