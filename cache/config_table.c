/* The table of settings: one row each, in the order of docs/configuration.md. It is the only place where a
 * setting is described; a new one is a field in struct config and a row here.
 *
 * Names, defaults and ranges are those of Redis 7.2, so that a redis.conf means the same here. The second
 * table holds what Redis has and Ordinal does not need: each row says why.
 */
#include "config_row.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

// clang-format off
#define KB        ((int64_t)1024)
#define MB        (1024 * KB)
#define AT(field) offsetof(struct config, field)

/* (name, alias, field, flags, group, …) */
#define BOOL(name, alias, field, flags, group, initial, help) \
    {name, alias, CONFIG_BOOL, flags, group, AT(field), 0, 0, NULL, initial, help}
#define INT(name, alias, field, flags, group, min, max, initial, help) \
    {name, alias, CONFIG_INT, flags, group, AT(field), min, max, NULL, initial, help}
#define LONG(name, alias, field, flags, group, min, max, initial, help) \
    {name, alias, CONFIG_LONG, flags, group, AT(field), min, max, NULL, initial, help}
#define SIZE(name, alias, field, flags, group, min, initial, help) \
    {name, alias, CONFIG_MEMORY, flags, group, AT(field), min, INT64_MAX, NULL, initial, help}
#define ENUM(name, field, flags, group, choices, initial, help) \
    {name, NULL, CONFIG_ENUM, flags, group, AT(field), 0, 0, choices, initial, help}
#define OTHER(type, name, alias, field, flags, group, initial, help) \
    {name, alias, type, flags, group, AT(field), 0, 0, NULL, initial, help}

