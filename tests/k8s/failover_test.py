"""Logins and writes go on through one Service while everything that can happen to pods happens to them."""

import os
import subprocess
import time

import pytest

from cluster import PASSWORD, eventually, namespace
from programs import Keeper, Logins

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture(scope="module", params=["minikube", "memory"])
def place(request, a_cluster):
    """A namespace with Ordinal and the SRP servers."""
    with namespace(request.param) as made:
        made.overlay = request.param
        made.secret(password=PASSWORD)
        made.install(request.param)
        made.wait_ready(3)
        made.tools()
        made.example("srp/srp.yaml")
        made.kubectl("rollout", "status", "deployment/srp", "--timeout=120s")
        yield made


@pytest.fixture
def watched(place):
    """The same, with those who watch; what they have seen is judged at the end: no key lost or stale, no command answered with an
    error, no login failed for good."""
    place.wait_ready(3)
    place.wait_in_sync(3)
    keeper, logins = Keeper(place), Logins(place)
    yield place
    place.wait_in_sync(3)
    seen, counts = keeper.end(), logins.end()
    print("\n    %s\n    logins: %d passed, %d failed, %d tried again" % (seen, counts["passed"], counts["failed"], counts["retried"]))
    assert seen["written"] > 0 and counts["passed"] > 0
    assert not seen["errors"], seen
    assert seen["stale"] == 0 and seen["lost"] == 0, seen
    assert counts["failed"] == 0, counts["text"]


def replace(place, *names):
    """Deletes pods and waits until others with their names are ready."""
    gone = {place.pods()[name]["metadata"]["uid"] for name in names}
    place.delete_pods(*names)
    place.wait_ready(3, but=gone)


@pytest.mark.parametrize("ordinal", [0, 1, 2])
def test_a_pod_is_deleted(watched, ordinal):
    replace(watched, "ordinal-%d" % ordinal)


def test_a_pod_is_killed(watched):
    """Without a word: no drain, no last byte of the log."""
    gone = {watched.pods()["ordinal-0"]["metadata"]["uid"]}
    watched.kubectl("delete", "pod", "ordinal-0", "--grace-period=0", "--force")
    watched.wait_ready(3, but=gone)


def test_the_srp_servers_are_scaled(watched):
    for count in (1, 3):
        watched.kubectl("scale", "deployment/srp", "--replicas=%d" % count)
        watched.kubectl("rollout", "status", "deployment/srp", "--timeout=120s")


def test_ordinal_is_scaled(watched):
    for count in (1, 3, 5, 3):
        watched.kubectl("scale", "statefulset/ordinal", "--replicas=%d" % count)
        watched.wait_ready(count)
        watched.wait_in_sync(count)


def test_a_rolling_update(watched):
    before = watched.uids()
    watched.kubectl("rollout", "restart", "statefulset/ordinal")
    watched.kubectl("rollout", "status", "statefulset/ordinal", "--timeout=300s")
    watched.wait_ready(3, but=before)


def test_the_password_is_rotated(watched):
    """The old one works until every pod has the new one, and those that are connected stay."""
    watched.secret(password="second-password")
    for ordinal in range(3):
        host = "ordinal-%d.ordinal-headless" % ordinal
        eventually(lambda: watched.redis(host, "PING", password="second-password") == "PONG", seconds=180)
        assert watched.redis(host, "PING", password=PASSWORD) == "PONG"
    watched.secret(password=PASSWORD)
    for ordinal in range(3):
        host = "ordinal-%d.ordinal-headless" % ordinal
        eventually(lambda: "Setting 'requirepass' reloaded" in watched.logs("ordinal-%d" % ordinal, check=False).partition(
            "Setting 'requirepass' reloaded")[2], seconds=180)
    for ordinal in (1, 0):  # a pod that starts knows the new one alone
        replace(watched, "ordinal-%d" % ordinal)
        watched.wait_in_sync(3)


def test_all_pods_are_deleted_at_once(place):
    """Where there are volumes nothing is lost, and commands wait or are sent again; without them the set begins anew, and serves."""
    place.wait_in_sync(3)
    keeper = Keeper(place)
    time.sleep(2)
    replace(place, *place.pods())
    place.wait_in_sync(3)
    seen = keeper.end()
    print("\n    %s" % seen)
    assert seen["written"] > 0 and not seen["errors"] and seen["stale"] == 0
    if place.overlay == "minikube":
        assert seen["lost"] == 0
    logins = Logins(place)
    time.sleep(5)
    assert logins.end()["failed"] == 0


@pytest.mark.skipif("K8S_RESTART_NODE" not in os.environ, reason="K8S_RESTART_NODE names no command")
def test_a_node_is_restarted(place):
    place.wait_in_sync(3)
    keeper = Keeper(place)
    time.sleep(2)
    seen = keeper.end()
    assert seen["lost"] == 0
    subprocess.run(os.environ["K8S_RESTART_NODE"], shell=True, check=True)
    place.wait_ready(3)
    place.wait_in_sync(3)
    place.kubectl("delete", "pod", "tools", "--ignore-not-found", "--wait=true")
    place.tools()
    found = place.redis("ordinal", "EXISTS", *("keeper:%d" % number for number in range(seen["written"])))
    if place.overlay == "minikube":
        assert int(found) == seen["written"]
