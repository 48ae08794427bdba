"""The clients that people use, each in a short program that does what its users do with it (tests/apps/clients), and
the sessions of a web application of two processes.

The programs say which uses they have come through; they are told which to do. With ORDINAL=/usr/bin/redis-server they
show what the original does.
"""

import http.client
import json
import shutil
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from harness.server import is_ordinal
from programs import NODE, ROOT, make_packages

CLIENTS = ROOT / "tests/apps/clients"
PROGRAM_SECONDS = 120
REPLY_SECONDS = 30
SESSION_SECONDS = 2

USES = {
    "ioredis": ["session", "lock", "rate limit", "queue", "delayed queue", "messages", "leaderboard", "pipeline",
                "scans"],
    "node-redis": ["session", "field deadlines", "lock", "rate limit", "queue", "tags", "leaderboard", "messages",
                   "client-side cache"],
    "python3-redis": ["session", "lock", "counter", "queue", "acknowledged queue", "rate limit", "messages",
                      "expiry notices", "places", "scans"],
    "ruby-redis": ["jobs", "waiting worker", "schedule", "cache", "counters", "lock", "messages"],
    "php-redis": ["session", "cache", "tags", "rate limit", "queue", "leaderboard", "transaction", "pipeline",
                  "messages"],
    "libredis-perl": ["counters", "hash", "queue", "lock", "leaderboard", "tags", "pipeline", "messages"],
    "hiredis": ["hash", "pipeline", "queue", "transaction", "messages", "sets"],
}
NEWER_THAN_THE_ORIGINAL = ["field deadlines"]


@pytest.fixture(scope="session")
def packages(node):
    make_packages("tests/apps/apps.mk", "client-packages")


@pytest.fixture(scope="session")
def command(packages):
    """A function that gives the command line of the program of a client."""
    make_packages("tests/apps/apps.mk", "client-hiredis")
    commands = {
        "ioredis": [NODE, CLIENTS / "ioredis.js"],
        "node-redis": [NODE, CLIENTS / "node_redis.js"],
        "python3-redis": ["/usr/bin/python3", CLIENTS / "python_redis.py"],
        "ruby-redis": [shutil.which("ruby"), CLIENTS / "ruby_redis.rb"],
        "php-redis": [shutil.which("php"), CLIENTS / "php_redis.php"],
        "libredis-perl": ["/usr/bin/perl", CLIENTS / "perl_redis.pl"],
        "hiredis": [ROOT / "build/tests/apps/hiredis"],
    }

    def command_of(client):
        assert all(commands[client]), "the language of %s is missing: make deps-test" % client
        return commands[client]

    return command_of


@pytest.mark.parametrize("client", USES)
def test_a_client_does_what_its_users_use_it_for(client, command, server):
    uses = [use for use in USES[client] if is_ordinal() or use not in NEWER_THAN_THE_ORIGINAL]
    done = subprocess.run([*command(client), str(server.port), *uses], timeout=PROGRAM_SECONDS, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout.splitlines()) == (0, uses), done.stderr


class Browser:
    """Keeps the session's cookie, as a browser does, whichever process it talks to."""

    def __init__(self):
        self.cookie = None

    def ask(self, method, base, path="/"):
        connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=REPLY_SECONDS)
        try:
            connection.request(method, path, headers={"cookie": self.cookie} if self.cookie else {})
            response = connection.getresponse()
            body = json.loads(response.read())
            set_cookie = response.getheader("set-cookie")
            if set_cookie:
                self.cookie = set_cookie.split(";")[0]
            return response.status, body
        finally:
            connection.close()


NOT_LOGGED_IN = (401, {"error": "not logged in"})


@pytest.fixture
def start_apps(packages, server):
    """A function that starts two processes of the application and gives their addresses."""
    processes = []

    def start(seconds):
        for _ in range(2):
            processes.append(subprocess.Popen(
                [NODE, CLIENTS / "session_app.js", str(server.port), str(seconds)], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        return [process.stdout.readline().strip() for process in processes]

    yield start
    for process in processes:
        process.stdin.close()
        try:
            assert process.wait(timeout=REPLY_SECONDS) == 0
        finally:
            process.kill()
            process.stdout.close()


def test_a_session_goes_on_in_another_process_until_it_is_ended(start_apps):
    first, second = start_apps(100)
    browser, stranger = Browser(), Browser()
    assert browser.ask("GET", first) == NOT_LOGGED_IN
    assert browser.ask("POST", first, "/login?user=ada") == (200, {"user": "ada"})
    for views, base in enumerate([second, first, second, second], 1):
        assert browser.ask("GET", base) == (200, {"user": "ada", "views": views})
    assert stranger.ask("POST", second, "/login?user=bob") == (200, {"user": "bob"})
    for base in (first, second):
        assert browser.ask("GET", base, "/sessions") == (200, {"count": 2, "users": ["ada", "bob"]})
    assert browser.ask("POST", second, "/logout") == (200, {})
    assert browser.ask("GET", first) == NOT_LOGGED_IN
    assert stranger.ask("GET", first) == (200, {"user": "bob", "views": 1})
    assert stranger.ask("GET", second, "/sessions") == (200, {"count": 1, "users": ["bob"]})


def test_a_session_ends_when_it_is_not_used_and_lives_on_while_it_is(start_apps, server):
    first, second = start_apps(SESSION_SECONDS)
    browser = Browser()
    assert browser.ask("POST", first, "/login?user=ada")[0] == 200
    began = time.monotonic()
    views = 0
    while time.monotonic() < began + 1.5 * SESSION_SECONDS:
        views += 1
        assert browser.ask("GET", second) == (200, {"user": "ada", "views": views})
        time.sleep(SESSION_SECONDS / 10)
    last = time.monotonic()
    while server("DBSIZE") > 0:
        assert time.monotonic() < last + 2 * SESSION_SECONDS, "the session is still there"
        time.sleep(0.01)
    assert time.monotonic() > last + SESSION_SECONDS / 2, "the session went too early"
    assert browser.ask("GET", first) == NOT_LOGGED_IN
