/*
 * Streams: source is the RDB file format of Redis 5.0, 7.0 and 7.2, types 15, 19 and 21, of which each has all that the one before
 * it has:
 *
 *   n, then n times: id of the node (a string), listpack (a string)
 *   entries | last id | [19: first id | highest deleted id | entries ever added]           ids are two lengths
 *   n, then n groups: name | last id | [19: entries read]
 *       n, then n pending entries: id(16) | delivered at(8) | deliveries
 *       n, then n consumers: name | seen at(8) | [21: active at(8)] | n, then n ids(16)
 */
#include "persist/rdb_skip.h"

#include "persist/rdb_format.h"
#include "persist/ziplist.h"
#include "types/listpack.h"

/* ---- types ---------------------------------------------------------------------------------------------- */

static const char *const names[] = {
    [RDB_TYPE_STRING] = "a string",
    [RDB_TYPE_LIST] = "a list",
    [RDB_TYPE_SET] = "a set",
    [RDB_TYPE_ZSET] = "a sorted set with scores as text",
    [RDB_TYPE_HASH] = "a hash",
    [RDB_TYPE_ZSET_2] = "a sorted set",
    [RDB_TYPE_MODULE] = "a module's value of a pre-release of Redis 4.0",
    [RDB_TYPE_MODULE_2] = "a module's value",
    [RDB_TYPE_HASH_ZIPMAP] = "a hash as a zipmap",
    [RDB_TYPE_LIST_ZIPLIST] = "a list as a ziplist",
    [RDB_TYPE_SET_INTSET] = "a set as an intset",
    [RDB_TYPE_ZSET_ZIPLIST] = "a sorted set as a ziplist",
    [RDB_TYPE_HASH_ZIPLIST] = "a hash as a ziplist",
    [RDB_TYPE_LIST_QUICKLIST] = "a list as ziplists",
    [RDB_TYPE_STREAM_LISTPACKS] = "a stream",
    [RDB_TYPE_HASH_LISTPACK] = "a hash as a listpack",
    [RDB_TYPE_ZSET_LISTPACK] = "a sorted set as a listpack",
    [RDB_TYPE_LIST_QUICKLIST_2] = "a list as listpacks",
    [RDB_TYPE_STREAM_LISTPACKS_2] = "a stream",
    [RDB_TYPE_SET_LISTPACK] = "a set as a listpack",
    [RDB_TYPE_STREAM_LISTPACKS_3] = "a stream",
    [RDB_TYPE_HASH_2] = "a hash of a pre-release of Redis 7.4",
    [RDB_TYPE_HASH_PRE_RELEASE] = "a hash of a pre-release of Redis 7.4",
    [RDB_TYPE_HASH_METADATA] = "a hash with deadlines of fields",
    [RDB_TYPE_HASH_LISTPACK_EX] = "a hash with deadlines of fields, as a listpack",
};

const char *rdb_type_name(unsigned type, bool valkey)
{
    if (type == RDB_TYPE_HASH_2 && valkey) {
        return "a hash with deadlines of fields";
    }
    return type < sizeof names / sizeof *names ? names[type] : NULL;
}

enum rdb_known rdb_known(unsigned type, bool valkey)
{
    switch (type) {
    case RDB_TYPE_STREAM_LISTPACKS:
    case RDB_TYPE_STREAM_LISTPACKS_2:
    case RDB_TYPE_STREAM_LISTPACKS_3: return RDB_STREAM;
    case RDB_TYPE_MODULE_2: return RDB_MODULE;
    case RDB_TYPE_HASH_2: return valkey ? RDB_LOADED : RDB_UNKNOWN;
    case RDB_TYPE_MODULE:
    case RDB_TYPE_HASH_PRE_RELEASE: return RDB_UNKNOWN;
    default: return rdb_type_name(type, valkey) != NULL ? RDB_LOADED : RDB_UNKNOWN;
    }
}

/* ---- primitives ------------------------------------------------------------------------------------------ */

static bool skip_bytes(struct rdb_reader *reader, uint64_t n)
{
    const uint8_t *bytes;
    return rdb_read_bytes(reader, (size_t)n, &bytes);
}

static bool skip_lengths(struct rdb_reader *reader, unsigned n)
{
    uint64_t length;
    for (unsigned i = 0; i < n; i++) {
        if (!rdb_read_length(reader, &length)) {
            return false;
        }
    }
    return true;
}

