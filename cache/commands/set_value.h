/*
 * Set values, whatever form they have: an intset or a packed run in the entry, or a dict. Members are always seen as text.
 *
 *   intset    all members are integers, at most set-max-intset-entries of them
 *   packed    at most set-max-listpack-entries members of at most set-max-listpack-value bytes ("listpack" to clients)
 *   table     all others; a table stays one
 *
 * The first byte of a small set tells which it is: an intset's width is 2, 4 or 8, a packed run's header at least 16.
 *
 * Threads: as for the entry.
 */
#ifndef ORDINAL_COMMANDS_SET_VALUE_H
#define ORDINAL_COMMANDS_SET_VALUE_H

#include "commands/call.h"
#include "commands/small.h"
#include "commands/type.h"
#include "types/dict.h"
#include "types/intset.h"

enum set_form { SET_INTSET, SET_PACKED, SET_TABLE };

enum { SET_EACH = 1 }; /* elements of an item of a packed run */

static inline enum set_form set_form(const struct entry *e)
{
    if (entry_form(e) == FORM_OBJECT) {
        return SET_TABLE;
    }
    return *entry_small(e) < PACKED_NO_ITEMS ? SET_INTSET : SET_PACKED;
}

/* Members. */
uint64_t set_count(const struct entry *e);

bool set_has(const struct entry *e, struct slice member);

/* ---- walking ---- */

struct set_iterator {
    const struct entry *e;
    enum set_form form;
    size_t at; /* intset: index; packed run: position */
    struct dict_iterator table;
    char digits[NUMBER_I64_MAX_CHARS];
};

/* Goes through all members of a set that does not change meanwhile. */
void set_begin(struct set_iterator *it, const struct entry *e);

/* The next member, good until the next call; false at the end. */
bool set_next(struct set_iterator *it, struct slice *member);

/* Any member of a set that has one, each with the same chance; good until the set changes or `digits` does.
 * random: the state of a worker's random numbers (worker_random). */
struct slice set_random(const struct entry *e, struct worker *w, char digits[NUMBER_I64_MAX_CHARS]);

/* ---- changing ---- */

/* A set that is changed: the value of a key, or one that is linked nowhere yet. */
struct set_edit {
    const struct server *server;
    struct call *c;         /* NULL: linked nowhere */
    const struct key *key;  /* when linked */
    struct entry_head head; /* of the entry to be made, when linked nowhere */
    struct entry *e;        /* moves with the entry; NULL: there is none yet */
    size_t expected;        /* set_expect */
    bool listpack;          /* integers are no reason to begin with an intset */
};

/* The set of a key; `e` may be NULL. */
static inline struct set_edit set_edit_key(struct call *c, const struct key *key, struct entry *e)
{
    return (struct set_edit){.server = c->server, .c = c, .key = key, .e = e};
}

/* A set of nobody's, under this head. The caller puts or frees its entry. */
static inline struct set_edit set_edit_new(const struct server *server, const struct entry_head *head)
{
    return (struct set_edit){.server = server, .head = *head};
}

enum set_result { SET_NO_MEMORY = -1, SET_SAME, SET_CHANGED };

/* Adds a member, making the entry with the first one. SET_NO_MEMORY: the set has the members it had, and where it is a key's
 * the error is replied. */
enum set_result set_add(struct set_edit *s, struct slice member);

/* Tells that so many members will be added now, before the first is: as in Redis that number alone may make a table of the set
 * at once, whether they are different or not. False as above. */
bool set_expect(struct set_edit *s, size_t members);

/* Removes a member of a set that is there. The last one too: an emptied set's entry is the caller's to delete. */
bool set_remove(struct set_edit *s, struct slice member);

/* Removes any member, as set_random chooses it, after replying with it. */
void set_pop(struct set_edit *s, struct worker *w, struct reply *r);

#endif
