/*
 * The numbers of the RDB format that its writer and its reader share.
 *
 * Lengths, big-endian behind the first byte:
 *
 *   00xxxxxx                        6 bits
 *   01xxxxxx  8 bits                14 bits
 *   10000000  32 bits               32 bits
 *   10000001  64 bits               64 bits
 *   11xxxxxx                        not a length: a string in the encoding xxxxxx
 *
 * A string is a length and its bytes, or one of the encodings: an integer of 8, 16 or 32 bits (little-endian,
 * to be read as its decimal text), or LZF (length compressed, length original, compressed bytes).
 *
 * A DUMP payload is a value's type byte, the value, and a footer:
 *
 *   type(1)  value ...  version(2, little-endian)  CRC-64 of everything before it(8, little-endian)
 *
 * A file is a sequence of records, each with an opcode or a type as its first byte:
 *
 *   "REDIS" version(4 digits), or "VALKEY" version(3 digits)
 *   FA name value       what is told of the file and of who wrote it      F5 text   a library of functions
 *   FE number           the database that follows                        FB n n    its keys, and those with a deadline
 *   FC ms(8) | FD s(4)  deadline of the next key                         F8 | F9   its idle time, or its frequency(1)
 *   type key value      a key
 *   FF                  the end, and (from version 5 on) the CRC-64 of everything before, or 8 zero bytes
 */
#ifndef ORDINAL_PERSIST_RDB_FORMAT_H
#define ORDINAL_PERSIST_RDB_FORMAT_H

/* What we write: version 10 is read by Redis 7.0 and everything later. A value of a type that is younger has the version that
 * brought the type: Redis 7.4's. */
#define RDB_VERSION_WRITTEN 10
#define RDB_VERSION_YOUNGER 12
/* The newest version that we read. Versions add types; a type we do not know is refused by itself. */
#define RDB_VERSION_READ 12
/* The version of Valkey 9, which numbers its own from here on: that of Redis 7.2 (11) and one type more. */
#define RDB_VERSION_VALKEY 80
/* The first version with a checksum at the end. */
#define RDB_VERSION_CHECKSUM 5

#define RDB_FOOTER_BYTES 10

/* The first byte of a length. */
enum {
    RDB_LENGTH_MASK = 0xc0,
    RDB_LENGTH_6BIT = 0x00,
    RDB_LENGTH_14BIT = 0x40,
    RDB_LENGTH_32BIT = 0x80,
    RDB_LENGTH_64BIT = 0x81,
    RDB_LENGTH_ENCODED = 0xc0
};

enum rdb_type {
    RDB_TYPE_STRING = 0,
    RDB_TYPE_LIST = 1,
    RDB_TYPE_SET = 2,
    RDB_TYPE_ZSET = 3,
    RDB_TYPE_HASH = 4,
    RDB_TYPE_ZSET_2 = 5,
    RDB_TYPE_MODULE = 6, /* of a pre-release of Redis 4 */
    RDB_TYPE_MODULE_2 = 7,
    RDB_TYPE_HASH_ZIPMAP = 9,
    RDB_TYPE_LIST_ZIPLIST = 10,
    RDB_TYPE_SET_INTSET = 11,
    RDB_TYPE_ZSET_ZIPLIST = 12,
    RDB_TYPE_HASH_ZIPLIST = 13,
    RDB_TYPE_LIST_QUICKLIST = 14,
    RDB_TYPE_STREAM_LISTPACKS = 15,
    RDB_TYPE_HASH_LISTPACK = 16,
    RDB_TYPE_ZSET_LISTPACK = 17,
    RDB_TYPE_LIST_QUICKLIST_2 = 18,
    RDB_TYPE_STREAM_LISTPACKS_2 = 19,
    RDB_TYPE_SET_LISTPACK = 20,
    RDB_TYPE_STREAM_LISTPACKS_3 = 21,
    RDB_TYPE_HASH_2 = 22, /* Valkey: fields, values, and deadlines of fields; in Redis: a pre-release's */
    RDB_TYPE_HASH_PRE_RELEASE = 23, /* … as this one */
    RDB_TYPE_HASH_METADATA = 24,    /* hashes whose fields have deadlines, since version 12 */
    RDB_TYPE_HASH_LISTPACK_EX = 25,
    RDB_TYPES_OF_VERSION_10 = RDB_TYPE_STREAM_LISTPACKS_3
};

/* What may stand where a key's type stands. */
enum rdb_opcode {
    RDB_OPCODE_SLOT_IMPORT = 0xf3, /* Valkey */
    RDB_OPCODE_SLOT_INFO = 0xf4,
    RDB_OPCODE_FUNCTION = 0xf5,
    RDB_OPCODE_FUNCTION_PRE_RELEASE = 0xf6, /* of a pre-release of Redis 7.0 */
    RDB_OPCODE_MODULE_AUX = 0xf7,
    RDB_OPCODE_IDLE = 0xf8,      /* the next key's: seconds, as a length */
    RDB_OPCODE_FREQUENCY = 0xf9, /* the next key's: a byte */
    RDB_OPCODE_AUX = 0xfa,       /* two strings */
    RDB_OPCODE_RESIZE_DB = 0xfb, /* two lengths: keys, and keys with a deadline */
    RDB_OPCODE_EXPIRE_MS = 0xfc, /* the next key's: milliseconds of wall time, in 8 bytes */
    RDB_OPCODE_EXPIRE = 0xfd,    /* the same in seconds, in 4 */
    RDB_OPCODE_SELECT_DB = 0xfe, /* a length */
    RDB_OPCODE_EOF = 0xff        /* the checksum follows, in 8 bytes: 0 for none */
};

/* What stands before each part of a module's value. */
enum rdb_module_part {
    RDB_MODULE_END = 0,
    RDB_MODULE_SINT = 1,
    RDB_MODULE_UINT = 2,
    RDB_MODULE_FLOAT = 3,
    RDB_MODULE_DOUBLE = 4,
    RDB_MODULE_STRING = 5
};

enum rdb_string_encoding {
    RDB_ENCODING_INT8 = 0,
    RDB_ENCODING_INT16 = 1,
    RDB_ENCODING_INT32 = 2,
    RDB_ENCODING_LZF = 3
};

#endif
