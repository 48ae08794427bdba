"""Where the server listens, whom it lets in, and when it lets go: addresses, limits, timeouts, protected mode."""

import os
import re
import socket
import stat
import time

import pytest

from harness.resp import Closed, Connection, Error, encode
from harness.server import free_port

MEGABYTE = 1 << 20


def has_ipv6():
    try:
        free_port("::1")
        return True
    except OSError:
        return False


def outside_address():
    """An address of this machine that is not loopback, or None. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
            address = sock.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") or address == "0.0.0.0" else address


def test_several_addresses(start_server):
    server = start_server(bind=["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        with Connection((host, server.port)) as client:
            assert client("PING") == "PONG"
            assert b" laddr=%s:%d " % (host.encode(), server.port) in client("CLIENT", "INFO")
    with pytest.raises(ConnectionRefusedError):
        Connection(("127.0.0.4", server.port))


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6(start_server):
    server = start_server(bind=["127.0.0.1", "::1"])
    with Connection(("::1", server.port)) as client:
        assert client("PING") == "PONG"
        info = client("CLIENT", "INFO").decode()
        assert " addr=[::1]:%d " % client.sock.getsockname()[1] in info
        assert " laddr=[::1]:%d " % server.port in info


def test_an_address_with_a_hyphen_may_be_missing(start_server):
    server = start_server(bind=["127.0.0.1", "-198.51.100.7", "-2001:db8::7"])
    assert server("PING") == "PONG"


def test_an_address_without_a_hyphen_must_be_there(start_server):
    server = start_server(bind=["127.0.0.1", "198.51.100.7"], ready=False)
    server.expected_status = 1
    assert server.wait() == 1
    assert "198.51.100.7" in server.log()


def test_a_port_in_use_is_an_error_that_names_it(start_server):
    first = start_server()
    second = start_server(port=first.port, ready=False)
    second.expected_status = 1
    assert second.wait() == 1
    assert str(first.port) in second.log()


def test_a_unix_socket(start_server, tmp_path):
    path = str(tmp_path / "socket")
    server = start_server(unixsocket=path, unixsocketperm="700")
    with Connection(path) as client:
        assert client("SET", "k", "v") == "OK"
        info = client("CLIENT", "INFO").decode()
        assert " addr=%s:0 " % path in info
        assert " flags=U " in info
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    assert server("GET", "k") == b"v"


def test_a_unix_socket_alone(start_server, tmp_path):
    path = str(tmp_path / "socket")
    server = start_server(port=0, unixsocket=path)
    assert server("PING") == "PONG"


def test_a_stale_unix_socket_is_replaced_and_a_clean_end_removes_it(start_server, tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(path)
    server = start_server(port=0, unixsocket=path)
    assert server("PING") == "PONG"
    server.stop()
    assert not os.path.exists(path)


def test_maxclients(start_server):
    server = start_server(maxclients=10)
    clients = [server.connect() for _ in range(10)]
    assert [client("PING") for client in clients] == ["PONG"] * 10
    with server.connect() as refused:
        assert refused.until_closed() == b"-ERR max number of clients reached\r\n"
    assert int(clients[0]("INFO", "stats").split(b"rejected_connections:")[1].split()[0]) == 1
    clients.pop().close()
    for _ in range(1000):  # until the server has seen the end of that one
        with server.connect() as client:
            try:
                if client("PING") == "PONG":
                    break
            except (Closed, ConnectionError):
                pass
    else:
        raise AssertionError("nobody is let in after one has left")
    assert clients[0]("CONFIG", "SET", "maxclients", "20") == "OK"
    clients += [server.connect() for _ in range(8)]
    assert [client("PING") for client in clients] == ["PONG"] * 17
    for client in clients:
        client.close()


def test_timeout_closes_idle_clients_only(start_server):
    server = start_server(timeout=1)
    with server.connect() as idle, server.connect() as busy:
        assert idle("PING") == "PONG"
        start = time.monotonic()
        while time.monotonic() - start < 2.5:
            assert busy("PING") == "PONG"
            busy("CLIENT", "NO-EVICT", "off")
            if server("CLIENT", "LIST").count(b"\n") == 2:  # busy and the one that asks
                break
        assert 0.9 <= time.monotonic() - start < 2.5
        assert idle.until_closed() == b""
        assert busy("PING") == "PONG"


def test_a_client_whose_wait_was_longer_than_the_timeout_is_not_idle(start_server):
    server = start_server(timeout=1)
    with server.connect() as client, server.connect() as idle:
        assert client("BLPOP", "list", "1.5") is None
        assert idle.until_closed() == b""  # the others have been looked at since
        time.sleep(0.2)
        assert client("PING") == "PONG"
        assert server.info()["connected_clients"] == "2"


def test_who_reads_long_replies_slowly_is_not_idle(start_server):
    server = start_server(timeout=1)
    server("SETRANGE", "large", str(1 << 20), "x")
    with server.connect(receive_buffer=64 * 1024) as slow, server.connect() as idle:
        for _ in range(16):
            slow.send(encode("GET", "large"))
        for _ in range(16):
            assert len(slow.read()) == (1 << 20) + 1
            time.sleep(0.12)
        assert idle.until_closed() == b""
        assert slow("PING") == "PONG"


def test_a_subscriber_is_not_idle(start_server):
    server = start_server(timeout=1)
    with server.connect() as subscriber, server.connect() as idle:
        if isinstance(subscriber("SUBSCRIBE", "news"), Error):
            pytest.skip("this server has no SUBSCRIBE")
        assert idle.until_closed() == b""
        assert server("PUBLISH", "news", "hello") == 1
        assert subscriber.read() == [b"message", b"news", b"hello"]


def test_tcp_keepalive_is_set_on_connections(start_server):
    """Read from the kernel's own table: a keepalive timer is armed on the server's side."""
    server = start_server(tcp_keepalive=300)
    with server.connect() as client:
        assert client("PING") == "PONG"
        local = "0100007F:%04X" % server.port
        peer = "0100007F:%04X" % client.sock.getsockname()[1]
        with open("/proc/net/tcp") as table:
            rows = [row.split() for row in table]
        timers = [row[5] for row in rows if row[1] == local and row[2] == peer]
        assert timers and timers[0].startswith("02:"), timers  # 02: keepalive


def test_client_output_buffer_limit_hard(start_server):
    server = start_server(client_output_buffer_limit="normal 1mb 0 0")
    assert server("SET", "big", b"x" * (4 * MEGABYTE)) == "OK"
    with server.connect(receive_buffer=4096) as client:
        assert client("PING") == "PONG"
        client.send(encode("GET", "big") * 20)
        while server("CLIENT", "LIST").count(b"\n") > 1:
            pass
        assert len(client.until_closed()) < 80 * MEGABYTE
    assert int(server.info("stats").get("client_output_buffer_limit_disconnections", 1)) >= 1


def test_client_output_buffer_limit_soft(start_server):
    """Over the soft limit for as long as it allows, and then closed; not before."""
    server = start_server(client_output_buffer_limit="normal 0 256kb 1")
    assert server("SET", "big", b"x" * (2 * MEGABYTE)) == "OK"
    with server.connect(receive_buffer=4096) as client:
        assert client("PING") == "PONG"  # let in, and listed
        client.send(encode("GET", "big") * 4)
        start = time.monotonic()
        while server("CLIENT", "LIST").count(b"\n") > 1:
            assert time.monotonic() - start < 10
        assert time.monotonic() - start >= 0.9


def test_an_evicted_client_is_gone_when_it_notices(start_server):
    """Its loop closes the socket some steps before it forgets the client, and other loops may ask in between."""
    server = start_server(maxmemory_clients="3000000", loops=3)
    big = encode("SET", "key", "v" * 3000000)
    with server.connect() as watcher:
        for number in range(20):
            with server.connect() as client:
                client("CLIENT", "SETNAME", "big%d" % number)
                with pytest.raises((Closed, OSError)):
                    client.send(big)
                    client.read()
                assert b"name=big%d " % number not in watcher("CLIENT", "LIST")


def test_maxmemory_clients_closes_the_largest(start_server):
    server = start_server(maxmemory_clients="8mb", client_output_buffer_limit="normal 0 0 0")
    assert server("SET", "big", b"x" * MEGABYTE) == "OK"
    with server.connect() as small, server.connect(receive_buffer=4096) as protected, server.connect(
        receive_buffer=4096
    ) as large:
        assert small("PING") == "PONG"
        assert protected("CLIENT", "NO-EVICT", "on") == "OK"
        assert protected("CLIENT", "SETNAME", "protected") == "OK"
        large("CLIENT", "SETNAME", "large")
        large.send(encode("GET", "big") * 30)
        while b" name=large " in small("CLIENT", "LIST"):
            pass
        assert small("PING") == "PONG"
        protected.send(encode("GET", "big") * 30)  # more than all may have, and nobody else is left to blame
        for _ in range(30):
            assert len(protected.read()) == MEGABYTE
        assert protected("PING") == "PONG"
        assert int(server.info("stats")["evicted_clients"]) >= 1


def test_protected_mode_refuses_other_hosts(start_server):
    host = outside_address()
    if host is None:
        pytest.skip("this machine has no address but loopback")
    server = start_server(bind=["127.0.0.1", host], protected_mode="yes")
    assert server("PING") == "PONG"
    with Connection((host, server.port)) as client:
        assert re.fullmatch(rb"-DENIED [^\r\n]*protected mode[^\r\n]*\r\n", client.until_closed())


def test_protected_mode_ends_with_a_password_or_by_request(start_server):
    host = outside_address()
    if host is None:
        pytest.skip("this machine has no address but loopback")
    server = start_server(bind=["127.0.0.1", host], protected_mode="yes", requirepass="secret")
    with Connection((host, server.port)) as client:
        assert client("PING") == Error("NOAUTH Authentication required.")
        assert client("AUTH", "secret") == "OK"
    server = start_server(bind=["127.0.0.1", host], protected_mode="no")
    with Connection((host, server.port)) as client:
        assert client("PING") == "PONG"


def test_quit_answers_and_closes(client):
    client.send(encode("SET", "k", "v") + encode("QUIT") + encode("SET", "k", "later"))
    assert client.until_closed() == b"+OK\r\n+OK\r\n"


def test_reset_forgets_all_of_the_connection(client):
    assert client("SELECT", "5") == "OK"
    assert client("CLIENT", "SETNAME", "me") == "OK"
    assert isinstance(client("HELLO", "3"), dict)
    assert client("RESET") == "RESET"
    client.send(encode("GET", "absent"))
    assert client.raw(5) == b"$-1\r\n"  # RESP2 again
    assert client("CLIENT", "GETNAME") is None
    assert b" db=0 " in client("CLIENT", "INFO")


def test_databases_are_apart(client):
    assert client("SET", "k", "zero") == "OK"
    for number in range(1, 16):
        assert client("SELECT", str(number)) == "OK"
        assert client("GET", "k") is None
        assert client("SET", "k", str(number)) == "OK"
    assert client("SELECT", "0") == "OK"
    assert client("GET", "k") == b"zero"
    assert client("SWAPDB", "0", "7") == "OK"
    assert client("GET", "k") == b"7"
    assert client("FLUSHDB") == "OK"
    assert client("SELECT", "7") == "OK"
    assert client("GET", "k") == b"zero"
    assert client("FLUSHALL") == "OK"
    assert client("DBSIZE") == 0


def test_a_password(start_server):
    server = start_server(requirepass="correct horse")
    with server.connect() as client:
        for command in (("PING",), ("GET", "k"), ("NOSUCH",), ("CONFIG", "GET", "requirepass"), ("CLIENT", "ID")):
            expected = (
                "ERR unknown command 'NOSUCH', with args beginning with: "
                if command == ("NOSUCH",)
                else "NOAUTH Authentication required."
            )
            assert client(*command) == Error(expected)
        assert re.fullmatch(  # Redis 7.2 added <proto>
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO (<proto> )?AUTH <user> "
            "<pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
            client("HELLO", "3"),
        )
        wrong = Error("WRONGPASS invalid username-password pair or user is disabled.")
        assert client("AUTH", "wrong") == wrong
        assert client("AUTH", "default", "correct hors") == wrong
        assert client("AUTH", "someone", "correct horse") == wrong
        assert client("AUTH", "a", "b", "c") == Error("ERR syntax error")
        assert client("PING") == Error("NOAUTH Authentication required.")
        assert client("AUTH", "correct horse") == "OK"
        assert client("PING") == "PONG"
    with server.connect() as client:
        assert client("AUTH", "default", "correct horse") == "OK"
        assert client("PING") == "PONG"
    with server.connect() as client:
        assert client("HELLO", "3", "AUTH", "default", "correct horse", "SETNAME", "me")[b"proto"] == 3
        assert client("CLIENT", "GETNAME") == b"me"


def test_a_password_changed_while_running(server):
    with server.connect() as before:
        assert before("CONFIG", "SET", "requirepass", "one") == "OK"
        assert before("PING") == "PONG"  # who was in stays in
        with server.connect() as after:
            assert after("PING") == Error("NOAUTH Authentication required.")
            assert after("AUTH", "one") == "OK"
        assert before("CONFIG", "SET", "requirepass", "") == "OK"
    assert server("PING") == "PONG"


def test_failed_authentications_are_slowed_down(ordinal, start_server):
    """Guessing must be slow, and slow for the guesser only."""
    server = start_server(requirepass="secret")
    with server.connect() as guesser, server.connect() as other:
        assert other("AUTH", "secret") == "OK"
        start = time.monotonic()
        for number in range(8):
            assert guesser("AUTH", "guess %d" % number).code == "WRONGPASS"
        slow = time.monotonic() - start
        guesser.send(encode("AUTH", "one more"))
        start = time.monotonic()
        assert other("PING") == "PONG"
        quick = time.monotonic() - start
        assert guesser.read().code == "WRONGPASS"
    assert slow > 8 * quick and slow > 0.05, "8 guesses took %.3f s, a PING %.6f s" % (slow, quick)
