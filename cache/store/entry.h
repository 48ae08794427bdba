/*
 * An entry: one key with its value and its deadline, in a single allocation.
 *
 *   narrow:  kind:8 | access:24 | key length:8  | value length:16 | [deadline:40] | key | value
 *   wide:    kind:8 | access:24 | key length:32 | value length:64 | [deadline:64] | key | value
 *
 * so a small entry with a deadline costs 12 bytes beyond its key and value. The deadline is there only when
 * the entry has one; it is in milliseconds of clock.h (narrow: since 2020, good until 2054; wide: any).
 * Fields are not aligned: they are read and written through memcpy, which compiles to single moves.
 *
 * The value comes in one of three forms:
 *   INLINE   the bytes themselves: a string, or a small collection (a run of bytes of `types/`), which is
 *            changed where it lies;
 *   SPLIT    a pointer to a head block of exactly one of jemalloc's size classes, then the remaining bytes:
 *            a string of 4,096 bytes with its header would otherwise take a class of 5,120;
 *   OBJECT   a pointer to a structure of `types/` (a string that grows, a list, a hash, …), which the store
 *            frees through the entry_ops it was given. Parts of it (a hash's fields) may have deadlines of their own:
 *            the entry is then marked, and looked at when the first of them passes as well as at its own deadline.
 *
 * Threads: an entry belongs to its shard; whoever touches it holds the shard's lock or the gate alone.
 */
#ifndef ORDINAL_STORE_ENTRY_H
#define ORDINAL_STORE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "slice.h"

/* Types, in the numbering of the RDB's plain encodings. */
enum entry_type { TYPE_STRING, TYPE_LIST, TYPE_SET, TYPE_ZSET, TYPE_HASH, TYPE_STREAM, TYPE_COUNT };

enum entry_form { FORM_INLINE, FORM_SPLIT, FORM_OBJECT };

enum {
    ENTRY_TYPE = 0x07,
    ENTRY_DEADLINE = 0x08,
    ENTRY_WIDE = 0x10,
    ENTRY_FORM = 0x60,
    ENTRY_FORM_SHIFT = 5,
    ENTRY_TIMED_PARTS = 0x80,
    ENTRY_TIMED = ENTRY_DEADLINE | ENTRY_TIMED_PARTS, /* either: there is something to look at in time */
    ENTRY_NARROW_HEADER = 7,
    ENTRY_WIDE_HEADER = 16,
    ENTRY_MAX_ACCESS = 0xFFFFFF,
};

#define ENTRY_NO_DEADLINE INT64_MAX

/* As `now` (ms of clock.h), wherever one is asked for: a time before every deadline, so that nothing is past its own. It is that of
 * commands from an append-only file, which says itself when something went. */
#define ENTRY_NOTHING_DUE INT64_MIN
/* 2020-01-01, where the 40 bits of a narrow deadline begin. */
#define ENTRY_DEADLINE_BASE 1577836800000LL

struct entry {
    uint8_t kind;
    uint8_t bytes[];
};

/* Everything of a new entry but its value. */
struct entry_head {
    struct slice key;
    int64_t deadline;
    uint32_t access;
};

/* What the store must know of objects. Set once for a process, before the first entry. */
struct entry_ops {
    void (*free)(enum entry_type type, void *object);
    size_t (*memory)(enum entry_type type, const void *object); /* bytes that it holds, as size classes */

    /* The earliest deadline of a part, ENTRY_NO_DEADLINE when none has one. NULL: no object has such parts. */
    int64_t (*parts_due)(enum entry_type type, const void *object);

    /* Drops up to `budget` parts past their deadline at `now`, and says how many in *dropped. False when no part is left that
     * lives, dropped or not: *dropped is then how many there were. Of objects whose parts_due has given a deadline. */
    bool (*sweep_parts)(enum entry_type type, void *object, int64_t now, uint64_t budget, uint64_t *dropped);
};
void entry_set_ops(const struct entry_ops *ops);

static inline enum entry_type entry_type(const struct entry *e)
{
    return (enum entry_type)(e->kind & ENTRY_TYPE);
}

