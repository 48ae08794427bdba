#include "commands/list_value.h"

#include "store/reaper.h"

/* Removals of more elements than this from a large list leave the freeing to the reaper. */
enum { MANY = 4096 };

static bool is_small(const struct entry *e)
{
    return entry_form(e) == FORM_INLINE;
}

uint64_t list_value_count(const struct entry *e)
{
    return is_small(e) ? listpack_count(entry_small(e)) : list_count(entry_object(e));
}

bool list_range(int64_t start, int64_t end, uint64_t count, uint64_t *first, uint64_t *last)
{
    int64_t n = (int64_t)count;
    start = start < -n ? 0 : start < 0 ? start + n : start;
    end = end < 0 ? end + n : end < n ? end : n - 1; /* below 0 there is nothing */
    *first = (uint64_t)start;
    *last = (uint64_t)end;
    return end >= start && start < n;
}

/* ---- when a list is small ---------------------------------------------------------------------------- */

/* What one listpack may hold under list-max-listpack-size. */
struct limits {
    size_t bytes;
    uint64_t count;
};

static struct limits limits_of(int max_size)
{
    if (max_size < 0) {
        return (struct limits){(size_t)2048 << (max_size < -5 ? 5 : -max_size), UINT64_MAX};
    }
    return (struct limits){8192, max_size > 0 ? (uint64_t)max_size : 1};
}

/* Whether a listpack of so many bytes and elements is too large to be a list by itself. */
static bool outgrows(const struct call *c, size_t bytes, uint64_t count)
{
    struct limits limits = limits_of(c->server->config->list_max_listpack_size);
    return __builtin_expect(bytes > limits.bytes, 0) || __builtin_expect(count > limits.count, 0);
}

/* The listpack of a large list that has one chunk of it within limits divided by `share`; empty when it has not. */
static struct slice only_listpack(int max_size, const struct list *l, unsigned share)
{
    struct slice bytes = {NULL, 0};
    struct list_place place = {0, 0};
    struct limits limits = limits_of(max_size);
    bool plain = false;
    if (list_chunks(l) != 1 || list_count(l) > limits.count / share) {
        return bytes;
    }
    list_read_chunk(l, &place, &bytes, &plain);
    return plain || bytes.len > limits.bytes / share ? (struct slice){NULL, 0} : bytes;
}

struct entry *list_value_entry(const struct config *config, struct list *l, struct slice key,
                               int64_t deadline, uint32_t access)
{
    struct slice bytes = only_listpack(config->list_max_listpack_size, l, 1);
    struct entry *e;
    if (bytes.len == 0) {
        e = entry_new_object(TYPE_LIST, key, l, deadline, access);
        if (e != NULL) {
            return e;
        }
    } else {
        e = entry_new_room(TYPE_LIST, key, bytes.len, deadline, access);
        if (e != NULL) {
            memcpy(entry_small(e), bytes.ptr, bytes.len);
        }
    }
    list_free(l);
    return e;
}

/* A large list with the elements of a small one, or (NULL) empty; NULL when there is no memory. */
static struct list *enlarge(const struct call *c, const struct entry *e)
{
    struct list *l = list_new(c->server->config->list_max_listpack_size);
    if (l != NULL && e != NULL && !list_append_listpack(l, entry_small(e))) {
        list_free(l);
        return NULL;
    }
    return l;
}

/* Puts a large list in the place of a small one; as list_value_push. */
static bool make_large(struct call *c, const struct key *key, struct entry **e)
{
    struct list *l = enlarge(c, *e);
    if (l == NULL) {
        call_out_of_memory(c);
        return false;
    }
    struct entry *large = key_set_object(c, key, *e, TYPE_LIST, l);
    if (large != NULL) {
        *e = large;
    }
    return large != NULL;
}

/* Makes a large list small again where removals have left so little of it. Without memory it stays what it is. */
static void consider_small(struct call *c, const struct key *key, struct entry *e)
{
    struct slice bytes = only_listpack(c->server->config->list_max_listpack_size, entry_object(e), 2);
    if (bytes.len == 0) {
        return;
    }
    struct entry *small = entry_new_room(TYPE_LIST, key->name, bytes.len, entry_deadline(e), entry_access(e));
    if (small != NULL) {
        memcpy(entry_small(small), bytes.ptr, bytes.len);
        db_put(c->db, key->hash, small, c->now);
    }
}

