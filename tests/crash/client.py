"""The clients of a round: each a thread with a connection, which works until the server is gone."""

import threading
import time
import traceback

from harness.resp import Closed, Connection, Error, encode


def refuse_errors(command, reply):
    """An error where none belongs ends the round; so does one inside the reply of EXEC."""
    for one in reply if isinstance(reply, list) else (reply,):
        if isinstance(one, Error):
            raise AssertionError("%r was answered with -%s" % (command[:3], one))


class Client(threading.Thread):
    """Runs `work(connection)`, which loops for ever: the end is that the server closes. `failure` is anything else."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = address
        self.failure = None

    def run(self):
        try:
            with Connection(self.address) as connection:
                self.work(connection)
        except (Closed, ConnectionError):
            pass
        except BaseException:  # pylint: disable=broad-except
            self.failure = traceback.format_exc()

    def work(self, connection):
        raise NotImplementedError

    @staticmethod
    def checked(connection, *command):
        reply = connection(*command)
        refuse_errors(command, reply)
        return reply


class WriterClient(Client):
    """Sends what a Writer composes, some at a time, and notes what is acknowledged."""

    def __init__(self, address, writer):
        super().__init__(address)
        self.writer = writer

    def work(self, connection):
        writer, history = self.writer, self.writer.history
        self.checked(connection, "SELECT", writer.db)
        while True:
            batch, data = [], []
            for _ in range(writer.rng.choice((1, 1, 4, 16, 32))):
                commands, ends, on_reply = writer.compose()
                batch.append((commands, on_reply))
                data += [encode(*command) for command in commands]
                if ends:
                    break
            history.sent_at += [time.monotonic()] * len(batch)
            connection.send(b"".join(data))
            for commands, on_reply in batch:
                for command in commands:
                    reply = connection.read()
                    refuse_errors(command, reply)
                history.acked_at.append(time.monotonic())
                if on_reply:
                    on_reply(reply)
