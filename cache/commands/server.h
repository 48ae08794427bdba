/*
 * The server: what all commands share, and what each loop has for itself.
 *
 * Threads: `struct server` is read by all loops; a field that changes while they run is atomic, or changes under the gate
 * alone. A worker belongs to its loop's thread; others read it, and reset its statistics, under the gate alone, and read its
 * counters at any time.
 */
#ifndef ORDINAL_COMMANDS_SERVER_H
#define ORDINAL_COMMANDS_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "commands/auth.h"
#include "commands/client_limits.h"
#include "commands/history.h"
#include "commands/stats.h"
#include "config.h"
#include "counter.h"
#include "log.h"
#include "net/conn.h"
#include "net/loop.h"
#include "store/access.h"
#include "store/evict.h"
#include "store/gate.h"
#include "store/keyspace.h"

struct aof;
struct block_queues;
struct call;
struct client;
struct command;
struct histogram;
struct info_section;
struct loading;
struct watch_table;
struct broadcast;
struct outbox;
struct pubsub;
struct saving;
struct tracking;

#define ORDINAL_VERSION "0.1.0"
#define REDIS_VERSION   "7.2.0" /* the version whose behaviour is kept, as INFO and HELLO give it */

/* For each command of each loop. */
struct command_stats {
    uint64_t calls, ticks, rejected, failed;
    struct histogram *histogram; /* of ticks, made at the first call; NULL with latency-tracking off */
};

/* How often an error code was replied (errorstats.h). */
enum { ERROR_CODES = 64 };
struct error_count {
    char code[32];
    uint64_t count;
};

/* Commands that are gathered to be logged as one record (propagate.h). */
struct unit {
    int depth;             /* how many units within each other are open; 0: commands are logged at once */
    int commands;          /* gathered, as RESP behind a MULTI */
    int first_db, db;      /* for which the first and the last of them are */
    struct client *client; /* whose they are; NULL: nobody's */
    struct reply bytes;
};

struct parsed; /* dispatch.c: what is known of a request before it runs */

struct worker {
    struct server *server;
    struct loop *loop;
    int64_t now;     /* ms of clock.h, read once for each batch, and again when a millisecond has passed */
    uint64_t now_at; /* when it was read, in ticks of clock_ticks */
    uint64_t random; /* state of worker_random */
    struct store_stats store;
    uint64_t expired_at_pass, trimmed_at; /* store.expired at the last full sweep, at the last mem_trim */
    uint64_t hits, misses;                /* keyspace_hits, keyspace_misses */
    counter commands;                     /* run */
    uint64_t errors;                      /* error replies */
    uint64_t dirty;                       /* changes of the keyspace … */
    counter dirty_seen;                   /* … as others may read it: up to its last tick */
    struct unit unit;
    struct error_count error_counts[ERROR_CODES];
    struct command_stats *stats; /* by command_id */
    struct parsed *batch;
    uint32_t entry_lines; /* how many cache lines of an entry the last replies took (dispatch.c) */
    struct evictor evictor;
    uv_timer_t cron;      /* sweeps its share of the shards (cron.c) */
    uint64_t ticks;       /* of the cron */
    uint32_t sweep_at;    /* next shard of its share */
    uint64_t sweep_ticks; /* time spent in sweeps, in ticks of clock_ticks */
    uint64_t sweeps_cut;  /* sweeps that their budget ended */
    int64_t pass_began;   /* ms of clock.h: when the sweep of its whole share began that is under way */
    int64_t pass_ms;      /* how long the last one took: no entry outlives its deadline by more */
    struct client_limits limits;
    int64_t limits_checked; /* ms of clock.h */
    struct client *paused;  /* clients that wait for CLIENT PAUSE to end (pause.c) */
    bool summoned;          /* a message is under way that asks it to look at its clients' flags (client.c) */
    struct client *monitors; /* its clients in MONITOR (monitor.c) */
    counter monitoring;      /* how many they are */
    counter auth_failures;   /* wrong passwords */
    struct auth_guesser guessers[AUTH_GUESSERS];
    struct outbox *outbox;       /* outbox.h */
    struct broadcast *broadcast; /* tracking_message.c */
};

enum route {
    ROUTE_HERE, /* here */
    ROUTE_ANYWAY, /* here, whatever this server's state refuses: it is kept for another node, or comes to nothing */
    ROUTE_TAKEN, /* elsewhere: it was taken, and the reply will come */
    ROUTE_WAITS, /* that is not known yet: the connection is stalled, and the command comes again */
};

/* What has to come before the server ends. */
enum drain {
    DRAIN_NOTHING,
    DRAIN_WAITS, /* replicas get the end of the log */
    DRAIN_BINDS, /* the same, and others have been told that this node ends: it has to */
};

/*
 * What the floor above (replication) is told of and asked for: functions that it gives before the loops run, each NULL where there is
 * nothing to call.
 */
