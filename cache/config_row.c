/* A setting of a config: its value, kept in the field that the row names, and its lines in redis.conf.
 *
 * What is read goes into a value on the side first and moves into the field only when all of it is right, so
 * a refused line or CONFIG SET leaves the field as it was. Settings that Ordinal does not need keep only the
 * text.
 */
#include "config_row.h"
#include "config_value.h"

#include <limits.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(struct config, save_count) ==
                   offsetof(struct config, save) + offsetof(struct config_save, count),
               "save and save_count lie as struct config_save");

static void *row_slot(const struct config *cfg, const struct config_row *row)
{
    struct config *writable = (struct config *)(uintptr_t)cfg;
    if ((row->flags & CONFIG_IGNORED) != 0) {
        return &writable->ignored[config_row_ignored_index(row)];
    }
    return (char *)writable + row->offset;
}

bool row_takes_words(const struct config_row *row)
{
    return row->type >= CONFIG_WORDS;
}

void row_clear(struct config *cfg, const struct config_row *row)
{
    union value value;
    if ((row->flags & CONFIG_IGNORED) != 0) {
        char **slot = row_slot(cfg, row);
        free(*slot);
        *slot = NULL;
        return;
    }
    memcpy(&value, row_slot(cfg, row), value_size(row));
    value_clear(row, &value);
    memset(row_slot(cfg, row), 0, value_size(row));
}

/* An ignored row keeps the text only, in the form that its type gives it. */
static void keep_text(struct config *cfg, const struct config_row *row, union value *value)
{
    char **slot = row_slot(cfg, row);
    char *text = value_format(row, value);
    value_clear(row, value);
    free(*slot);
    *slot = text;
}

bool row_assign(struct config *cfg, const struct config_row *row, const struct config_list *words,
                bool append, char *err, size_t err_size)
{
    union value value, old;
    memset(&value, 0, sizeof value);
    bool ignored = (row->flags & CONFIG_IGNORED) != 0;
    if (!ignored) {
        memcpy(&old, row_slot(cfg, row), value_size(row));
        if (row->type == CONFIG_LIMITS) {
            value = old;
        }
    }
    if (!value_read(row, words, &value, err, err_size)) {
        return false;
    }
    if (ignored) {
        keep_text(cfg, row, &value);
        return true;
    }
    if (append) {
        value_prepend(row, &old, &value);
    }
    value_clear(row, &old);
    memcpy(row_slot(cfg, row), &value, value_size(row));
    if (row->offset == offsetof(struct config, requirepass)) {
        SHA256((const unsigned char *)cfg->requirepass, strlen(cfg->requirepass), cfg->requirepass_sha256);
    }
    return true;
}

bool row_assign_text(struct config *cfg, const struct config_row *row, const char *text, char *err,
                     size_t err_size)
{
    struct config_list words = {NULL, 0};
    if (row_takes_words(row)) {
        list_split(&words, text);
    } else {
        list_add(&words, must(strdup(text)));
    }
    bool done = row_assign(cfg, row, &words, false, err, err_size);
    list_clear(&words);
    return done;
}

char *row_format(const struct config *cfg, const struct config_row *row)
{
    union value value;
    if ((row->flags & CONFIG_IGNORED) != 0) {
        return must(strdup(*(char **)row_slot(cfg, row)));
    }
    memcpy(&value, row_slot(cfg, row), value_size(row));
    return value_format(row, &value);
}

bool row_is_default(const struct config *cfg, const struct config_row *row)
{
    char *value = row_format(cfg, row);
    bool same = strcmp(value, row->initial) == 0;
    free(value);
    return same;
}

/* ---- lines of a file, and words about a type ----------------------------------------------------------- */

static char *memory_with_unit(int64_t bytes)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"gb", 1024 * 1024 * 1024}, {"mb", 1024 * 1024}, {"kb", 1024}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (bytes > 0 && bytes % units[i].bytes == 0) {
            return must_format("%lld%s", (long long)(bytes / units[i].bytes), units[i].unit);
        }
    }
    return must_format("%lld", (long long)bytes);
}

