"""Ports for servers under test: two test runs on one machine never get the same one.

A port that the kernel gives (bind to 0) may be anybody's a moment later: another test's server's, or the near end of some
connection. So these lie below the kernel's own range, and each is kept by a lock of this process until it has taken
many others. Locks go with the process, however it ends.
"""

import collections
import fcntl
import os
import random
import socket
import tempfile

FIRST, LAST = 10000, 19999
KEPT = 256  # a server that was started so many ports ago has ended
LOCKS = os.path.join(tempfile.gettempdir(), "ordinal-test-ports")

_kept = collections.deque()


def _lock(port):
    """The lock of a port as an open file, or None when another process has it."""
    os.makedirs(LOCKS, exist_ok=True)
    file = open(os.path.join(LOCKS, str(port)), "a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _is_free(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host="127.0.0.1"):
    """A port that nobody listens on, and that no other test will be given while this one is likely to use it."""
    for _ in range(LAST - FIRST):
        port = random.SystemRandom().randint(FIRST, LAST)
        lock = _lock(port)
        if lock is None:
            continue
        if not _is_free(host, port):
            lock.close()
            continue
        _kept.append(lock)
        if len(_kept) > KEPT:
            _kept.popleft().close()
        return port
    raise RuntimeError("no free port between %d and %d" % (FIRST, LAST))
