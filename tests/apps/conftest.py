"""A limit on the time of each test of programs, and Node.js 20 for those that need it."""

import signal

import pytest

from programs import make_packages

LIMIT_SECONDS = 240


@pytest.fixture(autouse=True)
def limited_time():
    def expire(_signal, _frame):
        raise TimeoutError("the test ran for more than %d s" % LIMIT_SECONDS)

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(LIMIT_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def node():
    """Asked for by whatever runs on Node.js 20."""
    make_packages("tests/apps/apps.mk", "node20")
