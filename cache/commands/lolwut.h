/*
 * LOLWUT: a piece of computer art, and the version.
 */
#ifndef ORDINAL_COMMANDS_LOLWUT_H
#define ORDINAL_COMMANDS_LOLWUT_H

#include "commands/call.h"

/* LOLWUT [VERSION n [columns]] */
void lolwut_run(struct call *c);

#endif
