# SPDX-License-Identifier: MIT
"""The Makefile's targets, and what containers are made from."""

import os
import re
import shutil
import subprocess

import pytest

from harness.server import TOP, free_port
from test_docs import program

TARGETS = """all build help run release install uninstall amalgamation docs
    test gates unit checks lint fmt fmt-check bench benchmark
    benchmark-sharded benchmark-compare podman-build podman-run
    podman-compose-up podman-compose-logs podman-compose-down
    podman-login-ghcr podman-push-ghcr clean""".split()


def make(*args, path=None):
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", "--no-print-directory", "-C", TOP, *args],
                          env=env, text=True, capture_output=True, timeout=60)


def test_help_names_every_target():
    done = make("help")
    assert done.returncode == 0
    named = re.findall(r"^  ([a-z-]+) +\S", done.stdout, re.M)
    assert set(TARGETS) <= set(named)
    with open(os.path.join(TOP, "Makefile")) as f:
        text = f.read()
    phony = text.split(".PHONY:")[1].replace("\\\n", " ").split()
    assert set(named) - {"kvns"} == set(phony)
    assert max(map(len, done.stdout.split("\n"))) <= 80


@pytest.fixture
def podman(tmp_path):
    """A podman that writes down what it was asked to do."""
    log = tmp_path / "asked"
    tool = tmp_path / "podman"
    tool.write_text('#!/bin/sh\necho "$BUILDAH_FORMAT $*" >>%s\n'
                    'case $* in *password-stdin) cat >>%s ;; esac\n'
                    % (log, log))
    tool.chmod(0o755)

    def run(target, *settings):
        log.write_text("")
        done = make("-s", target, "PODMAN=%s" % tool, *settings)
        return done.returncode, log.read_text().strip().split("\n")

    return run


def test_podman_targets(podman):
    assert podman("podman-build", "IMAGE=x:y") == (
        0, ["docker build -t x:y -f Containerfile ."])
    status, asked = podman("podman-run", "IMAGE=x:y")
    assert status == 0 and len(asked) == 1
    assert "-p 6480:6480 -p 9090:9090" in asked[0] and "x:y" in asked[0]
    for target, words in [("podman-compose-up", "up -d"),
                          ("podman-compose-logs", "logs"),
                          ("podman-compose-down", "down")]:
        status, asked = podman(target)
        assert status == 0 and "compose -f docker-compose.yaml " + words in \
            asked[0]
    assert podman("podman-login-ghcr")[0] != 0
    status, asked = podman("podman-login-ghcr", "GHCR_USER=me",
                           "GHCR_TOKEN=t0ken")
    assert status == 0
    assert "login ghcr.io -u me --password-stdin" in asked[0]
    assert asked[1] == "t0ken"          # not on a command line


@pytest.mark.parametrize("latest", [True, False])
def test_podman_push(podman, latest):
    status, asked = podman(
        "podman-push-ghcr", "GHCR_IMAGE=ghcr.io/a/b", "TAG=v0.3.0",
        "PLATFORMS=linux/amd64,linux/riscv64",
        "PUSH_LATEST=%s" % str(latest).lower())
    assert status == 0
    text = "\n".join(asked)
    assert "--platform linux/amd64,linux/riscv64" in text
    assert "docker://ghcr.io/a/b:v0.3.0" in text
    assert ("docker://ghcr.io/a/b:latest" in text) == latest


def instructions():
    with open(os.path.join(TOP, "Containerfile")) as f:
        text = re.sub(r"^#.*\n", "", f.read(), flags=re.M)
    lines = text.replace("\\\n", " ").split("\n")
    return [x.split(None, 1) for x in lines if x.strip()]


def test_containerfile():
    """What a linter would say."""
    all_of = instructions()
    words = [w for w, _ in all_of]
    assert words[0] == "FROM" and "ADD" not in words
    for word, rest in all_of:
        if word == "FROM" and not rest.startswith("scratch"):
            assert re.match(r"\S+/\S+:\d\S*( AS \w+)?$", rest), rest
        if word == "RUN":
            assert "sudo" not in rest and "apt-get install" not in rest
            assert "apk add" not in rest or "--no-cache" in rest
        if word in ("ENTRYPOINT", "CMD"):
            assert rest.startswith("["), rest
        if word == "HEALTHCHECK":
            assert re.search(r'CMD +\["/kvns", "health"\]', rest)
        if word == "COPY" and "--from" not in rest:
            for name in rest.split()[:-1]:
                assert os.path.exists(os.path.join(TOP, name)), name
    last = {w: rest for w, rest in all_of}
    assert re.match(r"[1-9]\d*:[1-9]\d*$", last["USER"])
    assert set(last["EXPOSE"].split()) == {"6480", "9090"}
    assert last["FROM"] == "scratch"


def test_containerfile_tries_what_it_built(tmp_path):
    script, = [rest for w, rest in instructions() if w == "RUN" and
               "ping" in rest]
    shutil.copy(program(), tmp_path / "kvns")

    def run(how, port):
        env = dict(os.environ, KVNS_PORT=str(port))
        return subprocess.run(["sh", "-c", how], env=env, cwd=tmp_path,
                              stdout=subprocess.DEVNULL, timeout=60,
                              stderr=subprocess.DEVNULL).returncode

    port = free_port()
    assert run(script, port) == 0
    # One that does not start is noticed, a little sooner here.
    assert run(script.replace("100", "3"), "no port") != 0


def known(settings):
    """Does the program know all these variables, and take their values?"""
    done = subprocess.run([program(), "--check-config"], env=settings,
                          capture_output=True, text=True, timeout=30)
    assert done.stdout == "the configuration is good\n", done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_the_containers_variables():
    env = [rest for w, rest in instructions() if w == "ENV"][0]
    settings = dict(x.split("=", 1) for x in env.split())
    assert settings["KVNS_PROTECTED_MODE"] == "no"
    known(settings)


def test_compose_file():
    with open(os.path.join(TOP, "docker-compose.yaml")) as f:
        text = f.read()
    assert "\t" not in text
    for name in ("image: kvns:local", '"6480:6480"', '"9090:9090"',
                 '["CMD", "/kvns", "health"]', "kvns-data:/data"):
        assert name in text
    settings = dict(re.findall(r'^ +-? ?(KVNS_\w+)[:=] *"?([^"\n]*)"?$',
                               text, re.M))
    known(settings)
