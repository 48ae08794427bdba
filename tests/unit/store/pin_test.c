/* Pins: a pinned block is neither freed nor forgotten, whatever its owner does meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "memory.h"
#include "store/pin.h"

enum { BLOCK = 1000 };

static int freed; /* objects */

static void free_object(enum entry_type type, void *object)
{
    assert_int_equal(type, TYPE_LIST);
    mem_free(object, BLOCK);
    freed++;
}

static size_t object_memory(enum entry_type type, const void *object)
{
    (void)type;
    (void)object;
    return mem_class(BLOCK);
}

static const struct entry_ops ops = {.free = free_object, .memory = object_memory};

static void nothing_is_pinned_that_was_not(void **state)
{
    (void)state;
    struct pin pin;
    char pinned, other;
    assert_false(pin_any());
    pin_add(&pin, &pinned);
    assert_true(pin_any());
    assert_true(pin_holds(&pinned));
    assert_false(pin_holds(&other));
    assert_false(pin_defer_memory(&other, 1));
    pin_remove(&pin);
    assert_false(pin_any());
    assert_false(pin_holds(&pinned));
}

static void memory_that_its_owner_frees_is_freed_when_it_is_unpinned(void **state)
{
    (void)state;
    struct pin pin;
    int64_t before = mem_used();
    char *block = mem_alloc(BLOCK);
    pin_add(&pin, block);
    memset(block, 'x', BLOCK);
    assert_true(pin_defer_memory(block, BLOCK));
    assert_int_equal(pin_deferred(), BLOCK);
    assert_int_equal(block[BLOCK - 1], 'x');
    pin_remove(&pin);
    assert_int_equal(pin_deferred(), 0);
    assert_int_equal(mem_used(), before);
}

static void an_object_that_its_owner_frees_is_freed_as_such(void **state)
{
    (void)state;
    struct pin pin;
    int64_t before = mem_used();
    void *object = mem_alloc(BLOCK);
    freed = 0;
    pin_add(&pin, object);
    assert_true(pin_defer_object(object, TYPE_LIST));
    assert_int_equal(pin_deferred(), mem_class(BLOCK));
    assert_int_equal(freed, 0);
    pin_remove(&pin);
    assert_int_equal(freed, 1);
    assert_int_equal(mem_used(), before);
}

static void what_is_not_freed_meanwhile_stays_its_owner_s(void **state)
{
    (void)state;
    struct pin pins[3];
    char blocks[3];
    for (int i = 0; i < 3; i++) {
        pin_add(&pins[i], &blocks[i]);
    }
    pin_remove(&pins[1]);
    assert_true(pin_holds(&blocks[0]));
    assert_false(pin_holds(&blocks[1]));
    assert_true(pin_holds(&blocks[2]));
    pin_remove(&pins[2]);
    pin_remove(&pins[0]);
    assert_int_equal(pin_deferred(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_pinned_that_was_not),
        cmocka_unit_test(memory_that_its_owner_frees_is_freed_when_it_is_unpinned),
        cmocka_unit_test(an_object_that_its_owner_frees_is_freed_as_such),
        cmocka_unit_test(what_is_not_freed_meanwhile_stays_its_owner_s),
    };
    mem_thread_init();
    entry_set_ops(&ops);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
