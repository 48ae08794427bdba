"""Fixtures of all Python tests. `server` is a running server with default settings, `start_server(**settings)` makes
one with others; each is stopped at the end of its test, and a test whose server ends badly has failed.

    pytest tests/integration --loops 1        the servers' number of loops (default 2)
    ORDINAL=build/asan/ordinal pytest ...     another binary
    ORDINAL_TEST_LONG=1 pytest ...            the tests that take minutes, too
"""

import itertools
import os
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import server as harness  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--loops", type=int, default=2, help="number of loops of the servers under test")


def pytest_collection_modifyitems(items):
    if os.environ.get("ORDINAL_TEST_LONG") == "1":
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: ORDINAL_TEST_LONG=1"))


def pytest_report_header():
    return "server under test: " + os.path.relpath(harness.binary(), harness.ROOT)


@pytest.fixture(scope="session")
def loops(request):
    return request.config.getoption("--loops")


@pytest.fixture
def start_server(tmp_path, loops):
    """A function that starts a server with the given settings (underscores for hyphens)."""
    servers = []
    numbers = itertools.count()

    def start(arguments=(), environment=None, wrapper=(), ready=True, **settings):
        directory = tmp_path / ("server%d" % next(numbers))
        directory.mkdir()
        named = {name.replace("_", "-"): value for name, value in settings.items()}
        if harness.is_ordinal():
            named.setdefault("loops", loops)
        server = harness.Server(directory, named, arguments, environment, wrapper, ready=False)
        servers.append(server)
        if ready:
            server.wait_ready()
        return server

    yield start
    failures = []
    for server in servers:
        try:
            server.stop()
        except AssertionError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture
def connect(server):
    """A function that opens a connection to `server`, closed at the end of the test."""
    connections = []

    def open_connection(**options):
        connection = server.connect(**options)
        connections.append(connection)
        return connection

    yield open_connection
    for connection in connections:
        connection.close()


@pytest.fixture
def client(connect):
    """One connection to `server`."""
    return connect()


@pytest.fixture(scope="session")
def ordinal():
    """Asked for by a test of what only Ordinal has; the original is excused."""
    if not harness.is_ordinal():
        pytest.skip("only Ordinal has this, and the server under test is another")


@pytest.fixture(scope="session")
def helper():
    """A function that gives the path of a C helper of tests/integration, building it when it is not current."""

    def path(name):
        target = "build/tests/integration/" + name
        subprocess.run(["make", "--silent", target], cwd=harness.ROOT, check=True)
        return os.path.join(harness.ROOT, target)

    return path


@pytest.fixture(scope="session")
def redis_cli():
    path = shutil.which("redis-cli")
    assert path, "redis-cli is missing: make deps-test"
    return path
