"""RESP as clients speak it: both versions, inline commands, any split of the bytes, any depth of pipeline, any size of
argument. What is not RESP at all is in test_protocol_errors.py."""

import os
import time

import pytest

from harness.resp import Error, encode

MEGABYTE = 1 << 20


def test_a_ping_is_answered(client):
    assert client("PING") == "PONG"
    assert client("PING", "hello") == b"hello"
    assert client("ping") == "PONG"


def test_hello_without_version_describes_the_server(client):
    reply = client("HELLO")
    fields = dict(zip(reply[::2], reply[1::2]))
    assert set(fields) == {b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"}
    assert fields[b"server"] == b"redis"
    assert fields[b"proto"] == 2
    assert fields[b"id"] == client("CLIENT", "ID")
    assert fields[b"mode"] == b"standalone"
    assert fields[b"role"] == b"master"
    assert fields[b"modules"] == []


def test_hello_3_switches_to_resp3_and_hello_2_back(client):
    assert client("GET", "absent") is None
    reply = client("HELLO", "3")
    assert isinstance(reply, dict) and reply[b"proto"] == 3
    client.send(encode("GET", "absent"))
    assert client.raw(3) == b"_\r\n"
    assert isinstance(client("CONFIG", "GET", "maxmemory"), dict)
    assert isinstance(client("HELLO", "2"), list)
    client.send(encode("GET", "absent"))
    assert client.raw(5) == b"$-1\r\n"


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["4"], "NOPROTO unsupported protocol version"),
        (["1"], "NOPROTO unsupported protocol version"),
        (["three"], "ERR Protocol version is not an integer or out of range"),
        (["3", "NONSENSE"], "ERR Syntax error in HELLO option 'NONSENSE'"),
        (["3", "SETNAME"], "ERR Syntax error in HELLO option 'SETNAME'"),
        (["3", "SETNAME", "a b"], "ERR Client names cannot contain spaces, newlines or special characters."),
        (["3", "AUTH", "default", "wrong"], None),
    ],
)
def test_hello_refuses_what_it_does_not_know(client, arguments, text):
    reply = client("HELLO", *arguments)
    if text is None:  # the default user has no password: any is right
        assert isinstance(reply, dict)
    else:
        assert reply == Error(text)
        assert isinstance(client("HELLO"), list)


def test_hello_sets_the_name(client):
    assert client("HELLO", "3", "SETNAME", "worker-1")[b"proto"] == 3
    assert client("CLIENT", "GETNAME") == b"worker-1"


@pytest.mark.parametrize(
    "line, reply",
    [
        (b"PING\r\n", b"+PONG\r\n"),
        (b"PING\n", b"+PONG\r\n"),
        (b"  PING  \r\n", b"+PONG\r\n"),
        (b"ECHO \"two words\"\r\n", b"$9\r\ntwo words\r\n"),
        (b"ECHO 'two words'\r\n", b"$9\r\ntwo words\r\n"),
        (b"ECHO \"\\x00\\xff\\n\"\r\n", b"$3\r\n\x00\xff\n\r\n"),
        (b"ECHO 'it\\'s'\r\n", b"$4\r\nit's\r\n"),
        (b"ECHO \"\"\r\n", b"$0\r\n\r\n"),
        (b"\r\nPING\r\n", b"+PONG\r\n"),
        (b"\r\n\r\n\r\nPING\r\n", b"+PONG\r\n"),
        (b"*0\r\nPING\r\n", b"+PONG\r\n"),
        (b"*-1\r\nPING\r\n", b"+PONG\r\n"),
        (b"SET k v\r\nGET k\r\n", b"+OK\r\n$1\r\nv\r\n"),
    ],
)
def test_inline_commands(client, line, reply):
    client.send(line)
    assert client.raw(len(reply)) == reply


