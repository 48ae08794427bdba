#include "net/resp.h"

#include <ctype.h>
#include <stdio.h>

#include "memory.h"
#include "types/number.h"

void resp_args_free(struct resp_args *args)
{
    mem_free(args->items, args->cap * sizeof *args->items);
    mem_free(args->unquoted, args->unquoted_cap);
    *args = (struct resp_args){0};
}

static bool push_slow(struct resp_args *args)
{
    size_t cap = args->cap < 64 ? 64 : args->cap * 2;
    struct slice *items = mem_realloc(args->items, args->cap * sizeof *items, cap * sizeof *items);
    if (items == NULL) {
        return false;
    }
    args->items = items;
    args->cap = cap;
    return true;
}

static bool push(struct resp_args *args, const char *ptr, size_t len)
{
    if (__builtin_expect(args->len == args->cap, 0) && !push_slow(args)) {
        return false;
    }
    args->items[args->len++] = (struct slice){ptr, len};
    return true;
}

static enum resp_status invalid(struct resp_parser *p, const char *why)
{
    snprintf(p->error, sizeof p->error, "%s", why);
    return RESP_INVALID;
}

/* ---- inline commands -------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char unescape(char c)
{
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* Room for `size` bytes behind the words that were unquoted so far. These may move, and their arguments
 * with them. */
static char *reserve_unquoted(struct resp_args *args, size_t size)
{
    if (args->len == 0) {
        args->unquoted_len = 0; /* nobody points there any more */
    }
    if (args->unquoted_cap - args->unquoted_len < size) {
        size_t cap = (args->unquoted_len + size) * 2;
        char *moved = mem_alloc(cap);
        if (moved == NULL) {
            return NULL;
        }
        if (args->unquoted_len > 0) {
            memcpy(moved, args->unquoted, args->unquoted_len);
        }
        for (size_t i = 0; i < args->len; i++) {
            size_t offset = (size_t)((uintptr_t)args->items[i].ptr - (uintptr_t)args->unquoted);
            if (args->unquoted != NULL && offset <= args->unquoted_len) {
                args->items[i].ptr = moved + offset;
            }
        }
        mem_free(args->unquoted, args->unquoted_cap);
        args->unquoted = moved;
        args->unquoted_cap = cap;
    }
    return args->unquoted + args->unquoted_len;
}

/* A quoted part of a word, from *at (behind the quote) on; its bytes go to `to`. Returns the end of these,
 * or NULL when the quote is not closed, or closed in the middle of a word. */
static char *unquote(const char **at, const char *end, char quote, char *to)
{
    const char *c = *at;
    while (c < end && *c != quote) {
        if (*c == '\\' && quote == '"' && end - c > 3 && c[1] == 'x' && hex_digit(c[2]) >= 0 &&
            hex_digit(c[3]) >= 0) {
            *to++ = (char)(hex_digit(c[2]) * 16 + hex_digit(c[3]));
            c += 4;
        } else if (*c == '\\' && quote == '"' && end - c > 1) {
            *to++ = unescape(c[1]);
            c += 2;
        } else if (*c == '\\' && quote == '\'' && end - c > 1 && c[1] == '\'') {
            *to++ = '\'';
            c += 2;
        } else {
            *to++ = *c++;
        }
    }
    if (c == end || (c + 1 < end && !isspace((unsigned char)c[1]))) {
        return NULL;
    }
    *at = c + 1;
    return to;
}

/* A word from *at on in which quotes were seen; moves *at behind it. */
static enum resp_status push_unquoted(struct resp_parser *p, const char **at, const char *end,
                                      struct resp_args *args)
{
    char *word = reserve_unquoted(args, (size_t)(end - *at));
    if (word == NULL) {
        return invalid(p, "out of memory");
    }
    char *to = word;
    while (*at < end && !isspace((unsigned char)**at)) {
        char c = *(*at)++;
        if (c != '"' && c != '\'') {
            *to++ = c;
            continue;
        }
        to = unquote(at, end, c, to);
        if (to == NULL) {
            return invalid(p, "unbalanced quotes in request");
        }
    }
    args->unquoted_len += (size_t)(to - word);
    return push(args, word, (size_t)(to - word)) ? RESP_REQUEST : invalid(p, "out of memory");
}

/* Splits a line into words, as the shell would. */
static enum resp_status split_line(struct resp_parser *p, const char *at, const char *end,
                                   struct resp_args *args)
{
    enum resp_status status = RESP_REQUEST;
    while (status == RESP_REQUEST) {
        while (at < end && isspace((unsigned char)*at)) {
            at++;
        }
        if (at == end) {
            break;
        }
        const char *word = at;
        while (at < end && !isspace((unsigned char)*at) && *at != '"' && *at != '\'') {
            at++;
        }
        if (at < end && !isspace((unsigned char)*at)) {
            at = word;
            status = push_unquoted(p, &at, end, args);
        } else if (!push(args, word, (size_t)(at - word))) {
            status = invalid(p, "out of memory");
        }
    }
    return status;
}

static enum resp_status parse_inline(struct resp_parser *p, const char *data, size_t len,
                                     struct resp_args *args)
{
    const char *line = data + p->pos;
    const char *newline = memchr(line, '\n', len - p->pos);
    if (newline == NULL) {
        if (len - p->pos > RESP_MAX_INLINE) {
            return invalid(p, "too big inline request");
        }
        return RESP_INCOMPLETE;
    }
    const char *end = newline > line && newline[-1] == '\r' ? newline - 1 : newline;
    enum resp_status status = split_line(p, line, end, args);
    p->pos = (size_t)(newline + 1 - data);
    return status;
}

