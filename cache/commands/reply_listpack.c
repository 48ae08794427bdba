#include "commands/reply_listpack.h"

enum { OVERHEAD = 32 }; /* more than a bulk string takes beyond what its element takes in the listpack */

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
static char *put_element(char *to, const uint8_t *lp, size_t *pos, size_t skip)
{
    struct slice bytes;
    size_t at = *pos;
    if (__builtin_expect(listpack_short_string(lp, at, &bytes, &at), 1)) {
        to = put_bulk(to, bytes);
    } else {
        char digits[NUMBER_I64_MAX_CHARS];
        struct listpack_value value = listpack_read(lp, at);
        to = put_bulk(to, listpack_text(&value, digits));
        at = listpack_after(lp, at);
    }
    for (; skip > 0 && at < listpack_end(lp); skip--) {
        if (!listpack_short_string(lp, at, &bytes, &at)) {
            at = listpack_after(lp, at);
        }
    }
    *pos = at;
    return to;
}

void reply_listpack(struct reply *r, const uint8_t *lp, size_t first, size_t skip)
{
    size_t end = listpack_end(lp);
    size_t pos = LISTPACK_HEADER;
    if (first > 0 && pos < end) {
        pos = listpack_after(lp, pos);
    }
    char *to = reply_reserve(r, end + listpack_count(lp) * OVERHEAD);
    if (to == NULL) {
        return;
    }
    while (pos < end) {
        to = put_element(to, lp, &pos, skip);
    }
    r->len = (size_t)(to - r->data);
}
