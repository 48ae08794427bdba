#include "commands/waitaof.h"

#include "commands/aof.h"
#include "commands/call.h"
#include "commands/dispatch.h"
#include "commands/errorstats.h"
#include "commands/groups.h"
#include "memory.h"

/* There are no replicas yet: their number is 0. */
struct waitaof {
    struct blocked blocked; /* first: the client knows it by this */
    struct waitaof *_Atomic next;
    struct worker *worker;
    uint64_t offset;
    bool local;       /* this node's disk is asked for */
    int64_t replicas; /* … and so many replicas' */
};

/* Both numbers that it replies: nothing else is needed when they are reached. */
static void reply_reached(struct reply *out, const struct server *server, uint64_t offset)
{
    reply_array(out, 2);
    reply_int(out, aof_is_on(server) && aof_durable(server) >= offset);
    reply_int(out, 0);
}

static void refuse_local(struct reply *out)
{
    reply_error(out, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
}

static bool is_reached(const struct server *server, uint64_t offset, bool local, int64_t replicas)
{
    return replicas <= 0 && (!local || aof_durable(server) >= offset);
}

static void leave(struct blocked *blocked)
{
    struct waitaof *wait = (struct waitaof *)blocked;
    struct waitaof *_Atomic *link = &wait->worker->waitaof;
    while (*link != wait) {
        link = &(*link)->next;
    }
    *link = wait->next;
}

static void timed_out(struct client *client)
{
    const struct waitaof *wait = (const struct waitaof *)client->blocked;
    reply_reached(&client->worker->loop->reply, client->worker->server, wait->offset);
}

static void begin_wait(struct call *c, bool local, int64_t replicas, int64_t timeout)
{
    struct worker *w = c->worker;
    struct waitaof *wait = mem_alloc(sizeof *wait);
    if (wait == NULL) {
        call_out_of_memory(c);
        return;
    }
    memset(wait, 0, sizeof *wait);
    wait->blocked.size = sizeof *wait;
    wait->blocked.timed_out = timed_out;
    wait->blocked.left = leave;
    wait->worker = w;
    wait->offset = c->client->write_offset;
    wait->local = local;
    wait->replicas = replicas;
    wait->next = w->waitaof;
    w->waitaof = wait; /* seen by waitaof_wake, or what it tells is seen before the loop polls */
    client_block_by(c->client, &wait->blocked, timeout);
}

static void run_waitaof(struct call *c)
{
    int64_t local, replicas, timeout;
    if (!call_int(c, c->argv[1], &local)) {
        return;
    }
    if (local < 0 || local > 1) {
        reply_error(c->reply, "ERR value is out of range, value must between 0 and 1");
        return;
    }
    if (!call_int_range(c, c->argv[2], 0, INT64_MAX, "ERR value is out of range, must be positive",
                        &replicas) ||
        !call_timeout(c, c->argv[3], &timeout)) {
        return;
    }
    if (local > 0 && !aof_is_on(c->server)) {
        refuse_local(c->reply);
    } else if (c->may_not_block || is_reached(c->server, c->client->write_offset, local > 0, replicas)) {
        reply_reached(c->reply, c->server, c->client->write_offset);
    } else {
        begin_wait(c, local > 0, replicas, timeout);
    }
}

void waitaof_wake(struct server *server)
{
    for (int i = 0; i < server->net.count; i++) {
        if (atomic_load(&server->workers[i].waitaof) != NULL) {
            loop_wake(&server->net.loops[i]);
        }
    }
}

/* The append-only file was turned off meanwhile. */
static bool cannot_be(const struct waitaof *wait)
{
    return wait->local && !aof_is_on(wait->worker->server);
}

static void answer(const struct waitaof *wait)
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
    struct waitaof *next;
    gate_enter(&w->server->gate, w->loop->index);
    for (struct waitaof *wait = w->waitaof; wait != NULL; wait = next) {
        next = wait->next;
        if (client_waits(wait->blocked.client) &&
            (is_reached(w->server, wait->offset, wait->local, wait->replicas) || cannot_be(wait))) {
            leave(&wait->blocked);
            wait->blocked.client->flags |= CLIENT_WOKEN;
            wait->blocked.next_due = due;
            due = &wait->blocked;
        }
    }
    gate_leave(&w->server->gate, w->loop->index);
    return due;
}

void waitaof_before_poll_slow(struct worker *w)
{
    struct blocked *next;
    for (struct blocked *due = take_reached(w); due != NULL; due = next) {
        next = due->next_due;
        gate_enter(&w->server->gate, w->loop->index);
        answer((const struct waitaof *)due);
        gate_leave(&w->server->gate, w->loop->index);
        client_unblock(due->client);
    }
}

const struct command waitaof_commands[] = {
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
