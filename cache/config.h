/* The settings: every option of the server once, with its name, type, default and help.
 *
 * There is one `struct config`. main owns it and hands it to the others by pointer. Each setting that Ordinal
 * acts upon is one typed field, named like the setting with '_' for '-'; a table (config_table.c) ties name,
 * aliases, type, range, default and help to the field, and everything else (redis.conf, environment, command
 * line, CONFIG GET/SET/REWRITE, --help, docs/configuration.md) is derived from that table.
 *
 * Settings of Redis that Ordinal has no use for are rows too. They are checked and kept, so that CONFIG GET
 * answers what was given, but have no field; giving them one in a file logs why they are not needed.
 *
 * Threads: fields change in config_set and config_reload only. Call these while no other thread reads the
 * struct (holding the gate alone), or let a module copy what its hot path needs in a config_on_change hook.
 *
 * Precedence: file < environment < command line < CONFIG SET.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "slice.h"

#define CONFIG_ERR_SIZE        1024       /* enough for every message that these functions write */
#define CONFIG_IGNORED_MAX     96         /* rows without a field; checked when the table is first used */
#define CONFIG_DEFAULT_BACKLOG (64 << 20) /* bytes: what repl-backlog-size is where it is not set */

enum config_loglevel {
    CONFIG_LOG_DEBUG,
    CONFIG_LOG_VERBOSE,
    CONFIG_LOG_NOTICE,
    CONFIG_LOG_WARNING,
    CONFIG_LOG_NOTHING,
};

enum config_log_format { CONFIG_LOG_TEXT, CONFIG_LOG_JSON };

enum config_policy {
    CONFIG_POLICY_VOLATILE_LRU,
    CONFIG_POLICY_VOLATILE_LFU,
    CONFIG_POLICY_VOLATILE_RANDOM,
    CONFIG_POLICY_VOLATILE_TTL,
    CONFIG_POLICY_ALLKEYS_LRU,
    CONFIG_POLICY_ALLKEYS_LFU,
    CONFIG_POLICY_ALLKEYS_RANDOM,
    CONFIG_POLICY_NOEVICTION,
};

/* Who may use what is dangerous (enable-debug-command and its two siblings). */
enum config_allow { CONFIG_ALLOW_NO, CONFIG_ALLOW_YES, CONFIG_ALLOW_LOCAL };

/* write-ack */
enum config_ack { CONFIG_ACK_MASTER, CONFIG_ACK_ONE, CONFIG_ACK_QUORUM, CONFIG_ACK_ALL };

enum config_fsync { CONFIG_FSYNC_EVERYSEC, CONFIG_FSYNC_ALWAYS, CONFIG_FSYNC_NO };

enum config_sanitize { CONFIG_SANITIZE_NO, CONFIG_SANITIZE_YES, CONFIG_SANITIZE_CLIENTS };

enum config_pubsub_default { CONFIG_PUBSUB_ALLCHANNELS, CONFIG_PUBSUB_RESETCHANNELS };

enum config_forward { CONFIG_FORWARD_AUTO, CONFIG_FORWARD_YES, CONFIG_FORWARD_NO };

enum config_tls_auth { CONFIG_TLS_AUTH_NO, CONFIG_TLS_AUTH_YES, CONFIG_TLS_AUTH_OPTIONAL };

enum config_diskless_load {
    CONFIG_DISKLESS_LOAD_DISABLED,
    CONFIG_DISKLESS_LOAD_ON_EMPTY,
    CONFIG_DISKLESS_LOAD_SWAPDB
};

/* notify-keyspace-events as bits. The letter of each class stands beside it. */
enum config_notify {
    CONFIG_NOTIFY_KEYSPACE = 1 << 0,  /* K */
    CONFIG_NOTIFY_KEYEVENT = 1 << 1,  /* E */
    CONFIG_NOTIFY_GENERIC = 1 << 2,   /* g */
    CONFIG_NOTIFY_STRING = 1 << 3,    /* $ */
    CONFIG_NOTIFY_LIST = 1 << 4,      /* l */
    CONFIG_NOTIFY_SET = 1 << 5,       /* s */
    CONFIG_NOTIFY_HASH = 1 << 6,      /* h */
    CONFIG_NOTIFY_ZSET = 1 << 7,      /* z */
    CONFIG_NOTIFY_EXPIRED = 1 << 8,   /* x */
    CONFIG_NOTIFY_EVICTED = 1 << 9,   /* e */
    CONFIG_NOTIFY_STREAM = 1 << 10,   /* t */
    CONFIG_NOTIFY_MODULE = 1 << 11,   /* d */
    CONFIG_NOTIFY_KEY_MISS = 1 << 12, /* m, not part of A */
    CONFIG_NOTIFY_NEW = 1 << 13,      /* n, not part of A */
    CONFIG_NOTIFY_ALL = 0xffc,        /* A */
};

