"""The cluster under test, by kubectl: whatever KUBECONFIG names. A test gets a namespace of its own, which goes when it ends.

All that asks Ordinal for something runs in pods, so the tests work as well where pods cannot be reached from this machine, and talk to
nobody but pods.
"""

import contextlib
import functools
import json
import os
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("K8S_IMAGE", "ordinal:test")  # Ordinal's; what has a name of its own is not built here
APPS = os.environ.get("K8S_APPS_IMAGE", "ordinal-apps:test")  # the examples, redis-server and the programs of apps/
PASSWORD = "first-password"
READY_SECONDS = 120


def kubectl(*arguments, text=None, check=True, seconds=120):
    """kubectl's standard output."""
    done = subprocess.run(["kubectl", *map(str, arguments)], input=text, capture_output=True, text=True, check=False, timeout=seconds)
    if check and done.returncode != 0:
        raise AssertionError("kubectl %s: %s" % (" ".join(map(str, arguments)), done.stderr.strip()))
    return done.stdout


def why_not():
    """Why there is no cluster, or None."""
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster"
    done = subprocess.run(["kubectl", "get", "--raw", "/readyz"], capture_output=True, text=True, check=False, timeout=60)
    return None if done.stdout == "ok" else "the cluster does not answer: %s" % done.stderr.strip()


@functools.cache
def api_versions():
    return set(kubectl("api-versions").split())


def render(folder):
    """What `kubectl apply -k` would send, as one text."""
    return kubectl("kustomize", ROOT / folder)


def documents(text):
    """The objects of a text of YAML, as kubectl reads them; nothing is asked of the cluster but that."""
    done = kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", text=text)
    found, decoder, at = [], json.JSONDecoder(), 0
    while at < len(done.rstrip()):
        one, end = decoder.raw_decode(done, at)
        found += one["items"] if one["kind"] == "List" else [one]
        at = end + len(done[end:]) - len(done[end:].lstrip())
    return found


def for_this_cluster(text):
    """Clusters before 1.21 know the budget under its older name alone."""
    return text if "policy/v1" in api_versions() else text.replace("apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n")


def eventually(what, seconds=READY_SECONDS, why=lambda: ""):
    """Waits until `what()` is true, and returns it; that it cannot be asked just now is no end."""
    until = time.monotonic() + seconds
    while True:
        try:
            result, trouble = what(), None
        except AssertionError as error:
            result, trouble = None, error
        if result:
            return result
        assert time.monotonic() < until, "not within %d s: %s %s" % (seconds, trouble or "", why())
        time.sleep(0.2)


class Namespace:
    """A namespace and what a test does in it."""

    def __init__(self, name):
        self.name = name
        self.remove()
        kubectl("create", "namespace", name)

    def remove(self):
        for kind in ("deployments", "statefulsets", "pods"):
            kubectl("-n", self.name, "delete", kind, "--all", "--force", "--grace-period=0", "--wait=false", check=False)
        kubectl("delete", "namespace", self.name, "--ignore-not-found", "--wait=true", check=False, seconds=180)

    def kubectl(self, *arguments, **options):
        return kubectl("-n", self.name, *arguments, **options)

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    # ---- what is installed ----

    def secret(self, name="ordinal", **values):
        """Makes a secret, or changes it."""
        literals = ["--from-literal=%s=%s" % (key.replace("_", "-"), value) for key, value in values.items()]
        self.apply(self.kubectl("create", "secret", "generic", name, *literals, "--dry-run=client", "-o", "yaml"))

    def apply(self, text):
        self.kubectl("apply", "-f", "-", text=for_this_cluster(text))

    def install(self, overlay, replicas=3, change=lambda text: text):
        """An overlay, with the image under test. `change` is given its text."""
        text = render("k8s/overlays/" + overlay).replace("image: ordinal:local", "image: " + IMAGE)
        assert IMAGE in text
        self.apply(change(text).replace("  replicas: 3\n", "  replicas: %d\n" % replicas))

    def example(self, path, **replaced):
        """One of the manifests of k8s/examples, with the images under test: those of the programs, and `replaced`."""
        text = (ROOT / "k8s/examples" / path).read_text()
        for line in ("srp:local", "fib:local"):
            text = text.replace("image: %s\n" % line, "image: %s\n          workingDir: /apps/%s\n" % (APPS, line.split(":")[0]))
        for before, after in replaced.values():
            assert text.count(before) == 1
            text = text.replace(before, after)
        self.apply(text)

    def run(self, name, command, **environment):
        """A pod of the programs' image that runs a command."""
        self.apply(json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"ordinal-client": "true"}},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 20, "enableServiceLinks": False, "containers": [{
                "name": name, "image": APPS, "imagePullPolicy": "IfNotPresent", "command": command,
                "env": [{"name": key, "value": str(value)} for key, value in environment.items()]}]}}))

    # ---- pods ----

    def pods(self, prefix="ordinal-"):
        found = {}
        for pod in self.get("pods")["items"]:
            name = pod["metadata"]["name"]
            if name.startswith(prefix) and name[len(prefix):].isdigit():
                found[name] = pod
        return found

    def ready(self, count, set_name="ordinal", but=()):
        """Whether the set has exactly so many pods, all ready, none of those in `but` (uids)."""
        pods = self.pods(set_name + "-")
        good = [name for name, pod in pods.items()
                if pod["metadata"]["uid"] not in but and "deletionTimestamp" not in pod["metadata"] and is_ready(pod)]
        return len(pods) == count and len(good) == count

    def wait_ready(self, count, set_name="ordinal", but=()):
        eventually(lambda: self.ready(count, set_name, but), why=lambda: self.kubectl("get", "pods", "-o", "wide") + self.kubectl(
            "get", "events", "--sort-by=.lastTimestamp")[-3000:])

    def uids(self, set_name="ordinal"):
        return {pod["metadata"]["uid"] for pod in self.pods(set_name + "-").values()}

    def delete_pods(self, *names):
        self.kubectl("delete", "pod", *names, "--wait=false")

    def logs(self, pod, **options):
        return self.kubectl("logs", pod, **options)

    def status(self, ordinal=0, set_name="ordinal"):
        """`ordinal status` on a pod: its exit status, and what it shows."""
        done = subprocess.run(["kubectl", "-n", self.name, "exec", "%s-%d" % (set_name, ordinal), "--", "ordinal", "status"],
                              capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout

    def wait_in_sync(self, count, set_name="ordinal"):
        """One master and the rest in sync with it, all that there should be."""
        def in_sync():
            code, shown = self.status(set_name=set_name)
            return code == 0 and shown.count("  in sync  ") == count and shown.count("  master  ") == 1
        eventually(in_sync, why=lambda: self.status(set_name=set_name)[1])

    # ---- programs that run in pods ----

    def redis(self, host, *command, password=PASSWORD):
        """redis-cli in the pod `tools`."""
        given = ["env", "REDISCLI_AUTH=" + password] if password else []
        return self.kubectl("exec", "tools", "--", *given, "redis-cli", "-h", host, *command).strip()

    def tools(self):
        self.run("tools", ["sleep", "infinity"])
        self.kubectl("wait", "--for=condition=Ready", "pod/tools", "--timeout=60s")


def is_ready(pod):
    conditions = pod.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


@contextlib.contextmanager
def namespace(name):
    made = Namespace("ordinal-test-" + name)
    try:
        yield made
    finally:
        if not os.environ.get("K8S_KEEP"):
            made.remove()
