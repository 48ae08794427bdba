"""RDB files of old servers, which Redis's own test suite keeps as assets: versions 3 to 10 with ziplists and zipmaps. They are
fetched as the suite is (tests/redis-suite/fetch.sh), and are not kept in this repository."""

import os
import shutil
import subprocess

import pytest

from harness.contents import contents
from harness.server import ROOT

NUMBERS = ["1", "2", "3", "a", "b", "c", "100000", "6000000000"]


@pytest.fixture(scope="module")
def assets():
    fetched = subprocess.run([os.path.join(ROOT, "tests/redis-suite/fetch.sh")], capture_output=True, text=True)
    if fetched.returncode != 0:
        pytest.skip("the sources of redis cannot be fetched here: " + fetched.stderr[-200:])
    return os.path.join(fetched.stdout.strip(), "tests", "assets")


@pytest.fixture
def start_on(start_server, tmp_path, assets):
    def start(name, ready=True, **settings):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(os.path.join(assets, name + ".rdb"), folder / "dump.rdb")
        server = start_server(ready=False, dir=folder, **settings)
        if ready:
            server.wait_ready(loads=True)
        return server

    return start


@pytest.mark.parametrize("limit", [512, 1])
def test_every_encoding_of_version_4(start_on, limit):
    server = start_on("encodings", zset_max_listpack_entries=limit, hash_max_listpack_entries=limit,
                      set_max_intset_entries=limit)
    with server.connect() as ask:
        held = {key[2:]: about["value"] for key, about in contents(ask, 1).items()}
    assert held == {
        "compressible": "a" * 137,
        "hash": sorted([k * n, str(v * 10 ** (n - 1))] for k, v in (("a", 1), ("b", 2), ("c", 3)) for n in (1, 2, 3))
        + [["ddd", "400"], ["eee", "5000000000"]],
        "hash_zipped": [["a", "1"], ["b", "2"], ["c", "3"]],
        "list": NUMBERS * 3,
        "list_zipped": NUMBERS,
        "number": "10",
        "set": sorted(NUMBERS),
        "set_zipped_1": ["1", "2", "3", "4"],
        "set_zipped_2": ["100000", "200000", "300000", "400000"],
        "set_zipped_3": ["%d000000000" % i for i in range(1, 7)],
        "string": "Hello World",
        "zset": [["a", 1], ["b", 2], ["c", 3], ["aa", 10], ["bb", 20], ["cc", 30], ["aaa", 100], ["bbb", 200], ["ccc", 300],
                 ["aaaa", 1000], ["cccc", 123456789], ["bbbb", 5000000000]],
        "zset_zipped": [["a", 1], ["b", 2], ["c", 3]],
    }


@pytest.mark.parametrize("limit, encoding", [(512, b"listpack"), (1, b"hashtable")])
@pytest.mark.parametrize("name", ["hash-ziplist", "hash-zipmap"])
def test_hashes_of_old_encodings(start_on, name, limit, encoding):
    server = start_on(name, hash_max_listpack_entries=limit)
    assert sorted(server("HGETALL", "hash")) == [b"f1", b"f2", b"v1", b"v2"]
    assert server("OBJECT", "ENCODING", "hash") == encoding


@pytest.mark.parametrize("limit, encoding", [(128, b"listpack"), (1, b"skiplist")])
def test_a_sorted_set_as_a_ziplist(start_on, limit, encoding):
    server = start_on("zset-ziplist", zset_max_listpack_entries=limit)
    assert server("ZRANGE", "zset", 0, -1, "WITHSCORES") == [b"one", b"1", b"two", b"2"]
    assert server("OBJECT", "ENCODING", "zset") == encoding


def test_lists_of_redis_4(start_on):
    server = start_on("list-quicklist")
    assert server("GET", "x") == b"7"
    assert server("LPOP", "list") == b"7"


def test_collections_of_nothing_are_left_out(start_on):
    server = start_on("corrupt_empty_keys")
    assert server("DBSIZE") == 0
    assert "skipping empty key: set" in server.log()
    assert "empty keys skipped: 9." in server.log()


def test_a_damaged_ziplist_is_refused(start_on):
    server = start_on("corrupt_ziplist", ready=False)
    server.expected_status = 1
    assert server.wait() == 1
    assert "the value of key 'key:000000000091' in database 0 (a hash as a ziplist): its content is damaged" in server.log()


def test_scripts_are_left_out(start_on):
    server = start_on("scriptbackup")
    assert server("DBSIZE") == 0
    assert "a script that EVALSHA would know" in server.log()
