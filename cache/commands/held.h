/*
 * Clients that wait for the server to be done with something: SAVE for its file, SHUTDOWN for the last one. Each waits inside its
 * command, on whatever loop it is, until all of them get the same answer.
 *
 * Threads: a list has a lock, for a client may be gone at any time; held_answer is called under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_HELD_H
#define ORDINAL_COMMANDS_HELD_H

#include <pthread.h>

#include "commands/call.h"

struct held;

struct held_list {
    pthread_mutex_t lock;
    struct held *first;
};

void held_init(struct held_list *list);

/* Lets the call's client wait; it has no reply yet. False, with the error replied, when there is no memory. */
bool held_wait(struct call *c, struct held_list *list);

/* Answers all that wait: with OK, or with an error. */
void held_answer(struct held_list *list, const char *error);

/* Whether somebody waits. */
bool held_any(struct held_list *list);

#endif
