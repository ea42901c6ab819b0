#!/bin/sh
# SPDX-License-Identifier: MIT
# Mend white space in the sources, the scripts and the documents: tabs become
# blanks up to the next column of four, blanks at the end of a line go, a file
# ends with one newline.  Makefiles keep their tabs, and what the documents
# show of other languages stays as it is.  With --check only say which files
# would change.
. "$(dirname "$0")/lib.sh"

find src tests docs .ci kvns.h README.md CHANGELOG.md \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.awk' \
    -o -name '*.md' \) -type f 2>/dev/null | sort >"$work/list"
while read -r path; do
    awk '
    FILENAME ~ /\.md$/ && /^```/ { code = !code }
    code { while (empty > 0) { print ""; empty-- } print; next }
    {
        while ((at = index($0, "\t")) > 0)
            $0 = substr($0, 1, at - 1) \
                sprintf("%" (4 - (at - 1) % 4) "s", "") substr($0, at + 1)
        sub(/[ \r]+$/, "")
        if ($0 == "") { empty++; next }
        while (empty > 0) { print ""; empty-- }
        print
    }' "$path" >"$work/new"
    cmp -s "$path" "$work/new" && continue
    if [ "${1:-}" = --check ]; then
        echo "$path:$(cmp "$path" "$work/new" 2>&1 |
            sed -n 's/.*line //p'): white space" >>"$work/wrong"
    else
        cat "$work/new" >"$path"
        echo "mended $path"
    fi
done <"$work/list"

finish fmt
