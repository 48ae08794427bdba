"""The harness itself: two honest servers agree, every kind of lie is found, and a report can be replayed."""

import random
from pathlib import Path

import pytest

from . import known, payload, random_run, resp, scripted, spec, table, values
from .compare import Comparison, Step
from .generate import Generator, tame
from .proxy import LyingServer
from .resp import Framed, Reply
from .servers import Oracle
from .shrink import shrink

SCRIPTS = sorted(Path(__file__).parent.glob("scripts/*.txt"))


@pytest.fixture(scope="module")
def oracles():
    with Oracle("first") as first, Oracle("second") as second:
        yield first, second


def lying_run(oracles, groups, commands=3000, **changes):
    """The result of a random run against a liar."""
    liar = LyingServer(oracles[1], **changes)
    run = random_run.RandomRun(oracles[0], liar, groups, "lie")
    try:
        return run.run(commands, most_findings=1)
    finally:
        run.close()
        liar.close()


# -- honest servers -------------------------------------------------------------------------------------------------


def test_two_servers_of_one_kind_agree_on_random_commands(oracles):
    run = random_run.RandomRun(*oracles, seed="honest")
    result = run.run(20000)
    run.close()
    assert not result.findings, result.findings[0].report()
    assert result.compared == 20000


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_two_servers_of_one_kind_agree_on_scripts(oracles, path):
    for case in scripted.load(path):
        assert scripted.compare(case, *oracles) is None, case.name


def test_two_servers_of_one_kind_have_the_same_table(oracles):
    assert table.compare(*oracles, random_run.GROUPS, changed={}) == []


# -- liars ------------------------------------------------------------------------------------------------------------


def test_another_error_text_is_found_and_shrunk(oracles):
    result = lying_run(oracles, ["string"], reply=lambda data: data.replace(b"ERR syntax error", b"ERR Syntax error"))
    finding = result.findings[0]
    assert finding.difference.oracle == "-ERR syntax error"
    assert finding.difference.subject == "-ERR Syntax error"
    assert len(finding.steps) == 1
    assert "--seed lie --episode" in finding.report()


def test_another_type_of_reply_is_found(oracles):
    result = lying_run(oracles, ["connection"], reply=lambda data: data.replace(b"+RESET\r\n", b"$5\r\nRESET\r\n"))
    assert result.findings[0].difference.name == "reset"


def test_a_key_that_stays_behind_is_found_though_every_reply_is_right(oracles):
    steps = [Step(0, (b"SET", b"s1", b"a")), Step(0, (b"UNLINK", b"s1"))]
    liar = LyingServer(oracles[1], request=lambda data: data.replace(b"UNLINK", b"EXISTS"))
    comparison = Comparison(oracles[0], liar)
    found = comparison.run(steps)
    comparison.close()
    liar.close()
    assert found is not None and found.name == "keyspace"
    assert (found.oracle, found.subject) == ("[]", "[s1]")


def test_a_lost_deadline_is_found_though_every_reply_is_right(oracles):
    steps = [Step(0, (b"SET", b"s1", b"a")), Step(0, (b"PEXPIRE", b"s1", b"100000000"))]
    liar = LyingServer(oracles[1], request=lambda data: data.replace(b"100000000", b"200000000"))
    comparison = Comparison(oracles[0], liar)
    found = comparison.run(steps)
    comparison.close()
    liar.close()
    assert found is not None and found.line == "deadline of database 0, key s1"


def test_a_closed_connection_is_found(oracles):
    def cut(data):
        if b"GETDEL" in data.upper():
            raise OSError("cut")
        return data

    finding = lying_run(oracles, ["string"], request=cut).findings[0]
    assert finding.shrunk.name == "getdel"
    assert "closed" in finding.shrunk.subject
    assert len(finding.steps) == 1


