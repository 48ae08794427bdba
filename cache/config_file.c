/* Reading settings: redis.conf with its includes, and redis-server's command line.
 *
 * A file is read whole and line by line: comments and empty lines are passed over, the first word names the
 * setting. A mistake stops the start, with the place and the line, because a server that runs without a
 * setting that its owner wrote down is worse than one that does not run. Lines that hold a secret are not
 * repeated.
 */
#include "config_row.h"
#include "logger.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define INCLUDE_DEPTH 16
#define FILE_SIZE_MAX (16 * 1024 * 1024) /* more is not a configuration: `include /dev/zero` must end */

static const char unknown[] = "Bad directive or wrong number of arguments";

/* ---- what may surprise the one who wrote it ------------------------------------------------------------ */

void config_warn(struct config *cfg, char *message)
{
    list_add(&cfg->warnings, message);
}

void config_note(struct config *cfg, const struct config_row *row, enum config_origin origin)
{
    cfg->origin[config_row_index(row)] = (unsigned char)origin;
    if ((row->flags & (CONFIG_IGNORED | CONFIG_PENDING)) == 0 || row_is_default(cfg, row)) {
        return;
    }
    if ((row->flags & CONFIG_IGNORED) != 0) {
        config_warn(cfg, must_format("Setting '%s' is accepted but not needed: %s", row->name, row->help));
    } else {
        config_warn(cfg, must_format("Setting '%s' is kept, but this version does not act on it", row->name));
    }
}

/* Settings that are not needed and have their default value anyway: one line for all, as a stock
 * redis.conf has many. */
static void log_defaults(const struct config *cfg)
{
    struct config_list names = {NULL, 0};
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        bool given = cfg->origin[i] != CONFIG_FROM_DEFAULT && (row->flags & CONFIG_IGNORED) != 0;
        if (given && row_is_default(cfg, row)) {
            list_add(&names, must(strdup(row->name)));
        }
    }
    if (names.count > 0) {
        char *text = list_join(&names, ' ');
        logger_notice("Settings accepted but not needed: %s", text);
        free(text);
    }
    list_clear(&names);
}

void config_log_warnings(struct config *cfg)
{
    for (size_t i = 0; i < cfg->warnings.count; i++) {
        logger_warning("%s", cfg->warnings.items[i]);
    }
    list_clear(&cfg->warnings);
    log_defaults(cfg);
}

/* ---- one setting --------------------------------------------------------------------------------------- */

/* Gives the setting words[0] the values words[1…]. False with the bare reason. */
static bool set_from_words(struct config *cfg, const struct config_row *row, const struct config_list *words,
                           enum config_origin origin, char *err, size_t err_size)
{
    struct config_list values = {words->items + 1, words->count - 1};
    struct config_list parts = {NULL, 0};
    char nothing[] = "";
    char *none = nothing;
    enum config_origin before = cfg->origin[config_row_index(row)];
    bool append = before == CONFIG_FROM_FILE || before == CONFIG_FROM_ARGS;
    bool grows = row->type == CONFIG_PAIRS || row->type == CONFIG_LINES;
    if (row_takes_words(row) && !grows && values.count == 1) { /* save "60 1" is save 60 1 */
        list_split(&parts, values.items[0]);
        values = parts;
    } else if (row->type == CONFIG_SAVE && values.count == 0) { /* save alone is save "" */
        values = (struct config_list){&none, 1};
    }
    bool done = row_assign(cfg, row, &values, append, err, err_size);
    list_clear(&parts);
    if (done) {
        config_note(cfg, row, origin);
    }
    return done;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static char *read_descriptor(int fd, size_t *size)
{
    size_t space = 4096;
    char *text = must(malloc(space));
    *size = 0;
    for (;;) {
        ssize_t got = read(fd, text + *size, space - *size - 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            free(text);
            return NULL;
        }
        if (got == 0) {
            text[*size] = '\0';
            return text;
        }
        *size += (size_t)got;
        if (*size > FILE_SIZE_MAX) {
            free(text);
            errno = EFBIG;
            return NULL;
        }
        if (*size + 1 == space) {
            space *= 2;
            text = must(realloc(text, space));
        }
    }
}

char *config_read_file(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    char *text = read_descriptor(fd, size);
    int error = errno;
    close(fd);
    errno = error;
    return text;
}

char *config_absolute(const struct config *cfg, const char *path)
{
    return path[0] == '/' ? must(strdup(path)) : must_format("%s/%s", cfg->start_dir, path);
}

static bool load_lines(struct config *cfg, const char *source, const char *text, size_t size, int depth,
                       char *err, size_t err_size);

static bool load_path(struct config *cfg, const char *path, int depth, char *err, size_t err_size)
{
    size_t size;
    char *text = config_read_file(path, &size);
    if (text == NULL) {
        snprintf(err, err_size, "Fatal error, can't open config file '%s': %s", path, strerror(errno));
        return false;
    }
    bool done = load_lines(cfg, path, text, size, depth, err, err_size);
    free(text);
    return done;
}

/* include PATH: a path with wildcards may match nothing, one without must be there. */
static bool load_include(struct config *cfg, const char *path, int depth, char *err, size_t err_size)
{
    if (depth >= INCLUDE_DEPTH) {
        snprintf(err, err_size, "Fatal error, config file '%s' is included too deep (by itself?)", path);
        return false;
    }
    char *pattern = config_absolute(cfg, path);
    glob_t found;
    bool done = true;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && done; i++) {
            done = load_path(cfg, found.gl_pathv[i], depth + 1, err, err_size);
        }
        globfree(&found);
    } else if (strpbrk(path, "*?[") == NULL) {
        done = load_path(cfg, pattern, depth + 1, err, err_size);
    }
    free(pattern);
    return done;
}

