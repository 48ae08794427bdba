"""The log's run (logged.py) with a fixed seed. LOGGED_COMMANDS is another number of commands for each case."""

import os
import time

import pytest

from .logged import LoggedOrdinal, LoggedRun, Player, commands_of
from .resp import Connection
from .servers import Oracle, Ordinal

COMMANDS = int(os.environ.get("LOGGED_COMMANDS", "3000"))
SEED = os.environ.get("DIFFERENTIAL_SEED", "ordinal")


def play(run: LoggedRun, player) -> None:
    with player as server:
        difference = run.played(server)
        assert difference is None, difference.report()


@pytest.mark.parametrize(("loops", "threads"), [(1, 1), (3, 4)], ids=["1-loop", "3-loops"])
def test_redis_that_plays_the_log_holds_what_ordinal_holds(loops, threads):
    with LoggedOrdinal(loops) as subject:
        run = LoggedRun(subject, SEED, threads)
        run.run(COMMANDS)
        assert len(commands_of(subject.logged())) > COMMANDS / 20
        play(run, Player(Oracle("redis"), subject.logged()))


def test_evicted_keys_are_in_the_log():
    with LoggedOrdinal(2) as subject:
        connection = subject.connect()
        connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        used = int(connection.call("INFO", "memory").text().decode().split("used_memory:")[1].split()[0])
        connection.call("CONFIG", "SET", "maxmemory", used + 4 * 2**20)
        for start in range(0, 20000, 1000):
            connection.send([("SET", f"key:{i}", "v" * 500) for i in range(start, start + 1000)])
            connection.read(1000)
        assert evicted(connection) > 1000
        connection.call("CONFIG", "SET", "maxmemory", 0)
        subject.flush_log()
        play(LoggedRun(subject, SEED), Player(Oracle("redis"), subject.logged()))


def evicted(connection: Connection) -> int:
    return int(connection.call("INFO", "stats").text().decode().split("evicted_keys:")[1].split()[0])


def written(subject: LoggedOrdinal, since: int = 0):
    """What was logged since an offset, as command lines, without SELECT."""
    subject.flush_log()
    commands = [b" ".join(args).decode() for args in commands_of(subject.logged()[since:])]
    return [command for command in commands if not command.startswith("SELECT")]


@pytest.fixture(scope="module", params=[1, 2], ids=["1-loop", "2-loops"])
def subject(request):
    with LoggedOrdinal(request.param) as server:
        yield server


def logs(subject, *commands):
    """What these commands write to the log."""
    connection = subject.connect()
    connection.call("FLUSHALL")
    since = len(subject.logged()) if subject.flush_log() is None else 0
    for command in commands:
        connection.call(*command.split())
    connection.close()
    return written(subject, since)


FAR = 4102444800000

# What redis-server 7.0.15 writes to its append-only file for the last of these commands.
FORMS = [
    (["SET k v EXAT 4102444800"], [f"SET k v PXAT {FAR}"]),
    (["SET k v", "SET k w GET"], ["SET k v", "SET k w"]),
    (["SET k v NX"], ["SET k v NX"]),
    (["SET k v", "SET k w NX"], ["SET k v"]),
    (["SET k v", "SET k v EXAT 1"], ["SET k v", "DEL k"]),
    (["SET k v EXAT 1"], []),
    (["GETSET k v"], ["SET k v"]),
    (["SET k v", "GETDEL k"], ["SET k v", "DEL k"]),
    (["SET k v", f"GETEX k PXAT {FAR}"], ["SET k v", f"PEXPIREAT k {FAR}"]),
    (["SET k v", "GETEX k PERSIST"], ["SET k v"]),
    (["SET k v", "EXPIREAT k 4102444800"], ["SET k v", f"PEXPIREAT k {FAR}"]),
    (["SET k v", "EXPIREAT k 4102444800 NX"], ["SET k v", f"PEXPIREAT k {FAR} NX"]),
    (["SET k v", "EXPIRE k -1"], ["SET k v", "DEL k"]),
    (["INCRBYFLOAT k 1.5"], ["SET k 1.5 KEEPTTL"]),
    (["SADD k a", "SPOP k"], ["SADD k a", "SREM k a"]),
    (["SADD k a", "SPOP k 5"], ["SADD k a", "DEL k"]),
    (["RPUSH k a b c", "BLPOP nokey k 1"], ["RPUSH k a b c", "LPOP k"]),
    (["RPUSH k a b c", "LMPOP 1 k RIGHT COUNT 9"], ["RPUSH k a b c", "RPOP k 3"]),
    (["RPUSH k a b c", "BLMOVE k l LEFT RIGHT 1"], ["RPUSH k a b c", "LMOVE k l LEFT RIGHT"]),
    (["RPUSH k a b c", "BRPOPLPUSH k l 1"], ["RPUSH k a b c", "RPOPLPUSH k l"]),
    (["ZADD k 1 a 2 b", "BZPOPMAX k 1"], ["ZADD k 1 a 2 b", "ZPOPMAX k"]),
    (["ZADD k 1 a 2 b", "ZMPOP 1 k MIN COUNT 5"], ["ZADD k 1 a 2 b", "ZPOPMIN k 2"]),
    (["HINCRBYFLOAT k f 1.5"], ["HSET k f 1.5"]),
    (["PFADD k a", "PFCOUNT k", "PFCOUNT k"], ["PFADD k a", "PFCOUNT k"]),
    (["FLUSHDB"], ["FLUSHDB"]),
    (["MULTI", "SET k v", "EXEC"], ["SET k v"]),
    (["MULTI", "GET k", "EXEC"], []),
    (["MULTI", "SET k v", "SET l v EXAT 4102444800", "EXEC"], ["MULTI", "SET k v", f"SET l v PXAT {FAR}", "EXEC"]),
    # Deadlines of fields, as redis-server 7.4 has them.
    (["HSET k f 1", "HEXPIREAT k 4102444800 FIELDS 1 f"], ["HSET k f 1", f"HPEXPIREAT k {FAR} FIELDS 1 f"]),
    (["HSET k f 1 g 2", "HPEXPIREAT k 1 FIELDS 2 f h"], ["HSET k f 1 g 2", "HDEL k f"]),
    (["HSETEX k PXAT 4102444800000 FIELDS 1 f 1"], ["MULTI", "HSET k f 1", f"HPEXPIREAT k {FAR} FIELDS 1 f", "EXEC"]),
    # But that redis-server, when it loads HPERSIST, takes a field for gone whose deadline has passed by then.
    (["HSETEX k PXAT 4102444800000 FIELDS 1 f 1", "HPERSIST k FIELDS 2 f g"],
     ["MULTI", "HSET k f 1", f"HPEXPIREAT k {FAR} FIELDS 1 f", "EXEC", "HSET k f 1"]),
    (["HSET k f 1 g 2", "HGETDEL k FIELDS 1 f"], ["HSET k f 1 g 2", "HDEL k f"]),
]  # fmt: skip


