#include "commands/topic.h"

#include "memory.h"

void topics_init(struct topics *topics, const struct keyspace *keyspace)
{
    *topics = (struct topics){.keyspace = keyspace};
}

void topics_free(struct topics *topics)
{
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        chain_free(&topics->named[kind]);
    }
    chain_free(&topics->subscriptions);
}

/* ---- topics ------------------------------------------------------------------------------------------- */

static struct topic *find_hashed(const struct topics *topics, enum topic_kind kind, struct slice name,
                                 uint64_t hash)
{
    struct chain_link *link = chain_find(&topics->named[kind], hash);
    while (link != NULL && !slice_equal(topic_name((struct topic *)link), name)) {
        link = chain_next(link);
    }
    return (struct topic *)link;
}

struct topic *topic_find(const struct topics *topics, enum topic_kind kind, struct slice name)
{
    if (topics->named[kind].count == 0) {
        return NULL;
    }
    return find_hashed(topics, kind, name, keyspace_hash(topics->keyspace, name));
}

static struct topic *topic_new(struct topics *topics, enum topic_kind kind, struct slice name, uint64_t hash)
{
    struct topic *topic = mem_alloc(sizeof *topic + name.len);
    if (topic == NULL) {
        return NULL;
    }
    *topic = (struct topic){.previous = topics->last[kind], .kind = kind, .len = name.len};
    memcpy(topic->name, name.ptr, name.len);
    if (!chain_add(&topics->named[kind], &topic->link, hash)) {
        mem_free(topic, sizeof *topic + name.len);
        return NULL;
    }
    *(topic->previous != NULL ? &topic->previous->next : &topics->first[kind]) = topic;
    topics->last[kind] = topic;
    return topic;
}

/* Frees a topic that nobody is subscribed to. */
static void topic_end(struct topics *topics, struct topic *topic)
{
    if (topic->subscribers > 0) {
        return;
    }
    chain_remove(&topics->named[topic->kind], &topic->link);
    *(topic->previous != NULL ? &topic->previous->next : &topics->first[topic->kind]) = topic->next;
    *(topic->next != NULL ? &topic->next->previous : &topics->last[topic->kind]) = topic->previous;
    mem_free(topic, sizeof *topic + topic->len);
}

/* ---- audiences ---------------------------------------------------------------------------------------- */

/* The audience of a loop, with room for one more member; NULL: no memory. */
static struct audience *audience_of(struct topic *topic, int loop)
{
    struct audience *audience = topic->audiences;
    while (audience != NULL && audience->loop != loop) {
        audience = audience->next;
    }
    if (audience == NULL) {
        audience = mem_alloc(sizeof *audience);
        if (audience == NULL) {
            return NULL;
        }
        *audience = (struct audience){.next = topic->audiences, .loop = loop};
        topic->audiences = audience;
    }
    if (audience->count == audience->cap) {
        uint32_t cap = audience->cap > 0 ? audience->cap * 2 : 1;
        struct member *members =
            mem_realloc(audience->members, audience->cap * sizeof *members, cap * sizeof *members);
        if (members == NULL) {
            return NULL;
        }
        audience->members = members;
        audience->cap = cap;
    }
    return audience;
}

/* Frees the audiences that have no members: at most one that has lost its last, or never got one. */
static void drop_empty(struct topic *topic)
{
    for (struct audience **link = &topic->audiences; *link != NULL;) {
        struct audience *audience = *link;
        if (audience->count > 0) {
            link = &audience->next;
            continue;
        }
        *link = audience->next;
        mem_free(audience->members, audience->cap * sizeof *audience->members);
        mem_free(audience, sizeof *audience);
    }
}

static void audience_leave(struct audience *audience, uint32_t index)
{
    audience->members[index] = audience->members[--audience->count];
    audience->members[index].subscription->index = index;
}

/* ---- subscriptions ------------------------------------------------------------------------------------ */

static uint64_t pair_hash(const struct subscriber *subscriber, const struct topic *topic)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)subscriber ^ (topic->link.hash * 0x9e3779b97f4a7c15U));
    mixed ^= mixed >> 32;
    mixed *= 0xd6e8feb86659fd93U;
    return mixed ^ mixed >> 29;
}

static struct subscription *find_subscription(const struct topics *topics,
                                              const struct subscriber *subscriber, const struct topic *topic)
{
    struct chain_link *link = chain_find(&topics->subscriptions, pair_hash(subscriber, topic));
    for (; link != NULL; link = chain_next(link)) {
        struct subscription *found = (struct subscription *)link;
        if (found->subscriber == subscriber && found->topic == topic) {
            return found;
        }
    }
    return NULL;
}

static void join(struct subscription *subscription, struct subscriber *subscriber, struct topic *topic,
                 struct audience *audience)
{
    enum topic_kind kind = topic->kind;
    subscription->subscriber = subscriber;
    subscription->topic = topic;
    subscription->audience = audience;
    subscription->index = audience->count;
    audience->members[audience->count++] = (struct member){subscriber->conn, subscription};
    topic->subscribers++;
    subscription->next = NULL;
    subscription->previous = subscriber->last[kind];
    *(subscription->previous != NULL ? &subscription->previous->next : &subscriber->first[kind]) =
        subscription;
    subscriber->last[kind] = subscription;
    subscriber->count[kind]++;
}

enum topic_subscribed topic_subscribe(struct topics *topics, struct subscriber *subscriber,
                                      enum topic_kind kind, struct slice name)
{
    uint64_t hash = keyspace_hash(topics->keyspace, name);
    struct topic *topic = find_hashed(topics, kind, name, hash);
    if (topic != NULL && find_subscription(topics, subscriber, topic) != NULL) {
        return TOPIC_SUBSCRIBED_BEFORE;
    }
    if (topic == NULL) {
        topic = topic_new(topics, kind, name, hash);
    }
    struct subscription *subscription = topic != NULL ? mem_alloc(sizeof *subscription) : NULL;
    struct audience *audience = subscription != NULL ? audience_of(topic, subscriber->loop) : NULL;
    if (audience == NULL ||
        !chain_add(&topics->subscriptions, &subscription->link, pair_hash(subscriber, topic))) {
        mem_free(subscription, sizeof *subscription);
        if (topic != NULL) {
            drop_empty(topic);
            topic_end(topics, topic);
        }
        return TOPIC_NO_MEMORY;
    }
    join(subscription, subscriber, topic, audience);
    return TOPIC_SUBSCRIBED;
}

bool topic_unsubscribe(struct topics *topics, struct subscriber *subscriber, enum topic_kind kind,
                       struct slice name)
{
    struct topic *topic = topic_find(topics, kind, name);
    struct subscription *subscription = topic != NULL ? find_subscription(topics, subscriber, topic) : NULL;
    if (subscription == NULL) {
        return false;
    }
    chain_remove(&topics->subscriptions, &subscription->link);
    *(subscription->previous != NULL ? &subscription->previous->next : &subscriber->first[kind]) =
        subscription->next;
    *(subscription->next != NULL ? &subscription->next->previous : &subscriber->last[kind]) =
        subscription->previous;
    subscriber->count[kind]--;
    audience_leave(subscription->audience, subscription->index);
    mem_free(subscription, sizeof *subscription);
    topic->subscribers--;
    drop_empty(topic);
    topic_end(topics, topic);
    return true;
}

size_t subscriber_memory(const struct subscriber *subscriber)
{
    return (size_t)subscriber_total(subscriber) *
           (mem_class(sizeof(struct subscription)) + sizeof(struct member));
}
