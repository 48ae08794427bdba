#include "commands/latency.h"

#include <pthread.h>

#include "clock.h"
#include "commands/call.h"
#include "commands/groups.h"
#include "commands/histogram.h"
#include "commands/latency_text.h"
#include "commands/text.h"

enum { LATENCY_EVENTS = 16 };

static struct {
    pthread_mutex_t lock;
    int count;
    struct latency_event events[LATENCY_EVENTS];
} latency = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- samples ---------------------------------------------------------------------------------------- */

/* The event of a name, or NULL. The lock is held. */
static struct latency_event *find(struct slice name)
{
    for (int i = 0; i < latency.count; i++) {
        struct latency_event *event = &latency.events[i];
        if (slice_equal(name, (struct slice){event->name, strlen(event->name)})) {
            return event;
        }
    }
    return NULL;
}

static struct latency_event *find_or_add(const char *name)
{
    struct latency_event *event = find((struct slice){name, strlen(name)});
    if (event == NULL && latency.count < LATENCY_EVENTS && strlen(name) < LATENCY_NAME) {
        event = &latency.events[latency.count++];
        *event = (struct latency_event){.count = 0};
        memcpy(event->name, name, strlen(name) + 1);
    }
    return event;
}

static void add_sample(struct latency_event *event, int64_t seconds, int64_t ms)
{
    event->longest = ms > event->longest ? ms : event->longest;
    if (event->count > 0) {
        struct latency_sample *last = &event->ring[(event->first + event->count - 1) % LATENCY_SAMPLES];
        if (last->seconds == seconds) {
            last->ms = ms > last->ms ? ms : last->ms;
            return;
        }
    }
    if (event->count == LATENCY_SAMPLES) {
        event->first = (event->first + 1) % LATENCY_SAMPLES;
        event->count--;
    }
    event->ring[(event->first + event->count) % LATENCY_SAMPLES] = (struct latency_sample){seconds, ms};
    event->count++;
}

void latency_note(struct server *server, const char *name, uint64_t ticks)
{
    if ((int64_t)ticks < server->latency_ticks) {
        return;
    }
    int64_t seconds = clock_wall_us() / 1000000;
    int64_t ms = (int64_t)(clock_ticks_ns(ticks) / 1000000);
    pthread_mutex_lock(&latency.lock);
    struct latency_event *event = find_or_add(name);
    if (event != NULL) {
        add_sample(event, seconds, ms);
    }
    pthread_mutex_unlock(&latency.lock);
}

/* ---- commands over samples -------------------------------------------------------------------------- */

static void run_latest(struct call *c)
{
    pthread_mutex_lock(&latency.lock);
    reply_array(c->reply, latency.count);
    for (int i = 0; i < latency.count; i++) {
        const struct latency_event *event = &latency.events[i];
        const struct latency_sample *last = latency_at(event, event->count - 1);
        reply_array(c->reply, 4);
        reply_bulk_string(c->reply, event->name);
        reply_int(c->reply, last->seconds);
        reply_int(c->reply, last->ms);
        reply_int(c->reply, event->longest);
    }
    pthread_mutex_unlock(&latency.lock);
}

static void run_history(struct call *c)
{
    pthread_mutex_lock(&latency.lock);
    const struct latency_event *event = find(c->argv[2]);
    int count = event != NULL ? event->count : 0;
    reply_array(c->reply, count);
    for (int i = 0; i < count; i++) {
        reply_array(c->reply, 2);
        reply_int(c->reply, latency_at(event, i)->seconds);
        reply_int(c->reply, latency_at(event, i)->ms);
    }
    pthread_mutex_unlock(&latency.lock);
}

static bool remove_event(struct slice name)
{
    struct latency_event *event = find(name);
    if (event != NULL) {
        latency.count--;
        memmove(event, event + 1, (size_t)(&latency.events[latency.count] - event) * sizeof *event);
    }
    return event != NULL;
}

static void run_reset(struct call *c)
{
    int64_t removed = 0;
    pthread_mutex_lock(&latency.lock);
    for (size_t i = 2; i < c->argc; i++) {
        removed += remove_event(c->argv[i]);
    }
    if (c->argc == 2) {
        removed = latency.count;
        latency.count = 0;
    }
    pthread_mutex_unlock(&latency.lock);
    reply_int(c->reply, removed);
}

static void run_graph(struct call *c)
{
    struct reply out = {.resp = 2};
    pthread_mutex_lock(&latency.lock);
    const struct latency_event *event = find(c->argv[2]);
    if (event != NULL) {
        latency_graph(event, clock_wall_us() / 1000000, &out);
    }
    pthread_mutex_unlock(&latency.lock);
    if (event == NULL) {
        reply_errorf(c->reply, "ERR No samples available for event '%.*s'", (int)c->argv[2].len,
                     c->argv[2].ptr);
        return;
    }
    text_reply(c, &out);
}

static void run_doctor(struct call *c)
{
    struct reply out = {.resp = 2};
    pthread_mutex_lock(&latency.lock);
    latency_report(latency.events, latency.count, c->server->config->latency_monitor_threshold, &out);
    pthread_mutex_unlock(&latency.lock);
    text_reply(c, &out);
}

