# SPDX-License-Identifier: MIT
"""The checks of tests/checks as tests."""

import os
import subprocess

import pytest

from harness.server import TOP

CHECKS = ["build promise", "build gcc", "build clang", "build others",
          "build make", "style", "floors", "symbols", "amalgam", "docs",
          "calls"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", CHECKS)
def test_check(name):
    script, *groups = name.split()
    path = os.path.join(TOP, "tests", "checks", script + ".sh")
    done = subprocess.run(["sh", path] + groups, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    if done.returncode != 0:
        pytest.fail(done.stdout[-6000:], pytrace=False)


def test_every_check_runs():
    found = sorted(f[:-3] for f in os.listdir(
        os.path.join(TOP, "tests", "checks")) if f.endswith(".sh"))
    # Helpers, what changes files or repeats the others, what gates run.
    others = {"lib", "all", "lint", "fmt", "static", "elsewhere", "analyze"}
    assert set(found) - others == {name.split()[0] for name in CHECKS}
