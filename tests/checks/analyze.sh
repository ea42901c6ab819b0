#!/bin/sh
# What clang's analyser, the one of scan-build, finds on its ways through the
# functions.  Part of the gates.  In full depth it takes more than ten minutes
# for a unit of this size; shallow it looks less far into what is called.
. "$(dirname "$0")/lib.sh"

# On the file made of all parts, for it skips what is included.  Left out is
# what shallow ways cannot tell, for they do not enter the function that fills
# in what it is handed, or that says that there is something:
#   DeadStores                  and values that loops over tables store twice
#   UndefinedBinaryOperator     "garbage" that a call has filled in
#   NonNullParam, NullDereference   pointers of strings that are not empty
#   unix.Malloc                 blocks that a tree took over
off=
for checker in deadcode.DeadStores core.UndefinedBinaryOperatorResult \
    core.NonNullParamChecker core.NullDereference unix.Malloc; do
    off="$off -Xclang -analyzer-disable-checker -Xclang $checker"
done
if command -v clang >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    clang --analyze -std=c11 -pthread --analyzer-output text \
        -Xclang -analyzer-config \
        -Xclang mode=shallow,max-nodes=20000,max-inlinable-size=8 $off \
        kvns.c >"$work/log" 2>&1 || echo "analyze: it failed" >>"$work/wrong"
    grep -E 'warning:|error:' "$work/log" >>"$work/wrong" || :
else
    echo "analyze: clang is not installed, left out"
    [ "${CI:-}" != true ] || echo "analyze: no clang here" >>"$work/wrong"
fi

finish analyze
