#include "types/decimal.h"

#include <string.h>

__extension__ typedef unsigned __int128 wide;

enum {
    DIGITS = 19,        /* 10^19 is the largest power of ten in 64 bits */
    FEWEST = 15,        /* so many digits survive text to double to text */
    MOST = 17,          /* so many tell every double from every other */
    MANTISSA_BITS = 52, /* of a double, without the leading 1 */
    EXPONENT_BIAS = 1075,
};

static const uint64_t power_of_ten[DIGITS + 1] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

/* ---- to digits -------------------------------------------------------------------------------------------- */

/* v as mantissa / 2^shift. */
struct binary {
    uint64_t mantissa;
    unsigned shift;
};

static struct binary take_apart(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    return (struct binary){fraction | UINT64_C(1) << MANTISSA_BITS,
                           (unsigned)(EXPONENT_BIAS - (int)(bits >> MANTISSA_BITS))};
}

/* The digits before the point; for 0.0…, minus the zeros behind it. */
static int magnitude(double v)
{
    if (v < 1) {
        return v >= 0.1 ? 0 : v >= 0.01 ? -1 : -2;
    }
    uint64_t whole = (uint64_t)v;
    int n = 1;
    while (n < DIGITS && whole >= power_of_ten[n]) {
        n++;
    }
    return n;
}

/* Rounds v to so many decimals; false when that does not read back as v: when it lies further from v than half the way
 * to the next double (a quarter of this way below a power of two, where doubles lie closer). */
static bool round_to(const struct binary *v, unsigned decimals, uint64_t *digits)
{
    wide exact = (wide)v->mantissa * power_of_ten[decimals];
    wide unit = (wide)1 << v->shift;
    wide rest = exact & (unit - 1);
    uint64_t whole = (uint64_t)(exact >> v->shift);
    bool up = rest > unit / 2 || (rest == unit / 2 && (whole & 1) != 0);
    wide off = up ? unit - rest : rest;
    bool closer = !up && v->mantissa == UINT64_C(1) << MANTISSA_BITS;
    wide reach = power_of_ten[decimals];
    off *= closer ? 4 : 2;
    *digits = whole + up;
    return off < reach || (off == reach && (v->mantissa & 1) == 0);
}

bool decimal_shortest(double v, struct decimal_digits *out)
{
    if (!(v >= 0.001 && v < 0x1p52)) {
        return false;
    }
    struct binary binary = take_apart(v);
    int before = magnitude(v);
    int digits = FEWEST; /* MOST are always enough */
    do {
        out->decimals = digits > before ? (unsigned)(digits - before) : 0;
    } while (!round_to(&binary, out->decimals, &out->digits) && ++digits <= MOST);
    while (out->decimals > 0 && out->digits % 10 == 0) {
        out->digits /= 10;
        out->decimals--;
    }
    return true;
}

/* ---- from digits ------------------------------------------------------------------------------------------ */

/* mantissa * 2^exponent, exactly: both are small enough. */
static double put_together(uint64_t mantissa, int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << MANTISSA_BITS;
    double power;
    memcpy(&power, &bits, sizeof power);
    return (double)mantissa * power;
}

/* The double nearest to digits / 10^decimals, of two that are as near the even one. */
static double quotient(uint64_t digits, unsigned decimals)
{
    if (digits <= UINT64_C(1) << (MANTISSA_BITS + 1)) {
        return (double)digits / (double)power_of_ten[decimals]; /* both exact: rounded once */
    }
    wide scaled = (wide)digits << 64;
    wide result = scaled / power_of_ten[decimals];
    bool rest = result * power_of_ten[decimals] != scaled;
    unsigned bits = 128 - (unsigned)__builtin_clzll((uint64_t)(result >> 64) | 1);
    if ((uint64_t)(result >> 64) == 0) {
        bits = 64 - (unsigned)__builtin_clzll((uint64_t)result);
    }
    unsigned dropped = bits - (MANTISSA_BITS + 1);
    wide half = (wide)1 << (dropped - 1);
    wide low = result & (2 * half - 1);
    uint64_t mantissa = (uint64_t)(result >> dropped);
    mantissa += low > half || (low == half && (rest || (mantissa & 1) != 0));
    return put_together(mantissa, (int)dropped - 64);
}

bool decimal_read(const char *s, size_t n, double *out)
{
    const char *end = s + n;
    bool negative = n > 0 && *s == '-';
    s += n > 0 && (*s == '-' || *s == '+');
    uint64_t digits = 0;
    unsigned count = 0, decimals = 0;
    bool point = false;
    for (; s < end; s++) {
        unsigned digit = (unsigned)(unsigned char)*s - '0';
        if (digit > 9) {
            if (*s != '.' || point) {
                return false;
            }
            point = true;
            continue;
        }
        if (++count > DIGITS - 1) { /* one fewer than fit, so that a quotient has more bits than a double */
            return false;
        }
        digits = digits * 10 + digit;
        decimals += point;
    }
    if (count == 0) {
        return false;
    }
    double v = quotient(digits, decimals);
    *out = negative ? -v : v;
    return true;
}
