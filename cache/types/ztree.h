/*
 * A ztree: the order of a large sorted set, a B+-tree by score and, among equal scores, by the member's bytes. It
 * holds the scores and borrows the items of the set's dict, which maps a member to its score: the dict answers
 * "which score", the tree "which rank" and "who comes next".
 *
 *   inner: children with the number of elements below each and their first element     up to 31, 1 KB
 *   leaf:  previous | next | score[35] | pointer[35]:48                                512 bytes
 *
 * Counts in the inner nodes make a rank one walk down. A full leaf passes elements to a neighbour before it splits,
 * and splits at its end when the set grows in order, so leaves are 75 to 97 % full: 16 to 20 bytes for an element.
 *
 * Making room changes the tree in steps that are each complete, before anything is inserted, so where memory runs
 * out the tree is as good as before. -0 and 0 are the same score; NaN is none.
 *
 * Threads: none of its own; the owner's lock covers everything.
 */
#ifndef ORDINAL_TYPES_ZTREE_H
#define ORDINAL_TYPES_ZTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "types/dict_item.h"

struct ztree_leaf;

struct ztree {
    void *root;      /* a leaf while height is 0; NULL when empty */
    unsigned height; /* levels of inner nodes */
    uint64_t count;
    size_t bytes; /* of nodes, by size class */
};

/* An element's place. Good until the tree changes. `leaf` is NULL for "nowhere". */
struct ztree_place {
    struct ztree_leaf *leaf;
    unsigned index;
};

/*
 * A cut between two elements: before all that compare as large as the cut, or after them. So the first element of
 * [5 is the one after the cut {5, before}, of (5 after {5, after}; the last of 5] is before {5, after}.
 */
enum ztree_cut_by {
    ZTREE_BY_SCORE,  /* `score` alone */
    ZTREE_BY_MEMBER, /* `member` alone: lexicographic ranges, where all scores are the same */
    ZTREE_BY_BOTH,   /* one element's place */
    ZTREE_BEGIN,     /* before everything */
    ZTREE_END        /* after everything */
};

struct ztree_cut {
    enum ztree_cut_by by;
    bool after;
    double score;
    struct slice member;
};

/* An empty tree; allocates nothing. */
void ztree_init(struct ztree *t);

/* Frees all nodes at once (the items are the dict's); the tree is empty and may be used again. */
void ztree_clear(struct ztree *t);

/* Frees up to `budget` nodes, and returns true once nothing is left. After the first call only this may be called until
 * it returns true. Opens no item: the dict may be freed before. */
bool ztree_free_some(struct ztree *t, uint32_t budget);

static inline uint64_t ztree_count(const struct ztree *t)
{
    return t->count;
}

/* Bytes of the tree, `struct ztree` included, items not. */
static inline size_t ztree_memory(const struct ztree *t)
{
    return sizeof *t + t->bytes;
}

/* Adds an item whose member is not in the tree. False when there is no memory, and nothing has changed. */
bool ztree_insert(struct ztree *t, double score, const struct dict_item *it);

/* Takes out the element with this score and member, which is borrowed until the call returns; false if there is none. */
bool ztree_delete(struct ztree *t, double score, struct slice member);

/* Gives the element of an item another score: where it stands when its neighbours allow, else by a deletion and an insertion.
 * False when there is no memory, and nothing has changed. */
bool ztree_rescore(struct ztree *t, double old, double score, const struct dict_item *it);

/* Puts `to` in place of `it`: the dict has moved the item, whose member is the same. Call it before the old one is freed. */
bool ztree_move(struct ztree *t, double score, const struct dict_item *it, const struct dict_item *to);

/* How many elements lie before a cut: so ZCOUNT is the difference of two, and the rank of the first element at or after
 * a bound is one. */
uint64_t ztree_rank_of(const struct ztree *t, const struct ztree_cut *cut);

/* The rank of an element, 0 for the first, or -1. */
int64_t ztree_rank(const struct ztree *t, double score, struct slice member);

/* The element of this rank, or nowhere. */
struct ztree_place ztree_at(const struct ztree *t, uint64_t rank);

/* The neighbours of an element, or nowhere. */
struct ztree_place ztree_next(struct ztree_place at);
struct ztree_place ztree_previous(struct ztree_place at);

double ztree_score(struct ztree_place at);
const struct dict_item *ztree_item(struct ztree_place at);

/* Told of an element that is no longer in the tree, and may free its item, but must not use the tree. */
typedef void ztree_deleted_fn(void *context, double score, const struct dict_item *it);

/* Deletes up to `count` elements from a rank on, in order, a leaf at a time; returns how many there were. */
uint64_t ztree_delete_ranks(struct ztree *t, uint64_t rank, uint64_t count, ztree_deleted_fn *deleted,
                            void *context);

#endif
