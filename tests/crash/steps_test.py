"""A crash at every step of a rewrite and of a snapshot, and an error at every step: the build with faults (cache/persist/disk.h)
names the steps. A first run is traced, to learn which there are and how often each is passed; then each gets a server of
its own that ends, tears a write, or fails there."""

import os
import shutil
import subprocess

import pytest

from folder import aof_leftovers, persistence, rewrite, rewrite_ended, save, save_ended, temporary_files, wait_until
from harness import server as harness
from harness.resp import Closed, Error, encode

CRASHED = 137
BASE_KEYS, BATCHES = 300, 6
GENERATIONS = 200
ERRORS = ("EIO", "ENOSPC", "EROFS")
SELDOM = 4  # of a step that is passed again and again, so many visits are tried
ENDLESS = ("aof-write", "aof-sync")
DISK_ERRORS = [("EIO", "aof-write", "everysec"), ("ENOSPC", "aof-write", "always"), ("EROFS", "aof-sync", "everysec"),
               ("EIO", "aof-sync", "always")]

pytestmark = pytest.mark.usefixtures("faults")


class Place:
    """A data folder and the servers on it, one after the other, each with its faults."""

    def __init__(self, tmp_path, **settings):
        self.data = tmp_path / "data"
        self.data.mkdir(parents=True)
        self.trace = tmp_path / "trace"
        self.settings = {"dir": str(self.data), "save": "", "loops": 2, **settings}
        self.directory = tmp_path
        self.server = None

    def start(self, fault="", traced=False):
        """Starts a server; returns whether it came to serve."""
        asked = [fault] if fault else []
        if traced:
            asked.append("trace=%s" % self.trace)
        environment = {"ORDINAL_FAULT": ";".join(asked)} if asked else {}
        self.server = harness.Server(self.directory, dict(self.settings), environment=environment, ready=False)
        try:
            self.server.wait_loaded()
            return True
        except (AssertionError, OSError, Closed):
            assert self.has_crashed(), self.server.log()
            return False

    def has_crashed(self):
        """Whether the server has ended at the step that it was to end at."""
        try:
            return self.server.process.wait(10) == CRASHED
        except subprocess.TimeoutExpired:
            return False

    def end(self):
        self.server.kill()

    def steps(self):
        """[(step, visit)] of the traced run, in order; of the endless ones a few."""
        visits = []
        for line in self.trace.read_text().splitlines():
            step, visit = line.split()
            visits.append((step, int(visit)))
        chosen = [one for one in visits if one[0] not in ENDLESS]
        for step in ENDLESS:
            every = [one for one in visits if one[0] == step]
            chosen += every[:: max(1, len(every) // SELDOM)]
        return chosen


class Log:
    """What one client wrote, and how much of it was acknowledged: key:N holds N, for N from 1 on."""

    def __init__(self):
        self.sent = self.acknowledged = 0

    def write(self, client, count):
        """So many writes, sent at once."""
        first = self.sent + 1
        self.sent += count
        client.send(b"".join(encode("MSET", "key:%d" % number, number, "last", number)
                             for number in range(first, self.sent + 1)))
        for number in range(first, self.sent + 1):
            assert client.read() == "OK"
            self.acknowledged = number

    def check(self, server):
        """Everything acknowledged is there, in one piece; it goes on from there."""
        with server.connect() as client:
            last = int(client("GET", "last") or 0)
            assert self.acknowledged <= last <= self.sent, (self.acknowledged, last, self.sent)
            assert client("DBSIZE") == last + (last > 0)
            found = client("MGET", *("key:%d" % number for number in range(1, last + 1))) if last else []
            assert found == [b"%d" % number for number in range(1, last + 1)]
        self.sent = self.acknowledged = last


def rewrite_under_writes(server, log):
    """Two rewrites, with writes before, during and after each; ends early when the server does."""
    try:
        with server.connect() as client:
            for _ in range(BATCHES):
                log.write(client, BASE_KEYS // BATCHES)
            for _ in range(2):
                assert not isinstance(client("BGREWRITEAOF"), Error)
                while rewrite_ended(server) is None:
                    log.write(client, 1)
                log.write(client, 20)
        return True
    except (Closed, ConnectionError):
        return False


def traced_rewrite(tmp_path):
    """The steps of the run that nothing disturbs, start included."""
    place = Place(tmp_path, appendonly="yes", appendfsync="always")
    log = Log()
    assert place.start(traced=True)
    assert rewrite_under_writes(place.server, log)
    assert persistence(place.server)["aof_last_bgrewrite_status"] == "ok"
    assert aof_leftovers(place.data) == []
    place.end()
    steps = place.steps()
    assert {step for step, _ in steps} >= {"aof-write", "base-write", "base-rename", "manifest-rename", "history-unlink"}
    return steps


def actions(step):
    return ("exit", "tear") if step.endswith("-write") else ("exit",)


def recover_and_check(place, log):
    """The next server has everything, goes on, and its next rewrite leaves nothing behind."""
    assert place.start(), place.server.log()
    log.check(place.server)
    with place.server.connect() as client:
        log.write(client, 10)
    assert rewrite(place.server)["aof_last_bgrewrite_status"] == "ok"
    assert aof_leftovers(place.data) == []
    place.end()
    assert place.start(), place.server.log()
    log.check(place.server)
    place.end()


def test_a_crash_at_any_step_of_a_rewrite_loses_nothing(tmp_path):
    """Of a step that is passed again and again only the first and the last time, and none of the claim on the folder (of which
    half is believed only after a while), unless there is time."""
    steps = traced_rewrite(tmp_path / "traced")
    if os.environ.get("ORDINAL_TEST_LONG") != "1":
        last = dict(steps)
        steps = [(step, visit) for step, visit in steps if visit in (1, last[step]) and not step.startswith("claim")]
    for step, visit in steps:
        for action in actions(step):
            where = "%s:%d:%s" % (step, visit, action)
            place, log = Place(tmp_path / where.replace(":", "-"), appendonly="yes", appendfsync="always"), Log()
            try:
                if place.start(where) and rewrite_under_writes(place.server, log):
                    assert step in ENDLESS, "the server has never come to " + where
                    place.end()
                else:
                    assert place.has_crashed(), "it ended otherwise than by " + where
                recover_and_check(place, log)
            except AssertionError as failure:
                raise AssertionError("after a crash at %s: %s" % (where, failure)) from failure
            finally:
                place.end()


@pytest.mark.long
def test_a_second_crash_while_the_first_is_mended_loses_nothing(tmp_path):
    """At each step of the start, and of the rewrite that follows it, after a crash that left something to mend."""
    firsts = [one for one in traced_rewrite(tmp_path / "traced")
              if one[0] in ("base-write", "base-rename", "manifest-rename", "history-unlink")][-4:]
    for first in [*firsts, ("aof-write", BATCHES)]:
        crash = "%s:%d:%s" % (*first, actions(first[0])[-1])
        traced = Place(tmp_path / ("traced-" + crash.replace(":", "-")), appendonly="yes", appendfsync="always")
        log = Log()
        assert not (traced.start(crash) and rewrite_under_writes(traced.server, log)), "no crash at " + crash
        assert traced.start(traced=True), traced.server.log()
        assert rewrite(traced.server)["aof_last_bgrewrite_status"] == "ok"
        traced.end()
        for step, visit in traced.steps():
            where = "%s:%d:%s" % (step, visit, actions(step)[-1])
            name = (crash + "-" + where).replace(":", "-")
            place, log = Place(tmp_path / name, appendonly="yes", appendfsync="always"), Log()
            try:
                assert not (place.start(crash) and rewrite_under_writes(place.server, log))
                if place.start(where):
                    log.check(place.server)
                    try:
                        rewrite(place.server)
                    except (Closed, ConnectionError):
                        assert place.has_crashed()
                place.end()
                recover_and_check(place, log)
            except AssertionError as failure:
                raise AssertionError("after crashes at %s and %s: %s" % (crash, where, failure)) from failure
            finally:
                place.end()


def begin_with_a_snapshot(place, fault="", traced=False):
    """A server with appendonly yes on a folder that has a snapshot alone; returns whether it came to serve."""
    snapshots = Place(place.directory / "snapshots")
    assert snapshots.start()
    assert snapshots.server("MSET", "key:1", 1, "last", 1) == snapshots.server("SAVE") == "OK"
    snapshots.end()
    shutil.copy(snapshots.data / "dump.rdb", place.data)
    return place.start(fault, traced)


def test_a_crash_at_any_step_by_which_a_snapshot_becomes_the_base_loses_nothing(tmp_path):
    traced = Place(tmp_path / "traced", appendonly="yes", appendfsync="always")
    assert begin_with_a_snapshot(traced, traced=True)
    traced.end()
    steps = [one for one in traced.steps() if not one[0].startswith("claim")]
    assert {step for step, _ in steps} >= {"aof-folder", "base-link", "base-sync", "manifest-rename", "aof-open"}
    for fault in ["%s:%d:exit" % one for one in steps] + ["base-link:1+:EPERM;base-write:1:tear"]:
        place, log = Place(tmp_path / fault.replace(":", "-"), appendonly="yes", appendfsync="always"), Log()
        log.sent = log.acknowledged = 1
        try:
            assert not begin_with_a_snapshot(place, fault), "it has not ended at " + fault
            recover_and_check(place, log)
        except AssertionError as failure:
            raise AssertionError("after a crash at %s: %s" % (fault, failure)) from failure
        finally:
            place.end()


def test_an_error_at_any_step_of_a_rewrite_loses_nothing(tmp_path):
    """The rewrite fails, or does without the step; writes go on or are refused, and in the end all is well again."""
    steps = {step for step, _ in traced_rewrite(tmp_path / "traced") if not step.startswith("claim")}
    for step in sorted(steps - {"aof-folder"}):
        for error in ERRORS if os.environ.get("ORDINAL_TEST_LONG") == "1" else ERRORS[:1]:
            place, log = Place(tmp_path / (step + "-" + error), appendonly="yes", appendfsync="always"), Log()
            switch = place.directory / "faulty"
            try:
                assert place.start("%s:@%s:%s" % (step, switch, error)), place.server.log()
                error_during_rewrite(place, log, switch)
                place.end()
                recover_and_check(place, log)
            except AssertionError as failure:
                raise AssertionError("after %s at %s: %s" % (error, step, failure)) from failure
            finally:
                place.end()


def error_during_rewrite(place, log, switch):
    with place.server.connect() as client:
        log.write(client, BASE_KEYS)
        switch.touch()
        client("BGREWRITEAOF")
        refused = []
        for _ in range(50):
            # What is refused was not done; what waits for the disk is answered when the fault has gone.
            client.send(encode("SET", "spoilt", "x"))
            refused.append(not client.is_quiet(0.02))
            if not refused[-1]:
                break
            reply = client.read()
            assert reply == "OK" or reply.code == "MISCONF", reply
            if rewrite_ended(place.server) is not None:
                break
        assert place.server("GET", "last") == b"%d" % log.acknowledged, "reads do not go on"
        switch.unlink()
        if not refused[-1]:
            assert client.read() is not None
        wait_until(lambda: client("DEL", "spoilt") in (0, 1), "writes are taken again")
        wait_until(lambda: rewrite_ended(place.server), "the rewrite ends")
        log.write(client, 10)


@pytest.mark.parametrize("error,step,fsync", DISK_ERRORS)
def test_an_error_of_the_disk_refuses_writes_until_it_has_gone(tmp_path, error, step, fsync):
    place, log = Place(tmp_path / "place", appendonly="yes", appendfsync=fsync), Log()
    switch = tmp_path / "faulty"
    try:
        assert place.start("%s:@%s:%s" % (step, switch, error)), place.server.log()
        with place.server.connect() as client:
            log.write(client, 50)
            switch.touch()
            text = os.strerror({"EIO": 5, "ENOSPC": 28, "EROFS": 30}[error])
            wait_until(lambda: refuses(place, text), "writes are refused")
            info = persistence(place.server)
            assert info["aof_last_write_status"] == "err"
            assert client("GET", "last") == b"50"
            switch.unlink()
            wait_until(lambda: client("DEL", "spoilt") in (0, 1), "writes are taken again")
            wait_until(lambda: persistence(place.server)["aof_last_write_status"] == "ok", "INFO says so")
            log.write(client, 50)
            place.server.config("appendfsync", "always")
            log.write(client, 1)
        place.end()
        recover_and_check(place, log)
    finally:
        place.end()


def refuses(place, text):
    """Whether a write on a connection of its own is refused with Redis's words; it may wait instead, for the disk."""
    with place.server.connect() as client:
        client.send(encode("SET", "spoilt", "x"))
        if client.is_quiet(0.2):
            return False
        reply = client.read()
        assert reply == "OK" or reply == "MISCONF Errors writing to the AOF file: " + text, reply
        return reply != "OK"


# ---- snapshots ------------------------------------------------------------------------------------------------------


def write_generation(client, generation):
    """All keys in one command: a snapshot has all of one generation."""
    words = []
    for number in range(GENERATIONS):
        words += ["key:%d" % number, "%d:%s" % (generation, "v" * 200)]
    assert client("MSET", *words) == "OK"


def generation_of(server):
    with server.connect() as client:
        values = client("MGET", *("key:%d" % number for number in range(GENERATIONS)))
    generations = {value and int(value.split(b":")[0]) for value in values}
    assert len(generations) == 1, "a snapshot of several generations: %r" % generations
    return generations.pop()


def two_snapshots(server, command):
    """Returns how many have succeeded; ends early when the server does."""
    succeeded = 0
    try:
        with server.connect() as client:
            for generation in (1, 2):
                write_generation(client, generation)
                reply = client(command)
                if not isinstance(reply, Error) and wait_until(lambda: save_ended(server), "the snapshot ends")[
                        "rdb_last_bgsave_status"] == "ok":
                    succeeded = generation
    except (Closed, ConnectionError):
        pass
    return succeeded


@pytest.mark.parametrize("command", ["SAVE", "BGSAVE"])
def test_a_crash_at_any_step_of_a_snapshot_leaves_a_whole_one(tmp_path, command):
    traced = Place(tmp_path / "traced")
    assert traced.start(traced=True)
    assert two_snapshots(traced.server, command) == 2
    traced.end()
    steps = [one for one in traced.steps() if not one[0].startswith("claim")]
    assert {step for step, _ in steps} >= {"rdb-open", "rdb-write", "rdb-sync", "rdb-rename", "rdb-sync-folder"}
    for step, visit in steps:
        for action in actions(step):
            where = "%s:%d:%s" % (step, visit, action)
            place = Place(tmp_path / where.replace(":", "-"))
            try:
                assert place.start(where), place.server.log()
                succeeded = two_snapshots(place.server, command)
                assert place.has_crashed(), "the server has never come to " + where
                check_snapshot(place, succeeded)
            except AssertionError as failure:
                raise AssertionError("after a crash at %s: %s" % (where, failure)) from failure
            finally:
                place.end()


def check_snapshot(place, least):
    """What is loaded is that snapshot or the next, whole, and the next one leaves nothing else in the folder."""
    assert place.start(), place.server.log()
    generation = generation_of(place.server)
    assert generation in (least or None, least + 1), (generation, least)
    assert save(place.server)["rdb_last_bgsave_status"] == "ok"
    assert temporary_files(place.data) == []
    place.end()


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_at_any_step_of_a_snapshot_leaves_the_one_before(tmp_path, error):
    traced = Place(tmp_path / "traced")
    assert traced.start(traced=True)
    assert two_snapshots(traced.server, "BGSAVE") == 2
    traced.end()
    for step in sorted({step for step, _ in traced.steps() if step.startswith("rdb-")}):
        place = Place(tmp_path / step)
        switch = place.directory / "faulty"
        try:
            assert place.start("%s:@%s:%s" % (step, switch, error)), place.server.log()
            with place.server.connect() as client:
                write_generation(client, 1)
                assert save(place.server)["rdb_last_bgsave_status"] == "ok"
                write_generation(client, 2)
                switch.touch()
                assert save(place.server)["rdb_last_bgsave_status"] == "err"
                switch.unlink()
            place.end()
            check_snapshot(place, 1)
        except AssertionError as failure:
            raise AssertionError("after %s at %s: %s" % (error, step, failure)) from failure
        finally:
            place.end()
