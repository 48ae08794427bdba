#include "replication/wait.h"

#include "commands/aof.h"
#include "commands/call.h"
#include "commands/dispatch.h"
#include "commands/errorstats.h"
#include "memory.h"
#include "replication/node.h"

struct wait {
    struct blocked blocked; /* first: the client knows it by this */
    struct wait *_Atomic next;
    struct worker *worker;
    uint64_t offset;
    bool disks;       /* WAITAOF … */
    bool local;       /* … and this node's disk is asked for */
    int64_t replicas; /* so many are */
};

static struct master *master_of(const struct server *server)
{
    return &node_of(server)->master;
}

static struct wait *_Atomic *list_of(const struct worker *w)
{
    return &master_of(w->server)->loops[w->loop->index].waits;
}

/* ---- how far it is ----------------------------------------------------------------------------------- */

static int64_t count_replicas(const struct wait *wait)
{
    return master_count_acked(master_of(wait->worker->server), wait->offset, wait->disks);
}

static bool on_disk(const struct wait *wait)
{
    const struct server *server = wait->worker->server;
    return aof_keeps(server, wait->offset);
}

static bool is_reached(const struct wait *wait)
{
    return (!wait->local || on_disk(wait)) && count_replicas(wait) >= wait->replicas;
}

static void reply_reached(struct reply *out, const struct wait *wait)
{
    if (wait->disks) {
        reply_array(out, 2);
        reply_int(out, on_disk(wait));
    }
    reply_int(out, count_replicas(wait));
}

static void refuse_local(struct reply *out)
{
    reply_error(out, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
}

/* ---- waiting ----------------------------------------------------------------------------------------- */

static void leave(struct blocked *blocked)
{
    struct wait *wait = (struct wait *)blocked;
    struct wait *_Atomic *link = list_of(wait->worker);
    while (*link != wait) {
        link = &(*link)->next;
    }
    *link = wait->next;
}

static void timed_out(struct client *client)
{
    reply_reached(&client->worker->loop->reply, (const struct wait *)client->blocked);
}

/* Replicas are asked to acknowledge when the loop is about to poll. */
static void begin(struct call *c, const struct wait *wanted, int64_t timeout)
{
    struct wait *_Atomic *list = list_of(c->worker);
    struct wait *wait = mem_alloc(sizeof *wait);
    if (wait == NULL) {
        call_out_of_memory(c);
        return;
    }
    *wait = *wanted;
    wait->blocked.size = sizeof *wait;
    wait->blocked.timed_out = timed_out;
    wait->blocked.left = leave;
    wait->next = *list;
    *list = wait; /* seen by master_wake_waits, or what it tells is seen before the loop polls */
    master_of(c->server)->loops[c->worker->loop->index].asks |= wait->replicas > 0;
    client_block_by(c->client, &wait->blocked, timeout);
}

static void reply_or_begin(struct call *c, const struct wait *wanted, int64_t timeout)
{
    if (c->may_not_block || is_reached(wanted)) {
        reply_reached(c->reply, wanted);
    } else {
        begin(c, wanted, timeout);
    }
}

static void run_wait(struct call *c)
{
    struct wait wanted = {.worker = c->worker, .offset = c->client->write_offset};
    int64_t timeout;
    if (node_of(c->server)->is_replica) {
        reply_error(
            c->reply,
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is "
            "configured to be writable (which is not the default) writes to replicas are just local and are not "
            "propagated.");
    } else if (call_int(c, c->argv[1], &wanted.replicas) && call_timeout(c, c->argv[2], &timeout)) {
        reply_or_begin(c, &wanted, timeout);
    }
}

static void run_waitaof(struct call *c)
{
    struct wait wanted = {.worker = c->worker, .offset = c->client->write_offset, .disks = true};
    int64_t local, timeout;
    if (!call_int(c, c->argv[1], &local)) {
        return;
    }
    if (local < 0 || local > 1) {
        reply_error(c->reply, "ERR value is out of range, value must between 0 and 1");
        return;
    }
    if (!call_int_range(c, c->argv[2], 0, INT64_MAX, "ERR value is out of range, must be positive",
                        &wanted.replicas) ||
        !call_timeout(c, c->argv[3], &timeout)) {
        return;
    }
    wanted.local = local > 0;
    if (node_of(c->server)->is_replica) {
        reply_error(
            c->reply,
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas "
            "are just local and are not propagated.");
    } else if (wanted.local && !aof_is_on(c->server)) {
        refuse_local(c->reply);
    } else {
        reply_or_begin(c, &wanted, timeout);
    }
}

/* ---- answering --------------------------------------------------------------------------------------- */

/* The append-only file was turned off meanwhile. */
static bool cannot_be(const struct wait *wait)
{
    return wait->local && !aof_is_on(wait->worker->server);
}

static void answer(const struct wait *wait)
{
    struct worker *w = wait->worker;
    struct client *client = wait->blocked.client;
    bool failed = cannot_be(wait);
    w->loop->reply.resp = client->conn->resp;
    if (failed) {
        refuse_local(&w->loop->reply);
        w->errors++;
        errorstats_note(w, SLICE("ERR "));
    } else {
        timed_out(client);
    }
    dispatch_count_waited(w, client->last_command, failed);
}

/* Takes those out whose wait is over: nobody else ends it any more. */
static struct blocked *take_reached(struct worker *w)
{
    struct blocked *due = NULL;
    struct wait *next;
    for (struct wait *wait = *list_of(w); wait != NULL; wait = next) {
        next = wait->next;
        if (client_waits(wait->blocked.client) && (is_reached(wait) || cannot_be(wait))) {
            leave(&wait->blocked);
            wait->blocked.client->flags |= CLIENT_WOKEN;
            wait->blocked.next_due = due;
            due = &wait->blocked;
        }
    }
    return due;
}

void wait_answer_reached(struct worker *w)
{
    struct gate *gate = &w->server->gate;
    struct blocked *next;
    gate_enter(gate, w->loop->index);
    struct blocked *due = take_reached(w);
    gate_leave(gate, w->loop->index);
    for (; due != NULL; due = next) {
        next = due->next_due;
        gate_enter(gate, w->loop->index);
        answer((const struct wait *)due);
        gate_leave(gate, w->loop->index);
        client_unblock(due->client);
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
    {
        .name = "waitaof",
        .run = run_waitaof,
        .arity = 4,
        .flags = CMD_LOCAL,
        .group = GROUP_GENERIC,
        .since = "7.2.0",
        .complexity = "O(1)",
        .summary =
            "Blocks until writes sent by the connection are on this server's disk, and on that of a number of replicas.",
        .syntax = "numlocal numreplicas timeout",
        .tips = "request_policy:all_shards response_policy:agg_min",
        .categories = "connection -keyspace",
    },
    {0},
};
