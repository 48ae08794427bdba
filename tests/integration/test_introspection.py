"""What the server tells about itself, for monitoring (redis_exporter reads INFO's names), for client libraries (COMMAND)
and for people (SLOWLOG, LATENCY, MEMORY, OBJECT)."""

import re
import time

import pytest

from harness.resp import Error, Verbatim, encode
from harness.server import is_sanitized

# Names that redis_exporter and the usual dashboards read, by section.
FIELDS = {
    "server": "redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds uptime_in_days hz "
    "lru_clock executable config_file multiplexing_api gcc_version server_time_usec configured_hz io_threads_active",
    "clients": "connected_clients maxclients client_recent_max_input_buffer client_recent_max_output_buffer "
    "blocked_clients tracking_clients clients_in_timeout_table cluster_connections",
    "memory": "used_memory used_memory_human used_memory_rss used_memory_peak used_memory_peak_perc used_memory_overhead "
    "used_memory_startup used_memory_dataset total_system_memory used_memory_lua maxmemory maxmemory_policy "
    "mem_fragmentation_ratio mem_fragmentation_bytes allocator_allocated allocator_active allocator_resident "
    "mem_clients_normal mem_clients_slaves mem_allocator active_defrag_running lazyfree_pending_objects",
    "persistence": "loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time "
    "rdb_last_bgsave_status rdb_last_bgsave_time_sec aof_enabled aof_rewrite_in_progress aof_last_bgrewrite_status "
    "aof_last_write_status",
    "stats": "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes "
    "total_net_output_bytes instantaneous_input_kbps instantaneous_output_kbps rejected_connections sync_full "
    "sync_partial_ok sync_partial_err expired_keys expired_stale_perc expired_time_cap_reached_count evicted_keys "
    "evicted_clients keyspace_hits keyspace_misses pubsub_channels pubsub_patterns latest_fork_usec "
    "total_error_replies unexpected_error_replies",
    "replication": "role connected_slaves master_failover_state master_replid master_replid2 master_repl_offset "
    "second_repl_offset repl_backlog_active repl_backlog_size repl_backlog_first_byte_offset repl_backlog_histlen",
    "cpu": "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children",
    "cluster": "cluster_enabled",
}


def parse(text):
    return dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)


@pytest.mark.parametrize("section", sorted(FIELDS))
def test_info_has_the_known_fields(client, section):
    text = client("INFO", section)
    assert text.startswith(b"# " + section.capitalize().replace("Cpu", "CPU").encode() + b"\r\n")
    missing = set(FIELDS[section].split()) - set(parse(text))
    assert not missing


def test_info_sections(client):
    default = client("INFO")
    known = [line for line in default.decode().split("\r\n") if line.startswith("#") and line not in ("# Ordinal", "# Roster")]
    assert known == [
        "# Server", "# Clients", "# Memory", "# Persistence", "# Stats", "# Replication", "# CPU", "# Modules",
        "# Errorstats", "# Cluster", "# Keyspace",
    ]
    assert b"# Commandstats" in client("INFO", "all") and b"# Commandstats" not in default
    two = client("INFO", "server", "clients")
    assert b"# Server" in two and b"# Clients" in two and b"# Memory" not in two
    assert client("INFO", "nonsense") == b""
    client("HELLO", "3")
    assert isinstance(client("INFO"), Verbatim)


def test_info_keyspace(client):
    client.pipeline([("SET", "k%d" % number, "v") for number in range(10)])
    client.pipeline([("EXPIRE", "k%d" % number, "100") for number in range(4)])
    client("SELECT", "3")
    client("SET", "k", "v")
    keyspace = parse(client("INFO", "keyspace"))
    assert re.fullmatch(r"keys=10,expires=4,avg_ttl=\d+", keyspace["db0"])
    assert re.fullmatch(r"keys=1,expires=0,avg_ttl=0", keyspace["db3"])
    assert set(keyspace) == {"db0", "db3"}


