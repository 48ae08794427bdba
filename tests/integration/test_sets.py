"""Sets: what a comparison with redis-server 7.0.15 cannot see: the encodings of Redis 7.2, fair choices at random, SSCAN's
guarantee, payloads that lie, notifications, memory that comes back, and nobody waiting while it does."""

import collections
import random
import struct
import threading
import time

import pytest

from differential.payload import with_version
from harness.resp import Closed, Error, Set
from harness.server import is_sanitized

SCALE = 10 if is_sanitized() else 1
FOOTER = b"\x0a\x00" + bytes(8)  # with_version() writes both


def encoding(client, key):
    return client("OBJECT", "ENCODING", key).decode()


def add(client, key, members):
    members = list(members)
    for start in range(0, len(members), 1000):
        client("SADD", key, *members[start : start + 1000])


def members(client, key):
    return set(client("SMEMBERS", key))


# ---- encodings ----------------------------------------------------------------------------------------------------


def test_integers_are_an_intset_and_anything_else_a_listpack(client):
    client("SADD", "k", "1", "2", "-9223372036854775808")
    assert encoding(client, "k") == "intset"
    client("SADD", "k", "03")
    assert encoding(client, "k") == "listpack"
    assert members(client, "k") == {b"1", b"2", b"-9223372036854775808", b"03"}
    client("SREM", "k", "03")
    assert encoding(client, "k") == "listpack"
    client("SADD", "words", "a", "5")
    assert encoding(client, "words") == "listpack"


@pytest.mark.parametrize("one_by_one", [True, False])
def test_an_intset_of_512_members_becomes_a_table_with_one_more(client, one_by_one):
    if one_by_one:
        client.pipeline([("SADD", "k", str(number)) for number in range(512)])
    else:
        client("SADD", "k", *map(str, range(512)))
    assert encoding(client, "k") == "intset"
    assert client("SADD", "k", "512") == 1
    assert encoding(client, "k") == "hashtable"
    assert members(client, "k") == {b"%d" % number for number in range(513)}


@pytest.mark.parametrize("numbers, expected", [(127, "listpack"), (128, "hashtable")])
def test_a_word_makes_a_listpack_of_an_intset_that_is_small_enough(client, numbers, expected):
    client("SADD", "k", *map(str, range(numbers)))
    client("SADD", "k", "word")
    assert encoding(client, "k") == expected
    assert members(client, "k") == {b"%d" % number for number in range(numbers)} | {b"word"}


def test_a_listpack_of_128_members_becomes_a_table_with_one_more(client):
    client.pipeline([("SADD", "k", "m%d" % number) for number in range(128)])
    assert encoding(client, "k") == "listpack"
    client("SADD", "k", "m5")
    assert encoding(client, "k") == "listpack"
    client("SADD", "k", "one more")
    assert encoding(client, "k") == "hashtable"
    assert client("SCARD", "k") == 129


@pytest.mark.parametrize("length, expected", [(64, "listpack"), (65, "hashtable")])
def test_a_long_member_is_for_a_table(client, length, expected):
    client("SADD", "k", "x" * length)
    client("SADD", "later", "a")
    client("SADD", "later", "x" * length)
    client("SADD", "numbers", "1")
    client("SADD", "numbers", "x" * length)
    assert [encoding(client, key) for key in ("k", "later", "numbers")] == [expected] * 3


def test_a_table_stays_one(client):
    client("SADD", "k", *map(str, range(600)))
    assert encoding(client, "k") == "hashtable"
    client("SREM", "k", *map(str, range(1, 600)))
    assert encoding(client, "k") == "hashtable" and members(client, "k") == {b"0"}


def test_many_arguments_make_a_table_at_once(client):
    client("SADD", "same", *["x"] * 129)
    client("SADD", "less", *["x"] * 128)
    assert (encoding(client, "same"), encoding(client, "less")) == ("hashtable", "listpack")


