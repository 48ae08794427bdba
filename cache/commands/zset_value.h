/*
 * Sorted sets in entries, whichever form they have: a packed run inside (types/zset_packed.h) while it is small, else a struct
 * zset (types/zset.h). The commands of sorted sets and of geo stand on these calls and know neither.
 *
 * Threads: as for the entry.
 */
#ifndef ORDINAL_COMMANDS_ZSET_VALUE_H
#define ORDINAL_COMMANDS_ZSET_VALUE_H

#include "commands/call.h"
#include "commands/small.h"
#include "commands/type.h"
#include "types/zset.h"
#include "types/zset_packed.h"

static inline bool zset_value_is_small(const struct entry *e)
{
    return entry_form(e) == FORM_INLINE;
}

/* Members. */
uint64_t zset_value_count(const struct entry *e);

/* The score of a member; false when it is not there. */
bool zset_value_score(const struct entry *e, struct slice member, double *score);

/* The rank of a member, 0 for the lowest, and its score; -1 when it is not there. */
int64_t zset_value_rank(const struct entry *e, struct slice member, double *score);

/* How many members lie before a cut. */
uint64_t zset_value_rank_of(const struct entry *e, const struct ztree_cut *cut);

/* ---- walking ---- */

/* A member's place; good until the set changes. */
struct zset_place {
    struct packed run; /* of a small set, else without bytes */
    size_t pos;
    struct ztree_place at;
};

static inline bool zset_place_is(const struct zset_place *place)
{
    return place->run.bytes != NULL ? place->pos < place->run.len : place->at.leaf != NULL;
}

/* The member of a rank, or none (zset_place_is). */
struct zset_place zset_value_at(const struct entry *e, uint64_t rank);

/* The next one, or none. */
void zset_place_next(struct zset_place *place);

/* Goes through `count` members, the first of which has this rank, upwards or downwards: all must be there. A small set, which can
 * be walked upwards only, is gone through downwards by pieces of positions. */
struct zset_walk {
    struct zset_place place; /* of the next member */
    uint64_t rank, left;     /* of the next member, and how many there are from it on */
    bool down;
    uint32_t
        known; /* of a small set downwards: positions at hand of the members that come next, the last one first */
    size_t pos[64];
};
void zset_walk_begin(struct zset_walk *walk, const struct entry *e, uint64_t rank, uint64_t count, bool down);
static inline bool zset_walk_is(const struct zset_walk *walk)
{
    return walk->left > 0;
}
void zset_walk_next(struct zset_walk *walk);

double zset_place_score(const struct zset_place *place);

/* `room` (NUMBER_I64_MAX_CHARS bytes) takes the digits of a member that is kept as an integer. */
struct slice zset_place_member(const struct zset_place *place, char *room);

/* How a reply shows members: alone; each followed by its score; or each with its score in an array of two. */
enum zset_reply_form { ZSET_REPLY_MEMBERS, ZSET_REPLY_FLAT, ZSET_REPLY_PAIRS };

/* The form of a reply WITHSCORES, or without. */
static inline enum zset_reply_form zset_reply_form(const struct reply *r, bool with_scores)
{
    if (!with_scores) {
        return ZSET_REPLY_MEMBERS;
    }
    return r->resp == 2 ? ZSET_REPLY_FLAT : ZSET_REPLY_PAIRS;
}

/* Replies with the member in a form. */
void zset_place_reply(struct reply *r, const struct zset_place *place, enum zset_reply_form form);

/* ---- changes ---- */

/*
 * Gives a member a score under the flags (types/zset.h), making the set where *e is NULL (the key holds nothing), and a
 * large one of a small one that outgrows the settings. *e follows the entry. ZSET_NO_MEMORY has been replied; the other
 * results have not.
 */
enum zset_result zset_value_put(struct call *c, const struct key *key, struct entry **e, struct slice member,
                                double *score, unsigned flags);

/* Removes a member; false when it is not there. The key goes with its last member: *e is NULL then. */
bool zset_value_remove(struct call *c, const struct key *key, struct entry **e, struct slice member);

/* Removes up to `count` members from a rank on; as above. Returns how many there were. */
uint64_t zset_value_remove_ranks(struct call *c, const struct key *key, struct entry **e, uint64_t rank,
                                 uint64_t count);

/* ---- whole values ---- */

/* Whether the settings allow a set of so many members, the longest of so many bytes, to be a small one. */
bool zset_value_may_be_small(const struct server *server, uint64_t count, size_t longest);

/* A large set, empty; NULL when there is no memory. */
struct zset *zset_value_new(const struct server *server);

/* An entry, not linked anywhere, that holds what is in `z` (not empty), small where the settings allow it; `longest` is
 * no less than its longest member. Takes the set over. NULL when there is no memory. */
struct entry *zset_value_entry(const struct server *server, const struct entry_head *head, struct zset *z,
                               size_t longest);

/*
 * The end of a command that stores a result under a key (ZRANGESTORE, ZUNIONSTORE, GEOSEARCHSTORE): puts the set in
 * place of whatever the key holds, or deletes the key where the set is empty, tells of `event` or "del", and replies
 * with the number of members. A stored set counts as `changes` changes. Takes the set over; NULL: there was no memory
 * for it.
 */
void zset_value_store(struct call *c, const struct key *key, struct zset *z, size_t longest, uint64_t changes,
                      const char *event);

#endif
