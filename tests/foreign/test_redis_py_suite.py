# SPDX-License-Identifier: MIT
"""redis-py's own tests of its commands, as its source package has them."""

import re
import subprocess

import pytest

FILES = ["commands", "pipeline", "pubsub", "encoding", "monitor", "hash"]
MARKS = " and ".join("not " + m for m in (
    "onlycluster", "redismod", "ssl", "graph", "experimental"))

# What is left out, and why.
NO_ACL = "makes users with ACL SETUSER, which is not here"
NO_SCRIPTS = "there are no scripts"
OTHER_PORT = "connects to port 6379, whatever the URL says"
LEFT_OUT = {
    "test_commands.py::TestRedisCommands::": {
        "test_auth": NO_ACL,
        "test_acl_deluser": NO_ACL,
        "test_acl_dryrun": NO_ACL,
        "test_acl_getuser_setuser": NO_ACL,
        "test_acl_list": NO_ACL,
        "test_acl_log": NO_ACL,
        "test_acl_setuser_add_passwords_and_nopass_fails": NO_ACL,
        "test_acl_setuser_categories_without_prefix_fails": NO_ACL,
        "test_acl_setuser_commands_without_prefix_fails": NO_ACL,
        "test_client_kill_filter_by_user": NO_ACL,
        "test_client_setinfo": OTHER_PORT,
        "test_client_setinfo_with_driver_info": OTHER_PORT,
        "test_command_getkeys": "asks for the keys of EVAL; " + NO_SCRIPTS,
        "test_psync": "reads a reply that is a snapshot; fails with Redis 7.0 "
                      "as well",
        "test_sync": "takes long to read nothing",
        "test_xgroup_create_entriesread": "wants a lag that Redis 7.0 does "
                                          "not answer either",
        "test_xinfo_consumers": "wants `inactive`, which is of 7.2",
    },
    "test_monitor.py::TestMonitor::": {
        "test_lua_script": NO_SCRIPTS,
    },
}


@pytest.mark.parametrize("protocol", ["2", "3"])
def test_suite(redis_py_suite, redis_like, protocol):
    binary, where = redis_py_suite
    out = [a for place, tests in LEFT_OUT.items() for name in tests
           for a in ("--deselect", "tests/" + place + name)]
    done = subprocess.run(
        [binary, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short",
         "--timeout", "60", "-m", MARKS, "--protocol", protocol,
         "--redis-url", "redis://127.0.0.1:%d/0" % redis_like.port, *out]
        + ["tests/test_%s.py" % name for name in FILES],
        cwd=where, capture_output=True, text=True, timeout=280)
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert int(passed.group(1)) > 550, done.stdout[-500:]
