# SPDX-License-Identifier: MIT
"""The commands and programs of the documents do what the documents say.

A block of shell, Python or C is run, in order, in one shell and one directory
with the server's program in it, and prints what the block of text behind it
says; where none follows, nothing. One that begins with its file's name in a
comment is only written there. kvns.c and kvns.h of today lie beside.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

from harness.server import TOP, free_port

# How a block of each language is run from a shell.
RUN = {
    "sh": "%s",
    "python": "cat > hello.py <<'END'\n%sEND\n'{python}' hello.py\n",
    "c": "cat > hello.c <<'END'\n%sEND\n"
         "cc hello.c -o hello -lhiredis && ./hello\n",
    "diff": "patch -s -p1 <<'END'\n%sEND\n",
    "conf": None,
}
WRITE = "cat > %s <<'END'\n%sEND\n"
PORTS = "6480", "6481", "6482", "6490", "6491"
NEEDS = {
    "guide": ["redis-cli", "redis-server", "redis-check-rdb"],
    "contributing": ["redis-cli", "patch"],
    "embedding": ["redis-cli"],
    "migrating": ["redis-cli", "redis-server", "redis-check-rdb"],
    "operations": ["redis-cli", "openssl", "haproxy", "stunnel4"],
}


def read(name):
    with open(os.path.join(TOP, "docs", name + ".md")) as f:
        return f.read()


def blocks(text):
    """Pairs: what is run, and what the document says that it prints."""
    fences = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
    for i, (kind, body) in enumerate(fences):
        if kind not in RUN:
            continue
        follows = i + 1 < len(fences) and fences[i + 1][0] == "text"
        named = re.match(r"(?:/\*|#|;) (\w+\.\w+)(?: \*/)?\n", body)
        if named:
            assert not follows, named.group(1)
            yield WRITE % (named.group(1), body), ""
        else:
            how = RUN[kind].replace("{python}", sys.executable)
            yield how % body, fences[i + 1][1] if follows else ""


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_document(name, binary, tmp_path):
    for program in NEEDS[name]:
        if shutil.which(program, path=os.environ["PATH"] +
                        ":/usr/sbin") is None:
            pytest.skip("%s is not installed" % program)
    if name == "guide" and not os.path.exists(
            "/usr/include/hiredis/hiredis.h"):
        pytest.skip("hiredis is not installed")
    pairs = list(blocks(read(name)))
    assert len(pairs) >= 2
    shutil.copy(binary, tmp_path / "kvns")
    if name == "contributing":
        shutil.copytree(os.path.join(TOP, "src"), tmp_path / "src")
        shutil.copy(os.path.join(TOP, "kvns.h"), tmp_path)
    if name == "embedding":
        with open(tmp_path / "kvns.c", "w") as f:
            subprocess.run(["sh", "src/amalgamate.sh"], cwd=TOP, stdout=f,
                           check=True)
        shutil.copy(os.path.join(TOP, "kvns.h"), tmp_path)
    # What the compiler thinks of kvns.c is tested elsewhere.
    script = ["trap 'kill $(jobs -p) 2>/dev/null' EXIT"]
    for i, (commands, _) in enumerate(pairs):
        script.append("{\n%s} >out.%d 2>>err" % (commands, i))
    text = "\n".join(script) + "\n"
    ports = {port: str(free_port()) for port in PORTS}
    text = text.replace("cc -O2", "cc -O0")
    for port, real in ports.items():
        text = re.sub(r"\b%s\b" % port, real, text)
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("KVNS_")}
    env.update(KVNS_PORT=ports["6480"], KVNS_METRICS_PORT="0",
               PATH=os.environ["PATH"] + ":/usr/sbin")
    subprocess.run(["bash", "-c", text], cwd=tmp_path, env=env, timeout=100,
                   stdin=subprocess.DEVNULL, check=False)
    for i, (commands, said) in enumerate(pairs):
        printed = (tmp_path / ("out.%d" % i)).read_text()
        assert printed == said, "%s\n%s" % (
            commands, (tmp_path / "err").read_text()[-2000:])


def test_readme(binary, tmp_path):
    """Its targets exist, its ways to start are understood, and the tour does
    what it says."""
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli is not installed")
    with open(os.path.join(TOP, "README.md")) as f:
        text = f.read()
    with open(os.path.join(TOP, "Makefile")) as f:
        makefile = f.read()
    shell = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    code, = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    port = str(free_port())
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("KVNS_")}

    def run(script):
        return subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env,
                              capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL).stdout

    shutil.copy(binary, tmp_path / "kvns")
    starts = 0
    for block in shell:
        for target in re.findall(r"^make (\S+)", block, re.M):
            assert re.search("^%s:" % target, makefile, re.M), target
        for line in re.findall(r"^(?:[A-Z_=a-z0-9]+ )*\./kvns\b.*", block,
                               re.M):
            starts += 1
            assert run(line + " --check-config") == \
                "the configuration is good\n", line
    assert starts == 2
    tour, = [block for block in shell if "redis-cli" in block]
    (tmp_path / "hello.py").write_text(code.replace("6480", port))
    said = run("trap 'kill $(jobs -p)' EXIT\n"
               "KVNS_PORT=%s KVNS_METRICS_PORT=0 ./kvns 2>/dev/null &\n"
               "until redis-cli -p %s PING 2>&1 | grep -q PONG; do "
               "sleep 0.1; done\n%secho python\n%s hello.py\n" % (
                   port, port, tour.replace("6480", port), sys.executable))
    tour, python = said.replace("\r", "").split("python\n")
    assert tour.startswith("OK\nOK\n11\n2\n")
    assert "name" in tour and "1815" in tour
    assert "3\njobs\none\n" in tour
    assert "db1/user" in tour and "db0:keys=4,expires=1" in tour
    assert python == re.search(r"# (\[.*\])", code).group(1) + "\n"