enum config_client_class {
    CONFIG_CLASS_NORMAL,
    CONFIG_CLASS_REPLICA,
    CONFIG_CLASS_PUBSUB,
    CONFIG_CLASSES,
};

/* One class of client-output-buffer-limit. 0 bytes: no limit. */
struct config_buffer_limit {
    int64_t hard;         /* bytes at which the connection is closed at once */
    int64_t soft;         /* bytes that may be exceeded for soft_seconds */
    int64_t soft_seconds; /* seconds */
};

/* One point of `save`: a snapshot when `changes` writes happened within `seconds`. */
struct config_save_point {
    int64_t seconds;
    int64_t changes;
};

/* Strings owned by the config; no item is NULL. */
struct config_list {
    char **items;
    size_t count;
};

struct config_hook;

/* Strings are owned by the config, never NULL; "" means not set. Sizes are bytes, times as the comments
 * say. */
struct config {
    /* network */
    struct config_list bind; /* addresses as given: "-::*" is optional, "*" is every IPv4 address */
    char *bind_source_addr;
    int port; /* 0: no TCP */
    char *unixsocket;
    int unixsocketperm; /* file mode, 0: as the umask leaves it */
    int tcp_backlog;
    int timeout;       /* seconds, 0: never */
    int tcp_keepalive; /* seconds, 0: off */
    int64_t maxclients;
    bool protected_mode;
    int64_t proto_max_bulk_len;
    int64_t proto_inline_max_len;
    int64_t client_query_buffer_limit;
    struct config_buffer_limit client_output_buffer_limit[CONFIG_CLASSES];
    int64_t
        maxmemory_clients; /* bytes; below 0: -percent of maxmemory; 0: off. See config_maxmemory_clients */

    /* general */
    int loops; /* 0: as many as the CPU quota allows; see config_loops */
    int databases;
    int loglevel; /* enum config_loglevel */
    char *logfile;
    int log_format; /* enum config_log_format */
    char *pidfile;
    char *dir;
    int64_t slowlog_log_slower_than; /* microseconds, -1: off */
    int64_t slowlog_max_len;
    int64_t latency_monitor_threshold; /* milliseconds, 0: off */
    bool latency_tracking;
    char *latency_tracking_info_percentiles; /* "50 99 99.9" */
    int notify_keyspace_events;              /* bits of enum config_notify */
    int64_t busy_reply_threshold;            /* milliseconds; alias lua-time-limit */
    int shutdown_timeout;                    /* seconds */

    /* security */
    char *requirepass;                    /* plain text, for CONFIG GET and REWRITE only; "": none */
    unsigned char requirepass_sha256[32]; /* what AUTH compares; meaningful when requirepass is not "" */
    int password_overlap;         /* seconds for which a password that was replaced by a reload is good */
    int enable_debug_command;     /* enum config_allow */
    int enable_protected_configs; /* enum config_allow */
    int enable_module_command;    /* enum config_allow */
    struct config_list rename_command; /* pairs: old name, new name ("" disables the command) */
    struct config_list user;           /* ACL users, each the words after `user`, joined by spaces */
    char *aclfile;
    int64_t acllog_max_len;
    int acl_pubsub_default;          /* enum config_pubsub_default */
    int64_t tracking_table_max_keys; /* 0: no limit */
    int sanitize_dump_payload;       /* enum config_sanitize */

    /* memory */
    int64_t maxmemory;    /* 0: no limit */
    int maxmemory_policy; /* enum config_policy */
    int maxmemory_samples;
    int maxmemory_eviction_tenacity; /* 0..100 */
    int lfu_log_factor;
    int lfu_decay_time; /* minutes */
    bool lazyfree_lazy_eviction;
    bool lazyfree_lazy_expire;
    bool lazyfree_lazy_server_del;
    bool lazyfree_lazy_user_del;
    bool lazyfree_lazy_user_flush;

    /* encodings */
    int64_t hash_max_listpack_entries;
    int64_t hash_max_listpack_value;
    int list_max_listpack_size; /* items, or -1..-5: 4 kB to 64 kB */
    int list_compress_depth;
    int64_t set_max_intset_entries;
    int64_t set_max_listpack_entries;
    int64_t set_max_listpack_value;
    int64_t zset_max_listpack_entries;
    int64_t zset_max_listpack_value;
    int64_t hll_sparse_max_bytes;
    int64_t stream_node_max_bytes;
    int64_t stream_node_max_entries;