def test_the_settings_decide(start_server):
    server = start_server(**{"set-max-intset-entries": "3", "set-max-listpack-entries": "2", "set-max-listpack-value": "4"})
    with server.connect() as client:
        client("SADD", "numbers", "1", "2", "3")
        client("SADD", "words", "abcd", "b")
        assert (encoding(client, "numbers"), encoding(client, "words")) == ("intset", "listpack")
        client("SADD", "numbers", "4")
        client("SADD", "words", "c")
        client("SADD", "long", "abcde")
        assert {encoding(client, key) for key in ("numbers", "words", "long")} == {"hashtable"}
        client("SADD", "digits", "12345")
        client("SADD", "digits", "a")
        assert encoding(client, "digits") == "hashtable"


def test_a_stored_result_has_the_form_that_fits_it(client):
    add(client, "big", range(2000))
    client("SADD", "few", "5", "7", "word")
    client("SINTERSTORE", "numbers", "big", "few")
    assert encoding(client, "numbers") == "intset"
    client("SDIFFSTORE", "word", "few", "big")
    assert encoding(client, "word") == "listpack"
    client("SUNIONSTORE", "all", "big", "few")
    assert encoding(client, "all") == "hashtable"
    add(client, "most", range(3, 2000))
    client("SDIFFSTORE", "rest", "big", "most")
    assert encoding(client, "rest") == "intset" and members(client, "rest") == {b"0", b"1", b"2"}
    client("SUNIONSTORE", "big", "few")
    assert encoding(client, "big") == "listpack" and client("SCARD", "big") == 3


