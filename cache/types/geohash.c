#include "types/geohash.h"

#include <math.h>

/* ---- bits in turn ------------------------------------------------------------------------------------- */

/* Puts a zero before each bit. */
static uint64_t spread(uint32_t value)
{
    uint64_t x = value;
    x = (x | x << 16) & 0x0000FFFF0000FFFF;
    x = (x | x << 8) & 0x00FF00FF00FF00FF;
    x = (x | x << 4) & 0x0F0F0F0F0F0F0F0F;
    x = (x | x << 2) & 0x3333333333333333;
    return (x | x << 1) & 0x5555555555555555;
}

/* Takes every second bit. */
static uint32_t gather(uint64_t x)
{
    x &= 0x5555555555555555;
    x = (x | x >> 1) & 0x3333333333333333;
    x = (x | x >> 2) & 0x0F0F0F0F0F0F0F0F;
    x = (x | x >> 4) & 0x00FF00FF00FF00FF;
    x = (x | x >> 8) & 0x0000FFFF0000FFFF;
    return (uint32_t)(x | x >> 16);
}

static uint64_t interleave(uint32_t latitude, uint32_t longitude)
{
    return spread(latitude) | spread(longitude) << 1;
}

/* ---- hashes ------------------------------------------------------------------------------------------- */

bool position_valid(struct position p)
{
    return p.longitude >= -GEOHASH_LONGITUDE_MAX && p.longitude <= GEOHASH_LONGITUDE_MAX &&
           p.latitude >= -GEOHASH_LATITUDE_MAX && p.latitude <= GEOHASH_LATITUDE_MAX;
}

/* How many of 2^steps parts of the range from -limit to limit lie before a value. */
static uint32_t part(double value, double limit, uint8_t steps)
{
    return (uint32_t)((value + limit) / (2 * limit) * (double)(1ULL << steps));
}

/* Where a part begins. */
static double part_begin(uint32_t index, double limit, uint8_t steps)
{
    return -limit + index * 1.0 / (double)(1ULL << steps) * (2 * limit);
}

struct geohash geohash_encode(struct position p, uint8_t steps)
{
    uint64_t bits = interleave(part(p.latitude, GEOHASH_LATITUDE_MAX, steps),
                               part(p.longitude, GEOHASH_LONGITUDE_MAX, steps));
    return (struct geohash){bits, steps};
}

struct geohash_area geohash_decode(struct geohash hash)
{
    uint32_t latitude = gather(hash.bits), longitude = gather(hash.bits >> 1);
    return (struct geohash_area){
        .west = part_begin(longitude, GEOHASH_LONGITUDE_MAX, hash.steps),
        .east = part_begin(longitude + 1, GEOHASH_LONGITUDE_MAX, hash.steps),
        .south = part_begin(latitude, GEOHASH_LATITUDE_MAX, hash.steps),
        .north = part_begin(latitude + 1, GEOHASH_LATITUDE_MAX, hash.steps),
    };
}

/* Only a coordinate that moves is brought back into the world. */
static uint32_t move(uint32_t index, int by, uint8_t steps)
{
    return by == 0 ? index : (index + (uint32_t)by) & ((1U << steps) - 1);
}

struct geohash geohash_neighbor(struct geohash hash, int east, int north)
{
    uint32_t latitude = move(gather(hash.bits), north, hash.steps);
    uint32_t longitude = move(gather(hash.bits >> 1), east, hash.steps);
    return (struct geohash){interleave(latitude, longitude), hash.steps};
}

double geohash_score(struct position p)
{
    return (double)geohash_encode(p, GEOHASH_STEPS).bits;
}

/* A double as an unsigned integer: negative ones wrap, and what is too large for 64 bits is 0, as on the machines where Redis
 * runs (the language leaves it open). */
static uint64_t to_bits(double score)
{
    if (score >= 18446744073709551616.0 || isnan(score)) {
        return 0;
    }
    if (score < 0) {
        return score >= -9223372036854775808.0 ? (uint64_t)(int64_t)score : 1ULL << 63;
    }
    return (uint64_t)score;
}

static double clamp(double value, double limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

struct position geohash_position(double score)
{
    struct geohash_area area = geohash_decode((struct geohash){to_bits(score), GEOHASH_STEPS});
    return (struct position){clamp((area.west + area.east) / 2, GEOHASH_LONGITUDE_MAX),
                             clamp((area.south + area.north) / 2, GEOHASH_LATITUDE_MAX)};
}

void geohash_text(struct position p, char text[GEOHASH_TEXT_LEN])
{
    static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    enum { LETTER_BITS = 5, BITS = GEOHASH_STEPS * 2 };
    uint64_t bits = interleave(part(p.latitude, 90, GEOHASH_STEPS), part(p.longitude, 180, GEOHASH_STEPS));
    for (int i = 0; i < GEOHASH_TEXT_LEN - 1; i++) {
        text[i] = letters[bits >> (BITS - (i + 1) * LETTER_BITS) & 31];
    }
    text[GEOHASH_TEXT_LEN - 1] = letters[0];
}

/* ---- distances ---------------------------------------------------------------------------------------- */

double position_radians(double degrees)
{
    return degrees * (M_PI / 180.0);
}

double position_degrees(double radians)
{
    return radians / (M_PI / 180.0);
}

double position_latitude_distance(double a, double b)
{
    return EARTH_RADIUS * fabs(position_radians(b) - position_radians(a));
}

double position_distance(struct position a, struct position b)
{
    double v = sin((position_radians(b.longitude) - position_radians(a.longitude)) / 2);
    if (v == 0.0) {
        return position_latitude_distance(a.latitude, b.latitude);
    }
    double from = position_radians(a.latitude), to = position_radians(b.latitude);
    double u = sin((to - from) / 2);
    double square = u * u + cos(from) * cos(to) * v * v;
    return 2.0 * EARTH_RADIUS * asin(sqrt(square < 1 ? square : 1)); /* rounding may lift it above 1 */
}
