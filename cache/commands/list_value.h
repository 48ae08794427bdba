/*
 * List values, whatever form they have: a small list is a run of bytes in its entry (types/small_list.h), a large one a deque of
 * chunks (types/list.h). When a list is small is Redis 7.2's rule for the encoding listpack: it becomes large when what is about to be
 * added would take it over list-max-listpack-size, and small again when removals have left one chunk of half of that.
 *
 * Threads: as for the entry.
 */
#ifndef ORDINAL_COMMANDS_LIST_VALUE_H
#define ORDINAL_COMMANDS_LIST_VALUE_H

#include "commands/call.h"
#include "types/list.h"
#include "types/small_list.h"

/* Elements. */
uint64_t list_value_count(const struct entry *e);

/* start and end as LRANGE takes them (inclusive, negative: from the end) as indexes among `count` elements. False when nothing
 * lies between them. */
bool list_range(int64_t start, int64_t end, uint64_t count, uint64_t *first, uint64_t *last);

/* ---- reading ---- */

/* A position in a list, good until the list changes. */
struct list_cursor {
    struct small_list small; /* of a small list … */
    size_t pos;              /* … and where in it */
    const struct list *l;    /* of a large one, else NULL */
    struct list_position at;
};

/* The element with this index, from 0; negative: from the end. False beyond the ends. */
bool list_cursor_seek(struct list_cursor *cursor, const struct entry *e, int64_t index);

/* Moves to the neighbour; false past the end. */
bool list_cursor_next(struct list_cursor *cursor);
bool list_cursor_prev(struct list_cursor *cursor);

struct listpack_value list_cursor_read(const struct list_cursor *cursor);

/* Replies with an element as a bulk string. */
void list_reply_value(struct reply *r, const struct listpack_value *value);

/* Replies with `count` elements from the cursor on as bulk strings; backwards, towards the head. */
void list_reply_run(struct reply *r, struct list_cursor *cursor, uint64_t count, bool backwards);

/* ---- changing: `e` is the entry of `key`. Without memory each replies with the error, and the list is as it was. ---- */

/* Pushes values one after another; `e` may be NULL: the key is then made. *e follows the entry. */
bool list_value_push(struct call *c, const struct key *key, struct entry **e, enum list_end end,
                     const struct slice *values, size_t count);

/* Takes the element at one end, of which `value` is a copy, and puts it at an end. A small list needs no memory for that;
 * it stays small unless it is over its limit already, as the last push may have left it. */
bool list_value_rotate(struct call *c, const struct key *key, struct entry *e, enum list_end take,
                       enum list_end put, struct slice value);

/* Inserts before or behind the element at the cursor, whose index is `index`; or puts a value in its place. */
bool list_value_insert(struct call *c, const struct key *key, struct entry *e,
                       const struct list_cursor *cursor, uint64_t index, bool after, struct slice value);
bool list_value_set(struct call *c, const struct key *key, struct entry *e, const struct list_cursor *cursor,
                    uint64_t index, struct slice value);

/* ---- removing: true when the list is empty now, and the key with it is gone ---- */

/* The element at an end, which is replied to `r` first (NULL: to nobody). */
bool list_value_pop(struct call *c, const struct key *key, struct entry *e, enum list_end end,
                    struct reply *r);

/* `count` elements from `index` on; there must be as many. */
bool list_value_remove_range(struct call *c, const struct key *key, struct entry *e, uint64_t index,
                             uint64_t count);

/* Up to `max` elements that equal `value`, from the head on or backwards from the tail. *removed: how many. */
bool list_value_remove_equal(struct call *c, const struct key *key, struct entry *e, struct slice value,
                             uint64_t max, bool backwards, uint64_t *removed);

/* ---- for the type ---- */

/* A small list as it lies in its entry; and the listpack of its elements, `bytes` long, to be freed. NULL: no memory. */
static inline struct small_list list_value_small(const struct entry *e)
{
    return small_list_open(entry_small(e), entry_value_len(e));
}
uint8_t *list_value_listpack(const struct small_list *small, size_t *bytes);

/* A small list of a sound listpack's elements. NULL: it has none, or too many for the settings, or there is no memory. */
struct entry *list_value_entry_of(const struct config *config, const uint8_t *lp, struct slice key,
                                  int64_t deadline, uint32_t access);

/* An entry for all elements of a list, which is taken over: small where the settings let it be. NULL: no memory. */
struct entry *list_value_entry(const struct config *config, struct list *l, struct slice key,
                               int64_t deadline, uint32_t access);

#endif
