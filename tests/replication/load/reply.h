/*
 * RESP2 replies as bytes: where one ends, and the parts of it that the load keeps. Nothing is copied.
 */
#ifndef ORDINAL_LOAD_REPLY_H
#define ORDINAL_LOAD_REPLY_H

#include <stddef.h>

/* The length of the reply at `at`, of which `len` bytes have come; 0 when it is not complete. A reply that is none ends the
 * program. */
size_t reply_length(const char *at, size_t len);

/* Writes what the reply says into `text` (of `room` bytes, always terminated): a number, a string, an error's text, or the last
 * element of an array; blanks become '_'. Returns '+', '0' for nil or an empty array, or '!' for an error. */
char reply_text(const char *at, char *text, size_t room);

#endif
