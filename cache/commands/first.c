#include "commands/first.h"

static bool parse_count(struct call *c, size_t at, uint64_t *count)
{
    int64_t number = 1;
    if (at == c->argc) {
        *count = 1;
        return true;
    }
    if (!slice_is(c->argv[at], "count") || at + 1 == c->argc) {
        call_syntax_error(c);
        return false;
    }
    if (!call_int_range(c, c->argv[at + 1], 1, INT64_MAX, "ERR count should be greater than 0", &number)) {
        return false;
    }
    if (at + 2 != c->argc) {
        call_syntax_error(c);
        return false;
    }
    *count = (uint64_t)number;
    return true;
}

bool first_parse(struct call *c, size_t at, const char *near, const char *far, struct first *f)
{
    int64_t keys;
    if (!call_int_range(c, c->argv[at], 1, INT64_MAX, "ERR numkeys should be greater than 0", &keys)) {
        return false;
    }
    if ((uint64_t)keys >= c->argc - at - 1) {
        call_syntax_error(c);
        return false;
    }
    *f = (struct first){.first = at + 1, .keys = (size_t)keys};
    struct slice word = c->argv[f->first + f->keys];
    f->far = slice_is(word, far);
    if (!f->far && !slice_is(word, near)) {
        call_syntax_error(c);
        return false;
    }
    return parse_count(c, f->first + f->keys + 1, &f->count);
}

struct entry *first_entry(struct call *c, const struct first *f, enum entry_type type, struct key *key,
                          bool *wrong)
{
    struct entry *e = NULL;
    *wrong = false;
    for (size_t i = f->first; i < f->first + f->keys && e == NULL && !*wrong; i++) {
        *key = call_key(c, i);
        e = key_write_type(c, key, type, wrong);
    }
    return e;
}
