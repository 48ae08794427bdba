"""INFO, CONFIG RESETSTAT, SLOWLOG, LATENCY, MEMORY, DEBUG, SHUTDOWN and the commands about whole databases."""

import re
import time

import pytest

from harness.resp import Closed, Error, Verbatim

# What redis_exporter and dashboards read; Redis 7.2's names.
FIELDS = {
    "server": "redis_version run_id process_id tcp_port uptime_in_seconds uptime_in_days executable config_file os "
    "redis_mode server_time_usec hz lru_clock",
    "clients": "connected_clients blocked_clients maxclients client_recent_max_input_buffer tracking_clients",
    "memory": "used_memory used_memory_human used_memory_rss used_memory_peak used_memory_overhead "
    "used_memory_startup used_memory_dataset allocator_allocated allocator_active allocator_resident "
    "total_system_memory maxmemory maxmemory_policy mem_fragmentation_ratio mem_clients_normal mem_allocator "
    "lazyfree_pending_objects",
    "persistence": "loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time "
    "rdb_last_bgsave_status aof_enabled aof_rewrite_in_progress aof_last_bgrewrite_status",
    "stats": "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes "
    "total_net_output_bytes rejected_connections expired_keys evicted_keys keyspace_hits keyspace_misses "
    "total_error_replies pubsub_channels latest_fork_usec total_reads_processed total_writes_processed",
    "replication": "role connected_slaves master_replid master_repl_offset repl_backlog_size",
    "cpu": "used_cpu_sys used_cpu_user used_cpu_sys_main_thread used_cpu_user_main_thread",
    "cluster": "cluster_enabled",
}


