"""What lies in a data folder, and waiting for what a server does to it."""

import os
import time

WAIT_SECONDS = 30


def wait_until(condition, what, seconds=WAIT_SECONDS):
    """Polls what nothing tells of by itself; returns what the condition returned."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < until, "waited in vain: " + what
        time.sleep(0.01)


def persistence(server):
    return server.info("persistence")


def rewrite_ended(server):
    info = persistence(server)
    return info if info["aof_rewrite_in_progress"] == "0" and info["aof_rewrite_scheduled"] == "0" else None


def save_ended(server):
    info = persistence(server)
    return info if info["rdb_bgsave_in_progress"] == "0" else None


def rewrite(server):
    """BGREWRITEAOF and its end; returns INFO's fields then."""
    reply = server("BGREWRITEAOF")
    assert reply == "Background append only file rewriting started", reply
    return wait_until(lambda: rewrite_ended(server), "the rewrite ends")


def save(server):
    """BGSAVE and its end."""
    reply = server("BGSAVE")
    assert reply == "Background saving started", reply
    return wait_until(lambda: save_ended(server), "the snapshot ends")


def manifest_names(folder):
    """The files that a folder's manifest names, and the manifest itself."""
    manifests = [name for name in os.listdir(folder) if name.endswith(".manifest")]
    assert len(manifests) == 1, sorted(os.listdir(folder))
    with open(os.path.join(folder, manifests[0])) as text:
        return {line.split()[1] for line in text if line.strip()} | set(manifests)


def aof_leftovers(data):
    """What lies in the append-only folder and is none of its files, and temporary files beside it."""
    folder = os.path.join(data, "appendonlydir")
    return sorted(set(os.listdir(folder)) - manifest_names(folder)) + temporary_files(data)


def temporary_files(data):
    return sorted(name for name in os.listdir(data) if name.startswith("temp"))
