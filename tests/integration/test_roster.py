"""Who a node is and who the others are: by the setting `roster`, by a pod's own name, or nobody. INFO's section tells it."""

import os
import subprocess

import pytest

from harness.names import NameServer
from harness.ports import free_port
from harness.resp import Error
from harness.server import binary, server_environment
from harness.wait import eventually

pytestmark = pytest.mark.usefixtures("ordinal")

# As kubelet writes it for a pod of a StatefulSet.
KUBELET_HOSTS = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
10.244.1.7\tredis-1.redis-headless.shop.svc.cluster.local\tredis-1
"""


def members(server):
    """The members that INFO tells, each as a dictionary."""
    info = server.info("roster")
    count = int(info["roster_members"])
    lines = [info["roster_member%d" % number] for number in range(count)]
    assert "roster_member%d" % count not in info
    return [dict(field.split("=", 1) for field in line.split(",")) for line in lines]


def pod(tmp_path, hosts, name_server="127.0.0.1"):
    """A command under which a server sees another host name, hosts file and name server than this machine's."""
    (tmp_path / "hosts").write_text(hosts)
    (tmp_path / "resolv.conf").write_text(f"nameserver {name_server}\n")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = 'hostname redis-1 && mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" "$(realpath /etc/resolv.conf)" && exec "$@"'
    return ["unshare", *user, "--mount", "--uts", "sh", "-c", script, str(tmp_path)]


@pytest.fixture
def name_server():
    try:
        server = NameServer()
    except OSError as error:
        pytest.skip(f"no name server can listen here: {error}")
    yield server
    server.close()


def test_a_plain_server_has_no_roster(server):
    info = server.info("roster")
    assert info == {"roster_from": "nothing", "roster_self": "-1", "roster_members": "0"}
    assert "This is ordinal" not in server.log()


def test_the_section_is_shown_by_default_and_by_its_name(server):
    with server.connect() as connection:
        for arguments in [(), ("all",), ("everything",), ("default",), ("server", "ROSTER")]:
            assert b"\r\n# Roster\r\nroster_from:" in connection("INFO", *arguments)
        assert connection("INFO", "roster").startswith(b"# Roster\r\n")
        assert b"# Roster" not in connection("INFO", "server")


def test_a_listed_roster(start_server):
    """The node finds itself by its port, and the others are known by their places."""
    ports = [free_port() for _ in range(3)]
    server = start_server(port=ports[1], roster="127.0.0.1:%d,127.0.0.1:%d,[::1]:%d" % tuple(ports))
    info = server.info("roster")
    assert (info["roster_from"], info["roster_self"]) == ("setting", "1")
    found = members(server)
    assert [int(member["port"]) for member in found] == ports
    assert [member["host"] for member in found] == ["127.0.0.1", "127.0.0.1", "::1"]
    assert [member["ordinal"] for member in found] == ["0", "1", "2"]
    assert [member["role"] for member in found] == ["master", "replica", "replica"]
    assert "This is ordinal 1 of a roster of 3" in server.log()


def test_the_environment_names_the_roster(start_server):
    environment = {"ORDINAL_ROSTER": "cache-a,cache-b", "ORDINAL_ROSTER_SELF": "cache-b"}
    server = start_server(environment=environment)
    assert server.info("roster")["roster_self"] == "1"
    assert members(server)[0]["port"] == "6379"


def test_the_roster_is_set_at_start_alone(start_server):
    server = start_server(roster="a,b", roster_self="0")
    assert server.config("roster") == "a,b"
    for name in ("roster", "roster-self"):
        reply = server("CONFIG", "SET", name, "1")
        assert isinstance(reply, Error) and "immutable" in str(reply), reply


def test_a_pod_knows_itself_with_no_setting(start_server, tmp_path):
    server = start_server(wrapper=pod(tmp_path, KUBELET_HOSTS))
    info = server.info("roster")
    assert (info["roster_from"], info["roster_self"]) == ("pod", "1")
    domain = "redis-headless.shop.svc.cluster.local"
    assert [(member["ordinal"], member["host"], member["role"]) for member in members(server)] == [
        ("0", "redis-0." + domain, "master"),
        ("1", "redis-1." + domain, "replica"),
    ]
    assert all(int(member["port"]) == server.port for member in members(server))
    assert "This is ordinal 1 of the set redis, service " + domain in server.log()


def test_a_pod_follows_what_the_headless_service_lists(start_server, tmp_path, name_server):
    """Members come as the set is made larger, and go as it is made smaller; without an answer nothing changes."""
    service = "redis-headless.shop.svc.cluster.local"
    ordinals = lambda: [int(member["ordinal"]) for member in members(server)]
    name_server.services[service] = [f"redis-{ordinal}.{service}" for ordinal in range(4)]
    server = start_server(wrapper=pod(tmp_path, KUBELET_HOSTS, name_server.address))
    eventually(lambda: ordinals() == [0, 1, 2, 3], ordinals)
    name_server.fails = True
    eventually(lambda: "cannot be looked up" in server.log(), server.log)
    assert ordinals() == [0, 1, 2, 3]
    name_server.fails = False
    name_server.services[service] = [f"redis-{ordinal}.{service}" for ordinal in range(3)]
    eventually(lambda: ordinals() == [0, 1, 2], ordinals)


def test_a_machine_with_a_number_in_its_name_is_no_pod(start_server, tmp_path):
    server = start_server(wrapper=pod(tmp_path, "127.0.1.1\tredis-1.example.com\tredis-1\n"))
    assert server.info("roster")["roster_from"] == "nothing"


def test_the_setting_wins_over_the_pods_name(start_server, tmp_path):
    server = start_server(wrapper=pod(tmp_path, KUBELET_HOSTS), roster="a,b,c", roster_self="2")
    assert server.info("roster")["roster_from"] == "setting"


@pytest.mark.parametrize(
    "settings, reason",
    [
        (["--roster", "a:6379,b:99999"], 'roster: member 1, "b:99999": the port is no number from 1 to 65535'),
        (["--roster", "a,,c"], 'roster: member 1, "": there is no host'),
        (["--roster", "fd00::1"], 'roster: member 0, "fd00::1": an IPv6 address stands in brackets'),
        (["--roster", "a,b,a:6379"], 'roster: member 2, "a:6379", is member 0 as well'),
        (["--roster", "a.test,b.test"], "set roster-self"),
        (["--roster", "a,b", "--roster-self", "2"], "roster-self: 2 is no ordinal of this roster, which has 0 to 1"),
        (["--roster", "a,b", "--roster-self", "c"], 'roster-self: "c" is no member of the roster'),
        (["--roster-self", "1"], "roster-self is set, and roster is not"),
    ],
)
def test_a_faulty_roster_stops_the_start(settings, reason, tmp_path):
    result = subprocess.run(
        [binary(), "--port", str(free_port()), "--bind", "127.0.0.1", "--dir", str(tmp_path), *settings],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=server_environment(),
        timeout=60,
    )
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert "Failed to start: " in output and reason in output, output
