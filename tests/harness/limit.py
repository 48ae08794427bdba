"""A limit on the time of a test: what it waits for has not come, and where it waits is shown."""

import contextlib
import signal


@contextlib.contextmanager
def time_limit(seconds):
    """Raises TimeoutError in the main thread when what is within takes longer."""

    def expire(_signal, _frame):
        raise TimeoutError("the test ran for more than %d s" % seconds)

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
