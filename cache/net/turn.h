/*
 * Turns of a loop, for the rooms of net alone.
 */
#ifndef ORDINAL_NET_TURN_H
#define ORDINAL_NET_TURN_H

#include "net/conn.h"

/* Lets a short read wait for the end of the poll, to be served together with those of other connections.
 * False when it has to be served at once. */
bool turn_wait(struct conn *conn, char *data, size_t len);

/* Serves all turns that wait. The loop calls it when it has polled. */
void turn_serve_all(struct loop *loop);

#endif
