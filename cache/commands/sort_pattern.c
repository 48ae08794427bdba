#include "commands/sort_pattern.h"

#include "commands/hash_value.h"
#include "commands/value.h"
#include "memory.h"

static size_t index_of(struct slice text, const char *what, size_t from)
{
    const char *at = from <= text.len ? memmem(text.ptr + from, text.len - from, what, strlen(what)) : NULL;
    return at != NULL ? (size_t)(at - text.ptr) : text.len;
}

void sort_pattern_parse(struct slice text, struct sort_pattern *pattern)
{
    *pattern = (struct sort_pattern){.element = text.len == 1 && text.ptr[0] == '#'};
    size_t star = index_of(text, "*", 0);
    if (star == text.len) {
        pattern->constant = true;
        return;
    }
    size_t arrow = index_of(text, "->", star + 1);
    if (arrow + 2 >= text.len) { /* none, or nothing behind it: it belongs to the key's name then */
        arrow = text.len;
    } else {
        pattern->field = (struct slice){text.ptr + arrow + 2, text.len - arrow - 2};
    }
    pattern->before = (struct slice){text.ptr, star};
    pattern->after = (struct slice){text.ptr + star + 1, arrow - star - 1};
}

static char *append(char *to, struct slice bytes)
{
    memcpy(to, bytes.ptr, bytes.len);
    return to + bytes.len;
}

/* Reads what is at a key. */
static void find_at(struct call *c, const struct sort_pattern *pattern, const struct key *key,
                    struct sort_found *found)
{
    struct entry *e = key_read(c, key);
    if (e == NULL) {
        return;
    }
    if ((c->command->flags & CMD_WRITE) != 0) {
        key_sweep_parts(c, e);
    }
    if (pattern->field.len == 0 && entry_type(e) == TYPE_STRING) {
        found->kind = SORT_STRING;
        found->string = e;
    } else if (pattern->field.len > 0 && entry_type(e) == TYPE_HASH &&
               hash_value_get(e, pattern->field, c->now, &found->field)) {
        found->kind = SORT_FIELD;
    }
}

bool sort_pattern_find(struct call *c, const struct sort_pattern *pattern, struct slice element,
                       struct sort_found *found)
{
    char few[256];
    *found = (struct sort_found){.kind = SORT_NOTHING};
    if (pattern->element) {
        *found = (struct sort_found){.kind = SORT_TEXT, .text = element};
        return true;
    }
    if (pattern->constant) {
        return true;
    }
    size_t len = pattern->before.len + element.len + pattern->after.len;
    char *name = len <= sizeof few ? few : mem_alloc(len);
    if (name == NULL) {
        return false;
    }
    append(append(append(name, pattern->before), element), pattern->after);
    struct key key = {.name = {name, len}};
    key.hash = keyspace_hash(&c->server->keyspace, key.name);
    find_at(c, pattern, &key, found);
    if (name != few) {
        mem_free(name, len);
    }
    return true;
}

void sort_found_reply(struct reply *r, const struct sort_found *found)
{
    switch (found->kind) {
    case SORT_TEXT: reply_bulk_slice(r, found->text); break;
    case SORT_STRING: value_reply(r, found->string); break;
    case SORT_FIELD: hash_value_reply(r, &found->field); break;
    default: reply_null(r); break;
    }
}
