/*
 * What the geo commands share: reading arguments, and the positions of members.
 */
#ifndef ORDINAL_COMMANDS_GEO_H
#define ORDINAL_COMMANDS_GEO_H

#include "commands/zset_value.h"
#include "types/geohash.h"

/* A number; replies with `error` when it is none. */
bool geo_number(struct call *c, struct slice arg, const char *error, double *value);

/* Longitude and latitude in argv[at] and the next. Each of these replies with Redis's error and returns false when it cannot. */
bool geo_position(struct call *c, size_t at, struct position *p);

/* "m", "km", "ft", "mi", in metres. */
bool geo_unit(struct call *c, struct slice word, double *metres);

/* The position of a member; false when it is not there. `e` may be NULL. */
bool geo_member(const struct entry *e, struct slice member, struct position *p);

/* Replies with a distance to four digits, with a position as an array of two. */
void geo_reply_distance(struct reply *r, double distance);
void geo_reply_position(struct reply *r, struct position p);

#endif
