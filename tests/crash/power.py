"""A power cut: takes away from a data folder what a server had not synced. power_shim.c, loaded into the server, notes what it
had synced.

What a file system keeps of the rest is its own choice, so each time one of the extremes is taken at random: all changes of names
since a folder's last fsync are kept, or none of them; of each file the bytes behind the last fsync are kept, lost, or
cut somewhere.
"""

import os
import shutil
import subprocess
from pathlib import Path

from harness.server import ROOT

LIBRARY = "build/tests/crash/power_shim.so"


def library():
    """Builds the library when it is not current, and returns its path."""
    subprocess.run(["make", "--silent", LIBRARY], cwd=ROOT, check=True)
    return os.path.join(ROOT, LIBRARY)


class Power:
    """The power of one data folder; `beside` is a folder on the same file system."""

    def __init__(self, data, beside):
        self.data = Path(data)
        self.folder = Path(beside)
        self.journal = self.folder / "journal"
        self.saved = self.folder / "saved"
        self.environment = {"LD_PRELOAD": library(), "POWER_CUT_DIR": str(self.folder)}
        self.restart()

    def restart(self):
        """What is there now is on the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.saved.mkdir(parents=True)
        self.synced, self.listings = {}, {}
        for folder, _, names in os.walk(self.data):
            self.listings[folder] = {name: os.stat(os.path.join(folder, name)).st_ino for name in names}
            for name in names:
                status = os.stat(os.path.join(folder, name))
                self.synced[status.st_ino] = status.st_size

    def read_journal(self):
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        listing = None
        for line in lines:
            kind, first, rest = line.split(" ", 2)
            if kind == "F":
                self.synced[int(first)] = int(rest)
            elif kind == "D":
                listing = self.listings[rest] = {}
            else:
                listing[rest] = int(first)

    def cut(self, rng):
        """After a kill: leaves what the disk had. Returns words about it."""
        self.read_journal()
        names_lost = rng.random() < 0.5
        if names_lost:
            for folder, listing in self.listings.items():
                self.restore_names(Path(folder), listing)
        cuts = [self.cut_file(Path(folder) / name, rng) for folder, _, names in os.walk(self.data) for name in names]
        return "power cut: names %s%s" % ("as last synced" if names_lost else "kept", "".join(filter(None, cuts)))

    def restore_names(self, folder, listing):
        """The files of the folder under the names that it had when it was last synced."""
        there = {os.stat(path).st_ino: path for path in folder.iterdir() if path.is_file()}
        aside = self.folder / "aside"
        aside.mkdir()
        for inode, path in there.items():
            path.rename(aside / str(inode))
        for name, inode in listing.items():
            source = next((path for path in (aside / str(inode), self.saved / str(inode)) if path.exists()), None)
            assert source is not None, "the shim has missed how %s lost its name" % name
            os.link(source, folder / name)
        shutil.rmtree(aside)

    def cut_file(self, path, rng):
        size = path.stat().st_size
        least = min(size, self.synced.get(path.stat().st_ino, 0))
        keep = rng.choice((least, size, rng.randint(least, size)))
        if keep == size:
            return ""
        os.truncate(path, keep)
        return ", %s %d of %d bytes" % (path.name, keep, size)
