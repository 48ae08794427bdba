"""The SRP login of k8s/examples/srp, on a running Ordinal: the demonstration as it is, and then what an
attacker or an unlucky client does to it.

The client here is written from RFC 5054 with Python's own numbers and shares no code with the servers, so
that a login that passes also says that the example speaks SRP-6a and not just the same dialect on both sides.
The server binary is ORDINAL, or ./ordinal; Node.js and npm must be there.
"""
import hashlib
import hmac
import http.client
import json
import os
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import pytest
import redis

from programs import EXAMPLES, environment, make_packages

EXAMPLE = EXAMPLES / "srp"
SEED = b"ordinal"
PARALLEL = 20
REFUSED = (401, {"error": "not authenticated"})

# RFC 5054, appendix A, the 2048-bit group.
N = int(
    "AC6BDB41324A9A9BF166DE5E1389582FAF72B6651987EE07FC3192943DB56050A37329CBB4A099ED8193E0757767A13DD52312AB"
    "4B03310DCD7F48A9DA04FD50E8083969EDB767B0CF6095179A163AB3661A05FBD5FAAAE82918A9962F0B93B855F97993EC975EEA"
    "A80D740ADBF4FF747359D041D5C33EA71D281E446B14773BCA97B43A23FB801676BD207A436C6481F1D2B9078717461A5B9D32E6"
    "88F87748544523B524B0D57D5EA77A2775D2ECFA032CFBDBF52FB3786160279004E57AE6AF874E7303CE53299CCC041C7BC308D8"
    "2A5698F3A8D0C38271AE35F8E9DBFBB694B5C803D89F7AE435DE236D525F54759B65E372FCD68EF20FA7111F9E4AFF73", 16)
G = 2


def digest(*parts):
    return hashlib.sha512(b"".join(parts)).digest()


def number(data):
    return int.from_bytes(data, "big")


def plain(value):
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def padded(value):
    return value.to_bytes(256, "big")


def evidence(first, second, key):
    return number(digest(plain(first), plain(second), plain(key)))


def proof_of(name, password, salt, B):
    """A, M1 and the M2 that only a server with the verifier can answer."""
    a = secrets.randbits(256)
    A = pow(G, a, N)
    k = number(digest(padded(N), padded(G)))
    u = number(digest(padded(A), padded(B)))
    x = number(digest(plain(salt), digest(f"{name}:{password}".encode())))
    S = pow(B - k * pow(G, x, N), a + u * x, N)
    M1 = evidence(A, B, S)
    return A, M1, evidence(A, M1, S)


def user(index):
    name = f"user-{index}"
    secret = hmac.new(SEED, b"password\0" + name.encode(), hashlib.sha512).hexdigest()
    return name, secret[:20]


