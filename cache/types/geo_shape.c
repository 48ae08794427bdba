#include "types/geo_shape.h"

#include <math.h>

bool geo_shape_holds(const struct geo_shape *shape, struct position p, double *distance)
{
    if (!shape->box) {
        *distance = position_distance(shape->center, p);
        return !(*distance > shape->radius * shape->unit);
    }
    struct position abreast = {shape->center.longitude, p.latitude};
    if (position_latitude_distance(p.latitude, shape->center.latitude) > shape->height * shape->unit / 2 ||
        position_distance(p, abreast) > shape->width * shape->unit / 2) {
        return false;
    }
    *distance = position_distance(shape->center, p);
    return true;
}

/* ---- covering ----------------------------------------------------------------------------------------- */

/* A rectangle around the shape. Towards a pole its meridians draw closer, so that side of it decides its width. */
static struct geohash_area bounds_of(const struct geo_shape *shape)
{
    double height = shape->unit * (shape->box ? shape->height / 2 : shape->radius);
    double width = shape->unit * (shape->box ? shape->width / 2 : shape->radius);
    double longitude = shape->center.longitude, latitude = shape->center.latitude;
    double up = position_degrees(height / EARTH_RADIUS);
    double edge = latitude < 0 ? latitude - up : latitude + up;
    double aside = position_degrees(width / EARTH_RADIUS / cos(position_radians(edge)));
    return (struct geohash_area){longitude - aside, longitude + aside, latitude - up, latitude + up};
}

/* As many steps as leave rectangles that are larger than a circle of this radius; towards the poles they are narrower. */
static uint8_t steps_for(double radius, double latitude)
{
    const double half_world = 20037726.37; /* metres: of the square world of web maps */
    int steps = 1;
    if (radius == 0) {
        return GEOHASH_STEPS;
    }
    while (radius < half_world) {
        radius *= 2;
        steps++;
    }
    steps -= 2;
    if (fabs(latitude) > 66) {
        steps -= fabs(latitude) > 80 ? 2 : 1;
    }
    return (uint8_t)(steps < 1 ? 1 : steps > GEOHASH_STEPS ? GEOHASH_STEPS : steps);
}

static double outer_radius(const struct geo_shape *shape)
{
    double w = shape->width / 2, h = shape->height / 2;
    return (shape->box ? sqrt(w * w + h * h) : shape->radius) * shape->unit;
}

/* Whether the bounds reach beyond the rectangles next to the centre's. */
static bool too_small(struct geohash hash, const struct geohash_area *bounds)
{
    return geohash_decode(geohash_neighbor(hash, 0, 1)).north < bounds->north ||
           geohash_decode(geohash_neighbor(hash, 0, -1)).south > bounds->south ||
           geohash_decode(geohash_neighbor(hash, 1, 0)).east < bounds->east ||
           geohash_decode(geohash_neighbor(hash, -1, 0)).west > bounds->west;
}

/* Whether the neighbour in a direction is of no use: the centre's rectangle reaches beyond the bounds there. */
static bool unreached(const struct geohash_area *area, const struct geohash_area *bounds, int east, int north)
{
    return (north < 0 && area->south < bounds->south) || (north > 0 && area->north > bounds->north) ||
           (east < 0 && area->west < bounds->west) || (east > 0 && area->east > bounds->east);
}

static struct geo_range range_of(struct geohash hash)
{
    int shift = (GEOHASH_STEPS - hash.steps) * 2;
    return (struct geo_range){(double)(hash.bits << shift), (double)((hash.bits + 1) << shift)};
}

int geo_shape_ranges(const struct geo_shape *shape, struct geo_range ranges[GEO_RANGES])
{
    static const struct {
        int east, north;
    } ways[GEO_RANGES] = {{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    struct geohash_area bounds = bounds_of(shape);
    struct geohash hash =
        geohash_encode(shape->center, steps_for(outer_radius(shape), shape->center.latitude));
    if (hash.steps > 1 && too_small(hash, &bounds)) {
        hash = geohash_encode(shape->center, hash.steps - 1);
    }
    struct geohash_area area = geohash_decode(hash);
    struct geohash last = {0, 0};
    int count = 0;
    for (int i = 0; i < GEO_RANGES; i++) {
        struct geohash next = geohash_neighbor(hash, ways[i].east, ways[i].north);
        if (hash.steps >= 2 && unreached(&area, &bounds, ways[i].east, ways[i].north)) {
            continue;
        }
        if (last.steps > 0 && next.bits == last.bits) { /* the world is only so large */
            continue;
        }
        ranges[count++] = range_of(next);
        last = i > 0 ? next
                     : last; /* the centre's own is never compared: Redis marks "none yet" by its number */
    }
    return count;
}
