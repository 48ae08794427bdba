/*
 * CRC-64/Jones. Where the processor multiplies without carries (x86-64, nearly all), 64 bytes a step: four blocks of 16 bytes are
 * each multiplied onto the block 64 bytes further on, so what is left in the end is 16 bytes with the remainder of all that was
 * before. A block that stands n bits before another is worth itself times x^n; the factors are powers of x modulo the polynomial.
 *
 * Elsewhere, and for what is short, eight bytes a step ("slicing by 8"): table k holds the checksum of a byte followed by k zero
 * bytes, so the eight lookups of a step do not wait for each other. Tables (16 KB) and factors are made once, before main, which
 * needs no lock on any later call. Measured (AMD EPYC, gcc 12 -O3, 1 MB): 2.5 GB/s by the tables.
 */

#include "persist/crc64.h"

#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* The polynomial 0xad93d23594c935a9 with its bits reversed, as input and output are reflected. */
#define CRC64_POLYNOMIAL 0x95ac9329ac4bc9b5ull

enum { STEP = 8 };

static uint64_t tables[STEP][256];

static uint64_t shift_byte(uint64_t crc)
{
    for (int bit = 0; bit < 8; bit++) {
        crc = (crc & 1) != 0 ? crc >> 1 ^ CRC64_POLYNOMIAL : crc >> 1;
    }
    return crc;
}

__attribute__((constructor)) static void make_tables(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        tables[0][byte] = shift_byte(byte);
    }
    for (unsigned k = 1; k < STEP; k++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            uint64_t before = tables[k - 1][byte];
            tables[k][byte] = before >> 8 ^ tables[0][before & 0xff];
        }
    }
}

static inline uint64_t load_little_endian(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint64_t step(uint64_t crc, const uint8_t *bytes)
{
    uint64_t word = crc ^ load_little_endian(bytes);
    return tables[7][word & 0xff] ^ tables[6][word >> 8 & 0xff] ^ tables[5][word >> 16 & 0xff] ^
           tables[4][word >> 24 & 0xff] ^ tables[3][word >> 32 & 0xff] ^ tables[2][word >> 40 & 0xff] ^
           tables[1][word >> 48 & 0xff] ^ tables[0][word >> 56];
}

static uint64_t by_tables(uint64_t crc, const uint8_t *at, size_t n)
{
    for (; n >= STEP; n -= STEP, at += STEP) {
        crc = step(crc, at);
    }
    for (; n > 0; n--, at++) {
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
    }
    return crc;
}

#if defined(__x86_64__)

enum { BLOCK = 16, LANES = 4, FOLD = LANES * BLOCK, FOLD_FROM = 4 * FOLD };

static bool multiplies;
static uint64_t by_lanes[2], by_block[2]; /* factors for the low and the high half of a block */

/* x^n modulo the polynomial, bits reversed as everything here: the highest bit is x^0. */
static uint64_t power_of_x(unsigned n)
{
    uint64_t power = 1ull << 63;
    for (unsigned i = 0; i < n; i++) {
        power = (power & 1) != 0 ? power >> 1 ^ CRC64_POLYNOMIAL : power >> 1;
    }
    return power;
}

/* The product of two reversed numbers comes out one power of x too high: the factors are one too low. The first eight bytes of a
 * block are its low half, and stand 64 bits before the others. */
__attribute__((constructor)) static void make_factors(void)
{
    __builtin_cpu_init();
    multiplies = __builtin_cpu_supports("pclmul") != 0;
    by_lanes[0] = power_of_x(8 * FOLD + 64 - 1);
    by_lanes[1] = power_of_x(8 * FOLD - 1);
    by_block[0] = power_of_x(8 * BLOCK + 64 - 1);
    by_block[1] = power_of_x(8 * BLOCK - 1);
}

__attribute__((target("pclmul"))) static inline __m128i fold(__m128i block, __m128i factors, __m128i onto)
{
    __m128i low = _mm_clmulepi64_si128(block, factors, 0x00);
    __m128i high = _mm_clmulepi64_si128(block, factors, 0x11);
    return _mm_xor_si128(onto, _mm_xor_si128(low, high));
}

static inline __m128i load_block(const uint8_t *at)
{
    return _mm_loadu_si128((const void *)at);
}

/* Of n bytes, a multiple of FOLD: leaves the 16 bytes in `rest` whose checksum, begun with 0, is that of them all. */
__attribute__((target("pclmul"))) static void fold_all(uint64_t crc, const uint8_t *at, size_t n,
                                                       uint8_t *rest)
{
    __m128i lane[LANES];
    __m128i factors = _mm_set_epi64x((long long)by_lanes[1], (long long)by_lanes[0]);
    for (int i = 0; i < LANES; i++) {
        lane[i] = load_block(at + i * BLOCK);
    }
    lane[0] = _mm_xor_si128(lane[0], _mm_set_epi64x(0, (long long)crc));
    for (at += FOLD, n -= FOLD; n > 0; at += FOLD, n -= FOLD) {
        for (int i = 0; i < LANES; i++) {
            lane[i] = fold(lane[i], factors, load_block(at + i * BLOCK));
        }
    }
    factors = _mm_set_epi64x((long long)by_block[1], (long long)by_block[0]);
    for (int i = 1; i < LANES; i++) {
        lane[i] = fold(lane[i - 1], factors, lane[i]);
    }
    _mm_storeu_si128((void *)rest, lane[LANES - 1]);
}

uint64_t crc64(uint64_t crc, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    if (!multiplies || n < FOLD_FROM) {
        return by_tables(crc, at, n);
    }
    uint8_t rest[BLOCK];
    size_t folded = n / FOLD * FOLD;
    fold_all(crc, at, folded, rest);
    return by_tables(by_tables(0, rest, sizeof rest), at + folded, n - folded);
}

#else

uint64_t crc64(uint64_t crc, const void *bytes, size_t n)
{
    return by_tables(crc, bytes, n);
}

#endif
