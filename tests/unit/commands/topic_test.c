/*
 * The tables of subscriptions: against a model that keeps a matrix of who is subscribed to what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/topic.h"
#include "memory.h"

enum { LOOPS = 3, SUBSCRIBERS = 12, NAMES = 40, STEPS = 40000 };

static struct keyspace keyspace; /* its secret alone is used */
static struct topics topics;
static struct subscriber subscribers[SUBSCRIBERS];
static bool model[TOPIC_KINDS][SUBSCRIBERS][NAMES];
static int64_t memory_before;

static struct slice name_of(int number)
{
    static char text[16];
    int len = snprintf(text, sizeof text, "name%d", number);
    return (struct slice){text, (size_t)len};
}

static int setup(void **state)
{
    (void)state;
    memory_before = mem_used();
    memset(model, 0, sizeof model);
    for (size_t i = 0; i < sizeof keyspace.secret; i++) {
        keyspace.secret[i] = (uint8_t)(i * 37 + 11);
    }
    topics_init(&topics, &keyspace);
    for (int i = 0; i < SUBSCRIBERS; i++) { /* the address of a connection is never looked behind */
        subscribers[i] = (struct subscriber){.conn = (struct conn *)&subscribers[i], .loop = i % LOOPS};
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        for (int i = 0; i < SUBSCRIBERS; i++) {
            while (subscribers[i].first[kind] != NULL) {
                topic_unsubscribe(&topics, &subscribers[i], (enum topic_kind)kind,
                                  topic_name(subscribers[i].first[kind]->topic));
            }
        }
    }
    topics_free(&topics);
    return mem_used() == memory_before ? 0 : -1;
}

/* The audiences of a name must hold exactly those of the model, each once and on its loop. */
static void check_name(enum topic_kind kind, int number)
{
    bool found[SUBSCRIBERS] = {false};
    uint64_t expected = 0;
    uint64_t seen = 0;
    const struct topic *topic = topic_find(&topics, kind, name_of(number));
    for (int i = 0; i < SUBSCRIBERS; i++) {
        expected += model[kind][i][number];
    }
    assert_int_equal(topic != NULL ? topic->subscribers : 0, expected);
    for (const struct audience *a = topic != NULL ? topic->audiences : NULL; a != NULL; a = a->next) {
        assert_true(a->count > 0);
        for (uint32_t k = 0; k < a->count; k++, seen++) {
            const struct subscription *subscription = a->members[k].subscription;
            ptrdiff_t who = (struct subscriber *)a->members[k].conn - subscribers;
            assert_ptr_equal(subscription->subscriber, &subscribers[who]);
            assert_int_equal(subscription->index, k);
            assert_int_equal(subscribers[who].loop, a->loop);
            assert_true(model[kind][who][number] && !found[who]);
            found[who] = true;
        }
    }
    assert_int_equal(seen, expected);
}

static void check_all(void)
{
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        uint64_t live = 0;
        for (int number = 0; number < NAMES; number++) {
            check_name((enum topic_kind)kind, number);
            live += topic_find(&topics, (enum topic_kind)kind, name_of(number)) != NULL;
        }
        assert_int_equal(topic_count(&topics, (enum topic_kind)kind), live);
        for (int i = 0; i < SUBSCRIBERS; i++) {
            int64_t count = 0;
            for (int number = 0; number < NAMES; number++) {
                count += model[kind][i][number];
            }
            assert_int_equal(subscribers[i].count[kind], count);
        }
    }
}

static void the_tables_are_as_the_model_says(void **state)
{
    (void)state;
    srand(20);
    for (int step = 0; step < STEPS; step++) {
        enum topic_kind kind = (enum topic_kind)(rand() % TOPIC_KINDS);
        int who = rand() % SUBSCRIBERS;
        int number = rand() % NAMES;
        bool *in = &model[kind][who][number];
        if (rand() % 100 < (step / 5000 % 2 == 0 ? 70 : 30)) {
            enum topic_subscribed done = topic_subscribe(&topics, &subscribers[who], kind, name_of(number));
            assert_int_equal(done, *in ? TOPIC_SUBSCRIBED_BEFORE : TOPIC_SUBSCRIBED);
            *in = true;
        } else {
            assert_int_equal(topic_unsubscribe(&topics, &subscribers[who], kind, name_of(number)), *in);
            *in = false;
        }
        if (step % 1000 == 0) {
            check_all();
        }
    }
    check_all();
}

static void subscriptions_keep_their_order(void **state)
{
    (void)state;
    for (int number = 0; number < NAMES; number++) {
        topic_subscribe(&topics, &subscribers[0], TOPIC_PATTERN, name_of(number));
    }
    topic_unsubscribe(&topics, &subscribers[0], TOPIC_PATTERN, name_of(0));
    topic_unsubscribe(&topics, &subscribers[0], TOPIC_PATTERN, name_of(7));
    topic_unsubscribe(&topics, &subscribers[0], TOPIC_PATTERN, name_of(NAMES - 1));
    int number = 1;
    const struct topic *topic = topics.first[TOPIC_PATTERN];
    for (const struct subscription *s = subscribers[0].first[TOPIC_PATTERN]; s != NULL;
         s = s->next, topic = topic->next) {
        assert_ptr_equal(s->topic, topic);
        assert_true(slice_equal(topic_name(topic), name_of(number)));
        number += number == 6 ? 2 : 1;
    }
    assert_int_equal(number, NAMES - 1);
    assert_null(topic);
}

static void channels_patterns_and_shard_channels_do_not_mix(void **state)
{
    (void)state;
    topic_subscribe(&topics, &subscribers[0], TOPIC_CHANNEL, SLICE("x"));
    assert_non_null(topic_find(&topics, TOPIC_CHANNEL, SLICE("x")));
    assert_null(topic_find(&topics, TOPIC_PATTERN, SLICE("x")));
    assert_null(topic_find(&topics, TOPIC_SHARD, SLICE("x")));
    assert_false(topic_unsubscribe(&topics, &subscribers[0], TOPIC_SHARD, SLICE("x")));
    assert_int_equal(subscriber_total(&subscribers[0]), 1);
}

int main(void)
{
    mem_thread_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tables_are_as_the_model_says, setup, teardown),
        cmocka_unit_test_setup_teardown(subscriptions_keep_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(channels_patterns_and_shard_channels_do_not_mix, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