bool rdb_skip_string(struct rdb_reader *reader)
{
    static const uint8_t bytes_of[] = {
        [RDB_ENCODING_INT8] = 1, [RDB_ENCODING_INT16] = 2, [RDB_ENCODING_INT32] = 4};
    uint64_t length, original;
    bool encoded;
    if (!rdb_read_length_or_encoding(reader, &length, &encoded)) {
        return false;
    }
    if (encoded && length <= RDB_ENCODING_INT32) {
        return skip_bytes(reader, bytes_of[length]);
    }
    if (encoded && (length != RDB_ENCODING_LZF || !rdb_read_length(reader, &length) ||
                    !rdb_read_length(reader, &original))) {
        return rdb_reader_fail(reader);
    }
    return skip_bytes(reader, length);
}

/* `each`: bytes behind each string. */
static bool skip_strings(struct rdb_reader *reader, uint64_t n, unsigned each)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!rdb_skip_string(reader) || !skip_bytes(reader, each)) {
            return false;
        }
    }
    return true;
}

/* ---- streams, modules -------------------------------------------------------------------------------------- */

enum { STREAM_ID = 16, TIME = 8 };

static bool skip_pending(struct rdb_reader *reader)
{
    uint64_t count;
    if (!rdb_read_length(reader, &count)) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!skip_bytes(reader, STREAM_ID + TIME) || !skip_lengths(reader, 1)) {
            return false;
        }
    }
    return true;
}

static bool skip_consumers(struct rdb_reader *reader, unsigned type)
{
    uint64_t count, pending;
    if (!rdb_read_length(reader, &count)) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        unsigned times = type == RDB_TYPE_STREAM_LISTPACKS_3 ? 2 : 1;
        if (!rdb_skip_string(reader) || !skip_bytes(reader, times * TIME) ||
            !rdb_read_length(reader, &pending)) {
            return false;
        }
        if (pending > SIZE_MAX / STREAM_ID) {
            return rdb_reader_fail(reader);
        }
        if (!skip_bytes(reader, pending * STREAM_ID)) {
            return false;
        }
    }
    return true;
}

static bool skip_groups(struct rdb_reader *reader, unsigned type)
{
    uint64_t count;
    if (!rdb_read_length(reader, &count)) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        unsigned lengths = type == RDB_TYPE_STREAM_LISTPACKS ? 2 : 3;
        if (!rdb_skip_string(reader) || !skip_lengths(reader, lengths) || !skip_pending(reader) ||
            !skip_consumers(reader, type)) {
            return false;
        }
    }
    return true;
}

static bool skip_stream(struct rdb_reader *reader, unsigned type)
{
    uint64_t nodes;
    if (!rdb_read_length(reader, &nodes) || nodes > UINT64_MAX / 2) {
        return rdb_reader_fail(reader);
    }
    return skip_strings(reader, nodes * 2, 0) &&
           skip_lengths(reader, type == RDB_TYPE_STREAM_LISTPACKS ? 3 : 8) && skip_groups(reader, type);
}

bool rdb_skip_module_parts(struct rdb_reader *reader)
{
    for (;;) {
        uint64_t part;
        if (!rdb_read_length(reader, &part)) {
            return false;
        }
        bool good;
        switch (part) {
        case RDB_MODULE_END: return true;
        case RDB_MODULE_SINT:
        case RDB_MODULE_UINT: good = skip_lengths(reader, 1); break;
        case RDB_MODULE_FLOAT: good = skip_bytes(reader, 4); break;
        case RDB_MODULE_DOUBLE: good = skip_bytes(reader, 8); break;
        case RDB_MODULE_STRING: good = rdb_skip_string(reader); break;
        default: good = rdb_reader_fail(reader); break;
        }
        if (!good) {
            return false;
        }
    }
}

/* ---- values ------------------------------------------------------------------------------------------------ */

/* Scores as text: a length of one byte, of which three stand for values without text. */
static bool skip_text_scores(struct rdb_reader *reader, uint64_t n)
{
    enum { NOT_A_NUMBER = 253 };
    uint8_t len;
    for (uint64_t i = 0; i < n; i++) {
        if (!rdb_skip_string(reader) || !rdb_read_u8(reader, &len) ||
            !skip_bytes(reader, len < NOT_A_NUMBER ? len : 0)) {
            return false;
        }
    }
    return true;
}

/* `code`: whether a length stands before each of `strings` strings of an item. */
static bool skip_coded(struct rdb_reader *reader, uint64_t n, unsigned strings)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!skip_lengths(reader, 1) || !skip_strings(reader, strings, 0)) {
            return false;
        }
    }
    return true;
}

/* Two strings and a deadline. */
static bool skip_deadline_pairs(struct rdb_reader *reader, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!skip_strings(reader, 2, 0) || !skip_bytes(reader, TIME)) {
            return false;
        }
    }
    return true;
}