static const struct config_row rows[] = {
    OTHER(CONFIG_LIST, "bind", NULL, bind, CONFIG_START, CONFIG_NETWORK, "* -::*",
        "Addresses to listen on; `-` before one: go on without it where the machine does not have it"),
    OTHER(CONFIG_STRING, "bind-source-addr", NULL, bind_source_addr, 0, CONFIG_NETWORK, "",
        "Local address of outgoing connections"),
    INT("port", NULL, port, CONFIG_START, CONFIG_NETWORK, 0, 65535, "6379", "TCP port, 0 for none"),
    OTHER(CONFIG_STRING, "unixsocket", NULL, unixsocket, CONFIG_START, CONFIG_NETWORK, "",
        "Path of a Unix socket to listen on"),
    {"unixsocketperm", NULL, CONFIG_OCTAL, CONFIG_START, CONFIG_NETWORK, AT(unixsocketperm), 0, 0777, NULL, "0",
        "Mode of the Unix socket, 0 to leave it to the umask"},
    INT("tcp-backlog", NULL, tcp_backlog, CONFIG_START, CONFIG_NETWORK, 0, INT_MAX, "511",
        "Connections that the system queues until they are accepted"),
    INT("timeout", NULL, timeout, 0, CONFIG_NETWORK, 0, INT_MAX, "0",
        "Seconds after which an idle client is closed, 0 for never"),
    INT("tcp-keepalive", NULL, tcp_keepalive, 0, CONFIG_NETWORK, 0, INT_MAX, "300",
        "Seconds between TCP keepalives to silent clients, 0 for none"),
    LONG("maxclients", NULL, maxclients, 0, CONFIG_NETWORK, 1, UINT32_MAX, "10000", "Clients at the same time"),
    BOOL("protected-mode", NULL, protected_mode, 0, CONFIG_NETWORK, "yes",
        "Without a password, serve clients of this machine only"),
    SIZE("proto-max-bulk-len", NULL, proto_max_bulk_len, 0, CONFIG_NETWORK, MB, "536870912",
        "Longest argument of a command"),
    SIZE("proto-inline-max-len", NULL, proto_inline_max_len, 0, CONFIG_NETWORK, KB, "65536",
        "Longest inline command, and longest line of a protocol header"),
    SIZE("client-query-buffer-limit", NULL, client_query_buffer_limit, 0, CONFIG_NETWORK, MB, "1073741824",
        "Bytes of requests that one client may have waiting"),
    OTHER(CONFIG_LIMITS, "client-output-buffer-limit", NULL, client_output_buffer_limit, 0, CONFIG_NETWORK,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        "Bytes of replies that a client of a class (normal, replica, pubsub) may leave unread"),
    OTHER(CONFIG_PERCENT, "maxmemory-clients", NULL, maxmemory_clients, 0, CONFIG_NETWORK, "0",
        "Memory of all clients' buffers together, in bytes or percent of maxmemory, 0 for no limit"),

    INT("loops", NULL, loops, CONFIG_START, CONFIG_GENERAL, 0, 1024, "0",
        "Threads that serve clients, 0 for as many as the CPU quota of the container allows"),
    INT("databases", NULL, databases, CONFIG_START, CONFIG_GENERAL, 1, INT_MAX, "16", "Databases for SELECT"),
    ENUM("loglevel", loglevel, 0, CONFIG_GENERAL, "debug|verbose|notice|warning|nothing", "notice",
        "Least level of the lines in the log"),
    OTHER(CONFIG_STRING, "logfile", NULL, logfile, CONFIG_START, CONFIG_GENERAL, "",
        "File of the log, empty for standard output; SIGHUP opens it anew"),
    ENUM("log-format", log_format, 0, CONFIG_GENERAL, "text|json", "text",
        "Lines for people, or a JSON object a line for collectors"),
    OTHER(CONFIG_STRING, "pidfile", NULL, pidfile, CONFIG_START, CONFIG_GENERAL, "",
        "File that holds the process id while the server runs"),
    OTHER(CONFIG_STRING, "dir", NULL, dir, CONFIG_PROTECTED | CONFIG_LOADED, CONFIG_GENERAL, "./",
        "Working directory, where snapshots and append-only files are kept"),
    LONG("slowlog-log-slower-than", NULL, slowlog_log_slower_than, 0, CONFIG_GENERAL, -1, INT64_MAX, "10000",
        "Microseconds from which a command enters the slow log, -1 for never"),
    LONG("slowlog-max-len", NULL, slowlog_max_len, 0, CONFIG_GENERAL, 0, INT64_MAX, "128",
        "Entries that the slow log keeps"),
    LONG("latency-monitor-threshold", NULL, latency_monitor_threshold, 0, CONFIG_GENERAL, 0, INT64_MAX, "0",
        "Milliseconds from which LATENCY records an event, 0 for never"),
    BOOL("latency-tracking", NULL, latency_tracking, 0, CONFIG_GENERAL, "yes",
        "Keep a histogram of latency for each command"),
    OTHER(CONFIG_PERCENTILES, "latency-tracking-info-percentiles", NULL, latency_tracking_info_percentiles, 0,
        CONFIG_GENERAL, "50 99 99.9", "Percentiles that INFO latencystats shows"),
    OTHER(CONFIG_NOTIFY, "notify-keyspace-events", NULL, notify_keyspace_events, 0, CONFIG_GENERAL, "",
        "Classes of keyspace events to publish (`KEA` for all)"),
    LONG("busy-reply-threshold", "lua-time-limit", busy_reply_threshold, 0, CONFIG_GENERAL, 0, INT64_MAX, "5000",
        "Milliseconds that a script may run before others are told BUSY"),
    INT("shutdown-timeout", NULL, shutdown_timeout, 0, CONFIG_GENERAL, 0, INT_MAX, "10",
        "Seconds that a shutdown may wait for replicas"),

    OTHER(CONFIG_SECRET, "requirepass", NULL, requirepass, 0, CONFIG_SECURITY, "",
        "Password of the default user"),
    INT("password-overlap", NULL, password_overlap, 0, CONFIG_SECURITY, 0, 86400, "600",
        "Seconds for which a password that a reload has replaced goes on working"),
    OTHER(CONFIG_LINES, "user", NULL, user, CONFIG_START | CONFIG_UNLISTED | CONFIG_PENDING, CONFIG_SECURITY, "",
        "An ACL user and its rules, one line each"),
    OTHER(CONFIG_STRING, "aclfile", NULL, aclfile, CONFIG_START | CONFIG_PENDING, CONFIG_SECURITY, "",
        "File of ACL users"),
    LONG("acllog-max-len", NULL, acllog_max_len, 0, CONFIG_SECURITY, 0, INT64_MAX, "128",
        "Entries that ACL LOG keeps"),
    ENUM("acl-pubsub-default", acl_pubsub_default, 0, CONFIG_SECURITY, "allchannels|resetchannels", "resetchannels",
        "Channels that a new ACL user may use"),
    ENUM("enable-debug-command", enable_debug_command, CONFIG_START, CONFIG_SECURITY, "no|yes|local", "no",
        "Who may call DEBUG"),
    ENUM("enable-protected-configs", enable_protected_configs, CONFIG_START, CONFIG_SECURITY, "no|yes|local", "no",
        "Who may CONFIG SET the settings marked as protected"),
    ENUM("enable-module-command", enable_module_command, CONFIG_START, CONFIG_SECURITY, "no|yes|local", "no",
        "Who may call MODULE"),
    OTHER(CONFIG_PAIRS, "rename-command", NULL, rename_command, CONFIG_START | CONFIG_UNLISTED, CONFIG_SECURITY, "",
        "Gives a command another name, or none (`\"\"`), one line each"),
    ENUM("sanitize-dump-payload", sanitize_dump_payload, 0, CONFIG_SECURITY, "no|yes|clients", "no",
        "Whose RESTORE payloads are examined in depth; Ordinal always examines all"),
    LONG("tracking-table-max-keys", NULL, tracking_table_max_keys, 0, CONFIG_SECURITY, 0, INT64_MAX, "1000000",
        "Keys that CLIENT TRACKING remembers, 0 for no limit"),

    SIZE("maxmemory", NULL, maxmemory, 0, CONFIG_MEMORY_LIMITS, 0, "0",
        "Memory for data, 0 for no limit; where it is not set, in a container with a memory limit, three quarters of what "
        "that leaves beside 96 MB, a quarter at least"),
    ENUM("maxmemory-policy", maxmemory_policy, 0, CONFIG_MEMORY_LIMITS,
        "volatile-lru|volatile-lfu|volatile-random|volatile-ttl|allkeys-lru|allkeys-lfu|allkeys-random|noeviction",
        "noeviction", "Which keys go when maxmemory is reached"),
    INT("maxmemory-samples", NULL, maxmemory_samples, 0, CONFIG_MEMORY_LIMITS, 1, INT_MAX, "5",
        "Keys that an eviction chooses from"),
    INT("maxmemory-eviction-tenacity", NULL, maxmemory_eviction_tenacity, 0, CONFIG_MEMORY_LIMITS, 0, 100, "10",
        "How much time an eviction may take: 0 least, 100 until it is done"),
    INT("lfu-log-factor", NULL, lfu_log_factor, 0, CONFIG_MEMORY_LIMITS, 0, INT_MAX, "10",
        "How slowly the LFU counter saturates"),
    INT("lfu-decay-time", NULL, lfu_decay_time, 0, CONFIG_MEMORY_LIMITS, 0, INT_MAX, "1",
        "Minutes after which the LFU counter falls by one"),
    BOOL("lazyfree-lazy-eviction", NULL, lazyfree_lazy_eviction, 0, CONFIG_MEMORY_LIMITS, "no",
        "Free large evicted values in the background"),
    BOOL("lazyfree-lazy-expire", NULL, lazyfree_lazy_expire, 0, CONFIG_MEMORY_LIMITS, "no",
        "Free large expired values in the background"),
    BOOL("lazyfree-lazy-server-del", NULL, lazyfree_lazy_server_del, 0, CONFIG_MEMORY_LIMITS, "no",
        "Free large overwritten values in the background"),
    BOOL("lazyfree-lazy-user-del", NULL, lazyfree_lazy_user_del, 0, CONFIG_MEMORY_LIMITS, "no",
        "Let DEL work as UNLINK"),
    BOOL("lazyfree-lazy-user-flush", NULL, lazyfree_lazy_user_flush, 0, CONFIG_MEMORY_LIMITS, "no",
        "Let FLUSHALL and FLUSHDB work as with ASYNC"),

    LONG("hash-max-listpack-entries", "hash-max-ziplist-entries", hash_max_listpack_entries, 0, CONFIG_ENCODINGS,
        0, INT64_MAX, "512", "Most fields of a hash in compact form"),
    SIZE("hash-max-listpack-value", "hash-max-ziplist-value", hash_max_listpack_value, 0, CONFIG_ENCODINGS, 0, "64",
        "Longest field or value of a hash in compact form"),
    INT("list-max-listpack-size", "list-max-ziplist-size", list_max_listpack_size, 0, CONFIG_ENCODINGS,
        INT_MIN, INT_MAX, "-2", "Elements in a node of a list, or -1 to -5 for 4 to 64 kB"),
    INT("list-compress-depth", NULL, list_compress_depth, 0, CONFIG_ENCODINGS, 0, INT_MAX, "0",
        "Nodes at each end of a list that are not compressed, 0 for no compression"),
    LONG("set-max-intset-entries", NULL, set_max_intset_entries, 0, CONFIG_ENCODINGS, 0, INT64_MAX, "512",
        "Most members of a set of integers in compact form"),
    LONG("set-max-listpack-entries", NULL, set_max_listpack_entries, 0, CONFIG_ENCODINGS, 0, INT64_MAX, "128",
        "Most members of a set in compact form"),
    SIZE("set-max-listpack-value", NULL, set_max_listpack_value, 0, CONFIG_ENCODINGS, 0, "64",
        "Longest member of a set in compact form"),
    LONG("zset-max-listpack-entries", "zset-max-ziplist-entries", zset_max_listpack_entries, 0, CONFIG_ENCODINGS,
        0, INT64_MAX, "128", "Most members of a sorted set in compact form"),
    SIZE("zset-max-listpack-value", "zset-max-ziplist-value", zset_max_listpack_value, 0, CONFIG_ENCODINGS, 0, "64",
        "Longest member of a sorted set in compact form"),
    SIZE("hll-sparse-max-bytes", NULL, hll_sparse_max_bytes, 0, CONFIG_ENCODINGS, 0, "3000",
        "Largest HyperLogLog in sparse form"),
    SIZE("stream-node-max-bytes", NULL, stream_node_max_bytes, 0, CONFIG_ENCODINGS, 0, "4096",
        "Largest node of a stream, 0 for no limit"),
    LONG("stream-node-max-entries", NULL, stream_node_max_entries, 0, CONFIG_ENCODINGS, 0, INT64_MAX, "100",
        "Most entries in a node of a stream, 0 for no limit"),

    OTHER(CONFIG_SAVE, "save", NULL, save, 0, CONFIG_PERSISTENCE, "3600 1 300 100 60 10000",
        "A snapshot when so many changes happened within so many seconds; `\"\"` for none"),
    OTHER(CONFIG_FILENAME, "dbfilename", NULL, dbfilename, CONFIG_PROTECTED, CONFIG_PERSISTENCE,
        "dump.rdb", "File of the snapshot"),
    BOOL("stop-writes-on-bgsave-error", NULL, stop_writes_on_bgsave_error, 0, CONFIG_PERSISTENCE, "yes",
        "Refuse writes after a snapshot that failed"),
    BOOL("rdbcompression", NULL, rdbcompression, 0, CONFIG_PERSISTENCE, "yes",
        "Compress long strings in snapshots"),
    BOOL("rdbchecksum", NULL, rdbchecksum, CONFIG_START, CONFIG_PERSISTENCE, "yes",
        "End snapshots with a checksum"),
    INT("rdb-key-save-delay", NULL, rdb_key_save_delay, CONFIG_HIDDEN, CONFIG_PERSISTENCE, INT_MIN, INT_MAX, "0",
        "Microseconds that a snapshot rests after each key, for tests; below 0: a microsecond after each -N keys"),
    INT("key-load-delay", NULL, key_load_delay, CONFIG_HIDDEN, CONFIG_PERSISTENCE, INT_MIN, INT_MAX, "0",
        "Microseconds that loading rests after each key, for tests; below 0: a microsecond after each -N keys"),
    BOOL("appendonly", NULL, appendonly, CONFIG_LOADED, CONFIG_PERSISTENCE, "no",
        "Keep every write in the append-only file"),
    OTHER(CONFIG_FILENAME, "appendfilename", NULL, appendfilename, CONFIG_START, CONFIG_PERSISTENCE,
        "appendonly.aof", "Name that the append-only files begin with"),
    OTHER(CONFIG_FILENAME, "appenddirname", NULL, appenddirname, CONFIG_START, CONFIG_PERSISTENCE,
        "appendonlydir", "Folder of the append-only files"),
    ENUM("appendfsync", appendfsync, 0, CONFIG_PERSISTENCE, "everysec|always|no", "everysec",
        "When the append-only file is synced to disk"),
    BOOL("no-appendfsync-on-rewrite", NULL, no_appendfsync_on_rewrite, 0, CONFIG_PERSISTENCE, "no",
        "Do not sync the append-only file while it is rewritten"),
    INT("auto-aof-rewrite-percentage", NULL, auto_aof_rewrite_percentage, 0, CONFIG_PERSISTENCE,
        0, INT_MAX, "100", "Growth of the append-only file that starts a rewrite, in percent, 0 for never"),
    SIZE("auto-aof-rewrite-min-size", NULL, auto_aof_rewrite_min_size, 0, CONFIG_PERSISTENCE, 0,
        "67108864", "Size below which the append-only file is not rewritten"),
    BOOL("aof-load-truncated", NULL, aof_load_truncated, 0, CONFIG_PERSISTENCE, "yes",
        "Start with an append-only file whose last command is cut off"),
    INT("claim-timeout", NULL, claim_timeout, CONFIG_START, CONFIG_PERSISTENCE, 1, 3600, "15",
        "Seconds without a heartbeat after which another server's claim on the data folder is taken over"),
    BOOL("replica-persistence", NULL, replica_persistence, CONFIG_START, CONFIG_PERSISTENCE, "yes",
        "In a roster: keep files on replicas as well; no where all nodes share one folder"),
    BOOL("aof-use-rdb-preamble", NULL, aof_use_rdb_preamble, 0, CONFIG_PERSISTENCE, "yes",
        "Begin a rewritten append-only file with a snapshot, not with commands"),
    BOOL("aof-disable-auto-gc", NULL, aof_disable_auto_gc, CONFIG_HIDDEN, CONFIG_PERSISTENCE, "no",
        "Keep the files that a rewrite has replaced, for tests"),
    BOOL("aof-timestamp-enabled", NULL, aof_timestamp_enabled, 0, CONFIG_PERSISTENCE, "no",
        "Write the time of each second into the append-only file"),

    OTHER(CONFIG_STRING, "roster", NULL, roster, CONFIG_START, CONFIG_REPLICATION, "",
        "The nodes that belong together, `host:port,host:port,…` (IPv6 in brackets, port 6379 if none is given); the position "
        "is the ordinal. Not needed in a StatefulSet, where the pods' names say it"),
    OTHER(CONFIG_STRING, "roster-self", NULL, roster_self, CONFIG_START, CONFIG_REPLICATION, "",
        "Which of the roster this node is, by its ordinal or as `host:port`; empty: the one with its port, and its host name or "
        "an address of its interfaces"),
    ENUM("write-ack", write_ack, 0, CONFIG_REPLICATION, "master|one|quorum|all", "all",
        "In a roster: which nodes have a write before its client gets the reply: the master alone, one replica as well, most of the "
        "roster, or every replica that answers reads"),
    LONG("read-lease", NULL, read_lease, 0, CONFIG_REPLICATION, 20, 3600000, "500",
        "In a roster: milliseconds for which a replica may answer reads without having heard from its master"),
    LONG("recovery-timeout", NULL, recovery_timeout, 0, CONFIG_REPLICATION, 0, INT_MAX, "10000",
        "Milliseconds that a roster's master, before it serves, waits for members that do not answer: what they have may be newer"),
    OTHER(CONFIG_ADDRESS, "replicaof", "slaveof", replicaof, CONFIG_START, CONFIG_REPLICATION, "",
        "Host and port of the master"),
    OTHER(CONFIG_SECRET, "masterauth", NULL, masterauth, 0, CONFIG_REPLICATION, "",
        "Password for the master; in a roster, where it is not set, `requirepass`"),
    OTHER(CONFIG_STRING, "masteruser", NULL, masteruser, 0, CONFIG_REPLICATION, "",
        "User for the master"),
    BOOL("replica-serve-stale-data", "slave-serve-stale-data", replica_serve_stale_data, 0,
        CONFIG_REPLICATION, "yes", "Answer reads while the master is away"),
    BOOL("replica-read-only", "slave-read-only", replica_read_only, 0, CONFIG_REPLICATION, "yes",
        "Refuse writes on a replica"),
    ENUM("replica-forward", replica_forward, 0, CONFIG_REPLICATION, "auto|yes|no", "auto",
        "Carry writes that come to a replica to the master; `auto`: on a node with a roster"),
    INT("forward-timeout", NULL, forward_timeout, 0, CONFIG_REPLICATION, 1, INT_MAX, "10000",
        "Milliseconds that a command waits to be carried to a master that is away, or for its answer"),
    BOOL("replica-ignore-maxmemory", "slave-ignore-maxmemory", replica_ignore_maxmemory, 0,
        CONFIG_REPLICATION, "yes", "Leave eviction to the master"),
    BOOL("replica-lazy-flush", "slave-lazy-flush", replica_lazy_flush, 0, CONFIG_REPLICATION, "no",
        "Free the old data set in the background at a full synchronisation"),
    BOOL("replica-announced", NULL, replica_announced, 0, CONFIG_REPLICATION, "yes",
        "Let Sentinel see this replica"),
    INT("replica-priority", "slave-priority", replica_priority, 0, CONFIG_REPLICATION, 0, INT_MAX, "100",
        "Rank when a replica is chosen as master, 0 for never"),
    OTHER(CONFIG_STRING, "replica-announce-ip", "slave-announce-ip", replica_announce_ip, 0,
        CONFIG_REPLICATION, "", "Address that this replica gives the master"),
    INT("replica-announce-port", "slave-announce-port", replica_announce_port, 0, CONFIG_REPLICATION,
        0, 65535, "0", "Port that this replica gives the master, 0 for its own"),
    INT("min-replicas-to-write", "min-slaves-to-write", min_replicas_to_write, 0, CONFIG_REPLICATION,
        0, INT_MAX, "0", "Refuse writes with fewer replicas than this"),
    INT("min-replicas-max-lag", "min-slaves-max-lag", min_replicas_max_lag, 0, CONFIG_REPLICATION,
        0, INT_MAX, "10", "Seconds of silence after which a replica no longer counts"),
    INT("repl-timeout", NULL, repl_timeout, 0, CONFIG_REPLICATION, 1, INT_MAX, "60",
        "Seconds of silence after which a replication link is given up"),
    INT("repl-ping-replica-period", "repl-ping-slave-period", repl_ping_replica_period, 0,
        CONFIG_REPLICATION, 1, INT_MAX, "10", "Seconds between pings to replicas"),
    SIZE("repl-backlog-size", NULL, repl_backlog_size, 0, CONFIG_REPLICATION, 1, "67108864",
        "Bytes of writes kept for replicas that come back; by default a tenth of the memory limit where that is less"),
    LONG("repl-backlog-ttl", NULL, repl_backlog_ttl, 0, CONFIG_REPLICATION, 0, INT64_MAX, "3600",
        "Seconds without replicas after which the backlog is freed, 0 for never"),
    BOOL("repl-disable-tcp-nodelay", NULL, repl_disable_tcp_nodelay, 0, CONFIG_REPLICATION, "no",
        "Let the system gather small packets to replicas"),
    BOOL("repl-diskless-sync", NULL, repl_diskless_sync, 0, CONFIG_REPLICATION, "yes",
        "Send a snapshot straight to the replica, with no file between"),
    INT("repl-diskless-sync-delay", NULL, repl_diskless_sync_delay, 0, CONFIG_REPLICATION,
        0, INT_MAX, "5", "Seconds to wait for more replicas before a snapshot is sent"),
    INT("repl-diskless-sync-max-replicas", NULL, repl_diskless_sync_max_replicas, 0,
        CONFIG_REPLICATION, 0, INT_MAX, "0", "Replicas that end that wait early, 0 for none"),
    ENUM("repl-diskless-load", repl_diskless_load, CONFIG_LOADED, CONFIG_REPLICATION,
        "disabled|on-empty-db|swapdb", "disabled",
        "swapdb: a replica loads a snapshot beside the data that it has, which takes the memory of both; else in its place"),

    INT("tls-port", NULL, tls_port, CONFIG_PENDING, CONFIG_TLS, 0, 65535, "0", "TCP port for TLS, 0 for none"),
    OTHER(CONFIG_STRING, "tls-cert-file", NULL, tls_cert_file, CONFIG_PENDING, CONFIG_TLS, "", "Certificate (PEM)"),
    OTHER(CONFIG_STRING, "tls-key-file", NULL, tls_key_file, CONFIG_PENDING, CONFIG_TLS, "", "Its private key"),
    OTHER(CONFIG_SECRET, "tls-key-file-pass", NULL, tls_key_file_pass, CONFIG_PENDING, CONFIG_TLS, "",
        "Passphrase of the key"),
    OTHER(CONFIG_STRING, "tls-client-cert-file", NULL, tls_client_cert_file, CONFIG_PENDING, CONFIG_TLS, "",
        "Certificate for outgoing connections"),
    OTHER(CONFIG_STRING, "tls-client-key-file", NULL, tls_client_key_file, CONFIG_PENDING, CONFIG_TLS, "",
        "Its private key"),
    OTHER(CONFIG_SECRET, "tls-client-key-file-pass", NULL, tls_client_key_file_pass, CONFIG_PENDING, CONFIG_TLS, "",
        "Passphrase of that key"),
    OTHER(CONFIG_STRING, "tls-dh-params-file", NULL, tls_dh_params_file, CONFIG_PENDING, CONFIG_TLS, "",
        "Diffie-Hellman parameters"),
    OTHER(CONFIG_STRING, "tls-ca-cert-file", NULL, tls_ca_cert_file, CONFIG_PENDING, CONFIG_TLS, "",
        "Certificates of the authorities to trust"),
    OTHER(CONFIG_STRING, "tls-ca-cert-dir", NULL, tls_ca_cert_dir, CONFIG_PENDING, CONFIG_TLS, "",
        "Folder of such certificates"),
    ENUM("tls-auth-clients", tls_auth_clients, CONFIG_PENDING, CONFIG_TLS, "no|yes|optional", "yes",
        "Whether clients must show a certificate"),
    BOOL("tls-replication", NULL, tls_replication, CONFIG_PENDING, CONFIG_TLS, "no", "TLS to the master"),
    OTHER(CONFIG_STRING, "tls-protocols", NULL, tls_protocols, CONFIG_PENDING, CONFIG_TLS, "", "Versions to allow"),
    OTHER(CONFIG_STRING, "tls-ciphers", NULL, tls_ciphers, CONFIG_PENDING, CONFIG_TLS, "",
        "Ciphers up to TLS 1.2"),
    OTHER(CONFIG_STRING, "tls-ciphersuites", NULL, tls_ciphersuites, CONFIG_PENDING, CONFIG_TLS, "",
        "Ciphers of TLS 1.3"),
    BOOL("tls-prefer-server-ciphers", NULL, tls_prefer_server_ciphers, CONFIG_PENDING, CONFIG_TLS, "no",
        "The server's order of ciphers counts"),
    BOOL("tls-session-caching", NULL, tls_session_caching, CONFIG_PENDING, CONFIG_TLS, "yes",
        "Let clients resume sessions"),
    INT("tls-session-cache-size", NULL, tls_session_cache_size, CONFIG_PENDING, CONFIG_TLS, 0, INT_MAX, "20480",
        "Sessions kept, 0 for no limit"),
    INT("tls-session-cache-timeout", NULL, tls_session_cache_timeout, CONFIG_PENDING, CONFIG_TLS, 0, INT_MAX, "300",
        "Seconds that a session is kept"),

    BOOL("cluster-enabled", NULL, cluster_enabled, CONFIG_START | CONFIG_PENDING, CONFIG_CLUSTER, "no",
        "Share the keyspace by hash slot"),
    OTHER(CONFIG_STRING, "cluster-config-file", NULL, cluster_config_file, CONFIG_START | CONFIG_PENDING,
        CONFIG_CLUSTER, "nodes.conf", "File of the cluster's state"),
    LONG("cluster-node-timeout", NULL, cluster_node_timeout, CONFIG_PENDING, CONFIG_CLUSTER, 0, INT64_MAX, "15000",
        "Milliseconds of silence after which a node counts as failed"),
    BOOL("cluster-require-full-coverage", NULL, cluster_require_full_coverage, CONFIG_PENDING, CONFIG_CLUSTER, "yes",
        "Serve only while every slot has a node"),
    BOOL("cluster-allow-reads-when-down", NULL, cluster_allow_reads_when_down, CONFIG_PENDING, CONFIG_CLUSTER, "no",
        "Answer reads while the cluster is down"),
    OTHER(CONFIG_STRING, "cluster-announce-ip", NULL, cluster_announce_ip, CONFIG_PENDING, CONFIG_CLUSTER, "",
        "Address that clients are told"),
    OTHER(CONFIG_STRING, "cluster-announce-hostname", NULL, cluster_announce_hostname, CONFIG_PENDING,
        CONFIG_CLUSTER, "", "Host name that clients are told"),
    INT("cluster-announce-port", NULL, cluster_announce_port, CONFIG_PENDING, CONFIG_CLUSTER, 0, 65535, "0",
        "Port that clients are told, 0 for `port`"),
    INT("cluster-announce-tls-port", NULL, cluster_announce_tls_port, CONFIG_PENDING, CONFIG_CLUSTER, 0, 65535, "0",
        "TLS port that clients are told"),
    INT("cluster-announce-bus-port", NULL, cluster_announce_bus_port, CONFIG_PENDING, CONFIG_CLUSTER, 0, 65535, "0",
        "Bus port that nodes are told"),
    INT("cluster-port", NULL, cluster_port, CONFIG_START | CONFIG_PENDING, CONFIG_CLUSTER, 0, 65535, "0",
        "Port of the cluster bus, 0 for `port` + 10000"),
};

