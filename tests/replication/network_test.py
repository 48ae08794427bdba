"""The hosts and the wire do what the tests rely on, and leave nothing behind."""

import os
import select
import signal
import socket
import subprocess
import sys
import time

import pytest

from network import Network

PORT = 9000
COUNT = 2000
HOLDER = """
import sys, time
sys.path[:0] = sys.argv[2:]
from network import Network
network = Network(2, sys.argv[1])
print(network.wire.pid, *(host.pid for host in network.hosts), flush=True)
time.sleep(60)
"""


class Ends:
    """A datagram socket in each host."""

    def __init__(self, network):
        self.hosts, self.sockets = network.hosts, []
        for host in network.hosts:
            with host.inside():
                self.sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self.sockets[-1].bind((host.address, PORT))
            self.sockets[-1].settimeout(0.2)

    def send(self, source, target, data=b"x"):
        self.sockets[source].sendto(data, (self.hosts[target].address, PORT))

    def receive(self, target):
        """What has arrived, or None."""
        try:
            return self.sockets[target].recv(100)
        except socket.timeout:
            return None

    def arrives(self, source, target):
        self.send(source, target)
        return self.receive(target) == b"x"

    def close(self):
        for end in self.sockets:
            end.close()


@pytest.fixture
def net(hosts, tmp_path):
    with Network(3, tmp_path) as network:
        yield network


@pytest.fixture
def ends(net):
    both = Ends(net)
    yield both
    both.close()


def test_every_host_reaches_every_other(net, ends):
    assert all(ends.arrives(*way) for way in net.ways())


def test_hosts_know_each_other_by_the_names_of_pods_and_themselves(net):
    shown = subprocess.run([*net.hosts[1].wrapper, "sh", "-c", "hostname; getent hosts node-2.node-headless.test.svc.cluster.local"],
                           capture_output=True, text=True, check=True).stdout.split()
    assert shown[:2] == ["node-1", "10.77.0.3"]


def test_a_cut_goes_one_way(net, ends):
    net.cut(0, 1)
    assert not ends.arrives(0, 1)
    assert ends.arrives(1, 0) and ends.arrives(0, 2)
    net.heal()
    assert ends.arrives(0, 1)


def test_a_delay_delays_and_keeps_the_order(net, ends):
    net.delay(0, 1, 50)
    began = time.monotonic()
    for number in range(10):
        ends.send(0, 1, b"%d" % number)
    assert [ends.receive(1) for _ in range(10)] == [b"%d" % number for number in range(10)]
    assert 0.05 <= time.monotonic() - began < 0.15
    assert ends.arrives(1, 0)


def lost(net, ends, seed):
    """Which of many packets are lost."""
    net.seed(seed)
    arrived = set()
    for number in range(COUNT):
        ends.send(0, 1, b"%d" % number)
        if number % 50 == 49:
            while (data := ends.receive(1)) is not None:
                arrived.add(int(data))
                if data == b"%d" % number:
                    break
    return set(range(COUNT)) - arrived


def test_a_loss_loses_its_share_and_the_same_packets_by_the_same_seed(net, ends):
    net.loss(0, 1, 5)
    ends.sockets[1].settimeout(0.02)
    first = lost(net, ends, 7)
    assert 0.03 < len(first) / COUNT < 0.08
    assert lost(net, ends, 7) == first != lost(net, ends, 8)


def test_nothing_outside_can_be_reached(net):
    done = subprocess.run([*net.hosts[0].wrapper, "ip", "route"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:3] == ["10.77.0.0/24", "dev", "eth0"] and "default" not in done.stdout


def test_nothing_is_left_when_a_test_is_killed(hosts, tmp_path):
    here = os.path.dirname(os.path.abspath(__file__))
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), here, os.path.dirname(here)], stdout=subprocess.PIPE)
    descriptors = [os.pidfd_open(int(pid)) for pid in holder.stdout.readline().split()]
    assert len(descriptors) == 3
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 10)[0], "a process is left"
        os.close(descriptor)
    holder.stdout.close()
