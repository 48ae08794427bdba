/*
 * What SCAN has in common with HSCAN, SSCAN and ZSCAN: the cursor, the options, and a reply whose next cursor stands before the
 * elements although it is known after them. Those three are scan_collection with a step that replies with elements:
 *
 *   if (scan_matches(scan, element)) { reply_bulk…(…); scan->replied++; }
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

/* One step through a collection: replies with what it holds from scan->cursor on, and returns the next cursor. */
typedef uint64_t scan_step(struct scan *scan, const struct entry *e);

/* The whole of HSCAN, SSCAN or ZSCAN. */
void scan_collection(struct call *c, enum entry_type type, scan_step *step);

/* Whether MATCH wants an element (a key, a field, a member). */
bool scan_matches(const struct scan *scan, struct slice element);

#endif
