#!/bin/sh
# Print src/program/page.c: the status page as C.
#
#     sh src/page.sh > src/program/page.c
#
# A literal for each line of page.html, so that lines can be read and merged;
# together they are strings of almost 4095 bytes, the longest that C11 promises.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")"

awk '
function put(s) {
    if (total + length(s) > 4095) {
        print ","
        total = 0
    } else if (total > 0) {
        print ""
    }
    printf "    \"%s\"", s
    total += length(s)
}
BEGIN {
    print "/* ==== page - the status page, as page.html has it" \
        " =========================="
    print " *"
    print " * Made by `make amalgamation`: change page.html, not this."
    print " *"
    print " * floor 8 - uses: -"
    print " */"
    print "#if !defined(KVNS_NO_PAGE) && !defined(KVNS_NO_HTTP)"
    print "static const char *const page_pieces[] = {"
}
{
    sub(/^ +/, "")          # what only the reader of page.html needs
    piece = ""
    for (i = 1; i <= length($0); i++) {
        c = substr($0, i, 1)
        if (c == "\\" || c == "\"" || c == "?") c = "\\" c
        if (length(piece c) > 68) {
            put(piece)
            piece = ""
        }
        piece = piece c
    }
    put(piece "\\n")
}
END {
    print ""
    print "};"
    print "#endif"
}
' program/page.html