# ---- against a model ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", ["integers", "words", "long"])
def test_any_changes_leave_the_members_of_a_model(client, pool):
    rng = random.Random(pool)
    make = {
        "integers": lambda: str(rng.choice([rng.randrange(50), rng.randrange(70000), -rng.randrange(1 << 40)])),
        "words": lambda: "w%d" % rng.randrange(300),
        "long": lambda: "x" * rng.randrange(200) + str(rng.randrange(100)),
    }[pool]
    model = set()
    for _ in range(4000 // SCALE):
        chosen = {make() for _ in range(rng.choice([1, 1, 3, 20]))}
        if rng.random() < 0.5:
            assert client("SADD", "k", *chosen) == len(chosen - model)
            model |= chosen
        else:
            assert client("SREM", "k", *chosen) == len(chosen & model)
            model -= chosen
        if rng.random() < 0.02:
            client("DEL", "k")
            model = set()
        assert client("SCARD", "k") == len(model)
        some = make()
        assert client("SISMEMBER", "k", some) == (some in model)
    assert members(client, "k") == {member.encode() for member in model}
    client("SREM", "k", "", *model)
    assert client("EXISTS", "k") == 0


def test_algebra_of_large_sets(client):
    rng = random.Random(1)
    sets = {name: {b"%d" % rng.randrange(6000) for _ in range(size)} for name, size in (("a", 5000), ("b", 3000), ("c", 40))}
    for name, held in sets.items():
        add(client, name, held)
    a, b, c = sets["a"], sets["b"], sets["c"]
    assert set(client("SINTER", "a", "b", "c")) == a & b & c
    assert set(client("SUNION", "a", "b", "c")) == a | b | c
    assert set(client("SDIFF", "a", "b", "c")) == a - b - c
    assert set(client("SDIFF", "c", "a")) == c - a
    assert client("SINTERCARD", "2", "a", "b") == len(a & b)
    assert client("SINTERCARD", "2", "a", "b", "LIMIT", "7") == 7
    assert client("SINTERCARD", "2", "a", "b", "LIMIT", "0") == len(a & b)
    assert client("SDIFFSTORE", "b", "a", "b") == len(a - b)
    assert members(client, "b") == a - b


# ---- at random ------------------------------------------------------------------------------------------------------

FORMS = {
    "intset": [b"%d" % number for number in range(20)],
    "listpack": [b"m%d" % number for number in range(20)],
    "hashtable": [b"x" * 100 + b"%d" % number for number in range(20)],
}


def assert_fair(counts, choices, draws):
    """Pearson's chi squared over `choices` equally likely outcomes; its mean is about `choices`, and it is beyond this bound
    in fewer than one run of a billion."""
    expected = draws / choices
    chi = sum((count - expected) ** 2 / expected for count in counts.values()) + (choices - len(counts)) * expected
    bound = choices + 7 * (2 * choices) ** 0.5 + 20
    assert chi < bound, "chi squared %.0f of %d choices: %r" % (chi, choices, counts)


@pytest.mark.parametrize("form", FORMS)
def test_srandmember_gives_every_member_the_same_chance(client, form):
    client("SADD", "k", *FORMS[form])
    assert encoding(client, "k") == form
    draws = 20000 // SCALE
    assert_fair(collections.Counter(client("SRANDMEMBER", "k", str(-draws))), 20, draws)
    one = collections.Counter(client.pipeline([("SRANDMEMBER", "k")] * draws))
    assert_fair(one, 20, draws)


@pytest.mark.parametrize("count", [1, 3, 7, 19])
@pytest.mark.parametrize("form", FORMS)
def test_srandmember_chooses_different_members_fairly(client, form, count):
    client("SADD", "k", *FORMS[form])
    rounds = 3000 // SCALE
    counts = collections.Counter()
    for drawn in client.pipeline([("SRANDMEMBER", "k", str(count))] * rounds):
        assert len(set(drawn)) == count
        counts.update(drawn)
    for member in FORMS[form]:
        share = counts[member] / rounds
        assert abs(share - count / 20) < 7 * (0.25 / rounds) ** 0.5, (member, share, count / 20)


@pytest.mark.parametrize("count", [10, 900, 2999, 3000, 4000])
def test_srandmember_of_a_large_set(client, count):
    add(client, "k", range(3000))
    drawn = client("SRANDMEMBER", "k", str(count))
    assert len(drawn) == len(set(drawn)) == min(count, 3000)
    assert {int(member) for member in drawn} <= set(range(3000))


@pytest.mark.parametrize(
    ("add", "draw"),
    [
        (("SADD", "k", "x" * 10000, "y" * 10000), "SRANDMEMBER"),
        (("ZADD", "k", "1", "x" * 10000, "2", "y" * 10000), "ZRANDMEMBER"),
        (("HSET", "k", "x" * 10000, "1", "y" * 10000, "2"), "HRANDFIELD"),
    ],
)
def test_a_count_that_no_memory_holds_costs_the_connection_and_not_the_server(connect, add, draw):
    with connect() as client, connect(timeout=60) as greedy:
        client(*add)
        with pytest.raises(Closed):
            greedy(draw, "k", "-9000000000000000000")
        assert client("EXISTS", "k") == 1


@pytest.mark.parametrize("form", FORMS)
def test_spop_takes_each_member_first_equally_often(client, form):
    counts = collections.Counter()
    rounds = 4000 // SCALE
    for _ in range(rounds // 100):
        client.pipeline([("SADD", "k%d" % number, *FORMS[form]) for number in range(100)])
        counts.update(client.pipeline([("SPOP", "k%d" % number) for number in range(100)]))
        client("FLUSHALL")
    assert_fair(counts, 20, rounds // 100 * 100)


@pytest.mark.parametrize("form", FORMS)
def test_spop_hands_each_member_out_once(client, form):
    client("SADD", "k", *FORMS[form])
    taken = client("SPOP", "k", "7") + [client("SPOP", "k")] + client("SPOP", "k", "5")
    assert len(set(taken)) == 13 and members(client, "k") == set(FORMS[form]) - set(taken)
    taken += client("SPOP", "k", "100")
    assert sorted(taken) == sorted(FORMS[form])
    assert client("EXISTS", "k") == 0 and client("SPOP", "k") is None and client("SPOP", "k", "3") == []


def test_spop_of_many(client):
    add(client, "k", range(5000))
    taken = client("SPOP", "k", "4900")
    assert len(set(taken)) == 4900 and client("SCARD", "k") == 100
    assert members(client, "k") | set(taken) == {b"%d" % number for number in range(5000)}


def test_sets_are_sets_in_resp3(connect):
    with connect() as client:
        client("HELLO", "3")
        client("SADD", "k", "a", "b")
        for command in (("SMEMBERS", "k"), ("SINTER", "k", "k"), ("SUNION", "k"), ("SDIFF", "k", "none"), ("SPOP", "k", "9")):
            reply = client(*command)
            assert isinstance(reply, Set) and sorted(reply) == [b"a", b"b"], command
        for command in (("SMEMBERS", "k"), ("SINTER", "k", "k"), ("SUNION", "k"), ("SDIFF", "k"), ("SPOP", "k", "0")):
            assert isinstance(client(*command), Set), command
        client("SADD", "k", "a")
        assert client("SPOP", "none") is None and client("SRANDMEMBER", "none") is None
        assert not isinstance(client("SRANDMEMBER", "k", "1"), Set) and not isinstance(client("SMISMEMBER", "k", "a"), Set)


# ---- SSCAN ----------------------------------------------------------------------------------------------------------


def scan_all(client, *options, between=None):
    cursor, found = b"0", []
    for _ in range(1_000_000):
        cursor, part = client("SSCAN", "k", cursor, *options)
        found += part
        if cursor == b"0":
            return found
        if between is not None:
            between()
    raise AssertionError("SSCAN does not come to an end")


@pytest.mark.parametrize("form", FORMS)
def test_a_small_set_is_scanned_at_once(client, form):
    client("SADD", "k", *FORMS[form])
    options = ("COUNT", "1000") if form == "hashtable" else ("COUNT", "1")
    cursor, found = client("SSCAN", "k", "0", *options)
    assert cursor == b"0" and sorted(found) == sorted(FORMS[form])
    assert client("SSCAN", "k", "0", "MATCH", "*7", "COUNT", "1000")[1] != []


@pytest.mark.parametrize("count", ["1", "10", "1000"])
def test_an_unchanging_set_is_scanned_whole_and_once(client, count):
    add(client, "k", range(5000 // SCALE))
    found = scan_all(client, "COUNT", count)
    assert len(found) == 5000 // SCALE and len(set(found)) == len(found)


@pytest.mark.parametrize("start, end", [(0, 60_000), (60_000, 0)], ids=["growing", "shrinking"])
def test_members_that_stay_are_scanned_while_the_set_changes_size(client, start, end):
    start, end = start // SCALE, end // SCALE
    stays = {b"stay%d" % number for number in range(1000)}
    add(client, "k", stays)
    add(client, "k", ("come%d" % number for number in range(start)))
    now, step = start, (end - start) // 40

    def change():
        nonlocal now
        if now != end:
            numbers = range(now, now + step) if step > 0 else range(now + step, now)
            client("SADD" if step > 0 else "SREM", "k", *("come%d" % number for number in numbers))
            now += step

    found = scan_all(client, "COUNT", str(max(5, (start + 1000) // 60)), between=change)
    assert abs(now - end) <= abs(end - start) / 2, "the iteration ended before the set had changed"
    assert not stays - set(found)


# ---- payloads -------------------------------------------------------------------------------------------------------


def payload(kind, body):
    return with_version(bytes([kind]) + body + FOOTER, 11)


def string(data):
    return bytes([0x40 | len(data) >> 8, len(data) & 255]) + data if len(data) > 63 else bytes([len(data)]) + data


def intset(numbers, width=2, count=None):
    code = {2: "h", 4: "i", 8: "q"}.get(width, "h")
    return struct.pack("<II", width, len(numbers) if count is None else count) + struct.pack("<%d%s" % (len(numbers), code), *numbers)


def listpack(elements, count=None):
    body = b"".join(bytes([0x80 | len(e)]) + e + bytes([len(e) + 1]) if isinstance(e, bytes) else bytes([e, 1]) for e in elements)
    return struct.pack("<IH", len(body) + 7, len(elements) if count is None else count) + body + b"\xff"


def plain(elements, count=None):
    return bytes([len(elements) if count is None else count]) + b"".join(string(e) for e in elements)


@pytest.mark.parametrize(
    "kind, body, held, form",
    [
        (2, plain([b"a", b"b"]), {b"a", b"b"}, "listpack"),
        (2, plain([b"1", b"\x31\x32"]), {b"1", b"12"}, "intset"),
        (2, plain([b"x" * 65]), {b"x" * 65}, "hashtable"),
        (11, string(intset([-3, 1, 2])), {b"-3", b"1", b"2"}, "intset"),
        (11, string(intset([1, 2], width=8)), {b"1", b"2"}, "intset"),
        (11, string(intset([1, 70000], width=4)), {b"1", b"70000"}, "intset"),
        (20, string(listpack([b"a", 5])), {b"a", b"5"}, "listpack"),
        (20, string(listpack([5, 6])), {b"5", b"6"}, "listpack"),
        (20, string(listpack([b"5", b"x"])), {b"5", b"x"}, "listpack"),
    ],
)
def test_every_encoding_of_a_set_is_restored(client, kind, body, held, form):
    assert client("RESTORE", "k", "0", payload(kind, body)) == "OK"
    assert members(client, "k") == held and client("SCARD", "k") == len(held) and encoding(client, "k") == form
    assert all(client("SISMEMBER", "k", member) == 1 for member in held)
    assert client("SADD", "k", *held) == 0


def test_large_payloads_become_tables(client):
    numbers = list(range(513))
    assert client("RESTORE", "numbers", "0", payload(11, b"\x80" + struct.pack(">I", len(intset(numbers))) + intset(numbers))) == "OK"
    words = [b"w%d" % number for number in range(129)]
    packed = listpack(words)
    assert client("RESTORE", "words", "0", payload(20, string(packed))) == "OK"
    assert encoding(client, "numbers") == encoding(client, "words") == "hashtable"
    assert members(client, "words") == set(words)


@pytest.mark.parametrize(
    "kind, body",
    [
        (2, plain([])),
        (2, plain([b"a", b"a"])),
        (2, plain([b"a"], count=2)),
        (2, b"\x81" + b"\xff" * 8),
        (2, b"\x80\xff\xff\xff\xff" + plain([b"a"])[1:]),
        (11, string(intset([]))),
        (11, string(intset([2, 1]))),
        (11, string(intset([1, 1]))),
        (11, string(intset([1, 2], count=3))),
        (11, string(intset([1, 2], count=1))),
        (11, string(intset([1, 2], width=3))),
        (11, string(intset([1, 2], count=0xFFFFFFFF))),
        (11, string(b"\x02\x00\x00")),
        (11, b"\xc0\x05"),
        (20, string(listpack([]))),
        (20, string(listpack([b"a", b"a"]))),
        (20, string(listpack([b"5", 5]))),
        (20, string(listpack([b"a"], count=2))),
        (20, string(listpack([b"a"])[:-1])),
        (20, string(listpack([b"a"]).replace(b"\x02\xff", b"\x07\xff"))),
        (20, b"\xc0\x05"),
    ],
)
def test_payloads_that_lie_are_refused(client, kind, body):
    assert client("RESTORE", "k", "0", payload(kind, body)) == Error("ERR Bad data format")
    assert client("EXISTS", "k") == 0


def test_every_form_is_dumped_as_redis_7_0_reads_it(client):
    for number, (form, held) in enumerate(FORMS.items()):
        client("SADD", form, *held)
        dumped = client("DUMP", form)
        assert dumped[0] == (11 if form == "intset" else 2) and dumped[-10:-8] == b"\x0a\x00"
        assert client("RESTORE", "again%d" % number, "0", dumped) == "OK"
        assert members(client, "again%d" % number) == set(held) and encoding(client, "again%d" % number) == form


# ---- keys of any type -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_copy_is_a_set_of_its_own(client, form):
    client("SADD", "k", *FORMS[form])
    assert client("COPY", "k", "other") == 1
    assert encoding(client, "other") == form and client("DEBUG", "DIGEST-VALUE", "k") == client("DEBUG", "DIGEST-VALUE", "other")
    client("SADD", "other", "more")
    assert members(client, "k") == set(FORMS[form]) and client("SCARD", "other") == 21


def test_a_digest_knows_no_order(client):
    client("SADD", "a", "1", "2", "x")
    client("SADD", "b", "x", "2", "1", "y" * 80)
    client("SREM", "b", "y" * 80)
    assert (encoding(client, "a"), encoding(client, "b")) == ("listpack", "hashtable")
    first, second = client("DEBUG", "DIGEST-VALUE", "a", "b")
    assert first == second


def test_a_small_set_costs_little_memory(client):
    client("SADD", "k", *("m%d" % number for number in range(10)))
    assert client("MEMORY", "USAGE", "k") <= 96
    add(client, "big", range(10000 // SCALE))
    usage = client("MEMORY", "USAGE", "big")
    assert 16 * 10000 // SCALE < usage < 48 * 10000 // SCALE


def test_events(start_server):
    server = start_server(**{"notify-keyspace-events": "KEA"})
    with server.connect() as client, server.connect() as listener:
        listener("PSUBSCRIBE", "__keyevent@0__:*")

        def events(*command):
            client(*command)
            client("PUBLISH", "__keyevent@0__:end", "")
            seen = []
            while True:
                _, _, channel, key = listener.read()
                if channel.endswith(b":end"):
                    return seen
                seen.append((channel.split(b":", 1)[1].decode(), key.decode()))

        assert events("SADD", "a", "1", "2", "3") == [("sadd", "a")]
        assert events("SADD", "a", "1") == []
        assert events("SMOVE", "a", "b", "1") == [("srem", "a"), ("sadd", "b")]
        assert events("SMOVE", "b", "a", "1") == [("srem", "b"), ("del", "b"), ("sadd", "a")]
        assert events("SREM", "a", "9") == []
        assert events("SUNIONSTORE", "c", "a", "b") == [("sunionstore", "c")]
        assert events("SINTERSTORE", "c", "a", "none") == [("del", "c")]
        assert events("SINTERSTORE", "c", "a", "none") == []
        assert events("SDIFFSTORE", "c", "a", "none") == [("sdiffstore", "c")]
        assert events("SINTERSTORE", "d", "a", "c") == [("sinterstore", "d")]
        assert events("SPOP", "c") == [("spop", "c")]
        assert events("SPOP", "c", "9") == [("spop", "c"), ("del", "c")]
        assert events("SREM", "a", "1", "2", "3") == [("srem", "a"), ("del", "a")]


# ---- freeing --------------------------------------------------------------------------------------------------------


def used_memory(client):
    return int(client("INFO", "memory").split(b"used_memory:")[1].split(b"\r")[0])


class Prober(threading.Thread):
    """Sends PING after PING and keeps the longest time that one took."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.worst, self.stop = client, 0.0, threading.Event()

    def run(self):
        while not self.stop.is_set():
            before = time.monotonic()
            self.client("PING")
            self.worst = max(self.worst, time.monotonic() - before)

    def end(self):
        self.stop.set()
        self.join()
        return self.worst


def fill_large(client, count):
    numbers = list(range(count))
    random.Random(2).shuffle(numbers)
    for start in range(0, count, 10000):
        client("SADD", "large", *("member:%09d" % number for number in numbers[start : start + 10000]))


@pytest.mark.parametrize("command", [("DEL", "large"), ("SINTERSTORE", "large", "none", "large"), ("FLUSHALL",)], ids=lambda c: c[0])
def test_a_large_set_is_freed_without_a_stall(connect, command):
    """The machine of a test stops any process for milliseconds at times: it is the best of some tries that counts. Freed in
    one go by the loop, this set takes 40 ms."""
    worst = []
    for _ in range(6):
        with connect() as client, connect() as other:
            fill_large(client, 500_000 // SCALE)
            filled = used_memory(client)
            prober = Prober(other)
            prober.start()
            client(*command)
            deadline = time.monotonic() + 10
            while used_memory(client) > filled // 2:
                assert time.monotonic() < deadline, "the memory did not come back within 10 s"
            worst.append(prober.end())
            client("FLUSHALL")
        if worst[-1] < 0.005:
            return
    pytest.fail("the longest PINGs took %s ms" % ", ".join("%.1f" % (seconds * 1000) for seconds in worst))
