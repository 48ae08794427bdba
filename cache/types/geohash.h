/*
 * Positions on Earth as numbers: a geohash halves longitude and latitude in turn, so a prefix of its bits is a rectangle, and
 * all positions in it lie next to each other in order. Sorted sets of positions have as scores hashes of 26 steps, 52 bits,
 * which a double holds exactly:
 *
 *   bit 51: east of 0° or not | bit 50: north of 0° or not | 49: east of the half's middle | … | bit 0
 *
 * Latitudes reach from -85.05112878 to 85.05112878 degrees (the square world of web maps, EPSG:900913), longitudes
 * from -180 to 180. The very limits fall outside the last rectangle, and their hashes have bits beyond the steps: what is
 * made of them is what Redis makes of them.
 *
 * Source: Redis manual, GEOADD; results as of Redis 7.0.
 * Threads: no state.
 */
#ifndef ORDINAL_TYPES_GEOHASH_H
#define ORDINAL_TYPES_GEOHASH_H

#include <stdbool.h>
#include <stdint.h>

#define GEOHASH_LATITUDE_MAX  85.05112878
#define GEOHASH_LONGITUDE_MAX 180.0

enum { GEOHASH_STEPS = 26, GEOHASH_TEXT_LEN = 11 };

/* In degrees. */
struct position {
    double longitude, latitude;
};

struct geohash {
    uint64_t bits;
    uint8_t steps; /* 1 .. 26 */
};

/* The rectangle of a hash, in degrees. */
struct geohash_area {
    double west, east, south, north;
};

/* Whether it lies within the limits. */
bool position_valid(struct position p);

/* Metres between two positions on a sphere with Earth's mean radius, by the haversine formula; of two latitudes: along a
 * meridian. */
double position_distance(struct position a, struct position b);
double position_latitude_distance(double a, double b);

/* Degrees to radians and back. */
double position_radians(double degrees);
double position_degrees(double radians);

#define EARTH_RADIUS 6372797.560856 /* metres */

/* The hash of a valid position, and the area of a hash. */
struct geohash geohash_encode(struct position p, uint8_t steps);
struct geohash_area geohash_decode(struct geohash hash);

/* The hash so many rectangles to the east (negative: to the west) and to the north, -1 to 1; round the world's edges. */
struct geohash geohash_neighbor(struct geohash hash, int east, int north);

/* The score of a valid position, and the position of a score, which may be any double: the middle of its area. */
double geohash_score(struct position p);
struct position geohash_position(double score);

/* Writes the standard geohash (geohash.org: latitudes to 90 degrees, 5 bits a letter); its last letter is always 0. */
void geohash_text(struct position p, char text[GEOHASH_TEXT_LEN]);

#endif
