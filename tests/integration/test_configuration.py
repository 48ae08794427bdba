"""Settings from a file, the environment, the command line and CONFIG: each way, their order, and their errors."""

import os
import signal
import subprocess
import time

import pytest

from harness.resp import Error
from harness.server import binary, free_port, is_ordinal, server_environment


@pytest.fixture
def conf(tmp_path):
    """A function that writes a redis.conf and returns its path."""

    def write(text, name="redis.conf"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def run(*arguments, environment=None):
    """The server as a command that ends by itself: its exit status and all its output."""
    result = subprocess.run(
        [binary(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=server_environment(environment),
        timeout=60,
    )
    return result.returncode, result.stdout.decode(errors="replace")


def test_a_redis_conf(start_server, conf):
    path = conf(
        "# a comment\n"
        "\n"
        "maxmemory 100mb\n"
        "   maxmemory-policy   allkeys-lru   \n"
        'requirepass "pass \\x41\\" word"\n'
        "client-output-buffer-limit normal 1mb 2mb 30\n"
        "client-output-buffer-limit pubsub 3mb 4mb 50\n"
        "TIMEOUT 77\n"
    )
    server = start_server(arguments=[path])
    with server.connect() as client:
        assert client("AUTH", 'pass A" word') == "OK"
        reply = client("CONFIG", "GET", "maxmemory*", "timeout")
        values = dict(zip(reply[::2], reply[1::2]))
        assert values[b"maxmemory"] == b"104857600" and values[b"maxmemory-policy"] == b"allkeys-lru"
        assert values[b"timeout"] == b"77"
        limits = client("CONFIG", "GET", "client-output-buffer-limit")[1]
        assert b"normal 1048576 2097152 30" in limits and b"pubsub 3145728 4194304 50" in limits


def test_include(start_server, conf):
    inner = conf("timeout 5\nmaxmemory 1mb\n", "inner.conf")
    path = conf("timeout 3\ninclude %s\nmaxmemory 2mb\n" % inner)
    server = start_server(arguments=[path])
    assert server.config("timeout") == "5" and server.config("maxmemory") == "2097152"


def test_the_command_line_wins_over_the_file(start_server, conf):
    server = start_server(arguments=[conf("timeout 5\nmaxclients 100\n")], timeout=9)
    assert server.config("timeout") == "9" and server.config("maxclients") == "100"


@pytest.mark.parametrize(
    "text, line, word",
    [
        ("timeout 5\n# fine\nnonsense 1\n", 3, "nonsense"),
        ("timeout five\n", 1, "timeout"),
        ("port 70000\n", 1, "port"),
        ("\n\nmaxmemory-policy never\n", 3, "maxmemory-policy"),
        ("appendonly maybe\n", 1, "appendonly"),
        ('requirepass "unbalanced\n', 1, "requirepass"),
        ("maxmemory 10 mb\n", 1, "maxmemory"),
        ("timeout\n", 1, "timeout"),
    ],
)
def test_an_error_in_the_file_names_the_line(conf, text, line, word):
    status, output = run(conf(text), "--port", str(free_port()))
    assert status == 1
    assert "line %d" % line in output, output
    assert word in output, output


def test_a_missing_file(tmp_path):
    path = str(tmp_path / "absent.conf")
    status, output = run(path)
    assert status == 1 and "absent.conf" in output, output


@pytest.mark.parametrize("arguments", [["--nonsense", "1"], ["--timeout", "five"], ["--timeout"], ["--port", "70000"]])
def test_an_error_in_the_command_line(arguments):
    status, output = run(*arguments, *(("--port", str(free_port())) if "70000" not in arguments else ()))
    assert status == 1
    assert arguments[0].lstrip("-") in output, output


def test_settings_that_are_not_needed_are_taken_with_a_warning(ordinal, start_server, conf):
    server = start_server(arguments=[conf("activerehashing yes\nhz 10\nrdb-save-incremental-fsync yes\n")])
    assert server("PING") == "PONG"
    assert "activerehashing" in server.log() and "rdb-save-incremental-fsync" in server.log()
    assert server.config("hz") == "10"


def test_settings_from_the_environment(ordinal, start_server, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    server = start_server(
        environment={
            "ORDINAL_MAXMEMORY": "100mb",
            "ORDINAL_MAXMEMORY_POLICY": "volatile-ttl",
            "ORDINAL_REQUIREPASS_FILE": str(secret),
        }
    )
    with server.connect() as client:
        assert client("AUTH", "from a file") == "OK"
        assert client("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"104857600"]
        assert client("CONFIG", "GET", "maxmemory-policy") == [b"maxmemory-policy", b"volatile-ttl"]


def test_the_order_is_file_environment_command_line(ordinal, start_server, conf):
    server = start_server(
        arguments=[conf("timeout 1\nmaxclients 100\ntcp-keepalive 50\n")],
        environment={"ORDINAL_TIMEOUT": "2", "ORDINAL_MAXCLIENTS": "200"},
        timeout=3,
    )
    assert [server.config(name) for name in ("timeout", "maxclients", "tcp-keepalive")] == ["3", "200", "50"]


@pytest.mark.parametrize("kind", ["REDIS_PASSWORD", "REDIS_PASSWORD_FILE", "ORDINAL_REQUIREPASS"])
def test_a_password_from_the_environment(ordinal, start_server, tmp_path, kind):
    """The names that charts set."""
    secret = tmp_path / "secret"
    secret.write_text("open sesame")
    server = start_server(environment={kind: str(secret) if kind.endswith("FILE") else "open sesame"})
    with server.connect() as client:
        assert client("PING") == Error("NOAUTH Authentication required.")
        assert client("AUTH", "open sesame") == "OK"


@pytest.mark.parametrize(
    "environment", [{"ORDINAL_TIMEOUT": "five"}, {"ORDINAL_REQUIREPASS_FILE": "/no/such/file"}]
)
def test_an_error_in_the_environment_names_the_variable(ordinal, environment):
    status, output = run("--port", str(free_port()), environment=environment)
    assert status == 1 and list(environment)[0] in output, output


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end


def test_sighup_reads_the_file_again(ordinal, start_server, conf):
    path = conf("maxmemory 10mb\ntimeout 100\n")
    server = start_server(arguments=[path])
    assert server.config("maxmemory") == "10485760"
    server.config("timeout", "55")
    conf("maxmemory 20mb\ntimeout 100\n")
    server.signal(signal.SIGHUP)
    wait_for(lambda: server.config("maxmemory") == "20971520")
    assert server.config("timeout") == "55"  # CONFIG SET is not undone by a file that did not change there


def test_sighup_with_a_faulty_file_changes_nothing(ordinal, start_server, conf):
    path = conf("maxmemory 10mb\n")
    server = start_server(arguments=[path])
    before = len(server.log().splitlines())
    conf("maxmemory 20mb\nnonsense 1\n")
    server.signal(signal.SIGHUP)
    wait_for(lambda: server("PING") == "PONG" and len(server.log().splitlines()) > before)
    wait_for(lambda: "nonsense" in server.log())
    assert server.config("maxmemory") == "10485760"


def test_sighup_reads_a_mounted_secret_again(ordinal, start_server, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("old")
    server = start_server(environment={"ORDINAL_REQUIREPASS_FILE": str(secret), "ORDINAL_PASSWORD_OVERLAP": "0"})
    secret.write_text("new")
    server.signal(signal.SIGHUP)

    def accepts_new():
        with server.connect() as client:
            return client("AUTH", "new") == "OK"

    wait_for(accepts_new)
    with server.connect() as client:
        assert client("AUTH", "old").code == "WRONGPASS"


def test_sighup_that_clears_the_password_admits_who_had_none(ordinal, start_server, conf):
    path = conf("requirepass secret\n")
    server = start_server(arguments=[path])
    with server.connect() as client:
        assert client("GET", "k").code == "NOAUTH"
        conf("timeout 0\n")
        server.signal(signal.SIGHUP)
        wait_for(lambda: client("GET", "k") is None)


def test_config_get_patterns(client):
    reply = client("CONFIG", "GET", "maxmemory*", "timeout", "nonsense")
    names = reply[::2]
    assert {b"maxmemory", b"maxmemory-policy", b"maxmemory-samples", b"maxmemory-clients", b"timeout"} <= set(names)
    assert len(names) == len(set(names))
    everything = client("CONFIG", "GET", "*")
    assert len(everything) > 200
    assert client("CONFIG", "GET", "TIMEOUT") == [b"TIMEOUT", b"0"]


def test_config_set_is_all_or_nothing(client):
    assert client("CONFIG", "SET", "timeout", "7", "maxmemory", "1mb") == "OK"
    reply = client("CONFIG", "SET", "timeout", "8", "maxmemory", "lots")
    assert isinstance(reply, Error) and "maxmemory" in reply
    assert client("CONFIG", "GET", "timeout") == [b"timeout", b"7"]


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["nonsense", "1"], "ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'"),
        (["timeout", "1", "timeout", "2"],
         "ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"),
        (["timeout", "-1"],
         "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 2147483647 "
         "inclusive"),
        (["timeout", "x"],
         "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer"),
        (["appendonly", "maybe"],
         "ERR CONFIG SET failed (possibly related to argument 'appendonly') - argument must be 'yes' or 'no'"),
        (["databases", "5"],
         "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"),
        (["dir", "/"], "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"),
        (["timeout"], "ERR wrong number of arguments for 'config|set' command"),
    ],
)
def test_config_set_refuses(client, arguments, text):
    assert client("CONFIG", "SET", *arguments) == Error(text)


def test_config_rewrite_keeps_comments(start_server, conf):
    path = conf("# the first comment\ntimeout 5\n# the second\nmaxmemory 1mb\n")
    server = start_server(arguments=[path])
    assert server("CONFIG", "SET", "timeout", "99", "maxmemory-samples", "7") == "OK"
    assert server("CONFIG", "REWRITE") == "OK"
    with open(path) as file:
        text = file.read()
    assert "# the first comment\ntimeout 99\n# the second\nmaxmemory 1mb\n" in text
    assert "maxmemory-samples 7\n" in text
    server.stop()
    again = start_server(arguments=[path])
    assert again.config("timeout") == "99" and again.config("maxmemory-samples") == "7"


def test_config_rewrite_without_a_file(client):
    assert client("CONFIG", "REWRITE") == Error("ERR The server is running without a config file")


def test_resetstat(server, client):
    client("GET", "absent")
    assert int(server.info("stats")["keyspace_misses"]) == 1
    assert client("CONFIG", "RESETSTAT") == "OK"
    assert int(server.info("stats")["keyspace_misses"]) == 0


def test_settings_that_change_while_the_server_runs(server, client):
    assert client("CONFIG", "SET", "hash-max-listpack-entries", "7") == "OK"
    assert client("CONFIG", "GET", "hash-max-ziplist-entries") == [b"hash-max-ziplist-entries", b"7"]
    assert client("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "3") == "OK"
    for number in range(10):
        client("SET", "k", str(number))
    assert len(client("SLOWLOG", "GET", "100")) == 3
    assert client("SLOWLOG", "LEN") == 3
    newest = client("SLOWLOG", "GET", "1")[0]
    assert newest[3][0].lower() == b"slowlog" or newest[3] == [b"SET", b"k", b"9"]


def test_where_the_server_listens_is_fixed_at_start(ordinal, client):
    for name, value in (("port", free_port()), ("bind", "127.0.0.2")):
        before = client("CONFIG", "GET", name)
        error = client("CONFIG", "SET", name, value)
        assert isinstance(error, Error) and error == f"ERR CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config"
        assert client("CONFIG", "GET", name) == before


def test_version_and_help():
    status, output = run("--version")
    assert status == 0 and ("rdinal" in output or not is_ordinal()), output
    status, output = run("--help")
    assert status == (0 if is_ordinal() else 1) and "--port" in output, output


def test_generated_pages_name_every_setting_and_command(ordinal, client):
    """`--print-docs`, from which docs/commands.md and docs/configuration.md are made."""
    status, commands = run("--print-docs", "commands")
    assert status == 0
    for name in client("COMMAND", "LIST"):
        assert name.decode().split("|")[0].upper() in commands, name
    status, settings = run("--print-docs", "configuration")
    assert status == 0
    for name in ("maxmemory", "loops", "log-format", "client-output-buffer-limit", "requirepass"):
        assert "`%s`" % name in settings, name


def test_a_directory_that_is_not_there(tmp_path):
    status, output = run("--dir", str(tmp_path / "absent"), "--port", str(free_port()))
    assert status == 1 and "absent" in output, output


def test_the_working_directory(start_server, tmp_path):
    server = start_server()
    assert os.path.realpath(server.config("dir")) == os.path.realpath(server.directory)
    assert os.path.realpath("/proc/%d/cwd" % server.pid) == os.path.realpath(server.directory)


def test_commands_are_renamed_and_disabled(start_server, conf):
    path = conf('rename-command CONFIG b840fc02\nrename-command FLUSHALL ""\nrename-command GET fetch\n')
    with start_server(arguments=[path]).connect() as client:
        assert client("SET", "k", "v") == "OK"
        assert client("FETCH", "k") == b"v"
        assert client("B840FC02", "GET", "timeout") == [b"timeout", b"0"]
        for gone in (["GET", "k"], ["CONFIG", "GET", "timeout"], ["FLUSHALL"], ["\x1240fc02", "GET", "timeout"]):
            assert str(client(*gone)).startswith("ERR unknown command"), gone
        assert client("STRLEN", "k") == 1  # the others are still found


def test_a_command_cannot_be_renamed_to_another(conf):
    for line, why in (("GET SET", "already exists"), ("NOSUCH OTHER", "No such command")):
        status, output = run(conf(f"rename-command {line}\n"), "--port", str(free_port()))
        assert status == 1 and why in output, output
