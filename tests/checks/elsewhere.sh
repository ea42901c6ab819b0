#!/bin/sh
# SPDX-License-Identifier: MIT
# Does it compile against the headers of systems that we do not run?  A
# compiler that carries those of FreeBSD, NetBSD, OpenBSD and macOS comes from
# PyPI, into a virtual environment of its own.  Part of the gates.
. "$(dirname "$0")/lib.sh"

place=build/elsewhere
if [ ! -x $place/bin/python ]; then
    if ! { "${PYTHON:-python3}" -m venv $place &&
        $place/bin/python -m pip install -q --disable-pip-version-check \
            ziglang >"$work/pip" 2>&1; }; then
        rm -rf $place
        echo "elsewhere: the compiler is not to be had, left out"
        [ "${CI:-}" != true ] || cat "$work/pip" >>"$work/wrong"
        finish elsewhere
        exit
    fi
fi
for target in x86_64-freebsd x86_64-netbsd x86_64-openbsd aarch64-macos; do
    if $place/bin/python -m ziglang cc -target $target -std=c11 -Wall \
        -Wextra -Werror -O0 -pthread -c src/kvns.c -o "$work/a.o" \
        2>"$work/log"; then
        echo "elsewhere: $target"
    else
        echo "elsewhere: $target failed" >>"$work/wrong"
        head -n 20 "$work/log" >>"$work/wrong"
    fi
done
finish elsewhere
