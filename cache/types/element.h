/*
 * An element of a listpack or of a packed run: a string or an integer, under the encodings of Redis's listpacks (source: the
 * listpack specification, antirez/listpack), but for what a listpack puts behind each.
 *
 *   0xxxxxxx                          0 … 127                 11110001 + 2 bytes   16-bit integer
 *   10llllll + bytes                  string, l < 64          11110010 + 3 bytes   24-bit integer
 *   110xxxxx xxxxxxxx                 -4096 … 4095            11110011 + 4 bytes   32-bit integer
 *   1110llll llllllll + bytes         string, l < 4096        11110100 + 8 bytes   64-bit integer
 *   11110000 + 4 bytes l + bytes      any string
 *
 * Here for listpack.c and packed.c, whose loops have it inline: an element's length comes from its first byte alone.
 */
#ifndef ORDINAL_TYPES_ELEMENT_H
#define ORDINAL_TYPES_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "slice.h"
#include "types/number.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are little endian");

/* An element as it was read: a number, or bytes that live as long as the run is not edited. */
struct listpack_value {
    bool is_int;
    int64_t number;
    struct slice bytes; /* only when !is_int */
};

/* The value as text. `room` (NUMBER_I64_MAX_CHARS bytes) takes the digits of an integer. */
static inline struct slice listpack_text(const struct listpack_value *value, char *room)
{
    if (!value->is_int) {
        return value->bytes;
    }
    return (struct slice){room, number_format_i64(room, value->number)};
}

/* An element ready to be written. `size` is what it takes. */
struct element {
    size_t size;
    struct slice tail; /* the bytes of a string, still where the caller has them */
    uint8_t head[9];
    uint8_t head_len;
};

enum {
    ELEMENT_STRING_6 = 0x80,
    ELEMENT_INT_13 = 0xC0,
    ELEMENT_STRING_12 = 0xE0,
    ELEMENT_STRING_32 = 0xF0,
    ELEMENT_INT_16 = 0xF1,
    ELEMENT_INT_24 = 0xF2,
    ELEMENT_INT_32 = 0xF3,
    ELEMENT_INT_64 = 0xF4,
};

static inline uint32_t element_load_32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Bytes of an element: of encoding and data, from the encoding alone; 0 for an encoding that does not exist. */
static inline size_t element_data_bytes(const uint8_t *p)
{
    uint8_t first = p[0];
    if (first < ELEMENT_STRING_6) {
        return 1;
    }
    if (first < ELEMENT_INT_13) {
        return 1 + (first & 0x3Fu);
    }
    if (first < ELEMENT_STRING_12) {
        return 2;
    }
    if (first < ELEMENT_STRING_32) {
        return 2 + ((first & 0x0Fu) << 8 | p[1]);
    }
    switch (first) {
    case ELEMENT_STRING_32: return 5 + (size_t)element_load_32(p + 1);
    case ELEMENT_INT_16: return 3;
    case ELEMENT_INT_24: return 4;
    case ELEMENT_INT_32: return 5;
    case ELEMENT_INT_64: return 9;
    default: return 0;
    }
}

static inline void element_put_int(struct element *e, uint8_t encoding, int64_t number, uint8_t bytes)
{
    e->head[0] = encoding;
    memcpy(e->head + 1, &number, 8); /* little endian: the low bytes come first, the rest is not written */
    e->head_len = (uint8_t)(1 + bytes);
}

static inline struct element element_encode_int(int64_t number)
{
    struct element e = {.size = 0};
    if (number >= 0 && number <= 127) {
        e.head[0] = (uint8_t)number;
        e.head_len = 1;
    } else if (number >= -4096 && number <= 4095) {
        e.head[0] = (uint8_t)(ELEMENT_INT_13 | ((uint64_t)number >> 8 & 0x1F));
        e.head[1] = (uint8_t)number;
        e.head_len = 2;
    } else if (number >= INT16_MIN && number <= INT16_MAX) {
        element_put_int(&e, ELEMENT_INT_16, number, 2);
    } else if (number >= -(1 << 23) && number < 1 << 23) {
        element_put_int(&e, ELEMENT_INT_24, number, 3);
    } else if (number >= INT32_MIN && number <= INT32_MAX) {
        element_put_int(&e, ELEMENT_INT_32, number, 4);
    } else {
        element_put_int(&e, ELEMENT_INT_64, number, 8);
    }
    e.size = e.head_len + e.tail.len;
    return e;
}

