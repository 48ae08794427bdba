"""Start and stop: signals, SHUTDOWN, the log, and what a process leaves behind."""

import datetime
import json
import os
import re
import signal
import threading
import time

import pytest

from harness.resp import Closed, Connection, Error, encode
from harness.server import is_sanitized


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_server_with_status_0(start_server, number):
    server = start_server()
    with server.connect() as client:
        assert client("PING") == "PONG"
        server.signal(number)
        assert client.until_closed() == b""
    assert server.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        Connection(server.address)


def test_sigterm_under_load_loses_no_acknowledgement_and_takes_no_time(start_server):
    """Clients at work when the signal comes: every reply that arrives is whole, and the server ends at once."""
    server = start_server()
    acknowledged, failures = [], []
    at_work = threading.Barrier(5)

    def work(name):
        count = 0
        try:
            with server.connect() as client:
                while True:
                    client.send(encode("INCR", name) * 100)
                    for _ in range(100):
                        assert client.read() == count + 1
                        count += 1
                    if count == 100:
                        at_work.wait(60)
        except (Closed, OSError):
            acknowledged.append(count)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=("c%d" % number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    at_work.wait(60)
    start = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert time.monotonic() - start < (5 if not is_sanitized() else 20)
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert len(acknowledged) == 4 and min(acknowledged) > 0


def test_shutdown_closes_without_a_reply(start_server):
    server = start_server()
    with server.connect() as client, server.connect() as other:
        assert other("PING") == "PONG"
        client.send(encode("SHUTDOWN", "NOSAVE"))
        assert client.until_closed() == b""
        assert other.until_closed() == b""
    assert server.wait() == 0


@pytest.mark.parametrize("arguments", [["NOSAVE"], ["NOSAVE", "NOW"], ["NOSAVE", "FORCE"], ["nosave", "now", "force"]])
def test_shutdown_options(start_server, arguments):
    server = start_server()
    with server.connect() as client:
        client.send(encode("SHUTDOWN", *arguments))
        assert client.until_closed() == b""
    assert server.wait() == 0


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["NONSENSE"], "ERR syntax error"),
        (["SAVE", "NOSAVE"], "ERR syntax error"),
        (["ABORT"], "ERR No shutdown in progress."),
        (["ABORT", "NOW"], "ERR syntax error"),
    ],
)
def test_shutdown_refuses(client, arguments, text):
    assert client("SHUTDOWN", *arguments) == Error(text)
    assert client("PING") == "PONG"


def test_nothing_is_written_when_nothing_is_to_be_saved(start_server):
    server = start_server(save="")
    assert server("SET", "k", "v") == "OK"
    server.stop()
    assert os.listdir(server.directory) == ["log"]
    again = start_server(dir=server.directory)
    assert again("DBSIZE") == 0


def test_a_port_can_be_taken_again_at_once(start_server):
    """Connections in TIME_WAIT do not keep the next server from its port."""
    first = start_server()
    clients = [first.connect() for _ in range(20)]
    assert [client("PING") for client in clients] == ["PONG"] * 20
    first.stop()
    second = start_server(port=first.port)
    assert second("PING") == "PONG"
    for client in clients:
        client.close()


def test_the_process_id_file(start_server, tmp_path):
    path = tmp_path / "pid"
    server = start_server(pidfile=str(path))
    assert int(path.read_text()) == server.pid
    server.stop()
    assert not path.exists()


def test_sighup_does_not_end_the_server(server):
    server.signal(signal.SIGHUP)
    for _ in range(100):
        assert server("PING") == "PONG"


def test_the_log_of_a_start_and_an_end(start_server):
    server = start_server()
    server.stop()
    log = server.log()
    assert "Ready to accept connections" in log
    assert re.search(r"SIGTERM|shut ?down|stop", log, re.IGNORECASE)


LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (debug|verbose|notice|warning) +(\S.*)")


def check_times(times):
    moments = [datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ") for text in times]
    assert moments == sorted(moments)
    now = datetime.datetime.utcnow()
    assert all(abs((now - moment).total_seconds()) < 300 for moment in moments)


def test_the_log_as_text(ordinal, start_server):
    server = start_server(log_format="text", loglevel="debug")
    server("PING")
    server.stop()
    lines = server.log().splitlines()
    matches = [LINE.fullmatch(line) for line in lines]
    assert len(lines) >= 2 and all(matches), [line for line, match in zip(lines, matches) if not match]
    check_times([match.group(1) for match in matches])


def test_the_log_as_json(ordinal, start_server):
    server = start_server(log_format="json", loglevel="debug")
    server("PING")
    server.stop()
    events = [json.loads(line) for line in server.log().splitlines()]
    assert len(events) >= 2
    for event in events:
        assert set(event) >= {"time", "level", "message"}
        assert event["level"] in ("debug", "verbose", "notice", "warning") and event["message"]
    check_times([event["time"] for event in events])


def test_the_log_level(start_server):
    quiet = start_server(loglevel="warning")
    quiet.stop()
    assert "Ready to accept connections" not in quiet.log()


def test_a_log_file_is_opened_anew_by_sighup(ordinal, start_server, tmp_path):
    path = tmp_path / "ordinal.log"
    server = start_server(logfile=str(path), loglevel="debug")
    assert "Ready to accept connections" in path.read_text()
    path.rename(tmp_path / "ordinal.log.1")
    server.signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while not path.exists():
        assert server("PING") == "PONG"
        assert time.monotonic() < end
    server.stop()
    assert path.read_text()


def test_uptime_and_identity(server):
    info = server.info()
    assert int(info["process_id"]) == server.pid
    assert int(info["tcp_port"]) == server.port
    assert 0 <= int(info["uptime_in_seconds"]) < 300
    assert re.fullmatch(r"[0-9a-f]{40}", info["run_id"])
    assert re.fullmatch(r"7\.\d+\.\d+", info["redis_version"])
