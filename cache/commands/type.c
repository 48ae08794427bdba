#include "commands/type.h"

static const struct type *const types[TYPE_COUNT] = {
    [TYPE_STRING] = &type_string, [TYPE_LIST] = &type_list, [TYPE_HASH] = &type_hash,
    [TYPE_SET] = &type_set,       [TYPE_ZSET] = &type_zset,
};

static void object_free(enum entry_type type, void *object)
{
    types[type]->free(object);
}

static size_t object_memory(enum entry_type type, const void *object)
{
    return types[type]->memory(object);
}

static int64_t object_parts_due(enum entry_type type, const void *object)
{
    return types[type]->parts_due != NULL ? types[type]->parts_due(object) : ENTRY_NO_DEADLINE;
}

static bool object_sweep_parts(enum entry_type type, void *object, int64_t now, uint64_t budget,
                               uint64_t *dropped)
{
    return types[type]->sweep_parts(object, now, budget, dropped);
}

const struct entry_ops type_entry_ops = {object_free, object_memory, object_parts_due, object_sweep_parts};

const struct type *type_of(const struct entry *e)
{
    return types[entry_type(e)];
}

const struct type *type_of_rdb(enum rdb_type rdb_type)
{
    switch (rdb_type) {
    case RDB_TYPE_STRING: return &type_string;
    case RDB_TYPE_LIST:
    case RDB_TYPE_LIST_ZIPLIST:
    case RDB_TYPE_LIST_QUICKLIST:
    case RDB_TYPE_LIST_QUICKLIST_2: return &type_list;
    case RDB_TYPE_HASH:
    case RDB_TYPE_HASH_ZIPMAP:
    case RDB_TYPE_HASH_ZIPLIST:
    case RDB_TYPE_HASH_LISTPACK:
    case RDB_TYPE_HASH_2:
    case RDB_TYPE_HASH_METADATA:
    case RDB_TYPE_HASH_LISTPACK_EX: return &type_hash;
    case RDB_TYPE_SET:
    case RDB_TYPE_SET_INTSET:
    case RDB_TYPE_SET_LISTPACK: return &type_set;
    case RDB_TYPE_ZSET:
    case RDB_TYPE_ZSET_2:
    case RDB_TYPE_ZSET_ZIPLIST:
    case RDB_TYPE_ZSET_LISTPACK: return &type_zset;
    default: return NULL;
    }
}