static inline enum entry_form entry_form(const struct entry *e)
{
    return (enum entry_form)((e->kind & ENTRY_FORM) >> ENTRY_FORM_SHIFT);
}

static inline bool entry_has_deadline(const struct entry *e)
{
    return (e->kind & ENTRY_DEADLINE) != 0;
}

/* The access clock: 24 bits whose meaning belongs to access.h. */
static inline uint32_t entry_access(const struct entry *e)
{
    uint32_t word;
    memcpy(&word, e, sizeof word);
    return word >> 8;
}

static inline void entry_set_access(struct entry *e, uint32_t access)
{
    uint32_t word = (uint32_t)e->kind | access << 8;
    memcpy(e, &word, sizeof word);
}

static inline size_t entry_key_len(const struct entry *e)
{
    if ((e->kind & ENTRY_WIDE) == 0) {
        return e->bytes[3];
    }
    uint32_t len;
    memcpy(&len, e->bytes + 3, sizeof len);
    return len;
}

/* Length of the whole value in bytes (for OBJECT: of the pointer). */
static inline size_t entry_value_len(const struct entry *e)
{
    if ((e->kind & ENTRY_WIDE) == 0) {
        uint16_t len;
        memcpy(&len, e->bytes + 4, sizeof len);
        return len;
    }
    uint64_t len;
    memcpy(&len, e->bytes + 7, sizeof len);
    return len;
}

static inline size_t entry_header_len(const struct entry *e)
{
    static const uint8_t lens[4] = {ENTRY_NARROW_HEADER, ENTRY_NARROW_HEADER + 5, ENTRY_WIDE_HEADER,
                                    ENTRY_WIDE_HEADER + 8};
    return lens[(e->kind & (ENTRY_DEADLINE | ENTRY_WIDE)) >> 3];
}

/* Deadline in milliseconds of clock.h, or ENTRY_NO_DEADLINE. */
static inline int64_t entry_deadline(const struct entry *e)
{
    if ((e->kind & ENTRY_DEADLINE) == 0) {
        return ENTRY_NO_DEADLINE;
    }
    if ((e->kind & ENTRY_WIDE) == 0) {
        uint32_t low;
        memcpy(&low, e->bytes + 6, sizeof low);
        return ENTRY_DEADLINE_BASE + (int64_t)((uint64_t)e->bytes[10] << 32 | low);
    }
    int64_t deadline;
    memcpy(&deadline, e->bytes + 15, sizeof deadline);
    return deadline;
}

/* Of an entry with ENTRY_TIMED_PARTS: entry_ops' parts_due, and sweep_parts. */
int64_t entry_parts_due(const struct entry *e);
bool entry_sweep_parts(struct entry *e, int64_t now, uint64_t budget, uint64_t *dropped);

/* Marks the entry of an object whose parts have deadlines, after these have changed; or takes the mark away. */
void entry_mark_parts(struct entry *e);

/* When the entry has to be looked at: at its deadline, or at the first of its parts'; ENTRY_NO_DEADLINE: never. */
static inline int64_t entry_due(const struct entry *e)
{
    int64_t deadline = entry_deadline(e);
    if (__builtin_expect((e->kind & ENTRY_TIMED_PARTS) == 0, 1)) {
        return deadline;
    }
    int64_t parts = entry_parts_due(e);
    return parts < deadline ? parts : deadline;
}

/* Whether the entry lives no more: its deadline has passed, or that of its last part. */
static inline bool entry_is_dead(const struct entry *e, int64_t now)
{
    uint64_t dropped;
    if (__builtin_expect((e->kind & ENTRY_TIMED) == 0, 1)) {
        return false;
    }
    return entry_deadline(e) <= now || ((e->kind & ENTRY_TIMED_PARTS) != 0 && entry_parts_due(e) <= now &&
                                        !entry_sweep_parts((struct entry *)e, now, 0, &dropped));
}

static inline struct slice entry_key(const struct entry *e)
{
    return (struct slice){(const char *)e + entry_header_len(e), entry_key_len(e)};
}

