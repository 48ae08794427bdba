#include "commands/hash_fields.h"

#include "clock.h"
#include "commands/hash_value.h"
#include "commands/propagate.h"

#define MAX_DEADLINE ((INT64_C(1) << 46) - 1) /* ms of wall time */

bool hash_fields_parse(struct call *c, size_t at, const char *bad_number, size_t *first)
{
    int64_t count;
    if (at + 1 >= c->argc || !slice_is(c->argv[at], "fields")) {
        reply_error(c->reply, "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!call_int_range(c, c->argv[at + 1], 1, INT64_MAX, bad_number, &count)) {
        return false;
    }
    if ((uint64_t)count != c->argc - at - 2) {
        reply_error(c->reply, "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    *first = at + 2;
    return true;
}

bool hash_fields_deadline(struct call *c, struct slice arg, enum expiry_unit unit, bool absolute,
                          int64_t *deadline)
{
    int64_t value;
    if (!call_int(c, arg, &value)) {
        return false;
    }
    if (value < 0) {
        reply_error(c->reply, "ERR invalid expire time, must be >= 0");
        return false;
    }
    int64_t scale = unit == EXPIRY_SECONDS ? 1000 : 1;
    int64_t from = absolute ? 0 : clock_to_wall(call_clock(c));
    if (value > MAX_DEADLINE / scale || value * scale > MAX_DEADLINE - from) {
        expiry_invalid(c);
        return false;
    }
    *deadline = absolute ? clock_from_wall(value * scale) : call_clock(c) + value * scale;
    return true;
}

void hash_fields_propagate_deadline(struct call *c, const struct key *key, const struct entry *e,
                                    struct slice field)
{
    char digits[NUMBER_I64_MAX_CHARS];
    int64_t deadline = hash_value_deadline(e, field);
    if (deadline != ENTRY_NO_DEADLINE) {
        propagate(c, SLICE("HPEXPIREAT"), key->name, propagate_deadline(deadline, digits), SLICE("FIELDS"),
                  SLICE("1"), field);
    }
}

void hash_fields_propagate_persist(struct call *c, const struct key *key, const struct entry *e,
                                   struct slice field)
{
    char digits[NUMBER_I64_MAX_CHARS];
    struct listpack_value value;
    if (propagate_is_on(c) && hash_value_get(e, field, c->now, &value)) {
        propagate(c, SLICE("HSET"), key->name, field, listpack_text(&value, digits));
    }
}

bool hash_fields_expiry_word(const struct call *c, size_t at, enum expiry_unit *unit, bool *absolute)
{
    struct expiry_words words = {0};
    if (!expiry_take(c, &at, &words)) {
        return false;
    }
    *unit = words.unit;
    *absolute = words.absolute;
    return true;
}
