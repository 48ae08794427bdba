#include "commands/syntax.h"

#include <ctype.h>
#include <stdio.h>

struct parser {
    struct syntax *syntax;
    bool failed;
};

/* A list of nodes that is being made. */
struct list {
    int first, last, count;
};

static const struct list empty_list = {SYNTAX_NONE, SYNTAX_NONE, 0};

static struct syntax_node *node_at(const struct parser *p, int index)
{
    return &p->syntax->nodes[index];
}

static int node_new(struct parser *p, enum syntax_type type, const char *begin)
{
    if (p->syntax->count == SYNTAX_NODES) {
        p->failed = true;
        p->syntax->count = 0; /* goes on in what is thrown away */
    }
    int index = p->syntax->count++;
    *node_at(p, index) = (struct syntax_node){
        .type = type, .next = SYNTAX_NONE, .child = SYNTAX_NONE, .begin = begin, .value = begin};
    return index;
}

static void list_add(const struct parser *p, struct list *list, int index)
{
    if (list->count++ == 0) {
        list->first = index;
    } else {
        node_at(p, list->last)->next = index;
    }
    list->last = index;
}

/* ---- words ------------------------------------------------------------------------------------------ */

static struct slice trim(struct slice s)
{
    while (s.len > 0 && s.ptr[0] == ' ') {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && s.ptr[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

static bool is_open(char c)
{
    return c == '[' || c == '<';
}

static bool is_close(char c)
{
    return c == ']' || c == '>';
}

/* The position of the bracket that closes the one at `open`, or s.len. */
static size_t closing(struct slice s, size_t open)
{
    int depth = 0;
    for (size_t i = open; i < s.len; i++) {
        depth += is_open(s.ptr[i]) - is_close(s.ptr[i]);
        if (depth == 0) {
            return i;
        }
    }
    return s.len;
}

static struct slice word_at(struct slice s, size_t at)
{
    size_t end = at;
    while (end < s.len && s.ptr[end] != ' ' && !is_open(s.ptr[end]) && !is_close(s.ptr[end])) {
        end++;
    }
    return (struct slice){s.ptr + at, end - at};
}

static size_t skip_blanks(struct slice s, size_t at)
{
    while (at < s.len && s.ptr[at] == ' ') {
        at++;
    }
    return at;
}

/* A token is sent as it stands: it has no small letter. */
static bool is_token(struct slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (islower((unsigned char)word.ptr[i])) {
            return false;
        }
    }
    return word.len > 0;
}

static bool is_one_of(struct slice word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (slice_equal(word, (struct slice){*words, strlen(*words)})) {
            return true;
        }
    }
    return false;
}

static bool ends_with(struct slice s, struct slice end)
{
    return s.len >= end.len && memcmp(s.ptr + s.len - end.len, end.ptr, end.len) == 0;
}

static enum syntax_type type_of(struct slice name)
{
    static const char *const keys[] = {"key",     "key1",   "key2",        "newkey",
                                       "destkey", "source", "destination", NULL};
    static const char *const integers[] = {
        "bit",      "client-id",    "count",         "cursor",  "db",          "decrement", "destination-db",
        "end",      "frequency",    "increment",     "index",   "index1",      "index2",    "len",
        "limit",    "milliseconds", "min-match-len", "numkeys", "numreplicas", "offset",    "port",
        "protover", "seconds",      "start",         "stop",    "timeout",     "ttl",       "version",
        NULL};
    if (is_one_of(name, keys)) {
        return SYNTAX_KEY;
    }
    if (is_one_of(name, integers)) {
        return SYNTAX_INTEGER;
    }
    if (name.len > 10 && memcmp(name.ptr, "unix-time-", 10) == 0) {
        return SYNTAX_UNIX_TIME;
    }
    return slice_equal(name, SLICE("pattern")) ? SYNTAX_PATTERN : SYNTAX_STRING;
}

/* ---- names ------------------------------------------------------------------------------------------ */

static void name_from(struct syntax_node *node, struct slice word)
{
    size_t len = word.len < SYNTAX_NAME - 1 ? word.len : SYNTAX_NAME - 1;
    for (size_t i = 0; i < len; i++) {
        node->name[i] = (char)tolower((unsigned char)word.ptr[i]);
    }
    node->name[len] = '\0';
}

/* A group made of a list, named for its members. */
static int group_of(struct parser *p, enum syntax_type type, const struct list *list)
{
    int index = node_new(p, type, list->count > 0 ? node_at(p, list->first)->begin : NULL);
    struct syntax_node *node = node_at(p, index);
    size_t len = 0;
    node->child = list->first;
    node->children = list->count;
    for (int i = list->first; i != SYNTAX_NONE && len < SYNTAX_NAME - 1; i = node_at(p, i)->next) {
        len += (size_t)snprintf(node->name + len, SYNTAX_NAME - len, "%s%s", len > 0 ? "_" : "",
                                node_at(p, i)->name);
    }
    return index;
}

/* ---- the grammar ------------------------------------------------------------------------------------ */

static int parse_group(struct parser *p, struct slice text, uint32_t flags);

/* A word, or a token with the words or the group that belong to it. Moves *at behind it. */
static int parse_word(struct parser *p, struct slice s, size_t *at)
{
    struct slice word = word_at(s, *at);
    int index;
    *at = skip_blanks(s, *at + word.len);
    if (!is_token(word)) {
        index = node_new(p, type_of(word), word.ptr);
        name_from(node_at(p, index), word);
        return index;
    }
    const char *value = s.ptr + *at;
    if (*at < s.len && s.ptr[*at] == '<') {
        size_t close = closing(s, *at);
        index = parse_group(p, (struct slice){s.ptr + *at + 1, close - *at - 1}, 0);
        *at = close + 1;
    } else {
        struct list words = empty_list;
        for (struct slice next = word_at(s, *at); next.len > 0 && !is_token(next); next = word_at(s, *at)) {
            list_add(p, &words, parse_word(p, s, at));
        }
        if (words.count == 0) {
            index = node_new(p, SYNTAX_PURE_TOKEN, word.ptr);
            name_from(node_at(p, index), word);
        } else {
            index = words.count == 1 ? words.first : group_of(p, SYNTAX_BLOCK, &words);
        }
    }
    struct syntax_node *node = node_at(p, index);
    node->token = word;
    node->begin = word.ptr;
    node->value = value;
    return index;
}

/* "[key value ...]" after "key value": makes the nodes that stand there repeatable. False: it repeats nothing. */
static bool repeat_last(struct parser *p, struct list *list, struct slice before, struct slice repeated)
{
    before = trim(before);
    if (!ends_with(before, repeated)) {
        return false;
    }
    const char *begin = before.ptr + before.len - repeated.len;
    int previous = SYNTAX_NONE;
    for (int i = list->first; i != SYNTAX_NONE; previous = i, i = node_at(p, i)->next) {
        struct syntax_node *node = node_at(p, i);
        if (node->begin != begin && node->value != begin) {
            continue;
        }
        if (i == list->last) {
            bool with_token = node->begin == begin && node->token.len > 0;
            node->flags |= SYNTAX_MULTIPLE | (with_token ? (uint32_t)SYNTAX_MULTIPLE_TOKEN : 0);
            return true;
        }
        struct list tail = {i, list->last, 0};
        for (int j = i; j != SYNTAX_NONE; j = node_at(p, j)->next) {
            tail.count++;
        }
        list->count -= tail.count;
        int block = group_of(p, SYNTAX_BLOCK, &tail);
        node_at(p, block)->flags |= SYNTAX_MULTIPLE;
        list->last = previous;
        if (previous != SYNTAX_NONE) {
            node_at(p, previous)->next = SYNTAX_NONE;
        }
        list_add(p, list, block);
        return true;
    }
    return false;
}

/* Takes the dots from the end of a group's text. */
static bool take_dots(struct slice *text)
{
    if (!ends_with(*text, SLICE("..."))) {
        return false;
    }
    *text = trim((struct slice){text->ptr, text->len - 3});
    return true;
}

/* "<…> ...": dots of their own make what stands before them repeatable. */
static void repeat_previous(const struct parser *p, const struct list *list)
{
    if (list->last != SYNTAX_NONE) {
        node_at(p, list->last)->flags |= SYNTAX_MULTIPLE;
    }
}

static void parse_bracket(struct parser *p, struct slice s, size_t *at, struct list *list)
{
    size_t close = closing(s, *at);
    if (close == s.len) {
        p->failed = true;
        *at = s.len;
        return;
    }
    struct slice inside = trim((struct slice){s.ptr + *at + 1, close - *at - 1});
    struct slice repeated = inside;
    bool optional = s.ptr[*at] == '[';
    struct slice before = {s.ptr, *at};
    *at = close + 1;
    if (optional && take_dots(&repeated) && repeat_last(p, list, before, repeated)) {
        return;
    }
    list_add(p, list, parse_group(p, inside, optional ? SYNTAX_OPTIONAL : 0));
}

static struct list parse_sequence(struct parser *p, struct slice s)
{
    struct list list = empty_list;
    for (size_t at = skip_blanks(s, 0); at < s.len && !p->failed; at = skip_blanks(s, at)) {
        if (is_open(s.ptr[at])) {
            parse_bracket(p, s, &at, &list);
        } else if (is_close(s.ptr[at])) {
            p->failed = true;
        } else if (slice_equal(word_at(s, at), SLICE("..."))) {
            repeat_previous(p, &list);
            at += 3;
        } else {
            list_add(p, &list, parse_word(p, s, &at));
        }
    }
    return list;
}

static int parse_alternative(struct parser *p, struct slice s)
{
    struct list list = parse_sequence(p, s);
    return list.count == 1 ? list.first : group_of(p, SYNTAX_BLOCK, &list);
}

/* The length of the first alternative: up to a "|" outside of all brackets. */
static size_t alternative_len(struct slice s)
{
    int depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        depth += is_open(s.ptr[i]) - is_close(s.ptr[i]);
        if (depth == 0 && s.ptr[i] == '|') {
            return i;
        }
    }
    return s.len;
}

