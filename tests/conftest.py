# SPDX-License-Identifier: MIT
"""Options and fixtures for everything under tests/.

    pytest tests/integration --config shards7x2
    KVNS_BIN=./kvns pytest tests/integration

Fixtures that talk to a server:
    server        one that the tests of a run share; empty at each test
    fresh_server  a function that starts another: fresh_server(password="x")
    r, r3         redis-py on RESP2, on RESP3
    redis         both, one after the other
    debugger      a connection to a server that has DEBUG
    raw           a function that opens a raw connection: raw().call("PING")
    redis_server  a real redis-server, to compare with
"""

import os
import re
import shutil
import subprocess

import pytest

from harness import server as servers
from harness.admin import needs_more

try:
    import redis as redis_py
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError:
    redis_py = None

# After these nothing is tried a second time.
FAULTS = re.compile(servers.REPORTS.pattern + rb"|the server ended"
                    rb"|worker '\w+' crashed|exit status -?[1-9]")
IN_CI = os.environ.get("CI") == "true"


def pytest_addoption(parser):
    parser.addoption("--config", default="classic",
                     choices=sorted(servers.CONFIGS),
                     help="how the server is set up")
    parser.addoption("--kills", type=int, default=3,
                     help="how often a server is killed under load")
    parser.addoption("--flips", default="some", choices=["some", "all"],
                     help="which bits of a snapshot are turned over")
    parser.addoption("--long", action="store_true",
                     help="the long tests, and none but those")
    parser.addoption("--diff-commands", type=int, default=4000,
                     help="how many commands the comparison with "
                          "redis-server sends")
    parser.addoption("--diff-seed", type=int, default=None,
                     help="repeat a comparison")
    parser.addoption("--diff-first", type=int, default=1,
                     help="the seed that comparisons begin with; 0: the time")
    parser.addoption("--diff-rows", default="*",
                     help="which commands it sends: patterns of names, with "
                          "commas between them")


def pytest_sessionstart(session):
    """Build before any test's time runs, and once for all workers."""
    config = session.config
    if (hasattr(config, "workerinput") or os.environ.get("KVNS_BIN")
            or config.getoption("--config") == "redis"):
        return
    try:
        servers.build("kvns-test")
    except subprocess.CalledProcessError:
        if any("integration" in str(a) for a in config.args):
            pytest.exit("the server does not compile", 1)


def pytest_report_header(config):
    return "kvns: %s, --config %s" % (
        os.environ.get("KVNS_BIN", "build/kvns-test"),
        config.getoption("--config"))


def names_in(path):
    """The tests that a file names, one a line."""
    if not path:
        return set()
    with open(path) as f:
        return set(f.read().splitlines())


def pytest_collection_modifyitems(config, items):
    """Who lives in a namespace runs what needs no more than that: not what
    is marked admin, nor what starts servers of its own.  What takes long is
    left out unless it is asked for: then there is nothing else.  A file of
    names, KVNS_ONLY, leaves those alone."""
    wants = config.getoption("--long")
    only = names_in(os.environ.get("KVNS_ONLY"))
    out = [i for i in items
           if (i.get_closest_marker("long") is None) == wants
           or only and i.nodeid not in only]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [i for i in items if i not in set(out)]
    if config.getoption("--config") != "bound":
        return
    for i in items:
        if (needs_more(i.nodeid)
                or "fresh_server" in i.fixturenames):
            i.add_marker("admin")
    out = [i for i in items if i.get_closest_marker("admin")]
    items[:] = [i for i in items if i not in set(out)]
    config.hook.pytest_deselected(items=out)
    config.not_for_tenants = [i.nodeid for i in out]


def pytest_terminal_summary(terminalreporter, config):
    for name in getattr(config, "not_for_tenants", ()):
        terminalreporter.write_line("not for tenants: " + name)
    if not hasattr(config, "workerinput"):
        may_be_tried_again(terminalreporter.stats,
                           os.environ.get("KVNS_AGAIN"))


def may_be_tried_again(stats, path):
    """Add to a file the names of what failed, if that is one or two tests,
    and neither a fixture nor the log of a server found a fault; "no" if not
    so."""
    failed = stats.get("failed", [])
    errors = stats.get("error", [])
    if not path or not failed + errors:
        return
    texts = [text for report in failed
             for text in [report.longreprtext]
             + [section for _, section in report.sections]]
    if errors or len(failed) > 2 or any(
            FAULTS.search(text.encode()) for text in texts):
        names = ["no"]
    else:
        names = [report.nodeid for report in failed]
    with open(path, "a") as f:
        f.writelines(name + "\n" for name in names)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for s in servers.running:
            report.sections.append(
                ("log of the server on port %d" % s.port, s.log_tail()))
    # On the machine that decides, a test that did not run did not pass.
    if (report.skipped and IN_CI and not hasattr(report, "wasxfail")
            and item.config.getoption("--config") != "redis"):
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def config_name(request):
    return request.config.getoption("--config")


