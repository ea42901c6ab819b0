#!/bin/sh
# SPDX-License-Identifier: MIT
# Let libFuzzer look for inputs that break a target, for some seconds.
#
#     sh tests/fuzz/run.sh resp 60
#
# It starts from the corpus and leaves that alone; an input that breaks
# something is kept as build/fuzz/NAME/crash-... and its path printed.
set -eu
cd "$(dirname "$0")/../.."
name=$1
seconds=${2:-60}
sh tests/build.sh "libfuzzer_$name"
mkdir -p "build/fuzz/$name/found"
build/libfuzzer_"$name" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="build/fuzz/$name/" \
    "build/fuzz/$name/found" "tests/fuzz/corpus/$name"
