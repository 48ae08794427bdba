/*
 * The syntax of a command's arguments, read from the way in which the Redis manual writes it, as a tree:
 *
 *   word          an argument; its name tells its type        [ … ]   may be left out
 *   TOKEN         sent as it stands; with what follows it:    < … >   one group
 *   TOKEN word    an argument with a token before it          a | b   one of these
 *   word [word …] with three dots: may be repeated            TOKEN word [TOKEN word …]   … each time with its token
 *
 * A row of the command table needs this one string; COMMAND DOCS, redis-cli's hints and docs/commands.md are made of it.
 */
#ifndef ORDINAL_COMMANDS_SYNTAX_H
#define ORDINAL_COMMANDS_SYNTAX_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

enum syntax_type {
    SYNTAX_STRING,
    SYNTAX_INTEGER,
    SYNTAX_DOUBLE,
    SYNTAX_KEY,
    SYNTAX_PATTERN,
    SYNTAX_UNIX_TIME,
    SYNTAX_PURE_TOKEN, /* a token alone */
    SYNTAX_ONEOF,      /* one of its children */
    SYNTAX_BLOCK,      /* all of its children in order */
};

enum syntax_flag {
    SYNTAX_OPTIONAL = 1 << 0,
    SYNTAX_MULTIPLE = 1 << 1,
    SYNTAX_MULTIPLE_TOKEN = 1 << 2,
};

enum { SYNTAX_NODES = 96, SYNTAX_NAME = 64, SYNTAX_NONE = -1 };

struct syntax_node {
    char name[SYNTAX_NAME]; /* of a group: its children's names, joined by "_" */
    struct slice token;     /* in the text; empty: none */
    enum syntax_type type;
    uint32_t flags;  /* enum syntax_flag */
    int next, child; /* indices, or SYNTAX_NONE */
    int children;
    const char *begin, *value; /* where it stands in the text, and what follows its token */
};

struct syntax {
    struct syntax_node nodes[SYNTAX_NODES];
    int count;
    int first, arguments; /* the list of arguments: its first node, and how many */
};

/* Reads a syntax; `text` must live as long as the tree. NULL: no arguments. False: brackets that do not match, or too
 * much of it. */
bool syntax_parse(struct syntax *syntax, const char *text);

/* "string", "pure-token", … as in COMMAND DOCS. */
const char *syntax_type_name(enum syntax_type type);

#endif