def test_info_counts_hits_misses_commands_and_errors(client):
    client("CONFIG", "RESETSTAT")
    client.pipeline([("SET", "k", "v")] * 5 + [("GET", "k")] * 7 + [("GET", "absent")] * 3 + [("INCR", "k")] * 2)
    info = parse(client("INFO", "everything"))
    assert info["keyspace_hits"] == "7" or int(info["keyspace_hits"]) == 9  # whether INCR's look-up counts
    assert info["keyspace_misses"] == "3"
    assert info["cmdstat_set"].startswith("calls=5,usec=")
    assert info["cmdstat_get"].startswith("calls=10,usec=")
    assert info["cmdstat_incr"].endswith("rejected_calls=0,failed_calls=2")
    assert info["errorstat_ERR"] == "count=2"
    assert int(info["total_commands_processed"]) >= 17
    assert int(info["total_net_input_bytes"]) > 17 * 20


def test_info_latencystats(client):
    client.pipeline([("SET", "k", "v")] * 100)
    stats = parse(client("INFO", "latencystats"))
    assert re.fullmatch(r"p50=[\d.]+,p99=[\d.]+,p99\.9=[\d.]+", stats["latency_percentiles_usec_set"])


def test_info_of_used_memory_follows_the_data(server, client):
    before = int(parse(client("INFO", "memory"))["used_memory"])
    server("SET", "big", b"x" * 10_000_000)
    full = int(parse(client("INFO", "memory"))["used_memory"])
    assert 10_000_000 <= full - before < 13_000_000
    server("DEL", "big")
    after = int(parse(client("INFO", "memory"))["used_memory"])
    assert abs(after - before) < 2_000_000
    assert int(parse(client("INFO", "memory"))["used_memory_peak"]) >= full - 100_000


def test_command_info(client):
    get, absent = client("COMMAND", "INFO", "get", "nonsense")
    assert absent is None
    assert get[:6] == [b"get", 2, ["readonly", "fast"], 1, 1, 1]
    assert set(get[6]) == {"@read", "@string", "@fast"}
    assert client("COMMAND", "COUNT") == len(client("COMMAND"))
    assert b"get" in client("COMMAND", "LIST")
    assert client("COMMAND", "LIST", "FILTERBY", "PATTERN", "getde*") == [b"getdel"]
    assert b"set" in client("COMMAND", "LIST", "FILTERBY", "ACLCAT", "string")
    assert b"get" not in client("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write")


def test_command_docs(client):
    client("HELLO", "3")
    docs = client("COMMAND", "DOCS", "get", "config|set", "nonsense")
    assert set(docs) == {b"get", b"config|set"}
    get = docs[b"get"]
    assert get[b"group"] == b"string" and get[b"since"] == b"1.0.0" and get[b"summary"]
    assert get[b"arguments"][0][b"name"] == b"key"
    everything = client("COMMAND", "DOCS")
    assert len(everything) > 60 and all(entry[b"summary"] for entry in everything.values())


@pytest.mark.parametrize(
    "command, keys",
    [
        (["GET", "k"], [b"k"]),
        (["MSET", "a", "1", "b", "2"], [b"a", b"b"]),
        (["RENAME", "a", "b"], [b"a", b"b"]),
        (["BITOP", "AND", "d", "a", "b"], [b"d", b"a", b"b"]),
        (["OBJECT", "ENCODING", "k"], [b"k"]),
        (["MEMORY", "USAGE", "k"], [b"k"]),
    ],
)
def test_command_getkeys(client, command, keys):
    assert client("COMMAND", "GETKEYS", *command) == keys


@pytest.mark.parametrize(
    "command, text",
    [
        (["PING", "x"], "ERR The command has no key arguments"),
        (["NONSENSE", "x"], "ERR Invalid command specified"),
        (["GET", "a", "b"], "ERR Invalid number of arguments specified for command"),
    ],
)
def test_command_getkeys_refuses(client, command, text):
    assert client("COMMAND", "GETKEYS", *command) == Error(text)


