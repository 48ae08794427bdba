/*
 * What SCAN has in common with HSCAN, SSCAN and ZSCAN: the cursor, the options, and a reply whose next cursor stands before the
 * elements although it is known after them.
 *
 *   if (!scan_parse_cursor(c, c->argv[2], &scan)) return;      then the key is looked up (scan_reply_nothing() without it)
 *   if (!scan_parse_options(c, 3, &scan)) return;
 *   scan_begin(&scan);
 *   …   if (scan_matches(&scan, element)) { reply_bulk…(…); scan.replied++; }
 *   scan_end(&scan, next_cursor);
 */
#ifndef ORDINAL_COMMANDS_SCAN_H
#define ORDINAL_COMMANDS_SCAN_H

#include "commands/call.h"

struct scan {
    struct call *c;
    uint64_t cursor;      /* to go on from */
    uint32_t count;       /* COUNT, 1 or more */
    struct slice pattern; /* MATCH; ptr NULL: any */
    struct slice type;    /* TYPE, of SCAN alone; ptr NULL: any */
    bool no_values;       /* NOVALUES, of HSCAN alone */
    size_t start, hole;   /* where in the reply the cursor and the elements begin */
    int64_t replied;      /* elements in the reply: kept by the caller */
};

/* Begins a scan with its cursor; replies with the error and returns false when it is none. */
bool scan_parse_cursor(struct call *c, struct slice cursor, struct scan *scan);

/* The options from argv[from] on; as above. TYPE is one where the command has no key. */
bool scan_parse_options(struct call *c, size_t from, struct scan *scan);

/* Whether MATCH wants an element (a key, a field, a member). */
bool scan_matches(const struct scan *scan, struct slice element);

/* The reply: scan_begin, the elements, scan_end; or the whole of it for a key that is not there. */
void scan_begin(struct scan *scan);
void scan_end(const struct scan *scan, uint64_t cursor);
void scan_reply_nothing(struct call *c);

#endif
