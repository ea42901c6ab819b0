#!/bin/sh
# Print src/program/page.c: the status page as C.
#
#     sh src/page.sh > src/program/page.c
#
# A string for each line of page.html, since C11 promises no string longer than
# 4095 bytes, and lines can be read and merged.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")"

awk '
function put(s) { print "    \"" s "\"," }
BEGIN {
    print "/* ==== page - the status page, as page.html has it" \
        " =========================="
    print " *"
    print " * Made by `make amalgamation`: change page.html, not this."
    print " *"
    print " * floor 8 - uses: -"
    print " */"
    print "#if !defined(KVNS_NO_PAGE) && !defined(KVNS_NO_HTTP)"
    print "static const char *const page_lines[] = {"
}
{
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
    print "};"
    print "#endif"
}
' program/page.html