static bool is_secret(const struct config_row *row)
{
    return row != NULL && (row->type == CONFIG_SECRET || row->type == CONFIG_LINES);
}

static bool fail_at(const char *place, const char *line, size_t size, const struct config_row *row,
                    const char *reason, char *err, size_t err_size)
{
    bool secret = is_secret(row);
    int length = secret ? (int)strlen(row->name) : (int)(size < 256 ? size : 256);
    snprintf(err, err_size, "*** FATAL CONFIG FILE ERROR (Ordinal) ***\nReading %s\n>>> '%.*s%s'\n%s", place,
             length, secret ? row->name : line, secret ? " …" : "", reason);
    return false;
}

/* One line's words. A failing include writes the whole message itself: *told. */
static bool load_words(struct config *cfg, const struct config_list *words, const struct config_row *row,
                       int depth, bool *told, char *err, size_t err_size)
{
    const char *name = words->items[0];
    if (strcasecmp(name, "include") == 0 && words->count == 2) {
        *told = true;
        return load_include(cfg, words->items[1], depth, err, err_size);
    }
    if (strcasecmp(name, "loadmodule") == 0) {
        snprintf(err, err_size, "Ordinal loads no modules: remove this line");
        return false;
    }
    if (row == NULL) {
        snprintf(err, err_size, "%s", unknown);
        return false;
    }
    return set_from_words(cfg, row, words, CONFIG_FROM_FILE, err, err_size);
}

const struct config_row *config_row_of_line(const char *line, size_t size)
{
    size_t start = 0;
    while (start < size && isspace((unsigned char)line[start])) {
        start++;
    }
    size_t end = start;
    while (end < size && !isspace((unsigned char)line[end])) {
        end++;
    }
    return start == end ? NULL : config_row_find(line + start, end - start);
}

static bool load_line(struct config *cfg, const char *source, size_t number, const char *line, size_t size,
                      int depth, char *err, size_t err_size)
{
    struct config_list words = {NULL, 0};
    char reason[CONFIG_ERR_SIZE] = "Unbalanced quotes in configuration line";
    const struct config_row *row = config_row_of_line(line, size);
    bool told = false;
    bool done = words_split(&words, line, size);
    if (done && words.count > 0) {
        row = config_row_find(words.items[0], strlen(words.items[0]));
        done = load_words(cfg, &words, row, depth, &told, reason, sizeof reason);
    }
    list_clear(&words);
    if (done) {
        return true;
    }
    if (told) {
        snprintf(err, err_size, "%s", reason);
        return false;
    }
    char *place = must_format("the configuration file %s, at line %zu", source, number);
    fail_at(place, line, size, row, reason, err, err_size);
    free(place);
    return false;
}

static bool load_lines(struct config *cfg, const char *source, const char *text, size_t size, int depth,
                       char *err, size_t err_size)
{
    const char *end = text + size;
    for (size_t number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline != NULL ? newline : end;
        const char *next = newline != NULL ? newline + 1 : end;
        while (text < stop && isspace((unsigned char)*text)) {
            text++;
        }
        while (stop > text && isspace((unsigned char)stop[-1])) {
            stop--;
        }
        if (text < stop && *text != '#' &&
            !load_line(cfg, source, number, text, (size_t)(stop - text), depth, err, err_size)) {
            return false;
        }
        text = next;
    }
    return true;
}

bool config_load_text(struct config *cfg, const char *source, const char *text, size_t size, char *err,
                      size_t err_size)
{
    return load_lines(cfg, source, text, size, 0, err, err_size);
}

