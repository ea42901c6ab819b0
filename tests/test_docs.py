# SPDX-License-Identifier: MIT
"""What is generated is what the program says today."""

import os
import re
import shutil
import socket
import subprocess

import pytest

from harness.resp import plain
from harness.server import Server

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
    ("docs/metrics.md", "metrics"),
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


def lists_of_commands():
    """What tests/compatibility.awk makes of the table of commands."""
    said = subprocess.run([program(), "--print-docs", "commands"],
                          capture_output=True, check=True).stdout
    return subprocess.run(
        ["awk", "-f", "tests/compatibility.awk", "docs/compatibility.txt",
         "-"], input=said, capture_output=True, cwd=ROOT)


def test_generated_lists_of_commands():
    made = lists_of_commands()
    assert made.returncode == 0, made.stderr.decode()
    with open(os.path.join(ROOT, "docs", "compatibility.md")) as f:
        text = f.read()
    written = text.split("<!-- generated: compatibility -->\n\n")[1]
    assert written == made.stdout.decode(), "run `make docs`"


def test_commands_without_a_word_are_noticed(tmp_path):
    """One that is neither there nor explained, and the other way round."""
    with open(os.path.join(ROOT, "docs", "compatibility.txt")) as f:
        text = f.read()
    for wrong, why in [(text + "nosuch\n", "nosuch is not there"),
                       (text.replace("\nget\n", "\nget: not: =scripts\n"),
                        "get is there after all"),
                       (text.replace("\nget\n", "\nget: differs: =x\n"),
                        "=x is not explained")]:
        path = tmp_path / "compatibility.txt"
        path.write_text(wrong)
        said = subprocess.run([program(), "--print-docs", "commands"],
                              capture_output=True, check=True).stdout
        made = subprocess.run(
            ["awk", "-f", "tests/compatibility.awk", str(path), "-"],
            input=said, capture_output=True, cwd=ROOT)
        assert made.returncode == 1
        assert why in made.stderr.decode()


def test_generated_options_of_the_manual_page():
    said = subprocess.run([program(), "--print-docs", "mdoc"],
                          capture_output=True, text=True, check=True).stdout
    assert said.count(".It Fl") > 50
    with open(os.path.join(ROOT, "docs", "kvns.1")) as f:
        text = f.read()
    written = text.split('.\\" generated: mdoc\n')[1].split('.\\" end\n')[0]
    assert written == said, "run `make docs`"


# Flags in the manual pages that --help has no line of their own for.
NOT_OPTIONS = "redis", "option"


@pytest.mark.parametrize("page", ["kvns.1", "kvns.7"])
def test_manual_pages_are_clean(page):
    """mandoc finds nothing to say but that they are not installed."""
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-Tlint", os.path.join("docs", page)],
                          cwd=ROOT, capture_output=True, text=True)
    said = [line for line in (done.stdout + done.stderr).splitlines()
            if "referenced manual not found: Xr kvns" not in line]
    assert said == []


def test_manual_pages_name_what_there_is():
    """Each variable and each own flag in their words is one of ours."""
    help_text = subprocess.run([program(), "--help"], capture_output=True,
                               text=True, check=True).stdout
    for page in "kvns.1", "kvns.7":
        with open(os.path.join(ROOT, "docs", page)) as f:
            text = f.read().split('.\\" generated: mdoc\n')
        text = text[0] + text[-1].split('.\\" end\n')[-1]
        for flag in re.findall(r"Fl -([a-z-]+)", text):
            assert "--" + flag in help_text or flag in NOT_OPTIONS, flag
        for name in re.findall(r"KVNS_([A-Z_]+)", text):
            flag = name.lower().replace("_", "-")
            assert "--" + flag in help_text or flag == "password-file", name


def test_no_such_document():
    done = subprocess.run([program(), "--print-docs", "nothing"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert "expected one of commands, families, mdoc, " in done.stderr


def answer_to(port, request):
    """The first line that the server answers, and that it closes then."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        try:
            s.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        got = b""
        try:
            while part := s.recv(4096):
                got += part
        except ConnectionResetError:
            pass
    return got.split(b"\r\n")[0].decode()


def test_limits_are_as_written():
    """docs/protocol.md has the limits and the answers of the program."""
    with open(os.path.join(ROOT, "docs", "protocol.md")) as f:
        rows = re.findall(r"^\| (.*?) \| (\d+) \| (\d+) \| `(KVNS_\w+)` \|"
                          r" `(-ERR .*)` \|$", f.read(), re.M)
    assert len(rows) == 5
    for redis in (False, True):
        s = Server(program(), "classic", args=["--redis"] if redis else [])
        s.start()
        try:
            with s.raw() as raw:
                for what, ours, theirs, variable, error in rows:
                    limit = int(theirs if redis else ours)
                    name = variable[len("KVNS_"):].lower().replace("_", "-")
                    kind, got = raw.call("CONFIG", "GET", name)
                    assert int(plain((kind, got))[1]) == limit
            for what, ours, theirs, variable, error in rows:
                limit = int(theirs if redis else ours)
                line = min(limit, 1 << 20) + 1
                request = {
                    "arguments of a command": b"*%d\r\n" % (limit + 1),
                    "bytes of an argument": b"*1\r\n$%d\r\n" % (limit + 1),
                    "bytes of an inline command": b"x" * line,
                    "bytes of an array's header": b"*" + b"1" * line,
                    "bytes of a string's header":
                        b"*1\r\n$" + b"1" * line}[what]
                assert answer_to(s.port, request) == error.replace(
                    ours, str(limit)), what
            s.stop()
        finally:
            s.discard()


def test_alerts_and_dashboard_name_metrics_there_are():
    with open(os.path.join(ROOT, "docs", "metrics.md")) as f:
        there = set(re.findall(r"^\| `(\w+)`", f.read(), re.M))
    for name in ("prometheus-alerts.yml", "grafana-dashboard.json"):
        with open(os.path.join(ROOT, "docs", name)) as f:
            used = set(re.findall(r"\b(?:kvns|process)_\w+", f.read()))
        used = {re.sub("_(bucket|sum|count)$", "", n) for n in used}
        assert len(used) > 10 and used <= there, used - there


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
