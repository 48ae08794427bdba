"""SORT: what a comparison with redis-server 7.0.15 cannot see, since Redis compares text by its locale, orders ties as its hash
table has them, and trips over its own errno: order by model, stored results, notifications, and patterns of all kinds."""

import random

import pytest

from harness.resp import Error

LARGE = 3000


@pytest.fixture(params=["list", "set", "zset"])
def push(request):
    """Puts different elements under a key, as a value of each type that can be sorted."""

    def fill(client, key, elements):
        for start in range(0, len(elements), 500):
            part = elements[start : start + 500]
            if request.param == "zset":
                client("ZADD", key, *(word for at, element in enumerate(part) for word in (str(start + at), element)))
            else:
                client("RPUSH" if request.param == "list" else "SADD", key, *part)

    return fill


@pytest.mark.parametrize("count", [5, LARGE])
def test_numbers_are_sorted_by_value(client, push, count):
    rng = random.Random(count)
    numbers = rng.sample(range(-count * 5, count * 5), count)
    push(client, "k", [str(number) for number in numbers])
    ordered = [b"%d" % number for number in sorted(numbers)]
    assert client("SORT", "k") == ordered
    assert client("SORT", "k", "DESC") == ordered[::-1]
    assert client("SORT_RO", "k", "LIMIT", "2", "3") == ordered[2:5]
    assert client("SORT", "k", "LIMIT", str(count - 1), "10") == ordered[-1:]
    assert client("SORT", "k", "LIMIT", str(count), "10") == []
    assert client("SORT", "k", "LIMIT", "-5", "2") == ordered[:2]


@pytest.mark.parametrize("count", [5, LARGE])
def test_text_is_sorted_by_its_bytes(client, push, count):
    rng = random.Random(count)
    words = list({bytes(rng.choices(b"ab\x00\xffZ", k=rng.randrange(12))) for _ in range(count)})
    push(client, "k", words)
    assert client("SORT", "k", "ALPHA") == sorted(words)
    assert client("SORT", "k", "ALPHA", "DESC", "LIMIT", "1", "2") == sorted(words, reverse=True)[1:3]
    assert client("SORT", "k", "ALPHA", "STORE", "k") == len(words)
    assert client("LRANGE", "k", "0", "-1") == sorted(words)


@pytest.mark.parametrize("hashes", [False, True])
def test_weights_and_columns(client, push, hashes):
    rng = random.Random(5)
    names = ["n%d" % number for number in range(300)]
    weights = {name: rng.randrange(100) + rng.random() for name in names}
    push(client, "k", names)
    for name in names:
        if hashes:
            client("HSET", "object:%s:x" % name, "weight", repr(weights[name]), "other", "o" + name)
        else:
            client.pipeline([("SET", "w:" + name, repr(weights[name])), ("SET", "o:%s:x" % name, "o" + name)])
    by, get = ("object:*:x->weight", "object:*:x->other") if hashes else ("w:*", "o:*:x")
    ordered = [name.encode() for name in sorted(names, key=weights.get)]
    assert client("SORT", "k", "BY", by) == ordered
    flat = [word for name in ordered[10:15] for word in (b"o" + name, name, None)]
    assert client("SORT", "k", "BY", by, "GET", get, "GET", "#", "GET", "none*", "LIMIT", "10", "5") == flat
    assert client("SORT", "k", "BY", by, "GET", get, "GET", "none*->x", "STORE", "out") == 600
    assert client("LRANGE", "out", "0", "3") == [b"o" + ordered[0], b"", b"o" + ordered[1], b""]


def test_elements_that_weigh_the_same(client):
    client("RPUSH", "k", "c", "a", "b")
    assert client("SORT", "k", "BY", "none:*") == [b"a", b"b", b"c"]
    assert client("SORT", "k", "BY", "none:*", "DESC") == [b"c", b"b", b"a"]
    assert client("SORT", "k", "BY", "none:*", "ALPHA") == [b"c", b"a", b"b"]
    assert client("SORT", "k", "BY", "none:*", "ALPHA", "DESC") == [b"c", b"a", b"b"]
    client.pipeline([("SET", "w:a", "x"), ("SET", "w:b", "w")])
    assert client("SORT", "k", "BY", "w:*", "ALPHA") == [b"c", b"b", b"a"]


