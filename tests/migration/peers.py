"""The servers that people move from and to: Debian's redis-server 7.0.15, and Valkey and a newer Redis from the folder that
bench/peers.sh makes, where it has been made. Each is started on a data folder as the server under test is."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import server as harness

PEERS = os.environ.get("ORDINAL_PEERS", "/var/tmp/ordinal-peers")
# In a mount namespace that ends with the server, the data folder is /mnt of the peers' root.
IN_CHROOT = 'root=$0; mount --bind /proc "$root/proc" && mount --bind "$1" "$root/mnt" && shift && exec chroot "$root" "$@"'


class Program:
    """A server that can be started on a folder. `name` is what tests are called by."""

    def __init__(self, name, path=None, chroot=None):
        self.name, self.path, self.chroot = name, path, chroot

    def missing(self):
        """Why it cannot be used here, or None."""
        if self.chroot is None:
            return None if self.path is None or os.path.exists(self.path) else "%s is missing: make deps-test" % self.path
        if not os.path.exists(self.chroot + self.path):
            return "%s is not there: bench/peers.sh makes it" % self.chroot
        return None if os.geteuid() == 0 else "only root may chroot"

    def command(self, data):
        if self.chroot is None:
            return [self.path] if self.path else None
        return ["unshare", "--mount", "sh", "-c", IN_CHROOT, self.chroot, str(data), self.path]

    def start(self, data, **settings):
        """A server on this folder, loaded. Its log lies beside the folder."""
        data = Path(data)
        data.mkdir(exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=self.name + "-", dir=data.parent))
        named = {name.replace("_", "-"): value for name, value in settings.items()}
        named["dir"] = "/mnt" if self.chroot else str(data)
        server = harness.Server(directory, named, program=self.command(data), ready=False)
        try:
            server.wait_loaded(60)
        except BaseException:
            server.kill()
            raise
        return server

    def tool(self, name, *arguments):
        """Runs one of its check programs on files of a folder; returns what it printed. Fails as the program does."""
        data, *names = arguments
        if self.chroot is None:
            command = [shutil.which(name), *(str(Path(data, one)) for one in names)]
        else:
            command = ["unshare", "--mount", "sh", "-c", IN_CHROOT, self.chroot, str(data), "/usr/bin/" + name,
                       *("/mnt/" + one for one in names)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def redis7():
    """The package with redis-server would start a service; redis-check-rdb is the same program under another name."""
    link = Path(tempfile.mkdtemp(prefix="ordinal-redis-")) / "redis-server"
    link.symlink_to("/usr/bin/redis-check-rdb")
    return Program("redis7", str(link))


UNDER_TEST = Program("ordinal")
OTHERS = [redis7(), Program("redis8", "/usr/bin/redis-server", PEERS), Program("valkey9", "/usr/bin/valkey-server", PEERS)]
