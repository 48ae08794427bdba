#include "commands/zset_value.h"

#include "commands/change.h"
#include "store/reaper.h"

static struct zset *large(const struct entry *e)
{
    return entry_object(e);
}

uint64_t zset_value_count(const struct entry *e)
{
    return zset_value_is_small(e) ? small_count(e, ZSET_EACH) : zset_count(large(e));
}

bool zset_value_score(const struct entry *e, struct slice member, double *score)
{
    if (zset_value_is_small(e)) {
        struct packed run = small_run(e);
        return zset_packed_find(&run, member, score) != PACKED_NONE;
    }
    return zset_score(large(e), member, score);
}

int64_t zset_value_rank(const struct entry *e, struct slice member, double *score)
{
    if (!zset_value_is_small(e)) {
        const struct zset *z = large(e);
        return zset_score(z, member, score) ? ztree_rank(&z->tree, *score, member) : -1;
    }
    struct packed run = small_run(e);
    size_t found = zset_packed_find(&run, member, score);
    if (found == PACKED_NONE) {
        return -1;
    }
    int64_t rank = 0;
    for (size_t pos = PACKED_FIRST; pos != found; pos = zset_packed_next(&run, pos)) {
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
    struct packed run = small_run(e);
    zset_packed_cut(&run, cut, &rank);
    return rank;
}

/* ---- walking ---------------------------------------------------------------------------------------------- */

struct zset_place zset_value_at(const struct entry *e, uint64_t rank)
{
    struct zset_place place = {.pos = 0};
    if (zset_value_is_small(e)) {
        place.run = small_run(e);
        place.pos = zset_packed_at(&place.run, rank);
    } else {
        place.at = ztree_at(&large(e)->tree, rank);
    }
    return place;
}

void zset_place_next(struct zset_place *place)
{
    if (place->run.bytes != NULL) {
        place->pos = zset_packed_next(&place->run, place->pos);
    } else {
        place->at = ztree_next(place->at);
    }
}

/* The positions of the members that come next on the way down, as many as there is room for. */
static void know_next(struct zset_walk *walk)
{
    const uint32_t room = sizeof walk->pos / sizeof walk->pos[0];
    const struct packed *run = &walk->place.run;
    walk->known = walk->left < room ? (uint32_t)walk->left : room;
    size_t pos = zset_packed_at(run, walk->rank + 1 - walk->known);
    for (uint32_t i = 0; i < walk->known; i++) {
        walk->pos[i] = pos;
        pos = zset_packed_next(run, pos);
    }
    walk->place.pos = walk->pos[walk->known - 1];
}

void zset_walk_begin(struct zset_walk *walk, const struct entry *e, uint64_t rank, uint64_t count, bool down)
{
    walk->rank = rank;
    walk->left = count;
    walk->down = down;
    if (count > 0 && down && zset_value_is_small(e)) {
        walk->place.run = small_run(e);
        know_next(walk);
    } else if (count > 0) {
        walk->place = zset_value_at(e, rank);
    }
}

static void next_down(struct zset_walk *walk)
{
    if (walk->place.run.bytes == NULL) {
        walk->place.at = ztree_previous(walk->place.at);
        return;
    }
    walk->rank--;
    if (--walk->known > 0) {
        walk->place.pos = walk->pos[walk->known - 1];
    } else {
        know_next(walk);
    }
}

void zset_walk_next(struct zset_walk *walk)
{
    if (--walk->left == 0) {
        return;
    }
    if (walk->down) {
        next_down(walk);
    } else {
        zset_place_next(&walk->place);
    }
}

double zset_place_score(const struct zset_place *place)
{
    return place->run.bytes != NULL ? zset_packed_score(&place->run, place->pos) : ztree_score(place->at);
}

struct slice zset_place_member(const struct zset_place *place, char *room)
{
    if (place->run.bytes == NULL) {
        return item_field(ztree_item(place->at));
    }
    struct listpack_value value = packed_read(&place->run, place->pos);
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

/* What a large set takes as a packed run. */
static size_t small_bytes(const struct zset *z)
{
    size_t bytes = PACKED_EMPTY;
    struct zset_pair pair;
    for (struct ztree_place at = ztree_at(&z->tree, 0); at.leaf != NULL; at = ztree_next(at)) {
        zset_pair_encode(&pair, item_field(ztree_item(at)), ztree_score(at));
        bytes += zset_pair_bytes(&pair);
    }
    return bytes;
}

static struct entry *small_of(const struct entry_head *head, const struct zset *z, size_t bytes)
{
    struct entry *e = entry_new_room(TYPE_ZSET, head->key, bytes, head->deadline, head->access);
    struct zset_pair pair;
    if (e == NULL) {
        return NULL;
    }
    struct packed run = packed_init(entry_small(e));
    for (struct ztree_place at = ztree_at(&z->tree, 0); at.leaf != NULL; at = ztree_next(at)) {
        zset_pair_encode(&pair, item_field(ztree_item(at)), ztree_score(at));
        zset_packed_insert(&run, run.len, &pair);
    }
    return e;
}

struct entry *zset_value_entry(const struct server *server, const struct entry_head *head, struct zset *z,
                               size_t longest)
{
    struct entry *e = NULL;
    size_t bytes = zset_value_may_be_small(server, zset_count(z), longest) ? small_bytes(z) : PACKED_MAX;
    if (bytes < PACKED_MAX) {
        e = small_of(head, z, bytes);
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

static enum zset_result put_first(struct call *c, const struct key *key, struct entry **e,
                                  struct slice member, double score)
{
    struct zset_pair pair;
    zset_pair_encode(&pair, member, score);
    size_t bytes = PACKED_EMPTY + zset_pair_bytes(&pair);
    if (zset_value_may_be_small(c->server, 1, member.len) && bytes < PACKED_MAX) {
        *e = key_new_small(c, key, NULL, TYPE_ZSET, bytes);
        if (*e == NULL) {
            return ZSET_NO_MEMORY;
        }
        struct packed run = packed_init(entry_small(*e));
        zset_packed_insert(&run, run.len, &pair);
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
static struct zset *grown(const struct server *server, const struct packed *run)
{
    struct zset *z = zset_value_new(server);
    char room[NUMBER_I64_MAX_CHARS];
    for (size_t pos = PACKED_FIRST; z != NULL && pos < run->len; pos = zset_packed_next(run, pos)) {
        struct listpack_value value = packed_read(run, pos);
        double score = zset_packed_score(run, pos);
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
    struct packed run = small_run(*e);
    struct zset *z = grown(c->server, &run);
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

static size_t place_for(const struct packed *run, struct slice member, double score)
{
    struct ztree_cut cut = {.by = ZTREE_BY_BOTH, .score = score, .member = member};
    uint64_t rank;
    return zset_packed_cut(run, &cut, &rank);
}

/* A new member of a small set. */
static enum zset_result put_small(struct call *c, const struct key *key, struct entry **e,
                                  struct slice member, double score)
{
    struct zset_pair pair;
    struct packed run = small_run(*e);
    zset_pair_encode(&pair, member, score);
    size_t bytes = run.len + zset_pair_bytes(&pair);
    if (!zset_value_may_be_small(c->server, zset_packed_count(&run) + 1, member.len) || bytes >= PACKED_MAX) {
        return put_growing(c, key, e, member, score);
    }
    size_t pos = place_for(&run, member, score);
    if (!small_reserve(c, key, e, &run, bytes)) {
        return ZSET_NO_MEMORY;
    }
    zset_packed_insert(&run, pos, &pair);
    small_fit(c, key, e, &run, ZSET_EACH);
    return ZSET_ADDED;
}

/* Another score for the member at pos of a small set. */
static enum zset_result rescore_small(struct call *c, const struct key *key, struct entry **e, size_t pos,
                                      struct slice member, double score)
{
    struct zset_pair pair;
    struct packed run = small_run(*e);
    zset_pair_encode(&pair, member, score);
    size_t score_pos = packed_after(&run, pos);
    size_t bytes = run.len + pair.score.size - packed_element_bytes(&run, score_pos);
    if (!small_reserve(c, key, e, &run, bytes)) {
        return ZSET_NO_MEMORY;
    }
    packed_replace(&run, score_pos, &pair.score);
    zset_packed_settle(&run, pos);
    small_fit(c, key, e, &run, ZSET_EACH);
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
    struct packed run = small_run(*e);
    size_t pos = zset_packed_find(&run, member, &old);
    enum zset_result result = zset_decide(flags, pos != PACKED_NONE ? &old : NULL, score);
    if (result == ZSET_ADDED) {
        return put_small(c, key, e, member, *score);
    }
    return result == ZSET_CHANGED ? rescore_small(c, key, e, pos, member, *score) : result;
}

/* Removes up to `count` members from a position of a small set on: no key stays without members. */
static void remove_small(struct call *c, const struct key *key, struct entry **e, struct packed *run,
                         size_t pos, uint64_t count)
{
    zset_packed_delete(run, pos, count);
    if (packed_is_empty(run)) {
        key_delete(c, key);
        *e = NULL;
    } else {
        small_fit(c, key, e, run, ZSET_EACH);
    }
}

/* What a removal leaves of a large set. */
static void settle(struct call *c, const struct key *key, struct entry **e)
{
    if (zset_value_count(*e) == 0) {
        key_delete(c, key);
        *e = NULL;
    }
}

bool zset_value_remove(struct call *c, const struct key *key, struct entry **e, struct slice member)
{
    if (zset_value_is_small(*e)) {
        struct packed run = small_run(*e);
        size_t pos = packed_find(&run, PACKED_FIRST, member, ZSET_EACH);
        if (pos != PACKED_NONE) {
            remove_small(c, key, e, &run, pos, 1);
        }
        return pos != PACKED_NONE;
    }
    if (!zset_remove(large(*e), member)) {
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
        struct packed run = small_run(*e);
        remove_small(c, key, e, &run, zset_packed_at(&run, rank), count);
    } else {
        remove_large_ranks(c, *e, rank, count);
    }
    return count;
}