def test_slowlog(client):
    client("CONFIG", "SET", "slowlog-log-slower-than", "0")
    client("CLIENT", "SETNAME", "slow one")
    client("CLIENT", "SETNAME", "slow")
    client("SET", "key", "x" * 500)
    entry = client("SLOWLOG", "GET", "1")[0]
    identity, when, duration, arguments, address, name = entry
    assert isinstance(identity, int) and abs(when - time.time()) < 300 and 0 <= duration < 10_000_000
    assert arguments[:2] == [b"SET", b"key"] and arguments[2] == b"x" * 128 + b"... (372 more bytes)"
    assert re.fullmatch(rb"127\.0\.0\.1:\d+", address) and name == b"slow"
    client("MSET", *["k", "v"] * 50)
    arguments = client("SLOWLOG", "GET", "1")[0][3]
    assert len(arguments) == 32 and arguments[-1] == b"... (70 more arguments)"
    assert client("SLOWLOG", "LEN") > 3
    assert client("CONFIG", "SET", "slowlog-log-slower-than", "-1") == "OK"
    assert client("SLOWLOG", "RESET") == "OK"
    assert client("SLOWLOG", "LEN") == 0
    assert client("SLOWLOG", "GET") == []
    assert client("SLOWLOG", "GET", "-2") == Error("ERR count should be greater than or equal to -1")


def test_slowlog_tells_no_secrets(client):
    client("CONFIG", "SET", "slowlog-log-slower-than", "0")
    client("AUTH", "hunter2")
    client("CONFIG", "SET", "requirepass", "hunter2")
    client("HELLO", "2", "AUTH", "default", "hunter2")
    assert "hunter2" not in repr(client("SLOWLOG", "GET", "-1"))
    client("CONFIG", "SET", "requirepass", "")


def test_latency(client):
    assert client("CONFIG", "SET", "latency-monitor-threshold", "1") == "OK"
    assert client("DEBUG", "SLEEP", "0.02") == "OK"
    latest = client("LATENCY", "LATEST")
    assert latest[0][0] == b"command" and latest[0][2] >= 20
    history = client("LATENCY", "HISTORY", "command")
    assert history[0][1] >= 20
    assert client("LATENCY", "RESET") >= 1
    assert client("LATENCY", "LATEST") == []
    client("SET", "k", "v")
    histogram = client("LATENCY", "HISTOGRAM", "set")
    assert histogram[0] == b"set" and histogram[1][0] == b"calls" and histogram[1][1] >= 1
    assert isinstance(client("LATENCY", "DOCTOR"), (bytes, Verbatim))


def test_memory(client):
    client("SET", "small", "x")
    client("SET", "large", b"x" * 100_000)
    small, large = client("MEMORY", "USAGE", "small"), client("MEMORY", "USAGE", "large", "SAMPLES", "0")
    assert 0 < small < 200 and 100_000 < large < 130_000
    assert client("MEMORY", "USAGE", "absent") is None
    stats = client("MEMORY", "STATS")
    names = set(stats[::2])
    assert {b"peak.allocated", b"total.allocated", b"keys.count", b"dataset.bytes", b"fragmentation"} <= names
    assert client("MEMORY", "PURGE") == "OK"
    assert isinstance(client("MEMORY", "DOCTOR"), (bytes, Verbatim))


def test_object(client):
    client.pipeline([("SET", "int", "123"), ("SET", "short", "x" * 44), ("SET", "long", "x" * 45)])
    assert client("OBJECT", "ENCODING", "int") == b"int"
    assert client("OBJECT", "ENCODING", "short") == b"embstr"
    assert client("OBJECT", "ENCODING", "long") == b"raw"
    assert client("OBJECT", "REFCOUNT", "short") == 1
    assert client("OBJECT", "IDLETIME", "short") == 0
    text = (
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
        "between policies at runtime LRU and LFU data will take some time to adjust."
    )
    assert client("OBJECT", "FREQ", "short") == Error(text)


def test_lolwut(client):
    reply = client("LOLWUT")
    assert isinstance(reply, bytes) and b"ver" in reply


def test_time_advances(client):
    before = time.time()
    seconds, microseconds = map(int, client("TIME"))
    assert before - 1 <= seconds + microseconds / 1e6 <= time.time() + 1


def test_idle_connections_are_small(ordinal, server, connect):
    """At most 1 KB of resident memory for each of 8,000 that have said one thing and nothing since."""
    warm = [connect() for _ in range(500)]
    assert [client("PING") for client in warm] == ["PONG"] * 500
    before = server.resident()
    clients = [connect() for _ in range(8000)]
    for client in clients:
        client.send(encode("PING"))
    assert [client.read() for client in clients] == ["PONG"] * 8000
    each = (server.resident() - before) / len(clients)
    assert each <= 1024 or is_sanitized(), "%.0f bytes" % each
