# SPDX-License-Identifier: MIT
# Shared by the checks: where things are, and how a check ends.
# shellcheck shell=sh disable=SC2034
set -eu
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
cc=${CC:-cc}
work=$(mktemp -d "${TMPDIR:-/tmp}/kvns-check-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The parts in the order of the spine, as paths from the top, one a line.
parts() {
    sed -n 's|^ *# *include *"\([a-z]*/[a-z0-9_]*\.c\)".*|src/\1|p' src/kvns.c
}

# finish NAME: 0 when nothing was written to $work/wrong, else show it.
finish() {
    if [ -s "$work/wrong" ]; then
        cat "$work/wrong"
        echo "$1: not so"
        exit 1
    fi
    echo "$1: ok"
}
: >"$work/wrong"