def wait_until(condition, seconds=30):
    """Asks again and again; each question is a round trip to the server."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not so after %d s" % seconds


def titles(text):
    return re.findall(r"^# (\w+)\r$", text.decode(), re.M)


@pytest.mark.parametrize("section", FIELDS)
def test_info_has_the_fields_that_monitoring_reads(server, section):
    info = server.info(section)
    missing = [name for name in FIELDS[section].split() if name not in info]
    assert not missing


def test_info_gives_the_sections_that_are_asked_for(client):
    default = titles(client("INFO"))
    assert default[:3] == ["Server", "Clients", "Memory"] and "Commandstats" not in default
    assert "Commandstats" in titles(client("INFO", "all"))
    assert {"Commandstats", "Latencystats", "Modules"} <= set(titles(client("INFO", "everything")))
    assert titles(client("INFO", "keyspace", "SERVER", "keyspace")) == ["Server", "Keyspace"]
    assert client("INFO", "nonsense") == b""


def test_info_is_verbatim_text_in_resp3(client):
    client("HELLO", "3")
    reply = client("INFO", "server")
    assert isinstance(reply, Verbatim) and reply.startswith(b"txt:# Server\r\nredis_version:7.")


def test_info_counts_commands_and_errors(server, client):
    client("CONFIG", "RESETSTAT")
    for _ in range(5):
        client("SET", "key", "value")
    client("GET", "key")
    client("GET", "absent")
    client("GET")
    client("INCR", "key")
    client("NONSENSE")
    text = client("INFO", "everything").decode()
    assert re.search(r"^cmdstat_set:calls=5,usec=\d+,usec_per_call=[\d.]+,rejected_calls=0,failed_calls=0\r$", text, re.M)
    assert re.search(r"^cmdstat_get:calls=2,.*,rejected_calls=1,failed_calls=0\r$", text, re.M)
    assert re.search(r"^cmdstat_incr:calls=1,.*,rejected_calls=0,failed_calls=1\r$", text, re.M)
    assert "\r\nerrorstat_ERR:count=3\r\n" in text
    assert "\r\ntotal_error_replies:3\r\n" in text
    assert "\r\nkeyspace_hits:1\r\nkeyspace_misses:1\r\n" in text
    assert re.search(r"^latency_percentiles_usec_set:p50=[\d.]+,p99=[\d.]+,p99.9=[\d.]+\r$", text, re.M)


def test_latency_tracking_can_be_switched_off(client):
    client("CONFIG", "SET", "latency-tracking", "no")
    client("CONFIG", "RESETSTAT")
    client("SET", "key", "value")
    assert client("LATENCY", "HISTOGRAM", "set") == []
    assert b"latency_percentiles" not in client("INFO", "latencystats")
    client("CONFIG", "SET", "latency-tracking", "yes")
    client("SET", "key", "value")
    name, histogram = client("LATENCY", "HISTOGRAM", "set")
    assert name == b"set" and histogram[:2] == [b"calls", 1] and histogram[3][1::2] == [1]
    client("CONFIG", "RESETSTAT")
    assert client("LATENCY", "HISTOGRAM", "set") == []


def test_rates_per_second_follow_the_load(server, client):
    def busy():
        for _ in range(200):
            client("PING")
        return int(server.info("stats")["instantaneous_ops_per_sec"]) > 100

    wait_until(busy)
    assert float(server.info("stats")["instantaneous_input_kbps"]) > 0
    wait_until(lambda: int(server.info("stats")["instantaneous_ops_per_sec"]) < 100000)


def test_keyspace_tells_keys_deadlines_and_their_mean(server, client):
    for i in range(100):
        client("SET", "plain%d" % i, "x")
        client("SET", "timed%d" % i, "x", "EX", "1000")

    def fields():
        return re.match(r"keys=(\d+),expires=(\d+),avg_ttl=(\d+)", server.info("keyspace")["db0"]).groups()

    wait_until(lambda: int(fields()[2]) > 0)  # redis-server estimates it in its cron
    keys, expires, ttl = fields()
    assert (keys, expires) == ("200", "100")
    assert 900_000 < int(ttl) <= 1_000_000


# ---- whole databases ----------------------------------------------------------------------------------------------


def test_flushall_empties_every_database_and_frees_its_memory(server, client):
    empty = int(server.info("memory")["used_memory"])
    assert client("DEBUG", "POPULATE", "20000", "key", "1000") == "OK"
    assert client("DBSIZE") == 20000
    assert client("SWAPDB", "0", "5") == "OK"
    assert client("DBSIZE") == 0
    assert client("FLUSHDB", "SYNC") == "OK"
    assert server.info("keyspace")["db5"].startswith("keys=20000,")
    assert client("FLUSHALL", "ASYNC") == "OK"
    assert "db5" not in server.info("keyspace")
    wait_until(lambda: int(server.info("memory")["used_memory"]) < empty + 2_000_000)
    assert client("FLUSHALL", "NOW") == Error("ERR syntax error")
    assert client("SWAPDB", "0", "16") == Error("ERR DB index is out of range")
    assert client("SWAPDB", "x", "1") == Error("ERR invalid first DB index")


# rdb_changes_since_last_save grows by so much, as in Redis; "SAVE" rules go by it.
CHANGES = [
    ("FLUSHALL", 4),
    ("FLUSHDB", 4),
    ("SWAPDB 0 1", 1),
    ("GEOSEARCHSTORE d geo FROMLONLAT 1 1 BYRADIUS 1000 km", 2),
    ("GEORADIUS geo 1 1 1000 km STORE d", 2),
    ("GEOSEARCHSTORE d none FROMLONLAT 1 1 BYRADIUS 1000 km", 0),
    ("ZUNIONSTORE d 1 zset", 1),
    ("ZRANGESTORE d zset 0 -1", 1),
    ("SORT list STORE d", 3),
    ("SUNIONSTORE d set", 1),
]


@pytest.mark.parametrize("command, changes", CHANGES)
def test_changes_are_counted_as_redis_counts_them(server, client, command, changes):
    client("FLUSHALL")
    for setup in "GEOADD geo 1 1 p 2 2 q", "ZADD zset 1 a 2 b", "RPUSH list 3 1 2", "SADD set a b":
        client(*setup.split())
    before = int(server.info("persistence")["rdb_changes_since_last_save"])
    client(*command.split())
    assert int(server.info("persistence")["rdb_changes_since_last_save"]) - before == changes


def test_time_is_wall_time(client):
    before = time.time()
    seconds, microseconds = (int(part) for part in client("TIME"))
    assert before - 1 <= seconds + microseconds / 1e6 <= time.time() + 1


def test_lolwut_ends_with_the_version(ordinal, client):
    text = client("LOLWUT").decode()
    assert re.search(r"Ordinal \d+\.\d+\.\d+, Redis ver\. 7\.\d+\.\d+\n$", text)
    assert client("LOLWUT", "VERSION", "x").code == "ERR"


def test_shutdown_ends_the_process_cleanly(start_server):
    server = start_server()
    with server.connect() as client:
        assert client("SHUTDOWN", "NOSAVE", "SAVE") == Error("ERR syntax error")
        assert client("SHUTDOWN", "ABORT") == Error("ERR No shutdown in progress.")
        client.send(b"SHUTDOWN NOSAVE\r\nPING\r\n")
        assert client.until_closed() == b""
    assert server.wait() == 0


# ---- slow log, latency ----------------------------------------------------------------------------------------------


def test_slowlog_keeps_the_newest_commands_and_hides_passwords(server, client):
    client("CLIENT", "SETNAME", "me")
    client("CONFIG", "SET", "slowlog-max-len", "10", "slowlog-log-slower-than", "0")
    for i in range(50):
        client("SET", "key", "%d" % i)
    client("SET", "key", b"x" * 200)
    client("MSET", *(["k"] * 80))
    client("CONFIG", "SET", "masterauth", "secret")
    client("AUTH", "wrong")
    client("CONFIG", "SET", "slowlog-log-slower-than", "-1")
    assert client("SLOWLOG", "LEN") == 10
    entries = client("SLOWLOG", "GET", "-1")
    assert len(entries) == 10 and len(client("SLOWLOG", "GET", "3")) == 3
    commands = [entry[3] for entry in entries]
    assert commands[0][:2] == [b"AUTH", b"(redacted)"]
    assert commands[1] == [b"CONFIG", b"SET", b"masterauth", b"(redacted)"]
    assert len(commands[2]) == 32 and commands[2][31] == b"... (50 more arguments)"
    assert commands[3] == [b"SET", b"key", b"x" * 128 + b"... (72 more bytes)"]
    assert commands[4] == [b"SET", b"key", b"49"]
    ids = [entry[0] for entry in entries]
    assert ids == list(range(ids[0], ids[0] - 10, -1))
    assert entries[0][4].startswith(b"127.0.0.1:") and entries[0][5] == b"me"
    assert client("SLOWLOG", "RESET") == "OK" and client("SLOWLOG", "LEN") == 0


def test_latency_events_are_recorded_above_the_threshold(client):
    client("CONFIG", "SET", "latency-monitor-threshold", "50")
    client("DEBUG", "SLEEP", "0.1")
    ((event, when, last, longest),) = client("LATENCY", "LATEST")
    assert event == b"command" and 100 <= last == longest and abs(when - time.time()) < 60
    assert client("LATENCY", "HISTORY", "command") == [[when, last]]
    assert b"command - high" in client("LATENCY", "GRAPH", "command")
    assert b"command" in client("LATENCY", "DOCTOR")
    assert client("LATENCY", "RESET", "nonsense") == 0 and client("LATENCY", "RESET", "command") == 1
    assert client("LATENCY", "LATEST") == []


# ---- memory, debug ----------------------------------------------------------------------------------------------------


def test_memory_usage_covers_key_and_value(client):
    client("SET", "key", b"x" * 1000)
    assert 1003 <= client("MEMORY", "USAGE", "key") <= 1500
    assert client("MEMORY", "USAGE", "key", "SAMPLES", "0") == client("MEMORY", "USAGE", "key")
    assert client("MEMORY", "USAGE", "absent") is None
    assert client("MEMORY", "USAGE", "key", "SAMPLES", "-1") == Error("ERR syntax error")
    stats = client("MEMORY", "STATS")
    assert stats[stats.index(b"keys.count") + 1] == 1


def test_debug_reload_keeps_values_and_deadlines(client):
    client("SET", "number", "12345", "EX", "1000")
    client("SET", "text", b"x" * 5000)
    client("SETRANGE", "grown", "100", "end")
    before = client("DEBUG", "DIGEST")
    assert client("DEBUG", "RELOAD") == "OK"
    assert client("DEBUG", "DIGEST") == before
    assert client("TTL", "number") > 990 and client("GET", "text") == b"x" * 5000 and client("DBSIZE") == 3
    client("APPEND", "text", "y")
    assert client("DEBUG", "DIGEST") != before


def test_debug_needs_its_setting(start_server):
    server = start_server(enable_debug_command="no")
    assert server("DEBUG", "HELP").startswith("ERR DEBUG command not allowed")


# ---- limits of clients ------------------------------------------------------------------------------------------------


def test_idle_clients_are_closed_after_timeout(server, connect):
    idle, busy = connect(), connect()
    assert idle("PING") == "PONG"
    start = time.monotonic()
    busy("CONFIG", "SET", "timeout", "1")
    while int(busy("INFO", "clients").split(b"connected_clients:")[1].split()[0]) > 1:
        assert time.monotonic() - start < 20
    assert time.monotonic() - start > 0.5
    with pytest.raises(Closed):
        idle("PING")
