#include "net/reply.h"

#include <stdarg.h>
#include <stdio.h>

#include "memory.h"
#include "types/number.h"

enum { FIRST_CAP = 16 * 1024 };

void reply_free(struct reply *r)
{
    mem_free(r->data, r->cap);
    *r = (struct reply){.resp = r->resp};
}

void reply_reset(struct reply *r, size_t keep)
{
    if (r->cap > keep) {
        reply_free(r);
    }
    r->len = 0;
    r->failed = false;
}

char *reply_reserve_slow(struct reply *r, size_t size)
{
    size_t cap = r->cap < FIRST_CAP ? FIRST_CAP : r->cap;
    while (cap - r->len < size) {
        cap += cap;
    }
    char *data = r->failed ? NULL : mem_realloc(r->data, r->cap, cap);
    if (data == NULL) {
        r->failed = true;
        return NULL;
    }
    r->data = data;
    r->cap = cap;
    return r->data + r->len;
}

void reply_raw(struct reply *r, const char *bytes, size_t len)
{
    char *at = reply_reserve(r, len);
    if (at != NULL && len > 0) {
        memcpy(at, bytes, len);
        r->len += len;
    }
}

void reply_ok(struct reply *r)
{
    REPLY_LITERAL(r, "+OK\r\n");
}

/* A line: its type, text without line ends, CR LF. */
static void line(struct reply *r, char type, const char *text, size_t len)
{
    char *at = reply_reserve(r, len + 3);
    if (at == NULL) {
        return;
    }
    at[0] = type;
    for (size_t i = 0; i < len; i++) {
        at[1 + i] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    }
    memcpy(at + 1 + len, "\r\n", 2);
    r->len += len + 3;
}

void reply_status(struct reply *r, const char *text)
{
    line(r, '+', text, strlen(text));
}

/* As Redis: line ends at the end are cut off, those inside become spaces. */
static void error_line(struct reply *r, const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\r' || text[len - 1] == '\n')) {
        len--;
    }
    line(r, '-', text, len);
}

void reply_error(struct reply *r, const char *text)
{
    error_line(r, text, strlen(text));
}

void reply_errorf(struct reply *r, const char *format, ...)
{
    char small[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    size_t size = len < 0 ? 0 : (size_t)len + 1;
    char *text = size <= sizeof small ? small : mem_alloc(size);
    if (text == NULL) {
        error_line(r, small, sizeof small - 1);
        return;
    }
    if (text != small) {
        va_start(args, format);
        vsnprintf(text, size, format, args);
        va_end(args);
    }
    error_line(r, text, size > 0 ? size - 1 : 0);
    if (text != small) {
        mem_free(text, size);
    }
}

/* A head: type, number, CR LF; in one reservation of the largest size. */
static void head(struct reply *r, char type, int64_t value)
{
    char *at = reply_reserve(r, 24);
    if (at == NULL) {
        return;
    }
    at[0] = type;
    size_t n = 1;
    if (value >= 0 && value < 10) {
        at[n++] = (char)('0' + value);
    } else {
        n += number_format_i64(at + 1, value);
    }
    memcpy(at + n, "\r\n", 2);
    r->len += n + 2;
}

void reply_int(struct reply *r, int64_t value)
{
    head(r, ':', value);
}

void reply_bool(struct reply *r, bool value)
{
    if (r->resp == 2) {
        head(r, ':', value);
    } else {
        reply_raw(r, value ? "#t\r\n" : "#f\r\n", 4);
    }
}

/* The fewest digits that read back as the same number, as Redis 7.2 writes them. */
void reply_double(struct reply *r, double value)
{
    char text[NUMBER_DOUBLE_MAX_CHARS + 1];
    size_t len = number_format_double(text, value);
    if (r->resp == 2) {
        reply_bulk(r, text, len);
    } else {
        line(r, ',', text, len);
    }
}

void reply_bulk_pair(struct reply *r, struct slice a, struct slice b)
{
    size_t len = a.len + b.len;
    char *at = reply_reserve(r, len + 32);
    if (at == NULL) {
        return;
    }
    at[0] = '$';
    size_t n = 1 + number_format_i64(at + 1, (int64_t)len);
    memcpy(at + n, "\r\n", 2);
    n += 2;
    memcpy(at + n, a.ptr, a.len);
    if (b.len > 0) {
        memcpy(at + n + a.len, b.ptr, b.len);
    }
    memcpy(at + n + len, "\r\n", 2);
    r->len += n + len + 2;
}

void reply_bulk(struct reply *r, const void *bytes, size_t len)
{
    reply_bulk_pair(r, (struct slice){bytes, len}, (struct slice){NULL, 0});
}

void reply_bulk_slice(struct reply *r, struct slice s)
{
    reply_bulk(r, s.ptr, s.len);
}

void reply_bulk_string(struct reply *r, const char *text)
{
    reply_bulk(r, text, strlen(text));
}

void reply_bulk_int(struct reply *r, int64_t value)
{
    char text[24];
    reply_bulk(r, text, number_format_i64(text, value));
}

void reply_bulkf(struct reply *r, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reply_bulk(r, text, len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

void reply_verbatim(struct reply *r, const char *format, struct slice text)
{
    if (r->resp == 2) {
        reply_bulk_slice(r, text);
        return;
    }
    head(r, '=', (int64_t)text.len + 4);
    reply_raw(r, format, 3);
    REPLY_LITERAL(r, ":");
    reply_raw(r, text.ptr, text.len);
    REPLY_LITERAL(r, "\r\n");
}

void reply_null(struct reply *r)
{
    if (r->resp == 2) {
        REPLY_LITERAL(r, "$-1\r\n");
    } else {
        REPLY_LITERAL(r, "_\r\n");
    }
}

void reply_null_array(struct reply *r)
{
    if (r->resp == 2) {
        REPLY_LITERAL(r, "*-1\r\n");
    } else {
        REPLY_LITERAL(r, "_\r\n");
    }
}

void reply_array(struct reply *r, int64_t count)
{
    head(r, '*', count);
}

void reply_map(struct reply *r, int64_t pairs)
{
    if (r->resp == 2) {
        head(r, '*', pairs * 2);
    } else {
        head(r, '%', pairs);
    }
}

void reply_set(struct reply *r, int64_t count)
{
    head(r, r->resp == 2 ? '*' : '~', count);
}

void reply_push(struct reply *r, int64_t count)
{
    head(r, r->resp == 2 ? '*' : '>', count);
}

size_t reply_hole(const struct reply *r)
{
    return r->len;
}

/* Writes the head at the end, then turns it round to the hole. */
static void fill(struct reply *r, size_t hole, void (*begin)(struct reply *, int64_t), int64_t count)
{
    char text[32];
    size_t end = r->len;
    begin(r, count);
    if (r->failed) {
        return;
    }
    size_t len = r->len - end;
    memcpy(text, r->data + end, len);
    memmove(r->data + hole + len, r->data + hole, end - hole);
    memcpy(r->data + hole, text, len);
}

void reply_fill_array(struct reply *r, size_t hole, int64_t count)
{
    fill(r, hole, reply_array, count);
}

void reply_fill_map(struct reply *r, size_t hole, int64_t pairs)
{
    fill(r, hole, reply_map, pairs);
}

void reply_fill_set(struct reply *r, size_t hole, int64_t count)
{
    fill(r, hole, reply_set, count);
}
