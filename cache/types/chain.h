/*
 * A hash table of things that bring their own link: it owns nothing but its buckets, so what stands in it may stand in
 * other tables and lists as well, and is taken out without being looked for by name. Things with equal hashes stand one
 * after the other; the caller tells them apart.
 *
 * The buckets double when there are more things than buckets; where there is no memory for that the chains grow longer.
 * Threads: the caller's care.
 */
#ifndef ORDINAL_TYPES_CHAIN_H
#define ORDINAL_TYPES_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chain_link {
    struct chain_link *next;
    uint64_t hash;
};

/* All zero: an empty one. */
struct chain {
    struct chain_link **buckets;
    size_t size; /* buckets: a power of two, or 0 */
    size_t count;
};

/* False when there is no memory, which only the first one needs. */
bool chain_add(struct chain *chain, struct chain_link *link, uint64_t hash);

/* Takes out one that stands in it. Its hash stays as it was. */
void chain_remove(struct chain *chain, struct chain_link *link);

/* The first one with a hash, and the next one with the same; NULL: there is none. */
struct chain_link *chain_find(const struct chain *chain, uint64_t hash);
struct chain_link *chain_next(const struct chain_link *link);

/* Any one of them, from a bucket that `random` chooses, or NULL when there is none. */
struct chain_link *chain_any(const struct chain *chain, uint64_t random);

/* Calls visit for each; it may free the one that it is given when the table is not used any more but for chain_free. */
void chain_each(const struct chain *chain, void (*visit)(void *context, struct chain_link *link),
                void *context);

/* Forgets them all, and gives the buckets back. */
void chain_free(struct chain *chain);

#endif
