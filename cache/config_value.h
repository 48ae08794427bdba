/* A setting's value apart from any config. Only config_row.c and config_read.c use this. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config_row.h"

union value {
    bool yes;
    int integer;
    int64_t number;
    char *text;
    struct config_list list;
    struct config_save save;
    struct config_buffer_limit limits[CONFIG_CLASSES];
};

extern const char *const value_class_names[CONFIG_CLASSES]; /* of client-output-buffer-limit */
extern const char value_notify_letters[15];                 /* the letter of each bit of enum config_notify */

/* ---- config_read.c ---- */
/* Reads words as the row's type. value is zero, or for CONFIG_LIMITS the present limits. False with the
 * reason. */
bool value_read(const struct config_row *row, const struct config_list *words, union value *value, char *err,
                size_t err_size);
/* ---- config_value.c ---- */
/* The text that CONFIG GET shows; the caller frees it. */
char *value_format(const struct config_row *row, const union value *value);
char *value_format_save(const struct config_save *save);
char *value_format_limit(const struct config_buffer_limit *limits, int class);
size_t value_size(const struct config_row *row);
/* Frees what the value owns; secrets are overwritten first. */
void value_clear(const struct config_row *row, union value *value);
/* Puts old in front of value, for types that grow line by line. old loses what it owned. */
void value_prepend(const struct config_row *row, union value *old, union value *value);

#endif
