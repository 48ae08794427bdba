"""The servers that are measured, each started the same way: one core, one loop, and, unless a measure gives it a folder,
nothing written to disk.

A server is started on a free loopback port, is ready when it answers PING, and is ended by its process id.
Valkey and the newest Redis live in a folder of their own (peers.sh) and are started there by chroot, in a
mount namespace of their own that has a /proc and ends with them.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from machine import BUILD, ROOT, SERVER_CORE, pin

PEERS = Path(os.environ.get("ORDINAL_PEERS", "/var/tmp/ordinal-peers"))
ORDINAL = Path(os.environ.get("ORDINAL", ROOT / "ordinal"))
COMMON = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]
IN_CHROOT = 'mount --bind /proc "$0/proc" && exec chroot "$0" "$@"'
IN_CHROOT_ON_DATA = ('root=$0; mount --bind /proc "$root/proc" && mount --bind "$1" "$root/mnt" && shift && '
                     'exec chroot "$root" "$@"')
START_SECONDS = 20
STOP_SECONDS = 30


class ServerFailed(Exception):
    """A server did not start, or answered with an error where none was expected."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Connection:
    """Just enough of RESP2 to ask a server for a number or a line."""

    def __init__(self, port, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            data = str(word).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self.socket.sendall(b"".join(parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line:
            raise ServerFailed("the server closed the connection")
        kind, text = line[:1], line[1:].strip().decode()
        if kind == b"-":
            raise ServerFailed(text)
        if kind == b":":
            return int(text)
        if kind == b"$":
            return None if text == "-1" else self.file.read(int(text) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self.reply() for _ in range(int(text))]
        return text

    def close(self):
        self.file.close()
        self.socket.close()


class Server:
    """One server process. `arguments` are added to the command line of its kind, and go before what is common to all.
    `data` is the folder that it keeps its files in, if any, and `start_seconds` what it may take to load them."""

    def __init__(self, kind, arguments=(), cores=(SERVER_CORE,), data=None, start_seconds=START_SECONDS, port=None):
        self.kind = kind
        self.start_seconds = start_seconds
        self.port = port or free_port()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*kind.command(data), "--port", str(self.port), *COMMON, *kind.arguments, *kind.folder_arguments(data), *arguments],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=pin(*cores))
        self.connection = None
        try:
            self.connection = self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def wait_until_ready(self):
        until = time.monotonic() + self.start_seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                connection = Connection(self.port)
                connection.ask("PING")
                return connection
            except ServerFailed as error:
                if not str(error).startswith("LOADING"):
                    return connection  # it answers; what it lacks, the measures will say
                connection.close()
            except OSError:
                pass  # it does not listen yet
            time.sleep(0.01)
        raise ServerFailed(f"{self.kind.label} did not start: {self.last_words()}")

    def last_words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-600:].strip()

    def ask(self, *words):
        return self.connection.ask(*words)

    def status(self):
        """The fields of /proc/PID/status that count bytes, as bytes."""
        fields = {}
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                fields[name] = int(value.split()[0]) * 1024
        return fields

    def resident(self):
        """Resident memory as a user sees it (VmRSS)."""
        return self.status()["VmRSS"]

    def resident_data(self):
        """Resident memory without the pages of the program's own files, which come as its code is first
        run."""
        fields = self.status()
        return fields["RssAnon"] + fields["RssShmem"]

    def settled_data(self, seconds=10.0):
        """resident_data once it has not moved for a second and a half: tables have been rebuilt, buffers given
        back."""
        until = time.monotonic() + seconds
        last, since = self.resident_data(), time.monotonic()
        while time.monotonic() < until and time.monotonic() - since < 1.5:
            time.sleep(0.05)
            now = self.resident_data()
            if abs(now - last) > 64 * 1024:
                last, since = now, time.monotonic()
        return self.resident_data()

    def cpu_seconds(self):
        """Processor time of all its threads, and of the children that have ended, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def info(self, section):
        """INFO's fields of this section, as text."""
        lines = self.ask("INFO", section).split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def forget_peak(self):
        """From now on status()["VmHWM"] is the peak since now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def waited_seconds(self):
        """How long the main thread was ready to run so far, but another had its core."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    def stop(self):
        if self.connection:
            self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Floor:
    """The floor, started for one load: its arguments are that load's requests and replies."""

    label = "floor"

    def __init__(self, steps):
        self.port = free_port()
        self.process = subprocess.Popen([BUILD / "floor", str(self.port), *steps],
                                        preexec_fn=pin(SERVER_CORE))
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise ServerFailed("the floor did not start") from None
                time.sleep(0.01)

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Kind:
    """A kind of server: its name on the command line, its label in tables, how it is started."""

    def __init__(self, name, program, arguments=(), folder=None):
        self.name = name
        self.program = program
        self.arguments = list(arguments)
        self.folder = folder
        self.label = name

    def command(self, data=None):
        """What starts it. A kind in a folder of its own sees `data` as /mnt there."""
        if self.folder is None:
            return [str(self.program)]
        if data is None:
            return ["unshare", "--mount", "sh", "-c", IN_CHROOT, str(self.folder), str(self.program)]
        return ["unshare", "--mount", "sh", "-c", IN_CHROOT_ON_DATA, str(self.folder), str(data), str(self.program)]

    def folder_arguments(self, data):
        if data is None:
            return []
        return ["--dir", str(data) if self.folder is None else "/mnt"]

    def missing(self):
        """Why this kind cannot be measured here; None when it can."""
        if self.folder is None:
            there = self.program and Path(self.program).exists()
            return None if there else f"{self.program or self.name} is not there"
        if not (self.folder / str(self.program).lstrip("/")).exists():
            return f"{self.folder} is not there: bench/peers.sh makes it"
        return None if os.geteuid() == 0 else "chroot needs root"

    def find_version(self):
        """Completes the label with the version that the program states."""
        said = subprocess.run([*self.command(), "--version"], capture_output=True, text=True, check=False)
        words = [word.removeprefix("v=") for word in said.stdout.split()]
        numbers = [word for word in words if word[:1].isdigit() and "." in word]
        self.label = f"{self.name.rstrip('78').capitalize()} {numbers[0] if numbers else ''}".strip()


def debian_redis():
    """Debian's redis-server; where only redis-tools is installed, the same program under its other name."""
    found = shutil.which("redis-server")
    tool = shutil.which("redis-check-rdb")
    if found or not tool:
        return found
    link = Path(tempfile.mkdtemp(prefix="ordinal-bench-")) / "redis-server"
    link.symlink_to(tool)
    return str(link)


def all_kinds():
    return [
        Kind("ordinal", ORDINAL, ["--loops", "1"]),
        Kind("valkey", "/usr/bin/valkey-server", folder=PEERS),
        Kind("redis8", "/usr/bin/redis-server", folder=PEERS),
        Kind("redis7", debian_redis()),
    ]
