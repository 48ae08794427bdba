"""Publish and subscribe: who gets which message, in which order, across loops, and what a slow subscriber costs."""

import threading

import pytest

from harness.resp import Connection, Closed, Error, Push, encode


def subscribe(connection, kind, *names):
    """Subscribes and returns the counts of the confirmations."""
    connection.send(encode(kind, *names))
    return [connection.read()[2] for _ in names]


def message(channel, payload):
    return [b"message", channel, payload]


@pytest.fixture(params=[1, 2, 3])
def any_server(start_server, request):
    """A server with one to three loops."""
    return start_server(loops=request.param)


@pytest.fixture
def many(any_server):
    """A function that opens connections to `any_server`, closed at the end of the test."""
    opened = []

    def open_connections(count, **options):
        made = [any_server.connect(**options) for _ in range(count)]
        opened.extend(made)
        return made

    yield open_connections
    for connection in opened:
        connection.close()


def test_a_message_reaches_every_subscriber_on_every_loop_once(many):
    subscribers = many(9)
    publisher = many(1)[0]
    for subscriber in subscribers:
        assert subscribe(subscriber, "SUBSCRIBE", "news") == [1]
    assert publisher("PUBLISH", "news", "hello") == 9
    assert publisher("PUBLISH", "other", "hello") == 0
    for subscriber in subscribers:
        assert subscriber.read() == message(b"news", b"hello")
        assert subscriber.is_quiet(0.01)


def test_patterns_and_channels_are_both_served(many):
    subscriber, publisher = many(2)
    assert subscribe(subscriber, "SUBSCRIBE", "news.art") == [1]
    assert subscribe(subscriber, "PSUBSCRIBE", "news.*", "n?ws.art") == [2, 3]
    assert publisher("PUBLISH", "news.art", "x") == 3
    got = [subscriber.read() for _ in range(3)]
    assert got == [
        message(b"news.art", b"x"),
        [b"pmessage", b"news.*", b"news.art", b"x"],
        [b"pmessage", b"n?ws.art", b"news.art", b"x"],
    ]
    assert publisher("PUBSUB", "NUMPAT") == 2
    assert publisher("PUBSUB", "NUMSUB", "news.art", "none") == [b"news.art", 1, b"none", 0]


def test_each_publisher_is_heard_in_order(many):
    subscribers = many(4)
    publishers = many(6)
    for subscriber in subscribers:
        subscribe(subscriber, "SUBSCRIBE", "a", "b")
        subscribe(subscriber, "PSUBSCRIBE", "c*")
    rounds = 300

    def publish(number, connection):
        for n in range(rounds):
            channel = "abc"[n % 3]
            connection.send(encode("PUBLISH", channel, "%d:%d" % (number, n)))
            if n % 50 == 49:
                for _ in range(50):
                    assert connection.read() == 4

    threads = [threading.Thread(target=publish, args=pair) for pair in enumerate(publishers)]
    for thread in threads:
        thread.start()
    for subscriber in subscribers:
        heard = {number: [] for number in range(len(publishers))}
        for _ in range(rounds * len(publishers)):
            number, n = subscriber.read()[-1].split(b":")
            heard[int(number)].append(int(n))
        assert all(order == list(range(rounds)) for order in heard.values()), heard
    for thread in threads:
        thread.join()


def test_nothing_comes_after_unsubscribing(many):
    subscriber, publisher = many(2)
    for _ in range(50):
        subscribe(subscriber, "SUBSCRIBE", "x")
        publisher.send(encode("PUBLISH", "x", "m") * 20)
        subscriber.send(encode("UNSUBSCRIBE", "x") + encode("PING"))
        reply = subscriber.read()
        while reply[0] == b"message":
            reply = subscriber.read()
        assert reply == [b"unsubscribe", b"x", 0]
        assert subscriber.read() == "PONG"
        for _ in range(20):
            publisher.read()


def test_a_subscription_hears_only_what_is_published_after_it(many):
    first, publisher = many(2)
    subscribe(first, "SUBSCRIBE", "x")
    for n in range(50):
        (late,) = many(1)
        assert publisher("PUBLISH", "x", "before %d" % n) == n + 1
        assert subscribe(late, "SUBSCRIBE", "x") == [1]
        assert publisher("PUBLISH", "x", "after %d" % n) == n + 2
        assert late.read() == message(b"x", b"after %d" % n)


