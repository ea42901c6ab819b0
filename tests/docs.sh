#!/bin/sh
# SPDX-License-Identifier: MIT
# Write the generated parts of the documents anew: everything below the line
# "<!-- generated: WHAT -->", as far as "<!-- end -->" or the end of the file,
# is what `kvns --print-docs WHAT` says.  In the manual page the lines begin
# with the mark of a comment there.  The lists of docs/compatibility.md come
# from its .txt as well.
#
#     sh tests/docs.sh [PROGRAM]      the program; ./kvns
set -eu
cd "$(dirname "$0")/.."
program=${1:-./kvns}

for doc in README.md docs/options.md docs/commands.md docs/metrics.md \
    docs/compatibility.md docs/kvns.1; do
    awk -v program="$program" '
        /^<!-- end -->$/ || /^\.\\" end$/ { skip = 0 }
        !skip { print }
        /^<!-- generated: [a-z]+ -->$/ || /^\.\\" generated: [a-z]+$/ {
            skip = 1
            command = program " --print-docs " $3
            if ($3 == "compatibility")
                command = program " --print-docs commands | " \
                    "awk -f tests/compatibility.awk docs/compatibility.txt -"
            if (/^</) print ""
            while ((command | getline line) > 0) print line
            if (close(command) != 0) exit 1
        }' "$doc" >"$doc.$$"
    if cmp -s "$doc" "$doc.$$"; then rm "$doc.$$"; else mv "$doc.$$" "$doc"; fi
done
