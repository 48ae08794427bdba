/*
 * Ziplists are decoded by one function, entry_at, which checks each length against the end that it is given: the validator and
 * the reader cannot come to different views of the same bytes.
 */
#include "persist/ziplist.h"

#include <string.h>

#include "types/number.h"

enum { HEADER = 10, LEAST = HEADER + 1, END = 0xFF, LONG_PREVIOUS = 0xFE, UNKNOWN_COUNT = 65535 };

static uint32_t little(const uint8_t *bytes, size_t n)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value |= (uint32_t)bytes[i] << (8 * i);
    }
    return value;
}

static int64_t signed_little(const uint8_t *bytes, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    unsigned unused = 64 - 8 * (unsigned)n;
    return (int64_t)(value << unused) >> unused;
}

/* Bytes of an integer's data by its encoding; SIZE_MAX when it is none. 0: in the encoding itself. */
static size_t int_size(uint8_t encoding)
{
    switch (encoding) {
    case 0xC0: return 2;
    case 0xD0: return 4;
    case 0xE0: return 8;
    case 0xF0: return 3;
    case 0xFE: return 1;
    default: return encoding >= 0xF1 && encoding <= 0xFD ? 0 : SIZE_MAX;
    }
}

/* The head of a string: its bytes, and the length of the string; 0 when that is beyond `left`. */
static size_t string_head(const uint8_t *p, size_t left, size_t *len)
{
    size_t head = p[0] >> 6 == 0 ? 1 : p[0] >> 6 == 1 ? 2 : 5;
    if (left < head) {
        return 0;
    }
    if (head == 1) {
        *len = p[0] & 0x3F;
    } else if (head == 2) {
        *len = (size_t)(p[0] & 0x3F) << 8 | p[1];
    } else {
        *len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    }
    return left - head >= *len ? head : 0;
}

/* Reads the entry that begins at p with `left` bytes up to the end's marker. Returns its bytes, or 0 when it is none. */
static size_t entry_at(const uint8_t *p, size_t left, size_t *previous, struct ziplist_value *value)
{
    size_t at = p[0] == LONG_PREVIOUS ? 5 : 1;
    if (p[0] == END || left <= at) {
        return 0;
    }
    *previous = at == 5 ? little(p + 1, 4) : p[0];
    uint8_t encoding = p[at];
    if (encoding >> 6 != 3) {
        size_t len;
        size_t head = string_head(p + at, left - at, &len);
        *value = (struct ziplist_value){.bytes = {(const char *)p + at + head, head != 0 ? len : 0}};
        return head != 0 ? at + head + len : 0;
    }
    size_t size = int_size(encoding);
    if (size > left - at - 1) {
        return 0;
    }
    *value = (struct ziplist_value){
        .is_int = true,
        .number = size == 0 ? (encoding & 0x0F) - 1 : signed_little(p + at + 1, size),
    };
    return at + 1 + size;
}

bool ziplist_validate(const uint8_t *bytes, size_t len, size_t *count)
{
    struct ziplist_value value;
    size_t last = HEADER;
    size_t size = 0, previous;
    if (len < LEAST || little(bytes, 4) != len || bytes[len - 1] != END) {
        return false;
    }
    *count = 0;
    for (size_t at = HEADER; at < len - 1; at += size) {
        size_t before = size;
        last = at;
        size = entry_at(bytes + at, len - 1 - at, &previous, &value);
        if (size == 0 || previous != before) {
            return false;
        }
        *count += 1;
    }
    uint32_t told = little(bytes + 8, 2);
    return little(bytes + 4, 4) == last && (told == UNKNOWN_COUNT || told == *count);
}

bool ziplist_next(const uint8_t *bytes, size_t *at, struct ziplist_value *value)
{
    size_t end = little(bytes, 4) - 1;
    size_t previous;
    *at = *at == 0 ? HEADER : *at;
    if (*at >= end) {
        return false;
    }
    *at += entry_at(bytes + *at, end - *at, &previous, value);
    return true;
}

struct slice ziplist_text(const struct ziplist_value *value, char *room)
{
    if (value->is_int) {
        return (struct slice){room, number_format_i64(room, value->number)};
    }
    return value->bytes;
}
