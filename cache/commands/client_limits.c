#include "commands/client_limits.h"

#include <inttypes.h>

#include "clock.h"
#include "commands/client.h"
#include "commands/pubsub.h"
#include "commands/tracking.h"
#include "commands/transaction.h"
#include "logger.h"
#include "memory.h"

enum {
    TICKS_A_ROUND = 20, /* of 50 ms: everybody is looked at once a second */
    LEAST_SLICE = 16,
    FEW = 2000, /* connections of a loop that are looked at in one tick where it must be quick: 0.1 ms */
    EXACT = 5000,
    UNEVICTABLE = CLIENT_NO_EVICT | CLIENT_REPLICA
};

static size_t text_memory(const char *text)
{
    return text != NULL ? mem_class(strlen(text) + 1) : 0;
}

size_t client_memory(const struct client *client)
{
    size_t bytes = mem_class(sizeof *client) + conn_memory(client->conn) + text_memory(client->name) +
                   text_memory(client->lib_name) + text_memory(client->lib_version) +
                   transaction_memory(client) + client->watches.memory + pubsub_memory(client) +
                   tracking_memory(client);
    return client->blocked != NULL ? bytes + mem_class(client->blocked->size) : bytes;
}

static void add_client(struct client_totals *totals, const struct client *client, int64_t memory)
{
    const struct conn *conn = client->conn;
    int64_t input = conn->input != NULL ? (int64_t)conn->input->cap : 0;
    int64_t output = counter_get(&conn->unsent_memory);
    totals->memory += memory;
    totals->evictable += (client->flags & UNEVICTABLE) == 0 ? memory : 0;
    totals->max_input = input > totals->max_input ? input : totals->max_input;
    totals->max_output = output > totals->max_output ? output : totals->max_output;
    totals->monitoring += (client->flags & CLIENT_MONITOR) != 0;
    totals->blocked += client_waits(client) || (client->flags & CLIENT_PAUSED) != 0;
}

/* ---- one client ------------------------------------------------------------------------------------- */

static bool idle_too_long(const struct client *client, int64_t now)
{
    int64_t timeout = client->worker->server->config->timeout;
    return timeout > 0 && client->blocked == NULL && /* also when what it waited for is on its way to it */
           (client->flags & (CLIENT_MONITOR | CLIENT_PAUSED | CLIENT_SUBSCRIBED | CLIENT_REPLICA)) == 0 &&
           now - counter_get(&client->conn->last_active) > timeout * 1000;
}

static bool output_too_long(const struct conn *conn, int64_t now)
{
    const struct conn_limit *limit = conn->limit;
    return conn->soft_since != 0 && limit != NULL && limit->soft > 0 &&
           counter_get(&conn->unsent_memory) > limit->soft &&
           now - conn->soft_since > limit->soft_seconds * 1000;
}

/* Once its peer can see that it is closed, no loop finds it in a list any more. */
static void close_client(struct client *client)
{
    client->flags |= CLIENT_KILLED;
    conn_close(client->conn);
}

static void look_at(struct worker *w, struct client *client, int64_t now)
{
    struct client_limits *limits = &w->limits;
    struct conn *conn = client->conn;
    if (conn->closing) {
        return;
    }
    if ((client->flags & CLIENT_KILLED) != 0) { /* there was no memory to tell its loop */
        conn_close(conn);
        return;
    }
    if (tracking_has_missed(client)) {
        logger_warning("Closing client %" PRId64 ": no memory to tell it of changed keys", client->id);
        conn_close(conn);
        return;
    }
    if (idle_too_long(client, now)) {
        logger_verbose("Closing idle client %" PRId64, client->id);
        limits->timed_out++;
        close_client(client);
        return;
    }
    if (output_too_long(conn, now)) {
        logger_warning("Closing client %" PRId64 ": over its soft output limit for too long", client->id);
        limits->output_closed++;
        close_client(client);
        return;
    }
    int64_t memory = (int64_t)client_memory(client);
    add_client(&limits->round, client, memory);
    if ((client->flags & UNEVICTABLE) == 0 && memory > limits->largest_memory) {
        limits->largest = client;
        limits->largest_memory = memory;
    }
}

