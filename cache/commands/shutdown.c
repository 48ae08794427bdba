#include "commands/shutdown.h"

#include <signal.h>

#include "clock.h"
#include "commands/aof.h"
#include "commands/groups.h"
#include "commands/held.h"
#include "commands/pause.h"
#include "commands/refusing.h"
#include "commands/saving.h"
#include "logger.h"

struct shutdown_options {
    bool save, nosave, now, force, abort;
};

/* The shutdown that is under way while server->ending. Changes alone. */
static struct {
    struct held_list clients; /* that sent SHUTDOWN */
    bool force, by_signal;
    enum drain drain;         /* that is under way */
    _Atomic bool awaits_base; /* the first append-only file is not complete; a tick asks before it is alone */
    int64_t until;            /* ms of clock.h: when either ends at the latest */
    struct shutdown_options options;
} ending;

#define CANNOT "ERR Errors trying to SHUTDOWN. Check logs."

void shutdown_init(struct server *server)
{
    (void)server;
    held_init(&ending.clients);
}

static void hold_changes(struct server *server, bool hold)
{
    server->ending = hold;
    pause_for(server, PAUSE_SHUTDOWN, hold);
}

static void call_off(struct server *server)
{
    hold_changes(server, false);
    held_answer(&ending.clients, CANNOT);
}

static void fail(struct server *server, const char *why)
{
    logger_warning("%s", why);
    logger_warning("Errors trying to shut down the server. Check the logs for more information.");
    if (ending.by_signal) {
        logger_warning(
            "SIGTERM received but errors trying to shut down the server, check the logs for more information");
    }
    call_off(server);
}

static void final_done(struct server *server, bool saved)
{
    if (saved || ending.force) {
        server_stop(server);
    } else {
        fail(server, "Error trying to save the DB, can't exit.");
    }
}

/* Whether a file is saved first. Of a data set that is not complete none is. */
static bool saves(const struct server *server, const struct shutdown_options *options)
{
    bool loading = (atomic_load(&server->refusing) & REFUSING_LOADING) != 0;
    return !loading && !options->nosave && (options->save || server->config->save_count > 0);
}

/* The first append-only file is not complete: who sends SHUTDOWN is told so, as by Redis; who sends a signal gets no second chance to
 * ask, so that waits for it. */
static void await_base(struct server *server)
{
    if (!ending.by_signal || (ending.awaits_base && clock_now() > ending.until)) {
        ending.awaits_base = false;
        fail(server, "Writing initial AOF, can't exit.");
    } else if (!ending.awaits_base) {
        ending.awaits_base = true;
        ending.until = clock_now() + (int64_t)server->config->shutdown_timeout * 1000;
        logger_notice("Waiting for the first append-only file to be complete");
        hold_changes(server, true);
    }
}

static void end(struct server *server)
{
    const struct shutdown_options *options = &ending.options;
    bool lacks_file = aof_awaits_base(server) && !server_is_replica(server) && !ending.force;
    if (!saves(server, options) && lacks_file && !(ending.by_signal && options->nosave)) {
        await_base(server);
        return;
    }
    ending.awaits_base = false;
    if (saves(server, options)) {
        hold_changes(server, true);
        saving_final(server, final_done);
    } else {
        saving_drop(server);
        server_stop(server);
    }
}

void shutdown_tick(struct server *server)
{
    if (ending.awaits_base) {
        gate_enter(&server->gate, 0);
        gate_alone(&server->gate, 0);
        end(server);
        gate_together(&server->gate, 0);
        gate_leave(&server->gate, 0);
    }
}

/* Alone: the drain is over. */
static void drained(struct server *server)
{
    ending.drain = DRAIN_NOTHING;
    end(server);
}

/* Whether what is under way is as good as what is asked for: it goes on. */
static bool goes_on(const struct server *server, const struct shutdown_options *options)
{
    bool draining = ending.drain != DRAIN_NOTHING;
    return server->ending && (draining ? !options->now && !options->nosave : saves(server, options));
}

static void call_off_drain(struct server *server)
{
    if (ending.drain == DRAIN_WAITS) {
        server->above.call_off_drain(server);
        ending.drain = DRAIN_NOTHING;
    }
}

static void begin(struct server *server, const struct shutdown_options *options, bool by_signal)
{
    bool again = server->ending;
    ending.force = options->force || (again && ending.force);
    if (goes_on(server, options)) {
        return;
    }
    bool drains = !options->now && !again && server->above.drain != NULL;
    call_off_drain(server);
    ending.by_signal = by_signal;
    ending.options = *options;
    ending.until = clock_now() + (int64_t)server->config->shutdown_timeout * 1000;
    ending.drain = drains ? server->above.drain(server, drained) : DRAIN_NOTHING;
    if (ending.drain == DRAIN_NOTHING) {
        end(server);
    } else {
        hold_changes(server, true);
    }
}

int64_t shutdown_waits_ms(const struct server *server)
{
    int64_t left = ending.until - clock_now();
    return !server->ending || ending.drain == DRAIN_NOTHING ? -1 : left > 0 ? left : 0;
}

void shutdown_by_signal(struct server *server, int number)
{
    const struct shutdown_options options = {.nosave = number == SIGINT && server->ending};
    gate_enter(&server->gate, 0);
    gate_alone(&server->gate, 0);
    if (options.nosave) {
        logger_warning("You insist... exiting now.");
    }
    begin(server, &options, true);
    gate_together(&server->gate, 0);
    gate_leave(&server->gate, 0);
}

/* ---- the command ------------------------------------------------------------------------------------------ */

static bool parse(const struct call *c, struct shutdown_options *options)
{
    *options = (struct shutdown_options){0};
    for (size_t i = 1; i < c->argc; i++) {
        struct slice word = c->argv[i];
        bool *option = slice_is(word, "save")     ? &options->save
                       : slice_is(word, "nosave") ? &options->nosave
                       : slice_is(word, "now")    ? &options->now
                       : slice_is(word, "force")  ? &options->force
                       : slice_is(word, "abort")  ? &options->abort
                                                  : NULL;
        if (option == NULL) {
            return false;
        }
        *option = true;
    }
    return !(options->save && options->nosave) && !(options->abort && c->argc > 2);
}

static void abort_shutdown(struct call *c)
{
    if (!c->server->ending || atomic_load(&c->server->stopping)) {
        reply_error(c->reply, "ERR No shutdown in progress.");
        return;
    }
    if (ending.drain == DRAIN_BINDS) {
        reply_error(c->reply,
                    "ERR The other nodes have been told that this one ends: it cannot be called off.");
        return;
    }
    call_off_drain(c->server);
    logger_notice("Shutdown manually aborted.");
    ending.awaits_base = false;
    saving_drop(c->server);
    call_off(c->server);
    reply_ok(c->reply);
}

/* The client gets a reply only if the server does not end; what it sent behind is not run. */
static void run_shutdown(struct call *c)
{
    struct shutdown_options options;
    if (!parse(c, &options)) {
        call_syntax_error(c);
    } else if (options.abort) {
        abort_shutdown(c);
    } else if (held_wait(c, &ending.clients)) {
        logger_notice("User requested shutdown...");
        begin(c->server, &options, false);
    }
}

const struct command shutdown_commands[] = {
    {
        .name = "shutdown",
        .run = run_shutdown,
        .arity = -1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(N) when saving, where N is the total number of keys in all databases when saving "
                      "data, otherwise O(1)",
        .summary = "Saves the databases to disk where that is asked for, and ends the server.",
        .syntax = "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        .history = "7.0.0\tAdded the `NOW`, `FORCE` and `ABORT` modifiers.",
    },
    {0},
};
