"""Hosts of a test: network namespaces that it makes itself, and the wire between them (wire.c).

A host has a network, a mount table and a name of its own, held by a process that ends when this one does, and with it everything
goes: no file, no device and no rule is left outside, whatever becomes of the test. Its address is 10.77.0.1 for the first, and
/etc/hosts names all of them as a StatefulSet's pods are named. Nothing outside can be reached from it.

A test reaches what listens in a host through the host's own loopback (`Host.inside`), on which no fault acts: what a client sees is
what the node does, not what the network does to the client.
"""

import contextlib
import ctypes
import functools
import os
import subprocess
import threading
from pathlib import Path

from harness.server import ROOT, die_with_parent

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SERVICE = "node-headless.test.svc.cluster.local"
WIRE = "build/tests/replication/wire"
# The host's process: it says when it is ready, and lives until its standard input ends.
HOLD = """
ip link set lo up && hostname "$1" && mount --bind "$2" /etc/hosts && echo ready && exec cat
"""
NETWORK = "ip addr add %s/24 dev eth0 && ip link set eth0 mtu 1500 txqueuelen 10000 up"


def address_of(number):
    return "10.77.0.%d" % (number + 1)


def name_of(number):
    return "node-%d.%s" % (number, SERVICE)


@functools.cache
def build(target):
    """Builds a program of the tests when it is not current, once in a run, and returns its path."""
    subprocess.run(["make", "--silent", target], cwd=ROOT, check=True)
    return os.path.join(ROOT, target)


def why_not():
    """Why no hosts can be made here, or None."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip() or "no network namespaces" if done.returncode else None


class Host:
    """One namespace. `wrapper` starts a command in it."""

    def __init__(self, number, hosts_file):
        self.number, self.address, self.name = number, address_of(number), name_of(number)
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--propagation", "private", "sh", "-c", HOLD, "sh", "node-%d" % number,
             str(hosts_file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        assert self.holder.stdout.readline() == b"ready\n", "host %d could not be made" % number
        self.wrapper = ["nsenter", "--net", "--mount", "--uts", "--target", str(self.holder.pid), "--"]
        self.namespace = os.open("/proc/%d/ns/net" % self.holder.pid, os.O_RDONLY)

    @property
    def pid(self):
        return self.holder.pid

    def run(self, script):
        subprocess.run([*self.wrapper, "sh", "-c", script], check=True)

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes within are the host's."""
        own = os.open("/proc/self/task/%d/ns/net" % threading.get_native_id(), os.O_RDONLY)
        try:
            enter(self.namespace)
            try:
                yield
            finally:
                enter(own)
        finally:
            os.close(own)

    def close(self):
        os.close(self.namespace)
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()


def enter(namespace):
    if LIBC.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Network:
    """`count` hosts and the wire. Faults act on one direction between two hosts, given by their numbers."""

    def __init__(self, count, directory):
        self.hosts, self.wire = [], None
        hosts_file = Path(directory) / "hosts"
        lines = ["127.0.0.1 localhost", *("%s %s node-%d" % (address_of(n), name_of(n), n) for n in range(count))]
        hosts_file.write_text("\n".join(lines) + "\n")
        try:
            for number in range(count):
                self.hosts.append(Host(number, hosts_file))
            self._string_up()
        except BaseException:
            self.close()
            raise

    def _string_up(self):
        self.wire = subprocess.Popen([build(WIRE), *(str(host.pid) for host in self.hosts)], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        assert self.wire.stdout.readline() == b"ok\n", "the wire could not be strung"
        for host in self.hosts:
            host.run(NETWORK % host.address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _tell(self, line):
        self.wire.stdin.write(line.encode() + b"\n")
        self.wire.stdin.flush()
        assert self.wire.stdout.readline() == b"ok\n", "the wire has ended"

    def seed(self, number):
        self._tell("seed %d" % number)

    def cut(self, source, target, yes=True):
        self._tell("cut %d %d %d" % (source, target, yes))

    def loss(self, source, target, percent):
        self._tell("loss %d %d %d" % (source, target, round(percent * 10)))

    def delay(self, source, target, milliseconds):
        self._tell("delay %d %d %d" % (source, target, round(milliseconds * 1000)))

    def ways(self, of=None):
        """All pairs (source, target), or those that begin or end at one host."""
        numbers = range(len(self.hosts))
        return [(a, b) for a in numbers for b in numbers if a != b and (of is None or of in (a, b))]

    def heal(self):
        """Everything is carried again, at once."""
        for source, target in self.ways():
            self.cut(source, target, False)
            self.loss(source, target, 0)
            self.delay(source, target, 0)

    def close(self):
        if self.wire is not None:
            self.wire.stdin.close()
            self.wire.stdout.close()
            self.wire.wait()
        for host in self.hosts:
            host.close()
