#!/bin/sh
# SPDX-License-Identifier: MIT
# How much of the program its tests come to: lines and branches.
#
#     sh tests/coverage.sh count      builds what counts, runs the unit tests
#     KVNS_BIN=build/coverage/kvns pytest tests/integration tests/test_docs.py
#     sh tests/coverage.sh report
#
# What only says that something is broken (KVNS_ASSERT, VERIFY) is no branch
# that a test could take, and what is inlined counts once, as it is written,
# not once for each of its copies.  The figures by part are left in
# build/coverage/parts.txt.  Fails when a unit test fails, or the figures are
# below MIN_LINES or MIN_BRANCHES per cent.
set -u
cd "$(dirname "$0")/.." || exit 2
dir=build/coverage
failed=0

case ${1:-} in
count | report) ;;
*)
    echo "tests/coverage.sh: count or report" >&2
    exit 2
    ;;
esac

if [ "$1" = count ]; then
    rm -rf $dir
    mkdir -p $dir
    flags="-std=c11 -O0 -g --coverage -fprofile-update=atomic -pthread"
    flags="$flags -DINLINE=inline"
    # Sources by their whole names, for servers run in directories of their
    # own.
    # shellcheck disable=SC2086
    gcc $flags "$PWD/src/kvns.c" -o $dir/kvns -lm &
    # shellcheck disable=SC2086
    gcc $flags -DKVNS_FAULTS -w "$PWD/tests/unit/unit.c" \
        -o $dir/unit -lm || exit 1
    wait $! || exit 1
    # Each by itself: one that fails does not keep the next from counting.
    export KVNS_TEST_SEED="${KVNS_TEST_SEED:-1}"
    for name in $($dir/unit --list); do
        $dir/unit "$name" >$dir/unit.log 2>&1 || {
            tail -n 20 $dir/unit.log
            failed=1
        }
    done
    exit $failed
fi

gcovr --root . --object-directory $dir --filter 'src/.*\.c' \
    --exclude-unreachable-branches \
    --exclude-branches-by-pattern '.*(KVNS_ASSERT|VERIFY|base_no_memory)\(.*' \
    --json $dir/all.json $dir >$dir/gcovr.log 2>&1 || {
    tail -n 20 $dir/gcovr.log
    exit 1
}
gcovr --root . --add-tracefile $dir/all.json --txt $dir/lines.txt
gcovr --root . --add-tracefile $dir/all.json --branches --txt $dir/parts.txt
lines=$(sed -n 's/^TOTAL.* \([0-9]*\)%.*/\1/p' $dir/lines.txt)
branches=$(sed -n 's/^TOTAL.* \([0-9]*\)%.*/\1/p' $dir/parts.txt)
echo "coverage: $lines % of lines, $branches % of branches"
[ "$lines" -ge "${MIN_LINES:-0}" ] || failed=1
[ "$branches" -ge "${MIN_BRANCHES:-0}" ] || failed=1
exit $failed
