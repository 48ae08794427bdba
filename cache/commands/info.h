/*
 * Sections of INFO that are brought by what stands above the commands.
 */
#ifndef ORDINAL_COMMANDS_INFO_H
#define ORDINAL_COMMANDS_INFO_H

#include <stdint.h>

#include "commands/server.h"
#include "net/conn.h"

struct info_section {
    const char *name, *title; /* "roster", "Roster" */
    /* Writes its lines, each ended by CR LF, with text_addf (text.h). On any loop's thread, which runs alone; now: ms of
     * clock.h. */
    void (*write)(void *context, int64_t now, struct reply *text);
    void *context;
    struct info_section *next; /* for info.c */
};

/* Adds a section, which is shown by default and behind those that are there. It must live as long as the server. Called at
 * start, before loops run. */
void info_add(struct server *server, struct info_section *section);

#endif