/* The value as CONFIG GET shows it, as a line of a file takes it: in one word, or in several. */
static char *quote_text(const struct config_row *row, const char *text)
{
    if (!row_takes_words(row)) {
        return words_quote(text);
    }
    struct config_list words = {NULL, 0}, quoted = {NULL, 0};
    list_split(&words, text);
    for (size_t i = 0; i < words.count; i++) {
        list_add(&quoted, words_quote(words.items[i]));
    }
    list_clear(&words);
    return list_join_clear(&quoted, ' ');
}

static void add_line(struct config_list *lines, const struct config_row *row, char *arguments)
{
    list_add(lines, must_format("%s %s\n", row->name, arguments));
    free(arguments);
}

static void lines_of(const struct config_row *row, const union value *value, struct config_list *lines)
{
    if (row->type == CONFIG_SAVE && value->save.count > 0) {
        for (size_t i = 0; i < value->save.count; i++) {
            add_line(lines, row, value_format_save(&(struct config_save){value->save.points + i, 1}));
        }
    } else if (row->type == CONFIG_LIMITS) {
        for (int i = 0; i < CONFIG_CLASSES; i++) {
            add_line(lines, row, value_format_limit(value->limits, i));
        }
    } else if (row->type == CONFIG_MEMORY) {
        add_line(lines, row, memory_with_unit(value->number));
    } else {
        char *text = value_format(row, value);
        add_line(lines, row, quote_text(row, text));
        free(text);
    }
}

char *row_lines(const struct config *cfg, const struct config_row *row)
{
    struct config_list lines = {NULL, 0};
    union value value;
    if ((row->flags & CONFIG_IGNORED) != 0) {
        const char *text = *(char **)row_slot(cfg, row);
        add_line(&lines, row, quote_text(row, text));
    } else {
        memcpy(&value, row_slot(cfg, row), value_size(row));
        lines_of(row, &value, &lines);
    }
    size_t size = 1;
    for (size_t i = 0; i < lines.count; i++) {
        size += strlen(lines.items[i]);
    }
    char *text = must(calloc(size, 1));
    char *end = text;
    for (size_t i = 0; i < lines.count; i++) {
        end = stpcpy(end, lines.items[i]);
    }
    list_clear(&lines);
    return text;
}

static void describe_range(const struct config_row *row, char *out, size_t size)
{
    int64_t top = row->type == CONFIG_INT ? INT_MAX : INT64_MAX;
    if (row->max == top) {
        snprintf(out, size, "at least %lld", (long long)row->min);
    } else if (row->type == CONFIG_OCTAL) {
        snprintf(out, size, "%llo to %llo, octal", (long long)row->min, (long long)row->max);
    } else {
        snprintf(out, size, "%lld to %lld", (long long)row->min, (long long)row->max);
    }
}

static void describe_choices(const char *choices, char *out, size_t size)
{
    size_t at = 0;
    for (; *choices != '\0' && at + 3 < size; choices++) {
        at += (size_t)snprintf(out + at, size - at, *choices == '|' ? ", " : "%c", *choices);
    }
}

void row_describe_type(const struct config_row *row, char *out, size_t size)
{
    static const char *const names[] = {
        [CONFIG_BOOL] = "yes, no",
        [CONFIG_MEMORY] = "bytes",
        [CONFIG_NOTIFY] = "letters",
        [CONFIG_PERCENT] = "bytes or percent",
        [CONFIG_STRING] = "text",
        [CONFIG_SECRET] = "secret",
        [CONFIG_FILENAME] = "file name",
        [CONFIG_WORDS] = "words",
        [CONFIG_LIST] = "words",
        [CONFIG_PERCENTILES] = "numbers from 0 to 100",
        [CONFIG_ADDRESS] = "host port",
        [CONFIG_PAIRS] = "old-name new-name",
        [CONFIG_LINES] = "rules",
        [CONFIG_SAVE] = "seconds changes …",
        [CONFIG_LIMITS] = "class hard soft seconds …",
    };
    if (row->type == CONFIG_ENUM) {
        describe_choices(row->choices, out, size);
    } else if (row->type == CONFIG_INT || row->type == CONFIG_LONG || row->type == CONFIG_OCTAL) {
        describe_range(row, out, size);
    } else {
        snprintf(out, size, "%s", names[row->type]);
    }
}