def post(base, path, body=None):
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)
    try:
        text = None if body is None else json.dumps(body)
        connection.request("POST", path, text, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def ask(base, name):
    """The body of a challenge for `name`."""
    status, body = post(base, "/auth/challenge?username=" + quote(name))
    assert status == 200, body
    return body


def challenge(base, name):
    body = ask(base, name)
    return int(body["salt"], 16), int(body["B"], 16)


def send(base, name, A, M1):
    return post(base, "/auth/authenticate", {"username": name, "A": f"{A:x}", "M1": f"{M1:x}"})


def attempt(base, name, password):
    """One login; gives the reply and the M2 that it must carry."""
    A, M1, M2 = proof_of(name, password, *challenge(base, name))
    return send(base, name, A, M1), M2


def assert_accepted(reply, M2):
    status, body = reply
    assert status == 200, body
    assert int(body["M2"], 16) == M2


@pytest.fixture(scope="session")
def packages():
    make_packages("k8s/examples/srp/srp.mk", "srp-packages")


@pytest.fixture(scope="module")
def stack(packages):
    """Ordinal, three servers and the front; they end when their standard input does."""
    process = subprocess.Popen(["node", EXAMPLE / "stack.js"], env=environment(), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline()
        assert line, "the stack did not start"
        yield json.loads(line)
    finally:
        process.stdin.close()
        status = process.wait(timeout=60)
        process.stdout.close()
    assert status == 0, "a process of the stack did not stop as it should"


@pytest.fixture
def front(stack):
    return stack["front"]


@pytest.fixture
def cache(stack):
    with redis.Redis(port=stack["port"], decode_responses=True) as connection:
        yield connection


def run_demo(*arguments, timeout):
    done = subprocess.run(["node", EXAMPLE / "demo.js", *arguments], env=environment(), timeout=timeout,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("PASS") and all(line.startswith("ok") for line in lines[:-1]), done.stdout


def test_the_demonstration_keeps_all_its_promises(packages):
    run_demo("--logins", "60", timeout=150)


@pytest.mark.skipif("ORDINAL_TEST_LONG" not in os.environ, reason="a minute; ORDINAL_TEST_LONG=1")
def test_a_challenge_older_than_a_minute_is_refused(packages):
    run_demo("--logins", "4", "--long", timeout=240)


def test_a_client_written_from_the_rfc_logs_in_and_knows_the_server(front):
    assert_accepted(*attempt(front, *user(10)))


def test_twenty_logins_in_parallel_pass(front):
    with ThreadPoolExecutor(PARALLEL) as pool:
        for reply, M2 in pool.map(lambda index: attempt(front, *user(index)), range(20, 20 + PARALLEL)):
            assert_accepted(reply, M2)


def test_a_wrong_password_is_refused_and_the_right_one_passes_after_it(front):
    name, password = user(11)
    assert attempt(front, name, password + "x")[0] == REFUSED
    assert_accepted(*attempt(front, name, password))


def test_a_wrong_proof_consumes_the_challenge(front):
    name, password = user(12)
    A, M1, _ = proof_of(name, password, *challenge(front, name))
    assert send(front, name, A, M1 ^ 1) == REFUSED
    assert send(front, name, A, M1) == REFUSED


def test_a_malformed_request_does_not_consume_the_challenge(front):
    name, password = user(13)
    A, M1, M2 = proof_of(name, password, *challenge(front, name))
    no_name, no_proof = {"A": "1", "M1": "1"}, {"username": name, "A": "1"}
    for body in (no_name, no_proof, {**no_proof, "M1": "no hexadecimal"}, []):
        assert post(front, "/auth/authenticate", body)[0] == 400
    assert_accepted(send(front, name, A, M1), M2)


@pytest.mark.parametrize("A", [0, N], ids=["zero", "N"])
def test_a_public_value_that_makes_the_key_zero_is_refused(front, A):
    name, _ = user(14)
    _, B = challenge(front, name)
    assert send(front, name, A, evidence(A, B, 0)) == REFUSED


def test_a_new_challenge_replaces_the_old_one(front):
    name, password = user(15)
    A, M1, _ = proof_of(name, password, *challenge(front, name))
    challenge(front, name)
    assert send(front, name, A, M1) == REFUSED


def test_a_challenge_of_one_user_is_no_use_to_another(front):
    (name, password), (other, _) = user(16), user(17)
    A, M1, M2 = proof_of(name, password, *challenge(front, name))
    challenge(front, other)
    assert send(front, other, A, M1) == REFUSED
    assert_accepted(send(front, name, A, M1), M2)


def test_an_unknown_user_is_challenged_and_refused_like_a_known_one(stack, front, cache):
    known, unknown = user(18)[0], "nobody@example.org"
    replies = {name: [ask(server, name) for server in stack["servers"]] for name in (known, unknown)}
    lives = {name: cache.pttl(f"srp:challenge:{name}") for name in replies}
    for name, bodies in replies.items():
        assert {tuple(sorted((field, len(value)) for field, value in body.items())) for body in bodies} == {
            (("B", 512), ("salt", 128))}
        assert len({body["salt"] for body in bodies}) == 1, "one salt, whichever server"
        assert len({body["B"] for body in bodies}) == len(bodies)
        assert 50_000 < lives[name] <= 60_000
        assert attempt(front, name, "a guess")[0] == REFUSED
    assert replies[known][0]["salt"] != replies[unknown][0]["salt"]


def test_the_challenge_is_in_the_cache_until_it_is_used(front, cache):
    name, password = user(19)
    key = f"srp:challenge:{name}"
    A, M1, M2 = proof_of(name, password, *challenge(front, name))
    assert cache.exists(key) == 1
    assert_accepted(send(front, name, A, M1), M2)
    assert cache.exists(key) == 0
