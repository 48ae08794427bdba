#include "commands/command.h"

#include <stdio.h>
#include <stdlib.h>

#include "types/number.h"

/*
 * Names are found by a hash table that is made once; a name of up to 8 letters, which nearly every one on a hot path is,
 * is compared as one word.
 */

enum { BUCKETS = 2048 };

static const struct command *rows_by_id[COMMAND_MAX];
static const struct command *parents[COMMAND_MAX];
static int count;

static struct bucket {
    uint64_t word; /* the first 8 letters, in lower case */
    const struct command *command;
    const char *name; /* the row's, unless rename-command gave another */
    size_t len;
    int id;
    bool whole; /* the word is all of the name: 8 letters at most, and nothing but letters */
} buckets[BUCKETS];

/* Up to 8 letters in lower case. No byte but the letter itself, in either case, becomes a letter of a name. */
static uint64_t first_word(struct slice name)
{
    uint64_t word = 0;
    memcpy(&word, name.ptr, name.len < 8 ? name.len : 8);
    return word | 0x2020202020202020ULL;
}

static size_t bucket_of(uint64_t word, size_t len)
{
    return (size_t)(((word ^ len) * 0x9E3779B97F4A7C15ULL) >> 53) % BUCKETS;
}

static void number(const struct command *command, const struct command *parent)
{
    if (count == COMMAND_MAX) {
        fprintf(stderr, "ordinal: more than %d commands\n", COMMAND_MAX);
        abort();
    }
    parents[count] = parent;
    rows_by_id[count++] = command;
}

static bool only_letters(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((name.ptr[i] | 0x20) < 'a' || (name.ptr[i] | 0x20) > 'z') {
            return false;
        }
    }
    return true;
}

static void hang_up(const struct command *command, struct slice name, int id)
{
    size_t at = bucket_of(first_word(name), name.len);
    while (buckets[at].command != NULL) {
        at = (at + 1) % BUCKETS;
    }
    buckets[at] = (struct bucket){first_word(name), command, name.ptr,
                                  name.len,         id,      name.len <= 8 && only_letters(name)};
}

void command_register(const struct command *rows)
{
    for (const struct command *row = rows; row->name != NULL; row++) {
        hang_up(row, (struct slice){row->name, strlen(row->name)}, count);
        number(row, NULL);
        for (const struct command *sub = row->subcommands; sub != NULL && sub->name != NULL; sub++) {
            number(sub, row);
        }
    }
}

static const struct bucket *find_bucket(struct slice name)
{
    uint64_t word = first_word(name);
    for (size_t at = bucket_of(word, name.len); buckets[at].command != NULL; at = (at + 1) % BUCKETS) {
        if (buckets[at].word == word && buckets[at].len == name.len &&
            (buckets[at].whole || slice_is(name, buckets[at].name))) {
            return &buckets[at];
        }
    }
    return NULL;
}

/* Takes a name out. Those behind it in the table may have been passed on by it: all are hung up anew. */
static void take_down(const struct bucket *gone)
{
    static struct bucket kept[BUCKETS];
    size_t rest = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        if (buckets[i].command != NULL && &buckets[i] != gone) {
            kept[rest++] = buckets[i];
        }
    }
    memset(buckets, 0, sizeof buckets);
    for (size_t i = 0; i < rest; i++) {
        hang_up(kept[i].command, (struct slice){kept[i].name, kept[i].len}, kept[i].id);
    }
}

bool command_rename(const char *from, const char *to, const char **error)
{
    const struct bucket *old = find_bucket((struct slice){from, strlen(from)});
    struct slice name = {to, strlen(to)};
    if (old == NULL) {
        *error = "No such command in rename-command";
        return false;
    }
    if (name.len > 0 && find_bucket(name) != NULL) {
        *error = "Target command name already exists";
        return false;
    }
    struct bucket renamed = *old;
    take_down(old);
    if (name.len > 0) {
        hang_up(renamed.command, name, renamed.id);
    }
    return true;
}

const struct command *command_find(struct slice name)
{
    const struct bucket *bucket = find_bucket(name);
    return bucket != NULL ? bucket->command : NULL;
}

const struct command *command_find_id(struct slice name, int *id)
{
    const struct bucket *bucket = find_bucket(name);
    if (bucket == NULL) {
        return NULL;
    }
    *id = bucket->id;
    return bucket->command;
}

const struct command *command_find_subcommand(const struct command *parent, struct slice name)
{
    for (const struct command *sub = parent->subcommands; sub != NULL && sub->name != NULL; sub++) {
        if (slice_is(name, sub->name)) {
            return sub;
        }
    }
    return NULL;
}

