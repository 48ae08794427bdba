/*
 * A sorted set in its small form: a listpack of member, score, member, score, … in the set's order. The bytes are Redis's own
 * (RDB type 17), so a score stands there as Redis writes it: as an integer when it is a whole number up to 2^62, else as the
 * shortest text that reads back as the same double, and -0 as 0.
 *
 * A position is that of a member (listpack.h); its score is the next element. Nothing is allocated here: who edits gives room.
 */
#ifndef ORDINAL_TYPES_ZSET_LISTPACK_H
#define ORDINAL_TYPES_ZSET_LISTPACK_H

#include "types/listpack.h"
#include "types/ztree.h"

/* A member and its score, ready to be written. Borrows the member's bytes, and may not be moved. */
struct zset_pair {
    struct listpack_element member, score;
    char digits[NUMBER_DOUBLE_MAX_CHARS + 1];
};

void zset_pair_encode(struct zset_pair *pair, struct slice member, double score);

static inline size_t zset_pair_bytes(const struct zset_pair *pair)
{
    return pair->member.size + pair->score.size;
}

static inline uint64_t zset_listpack_count(const uint8_t *lp)
{
    return listpack_count(lp) / 2;
}

/* The score of the member at pos. */
double zset_listpack_score(const uint8_t *lp, size_t pos);

/* The member's position and score, or LISTPACK_NONE. */
size_t zset_listpack_find(const uint8_t *lp, struct slice member, double *score);

/* The position of the first member after a cut, or listpack_end(); *rank is how many lie before it. */
size_t zset_listpack_cut(const uint8_t *lp, const struct ztree_cut *cut, uint64_t *rank);

/* Whether the member at pos lies before a cut. */
bool zset_listpack_before(const uint8_t *lp, size_t pos, const struct ztree_cut *cut);

/* The position of a rank, or LISTPACK_NONE. */
size_t zset_listpack_at(const uint8_t *lp, uint64_t rank);

/* The neighbours of the member at pos, LISTPACK_NONE past the ends. */
size_t zset_listpack_next(const uint8_t *lp, size_t pos);
size_t zset_listpack_previous(const uint8_t *lp, size_t pos);

/* Puts a pair in at a position (or listpack_end()). Needs listpack_bytes() + zset_pair_bytes(). */
void zset_listpack_insert(uint8_t *lp, size_t pos, const struct zset_pair *pair);

/* The member at pos has got another score: brings it to its place. */
void zset_listpack_settle(uint8_t *lp, size_t pos);

/* Removes up to `count` members from pos on. */
void zset_listpack_delete(uint8_t *lp, size_t pos, uint64_t count);

/* Whether these bytes, from anywhere, are a sorted set: a sound listpack of pairs, at least one, whose scores are numbers and
 * which are in order; *longest is the longest member. That no member is there twice is for zset_listpack_unique to say, which
 * takes time by the square of their number. */
bool zset_listpack_validate(const uint8_t *bytes, size_t len, size_t *longest);
bool zset_listpack_unique(const uint8_t *lp);

#endif