def test_only_some_commands_while_subscribed_in_resp2(many):
    (client,) = many(1)
    assert client("PING") == "PONG"
    subscribe(client, "SUBSCRIBE", "x")
    assert client("PING") == [b"pong", b""]
    assert client("PING", "hi") == [b"pong", b"hi"]
    for command, name in (("GET x", "get"), ("CLIENT ID", "client|id"), ("PUBLISH x y", "publish"), ("HELLO 3", "hello")):
        assert client.ask(command) == Error(
            "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
            "this context" % name
        )
    assert client("RESET") == "RESET"
    assert client("PING") == "PONG"
    assert client("PUBSUB", "CHANNELS") == []
    subscribe(client, "SSUBSCRIBE", "x")
    assert client("QUIT") == "OK"
    assert client.until_closed() == b""


def test_resp3_pushes_and_every_command(many):
    client, other = many(2)
    client("HELLO", "3")
    client.send(encode("SUBSCRIBE", "a", "b"))
    first, second = client.read(), client.read()
    assert isinstance(first, Push) and first == [b"subscribe", b"a", 1]
    assert second == [b"subscribe", b"b", 2]
    assert client("PING") == "PONG"
    assert client("SET", "k", "v") == "OK"
    other("PUBLISH", "a", "m")
    got = client.read()
    assert isinstance(got, Push) and got == message(b"a", b"m")
    assert client("UNSUBSCRIBE") == [b"unsubscribe", b"a", 1]
    assert client.read() == [b"unsubscribe", b"b", 0]
    assert client("UNSUBSCRIBE") == [b"unsubscribe", None, 0]
    assert client("PUNSUBSCRIBE") == [b"punsubscribe", None, 0]


def test_a_client_hears_itself_after_the_reply(many):
    (client,) = many(1)
    client("HELLO", "3")
    client("SUBSCRIBE", "a")
    for n in range(20):
        assert client("PUBLISH", "a", str(n)) == 1
        assert client.read() == message(b"a", b"%d" % n)


def test_subscribing_and_messages_ignore_client_reply_off(many):
    client, publisher = many(2)
    for mode in ("OFF", "SKIP"):
        client.send(encode("CLIENT", "REPLY", mode))
        assert subscribe(client, "SUBSCRIBE", "a") == [1]
        assert publisher("PUBLISH", "a", "m") == 1
        assert client.read() == message(b"a", b"m")
        assert client("UNSUBSCRIBE", "a") == [b"unsubscribe", b"a", 0]
        client.send(encode("CLIENT", "REPLY", "ON"))
        assert client.read() == "OK"


def test_client_list_info_and_types(many, any_server):
    client, other = many(2)
    ident = client("CLIENT", "ID")
    subscribe(client, "SUBSCRIBE", "a", "b")
    subscribe(client, "PSUBSCRIBE", "p*")
    subscribe(client, "SSUBSCRIBE", "s")
    line = other("CLIENT", "LIST", "ID", ident).decode()
    assert " sub=2 psub=1 ssub=1 " in line and " flags=P " in line
    assert other("CLIENT", "LIST", "TYPE", "pubsub").decode().startswith("id=%d " % ident)
    assert "id=%d " % ident not in other("CLIENT", "LIST", "TYPE", "normal").decode()
    info = any_server.info()
    assert info["pubsub_channels"] == "2" and info["pubsub_patterns"] == "1"
    assert info["pubsubshard_channels"] == "1" and info["pubsub_clients"] == "1"
    assert other("CLIENT", "KILL", "TYPE", "pubsub") == 1
    client.until_closed()
    while any_server.info()["pubsub_clients"] != "0":
        pass
    assert other("PUBLISH", "a", "m") == 0


def test_large_messages_arrive_whole(many):
    subscribers = many(5)
    (publisher,) = many(1)
    for subscriber in subscribers[:3]:
        subscribe(subscriber, "SUBSCRIBE", "x")
    for subscriber in subscribers[3:]:
        subscriber("HELLO", "3")
        subscribe(subscriber, "SUBSCRIBE", "x")
    payloads = [bytes([65 + n]) * size for n, size in enumerate((1, 16383, 16384, 70000, 3000000, 5, 100000))]
    publisher.send(b"".join(encode("PUBLISH", "x", payload) for payload in payloads))
    for subscriber in subscribers:
        for payload in payloads:
            assert subscriber.read() == message(b"x", payload)
    assert [publisher.read() for _ in payloads] == [5] * len(payloads)


