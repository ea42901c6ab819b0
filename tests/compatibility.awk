# SPDX-License-Identifier: MIT
# Write the lists of docs/compatibility.md from docs/compatibility.txt and from
# what `kvns --print-docs commands` says:
#
#     kvns --print-docs commands |
#         awk -f tests/compatibility.awk docs/compatibility.txt -
#
# A command that neither is there nor has a reason not to be, and one that is
# there in spite of its reason, are errors.

function name_of(s) {
    gsub(/\|/, " ", s)
    return toupper(s)
}

function wrong(text) {
    print "compatibility.txt: " text >"/dev/stderr"
    failed = 1
}

# A paragraph of words, broken before column 80.
function fill(words, n,   i, line) {
    line = ""
    for (i = 1; i <= n; i++) {
        if (line != "" && length(line) + length(words[i]) > 76) {
            print line
            line = ""
        }
        line = line (line == "" ? "" : " ") words[i] (i < n ? "," : "")
    }
    if (line != "") print line
}

FNR == NR && /^=/ {
    at = index($0, ": ")
    text[substr($0, 1, at - 1)] = substr($0, at + 2)
    next
}

FNR == NR && /^[a-z]/ {
    split($0, part, ": ")
    name[++names] = part[1]
    known[part[1]] = 1
    how[part[1]] = part[2]
    at = index($0, ": " part[2] ": ")
    why[part[1]] = at ? substr($0, at + length(part[2]) + 4) : ""
    next
}

FNR == NR { next }

/^\| [A-Z][A-Z_ -]* \|/ {
    split($0, part, " \\| ")
    here = tolower(substr(part[1], 3))
    gsub(/ /, "|", here)
    there[here] = 1
    if (!(here in known)) more[++mores] = "`" name_of(here) "`"
}

END {
    for (i = 1; i <= names; i++) {
        n = name[i]
        if (how[n] == "not" && n in there) wrong(n " is there after all")
        if (how[n] != "not" && !(n in there)) wrong(n " is not there")
        if (why[n] in text) why[n] = text[why[n]]
        else if (why[n] ~ /^=/) wrong(why[n] " is not explained")
        if (how[n] == "") same[++sames] = "`" name_of(n) "`"
        if (how[n] == "differs") differ++
        if (how[n] == "not") not++
    }
    printf "redis-server 7.0 has %d commands and subcommands. Of these, ", names
    printf "%d are\nhere and behave alike, %d differ as said below, ", sames,
        differ
    printf "%d are not here. %d are here\nbeside them.\n", not, mores
    print "\n## The same\n"
    fill(same, sames)
    print "\n## Different\n\n| Command | How |\n|---|---|"
    for (i = 1; i <= names; i++)
        if (how[name[i]] == "differs")
            print "| " name_of(name[i]) " | " why[name[i]] " |"
    print "\n## Not here"
    for (i = 1; i <= names; i++) {
        reason = why[name[i]]
        if (how[name[i]] != "not" || reason in said) continue
        said[reason] = 1
        m = 0
        for (k = i; k <= names; k++)
            if (how[name[k]] == "not" && why[name[k]] == reason)
                list[++m] = "`" name_of(name[k]) "`"
        print ""
        fill(list, m)
        m = split(reason, list, " ")
        line = ""
        print ""
        for (k = 1; k <= m; k++) {
            if (line != "" && length(line) + length(list[k]) > 78) {
                print line
                line = ""
            }
            line = line (line == "" ? "" : " ") list[k]
        }
        print line
    }
    print "\n## Beside these\n"
    fill(more, mores)
    exit failed
}