def test_every_split_of_the_bytes_gives_the_same_replies(client):
    """Each byte boundary in turn is where one write ends and the next begins."""
    request = encode("SET", "k", b"\r\n$3\r\n") + encode("GET", "k") + b"PING\r\n" + encode("STRLEN", "k")
    expected = b"+OK\r\n$6\r\n\r\n$3\r\n\r\n+PONG\r\n:6\r\n"
    for cut in range(1, len(request)):
        client.send(request[:cut])
        client.send(request[cut:])
        assert client.raw(len(expected)) == expected, "split after byte %d" % cut


def test_one_byte_at_a_time(client):
    request = encode("SET", "key", "value") + encode("GET", "key") + b"PING\r\n"
    for position in range(len(request)):
        client.send(request[position : position + 1])
    assert [client.read(), client.read(), client.read()] == ["OK", b"value", "PONG"]


def test_every_byte_value_survives_in_keys_and_values(client):
    everything = bytes(range(256))
    for byte in range(256):
        key, value = bytes([byte]), bytes([byte]) + everything
        assert client("SET", key, value) == "OK"
        assert client("GET", key) == value
    assert client("SET", everything, everything * 2) == "OK"
    assert client("GET", everything) == everything * 2
    assert client("SET", b"", b"") == "OK"
    assert client("GET", b"") == b""
    assert client("DBSIZE") == 258


@pytest.mark.parametrize("depth", [1, 2, 16, 1000, 100_000])
def test_a_pipeline_of_any_depth_is_answered_in_order(client, depth):
    replies = client.pipeline([("ECHO", str(number)) for number in range(depth)])
    assert replies == [b"%d" % number for number in range(depth)]


def test_a_pipeline_whose_replies_are_read_only_at_the_end(start_server):
    """More replies than the sockets' buffers hold: the server keeps reading, or it and the client would wait for
    each other for ever."""
    server = start_server(client_output_buffer_limit="normal 0 0 0")
    with server.connect() as client:
        value = os.urandom(1000)
        client("SET", "k", value)
        depth = 30_000
        client.send(encode("GET", "k") * depth)
        client.send(encode("PING"))
        for _ in range(depth):
            assert client.read() == value
        assert client.read() == "PONG"


def test_commands_after_an_error_in_a_pipeline_still_run(client):
    replies = client.pipeline([("SET", "k", "text"), ("INCR", "k"), ("NOSUCH", "a"), ("GET",), ("GET", "k")])
    assert replies == [
        "OK",
        Error("ERR value is not an integer or out of range"),
        Error("ERR unknown command 'NOSUCH', with args beginning with: 'a' "),
        Error("ERR wrong number of arguments for 'get' command"),
        b"text",
    ]


