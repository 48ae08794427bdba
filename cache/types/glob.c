/*
 * The glob matcher: a single loop that walks pattern and string together and remembers where the last star
 * stood. When something does not fit, that star swallows one byte more and the walk resumes behind it. Going
 * back to the last star only is enough, since whatever an earlier star could do better, the last one can do
 * as well: hostile patterns such as "a*a*a*a*b" cost plen * slen steps, where trying every split at every
 * star is exponential.
 *
 * Redis's corners are kept, as clients may depend on them: a class without an end reaches to the end of the
 * pattern; in "[a-]" the ']' is the end of a range; a range is taken either way round; an escaped byte in a
 * class is compared with its case even under nocase; nothing but the empty pattern matches the empty string
 * (commands that take "*" for "everything" do so before they come here).
 */

#include "types/glob.h"

#include <ctype.h>
#include <stdint.h>

struct class_walk {
    const char *at;
    const char *end;
    bool nocase;
};

static inline int fold(char c, bool nocase)
{
    return nocase ? tolower((unsigned char)c) : (unsigned char)c;
}

/* Is c between the ends? Bytes are compared as signed, as Redis on x86 does, on every machine alike. */
static bool range_has(char from, char to, char c, bool nocase)
{
    signed char low = (signed char)from;
    signed char high = (signed char)to;
    if (low > high) {
        low = (signed char)to;
        high = (signed char)from;
    }
    if (nocase) {
        low = (signed char)fold((char)low, true);
        high = (signed char)fold((char)high, true);
        c = (char)fold(c, true);
    }
    return (signed char)c >= low && (signed char)c <= high;
}

/* Tests c against the next member of the class and steps over it. */
static bool class_member(struct class_walk *walk, char c)
{
    const char *p = walk->at;
    if (*p == '\\' && walk->end - p >= 2) {
        walk->at = p + 2;
        return p[1] == c;
    }
    if (walk->end - p >= 3 && p[1] == '-') {
        walk->at = p + 3;
        return range_has(p[0], p[2], c, walk->nocase);
    }
    walk->at = p + 1;
    return fold(*p, walk->nocase) == fold(c, walk->nocase);
}

/* Matches c against the class that begins behind a '['; *pattern moves behind its ']' or to the end. */
static bool class_match(const char **pattern, const char *end, char c, bool nocase)
{
    struct class_walk walk = {*pattern, end, nocase};
    bool inverted = walk.at < end && *walk.at == '^';
    walk.at += inverted;
    bool found = false;
    while (walk.at < end && *walk.at != ']') {
        found |= class_member(&walk, c);
    }
    *pattern = walk.at < end ? walk.at + 1 : end;
    return found != inverted;
}

/* Matches c against the pattern's next element, which is not a star, and moves *pattern behind it. */
static inline bool element_match(const char **pattern, const char *end, char c, bool nocase)
{
    const char *p = (*pattern)++;
    if (*p == '?') {
        return true;
    }
    if (*p == '[') {
        return class_match(pattern, end, c, nocase);
    }
    if (*p == '\\' && end - p >= 2) {
        p = (*pattern)++;
    }
    return fold(*p, nocase) == fold(c, nocase);
}

bool glob_match(const char *pattern, size_t plen, const char *s, size_t slen, bool nocase)
{
    const char *const pattern_end = pattern + plen;
    const char *const s_end = s + slen;
    const char *star = NULL;  /* the pattern behind the last star */
    const char *taken = NULL; /* the string behind what that star has swallowed */
    if (slen == 0) {
        return plen == 0;
    }
    while (s < s_end) {
        if (pattern < pattern_end && *pattern == '*') {
            star = ++pattern;
            taken = s;
            if (pattern == pattern_end) {
                return true;
            }
        } else if (pattern < pattern_end && element_match(&pattern, pattern_end, *s, nocase)) {
            s++;
        } else if (star != NULL) {
            pattern = star;
            s = ++taken;
        } else {
            return false;
        }
    }
    while (pattern < pattern_end && *pattern == '*') {
        pattern++;
    }
    return pattern == pattern_end;
}
