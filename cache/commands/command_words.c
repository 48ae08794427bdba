#include "commands/command_words.h"

const struct command_word command_flag_words[] = {
    {CMD_WRITE, "write"},
    {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_BLOCKING, "blocking"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_SKIP_MONITOR, "skip_monitor"},
    {CMD_SKIP_SLOWLOG, "skip_slowlog"},
    {CMD_ASKING, "asking"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
    {CMD_ALLOW_BUSY, "allow_busy"},
    {CMD_MOVABLE_KEYS, "movablekeys"},
    {0, NULL},
};

const struct command_word command_key_words[] = {
    {KEY_RO, "RO"},
    {KEY_RW, "RW"},
    {KEY_OW, "OW"},
    {KEY_RM, "RM"},
    {KEY_ACCESS, "access"},
    {KEY_UPDATE, "update"},
    {KEY_INSERT, "insert"},
    {KEY_DELETE, "delete"},
    {KEY_NOT_KEY, "not_key"},
    {KEY_INCOMPLETE, "incomplete"},
    {KEY_VARIABLE, "variable_flags"},
    {0, NULL},
};

enum category {
    CATEGORY_KEYSPACE = 1 << 0,
    CATEGORY_READ = 1 << 1,
    CATEGORY_WRITE = 1 << 2,
    CATEGORY_SET = 1 << 3,
    CATEGORY_SORTED_SET = 1 << 4,
    CATEGORY_LIST = 1 << 5,
    CATEGORY_HASH = 1 << 6,
    CATEGORY_STRING = 1 << 7,
    CATEGORY_BITMAP = 1 << 8,
    CATEGORY_HYPERLOGLOG = 1 << 9,
    CATEGORY_GEO = 1 << 10,
    CATEGORY_STREAM = 1 << 11,
    CATEGORY_PUBSUB = 1 << 12,
    CATEGORY_ADMIN = 1 << 13,
    CATEGORY_FAST = 1 << 14,
    CATEGORY_SLOW = 1 << 15,
    CATEGORY_BLOCKING = 1 << 16,
    CATEGORY_DANGEROUS = 1 << 17,
    CATEGORY_CONNECTION = 1 << 18,
    CATEGORY_TRANSACTION = 1 << 19,
    CATEGORY_SCRIPTING = 1 << 20,
};

const struct command_word command_category_words[] = {
    {CATEGORY_KEYSPACE, "keyspace"},
    {CATEGORY_READ, "read"},
    {CATEGORY_WRITE, "write"},
    {CATEGORY_SET, "set"},
    {CATEGORY_SORTED_SET, "sortedset"},
    {CATEGORY_LIST, "list"},
    {CATEGORY_HASH, "hash"},
    {CATEGORY_STRING, "string"},
    {CATEGORY_BITMAP, "bitmap"},
    {CATEGORY_HYPERLOGLOG, "hyperloglog"},
    {CATEGORY_GEO, "geo"},
    {CATEGORY_STREAM, "stream"},
    {CATEGORY_PUBSUB, "pubsub"},
    {CATEGORY_ADMIN, "admin"},
    {CATEGORY_FAST, "fast"},
    {CATEGORY_SLOW, "slow"},
    {CATEGORY_BLOCKING, "blocking"},
    {CATEGORY_DANGEROUS, "dangerous"},
    {CATEGORY_CONNECTION, "connection"},
    {CATEGORY_TRANSACTION, "transaction"},
    {CATEGORY_SCRIPTING, "scripting"},
    {0, NULL},
};

static const struct {
    const char *name, *title;
    uint32_t category;
} groups[GROUP_COUNT] = {
    [GROUP_GENERIC] = {"generic", "Keys", CATEGORY_KEYSPACE},
    [GROUP_STRING] = {"string", "Strings", CATEGORY_STRING},
    [GROUP_BITMAP] = {"bitmap", "Bitmaps", CATEGORY_BITMAP},
    [GROUP_LIST] = {"list", "Lists", CATEGORY_LIST},
    [GROUP_SET] = {"set", "Sets", CATEGORY_SET},
    [GROUP_SORTED_SET] = {"sorted-set", "Sorted sets", CATEGORY_SORTED_SET},
    [GROUP_HASH] = {"hash", "Hashes", CATEGORY_HASH},
    [GROUP_PUBSUB] = {"pubsub", "Pub/Sub", 0}, /* by the flag of the same name */
    [GROUP_TRANSACTIONS] = {"transactions", "Transactions", CATEGORY_TRANSACTION},
    [GROUP_CONNECTION] = {"connection", "Connections", CATEGORY_CONNECTION},
    [GROUP_SERVER] = {"server", "Server", 0},
    [GROUP_SCRIPTING] = {"scripting", "Scripts", CATEGORY_SCRIPTING},
    [GROUP_HYPERLOGLOG] = {"hyperloglog", "HyperLogLogs", CATEGORY_HYPERLOGLOG},
    [GROUP_GEO] = {"geo", "Geospatial indexes", CATEGORY_GEO},
    [GROUP_STREAM] = {"stream", "Streams", CATEGORY_STREAM},
};

const char *command_group_name(enum command_group group)
{
    return groups[group].name;
}

const char *command_group_title(enum command_group group)
{
    return groups[group].title;
}

uint32_t command_category(struct slice name)
{
    for (const struct command_word *word = command_category_words; word->name != NULL; word++) {
        if (slice_is(name, word->name)) {
            return word->bit;
        }
    }
    return 0;
}

static uint32_t categories_of_flags(const struct command *command)
{
    static const struct {
        uint32_t flag, categories;
    } rules[] = {{CMD_WRITE, CATEGORY_WRITE},
                 {CMD_ADMIN, CATEGORY_ADMIN | CATEGORY_DANGEROUS},
                 {CMD_PUBSUB, CATEGORY_PUBSUB},
                 {CMD_BLOCKING, CATEGORY_BLOCKING}};
    uint32_t bits = (command->flags & CMD_FAST) != 0 ? CATEGORY_FAST : CATEGORY_SLOW;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        bits |= (command->flags & rules[i].flag) != 0 ? rules[i].categories : 0;
    }
    if ((command->flags & CMD_READONLY) != 0 && command->group != GROUP_SCRIPTING) {
        bits |= CATEGORY_READ;
    }
    return bits;
}

uint32_t command_categories(const struct command *command)
{
    uint32_t bits = categories_of_flags(command);
    /* A container that does nothing without a subcommand belongs to no group's category. */
    if (command->subcommands == NULL || command->arity != -2) {
        bits |= groups[command->group].category;
    }
    const char *word = command->categories != NULL ? command->categories : "";
    while (*(word += strspn(word, " ")) != '\0') {
        size_t len = strcspn(word, " ");
        if (*word == '-') {
            bits &= ~command_category((struct slice){word + 1, len - 1});
        } else {
            bits |= command_category((struct slice){word, len});
        }
        word += len;
    }
    return bits;
}

int command_words_count(const struct command_word *words, uint32_t bits)
{
    int count = 0;
    for (; words->name != NULL; words++) {
        count += (bits & words->bit) != 0;
    }
    return count;
}
