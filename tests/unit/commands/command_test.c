/*
 * The command table: every command is found by its name in any case and by no other, and keys are where the manual says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commands/command.h"
#include "commands/groups.h"
#include "memory.h"

static struct slice text(const char *s)
{
    return (struct slice){s, strlen(s)};
}

static void every_command_is_found_by_name_in_any_case(void **state)
{
    (void)state;
    assert_true(command_count() > 50);
    for (int id = 0; id < command_count(); id++) {
        const struct command *command = command_at(id);
        char upper[64], mixed[64];
        size_t len = strlen(command->name);
        for (size_t i = 0; i <= len; i++) {
            upper[i] = (char)toupper((unsigned char)command->name[i]);
            mixed[i] = i % 2 == 0 ? upper[i] : command->name[i];
        }
        const struct command *parent = command_parent(command);
        const char *names[] = {command->name, upper, mixed};
        for (size_t i = 0; i < 3; i++) {
            const struct command *found = parent == NULL ? command_find(text(names[i]))
                                                         : command_find_subcommand(parent, text(names[i]));
            assert_ptr_equal(found, command);
        }
        assert_int_equal(command_id(command), id);
    }
}

static void a_name_is_found_only_whole(void **state)
{
    (void)state;
    for (int id = 0; id < command_count(); id++) {
        const struct command *command = command_at(id);
        char name[64];
        if (command_parent(command) != NULL) {
            continue;
        }
        size_t len = (size_t)snprintf(name, sizeof name, "%sx", command->name);
        const struct command *longer = command_find((struct slice){name, len});
        assert_true(longer == NULL || strlen(longer->name) == len);
        const struct command *shorter = command_find((struct slice){name, len - 2});
        assert_true(shorter == NULL || strlen(shorter->name) == len - 2);
    }
    assert_null(command_find(text("")));
    assert_null(command_find(text("nosuchcommand")));
    assert_null(command_find((struct slice){"get\0", 4}));
    assert_null(command_find((struct slice){"\0\0\0", 3}));
}

/* Names that agree in their first eight letters, and bytes that differ from a letter by its case bit alone. */
static void names_with_a_common_prefix_are_told_apart(void **state)
{
    (void)state;
    assert_string_equal(command_find(text("bitfield"))->name, "bitfield");
    assert_string_equal(command_find(text("bitfield_ro"))->name, "bitfield_ro");
    assert_string_equal(command_find(text("expireat"))->name, "expireat");
    assert_string_equal(command_find(text("EXPIRETIME"))->name, "expiretime");
    assert_string_equal(command_find(text("pexpireat"))->name, "pexpireat");
    assert_string_equal(command_find(text("PEXPIRETIME"))->name, "pexpiretime");
    assert_null(command_find(text("bitfieldxro")));
    assert_null(command_find(text("bitfield\x7fro"))); /* '_' with the case bit */
}

static void a_subcommand_is_named_with_its_parent(void **state)
{
    (void)state;
    char name[64];
    const struct command *client = command_find(text("client"));
    const struct command *id = command_find_subcommand(client, text("ID"));
    assert_non_null(id);
    assert_ptr_equal(command_parent(id), client);
    command_full_name(id, name, sizeof name);
    assert_string_equal(name, "client|id");
    command_full_name(client, name, sizeof name);
    assert_string_equal(name, "client");
    assert_null(command_find_subcommand(client, text("nosuch")));
    assert_null(command_find_subcommand(command_find(text("get")), text("get")));
}

static void arity_counts_the_name_and_a_negative_one_is_a_least(void **state)
{
    (void)state;
    const struct command *get = command_find(text("get"));
    const struct command *set = command_find(text("set"));
    assert_false(command_arity_fits(get, 1));
    assert_true(command_arity_fits(get, 2));
    assert_false(command_arity_fits(get, 3));
    assert_false(command_arity_fits(set, 2));
    assert_true(command_arity_fits(set, 3));
    assert_true(command_arity_fits(set, 30));
}

static void assert_keys(const char *name, size_t argc, const char *expected)
{
    static struct slice argv[32];
    int positions[32];
    char got[128] = "";
    const struct command *command = command_find(text(name));
    assert_non_null(command);
    int count = command_keys(command, argv, argc, positions, 32);
    for (int i = 0; i < count; i++) {
        snprintf(got + strlen(got), sizeof got - strlen(got), "%d ", positions[i]);
    }
    assert_string_equal(got, expected);
}

static void keys_are_where_the_manual_says(void **state)
{
    (void)state;
    assert_keys("get", 2, "1 ");
    assert_keys("set", 5, "1 ");
    assert_keys("del", 4, "1 2 3 ");
    assert_keys("mset", 7, "1 3 5 ");
    assert_keys("mget", 3, "1 2 ");
    assert_keys("rename", 3, "1 2 ");
    assert_keys("bitop", 5, "2 3 4 ");
    assert_keys("ping", 2, "");
}

static void more_keys_than_there_is_room_for_are_counted(void **state)
{
    (void)state;
    static struct slice argv[32];
    int positions[4] = {0, 0, -7, -7};
    assert_int_equal(command_keys(command_find(text("del")), argv, 11, positions, 2), 10);
    assert_int_equal(positions[0], 1);
    assert_int_equal(positions[1], 2);
    assert_int_equal(positions[2], -7);
}

/* What COMMAND and dispatch rely on in every row. */
static void every_row_is_sound(void **state)
{
    (void)state;
    for (int id = 0; id < command_count(); id++) {
        const struct command *command = command_at(id);
        assert_true(command->run != NULL || command->subcommands != NULL);
        assert_int_not_equal(command->arity, 0);
        assert_non_null(command->summary);
        assert_non_null(command->since);
        assert_true(strlen(command->name) < 60);
        for (int i = 0; i < COMMAND_KEY_SPECS && command->keys[i].first > 0; i++) {
            assert_true(command->keys[i].step > 0);
            bool found = (command->keys[i].flags & (KEY_COUNTED | KEY_AFTER)) != 0;
            assert_true(found ? command->keys[i].last == 0
                              : command->keys[i].last < 0 || command->keys[i].last >= command->keys[i].first);
        }
        for (int i = 0; i < command_spec_count(command); i++) {
            if ((command->keys[i].flags & KEY_AFTER) != 0) {
                assert_non_null(command->keys_after);
                assert_true(command_key_word(command, i).len > 0);
            }
        }
        assert_false((command->flags & CMD_WRITE) != 0 && (command->flags & CMD_READONLY) != 0);
    }
}

int main(void)
{
    mem_thread_init();
    clock_init();
    groups_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_found_by_name_in_any_case),
        cmocka_unit_test(a_name_is_found_only_whole),
        cmocka_unit_test(names_with_a_common_prefix_are_told_apart),
        cmocka_unit_test(a_subcommand_is_named_with_its_parent),
        cmocka_unit_test(arity_counts_the_name_and_a_negative_one_is_a_least),
        cmocka_unit_test(keys_are_where_the_manual_says),
        cmocka_unit_test(more_keys_than_there_is_room_for_are_counted),
        cmocka_unit_test(every_row_is_sound),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
