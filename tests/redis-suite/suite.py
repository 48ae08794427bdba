"""Runs files of Redis's test suite, each against a fresh server, and counts what passed.

files.txt says which files run and how, skip.txt which tests of them do not, and why. A file runs in one of two
ways. `external`: the suite gets host and port of a server that this program started, and leaves out what it can
only test on servers that it starts itself. `spawned`: it starts them itself, several one after another with
settings of their own; its src/redis-server is then a script that starts the server under test. `long` is the same,
of a file that takes more than a minute: it runs when it is named, or with --all.

The exit status is 0 only if something ran and nothing failed.
"""

import argparse
import concurrent.futures
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness.ports import free_port  # noqa: E402

REPOSITORY = HERE.parents[1]
ORACLE_PROGRAM = Path("/usr/bin/redis-check-rdb")
FILE_SECONDS = {"external": 600, "spawned": 600, "long": 1200}  # the longest take 75 and 440 on two cores
START_SECONDS = 20
PORTS = 100  # for each place
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LINE = re.compile(r"^\[(ok|err|exception|skip|ignore|timeout)\]: (.*)$", re.IGNORECASE)
ELAPSED = re.compile(r" \(\d+ ms\)$")

# As the suite's own default.conf, for the servers that this program starts.
SETTINGS = {
    "save": "",
    "enable-debug-command": "yes",
    "enable-protected-configs": "yes",
    "latency-monitor-threshold": "1",
    "notify-keyspace-events": "KEA",
    "repl-diskless-sync-delay": "0",
}


class File(NamedTuple):
    """A row of files.txt: `how` is external, spawned, long or no."""

    name: str
    how: str
    reason: str


class Outcome(NamedTuple):
    passed: int
    failures: List[str]
    left_out: int
    seconds: float


