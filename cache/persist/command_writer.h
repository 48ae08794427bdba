/*
 * Commands as RESP, written where RDB is written (rdb_writer.h): what a base of an append-only file consists of that is no snapshot.
 * As with everything of a writer, whoever writes a whole value asks rdb_writer_ok at the end.
 *
 * Source: RESP, arrays of bulk strings.
 * Threads: as the writer's.
 */
#ifndef ORDINAL_PERSIST_COMMAND_WRITER_H
#define ORDINAL_PERSIST_COMMAND_WRITER_H

#include "persist/rdb_writer.h"
#include "slice.h"

/* Begins a command of so many words, the first of which is its name. */
void command_write_begin(struct rdb_writer *writer, uint64_t words);

/* The next word; or one that lies in two runs; or a number's text. */
void command_write_word(struct rdb_writer *writer, struct slice word);
void command_write_runs(struct rdb_writer *writer, struct slice head, struct slice tail);
void command_write_int(struct rdb_writer *writer, int64_t number);

#endif
