#!/bin/sh
# SPDX-License-Identifier: MIT
# Hold the sources to docs/style.md, as far as a machine can:
#   columns, tabs, trailing blanks, ASCII, the end of the file;
#   functions of at most 80 lines, unless a sentence above says why;
#   a comment above each function that other parts use; what a ..._free and
#   ..._fini does is said by the style itself.
. "$(dirname "$0")/lib.sh"

sources=$(find src kvns.h tests/unit tests/bench tests/fuzz -name '*.[ch]' \
    2>/dev/null | sort)
scripts=$(find src tests .ci -name '*.sh' -o -name '*.py' -o -name '*.awk' \
    2>/dev/null | grep -v '^tests/.*/__pycache__' | sort)

# White space.
# shellcheck disable=SC2086
awk '
function wrong(text) { print FILENAME ":" FNR ": " text }
length($0) > 80 { wrong("is " length($0) " columns wide") }
/\t/ { wrong("a tab") }
/[ \t\r]$/ { wrong("blanks at the end") }
/[^ -~\t\r]/ { wrong("not ASCII") }
{ last[FILENAME] = $0; lines[FILENAME] = FNR }
END {
    for (f in last)
        if (last[f] == "") print f ":" lines[f] ": an empty line at the end"
}
' $sources $scripts >>"$work/wrong"

# What a comment must not say, and comments of the other kind.
# shellcheck disable=SC2086
awk '
/^[ \t]*\/\// { print FILENAME ":" FNR ": a comment with //" }
/^[ \t]*(\/\*|\*).*(XXX|FIXME)/ {
    print FILENAME ":" FNR ": say what is missing instead"
}
' $sources >>"$work/wrong"

# Functions.  First pass: who calls what outside its own part.  Second: sizes
# and comments.  A short inline function may share the comment of its group.
files=$(find src -name '*.c' | sort)
# shellcheck disable=SC2086
awk -f "$here/strip.awk" $files >"$work/code"
# shellcheck disable=SC2086
awk -F '\t' '
FILENAME == ARGV[1] {
    n = split($3, word, /[^A-Za-z0-9_]+/)
    for (i = 1; i <= n; i++)
        if (!(word[i] in seen)) seen[word[i]] = $1
        else if (seen[word[i]] != $1) seen[word[i]] = "shared"
    code[$1, $2] = $3
    next
}
FNR == 1 { above = ""; start = 0; FS = "\n" }
{
    bare = code[FILENAME, FNR]
    if (!start && bare ~ /^[a-z].*\(/ && bare !~ /;[ \t]*$/ &&
        bare !~ /^(typedef|_Static_assert|static_assert|extern)/ &&
        bare !~ /=/) {
        start = FNR
        comment = above
        head = bare
        name = ""
        while (match(head, /[A-Za-z_][A-Za-z0-9_]*[ ]*\(/)) {
            name = substr(head, RSTART, RLENGTH - 1)
            head = substr(head, RSTART + RLENGTH)
            depth = 1
            while (head != "" && depth > 0) {
                c = substr(head, 1, 1)
                if (c == "(") depth++
                if (c == ")") depth--
                head = substr(head, 2)
            }
        }
        inline = bare ~ /^static inline /
    }
    if (start && (bare ~ /^\}/ || (start == FNR && bare ~ /\}[ \t]*$/))) {
        size = FNR - start + 1
        if (size > 80 && comment == "")
            print FILENAME ":" start ": " name " has " size " lines and" \
                " no sentence above it says why"
        if (seen[name] == "shared" && comment == "" &&
            name !~ /__|_free$|_fini$/ && !(inline && size <= 8))
            print FILENAME ":" start ": no comment above " name \
                ", which other parts use"
        start = 0
    }
    if (start && bare ~ /;[ \t]*$/ && bare !~ /^[ \t]/) start = 0
    if ($0 ~ /\*\/[ \t]*$/) above = $0
    else if ($0 !~ /^#/) above = ""
}
' "$work/code" $files >>"$work/wrong"

finish style
