"""Clients that people use, used as people use them: python3-redis, redis-cli, and a C program on hiredis."""

import subprocess
import threading

import pytest
import redis

from harness.server import is_sanitized


@pytest.fixture
def api(server):
    """python3-redis's ordinary client."""
    client = redis.Redis(port=server.port, decode_responses=True, socket_timeout=60)
    yield client
    client.close()


def test_python_strings(api):
    assert api.set("name", "Ada") is True
    assert api.get("name") == "Ada"
    assert api.get("absent") is None
    assert api.set("name", "x", nx=True) is None
    assert api.set("name", "Ada L.", xx=True, get=True) == "Ada"
    assert api.append("name", "!") == 7
    assert api.strlen("name") == 7
    assert api.getrange("name", 0, 2) == "Ada"
    assert api.setrange("name", 4, "B") == 7
    assert api.getdel("name") == "Ada B.!"
    assert api.incr("counter") == 1
    assert api.incrby("counter", 41) == 42
    assert api.decr("counter", 2) == 40
    assert api.incrbyfloat("counter", 0.5) == 40.5
    assert api.mset({"a": 1, "b": 2}) is True
    assert api.msetnx({"b": 3, "c": 3}) is False
    assert api.mget("a", "b", "c") == ["1", "2", None]
    assert api.setbit("bits", 7, 1) == 0
    assert api.getbit("bits", 7) == 1
    assert api.bitcount("bits") == 1
    assert api.bitop("NOT", "inverted", "bits") == 1
    assert api.bitpos("inverted", 1) == 0
    assert api.bitfield("field").set("u8", "#1", 200).incrby("u8", "#1", 100).execute() == [0, 44]
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        api.incr("counter")


def test_python_expiry(api):
    assert api.set("session", "abc", ex=100) is True
    assert 99 <= api.ttl("session") <= 100
    assert 99_000 <= api.pttl("session") <= 100_000
    assert api.expire("session", 50, lt=True) is True
    assert api.expire("session", 100, lt=True) is False
    assert api.expiretime("session") > 1_600_000_000
    assert api.persist("session") is True
    assert api.ttl("session") == -1
    assert api.getex("session", px=5000) == "abc"
    assert 0 < api.pttl("session") <= 5000
    assert api.ttl("absent") == -2
    assert api.expireat("session", 1) is True
    assert api.exists("session") == 0


def test_python_keys(api):
    for number in range(500):
        api.set("user:%d" % number, number)
    assert api.dbsize() == 500
    assert sorted(api.keys("user:49?")) == sorted("user:49%d" % digit for digit in range(10))
    assert set(api.scan_iter(match="user:*", count=37)) == {"user:%d" % number for number in range(500)}
    assert api.type("user:1") == "string"
    assert api.randomkey().startswith("user:")
    assert api.rename("user:1", "renamed") is True
    assert api.renamenx("user:2", "renamed") is False
    assert api.copy("renamed", "copy") is True
    assert api.touch("copy", "renamed", "absent") == 2
    assert api.delete("copy", "absent") == 1
    assert api.unlink("renamed") == 1
    assert api.object("encoding", "user:3") == "int"
    dumped = redis.Redis(connection_pool=api.connection_pool)
    assert dumped.exists("user:3") == 1
    assert api.flushdb() is True
    assert api.dbsize() == 0


def test_python_dump_and_restore(server):
    client = redis.Redis(port=server.port)
    client.set("k", b"\x00\xffbinary" * 100)
    payload = client.dump("k")
    assert client.restore("copy", 0, payload) == b"OK"
    assert client.get("copy") == b"\x00\xffbinary" * 100
    with pytest.raises(redis.ResponseError, match="DUMP payload version or checksum are wrong"):
        client.restore("bad", 0, payload[:-1] + b"x")
    client.close()


def test_python_pipeline(api):
    pipeline = api.pipeline(transaction=False)
    for number in range(10_000):
        pipeline.set("k%d" % number, number).get("k%d" % number)
    replies = pipeline.execute()
    assert replies[::2] == [True] * 10_000
    assert replies[1::2] == [str(number) for number in range(10_000)]
    pipeline = api.pipeline(transaction=False)
    pipeline.set("text", "x").incr("text").get("text")
    replies = pipeline.execute(raise_on_error=False)
    assert replies[0] is True and isinstance(replies[1], redis.ResponseError) and replies[2] == "x"


def test_python_server_commands(api, server):
    assert api.ping() is True
    assert api.echo("x") == "x"
    info = api.info()
    for name in ("redis_version", "process_id", "tcp_port", "uptime_in_seconds", "connected_clients", "used_memory",
                 "maxmemory_policy", "total_commands_processed", "keyspace_hits", "expired_keys", "evicted_keys", "role",
                 "used_cpu_sys", "mem_fragmentation_ratio", "total_net_input_bytes", "instantaneous_ops_per_sec"):
        assert name in info, name
    assert info["tcp_port"] == server.port and info["process_id"] == server.pid
    assert api.config_set("maxmemory", "100mb") is True
    assert api.config_get("maxmemory") == {"maxmemory": "104857600"}
    seconds, microseconds = api.time()
    assert seconds > 1_600_000_000 and 0 <= microseconds < 1_000_000
    assert api.client_setname("tester") is True
    assert [row["name"] for row in api.client_list() if row["id"] == str(api.client_id())] in (["tester"], [""])
    assert api.command_count() > 70
    assert api.command()["get"]["arity"] == 2
    assert api.memory_usage("absent") is None
    assert isinstance(api.slowlog_get(), list)
    assert api.config_resetstat() is True


