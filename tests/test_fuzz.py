# SPDX-License-Identifier: MIT
"""The fuzz targets over their corpora: what once was found stays mended."""

import glob
import os
import subprocess

import pytest

from harness.server import TOP

FUZZ = os.path.join(TOP, "tests", "fuzz")
TARGETS = sorted(os.path.basename(path)[:-2]
                 for path in glob.glob(os.path.join(FUZZ, "fuzz_*.c")))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target):
    built = subprocess.run(
        ["sh", os.path.join(TOP, "tests", "build.sh"), target],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if built.returncode != 0:
        pytest.fail(built.stdout[-6000:], pytrace=False)
    inputs = sorted(glob.glob(os.path.join(
        FUZZ, "corpus", target[len("fuzz_"):], "*")))
    assert inputs, "no corpus for %s" % target
    done = subprocess.run([os.path.join(TOP, "build", target)] + inputs,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    if done.returncode != 0:
        pytest.fail(done.stdout[-6000:], pytrace=False)