/* ---- reading ----------------------------------------------------------------------------------------- */

bool list_cursor_seek(struct list_cursor *cursor, const struct entry *e, int64_t index)
{
    *cursor = (struct list_cursor){0};
    if (is_small(e)) {
        cursor->lp = entry_small(e);
        cursor->pos = listpack_seek(cursor->lp, index);
        return cursor->pos != LISTPACK_NONE;
    }
    cursor->l = entry_object(e);
    return list_seek(cursor->l, index, &cursor->at);
}

bool list_cursor_next(struct list_cursor *cursor)
{
    if (cursor->lp != NULL) {
        cursor->pos = listpack_next(cursor->lp, cursor->pos);
        return cursor->pos != LISTPACK_NONE;
    }
    return list_next(cursor->l, &cursor->at);
}

bool list_cursor_prev(struct list_cursor *cursor)
{
    if (cursor->lp != NULL) {
        cursor->pos = listpack_prev(cursor->lp, cursor->pos);
        return cursor->pos != LISTPACK_NONE;
    }
    return list_prev(cursor->l, &cursor->at);
}

struct listpack_value list_cursor_read(const struct list_cursor *cursor)
{
    return cursor->lp != NULL ? listpack_read(cursor->lp, cursor->pos) : list_read(cursor->l, &cursor->at);
}

void list_reply_value(struct reply *r, const struct listpack_value *value)
{
    if (value->is_int) {
        reply_bulk_int(r, value->number);
    } else {
        reply_bulk_slice(r, value->bytes);
    }
}

void list_reply_run(struct reply *r, struct list_cursor *cursor, uint64_t count, bool backwards)
{
    while (count-- > 0) {
        struct listpack_value value = list_cursor_read(cursor);
        list_reply_value(r, &value);
        if (count > 0) {
            (void)(backwards ? list_cursor_prev(cursor) : list_cursor_next(cursor));
        }
    }
}

/* ---- pushing ----------------------------------------------------------------------------------------- */

static bool push_to_large(struct list *l, enum list_end end, const struct slice *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!list_push(l, end, values[i])) {
            while (i-- > 0) {
                list_pop(l, end);
            }
            return false;
        }
    }
    return true;
}

/* A new large list of a small one's elements, if any, and the values. */
static bool push_and_enlarge(struct call *c, const struct key *key, struct entry **e, enum list_end end,
                             const struct slice *values, size_t count)
{
    struct list *l = enlarge(c, *e);
    if (l == NULL || !push_to_large(l, end, values, count)) {
        if (l != NULL) {
            list_free(l);
        }
        call_out_of_memory(c);
        return false;
    }
    struct entry *made = key_set_object(c, key, *e, TYPE_LIST, l);
    if (made != NULL) {
        *e = made;
    }
    return made != NULL;
}

/* Room for `more` bytes in a small list, which is made when there is none. */
static bool make_room(struct call *c, const struct key *key, struct entry **e, size_t more)
{
    if (*e != NULL) {
        return key_resize(c, key, e, listpack_bytes(entry_small(*e)) + more);
    }
    *e = key_new_small(c, key, NULL, TYPE_LIST, LISTPACK_EMPTY + more);
    if (*e != NULL) {
        listpack_init(entry_small(*e));
    }
    return *e != NULL;
}

static void push_element(uint8_t *lp, enum list_end end, const struct listpack_element *element)
{
    if (end == LIST_HEAD) {
        listpack_prepend(lp, element);
    } else {
        listpack_append(lp, element);
    }
}

