"""A wall clock that a test can step under a server, by tests/integration/wall_clock_shim.c."""

import mmap
import struct
import time


class Clock:
    """The wall clock that the server sees."""

    def __init__(self, path, shim):
        self.path, self.shim, self.offset = str(path), shim, 0
        with open(self.path, "wb") as file:
            file.write(bytes(mmap.PAGESIZE))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def step(self, seconds):
        """Sets the wall clock so far from the true one, in one instant."""
        self.offset = seconds
        self.map[:8] = struct.pack("=q", seconds * 1_000_000_000)

    def now(self):
        return time.time() + self.offset

    def environment(self):
        return {
            "LD_PRELOAD": self.shim,
            "WALL_CLOCK_FILE": self.path,
            "ASAN_OPTIONS": "detect_leaks=1:verify_asan_link_order=0",
        }
