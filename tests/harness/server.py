"""A server under test: started on a free port in a directory of its own, stopped and judged at the end.

It is ready when it accepts a connection, and it has passed when SIGTERM ends it with exit status 0 and its log holds
no sanitizer's report. ORDINAL names the binary (a redis-server works too: that is how a test is checked against the
original), ORDINAL_WRAPPER a command to run it under.
"""

import ctypes
import os
import re
import select
import shlex
import signal
import subprocess
import time

from .ports import free_port
from .resp import Connection, Error

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REPORTS = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:|Assertion .* failed"
)
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
START_SECONDS = 20
STOP_SECONDS = 40
# Names that are the tests' own, and would be settings to the server.
OWN_ENVIRONMENT = ("ORDINAL", "ORDINAL_WRAPPER", "ORDINAL_TEST_LONG", "ORDINAL_TEST_TIMEOUT")


def binary():
    """The absolute path of the server under test."""
    return os.path.join(ROOT, os.environ.get("ORDINAL", "ordinal"))


def is_ordinal():
    return "ordinal" in os.path.basename(binary())


def is_sanitized():
    """Whether the server is a sanitizer or coverage build: correct, but several times slower and larger."""
    return any("/build/%s/" % flavour in binary() for flavour in ("asan", "tsan", "coverage"))


def server_environment(extra=None):
    """The environment that a server is started with."""
    inherited = {name: value for name, value in os.environ.items() if name not in OWN_ENVIRONMENT}
    return {**inherited, **(extra or {})}


def die_with_parent():
    """Runs in a new child: a test run that is killed leaves no server behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def process_wait(process, seconds):
    """Waits for the end of a child, at most so long; returns whether it has ended."""
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


class Server:
    """One server process. Settings are those of its command line; `name=None` leaves a default setting out. `program` is the
    command of another server than the one under test."""

    def __init__(self, directory, settings=None, arguments=(), environment=None, wrapper=(), ready=True, program=None):
        self.directory = str(directory)
        self.port = free_port()
        self.unix_socket = None
        self.log_path = os.path.join(self.directory, "log")
        self.exit_status = None
        self.expected_status = 0
        defaults = {
            "port": self.port,
            "dir": self.directory,
            "save": "",
            "bind": "127.0.0.1",
            "enable-debug-command": "yes",
        }
        defaults.update(settings or {})
        if "port" in defaults and defaults["port"] is not None:
            self.port = int(defaults["port"])
        self.unix_socket = defaults.get("unixsocket")
        under_test = [*shlex.split(os.environ.get("ORDINAL_WRAPPER", "")), binary()]
        self.command = [*wrapper, *(program or under_test), *arguments]
        for name, value in defaults.items():
            if value is not None:
                values = value if isinstance(value, (list, tuple)) else [value]
                self.command += ["--" + name, *map(str, values)]
        self.environment = environment or {}
        self._start(self.environment)
        if ready:
            self.wait_ready()

    def start_again(self):
        """Starts the server anew, after it has ended, as it was started before but on another port: somebody may have taken
        the one that it left."""
        self.exit_status = None
        if self.port:
            place = self.command.index("--port") + 1
            self.port = free_port()
            self.command[place] = str(self.port)
        self._start(self.environment)

    def _start(self, environment):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=server_environment(environment),
                preexec_fn=die_with_parent,
            )

    @property
    def address(self):
        return self.unix_socket if self.port == 0 else ("127.0.0.1", self.port)

    @property
    def pid(self):
        return self.process.pid

    def wait_ready(self, loads=False):
        """Returns once the server accepts a connection (and has let go of it: QUIT) and, where there is a data set to load, has
        loaded it (`loads`: there is one, in another folder than its own); fails with its log when it ends instead."""
        question = b"PING\r\nQUIT\r\n" if loads or self._has_data() else b"QUIT\r\n"
        descriptor = os.pidfd_open(self.process.pid)
        try:
            for _ in range(START_SECONDS * 100):
                try:
                    with self.connect() as connection:
                        connection.send(question)
                        connection.shutdown_write()
                        if b"-LOADING" not in connection.until_closed():
                            return
                except (ConnectionRefusedError, FileNotFoundError, ConnectionResetError):
                    pass
                ended, _, _ = select.select([descriptor], [], [], 0.01)
                assert not ended, "the server ended at start:\n" + self.log()
        finally:
            os.close(descriptor)
        raise AssertionError("the server accepts no connection:\n" + self.log())

    def _has_data(self):
        return any(os.path.exists(os.path.join(self.directory, name)) for name in ("dump.rdb", "appendonlydir"))

    def wait_loaded(self, seconds=START_SECONDS):
        """Returns once the server has loaded its data, and serves."""
        self.wait_ready()
        until = time.monotonic() + seconds
        with self.connect() as connection:
            while True:
                reply = connection("PING")
                if reply == "PONG":
                    return
                assert isinstance(reply, Error) and reply.code == "LOADING", reply
                assert time.monotonic() < until, "it still loads:\n" + self.log()
                time.sleep(0.01)

    def connect(self, **options):
        """A new connection; the caller closes it, or the end of the test does."""
        return Connection(self.address, **options)

    def __call__(self, *args):
        """One command on a connection of its own."""
        with self.connect() as connection:
            return connection(*args)

    def info(self, section="everything"):
        """INFO as a dictionary of str."""
        with self.connect() as connection:
            text = connection("INFO", section)
        assert isinstance(text, bytes), text
        pairs = (line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)
        return dict(pairs)

    def config(self, name, value=None):
        """CONFIG GET's value, or CONFIG SET when a value is given."""
        if value is None:
            reply = self("CONFIG", "GET", name)
            assert len(reply) == 2, "CONFIG GET %s: %r" % (name, reply)
            return reply[1].decode()
        assert self("CONFIG", "SET", name, value) == "OK"
        return value

    def resident(self):
        """Resident memory in bytes."""
        with open("/proc/%d/statm" % self.pid) as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        """Processor time that the server has used, user and system."""
        with open("/proc/%d/stat" % self.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        """How many descriptors it has open."""
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def alive(self):
        return self.process.poll() is None

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        """SIGSTOP; returns when all its threads stand still."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def stop(self):
        """Ends the server by SIGTERM if it still runs, and checks how it ended."""
        if self.exit_status is None:
            if self.alive():
                self.signal(signal.SIGTERM)
            if not process_wait(self.process, STOP_SECONDS):
                self.process.kill()
                self.process.wait()
                raise AssertionError("the server did not end by SIGTERM:\n" + self.log())
            self.exit_status = self.process.returncode
        assert not REPORTS.search(self.log()), self.log()
        assert self.exit_status == self.expected_status, "exit status %d:\n%s" % (self.exit_status, self.log())

    def kill(self):
        """Ends the server at once, as kill -9 does, and with it the children of one that forks; not judged by its status. One
        that has ended already is left alone."""
        if self.alive():
            self.freeze()  # or it might fork while its children are looked for
            for child in self._children():
                os.kill(child, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        self.exit_status = self.expected_status

    def _children(self):
        children = []
        for task in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/children" % (self.pid, task)) as text:
                children += map(int, text.read().split())
        return children

    def wait(self):
        """Waits until the server ends by itself, and returns its exit status."""
        assert process_wait(self.process, STOP_SECONDS), "the server still runs:\n" + self.log()
        self.exit_status = self.process.returncode
        return self.exit_status