#define NO_BOOL(name, alias, flags, initial, why) \
    {name, alias, CONFIG_BOOL, CONFIG_IGNORED | (flags), CONFIG_NOT_NEEDED, 0, 0, 0, NULL, initial, why}
#define NO_INT(name, alias, flags, min, max, initial, why) \
    {name, alias, CONFIG_INT, CONFIG_IGNORED | (flags), CONFIG_NOT_NEEDED, 0, min, max, NULL, initial, why}
#define NO_LONG(name, flags, min, max, initial, why) \
    {name, NULL, CONFIG_LONG, CONFIG_IGNORED | (flags), CONFIG_NOT_NEEDED, 0, min, max, NULL, initial, why}
#define NO_ENUM(name, flags, choices, initial, why) \
    {name, NULL, CONFIG_ENUM, CONFIG_IGNORED | (flags), CONFIG_NOT_NEEDED, 0, 0, 0, choices, initial, why}
#define NO_SIZE(name, min, initial, why) \
    {name, NULL, CONFIG_MEMORY, CONFIG_IGNORED, CONFIG_NOT_NEEDED, 0, min, INT64_MAX, NULL, initial, why}
#define NO_TEXT(name, flags, initial, why) \
    {name, NULL, CONFIG_STRING, CONFIG_IGNORED | (flags), CONFIG_NOT_NEEDED, 0, 0, 0, NULL, initial, why}
