"""Steps of the wall clock (NTP, a resumed virtual machine, an operator's mistake): nothing expires early, nothing is
kept late, and absolute deadlines still mean wall time. The steps are made by wall_clock_shim.c, preloaded into the
server; its monotonic clock stays true."""

import time

import pytest

from harness.clock import Clock

HOUR = 3600


@pytest.fixture
def clock(tmp_path, helper):
    return Clock(tmp_path / "offset", helper("wall_clock_shim.so"))


@pytest.fixture
def stepped(ordinal, clock, start_server):
    """An Ordinal that believes in `clock`, and a connection to it. (The original follows every step.)"""
    server = start_server(environment=clock.environment())
    client = server.connect()
    yield client
    client.close()


def wall(client):
    seconds, microseconds = map(int, client("TIME"))
    return seconds + microseconds / 1e6


def test_the_steps_are_seen(clock, start_server):
    """The test of the tests: TIME follows the steps, for the original too."""
    server = start_server(environment=clock.environment())
    with server.connect() as client:
        for offset in (0, HOUR, -HOUR, 0):
            clock.step(offset)
            assert abs(wall(client) - clock.now()) < 5


@pytest.mark.parametrize("offset", [HOUR, -HOUR, 24 * HOUR, -24 * HOUR])
def test_a_step_expires_nothing_early_and_keeps_nothing_late(stepped, clock, offset):
    before = time.monotonic()
    assert stepped("SET", "short", "v", "PX", "1500") == "OK"
    assert stepped("SET", "long", "v", "EX", "100") == "OK"
    assert stepped("SET", "never", "v") == "OK"
    after = time.monotonic()
    clock.step(offset)
    assert abs(wall(stepped) - clock.now()) < 5
    while True:
        asked = time.monotonic()
        value = stepped("GET", "short")
        answered = time.monotonic()
        if value is None:
            assert answered >= before + 1.498, "lost %.3f s early" % (before + 1.5 - answered)
            break
        assert asked <= after + 1.5, "kept %.3f s late" % (asked - after - 1.5)
    assert 97_000 < stepped("PTTL", "long") <= 98_600
    assert stepped.pipeline([("GET", "long"), ("GET", "never")]) == [b"v", b"v"]


@pytest.mark.parametrize("offset", [HOUR, -HOUR])
def test_memory_comes_back_after_a_step(stepped, clock, offset):
    """The sweep goes by the same clock as the reads."""
    stepped.pipeline([("SET", "k%d" % number, "v", "PX", "1000") for number in range(1000)])
    start = time.monotonic()
    clock.step(offset)
    while stepped("DBSIZE") > 0:
        assert time.monotonic() - start < 3.0
    assert time.monotonic() - start > 0.9


@pytest.mark.parametrize("offset", [HOUR, -HOUR])
def test_absolute_deadlines_mean_wall_time_after_a_step(stepped, clock, offset):
    clock.step(offset)
    stepped("SET", "k", "v")
    deadline = int(wall(stepped)) + 100
    assert stepped("EXPIREAT", "k", deadline) == 1
    assert 98 <= stepped("TTL", "k") <= 100
    assert stepped("EXPIRETIME", "k") == deadline
    assert abs(stepped("PEXPIRETIME", "k") - deadline * 1000) <= 1
    assert stepped("SET", "k", "v", "PXAT", deadline * 1000) == "OK"
    assert 98_000 <= stepped("PTTL", "k") <= 100_000
    assert stepped("PEXPIREAT", "k", int((wall(stepped) - 1) * 1000)) == 1
    assert stepped("EXISTS", "k") == 0


@pytest.mark.parametrize("offset", [HOUR, -HOUR])
def test_a_relative_deadline_told_as_wall_time_moves_with_the_step(stepped, clock, offset):
    """A minute is a minute: EXPIRETIME of a key that has 60 s left is the new wall time plus 60 s."""
    stepped("SET", "k", "v", "EX", "60")
    clock.step(offset)
    assert abs(stepped("EXPIRETIME", "k") - (wall(stepped) + 60)) <= 2
    assert 58 <= stepped("TTL", "k") <= 60


def test_many_steps_in_a_row(stepped, clock):
    stepped("SET", "k", "v", "EX", "30")
    start = time.monotonic()
    for number in range(200):
        clock.step((HOUR, -HOUR, 7, -86400, 0)[number % 5])
        assert stepped("GET", "k") == b"v"
        left = stepped("PTTL", "k")
        assert abs(30_000 - left - (time.monotonic() - start) * 1000) < 1000
