/*
 * Digests of values and of the whole data set, by which test suites see that two keys, or two servers, hold the same.
 * They are those of Redis (DEBUG DIGEST, DEBUG DIGEST-VALUE), so that an Ordinal can be compared with a Redis.
 *
 * Threads: under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_DIGEST_H
#define ORDINAL_COMMANDS_DIGEST_H

#include "commands/server.h"

enum { DIGEST_SIZE = 20, DIGEST_TEXT = 2 * DIGEST_SIZE + 1 };

struct digest {
    uint8_t bytes[DIGEST_SIZE];
};

/* Adds bytes to a digest: whatever their order (the exclusive or of their hash), or so that their order counts. */
void digest_blend(struct digest *digest, const void *bytes, size_t len);
void digest_append(struct digest *digest, const void *bytes, size_t len);

/* Of a value, with its type and whether it has a deadline, but without its key. */
struct digest digest_value(const struct entry *e);

/* Of all entries that live at `now` (ms of clock.h). Whatever the order of keys, the digest is the same. */
struct digest digest_keyspace(const struct keyspace *ks, int64_t now);

/* Forty hexadecimal digits and a zero. */
void digest_text(const struct digest *digest, char text[DIGEST_TEXT]);

#endif
