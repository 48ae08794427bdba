/* Reading a setting's value from words, type by type.
 *
 * The texts of the errors are Redis's: its users search for them.
 */
#include "config_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool fail(char *err, size_t err_size, const char *reason)
{
    snprintf(err, err_size, "%s", reason);
    return false;
}

static bool parse_bool(const char *word, bool *out)
{
    *out = strcasecmp(word, "yes") == 0;
    return *out || strcasecmp(word, "no") == 0;
}

/* A whole number with nothing before or after it; a decimal one has no leading zeros either. */
static bool parse_number(const char *word, int base, int64_t *out)
{
    const char *digits = word[0] == '-' ? word + 1 : word;
    if (digits[0] < '0' || digits[0] > '9' ||
        (base == 10 && digits[0] == '0' && (digits[1] != '\0' || digits != word))) {
        return false;
    }
    char *end;
    errno = 0;
    long long number = strtoll(word, &end, base);
    *out = number;
    return errno == 0 && *end == '\0';
}

/* Digits and a unit: k m g are powers of 1000, kb mb gb of 1024; b or nothing is bytes. As in
 * Redis no digits are 0. What does not fit is -1, for the check of the range to refuse. */
static bool parse_memory(const char *word, int64_t *out)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"", 1},           {"b", 1},
                 {"k", 1000},       {"kb", 1024},
                 {"m", 1000000},    {"mb", 1024 * 1024},
                 {"g", 1000000000}, {"gb", 1024 * 1024 * 1024}};
    size_t count = strspn(word, "0123456789");
    if (count == 0 && word[0] != '\0') {
        return false;
    }
    errno = 0;
    unsigned long long number = strtoull(word, NULL, 10);
    bool fits = errno == 0 && number <= INT64_MAX;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcasecmp(word + count, units[i].unit) == 0) {
            fits = fits && (int64_t)number <= INT64_MAX / units[i].bytes;
            *out = fits ? (int64_t)number * units[i].bytes : -1;
            return true;
        }
    }
    return false;
}

static bool check_range(const struct config_row *row, int64_t number, char *err, size_t err_size)
{
    if (number >= row->min && number <= row->max) {
        return true;
    }
    const char *format = row->type == CONFIG_OCTAL ? "argument must be between %llo and %llo inclusive"
                                                   : "argument must be between %lld and %lld inclusive";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(err, err_size, format, (long long)row->min, (long long)row->max);
#pragma GCC diagnostic pop
    return false;
}

static bool read_number(const struct config_row *row, const char *word, int64_t *out, char *err,
                        size_t err_size)
{
    if (row->type == CONFIG_MEMORY) {
        if (!parse_memory(word, out)) {
            return fail(err, err_size, "argument must be a memory value");
        }
    } else if (!parse_number(word, row->type == CONFIG_OCTAL ? 8 : 10, out)) {
        return fail(err, err_size, "argument couldn't be parsed into an integer");
    }
    return check_range(row, *out, err, err_size);
}

static bool read_percent(const char *word, int64_t *out, char *err, size_t err_size)
{
    size_t size = strlen(word);
    if (size > 1 && word[size - 1] == '%') {
        char digits[32];
        snprintf(digits, sizeof digits, "%.*s", (int)(size < sizeof digits ? size - 1 : sizeof digits - 1),
                 word);
        if (parse_number(digits, 10, out) && *out >= 0) {
            *out = -*out;
            return *out >= -100 || fail(err, err_size, "percentage argument must be less or equal to 100");
        }
    } else if (parse_memory(word, out) && *out >= 0) {
        return true;
    }
    return fail(err, err_size, "argument must be a memory or percent value");
}

static bool read_choice(const struct config_row *row, const char *word, int *out, char *err, size_t err_size)
{
    const char *choice = row->choices;
    for (int index = 0;; index++) {
        size_t size = strcspn(choice, "|");
        if (strlen(word) == size && strncasecmp(word, choice, size) == 0) {
            *out = index;
            return true;
        }
        if (choice[size] == '\0') {
            break;
        }
        choice += size + 1;
    }
    size_t at = (size_t)snprintf(err, err_size, "argument(s) must be one of the following: ");
    for (const char *c = row->choices; *c != '\0' && at + 3 < err_size; c++) {
        at += (size_t)snprintf(err + at, err_size - at, *c == '|' ? ", " : "%c", *c);
    }
    return false;
}