const struct command *command_find_full(struct slice name)
{
    const char *bar = memchr(name.ptr, '|', name.len);
    if (bar == NULL) {
        return command_find(name);
    }
    size_t len = (size_t)(bar - name.ptr);
    const struct command *parent = command_find((struct slice){name.ptr, len});
    return parent != NULL ? command_find_subcommand(parent, (struct slice){bar + 1, name.len - len - 1})
                          : NULL;
}

int command_id(const struct command *command)
{
    const struct bucket *bucket = find_bucket((struct slice){command->name, strlen(command->name)});
    if (bucket != NULL && bucket->command == command) {
        return bucket->id;
    }
    for (int i = 0; i < count; i++) {
        if (rows_by_id[i] == command) {
            return i;
        }
    }
    return -1;
}

int command_count(void)
{
    return count;
}

const struct command *command_at(int id)
{
    return rows_by_id[id];
}

const struct command *command_parent(const struct command *command)
{
    return parents[command_id(command)];
}

void command_full_name(const struct command *command, char *text, size_t size)
{
    const struct command *parent = command_parent(command);
    if (parent != NULL) {
        snprintf(text, size, "%s|%s", parent->name, command->name);
    } else {
        snprintf(text, size, "%s", command->name);
    }
}

int command_spec_count(const struct command *command)
{
    int specs = 0;
    while (specs < COMMAND_KEY_SPECS && command->keys[specs].first > 0) {
        specs++;
    }
    return specs;
}

int command_subcommand_count(const struct command *command)
{
    int subcommands = 0;
    while (command->subcommands != NULL && command->subcommands[subcommands].name != NULL) {
        subcommands++;
    }
    return subcommands;
}

/* A number at the start of a text, as atoi reads it: that is how leniently Redis counts keys where no command runs. */
static int64_t leading_number(struct slice text)
{
    char digits[NUMBER_I64_MAX_CHARS + 1] = {0};
    memcpy(digits, text.ptr, text.len < sizeof digits - 1 ? text.len : sizeof digits - 1);
    return strtoll(digits, NULL, 10);
}

struct slice command_key_word(const struct command *command, int spec)
{
    const char *word = command->keys_after;
    for (int i = 0; i < spec; i++) {
        word += (command->keys[i].flags & KEY_AFTER) != 0 ? strcspn(word, " ") + 1 : 0;
    }
    return (struct slice){word, strcspn(word, " ")};
}

/* The key after a word: a run of one, or of none. Of several the last one counts, as for the commands themselves. */
static void find_key_after(const struct slice *argv, size_t argc, const struct key_spec *spec,
                           struct slice word, int *first, int *last)
{
    *first = 1;
    *last = 0;
    for (size_t i = (size_t)spec->first; i + 1 < argc; i++) {
        if (argv[i].len == word.len && strncasecmp(argv[i].ptr, word.ptr, word.len) == 0) {
            *first = *last = (int)++i;
            if ((spec->flags & KEY_LAST) == 0) {
                return;
            }
        }
    }
}

bool command_key_run(const struct command *command, int number, const struct slice *argv, size_t argc,
                     int *first, int *last)
{
    const struct key_spec *spec = &command->keys[number];
    if ((spec->flags & KEY_AFTER) != 0) {
        find_key_after(argv, argc, spec, command_key_word(command, number), first, last);
        return true;
    }
    *first = spec->first;
    *last = command_last_key(spec, argc);
    if ((spec->flags & KEY_COUNTED) == 0) {
        *last = *last < (int)argc ? *last : (int)argc - 1;
        return true;
    }
    int64_t keys = (size_t)spec->first < argc ? leading_number(argv[spec->first]) : 0;
    if (keys < 1 || (uint64_t)keys >= argc - (size_t)spec->first) {
        return false;
    }
    *first = spec->first + 1;
    *last = spec->first + (int)keys;
    return true;
}

int command_keys(const struct command *command, const struct slice *argv, size_t argc, int *positions,
                 int max)
{
    int found = 0;
    for (int i = 0; i < command_spec_count(command); i++) {
        const struct key_spec *spec = &command->keys[i];
        int first, last;
        if (!command_key_run(command, i, argv, argc, &first, &last)) {
            return -1;
        }
        for (int at = first; at <= last; at += spec->step) {
            if (found < max) {
                positions[found] = at;
            }
            found++;
        }
    }
    return found;
}