static bool push_to_small(struct call *c, const struct key *key, struct entry **e, enum list_end end,
                          const struct slice *values, size_t count)
{
    struct listpack_element first = listpack_encode(values[0]);
    size_t more = first.size;
    for (size_t i = 1; i < count; i++) {
        more += listpack_encode(values[i]).size;
    }
    if (!make_room(c, key, e, more)) {
        return false;
    }
    uint8_t *lp = entry_small(*e);
    push_element(lp, end, &first);
    for (size_t i = 1; i < count; i++) {
        struct listpack_element element = listpack_encode(values[i]);
        push_element(lp, end, &element);
    }
    return true;
}

bool list_value_push(struct call *c, const struct key *key, struct entry **e, enum list_end end,
                     const struct slice *values, size_t count)
{
    if (*e != NULL && !is_small(*e)) {
        if (!push_to_large(entry_object(*e), end, values, count)) {
            call_out_of_memory(c);
            return false;
        }
        return true;
    }
    size_t bytes = *e != NULL ? listpack_bytes(entry_small(*e)) : LISTPACK_EMPTY;
    uint64_t now = *e != NULL ? listpack_count(entry_small(*e)) : 0;
    for (size_t i = 0; i < count; i++) {
        bytes += values[i].len;
    }
    if (outgrows(c, bytes, now + count)) {
        return push_and_enlarge(c, key, e, end, values, count);
    }
    return push_to_small(c, key, e, end, values, count);
}

/* ---- inserting and replacing ------------------------------------------------------------------------- */

/* Makes a small list large when one more value would be too much for it. */
static bool ready_for(struct call *c, const struct key *key, struct entry **e, struct slice value)
{
    if (!is_small(*e)) {
        return true;
    }
    const uint8_t *lp = entry_small(*e);
    return !outgrows(c, listpack_bytes(lp) + value.len, listpack_count(lp) + 1) || make_large(c, key, e);
}

/* The position of a cursor in a large list, which may have been small when the cursor was set. */
static struct list_position position_of(const struct entry *e, const struct list_cursor *cursor,
                                        uint64_t index)
{
    struct list_position at = cursor->at;
    if (cursor->l == NULL) {
        list_seek(entry_object(e), (int64_t)index, &at);
    }
    return at;
}

bool list_value_insert(struct call *c, const struct key *key, struct entry *e,
                       const struct list_cursor *cursor, uint64_t index, bool after, struct slice value)
{
    if (!ready_for(c, key, &e, value)) {
        return false;
    }
    if (is_small(e)) {
        struct listpack_element element = listpack_encode(value);
        if (!make_room(c, key, &e, element.size)) {
            return false;
        }
        uint8_t *lp = entry_small(e);
        listpack_insert(lp, after ? listpack_after(lp, cursor->pos) : cursor->pos, &element);
        return true;
    }
    struct list_position at = position_of(e, cursor, index);
    if (!list_insert(entry_object(e), &at, after, value)) {
        call_out_of_memory(c);
        return false;
    }
    return true;
}

/* Gives the entry of a small list that has lost bytes the length of what is left. */
static void fit_small(struct call *c, const struct key *key, struct entry *e)
{
    /* Without memory for a smaller entry the listpack stays in the larger one. */
    db_resize(c->db, key->hash, e, listpack_bytes(entry_small(e)), c->now);
}

static bool set_in_small(struct call *c, const struct key *key, struct entry *e, size_t pos,
                         struct slice value)
{
    struct listpack_element element = listpack_encode(value);
    size_t old = listpack_element_bytes(entry_small(e), pos);
    if (element.size > old && !make_room(c, key, &e, element.size - old)) {
        return false;
    }
    listpack_replace(entry_small(e), pos, &element);
    if (element.size < old) {
        fit_small(c, key, e);
    }
    return true;
}

bool list_value_set(struct call *c, const struct key *key, struct entry *e, const struct list_cursor *cursor,
                    uint64_t index, struct slice value)
{
    if (!ready_for(c, key, &e, value)) {
        return false;
    }
    if (is_small(e)) {
        return set_in_small(c, key, e, cursor->pos, value);
    }
    struct list_position at = position_of(e, cursor, index);
    if (!list_set(entry_object(e), &at, value)) {
        call_out_of_memory(c);
        return false;
    }
    consider_small(c, key, e);
    return true;
}

/* ---- removing ---------------------------------------------------------------------------------------- */

