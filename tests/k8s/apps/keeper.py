"""Writes through the Service, one key after the other, and reads each over another connection, which may lead to any pod.

It ends at SIGTERM, and says in one line of JSON what it has seen:

    written    keys whose write was acknowledged
    stale      … that the other connection did not have right after
    errors     replies that were errors, by their text
    cut        times that a connection was lost in the midst of a command, which was sent once more
    refused    times that no connection could be made
    longest    the longest time that one key took, in seconds
    lost       (after SIGTERM, once all pods answer) keys that are gone

HOST, PASSWORD and PREFIX say where, and what the keys begin with. A connection is used for so many keys, and then made anew.
"""

import json
import os
import signal
import sys
import time

from resp import Client, ReplyError

KEYS_PER_CONNECTION = 20
SECONDS = 20  # that a command may take
host, password, prefix = os.environ["HOST"], os.environ.get("PASSWORD", ""), os.environ.get("PREFIX", "keeper")
told = {"written": 0, "stale": 0, "errors": {}, "cut": 0, "refused": 0, "longest": 0}
stopping = False


def stop(*_):
    global stopping
    stopping = True


def connect():
    while True:
        try:
            return Client(host, password, SECONDS)
        except OSError:
            told["refused"] += 1
            time.sleep(0.05)


class Connection:
    """One that is made anew when it is lost: a command that was cut off is sent once more, as often as it takes."""

    def __init__(self):
        self.client = None
        self.left = 0

    def ask(self, *words):
        while True:
            if self.client is None or self.left == 0:
                self.close()
                self.client, self.left = connect(), KEYS_PER_CONNECTION
            self.left -= 1
            try:
                return self.client(*words)
            except OSError:
                told["cut"] += 1
                self.close()

    def close(self):
        if self.client is not None:
            self.client.close()
            self.client = None


def step(writer, reader, number):
    key, began = "%s:%d" % (prefix, number), time.monotonic()
    try:
        writer.ask("SET", key, number)
        told["written"] += 1
        if reader.ask("GET", key) != b"%d" % number:
            told["stale"] += 1
    except ReplyError as error:
        told["errors"][str(error)] = told["errors"].get(str(error), 0) + 1
    told["longest"] = max(told["longest"], round(time.monotonic() - began, 2))


def count_lost(reader, written, at_once=500):
    lost = 0
    for first in range(0, written, at_once):
        numbers = range(first, min(first + at_once, written))
        values = reader.ask("MGET", *("%s:%d" % (prefix, number) for number in numbers))
        lost += sum(value != b"%d" % number for value, number in zip(values, numbers))
    return lost


signal.signal(signal.SIGTERM, stop)
writer, reader, number = Connection(), Connection(), 0
print("keeper begins", flush=True)
while not stopping:
    step(writer, reader, number)
    number += 1
    time.sleep(0.005)
told["lost"] = count_lost(reader, number) if not told["errors"] else None
print(json.dumps(told), flush=True)
sys.exit(0)
