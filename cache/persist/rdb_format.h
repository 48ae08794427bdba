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
 */
#ifndef ORDINAL_PERSIST_RDB_FORMAT_H
#define ORDINAL_PERSIST_RDB_FORMAT_H

/* What we write: version 10 is read by Redis 7.0 and everything later. A value of a type that is younger has the version that
 * brought the type: Redis 7.4's. */
#define RDB_VERSION_WRITTEN 10
#define RDB_VERSION_YOUNGER 12
/* The newest version that we read. Versions add types; a type we do not know is refused by itself. */
#define RDB_VERSION_READ 12

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
    RDB_TYPE_HASH_METADATA = 24,    /* hashes whose fields have deadlines, since version 12; */
    RDB_TYPE_HASH_LISTPACK_EX = 25, /* 22 and 23 are those of pre-releases, and refused */
    RDB_TYPES_OF_VERSION_10 = RDB_TYPE_STREAM_LISTPACKS_3
};

enum rdb_string_encoding {
    RDB_ENCODING_INT8 = 0,
    RDB_ENCODING_INT16 = 1,
    RDB_ENCODING_INT32 = 2,
    RDB_ENCODING_LZF = 3
};

#endif
