"""Client-side caching: who is told of which changed key, in which form, and when it is told no more."""

import pytest

from harness.resp import Error, Push, encode

CHANNEL = b"__redis__:invalidate"


@pytest.fixture(params=[1, 2, 3])
def any_server(start_server, request):
    return start_server(loops=request.param)


@pytest.fixture
def opened(any_server):
    """A function that opens connections; with resp=3, such that HELLO 3 has been said."""
    connections = []

    def open_one(resp=2):
        connection = any_server.connect()
        connections.append(connection)
        if resp == 3:
            connection("HELLO", "3")
        return connection

    yield open_one
    for connection in connections:
        connection.close()


def invalidate(*keys):
    return [b"invalidate", [key.encode() for key in keys]]


def quiet(connection):
    """Nothing was sent that nobody asked for: the next thing is the reply to a PING."""
    return connection("PING") == "PONG"


def settled(*writers):
    """What writers have done has been handed over by their loops once they have answered again."""
    for writer in writers:
        writer("PING")


def test_a_key_that_was_read_is_told_once(opened):
    for _ in range(4):  # reader and writer on the same loop, and on two
        reader, writer = opened(3), opened()
        assert reader("CLIENT", "TRACKING", "ON") == "OK"
        writer("SET", "k", "1")
        assert quiet(reader)
        assert reader("GET", "k") == b"1"
        writer("SET", "k", "2")
        message = reader.read()
        assert isinstance(message, Push) and message == invalidate("k")
        writer("SET", "k", "3")
        settled(writer)
        assert reader.is_quiet(0.02)
        reader("MGET", "k", "l", "m")
        writer("MSET", "l", "1", "m", "2", "other", "3")
        assert sorted(reader.read()[1] + reader.read()[1]) == [b"l", b"m"]
        assert reader("CLIENT", "TRACKING", "OFF") == "OK"
        reader("GET", "k")
        writer("SET", "k", "4")
        settled(writer)
        assert reader.is_quiet(0.02)


def test_the_own_change_comes_after_its_reply_unless_noloop(opened):
    client = opened(3)
    client("CLIENT", "TRACKING", "ON")
    client("GET", "k")
    assert client("SET", "k", "v") == "OK"
    assert client.read() == invalidate("k")
    assert client("CLIENT", "TRACKING", "ON", "NOLOOP") == "OK"
    client("GET", "k")
    assert client("SET", "k", "w") == "OK"
    assert quiet(client)


def test_inside_a_transaction(opened):
    client = opened(3)
    client("CLIENT", "TRACKING", "ON")
    for command in (["MULTI"], ["GET", "k"], ["SET", "k", "v"], ["INCR", "n"]):
        client(*command)
    assert client("EXEC") == [None, "OK", 1]
    assert client.read() == invalidate("k")


def test_every_way_in_which_a_key_changes(opened, any_server):
    reader, writer = opened(3), opened()
    reader("CLIENT", "TRACKING", "ON")
    changes = [
        ("SET k v", "DEL k"),
        ("SET k v", "EXPIRE k 100"),
        ("SET k v EX 100", "PERSIST k"),
        ("SET k v", "RENAME k l"),
        ("SET k v", "MOVE k 5"),
        ("SADD s a b", "SPOP s"),
        ("HSET h f v", "HDEL h f"),
        ("ZADD z 1 m", "ZINCRBY z 1 m"),
        ("RPUSH list a", "LPOP list"),
        ("SET k v PX 300", None),
    ]
    for before, change in changes:
        writer.ask("FLUSHALL")
        writer.ask(before)
        key = before.split()[1]
        while not reader.is_quiet(0.01):
            reader.read()
        reader("EXISTS", key)
        if change is not None:
            writer.ask(change)
        assert reader.read() == invalidate(key), change


