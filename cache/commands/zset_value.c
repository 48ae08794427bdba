#include "commands/zset_value.h"

#include "commands/change.h"
#include "store/reaper.h"

static struct zset *large(const struct entry *e)
{
    return entry_object(e);
}

uint64_t zset_value_count(const struct entry *e)
{
    return zset_value_is_small(e) ? zset_listpack_count(entry_small(e)) : zset_count(large(e));
}

bool zset_value_score(const struct entry *e, struct slice member, double *score)
{
    if (zset_value_is_small(e)) {
        return zset_listpack_find(entry_small(e), member, score) != LISTPACK_NONE;
    }
    return zset_score(large(e), member, score);
}

int64_t zset_value_rank(const struct entry *e, struct slice member, double *score)
{
    if (!zset_value_is_small(e)) {
        const struct zset *z = large(e);
        return zset_score(z, member, score) ? ztree_rank(&z->tree, *score, member) : -1;
    }
    const uint8_t *lp = entry_small(e);
    size_t found = zset_listpack_find(lp, member, score);
    if (found == LISTPACK_NONE) {
        return -1;
    }
    int64_t rank = 0;
    for (size_t pos = LISTPACK_HEADER; pos != found; pos = zset_listpack_next(lp, pos)) {
        rank++;
    }
    return rank;
}

uint64_t zset_value_rank_of(const struct entry *e, const struct ztree_cut *cut)
{
    uint64_t rank;
    if (!zset_value_is_small(e)) {
        return ztree_rank_of(&large(e)->tree, cut);
    }
    zset_listpack_cut(entry_small(e), cut, &rank);
    return rank;
}

/* ---- walking ---------------------------------------------------------------------------------------------- */

struct zset_place zset_value_at(const struct entry *e, uint64_t rank)
{
    struct zset_place place = {.lp = NULL};
    if (zset_value_is_small(e)) {
        place.lp = entry_small(e);
        place.pos = zset_listpack_at(place.lp, rank);
    } else {
        place.at = ztree_at(&large(e)->tree, rank);
    }
    return place;
}

void zset_place_next(struct zset_place *place)
{
    if (place->lp != NULL) {
        place->pos = zset_listpack_next(place->lp, place->pos);
    } else {
        place->at = ztree_next(place->at);
    }
}

void zset_place_previous(struct zset_place *place)
{
    if (place->lp != NULL) {
        place->pos = zset_listpack_previous(place->lp, place->pos);
    } else {
        place->at = ztree_previous(place->at);
    }
}

double zset_place_score(const struct zset_place *place)
{
    return place->lp != NULL ? zset_listpack_score(place->lp, place->pos) : ztree_score(place->at);
}

struct slice zset_place_member(const struct zset_place *place, char *room)
{
    if (place->lp == NULL) {
        return item_field(ztree_item(place->at));
    }
    struct listpack_value value = listpack_read(place->lp, place->pos);
    return listpack_text(&value, room);
}

void zset_place_reply(struct reply *r, const struct zset_place *place, enum zset_reply_form form)
{
    char room[NUMBER_I64_MAX_CHARS];
    if (form == ZSET_REPLY_PAIRS) {
        reply_array(r, 2);
    }
    reply_bulk_slice(r, zset_place_member(place, room));
    if (form != ZSET_REPLY_MEMBERS) {
        reply_double(r, zset_place_score(place));
    }
}

/* ---- whole values ----------------------------------------------------------------------------------------- */

struct zset *zset_value_new(const struct server *server)
{
    return zset_new(server->keyspace.secret, KEYSPACE_SECRET);
}

bool zset_value_may_be_small(const struct server *server, uint64_t count, size_t longest)
{
    const struct config *config = server->config;
    return count <= (uint64_t)config->zset_max_listpack_entries &&
           longest <= (uint64_t)config->zset_max_listpack_value;
}

/* What a large set takes as a listpack. */
static size_t small_bytes(const struct zset *z)
{
    size_t bytes = LISTPACK_EMPTY;
    struct zset_pair pair;
    for (struct ztree_place at = ztree_at(&z->tree, 0); at.leaf != NULL; at = ztree_next(at)) {
        zset_pair_encode(&pair, item_field(ztree_item(at)), ztree_score(at));
        bytes += zset_pair_bytes(&pair);
    }
    return bytes;
}

static struct entry *small_entry(const struct entry_head *head, const struct zset *z, size_t bytes)
{
    struct entry *e = entry_new_room(TYPE_ZSET, head->key, bytes, head->deadline, head->access);
    struct zset_pair pair;
    if (e == NULL) {
        return NULL;
    }
    uint8_t *lp = entry_small(e);
    listpack_init(lp);
    for (struct ztree_place at = ztree_at(&z->tree, 0); at.leaf != NULL; at = ztree_next(at)) {
        zset_pair_encode(&pair, item_field(ztree_item(at)), ztree_score(at));
        zset_listpack_insert(lp, listpack_end(lp), &pair);
    }
    return e;
}