def read_files() -> List[File]:
    rows = []
    for line in (HERE / "files.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, how, *reason = line.split(None, 2)
            rows.append(File(name, how, reason[0] if reason else ""))
    return rows


def read_skips() -> Dict[str, List[str]]:
    """Test names to leave out, by file. A row of skip.txt is: FILE :: NAME :: REASON."""
    skips: Dict[str, List[str]] = {}
    for number, line in enumerate((HERE / "skip.txt").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split(" :: ")]
        if len(fields) != 3 or not all(fields):
            raise SystemExit(f"skip.txt:{number}: not FILE :: NAME :: REASON")
        skips.setdefault(fields[0], []).append(fields[1])
    return skips


# -- the server under test ------------------------------------------------------------------------------------------


def program(oracle: bool, directory: Path) -> str:
    """The server's path: Ordinal's, or a link that makes redis-check-rdb act as redis-server."""
    if not oracle:
        return os.path.abspath(os.environ.get("ORDINAL") or REPOSITORY / "ordinal")
    link = directory / "redis-server"
    link.symlink_to(ORACLE_PROGRAM)
    return str(link)


def wait_until_ready(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
                sock.sendall(b"PING\r\n")
                if sock.recv(64).startswith(b"+PONG"):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"the server did not start:\n{log.read_text(errors='replace')}")


def start_server(path: str, port: int, directory: Path) -> subprocess.Popen:
    command = [path, "--port", str(port)]
    for name, value in SETTINGS.items():
        command += ["--" + name, value]
    log = directory / "log"
    with open(log, "wb") as out:
        process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_until_ready(process, port, log)
    except BaseException:
        stop(process)
        raise
    return process


def stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


# -- the suite --------------------------------------------------------------------------------------------------------


def prepare(suite: Path, copy: Path, path: str) -> None:
    """A copy of the suite whose src/ has the programs that it calls, and that runs where FUNCTION is missing."""
    for name in ("tests", "utils"):
        shutil.copytree(suite / name, copy / name, symlinks=True)
    for name in ("runtest", "redis.conf"):
        shutil.copy2(suite / name, copy / name)
    (copy / "tests/tmp").mkdir(exist_ok=True)
    source = copy / "src"
    source.mkdir()
    for name in ("redis-cli", "redis-benchmark", "redis-check-rdb", "redis-check-aof"):
        (source / name).symlink_to(Path("/usr/bin", name))
    (source / "redis-server").symlink_to(path)
    adapt_server(copy / "tests/support/server.tcl")
    adapt_files(copy / "tests")


def adapt_files(tests: Path) -> None:
    """Where a file counts on what Ordinal does otherwise, and rightly."""
    # What ends the server is among the last lines, with what to do about it, and with what another thread says.
    replace(tests / "integration/aof.tcl", "exec tail -1 <", "exec tail -5 <")
    # Which of two connections' commands comes first is not given where several loops serve them.
    both = "        $rd1 brpoplpush blist{t} target1{t} 0\n", "        $rd2 brpoplpush blist{t} target2{t} 0\n"
    waits = [line + f"        wait_for_blocked_clients_count {n}\n" for n, line in enumerate(both, 1)]
    replace(tests / "unit/type/list.tcl", "".join(both), "".join(waits))
    # Half a second of writes before a rewrite is as good as three.
    replace(tests / "unit/aofrw.tcl", "after 3000", "after 500")
    # A connection that is killed goes on its own loop, and what was kept for it then.
    kill = "$master client kill type slave"
    gone = "wait_for_condition 50 100 {[s -1 connected_slaves] == 0} else {fail {still there}}"
    replace(tests / "unit/maxmemory.tcl", kill, f"{kill}\n            {gone}")
    adapt_maxmemory(tests / "unit/maxmemory.tcl")
    adapt_replication(tests / "integration")


def adapt_maxmemory(file: Path) -> None:
    """The buffers of clients that have gone must not count in the next test: each loop closes its own, when it comes to that."""
    closed = "        foreach rr $clients {\n            $rr close\n        }\n"
    gone = "[s connected_clients] <= 2"
    wait = f'        wait_for_condition 100 50 {{{gone}}} else {{fail "clients are still there"}}\n'
    replace(file, closed, closed + wait)


def adapt_replication(integration: Path) -> None:
    """Where a test of replication does something with scripts or streams beside what it is about, it does not; and
    what it waits for in the log has Ordinal's words."""
    file = integration / "replication.tcl"
    for old, new in (
        ("*Timeout connecting to the MASTER*", "*nothing has come for*"),
        ("*Diskless rdb transfer, last replica dropped, killing fork child*", "*snapshot for replicas was given up*"),
        ("*Diskless rdb transfer, done reading from pipe, 2 replicas still up*", "*snapshot for replicas is complete*"),
        ("*Diskless rdb transfer, done reading from pipe, 1 replicas still up*", "*snapshot for replicas is complete*"),
        ("*Background RDB transfer started by pid*", "*snapshot for * begins*"),
        ("*Internal error in RDB*", "*what has come of the snapshot is dropped*"),
        # A snapshot is spooled: it ends before a replica that does not take it.
        (
            '"*Disconnecting timedout replica (full sync)*"} $loglines 1 1',
            '"*Disconnecting timedout replica (full sync)*"} $loglines 100 100',
        ),
        # The log is kept in blocks of 1 MB.
        ("[string repeat A 16384]", "[string repeat A 1000000]"),
        ("asks for synchronization but with a wrong offset}", "asks for synchronization but with a wrong offset*}"),
        ("$replica function load {", "list {"),
        ("$master function load {", "list {"),
        ("r function load {", "list {"),
    ):
        replace(file, old, new)
    drop_lines(file, "$replica fcall test 0", "r xadd ", "r xgroup ", "r xreadgroup ")
    file = integration / "replication-4.tcl"
    replace(file, "$master FUNCTION load replace {", "list {")
    drop_lines(file, "$master eval ")
    # Without save points nothing but the first append-only file would keep the data.
    replace(
        integration / "shutdown.tcl",
        "$master config set appendonly yes",
        '$master config set save ""; $master config set appendonly yes',
    )
    # Commands of two connections may run on two loops.
    replace(
        integration / "shutdown.tcl",
        "set info_clients [$master info clients]",
        "wait_for_condition 50 20 {[string match {*blocked_clients:2*} [$master info clients]]} else {fail {not blocked}}\n"
        "            set info_clients [$master info clients]",
    )
    # What expired while the master was away is loaded, and goes when it serves; its log says so.
    replace(
        integration / "psync2-master-restart.tcl",
        "set expired_offset [status $master repl_backlog_histlen]",
        "wait_for_condition 50 100 {[status $master expired_keys] == 1024} else {fail {not expired}}\n"
        "        set expired_offset [status $master repl_backlog_histlen]",
    )
    drop_lines(integration / "psync2-master-restart.tcl", "rdb_last_load_keys_expired] == 1024")


def adapt_server(script: Path) -> None:
    """Functions may be missing, and the line that tells the process id, once the port is open, has its own words."""
    replace(script, "    r function flush\n", "    catch {r function flush}\n")
    replace(script, "set checkperiod 100;", "set checkperiod 10;")
    told = '[regexp -- " PID: $pid" [exec cat $stdout]]'
    ours = '[regexp -- "(PID: |, pid )$pid\\\\M" [exec cat $stdout]]'
    replace(script, told, f"{ours} || [catch {{exec kill -0 $pid}}]")


def drop_lines(path: Path, *having: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    for text in having:
        if not any(text in line for line in lines):
            raise SystemExit(f"{path.name} of the suite is not as expected: {text!r} is missing")
    path.write_text("".join(line for line in lines if not any(text in line for text in having)))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if old not in text:
        raise SystemExit(f"{path.name} of the suite is not as expected: {old.strip()!r} is missing")
    path.write_text(text.replace(old, new))


class Place(NamedTuple):
    """Where a file runs: a copy of the suite that no other file uses meanwhile, and ports for the servers that it starts."""

    copy: Path
    base_port: int


def command(file: File, base_port: int, port: int, skips: List[str]) -> List[str]:
    words = ["./runtest", "--single", file.name, "--durable", "--ignore-encoding", "--clients", "1"]
    words += ["--timeout", str(FILE_SECONDS[file.how])]
    words += ["--baseport", str(base_port), "--portcount", str(PORTS)]
    if file.how == "external":
        words += ["--host", "127.0.0.1", "--port", str(port)]
    for name in skips:
        words += ["--skiptest", name]
    return words


def clients_of(port: int) -> str:
    """What the server says of its clients, for a file that does not end: who waits, and for what."""
    words = ["redis-cli", "-p", str(port), "CLIENT", "LIST"]
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{error}\n"


def run_file(file: File, place: Place, path: str, skips: List[str], verbose: bool) -> Outcome:
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="redis-suite-") as directory:
        port = free_port()
        server = start_server(path, port, Path(directory)) if file.how == "external" else None
        try:
            words = command(file, place.base_port, port, skips)
            output = run_suite(words, place.copy, FILE_SECONDS[file.how], lambda: clients_of(port))
            if server is not None and server.poll() is not None:
                output += f"\n[err]: the server ended with status {server.returncode}\n"
                output += Path(directory, "log").read_text(errors="replace")[-2000:]
        finally:
            if server is not None:
                stop(server)
    if verbose:
        print(output)
    return outcome(output, time.monotonic() - start)


def run_suite(words: List[str], copy: Path, seconds: int, explain: Callable[[], str]) -> str:
    """The suite's output, bounded in time: what does not end is killed, once `explain` has been asked why.

    It runs in a process group, since it starts processes of its own.
    """
    process = subprocess.Popen(
        words,
        cwd=copy,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        why = explain()
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        last = COLOURS.sub("", "".join(f"  {line}\n" for line in output.splitlines()[-2:]))
        return COLOURS.sub("", f"{output}\n[err]: no end within {seconds} s, after:\n{last}{why}")
    if process.returncode not in (0, 1):
        output += f"\n[err]: runtest ended with status {process.returncode}\n"
    elif process.returncode == 1 and "[err]" not in COLOURS.sub("", output):
        output += "\n[err]: runtest failed without naming a test\n"
    return COLOURS.sub("", output)


def outcome(output: str, seconds: float) -> Outcome:
    """What the suite's lines say; a failure comes with the lines below it."""
    passed, left_out, failures = 0, 0, []
    lines = output.splitlines()
    for at, line in enumerate(lines):
        found = LINE.match(line)
        kind = found.group(1).lower() if found else ""
        if kind == "ok":
            passed += 1
        elif kind in ("skip", "ignore"):
            left_out += 1
        elif kind in ("err", "exception", "timeout"):
            failures.append("\n      ".join([ELAPSED.sub("", found.group(2))] + details(lines[at + 1 :])))
    return Outcome(passed, failures, left_out, seconds)


def details(lines: List[str]) -> List[str]:
    """The lines that belong to a failure: those before the next result, eight at most."""
    own = []
    for line in lines[:8]:
        if line.startswith("[") or not line.strip():
            break
        own.append(line[:300])
    return own


# -- all files ----------------------------------------------------------------------------------------------------------


def arguments():
    parser = argparse.ArgumentParser(description="Redis's own test suite against Ordinal.")
    parser.add_argument("files", nargs="*", help="files to run, as unit/type/string (default: those of files.txt)")
    parser.add_argument("--suite", type=Path, required=True, help="redis's source folder")
    parser.add_argument("--jobs", type=int, default=2, help="files that run at the same time (most of them mostly wait)")
    parser.add_argument("--all", action="store_true", help="run the long files too")
    parser.add_argument("--oracle", action="store_true", help="run against redis-server 7.0.15")
    parser.add_argument("--no-skips", action="store_true", help="run the tests of skip.txt too")
    parser.add_argument("--verbose", action="store_true", help="print all that the suite prints")
    return parser.parse_args()


def chosen(names: List[str], all_files: bool) -> List[File]:
    rows = read_files()
    if not names:
        left_out = ("no",) if all_files else ("no", "long")
        return [row for row in rows if row.how not in left_out]
    known = {row.name: row for row in rows}
    how = {name: known[name].how if name in known else "external" for name in names}
    return [File(name, "external" if how[name] == "no" else how[name], "") for name in names]


def make_places(options, directory: Path, path: str) -> "queue.Queue[Place]":
    places: "queue.Queue[Place]" = queue.Queue()
    first = 20000 + os.getpid() % 20 * options.jobs * PORTS
    for number in range(options.jobs):
        copy = directory / str(number)
        copy.mkdir()
        prepare(options.suite, copy, path)
        places.put(Place(copy, first + number * PORTS))
    return places


def tell(file: File, result: Outcome) -> None:
    print(
        f"{file.name}: {result.passed} passed, {len(result.failures)} failed, {result.left_out} left out, "
        f"{result.seconds:.1f} s ({file.how})",
        flush=True,
    )
    for failure in result.failures:
        print(f"    {failure}", flush=True)


def main() -> int:
    options = arguments()
    skips = {} if options.no_skips else read_skips()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="redis-suite-copy-") as directory:
        path = program(options.oracle, Path(directory))
        places = make_places(options, Path(directory), path)

        def run(file: File) -> Outcome:
            place = places.get()
            try:
                return run_file(file, place, path, skips.get(file.name, []), options.verbose)
            finally:
                places.put(place)

        files = chosen(options.files, options.all)
        results = []
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for file, result in zip(files, pool.map(run, files)):
                tell(file, result)
                results.append(result)
    passed = sum(result.passed for result in results)
    failed = sum(len(result.failures) for result in results)
    for file, result in zip(files, results):
        for failure in result.failures:
            print(f"FAILED {file.name}: {failure}", flush=True)
    print(f"{passed} passed, {failed} failed ({time.monotonic() - start:.0f} s)")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