def test_eviction_invalidates(opened, any_server):
    reader, writer = opened(3), opened()
    reader("CLIENT", "TRACKING", "ON")
    writer("SET", "k", "v")
    reader("GET", "k")
    any_server.config("maxmemory-policy", "allkeys-random")
    any_server.config("maxmemory", "1")
    assert reader.read() == invalidate("k")
    any_server.config("maxmemory", "0")


@pytest.mark.parametrize("flush", [["FLUSHALL"], ["FLUSHDB"], ["FLUSHALL", "ASYNC"]])
def test_a_flush_is_one_null(opened, flush, any_server):
    reader, redirected, target, writer = opened(3), opened(), opened(), opened()
    reader("CLIENT", "TRACKING", "ON")
    target("SUBSCRIBE", CHANNEL)
    identity = int(any_server("CLIENT", "LIST", "TYPE", "PUBSUB").split()[0][3:])
    redirected("CLIENT", "TRACKING", "ON", "REDIRECT", identity)
    reader("GET", "a")
    reader("GET", "b")
    assert any_server.info()["tracking_total_keys"] == "2"
    assert writer(*flush) == "OK"
    assert reader.read() == [b"invalidate", None]
    assert target.read() == [b"message", CHANNEL, None]
    assert any_server.info()["tracking_total_keys"] == "0"


def test_redirection_reaches_resp2_subscribers_and_resp3(opened):
    for resp in (2, 3):
        client, target, writer = opened(), opened(resp), opened()
        identity = target("CLIENT", "ID")
        target("SUBSCRIBE", CHANNEL)
        assert client("CLIENT", "TRACKING", "ON", "REDIRECT", identity) == "OK"
        assert client("CLIENT", "GETREDIR") == identity
        client("GET", "k")
        writer("SET", "k", "v")
        assert target.read() == ([b"message", CHANNEL, [b"k"]] if resp == 2 else invalidate("k"))


def test_a_resp2_target_that_is_not_subscribed_gets_nothing(opened):
    client, target, writer = opened(), opened(), opened()
    client("CLIENT", "TRACKING", "ON", "REDIRECT", target("CLIENT", "ID"))
    client("GET", "k")
    writer("SET", "k", "v")
    settled(writer)
    assert target.is_quiet(0.02)


def test_a_broken_redirection_is_told(opened):
    client, target, writer = opened(3), opened(), opened()
    identity = target("CLIENT", "ID")
    client("CLIENT", "TRACKING", "ON", "REDIRECT", identity)
    client("GET", "k")
    target("QUIT")
    target.until_closed()
    while b"id=%d " % identity in writer("CLIENT", "LIST"):
        pass
    writer("SET", "k", "v")
    assert client.read() == [b"tracking-redir-broken", identity]
    info = client("CLIENT", "TRACKINGINFO")
    assert sorted(info[b"flags"]) == [b"broken_redirect", b"on"] and info[b"redirect"] == identity
    assert b" flags=tR " in client("CLIENT", "INFO")


def test_optin_and_optout(opened):
    client, writer = opened(3), opened()
    client("CLIENT", "TRACKING", "ON", "OPTIN")
    client("GET", "a")
    assert client("CLIENT", "CACHING", "YES") == "OK"
    client("GET", "b")
    client("GET", "c")
    writer("MSET", "a", "1", "b", "1", "c", "1")
    assert client.read() == invalidate("b")
    assert quiet(client)
    assert client("CLIENT", "CACHING", "NO").startswith("ERR CLIENT CACHING NO is only valid")
    client("CLIENT", "TRACKING", "OFF")
    client("CLIENT", "TRACKING", "ON", "OPTOUT")
    client("GET", "a")
    client("CLIENT", "CACHING", "NO")
    client("GET", "b")
    writer("MSET", "b", "1", "a", "1")
    assert client.read() == invalidate("a")
    assert quiet(client)


