#include "commands/tracking_command.h"

#include "commands/tracking.h"
#include "commands/tracking_prefix.h"
#include "memory.h"

/* What follows CLIENT TRACKING ON or OFF. */
struct tracking_words {
    uint32_t options; /* enum tracking_option */
    int64_t redirect;
    struct slice *prefixes; /* room for all arguments */
    size_t count;
};

static bool parse_redirect(struct call *c, struct slice arg, struct tracking_words *words)
{
    if (words->redirect != 0) {
        reply_error(c->reply, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!call_int(c, arg, &words->redirect)) {
        return false;
    }
    if (client_find(c->server, words->redirect) == NULL) {
        reply_error(c->reply, "ERR The client ID you want redirect to does not exist");
        return false;
    }
    return true;
}

static bool parse_words(struct call *c, struct tracking_words *words)
{
    static const struct {
        const char *word;
        uint32_t option;
    } options[] = {{"bcast", TRACKING_BCAST},
                   {"optin", TRACKING_OPTIN},
                   {"optout", TRACKING_OPTOUT},
                   {"noloop", TRACKING_NOLOOP}};
    for (size_t i = 3; i < c->argc; i++) {
        uint32_t option = 0;
        for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
            option |= slice_is(c->argv[i], options[k].word) ? options[k].option : 0;
        }
        words->options |= option;
        if (option != 0) {
            continue;
        }
        if (slice_is(c->argv[i], "redirect") && i + 1 < c->argc) {
            if (!parse_redirect(c, c->argv[++i], words)) {
                return false;
            }
        } else if (slice_is(c->argv[i], "prefix") && i + 1 < c->argc) {
            words->prefixes[words->count++] = c->argv[++i];
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Why these options do not go together, or with what the client has; NULL: they do. */
static const char *incompatible(const struct tracker *tracker, const struct tracking_words *words)
{
    uint32_t options = words->options;
    uint32_t now = tracker != NULL ? tracker->options : 0;
    if ((options & TRACKING_BCAST) == 0 && words->count > 0) {
        return "ERR PREFIX option requires BCAST mode to be enabled";
    }
    if (tracker != NULL && tracker->on && ((options ^ now) & TRACKING_BCAST) != 0) {
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    }
    if ((options & TRACKING_BCAST) != 0 && (options & (TRACKING_OPTIN | TRACKING_OPTOUT)) != 0) {
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    }
    if ((options & TRACKING_OPTIN) != 0 && (options & TRACKING_OPTOUT) != 0) {
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    }
    if (((options & TRACKING_OPTIN) != 0 && (now & TRACKING_OPTOUT) != 0) ||
        ((options & TRACKING_OPTOUT) != 0 && (now & TRACKING_OPTIN) != 0)) {
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    }
    return NULL;
}

static void reply_overlap(struct call *c, struct slice prefix, const char *what, struct slice other)
{
    reply_errorf(c->reply,
                 "ERR Prefix '%.*s' overlaps with %s '%.*s'. Prefixes for a single client must not overlap.",
                 (int)prefix.len, prefix.ptr, what, (int)other.len, other.ptr);
}

/* No prefix may cover another one of the same client: it would be told of keys twice. Replies with the error. */
static bool prefixes_overlap(struct call *c, const struct tracking_words *words)
{
    const struct tracker *tracker = c->client->tracker;
    for (size_t i = 0; i < words->count; i++) {
        struct slice prefix = words->prefixes[i];
        for (const struct membership *m = tracker != NULL ? tracker->first : NULL; m != NULL;
             m = m->next_of_tracker) {
            if (prefix_overlaps(prefix, prefix_name(m->prefix))) {
                reply_overlap(c, prefix, "an existing prefix", prefix_name(m->prefix));
                return true;
            }
        }
        for (size_t k = i + 1; k < words->count; k++) {
            if (prefix_overlaps(prefix, words->prefixes[k])) {
                reply_overlap(c, prefix, "another provided prefix", words->prefixes[k]);
                return true;
            }
        }
    }
    return false;
}

static void switch_on(struct call *c, const struct tracking_words *words)
{
    const char *why = incompatible(c->client->tracker, words);
    if (why != NULL) {
        reply_error(c->reply, why);
    } else if ((words->options & TRACKING_BCAST) != 0 && prefixes_overlap(c, words)) {
        return;
    } else if (tracking_on(c->client, words->options, words->redirect, words->prefixes, words->count)) {
        reply_ok(c->reply);
    } else {
        call_out_of_memory(c);
    }
}

void client_tracking_run(struct call *c)
{
    struct tracking_words words = {.prefixes = mem_alloc(c->argc * sizeof(struct slice))};
    if (words.prefixes == NULL) {
        call_out_of_memory(c);
        return;
    }
    if (parse_words(c, &words)) {
        if (slice_is(c->argv[2], "on")) {
            switch_on(c, &words);
        } else if (slice_is(c->argv[2], "off")) {
            tracking_off(c->client);
            reply_ok(c->reply);
        } else {
            call_syntax_error(c);
        }
    }
    mem_free(words.prefixes, c->argc * sizeof(struct slice));
}

void client_caching_run(struct call *c)
{
    struct tracker *tracker = c->client->tracker;
    bool yes = slice_is(c->argv[2], "yes");
    if (tracker == NULL || !tracker->on) {
        reply_error(c->reply,
                    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN "
                    "or OPTOUT mode enabled");
    } else if (!yes && !slice_is(c->argv[2], "no")) {
        call_syntax_error(c);
    } else if (yes && (tracker->options & TRACKING_OPTIN) == 0) {
        reply_error(c->reply, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    } else if (!yes && (tracker->options & TRACKING_OPTOUT) == 0) {
        reply_error(c->reply, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    } else {
        tracker->caching = true;
        reply_ok(c->reply);
    }
}

static void reply_flags(struct call *c, const struct tracker *tracker)
{
    static const struct tracker off;
    const struct tracker *t = tracker != NULL ? tracker : &off;
    const struct {
        bool holds;
        const char *word;
    } flags[] = {
        {!t->on, "off"},
        {t->on, "on"},
        {(t->options & TRACKING_BCAST) != 0, "bcast"},
        {(t->options & TRACKING_OPTIN) != 0, "optin"},
        {(t->options & TRACKING_OPTIN) != 0 && t->caching, "caching-yes"},
        {(t->options & TRACKING_OPTOUT) != 0, "optout"},
        {(t->options & TRACKING_OPTOUT) != 0 && t->caching, "caching-no"},
        {(t->options & TRACKING_NOLOOP) != 0, "noloop"},
        {atomic_load_explicit(&t->broken, memory_order_relaxed), "broken_redirect"},
    };
    int64_t count = 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        count += flags[i].holds;
    }
    reply_set(c->reply, count);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (flags[i].holds) {
            reply_bulk_string(c->reply, flags[i].word);
        }
    }
}

void client_trackinginfo_run(struct call *c)
{
    const struct tracker *tracker = c->client->tracker;
    reply_map(c->reply, 3);
    reply_bulk_string(c->reply, "flags");
    reply_flags(c, tracker);
    reply_bulk_string(c->reply, "redirect");
    client_getredir_run(c);
    reply_bulk_string(c->reply, "prefixes");
    size_t hole = reply_hole(c->reply);
    int64_t count = 0;
    for (const struct membership *m = tracker != NULL ? tracker->first : NULL; m != NULL;
         m = m->next_of_tracker, count++) {
        reply_bulk_slice(c->reply, prefix_name(m->prefix));
    }
    reply_fill_array(c->reply, hole, count);
}

void client_getredir_run(struct call *c)
{
    const struct tracker *tracker = c->client->tracker;
    reply_int(c->reply, tracker != NULL && tracker->on ? tracker->redirect : -1);
}
