"""Keyspace notifications: which events are published, of which class, to which channels, on any number of loops."""

import pytest

from harness.resp import encode


@pytest.fixture(params=[1, 2, 3])
def any_server(start_server, request):
    return start_server(loops=request.param)


@pytest.fixture
def listen(any_server):
    """A function that sets notify-keyspace-events and returns a connection that hears all of it and another one."""
    opened = []

    def begin(events, database=0):
        any_server.config("notify-keyspace-events", events)
        pair = [any_server.connect(), any_server.connect()]
        opened.extend(pair)
        assert pair[0]("PSUBSCRIBE", "__key*__:*") == [b"psubscribe", b"__key*__:*", 1]
        assert pair[1]("SELECT", database) == "OK"
        return pair

    yield begin
    for connection in opened:
        connection.close()


def heard(listener, client):
    """What was published up to now, as "channel message"; a message of our own ends it."""
    client("PUBLISH", "__key__:end", "")
    events = []
    while True:
        _, _, channel, message = listener.read()
        if channel == b"__key__:end":
            return events
        events.append("%s %s" % (channel.decode(), message.decode()))


def keyevents(listener, client):
    """The events alone, as "event key"."""
    return [event.split("__:", 1)[1] for event in heard(listener, client) if event.startswith("__keyevent@")]


def test_both_channels_in_order_and_with_the_database(listen):
    listener, client = listen("KEA", database=3)
    client("SET", "k", "v")
    client("DEL", "k")
    assert heard(listener, client) == [
        "__keyspace@3__:k set",
        "__keyevent@3__:set k",
        "__keyspace@3__:k del",
        "__keyevent@3__:del k",
    ]


def test_only_the_channels_and_classes_asked_for(listen):
    listener, client = listen("Kg$")
    client("SET", "k", "v")
    client("SADD", "s", "m")
    client("EXPIRE", "k", "100")
    client("GET", "none")
    assert heard(listener, client) == ["__keyspace@0__:k set", "__keyspace@0__:k expire"]


@pytest.mark.parametrize("setting", ["", "KE", "A", "Kl"])
def test_nothing_without_a_channel_or_a_class(listen, setting):
    listener, client = listen(setting)
    client("SET", "k", "v")
    client("DEL", "k")
    assert heard(listener, client) == []


def test_events_of_commands(listen):
    listener, client = listen("EA")
    commands = [
        ("SET k v EX 100", ["set k", "expire k"]),
        ("APPEND k w", ["append k"]),
        ("INCR n", ["incrby n"]),
        ("INCRBYFLOAT n 1.5", ["incrbyfloat n"]),
        ("SETRANGE k 1 x", ["setrange k"]),
        ("PERSIST k", ["persist k"]),
        ("GETDEL k", ["del k"]),
        ("MSET a 1 b 2", ["set a", "set b"]),
        ("RENAME a c", ["rename_from a", "rename_to c"]),
        ("COPY b d", ["copy_to d"]),
        ("EXPIRE b -1", ["del b"]),
        ("HSET h f v", ["hset h"]),
        ("HINCRBY h g 1", ["hincrby h"]),
        ("HDEL h f g", ["hdel h", "del h"]),
        ("SADD s m", ["sadd s"]),
        ("SREM s m", ["srem s", "del s"]),
        ("ZADD z 1 m", ["zadd z"]),
        ("ZREM z m", ["zrem z", "del z"]),
        ("SETBIT bits 1 1", ["setbit bits"]),
    ]
    for command, events in commands:
        client.ask(command)
        assert keyevents(listener, client) == events, command


def test_new_and_missed_keys(listen):
    listener, client = listen("Enm")
    client("SET", "k", "v")
    client("SET", "k", "w")
    client("GET", "none")
    client("EXISTS", "none")
    client("OBJECT", "ENCODING", "none")
    client("HSET", "h", "f", "v")
    client("RENAME", "k", "l")
    assert keyevents(listener, client) == ["new k", "keymiss none", "keymiss none", "new h", "new l"]


def test_expired_on_access_and_by_the_sweep(listen):
    listener, client = listen("Ex")
    client("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    client("SET", "k", "v", "PX", "1")
    while client("EXISTS", "k"):
        pass
    assert keyevents(listener, client) == ["expired k"]
    client("DEBUG", "SET-ACTIVE-EXPIRE", "1")
    for n in range(300):
        client("SET", "k%d" % n, "v", "PX", "5")
    names = {listener.read()[3] for _ in range(300)}
    assert names == {b"k%d" % n for n in range(300)}


def test_evicted(listen, any_server):
    listener, client = listen("Ee")
    client("SET", "k", "v")
    any_server.config("maxmemory-policy", "allkeys-lru")
    any_server.config("maxmemory", "1")
    assert listener.read() == [b"pmessage", b"__key*__:*", b"__keyevent@0__:evicted", b"k"]


def test_a_listener_that_runs_the_command_hears_it_after_the_reply(any_server):
    any_server.config("notify-keyspace-events", "EA")
    with any_server.connect() as client:
        client("HELLO", "3")
        client("SUBSCRIBE", "__keyevent@0__:set")
        assert client("SET", "k", "v") == "OK"
        assert client.read() == [b"message", b"__keyevent@0__:set", b"k"]


def test_a_key_of_any_length(listen):
    listener, client = listen("KEA")
    for length in (200, 300, 70000):
        key = "k" * length
        client("SET", key, "v")
        assert heard(listener, client) == ["__keyspace@0__:%s set" % key, "__keyevent@0__:set %s" % key]


def test_a_pipeline_of_writes_is_heard_in_order(listen):
    listener, client = listen("E$")
    client.send(b"".join(encode("SET", "k%d" % n, "v") for n in range(1000)))
    for n in range(1000):
        assert listener.read()[3] == b"k%d" % n
    assert [client.read() for _ in range(1000)] == ["OK"] * 1000
