/*
 * Input of a connection, for the rooms of net alone.
 */
#ifndef ORDINAL_NET_INPUT_H
#define ORDINAL_NET_INPUT_H

#include "net/conn.h"

enum { INPUT_MIN = 16 * 1024 }; /* bytes of room for the rest of an incomplete request, at first */

/* Takes bytes that were read, into the loop's area or behind conn->input's; serves what is complete, keeps
 * the rest. */
void input_take(struct conn *conn, char *data, size_t len);

/* Serves what stands in conn->input. */
void input_process_kept(struct conn *conn);

/* Parses and serves all that is complete in data[0 .. len), and keeps the rest. */
void input_process(struct conn *conn, struct resp_parser *p, struct resp_args *args, char *data, size_t len);

/* The steps of the latter. Parses requests into loop->requests[*count ..] until the batch is full. */
enum resp_status input_parse(struct loop *loop, struct resp_parser *p, char *data, size_t len,
                             struct resp_args *args, size_t *count);

/* Lets requests first .. first + count point to their arguments, which have their final place. */
void input_point(struct loop *loop, const struct resp_args *args, size_t first, size_t count);

/* Serves requests that were prepared; false when serving has to end, with the parser at what was not run. */
bool input_serve(struct conn *conn, struct resp_parser *p, struct resp_args *args, size_t first,
                 size_t count);

/* What serving leaves: nothing, an error of the stream, or bytes that are kept. */
void input_end(struct conn *conn, struct resp_parser *p, struct resp_args *args, char *data, size_t len,
               bool going, enum resp_status status);

/* Room for `room` more bytes behind conn->input's. False: no memory. */
bool input_reserve(struct conn_input *input, size_t room);

/* Forgets what was kept. */
void input_free(struct conn *conn);

#endif