/* "a | b [a | b ...]": the whole of the alternatives is repeated. */
static bool take_repetition(struct slice *text)
{
    for (size_t i = 0; i < text->len; i++) {
        if (text->ptr[i] != '[') {
            continue;
        }
        size_t close = closing(*text, i);
        struct slice inside = trim((struct slice){text->ptr + i + 1, close - i - 1});
        if (close == text->len - 1 && take_dots(&inside) &&
            slice_equal(inside, trim((struct slice){text->ptr, i}))) {
            *text = inside;
            return true;
        }
        if (close < text->len) {
            i = close;
        }
    }
    return false;
}

static int parse_group(struct parser *p, struct slice text, uint32_t flags)
{
    text = trim(text);
    bool alternatives_stand = alternative_len(text) < text.len;
    bool multiple = alternatives_stand ? take_repetition(&text) : take_dots(&text);
    int index;
    size_t len = alternative_len(text);
    if (len == text.len) {
        index = parse_alternative(p, text);
    } else {
        struct list alternatives = empty_list;
        for (struct slice rest = text; !p->failed; len = alternative_len(rest)) {
            list_add(p, &alternatives, parse_alternative(p, trim((struct slice){rest.ptr, len})));
            if (len == rest.len) {
                break;
            }
            rest = (struct slice){rest.ptr + len + 1, rest.len - len - 1};
        }
        index = group_of(p, SYNTAX_ONEOF, &alternatives);
    }
    node_at(p, index)->flags |= flags | (multiple ? (uint32_t)SYNTAX_MULTIPLE : 0);
    return index;
}

bool syntax_parse(struct syntax *syntax, const char *text)
{
    struct parser parser = {syntax, false};
    syntax->count = 0;
    struct list list = empty_list;
    if (text != NULL) {
        list = parse_sequence(&parser, (struct slice){text, strlen(text)});
    }
    syntax->first = list.first;
    syntax->arguments = list.count;
    return !parser.failed;
}

const char *syntax_type_name(enum syntax_type type)
{
    static const char *const names[] = {
        [SYNTAX_STRING] = "string",         [SYNTAX_INTEGER] = "integer",
        [SYNTAX_DOUBLE] = "double",         [SYNTAX_KEY] = "key",
        [SYNTAX_PATTERN] = "pattern",       [SYNTAX_UNIX_TIME] = "unix-time",
        [SYNTAX_PURE_TOKEN] = "pure-token", [SYNTAX_ONEOF] = "oneof",
        [SYNTAX_BLOCK] = "block",
    };
    return names[type];
}
