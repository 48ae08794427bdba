#include "commands/notify.h"

#include <stdio.h>

#include "commands/pubsub.h"
#include "memory.h"

/* The setting's bits are in the order of its letters. */
static uint32_t classes_of(int bits)
{
    static const struct {
        int bit;
        enum event_class class;
    } pairs[] = {
        {CONFIG_NOTIFY_KEYSPACE, EVENT_KEYSPACE}, {CONFIG_NOTIFY_KEYEVENT, EVENT_KEYEVENT},
        {CONFIG_NOTIFY_GENERIC, EVENT_GENERIC},   {CONFIG_NOTIFY_STRING, EVENT_STRING},
        {CONFIG_NOTIFY_LIST, EVENT_LIST},         {CONFIG_NOTIFY_SET, EVENT_SET},
        {CONFIG_NOTIFY_HASH, EVENT_HASH},         {CONFIG_NOTIFY_ZSET, EVENT_ZSET},
        {CONFIG_NOTIFY_EXPIRED, EVENT_EXPIRED},   {CONFIG_NOTIFY_EVICTED, EVENT_EVICTED},
        {CONFIG_NOTIFY_STREAM, EVENT_STREAM},     {CONFIG_NOTIFY_MODULE, EVENT_MODULE},
        {CONFIG_NOTIFY_KEY_MISS, EVENT_KEY_MISS}, {CONFIG_NOTIFY_NEW, EVENT_NEW},
    };
    uint32_t classes = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if ((bits & pairs[i].bit) != 0) {
            classes |= pairs[i].class;
        }
    }
    return classes;
}

static bool on_setting(void *context, struct config *config, const char **error)
{
    struct server *server = context;
    uint32_t classes = classes_of(config->notify_keyspace_events);
    const uint32_t channels = EVENT_KEYSPACE | EVENT_KEYEVENT;
    (void)error;
    server->notify = classes;
    if ((classes & channels) != 0 && (classes & ~channels) != 0) {
        atomic_fetch_or(&server->listening, LISTENING_EVENTS);
    } else {
        atomic_fetch_and(&server->listening, ~(uint32_t)LISTENING_EVENTS);
    }
    return true;
}

void notify_follow_settings(struct server *server)
{
    const char *error;
    on_setting(server, server->config, &error);
    config_on_change(server->config, "notify-keyspace-events", on_setting, server);
}

/* Publishes to "__<kind>@<db>__:<name>". */
static void publish(struct worker *w, const char *kind, const struct db *db, struct slice name,
                    struct slice message)
{
    enum { HEAD = 32, SMALL = 256 };
    char small[SMALL];
    size_t size = HEAD + name.len;
    char *channel = size <= SMALL ? small : mem_alloc(size);
    if (channel == NULL) {
        return;
    }
    size_t len = (size_t)snprintf(channel, HEAD, "__%s@%d__:", kind, db->id);
    memcpy(channel + len, name.ptr, name.len);
    pubsub_publish(w, (struct slice){channel, len + name.len}, message);
    if (channel != small) {
        mem_free(channel, size);
    }
}

void notify_key(struct worker *w, const struct db *db, struct slice key, enum event_class class,
                const char *event)
{
    struct server *server = w->server;
    struct slice name = {event, strlen(event)};
    if ((server->notify & class) == 0 || pubsub_channels(server) + pubsub_patterns(server) == 0) {
        return;
    }
    if ((server->notify & EVENT_KEYSPACE) != 0) {
        publish(w, "keyspace", db, key, name);
    }
    if ((server->notify & EVENT_KEYEVENT) != 0) {
        publish(w, "keyevent", db, name, key);
    }
}
