#!/bin/sh
# SPDX-License-Identifier: MIT
# Every function of the C library that the program calls is one that
# docs/portability.md lists, and every one listed is called.
. "$(dirname "$0")/lib.sh"

# What the object needs from outside, less the compiler's own names and the
# checked forms that a distribution's flags put in.
$cc -O1 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0 -fno-builtin -std=c11 -w \
    -DKVNS_PLAIN -pthread -c kvns.c -o "$work/a.o"
nm -u "$work/a.o" | awk '{ print $2 }' |
    sed 's/@.*//; s/^__isoc99_//; s/^__isoc23_//' |
    grep -v '^_GLOBAL_OFFSET_TABLE_$\|^__stack_chk_fail\|^__errno_location$' |
    sed 's/^__ctype_toupper_loc$/toupper/; s/^__ctype_.*$/isalpha/
        s/^__sysv_signal$/signal/
        /^environ$/d; /^std\(err\|in\|out\)$/d' | sort -u >"$work/called"
# shellcheck disable=SC2016
sed -n 's/^| `\([a-z0-9_]*\)` |.*/\1/p' docs/portability.md | sort -u \
    >"$work/listed"
comm -23 "$work/called" "$work/listed" |
    sed 's/^/docs\/portability.md does not list /' >>"$work/wrong"
comm -13 "$work/called" "$work/listed" |
    sed 's/^/nobody calls what docs\/portability.md lists: /' >>"$work/wrong"

finish calls
