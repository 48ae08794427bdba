/* One row of the settings table, and what can be done with its value. Only the config_*.c files use this.
 *
 * A value has two written forms. In redis.conf it is a list of words (`bind 10.0.0.1 ::1`); CONFIG GET and
 * CONFIG SET use one text (`"10.0.0.1 ::1"`). row_assign takes words, row_assign_text takes the text,
 * row_format gives the text; what row_format gives, row_assign_text accepts, and CONFIG SET relies on it to
 * put old values back.
 */
#ifndef CONFIG_ROW_H
#define CONFIG_ROW_H

#include "config.h"

enum config_type {
    CONFIG_BOOL,        /* bool: yes, no */
    CONFIG_INT,         /* int */
    CONFIG_LONG,        /* int64_t */
    CONFIG_OCTAL,       /* int, written as a file mode */
    CONFIG_MEMORY,      /* int64_t bytes, written with units */
    CONFIG_PERCENT,     /* int64_t bytes, or -percent */
    CONFIG_ENUM,        /* int: index into the row's choices */
    CONFIG_NOTIFY,      /* int: bits */
    CONFIG_STRING,      /* char * */
    CONFIG_SECRET,      /* char *, never shown in a message */
    CONFIG_FILENAME,    /* char * without a slash */
    CONFIG_WORDS,       /* char *: any number of words, joined by spaces */
    CONFIG_PERCENTILES, /* char *: the same, each 0..100 */
    CONFIG_ADDRESS,     /* char *: "host port" */
    CONFIG_LIST,        /* struct config_list: replaced by each line */
    CONFIG_PAIRS,       /* struct config_list: each line adds two items */
    CONFIG_LINES,       /* struct config_list: each line adds one item */
    CONFIG_SAVE,        /* struct config_save: each line adds points */
    CONFIG_LIMITS,      /* struct config_buffer_limit[CONFIG_CLASSES]: each line sets classes */
};

enum config_flag {
    CONFIG_START = 1 << 0,     /* only at start: CONFIG SET refuses */
    CONFIG_PROTECTED = 1 << 1, /* CONFIG SET only as enable-protected-configs allows */
    CONFIG_IGNORED = 1 << 2,   /* has no field; kept for CONFIG GET */
    CONFIG_PENDING = 1 << 3,   /* kept, but this version does not act on it */
    CONFIG_HIDDEN = 1 << 4,    /* CONFIG GET shows it for its exact name only */
    CONFIG_UNLISTED = 1 << 5,  /* CONFIG GET never shows it */
    CONFIG_LOADED = 1 << 6,    /* not while the data set is being loaded */
};

enum config_group {
    CONFIG_NETWORK,
    CONFIG_GENERAL,
    CONFIG_SECURITY,
    CONFIG_MEMORY_LIMITS,
    CONFIG_ENCODINGS,
    CONFIG_PERSISTENCE,
    CONFIG_REPLICATION,
    CONFIG_TLS,
    CONFIG_CLUSTER,
    CONFIG_NOT_NEEDED,
};

struct config_row {
    const char *name;
    const char *alias; /* Redis's older name, or NULL */
    enum config_type type;
    unsigned flags;
    enum config_group group;
    size_t offset;       /* of the field in struct config */
    int64_t min, max;    /* of numbers */
    const char *choices; /* "no|yes|local" */
    const char *initial; /* the default, as CONFIG GET shows it */
    const char *help;    /* what it does; for an ignored row: why it is not needed */
};

/* As struct config has it: save, save_count. */
struct config_save {
    struct config_save_point *points;
    size_t count;
};

enum config_origin {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_ENV,
    CONFIG_FROM_ARGS,
    CONFIG_FROM_SET
};

/* ---- the table (config_table.c) ---- */
size_t config_row_count(void);
const struct config_row *config_row_at(size_t index);
size_t config_row_index(const struct config_row *row);
size_t config_row_ignored_index(const struct config_row *row);
/* By name or alias, in either case; NULL if there is none. */
const struct config_row *config_row_find(const char *name, size_t size);

