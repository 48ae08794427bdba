#include "commands/value.h"

#include <stdlib.h>

#include "memory.h"
#include "types/number.h"

static void object_free(enum entry_type type, void *object)
{
    switch (type) {
    case TYPE_STRING: string_free(object); break;
    default: abort(); /* no other type makes objects */
    }
}

static size_t object_memory(enum entry_type type, const void *object)
{
    return type == TYPE_STRING ? string_memory(object) : 0;
}

const struct entry_ops value_ops = {object_free, object_memory};

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

struct slice value_flat(struct worker *w, const struct entry *e)
{
    struct entry_bytes bytes = value_bytes(e);
    size_t len = bytes.head.len + bytes.tail.len;
    if (bytes.tail.len == 0) {
        return bytes.head;
    }
    if (w->scratch_size < len) {
        char *scratch = mem_alloc(len);
        if (scratch == NULL) {
            return (struct slice){NULL, 0};
        }
        mem_free(w->scratch, w->scratch_size);
        w->scratch = scratch;
        w->scratch_size = len;
    }
    memcpy(w->scratch, bytes.head.ptr, bytes.head.len);
    memcpy(w->scratch + bytes.head.len, bytes.tail.ptr, bytes.tail.len);
    return (struct slice){w->scratch, len};
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
