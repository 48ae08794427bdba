"""A limit on the time of each integration test; the fixtures themselves are in tests/conftest.py."""

import pytest

from harness.limit import time_limit
from harness.server import is_sanitized

LIMIT_SECONDS = 180 if not is_sanitized() else 600


@pytest.fixture(autouse=True)
def limited_time(request):
    """No test of ours runs for ever."""
    if request.node.get_closest_marker("long"):
        yield
        return
    with time_limit(LIMIT_SECONDS):
        yield
