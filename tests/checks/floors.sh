#!/bin/sh
# SPDX-License-Identifier: MIT
# Hold each part's banner to its code, and the code to its floor.
#
# A banner ends with " * floor N - uses: a b c".  N is the number of the
# folder; a b c are the parts that the code names something of: all of them,
# no others, in the order of the spine, and each above the part itself.
#
# "Names something of" is decided on file scope: functions, tags, constants of
# enums, macros and variables belong to the part that defines them; words after
# a dot or an arrow are members and belong to nobody.
#
#     floors.sh --tell     print what each part uses
#     floors.sh --mend     write it into the banners
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

if [ -n "${1:-}" ]; then
    awk -v order="$existing" -v tell=1 -f "$here/floors.awk" \
        "$work/defs" "$work/code" /dev/null >"$work/uses"
fi
case ${1:-} in
--tell)
    cat "$work/uses"
    exit 0
    ;;
--mend)
    while IFS=: read -r path list; do
        awk -v list="$list" '
        /^ \* floor [0-9]+ - uses:/ && !done {
            line = $0
            sub(/uses:.*/, "uses:", line)
            n = split(list, word, " ")
            for (i = 1; i <= n; i++) {
                if (length(line " " word[i]) > 78) {
                    print line
                    line = " *   "
                }
                line = line " " word[i]
            }
            print line
            done = inside = 1
            next
        }
        inside && !/^ \*\// { next }
        { inside = 0; print }' "$path" >"$work/new"
        cmp -s "$path" "$work/new" || {
            cat "$work/new" >"$path"
            echo "mended $path"
        }
    done <"$work/uses"
    exit 0
    ;;
esac

# shellcheck disable=SC2086
awk -v order="$existing" -f "$here/floors.awk" \
    "$work/defs" "$work/code" $existing >>"$work/wrong"

finish floors
