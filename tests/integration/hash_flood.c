/*
 * Prints keys that collide under an unkeyed XXH3: an attacker's table. For keys of eight bytes XXH3 without seed is a
 * bijection built of steps that can each be undone, so the key that has a wanted hash is simply computed. All keys
 * printed have the same low 24 and the same high 24 bits of their hash, which is more than any table uses to choose
 * a shard and a bucket; each is checked against the library. Usage: hash_flood COUNT (at most 65,536)
 *
 * Source of the steps: xxHash's specification and header, XXH3_64bits, inputs of 4 to 8 bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { LENGTH = 8, VARIED_SHIFT = 24, VARIED = 65536 };

static const uint64_t MULTIPLIER = 0x9FB21C651E98DF25u;

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/* The number by which a product with `odd` is undone, modulo 2^64 (Newton's iteration doubles the right bits). */
static uint64_t inverse(uint64_t odd)
{
    uint64_t guess = odd;
    for (int round = 0; round < 6; round++) {
        guess *= 2 - odd * guess;
    }
    return guess;
}

/* Undoes XXH3's last steps: from the hash of eight bytes to those bytes xor a constant of the secret. */
static uint64_t unmix(uint64_t hash)
{
    uint64_t undo = inverse(MULTIPLIER);
    hash ^= hash >> 28 ^ hash >> 56;
    hash *= undo;
    hash ^= (hash >> 35) + LENGTH;
    hash *= undo;
    /* The first step is a power of two's root of the identity: 63 more times bring it back. */
    for (int round = 0; round < 63; round++) {
        hash ^= rotate_left(hash, 49) ^ rotate_left(hash, 24);
    }
    return hash;
}

/* XXH3 reads the first four bytes as the high half of its number, the last four as the low half, little-endian. */
static void key_write(uint8_t *key, uint64_t number)
{
    for (unsigned byte = 0; byte < 4; byte++) {
        key[byte] = (uint8_t)(number >> (32 + 8 * byte));
        key[4 + byte] = (uint8_t)(number >> (8 * byte));
    }
}

int main(int argc, char **argv)
{
    long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (count < 1 || count > VARIED) {
        fprintf(stderr, "usage: %s COUNT\n", argv[0]);
        return 2;
    }
    uint8_t key[LENGTH] = {0};
    uint64_t constant = unmix(XXH3_64bits(key, LENGTH)); /* the key 0 shows the secret's part */
    const uint64_t wanted = 0x0123450000abcdefu;
    for (long number = 0; number < count; number++) {
        uint64_t hash = wanted ^ (uint64_t)number << VARIED_SHIFT;
        key_write(key, unmix(hash) ^ constant);
        if (XXH3_64bits(key, LENGTH) != hash) {
            fprintf(stderr, "key %ld: hash %016" PRIx64 ", wanted %016" PRIx64 "\n", number,
                    XXH3_64bits(key, LENGTH), hash);
            return 1;
        }
        for (int byte = 0; byte < LENGTH; byte++) {
            printf("%02x", key[byte]);
        }
        putchar('\n');
    }
    return 0;
}
