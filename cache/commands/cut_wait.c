#include "commands/cut_wait.h"

#include "commands/pause.h"
#include "commands/transaction.h"

/* Whether one of the keys of a run is large, and not saved. */
static bool run_must_wait(struct call *c, const struct nested *command, int number)
{
    int first, last;
    if (!command_key_run(command->command, number, command->argv, command->argc, &first, &last)) {
        return false;
    }
    for (int i = first; i <= last && i < (int)command->argc; i += command->command->keys[number].step) {
        struct slice name = command->argv[i];
        uint64_t hash = name.ptr == command->key ? command->hash : keyspace_hash(&c->server->keyspace, name);
        if (db_must_wait(c->db, hash, name)) {
            return true;
        }
    }
    return false;
}

/* Keys that are overwritten or removed as a whole are none to wait for. */
static bool must_wait(void *context, const struct nested *command)
{
    struct call *c = context;
    bool waits = false;
    if ((command->command->flags & CMD_WRITE) == 0) {
        return false;
    }
    for (int i = 0; i < command_spec_count(command->command) && !waits; i++) {
        waits = (command->command->keys[i].flags & KEY_RW) != 0 && run_must_wait(c, command, i);
    }
    return waits;
}

bool cut_wait_holds_some(struct call *c)
{
    struct nested own = {
        .command = c->command, .argv = c->argv, .argc = c->argc, .hash = c->first_hash, .key = c->first_key};
    bool waits =
        (c->command->flags & CMD_EXEC) != 0 ? transaction_any(c->client, must_wait, c) : must_wait(c, &own);
    if (waits) {
        pause_hold(c->client);
    }
    return waits;
}
