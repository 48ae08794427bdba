#include "commands/tracking.h"

#include <stdio.h>
#include <stdlib.h>

#include "commands/change.h"
#include "commands/client.h"
#include "commands/outbox.h"
#include "commands/tracking_message.h"
#include "commands/tracking_prefix.h"
#include "commands/tracking_table.h"
#include "memory.h"

struct tracking {
    struct tracking_table *table;
    struct chain trackers;
    struct prefixes prefixes;
    uint64_t clients; /* that track */
};

/* ---- settings ------------------------------------------------------------------------------------------ */

void tracking_limit_keys(struct worker *w)
{
    enum { AT_ONCE = 1000 }; /* 0.2 ms, where one client has each */
    const struct tracking *t = w->server->tracking;
    int64_t most = w->server->config->tracking_table_max_keys;
    for (int i = 0; i < AT_ONCE && most > 0 && (int64_t)tracking_table_keys(t->table) > most; i++) {
        struct tracked_key *key = tracking_table_take_any(t->table, worker_random(w));
        if (key == NULL) {
            return;
        }
        tracking_send_key(w, NULL, key);
        tracked_key_free(key);
    }
}

void tracking_init(struct server *server)
{
    server->tracking = mem_must(sizeof *server->tracking);
    *server->tracking = (struct tracking){.table = tracking_table_new()};
    if (server->tracking->table == NULL) {
        fprintf(stderr, "ordinal: out of memory at start\n");
        exit(1);
    }
    tracking_message_init(server);
}

void tracking_free(struct server *server)
{
    tracking_message_free(server);
    tracking_table_free(server->tracking->table);
    chain_free(&server->tracking->trackers);
    mem_free(server->tracking, sizeof *server->tracking);
}

/* ---- trackers ------------------------------------------------------------------------------------------ */

struct tracker *tracker_find(const struct server *server, int64_t id)
{
    return (struct tracker *)chain_find(&server->tracking->trackers, (uint64_t)id);
}

/* The tracker of a client, made if it has none; NULL: no memory. */
static struct tracker *tracker_of(struct client *client)
{
    struct tracker *tracker = client->tracker;
    if (tracker != NULL) {
        return tracker;
    }
    tracker = mem_alloc(sizeof *tracker);
    if (tracker == NULL) {
        return NULL;
    }
    *tracker = (struct tracker){.client = client, .member = {client->conn, NULL}};
    tracker->address = (struct audience){
        .loop = client->worker->loop->index, .count = 1, .cap = 1, .members = &tracker->member};
    if (!chain_add(&client->worker->server->tracking->trackers, &tracker->link, (uint64_t)client->id)) {
        mem_free(tracker, sizeof *tracker);
        return NULL;
    }
    client->tracker = tracker;
    return tracker;
}

/* ---- on, off, gone ------------------------------------------------------------------------------------- */

/* Changes are of interest as long as somebody tracks, or the table names keys: a client that tracks again must not be told of
 * changes that were made before. */
static void note_clients(struct server *server)
{
    if (server->tracking->clients > 0 || tracking_table_keys(server->tracking->table) > 0) {
        atomic_fetch_or(&server->listening, LISTENING_TRACKING);
    } else {
        atomic_fetch_and(&server->listening, ~(uint32_t)LISTENING_TRACKING);
    }
}

static void switch_on(struct tracker *tracker)
{
    struct server *server = tracker->client->worker->server;
    if (!tracker->on) {
        tracker->on = true;
        tracker->client->flags |= CLIENT_TRACKING;
        server->tracking->clients++;
        note_clients(server);
    }
}

bool tracking_on(struct client *client, uint32_t options, int64_t redirect, const struct slice *prefixes,
                 size_t count)
{
    static const struct slice everything = {"", 0};
    struct server *server = client->worker->server;
    struct client *target = redirect != 0 ? client_find(server, redirect) : NULL;
    struct tracker *tracker = tracker_of(client);
    if (tracker == NULL || (target != NULL && tracker_of(target) == NULL)) {
        return false;
    }
    if ((options & TRACKING_BCAST) != 0 && count == 0) {
        prefixes = &everything;
        count = 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (!prefix_add(&server->tracking->prefixes, tracker, prefixes[i])) {
            return false;
        }
    }
    switch_on(tracker);
    tracker->options = options;
    tracker->redirect = redirect;
    tracker->caching = false;
    atomic_store_explicit(&tracker->broken, false, memory_order_relaxed);
    return true;
}

void tracking_off(struct client *client)
{
    struct tracker *tracker = client->tracker;
    if (tracker != NULL && tracker->on) {
        struct server *server = client->worker->server;
        prefix_leave_all(&server->tracking->prefixes, tracker);
        tracker->on = false;
        tracker->options = 0;
        tracker->redirect = 0;
        tracker->caching = false;
        atomic_store_explicit(&tracker->broken, false, memory_order_relaxed);
        client->flags &= ~(uint32_t)CLIENT_TRACKING;
        server->tracking->clients--;
        note_clients(server);
    }
}

