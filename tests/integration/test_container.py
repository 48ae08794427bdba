"""What a container gives the server: a memory limit, files that change while it runs, arguments that begin with a name."""

import os
import shutil
import subprocess

import pytest

from harness.ports import free_port
from harness.resp import Error
from harness.server import Server, binary
from harness.wait import eventually

pytestmark = pytest.mark.usefixtures("ordinal")


class Mount:
    """A folder as kubelet mounts a ConfigMap or a Secret: its files are links through `..data`, which is replaced as a whole."""

    def __init__(self, folder):
        self.folder = folder
        self.number = 0
        folder.mkdir()

    def put(self, **files):
        self.number += 1
        version = self.folder / ("..%d" % self.number)
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to("..data/" + name)
        (self.folder / "..data_tmp").symlink_to(version.name)
        os.replace(self.folder / "..data_tmp", self.folder / "..data")


@pytest.fixture
def mounted(start_server, tmp_path):
    """A server with its settings and its password mounted."""
    config, secret = Mount(tmp_path / "config"), Mount(tmp_path / "secret")
    config.put(conf="maxmemory 100mb\n")
    secret.put(password="first")
    server = start_server(arguments=[str(config.folder / "conf")],
                          environment={"ORDINAL_REQUIREPASS_FILE": str(secret.folder / "password")})
    return server, config, secret


def test_a_mounted_file_of_settings_is_picked_up(mounted):
    server, config, _ = mounted
    with server.connect() as ask:
        assert ask("AUTH", "first") == "OK"
        config.put(conf="maxmemory 200mb\n")
        eventually(lambda: ask("CONFIG", "GET", "maxmemory")[1] == b"209715200", server.log)
        config.put(conf="maxmemory nonsense\n")
        eventually(lambda: "The settings were not reloaded" in server.log(), server.log)
        assert ask("CONFIG", "GET", "maxmemory")[1] == b"209715200"


def test_a_new_password_drops_nobody(mounted):
    server, _, secret = mounted
    with server.connect() as old, server.connect() as late:
        assert old("AUTH", "first") == "OK"
        secret.put(password="second")
        eventually(lambda: not isinstance(late("AUTH", "second"), Error), server.log)
        assert old("SET", "a", 1) == "OK"
        with server.connect() as another:
            assert another("AUTH", "first") == "OK"
            assert another("GET", "a") == b"1"
        with server.connect() as stranger:
            assert stranger("AUTH", "third").code == "WRONGPASS"


def test_a_password_that_config_set_replaces_is_worth_nothing(mounted):
    server, _, secret = mounted
    with server.connect() as ask, server.connect() as old:
        secret.put(password="second")
        eventually(lambda: not isinstance(ask("AUTH", "second"), Error), server.log)
        assert ask("CONFIG", "SET", "requirepass", "third") == "OK"
        assert old("AUTH", "first").code == "WRONGPASS"
        assert old("AUTH", "second").code == "WRONGPASS"
        assert old("AUTH", "third") == "OK"


@pytest.fixture
def roster(tmp_path):
    """Two nodes with one mounted secret each, as two machines have it."""
    ports = [free_port(), free_port()]
    secrets = [Mount(tmp_path / ("secret-%d" % i)) for i in range(2)]
    nodes = []
    for ordinal in range(2):
        secrets[ordinal].put(password="first")
        folder = tmp_path / str(ordinal)
        folder.mkdir()
        nodes.append(Server(folder, {"port": ports[ordinal], "roster": ",".join("127.0.0.1:%d" % port for port in ports),
                                     "roster-self": ordinal},
                            environment={"ORDINAL_REQUIREPASS_FILE": str(secrets[ordinal].folder / "password")}, ready=False))
    yield nodes, secrets
    for node in nodes:
        node.stop()


def session(node, *passwords):
    ask = eventually(lambda: connect(node), node.log)
    for password in passwords:
        if ask("AUTH", password) == "OK":
            return ask
    raise AssertionError("%s: none of %s is taken" % (node.port, passwords))


def connect(node):
    try:
        return node.connect()
    except OSError:
        return None


def in_sync(ask):
    return ask("WAIT", 1, 1) == 1


def test_nodes_show_each_other_their_own_password(roster):
    """Nothing says masterauth: all nodes are made alike."""
    nodes, _ = roster
    master, replica = session(nodes[0], "first"), session(nodes[1], "first")
    eventually(lambda: in_sync(master), lambda: nodes[1].log())
    assert replica("SET", "carried", 1) == "OK"
    assert master("GET", "carried") == b"1"