static bool read_notify(const char *word, int *out, char *err, size_t err_size)
{
    *out = 0;
    for (const char *c = word; *c != '\0'; c++) {
        const char *letter = strchr(value_notify_letters, *c);
        if (letter == NULL && *c != 'A') {
            return fail(err, err_size, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        }
        *out |= *c == 'A' ? CONFIG_NOTIFY_ALL : 1 << (letter - value_notify_letters);
    }
    return true;
}

/* Words that an ignored row may limit: to its choices, or to three numbers in its range
 * (oom-score-adj-values). */
static bool check_words(const struct config_row *row, const struct config_list *words, char *err,
                        size_t err_size)
{
    int index;
    int64_t number;
    if (row->choices != NULL && words->count == 0) {
        return read_choice(row, "", &index, err, err_size);
    }
    if (row->max > 0 && words->count != 3) {
        return fail(err, err_size, "wrong number of arguments");
    }
    for (size_t i = 0; i < words->count; i++) {
        const char *word = words->items[i];
        if (row->choices != NULL && !read_choice(row, word, &index, err, err_size)) {
            return false;
        }
        if (row->max > 0 && (!parse_number(word, 10, &number) || number < row->min || number > row->max)) {
            snprintf(err, err_size, "Invalid %s, elements must be between %lld and %lld.", row->name,
                     (long long)row->min, (long long)row->max);
            return false;
        }
    }
    return true;
}

/* Words of a row with choices as Redis shows them: each once, in the order of the choices; the first,
 * which stands for none of the others, only by itself. */
static char *format_chosen(const struct config_row *row, const struct config_list *words)
{
    struct config_list shown = {NULL, 0};
    char err[CONFIG_ERR_SIZE];
    int index = 0;
    for (const char *choice = row->choices; *choice != '\0'; index++) {
        size_t size = strcspn(choice, "|");
        bool given = false;
        for (size_t i = 0; i < words->count; i++) {
            int at;
            given |= read_choice(row, words->items[i], &at, err, sizeof err) && at == index;
        }
        if (given && index > 0) {
            list_add(&shown, must(strndup(choice, size)));
        }
        choice += size + (choice[size] == '|');
    }
    if (shown.count == 0) {
        list_add(&shown, must(strndup(row->choices, strcspn(row->choices, "|"))));
    }
    return list_join_clear(&shown, ' ');
}

static bool check_percentiles(const struct config_list *words, char *err, size_t err_size)
{
    for (size_t i = 0; i < words->count; i++) {
        char *end;
        double percentile = strtod(words->items[i], &end);
        if (*end != '\0' || isnan(percentile) || (end == words->items[i] && words->count > 1)) {
            return fail(err, err_size, "Invalid latency-tracking-info-percentiles parameters");
        }
        if (!(percentile >= 0 && percentile <= 100)) {
            return fail(err, err_size,
                        "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
        }
    }
    return true;
}

/* As Redis shows them: six digits after the point at most, and no trailing zeros ("50.0" is 50). */
static char *format_percentiles(const struct config_list *words)
{
    struct config_list shown = {NULL, 0};
    for (size_t i = 0; i < words->count; i++) {
        char text[32] = "";
        if (words->items[i][0] != '\0') {
            size_t size = (size_t)snprintf(text, sizeof text, "%f", strtod(words->items[i], NULL));
            while (text[size - 1] == '0') {
                size--;
            }
            text[text[size - 1] == '.' ? size - 1 : size] = '\0';
        }
        list_add(&shown, must(strdup(text)));
    }
    return list_join_clear(&shown, ' ');
}

/* "no one" and "" mean that this is no replica. */
static bool read_address(const struct config_list *words, char **out, char *err, size_t err_size)
{
    if (words->count == 1 && words->items[0][0] == '\0') {
        *out = must(strdup(""));
        return true;
    }
    if (words->count != 2) {
        return fail(err, err_size, "wrong number of arguments");
    }
    if (strcasecmp(words->items[0], "no") == 0 && strcasecmp(words->items[1], "one") == 0) {
        *out = must(strdup(""));
        return true;
    }
    int64_t port;
    if (!parse_number(words->items[1], 10, &port) || port < 0 || port > 65535) {
        return fail(err, err_size, "Invalid master port");
    }
    *out = list_join(words, ' ');
    return true;
}

static bool read_save(const struct config_list *words, struct config_save *out, char *err, size_t err_size)
{
    *out = (struct config_save){NULL, 0};
    if (words->count == 1 && words->items[0][0] == '\0') {
        return true;
    }
    bool right = words->count > 0 && words->count % 2 == 0;
    for (size_t i = 0; right && i < words->count; i += 2) {
        struct config_save_point point;
        right = parse_number(words->items[i], 10, &point.seconds) && point.seconds >= 1 &&
                parse_number(words->items[i + 1], 10, &point.changes) && point.changes >= 0;
        if (right) {
            out->points = must(realloc(out->points, (out->count + 1) * sizeof point));
            out->points[out->count++] = point;
        }
    }
    if (!right) {
        free(out->points);
        return fail(err, err_size, "Invalid save parameters");
    }
    return true;
}

static int class_by_name(const char *name)
{
    for (int i = 0; i < CONFIG_CLASSES; i++) {
        if (strcasecmp(name, value_class_names[i]) == 0) {
            return i;
        }
    }
    return strcasecmp(name, "replica") == 0 ? CONFIG_CLASS_REPLICA : -1;
}

/* limits holds the present ones: classes that are not named stay as they are. */
static bool read_limits(const struct config_list *words, struct config_buffer_limit *limits, char *err,
                        size_t err_size)
{
    if (words->count == 1 && words->items[0][0] == '\0') {
        return true;
    }
    if (words->count == 0 || words->count % 4 != 0) {
        return fail(err, err_size, "Wrong number of arguments in buffer limit configuration.");
    }
    for (size_t i = 0; i < words->count; i += 4) {
        char **word = words->items + i;
        int class = class_by_name(word[0]);
        if (class < 0) {
            return fail(err, err_size, "Invalid client class specified in buffer limit configuration.");
        }
        struct config_buffer_limit *limit = &limits[class];
        if (!parse_memory(word[1], &limit->hard) || !parse_memory(word[2], &limit->soft) ||
            !parse_number(word[3], 10, &limit->soft_seconds) || limit->hard < 0 || limit->soft < 0 ||
            limit->soft_seconds < 0) {
            return fail(err, err_size,
                        "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        }
    }
    return true;
}

static bool read_list(const struct config_row *row, const struct config_list *words, struct config_list *out,
                      char *err, size_t err_size)
{
    *out = (struct config_list){NULL, 0};
    if ((row->type == CONFIG_PAIRS && words->count != 2) ||
        (row->type == CONFIG_LINES && words->count == 0)) {
        return fail(err, err_size, "wrong number of arguments");
    }
    if (row->type == CONFIG_LINES) {
        list_add(out, list_join(words, ' '));
        return true;
    }
    bool empty = row->type == CONFIG_LIST && words->count == 1 && words->items[0][0] == '\0';
    for (size_t i = 0; i < words->count && !empty; i++) {
        list_add(out, must(strdup(words->items[i])));
    }
    return true;
}

static bool read_string(const struct config_row *row, const char *word, char **out, char *err,
                        size_t err_size)
{
    if (row->type == CONFIG_FILENAME && strchr(word, '/') != NULL) {
        snprintf(err, err_size, "%s can't be a path, just a filename", row->name);
        return false;
    }
    *out = must(strdup(word));
    return true;
}

/* A type that is one word. */
static bool read_scalar(const struct config_row *row, const char *word, union value *value, char *err,
                        size_t err_size)
{
    int64_t number;
    switch (row->type) {
    case CONFIG_BOOL:
        return parse_bool(word, &value->yes) || fail(err, err_size, "argument must be 'yes' or 'no'");
    case CONFIG_INT:
    case CONFIG_OCTAL:
        if (!read_number(row, word, &number, err, err_size)) {
            return false;
        }
        value->integer = (int)number;
        return true;
    case CONFIG_LONG:
    case CONFIG_MEMORY: return read_number(row, word, &value->number, err, err_size);
    case CONFIG_PERCENT: return read_percent(word, &value->number, err, err_size);
    case CONFIG_ENUM: return read_choice(row, word, &value->integer, err, err_size);
    case CONFIG_NOTIFY: return read_notify(word, &value->integer, err, err_size);
    default: return read_string(row, word, &value->text, err, err_size);
    }
}

bool value_read(const struct config_row *row, const struct config_list *words, union value *value, char *err,
                size_t err_size)
{
    switch (row->type) {
    case CONFIG_LIST:
    case CONFIG_PAIRS:
    case CONFIG_LINES: return read_list(row, words, &value->list, err, err_size);
    case CONFIG_SAVE: return read_save(words, &value->save, err, err_size);
    case CONFIG_LIMITS: return read_limits(words, value->limits, err, err_size);
    case CONFIG_ADDRESS: return read_address(words, &value->text, err, err_size);
    case CONFIG_WORDS:
        if (!check_words(row, words, err, err_size)) {
            return false;
        }
        value->text = row->choices != NULL ? format_chosen(row, words) : list_join(words, ' ');
        return true;
    case CONFIG_PERCENTILES:
        if (!check_percentiles(words, err, err_size)) {
            return false;
        }
        value->text = format_percentiles(words);
        return true;
    default:
        if (words->count != 1) {
            return fail(err, err_size, "wrong number of arguments");
        }
        return read_scalar(row, words->items[0], value, err, err_size);
    }
}
