/*
 * What a search looks for: the positions in a circle or in a box around a centre, and the ranges of scores in which they
 * can lie.
 *
 * A shape is covered by the rectangle of some hash that holds its centre and the eight around it, with as many steps as
 * leaves them just larger than the shape. Rectangles that the shape does not reach are left out. Every member in them
 * is then looked at one by one; that order, rectangle by rectangle, is the order of an unsorted reply, so it is
 * Redis's to the letter.
 *
 * Threads: no state.
 */
#ifndef ORDINAL_TYPES_GEO_SHAPE_H
#define ORDINAL_TYPES_GEO_SHAPE_H

#include "types/geohash.h"

struct geo_shape {
    bool box;
    struct position center;
    double radius;        /* of a circle … */
    double width, height; /* … of a box, in units */
    double unit;          /* metres */
};

/* Whether a position lies in the shape; its distance from the centre in metres, if so. */
bool geo_shape_holds(const struct geo_shape *shape, struct position p, double *distance);

/* Scores from min on and below max. */
struct geo_range {
    double min, max;
};

enum { GEO_RANGES = 9 };

/* The ranges, in the order in which they are searched. Returns how many. A range may, for shapes of half the
 * world's size, come twice. */
int geo_shape_ranges(const struct geo_shape *shape, struct geo_range ranges[GEO_RANGES]);

#endif
