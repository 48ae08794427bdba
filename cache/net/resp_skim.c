#include "net/resp_skim.h"

#include <string.h>

#include "types/number.h"

enum { MAX_LENGTH = INT32_MAX }; /* of an aggregate, as Redis's own readers have it */

/* How many values may be to come at a time: so that the sum cannot overflow. */
static const uint64_t max_values = (uint64_t)1 << 62;

/* Whether a type's line is all there is of the value. */
static bool is_value(char type)
{
    return type != '\0' && strchr("+-:_,#(", type) != NULL;
}

/* … or says how long its body is … */
static bool is_string(char type)
{
    return type == '$' || type == '=' || type == '!';
}

/* … or how many values it holds. */
static bool is_aggregate(char type)
{
    return type != '\0' && strchr("*~>%|", type) != NULL;
}

/* The first byte of a line. */
static bool begin_line(struct resp_skim *s, char type)
{
    if (!is_value(type) && !is_string(type) && !is_aggregate(type)) {
        return false;
    }
    if (!s->started) {
        s->started = true;
        s->values = 1;
        s->push = type == '>';
    }
    s->type = type;
    s->line = 1;
    s->cr = false;
    return true;
}

/* A value is complete but for what it says that follows: `more` values. An attribute stands before the value that it is about. */
static bool end_value(struct resp_skim *s, char type, uint64_t more)
{
    s->values += more - (type != '|');
    return s->values < max_values;
}

/* A line that says how much follows. */
static bool end_head(struct resp_skim *s)
{
    int64_t length;
    size_t len = s->line - 3; /* without the type and the line end */
    if (!number_parse_i64(s->head, len, &length) || length < -1 ||
        (length < 0 && s->type != '$' && s->type != '*')) {
        return false;
    }
    if (is_string(s->type)) {
        if (length >= 0) {
            s->body = (uint64_t)length + 2;
            return true;
        }
    } else if (length > 0) {
        bool pairs = s->type == '%' || s->type == '|';
        return length <= MAX_LENGTH && end_value(s, s->type, (uint64_t)length * (pairs ? 2 : 1));
    }
    return end_value(s, s->type, 0);
}

/* Bytes of a line, up to its end. */
static size_t take_line(struct resp_skim *s, const char *data, size_t len, bool *valid)
{
    const char *end = memchr(data, '\n', len);
    size_t used = end != NULL ? (size_t)(end - data) + 1 : len;
    size_t most = is_value(s->type) ? RESP_SKIM_MAX_LINE : RESP_SKIM_MAX_HEAD;
    *valid = s->line + used <= most;
    if (!*valid) {
        return used;
    }
    if (!is_value(s->type)) {
        memcpy(s->head + s->line - 1, data, used);
    }
    s->line += (uint32_t)used;
    if (end == NULL) {
        s->cr = data[used - 1] == '\r';
        return used;
    }
    *valid = s->line > 2 && (used > 1 ? end[-1] == '\r' : s->cr) &&
             (is_value(s->type) ? end_value(s, s->type, 0) : end_head(s));
    s->type = '\0';
    return used;
}

/* Bytes of a string, and its line end. */
static size_t take_body(struct resp_skim *s, const char *data, size_t len, bool *valid)
{
    size_t used = s->body < len ? (size_t)s->body : len;
    uint64_t left = s->body - used;
    *valid = (s->body < 2 || left > 1 || data[s->body - 2] == '\r') && (left > 0 || data[used - 1] == '\n');
    s->body = left;
    if (left == 0) {
        end_value(s, '$', 0);
    }
    return used;
}

size_t resp_skim(struct resp_skim *s, const char *data, size_t len, enum resp_skim_status *status)
{
    size_t at = 0;
    bool valid = true;
    while (at < len) {
        if (s->body > 0) {
            at += take_body(s, data + at, len - at, &valid);
        } else if (s->type != '\0') {
            at += take_line(s, data + at, len - at, &valid);
        } else {
            valid = begin_line(s, data[at++]);
        }
        if (!valid) {
            *status = RESP_SKIM_INVALID;
            return at;
        }
        if (s->started && s->values == 0) {
            s->started = false;
            *status = s->push ? RESP_SKIM_PUSH : RESP_SKIM_REPLY;
            return at;
        }
    }
    *status = RESP_SKIM_MORE;
    return at;
}