/* Where the value area begins: the bytes, or the pointer of SPLIT and OBJECT. */
static inline char *entry_area(const struct entry *e)
{
    return (char *)e + entry_header_len(e) + entry_key_len(e);
}

static inline void *entry_object(const struct entry *e)
{
    void *object;
    memcpy(&object, entry_area(e), sizeof object);
    return object;
}

static inline void entry_set_object(struct entry *e, void *object)
{
    memcpy(entry_area(e), &object, sizeof object);
}

/* The bytes of an INLINE or SPLIT value: one or two runs (the second empty for INLINE). */
struct entry_bytes {
    struct slice head, tail;
};
struct entry_bytes entry_bytes_split(const struct entry *e);

static inline struct entry_bytes entry_bytes(const struct entry *e)
{
    if (entry_form(e) == FORM_INLINE) {
        return (struct entry_bytes){{entry_area(e), entry_value_len(e)}, {NULL, 0}};
    }
    return entry_bytes_split(e);
}

/*
 * A new entry, not linked anywhere, owned by the caller until db_put takes it.
 *
 * key       at most 4 GB
 * deadline  ENTRY_NO_DEADLINE or any time
 * access    24 bits
 * Returns NULL when there is no memory.
 *
 * entry_new_bytes copies the value (of up to 2^47 bytes); entry_new_object takes the object over.
 */
struct entry *entry_new_bytes(enum entry_type type, struct slice key, struct slice value, int64_t deadline,
                              uint32_t access);
struct entry *entry_new_object(enum entry_type type, struct slice key, void *object, int64_t deadline,
                               uint32_t access);

/* A new INLINE entry of a collection's type whose `len` bytes of value (at entry_area) are still to be written. */
struct entry *entry_new_room(enum entry_type type, struct slice key, size_t len, int64_t deadline,
                             uint32_t access);

/* Gives the value of an INLINE entry another length; its bytes stay, as many as fit. Returns the entry, which may have moved
 * (the old pointer is then dead, and the caller links the new one), or NULL when there is no memory: nothing has changed then.
 * entry_resize_in_place: only if it need not move, else false. Not for strings. */
struct entry *entry_resize(struct entry *e, size_t len);
bool entry_resize_in_place(struct entry *e, size_t len);

/* Writes a new value and deadline over an entry with the same key when both fit its allocation exactly (same
 * layout, same size class) and it holds bytes now. Returns false, and changes nothing, when they do not. */
bool entry_overwrite(struct entry *e, enum entry_type type, struct slice value, int64_t deadline,
                     uint32_t access);

/* The entry under a key and with a deadline, its value taken over: bytes are copied, an object or a head block now belongs to both.
 * What becomes of the old one is the caller's to say: entry_free_shell, or (of an INLINE entry) entry_free. NULL: no memory. */
struct entry *entry_moved(const struct entry *e, struct slice key, int64_t deadline);

static inline struct entry *entry_renamed(const struct entry *e, struct slice key)
{
    return entry_moved(e, key, entry_deadline(e));
}

/* A copy of an INLINE entry. */
struct entry *entry_copy_inline(const struct entry *e);

/* Gives the entry another deadline. Returns the entry, which may have moved (the old pointer is then dead,
 * and the caller links the new one), or NULL when there is no memory (nothing has changed then). */
struct entry *entry_with_deadline(struct entry *e, int64_t deadline);

/* Frees the entry and its value; what of it is pinned (pin.h), later. */
void entry_free(struct entry *e);

/* Frees the entry alone; its object lives on with whoever has it. */
void entry_free_shell(struct entry *e);

/* An object by itself: frees it; its bytes. */
void entry_free_object(enum entry_type type, void *object);
size_t entry_object_memory(enum entry_type type, const void *object);

/* How many entries are marked to have parts with deadlines: values of this kind need a younger RDB version. Any thread. */
int64_t entry_timed_parts(void);

/* Bytes that the entry takes, value included, as jemalloc's size classes. */
size_t entry_memory(const struct entry *e);

#endif
