#!/bin/sh
# SPDX-License-Identifier: MIT
# What the object file says about the program:
#   nothing is exported but kvns_* and main;
#   nobody forks, and nobody asks a shell;
#   nothing on file scope can change, but the signal flag (sig_atomic_t);
# and what the sources say: part__name is used in its part alone.
. "$(dirname "$0")/lib.sh"

# -fno-pie: tables of constant pointers are then read-only, as they should be.
# -O0 keeps what an optimiser would fold away.
$cc -std=c11 -O0 -fno-pie -pthread -w -c src/kvns.c -o "$work/kvns.o"
nm "$work/kvns.o" >"$work/nm"

awk '
BEGIN {
    n = split("fork vfork _Fork clone popen system posix_spawn posix_spawnp" \
        " execl execlp execle execv execvp execve execvpe", list, " ")
    for (i = 1; i <= n; i++) forbidden[list[i]] = 1
}
NF == 3 && $2 ~ /^[A-Z]$/ && $3 !~ /^kvns_/ && $3 != "main" {
    print "src/kvns.c:1: exports " $3
}
$(NF - 1) == "U" && ($NF in forbidden) { print "src/kvns.c:1: calls " $NF }
' "$work/nm" >>"$work/wrong"

# shellcheck disable=SC2046
awk -f "$here/strip.awk" src/kvns.c $(find src -mindepth 2 -name '*.c' |
    sort) >"$work/code"

# Where a changing symbol (a static inside a function has a number behind a
# dot) is declared: the first line where its name follows another word.
awk '$2 ~ /^[bBdDCsSgG]$/ { sub(/\..*/, "", $3); print $3 }' "$work/nm" |
    sort -u >"$work/changing"
awk -F '\t' '
FILENAME == ARGV[1] { changing[$1] = 1; next }
{
    if ($3 ~ /^[ ]*#/ || $3 !~ /^[ ]*[a-z_]+[ ].*[;=\[]/) next
    n = split($3, word, /[^A-Za-z0-9_]+/)
    for (i = 2; i <= n; i++)
        if ((word[i] in changing) && !(word[i] in place) &&
            ($3 ~ /^[a-z]/ || $3 ~ /^[ ]*static /)) {
            place[word[i]] = $1 ":" $2
            if ($3 ~ /sig_atomic_t/) flag[word[i]] = 1
        }
}
END {
    for (name in changing)
        if (!(name in flag))
            print ((name in place) ? place[name] : "src/kvns.c:1") ": " \
                name " can change; only the signal flag may"
}' "$work/changing" "$work/code" >>"$work/wrong"

awk -F '\t' -f "$here/defs.awk" "$work/code" >"$work/defs"
awk -F '\t' '
FILENAME == ARGV[1] {
    if ($1 ~ /[a-z0-9]__/)
        home[$1] = (($1 in home) && home[$1] != $3) ? "" : $3
    next
}
{
    n = split($3, word, /[^A-Za-z0-9_]+/)
    for (i = 1; i <= n; i++)
        if ((word[i] in home) && home[word[i]] != "" && home[word[i]] != $1)
            print $1 ":" $2 ": " word[i] " is private to " home[word[i]]
}' "$work/defs" "$work/code" >>"$work/wrong"

finish symbols
