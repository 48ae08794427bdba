/*
 * A large hash: a dict of fields with their values, some of which have deadlines of their own, and the order of those
 * deadlines, a ztree whose scores they are. So the next field to go is known at once, thousands that are due go without
 * looking at the others, and how many live is a matter of one walk down the tree. A hash without deadlines has an empty tree,
 * which costs nothing but its struct.
 *
 * A field past its deadline is there until it is swept, and every call that takes `now` (milliseconds, on the clock of the
 * deadlines) treats it as gone.
 *
 * Threads: none of its own; the owner's lock covers everything.
 */
#ifndef ORDINAL_TYPES_HASH_H
#define ORDINAL_TYPES_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "types/dict.h"
#include "types/ztree.h"

/* The latest deadline that an item can hold. */
#define HASH_MAX_DEADLINE ((INT64_C(1) << 48) - 1)

struct hash {
    struct dict dict;
    struct ztree order; /* the items with a deadline */
};

/* An empty hash, or NULL when there is no memory. The secret is a dict's. */
struct hash *hash_new(const void *secret, size_t secret_size);

/* Frees it with all its fields. */
void hash_free(struct hash *h);

/* Its bytes, by size class. */
size_t hash_memory(const struct hash *h);

/* The earliest deadline of a field, past ones too; ITEM_NO_DEADLINE when there is none. */
int64_t hash_due(const struct hash *h);

/* Fields past their deadline that are still there. */
uint64_t hash_expired(const struct hash *h, int64_t now);

/* Fields that live. */
static inline uint64_t hash_count(const struct hash *h, int64_t now)
{
    return dict_count(&h->dict) - (__builtin_expect(h->order.count > 0, 0) ? hash_expired(h, now) : 0);
}

static inline bool hash_item_lives(const struct dict_item *it, int64_t now)
{
    return __builtin_expect(!item_is_timed(it), 1) || item_deadline(it) > now;
}

/* The field's item, or NULL when there is none that lives. */
struct dict_item *hash_find(const struct hash *h, struct slice field, int64_t now);

/* Gives a field a value and a deadline (0 … HASH_MAX_DEADLINE, or ITEM_NO_DEADLINE), whatever it had; *created tells whether no
 * field of this name was alive. The value may not lie in the hash. NULL when there is no memory: nothing has changed. */
struct dict_item *hash_put(struct hash *h, struct slice field, struct slice value, int64_t deadline,
                           int64_t now, bool *created);

/* Gives the item of a field another deadline. Returns the item, which may have moved, or NULL as above. */
struct dict_item *hash_set_deadline(struct hash *h, struct dict_item *it, int64_t deadline);

/* Removes an item. */
void hash_remove(struct hash *h, struct dict_item *it);

/* A field that lives, each with the same chance (unless nearly all are past their deadlines), or NULL. `state` as dict_random
 * takes it. */
struct dict_item *hash_random(const struct hash *h, int64_t now, uint64_t *state);

/* Frees up to `budget` fields past their deadline, earliest first, and tells `gone` (or NULL) of each before it is freed; returns
 * how many. */
typedef void hash_gone_fn(struct slice field);
uint64_t hash_sweep(struct hash *h, int64_t now, uint64_t budget, hash_gone_fn *gone);

#endif
