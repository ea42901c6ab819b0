"""What is generated is what the program says today."""

import os
import re
import subprocess

import pytest

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


@pytest.mark.parametrize("doc, what", [
    ("docs/options.md", "options"), ("docs/commands.md", "commands"),
    ("README.md", "variables"), ("README.md", "families")])
def test_generated_tables(doc, what):
    """`make docs` would change nothing."""
    said = subprocess.run([program(), "--print-docs", what],
                          capture_output=True, text=True, check=True).stdout
    assert said.count("\n|") > 10
    with open(os.path.join(ROOT, doc)) as f:
        text = f.read()
    begin = "<!-- generated: %s -->\n\n" % what
    assert text.count(begin) == 1
    written = text.split(begin)[1].split("<!-- end -->")[0]
    assert written == said, "run `make docs`"


def test_no_such_document():
    done = subprocess.run([program(), "--print-docs", "nothing"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert "expected one of commands, families, options" in done.stderr


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