struct entry *zset_value_entry(const struct server *server, const struct entry_head *head, struct zset *z,
                               size_t longest)
{
    struct entry *e = NULL;
    size_t bytes = zset_value_may_be_small(server, zset_count(z), longest) ? small_bytes(z) : LISTPACK_MAX;
    if (bytes < LISTPACK_MAX) {
        e = small_entry(head, z, bytes);
    } else {
        e = entry_new_object(TYPE_ZSET, head->key, z, head->deadline, head->access);
        z = e != NULL ? NULL : z;
    }
    zset_free(z);
    return e;
}

void zset_value_store(struct call *c, const struct key *key, struct zset *z, size_t longest, uint64_t changes,
                      const char *event)
{
    if (z == NULL) {
        call_out_of_memory(c);
        return;
    }
    int64_t count = (int64_t)zset_count(z);
    if (count == 0) {
        zset_free(z);
        if (key_delete(c, key)) {
            key_changed(c, key, 1, EVENT_GENERIC, "del");
        }
    } else {
        struct entry_head head = {key->name, ENTRY_NO_DEADLINE, call_access(c)};
        if (!key_put(c, key, zset_value_entry(c->server, &head, z, longest))) {
            return;
        }
        key_changed(c, key, changes, EVENT_ZSET, event);
    }
    reply_int(c->reply, count);
}

/* ---- changes ---------------------------------------------------------------------------------------------- */

/* Gives up what the listpack no longer needs; without memory for a smaller block it stays where it is. */
static void shrink(struct call *c, const struct key *key, struct entry **e)
{
    struct entry *moved = db_resize(c->db, key->hash, *e, listpack_bytes(entry_small(*e)), c->now);
    *e = moved != NULL ? moved : *e;
}

static enum zset_result put_first(struct call *c, const struct key *key, struct entry **e,
                                  struct slice member, double score)
{
    struct zset_pair pair;
    zset_pair_encode(&pair, member, score);
    size_t bytes = LISTPACK_EMPTY + zset_pair_bytes(&pair);
    if (zset_value_may_be_small(c->server, 1, member.len) && bytes < LISTPACK_MAX) {
        *e = key_new_small(c, key, NULL, TYPE_ZSET, bytes);
        if (*e == NULL) {
            return ZSET_NO_MEMORY;
        }
        listpack_init(entry_small(*e));
        zset_listpack_insert(entry_small(*e), LISTPACK_HEADER, &pair);
        return ZSET_ADDED;
    }
    struct zset *z = zset_value_new(c->server);
    if (z == NULL || zset_put(z, member, &score, 0) != ZSET_ADDED) {
        zset_free(z);
        call_out_of_memory(c);
        return ZSET_NO_MEMORY;
    }
    *e = key_set_object(c, key, NULL, TYPE_ZSET, z);
    return *e != NULL ? ZSET_ADDED : ZSET_NO_MEMORY;
}

/* A large set of the members of a small one; NULL when there is no memory. */
static struct zset *grown(const struct server *server, const uint8_t *lp)
{
    struct zset *z = zset_value_new(server);
    char room[NUMBER_I64_MAX_CHARS];
    for (size_t pos = listpack_first(lp); z != NULL && pos != LISTPACK_NONE;
         pos = zset_listpack_next(lp, pos)) {
        struct listpack_value value = listpack_read(lp, pos);
        double score = zset_listpack_score(lp, pos);
        if (zset_put(z, listpack_text(&value, room), &score, 0) == ZSET_NO_MEMORY) {
            zset_free(z);
            z = NULL;
        }
    }
    return z;
}

/* A member more than a small set may have. */
static enum zset_result put_growing(struct call *c, const struct key *key, struct entry **e,
                                    struct slice member, double score)
{
    struct zset *z = grown(c->server, entry_small(*e));
    if (z == NULL || zset_put(z, member, &score, 0) == ZSET_NO_MEMORY) {
        zset_free(z);
        call_out_of_memory(c);
        return ZSET_NO_MEMORY;
    }
    struct entry *moved = key_set_object(c, key, *e, TYPE_ZSET, z);
    if (moved == NULL) {
        return ZSET_NO_MEMORY;
    }
    *e = moved;
    return ZSET_ADDED;
}

static size_t place_for(const uint8_t *lp, struct slice member, double score)
{
    struct ztree_cut cut = {.by = ZTREE_BY_BOTH, .score = score, .member = member};
    uint64_t rank;
    return zset_listpack_cut(lp, &cut, &rank);
}

/* A new member of a small set. */
static enum zset_result put_small(struct call *c, const struct key *key, struct entry **e,
                                  struct slice member, double score)
{
    struct zset_pair pair;
    const uint8_t *lp = entry_small(*e);
    zset_pair_encode(&pair, member, score);
    size_t bytes = listpack_bytes(lp) + zset_pair_bytes(&pair);
    if (!zset_value_may_be_small(c->server, zset_listpack_count(lp) + 1, member.len) ||
        bytes >= LISTPACK_MAX) {
        return put_growing(c, key, e, member, score);
    }
    size_t pos = place_for(lp, member, score);
    if (!key_resize(c, key, e, bytes)) {
        return ZSET_NO_MEMORY;
    }
    zset_listpack_insert(entry_small(*e), pos, &pair);
    return ZSET_ADDED;
}

