/* The log. A line is built in a buffer on the caller's stack and leaves with one write(2), so no thread waits
 * for another's formatting. A reader-writer lock guards the descriptor alone: writers of lines share it, a
 * reopening takes it alone, and so never closes a descriptor that another thread is about to write to.
 * (glibc's reader-writer lock costs an atomic addition; a log line costs a system call.)
 */
#include "logger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Worst case of an escaped message (\u00XX for each byte), and the rest of a line. */
#define BUFFER_SIZE (LOGGER_LINE_MAX * 6 + 256)

static const char *const level_names[] = {"debug", "verbose", "notice", "warning"};
static const char cut_mark[] = "…";

static struct {
    pthread_rwlock_t lock; /* guards fd and file */
    int fd;
    char *file; /* NULL: standard output */
    atomic_int level;
    atomic_bool json;
} logger = {.lock = PTHREAD_RWLOCK_INITIALIZER, .fd = STDOUT_FILENO, .level = LOGGER_NOTICE};

/* ---- where lines go ------------------------------------------------------------------------------------ */

/* Writes to the file of this name from now on, NULL: to standard output. Takes over the name. False with
 * errno when it cannot be opened. */
static bool replace_output(char *file)
{
    int fd = file == NULL ? STDOUT_FILENO : open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        int error = errno;
        free(file);
        errno = error;
        return false;
    }
    pthread_rwlock_wrlock(&logger.lock);
    int old_fd = logger.fd;
    char *old_file = logger.file;
    logger.fd = fd;
    logger.file = file;
    pthread_rwlock_unlock(&logger.lock);
    if (old_fd != STDOUT_FILENO) {
        close(old_fd);
    }
    free(old_file);
    return true;
}

bool logger_configure(const struct logger_options *options)
{
    bool to_file = options->file != NULL && options->file[0] != '\0';
    char *file = to_file ? strdup(options->file) : NULL;
    if ((to_file && file == NULL) || !replace_output(file)) {
        return false;
    }
    atomic_store(&logger.level, (int)options->level);
    atomic_store(&logger.json, options->json);
    return true;
}

bool logger_reopen(void)
{
    pthread_rwlock_rdlock(&logger.lock);
    char *file = logger.file == NULL ? NULL : strdup(logger.file);
    bool to_stdout = logger.file == NULL;
    pthread_rwlock_unlock(&logger.lock);
    return to_stdout || (file != NULL && replace_output(file));
}

/* What cannot be written (a full disk, a closed pipe) is dropped: a log must never stop the server. */
static void write_line(const char *line, size_t size)
{
    pthread_rwlock_rdlock(&logger.lock);
    ssize_t written;
    do {
        written = write(logger.fd, line, size);
    } while (written < 0 && errno == EINTR);
    pthread_rwlock_unlock(&logger.lock);
}

/* ---- what a line looks like ---------------------------------------------------------------------------- */

static size_t format_time(char *out, size_t size)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return length + (size_t)snprintf(out + length, size - length, ".%03ldZ", now.tv_nsec / 1000000);
}

/* The length of the UTF-8 sequence at text (RFC 3629: no overlong forms, no surrogates), 0 if there is
 * none. */
static size_t utf8_length(const unsigned char *text, size_t size)
{
    unsigned char first = text[0];
    size_t length = first < 0x80   ? 1
                    : first < 0xC2 ? 0
                    : first < 0xE0 ? 2
                    : first < 0xF0 ? 3
                    : first < 0xF5 ? 4
                                   : 0;
    if (length == 0 || length > size) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool wrong = (first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F) ||
                 (first == 0xF0 && text[1] < 0x90) || (first == 0xF4 && text[1] > 0x8F);
    return wrong ? 0 : length;
}

/* Copies a message so that it stays on one line and, for JSON, inside its quotes. A byte that is no UTF-8
 * becomes \xNN in a text line and U+FFFD in JSON, which has no way to write a byte. */
static size_t escape(char *out, const char *message, size_t size, bool json)
{
    char *end = out;
    for (size_t i = 0; i < size;) {
        const unsigned char *at = (const unsigned char *)message + i;
        size_t length = utf8_length(at, size - i);
        if (length == 0) {
            end += json ? sprintf(end, "\xEF\xBF\xBD") : sprintf(end, "\\x%02x", *at);
        } else if (json && (*at == '"' || *at == '\\')) {
            end += sprintf(end, "\\%c", *at);
        } else if (*at < 0x20 || *at == 0x7F) {
            end += sprintf(end, json ? "\\u%04x" : "\\x%02x", *at);
        } else {
            memcpy(end, at, length);
            end += length;
        }
        i += length == 0 ? 1 : length;
    }
    return (size_t)(end - out);
}

static size_t format_line(char *out, size_t size, enum logger_level level, const char *message,
                          size_t message_size)
{
    char now[40];
    format_time(now, sizeof now);
    bool json = atomic_load(&logger.json);
    size_t length;
    if (json) {
        length = (size_t)snprintf(out, size, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"", now,
                                  level_names[level]);
    } else {
        length = (size_t)snprintf(out, size, "%s %-7s ", now, level_names[level]);
    }
    length += escape(out + length, message, message_size, json);
    return length + (size_t)snprintf(out + length, size - length, "%s\n", json ? "\"}" : "");
}

/* Where to cut a message that does not fit: not in the middle of a character. */
static size_t cut_point(const char *message, size_t size)
{
    while (size > 0 && ((unsigned char)message[size] & 0xC0) == 0x80) {
        size--;
    }
    return size;
}

bool logger_enabled(enum logger_level level)
{
    return level < LOGGER_NOTHING && (int)level >= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

void logger_write(enum logger_level level, const char *format, ...)
{
    if (!logger_enabled(level)) {
        return;
    }
    int error = errno;
    char message[LOGGER_LINE_MAX + 1];
    char line[BUFFER_SIZE];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    size_t size = wanted < 0 ? 0 : (size_t)wanted;
    if (size > LOGGER_LINE_MAX) {
        size = cut_point(message, LOGGER_LINE_MAX - (sizeof cut_mark - 1));
        memcpy(message + size, cut_mark, sizeof cut_mark - 1);
        size += sizeof cut_mark - 1;
    }
    write_line(line, format_line(line, sizeof line, level, message, size));
    errno = error;
}
