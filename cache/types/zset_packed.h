/*
 * A sorted set in its small form: a packed run of member, score, member, score, … in the set's order. The elements are
 * those of Redis's listpack (RDB type 17), so a score stands there as Redis writes it: as an integer when it is a whole number up to 2^62, else as the
 * shortest text that reads back as the same double, and -0 as 0.
 *
 * A position is that of a member (packed.h); its score is the next element. Nothing is allocated here: who edits gives room.
 */
#ifndef ORDINAL_TYPES_ZSET_PACKED_H
#define ORDINAL_TYPES_ZSET_PACKED_H

#include "types/packed.h"
#include "types/ztree.h"

enum { ZSET_EACH = 2 }; /* elements of an item of the run */

/* A member and its score, ready to be written. Borrows the member's bytes, and may not be moved. */
struct zset_pair {
    struct element member, score;
    char digits[NUMBER_DOUBLE_MAX_CHARS + 1];
};

void zset_pair_encode(struct zset_pair *pair, struct slice member, double score);

static inline size_t zset_pair_bytes(const struct zset_pair *pair)
{
    return pair->member.size + pair->score.size;
}

static inline uint64_t zset_packed_count(const struct packed *run)
{
    return packed_count(run, ZSET_EACH);
}

/* What an element says of a score; NaN when it is none. */
double zset_score_of(const struct listpack_value *value);

/* The score of the member at pos. */
double zset_packed_score(const struct packed *run, size_t pos);

/* The member's position and score, or PACKED_NONE. */
size_t zset_packed_find(const struct packed *run, struct slice member, double *score);

/* The position of the first member after a cut, or run->len; *rank is how many lie before it. */
size_t zset_packed_cut(const struct packed *run, const struct ztree_cut *cut, uint64_t *rank);

/* Whether the member at pos lies before a cut. */
bool zset_packed_before(const struct packed *run, size_t pos, const struct ztree_cut *cut);

/* The position of a rank, or run->len. */
size_t zset_packed_at(const struct packed *run, uint64_t rank);

/* The next member, or run->len. */
static inline size_t zset_packed_next(const struct packed *run, size_t pos)
{
    return packed_after(run, packed_after(run, pos));
}

/* Puts a pair in at a position (or run->len). Needs run->len + zset_pair_bytes(). */
void zset_packed_insert(struct packed *run, size_t pos, const struct zset_pair *pair);

/* The member at pos has got another score: brings it to its place. */
void zset_packed_settle(struct packed *run, size_t pos);

/* Removes up to `count` members from pos on. */
void zset_packed_delete(struct packed *run, size_t pos, uint64_t count);

/* Whether these bytes, from anywhere, are the listpack of a sorted set: a sound one of pairs, at least one, whose scores are numbers and
 * which are in order; *longest is the longest member. That no member is there twice is for zset_packed_unique to say, which
 * takes time by the square of their number. */
bool zset_listpack_validate(const uint8_t *bytes, size_t len, size_t *longest);
bool zset_packed_unique(const struct packed *run);

/* A sound listpack of pairs as a packed run: the bytes that it takes, and, in as many, the run itself. Scores keep their spelling. */
size_t zset_packed_bytes_of(const uint8_t *lp);
struct packed zset_packed_from(uint8_t *bytes, const uint8_t *lp);

#endif
