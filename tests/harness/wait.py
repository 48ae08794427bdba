"""Waiting for what must come, with an end to it."""

import time

from .server import is_sanitized

SECONDS = 60 if is_sanitized() else 20


def eventually(what, why=lambda: ""):
    """Waits until `what()` is true, and returns it."""
    until = time.monotonic() + SECONDS
    while True:
        result = what()
        if result:
            return result
        assert time.monotonic() < until, why()
        time.sleep(0.01)
