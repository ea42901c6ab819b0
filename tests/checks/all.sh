#!/bin/sh
# SPDX-License-Identifier: MIT
# Run every check, go on after one that fails, and say so at the end.
cd "$(dirname "$0")" || exit 2
failed=
for check in style floors symbols amalgam build docs calls; do
    sh "./$check.sh" || failed="$failed $check"
done
[ -z "$failed" ] || {
    echo "checks that failed:$failed"
    exit 1
}
