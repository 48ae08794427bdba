/*
 * Changes of keys, and who wants to know of them: WATCH, client-side caching (CLIENT TRACKING) and the listeners of keyspace
 * notifications. Every handler that changes a key says so by key_changed, which costs one test while nobody wants to know.
 *
 * Threads: as for the key's entry: its shard locked, or alone.
 */
#ifndef ORDINAL_COMMANDS_CHANGE_H
#define ORDINAL_COMMANDS_CHANGE_H

#include "commands/call.h"

/* Classes of keyspace notifications, with their letters in notify-keyspace-events (source: Redis manual, "Keyspace
 * notifications"). K and E choose the channels, A stands for all but m and n. */
enum event_class {
    EVENT_GENERIC = 1 << 0,   /* g */
    EVENT_STRING = 1 << 1,    /* $ */
    EVENT_LIST = 1 << 2,      /* l */
    EVENT_SET = 1 << 3,       /* s */
    EVENT_HASH = 1 << 4,      /* h */
    EVENT_ZSET = 1 << 5,      /* z */
    EVENT_EXPIRED = 1 << 6,   /* x */
    EVENT_EVICTED = 1 << 7,   /* e */
    EVENT_STREAM = 1 << 8,    /* t */
    EVENT_KEY_MISS = 1 << 9,  /* m */
    EVENT_MODULE = 1 << 10,   /* d */
    EVENT_NEW = 1 << 11,      /* n */
    EVENT_KEYSPACE = 1 << 12, /* K: to __keyspace@<db>__:<key> */
    EVENT_KEYEVENT = 1 << 13, /* E: to __keyevent@<db>__:<event> */
    EVENT_ALL = EVENT_GENERIC | EVENT_STRING | EVENT_LIST | EVENT_SET | EVENT_HASH | EVENT_ZSET |
                EVENT_EXPIRED | EVENT_EVICTED | EVENT_STREAM | EVENT_MODULE,
};

/* The bits of server->listening. */
enum listening {
    LISTENING_EVENTS = 1 << 0,   /* notify-keyspace-events asks for some class, and a channel */
    LISTENING_WATCH = 1 << 1,    /* some client watches some key */
    LISTENING_TRACKING = 1 << 2, /* some client tracks keys */
};

/* Out of line. */
void change_note(struct call *c, struct db *db, const struct key *key, enum event_class class,
                 const char *event);
void change_event(struct call *c, struct db *db, const struct key *key, enum event_class class,
                  const char *event);

/* After `changes` changes (Redis's count: elements pushed, fields set, …) of a key in the call's database: counts them, marks
 * who watches the key, invalidates it in clients' caches, and notifies of `event` (NULL: of none). */
static inline void key_changed(struct call *c, const struct key *key, uint64_t changes,
                               enum event_class class, const char *event)
{
    c->worker->dirty += changes;
    if (__builtin_expect(atomic_load_explicit(&c->server->listening, memory_order_relaxed) != 0, 0)) {
        change_note(c, c->db, key, class, event);
    }
}

/* The same for a key of another database (MOVE, COPY). */
static inline void key_changed_in(struct call *c, struct db *db, const struct key *key, uint64_t changes,
                                  enum event_class class, const char *event)
{
    c->worker->dirty += changes;
    if (__builtin_expect(atomic_load_explicit(&c->server->listening, memory_order_relaxed) != 0, 0)) {
        change_note(c, db, key, class, event);
    }
}

/* A notification alone, where one command gives several ("del" after the last element was popped). */
static inline void key_event(struct call *c, const struct key *key, enum event_class class, const char *event)
{
    if (__builtin_expect(atomic_load_explicit(&c->server->listening, memory_order_relaxed) & LISTENING_EVENTS,
                         0)) {
        change_event(c, c->db, key, class, event);
    }
}

/* After `removed` elements of a collection went: as key_changed. With `emptied` the key went with the last of them. */
static inline void key_elements_removed(struct call *c, const struct key *key, uint64_t removed,
                                        enum event_class class, const char *event, bool emptied)
{
    key_changed(c, key, removed, class, event);
    if (emptied) {
        key_event(c, key, EVENT_GENERIC, "del");
    }
}

/* key_event for a key of another database. */
static inline void key_event_in(struct call *c, struct db *db, const struct key *key, enum event_class class,
                                const char *event)
{
    if (__builtin_expect(atomic_load_explicit(&c->server->listening, memory_order_relaxed) & LISTENING_EVENTS,
                         0)) {
        change_event(c, db, key, class, event);
    }
}

/* All keys of a database (NULL: of every one) are about to go (FLUSHDB, FLUSHALL), or those of two databases to be exchanged
 * (SWAPDB): before they are. Alone. */
void change_flush(struct call *c, struct db *db);
void change_swap(struct call *c, struct db *a, struct db *b);

/* The hook of the keyspace (struct keyspace): an entry goes that is past its deadline, or evicted. */
void change_gone(struct store_stats *stats, struct db *db, const struct entry *e, enum db_gone why);

#endif
