/*
 * LZF for short strings: the format of liblzf, which reads it, but with a table of 4,096 positions that stays in the first-level
 * cache, is never cleared, and is all that a string of a few kilobytes needs. liblzf's own has 65,536, and most of the time that it
 * takes with a string of a hundred bytes goes into cache misses there.
 *
 *   000lllll  bytes             l + 1 bytes as they are
 *   lllddddd  dddddddd          l + 2 bytes (l = 1 .. 6) that stood d + 1 bytes before
 *   111ddddd  llllllll  dddddddd   l + 9 bytes that did
 *
 * Source: liblzf's description of its format.
 */
#ifndef ORDINAL_PERSIST_LZF_SHORT_H
#define ORDINAL_PERSIST_LZF_SHORT_H

#include <stddef.h>

enum { LZF_SHORT_MOST = 8192 };

/* Compresses n bytes (at most LZF_SHORT_MOST) into `room` bytes. Returns how many it took, 0 when they are not enough. Any thread. */
size_t lzf_short_compress(const void *bytes, size_t n, void *out, size_t room);

#endif
