#!/bin/sh
# The build that the README promises, and the compilers we claim to please.
# A compiler that is not installed is named and left out; with CI=true that
# is a failure.
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

try "two files, one command" \
    cc -O2 -pthread kvns.c -o kvns -lm
mkdir "$work/alone"
cp kvns.c "$work/alone/"
try "kvns.c without its header" \
    cc -O0 -pthread ../alone/kvns.c -o alone -lm
printf '#include "kvns.h"\n#include "kvns.h"\nint main(void) { return 0; }\n' \
    >"$work/empty/header.c"
# shellcheck disable=SC2086
try "the header alone, twice" cc $strict header.c -o header
for compiler in gcc clang; do
    have $compiler || continue
    # shellcheck disable=SC2086
    try "$compiler, strict" $compiler $strict -O2 -pthread -c kvns.c -o a.o
    # shellcheck disable=SC2086
    try "$compiler, -DKVNS_PLAIN" \
        $compiler $strict -O1 -DKVNS_PLAIN -pthread -c kvns.c -o a.o
    # shellcheck disable=SC2086
    try "$compiler, -DKVNS_NO_MAIN -DNDEBUG" \
        $compiler $strict -fsyntax-only -DKVNS_NO_MAIN -DNDEBUG kvns.c
    # shellcheck disable=SC2086
    try "$compiler, -DKVNS_VERIFY" \
        $compiler $strict -fsyntax-only -DKVNS_VERIFY kvns.c
done

# 32 bits, and the other byte order: compiled, where the headers are there.
printf '#include <errno.h>\n#include <sys/socket.h>\nint x;\n' \
    >"$work/empty/probe.c"
m32="gcc -m32 -idirafter /usr/include/x86_64-linux-gnu"
if (cd "$work/empty" && $m32 -c probe.c -o a.o) 2>/dev/null; then
    # shellcheck disable=SC2086
    try "32 bits" $m32 $strict -O1 -pthread -c kvns.c -o a.o
else
    have gcc-for-32-bits || :
fi
if have s390x-linux-gnu-gcc; then
    # shellcheck disable=SC2086
    try "big-endian (s390x)" \
        s390x-linux-gnu-gcc $strict -O1 -pthread -c kvns.c -o a.o
fi
if have musl-gcc; then
    # shellcheck disable=SC2086
    try "musl" musl-gcc $strict -O1 -pthread -c kvns.c -o a.o
fi

# The Makefile under both makes, in a directory with nothing else.
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

finish build
