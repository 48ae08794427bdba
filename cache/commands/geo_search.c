/*
 * Searches for members by position: GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS and GEORADIUSBYMEMBER with their
 * read-only forms.
 */
#include "commands/change.h"
#include "commands/geo.h"
#include "commands/geo_query.h"
#include "commands/groups.h"
#include "memory.h"
#include "types/geo_order.h"

/* ---- finding ------------------------------------------------------------------------------------------ */

/* What was found, in two arrays of the same length: the second is put in order. */
struct results {
    struct zset_place *places;
    struct geo_result *order;
    size_t count, room;
};

static void results_free(struct results *found)
{
    mem_free(found->places, found->room * sizeof *found->places);
    mem_free(found->order, found->room * sizeof *found->order);
}

static bool results_grow(struct results *found)
{
    enum { FIRST_ROOM = 16 };
    size_t room = found->room > 0 ? found->room * 2 : FIRST_ROOM;
    struct zset_place *places = mem_alloc(room * sizeof *places);
    struct geo_result *order = mem_alloc(room * sizeof *order);
    if (places == NULL || order == NULL) {
        mem_free(places, room * sizeof *places);
        mem_free(order, room * sizeof *order);
        return false;
    }
    if (found->count > 0) {
        memcpy(places, found->places, found->count * sizeof *places);
        memcpy(order, found->order, found->count * sizeof *order);
    }
    results_free(found);
    *found = (struct results){places, order, found->count, room};
    return true;
}

static bool results_add(struct results *found, const struct zset_place *place, double distance)
{
    if (found->count == found->room && !results_grow(found)) {
        return false;
    }
    found->places[found->count] = *place;
    found->order[found->count] = (struct geo_result){distance, found->count};
    found->count++;
    return true;
}

/* Adds the members of a range that lie in the shape, until there are `limit`. False when there is no memory. */
static bool find_in_range(const struct entry *e, const struct geo_shape *shape, const struct geo_range *range,
                          size_t limit, struct results *found)
{
    struct ztree_cut cut = {.by = ZTREE_BY_SCORE, .score = range->min};
    struct zset_place place = zset_value_at(e, zset_value_rank_of(e, &cut));
    for (; zset_place_is(&place) && found->count < limit; zset_place_next(&place)) {
        double distance, score = zset_place_score(&place);
        if (score >= range->max) {
            break;
        }
        if (geo_shape_holds(shape, geohash_position(score), &distance) &&
            !results_add(found, &place, distance)) {
            return false;
        }
    }
    return true;
}

/* Finds what a query asks for, in the order in which it is replied. Returns how much of it is. */
static bool find(const struct entry *e, const struct geo_query *query, struct results *found, size_t *wanted)
{
    struct geo_range ranges[GEO_RANGES];
    size_t most = query->count > 0 ? (size_t)query->count : SIZE_MAX;
    enum geo_sort sort = query->sort;
    int count = geo_shape_ranges(&query->shape, ranges);
    for (int i = 0; i < count; i++) {
        if (!find_in_range(e, &query->shape, &ranges[i], query->any ? most : SIZE_MAX, found)) {
            return false;
        }
    }
    if (sort == GEO_UNSORTED && query->count > 0 && !query->any) {
        sort = GEO_NEAREST; /* COUNT means the nearest ones */
    }
    *wanted = found->count < most ? found->count : most;
    if (sort != GEO_UNSORTED && found->count > 0) {
        geo_order(found->order, found->count, *wanted, sort == GEO_FARTHEST);
    }
    return true;
}

/* ---- replying and storing ----------------------------------------------------------------------------- */

/* A score as an integer; what is out of bounds for one becomes the least, as on the machines where Redis runs. */
static int64_t integer_of(double score)
{
    return score >= -9223372036854775808.0 && score < 9223372036854775808.0 ? (int64_t)score : INT64_MIN;
}

static void reply_found(struct call *c, const struct geo_query *query, const struct results *found,
                        size_t wanted)
{
    int extras = query->with_distance + query->with_hash + query->with_position;
    reply_array(c->reply, (int64_t)wanted);
    for (size_t i = 0; i < wanted; i++) {
        const struct zset_place *place = &found->places[found->order[i].index];
        if (extras > 0) {
            reply_array(c->reply, extras + 1);
        }
        zset_place_reply(c->reply, place, ZSET_REPLY_MEMBERS);
        if (query->with_distance) {
            geo_reply_distance(c->reply, found->order[i].distance / query->shape.unit);
        }
        if (query->with_hash) {
            reply_int(c->reply, integer_of(zset_place_score(place)));
        }
        if (query->with_position) {
            geo_reply_position(c->reply, geohash_position(zset_place_score(place)));
        }
    }
}

/* A set of what was found, or NULL when there is no memory. */
static struct zset *set_of(struct call *c, const struct geo_query *query, const struct results *found,
                           size_t wanted, size_t *longest)
{
    struct zset *z = zset_value_new(c->server);
    for (size_t i = 0; i < wanted && z != NULL; i++) {
        char room[NUMBER_I64_MAX_CHARS];
        const struct zset_place *place = &found->places[found->order[i].index];
        struct slice member = zset_place_member(place, room);
        double score =
            query->store_distance ? found->order[i].distance / query->shape.unit : zset_place_score(place);
        *longest = member.len > *longest ? member.len : *longest;
        if (zset_put(z, member, &score, 0) == ZSET_NO_MEMORY) {
            zset_free(z);
            z = NULL;
        }
    }
    return z;
}

