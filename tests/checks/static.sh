#!/bin/sh
# SPDX-License-Identifier: MIT
# What two static analysers say, less what they get wrong here.  Part of the
# gates: they take their time.
. "$(dirname "$0")/lib.sh"

# cppcheck on the spine, so that a line is a line of a part.
#   pointerSize    free blocks are linked by pointers that memcpy moves
#   ctuuninitvar   a function that fills in what it is handed
if command -v cppcheck >/dev/null 2>&1; then
    cppcheck --std=c11 --enable=warning,portability -q \
        --suppress=missingIncludeSystem --suppress=pointerSize \
        --suppress=ctuuninitvar --template=gcc -D__linux__ -D__GNUC__=12 \
        -D__x86_64__ src/kvns.c 2>>"$work/wrong" || :
else
    echo "static: cppcheck is not installed, left out"
    [ "${CI:-}" != true ] || echo "static: no cppcheck here" >>"$work/wrong"
fi

# clang-tidy on the file made of all parts, for it skips what is included.
# Left out, beside matters of taste:
#   sizeof-expression           arrays of pointers have elements of that size
#   not-null-terminated-result  strings here have lengths, not ends
#   suspicious-missing-comma    sentences go over several lines of a table
#   signed-char-misuse          small numbers in tables are signed characters
#   flp30-c                     a loop that doubles a float ends exactly
checks="-*,bugprone-*,cert-*,portability-*"
for left_out in bugprone-sizeof-expression \
    bugprone-not-null-terminated-result bugprone-suspicious-missing-comma \
    bugprone-signed-char-misuse cert-str34-c cert-flp30-c \
    bugprone-easily-swappable-parameters bugprone-reserved-identifier \
    bugprone-narrowing-conversions bugprone-assignment-in-if-condition \
    bugprone-macro-parentheses bugprone-branch-clone cert-dcl37-c \
    bugprone-implicit-widening-of-multiplication-result cert-dcl51-cpp \
    cert-err33-c; do
    checks="$checks,-$left_out"
done
if command -v clang-tidy >/dev/null 2>&1; then
    clang-tidy --quiet "--checks=$checks" kvns.c -- -std=c11 -pthread \
        2>/dev/null | grep -A2 'warning:' >>"$work/wrong" || :
else
    echo "static: clang-tidy is not installed, left out"
    [ "${CI:-}" != true ] || echo "static: no clang-tidy here" >>"$work/wrong"
fi

finish static
