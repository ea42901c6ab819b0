#!/bin/sh
# SPDX-License-Identifier: MIT
# Build one of the programs that the tests run into build/, when it is missing
# or older than what it is made from.
#
#     sh tests/build.sh NAME...       CC=clang chooses the compiler
#
# They are built from the spine, so that a debugger, a sanitizer or a broken
# assertion names the part and its line.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build

cc=${CC:-cc}
checked="-DKVNS_VERIFY -g -O1 -fno-omit-frame-pointer"
faulty="-DKVNS_FAULTS $checked"
asan="-fsanitize=address,undefined -fno-sanitize-recover=all"
# Without main some functions are left over; lint.sh is stricter.
warn="-std=c11 -Wall -Wextra -Wno-unused-function"

# Is $1 there, and nothing below the other arguments newer?
fresh() {
    made=$1
    shift
    [ -f "$made" ] && [ -z "$(find "$@" -type f -newer "$made" | head -n 1)" ]
}

# make NAME SOURCE FLAGS...: compile beside the old one, take a section called
# $without out of it if that is set, then replace it.
without=
make() {
    name=$1 source=$2
    shift 2
    case $source in
    src/*) fresh "build/$name" src kvns.h tests/build.sh && return ;;
    tests/unit/*)
        fresh "build/$name" src kvns.h tests/unit tests/build.sh && return ;;
    tests/bench/threads.c | tests/bench/evictions.c)
        fresh "build/$name" src kvns.h "$source" tests/build.sh && return ;;
    tests/fuzz/*)
        fresh "build/$name" src kvns.h "$source" tests/fuzz/replay.h \
            tests/build.sh && return ;;
    tests/bench/*)
        fresh "build/$name" "$source" tests/bench/load.h tests/build.sh &&
            return ;;
    *) fresh "build/$name" "$source" tests/build.sh && return ;;
    esac
    echo "$cc $warn $* -pthread $source -o build/$name -lm" >&2
    # shellcheck disable=SC2086
    $cc $warn "$@" -pthread "$source" -o "build/$name.$$" -lm || {
        rm -f "build/$name.$$"
        return 1
    }
    [ -z "$without" ] || strip -R "$without" "build/$name.$$"
    mv "build/$name.$$" "build/$name"
}

# cross NAME SOURCE PREFIX EMULATOR FLAGS...: for another processor, linked
# statically; build/NAME runs it under qemu's user emulation.
cross() {
    wrapper=build/$1 elf=$1.elf source=$2 cc=$3 emulator=$4
    shift 4
    make "$elf" "$source" -static "$@"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec %s -0 "$0" "${0%%/*}/%s" "$@"\n' \
        "$emulator" "$elf" >"$wrapper.$$"
    chmod +x "$wrapper.$$"
    mv "$wrapper.$$" "$wrapper"     # somebody may be about to start it
}

build() {
    # shellcheck disable=SC2086
    case $1 in
    # As small as it gets: -Oz is a -Os that means it, which gcc has since 12.
    # The flags beside it leave out what only debuggers read, pages of nothing
    # between the sections and padding between tables, and say that nobody
    # calls in but the system (kvns_* are for other programs).
    kvns-musl)
        cc=musl-gcc without=.comment
        small=-Os
        ! $cc -Oz -E -x c /dev/null >/dev/null 2>&1 || small=-Oz
        make "$1" src/kvns.c $small -static -s -DNDEBUG -fno-pie -no-pie \
            -fno-asynchronous-unwind-tables -ffunction-sections \
            -fdata-sections -fwhole-program -fno-caller-saves -fno-shrink-wrap \
            -fno-math-errno -fno-tree-loop-im -fipa-pta -malign-data=abi \
            -Wl,--gc-sections -Wl,-z,noseparate-code -Wl,-z,norelro \
            -Wl,-z,common-page-size=16 -Wl,--build-id=none ;;
    kvns-s390x) cross "$1" src/kvns.c s390x-linux-gnu-gcc qemu-s390x -O1 ;;
    kvns-aarch64)
        cross "$1" src/kvns.c aarch64-linux-gnu-gcc qemu-aarch64 -O1 ;;
    kvns-32) make "$1" src/kvns.c $checked -m32 \
        -idirafter /usr/include/x86_64-linux-gnu ;;
    unit-s390x) cross "$1" tests/unit/unit.c s390x-linux-gnu-gcc \
        qemu-s390x -DKVNS_FAULTS -DKVNS_VERIFY -O1 ;;
    unit-aarch64) cross "$1" tests/unit/unit.c aarch64-linux-gnu-gcc \
        qemu-aarch64 -DKVNS_FAULTS -DKVNS_VERIFY -O1 ;;
    kvns-test) make "$1" src/kvns.c $checked $asan -DKVNS_MALLOC ;;
    kvns-asan) make "$1" src/kvns.c $checked $asan ;;
    kvns-tsan)
        make "$1" src/kvns.c $checked -fsanitize=thread -DKVNS_MALLOC ;;
    kvns-plain) make "$1" src/kvns.c -O2 -g -pedantic -DKVNS_PLAIN ;;
    kvns-plain-asan) make "$1" src/kvns.c $checked $asan -DKVNS_PLAIN ;;
    kvns-debug) make "$1" src/kvns.c $checked ;;
    kvns-bench) make "$1" src/kvns.c -O2 -g ;;
    kvns-unmeasured) make "$1" src/kvns.c -O2 -g -DKVNS_NO_MEASURE ;;
    unit) make "$1" tests/unit/unit.c $faulty $asan ;;
    unit-malloc) make "$1" tests/unit/unit.c $faulty $asan -DKVNS_MALLOC ;;
    unit-plain) make "$1" tests/unit/unit.c $faulty $asan -DKVNS_PLAIN ;;
    unit-tsan)
        make "$1" tests/unit/unit.c $faulty -fsanitize=thread -DKVNS_MALLOC ;;
    # For valgrind, which is to know every block; and which does not see that
    # what eight scores are compared with at once is cut off where they end.
    unit-memcheck)
        make "$1" tests/unit/unit.c $faulty -DKVNS_MALLOC -DKVNS_PLAIN ;;
    unit-32) make "$1" tests/unit/unit.c $faulty -m32 \
        -idirafter /usr/include/x86_64-linux-gnu ;;
    # A corpus is soon replayed, but such a program long optimised.
    fuzz_*) make "$1" "tests/fuzz/$1.c" $checked $asan -O0 \
        -DKVNS_FUZZ_REPLAY -DKVNS_MALLOC ;;
    libfuzzer_*)
        cc=clang
        make "$1" "tests/fuzz/fuzz_${1#libfuzzer_}.c" $checked \
            -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
            -DKVNS_MALLOC ;;
    threads) make "$1" tests/bench/threads.c -O2 ;;
    threads-wait) make "$1" tests/bench/threads.c -O2 -DTHREADS_WAIT ;;
    evictions) make "$1" "tests/bench/$1.c" -O2 ;;
    prober | paced | drive) make "$1" "tests/bench/$1.c" -O2 ;;
    turns.so) make "$1" tests/bench/turns.c -O2 -shared -fPIC -ldl ;;
    nullserver) make "$1" "tests/bench/$1.c" -O2 ;;
    *)
        echo "tests/build.sh: nothing is called $1" >&2
        return 2
        ;;
    esac
}

# Two at a time: a sanitizer takes its time to be compiled in.  One that does
# not compile does not keep the next from being tried.
other='' status=0
for target; do
    if [ -z "$other" ]; then
        (build "$target") &
        other=$!
    else
        (build "$target") || status=$?
        wait "$other" || status=$?
        other=
    fi
done
[ -z "$other" ] || wait "$other" || status=$?
exit $status
