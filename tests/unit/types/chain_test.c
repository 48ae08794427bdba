/*
 * The chained hash table: everything that was put in is found until it is taken out, however hashes collide.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "memory.h"
#include "types/chain.h"

enum { COUNT = 5000 };

struct thing {
    struct chain_link link;
    int number;
    int seen;
};

static struct thing things[COUNT];

/* Every hash is shared by five. */
static uint64_t hash_of(int number)
{
    return (uint64_t)(number / 5) * 0x9e3779b97f4a7c15U;
}

static struct thing *find(const struct chain *chain, int number)
{
    struct chain_link *link = chain_find(chain, hash_of(number));
    while (link != NULL && ((struct thing *)link)->number != number) {
        link = chain_next(link);
    }
    return (struct thing *)link;
}

static void fill(struct chain *chain)
{
    for (int i = 0; i < COUNT; i++) {
        things[i] = (struct thing){.number = i};
        assert_true(chain_add(chain, &things[i].link, hash_of(i)));
    }
}

static void see(void *context, struct chain_link *link)
{
    ((struct thing *)link)->seen++;
    *(int *)context += 1;
}

static void what_was_put_in_is_found_until_it_is_taken_out(void **state)
{
    (void)state;
    int64_t used = mem_used();
    struct chain chain = {0};
    fill(&chain);
    assert_int_equal(chain.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_ptr_equal(find(&chain, i), &things[i]);
    }
    for (int i = 0; i < COUNT; i += 2) {
        chain_remove(&chain, &things[i].link);
    }
    assert_int_equal(chain.count, COUNT / 2);
    for (int i = 0; i < COUNT; i++) {
        assert_ptr_equal(find(&chain, i), i % 2 == 0 ? NULL : &things[i]);
    }
    assert_int_equal(mem_used() - used, mem_class(chain.size * sizeof *chain.buckets));
    chain_free(&chain);
    assert_int_equal(mem_used(), used);
    assert_null(chain_find(&chain, 1));
}

static void each_is_visited_once(void **state)
{
    (void)state;
    struct chain chain = {0};
    int visits = 0;
    fill(&chain);
    chain_each(&chain, see, &visits);
    assert_int_equal(visits, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(things[i].seen, 1);
    }
    chain_free(&chain);
}

static void any_one_is_there_while_there_are_some(void **state)
{
    (void)state;
    struct chain chain = {0};
    assert_null(chain_any(&chain, 7));
    fill(&chain);
    for (int left = COUNT; left > 0; left--) {
        struct thing *any = (struct thing *)chain_any(&chain, (uint64_t)left * 31);
        assert_non_null(any);
        assert_int_equal(any->seen++, 0);
        chain_remove(&chain, &any->link);
    }
    assert_null(chain_any(&chain, 7));
    chain_free(&chain);
}

int main(void)
{
    mem_thread_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_in_is_found_until_it_is_taken_out),
        cmocka_unit_test(each_is_visited_once),
        cmocka_unit_test(any_one_is_there_while_there_are_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
