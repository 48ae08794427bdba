/*
 * CLIENT INFO and CLIENT LIST: clients as lines of text. And the filter by type, which LIST and KILL share.
 */
#ifndef ORDINAL_COMMANDS_CLIENT_LIST_H
#define ORDINAL_COMMANDS_CLIENT_LIST_H

#include "commands/call.h"

enum client_type {
    CLIENT_TYPE_ANY,
    CLIENT_TYPE_NORMAL,
    CLIENT_TYPE_PUBSUB,
    CLIENT_TYPE_REPLICA,
    CLIENT_TYPE_MASTER /* none: the connection to a master is no client, though KILL ends it */
};

/* The type that a word names; replies with the error and returns false when it names none. */
bool client_type_parse(struct call *c, struct slice word, enum client_type *type);

bool client_has_type(const struct client *client, enum client_type type);

void client_info_run(struct call *c);

/* Under the gate alone. */
void client_list_run(struct call *c);

#endif
