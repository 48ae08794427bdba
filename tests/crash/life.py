"""One life of a data folder: a server writes to it under load and is killed at a random moment, another starts on what is
left, and so on for some rounds. After each start everything is read and judged by what the mode promises.

  always     every write that was acknowledged is there
  everysec   every write is there that was acknowledged two seconds before the kill
  snapshot   every write is there that was acknowledged when the last completed snapshot began

and in all modes what is there is one state of the past, whole: for each client the state after some number of its writes,
no transaction or MSET in part, no write without those that had been acknowledged before it was sent, and every
deadline as it was. A server that ends by SIGTERM leaves everything.

A life's plan (loops, rewrites or none, whether a kill is a power cut …) and all that happens in it follow from its seed, except
for the timing.
"""

import random
import shutil
import signal
import time
from pathlib import Path

import harness.server as harness
from client import Client, WriterClient
from harness.resp import Closed, Error
from power import Power
from shared import DB, OTHER_DB, Bank, Queue, Tokens
from survey import all_names, observe
from writer import Writer

MODES = ("snapshot", "everysec", "always")
ROUNDS = 5
WRITERS = [[0], [0], [3], [9, 10]]  # their databases; the last one flushes and swaps its own
DATABASES = sorted({db for databases in WRITERS for db in databases} | {DB, OTHER_DB})
EVERYSEC_SECONDS = 2.0
ENOUGH_SECONDS = 60
BUSY = ("in progress", "scheduled", "can't BGSAVE")
ALL, NOTHING = float("inf"), float("-inf")


class Broken(Exception):
    """A promise was not kept; the text says which, and how to see it again."""


class Plan:
    """The settings of a life, drawn from its seed."""

    def __init__(self, mode, seed, loops=None, power=None):
        rng = random.Random("%s/%s" % (mode, seed))
        self.mode, self.seed = mode, seed
        self.loops = loops or rng.choice((1, 2, 2))
        draw = rng.random() < 0.5
        self.power = (draw if power is None else power) and not harness.is_sanitized()
        self.rewrites = rng.choice(("none", "asked for", "asked for", "automatic"))
        self.preamble = rng.random() < 0.75
        self.snapshots_too = mode != "snapshot" and rng.random() < 0.25
        self.key_delay = rng.choice((0, 20, 100))  # microseconds by which each key makes a snapshot longer

    def settings(self, folder):
        settings = {"dir": str(folder), "appendonly": "no" if self.mode == "snapshot" else "yes",
                    "rdb-key-save-delay": self.key_delay}
        if self.mode == "snapshot":
            settings["save"] = ["3600", "100000000"]  # a snapshot at the end, and when asked for
        else:
            settings["appendfsync"] = self.mode
            settings["aof-use-rdb-preamble"] = "yes" if self.preamble else "no"
            settings["auto-aof-rewrite-percentage"] = 20 if self.rewrites == "automatic" else 0
            settings["auto-aof-rewrite-min-size"] = "256kb"
        if harness.is_ordinal():
            settings["loops"] = self.loops
        return settings

    def __str__(self):
        words = [self.mode, "seed %s" % self.seed, "%d loops" % self.loops]
        if self.mode != "snapshot":
            words += ["rewrites: " + self.rewrites, "base: " + ("rdb" if self.preamble else "aof")]
        words += ["%d µs a key" % self.key_delay] * bool(self.key_delay) + ["power cuts"] * self.power + ["BGSAVE too"] * self.snapshots_too
        return ", ".join(words)


class Housekeeper(Client):
    """Asks for snapshots or rewrites all the time, and notes since when the last completed snapshot is good."""

    def __init__(self, address, rng, commands):
        super().__init__(address)
        self.rng, self.commands = rng, commands
        self.covered, self.completed = NOTHING, 0

    def work(self, connection):
        while True:
            time.sleep(self.rng.random() * 0.2)
            command = self.rng.choice(self.commands)
            began = time.monotonic()
            reply = connection(command)
            if isinstance(reply, Error):
                assert any(word in reply for word in BUSY), "%s was answered with -%s" % (command, reply)
                continue
            self.wait_for_end(connection)
            self.completed += 1
            if command == "BGSAVE":
                self.covered = began

    @staticmethod
    def wait_for_end(connection):
        while True:
            text = connection("INFO", "persistence").decode()
            fields = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
            assert fields["rdb_last_bgsave_status"] == "ok" and fields["aof_last_bgrewrite_status"] == "ok", text
            if not any(fields[name] != "0" for name in ("rdb_bgsave_in_progress", "aof_rewrite_in_progress",
                                                        "aof_rewrite_scheduled")):
                return
            time.sleep(0.005)


