"""The image and the container: what is in it, what it may use, and that a write load does not get it killed."""

import json
import subprocess

import pytest

from cluster import IMAGE, PASSWORD, namespace

MOST_BYTES = 60 << 20


@pytest.fixture(autouse=True)
def with_images(images):
    """The images are built."""


def run(*arguments, options=()):
    return subprocess.run(["docker", "run", "--rm", *options, IMAGE, *arguments], capture_output=True, text=True, check=False)


def files():
    """The image's files, with their modes, as tar lists them."""
    made = subprocess.run(["docker", "create", IMAGE], capture_output=True, text=True, check=True).stdout.strip()
    try:
        export = subprocess.run(["docker", "export", made], capture_output=True, check=True).stdout
        listed = subprocess.run(["tar", "-tvf", "-"], input=export, capture_output=True, check=True).stdout.decode()
    finally:
        subprocess.run(["docker", "rm", made], capture_output=True, check=True)
    return [line.split(None, 5) for line in listed.splitlines()]


def test_the_image_is_small():
    inspected = json.loads(subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, text=True, check=True).stdout)
    assert inspected[0]["Size"] <= MOST_BYTES


def test_nothing_else_can_run():
    """Of what may be executed there is the binary, and the loader that starts it."""
    programs = [line[5] for line in files() if line[0][0] == "-" and "x" in line[0] and line[2] != "0"]  # docker's own are empty
    assert "usr/local/bin/ordinal" in programs
    assert not [name for name in programs if name != "usr/local/bin/ordinal" and "/ld-linux-" not in name]


def test_it_is_not_root():
    inspected = json.loads(subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, text=True, check=True).stdout)
    assert inspected[0]["Config"]["User"] == "999:999"


@pytest.mark.parametrize("arguments", [("--version",), ("redis-server", "--version")])
def test_without_root_and_without_a_capability(arguments):
    done = run(*arguments, options=["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none"])
    assert done.returncode == 0 and done.stdout.startswith("Ordinal "), done.stderr


def serve(*options):
    """Starts a container without arguments, and returns its name."""
    done = subprocess.run(["docker", "run", "--detach", "--network", "none", *options, IMAGE], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_without_arguments_it_serves():
    name = serve("--read-only", "--cap-drop", "ALL")
    try:
        for _ in range(100):
            done = subprocess.run(["docker", "exec", name, "ordinal", "ping", "--ready"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
        assert "PONG" in done.stdout
        subprocess.run(["docker", "stop", name], capture_output=True, check=True)
        state = json.loads(subprocess.run(["docker", "inspect", name], capture_output=True, text=True, check=True).stdout)[0]["State"]
        assert state["ExitCode"] == 0
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=True)


def test_a_write_load_does_not_get_it_killed(a_cluster):
    """Four times the container's memory is written, with a snapshot and a synchronisation in its midst: what expires next makes room."""
    with namespace("memory-limit") as place:
        place.secret(password=PASSWORD)
        place.install("memory")
        place.wait_ready(3)
        place.tools()
        host = "ordinal-0.ordinal-headless"
        limit = int(place.redis(host, "CONFIG", "GET", "maxmemory").splitlines()[1])
        assert 0 < limit < 256 << 20
        fill = ["exec", "tools", "--", "env", "REDISCLI_AUTH=" + PASSWORD, "python3", "/apps/fill.py", host, str(1 << 30)]
        filling = subprocess.Popen(["kubectl", "-n", place.name, *fill], stdout=subprocess.PIPE, text=True)
        place.redis(host, "BGSAVE")
        place.delete_pods("ordinal-2")
        assert filling.wait(600) == 0, filling.stdout.read()
        place.wait_ready(3)
        for name, pod in place.pods().items():
            (status,) = pod["status"]["containerStatuses"]
            assert status["restartCount"] == 0, (name, status)
        used = place.redis(host, "INFO", "memory")
        assert int(used.split("used_memory:")[1].split()[0]) <= limit * 1.05
        assert "evicted_keys:0" not in place.redis(host, "INFO", "stats")
