# SPDX-License-Identifier: MIT
"""Run the integration suite twice at once, in two namespaces of one server.

    python tests/bound.py PROGRAM [--config classic] [arguments for pytest]

Neither may meet the other's keys, channels, clients or figures: each run
expects an empty server of its own, as always.  At the end nothing is outside
the two namespaces.  Exit status 0 when both passed.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import server as servers        # noqa: E402

TENANTS = (("anna", "first secret", "one"), ("bert", "second,secret", "two"))


def main():
    program, args = os.path.abspath(sys.argv[1]), sys.argv[2:]
    config = "classic"
    if args[:1] == ["--config"]:
        config, args = args[1], args[2:]
    s = servers.Server(program, config, password="root")
    s.start()
    failed = False
    try:
        with s.raw() as admin:
            admin.ok("AUTH", "root")
            for name, password, space in TENANTS:
                admin.ok("NAMESPACE", "USER", "ADD", name,
                         password.replace(" ", "-"), space)
                admin.ok("SET", "%s/left" % space, "by somebody")
            admin.ok("SET", "outside", "1")
            runs = []
            for name, password, _ in TENANTS:
                env = dict(os.environ, KVNS_BIN=program, CI="",
                           KVNS_ATTACH="%s %d %s %s" % (
                               s.host, s.port, name,
                               password.replace(" ", "-")))
                runs.append(subprocess.Popen(
                    [sys.executable, "-m", "pytest", "-q",
                     "tests/integration", "--config", "bound",
                     "-p", "no:cacheprovider"] + args,
                    env=env, cwd=servers.TOP))
            for run in runs:
                failed = run.wait() != 0 or failed
            for db in range(16):
                admin.ok("SELECT", db)
                for key in admin.call("KEYS", "*")[1]:
                    name = key[1].split(b"/")[0]
                    if name not in (b"one", b"two", b"outside"):
                        print("outside the namespaces: %r" % key[1])
                        failed = True
            admin.ok("SELECT", 0)
            if admin.call("GET", "outside") != ("$", b"1"):
                print("somebody changed what is outside")
                failed = True
            admin.ok("NAMESPACE", "DROP", "one")
            admin.ok("NAMESPACE", "DROP", "two")
            if admin.call("NAMESPACE", "INFO", "one")[1][1] != (":", 0):
                print("keys are left")
                failed = True
    finally:
        s.stop()
        s.discard()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
