/*
 * Fuzzes skimming over replies. An input is skimmed whole, then in pieces whose cuts it chooses itself: the ends, what they end, and
 * where the stream is refused must be the same. A second reader, simple and recursive, must agree on where each reply ends.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/resp_skim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_DEPTH = 1000 };

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* What came out: a running hash over the ends. */
struct outcome {
    uint64_t hash;
    bool refused;
};

static void note(struct outcome *o, enum resp_skim_status status, size_t at)
{
    o->refused = status == RESP_SKIM_INVALID; /* where within a piece that is seen says nothing */
    o->hash = (o->hash * 31 + (o->refused ? 0 : at)) * 31 + status;
}

static void feed(struct resp_skim *s, const char *data, size_t from, size_t to, struct outcome *o)
{
    while (from < to && !o->refused) {
        enum resp_skim_status status;
        size_t used = resp_skim(s, data + from, to - from, &status);
        check(used > 0 && used <= to - from);
        from += used;
        check(status != RESP_SKIM_MORE || from == to);
        if (status != RESP_SKIM_MORE) {
            note(o, status, from);
        }
    }
}

/* ---- the other reader: one value from *at on. False: not complete, or no RESP ------------------------------ */

static bool read_line(const char *data, size_t size, size_t *at, long long *length)
{
    const char *end = memchr(data + *at, '\n', size - *at);
    if (end == NULL) {
        return false;
    }
    *length = strtoll(data + *at + 1, NULL, 10);
    *at = (size_t)(end - data) + 1;
    return true;
}

static bool read_value(const char *data, size_t size, size_t *at, int depth)
{
    long long length;
    char type = *at < size ? data[*at] : '\0';
    if (depth > MAX_DEPTH || type == '\0' || !read_line(data, size, at, &length)) {
        return false;
    }
    if (strchr("$=!", type) != NULL) {
        if (length >= 0 && (unsigned long long)length + 2 > size - *at) {
            return false;
        }
        *at += length >= 0 ? (size_t)length + 2 : 0;
        return true;
    }
    bool aggregate = strchr("*~>%|", type) != NULL;
    long long values = aggregate && length > 0 ? length : 0;
    if (values > (long long)size) {
        return false;
    }
    values *= type == '%' || type == '|' ? 2 : 1;
    values += type == '|';
    while (values-- > 0) {
        if (!read_value(data, size, at, depth + 1)) {
            return false;
        }
    }
    return true;
}

static void compare_ends(const char *data, size_t size)
{
    struct resp_skim s;
    enum resp_skim_status status;
    size_t at = 0;
    resp_skim_init(&s);
    while (at < size) {
        size_t other = at;
        bool complete = read_value(data, size, &other, 0);
        at += resp_skim(&s, data + at, size - at, &status);
        if (status != RESP_SKIM_REPLY && status != RESP_SKIM_PUSH) {
            check(status == RESP_SKIM_INVALID || !complete);
            return;
        }
        check(!complete || other == at); /* not complete: too deep for the other one */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size + 1); /* exactly as much may be read */
    struct outcome whole = {0};
    struct outcome pieces = {0};
    struct resp_skim s;
    memcpy(bytes, data, size);
    bytes[size] = '\0';
    resp_skim_init(&s);
    feed(&s, bytes, 0, size, &whole);
    resp_skim_init(&s);
    for (size_t at = 0; at < size;) {
        size_t piece = 1 + data[at] % 23;
        piece = piece < size - at ? piece : size - at;
        feed(&s, bytes, at, at + piece, &pieces);
        at += piece;
    }
    check(whole.hash == pieces.hash && whole.refused == pieces.refused);
    compare_ends(bytes, size);
    free(bytes);
    return 0;
}