/* ---- arrays of bulk strings --------------------------------------------------------------------- */

/* Reads the number of a head ("*3", "$512") whose type is at p->pos. Returns RESP_REQUEST with the number
 * and p->pos behind the line's end. A number that is none at all is given as INT64_MIN. */
static enum resp_status read_head(struct resp_parser *p, const char *data, size_t len, int64_t *number)
{
    const char *at = data + p->pos + 1;
    const char *end = data + len;
    /* Nearly every head is a few digits: read them without looking for the line's end first. */
    int64_t value = 0;
    const char *digit = at;
    while (digit < end && end - digit >= 2 && digit - at < 9 && (unsigned char)(*digit - '0') < 10) {
        value = value * 10 + (*digit++ - '0');
    }
    if (end - digit >= 2 && digit > at && digit[0] == '\r' && (*at != '0' || digit == at + 1)) {
        *number = value;
        p->pos = (size_t)(digit + 2 - data);
        return RESP_REQUEST;
    }
    const char *cr = memchr(at, '\r', (size_t)(end - at));
    if (cr == NULL || end - cr < 2) {
        return RESP_INCOMPLETE;
    }
    if (!number_parse_i64(at, (size_t)(cr - at), number)) {
        *number = INT64_MIN;
    }
    p->pos = (size_t)(cr + 2 - data);
    return RESP_REQUEST;
}

static enum resp_status read_count(struct resp_parser *p, const char *data, size_t len,
                                   const struct resp_limits *limits)
{
    int64_t count;
    if (read_head(p, data, len, &count) == RESP_INCOMPLETE) {
        if (len - p->pos > RESP_MAX_INLINE) {
            return invalid(p, "too big mbulk count string");
        }
        return RESP_INCOMPLETE;
    }
    if (count == INT64_MIN || count > INT32_MAX) {
        return invalid(p, "invalid multibulk length");
    }
    if (limits->unauthenticated && count > RESP_MAX_ARGS_UNAUTHENTICATED) {
        return invalid(p, "unauthenticated multibulk length");
    }
    p->remaining = count > 0 ? count : 0;
    p->bulk = -1;
    return RESP_REQUEST;
}

static enum resp_status read_bulk_len(struct resp_parser *p, const char *data, size_t len,
                                      const struct resp_limits *limits)
{
    if (p->pos >= len) {
        return RESP_INCOMPLETE;
    }
    if (data[p->pos] != '$') {
        snprintf(p->error, sizeof p->error, "expected '$', got '%c'", data[p->pos]);
        return RESP_INVALID;
    }
    int64_t bulk;
    if (read_head(p, data, len, &bulk) == RESP_INCOMPLETE) {
        if (len - p->pos > RESP_MAX_INLINE) {
            return invalid(p, "too big bulk count string");
        }
        return RESP_INCOMPLETE;
    }
    if (bulk < 0 || bulk > limits->max_bulk) {
        return invalid(p, "invalid bulk length");
    }
    if (limits->unauthenticated && bulk > RESP_MAX_BULK_UNAUTHENTICATED) {
        return invalid(p, "unauthenticated bulk length");
    }
    p->bulk = bulk;
    return RESP_REQUEST;
}

static enum resp_status parse_arguments(struct resp_parser *p, const char *data, size_t len,
                                        const struct resp_limits *limits, struct resp_args *args)
{
    while (p->remaining > 0) {
        if (p->bulk < 0) {
            enum resp_status status = read_bulk_len(p, data, len, limits);
            if (status != RESP_REQUEST) {
                return status;
            }
        }
        if (len - p->pos < (size_t)p->bulk + 2) {
            return RESP_INCOMPLETE;
        }
        if (!push(args, data + p->pos, (size_t)p->bulk)) {
            return invalid(p, "out of memory");
        }
        p->pos += (size_t)p->bulk + 2;
        p->bulk = -1;
        p->remaining--;
    }
    return RESP_REQUEST;
}

enum resp_status resp_parse(struct resp_parser *p, const char *data, size_t len,
                            const struct resp_limits *limits, struct resp_args *args)
{
    for (;;) {
        enum resp_status status;
        if (p->remaining > 0) {
            status = parse_arguments(p, data, len, limits, args);
        } else {
            p->start = p->pos;
            p->first = args->len;
            if (p->pos >= len) {
                return RESP_INCOMPLETE;
            }
            if (data[p->pos] != '*') {
                status = parse_inline(p, data, len, args);
            } else {
                status = read_count(p, data, len, limits);
                if (status == RESP_REQUEST) {
                    status = parse_arguments(p, data, len, limits, args);
                }
            }
        }
        if (status != RESP_REQUEST || args->len > p->first) {
            return status;
        }
    }
}

void resp_parser_rebase(struct resp_parser *p, struct resp_args *args, const char *from, const char *to)
{
    const char *start = from + p->start;
    /* Where nothing has moved what may be a million arguments is not looked at. */
    for (size_t i = p->first; i < args->len && start != to; i++) {
        args->items[i].ptr = to + (args->items[i].ptr - start);
    }
    p->pos -= p->start;
    p->start = 0;
}

size_t resp_parser_wants(const struct resp_parser *p, size_t len)
{
    if (p->remaining == 0 || p->bulk < 0) {
        return 0;
    }
    size_t needed = p->pos + (size_t)p->bulk + 2;
    return needed > len ? needed - len : 0;
}
