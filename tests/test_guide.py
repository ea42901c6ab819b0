"""The commands and programs of docs/guide.md do what the guide says."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from harness.server import TOP, free_port

# How a block of each language is run from a shell.
RUN = {"sh": "%s", "python": "cat > hello.py <<'END'\n%sEND\n'{python}' "
       "hello.py\n", "c": "cat > hello.c <<'END'\n%sEND\ncc hello.c -o hello "
       "-lhiredis && ./hello\n"}


def blocks(text):
    """Pairs: what is run, and what the guide says that it prints."""
    fences = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
    for i, (kind, body) in enumerate(fences):
        if kind in RUN:
            follows = i + 1 < len(fences) and fences[i + 1][0] == "text"
            how = RUN[kind].replace("{python}", sys.executable)
            yield how % body, fences[i + 1][1] if follows else None


def test_the_guide(binary, tmp_path):
    for program in "redis-cli", "redis-server", "redis-check-rdb":
        if shutil.which(program) is None:
            pytest.skip("%s is not installed" % program)
    if not os.path.exists("/usr/include/hiredis/hiredis.h"):
        pytest.skip("hiredis is not installed")
    with open(os.path.join(TOP, "docs", "guide.md")) as f:
        pairs = list(blocks(f.read()))
    assert len(pairs) >= 8
    shutil.copy(binary, tmp_path / "kvns")
    script = ["trap 'kill $(jobs -p) 2>/dev/null' EXIT"]
    for i, (commands, said) in enumerate(pairs):
        assert said is not None, commands
        script.append("{\n%s} >out.%d 2>>err" % (commands, i))
    text = "\n".join(script) + "\n"
    for port in "6480", "6481":
        text = text.replace(port, str(free_port()))
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("KVNS_")}
    port = re.search(r"redis-cli -p (\d+)", text).group(1)
    env.update(KVNS_PORT=port, KVNS_METRICS_PORT="0")
    subprocess.run(["bash", "-c", text], cwd=tmp_path, env=env, timeout=100,
                   stdin=subprocess.DEVNULL, check=False)
    for i, (commands, said) in enumerate(pairs):
        printed = (tmp_path / ("out.%d" % i)).read_text()
        assert printed == said, "%s\n%s" % (
            commands, (tmp_path / "err").read_text()[-2000:])