static bool skip_items(struct rdb_reader *reader, unsigned type)
{
    uint64_t n;
    if (!rdb_read_length(reader, &n) || n > UINT64_MAX / 2) {
        return rdb_reader_fail(reader);
    }
    switch (type) {
    case RDB_TYPE_HASH: return skip_strings(reader, n * 2, 0);
    case RDB_TYPE_ZSET: return skip_text_scores(reader, n);
    case RDB_TYPE_ZSET_2: return skip_strings(reader, n, 8);
    case RDB_TYPE_LIST_QUICKLIST_2: return skip_coded(reader, n, 1);
    case RDB_TYPE_HASH_METADATA: return skip_coded(reader, n, 2);
    case RDB_TYPE_HASH_2: return skip_deadline_pairs(reader, n);
    default: return skip_strings(reader, n, 0); /* lists, sets, lists as ziplists */
    }
}

/* Whether the value is one string. */
static bool is_one_string(unsigned type)
{
    switch (type) {
    case RDB_TYPE_STRING:
    case RDB_TYPE_HASH_ZIPMAP:
    case RDB_TYPE_LIST_ZIPLIST:
    case RDB_TYPE_SET_INTSET:
    case RDB_TYPE_ZSET_ZIPLIST:
    case RDB_TYPE_HASH_ZIPLIST:
    case RDB_TYPE_HASH_LISTPACK:
    case RDB_TYPE_ZSET_LISTPACK:
    case RDB_TYPE_SET_LISTPACK:
    case RDB_TYPE_HASH_LISTPACK_EX: return true;
    default: return false;
    }
}

bool rdb_skip_value(struct rdb_reader *reader, unsigned type)
{
    switch (type) {
    case RDB_TYPE_MODULE_2: return skip_lengths(reader, 1) && rdb_skip_module_parts(reader);
    case RDB_TYPE_STREAM_LISTPACKS:
    case RDB_TYPE_STREAM_LISTPACKS_2:
    case RDB_TYPE_STREAM_LISTPACKS_3: return skip_stream(reader, type);
    default: break;
    }
    if ((type == RDB_TYPE_HASH_METADATA || type == RDB_TYPE_HASH_LISTPACK_EX) && !skip_bytes(reader, TIME)) {
        return false; /* the earliest deadline */
    }
    return is_one_string(type) ? rdb_skip_string(reader) : skip_items(reader, type);
}

/* ---- nothing ------------------------------------------------------------------------------------------------- */

static bool holds_nothing(const uint8_t *bytes, size_t len, unsigned type)
{
    enum { INTSET_HEADER = 8 };
    size_t count;
    switch (type) {
    case RDB_TYPE_HASH_ZIPMAP: return len == 2 && bytes[0] == 0;
    case RDB_TYPE_SET_INTSET: return len == INTSET_HEADER;
    case RDB_TYPE_LIST_ZIPLIST:
    case RDB_TYPE_LIST_QUICKLIST:
    case RDB_TYPE_ZSET_ZIPLIST:
    case RDB_TYPE_HASH_ZIPLIST: return ziplist_validate(bytes, len, &count) && count == 0;
    default: return listpack_validate(bytes, len, NULL, NULL) && listpack_count(bytes) == 0;
    }
}

static bool string_holds_nothing(struct rdb_reader *reader, unsigned type)
{
    struct rdb_string string;
    bool nothing = rdb_read_string(reader, &string) && !string.is_integer &&
                   holds_nothing(string.bytes, string.len, type);
    rdb_string_free(&string);
    return nothing;
}

/* Lists of nodes all of which are empty. */
static bool nodes_hold_nothing(struct rdb_reader *reader, unsigned type)
{
    enum { NODE_PACKED = 2 };
    uint64_t n, kind = NODE_PACKED;
    if (!rdb_read_length(reader, &n)) {
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        if ((type == RDB_TYPE_LIST_QUICKLIST_2 && !rdb_read_length(reader, &kind)) || kind != NODE_PACKED ||
            !string_holds_nothing(reader, type)) {
            return false;
        }
    }
    return true;
}

bool rdb_value_is_empty(const struct rdb_reader *reader, unsigned type)
{
    struct rdb_reader copy = *reader;
    uint64_t n;
    if (type == RDB_TYPE_STRING) {
        return false;
    }
    if (type == RDB_TYPE_LIST_QUICKLIST || type == RDB_TYPE_LIST_QUICKLIST_2) {
        return nodes_hold_nothing(&copy, type);
    }
    if ((type == RDB_TYPE_HASH_METADATA || type == RDB_TYPE_HASH_LISTPACK_EX) && !skip_bytes(&copy, TIME)) {
        return false;
    }
    if (is_one_string(type)) {
        return string_holds_nothing(&copy, type);
    }
    return rdb_read_length(&copy, &n) && n == 0;
}