@pytest.mark.parametrize("first", [0, 1])
def test_a_new_password_reaches_the_nodes_one_after_the_other(roster, first):
    """Whichever has it first: a link that is made anew meanwhile comes about, and writes are carried."""
    nodes, secrets = roster
    master, replica = session(nodes[0], "first"), session(nodes[1], "first")
    eventually(lambda: in_sync(master), lambda: nodes[1].log())
    for turn in (first, 1 - first):
        secrets[turn].put(password="second")
        eventually(lambda: "Setting 'requirepass' reloaded" in nodes[turn].log(), nodes[turn].log)
        assert master("CLIENT", "KILL", "TYPE", "replica") == 1
        assert master("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") >= 0
        eventually(lambda: in_sync(master), lambda: nodes[1].log())
        eventually(lambda: replica("SET", "turn", turn) == "OK", lambda: nodes[1].log())
        assert master("GET", "turn") == b"%d" % turn
    session(nodes[0], "second"), session(nodes[1], "second")


def test_a_master_that_starts_with_the_new_password_is_followed(roster):
    """The replica shows it the old one first, of which it knows nothing."""
    nodes, secrets = roster
    eventually(lambda master=session(nodes[0], "first"): in_sync(master), lambda: nodes[1].log())
    for node, secret in zip(nodes, secrets):
        secret.put(password="second")
        eventually(lambda: "Setting 'requirepass' reloaded" in node.log(), node.log)
    nodes[0].stop()
    nodes[0].exit_status = None
    nodes[0]._start(nodes[0].environment)
    master = session(nodes[0], "second")
    eventually(lambda: in_sync(master), lambda: nodes[1].log())
    assert session(nodes[1], "first")("SET", "carried", 1) == "OK"


def test_a_replica_that_shares_its_folder_keeps_off_it(tmp_path):
    """replica-persistence no: the master alone has files, though all are told appendonly yes."""
    ports = [free_port(), free_port()]
    settings = {"roster": ",".join("127.0.0.1:%d" % port for port in ports), "appendonly": "yes", "save": "1 1",
                "replica-persistence": "no", "dir": str(tmp_path)}
    nodes = [Server(tmp_path, {**settings, "port": ports[i], "roster-self": i, "logfile": str(tmp_path / ("log.%d" % i))}, ready=False)
             for i in range(2)]
    try:
        master, replica = [eventually(lambda node=node: connect(node)) for node in nodes]
        eventually(lambda: in_sync(master))
        assert replica("SET", "a", 1) == "OK"
        assert replica("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
        assert replica("INFO", "persistence").split(b"claim_state:")[1].startswith(b"none")
        assert master("INFO", "persistence").split(b"claim_state:")[1].startswith(b"held")
    finally:
        for node in reversed(nodes):
            node.stop()


# ---- the memory limit -------------------------------------------------------------------------------------------------

MEMORY = "/sys/fs/cgroup/memory"


@pytest.fixture
def limited():
    """A memory cgroup of its own (version 1 or 2), and the command that runs a program in it."""
    two = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    folder = os.path.join("/sys/fs/cgroup" if two else MEMORY, "ordinal-test-%d" % os.getpid())
    try:
        os.mkdir(folder)
    except OSError as error:
        pytest.skip("no memory cgroup can be made: %s" % error)
    limit = os.path.join(folder, "memory.max" if two else "memory.limit_in_bytes")

    def limit_to(size):
        try:
            with open(limit, "w") as file:
                file.write(str(size))
        except OSError as error:
            pytest.skip("the memory cgroup takes no limit: %s" % error)
        return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder]

    yield limit_to
    eventually(lambda: not open(os.path.join(folder, "cgroup.procs")).read())
    os.rmdir(folder)


def test_maxmemory_follows_from_the_containers_limit(limited, start_server):
    server = start_server(wrapper=limited(256 << 20))
    assert server("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"%d" % ((256 - 96) * 3 // 4 << 20)]


def test_a_limit_that_was_set_stands(limited, start_server):
    server = start_server(wrapper=limited(256 << 20), maxmemory=0)
    assert server("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"0"]


def test_a_small_container_has_a_quarter(limited, start_server):
    server = start_server(wrapper=limited(64 << 20))
    assert server("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"%d" % (16 << 20)]


# ---- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["redis-server", "ordinal"])
def test_arguments_may_begin_with_the_programs_name(start_server, name):
    server = start_server(arguments=[name], maxclients=77)
    assert server("CONFIG", "GET", "maxclients") == [b"maxclients", b"77"]


def test_redis_server_is_a_name_for_the_binary(tmp_path):
    link = tmp_path / "redis-server"
    shutil.copy(binary(), link)
    done = subprocess.run([link, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Ordinal ")
