# SPDX-License-Identifier: MIT
"""What others wrote, against us: installed under build/foreign, once."""

import os
import shutil
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
FOREIGN = os.path.join(TOP, "build", "foreign")
NODE = ["redis@6", "ioredis@6"]
GO = "github.com/redis/go-redis/v9@v9.5.1"
PYTHON = ["redis", "rq", "celery", "packaging"]
REDIS_PY = "8.1.0"              # whose own tests are run
SUITE = ["pytest", "pytest-asyncio", "pytest-timeout", "packaging"]


def install(mark, command, cwd):
    """Run once; a failure to download skips, for it is not about us."""
    done = os.path.join(FOREIGN, mark)
    if os.path.exists(done):
        return
    try:
        subprocess.run(command, cwd=cwd, check=True, timeout=300,
                       stdout=subprocess.DEVNULL)
    except (subprocess.SubprocessError, OSError) as why:
        pytest.skip("cannot be installed: %s" % why)
    with open(done, "w"):
        pass


@pytest.fixture(scope="session")
def node():
    """Run a script with node; the packages are there."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    os.makedirs(FOREIGN, exist_ok=True)
    with open(os.path.join(FOREIGN, "package.json"), "w") as f:
        f.write('{"private": true}\n')
    install("node.done", ["npm", "install", "--ignore-scripts", "--no-audit",
                          "--no-fund", "--silent", *NODE], FOREIGN)

    def run(name, *args, text=None):
        if text is None:
            shutil.copy(os.path.join(TOP, "tests", "foreign", name), FOREIGN)
        else:
            with open(os.path.join(FOREIGN, name), "w") as f:
                f.write(text)
        return subprocess.run(
            ["node", os.path.join(FOREIGN, name), *map(str, args)],
            capture_output=True, text=True, timeout=60, cwd=FOREIGN)

    return run


@pytest.fixture(scope="session")
def golang():
    """Run a program in Go; the module is there."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    where = os.path.join(FOREIGN, "go")
    os.makedirs(where, exist_ok=True)
    if not os.path.exists(os.path.join(where, "go.mod")):
        subprocess.run(["go", "mod", "init", "guide"], cwd=where, check=True,
                       capture_output=True)
    install("go.done", ["go", "get", GO], where)

    def run(text):
        with open(os.path.join(where, "main.go"), "w") as f:
            f.write(text)
        return subprocess.run(["go", "run", "."], capture_output=True,
                              text=True, timeout=280, cwd=where)

    return run


@pytest.fixture(scope="session")
def python():
    """Run a script with a Python that has the packages."""
    venv = os.path.join(FOREIGN, "venv")
    binary = os.path.join(venv, "bin", "python")
    os.makedirs(FOREIGN, exist_ok=True)
    install("venv.done", [sys.executable, "-m", "venv", venv], TOP)
    install("python.done", [binary, "-m", "pip", "install", "-q", *PYTHON],
            TOP)

    def run(name, *args):
        return subprocess.run(
            [binary, os.path.join(TOP, "tests", "foreign", name),
             *map(str, args)], capture_output=True, text=True, timeout=90,
            cwd=os.path.join(TOP, "tests", "foreign"))

    return run


@pytest.fixture(scope="session")
def redis_py_suite():
    """(a Python, the folder with redis-py's source package)"""
    venv = os.path.join(FOREIGN, "suite")
    binary = os.path.join(venv, "bin", "python")
    where = os.path.join(FOREIGN, "redis-" + REDIS_PY)
    os.makedirs(FOREIGN, exist_ok=True)
    install("suite-venv.done", [sys.executable, "-m", "venv", venv], TOP)
    install("suite.done", [binary, "-m", "pip", "install", "-q", *SUITE], TOP)
    install("suite-%s.done" % REDIS_PY, [
        binary, "-m", "pip", "download", "-q", "--no-deps", "--no-binary",
        ":all:", "-d", FOREIGN, "redis==" + REDIS_PY], TOP)
    if not os.path.isdir(where):
        shutil.unpack_archive(where + ".tar.gz", FOREIGN)
    return binary, where


@pytest.fixture
def redis_like(fresh_server):
    """Everything foreign is tested with Redis' limits and defaults."""
    return fresh_server(args=["--redis"])
