"""DEBUG RELOAD: saves a file, and loads it."""

import os

import pytest

from harness import rdb
from harness.contents import contents
from harness.resp import Error


def fill(ask):
    assert ask("SET", "string", "v" * 300) == "OK"
    assert ask("SET", "int", 17, "PXAT", 4102444800001) == "OK"
    assert ask("RPUSH", "list", *range(600)) == 600
    assert ask("SADD", "set", *["m%d" % i for i in range(300)]) == 300
    assert ask("SADD", "ints", 1, 2, 3) == 3
    assert ask("ZADD", "zset", 1.5, "a", "-inf", "b") == 2
    assert ask("HSET", "hash", "f", "v", "g", 12) == 2
    assert ask("HPEXPIREAT", "hash", 4102444800002, "FIELDS", 1, "f") == [1]
    assert ask("SELECT", 7) == "OK"
    assert ask("SET", "string", "of database 7") == "OK"
    assert ask("SELECT", 0) == "OK"


@pytest.fixture
def filled(server):
    with server.connect() as ask:
        fill(ask)
    return server


def path(server):
    return os.path.join(server.directory, "dump.rdb")


def test_everything_is_there_again(filled):
    with filled.connect() as ask:
        before, digest = contents(ask), ask("DEBUG", "DIGEST")
        assert ask("DEBUG", "RELOAD") == "OK"
        assert ask("DEBUG", "DIGEST") == digest
        assert contents(ask) == before
    assert filled.info("persistence")["rdb_last_load_keys_loaded"] == "8"
    assert [name for name in os.listdir(filled.directory) if name.endswith(".rdb")] == ["dump.rdb"]


def test_what_is_past_its_deadline_is_not_there_again(filled):
    with filled.connect() as ask:
        assert ask("DEBUG", "SET-ACTIVE-EXPIRE", 0) == "OK"
        assert ask("SET", "dead", "v", "PX", 1) == "OK"
        while ask("PTTL", "dead") != -2:
            pass
        assert ask("DEBUG", "RELOAD") == "OK"
        assert ask("DBSIZE") == 7


def test_nosave_loads_what_is_in_the_file(filled):
    with open(path(filled), "wb") as file:
        file.write(rdb.file(rdb.key("other", "1")))
    with filled.connect() as ask:
        assert ask("DEBUG", "RELOAD", "NOSAVE") == "OK"
        assert list(contents(ask)) == ["0:other"]


def test_noflush_and_merge(filled):
    with open(path(filled), "wb") as file:
        file.write(rdb.file(rdb.key("other", "1"), rdb.key("string", "new")))
    with filled.connect() as ask:
        assert isinstance(ask("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH"), Error)
        assert "the key 'string' of database 0 is there already" in filled.log()
        assert ask("GET", "string") == b"v" * 300
        assert ask("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") == "OK"
        assert ask("GET", "string") == b"new"
        assert ask("LLEN", "list") == 600
        assert ask("GET", "other") == b"1"


def test_what_is_refused(server):
    failed = "ERR Error trying to load the RDB dump, check server logs"
    assert server("DEBUG", "RELOAD", "RUBBISH") == (
        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    assert server("DEBUG", "RELOAD", "NOSAVE") == failed  # there is no file
    with open(path(server), "wb") as file:
        file.write(b"REDIS0010rubbish")
    assert server("DEBUG", "RELOAD", "NOSAVE") == failed
    assert "Cannot load" in server.log() or "at byte" in server.log()
    assert server("SET", "a", "1") == "OK"


def test_watching_clients_see_it(filled):
    with filled.connect() as watcher:
        assert watcher("WATCH", "string") == "OK"
        assert filled("DEBUG", "RELOAD") == "OK"
        assert watcher("MULTI") == "OK"
        assert watcher("GET", "string") == "QUEUED"
        assert watcher("EXEC") is None


def test_a_large_server_keeps_answering_afterwards(server):
    with server.connect() as ask:
        assert ask("DEBUG", "POPULATE", 100000) == "OK"
        assert ask("DEBUG", "RELOAD") == "OK"
        assert ask("DBSIZE") == 100000
        assert ask("GET", "key:99999") == b"value:99999"
