"""Bytes that no client should send: the server answers or closes with an error, never grows without bound, never dies,
and goes on serving everybody else."""

import itertools
import random
import re
import resource
import socket
import struct
import time

import pytest

from harness.resp import Closed, Connection, Error, encode
from harness.server import is_sanitized

KILOBYTE = 1 << 10
MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def still_serving(server):
    """After every test of this file the server answers a well-behaved client."""
    yield
    assert server.alive(), server.log()
    assert server("PING") == "PONG"


@pytest.mark.parametrize(
    "data, text",
    [
        (b"*abc\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1 \r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*1\r\n:4\r\n", "expected '$', got ':'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$abc\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        (b"SET k \"unbalanced\r\n", "unbalanced quotes in request"),
        (b"SET k 'unbalanced\r\n", "unbalanced quotes in request"),
        (b"SET k \"a\"b\r\n", "unbalanced quotes in request"),
        (b"x" * (64 * KILOBYTE + 1), "too big inline request"),
        (b"*" + b"1" * (64 * KILOBYTE + 1), "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * (64 * KILOBYTE + 1), "too big bulk count string"),
    ],
)
def test_a_protocol_error_is_named_and_closes(client, data, text):
    client.send(data)
    assert client.until_closed() == b"-ERR Protocol error: %s\r\n" % text.encode()


def test_replies_before_a_protocol_error_still_arrive(client):
    client.send(encode("SET", "k", "v") + encode("GET", "k") + b"*1\r\n!\r\n" + encode("GET", "k"))
    assert client.until_closed() == b"+OK\r\n$1\r\nv\r\n-ERR Protocol error: expected '$', got '!'\r\n"


def test_a_request_cut_short_changes_nothing(server):
    request = encode("SET", "victim", "new")
    assert server("SET", "victim", "old") == "OK"
    for cut in range(1, len(request)):
        with server.connect() as client:
            client.send(request[:cut])
            client.shutdown_write()
            assert client.until_closed() == b"", "cut after byte %d" % cut
        assert server("GET", "victim") == b"old"


def test_what_was_complete_before_a_half_close_is_answered(client):
    client.send(encode("SET", "k", "v") * 100 + encode("GET", "k") + b"*2\r\n$3\r\nGE")
    client.shutdown_write()
    assert client.until_closed() == b"+OK\r\n" * 100 + b"$1\r\nv\r\n"


def reset_in_the_middle(server, watcher, count):
    """So many clients that announce a megabyte, send a part of it, and reset the connection; all are gone after."""
    for _ in range(count):
        client = server.connect()
        client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n" + b"x" * 1000)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    while watcher("CLIENT", "LIST").count(b"\n") > 1:
        pass


def test_a_reset_in_the_middle_of_a_request(server, client):
    """No descriptor stays behind. (The first ones may open what the server keeps.)"""
    reset_in_the_middle(server, client, 20)
    before = server.descriptors()
    reset_in_the_middle(server, client, 400)
    assert client("EXISTS", "k") == 0
    end = time.monotonic() + 20
    while server.descriptors() > before:
        assert time.monotonic() < end, "%d descriptors, %d before" % (server.descriptors(), before)


def test_a_reset_with_replies_unread(server, connect):
    connect()("SET", "big", b"x" * MEGABYTE)
    for _ in range(50):
        client = server.connect(receive_buffer=4096)
        client.send(encode("GET", "big") * 20)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    watcher = connect()
    while watcher("CLIENT", "LIST").count(b"\n") > 2:
        pass
    assert len(watcher("GET", "big")) == MEGABYTE


@pytest.mark.parametrize("seed", range(8))
def test_garbage(server, seed):
    """Random bytes, random RESP fragments and spliced commands, each on a connection of its own: whatever is answered
    begins as a reply does, and the connection ends when its client is done."""
    source = random.Random(seed)
    pieces = [b"*", b"$", b"-", b"\r\n", b"\n", b"\r", b"1", b"-1", b"3", b"GET", b"SET", b"\x00", b"\"", b"'", b" "]
    whole = [encode("GET", "k"), encode("SET", "k", "v"), b"PING\r\n", encode("HELLO", "3")]
    for _ in range(100):
        if source.random() < 0.3:
            data = source.randbytes(source.randrange(1, 2000))
        else:
            data = b"".join(source.choice(pieces + whole) for _ in range(source.randrange(1, 200)))
        with server.connect() as client:
            try:
                client.send(data)
                client.shutdown_write()
            except OSError:
                pass  # closed on us while we were sending: as good an answer as any
            reply = client.until_closed()
            assert reply == b"" or reply[:1] in b"+-:$*%_", "seed %d: %r for %r" % (seed, reply[:80], data[:200])


def test_commands_of_other_protocols_are_refused(server):
    """A browser made to post to the port must not get a command through behind the headers."""
    for opening in (b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n"):
        with server.connect() as client:
            client.send(opening + b"Content-Length: 20\r\n\r\nSET stolen yes\r\n")
            client.shutdown_write()
            client.until_closed()
    assert server("EXISTS", "stolen") == 0


def test_a_huge_announcement_costs_nothing_until_the_bytes_come(server, connect):
    """Hundreds of clients that announce 512 MB each, and send ten bytes of it."""
    before = server.resident()
    clients = [connect() for _ in range(200)]
    for client in clients:
        client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n0123456789")
    assert server("PING") == "PONG"
    limit = (100 if not is_sanitized() else 400) * MEGABYTE
    assert server.resident() - before < limit
    clients = [connect() for _ in range(200)]
    for client in clients:
        client.send(b"*1000000\r\n$4\r\nMSET\r\n")
    assert server("PING") == "PONG"
    assert server.resident() - before < limit


def test_slow_drip_from_many_clients(server, connect):
    """Two hundred clients, a byte each in turn; all are answered, and a normal one in between at once."""
    request = encode("SET", "drip", "value")
    clients = [connect() for _ in range(200)]
    for position in range(len(request)):
        for client in clients:
            client.send(request[position : position + 1])
        assert server("PING") == "PONG"
    assert [client.read() for client in clients] == ["OK"] * 200


def test_a_client_that_never_reads_is_cut_off(start_server):
    """Its replies pile up to the hard limit, and no further."""
    server = start_server(client_output_buffer_limit="normal 4mb 0 0")
    assert server("SET", "k", b"x" * 100_000) == "OK"
    peak = 0
    with server.connect(receive_buffer=4096, timeout=30) as deaf:
        request = encode("GET", "k") * 10
        try:
            until = time.monotonic() + 60
            for number in itertools.count():  # 2 GB of replies if nothing stopped it, once a slow server has come to them
                if number < 2000:
                    deaf.send(request)
                elif time.monotonic() > until:
                    break
                else:
                    deaf.send(b"\r\n")  # nothing, but an error once the connection is closed
                    time.sleep(0.01)
                peak = max(peak, server.resident())
            raise AssertionError("2 GB of replies were taken for a client with a limit of 4 MB")
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            pass
    assert peak < 200 * MEGABYTE or is_sanitized()
    assert server("PING") == "PONG"


def unauthenticated(start_server):
    server = start_server(requirepass="secret")
    return server, server.connect()


@pytest.mark.parametrize(
    "data, text",
    [
        (b"*11\r\n", "unauthenticated multibulk length"),
        (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
    ],
)
def test_limits_are_small_before_authentication(start_server, data, text):
    server, client = unauthenticated(start_server)
    with client:
        client.send(data)
        assert client.until_closed() == b"-ERR Protocol error: %s\r\n" % text.encode()
    assert server("PING") == Error("NOAUTH Authentication required.")


def test_requests_at_the_limits_before_authentication_are_parsed(start_server):
    _, client = unauthenticated(start_server)
    with client:
        assert client(*["ECHO"] * 10) == Error("ERR wrong number of arguments for 'echo' command")
        assert client("ECHO", "x" * 16384) == Error("NOAUTH Authentication required.")
        assert client("AUTH", "secret") == "OK"
        assert client(*["DEL"] * 11) == 0
        assert client("ECHO", "x" * 16385) == b"x" * 16385


def test_the_limits_count_again_after_reset(start_server):
    _, client = unauthenticated(start_server)
    with client:
        assert client("AUTH", "secret") == "OK"
        assert client("RESET") == "RESET"
        client.send(b"*11\r\n")
        assert client.until_closed() == b"-ERR Protocol error: unauthenticated multibulk length\r\n"


def connect_and_ask(address):
    """One short visit; a half of them rude."""
    with Connection(address) as client:
        assert client("PING") == "PONG"
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_thousands_of_connects(server, connect):
    """They come and go and leave nothing behind: no descriptor, no client, no memory."""
    watcher = connect()
    for _ in range(500):
        connect_and_ask(server.address)
    before = server.resident()
    for _ in range(3000):
        connect_and_ask(server.address)
    while watcher("CLIENT", "LIST").count(b"\n") > 1:
        pass
    assert server.resident() - before < 16 * MEGABYTE or is_sanitized()
    assert int(server.info("stats")["total_connections_received"]) >= 3500


@pytest.mark.long
def test_100_000_connects(server, connect):
    watcher = connect()
    before = server.resident()
    for _ in range(100_000):
        connect_and_ask(server.address)
    while watcher("CLIENT", "LIST").count(b"\n") > 1:
        pass
    assert server.resident() - before < 32 * MEGABYTE or is_sanitized()
    assert int(server.info("stats")["total_connections_received"]) >= 100_000


def test_thousands_of_idle_connections(server, connect):
    """As many at once as this process may open, up to 5,000: all are answered."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(5000, soft - 200)
    clients = [connect() for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(encode("ECHO", str(number)))
    for number, client in enumerate(clients):
        assert client.read() == b"%d" % number
    assert int(server.info("clients")["connected_clients"]) >= count


def test_running_out_of_descriptors_refuses_and_recovers(start_server):
    """A server whose system lets it open few descriptors lowers maxclients, and serves again once some are free."""
    limit = ["prlimit", "--nofile=128:128"]
    server = start_server(wrapper=limit)
    clients, refused = [], 0
    for _ in range(300):
        client = server.connect()
        try:
            refused += client("PING") != "PONG"
        except (Closed, ConnectionResetError, BrokenPipeError):
            refused += 1
        clients.append(client)
    assert refused >= 300 - 128
    assert clients[0]("PING") == "PONG"
    for client in clients:
        client.close()
    for _ in range(1000):
        with server.connect() as client:
            try:
                if client("PING") == "PONG":
                    return
            except (Closed, ConnectionResetError, BrokenPipeError):
                pass
    raise AssertionError("no connection is served after all were closed")


def test_random_bytes_as_arguments_of_every_command(server):
    """Every command of COMMAND LIST with arguments drawn from absurd values: a reply each time, and no death."""
    source = random.Random(11)
    absurd = [b"", b"\x00", b"-1", b"0", b"9223372036854775807", b"-9223372036854775808", b"1e400", b"nan", b"*", b"k",
              source.randbytes(64), b"x" * 5000, b"(", b"[", b"18446744073709551616", b"NX", b"EX", b"GET", b"COUNT"]
    # What ends the server or the connection, waits, changes settings, or answers more or less often than once.
    skipped = re.compile(
        rb"shutdown|monitor|.*subscribe|p?sync|debug|quit|failover|replicaof|slaveof|client|b[lrz].*|xread.*|wait.*|save"
        rb"|bgsave|bgrewriteaof|config|acl|auth|reset|hello|module|cluster|asking|readonly|readwrite|replconf|swapdb"
        rb"|restore-asking|pfselftest|function|script|eval.*|fcall.*"
    )
    names = [name for name in server("COMMAND", "LIST") if not skipped.fullmatch(name.lower())]
    assert len(names) > 40
    with server.connect() as client:
        for name in sorted(names):
            for _ in range(30):
                arguments = [source.choice(absurd) for _ in range(source.randrange(0, 6))]
                client(name, *arguments)
            assert client("RESET") == "RESET"


def crowd_comes_and_goes(server, count, speak):
    """So many connections at once; with `speak` each is served, else they may be closed before they are accepted."""
    connections = [socket.create_connection(server.address) for _ in range(count)]
    if speak:
        for connection in connections:
            connection.sendall(b"PING\r\n")
        for connection in connections:
            assert connection.recv(100) == b"+PONG\r\n"
    for connection in connections:  # by a reset: 100,000 of them would use up the ports otherwise
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def wait_alone(watcher):
    """Until the watcher is the only client."""
    while watcher("CLIENT", "LIST").count(b"\n") > 1:
        pass


def used_memory(watcher):
    return int(re.search(rb"used_memory:([0-9]+)", watcher("INFO", "memory"))[1])


@pytest.mark.long
def test_bursts_of_connects(server, connect):
    watcher = connect()
    crowd_comes_and_goes(server, 1000, speak=True)
    wait_alone(watcher)
    before, descriptors = server.resident(), server.descriptors()
    for round_number in range(100):
        crowd_comes_and_goes(server, 1000, speak=round_number % 2 == 0)
    wait_alone(watcher)
    assert server.descriptors() == descriptors
    assert server.resident() - before < 8 * MEGABYTE or is_sanitized()


@pytest.mark.long
def test_10_000_idle_connections_leave_nothing_behind(start_server):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 10_500:
        pytest.skip("the system allows %d open files" % limits[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    try:
        server = start_server(maxclients=10_100)
        with server.connect() as watcher:
            crowd_comes_and_goes(server, 10_000, speak=True)
            wait_alone(watcher)
            before, descriptors = used_memory(watcher), server.descriptors()
            crowd_comes_and_goes(server, 10_000, speak=True)
            wait_alone(watcher)
            assert server.descriptors() == descriptors
            assert used_memory(watcher) - before < 100_000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
