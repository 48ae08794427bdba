/*
 * CRC-64/Jones, the checksum at the end of RDB files and DUMP payloads: polynomial 0xad93d23594c935a9, input
 * and output reflected, no initial or final inversion. crc64(0, "123456789", 9) is 0xe9c6d914c4b8d9ca.
 */
#ifndef ORDINAL_PERSIST_CRC64_H
#define ORDINAL_PERSIST_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what crc stands for followed by these bytes; begin with 0. Safe in any thread. */
uint64_t crc64(uint64_t crc, const void *bytes, size_t n);

#endif