struct server_above {
    void *context; /* its own */
    /* Where a command runs that passed what can be told of it and its client alone: on the client's loop, inside the gate. One that was
     * refused (command NULL) is answered here, but may have to wait. */
    enum route (*route)(struct call *c);
    /* A loop is about to poll, outside of the gate: what it sends (conn_queue) goes out before. */
    void (*before_poll)(struct worker *w);
    /* Ten times a second on each loop, outside of the gate. */
    void (*tick)(struct worker *w);
    /* The connection of a client is gone, and the client goes next: inside the gate, on its loop. */
    void (*client_closed)(struct client *client);
    /* More is on the disk (aof_durable), or the append-only file was turned off: any thread. */
    void (*durable)(struct server *server);
    /* All that is loaded at start is there (server->loading says what its history was), and serving begins: alone. */
    void (*loaded)(struct server *server);
    /* The server is about to end: what has to come first is begun, and `done` is called, alone, when it is over. And: it does not end
     * after all, which may be said of DRAIN_WAITS. Alone. */
    enum drain (*drain)(struct server *server, void (*done)(struct server *server));
    void (*call_off_drain)(struct server *server);
    /* Cuts the connection to the master, if there is one to this address ("host:port"; ptr NULL: any). Alone. False: there is none. */
    bool (*cut_master)(struct server *server, struct slice address);
    /* Writes the section "Replication" of INFO; alone. */
    void (*info)(struct server *server, struct reply *text);
};

struct server {
    struct config *config;
    struct keyspace keyspace;
    struct log log;         /* what changes it, for whoever reads that … */
    struct history history; /* … and what its stream is called */
    struct server_above above;
    struct gate gate;
    struct aof *aof; /* aof.h */
    struct net net;
    struct worker *workers; /* one for each loop, and behind them that of the gate's player (replay.h) */
    char run_id[41];
    int64_t started; /* ms of clock.h */
    int64_t started_wall_us;

    /* Copies of settings for hot paths; changed under the gate alone. */
    struct access_rules access;
    int64_t max_memory;
    struct evict_policy policy;
    uint64_t ms_ticks;  /* a millisecond in ticks of clock_ticks */
    int64_t slow_ticks; /* slowlog-log-slower-than in ticks of clock_ticks, INT64_MAX when off */
    int64_t latency_ticks;
    struct conn_limit output_limits[CONFIG_CLASSES];

    _Atomic int64_t next_client_id;
    _Atomic int monitors; /* clients in MONITOR */
    int replicas;         /* clients that are replicas, which are not counted as clients. Changes alone */
    _Atomic int64_t pause_until; /* ms of clock.h: CLIENT PAUSE, 0: none */
    _Atomic bool pause_all;      /* … for reads as well */
    uint32_t paused_for;         /* enum pause_purpose (pause.h): what else pauses writes. Changes alone */
    int64_t pause_asked;         /* … meanwhile: what pause_until will be then */
    bool
        ending; /* the server waits for what has to come before its end (shutdown.c), and nothing may change; changes alone */
    _Atomic bool stopping;
    _Atomic uint32_t refusing;        /* enum refusing (refusing.h): what the server's state refuses … */
    _Atomic int aof_errno;            /* … and the error behind REFUSING_AOF_ERROR */
    _Atomic uint32_t listening;       /* enum listening (change.h): who wants to know of changes of keys */
    _Atomic uint64_t waiting_clients; /* for keys (block.h) … */
    uint32_t notify;                  /* enum event_class: what notify-keyspace-events asks for */
    struct block_queues *queues;      /* … in these queues */
    struct watch_table *watches;
    struct stats stats;
    struct loading *loading;            /* load.c */
    struct saving *saving;              /* saving.c */
    struct pubsub *pubsub;              /* pubsub.c */
    struct tracking *tracking;          /* tracking.c */
    struct info_section *info_sections; /* info.h */
};

/* Whether another node says what this one's keyspace holds. Changes alone. */
static inline bool server_is_replica(const struct server *server)
{
    return (atomic_load_explicit(&server->keyspace.frozen, memory_order_relaxed) & KEYSPACE_FOLLOWS) != 0;
}

/* What plays a master's stream. Its `loop` is none that runs: it has a number, which is the next one. */
static inline struct worker *server_player(const struct server *server)
{
    return &server->workers[server->net.count];
}

/* 64 random bits, fast and good enough for choices (not for secrets). */
uint64_t worker_random(struct worker *w);

static inline struct server *server_of_net(struct net *net)
{
    return net->hooks.context;
}

/* Copies the settings that hot paths need, and gives net its limits. Under the gate alone once loops run. */
void server_apply_config(struct server *server);

/* Lets server_apply_config follow every CONFIG SET of a setting that it copies. */
void server_follow_settings(struct server *server);

/* Changes of the keyspace since the start. Under the gate alone. */
uint64_t server_changes(const struct server *server);

/* From any loop's thread: asks loop 0 to stop, which takes no more connections and closes its own; main, whose loop_run then
 * returns, stops the others (net_stop). Once is enough: later calls do nothing. */
void server_stop(struct server *server);

#endif
