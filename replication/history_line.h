/*
 * The history line: what a node says of its history when it is asked `REPLCONF history`, in one line of text.
 *
 *     +HISTORY <state> <epoch> <offset> <id> <clock>
 *
 * state: "serves" (a master), "follows" (a replica that has data), "loads" (it cannot say yet: ask again), "recovers" (a master
 * that asks others itself). clock: the node's wall time in milliseconds since 1970, by which its deadlines are to be read. Redis and Valkey answer with an error, which is no history.
 */
#ifndef ORDINAL_REPLICATION_HISTORY_LINE_H
#define ORDINAL_REPLICATION_HISTORY_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_LINE_SIZE = 160, HISTORY_LINE_ID = 40 };

enum history_state { HISTORY_SERVES, HISTORY_FOLLOWS, HISTORY_LOADS, HISTORY_RECOVERS };

struct history_line {
    enum history_state state;
    int64_t epoch, offset;
    char id[HISTORY_LINE_ID + 1];
    int64_t clock;
};

/* Without the "+" and the end of the line. */
void history_line_write(const struct history_line *line, char text[HISTORY_LINE_SIZE]);

/* False when it is none. */
bool history_line_read(const char *text, struct history_line *line);

/* Whether `a` has more: of a later epoch, or further in the same one. */
bool history_line_is_newer(const struct history_line *a, const struct history_line *b);

#endif
