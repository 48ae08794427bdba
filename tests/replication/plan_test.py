"""What is drawn from a seed, and what a subject may lose."""

import pytest

import faults
from chaos import Plan
from subjects import EVERYTHING, NOTHING, Subject

PLANS = 300


def test_a_plan_follows_from_its_seed():
    assert str(Plan(Subject("ordinal"), 7)) == str(Plan(Subject("ordinal"), 7))
    assert len({str(Plan(Subject("ordinal"), seed)) for seed in range(PLANS)}) == PLANS


def test_every_fault_is_drawn_in_both_sizes_of_a_set():
    plans = [Plan(Subject("ordinal", persistence="everysec"), seed) for seed in range(PLANS)]
    drawn = {(plan.count, type(fault)) for plan in plans for act in plan.acts for fault in act}
    assert drawn == {(count, fault) for count in (3, 5) for fault in set(faults.PROCESS + faults.NETWORK)}


def test_what_must_happen_alone_does():
    subject = Subject("ordinal", persistence="none")
    for seed in range(PLANS):
        for act in Plan(subject, seed).acts:
            if any(fault.alone or fault.forgets(subject) for fault in act):
                assert len(act) == 1, act


@pytest.mark.parametrize("write_ack, persistence, how, alone, seconds", [
    ("none", "none", "killed", True, EVERYTHING),
    ("none", "none", "stopped", True, EVERYTHING),
    ("none", "everysec", "killed", True, 2),
    ("none", "everysec", "stopped", True, NOTHING),
    ("none", "always", "killed", False, NOTHING),
    ("none", "always", "wiped", True, EVERYTHING),
    ("all", "none", "wiped", True, NOTHING),
    ("all", "everysec", "killed", False, 2),
    ("all", "none", "killed", False, EVERYTHING),
    ("all", "always", "killed", False, NOTHING),
    ("master", "none", "wiped", True, 2),
    ("master", "none", "stopped", True, NOTHING),
])
def test_what_a_master_may_lose(write_ack, persistence, how, alone, seconds):
    assert Subject("ordinal", write_ack, persistence).loses(how, alone) == seconds


def test_a_stepped_clock_takes_the_promises_about_deadlines_from_plain_replicas_alone():
    plain, roster = Subject("ordinal"), Subject("ordinal", "all")
    assert "expired-is-gone" in plain.promised(False) and "expired-is-gone" not in plain.promised(True)
    assert roster.promised(True) == roster.promised(False)
