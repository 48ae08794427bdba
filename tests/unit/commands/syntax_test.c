/*
 * The syntax of the manual becomes the tree of COMMAND DOCS. Trees are compared as text: name:type, then "=TOKEN", "?" for
 * optional, "*" for multiple, "+" for multiple with its token, children in brackets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "commands/syntax.h"

static size_t print(char *text, size_t size, const struct syntax *syntax, int first)
{
    size_t len = 0;
    text[0] = '\0';
    for (int i = first; i != SYNTAX_NONE; i = syntax->nodes[i].next) {
        const struct syntax_node *node = &syntax->nodes[i];
        char children[1024] = "";
        if (node->child != SYNTAX_NONE) {
            print(children, sizeof children, syntax, node->child);
        }
        len += (size_t)snprintf(
            text + len, size - len, "%s%s:%s%s%.*s%s%s%s%s%s%s", len > 0 ? " " : "", node->name,
            syntax_type_name(node->type), node->token.len > 0 ? "=" : "", (int)node->token.len,
            node->token.ptr != NULL ? node->token.ptr : "", (node->flags & SYNTAX_OPTIONAL) != 0 ? "?" : "",
            (node->flags & SYNTAX_MULTIPLE) != 0 ? "*" : "",
            (node->flags & SYNTAX_MULTIPLE_TOKEN) != 0 ? "+" : "", node->child != SYNTAX_NONE ? "(" : "",
            children, node->child != SYNTAX_NONE ? ")" : "");
        assert_true(len < size);
    }
    return len;
}

static void expect(const char *text, const char *tree)
{
    static struct syntax syntax;
    char found[2048];
    assert_true(syntax_parse(&syntax, text));
    print(found, sizeof found, &syntax, syntax.first);
    assert_string_equal(found, tree);
}

static void words_have_the_type_of_their_name(void **state)
{
    (void)state;
    expect(NULL, "");
    expect("", "");
    expect("key seconds value pattern unix-time-seconds",
           "key:key seconds:integer value:string pattern:pattern unix-time-seconds:unix-time");
}

static void tokens_stand_alone_or_before_their_arguments(void **state)
{
    (void)state;
    expect("LEN", "len:pure-token=LEN");
    expect("DB destination-db", "destination-db:integer=DB");
    expect("AUTH username password", "username_password:block=AUTH(username:string password:string)");
    expect("FILTERBY <MODULE module-name | ACLCAT category>",
           "module-name_category:oneof=FILTERBY(module-name:string=MODULE category:string=ACLCAT)");
}

static void brackets_are_optional_and_bars_are_choices(void **state)
{
    (void)state;
    expect("[NX | XX] [GET] [EX seconds | KEEPTTL]",
           "nx_xx:oneof?(nx:pure-token=NX xx:pure-token=XX) get:pure-token=GET? "
           "seconds_keepttl:oneof?(seconds:integer=EX keepttl:pure-token=KEEPTTL)");
    expect(
        "[start end [BYTE | BIT]]",
        "start_end_byte_bit:block?(start:integer end:integer byte_bit:oneof?(byte:pure-token=BYTE bit:pure-token=BIT))");
}

static void dots_repeat(void **state)
{
    (void)state;
    expect("key [key ...]", "key:key*");
    expect("key value [key value ...]", "key_value:block*(key:key value:string)");
    expect("timeout key value [key value ...]", "timeout:integer key_value:block*(key:key value:string)");
    expect("[section [section ...]]", "section:string?*");
    expect("[ID client-id [client-id ...]]", "client-id:integer=ID?*");
    expect("[PREFIX prefix [PREFIX prefix ...]]", "prefix:string=PREFIX?*+");
    expect(
        "<a | <[ID client-id] | [USER username]> ...>",
        "a_client-id_username:oneof(a:string client-id_username:oneof*(client-id:integer=ID? username:string=USER?))");
    expect(
        "key [GET offset | [FAIL] SET value [GET offset | [FAIL] SET value ...]]",
        "key:key offset_fail_value:oneof?*(offset:integer=GET fail_value:block(fail:pure-token=FAIL? value:string=SET))");
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    static struct syntax syntax;
    static char many[4 * SYNTAX_NODES];
    assert_false(syntax_parse(&syntax, "key [value"));
    assert_false(syntax_parse(&syntax, "key value]"));
    for (size_t i = 0; i + 2 < sizeof many; i += 2) {
        many[i] = 'x';
        many[i + 1] = ' ';
    }
    assert_false(syntax_parse(&syntax, many));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_have_the_type_of_their_name),
        cmocka_unit_test(tokens_stand_alone_or_before_their_arguments),
        cmocka_unit_test(brackets_are_optional_and_bars_are_choices),
        cmocka_unit_test(dots_repeat),
        cmocka_unit_test(what_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
