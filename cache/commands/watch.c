#include "commands/watch.h"

#include <pthread.h>

#include "commands/change.h"
#include "commands/client.h"
#include "memory.h"

enum { STRIPE_BITS = 6, STRIPES = 1 << STRIPE_BITS, FIRST_BUCKETS = 16 };

/* A key that somebody watches. */
struct watched {
    struct watched *next;
    struct watch *watchers; /* the newest first: those that are marked come last */
    uint64_t hash;
    size_t len;
    int db;
    char name[];
};

/* One client that watches it. */
struct watch {
    struct watched *key;
    struct client *client;
    struct watch *next, **link; /* among the key's watchers */
    struct watch *next_of_client;
    bool touched; /* the client was told already */
};

struct stripe {
    _Alignas(64) pthread_mutex_t lock;
    struct watched **buckets;
    size_t cap;           /* a power of two, or 0 */
    _Atomic size_t count; /* keys; changes under the lock */
};

struct watch_table {
    pthread_mutex_t lock; /* of `clients`, and of the bit LISTENING_WATCH with it */
    _Atomic uint64_t clients;
    struct stripe stripes[STRIPES];
};

struct watch_table *watch_table_new(void)
{
    struct watch_table *table = mem_alloc_lines((sizeof *table + 63) / 64 * 64);
    if (table == NULL) {
        table = mem_must(sizeof *table); /* says why, and ends the process */
    }
    pthread_mutex_init(&table->lock, NULL);
    for (int i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&table->stripes[i].lock, NULL);
    }
    return table;
}

static struct stripe *stripe_of(const struct server *server, uint64_t hash)
{
    return &server->watches->stripes[hash & (STRIPES - 1)];
}

/* ---- watched keys: the stripe's lock is held ------------------------------------------------------------ */

static struct watched **bucket_of(const struct stripe *s, uint64_t hash)
{
    return &s->buckets[hash >> STRIPE_BITS & (s->cap - 1)];
}

/* Where the pointer to a key stands, or the NULL that ends its bucket. */
static struct watched **find(const struct stripe *s, int db, uint64_t hash, struct slice name)
{
    struct watched **link = bucket_of(s, hash);
    for (; *link != NULL; link = &(*link)->next) {
        const struct watched *key = *link;
        if (key->hash == hash && key->db == db && slice_equal((struct slice){key->name, key->len}, name)) {
            break;
        }
    }
    return link;
}

/* Twice as many buckets. Without memory it stays as it is: false only when there is no bucket at all. */
static bool grow(struct stripe *s)
{
    size_t cap = s->cap > 0 ? s->cap * 2 : FIRST_BUCKETS;
    struct watched **buckets = mem_alloc(cap * sizeof *buckets);
    if (buckets == NULL) {
        return s->cap > 0;
    }
    memset(buckets, 0, cap * sizeof *buckets);
    struct stripe old = {.buckets = s->buckets, .cap = s->cap};
    s->buckets = buckets;
    s->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        struct watched *next;
        for (struct watched *key = old.buckets[i]; key != NULL; key = next) {
            struct watched **bucket = bucket_of(s, key->hash);
            next = key->next;
            key->next = *bucket;
            *bucket = key;
        }
    }
    mem_free(old.buckets, old.cap * sizeof *old.buckets);
    return true;
}

static struct watched *find_or_add(struct stripe *s, int db, const struct key *name)
{
    if (s->count >= s->cap && !grow(s)) {
        return NULL;
    }
    struct watched **link = find(s, db, name->hash, name->name);
    if (*link == NULL) {
        struct watched *key = mem_alloc(sizeof *key + name->name.len);
        if (key == NULL) {
            return NULL;
        }
        *key = (struct watched){.hash = name->hash, .len = name->name.len, .db = db};
        memcpy(key->name, name->name.ptr, name->name.len);
        *link = key;
        s->count++;
    }
    return *link;
}

static void free_unwatched(struct stripe *s, struct watched *key)
{
    if (key->watchers == NULL) {
        *find(s, key->db, key->hash, (struct slice){key->name, key->len}) = key->next;
        s->count--;
        mem_free(key, sizeof *key + key->len);
    }
}

static void link_watch(struct watched *key, struct watch *watch)
{
    watch->next = key->watchers;
    watch->link = &key->watchers;
    if (watch->next != NULL) {
        watch->next->link = &watch->next;
    }
    key->watchers = watch;
}

static void unlink_watch(struct watch *watch)
{
    *watch->link = watch->next;
    if (watch->next != NULL) {
        watch->next->link = watch->link;
    }
}

static void touch(struct watched *key)
{
    for (struct watch *watch = key->watchers; watch != NULL && !watch->touched; watch = watch->next) {
        watch->touched = true;
        atomic_store_explicit(&watch->client->touched, true, memory_order_relaxed);
    }
}

/* ---- clients ------------------------------------------------------------------------------------------ */

/* One client more, or fewer, watches: with the first and the last one, writes begin and cease to look here. */
static void count_client(struct server *server, bool more)
{
    struct watch_table *table = server->watches;
    pthread_mutex_lock(&table->lock);
    if (more && table->clients++ == 0) {
        atomic_fetch_or(&server->listening, LISTENING_WATCH);
    } else if (!more && --table->clients == 0) {
        atomic_fetch_and(&server->listening, ~(uint32_t)LISTENING_WATCH);
    }
    pthread_mutex_unlock(&table->lock);
}

