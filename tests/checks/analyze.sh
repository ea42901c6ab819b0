#!/bin/sh
# SPDX-License-Identifier: MIT
# What clang's analyser, the one of scan-build, finds on its ways through the
# functions, all of its usual checkers on.  Part of the gates.
. "$(dirname "$0")/lib.sh"

# On the file made of all parts, for it skips what is included.  Calls are not
# entered: for a unit of this size that takes more than ten minutes, and half
# entered they tell of values that a call has filled in as garbage.
if command -v clang >/dev/null 2>&1; then
    clang --analyze -std=c11 -pthread --analyzer-output text \
        -Xclang -analyzer-config -Xclang ipa=none,max-nodes=40000 kvns.c \
        >"$work/log" 2>&1 || echo "analyze: it failed" >>"$work/wrong"
    grep -E 'warning:|error:' "$work/log" >>"$work/wrong" || :
else
    echo "analyze: clang is not installed, left out"
    [ "${CI:-}" != true ] || echo "analyze: no clang here" >>"$work/wrong"
fi

finish analyze
