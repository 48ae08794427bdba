#include "commands/expiry.h"

#include "clock.h"

/* ENTRY_NO_DEADLINE is a time that Redis would take for a deadline: it becomes the one before. */
static int64_t timed(int64_t deadline)
{
    return deadline == ENTRY_NO_DEADLINE ? deadline - 1 : deadline;
}

bool expiry_deadline(const struct call *c, int64_t value, enum expiry_unit unit, bool absolute,
                     int64_t *deadline)
{
    if (unit == EXPIRY_SECONDS && __builtin_mul_overflow(value, 1000, &value)) {
        return false;
    }
    if (absolute) {
        *deadline = timed(clock_from_wall(value));
        return true;
    }
    if (__builtin_add_overflow(value, call_clock(c), deadline)) {
        return false;
    }
    *deadline = timed(*deadline);
    return true;
}

void expiry_invalid(struct call *c)
{
    char name[64];
    command_full_name(c->command, name, sizeof name);
    reply_errorf(c->reply, "ERR invalid expire time in '%s' command", name);
}

bool expiry_option(struct call *c, struct slice arg, enum expiry_unit unit, bool absolute, int64_t *deadline)
{
    int64_t value;
    if (!call_int(c, arg, &value)) {
        return false;
    }
    if (value <= 0 || !expiry_deadline(c, value, unit, absolute, deadline)) {
        expiry_invalid(c);
        return false;
    }
    return true;
}

unsigned expiry_condition(struct slice word)
{
    if (slice_is(word, "nx")) {
        return EXPIRY_IF_NONE;
    }
    if (slice_is(word, "xx")) {
        return EXPIRY_IF_ANY;
    }
    if (slice_is(word, "gt")) {
        return EXPIRY_IF_LATER;
    }
    return slice_is(word, "lt") ? EXPIRY_IF_SOONER : 0;
}

bool expiry_conditions_hold(unsigned conditions, int64_t current, int64_t deadline)
{
    return ((conditions & EXPIRY_IF_NONE) == 0 || current == ENTRY_NO_DEADLINE) &&
           ((conditions & EXPIRY_IF_ANY) == 0 || current != ENTRY_NO_DEADLINE) &&
           ((conditions & EXPIRY_IF_LATER) == 0 || deadline > current) &&
           ((conditions & EXPIRY_IF_SOONER) == 0 || deadline < current);
}

/* Whether a word is EX, PX, EXAT or PXAT, and what it says of its number. */
static bool is_expiry_word(struct slice word, enum expiry_unit *unit, bool *absolute)
{
    if (word.len != 2 && word.len != 4) {
        return false;
    }
    *absolute = word.len == 4;
    *unit = (word.ptr[0] | 0x20) == 'p' ? EXPIRY_MILLISECONDS : EXPIRY_SECONDS;
    return slice_is(word, *absolute ? (*unit == EXPIRY_SECONDS ? "exat" : "pxat")
                                    : (*unit == EXPIRY_SECONDS ? "ex" : "px"));
}

bool expiry_take(const struct call *c, size_t *at, struct expiry_words *words)
{
    enum expiry_unit unit;
    bool absolute;
    if (*at + 1 >= c->argc || !is_expiry_word(c->argv[*at], &unit, &absolute) ||
        (words->at != 0 && (unit != words->unit || absolute != words->absolute))) {
        return false;
    }
    *words = (struct expiry_words){++*at, unit, absolute};
    return true;
}

bool expiry_resolve(struct call *c, const struct expiry_words *words, int64_t *deadline)
{
    return words->at == 0 || expiry_option(c, c->argv[words->at], words->unit, words->absolute, deadline);
}
