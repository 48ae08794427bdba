/* A setting's value, type by type: written as text, put together, released. */
#include "config_value.h"

#include <stdlib.h>
#include <string.h>

const char *const value_class_names[CONFIG_CLASSES] = {"normal", "slave", "pubsub"};
const char value_notify_letters[] = "KEg$lshzxetdmn";

/* ---- writing ------------------------------------------------------------------------------------------- */

static char *format_choice(const char *choices, int index)
{
    for (; index > 0; index--) {
        choices += strcspn(choices, "|") + 1;
    }
    return must(strndup(choices, strcspn(choices, "|")));
}

/* In the order that Redis shows: the classes of A (or the A alone), then K, E, m; n only where A is not. */
static char *format_notify(int bits)
{
    char text[sizeof value_notify_letters + 1];
    size_t at = 0;
    bool all = (bits & CONFIG_NOTIFY_ALL) == CONFIG_NOTIFY_ALL;
    if (all) {
        text[at++] = 'A';
    }
    static const char order[] = "g$lshzxetdnKEm";
    for (const char *c = order; *c != '\0'; c++) {
        int bit = 1 << (strchr(value_notify_letters, *c) - value_notify_letters);
        if ((bits & bit) != 0 && !(all && ((bit & CONFIG_NOTIFY_ALL) != 0 || bit == CONFIG_NOTIFY_NEW))) {
            text[at++] = *c;
        }
    }
    text[at] = '\0';
    return must(strdup(text));
}

char *value_format_save(const struct config_save *save)
{
    struct config_list words = {NULL, 0};
    for (size_t i = 0; i < save->count; i++) {
        list_add(&words, must_format("%lld %lld", (long long)save->points[i].seconds,
                                     (long long)save->points[i].changes));
    }
    return list_join_clear(&words, ' ');
}

char *value_format_limit(const struct config_buffer_limit *limits, int class)
{
    return must_format("%s %lld %lld %lld", value_class_names[class], (long long)limits[class].hard,
                       (long long)limits[class].soft, (long long)limits[class].soft_seconds);
}

static char *format_limits(const struct config_buffer_limit *limits)
{
    struct config_list words = {NULL, 0};
    for (int i = 0; i < CONFIG_CLASSES; i++) {
        list_add(&words, value_format_limit(limits, i));
    }
    return list_join_clear(&words, ' ');
}

char *value_format(const struct config_row *row, const union value *value)
{
    switch (row->type) {
    case CONFIG_BOOL: return must(strdup(value->yes ? "yes" : "no"));
    case CONFIG_INT: return must_format("%d", value->integer);
    case CONFIG_OCTAL: return must_format("%o", (unsigned)value->integer);
    case CONFIG_LONG:
    case CONFIG_MEMORY: return must_format("%lld", (long long)value->number);
    case CONFIG_PERCENT:
        return value->number < 0 ? must_format("%lld%%", (long long)-value->number)
                                 : must_format("%lld", (long long)value->number);
    case CONFIG_ENUM: return format_choice(row->choices, value->integer);
    case CONFIG_NOTIFY: return format_notify(value->integer);
    case CONFIG_LIST: return list_join(&value->list, ' ');
    case CONFIG_PAIRS:
    case CONFIG_LINES: return list_join(&value->list, '\n');
    case CONFIG_SAVE: return value_format_save(&value->save);
    case CONFIG_LIMITS: return format_limits(value->limits);
    default: return must(strdup(value->text));
    }
}

/* ---- owning -------------------------------------------------------------------------------------------- */

size_t value_size(const struct config_row *row)
{
    switch (row->type) {
    case CONFIG_BOOL: return sizeof(bool);
    case CONFIG_INT:
    case CONFIG_OCTAL:
    case CONFIG_ENUM:
    case CONFIG_NOTIFY: return sizeof(int);
    case CONFIG_LONG:
    case CONFIG_MEMORY:
    case CONFIG_PERCENT: return sizeof(int64_t);
    case CONFIG_LIST:
    case CONFIG_PAIRS:
    case CONFIG_LINES: return sizeof(struct config_list);
    case CONFIG_SAVE: return sizeof(struct config_save);
    case CONFIG_LIMITS: return sizeof(struct config_buffer_limit[CONFIG_CLASSES]);
    default: return sizeof(char *);
    }
}

void value_clear(const struct config_row *row, union value *value)
{
    switch (row->type) {
    case CONFIG_LIST:
    case CONFIG_PAIRS:
    case CONFIG_LINES: list_clear(&value->list); break;
    case CONFIG_SAVE: free(value->save.points); break;
    case CONFIG_STRING:
    case CONFIG_SECRET:
    case CONFIG_FILENAME:
    case CONFIG_WORDS:
    case CONFIG_PERCENTILES:
    case CONFIG_ADDRESS:
        if (row->type == CONFIG_SECRET && value->text != NULL) {
            explicit_bzero(value->text, strlen(value->text));
        }
        free(value->text);
        break;
    default: break;
    }
}

/* Puts old in front of what was read. old loses what it owned. */
void value_prepend(const struct config_row *row, union value *old, union value *value)
{
    if (row->type == CONFIG_PAIRS || row->type == CONFIG_LINES) {
        for (size_t i = 0; i < value->list.count; i++) {
            list_add(&old->list, value->list.items[i]);
        }
        free(value->list.items);
        value->list = old->list;
        old->list = (struct config_list){NULL, 0};
    } else if (row->type == CONFIG_SAVE && value->save.count > 0) {
        for (size_t i = 0; i < value->save.count; i++) {
            old->save.points =
                must(realloc(old->save.points, (old->save.count + 1) * sizeof *old->save.points));
            old->save.points[old->save.count++] = value->save.points[i];
        }
        free(value->save.points);
        value->save = old->save;
        old->save = (struct config_save){NULL, 0};
    }
}
