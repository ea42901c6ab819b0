#!/bin/sh
# SPDX-License-Identifier: MIT
# Print the whole program as one file: the spine with every part pasted in.
#
#     sh src/amalgamate.sh > kvns.c
#
# What comes out depends on src/ and kvns.h alone: no date, no name of a
# machine, no line numbers, so that two branches merge and a check can compare.
#
# Only the spine includes parts, each on a line of its own:
#     #include "floor/part.c"     may be followed by a comment
#     #include "../kvns.h"        pasted too; its guard keeps it single
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")"

awk '
function die(text) {
    print FILENAME ":" FNR ": " text > "/dev/stderr"
    failed = 1
    exit 1
}

# Paste one file between its two fences.
function paste(path, shown,   line, got, n) {
    printf "/* ---- begin %s ", shown
    for (n = length(shown); n < 57; n++) printf "-"
    print " */"
    n = 0
    while ((got = (getline line < path)) > 0) {
        n++
        if (line ~ /^[ \t]*#[ \t]*include[ \t]*"/)
            die(path ":" n ": only the spine includes parts")
        # Said once, at the top.
        if (line != "/* SPDX-License-Identifier: MIT */") print line
    }
    if (got < 0 || n == 0) die("cannot read " path)
    close(path)
    printf "/* ---- end %s ", shown
    for (n = length(shown); n < 59; n++) printf "-"
    print " */"
}

BEGIN {
    print "/* Made from src/ by `make amalgamation`: change it there, not" \
        " here. */"
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, cut, "\"")
    path = cut[2]
    shown = path
    if (path == "../kvns.h") shown = "kvns.h"
    rest = substr($0, index($0, "\"" path "\"") + length(path) + 2)
    sub(/^[ \t]+/, "", rest)
    if (rest != "" && rest !~ /^\/\*.*\*\/[ \t]*$/)
        die("only a comment of one line may follow an include")
    if (rest != "") print rest
    paste(path, shown)
    next
}

{ print }

END { exit failed }
' kvns.c
