"""Ordinal against redis-server 7.0.15: the scripts, the command table, and 100,000 random commands.

The random run has a fixed seed here, so that a failure is the same for everybody; by hand, run.py takes a new one
each time. ORDINAL names the binary, DIFFERENTIAL_COMMANDS another number of commands, DIFFERENTIAL_SEED a seed.
"""

import os
from pathlib import Path

import pytest

from . import random_run, scripted, table
from .servers import Oracle, Ordinal

SCRIPTS = sorted(Path(__file__).parent.glob("scripts/*.txt"))
COMMANDS = int(os.environ.get("DIFFERENTIAL_COMMANDS", "100000"))
SEED = os.environ.get("DIFFERENTIAL_SEED", "ordinal")
CASES = [(path, case) for path in SCRIPTS for case in scripted.load(path)]


@pytest.fixture(scope="module")
def oracle():
    with Oracle() as server:
        yield server


@pytest.fixture(scope="module", params=[1, 2], ids=["1-loop", "2-loops"])
def ordinal(request):
    with Ordinal(request.param) as server:
        yield server


def test_the_command_table_is_the_same(oracle, ordinal):
    found = table.compare(oracle, ordinal, random_run.GROUPS)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(("path", "case"), CASES, ids=[f"{path.stem}: {case.name}" for path, case in CASES])
def test_a_script_gets_the_same_replies(oracle, ordinal, path, case):
    found = scripted.compare(case, oracle, ordinal)
    assert found is None, f"{path.name}: {case.name}\n{found}"


def test_random_commands_get_the_same_replies(oracle, ordinal):
    run = random_run.RandomRun(oracle, ordinal, seed=SEED)
    result = run.run(COMMANDS // 2)
    run.close()
    reports = "\n\n".join(finding.report() for finding in result.findings)
    assert not result.findings, f"\n{reports}\n\n{result.summary()}"
    assert result.compared == COMMANDS // 2
