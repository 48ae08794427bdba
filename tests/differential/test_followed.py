"""The follower's run (followed.py) with a fixed seed. FOLLOWED_COMMANDS is another number of commands for each case."""

import os

import pytest

from .followed import FollowedOracle, FollowedRun, Follower

COMMANDS = int(os.environ.get("FOLLOWED_COMMANDS", "20000"))
SEED = os.environ.get("DIFFERENTIAL_SEED", "ordinal")
ROUNDS = 4


@pytest.mark.parametrize(("loops", "threads"), [(1, 1), (3, 4)], ids=["1-loop", "3-loops"])
def test_a_follower_of_redis_holds_what_redis_holds(loops, threads):
    with FollowedOracle() as master, Follower(master, loops) as follower:
        run = FollowedRun(master, SEED, threads)
        for part in range(ROUNDS):
            if part == ROUNDS // 2:  # the link ends, and the stream goes on where it was
                connection = master.connect()
                connection.call("CLIENT", "KILL", "TYPE", "replica")
                connection.close()
            run.run(COMMANDS // ROUNDS)
            difference = run.followed(follower)
            assert difference is None, difference
        assert "Protocol error" not in follower.log.read_text()
