"""A limit on the time of each integration test; the fixtures themselves are in tests/conftest.py."""

import signal

import pytest

from harness.server import is_sanitized

LIMIT_SECONDS = 180 if not is_sanitized() else 600


@pytest.fixture(autouse=True)
def limited_time(request):
    """No test of ours runs for ever: what it waits for has not come, and where it waits is shown."""
    if request.node.get_closest_marker("long"):
        yield
        return

    def expire(_signal, _frame):
        raise TimeoutError("the test ran for more than %d s" % LIMIT_SECONDS)

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(LIMIT_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