static bool watches(const struct client *client, const struct watched *key)
{
    const struct watch *watch = client->watches.first;
    while (watch != NULL && watch->key != key) {
        watch = watch->next_of_client;
    }
    return watch != NULL;
}

/* A key counts for each of its watchers: which of them goes last is not known. */
static size_t memory_of(const struct watch *watch)
{
    return mem_class(sizeof *watch) + mem_class(sizeof *watch->key + watch->key->len);
}

/* The stripe's lock is held. */
static bool add(struct stripe *s, struct client *client, const struct key *name)
{
    struct watched *key = find_or_add(s, client->db->id, name);
    if (key == NULL || (key->watchers != NULL && watches(client, key))) {
        return key != NULL;
    }
    struct watch *watch = mem_alloc(sizeof *watch);
    if (watch == NULL) {
        free_unwatched(s, key);
        return false;
    }
    *watch = (struct watch){.key = key, .client = client, .next_of_client = client->watches.first};
    client->watches.first = watch;
    client->watches.count++;
    client->watches.memory += memory_of(watch);
    link_watch(key, watch);
    return true;
}

bool watch_add(struct client *client, const struct key *key)
{
    struct server *server = client->worker->server;
    struct stripe *s = stripe_of(server, key->hash);
    bool first = client->watches.first == NULL;
    if (first) {
        count_client(server, true);
    }
    pthread_mutex_lock(&s->lock);
    bool added = add(s, client, key);
    pthread_mutex_unlock(&s->lock);
    if (first && !added) {
        count_client(server, false);
    }
    return added;
}

void watch_forget(struct client *client)
{
    struct server *server = client->worker->server;
    struct watch *next;
    if (client->watches.first ==
        NULL) { /* what it watched elsewhere may have made its mark (server_above.route) */
        atomic_store_explicit(&client->touched, false, memory_order_relaxed);
        return;
    }
    for (struct watch *watch = client->watches.first; watch != NULL; watch = next) {
        struct watched *key = watch->key;
        struct stripe *s = stripe_of(server, key->hash);
        next = watch->next_of_client;
        pthread_mutex_lock(&s->lock);
        unlink_watch(watch);
        free_unwatched(s, key);
        pthread_mutex_unlock(&s->lock);
        mem_free(watch, sizeof *watch);
    }
    client->watches = (struct watches){0};
    atomic_store_explicit(&client->touched, false, memory_order_relaxed); /* nobody can mark it any more */
    count_client(server, false);
}

bool watch_in_shard(const struct client *client, uint64_t hash)
{
    enum { FEW = 16 };
    bool same = client->watches.count <= FEW;
    for (const struct watch *watch = client->watches.first; same && watch != NULL;
         watch = watch->next_of_client) {
        same = watch->key->db == client->db->id && db_same_shard(watch->key->hash, hash);
    }
    return same;
}

/* A key that was dead when the client began to watch it was removed first, so one that is dead now has died since. */
void watch_expire(struct client *client, int64_t now)
{
    struct keyspace *ks = &client->worker->server->keyspace;
    for (const struct watch *watch = client->watches.first; watch != NULL; watch = watch->next_of_client) {
        const struct watched *key = watch->key;
        struct slice name = {key->name, key->len};
        if (db_is_due(&ks->dbs[key->db], key->hash, name, now)) {
            atomic_store_explicit(&client->touched, true, memory_order_relaxed);
        }
    }
}

/* ---- changes ------------------------------------------------------------------------------------------ */

void watch_touch(struct server *server, const struct db *db, uint64_t hash, struct slice key)
{
    struct stripe *s = stripe_of(server, hash);
    /* Whoever watches this key has done so under the shard's lock, so it is counted by now. */
    if (atomic_load_explicit(&s->count, memory_order_relaxed) == 0) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    struct watched *watched = s->count > 0 ? *find(s, db->id, hash, key) : NULL;
    if (watched != NULL) {
        touch(watched);
    }
    pthread_mutex_unlock(&s->lock);
}

static bool lives_in(struct db *db, const struct watched *key, int64_t now, struct store_stats *stats)
{
    return db != NULL && db_find(db, key->hash, (struct slice){key->name, key->len}, now, stats) != NULL;
}

/* No stripe's lock is held: a key found dead on the way is told to watch_touch. */
void watch_touch_all(struct worker *w, struct db *db, struct db *with, int64_t now)
{
    struct watch_table *table = w->server->watches;
    for (int i = 0; i < STRIPES; i++) {
        struct stripe *s = &table->stripes[i];
        for (size_t k = 0; s->count > 0 && k < s->cap; k++) {
            for (struct watched *key = s->buckets[k]; key != NULL; key = key->next) {
                if (key->db == db->id &&
                    (lives_in(db, key, now, &w->store) || lives_in(with, key, now, &w->store))) {
                    touch(key);
                }
            }
        }
    }
}

/* ---- what there is ------------------------------------------------------------------------------------ */

uint64_t watch_clients(const struct server *server)
{
    return atomic_load_explicit(&server->watches->clients, memory_order_relaxed);
}

uint64_t watch_keys(const struct server *server)
{
    uint64_t keys = 0;
    for (int i = 0; i < STRIPES; i++) {
        keys += atomic_load_explicit(&server->watches->stripes[i].count, memory_order_relaxed);
    }
    return keys;
}