@pytest.mark.parametrize(
    "command, text",
    [
        (["NOSUCH"], "ERR unknown command 'NOSUCH', with args beginning with: "),
        (["nosuch", "a", "b"], "ERR unknown command 'nosuch', with args beginning with: 'a' 'b' "),
        (["x" * 300], "ERR unknown command '%s', with args beginning with: " % ("x" * 128)),
        (["no\r\nsuch", "a\nb"], "ERR unknown command 'no  such', with args beginning with: 'a b' "),
        (["GET"], "ERR wrong number of arguments for 'get' command"),
        (["GET", "a", "b"], "ERR wrong number of arguments for 'get' command"),
        (["CONFIG", "GET"], "ERR wrong number of arguments for 'config|get' command"),
        (["CONFIG"], "ERR wrong number of arguments for 'config' command"),
        (["CONFIG", "NOSUCH"], "ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP."),
        (["CLIENT", "NOSUCH"], "ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."),
        (["SET", "k", "v", "EX", "0"], "ERR invalid expire time in 'set' command"),
        (["SET", "k", "v", "EX", "x"], "ERR value is not an integer or out of range"),
        (["SET", "k", "v", "NX", "XX"], "ERR syntax error"),
        (["SELECT", "16"], "ERR DB index is out of range"),
        (["SELECT", "x"], "ERR value is not an integer or out of range"),
        (["INCRBY", "k", "9223372036854775808"], "ERR value is not an integer or out of range"),
        (["INCRBYFLOAT", "k", "x"], "ERR value is not a valid float"),
        (["EXPIRE", "k", "9223372036854775807"], "ERR invalid expire time in 'expire' command"),
        (["RENAME", "absent", "k"], "ERR no such key"),
        (["OBJECT", "FREQ", "absent"], None),
        (["SETRANGE", "k", "-1", "x"], "ERR offset is out of range"),
        (["SETRANGE", "k", "536870912", "x"], "ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        (["SETBIT", "k", "4294967296", "1"], "ERR bit offset is not an integer or out of range"),
        (["SETBIT", "k", "0", "2"], "ERR bit is not an integer or out of range"),
        (["AUTH", "x"], "ERR AUTH <password> called without any password configured for the default user. "
                        "Are you sure your configuration is correct?"),
        (["AUTH", "nobody", "x"], "WRONGPASS invalid username-password pair or user is disabled."),
    ],
)
def test_error_replies_have_the_known_text(client, command, text):
    reply = client(*command)
    assert reply == (None if text is None else Error(text))


def test_a_value_of_64_megabytes_comes_back_whole(client):
    value = os.urandom(MEGABYTE) * 64
    assert client("SET", "big", value) == "OK"
    assert client("STRLEN", "big") == len(value)
    assert client("GETRANGE", "big", 63 * MEGABYTE, 63 * MEGABYTE + 9) == value[:10]
    assert client("GET", "big") == value


def time_to_set(client, size, chunk):
    """Seconds for a SET of so many bytes, sent in pieces of `chunk`."""
    header = b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$%d\r\n" % size
    piece = b"x" * chunk
    start = time.monotonic()
    client.send(header)
    for _ in range(size // chunk):
        client.send(piece)
    client.send(b"\r\n")
    assert client.read() == "OK"
    return time.monotonic() - start


def test_a_large_argument_in_small_pieces_takes_linear_time(client, server):
    """Sixteen times the bytes may take sixteen times the work, not 256 times: the smallest of three runs each, with
    room for a factor of four."""
    small, large, chunk = 4 * MEGABYTE, 64 * MEGABYTE, 4096
    quick = min(time_to_set(client, small, chunk) for _ in range(3))
    slow = min(time_to_set(client, large, chunk) for _ in range(2))
    assert slow < quick * 16 * 4 + 0.5, "%d MB: %.3f s, %d MB: %.3f s" % (4, quick, 64, slow)
    assert client("STRLEN", "b") == large
    client("DEL", "b")


def test_a_large_argument_split_over_many_arguments(client):
    """A command of 100,000 arguments, arriving in pieces that end inside them."""
    arguments = ["MSET"] + [part for number in range(50_000) for part in ("k%d" % number, "v%d" % number)]
    data = encode(*arguments)
    for position in range(0, len(data), 10_007):
        client.send(data[position : position + 10_007])
    assert client.read() == "OK"
    assert client("DBSIZE") == 50_000
    assert client("GET", "k49999") == b"v49999"


def test_proto_max_bulk_len_is_a_limit_on_what_is_announced(client):
    assert client("CONFIG", "SET", "proto-max-bulk-len", 2 * MEGABYTE) == "OK"
    assert client("SET", "k", b"x" * (2 * MEGABYTE)) == "OK"
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (2 * MEGABYTE + 1))
    assert client.until_closed() == b"-ERR Protocol error: invalid bulk length\r\n"


def test_a_large_reply_does_not_hold_up_other_clients(connect):
    """A client that does not read its 64 MB leaves the others served."""
    slow, other = connect(receive_buffer=4096), connect()
    assert other("SET", "big", b"x" * (64 * MEGABYTE)) == "OK"
    slow.send(encode("GET", "big"))
    for number in range(100):
        assert other("ECHO", str(number)) == b"%d" % number
    assert len(slow.read()) == 64 * MEGABYTE