def test_a_server_that_dies_is_reported_and_started_again(oracles):
    with Oracle("mortal") as mortal:
        comparison = Comparison(oracles[0], mortal)
        steps = [Step(0, (b"SET", b"s%d" % number, b"x")) for number in range(20)]
        pid = mortal.process.pid
        mortal.process.kill()
        mortal.process.wait()
        assert comparison.run(steps) is None
        assert mortal.process.pid != pid
        mortal.process.kill()
        mortal.process.wait()
        found = comparison.compare_keyspaces(20)
        comparison.close()
    assert found is not None and "the server ended" in found.subject


def test_a_command_missing_from_the_table_is_found(oracles):
    liar = LyingServer(oracles[1], reply=lambda data: data.replace(b"$6\r\ngetdel", b"$6\r\nGETXXX"))
    found = table.compare(oracles[0], liar, ["string"])
    liar.close()
    assert found == ["getdel: not known to Ordinal"]


def test_a_lie_in_a_script_names_the_line(oracles):
    case = scripted.Case("lie", [scripted.parse_line(7, "SET a b"), scripted.parse_line(8, "GET a")])
    liar = LyingServer(oracles[1], reply=lambda data: data.replace(b"$1\r\nb", b"$1\r\nc"))
    found = scripted.compare(case, oracles[0], liar)
    liar.close()
    assert "line 8: GET a" in found and "$b" in found and "$c" in found


# -- shrinking ----------------------------------------------------------------------------------------------------------


def test_shrinking_keeps_only_the_steps_that_matter():
    steps = [Step(0, (b"NOISE", b"%d" % number)) for number in range(200)]
    steps[20], steps[150] = Step(0, (b"CAUSE",)), Step(0, (b"EFFECT",))

    def check(candidate):
        names = [step.args[0] for step in candidate]
        if b"CAUSE" in names and b"EFFECT" in names[names.index(b"CAUSE") :]:
            return first._replace(index=names.index(b"EFFECT"))
        return None

    first = random_run.Difference(150, "effect", "EFFECT", "1", "2")
    short, found = shrink(steps[:151], first, check)
    assert [step.args[0] for step in short] == [b"CAUSE", b"EFFECT"]
    assert found.index == 1


# -- generator ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def command_table(oracles):
    connection = oracles[0].connect()
    found = spec.load(connection)
    connection.close()
    return found


def test_the_same_seed_gives_the_same_commands(command_table):
    first, second, third = (Generator(command_table, ["string", "bitmap"], seed=seed) for seed in (5, 5, 6))
    commands = [generator.command() for generator in (first, second, third) for _ in [0]]
    assert commands[0] == commands[1]
    assert [first.command() for _ in range(50)] == [second.command() for _ in range(50)]
    assert [first.command() for _ in range(50)] != [third.command() for _ in range(50)]


def test_every_command_of_a_group_is_drawn(command_table):
    generator = Generator(command_table, ["string", "bitmap"], seed=1)
    drawn = {resp.to_bytes(generator.command()[0]).decode("latin-1").lower() for _ in range(5000)}
    assert set(generator.names) <= drawn


def test_left_out_commands_are_never_drawn(command_table):
    generator = Generator(command_table, ["server"], without=[n for n in command_table if n != "time"], seed=1)
    assert generator.names == ["time"]


@pytest.mark.parametrize(
    "args", [("SET", "k", "v", "PX", 5), ("expire", "k", "99999"), ("SETBIT", "k", 2**31, 1), ("BITFIELD", "k", "SET", "u8", "#100000", 1)]
)  # fmt: skip
def test_near_deadlines_and_large_offsets_are_replaced(args):
    tamed = tame(list(args), random.Random(1))
    assert len(tamed) == len(args) and tamed != list(args)


def test_far_deadlines_and_past_ones_are_kept():
    for args in (["SETEX", "k", 100000, "v"], ["EXPIRE", "k", -1], ["SET", "k", 5], ["SETBIT", "k", 2**32, 1]):
        assert tame(list(args), random.Random(1)) == args


