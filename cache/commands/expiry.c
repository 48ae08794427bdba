#include "commands/expiry.h"

#include "clock.h"

bool expiry_deadline(const struct call *c, int64_t value, enum expiry_unit unit, bool absolute,
                     int64_t *deadline)
{
    if (unit == EXPIRY_SECONDS && __builtin_mul_overflow(value, 1000, &value)) {
        return false;
    }
    if (absolute) {
        *deadline = clock_from_wall(value);
        return true;
    }
    return !__builtin_add_overflow(value, c->now, deadline);
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
