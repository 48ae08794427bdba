#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The line that ends after `len` bytes at most: its length with CR LF, or 0. */
static size_t line_length(const char *at, size_t len)
{
    const char *end = memchr(at, '\n', len);
    return end == NULL ? 0 : (size_t)(end + 1 - at);
}

static size_t bulk_length(const char *at, size_t len, size_t line)
{
    long size = strtol(at + 1, NULL, 10);
    size_t all = size < 0 ? line : line + (size_t)size + 2;
    return all <= len ? all : 0;
}

static size_t array_length(const char *at, size_t len, size_t line)
{
    size_t all = line;
    for (long left = strtol(at + 1, NULL, 10); left > 0; left--) {
        size_t part = reply_length(at + all, len - all);
        if (part == 0) {
            return 0;
        }
        all += part;
    }
    return all;
}

size_t reply_length(const char *at, size_t len)
{
    size_t line = line_length(at, len);
    if (line == 0) {
        return 0;
    }
    switch (at[0]) {
    case '+':
    case '-':
    case ':': return line;
    case '$': return bulk_length(at, len, line);
    case '*': return array_length(at, len, line);
    default: fprintf(stderr, "load: this is no reply: %.*s\n", (int)line, at); exit(1);
    }
}

static void text_of(const char *from, size_t len, char *text, size_t room)
{
    len = len < room - 1 ? len : room - 1;
    memcpy(text, from, len);
    text[len] = '\0';
    for (char *blank = text; (blank = strpbrk(blank, " \r\n")) != NULL;) {
        *blank = '_';
    }
}

char reply_text(const char *at, char *text, size_t room)
{
    size_t line = line_length(at, (size_t)-1 >> 1);
    long size = strtol(at + 1, NULL, 10);
    text[0] = '\0';
    if ((at[0] == '$' && size < 0) || (at[0] == '*' && size <= 0)) {
        return '0';
    }
    if (at[0] == '*') {
        const char *element = at + line;
        for (; size > 1; size--) {
            element += reply_length(element, (size_t)-1 >> 1);
        }
        return reply_text(element, text, room);
    }
    if (at[0] == '$') {
        text_of(at + line, (size_t)size, text, room);
    } else {
        text_of(at + 1, line - 3, text, room);
    }
    return at[0] == '-' ? '!' : '+';
}
