#include "commands/relay.h"

static const char *at(const struct relay *relay, uint64_t offset)
{
    return relay->bytes + (offset - relay->base);
}

void relay_begin(struct relay *relay, const char *bytes, uint64_t offset)
{
    relay->bytes = bytes;
    relay->base = relay->passed = offset;
}

static void pass(struct relay *relay, const char *bytes, size_t len)
{
    if (relay->log != NULL && len > 0) {
        log_append_raw(relay->log, relay->slot, bytes, len);
    }
}

void relay_until(struct relay *relay, uint64_t offset)
{
    enum { KEPT_BYTES = 64 * 1024 };
    if (__builtin_expect(relay->kept.len > 0, 0)) {
        pass(relay, relay->kept.data, relay->kept.len);
        reply_reset(&relay->kept, KEPT_BYTES);
    }
    if (offset > relay->passed) {
        pass(relay, at(relay, relay->passed), offset - relay->passed);
        relay->passed = offset;
    }
}

bool relay_keep(struct relay *relay, uint64_t offset)
{
    reply_raw(&relay->kept, at(relay, relay->passed), offset - relay->passed);
    relay->passed = offset;
    return !relay->kept.failed;
}

void relay_reset(struct relay *relay)
{
    reply_free(&relay->kept);
}
