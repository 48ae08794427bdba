/*
 * Where the memory goes: one account of it for INFO, MEMORY STATS and MEMORY DOCTOR.
 */
#ifndef ORDINAL_COMMANDS_MEMORY_REPORT_H
#define ORDINAL_COMMANDS_MEMORY_REPORT_H

#include "commands/server.h"
#include "memory.h"

struct memory_report {
    int64_t used, peak, startup, resident;
    int64_t clients;  /* connections and their buffers */
    int64_t tables;   /* lines of all shards, and the shards themselves */
    int64_t overhead; /* startup + clients + tables */
    int64_t dataset;  /* the rest: entries */
    uint64_t keys;
    struct mem_allocator_stats allocator;
};

/* Takes the account; under the gate alone. `totals`: of client_limits_totals; `used`: mem_used() before the report itself
 * took any. */
void memory_report_make(struct server *server, const struct client_totals *totals, int64_t used,
                        struct memory_report *report);

/* Bytes of the lines and shards of a database; 0 while it is empty. */
int64_t memory_report_table(const struct db *db);

/* a / b, or 0 where b is 0. */
static inline double memory_ratio(int64_t a, int64_t b)
{
    return b != 0 ? (double)a / (double)b : 0;
}

/* What the dataset takes of all that was added since start, in percent. */
double memory_report_dataset_percent(const struct memory_report *report);

#endif
