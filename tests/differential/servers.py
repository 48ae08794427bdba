"""The two servers of a comparison, each in a directory of its own on a free port.

The oracle is Debian's redis-server 7.0.15. Its package would start a service, so the binary comes from
redis-tools instead: redis-check-rdb is the same program, and behaves as the server when its name says so.
Both servers get the same settings; whatever differs by nature is a named entry in known.py.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import List, Optional

from harness.ports import free_port

from .resp import Connection

REPOSITORY = Path(__file__).resolve().parents[2]
ORACLE_PROGRAM = Path("/usr/bin/redis-check-rdb")
START_SECONDS = 10

# No persistence and no slow log: what these leave behind depends on the clock.
SETTINGS = {
    "bind": "127.0.0.1",
    "save": "",
    "hz": "500",  # redis-server ends a wait that is over only when its timer ticks
    "appendonly": "no",
    "slowlog-log-slower-than": "-1",
    "enable-debug-command": "yes",
}


class NotStarted(Exception):
    """The server ended or stayed silent while starting; the text has the end of its log."""


class Server:
    """A server process. `name` is what reports call it."""

    def __init__(self, name: str, program: List[str], settings: dict):
        self.name = name
        self.program = program
        self.settings = settings
        self.port = 0
        self.process: Optional[subprocess.Popen] = None
        self.directory = tempfile.mkdtemp(prefix=f"differential-{name}-")
        self.log = Path(self.directory, "log")

    def start(self) -> "Server":
        for attempt in range(3):
            self.port = free_port()
            self._spawn()
            try:
                self._wait_until_ready()
                return self
            except NotStarted:
                ended = not self.alive()  # as it does when somebody else took the port
                self._end_process()
                if attempt == 2 or not ended:
                    raise
        return self

    def _spawn(self) -> None:
        command = list(self.program) + ["--port", str(self.port)]
        for setting, value in self.settings.items():
            command += ["--" + setting, value]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.alive():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.01)
        raise NotStarted(f"{self.name} did not start:\n{self.log_tail()}")

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ended_soon(self, seconds: float = 1.0) -> bool:
        """Whether the process is gone or goes within `seconds`: a connection is closed a little before."""
        if self.process is None:
            return True
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def restart(self) -> None:
        self._end_process()
        self.start()

    def connect(self, timeout: float = 15.0) -> Connection:
        return Connection(self.port, timeout=timeout)

    def log_tail(self, lines: int = 40) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _end_process(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """Ends the process and removes its directory."""
        self._end_process()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> "Server":
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_exc) -> None:
        self.stop()


class Oracle(Server):
    """redis-server 7.0.15."""

    def __init__(self, name: str = "redis"):
        super().__init__(name, [], dict(SETTINGS))
        link = Path(self.directory, "redis-server")
        link.symlink_to(ORACLE_PROGRAM)
        self.program = [str(link)]


class Ordinal(Server):
    """The server under test; ORDINAL names another binary, ORDINAL_WRAPPER what it runs under."""

    def __init__(self, loops: int = 1):
        program = os.environ.get("ORDINAL") or str(REPOSITORY / "ordinal")
        wrapper = os.environ.get("ORDINAL_WRAPPER", "").split()
        super().__init__("ordinal", wrapper + [os.path.abspath(program)], {**SETTINGS, "loops": str(loops)})
