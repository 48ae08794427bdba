#include "commands/list_value.h"

#include "memory.h"
#include "store/reaper.h"

/* Removals of more elements than this from a large list leave the freeing to the reaper. */
enum { MANY = 4096 };

static bool is_small(const struct entry *e)
{
    return entry_form(e) == FORM_INLINE;
}

uint64_t list_value_count(const struct entry *e)
{
    if (!is_small(e)) {
        return list_count(entry_object(e));
    }
    struct small_list small = list_value_small(e);
    return small_list_count(&small);
}

uint8_t *list_value_listpack(const struct small_list *small, size_t *bytes)
{
    *bytes = small_list_listpack_bytes(small);
    uint8_t *lp = mem_alloc(*bytes);
    if (lp != NULL) {
        small_list_to_listpack(small, lp);
    }
    return lp;
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

/* What the listpack of a small list may hold under list-max-listpack-size. */
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

/* Whether so many more bytes and elements are too much for a small list. */
static bool outgrows(const struct call *c, const struct small_list *small, size_t bytes, size_t count)
{
    struct limits limits = limits_of(c->server->config->list_max_listpack_size);
    return __builtin_expect(small_list_listpack_bytes(small) + bytes > limits.bytes, 0) ||
           __builtin_expect(small_list_count(small) + count > limits.count, 0);
}

/* The listpack of a large list that has one chunk of it within limits divided by `share`; NULL when it has not. */
static const uint8_t *only_listpack(int max_size, const struct list *l, unsigned share)
{
    struct slice bytes = {NULL, 0};
    struct list_place place = {0, 0};
    struct limits limits = limits_of(max_size);
    bool plain = false;
    if (list_chunks(l) != 1 || list_count(l) > limits.count / share) {
        return NULL;
    }
    list_read_chunk(l, &place, &bytes, &plain);
    return plain || bytes.len > limits.bytes / share ? NULL : (const uint8_t *)bytes.ptr;
}

/* A small list of a listpack's elements, linked nowhere. */
static struct entry *small_entry_of(const uint8_t *lp, struct slice key, int64_t deadline, uint32_t access)
{
    struct entry *e = entry_new_room(TYPE_LIST, key, small_list_bytes_of(lp), deadline, access);
    if (e != NULL) {
        small_list_of(lp, entry_small(e));
    }
    return e;
}

struct entry *list_value_entry_of(const struct config *config, const uint8_t *lp, struct slice key,
                                  int64_t deadline, uint32_t access)
{
    struct limits limits = limits_of(config->list_max_listpack_size);
    size_t count = listpack_count(lp);
    if (count == 0 || count > limits.count || listpack_bytes(lp) > limits.bytes) {
        return NULL;
    }
    return small_entry_of(lp, key, deadline, access);
}

struct entry *list_value_entry(const struct config *config, struct list *l, struct slice key,
                               int64_t deadline, uint32_t access)
{
    const uint8_t *lp = only_listpack(config->list_max_listpack_size, l, 1);
    struct entry *e = lp != NULL ? small_entry_of(lp, key, deadline, access)
                                 : entry_new_object(TYPE_LIST, key, l, deadline, access);
    if (lp != NULL || e == NULL) {
        list_free(l);
    }
    return e;
}

/* A large list with the elements of a small one; NULL when there is no memory. */
static struct list *enlarge(const struct call *c, const struct small_list *small)
{
    size_t bytes;
    uint8_t *lp = list_value_listpack(small, &bytes);
    struct list *l = list_new(c->server->config->list_max_listpack_size);
    bool good = lp != NULL && l != NULL && list_append_listpack(l, lp);
    if (!good && l != NULL) {
        list_free(l);
    }
    mem_free(lp, bytes);
    return good ? l : NULL;
}

/* Puts a large list in the place of a small one; as list_value_push. */
static bool make_large(struct call *c, const struct key *key, struct entry **e)
{
    struct small_list small = list_value_small(*e);
    struct list *l = enlarge(c, &small);
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
    const uint8_t *lp = only_listpack(c->server->config->list_max_listpack_size, entry_object(e), 2);
    if (lp == NULL) {
        return;
    }
    struct entry *small = small_entry_of(lp, key->name, entry_deadline(e), entry_access(e));
    if (small != NULL) {
        db_put(c->db, key->hash, small, c->now);
    }
}

/* ---- reading ----------------------------------------------------------------------------------------- */

bool list_cursor_seek(struct list_cursor *cursor, const struct entry *e, int64_t index)
{
    *cursor = (struct list_cursor){0};
    if (is_small(e)) {
        cursor->small = list_value_small(e);
        cursor->pos = small_list_seek(&cursor->small, index);
        return cursor->pos != SMALL_LIST_NONE;
    }
    cursor->l = entry_object(e);
    return list_seek(cursor->l, index, &cursor->at);
}

bool list_cursor_next(struct list_cursor *cursor)
{
    if (cursor->l == NULL) {
        cursor->pos = small_list_next(&cursor->small, cursor->pos);
        return cursor->pos != SMALL_LIST_NONE;
    }
    return list_next(cursor->l, &cursor->at);
}

bool list_cursor_prev(struct list_cursor *cursor)
{
    if (cursor->l == NULL) {
        cursor->pos = small_list_prev(&cursor->small, cursor->pos);
        return cursor->pos != SMALL_LIST_NONE;
    }
    return list_prev(cursor->l, &cursor->at);
}

struct listpack_value list_cursor_read(const struct list_cursor *cursor)
{
    return cursor->l == NULL ? small_list_read(&cursor->small, cursor->pos)
                             : list_read(cursor->l, &cursor->at);
}

void list_reply_value(struct reply *r, const struct listpack_value *value)
{
    if (value->is_int) {
        reply_bulk_int(r, value->number);
    } else {
        reply_bulk_slice(r, value->bytes);
    }
}

/* The elements of a small list lie side by side, and most are short strings. */
static void reply_small_run(struct reply *r, const struct list_cursor *cursor, uint64_t count)
{
    const uint8_t *bytes = cursor->small.bytes;
    size_t width = small_list_width(bytes);
    size_t pos = cursor->pos;
    for (; count > 0; count--) {
        struct slice text = {(const char *)bytes + pos, width};
        size_t after = pos + width;
        if (width == 0 && !listpack_short_string(bytes, pos, &text, &after)) {
            struct listpack_value value = listpack_read(bytes, pos);
            list_reply_value(r, &value);
            after = listpack_after(bytes, pos);
        } else {
            reply_bulk_slice(r, text);
        }
        pos = after;
    }
}

void list_reply_run(struct reply *r, struct list_cursor *cursor, uint64_t count, bool backwards)
{
    if (cursor->l == NULL && !backwards) {
        reply_small_run(r, cursor, count);
        return;
    }
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

/* A new large list of a small one's elements and the values. */
static bool push_and_enlarge(struct call *c, const struct key *key, struct entry **e,
                             const struct small_list *small, enum list_end end, const struct slice *values,
                             size_t count)
{
    struct list *l = enlarge(c, small);
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

/* Gives a small list an entry of `bytes` bytes before an edit, if it has fewer. */
static bool make_room(struct call *c, const struct key *key, struct entry **e, struct small_list *small,
                      size_t bytes)
{
    if (bytes > entry_value_len(*e)) {
        if (!key_resize(c, key, e, bytes)) {
            return false;
        }
        small->bytes = entry_small(*e);
    }
    return true;
}

/* Gives the entry the length that the list has after an edit. Without memory for a shorter entry the longer one stays. */
static void fit(struct call *c, const struct key *key, struct entry *e, struct small_list *small)
{
    if (entry_value_len(e) != small->len) {
        struct entry *moved = db_resize(c->db, key->hash, e, small->len, c->now);
        e = moved != NULL ? moved : e;
        small->bytes = entry_small(e);
    }
    small_list_settle(small, entry_value_len(e));
}

/* Room for the values in a small list, which is made when there is none. */
static bool make_room_for(struct call *c, const struct key *key, struct entry **e, struct small_list *small,
                          const struct slice *values, size_t count)
{
    size_t bytes = small_list_bytes_with(small, values, count);
    if (*e != NULL) {
        return make_room(c, key, e, small, bytes);
    }
    *e = key_new_small(c, key, NULL, TYPE_LIST, bytes);
    if (*e != NULL) {
        *small = small_list_init(entry_small(*e), values[0]);
    }
    return *e != NULL;
}

static void push_element(struct small_list *small, enum list_end end, struct slice value)
{
    small_list_insert(small, end == LIST_HEAD ? SMALL_LIST_FIRST : small->len, value);
}

bool list_value_push(struct call *c, const struct key *key, struct entry **e, enum list_end end,
                     const struct slice *values, size_t count)
{
    uint8_t none[SMALL_LIST_FIRST];
    size_t bytes = 0;
    if (*e != NULL && !is_small(*e)) {
        if (!push_to_large(entry_object(*e), end, values, count)) {
            call_out_of_memory(c);
            return false;
        }
        return true;
    }
    struct small_list small = *e != NULL ? list_value_small(*e) : small_list_init(none, values[0]);
    for (size_t i = 0; i < count; i++) {
        bytes += values[i].len;
    }
    if (outgrows(c, &small, bytes, count)) {
        return push_and_enlarge(c, key, e, &small, end, values, count);
    }
    if (!make_room_for(c, key, e, &small, values, count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        push_element(&small, end, values[i]);
    }
    small_list_settle(&small, entry_value_len(*e));
    return true;
}

/* ---- inserting and replacing ------------------------------------------------------------------------- */

/* Makes a small list large when one more value would be too much for it. */
static bool ready_for(struct call *c, const struct key *key, struct entry **e, struct slice value)
{
    if (!is_small(*e)) {
        return true;
    }
    struct small_list small = list_value_small(*e);
    return !outgrows(c, &small, value.len, 1) || make_large(c, key, e);
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
        struct small_list small = cursor->small;
        if (!make_room(c, key, &e, &small, small_list_bytes_with(&small, &value, 1))) {
            return false;
        }
        small_list_insert(&small, after ? small_list_after(&small, cursor->pos) : cursor->pos, value);
        small_list_settle(&small, entry_value_len(e));
        return true;
    }
    struct list_position at = position_of(e, cursor, index);
    if (!list_insert(entry_object(e), &at, after, value)) {
        call_out_of_memory(c);
        return false;
    }
    return true;
}

static bool set_in_small(struct call *c, const struct key *key, struct entry *e,
                         const struct list_cursor *cursor, struct slice value)
{
    struct small_list small = cursor->small;
    if (!make_room(c, key, &e, &small, small_list_bytes_set(&small, cursor->pos, value))) {
        return false;
    }
    small_list_set(&small, cursor->pos, value);
    fit(c, key, e, &small);
    return true;
}

bool list_value_set(struct call *c, const struct key *key, struct entry *e, const struct list_cursor *cursor,
                    uint64_t index, struct slice value)
{
    if (!ready_for(c, key, &e, value)) {
        return false;
    }
    if (is_small(e)) {
        return set_in_small(c, key, e, cursor, value);
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
static bool settle_small(struct call *c, const struct key *key, struct entry *e, struct small_list *small)
{
    if (small->len == SMALL_LIST_FIRST) {
        key_delete(c, key);
        return true;
    }
    fit(c, key, e, small);
    return false;
}

static bool settle_large(struct call *c, const struct key *key, struct entry *e)
{
    if (list_count(entry_object(e)) == 0) {
        key_delete(c, key);
        return true;
    }
    consider_small(c, key, e);
    return false;
}

static void pop_element(struct small_list *small, enum list_end end, struct reply *r)
{
    size_t pos = end == LIST_HEAD ? SMALL_LIST_FIRST : small_list_prev(small, small->len);
    if (r != NULL) {
        struct listpack_value value = small_list_read(small, pos);
        list_reply_value(r, &value);
    }
    small_list_remove(small, pos, 1);
}

static void pop_from_large(struct list *l, enum list_end end, struct reply *r)
{
    struct list_position at;
    if (r != NULL && list_seek(l, end == LIST_HEAD ? 0 : -1, &at)) {
        struct listpack_value value = list_read(l, &at);
        list_reply_value(r, &value);
    }
    list_pop(l, end);
}

bool list_value_pop(struct call *c, const struct key *key, struct entry *e, enum list_end end,
                    struct reply *r)
{
    if (!is_small(e)) {
        pop_from_large(entry_object(e), end, r);
        return settle_large(c, key, e);
    }
    struct small_list small = list_value_small(e);
    pop_element(&small, end, r);
    return settle_small(c, key, e, &small);
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

/* Whether a small list without this element would be too large with it: what it is by Redis's rule does not count all bytes. */
static bool outgrows_again(const struct call *c, const struct entry *e, struct slice value)
{
    struct small_list small = list_value_small(e);
    return outgrows(c, &small, value.len - listpack_encode(value).size, 0);
}

bool list_value_rotate(struct call *c, const struct key *key, struct entry *e, enum list_end take,
                       enum list_end put, struct slice value)
{
    if (is_small(e) && !outgrows_again(c, e, value)) {
        struct small_list small = list_value_small(e);
        pop_element(&small, take, NULL);
        push_element(&small, put, value); /* no encoding is shorter, and widths stay the same */
        fit(c, key, e, &small);
        return true;
    }
    if (!list_value_push(c, key, &e, put, &value, 1)) {
        return false;
    }
    list_value_pop(c, key, e, take, NULL);
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
        struct small_list small = list_value_small(e);
        small_list_remove(&small, small_list_seek(&small, (int64_t)index), count);
        return settle_small(c, key, e, &small);
    }
    struct list *removed = count > MANY ? list_new(c->server->config->list_max_listpack_size) : NULL;
    list_remove_range(entry_object(e), index, count, removed);
    if (removed != NULL) {
        discard(removed);
    }
    return settle_large(c, key, e);
}

static uint64_t remove_equal_in_small(struct small_list *small, struct slice value, uint64_t max,
                                      bool backwards)
{
    uint64_t removed = 0;
    size_t pos = small_list_seek(small, backwards ? -1 : 0);
    while (pos != SMALL_LIST_NONE && removed < max) {
        struct listpack_value element = small_list_read(small, pos);
        size_t next = backwards ? small_list_prev(small, pos) : small_list_next(small, pos);
        if (listpack_value_equal(&element, value)) {
            small_list_remove(small, pos, 1);
            removed++;
            next = backwards || next == SMALL_LIST_NONE ? next : pos; /* what followed stands there now */
        }
        pos = next;
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
    if (!is_small(e)) {
        *removed = remove_equal_in_large(entry_object(e), value, max, backwards);
        return *removed > 0 && settle_large(c, key, e);
    }
    struct small_list small = list_value_small(e);
    *removed = remove_equal_in_small(&small, value, max, backwards);
    return *removed > 0 && settle_small(c, key, e, &small);
}