/* Another score for the member at pos of a small set. */
static enum zset_result rescore_small(struct call *c, const struct key *key, struct entry **e, size_t pos,
                                      struct slice member, double score)
{
    struct zset_pair pair;
    uint8_t *lp = entry_small(*e);
    zset_pair_encode(&pair, member, score);
    size_t old_bytes = listpack_bytes(lp);
    size_t score_pos = listpack_after(lp, pos);
    size_t bytes = old_bytes + pair.score.size - listpack_element_bytes(lp, score_pos);
    if (bytes > old_bytes && !key_resize(c, key, e, bytes)) {
        return ZSET_NO_MEMORY;
    }
    lp = entry_small(*e);
    listpack_replace(lp, score_pos, &pair.score);
    zset_listpack_settle(lp, pos);
    if (bytes < old_bytes) {
        shrink(c, key, e);
    }
    return ZSET_CHANGED;
}

enum zset_result zset_value_put(struct call *c, const struct key *key, struct entry **e, struct slice member,
                                double *score, unsigned flags)
{
    double old;
    if (*e == NULL) {
        return flags & ZSET_XX ? ZSET_REFUSED : put_first(c, key, e, member, *score);
    }
    if (!zset_value_is_small(*e)) {
        enum zset_result result = zset_put(large(*e), member, score, flags);
        if (result == ZSET_NO_MEMORY) {
            call_out_of_memory(c);
        }
        return result;
    }
    size_t pos = zset_listpack_find(entry_small(*e), member, &old);
    enum zset_result result = zset_decide(flags, pos != LISTPACK_NONE ? &old : NULL, score);
    if (result == ZSET_ADDED) {
        return put_small(c, key, e, member, *score);
    }
    return result == ZSET_CHANGED ? rescore_small(c, key, e, pos, member, *score) : result;
}

/* What a removal leaves: no key without members. */
static void settle(struct call *c, const struct key *key, struct entry **e)
{
    if (zset_value_count(*e) == 0) {
        key_delete(c, key);
        *e = NULL;
    } else if (zset_value_is_small(*e)) {
        shrink(c, key, e);
    }
}

bool zset_value_remove(struct call *c, const struct key *key, struct entry **e, struct slice member)
{
    if (zset_value_is_small(*e)) {
        double score;
        size_t pos = zset_listpack_find(entry_small(*e), member, &score);
        if (pos == LISTPACK_NONE) {
            return false;
        }
        zset_listpack_delete(entry_small(*e), pos, 1);
    } else if (!zset_remove(large(*e), member)) {
        return false;
    }
    settle(c, key, e);
    return true;
}

/* A large set without `count` members from a rank on; NULL when there is no memory. */
static struct zset *without_ranks(const struct server *server, const struct zset *z, uint64_t rank,
                                  uint64_t count)
{
    struct zset *rest = zset_value_new(server);
    uint64_t at_rank = 0;
    struct ztree_place at = ztree_at(&z->tree, rank > 0 ? 0 : count);
    while (rest != NULL && at.leaf != NULL) {
        double score = zset_item_score(ztree_item(at));
        if (zset_put(rest, item_field(ztree_item(at)), &score, 0) == ZSET_NO_MEMORY) {
            zset_free(rest);
            return NULL;
        }
        at = ++at_rank == rank ? ztree_at(&z->tree, rank + count) : ztree_next(at);
    }
    return rest;
}

/* Gives the entry what is left of its set, and the old one to the reaper. */
static void exchange_large(struct entry *e, struct zset *rest)
{
    struct zset *old = entry_object(e);
    entry_set_object(e, rest);
    struct entry *shell = entry_new_object(TYPE_ZSET, SLICE(""), old, ENTRY_NO_DEADLINE, 0);
    if (shell != NULL) {
        reaper_free_entry(shell);
    } else {
        zset_free(old);
    }
}

/* Removes ranks of a large set: one by one, or, where most of many go, by making a set of those that stay. */
static void remove_large_ranks(struct call *c, struct entry *e, uint64_t rank, uint64_t count)
{
    enum { MANY = 1000 };
    struct zset *z = large(e);
    struct zset *rest =
        count > MANY && count > zset_count(z) - count ? without_ranks(c->server, z, rank, count) : NULL;
    if (rest != NULL) {
        exchange_large(e, rest);
    } else {
        zset_remove_ranks(z, rank, count);
    }
}

uint64_t zset_value_remove_ranks(struct call *c, const struct key *key, struct entry **e, uint64_t rank,
                                 uint64_t count)
{
    uint64_t all = zset_value_count(*e);
    count = rank >= all ? 0 : count < all - rank ? count : all - rank;
    if (count == 0) {
        return 0;
    }
    if (count == all) { /* what was large goes to the reaper as a whole */
        key_delete(c, key);
        *e = NULL;
        return count;
    }
    if (zset_value_is_small(*e)) {
        uint8_t *lp = entry_small(*e);
        zset_listpack_delete(lp, zset_listpack_at(lp, rank), count);
    } else {
        remove_large_ranks(c, *e, rank, count);
    }
    settle(c, key, e);
    return count;
}
