/*
 * MULTI: the commands of a client that are kept until EXEC runs them, one after another, with nobody else in between.
 *
 * A command is kept in one allocation: its row, its arguments and their bytes, with the hash of its first key, which is not
 * computed twice.
 *
 * Threads: the client's own loop; others may look at it under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_TRANSACTION_H
#define ORDINAL_COMMANDS_TRANSACTION_H

#include "commands/call.h"
#include "commands/client.h"
#include "commands/dispatch.h"

/* Whether this command of a client in MULTI is kept rather than run. */
static inline bool transaction_takes(const struct client *client, const struct command *command)
{
    return (client->flags & CLIENT_MULTI) != 0 && (command->flags & CMD_NOT_QUEUED) == 0;
}

/* The flags of a command that is about to run: EXEC is what its commands are as well (enum command_flag). */
static inline uint32_t transaction_flags(const struct client *client, const struct command *command)
{
    return command->flags | ((command->flags & CMD_EXEC) != 0 ? client->transaction.flags : 0);
}

/* The flags that it, or one of its commands, does not have. */
static inline uint32_t transaction_lacks(const struct client *client, const struct command *command)
{
    return ~command->flags | ((command->flags & CMD_EXEC) != 0 ? client->transaction.lacks : 0);
}

/* Keeps the command, and replies QUEUED; when there is no memory, with the error, and EXEC will fail. */
void transaction_queue(struct call *c, const struct nested *command);

/* Whether all that EXEC will look at lies in one shard of the client's database, that of `hash`: then holding it is enough. */
bool transaction_in_shard(const struct client *client, uint64_t *hash);

/* Whether `visit` says so of some command that is kept. */
bool transaction_any(const struct client *client, bool (*visit)(void *context, const struct nested *command),
                     void *context);

/* A command was refused, and the error replied from c->reply->data + before on. Where it was to be kept, EXEC will fail; where it
 * was EXEC itself, the transaction ends here, and the reply becomes EXECABORT. */
void transaction_refused(struct call *c, size_t before);

/* Ends a client's transaction, if there is one, and its watches. */
void transaction_discard(struct client *client);

/* Memory of the commands that are kept. */
static inline size_t transaction_memory(const struct client *client)
{
    return client->transaction.memory;
}

#endif
