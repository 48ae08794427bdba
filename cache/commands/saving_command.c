/*
 * SAVE, BGSAVE and LASTSAVE.
 */
#include "commands/groups.h"
#include "commands/saving.h"

static bool file_under_way(struct call *c)
{
    if (c->server->saving->kind == SAVING_NOTHING) {
        return false;
    }
    reply_error(c->reply, "ERR Background save already in progress");
    return true;
}

/* The client waits; where somebody else's snapshot runs, until that is over, too. */
static void run_save(struct call *c)
{
    if (!file_under_way(c) && held_wait(c, &c->server->saving->savers)) {
        saving_next(c->server);
    }
}

static bool parse_schedule(struct call *c, bool *schedule)
{
    *schedule = c->argc == 2 && slice_is(c->argv[1], "schedule");
    if (c->argc > 1 && !*schedule) {
        call_syntax_error(c);
        return false;
    }
    return true;
}

static void run_bgsave(struct call *c)
{
    struct saving *saving = c->server->saving;
    bool schedule;
    if (!parse_schedule(c, &schedule) || file_under_way(c)) {
        return;
    }
    if (!c->may_not_block && !snapshot_running(&saving->snapshot)) {
        saving_request(c->server);
        if (saving->kind == SAVING_NOTHING) {
            reply_error(c->reply, "ERR");
        } else {
            reply_status(c->reply, "Background saving started");
        }
    } else if (schedule || c->may_not_block) {
        saving->asked = true;
        reply_status(c->reply, "Background saving scheduled");
    } else {
        reply_error(
            c->reply,
            "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in "
            "order to schedule a BGSAVE whenever possible.");
    }
}

static void run_lastsave(struct call *c)
{
    reply_int(c->reply, c->server->saving->last_save);
}

const struct command saving_commands[] = {
    {
        .name = "bgsave",
        .run = run_bgsave,
        .arity = -1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Saves the databases to disk in the background.",
        .syntax = "[SCHEDULE]",
        .history = "3.2.2\tAdded the `SCHEDULE` option.",
    },
    {
        .name = "lastsave",
        .run = run_lastsave,
        .arity = 1,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the Unix time of the last time that the databases were saved to disk.",
        .syntax = "",
        .tips = "nondeterministic_output",
        .categories = "admin dangerous",
    },
    {
        .name = "save",
        .run = run_save,
        .arity = 1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(N) where N is the total number of keys in all databases",
        .summary = "Saves the databases to disk, and replies when that is done.",
        .syntax = "",
    },
    {0},
};
