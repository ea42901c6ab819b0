#!/bin/sh
# SPDX-License-Identifier: MIT
# Warnings of the compilers as errors, on the spine so that a line is a line
# of a part; shellcheck on the scripts where it is installed; the style.
. "$(dirname "$0")/lib.sh"

warn="-std=c11 -pedantic -Wall -Wextra -Wshadow -Werror -pthread"
for compiler in gcc clang; do
    if ! command -v $compiler >/dev/null 2>&1; then
        echo "lint: $compiler is not installed, left out"
        continue
    fi
    for flags in "-O2 -c" "-fsyntax-only -DKVNS_PLAIN" \
        "-fsyntax-only -DKVNS_VERIFY"; do
        # shellcheck disable=SC2086
        $compiler $warn $flags src/kvns.c -o "$work/a.o" 2>>"$work/wrong" || :
    done
done
if command -v shellcheck >/dev/null 2>&1; then
    scripts=$(find src tests .ci -name '*.sh' -o -path .ci/run)
    # shellcheck disable=SC2086
    shellcheck -x -P SCRIPTDIR -e SC2129 -f gcc $scripts >>"$work/wrong" || :
else
    echo "lint: shellcheck is not installed, left out"
fi
sh tests/checks/style.sh >"$work/style" || cat "$work/style" >>"$work/wrong"

finish lint
