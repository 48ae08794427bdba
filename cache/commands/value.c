#include "commands/value.h"

#include "memory.h"
#include "types/bitmap.h"
#include "types/number.h"

size_t value_len(const struct entry *e)
{
    if (entry_form(e) == FORM_OBJECT) {
        const struct string *s = entry_object(e);
        return s->len;
    }
    return entry_value_len(e);
}

struct entry_bytes value_bytes(const struct entry *e)
{
    if (entry_form(e) == FORM_OBJECT) {
        const struct string *s = entry_object(e);
        return (struct entry_bytes){{s->bytes, s->len}, {NULL, 0}};
    }
    return entry_bytes(e);
}

bool value_hold(const struct entry *e, struct value_run *run)
{
    struct entry_bytes bytes = value_bytes(e);
    *run = (struct value_run){bytes.head, NULL};
    if (bytes.tail.len == 0) {
        return true;
    }
    size_t len = bytes.head.len + bytes.tail.len;
    run->copy = mem_alloc(len);
    if (run->copy == NULL) {
        return false;
    }
    run->bytes = (struct slice){run->copy, value_copy(bytes, 0, run->copy, len)};
    return true;
}

void value_release(struct value_run *run)
{
    mem_free(run->copy, run->bytes.len);
    run->copy = NULL;
}

size_t value_copy(struct entry_bytes bytes, size_t from, char *to, size_t max)
{
    size_t copied = 0;
    if (from < bytes.head.len) {
        size_t here = bytes.head.len - from;
        copied = here < max ? here : max;
        memcpy(to, bytes.head.ptr + from, copied);
    }
    size_t skipped = from + copied - bytes.head.len; /* of the tail, when the head is done with */
    if (copied < max && from + copied >= bytes.head.len && skipped < bytes.tail.len) {
        size_t here = bytes.tail.len - skipped;
        here = here < max - copied ? here : max - copied;
        memcpy(to + copied, bytes.tail.ptr + skipped, here);
        copied += here;
    }
    return copied;
}

bool value_range(int64_t start, int64_t end, uint64_t total, uint64_t *first, uint64_t *last)
{
    bool backwards = start < 0 && end < 0 && start > end; /* even where both lie before the first unit */
    return !backwards && bitmap_range(start, end, total, first, last);
}

void value_reply(struct reply *r, const struct entry *e)
{
    struct entry_bytes bytes = value_bytes(e);
    reply_bulk_pair(r, bytes.head, bytes.tail);
}

bool value_int(const struct entry *e, int64_t *value)
{
    struct entry_bytes bytes = value_bytes(e);
    return bytes.tail.len == 0 && number_parse_i64(bytes.head.ptr, bytes.head.len, value);
}

bool value_replace(struct call *c, const struct key *key, struct entry *e, struct slice value)
{
    int64_t deadline = entry_deadline(e);
    if (!db_may_overwrite(c->db, key->hash, key->name)) {
        return key_put(c, key, entry_new_bytes(TYPE_STRING, key->name, value, deadline, entry_access(e)));
    }
    if (entry_form(e) == FORM_INLINE && entry_value_len(e) == value.len) {
        memcpy(entry_area(e), value.ptr, value.len);
        return true;
    }
    if (entry_overwrite(e, TYPE_STRING, value, deadline, entry_access(e))) {
        return true;
    }
    return key_put(c, key, entry_new_bytes(TYPE_STRING, key->name, value, deadline, entry_access(e)));
}

/* A new object of at least `len` bytes that begins with these. */
static struct string *string_of(struct entry_bytes bytes, size_t len)
{
    size_t old = bytes.head.len + bytes.tail.len;
    len = len > old ? len : old;
    struct string *s = string_new(bytes.head, len);
    if (s != NULL) {
        s = string_resize(s, len); /* the room is there: it stays where it is */
        value_copy((struct entry_bytes){bytes.tail, {NULL, 0}}, 0, s->bytes + bytes.head.len, bytes.tail.len);
    }
    return s;
}

/* The value of an entry that has none of its own yet, or of no entry at all, as an object. */
static struct string *edit_bytes(struct call *c, const struct key *key, const struct entry *e, size_t len)
{
    struct string *s = e != NULL ? string_of(value_bytes(e), len) : string_zeros(len);
    if (s == NULL) {
        call_out_of_memory(c);
        return NULL;
    }
    struct entry *made =
        entry_new_object(TYPE_STRING, key->name, s, e != NULL ? entry_deadline(e) : ENTRY_NO_DEADLINE,
                         e != NULL ? entry_access(e) : call_access(c));
    if (made == NULL) {
        string_free(s);
    }
    return key_put(c, key, made) ? s : NULL;
}

struct string *value_edit(struct call *c, const struct key *key, struct entry *e, size_t len)
{
    if (e == NULL || entry_form(e) != FORM_OBJECT) {
        return edit_bytes(c, key, e, len);
    }
    struct string *s = entry_object(e);
    if (len <= s->len) {
        return s;
    }
    s = string_resize(s, len);
    if (s == NULL) {
        call_out_of_memory(c);
        return NULL;
    }
    entry_set_object(e, s);
    return s;
}

bool value_may_grow(struct call *c, size_t at, size_t more)
{
    size_t len;
    if (__builtin_add_overflow(at, more, &len) || len > (uint64_t)c->server->config->proto_max_bulk_len) {
        reply_error(c->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return false;
    }
    return true;
}
