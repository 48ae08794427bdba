#include "commands/bundle.h"

#include <string.h>

#include "memory.h"

/* Makes room for `more` items behind `count`. False: no memory. */
static bool grow(void **items, size_t item, size_t *room, size_t count, size_t more)
{
    if (*room - count >= more) {
        return true;
    }
    size_t wanted = 2 * *room > count + more ? 2 * *room : count + more + 64;
    void *grown = mem_realloc(*items, *room * item, wanted * item);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *room = wanted;
    return true;
}

void bundle_free(struct bundle *u)
{
    mem_free(u->commands, u->command_room * sizeof *u->commands);
    mem_free(u->args, u->arg_room * sizeof *u->args);
    mem_free(u->bytes, u->room);
    *u = (struct bundle){0};
}

void bundle_clear(struct bundle *u)
{
    enum { KEPT_BYTES = 1 << 20 };
    if (u->room > KEPT_BYTES) {
        bundle_free(u);
    }
    u->command_count = u->arg_count = u->len = 0;
}

static bool bundle_make_room(struct bundle *u, const struct aof_command *command)
{
    size_t bytes =
        command
            ->argc; /* one more for each, so that an empty key has an address of its own (call.h, first_key) */
    for (size_t i = 0; i < command->argc; i++) {
        bytes += command->argv[i].len;
    }
    return grow((void **)&u->commands, sizeof *u->commands, &u->command_room, u->command_count, 1) &&
           grow((void **)&u->args, sizeof *u->args, &u->arg_room, u->arg_count, command->argc) &&
           grow((void **)&u->bytes, 1, &u->room, u->len, bytes);
}

bool bundle_keep(struct bundle *u, const struct planned *planned, const struct aof_command *command)
{
    if (!bundle_make_room(u, command)) {
        return false;
    }
    u->commands[u->command_count++] = (struct kept){*planned, u->arg_count, command->argc, command->offset};
    for (size_t i = 0; i < command->argc; i++) {
        struct slice arg = command->argv[i];
        memcpy(u->bytes + u->len, arg.ptr, arg.len);
        u->args[u->arg_count++] = (struct slice){(const char *)(uintptr_t)u->len, arg.len};
        u->len += arg.len + 1;
    }
    return true;
}

void bundle_settle(struct bundle *u)
{
    for (size_t i = 0; i < u->arg_count; i++) {
        u->args[i].ptr = u->bytes + (uintptr_t)u->args[i].ptr;
    }
    for (size_t i = 0; i < u->command_count; i++) {
        struct kept *kept = &u->commands[i];
        if (kept->planned.key != NULL) {
            kept->planned.key = u->args[kept->first + (size_t)kept->planned.command->keys[0].first].ptr;
        }
    }
}
