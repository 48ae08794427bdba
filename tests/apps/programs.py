"""What the tests of programs share: where the examples are, what runs them, and the server that they are given."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "k8s/examples"
NODE = ROOT / "tests/apps/node"
PACKAGES_SECONDS = 300


def environment():
    """The environment of a program that starts the server by itself: ORDINAL as an absolute path."""
    binary = os.environ.get("ORDINAL", str(ROOT / "ordinal"))
    return {**os.environ, "ORDINAL": str(Path(binary).absolute())}


def make_packages(makefile, target):
    """Fetches packages from npm, if they are not there, by a target of a part of the Makefile."""
    command = ["make", "-s", "-f", makefile, target]
    subprocess.run(command, cwd=ROOT, check=True, timeout=PACKAGES_SECONDS)
