"""Fixtures of the tests between hosts: a limit on the time of each, and hosts, where they can be made."""

import pytest

import network
from harness.limit import time_limit
from harness.server import is_sanitized

LIMIT_SECONDS = 120 if not is_sanitized() else 600


@pytest.fixture(autouse=True)
def limited_time():
    """No test runs for ever."""
    with time_limit(LIMIT_SECONDS):
        yield


@pytest.fixture
def hosts():
    """Asked for by a test that makes hosts."""
    reason = network.why_not()
    if reason:
        pytest.skip("no hosts can be made here: " + reason)
