/*
 * WAIT: until so many replicas have acknowledged what this connection wrote. There are none yet, so it replies 0 when it
 * has waited as long as it was told.
 */
#include "commands/call.h"
#include "commands/groups.h"

static void reply_acknowledged(struct client *client)
{
    reply_int(&client->worker->loop->reply, 0);
}

static void run_wait(struct call *c)
{
    int64_t replicas, timeout;
    if (!call_int(c, c->argv[1], &replicas) || !call_timeout(c, c->argv[2], &timeout)) {
        return;
    }
    if (replicas <= 0 || c->may_not_block) {
        reply_int(c->reply, 0);
    } else if (!client_block(c->client, timeout, reply_acknowledged, NULL)) {
        call_out_of_memory(c);
    }
}

const struct command wait_commands[] = {
    {
        .name = "wait",
        .run = run_wait,
        .arity = 3,
        .flags = CMD_LOCAL,
        .group = GROUP_GENERIC,
        .since = "3.0.0",
        .complexity = "O(1)",
        .summary = "Blocks until writes sent by the connection are acknowledged by a number of replicas.",
        .syntax = "numreplicas timeout",
        .tips = "request_policy:all_shards response_policy:agg_min",
        .categories = "connection -keyspace",
    },
    {0},
};