    /* persistence */
    struct config_save_point *save;
    size_t save_count;
    char *dbfilename;
    bool stop_writes_on_bgsave_error;
    bool rdbcompression;
    bool rdbchecksum;
    int key_load_delay;     /* as the next one; at start only */
    int rdb_key_save_delay; /* microseconds for each key; below 0: one for each -n keys */
    bool appendonly;
    char *appendfilename;
    char *appenddirname;
    int appendfsync; /* enum config_fsync */
    bool no_appendfsync_on_rewrite;
    int auto_aof_rewrite_percentage;
    int64_t auto_aof_rewrite_min_size;
    bool aof_load_truncated;
    int claim_timeout;
    bool replica_persistence;
    bool aof_use_rdb_preamble;
    bool aof_disable_auto_gc;
    bool aof_timestamp_enabled;

    /* replication */
    char *roster;      /* "host:port,…" or ""; see replication/identity.h */
    char *roster_self; /* an ordinal, "host:port" or "" */
    char *replicaof;   /* "host port" or "" */
    char *masterauth;
    char *masteruser;
    int64_t recovery_timeout; /* ms */
    int write_ack;            /* enum config_ack */
    int64_t read_lease;       /* ms */
    bool replica_serve_stale_data;
    bool replica_read_only;
    int replica_forward; /* enum config_forward */
    int forward_timeout; /* ms */
    bool replica_ignore_maxmemory;
    bool replica_lazy_flush;
    bool replica_announced;
    int replica_priority;
    char *replica_announce_ip;
    int replica_announce_port;
    int min_replicas_to_write;
    int min_replicas_max_lag;     /* seconds */
    int repl_timeout;             /* seconds */
    int repl_ping_replica_period; /* seconds */
    int64_t repl_backlog_size;    /* CONFIG_DEFAULT_BACKLOG: or less, in a small container */
    int64_t repl_backlog_ttl;     /* seconds, 0: for ever */
    bool repl_disable_tcp_nodelay;
    bool repl_diskless_sync;
    int repl_diskless_sync_delay; /* seconds */
    int repl_diskless_sync_max_replicas;
    int repl_diskless_load; /* enum config_diskless_load */

    /* TLS */
    int tls_port; /* 0: no TLS */
    char *tls_cert_file;
    char *tls_key_file;
    char *tls_key_file_pass;
    char *tls_client_cert_file;
    char *tls_client_key_file;
    char *tls_client_key_file_pass;
    char *tls_dh_params_file;
    char *tls_ca_cert_file;
    char *tls_ca_cert_dir;
    int tls_auth_clients; /* enum config_tls_auth */
    bool tls_replication;
    char *tls_protocols;
    char *tls_ciphers;
    char *tls_ciphersuites;
    bool tls_prefer_server_ciphers;
    bool tls_session_caching;
    int tls_session_cache_size;
    int tls_session_cache_timeout; /* seconds */

    /* cluster */
    bool cluster_enabled;
    char *cluster_config_file;
    int64_t cluster_node_timeout; /* milliseconds */
    bool cluster_require_full_coverage;
    bool cluster_allow_reads_when_down;
    char *cluster_announce_ip;
    char *cluster_announce_hostname;
    int cluster_announce_port;
    int cluster_announce_tls_port;
    int cluster_announce_bus_port;
    int cluster_port;

    char *
        old_password; /* the one before requirepass, while it is good; NULL: there is none. config_password.c's */
    unsigned char old_password_sha256[32];
    int64_t old_password_until; /* ms of clock.h */
    bool shows_old_password;    /* … to other nodes meanwhile */

    char *config_file; /* absolute path of the file that was loaded, "" without one, "-" for standard input */

    /* below: the config's own book-keeping; read it through the functions */
    char *ignored[CONFIG_IGNORED_MAX]; /* values of the rows that have no field */
    char *start_dir;                   /* where relative paths of files to read start */
    char *stdin_text;                  /* standard input's settings, which cannot be read twice */
    unsigned char *origin;             /* for each row, who set it last */
    char **loaded;                     /* for each row, its value when the files were last read */
    struct config_hook *hooks;
    struct config_list warnings;
    char **args; /* the command line, kept for config_reload */
    int arg_count;
};

/* Gives every field its default. The config must be released with config_free. Aborts without memory. */
void config_init_defaults(struct config *cfg);
void config_free(struct config *cfg);

/* The start of main in one call: the file that the command line names (if any), then the environment, then
 * the command line's settings; then changes to `dir`. argv[0] is skipped. argv and environ must live as
 * long as the config. False with a text in err (CONFIG_ERR_SIZE bytes) that is ready to print. */
