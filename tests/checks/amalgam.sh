#!/bin/sh
# SPDX-License-Identifier: MIT
# The committed kvns.c is what src/ gives.
. "$(dirname "$0")/lib.sh"

sh src/amalgamate.sh >"$work/kvns.c"
if ! cmp -s "$work/kvns.c" kvns.c; then
    line=$(cmp "$work/kvns.c" kvns.c 2>&1 | sed -n 's/.*line //p')
    echo "kvns.c:${line:-1}: differs from src/ (make amalgamation)" \
        >>"$work/wrong"
fi

# It is a pure function of src/: no date, no path, the same from anywhere.
(cd / && sh "$here/../../src/amalgamate.sh") | cmp -s - "$work/kvns.c" ||
    echo "src/amalgamate.sh:1: depends on where it is called" >>"$work/wrong"
if grep -n '__DATE__\|__TIME__\|^#line' "$work/kvns.c" >"$work/found"; then
    sed 's/^/kvns.c:/' "$work/found" >>"$work/wrong"
fi

# The status page as C is what page.html gives, and small.
sh src/page.sh | cmp -s - src/program/page.c ||
    echo "src/program/page.c:1: differs from page.html (make amalgamation)" \
        >>"$work/wrong"
[ "$(wc -c <src/program/page.html)" -lt 40000 ] ||
    echo "src/program/page.html:1: has more than 40,000 bytes" >>"$work/wrong"

finish amalgam
