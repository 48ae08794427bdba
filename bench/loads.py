"""Starts the load generator (load.c) and its smaller companions on the load's core, and reads their reports."""

import json
import subprocess

from machine import BUILD, LOAD_CORE, pin

FAR_TTL = 36000


class LoadFailed(Exception):
    """The load ended with an error: a wrong reply, a closed connection, a server that hangs."""


def arguments_of(options):
    """Keyword options as the load's own: value=512 is --value 512, sequential=True is --sequential."""
    arguments = []
    for name, value in options.items():
        if value is True:
            arguments.append("--" + name.replace("_", "-"))
        elif value is not None and value is not False:
            arguments += ["--" + name.replace("_", "-"), str(value)]
    return arguments


def start(port, core=LOAD_CORE, **options):
    """Starts a load in the background; finish() waits for it, or terminate() it."""
    return subprocess.Popen([BUILD / "load", "--port", str(port), *arguments_of(options)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=pin(core))


def finish(process):
    out, errors = process.communicate()
    if process.returncode != 0:
        raise LoadFailed(errors.strip())
    return json.loads(out)


def run(port, **options):
    """Runs a load to its end and returns its report."""
    return finish(start(port, **options))


def fill(port, keys, value, first_key=0, ttl=FAR_TTL, **options):
    """Sets each of `keys` keys once."""
    return run(port, mix=options.pop("mix", "set"), keys=keys, count=keys, first_key=first_key, value=value,
               ttl=ttl, sequential=True, clients=4, pipeline=32, **options)


def floor_steps(**options):
    """What the floor must be told to answer the load with these options."""
    return subprocess.run([BUILD / "load", "--floor-steps", *arguments_of(options)],
                          capture_output=True, text=True, check=True).stdout.split()


class Probe:
    """Asks a server something a thousand times a second while the block runs; `report` is there after it."""

    def __init__(self, port, rate=1000):
        self.command = [BUILD / "probe", str(port), str(rate)]
        self.report = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=pin(LOAD_CORE))
        if self.process.stdout.readline() != "ready\n":
            raise LoadFailed("the probe got no reply")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        out, _ = self.process.communicate()
        self.report = json.loads(out) if out else None


class Held:
    """Holds `count` idle connections while the block runs; `count` is then how many there really are."""

    def __init__(self, port, count):
        self.command = [BUILD / "hold", str(port), str(count)]
        self.count = 0

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, preexec_fn=pin(LOAD_CORE))
        self.count = int(self.process.stdout.readline() or 0)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Listeners:
    """Subscribes `count` connections to the channel of the mix `publish` while the block runs. After it they must
    all have got the same messages."""

    def __init__(self, port, count, value):
        self.command = [BUILD / "listen", str(port), str(count), str(value)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=pin(LOAD_CORE))
        if self.process.stdout.readline() != "ready\n":
            raise LoadFailed(self.process.communicate()[1].strip())
        return self

    def __exit__(self, kind, *_):
        out, errors = self.process.communicate()
        if kind is not None:
            return
        if self.process.returncode != 0:
            raise LoadFailed(errors.strip())
        report = json.loads(out)
        if report["least"] != report["most"] or report["least"] == 0:
            raise LoadFailed(f"a listener got {report['least']} messages, another {report['most']}")


class Blocked:
    """Lets `count` clients wait in BRPOP while the block runs, each on a list of its own or all on one; `count` is
    then how many there really are."""

    def __init__(self, port, count, lists):
        self.command = [BUILD / "blocked", str(port), str(count), lists]
        self.count = 0

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=pin(LOAD_CORE))
        self.count = int(self.process.stdout.readline() or 0)
        return self

    def wake(self, pushes):
        """Pushes so many values, each of which must wake the right client; reports how long that took."""
        self.process.stdin.write(f"{pushes}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise LoadFailed(self.process.communicate()[1].strip())
        return json.loads(line)

    def __exit__(self, *_):
        self.process.communicate()