static bool read_stdin(struct config *cfg, char *err, size_t err_size)
{
    size_t size;
    free(cfg->stdin_text);
    cfg->stdin_text = read_descriptor(STDIN_FILENO, &size);
    if (cfg->stdin_text == NULL) {
        snprintf(err, err_size, "Fatal error, can't read the configuration from standard input: %s",
                 strerror(errno));
    }
    return cfg->stdin_text != NULL;
}

bool config_load_file(struct config *cfg, const char *path, char *err, size_t err_size)
{
    bool from_stdin = strcmp(path, "-") == 0;
    free(cfg->config_file);
    cfg->config_file = from_stdin ? must(strdup("-")) : config_absolute(cfg, path);
    return (!from_stdin || read_stdin(cfg, err, err_size)) && config_load_file_again(cfg, cfg, err, err_size);
}

bool config_load_file_again(const struct config *cfg, struct config *next, char *err, size_t err_size)
{
    if (strcmp(cfg->config_file, "-") == 0) {
        return config_load_text(next, "on standard input", cfg->stdin_text, strlen(cfg->stdin_text), err,
                                err_size);
    }
    return cfg->config_file[0] == '\0' || load_path(next, cfg->config_file, 0, err, err_size);
}

/* ---- command line -------------------------------------------------------------------------------------- */

static char *words_as_line(const struct config_list *words)
{
    struct config_list quoted = {NULL, 0};
    for (size_t i = 0; i < words->count; i++) {
        list_add(&quoted, i == 0 ? must(strdup(words->items[i])) : must_format("\"%s\"", words->items[i]));
    }
    return list_join_clear(&quoted, ' ');
}

static bool load_option(struct config *cfg, const struct config_list *words, char *err, size_t err_size)
{
    const char *name = words->items[0];
    const struct config_row *row = config_row_find(name, strlen(name));
    char reason[CONFIG_ERR_SIZE];
    snprintf(reason, sizeof reason, "%s", unknown);
    bool told = false;
    bool done = false;
    if (row != NULL) {
        done = set_from_words(cfg, row, words, CONFIG_FROM_ARGS, reason, sizeof reason);
    } else {
        done = load_words(cfg, words, row, 0, &told, reason, sizeof reason);
    }
    if (!done) {
        char *line = words_as_line(words);
        fail_at("the command line", line, strlen(line), row, reason, err, err_size);
        free(line);
    }
    return done;
}

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] == '-';
}

/* "--name value" in one argument. */
static bool holds_value(const char *option)
{
    return strchr(option, ' ') != NULL;
}

/* How many arguments belong to the option at argv[0]. As in redis-server, the first one after the name is
 * a value even if it begins with "--"; only --save, and what holds its value itself, may stand alone. */
static int option_length(int argc, char **argv)
{
    int length = 1;
    bool may_be_bare = strcasecmp(argv[0], "--save") == 0 || holds_value(argv[0]);
    while (length < argc && (!is_option(argv[length]) || (length == 1 && !may_be_bare))) {
        length++;
    }
    return length;
}

/* The name without its dashes, and the values. */
static bool option_words(struct config_list *words, int count, char **argv, char *err, size_t err_size)
{
    const char *option = argv[0] + 2;
    if (!holds_value(option)) {
        list_add(words, must(strdup(option)));
    } else if (!words_split(words, option, strlen(option)) || words->count == 0) {
        snprintf(err, err_size, "Unbalanced quotes or no name in argument '%s'", argv[0]);
        return false;
    }
    for (int i = 1; i < count; i++) {
        list_add(words, must(strdup(argv[i])));
    }
    if (words->count == 1 && strcasecmp(words->items[0], "save") == 0) {
        list_add(words, must(strdup("")));
    }
    return true;
}

bool config_load_args(struct config *cfg, int argc, char **argv, char *err, size_t err_size)
{
    cfg->args = argv;
    cfg->arg_count = argc;
    int at = argc > 0 && !is_option(argv[0]) && (argv[0][0] != '-' || argv[0][1] == '\0') ? 1 : 0;
    while (at < argc) {
        if (!is_option(argv[at])) {
            snprintf(err, err_size, "Unexpected argument '%s': settings are given as --name value", argv[at]);
            return false;
        }
        int length = option_length(argc - at, argv + at);
        struct config_list words = {NULL, 0};
        bool done =
            option_words(&words, length, argv + at, err, err_size) && load_option(cfg, &words, err, err_size);
        list_clear(&words);
        if (!done) {
            return false;
        }
        at += length;
    }
    return true;
}
