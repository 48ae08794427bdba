/*
 * A sorted set in its large form: a dict from member to score, and a ztree that keeps the dict's items in order. The dict
 * answers "which score", the tree "which rank" and "who comes next"; the score of an item is its value, 8 bytes of it, and
 * stands in the tree too, so that walks by score open no item.
 *
 * The two hold the same members at all times: each change is prepared in one before the other is touched, so that where
 * memory runs out the set is as it was.
 *
 * Threads: none of its own; the owner's lock covers everything.
 */
#ifndef ORDINAL_TYPES_ZSET_H
#define ORDINAL_TYPES_ZSET_H

#include "types/dict.h"
#include "types/ztree.h"

struct zset {
    struct dict dict;
    struct ztree tree;
};

/* When a member gets a score, as ZADD's options say: only a new one, only one that is there, and of those only to a greater
 * or a lesser score; ZSET_INCR adds to the score that it has. */
enum zset_flag { ZSET_NX = 1, ZSET_XX = 2, ZSET_GT = 4, ZSET_LT = 8, ZSET_INCR = 16 };

/* What became of a member. */
enum zset_result {
    ZSET_NO_MEMORY, /* nothing has changed, as in the next three */
    ZSET_NAN,       /* the sum of ZSET_INCR is none */
    ZSET_REFUSED,   /* by the flags */
    ZSET_SAME,      /* it has this score */
    ZSET_CHANGED,
    ZSET_ADDED
};

/* Whether a member (which has the score *old, or is not there: NULL) is to get *score under these flags: ZSET_NAN, REFUSED,
 * SAME, CHANGED or ADDED. *score becomes the new score. */
enum zset_result zset_decide(unsigned flags, const double *old, double *score);

/* An empty set, or NULL when there is no memory. `secret` as in dict_init. */
struct zset *zset_new(const void *secret, size_t secret_size);

/* Frees the set in one go. NULL is allowed. */
void zset_free(struct zset *z);

/* Members. */
static inline uint64_t zset_count(const struct zset *z)
{
    return z->dict.count;
}

/* Bytes of everything, as size classes. */
size_t zset_memory(const struct zset *z);

/* The score of a member; false when it is not there. */
bool zset_score(const struct zset *z, struct slice member, double *score);

/* Gives a member a score under the flags. *score becomes the score that it now has (but after ZSET_REFUSED). */
enum zset_result zset_put(struct zset *z, struct slice member, double *score, unsigned flags);

/* False when the member is not there. */
bool zset_remove(struct zset *z, struct slice member);

/* Removes up to `count` members from a rank on; returns how many there were. */
uint64_t zset_remove_ranks(struct zset *z, uint64_t rank, uint64_t count);

/*
 * Making a set whose scores change while it is made (a union): zset_gather takes a member in, outside the order, and
 * returns its item, a new one with this score (*added) or the one that is there; NULL when there is no memory.
 * zset_order then puts all of them in order; until it has returned true nothing else may be done with the set but
 * zset_free.
 */
struct dict_item *zset_gather(struct zset *z, struct slice member, double score, bool *added);
bool zset_order(struct zset *z);

/* The score that an item of the dict holds. */
static inline double zset_item_score(const struct dict_item *it)
{
    double score;
    memcpy(&score, item_value(it).ptr, sizeof score);
    return score;
}

/* Only the score in the item: for one that is in no order yet. */
static inline void zset_item_set_score(struct dict_item *it, double score)
{
    memcpy((char *)it + (item_value(it).ptr - (const char *)it), &score, sizeof score);
}

#endif
