#include "commands/refusing.h"

#include <string.h>

#include "commands/transaction.h"

void refusing_set(struct server *server, enum refusing why)
{
    atomic_fetch_or(&server->refusing, why);
}

void refusing_clear(struct server *server, enum refusing why)
{
    atomic_fetch_and(&server->refusing, ~(uint32_t)why);
}

void refusing_set_aof_errno(struct server *server, int number)
{
    atomic_store(&server->aof_errno, number);
}

void refusing_reply_loading(struct call *c)
{
    reply_error(c->reply, "LOADING Redis is loading the dataset in memory");
}

bool refusing_refuses(struct call *c)
{
    uint32_t refusing = atomic_load(&c->server->refusing);
    uint32_t flags = transaction_flags(c->client, c->command);
    bool writes = (flags & CMD_WRITE) != 0 ||
                  strcmp(c->command->name, "ping") == 0; /* as Redis: a probe should see it */
    if (writes && (refusing & REFUSING_SNAPSHOT_ERROR) != 0) {
        reply_error(
            c->reply,
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. "
            "Commands that may modify the data set are disabled, because this instance is configured to report "
            "errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check "
            "the Redis logs for details about the RDB error.");
    } else if (writes && (refusing & REFUSING_AOF_ERROR) != 0) {
        reply_errorf(c->reply, "MISCONF Errors writing to the AOF file: %s",
                     strerror(atomic_load(&c->server->aof_errno)));
    } else if ((refusing & REFUSING_RECOVERY) != 0 && (c->command->flags & CMD_LOADING) == 0) {
        reply_error(c->reply, REFUSING_RECOVERY_ERROR);
    } else if ((refusing & REFUSING_FEW_REPLICAS) != 0 && (flags & CMD_WRITE) != 0) {
        reply_error(c->reply, "NOREPLICAS Not enough good replicas to write.");
    } else if ((refusing & REFUSING_NO_QUORUM) != 0 && (flags & CMD_WRITE) != 0) {
        reply_error(c->reply, "NOREPLICAS Not enough replicas are in sync for what write-ack asks for.");
    } else if ((flags & CMD_WRITE) != 0 && (refusing & REFUSING_READONLY) != 0) {
        reply_error(c->reply, "READONLY You can't write against a read only replica.");
    } else if ((refusing & REFUSING_STALE) != 0 &&
               (transaction_lacks(c->client, c->command) & CMD_STALE) != 0) {
        reply_error(c->reply,
                    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
    } else if ((refusing & REFUSING_LOADING) != 0 && (c->command->flags & (CMD_LOADING | CMD_SYNCING)) == 0) {
        refusing_reply_loading(c);
    } else {
        return false;
    }
    return true;
}
