# SPDX-License-Identifier: MIT
"""The unit tests in C, each in a process of its own, from a fixed seed, so that
a change is judged by what it does; KVNS_TEST_SEED is another.

unit-malloc is the same program with every block from malloc, so that
AddressSanitizer knows where each one ends.
"""

import os
import subprocess

import pytest

from harness.server import TOP

os.environ.setdefault("KVNS_TEST_SEED", "1")
PROGRAMS = os.environ.get("KVNS_UNITS", "unit unit-malloc").split()


def build(name):
    done = subprocess.run(["sh", os.path.join(TOP, "tests/build.sh"), name],
                          stderr=subprocess.PIPE, text=True)
    return done.stderr if done.returncode != 0 else None


def names(program):
    """The tests it has; none where it cannot be built."""
    if build(program) is not None:
        return []
    done = subprocess.run([os.path.join(TOP, "build", program), "--list"],
                          stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("program", PROGRAMS)
def test_builds(program):
    wrong = build(program)
    if wrong is not None:
        pytest.fail(wrong[-6000:], pytrace=False)


@pytest.mark.parametrize(
    "program, name",
    [(p, n) for p in PROGRAMS for n in names(p)])
def test_unit(program, name):
    done = subprocess.run([os.path.join(TOP, "build", program), name],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    if done.returncode != 0:
        pytest.fail(done.stdout[-6000:], pytrace=False)
