#!/bin/sh
# Hold each part's banner to its code, and the code to its floor.
#
# A banner ends with " * floor N - uses: a b c".  N is the number of the
# folder; a b c are the parts that the code names something of: all of them,
# no others, in the order of the spine, and each above the part itself.
#
# "Names something of" is decided on file scope: functions, tags, constants of
# enums, macros and variables belong to the part that defines them; words after
# a dot or an arrow are members and belong to nobody.
. "$(dirname "$0")/lib.sh"

parts >"$work/parts"
find src -mindepth 2 -name '*.c' | sort >"$work/files"
sort "$work/parts" | comm -13 - "$work/files" |
    sed 's/$/:1: not in the spine/' >>"$work/wrong"
sort "$work/parts" | comm -23 - "$work/files" |
    sed 's/$/:1: in the spine, but not there/' >>"$work/wrong"
sort "$work/parts" | uniq -d |
    sed 's/$/:1: twice in the spine/' >>"$work/wrong"
awk '{ n = $0; sub(/.*\//, "", n); if (n in seen)
    print $0 ":1: has the name of " seen[n]; seen[n] = $0 }' "$work/parts" \
    >>"$work/wrong"

existing=$(grep -Fxf "$work/files" "$work/parts" || cat "$work/files")
# shellcheck disable=SC2086
awk -f "$here/strip.awk" $existing >"$work/code"

# What each part defines: "name<TAB>part"; a tag as "struct name".
awk -F '\t' -f "$here/defs.awk" "$work/code" >"$work/defs"

# shellcheck disable=SC2086
awk -v order="$existing" -f "$here/floors.awk" \
    "$work/defs" "$work/code" $existing >>"$work/wrong"

finish floors
