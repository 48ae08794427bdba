"""Keys made to collide must cost no more than any other keys: the hash is keyed by a secret of the process."""

import random
import subprocess

from harness.resp import encode
from harness.server import is_sanitized

COUNT = 65_536 if not is_sanitized() else 8_192


def colliding_keys(helper):
    output = subprocess.run([helper("hash_flood"), str(COUNT)], capture_output=True, check=True, timeout=60).stdout
    keys = [bytes.fromhex(line.decode()) for line in output.split()]
    assert len(set(keys)) == COUNT
    return keys


def exercise(server, keys):
    """Server CPU seconds to set each key, read it three times, and delete it."""
    with server.connect() as client:
        start = server.cpu_seconds()
        for verb in ("SET", "GET", "GET", "GET", "DEL"):
            for first in range(0, len(keys), 512):
                part = keys[first : first + 512]
                client.send(b"".join(encode(verb, key, *(("v",) if verb == "SET" else ())) for key in part))
                expected = {"SET": "OK", "GET": b"v", "DEL": 1}[verb]
                assert all(client.read() == expected for _ in part)
        assert client("DBSIZE") == 0
        return server.cpu_seconds() - start


def test_colliding_keys_cost_no_more_than_random_keys(server, helper):
    source = random.Random(3)
    attack = colliding_keys(helper)
    plain = [source.randbytes(8) for _ in range(COUNT)]
    exercise(server, plain)  # warms both up
    usual = min(exercise(server, plain) for _ in range(3))
    attacked = min(exercise(server, attack) for _ in range(3))
    assert attacked < usual * 1.5 + 0.05, "random keys %.3f s, colliding keys %.3f s" % (usual, attacked)


def test_two_servers_hash_differently(start_server):
    """SCAN's order is the table's order; with a secret for each process it differs from one to the next."""
    orders = []
    for _ in range(3):
        server = start_server()
        with server.connect() as client:
            client.pipeline([("SET", "k%d" % number, "v") for number in range(2000)])
            order, cursor = [], b"0"
            while True:
                cursor, keys = client("SCAN", cursor, "COUNT", "100")
                order += keys
                if cursor == b"0":
                    break
        assert sorted(set(order)) == sorted(b"k%d" % number for number in range(2000))
        orders.append(order)
    assert orders[0] != orders[1] or orders[1] != orders[2]
