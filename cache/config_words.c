/* Words and lists of words: the small change of configuration files.
 *
 * Settings are read at start and changed by hand, so this code allocates freely and ends the process when
 * there is no memory for a few bytes: a server that cannot hold its settings cannot run.
 */
#include "config_row.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *must(void *block)
{
    if (block == NULL) {
        fputs("out of memory for settings\n", stderr);
        abort();
    }
    return block;
}

char *must_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) {
        text = NULL;
    }
    va_end(args);
    return must(text);
}

void list_add(struct config_list *list, char *item)
{
    list->items = must(realloc(list->items, (list->count + 1) * sizeof *list->items));
    list->items[list->count++] = item;
}

void list_clear(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct config_list){NULL, 0};
}

char *list_join(const struct config_list *list, char separator)
{
    size_t size = 1;
    for (size_t i = 0; i < list->count; i++) {
        size += strlen(list->items[i]) + 1;
    }
    char *text = must(malloc(size));
    char *end = text;
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            *end++ = separator;
        }
        end = stpcpy(end, list->items[i]);
    }
    *end = '\0';
    return text;
}

char *list_join_clear(struct config_list *list, char separator)
{
    char *text = list_join(list, separator);
    list_clear(list);
    return text;
}

void list_split(struct config_list *list, const char *text)
{
    for (;;) {
        size_t size = strcspn(text, " ");
        list_add(list, must(strndup(text, size)));
        if (text[size] == '\0') {
            return;
        }
        text += size + 1;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    int lower = tolower((unsigned char)c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* What a backslash in double quotes stands for; *at is on the character after it and is left on the last
 * used. */
static char unescape(const char *line, size_t size, size_t *at)
{
    char c = line[*at];
    if (c == 'x' && *at + 2 < size && hex_digit(line[*at + 1]) >= 0 && hex_digit(line[*at + 2]) >= 0) {
        *at += 2;
        return (char)(hex_digit(line[*at - 1]) * 16 + hex_digit(line[*at]));
    }
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* One word from line[*at] on into out. False when its quotes do not close, or close in the middle of a
 * word. */
static bool word_read(const char *line, size_t size, size_t *at, char *out)
{
    char quote = '\0';
    for (; *at < size; (*at)++) {
        char c = line[*at];
        if (quote == '\0') {
            if (isspace((unsigned char)c)) {
                break;
            }
            if (c == '"' || c == '\'') {
                quote = c;
                continue;
            }
        } else if (c == quote) {
            (*at)++;
            *out = '\0';
            return *at == size || isspace((unsigned char)line[*at]);
        } else if (c == '\\' && *at + 1 < size && (quote == '"' || line[*at + 1] == '\'')) {
            (*at)++;
            c = quote == '"' ? unescape(line, size, at) : line[*at];
        }
        if (c == '\0') {
            return false;
        }
        *out++ = c;
    }
    *out = '\0';
    return quote == '\0';
}

bool words_split(struct config_list *words, const char *line, size_t size)
{
    size_t at = 0;
    for (;;) {
        while (at < size && isspace((unsigned char)line[at])) {
            at++;
        }
        if (at == size) {
            return true;
        }
        char *word = must(malloc(size - at + 1));
        if (!word_read(line, size, &at, word)) {
            free(word);
            return false;
        }
        list_add(words, word);
    }
}

static bool word_is_plain(const char *word)
{
    for (const char *c = word; *c != '\0'; c++) {
        if (!isgraph((unsigned char)*c) || strchr("\"'\\#", *c) != NULL) {
            return false;
        }
    }
    return word[0] != '\0';
}

char *words_quote(const char *word)
{
    if (word_is_plain(word)) {
        return must(strdup(word));
    }
    char *text = must(malloc(strlen(word) * 4 + 3));
    char *end = text;
    *end++ = '"';
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            *end++ = '\\';
            *end++ = *c;
        } else if (isprint((unsigned char)*c)) {
            *end++ = *c;
        } else {
            end += sprintf(end, "\\x%02x", (unsigned char)*c);
        }
    }
    strcpy(end, "\"");
    return text;
}
