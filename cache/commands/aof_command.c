/*
 * BGREWRITEAOF.
 */
#include "commands/aof.h"
#include "commands/call.h"
#include "commands/groups.h"

/* In a transaction the cut would come between its effects: the cron makes it afterwards. */
static void run_bgrewriteaof(struct call *c)
{
    switch (aof_rewrite(c->server, !c->may_not_block)) {
    case AOF_REWRITE_STARTED: reply_status(c->reply, "Background append only file rewriting started"); break;
    case AOF_REWRITE_SCHEDULED:
        reply_status(c->reply, "Background append only file rewriting scheduled");
        break;
    case AOF_REWRITE_RUNNING:
        reply_error(c->reply, "ERR Background append only file rewriting already in progress");
        break;
    case AOF_REWRITE_FAILED:
        reply_error(c->reply,
                    "ERR Can't execute an AOF background rewriting. Please check the server logs for more "
                    "information.");
        break;
    }
}

const struct command aof_commands[] = {
    {
        .name = "bgrewriteaof",
        .run = run_bgrewriteaof,
        .arity = 1,
        .flags = CMD_NO_ASYNC_LOADING | CMD_ADMIN | CMD_NOSCRIPT | CMD_ALONE,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Rewrites the append-only file in the background, to its shortest form.",
    },
    {0},
};
