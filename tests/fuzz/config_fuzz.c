/* Fuzzes redis.conf: any bytes are read or refused with a message, and what was read can be shown, set and read again.
 *
 * The first byte chooses what the rest is: a file, or name and value of a CONFIG SET. A file that includes another is
 * passed over, for the fuzzer must not read what lies about on the machine.
 */
#include "config.h"
#include "config_row.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_include(const char *text, size_t size)
{
    for (size_t i = 0; i + 7 <= size; i++) {
        if (strncasecmp(text + i, "include", 7) == 0 || text[i] == '\\') {
            return true; /* a backslash may spell the word in hexadecimal */
        }
    }
    return false;
}

/* Each value's lines, read into a fresh config, must give the same value. */
static void check_lines(const struct config *cfg)
{
    char err[CONFIG_ERR_SIZE];
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        if (row->type == CONFIG_LINES || row->type == CONFIG_PAIRS) {
            continue; /* not written by CONFIG REWRITE */
        }
        struct config again;
        char *value = row_format(cfg, row);
        if (strcmp(value, row->initial) != 0) {
            char *lines = row_lines(cfg, row);
            config_init_defaults(&again);
            bool done = config_load_text(&again, "fuzz", lines, strlen(lines), err, sizeof err);
            char *read = row_format(&again, row);
            if (!done || strcmp(read, value) != 0) {
                fprintf(stderr, "%s: '%s' became '%s' by %s%s\n", row->name, value, read, lines,
                        done ? "" : err);
                abort();
            }
            free(read);
            free(lines);
            config_free(&again);
        }
        free(value);
    }
}

static void fuzz_set(struct config *cfg, const char *text, size_t size)
{
    char err[CONFIG_ERR_SIZE];
    const char *space = memchr(text, ' ', size);
    size_t length = space == NULL ? size : (size_t)(space - text);
    struct slice pair[2] = {{text, length}, {text + length, size - length}};
    if (space != NULL) {
        pair[1].ptr++;
        pair[1].len--;
    }
    if (length != 3 || strncasecmp(text, "dir", 3) != 0) { /* it would move the fuzzer */
        config_set(cfg, pair, 1, true, err, sizeof err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char err[CONFIG_ERR_SIZE];
    const char *text = (const char *)data + 1;
    struct config cfg;
    if (size == 0) {
        return 0;
    }
    config_init_defaults(&cfg);
    cfg.enable_protected_configs = CONFIG_ALLOW_YES;
    if (data[0] % 2 == 0 && !has_include(text, size - 1)) {
        config_load_text(&cfg, "fuzz", text, size - 1, err, sizeof err);
    } else if (data[0] % 2 == 1) {
        fuzz_set(&cfg, text, size - 1);
    }
    check_lines(&cfg);
    config_free(&cfg);
    return 0;
}
