"""What is generated is what the program says today."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def build(*names):
    subprocess.run(["sh", os.path.join(ROOT, "tests", "build.sh"), *names],
                   check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def program():
    if os.environ.get("KVNS_BIN"):
        return os.path.join(ROOT, os.environ["KVNS_BIN"])
    build("kvns-test")
    return os.path.join(ROOT, "build", "kvns-test")


def test_options_table():
    said = subprocess.run([program(), "--print-docs", "options"],
                          capture_output=True, text=True, check=True).stdout
    with open(os.path.join(ROOT, "docs", "options.md")) as f:
        assert f.read().endswith(said)


def test_the_header_s_example_works(tmp_path):
    """The example in kvns.h's opening comment compiles, and says 42."""
    with open(os.path.join(ROOT, "kvns.h")) as f:
        comment = f.read().split("*/")[0]
    lines = re.findall(r"^ \*     (.*)$", comment, re.M)
    source = tmp_path / "example.c"
    source.write_text("\n".join(lines) + "\n")
    cc = os.environ.get("CC", "cc").split()
    subprocess.run(cc + ["-std=c11", "-O1", "-w", "-pthread",
                         "-DKVNS_NO_MAIN", "-I", ROOT, str(source),
                         os.path.join(ROOT, "kvns.c"), "-o",
                         str(tmp_path / "example"), "-lm"], check=True)
    done = subprocess.run([str(tmp_path / "example")], capture_output=True,
                          timeout=20)
    assert done.stdout == b"$2\r\n42\r\n" and done.returncode == 0
