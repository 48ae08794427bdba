"""The CLIENT family, MONITOR and what else one connection may do to another."""

import re
import threading
import time

import pytest

from harness.resp import Closed, Error, Push, encode


def fields(line):
    """A line of CLIENT LIST or CLIENT INFO as a dictionary."""
    return dict(item.split("=", 1) for item in line.decode().strip().split(" "))


def client_list(connection, *arguments):
    reply = connection("CLIENT", "LIST", *arguments)
    assert isinstance(reply, bytes), reply
    return [fields(line) for line in reply.splitlines()]


def wait_until(condition, seconds=20):
    """Asks again and again; each question is a round trip to the server, so nothing spins in vain."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not so after %d s" % seconds


def blocked(connection, identity):
    """Whether that client waits in a blocking command."""
    return "b" in client_list(connection, "ID", identity)[0]["flags"]


def has_command(server, name):
    return server("COMMAND", "INFO", name)[0] is not None


def test_ids_are_unique_and_grow(connect):
    ids = [connect()("CLIENT", "ID") for _ in range(50)]
    assert ids == sorted(set(ids))


def test_info_and_list_agree(connect):
    first, second = connect(), connect()
    assert second("CLIENT", "SETNAME", "second") == "OK"
    assert second("SELECT", "3") == "OK"
    listed = {row["id"]: row for row in client_list(first)}
    assert len(listed) == 2
    mine = fields(second("CLIENT", "INFO"))
    theirs = listed[mine["id"]]
    assert theirs["name"] == "second" and theirs["db"] == "3" and theirs["cmd"] == "select"
    assert mine["cmd"] == "client|info" and mine["addr"] == theirs["addr"]
    expected = (
        "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp obl oll "
        "omem tot-mem events cmd user redir resp"
    ).split()
    assert list(mine)[: len(expected)] == expected
    assert mine["flags"] == "N" and mine["user"] == "default" and mine["resp"] == "2" and mine["multi"] == "-1"


def test_list_by_id_and_type(connect):
    first, second, third = connect(), connect(), connect()
    ids = [str(client("CLIENT", "ID")) for client in (first, second, third)]
    assert [row["id"] for row in client_list(first, "ID", ids[2], ids[0], "999999")] == [ids[2], ids[0]]
    assert sorted(row["id"] for row in client_list(first, "TYPE", "normal")) == sorted(ids)
    assert first("CLIENT", "LIST", "TYPE", "replica") == b""
    assert first("CLIENT", "LIST", "TYPE", "nonsense") == Error("ERR Unknown client type 'nonsense'")
    assert first("CLIENT", "LIST", "ID", "x") == Error("ERR Invalid client ID")


@pytest.mark.parametrize("name", ["a b", "a\nb", "\x01"])
def test_a_name_must_be_printable(client, name):
    text = "ERR Client names cannot contain spaces, newlines or special characters."
    assert client("CLIENT", "SETNAME", name) == Error(text)
    assert client("CLIENT", "GETNAME") is None


def test_an_empty_name_takes_it_away(client):
    assert client("CLIENT", "SETNAME", "me") == "OK"
    assert client("CLIENT", "GETNAME") == b"me"
    assert client("CLIENT", "SETNAME", "") == "OK"
    assert client("CLIENT", "GETNAME") is None


def test_setinfo(ordinal, client):
    """CLIENT SETINFO is of 7.2."""
    assert client("CLIENT", "SETINFO", "LIB-NAME", "tester") == "OK"
    assert client("CLIENT", "SETINFO", "lib-ver", "1.2.3") == "OK"
    mine = fields(client("CLIENT", "INFO"))
    assert mine["lib-name"] == "tester" and mine["lib-ver"] == "1.2.3"
    assert client("CLIENT", "SETINFO", "LIB-NAME", "a b") == Error(
        "ERR lib-name cannot contain spaces, newlines or special characters."
    )
    assert client("CLIENT", "SETINFO", "nonsense", "x") == Error("ERR Unrecognized option 'nonsense'")


def test_kill_by_address(connect):
    killer, victim = connect(), connect()
    address = fields(victim("CLIENT", "INFO"))["addr"]
    assert killer("CLIENT", "KILL", address) == "OK"
    assert victim.until_closed() == b""
    assert killer("CLIENT", "KILL", address) == Error("ERR No such client")


def test_kill_by_id_laddr_user_and_type(connect, server):
    killer = connect()
    one, two = connect(), connect()
    assert killer("CLIENT", "KILL", "ID", one("CLIENT", "ID")) == 1
    assert one.until_closed() == b""
    assert killer("CLIENT", "KILL", "ID", "999999999") == 0
    assert killer("CLIENT", "KILL", "LADDR", "127.0.0.1:%d" % server.port) == 1
    assert two.until_closed() == b""
    many = [connect() for _ in range(20)]
    assert [client("PING") for client in many] == ["PONG"] * 20
    assert killer("CLIENT", "KILL", "TYPE", "normal", "USER", "default") == 20
    assert {client.until_closed() for client in many} == {b""}


def test_kill_may_include_the_killer(connect):
    killer, other = connect(), connect()
    assert other("PING") == "PONG"
    killer.send(encode("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"))
    assert killer.until_closed() == b":2\r\n"
    assert other.until_closed() == b""


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["ID", "x"], "ERR client-id should be greater than 0"),
        (["ID", "0"], "ERR client-id should be greater than 0"),
        (["TYPE", "x"], "ERR Unknown client type 'x'"),
        (["USER", "nobody"], "ERR No such user 'nobody'"),
        (["SKIPME", "maybe"], "ERR syntax error"),
        (["nonsense", "1"], "ERR syntax error"),
        (["nowhere:1"], "ERR No such client"),
    ],
)
def test_kill_refuses(client, arguments, text):
    assert client("CLIENT", "KILL", *arguments) == Error(text)


def test_kill_from_every_loop_at_once(connect, server):
    """Connections on several loops that kill each other while they work: no death but theirs."""
    judge = connect()

    def work(seed):
        for number in range(60):
            with server.connect() as client:
                try:
                    client("SET", "k%d" % seed, str(number))
                    ids = re.findall(rb"\bid=(\d+)", client("CLIENT", "LIST", "TYPE", "normal"))
                    client("CLIENT", "KILL", "ID", ids[(seed + number) % len(ids)], "SKIPME", "no")
                    client("PING")
                except (Closed, OSError):  # killed by another: what this test wants to happen
                    pass

    judge_id = judge("CLIENT", "ID")
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.alive()
    with server.connect() as last:
        assert last("PING") == "PONG"
        assert last("CLIENT", "ID") > judge_id


def test_pause_write_holds_writes_and_lets_reads_through(connect):
    controller, writer, reader = connect(), connect(), connect()
    assert controller("SET", "k", "old") == "OK"
    assert controller("CLIENT", "PAUSE", "60000", "WRITE") == "OK"
    writer.send(encode("SET", "k", "new"))
    assert writer.is_quiet(0.1)
    assert reader("GET", "k") == b"old"
    assert controller("CLIENT", "UNPAUSE") == "OK"
    assert writer.read() == "OK"
    assert reader("GET", "k") == b"new"


def test_pause_all_holds_everything_until_its_end(connect):
    controller, other = connect(), connect()
    assert other("PING") == "PONG"
    start = time.monotonic()
    assert controller("CLIENT", "PAUSE", "300") == "OK"
    assert other("PING") == "PONG"
    assert time.monotonic() - start >= 0.29


def test_a_pause_is_never_shortened(connect):
    controller, other = connect(), connect()
    start = time.monotonic()
    assert controller("CLIENT", "PAUSE", "400", "WRITE") == "OK"
    assert controller("CLIENT", "PAUSE", "1", "WRITE") == "OK"
    assert other("SET", "k", "v") == "OK"
    assert time.monotonic() - start >= 0.39


def test_pause_keeps_the_order_of_a_pipeline(connect):
    controller, client = connect(), connect()
    assert controller("CLIENT", "PAUSE", "60000", "WRITE") == "OK"
    client.send(encode("PING") + encode("SET", "k", "1") + encode("GET", "k") + encode("INCR", "k"))
    assert client.read() == "PONG"
    assert client.is_quiet(0.1)
    assert controller("CLIENT", "UNPAUSE") == "OK"
    assert [client.read(), client.read(), client.read()] == ["OK", b"1", 2]


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["x"], "ERR timeout is not an integer or out of range"),
        (["-1"], "ERR timeout is negative"),
        (["10", "READ"], "ERR CLIENT PAUSE mode must be WRITE or ALL"),
    ],
)
def test_pause_refuses(client, arguments, text):
    assert client("CLIENT", "PAUSE", *arguments) == Error(text)


def test_expired_keys_stay_hidden_during_a_pause(connect):
    controller, reader = connect(), connect()
    assert controller("SET", "k", "v", "PX", "50") == "OK"
    assert controller("CLIENT", "PAUSE", "60000", "WRITE") == "OK"
    wait_until(lambda: reader("GET", "k") is None)
    assert controller("CLIENT", "UNPAUSE") == "OK"


def test_reply_off_skip_and_on(client):
    client.send(encode("CLIENT", "REPLY", "SKIP") + encode("SET", "k", "1") + encode("INCR", "k"))
    assert client.read() == 2
    client.send(encode("CLIENT", "REPLY", "OFF") + encode("INCR", "k") + encode("NOSUCH") + encode("INCR", "k"))
    client.send(encode("CLIENT", "REPLY", "ON") + encode("GET", "k"))
    assert [client.read(), client.read()] == ["OK", b"4"]
    assert client("CLIENT", "REPLY", "MAYBE") == Error("ERR syntax error")


def test_no_evict_and_no_touch(connect):
    client, other = connect(), connect()
    assert client("CLIENT", "NO-EVICT", "on") == "OK"
    assert "e" in client_list(other, "ID", client("CLIENT", "ID"))[0]["flags"]
    assert client("CLIENT", "NO-EVICT", "off") == "OK"
    assert "e" not in client_list(other, "ID", client("CLIENT", "ID"))[0]["flags"]
    assert client("CLIENT", "NO-EVICT", "maybe") == Error("ERR syntax error")


def test_no_touch_leaves_the_access_clock_alone(ordinal, connect):
    """CLIENT NO-TOUCH is of 7.2."""
    client = connect()
    client("SET", "k", "v")
    assert client("CLIENT", "NO-TOUCH", "on") == "OK"
    assert "T" in fields(client("CLIENT", "INFO"))["flags"]
    wait_until(lambda: client("OBJECT", "IDLETIME", "k") >= 1)
    assert client("GET", "k") == b"v"
    assert client("OBJECT", "IDLETIME", "k") >= 1
    assert client("CLIENT", "NO-TOUCH", "off") == "OK"
    assert client("GET", "k") == b"v"
    assert client("OBJECT", "IDLETIME", "k") == 0


def test_unblock(server, connect):
    if not has_command(server, "blpop"):
        client = connect()
        assert client("CLIENT", "UNBLOCK", client("CLIENT", "ID")) == 0
        return
    controller, waiter = connect(), connect()
    identity = str(waiter("CLIENT", "ID"))
    for reason, reply in (
        ([], None),
        (["TIMEOUT"], None),
        (["ERROR"], Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
    ):
        waiter.send(encode("BLPOP", "nothing", "0"))
        wait_until(lambda: blocked(controller, identity))
        assert controller("CLIENT", "UNBLOCK", identity, *reason) == 1
        assert waiter.read() == reply
    assert controller("CLIENT", "UNBLOCK", identity) == 0
    assert controller("CLIENT", "UNBLOCK", "999999") == 0


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["x"], "ERR value is not an integer or out of range"),
        (["1", "MAYBE"], "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    ],
)
def test_unblock_refuses(client, arguments, text):
    assert client("CLIENT", "UNBLOCK", *arguments) == Error(text)


MONITOR_LINE = re.compile(r'(\d+\.\d{6}) \[(\d+) ([^\]]+)\] (".*")')


def test_monitor_shows_what_others_run(connect, server):
    monitor, client = connect(), connect()
    assert monitor("MONITOR") == "OK"
    assert client("SELECT", "4") == "OK"
    assert client("SET", "key", b'"quote" \\ \r\n\x00\xff') == "OK"
    assert client("AUTH", "secret").code == "ERR"
    assert client("GET", "key") is not None
    lines = [MONITOR_LINE.fullmatch(monitor.read()) for _ in range(4)]
    assert all(lines)
    shown = [line.group(4) for line in lines]
    assert shown == [
        '"SELECT" "4"',
        r'"SET" "key" "\"quote\" \\ \r\n\x00\xff"',
        '"AUTH" "(redacted)"',
        '"GET" "key"',
    ]
    address = fields(client("CLIENT", "INFO"))["addr"]
    assert {line.group(3) for line in lines} == {address}
    assert [line.group(2) for line in lines] == ["4", "4", "4", "4"]  # SELECT too shows the database it chose
    assert abs(float(lines[0].group(1)) - time.time()) < 60


def test_monitor_in_resp3_and_many_monitors(connect):
    monitors = [connect() for _ in range(5)]
    for number, monitor in enumerate(monitors):
        if number % 2:
            monitor("HELLO", "3")
        assert monitor("MONITOR") == "OK"
    client = connect()
    for number in range(100):
        client("SET", "k", str(number))
    for monitor in monitors:
        seen = []
        while len(seen) < 100:
            line = monitor.read()
            line = line[0] if isinstance(line, Push) else line
            if '"SET" "k"' in line:
                seen.append(int(line.rsplit('"', 2)[1]))
        assert seen == list(range(100))


def test_a_monitor_stays_off_the_keyspace(connect):
    monitor = connect()
    assert monitor("MONITOR") == "OK"
    for words in (("GET", "k"), ("SET", "k", "v"), ("DBSIZE",)):
        assert monitor(*words) == "ERR Replica can't interact with the keyspace", words
    assert monitor("ECHO", "still here") == b"still here"


def test_a_monitor_leaves_by_reset_or_quit(connect):
    monitor, client = connect(), connect()
    assert monitor("MONITOR") == "OK"
    assert "O" in client_list(client)[0]["flags"] + client_list(client)[-1]["flags"]
    monitor.send(encode("RESET"))
    while monitor.read() != "RESET":  # what the client did before is still shown
        pass
    assert client("SET", "k", "v") == "OK"
    assert monitor("GET", "k") == b"v"


def test_info_counts_clients(connect, server):
    clients = [connect() for _ in range(7)]
    assert [client("PING") for client in clients] == ["PONG"] * 7
    assert int(server.info("clients")["connected_clients"]) == 8


def test_help_of_every_container(client):
    for name in ("CLIENT", "CONFIG", "COMMAND", "OBJECT", "MEMORY", "SLOWLOG", "LATENCY"):
        reply = client(name, "HELP")
        assert isinstance(reply, list) and len(reply) > 3, name
        assert reply[0].startswith("%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:" % name)
