"""What a group of nodes notices of itself, with redis-server in its hosts."""

import os
import signal

import pytest

from group import Group, Unsettled
from harness.server import process_wait
from subjects import Subject


@pytest.fixture
def group(hosts, tmp_path):
    with Group(Subject("redis"), 2, tmp_path) as nodes:
        yield nodes


def test_equal_nodes_are_equal(group):
    with group.master.connect() as connection:
        assert connection("SET", "k", "v") == "OK"
    group.converge()
    assert group.differences() == []


def test_a_replica_that_holds_something_else_is_not_equal_and_the_key_is_named(group):
    with group.nodes[1].connect() as connection:
        assert connection("CONFIG", "SET", "replica-read-only", "no") == "OK"
        assert connection("SET", "odd", "v") == "OK"
    with pytest.raises(Unsettled, match="0:odd: master None, node 1"):
        group.converge(seconds=1)


def test_a_server_that_ends_by_itself_is_noticed_at_once_and_when_it_is_to_be_killed(group):
    os.kill(group.nodes[1].pid, signal.SIGKILL)
    assert process_wait(group.nodes[1].process, 10)
    with pytest.raises(Unsettled, match="ended by themselves"):
        group.wait("what never comes", lambda: False)
    with pytest.raises(AssertionError, match="node 1 has ended by itself"):
        group.nodes[1].crash()
