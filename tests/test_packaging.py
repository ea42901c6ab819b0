# SPDX-License-Identifier: MIT
"""What stands around the program: units, scripts, the list of parts, builds
that come out the same, and how large one is."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness.resp import Raw
from harness.server import TOP, free_port


def need(program):
    if shutil.which(program) is None:
        pytest.skip("%s is not installed" % program)


def read(*path):
    with open(os.path.join(TOP, *path)) as f:
        return f.read()


def build(name):
    subprocess.run(["sh", "tests/build.sh", name], cwd=TOP, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return os.path.join(TOP, "build", name)


def test_the_unit_is_hardened():
    need("systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20",
         "--no-pager", "etc/kvns.service"], cwd=TOP, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    level = re.search(r"exposure level for kvns.service: ([0-9.]+)",
                      done.stdout)
    assert float(level.group(1)) < 2.0


@pytest.mark.parametrize("script", ["etc/kvns.freebsd", "etc/kvns.openbsd"])
def test_rc_scripts_start_the_server(script, binary, tmp_path):
    """With the least of an rc.subr, which says what it would run; the server
    takes those arguments."""
    (tmp_path / "rc.subr").write_text("""
        load_rc_config() { kvns_flags="--port 7001"; }
        run_rc_command() { echo "$command" $command_args "($1)"; }
        rc_cmd() { echo "$daemon" $daemon_flags "($1)"; }
    """)
    text = re.sub(r"\. \S*/rc\.subr", ". %s/rc.subr" % tmp_path,
                  read(*script.split("/")))
    said = subprocess.run(["sh", "-c", text, script, "start"], check=True,
                          text=True, capture_output=True).stdout.split()
    assert said.pop() == "(start)"
    at = said.index("/usr/local/bin/kvns")
    if script.endswith("freebsd"):
        assert said[0] == "/usr/sbin/daemon" and "nobody" in said[:at]
        assert said[-2:] == ["--port", "7001"]
    else:
        assert at == 0
    assert "--persist-path" in said
    done = subprocess.run([binary, *said[at + 1:], "--check-config"], env={},
                          text=True, capture_output=True)
    assert done.stdout == "the configuration is good\n", done


def test_service_files_use_flags_that_exist(binary):
    said = subprocess.run([binary, "--help"], capture_output=True, text=True,
                          check=True).stdout
    named = set()
    for name in os.listdir(os.path.join(TOP, "etc")):
        text = read("etc", name)
        named |= {f for line in text.splitlines() if not re.match(r"\s*#\s",
                                                                  line)
                  for f in re.findall(r"--([a-z][a-z-]+) ", line)}
        named |= {v.lower().replace("_", "-")
                  for v in re.findall(r"KVNS_([A-Z_]+)=", text)}
    assert len(named) > 3
    for flag in named:
        assert "--" + flag in said, flag


def test_the_list_of_parts():
    version = re.search(r'KVNS_VERSION "([^"]+)"', read("kvns.c")).group(1)
    sbom = json.loads(read("docs", "sbom.spdx.json"))
    assert sbom["spdxVersion"] == "SPDX-2.3"
    assert [p["name"] for p in sbom["packages"]] == ["kvns"]
    assert sbom["packages"][0]["versionInfo"] == version
    assert sbom["packages"][0]["licenseDeclared"] == "MIT"


def test_every_source_says_its_licence():
    """Each by itself, in its first lines; and the one file once."""
    line = "SPDX-License-Identifier: MIT"
    paths = ["kvns.h", "Makefile", "Containerfile", "docker-compose.yaml"]
    for top in "src", "tests", "etc":
        for folder, _, names in os.walk(os.path.join(TOP, top)):
            paths += [os.path.relpath(os.path.join(folder, name), TOP)
                      for name in names
                      if top == "etc" or name.endswith(
                          (".c", ".h", ".sh", ".py", ".awk", ".html",
                           ".mjs"))]
    assert len(paths) > 200
    assert [path for path in paths if line not in read(path)[:200]] == []
    assert read("kvns.c")[:1000].count(line) == 1


def test_builds_are_reproducible(tmp_path):
    """The same source in two places gives the same bytes."""
    made = []
    for place in "one", "another/and/deeper":
        there = tmp_path / place
        there.mkdir(parents=True)
        for name in "kvns.c", "kvns.h":
            shutil.copy(os.path.join(TOP, name), there)
        subprocess.run(["cc", "-O0", "-pthread", "kvns.c", "-o", "kvns",
                        "-lm"], cwd=there, check=True)
        made.append((there / "kvns").read_bytes())
    assert made[0] == made[1]


@pytest.fixture(scope="module")
def static():
    need("musl-gcc")
    return build("kvns-musl")


def test_the_static_program_is_small(static):
    assert os.path.getsize(static) <= 600 * 1000


def test_the_image(static, tmp_path):
    """The last stage of the Containerfile, built without a registry: what the
    first would have made lies there already."""
    need("buildah")
    if os.geteuid() != 0:
        pytest.skip("buildah's chroot isolation is for root here")
    stage = read("Containerfile").split("FROM scratch\n")[1]
    stage = stage.replace("--from=build ", "").replace("/src/", "")
    (tmp_path / "image" / "data").mkdir(parents=True)
    shutil.copy(static, tmp_path / "kvns")
    (tmp_path / "Containerfile").write_text("FROM scratch\n" + stage)
    buildah = ["buildah", "--storage-driver", "vfs", "--root",
               str(tmp_path / "store"), "--runroot", str(tmp_path / "run")]

    def run(*args):
        done = subprocess.run([*buildah, *args], cwd=tmp_path, text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    try:
        run("bud", "--isolation", "chroot", "--format", "docker", "-t",
            "kvns:test", ".")
    except AssertionError as why:
        if "chroot" in str(why) or "permitted" in str(why):
            pytest.skip("no chroot isolation here: %s" % why)
        raise
    about = json.loads(run("inspect", "--type", "image", "kvns:test"))
    config = about["Docker"]["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/kvns"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/kvns", "health"]
    assert config["Labels"]["org.opencontainers.image.licenses"] == "MIT"
    assert list(config["Volumes"]) == ["/data"]
    box = run("from", "kvns:test")
    said = run("run", "--isolation", "chroot", box, "--", "/kvns",
               "--version")
    assert said.startswith("kvns v")
    run("rm", box)


def test_it_runs_in_an_empty_root(static, tmp_path):
    """As in an image made from nothing: one file, a number for a user, a root
    that cannot be written but for the data."""
    if os.geteuid() != 0:
        pytest.skip("chroot is for root")
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    shutil.copy(static, root / "kvns")
    os.chown(root / "data", 48123, 48123)
    os.chmod(root, 0o555)
    port = free_port()
    env = {"KVNS_HOST": "127.0.0.1", "KVNS_PORT": str(port),
           "KVNS_METRICS_PORT": "0", "KVNS_PERSIST_PATH": "/data/kvns.db"}

    def enter():
        os.chroot(root)
        os.chdir("/data")
        os.setgroups([])
        os.setgid(48123)
        os.setuid(48123)

    p = subprocess.Popen(["/kvns"], env=env, preexec_fn=enter,
                         stderr=subprocess.PIPE, text=True)
    try:
        for line in p.stderr:
            if "Ready to accept" in line:
                break
        with Raw(("127.0.0.1", port)) as c:
            c.ok("SET", "ns/k", "v")
        health = subprocess.run(["/kvns", "health"], env=env,
                                preexec_fn=enter)
        assert health.returncode == 0
        p.send_signal(signal.SIGTERM)
        p.stderr.read()
        assert p.wait(20) == 0
    finally:
        p.kill()
        p.wait()
    assert (root / "data" / "kvns.db").read_bytes()[:5] == b"REDIS"
