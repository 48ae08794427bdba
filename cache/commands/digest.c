#include "commands/digest.h"

#include <arpa/inet.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "commands/type.h"

void digest_blend(struct digest *digest, const void *bytes, size_t len)
{
    uint8_t hash[SHA_DIGEST_LENGTH];
    SHA1(bytes, len, hash);
    for (int i = 0; i < DIGEST_SIZE; i++) {
        digest->bytes[i] ^= hash[i];
    }
}

void digest_append(struct digest *digest, const void *bytes, size_t len)
{
    digest_blend(digest, bytes, len);
    struct digest old = *digest;
    SHA1(old.bytes, sizeof old.bytes, digest->bytes);
}

static void append_number(struct digest *digest, uint32_t number)
{
    uint32_t wire = htonl(number);
    digest_append(digest, &wire, sizeof wire);
}

static void append_value(struct digest *digest, const struct entry *e)
{
    static const char timed[] = "!!expire!!";
    append_number(digest, entry_type(e));
    type_of(e)->digest(digest, e);
    if (entry_has_deadline(e)) {
        digest_blend(digest, timed, sizeof timed - 1);
    }
}

struct digest digest_value(const struct entry *e)
{
    struct digest digest = {{0}};
    append_value(&digest, e);
    return digest;
}

struct summing {
    struct digest digest;
    int64_t now;
};

static void add_entry(void *context, struct entry *e, uint64_t hash)
{
    struct summing *summing = context;
    struct digest one = {{0}};
    struct slice key = entry_key(e);
    (void)hash;
    if (!entry_is_dead(e, summing->now)) {
        digest_append(&one, key.ptr, key.len);
        append_value(&one, e);
        digest_blend(&summing->digest, one.bytes, sizeof one.bytes);
    }
}

struct digest digest_keyspace(const struct keyspace *ks, int64_t now)
{
    struct summing summing = {{{0}}, now};
    for (int i = 0; i < ks->count; i++) {
        if (db_size(&ks->dbs[i]) > 0) {
            append_number(&summing.digest, (uint32_t)i);
            db_each(&ks->dbs[i], add_entry, &summing);
        }
    }
    return summing.digest;
}

void digest_text(const struct digest *digest, char text[DIGEST_TEXT])
{
    for (int i = 0; i < DIGEST_SIZE; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest->bytes[i]);
    }
}
