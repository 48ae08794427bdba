"""That the tests can fail: redis-server 7.0.15 with two replicas does each thing that a guarantee forbids, and it is found. Then what Ordinal
promises, in a few rounds of faults (`make test-chaos` has more)."""

import pytest

import faults
import properties
from chaos import Plan, Round
from harness import server as harness
from history import History
from harness.resp import Error
from network import name_of
from subjects import PORT, Subject

ROUNDS = 3


@pytest.fixture
def play(hosts, tmp_path):
    """A function that plays acts on three nodes, and returns the history without excuses."""

    def play_acts(subject, *acts, **options):
        played = Round(Plan(subject, 1, 3, list(acts)), tmp_path / "round", **options)
        played.directory.mkdir()
        played.run()
        assert not played.violations, played.report()
        return History(played.history.records, (), played.history.population, played.history.populated)

    return play_acts


class Promote(faults.Fault):
    """What an operator does who believes that the master is dead: it is cut off, and a replica is made the master. Later it is a replica
    again."""

    def __str__(self):
        return "cut node 0 off, and make node %d a master for %.2f s" % (self.node, self.seconds)

    def carry_out(self, group):
        cut = faults.Cut.of(0, others=[1, 2], direction="from and to", seconds=self.seconds)
        self.tell(group, "NO", "ONE")
        cut.carry_out(group)
        self.tell(group, name_of(0), PORT)

    def tell(self, group, *words):
        with group.nodes[self.node].connect() as connection:
            assert connection("REPLICAOF", *words) == "OK"


def test_the_original_reads_stale_values_at_its_replicas(play):
    history = play(Subject("redis"))
    stale = properties.stale(history)
    assert len(stale) > 10
    assert all(record.node != 0 for record, _, _ in stale), "the master itself is never stale"


def test_the_original_comes_back_as_an_empty_master(play):
    history = play(Subject("redis"), [faults.Kill.of(0, down=0.1, wiped=False)])
    assert properties.no_empty_master(history)
    assert properties.nothing_lost(history)
    assert properties.stale(history, lambda record: record.key.startswith("p:"))


def test_the_original_with_two_masters_reaches_numbers_twice_and_hands_a_token_to_two(play):
    subject = Subject("redis")
    subject.writers = range
    history = play(subject, [Promote.of(1, seconds=1.5)])
    assert properties.twice_reached(history)
    assert properties.interleaved(history)
    assert properties.consumed_once(history)


def test_the_original_reads_values_after_their_deadline_where_a_clock_is_late(play):
    history = play(Subject("redis"), [faults.StepClock.of(1, step=-faults.HOUR)], roles={"deadline": 20, "counter": 2})
    assert properties.expired_is_gone(history)


def test_the_original_loses_values_before_their_deadline_where_a_clock_is_early(play):
    history = play(Subject("redis"), [faults.StepClock.of(1, step=faults.HOUR)], roles={"deadline": 20, "counter": 2})
    assert properties.kept_until_deadline(history)


def can_replicate(tmp_path_factory):
    """Whether the server under test can be a replica."""
    server = harness.Server(tmp_path_factory.mktemp("probe"))
    try:
        return not isinstance(server("REPLICAOF", "NO", "ONE"), Error)
    finally:
        server.stop()


@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
@pytest.mark.parametrize("persistence", ["everysec"])
def test_a_round_of_faults_keeps_what_is_promised(hosts, ordinal, tmp_path, tmp_path_factory, seed, persistence):
    if not can_replicate(tmp_path_factory):
        pytest.skip("the server under test knows no REPLICAOF")
    played = Round(Plan(Subject("ordinal", "none", persistence), seed), tmp_path).run()
    assert not played.violations, played.report()
