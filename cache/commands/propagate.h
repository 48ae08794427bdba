/*
 * Propagation: what a command writes to the log (log.h), so that whoever runs the log's commands in order gets the same keyspace.
 *
 * A command that has changed something is logged as it came, by dispatch, while its shard is still locked. One that depends on
 * time, on chance, or on what has expired must not be: its handler gives what it did instead, in the form that Redis 7.0 writes to
 * its append-only file (7.4 for deadlines of fields):
 *
 *     propagate(c, SLICE("PEXPIREAT"), key.name, propagate_deadline(deadline, digits));
 *
 * Several effects of one command, and the commands of a transaction, are gathered as a unit, which is logged as one record, between
 * MULTI and EXEC if it has more than one command. Keys that expire or are evicted are logged as DEL, where it happens: before the
 * command that came upon them. Nothing is logged of what changed nothing.
 *
 * While the log is off each of these costs one test, of what a command reads anyway.
 *
 * Threads: as for the key's entry: its shard locked, or alone. A worker's unit is its own.
 */
#ifndef ORDINAL_COMMANDS_PROPAGATE_H
#define ORDINAL_COMMANDS_PROPAGATE_H

#include "clock.h"
#include "commands/call.h"
#include "types/number.h"

static inline bool propagate_is_on(const struct call *c)
{
    return __builtin_expect(log_is_on(&c->server->log), 0);
}

/* ---- for handlers: what is logged in place of the command. `arguments` are slices; the first is the command's name. ---- */

/* A command. Given several times without a unit, each is a record of its own. */
#define propagate(c, ...)                                                                           \
    do {                                                                                            \
        if (propagate_is_on(c)) {                                                                   \
            const struct slice propagate_words[] = {__VA_ARGS__};                                   \
            propagate_command((c), propagate_words, sizeof propagate_words / sizeof(struct slice)); \
        }                                                                                           \
    } while (0)

/* A command that ends with the arguments rest[0 .. count - 1]. */
#define propagate_with(c, rest, count, ...)                                                               \
    do {                                                                                                  \
        if (propagate_is_on(c)) {                                                                         \
            const struct slice propagate_words[] = {__VA_ARGS__};                                         \
            propagate_joined((c), propagate_words, sizeof propagate_words / sizeof(struct slice), (rest), \
                             (count));                                                                    \
        }                                                                                                 \
    } while (0)

/* A command that ends with `count` bulk strings, which stand as RESP in the reply from `start` on: what was popped at random. */
#define propagate_replied(c, start, count, ...)                                                           \
    do {                                                                                                  \
        if (propagate_is_on(c)) {                                                                         \
            const struct slice propagate_words[] = {__VA_ARGS__};                                         \
            propagate_bulks((c), propagate_words, sizeof propagate_words / sizeof(struct slice), (start), \
                            (count));                                                                     \
        }                                                                                                 \
    } while (0)

void propagate_command(struct call *c, const struct slice *argv, size_t argc);
void propagate_argv(struct call *c);
void propagate_joined(struct call *c, const struct slice *head, size_t n, const struct slice *rest,
                      size_t count);
void propagate_bulks(struct call *c, const struct slice *head, size_t n, size_t start, size_t count);

/* SET of argv[value], with a deadline: the command that caches run most. */
void propagate_set_slow(struct call *c, const struct key *key, size_t value, int64_t deadline);
static inline void propagate_set(struct call *c, const struct key *key, size_t value, int64_t deadline)
{
    if (propagate_is_on(c)) {
        propagate_set_slow(c, key, value, deadline);
    }
}

/* The command as it came, though it counts as no change. */
static inline void propagate_as_it_came(struct call *c)
{
    if (propagate_is_on(c)) {
        propagate_argv(c);
    }
}

/* Nothing: the change is none that others must repeat. */
static inline void propagate_nothing(struct call *c)
{
    c->told |= propagate_is_on(c);
}

/* A deadline of clock.h as the log has it: milliseconds of wall time. `digits` must live until it is propagated. */
static inline struct slice propagate_deadline(int64_t deadline, char digits[NUMBER_I64_MAX_CHARS])
{
    return (struct slice){digits, number_format_i64(digits, clock_to_wall_kept(deadline))};
}

static inline struct slice propagate_number(int64_t number, char digits[NUMBER_I64_MAX_CHARS])
{
    return (struct slice){digits, number_format_i64(digits, number)};
}

/* ---- units ---- */

/* What is logged from here on belongs together; units within units are part of the outermost. */
static inline void propagate_begin(struct worker *w)
{
    w->unit.depth++;
}

/* Logs what was gathered since the outermost propagate_begin. */
void propagate_end(struct worker *w);

/* Logs what has been gathered so far as a unit of its own: before a cut that a command of a transaction makes, which shall have
 * what these commands did, and the log behind it what follows. */
void propagate_settle(struct worker *w);

/* ---- for dispatch, and for whoever is told of changes that no command makes ---- */

void propagate_changes(struct call *c);

/* After a handler has run, still locked: logs its command, unless it has told what to log, or nothing has changed. */
static inline void propagate_ran(struct call *c)
{
    if (propagate_is_on(c)) {
        propagate_changes(c);
    }
}

/* What has changed up to now was logged, or needs not be: before a handler runs elsewhere than in the batch that `c` was made
 * for. */
static inline void propagate_mark(struct call *c)
{
    c->dirty = c->worker->dirty;
    c->told = false;
}

/* An entry goes that has expired or is evicted, or has lost parts that had (change_gone). */
void propagate_gone(struct worker *w, const struct db *db, const struct entry *e, enum db_gone why);

/* A field of a hash goes, past its deadline; propagate_gone tells of which hash. */
void propagate_field_gone(struct slice field);

/* At start. */
void propagate_init(struct server *server);

#endif