bool config_load(struct config *cfg, int argc, char **argv, char **environment, char *err, size_t err_size);

/* The same, one by one. path "-" is standard input. A path that cannot be read, an unknown setting or a
 * bad value gives false; err then names the file, the line's number, the line and the reason, as Redis
 * words it. */
bool config_load_file(struct config *cfg, const char *path, char *err, size_t err_size);
/* ORDINAL_<SETTING>=value, ORDINAL_<SETTING>_FILE=path (a trailing newline is dropped), REDIS_PASSWORD and
 * REDIS_PASSWORD_FILE (both for requirepass; an ORDINAL_ name wins over them). Values are read
 * as CONFIG SET reads them. Names that Kubernetes makes for a Service called "ordinal…" are passed over. */
bool config_load_env(struct config *cfg, char **environment, char *err, size_t err_size);
/* redis-server's command line without the program: [FILE | -] [--setting value …]…; the file is not read
 * here. */
bool config_load_args(struct config *cfg, int argc, char **argv, char *err, size_t err_size);

/* What was noticed while loading (settings that are not needed, or not served yet), into the log. Call it
 * once the logger is configured; every message is logged once. */
void config_log_warnings(struct config *cfg);

/* CONFIG GET: calls each once for every name (aliases are names) that a pattern matches, in alphabetical
 * order. A pattern without glob characters gives the name as the client wrote it, as in Redis. value is
 * valid during the call only. */
typedef void (*config_each)(void *ctx, const char *name, const char *value, size_t value_size);
void config_get(const struct config *cfg, const struct slice *patterns, size_t count, config_each each,
                void *ctx);
/* The value of one setting as CONFIG GET shows it, in memory that the caller frees; NULL for an unknown
 * name. */
char *config_value(const struct config *cfg, const char *name);

/* CONFIG SET name value [name value …]: all or nothing. pairs holds 2 * count texts. client_is_local
 * decides about `enable-protected-configs local`. False with Redis's error reply (from "ERR" on) in err,
 * which quotes a whole name when err has room for it and CONFIG_ERR_SIZE more. */
bool config_set(struct config *cfg, const struct slice *pairs, size_t count, bool client_is_local, char *err,
                size_t err_size);

/* Whether one of them is a setting that CONFIG SET must not change while the data set is being loaded. */
bool config_needs_loaded(const struct slice *pairs, size_t count);

/* Calls apply after a live setting got a new value through config_set or config_reload (not while
 * loading). apply may refuse with false and a static text in *err; then all values of that call are put
 * back and the hooks that had already run are called again with the old values. One hook may be registered
 * for several names: it runs once in a config_set. apply must not call config_set. Aborts for a name that
 * is not in the table. */
typedef bool (*config_apply)(void *ctx, struct config *cfg, const char **err);
void config_on_change(struct config *cfg, const char *name, config_apply apply, void *ctx);

/* A field was changed by other means than CONFIG SET, for good: CONFIG REWRITE writes it. The name is in the table. */
void config_keep(struct config *cfg, const char *name);

/* CONFIG REWRITE: the file with its comments and order kept, changed settings in their place, new ones at the
 * end; written beside it, synced, renamed. False with the error reply in err. */
bool config_rewrite(struct config *cfg, char *err, size_t err_size);

/* SIGHUP: reads file and environment (with the *_FILE secrets) again, applies the live settings that
 * changed there (hooks run), logs each change and each one that needs a restart. What CONFIG SET or the
 * command line set is not undone by an unchanged file. False, with nothing changed, when the new settings
 * are faulty. */
bool config_reload(struct config *cfg, char **environment, char *err, size_t err_size);

/* Derived values. */
int64_t config_maxmemory_clients(const struct config *cfg); /* bytes, 0: off */
int config_loops(const struct config *cfg); /* loops, or what the CPU quota allows; at least 1 */
/* True when text is the password, or the one before it while that is good, compared in constant time; false without a password. */
bool config_password_matches(const struct config *cfg, const char *text, size_t size);
/* What a node of a roster shows to another one: masterauth, or, since all are made alike, its own password; "": none. Valid until settings
 * change. */
const char *config_roster_password(const struct config *cfg);
/* Another node has refused that: while there are two, the other one is shown from now on. Alone. */
void config_password_refused(struct config *cfg);

/* What leads to the files that Kubernetes has mounted, and that settings were read from: another text whenever one of
 * them has changed, "" when there are none. The caller frees it. */
char *config_mounts(const struct config *cfg, char **environment);

/* The settings for `ordinal --help`, and docs/configuration.md. */
void config_help(FILE *out);
void config_docs(FILE *out);

#endif
