/*
 * How INFO's sections are written: what each is given, and lines of it. A file of its own for each group of sections:
 * info.c (and the command), info_memory.c, info_persistence.c, info_stats.c.
 */
#ifndef ORDINAL_COMMANDS_INFO_LINES_H
#define ORDINAL_COMMANDS_INFO_LINES_H

#include "commands/call.h"

struct info {
    struct server *server;
    struct worker *worker;
    int64_t now; /* ms of clock.h */
    struct reply *out;
    struct stats_totals totals;
    struct client_totals clients;
    int64_t used; /* memory before this text took any */
};

/* A line; the format does not end it. */
void info_line(struct info *info, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "name:value". */
void info_number(struct info *info, const char *name, int64_t value);
/* Several fields that rest at 0; ends with NULL. */
void info_zeros(struct info *info, const char *const *names);
/* "name:1572864" and "name_human:1.50M". */
void info_bytes(struct info *info, const char *name, int64_t bytes);

/* The sections of the other files. */
void info_memory(struct info *info);
void info_persistence(struct info *info);
void info_stats(struct info *info);
void info_commandstats(struct info *info);
void info_errorstats(struct info *info);
void info_latencystats(struct info *info);

#endif