static void store_found(struct call *c, const struct geo_query *query, enum geo_form form,
                        const struct results *found, size_t wanted)
{
    struct key key = call_key(c, query->store);
    size_t longest = 0;
    struct zset *z = set_of(c, query, found, wanted, &longest);
    zset_value_store(c, &key, z, longest, wanted,
                     form == GEO_SEARCH_STORE ? "geosearchstore" : "georadiusstore");
}

static void search(struct call *c, enum geo_form form, bool may_store)
{
    struct key key = call_key(c, form == GEO_SEARCH_STORE ? 2 : 1);
    struct geo_query query;
    struct results found = {0};
    size_t wanted = 0;
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong || !geo_query_parse(c, form, may_store, e, &query)) {
        return;
    }
    if (e != NULL && !find(e, &query, &found, &wanted)) {
        call_out_of_memory(c);
    } else if (query.store > 0) {
        store_found(c, &query, form, &found, wanted);
    } else {
        reply_found(c, &query, &found, wanted);
    }
    results_free(&found);
}

static void run_geosearch(struct call *c)
{
    search(c, GEO_SEARCH, false);
}

static void run_geosearchstore(struct call *c)
{
    search(c, GEO_SEARCH_STORE, true);
}

static void run_georadius(struct call *c)
{
    search(c, GEO_RADIUS, true);
}

static void run_georadius_ro(struct call *c)
{
    search(c, GEO_RADIUS, false);
}

static void run_georadiusbymember(struct call *c)
{
    search(c, GEO_RADIUS_MEMBER, true);
}

static void run_georadiusbymember_ro(struct call *c)
{
    search(c, GEO_RADIUS_MEMBER, false);
}

#define UNIT   "<M | KM | FT | MI>"
#define CENTER "<FROMMEMBER member | FROMLONLAT longitude latitude>"
#define SHAPE  "<BYRADIUS radius " UNIT " | BYBOX width height " UNIT ">"
#define ORDER  "[ASC | DESC]"
#define COUNT  "[COUNT count [ANY]]"
#define WITH   "[WITHCOORD] [WITHDIST] [WITHHASH]"
#define COMPLEXITY                                                                                          \
    "O(N+log(M)), N being the number of members in the rectangles that cover the area and M the number of " \
    "those in it."

const struct command geo_search_commands[] = {
    {
        .name = "georadius",
        .run = run_georadius,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLE_KEYS,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS},
                 {6, 0, 1, KEY_OW | KEY_UPDATE | KEY_AFTER},
                 {6, 0, 1, KEY_OW | KEY_UPDATE | KEY_AFTER}},
        .keys_after = "STORE STOREDIST",
        .group = GROUP_GEO,
        .since = "3.2.0",
        .complexity = COMPLEXITY,
        .summary = "Finds the members within a distance of a point, and may store them under a key.",
        .syntax =
            "key longitude latitude radius " UNIT " " WITH " " COUNT " " ORDER " [STORE key] [STOREDIST key]",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        .history = "6.2.0\tThe option `ANY` of `COUNT`.\n"
                   "7.0.0\tUnits may be in upper case.",
    },
    {
        .name = "georadius_ro",
        .run = run_georadius_ro,
        .arity = -6,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GEO,
        .since = "3.2.10",
        .complexity = COMPLEXITY,
        .summary = "Finds the members within a distance of a point.",
        .syntax = "key longitude latitude radius " UNIT " " WITH " " COUNT " " ORDER,
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument",
        .history = "6.2.0\tThe option `ANY` of `COUNT`.",
    },
    {
        .name = "georadiusbymember",
        .run = run_georadiusbymember,
        .arity = -5,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLE_KEYS,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS},
                 {5, 0, 1, KEY_OW | KEY_UPDATE | KEY_AFTER},
                 {5, 0, 1, KEY_OW | KEY_UPDATE | KEY_AFTER}},
        .keys_after = "STORE STOREDIST",
        .group = GROUP_GEO,
        .since = "3.2.0",
        .complexity = COMPLEXITY,
        .summary = "Finds the members within a distance of another, and may store them under a key.",
        .syntax = "key member radius " UNIT " " WITH " " COUNT " " ORDER " [STORE key] [STOREDIST key]",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        .history = "6.2.0\tThe option `ANY` of `COUNT`.\n"
                   "7.0.0\tUnits may be in upper case.",
    },
    {
        .name = "georadiusbymember_ro",
        .run = run_georadiusbymember_ro,
        .arity = -5,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GEO,
        .since = "3.2.10",
        .complexity = COMPLEXITY,
        .summary = "Finds the members within a distance of another.",
        .syntax = "key member radius " UNIT " " WITH " " COUNT " " ORDER,
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
    },
    {
        .name = "geosearch",
        .run = run_geosearch,
        .arity = -7,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GEO,
        .since = "6.2.0",
        .complexity = COMPLEXITY,
        .summary = "Finds the members in a circle or a box.",
        .syntax = "key " CENTER " " SHAPE " " ORDER " " COUNT " " WITH,
        .history = "7.0.0\tUnits may be in upper case.",
    },
    {
        .name = "geosearchstore",
        .run = run_geosearchstore,
        .arity = -8,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_OW | KEY_UPDATE}, {2, 2, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GEO,
        .since = "6.2.0",
        .complexity = COMPLEXITY,
        .summary = "Stores the members in a circle or a box under a key.",
        .syntax = "destination source " CENTER " " SHAPE " " ORDER " " COUNT " [STOREDIST]",
        .history = "7.0.0\tUnits may be in upper case.",
    },
    {0},
};
