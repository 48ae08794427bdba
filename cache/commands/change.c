/*
 * What a change of a key sets off, in Redis's order: whoever watches the key is marked, clients that keep it in their caches are
 * told to drop it, and then the change is published.
 */
#include "commands/change.h"

#include <stddef.h>

#include "commands/notify.h"
#include "commands/propagate.h"
#include "commands/tracking.h"
#include "commands/watch.h"

static struct worker *worker_of(struct store_stats *stats)
{
    return (struct worker *)(void *)((char *)stats - offsetof(struct worker, store));
}

/* What an append-only file does again was told when it happened. (Who watches a key is marked all the same.) */
static bool was_told(const struct call *c)
{
    return (c->client->flags & CLIENT_REPLAYS) != 0;
}

void change_event(struct call *c, struct db *db, const struct key *key, enum event_class class,
                  const char *event)
{
    if (was_told(c)) {
        return;
    }
    notify_key(c->worker, db, key->name, class, event);
}

void change_note(struct call *c, struct db *db, const struct key *key, enum event_class class,
                 const char *event)
{
    uint32_t listening = atomic_load_explicit(&c->server->listening, memory_order_relaxed);
    if ((listening & LISTENING_WATCH) != 0) {
        watch_touch(c->server, db, key->hash, key->name);
    }
    if ((listening & LISTENING_TRACKING) != 0 && !was_told(c)) {
        tracking_key(c->worker, c->client, key->hash, key->name);
    }
    if (event != NULL && (listening & LISTENING_EVENTS) != 0) {
        change_event(c, db, key, class, event);
    }
}

static const struct {
    enum event_class class;
    const char *event;
} gone_events[] = {
    [DB_EXPIRED] = {EVENT_EXPIRED, "expired"},
    [DB_EVICTED] = {EVENT_EVICTED, "evicted"},
    [DB_PARTS_EXPIRED] = {EVENT_HASH, "hexpired"},
    [DB_EMPTIED] = {EVENT_GENERIC, "del"},
};

void change_gone(struct store_stats *stats, struct db *db, const struct entry *e, enum db_gone why)
{
    struct worker *w = worker_of(stats);
    struct server *server = w->server;
    uint32_t listening = atomic_load_explicit(&server->listening, memory_order_relaxed);
    struct slice name = entry_key(e);
    if (log_is_on(&server->log)) {
        propagate_gone(w, db, e, why);
    }
    if ((listening & LISTENING_WATCH) != 0) {
        watch_touch(server, db, keyspace_hash(&server->keyspace, name), name);
    }
    if ((listening & LISTENING_TRACKING) != 0) {
        tracking_key(w, NULL, keyspace_hash(&server->keyspace, name), name);
    }
    if ((listening & LISTENING_EVENTS) != 0) {
        notify_key(w, db, name, gone_events[why].class, gone_events[why].event);
    }
}

/* One database, or all. */
static void touch_all(struct call *c, struct db *db, struct db *with)
{
    if ((atomic_load_explicit(&c->server->listening, memory_order_relaxed) & LISTENING_WATCH) != 0) {
        watch_touch_all(c->worker, db, with, c->now);
    }
}

void change_flush(struct call *c, struct db *db)
{
    struct keyspace *ks = &c->server->keyspace;
    for (int i = 0; i < ks->count; i++) {
        if (db == NULL || db == &ks->dbs[i]) {
            touch_all(c, &ks->dbs[i], NULL);
        }
    }
    if ((atomic_load_explicit(&c->server->listening, memory_order_relaxed) & LISTENING_TRACKING) != 0 &&
        !was_told(c)) {
        tracking_flush(c->worker);
    }
}

void change_swap(struct call *c, struct db *a, struct db *b)
{
    touch_all(c, a, b);
    touch_all(c, b, a);
}