/* ---- HISTOGRAM -------------------------------------------------------------------------------------- */

/* Pairs of microseconds, a power of two, and how many calls took no longer; only where that changes. */
static void reply_distribution(struct reply *r, const struct histogram *h)
{
    uint64_t seen = 0, told = 0;
    int64_t pairs = 0, limit = 1;
    size_t hole = reply_hole(r);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->counts[i] == 0) {
            continue;
        }
        uint64_t ns = clock_ticks_ns(histogram_bucket_end(i));
        if (ns > (uint64_t)limit * 1000 && seen > told) {
            reply_int(r, limit);
            reply_int(r, (int64_t)seen);
            told = seen;
            pairs++;
        }
        while (ns > (uint64_t)limit * 1000) {
            limit *= 2;
        }
        seen += h->counts[i];
    }
    if (seen > told) {
        reply_int(r, limit);
        reply_int(r, (int64_t)seen);
        pairs++;
    }
    reply_fill_map(r, hole, pairs);
}

/* Replies with one command's histogram; how many that were. */
static int64_t reply_command(struct call *c, int id)
{
    struct histogram sum;
    char name[64];
    if (!stats_histogram(c->server, id, &sum)) {
        return 0;
    }
    command_full_name(command_at(id), name, sizeof name);
    reply_bulk_string(c->reply, name);
    reply_map(c->reply, 2);
    reply_bulk_string(c->reply, "calls");
    reply_int(c->reply, (int64_t)histogram_total(&sum));
    reply_bulk_string(c->reply, "histogram_usec");
    reply_distribution(c->reply, &sum);
    return 1;
}

/* A command by its name ("get", "config", "config|get"): itself, and the subcommands of a container. */
static int64_t reply_named(struct call *c, struct slice name)
{
    const struct command *command = command_find_full(name);
    if (command == NULL) {
        return 0;
    }
    int64_t count = reply_command(c, command_id(command));
    for (const struct command *sub = command->subcommands; sub != NULL && sub->name != NULL; sub++) {
        count += reply_command(c, command_id(sub));
    }
    return count;
}

static void run_histogram(struct call *c)
{
    int64_t count = 0;
    size_t hole = reply_hole(c->reply);
    for (size_t i = 2; i < c->argc; i++) {
        count += reply_named(c, c->argv[i]);
    }
    for (int id = 0; c->argc == 2 && id < command_count(); id++) {
        count += reply_command(c, id);
    }
    reply_fill_map(c->reply, hole, count);
}

static void run_help(struct call *c)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
        "    If no commands are specified then all histograms are replied.",
        NULL,
    };
    call_help(c, lines);
}

#define TIPS "nondeterministic_output request_policy:all_nodes response_policy:special"
enum { LATENCY_FLAGS = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE };

/* A subcommand: all are of one kind. */
#define ROW(NAME, RUN, ARITY, FLAGS, SINCE, COMPLEXITY, SUMMARY, SYNTAX, ROW_TIPS)               \
    {                                                                                            \
        .name = (NAME), .run = (RUN), .arity = (ARITY), .flags = (FLAGS), .group = GROUP_SERVER, \
        .since = (SINCE), .complexity = (COMPLEXITY), .summary = (SUMMARY), .syntax = (SYNTAX),  \
        .tips = (ROW_TIPS)                                                                       \
    }

static const struct command subcommands[] = {
    ROW("doctor", run_doctor, 2, LATENCY_FLAGS, "2.8.13", "O(1)",
        "Returns a human-readable latency analysis report.", "", TIPS),
    ROW("graph", run_graph, 3, LATENCY_FLAGS, "2.8.13", "O(1)", "Returns a latency graph for an event.",
        "event", TIPS),
    ROW("help", run_help, 2, CMD_LOADING | CMD_STALE | CMD_LOCAL, "2.8.13", "O(1)",
        "Returns helpful text about the different subcommands.", "", NULL),
    ROW("histogram", run_histogram, -2, LATENCY_FLAGS, "7.0.0",
        "O(N) where N is the number of commands with latency information being retrieved.",
        "Returns the cumulative distribution of latencies of a subset or all commands.",
        "[command [command ...]]", TIPS),
    ROW("history", run_history, 3, LATENCY_FLAGS, "2.8.13", "O(1)",
        "Returns timestamp-latency samples for an event.", "event", TIPS),
    ROW("latest", run_latest, 2, LATENCY_FLAGS, "2.8.13", "O(1)",
        "Returns the latest latency samples for all events.", "", TIPS),
    ROW("reset", run_reset, -2, LATENCY_FLAGS, "2.8.13", "O(1)",
        "Resets the latency data for one or more events.", "[event [event ...]]",
        "request_policy:all_nodes response_policy:all_succeeded"),
    {0},
};

const struct command latency_commands[] = {
    {
        .name = "latency",
        .run = call_unknown_subcommand,
        .arity = -2,
        .group = GROUP_SERVER,
        .since = "2.8.13",
        .complexity = "Depends on subcommand.",
        .summary = "A container for latency diagnostics commands.",
        .subcommands = subcommands,
    },
    {0},
};
