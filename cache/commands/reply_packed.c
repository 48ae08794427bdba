#include "commands/reply_packed.h"

enum { OVERHEAD = 32 }; /* more than a bulk string takes beyond what its element takes in the run */

static char *put_line_end(char *to)
{
    memcpy(to, "\r\n", 2);
    return to + 2;
}

static char *put_bulk(char *to, struct slice bytes)
{
    *to++ = '$';
    if (__builtin_expect(bytes.len < 10, 1)) {
        *to++ = (char)('0' + bytes.len);
    } else if (bytes.len < 100) {
        *to++ = (char)('0' + bytes.len / 10);
        *to++ = (char)('0' + bytes.len % 10);
    } else {
        to += number_format_u64(to, bytes.len);
    }
    to = put_line_end(to);
    memcpy(to, bytes.ptr, bytes.len);
    return put_line_end(to + bytes.len);
}

/* Writes the element at `at`, and says where the next one begins. */
static inline const uint8_t *put_element(char **to, const uint8_t *at)
{
    if (__builtin_expect((*at & 0xC0) == ELEMENT_STRING_6, 1)) {
        size_t len = *at & 0x3Fu;
        *to = put_bulk(*to, (struct slice){(const char *)at + 1, len});
        return at + 1 + len;
    }
    char digits[NUMBER_I64_MAX_CHARS];
    struct listpack_value value = element_read(at);
    *to = put_bulk(*to, listpack_text(&value, digits));
    return at + element_data_bytes(at);
}

void reply_packed(struct reply *r, struct packed run, uint64_t count, size_t first, size_t skip)
{
    const uint8_t *end = run.bytes + run.len;
    const uint8_t *at = run.bytes + packed_skip(&run, PACKED_FIRST, first);
    char *to = reply_reserve(r, run.len + count * OVERHEAD);
    if (to == NULL) {
        return;
    }
    while (at < end) {
        at = put_element(&to, at);
        if (skip > 0) {
            at = run.bytes + packed_skip(&run, (size_t)(at - run.bytes), skip);
        }
    }
    r->len = (size_t)(to - r->data);
}