def test_relative_deadlines_are_far_apart():
    rng = random.Random(1)
    drawn = sorted(values.far_seconds(rng) for _ in range(100))
    assert min(b - a for a, b in zip(drawn, drawn[1:])) > known.TTL_TOLERANCE_SECONDS


# -- codec ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"+OK\r\n", b"-ERR no\r\n", b":-5\r\n", b"$-1\r\n", b"$0\r\n\r\n", b"$4\r\n\r\n\r\n\r\n", b"*-1\r\n", b"*0\r\n", b"_\r\n", b"#t\r\n",
        b",1.5\r\n", b"(123\r\n", b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", b"%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n", b"=5\r\ntxt:a\r\n", b"!3\r\nERR\r\n",
    ],
)  # fmt: skip
def test_a_reply_is_read_whole_and_only_when_it_is_all_there(raw):
    assert resp.parse(raw + b"+next\r\n")[1] == len(raw)
    for cut in range(len(raw)):
        with pytest.raises(resp.Incomplete):
            resp.parse(raw[:cut])


@pytest.mark.parametrize("raw", [b"?\r\n", b"$x\r\n", b"$1\r\nabc\r\n", b"*y\r\n"])
def test_what_is_not_resp_is_refused(raw):
    with pytest.raises(resp.Malformed):
        resp.parse(raw + b"\r\n\r\n")


@pytest.mark.parametrize("word", [b"", b"a b", b'"\\', b"\x00\xff\r\n\t", "é".encode(), b"plain", b"'", b"x*3"])
def test_a_reported_command_can_be_pasted_into_a_script(word):
    assert scripted.split(resp.command_line([b"SET", word])) == (b"SET", word)


def test_a_quoted_word_can_be_repeated():
    assert scripted.split('SET a "xy"*3') == (b"SET", b"a", b"xyxyxy")


# -- payloads -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"", b"1", b"-129", b"70000", b"abc", b"z" * 300, b"ab" * 4000, b"\x00\xff" * 20000])
def test_a_dumped_string_is_decoded(oracles, value):
    connection = oracles[0].connect()
    connection.call("SET", "dumped", value)
    dumped = connection.call("DUMP", "dumped").value
    connection.call("DEL", "dumped")
    connection.close()
    assert payload.is_intact(dumped)
    assert payload.decode_string(dumped) == value
    assert payload.same_value(dumped, payload.with_version(dumped, 11))
    assert not payload.same_value(dumped, dumped[:-1] + bytes([dumped[-1] ^ 1]))


# -- known differences ----------------------------------------------------------------------------------------------------------


def test_every_known_difference_has_a_name_and_a_reason():
    names = [entry.name for entry in known.KNOWN]
    assert len(set(names)) == len(names)
    assert all(entry.reason and entry.commands for entry in known.KNOWN)
    assert all({**known.NOT_RANDOM, **known.NOT_YET}.values())


def test_known_differences_cover_no_more_than_they_say():
    integer, error, null = Reply(b":", b"5"), Reply(b"-", b"ERR x"), Reply(b"$", None)
    assert known.find("ttl", (), integer, Reply(b":", b"6")).name == "ttl-clock"
    assert known.find("ttl", (), integer, Reply(b":", b"60")) is None
    assert known.find("ttl", (), integer, Reply(b":", b"-1")) is None
    assert known.find("get", (), integer, Reply(b":", b"6")) is None
    for entry in known.KNOWN:
        assert not entry.same((), error, integer) or entry.name == "7.2-commands"
        assert not entry.same((), error, Reply(b"-", b"ERR y")), entry.name
        assert not entry.same((), null, Reply(b"$", b"x")) or entry.name.startswith("7.2"), entry.name


def test_replies_are_compared_by_their_bytes(oracles):
    comparison = Comparison(*oracles)
    simple = Framed(b"+OK\r\n", Reply(b"+", b"OK"))
    bulk = Framed(b"$2\r\nOK\r\n", Reply(b"$", b"OK"))
    assert comparison.same((b"SET",), simple, simple)
    assert not comparison.same((b"SET",), simple, bulk)
    comparison.close()
