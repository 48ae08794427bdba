/*
 * Deadlines in arguments: EX, PX, EXAT, PXAT and the four EXPIRE commands all turn a number into a time of clock.h here.
 */
#ifndef ORDINAL_COMMANDS_EXPIRY_H
#define ORDINAL_COMMANDS_EXPIRY_H

#include "commands/call.h"

enum expiry_unit { EXPIRY_SECONDS, EXPIRY_MILLISECONDS };

/* The deadline that `value` stands for: from now on, or (absolute) in wall time. False on overflow; Redis's error is then for
 * the caller to give, by expiry_invalid. Values need not be positive. */
bool expiry_deadline(const struct call *c, int64_t value, enum expiry_unit unit, bool absolute,
                     int64_t *deadline);

/* "ERR invalid expire time in 'set' command" */
void expiry_invalid(struct call *c);

/* An option's argument ("EX 60"): an integer above 0 that makes a deadline. Replies with the error when it is not. */
bool expiry_option(struct call *c, struct slice arg, enum expiry_unit unit, bool absolute, int64_t *deadline);

/* On which of NX, XX, GT and LT a new deadline depends. */
enum expiry_condition {
    EXPIRY_IF_NONE = 1 << 0,   /* NX */
    EXPIRY_IF_ANY = 1 << 1,    /* XX */
    EXPIRY_IF_LATER = 1 << 2,  /* GT */
    EXPIRY_IF_SOONER = 1 << 3, /* LT */
};

/* The condition that a word names, 0 when it names none. */
unsigned expiry_condition(struct slice word);

/* Whether all conditions hold. ENTRY_NO_DEADLINE as `current` counts as infinitely far away. */
bool expiry_conditions_hold(unsigned conditions, int64_t current, int64_t deadline);

/* The deadline among a command's options, as SET and GETEX take it. */
struct expiry_words {
    size_t at; /* of the number in argv; 0: there was none */
    enum expiry_unit unit;
    bool absolute;
};

/* Takes "EX 60" and its like from argv[*at] on, and moves *at to the number. False, and nothing has changed, when
 * no such words stand there, or words of another kind were taken before (the same kind again replaces them). */
bool expiry_take(const struct call *c, size_t *at, struct expiry_words *words);

/* What they stand for; as expiry_option. Without any, *deadline is left alone. */
bool expiry_resolve(struct call *c, const struct expiry_words *words, int64_t *deadline);

#endif
