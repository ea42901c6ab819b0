# SPDX-License-Identifier: MIT
# From the output of strip.awk: what each part defines on file scope, as
# "name<TAB>part<TAB>path<TAB>line"; the name of a tag is "struct name".
# Run with -F '\t'.
function part_of(path) {
    sub(/.*\//, "", path)
    sub(/\.c$/, "", path)
    return path
}
function def(name) {
    if (name != "") print name "\t" part_of($1) "\t" $1 "\t" $2
}
# The constants of an enum, from the text between (parts of) its braces.
function constants(text,   n, i, item, word) {
    gsub(/\([^()]*\)/, "", text)
    n = split(text, item, ",")
    for (i = 1; i <= n; i++) {
        # What follows "=" is a value; it may run over the line.
        word = item[i]
        if (i == 1 && running) {
            running = index(word, "=") ? 0 : running
            if (n == 1) continue
            running = 0
            continue
        }
        sub(/=.*/, "", word)
        gsub(/[ \t{}]/, "", word)
        if (word ~ /^[A-Za-z_][A-Za-z0-9_]*$/) def(word)
    }
    # An item that has "=" but no comma yet goes on in the next line.
    running = item[n] ~ /=/ && item[n] !~ /}/
}
$1 != file {
    file = $1
    depth = 0
    in_enum = 0
    running = 0
    continued = 0
}
{
    line = $3
    was_continued = continued
    continued = line ~ /\\$/
}
was_continued { next }
line ~ /^[ \t]*#/ {
    if (match(line, /^[ \t]*#[ \t]*define[ \t]+[A-Za-z_][A-Za-z0-9_]*/)) {
        name = substr(line, RSTART, RLENGTH)
        sub(/.*[ \t]/, "", name)
        def(name)
    }
    next
}
{
    if (depth == 0 && match(line, /(struct|enum|union)[ ]+[a-z0-9_]+[ ]*\{/)) {
        name = substr(line, RSTART, RLENGTH - 1)
        sub(/[ ]+$/, "", name)
        gsub(/[ ]+/, " ", name)
        def(name)
    }
    if (depth == 0 && line ~ /^(static )?(const )?enum[ a-z0-9_]*\{/) {
        in_enum = 1
        rest = line
        sub(/^[^{]*\{/, "", rest)
        constants(rest)
    } else if (in_enum) {
        constants(line)
    } else if (depth == 0 && line ~ /^[a-z]/ &&
               line !~ /^(struct|union)[ ]+[a-z0-9_]+[ ]*[{;]/) {
        # A function, or a variable: the last word before "(" outside of
        # parentheses, or before "[", "=" or ";".
        head = line
        name = ""
        if (head !~ /^(_Static_assert|static_assert|typedef)/) {
            if (match(head, /[=;\[]/) &&
                (!index(head, "(") || RSTART < index(head, "("))) {
                head = substr(head, 1, RSTART - 1)
                sub(/[ ]+$/, "", head)
                if (match(head, /[A-Za-z_][A-Za-z0-9_]*$/))
                    name = substr(head, RSTART)
            } else if (match(head, /\(\*[ ]*(const )?[a-z0-9_]+/)) {
                name = substr(head, RSTART, RLENGTH)
                sub(/.*[* ]/, "", name)
                if (head !~ /^static [^(]*\(\*/) name = ""
            }
            if (name == "") {
                while (match(head, /[A-Za-z_][A-Za-z0-9_]*[ ]*\(/)) {
                    name = substr(head, RSTART, RLENGTH - 1)
                    head = substr(head, RSTART + RLENGTH)
                    nest = 1
                    while (head != "" && nest > 0) {
                        c = substr(head, 1, 1)
                        if (c == "(") nest++
                        if (c == ")") nest--
                        head = substr(head, 2)
                    }
                    if (head ~ /^[ ]*\{/) break
                }
                sub(/[ ]+$/, "", name)
            }
            def(name)
        }
    }
    opened = gsub(/\{/, "{", line)
    closed = gsub(/\}/, "}", line)
    depth += opened - closed
    if (depth < 0) depth = 0
    if (in_enum && depth == 0) in_enum = 0
}
