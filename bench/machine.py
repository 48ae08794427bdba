"""The machine: which cores the servers and the load get, what it is called in a report, and what it allows.

The server under test has one core to itself and the load another, since a load on the server's core would be
measured as the server's slowness. On a machine with one core both share it, and the report says so.
"""

import os
import platform
import resource
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
LOAD_CORE = CORES[-1]


PRIORITY = {"wanted": False}


def pin(*cores):
    """A function for subprocess's preexec_fn: run on these cores, with as many open files as are allowed."""

    def prepare():
        os.sched_setaffinity(0, cores)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if PRIORITY["wanted"]:
            take_priority()

    return prepare


def take_priority():
    """Puts this process before whatever else the machine does.

    Where the kernel groups processes by session, a priority counts only within its group: so the process gets a
    group of its own, and the group gets the priority.
    """
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    os.setsid()
    group = Path("/proc/self/autogroup")
    if group.exists():
        group.write_text("-20")


def most_files():
    """How many files, and so connections, one process may have open here."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def processor_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def describe():
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": processor_name(),
        "cores": len(CORES),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "priority": PRIORITY["wanted"],
    }
