/*
 * The reaper: a thread that frees what would take long, a flushed database or a large value, and gives free
 * pages back to the system, so that no loop stalls. It runs at a lower priority than the loops. What is
 * handed to it is already unlinked: nobody else sees it any more.
 */
#ifndef ORDINAL_STORE_REAPER_H
#define ORDINAL_STORE_REAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/shard.h"

/* Starts the thread; ends the process when it cannot. Stopping waits until all is freed. */
void reaper_start(void);
void reaper_stop(void);

/* Frees `count` shards with all their entries, then the array itself (made by mem_alloc_lines). Any
 * thread. */
void reaper_free_shards(struct shard *shards, size_t count);

/* Frees an entry: here when that is quick, in the reaper's thread when its value is large. Any thread, the reaper's own too. */
void reaper_free_entry(struct entry *e);

/* For whoever frees something large piece by piece (256 items of a dict, a segment of a list): between two pieces. On the
 * reaper's thread it rests for a moment when the thread has worked for one, so that a loop that wants its core has it within
 * a tenth of a millisecond; on any other thread it does nothing. */
void reaper_rest(void);

/* Things that wait or are being freed now. */
uint64_t reaper_pending(void);

/* Things freed by the thread since start. */
uint64_t reaper_freed(void);

/* Waits until something has been freed or `ms` milliseconds have passed; returns at once when nothing is
 * pending. */
void reaper_wait(unsigned ms);

#endif
