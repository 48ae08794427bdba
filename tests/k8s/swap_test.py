"""One line is changed: the image. A StatefulSet that was written for redis:latest, and says nothing of replication."""

import json

import pytest

from cluster import APPS, IMAGE, eventually, namespace

pytestmark = pytest.mark.usefixtures("images")

TASKS = 30
PODS = ["redis-%d.redis-headless" % ordinal for ordinal in range(3)]


def fibonacci(index):
    value, following = 0, 1
    for _ in range(index):
        value, following = following, value + following
    return str(value)


def install(place, image):
    place.example("fib/redis.yaml", image=("image: redis:latest", "image: " + image))
    place.wait_ready(3, "redis")
    place.tools()
    place.example("fib/fib.yaml")
    for deployment in ("fib-server", "fib-worker"):
        place.kubectl("rollout", "status", "deployment/" + deployment, "--timeout=120s")


def ask(place, path, *options):
    return json.loads(place.kubectl("exec", "tools", "--", "python3", "/apps/ask.py", "http://fib" + path, *options))


def results(place):
    """What each pod has."""
    found = {}
    for host in PODS:
        lines = place.redis(host, "HGETALL", "values", password="").splitlines()
        found[host] = dict(zip(lines[::2], lines[1::2]))
    return found


def submit(place):
    for index in range(TASKS):
        assert ask(place, "/values", json.dumps({"index": index})) == {"working": True}


def test_with_ordinals_image_it_is_one_store(a_cluster):
    with namespace("swap") as place:
        install(place, IMAGE)
        place.wait_in_sync(3, "redis")
        roles = [place.redis(host, "ROLE", password="").splitlines()[0] for host in PODS]
        assert roles == ["master", "slave", "slave"]
        submit(place)
        expected = {str(index): fibonacci(index) for index in range(TASKS)}
        eventually(lambda: all(found == expected for found in results(place).values()), seconds=60)
        for _ in range(5):  # whichever pod the server's connection for reads leads to
            assert ask(place, "/values/current") == expected
            place.kubectl("rollout", "restart", "deployment/fib-server")
            place.kubectl("rollout", "status", "deployment/fib-server", "--timeout=120s")


def test_with_redis_itself_it_is_three(a_cluster):
    """What the test above would see if the image made no difference."""
    with namespace("redis") as place:
        install(place, APPS)
        assert [place.redis(host, "ROLE", password="").splitlines()[0] for host in PODS] == ["master"] * 3
        submit(place)
        eventually(lambda: len(results(place)[PODS[0]]) == TASKS, seconds=60)
        found = results(place)
        assert [len(found[host]) for host in PODS] == [TASKS, 0, 0]