@pytest.mark.parametrize(("commands", "expected"), FORMS, ids=[" ; ".join(commands) for commands, _ in FORMS])
def test_effects_are_logged_in_the_form_of_redis(subject, commands, expected):
    assert logs(subject, *commands) == expected


def test_what_expires_is_logged_before_what_meets_it(subject):
    connection = subject.connect()
    connection.call("FLUSHALL")
    connection.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    connection.call("HSET", "h", "f", "1", "g", "2", "i", "3")
    subject.flush_log()
    since = len(subject.logged())
    connection.send([("SET", "k", "v", "PX", 1), ("HPEXPIRE", "h", 1, "FIELDS", 2, "f", "g")])
    connection.read(2)
    time.sleep(0.01)  # the deadlines pass
    for command in (("APPEND", "k", "x"), ("HINCRBY", "h", "f", 5)):
        connection.call(*command)
    connection.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
    lines = written(subject, since)
    connection.close()
    assert lines[2:4] == ["DEL k", "APPEND k x"]
    assert sorted(lines[4].split()) == ["HDEL", "f", "g", "h"] and lines[5:] == ["HINCRBY h f 5"]


def test_who_waited_is_logged_behind_what_it_waited_for(subject):
    pusher, waiter = subject.connect(), subject.connect()
    pusher.call("FLUSHALL")
    subject.flush_log()
    since = len(subject.logged())
    waiter.send([("BLPOP", "k", 0)])
    while b"blocked_clients:1" not in pusher.call("INFO", "clients").text():
        time.sleep(0.005)
    pusher.send([("MULTI",), ("RPUSH", "k", "a"), ("RPUSH", "k", "b"), ("EXEC",)])
    pusher.read(4)
    waiter.read(1)
    assert written(subject, since) == ["MULTI", "RPUSH k a", "RPUSH k b", "EXEC", "LPOP k"]
    pusher.close()
    waiter.close()


def test_a_command_with_line_ends_of_its_own_is_logged_whole(subject):
    connection = subject.connect()
    connection.call("FLUSHALL")
    subject.flush_log()
    since = len(subject.logged())
    connection.send_raw(b"*3\r\n$3\r\nSETxx$1\r\nk\n\n$1\r\nv\r\n")  # nobody looks at what stands between arguments
    connection.send_raw(b'SET     k       w\r\nset k "\\n"\r\n')
    connection.read(3)
    assert written(subject, since) == ["SET k v", "SET k w", "set k \n"]
    connection.close()
@pytest.mark.parametrize(("loops", "threads"), [(1, 1), (3, 4)], ids=["1-loop", "3-loops"])
def test_ordinal_that_plays_the_log_holds_what_ordinal_holds(loops, threads):
    with LoggedOrdinal(loops) as subject:
        run = LoggedRun(subject, SEED, threads, fields=True)
        run.run(COMMANDS)
        play(run, Player(Ordinal(loops), subject.logged()))


