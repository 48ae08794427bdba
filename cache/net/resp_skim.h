/*
 * Skimming: where a reply ends. Whoever passes replies on need not know what they say, only where one stops and the next begins.
 * A skim is fed bytes as they come, in pieces of any size, and keeps none of them: an aggregate is a number of values that are
 * still to come, however deep they lie in each other, so there is no recursion, and nothing is ever reserved for a length that a
 * peer names. Bodies of strings are passed over without being looked at.
 *
 * Source: RESP specification, versions 2 and 3; of the latter all types but the streamed ones, which Redis never sends.
 * Threads: used by one thread at a time.
 */
#ifndef ORDINAL_NET_RESP_SKIM_H
#define ORDINAL_NET_RESP_SKIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RESP_SKIM_MAX_LINE = 64 * 1024, /* the longest line: a simple string, an error, a number, a head */
    RESP_SKIM_MAX_HEAD = 24,        /* the longest line that is the head of something: a type and a length */
};

enum resp_skim_status {
    RESP_SKIM_MORE,    /* all bytes are used up within a reply, or between two */
    RESP_SKIM_REPLY,   /* the last byte that was used ends a reply */
    RESP_SKIM_PUSH,    /* … ends a push, which answers nothing */
    RESP_SKIM_INVALID, /* this is no RESP; the stream cannot be followed any more */
};

struct resp_skim {
    uint64_t values; /* still to come until the reply is complete, with the one that is under way */
    uint64_t body;   /* bytes of a string that are still to come, with its line end */
    char type;       /* of the line that is under way; 0: the next byte is one */
    bool push;       /* what is under way is a push */
    bool started;    /* within a reply */
    bool cr;         /* the last byte of the line so far is a CR */
    uint32_t line;   /* bytes of the line so far, its type among them … */
    char head[RESP_SKIM_MAX_HEAD]; /* … and, where it says how much follows, these bytes, without the type */
};

static inline void resp_skim_init(struct resp_skim *s)
{
    *s = (struct resp_skim){0};
}

/* Looks at data[0 .. len), and goes no further than to the end of a reply or push. Returns how many bytes it has used, which belong to
 * what *status says; with RESP_SKIM_MORE that is all of them. After RESP_SKIM_INVALID the skim is of no use any more. */
size_t resp_skim(struct resp_skim *s, const char *data, size_t len, enum resp_skim_status *status);

/* Whether the reply that is under way is a push: known from its first byte on. */
static inline bool resp_skim_is_push(const struct resp_skim *s)
{
    return s->push;
}

/* Whether nothing is under way: the next byte begins a reply. */
static inline bool resp_skim_between(const struct resp_skim *s)
{
    return !s->started;
}

#endif