void tracking_reset(struct client *client)
{
    struct worker *w = client->worker;
    if ((client->flags & CLIENT_TRACKING) != 0) {
        gate_alone(&w->server->gate, w->loop->index);
        tracking_off(client);
        gate_together(&w->server->gate, w->loop->index);
    }
}

void tracking_forget(struct client *client)
{
    struct worker *w = client->worker;
    if (client->tracker != NULL) {
        gate_alone(&w->server->gate, w->loop->index);
        outbox_catch_up(w); /* what is on its way to this address */
        tracking_off(client);
        chain_remove(&w->server->tracking->trackers, &client->tracker->link);
        mem_free(client->tracker, sizeof *client->tracker);
        client->tracker = NULL;
        gate_together(&w->server->gate, w->loop->index);
    }
}

/* ---- keys that were read ------------------------------------------------------------------------------- */

enum { FEW_KEYS = 64 };

static void remember(struct call *c, const int *positions, int count)
{
    struct tracking *t = c->server->tracking;
    for (int i = 0; i < count; i++) {
        struct key key = call_key(c, (size_t)positions[i]);
        if (!tracking_table_add(t->table, key.hash, key.name, c->client->id)) {
            conn_close(c->client->conn); /* it would keep what nobody will tell it of */
            return;
        }
    }
    tracking_limit_keys(c->worker);
}

void tracking_remember(struct call *c)
{
    const struct tracker *tracker = c->client->tracker;
    int few[FEW_KEYS];
    if ((c->command->flags & CMD_READONLY) == 0 || (tracker->options & TRACKING_BCAST) != 0 ||
        ((tracker->options & TRACKING_OPTIN) != 0 && !tracker->caching) ||
        ((tracker->options & TRACKING_OPTOUT) != 0 && tracker->caching)) {
        return;
    }
    int count = command_keys(c->command, c->argv, c->argc, few, FEW_KEYS);
    if (count <= FEW_KEYS) {
        remember(c, few, count);
        return;
    }
    int *positions = mem_alloc((size_t)count * sizeof *positions);
    if (positions == NULL) {
        conn_close(c->client->conn);
        return;
    }
    command_keys(c->command, c->argv, c->argc, positions, count);
    remember(c, positions, count);
    mem_free(positions, (size_t)count * sizeof *positions);
}

void tracking_request_done(struct call *c)
{
    if (c->client->tracker == NULL) {
        return;
    }
    const struct command *parent = c->command != NULL ? command_parent(c->command) : NULL;
    if ((c->client->flags & CLIENT_MULTI) == 0 && (parent == NULL || strcmp(parent->name, "client") != 0)) {
        c->client->tracker->caching = false;
    }
}

/* ---- keys that have changed ---------------------------------------------------------------------------- */

void tracking_key(struct worker *w, const struct client *by, uint64_t hash, struct slice name)
{
    struct tracking *t = w->server->tracking;
    if (t->prefixes.count > 0) {
        tracking_broadcast_key(w, by, name);
    }
    struct tracked_key *key = tracking_table_take(t->table, hash, name);
    if (key != NULL) {
        tracking_send_key(w, by, key);
        tracked_key_free(key);
    }
}

static void flush_one(void *worker, struct chain_link *link)
{
    struct tracker *tracker = (struct tracker *)link;
    if (tracker->on) {
        tracking_send_flush(worker, tracker);
    }
}

void tracking_flush(struct worker *w)
{
    struct tracking *t = w->server->tracking;
    chain_each(&t->trackers, flush_one, w);
    tracking_table_clear(t->table);
    note_clients(w->server);
}

void tracking_hand_over(struct worker *w)
{
    if (tracking_broadcast_pending(w)) {
        tracking_broadcast(w, &w->server->tracking->prefixes);
    }
}

void tracking_before_poll(struct worker *w)
{
    if (tracking_broadcast_pending(w)) {
        gate_enter(&w->server->gate, w->loop->index);
        tracking_broadcast(w, &w->server->tracking->prefixes);
        gate_leave(&w->server->gate, w->loop->index);
    }
}

/* ---- what is told of it -------------------------------------------------------------------------------- */

bool tracking_has_missed(const struct client *client)
{
    return client->tracker != NULL && atomic_load_explicit(&client->tracker->missed, memory_order_relaxed);
}

size_t tracking_memory(const struct client *client)
{
    size_t bytes = 0;
    if (client->tracker != NULL) {
        bytes = mem_class(sizeof *client->tracker);
        for (const struct membership *m = client->tracker->first; m != NULL; m = m->next_of_tracker) {
            bytes += mem_class(sizeof *m) + m->prefix->len;
        }
    }
    return bytes;
}

uint64_t tracking_clients(const struct server *server)
{
    return server->tracking->clients;
}

uint64_t tracking_keys(const struct server *server)
{
    return tracking_table_keys(server->tracking->table);
}

uint64_t tracking_items(const struct server *server)
{
    return tracking_table_items(server->tracking->table);
}

uint64_t tracking_prefixes(const struct server *server)
{
    return server->tracking->prefixes.count;
}