def test_python_threads_share_a_pool(api):
    def work(name):
        for _ in range(200):
            api.incr("shared")
            api.set(name, name)
            assert api.get(name) == name

    failures = []

    def guarded(name):
        try:
            work(name)
        except Exception as failure:  # told by the main thread
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=("t%d" % number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert api.get("shared") == "1600"


def test_python_with_a_password_and_a_database(start_server):
    server = start_server(requirepass="secret")
    url = "redis://:secret@127.0.0.1:%d/7" % server.port
    with redis.Redis.from_url(url, decode_responses=True) as client:
        assert client.set("k", "v") is True
        assert client.get("k") == "v"
    with redis.Redis(port=server.port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_python_over_a_unix_socket(start_server, tmp_path):
    path = str(tmp_path / "socket")
    start_server(unixsocket=path)
    with redis.Redis(unix_socket_path=path) as client:
        assert client.set("k", "v") is True


def test_python_lock(api):
    """The pattern that locks are made of: SET NX PX, and GETDEL to let go."""
    assert api.set("lock", "token-1", nx=True, px=60_000) is True
    assert api.set("lock", "token-2", nx=True, px=60_000) is None
    assert api.getdel("lock") == "token-1"
    assert api.set("lock", "token-2", nx=True, px=60_000) is True


def run_cli(redis_cli, server, *arguments, stdin=None):
    """redis-cli's standard output; it must succeed."""
    result = subprocess.run(
        [redis_cli, "-p", str(server.port), *arguments],
        input=stdin,
        capture_output=True,
        timeout=120,
        stdin=subprocess.DEVNULL if stdin is None else None,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_cli_commands(redis_cli, server):
    assert run_cli(redis_cli, server, "PING") == b"PONG\n"
    assert run_cli(redis_cli, server, "SET", "k", "two words") == b"OK\n"
    assert run_cli(redis_cli, server, "GET", "k") == b"two words\n"
    assert run_cli(redis_cli, server, "-3", "CONFIG", "GET", "maxmemory") == b"maxmemory 0\n"
    assert run_cli(redis_cli, server, "--no-raw", "GET", "absent") == b"(nil)\n"
    assert run_cli(redis_cli, server, "-n", "3", "DBSIZE") == b"0\n"
    assert run_cli(redis_cli, server, "-x", "SET", "stdin", stdin=b"from a file\x00\xff") == b"OK\n"
    assert server("GET", "stdin") == b"from a file\x00\xff"
    assert run_cli(redis_cli, server, stdin=b"SET a 1\nINCR a\nGET a\n") == b"OK\n2\n2\n"


def test_cli_pipe(redis_cli, server):
    """`redis-cli --pipe`, the mass insertion that the Redis manual describes."""
    count = 2_000 if is_sanitized() else 100_000
    data = b"".join(b"*3\r\n$3\r\nSET\r\n$8\r\nk%07d\r\n$1\r\nv\r\n" % number for number in range(count))
    output = run_cli(redis_cli, server, "--pipe", stdin=data)
    assert b"errors: 0, replies: %d" % count in output
    assert server("DBSIZE") == count


def test_cli_scan_and_memory(redis_cli, server):
    with server.connect() as client:
        client.pipeline([("SET", "key:%d" % number, "x" * number) for number in range(1000)])
    assert len(run_cli(redis_cli, server, "--scan", "--pattern", "key:*").split()) == 1000
    report = run_cli(redis_cli, server, "--bigkeys")
    assert b"Sampled 1000 keys in the keyspace" in report and b"key:999" in report
    assert b"1000 strings with" in run_cli(redis_cli, server, "--memkeys")


def test_cli_monitor(redis_cli, server):
    monitor = subprocess.Popen([redis_cli, "-p", str(server.port), "MONITOR"], stdout=subprocess.PIPE)
    try:
        assert monitor.stdout.readline() == b"OK\n"
        server("SET", "seen", "yes")
        assert b'"SET" "seen" "yes"' in monitor.stdout.readline()
    finally:
        monitor.terminate()
        monitor.wait()
        monitor.stdout.close()


def test_cli_shutdown(redis_cli, server):
    subprocess.run([redis_cli, "-p", str(server.port), "SHUTDOWN", "NOSAVE"], timeout=60, check=True)
    assert server.wait() == 0


def test_hiredis(server, helper):
    result = subprocess.run(
        [helper("hiredis_client"), "127.0.0.1", str(server.port)], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0 and "BROKEN" not in result.stdout, result.stdout + result.stderr
    assert result.stdout.count("ok: ") == 20
