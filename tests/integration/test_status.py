"""`ordinal status`: the roster of a running node as a table, a line that sums it up, and an exit status for scripts."""

import contextlib
import socket
import subprocess
import threading

import pytest

from harness.ports import free_port
from harness.server import binary, server_environment

pytestmark = pytest.mark.usefixtures("ordinal")

MEMBER = "roster_member%d:ordinal=%d,host=%s,port=6379,role=%s,state=%s,offset=%d,lag_bytes=%d,lag_ms=%d\r\n"
IN_SYNC = (
    "# Roster\r\nroster_from:pod\r\nroster_self:1\r\nroster_members:2\r\n"
    + MEMBER % (0, 0, "redis-0.redis.ns.svc", "master", "in_sync", 5000, 0, 0)
    + MEMBER % (1, 1, "redis-1.redis.ns.svc", "replica", "in_sync", 4990, 10, 3)
)


def status(*arguments, environment=None):
    """Runs it; returns its exit status and the lines that it printed."""
    result = subprocess.run(
        [binary(), "status", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=server_environment(environment),
        timeout=60,
    )
    return result.returncode, (result.stdout + result.stderr).splitlines()


@contextlib.contextmanager
def node(answer):
    """Somebody who gives one connection this answer; yields the port."""

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
                while connection.recv(4096):
                    pass

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(60)
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text.encode())


def test_all_in_sync():
    with node(bulk(IN_SYNC)) as port:
        code, lines = status("-p", port)
    assert code == 0
    assert lines == [
        "  ordinal  address                    role     state    offset  lag bytes  lag ms",
        "        0  redis-0.redis.ns.svc:6379  master   in sync    5000          0       0",
        "*       1  redis-1.redis.ns.svc:6379  replica  in sync    4990         10       3",
        "127.0.0.1:%d: in sync: 2 members, the master is ordinal 0, redis-0.redis.ns.svc:6379" % port,
    ]


@pytest.mark.parametrize(
    "before, after, reason",
    [
        ("role=replica,state=in_sync", "role=replica,state=syncing", "not in sync: ordinal 1, redis-1.redis.ns.svc:6379, is still syncing"),
        ("role=master", "role=replica", "no member is the master"),
        ("offset=4990", "offset=", "a line that cannot be understood: roster_member1:"),
        ("roster_members:2", "roster_members:3", "the roster it tells of is cut off"),
        (IN_SYNC, "# Server\r\nredis_version:7.2.0\r\n", "it tells of no roster"),
    ],
)  # fmt: skip
def test_what_is_not_good_is_said(before, after, reason):
    assert before in IN_SYNC
    with node(bulk(IN_SYNC.replace(before, after))) as port:
        code, lines = status("-p", port)
    assert code == 1
    assert lines[-1].startswith("127.0.0.1:%d: %s" % (port, reason)), lines


@pytest.mark.parametrize(
    "answer, reason",
    [
        (b"-NOAUTH Authentication required.\r\n", "NOAUTH Authentication required."),
        (b"-ERR \x1b[2J\r\n", "ERR ?[2J"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "connected: Protocol error"),
        (b"$99999999999\r\n", "connected: Protocol error"),
        (b"$500\r\nroster_from:pod\r\n", "connected: no answer within 500 ms"),
        (bulk("roster_from:\x1b[2J\r\n"), "a line that cannot be understood: roster_from:?[2J"),
    ],
)
def test_what_is_no_answer_is_said(answer, reason):
    with node(answer) as port:
        assert status("-p", port, "-t", 500) == (1, ["127.0.0.1:%d: %s" % (port, reason)])


def test_a_plain_server(server):
    assert status("-p", server.port) == (1, ["127.0.0.1:%d: no roster: a plain server" % server.port])
    assert status(environment={"ORDINAL_PORT": str(server.port)})[0] == 1


def test_a_node_with_a_roster(start_server):
    other = free_port()
    port = free_port()
    server = start_server(port=port, roster="127.0.0.1:%d,127.0.0.1:%d" % (other, port), requirepass="secret")
    code, lines = status("-p", server.port)
    assert code == 1 and "NOAUTH" in lines[0]
    code, lines = status("-p", server.port, "-a", "secret")
    assert code == 1
    assert len(lines) == 4
    assert lines[1].split()[:3] == ["0", "127.0.0.1:%d" % other, "master"]
    assert lines[2].split()[:4] == ["*", "1", "127.0.0.1:%d" % port, "replica"]


def test_nobody_there():
    port = free_port()
    code, lines = status("-p", port)
    assert code == 1 and len(lines) == 1 and "can't connect" in lines[0]


@pytest.mark.parametrize("arguments", [["--nonsense"], ["-p"], ["-p", "x"], ["extra"], ["--ready"]])
def test_bad_arguments(arguments):
    code, lines = status(*arguments)
    assert code == 2
    assert lines[1].startswith("usage: ordinal status ")
