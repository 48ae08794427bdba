/* The log that people and collectors read: one line an event, with UTC time, level and words.
 *
 *   2026-11-21T01:29:18.061Z notice  Ready to accept connections on 0.0.0.0:6379
 *   {"time":"2026-11-21T01:29:18.061Z","level":"notice","message":"Ready …"}
 *
 * There is one logger for the process: any thread may call it, at any time, before
 * logger_configure too (then: text, notice and above, standard output). A line is one write(2) to a
 * descriptor opened for appending, so lines of threads and processes never mix and nothing is lost in a
 * buffer on a crash.
 */
#ifndef LOGGER_H
#define LOGGER_H

#include <stdbool.h>
#include <stddef.h>

/* The order is that of severity; the values equal those of enum config_loglevel. */
enum logger_level { LOGGER_DEBUG, LOGGER_VERBOSE, LOGGER_NOTICE, LOGGER_WARNING, LOGGER_NOTHING };

#define LOGGER_LINE_MAX 4096 /* bytes of a message; the rest of a longer one is cut and marked with "…" */

struct logger_options {
    enum logger_level level; /* lines below it are dropped */
    const char *file;        /* "" or NULL: standard output */
    bool json;
};

/* Takes new options. False when the file cannot be opened for appending (errno says why): the old options
 * stay. */
bool logger_configure(const struct logger_options *options);

/* Opens the file again under its name, for log rotation. False as above; the old file stays in use. */
bool logger_reopen(void);

/* True when lines of this level are written; for callers whose arguments are costly. */
bool logger_enabled(enum logger_level level);

/* Control characters in a message are escaped: what a client sent cannot forge a line. errno is preserved. */
#define logger_debug(...)   logger_write(LOGGER_DEBUG, __VA_ARGS__)
#define logger_verbose(...) logger_write(LOGGER_VERBOSE, __VA_ARGS__)
#define logger_notice(...)  logger_write(LOGGER_NOTICE, __VA_ARGS__)
#define logger_warning(...) logger_write(LOGGER_WARNING, __VA_ARGS__)
void logger_write(enum logger_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