/* ---- rounds ----------------------------------------------------------------------------------------- */

/* Publishes what the round found, and begins another one. */
static void end_round(struct client_limits *limits)
{
    limits->last = limits->round;
    limits->victim = limits->largest;
    counter_set(&limits->evictable, limits->round.evictable);
    counter_set(&limits->victim_memory, limits->largest != NULL ? limits->largest_memory : 0);
    limits->round = (struct client_totals){0};
    limits->largest = NULL;
    limits->largest_memory = 0;
}

/* Looks at up to `slice` connections. True when that ended a round. */
static bool go_on(struct worker *w, int64_t slice, int64_t now)
{
    struct client_limits *limits = &w->limits;
    if (limits->at == NULL) {
        limits->at = w->loop->conns;
    }
    while (limits->at != NULL && slice-- > 0) {
        struct conn *conn = limits->at;
        limits->at = conn->next;
        if (conn->client != NULL) {
            look_at(w, conn->client, now);
        }
    }
    if (limits->at != NULL) {
        return false;
    }
    end_round(limits);
    return true;
}

/* Closes the largest client when all of them are over the limit and it is this loop's. True when it did. */
static bool evict(struct worker *w, int64_t limit)
{
    struct server *server = w->server;
    struct client_limits *limits = &w->limits;
    int64_t all = 0;
    if (limits->victim == NULL) {
        return false;
    }
    for (int i = 0; i < server->net.count; i++) {
        const struct client_limits *other = &server->workers[i].limits;
        all += counter_get(&other->evictable);
        if (counter_get(&other->victim_memory) > counter_get(&limits->victim_memory)) {
            return false;
        }
    }
    if (all < limit) {
        return false;
    }
    logger_notice("Evicting client %" PRId64 ", which takes %" PRId64 " bytes", limits->victim->id,
                  counter_get(&limits->victim_memory));
    limits->evicted++;
    close_client(limits->victim);
    limits->victim = NULL;
    return true;
}

void client_limits_tick(struct worker *w)
{
    int64_t limit = config_maxmemory_clients(w->server->config);
    int64_t count = counter_get(&w->loop->connections);
    int64_t now = clock_now();
    int64_t slice = count / TICKS_A_ROUND + LEAST_SLICE;
    w->limits.ticked = now;
    if (limit > 0 && count <= FEW) {
        w->limits.at = NULL;
        slice = FEW + 1;
    }
    bool ended = go_on(w, slice, now);
    while (ended && limit > 0 && evict(w, limit)) {
        w->limits.at = NULL;
        w->limits.round = (struct client_totals){0};
        ended = go_on(w, FEW + 1, now);
    }
}

void client_limits_check(struct worker *w)
{
    if (w->now != w->limits.ticked) {
        client_limits_tick(w);
    }
}

void client_limits_forget(struct conn *conn)
{
    const struct client *client = conn->client;
    struct client_limits *limits = &((struct worker *)conn->loop->worker)->limits;
    if (limits->at == conn) {
        limits->at = conn->next;
    }
    if (client != NULL && limits->largest == client) {
        limits->largest = NULL;
        limits->largest_memory = 0;
    }
    if (client != NULL && limits->victim == client) {
        limits->victim = NULL;
    }
}

/* ---- totals ----------------------------------------------------------------------------------------- */

static void visit(void *totals, struct client *client)
{
    add_client(totals, client, (int64_t)client_memory(client));
}

void client_limits_totals(struct server *server, struct client_totals *totals)
{
    int64_t count = 0;
    *totals = (struct client_totals){0};
    for (int i = 0; i < server->net.count; i++) {
        count += counter_get(&server->net.loops[i].connections);
    }
    if (count <= EXACT) {
        client_each(server, visit, totals);
        return;
    }
    for (int i = 0; i < server->net.count; i++) {
        const struct client_totals *last = &server->workers[i].limits.last;
        totals->memory += last->memory;
        totals->blocked += last->blocked;
        totals->monitoring += last->monitoring;
        totals->max_input = last->max_input > totals->max_input ? last->max_input : totals->max_input;
        totals->max_output = last->max_output > totals->max_output ? last->max_output : totals->max_output;
    }
}