def test_a_slow_subscriber_is_cut_and_the_others_hear_all(start_server, any_server):
    any_server.config("client-output-buffer-limit", "pubsub 4194304 0 0")
    with any_server.connect(receive_buffer=4096) as slow, any_server.connect() as quick, any_server.connect() as publisher:
        subscribe(slow, "SUBSCRIBE", "x")
        subscribe(quick, "SUBSCRIBE", "x")
        payload = b"p" * 65536
        for n in range(400):
            publisher.send(encode("PUBLISH", "x", payload))
            assert quick.read() == message(b"x", payload)
            assert publisher.read() in (1, 2)
        assert any_server.info()["client_output_buffer_limit_disconnections"] == "1"
        assert any_server.info()["pubsub_clients"] == "1"
        with pytest.raises((Closed, ConnectionResetError)):
            while True:
                slow.read()
        assert publisher("PUBLISH", "x", "end") == 1


def test_a_soft_limit_cuts_after_its_seconds(any_server):
    any_server.config("client-output-buffer-limit", "pubsub 0 100000 1")
    with any_server.connect(receive_buffer=4096) as slow, any_server.connect() as publisher:
        subscribe(slow, "SUBSCRIBE", "x")
        while publisher("PUBLISH", "x", b"p" * 65536) == 1:
            pass
        assert any_server.info()["pubsub_clients"] == "0"


def test_a_thousand_subscribers(many, any_server):
    subscribers = many(1000)
    for subscriber in subscribers:
        subscriber.send(encode("SUBSCRIBE", "x"))
    for subscriber in subscribers:
        assert subscriber.read() == [b"subscribe", b"x", 1]
    (publisher,) = many(1)
    assert publisher.pipeline([("PUBLISH", "x", n) for n in range(20)]) == [1000] * 20
    for subscriber in subscribers:
        assert [subscriber.read()[2] for _ in range(20)] == [b"%d" % n for n in range(20)]
    for subscriber in subscribers[::2]:
        subscriber.close()
    while any_server.info()["pubsub_clients"] != "500":
        pass
    assert publisher("PUBLISH", "x", "last") == 500
    for subscriber in subscribers[1::2]:
        assert subscriber.read() == message(b"x", b"last")


def test_memory_returns_when_subscribers_leave(any_server):
    before = None
    with any_server.connect() as watcher:
        for turn in range(8):
            with any_server.connect() as client:
                names = ["channel:%d" % n for n in range(5000)]
                assert subscribe(client, "SUBSCRIBE", *names)[-1] == 5000
                assert subscribe(client, "PSUBSCRIBE", *(name + "*" for name in names[:500]))[-1] == 5500
            while watcher("PUBSUB", "NUMPAT") != 0:
                pass
            if turn == 3:  # tables and loops keep some of their buffers
                before = int(any_server.info()["used_memory"])
        assert watcher("PUBSUB", "CHANNELS") == []
        assert int(any_server.info()["used_memory"]) - before < 700000  # 20,000 leaked subscriptions would take 2 MB


def test_a_client_whose_wait_ends_may_unsubscribe_while_messages_are_on_their_way(start_server):
    """What was published before comes before, though its loop has taken the messages out of its inbox already."""
    server = start_server(loops=2)
    others = [server.connect() for _ in range(8)]
    publisher = server.connect()
    server("SETRANGE", "large", str(1 << 20), "x")
    load = encode("GET", "x" * 5000) + encode("BITCOUNT", "large") * 10  # more than is served together with others
    transaction = [("MULTI",), ("RPUSH", "list", "x"), ("PUBLISH", "news", "hello"), ("EXEC",)]
    for n in range(60):
        with server.connect() as client:
            client("HELLO", "3")
            client.send(encode("SUBSCRIBE", "news") + encode("BLPOP", "list", "0") + encode("UNSUBSCRIBE", "news"))
            assert client.read() == [b"subscribe", b"news", 1]
            while server.info()["blocked_clients"] != "1":
                pass
            busy = others[n % 2 :: 2]  # those of one loop: when it is the client's, the end of the wait and the message wait
            for other in busy:
                other.send(load)
            assert publisher.pipeline(transaction)[3] == [1, 1]
            answers = [client.read() for _ in range(3)]
            for other in busy:
                assert [other.read() for _ in range(11)][0] is None
        assert answers == [[b"list", b"x"], message(b"news", b"hello"), [b"unsubscribe", b"news", 0]]
    for other in (*others, publisher):
        other.close()
