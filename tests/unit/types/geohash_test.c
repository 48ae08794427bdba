/* Positions: scores and texts as Redis's manual has them, neighbours, distances, and ranges that cover what they must. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "types/geo_shape.h"

static const struct position palermo = {13.361389, 38.115556};
static const struct position catania = {15.087269, 37.502669};

static double random_in(double limit)
{
    return ((double)rand() / RAND_MAX * 2 - 1) * limit;
}

static struct position random_position(void)
{
    return (struct position){random_in(GEOHASH_LONGITUDE_MAX), random_in(GEOHASH_LATITUDE_MAX)};
}

/* The figures of the manual's page on GEOADD, GEOHASH and GEODIST. */
static void figures_are_those_of_the_manual(void **state)
{
    (void)state;
    char text[GEOHASH_TEXT_LEN];
    assert_true(geohash_score(palermo) == 3479099956230698);
    assert_true(geohash_score(catania) == 3479447370796909);
    geohash_text(geohash_position(geohash_score(palermo)), text);
    assert_memory_equal(text, "sqc8b49rny0", sizeof text);
    geohash_text(geohash_position(geohash_score(catania)), text);
    assert_memory_equal(text, "sqdtr74hyu0", sizeof text);
    double metres =
        position_distance(geohash_position(geohash_score(palermo)), geohash_position(geohash_score(catania)));
    assert_true(fabs(metres - 166274.1516) < 0.0001);
}

static void a_position_survives_its_score(void **state)
{
    (void)state;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        struct position p = random_position(), q = geohash_position(geohash_score(p));
        assert_true(fabs(p.longitude - q.longitude) <= 360.0 / (1 << 26));
        assert_true(fabs(p.latitude - q.latitude) <= 171.0 / (1 << 26));
        assert_true(geohash_score(q) == geohash_score(p));
    }
}

static void any_score_has_a_position(void **state)
{
    (void)state;
    static const double scores[] = {
        -1, -1e30, 1e30, INFINITY, -INFINITY, 4503599627370496.0, 1.8446744073709552e19, -0.0, 0.5, 9.3e18};
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        assert_true(position_valid(geohash_position(scores[i])));
    }
}

static void positions_have_limits(void **state)
{
    (void)state;
    assert_true(position_valid((struct position){180, 85.05112878}));
    assert_true(position_valid((struct position){-180, -85.05112878}));
    assert_false(position_valid((struct position){180.0001, 0}));
    assert_false(position_valid((struct position){0, -85.06}));
    assert_false(position_valid((struct position){NAN, 0}));
}

static void neighbours_touch(void **state)
{
    (void)state;
    srand(2);
    for (int i = 0; i < 5000; i++) {
        struct geohash hash = geohash_encode((struct position){random_in(170), random_in(80)}, 12);
        struct geohash_area here = geohash_decode(hash);
        assert_true(geohash_decode(geohash_neighbor(hash, 1, 0)).west == here.east);
        assert_true(geohash_decode(geohash_neighbor(hash, -1, 0)).east == here.west);
        assert_true(geohash_decode(geohash_neighbor(hash, 0, 1)).south == here.north);
        assert_true(geohash_decode(geohash_neighbor(hash, -1, -1)).north == here.south);
    }
    struct geohash edge = geohash_encode((struct position){179.99, 0}, 12);
    assert_true(geohash_decode(geohash_neighbor(edge, 1, 0)).west == -180);
}

static void distances_are_symmetric_and_sane(void **state)
{
    (void)state;
    const double half = M_PI * EARTH_RADIUS;
    srand(3);
    for (int i = 0; i < 20000; i++) {
        struct position a = random_position(), b = random_position();
        double d = position_distance(a, b);
        assert_true(d >= 0 && d <= half + 1);
        assert_true(fabs(d - position_distance(b, a)) < 1e-6);
        struct position opposite = {a.longitude > 0 ? a.longitude - 180 : a.longitude + 180, -a.latitude};
        assert_true(fabs(position_distance(a, opposite) - half) <
                    1); /* and is a number, whatever rounding does */
    }
}

static bool in_ranges(const struct geo_range *ranges, int count, double score)
{
    for (int i = 0; i < count; i++) {
        if (score >= ranges[i].min && score < ranges[i].max) {
            return true;
        }
    }
    return false;
}

/* Away from the poles and the date line, where Redis's search, and so ours, misses some. */
static void what_a_shape_holds_lies_in_its_ranges(void **state)
{
    (void)state;
    srand(4);
    int held = 0;
    for (int round = 0; round < 400; round++) {
        struct geo_shape shape = {
            .box = round % 2 == 1, .center = {random_in(120), random_in(60)}, .unit = 1000};
        double size = pow(10, (double)rand() / RAND_MAX * 4 - 1); /* 100 m to 1,000 km */
        shape.radius = size;
        shape.width = size * 2;
        shape.height = size;
        struct geo_range ranges[GEO_RANGES];
        int count = geo_shape_ranges(&shape, ranges);
        assert_in_range(count, 1, GEO_RANGES);
        for (int i = 0; i < 200; i++) {
            struct position p = {shape.center.longitude + random_in(size / 50),
                                 shape.center.latitude + random_in(size / 100)};
            double distance;
            if (position_valid(p) && geo_shape_holds(&shape, p, &distance)) {
                held++;
                assert_true(in_ranges(ranges, count, geohash_score(p)));
            }
        }
    }
    assert_true(held > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_the_manual),
        cmocka_unit_test(a_position_survives_its_score),
        cmocka_unit_test(any_score_has_a_position),
        cmocka_unit_test(positions_have_limits),
        cmocka_unit_test(neighbours_touch),
        cmocka_unit_test(distances_are_symmetric_and_sane),
        cmocka_unit_test(what_a_shape_holds_lies_in_its_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