def test_caching_holds_for_a_whole_transaction(opened):
    client, writer = opened(3), opened()
    client("CLIENT", "TRACKING", "ON", "OPTIN")
    client("CLIENT", "CACHING", "YES")
    for command in (["MULTI"], ["GET", "a"], ["GET", "b"], ["EXEC"], ["GET", "c"]):
        client(*command)
    writer("MSET", "c", "1", "a", "1", "b", "1")
    assert sorted(client.read()[1] + client.read()[1]) == [b"a", b"b"]
    assert quiet(client)


def test_broadcast_by_prefix(opened, any_server):
    users, everything, writer = opened(3), opened(3), opened()
    assert users("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:", "PREFIX", "group:") == "OK"
    everything("CLIENT", "TRACKING", "ON", "BCAST")
    assert any_server.info()["tracking_total_prefixes"] == "3"
    assert writer("MSET", "user:2", "x", "user:1", "x", "other", "x", "user:2", "y") == "OK"
    assert users.read() == invalidate("user:1", "user:2")
    assert everything.read() == invalidate("other", "user:1", "user:2")
    writer("SET", "group:1", "x")
    assert users.read() == invalidate("group:1")
    users("CLIENT", "TRACKING", "OFF")
    assert any_server.info()["tracking_total_prefixes"] == "1"


def test_broadcast_noloop(opened):
    client, writer = opened(3), opened()
    client("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP")
    client("SET", "mine", "x")
    assert quiet(client)
    writer("SET", "theirs", "x")
    assert client.read() == invalidate("theirs")


def test_a_pipeline_is_one_broadcast_with_each_key_once(opened):
    client, writer = opened(3), opened()
    client("CLIENT", "TRACKING", "ON", "BCAST")
    assert writer.pipeline([("INCR", "n")] * 50) == list(range(1, 51))
    seen = client.read()
    assert seen == invalidate("n")


