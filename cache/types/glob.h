/*
 * Glob patterns as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET know them:
 *
 *   *        any bytes, also none        ?        exactly one byte
 *   [abc]    one of these bytes          [^abc]   one byte that is none of these
 *   [a-z]    one byte of this range      \x       the byte x itself, also inside a class
 *
 * Everything works on bytes; UTF-8 is not looked into.
 */
#ifndef ORDINAL_TYPES_GLOB_H
#define ORDINAL_TYPES_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/*
 * True if the whole of s (slen bytes, any bytes) matches the whole of pattern (plen bytes). With nocase,
 * ASCII letters match in either case. Takes at most plen * slen steps and no memory, whatever the pattern.
 */
bool glob_match(const char *pattern, size_t plen, const char *s, size_t slen, bool nocase);

#endif
