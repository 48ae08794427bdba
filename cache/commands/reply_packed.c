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

/* Writes the element at *pos, which moves to the one after the next `skip`. */
static char *put_element(char *to, const struct packed *run, size_t *pos, size_t skip)
{
    struct slice bytes;
    size_t at;
    if (__builtin_expect(packed_short_string(run, *pos, &bytes, &at), 1)) {
        to = put_bulk(to, bytes);
    } else {
        char digits[NUMBER_I64_MAX_CHARS];
        struct listpack_value value = packed_read(run, *pos);
        to = put_bulk(to, listpack_text(&value, digits));
        at = packed_after(run, *pos);
    }
    *pos = skip > 0 ? packed_skip(run, at, skip) : at;
    return to;
}

void reply_packed(struct reply *r, struct packed run, uint64_t count, size_t first, size_t skip)
{
    size_t pos = packed_skip(&run, PACKED_FIRST, first);
    char *to = reply_reserve(r, run.len + count * OVERHEAD);
    if (to == NULL) {
        return;
    }
    while (pos < run.len) {
        to = put_element(to, &run, &pos, skip);
    }
    r->len = (size_t)(to - r->data);
}
