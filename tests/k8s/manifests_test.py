"""The manifests themselves: what kubectl makes of each overlay, held against the schema of a current Kubernetes, and against the cluster
without changing it."""

import functools
import json
import shutil
import subprocess

import pytest
import yaml

from cluster import PASSWORD, ROOT, for_this_cluster, namespace, render

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl")

OVERLAYS = sorted(path.name for path in (ROOT / "k8s/overlays").iterdir())
EXAMPLES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "k8s/examples").glob("*/*.yaml"))
# What a pod needs to be admitted where Pod Security is "restricted".
RESTRICTED = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


@functools.cache
def text_of(name):
    return render("k8s/overlays/" + name) if name in OVERLAYS else (ROOT / name).read_text()


def documents(name):
    return [one for one in yaml.safe_load_all(text_of(name)) if one]


def of_kind(name, kind):
    return [one for one in documents(name) if one["kind"] == kind]


def statefulset(overlay):
    (found,) = of_kind(overlay, "StatefulSet")
    return found


def check(found):
    """What is wrong with objects by the schema of a current Kubernetes."""
    done = subprocess.run(["node", "check.js"], cwd=ROOT / "tests/k8s/schema", input=json.dumps(found), capture_output=True, text=True,
                          check=False)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return done.stdout


def test_the_schema_of_a_current_kubernetes_has_every_field():
    assert not check([one for name in OVERLAYS + EXAMPLES for one in documents(name)])


def test_the_check_of_the_schema_can_fail():
    wrong = documents("minikube")
    wrong[-1]["spec"]["noSuchField"] = 1
    assert "noSuchField" in check(wrong)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted(overlay):
    pod = statefulset(overlay)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert RESTRICTED.items() <= pod["securityContext"].items()
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                                            "readOnlyRootFilesystem": True}
    assert pod["automountServiceAccountToken"] is False
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_selector_selects_the_pods(overlay):
    spec = statefulset(overlay)["spec"]
    labels = spec["template"]["metadata"]["labels"]
    services = of_kind(overlay, "Service")
    (budget,), (policy,) = of_kind(overlay, "PodDisruptionBudget"), of_kind(overlay, "NetworkPolicy")
    selectors = [service["spec"]["selector"] for service in services]
    selectors += [spec["selector"]["matchLabels"], budget["spec"]["selector"]["matchLabels"], policy["spec"]["podSelector"]["matchLabels"]]
    for selector in selectors:
        assert selector and selector.items() <= labels.items()
    assert spec["serviceName"] in {service["metadata"]["name"] for service in services if service["spec"].get("clusterIP") == "None"}
    (by_label, itself) = policy["spec"]["ingress"][0]["from"]
    assert by_label["podSelector"]["matchLabels"] == {"ordinal-client": "true"}
    assert itself["podSelector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_secret_is_referred_to_and_not_made(overlay):
    assert not of_kind(overlay, "Secret")
    (secret,) = [one["secret"] for one in statefulset(overlay)["spec"]["template"]["spec"]["volumes"] if "secret" in one]
    assert secret["secretName"] == ("redis" if overlay == "bitnami" else "ordinal")


def test_the_charts_names_are_there():
    names = {service["metadata"]["name"] for service in of_kind("bitnami", "Service")}
    assert {"redis-master", "redis-replicas", "redis-headless"} <= names
    (secret,) = [one["secret"] for one in statefulset("bitnami")["spec"]["template"]["spec"]["volumes"] if "secret" in one]
    assert secret["items"] == [{"key": "redis-password", "path": "password"}]


def test_overlays_keep_what_they_say():
    assert "volumeClaimTemplates" not in statefulset("memory")["spec"]
    assert statefulset("aks")["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "managed-csi"
    (storage,), (claim,) = of_kind("aks-shared", "StorageClass"), of_kind("aks-shared", "PersistentVolumeClaim")
    assert "nobrl" in storage["mountOptions"] and claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["storageClassName"] == storage["metadata"]["name"]


@pytest.mark.parametrize("name", OVERLAYS + EXAMPLES)
def test_the_cluster_would_take_it(a_cluster, name):
    with namespace("dry-run") as place:
        place.secret(password=PASSWORD)
        place.kubectl("apply", "--dry-run=server", "-f", "-", text=for_this_cluster(text_of(name)))
