"""`ordinal ping`, the probe of images that have no shell: exit status 0 or 1 and one line that says why."""

import socket
import subprocess
import time

import pytest

from harness.server import binary, free_port, server_environment

pytestmark = pytest.mark.usefixtures("ordinal")


def ping(*arguments, environment=None):
    """Runs the probe; returns its exit status, after checking that it said one line."""
    result = subprocess.run(
        [binary(), "ping", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=server_environment(environment),
        timeout=60,
    )
    output = result.stdout + result.stderr
    assert result.returncode == 2 or output.count("\n") == 1, output
    return result.returncode, output


def test_alive(server):
    assert ping("-p", server.port)[0] == 0
    assert ping("-h", "127.0.0.1", "-p", server.port, "--ready")[0] == 0
    assert ping("-h", "localhost", "-p", server.port)[0] == 0
    assert ping(environment={"ORDINAL_PORT": str(server.port)})[0] == 0


def test_nobody_there():
    port = free_port()
    status, output = ping("-p", port)
    assert status == 1 and str(port) in output, output


def test_with_a_password(start_server, tmp_path):
    """Without it the server is alive, but whether it is ready it does not say."""
    server = start_server(requirepass="secret")
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    assert ping("-p", server.port)[0] == 0
    assert ping("-p", server.port, "--ready")[0] == 1
    assert ping("-p", server.port, "--ready", "-a", "secret")[0] == 0
    assert ping("-p", server.port, "--ready", "-a", "wrong")[0] == 1
    assert ping("-p", server.port, "--ready", environment={"REDIS_PASSWORD": "secret"})[0] == 0
    assert ping("-p", server.port, "--ready", environment={"ORDINAL_REQUIREPASS_FILE": str(secret)})[0] == 0


def test_over_a_unix_socket(start_server, tmp_path):
    path = str(tmp_path / "socket")
    start_server(unixsocket=path)
    assert ping("-s", path, "--ready")[0] == 0
    assert ping("-s", str(tmp_path / "absent"))[0] == 1


def test_a_server_that_hangs_is_not_alive():
    """Something listens and never answers: the probe gives up in time."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        start = time.monotonic()
        status, output = ping("-p", mute.getsockname()[1], "-t", "300")
        assert status == 1
        assert 0.25 < time.monotonic() - start < 10


def test_something_else_that_answers_is_not_alive():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        probe = subprocess.Popen(
            [binary(), "ping", "-p", str(other.getsockname()[1])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=server_environment(),
        )
        connection, _ = other.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            output, _ = probe.communicate(timeout=60)
        assert probe.returncode == 1, output


def test_a_stopped_server_is_not_alive(start_server):
    server = start_server()
    server.stop()
    assert ping("-p", server.port)[0] == 1


@pytest.mark.parametrize("arguments", [["--nonsense"], ["-p"], ["-p", "x"], ["extra"]])
def test_bad_arguments(arguments):
    assert ping(*arguments)[0] == 2