/* Bytes of a string of this length. */
static inline size_t element_string_bytes(size_t len)
{
    return len + (len < 64 ? 1 : len < 4096 ? 2 : 5);
}

static inline struct element element_encode_string(struct slice bytes)
{
    struct element e = {.tail = bytes};
    if (bytes.len < 64) {
        e.head[0] = (uint8_t)(ELEMENT_STRING_6 | bytes.len);
        e.head_len = 1;
    } else if (bytes.len < 4096) {
        e.head[0] = (uint8_t)(ELEMENT_STRING_12 | bytes.len >> 8);
        e.head[1] = (uint8_t)bytes.len;
        e.head_len = 2;
    } else {
        uint32_t len = (uint32_t)bytes.len;
        e.head[0] = ELEMENT_STRING_32;
        memcpy(e.head + 1, &len, sizeof len);
        e.head_len = 5;
    }
    e.size = e.head_len + e.tail.len;
    return e;
}

/* Most texts are told from integers by their first byte. */
static inline bool element_may_be_int(struct slice bytes)
{
    return bytes.len > 0 && bytes.len <= NUMBER_I64_MAX_CHARS && (uint8_t)bytes.ptr[0] <= '9';
}

/* An integer when the bytes are the one spelling of one, else a string. */
static inline struct element element_encode(struct slice bytes)
{
    int64_t number;
    if (element_may_be_int(bytes) && number_parse_i64(bytes.ptr, bytes.len, &number)) {
        return element_encode_int(number);
    }
    return element_encode_string(bytes);
}

static inline int64_t element_int(const uint8_t *p)
{
    uint64_t value = 0;
    switch (p[0]) {
    case ELEMENT_INT_16: memcpy(&value, p + 1, 2); return (int16_t)value;
    case ELEMENT_INT_24: memcpy(&value, p + 1, 3); return (int32_t)((uint32_t)value << 8) >> 8;
    case ELEMENT_INT_32: memcpy(&value, p + 1, 4); return (int32_t)value;
    default: memcpy(&value, p + 1, 8); return (int64_t)value;
    }
}

static inline struct listpack_value element_string(const uint8_t *p, size_t len)
{
    return (struct listpack_value){.bytes = {(const char *)p, len}};
}

static inline struct listpack_value element_read(const uint8_t *p)
{
    uint8_t first = p[0];
    if (first < ELEMENT_STRING_6) {
        return (struct listpack_value){.is_int = true, .number = first};
    }
    if (first < ELEMENT_INT_13) {
        return element_string(p + 1, first & 0x3Fu);
    }
    if (first < ELEMENT_STRING_12) {
        int number = (first & 0x1F) << 8 | p[1];
        return (struct listpack_value){.is_int = true, .number = number < 4096 ? number : number - 8192};
    }
    if (first < ELEMENT_STRING_32) {
        return element_string(p + 2, (first & 0x0Fu) << 8 | p[1]);
    }
    if (first == ELEMENT_STRING_32) {
        return element_string(p + 5, element_load_32(p + 1));
    }
    return (struct listpack_value){.is_int = true, .number = element_int(p)};
}

static inline uint64_t element_load_64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Whether strings of the same length are the same. The members of a set and the fields of a hash mostly begin alike and are
 * mostly short: two words tell, without a call of memcmp for each. */
static inline bool element_same_bytes(const char *a, const char *b, size_t len)
{
    if (len < 8) {
        if (len < 4) {
            return memcmp(a, b, len) == 0;
        }
        return element_load_32((const uint8_t *)a) == element_load_32((const uint8_t *)b) &&
               element_load_32((const uint8_t *)a + len - 4) == element_load_32((const uint8_t *)b + len - 4);
    }
    if (element_load_64(a + len - 8) != element_load_64(b + len - 8)) {
        return false;
    }
    return len <= 16 ? element_load_64(a) == element_load_64(b) : memcmp(a, b, len - 8) == 0;
}

static inline void element_put(uint8_t *at, const struct element *e)
{
    memcpy(at, e->head, e->head_len);
    if (e->tail.len != 0) {
        memcpy(at + e->head_len, e->tail.ptr, e->tail.len);
    }
}

#endif