#define NO_WORDS(name, choices, initial, why) \
    {name, NULL, CONFIG_WORDS, CONFIG_IGNORED, CONFIG_NOT_NEEDED, 0, 0, 0, choices, initial, why}

#define SHUTDOWN    "default|save|nosave|now|force"
#define NO_DEFRAG   "jemalloc's size classes and small shards leave little to move"
#define NO_FORK     "snapshots are written by the process itself, without a fork"
#define NO_SYSLOG   "the log goes to standard output or a file, for a collector to read"
#define NO_PINNING  "the container's CPU set decides where threads run"
#define NO_CRASHLOG "a crash leaves a core dump, which says more"
#define NO_TITLE    "the process title stays as it was started"
#define NO_OOM      "the kubelet sets the container's OOM score"
#define NO_BUS      "nodes of a set find each other through the roster, not the cluster bus"
#define NO_TESTHOOK "it slows Redis down for its own tests"
#define NO_OLDLIST  "Redis has dropped it for list-max-listpack-size"

static const struct config_row ignored[] = {
    NO_INT("active-defrag-cycle-max", NULL, 0, 1, 99, "25", NO_DEFRAG),
    NO_INT("active-defrag-cycle-min", NULL, 0, 1, 99, "1", NO_DEFRAG),
    NO_SIZE("active-defrag-ignore-bytes", 1, "104857600", NO_DEFRAG),
    NO_LONG("active-defrag-max-scan-fields", 0, 1, INT64_MAX, "1000", NO_DEFRAG),
    NO_INT("active-defrag-threshold-lower", NULL, 0, 0, 1000, "10", NO_DEFRAG),
    NO_INT("active-defrag-threshold-upper", NULL, 0, 0, 1000, "100", NO_DEFRAG),
    NO_INT("active-expire-effort", NULL, 0, 1, 10, "1", "the sweep always finds what is due within a second"),
    NO_BOOL("activedefrag", NULL, 0, "no", NO_DEFRAG),
    NO_BOOL("activerehashing", NULL, 0, "yes", "a shard grows in one step of microseconds"),
    NO_BOOL("always-show-logo", NULL, CONFIG_START, "no", "there is no logo"),
    NO_BOOL("aof-rewrite-incremental-fsync", NULL, 0, "yes", "files are always synced in steps"),
    NO_TEXT("aof_rewrite_cpulist", CONFIG_START, "", NO_PINNING),
    NO_TEXT("bgsave_cpulist", CONFIG_START, "", NO_PINNING),
    NO_TEXT("bio_cpulist", CONFIG_START, "", NO_PINNING),
    NO_BOOL("cluster-allow-pubsubshard-when-down", NULL, 0, "yes", NO_BUS),
    NO_BOOL("cluster-allow-replica-migration", NULL, 0, "yes", NO_BUS),
    NO_TEXT("cluster-announce-human-nodename", 0, "", NO_BUS),
    NO_SIZE("cluster-link-sendbuf-limit", 0, "0", NO_BUS),
    NO_INT("cluster-migration-barrier", NULL, 0, 0, INT_MAX, "1", NO_BUS),
    NO_ENUM("cluster-preferred-endpoint-type", 0, "ip|hostname|unknown-endpoint", "ip", NO_BUS),
    NO_BOOL("cluster-replica-no-failover", "cluster-slave-no-failover", 0, "no", NO_BUS),
    NO_INT("cluster-replica-validity-factor", "cluster-slave-validity-factor", 0, 0, INT_MAX, "10", NO_BUS),
    NO_BOOL("crash-log-enabled", NULL, 0, "yes", NO_CRASHLOG),
    NO_BOOL("crash-memcheck-enabled", NULL, 0, "yes", NO_CRASHLOG),
    NO_BOOL("daemonize", NULL, CONFIG_START, "no", "it runs in the foreground, as containers and systemd expect"),
    NO_BOOL("disable-thp", NULL, CONFIG_START, "yes", NO_FORK),
    NO_BOOL("dynamic-hz", NULL, 0, "yes", "no periodic task grows with the number of clients"),
    NO_INT("hz", NULL, 0, 0, INT_MAX, "10", "periodic tasks have their own rates"),
    NO_WORDS("ignore-warnings", NULL, "", "Ordinal has no such warnings"),
    NO_INT("io-threads", NULL, CONFIG_START, 1, 128, "1", "`loops` threads run whole commands"),
    NO_BOOL("io-threads-do-reads", NULL, CONFIG_START, "no", "`loops` threads run whole commands"),
    NO_BOOL("jemalloc-bg-thread", NULL, 0, "yes", "free memory is given back on the server's own schedule"),
    NO_INT("list-max-ziplist-entries", NULL, CONFIG_UNLISTED, INT_MIN, INT_MAX, "0", NO_OLDLIST),
    NO_INT("list-max-ziplist-value", NULL, CONFIG_UNLISTED, INT_MIN, INT_MAX, "0", NO_OLDLIST),
    NO_INT("loading-process-events-interval-bytes", NULL, CONFIG_HIDDEN, 1024, INT_MAX, "2097152",
        "loops answer while another thread loads"),
    NO_TEXT("locale-collate", 0, "", "SORT ALPHA compares by the environment's locale"),
    NO_BOOL("lua-replicate-commands", NULL, CONFIG_UNLISTED, "yes", "scripts always replicate their effects"),
    NO_ENUM("oom-score-adj", 0, "no|yes|relative|absolute", "no", NO_OOM),
    {"oom-score-adj-values", NULL, CONFIG_WORDS, CONFIG_IGNORED, CONFIG_NOT_NEEDED, 0, -2000, 2000, NULL, "0 200 800", NO_OOM},
    NO_TEXT("proc-title-template", 0, "{title} {listen-addr} {server-mode}", NO_TITLE),
    NO_ENUM("propagation-error-behavior", 0, "ignore|panic|panic-on-replicas", "ignore",
        "a replica that cannot apply a write asks for a full synchronisation"),
    NO_BOOL("rdb-del-sync-files", NULL, 0, "no", "a full synchronisation leaves no file behind"),
    NO_BOOL("rdb-save-incremental-fsync", NULL, 0, "yes", "files are always synced in steps"),
    NO_BOOL("replica-ignore-disk-write-errors", NULL, 0, "no", "a replica keeps applying writes when its disk fails"),
    NO_TEXT("server_cpulist", CONFIG_START, "", NO_PINNING),
    NO_BOOL("set-proc-title", NULL, CONFIG_START, "yes", NO_TITLE),
    NO_WORDS("shutdown-on-sigint", SHUTDOWN, "default", "SIGINT and SIGTERM both stop cleanly"),
    NO_WORDS("shutdown-on-sigterm", SHUTDOWN, "default", "SIGINT and SIGTERM both stop cleanly"),
    NO_LONG("socket-mark-id", CONFIG_START, 0, UINT32_MAX, "0", "packet marks belong to the network policy of the cluster"),
    NO_ENUM("supervised", CONFIG_START, "upstart|systemd|auto|no", "no", "readiness is asked for, by `ordinal ping`"),
    NO_BOOL("syslog-enabled", NULL, CONFIG_START, "no", NO_SYSLOG),
    NO_ENUM("syslog-facility", CONFIG_START, "user|local0|local1|local2|local3|local4|local5|local6|local7", "local0",
        NO_SYSLOG),
    NO_TEXT("syslog-ident", CONFIG_START, "redis", NO_SYSLOG),
    NO_BOOL("tls-cluster", NULL, 0, "no", NO_BUS),
    NO_BOOL("use-exit-on-panic", NULL, CONFIG_HIDDEN | CONFIG_START, "no", NO_TESTHOOK),
    NO_INT("watchdog-period", NULL, CONFIG_HIDDEN, 0, INT_MAX, "0", "LATENCY and the slow log name what is slow"),
};
// clang-format on

#define ROWS         (sizeof rows / sizeof rows[0])
#define IGNORED_ROWS (sizeof ignored / sizeof ignored[0])

_Static_assert(IGNORED_ROWS <= CONFIG_IGNORED_MAX, "struct config has room for every ignored row");

size_t config_row_count(void)
{
    return ROWS + IGNORED_ROWS;
}

const struct config_row *config_row_at(size_t index)
{
    return index < ROWS ? &rows[index] : &ignored[index - ROWS];
}

size_t config_row_ignored_index(const struct config_row *row)
{
    return (size_t)(row - ignored);
}

size_t config_row_index(const struct config_row *row)
{
    return (row->flags & CONFIG_IGNORED) != 0 ? ROWS + config_row_ignored_index(row) : (size_t)(row - rows);
}

static bool same_name(const char *known, const char *name, size_t size)
{
    return known != NULL && strlen(known) == size && strncasecmp(known, name, size) == 0;
}

const struct config_row *config_row_find(const char *name, size_t size)
{
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        if (same_name(row->name, name, size) || same_name(row->alias, name, size)) {
            return row;
        }
    }
    return NULL;
}
