/*
 * Guessing passwords is made slow. Each wrong password of an address doubles the time until its refusal is sent (up to a
 * second), and until then the address's new connections are not served either: closing the connection instead of waiting
 * wins nothing. Only the guesser waits: no loop is held up, and nobody at another address notices.
 *
 * Each worker remembers a few addresses, the one that has been quiet longest giving way: a guesser who has many addresses
 * is not slowed, but then so is no innocent, and memory stays what it is.
 *
 * Threads: a worker's own; a changed setting is followed under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_AUTH_H
#define ORDINAL_COMMANDS_AUTH_H

#include <stdbool.h>
#include <stdint.h>

enum { AUTH_GUESSERS = 64 };

struct client;
struct server;

/* An address that has sent wrong passwords. */
struct auth_guesser {
    char host[48]; /* as in client->peer, without the port; cut when longer */
    uint32_t failures;
    int64_t until; /* ms of clock.h: its last refusal is held back so long */
};

/* Admits who still had to give a password as soon as a changed setting asks for none. */
void auth_follow_settings(struct server *server);

/* Notes a wrong password of this client and makes it wait; `refuse` writes the reply when it has waited (at
 * once where it may not wait, being in a transaction, or there is no memory for waiting). */
void auth_failed(struct client *client, void (*refuse)(struct client *client), bool may_wait);

/* Forgives the client's address what it guessed before. */
void auth_succeeded(struct client *client);

/* Makes a new connection wait when its address has just guessed wrong. Connections from this host are excused: health
 * probes come from there. */
void auth_opened(struct client *client);

#endif
