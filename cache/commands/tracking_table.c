#include "commands/tracking_table.h"

#include <pthread.h>
#include <stdatomic.h>

#include "memory.h"

enum { STRIPE_BITS = 8, STRIPES = 1 << STRIPE_BITS };

struct stripe {
    _Alignas(64) pthread_mutex_t lock;
    struct chain keys;
    _Atomic uint64_t items; /* changes under the lock */
};

struct tracking_table {
    _Alignas(64) _Atomic int64_t count; /* keys of all stripes */
    struct stripe stripes[STRIPES];
};

struct tracking_table *tracking_table_new(void)
{
    struct tracking_table *table = mem_alloc_lines(sizeof *table);
    for (int i = 0; table != NULL && i < STRIPES; i++) {
        pthread_mutex_init(&table->stripes[i].lock, NULL);
    }
    return table;
}

/* The lowest bits choose the bucket in a stripe, the highest ones the shard that the caller has locked. */
static struct stripe *stripe_of(struct tracking_table *table, uint64_t hash)
{
    return &table->stripes[hash >> 32 & (STRIPES - 1)];
}

static size_t key_size(size_t len)
{
    return sizeof(struct tracked_key) + len;
}

void tracked_key_free(struct tracked_key *key)
{
    mem_free(key->ids, key->cap * sizeof *key->ids);
    mem_free(key, key_size(key->len));
}

/* ---- with the stripe's lock ---------------------------------------------------------------------------- */

static struct tracked_key *find(const struct stripe *s, uint64_t hash, struct slice name)
{
    struct chain_link *link = chain_find(&s->keys, hash);
    for (; link != NULL; link = chain_next(link)) {
        struct tracked_key *key = (struct tracked_key *)link;
        if (slice_equal((struct slice){key->name, key->len}, name)) {
            return key;
        }
    }
    return NULL;
}

static struct tracked_key *add_key(struct stripe *s, uint64_t hash, struct slice name)
{
    struct tracked_key *key = mem_alloc(key_size(name.len));
    if (key == NULL) {
        return NULL;
    }
    *key = (struct tracked_key){.len = name.len};
    memcpy(key->name, name.ptr, name.len);
    if (!chain_add(&s->keys, &key->link, hash)) {
        tracked_key_free(key);
        return NULL;
    }
    return key;
}

/* Where an id stands, or would. New clients have the highest ids, so the end is looked at first. */
static uint32_t place_of(const struct tracked_key *key, int64_t id)
{
    uint32_t low = 0;
    uint32_t high = key->count;
    if (high > 0 && key->ids[high - 1] < id) {
        return high;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (key->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool add_id(struct stripe *s, struct tracked_key *key, int64_t id)
{
    uint32_t place = place_of(key, id);
    if (place < key->count && key->ids[place] == id) {
        return true;
    }
    if (key->count == key->cap) {
        uint32_t cap = key->cap > 0 ? key->cap * 2 : 1;
        int64_t *ids = mem_realloc(key->ids, key->cap * sizeof *ids, cap * sizeof *ids);
        if (ids == NULL) {
            return false;
        }
        key->ids = ids;
        key->cap = cap;
    }
    memmove(key->ids + place + 1, key->ids + place, (key->count - place) * sizeof *key->ids);
    key->ids[place] = id;
    key->count++;
    s->items++;
    return true;
}

static void take_out(struct tracking_table *table, struct stripe *s, struct tracked_key *key)
{
    chain_remove(&s->keys, &key->link);
    s->items -= key->count;
    table->count--;
}

/* ---- without --------------------------------------------------------------------------------------------- */

bool tracking_table_add(struct tracking_table *table, uint64_t hash, struct slice name, int64_t id)
{
    struct stripe *s = stripe_of(table, hash);
    pthread_mutex_lock(&s->lock);
    struct tracked_key *key = find(s, hash, name);
    if (key == NULL) {
        key = add_key(s, hash, name);
        table->count += key != NULL;
    }
    bool added = key != NULL && add_id(s, key, id);
    if (key != NULL && key->count == 0) {
        take_out(table, s, key);
        tracked_key_free(key);
    }
    pthread_mutex_unlock(&s->lock);
    return added;
}

struct tracked_key *tracking_table_take(struct tracking_table *table, uint64_t hash, struct slice name)
{
    if (atomic_load_explicit(&table->count, memory_order_relaxed) == 0) {
        return NULL;
    }
    struct stripe *s = stripe_of(table, hash);
    pthread_mutex_lock(&s->lock);
    struct tracked_key *key = find(s, hash, name);
    if (key != NULL) {
        take_out(table, s, key);
    }
    pthread_mutex_unlock(&s->lock);
    return key;
}

struct tracked_key *tracking_table_take_any(struct tracking_table *table, uint64_t random)
{
    struct tracked_key *key = NULL;
    for (uint64_t i = 0; key == NULL && i < STRIPES; i++) {
        struct stripe *s = &table->stripes[(random + i) & (STRIPES - 1)];
        pthread_mutex_lock(&s->lock);
        key = (struct tracked_key *)chain_any(&s->keys, random >> STRIPE_BITS);
        if (key != NULL) {
            take_out(table, s, key);
        }
        pthread_mutex_unlock(&s->lock);
    }
    return key;
}

static void free_link(void *context, struct chain_link *link)
{
    (void)context;
    tracked_key_free((struct tracked_key *)link);
}

void tracking_table_clear(struct tracking_table *table)
{
    for (int i = 0; i < STRIPES; i++) {
        struct stripe *s = &table->stripes[i];
        pthread_mutex_lock(&s->lock);
        chain_each(&s->keys, free_link, NULL);
        chain_free(&s->keys);
        s->items = 0;
        pthread_mutex_unlock(&s->lock);
    }
    table->count = 0;
}

void tracking_table_free(struct tracking_table *table)
{
    tracking_table_clear(table);
    for (int i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&table->stripes[i].lock);
    }
    mem_free(table, sizeof *table);
}

uint64_t tracking_table_keys(const struct tracking_table *table)
{
    return (uint64_t)atomic_load_explicit(&table->count, memory_order_relaxed);
}

uint64_t tracking_table_items(const struct tracking_table *table)
{
    uint64_t items = 0;
    for (int i = 0; i < STRIPES; i++) {
        items += atomic_load_explicit(&table->stripes[i].items, memory_order_relaxed);
    }
    return items;
}
