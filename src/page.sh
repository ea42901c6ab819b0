#!/bin/sh
# SPDX-License-Identifier: MIT
# Print src/program/page.c: the status page as C.
#
#     sh src/page.sh > src/program/page.c
#
# The lines of page.html without their indentation, packed with LZF as the
# strings in a snapshot are (formats/lzf.c), for the sake of small programs.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")"

awk '
function put(byte) {
    if (n++ % 14 == 0) printf "\n   "
    printf " %d,", byte
}

# The bytes from `from` up to `to` as they are, at most 32 in a run.
function literals(from, to,    run, i) {
    for (; from < to; from += run) {
        run = to - from < 32 ? to - from : 32
        put(run - 1)
        for (i = 0; i < run; i++) put(code[substr(text, from + i, 1)])
    }
}

# A copy of len bytes from back bytes before.
function copy(len, back) {
    len -= 2
    back--
    if (len < 7) {
        put(len * 32 + int(back / 256))
    } else {
        put(7 * 32 + int(back / 256))
        put(len - 7)
    }
    put(back % 256)
}

# The longest copy for what stands at i: its length, `from` is where it is.
function longest(i,    j, len, best, tries) {
    best = 2
    for (j = last[substr(text, i, 3)]; j > 0 && i - j <= 8192; j = before[j]) {
        if (++tries > 200) break
        if (substr(text, j, best + 1) != substr(text, i, best + 1)) continue
        for (len = best + 1; len < 264 && i + len <= size; len++)
            if (substr(text, j + len, 1) != substr(text, i + len, 1)) break
        best = len
        from = j
    }
    return best
}

function remember(i,    key) {
    key = substr(text, i, 3)
    before[i] = last[key]
    last[key] = i
}

BEGIN { for (i = 1; i < 256; i++) code[sprintf("%c", i)] = i }
/SPDX-License-Identifier/ { next }
{
    sub(/^ +/, "")          # what only the reader of page.html needs
    text = text $0 "\n"
}
END {
    size = length(text)
    print "/* SPDX-License-Identifier: MIT */"
    print "/* ==== page - the status page, as page.html has it" \
        " =========================="
    print " *"
    print " * Packed with LZF; made by `make amalgamation`: change page.html," \
        " not this."
    print " *"
    print " * floor 8 - uses: -"
    print " */"
    print "#if !defined(KVNS_NO_PAGE) && !defined(KVNS_NO_HTTP)"
    print "enum { PAGE_BYTES = " size " };    /* unpacked */"
    print ""
    printf "static const unsigned char page_packed[] = {"
    for (i = done = 1; i <= size;) {
        len = i + 2 <= size ? longest(i) : 0
        if (len < 3) {
            remember(i++)
            continue
        }
        literals(done, i)
        copy(len, i - from)
        for (done = i + len; i < done; i++) remember(i)
    }
    literals(done, size + 1)
    print "\n};"
    print "#endif"
}
' program/page.html
