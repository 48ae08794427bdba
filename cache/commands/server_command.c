/*
 * Commands about whole databases and the server as such: DBSIZE, FLUSHALL, FLUSHDB, LOLWUT, SWAPDB, TIME.
 *
 * A flush unlinks the shards and leaves the rest to the reaper, whether ASYNC, SYNC or nothing is said: the database is
 * empty when the reply goes out, and no loop waits for millions of calls of free. With save points the client of FLUSHALL waits
 * until the file on the disk is empty as well, and only that client.
 */
#include "clock.h"
#include "commands/block.h"
#include "commands/call.h"
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/lolwut.h"
#include "commands/propagate.h"
#include "commands/saving.h"

static void run_dbsize(struct call *c)
{
    reply_int(c->reply, (int64_t)db_size(c->db));
}

/* ---- flushes ---------------------------------------------------------------------------------------- */

static bool parse_flush(struct call *c)
{
    if (c->argc > 2 || (c->argc == 2 && !slice_is(c->argv[1], "async") && !slice_is(c->argv[1], "sync"))) {
        call_syntax_error(c);
        return false;
    }
    return true;
}

static void run_flushdb(struct call *c)
{
    if (parse_flush(c)) {
        change_flush(c, c->db);
        c->worker->dirty += db_flush(c->db);
        propagate_as_it_came(c); /* of an empty database too: others may have what has expired here */
        reply_ok(c->reply);
    }
}

static void run_flushall(struct call *c)
{
    struct keyspace *ks = &c->server->keyspace;
    if (!parse_flush(c)) {
        return;
    }
    change_flush(c, NULL);
    for (int i = 0; i < ks->count; i++) {
        c->worker->dirty += db_flush(&ks->dbs[i]);
    }
    propagate_as_it_came(c);
    saving_flushed(c);
}

static void run_swapdb(struct call *c)
{
    struct keyspace *ks = &c->server->keyspace;
    int64_t a, b;
    if (!call_int_range(c, c->argv[1], INT32_MIN, INT32_MAX, "ERR invalid first DB index", &a) ||
        !call_int_range(c, c->argv[2], INT32_MIN, INT32_MAX, "ERR invalid second DB index", &b)) {
        return;
    }
    if (a < 0 || a >= ks->count || b < 0 || b >= ks->count) {
        reply_error(c->reply, "ERR DB index is out of range");
        return;
    }
    if (a != b) {
        change_swap(c, &ks->dbs[a], &ks->dbs[b]);
        db_swap(&ks->dbs[a], &ks->dbs[b]);
        block_signal_all(c, &ks->dbs[a]);
        block_signal_all(c, &ks->dbs[b]);
    }
    c->worker->dirty++;
    reply_ok(c->reply);
}

/* ---- the server ------------------------------------------------------------------------------------- */

static void run_time(struct call *c)
{
    int64_t us = clock_wall_us();
    reply_array(c->reply, 2);
    reply_bulk_int(c->reply, us / 1000000);
    reply_bulk_int(c->reply, us % 1000000);
}

#define FLUSH_HISTORY                                    \
    "4.0.0\tAdded the `ASYNC` flushing mode modifier.\n" \
    "6.2.0\tAdded the `SYNC` flushing mode modifier."

const struct command server_commands[] = {
    {
        .name = "dbsize",
        .run = run_dbsize,
        .arity = 1,
        .flags = CMD_READONLY | CMD_FAST,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the number of keys in the database.",
        .syntax = "",
        .tips = "request_policy:all_shards response_policy:agg_sum",
        .categories = "keyspace",
    },
    {
        .name = "flushall",
        .run = run_flushall,
        .arity = -1,
        .flags = CMD_WRITE,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(N) where N is the total number of keys in all databases",
        .summary = "Removes all keys from all databases.",
        .syntax = "[ASYNC | SYNC]",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
        .history = FLUSH_HISTORY,
        .categories = "keyspace dangerous",
    },
    {
        .name = "flushdb",
        .run = run_flushdb,
        .arity = -1,
        .flags = CMD_WRITE,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(N) where N is the number of keys in the selected database",
        .summary = "Removes all keys from the current database.",
        .syntax = "[ASYNC | SYNC]",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
        .history = FLUSH_HISTORY,
        .categories = "keyspace dangerous",
    },
    {
        .name = "lolwut",
        .run = lolwut_run,
        .arity = -1,
        .flags = CMD_READONLY | CMD_FAST | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "5.0.0",
        .summary = "Draws computer art and tells the version.",
        .syntax = "[VERSION version]",
    },
    {
        .name = "swapdb",
        .run = run_swapdb,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .group = GROUP_SERVER,
        .since = "4.0.0",
        .complexity =
            "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        .summary = "Swaps two databases.",
        .syntax = "index1 index2",
        .categories = "keyspace dangerous",
    },
    {
        .name = "time",
        .run = run_time,
        .arity = 1,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Returns the server's time.",
        .syntax = "",
        .tips = "nondeterministic_output",
    },
    {0},
};