def test_what_is_not_sorted_keeps_its_order(client):
    client("RPUSH", "list", "3", "1", "2")
    client("ZADD", "zset", "1", "c", "2", "a", "3", "b")
    assert client("SORT", "list", "BY", "nosort") == [b"3", b"1", b"2"]
    assert client("SORT", "list", "BY", "nosort", "DESC", "LIMIT", "0", "2") == [b"2", b"1"]
    assert client("SORT", "zset", "BY", "nosort", "LIMIT", "1", "5") == [b"a", b"b"]
    assert client("SORT", "zset", "BY", "nosort", "DESC", "LIMIT", "2", "5") == [b"c"]
    client("SADD", "set", "b", "c", "a")
    assert client("SORT", "set", "BY", "nosort", "STORE", "out") == 3
    assert client("LRANGE", "out", "0", "-1") == [b"a", b"b", b"c"]
    assert sorted(client("SORT", "set", "BY", "nosort", "GET", "#")) == [b"a", b"b", b"c"]


def test_patterns(client):
    client("RPUSH", "k", "1")
    client.pipeline([("SET", "a1b", "string"), ("HSET", "h1", "f", "field"), ("SET", "x1->", "arrow"), ("SET", "*1", "star")])
    found = {
        "a*b": b"string", "h*->f": b"field", "h*->none": None, "h*": None, "a*b->f": None, "x*->": b"arrow", "**": None,
        "constant": None, "#": b"1", "a1b": None,
    }  # fmt: skip
    for pattern, expected in found.items():
        assert client("SORT", "k", "GET", pattern) == [expected], pattern
    assert client("SORT", "k", *(word for pattern in found for word in ("GET", pattern))) == list(found.values())


@pytest.mark.parametrize("text", ["", " 7", "0x10", "1e3", "inf", "-inf", "1\x00x"])
def test_what_strtod_reads_is_a_score(client, text):
    client("RPUSH", "k", "a", "b")
    client.pipeline([("SET", "w:a", text), ("SET", "w:b", "5")])
    first = text in ("", "-inf", "1\x00x")
    assert client("SORT", "k", "BY", "w:*") == ([b"a", b"b"] if first else [b"b", b"a"])


@pytest.mark.parametrize("text", ["x", "1x", "1 ", "nan", "1e999", "9" * 600])
def test_what_is_no_number_is_refused(client, text):
    client("RPUSH", "k", "1", "2")
    client("SET", "w:1", text)
    client("SET", "out", "stays")
    wrong = Error("ERR One or more scores can't be converted into double")
    assert client("SORT", "k", "BY", "w:*") == wrong and client("SORT", "k", "BY", "w:*", "STORE", "out") == wrong
    assert client("GET", "out") == b"stays"


def test_nothing_to_sort(client):
    client("SET", "out", "x")
    assert client("SORT", "none") == [] and client("SORT", "none", "GET", "#", "LIMIT", "1", "1") == []
    assert client("SORT", "none", "STORE", "out") == 0 and client("EXISTS", "out") == 0
    assert str(client("SORT_RO", "none", "STORE", "out")) == "ERR syntax error"
    client("HSET", "hash", "f", "v")
    assert str(client("SORT", "hash")).startswith("WRONGTYPE")


def test_a_stored_result_is_a_list_and_is_told_of(start_server):
    server = start_server(**{"notify-keyspace-events": "KEA"})
    with server.connect() as client, server.connect() as listener, server.connect() as waiting:
        client("SADD", "k", *map(str, range(500)))
        client("SET", "out", "x", "EX", "1000")
        listener("PSUBSCRIBE", "__keyevent@0__:*")
        waiting.send(b"*3\r\n$5\r\nBLPOP\r\n$5\r\nqueue\r\n$1\r\n0\r\n")
        assert client("SORT", "k", "STORE", "out") == 500
        assert client("TYPE", "out") == "list" and client("TTL", "out") == -1
        assert client("LRANGE", "out", "0", "-1") == [b"%d" % number for number in range(500)]
        assert listener.read()[2:] == [b"__keyevent@0__:sortstore", b"out"]
        client("SORT", "none", "STORE", "out")
        assert listener.read()[2:] == [b"__keyevent@0__:del", b"out"]
        client("SORT", "k", "LIMIT", "0", "2", "STORE", "queue")
        assert waiting.read() == [b"queue", b"0"]


def test_keys_of_a_sort(client):
    assert client("COMMAND", "GETKEYS", "SORT", "k", "BY", "w:*", "GET", "o:*", "STORE", "a", "STORE", "out") == [b"k", b"out"]
    assert client("COMMAND", "GETKEYS", "SORT_RO", "k", "ALPHA") == [b"k"]