/* After a removal: the key goes with the last element, else memory is given back. */
static bool settle(struct call *c, const struct key *key, struct entry *e)
{
    if (list_value_count(e) == 0) {
        key_delete(c, key);
        return true;
    }
    if (is_small(e)) {
        fit_small(c, key, e);
    } else {
        consider_small(c, key, e);
    }
    return false;
}

bool list_value_pop(struct call *c, const struct key *key, struct entry *e, enum list_end end)
{
    if (is_small(e)) {
        uint8_t *lp = entry_small(e);
        listpack_delete(lp, end == LIST_HEAD ? listpack_first(lp) : listpack_last(lp), 1);
    } else {
        list_pop(entry_object(e), end);
    }
    return settle(c, key, e);
}

/* Frees what was taken out of a large list, on the reaper's thread where that takes long. */
static void discard(struct list *removed)
{
    struct entry *e = entry_new_object(TYPE_LIST, (struct slice){"", 0}, removed, ENTRY_NO_DEADLINE, 0);
    if (e != NULL) {
        reaper_free_entry(e);
    } else {
        list_free(removed);
    }
}

bool list_value_rotate(struct call *c, const struct key *key, struct entry *e, enum list_end take,
                       enum list_end put, struct slice value)
{
    if (is_small(e)) {
        struct listpack_element element = listpack_encode(value); /* no encoding is shorter */
        uint8_t *lp = entry_small(e);
        listpack_delete(lp, take == LIST_HEAD ? listpack_first(lp) : listpack_last(lp), 1);
        push_element(lp, put, &element);
        return true;
    }
    if (!list_value_push(c, key, &e, put, &value, 1)) {
        return false;
    }
    list_value_pop(c, key, e, take);
    return true;
}

bool list_value_remove_range(struct call *c, const struct key *key, struct entry *e, uint64_t index,
                             uint64_t count)
{
    if (count == list_value_count(e)) {
        key_delete(c, key);
        return true;
    }
    if (is_small(e)) {
        listpack_delete_range(entry_small(e), (int64_t)index, count);
        return settle(c, key, e);
    }
    struct list *removed = count > MANY ? list_new(c->server->config->list_max_listpack_size) : NULL;
    list_remove_range(entry_object(e), index, count, removed);
    if (removed != NULL) {
        discard(removed);
    }
    return settle(c, key, e);
}

static uint64_t remove_equal_in_small(uint8_t *lp, struct slice value, uint64_t max, bool backwards)
{
    uint64_t removed = 0;
    size_t pos = backwards ? listpack_last(lp) : listpack_first(lp);
    while (pos != LISTPACK_NONE && removed < max) {
        if (!listpack_equal(lp, pos, value)) {
            pos = backwards ? listpack_prev(lp, pos) : listpack_next(lp, pos);
            continue;
        }
        size_t before = backwards ? listpack_prev(lp, pos) : LISTPACK_NONE;
        listpack_delete(lp, pos, 1);
        removed++;
        if (backwards) {
            pos = before;
        } else if (pos == listpack_end(lp)) {
            pos = LISTPACK_NONE;
        }
    }
    return removed;
}

static uint64_t remove_equal_in_large(struct list *l, struct slice value, uint64_t max, bool backwards)
{
    uint64_t removed = 0;
    struct list_position at;
    bool more = list_seek(l, backwards ? -1 : 0, &at);
    while (more && removed < max) {
        struct listpack_value element = list_read(l, &at);
        if (listpack_value_equal(&element, value)) {
            more = list_remove(l, &at, backwards);
            removed++;
        } else {
            more = backwards ? list_prev(l, &at) : list_next(l, &at);
        }
    }
    return removed;
}

bool list_value_remove_equal(struct call *c, const struct key *key, struct entry *e, struct slice value,
                             uint64_t max, bool backwards, uint64_t *removed)
{
    *removed = is_small(e) ? remove_equal_in_small(entry_small(e), value, max, backwards)
                           : remove_equal_in_large(entry_object(e), value, max, backwards);
    return *removed > 0 && settle(c, key, e);
}
