/*
 * What a geo search asks for, as GEOSEARCH, GEOSEARCHSTORE, GEORADIUS and GEORADIUSBYMEMBER say it in their arguments. One
 * reading serves all four: they have most words in common, and which error comes first is Redis's order.
 */
#ifndef ORDINAL_COMMANDS_GEO_QUERY_H
#define ORDINAL_COMMANDS_GEO_QUERY_H

#include "commands/call.h"
#include "types/geo_shape.h"

enum geo_form {
    GEO_SEARCH,       /* GEOSEARCH key … */
    GEO_SEARCH_STORE, /* GEOSEARCHSTORE destination key … */
    GEO_RADIUS,       /* GEORADIUS key longitude latitude radius unit … */
    GEO_RADIUS_MEMBER /* GEORADIUSBYMEMBER key member radius unit … */
};

enum geo_sort { GEO_UNSORTED, GEO_NEAREST, GEO_FARTHEST };

struct geo_query {
    struct geo_shape shape;
    enum geo_sort sort;
    int64_t count; /* 0: all */
    bool any;      /* whichever `count` are found first */
    bool with_position, with_distance, with_hash;
    size_t store; /* position in argv of the key that the result is stored under, or 0 */
    bool store_distance;
};

/*
 * Reads the arguments of a command of this form; `may_store` tells GEORADIUS from GEORADIUS_RO. `e` is the sorted set, where
 * members have their positions, or NULL: then positions of members stay unread. False with the error replied.
 */
bool geo_query_parse(struct call *c, enum geo_form form, bool may_store, const struct entry *e,
                     struct geo_query *query);

#endif
