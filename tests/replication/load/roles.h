/*
 * What clients do. Each role provokes the failure of one guarantee, and lets what it reads be judged afterwards without a model of the
 * server: numbers only increase, names are used once.
 */
#ifndef ORDINAL_LOAD_ROLES_H
#define ORDINAL_LOAD_ROLES_H

#include "client.h"

/* The role of this name, or NULL. */
const struct role *role_named(const char *name);

/* Called once for each client with its role, before anything else. */
void role_begin(struct client *c);

#endif
