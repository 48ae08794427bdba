/*
 * A text for people (INFO, CLIENT LIST, the reports of LATENCY and MEMORY): written to a buffer of its own, since its
 * length stands before it on the wire, and then replied as one verbatim string.
 */
#ifndef ORDINAL_COMMANDS_TEXT_H
#define ORDINAL_COMMANDS_TEXT_H

#include <stdarg.h>

#include "commands/call.h"

/* Adds to a text; what is beyond 1,023 bytes in one call is cut. */
void text_addf(struct reply *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_addv(struct reply *text, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Replies with the text, or with an error when memory ran out while it was written; frees it. */
void text_reply(struct call *c, struct reply *text);

#endif
