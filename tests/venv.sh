#!/bin/sh
# SPDX-License-Identifier: MIT
# Print the Python to run the tests with, after making it able to.
#
# build/venv gets the newest pytest, redis-py and hypothesis from PyPI.  Where
# PyPI is out of reach the system's Python is printed as it is: what it cannot
# run is then skipped by name.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
wanted="pytest pytest-timeout pytest-xdist redis hypothesis"

if [ -f build/venv/ready ]; then
    echo build/venv/bin/python
    exit 0
fi
mkdir -p build
rm -rf build/venv
# shellcheck disable=SC2086
if $python -m venv build/venv >build/venv.log 2>&1 &&
    build/venv/bin/python -m pip install -q --disable-pip-version-check \
        --timeout 15 --retries 1 $wanted >>build/venv.log 2>&1; then
    : >build/venv/ready
    echo build/venv/bin/python
    exit 0
fi
tail -n 3 build/venv.log >&2
rm -rf build/venv
echo "tests: no packages from PyPI; trying with what $python has" >&2
$python -c 'import pytest' || {
    echo "tests: $python has no pytest either" >&2
    exit 1
}
echo "$python"