/* ---- values (config_row.c) ---- */
/* append: add to lists that grow line by line, as in a file. False with the reason in err. */
bool row_assign(struct config *cfg, const struct config_row *row, const struct config_list *words,
                bool append, char *err, size_t err_size);
bool row_assign_text(struct config *cfg, const struct config_row *row, const char *text, char *err,
                     size_t err_size);
/* The text of the value; the caller frees it. */
char *row_format(const struct config *cfg, const struct config_row *row);
bool row_is_default(const struct config *cfg, const struct config_row *row);
/* The value's lines in redis.conf, each with its newline; the caller frees the text. */
char *row_lines(const struct config *cfg, const struct config_row *row);
void row_clear(struct config *cfg, const struct config_row *row);
/* "yes, no", "0..65535", "bytes": for help and documentation. */
void row_describe_type(const struct config_row *row, char *out, size_t size);
bool row_takes_words(const struct config_row *row);

/* ---- words and lists (config_words.c) ---- */
void *must(void *block); /* the block, or the end of the process when it is NULL */
char *must_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Takes over `item`, which came from malloc. */
void list_add(struct config_list *list, char *item);
void list_clear(struct config_list *list);
char *list_join(const struct config_list *list, char separator);
/* The same, and the list is cleared. */
char *list_join_clear(struct config_list *list, char separator);
/* Splits at single spaces, as CONFIG SET does; "a  b" has an empty word in it. */
void list_split(struct config_list *list, const char *text);
/* Splits a line of redis.conf: words, "…" with escapes, '…'. False for unbalanced quotes or a zero byte. */
bool words_split(struct config_list *words, const char *line, size_t size);
/* The word as redis.conf needs it: in quotes where it must be; the caller frees it. */
char *words_quote(const char *word);

/* ---- loading (config_file.c) ---- */
/* Sets who gave the row its value, and keeps a warning when that value will not do what its giver expects. */
void config_note(struct config *cfg, const struct config_row *row, enum config_origin origin);
void config_warn(struct config *cfg, char *message); /* takes over the message */
/* The row that a line of redis.conf names by its first word; NULL if there is none. */
const struct config_row *config_row_of_line(const char *line, size_t size);
/* The path as seen from where the server was started; the caller frees it. */
char *config_absolute(const struct config *cfg, const char *path);
/* A whole file with a zero byte after it; NULL with errno set. The caller frees it. */
char *config_read_file(const char *path, size_t *size);
/* The lines of a file; source is its name for messages. */
bool config_load_text(struct config *cfg, const char *source, const char *text, size_t size, char *err,
                      size_t err_size);
/* The file again, or what standard input gave, into another config. */
bool config_load_file_again(const struct config *cfg, struct config *next, char *err, size_t err_size);

/* ---- changing (config_set.c) ---- */
struct config_change {
    const struct config_row *row;
    char *text; /* the new value */
    char *old;  /* the present one; filled in by config_apply_changes */
};
/* All or nothing, hooks included. *failed is the change that was refused, err the bare reason. */
bool config_apply_changes(struct config *cfg, struct config_change *changes, size_t count, size_t *failed,
                          char *err, size_t err_size);
/* Frees the texts and the array. */
void config_free_changes(struct config_change *changes, size_t count);
void config_free_hooks(struct config *cfg);

/* ---- the environment (config_env.c) ---- */
/* The file that this variable (NAME=value) wants a setting to be read from, or NULL. */
const char *config_env_file(const char *variable);

/* ---- the password (config_password.c) ---- */
/* A reload has replaced `old`: it is good for password_overlap seconds more. */
void config_password_replaced(struct config *cfg, const char *old);
/* Only the present one is good. */
void config_password_forget(struct config *cfg);

/* ---- life (config.c) ---- */
/* What nobody has set and the container decides: maxmemory, from its memory limit. root: as cgroup.h has it. */
void config_fit_container(struct config *cfg, const char *root);
/* Makes `dir` absolute. False with the reason when there is no such folder. */
bool config_resolve_dir(struct config *cfg, char *err, size_t err_size);
/* Remembers all values as those that the files gave. */
void config_remember_loaded(struct config *cfg);

#endif
