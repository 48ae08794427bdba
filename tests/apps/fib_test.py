"""The Fibonacci calculator of k8s/examples/fib, on a running Ordinal: the demonstration as it is, then the server and
the workers each alone, with the test in the other's place.

The server binary is ORDINAL, or ./ordinal. What runs the programs is Node.js 20 (tests/apps/node).
"""
import http.client
import json
import subprocess
import time
from urllib.parse import urlsplit

import pytest
import redis

from programs import EXAMPLES, NODE, environment, make_packages

EXAMPLE = EXAMPLES / "fib"
PENDING = "Nothing yet!"
WAIT_SECONDS = 30


def fibonacci(index):
    value, following = 0, 1
    for _ in range(index):
        value, following = following, value + following
    return value


@pytest.fixture(scope="session")
def packages(node):
    make_packages("k8s/examples/fib/fib.mk", "fib-packages")


@pytest.fixture(scope="module")
def stack(packages):
    """Ordinal, the server and three workers; they end when their standard input does."""
    process = subprocess.Popen([NODE, EXAMPLE / "stack.js"], env=environment(), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline()
        assert line, "the stack did not start"
        yield json.loads(line)
    finally:
        process.stdin.close()
        status = process.wait(timeout=60)
        process.stdout.close()
    assert status == 0, "a process of the stack did not stop as it should"


@pytest.fixture
def cache(stack):
    with redis.Redis(port=stack["port"], decode_responses=True, socket_timeout=WAIT_SECONDS) as connection:
        connection.flushall()
        yield connection


def ask(base, path, body=None):
    """A POST of `body`, or a GET; gives status and reply."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=WAIT_SECONDS)
    try:
        text = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, text, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def wait_until(true):
    until = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.005)


@pytest.fixture
def program(packages, tmp_path):
    """A function that starts server.js or worker.js by itself and gives its process, once it says `ready`."""
    processes = []

    def start(script, ready, **settings):
        process = subprocess.Popen([NODE, EXAMPLE / script], text=True, stdout=subprocess.PIPE, cwd=tmp_path,
                                   env={**environment(), **{name: str(value) for name, value in settings.items()}})
        processes.append(process)
        line = process.stdout.readline()
        assert ready in line, line
        process.said = line
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=WAIT_SECONDS)
        finally:
            process.kill()
            process.stdout.close()
        assert process.returncode in (0, -9), "a program did not stop as it should"


def test_the_demonstration_keeps_all_its_promises(packages):
    done = subprocess.run([NODE, EXAMPLE / "demo.js"], env=environment(), timeout=170, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    results = [line.strip() for line in lines if line.strip().startswith("fib(")]
    assert results == ["fib(%d) = %d" % (index, fibonacci(index)) for index in range(200)]
    promises = [line for line in lines if line.startswith("ok ")]
    assert len(promises) == 5 and lines[-1].startswith("PASS") and "Node.js v20." in lines[-1], done.stdout


def test_a_submitted_index_is_pending_and_queued_until_a_worker_has_it(cache, program, start_server):
    """A server whose cache nobody else knows: no worker takes what it submits."""
    alone = start_server()
    server = program("server.js", "listening on ", REDIS_PORT=alone.port, PORT=0)
    base = server.said.split()[-1]
    for index in (7, 50, 7):
        assert ask(base, "/values", {"index": index}) == (200, {"working": True})
    with redis.Redis(port=alone.port, decode_responses=True) as its_cache:
        assert its_cache.lrange("tasks", 0, -1) == ["7", "50", "7"]
        assert its_cache.hgetall("values") == {"7": PENDING, "50": PENDING}
        its_cache.hset("values", "7", "13")
    assert ask(base, "/values/current") == (200, {"7": "13", "50": PENDING})
    assert [one["number"] for one in ask(base, "/values/all")[1]] == [7, 50, 7]
    assert ask(base, "/readyz") == (200, {"ready": True})


@pytest.mark.parametrize("index", [-1, 10_001, 1.5, "many", None], ids=str)
def test_an_index_out_of_range_is_refused_and_leaves_nothing(stack, cache, index):
    assert ask(stack["server"], "/values", {"index": index} if index is not None else {})[0] == 422
    assert cache.exists("tasks", "values") == 0


def test_workers_do_what_any_client_pushes(cache):
    indexes = range(300)
    cache.hset("values", mapping={str(index): PENDING for index in indexes})
    cache.lpush("tasks", *indexes)
    wait_until(lambda: PENDING not in cache.hvals("values"))
    assert cache.hgetall("values") == {str(index): str(fibonacci(index)) for index in indexes}
    assert cache.exists("tasks") == 0


def test_a_known_number_is_not_computed_again(cache):
    cache.hset("values", mapping={"5": "known", "6": PENDING})
    cache.lpush("tasks", 5, 6, 9)
    wait_until(lambda: cache.hget("values", "9") and cache.hget("values", "6") != PENDING)
    assert cache.hgetall("values") == {"5": "known", "6": "8", "9": "34"}


def test_the_log_outlives_a_server_that_is_killed(program, start_server, tmp_path):
    cache = start_server()
    settings = {"REDIS_PORT": cache.port, "PORT": 0, "SUBMISSIONS": tmp_path / "log.db"}
    first = program("server.js", "listening on ", **settings)
    for index in range(20):
        assert ask(first.said.split()[-1], "/values", {"index": index})[0] == 200
    first.kill()
    first.wait()
    second = program("server.js", "listening on ", **settings)
    status, log = ask(second.said.split()[-1], "/values/all")
    assert status == 200 and [one["number"] for one in log] == list(range(20))


def test_workers_and_server_connect_again_when_the_cache_has_restarted(program, start_server):
    cache = start_server()
    server = program("server.js", "listening on ", REDIS_PORT=cache.port, PORT=0)
    worker = program("worker.js", "waits for tasks", REDIS_PORT=cache.port)
    base = server.said.split()[-1]
    cache.stop()
    cache = start_server(port=cache.port)
    wait_until(lambda: ask(base, "/readyz")[0] == 200)
    assert ask(base, "/values", {"index": 30})[0] == 200
    assert worker.stdout.readline().endswith("took 30\n")
    assert worker.stdout.readline().endswith("did 30\n")
    assert ask(base, "/values/current") == (200, {"30": "832040"})


def test_reads_and_writes_may_go_to_different_addresses(program, start_server):
    """REDIS_HOST2 and REDIS_PORT2: here a cache of its own stands for each, which shows who gets what."""
    reads, writes = start_server(), start_server()
    addresses = {"REDIS_PORT": reads.port, "REDIS_HOST2": "127.0.0.1", "REDIS_PORT2": writes.port}
    worker = program("worker.js", "waits for tasks", **addresses)
    with redis.Redis(port=reads.port) as replica, redis.Redis(port=writes.port) as master:
        replica.hset("values", "8", "known there")
        master.lpush("tasks", 8, 9)
        for word in ("took 8", "did 8", "took 9", "did 9"):
            assert worker.stdout.readline().endswith(word + "\n")
        assert master.hgetall("values") == {b"9": b"34"}
        assert replica.hgetall("values") == {b"8": b"known there"}


def test_a_worker_told_to_end_finishes_its_task_first(program, start_server):
    cache = start_server()
    worker = program("worker.js", "waits for tasks", REDIS_PORT=cache.port, WORK_MS=200)
    with redis.Redis(port=cache.port, decode_responses=True) as its_cache:
        its_cache.lpush("tasks", 10, 11)
        assert worker.stdout.readline().endswith("took 10\n")
        worker.terminate()
        assert worker.wait(timeout=WAIT_SECONDS) == 0
        assert worker.stdout.read().endswith("did 10\n")
        assert its_cache.hgetall("values") == {"10": "55"}
        assert its_cache.lrange("tasks", 0, -1) == ["11"]
