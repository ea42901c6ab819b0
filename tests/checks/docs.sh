#!/bin/sh
# SPDX-License-Identifier: MIT
# What is written down, in docs, comments and scripts:
#   no path of the machine it was written on, no number of an issue;
#   lines of the documents have 80 columns, tables excepted;
#   links between the documents lead somewhere;
#   every target and script that a document names exists.
. "$(dirname "$0")/lib.sh"

if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -co --exclude-standard >"$work/files"
else
    find . -type f | sed 's|^\./||' | grep -v '^build/' >"$work/files"
fi
# This file names what it looks for.
grep -v '^tests/checks/docs\.sh$' "$work/files" >"$work/list"

# /work and the like as the first part of a path, and homes.
tr '\n' '\0' <"$work/list" | xargs -0 grep -nIE \
    '(^|[^A-Za-z0-9._-])/(work|farm|home/[a-z]+|root|Users)/' \
    -- 2>/dev/null | cut -c1-150 |
    sed 's/$/   (a path of one machine)/' >>"$work/wrong" || :
tr '\n' '\0' <"$work/list" | xargs -0 grep -nIiE \
    '(issue|session|ticket) *#?[0-9]+' -- 2>/dev/null | cut -c1-150 |
    grep -v '^CHANGELOG' |
    sed 's/$/   (a number that says nothing here)/' >>"$work/wrong" || :

# Columns.  A row of a table is a line, however long, and so is a link's end.
grep '\.md$' "$work/list" | tr '\n' '\0' | xargs -0 awk '
length($0) > 80 && !/^\|/ && !/^\[[^]]*\]: / {
    print FILENAME ":" FNR ": is " length($0) " columns wide"
}' >>"$work/wrong"

# Links of the documents: [text](path) relative to the document.
grep '\.md$' "$work/list" | while read -r doc; do
    grep -noE '\]\([^)# ]+' "$doc" | while IFS=: read -r line link; do
        target=${link#"]("}
        case $target in
        http:* | https:* | mailto:*) continue ;;
        esac
        [ -e "$(dirname "$doc")/$target" ] ||
            echo "$doc:$line: leads nowhere: $target"
    done
    grep -noE '(^|`)make [a-z][a-z-]*' "$doc" |
        awk -F: -v doc="$doc" '
            FILENAME == doc { if (/^```/) code = !code; fenced[FNR] = code }
            FILENAME == "-" && ($2 ~ /^`/ || fenced[$1])' "$doc" - |
        while IFS=: read -r line said; do
        target=${said##*'make '}
        grep -q "^$target:" Makefile ||
            echo "$doc:$line: the Makefile has no target $target"
    done
done >>"$work/wrong"

finish docs
