#!/bin/sh
# SPDX-License-Identifier: MIT
# The build that the README promises, and the compilers we claim to please.
# A compiler that is not installed is named and left out; with CI=true that
# is a failure.
#
#     build.sh [promise] [gcc] [clang] [others] [make]
. "$(dirname "$0")/lib.sh"

strict="-std=c11 -pedantic -Wall -Wextra -Wshadow -Werror"

# try TITLE COMMAND...: run in the empty directory, complain when it fails.
try() {
    title=$1
    shift
    if ! (cd "$work/empty" && "$@") >"$work/log" 2>&1; then
        echo "build: $title failed: $*" >>"$work/wrong"
        head -n 5 "$work/log" >>"$work/wrong"
    else
        echo "build: $title"
    fi
}

# have PROGRAM: is it here?
have() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "build: $1 is not installed, left out"
    [ "${CI:-}" != true ] || echo "build: no $1 here" >>"$work/wrong"
    return 1
}

mkdir "$work/empty"
cp kvns.c kvns.h "$work/empty/"

check_promise() {
    try "two files, one command" \
        cc -O2 -pthread kvns.c -o kvns -lm
    mkdir "$work/alone"
    cp kvns.c "$work/alone/"
    try "kvns.c without its header" \
        cc -fsyntax-only ../alone/kvns.c
    for line in '#include "kvns.h"' '#include "kvns.h"' \
        'int main(void) { return 0; }'; do
        echo "$line"
    done >"$work/empty/header.c"
    # shellcheck disable=SC2086
    try "the header alone, twice" cc $strict header.c -o header
}

# check_compiler NAME: every build flag, warnings as errors.
check_compiler() {
    have "$1" || return 0
    # shellcheck disable=SC2086
    try "$1, strict" "$1" $strict -O2 -pthread -c kvns.c -o a.o
    # shellcheck disable=SC2086
    try "$1, -DKVNS_PLAIN" \
        "$1" $strict -O1 -DKVNS_PLAIN -pthread -c kvns.c -o a.o
    # What these leave out may leave a function unused.
    for flags in "-DKVNS_NO_MAIN -DNDEBUG" -DKVNS_VERIFY -DKVNS_MALLOC \
        -DKVNS_NO_STREAMS; do
        # shellcheck disable=SC2086
        try "$1, $flags" "$1" $strict -Wno-unused-function -fsyntax-only \
            $flags kvns.c
    done
}

# 32 bits, the other byte order, another libc: compiled where headers are.
check_others() {
    printf '#include <errno.h>\n#include <sys/socket.h>\nint x;\n' \
        >"$work/empty/probe.c"
    m32="gcc -m32 -idirafter /usr/include/x86_64-linux-gnu"
    if (cd "$work/empty" && $m32 -c probe.c -o a.o) 2>/dev/null; then
        # shellcheck disable=SC2086
        try "32 bits" $m32 $strict -O0 -pthread -c kvns.c -o a.o
    else
        have gcc-for-32-bits || :
    fi
    if have s390x-linux-gnu-gcc; then
        # shellcheck disable=SC2086
        try "big-endian (s390x)" \
            s390x-linux-gnu-gcc $strict -O0 -pthread -c kvns.c -o a.o
    fi
    if have musl-gcc; then
        # shellcheck disable=SC2086
        try "musl" musl-gcc $strict -O0 -pthread -c kvns.c -o a.o
    fi
}

# The Makefile under both makes, in a directory with nothing else.
check_make() {
    cp Makefile "$work/empty/"
    for make in make bmake; do
        have $make || continue
        rm -f "$work/empty/kvns"
        # No options of a make above this one.
        try "$make" env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS \
            $make CFLAGS=-O0
        try "$make help" env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS $make help
        try "$make install" env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS \
            $make CFLAGS=-O0 install "DESTDIR=$work/root" PREFIX=/opt
        [ -x "$work/root/opt/bin/kvns" ] ||
            echo "build: $make install left no program" >>"$work/wrong"
        rm -rf "$work/root"
    done
}

[ $# -gt 0 ] || set -- promise gcc clang others make
for group; do
    case $group in
    gcc | clang) check_compiler "$group" ;;
    *) "check_$group" ;;
    esac
done

finish build
