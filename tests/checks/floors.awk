# SPDX-License-Identifier: MIT
# Compare what each part names with what its banner says.  Arguments: the
# output of defs.awk, that of strip.awk, then the parts themselves; -v order=
# the paths of the parts as the spine has them.  With -v tell=1 print "path:
# uses" for each part instead.
function part_of(path) {
    sub(/.*\//, "", path)
    sub(/\.c$/, "", path)
    return path
}
function note(part, owner, what) {
    if (owner == "" || owner == part) return
    # What stands below cannot be called: C would not know it yet.  So this is
    # a local name, or a pointer to what is not known here.
    if (place[owner] > place[part]) return
    if ((part, owner) in uses) return
    uses[part, owner] = what "\t" line_now
}
BEGIN {
    n_parts = split(order, path_at, /[ \n]+/)
    for (i = 1; i <= n_parts; i++) {
        path_of[part_of(path_at[i])] = path_at[i]
        place[part_of(path_at[i])] = i
        part_at[i] = part_of(path_at[i])
    }
    split("ground structures formats keyspace wire session commands" \
        " dispatch program", floors, " ")
    for (i in floors) number[floors[i]] = i - 1
    nth = 0
}
FNR == 1 { nth++ }

nth == 1 {
    split($0, f, "\t")
    own[f[2], f[1]] = 1
    # A name that two parts define (a macro of a family, say) is nobody's.
    if ((f[1] in owner) && owner[f[1]] != f[2]) owner[f[1]] = ""
    else owner[f[1]] = f[2]
    next
}

nth == 2 {
    split($0, f, "\t")
    part = part_of(f[1])
    line_now = f[2]
    text = f[3]
    # Members are nobody's, tags are words with their keyword.
    gsub(/(->|\.)[ ]*[A-Za-z_][A-Za-z0-9_]*/, " ", text)
    while (match(text, /(struct|enum|union)[ ]+[A-Za-z0-9_]+/)) {
        tag = substr(text, RSTART, RLENGTH)
        text = substr(text, 1, RSTART - 1) " " substr(text, RSTART + RLENGTH)
        gsub(/[ ]+/, " ", tag)
        if ((tag in owner) && !((part, tag) in own))
            note(part, owner[tag], tag)
    }
    n = split(text, word, /[^A-Za-z0-9_]+/)
    for (i = 1; i <= n; i++)
        if ((word[i] in owner) && !((part, word[i]) in own))
            note(part, owner[word[i]], word[i])
    next
}

tell { exit }

# The banners, below the line of the licence.
FNR == 1 && /SPDX-License-Identifier/ { next }
FNR <= 2 && !(FILENAME in opened) {
    opened[FILENAME]
    part = part_of(FILENAME)
    opening = "/* ==== " part " - "
    if (substr($0, 1, length(opening)) != opening || $0 !~ /=$/)
        print FILENAME ":" FNR ": should open with \"" opening "... ===\""
}
/^ \* floor [0-9]+ - uses:/ && !(part in said) {
    floor = $3
    split(FILENAME, folder, "/")
    if (!(folder[2] in number))
        print FILENAME ":" FNR ": " folder[2] " is no floor"
    else if (floor != number[folder[2]])
        print FILENAME ":" FNR ": " folder[2] " is floor " number[folder[2]]
    said[part] = FNR
    list = $0
    sub(/^.*uses:[ ]*/, "", list)
    open[part] = 1
}
(part in open) && FNR > said[part] {
    # The list may go on in further lines, up to the end of the comment.
    if ($0 ~ /^ \*\//) {
        delete open[part]
        verdict(part, list)
    } else {
        more = $0
        sub(/^ \*[ ]*/, "", more)
        list = list " " more
    }
}

function verdict(part, list,   n, word, i, before, u, told) {
    sub(/[ ]+$/, "", list)
    n = split(list, word, /[ ]+/)
    before = 0
    for (i = 1; i <= n; i++) {
        u = word[i]
        if (u == "-" && n == 1) break
        told[u] = 1
        if (!(u in place)) {
            complain(part, said[part], "uses " u ", which is no part")
            continue
        }
        if (place[u] >= place[part])
            complain(part, said[part], "uses " u ", which is not above it")
        if (place[u] < before)
            complain(part, said[part], u " is out of the order of the spine")
        before = place[u]
        if (!((part, u) in uses))
            complain(part, said[part], "names nothing of " u)
    }
    for (i = 1; i <= n_parts; i++) {
        u = part_at[i]
        if (((part, u) in uses) && !(u in told)) {
            split(uses[part, u], why, "\t")
            complain(part, why[2], "uses " u " (" why[1] \
                "), which the banner does not say")
        }
    }
}
function complain(part, line, text) {
    print path_of[part] ":" line ": " text
}

END {
    for (i = 1; tell && i <= n_parts; i++) {
        list = ""
        for (j = 1; j <= n_parts; j++)
            if ((part_at[i], part_at[j]) in uses) list = list " " part_at[j]
        print path_at[i] ":" (list == "" ? " -" : list)
    }
    for (i = 1; !tell && i <= n_parts; i++)
        if (!(part_at[i] in said))
            print path_at[i] ":1: no line \" * floor N - uses: ...\""
}