class Life:
    """`directory` is the life's own, and is left there when something is wrong. With `other`, a redis-server, the two take turns:
    one goes on with what the other has left."""

    def __init__(self, plan, directory, other=None):
        self.plan, self.directory, self.other = plan, Path(directory), other
        self.rng = random.Random("%s/%s/life" % (plan.mode, plan.seed))
        self.data = self.directory / "data"
        self.data.mkdir(parents=True)
        self.power = Power(self.data, self.directory / "power") if plan.power else None
        environment = self.power.environment if self.power else None
        self.server = harness.Server(self.directory, plan.settings(self.data), environment=environment, ready=False)
        self.turn = self.server.command
        self.writers, self.groups = [], []
        self.acknowledged = self.rewrites = 0

    def prepare(self):
        """The clients' models, which live through all rounds."""
        with self.server.connect() as connection:
            info = connection("COMMAND", "INFO", "hpexpireat", "hgetdel")
        features = {feature for feature, known in zip(("field_deadline", "field_taken"), info) if known}
        if "field_deadline" not in features or self.other:
            features.clear()
        self.writers = [Writer("w%d" % number, random.Random(self.rng.random()), databases, features)
                        for number, databases in enumerate(WRITERS)]
        self.groups = [Queue(self.rng, b"jobs"), Queue(self.rng, b"tasks", b"tasks:done"), Bank(self.rng), Tokens(self.rng)]

    def run(self, rounds=ROUNDS):
        """Lives for so many rounds; raises Broken when a promise is not kept."""
        try:
            self.server.wait_loaded(ENOUGH_SECONDS)
            self.prepare()
            for number in range(rounds):
                must, how = self.load()
                self.start_again()
                self.judge(must, "round %d, %s" % (number + 1, how))
            self.server.stop()
        except (AssertionError, OSError, Closed) as failure:
            raise self.broken([repr(failure)], "") from failure
        finally:
            self.server.kill()

    def broken(self, wrong, how):
        return Broken("%s (%s)\nleft in %s\n%s\nlog:\n%s" % (
            self.plan, how, self.directory, "\n".join(wrong), self.server.log()[-3000:]))

    # ---- a round ------------------------------------------------------------------------------------------------

    def load(self):
        """Clients at work until the server is ended. Returns (by when a write must have been acknowledged to be there, how
        it ended)."""
        address = self.server.address
        clients = [WriterClient(address, writer) for writer in self.writers]
        for group in self.groups:
            clients += group.clients(address)
        keeper = self.housekeeper(address)
        clients += [keeper] if keeper else []
        for client in clients:
            client.start()
        how, moment = self.end_server(self.rng.choice((0.1, 0.5, 1.5, 3.5)) * self.rng.random() + 0.05, clients)
        for client in clients:
            client.join(ENOUGH_SECONDS)
        wrong = [client.failure for client in clients if client.failure]
        wrong += ["a client hangs: %r" % client for client in clients if client.is_alive()]
        if wrong:
            raise self.broken(wrong, how)
        self.acknowledged += sum(len(writer.history.acked_at) for writer in self.writers)
        self.rewrites += keeper.completed if keeper else 0
        return self.must(how, moment, keeper), how

    def housekeeper(self, address):
        if self.plan.mode == "snapshot":
            return Housekeeper(address, self.rng, ["BGSAVE"])
        commands = ["BGREWRITEAOF"] * (self.plan.rewrites == "asked for") + ["BGSAVE"] * self.plan.snapshots_too
        return Housekeeper(address, self.rng, commands) if commands else None

    def end_server(self, seconds, clients):
        """Ends the server after so many seconds, or as soon as a client has found something wrong."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and all(client.failure is None for client in clients):
            assert self.server.alive(), "the server ended by itself"
            time.sleep(min(0.02, max(0.0, until - time.monotonic())))
        gently = self.rng.random() < 0.1
        moment = time.monotonic()
        if gently:
            self.server.signal(signal.SIGTERM)
            assert self.server.wait() == 0, "exit status %d" % self.server.exit_status
        else:
            self.server.kill()
        how = "SIGTERM" if gently else "kill -9"
        if self.power:
            how += ", " + self.power.cut(self.rng)
        return how, moment

    def must(self, how, moment, keeper):
        if how.startswith("SIGTERM") or self.plan.mode == "always":
            return ALL
        if self.plan.mode == "everysec":
            return moment - EVERYSEC_SECONDS
        return keeper.covered

    def start_again(self):
        """Starts a server on the folder; at times the first one is killed while it loads."""
        self.take_turns()
        for last in (False, True) if self.rng.random() < 0.2 else (True,):
            if self.power:
                self.power.restart()
            self.server.start_again()
            if not last:
                time.sleep(self.rng.random() * 0.1)
                self.server.kill()
                if self.power:
                    self.power.cut(self.rng)
        self.server.wait_loaded(ENOUGH_SECONDS)

    def take_turns(self):
        if not self.other:
            return
        mine = self.turn is self.server.command
        self.server.command = [self.other, *without(self.turn[1:], "--loops")] if mine else self.turn

    # ---- after it ---------------------------------------------------------------------------------------------------

    def judge(self, must, how):
        """Reads everything, compares it with what the clients know, and makes it the state before the next round."""
        wrong, counts, events = [], [], []
        with self.server.connect(timeout=ENOUGH_SECONDS) as connection:
            known = set()
            for writer in self.writers:
                keys = set(writer.history.versions)
                known |= keys
                values, states, began, ended = observe(connection, keys)
                counts.append(self.count_of(writer.history, states, began, ended, wrong))
                writer.adopt(values)
            for group in self.groups:
                wrong += group.read(connection)
                wrong += group.judge()
                known |= group.keys()
                events += group.events()
            stray = all_names(connection, DATABASES) - known
        if stray:
            wrong.append("keys that nobody wrote, or that were deleted before: %r" % sorted(stray)[:10])
        wrong += self.lacking(counts, events, must, "the mode promises")
        wrong += self.lacking(counts, events, newest(counts, events), "a later write is there")
        if wrong:
            raise self.broken(wrong, how)
        for group in self.groups:
            group.settle()

    @staticmethod
    def count_of(history, states, began, ended, wrong):
        """(history, the least and the greatest number of its writes that can be there)."""
        fitting = history.prefixes(states, began, ended)
        if not fitting:
            wrong.append(history.explain(states, began, ended))
            return history, 0, len(history.commands)
        return history, fitting[0], fitting[-1]

    def lacking(self, counts, events, moment, why):
        """What was acknowledged by then and is not there."""
        found = []
        for history, _, most in counts:
            acked = history.acked_before(moment)
            if acked > most:
                found.append("%s: %s, yet only %d of the %d writes are there that were acknowledged in time; the next: %s" % (
                    why, history.name, most, acked, history.commands[most]))
        late = [what for _, acked, there, what in events if not there and acked is not None and acked <= moment]
        found += ["%s, yet it is not there: %s" % (why, what) for what in late[:5]]
        for group in self.groups:
            found += ["%s, yet %s" % (why, what) for what in group.lacking(moment)]
        return found

    def forget(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def without(words, name):
    """A command line without this setting and its one value."""
    if name not in words:
        return words
    place = words.index(name)
    return words[:place] + words[place + 2 :]


def newest(counts, events):
    """When the last write was sent that is there for certain: all that was acknowledged before must be there as well."""
    moments = [history.sent_at[least - 1] for history, least, _ in counts if least > 0]
    moments += [sent for sent, _, there, _ in events if there]
    return max(moments, default=NOTHING)
