"""What runs in pods beside Ordinal while something is done to it, and what it has seen."""

import json
import re

from cluster import PASSWORD, eventually

COUNTS = re.compile(r"^(PASS|FAIL|\.\.\.\.)  (\d+) logins passed, (\d+) failed, (\d+) with challenge .*?, (?:(\d+) tried again, )?", re.M)


def is_over(namespace, pod):
    return namespace.get("pod", pod)["status"].get("phase") in ("Succeeded", "Failed")


def end(namespace, pod):
    """Tells the program to end, and returns what it wrote."""
    namespace.kubectl("exec", pod, "--", "sh", "-c", "kill -TERM 1", check=False)
    eventually(lambda: is_over(namespace, pod), seconds=60, why=lambda: namespace.logs(pod))
    text = namespace.logs(pod)
    namespace.kubectl("delete", "pod", pod)
    return text


class Keeper:
    """apps/keeper.py: writes through the Service, reads over another connection."""

    def __init__(self, namespace, host="ordinal", password=PASSWORD, name="keeper"):
        self.namespace, self.name = namespace, name
        namespace.run(name, ["python3", "/apps/keeper.py"], HOST=host, PASSWORD=password, PREFIX=name)
        eventually(lambda: "keeper begins" in namespace.logs(name, check=False))

    def end(self):
        return json.loads(end(self.namespace, self.name).strip().splitlines()[-1])


class Logins:
    """The SRP example's client: logs in again and again, four at a time; a login that fails is tried once more."""

    def __init__(self, namespace, name="logins"):
        self.namespace, self.name = namespace, name
        namespace.run(name, ["sh", "-c", "cd /apps/srp && exec node client.js --url http://srp --logins 0 --parallel 4 --retries 1"])
        eventually(lambda: namespace.get("pod", name)["status"].get("phase") == "Running")

    def end(self):
        """How many passed, failed for good, and were tried again; and all that the client wrote."""
        text = end(self.namespace, self.name)
        _, passed, failed, _, retried = COUNTS.findall(text)[-1]
        return {"passed": int(passed), "failed": int(failed), "retried": int(retried), "text": text}