@pytest.fixture(scope="session")
def binary(config_name):
    """The program under test."""
    if config_name == "redis":
        path = shutil.which("redis-server")
        if path is None:
            pytest.skip("redis-server is not installed")
        return path
    path = os.environ.get("KVNS_BIN")
    return os.path.abspath(path) if path else servers.build("kvns-test")


class Shared:
    """The server of a run, started again when a test has ended it."""

    def __init__(self, binary, config):
        self.binary = binary
        self.config = config
        self.server = None

    def get(self):
        if self.server is not None and not self.server.alive():
            self.server.discard()
            self.server = None
        where = os.environ.get("KVNS_ATTACH")
        if self.server is None and where:
            self.server = servers.Attached(where)
        elif self.server is None:
            self.server = servers.Server(self.binary, self.config).start()
        return self.server


@pytest.fixture(scope="session")
def shared_server(binary, config_name):
    shared = Shared(binary, config_name)
    yield shared
    if shared.server is not None:
        try:
            shared.server.stop()
        finally:
            shared.server.discard()


@pytest.fixture
def server(shared_server):
    """A server without keys, shared by the tests of a run."""
    s = shared_server.get()
    with s.raw() as raw:
        raw.ok("FLUSHALL")
    yield s
    if not s.alive():
        s.check_log()
        raise AssertionError("the server ended with status %s"
                             % s.process.returncode)


@pytest.fixture
def fresh_server(binary, config_name):
    """Start servers that this test alone uses; they must end well."""
    started = []

    def start(args=(), **options):
        try:
            s = servers.Server(binary, config_name, args, **options)
            started.append(s)
            return s.start()
        except servers.NotForRedis as why:
            pytest.skip("redis-server has no option like %s" % why)

    yield start
    try:
        for s in started:
            if s.alive():
                s.stop()
            elif s.process is not None:
                s.check_log()
    finally:
        for s in started:
            s.discard()


@pytest.fixture
def debugger(fresh_server, config_name):
    """A connection to a server that has DEBUG."""
    if config_name == "redis":
        s = fresh_server(args=["--enable-debug-command", "yes"])
    else:
        s = fresh_server(KVNS_ENABLE_DEBUG_COMMAND="yes")
    with s.raw() as c:
        yield c


@pytest.fixture(scope="session")
def shared_redis():
    with servers.lent_redis() as s:
        yield s


@pytest.fixture
def redis_server(shared_redis):
    """A real redis-server without keys."""
    if shared_redis is None:
        pytest.skip("redis-server is not installed")
    with shared_redis.raw() as raw:
        raw.ok("FLUSHALL")
    return shared_redis


@pytest.fixture
def raw(server):
    """Open raw connections to the shared server."""
    opened = []

    def connect(to=None, **options):
        connection = (to or server).raw(**options)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


def connect_py(server, protocol, **options):
    """A redis-py client; RESP3 needs redis-py 5.  It tries nothing twice: a
    connection that is lost is to be seen, and at once."""
    if redis_py is None:
        pytest.skip("redis-py is not installed")
    version = int(redis_py.__version__.split(".")[0])
    if version >= 5:
        options["protocol"] = protocol
    elif protocol == 3:
        pytest.skip("redis-py %s has no RESP3" % redis_py.__version__)
    login = getattr(server, "login", None)
    if login is not None and "username" not in options:
        options.update(username=login[0], password=login[1])
    if "unix_socket_path" not in options:
        options.update(host=server.host, port=server.port)
    return redis_py.Redis(socket_timeout=20, retry=Retry(NoBackoff(), 0),
                          **options)


@pytest.fixture
def client(server):
    """Open redis-py clients: client(), client(3), client(2, db=1)."""
    opened = []

    def connect(protocol=2, to=None, **options):
        c = connect_py(to or server, protocol, **options)
        opened.append(c)
        return c

    yield connect
    for c in opened:
        c.close()


@pytest.fixture
def r(client):
    return client(2)


@pytest.fixture
def r3(client):
    return client(3)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def redis(request, client):
    return client(request.param)