def test_what_options_do_not_go_together(opened):
    client = opened(3)
    errors = [
        ("ON PREFIX a", "ERR PREFIX option requires BCAST mode to be enabled"),
        ("ON BCAST OPTIN", "ERR OPTIN and OPTOUT are not compatible with BCAST"),
        ("ON OPTIN OPTOUT", "ERR You can't specify both OPTIN mode and OPTOUT mode"),
        ("ON REDIRECT 999999", "ERR The client ID you want redirect to does not exist"),
        ("ON REDIRECT 1x", "ERR value is not an integer or out of range"),
        ("ON BCAST PREFIX ab PREFIX abc", "ERR Prefix 'ab' overlaps with another provided prefix 'abc'. Prefixes for a "
         "single client must not overlap."),
        ("MAYBE", "ERR syntax error"),
        ("ON WHAT", "ERR syntax error"),
    ]
    for words, error in errors:
        assert client.ask("CLIENT TRACKING " + words) == Error(error)
    assert client("CLIENT", "CACHING", "YES").startswith("ERR CLIENT CACHING can be called only when")
    assert client("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a") == "OK"
    assert client("CLIENT", "TRACKING", "ON").startswith("ERR You can't switch BCAST mode")
    assert client("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ab").startswith("ERR Prefix 'ab' overlaps with an existing")
    assert client("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "b") == "OK"
    info = client("CLIENT", "TRACKINGINFO")
    assert info == {b"flags": [b"on", b"bcast"], b"redirect": 0, b"prefixes": [b"a", b"b"]}
    assert b" flags=tB " in client("CLIENT", "INFO")


def test_the_table_is_bounded(opened, any_server):
    client = opened(3)
    client("CLIENT", "TRACKING", "ON")
    for n in range(100):
        client("GET", "k%d" % n)
    assert any_server.info()["tracking_total_keys"] == "100"
    any_server.config("tracking-table-max-keys", "30")
    forgotten = {client.read()[1][0] for _ in range(70)}
    assert len(forgotten) == 70 and quiet(client)
    assert any_server.info()["tracking_total_keys"] == "30"
    client("GET", "new")
    assert client.read()[0] == b"invalidate"
    assert any_server.info()["tracking_total_items"] == "30"


def test_a_limit_that_is_lowered_far_is_worked_off(opened, any_server):
    client = opened(3)
    client("CLIENT", "TRACKING", "ON")
    client.pipeline([("GET", "k%d" % n) for n in range(5000)])
    any_server.config("tracking-table-max-keys", "10")
    forgotten = {client.read()[1][0] for _ in range(4990)}
    assert len(forgotten) == 4990 and quiet(client)
    assert any_server.info()["tracking_total_keys"] == "10"


def test_info_and_reset(opened, any_server):
    client = opened(3)
    client("CLIENT", "TRACKING", "ON")
    assert any_server.info()["tracking_clients"] == "1"
    assert client("RESET") == "RESET"
    assert any_server.info()["tracking_clients"] == "0"
    assert client("CLIENT", "TRACKINGINFO") == [b"flags", [b"off"], b"redirect", -1, b"prefixes", []]


def test_no_change_is_missed_under_load(opened, any_server):
    """Readers keep what they have read as long as nobody tells them of a change: at the end nothing may be stale."""
    readers = [opened(3) for _ in range(3)]
    writers = [opened() for _ in range(3)]
    caches = [{} for _ in readers]
    keys = ["k%d" % n for n in range(20)]

    def take(number, waiting):
        """Reads what comes, until all replies that are waited for are there."""
        while waiting:
            reply = readers[number].read()
            if isinstance(reply, Push):
                for key in reply[1]:
                    caches[number].pop(key.decode(), None)
            else:
                caches[number][waiting.pop(0)] = reply

    for reader in readers:
        reader("CLIENT", "TRACKING", "ON")
    for turn in range(100):
        for number, writer in enumerate(writers):
            writer.send(b"".join(encode("SET", key, "%d:%d" % (turn, number)) for key in keys))
        for reader in readers:
            reader.send(b"".join(encode("GET", key) for key in keys))
        for number, _ in enumerate(readers):
            take(number, list(keys))
        for writer in writers:
            assert [writer.read() for _ in keys] == ["OK"] * len(keys)
    for number, reader in enumerate(readers):
        while not reader.is_quiet(0.1):
            for key in reader.read()[1]:
                caches[number].pop(key.decode(), None)
    with any_server.connect() as check:
        for cache in caches:
            for key, value in cache.items():
                assert check("GET", key) == value, key


def test_who_tracks_again_is_not_told_of_what_changed_meanwhile(opened, any_server):
    client, writer = opened(3), opened()
    client("CLIENT", "TRACKING", "ON")
    client("MGET", "a", "b")
    client("CLIENT", "TRACKING", "OFF")
    writer("SET", "a", "1")
    assert any_server.info()["tracking_total_keys"] == "1"
    client("CLIENT", "TRACKING", "ON")
    writer("SET", "a", "2")
    writer("SET", "b", "2")
    assert client.read() == invalidate("b")  # as Redis: the table knows the client by its id alone
    client("GET", "a")
    client("CLIENT", "TRACKING", "OFF")
    writer("FLUSHALL")
    assert any_server.info()["tracking_total_keys"] == "0"
    client("CLIENT", "TRACKING", "ON")
    writer("SET", "a", "3")
    settled(writer)
    assert quiet(client)


def test_a_command_that_waited_replies_before_its_invalidation(opened):
    client, writer = opened(3), opened()
    writer("RPUSH", "target", "a")
    client("CLIENT", "TRACKING", "ON")
    client("LRANGE", "target", "0", "-1")
    for n in range(20):
        client.send(encode("BLMOVE", "source", "target", "LEFT", "LEFT", "0"))
        while writer("CLIENT", "LIST").count(b" flags=bt ") != 1:
            pass
        writer("RPUSH", "source", "x")
        assert client.read() == b"x"
        assert client.read() == invalidate("target")
        client("LRANGE", "target", "0", "-1")
